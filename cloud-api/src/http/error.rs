//! Every error a client can see, and its two bodies: flat everywhere, nested under
//! `/api/v1/org/api-keys`. Handlers answer an [`ApiError`]; the envelope writes the body, because only
//! it knows the request's id and path. No internal text ever gets here.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::db::DbError;
use crate::keys::Scope;

/// Faults of one request that are told; the rest is left out.
const DETAILS_MAX: usize = 20;

/// One fault of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Detail {
    /// Which field, query parameter or header; `body` for the whole.
    #[schema(example = "expires_in_days")]
    pub field: String,
    /// What it must be.
    #[schema(example = "must be an integer from 1 to 3650")]
    pub message: String,
}

impl Detail {
    /// A fault of a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// What went wrong, as a stable word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    InvalidRequest,
    InvalidScope,
    NameTaken,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    ChargePointOffline,
    ManagedElsewhere,
    PreconditionFailed,
    PayloadTooLarge,
    UnsupportedMediaType,
    IdempotencyMismatch,
    RateLimited,
    Internal,
    Unavailable,
}

impl Code {
    const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest | Self::InvalidScope | Self::NameTaken => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict | Self::ChargePointOffline | Self::ManagedElsewhere => {
                StatusCode::CONFLICT
            }
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn word(self, style: Style) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::NameTaken => "name_taken",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict => "conflict",
            Self::ChargePointOffline => "charge_point_offline",
            Self::ManagedElsewhere => "managed_elsewhere",
            Self::PreconditionFailed => "precondition_failed",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::RateLimited => match style {
                Style::Flat => "rate_limit_exceeded",
                Style::Nested => "rate_limited",
            },
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Which of the two bodies an error has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Flat,
    Nested,
}

impl Style {
    /// The contract's rule: nested under `/api/v1/org/api-keys`, flat everywhere else.
    pub(crate) fn of(path: &str) -> Self {
        match path.strip_prefix("/api/v1/org/api-keys") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::Nested,
            Some(_) | None => Self::Flat,
        }
    }
}

/// An error as its client sees it, but for the request's id.
#[derive(Debug, Clone)]
pub struct ApiError {
    code: Code,
    message: Cow<'static, str>,
    details: Vec<Detail>,
    required_scope: Option<Scope>,
    retry_after: Option<u64>,
    /// How to authenticate, where it is 401.
    challenge: &'static str,
}

