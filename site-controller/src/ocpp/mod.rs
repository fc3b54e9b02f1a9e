//! The station side: each charge point behind this gateway is an OCPP 1.6J charge point towards its
//! central system, over a WebSocket of its own. What it says follows from the facts of the journal.

mod access;
mod asked;
mod by_hand;
mod charging;
mod diagnostics;
mod endpoint;
mod extension;
mod face;
mod farewell;
mod firmware;
mod jobs;
mod messages;
mod meters;
mod moves;
mod outbox;
mod progress;
mod queue;
mod reset;
mod security;
mod settings;
mod socket;
mod station;
mod task;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use site_model::{
    Change, ChargePointId, ChargePointView, CommandId, ConnectorId, Fact, IdTag, Milliamps,
    RefusalReason, Reservation, ReservationAnswer, ReservationId, SessionId, StopReason, Timestamp,
    WallTime, WattHours,
};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::runtime::LocalRequest;
use crate::store::Store;
use crate::store::stations;
use access::{Access, Gate, PRESENTED_MAX};
use charging::Keeper;
use extension::Extension;
use face::Face;
use farewell::{AllOwed, Around, Farewells};
use meters::Meters;
use moves::Place;
use queue::{Queue, Settled, Told};
use reset::Reset;
use settings::Settings;
use station::Station;
use task::Task;

pub use access::{About, Presentation, Shown};
pub use by_hand::{LinkByHand, LinksByHand};
pub use endpoint::{Endpoint, InvalidUrl, Url};
pub use meters::Measured;
pub use station::Registration;

/// Orders of central systems that may wait for the core; beyond it their links wait.
const REQUESTS_MAX: usize = 16;
/// How long the core may take for an order: a commit, and what waits before it.
const SITE_ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// When the id of a transaction was not recorded, its start is told again after this time.
const NOTE_AGAIN: Duration = Duration::from_secs(1);

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
    /// Starts and ends of sessions that are still to be told.
    pub waiting: u64,
    /// Messages about transactions that no central system would take; the journal's file keeps them.
    pub set_aside: u64,
    /// Why the newest of them is there.
    pub set_aside_why: Option<String>,
}

impl StationStatus {
    fn has_set_aside(&mut self, told: &Told) {
        self.set_aside += told.set_aside;
        if told.why.is_some() {
            self.set_aside_why.clone_from(&told.why);
        }
    }
}

/// What a charge point still owes to a central system that it has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Who.
    pub charge_point: ChargePointId,
    /// To whom.
    pub address: String,
    /// Starts and ends of sessions that are still to be told there.
    pub waiting: u64,
    /// What went wrong last, with what to do.
    pub last_error: Option<String>,
}

/// What a central system wants of the site.
#[derive(Debug)]
pub struct StationRequest {
    /// The id of its call, where that can be an order's.
    pub id: Option<CommandId>,
    /// Of which charge point.
    pub charge_point: ChargePointId,
    /// What.
    pub wish: Wish,
    /// What the core says to it, once that is safe on disk.
    pub reply: oneshot::Sender<Verdict>,
}

/// What the core says to a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken.
    Accepted,
    /// It is not, for this reason if the core gives one.
    Refused(Option<RefusalReason>),
    /// It is carried out when the running session has ended.
    Scheduled,
    /// To a wish about a reservation.
    Reservation(ReservationAnswer),
}

/// A wish, in the site's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Let a vehicle charge on this tag.
    Start {
        /// Absent: wherever one waits, or could.
        connector: Option<ConnectorId>,
        /// Who pays.
        id_tag: IdTag,
        /// The tag's group, as far as it is known.
        parent: Option<IdTag>,
        /// How long the vehicle is waited for (`ConnectionTimeOut`).
        within: Duration,
    },
    /// End this session.
    Stop {
        /// Which.
        session: SessionId,
        /// Recorded as its reason.
        reason: StopReason,
    },
    /// The same, by whoever presented this tag at the charge point.
    StopByTag {
        /// Which.
        session: SessionId,
        /// Recorded with its end.
        id_tag: IdTag,
    },
    /// Its central system does not accept the tag that it began with.
    Disown {
        /// Which.
        session: SessionId,
        /// What it may take all the same, from its start on (`MaxEnergyOnInvalidId`).
        allowance: WattHours,
        /// Then it is ended (`StopTransactionOnInvalidId`); or it stays and is offered nothing.
        ends: bool,
    },
    /// Record which transaction this session is.
    Assigned {
        /// Which session, running or ended.
        session: SessionId,
        /// As the central system numbers it.
        transaction_id: i64,
    },
    /// Take into or out of operation.
    Availability {
        /// Absent: all of the charge point.
        connector: Option<ConnectorId>,
        /// Into, not out of.
        operative: bool,
    },
    /// What charging profiles leave each connector from now on; `None` is no limit.
    ProfilesLimit(Vec<(ConnectorId, Option<Milliamps>)>),
    /// Keep a connector, or any one, for somebody.
    Reserve(Reservation),
    /// Keep it no longer.
    CancelReservation(ReservationId),
    /// End what runs and begin anew; nothing begins meanwhile.
    Reset {
        /// The devices are paused and read anew.
        hard: bool,
    },
}

