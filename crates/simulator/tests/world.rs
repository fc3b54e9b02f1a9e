//! What is true in the world over time: energy, keep-alive, reboot, rules, faults. Time is stepped.

use std::sync::Arc;

use hw_profiles::{Profile, Table, find};
use simulator::codec::{Request, request_pdu};
use simulator::{
    Answer, BaseLoad, ChargerHandle, ChargerOptions, Damage, Ev, ExceptionCode, Fault, MeterOf,
    Rule, World,
};
use site_model::{Milliamps, VehicleState};

fn profile(id: &str) -> Arc<Profile> {
    Arc::new(find(id).expect("a built-in profile").clone())
}

fn heidelberg(world: &World) -> ChargerHandle {
    let options = ChargerOptions {
        fallback_current: Milliamps(6_000),
        ..ChargerOptions::default()
    };
    world.add_charger("left", profile("heidelberg-energy-control"), options)
}

fn keba(world: &World) -> ChargerHandle {
    world.add_charger("keba", profile("keba-p30"), ChargerOptions::default())
}

fn read(table: Table, address: u16, count: u16) -> Vec<u8> {
    request_pdu(&Request::Read {
        table,
        address,
        count,
    })
}

fn write(address: u16, value: u16) -> Vec<u8> {
    request_pdu(&Request::WriteSingle { address, value })
}

fn plain(pdu: &[u8]) -> Vec<Answer> {
    vec![Answer {
        pdu: pdu.to_vec(),
        damage: Damage::None,
        delay_ms: 0,
    }]
}

fn rules(world: &World) -> Vec<Rule> {
    world.violations().iter().map(|v| v.rule).collect()
}

#[test]
fn energy_is_the_sum_of_power_over_time() {
    let world = World::new(11);
    let charger = heidelberg(&world);
    let meter = MeterOf::Charger(charger.clone());
    let meter = world.add_meter("m", profile("eastron-sdm630"), meter, 500);
    charger.plug_in(Ev::three_phase_11_kw());
    let mut sum_mw_ms = 0_u64;
    for now_ms in (100..=600_000).step_by(100) {
        if now_ms % 10_000 == 0 {
            let _ = charger.device().exchange(now_ms, &read(Table::Input, 5, 1));
        }
        world.step(now_ms);
        sum_mw_ms += charger.power_mw() * 100;
    }
    let sum_mwh = sum_mw_ms / 3_600_000;
    let energy_mwh = charger.energy_mwh();
    assert!(
        energy_mwh.abs_diff(sum_mwh) <= 1,
        "{energy_mwh} mWh, power says {sum_mwh}"
    );
    assert!((1_700_000..1_760_000).contains(&energy_mwh), "{energy_mwh}");
    assert_eq!(meter.energy_mwh(), 500_000 + energy_mwh);
    let taken = charger.unplug().expect("a car is plugged in");
    assert_eq!(taken.energy_mwh, energy_mwh);
    assert_eq!(taken.apparent_energy_mvah, charger.apparent_energy_mvah());
    let by_power_factor = charger.apparent_energy_mvah() * 95 / 100;
    assert!(by_power_factor.abs_diff(energy_mwh) <= 1);
    assert_eq!(charger.state(), VehicleState::A);
    world.step(900_000);
    assert_eq!(
        charger.energy_mwh(),
        energy_mwh,
        "nothing flows without a car"
    );
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let run = |seed| {
        let world = World::new(seed);
        let charger = keba(&world);
        charger.plug_in(Ev::plug_in_hybrid());
        world.step(123_456);
        (charger.energy_mwh(), charger.register("voltage_l1"))
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).0, run(6).0);
}

#[test]
fn one_long_step_equals_many_short_ones() {
    let run = |step: usize| {
        let world = World::new(8);
        let charger = keba(&world);
        charger.plug_in(Ev::three_phase_11_kw());
        for now_ms in (0..=60_000).step_by(step) {
            world.step(now_ms);
        }
        charger.energy_mwh()
    };
    assert_eq!(run(60_000), run(100));
}

