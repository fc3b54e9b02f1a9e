//! Scaling in exact integer arithmetic. A float is taken apart into mantissa and exponent; nothing
//! is ever computed in binary floating point.

use hw_profiles::{Register, RegisterType};

use super::Raw;

/// mantissa × 2^exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exact {
    mantissa: i128,
    exponent: i32,
}

/// Powers of ten that a scale register may tell (SunSpec `sunssf`: -10 to 10).
const TENS_MAX: u32 = 10;

/// Value in base units times ten to the power of `tens`, rounded to the nearest whole (halves away
/// from zero); `None` for text, for not-a-number and infinity, and where it is beyond all ranges.
pub(super) fn scaled(register: &Register, raw: &Raw, tens: i32) -> Option<i128> {
    let exact = exact(register, raw)?;
    let (up, down) = powers(tens)?;
    let numerator = i128::from(register.scale.numerator) * i128::from(up);
    let denominator = i128::from(register.scale.denominator) * i128::from(down);
    let sign = if register.negate { -1 } else { 1 };
    let value = exact.mantissa.checked_mul(numerator)? * sign;
    if exact.exponent >= 0 {
        return rounded(shifted(value, exact.exponent.unsigned_abs())?, denominator);
    }
    match shifted(denominator, exact.exponent.unsigned_abs()) {
        Some(denominator) => rounded(value, denominator),
        // The mantissa has at most 53 bits and the scale 64: what must be divided by more is 0.
        None => Some(0),
    }
}

/// Size of one count in base units, rounded up, at least 1. For a float that is the distance to
/// the next float at this value.
pub(super) fn resolution(register: &Register, raw: &Raw, tens: i32) -> u64 {
    let (tens_up, tens_down) = powers(tens).unwrap_or((1, 1));
    let numerator = u128::from(register.scale.numerator) * u128::from(tens_up);
    let denominator = u128::from(register.scale.denominator) * u128::from(tens_down);
    let exponent = exact(register, raw).map_or(0, |exact| exact.exponent);
    let power = |exponent: u32| 1u128.checked_shl(exponent).unwrap_or(u128::MAX);
    let (up, down) = if exponent >= 0 {
        (power(exponent.unsigned_abs()), 1)
    } else {
        (1, power(exponent.unsigned_abs()))
    };
    let one = numerator
        .saturating_mul(up)
        .div_ceil(denominator.saturating_mul(down));
    u64::try_from(one).unwrap_or(u64::MAX).max(1)
}

/// The power of ten that a scale register tells; `None` if it tells none.
pub(super) fn tens(register: &Register, raw: &Raw) -> Option<i32> {
    let value = exact(register, raw).filter(|exact| exact.exponent == 0)?;
    let tens = i32::try_from(value.mantissa).ok()?;
    (tens.unsigned_abs() <= TENS_MAX).then_some(tens)
}

/// Ten to the power of `tens`, as numerator and denominator.
fn powers(tens: i32) -> Option<(u64, u64)> {
    let power = 10_u64.checked_pow(tens.unsigned_abs())?;
    Some(if tens < 0 { (1, power) } else { (power, 1) })
}

fn exact(register: &Register, raw: &Raw) -> Option<Exact> {
    let Raw::Number(bits) = &raw.masked(register.mask) else {
        return None;
    };
    let integer = |mantissa: i128| {
        Some(Exact {
            mantissa,
            exponent: 0,
        })
    };
    let signed = |width: u32| {
        let sign = 1i128 << (width - 1);
        integer((i128::from(*bits) ^ sign) - sign)
    };
    match register.ty {
        RegisterType::Bit | RegisterType::U16 | RegisterType::U32 | RegisterType::U64 => {
            integer(i128::from(*bits))
        }
        RegisterType::I16 => signed(16),
        RegisterType::I32 => signed(32),
        RegisterType::I64 => signed(64),
        RegisterType::F32 => float(*bits, 8, 23),
        RegisterType::F64 => float(*bits, 11, 52),
        RegisterType::Ascii { .. }
        | RegisterType::AsciiSwapped { .. }
        | RegisterType::Utf16 { .. } => None,
    }
}

/// IEEE 754 binary interchange format with so many bits of exponent and fraction.
fn float(bits: u64, exponent_bits: u32, fraction_bits: u32) -> Option<Exact> {
    let exponent_max = (1u64 << exponent_bits) - 1;
    let biased = (bits >> fraction_bits) & exponent_max;
    let fraction = bits & ((1 << fraction_bits) - 1);
    let negative = (bits >> (fraction_bits + exponent_bits)) & 1 == 1;
    if biased == exponent_max {
        return None; // infinity or not a number
    }
    let hidden = if biased == 0 { 0 } else { 1 << fraction_bits };
    let magnitude = i128::from(fraction | hidden);
    let bias = i32::try_from(exponent_max / 2 + u64::from(fraction_bits)).ok()?;
    Some(Exact {
        mantissa: if negative { -magnitude } else { magnitude },
        exponent: i32::try_from(biased.max(1)).ok()? - bias,
    })
}

/// value × 2^by, if it fits.
fn shifted(value: i128, by: u32) -> Option<i128> {
    let factor = 1i128.checked_shl(by).filter(|factor| *factor > 0)?;
    value.checked_mul(factor)
}

