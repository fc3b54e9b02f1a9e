//! GET `/cpo/fleet/summary`.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::caller::Caller;
use crate::http::decimal::Decimal;
use crate::http::error::ApiError;
use crate::http::etag::Tagged;
use crate::http::requirement::{AnyOf, ReadAnalytics, ReadChargePoints};
use crate::http::state::ApiState;

/// The organisation's fleet now. `online` + `offline` + `faulted` = `total_charge_points`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FleetSummary {
    /// Whose fleet it is.
    #[schema(example = "org_01hx2b3c4d5e6f7g8h9jkmnpqr")]
    organisation_id: String,
    /// Charge points.
    #[schema(example = 42)]
    total_charge_points: u64,
    /// Reachable and without a fault.
    #[schema(example = 38)]
    online: u64,
    /// Not reachable.
    #[schema(example = 3)]
    offline: u64,
    /// Reachable with a connector `Faulted`.
    #[schema(example = 1)]
    faulted: u64,
    /// Sessions that run.
    #[schema(example = 12)]
    active_sessions: u64,
    /// Energy since midnight in the organisation's time zone, kWh with at most 3 decimals.
    #[schema(value_type = f64, example = 847.3)]
    energy_delivered_today_kwh: Decimal,
    /// Revenue since midnight, EUR with at most 2 decimals; 0 while there are no tariffs.
    #[schema(value_type = f64, example = 0)]
    revenue_today_eur: Decimal,
    /// Connectors that are free.
    #[schema(example = 60)]
    available: u64,
    /// Connectors that charge.
    #[schema(example = 12)]
    charging: u64,
    /// Revenue since midnight in each currency.
    revenue_today: Vec<Revenue>,
}

/// Revenue in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Revenue {
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// With at most 2 decimals.
    #[schema(value_type = f64, example = 423.65)]
    amount: Decimal,
}

/// Fleet summary
///
/// Charge points by state, running sessions, energy and revenue of today.
#[utoipa::path(
    get,
    path = "/api/v1/cpo/fleet/summary",
    tag = "Fleet",
    responses(
        (status = 200, description = "The fleet now.", body = FleetSummary),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
    ),
)]
pub(super) async fn fleet_summary(
    caller: Caller<AnyOf<ReadChargePoints, ReadAnalytics>>,
    State(state): State<ApiState>,
) -> Result<Tagged, ApiError> {
    let organisation = caller.organisation();
    let fleet = state.fleet().summary(organisation, state.clock().now());
    Ok(Tagged::new(&FleetSummary {
        organisation_id: organisation.to_string(),
        total_charge_points: fleet.total,
        online: fleet.online,
        offline: fleet.offline,
        faulted: fleet.faulted,
        active_sessions: fleet.active_sessions,
        energy_delivered_today_kwh: Decimal::from_thousandths(fleet.energy_today_wh),
        revenue_today_eur: Decimal::from_hundredths(0),
        available: fleet.available,
        charging: fleet.charging,
        revenue_today: Vec::new(),
    }))
}
