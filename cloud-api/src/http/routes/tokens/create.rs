//! POST `/tokens`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::body::{NewToken, TokenBody};
use crate::http::caller::CallerWith;
use crate::http::error::ApiError;
use crate::http::idempotency::{IdempotencyKey, Made, Once};
use crate::http::requirement::WriteChargePoints;
use crate::http::state::ApiState;

/// Create token
///
/// A token may charge at every charge point of the organisation while its status is `accepted`.
#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    tag = "Tokens",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "The client's mark of this attempt, kept for 24 h.")),
    request_body = NewToken,
    responses(
        (status = 201, description = "The token was created.", body = TokenBody),
        (status = 409, description = "Another token has this tag, or the organisation has as many as it may."),
        (status = 422, description = "The `Idempotency-Key` was used before with another body."),
    ),
)]
pub(super) async fn create_token(
    State(state): State<ApiState>,
    mark: IdempotencyKey,
    CallerWith {
        caller,
        body,
        body_hash,
    }: CallerWith<WriteChargePoints, NewToken>,
) -> Result<Response, ApiError> {
    let organisation = caller.organisation().clone();
    let once = Once {
        organisation: organisation.clone(),
        mark,
        request: "POST /api/v1/tokens".to_owned(),
        body_hash,
    };
    let making = {
        let state = state.clone();
        async move {
            let tokens = &state.stores().id_tokens;
            let token = tokens.create(&organisation, body.into()).await?;
            let body = TokenBody::of(token, state.clock().now());
            Ok(Made::new(StatusCode::CREATED, &body))
        }
    };
    once.answer(&state, making).await
}
