//! Commands: orders to charge points, each with its states and times, its raw frames, and what it
//! led to. The answer of a charge point ends its sending; what it does afterwards completes it.

mod availability;
mod dispatch;
mod progress;
mod reservation;

use jiff::Timestamp;
use serde_json::Value;
use site_model::ChargePointId;

use crate::clock::Clock;
use crate::db::{Db, DbError, Param, Row, Statement};
use crate::fleet::damaged;
use crate::id::{CommandId, OrganisationId};
use crate::station::{Fate, Outcome};
use crate::words::words;

pub use dispatch::{Dispatch, Unreachable};
pub use progress::Progress;
pub use reservation::{
    NewReservation, Reservation, ReservationFilter, ReservationState, Reservations,
};

/// How long after an accepted start its session may begin; ConnectionTimeOut of charge points is
/// rarely set beyond.
const START_WITHIN_MS: i64 = 180_000;
/// How long what was accepted may take until it is done; then it has expired. What is told later still
/// completes it.
const STOP_WITHIN_MS: i64 = 3_600_000;
const RESET_WITHIN_MS: i64 = 3_600_000;
const UPLOAD_WITHIN_MS: i64 = 86_400_000;
/// A car may stand for days before its session ends, and firmware may be fetched at a later date.
const SCHEDULED_WITHIN_MS: i64 = 7 * 86_400_000;
/// Longest frame that is kept with a command, in bytes.
const FRAME_MAX: usize = 16 * 1_024;

words!(
    /// What can be ordered.
    CommandName {
        /// Start a session.
        StartSession = "start_session",
        /// Stop a session.
        StopSession = "stop_session",
        /// Open for use.
        SetAvailable = "set_available",
        /// Close for use.
        SetUnavailable = "set_unavailable",
        /// Restart in order.
        SoftReset = "soft_reset",
        /// Restart at once.
        HardReset = "hard_reset",
        /// Limit the power.
        SetPowerLimit = "set_power_limit",
        /// Take the limit back.
        ClearPowerLimit = "clear_power_limit",
        /// Unlock a connector.
        UnlockConnector = "unlock_connector",
        /// Fetch firmware.
        UpdateFirmware = "update_firmware",
        /// Upload diagnostics.
        GetDiagnostics = "get_diagnostics",
        /// Replace the local list.
        SendLocalList = "send_local_list",
    }
);

words!(
    /// How far a command is.
    CommandState {
        /// It is on its way to the charge point.
        Queued = "queued",
        /// It was accepted; what it leads to may still come.
        Accepted = "accepted",
        /// It was rejected.
        Rejected = "rejected",
        /// No answer came in time.
        TimedOut = "timed_out",
        /// It could not be sent, was answered with an error, or its fate is not known.
        Failed = "failed",
        /// It is done.
        Completed = "completed",
        /// It was accepted, and what it should lead to was not told in time.
        Expired = "expired",
    }
);

words!(
    /// The answer to a command, in the words of the contract.
    CommandStatus {
        /// The charge point accepted it.
        Accepted = "Accepted",
        /// The charge point rejected it.
        Rejected = "Rejected",
        /// The charge point did not answer in time.
        Timeout = "Timeout",
        /// It could not be sent, or was answered with an error.
        Error = "Error",
    }
);

/// What the completion of a command is recognised by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// The connector it is about.
    pub connector: Option<i64>,
    /// The tag it is about, in lower case.
    pub folded: Option<String>,
    /// The transaction it is about.
    pub transaction: Option<String>,
    /// Whether it opens for use, or closes; `None`: neither.
    pub operative: Option<bool>,
    /// The version of the organisation's tokens that a local list was made from.
    pub token_version: Option<i64>,
}

/// A command to give.
#[derive(Debug, Clone)]
pub struct NewCommand {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// To whom.
    pub charge_point: ChargePointId,
    /// Its name, as it was ordered.
    pub command: String,
    /// The action of OCPP that it becomes.
    pub action: &'static str,
    /// The payload of OCPP, valid by its schema.
    pub payload: Value,
    /// Its parameters, as they were ordered.
    pub parameters: Value,
    /// Id of the key that ordered it.
    pub created_by: String,
    /// How long its answer is waited for, in seconds.
    pub timeout_s: u32,
    /// What its completion is recognised by.
    pub mark: Mark,
    /// The payload that is sent where the charge point rejects the first.
    pub instead: Option<Value>,
}

