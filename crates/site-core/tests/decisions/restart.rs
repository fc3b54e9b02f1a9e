//! Crashes: state is a replay, the rest is learned anew.

use site_core::Event;
use site_model::{
    Change, CommandKind, ConnectorStatus, LimitOwner, Milliamps, Outcome, StopReason, VehicleState,
    WallTime,
};

use crate::bench::{
    Bench, WALL_AT_START, answer, authorized, closed, ended, ended_between, free, granted, nothing,
    publish, required, session, status, tag, write,
};

#[test]
fn a_session_goes_on_when_the_vehicle_is_still_there() {
    let mut bench = Bench::charging(free());
    let decision = bench.at(10_000).restart(5_000);
    assert_eq!(decision, bench.expect(vec![], vec![], vec![publish()]));
    assert!(!bench.site.view(&crate::bench::cp()).unwrap().online);
    bench.at(1_000).meter(5_100);
    let decision = bench.at(1_100).charger(VehicleState::C, 16_000);
    assert_eq!(decision, bench.expect(vec![], vec![], vec![publish()]));
    assert_eq!(bench.site.open_sessions(), vec![session(1)]);
    bench.at(2_000).charger(VehicleState::A, 16_000);
    let decision = bench.at(2_500).meter(5_120);
    let ended = ended(1, 5_120, StopReason::EvDisconnected);
    assert_eq!(decision.facts[0].change, ended, "its end was observed");
}

#[test]
fn a_session_whose_vehicle_left_meanwhile_ends_between_its_bounds() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).restart(600_000);
    bench.at(1_000).charger(VehicleState::A, 16_000);
    let seen_gone = bench.wall();
    let decision = bench.at(1_200).meter(5_400);
    let last_alive = WallTime(WALL_AT_START + 3_000);
    let expected = bench.expect(
        vec![
            ended_between(
                1,
                5_400,
                StopReason::EvDisconnected,
                Some((last_alive, seen_gone)),
            ),
            status(ConnectorStatus::Available),
        ],
        vec![],
        vec![publish()],
    );
    assert_eq!(decision, expected);
}

#[test]
fn a_wall_clock_that_went_back_does_not_turn_the_bounds_around() {
    let mut bench = Bench::charging(free());
    bench.at(10_000);
    bench.restart(0);
    let moment_before = WallTime(WALL_AT_START - 50_000);
    let mut now = bench.timestamp();
    now.wall = moment_before;
    let decision = |bench: &mut Bench, event| {
        let fresh_session = session(9);
        bench
            .site
            .handle(&site_core::Moment { now, fresh_session }, event)
    };
    let gone = site_model::Reading {
        device: crate::bench::device(crate::bench::CHARGER),
        values: vec![site_model::Value::VehicleState(VehicleState::A)],
    };
    decision(&mut bench, Event::DeviceRead(gone));
    let meter = site_model::Reading {
        device: crate::bench::device(crate::bench::METER),
        values: vec![crate::bench::import(5_400)],
    };
    let facts = decision(&mut bench, Event::DeviceRead(meter)).facts;
    let reason = StopReason::EvDisconnected;
    let expected = ended_between(1, 5_400, reason, Some((moment_before, moment_before)));
    assert!(
        facts.iter().any(|fact| fact.change == expected),
        "{facts:#?}"
    );
}

#[test]
fn orders_left_open_expire_and_a_start_without_a_session_is_withdrawn() {
    let mut bench = Bench::idle(required());
    let start = CommandKind::StartSession {
        id_tag: tag("CARD-1"),
        parent: None,
    };
    bench.at(2_000).order("c1", start);
    let decision = bench.at(3_000).restart(1_000);
    let expected = bench.expect(
        vec![
            closed("c1", Outcome::Expired),
            authorized(None),
            granted(0, LimitOwner::Authorization),
        ],
        vec![],
        vec![publish(), answer("c1", Outcome::Expired)],
    );
    assert_eq!(decision, expected);
    let decision = bench.at(1_000).charger(VehicleState::B, 16_000);
    assert_eq!(decision.at_once, vec![write(0)]);
    assert_eq!(bench.site.open_sessions(), vec![]);
}

#[test]
fn a_stop_is_not_forgotten_by_a_crash() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order(
        "c1",
        CommandKind::StopSession {
            reason: site_model::StopReason::Local,
        },
    );
    let decision = bench.restart(1_000);
    let expected = bench.expect(
        vec![closed("c1", Outcome::Expired)],
        vec![],
        vec![publish(), answer("c1", Outcome::Expired)],
    );
    assert_eq!(decision, expected);
    let decision = bench.at(1_000).charger(VehicleState::C, 16_000);
    assert_eq!(decision.at_once, vec![write(0)]);
    bench.at(3_000).charger(VehicleState::B, 0);
    let decision = bench.at(3_500).meter(5_100);
    let ended = ended(1, 5_100, StopReason::Local);
    assert_eq!(decision.facts[0].change, ended);
}

