//! What waits for the writer thread. Short locks, no disk under them, everything bounded.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use site_model::{Change, Fact};
use site_wire::v1::{Envelope, KnownSession};
use tokio::sync::oneshot;

use super::{Figures, Ticket};

/// Facts that may wait for the disk, about 3 MiB. At the bound the oldest fact that is neither
/// billing nor safety goes; where all are, the newest is refused. Both are counted and reported.
pub(super) const WAITING_MAX_FACTS: usize = 8_192;
/// Reads that may wait; the oldest gives way (its reader sees nothing and asks again).
const READS_MAX: usize = 8;
/// Jobs that may wait: each charge point's link has one at most. The oldest gives way (its owner
/// hears of no answer and asks again).
const JOBS_MAX: usize = 1_024;

/// Facts of one decision, and the state after them if a checkpoint is due.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) facts: Vec<Fact>,
    pub(super) checkpoint: Option<Vec<Fact>>,
}

/// Work on the file for the station side; gets nothing while the disk fails.
pub(super) struct Job(pub(super) Box<OnFile>);

type OnFile = dyn FnOnce(Option<&mut Connection>) -> Done + Send;

/// A job that was done, and not committed yet.
pub(super) struct Done {
    /// Whether what it changed is kept.
    pub(super) good: bool,
    /// Tells whoever asked, once it is known what became of the commit.
    pub(super) tell: Box<dyn FnOnce(Result<(), String>) + Send>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

/// A wish for facts.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) after: u64,
    pub(super) reply: oneshot::Sender<Vec<Envelope>>,
}

/// Everything that waits, taken at once by the writer.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) appends: VecDeque<Append>,
    /// Ticket of the last append that was ever made.
    pub(super) through: u64,
    pub(super) mark: Option<u64>,
    /// The right wall time, in milliseconds.
    pub(super) wall_ms: Option<i64>,
    pub(super) reads: VecDeque<Read>,
    pub(super) jobs: VecDeque<Job>,
    /// Why a new journal is to begin, and the sessions that the cloud knows.
    pub(super) renewal: Option<(String, Vec<KnownSession>)>,
    pub(super) close: Option<oneshot::Sender<()>>,
}

#[derive(Debug, Default)]
struct State {
    work: Work,
    facts_waiting: usize,
    /// Facts that the writer took and has not stored yet.
    facts_in_hand: usize,
    facts_dropped: u64,
}

#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    arrived: Condvar,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn append(&self, append: Append) -> Ticket {
        let mut state = self.state();
        state.facts_waiting += append.facts.len();
        state.work.appends.push_back(append);
        state.work.through += 1;
        state.keep_bound();
        let ticket = Ticket(state.work.through);
        drop(state);
        self.arrived.notify_one();
        ticket
    }

    pub(super) fn acknowledge(&self, sequence: u64) {
        self.state().work.mark = Some(sequence);
    }

    pub(super) fn note_time(&self, wall_ms: i64) {
        self.state().work.wall_ms = Some(wall_ms);
        self.arrived.notify_one();
    }

    pub(super) fn read(&self, read: Read) {
        let mut state = self.state();
        if state.work.reads.len() == READS_MAX {
            state.work.reads.pop_front();
        }
        state.work.reads.push_back(read);
        drop(state);
        self.arrived.notify_one();
    }

    pub(super) fn job(&self, job: Job) {
        let mut state = self.state();
        if state.work.jobs.len() == JOBS_MAX {
            state.work.jobs.pop_front();
        }
        state.work.jobs.push_back(job);
        drop(state);
        self.arrived.notify_one();
    }

    pub(super) fn renew(&self, problem: String, sessions: Vec<KnownSession>) {
        self.state().work.renewal = Some((problem, sessions));
        self.arrived.notify_one();
    }

    pub(super) fn close(&self, reply: oneshot::Sender<()>) {
        self.state().work.close = Some(reply);
        self.arrived.notify_one();
    }

    /// Takes what waits; blocks until there is something or the time is over. While the writer holds
    /// facts that failed, new ones stay here, where the bound is kept.
    pub(super) fn take(&self, with_appends: bool, at_most: Duration) -> Work {
        let state = self.state();
        let idle = |state: &mut State| {
            let work = &state.work;
            work.reads.is_empty()
                && work.jobs.is_empty()
                && work.close.is_none()
                && work.renewal.is_none()
                && work.wall_ms.is_none()
                && (work.appends.is_empty() || !with_appends)
        };
        let (mut state, _timed_out) = self
            .arrived
            .wait_timeout_while(state, at_most, idle)
            .unwrap_or_else(PoisonError::into_inner);
        let mut work = Work {
            through: state.work.through,
            reads: std::mem::take(&mut state.work.reads),
            jobs: std::mem::take(&mut state.work.jobs),
            close: state.work.close.take(),
            renewal: state.work.renewal.take(),
            wall_ms: state.work.wall_ms.take(),
            ..Work::default()
        };
        if with_appends {
            work.appends = std::mem::take(&mut state.work.appends);
            work.mark = state.work.mark.take();
            state.facts_in_hand += std::mem::take(&mut state.facts_waiting);
        }
        work
    }

    /// What the writer had taken is safe.
    pub(super) fn stored(&self) {
        self.state().facts_in_hand = 0;
    }

    pub(super) fn figures(&self) -> Figures {
        let state = self.state();
        let facts_waiting = state.facts_waiting + state.facts_in_hand;
        Figures {
            bytes_on_disk: 0,
            facts_waiting: facts_waiting.try_into().unwrap_or(u64::MAX),
            facts_dropped: state.facts_dropped,
        }
    }
}

impl State {
    fn keep_bound(&mut self) {
        while self.facts_waiting > WAITING_MAX_FACTS {
            let spared = self.work.appends.iter_mut().find_map(|append| {
                let position = append
                    .facts
                    .iter()
                    .position(|fact| !must_be_kept(&fact.change))?;
                append.facts.remove(position);
                Some(())
            });
            if spared.is_none() {
                let newest = self.work.appends.iter_mut().rev();
                let mut newest = newest.filter(|append| !append.facts.is_empty());
                if let Some(append) = newest.next() {
                    append.facts.pop();
                }
            }
            self.facts_waiting -= 1;
            self.facts_dropped += 1;
        }
    }
}

/// Billing and safety facts; the rest is telemetry and thinned first.
fn must_be_kept(change: &Change) -> bool {
    match change {
        Change::ChargePointAnnounced(_)
        | Change::AvailabilityChanged { .. }
        | Change::ClosingScheduled { .. }
        | Change::AuthorizationChanged { .. }
        | Change::SessionStarted { .. }
        | Change::SessionEnded { .. }
        | Change::RegisterTied { .. }
        | Change::EnergyUnattributed { .. }
        | Change::ProfileLimitChanged { .. }
        | Change::ReservationMade(_)
        | Change::ReservationEnded { .. }
        | Change::TransactionAssigned { .. }
        | Change::SessionDisowned { .. }
        | Change::JournalSalvaged { .. }
        | Change::ClockCorrected { .. } => true,
        Change::DeviceOnline { .. }
        | Change::DeviceOffline { .. }
        | Change::StatusChanged { .. }
        | Change::MeterRead { .. }
        | Change::LimitGranted { .. }
        | Change::CommandOpened(_)
        | Change::CommandClosed { .. } => false,
    }
}
