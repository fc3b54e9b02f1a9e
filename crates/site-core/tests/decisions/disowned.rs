//! Sessions whose tag the central system does not accept, and the tag that ends a session.

use site_core::{Decision, Event};
use site_model::{
    Change, CommandKind, ConnectorStatus, LimitOwner, Milliamps, StopReason, VehicleState,
    WattHours,
};

use crate::bench::{
    Bench, CHARGER, METER, authorized, device, ended, free, granted, nothing, publish, required,
    session, tag, write,
};

fn changes(decision: &Decision) -> Vec<Change> {
    let facts = decision.facts.iter();
    facts.map(|fact| fact.change.clone()).collect()
}

/// Session 1 charges from 5 000 Wh on CARD-1, at 4 s.
fn charging() -> Bench {
    let mut bench = Bench::idle(required());
    bench.at(2_000).charger(VehicleState::B, 0);
    bench.at(3_000).order(
        "start",
        CommandKind::StartSession {
            id_tag: tag("CARD-1"),
            parent: None,
        },
    );
    bench.at(3_200).tell(Event::LimitWritten {
        device: device(CHARGER),
        limit: Milliamps(16_000),
    });
    bench.at(3_500).charger(VehicleState::B, 16_000);
    bench.at(4_000).charger(VehicleState::C, 16_000);
    assert_eq!(bench.view().status, ConnectorStatus::Charging);
    bench
}

fn not_accepted(allowance: u64, ends: bool) -> Event {
    Event::TagNotAccepted {
        session: session(1),
        allowance: WattHours(allowance),
        ends,
    }
}

fn disowned(up_to: u64, ends: bool) -> Change {
    Change::SessionDisowned {
        session: session(1),
        up_to: WattHours(up_to),
        ends,
    }
}

#[test]
fn a_session_whose_tag_is_not_accepted_ends_at_once() {
    let mut bench = charging();
    let decision = bench.at(5_000).tell(not_accepted(0, true));
    let expected = bench.expect(
        vec![
            disowned(5_000, true),
            authorized(None),
            granted(0, LimitOwner::Authorization),
        ],
        vec![write(0)],
        vec![publish()],
    );
    assert_eq!(decision, expected);
    bench.at(6_000).charger(VehicleState::B, 0);
    let decision = bench.at(6_500).meter(5_010);
    let end = ended(1, 5_010, StopReason::DeAuthorized);
    assert_eq!(changes(&decision)[0], end);
}

#[test]
fn what_it_may_take_is_counted_from_its_start_to_the_watt_hour() {
    let mut bench = charging();
    bench.at(5_000).meter(5_100);
    let decision = bench.at(6_000).tell(not_accepted(500, true));
    assert_eq!(changes(&decision), [disowned(5_500, true)]);
    // Said again, or another amount: the first holds.
    assert_eq!(bench.tell(not_accepted(900, false)), nothing());
    assert_eq!(changes(&bench.at(7_000).meter(5_499)), []);
    let decision = bench.at(8_000).meter(5_500);
    let withdrawn = [authorized(None), granted(0, LimitOwner::Authorization)];
    assert_eq!(changes(&decision), withdrawn);
    assert_eq!(decision.at_once, [write(0)]);
    bench.at(9_000).charger(VehicleState::B, 0);
    let decision = bench.at(9_500).meter(5_503);
    let end = ended(1, 5_503, StopReason::DeAuthorized);
    assert_eq!(changes(&decision)[0], end);
}

#[test]
fn where_it_is_not_to_be_stopped_it_stays_without_energy() {
    let mut bench = charging();
    let decision = bench.at(5_000).tell(not_accepted(0, false));
    let expected = [
        disowned(5_000, false),
        granted(0, LimitOwner::Authorization),
    ];
    assert_eq!(changes(&decision), expected);
    assert_eq!(decision.at_once, [write(0)]);
    bench.at(6_000).charger(VehicleState::B, 0);
    bench.at(60_000).meter(5_010);
    assert_eq!(bench.view().status, ConnectorStatus::SuspendedEvse);
    bench.at(61_000).charger(VehicleState::A, 0);
    let decision = bench.at(61_500).meter(5_010);
    let end = ended(1, 5_010, StopReason::EvDisconnected);
    assert_eq!(changes(&decision)[0], end);
}

#[test]
fn an_allowance_outlives_a_restart_and_a_checkpoint() {
    let mut bench = charging();
    bench.at(5_000).tell(not_accepted(500, true));
    let mut rebuilt = site_core::Site::new(bench.config.clone());
    for fact in bench.site.checkpoint() {
        rebuilt.apply(&fact);
    }
    assert!(rebuilt.agrees_with(&bench.site));
    bench.at(6_000).restart(5_000);
    bench.at(1_000).charger(VehicleState::C, 16_000);
    let decision = bench.at(2_000).meter(5_600);
    assert!(
        changes(&decision).contains(&authorized(None)),
        "{decision:?}"
    );
}

#[test]
fn what_cannot_be_counted_is_not_given() {
    let mut bench = charging();
    bench.at(5_000).tell(not_accepted(500, true));
    let decision = bench.at(6_000).lose(METER);
    assert_eq!(changes(&decision), [granted(0, LimitOwner::Authorization)]);
    let decision = bench.at(7_000).meter(5_100);
    let back = [granted(16_000, LimitOwner::Installation)];
    assert_eq!(changes(&decision), back, "it has 400 Wh left");
}

#[test]
fn a_session_that_is_free_for_all_or_over_is_not_disowned() {
    let mut bench = Bench::charging(free());
    assert_eq!(bench.at(10_000).tell(not_accepted(0, true)), nothing());
    let mut bench = Bench::idle(required());
    assert_eq!(bench.at(10_000).tell(not_accepted(0, true)), nothing());
}

#[test]
fn the_end_of_a_session_names_the_tag_that_ended_it_also_after_a_restart() {
    for restart in [false, true] {
        let mut bench = charging();
        let id_tag = tag("CARD-2");
        bench
            .at(10_000)
            .order("stop", CommandKind::StopByTag { id_tag });
        if restart {
            bench.restart(1_000);
        }
        bench.at(11_000).charger(VehicleState::B, 0);
        let decision = bench.at(11_500).meter(5_115);
        let Change::SessionEnded { reason, id_tag, .. } = &changes(&decision)[0] else {
            panic!("{decision:?}")
        };
        let named = (*reason, id_tag.clone());
        assert_eq!(named, (StopReason::Local, Some(tag("CARD-2"))));
        // And so does the fact that a checkpoint keeps of it.
        let mut rebuilt = site_core::Site::new(bench.config.clone());
        for fact in bench.site.checkpoint() {
            rebuilt.apply(&fact);
        }
        assert!(rebuilt.agrees_with(&bench.site));
    }
}
