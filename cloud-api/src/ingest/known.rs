//! What is known of a gateway's sessions, for a gateway that asks: its journal is an old copy.

use site_model::GatewayId;
use site_wire::v1::{KNOWN_SESSIONS_MAX, KnownEnd, KnownSession};

use crate::{
    db::{Db, DbError, Row},
    fleet::damaged,
};

/// Those that run, then the newest that ended.
pub(super) async fn sessions(db: &Db, gateway: &GatewayId) -> Result<Vec<KnownSession>, DbError> {
    let limit = i64::try_from(KNOWN_SESSIONS_MAX).unwrap_or(i64::MAX);
    let rows = db
        .query(
            "SELECT s.id, s.charge_point_id, s.connector_id, s.id_tag, s.started_at_ms, s.meter_start_wh,
                    s.energy_source, s.billing_grade, s.ended_at_ms, s.meter_stop_wh, s.stop_reason,
                    (SELECT MAX(r.at_ms) FROM session_readings r WHERE r.session_id = s.id) AS last_at_ms,
                    (SELECT MAX(r.meter_wh) FROM session_readings r WHERE r.session_id = s.id) AS last_meter_wh,
                    (SELECT MAX(t.transaction_id) FROM transactions t WHERE t.session_id = s.id) AS transaction_id
             FROM sessions s WHERE s.gateway_id = $1
             ORDER BY CASE WHEN s.ended_at_ms IS NULL THEN 0 ELSE 1 END, s.started_at_ms DESC LIMIT $2",
            vec![gateway.as_str().into(), limit.into()],
        )
        .await?;
    rows.iter().map(session).collect()
}

fn session(row: &Row) -> Result<KnownSession, DbError> {
    let started_at_ms = row.int("started_at_ms")?;
    let meter_start_wh = row.unsigned("meter_start_wh")?;
    let number = |column: &'static str| -> Result<Option<u64>, DbError> {
        let number = row.opt_int(column)?.map(u64::try_from).transpose();
        number.map_err(|_| damaged(column))
    };
    let end = match row.opt_int("ended_at_ms")? {
        None => None,
        Some(ended_at_ms) => Some(KnownEnd {
            ended_at_ms,
            meter_stop_wh: number("meter_stop_wh")?.unwrap_or(meter_start_wh),
            stop_reason: row.opt_text("stop_reason")?.unwrap_or("Other").to_owned(),
        }),
    };
    let transaction = row.opt_text("transaction_id")?;
    Ok(KnownSession {
        session_id: row.text("id")?.to_owned(),
        charge_point_id: row.text("charge_point_id")?.to_owned(),
        connector_id: u8::try_from(row.int("connector_id")?)
            .map_err(|_| damaged("connector_id"))?,
        id_tag: row.text("id_tag")?.to_owned(),
        started_at_ms,
        meter_start_wh,
        energy_source: row.text("energy_source")?.to_owned(),
        billing_grade: row.flag("billing_grade")?,
        last_at_ms: row.opt_int("last_at_ms")?.unwrap_or(started_at_ms),
        last_meter_wh: number("last_meter_wh")?.unwrap_or(meter_start_wh),
        // 1.6 numbers them.
        transaction_id: transaction.and_then(|id| id.parse().ok()),
        end,
    })
}
