//! The journal of one gateway: facts in SQLite, one writer thread, group commit. Nothing here blocks
//! the caller: facts are handed over, and a [`StoreEvent`] says when they are safe on disk.
//!
//! A commit starts at once; what arrives meanwhile joins the next one. When the disk fails the facts
//! wait in memory, bounded, and are tried again.

pub(crate) mod access;
mod check;
mod file;
mod hold;
mod inbox;
mod jobs;
pub(crate) mod lines;
mod owed;
mod pages;
pub(crate) mod profiles;
mod reconcile;
mod renewal;
mod reserve;
mod rows;
mod salvage;
pub(crate) mod security_events;
pub(crate) mod stations;
mod sum;
mod tables;
#[cfg(test)]
mod tests;
mod wal;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use site_model::{Fact, JournalId, Timestamp, WallTime};
use site_wire::v1::{Envelope, KnownSession};
use tokio::sync::{mpsc, oneshot};

pub(crate) use rows::Unreadable;

use inbox::{Append, Done, Inbox, Job, Read};
pub use writer::Writer;

/// After this many facts since the last checkpoint a new one is due (replay stays short).
pub const CHECKPOINT_EVERY_FACTS: u64 = 20_000;
/// Acknowledged facts are kept this long, so that a cloud restored from a backup heals.
pub const KEEP_ACKNOWLEDGED_DAYS: i64 = 30;
/// Events that may wait for the core loop; the writer thread pauses when it does not turn.
const EVENTS_WAITING_MAX: usize = 64;

/// Orders what was appended; an event speaks of everything up to its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What became of appended facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreEvent {
    /// Everything up to this ticket is safe on disk.
    Committed {
        /// Last ticket of the transaction.
        through: Ticket,
        /// Highest sequence of the journal.
        last_sequence: u64,
    },
    /// The disk refused; the facts wait in memory and are tried again until a
    /// [`StoreEvent::Committed`] follows. Told once per failure.
    Failed {
        /// A sentence with what to do.
        problem: String,
    },
    /// Something stored is damaged. The next start carries what is sound into a new journal.
    Damaged {
        /// What is damaged.
        problem: String,
    },
    /// The cloud knows another history than this file's. The next start begins a new journal, and it
    /// is to be at once: nothing is told from this one any more.
    Superseded {
        /// How that is known.
        problem: String,
    },
}

/// Why the journal cannot be opened; the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon works on this directory.
    #[error(
        "{} is in use by {holder}. Stop that one first, or give this one another gateway.data_dir", dir.display()
    )]
    Held {
        /// The directory.
        dir: PathBuf,
        /// Who holds it.
        holder: String,
    },
    /// The file was written by a later version.
    #[error(
        "{} has schema version {found}, this program knows up to {known}: it was written by a newer site-controller. \
         Install that version again, or move the file aside to begin a new journal", path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The directory is unusable.
    #[error("cannot use {} as gateway.data_dir: {source}", dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The writer thread cannot be started.
    #[error("cannot start the journal's thread: {0}")]
    Thread(std::io::Error),
}

/// What the file held when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The handle.
    pub store: Store,
    /// Its events.
    pub events: mpsc::Receiver<StoreEvent>,
    /// What was found.
    pub found: Found,
}

/// The journal as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Identity of the file.
    pub journal: JournalId,
    /// Facts that rebuild the state: the checkpoint, then what follows it.
    pub replay: Vec<Fact>,
    /// How many of `replay` follow the checkpoint.
    pub since_checkpoint: u64,
    /// Highest sequence.
    pub last_sequence: u64,
    /// Highest sequence that the cloud acknowledged.
    pub mark: u64,
    /// Wall time of the last fact: the clock never starts before it.
    pub last_wall: Option<WallTime>,
    /// There was no time to check all of it; the rest is checked beside the work.
    pub check_on: bool,
    /// What people must know: a damaged file was moved aside, the disk cannot be written.
    pub notices: Vec<String>,
}

/// Figures for the status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Size of the file with its write-ahead log.
    pub bytes_on_disk: u64,
    /// Facts that wait for the disk.
    pub facts_waiting: u64,
    /// Facts dropped at the bound of what may wait.
    pub facts_dropped: u64,
}

/// Limits that tests make small.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Most pages of the database file.
    pub max_page_count: Option<u32>,
    /// SQLite's file system, where it is not the system's: a modelled disk.
    pub vfs: Option<&'static str>,
}

/// Handle to the journal; cheap to clone, never blocks.
#[derive(Debug, Clone)]
pub struct Store {
    inbox: Arc<Owner>,
    path: PathBuf,
}

/// The handles' common end of the inbox: when the last handle goes, the writer closes the file.
#[derive(Debug)]
struct Owner(Arc<Inbox>);

impl Drop for Owner {
    fn drop(&mut self) {
        let (reply, _nobody_waits) = oneshot::channel();
        self.0.close(reply);
    }
}

impl std::ops::Deref for Owner {
    type Target = Inbox;

    fn deref(&self) -> &Inbox {
        &self.0
    }
}

