//! The journal's file: opened, checked, made, or moved aside when damaged.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use site_model::{Fact, JournalId, Timestamp, WallTime};
use site_wire::v1::KnownSession;

use super::check::{self, Checked};
use super::renewal::{self, Renewal};
use super::reserve::Reserve;
use super::rows::{self, Number, Unreadable};
use super::salvage::{self, Why};
use super::{Found, OpenError, Options, access, lines, profiles, security_events, stations, sum};
use crate::ids;

/// What brings the file from one version to the next. A step that was released is never edited.
#[derive(Debug)]
enum Step {
    Sql(&'static str),
    Code(fn(&Connection) -> rusqlite::Result<()>),
}

/// Pages of the log at which it is written back into the file: rarely, because each time costs the
/// pages once more, and soon enough that a start after a crash reads little.
pub(super) const LOG_MAX_FRAMES: u32 = 512;

/// `PRAGMA user_version` counts those that were done; a file with more of them is refused.
const STEPS: [Step; 8] = [
    Step::Sql(rows::SCHEMA),
    Step::Sql(stations::SCHEMA),
    Step::Sql(stations::CONFIGURATION),
    Step::Sql(profiles::SCHEMA),
    Step::Sql(security_events::SCHEMA),
    Step::Sql(access::SCHEMA),
    Step::Code(sum::add_to),
    Step::Sql(lines::SCHEMA),
];

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
    now: Timestamp,
    options: Options,
) -> Result<(JournalFile, Found), OpenError> {
    let fresh = ids::journal(now.wall);
    let mut notices = Vec::new();
    salvage::resume(path);
    let whole = check::wish(path).exists();
    let look =
        || salvage::check_log(path).and_then(|()| open_checked(path, &fresh, options, whole));
    let mut opened = look();
    if let Err(Fault::Damaged(problem)) = &opened {
        opened =
            salvage::salvage(path, &fresh, now, Why::Damaged(problem), options).and_then(|told| {
                notices.push(told);
                look()
            });
    } else if let Ok((_, found)) = &opened
        && let Some(renewal) = renewal::wanted(path, &found.journal)
    {
        // Closed before its file is moved.
        drop(opened);
        notices.push(renew(path, &fresh, now, &renewal, options));
        opened = look();
    }
    let (db, mut found) = match opened {
        Ok((db, found)) => {
            // The wish is met: the file was checked as a whole, or is new.
            let _absent = std::fs::remove_file(check::wish(path));
            (Some(db), found)
        }
        Err(Fault::Newer(found)) => {
            return Err(OpenError::NewerSchema {
                path: path.to_owned(),
                found,
                known: version_known(),
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

/// Begins a new journal in the place of one that the cloud knows another history of; says what happened.
/// Where it cannot be done the old one goes on, without telling anything to the cloud.
fn renew(
    path: &Path,
    fresh: &JournalId,
    now: Timestamp,
    renewal: &Renewal,
    options: Options,
) -> String {
    match salvage::salvage(path, fresh, now, Why::Superseded(renewal), options) {
        Ok(told) => {
            renewal::forget(path);
            told
        }
        Err(Fault::Damaged(problem) | Fault::Unwritable(problem)) => format!(
            "{}, and a new journal cannot be begun ({problem}): the cloud is told nothing until then. Make room on \
             the disk and restart the daemon",
            renewal.problem
        ),
        Err(Fault::Newer(version)) => format!("the file has schema version {version}"),
    }
}

impl JournalFile {
    /// The next start begins a new journal. False where the last start could not do so.
    pub(super) fn ask_for_renewal(
        &self,
        problem: &str,
        sessions: Vec<KnownSession>,
    ) -> std::io::Result<bool> {
        let renewal = Renewal::new(&self.journal, problem.to_owned(), sessions);
        renewal::keep(&self.path, &renewal)
    }

    /// The next start checks the whole file, however long that takes.
    pub(super) fn ask_for_check(&self) {
        // Without it the next start checks what it has time for.
        let _unasked = std::fs::write(check::wish(&self.path), "");
    }

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
pub(super) fn connect(
    path: &Path,
    flags: OpenFlags,
    options: Options,
) -> rusqlite::Result<Connection> {
    match options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
        None => Connection::open_with_flags(path, flags),
    }
}

pub(super) fn version_known() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

pub(super) fn open_writable(
    path: &Path,
    fresh: &JournalId,
    options: Options,
) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = connect(path, flags, options)?;
    if db.is_readonly("main")? {
        return Err(Fault::Unwritable("the file is read-only".to_owned()));
    }
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > version_known() {
        // Its log stays as it is too: closing would write it back.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        return Err(Fault::Newer(version));
    }
    set_up(&db, options)?;
    if version < version_known() {
        migrate(&mut db, version, fresh)?;
    }
    Ok(db)
}

/// In one transaction: a file is of one version or of the other.
fn migrate(db: &mut Connection, version: i64, fresh: &JournalId) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = usize::try_from(version).unwrap_or(0);
    for step in &STEPS[done..] {
        match step {
            Step::Sql(sql) => tx.execute_batch(sql)?,
            Step::Code(code) => code(&tx)?,
        }
    }
    if version == 0 {
        rows::set_journal_id(&tx, fresh.as_str())?;
    }
    tx.pragma_update(None, "user_version", version_known())?;
    tx.commit()
}

/// Durable (WAL with FULL: a commit is on the disk when it returns) and small in memory.
fn set_up(db: &Connection, options: Options) -> Result<(), Fault> {
    db.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA cache_size = -256;
         PRAGMA wal_autocheckpoint = {LOG_MAX_FRAMES};
         PRAGMA journal_size_limit = 2097152;
         PRAGMA busy_timeout = 5000;"
    ))?;
    db.set_prepared_statement_cache_capacity(16);
    if let Some(pages) = options.max_page_count {
        db.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(())
}

/// Opens the file, checks it and reads every fact that the replay will need.
pub(super) fn open_checked(
    path: &Path,
    fresh: &JournalId,
    options: Options,
    whole: bool,
) -> Result<(Connection, Found), Fault> {
    let mut db = open_writable(path, fresh, options)?;
    let checked = check::at_start(&mut db, whole)?;
    let mut found = read_found(&db)?;
    found.check_on = checked == Checked::InPart;
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
        last_wall: last_wall(db)?,
        check_on: false,
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
        check_on: false,
        notices: Vec::new(),
    }
}

/// The later of the newest fact's time and the time noted last.
fn last_wall(db: &Connection) -> Result<Option<WallTime>, Fault> {
    let noted = i64::try_from(rows::number(db, Number::WallMs)?).unwrap_or(0);
    let noted = (noted > 0).then_some(noted);
    Ok(rows::last_wall_ms(db)?.max(noted).map(WallTime))
}
