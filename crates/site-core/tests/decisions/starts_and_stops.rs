//! Orders that begin and end sessions, and what may be charged without one.

use site_core::Event;
use site_model::{
    Change, CommandKind, ConnectorStatus, LimitOwner, Monotonic, Outcome, RefusalReason,
    StopReason, Value, VehicleState, Watts,
};

use crate::bench::{
    Bench, METER, answer, authorized, begun, closed, ended, free, granted, import, nothing,
    operative, publish, required, status, tag, write,
};

fn start() -> CommandKind {
    CommandKind::StartSession {
        id_tag: tag("CARD-1"),
        parent: None,
    }
}

#[test]
fn a_start_at_a_plugged_connector_is_applied_when_the_limit_is_read_back() {
    let mut bench = Bench::idle(required());
    bench.at(2_000).charger(VehicleState::B, 0);
    let opened = Change::CommandOpened(bench.at(3_000).command("c1", start()));
    let decision = bench.order("c1", start());
    let expected = bench.expect(
        vec![
            opened,
            authorized(Some("CARD-1")),
            begun(1, "CARD-1", 5_000),
            granted(16_000, LimitOwner::Installation),
        ],
        vec![],
        vec![write(16_000), publish()],
    );
    assert_eq!(decision, expected);
    assert_eq!(bench.at(4_000).charger(VehicleState::B, 0), nothing());
    let decision = bench.at(5_000).charger(VehicleState::B, 16_000);
    let expected = bench.expect(
        vec![closed("c1", Outcome::Applied)],
        vec![],
        vec![publish(), answer("c1", Outcome::Applied)],
    );
    assert_eq!(decision, expected);
}

#[test]
fn a_start_that_expires_before_the_plug_authorises_nobody() {
    let mut bench = Bench::idle(required());
    bench.at(2_000).order("c1", start());
    bench.at(3_000).takes(VehicleState::A, 16_000);
    assert_eq!(bench.site.next_deadline(), Some(Monotonic(32_000)));
    assert_eq!(bench.at(31_999).deadline(), nothing());
    let decision = bench.at(32_000).deadline();
    let expected = bench.expect(
        vec![
            closed("c1", Outcome::Expired),
            authorized(None),
            granted(0, LimitOwner::Authorization),
        ],
        vec![write(0)],
        vec![publish(), answer("c1", Outcome::Expired)],
    );
    assert_eq!(decision, expected);
    bench.at(33_000).charger(VehicleState::B, 0);
    assert_eq!(bench.site.open_sessions(), vec![]);
}

#[test]
fn a_start_waits_for_the_plug_as_long_as_it_may_take() {
    let mut bench = Bench::idle(required());
    let mut command = bench.at(2_000).command("c1", start());
    command.expires_at = Monotonic(600_000);
    bench.tell(Event::CommandReceived(command));
    bench.at(3_000).takes(VehicleState::A, 16_000);
    assert_eq!(bench.site.next_deadline(), Some(Monotonic(600_000)));
    assert_eq!(bench.at(599_999).deadline(), nothing());
    let decision = bench.at(600_000).deadline();
    let expected = bench.expect(
        vec![
            closed("c1", Outcome::Expired),
            authorized(None),
            granted(0, LimitOwner::Authorization),
        ],
        vec![write(0)],
        vec![publish(), answer("c1", Outcome::Expired)],
    );
    assert_eq!(decision, expected);
}

#[test]
fn a_stop_pauses_at_once_and_ends_the_session_when_energy_has_stopped() {
    let mut bench = Bench::charging(free());
    bench.at(9_000).meter(5_100);
    let stop = CommandKind::StopSession {
        reason: site_model::StopReason::Local,
    };
    let opened = Change::CommandOpened(bench.at(10_000).command("c1", stop.clone()));
    let decision = bench.order("c1", stop);
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
    assert_eq!(bench.at(10_500).meter(5_110), nothing());
    bench.at(11_000).charger(VehicleState::C, 0);
    let decision = bench.at(12_000).charger(VehicleState::B, 0);
    let finishing = vec![status(ConnectorStatus::Finishing)];
    assert_eq!(decision, bench.expect(finishing, vec![], vec![publish()]));
    let decision = bench.at(12_500).meter(5_115);
    let expected = bench.expect(
        vec![
            ended(1, 5_115, StopReason::Local),
            closed("c1", Outcome::Applied),
        ],
        vec![],
        vec![publish(), answer("c1", Outcome::Applied)],
    );
    assert_eq!(decision, expected);
}