impl Store {
    /// Opens the journal in this directory, or begins one. Blocks: call it before the loop turns.
    ///
    /// # Errors
    /// [`OpenError`] where starting would be wrong. A damaged file is moved aside and an unwritable
    /// disk starts in memory; both are told in [`Found::notices`].
    pub fn open(dir: &Path, now: Timestamp, options: Options) -> Result<Opened, OpenError> {
        let (opened, writer) = Self::open_by_hand(dir, now, options)?;
        writer.spawn()?;
        Ok(opened)
    }

    /// The same without a thread: whoever turns the writer decides when the disk works.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_by_hand(
        dir: &Path,
        now: Timestamp,
        options: Options,
    ) -> Result<(Opened, Writer), OpenError> {
        let hold = hold::Hold::take(dir)?;
        let path = dir.join("journal.sqlite");
        let (file, found) = file::open(&path, now, options)?;
        let inbox = Arc::new(Inbox::new());
        let (sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
        if found.check_on {
            check::beside(&path, options, sender.clone());
        }
        let writer = Writer::new(file, hold, Arc::clone(&inbox), sender, &found);
        let inbox = Arc::new(Owner(inbox));
        let store = Self { inbox, path };
        let opened = Opened {
            store,
            events,
            found,
        };
        Ok((opened, writer))
    }

    /// Hands facts over, to be stored in one transaction; `checkpoint` rebuilds the state after them.
    pub fn append(&self, facts: Vec<Fact>, checkpoint: Option<Vec<Fact>>) -> Ticket {
        self.inbox.append(Append { facts, checkpoint })
    }

    /// The cloud's own word: everything up to this sequence is stored there. Written with the next
    /// facts, so that it costs no commit of its own.
    pub fn acknowledge(&self, sequence: u64) {
        self.inbox.acknowledge(sequence);
    }

    /// The cloud knows another history than this file's, and these sessions: the next start begins a new
    /// journal. [`StoreEvent::Superseded`] follows, unless the last start could not fulfil that wish.
    pub fn renew(&self, problem: String, sessions: Vec<KnownSession>) {
        self.inbox.renew(problem, sessions);
    }

    /// The right time, as it is known now. Kept when no fact told a time for an hour, so that a
    /// gateway without a clock chip does not start far in the past.
    pub fn note_time(&self, wall: WallTime) {
        self.inbox.note_time(wall.0);
    }

    /// Facts after a sequence, ascending, at most `site_wire::v1::BATCH_MAX_FACTS` and about
    /// 192 KiB. Empty when there are none, or while the disk cannot be read.
    pub async fn read_after(&self, sequence: u64) -> Vec<Envelope> {
        let (reply, answer) = oneshot::channel();
        self.inbox.read(Read {
            after: sequence,
            reply,
        });
        answer.await.unwrap_or_default()
    }

    /// Works on the tables of the station side, after the facts that were handed over before. Jobs that
    /// wait together share a commit, which is on the disk when they are answered; one that fails
    /// changes nothing.
    ///
    /// # Errors
    /// A sentence, when the disk cannot be read or written; nothing was changed.
    pub(crate) async fn work<T, E>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, String>
    where
        T: Send + 'static,
        E: std::fmt::Display,
    {
        let (reply, answer) = oneshot::channel();
        self.inbox.job(Job(Box::new(move |db| {
            let done = match db {
                Some(db) => job(db).map_err(|error| error.to_string()),
                None => Err("the journal cannot be written".to_owned()),
            };
            Done {
                good: done.is_ok(),
                tell: Box::new(move |committed| {
                    // Whoever asked may have gone.
                    let _unheard = reply.send(committed.and(done));
                }),
            }
        })));
        let busy = || Err("the journal is busy".to_owned());
        answer.await.unwrap_or_else(|_| busy())
    }

    /// The directory of the journal.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Facts that wait for the disk.
    #[must_use]
    pub fn facts_waiting(&self) -> u64 {
        self.inbox.figures().facts_waiting
    }

    /// Figures for the status page.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let size = |suffix: &str| {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            std::fs::metadata(path).map_or(0, |file| file.len())
        };
        Figures {
            bytes_on_disk: size("") + size("-wal"),
            ..self.inbox.figures()
        }
    }

    /// Stores what waits, closes the file and frees the directory. At most a few seconds of work.
    pub async fn close(self) {
        let (reply, closed) = oneshot::channel();
        self.inbox.close(reply);
        // An error means that the thread is gone already: nothing is left to wait for.
        let _gone = closed.await;
    }

    /// A handle whose disk never answers, and the inbox behind it.
    #[cfg(test)]
    pub(crate) fn blocked() -> Self {
        Self {
            inbox: Arc::new(Owner(Arc::new(Inbox::new()))),
            path: PathBuf::from("/nonexistent/journal.sqlite"),
        }
    }
}

/// The moment at which tests open a journal.
#[cfg(test)]
pub(crate) fn at_start() -> Timestamp {
    Timestamp {
        boot: site_model::BootId(1),
        monotonic: site_model::Monotonic(0),
        wall: WallTime(0),
        wall_known: false,
    }
}