/// Where one charge point's wishes go.
#[derive(Debug, Clone)]
struct Wishes {
    charge_point: ChargePointId,
    requests: mpsc::Sender<StationRequest>,
}

impl Wishes {
    /// What the site says to a wish, once that is safe on disk.
    async fn ask(&self, id: Option<CommandId>, wish: Wish) -> Result<Verdict, String> {
        let asked = async {
            let verdict = self.make(id, wish).await?;
            verdict.await.map_err(|_| "the site stops".to_owned())
        };
        in_time(asked).await
    }

    /// The same for whoever need not wait for it.
    async fn make(
        &self,
        id: Option<CommandId>,
        wish: Wish,
    ) -> Result<oneshot::Receiver<Verdict>, String> {
        let (reply, verdict) = oneshot::channel();
        let request = StationRequest {
            id,
            charge_point: self.charge_point.clone(),
            wish,
            reply,
        };
        let sent = self.requests.send(request).await;
        sent.map(|()| verdict)
            .map_err(|_| "the site stops".to_owned())
    }

    /// Has the id of a session's transaction recorded.
    async fn note(&self, session: SessionId, transaction_id: i64) -> Result<(), Settled> {
        let wish = Wish::Assigned {
            session,
            transaction_id,
        };
        let Err(problem) = self.ask(None, wish).await else {
            return Ok(());
        };
        tracing::error!(
            charge_point.id = %self.charge_point,
            "The start of a transaction is told again, because its id was not recorded: {problem}"
        );
        Err(Settled::Again(NOTE_AGAIN))
    }
}

/// Gives up what the site does not answer.
async fn in_time<T>(asked: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout(SITE_ANSWERS_WITHIN, asked)
        .await
        .unwrap_or_else(|_elapsed| Err("the site does not answer".to_owned()))
}

/// What [`Stations::spawn`] started.
#[derive(Debug)]
pub struct Links {
    /// The core's handle.
    pub stations: Stations,
    /// Ends when every link has ended.
    pub tasks: JoinHandle<()>,
    /// What central systems want.
    pub requests: mpsc::Receiver<StationRequest>,
}

/// Handle for the core's side; never blocks.
#[derive(Debug, Default)]
pub struct Stations {
    links: BTreeMap<ChargePointId, Arc<Shared>>,
    owed: AllOwed,
    /// The journal's end, as far as it is safe on disk.
    committed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    access: Mutex<Access>,
    /// Where tags are presented.
    gate: mpsc::Sender<Presentation>,
    changed: Notify,
    /// For the charging profiles.
    charging: charging::Watch,
    /// For MeterValues and the data of a stop.
    meters: Arc<Meters>,
}

#[derive(Debug)]
struct State {
    face: Option<Face>,
    last_sequence: u64,
    status: StationStatus,
    /// The clock was set since the task looked, by so many milliseconds.
    clock_set: Option<i64>,
    /// The local list allows a tag that the central system does not; it is to be told.
    list_conflict: bool,
    /// The charge point is to begin anew.
    reset: Option<Reset>,
    /// A fact on its way into the journal announces the charge point at another central system.
    leaves: bool,
}

impl State {
    fn new(place: &Place, last_sequence: u64) -> Self {
        Self {
            face: None,
            last_sequence,
            status: StationStatus {
                address: place.endpoint.address(),
                connected_since: None,
                registration: Registration::Unknown,
                last_error: None,
                waiting: place.waiting,
                set_aside: place.set_aside.0,
                set_aside_why: place.set_aside.1.clone(),
            },
            clock_set: None,
            list_conflict: false,
            reset: None,
            leaves: false,
        }
    }

