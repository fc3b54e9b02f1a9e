//! The journal's SQL. Sequences and counts are i64 in SQLite and u64 outside.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use site_model::Fact;
use site_wire::v1::{BATCH_MAX_FACTS, Envelope};

use super::{KEEP_ACKNOWLEDGED_DAYS, owed, sum};

/// A read stops after the fact that reaches this size, so that a batch stays far below the cloud's bound of 1 MiB.
pub(super) const READ_MAX_BYTES: usize = 192 * 1024;
/// Most facts deleted in one transaction.
const DELETE_AT_ONCE: i64 = 500;
const DAY_MS: i64 = 86_400_000;
/// Key of the journal's identity in `meta`.
const JOURNAL_ID: &str = "journal_id";

pub(super) const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE journal (sequence INTEGER PRIMARY KEY, envelope TEXT NOT NULL);
CREATE TABLE checkpoint (position INTEGER PRIMARY KEY, envelope TEXT NOT NULL);
CREATE TABLE mark_of_day (day INTEGER PRIMARY KEY, sequence INTEGER NOT NULL);
INSERT INTO meta VALUES ('mark', '0'), ('checkpoint_sequence', '0');
";

/// Numbers kept in `meta`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Mark,
    CheckpointSequence,
    CheckpointFacts,
    /// The right wall time when it was last noted, in milliseconds since 1970.
    WallMs,
}

impl Number {
    fn key(self) -> &'static str {
        match self {
            Self::Mark => "mark",
            Self::CheckpointSequence => "checkpoint_sequence",
            Self::CheckpointFacts => "checkpoint_facts",
            Self::WallMs => "wall_ms",
        }
    }
}

/// 0 where it was never set.
pub(super) fn number(db: &Connection, which: Number) -> rusqlite::Result<u64> {
    let Some(text) = meta(db, which.key())? else {
        return Ok(0);
    };
    text.parse().map_err(|_| damaged_row("meta"))
}

pub(super) fn set_number(db: &Connection, which: Number, value: u64) -> rusqlite::Result<()> {
    set_meta(db, which.key(), &value.to_string())
}

fn meta(db: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    let found: Option<(String, i64)> = db
        .prepare_cached("SELECT value, crc FROM meta WHERE key = ?1")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        Some((value, crc)) if crc == sum::of_meta(key, &value) => Ok(Some(value)),
        Some(_) => Err(damaged_row("meta")),
        None => Ok(None),
    }
}

fn set_meta(db: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO meta (key, value, crc) VALUES (?1, ?2, ?3)")?
        .execute(params![key, value, sum::of_meta(key, value)])?;
    Ok(())
}

/// As SQLite tells a damaged page.
fn damaged_row(table: &str) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(format!("a row of {table} is damaged")))
}

pub(super) fn journal_id(db: &Connection) -> rusqlite::Result<String> {
    meta(db, JOURNAL_ID)?.ok_or_else(|| damaged_row("meta"))
}

pub(super) fn set_journal_id(db: &Connection, id: &str) -> rusqlite::Result<()> {
    set_meta(db, JOURNAL_ID, id)
}

