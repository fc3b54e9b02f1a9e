//! API keys: made, recognised, listed, revoked. A key is known only by its keyed hash; those in use
//! are remembered, so that recognising one costs no database. What another program changes in the
//! database (a tier, a key made by the administrator) counts within `TRUSTED_FOR_MS`.

mod cache;
mod scope;
mod store;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::id::{ApiKeyId, OrganisationId};
use crate::quota::Counted;
use crate::secret::{ServerSecrets, equal_in_constant_time};

use cache::Cache;
pub use scope::{Scope, ScopeSet};
pub use store::{CreateError, CreatedKey, Idempotency, KeySummary, NewKey};

/// How long a remembered key is believed before its row is read again.
const TRUSTED_FOR_MS: i64 = 2_000;
/// How often times of last use are written to the database.
const FLUSH_EVERY: Duration = Duration::from_secs(5);
/// What the keyed hash is for; see [`ServerSecrets::hash`].
const HASH_PURPOSE: &str = "api key";

/// A key that was recognised.
#[derive(Debug)]
pub struct ApiKey {
    /// Its public name.
    pub id: ApiKeyId,
    /// Whom it belongs to.
    pub organisation: OrganisationId,
    /// What it may do.
    pub scopes: ScopeSet,
    /// Requests per clock hour, by the organisation's tier.
    pub hourly_limit: u64,
    /// Its requests of this hour.
    pub counted: Counted,
    hash: [u8; 32],
    expires_at_ms: Option<i64>,
    /// When its row was last read.
    read_at_ms: i64,
    last_used_ms: AtomicI64,
    /// Last use that the database knows.
    written_use_ms: AtomicI64,
}

impl ApiKey {
    fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_at_ms.is_some_and(|end| now_ms >= end)
    }

    /// Most requests find their millisecond noted: reading is cheaper than writing what all share.
    fn note_use(&self, now_ms: i64) {
        if self.last_used_ms.load(Ordering::Relaxed) < now_ms {
            self.last_used_ms.fetch_max(now_ms, Ordering::Relaxed);
        }
    }

    /// A row is also read again when the clock went back.
    fn is_fresh(&self, now_ms: i64) -> bool {
        (0..TRUSTED_FOR_MS).contains(&(now_ms - self.read_at_ms))
    }
}

/// All API keys; clones share what is remembered.
#[derive(Debug, Clone)]
pub struct Keys {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    db: Db,
    secrets: ServerSecrets,
    clock: Clock,
    cache: Cache,
}

impl Keys {
    /// Keys that live in this database, hashed under these secrets.
    #[must_use]
    pub fn new(db: Db, secrets: ServerSecrets, clock: Clock) -> Self {
        let shared = Shared {
            db,
            secrets,
            clock,
            cache: Cache::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Whether a text claims to be an API key rather than another kind of token.
    #[must_use]
    pub fn claims_to_be_one(text: &str) -> bool {
        text.starts_with("dyn_")
    }

    /// Recognises a presented key and notes its use; `None` if it is unknown, revoked or expired.
    ///
    /// # Errors
    /// [`DbError`] when a key that is not remembered cannot be looked up.
    pub async fn authenticate(
        &self,
        presented: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<ApiKey>>, DbError> {
        let hash = self.hash(presented);
        let now_ms = now.as_millisecond();
        let remembered = self.shared.cache.get(&hash);
        let key = match remembered {
            Some(key) if key.is_fresh(now_ms) => Some(key),
            // Mistyped keys and other text cost no look-up.
            Some(_) | None if !token::is_well_formed(presented) => None,
            Some(_) | None => self.read(&hash, now_ms).await?,
        };
        let valid =
            key.filter(|key| equal_in_constant_time(&key.hash, &hash) && !key.is_expired(now_ms));
        if let Some(key) = &valid {
            key.note_use(now_ms);
        }
        Ok(valid)
    }

    /// Keys of an organisation that were not revoked, oldest first.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn list(&self, organisation: &OrganisationId) -> Result<Vec<KeySummary>, DbError> {
        let mut listed = store::list(&self.shared.db, organisation).await?;
        for (summary, hash) in &mut listed {
            let used = self
                .shared
                .cache
                .get(hash)
                .map(|key| key.last_used_ms.load(Ordering::Relaxed));
            let used = used.and_then(store::moment);
            summary.last_used_at = summary.last_used_at.max(used);
        }
        Ok(listed.into_iter().map(|(summary, _)| summary).collect())
    }

    /// Makes a key; its text is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`CreateError`].
    pub async fn create(&self, new: NewKey) -> Result<CreatedKey, CreateError> {
        let sandbox = store::is_sandbox(&self.shared.db, &new.organisation).await?;
        let key = token::generate(sandbox);
        let hash = self.hash(key.expose());
        store::insert(&self.shared.db, new, key, hash, self.shared.clock.now()).await
    }

    /// Revokes a key of this organisation; `false` if it has none with this id. Every later request
    /// with it is refused.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn revoke(
        &self,
        organisation: &OrganisationId,
        key: &ApiKeyId,
    ) -> Result<bool, DbError> {
        let now = self.shared.clock.now();
        let revoked = store::revoke(&self.shared.db, organisation, key, now).await?;
        if let Some(hash) = &revoked {
            self.shared.cache.forget(hash);
        }
        Ok(revoked.is_some())
    }

    /// Writes the times of last use that the database does not know yet.
    ///
    /// # Errors
    /// [`DbError`]; they are then written by the next call.
    pub async fn flush(&self) -> Result<(), DbError> {
        let used: Vec<(Arc<ApiKey>, i64)> = self.shared.cache.used_since_written();
        if used.is_empty() {
            return Ok(());
        }
        store::write_last_used(&self.shared.db, &used).await?;
        for (key, at_ms) in used {
            key.written_use_ms.fetch_max(at_ms, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Flushes again and again; a task to run beside the server. Never returns.
    pub async fn keep_flushing(&self) {
        loop {
            tokio::time::sleep(FLUSH_EVERY).await;
            if let Err(error) = self.flush().await {
                tracing::warn!(%error, "Times of last use of API keys could not be written, next try in 5 s");
            }
        }
    }

    /// Reads a key's row and remembers it. A key that is revoked meanwhile is not remembered.
    async fn read(&self, hash: &[u8; 32], now_ms: i64) -> Result<Option<Arc<ApiKey>>, DbError> {
        loop {
            let generation = self.shared.cache.generation();
            let found = store::find(&self.shared.db, hash, now_ms).await?;
            if self.shared.cache.is_full() {
                self.flush().await?;
            }
            let settled = match found {
                Some(key) => self
                    .shared
                    .cache
                    .remember(Arc::new(key), generation)
                    .map(Some),
                None => self
                    .shared
                    .cache
                    .forget_unless_changed(hash, generation)
                    .then_some(None),
            };
            if let Some(key) = settled {
                return Ok(key);
            }
        }
    }

    fn hash(&self, key: &str) -> [u8; 32] {
        self.shared.secrets.hash(HASH_PURPOSE, key)
    }
}

#[cfg(test)]
mod tests;
