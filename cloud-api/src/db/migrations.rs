//! The schema, as a numbered list of steps that only grows: a step that was released is never edited.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{DbError, engine::cannot_open};

/// Every step in order; a file's `user_version` is the number of steps it has had.
const STEPS: [&str; 1] = [include_str!("0001_first.sql")];

/// Brings the file up to date, each step in one transaction.
pub(super) fn apply(connection: &mut Connection, path: &Path) -> Result<(), DbError> {
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
        step.pragma_update(None, "user_version", found + 1)
            .map_err(failed)?;
        step.commit().map_err(failed)?;
    }
}
