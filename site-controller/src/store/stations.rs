//! Where each charge point stands with its central system: a cursor over the journal, the message
//! sent last, word for word, and the ids of its transactions. The messages themselves are the facts.

use rusqlite::{Connection, OptionalExtension, Row, Savepoint, params};
use site_model::{BootId, ChargePointId, Fact, SessionId, WattHours};

use super::rows::{self, Unreadable};

pub(super) const SCHEMA: &str = "
CREATE TABLE ocpp_place (charge_point TEXT PRIMARY KEY, cursor INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE ocpp_frozen (
  charge_point TEXT PRIMARY KEY, sequence INTEGER NOT NULL, message_id TEXT NOT NULL,
  action TEXT NOT NULL, payload TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE ocpp_transaction (
  session TEXT PRIMARY KEY, charge_point TEXT NOT NULL, connector INTEGER NOT NULL,
  transaction_id INTEGER, set_aside INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE ocpp_set_aside (
  charge_point TEXT NOT NULL, sequence INTEGER NOT NULL, message TEXT NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (charge_point, sequence)
) WITHOUT ROWID;
";

/// The third version of the file.
pub(super) const CONFIGURATION: &str = "
CREATE TABLE ocpp_configuration (
  charge_point TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (charge_point, key)
) WITHOUT ROWID;
";

/// Facts that are told, of one charge point, after a sequence. A meter reading names its session only.
const NEXT: &str = "
SELECT sequence, envelope, crc FROM journal WHERE sequence > ?2 AND (
  (envelope ->> '$.change.type' IN ('session_started', 'session_ended')
   AND envelope ->> '$.change.charge_point_id' = ?1)
  OR (envelope ->> '$.change.type' = 'meter_read' AND EXISTS (
    SELECT 1 FROM ocpp_transaction WHERE charge_point = ?1 AND session = envelope ->> '$.change.session_id')))
ORDER BY sequence LIMIT 1";

/// Starts and ends of sessions that are still to be told.
const COUNT: &str = "
SELECT count(*) FROM journal, ocpp_place WHERE charge_point = ?1 AND sequence > cursor
  AND envelope ->> '$.change.type' IN ('session_started', 'session_ended')
  AND envelope ->> '$.change.charge_point_id' = ?1";

/// A charge point's queue as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Everything up to this sequence is told, or is nothing to tell.
    pub(crate) cursor: u64,
    /// Starts and ends of sessions that wait.
    pub(crate) waiting: u64,
    /// Messages that the central system would not take.
    pub(crate) set_aside: u64,
}

/// A message as it was first sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frozen {
    pub(crate) sequence: u64,
    pub(crate) message_id: String,
    pub(crate) action: String,
    pub(crate) payload: String,
}

/// What is to be told next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// This was sent and not answered: it is sent again as it was.
    Frozen(Frozen, Fact),
    /// This was not told yet.
    Fact {
        sequence: u64,
        fact: Fact,
        /// What is known of the transaction of its session.
        known: Option<Known>,
        /// To be added to its time, which was recorded before the right time was known.
        offset_ms: Option<i64>,
    },
    /// There is nothing.
    Nothing,
}

/// A transaction whose start was told, or is being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) connector: u8,
    pub(crate) transaction_id: Option<i64>,
    pub(crate) set_aside: bool,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A start was answered with this id.
    Started {
        session: SessionId,
        transaction_id: i64,
    },
    /// Meter values were answered.
    Read,
    /// A stop was answered.
    Stopped { session: SessionId },
    /// It is kept aside, for this reason; the start of this session with it, if it was one.
    SetAside {
        message: String,
        reason: String,
        start: Option<SessionId>,
    },
}

/// Finds or makes the place of a charge point. One that is new here begins at the journal's end:
/// what was before is nobody's.
pub(crate) fn begin(
    db: &Connection,
    charge_point: &ChargePointId,
    end: u64,
) -> rusqlite::Result<Place> {
    let id = charge_point.as_str();
    db.execute(
        "INSERT OR IGNORE INTO ocpp_place VALUES (?1, ?2)",
        params![id, signed(end)],
    )?;
    let cursor: i64 = db.query_row(
        "SELECT cursor FROM ocpp_place WHERE charge_point = ?1",
        [id],
        |row| row.get(0),
    )?;
    let waiting: i64 = db.query_row(COUNT, [id], |row| row.get(0))?;
    let set_aside: i64 = db.query_row(
        "SELECT count(*) FROM ocpp_set_aside WHERE charge_point = ?1",
        [id],
        |row| row.get(0),
    )?;
    Ok(Place {
        cursor: unsigned(cursor),
        waiting: unsigned(waiting),
        set_aside: unsigned(set_aside),
    })
}

