//! Ids in paths. A text that cannot be an id is an id that nothing has: it never fails before the
//! caller was checked.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use site_model::{ChargePointId, SessionId};

use crate::id::{ApiKeyId, CommandId, ReservationId, TokenId};

use super::error::ApiError;

/// An id that stands in a path.
pub(super) trait PathId: Sized {
    /// What has such ids, for people.
    const WHAT: &'static str;

    /// The id, if the text can be one.
    fn parse(text: &str) -> Option<Self>;
}

impl PathId for ChargePointId {
    const WHAT: &'static str = "charge point";

    fn parse(text: &str) -> Option<Self> {
        Self::new(text).ok()
    }
}

impl PathId for SessionId {
    const WHAT: &'static str = "session";

    fn parse(text: &str) -> Option<Self> {
        Self::new(text).ok()
    }
}

macro_rules! prefixed {
    ($($name:ident = $what:literal;)+) => {$(
        impl PathId for $name {
            const WHAT: &'static str = $what;

            fn parse(text: &str) -> Option<Self> {
                Self::parse(text)
            }
        }
    )+};
}

prefixed! {
    ApiKeyId = "API key";
    CommandId = "command";
    ReservationId = "reservation";
    TokenId = "token";
}

/// The one id in the path of an endpoint.
#[derive(Debug)]
pub(super) struct Named<T>(Option<T>);

impl<T: PathId> Named<T> {
    /// The id, or 404.
    pub(super) fn id(self) -> Result<T, ApiError> {
        self.0.ok_or_else(|| ApiError::not_found(T::WHAT))
    }
}

impl<S: Send + Sync, T: PathId> FromRequestParts<S> for Named<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(text.ok().and_then(|Path(text)| T::parse(&text))))
    }
}
