//! The central system: all stations come at once, rest, call as fast as they are answered, and are
//! commanded over REST.

mod echo;
mod load;
mod station;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::Method;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::{Figure, median, process};
use echo::Echo;
use load::{CALLERS, Charging, percentile_99};
use station::{OwnTimes, Resting, Station};

pub(crate) use echo::{ECHO, serve_echo};

const STATIONS: u16 = 5_000;
/// Requests that are on their way while stations are registered.
const REGISTERING: usize = 32;
const STORM_MAX: Duration = Duration::from_secs(60);
/// Memory is looked at from here …
const SETTLED: Duration = Duration::from_secs(5);
/// … to here after the storm, so that every station has been pinged.
const RESTED: Duration = Duration::from_secs(70);
const COMMANDS: usize = 500;
/// Descriptors that a process needs besides the stations' sockets.
const DESCRIPTORS_BESIDES: u64 = 512;

/// A charge point as it is registered.
#[derive(Debug, Clone)]
struct Registered {
    id: String,
    password: String,
}

pub(crate) async fn figures() -> anyhow::Result<Vec<Figure>> {
    raise_descriptors()?;
    let binaries = demo::Binaries::beside_this_program()?;
    let folder = tempfile::tempdir()?;
    let options = demo::CloudOptions::default();
    let mut cloud = demo::Cloud::start(&binaries, folder.path(), options).await?;
    let tenant = cloud.tenant("Bench", 1_000_000_000)?;
    let registered = register(&cloud.api(&tenant.key)?).await?;
    // What registering left behind is not what connections take.
    cloud.process.terminate().await?;
    cloud.restart().await?;
    let api = cloud.api(&tenant.key)?;
    until_online(&api, 0).await?;
    let empty_kib = process::resident_kib(cloud.process.id())?;

    let own_times = OwnTimes::default();
    let (mut resting, mut figures) = storm(&cloud, &registered, &own_times).await?;
    if resting.len() < registered.len() {
        // What follows is about all of them.
        return Ok(figures);
    }
    figures.push(memory(&cloud, &resting, empty_kib).await?);
    until_online(&api, STATIONS).await?;

    let echo = Echo::start()?;
    let mut callers = Vec::new();
    for number in 0..CALLERS {
        let station = resting.swap_remove(0).call_back().await?;
        callers.push(charge(&api, station, number).await?);
    }
    let (callers, of_load) = load::figures(callers, cloud.process.id(), &echo).await?;
    drop(echo);
    figures.extend(of_load);
    let mut sent = 0;
    for caller in callers {
        sent += caller.sent;
        resting.push(caller.station.rest(own_times.clone()));
    }
    let kept = kept_readings(&cloud)?;
    ensure!(
        kept == sent,
        "{sent} MeterValues were answered, {kept} kept"
    );

    figures.extend(commands(&api, &registered, &own_times).await?);
    until_online(&api, STATIONS).await?;
    ensure!(
        resting.iter().all(Resting::is_connected),
        "a station was cut off"
    );
    Ok(figures)
}

/// As many descriptors as the sockets need, in this process and in those that it starts.
fn raise_descriptors() -> anyhow::Result<()> {
    let needed = u64::from(STATIONS) + DESCRIPTORS_BESIDES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|soft| soft >= needed) {
        return Ok(());
    }
    ensure!(
        limit.maximum.is_none_or(|hard| hard >= needed),
        "{STATIONS} stations need {needed} descriptors: raise the hard limit (`ulimit -Hn`)"
    );
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(needed),
            maximum: limit.maximum,
        },
    )?;
    Ok(())
}

async fn register(api: &demo::Api) -> anyhow::Result<Vec<Registered>> {
    let mut registered = Vec::with_capacity(usize::from(STATIONS));
    let mut running = JoinSet::new();
    for number in 0..STATIONS {
        if running.len() >= REGISTERING {
            registered.extend(running.join_next().await.transpose()?.transpose()?);
        }
        running.spawn(register_one(api.clone(), format!("BENCH-{number:04}")));
    }
    for done in running.join_all().await {
        registered.push(done?);
    }
    Ok(registered)
}

async fn register_one(api: demo::Api, id: String) -> anyhow::Result<Registered> {
    let body = json!({"charge_point_id": id, "vendor": "Bench", "model": "Station"});
    let path = "/api/v1/chargepoints";
    let answer = api.send(Method::POST, path, Some(&body)).await?;
    let password = answer.body["provisioning_password"].as_str();
    let password = password.with_context(|| format!("{id}: {}", answer.body))?;
    Ok(Registered {
        password: password.to_owned(),
        id,
    })
}

async fn until_online(api: &demo::Api, stations: u16) -> anyhow::Result<()> {
    let what = format!("{stations} stations are online");
    demo::until(Duration::from_secs(30), &what, async || {
        Ok((api.summary().await?["online"] == stations).then_some(()))
    })
    .await
}

