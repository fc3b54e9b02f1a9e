//! The composition root: what is started, in which order, and how it ends. Reads top to bottom.

use std::time::Duration;

use site_core::{Site, SiteConfig};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::buses::BusSet;
use crate::clock::Clock;
use crate::config::Plan;
use crate::ids;
use crate::lifecycle::{self, Heart};
use crate::local::{ListenError, Listener};
use crate::runtime::{Inputs, Parts, Runtime};
use crate::store::{Found, OpenError, Opened, Options, Store};
use crate::uplink::{Uplink, UplinkConfig};

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
    /// The core's loop panicked; systemd starts the daemon again.
    #[error("the core ended unexpectedly ({0}); the journal is safe, start the daemon again")]
    CoreEnded(String),
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// [`AppError`], a sentence.
pub async fn run(plan: Plan) -> Result<(), AppError> {
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
    let uplink_config = UplinkConfig {
        gateway: plan.gateway.clone(),
        boot: clock.now().boot,
        journal: found.journal.clone(),
        last_sequence: found.last_sequence,
        mark: found.mark,
        broker: plan.broker,
    };
    let goodbye = CancellationToken::new();
    let (uplink, uplink_task) =
        Uplink::spawn(uplink_config, store.clone(), clock.clone(), goodbye.clone());
    let (bus_events, bus) = mpsc::channel(BUS_EVENTS_MAX);
    let buses = BusSet::spawn(plan.buses, &bus_events);
    let (local_requests, local) = mpsc::channel(LOCAL_REQUESTS_MAX);
    let socket_task = tokio::spawn(listener.run(local_requests, goodbye.clone()));

    let inputs = Inputs {
        bus,
        store: store_events,
        local,
        stop: stop.clone(),
    };
    let parts = Parts {
        site,
        clock,
        store: store.clone(),
        uplink,
        buses,
        heart: Heart::new(),
        gateway: plan.gateway,
        meters: plan.meters,
    };
    let core = tokio::spawn(Runtime::new(parts, &found).run(inputs));
    lifecycle::ready("charging");

    let ended = core.await;
    lifecycle::stopping();
    tracing::info!("Stopping; chargers keep their last limit");
    let buses = ended.map_err(|panic| AppError::CoreEnded(panic.to_string()));
    tokio::select! {
        () = wind_down(buses.as_ref().is_ok(), goodbye, [uplink_task, socket_task], store) => {}
        () = tokio::time::sleep(GOODBYE_MAX) => tracing::warn!("Not everything ended in time"),
        () = cut_off.cancelled() => tracing::warn!("Cut off by a second signal"),
    }
    buses?.stop().await;
    Ok(())
}

/// The site as the journal left it.
fn rebuild(config: SiteConfig, found: &mut Found, clock: &Clock) -> Site {
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
    let (dir, now) = (plan.data_dir.clone(), clock.now().wall);
    let opened = tokio::task::spawn_blocking(move || Store::open(&dir, now, Options::default()));
    let opened = opened
        .await
        .map_err(|panic| AppError::CoreEnded(panic.to_string()))?;
    Ok(opened?)
}

/// The last facts are stored before the link says goodbye; what the cloud lacks it gets after the next start.
async fn wind_down(
    orderly: bool,
    goodbye: CancellationToken,
    tasks: [JoinHandle<()>; 2],
    store: Store,
) {
    goodbye.cancel();
    for task in tasks {
        if let Err(error) = task.await {
            tracing::error!(%error, "A task ended unexpectedly");
        }
    }
    store.close().await;
    if orderly {
        tracing::info!("Stopped");
    }
}
