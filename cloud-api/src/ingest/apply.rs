//! Facts into rows and into the live fleet: one transaction per batch, together with the mark.
//! Each fact becomes steps; a step's statement changes the database, and its update the fleet if
//! the statement changed something. How to add one: `docs/how-to-add/fact.md`.

use std::collections::HashSet;

use site_model::{Announcement, Change, ChargePointId, Fact, GatewayId, JournalId};
use site_wire::v1::Envelope;

use super::{
    Ingest,
    gateways::{Mark, Owner},
    message::{Batch, Received, TEXT_MAX, shortened},
    rows::{
        End, Start, assign_transaction, correct_clock, end_session, keep_unread, mark_steps,
        of_connector, read_session, salvaged, start_session, wh,
    },
};
use crate::{
    db::{Db, DbError, Param, Statement},
    fleet::{Update, registrations, zone_of},
};

/// 9999-12-31T23:59:59.999Z, in ms; as far before 1970. Times beyond it are no times, and sums of
/// two such times are still integers.
const TIME_MAX_MS: u64 = 253_402_300_799_999;

/// Why a fact was not planned.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The database failed: the message is tried again.
    Db(DbError),
    /// The fact says what cannot be stored: it is kept as it came.
    Unfit(&'static str),
}

impl From<DbError> for Fault {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

/// One statement, and what it means for the fleet if it changed a row.
#[derive(Debug)]
pub(crate) struct Step {
    statement: Statement,
    update: Option<Update>,
}

impl Step {
    pub(crate) fn new(sql: &'static str, params: Vec<Param>) -> Self {
        Self {
            statement: Statement::new(sql, params),
            update: None,
        }
    }

    /// The same step, which must change exactly one row: else another process was faster.
    pub(crate) fn of_one_row(mut self) -> Self {
        self.statement = self.statement.expecting(1);
        self
    }

    pub(crate) fn meaning(mut self, update: Update) -> Self {
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
    pub(super) clock_corrected: bool,
}

impl Plan<'_> {
    pub(super) fn push(&mut self, sql: &'static str, params: Vec<Param>) {
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
        let mark = self.gateways.mark(gateway, &batch.journal).await?.sequence;
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
        match self.plan_batch(&mut plan, batch, mark, new).await {
            Ok(()) => {}
            Err(Fault::Db(error)) => return Err(error),
            // Sequences were checked to fit when the batch was read.
            Err(Fault::Unfit(reason)) => return Err(DbError::Engine(reason.to_owned())),
        }
        self.commit(plan).await?;
        let mark = Mark {
            sequence: last.sequence,
            boot: last.boot(),
        };
        self.gateways.set_mark(gateway, &batch.journal, mark);
        Ok(())
    }

    async fn plan_batch(
        &self,
        plan: &mut Plan<'_>,
        batch: &Batch,
        mark: u64,
        new: &[Received],
    ) -> Result<(), Fault> {
        let Some(last) = new.last() else {
            return Ok(());
        };
        let steps = mark_steps(plan.gateway, batch, mark, last)?;
        plan.steps.extend(steps);
        for received in new {
            let sequence = received.sequence;
            let fact = match &received.fact {
                Ok(fact) => fact,
                Err(unread) => {
                    let (reason, json) = (&unread.reason, &unread.json);
                    keep_unread(plan, &batch.journal, sequence, reason, json)?;
                    continue;
                }
            };
            let before = plan.steps.len();
            match self.plan_fact(plan, fact).await {
                Ok(()) => {}
                Err(Fault::Unfit(reason)) => {
                    plan.steps.truncate(before);
                    let json = serde_json::to_string(&Envelope::of(sequence, fact));
                    let json = json.unwrap_or_default();
                    keep_unread(plan, &batch.journal, sequence, reason, &json)?;
                }
                Err(error @ Fault::Db(_)) => return Err(error),
            }
        }
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
        let updates = run(&self.db, plan.steps).await?;
        let organisation = &plan.owner.organisation;
        if !plan.registered.is_empty() {
            self.fleet
                .set_zone(organisation, zone_of(&plan.owner.time_zone));
        }
        self.fleet.apply(organisation, updates);
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
        Ok(held.is_some_and(|live| live.gateway.as_ref() == Some(plan.gateway)))
    }

