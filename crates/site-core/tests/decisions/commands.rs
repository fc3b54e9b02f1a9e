//! Fates of orders: refused, applied, expired, superseded, and the same for whoever asks again.

use site_core::{Event, OPEN_COMMANDS_MAX, REMEMBERED_COMMANDS_MAX};
use site_model::{
    Change, ChargePointId, CommandId, CommandKind, LimitOwner, Milliamps, Monotonic, Outcome,
    RefusalReason, VehicleState,
};

use crate::bench::{
    Bench, CHARGER, answer, closed, free, granted, nothing, publish, required, tag, write,
};

fn limit(milliamps: u32) -> CommandKind {
    CommandKind::SetLimit {
        limit: Milliamps(milliamps),
    }
}

fn start() -> CommandKind {
    CommandKind::StartSession {
        id_tag: tag("CARD-1"),
        parent: None,
    }
}

fn assert_refused(bench: &mut Bench, kind: CommandKind, reason: RefusalReason) {
    let id = format!("refused-{}-{}", bench.now, reason.as_str());
    let decision = bench.order(&id, kind);
    let expected = bench.expect(vec![], vec![], vec![answer(&id, Outcome::Refused(reason))]);
    assert_eq!(decision, expected);
}

#[test]
fn a_limit_is_applied_by_the_reading_that_shows_it() {
    let mut bench = Bench::charging(free());
    let opened = Change::CommandOpened(bench.at(10_000).command("c1", limit(10_000)));
    let decision = bench.order("c1", limit(10_000));
    let expected = bench.expect(
        vec![opened, granted(10_000, LimitOwner::Command)],
        vec![write(10_000)],
        vec![publish()],
    );
    assert_eq!(decision, expected);
    assert_eq!(bench.at(10_500).charger(VehicleState::C, 16_000), nothing());
    let decision = bench.at(11_000).charger(VehicleState::C, 10_000);
    let expected = bench.expect(
        vec![closed("c1", Outcome::Applied)],
        vec![],
        vec![publish(), answer("c1", Outcome::Applied)],
    );
    assert_eq!(decision, expected);
}

#[test]
fn an_order_expires_to_the_millisecond_and_its_limit_is_still_pursued() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order("c1", limit(10_000));
    bench.at(39_000).charger(VehicleState::C, 16_000);
    assert_eq!(bench.site.next_deadline(), Some(Monotonic(40_000)));
    assert_eq!(bench.at(39_999).deadline(), nothing());
    let decision = bench.at(40_000).deadline();
    let expired = bench.expect(
        vec![closed("c1", Outcome::Expired)],
        vec![],
        vec![answer("c1", Outcome::Expired)],
    );
    assert_eq!(decision, expired);
    let decision = bench.at(44_000).charger(VehicleState::C, 16_000);
    assert_eq!(decision, bench.expect(vec![], vec![write(10_000)], vec![]));
}

#[test]
fn an_order_that_arrives_at_its_expiry_is_too_late_and_one_millisecond_before_is_not() {
    let mut bench = Bench::charging(free());
    let mut late = bench.at(10_000).command("c1", limit(10_000));
    late.expires_at = Monotonic(10_000);
    let decision = bench.tell(Event::CommandReceived(late.clone()));
    let refused = answer("c1", Outcome::Refused(RefusalReason::TooLate));
    assert_eq!(decision, bench.expect(vec![], vec![], vec![refused]));
    late.id = CommandId::new("c2").unwrap();
    late.expires_at = Monotonic(10_001);
    let decision = bench.tell(Event::CommandReceived(late.clone()));
    assert_eq!(decision.facts[0].change, Change::CommandOpened(late));
}

#[test]
fn asking_again_gets_the_same_fate_and_changes_nothing() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order("c1", limit(10_000));
    assert_eq!(bench.order("c1", limit(8_000)), nothing(), "the first wins");
    bench.at(11_000).charger(VehicleState::C, 10_000);
    let decision = bench.at(12_000).order("c1", limit(8_000));
    let again = vec![answer("c1", Outcome::Applied)];
    assert_eq!(decision, bench.expect(vec![], vec![], again));

    let refused = Outcome::Refused(RefusalReason::LimitBelowMinimum);
    bench.order("c2", limit(5_999));
    let decision = bench.order("c2", limit(8_000));
    let again = vec![answer("c2", refused)];
    assert_eq!(decision, bench.expect(vec![], vec![], again));
}

#[test]
fn a_later_limit_takes_the_place_of_the_earlier() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order("c1", limit(10_000));
    let opened = Change::CommandOpened(bench.at(10_100).command("c2", limit(8_000)));
    let decision = bench.order("c2", limit(8_000));
    let expected = bench.expect(
        vec![
            closed("c1", Outcome::Superseded),
            opened,
            granted(8_000, LimitOwner::Command),
        ],
        vec![write(8_000)],
        vec![publish(), answer("c1", Outcome::Superseded)],
    );
    assert_eq!(decision, expected);
}

#[test]
fn limits_between_0_and_the_minimum_are_refused() {
    let mut bench = Bench::charging(free());
    let reason = RefusalReason::LimitBelowMinimum;
    for refused in [1, 5_999] {
        bench.now += 1;
        assert_refused(&mut bench, limit(refused), reason);
    }
    for (n, accepted) in [6_000, 0].into_iter().enumerate() {
        let decision = bench.order(&format!("c{n}"), limit(accepted));
        assert_eq!(decision.at_once, vec![write(accepted)]);
    }
}

