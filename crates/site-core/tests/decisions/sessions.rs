//! From plug to unplug: states, statuses, meter values.

use site_core::Event;
use site_model::{
    Change, ConnectorStatus, LimitOwner, Milliamps, Monotonic, StopReason, Value, VehicleState,
    WattHours,
};

use crate::bench::{
    Bench, CHARGER, METER, authorized, begun, ended, free, granted, nothing, online, publish,
    required, session, site_of, status, tied, write,
};

#[test]
fn the_first_start_announces_the_site_and_grants_what_the_installation_allows() {
    let mut bench = Bench::started(free());
    let announcement = bench.site.views()[0].announcement.clone();
    assert_eq!(announcement.connectors[0].max_power.0, 11_040);
    let journal = bench.expect(
        vec![
            Change::ChargePointAnnounced(announcement),
            granted(16_000, LimitOwner::Installation),
        ],
        vec![],
        vec![],
    );
    assert_eq!(bench.journal, journal.facts);
    assert_eq!(bench.deadline(), nothing());
}

#[test]
fn the_first_answer_of_an_idle_charger_makes_it_online_and_available() {
    let mut bench = Bench::started(free());
    let decision = bench.at(1_000).charger(VehicleState::A, 32_000);
    let expected = bench.expect(
        vec![online(None, None), status(ConnectorStatus::Available)],
        vec![write(16_000)],
        vec![publish()],
    );
    assert_eq!(decision, expected);
    let decision = bench.meter(5_000);
    assert_eq!(
        decision,
        bench.expect(vec![tied(5_000, 5_000)], vec![], vec![])
    );
}

#[test]
fn plugging_in_at_a_free_connector_begins_a_session_at_the_last_meter_value() {
    let mut bench = Bench::idle(free());
    let decision = bench.at(2_000).charger(VehicleState::B, 16_000);
    let expected = bench.expect(
        vec![
            authorized(Some("FREE")),
            begun(1, "FREE", 5_000),
            status(ConnectorStatus::Preparing),
        ],
        vec![],
        vec![publish()],
    );
    assert_eq!(decision, expected);
    let decision = bench.at(3_000).charger(VehicleState::C, 16_000);
    let charging = vec![status(ConnectorStatus::Charging)];
    assert_eq!(decision, bench.expect(charging, vec![], vec![publish()]));
}

#[test]
fn an_unplugged_session_ends_with_the_meter_reading_after_it() {
    let mut bench = Bench::charging(free());
    bench.at(60_000).meter(5_400);
    let decision = bench.at(61_000).charger(VehicleState::A, 16_000);
    let finishing = vec![status(ConnectorStatus::Finishing)];
    assert_eq!(decision, bench.expect(finishing, vec![], vec![publish()]));
    let decision = bench.at(61_400).meter(5_407);
    let expected = bench.expect(
        vec![
            ended(1, 5_407, StopReason::EvDisconnected),
            status(ConnectorStatus::Available),
        ],
        vec![],
        vec![publish()],
    );
    assert_eq!(decision, expected);
}

#[test]
fn a_session_waits_12_s_for_its_last_meter_reading_and_not_longer() {
    let mut bench = Bench::charging(free());
    bench.at(60_000).meter(5_400);
    bench.at(61_000).charger(VehicleState::A, 16_000);
    assert_eq!(bench.site.next_deadline(), Some(Monotonic(73_000)));
    assert_eq!(bench.at(72_999).deadline(), nothing());
    let decision = bench.at(73_000).deadline();
    let expected = bench.expect(
        vec![
            ended(1, 5_400, StopReason::EvDisconnected),
            status(ConnectorStatus::Available),
        ],
        vec![],
        vec![publish()],
    );
    assert_eq!(decision, expected);
}

#[test]
fn a_session_whose_meter_is_lost_goes_on_and_ends_with_the_last_value() {
    let mut bench = Bench::charging(free());
    bench.at(60_000).meter(5_400);
    let decision = bench.at(60_500).lose(METER);
    assert_eq!(decision, bench.expect(vec![], vec![], vec![publish()]));
    let decision = bench.at(61_000).charger(VehicleState::A, 16_000);
    let expected = bench.expect(
        vec![
            ended(1, 5_400, StopReason::EvDisconnected),
            status(ConnectorStatus::Available),
        ],
        vec![],
        vec![publish()],
    );
    assert_eq!(decision, expected);
}

