//! Orders to open connectors and to close them: they end with what the status says, give way to a later
//! order, and wait no longer than they may.

use serde_json::{Value, json};

use crate::central::Scene;
use crate::commands::states;
use crate::harness::DIRECT;

const DAY: i64 = 86_400;

impl Scene {
    /// Orders a change of availability that the charge point answers with a word.
    async fn available(&mut self, connector: u8, operative: bool, word: &str) -> Value {
        let (path, command, kind) = (
            format!("/api/v1/cpo/commands/{DIRECT}"),
            if operative {
                "set_available"
            } else {
                "set_unavailable"
            },
            if operative {
                "Operative"
            } else {
                "Inoperative"
            },
        );
        let body = json!({"command": command, "parameters": {"connector_id": connector}});
        let asked = json!({"connectorId": connector, "type": kind});
        let answer = json!({ "status": word });
        let told = self.order(&path, &body, "ChangeAvailability", &asked, answer);
        let told = told.await;
        assert_eq!(told.status, 200, "{told:?}");
        told.json()
    }

    async fn tells(&mut self, connector: u8, status: &str) {
        let payload = json!({"connectorId": connector, "errorCode": "NoError", "status": status});
        self.station.call("StatusNotification", payload).await;
    }

    async fn state(&self, command: &Value) -> Value {
        self.read(command).await["state"].clone()
    }
}

#[tokio::test]
async fn what_was_scheduled_is_done_when_the_status_of_its_connector_says_so() {
    let mut scene = Scene::new().await;
    for (operative, not_yet, done) in [
        (
            false,
            &["Charging", "Finishing", "Available", "Faulted"][..],
            "Unavailable",
        ),
        (
            true,
            &["Unavailable", "Charging", "SuspendedEV", "Finishing"],
            "Available",
        ),
    ] {
        let order = scene.available(1, operative, "Scheduled").await;
        assert_eq!(
            (&order["status"], &order["response"]["status"]),
            (&json!("Accepted"), &json!("Scheduled"))
        );
        scene.tells(2, done).await;
        for status in not_yet {
            scene.tells(1, status).await;
            assert_eq!(
                scene.state(&order).await,
                "accepted",
                "{operative} {status}"
            );
        }
        scene.world.advance(60);
        scene.tells(1, done).await;
        let read = scene.read(&order).await;
        assert_eq!(states(&read), ["queued", "sent", "accepted", "completed"]);
        let at = if operative {
            "2026-05-01T09:16:05.000Z"
        } else {
            "2026-05-01T09:15:05.000Z"
        };
        assert_eq!(read["states"][3]["at"], at);
        // Once and for all.
        scene.world.advance(8 * DAY);
        scene.tells(1, "Charging").await;
        assert_eq!(scene.state(&order).await, "completed");
        scene.world.advance(-8 * DAY);
    }
    scene.at.stop().await;
}

#[tokio::test]
async fn the_whole_charge_point_is_closed_when_it_says_so_or_all_its_connectors_do() {
    let mut scene = Scene::new().await;
    for number in [1, 2] {
        scene.tells(number, "Available").await;
    }
    let by_itself = scene.available(0, false, "Scheduled").await;
    scene.tells(1, "Unavailable").await;
    assert_eq!(scene.state(&by_itself).await, "accepted");
    scene.tells(0, "Unavailable").await;
    assert_eq!(scene.state(&by_itself).await, "completed");
    let by_all = scene.available(0, false, "Scheduled").await;
    scene.tells(1, "Unavailable").await;
    assert_eq!(scene.state(&by_all).await, "accepted");
    scene.tells(2, "Unavailable").await;
    assert_eq!(scene.state(&by_all).await, "completed");
    let open = scene.available(0, true, "Scheduled").await;
    scene.tells(2, "Available").await;
    assert_eq!(scene.state(&open).await, "accepted");
    scene.tells(1, "Preparing").await;
    assert_eq!(scene.state(&open).await, "completed");
    scene.at.stop().await;
}

#[tokio::test]
async fn a_later_order_takes_the_place_of_one_that_waits_and_a_rejected_one_does_not() {
    let mut scene = Scene::new().await;
    let first = scene.available(1, false, "Scheduled").await;
    let other = scene.available(2, false, "Scheduled").await;
    scene.available(1, true, "Rejected").await;
    assert_eq!(scene.state(&first).await, "accepted");
    let second = scene.available(1, true, "Scheduled").await;
    let read = scene.read(&first).await;
    assert_eq!(states(&read), ["queued", "sent", "accepted", "failed"]);
    assert_eq!(
        read["error"],
        "another order about this connector's availability was accepted before this one took effect"
    );
    scene.tells(1, "Unavailable").await;
    assert_eq!(scene.state(&first).await, "failed");
    assert_eq!(scene.state(&second).await, "accepted");
    // About all of them, at once.
    let all = scene.available(0, true, "Accepted").await;
    for (order, state) in [(&second, "failed"), (&other, "failed"), (&all, "completed")] {
        assert_eq!(scene.state(order).await, state);
    }
    scene.at.stop().await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn nothing_that_was_accepted_waits_for_ever() {
    let mut scene = Scene::new().await;
    let accepted = json!({"status": "Accepted"});
    let url = "https://files.example.com/x";
    let at = "2026-05-01T09:00:00Z";
    let log = json!({"remoteLocation": url});
    let signed = json!({"location": url, "retrieveDateTime": at, "signingCertificate": "x", "signature": "y"});
    let calls = [
        (
            "ChangeAvailability",
            json!({"connectorId": 1, "type": "Inoperative"}),
            json!({"status": "Scheduled"}),
            7 * DAY,
        ),
        (
            "ChangeAvailability",
            json!({"connectorId": 2, "type": "Operative"}),
            json!({"status": "Scheduled"}),
            7 * DAY,
        ),
        (
            "RemoteStartTransaction",
            json!({"idTag": "T"}),
            accepted.clone(),
            180,
        ),
        (
            "RemoteStopTransaction",
            json!({"transactionId": 7}),
            accepted.clone(),
            3_600,
        ),
        ("Reset", json!({"type": "Soft"}), accepted.clone(), 3_600),
        ("GetDiagnostics", json!({"location": url}), json!({}), DAY),
        (
            "GetLog",
            json!({"log": log, "logType": "SecurityLog", "requestId": 1}),
            accepted.clone(),
            DAY,
        ),
        (
            "UpdateFirmware",
            json!({"location": url, "retrieveDate": at}),
            json!({}),
            7 * DAY,
        ),
        (
            "SignedUpdateFirmware",
            json!({"requestId": 1, "firmware": signed}),
            accepted,
            7 * DAY,
        ),
    ];
    let mut given = Vec::new();
    for (action, payload, answer, within) in calls {
        let body = json!({"charge_point_id": DIRECT, "command": action, "payload": payload});
        let path = "/api/v1/ocpp16/send_command";
        let told = scene.order(path, &body, action, &payload, answer).await;
        assert_eq!(told.json()["status"], "Accepted", "{told:?}");
        given.push((action, told.json(), within));
    }
    for (action, order, within) in given {
        scene.world.advance(within - 1);
        assert_eq!(scene.state(&order).await, "accepted", "{action}");
        scene.world.advance(1);
        let read = scene.read(&order).await;
        assert_eq!(
            states(&read),
            ["queued", "sent", "accepted", "expired"],
            "{action}"
        );
        scene.world.advance(-within);
    }
    scene.at.stop().await;
}
