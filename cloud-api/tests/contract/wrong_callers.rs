//! Every route of the document × every wrong caller. A route without a row here fails the test.

use axum::body::Body;
use axum::http::Request;
use cloud_api::keys::Scope;
use serde_json::Value;

use crate::harness::{Answer, OURS, THEIRS, World, bearer};

/// A secured route, the scopes of which one suffices, and what one's own, another's and an
/// unknown id answer; `None`: the route has no id.
struct Row {
    method: &'static str,
    path: &'static str,
    scopes: &'static [Scope],
    ids: Option<Ids>,
}

struct Ids {
    theirs: u16,
    unknown: u16,
}

const ROWS: &[Row] = &[
    Row {
        method: "get",
        path: "/api/v1/chargepoints/{id}/status",
        scopes: &[Scope::ReadChargePoints],
        ids: Some(Ids {
            theirs: 401,
            unknown: 404,
        }),
    },
    Row {
        method: "get",
        path: "/api/v1/cpo/fleet/summary",
        scopes: &[Scope::ReadChargePoints, Scope::ReadAnalytics],
        ids: None,
    },
    Row {
        method: "get",
        path: "/api/v1/org/api-keys",
        scopes: &[],
        ids: None,
    },
    Row {
        method: "post",
        path: "/api/v1/org/api-keys",
        scopes: &[Scope::WriteApiKeys],
        ids: None,
    },
    Row {
        method: "delete",
        path: "/api/v1/org/api-keys/{key_id}",
        scopes: &[Scope::WriteApiKeys],
        ids: Some(Ids {
            theirs: 404,
            unknown: 404,
        }),
    },
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
    assert_eq!(secured, expected);
}

#[tokio::test]
async fn every_wrong_caller_is_refused_at_every_route() {
    let world = World::new().await;
    let all = world.key(Scope::ALL).await;
    for row in ROWS {
        let told = format!("{} {}", row.method, row.path);
        let status = async |id: &str, credential: Option<&str>| {
            row.send(&world, id, credential).await.status
        };
        assert_eq!(status(OURS, None).await, 401, "{told} without a credential");
        assert_eq!(
            status(OURS, Some("dyn_live_x")).await,
            401,
            "{told} with nonsense"
        );

        let token = world.installer_token();
        let installer = row.send(&world, OURS, Some(&token)).await;
        assert_eq!(installer.status, 403, "{told} with an installer's token");
        assert!(installer.body.contains("\"required_scope\""), "{told}");

        let is_other = |scope: &Scope| !row.scopes.contains(scope);
        let others: Vec<_> = Scope::ALL.iter().copied().filter(is_other).collect();
        let powerless = world.key(&others).await;
        let expected = if row.scopes.is_empty() { 200 } else { 403 };
        assert_eq!(
            status(OURS, Some(&powerless)).await,
            expected,
            "{told} without the scope"
        );

        if let Some(ids) = &row.ids {
            let (their_key, _) = world.named_key(&world.theirs, &[]).await;
            let theirs = if row.path.contains("{id}") {
                THEIRS
            } else {
                &their_key
            };
            assert_eq!(
                status(theirs, Some(&all)).await,
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
    let world = World::new().await;
    for row in ROWS {
        for scope in row.scopes {
            let (own, key) = world.named_key(&world.ours, &[*scope]).await;
            let id = if row.path.contains("{id}") {
                OURS
            } else {
                &own
            };
            let status = row.send(&world, id, Some(&key)).await.status;
            assert!(
                (200..300).contains(&status),
                "{} with {scope}: {status}",
                row.path
            );
        }
    }
}

impl Row {
    async fn send(&self, world: &World, id: &str, credential: Option<&str>) -> Answer {
        let method = self.method.to_uppercase();
        let path = self.path.replace("{id}", id).replace("{key_id}", id);
        let request = match credential {
            Some(credential) => bearer(&method, &path, credential),
            None => Request::builder().method(&*method).uri(&path),
        };
        let request = request.header("content-type", "application/json");
        let body = Body::from(r#"{"name":"intruder","scopes":["read:billing"]}"#);
        world.send(request.body(body).unwrap()).await
    }
}
