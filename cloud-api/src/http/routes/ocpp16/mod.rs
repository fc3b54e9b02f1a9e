//! `/api/v1/ocpp16`: OCPP 1.6 itself, action by action.

mod actions;
mod active;
mod body;
mod send;

use utoipa_axum::router::OpenApiRouter;

use crate::http::endpoint::secured;
use crate::http::state::ApiState;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(secured!(send::send_command))
        .routes(secured!(active::list_active_transactions))
        .merge(actions::routes())
}
