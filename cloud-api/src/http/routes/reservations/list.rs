//! GET `/reservations`.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::ReservationBody;
use crate::command::ReservationFilter;
use crate::http::caller::Caller;
use crate::http::error::{ApiError, Detail};
use crate::http::etag::Tagged;
use crate::http::page::{Page, PageFrame};
use crate::http::parameters::Parameters;
use crate::http::query::Query;
use crate::http::requirement::ReadSessions;
use crate::http::state::ApiState;

/// A page of the organisation's reservations, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReservationList {
    /// The reservations.
    reservations: Vec<ReservationBody>,
    #[serde(flatten)]
    page: PageFrame,
}

/// Which reservations are asked for.
#[derive(Debug)]
pub(super) struct ReservationsQuery {
    filter: ReservationFilter,
    page: Page,
}

impl Query for ReservationsQuery {
    fn parse(query: Option<&str>) -> Result<Self, Vec<Detail>> {
        let mut parameters = Parameters::of(query);
        let page = Page::take(&mut parameters);
        let filter = ReservationFilter {
            charge_point: parameters.text("charge_point_id"),
            before: page.after.clone(),
        };
        parameters.finish(Self { filter, page })
    }
}

/// List reservations
#[utoipa::path(
    get,
    path = "/api/v1/reservations",
    tag = "Reservations",
    params(
        ("charge_point_id" = Option<String>, Query, description = "On this charge point."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Entries of a page; 50 if left out."),
        ("offset" = Option<u32>, Query, minimum = 0, maximum = 1_000_000, description = "Entries before the page."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of the reservations.", body = ReservationList),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
    ),
)]
pub(super) async fn list_reservations(
    caller: Caller<ReadSessions, ReservationsQuery>,
    State(state): State<ApiState>,
) -> Result<Tagged, ApiError> {
    let ReservationsQuery { filter, page } = &caller.query;
    let store = &state.stores().reservations;
    let listed = store.list(caller.organisation(), filter, page.limit, page.offset);
    let (reservations, total) = listed.await?;
    let last = reservations.last().map(|one| one.id.to_string());
    let (now, shown) = (state.clock().now(), reservations.len());
    let bodies = reservations.iter().map(|one| ReservationBody::of(one, now));
    Ok(Tagged::new(&ReservationList {
        reservations: bodies.collect(),
        page: page.frame(total, shown, last),
    }))
}
