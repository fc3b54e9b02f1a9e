//! Sessions as they are read.

use cloud_api::keys::Scope;
use serde_json::{Value, json};

use crate::harness::{OURS, SESSION, World};

#[tokio::test]
async fn a_session_is_listed_and_read_with_its_energy_and_its_token_s_user() {
    let world = World::furnished().await;
    let key = world.key(Scope::ALL).await;
    let token = r#"{"id_tag":"04a1B2","user_id":"u-7"}"#;
    assert_eq!(world.post("/api/v1/tokens", &key, token).await.status, 201);
    let expected = json!({
        "session_id": SESSION, "transaction_id": null, "charge_point_id": OURS,
        "connector_id": 2, "site_id": "site_ours", "user_id": "u-7", "id_tag": "04A1B2",
        "status": "completed", "started_at": "2026-05-01T08:44:05Z",
        "ended_at": "2026-05-01T09:14:05Z", "duration_minutes": 30, "energy_kwh": 10.5,
        "meter_start_wh": 1000, "meter_stop_wh": 11500, "stop_reason": "EVDisconnected",
        "offline": false, "energy_source": "lifetime_register", "billing_grade": true, "managed_by": null,
    });
    let one = world
        .get(&format!("/api/v1/sessions/{SESSION}"), &key)
        .await;
    assert_eq!(one.json(), expected);
    let list = world.get("/api/v1/sessions", &key).await.json();
    assert_eq!(
        list,
        json!({"sessions": [expected], "total": 1, "limit": 50, "offset": 0, "next_cursor": null})
    );
    let reading = |at: &str, wh: u32, context: &str| json!({"timestamp": at, "energy_wh": wh, "context": context});
    let values = format!("/api/v1/sessions/{SESSION}/meter-values");
    assert_eq!(
        world.get(&values, &key).await.json(),
        json!({"meter_values": [
            reading("2026-05-01T08:44:05Z", 1_000, "Transaction.Begin"),
            reading("2026-05-01T08:59:05Z", 6_000, "Sample.Periodic"),
            reading("2026-05-01T09:14:05Z", 11_500, "Transaction.End"),
        ], "total": 3, "limit": 50, "offset": 0, "next_cursor": null})
    );
}

#[tokio::test]
async fn the_list_is_filtered_and_its_cursor_leads_on() {
    let world = World::furnished().await;
    let key = world.key(Scope::ALL).await;
    let total = async |query: &str| {
        let page = world.get(&format!("/api/v1/sessions?{query}"), &key).await;
        assert_eq!(page.status, 200, "{query}: {page:?}");
        page.json()["total"].clone()
    };
    for (query, expected) in [
        ("from=2026-05-01T08:44:05Z", 1),
        ("from=2026-05-01T08:44:06Z", 0),
        ("to=2026-05-01T08:44:05Z", 0),
        ("charge_point_id=cp_01hx2b3c4d5e6f", 1),
        ("charge_point_id=DE*THEIRS*1", 0),
        ("status=completed", 1),
        ("status=active", 0),
        ("user_id=u-7", 0),
    ] {
        assert_eq!(total(query).await, expected, "{query}");
    }
    let page = world.get("/api/v1/sessions?limit=1", &key).await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = format!("/api/v1/sessions?limit=1&cursor={cursor}");
    assert_eq!(world.get(&next, &key).await.json()["sessions"], json!([]));
    let wrong = world.get("/api/v1/sessions?cursor=eHg", &key).await;
    assert_eq!(wrong.status, 400);
    let told = &wrong.json()["details"][0]["field"];
    assert_eq!(told, &Value::from("cursor"));
}
