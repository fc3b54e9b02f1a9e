//! The security extension of the real gateway against independent parts: a central system of Python's `ocpp`
//! package over TLS, certificates and signatures by OpenSSL, and a web server for logs and firmware.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::until;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use scenarios::{Stage, free_port};
use serde_json::{Value, json};

use crate::peers::Peer;
use crate::station::{calls, calls_when, of_station, order};

const SOON: Duration = Duration::from_secs(30);

/// The central system, the web server, the site, and the folder of certificates.
struct Play {
    ports: [u16; 3],
    csms: Peer,
    files: Peer,
    stage: Stage,
    folder: tempfile::TempDir,
}

impl Play {
    async fn start(seed: u64) -> anyhow::Result<Self> {
        let ports = [free_port()?, free_port()?, free_port()?];
        let folder = tempfile::tempdir()?;
        authority(folder.path())?;
        for log in ["csms", "files"] {
            std::fs::create_dir(folder.path().join(log))?;
        }
        let shown = folder.path().display().to_string();
        let [port, control, web] = ports.map(|port| port.to_string());
        let csms = Peer::start(
            "ocpp_csms.py",
            &[&port, &control, "1", &shown],
            &folder.path().join("csms"),
        )
        .await?;
        let files = Peer::start(
            "file_server.py",
            &[&web, &shown],
            &folder.path().join("files"),
        )
        .await?;
        let stage = Stage::with_configuration(seed, |site| {
            let plain = site.configuration_with_ocpp(&format!("https://127.0.0.1:{port}"));
            plain.replacen(
                "[ocpp]\n",
                &format!("[ocpp]\nca_file = \"{shown}/root.pem\"\n"),
                1,
            )
        })
        .await?;
        Ok(Self {
            ports,
            csms,
            files,
            stage,
            folder,
        })
    }

    async fn ask(&self, action: &str, fields: Value) -> anyhow::Result<Value> {
        order(self.ports[1], "CP-LEFT", action, fields).await
    }

    async fn accepted(&self, action: &str, fields: Value) -> anyhow::Result<()> {
        let answer = self.ask(action, fields).await?;
        ensure!(
            answer == json!({"status": "Accepted"}),
            "{action}: {answer}"
        );
        Ok(())
    }

    /// What CP-LEFT said with this action, once it is that.
    async fn says(&self, action: &str, wanted: &[Value]) -> anyhow::Result<()> {
        let said = |calls: &[Value]| {
            let left = of_station(calls, "CP-LEFT").filter(|call| call["action"] == action);
            left.map(|call| call["fields"].clone()).collect::<Vec<_>>()
        };
        let waited = calls_when(&self.csms, SOON, action, |calls| {
            said(calls).len() >= wanted.len()
        });
        let found = said(&waited.await?);
        ensure!(found == wanted, "{action}: {found:?} instead of {wanted:?}");
        Ok(())
    }

    fn nothing_was_invalid(&self) -> anyhow::Result<()> {
        let told = calls(&self.csms);
        let invalid = told.iter().find(|call| call["action"] == "invalid");
        ensure!(invalid.is_none(), "{invalid:?}");
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.ports[2])
    }
}

/// `root.pem` and `root.key`, and a server's certificate of it.
pub(crate) fn authority(folder: &Path) -> anyhow::Result<()> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "operator");
    let key = KeyPair::generate()?;
    std::fs::write(folder.join("root.pem"), params.self_signed(&key)?.pem())?;
    std::fs::write(folder.join("root.key"), key.serialize_pem())?;
    let issuer = Issuer::new(params, key);
    let server = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
    std::fs::write(
        folder.join("server.pem"),
        certificate.signed_by(&server, &issuer)?.pem(),
    )?;
    std::fs::write(folder.join("server.key"), server.serialize_pem())?;
    Ok(())
}

fn openssl(folder: &Path, arguments: &str) -> anyhow::Result<Vec<u8>> {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .context("openssl is missing: run `tests/run packages`")?;
    let problem = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "openssl {arguments}: {problem}");
    Ok(output.stdout)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_central_system_renews_password_and_certificate_and_raises_the_profile()
