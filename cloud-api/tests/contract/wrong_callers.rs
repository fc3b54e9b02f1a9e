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
    }
}

impl Row {
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
    assert_eq!(sorted(secured), sorted(expected));
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
            assert!(
                (200..300).contains(&answer.status),
                "{} {} with {scope}: {answer:?}",
                row.method,
                row.path
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
    if row.path.contains("{session_id}") {
        return session.to_owned();
    }
    charge_point.to_owned()
}

impl Row {
    async fn send(&self, world: &World, id: &str, credential: Option<&str>) -> Answer {
        let method = self.method.to_uppercase();
        let mut path = self.path.to_owned();
        for name in ["{id}", "{key_id}", "{token_id}", "{session_id}"] {
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
