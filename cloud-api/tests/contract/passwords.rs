//! Passwords that charge points are told to use (`AuthorizationKey`): no charge point is shut out by one,
//! an old one is dead once the new one is used, and nobody can read any.

use cloud_api::keys::Scope;
use cloud_api::secret::ServerSecrets;
use serde_json::{Value, json};

use crate::harness::{DIRECT, OURS, World};
use crate::station::{Listening, Station};

const ORDER: &str = "/api/v1/ocpp16/change_configuration";
const NEW: &str = "new-0123456789abcdef";

struct Scene {
    world: World,
    at: Listening,
    key: String,
}

impl Scene {
    async fn new() -> Self {
        let world = World::furnished().await;
        let at = world.listen().await;
        let key = world.key(Scope::ALL).await;
        Self { world, at, key }
    }

    /// The order as it is answered, while the charge point does this.
    async fn ordered(&self, id: &str, password: &str, does: impl Future<Output = ()>) -> Value {
        let body = json!({
            "charge_point_id": id, "key": "AuthorizationKey", "value": password,
            "timeout_seconds": 1,
        });
        let body = body.to_string();
        let (answer, ()) = tokio::join!(self.world.post(ORDER, &self.key, &body), does);
        assert!(!answer.body.contains(password), "{}", answer.body);
        answer.json()
    }

    /// The same, answered by the charge point with this status.
    async fn answered(&self, station: &mut Station, password: &str, status: &str) {
        let payload = json!({"key": "AuthorizationKey", "value": password});
        let answer = station.expect("ChangeConfiguration", &payload, json!({"status": status}));
        let told = self.ordered(DIRECT, password, answer).await;
        assert_eq!(told["response"], json!({"status": status}), "{told}");
    }

    async fn lets_in(&self, id: &str, password: &str) -> bool {
        match self.at.connect(id, password).await {
            Ok(mut station) => {
                station.call("Heartbeat", json!({})).await;
                true
            }
            Err(_refused) => false,
        }
    }
}

#[tokio::test]
async fn a_new_password_holds_from_its_first_use_and_the_old_one_until_then() {
    let scene = Scene::new().await;
    let mut station = scene.world.booted(&scene.at, DIRECT).await;
    let old = scene.world.password(DIRECT).await;
    scene.answered(&mut station, NEW, "Accepted").await;
    assert!(scene.lets_in(DIRECT, &old).await, "it may not have kept it");
    assert!(scene.lets_in(DIRECT, NEW).await);
    assert!(!scene.lets_in(DIRECT, &old).await, "it has the new one");
    assert!(scene.lets_in(DIRECT, NEW).await);
    scene.at.stop().await;
}

#[tokio::test]
async fn a_password_that_was_refused_opens_nothing_and_one_whose_fate_is_not_known_does() {
    let scene = Scene::new().await;
    let mut station = scene.world.booted(&scene.at, DIRECT).await;
    let old = scene.world.password(DIRECT).await;
    for status in ["Rejected", "NotSupported"] {
        scene.answered(&mut station, NEW, status).await;
        assert!(!scene.lets_in(DIRECT, NEW).await, "{status}");
    }
    let mut station = scene.at.connect(DIRECT, &old).await.unwrap();
    station.call("Heartbeat", json!({})).await;
    // The first is taken, the second never answered; it uses either, or what it had.
    scene
        .answered(&mut station, "first-0123456789abcd", "Accepted")
        .await;
    let told = scene
        .ordered(DIRECT, "second-0123456789abc", async {})
        .await;
    assert_eq!(told["status"], "Timeout", "{told}");
    assert!(scene.lets_in(DIRECT, &old).await);
    assert!(scene.lets_in(DIRECT, "first-0123456789abcd").await);
    assert!(!scene.lets_in(DIRECT, &old).await);
    assert!(scene.lets_in(DIRECT, "second-0123456789abc").await);
    assert!(!scene.lets_in(DIRECT, "first-0123456789abcd").await);
    scene.at.stop().await;
}

#[tokio::test]
async fn a_password_in_hexadecimal_digits_may_be_used_as_its_bytes() {
    let scene = Scene::new().await;
    let mut station = scene.world.booted(&scene.at, DIRECT).await;
    let digits = "54686520736563726574206f66206974";
    scene.answered(&mut station, digits, "Accepted").await;
    assert!(scene.lets_in(DIRECT, "The secret of it").await);
    assert!(scene.lets_in(DIRECT, "The secret of it").await);
    scene.at.stop().await;
}

#[tokio::test]
async fn a_charge_point_behind_a_gateway_has_its_own_beside_its_gateway_s_and_dies_with_it() {
    let scene = Scene::new().await;
    let secrets = ServerSecrets::load_or_create(scene.world.dir.path()).unwrap();
    let hash = secrets.hash("gateway password", "gw");
    let set = "UPDATE gateways SET credential_hash = $1 WHERE id = 'gw_ours'";
    scene.world.db.write(set, vec![hash.into()]).await.unwrap();
    scene.world.hear_ours();
    let mut behind = scene.at.connect(OURS, "gw").await.unwrap();
    behind.call("Heartbeat", json!({})).await;
    let payload = json!({"key": "AuthorizationKey", "value": NEW});
    let accepted = json!({"status": "Accepted"});
    let taken = behind.expect("ChangeConfiguration", &payload, accepted);
    let told = scene.ordered(OURS, NEW, taken).await;
    assert_eq!(told["status"], "Accepted", "{told}");
    for password in [NEW, "gw", NEW] {
        assert!(scene.lets_in(OURS, password).await, "{password}");
    }
    let revoke = "UPDATE gateways SET revoked_at_ms = 1 WHERE id = 'gw_ours'";
    scene.world.db.write(revoke, vec![]).await.unwrap();
    for password in [NEW, "gw"] {
        assert!(!scene.lets_in(OURS, password).await, "{password}");
    }
    scene.at.stop().await;
}

#[tokio::test]
async fn neither_the_log_of_frames_nor_the_history_nor_the_file_has_the_password() {
    let scene = Scene::new().await;
    let mut station = scene.world.booted(&scene.at, DIRECT).await;
    scene.answered(&mut station, NEW, "Accepted").await;
    let path = format!("/api/v1/chargepoints/{DIRECT}/frames");
    let frames = crate::central::until(async || {
        let frames = scene.world.get(&path, &scene.key).await;
        frames
            .body
            .contains("ChangeConfiguration")
            .then_some(frames.body)
    })
    .await;
    let history = format!("/api/v1/cpo/commands?charge_point_id={DIRECT}");
    let history = scene.world.get(&history, &scene.key).await.body;
    assert!(history.contains("ChangeConfiguration"), "{history}");
    for shown in [&frames, &history] {
        assert!(!shown.contains(NEW), "{shown}");
        assert!(shown.contains("(not shown)"), "{shown}");
    }
    for file in std::fs::read_dir(scene.world.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(NEW.len()).any(|part| part == NEW.as_bytes()));
    }
    scene.at.stop().await;
}

#[tokio::test]
async fn of_passwords_that_are_never_used_a_few_are_noted_and_no_further_one_is_sent() {
    let scene = Scene::new().await;
    let mut station = scene.world.booted(&scene.at, DIRECT).await;
    for number in 0..8 {
        let password = format!("password-{number}-0123456");
        scene.answered(&mut station, &password, "Accepted").await;
    }
    let told = scene.ordered(DIRECT, NEW, async {}).await;
    assert_eq!(told["error"], "conflict", "{told}");
    assert!(scene.lets_in(DIRECT, "password-7-0123456").await);
    scene.at.stop().await;
}
