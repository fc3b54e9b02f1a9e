//! One monotone register from whatever the device counts.

use site_model::{
    Change, EnergySource, Phase, StopReason, Value, VehicleState, VoltAmpereHours, WattHours, Watts,
};

use crate::bench::{
    Bench, CHARGER, METER, authorized, cp, device, ended, free, import, nothing, one, own_energy,
    publish, required, session, tied, unattributed,
};

fn changes(decision: &site_core::Decision) -> Vec<Change> {
    decision.facts.iter().map(|f| f.change.clone()).collect()
}

fn session_register(state: VehicleState, energy: u64) -> Vec<Value> {
    let energy = Value::EnergySession(WattHours(energy));
    vec![Value::VehicleState(state), energy]
}

#[test]
fn a_register_that_falls_twice_was_reset_and_one_that_falls_once_was_a_glitch() {
    let mut bench = Bench::charging(free());
    bench.at(10_000).meter(5_200);
    assert_eq!(bench.at(11_000).meter(0), nothing());
    bench.at(12_000).meter(5_210);
    assert_eq!(bench.view().meter, Some(WattHours(5_210)));
    assert_eq!(bench.at(13_000).meter(3), nothing());
    assert_eq!(changes(&bench.at(14_000).meter(5)), vec![tied(3, 5_210)]);
    assert_eq!(bench.view().meter, Some(WattHours(5_212)));
}

#[test]
fn another_serial_number_is_another_meter_and_takes_its_own_past_with_it() {
    let mut bench = Bench::idle(free());
    let named = |serial: &str| vec![Value::Serial(serial.to_owned()), import(5_000)];
    bench.read(METER, named("A"));
    let other = vec![Value::Serial("B".to_owned()), import(9_000)];
    let decision = bench.at(2_000).read(METER, other);
    assert_eq!(changes(&decision), vec![tied(9_000, 5_000)]);
}

#[test]
fn a_meter_is_not_compared_with_the_serial_number_of_the_charger() {
    let mut bench = Bench::idle(free());
    let named = |serial: &str, energy| vec![Value::Serial(serial.to_owned()), import(energy)];
    bench.read(CHARGER, vec![Value::Serial("CHARGER".to_owned())]);
    let decision = bench.at(2_000).read(METER, named("METER", 5_001));
    assert_eq!(changes(&decision), vec![]);
}

#[test]
fn a_charger_that_was_exchanged_while_the_daemon_was_down_is_another_meter() {
    let mut bench = Bench::started(own_energy(EnergySource::LifetimeRegister));
    let told = |serial: &str, energy| {
        vec![
            Value::VehicleState(VehicleState::A),
            Value::Serial(serial.to_owned()),
            import(energy),
        ]
    };
    bench.at(1_000).read(CHARGER, told("A", 5_000));
    bench.restart(60_000);
    let decision = bench.at(1_000).read(CHARGER, told("B", 5_001));
    assert!(
        changes(&decision).contains(&tied(5_001, 5_000)),
        "{decision:?}: what it counted before is not ours"
    );
}

#[test]
fn a_jump_that_no_connector_can_deliver_is_another_meter() {
    let mut bench = Bench::charging(free());
    // 11 kW doubled for 1 s is 6 Wh, on top of 50 kWh.
    bench.at(10_000).meter(5_200);
    bench.at(11_000).meter(55_206);
    assert_eq!(bench.view().meter, Some(WattHours(55_206)));
    let decision = bench.at(12_000).meter(105_213);
    assert_eq!(changes(&decision), vec![tied(105_213, 55_206)]);
}

#[test]
fn a_session_register_may_keep_the_last_session_until_the_next_begins() {
    let config = own_energy(EnergySource::SessionRegister);
    let mut bench = Bench::started(config.clone());
    let read = |bench: &mut Bench, at, state, energy| {
        changes(&bench.at(at).read(CHARGER, session_register(state, energy)))
    };
    let facts = read(&mut bench, 1_000, VehicleState::A, 8_000);
    assert_eq!(facts[0], tied(8_000, 0), "the last session was not ours");
    read(&mut bench, 2_000, VehicleState::B, 8_000);
    assert_eq!(read(&mut bench, 3_000, VehicleState::C, 0).len(), 1);
    let facts = read(&mut bench, 4_000, VehicleState::C, 3);
    assert_eq!(facts, vec![tied(0, 0)]);
    read(&mut bench, 5_000, VehicleState::C, 400);
    let facts = read(&mut bench, 6_000, VehicleState::A, 402);
    assert_eq!(facts[0], ended(1, 402, StopReason::EvDisconnected));
}

