//! What a charge point does with an order after it accepted it: how far it told it is, and how it ended.

use jiff::Timestamp;
use site_model::ChargePointId;

use super::{Commands, NewCommand};
use crate::db::DbError;
use crate::ocpp16::{Abilities, taken};

/// What is kept of a command's progress, in bytes; the end is noted all the same.
const KEPT_MAX: i64 = 2_000;

/// What a charge point told of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// When it was told.
    pub at: Timestamp,
    /// Its word.
    pub status: String,
}

/// How an order stands by a word of a firmware, log or diagnostics notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// Nothing is being done.
    Idle,
    UnderWay,
    Done,
    Failed,
}

impl Stands {
    fn by(status: &str) -> Self {
        match status {
            "Idle" => Self::Idle,
            "Installed" | "Uploaded" => Self::Done,
            "DownloadFailed"
            | "InstallationFailed"
            | "InstallVerificationFailed"
            | "InvalidSignature"
            | "UploadFailed"
            | "UploadFailure"
            | "BadMessage"
            | "NotSupportedOperation"
            | "PermissionDenied" => Self::Failed,
            _ => Self::UnderWay,
        }
    }
}

impl Commands {
    /// The charge point told how far it is with the latest order of one of these actions.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn told(
        &self,
        charge_point: &ChargePointId,
        [one, other]: [&'static str; 2],
        status: &'static str,
    ) -> Result<(), DbError> {
        let stands = Stands::by(status);
        if stands == Stands::Idle {
            return Ok(());
        }
        let now = self.clock.now().as_millisecond();
        let (done, failed) = (stands == Stands::Done, stands == Stands::Failed);
        let sql = "UPDATE commands SET
                     progress = CASE WHEN LENGTH(COALESCE(progress, '')) < $5
                       THEN COALESCE(progress, '') || $4 ELSE progress END,
                     completed_at_ms = $6, failed_at_ms = $7, error = COALESCE($8, error)
                   WHERE id =
                     (SELECT MAX(id) FROM commands
                      WHERE charge_point_id = $1 AND action IN ($2, $3)
                        AND completed_at_ms IS NULL AND failed_at_ms IS NULL
                        AND state IN ('queued', 'accepted', 'timed_out'))";
        let values = vec![
            charge_point.as_str().into(),
            one.into(),
            other.into(),
            format!("{now} {status}\n").into(),
            KEPT_MAX.into(),
            done.then_some(now).into(),
            failed.then_some(now).into(),
            failed
                .then(|| format!("the charge point told {status}"))
                .into(),
        ];
        self.db.write(sql, values).await.map(|_done| ())
    }

    /// What else becomes true when a charge point accepts a command.
    pub(super) async fn accepted(&self, new: &NewCommand) -> Result<(), DbError> {
        let charge_point = &new.charge_point;
        let statement = match new.action {
            "SendLocalList" => {
                let version = new.payload["listVersion"].as_i64();
                taken(charge_point, version, new.mark.token_version)
            }
            "ChangeConfiguration" => Abilities::forget(charge_point),
            _ => return Ok(()),
        };
        self.db.transaction(vec![statement]).await.map(|_done| ())
    }

    /// The charge point took in amperes what it rejected in watts.
    pub(super) async fn takes_amperes(&self, charge_point: &ChargePointId) -> Result<(), DbError> {
        let now = self.clock.now().as_millisecond();
        let note = Abilities::note_amperes(charge_point, now);
        self.db.transaction(vec![note]).await.map(|_done| ())
    }
}

/// Progress from its lines; what cannot be read is left out.
pub(super) fn read(lines: &str) -> Vec<Progress> {
    let line = |line: &str| {
        let (ms, status) = line.split_once(' ')?;
        Some(Progress {
            at: Timestamp::from_millisecond(ms.parse().ok()?).ok()?,
            status: status.to_owned(),
        })
    };
    lines.lines().filter_map(line).collect()
}
