//! Who may connect as a charge point, and who is cut off.

use cloud_api::keys::Scope;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::harness::{DIRECT, OURS, World};
use crate::station::{Listening, Station};

fn status(refused: Result<Station, tungstenite::Error>) -> (u16, String) {
    match refused {
        Err(tungstenite::Error::Http(response)) => {
            let challenge = response.headers().get("www-authenticate");
            let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
            (response.status().as_u16(), challenge.unwrap_or_default())
        }
        Ok(_) => panic!("let in"),
        Err(error) => panic!("{error}"),
    }
}

async fn heartbeat(station: &mut Station) {
    let answer = station.call("Heartbeat", json!({})).await;
    assert_eq!(answer["currentTime"], "2026-05-01T09:14:05Z");
}

#[tokio::test]
async fn a_charge_point_is_let_in_by_its_password_on_each_path() {
    let world = World::furnished().await;
    let at = world.listen().await;
    let password = world.password(DIRECT).await;
    for path in ["/ocpp16", "/ocpp/1.6", "/ocpp"] {
        let path = format!("{path}/{DIRECT}");
        for offered in ["ocpp1.6", "ocpp2.0.1, ocpp1.6"] {
            let credential = Some((DIRECT, &*password));
            let station = at.connect_at(&path, credential, Some(offered)).await;
            heartbeat(&mut station.unwrap()).await;
        }
        let basic = r#"Basic realm="ocpp", charset="UTF-8""#;
        for wrong in [
            None,
            Some((DIRECT, "wrong")),
            Some((DIRECT, "")),
            Some((OURS, &*password)),
        ] {
            let refused = at.connect_at(&path, wrong, Some("ocpp1.6")).await;
            // The eleventh failure is told to wait instead.
            assert!(
                [(401, basic.to_owned()), (429, String::new())].contains(&status(refused)),
                "{path} {wrong:?}"
            );
        }
    }
    at.stop().await;
}

#[tokio::test]
async fn an_unknown_charge_point_is_refused() {
    let world = World::new().await;
    let at = world.listen().await;
    for id in ["nobody", "status", "a%20b"] {
        let path = format!("/ocpp/{id}");
        let refused = at.connect_at(&path, None, Some("ocpp1.6")).await;
        assert_eq!(status(refused).0, 404, "{id}");
    }
    at.stop().await;
}

#[tokio::test]
async fn the_eleventh_wrong_password_in_a_row_is_told_to_wait_and_others_are_let_in() {
    let world = World::furnished().await;
    let at = world.listen().await;
    for _ in 0..10 {
        assert_eq!(status(at.connect(DIRECT, "guess").await).0, 401);
    }
    let password = world.password(DIRECT).await;
    assert_eq!(status(at.connect(DIRECT, &password).await).0, 429);
    let other = register(&world, "DE*OURS*D2").await;
    heartbeat(&mut at.connect("DE*OURS*D2", &other).await.unwrap()).await;
    at.stop().await;
}