/// All stations connect and boot at the same moment.
async fn storm(
    cloud: &demo::Cloud,
    registered: &[Registered],
    own_times: &OwnTimes,
) -> anyhow::Result<(Vec<Resting>, Vec<Figure>)> {
    let address = cloud.base().trim_start_matches("http://").to_owned();
    let began = Instant::now();
    let mut booting = JoinSet::new();
    for station in registered {
        let (address, station) = (address.clone(), station.clone());
        let own_times = own_times.clone();
        booting.spawn(async move {
            let booted = boot(&address, &station).await?;
            anyhow::Ok((booted.rest(own_times), began.elapsed()))
        });
    }
    let (mut resting, mut waits, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(booted) = booting.join_next().await {
        match booted? {
            Ok((station, waited)) => {
                resting.push(station);
                waits.push(waited.as_secs_f64());
            }
            Err(error) => errors.push(format!("{error:#}")),
        }
    }
    let took = began.elapsed().as_secs_f64();
    if let Some(first) = errors.first() {
        crate::say(&format!(
            "{} boots failed, the first: {first}",
            errors.len()
        ));
    }
    let middle = median(&mut waits);
    let figures = vec![
        Figure {
            name: "OCPP: stations that all connect at once and are accepted".to_owned(),
            value: format!("{} of {STATIONS}", waits.len()),
            limit: "all".to_owned(),
            reached: errors.is_empty(),
        },
        Figure::at_most(
            "OCPP: the same, from the first connect to the last Accepted",
            took,
            STORM_MAX.as_secs_f64(),
            "s",
        ),
        Figure::report(
            "  wait of a station, median and 99 of 100",
            format!("{middle:.1} s, {:.1} s", percentile_99(&waits)),
        ),
    ];
    Ok((resting, figures))
}

async fn boot(address: &str, station: &Registered) -> anyhow::Result<Station> {
    let credential = (station.id.as_str(), station.password.as_str());
    let mut connected = Station::connect(address, Some(credential)).await?;
    let payload = "{\"chargePointVendor\":\"Bench\",\"chargePointModel\":\"Station\",\"firmwareVersion\":\"1.0\"}";
    let answer = connected.call("BootNotification", payload).await?;
    let id = &station.id;
    ensure!(
        answer.contains("\"status\":\"Accepted\""),
        "{id}: BootNotification was answered by {answer}"
    );
    Ok(connected)
}

/// The highest that the server takes while all stations rest, beyond what it took without them.
async fn memory(
    cloud: &demo::Cloud,
    resting: &[Resting],
    empty_kib: u32,
) -> anyhow::Result<Figure> {
    let began = Instant::now();
    tokio::time::sleep(SETTLED).await;
    let mut highest = 0;
    while began.elapsed() < RESTED {
        highest = highest.max(process::resident_kib(cloud.process.id())?);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let connected = resting.iter().filter(|one| one.is_connected()).count();
    ensure!(connected == resting.len(), "a resting station was cut off");
    let stations = f64::from(u32::try_from(connected)?);
    Ok(Figure::at_most(
        "OCPP: resident memory of the server per idle connection",
        f64::from(highest.saturating_sub(empty_kib)) / stations,
        20.0,
        "KiB",
    ))
}

/// A transaction begins on a station, with a token of its own.
async fn charge(api: &demo::Api, station: Station, number: usize) -> anyhow::Result<Charging> {
    let id_tag = format!("BENCH{number}");
    let body = json!({"id_tag": id_tag});
    let answer = api
        .send(Method::POST, "/api/v1/tokens", Some(&body))
        .await?;
    ensure!(answer.status == 201, "{id_tag}: {}", answer.body);
    Charging::start(station, &id_tag).await
}

/// Meter values in the server's database, without those that begin a session.
fn kept_readings(cloud: &demo::Cloud) -> anyhow::Result<i64> {
    let path = cloud.folder().join("data/cloud.sqlite");
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    let sql = "SELECT COUNT(*) FROM session_readings WHERE kind <> 'start'";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Commands one after the other, each to another station.
async fn commands(
    api: &demo::Api,
    registered: &[Registered],
    own_times: &OwnTimes,
) -> anyhow::Result<Vec<Figure>> {
    let body = json!({"command": "set_available", "parameters": {"connector_id": 1}});
    let mut waits = Vec::with_capacity(COMMANDS);
    for station in registered.iter().step_by(registered.len() / COMMANDS) {
        let path = format!("/api/v1/cpo/commands/{}", station.id);
        let began = Instant::now();
        let answer = api.send(Method::POST, &path, Some(&body)).await?;
        let took = began.elapsed();
        ensure!(
            answer.status == 200 && answer.body["status"] == "Accepted",
            "{}: {}",
            station.id,
            answer.body
        );
        let id = answer.body["command_id"].as_str();
        let own = own_times.take(id.context("no command_id")?);
        let own = own.context("a command was answered by nobody")?;
        waits.push(took.saturating_sub(own).as_secs_f64() * 1_000.0);
    }
    let middle = median(&mut waits);
    let p99 = percentile_99(&waits);
    let figure = |which: &str, value, limit| {
        let name = format!("OCPP: REST command, the station's own time apart, {which}");
        Figure::at_most(name, value, limit, "ms")
    };
    Ok(vec![
        figure("median", middle, 10.0),
        figure("99 of 100", p99, 50.0),
    ])
}
