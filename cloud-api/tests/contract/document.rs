//! The OpenAPI document: committed, whole, and readable without a credential or the Internet.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use crate::harness::World;

fn generated() -> String {
    let document = cloud_api::http::document(cloud_api::installer::document());
    document.to_pretty_json().unwrap() + "\n"
}

#[test]
fn the_committed_document_is_what_the_handlers_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == generated(),
        "docs/openapi.json is stale; run: cargo run -p cloud-api -- openapi > docs/openapi.json"
    );
}

#[test]
fn it_is_openapi_3_1_and_every_reference_in_it_leads_somewhere() {
    let document: Value = serde_json::from_str(&generated()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 10);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                match value.as_str() {
                    Some(reference) if name == "$ref" => {
                        references.insert(reference.to_owned());
                    }
                    _ => collect(value, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_operation_tells_its_errors_with_examples_and_its_headers() {
    let document: Value = serde_json::from_str(&generated()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                let told = format!("{method} {path} {status}");
                assert!(response["headers"]["X-Request-Id"].is_object(), "{told}");
                if status.starts_with('4') || status.starts_with('5') {
                    let examples = response["content"]["application/json"]["examples"].as_object();
                    assert!(
                        examples.is_some_and(|examples| !examples.is_empty()),
                        "{told}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn document_and_page_need_no_credential_and_nothing_from_elsewhere() {
    let world = World::new().await;
    let get = async |path: &str| {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        world.send(request).await
    };
    let document = get("/openapi.json").await;
    assert_eq!(
        (document.status, document.header("content-type")),
        (200, "application/json")
    );
    assert_eq!(document.json()["info"]["title"], "Dynamo CSMS API");
    assert_eq!(
        (
            get("/docs").await.status,
            get("/docs").await.header("location").to_owned()
        ),
        (303, "/docs/".to_owned())
    );
    let page = get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-security-policy")
            .starts_with("default-src 'self'")
    );
    let mut loaded = 0;
    for attribute in ["src=\"", "href=\""] {
        for rest in page.body.split(attribute).skip(1) {
            let target = rest.split('"').next().unwrap();
            let target = target.trim_start_matches("./");
            assert!(!target.contains("//"), "{target} is loaded from elsewhere");
            assert_eq!(
                get(&format!("/docs/{target}")).await.status,
                200,
                "{target}"
            );
            loaded += 1;
        }
    }
    assert!(loaded >= 4, "{}", page.body);
    let start = get("/docs/swagger-initializer.js").await;
    assert!(start.body.contains("/openapi.json"), "{}", start.body);
    let nothing = get("/docs/nothing.js").await;
    assert_eq!(
        (nothing.status, nothing.header("content-type")),
        (404, "application/json")
    );
}
