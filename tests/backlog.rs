//! Days without the cloud, told when it is back: how long that takes, and how late live state is meanwhile.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use demo::{Api, Binaries, Cloud, CloudOptions, Gateway, MqttLink, until};
use rusqlite::Connection;
use simulator::{ChargerHandle, Ev};
use site_controller::local::report::StatusReport;
use site_controller::local::{Answer, Request, ask};
use site_model::WallTime;
use tokio::time::{Instant, sleep};

use crate::depot::Depot;
use crate::month::{Days, Happened, SESSION_PREFIX, record};
use crate::relay::Relay;

const CONNECTORS: usize = 32;
const SESSIONS_PER_DAY: u32 = 50;
/// Changes that are watched on their way to REST when nothing is left to be told.
const QUIET_CHANGES: usize = 10;
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(180);

/// What was seen.
#[derive(Debug)]
pub struct CatchUp {
    /// What had happened meanwhile.
    pub happened: Happened,
    /// The journal's file then.
    pub bytes_on_disk: u64,
    /// From the connection to the cloud's word that it has every fact.
    pub took: Duration,
    /// From a change at a charger to REST, ms, while the backlog was told.
    pub delays_during: Vec<f64>,
    /// The same afterwards.
    pub delays_after: Vec<f64>,
    /// Sessions of the backlog in the cloud that have an end, and their energy in Wh.
    pub stored: (u64, u64),
}

impl CatchUp {
    /// Facts in a second.
    #[must_use]
    pub fn facts_per_s(&self) -> f64 {
        f64::from(u32::try_from(self.happened.facts).unwrap_or(u32::MAX)) / self.took.as_secs_f64()
    }
}

/// A gateway with 32 connectors and 50 sessions a day comes back after so many days.
///
/// # Errors
/// If a part does not start or the cloud does not get everything in time.
pub async fn catch_up(binaries: &Binaries, days: u32) -> anyhow::Result<CatchUp> {
    let folder = tempfile::tempdir()?;
    let options = CloudOptions::default();
    let cloud = Cloud::start(binaries, &folder.path().join("cloud"), options).await?;
    let tenant = cloud.tenant("Backlog", 1_000_000_000)?;
    let enrolled = cloud.enrol(&tenant.site_id)?;
    let depot = Depot::start(5, CONNECTORS).await?;
    let relay = Relay::start(SocketAddr::from(([127, 0, 0, 1], cloud.mqtt_port()))).await?;
    let place = folder.path().join("gateway");
    let port = relay.port();
    Gateway::configure(&place, &enrolled, MqttLink { port }, depot.configuration())?;
    let mut gateway = Gateway::start(binaries, &place).await?;
    let api = cloud.api(&tenant.key)?;
    until(
        Duration::from_secs(60),
        "every charge point is online",
        async || Ok((api.summary().await?["online"] == CONNECTORS).then_some(())),
    )
    .await
    .with_context(|| gateway.process.last_words())?;
    gateway.process.terminate().await?;

    let names = depot.charge_points();
    let days = Days {
        charge_points: &names,
        days,
        sessions_per_day: SESSIONS_PER_DAY,
        until: WallTime(jiff::Timestamp::now().as_millisecond() - 60_000),
        seed: 9,
    };
    let happened = record(&place.join("data"), &days).await?;
    relay.freeze().await;
    gateway.restart().await?;
    let socket = place.join("socket");
    let waiting = until(
        Duration::from_secs(60),
        "every charger answers",
        async || {
            let status = look(&socket).await?;
            let all = status.charge_points.iter().all(|point| point.online);
            Ok(all.then_some(status))
        },
    )
    .await?;
    relay.renew().await;
    let watched = (
        names.last().context("no charge point")?,
        depot.chargers.last(),
    );
    let charger = watched.1.context("no charger")?;
    let (took, delays_during) = watch(&socket, &api, watched.0, charger).await?;
    let mut delays_after = Vec::new();
    for _ in 0..QUIET_CHANGES {
        delays_after.push(change(&api, watched.0, charger).await?);
    }
    Ok(CatchUp {
        happened,
        bytes_on_disk: waiting.storage.bytes_on_disk,
        took,
        delays_during,
        delays_after,
        stored: stored(&cloud)?,
    })
}

/// Until the cloud has everything: how long that took, and how late changes were meanwhile.
async fn watch(
    socket: &Path,
    api: &Api,
    charge_point: &str,
    charger: &ChargerHandle,
) -> anyhow::Result<(Duration, Vec<f64>)> {
    let told = async {
        until(CAUGHT_UP_WITHIN, "the gateway is connected", async || {
            Ok(look(socket).await?.cloud.connected_since_ms)
        })
        .await?;
        let began = Instant::now();
        until(CAUGHT_UP_WITHIN, "the cloud has every fact", async || {
            let cloud = look(socket).await?.cloud;
            Ok((cloud.connected_since_ms.is_some() && cloud.facts_waiting == 0).then_some(()))
        })
        .await?;
        anyhow::Ok(began.elapsed())
    };
    let mut delays = Vec::new();
    let changes = async {
        loop {
            delays.push(change(api, charge_point, charger).await?);
        }
    };
    tokio::select! {
        took = told => Ok((took?, delays)),
        failed = changes => failed,
    }
}

/// A car comes or goes: ms until REST says so.
async fn change(api: &Api, charge_point: &str, charger: &ChargerHandle) -> anyhow::Result<f64> {
    let wanted = if charger.unplug().is_some() {
        "Available"
    } else {
        charger.plug_in(Ev {
            ready_after_ms: 600_000,
            ..Ev::three_phase_11_kw()
        });
        "Preparing"
    };
    let began = Instant::now();
    until(Duration::from_secs(60), wanted, async || {
        let status = api.status(charge_point).await?;
        Ok((status["connectors"][0]["status"] == wanted).then_some(()))
    })
    .await?;
    let delay = began.elapsed().as_secs_f64() * 1000.0;
    // The next change falls anywhere between two polls.
    sleep(Duration::from_millis(
        50 + 37 * (began.elapsed().subsec_millis() % 5) as u64,
    ))
    .await;
    Ok(delay)
}

async fn look(socket: &Path) -> anyhow::Result<StatusReport> {
    let path = socket.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        ask(&path, &Request::Status {}, Duration::from_secs(5))
    });
    match asked.await?? {
        Answer::Status { status } => Ok(*status),
        Answer::Command { .. } | Answer::Tag { .. } | Answer::Error { .. } => {
            anyhow::bail!("not asked for")
        }
    }
}

fn stored(cloud: &Cloud) -> anyhow::Result<(u64, u64)> {
    let database = Connection::open(cloud.folder().join("data/cloud.sqlite"))?;
    let (sessions, energy): (i64, i64) = database.query_row(
        "SELECT COUNT(*), COALESCE(SUM(meter_stop_wh - meter_start_wh), 0) FROM sessions
         WHERE ended_at_ms IS NOT NULL AND id LIKE ?1",
        [format!("{SESSION_PREFIX}%")],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok((u64::try_from(sessions)?, u64::try_from(energy)?))
}
