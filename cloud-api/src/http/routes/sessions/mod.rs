//! `/api/v1/sessions`: charging sessions.

mod body;
mod list;
mod read;
mod readings;
mod start;
mod stop;

use site_model::SessionId;
use utoipa_axum::router::OpenApiRouter;

use crate::http::endpoint::secured;
use crate::http::error::ApiError;
use crate::http::state::ApiState;
use crate::id::OrganisationId;
use crate::session::Session;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(secured!(list::list_sessions))
        .routes(secured!(start::start_session))
        .routes(secured!(read::read_session))
        .routes(secured!(stop::stop_session))
        .routes(secured!(readings::list_meter_values))
}

/// The caller's session with this id.
async fn own(
    state: &ApiState,
    organisation: &OrganisationId,
    id: &SessionId,
) -> Result<Session, ApiError> {
    let found = state.stores().sessions.find(id).await?;
    let session = found.ok_or_else(|| ApiError::not_found("session"))?;
    if session.organisation != *organisation {
        return Err(ApiError::foreign());
    }
    Ok(session)
}
