//! What charging profiles leave a connector: one owner of its limit among the others.

use site_core::Event;
use site_model::{Change, CommandKind, ConnectorId, LimitOwner, Milliamps, Outcome, VehicleState};

use crate::bench::{
    Bench, authorized, begun, closed, cp, free, granted, nothing, one, publish, required, status,
    tag, write,
};

fn left(limit: Option<u32>) -> Event {
    Event::ProfilesLimit {
        charge_point: cp(),
        limits: vec![(one(), limit.map(Milliamps))],
    }
}

fn changed(limit: Option<u32>) -> Change {
    Change::ProfileLimitChanged {
        charge_point: cp(),
        connector: one(),
        limit: limit.map(Milliamps),
    }
}

#[test]
fn profiles_lower_at_once_and_raise_after_the_commit() {
    let mut bench = Bench::charging(free());
    let decision = bench.at(10_000).tell(left(Some(9_950)));
    let facts = vec![
        changed(Some(9_950)),
        granted(9_900, LimitOwner::ChargingProfile),
    ];
    let expected = bench.expect(facts, vec![write(9_900)], vec![publish()]);
    assert_eq!(decision, expected, "rounded down to the device's step");
    bench.at(11_000).charger(VehicleState::C, 9_900);
    let decision = bench.at(12_000).tell(left(Some(12_000)));
    let facts = vec![
        changed(Some(12_000)),
        granted(12_000, LimitOwner::ChargingProfile),
    ];
    let expected = bench.expect(facts, vec![], vec![write(12_000), publish()]);
    assert_eq!(decision, expected);
    bench.at(13_000).charger(VehicleState::C, 12_000);
    let decision = bench.at(14_000).tell(left(None));
    let facts = vec![changed(None), granted(16_000, LimitOwner::Installation)];
    let expected = bench.expect(facts, vec![], vec![write(16_000), publish()]);
    assert_eq!(decision, expected);
}

#[test]
fn what_is_said_again_or_of_nobody_changes_nothing() {
    let mut bench = Bench::charging(free());
    assert_eq!(bench.at(10_000).tell(left(None)), nothing());
    bench.tell(left(Some(10_000)));
    bench.at(11_000).charger(VehicleState::C, 10_000);
    assert_eq!(bench.at(12_000).tell(left(Some(10_000))), nothing());
    let unknown = Event::ProfilesLimit {
        charge_point: cp(),
        limits: vec![(ConnectorId::new(2).unwrap(), Some(Milliamps(6_000)))],
    };
    assert_eq!(bench.tell(unknown), nothing());
}

#[test]
fn between_0_and_6_a_a_profile_pauses_and_says_who_did() {
    for limit in [0, 5_999] {
        let mut bench = Bench::charging(free());
        let decision = bench.at(10_000).tell(left(Some(limit)));
        assert_eq!(decision.at_once, vec![write(0)]);
        let view = bench.view();
        let shown = (view.limit, view.limit_owner);
        assert_eq!(shown, (Milliamps(0), LimitOwner::ChargingProfile));
    }
}

#[test]
fn the_lowest_owner_rules_whoever_spoke_last() {
    let mut bench = Bench::charging(free());
    let cap = |limit| CommandKind::SetLimit {
        limit: Milliamps(limit),
    };
    let ruler = |bench: &Bench| (bench.view().limit.0, bench.view().limit_owner);
    bench.at(10_000).tell(left(Some(10_000)));
    bench.order("c1", cap(12_000));
    assert_eq!(ruler(&bench), (10_000, LimitOwner::ChargingProfile));
    bench.at(11_000).order("c2", cap(8_000));
    assert_eq!(ruler(&bench), (8_000, LimitOwner::Command));
    bench.at(12_000).tell(left(Some(7_000)));
    assert_eq!(ruler(&bench), (7_000, LimitOwner::ChargingProfile));
    bench.at(13_000).tell(left(Some(8_000)));
    assert_eq!(
        ruler(&bench),
        (8_000, LimitOwner::Command),
        "who gave an order at this site must act first"
    );
    bench.at(14_000).tell(left(Some(32_000)));
    bench.at(15_000).order("c3", CommandKind::ClearLimit);
    assert_eq!(
        ruler(&bench),
        (16_000, LimitOwner::Installation),
        "a profile never raises"
    );
}

