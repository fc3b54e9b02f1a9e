//! GET `/sessions`.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::SessionBody;
use crate::http::caller::Caller;
use crate::http::error::{ApiError, Detail};
use crate::http::etag::Tagged;
use crate::http::page::{Page, PageFrame};
use crate::http::parameters::Parameters;
use crate::http::query::Query;
use crate::http::requirement::ReadSessions;
use crate::http::state::ApiState;
use crate::session::{SessionFilter, SessionState};

/// A page of the organisation's sessions, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionList {
    /// The sessions.
    sessions: Vec<SessionBody>,
    #[serde(flatten)]
    page: PageFrame,
}

/// Which sessions are asked for.
#[derive(Debug)]
pub(super) struct SessionsQuery {
    filter: SessionFilter,
    page: Page,
}

impl Query for SessionsQuery {
    fn parse(query: Option<&str>) -> Result<Self, Vec<Detail>> {
        let mut parameters = Parameters::of(query);
        let page = Page::take(&mut parameters);
        let before = match page.after.as_deref().map(place) {
            Some(None) => {
                parameters.fault("cursor", "is not the next_cursor of an earlier page");
                None
            }
            Some(place) => place,
            None => None,
        };
        let rule = "must be one of active, completed, stopped";
        let filter = SessionFilter {
            from: parameters.time("from"),
            to: parameters.time("to"),
            charge_point: parameters.text("charge_point_id"),
            user: parameters.text("user_id"),
            state: parameters.parsed("status", rule, SessionState::parse),
            before,
        };
        parameters.finish(Self { filter, page })
    }
}

/// Start in ms and id of the last session of a page.
fn place(text: &str) -> Option<(i64, String)> {
    let (ms, id) = text.split_once('.')?;
    Some((ms.parse().ok()?, id.to_owned()))
}

/// List sessions
///
/// Filters: `from` and `to` (when it began), `charge_point_id`, `user_id`, `status`.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    tag = "Sessions",
    params(
        ("from" = Option<String>, Query, format = DateTime, description = "Begun at this time or later."),
        ("to" = Option<String>, Query, format = DateTime, description = "Begun before this time."),
        ("charge_point_id" = Option<String>, Query, description = "On this charge point."),
        ("user_id" = Option<String>, Query, description = "With a token of this user."),
        ("status" = Option<String>, Query, description = "active, completed or stopped."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Entries of a page; 50 if left out."),
        ("offset" = Option<u32>, Query, minimum = 0, maximum = 1_000_000, description = "Entries before the page."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of the sessions.", body = SessionList),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
    ),
)]
pub(super) async fn list_sessions(
    caller: Caller<ReadSessions, SessionsQuery>,
    State(state): State<ApiState>,
) -> Result<Tagged, ApiError> {
    let SessionsQuery { filter, page } = &caller.query;
    let store = &state.stores().sessions;
    let listed = store.list(caller.organisation(), filter, page.limit, page.offset);
    let (sessions, total) = listed.await?;
    let place = |ms: i64, id: &str| format!("{ms}.{id}");
    let last = sessions
        .last()
        .map(|last| place(last.started_at.as_millisecond(), last.id.as_str()));
    let now = state.clock().now();
    let shown = sessions.len();
    let sessions = sessions.into_iter().map(|one| SessionBody::of(one, now));
    Ok(Tagged::new(&SessionList {
        sessions: sessions.collect(),
        page: page.frame(total, shown, last),
    }))
}
