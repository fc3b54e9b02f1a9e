//! Facts into rows and into the live fleet: one transaction per batch, together with the mark.
//! Each fact becomes steps; a step's statement changes the database, and its update the fleet if
//! the statement changed something. How to add one: `docs/how-to-add/fact.md`.

use std::collections::HashSet;

use site_model::{
    Change, ChargePointId, ConnectorId, Fact, GatewayId, JournalId, Reconstruction, SessionId,
    StopReason, Timestamp, WattHours,
};

use super::{
    Ingest,
    gateways::Owner,
    message::{Batch, Received, Unread},
};
use crate::{
    db::{DbError, Param, Statement},
    fleet::{SessionEnergy, Update, registrations, zone_of},
};

/// Facts that cannot be read, kept per gateway for a later version; beyond it they are only counted.
const UNREAD_MAX: i64 = 1_000;

/// One statement, and what it means for the fleet if it changed a row.
pub(super) struct Step {
    statement: Statement,
    update: Option<Update>,
}

impl Step {
    pub(super) fn new(sql: &'static str, params: Vec<Param>) -> Self {
        Self {
            statement: Statement::new(sql, params),
            update: None,
        }
    }

    /// The same step, which must change exactly one row: else another process was faster.
    pub(super) fn of_one_row(mut self) -> Self {
        self.statement = self.statement.expecting(1);
        self
    }

    pub(super) fn meaning(mut self, update: Update) -> Self {
        self.update = Some(update);
        self
    }
}

/// What one transaction is to do, and what is to be remembered after it.
pub(super) struct Plan<'a> {
    pub(super) gateway: &'a GatewayId,
    pub(super) owner: Owner,
    pub(super) steps: Vec<Step>,
    /// Charge points that become this gateway's in this transaction.
    pub(super) registered: HashSet<ChargePointId>,
    /// Charge points refused in it (`Some` reason) or no longer refused.
    pub(super) refused: Vec<(ChargePointId, Option<String>)>,
    /// Times of sessions are corrected: the fleet takes them from the database again.
    clock_corrected: bool,
}

impl Plan<'_> {
    fn push(&mut self, sql: &'static str, params: Vec<Param>) {
        self.steps.push(Step::new(sql, params));
    }
}

impl Ingest {
    /// Applies what is new in the batch: the facts after the mark, if they follow it without a gap.
    pub(super) async fn apply(
        &mut self,
        gateway: &GatewayId,
        batch: &Batch,
    ) -> Result<(), DbError> {
        let mark = self.gateways.mark(gateway, &batch.journal).await?;
        let known = batch.facts.partition_point(|fact| fact.sequence <= mark);
        let new = &batch.facts[known..];
        let (Some(first), Some(last)) = (new.first(), new.last()) else {
            return Ok(());
        };
        if first.sequence != mark.saturating_add(1) {
            // The acknowledgement tells the gateway where to resume.
            tracing::info!(%gateway, mark, got = first.sequence, "Facts are missing before these; asked for again");
            return Ok(());
        }
        let Some(mut plan) = self.plan(gateway) else {
            return Ok(());
        };
        plan.steps
            .extend(mark_steps(gateway, batch, mark, last.sequence, new)?);
        for received in new {
            match &received.fact {
                Ok(fact) => self.plan_fact(&mut plan, fact).await?,
                Err(unread) => keep_unread(&mut plan, &batch.journal, received, unread)?,
            }
        }
        self.commit(plan).await?;
        self.gateways
            .set_mark(gateway, &batch.journal, last.sequence);
        Ok(())
    }

