//! POST `/sessions/{session_id}/stop`.

use axum::Json;
use axum::extract::State;
use serde_json::json;
use site_model::SessionId;

use super::own;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::path::Named;
use crate::http::requirement::{AnyOf, WriteCommands, WriteSessions};
use crate::http::routes::commands::body::CommandAnswer;
use crate::http::routes::commands::wish::{TIMEOUT_S, Wish};
use crate::http::routes::commands::{Giver, Ready, give};
use crate::http::state::ApiState;

/// Stop session
///
/// The same as the command `stop_session`: `Accepted` is the charge point's word, and the session ends
/// when it tells so. A session that has ended is 409, so that a repeat does no harm.
#[utoipa::path(
    post,
    path = "/api/v1/sessions/{session_id}/stop",
    tag = "Sessions",
    params(("session_id" = String, Path, description = "Id of the session.",
        example = "sess_01hx2b3c4d5e6f7g8h9jkmnpqr")),
    responses(
        (status = 200, description = "What became of it.", body = CommandAnswer),
        (status = 404, description = "No session has this id."),
        (status = 409, description = "The session has ended, or its charge point cannot be reached."),
    ),
)]
pub(super) async fn stop_session(
    caller: Caller<AnyOf<WriteSessions, WriteCommands>>,
    State(state): State<ApiState>,
    id: Named<SessionId>,
) -> Result<Json<CommandAnswer>, ApiError> {
    let session = own(&state, caller.organisation(), &id.id()?).await?;
    let wish = Wish::StopSession(session.id.clone());
    let ready = Ready {
        command: "stop_session".to_owned(),
        parameters: json!({ "session_id": session.id.as_str() }),
        call: wish.call(&state, caller.organisation()).await?,
        timeout_s: TIMEOUT_S,
    };
    let command = give(&state, &Giver::from(&caller), &session.charge_point, ready).await?;
    Ok(Json(command.into()))
}
