//! `/api/v1/cpo/fleet`: all charge points of an organisation together.

mod summary;

use utoipa_axum::router::OpenApiRouter;

use crate::http::endpoint::secured;
use crate::http::state::ApiState;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(secured!(summary::fleet_summary))
}
