//! The fleet from the database: at start, and the sessions of one organisation after a clock correction.

use std::collections::HashMap;

use jiff::{Timestamp, tz::TimeZone};
use site_model::{
    ChargePointId, ConnectorId, ConnectorStatus, ConnectorType, GatewayId, SessionId, Watts,
};

use super::{Fleet, RegisteredConnector, Registration, SessionEnergy, Told, Update};
use crate::{
    db::{Db, DbError, Row},
    id::OrganisationId,
};

/// Sessions that ended longer ago cannot count today: no day is longer than 25 hours.
const RECENT_MS: i64 = 26 * 3_600_000;

impl Fleet {
    /// Everything that is registered, offline until heard.
    ///
    /// # Errors
    /// [`DbError`]; a row that this program cannot have written is [`DbError::Column`].
    pub async fn load(db: &Db, now: Timestamp) -> Result<Self, DbError> {
        let fleet = Self::default();
        let organisations = db
            .query("SELECT id, time_zone FROM organisations", vec![])
            .await?;
        for row in &organisations {
            fleet.set_zone(
                &organisation_of(row, "id")?,
                zone_of(row.text("time_zone")?),
            );
        }
        for registration in registrations(db, None).await? {
            let organisation = registration.organisation.clone();
            fleet.apply(&organisation, vec![Update::Registered(registration)]);
        }
        fleet.load_heard(db).await?;
        for row in &organisations {
            let organisation = organisation_of(row, "id")?;
            fleet.reload_sessions(db, &organisation, now).await?;
        }
        fleet.sweep(now);
        Ok(fleet)
    }

    /// When charge points that connect themselves were heard last, as it was written down.
    async fn load_heard(&self, db: &Db) -> Result<(), DbError> {
        let sql = "SELECT id AS charge_point_id, organisation_id, heard_at_ms FROM charge_points
                   WHERE heard_at_ms IS NOT NULL AND gateway_id IS NULL AND deleted_at_ms IS NULL";
        for row in &db.query(sql, vec![]).await? {
            let at = Timestamp::from_millisecond(row.int("heard_at_ms")?);
            let told = Told::Heard(at.map_err(|_| damaged("heard_at_ms"))?);
            let organisation = organisation_of(row, "organisation_id")?;
            self.apply(
                &organisation,
                vec![Update::Told(charge_point_of(row)?, told)],
            );
        }
        Ok(())
    }

    /// Takes the sessions of one organisation from the database again.
    ///
    /// # Errors
    /// As [`Fleet::load`].
    pub async fn reload_sessions(
        &self,
        db: &Db,
        organisation: &OrganisationId,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let rows = db
            .query(
                "SELECT s.id, s.charge_point_id, s.ended_at_ms, r.at_ms, r.meter_wh
                 FROM sessions s JOIN session_readings r ON r.session_id = s.id
                 WHERE s.organisation_id = $1 AND (s.ended_at_ms IS NULL OR s.ended_at_ms > $2)
                 ORDER BY s.id, r.meter_wh, r.at_ms",
                vec![
                    organisation.as_str().into(),
                    now.as_millisecond().saturating_sub(RECENT_MS).into(),
                ],
            )
            .await?;
        let mut running: HashMap<SessionId, SessionEnergy> = HashMap::new();
        let mut ended: HashMap<SessionId, SessionEnergy> = HashMap::new();
        for row in &rows {
            let session = SessionId::new(row.text("id")?).map_err(|_| damaged("id"))?;
            let (at_ms, meter_wh) = (row.int("at_ms")?, row.unsigned("meter_wh")?);
            let sessions = match row.opt_int("ended_at_ms")? {
                Some(_) => &mut ended,
                None => &mut running,
            };
            match sessions.get_mut(&session) {
                Some(energy) => energy.push(at_ms, meter_wh),
                None => {
                    let energy = SessionEnergy::starting(charge_point_of(row)?, at_ms, meter_wh);
                    sessions.insert(session, energy);
                }
            }
        }
        self.replace_sessions(organisation, running, ended);
        Ok(())
    }
}

