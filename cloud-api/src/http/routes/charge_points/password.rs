//! POST `/chargepoints/{id}/provisioning-password`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use serde::Serialize;
use site_model::ChargePointId;
use utoipa::ToSchema;

use super::own;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::path::Named;
use crate::http::requirement::WriteChargePoints;
use crate::http::state::ApiState;

/// A new provisioning password. It is shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct RenewedPassword {
    /// Whose it is.
    #[schema(example = "DE*ABC*E0042")]
    charge_point_id: String,
    /// Password of its basic authentication: 20 ASCII letters and digits.
    #[schema(example = "3nB8kQ…")]
    provisioning_password: String,
}

/// Renew provisioning password
///
/// For a password that was lost. The old one is refused from now on; a connection that stands stays.
#[utoipa::path(
    post,
    path = "/api/v1/chargepoints/{id}/provisioning-password",
    tag = "Charge points",
    params(("id" = String, Path, description = "Id of the charge point.", example = "cp_01hx2b3c4d5e6f")),
    responses(
        (status = 200, description = "Its new password.", body = RenewedPassword),
        (status = 404, description = "No charge point has this id."),
        (status = 409, description = "The charge point is behind a gateway, which holds its credential."),
    ),
)]
pub(super) async fn renew_provisioning_password(
    caller: Caller<WriteChargePoints>,
    State(state): State<ApiState>,
    id: Named<ChargePointId>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<RenewedPassword>), ApiError> {
    let id = id.id()?;
    own(&state, caller.organisation(), &id).await?;
    let charge_points = &state.stores().charge_points;
    let password = charge_points.renew_password(caller.organisation(), &id);
    let password = password.await?.expose().clone();
    let no_store = HeaderValue::from_static("no-store");
    Ok((
        [(header::CACHE_CONTROL, no_store)],
        Json(RenewedPassword {
            charge_point_id: id.to_string(),
            provisioning_password: password,
        }),
    ))
}

/// Leaves out the password.
impl std::fmt::Debug for RenewedPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RenewedPassword")
            .field("charge_point_id", &self.charge_point_id)
            .finish_non_exhaustive()
    }
}
