//! Who may charge, as each charge point's central system said: the local list and the cache. A list
//! changes in one transaction with its version, so that a power cut leaves the old one or the new one.

use rusqlite::{Connection, Row, params};
use site_model::ChargePointId;

pub(super) const SCHEMA: &str = "
CREATE TABLE ocpp_list_version (charge_point TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE ocpp_list (
  charge_point TEXT NOT NULL, id_tag TEXT NOT NULL, status TEXT NOT NULL, expiry_ms INTEGER, parent TEXT,
  PRIMARY KEY (charge_point, id_tag)
) WITHOUT ROWID;
CREATE TABLE ocpp_cache (
  charge_point TEXT NOT NULL, id_tag TEXT NOT NULL, status TEXT NOT NULL, expiry_ms INTEGER, parent TEXT,
  said_ms INTEGER NOT NULL, PRIMARY KEY (charge_point, id_tag)
) WITHOUT ROWID;
";

/// What was said of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TagRow {
    /// In lower case: upper and lower case are the same tag.
    pub(crate) id_tag: String,
    pub(crate) status: String,
    pub(crate) expiry_ms: Option<i64>,
    pub(crate) parent: Option<String>,
}

/// What changes a list: the tags that are on it from now on, and those that are not any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListChange {
    pub(crate) version: i64,
    pub(crate) on: Vec<TagRow>,
    pub(crate) off: Vec<String>,
}

/// The list with its version; 0 where none was ever sent.
pub(crate) fn list(
    db: &Connection,
    charge_point: &ChargePointId,
) -> rusqlite::Result<(i64, Vec<TagRow>)> {
    let id = [charge_point.as_str()];
    let version = "SELECT coalesce(max(version), 0) FROM ocpp_list_version WHERE charge_point = ?1";
    let version = db.query_row(version, id, |row| row.get(0))?;
    let mut statement = db.prepare(
        "SELECT id_tag, status, expiry_ms, parent FROM ocpp_list WHERE charge_point = ?1",
    )?;
    let rows = statement.query_map(id, tag_of)?;
    Ok((version, rows.collect::<Result<_, _>>()?))
}

/// What was said of each tag and when, oldest first.
pub(crate) fn cache(
    db: &Connection,
    charge_point: &ChargePointId,
) -> rusqlite::Result<Vec<(i64, TagRow)>> {
    let mut statement = db.prepare(
        "SELECT id_tag, status, expiry_ms, parent, said_ms FROM ocpp_cache WHERE charge_point = ?1 ORDER BY said_ms",
    )?;
    let rows = statement.query_map([charge_point.as_str()], |row| {
        Ok((row.get(4)?, tag_of(row)?))
    })?;
    rows.collect()
}

fn tag_of(row: &Row<'_>) -> rusqlite::Result<TagRow> {
    Ok(TagRow {
        id_tag: row.get(0)?,
        status: row.get(1)?,
        expiry_ms: row.get(2)?,
        parent: row.get(3)?,
    })
}

/// Changes the list, wholly or not at all.
pub(crate) fn change_list(
    db: &mut Connection,
    charge_point: &ChargePointId,
    change: &ListChange,
) -> rusqlite::Result<()> {
    let (tx, id) = (db.savepoint()?, charge_point.as_str());
    tx.execute(
        "INSERT OR REPLACE INTO ocpp_list_version VALUES (?1, ?2)",
        params![id, change.version],
    )?;
    {
        let mut off =
            tx.prepare("DELETE FROM ocpp_list WHERE charge_point = ?1 AND id_tag = ?2")?;
        for id_tag in &change.off {
            off.execute(params![id, id_tag])?;
        }
        let mut on = tx.prepare("INSERT OR REPLACE INTO ocpp_list VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for row in &change.on {
            on.execute(params![
                id,
                row.id_tag,
                row.status,
                row.expiry_ms,
                row.parent
            ])?;
        }
    }
    tx.commit()
}

/// Keeps what was said of a tag, and forgets another for it.
pub(crate) fn remember(
    db: &mut Connection,
    charge_point: &ChargePointId,
    (said_ms, row): (i64, &TagRow),
    forgotten: Option<&str>,
) -> rusqlite::Result<()> {
    let (tx, id) = (db.savepoint()?, charge_point.as_str());
    tx.execute(
        "INSERT OR REPLACE INTO ocpp_cache VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            id,
            row.id_tag,
            row.status,
            row.expiry_ms,
            row.parent,
            said_ms
        ],
    )?;
    if let Some(forgotten) = forgotten {
        tx.execute(
            "DELETE FROM ocpp_cache WHERE charge_point = ?1 AND id_tag = ?2",
            params![id, forgotten],
        )?;
    }
    tx.commit()
}

/// Forgets every tag of the cache.
pub(crate) fn clear_cache(db: &Connection, charge_point: &ChargePointId) -> rusqlite::Result<()> {
    let clear = "DELETE FROM ocpp_cache WHERE charge_point = ?1";
    db.execute(clear, [charge_point.as_str()])?;
    Ok(())
}
