//! `/api/v1/chargepoints`: the charge points of the caller's organisation.

mod body;
mod change;
mod delete;
mod frames;
mod list;
mod list_status;
mod password;
mod read;
mod register;
mod security_events;
mod status;
mod unmatched_stops;

use site_model::ChargePointId;
use utoipa_axum::router::OpenApiRouter;

use crate::charge_point::{ChargePoint, ChargePointError};
use crate::http::endpoint::secured;
use crate::http::error::{ApiError, Detail};
use crate::http::state::ApiState;
use crate::id::OrganisationId;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(secured!(list::list_charge_points))
        .routes(secured!(register::register_charge_point))
        .routes(secured!(list_status::list_charge_point_status))
        .routes(secured!(read::read_charge_point))
        .routes(secured!(change::change_charge_point))
        .routes(secured!(delete::delete_charge_point))
        .routes(secured!(status::charge_point_status))
        .routes(secured!(frames::list_frames))
        .routes(secured!(security_events::list_security_events))
        .routes(secured!(unmatched_stops::list_unmatched_stops))
        .routes(secured!(password::renew_provisioning_password))
}

/// The caller's charge point with this id.
async fn own(
    state: &ApiState,
    organisation: &OrganisationId,
    id: &ChargePointId,
) -> Result<ChargePoint, ApiError> {
    let found = state.stores().charge_points.find(id).await?;
    let charge_point = found.ok_or_else(|| ApiError::not_found("charge point"))?;
    if charge_point.organisation != *organisation {
        return Err(ApiError::foreign());
    }
    Ok(charge_point)
}

impl From<ChargePointError> for ApiError {
    fn from(error: ChargePointError) -> Self {
        match error {
            ChargePointError::Taken
            | ChargePointError::TooMany
            | ChargePointError::BehindGateway(_)
            | ChargePointError::Charging => Self::conflict(format!("Refused: {error}.")),
            ChargePointError::UnknownSite => Self::invalid_request(vec![Detail::new(
                "site_id",
                "is not a site of the organisation",
            )]),
            ChargePointError::Unknown => Self::not_found("charge point"),
            ChargePointError::Db(error) => error.into(),
        }
    }
}
