//! The raw frames of each charge point's socket: the latest are kept, with direction, latency and
//! validity. Written in batches beside the conversation, which never waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use site_model::ChargePointId;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::db::{Db, DbError, Row, Statement};
use crate::fleet::damaged;
use crate::id::mint;
use crate::words::words;

/// Frames that are kept of one charge point.
const KEPT: i64 = 500;
/// New frames of a charge point after which its oldest are looked for.
const PRUNE_EVERY: u32 = 50;
/// Frames that wait to be written; beyond it frames are left out and counted.
const WAITING_MAX: usize = 4_096;
/// Frames of one transaction.
const BATCH_MAX: usize = 256;
/// How long a frame waits for others.
const GATHER: Duration = Duration::from_millis(200);
/// Longest beginning of a frame that is kept, in bytes.
const TEXT_MAX: usize = 4_096;
/// Longest sentence about a frame that is kept, in bytes.
const VALIDITY_MAX: usize = 512;

words!(
    /// Which way a frame went.
    Direction {
        /// From the charge point.
        In = "in",
        /// To the charge point.
        Out = "out",
    }
);

words!(
    /// What a frame is.
    FrameKind {
        /// CALL.
        Call = "call",
        /// CALLRESULT.
        Result = "result",
        /// CALLERROR.
        Error = "error",
        /// No frame of OCPP.
        Unreadable = "unreadable",
    }
);

/// A frame as it is noted.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) charge_point: ChargePointId,
    pub(super) at: Timestamp,
    pub(super) direction: Direction,
    pub(super) kind: FrameKind,
    pub(super) message_id: Option<String>,
    pub(super) action: Option<&'static str>,
    pub(super) text: String,
    pub(super) latency: Option<Duration>,
    /// What is wrong with it, or was tolerated; `None`: nothing.
    pub(super) fault: Option<String>,
}

/// A frame as it is read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameRow {
    /// Its place in the log.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Which way.
    pub direction: Direction,
    /// What it is.
    pub kind: FrameKind,
    /// Id of its message.
    pub message_id: Option<String>,
    /// Its action, also of an answer.
    pub action: Option<String>,
    /// Its length in bytes.
    pub bytes: u64,
    /// The frame; its beginning where it is long. Passwords are left out.
    pub frame: String,
    /// From a call to its answer, in ms.
    pub latency_ms: Option<u64>,
    /// `valid`, or what is wrong with it or was tolerated.
    pub validity: String,
}

/// Takes frames to be written.
#[derive(Debug, Clone)]
pub struct Recorder {
    waiting: mpsc::Sender<Box<Noted>>,
    left_out: Arc<AtomicU64>,
}