#[test]
fn power_is_summed_where_nothing_counts_and_never_over_a_long_silence() {
    let mut bench = Bench::started(own_energy(EnergySource::IntegratedPower));
    let charging = |watts| {
        let half = |phase| Value::PowerOfPhase(phase, Watts(watts / 2));
        let state = Value::VehicleState(VehicleState::C);
        vec![state, half(Phase::L1), half(Phase::L2)]
    };
    bench.at(1_000).read(CHARGER, charging(7_200));
    for second in 2..=10 {
        bench.at(second * 1_000).read(CHARGER, charging(7_200));
    }
    assert_eq!(
        bench.view().meter,
        Some(WattHours(18)),
        "9 s at 2 Wh a second"
    );
    bench.at(20_000).read(CHARGER, charging(7_200));
    assert_eq!(bench.view().meter, Some(WattHours(38)));
    bench.at(30_001).read(CHARGER, charging(7_200));
    assert_eq!(bench.view().meter, Some(WattHours(38)));
    bench.at(31_001).read(CHARGER, charging(-500));
    bench.at(32_001).read(CHARGER, charging(-500));
    assert_eq!(
        bench.view().meter,
        Some(WattHours(40)),
        "export is not taken off"
    );
}

#[test]
fn volt_ampere_hours_are_no_energy() {
    let mut bench = Bench::started(own_energy(EnergySource::LifetimeRegister));
    let apparent = Value::ApparentEnergy(VoltAmpereHours(9_000));
    bench.at(1_000).read(
        CHARGER,
        vec![Value::VehicleState(VehicleState::A), apparent],
    );
    assert_eq!(bench.view().meter, None);
}

#[test]
fn energy_outside_a_session_is_recorded_from_100_wh_on_and_once_a_minute() {
    let mut bench = Bench::idle(required());
    let facts = |bench: &mut Bench, at, energy| changes(&bench.at(at).meter(energy));
    assert_eq!(facts(&mut bench, 2_000, 5_099), vec![]);
    let first = vec![unattributed(5_000, 5_100)];
    assert_eq!(facts(&mut bench, 3_000, 5_100), first);
    assert_eq!(facts(&mut bench, 62_999, 5_400), vec![]);
    let second = vec![unattributed(5_100, 5_400)];
    assert_eq!(facts(&mut bench, 63_000, 5_400), second);
}

#[test]
fn a_coarse_register_needs_two_counts_before_energy_counts_as_unattributed() {
    let mut bench = Bench::started(required());
    let coarse = |energy| {
        vec![Value::EnergyImport {
            energy: WattHours(energy),
            resolution: WattHours(1_000),
        }]
    };
    bench.at(1_000).read(METER, coarse(5_000));
    assert_eq!(changes(&bench.at(2_000).read(METER, coarse(6_000))), vec![]);
    let decision = bench.at(3_000).read(METER, coarse(7_000));
    assert_eq!(changes(&decision), vec![unattributed(5_000, 7_000)]);
}

#[test]
fn what_flowed_before_a_session_is_not_part_of_it() {
    let mut bench = Bench::idle(free());
    assert_eq!(bench.at(1_500).meter(5_002), nothing());
    let mut within_one_count = Bench::idle(free());
    within_one_count.at(1_500).meter(5_001);
    let decision = within_one_count.at(2_000).charger(VehicleState::B, 16_000);
    assert_eq!(changes(&decision)[0], authorized(Some("FREE")));
    let decision = bench.at(2_000).charger(VehicleState::B, 16_000);
    let flowed = changes(&decision)[0].clone();
    assert_eq!(flowed, unattributed(5_000, 5_002));
    assert_eq!(bench.view().session.unwrap().energy, WattHours(0));
}

#[test]
fn energy_alone_is_published_every_5_s() {
    let mut bench = Bench::charging(free());
    assert_eq!(bench.at(7_999).meter(5_010), nothing());
    let decision = bench.at(8_000).meter(5_011);
    assert_eq!(decision, bench.expect(vec![], vec![], vec![publish()]));
    assert_eq!(bench.at(13_000).meter(5_011), nothing(), "nothing new");
}

#[test]
fn a_meter_of_its_own_tells_the_power_and_the_charger_only_without_it() {
    let mut bench = Bench::charging(free());
    bench.read(METER, vec![import(5_001), Value::Power(Watts(10_900))]);
    let claimed = Value::Power(Watts(11_500));
    bench.at(4_000).read(CHARGER, vec![claimed.clone()]);
    assert_eq!(bench.view().power, Some(Watts(10_900)));
    bench.at(5_000).lose(METER);
    assert_eq!(bench.view().power, None);
    bench.at(6_000).read(CHARGER, vec![claimed]);
    assert_eq!(bench.view().power, Some(Watts(11_500)));
}

