//! The endpoints, one file each: request, response, documentation, handler.

mod api_keys;
mod charge_points;
mod commands;
mod fleet;
mod ocpp16;
mod reservations;
mod sessions;
mod tokens;

use utoipa_axum::router::OpenApiRouter;

use super::state::ApiState;

/// Every endpoint of this module, with its documentation.
pub(super) fn all() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(api_keys::routes())
        .merge(fleet::routes())
        .merge(charge_points::routes())
        .merge(commands::routes())
        .merge(ocpp16::routes())
        .merge(reservations::routes())
        .merge(sessions::routes())
        .merge(tokens::routes())
}
