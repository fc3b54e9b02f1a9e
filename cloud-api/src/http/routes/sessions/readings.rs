//! GET `/sessions/{session_id}/meter-values`.

use axum::extract::State;
use serde::Serialize;
use site_model::SessionId;
use utoipa::ToSchema;

use super::own;
use crate::http::caller::Caller;
use crate::http::error::{ApiError, Detail};
use crate::http::etag::Tagged;
use crate::http::page::{Page, PageFrame};
use crate::http::parameters::Parameters;
use crate::http::path::Named;
use crate::http::query::Query;
use crate::http::requirement::ReadSessions;
use crate::http::state::ApiState;
use crate::http::time;
use crate::session::Reading;

/// A page of a session's meter values, in order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MeterValueList {
    /// The meter values.
    meter_values: Vec<MeterValueBody>,
    #[serde(flatten)]
    page: PageFrame,
}

/// One meter value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MeterValue)]
pub(crate) struct MeterValueBody {
    /// When it was read.
    #[schema(format = DateTime, example = "2026-05-01T09:15:00Z")]
    timestamp: String,
    /// Register `Energy.Active.Import.Register`.
    #[schema(example = 1_209_000)]
    energy_wh: u64,
    /// `Transaction.Begin`, `Sample.Periodic` or `Transaction.End`.
    #[schema(example = "Sample.Periodic")]
    context: &'static str,
}

/// Which page is asked for.
#[derive(Debug)]
pub(super) struct ReadingsQuery(Page);

impl Query for ReadingsQuery {
    fn parse(query: Option<&str>) -> Result<Self, Vec<Detail>> {
        let mut parameters = Parameters::of(query);
        let page = Page::take(&mut parameters);
        if page.after.is_some() {
            parameters.fault("cursor", "is not a query parameter of this request");
        }
        parameters.finish(Self(page))
    }
}

/// List meter values of a session
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{session_id}/meter-values",
    tag = "Sessions",
    params(
        ("session_id" = String, Path, description = "Id of the session.",
            example = "sess_01hx2b3c4d5e6f7g8h9jkmnpqr"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Entries of a page; 50 if left out."),
        ("offset" = Option<u32>, Query, minimum = 0, maximum = 1_000_000, description = "Entries before the page."),
    ),
    responses(
        (status = 200, description = "A page of its meter values.", body = MeterValueList),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
        (status = 404, description = "No session has this id."),
    ),
)]
pub(super) async fn list_meter_values(
    caller: Caller<ReadSessions, ReadingsQuery>,
    State(state): State<ApiState>,
    id: Named<SessionId>,
) -> Result<Tagged, ApiError> {
    let session = own(&state, caller.organisation(), &id.id()?).await?;
    let ReadingsQuery(page) = &caller.query;
    let store = &state.stores().sessions;
    let listed = store.readings(&session.id, page.limit, page.offset);
    let (readings, total) = listed.await?;
    let shown = readings.len();
    Ok(Tagged::new(&MeterValueList {
        meter_values: readings.into_iter().map(MeterValueBody::from).collect(),
        page: page.frame(total, shown, None),
    }))
}

impl From<Reading> for MeterValueBody {
    fn from(reading: Reading) -> Self {
        Self {
            timestamp: time::shown(reading.at),
            energy_wh: reading.meter_wh,
            context: reading.context,
        }
    }
}
