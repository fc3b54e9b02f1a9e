//! Commands: from REST to the charge point's answer, and to what it led to.

use cloud_api::fleet::{Registration, Update};
use serde_json::{Value, json};
use site_model::ChargePointId;

use crate::central::{Scene, until};
use crate::harness::{Answer, DIRECT, OURS};

const GIVE: &str = "/api/v1/cpo/commands/DE*OURS*D1";

impl Scene {
    /// Orders something, lets the station answer it, and answers what REST told.
    pub(crate) async fn order(
        &mut self,
        path: &str,
        body: &Value,
        action: &str,
        payload: &Value,
        answer: Value,
    ) -> Answer {
        let body = body.to_string();
        let told = self.world.post(path, &self.key, &body);
        let done = self.station.expect(action, payload, answer);
        let (told, ()) = tokio::join!(told, done);
        told
    }

    pub(crate) async fn read(&self, command: &Value) -> Value {
        let id = command["command_id"].as_str().unwrap();
        self.world
            .get(&format!("/api/v1/cpo/commands/{id}"), &self.key)
            .await
            .json()
    }
}

pub(crate) fn states(command: &Value) -> Vec<&str> {
    let states = command["states"].as_array().unwrap().iter();
    states
        .map(|state| state["state"].as_str().unwrap())
        .collect()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a flat table, one row per command")]
async fn every_command_becomes_its_call_and_its_answer_is_told() {
    let mut scene = Scene::new().await;
    scene.token(&json!({"id_tag": "T", "parent": "P"})).await;
    let limit = |connector: u8, purpose: &str| {
        json!({"connectorId": connector, "csChargingProfiles": {
            "chargingProfileId": 9_000 + u32::from(connector), "stackLevel": 0,
            "chargingProfilePurpose": purpose, "chargingProfileKind": "Absolute",
            "chargingSchedule": {"startSchedule": "2026-05-01T09:14:05Z", "chargingRateUnit": "W",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7400}]}}})
    };
    let accepted = json!({"status": "Accepted"});
    let rejected = json!({"status": "Rejected"});
    let cases = [
        (
            json!({"command": "start_session", "parameters": {"connector_id": 1, "id_tag": "T"}}),
            "RemoteStartTransaction",
            json!({"connectorId": 1, "idTag": "T"}),
            accepted.clone(),
            "Accepted",
        ),
        (
            json!({"command": "stop_session", "parameters": {"transaction_id": 7}}),
            "RemoteStopTransaction",
            json!({"transactionId": 7}),
            rejected.clone(),
            "Rejected",
        ),
        (
            json!({"command": "set_available", "parameters": {"connector_id": 0}}),
            "ChangeAvailability",
            json!({"connectorId": 0, "type": "Operative"}),
            accepted.clone(),
            "Accepted",
        ),
        (
            json!({"command": "set_unavailable", "parameters": {"connector_id": 2}}),
            "ChangeAvailability",
            json!({"connectorId": 2, "type": "Inoperative"}),
            json!({"status": "Scheduled"}),
            "Accepted",
        ),
        (
            json!({"command": "soft_reset"}),
            "Reset",
            json!({"type": "Soft"}),
            accepted.clone(),
            "Accepted",
        ),
        (
            json!({"command": "hard_reset", "parameters": {}}),
            "Reset",
            json!({"type": "Hard"}),
            rejected.clone(),
            "Rejected",
        ),
        (
            json!({"command": "set_power_limit", "parameters": {"connector_id": 1, "limit_watts": 7400}}),
            "SetChargingProfile",
            limit(1, "TxDefaultProfile"),
            accepted.clone(),
            "Accepted",
        ),
        (
            json!({"command": "set_power_limit", "parameters": {"connector_id": 0, "limit_watts": 7400}}),
            "SetChargingProfile",
            limit(0, "ChargePointMaxProfile"),
            json!({"status": "NotSupported"}),
            "Rejected",
        ),
        (
            json!({"command": "clear_power_limit", "parameters": {"connector_id": 1}}),
            "ClearChargingProfile",
            json!({"id": 9_001}),
            json!({"status": "Unknown"}),
            "Rejected",
        ),
        (
            json!({"command": "unlock_connector", "parameters": {"connector_id": 1}}),
            "UnlockConnector",
            json!({"connectorId": 1}),
            json!({"status": "Unlocked"}),
            "Accepted",
        ),
        (
            json!({"command": "update_firmware", "parameters": {"firmware_url": "https://example.com/f", "retrieve_date": "2026-05-02T00:00:00Z"}}),
            "UpdateFirmware",
            json!({"location": "https://example.com/f", "retrieveDate": "2026-05-02T00:00:00Z"}),
            json!({}),
            "Accepted",
        ),
        (
            json!({"command": "get_diagnostics", "parameters": {"upload_url": "https://example.com/u"}}),
            "GetDiagnostics",
            json!({"location": "https://example.com/u"}),
            json!({"fileName": "d.zip"}),
            "Accepted",
        ),
        (
            json!({"command": "send_local_list", "parameters": {"list_version": 3}}),
            "SendLocalList",
            json!({"listVersion": 3, "updateType": "Full", "localAuthorizationList":
            [{"idTag": "T", "idTagInfo": {"status": "Accepted", "parentIdTag": "P"}}]}),
            accepted.clone(),
            "Accepted",
        ),
        (
            json!({"command": "send_local_list", "parameters": {"list_version": 4, "local_authorization_list": [{"id_tag": "X", "id_tag_info": {"status": "Blocked"}}]}}),
            "SendLocalList",
            json!({"listVersion": 4, "updateType": "Full", "localAuthorizationList":
            [{"idTag": "X", "idTagInfo": {"status": "Blocked"}}]}),
            json!({"status": "VersionMismatch"}),
            "Rejected",
        ),
    ];
    for (body, action, payload, answer, status) in cases {
        let told = scene
            .order(GIVE, &body, action, &payload, answer.clone())
            .await;
        assert_eq!(told.status, 200, "{body}: {told:?}");
        let told = told.json();
        let expected = json!({
            "command_id": told["command_id"], "charge_point_id": DIRECT, "command": body["command"],
            "status": status, "response": answer, "response_time_ms": 0,
            "sent_at": "2026-05-01T09:14:05Z",
        });
        assert_eq!(told, expected);
        let kept = scene.read(&told).await;
        let id = told["command_id"].as_str().unwrap();
        let request: Value =
            serde_json::from_str(kept["frames"]["request"].as_str().unwrap()).unwrap();
        assert_eq!(request, json!([2, id, action, payload]));
        let response: Value =
            serde_json::from_str(kept["frames"]["response"].as_str().unwrap()).unwrap();
        assert_eq!(response, json!([3, id, answer]));
        assert_eq!(
            kept["parameters"],
            body.get("parameters").cloned().unwrap_or(json!({}))
        );
    }
    let history = scene
        .world
        .get(
            "/api/v1/cpo/commands?limit=3&command=send_local_list",
            &scene.key,
        )
        .await
        .json();
    assert_eq!(
        (
            &history["total"],
            history["commands"].as_array().unwrap().len()
        ),
        (&json!(2), 2)
    );
    scene.at.stop().await;
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one session from its order to its end"
)]
async fn a_remote_start_tells_the_session_that_it_led_to_and_a_stop_the_one_it_ended() {
    let mut scene = Scene::new().await;
    scene.token(&json!({"id_tag": "T"})).await;
    let accepted = json!({"status": "Accepted"});
    let body = json!({"charge_point_id": DIRECT, "connector_id": 2, "id_tag": "T"});
    let payload = json!({"connectorId": 2, "idTag": "T"});
    let started = scene
        .order(
            "/api/v1/sessions",
            &body,
            "RemoteStartTransaction",
            &payload,
            accepted.clone(),
        )
        .await
        .json();
    assert_eq!(
        (&started["command"], &started["status"]),
        (&json!("start_session"), &json!("Accepted"))
    );
    let waiting = scene.read(&started).await;
    assert_eq!(
        (&waiting["state"], &waiting["session_id"]),
        (&json!("accepted"), &Value::Null)
    );

    scene.world.advance(20);
    let on_another = json!({"connectorId": 1, "idTag": "T", "meterStart": 5, "timestamp": "2026-05-01T09:14:20Z"});
    scene.station.call("StartTransaction", on_another).await;
    assert_eq!(
        scene.read(&started).await["session_id"],
        Value::Null,
        "another connector"
    );
    let began = json!({"connectorId": 2, "idTag": "t", "meterStart": 5, "timestamp": "2026-05-01T09:14:25Z"});
    let began = scene.station.call("StartTransaction", began).await;
    let done = scene.read(&started).await;
    assert_eq!(states(&done), ["queued", "sent", "accepted", "completed"]);
    assert_eq!(done["states"][3]["at"], "2026-05-01T09:14:25.000Z");
    let session = done["session_id"].as_str().unwrap().to_owned();

    let path = format!("/api/v1/sessions/{session}/stop");
    let payload = json!({"transactionId": began["transactionId"]});
    let stopped = scene
        .order(
            &path,
            &json!({}),
            "RemoteStopTransaction",
            &payload,
            accepted,
        )
        .await
        .json();
    assert_eq!(
        states(&scene.read(&stopped).await),
        ["queued", "sent", "accepted"]
    );
    let stop = json!({"transactionId": began["transactionId"], "meterStop": 9, "timestamp": "2026-05-01T09:14:30Z", "reason": "Remote"});
    scene.station.call("StopTransaction", stop).await;
    let done = scene.read(&stopped).await;
    assert_eq!(
        (&done["state"], &done["session_id"]),
        (&json!("completed"), &json!(session))
    );
    let read = scene
        .world
        .get(&format!("/api/v1/sessions/{session}"), &scene.key)
        .await
        .json();
    assert_eq!(
        (&read["status"], &read["stop_reason"]),
        (&json!("stopped"), &json!("Remote"))
    );
    let again = scene.world.post(&path, &scene.key, "").await;
    assert_eq!(
        (again.status, &again.json()["message"]),
        (409, &json!("Refused: the session has ended."))
    );
    scene.at.stop().await;
}

