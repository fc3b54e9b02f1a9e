//! Transactions: what a charge point that connects itself tells of them becomes sessions.

use ocpp::ErrorCode;
use ocpp::v16::{
    AuthorizationStatus, MeterValuesRequest, MeterValuesResponse, Reason, StartTransactionRequest,
    StartTransactionResponse, StopTransactionRequest, StopTransactionResponse,
};
use site_model::{ConnectorId, EnergySource, SessionId, WattHours};

use super::meter::registers;
use super::status::connector;
use super::{Central, Known, failed, ms, unfit};
use crate::db::{DbError, Param, Row};
use crate::fleet::{Told, Update, damaged};
use crate::id::mint;
use crate::id_token::folded;
use crate::ingest::apply::Step;
use crate::ingest::rows::{End, Moment, Start, end_session, read_session, start_session};
use crate::secret::fill_random;
use crate::station::Refused;

/// How much later than its start a connection may begin that still carries it as it happens, in ms.
const ONLINE_TOLERANCE_MS: i64 = 60_000;
/// Stops of unknown transactions that are kept of one charge point.
const ORPHANS_MAX: i64 = 1_000;
/// How often an id of a transaction is drawn again because it is taken.
const DRAWS_MAX: u32 = 5;

/// A transaction that is open.
#[derive(Debug)]
struct Open {
    transaction: String,
    connector: ConnectorId,
    session: Option<SessionId>,
    meter_start: u64,
    started_at_ms: i64,
}

/// A start as it is booked.
struct NewStart<'a> {
    connector: ConnectorId,
    id_tag: &'a str,
    meter: u64,
    at_ms: i64,
}

impl Central {
    pub(super) async fn start(
        &self,
        known: &Known,
        request: &StartTransactionRequest,
    ) -> Result<StartTransactionResponse, Refused> {
        let start = NewStart {
            connector: connector(request.connector_id)?,
            id_tag: request.id_tag.as_str(),
            meter: meter_start(request.meter_start)?,
            at_ms: ms(request.timestamp),
        };
        let mut info = self.judge(known, start.id_tag).await?;
        let transaction = match self.known_start(known, &start).await.map_err(failed)? {
            Some(transaction) => transaction,
            None => {
                if info.status == AuthorizationStatus::Accepted
                    && self
                        .is_charging_elsewhere(known, &start)
                        .await
                        .map_err(failed)?
                {
                    info.status = AuthorizationStatus::ConcurrentTx;
                }
                let transaction = self.begin(known, &start).await?;
                if let Some(number) = request.reservation_id {
                    let used = self.0.commands.reservation_used(&known.station.id, number);
                    used.await.map_err(failed)?;
                }
                transaction
            }
        };
        Ok(StartTransactionResponse::new(info, transaction))
    }

    /// The id that the same start was given before.
    async fn known_start(
        &self,
        known: &Known,
        start: &NewStart<'_>,
    ) -> Result<Option<i64>, DbError> {
        let sql = "SELECT transaction_id FROM transactions
                   WHERE charge_point_id = $1 AND connector_id = $2 AND folded = $3
                     AND meter_start_wh = $4 AND started_at_ms = $5";
        let values = vec![
            known.station.id.as_str().into(),
            start.connector.get().into(),
            folded(start.id_tag).into(),
            wh(start.meter),
            start.at_ms.into(),
        ];
        let rows = self.0.db.query(sql, values).await?;
        let parse = |row: &Row| {
            let text = row.text("transaction_id")?;
            text.parse().map_err(|_| damaged("transaction_id"))
        };
        rows.first().map(parse).transpose()
    }

