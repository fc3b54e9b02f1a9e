//! Installers log in, on the whole server, in one process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloud_api::app::{self, Running};
use cloud_api::clock::Clock;
use cloud_api::config::Config;
use cloud_api::db::Db;
use cloud_api::email::Email;
use cloud_api::installer::{Installers, NewInstaller};
use cloud_api::secret::Secret;
use reqwest::header::HeaderMap;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

const EMAIL: &str = "ida@example.com";
const PASSWORD: &str = "Correct-horse7";

struct Server {
    dir: tempfile::TempDir,
    running: Running,
    client: Client,
    installer: String,
}

impl Server {
    async fn start() -> Self {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let clock = clock();
        let db = Db::open(&config(dir.path()).database()).unwrap();
        let new = NewInstaller {
            email: Email::parse(EMAIL).unwrap(),
            full_name: "Ida Rhodes".to_owned(),
            password: Secret::new(PASSWORD.to_owned()),
        };
        let installer = Installers::new(db.clone(), clock.clone())
            .create(new)
            .await
            .unwrap();
        db.close().await;
        let running = app::start(config(dir.path()), clock).await.unwrap();
        Self {
            dir,
            running,
            client: Client::new(),
            installer: installer.to_string(),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.http)
    }

    async fn post(&self, body: impl Into<reqwest::Body>) -> (StatusCode, HeaderMap, Value) {
        let url = self.url("/api/v1/installer/login");
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body: Value = answer.json().await.unwrap();
        let object = body.as_object_mut().unwrap();
        if let Some(id) = object.remove("request_id") {
            assert_eq!(headers["x-request-id"], id.as_str().unwrap());
        }
        assert!(
            headers["x-request-id"]
                .to_str()
                .unwrap()
                .starts_with("req_")
        );
        (status, headers, body)
    }

    async fn log_in(&self, email: &str, password: &str) -> (StatusCode, HeaderMap, Value) {
        self.post(json!({ "email": email, "password": password }).to_string())
            .await
    }
}

fn clock() -> Clock {
    Clock::standing_at("2026-11-22T10:00:00Z".parse().unwrap())
}

fn config(dir: &Path) -> Config {
    let text = "data_dir = \".\"\n[http]\nlisten = \"127.0.0.1:0\"\n[mqtt]\nembedded = { listen = \"127.0.0.1:0\" }";
    Config::parse(text, &dir.join("cloud-api.toml")).unwrap()
}

fn unauthorized() -> Value {
    json!({ "error": "unauthorized", "message": "Invalid email or password." })
}

