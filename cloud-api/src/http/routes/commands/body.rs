//! A command as answers show it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::command::{Command, CommandState, CommandStatus};
use crate::http::document::one_of;
use crate::http::time;

/// The end of a command: the charge point's answer, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CommandAnswer {
    /// Its id, also of its OCPP message.
    #[schema(example = "cmd_01hx2b3c4d5e6f7g8h9jkmnpqr")]
    command_id: String,
    /// To whom.
    #[schema(example = "cp_01hx2b3c4d5e6f")]
    charge_point_id: String,
    /// What was ordered.
    #[schema(example = "soft_reset")]
    command: String,
    /// `Timeout` when the charge point did not answer in time; `Error` when the command could not be
    /// sent or was answered with an error, which `error` tells.
    #[schema(schema_with = statuses)]
    status: &'static str,
    /// The answer's payload; null if there is none.
    #[schema(required, value_type = Option<Object>)]
    response: Option<Value>,
    /// What went wrong; only with `Error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<String>,
    /// From sending to the answer; null if it was not sent.
    #[schema(required, example = 184)]
    response_time_ms: Option<i64>,
    /// When it was sent; null if it was not.
    #[schema(required, format = DateTime, example = "2026-05-01T09:14:05Z")]
    sent_at: Option<String>,
}

impl From<Command> for CommandAnswer {
    fn from(command: Command) -> Self {
        let status = command.status().unwrap_or(CommandStatus::Timeout);
        Self {
            command_id: command.id.to_string(),
            status: status.as_str(),
            response_time_ms: command.response_time_ms(),
            sent_at: command.sent_at.map(time::shown),
            charge_point_id: command.charge_point,
            command: command.command,
            response: command.response,
            error: command.error,
        }
    }
}

/// A command with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Command)]
pub(crate) struct CommandBody {
    /// Its id, also of its OCPP message.
    #[schema(example = "cmd_01hx2b3c4d5e6f7g8h9jkmnpqr")]
    command_id: String,
    /// To whom.
    #[schema(example = "cp_01hx2b3c4d5e6f")]
    charge_point_id: String,
    /// What was ordered.
    #[schema(example = "start_session")]
    command: String,
    /// Its parameters, as they were ordered.
    #[schema(value_type = Object)]
    parameters: Value,
    /// How far it is.
    #[schema(schema_with = states)]
    state: &'static str,
    /// Its states so far, each with its time.
    states: Vec<StateBody>,
    /// The answer in one word; null while there is none.
    #[schema(required, schema_with = statuses)]
    status: Option<&'static str>,
    /// The answer's payload; null if there is none.
    #[schema(required, value_type = Option<Object>)]
    response: Option<Value>,
    /// What went wrong; null if nothing did.
    #[schema(required)]
    error: Option<String>,
    /// From sending to the answer.
    #[schema(required, example = 184)]
    response_time_ms: Option<i64>,
    /// When it was sent.
    #[schema(required, format = DateTime)]
    sent_at: Option<String>,
    /// The session that a start led to, or that a stop ended; null where there is none (yet).
    #[schema(required, example = "sess_01hx2b3c4d5e6f7g8h9jkmnpqr")]
    session_id: Option<String>,
    /// How far the charge point told it is with firmware or diagnostics, oldest first.
    progress: Vec<ProgressBody>,
    /// Id of the API key that ordered it.
    #[schema(example = "key_01hx2b3c4d5e6f7g8h9jkmnpqr")]
    created_by: String,
    /// The raw frames; passwords are left out.
    frames: CommandFrames,
}

/// A state of a command.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CommandState)]
pub(crate) struct StateBody {
    /// Which: `queued`, `sent`, then one of `accepted`, `rejected`, `timed_out`, `failed`, then
    /// `completed`, `expired`, or `failed` when the charge point tells so afterwards.
    #[schema(example = "sent")]
    state: &'static str,
    /// Since when, to the millisecond.
    #[schema(format = DateTime, example = "2026-05-01T09:14:05.012Z")]
    at: String,
}

/// What a charge point told of an order that it had accepted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CommandProgress)]
pub(crate) struct ProgressBody {
    /// In its own word.
    #[schema(example = "Downloading")]
    status: String,
    /// When.
    #[schema(format = DateTime, example = "2026-05-01T09:14:05.012Z")]
    at: String,
}

/// The raw frames of a command.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CommandFrames {
    /// As it was sent.
    #[schema(required)]
    request: Option<String>,
    /// As it was answered.
    #[schema(required)]
    response: Option<String>,
}

impl CommandBody {
    pub(super) fn of(command: Command, now: Timestamp) -> Self {
        let states = command.states(now).into_iter();
        let states = states.map(|(state, at)| StateBody {
            state,
            at: time::shown_to_the_ms(at),
        });
        let progress = command.progress.iter().map(|one| ProgressBody {
            status: one.status.clone(),
            at: time::shown_to_the_ms(one.at),
        });
        Self {
            command_id: command.id.to_string(),
            progress: progress.collect(),
            state: command.state(now).as_str(),
            states: states.collect(),
            status: command.status().map(CommandStatus::as_str),
            response_time_ms: command.response_time_ms(),
            sent_at: command.sent_at.map(time::shown),
            charge_point_id: command.charge_point,
            command: command.command,
            parameters: command.parameters,
            response: command.response,
            error: command.error,
            session_id: command.session,
            created_by: command.created_by,
            frames: CommandFrames {
                request: command.request_frame,
                response: command.response_frame,
            },
        }
    }
}

fn statuses() -> Object {
    let all = CommandStatus::ALL.iter();
    one_of(all.map(|status| status.as_str()), "Accepted")
}

fn states() -> Object {
    let all = CommandState::ALL.iter();
    one_of(all.map(|state| state.as_str()), "completed")
}
