//! Security profile 3 with the real cloud: charge points by the Python `ocpp` package and our own gateway's
//! get their certificates of it, connect with them, and are refused with those that are good no more.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::{Binaries, Cloud, CloudOptions, CloudTls, Gateway, MqttLink, SimulatedSite, until};
use rcgen::{
    CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, Issuer,
    KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
};
use serde_json::{Value, json};

use crate::ocpp_depot::Depot;
use crate::ocpp_site::{get, post};
use crate::station_security::authority;

const GOOD: &str = "DE*GOOD*1";
const BAD: &str = "DE*BAD*1";
const LEFT: &str = "CP-LEFT";
const DEADLINE: Duration = Duration::from_secs(60);

/// Writes what the authority of a folder revoked, as `revoked.pem`.
fn revoke(folder: &Path, serial: Option<&str>) -> anyhow::Result<()> {
    let mut params = CertificateParams::default();
    // As `authority` names it.
    params
        .distinguished_name
        .push(DnType::CommonName, "operator");
    let key = KeyPair::from_pem(&std::fs::read_to_string(folder.join("root.key"))?)?;
    let issuer = Issuer::new(params, key);
    let revoked = |serial: &str| {
        let bytes = serial.split(':').map(|byte| u8::from_str_radix(byte, 16));
        anyhow::Ok(RevokedCertParams {
            serial_number: SerialNumber::from(bytes.collect::<Result<Vec<_>, _>>()?),
            revocation_time: rcgen::date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        })
    };
    let list = CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2026, 1, 1),
        next_update: rcgen::date_time_ymd(2040, 1, 1),
        crl_number: SerialNumber::from(vec![1]),
        issuing_distribution_point: None,
        revoked_certs: serial.map(revoked).transpose()?.into_iter().collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    std::fs::write(folder.join("revoked.pem"), list.signed_by(&issuer)?.pem()?)?;
    Ok(())
}

/// An authority in the folder that signs and revokes, and a server's certificate of it.
fn signing(folder: &Path) -> anyhow::Result<Option<CloudTls>> {
    authority(folder)?;
    revoke(folder, None)?;
    Ok(Some(CloudTls {
        folder: folder.to_owned(),
        ca: "certificate_file = \"root.pem\", key_file = \"root.key\", crl_file = \"revoked.pem\""
            .to_owned(),
    }))
}

