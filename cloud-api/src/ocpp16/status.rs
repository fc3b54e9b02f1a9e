//! The status of connectors, as a charge point that connects itself tells it.

use jiff::Timestamp;
use ocpp::ErrorCode;
use ocpp::v16::{
    ChargePointStatus as Status, StatusNotificationRequest, StatusNotificationResponse,
};
use site_model::{ChargePointStatus, ConnectorId, ConnectorStatus};

use super::{Central, Known, failed};
use crate::charge_point::CONNECTORS_MAX;
use crate::fleet::{KIND_UNKNOWN, Told, Update};
use crate::ingest::apply::Step;
use crate::station::Refused;

impl Central {
    pub(super) async fn status(
        &self,
        known: &Known,
        request: &StatusNotificationRequest,
    ) -> Result<StatusNotificationResponse, Refused> {
        if known.station.gateway.is_none() {
            match request.connector_id {
                0 => self.whole_status(known, request.status),
                number => self.connector_status(known, number, request).await?,
            }
        }
        if let Some(operative) = operative(request.status) {
            let (id, connector) = (&known.station.id, request.connector_id);
            let done = self.0.commands.became_available(id, connector, operative);
            done.await.map_err(failed)?;
        }
        Ok(StatusNotificationResponse::default())
    }

    fn whole_status(&self, known: &Known, status: Status) {
        let status = match status {
            Status::Unavailable => ChargePointStatus::Unavailable,
            Status::Faulted => ChargePointStatus::Faulted,
            Status::Available
            | Status::Preparing
            | Status::Charging
            | Status::SuspendedEVSE
            | Status::SuspendedEV
            | Status::Finishing
            | Status::Reserved => ChargePointStatus::Available,
        };
        let update = Update::Told(known.station.id.clone(), Told::Status(status));
        self.0.fleet.apply(&known.organisation, vec![update]);
    }

    async fn connector_status(
        &self,
        known: &Known,
        number: i64,
        request: &StatusNotificationRequest,
    ) -> Result<(), Refused> {
        let connector = connector(number)?;
        let status = connector_status(request.status);
        let at = self.told_at(request.timestamp.map(super::ms));
        let id = &known.station.id;
        let step = Step::new(
            "INSERT INTO connectors
               (charge_point_id, connector_id, type, max_power_w, status, status_at_ms, operative,
                fault, present)
             VALUES ($1, $2, $3, 0, $4, $5, 1, $6, 1)
             ON CONFLICT (charge_point_id, connector_id) DO UPDATE SET
               status = excluded.status, status_at_ms = excluded.status_at_ms,
               fault = excluded.fault, present = 1",
            vec![
                id.as_str().into(),
                connector.get().into(),
                KIND_UNKNOWN.into(),
                status.as_str().into(),
                at.as_millisecond().into(),
                fault(request).into(),
            ],
        );
        let told = Told::Connector {
            connector,
            status,
            at,
        };
        self.book(known, vec![step.meaning(Update::Told(id.clone(), told))])
            .await
    }

    /// When it was so: as told, but not later than now.
    fn told_at(&self, told_ms: Option<i64>) -> Timestamp {
        let now = self.now();
        let told = told_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        told.map_or(now, |told| told.min(now))
    }
}

/// What a status says of whether a connector is open for use; nothing while a session runs, whose end an
/// order may wait for.
fn operative(status: Status) -> Option<bool> {
    match status {
        Status::Unavailable => Some(false),
        Status::Available | Status::Preparing | Status::Reserved => Some(true),
        Status::Charging
        | Status::SuspendedEVSE
        | Status::SuspendedEV
        | Status::Finishing
        | Status::Faulted => None,
    }
}

/// The number of a connector that a charge point can have.
pub(super) fn connector(number: i64) -> Result<ConnectorId, Refused> {
    let fits = u8::try_from(number).ok();
    let fits = fits.filter(|number| usize::from(*number) <= CONNECTORS_MAX);
    let connector = fits.and_then(|number| ConnectorId::new(number).ok());
    connector.ok_or_else(|| {
        Refused::new(
            ErrorCode::PropertyConstraintViolation,
            format!("connectorId must be 1 to {CONNECTORS_MAX}"),
        )
    })
}

fn connector_status(status: Status) -> ConnectorStatus {
    match status {
        Status::Available => ConnectorStatus::Available,
        Status::Preparing => ConnectorStatus::Preparing,
        Status::Charging => ConnectorStatus::Charging,
        Status::SuspendedEVSE => ConnectorStatus::SuspendedEvse,
        Status::SuspendedEV => ConnectorStatus::SuspendedEv,
        Status::Finishing => ConnectorStatus::Finishing,
        Status::Reserved => ConnectorStatus::Reserved,
        Status::Unavailable => ConnectorStatus::Unavailable,
        Status::Faulted => ConnectorStatus::Faulted,
    }
}

/// What is wrong, in the charge point's words.
fn fault(request: &StatusNotificationRequest) -> Option<String> {
    let code = request.error_code.as_str();
    if code == "NoError" {
        return None;
    }
    let vendor = request.vendor_error_code.as_ref();
    let parts = [
        Some(code),
        vendor.map(|text| text.as_str()),
        request.info.as_ref().map(|text| text.as_str()),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
        .collect();
    Some(parts.join(": "))
}
