//! The central systems of a charge point: the one where it is and those that it has left and still owes,
//! a line each, and which stretch of the journal is told on which. The journal's announcements say where
//! a charge point is; the lines follow them (docs/decisions/0013-moved-endpoints.md).

use rusqlite::{Connection, OptionalExtension, params};
use site_model::ChargePointId;

use super::rows::{signed, unsigned};
use super::stations::{self, COUNT, OF_LINE};

/// A charge point that was there already stays where its last announcement has it.
pub(super) const SCHEMA: &str = "
CREATE TABLE ocpp_line (
  name TEXT PRIMARY KEY, charge_point TEXT NOT NULL, url TEXT NOT NULL, left_at_ms INTEGER,
  UNIQUE (charge_point, url)
) WITHOUT ROWID;
CREATE TABLE ocpp_stretch (
  charge_point TEXT NOT NULL, place INTEGER NOT NULL, begins INTEGER NOT NULL, line TEXT,
  PRIMARY KEY (charge_point, place)
) WITHOUT ROWID;
INSERT INTO ocpp_line
  SELECT id, id, coalesce(substr(address, 1, length(address) - length(id) - 1), ''), NULL FROM (
    SELECT charge_point AS id, coalesce(
      (SELECT envelope ->> '$.change.central_system.address' FROM journal
       WHERE envelope ->> '$.change.type' = 'charge_point_announced'
         AND envelope ->> '$.change.charge_point_id' = charge_point ORDER BY sequence DESC LIMIT 1),
      (SELECT envelope ->> '$.change.central_system.address' FROM checkpoint
       WHERE envelope ->> '$.change.type' = 'charge_point_announced'
         AND envelope ->> '$.change.charge_point_id' = charge_point)) AS address
    FROM ocpp_place);
INSERT INTO ocpp_stretch SELECT charge_point, 0, 0, charge_point FROM ocpp_place;
INSERT INTO ocpp_stretch SELECT charge_point, 1,
  (SELECT coalesce(max(sequence), 0) FROM journal), charge_point FROM ocpp_place;
";

/// What a central system set up for itself; it ends with the charge point's stay there.
const OF_ITS_OWNER: [&str; 5] = [
    "ocpp_configuration",
    "ocpp_list_version",
    "ocpp_list",
    "ocpp_cache",
    "ocpp_profile",
];

/// A charge point's queue towards one central system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) charge_point: ChargePointId,
}

impl Line {
    /// The first of a charge point has its id as its name.
    pub(crate) fn first(charge_point: &ChargePointId) -> Self {
        Self {
            name: charge_point.to_string(),
            charge_point: charge_point.clone(),
        }
    }
}

/// A line as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) line: Line,
    /// Without the charge point's id.
    pub(crate) url: String,
    /// When the charge point left it, where that is known.
    pub(crate) left_at_ms: Option<i64>,
    /// Starts and ends of sessions that are still to be told there.
    pub(crate) waiting: u64,
}

/// All lines of a charge point.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// Where it is.
    pub(crate) here: Option<Stored>,
    /// Where it was; the one that it left first comes first.
    pub(crate) left: Vec<Stored>,
}

/// The lines of a charge point with an endpoint. One that is new begins at the journal's `end`: what was
/// before is nobody's.
pub(crate) fn begin(
    db: &mut Connection,
    charge_point: &ChargePointId,
    url: &str,
    end: u64,
    now_ms: Option<i64>,
) -> rusqlite::Result<Lines> {
    let tx = db.savepoint()?;
    tx.execute(
        "UPDATE ocpp_line SET url = ?2 WHERE charge_point = ?1 AND url = ''",
        params![charge_point.as_str(), url],
    )?;
    advance(&tx, charge_point, true, now_ms)?;
    if here(&tx, charge_point)?.is_none() {
        enter(&tx, charge_point, Some(url), end, now_ms)?;
    }
    let lines = all(&tx, charge_point)?;
    tx.commit()?;
    Ok(lines)
}

/// Goes where the journal's announcements say that the charge point is. One with an endpoint is always
/// somewhere.
pub(crate) fn follow(
    db: &mut Connection,
    charge_point: &ChargePointId,
    has_endpoint: bool,
    now_ms: Option<i64>,
) -> rusqlite::Result<Lines> {
    let tx = db.savepoint()?;
    advance(&tx, charge_point, has_endpoint, now_ms)?;
    let lines = all(&tx, charge_point)?;
    tx.commit()?;
    Ok(lines)
}

