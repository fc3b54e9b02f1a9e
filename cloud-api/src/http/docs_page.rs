//! `/openapi.json` and `/docs`: the document for programs and for people, without a credential.
//! The page's files are part of the program; it loads nothing from elsewhere.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::routing::get;
use tower::util::MapResponseLayer;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

const DOCUMENT: &str = "/openapi.json";
/// Nothing from elsewhere; the page styles itself inline and draws its icons from `data:`.
const ORIGINS: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

pub(super) fn routes(document: &OpenApi) -> Router {
    let text = document.to_json().expect("the document is JSON");
    let text = Bytes::from(text);
    let json = [(header::CONTENT_TYPE, "application/json")];
    let config = Config::from(DOCUMENT)
        .validator_url("none")
        .try_it_out_enabled(true)
        .display_request_duration(true);
    let page: Router = SwaggerUi::new("/docs").config(config).into();
    let page = page.layer(MapResponseLayer::new(
        |mut response: axum::response::Response| {
            let origins = HeaderValue::from_static(ORIGINS);
            response
                .headers_mut()
                .insert(header::CONTENT_SECURITY_POLICY, origins);
            response
        },
    ));
    Router::new()
        .route(DOCUMENT, get(move || async move { (json, text) }))
        .merge(page)
}
