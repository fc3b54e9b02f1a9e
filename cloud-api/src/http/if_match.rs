//! `If-Match` on updates (RFC 9110, section 13.1.1).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};

use super::error::ApiError;
use super::etag::Tagged;

/// Entity tags of which the resource must have one, if the client names any.
#[derive(Debug)]
pub(super) struct IfMatch(Vec<String>);

impl IfMatch {
    /// Whether the resource as it is now has one of the tags; 412 if not.
    pub(super) fn check(&self, now: &Tagged) -> Result<(), ApiError> {
        let tag = now.tag().to_str().unwrap_or("");
        if self.0.is_empty() || self.0.iter().any(|known| known == "*" || known == tag) {
            return Ok(());
        }
        Err(ApiError::precondition_failed())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let lines = parts.headers.get_all(header::IF_MATCH).into_iter();
        let texts = lines.map(|line: &HeaderValue| line.to_str().unwrap_or("\u{0}"));
        let tags = texts.flat_map(|text| text.split(',')).map(str::trim);
        Ok(Self(tags.map(str::to_owned).collect()))
    }
}