/// A command as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its id, also of its message.
    pub id: CommandId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// To whom.
    pub charge_point: String,
    /// Its name, as it was ordered.
    pub command: String,
    /// The action of OCPP that it became.
    pub action: String,
    /// Its parameters, as they were ordered, without passwords.
    pub parameters: Value,
    /// Id of the key that ordered it.
    pub created_by: String,
    /// When it was taken.
    pub queued_at: Timestamp,
    /// When it was written to the socket.
    pub sent_at: Option<Timestamp>,
    /// When its answer came, or was given up.
    pub answered_at: Option<Timestamp>,
    /// When what it led to was there.
    pub completed_at: Option<Timestamp>,
    /// When the charge point told that it failed after all.
    pub failed_at: Option<Timestamp>,
    /// How far the charge point told it is, oldest first.
    pub progress: Vec<Progress>,
    /// The answer's word for it; see [`Command::state`] for how far it is.
    answer: CommandState,
    /// What was answered.
    pub response: Option<Value>,
    /// What went wrong.
    pub error: Option<String>,
    /// The frame that was sent.
    pub request_frame: Option<String>,
    /// The frame that came back.
    pub response_frame: Option<String>,
    /// The session that it led to, or ended.
    pub session: Option<String>,
}

impl Command {
    /// How far it is.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> CommandState {
        if self.completed_at.is_some() {
            return CommandState::Completed;
        }
        if self.failed_at.is_some() {
            return CommandState::Failed;
        }
        if self.expired_at().is_some_and(|at| at <= now) {
            return CommandState::Expired;
        }
        self.answer
    }

    /// Its states so far, each with its time.
    #[must_use]
    pub fn states(&self, now: Timestamp) -> Vec<(&'static str, Timestamp)> {
        let mut states = vec![("queued", self.queued_at)];
        states.extend(self.sent_at.map(|at| ("sent", at)));
        states.extend(self.answered_at.map(|at| (self.answer.as_str(), at)));
        states.extend(self.completed_at.map(|at| ("completed", at)));
        states.extend(self.failed_at.map(|at| ("failed", at)));
        if self.completed_at.is_none() {
            let expired = self.expired_at().filter(|at| *at <= now);
            states.extend(expired.map(|at| ("expired", at)));
        }
        states
    }

    /// The answer in the contract's words; `None` while there is none.
    #[must_use]
    pub fn status(&self) -> Option<CommandStatus> {
        match self.answer {
            CommandState::Queued => None,
            CommandState::Accepted | CommandState::Completed | CommandState::Expired => {
                Some(CommandStatus::Accepted)
            }
            CommandState::Rejected => Some(CommandStatus::Rejected),
            CommandState::TimedOut => Some(CommandStatus::Timeout),
            CommandState::Failed => Some(CommandStatus::Error),
        }
    }

    /// From sending to the answer.
    #[must_use]
    pub fn response_time_ms(&self) -> Option<i64> {
        let (sent, answered) = (self.sent_at?, self.answered_at?);
        Some(answered.as_millisecond() - sent.as_millisecond())
    }

    fn expired_at(&self) -> Option<Timestamp> {
        if self.answer != CommandState::Accepted {
            return None;
        }
        let until = self.answered_at?.as_millisecond() + ends_within(&self.action);
        Timestamp::from_millisecond(until).ok()
    }
}

/// Which commands are asked for.
#[derive(Debug, Clone, Default)]
pub struct CommandFilter {
    /// To this charge point.
    pub charge_point: Option<String>,
    /// With this name.
    pub command: Option<String>,
    /// Given at this time or later.
    pub from: Option<Timestamp>,
    /// Given before this time.
    pub to: Option<Timestamp>,
    /// Older than the one with this id.
    pub before: Option<String>,
}

/// The commands in the database.
#[derive(Debug, Clone)]
pub struct Commands {
    db: Db,
    clock: Clock,
}