#[test]
fn a_grid_meter_sees_all_chargers_and_the_building() {
    let world = World::new(12);
    let (left, right) = (heidelberg(&world), keba(&world));
    let grid = world.add_meter("grid", profile("eastron-sdm630"), MeterOf::Grid, 0);
    world.set_base_load(BaseLoad {
        current: [Milliamps(2_000), Milliamps(0), Milliamps(500)],
        power_factor_permille: 900,
    });
    left.plug_in(Ev::three_phase_11_kw());
    right.plug_in(Ev::single_phase_7_kw());
    world.step(14_000);
    assert_eq!(
        grid.currents(),
        [Milliamps(50_000), Milliamps(16_000), Milliamps(16_500)]
    );
    let chargers = left.power_mw() + right.power_mw();
    assert!(
        grid.power_mw() > chargers + 450_000,
        "{} over {chargers}",
        grid.power_mw()
    );
}

#[test]
fn a_missed_keep_alive_brings_the_fallback_current() {
    let world = World::new(13);
    let charger = heidelberg(&world);
    charger.plug_in(Ev::three_phase_11_kw());
    world.step(15_000);
    assert_eq!(
        (charger.limit(), charger.fallen_back()),
        (Milliamps(16_000), false)
    );
    world.step(15_100);
    assert_eq!(
        (charger.limit(), charger.fallen_back()),
        (Milliamps(6_000), true)
    );
    world.step(17_000);
    assert_eq!(charger.currents(), [Milliamps(6_000); 3]);
    assert_eq!(charger.register("current_limit"), Some(vec![160]));
    let answers = charger.device().exchange(17_000, &read(Table::Input, 5, 1));
    assert_eq!(answers, plain(&[4, 2, 0, 7]));
    assert_eq!(
        (charger.limit(), charger.fallen_back()),
        (Milliamps(16_000), false)
    );
}

#[test]
fn the_timeout_and_fallback_are_those_that_were_written() {
    let world = World::new(14);
    let charger = heidelberg(&world);
    let device = charger.device();
    let mut now_ms = 0;
    for (address, value) in [(257, 2_000), (262, 0)] {
        now_ms += 200;
        world.step(now_ms);
        assert_eq!(
            device.exchange(now_ms, &write(address, value)),
            plain(&write(address, value))
        );
    }
    assert_eq!(charger.register("watchdog_timeout"), Some(vec![2_000]));
    assert_eq!(charger.register("failsafe_limit"), Some(vec![0]));
    world.step(now_ms + 2_000);
    assert_eq!(charger.limit(), Milliamps(16_000));
    world.step(now_ms + 2_100);
    assert_eq!(charger.limit(), Milliamps(0));
    assert_eq!(
        device.exchange(now_ms + 2_100, &write(257, 0)),
        plain(&write(257, 0))
    );
    world.step(now_ms + 1_000_000);
    assert_eq!(charger.limit(), Milliamps(16_000), "a timeout of 0 is off");
    assert_eq!(world.violations(), []);
}

#[test]
fn rewriting_the_timeout_is_the_only_keep_alive_where_the_profile_says_so() {
    let world = World::new(15);
    let charger = keba(&world);
    let device = charger.device();
    assert_eq!(
        device.exchange(0, &write(5018, 20)),
        plain(&write(5018, 20))
    );
    for second in 1..=20 {
        world.step(second * 1_000);
        let _ = device.exchange(second * 1_000, &read(Table::Holding, 1000, 2));
    }
    assert!(!charger.fallen_back());
    world.step(20_100);
    assert!(charger.fallen_back(), "reads do not count");
    let limit = device.exchange(20_100, &write(5004, 16_000));
    assert_eq!(limit, plain(&write(5004, 16_000)));
    assert!(charger.fallen_back(), "limits do not count");
    let again = device.exchange(20_100, &write(5018, 20));
    assert_eq!(again, plain(&write(5018, 20)));
    assert!(!charger.fallen_back());
}

