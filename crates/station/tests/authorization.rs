//! Who may charge: local list, cache, and what is decided on- and offline.
#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

use ocpp::v16::AuthorizationStatus::{Accepted, Blocked, Expired, Invalid};
use ocpp::v16::{
    AuthorizationData, AuthorizationStatus, IdTagInfo, SendLocalListRequest, UpdateStatus,
    UpdateType,
};
use ocpp::{Text, Time};
use station::authorize::{Learned, Verdict, Why, judge, learn, may_stop};
use station::cache::Cache;
use station::configuration::{Configuration, Equipment};
use station::local_list::{ListBounds, ListRefused, LocalList};

const BOUNDS: ListBounds = ListBounds {
    tags_max: 3,
    message_max: 2,
};

fn tag(text: &str) -> Text<20> {
    Text::new(text).unwrap()
}

fn at(second: i64) -> Time {
    Time::from_unix_ms(second * 1000).unwrap()
}

fn info(status: AuthorizationStatus) -> IdTagInfo {
    IdTagInfo::new(status)
}

fn entry(text: &str, status: Option<AuthorizationStatus>) -> AuthorizationData {
    let mut entry = AuthorizationData::new(tag(text));
    entry.id_tag_info = status.map(info);
    entry
}

fn update(version: i64, kind: UpdateType, entries: Vec<AuthorizationData>) -> SendLocalListRequest {
    let mut request = SendLocalListRequest::new(version, kind);
    request.local_authorization_list = Some(entries);
    request
}

fn full(version: i64, entries: Vec<AuthorizationData>) -> SendLocalListRequest {
    update(version, UpdateType::Full, entries)
}

fn differential(version: i64, entries: Vec<AuthorizationData>) -> SendLocalListRequest {
    update(version, UpdateType::Differential, entries)
}

fn configuration(changes: &[(&'static str, &'static str)]) -> Configuration {
    let equipment = Equipment {
        connectors: 1,
        measurands: vec![],
        own: vec![],
    };
    let (configuration, left_out) = Configuration::new(equipment, changes.iter().copied());
    assert!(left_out.is_empty());
    configuration
}

fn list(entries: Vec<AuthorizationData>) -> LocalList {
    let bounds = ListBounds {
        tags_max: 10,
        message_max: 10,
    };
    LocalList::default()
        .updated(true, &full(5, entries), bounds)
        .unwrap()
}

fn statuses(list: &LocalList) -> Vec<(&str, AuthorizationStatus)> {
    list.tags()
        .map(|(tag, info)| (tag.as_str(), info.status))
        .collect()
}

#[test]
fn a_full_list_replaces_and_a_differential_one_changes() {
    let empty = LocalList::default();
    assert_eq!((empty.version(), empty.is_empty()), (0, true));
    let first = empty.updated(
        true,
        &full(
            7,
            vec![entry("B", Some(Accepted)), entry("a", Some(Blocked))],
        ),
        BOUNDS,
    );
    let first = first.unwrap();
    assert_eq!(statuses(&first), [("a", Blocked), ("B", Accepted)]);
    let changes = vec![entry("b", None), entry("C", Some(Expired))];
    let second = first
        .updated(true, &differential(8, changes), BOUNDS)
        .unwrap();
    assert_eq!(
        (second.version(), statuses(&second)),
        (8, vec![("a", Blocked), ("C", Expired)])
    );
    assert_eq!(
        first.version(),
        7,
        "the list before is unchanged until the new one is stored"
    );
    let third = second
        .updated(true, &full(2, vec![entry("D", Some(Accepted))]), BOUNDS)
        .unwrap();
    assert_eq!(
        (third.version(), third.len()),
        (2, 1),
        "a full list may have any version"
    );
    let mut nothing = full(3, vec![]);
    nothing.local_authorization_list = None;
    assert_eq!(
        third.updated(true, &nothing, BOUNDS).unwrap().version(),
        0,
        "an empty list has version 0"
    );
    assert_eq!(
        LocalList::restore(
            8,
            second.tags().map(|(tag, info)| (tag.clone(), info.clone()))
        ),
        second
    );
}