#[test]
fn a_charger_that_comes_back_tells_its_register_before_a_session_begins() {
    let mut bench = Bench::started(own_energy(EnergySource::LifetimeRegister));
    let state = |state| vec![Value::VehicleState(state)];
    let with_energy = |state, energy| vec![Value::VehicleState(state), import(energy)];
    let read = |bench: &mut Bench, at, values| bench.at(at).read(CHARGER, values);
    read(&mut bench, 1_000, with_energy(VehicleState::A, 7_000));
    bench.at(2_000).lose(CHARGER);
    read(&mut bench, 60_000, state(VehicleState::B));
    assert_eq!(bench.site.open_sessions(), vec![]);
    let decision = read(&mut bench, 61_000, with_energy(VehicleState::B, 7_090));
    assert_eq!(changes(&decision)[0], unattributed(7_000, 7_090));
    assert_eq!(bench.site.open_sessions(), vec![session(1)]);
}

#[test]
fn a_power_that_is_not_told_again_is_taken_for_the_last_one() {
    let mut bench = Bench::started(own_energy(EnergySource::IntegratedPower));
    let state = Value::VehicleState(VehicleState::C);
    let power = Value::Power(Watts(7_200));
    bench.at(1_000).read(CHARGER, vec![state.clone(), power]);
    bench.at(2_000).read(CHARGER, vec![state.clone()]);
    bench.at(3_000).read(CHARGER, vec![state]);
    assert_eq!(bench.view().meter, Some(WattHours(4)));
}

#[test]
fn parts_of_a_watt_hour_are_summed_and_not_dropped() {
    let mut bench = Bench::started(own_energy(EnergySource::IntegratedPower));
    for second in 1..=37 {
        let power = Value::Power(Watts(1_000));
        bench.at(second * 1_000).read(CHARGER, vec![power]);
    }
    assert_eq!(bench.view().meter, Some(WattHours(10)));
}

#[test]
fn a_charger_that_tells_no_power_has_sessions_without_energy_and_nobody_waits() {
    let config = own_energy(EnergySource::IntegratedPower);
    let mut bench = Bench::started(config.clone());
    bench.at(1_000).charger(VehicleState::B, 16_000);
    assert_eq!(bench.site.open_sessions(), vec![session(1)]);
    let decision = bench.at(2_000).charger(VehicleState::A, 16_000);
    let ended = ended(1, 0, StopReason::EvDisconnected);
    assert_eq!(changes(&decision)[0], ended);
    assert_eq!(bench.view().meter, None);
}

#[test]
fn hours_of_silence_may_hide_more_energy_than_a_glitch() {
    let mut bench = Bench::charging(free());
    // Twice 11 040 W for 10 h is 220 kWh, and the margin on top.
    let hours = 3_600_000 * 10;
    bench.at(1_000 + hours).meter(5_000 + 270_000);
    assert_eq!(bench.view().meter, Some(WattHours(275_000)));

    let mut restarted = Bench::charging(free());
    restarted.at(10_000).restart(hours);
    restarted.at(1_000).meter(5_000 + 270_000);
    assert_eq!(restarted.view().meter, Some(WattHours(275_000)));
}

#[test]
fn whose_figures_a_device_tells_is_known_with_the_register_as_long_as_its_meter_is_heard() {
    let mut bench = Bench::charging(free());
    let told = |bench: &Bench, name: &str| -> Vec<(bool, Option<u64>)> {
        let device = device(name);
        let told = bench.site.measured_by(&device).map(|measured| {
            assert_eq!((measured.charge_point, measured.connector), (&cp(), one()));
            (
                measured.by_meter,
                measured.register.map(|register| register.0),
            )
        });
        told.collect()
    };
    bench.at(10_000).meter(5_200);
    assert_eq!(told(&bench, METER), [(true, Some(5_200))]);
    assert_eq!(told(&bench, CHARGER), [(false, None)]);
    assert_eq!(told(&bench, "grid"), []);
    bench.at(11_000).lose(METER);
    assert_eq!(told(&bench, METER), [(true, None)]);

    let mut bench = Bench::started(own_energy(EnergySource::LifetimeRegister));
    assert_eq!(
        told(&bench, CHARGER),
        [(false, None)],
        "nothing was read yet"
    );
    bench.at(1_000).read(CHARGER, vec![import(7)]);
    assert_eq!(told(&bench, CHARGER), [(false, Some(7))]);
}
