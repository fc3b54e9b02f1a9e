//! What the central system does for charge points unasked: what it learns of them, and the local lists
//! that it keeps; and what it writes down and deletes in time.

use cloud_api::fleet::Fleet;
use cloud_api::housekeeping::Housekeeping;
use cloud_api::keys::Scope;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::central::Scene;
use crate::harness::{DIRECT, World};

const GIVE: &str = "/api/v1/cpo/commands/DE*OURS*D1";

/// What a charge point answers of its configuration.
pub(crate) fn configuration(list: Option<(u32, u32)>, units: &str) -> Value {
    let key = |key: &str, value: &str| json!({"key": key, "readonly": true, "value": value});
    let mut keys = vec![key("ChargingScheduleAllowedChargingRateUnit", units)];
    if let Some((most, batch)) = list {
        keys.extend([
            key("SupportedFeatureProfiles", "Core,LocalAuthListManagement"),
            key("LocalAuthListEnabled", "true"),
            key("LocalAuthListMaxLength", &most.to_string()),
            key("SendLocalListMaxLength", &batch.to_string()),
        ]);
    }
    json!({"configurationKey": keys, "unknownKey": []})
}

fn entry(tag: &str) -> Value {
    json!({"idTag": tag, "idTagInfo": {"status": "Accepted"}})
}

fn list(version: i64, kind: &str, entries: &[Value]) -> Value {
    json!({"listVersion": version, "updateType": kind, "localAuthorizationList": entries})
}

impl Scene {
    /// A round of upkeep in which the charge point is asked this, and nothing else.
    pub(crate) async fn round(&mut self, asked: &[(&str, Value, Value)]) {
        let upkeep = self.world.upkeep.clone();
        let answering = async {
            for (action, payload, answer) in asked {
                let (id, was, with) = self.station.asked().await;
                assert_eq!((was.as_str(), &with), (*action, payload));
                self.station.answer(&id, answer.clone()).await;
            }
        };
        let (done, ()) = tokio::join!(upkeep.round(), answering);
        done.unwrap();
        self.station.is_left_alone().await;
    }

    /// A charge point that told what it can, and holds a list of the organisation's tokens.
    async fn with_list(tags: &[&str], room: (u32, u32)) -> Self {
        let mut scene = Self::new().await;
        for tag in tags {
            scene.token(&json!({ "id_tag": tag })).await;
        }
        let entries: Vec<_> = tags.iter().map(|tag| entry(tag)).collect();
        scene
            .round(&[
                learn(configuration(Some(room), "Current,Power")),
                held(0),
                send(1, "Full", &entries, "Accepted"),
            ])
            .await;
        scene
    }