    pub(super) fn plan<'a>(&self, gateway: &'a GatewayId) -> Option<Plan<'a>> {
        Some(Plan {
            gateway,
            owner: self.gateways.owner(gateway)?.clone(),
            steps: Vec::new(),
            registered: HashSet::new(),
            refused: Vec::new(),
            clock_corrected: false,
        })
    }

    /// Runs the transaction, then lets fleet and memory follow.
    pub(super) async fn commit(&mut self, plan: Plan<'_>) -> Result<(), DbError> {
        let (statements, updates): (Vec<_>, Vec<_>) = plan
            .steps
            .into_iter()
            .map(|step| (step.statement, step.update))
            .unzip();
        let done = self.db.transaction(statements).await?;
        let updates = done.iter().zip(updates);
        let updates = updates.filter_map(|(done, update)| update.filter(|_| done.changed > 0));
        let organisation = &plan.owner.organisation;
        if !plan.registered.is_empty() {
            self.fleet
                .set_zone(organisation, zone_of(&plan.owner.time_zone));
        }
        self.fleet.apply(organisation, updates.collect());
        for (charge_point, reason) in plan.refused {
            self.gateways
                .set_refused(plan.gateway, charge_point, reason);
        }
        if plan.clock_corrected {
            let now = self.clock.now();
            self.fleet
                .reload_sessions(&self.db, organisation, now)
                .await?;
        }
        Ok(())
    }

    /// After a conflict: takes the charge points that the batch announces from the database.
    pub(super) async fn reload(&mut self, batch: &Batch) -> Result<(), DbError> {
        for received in &batch.facts {
            let Ok(fact) = &received.fact else { continue };
            if let Change::ChargePointAnnounced(announcement) = &fact.change {
                self.reload_charge_point(&announcement.charge_point).await?;
            }
        }
        Ok(())
    }

    async fn reload_charge_point(&self, charge_point: &ChargePointId) -> Result<(), DbError> {
        for registration in registrations(&self.db, Some(charge_point)).await? {
            let organisation = registration.organisation.clone();
            let update = vec![Update::Registered(registration)];
            self.fleet.apply(&organisation, update);
        }
        Ok(())
    }

    /// Whether the gateway may speak for a charge point. One that the fleet does not know may have
    /// been registered by another process: the database knows.
    async fn is_own(&self, plan: &Plan<'_>, charge_point: &ChargePointId) -> Result<bool, DbError> {
        if plan.registered.contains(charge_point) {
            return Ok(true);
        }
        if self.fleet.find(charge_point).is_none() {
            self.reload_charge_point(charge_point).await?;
        }
        let held = self.fleet.find(charge_point);
        Ok(held.is_some_and(|live| live.gateway == *plan.gateway))
    }

    #[expect(clippy::too_many_lines, reason = "a flat table, one arm per change")]
    async fn plan_fact(&self, plan: &mut Plan<'_>, fact: &Fact) -> Result<(), DbError> {
        if let Some(charge_point) = speaks_of(&fact.change)
            && !self.is_own(plan, charge_point).await?
        {
            return Ok(());
        }
        let at = &fact.at;
        match &fact.change {
            Change::ChargePointAnnounced(announcement) => {
                return self.plan_announcement(plan, announcement).await;
            }
            Change::DeviceOnline {
                charge_point,
                connector,
                serial,
                firmware,
            } => plan.push(
                "UPDATE connectors SET serial = $3, firmware = $4, fault = NULL
                 WHERE charge_point_id = $1 AND connector_id = $2",
                of_connector(
                    charge_point,
                    *connector,
                    [serial.as_deref().into(), firmware.as_deref().into()],
                ),
            ),
            Change::DeviceOffline {
                charge_point,
                connector,
                fault,
            } => plan.push(
                "UPDATE connectors SET fault = $3 WHERE charge_point_id = $1 AND connector_id = $2",
                of_connector(charge_point, *connector, [fault.message.as_str().into()]),
            ),
            Change::StatusChanged {
                charge_point,
                connector,
                status,
                error_code,
            } => plan.push(
                "UPDATE connectors SET status = $3, status_at_ms = $4, error_code = $5
                 WHERE charge_point_id = $1 AND connector_id = $2",
                of_connector(
                    charge_point,
                    *connector,
                    [
                        status.as_str().into(),
                        at.wall.0.into(),
                        (*error_code).into(),
                    ],
                ),
            ),
            Change::AvailabilityChanged {
                charge_point,
                connector,
                operative,
            } => plan.push(
                "UPDATE connectors SET operative = $3
                 WHERE charge_point_id = $1 AND connector_id = $2",
                of_connector(charge_point, *connector, [(*operative).into()]),
            ),
            Change::SessionStarted { .. } => start_session(plan, fact)?,
            Change::MeterRead { session, meter } => read_session(plan, at, session, *meter)?,
            Change::SessionEnded {
                session,
                meter_stop,
                reason,
                reconstructed,
                ..
            } => end_session(plan, at, session, *meter_stop, *reason, *reconstructed)?,
            Change::EnergyUnattributed {
                charge_point,
                connector,
                from,
                to,
            } => plan.push(
                "INSERT INTO unattributed_energy
                   (charge_point_id, connector_id, at_ms, from_wh, to_wh)
                 VALUES ($1, $2, $3, $4, $5)",
                of_connector(
                    charge_point,
                    *connector,
                    [at.wall.0.into(), wh(*from)?, wh(*to)?],
                ),
            ),
            Change::ClockCorrected { boot, offset_ms } => {
                correct_clock(plan, &boot.to_string(), *offset_ms);
            }
            // Nobody reads these in the cloud yet; they stay in the gateway's journal.
            Change::AuthorizationChanged { .. }
            | Change::RegisterTied { .. }
            | Change::LimitGranted { .. }
            | Change::CommandOpened(_)
            | Change::CommandClosed { .. } => {}
        }
        Ok(())
    }
}

