//! GET `/chargepoints/{id}/frames`.

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
use crate::http::requirement::ReadChargePoints;
use crate::http::state::ApiState;
use crate::http::time;
use crate::station::FrameRow;

/// A page of a charge point's raw frames, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FrameList {
    /// The frames.
    frames: Vec<FrameBody>,
    #[serde(flatten)]
    page: PageFrame,
}

/// One raw frame.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Frame)]
pub(crate) struct FrameBody {
    /// When it came or went, to the millisecond.
    #[schema(format = DateTime, example = "2026-05-01T09:15:00.042Z")]
    at: String,
    /// `in`: from the charge point; `out`: to it.
    #[schema(example = "in")]
    direction: &'static str,
    /// `call`, `result`, `error` or `unreadable`.
    #[schema(example = "call")]
    kind: &'static str,
    /// Id of the message; the `command_id` where it belongs to a command.
    #[schema(required)]
    message_id: Option<String>,
    /// Action, also of an answer.
    #[schema(required, example = "Heartbeat")]
    action: Option<String>,
    /// Length in bytes.
    #[schema(example = 26)]
    bytes: u64,
    /// The frame, its beginning where it is longer than 4 096 bytes. Passwords are left out.
    #[schema(example = "[2,\"17\",\"Heartbeat\",{}]")]
    frame: String,
    /// With an answer: milliseconds since its call.
    #[schema(required)]
    latency_ms: Option<u64>,
    /// `valid`, or what is wrong with it or was tolerated.
    #[schema(example = "valid")]
    validity: String,
}

/// Which page is asked for of a list that grows at its beginning: by cursor only.
#[derive(Debug)]
pub(super) struct Newest(pub(super) Page);

impl Query for Newest {
    fn parse(query: Option<&str>) -> Result<Self, Vec<Detail>> {
        let mut parameters = Parameters::of(query);
        let page = Page::take(&mut parameters);
        if page.offset > 0 {
            parameters.fault("offset", "is not known here; use cursor");
        }
        parameters.finish(Self(page))
    }
}

/// List raw frames of a charge point
///
/// The latest 500 frames of its OCPP socket, written within a second. For looking at what a charge
/// point really says.
#[utoipa::path(
    get,
    path = "/api/v1/chargepoints/{id}/frames",
    tag = "Charge points",
    params(
        ("id" = String, Path, description = "Id of the charge point.", example = "cp_01hx2b3c4d5e6f"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Entries of a page; 50 if left out."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of its frames.", body = FrameList),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
        (status = 404, description = "No charge point has this id."),
    ),
)]
pub(super) async fn list_frames(
    caller: Caller<ReadChargePoints, Newest>,
    State(state): State<ApiState>,
    id: Named<ChargePointId>,
) -> Result<Tagged, ApiError> {
    let id = id.id()?;
    own(&state, caller.organisation(), &id).await?;
    let Newest(page) = &caller.query;
    let store = &state.stores().frames;
    let frames = store.list(&id, page.after.as_deref(), page.limit).await?;
    let last = frames.last().map(|frame| frame.id.clone());
    let total = store.count(&id).await?;
    Ok(Tagged::new(&FrameList {
        page: page.frame(total, frames.len(), last),
        frames: frames.into_iter().map(FrameBody::from).collect(),
    }))
}

impl From<FrameRow> for FrameBody {
    fn from(frame: FrameRow) -> Self {
        Self {
            at: time::shown_to_the_ms(frame.at),
            direction: frame.direction.as_str(),
            kind: frame.kind.as_str(),
            message_id: frame.message_id,
            action: frame.action,
            bytes: frame.bytes,
            frame: frame.frame,
            latency_ms: frame.latency_ms,
            validity: frame.validity,
        }
    }
}