impl Commands {
    /// The commands kept in `db`.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// After a start: what was on its way when the server ended has failed, and says so.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn recover(&self) -> Result<(), DbError> {
        let sql = "UPDATE commands SET state = 'failed', answered_at_ms = $1,
                     error = 'the server stopped before the answer came; the charge point may have acted on it'
                   WHERE state = 'queued'";
        let now = self.clock.now().as_millisecond();
        self.db.write(sql, vec![now.into()]).await.map(|_done| ())
    }

    async fn create(&self, id: &CommandId, new: &NewCommand) -> Result<(), DbError> {
        let now = self.clock.now().as_millisecond();
        let values = vec![
            id.as_str().into(),
            new.organisation.as_str().into(),
            new.charge_point.as_str().into(),
            new.command.as_str().into(),
            new.action.into(),
            ocpp::redacted(&new.parameters.to_string())
                .into_owned()
                .into(),
            new.created_by.as_str().into(),
            new.timeout_s.into(),
            now.into(),
            new.mark.connector.into(),
            new.mark.folded.as_deref().into(),
            new.mark.transaction.as_deref().into(),
            new.mark.operative.into(),
        ];
        let sql = "INSERT INTO commands
                     (id, organisation_id, charge_point_id, command, action, parameters,
                      created_by, timeout_s, queued_at_ms, state, connector_id, folded,
                      transaction_id, operative)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'queued', $10, $11, $12, $13)";
        self.db.write(sql, values).await.map(|_done| ())
    }

    /// Writes down what became of a command.
    async fn answered(
        &self,
        id: &CommandId,
        new: &NewCommand,
        outcome: &Outcome,
    ) -> Result<(), DbError> {
        let now = self.clock.now().as_millisecond();
        let (state, response, error) = reading(&outcome.fate);
        let scheduled =
            matches!(&outcome.fate, Fate::Answered(answer) if answer["status"] == "Scheduled");
        let accepted = state == CommandState::Accepted;
        let done = accepted && !scheduled && ends_with_its_answer(new.action);
        if accepted && new.action == "ChangeAvailability" {
            self.replace_scheduled(id, new).await?;
        }
        let values: Vec<Param> = vec![
            id.as_str().into(),
            state.as_str().into(),
            outcome.sent_at.map(Timestamp::as_millisecond).into(),
            now.into(),
            response.into(),
            error.into(),
            kept(outcome.request_frame.as_deref()).into(),
            kept(outcome.response_frame.as_deref()).into(),
            done.then_some(now).into(),
        ];
        let sql = "UPDATE commands SET state = $2, sent_at_ms = $3, answered_at_ms = $4,
                     response = $5, error = $6, request_frame = $7, response_frame = $8,
                     completed_at_ms = CASE WHEN $2 = 'rejected' THEN NULL
                       ELSE COALESCE(completed_at_ms, $9) END
                   WHERE id = $1";
        self.db.write(sql, values).await.map(|_done| ())
    }

    /// The command with this id, of whichever organisation.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find(&self, id: &CommandId) -> Result<Option<Command>, DbError> {
        let sql = "SELECT * FROM commands WHERE id = $1";
        let rows = self.db.query(sql, vec![id.as_str().into()]).await?;
        rows.first().map(read).transpose()
    }

    /// Up to `limit` commands of an organisation after `offset`, newest first; and how many there are.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn list(
        &self,
        organisation: &OrganisationId,
        filter: &CommandFilter,
        limit: u32,
        offset: u32,
    ) -> Result<(Vec<Command>, u64), DbError> {
        let wanted = || -> Vec<Param> {
            vec![
                organisation.as_str().into(),
                filter.charge_point.as_deref().into(),
                filter.command.as_deref().into(),
                filter.from.map(Timestamp::as_millisecond).into(),
                filter.to.map(Timestamp::as_millisecond).into(),
            ]
        };
        let mut page = wanted();
        page.extend([filter.before.as_deref().into(), limit.into(), offset.into()]);
        let rows = self
            .db
            .query(
                "SELECT * FROM commands
                 WHERE organisation_id = $1
                   AND (CAST($2 AS TEXT) IS NULL OR charge_point_id = $2)
                   AND (CAST($3 AS TEXT) IS NULL OR command = $3)
                   AND (CAST($4 AS BIGINT) IS NULL OR queued_at_ms >= $4)
                   AND (CAST($5 AS BIGINT) IS NULL OR queued_at_ms < $5)
                   AND (CAST($6 AS TEXT) IS NULL OR id < $6)
                 ORDER BY id DESC LIMIT $7 OFFSET $8",
                page,
            )
            .await?;
        let count = self
            .db
            .query(
                "SELECT COUNT(*) AS total FROM commands
                 WHERE organisation_id = $1
                   AND (CAST($2 AS TEXT) IS NULL OR charge_point_id = $2)
                   AND (CAST($3 AS TEXT) IS NULL OR command = $3)
                   AND (CAST($4 AS BIGINT) IS NULL OR queued_at_ms >= $4)
                   AND (CAST($5 AS BIGINT) IS NULL OR queued_at_ms < $5)",
                wanted(),
            )
            .await?;
        let total = count.first().map_or(Ok(0), |row| row.unsigned("total"))?;
        let commands = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok((commands, total))
    }

    /// The charge point did what its latest command of this action asks for.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn complete(
        &self,
        charge_point: &ChargePointId,
        action: &'static str,
    ) -> Result<(), DbError> {
        let sql = "UPDATE commands SET completed_at_ms = $3 WHERE id =
                     (SELECT MAX(id) FROM commands
                      WHERE charge_point_id = $1 AND action = $2 AND completed_at_ms IS NULL
                        AND state IN ('queued', 'accepted', 'timed_out'))";
        let values = vec![
            charge_point.as_str().into(),
            action.into(),
            self.clock.now().as_millisecond().into(),
        ];
        self.db.write(sql, values).await.map(|_done| ())
    }

    /// A transaction began: the latest start for its tag on its connector, ordered not too long ago,
    /// led to it. The start's answer may still be on its way to be written down.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn start_led_to(
        &self,
        charge_point: &ChargePointId,
        connector: u8,
        folded: &str,
        transaction: &str,
    ) -> Result<(), DbError> {
        let now = self.clock.now().as_millisecond();
        let sql = "UPDATE commands SET completed_at_ms = $5, transaction_id = $6,
                     session_id = (SELECT session_id FROM transactions
                                   WHERE charge_point_id = $1 AND transaction_id = $6)
                   WHERE id =
                     (SELECT MAX(id) FROM commands
                      WHERE charge_point_id = $1 AND action = 'RemoteStartTransaction'
                        AND completed_at_ms IS NULL AND folded = $3
                        AND (connector_id IS NULL OR connector_id = $2)
                        AND state IN ('queued', 'accepted', 'timed_out') AND queued_at_ms >= $4)";
        let values = vec![
            charge_point.as_str().into(),
            connector.into(),
            folded.into(),
            now.saturating_sub(START_WITHIN_MS + 60_000).into(),
            now.into(),
            transaction.into(),
        ];
        self.db.write(sql, values).await.map(|_done| ())
    }

    /// A transaction ended: the stops that were ordered for it are done.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn stop_led_to_end(
        &self,
        charge_point: &ChargePointId,
        transaction: &str,
    ) -> Result<(), DbError> {
        let sql = "UPDATE commands SET completed_at_ms = $3,
                     session_id = (SELECT session_id FROM transactions
                                   WHERE charge_point_id = $1 AND transaction_id = $2)
                   WHERE charge_point_id = $1 AND action = 'RemoteStopTransaction'
                     AND transaction_id = $2 AND completed_at_ms IS NULL
                     AND state IN ('queued', 'accepted', 'timed_out')";
        let values = vec![
            charge_point.as_str().into(),
            transaction.into(),
            self.clock.now().as_millisecond().into(),
        ];
        self.db.write(sql, values).await.map(|_done| ())
    }

    /// A reservation led to a transaction.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn reservation_used(
        &self,
        charge_point: &ChargePointId,
        number: i64,
    ) -> Result<(), DbError> {
        let used = Statement::new(
            "UPDATE reservations SET state = 'used', updated_at_ms = $3
             WHERE charge_point_id = $1 AND number = $2 AND state IN ('pending', 'accepted')",
            vec![
                charge_point.as_str().into(),
                number.into(),
                self.clock.now().as_millisecond().into(),
            ],
        );
        self.db.transaction(vec![used]).await.map(|_done| ())
    }
}

