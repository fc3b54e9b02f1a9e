//! Whether a gateway may speak for a charge point that it announces, and what is stored of it.
//! The first to announce an id owns it. An id of another gateway is refused, unless that gateway
//! was revoked and belongs to the same organisation: then the charge point moves, and what still
//! ran at the old gateway ends with its last reading.

use site_model::{Announcement, Change, ChargePointId, ConnectorStatus, GatewayId};
use site_wire::v1;

use super::{
    Ingest,
    apply::{Plan, Step, short},
};
use crate::{
    db::{DbError, Param},
    fleet::{RegisteredConnector, Registration, Update, damaged},
    id::OrganisationId,
};

/// A site with more charge points has more gateways.
const CHARGE_POINTS_MAX: usize = 1_000;
/// Refused charge points that are kept and shown per gateway.
const REFUSED_MAX: usize = 100;

/// Told of an id that another organisation has.
const TAKEN: &str = "This charge point id is taken. Choose another id for it in the configuration of the site controller.";

/// The answer to an announcement.
enum Verdict {
    /// Nobody has this id.
    New,
    /// It is this gateway's.
    Own,
    /// It comes from a revoked gateway of the same organisation.
    Moved(GatewayId),
    /// Its organisation had removed it.
    Back,
    /// It may not; the sentence names no owner.
    Refused(String),
}

impl Ingest {
    pub(super) async fn plan_announcement(
        &self,
        plan: &mut Plan<'_>,
        announcement: &Announcement,
    ) -> Result<(), DbError> {
        match self.judge(plan, &announcement.charge_point).await? {
            Verdict::New => {
                let row = charge_point_row(plan, announcement, self.clock.now().as_millisecond());
                let insert = Step::new(
                    "INSERT INTO charge_points
                       (id, organisation_id, site_id, gateway_id, vendor, model,
                        registered_at_ms, updated_at_ms)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
                    row,
                );
                plan.steps.push(insert.of_one_row());
                describe(plan, announcement);
            }
            Verdict::Own => {
                plan.steps.push(Step::new(
                    "UPDATE charge_points SET vendor = $3, model = $4
                     WHERE id = $1 AND gateway_id = $2",
                    vec![
                        announcement.charge_point.as_str().into(),
                        plan.gateway.as_str().into(),
                        short(&announcement.vendor).into(),
                        short(&announcement.model).into(),
                    ],
                ));
                describe(plan, announcement);
            }
            Verdict::Moved(from) => {
                let now_ms = self.clock.now().as_millisecond();
                move_here(plan, announcement, &from, now_ms);
                describe(plan, announcement);
            }
            Verdict::Back => {
                let row = charge_point_row(plan, announcement, self.clock.now().as_millisecond());
                let update = Step::new(
                    "UPDATE charge_points SET site_id = $3, gateway_id = $4, vendor = $5, model = $6,
                       updated_at_ms = $7, credential_hash = NULL, deleted_at_ms = NULL
                     WHERE id = $1 AND organisation_id = $2 AND deleted_at_ms IS NOT NULL",
                    row,
                );
                plan.steps.push(update.of_one_row());
                plan.steps
                    .push(no_passwords_expected(&announcement.charge_point));
                describe(plan, announcement);
            }
            Verdict::Refused(reason) => self.refuse(plan, announcement, reason),
        }
        Ok(())
    }

