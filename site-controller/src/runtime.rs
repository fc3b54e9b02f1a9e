//! The loop around the core: one closed enum of inputs, one turn for each. Stores the facts of a
//! decision, performs `at_once` without waiting for the disk and `after_commit` once it is safe, in order.
//!
//! While the disk fails, what was decided is performed all the same: the core has been told and grants
//! nothing new that costs money.

mod measured;
mod presented;
mod station;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use firmware_agent::BusEvent;
use site_core::{Action, Decision, Event, Moment, Site};
use site_model::{
    ChargePointId, Command, CommandId, DeviceId, JournalId, Monotonic, Outcome, Reading,
    ReservationId, Timestamp,
};
use site_wire::v1::{SNAPSHOT_REFRESH_MS, Snapshot};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::buses::Buses;
use crate::clock::{self, Clock};
use crate::flash::FlashUse;
use crate::ids;
use crate::lifecycle::Heart;
use crate::local::report::{self, StatusReport};
use crate::ocpp::{Measured, Shown, StationRequest, Stations, Verdict};
use crate::store::{CHECKPOINT_EVERY_FACTS, Found, Store, StoreEvent, Ticket};
use crate::uplink::Uplink;

/// Housekeeping: clock, watchdog, snapshots that nobody changed.
const TICK: Duration = Duration::from_secs(1);
/// A snapshot is made anew after this time, well before the cloud expects it.
const REFRESH_MS: u64 = SNAPSHOT_REFRESH_MS - 10_000;
/// A disk that does not answer for this long counts as failed.
const DISK_SILENT_MS: u64 = 10_000;
/// How often the store is told the time, for a journal without facts.
const NOTE_TIME_EVERY_MS: u64 = 3_600_000;
/// With nothing due the loop wakes at its tick.
const FAR: Duration = Duration::from_secs(3_600);

/// What can happen here.
#[derive(Debug)]
pub enum Input {
    /// On a line.
    Bus(BusEvent),
    /// In the journal.
    Store(StoreEvent),
    /// At the local socket.
    Local(LocalRequest),
    /// From a central system.
    Station(StationRequest),
    /// The core's deadline passed.
    Deadline,
    /// A second passed.
    Tick,
    /// The daemon is told to stop.
    Stop,
}

/// Whether the loop is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop.
    Yes,
    /// The daemon is to start anew: the next start begins a new journal.
    Again,
    /// It goes on.
    No,
}

/// What somebody at the cabinet wants.
#[derive(Debug)]
pub enum LocalRequest {
    /// To see.
    Status(oneshot::Sender<StatusReport>),
    /// To act.
    Command {
        /// The order; its expiry is counted from its arrival.
        order: LocalOrder,
        /// Its fate.
        reply: oneshot::Sender<(CommandId, Outcome)>,
    },
    /// To charge, or to stop charging.
    Present {
        /// The tag, and where.
        tag: LocalTag,
        /// What whoever presents it is shown.
        reply: oneshot::Sender<Shown>,
    },
}

/// A tag that somebody presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTag {
    /// At which charge point.
    pub charge_point: ChargePointId,
    /// At which connector.
    pub connector: site_model::ConnectorId,
    /// Which.
    pub id_tag: site_model::IdTag,
}

/// An order as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalOrder {
    /// Who asks again with the same id gets the same fate; made here if absent.
    pub id: Option<CommandId>,
    /// Which charge point.
    pub charge_point: ChargePointId,
    /// Which connector.
    pub connector: site_model::ConnectorId,
    /// What to do.
    pub kind: site_model::CommandKind,
    /// How long it may take.
    pub timeout: Duration,
}

/// Where inputs come from.
#[derive(Debug)]
pub struct Inputs {
    /// The lines.
    pub bus: mpsc::Receiver<BusEvent>,
    /// The journal.
    pub store: mpsc::Receiver<StoreEvent>,
    /// The local socket.
    pub local: mpsc::Receiver<LocalRequest>,
    /// Central systems.
    pub stations: mpsc::Receiver<StationRequest>,
    /// The end.
    pub stop: CancellationToken,
}

/// Parts that the loop works with.
#[derive(Debug)]
pub struct Parts<B> {
    /// The core, journal replayed.
    pub site: Site,
    /// Both clocks.
    pub clock: Clock,
    /// The journal.
    pub store: Store,
    /// The way up.
    pub uplink: Uplink,
    /// The charge points towards their central systems.
    pub stations: Stations,
    /// The lines.
    pub buses: B,
    /// Fed while the loop turns.
    pub heart: Heart,
    /// For the status page.
    pub gateway: site_model::GatewayId,
    /// Devices that are only observed.
    pub meters: Vec<DeviceId>,
}

