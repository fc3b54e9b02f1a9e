//! API keys: their life as the product's pages print it, and what must never happen to them.

use cloud_api::keys::Scope;
use serde_json::json;

use crate::harness::{World, bearer};

const KEYS: &str = "/api/v1/org/api-keys";
const SUMMARY: &str = "/api/v1/cpo/fleet/summary";

#[tokio::test]
async fn a_key_is_made_shown_once_listed_without_its_secret_used_and_revoked() {
    let world = World::new().await;
    let (owner_id, owner) = world.named_key(&world.ours, &[Scope::WriteApiKeys]).await;
    let asked = r#"{"name":"Fleet Monitor","scopes":["read:charge_points","read:sessions","read:analytics"],"expires_in_days":365}"#;
    let answer = world.post(KEYS, &owner, asked).await;
    assert_eq!(
        (answer.status, answer.header("cache-control")),
        (201, "no-store")
    );
    let created = answer.json();
    let (id, key) = (
        created["id"].as_str().unwrap(),
        created["key"].as_str().unwrap(),
    );
    assert!(
        id.starts_with("key_") && key.starts_with("dyn_live_") && key.len() == 45,
        "{created}"
    );
    assert_eq!(
        created,
        json!({
            "id": id,
            "name": "Fleet Monitor",
            "key": key,
            "scopes": ["read:charge_points", "read:sessions", "read:analytics"],
            "created_at": "2026-05-01T09:14:05Z",
            "expires_at": "2027-05-01T09:14:05Z",
        })
    );

    world.advance(60);
    assert_eq!(world.get(SUMMARY, key).await.status, 200);
    let answer = world.get(KEYS, &owner).await;
    assert!(!answer.body.contains(key) && !answer.body.contains("hash"));
    let listed = answer.json();
    let name = listed["keys"][0]["name"].clone();
    assert_eq!(
        listed,
        json!({"keys": [
            {
                "id": owner_id,
                "name": name,
                "scopes": ["write:api_keys"],
                "created_at": "2026-05-01T09:14:05Z",
                "last_used_at": "2026-05-01T09:15:05Z",
                "expires_at": null,
            },
            {
                "id": id,
                "name": "Fleet Monitor",
                "scopes": ["read:charge_points", "read:sessions", "read:analytics"],
                "created_at": "2026-05-01T09:14:05Z",
                "last_used_at": "2026-05-01T09:15:05Z",
                "expires_at": "2027-05-01T09:14:05Z",
            },
        ], "total": 2})
    );

    let gone = world.delete(&format!("{KEYS}/{id}"), &owner).await;
    assert_eq!((gone.status, &*gone.body), (204, ""));
    assert_eq!(world.get(SUMMARY, key).await.status, 401);
    assert_eq!(
        world.delete(&format!("{KEYS}/{id}"), &owner).await.status,
        404
    );
    assert_eq!(world.get(KEYS, &owner).await.json()["total"], 1);
    let again = world.post(KEYS, &owner, asked).await;
    assert_eq!(again.status, 201, "the name is free again");
}

#[tokio::test]
async fn a_minimal_request_makes_a_key_that_never_expires_and_repeated_scopes_count_once() {
    let world = World::new().await;
    let owner = world.key(&[Scope::WriteApiKeys]).await;
    let asked = r#"{"name":"webhook-service","scopes":["read:sessions","read:charge_points","read:sessions"]}"#;
    let created = world.post(KEYS, &owner, asked).await.json();
    assert_eq!(created["expires_at"], json!(null));
    assert_eq!(
        created["scopes"],
        json!(["read:sessions", "read:charge_points"])
    );
}

#[tokio::test]
async fn use_is_readable_at_once_also_of_refused_requests_and_survives_a_restart() {
    let world = World::new().await;
    let owner = world.key(&[Scope::WriteApiKeys]).await;
    let (id, powerless) = world.named_key(&world.ours, &[Scope::ReadBilling]).await;
    let used = async |world: &World| {
        let keys = world.get(KEYS, &owner).await.json()["keys"].clone();
        let keys = keys.as_array().unwrap().clone();
        let found = keys.into_iter().find(|key| key["id"] == *id).unwrap();
        found["last_used_at"].clone()
    };
    assert_eq!(used(&world).await, json!(null));
    world.advance(10);
    assert_eq!(world.get(SUMMARY, &powerless).await.status, 403);
    assert_eq!(used(&world).await, json!("2026-05-01T09:14:15Z"));
    let world = world.restarted(true).await;
    assert_eq!(used(&world).await, json!("2026-05-01T09:14:15Z"));
}

#[tokio::test]
async fn a_key_expires_by_the_clock_and_stays_listed() {
    let world = World::new().await;
    let owner = world.key(&[Scope::WriteApiKeys]).await;
    let asked = r#"{"name":"short","scopes":["read:charge_points"],"expires_in_days":1}"#;
    let created = world.post(KEYS, &owner, asked).await.json();
    let key = created["key"].as_str().unwrap();
    world.advance(24 * 3_600 - 1);
    assert_eq!(world.get(SUMMARY, key).await.status, 200);
    world.advance(1);
    assert_eq!(world.get(SUMMARY, key).await.status, 401);
    assert_eq!(world.get(KEYS, &owner).await.json()["total"], 2);
}

