//! The OpenAPI document: what the handlers say of themselves, completed with what holds for every
//! endpoint — errors with their bodies, headers, credentials. Examples of errors are real ones.

use axum::http::StatusCode;
use serde_json::Value;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AdditionalProperties, Array, Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ArrayBuilder, ContentBuilder, Header, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    Response, ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema};

use crate::keys::Scope;

use super::endpoint::{API_KEY, BEARER, operations};
use super::error::{ApiError, Detail, Style};

/// Id of the requests in examples.
const REQUEST_ID: &str = "req_01hxzz9aa1b2c3d4e5f6g7h8jk";
const DESCRIPTION: &str = include_str!("description.md");

/// A text that is one of these words.
pub(super) fn one_of<'a>(words: impl Iterator<Item = &'a str>, example: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .examples([example])
        .build()
}

/// A list of at least one scope.
pub(super) fn scopes() -> Array {
    let words = Scope::ALL.iter().map(|scope| scope.as_str());
    ArrayBuilder::new()
        .items(one_of(words, "read:charge_points"))
        .min_items(Some(1))
        .examples([serde_json::json!(["read:charge_points", "read:sessions"])])
        .build()
}

/// The part of the document that no handler tells.
pub(super) fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Dynamo CSMS API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description()));
    OpenApiBuilder::new().info(info.build()).build()
}

fn description() -> String {
    let scope = |scope: &Scope| format!("| `{scope}` | {} |\n", scope.access());
    let scopes: String = Scope::ALL.iter().map(scope).collect();
    DESCRIPTION.replace("{scopes}", &scopes)
}

/// Completes every operation.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    let mut bodies = Vec::new();
    for (path, item) in &mut document.paths.paths {
        let style = Style::of(path);
        for operation in operations(item) {
            complete_operation(operation, style);
            bodies.extend(body_schema(operation));
        }
    }
    let components = document.components.get_or_insert_default();
    for name in bodies {
        if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(&name) {
            let closed = AdditionalProperties::FreeForm(false);
            object.additional_properties = Some(Box::new(closed));
        }
    }
    components
        .schemas
        .insert(Detail::name().into(), Detail::schema());
    components
        .schemas
        .insert(schema_name(Style::Flat).into(), flat().into());
    components
        .schemas
        .insert(schema_name(Style::Nested).into(), nested().into());
    for (name, header) in headers() {
        components.headers.insert(name.into(), header.into());
    }
    let schemes = [(BEARER, bearer()), (API_KEY, direct())];
    for (name, scheme) in schemes {
        components
            .security_schemes
            .insert(name.into(), scheme.into());
    }
    document
}

/// Name of the schema of an operation's body.
fn body_schema(operation: &Operation) -> Option<String> {
    let Some(RefOr::T(body)) = &operation.request_body else {
        return None;
    };
    let Some(RefOr::T(content)) = body.content.get("application/json") else {
        return None;
    };
    let Some(RefOr::Ref(schema)) = &content.schema else {
        return None;
    };
    let name = schema.ref_location.rsplit('/').next();
    name.map(str::to_owned)
}

fn complete_operation(operation: &mut Operation, style: Style) {
    let secured = operation.security.is_some();
    let has_body = operation.request_body.is_some();
    let mut missing = vec![(400, "The request is invalid; `details` tells every fault.")];
    if secured {
        missing.extend([
            (
                401,
                "No valid credential, or the resource is another organisation's.",
            ),
            (403, "The key lacks the scope."),
            (429, "The key's requests of this hour are used up."),
        ]);
    }
    if has_body {
        missing.extend([
            (413, "The body is too large."),
            (415, "The body is not JSON."),
        ]);
    }
    missing.extend([
        (500, "A fault on our side."),
        (503, "The service cannot answer now."),
    ]);
    let responses = &mut operation.responses.responses;
    for (status, description) in missing {
        let response = || {
            ResponseBuilder::new()
                .description(description)
                .build()
                .into()
        };
        responses.entry(status.to_string()).or_insert_with(response);
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response {
            complete_response(response, status, style, secured);
        }
    }
}

