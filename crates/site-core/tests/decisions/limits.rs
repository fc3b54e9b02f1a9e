//! Who rules the limit, and the writing of it until a reading confirms.

use site_core::Event;
use site_model::{Change, CommandKind, LimitOwner, Milliamps, Outcome, Value, VehicleState};

use crate::bench::{
    Bench, CHARGER, answer, closed, device, fault, free, granted, nothing, online, publish, write,
};

fn limit(milliamps: u32) -> CommandKind {
    CommandKind::SetLimit {
        limit: Milliamps(milliamps),
    }
}

fn without_read_back() -> site_core::ConnectorConfig {
    let mut connector = free();
    connector.range.reads_back = false;
    connector
}

#[test]
fn a_limit_is_repeated_every_5_s_until_a_reading_shows_it() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order("c1", limit(10_000));
    let read = |bench: &mut Bench, at| bench.at(at).charger(VehicleState::C, 16_000);
    assert_eq!(read(&mut bench, 14_999).at_once, vec![]);
    assert_eq!(read(&mut bench, 15_000).at_once, vec![write(10_000)]);
    assert_eq!(read(&mut bench, 19_999).at_once, vec![]);
    assert_eq!(read(&mut bench, 20_000).at_once, vec![write(10_000)]);
    bench.at(21_000).charger(VehicleState::C, 10_000);
    let decision = bench.at(60_000).charger(VehicleState::C, 10_000);
    assert_eq!(decision, nothing());
}

#[test]
fn a_device_that_falls_back_by_itself_gets_its_limit_again() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order("c1", limit(10_000));
    bench.at(11_000).charger(VehicleState::C, 10_000);
    bench.at(12_000).order("c2", limit(12_000));
    bench.at(13_000).takes(VehicleState::C, 12_000);
    let decision = bench.at(30_000).charger(VehicleState::C, 6_000);
    assert_eq!(
        decision,
        bench.expect(vec![], vec![write(12_000)], vec![publish()]),
        "a repetition does not wait for the disk"
    );
}

#[test]
fn a_device_that_stands_at_the_limit_by_itself_does_not_prove_that_the_grant_is_stored() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order("c1", limit(0));
    bench.at(11_000).takes(VehicleState::B, 0);
    bench.at(12_000).charger(VehicleState::C, 16_000);
    bench.at(12_100).order("c2", CommandKind::ClearLimit);
    assert_eq!(bench.view().limit, Milliamps(16_000));
    bench.at(13_000).charger(VehicleState::C, 16_000);
    let decision = bench.at(14_000).charger(VehicleState::B, 0);
    assert_eq!(
        (decision.at_once, decision.after_commit[0].clone()),
        (vec![], write(16_000))
    );
}

#[test]
fn a_lowering_towards_a_grant_that_is_not_stored_does_not_prove_it_either() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order("c1", limit(0));
    bench.at(11_000).takes(VehicleState::B, 0);
    bench.at(12_000).charger(VehicleState::C, 32_000);
    bench.at(12_100).order("c2", limit(10_000));
    bench.at(13_000).takes(VehicleState::C, 10_000);
    let decision = bench.at(18_000).charger(VehicleState::B, 0);
    assert_eq!(
        (decision.at_once, decision.after_commit[0].clone()),
        (vec![], write(10_000))
    );
}

#[test]
fn a_raise_that_still_waits_is_overtaken_whatever_the_device_showed_meanwhile() {
    let told_by_itself = |bench: &mut Bench| {
        bench.at(12_100).charger(VehicleState::C, 12_000);
    };
    let rebooted = |bench: &mut Bench| {
        bench.at(12_100).lose(CHARGER);
        bench.at(12_200).charger(VehicleState::C, 10_000);
    };
    let lowered_before = |bench: &mut Bench| {
        bench.at(12_100).order("c3", limit(9_000));
        bench.at(12_200).takes(VehicleState::C, 9_000);
    };
    let held_the_lower_limit_all_the_time = |bench: &mut Bench| {
        bench.at(12_100).charger(VehicleState::C, 8_000);
    };
    let meanwhile: [fn(&mut Bench); 4] = [
        told_by_itself,
        rebooted,
        lowered_before,
        held_the_lower_limit_all_the_time,
    ];
    for happens in meanwhile {
        let mut bench = Bench::charging(free());
        bench.at(10_000).order("c1", limit(10_000));
        bench.at(11_000).takes(VehicleState::C, 10_000);
        bench.at(12_000).order("c2", limit(12_000));
        happens(&mut bench);
        let decision = bench.at(13_000).order("c4", limit(8_000));
        assert_eq!(decision.at_once, vec![write(8_000)]);
        assert_eq!(decision.after_commit[0], write(8_000), "behind the raise");
    }
}

