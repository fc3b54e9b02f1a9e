//! Rows of `api_keys` and `idempotency`.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use jiff::{SignedDuration, Timestamp};

use crate::db::{Db, DbError, Row, Statement};
use crate::id::{ApiKeyId, OrganisationId};
use crate::organisation::{Plan, Tier};
use crate::quota::Counted;
use crate::secret::Secret;

use super::{ApiKey, Scope};

/// Keys of one organisation that are not revoked, at most.
const KEYS_PER_ORGANISATION_MAX: u32 = 1_000;
/// How long an `Idempotency-Key` is remembered.
const IDEMPOTENCY_KEPT: SignedDuration = SignedDuration::from_hours(24);
const HOURS_PER_DAY: i64 = 24;

/// A key as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySummary {
    /// Its public name.
    pub id: ApiKeyId,
    /// What people call it.
    pub name: String,
    /// What it may do, in the order in which it was asked for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its last authenticated request, to the second.
    pub last_used_at: Option<Timestamp>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Whom it will belong to.
    pub organisation: OrganisationId,
    /// What people call it; unique among the organisation's keys.
    pub name: String,
    /// What it may do, in the order in which it was asked for.
    pub scopes: Vec<Scope>,
    /// Days until it expires; `None`: never.
    pub expires_in_days: Option<u32>,
    /// Who made it: id of a key or user, or `admin`.
    pub created_by: String,
    /// The client's mark of this attempt.
    pub idempotency: Option<Idempotency>,
}

/// An `Idempotency-Key` and what it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The header's value.
    pub key: String,
    /// SHA-256 of the body.
    pub body_hash: [u8; 32],
}

/// A key that was made.
#[derive(Debug)]
pub struct CreatedKey {
    /// Its public name.
    pub id: ApiKeyId,
    /// What people call it.
    pub name: String,
    /// The key itself; shown this once.
    pub key: Secret<String>,
    /// What it may do, in the order in which it was asked for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The organisation has a key of this name.
    #[error("the organisation has a key with this name")]
    NameTaken,
    /// The organisation has as many keys as it may.
    #[error(
        "the organisation has {KEYS_PER_ORGANISATION_MAX} keys, the most there may be; revoke one first"
    )]
    TooMany,
    /// The same attempt was made before and led to this key.
    #[error("this Idempotency-Key was used before and made the key {0}")]
    Repeated(ApiKeyId),
    /// The same mark came with another body.
    #[error("this Idempotency-Key was used before with another body")]
    IdempotencyMismatch,
    /// There is no such organisation.
    #[error("there is no organisation {0}")]
    UnknownOrganisation(OrganisationId),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

