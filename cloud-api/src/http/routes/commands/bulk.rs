//! POST `/cpo/commands/bulk`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use site_model::ChargePointId;
use tokio::task::JoinSet;
use utoipa::ToSchema;

use super::body::CommandAnswer;
use super::wish::CommandOrder;
use super::{Giver, give};
use crate::http::body::{Fields, FromFields};
use crate::http::caller::CallerWith;
use crate::http::error::ApiError;
use crate::http::idempotency::{IdempotencyKey, Made, Once};
use crate::http::requirement::WriteCommands;
use crate::http::state::ApiState;

/// Most charge points of one request.
const CHARGE_POINTS_MAX: usize = 500;

/// An order to many.
#[derive(Debug, ToSchema)]
pub(crate) struct BulkOrder {
    /// To whom: 1 to 500 ids; a repeated one counts once.
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 500)]
    charge_point_ids: Vec<ChargePointId>,
    #[serde(flatten)]
    order: CommandOrder,
}

/// What became of each.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkAnswer {
    /// One result for each charge point, in the order of the request.
    results: Vec<BulkResult>,
    /// How many there are.
    total: usize,
}

/// What became of one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkResult {
    /// To whom.
    charge_point_id: String,
    /// The command, where it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    result: Option<CommandAnswer>,
    /// Why it was not, as the error of a single command would say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Object>)]
    error: Option<Value>,
}

impl FromFields for BulkOrder {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let charge_point_ids = ids(fields);
        let order = CommandOrder::from_fields(fields);
        Some(Self {
            charge_point_ids: charge_point_ids?,
            order: order?,
        })
    }
}

fn ids(fields: &mut Fields) -> Option<Vec<ChargePointId>> {
    let value = fields.required("charge_point_ids")?;
    let Value::Array(items) = value else {
        fields.fault("charge_point_ids", "must be an array");
        return None;
    };
    if !(1..=CHARGE_POINTS_MAX).contains(&items.len()) {
        let rule = format!("must be 1 to {CHARGE_POINTS_MAX} ids");
        fields.fault("charge_point_ids", rule);
        return None;
    }
    let mut ids = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        match item.as_str().map(ChargePointId::new) {
            Some(Ok(id)) if ids.contains(&id) => {}
            Some(Ok(id)) => ids.push(id),
            Some(Err(_)) | None => {
                fields.fault(
                    format!("charge_point_ids[{place}]"),
                    "is no id of a charge point",
                );
            }
        }
    }
    Some(ids)
}

/// Send command to many
///
/// In parallel; one result for each. A charge point that is not the organisation's is answered as one
/// that does not exist.
#[utoipa::path(
    post,
    path = "/api/v1/cpo/commands/bulk",
    tag = "Commands",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "The client's mark of this attempt, kept for 24 h.")),
    request_body = BulkOrder,
    responses(
        (status = 200, description = "What became of each.", body = BulkAnswer),
        (status = 422, description = "The `Idempotency-Key` was used before with another body."),
    ),
)]
pub(super) async fn give_commands(
    State(state): State<ApiState>,
    mark: IdempotencyKey,
    CallerWith {
        caller,
        body,
        body_hash,
    }: CallerWith<WriteCommands, BulkOrder>,
) -> Result<Response, ApiError> {
    let organisation = caller.organisation().clone();
    let once = Once {
        organisation: organisation.clone(),
        mark,
        request: "POST /api/v1/cpo/commands/bulk".to_owned(),
        body_hash,
    };
    let making = {
        let (state, giver) = (state.clone(), Giver::from(&caller));
        async move {
            let ready = body.order.ready(&state, &organisation).await?;
            let mut working = JoinSet::new();
            for (place, id) in body.charge_point_ids.iter().cloned().enumerate() {
                let (state, giver, ready) = (state.clone(), giver.clone(), ready.clone());
                working.spawn(async move { (place, give(&state, &giver, &id, ready).await) });
            }
            let mut done = working.join_all().await;
            done.sort_unstable_by_key(|(place, _)| *place);
            let results = body.charge_point_ids.iter().zip(done);
            let results = results.map(|(id, (_, command))| result(id, command));
            let results: Vec<_> = results.collect();
            let total = results.len();
            Ok(Made::new(StatusCode::OK, &BulkAnswer { results, total }))
        }
    };
    once.answer(&state, making).await
}

fn result(id: &ChargePointId, command: Result<crate::command::Command, ApiError>) -> BulkResult {
    let (result, error) = match command {
        Ok(command) => (Some(command.into()), None),
        Err(error) if error.status() == StatusCode::UNAUTHORIZED => {
            (None, Some(ApiError::not_found("charge point").as_value()))
        }
        Err(error) => (None, Some(error.as_value())),
    };
    BulkResult {
        charge_point_id: id.to_string(),
        result,
        error,
    }
}