/// Retention deletes acknowledged facts only, and never above the checkpoint: the highest of the three stays right.
pub(super) fn last_sequence(db: &Connection) -> rusqlite::Result<u64> {
    let in_rows: Option<i64> = db
        .query_row("SELECT max(sequence) FROM journal", [], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(unsigned(in_rows.unwrap_or(0))
        .max(number(db, Number::Mark)?)
        .max(number(db, Number::CheckpointSequence)?))
}

pub(super) fn insert(db: &Connection, envelope: &Envelope) -> rusqlite::Result<()> {
    let text = text_of(envelope);
    let crc = sum::of_fact(envelope.sequence, &text);
    db.prepare_cached("INSERT INTO journal (sequence, envelope, crc) VALUES (?1, ?2, ?3)")?
        .execute(params![signed(envelope.sequence), text, crc])?;
    Ok(())
}

/// Replaces the checkpoint: these facts rebuild the state at `sequence`.
pub(super) fn set_checkpoint(
    db: &Connection,
    facts: &[Fact],
    sequence: u64,
) -> rusqlite::Result<()> {
    db.execute("DELETE FROM checkpoint", [])?;
    let mut insert = db.prepare_cached(
        "INSERT INTO checkpoint (position, envelope, made_at, crc) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut count = 0;
    for (position, fact) in (1..).zip(facts) {
        let text = text_of(&Envelope::of(position, fact));
        let crc = sum::of_checkpoint(sequence, position, &text);
        insert.execute(params![signed(position), text, signed(sequence), crc])?;
        count = position;
    }
    set_number(db, Number::CheckpointFacts, count)?;
    set_number(db, Number::CheckpointSequence, sequence)
}

/// Stores the cloud's mark, and which mark the day ended with.
pub(super) fn set_mark(db: &Connection, sequence: u64, wall_ms: i64) -> rusqlite::Result<()> {
    set_number(db, Number::Mark, sequence)?;
    db.prepare_cached("INSERT OR REPLACE INTO mark_of_day VALUES (?1, ?2)")?
        .execute(params![wall_ms.div_euclid(DAY_MS), signed(sequence)])?;
    Ok(())
}

/// Deletes a bounded number of facts that were acknowledged long enough ago. Returns how many.
pub(super) fn delete_old(tx: &Transaction<'_>, wall_ms: i64) -> rusqlite::Result<usize> {
    let day = wall_ms.div_euclid(DAY_MS) - KEEP_ACKNOWLEDGED_DAYS;
    let acknowledged: Option<i64> = tx
        .query_row(
            "SELECT sequence FROM mark_of_day WHERE day < ?1 ORDER BY day DESC LIMIT 1",
            [day],
            |row| row.get(0),
        )
        .optional()?;
    let Some(acknowledged) = acknowledged else {
        return Ok(0);
    };
    let deleted = delete_through(tx, unsigned(acknowledged), owed::READINGS_MAX)?;
    tx.execute(
        "DELETE FROM mark_of_day WHERE day < ?1 AND sequence < ?2",
        params![day, acknowledged],
    )?;
    Ok(deleted)
}

/// Deletes a bounded number of acknowledged facts whatever their age: the disk is full.
pub(super) fn delete_acknowledged(tx: &Transaction<'_>) -> rusqlite::Result<usize> {
    delete_through(tx, u64::MAX, owed::READINGS_WHEN_FULL_MAX)
}

/// Up to here facts are acknowledged and in the checkpoint: below it some may be deleted, above it none.
pub(super) fn settled(db: &Connection) -> rusqlite::Result<u64> {
    let checkpoint = number(db, Number::CheckpointSequence)?;
    Ok(checkpoint.min(number(db, Number::Mark)?))
}

fn delete_through(
    tx: &Transaction<'_>,
    sequence: u64,
    readings_max: usize,
) -> rusqlite::Result<usize> {
    let through = sequence.min(settled(tx)?);
    let told = owed::told_by_all(tx)?;
    let kept = owed::KEPT;
    let deleted = tx.execute(
        &format!(
            "DELETE FROM journal WHERE sequence IN
             (SELECT sequence FROM journal WHERE sequence <= ?1 AND NOT (sequence > ?3 AND {kept})
              ORDER BY sequence LIMIT ?2)"
        ),
        params![signed(through), DELETE_AT_ONCE, signed(told)],
    )?;
    Ok(deleted + owed::thin(tx, told, through, readings_max)?)
}

/// Facts after a sequence, ascending, bounded in number and size.
pub(super) fn read_after(db: &Connection, sequence: u64) -> Result<Vec<Envelope>, Unreadable> {
    let mut found = Vec::new();
    let mut bytes = 0;
    each_fact(db, sequence, |text, envelope| {
        bytes += text.len();
        found.push(envelope);
        found.len() < BATCH_MAX_FACTS && bytes < READ_MAX_BYTES
    })?;
    Ok(found)
}

/// Every fact that rebuilds the state, in order: checkpoint, then what follows it.
pub(super) fn replay(db: &Connection, mut fact: impl FnMut(Fact)) -> Result<u64, Unreadable> {
    let mut count = 0;
    let mut bad = None;
    let mut take = |envelope: Envelope| match Fact::try_from(envelope) {
        Ok(read) => {
            fact(read);
            true
        }
        Err(error) => {
            bad = Some(Unreadable::Content(error.to_string()));
            false
        }
    };
    let made_at = number(db, Number::CheckpointSequence)?;
    let mut in_checkpoint = 0;
    each(
        db,
        "SELECT position, envelope, crc FROM checkpoint WHERE position > ?1 ORDER BY position",
        0,
        |position, text| sum::of_checkpoint(made_at, position, text),
        |_, envelope| {
            in_checkpoint += 1;
            take(envelope)
        },
    )?;
    each_fact(db, made_at, |_, envelope| {
        count += 1;
        take(envelope)
    })?;
    if let Some(bad) = bad {
        return Err(bad);
    }
    if in_checkpoint != number(db, Number::CheckpointFacts)? {
        let problem = "facts of the checkpoint are missing";
        return Err(Unreadable::Content(problem.to_owned()));
    }
    Ok(count)
}

/// Wall time of the newest fact.
pub(super) fn last_wall_ms(db: &Connection) -> Result<Option<i64>, Unreadable> {
    let newest: Option<String> = db
        .query_row(
            "SELECT envelope FROM journal ORDER BY sequence DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    newest
        .map(|text| parse(&text).map(|envelope| envelope.wall_ms))
        .transpose()
}

/// Why stored facts cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// From SQLite.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// A row that no version of this program wrote.
    #[error("{0}")]
    Content(String),
}

fn each_fact(
    db: &Connection,
    after: u64,
    row: impl FnMut(&str, Envelope) -> bool,
) -> Result<(), Unreadable> {
    each(
        db,
        "SELECT sequence, envelope, crc FROM journal WHERE sequence > ?1 ORDER BY sequence",
        after,
        sum::of_fact,
        row,
    )
}

fn each(
    db: &Connection,
    sql: &str,
    after: u64,
    sum: impl Fn(u64, &str) -> i64,
    mut row: impl FnMut(&str, Envelope) -> bool,
) -> Result<(), Unreadable> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([signed(after)])?;
    while let Some(found) = rows.next()? {
        let key = unsigned(found.get(0)?);
        let text = text_in(found, 1)?;
        if found.get::<_, i64>(2)? != sum(key, text) {
            return Err(damaged_fact(key));
        }
        let envelope = parse(text)?;
        if !row(text, envelope) {
            break;
        }
    }
    Ok(())
}

/// Checks facts from `from` downwards, the newest first, until `go_on` says no. They must follow
/// each other without a gap down to what is settled. Returns the sequence down to which all are sound.
pub(super) fn check_down(
    db: &Connection,
    from: u64,
    mut go_on: impl FnMut() -> bool,
) -> Result<u64, Unreadable> {
    let mut statement = db.prepare(
        "SELECT sequence, envelope, crc FROM journal WHERE sequence <= ?1 ORDER BY sequence DESC",
    )?;
    let settled = settled(db)?;
    let mut rows = statement.query([signed(from)])?;
    let mut above: Option<u64> = None;
    while let Some(row) = rows.next()? {
        let sequence = unsigned(row.get(0)?);
        if above.is_some_and(|above| above != sequence + 1 && above > settled + 1) {
            let problem = format!("facts after {sequence} are missing");
            return Err(Unreadable::Content(problem));
        }
        if row.get::<_, i64>(2)? != sum::of_fact(sequence, text_in(row, 1)?) {
            return Err(damaged_fact(sequence));
        }
        above = Some(sequence);
        if !go_on() {
            return Ok(sequence);
        }
    }
    Ok(0)
}

fn text_in<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> Result<&'a str, Unreadable> {
    match row.get_ref(column)? {
        ValueRef::Text(text) => std::str::from_utf8(text)
            .map_err(|error| Unreadable::Content(format!("a fact is not text: {error}"))),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => {
            Err(Unreadable::Content("a fact is not text".to_owned()))
        }
    }
}

fn damaged_fact(sequence: u64) -> Unreadable {
    Unreadable::Content(format!("fact {sequence} is damaged"))
}

/// One fact as a row holds it: sequence, envelope, checksum.
pub(super) fn verified(sequence: i64, envelope: &str, crc: i64) -> Result<Fact, Unreadable> {
    if crc != sum::of_fact(unsigned(sequence), envelope) {
        return Err(damaged_fact(unsigned(sequence)));
    }
    fact_in(envelope)
}

fn text_of(envelope: &Envelope) -> String {
    serde_json::to_string(envelope)
        .expect("an envelope is made of texts and numbers and always writes as JSON")
}

/// The fact of an envelope.
pub(super) fn fact_in(envelope: &str) -> Result<Fact, Unreadable> {
    Fact::try_from(parse(envelope)?)
        .map_err(|error| Unreadable::Content(format!("a fact is not readable: {error}")))
}

pub(super) fn parse(text: &str) -> Result<Envelope, Unreadable> {
    serde_json::from_str(text)
        .map_err(|error| Unreadable::Content(format!("a fact is not readable: {error}")))
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
