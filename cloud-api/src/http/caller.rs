//! Who calls: an extractor that names the scope it asks for. Handlers get an organisation from here
//! and from nowhere else, so none can forget who asks. Checks run in the contract's order:
//! credential 401, quota 429, size and type 413/415, scope 403, query and body 400.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::id::OrganisationId;
use crate::keys::{ApiKey, Keys, Scope};
use crate::quota::Verdict;

use super::body::{self, FromFields};
use super::envelope::Exchange;
use super::error::ApiError;
use super::query::{NoQuery, Query};
use super::requirement::Requirement;
use super::state::ApiState;

/// The scope that an installer is told where every API key would do: the contract has every 403
/// name one, and a key with this scope certainly works there.
const SCOPE_TOLD_FOR_ANY_KEY: Scope = Scope::WriteApiKeys;

/// The caller of an endpoint without a body, with an API key that meets `R`; and its query.
#[derive(Debug)]
pub struct Caller<R, Q = NoQuery> {
    key: Arc<ApiKey>,
    /// The query's parameters; unknown ones were refused.
    pub query: Q,
    requirement: PhantomData<fn() -> R>,
}

impl<R, Q> Caller<R, Q> {
    /// The tenant. Whatever is read or written for this caller belongs to it.
    #[must_use]
    pub fn organisation(&self) -> &OrganisationId {
        &self.key.organisation
    }

    /// The key it calls with.
    #[must_use]
    pub fn key(&self) -> &ApiKey {
        &self.key
    }
}

/// The caller of an endpoint with a JSON body.
pub struct CallerWith<R, T, Q = NoQuery> {
    /// Who calls.
    pub caller: Caller<R, Q>,
    /// What was sent.
    pub body: T,
    /// SHA-256 of the body as it was sent.
    pub body_hash: [u8; 32],
}

/// Says nothing of the body, which may hold secrets.
impl<R, T, Q: fmt::Debug> fmt::Debug for CallerWith<R, T, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerWith")
            .field("key", &self.caller.key.id)
            .finish_non_exhaustive()
    }
}

/// An argument of a handler that names what it asks of its caller; the OpenAPI document reads it.
pub(super) trait NamesRequirement {
    /// What is asked.
    type Requirement: Requirement;
}

impl<R: Requirement, Q> NamesRequirement for Caller<R, Q> {
    type Requirement = R;
}

impl<R: Requirement, T, Q> NamesRequirement for CallerWith<R, T, Q> {
    type Requirement = R;
}

impl<R: Requirement, Q: Query> FromRequestParts<ApiState> for Caller<R, Q> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let presenter = admit(parts, state).await?;
        body::check_announced_size(&parts.headers)?;
        let key = presenter.with_scope::<R>()?;
        let query = Q::parse(parts.uri.query()).map_err(ApiError::invalid_request)?;
        Ok(Self {
            key,
            query,
            requirement: PhantomData,
        })
    }
}

impl<R: Requirement, T: FromFields, Q: Query> FromRequest<ApiState> for CallerWith<R, T, Q> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let (parts, sent) = request.into_parts();
        let presenter = admit(&parts, state).await?;
        let bytes = body::read(&parts.headers, sent).await?;
        let key = presenter.with_scope::<R>()?;
        let query = Q::parse(parts.uri.query());
        let (query, body) = body::both(query, body::parse(&bytes))?;
        let body_hash = ring::digest::digest(&ring::digest::SHA256, &bytes);
        let body_hash = body_hash.as_ref().try_into();
        let requirement = PhantomData;
        Ok(Self {
            caller: Caller {
                key,
                query,
                requirement,
            },
            body,
            body_hash: body_hash.expect("SHA-256 gives 32 bytes"),
        })
    }
}

/// Whose credential was good.
enum Presenter {
    Key(Arc<ApiKey>),
    Installer,
}