    /// Registers what this gateway was refused earlier and may have by now.
    pub(super) async fn register_refused(&mut self, gateway: &GatewayId) -> Result<(), DbError> {
        let rows = self
            .db
            .query(
                "SELECT announcement FROM refused_charge_points WHERE gateway_id = $1",
                vec![gateway.as_str().into()],
            )
            .await?;
        for row in &rows {
            let change = serde_json::from_str::<v1::Change>(row.text("announcement")?);
            let change = change.map_err(|_| damaged("announcement"))?;
            let Ok(Change::ChargePointAnnounced(announcement)) = Change::try_from(change) else {
                return Err(damaged("announcement"));
            };
            let Some(mut plan) = self.plan(gateway) else {
                return Ok(());
            };
            let verdict = self.judge(&plan, &announcement.charge_point).await?;
            if matches!(verdict, Verdict::Refused(_)) {
                continue;
            }
            self.plan_announcement(&mut plan, &announcement).await?;
            match self.commit(plan).await {
                Ok(()) => {}
                // Somebody else took it just now; it stays refused.
                Err(DbError::Conflict { .. } | DbError::Unique { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn judge(&self, plan: &Plan<'_>, id: &ChargePointId) -> Result<Verdict, DbError> {
        if plan.registered.contains(id) {
            return Ok(Verdict::Own);
        }
        let Some(held) = self.fleet.find(id) else {
            let count = self.fleet.count_of(plan.gateway) + plan.registered.len();
            if count >= CHARGE_POINTS_MAX {
                return Ok(Verdict::Refused(format!(
                    "A gateway speaks for at most {CHARGE_POINTS_MAX} charge points. Add a second gateway to the site."
                )));
            }
            return self.judge_removed(plan, id).await;
        };
        if held.gateway.as_ref() == Some(plan.gateway) {
            return Ok(Verdict::Own);
        }
        if held.organisation != plan.owner.organisation {
            return Ok(Verdict::Refused(TAKEN.to_owned()));
        }
        let Some(holder) = &held.gateway else {
            return Ok(Verdict::Refused(
                "This charge point is registered as one that connects to the cloud itself. Delete it there, then restart this site controller; else choose another id."
                    .to_owned(),
            ));
        };
        if self.is_revoked(holder).await? {
            return Ok(Verdict::Moved(holder.clone()));
        }
        Ok(Verdict::Refused(
            "This charge point belongs to another gateway of the organisation. To move it here, revoke that gateway and restart this site controller; else choose another id."
                .to_owned(),
        ))
    }

    /// An id that the fleet does not know may be one whose charge point was removed.
    async fn judge_removed(&self, plan: &Plan<'_>, id: &ChargePointId) -> Result<Verdict, DbError> {
        let sql = "SELECT organisation_id FROM charge_points
                   WHERE id = $1 AND deleted_at_ms IS NOT NULL";
        let rows = self.db.query(sql, vec![id.as_str().into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(Verdict::New);
        };
        if row.text("organisation_id")? == plan.owner.organisation.as_str() {
            return Ok(Verdict::Back);
        }
        Ok(Verdict::Refused(TAKEN.to_owned()))
    }

    async fn is_revoked(&self, gateway: &GatewayId) -> Result<bool, DbError> {
        let rows = self
            .db
            .query(
                "SELECT id FROM gateways WHERE id = $1 AND revoked_at_ms IS NOT NULL",
                vec![gateway.as_str().into()],
            )
            .await?;
        Ok(!rows.is_empty())
    }

    fn refuse(&self, plan: &mut Plan<'_>, announcement: &Announcement, reason: String) {
        let (gateway, charge_point) = (plan.gateway, &announcement.charge_point);
        let is_known = self
            .gateways
            .refused(gateway)
            .iter()
            .any(|refused| refused.charge_point_id == charge_point.as_str());
        if !is_known {
            tracing::warn!(%gateway, %charge_point, reason, "Charge point was refused");
        }
        let kept = self.gateways.refused(gateway).len() + plan.refused.len();
        if !is_known && kept >= REFUSED_MAX {
            return;
        }
        let change = Change::ChargePointAnnounced(announcement.clone());
        let json = serde_json::to_string(&v1::Change::from(&change));
        plan.steps.push(Step::new(
            "INSERT INTO refused_charge_points
               (gateway_id, charge_point_id, reason, announcement, at_ms)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (gateway_id, charge_point_id) DO UPDATE SET
               reason = excluded.reason, announcement = excluded.announcement,
               at_ms = excluded.at_ms",
            vec![
                gateway.as_str().into(),
                charge_point.as_str().into(),
                reason.as_str().into(),
                json.expect("a message has string keys only").into(),
                self.clock.now().as_millisecond().into(),
            ],
        ));
        plan.refused.push((charge_point.clone(), Some(reason)));
    }
}

fn charge_point_row(plan: &Plan<'_>, announcement: &Announcement, now_ms: i64) -> Vec<Param> {
    vec![
        announcement.charge_point.as_str().into(),
        plan.owner.organisation.as_str().into(),
        plan.owner.site.as_str().into(),
        plan.gateway.as_str().into(),
        short(&announcement.vendor).into(),
        short(&announcement.model).into(),
        now_ms.into(),
    ]
}

/// Takes a charge point over, and ends what the old gateway can no longer end.
fn move_here(plan: &mut Plan<'_>, announcement: &Announcement, from: &GatewayId, now_ms: i64) {
    let (gateway, charge_point) = (plan.gateway, &announcement.charge_point);
    tracing::info!(%gateway, %charge_point, %from, "Charge point moves here from a revoked gateway");
    plan.steps.push(
        Step::new(
            "UPDATE charge_points SET site_id = $3, gateway_id = $4, vendor = $5, model = $6,
               credential_hash = NULL
             WHERE id = $1 AND gateway_id = $2",
            vec![
                charge_point.as_str().into(),
                from.as_str().into(),
                plan.owner.site.as_str().into(),
                gateway.as_str().into(),
                short(&announcement.vendor).into(),
                short(&announcement.model).into(),
            ],
        )
        .of_one_row(),
    );
    // Passwords of its own are known to the gateway that it leaves.
    plan.steps.push(no_passwords_expected(charge_point));
    plan.steps.push(Step::new(
        "UPDATE sessions SET stop_reason = 'Other', end_not_after_ms = CAST($2 AS BIGINT),
           ended_at_ms = (SELECT MAX(r.at_ms) FROM session_readings r WHERE r.session_id = sessions.id),
           end_not_before_ms = (SELECT MAX(r.at_ms) FROM session_readings r WHERE r.session_id = sessions.id),
           meter_stop_wh = (SELECT MAX(r.meter_wh) FROM session_readings r WHERE r.session_id = sessions.id)
         WHERE charge_point_id = $1 AND ended_at_ms IS NULL",
        vec![charge_point.as_str().into(), now_ms.into()],
    ));
}

fn no_passwords_expected(charge_point: &ChargePointId) -> Step {
    Step::new(
        "DELETE FROM expected_passwords WHERE charge_point_id = $1",
        vec![charge_point.as_str().into()],
    )
}

/// Connectors as announced; those no longer announced are kept but not shown.
fn describe(plan: &mut Plan<'_>, announcement: &Announcement) {
    let id = &announcement.charge_point;
    plan.steps.push(Step::new(
        "UPDATE connectors SET present = 0 WHERE charge_point_id = $1",
        vec![id.as_str().into()],
    ));
    for connector in &announcement.connectors {
        plan.steps.push(Step::new(
            "INSERT INTO connectors
               (charge_point_id, connector_id, type, max_power_w, status, operative, present)
             VALUES ($1, $2, $3, $4, $5, 1, 1)
             ON CONFLICT (charge_point_id, connector_id) DO UPDATE SET
               type = excluded.type, max_power_w = excluded.max_power_w, present = 1",
            vec![
                id.as_str().into(),
                connector.connector.get().into(),
                connector.kind.as_str().into(),
                connector.max_power.0.into(),
                ConnectorStatus::Unavailable.as_str().into(),
            ],
        ));
    }
    plan.steps.push(Step::new(
        "DELETE FROM refused_charge_points WHERE gateway_id = $1 AND charge_point_id = $2",
        vec![plan.gateway.as_str().into(), id.as_str().into()],
    ));
    // The last step of a description always changes this one row, so that its update is applied.
    let update = Update::Registered(registration(
        &plan.owner.organisation,
        plan.gateway,
        announcement,
    ));
    let touch = Step::new(
        "UPDATE charge_points SET gateway_id = $2, external = $3 WHERE id = $1",
        vec![
            id.as_str().into(),
            plan.gateway.as_str().into(),
            is_external(announcement).into(),
        ],
    );
    plan.steps.push(touch.meaning(update));
    plan.registered.insert(id.clone());
    plan.refused.push((id.clone(), None));
}

fn is_external(announcement: &Announcement) -> bool {
    let central_system = announcement.central_system.as_ref();
    central_system.is_some_and(|central| central.external)
}

fn registration(
    organisation: &OrganisationId,
    gateway: &GatewayId,
    announcement: &Announcement,
) -> Registration {
    let connectors = announcement.connectors.iter();
    Registration {
        organisation: organisation.clone(),
        charge_point: announcement.charge_point.clone(),
        gateway: Some(gateway.clone()),
        external: is_external(announcement),
        firmware: None,
        connectors: connectors
            .map(|connector| RegisteredConnector {
                connector: connector.connector,
                kind: Some(connector.kind),
                max_power: connector.max_power,
                status: ConnectorStatus::Unavailable,
                status_at: None,
                session: None,
            })
            .collect(),
    }
}