/// To the nearest whole, halves away from zero.
fn rounded(value: i128, denominator: i128) -> Option<i128> {
    let doubled = value.checked_mul(2)?;
    let half = denominator * value.signum();
    Some(doubled.checked_add(half)? / denominator.checked_mul(2)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::register;
    use hw_profiles::Scale;
    use proptest::prelude::*;

    fn scale(numerator: u64, denominator: u64) -> Scale {
        Scale {
            numerator,
            denominator,
        }
    }

    fn value(ty: RegisterType, by: Scale, bits: u64) -> Option<i128> {
        let register = register("x", 0, ty).scaled(by).build();
        scaled(&register, &Raw::Number(bits), 0)
    }

    #[test]
    fn integers_scale_and_round_to_the_nearest() {
        use RegisterType::{I16, I32, U16, U64};
        let cases = [
            (U16, scale(100, 1), 160, 16_000),
            (U16, scale(1, 10), 15, 2),
            (U16, scale(1, 10), 14, 1),
            (I16, scale(1, 10), 0xFFF1, -2), // -15
            (I16, scale(1, 10), 0xFFF2, -1), // -14
            (I32, scale(1, 1), 0xFFFF_FFFF, -1),
            (U64, scale(1, 1), u64::MAX, i128::from(u64::MAX)),
        ];
        for (ty, by, bits, expected) in cases {
            assert_eq!(
                value(ty, by, bits),
                Some(expected),
                "{ty:?} {by:?} {bits:#x}"
            );
        }
    }

    #[test]
    fn floats_are_exact_and_not_a_number_is_absent() {
        let f32_value = |number: f32, by| value(RegisterType::F32, by, u64::from(number.to_bits()));
        // 0.1 as f32 is a little more than 0.1: in tenths it is still 1.
        assert_eq!(f32_value(0.1, scale(10, 1)), Some(1));
        assert_eq!(f32_value(230.5, scale(1_000, 1)), Some(230_500));
        assert_eq!(f32_value(-1.5, scale(1, 1)), Some(-2));
        assert_eq!(f32_value(-0.0, scale(1, 1)), Some(0));
        assert_eq!(f32_value(f32::from_bits(1), scale(1_000, 1)), Some(0));
        assert_eq!(f32_value(f32::MAX, scale(1_000, 1)), None);
        for nothing in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(f32_value(nothing, scale(1, 1)), None);
        }
        let f64_value = |number: f64| value(RegisterType::F64, scale(1, 1), number.to_bits());
        assert_eq!(f64_value(123_456_789_012.0), Some(123_456_789_012));
        assert_eq!(f64_value(f64::MIN_POSITIVE), Some(0));
        assert_eq!(f64_value(f64::MAX), None);
    }

    #[test]
    fn resolution_of_an_energy_register_is_at_least_one_watt_hour() {
        let of = |ty, by, bits| {
            let register = register("x", 0, ty).scaled(by).build();
            resolution(&register, &Raw::Number(bits), 0)
        };
        assert_eq!(of(RegisterType::U32, scale(1, 10), 5), 1);
        assert_eq!(of(RegisterType::U32, scale(10, 1), 5), 10);
        // kWh as f32: floats near 12 345 are 2^-10 apart, near 200 000 they are 2^-6 apart.
        let kwh = |number: f32| {
            of(
                RegisterType::F32,
                scale(1_000, 1),
                u64::from(number.to_bits()),
            )
        };
        assert_eq!(kwh(12_345.0), 1);
        assert_eq!(kwh(200_000.0), 16);
    }

    #[test]
    fn a_power_of_ten_scales_up_and_down_and_a_sign_can_be_turned() {
        let mut it = register("x", 0, RegisterType::I16).build();
        let value = |it: &Register, bits, tens| scaled(it, &Raw::Number(bits), tens);
        assert_eq!(value(&it, 1_234, 0), Some(1_234));
        assert_eq!(value(&it, 1_234, 2), Some(123_400));
        assert_eq!(value(&it, 1_234, -2), Some(12));
        assert_eq!(value(&it, 1_250, -2), Some(13));
        it.negate = true;
        assert_eq!(value(&it, 1_250, -2), Some(-13));
        assert_eq!(value(&it, 0xFFFF, 1), Some(10));
        assert_eq!(resolution(&it, &Raw::Number(5), 3), 1_000);
        assert_eq!(resolution(&it, &Raw::Number(5), -3), 1);
        let tens = |bits| tens(&it, &Raw::Number(bits));
        assert_eq!(
            (tens(0xFFFE), tens(10), tens(0xFFF6)),
            (Some(-2), Some(10), Some(-10))
        );
        assert_eq!(
            (tens(0x8000), tens(11)),
            (None, None),
            "not available, not SunSpec"
        );
    }

    proptest! {
        #[test]
        fn a_float_that_holds_a_whole_number_is_that_number(number in -16_777_216i32..=16_777_216) {
            #[expect(clippy::cast_precision_loss, reason = "24 bits fit the mantissa")]
            let float = number as f32;
            prop_assert_eq!(
                value(RegisterType::F32, scale(1, 1), u64::from(float.to_bits())),
                Some(i128::from(number))
            );
        }

        #[test]
        fn scaling_never_panics(bits: u64, numerator in 1u64.., denominator in 1u64..) {
            for ty in [RegisterType::I16, RegisterType::I32, RegisterType::I64, RegisterType::F32] {
                let bits = bits >> (64 - 16 * u32::from(ty.count()));
                let _ = value(ty, scale(numerator, denominator), bits);
            }
            let _ = value(RegisterType::F64, scale(numerator, denominator), bits);
        }
    }
}
