//! The proof that the cuts discriminate: a SQLite writer on the same disk that syncs nothing. What it
//! counts as written is gone at most cuts; if it never were, the cuts would prove nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::anyhow;
use rusqlite::Connection;

const FILE: &str = "control.sqlite";
const PAUSE: Duration = Duration::from_millis(10);

/// Writes a row every few milliseconds until stopped.
#[derive(Debug)]
pub(crate) struct Control {
    written: Arc<AtomicU64>,
    stop: SyncSender<()>,
    thread: JoinHandle<rusqlite::Result<()>>,
}

impl Control {
    pub(crate) fn start(data: &Path) -> anyhow::Result<Self> {
        let (stop, told) = sync_channel(1);
        let written = Arc::new(AtomicU64::new(0));
        let (path, counted) = (data.join(FILE), Arc::clone(&written));
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || write(&path, &counted, &told))?;
        Ok(Self {
            written,
            stop,
            thread,
        })
    }

    /// Rows that SQLite said are committed.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    pub(crate) fn stop(self) -> anyhow::Result<()> {
        // It may have ended already.
        let _told = self.stop.try_send(());
        let ended = self.thread.join();
        ended.map_err(|_| anyhow!("the control's writer panicked"))??;
        Ok(())
    }
}

/// Whether what was written is gone, or the file is no database any more.
pub(crate) fn has_lost(data: &Path, written: u64) -> bool {
    let count = || -> rusqlite::Result<i64> {
        let database = Connection::open(data.join(FILE))?;
        database.query_row("SELECT COUNT(*) FROM rows", [], |row| row.get(0))
    };
    written > 0 && count().map_or(true, |found| u64::try_from(found).unwrap_or(0) < written)
}

fn write(path: &PathBuf, written: &AtomicU64, told: &Receiver<()>) -> rusqlite::Result<()> {
    // A file that a cut has left behind is not to be gone on with.
    let _absent = std::fs::remove_file(path);
    let _absent = std::fs::remove_file(path.with_extension("sqlite-wal"));
    let _absent = std::fs::remove_file(path.with_extension("sqlite-shm"));
    let database = Connection::open(path)?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
         CREATE TABLE rows (number INTEGER PRIMARY KEY, body BLOB NOT NULL);",
    )?;
    while told.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
        database.execute("INSERT INTO rows (body) VALUES (zeroblob(200))", [])?;
        written.fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}