/// The charge point whose fact this is, where the fact names one that must be the gateway's own.
fn speaks_of(change: &Change) -> Option<&ChargePointId> {
    match change {
        Change::DeviceOnline { charge_point, .. }
        | Change::DeviceOffline { charge_point, .. }
        | Change::StatusChanged { charge_point, .. }
        | Change::AvailabilityChanged { charge_point, .. }
        | Change::AuthorizationChanged { charge_point, .. }
        | Change::SessionStarted { charge_point, .. }
        | Change::SessionEnded { charge_point, .. }
        | Change::RegisterTied { charge_point, .. }
        | Change::EnergyUnattributed { charge_point, .. }
        | Change::LimitGranted { charge_point, .. } => Some(charge_point),
        Change::CommandOpened(command) => Some(&command.charge_point),
        // An announcement is judged by itself; the others are held to the gateway by their statements.
        Change::ChargePointAnnounced(_)
        | Change::MeterRead { .. }
        | Change::CommandClosed { .. }
        | Change::ClockCorrected { .. } => None,
    }
}

/// Moves the mark, and only from where it was read: else another process has moved it.
fn mark_steps(
    gateway: &GatewayId,
    batch: &Batch,
    from: u64,
    to: u64,
    new: &[Received],
) -> Result<[Step; 2], DbError> {
    let key = || vec![gateway.as_str().into(), batch.journal.as_str().into()];
    let unread = new.iter().filter(|received| received.fact.is_err()).count();
    let mut moved = key();
    moved.extend([integer(to)?, integer(from)?]);
    moved.push(integer(u64::try_from(unread).unwrap_or(u64::MAX))?);
    Ok([
        Step::new(
            "INSERT INTO ingest_marks (gateway_id, journal_id, sequence, unread)
             VALUES ($1, $2, 0, 0) ON CONFLICT (gateway_id, journal_id) DO NOTHING",
            key(),
        ),
        Step::new(
            "UPDATE ingest_marks SET sequence = $3, unread = unread + $5
             WHERE gateway_id = $1 AND journal_id = $2 AND sequence = $4",
            moved,
        )
        .of_one_row(),
    ])
}

fn keep_unread(
    plan: &mut Plan<'_>,
    journal: &JournalId,
    received: &Received,
    unread: &Unread,
) -> Result<(), DbError> {
    let gateway = plan.gateway;
    let sequence = received.sequence;
    tracing::warn!(%gateway, sequence, "Fact cannot be read by this version ({}); it is kept as it came", unread.reason);
    plan.push(
        "INSERT INTO unread_facts (gateway_id, journal_id, sequence, reason, fact)
         SELECT $1, $2, CAST($3 AS BIGINT), $4, $5
         WHERE (SELECT COUNT(*) FROM unread_facts WHERE gateway_id = $1) < $6
         ON CONFLICT (gateway_id, journal_id, sequence) DO NOTHING",
        vec![
            gateway.as_str().into(),
            journal.as_str().into(),
            integer(sequence)?,
            unread.reason.as_str().into(),
            unread.json.as_str().into(),
            UNREAD_MAX.into(),
        ],
    );
    Ok(())
}

fn start_session(plan: &mut Plan<'_>, fact: &Fact) -> Result<(), DbError> {
    let Change::SessionStarted {
        session,
        charge_point,
        connector,
        id_tag,
        meter_start,
        source,
        billing_grade,
    } = &fact.change
    else {
        return Ok(());
    };
    let (gateway, at_ms) = (plan.gateway.clone(), fact.at.wall.0);
    let energy = SessionEnergy::starting(gateway, charge_point.clone(), at_ms, meter_start.0);
    let insert = Step::new(
        "INSERT INTO sessions
           (id, organisation_id, site_id, gateway_id, charge_point_id, connector_id, id_tag,
            energy_source, billing_grade, started_at_ms, meter_start_wh)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING",
        vec![
            session.as_str().into(),
            plan.owner.organisation.as_str().into(),
            plan.owner.site.as_str().into(),
            plan.gateway.as_str().into(),
            charge_point.as_str().into(),
            connector.get().into(),
            id_tag.as_str().into(),
            source.as_str().into(),
            (*billing_grade).into(),
            at_ms.into(),
            wh(*meter_start)?,
        ],
    );
    plan.steps
        .push(insert.meaning(Update::SessionStarted(session.clone(), energy)));
    plan.push(
        "INSERT INTO session_readings (session_id, kind, at_ms, meter_wh, boot)
         SELECT id, 'start', CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS TEXT) FROM sessions
         WHERE id = $1 AND gateway_id = $2
           AND NOT EXISTS (SELECT 1 FROM session_readings r WHERE r.session_id = $1)",
        reading(plan.gateway, &fact.at, session, *meter_start)?,
    );
    Ok(())
}