#[test]
fn a_raise_waits_for_the_journal_and_a_lowering_does_not() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order("c1", limit(10_000));
    bench.at(11_000).charger(VehicleState::C, 10_000);
    let opened = Change::CommandOpened(bench.at(12_000).command("c2", limit(12_000)));
    let decision = bench.order("c2", limit(12_000));
    let expected = bench.expect(
        vec![opened, granted(12_000, LimitOwner::Command)],
        vec![],
        vec![write(12_000), publish()],
    );
    assert_eq!(decision, expected);
    let decision = bench.at(17_000).charger(VehicleState::C, 10_000);
    let repeated = bench.expect(vec![], vec![], vec![write(12_000)]);
    assert_eq!(decision, repeated, "nobody knows whether it is stored");

    let opened = Change::CommandOpened(bench.at(17_100).command("c3", limit(8_000)));
    let decision = bench.order("c3", limit(8_000));
    let expected = bench.expect(
        vec![
            closed("c2", Outcome::Superseded),
            opened,
            granted(8_000, LimitOwner::Command),
        ],
        vec![write(8_000)],
        vec![write(8_000), publish(), answer("c2", Outcome::Superseded)],
    );
    assert_eq!(decision, expected, "also behind the raise it overtakes");
}

#[test]
fn the_installation_rules_over_a_higher_cap_and_clearing_gives_the_word_back() {
    let mut bench = Bench::charging(free());
    let opened = Change::CommandOpened(bench.at(10_000).command("c1", limit(20_000)));
    let decision = bench.order("c1", limit(20_000));
    let expected = bench.expect(
        vec![opened, closed("c1", Outcome::Applied)],
        vec![],
        vec![answer("c1", Outcome::Applied)],
    );
    assert_eq!(decision, expected);
    bench.at(11_000).order("c2", limit(0));
    assert_eq!(bench.view().limit_owner, LimitOwner::Command);
    bench.at(12_000).charger(VehicleState::B, 0);
    let decision = bench.at(13_000).order("c3", CommandKind::ClearLimit);
    let raised = granted(16_000, LimitOwner::Installation);
    assert_eq!(decision.facts[1].change, raised);
}

#[test]
fn a_limit_is_rounded_down_to_the_step_of_the_device() {
    let mut bench = Bench::charging(free());
    let decision = bench.at(10_000).order("c1", limit(10_099));
    assert_eq!(decision.at_once, vec![write(10_000)]);
    let decision = bench.at(11_000).charger(VehicleState::C, 9_950);
    let applied = vec![closed("c1", Outcome::Applied)];
    let answered = vec![publish(), answer("c1", Outcome::Applied)];
    assert_eq!(
        decision,
        bench.expect(applied, vec![], answered),
        "within one step below it is the device's own rounding"
    );
    let decision = bench.at(16_000).charger(VehicleState::C, 9_900);
    assert_eq!(decision.at_once, vec![write(10_000)], "a whole step is not");
}

#[test]
fn a_device_that_cannot_pause_runs_free_at_what_the_installation_allows() {
    let mut endless = free();
    endless.range.can_pause = false;
    let mut bench = Bench::charging(endless);
    for (at, state) in [(10_000, VehicleState::F), (70_000, VehicleState::F)] {
        bench.at(at).charger(state, 16_000);
    }
    bench.meter(5_100);
    let granted = (bench.view().limit, bench.view().limit_owner);
    assert_eq!(granted, (Milliamps(16_000), LimitOwner::Installation));
}

