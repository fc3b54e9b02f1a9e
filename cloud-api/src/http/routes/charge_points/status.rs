//! GET `/chargepoints/{id}/status`.

use axum::extract::State;
use serde::Serialize;
use site_model::{ChargePointId, ChargePointStatus, ConnectorStatus, ConnectorType};
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::fleet::{ChargePointLive, ConnectorLive, KIND_UNKNOWN};
use crate::http::caller::Caller;
use crate::http::decimal::Decimal;
use crate::http::document::one_of;
use crate::http::error::ApiError;
use crate::http::etag::Tagged;
use crate::http::path::Named;
use crate::http::requirement::ReadChargePoints;
use crate::http::state::ApiState;
use crate::http::time;

/// One charge point now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChargePointStatus)]
pub(crate) struct StatusBody<'a> {
    /// Its OCPP identity.
    #[schema(example = "cp_01hx2b3c4d5e6f")]
    charge_point_id: &'a str,
    /// Status of the charge point as a whole (OCPP 1.6, connector 0).
    #[schema(schema_with = charge_point_statuses)]
    ocpp_status: &'static str,
    /// Its connectors, ascending by number. While it is offline they show what was last told.
    connectors: Vec<ConnectorBody<'a>>,
    /// Last sign of life: behind a gateway, its device's last valid answer; null before the first.
    #[schema(required, format = DateTime, example = "2026-05-01T09:14:32Z")]
    last_heartbeat_at: Option<String>,
    /// Firmware of the charger; `unknown` if it does not tell.
    #[schema(example = "2.1.4")]
    firmware_version: &'a str,
    /// Whether it can be reached.
    online: bool,
}

/// One connector now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectorStatus)]
pub(crate) struct ConnectorBody<'a> {
    /// Its number, from 1.
    #[schema(minimum = 1, example = 1)]
    connector_id: u8,
    /// OCPP 1.6, section 7.7.
    #[schema(schema_with = connector_statuses)]
    status: &'static str,
    /// Its plug or socket; `Unknown` if it was registered without and does not tell.
    #[schema(schema_with = connector_types)]
    r#type: &'static str,
    /// Rated power, kW with at most 3 decimals.
    #[schema(value_type = f64, example = 22)]
    max_power_kw: Decimal,
    /// Only while a session runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "sess_01hx2b3c4d5e6f7g8h9jkmnpqr")]
    active_session_id: Option<&'a str>,
    /// When its device last told its state; null before the first time.
    #[schema(required, format = DateTime, example = "2026-05-01T09:14:32Z")]
    observed_at: Option<String>,
}

/// Charge point status
///
/// Live status of one charge point and its connectors, from memory.
#[utoipa::path(
    get,
    path = "/api/v1/chargepoints/{id}/status",
    tag = "Charge points",
    params(("id" = String, Path, description = "Id of the charge point: 1 to 48 of A-Z a-z 0-9 - _ * . =",
        example = "cp_01hx2b3c4d5e6f")),
    responses(
        (status = 200, description = "Its status.", body = StatusBody<'_>),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
        (status = 404, description = "No charge point has this id."),
    ),
)]
pub(super) async fn charge_point_status(
    caller: Caller<ReadChargePoints>,
    State(state): State<ApiState>,
    id: Named<ChargePointId>,
) -> Result<Tagged, ApiError> {
    let id = id.id()?;
    let found = state.fleet().find(&id);
    let live = found.ok_or_else(|| ApiError::not_found("charge point"))?;
    if live.organisation != *caller.organisation() {
        return Err(ApiError::foreign());
    }
    let made = || Tagged::new(&StatusBody::from(&*live)).kept();
    Ok(Tagged::again(live.answer.get_or_make(made)))
}

pub(super) fn charge_point_statuses() -> Object {
    let all = ChargePointStatus::ALL.iter();
    one_of(all.map(|status| status.as_str()), "Available")
}

fn connector_statuses() -> Object {
    let all = ConnectorStatus::ALL.iter();
    one_of(all.map(|status| status.as_str()), "Charging")
}

fn connector_types() -> Object {
    let known = ConnectorType::ALL.iter().map(|kind| kind.as_str());
    one_of(known.chain([KIND_UNKNOWN]), "Type2")
}

impl<'a> From<&'a ChargePointLive> for StatusBody<'a> {
    fn from(live: &'a ChargePointLive) -> Self {
        Self {
            charge_point_id: live.charge_point_id.as_str(),
            ocpp_status: live.ocpp_status.as_str(),
            connectors: live.connectors.iter().map(ConnectorBody::from).collect(),
            last_heartbeat_at: live.last_heartbeat_at.map(time::shown),
            firmware_version: &live.firmware_version,
            online: live.online,
        }
    }
}

impl<'a> From<&'a ConnectorLive> for ConnectorBody<'a> {
    fn from(connector: &'a ConnectorLive) -> Self {
        let rated_w = u64::try_from(connector.max_power.0).unwrap_or(0);
        let session = connector.active_session_id.as_ref();
        Self {
            connector_id: connector.connector_id.get(),
            status: connector.status.as_str(),
            r#type: connector.kind.map_or(KIND_UNKNOWN, ConnectorType::as_str),
            max_power_kw: Decimal::from_thousandths(rated_w),
            active_session_id: session.map(site_model::SessionId::as_str),
            observed_at: connector.observed_at.map(time::shown),
        }
    }
}
