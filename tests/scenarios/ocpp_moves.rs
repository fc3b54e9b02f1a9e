//! A gateway whose charge points go from somebody else's central system to ours and back, with queues
//! pending: each session is told to one of them, once, and exists once.

use anyhow::{Context as _, ensure};
use demo::until;
use scenarios::{Relay, Stage, StoredSession, free_port};
use serde_json::{Value, json};

use crate::ocpp_site::get;
use crate::peers::Peer;
use crate::station::{RECONNECTED, SOON, books, calls, calls_when, car, csms, of_station, visit};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charge_points_that_move_with_queues_pending_leave_no_session_out_and_none_twice()
-> anyhow::Result<()> {
    let ports = [free_port()?, free_port()?];
    let folder = tempfile::tempdir()?;
    let foreign = url(ports[0]) + "\"\nexternal = true\n";
    let mut stage = Stage::with_configuration(43, |site| {
        let ours = site.configuration_with_ocpp("http://OURS");
        ours.replace("ws://OURS/ocpp/1.6\"\n", &foreign)
    })
    .await?;
    let cloud = stage.cloud.base().replacen("http://", "", 1);
    let relay = Relay::start(cloud.parse()?).await?;
    let ours = url(relay.port()) + "\"\n";

    // At somebody else's, which is away: one session begins and ends, another one runs.
    visit(&stage, "CP-LEFT").await?;
    stage.connector("CP-RIGHT")?.charger.plug_in(car());
    stage.status_becomes("CP-RIGHT", "Charging", SOON).await?;
    let refused = ask(&stage, "CP-LEFT").await?;
    ensure!(refused == "managed_elsewhere", "{refused}");

    // Ours from now on: for the one that charges, once it does so no more.
    moved(&mut stage, (&foreign, &ours)).await?;
    takes_orders(&stage, "CP-LEFT").await?;
    visit(&stage, "CP-LEFT").await?;
    let refused = ask(&stage, "CP-RIGHT").await?;
    ensure!(
        refused == "managed_elsewhere",
        "a session of theirs runs: {refused}"
    );
    stage.connector("CP-RIGHT")?.charger.unplug();
    stage.status_becomes("CP-RIGHT", "Available", SOON).await?;
    takes_orders(&stage, "CP-RIGHT").await?;

    // The other one comes back and gets what is owed to it, and nothing else.
    let theirs = csms(ports, 2_000, folder.path()).await?;
    owed_and_waiting(&stage, "both sessions of theirs are told", (0, 0)).await?;
    let log = calls(&theirs);
    ensure!(
        log.iter().filter_map(books).count() == 4 && boots(&log, "CP-FRONT") == 0,
        "{log:?}"
    );

    // Ours cannot be reached any more; then theirs again.
    relay.freeze().await;
    visit(&stage, "CP-LEFT").await?;
    moved(&mut stage, (&ours, &foreign)).await?;
    calls_when(&theirs, SOON, "the charge points are back", |calls| {
        boots(calls, "CP-FRONT") == 1 && boots(calls, "CP-LEFT") == 2
    })
    .await?;
    visit(&stage, "CP-LEFT").await?;
    owed_and_waiting(&stage, "theirs is told everything", (1, 0)).await?;
    relay.renew().await;
    owed_and_waiting(&stage, "so is ours", (0, 0)).await?;
    told_and_stored(&stage, &theirs).await
}

