//! What central systems were seen to get wrong. Traps that have their test elsewhere: unknown
//! stations, subprotocols, second sockets and large or deep frames in `stations`; repeated starts,
//! unknown and late stops, lost stops, tags and sloppy fields in `central`; the start of an
//! absolute profile in `commands`; a broker that restarts in the scenarios.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::central::{Scene, start, until};
use crate::harness::DIRECT;

/// Long enough for a program that fetches an address to have called.
const NOBODY_CALLS: Duration = Duration::from_millis(300);

fn status(connector: i64, status: &str) -> Value {
    json!({"connectorId": connector, "errorCode": "NoError", "status": status,
           "timestamp": "2026-05-01T09:14:00Z"})
}

impl Scene {
    /// Status of the connector that was told, and the session that it shows.
    async fn connector(&self, place: usize) -> (Value, Value) {
        let shown = self.get(&format!("/chargepoints/{DIRECT}/status")).await;
        let connector = &shown["connectors"][place];
        let session = connector.get("active_session_id");
        (
            connector["status"].clone(),
            session.cloned().unwrap_or_default(),
        )
    }
}

#[tokio::test]
async fn a_status_before_the_boot_is_taken_and_the_boot_is_accepted() {
    let mut scene = Scene::new().await;
    let password = scene.world.password(DIRECT).await;
    let mut early = scene.at.connect(DIRECT, &password).await.unwrap();
    let taken = early
        .call("StatusNotification", status(1, "Preparing"))
        .await;
    assert_eq!(taken, json!({}));
    assert_eq!(scene.connector(0).await.0, "Preparing");
    let boot = json!({"chargePointVendor": "V", "chargePointModel": "M"});
    let booted = early.call("BootNotification", boot).await;
    assert_eq!(booted["status"], "Accepted");
    assert_eq!(scene.connector(0).await.0, "Preparing");
    scene.station = early;
    scene.at.stop().await;
}

#[tokio::test]
async fn connector_0_is_the_charge_point_and_nobody_charges_there() {
    let mut scene = Scene::new().await;
    scene
        .station
        .call("StatusNotification", status(0, "Unavailable"))
        .await;
    let shown = scene.get(&format!("/chargepoints/{DIRECT}/status")).await;
    assert_eq!(
        (&shown["ocpp_status"], &shown["connectors"]),
        (&json!("Unavailable"), &json!([])),
        "it is no connector of its own"
    );
    let refused = scene
        .station
        .call_for_frame("StartTransaction", start(0, "T", 1, "2026-05-01T09:14:00Z"))
        .await;
    assert_eq!(
        (&refused[0], &refused[2]),
        (&json!(4), &json!("PropertyConstraintViolation"))
    );
    let whole = json!({"connectorId": 0, "meterValue": [
        {"timestamp": "2026-05-01T09:14:03Z", "sampledValue": [{"value": "99000"}]}]});
    let began = scene.start(1, "T", 100, "2026-05-01T09:14:00Z").await;
    assert_eq!(scene.station.call("MeterValues", whole).await, json!({}));
    let running = scene.sessions().await.remove(0);
    assert_eq!(running["energy_kwh"], 0, "its register is another one");
    scene
        .stop(&began["transactionId"], 150, "2026-05-01T09:14:05Z")
        .await;
    let availability = json!({"charge_point_id": DIRECT, "connector_id": 0, "duration": 60});
    let path = "/api/v1/ocpp16/get_composite_schedule";
    let body = availability.to_string();
    let asked = json!({"connectorId": 0, "duration": 60});
    let (told, ()) = tokio::join!(
        scene.world.post(path, &scene.key, &body),
        scene.station.expect(
            "GetCompositeSchedule",
            &asked,
            json!({"status": "Rejected"})
        )
    );
    assert_eq!(told.json()["status"], "Rejected");
    scene.at.stop().await;
}

#[tokio::test]
async fn what_is_told_after_the_fact_changes_no_live_status() {
    let mut scene = Scene::new().await;
    scene
        .station
        .call("StatusNotification", status(1, "Available"))
        .await;
    let began = scene.start(1, "T", 100, "2026-04-30T22:00:00Z").await;
    assert_eq!(
        scene.connector(0).await.0,
        "Available",
        "a start of yesterday"
    );
    scene
        .stop(&began["transactionId"], 900, "2026-05-01T02:00:00Z")
        .await;
    assert_eq!(
        scene.connector(0).await,
        (json!("Available"), Value::Null),
        "nothing runs there"
    );
    let fleet = scene.get("/cpo/fleet/summary").await;
    assert_eq!(
        (&fleet["active_sessions"], &fleet["available"]),
        (&json!(0), &json!(1))
    );
    scene.at.stop().await;
}