/// The loop's state.
#[derive(Debug)]
pub struct Runtime<B> {
    parts: Parts<B>,
    journal: JournalId,
    /// Highest sequence that is safe on disk.
    committed: u64,
    since_checkpoint: u64,
    /// What waits for the disk, in order.
    releases: VecDeque<Release>,
    /// Why the journal cannot be written, while it cannot.
    storage_problem: Option<String>,
    /// What in the journal is damaged; the next start salvages the rest.
    damage: Option<String>,
    /// What was found at the start.
    notices: Vec<String>,
    /// When the store was last told the time.
    noted_at: Monotonic,
    waiting: BTreeMap<CommandId, Vec<oneshot::Sender<(CommandId, Outcome)>>>,
    /// Who wished to reserve, or to take a reservation back.
    reserving: BTreeMap<(ChargePointId, ReservationId), Vec<oneshot::Sender<Verdict>>>,
    published: BTreeMap<ChargePointId, Monotonic>,
    meter_readings: BTreeMap<DeviceId, (Timestamp, Reading)>,
    flash: FlashUse,
}

/// Actions that wait for a ticket.
#[derive(Debug)]
struct Release {
    ticket: Ticket,
    since: Monotonic,
    actions: Vec<Action>,
    /// What central systems are told.
    verdicts: Vec<(oneshot::Sender<Verdict>, Verdict)>,
    /// What devices told with it.
    measured: Vec<Measured>,
}

impl<B: Buses> Runtime<B> {
    /// A loop that goes on where the journal ends.
    #[must_use]
    pub fn new(parts: Parts<B>, found: &Found) -> Self {
        Self {
            parts,
            journal: found.journal.clone(),
            committed: found.last_sequence,
            since_checkpoint: found.since_checkpoint,
            releases: VecDeque::new(),
            storage_problem: None,
            damage: None,
            notices: found.notices.clone(),
            noted_at: Monotonic(0),
            waiting: BTreeMap::new(),
            reserving: BTreeMap::new(),
            published: BTreeMap::new(),
            meter_readings: BTreeMap::new(),
            flash: FlashUse::default(),
        }
    }

