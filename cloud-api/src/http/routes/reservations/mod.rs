//! `/api/v1/reservations`: connectors kept for a token.

mod body;
mod cancel;
mod create;
mod list;
mod read;

use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;

use crate::command::{Command, CommandStatus, Reservation};
use crate::http::endpoint::secured;
use crate::http::error::ApiError;
use crate::http::state::ApiState;
use crate::id::{OrganisationId, ReservationId};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(secured!(list::list_reservations))
        .routes(secured!(create::create_reservation))
        .routes(secured!(read::read_reservation))
        .routes(secured!(cancel::cancel_reservation))
}

/// The caller's reservation with this id.
async fn own(
    state: &ApiState,
    organisation: &OrganisationId,
    id: &ReservationId,
) -> Result<Reservation, ApiError> {
    let found = state.stores().reservations.find(id).await?;
    let reservation = found.ok_or_else(|| ApiError::not_found("reservation"))?;
    if reservation.organisation != *organisation {
        return Err(ApiError::foreign());
    }
    Ok(reservation)
}

/// The `status` that a charge point answered; `None` if it gave no answer that can be understood.
fn answered(command: &Command) -> Option<&str> {
    match command.status() {
        Some(CommandStatus::Accepted | CommandStatus::Rejected) => command
            .response
            .as_ref()?
            .get("status")
            .and_then(Value::as_str),
        Some(CommandStatus::Timeout | CommandStatus::Error) | None => None,
    }
}
