//! The endpoints, one file each: request, response, documentation, handler.

mod api_keys;
mod charge_points;
mod fleet;
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
        .merge(sessions::routes())
        .merge(tokens::routes())
}
