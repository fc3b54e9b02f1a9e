//! GET `/chargepoints/{id}`.

use axum::extract::State;
use site_model::ChargePointId;

use super::body::ChargePointBody;
use super::own;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::etag::Tagged;
use crate::http::path::Named;
use crate::http::requirement::ReadChargePoints;
use crate::http::state::ApiState;

/// Charge point
#[utoipa::path(
    get,
    path = "/api/v1/chargepoints/{id}",
    tag = "Charge points",
    params(("id" = String, Path, description = "Id of the charge point.", example = "cp_01hx2b3c4d5e6f")),
    responses(
        (status = 200, description = "The charge point.", body = ChargePointBody<'_>),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
        (status = 404, description = "No charge point has this id."),
    ),
)]
pub(super) async fn read_charge_point(
    caller: Caller<ReadChargePoints>,
    State(state): State<ApiState>,
    id: Named<ChargePointId>,
) -> Result<Tagged, ApiError> {
    let kept = own(&state, caller.organisation(), &id.id()?).await?;
    let live = state.fleet().find(&kept.id);
    let live = live.ok_or_else(|| ApiError::not_found("charge point"))?;
    Ok(Tagged::new(&ChargePointBody::of(&kept, &live)))
}
