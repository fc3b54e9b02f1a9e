//! POST `/api/v1/installer/login`: e-mail address and password for a token.

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ApiError, Fields, FromFields, Json, NoQuery, Query as _};
use crate::installer::password::LENGTH_MAX as PASSWORD_LENGTH_MAX;
use crate::installer::{AccountError, PasswordError, TOKEN_LIFETIME_S, TooManyAttempts};
use crate::secret::Secret;

use super::Logins;
use super::visitor::Visitor;

/// Longest address that is looked up, in characters.
const EMAIL_MAX: usize = 254;

/// Who logs in.
#[derive(Debug, ToSchema)]
pub(crate) struct LoginRequest {
    /// E-mail address of the account; capitals do not matter.
    #[schema(example = "installer@example.com", max_length = 254)]
    email: String,
    /// Password.
    #[schema(value_type = String, format = Password, example = "your-password", max_length = 1024)]
    password: Secret<String>,
}

impl FromFields for LoginRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let email = fields.text("email", 1..=EMAIL_MAX);
        let password = fields.text("password", 1..=PASSWORD_LENGTH_MAX);
        Some(Self {
            email: email?,
            password: Secret::new(password?),
        })
    }
}

/// A token for the calls under `/installer/`.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoginAnswer {
    /// JWT signed RS256; send it as `Authorization: Bearer …`.
    #[schema(example = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9...")]
    access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the token expires.
    #[schema(example = 3600)]
    expires_in: u32,
    /// Who logged in.
    #[schema(example = "ins_01hx9k2m3n4p")]
    installer_id: String,
}

/// Log in as an installer
///
/// Needs no credential. Ten attempts in a row, per address and per account, then one every six
/// seconds and one a minute. `Idempotency-Key` has no effect here.
#[utoipa::path(
    post,
    path = "/api/v1/installer/login",
    tag = "Installers",
    operation_id = "log_in_installer",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "A token, valid for one hour.", body = LoginAnswer),
        (status = 401, description = "Nobody has this address and password."),
        (status = 429, description = "Too many attempts; `retry_after` tells when to try again."),
    ),
)]
pub(super) async fn log_in(
    State(logins): State<Logins>,
    _visitor: Visitor,
    uri: Uri,
    Json(request): Json<LoginRequest>,
) -> Result<impl IntoResponse, ApiError> {
    NoQuery::parse(uri.query()).map_err(ApiError::invalid_request)?;
    logins.attempts.take_of_account(&request.email)?;
    let found = logins.installers.log_in(&request.email, request.password);
    let installer = found
        .await?
        .ok_or_else(|| ApiError::unauthorized_because("Invalid email or password."))?;
    let answer = LoginAnswer {
        access_token: logins.tokens.issue(&installer).expose().clone(),
        token_type: "Bearer",
        expires_in: TOKEN_LIFETIME_S,
        installer_id: installer.as_str().to_owned(),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(answer)))
}

impl From<TooManyAttempts> for ApiError {
    fn from(attempts: TooManyAttempts) -> Self {
        Self::too_many_requests(
            "Too many login attempts; wait as long as retry_after says.",
            attempts.retry_after_s.into(),
        )
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Db(error) => Self::from(error),
            AccountError::Password(PasswordError::Busy) => Self::unavailable(),
            AccountError::Password(PasswordError::Damaged | PasswordError::Rules)
            | AccountError::Name
            | AccountError::EmailTaken(_) => {
                tracing::error!(%error, "A login failed for a reason that is not the installer's");
                Self::internal()
            }
        }
    }
}