fn complete_response(response: &mut Response, status: &str, style: Style, secured: bool) {
    let refer = |name: &str| RefOr::Ref(Ref::new(format!("#/components/headers/{name}")));
    let mut names = vec!["X-Request-Id"];
    if secured {
        names.extend(RATE_HEADERS.map(|(name, ..)| name));
    }
    match status {
        "200" if response.content.contains_key("application/json") && secured => names.push("ETag"),
        "304" => names.push("ETag"),
        "429" => names.push("Retry-After"),
        "401" => names.push("WWW-Authenticate"),
        _ => {}
    }
    for name in names {
        response.headers.insert(name.to_owned(), refer(name));
    }
    let errors = if secured {
        examples(status, style)
    } else {
        public_examples(status, style)
    };
    if errors.is_empty() || !response.content.is_empty() {
        return;
    }
    let schema = Ref::from_schema_name(schema_name(style));
    let mut content = ContentBuilder::new().schema(Some(schema));
    for (name, error) in errors {
        let body = serde_json::from_slice::<Value>(&error.body(style, REQUEST_ID));
        let example = utoipa::openapi::example::ExampleBuilder::new()
            .value(Some(body.expect("an error's body is JSON")))
            .build();
        content = content.examples_from_iter([(name, example)]);
    }
    let content = content.build();
    response
        .content
        .insert("application/json".to_owned(), content.into());
}

/// Real errors of a status.
fn examples(status: &str, style: Style) -> Vec<(&'static str, ApiError)> {
    let nested = style == Style::Nested;
    match status {
        "400" if nested => vec![
            (
                "invalid_request",
                ApiError::invalid_request(vec![
                    Detail::new("name", "is required"),
                    Detail::new("expires_in_days", "must be an integer from 1 to 3650"),
                ]),
            ),
            (
                "invalid_scope",
                ApiError::invalid_scope(
                    "write:unknown",
                    vec![Detail::new("scopes[0]", "is not a permission scope")],
                ),
            ),
            ("name_taken", ApiError::name_taken()),
        ],
        "400" => vec![(
            "invalid_request",
            ApiError::invalid_request(vec![Detail::new(
                "page",
                "is not a query parameter of this request",
            )]),
        )],
        "401" if nested => vec![("unauthorized", ApiError::unauthorized())],
        "401" => vec![
            ("unauthorized", ApiError::unauthorized()),
            ("foreign", ApiError::foreign()),
        ],
        "403" if nested => vec![("forbidden", ApiError::forbidden(&[Scope::WriteApiKeys]))],
        "403" => vec![("forbidden", ApiError::forbidden(&[Scope::ReadChargePoints]))],
        "404" if nested => vec![("not_found", ApiError::not_found("API key"))],
        "404" => vec![("not_found", ApiError::not_found("charge point"))],
        "409" => vec![(
            "conflict",
            ApiError::conflict(
                "This request was made before and created the API key key_01hx2b3c4d5e6f7g8h9jkmnpqr; its secret is shown only once.",
            ),
        )],
        "412" => vec![("precondition_failed", ApiError::precondition_failed())],
        "413" => vec![(
            "payload_too_large",
            ApiError::payload_too_large(super::body::BODY_MAX),
        )],
        "415" => vec![(
            "unsupported_media_type",
            ApiError::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        )],
        "422" => vec![("idempotency_mismatch", ApiError::idempotency_mismatch())],
        "429" => vec![("rate_limited", ApiError::quota_exceeded(1_000, 847))],
        "500" => vec![("internal", ApiError::internal())],
        "503" => vec![("unavailable", ApiError::unavailable())],
        _ => Vec::new(),
    }
}

