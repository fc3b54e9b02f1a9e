//! What central systems were not told stays in the journal, however long they are away: starts and ends
//! of sessions without limit, register readings within them thinned at a bound. The rest goes.

use rusqlite::{Connection, params};
use station::queue::{WaitingMeter, thinned};

/// Register readings that may wait for central systems longer than the journal is kept anyway: a
/// connector that charges without a pause makes 96 a day, of about 300 bytes.
pub(super) const READINGS_MAX: usize = 20_000;
/// The same while the disk is full.
pub(super) const READINGS_WHEN_FULL_MAX: usize = 1_000;

/// Of a row of the journal behind the oldest cursor: it, or what its message says, may still be told.
pub(super) const KEPT: &str = "(
  envelope ->> '$.change.type' IN ('meter_read', 'clock_corrected')
  OR (envelope ->> '$.change.type' IN ('session_started', 'session_ended') AND EXISTS (
    SELECT 1 FROM ocpp_place JOIN ocpp_line ON name = ocpp_place.charge_point
    WHERE ocpp_line.charge_point = envelope ->> '$.change.charge_point_id' AND cursor < journal.sequence)))";

/// Up to here every central system was told everything.
pub(super) fn told_by_all(db: &Connection) -> rusqlite::Result<u64> {
    let cursor: Option<i64> =
        db.query_row("SELECT min(cursor) FROM ocpp_place", [], |row| row.get(0))?;
    Ok(cursor.map_or(u64::MAX, |cursor| u64::try_from(cursor).unwrap_or(0)))
}

/// Leaves out register readings that wait and are not kept for anything else, down to the bound.
pub(super) fn thin(
    db: &Connection,
    told: u64,
    through: u64,
    readings_max: usize,
) -> rusqlite::Result<usize> {
    if told >= through {
        return Ok(0);
    }
    let mut statement = db.prepare(
        "SELECT sequence, envelope ->> '$.change.session_id',
                EXISTS (SELECT 1 FROM ocpp_frozen WHERE ocpp_frozen.sequence = journal.sequence)
         FROM journal WHERE sequence > ?1 AND sequence <= ?2
           AND envelope ->> '$.change.type' = 'meter_read' ORDER BY sequence",
    )?;
    let waiting = statement.query_map(params![signed(told), signed(through)], |row| {
        Ok(WaitingMeter {
            number: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
            session: row.get(1)?,
            frozen: row.get(2)?,
        })
    })?;
    let waiting = waiting.collect::<rusqlite::Result<Vec<_>>>()?;
    let left_out = thinned(&waiting, readings_max);
    let mut delete = db.prepare("DELETE FROM journal WHERE sequence = ?1")?;
    for sequence in &left_out {
        delete.execute([signed(*sequence)])?;
    }
    Ok(left_out.len())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