impl Recorder {
    /// Notes a frame; when too many wait, it is left out.
    pub(super) fn note(&self, noted: Noted) {
        if self.waiting.try_send(Box::new(noted)).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The frames in the database.
#[derive(Debug, Clone)]
pub struct Frames {
    db: Db,
}

impl Frames {
    /// The frames kept in `db`.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// Begins to write frames; it ends when every recorder is gone.
    #[must_use]
    pub fn record(&self) -> (Recorder, JoinHandle<()>) {
        let (waiting, noted) = mpsc::channel(WAITING_MAX);
        let left_out = Arc::new(AtomicU64::new(0));
        let recorder = Recorder {
            waiting,
            left_out: Arc::clone(&left_out),
        };
        (
            recorder,
            tokio::spawn(write(self.db.clone(), noted, left_out)),
        )
    }

    /// Up to `limit` frames of a charge point, newest first, before the frame with the id `before`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn list(
        &self,
        charge_point: &ChargePointId,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<FrameRow>, DbError> {
        let rows = self
            .db
            .query(
                "SELECT * FROM frames
                 WHERE charge_point_id = $1 AND (CAST($2 AS TEXT) IS NULL OR id < $2)
                 ORDER BY id DESC LIMIT $3",
                vec![charge_point.as_str().into(), before.into(), limit.into()],
            )
            .await?;
        rows.iter().map(read).collect()
    }

    /// How many frames of a charge point are kept.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn count(&self, charge_point: &ChargePointId) -> Result<u64, DbError> {
        let sql = "SELECT COUNT(*) AS total FROM frames WHERE charge_point_id = $1";
        let rows = self
            .db
            .query(sql, vec![charge_point.as_str().into()])
            .await?;
        rows.first().map_or(Ok(0), |row| row.unsigned("total"))
    }
}

async fn write(db: Db, mut noted: mpsc::Receiver<Box<Noted>>, left_out: Arc<AtomicU64>) {
    let mut since_pruned: HashMap<ChargePointId, u32> = HashMap::new();
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while let Some(first) = noted.recv().await {
        batch.push(first);
        let _gathered = tokio::time::timeout(GATHER, async {
            while batch.len() < BATCH_MAX {
                match noted.recv().await {
                    Some(next) => batch.push(next),
                    None => break,
                }
            }
        })
        .await;
        let mut statements = Vec::with_capacity(batch.len());
        for noted in batch.drain(..) {
            let count = since_pruned
                .entry(noted.charge_point.clone())
                .or_insert(PRUNE_EVERY);
            *count += 1;
            let prune = (*count > PRUNE_EVERY).then(|| prune(&noted.charge_point));
            if prune.is_some() {
                *count = 0;
            }
            statements.push(insert(*noted));
            statements.extend(prune);
        }
        if let Err(error) = db.transaction(statements).await {
            tracing::warn!(%error, "Frames were not written to the log");
        }
        let frames = left_out.swap(0, Ordering::Relaxed);
        if frames > 0 {
            tracing::warn!(
                frames,
                "Frames were left out of the log: more came than could be written"
            );
        }
    }
}

fn insert(noted: Noted) -> Statement {
    let text = ocpp::redacted(&noted.text);
    let bytes = i64::try_from(noted.text.len()).unwrap_or(i64::MAX);
    let latency = noted.latency.map(|span| span.as_millis());
    let latency_ms = latency.and_then(|ms| i64::try_from(ms).ok());
    let validity = noted.fault.as_deref().unwrap_or("valid");
    Statement::new(
        "INSERT INTO frames
           (id, charge_point_id, at_ms, direction, kind, message_id, action, bytes, frame,
            latency_ms, validity)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        vec![
            mint("frm", noted.at).into(),
            noted.charge_point.as_str().into(),
            noted.at.as_millisecond().into(),
            noted.direction.as_str().into(),
            noted.kind.as_str().into(),
            noted.message_id.into(),
            noted.action.into(),
            bytes.into(),
            beginning(&text, TEXT_MAX).into(),
            latency_ms.into(),
            beginning(validity, VALIDITY_MAX).into(),
        ],
    )
}

fn prune(charge_point: &ChargePointId) -> Statement {
    Statement::new(
        "DELETE FROM frames WHERE charge_point_id = $1 AND id <=
         (SELECT id FROM frames WHERE charge_point_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
        vec![charge_point.as_str().into(), KEPT.into()],
    )
}

/// The beginning of a text, at most so many bytes and never half a character.
fn beginning(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

fn read(row: &Row) -> Result<FrameRow, DbError> {
    let text = |column| Ok::<_, DbError>(row.opt_text(column)?.map(str::to_owned));
    let latency = row.opt_int("latency_ms")?.map(u64::try_from).transpose();
    Ok(FrameRow {
        id: row.text("id")?.to_owned(),
        at: Timestamp::from_millisecond(row.int("at_ms")?).map_err(|_| damaged("at_ms"))?,
        direction: Direction::parse(row.text("direction")?).ok_or_else(|| damaged("direction"))?,
        kind: FrameKind::parse(row.text("kind")?).ok_or_else(|| damaged("kind"))?,
        message_id: text("message_id")?,
        action: text("action")?,
        bytes: row.unsigned("bytes")?,
        frame: row.text("frame")?.to_owned(),
        latency_ms: latency.map_err(|_| damaged("latency_ms"))?,
        validity: row.text("validity")?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_beyond_the_bound_are_left_out_and_counted_and_the_others_written() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("cloud.sqlite")).unwrap();
        let frames = Frames::new(db);
        let (recorder, writing) = frames.record();
        let charge_point = ChargePointId::new("CP-1").unwrap();
        // The writer gets no turn meanwhile.
        for number in 0..WAITING_MAX + 10 {
            recorder.note(Noted {
                charge_point: charge_point.clone(),
                at: Timestamp::from_second(1_777_626_845).unwrap(),
                direction: Direction::In,
                kind: FrameKind::Call,
                message_id: Some(number.to_string()),
                action: None,
                text: "[]".to_owned(),
                latency: None,
                fault: None,
            });
        }
        assert_eq!(recorder.left_out.load(Ordering::Relaxed), 10);
        drop(recorder);
        writing.await.unwrap();
        let kept = frames.count(&charge_point).await.unwrap();
        let most = u64::try_from(KEPT).unwrap() + u64::from(PRUNE_EVERY);
        assert!((1..=most).contains(&kept), "{kept}");
    }
}
