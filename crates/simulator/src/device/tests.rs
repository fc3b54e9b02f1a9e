//! Kinds of devices that no built-in profile has yet: power set-points, floats, memory that wears,
//! a token as keep-alive, no pause, no registers for the failsafe.

use std::sync::Arc;

use hw_profiles::{Access, KeepAlive, LimitUnit, Profile, RegisterType, Scale, WordOrder};
use site_model::Milliamps;

use super::samples::{heidelberg_like, keba_like, write as write_register};
use super::value::{bits_of, split_bits};
use crate::codec::{Request, request_pdu};
use crate::{ChargerHandle, ChargerOptions, Ev, Fault, World};

fn charger(world: &World, profile: Profile, supply_phases: u8) -> ChargerHandle {
    let options = ChargerOptions {
        supply_phases,
        ..ChargerOptions::default()
    };
    world.add_charger("sample", Arc::new(profile), options)
}

/// Writes once, far from all other requests; tells whether the device took it.
fn write(charger: &ChargerHandle, at_ms: u64, address: u16, values: &[u16]) -> bool {
    let request = match values {
        [value] => Request::WriteSingle {
            address,
            value: *value,
        },
        several => Request::WriteMultiple {
            address,
            values: several.to_vec(),
        },
    };
    let answers = charger.device().exchange(at_ms, &request_pdu(&request));
    answers.len() == 1 && answers[0].pdu[0] & 0x80 == 0
}

/// A charger whose limit is in watts.
fn watts_like() -> Profile {
    let mut profile = heidelberg_like();
    profile.keep_alive = KeepAlive::None;
    profile.limit.as_mut().unwrap().unit = LimitUnit::Watts;
    profile
}

#[test]
fn power_set_points_become_current_per_phase() {
    for (phases, hundred_watts, expected) in [(3, 69, 10_000), (1, 23, 10_000), (3, 42, 6_086)] {
        let world = World::new(1);
        let charger = charger(&world, watts_like(), phases);
        let full = charger.limit();
        assert!(
            full <= Milliamps(16_000) && full > Milliamps(15_400),
            "{full}"
        );
        // One count of the sample is 100 W.
        assert!(write(&charger, 1_000, 261, &[hundred_watts]));
        assert_eq!(charger.limit(), Milliamps(expected));
    }
    let world = World::new(1);
    let charger = charger(&world, watts_like(), 3);
    assert!(!write(&charger, 1_000, 261, &[41]), "5.9 A are too little");
    assert!(!write(&charger, 2_000, 261, &[111]), "16.1 A are too much");
    assert!(write(&charger, 3_000, 261, &[0]));
    assert_eq!(charger.limit(), Milliamps(0));
}

#[test]
fn float_set_points_are_taken_and_read_back() {
    for words in [WordOrder::HighFirst, WordOrder::LowFirst] {
        let mut profile = heidelberg_like();
        let limit = profile.limit.as_mut().unwrap();
        limit.write = write_register(261, RegisterType::F32, Access::Multiple);
        limit.write.words = words;
        limit.scale = Scale {
            numerator: 1000,
            denominator: 1,
        };
        profile.registers.retain(|r| r.name != "failsafe_current");
        profile.failsafe = None;
        let register = profile.registers.iter_mut().find(|r| r.name == "limit");
        let register = register.unwrap();
        (register.ty, register.words) = (RegisterType::F32, words);
        let world = World::new(2);
        let charger = charger(&world, profile, 3);
        let float = |amps| split_bits(bits_of(RegisterType::F32, amps), 2, words);
        let ten = float(10);
        assert!(write(&charger, 1_000, 261, &ten));
        assert_eq!(charger.limit(), Milliamps(10_000));
        assert_eq!(charger.register("limit"), Some(ten));
        let five = float(5);
        assert!(!write(&charger, 2_000, 261, &five));
        assert!(
            !write(&charger, 3_000, 261, &[0x7FC0, 0x7FC0]),
            "not a number"
        );
    }
}

