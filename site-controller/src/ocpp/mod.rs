//! The station side: each charge point behind this gateway is an OCPP 1.6J charge point towards its
//! central system, over a WebSocket of its own. What it says follows from the facts of the journal.

mod endpoint;
mod face;
mod socket;
mod station;
mod task;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use site_model::{ChargePointId, ChargePointView, Timestamp, WallTime};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use face::Face;
use station::Station;
use task::Task;

pub use endpoint::{Endpoint, InvalidUrl, Url};
pub use station::Registration;

/// How one charge point's link is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationStatus {
    /// Where it connects to.
    pub address: String,
    /// Since when the socket stands; `None` while it does not.
    pub connected_since: Option<WallTime>,
    /// Whether the central system accepts it.
    pub registration: Registration,
    /// What went wrong last, with what to do.
    pub last_error: Option<String>,
}

/// Handle for the core's side; never blocks.
#[derive(Debug, Default)]
pub struct Stations {
    links: BTreeMap<ChargePointId, Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    face: Option<Face>,
    status: StationStatus,
}

impl Stations {
    /// Starts a task for each endpoint; they end after the token is cancelled. The handle is of all.
    #[must_use]
    pub fn spawn(
        endpoints: Vec<Endpoint>,
        clock: &Clock,
        stop: &CancellationToken,
    ) -> (Self, JoinHandle<()>) {
        let mut tasks = JoinSet::new();
        let mut links = BTreeMap::new();
        for endpoint in endpoints {
            let status = StationStatus {
                address: endpoint.address(),
                connected_since: None,
                registration: Registration::Unknown,
                last_error: None,
            };
            let state = State { face: None, status };
            let shared = Arc::new(Shared {
                state: Mutex::new(state),
                changed: Notify::new(),
            });
            links.insert(endpoint.charge_point.clone(), Arc::clone(&shared));
            let task = Task {
                endpoint,
                station: Station::new(),
                clock: clock.clone(),
                shared,
            };
            tasks.spawn(task.run(stop.clone()));
        }
        let all = tokio::spawn(async move {
            while let Some(ended) = tasks.join_next().await {
                ended.expect("the task of a link ends by itself");
            }
        });
        (Self { links }, all)
    }

    /// The live view of a charge point, all of it safe on disk.
    pub fn show(&self, view: &ChargePointView, now: &Timestamp) {
        let Some(link) = self.links.get(&view.announcement.charge_point) else {
            return;
        };
        let mut state = link.state();
        let face = Face::of(view, now, state.face.as_ref());
        if state.face.as_ref() != Some(&face) {
            state.face = Some(face);
            link.changed.notify_one();
        }
    }

    /// How each link is doing.
    #[must_use]
    pub fn status(&self) -> BTreeMap<ChargePointId, StationStatus> {
        let links = self.links.iter();
        links
            .map(|(id, link)| (id.clone(), link.state().status.clone()))
            .collect()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