/// The zone with this IANA name; UTC with a warning if this machine does not know it.
pub(crate) fn zone_of(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or_else(|_| {
        tracing::warn!(
            zone = name,
            "Time zone is not known on this machine; days run in UTC (install tzdata)"
        );
        TimeZone::UTC
    })
}

/// What is registered: everything, or one charge point.
pub(crate) async fn registrations(
    db: &Db,
    only: Option<&ChargePointId>,
) -> Result<Vec<Registration>, DbError> {
    let rows = db
        .query(
            "SELECT c.id AS charge_point_id, c.organisation_id, c.gateway_id, c.external,
                    c.firmware AS told_firmware, k.connector_id, k.type,
                    k.max_power_w, k.status, k.status_at_ms, k.firmware,
                    (SELECT MAX(s.id) FROM sessions s
                     WHERE s.organisation_id = c.organisation_id AND s.charge_point_id = c.id
                       AND s.connector_id = k.connector_id AND s.ended_at_ms IS NULL) AS session_id
             FROM charge_points c
             LEFT JOIN connectors k ON k.charge_point_id = c.id AND k.present = 1
             WHERE c.deleted_at_ms IS NULL AND (CAST($1 AS TEXT) IS NULL OR c.id = $1)
             ORDER BY c.id, k.connector_id",
            vec![only.map(ChargePointId::as_str).into()],
        )
        .await?;
    let mut registrations: Vec<Registration> = Vec::new();
    for row in &rows {
        let charge_point = charge_point_of(row)?;
        if registrations.last().map(|last| &last.charge_point) != Some(&charge_point) {
            registrations.push(Registration {
                organisation: organisation_of(row, "organisation_id")?,
                charge_point,
                gateway: gateway_of(row)?,
                external: row.flag("external")?,
                firmware: row.opt_text("told_firmware")?.map(str::to_owned),
                connectors: Vec::new(),
            });
        }
        let registration = registrations.last_mut().expect("pushed just before");
        if row.opt_int("connector_id")?.is_some() {
            registration.connectors.push(connector_of(row)?);
        }
        if registration.firmware.is_none() {
            registration.firmware = row.opt_text("firmware")?.map(str::to_owned);
        }
    }
    Ok(registrations)
}

fn connector_of(row: &Row) -> Result<RegisteredConnector, DbError> {
    let number = u8::try_from(row.int("connector_id")?).map_err(|_| damaged("connector_id"))?;
    let max_power = i32::try_from(row.int("max_power_w")?).map_err(|_| damaged("max_power_w"))?;
    let session = row.opt_text("session_id")?.map(SessionId::new).transpose();
    let status_at = row.opt_int("status_at_ms")?;
    Ok(RegisteredConnector {
        connector: ConnectorId::new(number).map_err(|_| damaged("connector_id"))?,
        kind: kind_of(row.text("type")?)?,
        max_power: Watts(max_power),
        status: ConnectorStatus::parse(row.text("status")?).ok_or_else(|| damaged("status"))?,
        status_at: status_at.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
        session: session.map_err(|_| damaged("session_id"))?,
    })
}

/// What stands for a plug or socket that nobody told.
pub(crate) const KIND_UNKNOWN: &str = "Unknown";

fn kind_of(text: &str) -> Result<Option<ConnectorType>, DbError> {
    match ConnectorType::parse(text) {
        None if text == KIND_UNKNOWN => Ok(None),
        None => Err(damaged("type")),
        known => Ok(known),
    }
}

fn organisation_of(row: &Row, column: &str) -> Result<OrganisationId, DbError> {
    OrganisationId::parse(row.text(column)?).ok_or_else(|| damaged(column))
}

fn gateway_of(row: &Row) -> Result<Option<GatewayId>, DbError> {
    let gateway = row.opt_text("gateway_id")?.map(GatewayId::new).transpose();
    gateway.map_err(|_| damaged("gateway_id"))
}

fn charge_point_of(row: &Row) -> Result<ChargePointId, DbError> {
    ChargePointId::new(row.text("charge_point_id")?).map_err(|_| damaged("charge_point_id"))
}

pub(crate) fn damaged(column: &str) -> DbError {
    DbError::Column {
        column: column.to_owned(),
        problem: "holds what this program never wrote",
    }
}
