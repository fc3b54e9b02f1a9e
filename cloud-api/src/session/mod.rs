//! Charging sessions as REST reads them: whoever wrote them, a gateway or a charge point itself.

mod unmatched;

use jiff::Timestamp;
use site_model::{ChargePointId, SessionId};

use crate::db::{Db, DbError, Param, Row};
use crate::fleet::damaged;
use crate::id::{OrganisationId, SiteId};
use crate::words::words;

pub use unmatched::UnmatchedStop;

words!(
    /// How far a session is.
    SessionState {
        /// It runs.
        Active = "active",
        /// Its driver ended it.
        Completed = "completed",
        /// Something else ended it: an order, a refusal, a fault.
        Stopped = "stopped",
    }
);

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Where it ran.
    pub site: Option<SiteId>,
    /// Where it ran.
    pub charge_point: ChargePointId,
    /// Where it ran.
    pub connector: u8,
    /// What authorized it.
    pub id_tag: String,
    /// Whose token that was, as far as it is known now.
    pub user: Option<String>,
    /// Its transaction in OCPP, where there is one.
    pub transaction: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Register at its start, Wh.
    pub meter_start_wh: u64,
    /// Register at its end, Wh.
    pub meter_stop_wh: Option<u64>,
    /// Highest register so far, Wh.
    pub meter_wh: u64,
    /// Why it ended, in the words of OCPP.
    pub stop_reason: Option<String>,
    /// Whether it began while its charge point was not connected.
    pub offline: bool,
    /// What measured it.
    pub energy_source: String,
    /// Whether that is good enough to bill by.
    pub billing_grade: bool,
    /// Somebody else's central system bills it: here it has no price, and is in no revenue.
    pub external: bool,
}

impl Session {
    /// How far it is.
    #[must_use]
    pub fn state(&self) -> SessionState {
        match (self.ended_at, self.stop_reason.as_deref()) {
            (None, _) => SessionState::Active,
            (Some(_), Some("Local" | "EVDisconnected")) => SessionState::Completed,
            (Some(_), _) => SessionState::Stopped,
        }
    }

    /// Energy so far, Wh. A register that went back gives none.
    #[must_use]
    pub fn energy_wh(&self) -> u64 {
        let latest = self.meter_stop_wh.unwrap_or(self.meter_wh);
        latest.saturating_sub(self.meter_start_wh)
    }
}

/// Which sessions are asked for.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Begun at this time or later.
    pub from: Option<Timestamp>,
    /// Begun before this time.
    pub to: Option<Timestamp>,
    /// On this charge point.
    pub charge_point: Option<String>,
    /// With a token of this user.
    pub user: Option<String>,
    /// In this state.
    pub state: Option<SessionState>,
    /// Older than this one: time of its start in ms, and its id.
    pub before: Option<(i64, String)>,
}

/// One reading of a session's register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When.
    pub at: Timestamp,
    /// Register, Wh.
    pub meter_wh: u64,
    /// Start, end, or one in between.
    pub context: &'static str,
}

/// A transaction that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveTransaction {
    /// Its id in OCPP 1.6.
    pub transaction: i64,
    /// Where it runs.
    pub charge_point: String,
    /// Where it runs.
    pub connector: u8,
    /// What authorized it.
    pub id_tag: String,
    /// Register at its start, Wh.
    pub meter_start_wh: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// Its session, where it is known.
    pub session: Option<String>,
    /// Whether it began while its charge point was not connected.
    pub offline: bool,
}

/// The sessions in the database.
#[derive(Debug, Clone)]
pub struct Sessions {
    db: Db,
}

