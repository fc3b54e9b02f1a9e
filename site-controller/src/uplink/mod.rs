//! The way up: MQTT 5. Live snapshots (retained, latest wins) go ahead of facts (in order, at least
//! once, from the journal). Never decides what is true, never blocks the core.

mod connection;
mod dialogue;
mod link;
mod outbox;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use site_model::{BootId, ChargePointId, GatewayId, JournalId, WallTime};
use site_wire::v1::{RefusedChargePoint, Snapshot};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::store::Store;

pub use dialogue::{Dialogue, Wire};
pub use link::{BrokerConfig, Tls};

/// Publishes without PUBACK; the rest waits here, where the latest snapshot wins.
pub(crate) const IN_FLIGHT_MAX: usize = 32;

/// Who speaks, and where the journal stands.
#[derive(Debug, Clone)]
pub struct UplinkConfig {
    /// Who.
    pub gateway: GatewayId,
    /// This boot.
    pub boot: BootId,
    /// The journal file.
    pub journal: JournalId,
    /// Highest sequence of the journal.
    pub last_sequence: u64,
    /// Highest sequence acknowledged so far.
    pub mark: u64,
    /// The broker.
    pub broker: BrokerConfig,
}

/// How the link is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LinkStatus {
    /// Since when it is up; `None` while it is not.
    pub connected_since: Option<WallTime>,
    /// What went wrong last, with what to do.
    pub last_error: Option<String>,
    /// Facts that the cloud has not acknowledged.
    pub facts_waiting: u64,
    /// Charge points that the cloud does not accept from this gateway.
    pub refused: Vec<RefusedChargePoint>,
}

/// Handle for the core's side; cheap to clone, never blocks.
#[derive(Debug, Clone)]
pub struct Uplink {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    snapshots: BTreeMap<ChargePointId, Waiting>,
    last_sequence: u64,
    mark: u64,
    status: LinkStatus,
}

/// The latest snapshot of a charge point.
#[derive(Debug)]
struct Waiting {
    payload: Vec<u8>,
    unsent: bool,
}

impl Uplink {
    /// Starts the uplink's task; it ends after the token is cancelled and the goodbye is said.
    #[must_use]
    pub fn spawn(
        config: UplinkConfig,
        store: Store,
        clock: Clock,
        stop: CancellationToken,
    ) -> (Self, JoinHandle<()>) {
        let shared = Shared::of(&config);
        let task = connection::Task::new(config, store, clock, Arc::clone(&shared));
        let handle = tokio::spawn(task.run(stop));
        (Self { shared }, handle)
    }

    /// The same without a task and a broker: whoever drives the dialogue carries its messages.
    #[must_use]
    pub fn by_hand(config: &UplinkConfig, store: Store, clock: Clock) -> (Self, Dialogue) {
        let shared = Shared::of(config);
        let dialogue = Dialogue::new(config, store, clock, Arc::clone(&shared));
        (Self { shared }, dialogue)
    }

    /// The live view of a charge point changed: sent as soon as possible, only the latest counts.
    pub fn publish(&self, charge_point: &ChargePointId, snapshot: &Snapshot) {
        let payload = serde_json::to_vec(snapshot)
            .expect("a snapshot is made of texts and numbers and always writes as JSON");
        let waiting = Waiting {
            payload,
            unsent: true,
        };
        self.shared
            .state()
            .snapshots
            .insert(charge_point.clone(), waiting);
        self.shared.changed.notify_one();
    }

    /// Facts up to this sequence are in the journal.
    pub fn committed(&self, last_sequence: u64) {
        self.shared.state().last_sequence = last_sequence;
        self.shared.changed.notify_one();
    }

    /// How the link is doing.
    #[must_use]
    pub fn status(&self) -> LinkStatus {
        let state = self.shared.state();
        LinkStatus {
            facts_waiting: state.last_sequence.saturating_sub(state.mark),
            ..state.status.clone()
        }
    }

    /// A handle without a task behind it.
    #[cfg(test)]
    pub(crate) fn unconnected() -> Self {
        Self {
            shared: Arc::new(Shared::default()),
        }
    }

    /// The snapshots that wait, as JSON.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> BTreeMap<ChargePointId, Snapshot> {
        let state = self.shared.state();
        let read = |waiting: &Waiting| serde_json::from_slice(&waiting.payload).unwrap();
        state
            .snapshots
            .iter()
            .map(|(id, waiting)| (id.clone(), read(waiting)))
            .collect()
    }
}

impl Shared {
    fn of(config: &UplinkConfig) -> Arc<Self> {
        let state = State {
            last_sequence: config.last_sequence,
            mark: config.mark,
            ..State::default()
        };
        Arc::new(Self {
            state: Mutex::new(state),
            changed: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send_all_again(&self) {
        for waiting in self.state().snapshots.values_mut() {
            waiting.unsent = true;
        }
    }

    /// Takes one snapshot that was not sent yet.
    fn take_unsent(&self) -> Option<(ChargePointId, Vec<u8>)> {
        let mut state = self.state();
        let (id, waiting) = state
            .snapshots
            .iter_mut()
            .find(|(_, waiting)| waiting.unsent)?;
        waiting.unsent = false;
        Some((id.clone(), waiting.payload.clone()))
    }
}