#[tokio::test]
async fn a_start_without_a_session_expires_and_a_reset_is_done_when_it_boots() {
    let mut scene = Scene::new().await;
    let accepted = json!({"status": "Accepted"});
    let body = json!({"command": "start_session", "parameters": {"id_tag": "T"}});
    let started = scene
        .order(
            GIVE,
            &body,
            "RemoteStartTransaction",
            &json!({"idTag": "T"}),
            accepted.clone(),
        )
        .await
        .json();
    let reset = scene
        .order(
            GIVE,
            &json!({"command": "soft_reset"}),
            "Reset",
            &json!({"type": "Soft"}),
            accepted,
        )
        .await
        .json();
    scene.world.advance(180);
    assert_eq!(
        states(&scene.read(&started).await),
        ["queued", "sent", "accepted", "expired"]
    );
    assert_eq!(
        states(&scene.read(&reset).await),
        ["queued", "sent", "accepted"]
    );
    scene
        .station
        .call(
            "BootNotification",
            json!({"chargePointVendor": "V", "chargePointModel": "M"}),
        )
        .await;
    let done = scene.read(&reset).await;
    assert_eq!(states(&done), ["queued", "sent", "accepted", "completed"]);
    assert_eq!(done["states"][3]["at"], "2026-05-01T09:17:05.000Z");
    scene.at.stop().await;
}

