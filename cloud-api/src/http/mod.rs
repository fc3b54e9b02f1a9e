//! The REST API. Routing comes first, then each endpoint's extractor checks its caller, its handler
//! answers, and the envelope completes the answer. No handler reads a header, writes an error body,
//! or learns of an organisation but through these.

mod body;
mod caller;
mod decimal;
mod docs_page;
mod document;
mod endpoint;
mod envelope;
mod error;
mod etag;
mod idempotency;
mod if_match;
mod page;
mod parameters;
mod path;
mod query;
mod refusals;
mod request_id;
mod requirement;
mod routes;
mod state;
mod time;

use axum::Router;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use body::{BODY_MAX, Fields, FromFields, Json};
pub use caller::{Caller, CallerWith};
pub use envelope::Envelope;
pub use error::{ApiError, Detail};
pub use query::{NoQuery, Query};
pub use refusals::CompleteRefusals;
pub use requirement::{
    AnyKey, AnyOf, OneScope, ReadAnalytics, ReadBilling, ReadChargePoints, ReadSessions,
    Requirement, WriteApiKeys, WriteChargePoints, WriteCommands, WriteSessions,
};
pub use state::{ApiState, Stores};

/// Everything that is served, with `others`: endpoints of other modules, their state applied, their
/// documentation told, and their errors answered as [`ApiError`].
pub fn router(state: &ApiState, others: OpenApiRouter) -> Envelope<Router> {
    let (ours, described) = endpoints().split_for_parts();
    let (others, more) = others.split_for_parts();
    let document = finished(described, more);
    let routes = ours
        .with_state(state.clone())
        .merge(others)
        .merge(docs_page::routes(&document))
        .method_not_allowed_fallback(other_method)
        .fallback(async || ApiError::unknown_path());
    // Around all routes at once: a layer of the router would stand around each of them, boxed.
    Envelope::new(routes, state.clock().clone())
}

/// The OpenAPI document of [`router`]; `others` is the documentation of the same endpoints.
#[must_use]
pub fn document(others: OpenApi) -> OpenApi {
    finished(endpoints().into_openapi(), others)
}

fn endpoints() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(document::base()).merge(routes::all())
}

fn finished(mut ours: OpenApi, others: OpenApi) -> OpenApi {
    ours.merge(others);
    document::complete(ours)
}

/// A path without this method: 405, or the methods it has for `OPTIONS`. The router adds `Allow`.
async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        ApiError::method_not_allowed().into_response()
    }
}
