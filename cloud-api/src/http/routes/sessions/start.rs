//! POST `/sessions`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use site_model::ChargePointId;
use utoipa::ToSchema;

use crate::http::body::{Fields, FromFields};
use crate::http::caller::CallerWith;
use crate::http::error::ApiError;
use crate::http::idempotency::{IdempotencyKey, Made, Once};
use crate::http::requirement::{AnyOf, WriteCommands, WriteSessions};
use crate::http::routes::commands::body::CommandAnswer;
use crate::http::routes::commands::wish::{TIMEOUT_MAX_S, TIMEOUT_S, Wish, start_parameters};
use crate::http::routes::commands::{Giver, Ready, check_own, give};
use crate::http::state::ApiState;

/// A session to start.
#[derive(Debug, ToSchema)]
pub(crate) struct NewSession {
    /// Where.
    #[schema(value_type = String, example = "cp_01hx2b3c4d5e6f")]
    charge_point_id: ChargePointId,
    /// On which connector; left out, the charge point chooses.
    #[schema(minimum = 1, maximum = 255, example = 1)]
    connector_id: Option<u32>,
    /// What authorizes it.
    #[schema(min_length = 1, max_length = 20, example = "04A1B2C3D4E5F6")]
    id_tag: String,
    /// How long the charge point's answer is waited for; 10 if left out.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 60)]
    timeout_seconds: u32,
}

impl FromFields for NewSession {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let id = fields.charge_point_id();
        let connector_id = fields.integer("connector_id", 1..=255);
        let id_tag = fields.text("id_tag", 1..=20);
        let timeout = fields.integer("timeout_seconds", 1..=TIMEOUT_MAX_S);
        Some(Self {
            charge_point_id: id?,
            connector_id,
            id_tag: id_tag?,
            timeout_seconds: timeout.unwrap_or(TIMEOUT_S),
        })
    }
}

/// Start session
///
/// The same as the command `start_session`: `Accepted` is the charge point's word. The session that it
/// leads to is told by `GET /cpo/commands/{command_id}`.
#[utoipa::path(
    post,
    path = "/api/v1/sessions",
    tag = "Sessions",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "The client's mark of this attempt, kept for 24 h.")),
    request_body = NewSession,
    responses(
        (status = 200, description = "What became of it.", body = CommandAnswer),
        (status = 404, description = "No charge point has this id."),
        (status = 409, description = "The charge point is offline, or its OCPP socket is closed; nothing was sent."),
        (status = 422, description = "The `Idempotency-Key` was used before with another body."),
    ),
)]
pub(super) async fn start_session(
    State(state): State<ApiState>,
    mark: IdempotencyKey,
    CallerWith {
        caller,
        body,
        body_hash,
    }: CallerWith<AnyOf<WriteSessions, WriteCommands>, NewSession>,
) -> Result<Response, ApiError> {
    let organisation = caller.organisation().clone();
    check_own(&state, &organisation, &body.charge_point_id).await?;
    let once = Once {
        organisation: organisation.clone(),
        mark,
        request: "POST /api/v1/sessions".to_owned(),
        body_hash,
    };
    let making = {
        let (state, giver) = (state.clone(), Giver::from(&caller));
        async move {
            let wish = Wish::Start {
                connector: body.connector_id,
                id_tag: body.id_tag.clone(),
            };
            let ready = Ready {
                command: "start_session".to_owned(),
                parameters: start_parameters(body.connector_id, &body.id_tag),
                call: wish.call(&state, &organisation).await?,
                timeout_s: body.timeout_seconds,
            };
            let command = give(&state, &giver, &body.charge_point_id, ready).await?;
            Ok(Made::new(StatusCode::OK, &CommandAnswer::from(command)))
        }
    };
    once.answer(&state, making).await
}
