//! A charge point that begins anew: what ends, what does not begin meanwhile, and what it waits for.

use site_core::{Presented, Site};
use site_model::{
    Change, CommandKind, ConnectorStatus, LimitOwner, Outcome, RefusalReason, StopReason,
    VehicleState,
};

use crate::bench::{
    Bench, CHARGER, answer, authorized, closed, cp, ended, free, granted, one, publish, required,
    status, tag, write,
};

const SOFT: CommandKind = CommandKind::Reset { hard: false };
const HARD: CommandKind = CommandKind::Reset { hard: true };

fn changes(decision: &site_core::Decision) -> Vec<Change> {
    let facts = decision.facts.iter();
    facts.map(|fact| fact.change.clone()).collect()
}

fn start() -> CommandKind {
    CommandKind::StartSession {
        id_tag: tag("CARD-1"),
        parent: None,
    }
}

#[test]
fn a_soft_reset_ends_the_session_and_is_done_when_the_pause_was_read_back() {
    let mut bench = Bench::charging(free());
    let opened = Change::CommandOpened(bench.at(10_000).command("r1", SOFT));
    let decision = bench.order("r1", SOFT);
    let expected = bench.expect(
        vec![
            opened,
            authorized(None),
            granted(0, LimitOwner::Authorization),
        ],
        vec![write(0)],
        vec![publish()],
    );
    assert_eq!(decision, expected);
    let decision = bench.at(11_000).charger(VehicleState::B, 0);
    assert_eq!(changes(&decision), [status(ConnectorStatus::Finishing)]);
    let decision = bench.at(11_500).meter(5_100);
    let expected = bench.expect(
        vec![
            ended(1, 5_100, StopReason::SoftReset),
            closed("r1", Outcome::Applied),
        ],
        vec![],
        vec![publish(), answer("r1", Outcome::Applied)],
    );
    assert_eq!(decision, expected);
}

#[test]
fn a_soft_reset_where_nothing_runs_is_done_at_once_and_touches_no_charger() {
    let mut bench = Bench::idle(free());
    let opened = Change::CommandOpened(bench.at(10_000).command("r1", SOFT));
    let decision = bench.order("r1", SOFT);
    let expected = bench.expect(
        vec![opened, closed("r1", Outcome::Applied)],
        vec![],
        vec![answer("r1", Outcome::Applied)],
    );
    assert_eq!(decision, expected);
}

#[test]
fn a_hard_reset_pauses_even_an_idle_charger_until_that_was_read_anew() {
    let mut bench = Bench::idle(free());
    let opened = Change::CommandOpened(bench.at(10_000).command("r1", HARD));
    let decision = bench.order("r1", HARD);
    let expected = bench.expect(
        vec![opened, granted(0, LimitOwner::Authorization)],
        vec![write(0)],
        vec![publish()],
    );
    assert_eq!(decision, expected);
    // What it offered before says nothing of it any more.
    let decision = bench.at(10_500).charger(VehicleState::A, 16_000);
    assert_eq!(changes(&decision), []);
    let decision = bench.at(11_000).charger(VehicleState::A, 0);
    let expected = bench.expect(
        vec![closed("r1", Outcome::Applied)],
        vec![],
        vec![publish(), answer("r1", Outcome::Applied)],
    );
    assert_eq!(decision, expected);
    let decision = bench.at(12_000).charger(VehicleState::A, 0);
    let expected = bench.expect(
        vec![granted(16_000, LimitOwner::Installation)],
        vec![],
        vec![write(16_000), publish()],
    );
    assert_eq!(decision, expected);
}

#[test]
fn a_hard_reset_reads_a_charger_anew_that_was_paused_before() {
    let mut bench = Bench::idle(required());
    let opened = Change::CommandOpened(bench.at(10_000).command("r1", HARD));
    let decision = bench.order("r1", HARD);
    assert_eq!(changes(&decision), [opened]);
    assert_eq!(decision.at_once, [write(0)]);
    let decision = bench.at(11_000).charger(VehicleState::A, 0);
    assert_eq!(changes(&decision), [closed("r1", Outcome::Applied)]);
}

