//! The station side of the real gateway against an independent central system (Python's `ocpp`
//! package, which holds every message in both directions to the official schemas).

use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::{SimulatedSite, until};
use scenarios::{Stage, free_port};
use serde_json::{Value, json};
use simulator::Ev;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::peers::Peer;

pub(crate) const SOON: Duration = Duration::from_secs(30);
/// Reconnecting waits for up to a minute.
pub(crate) const RECONNECTED: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_session_reaches_an_independent_central_system_once_and_to_the_watt_hour()
-> anyhow::Result<()> {
    let ports = [free_port()?, free_port()?];
    let folder = tempfile::tempdir()?;
    let first = csms(ports, 1_000, folder.path()).await?;
    let mut stage = Stage::with_configuration(41, |site| with_ocpp(ports[0], site)).await?;

    // Registration, then what every connector is.
    let told = calls_when(&first, SOON, "boots and statuses", |calls| {
        let of = |action: &str| calls.iter().filter(|call| call["action"] == action).count();
        of("BootNotification") == 4 && of("StatusNotification") >= 8
    })
    .await?;
    let left: Vec<&Value> = of_station(&told, "CP-LEFT").collect();
    ensure!(left[0]["action"] == "BootNotification", "{left:?}");
    ensure!(
        left[0]["fields"]["chargePointVendor"] == "Heidelberg",
        "{left:?}"
    );
    stage
        .gateway
        .status_when(SOON, "every link is accepted", |status| {
            let points = status["charge_points"].as_array();
            points.is_some_and(|points| {
                let accepted = |point: &Value| point["ocpp"]["registration"] == "accepted";
                points.iter().all(accepted)
            })
        })
        .await?;

    // A session while the central system listens.
    visit(&stage, "CP-LEFT").await?;
    calls_when(&first, SOON, "the first stop", |calls| {
        calls.iter().any(|call| call["action"] == "StopTransaction")
    })
    .await?;

    nothing_waits(&stage).await?;

    // It goes away. One session begins and ends, another runs while the gateway is killed.
    let mut log = calls(&first);
    let mut gone = first;
    gone.process.kill().await?;
    visit(&stage, "CP-LEFT").await?;
    let right = stage.connector("CP-RIGHT")?;
    right.charger.plug_in(car());
    stage.status_becomes("CP-RIGHT", "Charging", SOON).await?;
    stage.gateway.process.kill().await?;
    stage.gateway.restart().await?;
    let waiting = stage.gateway.status()?;
    let point = |id: &str| {
        let points = waiting["charge_points"].as_array();
        let mut points = points.into_iter().flatten();
        points.find(|point| point["charge_point_id"] == id).cloned()
    };
    let left = point("CP-LEFT").context("CP-LEFT is shown")?;
    ensure!(left["ocpp"]["waiting"] == 2, "start and stop wait: {left}");
    stage.connector("CP-RIGHT")?.charger.unplug();
    stage.status_becomes("CP-RIGHT", "Available", SOON).await?;

    // It comes back: everything arrives, in order, once.
    let second = csms(ports, 2_000, folder.path()).await?;
    calls_when(&second, RECONNECTED, "both stops", |calls| {
        let stops = calls
            .iter()
            .filter(|call| call["action"] == "StopTransaction");
        stops.count() == 2
    })
    .await?;
    nothing_waits(&stage).await?;
    log.extend(calls(&second));
    let invalid: Vec<&Value> = log
        .iter()
        .filter(|call| call["action"] == "invalid")
        .collect();
    ensure!(invalid.is_empty(), "{invalid:?}");
    stage.drained(SOON).await?;
    let sessions = stage.stored_sessions()?;
    ensure!(sessions.len() == 3, "{sessions:?}");
    for id in ["CP-LEFT", "CP-RIGHT"] {
        let told: Vec<Value> = of_station(&log, id).filter_map(books).collect();
        let stored = sessions.iter().filter(|session| session.charge_point == id);
        let stored: Vec<Value> = stored
            .flat_map(|session| {
                [
                    json!(["start", session.meter_start_wh]),
                    json!(["stop", session.meter_stop_wh, session.stop_reason]),
                ]
            })
            .collect();
        ensure!(told == stored, "{id}: told {told:?}, stored {stored:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_central_system_starts_and_stops_a_session_at_a_modbus_charger()
-> anyhow::Result<()> {
    let ports = [free_port()?, free_port()?];
    let folder = tempfile::tempdir()?;
    let csms = csms(ports, 3_000, folder.path()).await?;
    let stage = Stage::with_configuration(42, |site| with_ocpp(ports[0], site)).await?;
    let left = stage.connector("CP-LEFT")?;
    calls_when(&csms, SOON, "the statuses", |calls| {
        let left = of_station(calls, "CP-LEFT");
        let statuses = left.filter(|call| call["action"] == "StatusNotification");
        statuses.count() >= 2
    })
    .await?;

    let start = json!({"id_tag": "GOOD-1", "connector_id": 1});
    let answer = order(ports[1], "CP-LEFT", "RemoteStartTransaction", start).await?;
    ensure!(answer == json!({"status": "Accepted"}), "{answer}");
    left.charger.plug_in(car());
    stage.status_becomes("CP-LEFT", "Charging", SOON).await?;
    let told = calls_when(&csms, SOON, "the start", |calls| {
        calls
            .iter()
            .any(|call| call["action"] == "StartTransaction")
    })
    .await?;
    let start = told
        .iter()
        .find(|call| call["action"] == "StartTransaction");
    let start = start.context("it was found")?;
    ensure!(start["fields"]["idTag"] == "GOOD-1", "{start}");
    let again = json!({"id_tag": "GOOD-2", "connector_id": 1});
    let answer = order(ports[1], "CP-LEFT", "RemoteStartTransaction", again).await?;
    ensure!(answer == json!({"status": "Rejected"}), "{answer}");
    let out = json!({"connector_id": 1, "type": "Inoperative"});
    let answer = order(ports[1], "CP-LEFT", "ChangeAvailability", out.clone()).await?;
    ensure!(
        answer == json!({"status": "Scheduled"}),
        "a session runs: {answer}"
    );

    nothing_waits(&stage).await?;
    let stop = json!({"transaction_id": 3_000});
    let answer = order(ports[1], "CP-LEFT", "RemoteStopTransaction", stop).await?;
    ensure!(answer == json!({"status": "Accepted"}), "{answer}");
    until(SOON, "the charger offers nothing", async || {
        Ok((left.charger.limit().0 == 0).then_some(()))
    })
    .await?;
    let told = calls_when(&csms, SOON, "the stop", |calls| {
        calls.iter().any(|call| call["action"] == "StopTransaction")
    })
    .await?;
    // The closing that was scheduled happens with the end of the session.
    left.charger.unplug();
    stage.status_becomes("CP-LEFT", "Unavailable", SOON).await?;
    let answer = order(ports[1], "CP-LEFT", "ChangeAvailability", out).await?;
    ensure!(answer == json!({"status": "Accepted"}), "{answer}");

    stage.drained(SOON).await?;
    let sessions = stage.stored_sessions()?;
    ensure!(sessions.len() == 1, "{sessions:?}");
    let books: Vec<Value> = told.iter().filter_map(books).collect();
    let (begin, end) = (sessions[0].meter_start_wh, sessions[0].meter_stop_wh);
    ensure!(
        books == [json!(["start", begin]), json!(["stop", end, "Remote"])],
        "{books:?}, stored {sessions:?}"
    );
    let told = calls(&csms);
    let invalid = told.iter().find(|call| call["action"] == "invalid");
    ensure!(invalid.is_none(), "{invalid:?}");
    Ok(())
}

/// Calls a charge point from the central system; the answer, or its error.
pub(crate) async fn order(
    control: u16,
    station: &str,
    action: &str,
    fields: Value,
) -> anyhow::Result<Value> {
    let mut socket = TcpStream::connect(("127.0.0.1", control)).await?;
    let line = format!("{}\n", json!([station, action, fields]));
    socket.write_all(line.as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer).await?;
    Ok(serde_json::from_str(&answer)?)
}

pub(crate) async fn nothing_waits(stage: &Stage) -> anyhow::Result<()> {
    let told = |status: &Value| {
        let points = status["charge_points"].as_array();
        points.is_some_and(|points| points.iter().all(|point| point["ocpp"]["waiting"] == 0))
    };
    stage
        .gateway
        .status_when(SOON, "every start and stop is told", told)
        .await?;
    Ok(())
}

pub(crate) fn with_ocpp(port: u16, site: &SimulatedSite) -> String {
    let url = format!("ws://127.0.0.1:{port}/ocpp/1.6");
    format!("[ocpp]\nurl = \"{url}\"\n\n{}", site.configuration())
}

/// Start and stop of a transaction, without what the central system made up itself.
pub(crate) fn books(call: &Value) -> Option<Value> {
    let fields = &call["fields"];
    match call["action"].as_str()? {
        "StartTransaction" => Some(json!(["start", fields["meterStart"]])),
        "StopTransaction" => Some(json!(["stop", fields["meterStop"], fields["reason"]])),
        _ => None,
    }
}

pub(crate) fn car() -> Ev {
    Ev {
        ready_after_ms: 500,
        ..Ev::three_phase_11_kw()
    }
}

/// A car comes, charges for a few Wh and leaves.
pub(crate) async fn visit(stage: &Stage, charge_point: &str) -> anyhow::Result<()> {
    let connector = stage.connector(charge_point)?;
    let before = scenarios::meter_wh(connector);
    connector.charger.plug_in(car());
    stage.status_becomes(charge_point, "Charging", SOON).await?;
    until(SOON, "10 Wh have flowed", async || {
        Ok((scenarios::meter_wh(connector) >= before + 10).then_some(()))
    })
    .await?;
    connector.charger.unplug();
    stage
        .status_becomes(charge_point, "Available", SOON)
        .await?;
    Ok(())
}

pub(crate) async fn csms(
    ports: [u16; 2],
    first_id: u32,
    folder: &std::path::Path,
) -> anyhow::Result<Peer> {
    let arguments = [
        ports[0].to_string(),
        ports[1].to_string(),
        first_id.to_string(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Peer::start("ocpp_csms.py", &arguments, folder).await
}

/// Every call that the central system printed so far.
pub(crate) fn calls(csms: &Peer) -> Vec<Value> {
    let printed = csms.process.printed();
    let lines = printed.lines();
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

pub(crate) async fn calls_when(
    csms: &Peer,
    limit: Duration,
    what: &str,
    mut passes: impl FnMut(&[Value]) -> bool,
) -> anyhow::Result<Vec<Value>> {
    let wanted = until(limit, what, || {
        let calls = calls(csms);
        let found = passes(&calls).then_some(calls);
        async move { Ok(found) }
    });
    wanted.await.with_context(|| csms.process.last_words())
}

pub(crate) fn of_station<'a>(
    calls: &'a [Value],
    station: &'a str,
) -> impl Iterator<Item = &'a Value> {
    calls.iter().filter(move |call| call["station"] == station)
}