    async fn change(&self, tag: &str, change: &Value) {
        let id = self.token_id(tag).await;
        let path = format!("/api/v1/tokens/{id}");
        let answer = self
            .world
            .patch(&path, &self.key, &change.to_string())
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn delete(&self, tag: &str) {
        let id = self.token_id(tag).await;
        let path = format!("/api/v1/tokens/{id}");
        assert_eq!(self.world.delete(&path, &self.key).await.status, 204);
    }

    async fn token_id(&self, tag: &str) -> String {
        let found = self.get(&format!("/tokens?id_tag={tag}")).await;
        found["tokens"][0]["id"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn learn(configuration: Value) -> (&'static str, Value, Value) {
    let keys = json!({"key": [
        "SupportedFeatureProfiles", "LocalAuthListEnabled", "LocalAuthListMaxLength",
        "SendLocalListMaxLength", "ChargingScheduleAllowedChargingRateUnit", "ConnectorPhaseRotation"]});
    ("GetConfiguration", keys, configuration)
}

fn held(version: i64) -> (&'static str, Value, Value) {
    (
        "GetLocalListVersion",
        json!({}),
        json!({ "listVersion": version }),
    )
}

fn send(version: i64, kind: &str, entries: &[Value], status: &str) -> (&'static str, Value, Value) {
    let payload = list(version, kind, entries);
    ("SendLocalList", payload, json!({ "status": status }))
}

#[tokio::test]
async fn changes_of_tokens_reach_a_charge_point_as_few_differences() {
    let mut scene = Scene::with_list(&["A", "B"], (100, 2)).await;
    scene.round(&[]).await;
    for tag in ["C", "D", "E"] {
        scene.token(&json!({ "id_tag": tag })).await;
    }
    scene.change("A", &json!({"status": "blocked"})).await;
    scene.delete("B").await;
    scene.change("C", &json!({"id_tag": "C2"})).await;
    let blocked = json!({"idTag": "A", "idTagInfo": {"status": "Blocked"}});
    let gone = |tag: &str| json!({ "idTag": tag });
    scene
        .round(&[
            send(2, "Differential", &[gone("B"), gone("C")], "Accepted"),
            send(3, "Differential", &[entry("D"), entry("E")], "Accepted"),
            send(4, "Differential", &[blocked, entry("C2")], "Accepted"),
        ])
        .await;
    // A tag that is there again is there again.
    scene.token(&json!({"id_tag": "b"})).await;
    scene
        .round(&[send(5, "Differential", &[entry("b")], "Accepted")])
        .await;
    scene.round(&[]).await;
    for tag in ["A", "D", "E", "C2", "b"] {
        scene.delete(tag).await;
    }
    let gone: Vec<_> = ["A", "D", "E", "C2", "b"].map(gone).into();
    let batches = gone.chunks(2).enumerate();
    let asked: Vec<_> = batches
        .map(|(place, batch)| {
            let version = 6 + i64::try_from(place).unwrap();
            send(version, "Differential", batch, "Accepted")
        })
        .collect();
    scene.round(&asked).await;
    scene.at.stop().await;
}

#[tokio::test]
async fn a_thousand_changes_are_sent_by_themselves_in_a_few_messages() {
    let mut scene = Scene::with_list(&["A"], (10_000, 500)).await;
    for number in 0..600 {
        let details = cloud_api::id_token::TokenDetails {
            id_tag: format!("T{number}"),
            kind: cloud_api::id_token::TokenType::Rfid,
            status: cloud_api::id_token::TokenStatus::Accepted,
            expires_at: None,
            parent: None,
            user: None,
            group: None,
        };
        let made = scene.world.id_tokens.create(&scene.world.ours, details);
        made.await.unwrap();
    }
    let stop = CancellationToken::new();
    let running = tokio::spawn(scene.world.upkeep.clone().run(stop.clone()));
    for (place, count) in [250, 250, 100].into_iter().enumerate() {
        let (id, action, payload) = scene.station.asked().await;
        assert_eq!(action, "SendLocalList");
        assert_eq!(payload["listVersion"], 2 + place);
        assert_eq!(payload["updateType"], "Differential");
        let entries = payload["localAuthorizationList"].as_array().unwrap();
        assert_eq!(entries.len(), count);
        let accepted = json!({"status": "Accepted"});
        scene.station.answer(&id, accepted).await;
    }
    // One more change while it runs.
    scene.token(&json!({"id_tag": "late"})).await;
    let (id, _, payload) = scene.station.asked().await;
    assert_eq!(payload, list(5, "Differential", &[entry("late")]));
    let accepted = json!({"status": "Accepted"});
    scene.station.answer(&id, accepted).await;
    stop.cancel();
    running.await.unwrap();
    scene.at.stop().await;
}

#[tokio::test]
async fn one_that_was_away_gets_what_it_missed_and_all_of_it_where_its_list_is_another() {
    let mut scene = Scene::with_list(&["A"], (100, 100)).await;
    let password = scene.world.password(DIRECT).await;
    let away = async |scene: &mut Scene| {
        let station = scene.at.connect(DIRECT, &password).await.unwrap();
        scene.station = station;
    };
    let boot = json!({"chargePointVendor": "V", "chargePointModel": "M"});
    let room = configuration(Some((100, 100)), "Power");
    // The old socket is gone before anything is sent on it.
    away(&mut scene).await;
    scene.token(&json!({"id_tag": "B"})).await;
    scene
        .round(&[send(2, "Differential", &[entry("B")], "Accepted")])
        .await;
    scene.token(&json!({"id_tag": "C"})).await;
    scene.station.call("BootNotification", boot.clone()).await;
    scene
        .round(&[
            learn(room.clone()),
            held(2),
            send(3, "Differential", &[entry("C")], "Accepted"),
        ])
        .await;
    // It booted and lost its list; then it booted with a list of somebody else.
    let all = [entry("A"), entry("B"), entry("C")];
    for (version, next) in [(0, 1), (70, 71)] {
        scene.station.call("BootNotification", boot.clone()).await;
        scene
            .round(&[
                learn(room.clone()),
                held(version),
                send(next, "Full", &all, "Accepted"),
            ])
            .await;
    }
    // And once with its list as it was.
    scene.station.call("BootNotification", boot).await;
    scene.round(&[learn(room), held(71)]).await;
    scene.at.stop().await;
}

#[tokio::test]
async fn what_a_charge_point_refuses_is_sent_whole_or_later_and_never_again_where_it_keeps_none() {
    let mut scene = Scene::with_list(&["A"], (100, 100)).await;
    scene.token(&json!({"id_tag": "B"})).await;
    let both = [entry("A"), entry("B")];
    scene
        .round(&[
            send(2, "Differential", &[entry("B")], "VersionMismatch"),
            held(9),
            send(10, "Full", &both, "Accepted"),
        ])
        .await;
    scene.delete("B").await;
    let gone = [json!({"idTag": "B"})];
    scene
        .round(&[
            send(11, "Differential", &gone, "Failed"),
            send(11, "Full", &[entry("A")], "Failed"),
        ])
        .await;
    scene.round(&[]).await;
    scene.world.advance(15 * 60);
    scene.station.call("Heartbeat", json!({})).await;
    scene
        .round(&[send(11, "Full", &[entry("A")], "NotSupported")])
        .await;
    scene.token(&json!({"id_tag": "C"})).await;
    scene.world.advance(15 * 60);
    scene.station.call("Heartbeat", json!({})).await;
    scene.round(&[]).await;
    scene.at.stop().await;
}

#[tokio::test]
async fn more_tokens_than_a_list_holds_are_sent_as_far_as_they_fit() {
    let mut scene = Scene::new().await;
    for tag in ["A", "B"] {
        scene.token(&json!({ "id_tag": tag })).await;
    }
    scene
        .round(&[
            learn(configuration(Some((2, 1)), "Power")),
            held(0),
            send(1, "Full", &[entry("A")], "Accepted"),
            send(2, "Differential", &[entry("B")], "Accepted"),
        ])
        .await;
    scene.token(&json!({"id_tag": "C"})).await;
    scene
        .round(&[
            send(3, "Full", &[entry("A")], "Accepted"),
            send(4, "Differential", &[entry("B")], "Accepted"),
        ])
        .await;
    scene.delete("A").await;
    scene
        .round(&[
            send(5, "Full", &[entry("B")], "Accepted"),
            send(6, "Differential", &[entry("C")], "Accepted"),
        ])
        .await;
    scene.at.stop().await;
}

#[tokio::test]
async fn a_list_of_the_clients_own_stays_until_one_is_made_from_the_tokens() {
    let mut scene = Scene::with_list(&["A"], (100, 100)).await;
    let accepted = json!({"status": "Accepted"});
    let order = async |scene: &mut Scene, parameters: Value, sent: Value| {
        let body = json!({"command": "send_local_list", "parameters": parameters}).to_string();
        let (told, ()) = tokio::join!(
            scene.world.post(GIVE, &scene.key, &body),
            scene
                .station
                .expect("SendLocalList", &sent, accepted.clone())
        );
        assert_eq!(told.json()["status"], "Accepted");
    };
    let own = json!({"list_version": 40, "local_authorization_list": [{"id_tag": "X", "id_tag_info": accepted}]});
    order(&mut scene, own, list(40, "Full", &[entry("X")])).await;
    scene.token(&json!({"id_tag": "B"})).await;
    scene.round(&[]).await;
    let both = [entry("A"), entry("B")];
    let from_tokens = json!({"list_version": 41});
    order(&mut scene, from_tokens, list(41, "Full", &both)).await;
    scene.round(&[]).await;
    scene.delete("A").await;
    scene
        .round(&[send(42, "Full", &[entry("B")], "Accepted")])
        .await;
    scene.at.stop().await;
}

#[tokio::test]
async fn one_that_keeps_no_list_is_sent_none_and_one_that_tells_nothing_is_asked_again_later() {
    let mut scene = Scene::new().await;
    scene.token(&json!({"id_tag": "A"})).await;
    scene.round(&[learn(configuration(None, "Power"))]).await;
    scene.round(&[]).await;
    let theirs = scene.world.key_of(&scene.world.theirs, Scope::ALL).await;
    let foreign = scene
        .world
        .post("/api/v1/tokens", &theirs, r#"{"id_tag":"Z"}"#);
    assert_eq!(foreign.await.status, 201);
    scene.round(&[]).await;

    let boot = json!({"chargePointVendor": "V", "chargePointModel": "M"});
    scene.station.call("BootNotification", boot).await;
    let upkeep = scene.world.upkeep.clone();
    let refusing = async {
        let (id, action, _) = scene.station.asked().await;
        assert_eq!(action, "GetConfiguration");
        let refusal = json!([4, id, "NotImplemented", "", {}]).to_string();
        scene.station.send(&refusal).await;
    };
    let (done, ()) = tokio::join!(upkeep.round(), refusing);
    done.unwrap();
    scene.round(&[]).await;
    scene.world.advance(3_600);
    scene.station.call("Heartbeat", json!({})).await;
    scene.round(&[learn(configuration(None, "Power"))]).await;
    scene.at.stop().await;
}

/// A limit of 7 400 W on connector 1, as it is sent.
fn limit(unit: &str, limit: &Value) -> Value {
    json!({"connectorId": 1, "csChargingProfiles": {
        "chargingProfileId": 9_001, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {"startSchedule": "2026-05-01T09:14:05Z", "chargingRateUnit": unit,
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}}})
}

#[tokio::test]
async fn one_that_takes_amperes_only_gets_amperes_and_one_that_rejects_watts_gets_them_next() {
    let mut scene = Scene::new().await;
    let body = json!({"command": "set_power_limit", "parameters": {"connector_id": 1, "limit_watts": 7_400}})
        .to_string();
    let (accepted, rejected) = (json!({"status": "Accepted"}), json!({"status": "Rejected"}));
    let amperes = limit("A", &json!(10.7));
    let watts = limit("W", &json!(7_400));
    // Nothing is known: watts, and what was rejected in watts is tried in amperes.
    let told = scene.world.post(GIVE, &scene.key, &body);
    let answering = async {
        scene
            .station
            .expect("SetChargingProfile", &watts, rejected.clone())
            .await;
        scene
            .station
            .expect("SetChargingProfile", &amperes, accepted.clone())
            .await;
    };
    let (told, ()) = tokio::join!(told, answering);
    assert_eq!(told.json()["status"], "Accepted");
    let id = told.json()["command_id"].as_str().unwrap().to_owned();
    let kept = scene.get(&format!("/cpo/commands/{id}")).await;
    let request: Value = serde_json::from_str(kept["frames"]["request"].as_str().unwrap()).unwrap();
    assert_eq!(
        request,
        json!([2, format!("{id}-2"), "SetChargingProfile", amperes])
    );
    // That is remembered.
    for answer in [&accepted, &rejected] {
        let (told, ()) = tokio::join!(
            scene.world.post(GIVE, &scene.key, &body),
            scene
                .station
                .expect("SetChargingProfile", &amperes, answer.clone())
        );
        assert_eq!(told.json()["status"], answer["status"]);
    }
    // Until it tells what it takes.
    scene.round(&[learn(configuration(None, "Power"))]).await;
    let (told, ()) = tokio::join!(
        scene.world.post(GIVE, &scene.key, &body),
        scene.station.expect(
            "SetChargingProfile",
            &watts,
            json!({"status": "NotSupported"})
        )
    );
    assert_eq!(told.json()["status"], "Rejected");
    // A changed configuration is asked for anew.
    let change = json!({"charge_point_id": DIRECT, "key": "k", "value": "v"});
    let path = "/api/v1/ocpp16/change_configuration";
    let text = change.to_string();
    let changed = json!({"key": "k", "value": "v"});
    let (_, ()) = tokio::join!(
        scene.world.post(path, &scene.key, &text),
        scene
            .station
            .expect("ChangeConfiguration", &changed, accepted)
    );
    scene.round(&[learn(configuration(None, "Current"))]).await;
    let (told, ()) = tokio::join!(
        scene.world.post(GIVE, &scene.key, &body),
        scene
            .station
            .expect("SetChargingProfile", &amperes, rejected)
    );
    assert_eq!(told.json()["status"], "Rejected");
    scene.at.stop().await;
}

#[tokio::test]
async fn firmware_and_diagnostics_show_how_far_they_are_and_how_they_ended() {
    let mut scene = Scene::new().await;
    let orders = [
        (
            json!({"command": "update_firmware", "parameters": {"firmware_url": "https://e.com/f", "retrieve_date": "2026-05-02T00:00:00Z"}}),
            (
                "UpdateFirmware",
                json!({"location": "https://e.com/f", "retrieveDate": "2026-05-02T00:00:00Z"}),
                json!({}),
            ),
            (
                "FirmwareStatusNotification",
                ["Idle", "Downloading", "InstallationFailed"],
            ),
            ("failed", json!("the charge point told InstallationFailed")),
        ),
        (
            json!({"command": "get_diagnostics", "parameters": {"upload_url": "https://e.com/u"}}),
            (
                "GetDiagnostics",
                json!({"location": "https://e.com/u"}),
                json!({"fileName": "d"}),
            ),
            (
                "DiagnosticsStatusNotification",
                ["Idle", "Uploading", "Uploaded"],
            ),
            ("completed", Value::Null),
        ),
    ];
    for (body, (action, payload, answer), (notification, words), (state, error)) in orders {
        let text = body.to_string();
        let (told, ()) = tokio::join!(
            scene.world.post(GIVE, &scene.key, &text),
            scene.station.expect(action, &payload, answer)
        );
        let id = told.json()["command_id"].as_str().unwrap().to_owned();
        for word in words {
            scene
                .station
                .call(notification, json!({ "status": word }))
                .await;
            scene.world.advance(1);
        }
        // What comes afterwards belongs to nothing.
        scene
            .station
            .call(notification, json!({"status": words[2]}))
            .await;
        let kept = scene.get(&format!("/cpo/commands/{id}")).await;
        let at = |place: usize| {
            kept["states"][2 + place]["at"]
                .as_str()
                .unwrap()
                .parse::<Timestamp>()
                .unwrap()
        };
        let progress = kept["progress"].as_array().unwrap();
        let told: Vec<_> = progress
            .iter()
            .map(|one| one["status"].as_str().unwrap())
            .collect();
        assert_eq!(told, words[1..]);
        assert_eq!(
            (&kept["state"], &kept["status"], &kept["error"]),
            (&json!(state), &json!("Accepted"), &error)
        );
        assert_eq!(kept["states"][3]["state"], state);
        assert_eq!(progress[1]["at"], kept["states"][3]["at"]);
        assert_eq!(at(1).as_second() - at(0).as_second(), 2);
    }
    scene.at.stop().await;
}

#[tokio::test]
async fn when_a_charge_point_was_heard_last_outlives_the_server() {
    let mut scene = Scene::new().await;
    scene.world.advance(7);
    scene.station.call("Heartbeat", json!({})).await;
    let house = |world: &World, fleet: &Fleet| {
        Housekeeping::new(world.db.clone(), fleet.clone(), world.clock.clone())
    };
    let stop = CancellationToken::new();
    stop.cancel();
    house(&scene.world, &scene.world.fleet).run(stop).await;
    let fleet = Fleet::load(&scene.world.db, scene.world.clock.now())
        .await
        .unwrap();
    let live = fleet
        .find(&site_model::ChargePointId::new(DIRECT).unwrap())
        .unwrap();
    assert!(!live.online);
    assert_eq!(
        live.last_heartbeat_at,
        Some("2026-05-01T09:14:12Z".parse().unwrap())
    );
    // Who was not heard since is not written again.
    let forget = "UPDATE charge_points SET heard_at_ms = NULL";
    scene.world.db.write(forget, vec![]).await.unwrap();
    scene.world.advance(1);
    let house = house(&scene.world, &scene.world.fleet);
    house.save_heard(scene.world.clock.now()).await.unwrap();
    let rows = "SELECT id FROM charge_points WHERE heard_at_ms IS NOT NULL";
    assert_eq!(scene.world.db.query(rows, vec![]).await.unwrap(), []);
    scene.at.stop().await;
}

#[tokio::test]
async fn commands_and_reservations_are_deleted_after_ninety_days_and_not_before() {
    let scene = Scene::new().await;
    let (db, ours) = (&scene.world.db, scene.world.ours.as_str());
    let day = 86_400_000;
    let now = scene.world.clock.now();
    let made = |days: i64| {
        let ms = now.as_millisecond() - days * day;
        Timestamp::from_millisecond(ms).unwrap()
    };
    for (days, count) in [(91, 1_200), (89, 3)] {
        for number in 0..count {
            let command = "INSERT INTO commands (id, organisation_id, charge_point_id, command, action,
                             parameters, created_by, timeout_s, queued_at_ms, state)
                           VALUES ($1, $2, 'DE*OURS*D1', 'soft_reset', 'Reset', '{}', 'key_x', 10, $3, 'accepted')";
            let id = &cloud_api::id::bound("cmd", made(days))[..26];
            let id = format!("{id}{number:04}");
            let values = vec![id.into(), ours.into(), made(days).as_millisecond().into()];
            db.write(command, values).await.unwrap();
        }
    }
    // One that is over, one that was made long ago and is not, one that is young.
    for (number, (days, over)) in [(91, 91), (91, 1), (89, 89)].into_iter().enumerate() {
        let reservation = "INSERT INTO reservations (id, organisation_id, charge_point_id, connector_id,
                             number, id_tag, folded, expires_at_ms, state, created_at_ms, updated_at_ms)
                           VALUES ($1, $2, 'DE*OURS*D1', 1, $3, 'T', 't', $4, 'accepted', 0, 0)";
        let id = &cloud_api::id::bound("rsv", made(days))[..26];
        let id = format!("{id}{number:04}");
        let over = made(over).as_millisecond();
        let values = vec![
            id.into(),
            ours.into(),
            i64::try_from(number).unwrap().into(),
            over.into(),
        ];
        db.write(reservation, values).await.unwrap();
    }
    let house = Housekeeping::new(
        db.clone(),
        scene.world.fleet.clone(),
        scene.world.clock.clone(),
    );
    house.purge().await.unwrap();
    assert_eq!(scene.get("/cpo/commands").await["total"], 3);
    assert_eq!(scene.get("/reservations").await["total"], 2);
    scene.at.stop().await;
}
