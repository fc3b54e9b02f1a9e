//! From a current limit to register writes. Always rounds down: what is written never allows more
//! than was asked.

use hw_profiles::{
    Access, LimitControl, LimitUnit, PauseControl, RegisterType, Scale, WriteRegister,
};
use site_model::Milliamps;

use crate::codec::Request;
use crate::decode::words_of;

/// Nominal voltage that watts are reckoned with (EN 50160: 230 V).
const NOMINAL_VOLTS: u64 = 230;

/// Writes that set a limit, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitOrder {
    /// To be written one after the other; the order stands when the last was echoed.
    pub requests: Vec<Request>,
    /// The limit as encoded; 0 is a pause.
    pub applied: Milliamps,
}

/// Why a limit cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// Below the least current of the device, and its profile knows no way to pause.
    #[error("the limit is below the least current of this model, and the model cannot pause")]
    CannotPause,
    /// The raw value does not fit the register; a faulty profile.
    #[error("the limit does not fit the register that the profile names for it")]
    DoesNotFit,
}

/// The writes for a limit. Above the device's highest limit it is that one; below its least
/// current (rounding included) it is a pause.
///
/// # Errors
/// [`Unwritable`] when the device cannot be told so.
pub fn limit_order(
    control: &LimitControl,
    asked: Milliamps,
    phases: u8,
) -> Result<LimitOrder, Unwritable> {
    let counts = Counts::new(control, phases);
    let raw = counts.at_most(asked.min(control.maximum));
    let applied = counts.limit_of(raw);
    if asked == Milliamps::PAUSE || applied < control.minimum {
        return pause_order(control);
    }
    let mut requests = vec![write_request(&control.write, raw)?];
    match &control.pause {
        Some(PauseControl::Switch { write, resume, .. }) => {
            requests.push(write_request(write, *resume)?);
        }
        Some(PauseControl::Value(_)) | None => {}
    }
    Ok(LimitOrder { requests, applied })
}

/// The write of a raw value.
///
/// # Errors
/// [`Unwritable::DoesNotFit`] when the register is too narrow or holds text.
pub fn write_request(write: &WriteRegister, raw: u64) -> Result<Request, Unwritable> {
    let values = words_of(write.ty, write.words, raw).ok_or(Unwritable::DoesNotFit)?;
    match (write.access, values.as_slice()) {
        (Access::Single, [value]) => Ok(Request::WriteSingle {
            address: write.address,
            value: *value,
        }),
        (Access::Single, _) => Err(Unwritable::DoesNotFit),
        (Access::Multiple, _) => Ok(Request::WriteMultiple {
            address: write.address,
            values,
        }),
    }
}

fn pause_order(control: &LimitControl) -> Result<LimitOrder, Unwritable> {
    let request = match &control.pause {
        None => return Err(Unwritable::CannotPause),
        Some(PauseControl::Value(raw)) => write_request(&control.write, *raw)?,
        Some(PauseControl::Switch { write, pause, .. }) => write_request(write, *pause)?,
    };
    Ok(LimitOrder {
        requests: vec![request],
        applied: Milliamps::PAUSE,
    })
}

/// Converts between milliamperes and raw counts: mA × `per_unit` ÷ 1000 units, each `scale` counts.
#[derive(Debug, Clone, Copy)]
struct Counts {
    ty: RegisterType,
    scale: Scale,
    /// Units of the register per ampere, in thousandths: 1 000 for mA, V × phases for W.
    per_unit: u64,
}

impl Counts {
    fn new(control: &LimitControl, phases: u8) -> Self {
        let per_unit = match control.unit {
            LimitUnit::Milliamps => 1_000,
            LimitUnit::Watts => NOMINAL_VOLTS * u64::from(phases.max(1)),
        };
        Self {
            ty: control.write.ty,
            scale: control.scale,
            per_unit,
        }
    }

    /// Highest raw value that allows no more than `limit`.
    fn at_most(self, limit: Milliamps) -> u64 {
        let numerator =
            u128::from(limit.0) * u128::from(self.per_unit) * u128::from(self.scale.denominator);
        let denominator = 1_000 * u128::from(self.scale.numerator);
        let whole = u64::try_from(numerator / denominator).unwrap_or(u64::MAX);
        match self.ty {
            RegisterType::F32 => float_at_most(numerator, denominator, 8, 23),
            RegisterType::F64 => float_at_most(numerator, denominator, 11, 52),
            RegisterType::I16 => whole.min(i16::MAX.unsigned_abs().into()),
            RegisterType::I32 => whole.min(i32::MAX.unsigned_abs().into()),
            RegisterType::I64 => whole.min(i64::MAX.unsigned_abs()),
            RegisterType::U16 => whole.min(u16::MAX.into()),
            RegisterType::U32 => whole.min(u32::MAX.into()),
            RegisterType::U64 | RegisterType::Ascii { .. } | RegisterType::Utf16 { .. } => whole,
        }
    }