#[test]
fn a_stop_whose_session_ended_before_the_crash_was_applied() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order(
        "c1",
        CommandKind::StopSession {
            reason: site_model::StopReason::Local,
        },
    );
    bench.at(11_000).charger(VehicleState::B, 16_000);
    bench.at(11_500).meter(5_100);
    let decision = bench.at(12_000).restart(1_000);
    let applied = vec![closed("c1", Outcome::Applied)];
    let answered = vec![publish(), answer("c1", Outcome::Applied)];
    assert_eq!(decision, bench.expect(applied, vec![], answered));
    bench.at(1_000).charger(VehicleState::B, 0);
    bench.at(2_000).meter(5_100);
    assert_eq!(bench.site.open_sessions(), vec![], "it is still spent");
}

#[test]
fn the_fate_of_an_order_outlives_a_crash() {
    let mut bench = Bench::charging(free());
    let kind = CommandKind::SetLimit {
        limit: Milliamps(10_000),
    };
    bench.at(10_000).order("c1", kind.clone());
    bench.at(11_000).charger(VehicleState::C, 10_000);
    bench.restart(1_000);
    let again = vec![answer("c1", Outcome::Applied)];
    let decision = bench.at(1_000).order("c1", kind);
    assert_eq!(decision, bench.expect(vec![], vec![], again));
    let decision = bench.at(2_000).charger(VehicleState::C, 16_000);
    assert_eq!(decision.at_once, vec![write(10_000)], "and so does the cap");
}

#[test]
fn a_charge_point_is_announced_again_only_when_it_is_another() {
    let mut bench = Bench::idle(free());
    assert_eq!(bench.restart(1_000).facts, vec![]);
    let mut stronger = free();
    stronger.max_current = Milliamps(32_000);
    let mut other = Bench::started(stronger);
    for fact in &bench.journal {
        other.site.apply(fact);
    }
    let decision = other.tell(Event::Started);
    let announced = other.site.views()[0].announcement.clone();
    let expected = other.expect(
        vec![
            Change::ChargePointAnnounced(announced),
            granted(32_000, LimitOwner::Installation),
        ],
        vec![],
        vec![publish()],
    );
    assert_eq!(decision, expected);
}

#[test]
fn a_session_at_a_connector_that_is_no_longer_configured_is_ended() {
    let bench = Bench::charging(free());
    let mut emptied = Bench::with_site(crate::bench::site_of(vec![]));
    for fact in &bench.journal {
        emptied.site.apply(fact);
    }
    let decision = emptied.at(5_000).tell(Event::Started);
    let bounds = (WallTime(WALL_AT_START + 3_000), emptied.wall());
    let ended = ended_between(1, 5_000, StopReason::Other, Some(bounds));
    assert_eq!(decision.facts.last().unwrap().change, ended);
    assert_eq!(emptied.site.open_sessions(), vec![]);
}

#[test]
fn a_checkpoint_rebuilds_a_session_with_its_start_and_every_open_end() {
    let mut bench = Bench::charging(free());
    bench.at(500_000).meter(6_000);
    bench.at(900_000).deadline();
    let cap = CommandKind::SetLimit {
        limit: Milliamps(10_000),
    };
    bench.at(901_000).order("c1", cap);
    let checkpoint = bench.site.checkpoint();
    assert!(checkpoint.len() < bench.journal.len());
    let before = bench.replayed();
    bench.journal = checkpoint;
    assert!(bench.replayed().agrees_with(&before));
    assert!(bench.replayed().agrees_with(&bench.site));
    assert_eq!(bench.site.checkpoint(), bench.replayed().checkpoint());
}

#[test]
fn a_deadline_without_anything_due_decides_nothing() {
    let mut bench = Bench::charging(free());
    for at in 4..20 {
        assert_eq!(bench.at(at * 1_000).deadline(), nothing());
    }
}

#[test]
fn bounds_are_told_in_the_time_that_was_known_later() {
    // Last proof of life: a status, then a meter value; both recorded before the time was known.
    for (alive_at, quarter) in [(3_000, false), (900_000, true)] {
        let mut bench = Bench::started(free());
        bench.wall_known = false;
        bench.at(1_000).meter(5_000);
        bench.at(2_000).charger(VehicleState::B, 16_000);
        bench.at(3_000).charger(VehicleState::C, 16_000);
        if quarter {
            bench.at(alive_at).deadline();
        }
        bench.wall_known = true;
        bench
            .at(alive_at + 999)
            .tell(Event::ClockSet { offset_ms: 70_000 });
        let alive = WallTime(WALL_AT_START + i64::try_from(alive_at).unwrap() + 70_000);
        bench.restart(600_000);
        bench.at(1_000).charger(VehicleState::A, 16_000);
        let bounds = (alive, bench.wall());
        let reason = StopReason::EvDisconnected;
        let decision = bench.at(2_000).meter(5_000);
        let expected = ended_between(1, 5_000, reason, Some(bounds));
        assert_eq!(decision.facts[0].change, expected);
    }
}
