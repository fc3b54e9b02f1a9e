//! What was said of a tag, as the journal's file keeps it.

use ocpp::v16::{AuthorizationStatus, IdTagInfo};
use ocpp::{Text, Time};
use station::local_list::LocalList;

use crate::store::access::{ListChange, TagRow};

/// What a row says; none if it is not readable.
pub(super) fn read(row: &TagRow) -> Option<(Text<20>, IdTagInfo)> {
    let mut words = AuthorizationStatus::ALL.iter();
    let status = words.find(|word| word.as_str() == row.status)?;
    let mut info = IdTagInfo::new(*status);
    info.expiry_date = row.expiry_ms.and_then(Time::from_unix_ms);
    info.parent_id_tag = match &row.parent {
        Some(parent) => Some(Text::new(parent.as_str()).ok()?),
        None => None,
    };
    Some((Text::new(row.id_tag.as_str()).ok()?, info))
}

pub(super) fn write(id_tag: &Text<20>, info: &IdTagInfo) -> TagRow {
    TagRow {
        id_tag: id_tag.as_str().to_ascii_lowercase(),
        status: info.status.as_str().to_owned(),
        expiry_ms: info.expiry_date.map(Time::unix_ms),
        parent: info
            .parent_id_tag
            .as_ref()
            .map(|parent| parent.as_str().to_owned()),
    }
}

/// What makes one list of another.
pub(super) fn difference(before: &LocalList, after: &LocalList, version: i64) -> ListChange {
    let changed = after
        .tags()
        .filter(|(id_tag, info)| before.find(id_tag) != Some(*info));
    let gone = before
        .tags()
        .filter(|(id_tag, _)| after.find(id_tag).is_none());
    ListChange {
        version,
        on: changed.map(|(id_tag, info)| write(id_tag, info)).collect(),
        off: gone
            .map(|(id_tag, _)| id_tag.as_str().to_ascii_lowercase())
            .collect(),
    }
}
