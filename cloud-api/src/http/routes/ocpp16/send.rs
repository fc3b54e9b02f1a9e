//! POST `/ocpp16/send_command`.

use axum::extract::State;
use axum::response::Response;
use serde_json::Value;
use site_model::ChargePointId;
use utoipa::ToSchema;

use super::body::{Addressed, CallAnswer, answer};
use crate::http::body::{Fields, FromFields};
use crate::http::caller::CallerWith;
use crate::http::error::ApiError;
use crate::http::idempotency::IdempotencyKey;
use crate::http::requirement::WriteCommands;
use crate::http::state::ApiState;

/// A call of OCPP 1.6.
#[derive(Debug, ToSchema)]
pub(crate) struct Ocpp16Command {
    /// To whom.
    #[schema(value_type = String, example = "cp_01hx2b3c4d5e6f")]
    charge_point_id: ChargePointId,
    /// The action, as OCPP spells it.
    #[schema(example = "GetConfiguration")]
    command: String,
    /// Its payload, as OCPP has it.
    #[schema(value_type = Option<Object>)]
    payload: Value,
    /// How long the answer is waited for; 10 if left out.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 60)]
    timeout_seconds: u32,
}

impl FromFields for Ocpp16Command {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let to = Addressed::take(fields);
        let command = fields.text("command", 1..=64);
        let payload = match fields.optional("payload") {
            None => Some(Value::Object(serde_json::Map::new())),
            Some(object @ Value::Object(_)) => Some(object),
            Some(_) => {
                fields.fault("payload", "must be an object");
                None
            }
        };
        let to = to?;
        Some(Self {
            charge_point_id: to.charge_point,
            command: command?,
            payload: payload?,
            timeout_seconds: to.timeout_s,
        })
    }
}

/// Send OCPP 1.6 call
///
/// Any action that a charge point takes, with its payload as OCPP has it. The payload is held to the
/// official schema before anything is sent.
#[utoipa::path(
    post,
    path = "/api/v1/ocpp16/send_command",
    tag = "OCPP 1.6",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "The client's mark of this attempt, kept for 24 h.")),
    request_body = Ocpp16Command,
    responses(
        (status = 200, description = "What became of it.", body = CallAnswer),
        (status = 404, description = "No charge point has this id."),
        (status = 409, description = "The charge point is offline, or its OCPP socket is closed; nothing was sent."),
        (status = 422, description = "The `Idempotency-Key` was used before with another body."),
    ),
)]
pub(super) async fn send_command(
    State(state): State<ApiState>,
    mark: IdempotencyKey,
    CallerWith {
        caller,
        body,
        body_hash,
    }: CallerWith<WriteCommands, Ocpp16Command>,
) -> Result<Response, ApiError> {
    let to = Addressed {
        charge_point: body.charge_point_id,
        timeout_s: body.timeout_seconds,
    };
    let what = (to, body.command, body.payload);
    answer(&state, caller, mark, body_hash, "send_command", what).await
}
