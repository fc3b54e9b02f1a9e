//! Requests per key and UTC clock hour, counted exactly.
//!
//! A key's requests are set aside in the database in blocks of at most 1 % of its limit before they
//! pass, so that after a crash never more than the limit pass and at most one block fewer;
//! [`Quotas::close`] gives the unused rest of the blocks back.

mod window;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use jiff::Timestamp;

use crate::db::{Db, DbError, Param, Statement};
use crate::id::{ApiKeyId, InstallerId};

pub use window::Allowance;
use window::{Step, Window};

/// Seconds of a window.
pub const WINDOW_SECONDS: i64 = 3_600;
/// Requests of one installer per hour; counted in memory only.
pub const INSTALLER_HOURLY_LIMIT: u64 = 1_000;
/// Keys counted at once before those that rested for an hour are forgotten.
const COUNTERS_MAX: usize = 10_000;
/// Other programs that change the same row between our reading and writing, before giving up.
const ATTEMPTS_MAX: usize = 16;

/// Whether a request passes, and what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It passes and is counted.
    Passed(Allowance),
    /// The hour's requests are used up; it is not counted.
    Exhausted(Allowance),
}

/// The counts of all keys; clones share them.
#[derive(Debug, Clone)]
pub struct Quotas {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    db: Db,
    keys: RwLock<HashMap<ApiKeyId, Arc<Counter>>>,
    installers: Mutex<HashMap<InstallerId, Window>>,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Counter {
    window: Mutex<Window>,
    /// Held while a block is fetched, so that one request fetches it and the others wait.
    refill: tokio::sync::Mutex<()>,
}

/// The way from a key that is in use to its count, found once. While somebody has it, the count is
/// not forgotten.
#[derive(Debug, Default)]
pub struct Counted(OnceLock<Arc<Counter>>);

impl Counter {
    fn window(&self) -> std::sync::MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Quotas {
    /// Counts that live in this database.
    #[must_use]
    pub fn new(db: Db) -> Self {
        let shared = Shared {
            db,
            keys: RwLock::default(),
            installers: Mutex::default(),
            closed: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Counts one request of a key against `limit` requests per hour. `counted` belongs to this key.
    ///
    /// # Errors
    /// [`DbError`] when a block cannot be set aside: the request must not pass. Also after [`Quotas::close`].
    pub async fn take(
        &self,
        key: &ApiKeyId,
        counted: &Counted,
        limit: u64,
        now: Timestamp,
    ) -> Result<Verdict, DbError> {
        let hour = now.as_second().div_euclid(WINDOW_SECONDS);
        let counter = counted.0.get_or_init(|| self.counter(key, hour));
        loop {
            let step = counter.window().take(hour, limit);
            match step {
                Step::Passed(allowance) => return Ok(Verdict::Passed(allowance)),
                Step::Exhausted(allowance) => return Ok(Verdict::Exhausted(allowance)),
                Step::Closed => return Err(DbError::Closed),
                Step::Refill => {}
            }
            let _one_at_a_time = counter.refill.lock().await;
            let present = *counter.window();
            if present.needs_refill(hour, limit) {
                let refilled = self.reserve(key, present, hour, limit).await?;
                let mut window = counter.window();
                if !window.is_closed() {
                    *window = refilled;
                }
            }
        }
    }

    /// Counts one request of an installer. A restart forgets the count.
    #[must_use]
    pub fn take_installer(&self, installer: &InstallerId, now: Timestamp) -> Verdict {
        let hour = now.as_second().div_euclid(WINDOW_SECONDS);
        let mut installers = self
            .shared
            .installers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if installers.len() >= COUNTERS_MAX && !installers.contains_key(installer) {
            installers.retain(|_, window| window.hour() >= hour);
        }
        let window = installers.entry(installer.clone()).or_default();
        if window.hour() != hour {
            *window = Window::new(hour, 0, INSTALLER_HOURLY_LIMIT);
        }
        match window.take(hour, INSTALLER_HOURLY_LIMIT) {
            Step::Passed(allowance) => Verdict::Passed(allowance),
            Step::Exhausted(allowance) => Verdict::Exhausted(allowance),
            Step::Refill | Step::Closed => {
                Verdict::Exhausted(Allowance::none(INSTALLER_HOURLY_LIMIT, hour))
            }
        }
    }

    /// Writes the exact counts; whatever is taken later fails. Call it when no request is left.
    ///
    /// # Errors
    /// [`DbError`]; the counts then stand as after a crash.
    pub async fn close(&self) -> Result<(), DbError> {
        self.shared.closed.store(true, Ordering::SeqCst);
        let counters: Vec<(ApiKeyId, Arc<Counter>)> = {
            let keys = self
                .shared
                .keys
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            keys.iter()
                .map(|(key, counter)| (key.clone(), Arc::clone(counter)))
                .collect()
        };
        let mut statements = Vec::new();
        for (key, counter) in counters {
            let _no_refill = counter.refill.lock().await;
            let last = counter.window().close();
            if last.used() < last.reserved() {
                let params = vec![
                    key.as_str().into(),
                    last.hour().into(),
                    stored(last.used()),
                    stored(last.reserved()),
                ];
                statements.push(Statement::new(GIVE_BACK, params));
            }
        }
        if !statements.is_empty() {
            self.shared.db.transaction(statements).await?;
        }
        Ok(())
    }

    fn counter(&self, key: &ApiKeyId, hour: i64) -> Arc<Counter> {
        let known = {
            let keys = self
                .shared
                .keys
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            keys.get(key).map(Arc::clone)
        };
        known.unwrap_or_else(|| {
            let mut keys = self
                .shared
                .keys
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            if keys.len() >= COUNTERS_MAX {
                // What is in nobody's hands and rested since the last hour is as good as in the database.
                keys.retain(|_, counter| {
                    Arc::strong_count(counter) > 1 || counter.window().hour() >= hour
                });
            }
            Arc::clone(keys.entry(key.clone()).or_default())
        })
    }

    /// Sets a block aside in the database and answers the window that may spend it.
    async fn reserve(
        &self,
        key: &ApiKeyId,
        present: Window,
        hour: i64,
        limit: u64,
    ) -> Result<Window, DbError> {
        let mut window = if present.covers(hour) {
            present
        } else {
            self.load(key, hour).await?
        };
        for _ in 0..ATTEMPTS_MAX {
            if self.shared.closed.load(Ordering::SeqCst) {
                return Err(DbError::Closed);
            }
            let Some(wanted) = window.next_reservation(limit) else {
                return Ok(window);
            };
            let params = vec![
                key.as_str().into(),
                window.hour().into(),
                stored(wanted),
                stored(window.reserved()),
            ];
            let block = Statement::new(SET_ASIDE, params).expecting(1);
            match self.shared.db.transaction(vec![block]).await {
                Ok(_) => return Ok(window.with_reserved(wanted)),
                // Another program counts this key too: what it set aside is used up for us.
                Err(DbError::Conflict { .. }) => window = self.load(key, hour).await?,
                Err(error) => return Err(error),
            }
        }
        Err(DbError::Engine(format!(
            "the quota of {key} changed under {ATTEMPTS_MAX} attempts to count a request"
        )))
    }

    /// The key's row for this hour, begun if it is of another one.
    async fn load(&self, key: &ApiKeyId, hour: i64) -> Result<Window, DbError> {
        let begin = vec![key.as_str().into(), hour.into()];
        self.shared.db.write(BEGIN_HOUR, begin).await?;
        let rows = self
            .shared
            .db
            .query(READ_HOUR, vec![key.as_str().into()])
            .await?;
        let row = rows
            .first()
            .ok_or_else(|| DbError::Engine(format!("the quota of {key} is gone")))?;
        let reserved = row.unsigned("reserved")?;
        Ok(Window::new(row.int("hour")?, reserved, reserved))
    }
}

/// A later row stays when it is of the next hour: a clock set back by a step of correction must not
/// open the hour twice. One further ahead was written under a wrong clock.
const BEGIN_HOUR: &str = "INSERT INTO key_quota (key_id, hour, reserved) VALUES ($1, $2, 0)
     ON CONFLICT (key_id) DO UPDATE SET hour = excluded.hour, reserved = 0
     WHERE key_quota.hour < excluded.hour OR key_quota.hour > excluded.hour + 1";
const READ_HOUR: &str = "SELECT hour, reserved FROM key_quota WHERE key_id = $1";
const SET_ASIDE: &str = "UPDATE key_quota SET reserved = $3
     WHERE key_id = $1 AND hour = $2 AND reserved = $4";
/// The same comparison: another program's blocks are not given back.
const GIVE_BACK: &str = SET_ASIDE;

fn stored(count: u64) -> Param {
    Param::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