#[test]
fn every_order_that_makes_no_sense_is_refused_with_its_reason() {
    let mut bench = Bench::charging(free());
    assert_refused(&mut bench, start(), RefusalReason::SessionRunning);
    let mut elsewhere = bench.command("c1", limit(8_000));
    elsewhere.charge_point = ChargePointId::new("CP-2").unwrap();
    let decision = bench.tell(Event::CommandReceived(elsewhere));
    let refused = answer("c1", Outcome::Refused(RefusalReason::UnknownConnector));
    assert_eq!(decision, bench.expect(vec![], vec![], vec![refused]));

    let mut bench = Bench::idle(required());
    assert_refused(
        &mut bench,
        CommandKind::StopSession {
            reason: site_model::StopReason::Local,
        },
        RefusalReason::NoSession,
    );
    bench.at(2_000).charger(VehicleState::F, 0);
    assert_refused(&mut bench, start(), RefusalReason::NotOperative);
    bench.at(3_000).lose(CHARGER);
    assert_refused(&mut bench, start(), RefusalReason::DeviceOffline);
    assert_refused(bench.at(3_001), limit(8_000), RefusalReason::DeviceOffline);
    let clear = CommandKind::ClearLimit;
    assert_refused(bench.at(3_002), clear, RefusalReason::DeviceOffline);

    let mut endless = free();
    endless.range.can_pause = false;
    let mut bench = Bench::charging(endless);
    let reason = RefusalReason::CannotPause;
    assert_refused(
        &mut bench,
        CommandKind::StopSession {
            reason: site_model::StopReason::Local,
        },
        reason,
    );
    assert_refused(bench.at(3_001), limit(0), reason);
    assert_refused(bench.at(3_002), CommandKind::SetUnavailable, reason);
}

#[test]
fn out_of_operation_can_be_ordered_of_a_lost_device_and_refuses_a_start() {
    let mut bench = Bench::idle(required());
    bench.at(2_000).lose(CHARGER);
    let decision = bench.at(3_000).order("c1", CommandKind::SetUnavailable);
    assert_eq!(
        decision.facts[1].change,
        crate::bench::operative(false),
        "what is ordered of us does not need the device"
    );
    assert_refused(&mut bench, start(), RefusalReason::NotOperative);
}

#[test]
fn the_33rd_open_order_of_a_site_is_refused() {
    let connectors = (1..=33).map(|n| {
        let mut connector = free();
        connector.id = site_model::ConnectorId::new(n).unwrap();
        connector.device = crate::bench::device(&format!("charger-{n}"));
        connector
    });
    let mut bench = Bench::with_site(crate::bench::site_of(connectors.collect()));
    for n in 1..=33 {
        let mut command = bench.command(&format!("c{n}"), CommandKind::SetUnavailable);
        command.connector = site_model::ConnectorId::new(n).unwrap();
        let decision = bench.tell(Event::CommandReceived(command));
        let last = usize::from(n) > OPEN_COMMANDS_MAX;
        let refused = answer(
            &format!("c{n}"),
            Outcome::Refused(RefusalReason::TooManyOpen),
        );
        assert_eq!(decision.after_commit.contains(&refused), last);
    }
    let replaces = bench.command("c34", CommandKind::SetAvailable);
    let decision = bench.tell(Event::CommandReceived(replaces.clone()));
    let superseded = closed("c1", Outcome::Superseded);
    assert_eq!(decision.facts[0].change, superseded, "it frees a place");
    assert_eq!(decision.facts[1].change, Change::CommandOpened(replaces));
}

#[test]
fn the_oldest_of_257_fates_is_forgotten_but_not_the_limit_in_force() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order("in-force", limit(10_000));
    bench.at(10_100).charger(VehicleState::C, 10_000);
    let opened = |bench: &Bench| {
        let facts = bench.site.checkpoint();
        let is_opened = |c: &Change| matches!(c, Change::CommandOpened(_));
        facts.iter().filter(|f| is_opened(&f.change)).count()
    };
    for n in 0..REMEMBERED_COMMANDS_MAX + 10 {
        bench.now += 10;
        bench.order(&format!("c{n}"), CommandKind::SetAvailable);
        assert!(opened(&bench) <= REMEMBERED_COMMANDS_MAX);
    }
    assert_eq!(opened(&bench), REMEMBERED_COMMANDS_MAX);
    let applied = |id| vec![answer(id, Outcome::Applied)];
    for id in ["in-force", "c265", "c11"] {
        let decision = bench.order(id, CommandKind::SetAvailable);
        assert_eq!(decision, bench.expect(vec![], vec![], applied(id)));
    }
    let decision = bench.order("c10", CommandKind::SetAvailable);
    assert_eq!(
        decision.facts.len(),
        2,
        "forgotten, so opened and closed anew"
    );
    assert!(bench.replayed().agrees_with(&bench.site));
}

#[test]
fn the_oldest_of_257_refusals_is_forgotten() {
    let mut bench = Bench::charging(free());
    let refused = |bench: &mut Bench, id: &str| {
        let decision = bench.order(id, limit(1));
        let reason = Outcome::Refused(RefusalReason::LimitBelowMinimum);
        assert_eq!(decision.after_commit, vec![answer(id, reason)]);
    };
    for n in 0..=REMEMBERED_COMMANDS_MAX {
        refused(&mut bench, &format!("c{n}"));
    }
    let again = bench.order("c1", limit(8_000));
    assert_eq!(again.facts, vec![], "the second is remembered");
    let again = bench.order("c0", limit(8_000));
    assert_eq!(again.at_once, vec![write(8_000)]);
}