impl Sessions {
    /// The sessions kept in `db`.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// Up to `limit` sessions of an organisation after `offset`, newest first; and how many there are.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn list(
        &self,
        organisation: &OrganisationId,
        filter: &SessionFilter,
        limit: u32,
        offset: u32,
    ) -> Result<(Vec<Session>, u64), DbError> {
        let wanted = || -> Vec<Param> {
            vec![
                organisation.as_str().into(),
                filter.from.map(Timestamp::as_millisecond).into(),
                filter.to.map(Timestamp::as_millisecond).into(),
                filter.charge_point.as_deref().into(),
                filter.user.as_deref().into(),
                filter.state.map(SessionState::as_str).into(),
            ]
        };
        let mut page = wanted();
        let before = filter.before.as_ref();
        page.extend([
            before.map(|(ms, _)| *ms).into(),
            before.map(|(_, id)| id.as_str()).into(),
            limit.into(),
            offset.into(),
        ]);
        let rows = self
            .db
            .query(
                concat!(
                    "SELECT s.*, k.user_id, t.transaction_id, t.offline,
                       (SELECT MAX(r.meter_wh) FROM session_readings r WHERE r.session_id = s.id) AS meter_wh
                     FROM sessions s
                     LEFT JOIN id_tokens k
                       ON k.organisation_id = s.organisation_id AND k.folded = LOWER(s.id_tag)
                     LEFT JOIN transactions t ON t.session_id = s.id
                     WHERE s.organisation_id = $1
                       AND (CAST($2 AS BIGINT) IS NULL OR s.started_at_ms >= $2)
                       AND (CAST($3 AS BIGINT) IS NULL OR s.started_at_ms < $3)
                       AND (CAST($4 AS TEXT) IS NULL OR s.charge_point_id = $4)
                       AND (CAST($5 AS TEXT) IS NULL OR k.user_id = $5)
                       AND (CAST($6 AS TEXT) IS NULL OR $6 = CASE
                         WHEN s.ended_at_ms IS NULL THEN 'active'
                         WHEN s.stop_reason IN ('Local', 'EVDisconnected') THEN 'completed'
                         ELSE 'stopped' END)",
                    "  AND (CAST($7 AS BIGINT) IS NULL OR (s.started_at_ms, s.id) < ($7, $8))
                     ORDER BY s.started_at_ms DESC, s.id DESC LIMIT $9 OFFSET $10"
                ),
                page,
            )
            .await?;
        let count = self
            .db
            .query(
                "SELECT COUNT(*) AS total FROM sessions s
                 LEFT JOIN id_tokens k
                   ON k.organisation_id = s.organisation_id AND k.folded = LOWER(s.id_tag)
                 WHERE s.organisation_id = $1
                   AND (CAST($2 AS BIGINT) IS NULL OR s.started_at_ms >= $2)
                   AND (CAST($3 AS BIGINT) IS NULL OR s.started_at_ms < $3)
                   AND (CAST($4 AS TEXT) IS NULL OR s.charge_point_id = $4)
                   AND (CAST($5 AS TEXT) IS NULL OR k.user_id = $5)
                   AND (CAST($6 AS TEXT) IS NULL OR $6 = CASE
                     WHEN s.ended_at_ms IS NULL THEN 'active'
                     WHEN s.stop_reason IN ('Local', 'EVDisconnected') THEN 'completed'
                     ELSE 'stopped' END)",
                wanted(),
            )
            .await?;
        let total = count.first().map_or(Ok(0), |row| row.unsigned("total"))?;
        let sessions = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok((sessions, total))
    }

    /// The session with this id, of whichever organisation.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find(&self, id: &SessionId) -> Result<Option<Session>, DbError> {
        let rows = self
            .db
            .query(
                "SELECT s.*, k.user_id, t.transaction_id, t.offline,
                   (SELECT MAX(r.meter_wh) FROM session_readings r WHERE r.session_id = s.id) AS meter_wh
                 FROM sessions s
                 LEFT JOIN id_tokens k
                   ON k.organisation_id = s.organisation_id AND k.folded = LOWER(s.id_tag)
                 LEFT JOIN transactions t ON t.session_id = s.id
                 WHERE s.id = $1",
                vec![id.as_str().into()],
            )
            .await?;
        rows.first().map(read).transpose()
    }

    /// Up to `limit` open transactions of an organisation after `offset`, oldest first; and how many
    /// there are.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn active_transactions(
        &self,
        organisation: &OrganisationId,
        charge_point: Option<&str>,
        limit: u32,
        offset: u32,
    ) -> Result<(Vec<ActiveTransaction>, u64), DbError> {
        let wanted = || -> Vec<Param> { vec![organisation.as_str().into(), charge_point.into()] };
        let mut page = wanted();
        page.extend([limit.into(), offset.into()]);
        let rows = self
            .db
            .query(
                "SELECT t.* FROM transactions t JOIN charge_points c ON c.id = t.charge_point_id
                 WHERE c.organisation_id = $1 AND t.ended_at_ms IS NULL
                   AND (CAST($2 AS TEXT) IS NULL OR t.charge_point_id = $2)
                 ORDER BY t.started_at_ms, t.charge_point_id, t.transaction_id LIMIT $3 OFFSET $4",
                page,
            )
            .await?;
        let count = "SELECT COUNT(*) AS total FROM transactions t
                     JOIN charge_points c ON c.id = t.charge_point_id
                     WHERE c.organisation_id = $1 AND t.ended_at_ms IS NULL
                       AND (CAST($2 AS TEXT) IS NULL OR t.charge_point_id = $2)";
        let count = self.db.query(count, wanted()).await?;
        let total = count.first().map_or(Ok(0), |row| row.unsigned("total"))?;
        let transactions = rows.iter().map(transaction).collect::<Result<_, _>>()?;
        Ok((transactions, total))
    }

    /// Up to `limit` readings of a session after `offset`, in order; and how many there are.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn readings(
        &self,
        id: &SessionId,
        limit: u32,
        offset: u32,
    ) -> Result<(Vec<Reading>, u64), DbError> {
        let rows = self
            .db
            .query(
                "SELECT kind, at_ms, meter_wh FROM session_readings
                 WHERE session_id = $1
                 ORDER BY CASE kind WHEN 'start' THEN 0 WHEN 'end' THEN 2 ELSE 1 END, at_ms, meter_wh
                 LIMIT $2 OFFSET $3",
                vec![id.as_str().into(), limit.into(), offset.into()],
            )
            .await?;
        let count = "SELECT COUNT(*) AS total FROM session_readings WHERE session_id = $1";
        let total = self.db.query(count, vec![id.as_str().into()]).await?;
        let total = total.first().map_or(Ok(0), |row| row.unsigned("total"))?;
        let readings = rows.iter().map(reading).collect::<Result<_, _>>()?;
        Ok((readings, total))
    }
}

