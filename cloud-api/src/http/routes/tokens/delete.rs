//! DELETE `/tokens/{token_id}`.

use axum::extract::State;
use axum::http::StatusCode;

use super::own;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::path::Named;
use crate::http::requirement::WriteChargePoints;
use crate::http::state::ApiState;
use crate::id::TokenId;

/// Delete token
///
/// Its tag is then unknown, which charge points are told as `Invalid`. Sessions keep their tag.
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{token_id}",
    tag = "Tokens",
    params(("token_id" = String, Path, description = "Id of the token.",
        example = "tok_01hx2b3c4d5e6f7g8h9jkmnpqr")),
    responses(
        (status = 204, description = "The token is deleted."),
        (status = 404, description = "No token has this id."),
    ),
)]
pub(super) async fn delete_token(
    caller: Caller<WriteChargePoints>,
    State(state): State<ApiState>,
    id: Named<TokenId>,
) -> Result<StatusCode, ApiError> {
    let id = id.id()?;
    own(&state, caller.organisation(), &id).await?;
    let tokens = &state.stores().id_tokens;
    if tokens.delete(caller.organisation(), &id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found("token"))
    }
}
