//! No built-in profile writes more than was asked, nor less than a charger can offer, nor a value
//! with a meaning of its own. What was written is read here by other means than the encoder's.

use firmware_agent::codec::Request;
use firmware_agent::encode::{Unwritable, Write, limit_order};
use hw_profiles::{
    LimitControl, LimitUnit, PauseControl, Profile, RegisterType, WordOrder, builtin,
};
use proptest::prelude::*;
use site_model::Milliamps;

/// What a limit's register means, read independently of the encoder: in microamperes per phase.
fn microamperes(control: &LimitControl, raw: u64, phases: u64) -> u128 {
    let whole = match control.write.ty {
        RegisterType::F32 => {
            let bits = u32::try_from(raw).expect("32 bits");
            return scaled_float(control, f64::from(f32::from_bits(bits)), phases);
        }
        RegisterType::F64 => return scaled_float(control, f64::from_bits(raw), phases),
        RegisterType::Bit
        | RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::Ascii { .. }
        | RegisterType::AsciiSwapped { .. }
        | RegisterType::Utf16 { .. } => u128::from(raw),
    };
    let base = whole * u128::from(control.scale.numerator);
    let denominator = u128::from(control.scale.denominator);
    match control.unit {
        LimitUnit::Milliamps => base * 1_000 / denominator,
        LimitUnit::Watts => base * 1_000_000 / (denominator * 230 * u128::from(phases)),
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a check by other means: micro-amperes of a positive set-point fit the mantissa"
)]
fn scaled_float(control: &LimitControl, number: f64, phases: u64) -> u128 {
    let scale = control.scale.numerator as f64 / control.scale.denominator as f64;
    let per_unit = match control.unit {
        LimitUnit::Milliamps => 1_000.0,
        LimitUnit::Watts => 1_000_000.0 / (230.0 * phases as f64),
    };
    (number * scale * per_unit).round() as u128
}

/// The raw value that a write carries; every copy of it must be the same.
fn raw_written(control: &LimitControl, request: &Request) -> u64 {
    let words = match request {
        Request::WriteSingle { value, .. } => vec![*value],
        Request::WriteMultiple { values, .. } => values.clone(),
        Request::Read { .. } | Request::WriteCoil { .. } => panic!("{request:?} is no limit"),
    };
    let count = usize::from(control.write.ty.count());
    assert_eq!(words.len(), count * usize::from(control.write.repeat));
    let first = &words[..count];
    assert!(words.chunks(count).all(|copy| copy == first), "{words:?}");
    let join = |raw: u64, word: &u16| (raw << 16) | u64::from(*word);
    match control.write.words {
        WordOrder::HighFirst => first.iter().fold(0, join),
        WordOrder::LowFirst => first.iter().rev().fold(0, join),
    }
}

/// Checks the writes for one asked limit.
fn check_limit(profile: &Profile, control: &LimitControl, asked: u32, phases: u8) {
    let what = format!("{}: {asked} mA on {phases} phases", profile.id);
    let order = match limit_order(control, Milliamps(asked), phases) {
        Ok(order) => order,
        Err(error) => {
            assert_eq!(error, Unwritable::CannotPause, "{what}");
            assert_eq!(control.pause, None, "{what}");
            return;
        }
    };
    let least = control.minimum.0.max(6_000);
    let own = |write: &&Write| match &write.request {
        Request::WriteSingle { address, .. } | Request::WriteMultiple { address, .. } => {
            *address == control.write.address
        }
        Request::Read { .. } | Request::WriteCoil { .. } => false,
    };
    let limit = order.writes.iter().find(own);
    let limit = limit.map(|write| raw_written(control, &write.request));
    match (&control.pause, order.applied, limit) {
        (Some(PauseControl::Value(pause)), Milliamps(0), Some(raw)) => {
            assert_eq!(raw, *pause, "{what}");
        }
        (Some(PauseControl::Switch { .. }), Milliamps(0), None) => {}
        (_, Milliamps(applied), Some(raw)) => {
            let meant = microamperes(control, raw, phases.into());
            assert!(meant <= u128::from(asked) * 1_000 + 1, "{what}: {meant} µA");
            assert!(
                meant + 1_000 >= u128::from(applied) * 1_000,
                "{what}: {meant} µA"
            );
            assert!(applied >= least, "{what}: {applied} mA");
            assert!(applied <= control.maximum.0, "{what}: {applied} mA");
            let meaning = control.meanings.iter().find(|(value, _)| *value == raw);
            assert_eq!(meaning, None, "{what}");
        }
        (_, applied, None) => panic!("{what}: {applied} without a write of the limit"),
    }
}

#[test]
fn no_profile_writes_more_than_was_asked_nor_less_than_a_charger_can_offer() {
    let mut checked = 0;
    for profile in builtin() {
        let Some(control) = &profile.limit else {
            continue;
        };
        for phases in [1, 3] {
            for asked in (0..=80_000).step_by(50).chain(5_990..=6_010) {
                check_limit(profile, control, asked, phases);
            }
        }
        checked += 1;
    }
    assert!(checked >= 4, "{checked} profiles with a limit");
}

proptest! {
    #[test]
    fn no_limit_in_between_is_written_too_high_either(asked in 0u32..=80_000, phases in 1u8..=3) {
        for profile in builtin() {
            if let Some(control) = &profile.limit {
                check_limit(profile, control, asked, phases);
            }
        }
    }
}
