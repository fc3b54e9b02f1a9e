//! Whether a tag may charge: by the local list, the cache, the central system, or not at all
//! (OCPP 1.6 section 3.5).

use ocpp::v16::{AuthorizationStatus, IdTagInfo};
use ocpp::{Text, Time};

use crate::cache::Cache;
use crate::configuration::{Configuration, Key};
use crate::local_list::{LocalList, folded};

/// What to do with a presented tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may charge at once.
    Accepted(Why),
    /// The central system is to be asked.
    Ask,
    /// It may not charge.
    Refused(AuthorizationStatus),
}

/// Why a tag may charge without being asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The local list says so; with the group it names.
    LocalList(Option<Text<20>>),
    /// The central system said so last time; with the group it named.
    Cache(Option<Text<20>>),
    /// Nobody knows it, and unknown tags are allowed offline.
    UnknownAllowed,
}

/// Decides on a presented tag. `now` is `None` while the wall clock is not known: an entry that
/// expires is then not trusted.
#[must_use]
pub fn judge(
    configuration: &Configuration,
    list: &LocalList,
    cache: &Cache,
    online: bool,
    now: Option<Time>,
    id_tag: &Text<20>,
) -> Verdict {
    let by_list = Some(list)
        .filter(|_| configuration.flag(Key::LocalAuthListEnabled))
        .and_then(|list| list.find(id_tag))
        .map(|info| (info, Why::LocalList(info.parent_id_tag.clone())));
    let known = by_list.or_else(|| {
        Some(cache)
            .filter(|_| configuration.flag(Key::AuthorizationCacheEnabled))
            .and_then(|cache| cache.find(id_tag))
            .map(|info| (info, Why::Cache(info.parent_id_tag.clone())))
    });
    let local = if online {
        Key::LocalPreAuthorize
    } else {
        Key::LocalAuthorizeOffline
    };
    let trusted = known.filter(|_| configuration.flag(local));
    match trusted.map(|(info, why)| (status_at(info, now), why)) {
        Some((AuthorizationStatus::Accepted, why)) => Verdict::Accepted(why),
        // The central system may know better by now.
        Some(_) | None if online => Verdict::Ask,
        Some((status, _)) => Verdict::Refused(status),
        None if configuration.flag(Key::AllowOfflineTxForUnknownId)
            && !is_known(list, cache, id_tag) =>
        {
            Verdict::Accepted(Why::UnknownAllowed)
        }
        None => Verdict::Refused(AuthorizationStatus::Invalid),
    }
}

/// A tag that list or cache knows is not unknown, even while neither is asked.
fn is_known(list: &LocalList, cache: &Cache, id_tag: &Text<20>) -> bool {
    list.find(id_tag).is_some() || cache.find(id_tag).is_some()
}

/// The status with its expiry.
fn status_at(info: &IdTagInfo, now: Option<Time>) -> AuthorizationStatus {
    let expired = info
        .expiry_date
        .is_some_and(|expiry| now.is_none_or(|now| expiry <= now));
    match info.status {
        AuthorizationStatus::Accepted if expired => AuthorizationStatus::Expired,
        status @ (AuthorizationStatus::Accepted
        | AuthorizationStatus::Blocked
        | AuthorizationStatus::Expired
        | AuthorizationStatus::Invalid
        | AuthorizationStatus::ConcurrentTx) => status,
    }
}

/// Keeps what the central system said of a tag, in an answer to Authorize, StartTransaction or
/// StopTransaction. A tag of the local list is not cached: the list says what it may.
pub fn learn(
    configuration: &Configuration,
    list: &LocalList,
    cache: &mut Cache,
    at: Time,
    id_tag: &Text<20>,
    info: &IdTagInfo,
) -> Learned {
    let on_list = configuration
        .flag(Key::LocalAuthListEnabled)
        .then(|| list.find(id_tag))
        .flatten();
    if let Some(listed) = on_list {
        let accepted = |info: &IdTagInfo| info.status == AuthorizationStatus::Accepted;
        let conflict = accepted(listed) && !accepted(info);
        return if conflict {
            Learned::ListConflict
        } else {
            Learned::OnList
        };
    }
    if !configuration.flag(Key::AuthorizationCacheEnabled) {
        return Learned::NotKept;
    }
    Learned::Cached {
        forgotten: cache.remember(at, id_tag, info.clone()),
    }
}

/// What became of the central system's word on a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learned {
    /// It is in the cache; a tag may have been forgotten for it, given in lower case.
    Cached {
        /// Which.
        forgotten: Option<String>,
    },
    /// The list knows the tag.
    OnList,
    /// The list allows the tag and the central system does not: `LocalListConflict` is to be told.
    ListConflict,
    /// The cache is switched off.
    NotKept,
}

/// Whether a tag may end a transaction without being asked for: the one that began it, or one that
/// is known to be of the same group. Otherwise the tag is judged first, and asked again with its
/// group.
#[must_use]
pub fn may_stop(
    began: &Text<20>,
    began_group: Option<&Text<20>>,
    presented: &Text<20>,
    presented_group: Option<&Text<20>>,
) -> bool {
    let same_group = began_group
        .zip(presented_group)
        .is_some_and(|(began, presented)| folded(began) == folded(presented));
    folded(began) == folded(presented) || same_group
}
