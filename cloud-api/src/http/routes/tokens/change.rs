//! PATCH `/tokens/{token_id}`.

use axum::extract::State;

use super::body::{TokenBody, TokenChange};
use super::own;
use crate::http::caller::CallerWith;
use crate::http::error::ApiError;
use crate::http::etag::Tagged;
use crate::http::if_match::IfMatch;
use crate::http::path::Named;
use crate::http::requirement::WriteChargePoints;
use crate::http::state::ApiState;
use crate::id::TokenId;

/// Change token
///
/// What is left out stays as it is; null takes a value away. It acts on the next authorization, and
/// charge points that keep a local list are sent the change; one that is offline gets it when it is
/// back.
#[utoipa::path(
    patch,
    path = "/api/v1/tokens/{token_id}",
    tag = "Tokens",
    params(
        ("token_id" = String, Path, description = "Id of the token.",
            example = "tok_01hx2b3c4d5e6f7g8h9jkmnpqr"),
        ("If-Match" = Option<String>, Header, description = "Change it only if it has this `ETag`."),
    ),
    request_body = TokenChange,
    responses(
        (status = 200, description = "The token as it is now.", body = TokenBody),
        (status = 404, description = "No token has this id."),
        (status = 409, description = "Another token has this tag."),
        (status = 412, description = "The token has another `ETag`."),
    ),
)]
pub(super) async fn change_token(
    State(state): State<ApiState>,
    id: Named<TokenId>,
    if_match: IfMatch,
    CallerWith { caller, body, .. }: CallerWith<WriteChargePoints, TokenChange>,
) -> Result<Tagged, ApiError> {
    let (id, now) = (id.id()?, state.clock().now());
    let token = own(&state, caller.organisation(), &id).await?;
    if_match.check(&Tagged::new(&TokenBody::of(token.clone(), now)))?;
    let tokens = &state.stores().id_tokens;
    let changed = tokens.update(caller.organisation(), &id, body.of(token));
    let token = changed.await?;
    let token = token.ok_or_else(|| ApiError::not_found("token"))?;
    Ok(Tagged::new(&TokenBody::of(token, now)))
}
