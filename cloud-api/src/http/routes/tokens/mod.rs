//! `/api/v1/tokens`: who may charge.

mod body;
mod change;
mod create;
mod delete;
mod list;
mod read;

use utoipa_axum::router::OpenApiRouter;

use crate::http::endpoint::secured;
use crate::http::error::ApiError;
use crate::http::state::ApiState;
use crate::id::{OrganisationId, TokenId};
use crate::id_token::{Token, TokenError};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(secured!(list::list_tokens))
        .routes(secured!(create::create_token))
        .routes(secured!(read::read_token))
        .routes(secured!(change::change_token))
        .routes(secured!(delete::delete_token))
}

/// The caller's token with this id.
async fn own(
    state: &ApiState,
    organisation: &OrganisationId,
    id: &TokenId,
) -> Result<Token, ApiError> {
    let found = state.stores().id_tokens.find(id).await?;
    let (owner, token) = found.ok_or_else(|| ApiError::not_found("token"))?;
    if owner != *organisation {
        return Err(ApiError::foreign());
    }
    Ok(token)
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Taken | TokenError::TooMany => Self::conflict(format!("Refused: {error}.")),
            TokenError::Db(error) => error.into(),
        }
    }
}