#[test]
fn without_read_back_an_acknowledged_write_counts_from_the_next_reading() {
    let mut bench = Bench::started(without_read_back());
    let state = || vec![Value::VehicleState(VehicleState::A)];
    let decision = bench.at(1_000).read(CHARGER, state());
    assert_eq!(decision.facts[0].change, online(None, None));
    assert_eq!(decision.after_commit, vec![write(16_000), publish()]);
    let written = |limit| Event::LimitWritten {
        device: device(CHARGER),
        limit: Milliamps(limit),
    };
    bench.at(2_000).order("c1", limit(10_000));
    assert_eq!(bench.at(2_100).tell(written(16_000)), nothing());
    assert_eq!(bench.read(CHARGER, state()), nothing(), "not that write");
    assert_eq!(bench.at(2_200).tell(written(10_000)), nothing());
    let decision = bench.at(3_000).read(CHARGER, state());
    let expected = bench.expect(
        vec![closed("c1", Outcome::Applied)],
        vec![],
        vec![answer("c1", Outcome::Applied)],
    );
    assert_eq!(decision, expected);
    assert_eq!(bench.view().limit_read_back, None);
    assert_eq!(bench.at(61_999).read(CHARGER, state()), nothing());
    let decision = bench.at(62_000).read(CHARGER, state());
    let refreshed = bench.expect(vec![], vec![write(10_000)], vec![]);
    assert_eq!(decision, refreshed, "60 s after it was written");
}

#[test]
fn without_read_back_a_write_acknowledged_a_rounding_below_what_was_wanted_counts_and_less_does_not()
 {
    let state = || vec![Value::VehicleState(VehicleState::A)];
    let written = |limit| Event::LimitWritten {
        device: device(CHARGER),
        limit: Milliamps(limit),
    };
    for (acknowledged, counts) in [(9_901, true), (9_900, false), (10_001, false)] {
        let mut bench = Bench::started(without_read_back());
        bench.at(1_000).read(CHARGER, state());
        bench.at(2_000).order("c1", limit(10_000));
        bench.at(2_100).tell(written(acknowledged));
        let decision = bench.at(3_000).read(CHARGER, state());
        let answered = decision
            .after_commit
            .contains(&answer("c1", Outcome::Applied));
        assert_eq!(answered, counts, "{acknowledged} mA");
    }
}

#[test]
fn without_read_back_a_stop_is_over_when_the_vehicle_is_seen_not_to_charge() {
    let mut bench = Bench::started(without_read_back());
    let state = |state| vec![Value::VehicleState(state)];
    bench.at(1_000).meter(5_000);
    bench.at(1_100).read(CHARGER, state(VehicleState::C));
    let stop = CommandKind::StopSession {
        reason: site_model::StopReason::Local,
    };
    bench.at(2_000).order("c1", stop);
    let charging = bench.at(3_000).read(CHARGER, state(VehicleState::C));
    bench.at(3_100).meter(5_001);
    let applied = answer("c1", Outcome::Applied);
    assert!(!charging.after_commit.contains(&applied), "{charging:?}");
    bench.at(4_000).read(CHARGER, state(VehicleState::B));
    let decision = bench.at(4_100).meter(5_002);
    assert!(decision.after_commit.contains(&applied), "{decision:?}");
}

#[test]
fn a_refused_write_is_shown_until_a_limit_is_confirmed() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order("c1", limit(10_000));
    let decision = bench.at(10_100).tell(Event::WriteRefused {
        device: device(CHARGER),
        fault: fault(),
    });
    assert_eq!(decision, bench.expect(vec![], vec![], vec![publish()]));
    assert_eq!(bench.view().fault, Some(fault()));
    bench.at(11_000).charger(VehicleState::C, 10_000);
    assert_eq!(bench.view().fault, None);
}

#[test]
fn taking_a_lowering_back_is_a_raise_even_before_the_device_followed() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order("c1", limit(10_000));
    let decision = bench.at(10_100).order("c2", CommandKind::ClearLimit);
    assert_eq!(decision.at_once, vec![]);
    assert_eq!(decision.after_commit[0], write(16_000));
}

#[test]
fn a_device_that_comes_back_is_written_to_without_waiting() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order("c1", limit(10_000));
    bench.at(11_000).lose(CHARGER);
    let decision = bench.at(12_000).charger(VehicleState::C, 16_000);
    assert_eq!(decision.at_once, vec![write(10_000)]);
}

#[test]
fn a_refusal_is_forgotten_with_the_connection() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order("c1", limit(10_000));
    bench.at(10_100).tell(Event::WriteRefused {
        device: device(CHARGER),
        fault: fault(),
    });
    bench.at(11_000).lose(CHARGER);
    bench.at(12_000).charger(VehicleState::C, 16_000);
    assert_eq!(bench.view().fault, None);
}