/// Each session once: with its register at its central system, and marked in ours.
async fn told_and_stored(stage: &Stage, theirs: &Peer) -> anyhow::Result<()> {
    stage.drained(SOON).await?;
    let log = calls(theirs);
    let invalid: Vec<&Value> = log
        .iter()
        .filter(|call| call["action"] == "invalid")
        .collect();
    ensure!(invalid.is_empty(), "{invalid:?}");
    let sessions = stage.stored_sessions()?;
    ensure!(sessions.len() == 5, "{sessions:?}");
    for (id, whose) in [
        ("CP-LEFT", &["theirs", "ours", "ours", "theirs"][..]),
        ("CP-RIGHT", &["theirs"][..]),
    ] {
        let stored: Vec<&StoredSession> = sessions
            .iter()
            .filter(|session| session.charge_point == id)
            .collect();
        ensure!(stored.len() == whose.len(), "{id}: {stored:?}");
        let mut expected = Vec::new();
        for (session, whose) in stored.iter().zip(whose) {
            let theirs = *whose == "theirs";
            if theirs {
                expected.push(json!(["start", session.meter_start_wh]));
                let stop = json!(["stop", session.meter_stop_wh, session.stop_reason]);
                expected.push(stop);
            }
            let shown = get(&stage.api, &format!("/sessions/{}", session.id)).await?;
            let managed_by = if theirs {
                json!("external")
            } else {
                Value::Null
            };
            ensure!(
                shown["managed_by"] == managed_by && shown["status"] == "completed",
                "{shown}"
            );
            ensure!(shown["transaction_id"].is_null() == theirs, "{shown}");
        }
        let told: Vec<Value> = of_station(&log, id).filter_map(books).collect();
        ensure!(told == expected, "{id}: told {told:?}, stored {stored:?}");
        // No watt-hour is in two sessions, and none is left out.
        let registers: Vec<_> = stored
            .windows(2)
            .map(|pair| (pair[0].meter_stop_wh, Some(pair[1].meter_start_wh)))
            .collect();
        ensure!(
            registers.iter().all(|(stop, start)| stop <= start),
            "{registers:?}"
        );
    }
    let rest = get(&stage.api, "/sessions?limit=100").await?;
    ensure!(rest["total"] == 5, "{rest}");
    let open = get(&stage.api, "/ocpp16/active_transactions").await?;
    ensure!(open["total"] == 0, "{open}");
    Ok(())
}

/// The gateway is cut off and starts again with another address.
async fn moved(stage: &mut Stage, (before, after): (&str, &str)) -> anyhow::Result<()> {
    stage.gateway.process.kill().await?;
    let file = stage.gateway.folder().join("site-controller.toml");
    let text = std::fs::read_to_string(&file)?;
    ensure!(text.contains(before), "{text}");
    std::fs::write(&file, text.replace(before, after))?;
    stage.gateway.restart().await
}

/// How many central systems that were left are owed something, and how much waits for where they are.
async fn owed_and_waiting(
    stage: &Stage,
    what: &str,
    (owed, waiting): (usize, u64),
) -> anyhow::Result<()> {
    let reached = |status: &Value| {
        let points = status["charge_points"].as_array();
        let waits = |point: &Value| point["ocpp"]["waiting"].as_u64();
        points.is_some_and(|points| points.iter().filter_map(waits).sum::<u64>() == waiting)
            && status["owed"]
                .as_array()
                .is_some_and(|all| all.len() == owed)
    };
    let told = stage.gateway.status_when(RECONNECTED, what, reached).await;
    told.with_context(|| format!("{:?}", stage.gateway.status()))?;
    Ok(())
}

fn boots(calls: &[Value], station: &str) -> usize {
    let of_station = of_station(calls, station);
    of_station
        .filter(|call| call["action"] == "BootNotification")
        .count()
}

async fn takes_orders(stage: &Stage, charge_point: &str) -> anyhow::Result<()> {
    until(
        RECONNECTED,
        &format!("{charge_point} takes orders of ours"),
        async || Ok((ask(stage, charge_point).await? == "Accepted").then_some(())),
    )
    .await
    .with_context(|| stage.gateway.process.last_words())
}

/// What becomes of an order of ours that changes nothing.
async fn ask(stage: &Stage, charge_point: &str) -> anyhow::Result<Value> {
    let body = json!({"charge_point_id": charge_point});
    let path = "/api/v1/ocpp16/get_local_list_version";
    let answer = stage
        .api
        .send(reqwest::Method::POST, path, Some(&body))
        .await?;
    let told = [&answer.body["error"], &answer.body["status"]];
    Ok(told
        .into_iter()
        .find(|told| told.is_string())
        .cloned()
        .unwrap_or_default())
}

fn url(port: u16) -> String {
    format!("ws://127.0.0.1:{port}/ocpp/1.6")
}