fn read_session(
    plan: &mut Plan<'_>,
    at: &Timestamp,
    session: &SessionId,
    meter: WattHours,
) -> Result<(), DbError> {
    let insert = Step::new(
        "INSERT INTO session_readings (session_id, kind, at_ms, meter_wh, boot)
         SELECT id, 'quarter_hour', CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS TEXT)
         FROM sessions WHERE id = $1 AND gateway_id = $2 AND ended_at_ms IS NULL",
        reading(plan.gateway, at, session, meter)?,
    );
    plan.steps.push(insert.meaning(Update::SessionRead {
        session: session.clone(),
        at_ms: at.wall.0,
        meter_wh: meter.0,
    }));
    Ok(())
}

fn end_session(
    plan: &mut Plan<'_>,
    at: &Timestamp,
    session: &SessionId,
    meter_stop: WattHours,
    reason: StopReason,
    reconstructed: Option<Reconstruction>,
) -> Result<(), DbError> {
    plan.push(
        "INSERT INTO session_readings (session_id, kind, at_ms, meter_wh, boot)
         SELECT id, 'end', CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS TEXT)
         FROM sessions WHERE id = $1 AND gateway_id = $2 AND ended_at_ms IS NULL",
        reading(plan.gateway, at, session, meter_stop)?,
    );
    let update = Step::new(
        "UPDATE sessions SET ended_at_ms = $3, meter_stop_wh = $4, stop_reason = $5,
                end_not_before_ms = $6, end_not_after_ms = $7
         WHERE id = $1 AND gateway_id = $2 AND ended_at_ms IS NULL",
        vec![
            session.as_str().into(),
            plan.gateway.as_str().into(),
            at.wall.0.into(),
            wh(meter_stop)?,
            reason.as_str().into(),
            reconstructed.map(|bounds| bounds.not_before.0).into(),
            reconstructed.map(|bounds| bounds.not_after.0).into(),
        ],
    );
    plan.steps.push(update.meaning(Update::SessionEnded {
        session: session.clone(),
        at_ms: at.wall.0,
        meter_wh: meter_stop.0,
    }));
    Ok(())
}

/// Moves the times that this boot recorded before it knew the right time.
fn correct_clock(plan: &mut Plan<'_>, boot: &str, offset_ms: i64) {
    let params = || vec![plan.gateway.as_str().into(), boot.into(), offset_ms.into()];
    let steps = [
        "UPDATE sessions SET started_at_ms = started_at_ms + $3
         WHERE gateway_id = $1 AND id IN
           (SELECT session_id FROM session_readings WHERE boot = $2 AND kind = 'start')",
        "UPDATE sessions SET ended_at_ms = ended_at_ms + $3
         WHERE gateway_id = $1 AND id IN
           (SELECT session_id FROM session_readings WHERE boot = $2 AND kind = 'end')",
        "UPDATE session_readings SET at_ms = at_ms + $3, boot = NULL
         WHERE boot = $2 AND session_id IN (SELECT id FROM sessions WHERE gateway_id = $1)",
    ]
    .map(|sql| Step::new(sql, params()));
    plan.steps.extend(steps);
    plan.clock_corrected = true;
}

/// `$1` session, `$2` gateway, `$3` time, `$4` register, `$5` boot while the time is not known to be right.
fn reading(
    gateway: &GatewayId,
    at: &Timestamp,
    session: &SessionId,
    meter: WattHours,
) -> Result<Vec<Param>, DbError> {
    let unsure = (!at.wall_known).then(|| at.boot.to_string());
    Ok(vec![
        session.as_str().into(),
        gateway.as_str().into(),
        at.wall.0.into(),
        wh(meter)?,
        unsure.into(),
    ])
}

fn of_connector<const N: usize>(
    charge_point: &ChargePointId,
    connector: ConnectorId,
    values: [Param; N],
) -> Vec<Param> {
    let mut params = vec![charge_point.as_str().into(), connector.get().into()];
    params.extend(values);
    params
}

fn wh(energy: WattHours) -> Result<Param, DbError> {
    integer(energy.0)
}

fn integer(value: u64) -> Result<Param, DbError> {
    let value = i64::try_from(value);
    value
        .map(Param::from)
        .map_err(|_| DbError::Engine(format!("a number above {} cannot be stored", i64::MAX)))
}