fn advance(
    tx: &Connection,
    charge_point: &ChargePointId,
    has_endpoint: bool,
    now_ms: Option<i64>,
) -> rusqlite::Result<()> {
    let id = charge_point.as_str();
    loop {
        let here: Option<(i64, Option<String>)> = tx
            .query_row(
                "SELECT begins, url || '/' || ?1 FROM ocpp_stretch
                 LEFT JOIN ocpp_line ON name = line
                 WHERE ocpp_stretch.charge_point = ?1 ORDER BY place DESC LIMIT 1",
                [id],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let Some((begins, address)) = here else {
            return Ok(());
        };
        let next: Option<(i64, Option<String>)> = tx
            .query_row(
                "SELECT sequence, envelope ->> '$.change.central_system.address' AS address FROM journal
                 WHERE sequence > ?1 AND envelope ->> '$.change.type' = 'charge_point_announced'
                   AND envelope ->> '$.change.charge_point_id' = ?2
                   AND address IS NOT ?3 AND (address IS NOT NULL OR NOT ?4)
                 ORDER BY sequence LIMIT 1",
                params![begins, id, address, has_endpoint],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let Some((announced, address)) = next else {
            return Ok(());
        };
        let suffix = format!("/{id}");
        let url = address.as_deref().map(|address| {
            let url = address.strip_suffix(&suffix);
            url.unwrap_or(address)
        });
        enter(tx, charge_point, url, unsigned(announced), now_ms)?;
    }
}

/// Facts after `begins` are told there; what the one before set up ends.
fn enter(
    tx: &Connection,
    charge_point: &ChargePointId,
    url: Option<&str>,
    begins: u64,
    now_ms: Option<i64>,
) -> rusqlite::Result<()> {
    let id = charge_point.as_str();
    if let Some(before) = here(tx, charge_point)? {
        for table in OF_ITS_OWNER {
            tx.execute(
                &format!("DELETE FROM {table} WHERE charge_point = ?1"),
                [id],
            )?;
        }
        tx.execute(
            "UPDATE ocpp_line SET left_at_ms = ?2 WHERE name = ?1",
            params![before, now_ms],
        )?;
    }
    let mut begins = signed(begins);
    let mut line = None;
    if let Some(url) = url {
        let known: Option<String> = tx
            .query_row(
                "SELECT name FROM ocpp_line WHERE charge_point = ?1 AND url = ?2",
                [id, url],
                |row| row.get(0),
            )
            .optional()?;
        let name = match known {
            Some(name) => name,
            None => fresh_name(tx, id)?,
        };
        tx.execute(
            "INSERT INTO ocpp_line VALUES (?1, ?2, ?3, NULL)
             ON CONFLICT (name) DO UPDATE SET left_at_ms = NULL",
            [name.as_str(), id, url],
        )?;
        tx.execute(
            "INSERT OR IGNORE INTO ocpp_place VALUES (?1, ?2)",
            params![name, begins],
        )?;
        // Of a file whose lines were lost the queue goes on where it stands.
        let cursor = signed(stations::cursor(tx, &name)?);
        if !has_stretches(tx, id)? {
            begins = begins.min(cursor);
        }
        line = Some(name);
    }
    tx.execute(
        "INSERT INTO ocpp_stretch SELECT ?1, coalesce(max(place) + 1, 0), ?2, ?3 FROM ocpp_stretch
         WHERE charge_point = ?1",
        params![id, begins, line],
    )?;
    Ok(())
}

fn has_stretches(tx: &Connection, id: &str) -> rusqlite::Result<bool> {
    tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM ocpp_stretch WHERE charge_point = ?1)",
        [id],
        |row| row.get(0),
    )
}

/// No id has a space.
fn fresh_name(tx: &Connection, id: &str) -> rusqlite::Result<String> {
    let mut taken = tx.prepare("SELECT EXISTS (SELECT 1 FROM ocpp_line WHERE name = ?1)")?;
    let mut name = id.to_owned();
    let mut number = 1_u32;
    while taken.query_row([&name], |row| row.get(0))? {
        number += 1;
        name = format!("{id} {number}");
    }
    Ok(name)
}

/// The name of the line where the charge point is.
pub(super) fn here(
    db: &Connection,
    charge_point: &ChargePointId,
) -> rusqlite::Result<Option<String>> {
    let line: Option<Option<String>> = db
        .query_row(
            "SELECT line FROM ocpp_stretch WHERE charge_point = ?1 ORDER BY place DESC LIMIT 1",
            [charge_point.as_str()],
            |row| row.get(0),
        )
        .optional()?;
    Ok(line.flatten())
}

/// The lines of a charge point.
pub(crate) fn all(db: &Connection, charge_point: &ChargePointId) -> rusqlite::Result<Lines> {
    let here = here(db, charge_point)?;
    let mut statement = db.prepare(
        "SELECT name, url, left_at_ms FROM ocpp_line WHERE charge_point = ?1
         ORDER BY (SELECT max(place) FROM ocpp_stretch WHERE line = name), name",
    )?;
    let rows = statement.query_map([charge_point.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
    })?;
    let mut lines = Lines::default();
    for row in rows {
        let (name, url, left_at_ms) = row?;
        let line = Line {
            name,
            charge_point: charge_point.clone(),
        };
        let stored = Stored {
            waiting: waiting(db, &line)?,
            line,
            url,
            left_at_ms,
        };
        if here.as_ref() == Some(&stored.line.name) {
            lines.here = Some(stored);
        } else {
            lines.left.push(stored);
        }
    }
    Ok(lines)
}

