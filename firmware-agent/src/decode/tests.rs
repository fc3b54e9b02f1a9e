//! What the words of a profile mean, value by value.

use super::*;
use crate::testing::{charger, condition, profile, register};
use hw_profiles::{RegisterType, Scale, StateRule, WordOrder, WordProbe};
use proptest::prelude::*;

/// Decodes a profile after one read of all given registers.
fn after(profile: &Profile, words: &[&[u16]]) -> Decoded {
    let mut image = Image::new(profile);
    let mut fresh = vec![false; profile.registers.len()];
    for (index, words) in words.iter().enumerate() {
        image.set(index, words);
        fresh[index] = true;
    }
    decode(profile, &image, &fresh)
}

#[test]
fn a_charger_tells_state_current_and_limit() {
    let decoded = after(&charger(), &[&[6], &[101], &[160]]);
    assert_eq!(
        decoded,
        Decoded {
            values: vec![
                Value::VehicleState(VehicleState::C),
                Value::Current(Phase::L1, Milliamps(10_100)),
                Value::CurrentLimit(Milliamps(16_000)),
            ],
            uncovered_state: None,
        }
    );
}

#[test]
fn values_that_no_rule_covers_are_a_fault_with_the_raw_inputs() {
    let decoded = after(&charger(), &[&[99]]);
    assert_eq!(
        decoded,
        Decoded {
            values: vec![Value::VehicleState(VehicleState::Fault)],
            uncovered_state: Some("state = 99".to_owned()),
        }
    );
}

#[test]
fn the_first_rule_that_holds_decides_and_an_empty_rule_always_holds() {
    let mut it = charger();
    it.state_rules.insert(
        0,
        StateRule {
            when: vec![condition("state", RawMatch::BitsSet(0x80))],
            state: VehicleState::E,
        },
    );
    it.state_rules.push(StateRule {
        when: vec![],
        state: VehicleState::F,
    });
    let state = |raw| after(&it, &[&[raw]]).values;
    assert_eq!(state(0x86), [Value::VehicleState(VehicleState::E)]);
    assert_eq!(state(6), [Value::VehicleState(VehicleState::C)]);
    assert_eq!(state(99), [Value::VehicleState(VehicleState::F)]);
}

#[test]
fn a_state_is_told_only_when_an_input_is_fresh_and_all_are_known() {
    let it = charger();
    let mut image = Image::new(&it);
    image.set(0, &[6]);
    assert_eq!(decode(&it, &image, &[false, false, false]).values, []);
    let mut two = charger();
    two.state_rules[0]
        .when
        .push(condition("limit", RawMatch::BitsClear(0)));
    // Register `limit` was never read: the first rule cannot be judged for raw state 2.
    assert_eq!(after(&two, &[&[2]]).values, []);
    assert_eq!(
        after(&two, &[&[6]]).values,
        [Value::VehicleState(VehicleState::C)]
    );
}

#[test]
fn a_sentinel_is_absent_and_leaves_the_state_open() {
    let mut it = charger();
    it.registers[0].sentinels = vec![0xFFFF];
    it.registers[1].sentinels = vec![0xFFFF];
    assert_eq!(after(&it, &[&[0xFFFF], &[0xFFFF]]), Decoded::default());
}

#[test]
fn a_paused_charger_has_limit_zero_whatever_it_reads_back() {
    let mut it = charger();
    it.limit.as_mut().unwrap().paused_when = vec![condition("state", RawMatch::OneOf(vec![4]))];
    assert_eq!(
        after(&it, &[&[4], &[0], &[160]]).values,
        [
            Value::VehicleState(VehicleState::B),
            Value::CurrentLimit(Milliamps::PAUSE),
            Value::Current(Phase::L1, Milliamps(0)),
        ]
    );
}

#[test]
fn of_two_limits_the_one_that_the_profile_names_is_told_and_watts_become_amperes() {
    let mut it = charger();
    let power = register("power_limit", 9, RegisterType::U16).of(Quantity::PowerLimit);
    it.registers.push(power.build());
    let control = it.limit.as_mut().unwrap();
    control.read_back = Some("power_limit".to_owned());
    let words: [&[u16]; 4] = [&[6], &[0], &[80], &[5_554]];
    let told = |words: &[&[u16]]| after(&it, words).values.pop();
    assert_eq!(told(&words), Some(Value::CurrentLimit(Milliamps(8_049))));
    assert_eq!(
        told(&words[..3]),
        Some(Value::CurrentLimit(Milliamps(8_000)))
    );
    let mut image = Image::new(&it);
    image.set(3, &[2_300]);
    image.set_phases(1);
    let one_phase = Some(Value::CurrentLimit(Milliamps(10_000)));
    assert_eq!(image.value(&it, 3), one_phase);
}