    /// Turns until told to stop or to start anew. Gives the lines back, to be ended.
    pub async fn run(mut self, mut inputs: Inputs) -> (B, Ended) {
        self.begin();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.deadline();
            let due = due.map_or_else(|| Instant::now() + FAR, |at| self.parts.clock.instant(at));
            let input = next(&mut inputs, &mut tick, due).await;
            match self.take(input) {
                Ended::No => {}
                ended @ (Ended::Yes | Ended::Again) => return (self.parts.buses, ended),
            }
        }
    }

    /// Before the first input: the core is told that it is up, and shows what it has.
    pub fn begin(&mut self) {
        self.step(Event::Started);
        self.forget_profiles();
        self.publish_stale();
    }

    /// One turn.
    pub fn take(&mut self, input: Input) -> Ended {
        match input {
            Input::Bus(event) => self.bus_event(event),
            Input::Store(StoreEvent::Superseded { problem }) => {
                tracing::error!("{problem}. A new journal is begun; what charges goes on");
                return Ended::Again;
            }
            Input::Store(event) => self.store_event(event),
            Input::Local(request) => self.local_request(request),
            Input::Station(request) => self.station_request(request),
            Input::Deadline => self.step(Event::DeadlinePassed),
            Input::Tick => self.tick(),
            Input::Stop => return Ended::Yes,
        }
        Ended::No
    }

    /// When [`Input::Deadline`] is due, if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Monotonic> {
        self.parts.site.next_deadline()
    }

    /// The core, to be looked at.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.parts.site
    }

    /// One event through the core.
    fn step(&mut self, event: Event) {
        let now = self.parts.clock.now();
        let moment = Moment {
            now,
            fresh_session: ids::session(now.wall),
        };
        let decision = self.parts.site.handle(&moment, event);
        self.carry_out(now, decision);
    }

    fn carry_out(&mut self, now: Timestamp, decision: Decision) {
        for action in decision.at_once {
            self.perform(action);
        }
        let stored = !decision.facts.is_empty();
        let ticket = if stored {
            Some(self.store(decision.facts))
        } else {
            self.releases.back().map(|release| release.ticket)
        };
        match ticket {
            Some(ticket) if self.storage_problem.is_none() => self.releases.push_back(Release {
                ticket,
                since: now.monotonic,
                actions: decision.after_commit,
                verdicts: Vec::new(),
                measured: Vec::new(),
            }),
            Some(_) | None => self.perform_all(decision.after_commit),
        }
    }

    fn store(&mut self, facts: Vec<site_model::Fact>) -> Ticket {
        self.parts.stations.recorded(&facts);
        self.since_checkpoint += u64::try_from(facts.len()).unwrap_or(u64::MAX);
        let due = self.since_checkpoint > CHECKPOINT_EVERY_FACTS;
        if due {
            self.since_checkpoint = 0;
        }
        let checkpoint = due.then(|| self.parts.site.checkpoint());
        self.parts.store.append(facts, checkpoint)
    }

    fn perform_all(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::WriteLimit { device, limit } => self.parts.buses.write_limit(&device, limit),
            Action::PublishSnapshot { charge_point } => self.publish(&charge_point),
            Action::AnswerCommand { id, outcome } => {
                for reply in self.waiting.remove(&id).unwrap_or_default() {
                    // Whoever asked may have hung up; the fate stands in the journal.
                    let _unheard = reply.send((id.clone(), outcome));
                }
            }
            Action::AnswerReservation {
                charge_point,
                reservation,
                answer,
            } => {
                let asked = self.reserving.remove(&(charge_point, reservation));
                for reply in asked.unwrap_or_default() {
                    // The link may have gone; its central system asks again.
                    let _unheard = reply.send(Verdict::Reservation(answer));
                }
            }
        }
    }

    fn publish(&mut self, charge_point: &ChargePointId) {
        let Some(view) = self.parts.site.view(charge_point) else {
            return;
        };
        let now = self.parts.clock.now();
        let snapshot = Snapshot::of(&view, &self.journal, self.committed, now.wall);
        self.parts.uplink.publish(charge_point, &snapshot);
        self.parts.stations.show(&view, &now);
        self.published.insert(charge_point.clone(), now.monotonic);
    }

    fn publish_stale(&mut self) {
        let now = self.parts.clock.now().monotonic;
        for view in self.parts.site.views() {
            let id = view.announcement.charge_point;
            let published = self.published.get(&id);
            if published.is_none_or(|at| now.ms_since(*at) >= REFRESH_MS) {
                self.publish(&id);
            }
        }
    }

    /// Faults on a line are logged by the bus, with unit and frame.
    fn bus_event(&mut self, event: BusEvent) {
        match event {
            BusEvent::Read(reading) => {
                if self.parts.meters.contains(&reading.device) {
                    let seen = (self.parts.clock.now(), reading.clone());
                    self.meter_readings.insert(reading.device.clone(), seen);
                }
                self.step(Event::DeviceRead(reading.clone()));
                self.measured(&reading);
            }
            BusEvent::Lost { device, fault } => {
                self.meter_readings.remove(&device);
                self.step(Event::DeviceLost { device, fault });
            }
            BusEvent::LimitWritten { device, limit } => {
                self.step(Event::LimitWritten { device, limit });
            }
            BusEvent::WriteRefused { device, fault } => {
                self.step(Event::WriteRefused { device, fault });
            }
            // Nobody here asks for phases, and the diagnostics tell the failsafe.
            BusEvent::PhasesSwitched { .. }
            | BusEvent::PhasesRefused { .. }
            | BusEvent::Failsafe { .. } => {}
        }
    }

    fn store_event(&mut self, event: StoreEvent) {
        match event {
            StoreEvent::Committed {
                through,
                last_sequence,
            } => {
                self.committed = last_sequence;
                self.parts.uplink.committed(last_sequence);
                self.parts.stations.committed(last_sequence);
                self.release(through);
                if self.storage_problem.take().is_some() {
                    tracing::info!(
                        "The journal can be written again; nothing that waited was lost"
                    );
                    self.step(Event::StorageRestored);
                }
            }
            StoreEvent::Failed { problem } => self.storage_failed(problem),
            StoreEvent::Damaged { problem } => self.storage_damaged(&problem),
            // Ends the loop.
            StoreEvent::Superseded { .. } => {}
        }
    }

    fn release(&mut self, through: Ticket) {
        while let Some(release) = self.releases.pop_front_if(|first| first.ticket <= through) {
            self.perform_all(release.actions);
            for (reply, verdict) in release.verdicts {
                // The link may have gone; its central system asks again.
                let _unheard = reply.send(verdict);
            }
            for measured in release.measured {
                self.parts.stations.measured(&measured);
            }
        }
    }

    fn storage_failed(&mut self, problem: String) {
        if self.storage_problem.is_some() {
            return;
        }
        tracing::error!("{problem}");
        self.storage_problem = Some(problem);
        self.step(Event::StorageFailed);
        self.release(Ticket(u64::MAX));
    }

    fn storage_damaged(&mut self, problem: &str) {
        let problem = format!(
            "the journal is damaged ({problem}): restart the daemon, it keeps the file aside and goes on with what is \
             sound; then check the disk"
        );
        if self.damage.as_ref() != Some(&problem) {
            tracing::error!("{problem}");
            self.damage = Some(problem);
        }
    }

    fn local_request(&mut self, request: LocalRequest) {
        match request {
            LocalRequest::Status(reply) => {
                // Whoever asked may have hung up.
                let _unheard = reply.send(self.status());
            }
            LocalRequest::Present { tag, reply } => self.present(tag, Some(reply)),
            LocalRequest::Command { order, reply } => {
                let now = self.parts.clock.now();
                let timeout_ms = u64::try_from(order.timeout.as_millis()).unwrap_or(u64::MAX);
                let id = order.id.unwrap_or_else(|| ids::command(now.wall));
                self.waiting.entry(id.clone()).or_default().push(reply);
                self.step(Event::CommandReceived(Command {
                    id,
                    charge_point: order.charge_point,
                    connector: order.connector,
                    kind: order.kind,
                    expires_at: now.monotonic.plus_ms(timeout_ms),
                }));
            }
        }
    }

    fn tick(&mut self) {
        self.parts.heart.beat();
        if let Some(offset_ms) = self.parts.clock.became_known() {
            tracing::info!(
                offset_ms,
                "The right time is known; recorded times of this boot are corrected"
            );
            self.step(Event::ClockSet { offset_ms });
        }
        if let Some(step_ms) = self.parts.clock.stepped() {
            tracing::warn!(
                step_ms,
                "The system clock was set while the daemon runs: if it was wrong before, so are the times recorded with it"
            );
            self.parts.stations.clock_set(step_ms);
        }
        self.publish_stale();
        let now = self.parts.clock.now().monotonic;
        self.flash.look(now);
        self.note_time();
        let oldest = self.releases.front();
        if oldest.is_some_and(|first| now.ms_since(first.since) >= DISK_SILENT_MS) {
            self.storage_failed(
                "the disk of the journal has not answered for 10 s: facts wait in memory and are lost if the power \
                 fails; check the disk, a worn SD card behaves like this"
                    .to_owned(),
            );
        }
        self.waiting.retain(|_, replies| {
            replies.retain(|reply| !reply.is_closed());
            !replies.is_empty()
        });
    }

    /// Once an hour, while it is known.
    fn note_time(&mut self) {
        let now = self.parts.clock.now();
        if now.wall_known && now.monotonic.ms_since(self.noted_at) >= NOTE_TIME_EVERY_MS {
            self.noted_at = now.monotonic;
            self.parts.store.note_time(now.wall);
        }
    }

    fn status(&self) -> StatusReport {
        report::Source {
            gateway: &self.parts.gateway,
            journal: &self.journal,
            now: self.parts.clock.now(),
            link: self.parts.uplink.status(),
            stations: self.parts.stations.status(),
            owed: self.parts.stations.owed(),
            figures: self.parts.store.figures(),
            flash: &self.flash,
            storage_problem: self.storage_problem.as_deref().or(self.damage.as_deref()),
            notices: &self.notices,
            health: self.parts.clock.health(clock::synchronised_at()),
            last_sequence: self.committed,
            views: self.parts.site.views(),
            meters: &self.meter_readings,
            buses: self.parts.buses.diagnostics(),
        }
        .report()
    }
}

async fn next(inputs: &mut Inputs, tick: &mut Interval, deadline: Instant) -> Input {
    tokio::select! {
        () = inputs.stop.cancelled() => Input::Stop,
        Some(event) = inputs.store.recv() => Input::Store(event),
        Some(event) = inputs.bus.recv() => Input::Bus(event),
        Some(request) = inputs.local.recv() => Input::Local(request),
        Some(request) = inputs.stations.recv() => Input::Station(request),
        () = sleep_until(deadline) => Input::Deadline,
        _instant = tick.tick() => Input::Tick,
    }
}
