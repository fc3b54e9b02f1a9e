//! From a current limit to register writes. Always rounds down: what is written never allows more
//! than was asked, and never a current that IEC 61851-1 does not know.

use hw_profiles::{
    Access, Failsafe, LimitControl, LimitUnit, PauseControl, RegisterType, Scale, SetpointMeaning,
    WriteRegister,
};
use site_model::Milliamps;

use crate::codec::Request;
use crate::codec::pdu::WRITE_REGISTERS_MAX;
use crate::decode::words_of;

/// Nominal voltage that watts are reckoned with (EN 50160: 230 V).
const NOMINAL_VOLTS: u64 = 230;

/// One write to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// What is sent.
    pub request: Request,
    /// To the station's unit identifier, if it has one of its own.
    pub station: bool,
}

/// Writes that set a limit, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitOrder {
    /// To be written one after the other; the order stands when the last was echoed.
    pub writes: Vec<Write>,
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
/// current (rounding included) it is a pause. A raw value with a meaning of its own is never
/// written for a current: the next lower one is.
///
/// # Errors
/// [`Unwritable`] when the device cannot be told so.
pub fn limit_order(
    control: &LimitControl,
    asked: Milliamps,
    phases: u8,
) -> Result<LimitOrder, Unwritable> {
    let counts = Counts::of_limit(control, phases);
    let limit = counts.at_most(asked.min(control.maximum).0.into());
    let Some(raw) = without_meaning(limit, &control.meanings) else {
        return pause_order(control);
    };
    let applied = counts.limit_of(raw);
    if asked == Milliamps::PAUSE || applied < least(control) {
        return pause_order(control);
    }
    let mut writes = vec![write(&control.write, raw)?];
    match &control.pause {
        Some(PauseControl::Switch {
            write: to, resume, ..
        }) => writes.push(write(to, *resume)?),
        Some(PauseControl::Value(_)) | None => {}
    }
    Ok(LimitOrder { writes, applied })
}

/// Raw value of a failsafe's current, in its register: rounded down, and that of no current below
/// 6 A. The least set-point of the limit does not hold for this register. `None` where it cannot be set.
#[must_use]
pub fn failsafe_current(
    failsafe: &Failsafe,
    limit: Option<&LimitControl>,
    asked: Milliamps,
    phases: u8,
) -> Option<u64> {
    let register = failsafe.current.as_ref()?;
    let counts = Counts::new(
        register.ty,
        failsafe.current_scale,
        failsafe.current_unit,
        phases,
    );
    let highest = limit.map_or(asked, |limit| asked.min(limit.maximum));
    let raw = counts.at_most(highest.0.into());
    let meanings = limit.map_or(&[][..], |limit| &limit.meanings);
    let raw = without_meaning(raw, meanings).unwrap_or(0);
    let enough = counts.limit_of(raw) >= Milliamps::IEC_61851_MINIMUM;
    let pause = failsafe.current_pause.unwrap_or(0);
    Some(if enough { raw } else { pause })
}

/// Raw value of a failsafe's timeout: rounded down, but at least one count, because 0 is off.
/// `None` where it cannot be set.
#[must_use]
pub fn failsafe_timeout(failsafe: &Failsafe, timeout_ms: u64) -> Option<u64> {
    let register = failsafe.timeout.as_ref()?;
    let counts = Counts::new(register.ty, failsafe.timeout_scale, LimitUnit::Milliamps, 1);
    let raw = counts.at_most(timeout_ms);
    Some(if raw == 0 { counts.one() } else { raw })
}

/// The current that so many watts allow on each phase, rounded down.
#[must_use]
pub fn current_of(watts: u64, phases: u8) -> Milliamps {
    let current = u128::from(watts) * 1_000 / u128::from(NOMINAL_VOLTS * u64::from(phases.max(1)));
    Milliamps(u32::try_from(current).unwrap_or(u32::MAX))
}

/// What a raw value of a register means in base units, rounded down.
pub(crate) fn base_of(ty: RegisterType, scale: Scale, raw: u64) -> u32 {
    Counts::new(ty, scale, LimitUnit::Milliamps, 1)
        .limit_of(raw)
        .0
}