#[tokio::test]
async fn no_answer_in_time_is_200_with_timeout_and_a_late_one_changes_nothing() {
    let mut scene = Scene::new().await;
    let body = r#"{"command":"soft_reset","timeout_seconds":1}"#;
    let told = scene.world.post(GIVE, &scene.key, body).await;
    assert_eq!(told.status, 200);
    let told = told.json();
    assert_eq!(
        (&told["status"], &told["response"]),
        (&json!("Timeout"), &Value::Null)
    );
    let (id, _, _) = scene.station.asked().await;
    scene
        .station
        .answer(&id, json!({"status": "Accepted"}))
        .await;
    let unlocked = scene
        .order(
            GIVE,
            &json!({"command": "unlock_connector", "parameters": {"connector_id": 1}}),
            "UnlockConnector",
            &json!({"connectorId": 1}),
            json!({"status": "UnlockFailed"}),
        )
        .await
        .json();
    assert_eq!(unlocked["status"], "Rejected");
    let kept = scene.read(&told).await;
    assert_eq!(
        (&kept["state"], &kept["status"]),
        (&json!("timed_out"), &json!("Timeout"))
    );
    scene.at.stop().await;
}

#[tokio::test]
async fn an_error_and_a_lost_connection_are_told_as_such() {
    let mut scene = Scene::new().await;
    let body = r#"{"command":"soft_reset"}"#;
    let told = scene.world.post(GIVE, &scene.key, body);
    let refusing = async {
        let (id, _, _) = scene.station.asked().await;
        let refusal = json!([4, id, "NotSupported", "no resets here", {}]).to_string();
        scene.station.send(&refusal).await;
    };
    let (told, ()) = tokio::join!(told, refusing);
    let told = told.json();
    assert_eq!(
        (&told["status"], &told["error"]),
        (
            &json!("Error"),
            &json!("the charge point answered NotSupported: no resets here")
        )
    );
    let told = scene.world.post(GIVE, &scene.key, body);
    let leaving = async {
        scene.station.asked().await;
        drop(scene.station);
    };
    let (told, ()) = tokio::join!(told, leaving);
    let told = told.json();
    assert_eq!(
        (&told["status"], &told["error"]),
        (
            &json!("Error"),
            &json!(
                "the socket closed before the answer came; the charge point may have acted on it"
            )
        )
    );
    scene.at.stop().await;
}