fn transaction(row: &Row) -> Result<ActiveTransaction, DbError> {
    let id = row.text("transaction_id")?.parse();
    Ok(ActiveTransaction {
        transaction: id.map_err(|_| damaged("transaction_id"))?,
        charge_point: row.text("charge_point_id")?.to_owned(),
        connector: u8::try_from(row.int("connector_id")?).map_err(|_| damaged("connector_id"))?,
        id_tag: row.text("id_tag")?.to_owned(),
        meter_start_wh: row.unsigned("meter_start_wh")?,
        started_at: time(row.int("started_at_ms")?),
        session: row.opt_text("session_id")?.map(str::to_owned),
        offline: row.flag("offline")?,
    })
}

fn reading(row: &Row) -> Result<Reading, DbError> {
    Ok(Reading {
        at: time(row.int("at_ms")?),
        meter_wh: row.unsigned("meter_wh")?,
        context: match row.text("kind")? {
            "start" => "Transaction.Begin",
            "end" => "Transaction.End",
            _ => "Sample.Periodic",
        },
    })
}

/// The time that was told, or the nearest one that can be shown: a charger's clock may stand in the
/// last hours of the year 9999, and must not make a list unreadable.
fn time(ms: i64) -> Timestamp {
    let nearest = if ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_millisecond(ms).unwrap_or(nearest)
}

fn read(row: &Row) -> Result<Session, DbError> {
    let text = |column| Ok::<_, DbError>(row.opt_text(column)?.map(str::to_owned));
    let unsigned = |column: &'static str| match row.opt_int(column)? {
        Some(value) => u64::try_from(value).map(Some).map_err(|_| damaged(column)),
        None => Ok(None),
    };
    let organisation = OrganisationId::parse(row.text("organisation_id")?);
    let meter_start_wh = row.unsigned("meter_start_wh")?;
    Ok(Session {
        id: SessionId::new(row.text("id")?).map_err(|_| damaged("id"))?,
        organisation: organisation.ok_or_else(|| damaged("organisation_id"))?,
        site: row.opt_text("site_id")?.and_then(SiteId::parse),
        charge_point: ChargePointId::new(row.text("charge_point_id")?)
            .map_err(|_| damaged("charge_point_id"))?,
        connector: u8::try_from(row.int("connector_id")?).map_err(|_| damaged("connector_id"))?,
        id_tag: row.text("id_tag")?.to_owned(),
        user: text("user_id")?,
        transaction: text("transaction_id")?,
        started_at: time(row.int("started_at_ms")?),
        ended_at: row.opt_int("ended_at_ms")?.map(time),
        meter_start_wh,
        meter_stop_wh: unsigned("meter_stop_wh")?,
        meter_wh: unsigned("meter_wh")?.unwrap_or(meter_start_wh),
        stop_reason: text("stop_reason")?,
        offline: row.opt_int("offline")?.is_some_and(|flag| flag != 0),
        energy_source: text("energy_source")?.unwrap_or_default(),
        billing_grade: row.flag("billing_grade")?,
        external: row.opt_text("managed_by")?.is_some(),
    })
}