    /// Facts up to here may be told where the charge point is; what follows may be for another one.
    fn last_told_here(&self) -> u64 {
        if self.leaves { 0 } else { self.last_sequence }
    }
}

impl Stations {
    /// Starts a task for each endpoint; they end after the token is cancelled. `last_sequence` is the
    /// journal's end; at the `desk` the site's status is asked for.
    pub async fn spawn(
        endpoints: Vec<Endpoint>,
        store: &Store,
        last_sequence: u64,
        clock: &Clock,
        desk: &mpsc::Sender<LocalRequest>,
        stop: &CancellationToken,
    ) -> Links {
        let (requests, received) = mpsc::channel(REQUESTS_MAX);
        let (committed, ends) = watch::channel(last_sequence);
        let around = Around {
            store: store.clone(),
            clock: clock.clone(),
            requests: requests.clone(),
            owed: AllOwed::default(),
            ends,
            stop: stop.clone(),
        };
        let parts = LinkParts {
            store,
            around: &around,
            last_sequence,
            clock,
            desk,
            // Files of all charge points move one after the other.
            turn: Arc::new(Semaphore::new(1)),
            requests,
        };
        let mut tasks = JoinSet::new();
        let mut links = BTreeMap::new();
        forget_others(&endpoints, store).await;
        for endpoint in endpoints {
            let link = parts.link(endpoint).await;
            let charge_point = link.task.endpoint.charge_point.clone();
            links.insert(charge_point, Arc::clone(&link.task.shared));
            tasks.spawn(link.keeper.run(stop.clone()));
            tasks.spawn(link.gate.run(stop.clone()));
            tasks.spawn(link.task.run(stop.clone()));
        }
        drop(parts);
        for farewells in moves::without_endpoint(&links, &around).await {
            tasks.spawn(farewells.ended());
        }
        let all = tokio::spawn(async move {
            while let Some(ended) = tasks.join_next().await {
                ended.expect("the task of a link ends by itself");
            }
        });
        Links {
            stations: Self {
                links,
                owed: around.owed,
                committed,
            },
            tasks: all,
            requests: received,
        }
    }

    /// The live view of a charge point, all of it safe on disk.
    pub fn show(&self, view: &ChargePointView, now: &Timestamp) {
        let Some(link) = self.links.get(&view.announcement.charge_point) else {
            return;
        };
        link.charging.show(view);
        link.meters.show(view, now);
        let mut state = link.state();
        let face = Face::of(view, now, state.face.as_ref());
        if state.face.as_ref() != Some(&face) {
            state.face = Some(face);
            link.changed.notify_one();
        }
    }

    /// A tag is presented at a charge point. Whether it may charge is judged where its central system's
    /// word is known; without a central system nobody's is.
    pub fn present(&self, charge_point: &ChargePointId, presentation: Presentation) {
        let (presentation, reason) = match self.links.get(charge_point) {
            None => (presentation, "no_central_system"),
            Some(link) => match link.gate.try_send(presentation) {
                Ok(()) => return,
                Err(full) => (full.into_inner(), "busy"),
            },
        };
        if let Some(reply) = presentation.reply {
            // Whoever presented it may have gone.
            let _unheard = reply.send(Shown::Refused(reason));
        }
    }

    /// Facts were recorded: starts and ends of sessions wait to be told.
    pub fn recorded(&self, facts: &[Fact]) {
        for fact in facts {
            if let Change::ClockCorrected { offset_ms, .. } = fact.change {
                self.clock_set(offset_ms);
            }
            if let Change::SessionStarted { charge_point, .. }
            | Change::SessionEnded { charge_point, .. } = &fact.change
                && let Some(link) = self.links.get(charge_point)
            {
                link.state().status.waiting += 1;
            }
            for link in reset::about(&fact.change, &self.links) {
                reset::recorded(&mut link.state().reset, &fact.change, fact.at);
                link.changed.notify_one();
            }
            if let Some((charge_point, connector, somebody)) = charging::authorization(&fact.change)
                && let Some(link) = self.links.get(charge_point)
            {
                link.charging.authorized(connector, somebody);
            }
            if let Change::ChargePointAnnounced(announcement) = &fact.change
                && let Some(link) = self.links.get(&announcement.charge_point)
                && let Some(central_system) = &announcement.central_system
            {
                let mut state = link.state();
                state.leaves = central_system.address != state.status.address;
            }
        }
    }

