//! The `Idempotency-Key` header, and requests that are made once however often they arrive.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use crate::id::OrganisationId;
use crate::idempotency::{Attempt, Known};

use super::error::{ApiError, Detail};
use super::state::ApiState;

const HEADER: &str = "Idempotency-Key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Longest mark, in characters.
const LENGTH_MAX: usize = 255;

/// The client's mark of one attempt, if it sent one. Faults show only after the caller was checked.
#[derive(Debug)]
pub(super) struct IdempotencyKey(Result<Option<String>, Detail>);

impl IdempotencyKey {
    /// The mark, or 400.
    pub(super) fn mark(self) -> Result<Option<String>, ApiError> {
        self.0
            .map_err(|fault| ApiError::invalid_request(vec![fault]))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let mut lines = parts.headers.get_all(HEADER).into_iter();
        let (first, second) = (lines.next(), lines.next());
        let mark = first.map(|line| line.to_str().unwrap_or("").trim().to_owned());
        Ok(Self(match mark {
            None => Ok(None),
            Some(mark) if second.is_none() && (1..=LENGTH_MAX).contains(&mark.len()) => {
                Ok(Some(mark))
            }
            Some(_) => Err(Detail::new(
                HEADER,
                format!("must be one value of 1 to {LENGTH_MAX} visible ASCII characters"),
            )),
        }))
    }
}

/// What a request made.
#[derive(Debug)]
pub(super) struct Made {
    status: StatusCode,
    body: Vec<u8>,
    /// Id of what was created, where the answer holds a secret and must not be kept.
    secret_of: Option<String>,
}

impl Made {
    /// An answer that may be given again.
    pub(super) fn new(status: StatusCode, body: &impl Serialize) -> Self {
        Self {
            status,
            body: serde_json::to_vec(body).expect("texts, integers and decimals serialise"),
            secret_of: None,
        }
    }

    /// An answer with the secret of what was created.
    pub(super) fn with_secret(status: StatusCode, body: &impl Serialize, of: String) -> Self {
        Self {
            secret_of: Some(of),
            ..Self::new(status, body)
        }
    }
}

/// One request of a caller: what its repeat is recognised by.
#[derive(Debug)]
pub(super) struct Once {
    pub(super) organisation: OrganisationId,
    pub(super) mark: IdempotencyKey,
    /// Method and path.
    pub(super) request: String,
    pub(super) body_hash: [u8; 32],
}

impl Once {
    /// Answers what `making` makes, or what it made before. What was begun is finished, even if the
    /// client leaves meanwhile. An answer with a secret is never kept: its repeat names what was created.
    pub(super) async fn answer<F>(self, state: &ApiState, making: F) -> Result<Response, ApiError>
    where
        F: Future<Output = Result<Made, ApiError>> + Send + 'static,
    {
        let attempts = state.stores().attempts.clone();
        let attempt = self.mark.mark()?.map(|mark| Attempt {
            organisation: self.organisation,
            mark,
            request: self.request,
            body_hash: self.body_hash,
        });
        if let Some(attempt) = &attempt {
            match attempts.begin(attempt).await? {
                Known::First => {}
                Known::Answered { status, body } => return Ok(replayed(status, body)),
                Known::Created(id) => {
                    return Err(ApiError::conflict(format!(
                        "This request was made before and created {id}; its secret is shown only once."
                    )));
                }
                Known::Pending => {
                    return Err(ApiError::conflict(
                        "This request was made before and has no answer yet; ask again in a moment.",
                    ));
                }
                Known::Other => return Err(ApiError::idempotency_mismatch()),
            }
        }
        let work = tokio::spawn(async move {
            let made = making.await;
            if let Some(attempt) = &attempt {
                match &made {
                    Ok(made) => match &made.secret_of {
                        Some(id) => attempts.created(attempt, id).await?,
                        None => {
                            let status = made.status.as_u16();
                            attempts.answered(attempt, status, &made.body).await?;
                        }
                    },
                    Err(_) => attempts.refused(attempt).await?,
                }
            }
            made
        });
        let made = work.await.map_err(|_panicked| ApiError::internal())??;
        let secret = made.secret_of.is_some();
        Ok(json(made.status, made.body, secret))
    }
}

fn replayed(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = json(status, body, false);
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

fn json(status: StatusCode, body: Vec<u8>, secret: bool) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, kind);
    let cache = if secret {
        "no-store"
    } else {
        "private, no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}