/// Actions whose acceptance is not yet their end.
fn ends_with_its_answer(action: &str) -> bool {
    ![
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "Reset",
        "UpdateFirmware",
        "SignedUpdateFirmware",
        "GetDiagnostics",
        "GetLog",
    ]
    .contains(&action)
}

/// How long what was accepted may take until it is done, in ms.
fn ends_within(action: &str) -> i64 {
    match action {
        "RemoteStartTransaction" => START_WITHIN_MS,
        "RemoteStopTransaction" => STOP_WITHIN_MS,
        "Reset" => RESET_WITHIN_MS,
        "GetDiagnostics" | "GetLog" => UPLOAD_WITHIN_MS,
        // Firmware, and what was scheduled.
        _ => SCHEDULED_WITHIN_MS,
    }
}

/// State, response and error of what became of a call.
fn reading(fate: &Fate) -> (CommandState, Option<String>, Option<String>) {
    match fate {
        Fate::Answered(answer) => {
            let accepted = [
                "Accepted",
                "Scheduled",
                "Unlocked",
                "RebootRequired",
                "AcceptedCanceled",
            ];
            let state = match answer["status"].as_str() {
                Some(status) if !accepted.contains(&status) => CommandState::Rejected,
                Some(_) | None => CommandState::Accepted,
            };
            (state, Some(answer.to_string()), None)
        }
        Fate::Refused(code, description) => {
            let error = format!("the charge point answered {code}: {description}");
            (CommandState::Failed, None, Some(error))
        }
        Fate::NotUnderstood(why) => {
            let error = format!("the charge point's answer is not understood: {why}");
            (CommandState::Failed, None, Some(error))
        }
        Fate::TimedOut => (CommandState::TimedOut, None, None),
        Fate::Lost => {
            let error =
                "the socket closed before the answer came; the charge point may have acted on it";
            (CommandState::Failed, None, Some(error.to_owned()))
        }
        Fate::NotSent(why) => (CommandState::Failed, None, Some(format!("not sent: {why}"))),
    }
}

