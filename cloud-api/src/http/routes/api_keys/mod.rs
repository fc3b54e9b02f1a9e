//! `/api/v1/org/api-keys`: the organisation's API keys.

mod create;
mod list;
mod revoke;

use utoipa_axum::router::OpenApiRouter;

use crate::http::endpoint::secured;
use crate::http::state::ApiState;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(secured!(list::list_api_keys))
        .routes(secured!(create::create_api_key))
        .routes(secured!(revoke::revoke_api_key))
}