#[test]
fn the_next_vehicle_gets_a_session_of_its_own_even_before_the_meter_was_read() {
    let mut bench = Bench::charging(free());
    bench.at(60_000).meter(5_400);
    bench.at(61_000).charger(VehicleState::A, 16_000);
    let decision = bench.at(61_500).charger(VehicleState::B, 16_000);
    let expected = bench.expect(
        vec![
            ended(1, 5_400, StopReason::EvDisconnected),
            authorized(Some("FREE")),
            begun(2, "FREE", 5_400),
            status(ConnectorStatus::Preparing),
        ],
        vec![],
        vec![publish()],
    );
    assert_eq!(decision, expected);
}

#[test]
fn a_session_that_never_charges_is_preparing_for_60_s_and_then_suspended() {
    let mut bench = Bench::plugged(free());
    assert_eq!(bench.site.next_deadline(), Some(Monotonic(62_000)));
    assert_eq!(bench.at(61_999).deadline(), nothing());
    let decision = bench.at(62_000).deadline();
    let suspended = vec![status(ConnectorStatus::SuspendedEv)];
    assert_eq!(decision, bench.expect(suspended, vec![], vec![publish()]));
}

#[test]
fn a_vehicle_that_stops_taking_is_suspended_by_itself_and_a_paused_one_by_the_station() {
    let mut bench = Bench::charging(free());
    let decision = bench.at(4_000).charger(VehicleState::B, 16_000);
    let by_vehicle = vec![status(ConnectorStatus::SuspendedEv)];
    assert_eq!(decision, bench.expect(by_vehicle, vec![], vec![publish()]));
    let decision = bench.at(5_000).charger(VehicleState::B, 0);
    let by_station = vec![status(ConnectorStatus::SuspendedEvse)];
    assert_eq!(
        decision,
        bench.expect(by_station, vec![write(16_000)], vec![publish()])
    );
}

#[test]
fn a_short_fault_leaves_the_session_alone_and_one_of_60_s_ends_it() {
    let mut bench = Bench::charging(free());
    let decision = bench.at(10_000).charger(VehicleState::F, 16_000);
    let faulted = vec![status(ConnectorStatus::Faulted)];
    assert_eq!(decision, bench.expect(faulted, vec![], vec![publish()]));
    bench.at(30_000).charger(VehicleState::C, 16_000);
    bench.at(40_000).charger(VehicleState::F, 16_000);
    bench.at(70_000).charger(VehicleState::F, 16_000);
    bench.at(99_000).meter(5_200);
    assert_eq!(bench.site.next_deadline(), Some(Monotonic(100_000)));
    assert_eq!(bench.at(99_999).deadline(), nothing());
    assert_eq!(bench.at(100_000).deadline(), nothing());
    let decision = bench.at(100_200).meter(5_201);
    let expected = bench.expect(
        vec![
            ended(1, 5_201, StopReason::Other),
            granted(0, LimitOwner::Authorization),
        ],
        vec![write(0)],
        vec![publish()],
    );
    assert_eq!(decision, expected);
}

#[test]
fn an_error_code_is_reported_with_the_status_and_alone() {
    let mut bench = Bench::idle(free());
    let reads = |code| {
        vec![
            Value::VehicleState(VehicleState::Fault),
            Value::ErrorCode(code),
        ]
    };
    let faulted = |error_code| Change::StatusChanged {
        charge_point: crate::bench::cp(),
        connector: crate::bench::one(),
        status: ConnectorStatus::Faulted,
        error_code,
    };
    for (at, code, told) in [(2_000, 7, Some(7)), (3_000, 0, None)] {
        let decision = bench.at(at).read(CHARGER, reads(code));
        let expected = bench.expect(vec![faulted(told)], vec![], vec![publish()]);
        assert_eq!(decision, expected);
    }
}

#[test]
fn a_running_session_is_metered_when_a_quarter_hour_of_utc_begins() {
    let mut bench = Bench::charging(free());
    bench.at(899_000).meter(8_000);
    assert_eq!(bench.site.next_deadline(), Some(Monotonic(900_000)));
    assert_eq!(bench.at(899_999).deadline(), nothing());
    let decision = bench.at(900_000).deadline();
    let read = Change::MeterRead {
        session: session(1),
        meter: WattHours(8_000),
    };
    assert_eq!(decision, bench.expect(vec![read], vec![], vec![]));
    assert_eq!(bench.site.next_deadline(), Some(Monotonic(1_800_000)));
    assert_eq!(bench.at(900_001).deadline(), nothing());
}

