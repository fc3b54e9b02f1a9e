//! GET `/.well-known/jwks.json`: the public keys of installer tokens.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::Logins;
use crate::installer::Jwks;

/// Verifiers may keep the keys for this long (seconds); a token outlives it.
const CACHE: &str = "public, max-age=300";

/// Public keys of installer tokens
///
/// With these anybody can verify an installer's token (RS256; `kid` names the key).
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "Installers",
    operation_id = "list_signing_keys",
    responses((status = 200, description = "JSON Web Key Set (RFC 7517).", body = Jwks)),
)]
pub(super) async fn list_signing_keys(State(logins): State<Logins>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, CACHE)], Json(logins.tokens.jwks()))
}
