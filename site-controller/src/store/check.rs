//! Whether the file is sound: SQLite's own check of its pages, and every fact by its checksum and
//! place. At the start the time for it is bounded; what remains is checked beside the work.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::file::{self, Fault};
use super::rows;
use super::{Options, StoreEvent};

/// What the check may take of the start.
const START_MAX: Duration = Duration::from_millis(200);
/// Steps of SQLite's machine between two looks at the clock.
const STEPS_PER_LOOK: i32 = 1_000;

/// How much was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    /// All of it.
    Whole,
    /// What there was time for.
    InPart,
}

/// Checks the newest facts and the pages, for a bounded time unless it must be whole.
pub(super) fn at_start(db: &mut Connection, whole: bool) -> Result<Checked, Fault> {
    let until = Instant::now() + START_MAX;
    let in_time = move || whole || Instant::now() < until;
    let last = rows::last_sequence(db)?;
    let rows_whole = rows::check_down(db, last, in_time)? == 0;
    db.progress_handler(STEPS_PER_LOOK, Some(move || !in_time()))?;
    let pages = pages(db);
    db.progress_handler(0, None::<fn() -> bool>)?;
    match pages {
        Ok(()) if rows_whole => Ok(Checked::Whole),
        Ok(()) => Ok(Checked::InPart),
        Err(Stop::Interrupted) => Ok(Checked::InPart),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

enum Stop {
    Interrupted,
    Fault(Fault),
}

fn pages(db: &Connection) -> Result<(), Stop> {
    let health = db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match health {
        Ok(health) if health == "ok" => Ok(()),
        Ok(health) => Err(Stop::Fault(Fault::Damaged(health))),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            Err(Stop::Interrupted)
        }
        Err(error) => Err(Stop::Fault(error.into())),
    }
}

/// Checks all of it on a thread and a connection of its own; tells damage, once.
pub(super) fn beside(path: &Path, options: Options, events: mpsc::Sender<StoreEvent>) {
    let path = path.to_owned();
    let started = std::thread::Builder::new()
        .name("journal-check".to_owned())
        .stack_size(512 * 1024)
        .spawn(move || match whole(&path, options) {
            Ok(()) => tracing::debug!("The whole journal is checked and sound"),
            Err(Fault::Damaged(problem)) => {
                let _unasked = std::fs::write(wish(&path), "");
                // Fails only when the core loop is gone.
                let _gone = events.blocking_send(StoreEvent::Damaged { problem });
            }
            Err(Fault::Unwritable(problem)) => {
                tracing::debug!(problem, "The journal could not be checked");
            }
            Err(Fault::Newer(_)) => {}
        });
    if let Err(error) = started {
        tracing::debug!(%error, "The journal is checked at the next start");
    }
}

fn whole(path: &Path, options: Options) -> Result<(), Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = file::connect(path, flags, options)?;
    match pages(&db) {
        Ok(()) => {}
        Err(Stop::Fault(fault)) => return Err(fault),
        Err(Stop::Interrupted) => return Ok(()),
    }
    rows::check_down(&db, u64::MAX, || true)?;
    Ok(())
}

/// A file beside the journal that asks the next start for a whole check.
pub(super) fn wish(journal: &Path) -> PathBuf {
    journal.with_file_name("journal.check")
}