impl ApiError {
    fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
            required_scope: None,
            retry_after: None,
            challenge: "Bearer realm=\"dynamo\"",
        }
    }

    /// 400: fields, query parameters or headers break their rules; all faults at once.
    #[must_use]
    pub fn invalid_request(mut details: Vec<Detail>) -> Self {
        let message = match details.as_slice() {
            [one] => format!("Invalid request: {} {}.", one.field, one.message),
            several => format!("Invalid request: {} faults, see details.", several.len()),
        };
        details.truncate(DETAILS_MAX);
        Self {
            details,
            ..Self::new(Code::InvalidRequest, message)
        }
    }

    /// The same error of a request with still more faults.
    #[must_use]
    pub(super) fn with_more(mut self, mut faults: Vec<Detail>) -> Self {
        faults.append(&mut self.details);
        if self.code == Code::InvalidRequest {
            return Self::invalid_request(faults);
        }
        faults.truncate(DETAILS_MAX);
        self.details = faults;
        self
    }

    /// 400: a scope that does not exist, among whatever else is wrong.
    #[must_use]
    pub fn invalid_scope(scope: &str, mut details: Vec<Detail>) -> Self {
        details.truncate(DETAILS_MAX);
        let message = format!("Scope '{scope}' is not a valid permission scope.");
        Self {
            details,
            ..Self::new(Code::InvalidScope, message)
        }
    }

    /// 400: the name belongs to another key of the organisation.
    #[must_use]
    pub fn name_taken() -> Self {
        Self::new(
            Code::NameTaken,
            "A key with this name already exists in your organization.",
        )
    }

    /// 401: no credential, or none that is valid.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(Code::Unauthorized, "Invalid or missing API key.")
    }

    /// 401 with a sentence of its own.
    #[must_use]
    pub fn unauthorized_because(message: &'static str) -> Self {
        Self::new(Code::Unauthorized, message)
    }

    /// 401: a charge point that did not show its password.
    #[must_use]
    pub fn station_unauthorized() -> Self {
        Self {
            challenge: "Basic realm=\"ocpp\", charset=\"UTF-8\"",
            ..Self::new(
                Code::Unauthorized,
                "This charge point needs its id and its provisioning password (HTTP basic authentication).",
            )
        }
    }

    /// 401: the resource exists and is another organisation's.
    #[must_use]
    pub fn foreign() -> Self {
        Self::new(
            Code::Unauthorized,
            "The API key belongs to a different organisation than the resource.",
        )
    }

    /// 403: the key lacks a scope; where several would do, `missing` is the first of them.
    #[must_use]
    pub fn forbidden(missing: &'static [Scope]) -> Self {
        let names: Vec<_> = missing.iter().map(|scope| scope.as_str()).collect();
        let names = names.join(" or ");
        let message = format!("The API key does not have the required scope: {names}");
        Self {
            required_scope: missing.first().copied(),
            ..Self::new(Code::Forbidden, message)
        }
    }

    /// 403: an installer's token where only API keys work.
    #[must_use]
    pub fn installer_forbidden(missing: Scope) -> Self {
        let message = format!(
            "Installer tokens work under /api/v1/installer/ only; this call needs an API key with the scope {missing}."
        );
        Self {
            required_scope: Some(missing),
            ..Self::new(Code::Forbidden, message)
        }
    }

    /// 404: nothing has this id.
    #[must_use]
    pub fn not_found(what: &'static str) -> Self {
        Self::new(Code::NotFound, format!("No {what} has this id."))
    }

    /// 404: no such path.
    #[must_use]
    pub(crate) fn unknown_path() -> Self {
        Self::new(
            Code::NotFound,
            "There is nothing at this path; /docs lists what there is.",
        )
    }

    /// 405. The router adds the `Allow` header.
    #[must_use]
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            Code::MethodNotAllowed,
            "This path does not have this method; see the Allow header.",
        )
    }

    /// 409.
    #[must_use]
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Conflict, message)
    }

    /// 409: the charge point cannot be reached; the sentence says what is missing.
    #[must_use]
    pub fn charge_point_offline(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ChargePointOffline, message)
    }

    /// 409: the charge point takes orders of another central system.
    #[must_use]
    pub fn managed_elsewhere(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ManagedElsewhere, message)
    }

    /// 412: the resource is not the one that `If-Match` names.
    #[must_use]
    pub fn precondition_failed() -> Self {
        Self::new(
            Code::PreconditionFailed,
            "The resource was changed since the ETag of If-Match; read it again.",
        )
    }

    /// 413.
    #[must_use]
    pub fn payload_too_large(limit: usize) -> Self {
        let message = format!("The body is larger than {limit} bytes.");
        Self::new(Code::PayloadTooLarge, message)
    }

    /// 415.
    #[must_use]
    pub fn unsupported_media_type(message: &'static str) -> Self {
        Self::new(Code::UnsupportedMediaType, message)
    }

    /// 422: the `Idempotency-Key` came before, with another body.
    #[must_use]
    pub fn idempotency_mismatch() -> Self {
        Self::new(
            Code::IdempotencyMismatch,
            "This Idempotency-Key was used before with another body; use a new one for a new request.",
        )
    }

    /// 429: a key's hour is used up.
    #[must_use]
    pub fn quota_exceeded(limit: u64, retry_after_s: u64) -> Self {
        let message = format!("You have exceeded the rate limit of {limit} requests per hour.");
        Self::too_many_requests(message, retry_after_s)
    }

    /// 429 with a sentence of its own.
    #[must_use]
    pub fn too_many_requests(message: impl Into<Cow<'static, str>>, retry_after_s: u64) -> Self {
        Self {
            retry_after: Some(retry_after_s.max(1)),
            ..Self::new(Code::RateLimited, message)
        }
    }

    /// 500. The cause is logged where it is seen, never told.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            Code::Internal,
            "Something went wrong on our side; tell us the request_id.",
        )
    }

    /// 503: the database does not answer, or the server is stopping.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(
            Code::Unavailable,
            "The service cannot answer now; try again in a moment.",
        )
    }

    /// The error that a bare status stands for, where a library answered it.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::unknown_path(),
            StatusCode::METHOD_NOT_ALLOWED => Self::method_not_allowed(),
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(Code::PayloadTooLarge, "The body is too large.")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Self::unsupported_media_type("The body has a type that is not supported here.")
            }
            status if status.is_client_error() => {
                Self::invalid_request(vec![Detail::new("request", "is malformed")])
            }
            _ => Self::internal(),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// Headers that belong to the error.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (header::HeaderName, HeaderValue)> {
        let challenge = (self.code == Code::Unauthorized).then_some((
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(self.challenge),
        ));
        let retry = self
            .retry_after
            .map(|seconds| (header::RETRY_AFTER, seconds.into()));
        challenge.into_iter().chain(retry)
    }

    /// The error as one of many results in an answer that is none itself: its code and sentence.
    pub(super) fn as_value(&self) -> serde_json::Value {
        serde_json::json!({ "error": self.code.word(Style::Flat), "message": self.message })
    }

    /// The body in the style of the path.
    pub(crate) fn body(&self, style: Style, request_id: &str) -> Vec<u8> {
        let code = self.code.word(style);
        let common = Common {
            message: &self.message,
            required_scope: self.required_scope.map(Scope::as_str),
            retry_after: self.retry_after,
            details: &self.details,
            request_id,
        };
        let body = match style {
            Style::Flat => serde_json::to_vec(&Flat {
                error: code,
                common,
            }),
            Style::Nested => serde_json::to_vec(&Nested {
                error: NestedError { code, common },
                retry_after: self.retry_after,
            }),
        };
        body.expect("texts and integers serialise")
    }
}

