//! What charge points tell that is kept for people: security events, and stops without a start.

use serde_json::{Value, json};

use crate::central::Scene;
use crate::harness::{DIRECT, OURS};

fn events() -> String {
    format!("/chargepoints/{DIRECT}/security-events")
}

#[tokio::test]
async fn security_events_are_kept_and_read_newest_first() {
    let mut scene = Scene::new().await;
    let none =
        json!({"security_events": [], "total": 0, "limit": 50, "offset": 0, "next_cursor": null});
    assert_eq!(scene.get(&events()).await, none);
    for (kind, at, info) in [
        ("StartupOfTheDevice", "2026-05-01T08:00:00Z", None),
        (
            "TamperDetectionActivated",
            "2026-05-01T09:00:00Z",
            Some("lid"),
        ),
    ] {
        let mut told = json!({"type": kind, "timestamp": at});
        if let Some(info) = info {
            told["techInfo"] = info.into();
        }
        let answer = scene.station.call("SecurityEventNotification", told).await;
        assert_eq!(answer, json!({}));
        scene.world.advance(1);
    }
    // Somebody guesses its password, three times in a row.
    for _ in 0..3 {
        assert!(scene.at.connect(DIRECT, "guess").await.is_err());
    }
    let refused = json!({"source": "central_system", "type": "FailedToAuthenticateAtCentralSystem",
        "at": "2026-05-01T09:14:07Z", "received_at": "2026-05-01T09:14:07Z",
        "info": "its credential is missing or wrong; a new password comes from POST /api/v1/chargepoints/{id}/provisioning-password"});
    let tampered = json!({"source": "charge_point", "type": "TamperDetectionActivated",
        "at": "2026-05-01T09:00:00Z", "received_at": "2026-05-01T09:14:06Z", "info": "lid"});
    let started = json!({"source": "charge_point", "type": "StartupOfTheDevice",
        "at": "2026-05-01T08:00:00Z", "received_at": "2026-05-01T09:14:05Z", "info": null});
    assert_eq!(
        scene.get(&events()).await,
        json!({"security_events": [refused, tampered, started], "total": 3, "limit": 50, "offset": 0, "next_cursor": null})
    );
    let first = scene.get(&format!("{}?limit=2", events())).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = scene
        .get(&format!("{}?limit=2&cursor={cursor}", events()))
        .await;
    assert_eq!(next["security_events"], json!([started]));
    let others = format!("/chargepoints/{OURS}/security-events");
    assert_eq!(scene.get(&others).await, none);
    scene.at.stop().await;
}

#[tokio::test]
async fn of_security_events_the_latest_are_kept_of_each_source() {
    let mut scene = Scene::new().await;
    assert!(scene.at.connect(DIRECT, "guess").await.is_err());
    for number in 0..203 {
        let told = json!({"type": format!("Event{number}"), "timestamp": "2026-05-01T09:00:00Z"});
        scene.station.call("SecurityEventNotification", told).await;
    }
    let page = scene.get(&format!("{}?limit=200", events())).await;
    assert_eq!(page["total"], 201);
    let kinds = |page: &Value| -> Vec<String> {
        let all = page["security_events"].as_array().unwrap().iter();
        all.map(|event| event["type"].as_str().unwrap().to_owned())
            .collect()
    };
    let shown = kinds(&page);
    assert_eq!(
        (shown[0].as_str(), shown[199].as_str()),
        ("Event202", "Event3")
    );
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = scene.get(&format!("{}?cursor={cursor}", events())).await;
    assert_eq!(kinds(&rest), ["FailedToAuthenticateAtCentralSystem"]);
    scene.at.stop().await;
}

#[tokio::test]
async fn stops_of_transactions_that_nobody_began_here_are_kept_once_and_read() {
    let mut scene = Scene::new().await;
    let path = format!("/chargepoints/{DIRECT}/unmatched-stops");
    let none =
        json!({"unmatched_stops": [], "total": 0, "limit": 50, "offset": 0, "next_cursor": null});
    assert_eq!(scene.get(&path).await, none);
    let late = json!({"transactionId": 8, "meterStop": 5, "timestamp": "2026-05-01T09:00:00Z"});
    let early = json!({"transactionId": 7, "meterStop": 1_204_500, "timestamp": "2026-05-01T08:00:00Z",
        "idTag": "T", "reason": "PowerLoss"});
    for stop in [&late, &early, &late] {
        scene.station.call("StopTransaction", stop.clone()).await;
    }
    let stops = json!([
        {"transaction_id": 7, "meter_stop_wh": 1_204_500, "id_tag": "T", "stop_reason": "PowerLoss",
         "stopped_at": "2026-05-01T08:00:00Z", "received_at": "2026-05-01T09:14:05Z"},
        {"transaction_id": 8, "meter_stop_wh": 5, "id_tag": null, "stop_reason": "Local",
         "stopped_at": "2026-05-01T09:00:00Z", "received_at": "2026-05-01T09:14:05Z"},
    ]);
    assert_eq!(
        scene.get(&path).await,
        json!({"unmatched_stops": stops, "total": 2, "limit": 50, "offset": 0, "next_cursor": null})
    );
    let second = scene.get(&format!("{path}?limit=1&offset=1")).await;
    assert_eq!(second["unmatched_stops"], json!([stops[1]]));
    assert_eq!(scene.sessions().await.len(), 0, "they are no sessions");
    scene.at.stop().await;
}