impl Presenter {
    fn with_scope<R: Requirement>(self) -> Result<Arc<ApiKey>, ApiError> {
        match self {
            Self::Key(key) if R::is_met_by(key.scopes) => Ok(key),
            Self::Key(_) => Err(ApiError::forbidden(R::ANY_OF)),
            Self::Installer => {
                let missing = R::ANY_OF.first().copied();
                let missing = missing.unwrap_or(SCOPE_TOLD_FOR_ANY_KEY);
                Err(ApiError::installer_forbidden(missing))
            }
        }
    }
}

/// Credential, then quota. From here on every answer carries the quota's headers.
async fn admit(parts: &Parts, state: &ApiState) -> Result<Presenter, ApiError> {
    let presented = credential(&parts.headers)?;
    let exchange = parts.extensions.get::<Exchange>();
    let now = exchange.map_or_else(|| state.clock().now(), Exchange::began_at);
    let (presenter, verdict) = if Keys::claims_to_be_one(presented) {
        let key = state.keys().authenticate(presented, now).await?;
        let key = key.ok_or_else(ApiError::unauthorized)?;
        let quotas = state.quotas();
        let taken = quotas.take(&key.id, &key.counted, key.hourly_limit, now);
        let taken = taken.await;
        (Presenter::Key(key), taken?)
    } else {
        let installer = state.tokens().verify(presented);
        let installer = installer.ok_or_else(ApiError::unauthorized)?;
        let taken = state.quotas().take_installer(&installer, now);
        (Presenter::Installer, taken)
    };
    match verdict {
        Verdict::Passed(allowance) => {
            if let Some(exchange) = exchange {
                exchange.count(allowance);
            }
            Ok(presenter)
        }
        Verdict::Exhausted(allowance) => {
            if let Some(exchange) = exchange {
                exchange.count(allowance);
            }
            let wait = allowance.seconds_left(now);
            Err(ApiError::quota_exceeded(allowance.limit, wait))
        }
    }
}

/// The one credential of a request, from whichever headers it stands in. Never from the query.
fn credential(headers: &HeaderMap) -> Result<&str, ApiError> {
    let bearer = headers.get_all(header::AUTHORIZATION).into_iter();
    let bearer = bearer.map(|value| bearer_token(value.to_str().ok()?));
    let direct = headers.get_all("x-api-key").into_iter();
    let direct = direct.map(|value| value.to_str().ok().map(str::trim));
    let mut found: Option<&str> = None;
    for presented in bearer.chain(direct) {
        let presented = presented.filter(|text| !text.is_empty());
        let presented = presented.ok_or_else(ApiError::unauthorized)?;
        if found.is_some_and(|first| first != presented) {
            return Err(ApiError::unauthorized_because(
                "Two different credentials in one request; send one.",
            ));
        }
        found = Some(presented);
    }
    found.ok_or_else(ApiError::unauthorized)
}

/// RFC 9110, section 11.1: the scheme's case does not matter, a space ends it.
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn found(pairs: &[(&'static str, &'static str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        credential(&headers).ok().map(str::to_owned)
    }

    #[test]
    fn both_headers_are_equal_and_the_same_key_twice_is_one() {
        let key = Some("dyn_live_x".to_owned());
        assert_eq!(found(&[("authorization", "Bearer dyn_live_x")]), key);
        assert_eq!(found(&[("authorization", "bearer  dyn_live_x ")]), key);
        assert_eq!(found(&[("x-api-key", "dyn_live_x")]), key);
        assert_eq!(
            found(&[
                ("authorization", "Bearer dyn_live_x"),
                ("x-api-key", "dyn_live_x")
            ]),
            key
        );
        assert_eq!(
            found(&[("x-api-key", "dyn_live_x"), ("x-api-key", "dyn_live_x")]),
            key
        );
    }

    #[test]
    fn anything_else_is_no_credential() {
        for refused in [
            &[][..],
            &[("authorization", "")],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer ")],
            &[("authorization", "dyn_live_x")],
            &[("authorization", "Basic dyn_live_x")],
            &[("x-api-key", "")],
            &[("authorization", "Bearer a"), ("x-api-key", "b")],
            &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
            &[("authorization", "Basic a"), ("x-api-key", "a")],
        ] {
            assert_eq!(found(refused), None, "{refused:?}");
        }
    }
}
