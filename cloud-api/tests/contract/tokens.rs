//! Tokens: created, listed, changed, deleted, and each refusal.

use axum::body::Body;
use cloud_api::keys::Scope;
use serde_json::{Value, json};

use crate::harness::{Answer, World, bearer};

const TOKENS: &str = "/api/v1/tokens";

async fn world() -> (World, String) {
    let world = World::new().await;
    let key = world.key(Scope::ALL).await;
    (world, key)
}

async fn marked(world: &World, key: &str, mark: &str, body: &str) -> Answer {
    let request = bearer("POST", TOKENS, key)
        .header("content-type", "application/json")
        .header("idempotency-key", mark);
    let request = request.body(Body::from(body.to_owned())).unwrap();
    world.send(request).await
}

fn details(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, 400, "{answer:?}");
    let text = |detail: &Value, key: &str| detail[key].as_str().unwrap().to_owned();
    let details = answer.json()["details"].as_array().unwrap().clone();
    let pair = |detail: &Value| (text(detail, "field"), text(detail, "message"));
    details.iter().map(pair).collect()
}

#[tokio::test]
async fn a_token_is_created_read_changed_and_deleted() {
    let (world, key) = world().await;
    let body = r#"{"id_tag":"04A1b2","type":"app","expires_at":"2026-06-01T00:00:00Z","parent":"FLEET","user_id":"u-7","group":"vans"}"#;
    let created = world.post(TOKENS, &key, body).await;
    assert_eq!(created.status, 201, "{created:?}");
    let token = created.json();
    let id = token["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("tok_") && id.len() == 30, "{id}");
    let mut expected = json!({
        "id": id, "id_tag": "04A1b2", "type": "app", "status": "accepted",
        "expires_at": "2026-06-01T00:00:00Z", "parent": "FLEET", "user_id": "u-7",
        "group": "vans", "created_at": "2026-05-01T09:14:05Z",
        "updated_at": "2026-05-01T09:14:05Z",
    });
    assert_eq!(token, expected);
    let path = format!("{TOKENS}/{id}");
    assert_eq!(world.get(&path, &key).await.json(), expected);

    world.advance(1);
    let change = r#"{"status":"blocked","expires_at":null,"user_id":"u-8"}"#;
    let changed = world.patch(&path, &key, change).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    expected["status"] = json!("blocked");
    expected["expires_at"] = Value::Null;
    expected["user_id"] = json!("u-8");
    expected["updated_at"] = json!("2026-05-01T09:14:06Z");
    assert_eq!(changed.json(), expected);
    assert_eq!(world.get(&path, &key).await.json(), expected);

    assert_eq!(world.delete(&path, &key).await.status, 204);
    assert_eq!(world.get(&path, &key).await.status, 404);
    assert_eq!(world.delete(&path, &key).await.status, 404);
}

#[tokio::test]
async fn an_accepted_token_is_expired_after_its_time() {
    let (world, key) = world().await;
    let body = r#"{"id_tag":"T","expires_at":"2026-05-01T09:14:06Z"}"#;
    let created = world.post(TOKENS, &key, body).await.json();
    assert_eq!(created["status"], "accepted");
    world.advance(1);
    let path = format!("{TOKENS}/{}", created["id"].as_str().unwrap());
    assert_eq!(world.get(&path, &key).await.json()["status"], "expired");
}

#[tokio::test]
async fn a_tag_is_one_tag_whatever_its_case_and_another_organisations_is_its_own() {
    let (world, key) = world().await;
    let body = |tag: &str| format!(r#"{{"id_tag":"{tag}"}}"#);
    assert_eq!(world.post(TOKENS, &key, &body("abC")).await.status, 201);
    let taken = world.post(TOKENS, &key, &body("ABc")).await;
    assert_eq!(taken.status, 409);
    assert_eq!(
        taken.json()["message"],
        "Refused: another token of the organisation has this tag."
    );
    let theirs = world.key_of(&world.theirs, Scope::ALL).await;
    assert_eq!(world.post(TOKENS, &theirs, &body("abc")).await.status, 201);
    assert_eq!(world.get(TOKENS, &key).await.json()["total"], 1);
}

#[tokio::test]
async fn every_fault_of_a_token_is_told() {
    let (world, key) = world().await;
    let long = "x".repeat(21);
    let body = format!(
        r#"{{"id_tag":"{long}","type":"card","status":7,"expires_at":"tomorrow","parent":"a b","color":1}}"#
    );
    let pair = |field: &str, message: &str| (field.to_owned(), message.to_owned());
    assert_eq!(
        details(&world.post(TOKENS, &key, &body).await),
        [
            pair("id_tag", "must be 1 to 20 characters long"),
            pair(
                "parent",
                "must be printable ASCII characters without blanks"
            ),
            pair("type", "must be one of RFID, app"),
            pair(
                "status",
                "must be one of accepted, blocked, expired, invalid"
            ),
            pair("expires_at", "must be a time such as 2026-05-01T09:00:00Z"),
            pair("color", "is not a field of this request"),
        ]
    );
    let blank = world.post(TOKENS, &key, r#"{"id_tag":"a b"}"#).await;
    let rule = "must be printable ASCII characters without blanks";
    assert_eq!(details(&blank), [pair("id_tag", rule)]);
    assert_eq!(world.get(TOKENS, &key).await.json()["total"], 0);
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_and_filters_hold() {
    let (world, key) = world().await;
    for number in 0..5 {
        let group = if number < 2 { "vans" } else { "cars" };
        let body = format!(r#"{{"id_tag":"T{number}","group":"{group}"}}"#);
        assert_eq!(world.post(TOKENS, &key, &body).await.status, 201);
    }
    let tags = |page: &Value| -> Vec<String> {
        let tokens = page["tokens"].as_array().unwrap();
        let tag = |token: &Value| token["id_tag"].as_str().unwrap().to_owned();
        tokens.iter().map(tag).collect()
    };
    let first = world.get(&format!("{TOKENS}?limit=2"), &key).await.json();
    assert_eq!(tags(&first), ["T0", "T1"]);
    assert_eq!(
        (&first["total"], &first["limit"], &first["offset"]),
        (&json!(5), &json!(2), &json!(0))
    );
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = format!("{TOKENS}?limit=3&cursor={cursor}");
    assert_eq!(
        tags(&world.get(&next, &key).await.json()),
        ["T2", "T3", "T4"]
    );
    let offset = world.get(&format!("{TOKENS}?offset=4"), &key).await.json();
    assert_eq!(
        (tags(&offset), &offset["next_cursor"]),
        (vec!["T4".to_owned()], &Value::Null)
    );
    for (query, expected) in [
        ("group=vans", vec!["T0", "T1"]),
        ("id_tag=t3", vec!["T3"]),
        ("status=blocked", vec![]),
    ] {
        let page = world.get(&format!("{TOKENS}?{query}"), &key).await.json();
        assert_eq!(tags(&page), expected, "{query}");
        assert_eq!(page["total"], expected.len(), "{query}");
    }
    let wrong = "limit=0&offset=-1&status=happy&cursor=!&page=2";
    let faults = details(&world.get(&format!("{TOKENS}?{wrong}"), &key).await);
    let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["limit", "offset", "cursor", "status", "page"]);
}

#[tokio::test]
async fn a_repeat_with_its_mark_is_answered_again_and_creates_nothing() {
    let (world, key) = world().await;
    let body = r#"{"id_tag":"T"}"#;
    let first = marked(&world, &key, "m1", body).await;
    assert_eq!(
        (first.status, first.header("idempotent-replayed")),
        (201, "")
    );
    let again = marked(&world, &key, "m1", body).await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (201, "true")
    );
    assert_eq!(again.body, first.body);
    let other = marked(&world, &key, "m1", r#"{"id_tag":"U"}"#).await;
    assert_eq!(other.status, 422);
    // What was refused may be tried again under the same mark.
    let refused = marked(&world, &key, "m2", body).await;
    assert_eq!(refused.status, 409);
    let path = format!("{TOKENS}/{}", first.json()["id"].as_str().unwrap());
    assert_eq!(world.delete(&path, &key).await.status, 204);
    assert_eq!(marked(&world, &key, "m2", body).await.status, 201);
    // A mark is kept for a day.
    world.advance(24 * 3_600);
    let late = marked(&world, &key, "m1", r#"{"id_tag":"V"}"#).await;
    assert_eq!(late.status, 201);
}

#[tokio::test]
async fn a_change_of_what_was_changed_meanwhile_is_412() {
    let (world, key) = world().await;
    let created = world.post(TOKENS, &key, r#"{"id_tag":"T"}"#).await.json();
    let path = format!("{TOKENS}/{}", created["id"].as_str().unwrap());
    let tag = world.get(&path, &key).await.header("etag").to_owned();
    let change = async |body: &str| {
        let request = bearer("PATCH", &path, &key)
            .header("content-type", "application/json")
            .header("if-match", &tag);
        world
            .send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    };
    assert_eq!(change(r#"{"status":"blocked"}"#).await.status, 200);
    let late = change(r#"{"status":"accepted"}"#).await;
    assert_eq!(late.status, 412);
    assert_eq!(late.json()["error"], "precondition_failed");
    assert_eq!(world.get(&path, &key).await.json()["status"], "blocked");
}