    /// The clock was set by so many milliseconds: a security event.
    pub fn clock_set(&self, offset_ms: i64) {
        for link in self.links.values() {
            link.state().clock_set = Some(offset_ms);
            link.changed.notify_one();
        }
    }

    /// Whether a charge point has a central system.
    #[must_use]
    pub fn has(&self, charge_point: &ChargePointId) -> bool {
        self.links.contains_key(charge_point)
    }

    /// Facts up to this sequence are safe on disk.
    pub fn committed(&self, last_sequence: u64) {
        self.committed.send_replace(last_sequence);
        for link in self.links.values() {
            link.state().last_sequence = last_sequence;
            link.changed.notify_one();
        }
    }

    /// What is owed to central systems that charge points have left.
    #[must_use]
    pub fn owed(&self) -> Vec<Owed> {
        self.owed.all().values().cloned().collect()
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

/// What the links of a gateway share when they are made.
struct LinkParts<'a> {
    store: &'a Store,
    around: &'a Around,
    last_sequence: u64,
    clock: &'a Clock,
    desk: &'a mpsc::Sender<LocalRequest>,
    turn: Arc<Semaphore>,
    requests: mpsc::Sender<StationRequest>,
}

/// One charge point's tasks, not running yet.
#[derive(Debug)]
struct Link {
    task: Task,
    keeper: Keeper,
    gate: Gate,
}

impl LinkParts<'_> {
    async fn link(&self, endpoint: Endpoint) -> Link {
        let (store, clock) = (self.store, self.clock);
        let charge_point = endpoint.charge_point.clone();
        let place = moves::place_of(&endpoint, self.around).await;
        let settings = settings_of(&endpoint, store).await;
        let state = State::new(&place, self.last_sequence);
        let access = Access::restored(&charge_point, store, settings.clone()).await;
        let (gate, presented) = mpsc::channel(PRESENTED_MAX);
        let meters = Arc::new(Meters::new(&endpoint.electrics, &settings));
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            access: Mutex::new(access),
            gate,
            changed: Notify::new(),
            charging: charging::Watch::default(),
            meters: Arc::clone(&meters),
        });
        let wishes = Wishes {
            charge_point: charge_point.clone(),
            requests: self.requests.clone(),
        };
        let rules = (settings.profile_rules(), endpoint.electrics.as_slice());
        let (keeper, profiles) =
            Keeper::new(rules, wishes.clone(), store, clock, Arc::clone(&shared));
        let (gate, asking) = Gate::new(&shared, store, clock, presented, &wishes, &profiles);
        let mut farewells = Farewells::new(self.around.clone(), Some(Arc::clone(&shared)));
        farewells.begin(place.left).await;
        let mut station = Station::new(settings);
        station.set_security_profile(place.security.profile());
        let (dir, desk) = (store.dir().to_owned(), self.desk.clone());
        let task = Task {
            endpoint: place.endpoint,
            configured: endpoint,
            farewells,
            station,
            extension: Extension::new(place.security, dir, desk, Arc::clone(&self.turn)),
            store: store.clone(),
            queue: Queue::new(store.clone(), place.line, place.cursor, meters),
            profiles,
            wishes,
            asking,
            clock: clock.clone(),
            shared,
        };
        Link { task, keeper, gate }
    }
}

/// The keys as the central system left them.
async fn settings_of(endpoint: &Endpoint, store: &Store) -> Settings {
    let id = endpoint.charge_point.clone();
    let stored = store.work(move |db| stations::configuration(db, &id));
    let (settings, left_out) = Settings::new(endpoint, &stored.await.unwrap_or_default());
    for problem in left_out {
        tracing::warn!(charge_point.id = %endpoint.charge_point, "A stored configuration key is left out: {problem}");
    }
    settings
}

async fn forget_others(endpoints: &[Endpoint], store: &Store) {
    let wanted: Vec<ChargePointId> = endpoints
        .iter()
        .map(|endpoint| endpoint.charge_point.clone())
        .collect();
    let forgotten = store.work(move |db| stations::forget_others(db, &wanted));
    if let Err(problem) = forgotten.await {
        tracing::debug!(
            "What central systems set up that charge points have no more is forgotten later: {problem}"
        );
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn access(&self) -> MutexGuard<'_, Access> {
        // No code under this lock can leave it half changed.
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
