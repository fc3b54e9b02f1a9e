//! POST `/cpo/commands/{id}`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use site_model::ChargePointId;

use super::body::CommandAnswer;
use super::wish::CommandOrder;
use super::{Giver, check_own, give};
use crate::http::caller::CallerWith;
use crate::http::error::ApiError;
use crate::http::idempotency::{IdempotencyKey, Made, Once};
use crate::http::path::Named;
use crate::http::requirement::{AnyOf, WriteCommands, WriteSessions};
use crate::http::state::ApiState;
use crate::keys::Scope;

/// Send command
///
/// Waits for the charge point's answer; one that does not answer in time is 200 with the status
/// `Timeout`. `Accepted` is the charge point's word; what follows is told by `GET /cpo/commands/{id}`,
/// with the session that a start led to. `write:sessions` suffices for start_session and stop_session.
#[utoipa::path(
    post,
    path = "/api/v1/cpo/commands/{id}",
    tag = "Commands",
    params(
        ("id" = String, Path, description = "Id of the charge point.", example = "cp_01hx2b3c4d5e6f"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "The client's mark of this attempt, kept for 24 h."),
    ),
    request_body = CommandOrder,
    responses(
        (status = 200, description = "What became of it.", body = CommandAnswer),
        (status = 404, description = "No charge point has this id."),
        (status = 409, description = "The charge point is offline, or its OCPP socket is closed; nothing was sent."),
        (status = 422, description = "The `Idempotency-Key` was used before with another body."),
    ),
)]
pub(super) async fn give_command(
    State(state): State<ApiState>,
    id: Named<ChargePointId>,
    mark: IdempotencyKey,
    CallerWith {
        caller,
        body,
        body_hash,
    }: CallerWith<AnyOf<WriteCommands, WriteSessions>, CommandOrder>,
) -> Result<Response, ApiError> {
    if !body.is_about_a_session() && !caller.key().scopes.contains(Scope::WriteCommands) {
        return Err(ApiError::forbidden(&[Scope::WriteCommands]));
    }
    let id = id.id()?;
    let organisation = caller.organisation().clone();
    check_own(&state, &organisation, &id).await?;
    let once = Once {
        organisation: organisation.clone(),
        mark,
        request: format!("POST /api/v1/cpo/commands/{id}"),
        body_hash,
    };
    let making = {
        let (state, giver) = (state.clone(), Giver::from(&caller));
        async move {
            let ready = body.ready(&state, &organisation).await?;
            let command = give(&state, &giver, &id, ready).await?;
            Ok(Made::new(StatusCode::OK, &CommandAnswer::from(command)))
        }
    };
    once.answer(&state, making).await
}