    /// Whether the tag has an open transaction on another connector that can be reached.
    async fn is_charging_elsewhere(
        &self,
        known: &Known,
        start: &NewStart<'_>,
    ) -> Result<bool, DbError> {
        let sql = "SELECT t.charge_point_id FROM transactions t
                   JOIN charge_points c ON c.id = t.charge_point_id
                   WHERE t.folded = $1 AND t.ended_at_ms IS NULL AND c.organisation_id = $2
                     AND NOT (t.charge_point_id = $3 AND t.connector_id = $4)";
        let values = vec![
            folded(start.id_tag).into(),
            known.organisation.as_str().into(),
            known.station.id.as_str().into(),
            start.connector.get().into(),
        ];
        for row in self.0.db.query(sql, values).await? {
            let id = site_model::ChargePointId::new(row.text("charge_point_id")?);
            let live = id.ok().and_then(|id| self.0.fleet.find(&id));
            if live.is_some_and(|live| live.online) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn begin(&self, known: &Known, start: &NewStart<'_>) -> Result<i64, Refused> {
        for _ in 0..DRAWS_MAX {
            let transaction = draw();
            let steps = self.start_steps(known, start, transaction).await?;
            match self.book_start(known, steps).await {
                Ok(()) => {
                    self.link_command(known, start, transaction).await?;
                    return Ok(transaction);
                }
                // The same start was booked meanwhile, or the id is taken.
                Err(DbError::Unique { .. }) => {
                    let booked = self.known_start(known, start).await.map_err(failed)?;
                    if let Some(transaction) = booked {
                        return Ok(transaction);
                    }
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(DbError::Engine("no free transaction id".to_owned())))
    }

    async fn book_start(&self, known: &Known, steps: Vec<Step>) -> Result<(), DbError> {
        let updates = crate::ingest::apply::run(&self.0.db, steps).await?;
        self.0.fleet.apply(&known.organisation, updates);
        Ok(())
    }

    async fn start_steps(
        &self,
        known: &Known,
        start: &NewStart<'_>,
        transaction: i64,
    ) -> Result<Vec<Step>, Refused> {
        let (station, now) = (&known.station, self.now());
        let is_direct = station.gateway.is_none();
        let session = is_direct.then(|| {
            SessionId::new(&mint("sess", now)).expect("prefix and ULID are of its alphabet")
        });
        let offline = start.at_ms + ONLINE_TOLERANCE_MS < station.connected_at.as_millisecond();
        let mut steps = Vec::new();
        if is_direct {
            let zombies = self
                .open(known, Some(start.connector))
                .await
                .map_err(failed)?;
            for zombie in zombies {
                steps.extend(self.end_zombie(known, &zombie, start.at_ms).await?);
            }
        }
        steps.push(Step::new(
            "INSERT INTO transactions
               (charge_point_id, transaction_id, connector_id, id_tag, folded, meter_start_wh,
                started_at_ms, received_at_ms, offline, session_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            vec![
                station.id.as_str().into(),
                transaction.to_string().into(),
                start.connector.get().into(),
                start.id_tag.into(),
                folded(start.id_tag).into(),
                wh(start.meter),
                start.at_ms.into(),
                now.as_millisecond().into(),
                offline.into(),
                session.as_ref().map(SessionId::as_str).into(),
            ],
        ));
        if let Some(session) = &session {
            let moment = Moment {
                at_ms: start.at_ms,
                unsure: None,
            };
            let begun = Start {
                session,
                charge_point: &station.id,
                connector: start.connector,
                id_tag: start.id_tag,
                meter: WattHours(start.meter),
                source: EnergySource::LifetimeRegister,
                billing_grade: true,
            };
            steps.extend(start_session(None, &moment, &begun).map_err(unfit)?);
            steps.push(show_session(known, start.connector, Some(session.clone())));
        }
        Ok(steps)
    }

    /// A transaction that was open when the next one began on its connector: its stop is not known,
    /// so it ends with its last reading, and says between when and when.
    async fn end_zombie(
        &self,
        known: &Known,
        zombie: &Open,
        next_start_ms: i64,
    ) -> Result<Vec<Step>, Refused> {
        let charge_point = &known.station.id;
        let (at_ms, meter) = self.last_reading(zombie).await.map_err(failed)?;
        let transaction = &zombie.transaction;
        tracing::warn!(%charge_point, transaction, "A transaction was open when the next one began; it is ended with its last reading");
        let mut steps = vec![end_transaction(known, zombie, at_ms, meter, "Other")];
        if let Some(session) = &zombie.session {
            let moment = Moment {
                at_ms,
                unsure: None,
            };
            let end = End {
                session,
                meter: WattHours(meter),
                reason: "Other",
                between: Some((at_ms, next_start_ms.max(at_ms))),
            };
            steps.extend(end_session(None, &moment, &end).map_err(unfit)?);
        }
        Ok(steps)
    }

    async fn last_reading(&self, open: &Open) -> Result<(i64, u64), DbError> {
        let start = (open.started_at_ms, open.meter_start);
        let Some(session) = &open.session else {
            return Ok(start);
        };
        let sql = "SELECT MAX(at_ms) AS at_ms, MAX(meter_wh) AS meter_wh FROM session_readings
                   WHERE session_id = $1";
        let rows = self.0.db.query(sql, vec![session.as_str().into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(start);
        };
        let (at_ms, meter) = (row.opt_int("at_ms")?, row.opt_int("meter_wh")?);
        let meter = meter.and_then(|meter| u64::try_from(meter).ok());
        Ok((at_ms.unwrap_or(start.0), meter.unwrap_or(start.1)))
    }

    /// Notes which order this start answers: the latest accepted one for this tag and connector.
    async fn link_command(
        &self,
        known: &Known,
        start: &NewStart<'_>,
        transaction: i64,
    ) -> Result<(), Refused> {
        let (tag, transaction) = (folded(start.id_tag), transaction.to_string());
        let (id, connector) = (&known.station.id, start.connector.get());
        let commands = &self.0.commands;
        let linked = commands.start_led_to(id, connector, &tag, &transaction);
        linked.await.map_err(failed)
    }

    pub(super) async fn meter_values(
        &self,
        known: &Known,
        request: &MeterValuesRequest,
    ) -> Result<MeterValuesResponse, Refused> {
        if known.station.gateway.is_some() {
            return Ok(MeterValuesResponse::default());
        }
        let told = request.transaction_id.filter(|id| *id != 0);
        let open = match told {
            Some(id) => self
                .find(known, id)
                .await
                .map_err(failed)?
                .map(|(open, _)| open),
            None => match connector(request.connector_id) {
                Ok(connector) => {
                    let open = self.open(known, Some(connector)).await;
                    open.map_err(failed)?.pop()
                }
                // Values of the charge point as a whole belong to no session.
                Err(_) => None,
            },
        };
        if let Some(session) = open.and_then(|open| open.session) {
            let mut steps = Vec::new();
            for (at_ms, meter) in registers(&request.meter_value) {
                let moment = Moment {
                    at_ms,
                    unsure: None,
                };
                let step = read_session(None, &moment, &session, WattHours(meter));
                steps.push(step.map_err(unfit)?);
            }
            if !steps.is_empty() {
                self.book(known, steps).await?;
            }
        }
        Ok(MeterValuesResponse::default())
    }

    pub(super) async fn stop(
        &self,
        known: &Known,
        request: &StopTransactionRequest,
    ) -> Result<StopTransactionResponse, Refused> {
        let found = self.find(known, request.transaction_id).await;
        match found.map_err(failed)? {
            Some((open, false)) => self.end(known, &open, request).await?,
            // Sent again.
            Some((_, true)) => {}
            None => self.keep_orphan(known, request).await.map_err(failed)?,
        }
        // Told for the next time; a stop is a stop, whatever became of the tag meanwhile.
        let id_tag_info = match &request.id_tag {
            Some(id_tag) => Some(self.judge(known, id_tag.as_str()).await?),
            None => None,
        };
        Ok(StopTransactionResponse { id_tag_info })
    }

    async fn end(
        &self,
        known: &Known,
        open: &Open,
        request: &StopTransactionRequest,
    ) -> Result<(), Refused> {
        // OCPP 1.6, section 6.49: left out, it was stopped at the charge point.
        let reason = request.reason.unwrap_or(Reason::Local).as_str();
        let told = u64::try_from(request.meter_stop).unwrap_or(0);
        if told < open.meter_start {
            let (charge_point, transaction) = (&known.station.id, &open.transaction);
            tracing::warn!(%charge_point, transaction, told, start = open.meter_start, "The register went back during a transaction; it is booked without energy");
        }
        let meter = told.max(open.meter_start);
        let at_ms = ms(request.timestamp).max(open.started_at_ms);
        let mut steps = Vec::new();
        if let Some(session) = &open.session {
            let data = request.transaction_data.as_ref();
            let told = registers(data.map_or(&[], |data| data.as_slice()));
            // What it tells of the start and of the stop themselves is booked as these.
            let between = |told: &(i64, u64)| open.started_at_ms < told.0 && told.0 < at_ms;
            for (at_ms, meter) in told.into_iter().filter(between) {
                let moment = Moment {
                    at_ms,
                    unsure: None,
                };
                let step = read_session(None, &moment, session, WattHours(meter));
                steps.push(step.map_err(unfit)?);
            }
            let moment = Moment {
                at_ms,
                unsure: None,
            };
            let end = End {
                session,
                meter: WattHours(meter),
                reason,
                between: None,
            };
            steps.extend(end_session(None, &moment, &end).map_err(unfit)?);
            steps.push(show_session(known, open.connector, None));
        }
        steps.push(end_transaction(known, open, at_ms, meter, reason));
        self.book(known, steps).await?;
        let ended = self
            .0
            .commands
            .stop_led_to_end(&known.station.id, &open.transaction);
        ended.await.map_err(failed)
    }

    async fn keep_orphan(
        &self,
        known: &Known,
        request: &StopTransactionRequest,
    ) -> Result<(), DbError> {
        let (charge_point, transaction) = (&known.station.id, request.transaction_id);
        let reason = request.reason.unwrap_or(Reason::Local).as_str();
        let sql = "INSERT INTO orphan_stops
                     (charge_point_id, transaction_id, at_ms, meter_stop_wh, id_tag, stop_reason,
                      received_at_ms)
                   SELECT $1, $2, CAST($3 AS BIGINT), CAST($4 AS BIGINT), $5, $6, CAST($7 AS BIGINT)
                   WHERE (SELECT COUNT(*) FROM orphan_stops WHERE charge_point_id = $1) < $8
                   ON CONFLICT (charge_point_id, transaction_id, at_ms) DO NOTHING";
        let values = vec![
            charge_point.as_str().into(),
            transaction.to_string().into(),
            ms(request.timestamp).into(),
            request.meter_stop.into(),
            request.id_tag.as_ref().map(|tag| tag.as_str()).into(),
            reason.into(),
            self.now().as_millisecond().into(),
            ORPHANS_MAX.into(),
        ];
        let kept = self.0.db.write(sql, values).await?.changed == 1;
        let meter = request.meter_stop;
        if kept {
            tracing::warn!(%charge_point, transaction, "A transaction was stopped that nobody began here; the stop is kept, see GET /api/v1/chargepoints/{{id}}/unmatched-stops");
        } else {
            tracing::warn!(%charge_point, transaction, meter, "A transaction was stopped that nobody began here; the stop is not kept: it was told before, or {ORPHANS_MAX} of this charge point are");
        }
        Ok(())
    }

    /// A transaction, and whether it has ended.
    async fn find(&self, known: &Known, transaction: i64) -> Result<Option<(Open, bool)>, DbError> {
        let sql = "SELECT * FROM transactions WHERE charge_point_id = $1 AND transaction_id = $2";
        let values = vec![
            known.station.id.as_str().into(),
            transaction.to_string().into(),
        ];
        let rows = self.0.db.query(sql, values).await?;
        let read = |row: &Row| Ok((read(row)?, row.opt_int("ended_at_ms")?.is_some()));
        rows.first().map(read).transpose()
    }

    /// The transactions that are open, of one connector or of all, oldest first.
    async fn open(
        &self,
        known: &Known,
        connector: Option<ConnectorId>,
    ) -> Result<Vec<Open>, DbError> {
        let sql = "SELECT * FROM transactions
                   WHERE charge_point_id = $1 AND ended_at_ms IS NULL
                     AND (CAST($2 AS BIGINT) IS NULL OR connector_id = $2)
                   ORDER BY started_at_ms";
        let values = vec![
            known.station.id.as_str().into(),
            connector.map(ConnectorId::get).into(),
        ];
        let rows = self.0.db.query(sql, values).await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<Open, DbError> {
    let number = u8::try_from(row.int("connector_id")?).ok();
    let connector = number.and_then(|number| ConnectorId::new(number).ok());
    let session = row.opt_text("session_id")?.map(SessionId::new).transpose();
    Ok(Open {
        transaction: row.text("transaction_id")?.to_owned(),
        connector: connector.ok_or_else(|| damaged("connector_id"))?,
        session: session.map_err(|_| damaged("session_id"))?,
        meter_start: row.unsigned("meter_start_wh")?,
        started_at_ms: row.int("started_at_ms")?,
    })
}

fn end_transaction(known: &Known, open: &Open, at_ms: i64, meter: u64, reason: &str) -> Step {
    Step::new(
        "UPDATE transactions SET ended_at_ms = $3, meter_stop_wh = $4, stop_reason = $5
         WHERE charge_point_id = $1 AND transaction_id = $2 AND ended_at_ms IS NULL",
        vec![
            known.station.id.as_str().into(),
            open.transaction.as_str().into(),
            at_ms.into(),
            wh(meter),
            reason.into(),
        ],
    )
}

/// Shows at the connector which session runs there.
fn show_session(known: &Known, connector: ConnectorId, session: Option<SessionId>) -> Step {
    let id = &known.station.id;
    let touch = Step::new(
        "UPDATE charge_points SET id = id WHERE id = $1",
        vec![id.as_str().into()],
    );
    let told = Told::Session { connector, session };
    touch.meaning(Update::Told(id.clone(), told))
}

/// A register that cannot be is refused: energy counted from nothing would be billed.
fn meter_start(told: i64) -> Result<u64, Refused> {
    u64::try_from(told).map_err(|_| {
        let code = ErrorCode::PropertyConstraintViolation;
        Refused::new(code, "meterStart must be 0 or more")
    })
}

fn wh(meter: u64) -> Param {
    i64::try_from(meter).unwrap_or(i64::MAX).into()
}

/// 31 random bits, never 0: many charge points send 0 for "none".
fn draw() -> i64 {
    let mut bytes = [0; 4];
    fill_random(&mut bytes);
    let bits = u32::from_be_bytes(bytes) >> 1;
    i64::from(bits.max(1))
}
