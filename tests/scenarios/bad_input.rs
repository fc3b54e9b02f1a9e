//! Bad input at the real binaries: each its clear error, nothing lost, nothing leaked.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::{Binaries, Credential, Gateway, MqttLink, SimulatedSite, until};
use reqwest::Method;
use serde_json::{Value, json};

use scenarios::Stage;

#[test]
fn a_bad_configuration_is_refused_with_every_fault_its_line_and_its_remedy() -> anyhow::Result<()> {
    let binaries = Binaries::beside_this_program()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("site-controller.toml");
    std::fs::write(
        &path,
        "[gateway]\nid = \"gw_1\"\ndata_dir = \"/nowhere\"\nsocket = \"/nowhere/socket\"\n\n[mqtt]\nhost = \"127.0.0.1\"\nport = 1883\npassword = \"very-secret-word\"\n\n\
         [[bus]]\nname = \"line\"\nserial = { path = \"/dev/ttyX\", baud = 19200, parity = \"none\", stop_bits = 1 }\n\
         [[bus.device]]\nid = \"left\"\nprofile = \"no-such-profile\"\nunit = 1\n\
         [[bus.device]]\nid = \"right\"\nprofile = \"heidelberg-energy-control\"\nunit = 2\n\n\
         [[charge_point]]\nid = \"CP 1\"\n[[charge_point.connector]]\nid = 1\ntype = \"Type2\"\ndevice = \"right\"\nmax_current_a = 16\nphases = 3\nauthorization = \"free\"\n\n\
         [[charge_point]]\nid = \"CP-2\"\n[[charge_point.connector]]\nid = 1\ntype = \"Type2\"\ndevice = \"missing\"\nmax_current_a = 16\nphases = 3\nauthorization = \"free\"\n\n\
         [[charge_point]]\nid = \"CP-3\"\n[[charge_point.connector]]\nid = 1\ntype = \"Type2\"\ndevice = \"right\"\nmax_current_a = 3\nphases = 3\nauthorization = \"free\"\n",
    )?;
    let checked = Command::new(&binaries.site_controller[0])
        .arg("--config")
        .arg(&path)
        .arg("--check-config")
        .output()?;
    let said = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    ensure!(
        checked.status.code() == Some(2),
        "exit {:?}:\n{said}",
        checked.status.code()
    );
    for expected in [
        "no-such-profile",
        "heidelberg-energy-control",
        "CP 1",
        "missing",
        "max_current_a",
    ] {
        ensure!(
            said.contains(expected),
            "`{expected}` is not named in:\n{said}"
        );
    }
    ensure!(
        said.contains("site-controller.toml:16: bus[0].device[0].profile"),
        "the line of the profile is not named in:\n{said}"
    );
    ensure!(
        !said.contains("very-secret-word"),
        "a secret leaked:\n{said}"
    );
    Ok(())
}