#[test]
fn limits_are_obeyed_and_recorded() {
    let world = World::new(16);
    let charger = heidelberg(&world);
    charger.plug_in(Ev::three_phase_11_kw());
    world.step(8_000);
    let device = charger.device();
    assert_eq!(
        device.exchange(8_000, &write(261, 100)),
        plain(&write(261, 100))
    );
    assert_eq!(charger.limit(), Milliamps(10_000));
    world.step(10_000);
    assert_eq!(charger.currents(), [Milliamps(10_000); 3]);
    assert_eq!(device.exchange(10_000, &write(261, 59)), plain(&[0x86, 3]));
    assert_eq!(device.exchange(10_200, &write(261, 161)), plain(&[0x86, 3]));
    assert_eq!(charger.limit(), Milliamps(10_000));
    assert_eq!(
        device.exchange(10_400, &write(261, 0)),
        plain(&write(261, 0))
    );
    world.step(13_000);
    assert_eq!(
        (charger.limit(), charger.state()),
        (Milliamps(0), VehicleState::B)
    );
    let writes: Vec<(u64, u16, bool)> = charger
        .writes()
        .iter()
        .map(|w| (w.at_ms, w.values[0], w.accepted))
        .collect();
    assert_eq!(
        writes,
        [
            (8_000, 100, true),
            (10_000, 59, false),
            (10_200, 161, false),
            (10_400, 0, true)
        ]
    );
    assert_eq!(rules(&world), [Rule::LimitOutOfRange; 2]);
}

#[test]
fn a_switch_pauses_and_the_registers_say_so() {
    let world = World::new(17);
    let charger = keba(&world);
    charger.plug_in(Ev::three_phase_11_kw());
    world.step(5_000);
    let device = charger.device();
    assert_eq!(charger.register("state"), Some(vec![0, 3]));
    assert_eq!(
        device.exchange(5_000, &write(5014, 0)),
        plain(&write(5014, 0))
    );
    world.step(10_000);
    assert_eq!(
        (charger.limit(), charger.state()),
        (Milliamps(0), VehicleState::B)
    );
    let shown = charger.register("state").expect("the profile names it");
    assert!(shown == [0, 1] || shown == [0, 5], "{shown:?}");
    assert_eq!(
        device.exchange(10_000, &write(5014, 1)),
        plain(&write(5014, 1))
    );
    world.step(11_000);
    assert_eq!(charger.state(), VehicleState::C);
    assert_eq!(device.exchange(11_000, &write(5014, 2)), plain(&[0x86, 3]));
}

#[test]
fn a_reboot_forgets_the_limit_and_keeps_the_energy() {
    let world = World::new(18);
    let charger = heidelberg(&world);
    let device = charger.device();
    charger.plug_in(Ev::three_phase_11_kw());
    assert_eq!(device.exchange(0, &write(261, 80)), plain(&write(261, 80)));
    world.step(10_000);
    let energy_mwh = charger.energy_mwh();
    assert!(energy_mwh > 0);
    device.set_fault(Fault::Reboot { duration_ms: 3_000 });
    assert_eq!(charger.currents(), [Milliamps(0); 3]);
    world.step(12_900);
    assert_eq!(device.exchange(12_900, &read(Table::Input, 5, 1)), []);
    assert_eq!(charger.energy_mwh(), energy_mwh);
    world.step(13_000);
    assert_eq!(
        charger.limit(),
        Milliamps(16_000),
        "the factory's limit rules again"
    );
    assert_eq!(
        device.exchange(13_000, &read(Table::Input, 5, 1)),
        plain(&[4, 2, 0, 7])
    );
    world.step(16_000);
    assert!(charger.energy_mwh() > energy_mwh, "the car goes on");
}

#[test]
fn faults_come_and_go() {
    let world = World::new(19);
    let charger = heidelberg(&world);
    let device = charger.device();
    let ask = |at_ms| device.exchange(at_ms, &read(Table::Input, 5, 1));
    device.set_fault(Fault::Silence);
    assert_eq!(ask(1_000), []);
    device.clear();
    device.set_fault(Fault::Exception(ExceptionCode::ServerDeviceBusy));
    assert_eq!(ask(2_000), plain(&[0x84, 6]));
    device.clear();
    assert_eq!(ask(3_000), plain(&[4, 2, 0, 2]));
    charger.device().set_unavailable("state", true);
    assert_eq!(ask(4_000), plain(&[4, 2, 0, 0]));
}