#[tokio::test]
async fn one_that_cannot_be_reached_is_409_with_what_is_missing() {
    let mut scene = Scene::new().await;
    let body = r#"{"command":"soft_reset"}"#;
    let behind = scene
        .world
        .post(&format!("/api/v1/cpo/commands/{OURS}"), &scene.key, body)
        .await;
    assert_eq!(
        (
            behind.status,
            &behind.json()["error"],
            &behind.json()["message"]
        ),
        (
            409,
            &json!("charge_point_offline"),
            &json!("The charge point is offline: its OCPP socket is closed.")
        )
    );
    scene.station.call("Heartbeat", json!({})).await;
    scene.world.advance(600);
    scene.world.fleet.sweep(scene.world.clock.now());
    let silent = scene.world.post(GIVE, &scene.key, body).await;
    assert_eq!(
        (silent.status, &silent.json()["message"]),
        (
            409,
            &json!(
                "The charge point is offline: its OCPP socket is open, but the device does not answer."
            )
        )
    );
    let history = scene
        .world
        .get("/api/v1/cpo/commands", &scene.key)
        .await
        .json();
    assert_eq!(history["total"], 0);
    scene.at.stop().await;
}

#[tokio::test]
async fn faults_of_a_command_are_400_with_their_field() {
    let scene = Scene::new().await;
    let cases = [
        (r#"{}"#, "command"),
        (r#"{"command":"explode"}"#, "command"),
        (
            r#"{"command":"soft_reset","timeout_seconds":61}"#,
            "timeout_seconds",
        ),
        (
            r#"{"command":"soft_reset","parameters":{"x":1}}"#,
            "parameters.x",
        ),
        (r#"{"command":"start_session"}"#, "parameters.id_tag"),
        (
            r#"{"command":"set_power_limit","parameters":{"connector_id":1}}"#,
            "parameters.limit_watts",
        ),
        (r#"{"command":"stop_session"}"#, "parameters.transaction_id"),
        (
            r#"{"command":"stop_session","parameters":{"session_id":"sess_theirs1"}}"#,
            "parameters.session_id",
        ),
        (
            r#"{"command":"send_local_list","parameters":{"list_version":1,"local_authorization_list":[{}]}}"#,
            "payload.localAuthorizationList[0].idTag",
        ),
    ];
    for (body, field) in cases {
        let answer = scene.world.post(GIVE, &scene.key, body).await;
        assert_eq!(
            (answer.status, &answer.json()["details"][0]["field"]),
            (400, &json!(field)),
            "{body}"
        );
    }
    let raw = r#"{"charge_point_id":"DE*OURS*D1","connector_id":1,"type":"Maybe"}"#;
    let answer = scene
        .world
        .post("/api/v1/ocpp16/change_availability", &scene.key, raw)
        .await;
    assert_eq!(
        (answer.status, &answer.json()["details"][0]["field"]),
        (400, &json!("payload.type"))
    );
    scene.at.stop().await;
}

#[tokio::test]
async fn calls_of_ocpp_itself_are_made_and_passwords_are_not_shown() {
    let mut scene = Scene::new().await;
    let body = json!({"charge_point_id": DIRECT, "command": "GetConfiguration", "payload": {"key": ["HeartbeatInterval"]}});
    let answer = json!({"configurationKey": [{"key": "HeartbeatInterval", "readonly": false, "value": "300"}]});
    let told = scene
        .order(
            "/api/v1/ocpp16/send_command",
            &body,
            "GetConfiguration",
            &json!({"key": ["HeartbeatInterval"]}),
            answer.clone(),
        )
        .await
        .json();
    assert_eq!(
        told,
        json!({"charge_point_id": DIRECT, "command_id": told["command_id"], "command": "GetConfiguration",
               "status": "Accepted", "response": answer, "sent_at": "2026-05-01T09:14:05Z", "response_time_ms": 0})
    );
    let body = json!({"charge_point_id": DIRECT, "connector_id": 1, "cs_charging_profiles": {
        "charging_profile_id": 1, "stackLevel": 0, "charging_profile_purpose": "TxDefaultProfile",
        "charging_profile_kind": "Relative", "charging_schedule": {"charging_rate_unit": "A",
            "charging_schedule_period": [{"start_period": 0, "limit": 16.5}]}}});
    let payload = json!({"connectorId": 1, "csChargingProfiles": {
        "chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative", "chargingSchedule": {"chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.5}]}}});
    let told = scene
        .order(
            "/api/v1/ocpp16/set_charging_profile",
            &body,
            "SetChargingProfile",
            &payload,
            json!({"status": "Accepted"}),
        )
        .await;
    assert_eq!(told.json()["status"], "Accepted");
    let body = json!({"charge_point_id": DIRECT, "key": "AuthorizationKey", "value": "5365637265744b6579"});
    let payload = json!({"key": "AuthorizationKey", "value": "5365637265744b6579"});
    let told = scene
        .order(
            "/api/v1/ocpp16/change_configuration",
            &body,
            "ChangeConfiguration",
            &payload,
            json!({"status": "Accepted"}),
        )
        .await
        .json();
    let kept = scene.read(&told).await.to_string();
    assert!(!kept.contains("5365637265744b6579"), "{kept}");
    scene.at.stop().await;
}

#[tokio::test]
async fn a_command_to_many_has_one_result_for_each() {
    let mut scene = Scene::new().await;
    let body = json!({"charge_point_ids": ["nobody", DIRECT, OURS, "DE*THEIRS*D1", DIRECT], "command": "soft_reset"});
    let told = scene
        .order(
            "/api/v1/cpo/commands/bulk",
            &body,
            "Reset",
            &json!({"type": "Soft"}),
            json!({"status": "Accepted"}),
        )
        .await;
    assert_eq!(told.status, 200, "{told:?}");
    let told = told.json();
    let results = told["results"].as_array().unwrap();
    let shown: Vec<_> = results
        .iter()
        .map(|one| {
            let word = one["result"]["status"]
                .as_str()
                .or(one["error"]["error"].as_str());
            (one["charge_point_id"].as_str().unwrap(), word.unwrap())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("nobody", "not_found"),
            (DIRECT, "Accepted"),
            (OURS, "charge_point_offline"),
            ("DE*THEIRS*D1", "not_found")
        ]
    );
    assert_eq!(told["total"], 4);
    scene.at.stop().await;
}

#[tokio::test]
async fn one_that_another_central_system_manages_takes_no_orders_and_says_so() {
    let scene = Scene::new().await;
    let id = ChargePointId::new(OURS).unwrap();
    let live = scene.world.fleet.find(&id).unwrap();
    let registration = Registration {
        organisation: live.organisation.clone(),
        charge_point: id,
        gateway: live.gateway.clone(),
        external: true,
        firmware: None,
        connectors: Vec::new(),
    };
    let update = vec![Update::Registered(registration)];
    scene.world.fleet.apply(&live.organisation, update);
    let start = format!(r#"{{"charge_point_id":"{OURS}","connector_id":1,"id_tag":"T"}}"#);
    for (path, body) in [
        (
            format!("/api/v1/cpo/commands/{OURS}"),
            r#"{"command":"soft_reset"}"#,
        ),
        ("/api/v1/sessions".to_owned(), &start),
    ] {
        let told = scene.world.post(&path, &scene.key, body).await;
        assert_eq!(
            (told.status, &told.json()["error"], &told.json()["message"]),
            (
                409,
                &json!("managed_elsewhere"),
                &json!(
                    "The charge point is managed by another central system: that one alone authorises, commands and bills it."
                )
            ),
            "{path}"
        );
    }
    scene.at.stop().await;
}

#[tokio::test]
async fn a_repeat_with_its_mark_is_not_sent_again() {
    let mut scene = Scene::new().await;
    let give = async |world: &crate::harness::World, key: &str| {
        let request = crate::harness::bearer("POST", GIVE, key)
            .header("content-type", "application/json")
            .header("idempotency-key", "once");
        let body = r#"{"command":"unlock_connector","parameters":{"connector_id":1}}"#;
        let request = request.body(axum::body::Body::from(body)).unwrap();
        world.send(request).await
    };
    let asked = json!({"connectorId": 1});
    let unlocked = json!({"status": "Unlocked"});
    let (first, ()) = tokio::join!(
        give(&scene.world, &scene.key),
        scene.station.expect("UnlockConnector", &asked, unlocked)
    );
    let again = give(&scene.world, &scene.key).await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (200, "true")
    );
    assert_eq!(again.body, first.body);
    let history = scene.world.get("/api/v1/cpo/commands", &scene.key).await;
    assert_eq!(history.json()["total"], 1);
    scene.at.stop().await;
}

#[tokio::test]
async fn a_command_that_was_on_its_way_when_the_server_ended_has_failed_and_says_so() {
    let mut scene = Scene::new().await;
    let body = r#"{"command":"soft_reset","timeout_seconds":60}"#;
    let (world, key) = (&scene.world, &scene.key);
    tokio::select! {
        _ = world.post(GIVE, key, body) => panic!("answered"),
        _asked = scene.station.asked() => {}
    }
    let history = async |world: &crate::harness::World, key: &str| {
        world.get("/api/v1/cpo/commands", key).await.json()["commands"][0].clone()
    };
    until(async || (history(world, key).await["state"] == "queued").then_some(())).await;
    world.commands.recover().await.unwrap();
    let told = history(world, key).await;
    assert_eq!(
        (&told["state"], &told["error"]),
        (
            &json!("failed"),
            &json!(
                "the server stopped before the answer came; the charge point may have acted on it"
            )
        )
    );
    scene.at.stop().await;
}
