//! A file that cannot go on, damaged or an old copy: its sound facts are carried into a new journal, the
//! file is kept aside.
//!
//! The log is laid over a copy of the file without its damaged frames. If nothing is missing then, the
//! copy is the journal. Else a new journal begins: the state as its checkpoint, the facts that somebody
//! has not acknowledged, numbered anew, and one fact that tells what is missing. The originals are
//! moved aside only when the new file is whole and on the disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params_from_iter};
use site_model::{Change, Fact, JournalId, Timestamp, WallTime};
use site_wire::v1::Envelope;

use super::file::{self, Fault};
use super::pages::{self, Row};
use super::reconcile::{Reconciled, reconcile};
use super::renewal::Renewal;
use super::rows::{self, Number};
use super::tables::{Carry, TABLES};
use super::wal::{self, Log, PAGE};
use super::{Options, owed, stations};

/// What the damaged file still tells.
#[derive(Debug, Default)]
struct Readable {
    journal: Option<JournalId>,
    /// Everything up to here was acknowledged by everybody.
    settled: u64,
    /// Up to here the journal may have gaps: what nobody waits for was deleted.
    thinned: u64,
    /// The checkpoint stands for everything up to here.
    made_at: u64,
    checkpoint: BTreeMap<u64, Fact>,
    facts: BTreeMap<u64, Fact>,
}

/// Why a new journal begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Why<'a> {
    /// The file is damaged, in this way.
    Damaged(&'a str),
    /// The cloud knows another history than the file's.
    Superseded(&'a Renewal),
}

impl Why<'_> {
    fn problem(self) -> String {
        match self {
            Self::Damaged(problem) => format!("the journal was damaged ({problem})"),
            Self::Superseded(renewal) => renewal.problem.clone(),
        }
    }

    /// As the fact of it says.
    fn reason(self) -> String {
        match self {
            Self::Damaged(problem) => problem.to_owned(),
            Self::Superseded(renewal) => renewal.problem.clone(),
        }
    }

    /// What the old file is called from then on.
    fn name(self, now: WallTime) -> String {
        let what = match self {
            Self::Damaged(_) => "damaged",
            Self::Superseded(_) => "superseded",
        };
        format!("journal.{what}-{}.sqlite", now.0 / 1000)
    }
}

/// The files of one salvage, beside the journal.
#[derive(Debug)]
struct Files {
    journal: PathBuf,
    /// Names the files that are being moved aside.
    marker: PathBuf,
    /// Copy of the file with its log laid over it.
    copy: PathBuf,
    /// The new journal in the making.
    fresh: PathBuf,
}

impl Files {
    fn of(journal: &Path) -> Self {
        let beside = |name: &str| journal.with_file_name(name);
        Self {
            journal: journal.to_owned(),
            marker: beside("journal.salvaging"),
            copy: beside("journal.copy.sqlite"),
            fresh: beside("journal.fresh.sqlite"),
        }
    }

    fn clear(&self) {
        for file in [&self.copy, &self.fresh] {
            remove(file);
        }
    }
}

/// Whether SQLite would silently read less of the log than was safe on the disk.
pub(super) fn check_log(journal: &Path) -> Result<(), Fault> {
    match wal::look(&log_of(journal)).damage {
        Some(problem) => Err(Fault::Damaged(problem)),
        None => Ok(()),
    }
}

/// Ends what a salvage left that was cut off: the originals come back unless they were replaced.
pub(super) fn resume(journal: &Path) {
    let files = Files::of(journal);
    if let Ok(aside) = fs::read_to_string(&files.marker)
        && files.fresh.exists()
    {
        let aside = journal.with_file_name(aside.trim());
        for suffix in ["", "-wal"] {
            // Those that were not moved yet are still in their place.
            let _in_place = fs::rename(with_suffix(&aside, suffix), with_suffix(journal, suffix));
        }
    }
    files.clear();
    let _absent = fs::remove_file(&files.marker);
}