#[test]
fn nothing_begins_while_a_charge_point_is_reset() {
    let mut bench = Bench::idle(required());
    bench.at(2_000).order("s1", start());
    let decision = bench.at(10_000).order("r1", HARD);
    let told = changes(&decision);
    assert_eq!(told[0], closed("s1", Outcome::Superseded));
    assert_eq!(told[2], authorized(None));
    let refused = Outcome::Refused(RefusalReason::NotOperative);
    let decision = bench.at(10_100).order("s2", start());
    let expected = bench.expect(vec![], vec![], vec![answer("s2", refused)]);
    assert_eq!(decision, expected);
    let shown = bench.site.presented(&cp(), one(), &tag("CARD-1"));
    assert_eq!(shown, Presented::Refused(RefusalReason::NotOperative));

    let mut bench = Bench::idle(free());
    bench.at(10_000).order("r1", HARD);
    bench.at(10_500).charger(VehicleState::B, 16_000);
    assert!(bench.site.open_sessions().is_empty(), "it is reset");
    bench.at(11_000).charger(VehicleState::B, 0);
    bench.at(12_000).charger(VehicleState::B, 0);
    assert_eq!(bench.site.open_sessions().len(), 1, "it was reset");
}

#[test]
fn a_reset_that_the_power_fails_in_ends_its_session_with_its_reason_after_the_restart() {
    for (kind, reason) in [(SOFT, StopReason::SoftReset), (HARD, StopReason::HardReset)] {
        let mut bench = Bench::charging(free());
        bench.at(10_000).order("r1", kind);
        let decision = bench.at(10_500).restart(5_000);
        assert!(changes(&decision).contains(&closed("r1", Outcome::Expired)));
        bench.at(1_000).charger(VehicleState::B, 0);
        let decision = bench.at(1_500).meter(5_100);
        assert_eq!(changes(&decision)[0], ended(1, 5_100, reason));
        // What was decided follows from the facts alone.
        let rebuilt: Site = bench.replayed();
        assert!(rebuilt.agrees_with(&bench.site));
    }
}

#[test]
fn a_session_that_could_not_be_stopped_is_in_the_way_of_a_reset() {
    let mut bench = Bench::charging(free());
    assert_eq!(bench.site.reset_refused(&cp(), false), None);
    bench.at(10_000).lose(CHARGER);
    let offline = Some(RefusalReason::DeviceOffline);
    assert_eq!(bench.site.reset_refused(&cp(), false), offline);
    assert_eq!(bench.site.reset_refused(&cp(), true), None);
    let decision = bench.order("r1", SOFT);
    let refused = Outcome::Refused(RefusalReason::DeviceOffline);
    let expected = bench.expect(vec![], vec![], vec![answer("r1", refused)]);
    assert_eq!(decision, expected);

    // A hard one does not wait for the charger, and says that it did not confirm.
    bench.order("r2", HARD);
    let decision = bench.at(22_000).deadline();
    assert_eq!(
        changes(&decision)[0],
        ended(1, 5_000, StopReason::HardReset)
    );
    let decision = bench.at(40_000).deadline();
    assert_eq!(changes(&decision)[0], closed("r2", Outcome::Expired));

    let mut fixed = free();
    fixed.range.can_pause = false;
    let bench = Bench::charging(fixed);
    for hard in [false, true] {
        let refused = bench.site.reset_refused(&cp(), hard);
        assert_eq!(refused, Some(RefusalReason::CannotPause));
    }
    let nobody = site_model::ChargePointId::new("CP-9").unwrap();
    assert_eq!(
        bench.site.reset_refused(&nobody, true),
        Some(RefusalReason::UnknownConnector)
    );
}

#[test]
fn a_reset_needs_a_place_among_the_open_orders_for_every_connector() {
    for (count, refused) in [(32, None), (33, Some(RefusalReason::TooManyOpen))] {
        let connectors = (1..=count).map(|n| {
            let mut connector = free();
            connector.id = site_model::ConnectorId::new(n).unwrap();
            connector.device = crate::bench::device(&format!("charger-{n}"));
            connector
        });
        let bench = Bench::with_site(crate::bench::site_of(connectors.collect()));
        assert_eq!(bench.site.reset_refused(&cp(), true), refused, "{count}");
    }
}