/// Real errors of an endpoint without a caller.
fn public_examples(status: &str, style: Style) -> Vec<(&'static str, ApiError)> {
    match status {
        "400" => vec![(
            "invalid_request",
            ApiError::invalid_request(vec![Detail::new("email", "is required")]),
        )],
        "401" => vec![(
            "unauthorized",
            ApiError::unauthorized_because("Invalid email or password."),
        )],
        "429" => vec![(
            "rate_limited",
            ApiError::too_many_requests(
                "Too many login attempts; wait as long as retry_after says.",
                6,
            ),
        )],
        other => examples(other, style),
    }
}

const fn schema_name(style: Style) -> &'static str {
    match style {
        Style::Flat => "Error",
        Style::Nested => "ApiKeysError",
    }
}

/// The fields that both bodies share.
fn common(code_field: &str) -> ObjectBuilder {
    let text = |description: &str| {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(description))
    };
    let details = Ref::from_schema_name(Detail::name());
    let details = ArrayBuilder::new().items(details);
    ObjectBuilder::new()
        .property(code_field, text("What went wrong, as a stable word."))
        .property("message", text("What went wrong, as a sentence."))
        .property("request_id", text("Equal to the header `X-Request-Id`."))
        .property(
            "required_scope",
            text("With 403: the scope that is missing."),
        )
        .property("retry_after", seconds())
        .property(
            "details",
            details.description(Some("With 400: every fault.")),
        )
        .required(code_field)
        .required("message")
        .required("request_id")
}

fn seconds() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .description(Some("With 429: seconds to wait before trying again."))
}

fn flat() -> Schema {
    common("error")
        .description(Some("An error."))
        .build()
        .into()
}

fn nested() -> Schema {
    ObjectBuilder::new()
        .description(Some(
            "An error of the endpoints under `/api/v1/org/api-keys`.",
        ))
        .property("error", common("code"))
        .property("retry_after", seconds())
        .required("error")
        .build()
        .into()
}

const RATE_HEADERS: [(&str, Type, &str); 5] = [
    (
        "X-RateLimit-Limit",
        Type::Integer,
        "Requests per UTC clock hour of this key. On every authenticated response.",
    ),
    (
        "X-RateLimit-Remaining",
        Type::Integer,
        "Requests left in this hour. On every authenticated response.",
    ),
    (
        "X-RateLimit-Reset",
        Type::Integer,
        "Unix seconds at which the hour ends. On every authenticated response.",
    ),
    (
        "RateLimit",
        Type::String,
        "The same as the IETF draft has it: `\"hour\";r=<left>;t=<seconds>`.",
    ),
    (
        "RateLimit-Policy",
        Type::String,
        "The same as the IETF draft has it: `\"hour\";q=<limit>;w=3600`.",
    ),
];

fn headers() -> Vec<(&'static str, Header)> {
    let others = [
        (
            "X-Request-Id",
            Type::String,
            "Id of the request, `req_…`; on every response.",
        ),
        (
            "ETag",
            Type::String,
            "Send it back in `If-None-Match` to get 304 while nothing changed.",
        ),
        (
            "Retry-After",
            Type::Integer,
            "Seconds to wait before trying again.",
        ),
        (
            "WWW-Authenticate",
            Type::String,
            "The scheme to authenticate by.",
        ),
    ];
    let header = |(name, kind, description): (&'static str, Type, &str)| {
        let schema = ObjectBuilder::new().schema_type(kind).build();
        let header = HeaderBuilder::new().schema(Some(schema));
        (name, header.description(Some(description)).build())
    };
    RATE_HEADERS.into_iter().chain(others).map(header).collect()
}

fn bearer() -> SecurityScheme {
    let http = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "`Authorization: Bearer <API key>`; under `/api/v1/installer/` an installer's token.",
        ));
    SecurityScheme::Http(http.build())
}

fn direct() -> SecurityScheme {
    let value = ApiKeyValue::with_description(
        "X-API-Key",
        "`X-API-Key: <API key>`; equal to the bearer form.",
    );
    SecurityScheme::ApiKey(ApiKey::Header(value))
}