#[test]
fn a_stopped_vehicle_gets_no_free_session_until_it_was_unplugged() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order(
        "c1",
        CommandKind::StopSession {
            reason: site_model::StopReason::Local,
        },
    );
    bench.at(11_000).charger(VehicleState::B, 0);
    bench.at(11_500).meter(5_115);
    assert_eq!(bench.at(12_000).charger(VehicleState::B, 0), nothing());
    let decision = bench.at(13_000).charger(VehicleState::A, 0);
    let expected = bench.expect(
        vec![
            authorized(None),
            granted(16_000, LimitOwner::Installation),
            status(ConnectorStatus::Available),
        ],
        vec![],
        vec![write(16_000), publish()],
    );
    assert_eq!(decision, expected);
    bench.at(14_000).charger(VehicleState::B, 16_000);
    assert_eq!(bench.site.open_sessions(), vec![crate::bench::session(2)]);
}

#[test]
fn a_stopped_vehicle_may_be_started_again_by_order() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order(
        "c1",
        CommandKind::StopSession {
            reason: site_model::StopReason::Local,
        },
    );
    bench.at(11_000).charger(VehicleState::B, 0);
    bench.at(11_500).meter(5_115);
    let opened = Change::CommandOpened(bench.at(12_000).command("c2", start()));
    let decision = bench.order("c2", start());
    let expected = bench.expect(
        vec![
            opened,
            authorized(Some("CARD-1")),
            begun(2, "CARD-1", 5_115),
            granted(16_000, LimitOwner::Installation),
            status(ConnectorStatus::Preparing),
        ],
        vec![],
        vec![write(16_000), publish()],
    );
    assert_eq!(decision, expected);
}

#[test]
fn taking_out_of_operation_ends_the_session_and_stays() {
    let mut bench = Bench::charging(free());
    let kind = CommandKind::SetUnavailable;
    let opened = Change::CommandOpened(bench.at(10_000).command("c1", kind.clone()));
    let decision = bench.order("c1", kind);
    let expected = bench.expect(
        vec![
            opened,
            operative(false),
            authorized(None),
            granted(0, LimitOwner::Availability),
        ],
        vec![write(0)],
        vec![publish()],
    );
    assert_eq!(decision, expected);
    bench.at(11_000).charger(VehicleState::B, 0);
    let decision = bench.at(11_500).meter(5_115);
    let expected = bench.expect(
        vec![
            ended(1, 5_115, StopReason::Local),
            status(ConnectorStatus::Unavailable),
            closed("c1", Outcome::Applied),
        ],
        vec![],
        vec![publish(), answer("c1", Outcome::Applied)],
    );
    assert_eq!(decision, expected);
    bench.at(12_000).order("c2", CommandKind::SetAvailable);
    assert_eq!(
        bench.view().status,
        ConnectorStatus::Finishing,
        "the vehicle that was stopped is still there"
    );
}

#[test]
fn a_dead_journal_refuses_paid_sessions_and_lets_free_ones_go_on() {
    let mut paid = Bench::idle(required());
    paid.tell(Event::StorageFailed);
    let refused = Outcome::Refused(RefusalReason::StorageUnavailable);
    let decision = paid.at(2_000).order("c1", start());
    let expected = paid.expect(vec![], vec![], vec![answer("c1", refused)]);
    assert_eq!(decision, expected);
    paid.tell(Event::StorageRestored);
    paid.at(3_000).order("c2", start());
    paid.tell(Event::StorageFailed);
    paid.at(4_000).charger(VehicleState::B, 16_000);
    assert_eq!(
        paid.site.open_sessions(),
        vec![],
        "authorised before it died"
    );

    let mut open = Bench::idle(free());
    open.tell(Event::StorageFailed);
    open.at(2_000).charger(VehicleState::B, 16_000);
    assert_eq!(open.site.open_sessions(), vec![crate::bench::session(1)]);
}