fn kept(frame: Option<&str>) -> Option<&str> {
    frame.map(|frame| &frame[..frame.floor_char_boundary(FRAME_MAX)])
}

fn read(row: &Row) -> Result<Command, DbError> {
    let text = |column| Ok::<_, DbError>(row.opt_text(column)?.map(str::to_owned));
    let time = |ms| Timestamp::from_millisecond(ms).map_err(|_| damaged("time"));
    let json = |column: &'static str| match row.opt_text(column)? {
        Some(text) => serde_json::from_str(text)
            .map(Some)
            .map_err(|_| damaged(column)),
        None => Ok(None),
    };
    let organisation = OrganisationId::parse(row.text("organisation_id")?);
    Ok(Command {
        id: CommandId::parse(row.text("id")?).ok_or_else(|| damaged("id"))?,
        organisation: organisation.ok_or_else(|| damaged("organisation_id"))?,
        charge_point: row.text("charge_point_id")?.to_owned(),
        command: row.text("command")?.to_owned(),
        action: row.text("action")?.to_owned(),
        parameters: json("parameters")?.unwrap_or_default(),
        created_by: row.text("created_by")?.to_owned(),
        queued_at: time(row.int("queued_at_ms")?)?,
        sent_at: row.opt_int("sent_at_ms")?.map(time).transpose()?,
        answered_at: row.opt_int("answered_at_ms")?.map(time).transpose()?,
        completed_at: row.opt_int("completed_at_ms")?.map(time).transpose()?,
        failed_at: row.opt_int("failed_at_ms")?.map(time).transpose()?,
        progress: progress::read(row.opt_text("progress")?.unwrap_or_default()),
        answer: CommandState::parse(row.text("state")?).ok_or_else(|| damaged("state"))?,
        response: json("response")?,
        error: text("error")?,
        request_frame: text("request_frame")?,
        response_frame: text("response_frame")?,
        session: text("session_id")?,
    })
}
