//! The cars of one site, and what is true of each visit: which session the daemon said it is once it was
//! safe on its disk, and what the charger's meter showed before and after.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use demo::Connector;
use scenarios::meter_wh;
use simulator::Ev;
use site_controller::local::report::StatusReport;
use site_controller::local::{Answer, Request, ask};
use tokio::time::Instant;

/// How often the daemon is asked.
const LOOK_EVERY: Duration = Duration::from_millis(60);
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// One car from plugging in to leaving.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) charge_point: String,
    pub(crate) session: String,
    pub(crate) before_wh: u64,
    pub(crate) after_wh: u64,
    /// The daemon died between the plug and the session's record: energy may have flowed before it.
    pub(crate) late: bool,
}

/// What is known of the site from outside.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) visits: Vec<Visit>,
    /// Highest sequence that the daemon said is safe.
    pub(crate) safe: u64,
    /// Sessions that the daemon said are safe.
    pub(crate) sessions: BTreeSet<String>,
    /// Deaths of the daemon so far.
    pub(crate) deaths: u32,
    /// No new cars.
    pub(crate) closing: bool,
    /// Everybody left.
    pub(crate) empty: bool,
}

pub(crate) type Shared = Arc<Mutex<Ledger>>;

/// Held while somebody looks at the daemon: who holds it knows that nothing is being told.
pub(crate) type Looking = Arc<tokio::sync::Mutex<()>>;

pub(crate) fn lock(ledger: &Shared) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Clone)]
enum Bay {
    /// Nobody, until then.
    Free(Instant),
    /// Plugged in; the daemon has not said so yet.
    Arrived { before_wh: u64, deaths: u32 },
    /// In a session that is safe, until then.
    Charging { visit: Visit, until: Instant },
    /// Unplugged; the daemon has not said so yet.
    Left(Visit),
}

/// Lets cars come and go until the ledger is closed and everybody left.
pub(crate) async fn come_and_go(
    connectors: Vec<Connector>,
    socket: PathBuf,
    ledger: Shared,
    looking: Looking,
    mut rng: fastrand::Rng,
) {
    let mut bays: Vec<Bay> = connectors
        .iter()
        .map(|_| Bay::Free(soon(&mut rng)))
        .collect();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let _looks = looking.lock().await;
        let path = socket.clone();
        let asked =
            tokio::task::spawn_blocking(move || ask(&path, &Request::Status {}, ANSWER_MAX));
        let Ok(Ok(Answer::Status { status })) = asked.await else {
            continue;
        };
        let mut held = lock(&ledger);
        held.safe = held.safe.max(status.storage.last_sequence);
        for (connector, bay) in connectors.iter().zip(&mut bays) {
            *bay = next(bay.clone(), connector, &status, &mut held, &mut rng);
        }
        if held.closing && bays.iter().all(|bay| matches!(bay, Bay::Free(_))) {
            held.empty = true;
            return;
        }
    }
}

fn next(
    bay: Bay,
    connector: &Connector,
    status: &StatusReport,
    ledger: &mut Ledger,
    rng: &mut fastrand::Rng,
) -> Bay {
    let all_safe = status.storage.facts_waiting == 0 && status.storage.problem.is_none();
    let session = session_of(status, &connector.charge_point);
    match bay {
        Bay::Free(until) if !ledger.closing && Instant::now() >= until => {
            let before_wh = meter_wh(connector);
            connector.charger.plug_in(Ev {
                ready_after_ms: rng.u64(0..600),
                ..Ev::three_phase_11_kw()
            });
            let deaths = ledger.deaths;
            Bay::Arrived { before_wh, deaths }
        }
        Bay::Arrived { before_wh, deaths } if all_safe && let Some(session) = session => {
            ledger.sessions.insert(session.clone());
            let visit = Visit {
                charge_point: connector.charge_point.clone(),
                session,
                before_wh,
                after_wh: before_wh,
                late: ledger.deaths != deaths,
            };
            let until = soon(rng);
            Bay::Charging { visit, until }
        }
        Bay::Charging { visit, until } if ledger.closing || Instant::now() >= until => {
            connector.charger.unplug();
            Bay::Left(visit)
        }
        Bay::Left(visit) if all_safe && session.is_none() && is_free(status, connector) => {
            ledger.visits.push(Visit {
                after_wh: meter_wh(connector),
                ..visit
            });
            Bay::Free(soon(rng))
        }
        unchanged @ (Bay::Free(_) | Bay::Arrived { .. } | Bay::Charging { .. } | Bay::Left(_)) => {
            unchanged
        }
    }
}

fn session_of(status: &StatusReport, charge_point: &str) -> Option<String> {
    let shown = shown(status, charge_point)?;
    shown
        .session
        .as_ref()
        .map(|session| session.session_id.clone())
}

fn is_free(status: &StatusReport, connector: &Connector) -> bool {
    shown(status, &connector.charge_point).is_some_and(|shown| shown.status == "Available")
}

fn shown<'a>(
    status: &'a StatusReport,
    charge_point: &str,
) -> Option<&'a site_controller::local::report::Connector> {
    let mut all = status.charge_points.iter();
    let found = all.find(|found| found.charge_point_id == charge_point)?;
    found.connectors.first()
}

fn soon(rng: &mut fastrand::Rng) -> Instant {
    Instant::now() + Duration::from_millis(rng.u64(0..2_500))
}
