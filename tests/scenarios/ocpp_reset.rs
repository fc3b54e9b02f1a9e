//! Reset of a charge point behind a gateway: by an independent central system (Python's `ocpp` package),
//! and from REST over our own. It begins anew, its neighbours go on.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::until;
use scenarios::{Stage, free_port};
use serde_json::{Value, json};

use crate::ocpp_site::{configuration, get, post};
use crate::station::{calls_when, car, csms, nothing_waits, of_station, order, with_ocpp};

const SOON: Duration = Duration::from_secs(60);

/// What a charge point said of its transactions, and when it booted.
fn story(calls: &[Value], charge_point: &str) -> Vec<Value> {
    let told = of_station(calls, charge_point).filter_map(|call| {
        let fields = &call["fields"];
        match call["action"].as_str()? {
            "BootNotification" => Some(json!("boot")),
            "StartTransaction" => Some(json!(["start", fields["meterStart"]])),
            "StopTransaction" => Some(json!(["stop", fields["meterStop"], fields["reason"]])),
            _ => None,
        }
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_central_system_resets_a_charge_point_softly_and_hard_during_a_session()
-> anyhow::Result<()> {
    let ports = [free_port()?, free_port()?];
    let folder = tempfile::tempdir()?;
    let csms = csms(ports, 5_000, folder.path()).await?;
    let stage = Stage::with_configuration(44, |site| with_ocpp(ports[0], site)).await?;
    let left = stage.connector("CP-LEFT")?;
    for (kind, told) in [("Soft", 4), ("Hard", 7)] {
        left.charger.plug_in(car());
        stage.status_becomes("CP-LEFT", "Charging", SOON).await?;
        let started = |calls: &[Value]| {
            let last = story(calls, "CP-LEFT").pop();
            last.is_some_and(|last| last[0] == "start")
        };
        calls_when(&csms, SOON, "the start", started).await?;
        nothing_waits(&stage).await?;
        let answer = order(ports[1], "CP-LEFT", "Reset", json!({"type": kind})).await?;
        ensure!(answer == json!({"status": "Accepted"}), "{kind}: {answer}");
        until(SOON, "the charger offers nothing", async || {
            Ok((left.charger.limit().0 == 0).then_some(()))
        })
        .await?;
        let all = |calls: &[Value]| story(calls, "CP-LEFT").len() == told;
        calls_when(&csms, SOON, "the stop and the boot", all).await?;
        left.charger.unplug();
        stage.status_becomes("CP-LEFT", "Available", SOON).await?;
    }
    stage.drained(SOON).await?;
    let sessions = stage.stored_sessions()?;
    ensure!(sessions.len() == 2, "{sessions:?}");
    let [soft, hard] = [&sessions[0], &sessions[1]];
    let expected = [
        json!("boot"),
        json!(["start", soft.meter_start_wh]),
        json!(["stop", soft.meter_stop_wh, "SoftReset"]),
        json!("boot"),
        json!(["start", hard.meter_start_wh]),
        json!("boot"),
        json!(["stop", hard.meter_stop_wh, "HardReset"]),
    ];
    let told = calls_when(&csms, SOON, "what was said", |_| true).await?;
    let left = story(&told, "CP-LEFT");
    ensure!(left == expected, "{left:?}, stored {sessions:?}");
    let right = story(&told, "CP-RIGHT");
    ensure!(right == [json!("boot")], "its neighbour goes on: {right:?}");
    let invalid = told.iter().find(|call| call["action"] == "invalid");
    ensure!(invalid.is_none(), "{invalid:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hard_reset_of_rest_is_done_when_the_charge_point_behind_a_gateway_boots_again()
-> anyhow::Result<()> {
    const CHARGE_POINT: &str = "CP-FRONT";
    let stage = Stage::beside_the_cloud(53, configuration).await?;
    let Stage { api, gateway, .. } = &stage;
    post(api, "/tokens", &json!({"id_tag": "T1"})).await?;

    let charger = &stage.connector(CHARGE_POINT)?.charger;
    charger.plug_in(car());
    let start = json!({"charge_point_id": CHARGE_POINT, "connector_id": 1, "id_tag": "T1"});
    until(SOON, "a start is accepted", async || {
        let asked = post(api, "/sessions", &start).await;
        Ok(asked.ok().filter(|told| told["status"] == "Accepted"))
    })
    .await
    .with_context(|| gateway.process.last_words())?;
    until(SOON, "10 W flow", async || {
        Ok((charger.power_mw() > 10_000).then_some(()))
    })
    .await?;
    let path = format!("/cpo/commands/{CHARGE_POINT}");
    let reset = post(api, &path, &json!({"command": "hard_reset"})).await?;
    ensure!(reset["status"] == "Accepted", "{reset}");
    let path = format!(
        "/cpo/commands/{}",
        reset["command_id"].as_str().unwrap_or_default()
    );
    until(SOON, "the reset is done", async || {
        let command = get(api, &path).await?;
        Ok((command["state"] == "completed").then_some(()))
    })
    .await
    .with_context(|| gateway.process.last_words())?;
    ensure!(
        charger.limit().0 == 0,
        "it boots when the pause is read back"
    );
    let sessions = format!("/sessions?charge_point_id={CHARGE_POINT}");
    until(SOON, "the session has ended with its reason", async || {
        let all = get(api, &sessions).await?;
        let ended = all["sessions"][0]["stop_reason"] == "HardReset";
        Ok((ended && all["total"] == 1).then_some(()))
    })
    .await?;
    let frames = get(
        api,
        &format!("/chargepoints/{CHARGE_POINT}/frames?limit=200"),
    )
    .await?;
    let frames = frames["frames"].as_array().context("frames are kept")?;
    let invalid = frames.iter().find(|frame| frame["validity"] != "valid");
    ensure!(invalid.is_none(), "between our own ends: {invalid:?}");
    Ok(())
}