/// Every charge point that has a line.
pub(crate) fn charge_points(db: &Connection) -> rusqlite::Result<Vec<ChargePointId>> {
    let mut statement = db.prepare("SELECT DISTINCT charge_point FROM ocpp_line ORDER BY 1")?;
    let ids = statement.query_map([], |row| row.get::<_, String>(0))?;
    let ids = ids.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(ids
        .iter()
        .filter_map(|id| ChargePointId::new(id).ok())
        .collect())
}

/// Starts and ends of sessions that are still to be told there.
fn waiting(db: &Connection, line: &Line) -> rusqlite::Result<u64> {
    let place = params![line.name, line.charge_point.as_str()];
    let waiting: i64 = db.query_row(COUNT, place, |row| row.get(0))?;
    Ok(unsigned(waiting))
}

/// How a charge point stands that went from one line to another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TakenOver {
    /// Everything up to this sequence is told where it is, or is nothing to tell.
    pub(crate) cursor: u64,
    /// Starts and ends of sessions that wait there since an earlier stay.
    pub(crate) owed_before: u64,
    /// The same where it was.
    pub(crate) left: u64,
}

pub(crate) fn taken_over(db: &Connection, here: &Line, from: &Line) -> rusqlite::Result<TakenOver> {
    let before = format!(
        "{COUNT} AND sequence <= (SELECT begins FROM ocpp_stretch
           WHERE ocpp_stretch.charge_point = ?2 ORDER BY place DESC LIMIT 1)"
    );
    let place = params![here.name, here.charge_point.as_str()];
    let owed_before: i64 = db.query_row(&before, place, |row| row.get(0))?;
    Ok(TakenOver {
        cursor: stations::cursor(db, &here.name)?,
        owed_before: unsigned(owed_before),
        left: waiting(db, from)?,
    })
}

/// The right time is known now: from here on the line's age counts.
pub(crate) fn left_at(db: &Connection, line: &Line, now_ms: i64) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE ocpp_line SET left_at_ms = ?2 WHERE name = ?1 AND left_at_ms IS NULL",
        params![line.name, now_ms],
    )?;
    Ok(())
}

/// Forgets a line that the charge point has left: one where everything is told, or, for this reason, any
/// one. What was still to be told there is set aside; gives how much that was. `None`: it stays.
pub(crate) fn close(
    db: &mut Connection,
    line: &Line,
    reason: Option<&str>,
) -> rusqlite::Result<Option<u64>> {
    let tx = db.savepoint()?;
    let id = line.charge_point.as_str();
    let waiting = waiting(&tx, line)?;
    let is_here = here(&tx, &line.charge_point)?.as_ref() == Some(&line.name);
    if is_here || (waiting > 0 && reason.is_none()) {
        return Ok(None);
    }
    if let Some(reason) = reason {
        let all = format!(
            "INSERT OR REPLACE INTO ocpp_set_aside
             SELECT ?2, sequence, envelope, ?3 FROM journal, ocpp_place
             WHERE ocpp_place.charge_point = ?1 AND sequence > cursor
               AND envelope ->> '$.change.type' IN ('session_started', 'session_ended')
               AND envelope ->> '$.change.charge_point_id' = ?2 AND {OF_LINE}"
        );
        tx.execute(&all, params![line.name, id, reason])?;
        tx.execute(
            "INSERT OR REPLACE INTO ocpp_set_aside
             SELECT ?2, sequence, payload, 'it was sent and not answered; ' || ?3 FROM ocpp_frozen
             WHERE charge_point = ?1 AND action <> 'MeterValues'",
            params![line.name, id, reason],
        )?;
    }
    for table in ["ocpp_place", "ocpp_frozen", "ocpp_transaction"] {
        tx.execute(
            &format!("DELETE FROM {table} WHERE charge_point = ?1"),
            [&line.name],
        )?;
    }
    tx.execute("DELETE FROM ocpp_line WHERE name = ?1", [&line.name])?;
    // Of the stretches those stay that some line of the charge point has yet to look at.
    tx.execute(
        "DELETE FROM ocpp_stretch WHERE charge_point = ?1 AND place < coalesce(
           (SELECT max(place) FROM ocpp_stretch WHERE charge_point = ?1 AND begins <= (
              SELECT min(cursor) FROM ocpp_place JOIN ocpp_line ON name = ocpp_place.charge_point
              WHERE ocpp_line.charge_point = ?1)),
           (SELECT max(place) FROM ocpp_stretch WHERE charge_point = ?1))",
        [id],
    )?;
    tx.commit()?;
    Ok(Some(waiting))
}