async fn register(world: &World, id: &str) -> String {
    let key = world.key(Scope::ALL).await;
    let body = json!({"charge_point_id": id, "vendor": "V", "model": "M"}).to_string();
    let answer = world.post("/api/v1/chargepoints", &key, &body).await;
    let password = answer.json()["provisioning_password"].clone();
    password.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_protocol_that_is_not_spoken_ends_the_connection_at_once() {
    let world = World::furnished().await;
    let at = world.listen().await;
    let password = world.password(DIRECT).await;
    for offered in [None, Some("ocpp2.1"), Some("ocpp1.5, soap")] {
        let path = format!("/ocpp/{DIRECT}");
        let station = at.connect_at(&path, Some((DIRECT, &password)), offered);
        match station.await {
            Ok(mut station) => assert_eq!(station.closed().await.0, 1002),
            // The client library itself refuses an answer without the protocol that it offered.
            Err(error) => assert!(offered.is_some(), "{error}"),
        }
    }
    let mut station = at.connect(DIRECT, &password).await.unwrap();
    heartbeat(&mut station).await;
    at.stop().await;
}

#[tokio::test]
async fn a_second_socket_closes_the_first_and_is_the_one_that_is_asked() {
    let world = World::furnished().await;
    let at = world.listen().await;
    let password = world.password(DIRECT).await;
    let mut first = at.connect(DIRECT, &password).await.unwrap();
    heartbeat(&mut first).await;
    let mut second = at.connect(DIRECT, &password).await.unwrap();
    let told = "another connection of this charge point took over".to_owned();
    assert_eq!(first.closed().await, (1008, told));
    heartbeat(&mut second).await;
    let key = world.key(Scope::ALL).await;
    let path = format!("/api/v1/chargepoints/{DIRECT}/status");
    assert_eq!(world.get(&path, &key).await.json()["online"], true);
    assert_eq!(world.stations.count(), 1);
    at.stop().await;
}

#[tokio::test]
async fn one_more_than_there_is_room_for_is_refused_until_one_leaves_and_the_others_do_not_notice()
{
    let world = World::furnished().await.with_room(2);
    let at = world.listen().await;
    let mut first = at
        .connect(DIRECT, &world.password(DIRECT).await)
        .await
        .unwrap();
    let second = register(&world, "SECOND").await;
    let mut neighbour = at.connect("SECOND", &second).await.unwrap();
    let third = register(&world, "THIRD").await;
    assert_eq!(status(at.connect("THIRD", &third).await).0, 503);
    heartbeat(&mut first).await;
    let key = world.key(Scope::ALL).await;
    let path = "/api/v1/chargepoints";
    assert_eq!(
        world.get(path, &key).await.status,
        200,
        "REST has its own room"
    );
    // One that comes again, because its own socket broke unseen, makes room for itself.
    let again = async || at.connect(DIRECT, &world.password(DIRECT).await).await;
    assert_eq!(status(again().await).0, 503);
    assert_eq!(first.closed().await.0, 1008);
    let mut first = crate::central::until(async || again().await.ok()).await;
    neighbour.call("Heartbeat", json!({})).await;
    drop(neighbour);
    let mut third = crate::central::until(async || at.connect("THIRD", &third).await.ok()).await;
    heartbeat(&mut third).await;
    heartbeat(&mut first).await;
    at.stop().await;
}

#[tokio::test]
async fn one_behind_a_gateway_shows_its_gateways_password() {
    let world = World::furnished().await;
    let at = world.listen().await;
    let secrets = cloud_api::secret::ServerSecrets::load_or_create(world.dir.path()).unwrap();
    let hash = secrets.hash("gateway password", "of the gateway");
    let sql = "UPDATE gateways SET credential_hash = $1 WHERE id = 'gw_ours'";
    world.db.write(sql, vec![hash.into()]).await.unwrap();
    heartbeat(&mut at.connect(OURS, "of the gateway").await.unwrap()).await;
    assert_eq!(status(at.connect(OURS, "of another").await).0, 401);
    let revoke = "UPDATE gateways SET revoked_at_ms = 1 WHERE id = 'gw_ours'";
    world.db.write(revoke, vec![]).await.unwrap();
    assert_eq!(status(at.connect(OURS, "of the gateway").await).0, 401);
    at.stop().await;
}

#[tokio::test]
async fn a_token_in_the_path_lets_in_only_where_it_was_asked_for() {
    let world = World::furnished().await;
    let at = world.listen().await;
    let key = world.key(Scope::ALL).await;
    let body = r#"{"charge_point_id":"OLD1","vendor":"V","model":"M","path_token":true}"#;
    let answer = world.post("/api/v1/chargepoints", &key, body).await.json();
    let endpoint = answer["path_token_endpoint"].as_str().unwrap();
    let path = endpoint.strip_prefix("wss://csms.example.com").unwrap();
    let mut station = at.connect_at(path, None, Some("ocpp1.6")).await.unwrap();
    heartbeat(&mut station).await;
    let wrong = at.connect_at("/ocpp/OLD1/x", None, Some("ocpp1.6")).await;
    assert_eq!(status(wrong).0, 401);
    let token = path.rsplit('/').next().unwrap();
    let others = format!("/ocpp/{DIRECT}/{token}");
    let others = at.connect_at(&others, None, Some("ocpp1.6")).await;
    assert_eq!(status(others).0, 401);
    at.stop().await;
}

#[tokio::test]
async fn one_that_nobody_registered_is_held_where_that_is_wished_and_let_in_once_registered() {
    let world = World::furnished().await.holding();
    let at = world.listen().await;
    let mut held = at.connect("NEW1", "anything").await.unwrap();
    let boot = json!({"chargePointVendor": "V", "chargePointModel": "M"});
    let answer = held.call("BootNotification", boot.clone()).await;
    assert_eq!(answer["status"], "Pending");
    let refused = held.call_for_frame("Heartbeat", json!({})).await;
    assert_eq!(
        (&refused[0], &refused[2]),
        (&json!(4), &json!("SecurityError"))
    );
    let rows = "SELECT id FROM charge_points WHERE id = 'NEW1'";
    assert_eq!(world.db.query(rows, vec![]).await.unwrap().len(), 0);

    let password = register(&world, "NEW1").await;
    assert_eq!(held.closed().await.0, 1008);
    let mut known = at.connect("NEW1", &password).await.unwrap();
    let answer = known.call("BootNotification", boot).await;
    assert_eq!(answer["status"], "Accepted");
    at.stop().await;
}

#[tokio::test]
async fn one_that_is_deleted_is_closed_and_refused() {
    let world = World::furnished().await;
    let at = world.listen().await;
    let password = world.password(DIRECT).await;
    let mut station = at.connect(DIRECT, &password).await.unwrap();
    heartbeat(&mut station).await;
    let key = world.key(Scope::ALL).await;
    let path = format!("/api/v1/chargepoints/{DIRECT}");
    assert_eq!(world.delete(&path, &key).await.status, 204);
    assert_eq!(station.closed().await.0, 1008);
    assert_eq!(status(at.connect(DIRECT, &password).await).0, 404);
    at.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_says_farewell() {
    let world = World::furnished().await;
    let at = world.listen().await;
    let password = world.password(DIRECT).await;
    let mut station = at.connect(DIRECT, &password).await.unwrap();
    heartbeat(&mut station).await;
    let stations = world.stations.clone();
    let stopping = tokio::spawn(async move { stations.stop().await });
    assert_eq!(
        station.closed().await,
        (1001, "the server stops".to_owned())
    );
    stopping.await.unwrap();
    assert_eq!(status(at.connect(DIRECT, &password).await).0, 503);
    at.stop().await;
}

/// A charge point that behaves badly is cut off; another one does not notice. Answers code and reason,
/// unless the connection was reset before they could be read.
async fn cut_off(misbehaving: impl AsyncFnOnce(&Listening, &mut Station)) -> Option<(u16, String)> {
    let world = World::furnished().await;
    let at = world.listen().await;
    let well_behaved = register(&world, "GOOD").await;
    let mut good = at.connect("GOOD", &well_behaved).await.unwrap();
    let password = world.password(DIRECT).await;
    let mut bad = at.connect(DIRECT, &password).await.unwrap();
    misbehaving(&at, &mut bad).await;
    let told = bad.ended().await;
    let id = site_model::ChargePointId::new(DIRECT).unwrap();
    let gone = async || world.stations.version_of(&id).is_none().then_some(());
    crate::central::until(gone).await;
    heartbeat(&mut good).await;
    drop(good);
    at.stop().await;
    told
}

#[tokio::test]
async fn a_message_of_a_mebibyte_cuts_off() {
    let told = cut_off(async |_, station| {
        let text = format!("[2,\"1\",\"Heartbeat\",\"{}\"]", "x".repeat(1 << 20));
        // The server may hang up before all of it is written.
        let _refused = station.send_message(Message::Text(text.into())).await;
    })
    .await;
    if let Some((code, reason)) = told {
        assert_eq!(code, 1009);
        assert!(reason.contains("too long"), "{reason}");
    }
}

#[tokio::test]
async fn a_binary_message_cuts_off() {
    let (code, reason) = cut_off(async |_, station| {
        let message = Message::Binary(vec![0; 16].into());
        station.send_message(message).await.unwrap();
    })
    .await
    .unwrap();
    assert_eq!(
        (code, &*reason),
        (1003, "it sent a binary message; OCPP-J is text")
    );
}

#[tokio::test]
async fn a_hundred_messages_that_are_no_ocpp_cut_off() {
    let deep = format!(
        "[2,\"d\",\"Heartbeat\",{}{}]",
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    let kinds = [
        "garbage",
        "[2,\"half\",\"Hea",
        "[2,\"n\",\"Heartbeat\\u0000\",{}]",
        "{}",
        "[9,\"x\"]",
        "[2,\"\",\"Heartbeat\",{}]",
        &deep,
    ];
    let (code, reason) = cut_off(async |_, station| {
        for place in 0..101 {
            station.send(kinds[place % kinds.len()]).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(code, 1008);
    assert!(
        reason.starts_with("more than 100 of its messages were not accepted"),
        "{reason}"
    );
}

#[tokio::test]
async fn calls_without_waiting_for_answers_cut_off() {
    let (code, reason) = cut_off(async |_, station| {
        for number in 0..20_000 {
            let call = format!("[2,\"f{number}\",\"Authorize\",{{\"idTag\":\"T\"}}]");
            if station
                .send_message(Message::Text(call.into()))
                .await
                .is_err()
            {
                break;
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(code, 1008);
    let floods = [
        "it does not wait for answers to its calls",
        "it sent more than 2000 messages within one second",
    ];
    assert!(floods.contains(&&*reason), "{reason}");
}

#[tokio::test]
async fn every_call_is_answered_or_refused_with_the_right_code() {
    let world = World::furnished().await;
    let at = world.listen().await;
    let mut station = world.booted(&at, DIRECT).await;
    for (action, payload, code) in [
        ("Levitate", json!({}), "NotImplemented"),
        (
            "RemoteStopTransaction",
            json!({"transactionId": 1}),
            "NotSupported",
        ),
        ("Authorize", json!({}), "OccurenceConstraintViolation"),
        ("Authorize", json!({"idTag": 7}), "TypeConstraintViolation"),
        (
            "Authorize",
            json!({"idTag": "x".repeat(21)}),
            "PropertyConstraintViolation",
        ),
        ("Heartbeat", json!([]), "FormationViolation"),
        (
            "StatusNotification",
            json!({"connectorId": 65, "errorCode": "NoError", "status": "Available"}),
            "PropertyConstraintViolation",
        ),
    ] {
        let frame = station.call_for_frame(action, payload).await;
        assert_eq!(
            (&frame[0], &frame[2]),
            (&json!(4), &json!(code)),
            "{action}"
        );
    }
    let transfer = station.call("DataTransfer", json!({"vendorId": "v"})).await;
    assert_eq!(transfer, json!({"status": "UnknownVendorId"}));
    let signed = station.call("SignCertificate", json!({"csr": "x"})).await;
    assert_eq!(signed, json!({"status": "Rejected"}));
    for (action, payload) in [
        (
            "DiagnosticsStatusNotification",
            json!({"status": "Uploading"}),
        ),
        ("FirmwareStatusNotification", json!({"status": "Installed"})),
        ("LogStatusNotification", json!({"status": "Idle"})),
        (
            "SignedFirmwareStatusNotification",
            json!({"status": "Idle"}),
        ),
        (
            "SecurityEventNotification",
            json!({"type": "FirmwareUpdated", "timestamp": "2026-05-01T09:00:00Z"}),
        ),
    ] {
        assert_eq!(station.call(action, payload).await, json!({}), "{action}");
    }
    at.stop().await;
}

#[tokio::test]
async fn raw_frames_are_kept_with_direction_latency_and_validity() {
    let world = World::furnished().await;
    let at = world.listen().await;
    let key = world.key(Scope::ALL).await;
    let mut station = world.booted(&at, DIRECT).await;
    let long = json!({"chargePointVendor": "V", "chargePointModel": "M", "chargePointSerialNumber": "x".repeat(26)});
    station.call("BootNotification", long).await;
    station.send("nonsense").await;
    heartbeat(&mut station).await;
    let path = format!("/api/v1/chargepoints/{DIRECT}/frames");
    let frames = crate::central::until(async || {
        let frames = world.get(&path, &key).await.json();
        (frames["total"] == 7).then(|| frames["frames"].clone())
    })
    .await;
    let shown: Vec<_> = frames
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|frame| {
            let text = |name: &str| frame[name].as_str().unwrap_or("-").to_owned();
            let latency = if frame["latency_ms"].is_null() {
                "-"
            } else {
                "ms"
            };
            [
                text("direction"),
                text("kind"),
                text("action"),
                latency.to_owned(),
                text("validity"),
            ]
            .join(" ")
        })
        .collect();
    assert_eq!(
        shown,
        [
            "in call BootNotification - valid",
            "out result BootNotification ms valid",
            "in call BootNotification - tolerated: chargePointSerialNumber has 26 characters, cut to 25",
            "out result BootNotification ms valid",
            "in unreadable - - the frame is no JSON: expected ident at line 1 column 2",
            "in call Heartbeat - valid",
            "out result Heartbeat ms valid",
        ]
    );
    assert_eq!(
        frames[1]["frame"],
        Value::from("[2,\"s3\",\"Heartbeat\",{}]")
    );
    at.stop().await;
}
