//! `/api/v1/cpo/commands`: orders to charge points, and what became of them.

pub(super) mod body;
mod bulk;
mod give;
mod list;
mod read;
pub(super) mod wish;

use serde_json::Value;
use site_model::ChargePointId;
use utoipa_axum::router::OpenApiRouter;

use crate::command::{Command, NewCommand, Unreachable};
use crate::http::caller::Caller;
use crate::http::endpoint::secured;
use crate::http::error::ApiError;
use crate::http::state::ApiState;
use crate::id::{ApiKeyId, OrganisationId};
use crate::ocpp16::orders::Call;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(secured!(list::list_commands))
        .routes(secured!(bulk::give_commands))
        .routes(secured!(give::give_command))
        .routes(secured!(read::read_command))
}

/// An order, ready to be given.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    /// Its name.
    pub(super) command: String,
    /// Its parameters, as they were ordered.
    pub(super) parameters: Value,
    /// What it is in OCPP.
    pub(super) call: Call,
    /// How long its answer is waited for.
    pub(super) timeout_s: u32,
}

/// Who gives an order.
#[derive(Debug, Clone)]
pub(super) struct Giver {
    organisation: OrganisationId,
    key: ApiKeyId,
}

impl<R, Q> From<&Caller<R, Q>> for Giver {
    fn from(caller: &Caller<R, Q>) -> Self {
        Self {
            organisation: caller.organisation().clone(),
            key: caller.key().id.clone(),
        }
    }
}

/// Gives an order to a charge point of the organisation.
pub(super) async fn give(
    state: &ApiState,
    giver: &Giver,
    charge_point: &ChargePointId,
    ready: Ready,
) -> Result<Command, ApiError> {
    check_own(state, &giver.organisation, charge_point).await?;
    let (call, instead) = for_this_one(state, charge_point, ready.call).await?;
    let new = NewCommand {
        organisation: giver.organisation.clone(),
        charge_point: charge_point.clone(),
        command: ready.command,
        action: call.action,
        payload: call.payload,
        parameters: ready.parameters,
        created_by: giver.key.to_string(),
        timeout_s: ready.timeout_s,
        mark: call.mark,
        instead,
    };
    Ok(state.stores().dispatch.give(new).await?)
}

/// The call as this charge point takes it, and what is sent where it rejects that.
async fn for_this_one(
    state: &ApiState,
    charge_point: &ChargePointId,
    call: Call,
) -> Result<(Call, Option<Value>), ApiError> {
    let Some(limit) = &call.limit else {
        return Ok((call, None));
    };
    let abilities = state.stores().charge_points.abilities(charge_point).await?;
    let live = state.fleet().find(charge_point);
    let connectors = live.iter().flat_map(|live| &live.connectors);
    let whole = limit.connector() == 0;
    let about = connectors
        .filter(|one| whole || i64::from(one.connector_id.get()) == limit.connector())
        .map(|one| one.kind);
    let kinds: Vec<_> = about.collect();
    limit
        .call(abilities.as_ref(), &kinds, state.clock().now())
        .map_err(wish::invalid)
}

/// 404 and 401 before anything is said of the charge point.
pub(super) async fn check_own(
    state: &ApiState,
    organisation: &OrganisationId,
    charge_point: &ChargePointId,
) -> Result<(), ApiError> {
    let found = state.stores().charge_points.find(charge_point).await?;
    let found = found.ok_or_else(|| ApiError::not_found("charge point"))?;
    if found.organisation != *organisation {
        return Err(ApiError::foreign());
    }
    Ok(())
}

impl From<Unreachable> for ApiError {
    fn from(error: Unreachable) -> Self {
        match error {
            Unreachable::SocketClosed | Unreachable::Silent => {
                Self::charge_point_offline(error.to_string())
            }
            Unreachable::TooManyPasswords => Self::conflict(error.to_string()),
            Unreachable::Elsewhere => Self::managed_elsewhere(error.to_string()),
            Unreachable::Db(error) => error.into(),
        }
    }
}
