//! DELETE `/reservations/{reservation_id}`.

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;

use super::{answered, own};
use crate::command::ReservationState;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::path::Named;
use crate::http::requirement::WriteSessions;
use crate::http::routes::commands::wish::{TIMEOUT_S, invalid};
use crate::http::routes::commands::{Giver, Ready, give};
use crate::http::state::ApiState;
use crate::id::ReservationId;
use crate::ocpp16::orders::Call;

/// Cancel reservation
///
/// Asks the charge point. One that is not kept any more is simply so: 204.
#[utoipa::path(
    delete,
    path = "/api/v1/reservations/{reservation_id}",
    tag = "Reservations",
    params(("reservation_id" = String, Path, description = "Id of the reservation.",
        example = "rsv_01hx2b3c4d5e6f7g8h9jkmnpqr")),
    responses(
        (status = 204, description = "The connector is not kept any more."),
        (status = 404, description = "No reservation has this id."),
        (status = 409, description = "The charge point is offline, or refused."),
    ),
)]
pub(super) async fn cancel_reservation(
    caller: Caller<WriteSessions>,
    State(state): State<ApiState>,
    id: Named<ReservationId>,
) -> Result<StatusCode, ApiError> {
    let reservation = own(&state, caller.organisation(), &id.id()?).await?;
    if reservation.state(state.clock().now()) != ReservationState::Accepted {
        return Ok(StatusCode::NO_CONTENT);
    }
    let ready = Ready {
        command: "cancel_reservation".to_owned(),
        parameters: json!({ "reservation_id": reservation.id.as_str() }),
        call: Call::cancel_reservation(reservation.number).map_err(invalid)?,
        timeout_s: TIMEOUT_S,
    };
    let command = give(
        &state,
        &Giver::from(&caller),
        &reservation.charge_point,
        ready,
    )
    .await?;
    if answered(&command) != Some("Accepted") {
        return Err(ApiError::conflict(
            "Refused: the charge point did not take the reservation back; GET /cpo/commands tells what it answered.",
        ));
    }
    let reservations = &state.stores().reservations;
    reservations
        .set(&reservation.id, ReservationState::Cancelled)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