/// The write of a raw value.
///
/// # Errors
/// [`Unwritable::DoesNotFit`] when the register is too narrow or holds text.
pub fn write(register: &WriteRegister, raw: u64) -> Result<Write, Unwritable> {
    let words = words_of(register.ty, register.words, raw).ok_or(Unwritable::DoesNotFit)?;
    let address = register.address;
    let request = match (register.access, words.as_slice()) {
        (Access::Coil, [0]) => Request::WriteCoil { address, on: false },
        (Access::Coil, [1]) => Request::WriteCoil { address, on: true },
        (Access::Single, [value]) => Request::WriteSingle {
            address,
            value: *value,
        },
        (Access::Coil | Access::Single, _) => return Err(Unwritable::DoesNotFit),
        (Access::Multiple, _) => {
            let values = words.repeat(usize::from(register.repeat.max(1)));
            if values.len() > WRITE_REGISTERS_MAX {
                return Err(Unwritable::DoesNotFit);
            }
            Request::WriteMultiple { address, values }
        }
    };
    Ok(Write {
        request,
        station: register.station,
    })
}

fn pause_order(control: &LimitControl) -> Result<LimitOrder, Unwritable> {
    let pause = match &control.pause {
        None => return Err(Unwritable::CannotPause),
        Some(PauseControl::Value(raw)) => write(&control.write, *raw)?,
        Some(PauseControl::Switch {
            write: to, pause, ..
        }) => write(to, *pause)?,
    };
    Ok(LimitOrder {
        writes: vec![pause],
        applied: Milliamps::PAUSE,
    })
}

/// The least current that may be written to this device.
fn least(control: &LimitControl) -> Milliamps {
    control.minimum.max(Milliamps::IEC_61851_MINIMUM)
}

/// The highest raw value up to this one that is a current. Positive floats are ordered as their
/// bits are, so the next lower one is one less too.
fn without_meaning(raw: u64, meanings: &[(u64, SetpointMeaning)]) -> Option<u64> {
    let has_meaning = |raw: &u64| meanings.iter().any(|(value, _)| value == raw);
    let lowest = raw.saturating_sub(meanings.len() as u64);
    (lowest..=raw).rev().find(|raw| !has_meaning(raw))
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
    fn new(ty: RegisterType, scale: Scale, unit: LimitUnit, phases: u8) -> Self {
        let per_unit = match unit {
            LimitUnit::Milliamps => 1_000,
            LimitUnit::Watts => NOMINAL_VOLTS * u64::from(phases.max(1)),
        };
        Self {
            ty,
            scale,
            per_unit,
        }
    }

    fn of_limit(control: &LimitControl, phases: u8) -> Self {
        Self::new(control.write.ty, control.scale, control.unit, phases)
    }

    /// Raw value of one.
    fn one(self) -> u64 {
        match self.ty {
            RegisterType::F32 => f32::to_bits(1.0).into(),
            RegisterType::F64 => f64::to_bits(1.0),
            RegisterType::Bit
            | RegisterType::U16
            | RegisterType::I16
            | RegisterType::U32
            | RegisterType::I32
            | RegisterType::U64
            | RegisterType::I64
            | RegisterType::Ascii { .. }
            | RegisterType::AsciiSwapped { .. }
            | RegisterType::Utf16 { .. } => 1,
        }
    }

    /// Highest raw value that allows no more than `limit`.
    fn at_most(self, limit: u64) -> u64 {
        let numerator =
            u128::from(limit) * u128::from(self.per_unit) * u128::from(self.scale.denominator);
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
            RegisterType::Bit => whole.min(1),
            RegisterType::U64
            | RegisterType::Ascii { .. }
            | RegisterType::AsciiSwapped { .. }
            | RegisterType::Utf16 { .. } => whole,
        }
    }

    /// The limit that a raw value from [`Counts::at_most`] allows, rounded down.
    fn limit_of(self, raw: u64) -> Milliamps {
        let (counts, fraction) = match self.ty {
            RegisterType::F32 => float_parts(raw, 8, 23),
            RegisterType::F64 => float_parts(raw, 11, 52),
            RegisterType::Bit
            | RegisterType::U16
            | RegisterType::I16
            | RegisterType::U32
            | RegisterType::I32
            | RegisterType::U64
            | RegisterType::I64
            | RegisterType::Ascii { .. }
            | RegisterType::AsciiSwapped { .. }
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
mod tests;