    /// The limit that a raw value from [`Counts::at_most`] allows, rounded down.
    fn limit_of(self, raw: u64) -> Milliamps {
        let (counts, fraction) = match self.ty {
            RegisterType::F32 => float_parts(raw, 8, 23),
            RegisterType::F64 => float_parts(raw, 11, 52),
            RegisterType::U16
            | RegisterType::I16
            | RegisterType::U32
            | RegisterType::I32
            | RegisterType::U64
            | RegisterType::I64
            | RegisterType::Ascii { .. }
            | RegisterType::Utf16 { .. } => (u128::from(raw), 1),
        };
        let numerator = counts
            .saturating_mul(u128::from(self.scale.numerator))
            .saturating_mul(1_000);
        let denominator = u128::from(self.scale.denominator) * u128::from(self.per_unit);
        let limit = numerator / denominator.saturating_mul(fraction);
        Milliamps(u32::try_from(limit).unwrap_or(u32::MAX))
    }
}

/// Bits of the highest positive IEEE 754 number that is not above the fraction; 0 below the
/// normal numbers, which no limit comes near.
fn float_at_most(
    numerator: u128,
    denominator: u128,
    exponent_bits: u32,
    fraction_bits: u32,
) -> u64 {
    let hidden = 1u128 << fraction_bits;
    let whole = numerator / denominator;
    let (mantissa, exponent) = if whole >= hidden {
        let up = u128::BITS - whole.leading_zeros() - fraction_bits - 1;
        (whole >> up, i64::from(up))
    } else {
        let room = numerator.leading_zeros();
        let found = (1..room).find(|down| (numerator << down) / denominator >= hidden);
        let Some(down) = found else {
            return 0;
        };
        ((numerator << down) / denominator, -i64::from(down))
    };
    let bias = (1i64 << (exponent_bits - 1)) - 1 + i64::from(fraction_bits);
    let biased = u64::try_from(exponent + bias).unwrap_or(0);
    let fraction =
        u64::try_from(mantissa - hidden).expect("the mantissa has fraction_bits + 1 bits");
    (biased << fraction_bits) | fraction
}

