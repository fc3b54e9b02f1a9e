//! A call of OCPP as requests name it and answers tell it.

use serde::Serialize;
use serde_json::Value;
use site_model::ChargePointId;
use utoipa::ToSchema;

use crate::command::{Command, CommandStatus};
use crate::http::body::Fields;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::idempotency::{IdempotencyKey, Made, Once};
use crate::http::requirement::WriteCommands;
use crate::http::routes::commands::wish::{TIMEOUT_MAX_S, TIMEOUT_S, invalid};
use crate::http::routes::commands::{Giver, Ready, check_own, give};
use crate::http::state::ApiState;
use crate::http::time;
use crate::ocpp16::orders::Call;

use axum::http::StatusCode;
use axum::response::Response;

/// What became of a call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallAnswer {
    /// To whom.
    #[schema(example = "cp_01hx2b3c4d5e6f")]
    charge_point_id: String,
    /// Id of the command, also of its OCPP message.
    #[schema(example = "cmd_01hx2b3c4d5e6f7g8h9jkmnpqr")]
    command_id: String,
    /// The action.
    #[schema(example = "ChangeAvailability")]
    command: String,
    /// `Accepted`, `Rejected`, `Timeout` or `Error`.
    #[schema(example = "Accepted")]
    status: &'static str,
    /// The payload that came back; null if none did.
    #[schema(required, value_type = Option<Object>)]
    response: Option<Value>,
    /// What went wrong; only with `Error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<String>,
    /// When it was sent; null if it was not.
    #[schema(required, format = DateTime, example = "2026-05-01T09:14:05Z")]
    sent_at: Option<String>,
    /// From sending to the answer; null if it was not sent.
    #[schema(required, example = 184)]
    response_time_ms: Option<i64>,
}

impl From<Command> for CallAnswer {
    fn from(command: Command) -> Self {
        let status = command.status().unwrap_or(CommandStatus::Timeout);
        Self {
            command_id: command.id.to_string(),
            status: status.as_str(),
            response_time_ms: command.response_time_ms(),
            sent_at: command.sent_at.map(time::shown),
            charge_point_id: command.charge_point,
            command: command.action,
            response: command.response,
            error: command.error,
        }
    }
}

/// To whom, and how long the answer is waited for.
#[derive(Debug)]
pub(super) struct Addressed {
    pub(super) charge_point: ChargePointId,
    pub(super) timeout_s: u32,
}

impl Addressed {
    pub(super) fn take(fields: &mut Fields) -> Option<Self> {
        let timeout = fields.integer("timeout_seconds", 1..=TIMEOUT_MAX_S);
        Some(Self {
            charge_point: fields.charge_point_id()?,
            timeout_s: timeout.unwrap_or(TIMEOUT_S),
        })
    }
}

/// Makes the call once and tells what became of it.
pub(super) async fn answer(
    state: &ApiState,
    caller: Caller<WriteCommands>,
    mark: IdempotencyKey,
    body_hash: [u8; 32],
    path: &'static str,
    (to, action, payload): (Addressed, String, Value),
) -> Result<Response, ApiError> {
    let call = Call::new(&action, payload).map_err(invalid)?;
    check_own(state, caller.organisation(), &to.charge_point).await?;
    let once = Once {
        organisation: caller.organisation().clone(),
        mark,
        request: format!("POST /api/v1/ocpp16/{path}"),
        body_hash,
    };
    let making = {
        let (state, giver) = (state.clone(), Giver::from(&caller));
        async move {
            let ready = Ready {
                command: action,
                parameters: call.payload.clone(),
                call,
                timeout_s: to.timeout_s,
            };
            let command = give(&state, &giver, &to.charge_point, ready).await?;
            Ok(Made::new(StatusCode::OK, &CallAnswer::from(command)))
        }
    };
    once.answer(state, making).await
}
