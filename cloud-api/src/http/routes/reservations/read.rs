//! GET `/reservations/{reservation_id}`.

use axum::extract::State;

use super::body::ReservationBody;
use super::own;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::etag::Tagged;
use crate::http::path::Named;
use crate::http::requirement::ReadSessions;
use crate::http::state::ApiState;
use crate::id::ReservationId;

/// Reservation
#[utoipa::path(
    get,
    path = "/api/v1/reservations/{reservation_id}",
    tag = "Reservations",
    params(("reservation_id" = String, Path, description = "Id of the reservation.",
        example = "rsv_01hx2b3c4d5e6f7g8h9jkmnpqr")),
    responses(
        (status = 200, description = "The reservation.", body = ReservationBody),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
        (status = 404, description = "No reservation has this id."),
    ),
)]
pub(super) async fn read_reservation(
    caller: Caller<ReadSessions>,
    State(state): State<ApiState>,
    id: Named<ReservationId>,
) -> Result<Tagged, ApiError> {
    let reservation = own(&state, caller.organisation(), &id.id()?).await?;
    Ok(Tagged::new(&ReservationBody::of(
        &reservation,
        state.clock().now(),
    )))
}