/// Forgets the places of charge points that have no central system any more; gives their names.
pub(crate) fn forget_others(
    db: &Connection,
    wanted: &[ChargePointId],
) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare("SELECT charge_point FROM ocpp_place")?;
    let known = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut gone = Vec::new();
    for id in known {
        let id = id?;
        if !wanted.iter().any(|wanted| wanted.as_str() == id) {
            gone.push(id);
        }
    }
    for id in &gone {
        for table in [
            "ocpp_place",
            "ocpp_frozen",
            "ocpp_transaction",
            "ocpp_configuration",
            "ocpp_list_version",
            "ocpp_list",
            "ocpp_cache",
            "ocpp_profile",
            "ocpp_security_event",
        ] {
            db.execute(
                &format!("DELETE FROM {table} WHERE charge_point = ?1"),
                [id],
            )?;
        }
    }
    Ok(gone)
}

/// Configuration keys that a central system changed.
pub(crate) fn configuration(
    db: &Connection,
    charge_point: &ChargePointId,
) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement =
        db.prepare("SELECT key, value FROM ocpp_configuration WHERE charge_point = ?1")?;
    let rows = statement.query_map([charge_point.as_str()], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    rows.collect()
}

/// Keeps a configuration key's value.
pub(crate) fn configure(
    db: &Connection,
    charge_point: &ChargePointId,
    key: &str,
    value: &str,
) -> rusqlite::Result<()> {
    db.execute(
        "INSERT OR REPLACE INTO ocpp_configuration VALUES (?1, ?2, ?3)",
        params![charge_point.as_str(), key, value],
    )?;
    Ok(())
}

