//! What is done from time to time: when charge points were heard last is written down, and what is
//! older than it is kept is deleted, in small batches so that nobody waits long behind one.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::db::{Db, DbError, Statement};
use crate::fleet::Fleet;
use crate::id::{CommandId, ReservationId, bound};

/// How often it is written down when charge points were heard last.
const HEARD_EVERY: Duration = Duration::from_secs(60);
/// After how many of these what is too old is deleted.
const PURGE_EVERY: u32 = 60;
/// Statements of one transaction.
const BATCH: usize = 256;
/// Rows that one statement deletes.
const ROWS: i64 = 500;
/// How long a batch leaves the database to others.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a command is kept after it was given.
const COMMANDS_KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long a reservation is kept after it ended and after it was made.
const RESERVATIONS_KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The work; clones share nothing but the database and the fleet.
#[derive(Debug, Clone)]
pub struct Housekeeping {
    db: Db,
    fleet: Fleet,
    clock: Clock,
}

impl Housekeeping {
    /// For this database and fleet.
    #[must_use]
    pub fn new(db: Db, fleet: Fleet, clock: Clock) -> Self {
        Self { db, fleet, clock }
    }

    /// Works until it is told to stop; then it writes down a last time what was heard.
    pub async fn run(self, stop: CancellationToken) {
        let mut since = Timestamp::MIN;
        let mut rounds = 0;
        while stop
            .run_until_cancelled(tokio::time::sleep(HEARD_EVERY))
            .await
            .is_some()
        {
            since = self.note(since).await;
            rounds = (rounds + 1) % PURGE_EVERY;
            if rounds == 1 {
                let purged = stop.run_until_cancelled(self.purge()).await;
                if let Some(Err(error)) = purged {
                    tracing::warn!(%error, "What is too old could not be deleted; tried again in an hour");
                }
            }
        }
        self.note(since).await;
    }

    async fn note(&self, since: Timestamp) -> Timestamp {
        let now = self.clock.now();
        match self.save_heard(since).await {
            Ok(()) => now,
            Err(error) => {
                tracing::warn!(%error, "It was not written down when charge points were heard last");
                since
            }
        }
    }

    /// Writes down when charge points that connect themselves were heard last, of those that were
    /// heard at `since` or later.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn save_heard(&self, since: Timestamp) -> Result<(), DbError> {
        let heard = self.fleet.heard_since(since);
        for batch in heard.chunks(BATCH) {
            let statements = batch.iter().map(|(id, at)| {
                Statement::new(
                    "UPDATE charge_points SET heard_at_ms = $2 WHERE id = $1",
                    vec![id.as_str().into(), at.as_millisecond().into()],
                )
            });
            self.db.transaction(statements.collect()).await?;
        }
        Ok(())
    }

    /// Deletes what is older than it is kept.
    ///
    /// # Errors
    /// [`DbError`]; what was deleted until then is.
    pub async fn purge(&self) -> Result<(), DbError> {
        let now = self.clock.now();
        let before = |kept: SignedDuration| now.saturating_sub(kept).unwrap_or(Timestamp::MIN);
        // Ids begin with the time at which they were made, and are looked up by it.
        let given = before(COMMANDS_KEPT);
        let old_commands = Statement::new(
            "DELETE FROM commands WHERE id IN
             (SELECT id FROM commands WHERE id < $1 AND queued_at_ms < $3 ORDER BY id LIMIT $2)",
            vec![
                bound(CommandId::PREFIX, given).into(),
                ROWS.into(),
                given.as_millisecond().into(),
            ],
        );
        let reserved = before(RESERVATIONS_KEPT);
        let old_reservations = Statement::new(
            "DELETE FROM reservations WHERE id IN
             (SELECT id FROM reservations WHERE id < $1 AND expires_at_ms < $3 ORDER BY id LIMIT $2)",
            vec![
                bound(ReservationId::PREFIX, reserved).into(),
                ROWS.into(),
                reserved.as_millisecond().into(),
            ],
        );
        for statement in [old_commands, old_reservations] {
            loop {
                let done = self.db.transaction(vec![statement.clone()]).await?;
                let deleted = done.first().map_or(0, |done| done.changed);
                if deleted < ROWS.unsigned_abs() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }
}
