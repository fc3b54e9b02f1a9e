//! What the reads answer, whole, and their entity tags.

use cloud_api::keys::Scope;

use crate::harness::{Answer, OURS, World, bearer, counted};

const SUMMARY: &str = "/api/v1/cpo/fleet/summary";

fn status() -> String {
    format!("/api/v1/chargepoints/{OURS}/status")
}

/// A good answer with its tag, whatever that is.
fn good(answer: &Answer, remaining: u32, body: &str) -> Answer {
    let tag = answer.header("etag").to_owned();
    assert!(tag.len() >= 34, "{tag}");
    let mut expected = counted(
        200,
        1000,
        remaining,
        &[("etag", &tag), ("vary", "Authorization, X-API-Key")],
        body,
    );
    let private = "private, no-cache".to_owned();
    expected.headers.insert("cache-control".to_owned(), private);
    expected
}

#[tokio::test]
async fn status_of_a_charge_point_before_it_is_heard_and_after() {
    let world = World::new().await;
    let key = world.key(&[Scope::ReadChargePoints]).await;
    let silent = world.get(&status(), &key).await;
    assert_eq!(
        silent,
        good(
            &silent,
            999,
            r#"{"charge_point_id":"cp_01hx2b3c4d5e6f","ocpp_status":"Available","connectors":[{"connector_id":1,"status":"Available","type":"CCS2","max_power_kw":50,"observed_at":null},{"connector_id":2,"status":"Available","type":"Type2","max_power_kw":22,"observed_at":null}],"last_heartbeat_at":null,"firmware_version":"unknown","online":false}"#
        )
    );
    world.hear_ours();
    let heard = world.get(&status(), &key).await;
    assert_eq!(
        heard,
        good(
            &heard,
            998,
            r#"{"charge_point_id":"cp_01hx2b3c4d5e6f","ocpp_status":"Available","connectors":[{"connector_id":1,"status":"Available","type":"CCS2","max_power_kw":50,"observed_at":"2026-05-01T09:14:05Z"},{"connector_id":2,"status":"Charging","type":"Type2","max_power_kw":22,"active_session_id":"sess_9f8e7d6c","observed_at":"2026-05-01T09:14:05Z"}],"last_heartbeat_at":"2026-05-01T09:14:04Z","firmware_version":"2.1.4","online":true}"#
        )
    );
    assert_ne!(silent.header("etag"), heard.header("etag"));
}

#[tokio::test]
async fn summary_of_the_callers_fleet_and_nobody_elses() {
    let world = World::new().await;
    let key = world.key(&[Scope::ReadAnalytics]).await;
    let ours = world.ours.as_str();
    let body = |online, offline, charging, available, active| {
        format!(
            r#"{{"organisation_id":"{ours}","total_charge_points":1,"online":{online},"offline":{offline},"faulted":0,"active_sessions":{active},"energy_delivered_today_kwh":0,"revenue_today_eur":0,"available":{available},"charging":{charging},"revenue_today":[]}}"#
        )
    };
    let silent = world.get(SUMMARY, &key).await;
    assert_eq!(silent, good(&silent, 999, &body(0, 1, 0, 0, 0)));
    world.hear_ours();
    let heard = world.get(SUMMARY, &key).await;
    assert_eq!(heard, good(&heard, 998, &body(1, 0, 1, 1, 1)));
    let theirs = world
        .key_of(&world.theirs, &[Scope::ReadChargePoints])
        .await;
    let answer = world.get(SUMMARY, &theirs).await.json();
    assert_eq!(answer["organisation_id"], world.theirs.as_str());
    assert_eq!(
        (&answer["total_charge_points"], &answer["offline"]),
        (&1.into(), &1.into())
    );
}

#[tokio::test]
async fn what_did_not_change_is_304_without_a_body_and_counts() {
    let world = World::new().await;
    let key = world.key(&[Scope::ReadChargePoints]).await;
    for path in [&*status(), SUMMARY, "/api/v1/org/api-keys"] {
        let first = world.get(path, &key).await;
        let tag = first.header("etag").to_owned();
        world.advance(1);
        let again = async |known: &str| {
            let request = bearer("GET", path, &key).header("if-none-match", known);
            world
                .send(request.body(axum::body::Body::empty()).unwrap())
                .await
        };
        let same = again(&format!("\"x\", {tag}")).await;
        assert_eq!(
            (same.status, &*same.body, same.header("etag")),
            (304, "", &*tag),
            "{path}"
        );
        assert_eq!(same.header("content-type"), "");
        assert_ne!(
            same.header("x-ratelimit-remaining"),
            first.header("x-ratelimit-remaining")
        );
        assert_eq!(again("\"x\"").await.status, 200);
    }
}