#[tokio::test]
async fn tenants_never_meet_and_a_sandbox_key_says_so() {
    let world = World::new().await;
    let ours = world.key(&[Scope::WriteApiKeys]).await;
    let theirs = world.key_of(&world.theirs, &[Scope::WriteApiKeys]).await;
    assert!(theirs.starts_with("dyn_test_"));
    let asked = r#"{"name":"same","scopes":["read:billing"]}"#;
    let first = world.post(KEYS, &ours, asked).await.json();
    assert_eq!(
        world.post(KEYS, &theirs, asked).await.status,
        201,
        "names are per organisation"
    );
    let id = first["id"].as_str().unwrap();
    assert_eq!(
        world.delete(&format!("{KEYS}/{id}"), &theirs).await.status,
        404
    );
    let listed = world.get(KEYS, &theirs).await;
    assert_eq!(listed.json()["total"], 2);
    assert!(!listed.body.contains(id));
    assert_eq!(
        world.get(KEYS, first["key"].as_str().unwrap()).await.status,
        200
    );
}

#[tokio::test]
async fn nothing_on_disk_holds_a_key() {
    let world = World::new().await;
    let key = world.key(&[Scope::WriteApiKeys]).await;
    let asked = r#"{"name":"second","scopes":["read:billing"]}"#;
    let created = world.post(KEYS, &key, asked).await.json();
    let second = created["key"].as_str().unwrap().to_owned();
    let world = world.restarted(true).await;
    assert_eq!(world.get(KEYS, &second).await.status, 200);
    for file in std::fs::read_dir(world.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for key in [&key, &second] {
            let random = &key.as_bytes()[9..];
            assert!(!bytes.windows(random.len()).any(|window| window == random));
        }
    }
}

#[tokio::test]
async fn an_idempotent_repeat_names_the_key_and_another_body_is_a_mismatch_for_24_hours() {
    let world = World::new().await;
    let key = world.key(&[Scope::WriteApiKeys]).await;
    let post = async |mark: &str, body: &str| {
        let request = bearer("POST", KEYS, &key)
            .header("content-type", "application/json")
            .header("idempotency-key", mark);
        world
            .send(request.body(body.to_owned().into()).unwrap())
            .await
    };
    let asked = r#"{"name":"once","scopes":["read:billing"]}"#;
    let first = post("attempt-1", asked).await;
    assert_eq!(first.status, 201);
    let first = first.json();
    let repeat = post("attempt-1", asked).await;
    let id = first["id"].as_str().unwrap();
    assert_eq!(
        (repeat.status, repeat.json()),
        (
            409,
            json!({"error": {
                "code": "conflict",
                "message": format!("This request was made before and created the API key {id}; its secret is shown only once."),
                "request_id": "req_ID",
            }})
        )
    );
    assert!(!repeat.body.contains(first["key"].as_str().unwrap()));
    let other = post("attempt-1", r#"{"name":"other","scopes":["read:billing"]}"#).await;
    assert_eq!(
        (other.status, other.json()),
        (
            422,
            json!({"error": {
                "code": "idempotency_mismatch",
                "message": "This Idempotency-Key was used before with another body; use a new one for a new request.",
                "request_id": "req_ID",
            }})
        )
    );
    assert_eq!(
        post("attempt-2", asked).await.json()["error"]["code"],
        "name_taken"
    );
    assert_eq!(
        post("attempt-2", r#"{"name":"twice","scopes":["read:billing"]}"#)
            .await
            .status,
        201
    );
    assert_eq!(
        post("", asked).await.json()["error"]["details"][0]["field"],
        "Idempotency-Key"
    );
    assert_eq!(post(&"x".repeat(256), asked).await.status, 400);
    world.advance(24 * 3_600);
    assert_eq!(
        post("attempt-1", asked).await.json()["error"]["code"],
        "name_taken"
    );
}

#[tokio::test]
async fn of_many_equal_attempts_at_once_one_makes_the_key() {
    let world = std::sync::Arc::new(World::new().await);
    let key = world.key(&[Scope::WriteApiKeys]).await;
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let (world, key) = (world.clone(), key.clone());
            tokio::spawn(async move {
                let request = bearer("POST", KEYS, &key)
                    .header("content-type", "application/json")
                    .header("idempotency-key", "one");
                let body = r#"{"name":"one","scopes":["read:billing"]}"#;
                world.send(request.body(body.into()).unwrap()).await.status
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for attempt in attempts {
        statuses.push(attempt.await.unwrap());
    }
    statuses.sort_unstable();
    let mut expected = vec![409; 20];
    expected[0] = 201;
    assert_eq!(statuses, expected);
}

#[tokio::test]
async fn a_revocation_by_another_program_counts_within_two_seconds() {
    let world = World::new().await;
    let key = world.key(&[Scope::ReadChargePoints]).await;
    assert_eq!(world.get(SUMMARY, &key).await.status, 200);
    world
        .db
        .write("UPDATE api_keys SET revoked_at_ms = 1", vec![])
        .await
        .unwrap();
    world.advance(2);
    assert_eq!(world.get(SUMMARY, &key).await.status, 401);
}