#[test]
fn a_meter_that_is_silent_at_the_quarter_hour_is_recorded_when_it_is_back() {
    let mut bench = Bench::charging(free());
    bench.at(899_000).meter(8_000);
    bench.at(899_500).lose(METER);
    assert_eq!(bench.at(900_000).deadline(), nothing());
    assert_eq!(bench.site.next_deadline(), Some(Monotonic(1_800_000)));
    let decision = bench.at(910_000).meter(8_030);
    let read = Change::MeterRead {
        session: session(1),
        meter: WattHours(8_030),
    };
    assert_eq!(decision.facts[0].change, read);
}

#[test]
fn a_session_waits_5_s_for_a_meter_that_was_never_read_and_then_takes_none_of_its_past() {
    let mut bench = Bench::started(free());
    bench.at(1_000).charger(VehicleState::B, 16_000);
    assert_eq!(bench.site.open_sessions(), vec![]);
    assert_eq!(bench.site.next_deadline(), Some(Monotonic(6_000)));
    assert_eq!(bench.at(5_999).deadline(), nothing());
    let decision = bench.at(6_000).deadline();
    let expected = bench.expect(
        vec![authorized(Some("FREE")), begun(1, "FREE", 0)],
        vec![],
        vec![publish()],
    );
    assert_eq!(decision, expected);
    let decision = bench.at(7_000).meter(5_000);
    assert_eq!(decision, bench.expect(vec![tied(5_000, 0)], vec![], vec![]));
}

#[test]
fn one_event_begins_one_session_and_the_next_follows_at_once() {
    let mut second = free();
    second.id = site_model::ConnectorId::new(2).unwrap();
    second.device = crate::bench::device("charger-2");
    let mut bench = Bench::with_site(site_of(vec![free(), second]));
    bench.at(1_000).charger(VehicleState::B, 16_000);
    let reading = vec![
        Value::VehicleState(VehicleState::B),
        Value::CurrentLimit(Milliamps(16_000)),
    ];
    bench.read("charger-2", reading);
    bench.at(2_000).meter(5_000);
    assert_eq!(bench.site.open_sessions(), vec![session(1)]);
    assert!(bench.site.next_deadline() <= Some(Monotonic(6_000)));
    bench.at(6_000).deadline();
    assert_eq!(bench.site.open_sessions(), vec![session(1), session(2)]);
}

#[test]
fn energy_that_flows_without_authorization_is_charging_and_has_no_session() {
    let mut bench = Bench::idle(required());
    let decision = bench.at(2_000).charger(VehicleState::C, 6_000);
    let charging = vec![status(ConnectorStatus::Charging)];
    assert_eq!(
        decision,
        bench.expect(charging, vec![write(0)], vec![publish()])
    );
    assert_eq!(bench.site.open_sessions(), vec![]);
}

#[test]
fn a_known_clock_corrects_the_session_that_began_before_it() {
    let mut bench = Bench::charging(free());
    let decision = bench.at(4_000).tell(Event::ClockSet { offset_ms: 70_000 });
    let corrected = Change::ClockCorrected {
        boot: bench.timestamp().boot,
        offset_ms: 70_000,
    };
    assert_eq!(decision, bench.expect(vec![corrected], vec![], vec![]));
    let started = bench.view().session.unwrap().started;
    assert_eq!(
        started.wall.0,
        crate::bench::WALL_AT_START + 2_000,
        "it was recorded with a known clock and stays"
    );
}

#[test]
fn a_session_that_began_before_the_clock_was_known_gets_its_right_time() {
    let mut bench = Bench::started(free());
    bench.wall_known = false;
    bench.at(1_000).meter(5_000);
    bench.at(2_000).charger(VehicleState::B, 16_000);
    bench.wall_known = true;
    bench.at(3_000).tell(Event::ClockSet { offset_ms: 70_000 });
    let started = bench.view().session.unwrap().started;
    assert_eq!(started.wall.0, crate::bench::WALL_AT_START + 72_000);
    assert!(started.wall_known);
    bench.at(4_000).tell(Event::ClockSet { offset_ms: 5_000 });
    assert_eq!(bench.view().session.unwrap().started, started, "once");
    assert!(bench.replayed().agrees_with(&bench.site));
}

#[test]
fn a_fault_is_timed_anew_after_its_charger_was_silent() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).charger(VehicleState::F, 16_000);
    bench.at(20_000).lose(CHARGER);
    bench.at(75_000).charger(VehicleState::F, 16_000);
    bench.at(75_500).meter(5_100);
    assert_eq!(bench.site.open_sessions(), vec![session(1)]);
    assert_eq!(bench.site.next_deadline(), Some(Monotonic(135_000)));
}
