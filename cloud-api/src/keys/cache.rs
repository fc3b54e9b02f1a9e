//! Keys in use, found by their keyed hash. Bounded: when full, keys whose last use is written give way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::ApiKey;

/// Keys remembered at most; about 400 bytes each.
const KEYS_MAX: usize = 65_536;

/// Places are the first 8 bytes of the hash: they are keyed, so nobody outside can aim at one.
/// The whole hash is compared, in constant time, by the caller.
#[derive(Debug, Default)]
pub(super) struct Cache {
    keys: RwLock<HashMap<u64, Arc<ApiKey>>>,
    /// Grows with each revocation; a row read before one is not remembered after it.
    generation: AtomicU64,
}

impl Cache {
    pub(super) fn get(&self, hash: &[u8; 32]) -> Option<Arc<ApiKey>> {
        self.read().get(&place(hash)).map(Arc::clone)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    pub(super) fn is_full(&self) -> bool {
        self.read().len() >= KEYS_MAX
    }

    /// Remembers a key whose row was read in `generation`; `None` if one was revoked since.
    pub(super) fn remember(&self, key: Arc<ApiKey>, generation: u64) -> Option<Arc<ApiKey>> {
        let mut keys = self.write();
        if self.generation() != generation {
            return None;
        }
        let place = place(&key.hash);
        if let Some(known) = keys.get(&place) {
            let used = known.last_used_ms.load(Ordering::Relaxed);
            key.last_used_ms.fetch_max(used, Ordering::Relaxed);
        } else if keys.len() >= KEYS_MAX {
            keys.retain(|_, key| !is_written(key));
        }
        keys.insert(place, Arc::clone(&key));
        Some(key)
    }

    /// Forgets a key that was revoked.
    pub(super) fn forget(&self, hash: &[u8; 32]) {
        let mut keys = self.write();
        self.generation.fetch_add(1, Ordering::SeqCst);
        keys.remove(&place(hash));
    }

    /// Forgets a key that had no row in `generation`; `false` if one was revoked since.
    pub(super) fn forget_unless_changed(&self, hash: &[u8; 32], generation: u64) -> bool {
        let mut keys = self.write();
        let unchanged = self.generation() == generation;
        if unchanged {
            keys.remove(&place(hash));
        }
        unchanged
    }

    /// Keys whose last use is not in the database, with that use.
    pub(super) fn used_since_written(&self) -> Vec<(Arc<ApiKey>, i64)> {
        let keys = self.read();
        let unwritten = keys.values().filter(|key| !is_written(key));
        unwritten
            .map(|key| (Arc::clone(key), key.last_used_ms.load(Ordering::Relaxed)))
            .collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<u64, Arc<ApiKey>>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<u64, Arc<ApiKey>>> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_written(key: &ApiKey) -> bool {
    key.last_used_ms.load(Ordering::Relaxed) <= key.written_use_ms.load(Ordering::Relaxed)
}

fn place(hash: &[u8; 32]) -> u64 {
    let (first, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
    u64::from_be_bytes(*first)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use super::*;
    use crate::id::{ApiKeyId, OrganisationId};
    use crate::keys::ScopeSet;
    use crate::quota::Counted;

    fn key(number: u64, used_ms: i64) -> Arc<ApiKey> {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        Arc::new(ApiKey {
            id: ApiKeyId::parse("key_1").unwrap(),
            organisation: OrganisationId::parse("org_1").unwrap(),
            scopes: ScopeSet::default(),
            hourly_limit: 1,
            counted: Counted::default(),
            hash,
            expires_at_ms: None,
            read_at_ms: 0,
            last_used_ms: AtomicI64::new(used_ms),
            written_use_ms: AtomicI64::new(0),
        })
    }

    #[test]
    fn at_the_bound_keys_whose_use_is_written_give_way() {
        let cache = Cache::default();
        for number in 0..u64::try_from(KEYS_MAX).unwrap() {
            cache
                .remember(key(number, i64::from(number < 10)), 0)
                .unwrap();
        }
        assert!(cache.is_full());
        cache.remember(key(u64::MAX, 0), 0).unwrap();
        assert_eq!(cache.read().len(), 11);
        assert_eq!(cache.used_since_written().len(), 10);
    }

    #[test]
    fn a_key_that_is_read_again_keeps_its_use() {
        let cache = Cache::default();
        cache.remember(key(1, 7), 0).unwrap();
        let again = cache.remember(key(1, 0), 0).unwrap();
        assert_eq!(again.last_used_ms.load(Ordering::Relaxed), 7);
    }
}
