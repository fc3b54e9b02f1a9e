//! A checksum in each row of the journal, so that a flipped bit is found when the row is read and
//! not when somebody pays for it. CRC-32: every error of up to 32 bits in a row is found.

use rusqlite::{Connection, params};

use super::rows::signed;

/// Of a fact under its sequence.
pub(super) fn of_fact(sequence: u64, envelope: &str) -> i64 {
    of(1, &[sequence], &[envelope])
}

/// Of a fact of the checkpoint that was made at sequence `made_at`.
pub(super) fn of_checkpoint(made_at: u64, position: u64, envelope: &str) -> i64 {
    of(2, &[made_at, position], &[envelope])
}

/// Of a row of `meta`.
pub(super) fn of_meta(key: &str, value: &str) -> i64 {
    of(3, &[], &[key, "=", value])
}

fn of(table: u8, numbers: &[u64], texts: &[&str]) -> i64 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&[table]);
    for number in numbers {
        sum.update(&number.to_le_bytes());
    }
    for text in texts {
        sum.update(text.as_bytes());
    }
    i64::from(sum.finalize())
}

/// The step of the file that brings the checksums: older rows are summed as they are.
pub(super) fn add_to(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "ALTER TABLE meta ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE journal ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE checkpoint ADD COLUMN made_at INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE checkpoint ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
         INSERT INTO meta (key, value) SELECT 'checkpoint_facts', count(*) FROM checkpoint;",
    )?;
    let made_at: i64 = db.query_row(
        "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'checkpoint_sequence'",
        [],
        |row| row.get(0),
    )?;
    db.execute("UPDATE checkpoint SET made_at = ?1", [made_at])?;
    let made_at = made_at.unsigned_abs();
    fill(db, "journal", "sequence", |sequence, envelope| {
        of_fact(sequence, envelope)
    })?;
    fill(db, "checkpoint", "position", |position, envelope| {
        of_checkpoint(made_at, position, envelope)
    })?;
    let mut read = db.prepare("SELECT key, value FROM meta")?;
    let rows = read.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    for row in rows {
        let (key, value) = row?;
        let crc = of_meta(&key, &value);
        db.execute("UPDATE meta SET crc = ?2 WHERE key = ?1", params![key, crc])?;
    }
    Ok(())
}

/// Row by row in the order of the key: a journal of a month must not be held in memory.
fn fill(
    db: &Connection,
    table: &str,
    key: &str,
    sum: impl Fn(u64, &str) -> i64,
) -> rusqlite::Result<()> {
    let select =
        format!("SELECT {key}, envelope FROM {table} WHERE {key} > ?1 ORDER BY {key} LIMIT 1");
    let update = format!("UPDATE {table} SET crc = ?2 WHERE {key} = ?1");
    let (mut select, mut update) = (db.prepare(&select)?, db.prepare(&update)?);
    let mut last = 0;
    loop {
        let mut rows = select.query([signed(last)])?;
        let Some(row) = rows.next()? else {
            return Ok(());
        };
        let (number, envelope): (i64, String) = (row.get(0)?, row.get(1)?);
        last = number.unsigned_abs();
        update.execute(params![number, sum(last, &envelope)])?;
    }
}
