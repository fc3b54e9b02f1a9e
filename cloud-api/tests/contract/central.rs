//! The central system: what charge points that connect themselves tell becomes status, sessions and
//! energy; what one behind a gateway tells does not.

use std::time::Duration;

use cloud_api::keys::Scope;
use serde_json::{Value, json};

use crate::harness::{DIRECT, OURS, World};
use crate::station::{Listening, Station};

/// Waits until a condition holds, and answers what it found.
pub(crate) async fn until<T>(mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = found().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    waited.expect("it never came to be")
}

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) at: Listening,
    pub(crate) key: String,
    pub(crate) station: Station,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let world = World::furnished().await;
        let at = world.listen().await;
        let key = world.key(Scope::ALL).await;
        let station = world.booted(&at, DIRECT).await;
        Self {
            world,
            at,
            key,
            station,
        }
    }

    pub(crate) async fn token(&self, body: &Value) {
        let body = body.to_string();
        let answer = self.world.post("/api/v1/tokens", &self.key, &body).await;
        assert_eq!(answer.status, 201);
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.world.get(&format!("/api/v1{path}"), &self.key).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The sessions of our charge point that connects itself, oldest first.
    pub(crate) async fn sessions(&self) -> Vec<Value> {
        let path = format!("/sessions?charge_point_id={DIRECT}");
        let mut sessions = self.get(&path).await["sessions"]
            .as_array()
            .unwrap()
            .clone();
        sessions.reverse();
        sessions
    }

    pub(crate) async fn start(&mut self, connector: u8, tag: &str, meter: i64, at: &str) -> Value {
        self.station
            .call("StartTransaction", start(connector, tag, meter, at))
            .await
    }

    pub(crate) async fn stop(&mut self, transaction: &Value, meter: i64, at: &str) -> Value {
        let payload = json!({"transactionId": transaction, "meterStop": meter, "timestamp": at});
        self.station.call("StopTransaction", payload).await
    }
}

pub(crate) fn start(connector: u8, tag: &str, meter: i64, at: &str) -> Value {
    json!({"connectorId": connector, "idTag": tag, "meterStart": meter, "timestamp": at})
}

#[tokio::test]
async fn what_a_charge_point_tells_of_itself_is_shown_at_once() {
    let mut scene = Scene::new().await;
    for (connector, status) in [(0, "Available"), (2, "Charging"), (1, "Faulted")] {
        let payload = json!({"connectorId": connector, "errorCode": "NoError", "status": status, "timestamp": "2026-05-01T09:14:00Z"});
        assert_eq!(
            scene.station.call("StatusNotification", payload).await,
            json!({})
        );
    }
    let connector = |number: u8, status: &str| {
        json!({"connector_id": number, "status": status, "type": "Unknown", "max_power_kw": 0,
               "observed_at": "2026-05-01T09:14:00Z"})
    };
    assert_eq!(
        scene.get(&format!("/chargepoints/{DIRECT}/status")).await,
        json!({
            "charge_point_id": DIRECT, "ocpp_status": "Available",
            "connectors": [connector(1, "Faulted"), connector(2, "Charging")],
            "last_heartbeat_at": "2026-05-01T09:14:05Z", "firmware_version": "1.2.3", "online": true,
        })
    );
    let fleet = scene.get("/cpo/fleet/summary").await;
    assert_eq!(
        (&fleet["faulted"], &fleet["offline"], &fleet["charging"]),
        (&json!(1), &json!(1), &json!(1))
    );
    // Twice the heartbeat interval without a word is offline, and so is a closed socket.
    scene.world.advance(599);
    scene.world.fleet.sweep(scene.world.clock.now());
    let online = async |scene: &Scene| {
        let status = scene.get(&format!("/chargepoints/{DIRECT}/status")).await;
        status["online"].clone()
    };
    assert_eq!(online(&scene).await, true);
    scene.world.advance(1);
    scene.world.fleet.sweep(scene.world.clock.now());
    assert_eq!(online(&scene).await, false);
    scene.station.call("Heartbeat", json!({})).await;
    assert_eq!(online(&scene).await, true);
    scene
        .world
        .stations
        .close(&site_model::ChargePointId::new(DIRECT).unwrap());
    until(async || (online(&scene).await == false).then_some(())).await;
    let status = scene.get(&format!("/chargepoints/{DIRECT}/status")).await;
    assert_eq!(
        status["connectors"][1]["status"], "Charging",
        "as it was last told"
    );
    scene.at.stop().await;
}

