//! Pages of lists: `limit`, `offset`, and `cursor` for a place that later changes do not move.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use super::parameters::Parameters;

/// Entries of a page unless asked otherwise.
const LIMIT: u32 = 50;
/// Most entries of a page.
const LIMIT_MAX: u32 = 200;
/// Deepest offset; a cursor goes further.
const OFFSET_MAX: u32 = 1_000_000;

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) limit: u32,
    pub(super) offset: u32,
    /// The last entry of the page before, as the list names it.
    pub(super) after: Option<String>,
}

impl Page {
    /// Takes the parameters of a page.
    pub(super) fn take(parameters: &mut Parameters) -> Self {
        let in_range = |least: u32, most: u32| {
            move |text: &str| {
                let number = text.parse::<u32>().ok();
                number.filter(|number| (least..=most).contains(number))
            }
        };
        let limit = parameters.parsed(
            "limit",
            "must be an integer from 1 to 200",
            in_range(1, LIMIT_MAX),
        );
        let offset = parameters.parsed(
            "offset",
            "must be an integer from 0 to 1000000",
            in_range(0, OFFSET_MAX),
        );
        let after = parameters.parsed(
            "cursor",
            "is not the next_cursor of an earlier page",
            |text| {
                let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
                String::from_utf8(bytes).ok()
            },
        );
        if after.is_some() && offset.is_some() {
            parameters.fault("offset", "cannot be given together with cursor");
        }
        Self {
            limit: limit.unwrap_or(LIMIT),
            offset: offset.unwrap_or(0),
            after,
        }
    }

    /// What stands around the entries of this page; `last` names its last entry.
    pub(super) fn frame(&self, total: u64, shown: usize, last: Option<String>) -> PageFrame {
        let full = u32::try_from(shown).is_ok_and(|shown| shown >= self.limit);
        PageFrame {
            total,
            limit: self.limit,
            offset: self.offset,
            next_cursor: last
                .filter(|_| full)
                .map(|last| URL_SAFE_NO_PAD.encode(last)),
        }
    }
}

/// What stands beside the entries of a page.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PageFrame {
    /// How many entries there are in all.
    #[schema(example = 1)]
    total: u64,
    /// Most entries of a page.
    #[schema(example = 50)]
    limit: u32,
    /// Entries before this page.
    #[schema(example = 0)]
    offset: u32,
    /// Send it as `cursor` to get what follows; null where nothing can follow.
    #[schema(required)]
    next_cursor: Option<String>,
}