#[derive(Serialize)]
struct Flat<'a> {
    error: &'static str,
    #[serde(flatten)]
    common: Common<'a>,
}

#[derive(Serialize)]
struct Nested<'a> {
    error: NestedError<'a>,
    /// Where the client code printed in the documentation reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

#[derive(Serialize)]
struct NestedError<'a> {
    code: &'static str,
    #[serde(flatten)]
    common: Common<'a>,
}

#[derive(Serialize)]
struct Common<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "<[Detail]>::is_empty")]
    details: &'a [Detail],
    request_id: &'a str,
}

/// The error travels in the response's extensions; the envelope turns it into body and headers.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A failure of the database is nobody's request's fault; it is logged here, once.
impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Closed => Self::unavailable(),
            DbError::Engine(_) => {
                tracing::error!(%error, "The database failed");
                Self::unavailable()
            }
            DbError::Open { .. }
            | DbError::NewerSchema { .. }
            | DbError::Unique { .. }
            | DbError::Reference
            | DbError::Conflict { .. }
            | DbError::Column { .. } => {
                tracing::error!(%error, "The database answered what no caller expects");
                Self::internal()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_api_keys_paths_are_nested() {
        for nested in [
            "/api/v1/org/api-keys",
            "/api/v1/org/api-keys/",
            "/api/v1/org/api-keys/key_1/x",
        ] {
            assert_eq!(Style::of(nested), Style::Nested, "{nested}");
        }
        for flat in ["/", "/api/v1/org/api-keysx", "/api/v1/org", "/org/api-keys"] {
            assert_eq!(Style::of(flat), Style::Flat, "{flat}");
        }
    }

    #[test]
    fn both_bodies_are_as_printed() {
        let text = |error: &ApiError, style| String::from_utf8(error.body(style, "req_1")).unwrap();
        let forbidden = ApiError::forbidden(&[Scope::WriteChargePoints]);
        assert_eq!(
            text(&forbidden, Style::Flat),
            r#"{"error":"forbidden","message":"The API key does not have the required scope: write:charge_points","required_scope":"write:charge_points","request_id":"req_1"}"#
        );
        let limited = ApiError::quota_exceeded(1000, 847);
        assert_eq!(
            text(&limited, Style::Flat),
            r#"{"error":"rate_limit_exceeded","message":"You have exceeded the rate limit of 1000 requests per hour.","retry_after":847,"request_id":"req_1"}"#
        );
        assert_eq!(
            text(&limited, Style::Nested),
            r#"{"error":{"code":"rate_limited","message":"You have exceeded the rate limit of 1000 requests per hour.","retry_after":847,"request_id":"req_1"},"retry_after":847}"#
        );
    }

    #[test]
    fn details_are_bounded_and_their_number_is_told() {
        let faults = vec![Detail::new("a", "is wrong"); 50];
        let error = ApiError::invalid_request(faults);
        assert_eq!(error.message, "Invalid request: 50 faults, see details.");
        assert_eq!(error.details.len(), 20);
    }
}