#[tokio::test]
async fn a_tag_is_judged_by_its_token() {
    let mut scene = Scene::new().await;
    for token in [
        json!({"id_tag": "GOOD", "parent": "FLEET", "expires_at": "2026-06-01T00:00:00Z"}),
        json!({"id_tag": "BLOCKED", "status": "blocked"}),
        json!({"id_tag": "EXPIRED", "status": "expired"}),
        json!({"id_tag": "OVER", "expires_at": "2026-05-01T09:14:05Z"}),
        json!({"id_tag": "INVALID", "status": "invalid"}),
    ] {
        scene.token(&token).await;
    }
    let theirs = scene.world.key_of(&scene.world.theirs, Scope::ALL).await;
    let foreign = r#"{"id_tag":"THEIRS"}"#;
    assert_eq!(
        scene
            .world
            .post("/api/v1/tokens", &theirs, foreign)
            .await
            .status,
        201
    );
    for (tag, info) in [
        (
            "good",
            json!({"status": "Accepted", "parentIdTag": "FLEET", "expiryDate": "2026-06-01T00:00:00Z"}),
        ),
        ("BLOCKED", json!({"status": "Blocked"})),
        ("EXPIRED", json!({"status": "Expired"})),
        (
            "OVER",
            json!({"status": "Expired", "expiryDate": "2026-05-01T09:14:05Z"}),
        ),
        ("INVALID", json!({"status": "Invalid"})),
        ("THEIRS", json!({"status": "Invalid"})),
        ("nobody", json!({"status": "Invalid"})),
    ] {
        let answer = scene.station.call("Authorize", json!({"idTag": tag})).await;
        assert_eq!(answer, json!({"idTagInfo": info}), "{tag}");
    }
    scene.at.stop().await;
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one session from its start to its books"
)]
async fn a_transaction_becomes_a_session_to_the_watt_hour() {
    let mut scene = Scene::new().await;
    scene
        .token(&json!({"id_tag": "TAG1", "user_id": "u-1"}))
        .await;
    let began = scene
        .start(2, "tag1", 1_204_500, "2026-05-01T09:14:05Z")
        .await;
    assert_eq!(began["idTagInfo"], json!({"status": "Accepted"}));
    let transaction = began["transactionId"].clone();
    assert!((1..=i64::from(i32::MAX)).contains(&transaction.as_i64().unwrap()));
    let running = scene.sessions().await.remove(0);
    let id = running["session_id"].as_str().unwrap().to_owned();
    let status = scene.get(&format!("/chargepoints/{DIRECT}/status")).await;
    assert_eq!(status["connectors"][0]["active_session_id"], id.as_str());
    let active = scene.get("/ocpp16/active_transactions").await;
    assert_eq!(
        active["transactions"],
        json!([{"transaction_id": transaction, "charge_point_id": DIRECT, "connector_id": 2,
                "id_tag": "tag1", "meter_start_wh": 1_204_500,
                "started_at": "2026-05-01T09:14:05Z", "session_id": id, "offline": false}])
    );
    let values = json!({"connectorId": 2, "transactionId": transaction, "meterValue": [
        {"timestamp": "2026-05-01T09:29:05Z", "sampledValue": [
            {"value": "7400", "measurand": "Power.Active.Import", "unit": "W"},
            {"value": "1206.789", "measurand": "Energy.Active.Import.Register", "unit": "kWh"}]}]});
    for _resent in 0..2 {
        assert_eq!(
            scene.station.call("MeterValues", values.clone()).await,
            json!({})
        );
    }
    let fleet = scene.get("/cpo/fleet/summary").await;
    assert_eq!(
        (
            &fleet["active_sessions"],
            &fleet["energy_delivered_today_kwh"]
        ),
        (&json!(1), &json!(2.289))
    );
    scene.world.advance(1_800);
    let stop = json!({"transactionId": transaction, "meterStop": 1_208_001, "idTag": "TAG1",
                      "timestamp": "2026-05-01T09:44:04Z", "reason": "EVDisconnected"});
    let stopped = scene.station.call("StopTransaction", stop.clone()).await;
    assert_eq!(stopped, json!({"idTagInfo": {"status": "Accepted"}}));
    assert_eq!(
        scene.station.call("StopTransaction", stop).await,
        stopped,
        "sent again"
    );
    assert_eq!(
        scene.sessions().await,
        [json!({
            "session_id": id, "transaction_id": transaction, "charge_point_id": DIRECT,
            "connector_id": 2, "site_id": null, "user_id": "u-1", "id_tag": "tag1",
            "status": "completed", "started_at": "2026-05-01T09:14:05Z",
            "ended_at": "2026-05-01T09:44:04Z", "duration_minutes": 29, "energy_kwh": 3.501,
            "meter_start_wh": 1_204_500, "meter_stop_wh": 1_208_001,
            "stop_reason": "EVDisconnected", "offline": false,
            "energy_source": "lifetime_register", "billing_grade": true, "managed_by": null,
        })]
    );
    let values = scene.get(&format!("/sessions/{id}/meter-values")).await;
    let shown: Vec<_> = values["meter_values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value["energy_wh"].as_u64().unwrap())
        .collect();
    assert_eq!(shown, [1_204_500, 1_206_789, 1_208_001], "none twice");
    let fleet = scene.get("/cpo/fleet/summary").await;
    assert_eq!(
        (
            &fleet["active_sessions"],
            &fleet["energy_delivered_today_kwh"]
        ),
        (&json!(0), &json!(3.501))
    );
    assert_eq!(scene.get("/ocpp16/active_transactions").await["total"], 0);
    scene.at.stop().await;
}

#[tokio::test]
async fn a_start_that_is_sent_again_gets_the_same_id_and_no_second_session() {
    let mut scene = Scene::new().await;
    let first = scene.start(1, "T", 10, "2026-05-01T09:14:00Z").await;
    let again = scene.start(1, "t", 10, "2026-05-01T09:14:00Z").await;
    assert_eq!(first["transactionId"], again["transactionId"]);
    assert_eq!(scene.sessions().await.len(), 1);
    scene
        .stop(&first["transactionId"], 20, "2026-05-01T09:14:05Z")
        .await;
    let late = scene.start(1, "T", 10, "2026-05-01T09:14:00Z").await;
    assert_eq!(first["transactionId"], late["transactionId"]);
    assert_eq!(
        scene.sessions().await[0]["status"],
        "completed",
        "a repeat opens nothing"
    );
    let next = scene.start(1, "T", 20, "2026-05-01T09:15:00Z").await;
    assert_ne!(first["transactionId"], next["transactionId"]);
    scene.at.stop().await;
}

#[tokio::test]
async fn a_stop_is_taken_whatever_became_of_the_tag_and_by_whomever_the_start_was_given() {
    let mut scene = Scene::new().await;
    scene
        .token(&json!({"id_tag": "T", "expires_at": "2026-05-01T09:14:06Z"}))
        .await;
    let began = scene.start(1, "T", 100, "2026-05-01T09:14:05Z").await;
    scene.world.advance(60);
    let stop = json!({"transactionId": began["transactionId"], "meterStop": 150, "idTag": "T",
                      "timestamp": "2026-05-01T09:15:00Z"});
    let answer = scene.station.call("StopTransaction", stop).await;
    assert_eq!(answer["idTagInfo"]["status"], "Expired");
    let sessions = scene.sessions().await;
    assert_eq!(
        (
            &sessions[0]["status"],
            &sessions[0]["stop_reason"],
            &sessions[0]["energy_kwh"]
        ),
        (&json!("completed"), &json!("Local"), &json!(0.05)),
        "without a reason it was stopped at the charge point"
    );
    for unknown in [json!(0), json!(-1), json!(4_711)] {
        let answer = scene.stop(&unknown, 7, "2026-05-01T09:15:00Z").await;
        assert_eq!(answer, json!({}), "{unknown}");
    }
    let kept = "SELECT transaction_id, meter_stop_wh FROM orphan_stops ORDER BY transaction_id";
    let kept = scene.world.db.query(kept, vec![]).await.unwrap();
    let kept: Vec<_> = kept
        .iter()
        .map(|row| {
            (
                row.text("transaction_id").unwrap(),
                row.int("meter_stop_wh").unwrap(),
            )
        })
        .collect();
    assert_eq!(kept, [("-1", 7), ("0", 7), ("4711", 7)]);
    assert_eq!(scene.sessions().await.len(), 1);
    scene.at.stop().await;
}

#[tokio::test]
async fn a_transaction_whose_stop_never_came_ends_when_the_next_begins() {
    let mut scene = Scene::new().await;
    let lost = scene.start(1, "T", 100, "2026-05-01T08:00:00Z").await;
    let values = json!({"connectorId": 1, "transactionId": lost["transactionId"], "meterValue": [
        {"timestamp": "2026-05-01T08:15:00Z", "sampledValue": [{"value": "900"}]}]});
    scene.station.call("MeterValues", values).await;
    scene.start(2, "U", 100, "2026-05-01T08:30:00Z").await;
    assert_eq!(
        scene
            .sessions()
            .await
            .iter()
            .filter(|one| one["status"] == "active")
            .count(),
        2
    );
    scene.start(1, "V", 950, "2026-05-01T09:00:00Z").await;
    let sessions = scene.sessions().await;
    let told = |name: &str| sessions[0][name].clone();
    assert_eq!(
        [
            told("status"),
            told("stop_reason"),
            told("ended_at"),
            told("energy_kwh")
        ],
        [
            json!("stopped"),
            json!("Other"),
            json!("2026-05-01T08:15:00Z"),
            json!(0.8)
        ]
    );
    let bounds =
        "SELECT end_not_before_ms, end_not_after_ms FROM sessions WHERE stop_reason = 'Other'";
    let bounds = scene.world.db.query(bounds, vec![]).await.unwrap();
    let span =
        bounds[0].int("end_not_after_ms").unwrap() - bounds[0].int("end_not_before_ms").unwrap();
    assert_eq!(span, 45 * 60_000);
    // Its stop comes late all the same: the session stays as it was booked.
    let late = scene
        .stop(&lost["transactionId"], 940, "2026-05-01T08:50:00Z")
        .await;
    assert_eq!(late, json!({}));
    assert_eq!(scene.sessions().await[0], sessions[0]);
    scene.at.stop().await;
}

#[tokio::test]
async fn a_register_that_makes_no_sense_never_becomes_energy() {
    let mut scene = Scene::new().await;
    let frame = scene
        .station
        .call_for_frame(
            "StartTransaction",
            start(1, "T", -1, "2026-05-01T09:14:00Z"),
        )
        .await;
    assert_eq!(
        (&frame[0], &frame[2]),
        (&json!(4), &json!("PropertyConstraintViolation"))
    );
    let began = scene.start(1, "T", 1_000, "2026-05-01T09:14:00Z").await;
    scene
        .stop(&began["transactionId"], 400, "2026-05-01T09:14:05Z")
        .await;
    let began = scene.start(1, "T", 1_000, "2026-05-01T09:14:06Z").await;
    scene
        .stop(&began["transactionId"], -5, "2026-05-01T09:14:01Z")
        .await;
    let sessions = scene.sessions().await;
    let energies: Vec<_> = sessions
        .iter()
        .map(|one| one["energy_kwh"].clone())
        .collect();
    assert_eq!(energies, [json!(0), json!(0)]);
    assert_eq!(
        sessions[1]["ended_at"], "2026-05-01T09:14:06Z",
        "not before it began"
    );
    for text in ["\"1000\"", "1000.5"] {
        let call = format!(
            r#"[2,"m","StartTransaction",{{"connectorId":1,"idTag":"T","meterStart":{text},"timestamp":"2026-05-01T09:15:00Z"}}]"#
        );
        scene.station.send(&call).await;
        let frame = scene.station.frame().await;
        assert_eq!(frame[0], 4, "{text}: {frame}");
    }
    scene.at.stop().await;
}

#[tokio::test]
async fn what_happened_offline_is_booked_with_its_times_and_says_so() {
    let mut scene = Scene::new().await;
    let began = scene.start(1, "T", 100, "2026-04-30T22:00:00Z").await;
    scene
        .stop(&began["transactionId"], 5_100, "2026-05-01T02:00:00Z")
        .await;
    let session = scene.sessions().await.remove(0);
    assert_eq!(
        [
            &session["offline"],
            &session["started_at"],
            &session["ended_at"],
            &session["energy_kwh"]
        ],
        [
            &json!(true),
            &json!("2026-04-30T22:00:00Z"),
            &json!("2026-05-01T02:00:00Z"),
            &json!(5)
        ]
    );
    // Half of it flowed before midnight.
    let fleet = scene.get("/cpo/fleet/summary").await;
    assert_eq!(fleet["energy_delivered_today_kwh"], 2.5);
    scene.at.stop().await;
}

#[tokio::test]
async fn a_tag_that_charges_elsewhere_is_concurrent_unless_that_cannot_be_reached() {
    let mut scene = Scene::new().await;
    scene.token(&json!({"id_tag": "T"})).await;
    let first = scene.start(1, "T", 1, "2026-05-01T09:14:00Z").await;
    assert_eq!(first["idTagInfo"]["status"], "Accepted");
    let second = scene.start(2, "T", 1, "2026-05-01T09:14:01Z").await;
    assert_eq!(second["idTagInfo"]["status"], "ConcurrentTx");
    assert_eq!(
        scene.sessions().await.len(),
        2,
        "what happens is booked, wished or not"
    );
    let body = r#"{"charge_point_id":"OTHER","vendor":"V","model":"M"}"#;
    assert_eq!(
        scene
            .world
            .post("/api/v1/chargepoints", &scene.key, body)
            .await
            .status,
        201
    );
    let mut other = scene.world.booted(&scene.at, "OTHER").await;
    let busy = other
        .call("StartTransaction", start(1, "T", 1, "2026-05-01T09:14:02Z"))
        .await;
    assert_eq!(busy["idTagInfo"]["status"], "ConcurrentTx");
    drop(scene.station);
    let gone = site_model::ChargePointId::new(DIRECT).unwrap();
    until(async || {
        scene
            .world
            .stations
            .version_of(&gone)
            .is_none()
            .then_some(())
    })
    .await;
    other.call("StopTransaction", json!({"transactionId": busy["transactionId"], "meterStop": 1, "timestamp": "2026-05-01T09:14:03Z"})).await;
    let free = other
        .call("StartTransaction", start(1, "T", 1, "2026-05-01T09:14:04Z"))
        .await;
    assert_eq!(free["idTagInfo"]["status"], "Accepted");
    scene.at.stop().await;
}

#[tokio::test]
async fn one_behind_a_gateway_gets_ids_and_writes_neither_sessions_nor_status() {
    let scene = Scene::new().await;
    let secrets = cloud_api::secret::ServerSecrets::load_or_create(scene.world.dir.path()).unwrap();
    let hash = secrets.hash("gateway password", "gw");
    let sql = "UPDATE gateways SET credential_hash = $1 WHERE id = 'gw_ours'";
    scene.world.db.write(sql, vec![hash.into()]).await.unwrap();
    let before = "SELECT COUNT(*) AS n FROM session_readings";
    let count = async || {
        scene.world.db.query(before, vec![]).await.unwrap()[0]
            .int("n")
            .unwrap()
    };
    let readings = count().await;
    let mut behind = scene.at.connect(OURS, "gw").await.unwrap();
    behind
        .call(
            "BootNotification",
            json!({"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "9"}),
        )
        .await;
    behind
        .call(
            "StatusNotification",
            json!({"connectorId": 1, "errorCode": "GroundFailure", "status": "Faulted"}),
        )
        .await;
    let began = behind
        .call(
            "StartTransaction",
            start(1, "T", 100, "2026-05-01T09:14:00Z"),
        )
        .await;
    let again = behind
        .call(
            "StartTransaction",
            start(1, "T", 100, "2026-05-01T09:14:00Z"),
        )
        .await;
    assert_eq!(began["transactionId"], again["transactionId"]);
    let values = json!({"connectorId": 1, "transactionId": began["transactionId"], "meterValue": [
        {"timestamp": "2026-05-01T09:14:03Z", "sampledValue": [{"value": "900"}]}]});
    behind.call("MeterValues", values).await;
    let stop = json!({"transactionId": began["transactionId"], "meterStop": 950, "timestamp": "2026-05-01T09:14:04Z"});
    behind.call("StopTransaction", stop).await;
    let sessions = scene
        .get(&format!("/sessions?charge_point_id={OURS}"))
        .await;
    assert_eq!(sessions["total"], 1, "the one that its gateway told");
    assert_eq!(count().await, readings);
    let status = scene.get(&format!("/chargepoints/{OURS}/status")).await;
    assert_eq!(
        [
            &status["online"],
            &status["firmware_version"],
            &status["connectors"][0]["status"]
        ],
        [&json!(false), &json!("unknown"), &json!("Available")]
    );
    assert_eq!(
        scene.get("/ocpp16/active_transactions").await["total"],
        0,
        "it was stopped"
    );
    scene.at.stop().await;
}

#[tokio::test]
async fn what_stations_write_sloppily_is_understood() {
    let mut scene = Scene::new().await;
    scene.token(&json!({"id_tag": "T"})).await;
    let boot = json!({"chargePointVendor": "", "chargePointModel": 7, "chargePointSerialNumber": "x".repeat(30), "extra": {"a": 1}});
    assert_eq!(
        scene.station.call("BootNotification", boot).await["status"],
        "Accepted"
    );
    let status = json!({"connectorId": "1", "errorCode": "VendorSpecial", "status": "available"});
    assert_eq!(
        scene.station.call("StatusNotification", status).await,
        json!({})
    );
    let began = scene.start(1, "T", 100, "2026-05-01T09:14:00Z").await;
    let values = json!({"connectorId": 1, "transactionId": 0, "meterValue": [
        {"timestamp": "2026-05-01 09:14:04", "sampledValue": [
            {"value": "1", "unit": "Furlong"}, {"value": "140.0", "context": "Whenever"}]}]});
    assert_eq!(scene.station.call("MeterValues", values).await, json!({}));
    let session = scene.sessions().await.remove(0);
    assert_eq!(
        session["energy_kwh"], 0.04,
        "transaction 0 is none: the connector's own is meant"
    );
    scene
        .stop(&began["transactionId"], 150, "2026-05-01T09:14:05Z")
        .await;
    scene.at.stop().await;
}

#[tokio::test]
async fn transactions_and_tokens_outlive_the_server() {
    let mut scene = Scene::new().await;
    scene.token(&json!({"id_tag": "T"})).await;
    let began = scene.start(1, "T", 100, "2026-05-01T09:14:00Z").await;
    drop(scene.station);
    scene.at.stop().await;
    let world = scene.world.restarted(false).await;
    let at = world.listen().await;
    let key = world.key(Scope::ALL).await;
    let status = format!("/api/v1/chargepoints/{DIRECT}/status");
    let shown = world.get(&status, &key).await.json();
    assert!(
        shown["connectors"][0]["active_session_id"].is_string(),
        "{shown}"
    );
    let mut station = world.booted(&at, DIRECT).await;
    let again = station
        .call(
            "StartTransaction",
            start(1, "T", 100, "2026-05-01T09:14:00Z"),
        )
        .await;
    assert_eq!(again, began);
    let stop = json!({"transactionId": began["transactionId"], "meterStop": 350, "timestamp": "2026-05-01T09:14:05Z"});
    station.call("StopTransaction", stop).await;
    let path = format!("/api/v1/sessions?charge_point_id={DIRECT}");
    let sessions = world.get(&path, &key).await.json();
    assert_eq!(
        (&sessions["total"], &sessions["sessions"][0]["energy_kwh"]),
        (&json!(1), &json!(0.25))
    );
    at.stop().await;
}