    #[expect(clippy::too_many_lines, reason = "a flat table, one arm per change")]
    async fn plan_fact(&self, plan: &mut Plan<'_>, fact: &Fact) -> Result<(), Fault> {
        check_times(fact)?;
        if let Some(charge_point) = speaks_of(&fact.change)
            && !self.is_own(plan, charge_point).await?
        {
            return Ok(());
        }
        let at = &fact.at;
        match &fact.change {
            Change::ChargePointAnnounced(announcement) => {
                check_connectors(announcement)?;
                self.plan_announcement(plan, announcement).await?;
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
                    [
                        serial.as_deref().map(short).into(),
                        firmware.as_deref().map(short).into(),
                    ],
                ),
            ),
            Change::DeviceOffline {
                charge_point,
                connector,
                fault,
            } => plan.push(
                "UPDATE connectors SET fault = $3 WHERE charge_point_id = $1 AND connector_id = $2",
                of_connector(charge_point, *connector, [short(&fault.message).into()]),
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
            Change::SessionStarted {
                session,
                charge_point,
                connector,
                id_tag,
                meter_start,
                source,
                billing_grade,
                ..
            } => {
                let start = Start {
                    session,
                    charge_point,
                    connector: *connector,
                    id_tag: id_tag.as_str(),
                    meter: *meter_start,
                    source: *source,
                    billing_grade: *billing_grade,
                };
                let steps = start_session(Some(plan.gateway), &at.into(), &start)?;
                plan.steps.extend(steps);
            }
            Change::MeterRead { session, meter } => {
                let step = read_session(Some(plan.gateway), &at.into(), session, *meter)?;
                plan.steps.push(step);
            }
            Change::SessionEnded {
                session,
                meter_stop,
                reason,
                reconstructed,
                ..
            } => {
                let bounds = reconstructed.as_ref();
                let end = End {
                    session,
                    meter: *meter_stop,
                    reason: reason.as_str(),
                    between: bounds.map(|bounds| (bounds.not_before.0, bounds.not_after.0)),
                };
                let steps = end_session(Some(plan.gateway), &at.into(), &end)?;
                plan.steps.extend(steps);
            }
            Change::TransactionAssigned {
                session,
                transaction_id,
            } => {
                let steps = assign_transaction(plan.gateway, session, *transaction_id);
                plan.steps.extend(steps);
            }
            Change::EnergyUnattributed {
                charge_point,
                connector,
                from,
                to,
            } => plan.push(
                "INSERT INTO unattributed_energy
                   (charge_point_id, connector_id, at_ms, from_wh, to_wh)
                 SELECT $1, CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS BIGINT)
                 WHERE NOT EXISTS (SELECT 1 FROM unattributed_energy
                   WHERE charge_point_id = $1 AND at_ms = $3 AND connector_id = $2 AND from_wh = $4)",
                of_connector(
                    charge_point,
                    *connector,
                    [at.wall.0.into(), wh(*from)?, wh(*to)?],
                ),
            ),
            Change::ClockCorrected { boot, offset_ms } => {
                correct_clock(plan, &boot.to_string(), *offset_ms);
            }
            Change::JournalSalvaged {
                damaged,
                carried,
                lost,
                problem,
            } => {
                let gateway = plan.gateway;
                tracing::error!(
                    %gateway, carried, lost, problem,
                    "A gateway had to begin a new journal: compare its sessions with its meters"
                );
                let damaged = damaged.as_ref().map(JournalId::as_str);
                plan.steps
                    .push(salvaged(gateway, at.wall.0, damaged, [*carried, *lost], problem)?);
            }
            // Nobody reads these in the cloud yet; they stay in the gateway's journal.
            Change::ClosingScheduled { .. }
            | Change::AuthorizationChanged { .. }
            | Change::SessionDisowned { .. }
            | Change::RegisterTied { .. }
            | Change::LimitGranted { .. }
            | Change::ProfileLimitChanged { .. }
            | Change::CommandOpened(_)
            | Change::CommandClosed { .. }
            | Change::ReservationMade(_)
            | Change::ReservationEnded { .. } => {}
        }
        Ok(())
    }
}

/// Runs the steps as one transaction; answers what those mean for the fleet that changed a row.
pub(crate) async fn run(db: &Db, steps: Vec<Step>) -> Result<Vec<Update>, DbError> {
    let split = |step: Step| (step.statement, step.update);
    let (statements, updates): (Vec<_>, Vec<_>) = steps.into_iter().map(split).unzip();
    let done = db.transaction(statements).await?;
    let updates = done.iter().zip(updates);
    let changed = updates.filter_map(|(done, update)| update.filter(|_| done.changed > 0));
    Ok(changed.collect())
}

/// The charge point whose fact this is, where the fact names one that must be the gateway's own.
fn speaks_of(change: &Change) -> Option<&ChargePointId> {
    match change {
        Change::DeviceOnline { charge_point, .. }
        | Change::DeviceOffline { charge_point, .. }
        | Change::StatusChanged { charge_point, .. }
        | Change::AvailabilityChanged { charge_point, .. }
        | Change::ClosingScheduled { charge_point, .. }
        | Change::AuthorizationChanged { charge_point, .. }
        | Change::SessionStarted { charge_point, .. }
        | Change::SessionEnded { charge_point, .. }
        | Change::RegisterTied { charge_point, .. }
        | Change::EnergyUnattributed { charge_point, .. }
        | Change::LimitGranted { charge_point, .. }
        | Change::ProfileLimitChanged { charge_point, .. }
        | Change::ReservationEnded { charge_point, .. } => Some(charge_point),
        Change::ReservationMade(reservation) => Some(&reservation.charge_point),
        Change::CommandOpened(command) => Some(&command.charge_point),
        // An announcement is judged by itself; the others are held to the gateway by their statements.
        Change::ChargePointAnnounced(_)
        | Change::MeterRead { .. }
        | Change::TransactionAssigned { .. }
        | Change::SessionDisowned { .. }
        | Change::CommandClosed { .. }
        | Change::JournalSalvaged { .. }
        | Change::ClockCorrected { .. } => None,
    }
}

fn check_times(fact: &Fact) -> Result<(), Fault> {
    let far = |ms: i64| ms.unsigned_abs() > TIME_MAX_MS;
    let mut times = vec![fact.at.wall.0];
    if let Change::SessionEnded {
        reconstructed: Some(bounds),
        ..
    } = &fact.change
    {
        times.extend([bounds.not_before.0, bounds.not_after.0]);
    }
    if let Change::ClockCorrected { offset_ms, .. } = &fact.change {
        times.push(*offset_ms);
    }
    if times.into_iter().any(far) {
        return Err(Fault::Unfit("a time lies beyond the year 9999"));
    }
    Ok(())
}

fn check_connectors(announcement: &Announcement) -> Result<(), Fault> {
    let numbers = announcement.connectors.iter().map(|c| c.connector);
    if numbers.is_sorted_by(|a, b| a < b) {
        return Ok(());
    }
    Err(Fault::Unfit("the connectors are not in ascending order"))
}

/// Texts of devices are shown, not trusted to be short.
pub(super) fn short(text: &str) -> &str {
    shortened(text, TEXT_MAX)
}
