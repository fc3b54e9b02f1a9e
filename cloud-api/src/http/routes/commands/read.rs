//! GET `/cpo/commands/{id}`.

use axum::extract::State;

use super::body::CommandBody;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::etag::Tagged;
use crate::http::path::Named;
use crate::http::requirement::{AnyOf, ReadChargePoints, WriteCommands};
use crate::http::state::ApiState;
use crate::id::CommandId;

/// Command
///
/// How far it is, each state with its time, the raw frames, and the session that a start led to.
#[utoipa::path(
    get,
    path = "/api/v1/cpo/commands/{id}",
    tag = "Commands",
    params(("id" = String, Path, description = "Id of the command.",
        example = "cmd_01hx2b3c4d5e6f7g8h9jkmnpqr")),
    responses(
        (status = 200, description = "The command.", body = CommandBody),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
        (status = 404, description = "No command has this id."),
    ),
)]
pub(super) async fn read_command(
    caller: Caller<AnyOf<WriteCommands, ReadChargePoints>>,
    State(state): State<ApiState>,
    id: Named<CommandId>,
) -> Result<Tagged, ApiError> {
    let found = state.stores().dispatch.commands().find(&id.id()?).await?;
    let command = found.ok_or_else(|| ApiError::not_found("command"))?;
    if command.organisation != *caller.organisation() {
        return Err(ApiError::foreign());
    }
    Ok(Tagged::new(&CommandBody::of(command, state.clock().now())))
}
