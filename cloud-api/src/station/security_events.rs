//! What threatens the security of charge points: what they told, and what was noticed here. The latest
//! are kept.

use jiff::Timestamp;
use site_model::ChargePointId;

use crate::db::{Db, DbError, Row, Statement};
use crate::fleet::damaged;
use crate::id::mint;
use crate::words::words;

/// Events that are kept of each charge point and source; the oldest go. Apart, so that who is refused
/// a thousand times does not push out what the charge point told.
const KEPT: i64 = 200;

words!(
    /// Who noticed an event.
    Source {
        /// The charge point told it.
        ChargePoint = "charge_point",
        /// It was noticed here.
        CentralSystem = "central_system",
    }
);

/// An event to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// Whose it is.
    pub charge_point: &'a ChargePointId,
    /// Who noticed it.
    pub source: Source,
    /// What it is.
    pub kind: &'a str,
    /// When it happened.
    pub at: Timestamp,
    /// When it was told here.
    pub received_at: Timestamp,
    /// For people.
    pub info: Option<&'a str>,
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityEvent {
    /// Its place in the list.
    pub id: String,
    /// Who noticed it.
    pub source: Source,
    /// What it is.
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// When it was told here.
    pub received_at: Timestamp,
    /// For people.
    pub info: Option<String>,
}

/// The events in the database.
#[derive(Debug, Clone)]
pub struct SecurityEvents {
    db: Db,
}

impl SecurityEvents {
    /// The events kept in `db`.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// Keeps an event.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn record(&self, event: NewEvent<'_>) -> Result<(), DbError> {
        let (charge_point, source) = (event.charge_point.as_str(), event.source.as_str());
        let insert = Statement::new(
            "INSERT INTO security_events
               (id, charge_point_id, source, kind, at_ms, received_at_ms, info)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            vec![
                mint("sev", event.received_at).into(),
                charge_point.into(),
                source.into(),
                event.kind.into(),
                event.at.as_millisecond().into(),
                event.received_at.as_millisecond().into(),
                event.info.into(),
            ],
        );
        let prune = Statement::new(
            "DELETE FROM security_events WHERE charge_point_id = $1 AND source = $2 AND id <=
             (SELECT id FROM security_events WHERE charge_point_id = $1 AND source = $2
              ORDER BY id DESC LIMIT 1 OFFSET $3)",
            vec![charge_point.into(), source.into(), KEPT.into()],
        );
        let done = self.db.transaction(vec![insert, prune]);
        done.await.map(|_done| ())
    }

    /// Up to `limit` events of a charge point, newest first, before the one with the id `before`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn list(
        &self,
        charge_point: &ChargePointId,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<SecurityEvent>, DbError> {
        let sql = "SELECT * FROM security_events
                   WHERE charge_point_id = $1 AND (CAST($2 AS TEXT) IS NULL OR id < $2)
                   ORDER BY id DESC LIMIT $3";
        let values = vec![charge_point.as_str().into(), before.into(), limit.into()];
        let rows = self.db.query(sql, values).await?;
        rows.iter().map(read).collect()
    }

    /// How many events of a charge point are kept.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn count(&self, charge_point: &ChargePointId) -> Result<u64, DbError> {
        let sql = "SELECT COUNT(*) AS total FROM security_events WHERE charge_point_id = $1";
        let values = vec![charge_point.as_str().into()];
        let rows = self.db.query(sql, values).await?;
        rows.first().map_or(Ok(0), |row| row.unsigned("total"))
    }
}

fn read(row: &Row) -> Result<SecurityEvent, DbError> {
    let time = |column| Timestamp::from_millisecond(row.int(column)?).map_err(|_| damaged(column));
    Ok(SecurityEvent {
        id: row.text("id")?.to_owned(),
        source: Source::parse(row.text("source")?).ok_or_else(|| damaged("source"))?,
        kind: row.text("kind")?.to_owned(),
        at: time("at_ms")?,
        received_at: time("received_at_ms")?,
        info: row.opt_text("info")?.map(str::to_owned),
    })
}
