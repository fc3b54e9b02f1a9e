//! Every route of the document × every wrong caller. A route without a row here fails the test.

use axum::body::Body;
use axum::http::Request;
use cloud_api::keys::Scope;
use serde_json::Value;

use cloud_api::id::OrganisationId;

use crate::harness::{Answer, DIRECT, DIRECT_THEIRS, SESSION, SESSION_THEIRS, World, bearer};

/// A secured route, the scopes of which one suffices, a body that it takes, and what another's and
/// an unknown id answer; `None`: the route has no id.
struct Row {
    method: &'static str,
    path: &'static str,
    scopes: &'static [Scope],
    body: &'static str,
    ids: Option<Ids>,
    /// Nothing is connected: who may is told that the charge point is offline.
    offline: bool,
}

struct Ids {
    theirs: u16,
    unknown: u16,
}

const fn row(method: &'static str, path: &'static str, scopes: &'static [Scope]) -> Row {
    Row {
        method,
        path,
        scopes,
        body: "{}",
        ids: None,
        offline: false,
    }
}

/// A call of OCPP 1.6 to a charge point that is not connected.
const fn call(path: &'static str, body: &'static str) -> Row {
    row("post", path, COMMANDS).body(body).offline()
}

impl Row {
    const fn offline(self) -> Self {
        Self {
            offline: true,
            ..self
        }
    }

    const fn body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }

    const fn id(self) -> Self {
        self.ids(401)
    }

    const fn ids(self, theirs: u16) -> Self {
        let ids = Some(Ids {
            theirs,
            unknown: 404,
        });
        Self { ids, ..self }
    }
}

const READ: &[Scope] = &[Scope::ReadChargePoints];
const WRITE: &[Scope] = &[Scope::WriteChargePoints];
const SESSIONS: &[Scope] = &[Scope::ReadSessions];
const COMMANDS: &[Scope] = &[Scope::WriteCommands];
const START_STOP: &[Scope] = &[Scope::WriteSessions, Scope::WriteCommands];
const HISTORY: &[Scope] = &[Scope::WriteCommands, Scope::ReadChargePoints];
const RESERVE: &[Scope] = &[Scope::WriteSessions];