#[test]
fn a_start_at_a_connector_that_a_limit_pauses_is_done_once_its_session_has_begun() {
    let mut bench = Bench::idle(required());
    bench.at(1_500).tell(left(Some(0)));
    bench.at(2_000).charger(VehicleState::A, 0);
    let start = CommandKind::StartSession {
        id_tag: tag("CARD-1"),
        parent: None,
    };
    bench.at(3_000).order("c1", start);
    let waits = bench.at(4_000).charger(VehicleState::A, 0);
    assert_eq!(waits, nothing(), "nobody is plugged in");
    let decision = bench.at(5_000).charger(VehicleState::B, 0);
    assert_eq!(bench.site.open_sessions().len(), 1);
    let done = closed("c1", Outcome::Applied);
    assert!(
        decision.facts.iter().any(|fact| fact.change == done),
        "{decision:?}"
    );
    let decision = bench.at(60_000).deadline();
    let expired = closed("c1", Outcome::Expired);
    assert!(
        decision.facts.iter().all(|fact| fact.change != expired),
        "{decision:?}"
    );
    // It charges once the limit lets it.
    bench.at(61_000).tell(left(None));
    bench.at(62_000).charger(VehicleState::C, 16_000);
    assert_eq!(bench.site.open_sessions().len(), 1);
}

#[test]
fn a_restart_keeps_what_profiles_left_until_they_speak_again() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).tell(left(Some(8_000)));
    let decision = bench.at(11_000).restart(2_000);
    assert_eq!(decision, bench.expect(vec![], vec![], vec![publish()]));
    let shown = (bench.view().limit, bench.view().limit_owner);
    assert_eq!(shown, (Milliamps(8_000), LimitOwner::ChargingProfile));
    let decision = bench.at(1_000).charger(VehicleState::C, 16_000);
    assert_eq!(decision.at_once, vec![write(8_000)], "and never the rating");
    let mut short = site_core::Site::new(crate::bench::site_of(vec![free()]));
    for fact in bench.site.checkpoint() {
        short.apply(&fact);
    }
    assert!(bench.site.agrees_with(&short), "a checkpoint keeps it too");
}

#[test]
fn a_session_begins_under_the_limit_that_profiles_left_before() {
    let mut bench = Bench::idle(required());
    bench.at(1_500).tell(left(Some(7_000)));
    let start = CommandKind::StartSession {
        id_tag: tag("CARD-1"),
        parent: None,
    };
    let decision = bench.at(2_000).order("c1", start);
    assert_eq!(
        decision.facts[1..]
            .iter()
            .map(|fact| fact.change.clone())
            .collect::<Vec<_>>(),
        vec![
            authorized(Some("CARD-1")),
            granted(7_000, LimitOwner::ChargingProfile)
        ]
    );
    let decision = bench.at(3_000).charger(VehicleState::B, 0);
    let facts = vec![
        begun(1, "CARD-1", 5_000),
        status(site_model::ConnectorStatus::Preparing),
    ];
    assert_eq!(decision.facts, bench.expect(facts, vec![], vec![]).facts);
}

#[test]
fn a_device_that_cannot_be_paused_gets_the_least_it_can() {
    let mut endless = free();
    endless.range.can_pause = false;
    let mut bench = Bench::charging(endless);
    let decision = bench.at(10_000).tell(left(Some(0)));
    assert_eq!(decision.at_once, vec![write(6_000)]);
    assert_eq!(bench.view().limit_owner, LimitOwner::ChargingProfile);
}