#[test]
fn transient_sentinels_come_and_go() {
    let world = World::new(20);
    let bender = world.add_charger("b", profile("bender-cc612"), ChargerOptions::default());
    assert_eq!(bender.register("current_l1"), Some(vec![0, 0]));
    bender.device().set_unavailable("current_l1", true);
    assert_eq!(bender.register("current_l1"), Some(vec![0xFFFF, 0xFFFF]));
    bender.device().set_unavailable("current_l1", false);
    assert_eq!(bender.register("current_l1"), Some(vec![0, 0]));
    assert_eq!(bender.register("no such register"), None);
}

#[test]
fn broken_rules_are_recorded_and_answered_as_a_device_would() {
    let world = World::new(21);
    let (keba, left) = (keba(&world), heidelberg(&world));
    let keba_says = |at_ms, pdu: &[u8]| keba.device().exchange(at_ms, pdu);
    let left_says = |at_ms, pdu: &[u8]| left.device().exchange(at_ms, pdu);
    assert_eq!(
        keba_says(0, &read(Table::Holding, 1008, 4)),
        plain(&[0x83, 2])
    );
    assert_eq!(
        keba_says(0, &read(Table::Holding, 1001, 1)),
        plain(&[0x83, 2])
    );
    assert_eq!(
        keba_says(0, &read(Table::Input, 1000, 2)),
        plain(&[0x84, 2])
    );
    assert_eq!(keba_says(0, &write(5003, 0)), plain(&[0x86, 2]));
    assert_eq!(keba_says(0, &[0x2B, 0x0E, 1, 0]), plain(&[0xAB, 1]));
    let state = read(Table::Holding, 1000, 2);
    assert_eq!(keba_says(1_000, &state), plain(&[3, 4, 0, 0, 0, 2]));
    assert_eq!(keba_says(1_300, &state), plain(&[3, 4, 0, 0, 0, 2]));
    assert_eq!(
        keba_says(2_000, &write(5004, 16_000)),
        plain(&write(5004, 16_000))
    );
    assert_eq!(
        keba_says(5_000, &write(5004, 10_000)),
        plain(&write(5004, 10_000))
    );
    assert_eq!(
        left_says(0, &read(Table::Input, 5, 1)),
        plain(&[4, 2, 0, 2])
    );
    assert_eq!(left_says(99, &read(Table::Input, 5, 1)), []);
    assert_eq!(
        left_says(100, &read(Table::Input, 5, 1)),
        plain(&[4, 2, 0, 2])
    );
    let multiple = request_pdu(&Request::WriteMultiple {
        address: 261,
        values: vec![100],
    });
    assert_eq!(left_says(300, &multiple), plain(&[0x90, 1]));
    assert_eq!(
        rules(&world),
        [
            Rule::ReadTooLong,
            Rule::SplitValue,
            Rule::UnnamedRegister,
            Rule::UnknownWrite,
            Rule::Malformed,
            Rule::ReadInterval,
            Rule::WriteInterval,
            Rule::Gap,
            Rule::WriteAccess,
        ]
    );
    let gap = &left.device().violations()[0];
    assert_eq!(
        gap.to_string(),
        "left at 99 ms: request 99 ms after the last answer: at least 100 ms (Gap)"
    );
}

#[test]
fn what_a_device_remembers_is_bounded() {
    let world = World::new(22);
    let charger = keba(&world);
    for at_ms in 0..5_000 {
        let _ = charger.device().exchange(at_ms, &write(1, 1));
    }
    assert_eq!(charger.writes().len(), 4_096);
    assert_eq!(charger.device().violations().len(), 4_096);
    assert_eq!(charger.writes().last().map(|w| w.at_ms), Some(4_999));
    assert_eq!(charger.device().requests(), 5_000);
}
