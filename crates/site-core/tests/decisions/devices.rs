//! Devices that come, go and change, and what the view says of it.

use site_model::{ChargePointStatus, ConnectorStatus, Milliamps, StopReason, Value, VehicleState};

use crate::bench::{
    Bench, CHARGER, cp, ended_between, fault, free, nothing, offline, online, publish, status,
    write,
};

#[test]
fn an_identity_is_recorded_when_it_is_new_and_kept_when_it_is_not_told() {
    let mut bench = Bench::idle(free());
    let named = |serial: &str| {
        let firmware = Value::Firmware("1.0.8".to_owned());
        vec![Value::Serial(serial.to_owned()), firmware]
    };
    for (at, serial) in [(2_000, "A1"), (3_000, "B2")] {
        let decision = bench.at(at).read(CHARGER, named(serial));
        let known = vec![online(Some(serial), Some("1.0.8"))];
        assert_eq!(decision, bench.expect(known, vec![], vec![publish()]));
        assert_eq!(bench.read(CHARGER, named(serial)), nothing());
    }
    assert_eq!(bench.at(4_000).charger(VehicleState::A, 16_000), nothing());
    let view = bench.site.view(&cp()).unwrap();
    assert_eq!(view.serial.as_deref(), Some("B2"));
    assert_eq!(view.firmware.as_deref(), Some("1.0.8"));
}

#[test]
fn a_lost_charger_keeps_its_session_and_status_and_says_what_is_wrong() {
    let mut bench = Bench::charging(free());
    let decision = bench.at(10_000).lose(CHARGER);
    assert_eq!(
        decision,
        bench.expect(vec![offline()], vec![], vec![publish()])
    );
    assert_eq!(bench.at(11_000).lose(CHARGER), nothing(), "said once");
    let view = bench.site.view(&cp()).unwrap();
    assert!(!view.online);
    assert_eq!(view.connectors[0].status, ConnectorStatus::Charging);
    assert_eq!(view.connectors[0].fault, Some(fault()));
    assert!(view.connectors[0].session.is_some());
    let decision = bench.at(12_000).charger(VehicleState::C, 16_000);
    let back = vec![online(None, None)];
    assert_eq!(decision, bench.expect(back, vec![], vec![publish()]));
}

#[test]
fn a_vehicle_that_left_while_its_charger_was_silent_left_between_two_readings() {
    let mut bench = Bench::charging(free());
    let last_seen = bench.wall();
    bench.at(10_000).lose(CHARGER);
    bench.at(40_000).charger(VehicleState::A, 16_000);
    let bounds = (last_seen, bench.wall());
    let decision = bench.at(40_500).meter(5_300);
    let reason = StopReason::EvDisconnected;
    let expected = bench.expect(
        vec![
            ended_between(1, 5_300, reason, Some(bounds)),
            status(ConnectorStatus::Available),
        ],
        vec![],
        vec![publish()],
    );
    assert_eq!(decision, expected);
}

#[test]
fn nothing_is_written_to_a_lost_charger_and_the_limit_follows_when_it_is_back() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).lose(CHARGER);
    assert_eq!(bench.at(20_000).deadline(), nothing());
    let decision = bench.at(30_000).charger(VehicleState::C, 6_000);
    assert_eq!(decision.at_once, vec![write(16_000)]);
    assert_eq!(bench.view().limit_read_back, Some(Milliamps(6_000)));
}

#[test]
fn a_fault_of_a_connector_is_one_of_its_charge_point() {
    let mut bench = Bench::idle(free());
    let overall = |bench: &Bench| bench.site.view(&cp()).unwrap().status;
    assert_eq!(overall(&bench), ChargePointStatus::Available);
    bench.at(2_000).charger(VehicleState::E, 16_000);
    assert_eq!(overall(&bench), ChargePointStatus::Faulted);
    bench.at(3_000).charger(VehicleState::A, 16_000);
    bench.order("c1", site_model::CommandKind::SetUnavailable);
    assert_eq!(overall(&bench), ChargePointStatus::Unavailable);
}

#[test]
fn a_device_that_nobody_configured_is_ignored() {
    let mut bench = Bench::idle(free());
    let state = vec![Value::VehicleState(VehicleState::C)];
    assert_eq!(bench.at(2_000).read("stranger", state), nothing());
    assert_eq!(bench.lose("stranger"), nothing());
}

#[test]
fn one_connector_of_two_is_enough_for_a_fault_and_not_for_out_of_operation() {
    let mut second = free();
    second.id = site_model::ConnectorId::new(2).unwrap();
    second.device = crate::bench::device("charger-2");
    second.energy.device = crate::bench::device("meter-2");
    let mut bench = Bench::with_site(crate::bench::site_of(vec![free(), second]));
    let overall = |bench: &Bench| bench.site.view(&cp()).unwrap().status;
    let state = |state| vec![Value::VehicleState(state)];
    bench.at(1_000).read("charger-2", state(VehicleState::A));
    bench.charger(VehicleState::A, 16_000);
    bench.order("c1", site_model::CommandKind::SetUnavailable);
    assert_eq!(overall(&bench), ChargePointStatus::Available);
    bench.at(2_000).read("charger-2", state(VehicleState::F));
    assert_eq!(overall(&bench), ChargePointStatus::Faulted);
    let last_answer = bench.site.view(&cp()).unwrap().last_answer;
    assert_eq!(last_answer, Some(bench.timestamp()), "the latest of both");
}
