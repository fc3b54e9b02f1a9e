//! The one thread that writes: takes what waits, stores it in one transaction, says so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use site_model::Fact;
use site_wire::v1::{Envelope, KnownSession};
use tokio::sync::{mpsc, oneshot};

use super::file::{Fault, JournalFile};
use super::hold::Hold;
use super::inbox::{Append, Inbox, Work};
use super::rows::{self, Number, Unreadable};
use super::{Found, OpenError, StoreEvent, Ticket, jobs, tables};

/// How often a failed disk is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// With nothing to do the thread looks up this rarely.
const IDLE: Duration = Duration::from_secs(3_600);
/// Retention looks for old facts once per this time, in wall time of the facts themselves.
const RETENTION_EVERY_MS: i64 = 600_000;
/// Facts take the mark along this often. It is only where to resume until the cloud says it itself,
/// and it lies on two pages that a commit of facts would not write otherwise.
const MARK_EVERY_MS: i64 = 900_000;
/// Without facts the time is kept this often: 24 commits a day of 2 or 3 pages each.
const NOTE_TIME_AFTER_MS: i64 = 3_600_000;

/// Takes what waits and stores it; its own thread turns it, or a test does.
#[derive(Debug)]
pub struct Writer {
    file: JournalFile,
    hold: Hold,
    inbox: Arc<Inbox>,
    events: mpsc::Sender<StoreEvent>,
    last_sequence: u64,
    /// Taken from the inbox and not stored yet.
    held: VecDeque<Append>,
    held_through: u64,
    /// Mark to be stored with the next facts.
    mark: Option<u64>,
    failing: bool,
    damage_told: bool,
    /// Where the journal ends if the commit of `held` did happen although an error was told.
    attempted: Option<u64>,
    last_wall_ms: i64,
    marked_at_ms: i64,
    retained_at_ms: i64,
}

impl Writer {
    pub(super) fn new(
        file: JournalFile,
        hold: Hold,
        inbox: Arc<Inbox>,
        events: mpsc::Sender<StoreEvent>,
        found: &Found,
    ) -> Self {
        Self {
            file,
            hold,
            inbox,
            events,
            last_sequence: found.last_sequence,
            held: VecDeque::new(),
            held_through: 0,
            mark: None,
            failing: false,
            damage_told: false,
            attempted: None,
            last_wall_ms: found.last_wall.map_or(0, |wall| wall.0),
            marked_at_ms: 0,
            retained_at_ms: 0,
        }
    }

    pub(super) fn spawn(mut self) -> Result<(), OpenError> {
        std::thread::Builder::new()
            .name("journal".to_owned())
            .stack_size(512 * 1024)
            .spawn(move || {
                let closed = self.run();
                let Self { file, hold, .. } = self;
                drop(file);
                drop(hold);
                // Nobody waits if the daemon is being dropped.
                let _unheard = closed.send(());
            })
            .map(drop)
            .map_err(OpenError::Thread)
    }

    /// Does what waits, by hand: nothing is waited for, and what failed before is tried again.
    pub fn turn_once(&mut self) {
        let work = self.inbox.take(self.held.is_empty(), Duration::ZERO);
        // Whoever turns by hand ends the writer by dropping it.
        let _closed = self.turn(work);
    }

    /// Works until the last handle goes or somebody closes; gives back whom to tell.
    fn run(&mut self) -> oneshot::Sender<()> {
        loop {
            let wait = if self.held.is_empty() { IDLE } else { RETRY };
            let work = self.inbox.take(self.held.is_empty(), wait);
            if let Some(reply) = self.turn(work) {
                self.finish();
                return reply;
            }
        }
    }

    fn turn(&mut self, work: Work) -> Option<oneshot::Sender<()>> {
        if !work.appends.is_empty() {
            self.held = work.appends;
            self.held_through = work.through;
        }
        self.mark = work.mark.or(self.mark);
        if !self.held.is_empty() {
            self.store_held();
        }
        if let Some(wall_ms) = work.wall_ms {
            self.note_time(wall_ms);
        }
        for read in work.reads {
            // A reader that went away needs no answer.
            let _unheard = read.reply.send(self.read(read.after));
        }
        jobs::run(self.file.db.as_mut(), work.jobs);
        if let Some((problem, sessions)) = work.renewal {
            self.renew(problem, sessions);
        }
        work.close
    }