#[test]
fn a_conditional_register_counts_only_where_its_condition_is_known_to_hold() {
    let it = profile(vec![
        register("firmware", 1, RegisterType::Ascii { registers: 3 }).build(),
        register("old", 10, RegisterType::U16)
            .of(Quantity::Power)
            .when("firmware", RawMatch::Between(0, 519))
            .build(),
        register("new", 10, RegisterType::U16)
            .of(Quantity::Power)
            .scaled(Scale {
                numerator: 10,
                denominator: 1,
            })
            .when("firmware", RawMatch::Between(520, 9_999))
            .build(),
    ]);
    let words = |text: &[u8; 6]| {
        text.as_chunks::<2>()
            .0
            .iter()
            .map(|c| u16::from_be_bytes(*c))
            .collect::<Vec<_>>()
    };
    let power = |firmware| after(&it, &[&words(firmware), &[7], &[7]]).values;
    assert_eq!(power(b"5.19\0\0"), [Value::Power(Watts(7))]);
    assert_eq!(power(b"5.22\0\0"), [Value::Power(Watts(70))]);
    assert_eq!(power(b"v5.22b"), [Value::Power(Watts(70))]);
    assert_eq!(power(b"beta\0\0"), []);
}

#[test]
fn text_is_trimmed_and_unprintable_text_is_absent() {
    let ascii = register("s", 0, RegisterType::Ascii { registers: 3 })
        .of(Quantity::Serial)
        .build();
    let utf16 = register("s", 0, RegisterType::Utf16 { registers: 4 })
        .of(Quantity::Model)
        .build();
    let serial = |words: [u16; 3]| value_of(&ascii, &words);
    assert_eq!(
        serial([0x4142, 0x2020, 0]),
        Some(Value::Serial("AB".to_owned()))
    );
    assert_eq!(
        serial([0x4100, 0x4242, 0x4242]),
        Some(Value::Serial("A".to_owned()))
    );
    assert_eq!(serial([0, 0, 0]), None);
    assert_eq!(serial([0xFFFF, 0, 0]), None);
    assert_eq!(
        value_of(&utf16, &[0x47, 0xFC, 0x20, 0]),
        Some(Value::Model("Gü".to_owned()))
    );
    assert_eq!(value_of(&utf16, &[0xD800, 0, 0, 0]), None);
}

#[test]
fn a_number_can_be_the_serial_number() {
    let number = register("s", 0, RegisterType::U32)
        .of(Quantity::Serial)
        .low_first()
        .build();
    assert_eq!(
        value_of(&number, &[1, 2]),
        Some(Value::Serial("131073".to_owned()))
    );
}

#[test]
fn what_is_out_of_range_is_absent() {
    let current = register("i", 0, RegisterType::I16)
        .of(Quantity::CurrentL2)
        .build();
    assert_eq!(value_of(&current, &[0xFFFF]), None, "a negative current");
    let power = register("p", 0, RegisterType::U32)
        .of(Quantity::Power)
        .build();
    assert_eq!(value_of(&power, &[0x8000, 0]), None, "beyond i32");
    assert_eq!(value_of(&power, &[0]), None, "too few words");
}

#[test]
fn a_scale_register_and_a_turned_sign_make_the_value() {
    let mut it = profile(vec![
        register("w", 18, RegisterType::I16)
            .of(Quantity::Power)
            .sentinel(0x8000)
            .build(),
        register("w_sf", 22, RegisterType::I16).build(),
    ]);
    it.registers[0].scale_register = Some("w_sf".to_owned());
    let power = |it: &Profile, w, sf| after(it, &[&[w], &[sf]]).values;
    assert_eq!(power(&it, 1_234, 1), [Value::Power(Watts(12_340))]);
    assert_eq!(power(&it, 1_234, 0xFFFF), [Value::Power(Watts(123))]);
    assert_eq!(power(&it, 0x8000, 1), [], "not available");
    assert_eq!(
        power(&it, 1_234, 0x8000),
        [],
        "a scale that is not available"
    );
    assert_eq!(
        after(&it, &[&[1_234]]).values,
        [],
        "a scale that was not heard"
    );
    assert_eq!(value_of(&it.registers[0], &[1_234]), None);
    it.registers[0].negate = true;
    assert_eq!(power(&it, 1_234, 1), [Value::Power(Watts(-12_340))]);
}

