//! GET `/chargepoints`.

use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use site_model::ChargePointStatus;
use utoipa::ToSchema;

use super::body::ChargePointBody;
use crate::charge_point::ChargePoint;
use crate::fleet::ChargePointLive;
use crate::http::caller::Caller;
use crate::http::error::{ApiError, Detail};
use crate::http::etag::Tagged;
use crate::http::page::{Page, PageFrame};
use crate::http::parameters::Parameters;
use crate::http::query::Query;
use crate::http::requirement::ReadChargePoints;
use crate::http::state::ApiState;

/// A page of the organisation's charge points, by id.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChargePointList<'a> {
    /// The charge points.
    charge_points: Vec<ChargePointBody<'a>>,
    #[serde(flatten)]
    page: PageFrame,
}

/// Which charge points are asked for.
#[derive(Debug)]
pub(super) struct ChargePointsQuery {
    site: Option<String>,
    status: Option<ChargePointStatus>,
    online: Option<bool>,
    vendor: Option<String>,
    model: Option<String>,
    updated_since: Option<Timestamp>,
    page: Page,
}

impl Query for ChargePointsQuery {
    fn parse(query: Option<&str>) -> Result<Self, Vec<Detail>> {
        let mut parameters = Parameters::of(query);
        let rule = "must be one of Available, Unavailable, Faulted";
        let value = Self {
            page: Page::take(&mut parameters),
            site: parameters.text("site_id"),
            status: parameters.parsed("status", rule, ChargePointStatus::parse),
            online: parameters.flag("online"),
            vendor: parameters.text("vendor"),
            model: parameters.text("model"),
            updated_since: parameters.time("updated_since"),
        };
        parameters.finish(value)
    }
}

impl ChargePointsQuery {
    fn wants(&self, kept: &ChargePoint, live: &ChargePointLive) -> bool {
        let is = |wanted: &Option<String>, text: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| text == Some(wanted))
        };
        is(&self.site, kept.site.as_ref().map(|site| site.as_str()))
            && is(&self.vendor, Some(&kept.vendor))
            && is(&self.model, Some(&kept.model))
            && self.status.is_none_or(|status| live.ocpp_status == status)
            && self.online.is_none_or(|online| live.online == online)
            && self
                .updated_since
                .is_none_or(|since| kept.updated_at >= since)
    }
}

/// List charge points
///
/// Filters: `site_id`, `status` (of the charge point as a whole), `online`, `vendor`, `model`,
/// `updated_since` (of what is registered). To follow the live status of many, read
/// `GET /chargepoints/status` with its `ETag`.
#[utoipa::path(
    get,
    path = "/api/v1/chargepoints",
    tag = "Charge points",
    params(
        ("site_id" = Option<String>, Query, description = "At this site."),
        ("status" = Option<String>, Query, description = "Available, Unavailable or Faulted."),
        ("online" = Option<bool>, Query, description = "Reachable, or not."),
        ("vendor" = Option<String>, Query, description = "Of this maker."),
        ("model" = Option<String>, Query, description = "Of this model."),
        ("updated_since" = Option<String>, Query, format = DateTime, description = "Changed at this time or later."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Entries of a page; 50 if left out."),
        ("offset" = Option<u32>, Query, minimum = 0, maximum = 1_000_000, description = "Entries before the page."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of the charge points.", body = ChargePointList<'_>),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
    ),
)]
pub(super) async fn list_charge_points(
    caller: Caller<ReadChargePoints, ChargePointsQuery>,
    State(state): State<ApiState>,
) -> Result<Tagged, ApiError> {
    let query = &caller.query;
    let kept = state.stores().charge_points.list(caller.organisation());
    let kept = kept.await?;
    let found: Vec<(&ChargePoint, Arc<ChargePointLive>)> = kept
        .iter()
        .filter_map(|kept| Some((kept, state.fleet().find(&kept.id)?)))
        .filter(|(kept, live)| query.wants(kept, live))
        .collect();
    let page = &query.page;
    let after = page.after.as_deref().unwrap_or("");
    let skipped = usize::try_from(page.offset).unwrap_or(usize::MAX);
    let most = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let shown = found.iter().filter(|(kept, _)| kept.id.as_str() > after);
    let charge_points: Vec<_> = shown
        .skip(skipped)
        .take(most)
        .map(|(kept, live)| ChargePointBody::of(kept, live))
        .collect();
    let last = charge_points.last().map(|last| last.id().to_owned());
    let total = u64::try_from(found.len()).unwrap_or(u64::MAX);
    Ok(Tagged::new(&ChargePointList {
        page: page.frame(total, charge_points.len(), last),
        charge_points,
    }))
}