#[tokio::test]
async fn a_login_answers_a_token_that_anybody_can_verify_and_that_works_under_installer_only() {
    let server = Server::start().await;
    let (status, headers, body) = server.log_in("IDA@example.com", PASSWORD).await;
    let token = body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["cache-control"], "no-store");
    let expected = json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": 3600,
        "installer_id": server.installer,
    });
    assert_eq!(body, expected);

    let answer = server
        .client
        .get(server.url("/.well-known/jwks.json"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
    let jwks: Value = answer.json().await.unwrap();
    let key = &jwks["keys"][0];
    let (n, e) = (key["n"].as_str().unwrap(), key["e"].as_str().unwrap());
    let expected = json!({ "keys": [{ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": key["kid"], "n": n, "e": e }] });
    assert_eq!(jwks, expected);

    let public = jsonwebtoken::DecodingKey::from_rsa_components(n, e).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.validate_exp = false;
    validation.set_issuer(&["dynamo-csms"]);
    let read = jsonwebtoken::decode::<Value>(&token, &public, &validation).unwrap();
    assert_eq!(read.header.kid.as_deref(), key["kid"].as_str());
    assert_eq!(read.claims["sub"], server.installer);
    openssl_verifies(&token, server.dir.path());

    let summary = server.url("/api/v1/cpo/fleet/summary");
    let refused = server
        .client
        .get(summary)
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let refused: Value = refused.json().await.unwrap();
    assert_eq!(refused["required_scope"], "read:charge_points");
    server.running.stop().await.unwrap();
}

/// The same signature, verified by a program that shares no code with ours.
fn openssl_verifies(token: &str, dir: &Path) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    std::fs::write(dir.join("signed"), signed).unwrap();
    std::fs::write(
        dir.join("signature"),
        URL_SAFE_NO_PAD.decode(signature).unwrap(),
    )
    .unwrap();
    let openssl = |arguments: &[&str]| {
        Command::new("openssl")
            .args(arguments)
            .current_dir(dir)
            .output()
    };
    let Ok(made) = openssl(&[
        "rsa",
        "-in",
        "token-signing.pem",
        "-pubout",
        "-out",
        "public.pem",
    ]) else {
        return; // Not installed: the other half of this test stands.
    };
    assert!(made.status.success(), "{made:?}");
    let verify = [
        "dgst",
        "-sha256",
        "-verify",
        "public.pem",
        "-signature",
        "signature",
        "signed",
    ];
    let verified = openssl(&verify).unwrap();
    assert_eq!(
        String::from_utf8(verified.stdout).unwrap().trim(),
        "Verified OK"
    );
}

#[tokio::test]
async fn nobody_learns_which_addresses_exist_and_guessing_ends() {
    let server = Server::start().await;
    for email in [EMAIL, "nobody@example.com", "no address"] {
        let (status, headers, body) = server.log_in(email, "Wrong-horse77").await;
        assert_eq!(
            (status, body),
            (StatusCode::UNAUTHORIZED, unauthorized()),
            "{email}"
        );
        assert!(!headers.contains_key("x-ratelimit-limit"));
    }
    // Seven of this address's ten attempts are left; what is no login takes one as well.
    let (status, ..) = server.post("{").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    for _ in 0..6 {
        assert_eq!(
            server.log_in(EMAIL, "Wrong-horse77").await.0,
            StatusCode::UNAUTHORIZED
        );
    }
    let (status, headers, body) = server.log_in(EMAIL, PASSWORD).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let wait = body["retry_after"].as_u64().unwrap();
    assert!((1..=6).contains(&wait), "{wait}");
    assert_eq!(headers["retry-after"], wait.to_string());
    let message = "Too many login attempts; wait as long as retry_after says.";
    let expected =
        json!({ "error": "rate_limit_exceeded", "message": message, "retry_after": wait });
    assert_eq!(body, expected);
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn every_fault_of_a_request_is_told_and_no_password_is_repeated() {
    let server = Server::start().await;
    let faults = async |body: &str| {
        let (status, _, body) = server.post(body.to_owned()).await;
        assert_eq!(
            (status, &body["error"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_request"))
        );
        assert!(!body.to_string().contains("hunter2"), "{body}");
        body["details"].clone()
    };
    let detail = |field: &str, message: &str| json!({ "field": field, "message": message });
    assert_eq!(
        faults(r#"{"email": 7, "pasword": "hunter2"}"#).await,
        json!([
            detail("email", "must be a string"),
            detail("password", "is required"),
            detail("pasword", "is not a field of this request"),
        ])
    );
    assert_eq!(
        faults("[]").await,
        json!([detail("body", "must be a JSON object")])
    );

    let url = server.url("/api/v1/installer/login?password=hunter2");
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    let answer = server.client.post(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        answer["details"],
        json!([detail(
            "password",
            "is not a query parameter of this request"
        )])
    );

    let form = server
        .client
        .post(server.url("/api/v1/installer/login"))
        .body("email=x");
    assert_eq!(
        form.send().await.unwrap().status(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    let get = server
        .client
        .get(server.url("/api/v1/installer/login"))
        .send()
        .await
        .unwrap();
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn tokens_outlive_a_restart() {
    let server = Server::start().await;
    let (_, _, body) = server.log_in(EMAIL, PASSWORD).await;
    let token = body["access_token"].as_str().unwrap();
    server.running.stop().await.unwrap();
    let running = app::start(config(server.dir.path()), clock())
        .await
        .unwrap();
    let url = format!("http://{}/api/v1/cpo/fleet/summary", running.http);
    let answer = server
        .client
        .get(url)
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.status(),
        StatusCode::FORBIDDEN,
        "known, only not here"
    );
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_whose_body_is_under_way_is_answered_after_the_stop() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = Server::start().await;
    let body = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
    let (first, second) = body.split_at(10);
    let mut stream = tokio::net::TcpStream::connect(server.running.http)
        .await
        .unwrap();
    let head = format!(
        "POST /api/v1/installer/login HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The interim answer shows that the handler waits for the body.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(first.as_bytes()).await.unwrap();

    let stopping = tokio::spawn(server.running.stop());
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains(&server.installer), "{answer}");
    stopping.await.unwrap().unwrap();
}
