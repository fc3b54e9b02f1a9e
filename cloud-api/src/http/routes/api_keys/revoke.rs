//! DELETE `/org/api-keys/{key_id}`.

use axum::extract::State;
use axum::http::StatusCode;

use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::path::Named;
use crate::http::requirement::WriteApiKeys;
use crate::http::state::ApiState;
use crate::id::ApiKeyId;

/// Revoke API key
///
/// Acts at once and cannot be undone: requests that were already authenticated finish, every later
/// one gets 401. A key may revoke itself. Another organisation's key is not found.
#[utoipa::path(
    delete,
    path = "/api/v1/org/api-keys/{key_id}",
    tag = "API keys",
    params(("key_id" = String, Path, description = "Id of the key, as listed.",
        example = "key_01hx2b3c4d5e6f7g8h9jkmnpqr")),
    responses(
        (status = 204, description = "The key is revoked."),
        (status = 404, description = "The organisation has no such key."),
    ),
)]
pub(super) async fn revoke_api_key(
    caller: Caller<WriteApiKeys>,
    State(state): State<ApiState>,
    key: Named<ApiKeyId>,
) -> Result<StatusCode, ApiError> {
    let key = key.id()?;
    if state.keys().revoke(caller.organisation(), &key).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found("API key"))
    }
}