#[test]
fn memory_that_wears_keeps_the_limit_and_counts_its_writes() {
    let world = World::new(3);
    let charger = charger(&world, keba_like(), 3);
    assert!(write(&charger, 1_000, 5004, &[10_000]));
    assert!(write(&charger, 7_000, 5004, &[10_000]));
    assert!(!write(&charger, 13_000, 5004, &[1]));
    assert_eq!(charger.device().flash_writes(), 2);
    charger
        .device()
        .set_fault(Fault::Reboot { duration_ms: 1_000 });
    world.step(1_000);
    assert_eq!(charger.limit(), Milliamps(10_000));
}

#[test]
fn a_token_keeps_alive_only_with_its_value() {
    let mut profile = heidelberg_like();
    profile.keep_alive = KeepAlive::WriteRegister {
        write: write_register(0x0D00, RegisterType::U16, Access::Single),
        value: 0x55AA,
        interval_ms: 5_000,
    };
    let world = World::new(4);
    let charger = charger(&world, profile, 3);
    world.step(10_000);
    assert!(write(&charger, 10_000, 0x0D00, &[0x1234]));
    world.step(15_100);
    assert!(
        charger.fallen_back(),
        "a wrong token and requests do not count"
    );
    assert!(write(&charger, 15_100, 0x0D00, &[0x55AA]));
    assert!(!charger.fallen_back());
}

#[test]
fn without_registers_for_the_failsafe_the_interval_counts() {
    let mut profile = keba_like();
    profile.keep_alive = KeepAlive::AnyRequest { interval_ms: 4_000 };
    let world = World::new(5);
    let charger = charger(&world, profile, 3);
    world.step(6_000);
    assert_eq!(charger.limit(), Milliamps(32_000));
    world.step(6_100);
    assert_eq!(charger.limit(), Milliamps(0));
}

#[test]
fn a_silenced_device_hears_nothing_and_falls_back() {
    let world = World::new(6);
    let charger = charger(&world, heidelberg_like(), 3);
    charger.device().set_fault(Fault::Silence);
    for second in 1..=16 {
        world.step(second * 1_000);
        assert!(!write(&charger, second * 1_000, 261, &[100]));
    }
    assert!(charger.fallen_back());
    assert_eq!(charger.writes(), []);
}

#[test]
fn a_charger_that_cannot_pause_refuses_nothing_amperes() {
    let mut profile = heidelberg_like();
    let limit = profile.limit.as_mut().unwrap();
    limit.pause = None;
    let world = World::new(7);
    let charger = charger(&world, profile, 3);
    assert!(!write(&charger, 1_000, 261, &[0]));
    assert_eq!(charger.limit(), Milliamps(16_000));
}

#[test]
fn a_supply_of_one_phase_has_one_current_and_one_voltage() {
    let world = World::new(8);
    let mut profile = heidelberg_like();
    for register in &mut profile.registers {
        register.sentinels = vec![0xFFFF];
    }
    let charger = charger(&world, profile, 1);
    charger.plug_in(Ev::three_phase_11_kw());
    world.step(10_000);
    let shown = |name: &str| charger.register(name).unwrap()[0];
    assert_eq!(
        (
            shown("current_l1"),
            shown("current_l2"),
            shown("current_l3")
        ),
        (160, 0, 0)
    );
    assert!((228..=232).contains(&shown("voltage_l1")));
    assert_eq!((shown("voltage_l2"), shown("voltage_l3")), (0xFFFF, 0xFFFF));
}

#[test]
fn a_profile_without_words_for_charging_is_refused_by_name() {
    let mut profile = heidelberg_like();
    profile
        .state_rules
        .retain(|rule| rule.state != site_model::VehicleState::C);
    let refused = std::panic::catch_unwind(|| charger(&World::new(9), profile, 3));
    let message = *refused.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(
        message,
        "profile heidelberg-like: no raw values mean vehicle state C; look at its state rules"
    );
}
