//! The statements of facts, a gateway's or those that a charge point tells itself. Each holds itself
//! to its author, and changes nothing a second time.

use site_model::{
    ChargePointId, ConnectorId, EnergySource, GatewayId, JournalId, SessionId, Timestamp, WattHours,
};

use super::{
    apply::{Fault, Plan, Step, short},
    message::{Batch, Received},
};
use crate::{
    db::Param,
    fleet::{SessionEnergy, Update},
};

/// Facts that cannot be read, kept per gateway for a later version; beyond it they are only counted.
const UNREAD_MAX: i64 = 1_000;

/// Moves the mark, and only from where it was read: else another process has moved it.
pub(super) fn mark_steps(
    gateway: &GatewayId,
    batch: &Batch,
    from: u64,
    to: &Received,
) -> Result<[Step; 2], Fault> {
    let key = || vec![gateway.as_str().into(), batch.journal.as_str().into()];
    let mut moved = key();
    moved.extend([integer(to.sequence)?, integer(from)?, to.boot().into()]);
    Ok([
        Step::new(
            "INSERT INTO ingest_marks (gateway_id, journal_id, sequence, unread)
             VALUES ($1, $2, 0, 0) ON CONFLICT (gateway_id, journal_id) DO NOTHING",
            key(),
        ),
        Step::new(
            "UPDATE ingest_marks SET sequence = $3, boot = $5
             WHERE gateway_id = $1 AND journal_id = $2 AND sequence = $4",
            moved,
        )
        .of_one_row(),
    ])
}

/// Keeps a fact as it came, for a version that can read it.
pub(super) fn keep_unread(
    plan: &mut Plan<'_>,
    journal: &JournalId,
    sequence: u64,
    reason: &str,
    json: &str,
) -> Result<(), Fault> {
    let gateway = plan.gateway;
    tracing::warn!(%gateway, sequence, "Fact cannot be read by this version ({reason}); it is kept as it came");
    plan.push(
        "INSERT INTO unread_facts (gateway_id, journal_id, sequence, reason, fact)
         SELECT $1, $2, CAST($3 AS BIGINT), $4, $5
         WHERE (SELECT COUNT(*) FROM unread_facts WHERE gateway_id = $1) < $6
         ON CONFLICT (gateway_id, journal_id, sequence) DO NOTHING",
        vec![
            gateway.as_str().into(),
            journal.as_str().into(),
            integer(sequence)?,
            reason.into(),
            json.into(),
            UNREAD_MAX.into(),
        ],
    );
    plan.push(
        "UPDATE ingest_marks SET unread = unread + 1 WHERE gateway_id = $1 AND journal_id = $2",
        vec![gateway.as_str().into(), journal.as_str().into()],
    );
    Ok(())
}

/// When something was recorded.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// Time in ms.
    pub(crate) at_ms: i64,
    /// The boot of the gateway that recorded it, while its time was not known to be right.
    pub(crate) unsure: Option<String>,
}

impl From<&Timestamp> for Moment {
    fn from(at: &Timestamp) -> Self {
        Self {
            at_ms: at.wall.0,
            unsure: (!at.wall_known).then(|| at.boot.to_string()),
        }
    }
}

/// How a session begins.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) session: &'a SessionId,
    pub(crate) charge_point: &'a ChargePointId,
    pub(crate) connector: ConnectorId,
    pub(crate) id_tag: &'a str,
    pub(crate) meter: WattHours,
    pub(crate) source: EnergySource,
    pub(crate) billing_grade: bool,
}

/// Notes which transaction of ours a session of this gateway is. Numbers that somebody else's central
/// system gave are not ours.
pub(super) fn assign_transaction(
    gateway: &GatewayId,
    session: &SessionId,
    transaction: i64,
) -> [Step; 2] {
    let params = || {
        vec![
            session.as_str().into(),
            gateway.as_str().into(),
            transaction.to_string().into(),
        ]
    };
    [
        Step::new(
            "UPDATE transactions SET session_id = $1
             WHERE transaction_id = $3 AND session_id IS NULL AND charge_point_id =
               (SELECT charge_point_id FROM sessions
                WHERE id = $1 AND gateway_id = $2 AND managed_by IS NULL)",
            params(),
        ),
        Step::new(
            "UPDATE commands SET session_id = $1
             WHERE transaction_id = $3 AND session_id IS NULL AND completed_at_ms IS NOT NULL
               AND charge_point_id =
                 (SELECT t.charge_point_id FROM transactions t JOIN sessions s ON s.id = t.session_id
                  WHERE t.transaction_id = $3 AND s.id = $1 AND s.gateway_id = $2)",
            params(),
        ),
    ]
}

/// How a session ends.
#[derive(Debug)]
pub(crate) struct End<'a> {
    pub(crate) session: &'a SessionId,
    pub(crate) meter: WattHours,
    pub(crate) reason: &'a str,
    /// Bounds (ms) of an end that was not observed.
    pub(crate) between: Option<(i64, i64)>,
}