#[test]
fn lists_that_break_a_rule_change_nothing() {
    let have = list(vec![entry("A", Some(Accepted)), entry("B", Some(Accepted))]);
    let refused = |request: &SendLocalListRequest| {
        let refused = have.updated(true, request, BOUNDS).unwrap_err();
        let status = refused.status();
        (refused, status)
    };
    let one = || vec![entry("C", Some(Accepted))];
    let not_later = ListRefused::NotLater { sent: 5, have: 5 };
    assert_eq!(
        refused(&differential(5, one())),
        (not_later, UpdateStatus::VersionMismatch)
    );
    assert_eq!(
        refused(&differential(0, one())),
        (ListRefused::Version(0), UpdateStatus::Failed)
    );
    assert_eq!(
        refused(&full(-1, one())),
        (ListRefused::Version(-1), UpdateStatus::Failed)
    );
    let three = vec![entry("C", None), entry("D", None), entry("E", None)];
    let too_long = ListRefused::MessageTooLong { was: 3, max: 2 };
    assert_eq!(
        refused(&differential(6, three)),
        (too_long, UpdateStatus::Failed)
    );
    let two = vec![entry("C", Some(Accepted)), entry("D", Some(Accepted))];
    let too_long = ListRefused::ListTooLong { was: 4, max: 3 };
    assert_eq!(
        refused(&differential(6, two)),
        (too_long, UpdateStatus::Failed)
    );
    assert_eq!(
        refused(&full(6, vec![entry("C", None)])),
        (ListRefused::WithoutInfo, UpdateStatus::Failed)
    );
    let twice = vec![entry("c", Some(Accepted)), entry("C", Some(Blocked))];
    assert_eq!(
        refused(&full(6, twice)),
        (ListRefused::Twice, UpdateStatus::Failed)
    );
    let fits = have.updated(true, &differential(6, one()), BOUNDS);
    assert_eq!(fits.map(|list| list.len()), Ok(3), "exactly at the bound");
    let disabled = have.updated(false, &full(6, one()), BOUNDS).unwrap_err();
    assert_eq!(
        (disabled.status(), disabled),
        (UpdateStatus::NotSupported, ListRefused::Disabled)
    );
}

/// (online, configuration, on the list, in the cache) → verdict.
fn verdict(
    online: bool,
    changes: &[(&'static str, &'static str)],
    listed: Option<AuthorizationStatus>,
    cached: Option<AuthorizationStatus>,
) -> Verdict {
    let list = list(
        listed
            .map(|status| entry("TAG", Some(status)))
            .into_iter()
            .collect(),
    );
    let mut cache = Cache::new(10);
    if let Some(status) = cached {
        cache.remember(at(0), &tag("tag"), info(status));
    }
    judge(
        &configuration(changes),
        &list,
        &cache,
        online,
        Some(at(100)),
        &tag("Tag"),
    )
}

#[test]
fn online_the_central_system_is_asked_unless_a_valid_tag_may_go_ahead() {
    let ahead: &[_] = &[("LocalPreAuthorize", "true")];
    assert_eq!(
        verdict(true, &[], Some(Accepted), Some(Accepted)),
        Verdict::Ask
    );
    assert_eq!(
        verdict(true, ahead, Some(Accepted), None),
        Verdict::Accepted(Why::LocalList(None))
    );
    assert_eq!(
        verdict(true, ahead, None, Some(Accepted)),
        Verdict::Accepted(Why::Cache(None))
    );
    assert_eq!(
        verdict(true, ahead, Some(Blocked), Some(Accepted)),
        Verdict::Ask,
        "the list goes before the cache"
    );
    assert_eq!(verdict(true, ahead, None, Some(Invalid)), Verdict::Ask);
    assert_eq!(verdict(true, ahead, None, None), Verdict::Ask);
    let unknown: &[_] = &[("AllowOfflineTxForUnknownId", "true")];
    assert_eq!(
        verdict(true, unknown, None, None),
        Verdict::Ask,
        "that is for offline"
    );
}

#[test]
fn offline_only_what_is_known_to_be_valid_may_charge() {
    let unknown: &[_] = &[("AllowOfflineTxForUnknownId", "true")];
    assert_eq!(
        verdict(false, &[], Some(Accepted), None),
        Verdict::Accepted(Why::LocalList(None))
    );
    assert_eq!(
        verdict(false, &[], None, Some(Accepted)),
        Verdict::Accepted(Why::Cache(None))
    );
    assert_eq!(
        verdict(false, &[], Some(Blocked), Some(Accepted)),
        Verdict::Refused(Blocked)
    );
    assert_eq!(
        verdict(false, unknown, Some(Expired), None),
        Verdict::Refused(Expired)
    );
    assert_eq!(
        verdict(false, unknown, None, Some(Blocked)),
        Verdict::Refused(Blocked)
    );
    assert_eq!(verdict(false, &[], None, None), Verdict::Refused(Invalid));
    assert_eq!(
        verdict(false, unknown, None, None),
        Verdict::Accepted(Why::UnknownAllowed)
    );
}

