//! POST `/org/api-keys`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::body::{Fields, FromFields, shown};
use crate::http::caller::CallerWith;
use crate::http::error::ApiError;
use crate::http::idempotency::IdempotencyKey;
use crate::http::requirement::WriteApiKeys;
use crate::http::state::ApiState;
use crate::http::time;
use crate::keys::{CreateError, CreatedKey, Idempotency, NewKey, Scope};

const NAME_MAX: usize = 128;
const DAYS_MAX: u32 = 3_650;

/// An API key to create.
#[derive(Debug, ToSchema)]
pub(crate) struct NewApiKey {
    /// Label of the key, unique within the organisation.
    #[schema(min_length = 1, max_length = 128, example = "production-dashboard")]
    name: String,
    /// Scopes to grant, at least one; a repeated one counts once.
    #[schema(schema_with = crate::http::document::scopes)]
    scopes: Vec<Scope>,
    /// Days until the key expires; left out, it never does.
    #[schema(minimum = 1, maximum = 3650, example = 365)]
    expires_in_days: Option<u32>,
}

/// A key that was created. `key` is shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedApiKey {
    /// Id of the key; used to revoke it.
    #[schema(example = "key_01hx2b3c4d5e6f7g8h9jkmnpqr")]
    id: String,
    /// Label of the key.
    #[schema(example = "production-dashboard")]
    name: String,
    /// The secret value: `dyn_live_` (sandbox organisations: `dyn_test_`), 30 random characters of
    /// base62, 6 of checksum.
    #[schema(example = "dyn_live_abc123xyz789...")]
    key: String,
    /// Scopes that were granted.
    #[schema(schema_with = crate::http::document::scopes)]
    scopes: Vec<&'static str>,
    /// When it was created.
    #[schema(format = DateTime, example = "2026-05-01T09:00:00Z")]
    created_at: String,
    /// When it expires; null if it does not.
    #[schema(required, format = DateTime, example = "2027-05-01T09:00:00Z")]
    expires_at: Option<String>,
}

impl FromFields for NewApiKey {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let name = fields.text("name", 1..=NAME_MAX);
        let scopes = scopes(fields);
        let expires_in_days = fields.integer("expires_in_days", 1..=DAYS_MAX);
        Some(Self {
            name: name?,
            scopes: scopes?,
            expires_in_days,
        })
    }
}

fn scopes(fields: &mut Fields) -> Option<Vec<Scope>> {
    let value = fields.required("scopes")?;
    let Value::Array(items) = value else {
        fields.fault("scopes", "must be an array of scopes");
        return None;
    };
    if items.is_empty() {
        fields.fault("scopes", "must name at least one scope");
        return None;
    }
    let mut scopes = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let field = format!("scopes[{place}]");
        match item.as_str().map(|text| (text, Scope::parse(text))) {
            Some((_, Some(scope))) if scopes.contains(&scope) => {}
            Some((_, Some(scope))) => scopes.push(scope),
            Some((text, None)) => fields.unknown_scope(field, &shown(text)),
            None => fields.fault(field, "must be a string"),
        }
    }
    Some(scopes)
}

/// Create API key
///
/// The secret value is in this answer and nowhere else. A key with `write:api_keys` may grant any
/// scope, so it is as good as the owner's key; each key's creator is recorded.
///
/// With an `Idempotency-Key`, a repeat of the same body within 24 h answers 409 and names the key
/// that was created (answers with a secret are never stored); another body answers 422.
#[utoipa::path(
    post,
    path = "/api/v1/org/api-keys",
    tag = "API keys",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "The client's mark of this attempt, kept for 24 h.")),
    request_body = NewApiKey,
    responses(
        (status = 201, description = "The key was created.", body = CreatedApiKey),
        (status = 409, description = "The same request was made before with this `Idempotency-Key`, or the organisation has as many keys as it may."),
        (status = 422, description = "The `Idempotency-Key` was used before with another body."),
    ),
)]
pub(super) async fn create_api_key(
    State(state): State<ApiState>,
    idempotency: IdempotencyKey,
    CallerWith {
        caller,
        body,
        body_hash,
    }: CallerWith<WriteApiKeys, NewApiKey>,
) -> Result<
    (
        StatusCode,
        [(HeaderName, HeaderValue); 1],
        Json<CreatedApiKey>,
    ),
    ApiError,
> {
    let mark = idempotency.mark()?;
    let new = NewKey {
        organisation: caller.organisation().clone(),
        name: body.name,
        scopes: body.scopes,
        expires_in_days: body.expires_in_days,
        created_by: caller.key().id.to_string(),
        idempotency: mark.map(|key| Idempotency { key, body_hash }),
    };
    let created = state.keys().create(new).await?;
    let no_store = HeaderValue::from_static("no-store");
    Ok((
        StatusCode::CREATED,
        [(header::CACHE_CONTROL, no_store)],
        Json(created.into()),
    ))
}

impl From<CreatedKey> for CreatedApiKey {
    fn from(created: CreatedKey) -> Self {
        Self {
            id: created.id.to_string(),
            name: created.name,
            key: created.key.expose().clone(),
            scopes: created.scopes.into_iter().map(Scope::as_str).collect(),
            created_at: time::shown(created.created_at),
            expires_at: created.expires_at.map(time::shown),
        }
    }
}

/// Leaves out the key.
impl std::fmt::Debug for CreatedApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedApiKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::NameTaken => Self::name_taken(),
            CreateError::TooMany => Self::conflict(format!("Not created: {error}.")),
            CreateError::Repeated(id) => Self::conflict(format!(
                "This request was made before and created the API key {id}; its secret is shown only once."
            )),
            CreateError::IdempotencyMismatch => Self::idempotency_mismatch(),
            CreateError::UnknownOrganisation(_) => {
                tracing::error!(%error, "A caller's organisation is gone");
                Self::internal()
            }
            CreateError::Db(error) => error.into(),
        }
    }
}