-> anyhow::Result<()> {
    let play = Play::start(51).await?;
    let gateway = std::fs::read_to_string(play.stage.folder.path().join("gateway/ocpp.password"))?;
    let proof = |password: Option<&str>, certificate: Option<&str>| json!({"password": password, "certificate": certificate});
    let first = proof(Some(gateway.trim()), None);
    play.says("connected", std::slice::from_ref(&first)).await?;
    let key = json!({"key": "AuthorizationKey", "value": "another-good-password"});
    play.accepted("ChangeConfiguration", key).await?;
    let second = proof(Some("another-good-password"), None);
    play.says("connected", &[first.clone(), second.clone()])
        .await?;

    // A certificate by OpenSSL, of a request that it accepts.
    let trigger = json!({"requested_message": "SignChargePointCertificate"});
    play.accepted("ExtendedTriggerMessage", trigger).await?;
    play.says("CertificateSigned", &[json!({"status": "Accepted"})])
        .await?;
    let third = json!({"key": "SecurityProfile", "value": "3"});
    play.accepted("ChangeConfiguration", third).await?;
    let third = proof(None, Some("CP-LEFT"));
    play.says("connected", &[first, second, third]).await?;
    let told = play
        .ask("GetConfiguration", json!({"key": ["SecurityProfile"]}))
        .await?;
    ensure!(told["configuration_key"][0]["value"] == "3", "{told}");

    // Roots are named as OpenSSL names them.
    let kind = json!({"certificate_type": "CentralSystemRootCertificate"});
    let none = play.ask("GetInstalledCertificateIds", kind.clone()).await?;
    ensure!(none["status"] == "NotFound", "{none}");
    let pem = std::fs::read_to_string(play.folder.path().join("root.pem"))?;
    let mut root = kind.clone();
    root["certificate"] = pem.into();
    play.accepted("InstallCertificate", root).await?;
    let listed = play.ask("GetInstalledCertificateIds", kind).await?;
    let hash = &listed["certificate_hash_data"][0];
    let arguments = "ocsp -sha256 -issuer root.pem -cert root.pem -no_nonce -req_text";
    let named = String::from_utf8(openssl(play.folder.path(), arguments)?)?.to_lowercase();
    for (field, label) in [
        ("issuer_name_hash", "issuer name hash"),
        ("issuer_key_hash", "issuer key hash"),
        ("serial_number", "serial number"),
    ] {
        let value = hash[field].as_str().context("the hash is told")?;
        ensure!(
            named.contains(&format!("{label}: {value}"))
                || named.contains(&format!("{label}: 0{value}")),
            "{hash} against {named}"
        );
    }
    play.accepted("DeleteCertificate", json!({"certificate_hash_data": hash}))
        .await?;
    play.nothing_was_invalid()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_go_up_and_firmware_comes_down_from_independent_servers() -> anyhow::Result<()> {
    let play = Play::start(52).await?;
    let folder = play.folder.path();
    let logs = json!({"location": play.url("logs"), "retries": 1});
    let answer = play.ask("GetDiagnostics", logs).await?;
    let name = answer["file_name"]
        .as_str()
        .context("it has a name")?
        .to_owned();
    let status = |word: &str| json!({"status": word});
    play.says(
        "DiagnosticsStatusNotification",
        &[status("Uploading"), status("Uploaded")],
    )
    .await?;
    let text = std::fs::read_to_string(folder.join(&name))?;
    let file: Value = serde_json::from_str(&text)?;
    let points = file["status"]["charge_points"]
        .as_array()
        .context("the status is there")?;
    ensure!(
        points.len() == 1 && points[0]["charge_point_id"] == "CP-LEFT",
        "{points:?}"
    );
    ensure!(file["status"]["buses"][0]["devices"].is_array(), "{file}");
    let lines = file["log"].as_array().context("the log is there")?;
    ensure!(!lines.is_empty(), "{file}");
    ensure!(
        !lines
            .iter()
            .any(|line| line.to_string().contains("CP-RIGHT")),
        "{lines:?}"
    );
    let password = std::fs::read_to_string(play.stage.folder.path().join("gateway/ocpp.password"))?;
    ensure!(!text.contains(password.trim()), "the password is in {text}");

    let log = json!({
        "log_type": "SecurityLog", "request_id": 5, "retries": 1, "log": {"remote_location": play.url("logs")},
    });
    let answer = play.ask("GetLog", log).await?;
    ensure!(answer["status"] == "Accepted", "{answer}");
    let of = |word: &str, request: u8| json!({"status": word, "requestId": request});
    play.says(
        "LogStatusNotification",
        &[of("Uploading", 5), of("Uploaded", 5)],
    )
    .await?;
    let security =
        std::fs::read_to_string(folder.join(answer["filename"].as_str().context("named")?))?;
    let security: Value = serde_json::from_str(&security)?;
    ensure!(
        security["security_events"][0]["type"] == "StartupOfTheDevice",
        "{security}"
    );

    let date = "2026-01-01T00:00:00Z";
    std::fs::write(folder.join("firmware.bin"), vec![3; 200_000])?;
    let update = json!({"location": play.url("firmware.bin"), "retrieve_date": date, "retries": 1});
    play.ask("UpdateFirmware", update).await?;
    let words = ["Downloading", "Downloaded", "InstallationFailed"].map(status);
    play.says("FirmwareStatusNotification", &words).await?;

    // Signed with RSA-PSS by a certificate of a manufacturer's root.
    openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -keyout maker.key -out maker.pem -days 9 -subj /CN=maker",
    )?;
    openssl(
        folder,
        "req -newkey rsa:2048 -nodes -keyout signer.key -out signer.csr -subj /CN=signer",
    )?;
    std::fs::write(folder.join("signer.ext"), "extendedKeyUsage=codeSigning\n")?;
    openssl(
        folder,
        "x509 -req -in signer.csr -CA maker.pem -CAkey maker.key -CAcreateserial -days 9 -extfile signer.ext -out signer.pem",
    )?;
    openssl(
        folder,
        "dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -sign signer.key -out good.sig firmware.bin",
    )?;
    openssl(
        folder,
        "dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -sign signer.key -out bad.sig root.pem",
    )?;
    let maker = json!({
        "certificate_type": "ManufacturerRootCertificate",
        "certificate": std::fs::read_to_string(folder.join("maker.pem"))?,
    });
    let signed = |request: u8, location: String, signature: &str| {
        let signature = openssl(folder, &format!("base64 -A -in {signature}"))?;
        anyhow::Ok(json!({
            "request_id": request, "retries": 1,
            "firmware": {
                "location": location, "retrieve_date_time": date,
                "signing_certificate": std::fs::read_to_string(folder.join("signer.pem"))?,
                "signature": String::from_utf8(signature)?,
            },
        }))
    };
    let (good, bin) = ("good.sig", play.url("firmware.bin"));
    let unknown = play
        .ask("SignedUpdateFirmware", signed(1, bin.clone(), good)?)
        .await?;
    ensure!(unknown["status"] == "InvalidCertificate", "{unknown}");
    play.accepted("InstallCertificate", maker).await?;
    let dead = format!("http://127.0.0.1:{}/firmware.bin", free_port()?);
    let mut told = Vec::new();
    for (request, location, signature, words) in [
        (
            2,
            bin.clone(),
            good,
            &[
                "Downloading",
                "Downloaded",
                "SignatureVerified",
                "InstallationFailed",
            ][..],
        ),
        (
            3,
            bin,
            "bad.sig",
            &["Downloading", "Downloaded", "InvalidSignature"],
        ),
        (4, dead, good, &["Downloading", "DownloadFailed"]),
    ] {
        play.accepted(
            "SignedUpdateFirmware",
            signed(request, location, signature)?,
        )
        .await?;
        told.extend(words.iter().map(|word| of(word, request)));
        play.says("SignedFirmwareStatusNotification", &told).await?;
    }
    let events = until(SOON, "every event is told", async || {
        let events: Vec<String> = of_station(&calls(&play.csms), "CP-LEFT")
            .filter(|call| call["action"] == "SecurityEventNotification")
            .map(|call| {
                call["fields"]["type"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        Ok((events.len() >= 3).then_some(events))
    })
    .await?;
    let wanted = [
        "StartupOfTheDevice",
        "InvalidFirmwareSigningCertificate",
        "InvalidFirmwareSignature",
    ];
    ensure!(events == wanted, "{events:?}");
    let left_behind = std::fs::read_dir(play.stage.folder.path().join("gateway/data"))?
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        .find(|name| name.starts_with("firmware-"));
    ensure!(left_behind.is_none(), "{left_behind:?}");
    ensure!(
        play.files.process.printed().lines().count() >= 2,
        "two logs came"
    );
    play.nothing_was_invalid()
}