#[test]
fn a_blocked_tag_does_not_become_unknown_because_nobody_is_asked() {
    let off: &[_] = &[
        ("AllowOfflineTxForUnknownId", "true"),
        ("LocalAuthorizeOffline", "false"),
    ];
    assert_eq!(
        verdict(false, off, Some(Blocked), None),
        Verdict::Refused(Invalid)
    );
    assert_eq!(
        verdict(false, off, None, Some(Blocked)),
        Verdict::Refused(Invalid)
    );
    let no_list: &[_] = &[
        ("LocalAuthListEnabled", "false"),
        ("AllowOfflineTxForUnknownId", "true"),
    ];
    assert_eq!(
        verdict(false, no_list, Some(Blocked), None),
        Verdict::Refused(Invalid)
    );
    assert_eq!(
        verdict(false, no_list, Some(Blocked), Some(Accepted)),
        Verdict::Accepted(Why::Cache(None))
    );
    let no_cache: &[_] = &[("AuthorizationCacheEnabled", "false")];
    assert_eq!(
        verdict(false, no_cache, None, Some(Accepted)),
        Verdict::Refused(Invalid)
    );
}

#[test]
fn an_entry_expires_to_the_second_and_is_not_trusted_without_a_clock() {
    let mut accepted = info(Accepted);
    accepted.expiry_date = Some(at(100));
    accepted.parent_id_tag = Some(tag("group"));
    let list = LocalList::restore(1, [(tag("A"), accepted)]);
    let decide = |now| {
        judge(
            &configuration(&[]),
            &list,
            &Cache::new(1),
            false,
            now,
            &tag("A"),
        )
    };
    assert_eq!(
        decide(Some(at(99))),
        Verdict::Accepted(Why::LocalList(Some(tag("group"))))
    );
    assert_eq!(decide(Some(at(100))), Verdict::Refused(Expired));
    assert_eq!(decide(None), Verdict::Refused(Expired));
}

#[test]
fn the_cache_keeps_the_latest_word_and_its_bound() {
    let mut cache = Cache::new(2);
    assert_eq!(cache.remember(at(1), &tag("A"), info(Accepted)), None);
    assert_eq!(cache.remember(at(2), &tag("B"), info(Accepted)), None);
    assert_eq!(cache.remember(at(3), &tag("a"), info(Blocked)), None);
    assert_eq!(
        cache.remember(at(2), &tag("A"), info(Accepted)),
        None,
        "an earlier word comes late"
    );
    assert_eq!(cache.find(&tag("A")), Some(&info(Blocked)));
    assert_eq!(
        cache.remember(at(4), &tag("C"), info(Accepted)),
        Some("b".into())
    );
    assert_eq!((cache.len(), cache.find(&tag("B"))), (2, None));
    cache.remember(at(4), &tag("C"), info(Blocked));
    assert_eq!(
        cache.find(&tag("C")),
        Some(&info(Blocked)),
        "the later of two words of one moment"
    );
    cache.clear();
    assert!(cache.is_empty());
    assert_eq!(
        Cache::new(0).remember(at(1), &tag("A"), info(Accepted)),
        Some("a".into())
    );
}

#[test]
fn what_the_central_system_says_is_learned_unless_the_list_knows_the_tag() {
    let list = list(vec![entry("L", Some(Accepted)), entry("M", Some(Blocked))]);
    let mut cache = Cache::new(5);
    let mut say = |changes, text, status| {
        learn(
            &configuration(changes),
            &list,
            &mut cache,
            at(1),
            &tag(text),
            &info(status),
        )
    };
    assert_eq!(say(&[], "l", Blocked), Learned::ListConflict);
    assert_eq!(say(&[], "L", Accepted), Learned::OnList);
    assert_eq!(say(&[], "M", Blocked), Learned::OnList);
    assert_eq!(
        say(&[("AuthorizationCacheEnabled", "false")], "N", Accepted),
        Learned::NotKept
    );
    assert_eq!(say(&[], "N", Accepted), Learned::Cached { forgotten: None });
    assert_eq!(
        say(&[("LocalAuthListEnabled", "false")], "L", Blocked),
        Learned::Cached { forgotten: None }
    );
    assert_eq!(
        (cache.len(), cache.find(&tag("n"))),
        (2, Some(&info(Accepted)))
    );
}

#[test]
fn the_tag_that_began_or_one_of_its_group_may_stop() {
    let (a, b, group, other) = (tag("A"), tag("B"), tag("G"), tag("H"));
    assert!(may_stop(&a, None, &tag("a"), None));
    assert!(may_stop(&a, Some(&group), &b, Some(&tag("g"))));
    assert!(!may_stop(&a, Some(&group), &b, Some(&other)));
    assert!(!may_stop(&a, None, &b, None));
    assert!(!may_stop(&a, Some(&group), &b, None));
}