/// What is to be told after `scanned`, oldest first.
pub(crate) fn next(
    db: &Connection,
    charge_point: &ChargePointId,
    scanned: u64,
) -> Result<Next, Unreadable> {
    let id = charge_point.as_str();
    let frozen = db
        .prepare_cached(
            "SELECT sequence, message_id, action, payload FROM ocpp_frozen WHERE charge_point = ?1",
        )?
        .query_row([id], frozen_of)
        .optional()?;
    if let Some(frozen) = frozen {
        let (envelope, crc): (String, i64) = db.query_row(
            "SELECT envelope, crc FROM journal WHERE sequence = ?1",
            [signed(frozen.sequence)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let fact = rows::verified(signed(frozen.sequence), &envelope, crc)?;
        return Ok(Next::Frozen(frozen, fact));
    }
    let found: Option<(i64, String, i64)> = db
        .prepare_cached(NEXT)?
        .query_row(params![id, signed(scanned)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((sequence, envelope, crc)) = found else {
        return Ok(Next::Nothing);
    };
    let fact = rows::verified(sequence, &envelope, crc)?;
    let known = session_of(&fact)
        .map(|session| known(db, session))
        .transpose()?;
    let offset_ms = if fact.at.wall_known {
        Some(0)
    } else {
        correction(db, fact.at.boot, sequence)?
    };
    Ok(Next::Fact {
        sequence: unsigned(sequence),
        fact,
        known: known.flatten(),
        offset_ms,
    })
}

fn frozen_of(row: &Row<'_>) -> rusqlite::Result<Frozen> {
    Ok(Frozen {
        sequence: unsigned(row.get(0)?),
        message_id: row.get(1)?,
        action: row.get(2)?,
        payload: row.get(3)?,
    })
}

/// The session that a told fact is about.
pub(crate) fn session_of(fact: &Fact) -> Option<&SessionId> {
    use site_model::Change;
    if let Change::SessionStarted { session, .. }
    | Change::MeterRead { session, .. }
    | Change::SessionEnded { session, .. } = &fact.change
    {
        return Some(session);
    }
    None
}

/// What is known of a session's transaction.
pub(crate) fn known(db: &Connection, session: &SessionId) -> rusqlite::Result<Option<Known>> {
    db.prepare_cached(
        "SELECT connector, transaction_id, set_aside FROM ocpp_transaction WHERE session = ?1",
    )?
    .query_row([session.as_str()], |row| {
        Ok(Known {
            connector: row.get(0)?,
            transaction_id: row.get(1)?,
            set_aside: row.get(2)?,
        })
    })
    .optional()
}

/// The register at a session's beginning and the time of it in ms, corrected as far as that is known;
/// looked for from its end on back. Nothing where the journal has it no longer.
pub(crate) fn begun(
    db: &mut Connection,
    session: &SessionId,
    before: u64,
) -> Result<Option<(WattHours, i64)>, Unreadable> {
    let found: Option<(i64, String, i64)> = db
        .prepare_cached(
            "SELECT sequence, envelope, crc FROM journal WHERE sequence < ?1
             AND envelope ->> '$.change.type' = 'session_started'
             AND envelope ->> '$.change.session_id' = ?2 ORDER BY sequence DESC LIMIT 1",
        )?
        .query_row(params![signed(before), session.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((sequence, envelope, crc)) = found else {
        return Ok(None);
    };
    let fact = rows::verified(sequence, &envelope, crc)?;
    let site_model::Change::SessionStarted { meter_start, .. } = fact.change else {
        return Ok(None);
    };
    let offset_ms = if fact.at.wall_known {
        0
    } else {
        correction(db, fact.at.boot, sequence)?.unwrap_or(0)
    };
    Ok(Some((
        meter_start,
        fact.at.wall.0.saturating_add(offset_ms),
    )))
}

/// The session of a transaction whose stop was not told yet.
pub(crate) fn session(
    db: &Connection,
    charge_point: &ChargePointId,
    transaction_id: i64,
) -> rusqlite::Result<Option<SessionId>> {
    let found: Option<String> = db
        .query_row(
            "SELECT session FROM ocpp_transaction WHERE charge_point = ?1 AND transaction_id = ?2",
            params![charge_point.as_str(), transaction_id],
            |row| row.get(0),
        )
        .optional()?;
    Ok(found.and_then(|session| SessionId::new(&session).ok()))
}

fn correction(db: &Connection, boot: BootId, after: i64) -> rusqlite::Result<Option<i64>> {
    db.query_row(
        "SELECT envelope ->> '$.change.offset_ms' FROM journal WHERE sequence > ?1
         AND envelope ->> '$.change.type' = 'clock_corrected' AND envelope ->> '$.change.corrected_boot' = ?2
         ORDER BY sequence LIMIT 1",
        params![after, boot.to_string()],
        |row| row.get(0),
    )
    .optional()
}

/// Keeps a message as it is about to be sent for the first time.
pub(crate) fn freeze(
    db: &mut Connection,
    charge_point: &ChargePointId,
    frozen: &Frozen,
    start: Option<(&SessionId, u8)>,
) -> rusqlite::Result<()> {
    let tx = db.savepoint()?;
    tx.execute(
        "INSERT INTO ocpp_frozen VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            charge_point.as_str(),
            signed(frozen.sequence),
            frozen.message_id,
            frozen.action,
            frozen.payload
        ],
    )?;
    if let Some((session, connector)) = start {
        tx.execute(
            "INSERT OR REPLACE INTO ocpp_transaction VALUES (?1, ?2, ?3, NULL, 0)",
            params![session.as_str(), charge_point.as_str(), connector],
        )?;
    }
    tx.commit()
}

/// Moves the cursor past a message, with what became of it.
pub(crate) fn end(
    db: &mut Connection,
    charge_point: &ChargePointId,
    sequence: u64,
    ended: &Ended,
) -> rusqlite::Result<()> {
    let tx = db.savepoint()?;
    let id = charge_point.as_str();
    tx.execute("DELETE FROM ocpp_frozen WHERE charge_point = ?1", [id])?;
    move_cursor(&tx, charge_point, sequence)?;
    match ended {
        Ended::Started {
            session,
            transaction_id,
        } => tx.execute(
            "UPDATE ocpp_transaction SET transaction_id = ?2 WHERE session = ?1",
            params![session.as_str(), transaction_id],
        )?,
        Ended::Read => 0,
        Ended::Stopped { session } => tx.execute(
            "DELETE FROM ocpp_transaction WHERE session = ?1",
            [session.as_str()],
        )?,
        Ended::SetAside {
            message,
            reason,
            start,
        } => set_aside(
            &tx,
            charge_point,
            sequence,
            (message, reason),
            start.as_ref(),
        )?,
    };
    tx.commit()
}

fn set_aside(
    tx: &Savepoint<'_>,
    charge_point: &ChargePointId,
    sequence: u64,
    (message, reason): (&str, &str),
    start: Option<&SessionId>,
) -> rusqlite::Result<usize> {
    if let Some(session) = start {
        tx.execute(
            "UPDATE ocpp_transaction SET set_aside = 1 WHERE session = ?1",
            [session.as_str()],
        )?;
    }
    tx.execute(
        "INSERT OR REPLACE INTO ocpp_set_aside VALUES (?1, ?2, ?3, ?4)",
        params![charge_point.as_str(), signed(sequence), message, reason],
    )
}

/// Everything up to `sequence` is told, or is nothing to tell.
pub(crate) fn move_cursor(
    db: &Connection,
    charge_point: &ChargePointId,
    sequence: u64,
) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE ocpp_place SET cursor = max(cursor, ?2) WHERE charge_point = ?1",
        params![charge_point.as_str(), signed(sequence)],
    )?;
    Ok(())
}

/// After a salvage: a message whose fact could not be carried over is kept for people.
pub(super) fn set_aside_without_fact(
    tx: &Connection,
    carried: impl Fn(u64) -> bool,
) -> rusqlite::Result<()> {
    let mut select = tx.prepare("SELECT charge_point, sequence FROM ocpp_frozen")?;
    let rows = select.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    for row in rows.collect::<rusqlite::Result<Vec<_>>>()? {
        if carried(unsigned(row.1)) {
            continue;
        }
        tx.execute(
            "INSERT OR REPLACE INTO ocpp_set_aside
             SELECT charge_point, sequence, action || ' ' || payload, 'the journal was damaged and its record is missing'
             FROM ocpp_frozen WHERE charge_point = ?1",
            [&row.0],
        )?;
        tx.execute("DELETE FROM ocpp_frozen WHERE charge_point = ?1", [&row.0])?;
    }
    Ok(())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