/// A positive IEEE 754 number as numerator and denominator.
fn float_parts(bits: u64, exponent_bits: u32, fraction_bits: u32) -> (u128, u128) {
    let biased = i64::try_from(bits >> fraction_bits).unwrap_or(0);
    let bias = (1i64 << (exponent_bits - 1)) - 1 + i64::from(fraction_bits);
    let fraction = u128::from(bits & ((1 << fraction_bits) - 1));
    if biased == 0 {
        return (0, 1);
    }
    let mantissa = fraction | (1 << fraction_bits);
    let power = |by: i64| u32::try_from(by).ok().and_then(|by| 1u128.checked_shl(by));
    if biased >= bias {
        (
            mantissa.saturating_mul(power(biased - bias).unwrap_or(u128::MAX)),
            1,
        )
    } else {
        (mantissa, power(bias - biased).unwrap_or(u128::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{limit_control, write_register};
    use proptest::prelude::*;

    fn single(address: u16, value: u16) -> Request {
        Request::WriteSingle { address, value }
    }

    fn order(requests: Vec<Request>, applied: u32) -> Result<LimitOrder, Unwritable> {
        Ok(LimitOrder {
            requests,
            applied: Milliamps(applied),
        })
    }

    #[test]
    fn limits_round_down_to_the_step_and_never_up() {
        // Tenths of an ampere, 6 to 16 A, 0 pauses.
        let control = limit_control();
        let cases = [
            (0, 0, 0),
            (1, 0, 0),
            (5_999, 0, 0),
            (6_000, 60, 6_000),
            (6_099, 60, 6_000),
            (6_100, 61, 6_100),
            (16_000, 160, 16_000),
            (32_000, 160, 16_000),
            (u32::MAX, 160, 16_000),
        ];
        for (asked, raw, applied) in cases {
            assert_eq!(
                limit_order(&control, Milliamps(asked), 3),
                order(vec![single(261, raw)], applied),
                "{asked} mA"
            );
        }
    }

    #[test]
    fn a_switch_pauses_alone_and_resumes_after_the_limit() {
        let mut control = limit_control();
        control.pause = Some(PauseControl::Switch {
            write: write_register(5_014),
            pause: 0,
            resume: 1,
        });
        assert_eq!(
            limit_order(&control, Milliamps::PAUSE, 3),
            order(vec![single(5_014, 0)], 0)
        );
        assert_eq!(
            limit_order(&control, Milliamps(10_000), 3),
            order(vec![single(261, 100), single(5_014, 1)], 10_000)
        );
    }

    #[test]
    fn a_device_that_cannot_pause_refuses_less_than_its_minimum() {
        let mut control = limit_control();
        control.pause = None;
        for asked in [0, 5_999] {
            assert_eq!(
                limit_order(&control, Milliamps(asked), 3),
                Err(Unwritable::CannotPause)
            );
        }
    }

    #[test]
    fn watts_are_reckoned_with_230_volts_and_the_phases() {
        let mut control = limit_control();
        control.unit = LimitUnit::Watts;
        control.scale = Scale {
            numerator: 100,
            denominator: 1,
        };
        // 3 × 230 V × 10 A = 6 900 W.
        assert_eq!(
            limit_order(&control, Milliamps(10_000), 3),
            order(vec![single(261, 69)], 10_000)
        );
        // 10.1 A are 6 969 W: 69 × 100 W, which is 10 A.
        assert_eq!(
            limit_order(&control, Milliamps(10_100), 3),
            order(vec![single(261, 69)], 10_000)
        );
        // 1 × 230 V × 10 A = 2 300 W.
        assert_eq!(
            limit_order(&control, Milliamps(10_000), 1),
            order(vec![single(261, 23)], 10_000)
        );
        // 6 A are 4 140 W: 41 × 100 W would be 5.9 A, which IEC 61851-1 does not know.
        assert_eq!(
            limit_order(&control, Milliamps(6_000), 3),
            order(vec![single(261, 0)], 0)
        );
    }

    #[test]
    fn a_float_set_point_is_the_highest_float_that_is_not_above() {
        let mut control = limit_control();
        control.write.ty = RegisterType::F32;
        control.write.access = Access::Multiple;
        control.scale = Scale {
            numerator: 1_000,
            denominator: 1,
        };
        let float = |asked| {
            let made = limit_order(&control, Milliamps(asked), 3).unwrap();
            let Request::WriteMultiple {
                address: 261,
                values,
            } = &made.requests[0]
            else {
                panic!("{made:?}");
            };
            let bits = (u32::from(values[0]) << 16) | u32::from(values[1]);
            (f32::from_bits(bits), made.applied.0)
        };
        assert_eq!(float(16_000), (16.0, 16_000));
        assert_eq!(float(6_500), (6.5, 6_500));
        let (tenth, applied) = float(6_100);
        assert!(
            f64::from(tenth) <= 6.1 && f64::from(tenth.next_up()) > 6.1,
            "{tenth}"
        );
        assert_eq!(applied, 6_099, "the float below 6.1 A allows a little less");
    }

    #[test]
    fn a_value_too_wide_for_its_register_is_refused() {
        assert_eq!(
            write_request(&write_register(1), 0x1_0000),
            Err(Unwritable::DoesNotFit)
        );
        let mut wide = write_register(1);
        wide.ty = RegisterType::U32;
        assert_eq!(
            write_request(&wide, 1),
            Err(Unwritable::DoesNotFit),
            "function 6 writes one"
        );
        wide.access = Access::Multiple;
        wide.words = hw_profiles::WordOrder::LowFirst;
        assert_eq!(
            write_request(&wide, 0x0001_0002),
            Ok(Request::WriteMultiple {
                address: 1,
                values: vec![2, 1]
            })
        );
    }

    proptest! {
        #[test]
        fn no_set_point_is_above_what_was_asked(
            asked: u32,
            numerator in 1u64..=10_000,
            denominator in 1u64..=10_000,
            watts: bool,
            phases in 1u8..=3,
            ty in prop_oneof![
                Just(RegisterType::U16), Just(RegisterType::I16),
                Just(RegisterType::U32), Just(RegisterType::F32), Just(RegisterType::F64),
            ],
        ) {
            let mut control = limit_control();
            control.unit = if watts { LimitUnit::Watts } else { LimitUnit::Milliamps };
            control.scale = Scale { numerator, denominator };
            control.write.ty = ty;
            control.write.access = Access::Multiple;
            control.maximum = Milliamps(80_000);
            let made = limit_order(&control, Milliamps(asked), phases).unwrap();
            prop_assert!(made.applied.0 <= asked);
            prop_assert!(made.applied == Milliamps::PAUSE || made.applied >= control.minimum);
        }

        #[test]
        fn what_is_written_decodes_to_what_is_said_to_apply(
            asked in 6_000u32..=16_000, numerator in 1u64..=1_000,
        ) {
            let mut control = limit_control();
            control.scale = Scale { numerator, denominator: 1 };
            let made = limit_order(&control, Milliamps(asked), 3).unwrap();
            let [Request::WriteSingle { value, .. }] = made.requests.as_slice() else {
                panic!("{made:?}");
            };
            prop_assert_eq!(u64::from(*value) * numerator, u64::from(made.applied.0));
            let step = u32::try_from(numerator).unwrap();
            prop_assert!(made.applied == Milliamps::PAUSE || asked - made.applied.0 < step);
        }
    }
}
