//! Who is let in as a charge point: by password, by a token in the path, over TLS, once registered; and
//! who is not.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::ocpp_depot::Depot;
use crate::tls::certificate;

const GOOD: &str = "DE*GOOD*1";
const BAD: &str = "DE*BAD*1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_is_known_with_its_password_and_protocol_is_let_in() -> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    let password = depot.register(GOOD).await?;
    let other = depot.register(BAD).await?;
    let url = depot.address(GOOD);
    for (how, status) in [
        (
            json!({"url": depot.address("NOBODY"), "password": password}),
            404,
        ),
        (json!({"url": depot.address("NOBODY")}), 404),
        (json!({"url": url}), 401),
        (json!({"url": url, "password": "0123456789abcdefghij"}), 401),
        (json!({"url": url, "password": other}), 401),
        (json!({"url": url, "password": other, "user": BAD}), 401),
        (
            json!({"url": depot.cloud.base().replacen("http", "ws", 1) + "/ocpp/2.0.1/" + GOOD, "password": password, "subprotocols": ["ocpp2.0.1"]}),
            404,
        ),
    ] {
        let refused = depot.say(GOOD, "connect", how.clone()).await?;
        assert_eq!(refused.code()?, status, "{how}");
    }
    depot.logged("NOBODY", "nobody has registered it").await?;
    depot
        .logged(GOOD, "its credential is missing or wrong")
        .await?;
    for subprotocols in [json!([]), json!(["ocpp2.0.1"]), json!(["ocpp1.5", "soap"])] {
        let how = json!({"url": url, "password": password, "subprotocols": subprotocols});
        assert_eq!(
            depot.say(GOOD, "connect", how).await?.ok()?,
            Value::Null,
            "none is agreed on"
        );
        let told = depot.say(GOOD, "closed", json!({})).await?.ok()?;
        assert_eq!(
            told,
            json!([1002, "no subprotocol that is spoken here; offer ocpp1.6"])
        );
    }
    depot
        .logged(GOOD, "it offers no subprotocol that is spoken here")
        .await?;
    let base = depot.cloud.base().replacen("http", "ws", 1);
    for path in ["ocpp16", "ocpp/1.6", "ocpp"] {
        let how = json!({"url": format!("{base}/{path}/{GOOD}"), "password": password, "subprotocols": ["ocpp2.0.1", "ocpp1.6"]});
        assert_eq!(
            depot.say(GOOD, "connect", how).await?.ok()?,
            "ocpp1.6",
            "{path}"
        );
        depot.boot(GOOD).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_connection_of_the_same_id_closes_the_first() -> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    let password = depot.station(GOOD).await?;
    // Another place in the peer, the same identity towards the cloud.
    let how = json!({"url": depot.address(GOOD), "password": password, "user": GOOD});
    depot.say("twin", "connect", how).await?.ok()?;
    let told = depot.say(GOOD, "closed", json!({})).await?.ok()?;
    assert_eq!(
        told,
        json!([1008, "another connection of this charge point took over"])
    );
    depot.boot("twin").await?;
    depot.online_is(GOOD, true).await?;
    let answer = json!({"action": "ClearCache", "payload": {"status": "Accepted"}});
    depot.say("twin", "answer", answer).await?.ok()?;
    let told = depot
        .post("/ocpp16/clear_cache", &json!({"charge_point_id": GOOD}))
        .await?;
    ensure!(
        told.status == 200 && told.body["status"] == "Accepted",
        "{told:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_replaces_the_old_one_and_a_deleted_charge_point_is_gone()
-> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    let old = depot.station(GOOD).await?;
    let path = format!("/chargepoints/{GOOD}");
    let renewed = depot
        .post(&format!("{path}/provisioning-password"), &json!({}))
        .await?;
    let new = renewed.body["provisioning_password"]
        .as_str()
        .context("a new password")?;
    ensure!(
        new.len() == 20 && new.bytes().all(|byte| byte.is_ascii_alphanumeric()) && new != old,
        "{renewed:?}"
    );
    depot.now(GOOD).await?;
    let how =
        |password: &str, depot: &Depot| json!({"url": depot.address(GOOD), "password": password});
    let refused = depot
        .say(
            "late",
            "connect",
            json!({"url": depot.address(GOOD), "password": old, "user": GOOD}),
        )
        .await?;
    assert_eq!(refused.code()?, 401, "the old password");
    let with_new = how(new, &depot);
    depot.say(GOOD, "connect", with_new.clone()).await?.ok()?;
    depot.boot(GOOD).await?;

    let deleted = depot.delete(&path).await?;
    ensure!(deleted.status == 204, "{deleted:?}");
    depot.say(GOOD, "closed", json!({})).await?.ok()?;
    assert_eq!(depot.say(GOOD, "connect", with_new).await?.code()?, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_the_path_stands_for_a_password_where_it_was_asked_for() -> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    let body =
        json!({"charge_point_id": GOOD, "vendor": "Peer", "model": "Python", "path_token": true});
    let made = depot.post("/chargepoints", &body).await?;
    let endpoint = made.body["path_token_endpoint"]
        .as_str()
        .context("an address with a token")?;
    let address = depot.address(GOOD);
    ensure!(
        endpoint.starts_with(&format!("{address}/")),
        "{endpoint} is not below {address}"
    );
    depot
        .say(GOOD, "connect", json!({"url": endpoint}))
        .await?
        .ok()?;
    depot.boot(GOOD).await?;
    depot.register(BAD).await?;
    let token = endpoint.rsplit('/').next().unwrap_or_default();
    for (id, token) in [(GOOD, "guess"), (BAD, token)] {
        let url = format!("{}/{token}", depot.address(id));
        assert_eq!(
            depot
                .say(BAD, "connect", json!({"url": url}))
                .await?
                .code()?,
            401,
            "{id}"
        );
    }
    ensure!(
        !depot.cloud.process.printed().contains(token),
        "the token was logged"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_ten_wrong_passwords_a_charge_point_waits_and_no_other() -> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    depot.register(BAD).await?;
    let guess = json!({"url": depot.address(BAD), "password": "0123456789abcdefghij"});
    for _ in 0..10 {
        assert_eq!(depot.say(BAD, "connect", guess.clone()).await?.code()?, 401);
    }
    assert_eq!(depot.say(BAD, "connect", guess).await?.code()?, 429);
    depot.station(GOOD).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_strangers_are_held_one_waits_and_nothing_of_it_is_kept_until_it_is_registered()
-> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    depot
        .restart_with("http", "\n[ocpp]\nunknown_stations = \"hold\"\n")
        .await?;
    let url = depot.address(GOOD);
    depot
        .say(GOOD, "connect", json!({"url": url}))
        .await?
        .ok()?;
    let boot = json!({"chargePointVendor": "Peer", "chargePointModel": "Python"});
    let booted = depot.call(GOOD, "BootNotification", boot).await?;
    assert_eq!(booted["status"], "Pending");
    let start = json!({"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": booted["currentTime"]});
    for (action, payload) in [
        ("Authorize", json!({"idTag": "T"})),
        ("StartTransaction", start),
    ] {
        let told = depot
            .say(GOOD, "call", json!({"action": action, "payload": payload}))
            .await?;
        assert_eq!(told.code()?, "SecurityError", "{action}");
    }
    assert_eq!(depot.get("/chargepoints").await?["total"], 0);
    assert_eq!(depot.get("/sessions").await?["total"], 0);

    let password = depot.register(GOOD).await?;
    depot.say(GOOD, "closed", json!({})).await?.ok()?;
    depot.connect(GOOD, &password).await?;
    depot.boot(GOOD).await?;
    depot.online_is(GOOD, true).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_a_charge_point_is_served_where_it_trusts_the_certificate() -> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    let password = depot.register(GOOD).await?;
    certificate(depot.folder(), "server")?;
    certificate(depot.folder(), "stranger")?;
    let files = depot.folder().display().to_string();
    let tls = format!(
        "\n[http.tls]\ncertificate_file = \"{files}/server.pem\"\nkey_file = \"{files}/server.key\"\n"
    );
    depot.restart_with("https", &tls).await?;
    let secure = depot.address(GOOD).replacen("ws:", "wss:", 1);
    let how = |name: &str| json!({"url": secure, "password": password, "trust": format!("{files}/{name}.pem")});
    let untrusted = depot.say(GOOD, "connect", how("stranger")).await;
    let told = untrusted
        .err()
        .map(|error| format!("{error:#}"))
        .unwrap_or_default();
    ensure!(told.contains("CERTIFICATE_VERIFY_FAILED"), "{told}");
    assert_eq!(
        depot.say(GOOD, "connect", how("server")).await?.ok()?,
        "ocpp1.6"
    );
    depot.boot(GOOD).await?;
    let plain = json!({"url": depot.address(GOOD), "password": password});
    ensure!(
        depot.say(BAD, "connect", plain).await.is_err(),
        "plain where TLS is spoken"
    );
    depot.now(GOOD).await?;
    Ok(())
}
