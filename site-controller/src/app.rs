//! The composition root: what is started, in which order, and how it ends. Reads top to bottom.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use site_core::{Site, SiteConfig};
use site_model::GatewayId;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::buses::BusSet;
use crate::clock::Clock;
use crate::config::Plan;
use crate::ids;
use crate::lifecycle::{self, Heart};
use crate::local::{ListenError, Listener};
use crate::ocpp::Stations;
use crate::runtime::{Ended, Inputs, Parts, Runtime};
use crate::store::{Found, OpenError, Opened, Options, Store};
use crate::uplink::{BrokerConfig, Uplink, UplinkConfig};

/// Bus events that may wait for the core; beyond it the buses merge readings.
const BUS_EVENTS_MAX: usize = 128;
/// Local requests that may wait; beyond it the socket waits.
const LOCAL_REQUESTS_MAX: usize = 16;
/// How long everything may take to end before the rest is cut off.
const GOODBYE_MAX: Duration = Duration::from_secs(10);

/// Why the daemon does not run, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The journal.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The local socket.
    #[error(transparent)]
    Socket(#[from] ListenError),
    /// Signals cannot be heard.
    #[error("signals cannot be heard: {0}")]
    Signals(std::io::Error),
    /// A task panicked; systemd starts the daemon again, and sessions go on from the journal.
    #[error("{0} ended unexpectedly; the journal is safe, start the daemon again")]
    TaskEnded(String),
}

/// Runs the daemon until it is told to stop, or is to start anew.
///
/// # Errors
/// [`AppError`], a sentence.
pub async fn run(plan: Plan) -> Result<Ended, AppError> {
    let (stop, cut_off) = (CancellationToken::new(), CancellationToken::new());
    lifecycle::on_signals(stop.clone(), cut_off.clone()).map_err(AppError::Signals)?;

    let clock = Clock::system(ids::boot());
    let opened = open_journal(&plan, &clock).await?;
    let Opened {
        store,
        events: store_events,
        mut found,
    } = opened;
    let site = rebuild(plan.site, &mut found, &clock);
    tracing::info!(
        gateway.id = %plan.gateway,
        journal.id = %found.journal,
        last_sequence = found.last_sequence,
        "Site controller {} is up",
        env!("CARGO_PKG_VERSION")
    );

    let listener = Listener::bind(&plan.socket).await?;
    let uplink_config = uplink_config(&plan.gateway, plan.broker, &clock, &found);
    let goodbye = CancellationToken::new();
    let (uplink, uplink_task) =
        Uplink::spawn(uplink_config, store.clone(), clock.clone(), goodbye.clone());
    let lost = Arc::new(OnceLock::new());
    let uplink_task = watch("the uplink", uplink_task, stop.clone(), Arc::clone(&lost));
    let (local_requests, local) = mpsc::channel(LOCAL_REQUESTS_MAX);
    let (end, desk) = (found.last_sequence, &local_requests);
    let links = Stations::spawn(plan.stations, &store, end, &clock, desk, &goodbye).await;
    let links_task = watch("an OCPP link", links.tasks, stop.clone(), Arc::clone(&lost));
    let (bus_events, bus) = mpsc::channel(BUS_EVENTS_MAX);
    let buses = BusSet::spawn(plan.buses, &bus_events);
    let socket_task = tokio::spawn(listener.run(local_requests, goodbye.clone()));
    let (name, stopped) = ("the local socket", stop.clone());
    let socket_task = watch(name, socket_task, stopped, Arc::clone(&lost));

    let inputs = Inputs {
        bus,
        store: store_events,
        local,
        stations: links.requests,
        stop,
    };
    let parts = Parts {
        site,
        clock,
        store: store.clone(),
        uplink,
        stations: links.stations,
        buses,
        heart: Heart::new(),
        gateway: plan.gateway,
        meters: plan.meters,
    };
    let core = tokio::spawn(Runtime::new(parts, &found).run(inputs));
    lifecycle::ready("charging");

    let ended = core.await;
    if !matches!(ended, Ok((_, Ended::Again))) {
        lifecycle::stopping();
    }
    tracing::info!("Stopping; chargers keep their last limit");
    let ended = ended.map_err(|panic| AppError::TaskEnded(format!("the core ({panic})")));
    tokio::select! {
        () = wind_down(goodbye, [uplink_task, links_task, socket_task], store) => {}
        () = tokio::time::sleep(GOODBYE_MAX) => tracing::warn!("Not everything ended in time"),
        () = cut_off.cancelled() => tracing::warn!("Cut off by a second signal"),
    }
    let (buses, ended) = ended?;
    buses.stop().await;
    fate(&lost)?;
    Ok(ended)
}

fn fate(lost: &OnceLock<&'static str>) -> Result<(), AppError> {
    if let Some(task) = lost.get() {
        return Err(AppError::TaskEnded((*task).to_owned()));
    }
    tracing::info!("Stopped");
    Ok(())
}

fn uplink_config(
    gateway: &GatewayId,
    broker: BrokerConfig,
    clock: &Clock,
    found: &Found,
) -> UplinkConfig {
    UplinkConfig {
        gateway: gateway.clone(),
        boot: clock.now().boot,
        journal: found.journal.clone(),
        last_sequence: found.last_sequence,
        mark: found.mark,
        broker,
    }
}

/// A task that panics takes the daemon down in order: half a daemon is worse than a restart.
fn watch(
    name: &'static str,
    task: JoinHandle<()>,
    stop: CancellationToken,
    lost: Arc<OnceLock<&'static str>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(panic) = task.await {
            tracing::error!(%panic, "A task of the daemon panicked: {name}");
            // Only the first one is told.
            let _already_told = lost.set(name);
            stop.cancel();
        }
    })
}

/// The site as the journal left it; the clock goes on from there.
#[must_use]
pub fn rebuild(config: SiteConfig, found: &mut Found, clock: &Clock) -> Site {
    for notice in &found.notices {
        tracing::error!("{notice}");
    }
    if let Some(recorded) = found.last_wall {
        clock.not_before(recorded);
    }
    let mut site = Site::new(config);
    for fact in std::mem::take(&mut found.replay) {
        site.apply(&fact);
    }
    site
}

async fn open_journal(plan: &Plan, clock: &Clock) -> Result<Opened, AppError> {
    let (dir, now) = (plan.data_dir.clone(), clock.now());
    let opened = tokio::task::spawn_blocking(move || Store::open(&dir, now, Options::default()));
    let opened = opened
        .await
        .map_err(|panic| AppError::TaskEnded(format!("opening the journal ({panic})")))?;
    Ok(opened?)
}

/// The last facts are stored before the link says goodbye; what the cloud lacks it gets after the next start.
async fn wind_down(goodbye: CancellationToken, tasks: [JoinHandle<()>; 3], store: Store) {
    goodbye.cancel();
    for task in tasks {
        // Panics are told by `watch`.
        let _ended = task.await;
    }
    store.close().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_takes_the_daemon_down_and_is_named() {
        let (stop, lost) = (CancellationToken::new(), Arc::new(OnceLock::new()));
        let fine = tokio::spawn(async {});
        let _ended = watch("fine", fine, stop.clone(), Arc::clone(&lost)).await;
        assert!(!stop.is_cancelled());
        let broken = tokio::spawn(async { panic!("on purpose") });
        let _ended = watch("broken", broken, stop.clone(), Arc::clone(&lost)).await;
        assert!(stop.is_cancelled());
        assert_eq!(lost.get(), Some(&"broken"));
    }
}
