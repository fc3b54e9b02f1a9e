//! DELETE `/chargepoints/{id}`.

use axum::extract::State;
use axum::http::StatusCode;
use site_model::ChargePointId;

use super::own;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::path::Named;
use crate::http::requirement::WriteChargePoints;
use crate::http::state::ApiState;

/// Delete charge point
///
/// It can connect no more and is shown nowhere; its sessions stay. Its id stays with the organisation,
/// which may register it again.
#[utoipa::path(
    delete,
    path = "/api/v1/chargepoints/{id}",
    tag = "Charge points",
    params(("id" = String, Path, description = "Id of the charge point.", example = "cp_01hx2b3c4d5e6f")),
    responses(
        (status = 204, description = "The charge point is deleted."),
        (status = 404, description = "No charge point has this id."),
        (status = 409, description = "A session runs on it, or it is behind a gateway."),
    ),
)]
pub(super) async fn delete_charge_point(
    caller: Caller<WriteChargePoints>,
    State(state): State<ApiState>,
    id: Named<ChargePointId>,
) -> Result<StatusCode, ApiError> {
    let id = id.id()?;
    own(&state, caller.organisation(), &id).await?;
    let charge_points = &state.stores().charge_points;
    charge_points.delete(caller.organisation(), &id).await?;
    state.stores().dispatch.stations().close(&id);
    Ok(StatusCode::NO_CONTENT)
}