#[tokio::test]
async fn a_stop_that_comes_after_its_connector_is_free_still_ends_its_session() {
    let mut scene = Scene::new().await;
    let began = scene.start(1, "T", 100, "2026-05-01T09:13:00Z").await;
    for word in ["Finishing", "Available"] {
        let told = scene.station.call("StatusNotification", status(1, word));
        assert_eq!(told.await, json!({}));
    }
    assert_eq!(
        scene.sessions().await[0]["status"],
        "active",
        "a status ends nothing"
    );
    let stopped = scene
        .stop(&began["transactionId"], 2_350, "2026-05-01T09:14:01Z")
        .await;
    assert_eq!(stopped, json!({}));
    let session = scene.sessions().await.remove(0);
    assert_eq!(
        (
            &session["status"],
            &session["energy_kwh"],
            &session["ended_at"]
        ),
        (
            &json!("completed"),
            &json!(2.25),
            &json!("2026-05-01T09:14:01Z")
        )
    );
    assert_eq!(scene.connector(0).await, (json!("Available"), Value::Null));
    scene.at.stop().await;
}

#[tokio::test]
async fn a_token_without_a_status_authorizes_nobody_and_its_session_is_booked() {
    let mut scene = Scene::new().await;
    for (body, field) in [
        (r#"{"id_tag":"T","status":null}"#, "status"),
        (r#"{"id_tag":"T","status":""}"#, "status"),
        (r#"{"id_tag":"T","status":"Accepted"}"#, "status"),
    ] {
        let refused = scene.world.post("/api/v1/tokens", &scene.key, body).await;
        assert_eq!(
            (refused.status, &refused.json()["details"][0]["field"]),
            (400, &json!(field)),
            "{body}"
        );
    }
    scene.token(&json!({"id_tag": "T"})).await;
    let damage = "UPDATE id_tokens SET status = ''";
    scene.world.db.write(damage, vec![]).await.unwrap();
    let answer = scene.station.call("Authorize", json!({"idTag": "T"})).await;
    assert_eq!(answer, json!({"idTagInfo": {"status": "Invalid"}}));
    let began = scene.start(1, "T", 100, "2026-05-01T09:14:00Z").await;
    assert_eq!(began["idTagInfo"]["status"], "Invalid");
    assert_eq!(scene.sessions().await.len(), 1, "what happened is booked");
    scene.at.stop().await;
}

#[tokio::test]
async fn an_address_that_a_station_tells_is_never_called() {
    let mut scene = Scene::new().await;
    let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", trap.local_addr().unwrap());
    let boot = json!({"chargePointVendor": url[..20], "chargePointModel": "M", "firmwareVersion": url,
                      "iccid": url[..20], "meterType": url});
    scene.station.call("BootNotification", boot).await;
    for (action, payload) in [
        (
            "StatusNotification",
            json!({"connectorId": 1, "errorCode": "OtherError", "status": "Faulted", "info": url, "vendorId": url}),
        ),
        (
            "SecurityEventNotification",
            json!({"type": "InvalidCentralSystemCertificate", "timestamp": "2026-05-01T09:00:00Z", "techInfo": url}),
        ),
        ("SignCertificate", json!({ "csr": url })),
        (
            "DataTransfer",
            json!({"vendorId": "v", "messageId": "GetCertificateStatus", "data": json!({"ocspRequestData": {"responderURL": url}}).to_string()}),
        ),
        (
            "LogStatusNotification",
            json!({"status": "Uploaded", "requestId": 1}),
        ),
    ] {
        scene.station.call(action, payload).await;
    }
    let called = tokio::time::timeout(NOBODY_CALLS, trap.accept()).await;
    assert!(called.is_err(), "{url} was called");
    scene.at.stop().await;
}

#[tokio::test]
async fn three_stations_in_the_same_millisecond_have_each_its_own_session() {
    let scene = Scene::new().await;
    let mut others = Vec::new();
    for id in ["A", "B", "C"] {
        let body = json!({"charge_point_id": id, "vendor": "V", "model": "M"}).to_string();
        let made = scene
            .world
            .post("/api/v1/chargepoints", &scene.key, &body)
            .await;
        assert_eq!(made.status, 201);
        others.push(scene.world.booted(&scene.at, id).await);
    }
    // The clock stands still: it is one millisecond whatever happens.
    let [a, b, c] = &mut others[..] else {
        unreachable!("three were connected")
    };
    let same = || start(1, "T", 100, "2026-05-01T09:14:05Z");
    let began = tokio::join!(
        a.call("StartTransaction", same()),
        b.call("StartTransaction", same()),
        c.call("StartTransaction", same()),
    );
    let ids: std::collections::BTreeSet<i64> = [began.0, began.1, began.2]
        .iter()
        .map(|began| began["transactionId"].as_i64().unwrap())
        .collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    let sessions = scene.get("/sessions?status=active").await;
    let told = sessions["sessions"].as_array().unwrap().iter();
    let told: std::collections::BTreeSet<_> = told
        .map(|session| {
            (
                session["session_id"].as_str().unwrap(),
                session["charge_point_id"].as_str().unwrap(),
                session["transaction_id"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(told.len(), 3, "{sessions}");
    let of: std::collections::BTreeSet<i64> = told.iter().map(|one| one.2).collect();
    assert_eq!(of, ids);
    drop(others);
    until(async || (scene.world.stations.count() == 1).then_some(())).await;
    scene.at.stop().await;
}
