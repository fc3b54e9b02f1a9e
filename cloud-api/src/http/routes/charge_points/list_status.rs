//! GET `/chargepoints/status`.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::status::StatusBody;
use crate::http::caller::Caller;
use crate::http::error::{ApiError, Detail};
use crate::http::etag::Tagged;
use crate::http::page::{Page, PageFrame};
use crate::http::parameters::Parameters;
use crate::http::query::Query;
use crate::http::requirement::ReadChargePoints;
use crate::http::state::ApiState;

/// A page of live statuses, by id.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusList<'a> {
    /// The charge points now.
    charge_points: Vec<StatusBody<'a>>,
    #[serde(flatten)]
    page: PageFrame,
}

/// Which page is asked for.
#[derive(Debug)]
pub(super) struct StatusQuery(Page);

impl Query for StatusQuery {
    fn parse(query: Option<&str>) -> Result<Self, Vec<Detail>> {
        let mut parameters = Parameters::of(query);
        let page = Page::take(&mut parameters);
        parameters.finish(Self(page))
    }
}

/// Status of all charge points
///
/// Live status of the organisation's charge points, from memory: one request instead of one each.
#[utoipa::path(
    get,
    path = "/api/v1/chargepoints/status",
    tag = "Charge points",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Entries of a page; 50 if left out."),
        ("offset" = Option<u32>, Query, minimum = 0, maximum = 1_000_000, description = "Entries before the page."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of the statuses.", body = StatusList<'_>),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
    ),
)]
pub(super) async fn list_charge_point_status(
    caller: Caller<ReadChargePoints, StatusQuery>,
    State(state): State<ApiState>,
) -> Result<Tagged, ApiError> {
    let StatusQuery(page) = &caller.query;
    let fleet = state.fleet().of(caller.organisation());
    let after = page.after.as_deref().unwrap_or("");
    let skipped = usize::try_from(page.offset).unwrap_or(usize::MAX);
    let most = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let shown = fleet
        .iter()
        .filter(|live| live.charge_point_id.as_str() > after);
    let shown: Vec<_> = shown.skip(skipped).take(most).collect();
    let last = shown.last().map(|last| last.charge_point_id.to_string());
    let total = u64::try_from(fleet.len()).unwrap_or(u64::MAX);
    Ok(Tagged::new(&StatusList {
        charge_points: shown
            .iter()
            .map(|live| StatusBody::from(&***live))
            .collect(),
        page: page.frame(total, shown.len(), last),
    }))
}
