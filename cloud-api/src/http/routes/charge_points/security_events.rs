//! GET `/chargepoints/{id}/security-events`.

use axum::extract::State;
use serde::Serialize;
use site_model::ChargePointId;
use utoipa::ToSchema;

use super::frames::Newest;
use super::own;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::etag::Tagged;
use crate::http::page::PageFrame;
use crate::http::path::Named;
use crate::http::requirement::ReadChargePoints;
use crate::http::state::ApiState;
use crate::http::time;
use crate::station::SecurityEvent;

/// A page of a charge point's security events, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecurityEventList {
    /// The events.
    security_events: Vec<SecurityEventBody>,
    #[serde(flatten)]
    page: PageFrame,
}

/// One security event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SecurityEvent)]
pub(crate) struct SecurityEventBody {
    /// Who noticed it: `charge_point` or `central_system`.
    #[schema(example = "charge_point")]
    source: &'static str,
    /// What it is, as OCPP names it.
    #[schema(example = "TamperDetectionActivated")]
    r#type: String,
    /// When it happened.
    #[schema(format = DateTime, example = "2026-05-01T09:00:00Z")]
    at: String,
    /// When it was told here: later where the charge point was offline.
    #[schema(format = DateTime, example = "2026-05-01T09:14:05Z")]
    received_at: String,
    /// More about it, for people.
    #[schema(required, example = "lid")]
    info: Option<String>,
}

/// List security events of a charge point
///
/// What the charge point told (OCPP `SecurityEventNotification`), and what was noticed here: that somebody
/// was refused who said that he is this charge point. The latest 200 of each source are kept.
#[utoipa::path(
    get,
    path = "/api/v1/chargepoints/{id}/security-events",
    tag = "Charge points",
    params(
        ("id" = String, Path, description = "Id of the charge point.", example = "cp_01hx2b3c4d5e6f"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Entries of a page; 50 if left out."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of its security events.", body = SecurityEventList),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
        (status = 404, description = "No charge point has this id."),
    ),
)]
pub(super) async fn list_security_events(
    caller: Caller<ReadChargePoints, Newest>,
    State(state): State<ApiState>,
    id: Named<ChargePointId>,
) -> Result<Tagged, ApiError> {
    let id = id.id()?;
    own(&state, caller.organisation(), &id).await?;
    let Newest(page) = &caller.query;
    let store = &state.stores().security_events;
    let events = store.list(&id, page.after.as_deref(), page.limit).await?;
    let last = events.last().map(|event| event.id.clone());
    let total = store.count(&id).await?;
    Ok(Tagged::new(&SecurityEventList {
        page: page.frame(total, events.len(), last),
        security_events: events.into_iter().map(SecurityEventBody::from).collect(),
    }))
}

impl From<SecurityEvent> for SecurityEventBody {
    fn from(event: SecurityEvent) -> Self {
        Self {
            source: event.source.as_str(),
            r#type: event.kind,
            at: time::shown(event.at),
            received_at: time::shown(event.received_at),
            info: event.info,
        }
    }
}
