//! Registers endpoints so that the document's `security` comes from the type by which a handler
//! names what it asks of its caller. A handler without one does not compile here.

use std::future::Future;

use utoipa::openapi::SecurityRequirement;
use utoipa::openapi::path::PathItem;
use utoipa_axum::router::UtoipaMethodRouter;

use super::caller::NamesRequirement;
use super::requirement::Requirement;
use super::state::ApiState;

/// Name of the scheme `Authorization: Bearer`.
pub(super) const BEARER: &str = "bearer";
/// Name of the scheme `X-API-Key`.
pub(super) const API_KEY: &str = "api_key";

/// Registers a handler whose first or last argument names its requirement.
macro_rules! secured {
    ($($handler:ident)::+) => {
        $crate::http::endpoint::with_security(
            $($handler)::+,
            utoipa_axum::routes!($($handler)::+),
        )
    };
}
pub(super) use secured;

/// A handler with the argument that names its requirement, first or last.
pub(super) trait Endpoint<Arguments> {
    /// What it asks of its caller.
    type Requirement: Requirement;
}

/// Marks the argument at the front.
#[derive(Debug)]
pub(super) struct First;
/// Marks the argument at the end.
#[derive(Debug)]
pub(super) struct Last;

impl<F, Out, A, B> Endpoint<(First, A, B)> for F
where
    F: Fn(A, B) -> Out,
    Out: Future,
    A: NamesRequirement,
{
    type Requirement = A::Requirement;
}

impl<F, Out, A, B, C> Endpoint<(First, A, B, C)> for F
where
    F: Fn(A, B, C) -> Out,
    Out: Future,
    A: NamesRequirement,
{
    type Requirement = A::Requirement;
}

impl<F, Out, A, B, C, D> Endpoint<(First, A, B, C, D)> for F
where
    F: Fn(A, B, C, D) -> Out,
    Out: Future,
    A: NamesRequirement,
{
    type Requirement = A::Requirement;
}

impl<F, Out, A, B, C, D> Endpoint<(Last, A, B, C, D)> for F
where
    F: Fn(A, B, C, D) -> Out,
    Out: Future,
    D: NamesRequirement,
{
    type Requirement = D::Requirement;
}

impl<F, Out, A, B, C> Endpoint<(Last, A, B, C)> for F
where
    F: Fn(A, B, C) -> Out,
    Out: Future,
    C: NamesRequirement,
{
    type Requirement = C::Requirement;
}

/// Writes the handler's requirement into the documentation of its operation.
pub(super) fn with_security<H, Arguments>(
    _handler: H,
    (schemas, mut paths, router): UtoipaMethodRouter<ApiState>,
) -> UtoipaMethodRouter<ApiState>
where
    H: Endpoint<Arguments>,
{
    let scopes = <H::Requirement as Requirement>::ANY_OF;
    for item in paths.paths.values_mut() {
        for operation in operations(item) {
            operation.security = Some(alternatives(scopes));
        }
    }
    (schemas, paths, router)
}

/// Each scope that suffices, by each of the two headers.
fn alternatives(scopes: &[crate::keys::Scope]) -> Vec<SecurityRequirement> {
    let none: [&str; 0] = [];
    if scopes.is_empty() {
        return [BEARER, API_KEY]
            .map(|scheme| SecurityRequirement::new(scheme, none))
            .into();
    }
    let schemes = |scope: &crate::keys::Scope| {
        [BEARER, API_KEY].map(|scheme| SecurityRequirement::new(scheme, [scope.as_str()]))
    };
    scopes.iter().flat_map(schemes).collect()
}

/// The operations of a path.
pub(super) fn operations(
    item: &mut PathItem,
) -> impl Iterator<Item = &mut utoipa::openapi::path::Operation> {
    [
        item.get.as_mut(),
        item.put.as_mut(),
        item.post.as_mut(),
        item.patch.as_mut(),
        item.delete.as_mut(),
    ]
    .into_iter()
    .flatten()
}