#[test]
fn a_later_order_about_the_session_takes_the_place_of_the_earlier() {
    let mut bench = Bench::idle(required());
    bench.at(2_000).order("c1", start());
    let stop = CommandKind::StopSession {
        reason: site_model::StopReason::Local,
    };
    let opened = Change::CommandOpened(bench.at(3_000).command("c2", stop.clone()));
    let decision = bench.order("c2", stop);
    let expected = bench.expect(
        vec![
            closed("c1", Outcome::Superseded),
            opened,
            authorized(None),
            granted(0, LimitOwner::Authorization),
            closed("c2", Outcome::Applied),
        ],
        vec![write(0)],
        vec![
            write(0),
            publish(),
            answer("c1", Outcome::Superseded),
            answer("c2", Outcome::Applied),
        ],
    );
    assert_eq!(decision, expected);
}

#[test]
fn a_meter_that_is_lost_does_not_keep_a_vehicle_waiting() {
    let mut bench = Bench::idle(free());
    bench.at(1_500).lose(METER);
    bench.at(2_000).charger(VehicleState::B, 16_000);
    assert_eq!(bench.site.open_sessions(), vec![crate::bench::session(1)]);
}

#[test]
fn a_vehicle_that_replaces_a_stopped_one_before_its_last_meter_reading_is_served() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order(
        "c1",
        CommandKind::StopSession {
            reason: site_model::StopReason::Local,
        },
    );
    bench.at(11_000).charger(VehicleState::A, 0);
    let decision = bench.at(11_500).charger(VehicleState::B, 0);
    let expected = bench.expect(
        vec![
            ended(1, 5_000, StopReason::Local),
            authorized(None),
            authorized(Some("FREE")),
            begun(2, "FREE", 5_000),
            granted(16_000, LimitOwner::Installation),
            status(ConnectorStatus::Preparing),
        ],
        vec![],
        vec![write(16_000), publish()],
    );
    let facts = |d: &site_core::Decision| d.facts.clone();
    assert_eq!(facts(&decision)[..6], facts(&expected)[..]);
}

#[test]
fn a_charger_that_stays_in_c_without_power_has_stopped() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).order(
        "c1",
        CommandKind::StopSession {
            reason: site_model::StopReason::Local,
        },
    );
    bench.at(11_000).charger(VehicleState::C, 0);
    let reads = |watts| vec![import(5_120), Value::Power(Watts(watts))];
    bench.at(11_500).read(METER, reads(40));
    assert_eq!(bench.site.open_sessions(), vec![crate::bench::session(1)]);
    let decision = bench.at(12_500).read(METER, reads(0));
    let ended = ended(1, 5_120, StopReason::Local);
    assert_eq!(decision.facts[0].change, ended);
}

#[test]
fn a_start_is_not_applied_by_a_session_that_is_being_ended() {
    let mut bench = Bench::idle(required());
    bench.at(2_000).charger(VehicleState::B, 0);
    bench.at(3_000).order("c1", start());
    bench.at(3_500).order("c2", CommandKind::SetUnavailable);
    let decision = bench.at(4_000).charger(VehicleState::C, 16_000);
    let charging = vec![status(ConnectorStatus::Charging)];
    assert_eq!(decision, bench.expect(charging, vec![], vec![publish()]));
    bench.at(6_000).charger(VehicleState::B, 0);
    let decision = bench.at(33_000).deadline();
    assert_eq!(decision.facts[0].change, closed("c1", Outcome::Expired));
}

#[test]
fn nothing_is_offered_to_a_paid_vehicle_while_its_session_could_not_be_stored() {
    let mut bench = Bench::idle(required());
    bench.at(2_000).order("c1", start());
    bench.at(3_000).takes(VehicleState::A, 16_000);
    let decision = bench.tell(Event::StorageFailed);
    let held = vec![granted(0, LimitOwner::Authorization)];
    assert_eq!(
        decision,
        bench.expect(held, vec![write(0)], vec![publish()])
    );
}

#[test]
fn a_session_ends_for_the_reason_that_the_order_gave_also_after_a_restart() {
    for restart in [false, true] {
        let mut bench = Bench::charging(free());
        let stop = CommandKind::StopSession {
            reason: StopReason::Remote,
        };
        bench.at(10_000).order("c1", stop);
        if restart {
            bench.restart(1_000);
        }
        let mut facts = bench.at(11_000).charger(VehicleState::B, 0).facts;
        facts.extend(bench.at(11_500).meter(5_115).facts);
        let end = ended(1, 5_115, StopReason::Remote);
        let ends = facts.iter().filter(|fact| fact.change == end);
        assert_eq!(ends.count(), 1, "restart {restart}: {facts:?}");
    }
}
