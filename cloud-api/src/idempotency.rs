//! Requests that were made before: the same mark and body get the same answer for 24 hours.

use jiff::SignedDuration;

use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::id::OrganisationId;

/// How long a mark is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// One attempt of a client at a request.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Whose client.
    pub organisation: OrganisationId,
    /// The client's mark.
    pub mark: String,
    /// Method and path.
    pub request: String,
    /// SHA-256 of the body.
    pub body_hash: [u8; 32],
}

/// What is known of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It is the first one with its mark; it was noted.
    First,
    /// It was made before, and answered like this.
    Answered {
        /// HTTP status.
        status: u16,
        /// JSON.
        body: Vec<u8>,
    },
    /// It was made before and created this; the answer held a secret and was not kept.
    Created(String),
    /// It was made before and has no answer yet.
    Pending,
    /// The mark was used for another request or another body.
    Other,
}

/// Marks and answers in the database.
#[derive(Debug, Clone)]
pub struct Attempts {
    db: Db,
    clock: Clock,
}

impl Attempts {
    /// Those kept in `db`.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// Notes an attempt, unless its mark is known.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn begin(&self, attempt: &Attempt) -> Result<Known, DbError> {
        let now = self.clock.now();
        let forget = "DELETE FROM idempotency WHERE expires_at_ms <= $1";
        self.db
            .write(forget, vec![now.as_millisecond().into()])
            .await?;
        let until = now.saturating_add(KEPT).unwrap_or(now);
        let insert = "INSERT INTO idempotency
               (organisation_id, idempotency_key, request, body_hash, created_id, expires_at_ms)
             VALUES ($1, $2, $3, $4, '', $5)
             ON CONFLICT (organisation_id, idempotency_key) DO NOTHING";
        let values = vec![
            attempt.organisation.as_str().into(),
            attempt.mark.as_str().into(),
            attempt.request.as_str().into(),
            attempt.body_hash.into(),
            until.as_millisecond().into(),
        ];
        if self.db.write(insert, values).await?.changed == 1 {
            return Ok(Known::First);
        }
        self.look_up(attempt).await
    }

    async fn look_up(&self, attempt: &Attempt) -> Result<Known, DbError> {
        let sql = "SELECT request, body_hash, created_id, status, answer FROM idempotency
                   WHERE organisation_id = $1 AND idempotency_key = $2";
        let rows = self.db.query(sql, key(attempt)).await?;
        // Forgotten a moment ago: the client tries again.
        let Some(row) = rows.first() else {
            return Ok(Known::Pending);
        };
        if row.text("request")? != attempt.request || row.blob("body_hash")? != attempt.body_hash {
            return Ok(Known::Other);
        }
        let created = row.text("created_id")?;
        let status = row.opt_int("status")?.map(u16::try_from);
        Ok(match status {
            Some(Ok(status)) => Known::Answered {
                status,
                body: row.blob("answer")?.to_vec(),
            },
            Some(Err(_)) => Known::Pending,
            None if created.is_empty() => Known::Pending,
            None => Known::Created(created.to_owned()),
        })
    }

    /// Keeps the answer of an attempt.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn answered(
        &self,
        attempt: &Attempt,
        status: u16,
        body: &[u8],
    ) -> Result<(), DbError> {
        let mut values = key(attempt);
        values.extend([i64::from(status).into(), body.to_vec().into()]);
        let sql = "UPDATE idempotency SET status = $3, answer = $4
                   WHERE organisation_id = $1 AND idempotency_key = $2";
        self.db.write(sql, values).await.map(|_done| ())
    }

    /// Keeps what an attempt created, instead of an answer with a secret.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn created(&self, attempt: &Attempt, id: &str) -> Result<(), DbError> {
        let mut values = key(attempt);
        values.push(id.into());
        let sql = "UPDATE idempotency SET created_id = $3
                   WHERE organisation_id = $1 AND idempotency_key = $2";
        self.db.write(sql, values).await.map(|_done| ())
    }

    /// Forgets an attempt that was refused and changed nothing: it may be made again.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn refused(&self, attempt: &Attempt) -> Result<(), DbError> {
        let sql = "DELETE FROM idempotency WHERE organisation_id = $1 AND idempotency_key = $2";
        self.db.write(sql, key(attempt)).await.map(|_done| ())
    }
}

fn key(attempt: &Attempt) -> Vec<crate::db::Param> {
    vec![
        attempt.organisation.as_str().into(),
        attempt.mark.as_str().into(),
    ]
}
