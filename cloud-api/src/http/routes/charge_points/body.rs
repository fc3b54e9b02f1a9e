//! A charge point as answers show it: as it is registered, and as it is now.

use serde::Serialize;
use utoipa::ToSchema;

use super::status::ConnectorBody;
use crate::charge_point::ChargePoint;
use crate::fleet::ChargePointLive;
use crate::http::time;

/// A charge point.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChargePoint)]
pub(crate) struct ChargePointBody<'a> {
    /// Its OCPP identity.
    #[schema(example = "cp_01hx2b3c4d5e6f")]
    charge_point_id: &'a str,
    /// Its maker.
    #[schema(example = "Mennekes")]
    vendor: &'a str,
    /// Its model.
    #[schema(example = "Amtron Xtra 22")]
    model: &'a str,
    /// Its serial number; null if it is not known.
    #[schema(required)]
    serial_number: Option<&'a str>,
    /// Where it is; null while it is assigned to no site.
    #[schema(required)]
    site_id: Option<&'a str>,
    /// The gateway that speaks for it; null for one that connects itself.
    #[schema(required)]
    gateway_id: Option<&'a str>,
    /// Whether it may connect with a token in the path (security profile 0).
    path_token: bool,
    /// Whether it must show its certificate (security profile 3).
    certificate_required: bool,
    /// Whether it can be reached.
    online: bool,
    /// Status of the charge point as a whole (OCPP 1.6, connector 0).
    #[schema(schema_with = super::status::charge_point_statuses)]
    ocpp_status: &'static str,
    /// Last sign of life; null before the first.
    #[schema(required, format = DateTime)]
    last_heartbeat_at: Option<String>,
    /// Firmware of the charger; `unknown` if it does not tell.
    #[schema(example = "2.1.4")]
    firmware_version: &'a str,
    /// Its connectors, ascending by number.
    connectors: Vec<ConnectorBody<'a>>,
    /// When it was registered.
    #[schema(format = DateTime, example = "2026-05-01T09:00:00Z")]
    registered_at: String,
    /// When what is kept of it was changed last.
    #[schema(format = DateTime, example = "2026-05-01T09:00:00Z")]
    updated_at: String,
}

impl<'a> ChargePointBody<'a> {
    pub(super) fn id(&self) -> &'a str {
        self.charge_point_id
    }

    pub(super) fn of(kept: &'a ChargePoint, live: &'a ChargePointLive) -> Self {
        Self {
            charge_point_id: kept.id.as_str(),
            vendor: &kept.vendor,
            model: &kept.model,
            serial_number: kept.serial.as_deref(),
            site_id: kept.site.as_ref().map(|site| site.as_str()),
            gateway_id: kept.gateway.as_ref().map(|gateway| gateway.as_str()),
            path_token: kept.path_token,
            certificate_required: kept.certificate_required,
            online: live.online,
            ocpp_status: live.ocpp_status.as_str(),
            last_heartbeat_at: live.last_heartbeat_at.map(time::shown),
            firmware_version: &live.firmware_version,
            connectors: live.connectors.iter().map(ConnectorBody::from).collect(),
            registered_at: time::shown(kept.registered_at),
            updated_at: time::shown(kept.updated_at),
        }
    }
}