pub(super) async fn find(db: &Db, hash: &[u8; 32], now_ms: i64) -> Result<Option<ApiKey>, DbError> {
    let sql = "SELECT k.id, k.organisation_id, k.scopes, k.last_used_at_ms, k.expires_at_ms,
                      o.tier, o.hourly_limit
               FROM api_keys k JOIN organisations o ON o.id = k.organisation_id
               WHERE k.hash = $1 AND k.revoked_at_ms IS NULL";
    let rows = db.query(sql, vec![(*hash).into()]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let used_ms = row.opt_int("last_used_at_ms")?.unwrap_or(i64::MIN);
    Ok(Some(ApiKey {
        id: key_id(row)?,
        organisation: OrganisationId::parse(row.text("organisation_id")?)
            .ok_or_else(|| malformed("organisation_id"))?,
        scopes: scopes(row)?.into_iter().collect(),
        hourly_limit: hourly_limit(row)?,
        counted: Counted::default(),
        hash: *hash,
        expires_at_ms: row.opt_int("expires_at_ms")?,
        read_at_ms: now_ms,
        last_used_ms: AtomicI64::new(used_ms),
        written_use_ms: AtomicI64::new(used_ms),
    }))
}

pub(super) async fn list(
    db: &Db,
    organisation: &OrganisationId,
) -> Result<Vec<(KeySummary, [u8; 32])>, DbError> {
    let sql = "SELECT id, name, hash, scopes, created_at_ms, last_used_at_ms, expires_at_ms
               FROM api_keys WHERE organisation_id = $1 AND revoked_at_ms IS NULL
               ORDER BY created_at_ms, id";
    let rows = db.query(sql, vec![organisation.as_str().into()]).await?;
    rows.iter().map(summary).collect()
}

fn summary(row: &Row) -> Result<(KeySummary, [u8; 32]), DbError> {
    let summary = KeySummary {
        id: key_id(row)?,
        name: row.text("name")?.to_owned(),
        scopes: scopes(row)?,
        created_at: moment(row.int("created_at_ms")?).ok_or_else(|| malformed("created_at_ms"))?,
        last_used_at: row.opt_int("last_used_at_ms")?.and_then(moment),
        expires_at: row.opt_int("expires_at_ms")?.and_then(moment),
    };
    let hash = row
        .blob("hash")?
        .try_into()
        .map_err(|_| malformed("hash"))?;
    Ok((summary, hash))
}

pub(super) async fn is_sandbox(
    db: &Db,
    organisation: &OrganisationId,
) -> Result<bool, CreateError> {
    let sql = "SELECT sandbox FROM organisations WHERE id = $1";
    let rows = db.query(sql, vec![organisation.as_str().into()]).await?;
    match rows.first() {
        Some(row) => Ok(row.flag("sandbox")?),
        None => Err(CreateError::UnknownOrganisation(organisation.clone())),
    }
}

/// Inserts the key. The first statement holds the bound; later ones are told apart by what they break.
pub(super) async fn insert(
    db: &Db,
    new: NewKey,
    key: Secret<String>,
    hash: [u8; 32],
    now: Timestamp,
) -> Result<CreatedKey, CreateError> {
    let created_at = moment(now.as_millisecond()).unwrap_or(now);
    let expires_at = new.expires_in_days.map(|days| {
        let life = SignedDuration::from_hours(i64::from(days) * HOURS_PER_DAY);
        created_at.saturating_add(life).unwrap_or(Timestamp::MAX)
    });
    let created = CreatedKey {
        id: ApiKeyId::mint(now),
        name: new.name,
        key,
        scopes: new.scopes,
        created_at,
        expires_at,
    };
    let organisation = new.organisation.as_str();
    let bound = vec![organisation.into(), KEYS_PER_ORGANISATION_MAX.into()];
    let mut statements = vec![
        Statement::new(
            "UPDATE organisations SET name = name WHERE id = $1 AND
         (SELECT COUNT(*) FROM api_keys WHERE organisation_id = $1 AND revoked_at_ms IS NULL) < $2",
            bound,
        )
        .expecting(1),
    ];
    if let Some(mark) = &new.idempotency {
        statements.extend(remember(mark, organisation, &created.id, now));
    }
    let values = vec![
        created.id.as_str().into(),
        organisation.into(),
        created.name.as_str().into(),
        hash.into(),
        scopes_text(&created.scopes).into(),
        new.created_by.into(),
        created_at.as_millisecond().into(),
        expires_at.map(Timestamp::as_millisecond).into(),
    ];
    statements.push(Statement::new(
        "INSERT INTO api_keys
         (id, organisation_id, name, hash, scopes, created_by, created_at_ms, expires_at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        values,
    ));
    if let Some(mark) = &new.idempotency {
        check_repeat(db, mark, organisation, now).await?;
    }
    match db.transaction(statements).await {
        Ok(_) => Ok(created),
        Err(DbError::Conflict { statement: 0, .. }) => Err(CreateError::TooMany),
        Err(DbError::Unique { .. }) => {
            // The same attempt may have been made a moment ago by another request.
            if let Some(mark) = &new.idempotency {
                check_repeat(db, mark, organisation, now).await?;
            }
            Err(CreateError::NameTaken)
        }
        Err(error) => Err(error.into()),
    }
}

/// What the mark is remembered for.
const CREATE_REQUEST: &str = "POST /api/v1/org/api-keys";

fn remember(
    mark: &Idempotency,
    organisation: &str,
    created: &ApiKeyId,
    now: Timestamp,
) -> [Statement; 2] {
    let until = now
        .saturating_add(IDEMPOTENCY_KEPT)
        .unwrap_or(Timestamp::MAX);
    let values = vec![
        organisation.into(),
        mark.key.as_str().into(),
        CREATE_REQUEST.into(),
        mark.body_hash.into(),
        created.as_str().into(),
        until.as_millisecond().into(),
    ];
    [
        Statement::new(
            "DELETE FROM idempotency WHERE expires_at_ms <= $1",
            vec![now.as_millisecond().into()],
        ),
        Statement::new(
            "INSERT INTO idempotency
             (organisation_id, idempotency_key, request, body_hash, created_id, expires_at_ms)
             VALUES ($1, $2, $3, $4, $5, $6)",
            values,
        ),
    ]
}

/// An answer with a secret is never stored: a repeat learns which key it made before.
async fn check_repeat(
    db: &Db,
    mark: &Idempotency,
    organisation: &str,
    now: Timestamp,
) -> Result<(), CreateError> {
    let sql = "SELECT request, body_hash, created_id FROM idempotency
               WHERE organisation_id = $1 AND idempotency_key = $2 AND expires_at_ms > $3";
    let params = vec![
        organisation.into(),
        mark.key.as_str().into(),
        now.as_millisecond().into(),
    ];
    let rows = db.query(sql, params).await?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    if row.text("request")? != CREATE_REQUEST || row.blob("body_hash")? != mark.body_hash {
        return Err(CreateError::IdempotencyMismatch);
    }
    let id = ApiKeyId::parse(row.text("created_id")?).ok_or_else(|| malformed("created_id"))?;
    Err(CreateError::Repeated(id))
}

/// The hash of the key that was revoked.
pub(super) async fn revoke(
    db: &Db,
    organisation: &OrganisationId,
    key: &ApiKeyId,
    now: Timestamp,
) -> Result<Option<[u8; 32]>, DbError> {
    let sql = "UPDATE api_keys SET revoked_at_ms = $3
               WHERE organisation_id = $1 AND id = $2 AND revoked_at_ms IS NULL RETURNING hash";
    let params = vec![
        organisation.as_str().into(),
        key.as_str().into(),
        now.as_millisecond().into(),
    ];
    let done = db.write(sql, params).await?;
    let hash = done.rows.first().map(|row| row.blob("hash")).transpose()?;
    hash.map(|hash| hash.try_into().map_err(|_| malformed("hash")))
        .transpose()
}

pub(super) async fn write_last_used(db: &Db, used: &[(Arc<ApiKey>, i64)]) -> Result<(), DbError> {
    let write = |(key, at_ms): &(Arc<ApiKey>, i64)| {
        Statement::new(
            "UPDATE api_keys SET last_used_at_ms = $2
             WHERE id = $1 AND (last_used_at_ms IS NULL OR last_used_at_ms < $2)",
            vec![key.id.as_str().into(), (*at_ms).into()],
        )
    };
    db.transaction(used.iter().map(write).collect()).await?;
    Ok(())
}

/// A time as answers show it: whole seconds.
pub(super) fn moment(ms: i64) -> Option<Timestamp> {
    Timestamp::from_second(ms.div_euclid(1_000)).ok()
}

fn key_id(row: &Row) -> Result<ApiKeyId, DbError> {
    ApiKeyId::parse(row.text("id")?).ok_or_else(|| malformed("id"))
}

fn hourly_limit(row: &Row) -> Result<u64, DbError> {
    let tier = Tier::parse(row.text("tier")?).ok_or_else(|| malformed("tier"))?;
    let agreed = row.opt_int("hourly_limit")?.map(u32::try_from).transpose();
    let agreed = agreed.map_err(|_| malformed("hourly_limit"))?;
    let plan = Plan::new(tier, agreed).map_err(|_| malformed("hourly_limit"))?;
    Ok(plan.hourly_limit().into())
}

/// Scopes that this program does not know grant nothing.
fn scopes(row: &Row) -> Result<Vec<Scope>, DbError> {
    let names: Vec<String> =
        serde_json::from_str(row.text("scopes")?).map_err(|_| malformed("scopes"))?;
    Ok(names.iter().filter_map(|name| Scope::parse(name)).collect())
}

fn scopes_text(scopes: &[Scope]) -> String {
    let names: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    serde_json::to_string(&names).expect("names of scopes are plain text")
}

fn malformed(column: &str) -> DbError {
    DbError::Column {
        column: column.to_owned(),
        problem: "holds a value that this program cannot read",
    }
}
