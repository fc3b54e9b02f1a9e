//! GET `/tokens`.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::TokenBody;
use crate::http::caller::Caller;
use crate::http::error::{ApiError, Detail};
use crate::http::etag::Tagged;
use crate::http::page::{Page, PageFrame};
use crate::http::parameters::Parameters;
use crate::http::query::Query;
use crate::http::requirement::ReadChargePoints;
use crate::http::state::ApiState;
use crate::id_token::{TokenFilter, TokenStatus};

/// A page of the organisation's tokens, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenList {
    /// The tokens.
    tokens: Vec<TokenBody>,
    #[serde(flatten)]
    page: PageFrame,
}

/// Which tokens are asked for.
#[derive(Debug)]
pub(super) struct TokensQuery {
    filter: TokenFilter,
    page: Page,
}

impl Query for TokensQuery {
    fn parse(query: Option<&str>) -> Result<Self, Vec<Detail>> {
        let mut parameters = Parameters::of(query);
        let page = Page::take(&mut parameters);
        let rule = "must be one of accepted, blocked, expired, invalid";
        let filter = TokenFilter {
            id_tag: parameters.text("id_tag"),
            status: parameters.parsed("status", rule, TokenStatus::parse),
            group: parameters.text("group"),
            after: page.after.clone(),
        };
        parameters.finish(Self { filter, page })
    }
}

/// List tokens
///
/// Filters: `id_tag`, `status` (as it was set), `group`.
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    tag = "Tokens",
    params(
        ("id_tag" = Option<String>, Query, description = "Only the token with this tag."),
        ("status" = Option<String>, Query, description = "Only tokens set to this status."),
        ("group" = Option<String>, Query, description = "Only tokens of this group."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Entries of a page; 50 if left out."),
        ("offset" = Option<u32>, Query, minimum = 0, maximum = 1_000_000, description = "Entries before the page."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of the tokens.", body = TokenList),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
    ),
)]
pub(super) async fn list_tokens(
    caller: Caller<ReadChargePoints, TokensQuery>,
    State(state): State<ApiState>,
) -> Result<Tagged, ApiError> {
    let TokensQuery { filter, page } = &caller.query;
    let store = &state.stores().id_tokens;
    let listed = store.list(caller.organisation(), filter, page.limit, page.offset);
    let (tokens, total) = listed.await?;
    let last = tokens.last().map(|token| token.id.to_string());
    let now = state.clock().now();
    let shown = tokens.len();
    let tokens = tokens.into_iter().map(|token| TokenBody::of(token, now));
    Ok(Tagged::new(&TokenList {
        tokens: tokens.collect(),
        page: page.frame(total, shown, last),
    }))
}
