//! The outermost layer: every request gets its id, every answer its headers, every error its body —
//! unknown paths, refusals of libraries and panics included.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use pin_project_lite::pin_project;
use tower::Service;

use crate::clock::Clock;
use crate::quota::{Allowance, WINDOW_SECONDS};

use super::error::{ApiError, Detail, Style};
use super::etag;
use super::request_id::{RequestId, RequestIds};

/// Names and values of all headers of a request together, in bytes.
const HEADERS_MAX: usize = 16 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What request and answer share; handlers' extractors find it in the request's extensions.
#[derive(Debug, Clone)]
pub(super) struct Exchange(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    id: RequestId,
    began_at: Timestamp,
    counted: OnceLock<Allowance>,
}

impl Exchange {
    fn new(id: RequestId, began_at: Timestamp) -> Self {
        Self(Arc::new(Shared {
            id,
            began_at,
            counted: OnceLock::new(),
        }))
    }

    /// Notes what is left of the caller's quota, for the answer's headers. The first count stands.
    pub(super) fn count(&self, allowance: Allowance) {
        self.0.counted.get_or_init(|| allowance);
    }

    /// When the request arrived: what is decided about it is decided for one moment.
    pub(super) fn began_at(&self) -> Timestamp {
        self.0.began_at
    }
}

/// What is around all routes and fallbacks.
#[derive(Debug, Clone)]
pub struct Envelope<S> {
    inner: S,
    ids: Arc<RequestIds>,
    clock: Clock,
}

impl<S> Envelope<S> {
    pub(super) fn new(inner: S, clock: Clock) -> Self {
        Self {
            inner,
            ids: Arc::new(RequestIds::new()),
            clock,
        }
    }
}

impl<S> Service<Request> for Envelope<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let now = self.clock.now();
        let exchange = Exchange::new(self.ids.next(now), now);
        let asked = Asked::of(&request);
        let inner = if asked.headers_too_large {
            Err(headers_too_large())
        } else {
            request.extensions_mut().insert(exchange.clone());
            let called = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
            called.map_err(|_panic| ApiError::internal())
        };
        let (inner, refused) = match inner {
            Ok(inner) => (Some(inner), None),
            Err(refused) => (None, Some(refused)),
        };
        Answering {
            inner,
            refused,
            exchange,
            asked,
        }
    }
}

pin_project! {
    /// The answer on its way out. Not boxed: every request has one.
    #[derive(Debug)]
    pub struct Answering<F> {
        #[pin]
        inner: Option<F>,
        refused: Option<ApiError>,
        exchange: Exchange,
        asked: Asked,
    }
}

impl<F> Future for Answering<F>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = match this.inner.as_pin_mut() {
            Some(inner) => match catch_unwind(AssertUnwindSafe(|| inner.poll(context))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Ok(response))) => response,
                Ok(Poll::Ready(Err(never))) => match never {},
                // The panic hook has told where.
                Err(_panic) => ApiError::internal().into_response(),
            },
            None => {
                let refused = this.refused.take();
                refused.unwrap_or_else(ApiError::internal).into_response()
            }
        };
        Poll::Ready(Ok(finish(response, &this.exchange.0, this.asked)))
    }
}

/// What the answer depends on after the request is gone.
#[derive(Debug)]
struct Asked {
    method: Method,
    style: Style,
    uri: Uri,
    if_none_match: Option<HeaderMap>,
    headers_too_large: bool,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let headers = request.headers();
        let size = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len());
        let path = request.uri().path();
        let conditional = headers.contains_key(header::IF_NONE_MATCH);
        Self {
            method: request.method().clone(),
            style: Style::of(path),
            uri: request.uri().clone(),
            if_none_match: conditional.then(|| etag::conditions(headers)),
            headers_too_large: size.sum::<usize>() > HEADERS_MAX,
        }
    }
}

fn headers_too_large() -> ApiError {
    let rule = format!("must not be larger than {HEADERS_MAX} bytes together");
    ApiError::invalid_request(vec![Detail::new("headers", rule)])
}

fn finish(mut response: Response, exchange: &Shared, asked: &Asked) -> Response {
    let id = &exchange.id;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let error = response.extensions_mut().remove::<ApiError>();
        let error = error.unwrap_or_else(|| ApiError::of_status(status));
        response = written_out(response, &error, asked, id.as_str());
    } else if let Some(conditions) = &asked.if_none_match
        && status == StatusCode::OK
        && etag::is_met(conditions, response.headers())
    {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    let status = response.status();
    if status.is_server_error() {
        let (id, path) = (id.as_str(), asked.uri.path());
        tracing::error!(request.id = id, method = %asked.method, path, status = status.as_u16(), "Request {id} was answered with {status}");
    } else {
        let path = asked.uri.path();
        tracing::debug!(request.id = id.as_str(), method = %asked.method, path, status = status.as_u16(), "Request answered");
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.header());
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if let Some(allowance) = exchange.counted.get() {
        rate_headers(headers, allowance, exchange.began_at);
    }
    response
}

/// The error's own body and headers; of the old ones only `Allow` stays.
fn written_out(old: Response, error: &ApiError, asked: &Asked, id: &str) -> Response {
    let body = error.body(asked.style, id);
    let length = body.len();
    let bodyless = asked.method == Method::HEAD;
    let mut response = Response::new(if bodyless { Body::empty() } else { body.into() });
    *response.status_mut() = error.status();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_LENGTH, length.into());
    if let Some(allow) = old.headers().get(header::ALLOW) {
        headers.insert(header::ALLOW, allow.clone());
    }
    headers.extend(error.headers());
    response
}

/// What the contract fixes, and `RateLimit` and `RateLimit-Policy` of
/// draft-ietf-httpapi-ratelimit-headers-10 (sections 3 and 4).
fn rate_headers(headers: &mut HeaderMap, allowance: &Allowance, now: Timestamp) {
    let Allowance {
        limit,
        remaining,
        resets_at,
    } = *allowance;
    let left = allowance.seconds_left(now);
    headers.insert(LIMIT, limit.into());
    headers.insert(REMAINING, remaining.into());
    headers.insert(RESET, resets_at.into());
    let left = format!("\"hour\";r={remaining};t={left}");
    headers.insert(RATE_LIMIT, value(left));
    let policy = format!("\"hour\";q={limit};w={WINDOW_SECONDS}");
    headers.insert(RATE_LIMIT_POLICY, value(policy));
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn a_panic_is_a_500_with_its_request_id_and_without_its_text() {
        async fn panics() -> &'static str {
            panic!("secret of the handler")
        }
        let clock = Clock::standing_at("2026-11-22T10:00:00Z".parse().unwrap());
        let router = Envelope::new(Router::new().route("/", get(panics)), clock);
        let request = Request::builder().uri("/").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let id = response.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let body = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        assert_eq!(
            String::from_utf8(body.to_vec()).unwrap(),
            format!(
                r#"{{"error":"internal","message":"Something went wrong on our side; tell us the request_id.","request_id":"{id}"}}"#
            )
        );
    }
}
