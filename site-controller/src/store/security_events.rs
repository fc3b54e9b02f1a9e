//! The security log of each charge point: bounded, in order, with what its central system is still to be told.

use rusqlite::{Connection, OptionalExtension, Row, params};
use site_model::{ChargePointId, Monotonic, Timestamp, WallTime};

/// Events kept for one charge point. At the bound the oldest that needs no telling goes first.
const KEPT_MAX: u32 = 500;

pub(super) const SCHEMA: &str = "
CREATE TABLE ocpp_security_event (
  id INTEGER PRIMARY KEY AUTOINCREMENT, charge_point TEXT NOT NULL, wall_ms INTEGER NOT NULL,
  wall_known INTEGER NOT NULL, boot TEXT NOT NULL, monotonic_ms INTEGER NOT NULL,
  kind TEXT NOT NULL, info TEXT NOT NULL, tell INTEGER NOT NULL
);
CREATE INDEX ocpp_security_event_of ON ocpp_security_event (charge_point, tell, id);
";

/// An event as it is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewEvent {
    pub(crate) at: Timestamp,
    pub(crate) kind: &'static str,
    pub(crate) info: String,
    /// The central system is to be told.
    pub(crate) tell: bool,
}

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: i64,
    /// When; corrected where the right time became known in the same boot.
    pub(crate) at: WallTime,
    pub(crate) kind: String,
    pub(crate) info: String,
}

/// Writes an event down.
pub(crate) fn record(
    db: &mut Connection,
    charge_point: &ChargePointId,
    event: &NewEvent,
) -> rusqlite::Result<()> {
    let tx = db.savepoint()?;
    let id = charge_point.as_str();
    tx.execute(
        "INSERT INTO ocpp_security_event
         (charge_point, wall_ms, wall_known, boot, monotonic_ms, kind, info, tell)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            id,
            event.at.wall.0,
            event.at.wall_known,
            event.at.boot.to_string(),
            i64::try_from(event.at.monotonic.0).unwrap_or(i64::MAX),
            event.kind,
            event.info,
            event.tell
        ],
    )?;
    tx.execute(
        "DELETE FROM ocpp_security_event WHERE id IN (
           SELECT id FROM ocpp_security_event WHERE charge_point = ?1 ORDER BY tell, id
           LIMIT max(0, (SELECT count(*) FROM ocpp_security_event WHERE charge_point = ?1) - ?2))",
        params![id, KEPT_MAX],
    )?;
    tx.commit()
}

/// The oldest event that the central system is to be told.
pub(crate) fn to_tell(
    db: &Connection,
    charge_point: &ChargePointId,
    now: &Timestamp,
) -> rusqlite::Result<Option<Event>> {
    db.query_row(
        "SELECT * FROM ocpp_security_event WHERE charge_point = ?1 AND tell = 1 ORDER BY id LIMIT 1",
        [charge_point.as_str()],
        |row| event(row, now),
    )
    .optional()
}

/// The central system answered.
pub(crate) fn told(db: &Connection, id: i64) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE ocpp_security_event SET tell = 0 WHERE id = ?1",
        [id],
    )?;
    Ok(())
}

/// Every event that is kept, oldest first.
pub(crate) fn all(
    db: &Connection,
    charge_point: &ChargePointId,
    now: &Timestamp,
) -> rusqlite::Result<Vec<Event>> {
    let mut statement =
        db.prepare("SELECT * FROM ocpp_security_event WHERE charge_point = ?1 ORDER BY id")?;
    let rows = statement.query_map([charge_point.as_str()], |row| event(row, now))?;
    rows.collect()
}

fn event(row: &Row<'_>, now: &Timestamp) -> rusqlite::Result<Event> {
    let (wall_ms, known): (i64, bool) = (row.get("wall_ms")?, row.get("wall_known")?);
    let (boot, monotonic): (String, i64) = (row.get("boot")?, row.get("monotonic_ms")?);
    let at = Monotonic(u64::try_from(monotonic).unwrap_or(0));
    let age_ms = i64::try_from(now.monotonic.ms_since(at)).unwrap_or(i64::MAX);
    let counted = !known && now.wall_known && boot == now.boot.to_string();
    Ok(Event {
        id: row.get("id")?,
        at: WallTime(if counted {
            now.wall.0 - age_ms
        } else {
            wall_ms
        }),
        kind: row.get("kind")?,
        info: row.get("info")?,
    })
}
