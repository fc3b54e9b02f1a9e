//! `/api/v1/chargepoints`: one charge point.

mod status;

use utoipa_axum::router::OpenApiRouter;

use crate::http::endpoint::secured;
use crate::http::state::ApiState;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(secured!(status::charge_point_status))
}
