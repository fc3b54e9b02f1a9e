//! GET `/chargepoints/{id}/unmatched-stops`.

use axum::extract::State;
use serde::Serialize;
use site_model::ChargePointId;
use utoipa::ToSchema;

use super::own;
use crate::http::caller::Caller;
use crate::http::error::{ApiError, Detail};
use crate::http::etag::Tagged;
use crate::http::page::{Page, PageFrame};
use crate::http::parameters::Parameters;
use crate::http::path::Named;
use crate::http::query::Query;
use crate::http::requirement::{AnyOf, ReadChargePoints, ReadSessions};
use crate::http::state::ApiState;
use crate::http::time;
use crate::session::UnmatchedStop;

/// A page of a charge point's stops without a start, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnmatchedStopList {
    /// The stops.
    unmatched_stops: Vec<UnmatchedStopBody>,
    #[serde(flatten)]
    page: PageFrame,
}

/// The stop of a transaction that nobody began here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnmatchedStop)]
pub(crate) struct UnmatchedStopBody {
    /// The transaction's id, as the charge point told it.
    #[schema(example = 7)]
    transaction_id: i64,
    /// Register at its end.
    #[schema(example = 1_204_500)]
    meter_stop_wh: i64,
    /// What stopped it; null if it was not told.
    #[schema(required, example = "04A1B2C3D4E5F6")]
    id_tag: Option<String>,
    /// Why it was stopped, as OCPP names it.
    #[schema(example = "Local")]
    stop_reason: String,
    /// When it was stopped.
    #[schema(format = DateTime, example = "2026-05-01T09:00:00Z")]
    stopped_at: String,
    /// When that was told here.
    #[schema(format = DateTime, example = "2026-05-01T09:14:05Z")]
    received_at: String,
}

/// Which page is asked for.
#[derive(Debug)]
pub(super) struct StopsQuery(Page);

impl Query for StopsQuery {
    fn parse(query: Option<&str>) -> Result<Self, Vec<Detail>> {
        let mut parameters = Parameters::of(query);
        let page = Page::take(&mut parameters);
        if page.after.is_some() {
            parameters.fault("cursor", "is not known here; use offset");
        }
        parameters.finish(Self(page))
    }
}

/// List unmatched stops of a charge point
///
/// Stops of transactions whose start never came here, for instance of a session that began at another
/// central system. They are no sessions: what was delivered is not known. The first 1 000 are kept.
#[utoipa::path(
    get,
    path = "/api/v1/chargepoints/{id}/unmatched-stops",
    tag = "Charge points",
    params(
        ("id" = String, Path, description = "Id of the charge point.", example = "cp_01hx2b3c4d5e6f"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Entries of a page; 50 if left out."),
        ("offset" = Option<u32>, Query, minimum = 0, maximum = 1_000_000, description = "Entries before the page."),
    ),
    responses(
        (status = 200, description = "A page of them.", body = UnmatchedStopList),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
        (status = 404, description = "No charge point has this id."),
    ),
)]
pub(super) async fn list_unmatched_stops(
    caller: Caller<AnyOf<ReadSessions, ReadChargePoints>, StopsQuery>,
    State(state): State<ApiState>,
    id: Named<ChargePointId>,
) -> Result<Tagged, ApiError> {
    let id = id.id()?;
    own(&state, caller.organisation(), &id).await?;
    let StopsQuery(page) = &caller.query;
    let sessions = &state.stores().sessions;
    let listed = sessions.unmatched_stops(&id, page.limit, page.offset);
    let (stops, total) = listed.await?;
    let shown = stops.len();
    Ok(Tagged::new(&UnmatchedStopList {
        unmatched_stops: stops.into_iter().map(UnmatchedStopBody::from).collect(),
        page: page.frame(total, shown, None),
    }))
}

impl From<UnmatchedStop> for UnmatchedStopBody {
    fn from(stop: UnmatchedStop) -> Self {
        Self {
            transaction_id: stop.transaction,
            meter_stop_wh: stop.meter_stop_wh,
            id_tag: stop.id_tag,
            stop_reason: stop.reason,
            stopped_at: time::shown(stop.stopped_at),
            received_at: time::shown(stop.received_at),
        }
    }
}