#[test]
fn a_bad_profile_is_refused_with_file_line_and_remedy() -> anyhow::Result<()> {
    let binaries = Binaries::beside_this_program()?;
    let folder = tempfile::tempdir()?;
    let profiles = folder.path().join("profiles");
    std::fs::create_dir(&profiles)?;
    let good = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../hw-profiles/chargers/heidelberg-energy-control.toml"
    );
    let bad = std::fs::read_to_string(good)?.replacen("vendor = ", "wendor = ", 1);
    std::fs::write(profiles.join("mine.toml"), bad)?;
    let path = folder.path().join("site-controller.toml");
    std::fs::write(
        &path,
        format!(
            "[gateway]\nid = \"gw_1\"\ndata_dir = \"{0}\"\nsocket = \"{0}/socket\"\nprofiles_dir = \"{1}\"\n\n[mqtt]\nhost = \"127.0.0.1\"\nport = 1883\npassword = \"x\"\n",
            folder.path().display(),
            profiles.display()
        ),
    )?;
    let checked = Command::new(&binaries.site_controller[0])
        .arg("--config")
        .arg(&path)
        .arg("--check-config")
        .output()?;
    let said = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    ensure!(
        checked.status.code() == Some(2),
        "exit {:?}:\n{said}",
        checked.status.code()
    );
    ensure!(
        said.contains("mine.toml") && said.contains("wendor") && said.contains("vendor"),
        "{said}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_are_refused_and_the_server_goes_on() -> anyhow::Result<()> {
    let stage = Stage::up(61).await?;
    let keys = "/api/v1/org/api-keys";
    let refused = async |body: String, status: u16, code: &str| {
        let answer = reqwest::Client::new()
            .post(stage.api.url(keys))
            .bearer_auth(&stage.tenant.key)
            .header("Content-Type", "application/json")
            .body(body)
            .send()
            .await?;
        let got = answer.status().as_u16();
        let body: Value = serde_json::from_str(&answer.text().await?)?;
        ensure!(
            got == status && body["error"]["code"] == code,
            "{got} {body}"
        );
        ensure!(
            body["error"]["request_id"]
                .as_str()
                .is_some_and(|id| id.starts_with("req_")),
            "{body}"
        );
        anyhow::Ok(body)
    };
    refused("{\"name\": ".into(), 400, "invalid_request").await?;
    refused("x".repeat(1 << 20), 413, "payload_too_large").await?;
    refused("[".repeat(50_000), 400, "invalid_request").await?;
    let unknown = refused(
        json!({"name": "a", "scopes": ["read:sessions"], "owner": "me"}).to_string(),
        400,
        "invalid_request",
    )
    .await?;
    ensure!(
        unknown["error"]["details"][0]["field"] == "owner",
        "{unknown}"
    );

    let outsider = stage.cloud.tenant("Outsider", 1_000)?;
    let theirs = stage.cloud.api(&outsider.key)?;
    let foreign = theirs
        .send(Method::GET, "/api/v1/chargepoints/CP-LEFT/status", None)
        .await?;
    ensure!(
        foreign.status == 401 && foreign.body["error"] == "unauthorized",
        "{}",
        foreign.body
    );
    ensure!(
        foreign.header("x-ratelimit-remaining") == Some("999"),
        "a foreign resource counts: {:?}",
        foreign.headers
    );
    let nobody = stage
        .api
        .with(Credential::None)
        .send(Method::GET, "/api/v1/nowhere", None)
        .await?;
    ensure!(
        nobody.status == 404 && nobody.body["error"] == "not_found",
        "{}",
        nobody.body
    );
    ensure!(
        stage.api.summary().await?["online"] == 4,
        "the server goes on"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_point_of_somebody_else_is_refused_and_shown_on_both_sides() -> anyhow::Result<()>
{
    let stage = Stage::up(62).await?;
    let other = stage.cloud.tenant("Other", 1_000_000)?;
    let enrolled = stage.cloud.enrol(&other.site_id)?;
    let site = SimulatedSite::start(63).await?;
    // Three of its charge points have names of its own; the fourth is taken.
    let configuration = site
        .configuration()
        .replace("CP-RIGHT", "OTHER-RIGHT")
        .replace("CP-FRONT", "OTHER-FRONT")
        .replace("CP-BACK", "OTHER-BACK");
    let folder = stage.folder.path().join("other-gateway");
    Gateway::configure(
        &folder,
        &enrolled,
        MqttLink {
            port: stage.cloud.mqtt_port(),
        },
        &configuration,
    )?;
    let gateway = Gateway::start(&stage.binaries, &folder).await?;
    let theirs = stage.cloud.api(&other.key)?;
    until(
        Duration::from_secs(30),
        "the other site's three are online",
        async || {
            let summary = theirs.summary().await?;
            Ok((summary["online"] == 3 && summary["total_charge_points"] == 3).then_some(()))
        },
    )
    .await
    .with_context(|| gateway.process.last_words())?;

    gateway
        .status_when(
            Duration::from_secs(10),
            "the cabinet shows the refusal",
            |status| {
                status["cloud"]["refused"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|one| one["charge_point_id"] == "CP-LEFT"))
            },
        )
        .await?;
    let listed = stage.cloud.admin_output(&["gateway", "list"])?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    ensure!(
        text.contains("CP-LEFT"),
        "the administration shows the refusal:\n{text}"
    );
    let shown = gateway.ask(&["status"])?;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    ensure!(
        text.contains("CP-LEFT") && !text.contains(&stage.tenant.organisation_id),
        "the owner must not be named:\n{text}"
    );
    ensure!(
        stage.api.status("CP-LEFT").await?["online"] == true,
        "its owner still has it"
    );
    let read = theirs
        .send(Method::GET, "/api/v1/chargepoints/CP-LEFT/status", None)
        .await?;
    ensure!(read.status == 401, "{}", read.body);
    Ok(())
}
