//! The schema, as a numbered list of steps that only grows: a step that was released is never edited.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{DbError, engine::cannot_open};

/// Every step in order; a file's `user_version` is the number of steps it has had.
pub(super) const STEPS: [&str; 8] = [
    include_str!("0001_first.sql"),
    include_str!("0002_stations.sql"),
    include_str!("0003_external.sql"),
    include_str!("0004_salvaged_journals.sql"),
    include_str!("0005_upkeep.sql"),
    include_str!("0006_certificates.sql"),
    include_str!("0007_expected_passwords.sql"),
    include_str!("0008_known_history.sql"),
];

/// Brings the file up to date, each step in one transaction. References are not held to meanwhile
/// (a step may replace the table that others refer to) but whole at the end of each step.
pub(super) fn apply(connection: &mut Connection, path: &Path) -> Result<(), DbError> {
    let set = |connection: &Connection, on: bool| {
        let set = connection.pragma_update(None, "foreign_keys", on);
        set.map_err(|error| cannot_open(path, &error.to_string()))
    };
    set(connection, false)?;
    apply_steps(connection, path)?;
    set(connection, true)
}

fn apply_steps(connection: &mut Connection, path: &Path) -> Result<(), DbError> {
    let failed = |error: rusqlite::Error| cannot_open(path, &error.to_string());
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    loop {
        // The version is read under the lock: the admin tool may be preparing the same file.
        let step = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let found: i64 = step
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(failed)?;
        if found > known {
            return Err(DbError::NewerSchema {
                path: path.display().to_string(),
                found,
                known,
            });
        }
        let next = usize::try_from(found).ok().and_then(|done| STEPS.get(done));
        let Some(sql) = next else {
            return Ok(());
        };
        step.execute_batch(sql).map_err(failed)?;
        if step
            .prepare("PRAGMA foreign_key_check")
            .and_then(|mut check| check.exists([]))
            .map_err(failed)?
        {
            let reason = format!("step {} leaves references that lead nowhere", found + 1);
            return Err(cannot_open(path, &reason));
        }
        step.pragma_update(None, "user_version", found + 1)
            .map_err(failed)?;
        step.commit().map_err(failed)?;
    }
}