const ROWS: &[Row] = &[
    row("get", "/api/v1/chargepoints", READ),
    row("post", "/api/v1/chargepoints", WRITE).body(r#"{"vendor":"V","model":"M"}"#),
    row("get", "/api/v1/chargepoints/status", READ),
    row("get", "/api/v1/chargepoints/{id}", READ).id(),
    row("delete", "/api/v1/chargepoints/{id}", WRITE).id(),
    row("patch", "/api/v1/chargepoints/{id}", WRITE).id(),
    row(
        "post",
        "/api/v1/chargepoints/{id}/provisioning-password",
        WRITE,
    )
    .id(),
    row("get", "/api/v1/chargepoints/{id}/status", READ).id(),
    row(
        "get",
        "/api/v1/cpo/fleet/summary",
        &[Scope::ReadChargePoints, Scope::ReadAnalytics],
    ),
    row("get", "/api/v1/org/api-keys", &[]),
    row("post", "/api/v1/org/api-keys", &[Scope::WriteApiKeys])
        .body(r#"{"name":"intruder","scopes":["read:billing"]}"#),
    row(
        "delete",
        "/api/v1/org/api-keys/{key_id}",
        &[Scope::WriteApiKeys],
    )
    .ids(404),
    row("get", "/api/v1/cpo/commands", HISTORY),
    row("post", "/api/v1/cpo/commands/bulk", COMMANDS)
        .body(r#"{"charge_point_ids":["DE*OURS*D1"],"command":"soft_reset"}"#),
    row("get", "/api/v1/cpo/commands/{command_id}", HISTORY).id(),
    row(
        "post",
        "/api/v1/cpo/commands/{id}",
        &[Scope::WriteCommands, Scope::WriteSessions],
    )
    .body(r#"{"command":"start_session","parameters":{"id_tag":"T"}}"#)
    .id()
    .offline(),
    row("get", "/api/v1/chargepoints/{id}/frames", READ).id(),
    row("get", "/api/v1/chargepoints/{id}/security-events", READ).id(),
    row(
        "get",
        "/api/v1/chargepoints/{id}/unmatched-stops",
        &[Scope::ReadSessions, Scope::ReadChargePoints],
    )
    .id(),
    row(
        "get",
        "/api/v1/ocpp16/active_transactions",
        &[Scope::ReadSessions, Scope::ReadChargePoints],
    ),
    call(
        "/api/v1/ocpp16/cancel_reservation",
        r#"{"charge_point_id":"DE*OURS*D1","reservation_id":1}"#,
    ),
    call(
        "/api/v1/ocpp16/certificate_signed",
        r#"{"charge_point_id":"DE*OURS*D1","certificate_chain":"x"}"#,
    ),
    call(
        "/api/v1/ocpp16/change_availability",
        r#"{"charge_point_id":"DE*OURS*D1","connector_id":0,"type":"Operative"}"#,
    ),
    call(
        "/api/v1/ocpp16/change_configuration",
        r#"{"charge_point_id":"DE*OURS*D1","key":"k","value":"v"}"#,
    ),
    call(
        "/api/v1/ocpp16/clear_cache",
        r#"{"charge_point_id":"DE*OURS*D1"}"#,
    ),
    call(
        "/api/v1/ocpp16/clear_charging_profile",
        r#"{"charge_point_id":"DE*OURS*D1"}"#,
    ),
    call(
        "/api/v1/ocpp16/data_transfer",
        r#"{"charge_point_id":"DE*OURS*D1","vendor_id":"v"}"#,
    ),
    call(
        "/api/v1/ocpp16/delete_certificate",
        r#"{"charge_point_id":"DE*OURS*D1","certificate_hash_data":{"hash_algorithm":"SHA256","issuer_name_hash":"a","issuer_key_hash":"b","serial_number":"c"}}"#,
    ),
    call(
        "/api/v1/ocpp16/extended_trigger_message",
        r#"{"charge_point_id":"DE*OURS*D1","requested_message":"Heartbeat"}"#,
    ),
    call(
        "/api/v1/ocpp16/get_composite_schedule",
        r#"{"charge_point_id":"DE*OURS*D1","connector_id":1,"duration":60}"#,
    ),
    call(
        "/api/v1/ocpp16/get_configuration",
        r#"{"charge_point_id":"DE*OURS*D1"}"#,
    ),
    call(
        "/api/v1/ocpp16/get_diagnostics",
        r#"{"charge_point_id":"DE*OURS*D1","location":"https://example.com"}"#,
    ),
    call(
        "/api/v1/ocpp16/get_installed_certificate_ids",
        r#"{"charge_point_id":"DE*OURS*D1","certificate_type":"CentralSystemRootCertificate"}"#,
    ),
    call(
        "/api/v1/ocpp16/get_local_list_version",
        r#"{"charge_point_id":"DE*OURS*D1"}"#,
    ),
    call(
        "/api/v1/ocpp16/get_log",
        r#"{"charge_point_id":"DE*OURS*D1","log":{"remote_location":"https://example.com"},"log_type":"SecurityLog","request_id":1}"#,
    ),
    call(
        "/api/v1/ocpp16/install_certificate",
        r#"{"charge_point_id":"DE*OURS*D1","certificate_type":"CentralSystemRootCertificate","certificate":"x"}"#,
    ),
    call(
        "/api/v1/ocpp16/remote_start_transaction",
        r#"{"charge_point_id":"DE*OURS*D1","id_tag":"T"}"#,
    ),
    call(
        "/api/v1/ocpp16/remote_stop_transaction",
        r#"{"charge_point_id":"DE*OURS*D1","transaction_id":1}"#,
    ),
    call(
        "/api/v1/ocpp16/reserve_now",
        r#"{"charge_point_id":"DE*OURS*D1","connector_id":1,"expiry_date":"2026-06-01T00:00:00Z","id_tag":"T","reservation_id":1}"#,
    ),
    call(
        "/api/v1/ocpp16/reset",
        r#"{"charge_point_id":"DE*OURS*D1","type":"Soft"}"#,
    ),
    call(
        "/api/v1/ocpp16/send_local_list",
        r#"{"charge_point_id":"DE*OURS*D1","list_version":1,"update_type":"Full"}"#,
    ),
    call(
        "/api/v1/ocpp16/set_charging_profile",
        r#"{"charge_point_id":"DE*OURS*D1","connector_id":1,"cs_charging_profiles":{"charging_profile_id":1,"stack_level":0,"charging_profile_purpose":"TxDefaultProfile","charging_profile_kind":"Relative","charging_schedule":{"charging_rate_unit":"A","charging_schedule_period":[{"start_period":0,"limit":16}]}}}"#,
    ),
    call(
        "/api/v1/ocpp16/signed_update_firmware",
        r#"{"charge_point_id":"DE*OURS*D1","request_id":1,"firmware":{"location":"https://example.com","retrieve_date_time":"2026-06-01T00:00:00Z","signing_certificate":"x","signature":"y"}}"#,
    ),
    call(
        "/api/v1/ocpp16/trigger_message",
        r#"{"charge_point_id":"DE*OURS*D1","requested_message":"Heartbeat"}"#,
    ),
    call(
        "/api/v1/ocpp16/unlock_connector",
        r#"{"charge_point_id":"DE*OURS*D1","connector_id":1}"#,
    ),
    call(
        "/api/v1/ocpp16/update_firmware",
        r#"{"charge_point_id":"DE*OURS*D1","location":"https://example.com","retrieve_date":"2026-06-01T00:00:00Z"}"#,
    ),
    call(
        "/api/v1/ocpp16/send_command",
        r#"{"charge_point_id":"DE*OURS*D1","command":"ClearCache"}"#,
    ),
    row("get", "/api/v1/reservations", SESSIONS),
    row("post", "/api/v1/reservations", RESERVE)
        .body(
            r#"{"charge_point_id":"DE*OURS*D1","id_tag":"T","expires_at":"2026-06-01T00:00:00Z"}"#,
        )
        .offline(),
    row("get", "/api/v1/reservations/{reservation_id}", SESSIONS).id(),
    row("delete", "/api/v1/reservations/{reservation_id}", RESERVE)
        .id()
        .offline(),
    row("post", "/api/v1/sessions", START_STOP)
        .body(r#"{"charge_point_id":"DE*OURS*D1","id_tag":"T"}"#)
        .offline(),
    row("post", "/api/v1/sessions/{session_id}/stop", START_STOP)
        .id()
        .offline(),
    row("get", "/api/v1/sessions", SESSIONS),
    row("get", "/api/v1/sessions/{session_id}", SESSIONS).id(),
    row(
        "get",
        "/api/v1/sessions/{session_id}/meter-values",
        SESSIONS,
    )
    .id(),
    row("get", "/api/v1/tokens", READ),
    row("post", "/api/v1/tokens", WRITE).body(r#"{"id_tag":"NEW"}"#),
    row("get", "/api/v1/tokens/{token_id}", READ).id(),
    row("delete", "/api/v1/tokens/{token_id}", WRITE).id(),
    row("patch", "/api/v1/tokens/{token_id}", WRITE).id(),
];

/// Routes that anybody may call. This list may only shrink.
const PUBLIC: &[(&str, &str)] = &[
    ("get", "/.well-known/jwks.json"),
    ("post", "/api/v1/installer/login"),
];

fn document() -> Value {
    let document = cloud_api::http::document(cloud_api::installer::document());
    serde_json::to_value(document).unwrap()
}

#[test]
fn every_route_has_its_row_and_its_security_is_what_the_row_says() {
    let document = document();
    let mut secured = Vec::new();
    let mut public = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            match operation.get("security") {
                Some(security) => secured.push((method.clone(), path.clone(), security.clone())),
                None => public.push((method.as_str(), path.as_str())),
            }
        }
    }
    public.sort_unstable();
    assert_eq!(public, PUBLIC);
    let expected: Vec<_> = ROWS
        .iter()
        .map(|row| {
            let by = |scopes: Vec<&str>| {
                [
                    serde_json::json!({"bearer": scopes}),
                    serde_json::json!({"api_key": scopes}),
                ]
            };
            let each = row.scopes.iter().flat_map(|scope| by(vec![scope.as_str()]));
            let security: Vec<_> = if row.scopes.is_empty() {
                by(vec![]).to_vec()
            } else {
                each.collect()
            };
            (
                row.method.to_owned(),
                row.path.to_owned(),
                Value::Array(security),
            )
        })
        .collect();
    let sorted = |mut rows: Vec<(String, String, Value)>| {
        rows.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
        rows
    };
    // Compared by path and method; what both lists name is the same in another order.
    let named =
        |method: &str, path: &str| (method.to_owned(), path.replace("{command_id}", "{id}"));
    let expected = expected.into_iter().map(|(method, path, security)| {
        let (method, path) = named(&method, &path);
        (method, path, security)
    });
    let (secured, expected) = (sorted(secured), sorted(expected.collect()));
    for (route, row) in secured.iter().zip(&expected) {
        assert_eq!(route, row);
    }
    assert_eq!(secured.len(), expected.len());
}

#[tokio::test]
async fn every_wrong_caller_is_refused_at_every_route() {
    let world = World::furnished().await;
    let all = world.key(Scope::ALL).await;
    for row in ROWS {
        let told = format!("{} {}", row.method, row.path);
        let own = own_id(&world, row).await;
        let status = async |id: &str, credential: Option<&str>| {
            row.send(&world, id, credential).await.status
        };
        assert_eq!(status(&own, None).await, 401, "{told} without a credential");
        assert_eq!(
            status(&own, Some("dyn_live_x")).await,
            401,
            "{told} with nonsense"
        );

        let token = world.installer_token();
        let installer = row.send(&world, &own, Some(&token)).await;
        assert_eq!(installer.status, 403, "{told} with an installer's token");
        assert!(installer.body.contains("\"required_scope\""), "{told}");

        let is_other = |scope: &Scope| !row.scopes.contains(scope);
        let others: Vec<_> = Scope::ALL.iter().copied().filter(is_other).collect();
        let powerless = world.key(&others).await;
        let expected = if row.scopes.is_empty() { 200 } else { 403 };
        assert_eq!(
            status(&own, Some(&powerless)).await,
            expected,
            "{told} without the scope"
        );

        if let Some(ids) = &row.ids {
            let theirs = their_id(&world, row).await;
            assert_eq!(
                status(&theirs, Some(&all)).await,
                ids.theirs,
                "{told} of others"
            );
            assert_eq!(
                status("nobody", Some(&all)).await,
                ids.unknown,
                "{told} of nobody"
            );
        }
    }
}

#[tokio::test]
async fn each_scope_that_suffices_suffices_alone() {
    for row in ROWS {
        let world = World::furnished().await;
        for scope in row.scopes {
            let key = world.key(&[*scope]).await;
            let id = own_id(&world, row).await;
            let answer = row.send(&world, &id, Some(&key)).await;
            let passed = match row.offline {
                true => answer.status == 409,
                false => (200..300).contains(&answer.status),
            };
            assert!(
                passed,
                "{} {} with {scope}: {answer:?}",
                row.method, row.path
            );
        }
    }
}

/// An id that the route takes, of the caller's organisation.
async fn own_id(world: &World, row: &Row) -> String {
    id_of(world, row, &world.ours, DIRECT, SESSION).await
}

async fn their_id(world: &World, row: &Row) -> String {
    id_of(world, row, &world.theirs, DIRECT_THEIRS, SESSION_THEIRS).await
}

async fn id_of(
    world: &World,
    row: &Row,
    owner: &OrganisationId,
    charge_point: &str,
    session: &str,
) -> String {
    if row.path.contains("{key_id}") {
        return world.named_key(owner, &[]).await.0;
    }
    if row.path.contains("{token_id}") {
        let key = world.key_of(owner, Scope::ALL).await;
        let tag = cloud_api::id::mint("t", world.clock.now());
        let body = format!(r#"{{"id_tag":"{}"}}"#, &tag[tag.len() - 20..]);
        let answer = world.post("/api/v1/tokens", &key, &body).await.json();
        return answer["id"].as_str().unwrap().to_owned();
    }
    let mint = |prefix: &str| cloud_api::id::mint(prefix, world.clock.now());
    if row.path.contains("{command_id}") {
        let id = mint("cmd");
        let sql = "INSERT INTO commands
              (id, organisation_id, charge_point_id, command, action, parameters, created_by,
               timeout_s, queued_at_ms, state)
            VALUES ($1, $2, $3, 'soft_reset', 'Reset', '{}', 'key_1', 10, 0, 'accepted')";
        let values = vec![
            id.as_str().into(),
            owner.as_str().into(),
            charge_point.into(),
        ];
        world.db.write(sql, values).await.unwrap();
        return id;
    }
    if row.path.contains("{reservation_id}") {
        let id = mint("rsv");
        let number = i64::from(fastrand_of(&id));
        let sql = "INSERT INTO reservations
              (id, organisation_id, charge_point_id, connector_id, number, id_tag, folded,
               expires_at_ms, state, created_at_ms, updated_at_ms)
            VALUES ($1, $2, $3, 1, $4, 'T', 't', 4102444800000, 'accepted', 0, 0)";
        let values = vec![
            id.as_str().into(),
            owner.as_str().into(),
            charge_point.into(),
            number.into(),
        ];
        world.db.write(sql, values).await.unwrap();
        return id;
    }
    if row.path.contains("{session_id}") {
        return session.to_owned();
    }
    charge_point.to_owned()
}

/// A number that differs from id to id.
fn fastrand_of(id: &str) -> u32 {
    id.bytes().fold(7, |sum: u32, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    }) >> 1
}

impl Row {
    async fn send(&self, world: &World, id: &str, credential: Option<&str>) -> Answer {
        let method = self.method.to_uppercase();
        let mut path = self.path.to_owned();
        for name in [
            "{id}",
            "{key_id}",
            "{token_id}",
            "{session_id}",
            "{command_id}",
            "{reservation_id}",
        ] {
            path = path.replace(name, id);
        }
        let request = match credential {
            Some(credential) => bearer(&method, &path, credential),
            None => Request::builder().method(&*method).uri(&path),
        };
        let request = request.header("content-type", "application/json");
        let body = Body::from(self.body);
        world.send(request.body(body).unwrap()).await
    }
}
