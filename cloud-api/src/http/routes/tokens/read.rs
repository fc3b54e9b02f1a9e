//! GET `/tokens/{token_id}`.

use axum::extract::State;

use super::body::TokenBody;
use super::own;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::etag::Tagged;
use crate::http::path::Named;
use crate::http::requirement::ReadChargePoints;
use crate::http::state::ApiState;
use crate::id::TokenId;

/// Token
#[utoipa::path(
    get,
    path = "/api/v1/tokens/{token_id}",
    tag = "Tokens",
    params(("token_id" = String, Path, description = "Id of the token.",
        example = "tok_01hx2b3c4d5e6f7g8h9jkmnpqr")),
    responses(
        (status = 200, description = "The token.", body = TokenBody),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
        (status = 404, description = "No token has this id."),
    ),
)]
pub(super) async fn read_token(
    caller: Caller<ReadChargePoints>,
    State(state): State<ApiState>,
    id: Named<TokenId>,
) -> Result<Tagged, ApiError> {
    let token = own(&state, caller.organisation(), &id.id()?).await?;
    Ok(Tagged::new(&TokenBody::of(token, state.clock().now())))
}
