//! The journal's file: opened, checked, made, or moved aside when damaged.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use site_model::{Fact, JournalId, WallTime};

use super::reserve::Reserve;
use super::rows::{self, Number, Unreadable};
use super::{Found, OpenError, Options, access, profiles, security_events, stations};
use crate::ids;

/// Written to `PRAGMA user_version`; older ones are migrated at opening, newer ones refused.
const SCHEMA_VERSION: i64 = 6;

/// The file and, while the disk is well, the connection to it.
#[derive(Debug)]
pub(super) struct JournalFile {
    path: PathBuf,
    options: Options,
    journal: JournalId,
    /// `None` while the disk cannot be written.
    pub(super) db: Option<Connection>,
    pub(super) reserve: Reserve,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Fault {
    /// The content is not ours or broken: the file must be moved aside.
    Damaged(String),
    /// The disk is full, read-only or absent: it may come back.
    Unwritable(String),
    /// A newer version wrote it.
    Newer(i64),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::ReadOnly
                | ErrorCode::DiskFull
                | ErrorCode::CannotOpen
                | ErrorCode::SystemIoFailure
                | ErrorCode::PermissionDenied
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory,
            ) => Self::Unwritable(error.to_string()),
            _ => Self::Damaged(error.to_string()),
        }
    }
}

impl From<Unreadable> for Fault {
    fn from(error: Unreadable) -> Self {
        match error {
            Unreadable::Database(error) => error.into(),
            Unreadable::Content(problem) => Self::Damaged(problem),
        }
    }
}

/// Opens the file, or begins a new one.
pub(super) fn open(
    path: &Path,
    now: WallTime,
    options: Options,
) -> Result<(JournalFile, Found), OpenError> {
    let fresh = ids::journal(now);
    let mut notices = Vec::new();
    let mut opened = open_writable(path, &fresh, options).and_then(|db| inspect(db, path));
    if let Err(Fault::Damaged(problem)) = &opened {
        notices.push(move_aside(path, now, problem));
        opened = open_writable(path, &fresh, options).and_then(|db| inspect(db, path));
    }
    let (db, mut found) = match opened {
        Ok((db, found)) => (Some(db), found),
        Err(Fault::Newer(found)) => {
            return Err(OpenError::NewerSchema {
                path: path.to_owned(),
                found,
                known: SCHEMA_VERSION,
            });
        }
        Err(Fault::Damaged(problem) | Fault::Unwritable(problem)) => {
            notices.push(format!(
                "{} cannot be written ({problem}): charging goes on, facts wait in memory and are lost if the \
                 power fails. Make room on the disk, or check that it is mounted writable",
                path.display()
            ));
            (
                None,
                open_read_only(path, options).unwrap_or_else(|| nothing(fresh)),
            )
        }
    };
    let reserve = Reserve::beside(path);
    if db.is_some()
        && let Err(error) = reserve.fill()
    {
        notices.push(format!(
            "no space could be reserved for the records of running sessions ({error}): make room on the disk of {}",
            path.display()
        ));
    }
    found.notices = notices;
    let file = JournalFile {
        path: path.to_owned(),
        options,
        journal: found.journal.clone(),
        db,
        reserve,
    };
    Ok((file, found))
}

impl JournalFile {
    /// Connects again after the disk failed. The file must still be the same journal.
    pub(super) fn reconnect(&mut self) -> Result<&mut Connection, String> {
        let db = open_writable(&self.path, &self.journal, self.options).map_err(
            |fault| match fault {
                Fault::Damaged(problem) => {
                    format!("{problem}; restart the daemon: it moves the damaged file aside")
                }
                Fault::Unwritable(problem) => problem,
                Fault::Newer(version) => format!("the file now has schema version {version}"),
            },
        )?;
        let found = rows::journal_id(&db).map_err(|error| error.to_string())?;
        if found != self.journal.as_str() {
            return Err(
                "another journal appeared on the disk and is left untouched; restart the daemon to go on with it"
                    .to_owned(),
            );
        }
        Ok(self.db.insert(db))
    }
}