/// Puts a sound journal in the place of the one that cannot go on; says what happened, for people.
pub(super) fn salvage(
    journal: &Path,
    fresh: &JournalId,
    now: Timestamp,
    why: Why<'_>,
    options: Options,
) -> Result<String, Fault> {
    let files = Files::of(journal);
    files.clear();
    let made = make(&files, fresh, now, why, options);
    let done = made.and_then(|told| {
        let aside = replace(&files, &why.name(now.wall)).map_err(unwritable)?;
        Ok(format!("{told} Keep {} for support", aside.display()))
    });
    files.clear();
    done
}

fn make(
    files: &Files,
    fresh: &JournalId,
    now: Timestamp,
    why: Why<'_>,
    options: Options,
) -> Result<String, Fault> {
    let bytes = log_of(&files.journal);
    let log = wal::look(&bytes);
    lay_over(files, &bytes, &log).map_err(unwritable)?;
    if log.damage.is_some()
        && log.overwritten
        && file::open_checked(&files.copy, fresh, options, true).is_ok()
    {
        fs::rename(&files.copy, &files.fresh).map_err(unwritable)?;
        let problem = why.problem();
        return Ok(format!("{problem} and repaired: nothing is missing."));
    }
    let bad = log.bad.iter().map(|at| &bytes[*at..*at + PAGE]);
    let readable = read(&files.copy, bad);
    write(files, fresh, now, (why, &readable), options)
}

/// The log's bytes; none where there is no log.
fn log_of(journal: &Path) -> Vec<u8> {
    fs::read(with_suffix(journal, "-wal")).unwrap_or_default()
}

/// Copies the file and lays its log over it, which SQLite may not be able to do any more.
fn lay_over(files: &Files, bytes: &[u8], log: &Log) -> io::Result<()> {
    fs::copy(&files.journal, &files.copy)?;
    let copy = File::options().read(true).write(true).open(&files.copy)?;
    for (page, at) in &log.pages {
        let place = u64::from(page.saturating_sub(1)) * PAGE as u64;
        copy.write_all_at(&bytes[*at..*at + PAGE], place)?;
    }
    let mut header = [0; 100];
    let told = copy
        .read_exact_at(&mut header, 0)
        .map_or(0, |()| wal::word(&header, 28));
    let size = if log.size > 0 { log.size } else { told };
    let (size, length) = (u64::from(size) * PAGE as u64, copy.metadata()?.len());
    // SQLite opens no file that is shorter than it says; a damaged header may say anything.
    if log.size > 0 || (length..length.saturating_mul(2)).contains(&size) {
        copy.set_len(size)?;
    }
    Ok(())
}

/// Reads the copy, and what rows damaged frames of the log still hold.
fn read<'a>(copy: &Path, bad: impl Iterator<Item = &'a [u8]>) -> Readable {
    let mut found = Readable::default();
    if let Ok(db) = &open_copy(copy) {
        let number = |which| rows::number(db, which).unwrap_or(0);
        found.journal = rows::journal_id(db)
            .ok()
            .and_then(|id| JournalId::new(&id).ok());
        let told = owed::told_by_all(db).unwrap_or(u64::MAX);
        found.settled = number(Number::Mark).min(told);
        found.made_at = number(Number::CheckpointSequence);
        found.thinned = found.made_at.min(number(Number::Mark));
    }
    let mut checkpoints: BTreeMap<u64, BTreeMap<u64, Fact>> = BTreeMap::new();
    let mut take = |row| match row {
        Row::Fact { sequence, envelope } => {
            if let Some(fact) = fact(&envelope) {
                found.facts.insert(sequence, fact);
            }
        }
        Row::Checkpoint {
            made_at,
            position,
            envelope,
        } => {
            if let Some(fact) = fact(&envelope) {
                let facts = checkpoints.entry(made_at).or_default();
                facts.insert(position, fact);
            }
        }
    };
    let scanned = File::open(copy).and_then(|file| {
        for page in bad {
            pages::scan_page(&file, page, 0, &mut take);
        }
        pages::scan(&file, &mut take)
    });
    if let Err(error) = scanned {
        tracing::error!(%error, "The damaged journal cannot be read any more");
    }
    // Where `meta` is gone, the newest checkpoint that any page holds is the one.
    if found.journal.is_none()
        && let Some((made_at, _)) = checkpoints.last_key_value()
    {
        found.made_at = *made_at;
    }
    found.checkpoint = checkpoints.remove(&found.made_at).unwrap_or_default();
    found
}

