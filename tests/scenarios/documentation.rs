//! Every request that the product's documentation prints, as printed: with curl, with Python's
//! `requests`, and with `X-API-Key`. Where its pages contradict each other, `docs/openapi.json` decides.

use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::peers;
use scenarios::Stage;

/// The charge point that the quickstart asks for.
const CHARGE_POINT: &str = "cp_01hx2b3c4d5e6f";

struct Curl {
    status: u16,
    headers: String,
    body: Value,
}

/// Runs curl with the words as printed; `-i` shows the headers.
fn curl(words: &[&str]) -> anyhow::Result<Curl> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "-i"])
        .args(words)
        .output()
        .context("curl is missing")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    let (headers, body) = text.split_once("\r\n\r\n").context("no end of headers")?;
    let status = headers.split(' ').nth(1).unwrap_or_default().parse()?;
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(body)?
    };
    Ok(Curl {
        status,
        headers: headers.to_lowercase(),
        body,
    })
}

fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    names
}

async fn stage() -> anyhow::Result<Stage> {
    Stage::with_configuration(31, |site| {
        site.configuration().replace("CP-LEFT", CHARGE_POINT)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_requests_work_with_curl_as_printed() -> anyhow::Result<()> {
    let stage = stage().await?;
    let base = stage.cloud.base();
    let bearer = format!("Authorization: Bearer {}", stage.tenant.key);
    let direct = format!("X-API-Key: {}", stage.tenant.key);
    let keys = format!("{base}/api/v1/org/api-keys");
    let summary_url = format!("{base}/api/v1/cpo/fleet/summary");

    for header in [&bearer, &direct] {
        let summary = curl(&["-X", "GET", &summary_url, "-H", header])?;
        ensure!(summary.status == 200, "{}", summary.body);
        ensure!(
            summary.body["organisation_id"] == stage.tenant.organisation_id.as_str(),
            "{}",
            summary.body
        );
        ensure!(
            summary.body["total_charge_points"] == 4 && summary.body["online"] == 4,
            "{}",
            summary.body
        );
        for field in ["offline", "faulted", "active_sessions"] {
            ensure!(summary.body[field] == 0, "{field}: {}", summary.body);
        }
        ensure!(
            summary.body["energy_delivered_today_kwh"].is_number(),
            "{}",
            summary.body
        );
        ensure!(summary.body["revenue_today_eur"] == 0, "{}", summary.body);
        for name in [
            "x-ratelimit-limit: 1000000000",
            "x-ratelimit-remaining: ",
            "x-ratelimit-reset: ",
            "x-request-id: req_",
        ] {
            ensure!(
                summary.headers.contains(name),
                "{name} is missing in\n{}",
                summary.headers
            );
        }
    }

    let status = curl(&[
        "-X",
        "GET",
        &format!("{base}/api/v1/chargepoints/{CHARGE_POINT}/status"),
        "-H",
        &bearer,
    ])?;
    ensure!(
        status.status == 200 && status.body["charge_point_id"] == CHARGE_POINT,
        "{}",
        status.body
    );
    ensure!(status.body["ocpp_status"] == "Available", "{}", status.body);
    ensure!(
        status.body["connectors"][0]["connector_id"] == 1,
        "{}",
        status.body
    );
    ensure!(
        status.body["connectors"][0]["status"] == "Available",
        "{}",
        status.body
    );
    ensure!(
        status.body["last_heartbeat_at"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z')),
        "{}",
        status.body
    );
    ensure!(
        status.body["firmware_version"].is_string(),
        "{}",
        status.body
    );

    let mut made = Vec::new();
    for body in [
        json!({"name": "Fleet Monitor", "scopes": ["read:charge_points", "read:sessions", "read:analytics"], "expires_in_days": 365}),
        json!({"name": "webhook-service", "scopes": ["read:charge_points", "read:sessions"]}),
        json!({"name": "production-dashboard", "scopes": ["read:charge_points", "write:charge_points", "read:sessions"]}),
    ] {
        let text = body.to_string();
        let key = curl(&[
            "-X",
            "POST",
            &keys,
            "-H",
            &bearer,
            "-H",
            "Content-Type: application/json",
            "-d",
            &text,
        ])?;
        ensure!(key.status == 201, "{}", key.body);
        ensure!(
            fields(&key.body) == ["created_at", "expires_at", "id", "key", "name", "scopes"],
            "{}",
            key.body
        );
        ensure!(
            key.body["name"] == body["name"] && key.body["scopes"] == body["scopes"],
            "{}",
            key.body
        );
        ensure!(
            key.body["expires_at"].is_null() != body["expires_in_days"].is_number(),
            "{}",
            key.body
        );
        ensure!(
            key.body["key"]
                .as_str()
                .is_some_and(|key| key.starts_with("dyn_live_")),
            "{}",
            key.body
        );
        made.push(key.body["id"].as_str().unwrap_or_default().to_owned());
    }

    let list = curl(&[&keys, "-H", &bearer])?;
    ensure!(
        list.status == 200 && list.body["total"] == 4,
        "{}",
        list.body
    );
    for key in list.body["keys"].as_array().into_iter().flatten() {
        ensure!(
            fields(key)
                == [
                    "created_at",
                    "expires_at",
                    "id",
                    "last_used_at",
                    "name",
                    "scopes"
                ],
            "{key}"
        );
    }

    let revoked = curl(&[
        "-X",
        "DELETE",
        &format!("{keys}/{}", made[0]),
        "-H",
        &bearer,
    ])?;
    ensure!(
        revoked.status == 204 && revoked.body.is_null(),
        "{}",
        revoked.body
    );
    let again = curl(&[
        "-X",
        "DELETE",
        &format!("{keys}/{}", made[0]),
        "-H",
        &bearer,
    ])?;
    ensure!(
        again.status == 404 && again.body["error"]["code"] == "not_found",
        "{}",
        again.body
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_python_and_the_installers_login_work_as_printed() -> anyhow::Result<()> {
    let stage = stage().await?;
    let base = stage.cloud.base();
    let printed = peers::run("documentation.py", &[&base, &stage.tenant.key])?;
    let answers: Value = serde_json::from_str(&printed)?;
    for answer in answers.as_array().context("no list of answers")? {
        ensure!(
            answer["status"] == 200 && answer["body"]["total_charge_points"] == 4,
            "{answer}"
        );
    }

    let mut create = Command::new(&stage.binaries.cloud_api);
    create
        .arg("--config")
        .arg(stage.cloud.folder().join("cloud-api.toml"))
        .args([
            "admin",
            "--json",
            "installer",
            "create",
            "--email",
            "installer@example.com",
            "--full-name",
            "Installer",
        ])
        .arg("--password-stdin")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = create.spawn()?;
    std::io::Write::write_all(
        &mut child.stdin.take().context("no input")?,
        b"Your-password-1",
    )?;
    let made: Value = serde_json::from_slice(&child.wait_with_output()?.stdout)?;

    let login = curl(&[
        "-X",
        "POST",
        &format!("{base}/api/v1/installer/login"),
        "-H",
        "Content-Type: application/json",
        "-d",
        r#"{"email": "installer@example.com", "password": "Your-password-1"}"#,
    ])?;
    ensure!(login.status == 200, "{}", login.body);
    ensure!(
        fields(&login.body) == ["access_token", "expires_in", "installer_id", "token_type"],
        "{}",
        login.body
    );
    ensure!(
        login.body["token_type"] == "Bearer" && login.body["expires_in"] == 3600,
        "{}",
        login.body
    );
    ensure!(
        login.body["installer_id"] == made["installer_id"],
        "{} {made}",
        login.body
    );
    let token = login.body["access_token"].as_str().unwrap_or_default();
    ensure!(token.starts_with("eyJ"), "{token}");

    // An installer's token works under /installer/ only.
    let elsewhere = curl(&[
        &format!("{base}/api/v1/cpo/fleet/summary"),
        "-H",
        &format!("Authorization: Bearer {token}"),
    ])?;
    ensure!(
        elsewhere.status == 403 && elsewhere.body["error"] == "forbidden",
        "{}",
        elsewhere.body
    );
    Ok(())
}
