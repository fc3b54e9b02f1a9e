//! The charging profiles that a charge point's central system installed, each as the call that did.

use rusqlite::{Connection, params};
use site_model::ChargePointId;

pub(super) const SCHEMA: &str = "
CREATE TABLE ocpp_profile (
  charge_point TEXT NOT NULL, profile_id INTEGER NOT NULL, installed_at_ms INTEGER NOT NULL, session TEXT,
  request TEXT NOT NULL, PRIMARY KEY (charge_point, profile_id)
) WITHOUT ROWID;
";

/// One profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) profile_id: i64,
    pub(crate) installed_at_ms: i64,
    /// Of a profile for one transaction; absent while its start is awaited.
    pub(crate) session: Option<String>,
    /// The payload of its SetChargingProfile.
    pub(crate) request: String,
}

/// Every profile of a charge point.
pub(crate) fn installed(
    db: &Connection,
    charge_point: &ChargePointId,
) -> rusqlite::Result<Vec<Row>> {
    let mut statement = db.prepare_cached(
        "SELECT profile_id, installed_at_ms, session, request FROM ocpp_profile WHERE charge_point = ?1",
    )?;
    let rows = statement.query_map([charge_point.as_str()], |row| {
        Ok(Row {
            profile_id: row.get(0)?,
            installed_at_ms: row.get(1)?,
            session: row.get(2)?,
            request: row.get(3)?,
        })
    })?;
    rows.collect()
}

/// Makes these the profiles of a charge point; at most `MaxChargingProfilesInstalled` of them.
pub(crate) fn install(
    db: &mut Connection,
    charge_point: &ChargePointId,
    rows: &[Row],
) -> rusqlite::Result<()> {
    let tx = db.savepoint()?;
    let id = charge_point.as_str();
    tx.execute("DELETE FROM ocpp_profile WHERE charge_point = ?1", [id])?;
    for row in rows {
        tx.prepare_cached("INSERT INTO ocpp_profile VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                id,
                row.profile_id,
                row.installed_at_ms,
                row.session,
                row.request
            ])?;
    }
    tx.commit()
}
