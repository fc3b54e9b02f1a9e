//! Charge points that connect themselves: registered, listed, changed, deleted.

use cloud_api::charge_point::{Credential, Recognition};
use cloud_api::keys::Scope;
use cloud_api::secret::Secret;
use serde_json::{Value, json};
use site_model::ChargePointId;

use crate::harness::{DIRECT, DIRECT_THEIRS, OURS, THEIRS, World};

const CHARGE_POINTS: &str = "/api/v1/chargepoints";

async fn recognised(world: &World, id: &str, password: &str) -> bool {
    let id = ChargePointId::new(id).unwrap();
    let credential = Credential::Password(Secret::new(password.to_owned()));
    let found = world.charge_points.recognise(&id, &credential).await;
    matches!(found.unwrap(), Recognition::Admitted(_))
}

#[tokio::test]
async fn one_is_registered_with_a_password_that_is_shown_once() {
    let world = World::new().await;
    let key = world.key(Scope::ALL).await;
    let body = r#"{"charge_point_id":"DE*ABC*E1","vendor":"Mennekes","model":"Amtron","serial_number":"S-1","site_id":"site_ours","connectors":[{"connector_id":2,"type":"CCS2","max_power_kw":49.5},{"connector_id":1,"type":"Type2","max_power_kw":22}]}"#;
    let registered = world.post(CHARGE_POINTS, &key, body).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    assert_eq!(registered.header("cache-control"), "no-store");
    let mut answer = registered.json();
    let password = answer["provisioning_password"].take();
    let password = password.as_str().unwrap();
    assert!(password.len() == 20 && password.bytes().all(|b| b.is_ascii_alphanumeric()));
    assert_eq!(
        answer,
        json!({
            "charge_point_id": "DE*ABC*E1", "vendor": "Mennekes", "model": "Amtron",
            "serial_number": "S-1", "site_id": "site_ours", "status": "registered",
            "ocpp_endpoint": "wss://csms.example.com/ocpp/DE*ABC*E1",
            "provisioning_password": null, "registered_at": "2026-05-01T09:14:05Z",
        })
    );
    assert!(recognised(&world, "DE*ABC*E1", password).await);
    assert!(!recognised(&world, "DE*ABC*E1", &password[..19]).await);
    assert!(!recognised(&world, OURS, password).await);

    let read = world.get(&format!("{CHARGE_POINTS}/DE*ABC*E1"), &key).await;
    let connector = |number: u8, kind: &str, power: Value| {
        json!({"connector_id": number, "status": "Unavailable", "type": kind,
               "max_power_kw": power, "observed_at": null})
    };
    assert_eq!(
        read.json(),
        json!({
            "charge_point_id": "DE*ABC*E1", "vendor": "Mennekes", "model": "Amtron",
            "serial_number": "S-1", "site_id": "site_ours", "gateway_id": null,
            "path_token": false, "certificate_required": false, "online": false, "ocpp_status": "Available",
            "last_heartbeat_at": null, "firmware_version": "unknown",
            "connectors": [connector(1, "Type2", json!(22)), connector(2, "CCS2", json!(49.5))],
            "registered_at": "2026-05-01T09:14:05Z", "updated_at": "2026-05-01T09:14:05Z",
        })
    );
    let renewed = format!("{CHARGE_POINTS}/DE*ABC*E1/provisioning-password");
    let renewed = world.post(&renewed, &key, "").await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    let new = renewed.json()["provisioning_password"].clone();
    assert!(recognised(&world, "DE*ABC*E1", new.as_str().unwrap()).await);
    assert!(!recognised(&world, "DE*ABC*E1", password).await);
}

#[tokio::test]
async fn the_platform_makes_an_id_and_a_path_token_where_asked() {
    let world = World::new().await;
    let key = world.key(Scope::ALL).await;
    let body = r#"{"vendor":"V","model":"M","path_token":true}"#;
    let answer = world.post(CHARGE_POINTS, &key, body).await.json();
    let id = answer["charge_point_id"].as_str().unwrap();
    assert!(id.starts_with("cp_") && id.len() == 29, "{id}");
    let endpoint = answer["path_token_endpoint"].as_str().unwrap();
    let token = endpoint.strip_prefix(&format!("wss://csms.example.com/ocpp/{id}/"));
    let token = Credential::PathToken(Secret::new(token.unwrap().to_owned()));
    let id = ChargePointId::new(id).unwrap();
    let found = world.charge_points.recognise(&id, &token).await.unwrap();
    assert!(matches!(found, Recognition::Admitted(_)));
}

