//! Where each charge point stands with a central system: a cursor over the journal, the message sent
//! last, word for word, and the ids of its transactions. The messages themselves are the facts. In these
//! tables `charge_point` is the name of a line (`lines`), but for what was set aside and the keys.

use rusqlite::{Connection, OptionalExtension, Row, Savepoint, params};
use site_model::{Announcement, BootId, Change, ChargePointId, Fact, SessionId, WattHours};

use super::lines::{self, Line};
use super::rows::{self, Unreadable, signed, unsigned};

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

/// A fact of the charge point `?2` that is told on its line `?1`.
macro_rules! of_line {
    () => {
        "(SELECT line FROM ocpp_stretch WHERE ocpp_stretch.charge_point = ?2 AND begins < sequence
          ORDER BY place DESC LIMIT 1) IS ?1"
    };
}
pub(super) const OF_LINE: &str = of_line!();

/// Facts that are told, on one line, after a sequence. A meter reading names its session only.
const NEXT: &str = concat!(
    "
SELECT sequence, envelope, crc FROM journal WHERE sequence > ?3 AND (
  (envelope ->> '$.change.type' IN ('session_started', 'session_ended')
   AND envelope ->> '$.change.charge_point_id' = ?2 AND ",
    of_line!(),
    ")
  OR (envelope ->> '$.change.type' = 'meter_read' AND EXISTS (
    SELECT 1 FROM ocpp_transaction WHERE charge_point = ?1 AND session = envelope ->> '$.change.session_id')))
ORDER BY sequence LIMIT 1"
);

/// Starts and ends of sessions that are still to be told.
pub(super) const COUNT: &str = concat!(
    "
SELECT count(*) FROM journal, ocpp_place WHERE charge_point = ?1 AND sequence > cursor
  AND envelope ->> '$.change.type' IN ('session_started', 'session_ended')
  AND envelope ->> '$.change.charge_point_id' = ?2 AND ",
    of_line!()
);

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

/// Everything up to here is told on this line, or is nothing to tell.
pub(crate) fn cursor(db: &Connection, line: &str) -> rusqlite::Result<u64> {
    let sql = "SELECT cursor FROM ocpp_place WHERE charge_point = ?1";
    let cursor: i64 = db.query_row(sql, [line], |row| row.get(0))?;
    Ok(unsigned(cursor))
}

/// Messages of a charge point that are not told to anybody: how many, and why the newest.
pub(crate) fn aside(
    db: &Connection,
    charge_point: &ChargePointId,
) -> rusqlite::Result<(u64, Option<String>)> {
    let count: i64 = db.query_row(
        "SELECT count(*) FROM ocpp_set_aside WHERE charge_point = ?1",
        [charge_point.as_str()],
        |row| row.get(0),
    )?;
    let reason = db
        .query_row(
            "SELECT reason FROM ocpp_set_aside WHERE charge_point = ?1 ORDER BY sequence DESC LIMIT 1",
            [charge_point.as_str()],
            |row| row.get(0),
        )
        .optional()?;
    Ok((unsigned(count), reason))
}

/// Forgets what central systems set up at charge points that have none any more, and queues that are
/// nobody's.
pub(crate) fn forget_others(db: &Connection, wanted: &[ChargePointId]) -> rusqlite::Result<()> {
    for table in [
        "ocpp_configuration",
        "ocpp_list_version",
        "ocpp_list",
        "ocpp_cache",
        "ocpp_profile",
        "ocpp_security_event",
    ] {
        let mut known = db.prepare(&format!("SELECT DISTINCT charge_point FROM {table}"))?;
        let known = known.query_map([], |row| row.get::<_, String>(0))?;
        for id in known.collect::<rusqlite::Result<Vec<_>>>()? {
            if !wanted.iter().any(|wanted| wanted.as_str() == id) {
                db.execute(
                    &format!("DELETE FROM {table} WHERE charge_point = ?1"),
                    [&id],
                )?;
            }
        }
    }
    for table in ["ocpp_place", "ocpp_frozen", "ocpp_transaction"] {
        let lineless = "charge_point NOT IN (SELECT name FROM ocpp_line)";
        db.execute(&format!("DELETE FROM {table} WHERE {lineless}"), [])?;
    }
    Ok(())
}

/// The charge point as it was announced last.
pub(crate) fn last_announcement(
    db: &Connection,
    charge_point: &ChargePointId,
) -> Result<Option<Announcement>, Unreadable> {
    let sql = |from: &str| {
        format!(
            "SELECT envelope FROM {from} WHERE envelope ->> '$.change.type' = 'charge_point_announced'
             AND envelope ->> '$.change.charge_point_id' = ?1"
        )
    };
    let newest = sql("journal") + " ORDER BY sequence DESC LIMIT 1";
    for sql in [newest, sql("checkpoint")] {
        let found: Option<String> = db
            .query_row(&sql, [charge_point.as_str()], |row| row.get(0))
            .optional()?;
        if let Some(envelope) = found
            && let Change::ChargePointAnnounced(announcement) = rows::fact_in(&envelope)?.change
        {
            return Ok(Some(announcement));
        }
    }
    Ok(None)
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
pub(crate) fn next(db: &Connection, line: &Line, scanned: u64) -> Result<Next, Unreadable> {
    let frozen = db
        .prepare_cached(
            "SELECT sequence, message_id, action, payload FROM ocpp_frozen WHERE charge_point = ?1",
        )?
        .query_row([&line.name], frozen_of)
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
        .query_row(
            params![line.name, line.charge_point.as_str(), signed(scanned)],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
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
    let Change::SessionStarted { meter_start, .. } = fact.change else {
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

/// The same where the charge point is.
pub(crate) fn session_here(
    db: &Connection,
    charge_point: &ChargePointId,
    transaction_id: i64,
) -> rusqlite::Result<Option<SessionId>> {
    let here = lines::here(db, charge_point)?;
    here.map_or(Ok(None), |line| session(db, &line, transaction_id))
}

/// The session of a transaction whose stop was not told yet.
pub(crate) fn session(
    db: &Connection,
    line: &str,
    transaction_id: i64,
) -> rusqlite::Result<Option<SessionId>> {
    let found: Option<String> = db
        .query_row(
            "SELECT session FROM ocpp_transaction WHERE charge_point = ?1 AND transaction_id = ?2",
            params![line, transaction_id],
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
    line: &str,
    frozen: &Frozen,
    start: Option<(&SessionId, u8)>,
) -> rusqlite::Result<()> {
    let tx = db.savepoint()?;
    tx.execute(
        "INSERT INTO ocpp_frozen VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            line,
            signed(frozen.sequence),
            frozen.message_id,
            frozen.action,
            frozen.payload
        ],
    )?;
    if let Some((session, connector)) = start {
        tx.execute(
            "INSERT OR REPLACE INTO ocpp_transaction VALUES (?1, ?2, ?3, NULL, 0)",
            params![session.as_str(), line, connector],
        )?;
    }
    tx.commit()
}

/// A transaction whose start the charge point's central system answered, as far as somebody else knows.
pub(super) fn set_transaction(
    db: &Connection,
    charge_point: &ChargePointId,
    (session, connector): (&SessionId, u8),
    transaction_id: i64,
) -> rusqlite::Result<()> {
    if let Some(line) = lines::here(db, charge_point)? {
        db.execute(
            "INSERT OR REPLACE INTO ocpp_transaction VALUES (?1, ?2, ?3, ?4, 0)",
            params![session.as_str(), line, connector, transaction_id],
        )?;
    }
    Ok(())
}

/// Moves the cursor past a message, with what became of it.
pub(crate) fn end(
    db: &mut Connection,
    line: &Line,
    sequence: u64,
    ended: &Ended,
) -> rusqlite::Result<()> {
    let tx = db.savepoint()?;
    tx.execute(
        "DELETE FROM ocpp_frozen WHERE charge_point = ?1",
        [&line.name],
    )?;
    move_cursor(&tx, &line.name, sequence)?;
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
            &line.charge_point,
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
pub(crate) fn move_cursor(db: &Connection, line: &str, sequence: u64) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE ocpp_place SET cursor = max(cursor, ?2) WHERE charge_point = ?1",
        params![line, signed(sequence)],
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
             SELECT coalesce(ocpp_line.charge_point, ocpp_frozen.charge_point), sequence, action || ' ' || payload,
               'the journal was damaged and its record is missing'
             FROM ocpp_frozen LEFT JOIN ocpp_line ON name = ocpp_frozen.charge_point
             WHERE ocpp_frozen.charge_point = ?1",
            [&row.0],
        )?;
        tx.execute("DELETE FROM ocpp_frozen WHERE charge_point = ?1", [&row.0])?;
    }
    Ok(())
}