/// Begins a session of a charge point whose author (its gateway, or `None` for itself) this is.
pub(crate) fn start_session(
    author: Option<&GatewayId>,
    at: &Moment,
    start: &Start<'_>,
) -> Result<[Step; 2], Fault> {
    let insert = Step::new(
        "INSERT INTO sessions
           (id, organisation_id, site_id, gateway_id, charge_point_id, connector_id, id_tag,
            energy_source, billing_grade, started_at_ms, meter_start_wh, managed_by)
         SELECT $1, organisation_id, site_id, gateway_id, id, CAST($4 AS BIGINT), $5, $6,
                CAST($7 AS BIGINT), CAST($8 AS BIGINT), CAST($9 AS BIGINT),
                CASE external WHEN 1 THEN 'external' END
         FROM charge_points WHERE id = $3 AND gateway_id IS NOT DISTINCT FROM $2
         ON CONFLICT (id) DO NOTHING",
        vec![
            start.session.as_str().into(),
            author.map(GatewayId::as_str).into(),
            start.charge_point.as_str().into(),
            start.connector.get().into(),
            start.id_tag.into(),
            start.source.as_str().into(),
            start.billing_grade.into(),
            at.at_ms.into(),
            wh(start.meter)?,
        ],
    );
    let charge_point = start.charge_point.clone();
    let energy = SessionEnergy::starting(charge_point, at.at_ms, start.meter.0);
    let read = Step::new(
        "INSERT INTO session_readings (session_id, kind, at_ms, meter_wh, boot)
         SELECT id, 'start', CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS TEXT) FROM sessions
         WHERE id = $1 AND gateway_id IS NOT DISTINCT FROM $2
           AND NOT EXISTS (SELECT 1 FROM session_readings r WHERE r.session_id = $1)",
        reading(author, at, start.session, start.meter)?,
    );
    let begins = Update::SessionStarted(start.session.clone(), energy);
    Ok([insert.meaning(begins), read])
}

/// Notes the register of a running session.
pub(crate) fn read_session(
    author: Option<&GatewayId>,
    at: &Moment,
    session: &SessionId,
    meter: WattHours,
) -> Result<Step, Fault> {
    let insert = Step::new(
        "INSERT INTO session_readings (session_id, kind, at_ms, meter_wh, boot)
         SELECT id, 'quarter_hour', CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS TEXT)
         FROM sessions
         WHERE id = $1 AND gateway_id IS NOT DISTINCT FROM $2 AND ended_at_ms IS NULL
           AND NOT EXISTS (SELECT 1 FROM session_readings r
                           WHERE r.session_id = $1 AND r.meter_wh = $4 AND r.at_ms = $3)",
        reading(author, at, session, meter)?,
    );
    Ok(insert.meaning(Update::SessionRead {
        session: session.clone(),
        at_ms: at.at_ms,
        meter_wh: meter.0,
    }))
}

/// Ends a running session.
pub(crate) fn end_session(
    author: Option<&GatewayId>,
    at: &Moment,
    end: &End<'_>,
) -> Result<[Step; 2], Fault> {
    let read = Step::new(
        "INSERT INTO session_readings (session_id, kind, at_ms, meter_wh, boot)
         SELECT id, 'end', CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS TEXT)
         FROM sessions
         WHERE id = $1 AND gateway_id IS NOT DISTINCT FROM $2 AND ended_at_ms IS NULL",
        reading(author, at, end.session, end.meter)?,
    );
    let update = Step::new(
        "UPDATE sessions SET ended_at_ms = $3, meter_stop_wh = $4, stop_reason = $5,
                end_not_before_ms = $6, end_not_after_ms = $7
         WHERE id = $1 AND gateway_id IS NOT DISTINCT FROM $2 AND ended_at_ms IS NULL",
        vec![
            end.session.as_str().into(),
            author.map(GatewayId::as_str).into(),
            at.at_ms.into(),
            wh(end.meter)?,
            end.reason.into(),
            end.between.map(|(not_before, _)| not_before).into(),
            end.between.map(|(_, not_after)| not_after).into(),
        ],
    );
    let ends = Update::SessionEnded {
        session: end.session.clone(),
        at_ms: at.at_ms,
        meter_wh: end.meter.0,
    };
    Ok([read, update.meaning(ends)])
}

/// What a gateway tells of a journal that was damaged; told again, it is the same row.
pub(super) fn salvaged(
    gateway: &GatewayId,
    at_ms: i64,
    damaged: Option<&str>,
    [carried, lost]: [u64; 2],
    problem: &str,
) -> Result<Step, Fault> {
    Ok(Step::new(
        "INSERT INTO salvaged_journals
           (gateway_id, at_ms, damaged_journal_id, carried_facts, lost_facts, problem)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (gateway_id, at_ms) DO NOTHING",
        vec![
            gateway.as_str().into(),
            at_ms.into(),
            damaged.into(),
            integer(carried)?,
            integer(lost)?,
            short(problem).into(),
        ],
    ))
}

/// Moves the times that this boot recorded before it knew the right time.
pub(super) fn correct_clock(plan: &mut Plan<'_>, boot: &str, offset_ms: i64) {
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

/// `$1` session, `$2` author, `$3` time, `$4` register, `$5` boot while the time is not known to be right.
fn reading(
    author: Option<&GatewayId>,
    at: &Moment,
    session: &SessionId,
    meter: WattHours,
) -> Result<Vec<Param>, Fault> {
    Ok(vec![
        session.as_str().into(),
        author.map(GatewayId::as_str).into(),
        at.at_ms.into(),
        wh(meter)?,
        at.unsure.clone().into(),
    ])
}

pub(super) fn of_connector<const N: usize>(
    charge_point: &ChargePointId,
    connector: ConnectorId,
    values: [Param; N],
) -> Vec<Param> {
    let mut params = vec![charge_point.as_str().into(), connector.get().into()];
    params.extend(values);
    params
}

pub(super) fn wh(energy: WattHours) -> Result<Param, Fault> {
    integer(energy.0)
}

fn integer(value: u64) -> Result<Param, Fault> {
    let value = i64::try_from(value).map(Param::from);
    value.map_err(|_| Fault::Unfit("a number is too great"))
}