/// Read and write: a file in WAL mode opens no other way without its log.
fn open_copy(copy: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

fn fact(envelope: &str) -> Option<Fact> {
    Fact::try_from(rows::parse(envelope).ok()?).ok()
}

fn write(
    files: &Files,
    fresh: &JournalId,
    now: Timestamp,
    (why, readable): (Why<'_>, &Readable),
    options: Options,
) -> Result<String, Fault> {
    let carried = readable.carried();
    let (count, lost) = (length(carried.len()), readable.lost(&carried));
    let mut state = readable.state();
    let found = match why {
        Why::Damaged(_) => Reconciled::default(),
        Why::Superseded(renewal) => {
            let unsettled = readable.facts.range(readable.settled + 1..);
            let unsettled = unsettled.map(|(_, fact)| fact);
            reconcile(&state, unsettled, &renewal.sessions, now)
        }
    };
    state.extend(found.state);
    let told = count + length(found.told.len());
    let facts = readable.facts.values().chain(&state).chain(&found.told);
    let newest = facts.map(|fact| fact.at.wall).max();
    let report = Fact {
        at: Timestamp {
            wall: newest.unwrap_or(now.wall).max(now.wall),
            ..now
        },
        change: Change::JournalSalvaged {
            damaged: readable.journal.clone(),
            carried: told,
            lost,
            problem: why.reason(),
        },
    };
    let mut db = file::open_writable(&files.fresh, fresh, options)?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (old, new) in &carried {
        rows::insert(&tx, &Envelope::of(*new, &readable.facts[old]))?;
    }
    for (new, fact) in (count + 1..).zip(&found.told) {
        rows::insert(&tx, &Envelope::of(new, fact))?;
    }
    // What is told anew is in the state already.
    rows::set_checkpoint(&tx, &state, told)?;
    rows::insert(&tx, &Envelope::of(told + 1, &report))?;
    carry_tables(&files.copy, &tx, &carried)?;
    for (session, (charge_point, connector), id) in &found.transactions {
        stations::set_transaction(&tx, charge_point, (session, connector.get()), *id)?;
    }
    tx.commit()?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    db.close().map_err(|(_, error)| error)?;
    Ok(format!(
        "{} and a new one was begun: {told} facts that were not acknowledged were carried over, {lost} are known to \
         be missing.",
        why.problem()
    ))
}

impl Readable {
    /// Facts that somebody has not acknowledged: their old numbers and their new ones.
    fn carried(&self) -> BTreeMap<u64, u64> {
        let facts = self.facts.range(self.settled + 1..);
        facts.zip(1..).map(|((old, _), new)| (*old, new)).collect()
    }

    /// How many of them are known to be missing.
    fn lost(&self, carried: &BTreeMap<u64, u64>) -> u64 {
        let last = self.facts.keys().next_back().copied();
        let last = last.unwrap_or(0).max(self.made_at);
        let first = if self.journal.is_some() {
            self.settled.max(self.thinned)
        } else {
            carried.keys().next().map_or(last, |first| first - 1)
        };
        let there = length(carried.range(first + 1..).count());
        last.saturating_sub(first).saturating_sub(there)
    }

    /// The facts that rebuild the state.
    fn state(&self) -> Vec<Fact> {
        let after = self.facts.range(self.made_at + 1..).map(|(_, fact)| fact);
        self.checkpoint.values().chain(after).cloned().collect()
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The station side's tables, as far as they can be read.
fn carry_tables(
    copy: &Path,
    tx: &Connection,
    carried: &BTreeMap<u64, u64>,
) -> rusqlite::Result<()> {
    let Ok(old) = open_copy(copy) else {
        return Ok(());
    };
    for table in TABLES.iter().filter(|table| table.carry != Carry::Anew) {
        if let Err(error) = carry_rows(&old, tx, table.name) {
            tracing::error!(%error, "Not everything of {} could be read", table.name);
        }
    }
    stations::set_aside_without_fact(tx, |sequence| carried.contains_key(&sequence))?;
    for table in TABLES {
        match table.carry {
            Carry::Numbered(columns) => {
                for column in columns {
                    renumber(tx, table.name, column, carried)?;
                }
            }
            Carry::Then(sql) => tx.execute_batch(sql)?,
            Carry::Anew | Carry::Rows => {}
        }
    }
    Ok(())
}

fn carry_rows(old: &Connection, tx: &Connection, table: &str) -> rusqlite::Result<()> {
    let mut select = old.prepare(&format!("SELECT * FROM {table}"))?;
    let columns: Vec<String> = select.column_names().map(str::to_owned).collect();
    let places = vec!["?"; columns.len()].join(", ");
    let columns_text = columns.join(", ");
    let mut insert = tx.prepare(&format!(
        "INSERT OR REPLACE INTO {table} ({columns_text}) VALUES ({places})"
    ))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let values: Vec<Value> = (0..columns.len())
            .map(|column| row.get(column))
            .collect::<Result<_, _>>()?;
        insert.execute(params_from_iter(values))?;
    }
    Ok(())
}

/// A sequence becomes the number of carried facts up to it.
fn renumber(
    tx: &Connection,
    table: &str,
    column: &str,
    carried: &BTreeMap<u64, u64>,
) -> rusqlite::Result<()> {
    let mut select = tx.prepare(&format!(
        "SELECT DISTINCT {column} FROM {table} ORDER BY {column}"
    ))?;
    let known = select.query_map([], |row| row.get::<_, i64>(0))?;
    // Ascending: a new number is never above the old one, so none is met twice.
    for old in known.collect::<rusqlite::Result<Vec<i64>>>()? {
        let upto = carried.range(..=rows::unsigned(old)).next_back();
        let new = upto.map_or(0, |(_, new)| *new);
        tx.execute(
            &format!("UPDATE {table} SET {column} = ?2 WHERE {column} = ?1"),
            [old, rows::signed(new)],
        )?;
    }
    Ok(())
}

/// Moves the old files aside and the new one into their place; cut off anywhere, [`resume`]
/// finds one whole set.
fn replace(files: &Files, name: &str) -> io::Result<PathBuf> {
    let aside = files.journal.with_file_name(name);
    File::open(&files.fresh)?.sync_all()?;
    fs::write(&files.marker, name)?;
    File::open(&files.marker)?.sync_all()?;
    sync_folder(&files.journal)?;
    fs::rename(&files.journal, &aside)?;
    for suffix in ["-wal", "-shm"] {
        // They exist only if the last daemon did not close the file.
        let _absent = fs::rename(
            with_suffix(&files.journal, suffix),
            with_suffix(&aside, suffix),
        );
    }
    sync_folder(&files.journal)?;
    fs::rename(&files.fresh, &files.journal)?;
    sync_folder(&files.journal)?;
    fs::remove_file(&files.marker)?;
    Ok(aside)
}

fn sync_folder(file: &Path) -> io::Result<()> {
    file.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn remove(file: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let _absent = fs::remove_file(with_suffix(file, suffix));
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn unwritable(error: io::Error) -> Fault {
    Fault::Unwritable(error.to_string())
}