#[tokio::test]
async fn an_id_is_taken_whoever_has_it_and_stays_with_who_deleted_it() {
    let world = World::furnished().await;
    let key = world.key(Scope::ALL).await;
    let theirs = world.key_of(&world.theirs, Scope::ALL).await;
    let body = |id: &str| format!(r#"{{"charge_point_id":"{id}","vendor":"V","model":"M"}}"#);
    for id in [OURS, THEIRS, DIRECT, DIRECT_THEIRS] {
        let taken = world.post(CHARGE_POINTS, &key, &body(id)).await;
        assert_eq!(
            (taken.status, &taken.json()["message"]),
            (
                409,
                &json!("Refused: this charge point id is taken; choose another one.")
            ),
            "{id}"
        );
    }
    let path = format!("{CHARGE_POINTS}/{DIRECT}");
    assert_eq!(world.delete(&path, &key).await.status, 204);
    assert_eq!(world.get(&path, &key).await.status, 404);
    assert_eq!(world.get(&format!("{path}/status"), &key).await.status, 404);
    assert_eq!(
        world.get(CHARGE_POINTS, &key).await.json()["total"],
        1,
        "the one behind the gateway"
    );
    let by_others = world.post(CHARGE_POINTS, &theirs, &body(DIRECT)).await;
    assert_eq!(by_others.status, 409);
    assert_eq!(
        world.post(CHARGE_POINTS, &key, &body(DIRECT)).await.status,
        201
    );
    assert_eq!(world.get(&path, &key).await.json()["vendor"], "V");
}

#[tokio::test]
async fn one_behind_a_gateway_is_its_gateways() {
    let world = World::furnished().await;
    let key = world.key(Scope::ALL).await;
    let path = format!("{CHARGE_POINTS}/{OURS}");
    let told = "Refused: this charge point is behind the gateway gw_ours, which describes it; change the configuration of that site controller.";
    let answers = [
        world.patch(&path, &key, r#"{"model":"X"}"#).await,
        world.delete(&path, &key).await,
        world
            .post(&format!("{path}/provisioning-password"), &key, "")
            .await,
    ];
    for answer in answers {
        assert_eq!(
            (answer.status, &answer.json()["message"]),
            (409, &json!(told))
        );
    }
}

#[tokio::test]
async fn every_fault_is_told_and_nothing_registered() {
    let world = World::new().await;
    let key = world.key(Scope::ALL).await;
    let body = r#"{"charge_point_id":"bulk","vendor":"","site_id":"site_theirs","connectors":[{"connector_id":0,"type":"Type2","max_power_kw":22},{"connector_id":1,"type":"Schuko","max_power_kw":22},{"connector_id":1,"type":"Type2","max_power_kw":0.0001}]}"#;
    let answer = world.post(CHARGE_POINTS, &key, body).await;
    assert_eq!(answer.status, 400);
    let answer = answer.json();
    let details = answer["details"].as_array().unwrap();
    let fields: Vec<_> = details
        .iter()
        .map(|detail| detail["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        [
            "charge_point_id",
            "vendor",
            "model",
            "connectors[0]",
            "connectors[1]",
            "connectors[2]"
        ]
    );
    let foreign = r#"{"vendor":"V","model":"M","site_id":"site_theirs"}"#;
    let foreign = world.post(CHARGE_POINTS, &key, foreign).await;
    assert_eq!(
        (foreign.status, &foreign.json()["message"]),
        (
            400,
            &json!("Invalid request: site_id is not a site of the organisation.")
        )
    );
    assert_eq!(world.get(CHARGE_POINTS, &key).await.json()["total"], 1);
}

#[tokio::test]
async fn the_list_is_filtered_by_what_is_registered_and_what_is_live() {
    let world = World::furnished().await;
    world.hear_ours();
    let key = world.key(Scope::ALL).await;
    let ids = async |query: &str| -> Vec<String> {
        let page = world.get(&format!("{CHARGE_POINTS}?{query}"), &key).await;
        let page = page.json();
        let all = page["charge_points"].as_array().unwrap();
        let id = |one: &Value| one["charge_point_id"].as_str().unwrap().to_owned();
        all.iter().map(id).collect()
    };
    assert_eq!(ids("").await, [DIRECT, OURS]);
    assert_eq!(ids("online=true").await, [OURS]);
    assert_eq!(ids("vendor=Mennekes").await, [DIRECT]);
    assert_eq!(ids("site_id=site_ours").await, [OURS]);
    assert_eq!(ids("updated_since=2026-05-01T09:14:06Z").await, [""; 0]);
    assert_eq!(ids("status=Faulted").await, [""; 0]);
    let first = world.get(&format!("{CHARGE_POINTS}?limit=1"), &key).await;
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(ids(&format!("limit=1&cursor={cursor}")).await, [OURS]);
    let statuses = world.get(&format!("{CHARGE_POINTS}/status"), &key).await;
    let statuses = statuses.json();
    assert_eq!(statuses["total"], 2);
    assert_eq!(
        statuses["charge_points"][1],
        world
            .get(&format!("{CHARGE_POINTS}/{OURS}/status"), &key)
            .await
            .json()
    );
}

#[tokio::test]
async fn a_change_keeps_what_it_does_not_name() {
    let world = World::furnished().await;
    let key = world.key(Scope::ALL).await;
    let path = format!("{CHARGE_POINTS}/{DIRECT}");
    let before = world.get(&path, &key).await.json();
    world.advance(60);
    let change = r#"{"site_id":"site_ours","serial_number":"S-9"}"#;
    let changed = world.patch(&path, &key, change).await.json();
    let mut expected = before;
    expected["site_id"] = json!("site_ours");
    expected["serial_number"] = json!("S-9");
    expected["updated_at"] = json!("2026-05-01T09:15:05Z");
    assert_eq!(changed, expected);
    assert_eq!(world.get(&path, &key).await.json(), expected);
    let cleared = world.patch(&path, &key, r#"{"site_id":null}"#).await.json();
    expected["site_id"] = Value::Null;
    assert_eq!(cleared, expected);
}
