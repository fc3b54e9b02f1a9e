//! GET `/sessions/{session_id}`.

use axum::extract::State;
use site_model::SessionId;

use super::body::SessionBody;
use super::own;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::etag::Tagged;
use crate::http::path::Named;
use crate::http::requirement::ReadSessions;
use crate::http::state::ApiState;

/// Session
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{session_id}",
    tag = "Sessions",
    params(("session_id" = String, Path, description = "Id of the session.",
        example = "sess_01hx2b3c4d5e6f7g8h9jkmnpqr")),
    responses(
        (status = 200, description = "The session.", body = SessionBody),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
        (status = 404, description = "No session has this id."),
    ),
)]
pub(super) async fn read_session(
    caller: Caller<ReadSessions>,
    State(state): State<ApiState>,
    id: Named<SessionId>,
) -> Result<Tagged, ApiError> {
    let session = own(&state, caller.organisation(), &id.id()?).await?;
    Ok(Tagged::new(&SessionBody::of(session, state.clock().now())))
}
