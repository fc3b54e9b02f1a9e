//! Endpoints of installers.

mod jwks;
mod login;
mod visitor;

use std::net::IpAddr;
use std::sync::Arc;

use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Attempts, Installers, Tokens};

/// What logging in needs; clones share it.
#[derive(Debug, Clone)]
pub struct Logins {
    installers: Installers,
    attempts: Attempts,
    tokens: Tokens,
    proxies: Arc<[IpAddr]>,
}

impl Logins {
    /// Logins of these installers. `proxies` are the reverse proxies whose `X-Forwarded-For` is believed.
    #[must_use]
    pub fn new(
        installers: Installers,
        attempts: Attempts,
        tokens: Tokens,
        proxies: &[IpAddr],
    ) -> Self {
        Self {
            installers,
            attempts,
            tokens,
            proxies: proxies.into(),
        }
    }
}

/// Login and published keys, with their whole paths.
#[must_use]
pub fn router(logins: Logins) -> OpenApiRouter {
    endpoints().with_state(logins)
}

/// The documentation of [`router`].
#[must_use]
pub fn document() -> OpenApi {
    endpoints().into_openapi()
}

fn endpoints() -> OpenApiRouter<Logins> {
    OpenApiRouter::new()
        .routes(routes!(login::log_in))
        .routes(routes!(jwks::list_signing_keys))
}
