//! The statements of facts. Each holds itself to its gateway, and changes nothing a second time.

use site_model::{
    Change, ChargePointId, ConnectorId, Fact, GatewayId, JournalId, Reconstruction, SessionId,
    StopReason, Timestamp, WattHours,
};

use super::{
    apply::{Fault, Plan, Step},
    message::Batch,
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
    to: u64,
) -> Result<[Step; 2], Fault> {
    let key = || vec![gateway.as_str().into(), batch.journal.as_str().into()];
    let mut moved = key();
    moved.extend([integer(to)?, integer(from)?]);
    Ok([
        Step::new(
            "INSERT INTO ingest_marks (gateway_id, journal_id, sequence, unread)
             VALUES ($1, $2, 0, 0) ON CONFLICT (gateway_id, journal_id) DO NOTHING",
            key(),
        ),
        Step::new(
            "UPDATE ingest_marks SET sequence = $3
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

pub(super) fn start_session(plan: &mut Plan<'_>, fact: &Fact) -> Result<(), Fault> {
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
         SELECT $1, $2, $3, $4, $5, CAST($6 AS BIGINT), $7, $8, CAST($9 AS BIGINT),
                CAST($10 AS BIGINT), CAST($11 AS BIGINT)
         FROM charge_points WHERE id = $5 AND gateway_id = $4
         ON CONFLICT (id) DO NOTHING",
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

pub(super) fn read_session(
    plan: &mut Plan<'_>,
    at: &Timestamp,
    session: &SessionId,
    meter: WattHours,
) -> Result<(), Fault> {
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

pub(super) fn end_session(
    plan: &mut Plan<'_>,
    at: &Timestamp,
    session: &SessionId,
    meter_stop: WattHours,
    reason: StopReason,
    reconstructed: Option<Reconstruction>,
) -> Result<(), Fault> {
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

/// `$1` session, `$2` gateway, `$3` time, `$4` register, `$5` boot while the time is not known to be right.
fn reading(
    gateway: &GatewayId,
    at: &Timestamp,
    session: &SessionId,
    meter: WattHours,
) -> Result<Vec<Param>, Fault> {
    let unsure = (!at.wall_known).then(|| at.boot.to_string());
    Ok(vec![
        session.as_str().into(),
        gateway.as_str().into(),
        at.wall.0.into(),
        wh(meter)?,
        unsure.into(),
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
