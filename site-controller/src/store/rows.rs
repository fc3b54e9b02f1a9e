//! The journal's SQL. Sequences and counts are i64 in SQLite and u64 outside.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use site_model::Fact;
use site_wire::v1::{BATCH_MAX_FACTS, Envelope};

use super::{KEEP_ACKNOWLEDGED_DAYS, owed};

/// A read stops after the fact that reaches this size, so that a batch stays far below the cloud's bound of 1 MiB.
pub(super) const READ_MAX_BYTES: usize = 192 * 1024;
/// Most facts deleted in one transaction.
const DELETE_AT_ONCE: i64 = 500;
const DAY_MS: i64 = 86_400_000;

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
}

impl Number {
    fn key(self) -> &'static str {
        match self {
            Self::Mark => "mark",
            Self::CheckpointSequence => "checkpoint_sequence",
        }
    }
}

pub(super) fn number(db: &Connection, which: Number) -> rusqlite::Result<u64> {
    let text: String = db.query_row(
        "SELECT value FROM meta WHERE key = ?1",
        [which.key()],
        |row| row.get(0),
    )?;
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn set_number(db: &Connection, which: Number, value: u64) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE meta SET value = ?2 WHERE key = ?1")?
        .execute(params![which.key(), value.to_string()])?;
    Ok(())
}

pub(super) fn journal_id(db: &Connection) -> rusqlite::Result<String> {
    db.query_row(
        "SELECT value FROM meta WHERE key = 'journal_id'",
        [],
        |row| row.get(0),
    )
}

pub(super) fn set_journal_id(db: &Connection, id: &str) -> rusqlite::Result<()> {
    db.execute("INSERT INTO meta VALUES ('journal_id', ?1)", [id])?;
    Ok(())
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
    db.prepare_cached("INSERT INTO journal VALUES (?1, ?2)")?
        .execute(params![signed(envelope.sequence), text])?;
    Ok(())
}

/// Replaces the checkpoint: these facts rebuild the state at `sequence`.
pub(super) fn set_checkpoint(
    db: &Connection,
    facts: &[Fact],
    sequence: u64,
) -> rusqlite::Result<()> {
    db.execute("DELETE FROM checkpoint", [])?;
    let mut insert = db.prepare_cached("INSERT INTO checkpoint VALUES (?1, ?2)")?;
    for (position, fact) in (1_i64..).zip(facts) {
        let text = text_of(&Envelope::of(unsigned(position), fact));
        insert.execute(params![position, text])?;
    }
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
    let mark = number(tx, Number::Mark)?;
    delete_through(tx, mark, owed::READINGS_WHEN_FULL_MAX)
}

fn delete_through(
    tx: &Transaction<'_>,
    sequence: u64,
    readings_max: usize,
) -> rusqlite::Result<usize> {
    let through = sequence.min(number(tx, Number::CheckpointSequence)?);
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
    each(
        db,
        "SELECT sequence, envelope FROM journal WHERE sequence > ?1 ORDER BY sequence",
        sequence,
        |text, envelope| {
            bytes += text.len();
            found.push(envelope);
            found.len() < BATCH_MAX_FACTS && bytes < READ_MAX_BYTES
        },
    )?;
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
    each(
        db,
        "SELECT position, envelope FROM checkpoint WHERE position > ?1 ORDER BY position",
        0,
        |_, envelope| take(envelope),
    )?;
    each(
        db,
        "SELECT sequence, envelope FROM journal WHERE sequence > ?1 ORDER BY sequence",
        number(db, Number::CheckpointSequence)?,
        |_, envelope| {
            count += 1;
            take(envelope)
        },
    )?;
    bad.map_or(Ok(count), Err)
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

fn each(
    db: &Connection,
    sql: &str,
    after: u64,
    mut row: impl FnMut(&str, Envelope) -> bool,
) -> Result<(), Unreadable> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([signed(after)])?;
    while let Some(found) = rows.next()? {
        let text = match found.get_ref(1)? {
            ValueRef::Text(text) => std::str::from_utf8(text)
                .map_err(|error| Unreadable::Content(format!("a fact is not text: {error}")))?,
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => {
                return Err(Unreadable::Content("a fact is not text".to_owned()));
            }
        };
        let envelope = parse(text)?;
        if !row(text, envelope) {
            break;
        }
    }
    Ok(())
}

fn text_of(envelope: &Envelope) -> String {
    serde_json::to_string(envelope)
        .expect("an envelope is made of texts and numbers and always writes as JSON")
}

pub(super) fn parse(text: &str) -> Result<Envelope, Unreadable> {
    serde_json::from_str(text)
        .map_err(|error| Unreadable::Content(format!("a fact is not readable: {error}")))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
