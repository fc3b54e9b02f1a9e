//! GET `/cpo/commands`.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::CommandBody;
use crate::command::CommandFilter;
use crate::http::caller::Caller;
use crate::http::error::{ApiError, Detail};
use crate::http::etag::Tagged;
use crate::http::page::{Page, PageFrame};
use crate::http::parameters::Parameters;
use crate::http::query::Query;
use crate::http::requirement::{AnyOf, ReadChargePoints, WriteCommands};
use crate::http::state::ApiState;

/// A page of the organisation's commands, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CommandList {
    /// The commands.
    commands: Vec<CommandBody>,
    #[serde(flatten)]
    page: PageFrame,
}

/// Which commands are asked for.
#[derive(Debug)]
pub(super) struct CommandsQuery {
    filter: CommandFilter,
    page: Page,
}

impl Query for CommandsQuery {
    fn parse(query: Option<&str>) -> Result<Self, Vec<Detail>> {
        let mut parameters = Parameters::of(query);
        let page = Page::take(&mut parameters);
        let filter = CommandFilter {
            charge_point: parameters.text("charge_point_id"),
            command: parameters.text("command"),
            from: parameters.time("from"),
            to: parameters.time("to"),
            before: page.after.clone(),
        };
        parameters.finish(Self { filter, page })
    }
}

/// List commands
///
/// Filters: `charge_point_id`, `command`, `from` and `to` (when it was given).
#[utoipa::path(
    get,
    path = "/api/v1/cpo/commands",
    tag = "Commands",
    params(
        ("charge_point_id" = Option<String>, Query, description = "To this charge point."),
        ("command" = Option<String>, Query, description = "With this name."),
        ("from" = Option<String>, Query, format = DateTime, description = "Given at this time or later."),
        ("to" = Option<String>, Query, format = DateTime, description = "Given before this time."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Entries of a page; 50 if left out."),
        ("offset" = Option<u32>, Query, minimum = 0, maximum = 1_000_000, description = "Entries before the page."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of the commands.", body = CommandList),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
    ),
)]
pub(super) async fn list_commands(
    caller: Caller<AnyOf<WriteCommands, ReadChargePoints>, CommandsQuery>,
    State(state): State<ApiState>,
) -> Result<Tagged, ApiError> {
    let CommandsQuery { filter, page } = &caller.query;
    let store = state.stores().dispatch.commands();
    let listed = store.list(caller.organisation(), filter, page.limit, page.offset);
    let (commands, total) = listed.await?;
    let last = commands.last().map(|command| command.id.to_string());
    let (now, shown) = (state.clock().now(), commands.len());
    let commands = commands.into_iter().map(|one| CommandBody::of(one, now));
    Ok(Tagged::new(&CommandList {
        commands: commands.collect(),
        page: page.frame(total, shown, last),
    }))
}