/// The one way to the file: through the system's own files, or through those that a test models.
fn connect(path: &Path, flags: OpenFlags, options: Options) -> rusqlite::Result<Connection> {
    match options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
        None => Connection::open_with_flags(path, flags),
    }
}

fn open_writable(path: &Path, fresh: &JournalId, options: Options) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = connect(path, flags, options)?;
    if db.is_readonly("main")? {
        return Err(Fault::Unwritable("the file is read-only".to_owned()));
    }
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > SCHEMA_VERSION {
        return Err(Fault::Newer(version));
    }
    set_up(&db, options)?;
    if version < SCHEMA_VERSION {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if version == 0 {
            tx.execute_batch(rows::SCHEMA)?;
            rows::set_journal_id(&tx, fresh.as_str())?;
        }
        if version < 2 {
            tx.execute_batch(stations::SCHEMA)?;
        }
        if version < 3 {
            tx.execute_batch(stations::CONFIGURATION)?;
        }
        if version < 4 {
            tx.execute_batch(profiles::SCHEMA)?;
        }
        if version < 5 {
            tx.execute_batch(security_events::SCHEMA)?;
        }
        tx.execute_batch(access::SCHEMA)?;
        tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        tx.commit()?;
    }
    Ok(db)
}

/// Durable (WAL with FULL: a commit is on the disk when it returns) and small in memory.
fn set_up(db: &Connection, options: Options) -> Result<(), Fault> {
    db.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA cache_size = -256;
         PRAGMA wal_autocheckpoint = 256;
         PRAGMA journal_size_limit = 2097152;
         PRAGMA busy_timeout = 5000;",
    )?;
    db.set_prepared_statement_cache_capacity(16);
    if let Some(pages) = options.max_page_count {
        db.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(())
}

/// Checks the whole file and reads every fact that the replay will need.
fn inspect(db: Connection, path: &Path) -> Result<(Connection, Found), Fault> {
    let health: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if health != "ok" {
        return Err(Fault::Damaged(health));
    }
    let found = read_found(&db)?;
    tracing::debug!(path = %path.display(), last_sequence = found.last_sequence, "Journal opened");
    Ok((db, found))
}

fn read_found(db: &Connection) -> Result<Found, Fault> {
    let journal = JournalId::new(&rows::journal_id(db)?)
        .map_err(|error| Fault::Damaged(error.to_string()))?;
    let mut replay: Vec<Fact> = Vec::new();
    let since_checkpoint = rows::replay(db, |fact| replay.push(fact))?;
    Ok(Found {
        journal,
        replay,
        since_checkpoint,
        last_sequence: rows::last_sequence(db)?,
        mark: rows::number(db, Number::Mark)?,
        last_wall: rows::last_wall_ms(db)?.map(WallTime),
        notices: Vec::new(),
    })
}

/// What a disk that cannot be written still tells.
fn open_read_only(path: &Path, options: Options) -> Option<Found> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = connect(path, flags, options).ok()?;
    read_found(&db).ok()
}

fn nothing(journal: JournalId) -> Found {
    Found {
        journal,
        replay: Vec::new(),
        since_checkpoint: 0,
        last_sequence: 0,
        mark: 0,
        last_wall: None,
        notices: Vec::new(),
    }
}

/// Keeps the damaged file for whoever repairs it, and says so.
fn move_aside(path: &Path, now: WallTime, problem: &str) -> String {
    let aside = path.with_file_name(format!("journal.damaged-{}.sqlite", now.0 / 1000));
    for suffix in ["", "-wal", "-shm"] {
        let with_suffix = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        // The log and the index exist only if the last daemon did not close the file.
        let _absent = std::fs::rename(with_suffix(path), with_suffix(&aside));
    }
    format!(
        "the journal was damaged ({problem}) and a new one was begun: facts that the cloud had not \
         received are only in {}. Keep that file for support",
        aside.display()
    )
}
