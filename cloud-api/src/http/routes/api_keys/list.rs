//! GET `/org/api-keys`.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::etag::Tagged;
use crate::http::requirement::AnyKey;
use crate::http::state::ApiState;
use crate::http::time;
use crate::keys::{KeySummary, Scope};

/// API keys of the caller's organisation, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKeyList {
    /// The keys that were not revoked. A secret value is never among them.
    keys: Vec<ListedApiKey>,
    /// How many there are.
    #[schema(example = 1)]
    total: usize,
}

/// One API key, without its secret value.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedApiKey {
    /// Id of the key; used to revoke it.
    #[schema(example = "key_01hx2b3c4d5e6f7g8h9jkmnpqr")]
    id: String,
    /// Label of the key.
    #[schema(example = "production-dashboard")]
    name: String,
    /// Scopes of the key.
    #[schema(schema_with = crate::http::document::scopes)]
    scopes: Vec<&'static str>,
    /// When it was created.
    #[schema(format = DateTime, example = "2026-05-01T09:00:00Z")]
    created_at: String,
    /// Its most recent authenticated request, refused ones included; null if it was never used.
    #[schema(required, format = DateTime, example = "2026-05-01T09:14:05Z")]
    last_used_at: Option<String>,
    /// When it expires; null if it does not.
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
}

/// List API keys
///
/// Every valid API key may list the keys of its organisation. The `ETag` does not follow the
/// `last_used_at` of the key that asks: each request would change it.
#[utoipa::path(
    get,
    path = "/api/v1/org/api-keys",
    tag = "API keys",
    responses(
        (status = 200, description = "The keys.", body = ApiKeyList),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
    ),
)]
pub(super) async fn list_api_keys(
    caller: Caller<AnyKey>,
    State(state): State<ApiState>,
) -> Result<Tagged, ApiError> {
    let keys = state.keys().list(caller.organisation()).await?;
    let keys: Vec<_> = keys.into_iter().map(ListedApiKey::from).collect();
    let list = ApiKeyList {
        total: keys.len(),
        keys,
    };
    let own = caller.key().id.as_str();
    let what_matters: Vec<_> = list
        .keys
        .iter()
        .map(|key| (key, key.last_used_at.as_ref().filter(|_| key.id != own)))
        .map(|(key, used)| (&key.id, &key.name, &key.scopes, &key.expires_at, used))
        .collect();
    Ok(Tagged::by(&list, &what_matters))
}

impl From<KeySummary> for ListedApiKey {
    fn from(key: KeySummary) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name,
            scopes: key.scopes.into_iter().map(Scope::as_str).collect(),
            created_at: time::shown(key.created_at),
            last_used_at: key.last_used_at.map(time::shown),
            expires_at: key.expires_at.map(time::shown),
        }
    }
}