#[test]
fn conditions_look_through_a_mask_and_at_values() {
    let mut it = charger();
    it.state_rules = vec![
        StateRule {
            when: vec![Condition {
                mask: Some(0x7F00),
                ..condition("state", RawMatch::OneOf(vec![0x0400]))
            }],
            state: VehicleState::C,
        },
        StateRule {
            when: vec![condition("current_l1", RawMatch::ValueBetween(500, 99_999))],
            state: VehicleState::B,
        },
        StateRule {
            when: vec![],
            state: VehicleState::A,
        },
    ];
    let state = |raw: u16, tenths: u16| after(&it, &[&[raw], &[tenths], &[0]]).values[0].clone();
    assert_eq!(state(0x84FF, 0), Value::VehicleState(VehicleState::C));
    assert_eq!(state(0x0500, 5), Value::VehicleState(VehicleState::B));
    assert_eq!(state(0x0500, 4), Value::VehicleState(VehicleState::A));
}

#[test]
fn a_register_that_is_not_there_fails_its_conditions_only_if_it_is_optional() {
    let mut it = charger();
    it.registers[2].optional = true;
    it.registers[2].sentinels = vec![0xFFFF];
    it.state_rules[0].when = vec![condition("limit", RawMatch::Between(0, 500))];
    let state = |it: &Profile, limit: Option<u16>| {
        let mut image = Image::new(it);
        image.set(0, &[4]);
        match limit {
            Some(raw) => image.set(2, &[raw]),
            None => image.set_absent(2),
        }
        decode(it, &image, &[true, true, true])
            .values
            .first()
            .cloned()
    };
    let told = |state| Some(Value::VehicleState(state));
    assert_eq!(state(&it, Some(60)), told(VehicleState::A));
    assert_eq!(state(&it, None), told(VehicleState::B));
    assert_eq!(state(&it, Some(0xFFFF)), told(VehicleState::B));
    it.registers[2].optional = false;
    assert_eq!(state(&it, Some(0xFFFF)), None, "the state stays open");
}

#[test]
fn bits_and_swapped_texts_are_read() {
    let bit = register("b", 0, RegisterType::Bit)
        .of(Quantity::ErrorCode)
        .build();
    assert_eq!(value_of(&bit, &[1]), Some(Value::ErrorCode(1)));
    let swapped = register("s", 0, RegisterType::AsciiSwapped { registers: 2 })
        .of(Quantity::Serial)
        .build();
    assert_eq!(
        value_of(&swapped, &[0x4241, 0x0043]),
        Some(Value::Serial("ABC".to_owned()))
    );
    assert_eq!(
        words_of(RegisterType::Bit, WordOrder::HighFirst, 1),
        Some(vec![1])
    );
    assert_eq!(words_of(RegisterType::Bit, WordOrder::HighFirst, 2), None);
}

#[test]
fn the_word_order_is_told_by_a_value_that_must_lie_in_a_range() {
    let mut it = profile(vec![
        register("frequency", 336, RegisterType::F32)
            .of(Quantity::Frequency)
            .scaled(Scale {
                numerator: 1_000,
                denominator: 1,
            })
            .build(),
    ]);
    let mut image = Image::new(&it);
    assert_eq!(words_fit(&it, &image), None, "no probe");
    it.word_probe = Some(WordProbe {
        register: "frequency".to_owned(),
        low: 45_000,
        high: 65_000,
    });
    assert_eq!(words_fit(&it, &image), None, "not heard");
    image.set(0, &[0x4248, 0x0000]); // 50.0
    assert_eq!(words_fit(&it, &image), Some(true));
    let turned = it.with_words(WordOrder::LowFirst);
    assert_eq!(words_fit(&turned, &image), Some(false));
}

#[test]
fn energy_tells_its_resolution() {
    let energy = register("e", 0, RegisterType::U32)
        .of(Quantity::EnergyImport)
        .scaled(Scale {
            numerator: 100,
            denominator: 1,
        })
        .sentinel(0xFFFF_FFFF)
        .build();
    assert_eq!(
        value_of(&energy, &[0, 5]),
        Some(Value::EnergyImport {
            energy: WattHours(500),
            resolution: WattHours(100)
        })
    );
    assert_eq!(value_of(&energy, &[0xFFFF, 0xFFFF]), None);
}

proptest! {
    #[test]
    fn words_of_a_number_are_the_number_again(bits: u64, low_first: bool, kind in 0usize..4) {
        let ty = [RegisterType::U16, RegisterType::I32, RegisterType::U64, RegisterType::F32][kind];
        let number = bits >> (64 - 16 * u32::from(ty.count()));
        let builder = register("x", 0, ty);
        let register = if low_first { builder.low_first() } else { builder }.build();
        let words = words_of(ty, register.words, number).unwrap();
        prop_assert_eq!(raw_of(&register, &words), Some(Raw::Number(number)));
    }
}
