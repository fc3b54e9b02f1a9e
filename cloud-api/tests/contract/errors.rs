//! Every error of the contract's section 1, provoked and compared whole.

use axum::body::Body;
use axum::http::Request;
use cloud_api::keys::Scope;

use crate::harness::{Answer, HOUR_END, OURS, THEIRS, World, bearer, counted, refusal};

const KEYS: &str = "/api/v1/org/api-keys";
const SUMMARY: &str = "/api/v1/cpo/fleet/summary";

fn status_of(id: &str) -> String {
    format!("/api/v1/chargepoints/{id}/status")
}

fn unauthorized(nested: bool) -> Answer {
    let body = if nested {
        r#"{"error":{"code":"unauthorized","message":"Invalid or missing API key.","request_id":"req_ID"}}"#
    } else {
        r#"{"error":"unauthorized","message":"Invalid or missing API key.","request_id":"req_ID"}"#
    };
    refusal(401, &[], body)
}

fn details(message: &str, details: &str) -> (String, String) {
    let shared = format!(r#""message":"{message}","details":[{details}],"request_id":"req_ID""#);
    (
        format!(r#"{{"error":"invalid_request",{shared}}}"#),
        format!(r#"{{"error":{{"code":"invalid_request",{shared}}}}}"#),
    )
}

#[tokio::test]
async fn without_a_valid_credential_it_is_401_in_the_body_of_the_path() {
    let world = World::new().await;
    let key = world.key(Scope::ALL).await;
    for (path, nested) in [(KEYS, true), (SUMMARY, false)] {
        let plain = || Request::builder().uri(path);
        let in_query = Request::builder().uri(format!("{path}?api_key={key}"));
        let unknown = format!("{}00000", &key[..key.len() - 5]);
        for request in [
            plain(),
            in_query,
            plain().header("authorization", &key),
            plain().header("authorization", format!("Basic {key}")),
            plain().header("authorization", "Bearer "),
            plain().header("authorization", "Bearer YOUR_API_KEY"),
            plain().header("authorization", format!("Bearer {unknown}")),
            plain().header("x-api-key", "dyn_live_abc123xyz789..."),
            plain().header("x-api-key", ""),
            plain().header("authorization", b"Bearer \xff".as_slice()),
        ] {
            let answer = world.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer, unauthorized(nested), "{path}");
        }
    }
}

#[tokio::test]
async fn two_different_credentials_are_401_and_the_same_twice_is_one() {
    let world = World::new().await;
    let (one, other) = (world.key(Scope::ALL).await, world.key(Scope::ALL).await);
    let both = |x_api_key: &str| bearer("GET", SUMMARY, &one).header("x-api-key", x_api_key);
    let answer = world.send(both(&other).body(Body::empty()).unwrap()).await;
    assert_eq!(
        answer,
        refusal(
            401,
            &[],
            r#"{"error":"unauthorized","message":"Two different credentials in one request; send one.","request_id":"req_ID"}"#
        )
    );
    let answer = world.send(both(&one).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200);
    let direct = Request::builder().uri(SUMMARY).header("X-API-Key", &one);
    let answer = world.send(direct.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn anothers_charge_point_is_401_and_counts() {
    let world = World::new().await;
    let key = world.key(&[Scope::ReadChargePoints]).await;
    assert_eq!(
        world.get(&status_of(THEIRS), &key).await,
        counted(
            401,
            1000,
            999,
            &[],
            r#"{"error":"unauthorized","message":"The API key belongs to a different organisation than the resource.","request_id":"req_ID"}"#
        )
    );
}

#[tokio::test]
async fn a_missing_scope_is_403_with_its_name_and_counts() {
    let world = World::new().await;
    let (id, key) = world
        .named_key(&world.ours, &[Scope::WriteChargePoints])
        .await;
    let flat = |scope: &str, told: &str| {
        format!(
            r#"{{"error":"forbidden","message":"The API key does not have the required scope: {told}","required_scope":"{scope}","request_id":"req_ID"}}"#
        )
    };
    assert_eq!(
        world.get(&status_of(OURS), &key).await,
        counted(
            403,
            1000,
            999,
            &[],
            &flat("read:charge_points", "read:charge_points")
        )
    );
    assert_eq!(
        world.get(SUMMARY, &key).await,
        counted(
            403,
            1000,
            998,
            &[],
            &flat("read:charge_points", "read:charge_points or read:analytics")
        )
    );
    let nested = r#"{"error":{"code":"forbidden","message":"The API key does not have the required scope: write:api_keys","required_scope":"write:api_keys","request_id":"req_ID"}}"#;
    assert_eq!(
        world
            .post(KEYS, &key, r#"{"name":"x","scopes":["read:billing"]}"#)
            .await,
        counted(403, 1000, 997, &[], nested)
    );
    assert_eq!(
        world.delete(&format!("{KEYS}/{id}"), &key).await,
        counted(403, 1000, 996, &[], nested)
    );
}

#[tokio::test]
async fn an_installers_token_is_403_outside_its_paths_with_the_scope_that_is_missing() {
    let world = World::new().await;
    let token = world.installer_token();
    let told = |scope: &str| {
        format!(
            r#""message":"Installer tokens work under /api/v1/installer/ only; this call needs an API key with the scope {scope}.","required_scope":"{scope}","request_id":"req_ID""#
        )
    };
    let flat = format!(r#"{{"error":"forbidden",{}}}"#, told("read:charge_points"));
    let nested = format!(
        r#"{{"error":{{"code":"forbidden",{}}}}}"#,
        told("write:api_keys")
    );
    assert_eq!(
        world.get(&status_of(OURS), &token).await,
        counted(403, 1000, 999, &[], &flat)
    );
    assert_eq!(
        world.get(KEYS, &token).await,
        counted(403, 1000, 998, &[], &nested)
    );
    world.advance(3_600);
    assert_eq!(world.get(KEYS, &token).await, unauthorized(true));
}

#[tokio::test]
async fn unknown_paths_are_404_before_any_credential_and_ids_after_it() {
    let world = World::new().await;
    let key = world.key(Scope::ALL).await;
    let nowhere = r#"{"error":"not_found","message":"There is nothing at this path; /docs lists what there is.","request_id":"req_ID"}"#;
    for path in [
        "/",
        "/api/v1",
        "/api/v2/org/api-keys",
        "/api/v1/cpo/fleet/summary/",
        "/%00",
        "//",
    ] {
        assert_eq!(
            world.get(path, &key).await,
            refusal(404, &[], nowhere),
            "{path}"
        );
        let bare = Request::builder().uri(path).body(Body::empty()).unwrap();
        assert_eq!(world.send(bare).await, refusal(404, &[], nowhere), "{path}");
    }
    let nowhere = r#"{"error":{"code":"not_found","message":"There is nothing at this path; /docs lists what there is.","request_id":"req_ID"}}"#;
    for path in ["/api/v1/org/api-keys/", "/api/v1/org/api-keys/a/b"] {
        assert_eq!(
            world.get(path, &key).await,
            refusal(404, &[], nowhere),
            "{path}"
        );
    }
    let none =
        r#"{"error":"not_found","message":"No charge point has this id.","request_id":"req_ID"}"#;
    for (count, id) in ["nobody", "%00", "a%2Fb", "%FF", "status", "%F0%9F%94%8C"]
        .iter()
        .enumerate()
    {
        let left = 999 - u32::try_from(count).unwrap();
        assert_eq!(
            world.get(&status_of(id), &key).await,
            counted(404, 1000, left, &[], none),
            "{id}"
        );
    }
    let other = world.key_of(&world.theirs, &[Scope::WriteApiKeys]).await;
    let (ours, _) = world.named_key(&world.ours, &[]).await;
    let none = r#"{"error":{"code":"not_found","message":"No API key has this id.","request_id":"req_ID"}}"#;
    for (count, id) in [&*ours, "key_unknown", "%00"].iter().enumerate() {
        let left = 999 - u32::try_from(count).unwrap();
        assert_eq!(
            world.delete(&format!("{KEYS}/{id}"), &other).await,
            counted(404, 1000, left, &[], none)
        );
    }
}

#[tokio::test]
async fn another_method_is_405_with_allow_and_options_tells_the_methods() {
    let world = World::new().await;
    for (method, path, allow, nested) in [
        ("POST", SUMMARY.to_owned(), "GET,HEAD", false),
        ("DELETE", status_of(OURS), "GET,HEAD", false),
        ("PATCH", KEYS.to_owned(), "GET,HEAD,POST", true),
        ("GET", format!("{KEYS}/key_1"), "DELETE", true),
        ("PURGE", SUMMARY.to_owned(), "GET,HEAD", false),
    ] {
        let told = r#""message":"This path does not have this method; see the Allow header.","request_id":"req_ID""#;
        let body = if nested {
            format!(r#"{{"error":{{"code":"method_not_allowed",{told}}}}}"#)
        } else {
            format!(r#"{{"error":"method_not_allowed",{told}}}"#)
        };
        let request = Request::builder().method(method).uri(&path);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(
            answer,
            refusal(405, &[("allow", allow)], &body),
            "{method} {path}"
        );
        let request = Request::builder().method("OPTIONS").uri(&path);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(
            (answer.status, answer.header("allow"), &*answer.body),
            (204, allow, "")
        );
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_announced_or_not() {
    let world = World::new().await;
    let key = world
        .key(&[Scope::WriteApiKeys, Scope::ReadChargePoints])
        .await;
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(1 << 20));
    let flat = r#"{"error":"payload_too_large","message":"The body is larger than 262144 bytes.","request_id":"req_ID"}"#;
    let nested = r#"{"error":{"code":"payload_too_large","message":"The body is larger than 262144 bytes.","request_id":"req_ID"}}"#;
    let json = || bearer("POST", KEYS, &key).header("content-type", "application/json");
    let announced = json()
        .header("content-length", large.len())
        .body(large.clone().into());
    assert_eq!(
        world.send(announced.unwrap()).await,
        counted(413, 1000, 999, &[], nested)
    );
    let pieces = tokio_util::io::ReaderStream::new(std::io::Cursor::new(large));
    let chunked = Body::from_stream(pieces);
    assert_eq!(
        world.send(json().body(chunked).unwrap()).await,
        counted(413, 1000, 998, &[], nested)
    );
    let on_a_read = bearer("GET", &status_of(OURS), &key).header("content-length", "1048576");
    assert_eq!(
        world.send(on_a_read.body(Body::empty()).unwrap()).await,
        counted(413, 1000, 997, &[], flat)
    );
}

#[tokio::test]
async fn a_body_of_another_type_is_415() {
    let world = World::new().await;
    let key = world.key(&[Scope::WriteApiKeys]).await;
    let body = |told: &str| {
        format!(
            r#"{{"error":{{"code":"unsupported_media_type","message":"{told}","request_id":"req_ID"}}}}"#
        )
    };
    let not_json = body("The body must be JSON; send Content-Type: application/json.");
    let encoded = body("The body is encoded; send it without Content-Encoding.");
    for (count, (headers, expected)) in [
        (vec![], &not_json),
        (
            vec![("content-type", "application/x-www-form-urlencoded")],
            &not_json,
        ),
        (vec![("content-type", "text/plain")], &not_json),
        (
            vec![
                ("content-type", "application/json"),
                ("content-encoding", "gzip"),
            ],
            &encoded,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let request = headers
            .into_iter()
            .fold(bearer("POST", KEYS, &key), |request, (name, value)| {
                request.header(name, value)
            });
        let answer = world.send(request.body(Body::from("{}")).unwrap()).await;
        let left = 999 - u32::try_from(count).unwrap();
        assert_eq!(answer, counted(415, 1000, left, &[], expected));
    }
}

#[tokio::test]
async fn a_faulty_request_is_400_with_every_fault() {
    let world = World::new().await;
    let key = world.key(Scope::ALL).await;
    let unknown = |name: &str| {
        format!(r#"{{"field":"{name}","message":"is not a query parameter of this request"}}"#)
    };
    let (flat, nested) = details(
        "Invalid request: page is not a query parameter of this request.",
        &unknown("page"),
    );
    assert_eq!(
        world.get(&format!("{SUMMARY}?page=1"), &key).await,
        counted(400, 1000, 999, &[], &flat)
    );
    assert_eq!(
        world.get(&format!("{KEYS}?page=1"), &key).await,
        counted(400, 1000, 998, &[], &nested)
    );
    let both = [
        unknown("page"),
        r#"{"field":"name","message":"must be a string"}"#.to_owned(),
        r#"{"field":"scopes","message":"must be an array of scopes"}"#.to_owned(),
        r#"{"field":"expires_in_days","message":"must be an integer from 1 to 3650"}"#.to_owned(),
        r#"{"field":"colour","message":"is not a field of this request"}"#.to_owned(),
    ]
    .join(",");
    let (_, nested) = details("Invalid request: 5 faults, see details.", &both);
    let body = r#"{"colour":"red","name":1,"scopes":"read:billing","expires_in_days":"30"}"#;
    assert_eq!(
        world.post(&format!("{KEYS}?page=1"), &key, body).await,
        counted(400, 1000, 997, &[], &nested)
    );
    let (_, nested) = details(
        "Invalid request: body is not valid JSON: expected value at line 1 column 10.",
        r#"{"field":"body","message":"is not valid JSON: expected value at line 1 column 10"}"#,
    );
    assert_eq!(
        world.post(KEYS, &key, r#"{"name": }"#).await,
        counted(400, 1000, 996, &[], &nested)
    );
}

#[tokio::test]
async fn fields_of_a_new_key_keep_their_bounds() {
    let world = World::new().await;
    let key = world.key(Scope::ALL).await;
    let long = "x".repeat(129);
    for (body, field, message) in [
        (
            r#"{"scopes":["read:billing"]}"#.to_owned(),
            "name",
            "is required",
        ),
        (
            r#"{"name":"","scopes":["read:billing"]}"#.to_owned(),
            "name",
            "must be 1 to 128 characters long",
        ),
        (
            format!(r#"{{"name":"{long}","scopes":["read:billing"]}}"#),
            "name",
            "must be 1 to 128 characters long",
        ),
        (
            r#"{"name":"a\u0000b","scopes":["read:billing"]}"#.to_owned(),
            "name",
            "must not contain control characters",
        ),
        (r#"{"name":"x"}"#.to_owned(), "scopes", "is required"),
        (
            r#"{"name":"x","scopes":[]}"#.to_owned(),
            "scopes",
            "must name at least one scope",
        ),
        (
            r#"{"name":"x","scopes":[7]}"#.to_owned(),
            "scopes[0]",
            "must be a string",
        ),
        (
            r#"{"name":"x","scopes":["read:billing"],"expires_in_days":0}"#.to_owned(),
            "expires_in_days",
            "must be an integer from 1 to 3650",
        ),
        (
            r#"{"name":"x","scopes":["read:billing"],"expires_in_days":3651}"#.to_owned(),
            "expires_in_days",
            "must be an integer from 1 to 3650",
        ),
        (
            r#"{"name":"x","scopes":["read:billing"],"name":"y"}"#.to_owned(),
            "name",
            "is given twice",
        ),
        ("[]".to_owned(), "body", "must be a JSON object"),
        (String::new(), "body", "is missing; send a JSON object"),
    ] {
        let answer = world.post(KEYS, &key, &body).await;
        let expected = serde_json::json!({"error": {
            "code": "invalid_request",
            "message": format!("Invalid request: {field} {message}."),
            "details": [{"field": field, "message": message}],
            "request_id": "req_ID",
        }});
        assert_eq!((answer.status, answer.json()), (400, expected), "{body}");
    }
}

#[tokio::test]
async fn an_unknown_scope_and_a_taken_name_have_codes_of_their_own() {
    let world = World::new().await;
    let key = world.key(Scope::ALL).await;
    let answer = world
        .post(
            KEYS,
            &key,
            r#"{"name":"x","scopes":["read:billing","write:unknown"],"expires_in_days":0}"#,
        )
        .await;
    assert_eq!(
        answer,
        counted(
            400,
            1000,
            999,
            &[],
            r#"{"error":{"code":"invalid_scope","message":"Scope 'write:unknown' is not a valid permission scope.","details":[{"field":"scopes[1]","message":"is not a permission scope"},{"field":"expires_in_days","message":"must be an integer from 1 to 3650"}],"request_id":"req_ID"}}"#
        )
    );
    let body = r#"{"name":"dashboard","scopes":["read:billing"]}"#;
    assert_eq!(world.post(KEYS, &key, body).await.status, 201);
    assert_eq!(
        world.post(KEYS, &key, body).await,
        counted(
            400,
            1000,
            997,
            &[],
            r#"{"error":{"code":"name_taken","message":"A key with this name already exists in your organization.","request_id":"req_ID"}}"#
        )
    );
}

#[tokio::test]
async fn beyond_the_quota_it_is_429_with_the_time_to_wait_in_each_place() {
    let world = World::with_limit(1).await;
    let key = world.key(Scope::ALL).await;
    assert_eq!(world.get(SUMMARY, &key).await.status, 200);
    let told = r#""message":"You have exceeded the rate limit of 1 requests per hour.","retry_after":2755,"request_id":"req_ID""#;
    let wait = [("retry-after", "2755")];
    assert_eq!(
        world.get(SUMMARY, &key).await,
        counted(
            429,
            1,
            0,
            &wait,
            &format!(r#"{{"error":"rate_limit_exceeded",{told}}}"#)
        )
    );
    assert_eq!(
        world.get(KEYS, &key).await,
        counted(
            429,
            1,
            0,
            &wait,
            &format!(r#"{{"error":{{"code":"rate_limited",{told}}},"retry_after":2755}}"#)
        )
    );
}

#[tokio::test]
async fn a_stopping_server_is_503() {
    let world = World::new().await;
    let key = world.key(Scope::ALL).await;
    world.quotas.close().await.unwrap();
    let told = r#""message":"The service cannot answer now; try again in a moment.","request_id":"req_ID""#;
    assert_eq!(
        world.get(SUMMARY, &key).await,
        refusal(503, &[], &format!(r#"{{"error":"unavailable",{told}}}"#))
    );
    assert_eq!(
        world.get(KEYS, &key).await,
        refusal(
            503,
            &[],
            &format!(r#"{{"error":{{"code":"unavailable",{told}}}}}"#)
        )
    );
}

#[tokio::test]
async fn of_several_faults_the_first_in_the_contracts_order_is_told() {
    let world = World::with_limit(2).await;
    let (large, key) = ("x".repeat(300_000), world.key(&[Scope::ReadBilling]).await);
    let post = |path: &str, credential: &str, kind: &str, body: &str| {
        let request = bearer("POST", path, credential).header("content-type", kind);
        request.body(Body::from(body.to_owned())).unwrap()
    };
    let status = async |request| world.send(request).await.status;
    assert_eq!(
        status(post("/nowhere", "bad", "text/plain", &large)).await,
        404
    );
    assert_eq!(
        status(post(SUMMARY, "bad", "text/plain", &large)).await,
        405
    );
    assert_eq!(status(post(KEYS, "bad", "text/plain", &large)).await, 401);
    assert_eq!(
        status(post(KEYS, &key, "application/json", &large)).await,
        413
    );
    assert_eq!(status(post(KEYS, &key, "text/plain", "{}")).await, 415);
    assert_eq!(status(post(KEYS, &key, "text/plain", "{}")).await, 429);
    world.advance(3_600);
    assert_eq!(
        status(post(&format!("{KEYS}?x=1"), &key, "application/json", "{}")).await,
        403
    );
    let reader = world.key(&[Scope::ReadChargePoints]).await;
    assert_eq!(
        world
            .get(&format!("{}?x=1", status_of("nobody")), &reader)
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn headers_beyond_16_kib_are_refused_and_a_head_has_the_headers_of_its_get() {
    let world = World::new().await;
    let key = world.key(&[Scope::ReadChargePoints]).await;
    let huge = bearer("GET", SUMMARY, &key).header("x-filler", "x".repeat(16 * 1024));
    let (flat, _) = details(
        "Invalid request: headers must not be larger than 16384 bytes together.",
        r#"{"field":"headers","message":"must not be larger than 16384 bytes together"}"#,
    );
    assert_eq!(
        world.send(huge.body(Body::empty()).unwrap()).await,
        refusal(400, &[], &flat)
    );
    for id in [OURS, "nobody"] {
        let head = bearer("HEAD", &status_of(id), &key)
            .body(Body::empty())
            .unwrap();
        let (head, get) = (
            world.send(head).await,
            world.get(&status_of(id), &key).await,
        );
        assert_eq!((head.status, &*head.body), (get.status, ""));
        assert_eq!(head.header("etag"), get.header("etag"));
        assert_eq!(head.header("x-ratelimit-reset"), HOUR_END);
    }
}
