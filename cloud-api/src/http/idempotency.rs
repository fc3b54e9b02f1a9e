//! The `Idempotency-Key` header.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::error::{ApiError, Detail};

const HEADER: &str = "Idempotency-Key";
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
