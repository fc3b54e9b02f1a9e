//! Stops of transactions that nobody began here: kept for people, no sessions.

use jiff::Timestamp;
use site_model::ChargePointId;

use super::Sessions;
use crate::db::{DbError, Row};
use crate::fleet::damaged;

/// The stop of a transaction that nobody began here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmatchedStop {
    /// The transaction's id, as it was told.
    pub transaction: i64,
    /// Register at its end, as it was told.
    pub meter_stop_wh: i64,
    /// What stopped it.
    pub id_tag: Option<String>,
    /// Why, as OCPP names it.
    pub reason: String,
    /// When it was stopped.
    pub stopped_at: Timestamp,
    /// When that was told here.
    pub received_at: Timestamp,
}

impl Sessions {
    /// Up to `limit` of a charge point's stops without a start after `offset`, oldest first; and how many
    /// there are.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn unmatched_stops(
        &self,
        charge_point: &ChargePointId,
        limit: u32,
        offset: u32,
    ) -> Result<(Vec<UnmatchedStop>, u64), DbError> {
        let sql = "SELECT * FROM orphan_stops WHERE charge_point_id = $1
                   ORDER BY at_ms, transaction_id LIMIT $2 OFFSET $3";
        let values = vec![charge_point.as_str().into(), limit.into(), offset.into()];
        let rows = self.db.query(sql, values).await?;
        let count = "SELECT COUNT(*) AS total FROM orphan_stops WHERE charge_point_id = $1";
        let values = vec![charge_point.as_str().into()];
        let count = self.db.query(count, values).await?;
        let total = count.first().map_or(Ok(0), |row| row.unsigned("total"))?;
        Ok((rows.iter().map(read).collect::<Result<_, _>>()?, total))
    }
}

fn read(row: &Row) -> Result<UnmatchedStop, DbError> {
    let time = |column| Timestamp::from_millisecond(row.int(column)?).map_err(|_| damaged(column));
    let transaction = row.text("transaction_id")?.parse();
    Ok(UnmatchedStop {
        transaction: transaction.map_err(|_| damaged("transaction_id"))?,
        meter_stop_wh: row.int("meter_stop_wh")?,
        id_tag: row.opt_text("id_tag")?.map(str::to_owned),
        reason: row.text("stop_reason")?.to_owned(),
        stopped_at: time("at_ms")?,
        received_at: time("received_at_ms")?,
    })
}