    fn store_held(&mut self) {
        match self.commit_making_room() {
            Ok(last_sequence) => {
                self.last_sequence = last_sequence;
                self.attempted = None;
                self.held.clear();
                self.failing = false;
                self.inbox.stored();
                self.tell(StoreEvent::Committed {
                    through: Ticket(self.held_through),
                    last_sequence,
                });
                self.retain();
            }
            Err(problem) => {
                if !self.failing {
                    self.failing = true;
                    self.tell(StoreEvent::Failed { problem });
                }
            }
        }
    }

    /// A full disk is made room on and tried once more before it counts as failed.
    fn commit_making_room(&mut self) -> Result<u64, String> {
        match self.commit() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
                let released = self.file.reserve.release();
                let deleted = self.delete_acknowledged();
                tracing::warn!(
                    reserve_released = released,
                    facts_deleted = deleted,
                    "The disk of the journal is full: make room on it"
                );
                self.commit().map_err(|error| self.failed(&error))
            }
            Err(error) => Err(self.failed(&error)),
            Ok(last_sequence) => Ok(last_sequence),
        }
    }

    fn commit(&mut self) -> rusqlite::Result<u64> {
        if self.file.db.is_none() {
            self.reconnect()?;
            let stored = rows::last_sequence(self.db()?)?;
            if self.attempted == Some(stored) {
                return Ok(stored);
            }
            self.last_sequence = self.last_sequence.max(stored);
        }
        let mark_due = self.last_wall_ms >= self.marked_at_ms + MARK_EVERY_MS;
        let mark = self.mark.filter(|_| mark_due);
        let (before, wall_before) = (self.last_sequence, self.last_wall_ms);
        let facts: u64 = self.held.iter().map(|append| count(&append.facts)).sum();
        self.attempted = Some(before + facts);
        let held = std::mem::take(&mut self.held);
        let stored = self
            .db()
            .and_then(|db| write(db, &held, mark, before, wall_before));
        self.held = held;
        let (last_sequence, wall_ms) = stored?;
        self.last_wall_ms = wall_ms;
        if mark.is_some() {
            self.marked(wall_ms);
        }
        Ok(last_sequence)
    }

    fn marked(&mut self, wall_ms: i64) {
        self.mark = None;
        self.marked_at_ms = wall_ms;
    }

    fn reconnect(&mut self) -> rusqlite::Result<()> {
        self.file
            .reconnect()
            .map(drop)
            .map_err(|problem| rusqlite::Error::InvalidPath(problem.into()))
    }

    fn db(&mut self) -> rusqlite::Result<&mut Connection> {
        self.file.db.as_mut().ok_or(rusqlite::Error::InvalidQuery)
    }

    /// Says why, for people. After anything but a full disk the connection is made anew.
    fn failed(&mut self, error: &rusqlite::Error) -> String {
        if error.sqlite_error_code() != Some(ErrorCode::DiskFull) {
            self.file.db = None;
        }
        let damaged = [ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase].map(Some);
        let remedy = if damaged.contains(&error.sqlite_error_code()) {
            "the file is damaged. Restart the daemon when no session runs: it keeps the file aside and begins a new \
             one; then check the disk"
        } else {
            "make room on the disk, or check that it is mounted writable"
        };
        format!(
            "the journal cannot be written ({error}): facts wait in memory and are lost if the power fails; {remedy}"
        )
    }

    fn delete_acknowledged(&mut self) -> usize {
        let (mark, wall_ms) = (self.mark, self.last_wall_ms);
        let mut delete = || -> rusqlite::Result<usize> {
            let tx = self
                .db()?
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            if let Some(mark) = mark {
                rows::set_mark(&tx, mark, wall_ms)?;
            }
            let deleted = rows::delete_acknowledged(&tx)?;
            tx.commit()?;
            Ok(deleted)
        };
        delete().unwrap_or(0)
    }

    /// Deletes what was acknowledged long ago, a bounded number at a time.
    fn retain(&mut self) {
        if self.last_wall_ms < self.retained_at_ms + RETENTION_EVERY_MS {
            return;
        }
        self.retained_at_ms = self.last_wall_ms;
        // Given back while the disk was full, and there may be room again.
        let _not_yet = self.file.reserve.fill();
        let wall_ms = self.last_wall_ms;
        let mut delete = || -> rusqlite::Result<usize> {
            let tx = self
                .db()?
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            let deleted = rows::delete_old(&tx, wall_ms)? + tables::delete_old(&tx)?;
            tx.commit()?;
            Ok(deleted)
        };
        match delete() {
            Ok(0) => {}
            Ok(deleted) => tracing::debug!(deleted, "Old acknowledged facts were deleted"),
            Err(error) => {
                tracing::debug!(%error, "Old facts were not deleted; tried again later")
            }
        }
    }

    /// The mark rides along.
    fn note_time(&mut self, wall_ms: i64) {
        if wall_ms < self.last_wall_ms + NOTE_TIME_AFTER_MS {
            return;
        }
        let mark = self.mark;
        let mut note = || -> rusqlite::Result<()> {
            let tx = self
                .db()?
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            rows::set_number(&tx, Number::WallMs, u64::try_from(wall_ms).unwrap_or(0))?;
            if let Some(mark) = mark {
                rows::set_mark(&tx, mark, wall_ms)?;
            }
            tx.commit()
        };
        match note() {
            Ok(()) => {
                self.last_wall_ms = wall_ms;
                self.marked(wall_ms);
            }
            Err(error) => tracing::debug!(%error, "The time was not kept; tried again in an hour"),
        }
    }

    fn read(&mut self, after: u64) -> Vec<Envelope> {
        let Ok(db) = self.db() else {
            return Vec::new();
        };
        rows::read_after(db, after).unwrap_or_else(|error| {
            self.unreadable(error);
            Vec::new()
        })
    }

    /// Damage is told once; what else keeps a fact from being read passes, and is asked again.
    fn unreadable(&mut self, error: Unreadable) {
        let Fault::Damaged(problem) = Fault::from(error) else {
            return;
        };
        if !self.damage_told {
            self.damage_told = true;
            self.file.ask_for_check();
            self.tell(StoreEvent::Damaged { problem });
        }
    }

    fn renew(&self, problem: String, sessions: Vec<KnownSession>) {
        match self.file.ask_for_renewal(&problem, sessions) {
            Ok(true) => self.tell(StoreEvent::Superseded { problem }),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "The wish for a new journal cannot be kept: make room on the disk");
            }
        }
    }

    /// The last commit also takes a mark that no facts carried.
    fn finish(&mut self) {
        let work = self.inbox.take(self.held.is_empty(), Duration::ZERO);
        let _closing_already = self.turn(work);
        let wall_ms = self.last_wall_ms;
        if let Some(mark) = self.mark.take()
            && let Ok(db) = self.db()
            && let Err(error) = rows::set_mark(db, mark, wall_ms)
        {
            tracing::debug!(%error, "The mark was not stored; the cloud tells it again");
        }
        self.file.db = None;
    }

    fn tell(&self, event: StoreEvent) {
        // Blocks while the core loop is behind; fails only when it is gone.
        let _gone = self.events.blocking_send(event);
    }
}

/// One transaction. Returns the sequence and the wall time that the journal then ends with.
fn write(
    db: &mut Connection,
    held: &VecDeque<Append>,
    mark: Option<u64>,
    last_sequence: u64,
    last_wall_ms: i64,
) -> rusqlite::Result<(u64, i64)> {
    let (mut sequence, mut wall_ms) = (last_sequence, last_wall_ms);
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for append in held {
        for fact in &append.facts {
            sequence += 1;
            wall_ms = fact.at.wall.0;
            rows::insert(&tx, &Envelope::of(sequence, fact))?;
        }
        if let Some(checkpoint) = &append.checkpoint {
            rows::set_checkpoint(&tx, checkpoint, sequence)?;
        }
    }
    if let Some(mark) = mark {
        rows::set_mark(&tx, mark, wall_ms)?;
    }
    tx.commit()?;
    Ok((sequence, wall_ms))
}

fn count(facts: &[Fact]) -> u64 {
    facts.len().try_into().unwrap_or(u64::MAX)
}