/// The serial number in a line of the log that tells which certificate was shown.
fn serial(line: &str) -> anyhow::Result<String> {
    let rest = line
        .split_once("shows its certificate ")
        .map(|(_, rest)| rest);
    let serial = rest
        .and_then(|rest| rest.split_once(", which"))
        .map(|(serial, _)| serial);
    Ok(serial
        .with_context(|| format!("no serial number in {line}"))?
        .to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_charge_point_gets_a_certificate_connects_with_it_and_is_refused_once_it_is_revoked()
-> anyhow::Result<()> {
    let mut depot = Depot::open_with(signing).await?;
    let password = depot.register(GOOD).await?;
    let other = depot.register(BAD).await?;
    let folder = depot.folder().to_owned();
    let file = |name: &str| folder.join(name).display().to_string();
    let (url, trust) = (depot.address(GOOD), file("root.pem"));
    depot
        .say(
            GOOD,
            "connect",
            json!({"url": url, "password": password, "trust": trust}),
        )
        .await?
        .ok()?;
    depot.boot(GOOD).await?;

    // In somebody else's name it gets none.
    let key = KeyPair::generate()?;
    let csr = |name: &str| -> anyhow::Result<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        Ok(params.serialize_request(&key)?.pem()?)
    };
    let rejected = depot
        .call(GOOD, "SignCertificate", json!({"csr": csr(BAD)?}))
        .await?;
    ensure!(rejected == json!({"status": "Rejected"}), "{rejected}");
    depot
        .logged(GOOD, "its common name is \"DE*BAD*1\"")
        .await?;
    let answer = json!({"action": "CertificateSigned", "payload": {"status": "Accepted"}});
    depot.say(GOOD, "answer", answer).await?.ok()?;
    let accepted = depot
        .call(GOOD, "SignCertificate", json!({"csr": csr(GOOD)?}))
        .await?;
    ensure!(accepted == json!({"status": "Accepted"}), "{accepted}");
    let signed = depot
        .say(GOOD, "asked", json!({"action": "CertificateSigned"}))
        .await?
        .ok()?;
    let chain = signed["certificateChain"].as_str().context("a chain")?;
    std::fs::write(folder.join("good.pem"), chain)?;
    std::fs::write(folder.join("good.key"), key.serialize_pem())?;
    depot.logged(GOOD, "took its new certificate").await?;

    let shown = |url: &str, trust: &str| json!({"url": url, "trust": trust, "certificate": file("good.pem"), "key": file("good.key")});
    let required = json!({"certificate_required": true});
    let changed = depot
        .patch(&format!("/chargepoints/{GOOD}"), &required)
        .await?;
    ensure!(changed.status == 200, "{changed:?}");
    let refused = depot
        .say(
            "late",
            "connect",
            json!({"url": url, "password": password, "trust": trust, "user": GOOD}),
        )
        .await?;
    assert_eq!(refused.code()?, 401, "its password is not enough any more");
    depot
        .logged(GOOD, "it shows no certificate, which it must")
        .await?;
    depot
        .say(GOOD, "connect", shown(&url, &trust))
        .await?
        .ok()?;
    depot.boot(GOOD).await?;
    let line = depot.logged(GOOD, "shows its certificate").await?;
    let theirs = depot
        .say(BAD, "connect", shown(&depot.address(BAD), &trust))
        .await?;
    assert_eq!(theirs.code()?, 401, "somebody else's certificate");

    // One that knows old cipher suites only cannot get in; the log names what is missing.
    let server = depot.cloud.base().replacen("https://", "", 1);
    std::process::Command::new("openssl")
        .args([
            "s_client",
            "-tls1_2",
            "-cipher",
            "AES128-SHA",
            "-connect",
            &server,
        ])
        .stdin(std::process::Stdio::null())
        .output()
        .context("openssl is missing: run `tests/run packages`")?;
    depot
        .logged("TLS was refused", "needs a proxy in front that ends TLS")
        .await?;

    // The server's certificate is renewed and the charge point's revoked, while it is connected.
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    std::fs::write(folder.join("server.key"), made.signing_key.serialize_pem())?;
    std::fs::write(folder.join("server.pem"), made.cert.pem())?;
    revoke(&folder, Some(&serial(&line)?))?;
    depot
        .logged("[http.tls]", "were changed and are in use")
        .await?;
    depot
        .logged("[ocpp.ca]", "were changed and are in use")
        .await?;
    depot.now(GOOD).await?;
    let renewed = file("server.pem");
    let with_password = json!({"url": depot.address(BAD), "password": other, "trust": renewed});
    depot.say(BAD, "connect", with_password).await?.ok()?;
    let revoked = depot.say("late", "connect", shown(&url, &renewed)).await?;
    assert_eq!(revoked.code()?, 401, "it was revoked");
    depot.logged(GOOD, "its certificate is revoked").await?;
    depot.now(GOOD).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_charge_point_gets_its_certificate_of_our_cloud_and_has_it_renewed()
-> anyhow::Result<()> {
    let binaries = Binaries::beside_this_program()?;
    let folder = tempfile::tempdir()?;
    let options = CloudOptions {
        tls: signing(folder.path())?,
        ..CloudOptions::default()
    };
    let cloud = Cloud::start(&binaries, &folder.path().join("cloud"), options).await?;
    let tenant = cloud.tenant("Certificates", 1_000_000)?;
    let api = cloud.api(&tenant.key)?;
    let enrolled = cloud.enrol(&tenant.site_id)?;
    let site = SimulatedSite::start(53).await?;
    let gateway_folder = folder.path().join("gateway");
    let link = MqttLink {
        port: cloud.mqtt_port(),
    };
    let ca = format!(
        "[ocpp]\nca_file = \"{}/root.pem\"\n",
        folder.path().display()
    );
    let text = site
        .configuration_with_ocpp(&cloud.base())
        .replacen("[ocpp]\n", &ca, 1);
    Gateway::configure(&gateway_folder, &enrolled, link, &text)?;
    let gateway = Gateway::start(&binaries, &gateway_folder).await?;
    let words = || {
        format!(
            "{}\n{}",
            gateway.process.last_words(),
            cloud.process.last_words()
        )
    };
    let shown = || -> Vec<String> {
        let printed = cloud.process.printed();
        let lines = printed
            .lines()
            .filter(|line| line.contains(LEFT) && line.contains("shows its certificate"));
        lines.map(str::to_owned).collect()
    };
    let ask = async |action: &str, fields: Value| {
        let mut body = fields;
        body["charge_point_id"] = LEFT.into();
        until(DEADLINE, action, async || {
            let told = post(&api, &format!("/ocpp16/{action}"), &body).await;
            Ok(told.ok().filter(|told| told["status"] == "Accepted"))
        })
        .await
        .with_context(words)
    };
    let sign = json!({"requested_message": "SignChargePointCertificate"});
    let taken = async |count: usize| {
        until(DEADLINE, "the certificate is taken", async || {
            let printed = cloud.process.printed();
            let lines = printed
                .lines()
                .filter(|line| line.contains(LEFT) && line.contains("took its new certificate"));
            Ok((lines.count() >= count).then_some(()))
        })
        .await
        .with_context(words)
    };
    let shows = async |count: usize| {
        let shown = until(DEADLINE, "the certificate is shown", async || {
            let shown = shown();
            Ok((shown.len() >= count).then_some(shown))
        });
        shown.await.with_context(words)
    };

    // By password first; then the certificate, then profile 3.
    ask("extended_trigger_message", sign.clone()).await?;
    taken(1).await?;
    ask(
        "change_configuration",
        json!({"key": "SecurityProfile", "value": "3"}),
    )
    .await?;
    let first = serial(&shows(1).await?[0])?;
    let told = ask("get_configuration", json!({"key": ["SecurityProfile"]})).await?;
    ensure!(
        told["response"]["configurationKey"][0]["value"] == "3",
        "{told}"
    );

    // Renewed: the next socket shows the new one.
    ask("extended_trigger_message", sign).await?;
    taken(2).await?;
    cloud_closes(&api, LEFT).await?;
    let second = until(DEADLINE, "another certificate is shown", async || {
        let last = shown().pop().context("one was shown")?;
        let serial = serial(&last)?;
        Ok((serial != first).then_some(serial))
    })
    .await
    .with_context(words)?;
    ensure!(second.len() == first.len(), "{first} {second}");
    ask("get_local_list_version", json!({})).await?;
    let events = get(&api, &format!("/chargepoints/{LEFT}/security-events")).await?;
    let kinds: Vec<_> = events["security_events"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    ensure!(
        kinds.iter().all(|event| event["source"] == "charge_point"),
        "nobody was refused: {events}"
    );
    Ok(())
}

/// Has the charge point come back: it takes what is new with its next socket.
async fn cloud_closes(api: &demo::Api, id: &str) -> anyhow::Result<()> {
    let reset = json!({"charge_point_id": id, "type": "Soft"});
    let told = post(api, "/ocpp16/reset", &reset).await?;
    ensure!(told["status"] == "Accepted", "{told}");
    Ok(())
}
