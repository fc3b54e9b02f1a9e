//! Raw values that never change: firmware, serial number, model, and whatever else a profile's
//! probes and conditions look at to tell variants apart.

use hw_profiles::{Condition, Profile, Quantity, RawMatch, Register, RegisterType};

use super::memory::written_to;
use super::place::Variant;
use super::rules::{RawValues, candidates, passes, telling_names};
use super::value::{Form, RawValue, form};

/// What the user of the simulator fixed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    pub(crate) serial: Option<String>,
    pub(crate) firmware: Option<String>,
    /// Raw values by register name; they win over everything.
    pub(crate) raw: Vec<(String, u64)>,
    pub(crate) variant: Variant,
}

/// Values of all registers that are fixed in a device of this profile.
pub(crate) fn fixed_values(profile: &Profile, given: &Given) -> RawValues {
    let telling = telling_names(profile);
    let mut values = RawValues::new();
    for register in &profile.registers {
        let raw = given.raw.iter().find(|(name, _)| *name == register.name);
        if let Some((_, raw)) = raw {
            values.insert(register.name.clone(), RawValue::Number(*raw));
        } else if let Some(exponent) = own_exponent(profile, register) {
            let raw = u64::from(exponent.cast_unsigned());
            values.insert(register.name.clone(), RawValue::Number(raw));
        } else if !telling.contains(&register.name)
            && !is_written(profile, register)
            && let Some(value) = fixed_value(profile, given, register)
        {
            values.insert(register.name.clone(), value);
        }
    }
    values
}

/// What a scale register tells: so many places that every plausible value fits a register of 16
/// bits. 0 for a value that has none.
pub(crate) fn exponent_of(profile: &Profile, register: &Register) -> i16 {
    let named = register.scale_register.as_deref();
    let scale = named.and_then(|name| profile.register(name));
    scale
        .and_then(|scale| own_exponent(profile, scale))
        .unwrap_or(0)
}

/// What a register tells if it is the scale register of others, the first of which decides.
fn own_exponent(profile: &Profile, scale: &Register) -> Option<i16> {
    let mut scaled = profile.registers.iter();
    let first = scaled.find(|r| r.scale_register.as_ref() == Some(&scale.name))?;
    Some(match first.quantity {
        Some(Quantity::CurrentL1 | Quantity::CurrentL2 | Quantity::CurrentL3) => -2,
        Some(Quantity::Frequency) => -2,
        Some(Quantity::VoltageL1 | Quantity::VoltageL2 | Quantity::VoltageL3) => -1,
        Some(
            Quantity::PowerL1
            | Quantity::PowerL2
            | Quantity::PowerL3
            | Quantity::Power
            | Quantity::ApparentPower,
        ) => 1,
        Some(
            Quantity::CurrentLimit
            | Quantity::PowerLimit
            | Quantity::EnergyImport
            | Quantity::EnergyExport
            | Quantity::EnergySession
            | Quantity::ApparentEnergy
            | Quantity::ErrorCode
            | Quantity::Firmware
            | Quantity::Serial
            | Quantity::Model,
        )
        | None => 0,
    })
}

/// Whether what is written says what a register shows.
fn is_written(profile: &Profile, register: &Register) -> bool {
    let switch = profile.phase_switch.as_ref();
    let phases = switch.and_then(|switch| switch.read_back.as_ref());
    phases.is_some_and(|shown| shown.register == register.name)
        || written_to(profile, register).is_some()
}

/// Whether the physics say what a register shows.
fn is_measured(quantity: Quantity) -> bool {
    !matches!(
        quantity,
        Quantity::Firmware | Quantity::Serial | Quantity::Model
    )
}

fn fixed_value(profile: &Profile, given: &Given, register: &Register) -> Option<RawValue> {
    if register.quantity.is_some_and(is_measured) {
        return None;
    }
    let (text, is_given) = text_of(profile, given, register);
    let named = |condition: &&Condition| condition.register == register.name;
    let probes: Vec<&Condition> = profile.probes.iter().filter(named).collect();
    let gates: Vec<&Condition> = gates(profile).filter(named).collect();
    let natural = text.map(RawValue::Text);
    if is_given || (probes.is_empty() && gates.is_empty()) {
        return natural;
    }
    // A text stays if it may; a number begins where the newest variant begins.
    let (first, last) = match form(register.ty) {
        Form::Text => (natural, None),
        Form::Unsigned | Form::Signed | Form::Single | Form::Double => (None, natural),
    };
    let tests = || probes.iter().chain(&gates).copied();
    let mut starts: Vec<u64> = tests().filter_map(range_start).collect();
    starts.sort_unstable_by(|a, b| b.cmp(a));
    let starts = starts.into_iter().map(RawValue::Number);
    let found = first.into_iter().chain(starts);
    let found = found
        .chain(candidates(profile, register, tests()))
        .chain(last);
    let score = |raw: &RawValue| {
        let passing =
            |tests: &[&Condition]| tests.iter().filter(|c| passes(profile, c, raw)).count();
        1000 * passing(&probes) + passing(&gates)
    };
    // Of equals the first stays: it is the natural one.
    found.reduce(|best, raw| {
        if score(&raw) > score(&best) {
            raw
        } else {
            best
        }
    })
}

/// Text of a register that tells one, and whether the user fixed it.
fn text_of(profile: &Profile, given: &Given, register: &Register) -> (Option<String>, bool) {
    // What does not fit is cut: conditions see the rest alone.
    let room = match register.ty {
        RegisterType::Ascii { registers } | RegisterType::AsciiSwapped { registers } => {
            2 * usize::from(registers)
        }
        RegisterType::Utf16 { registers } => usize::from(registers),
        RegisterType::Bit
        | RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::F32
        | RegisterType::F64 => usize::MAX,
    };
    let or = |given: &Option<String>, default: &str| {
        let text = given.as_deref().unwrap_or(default);
        let text: String = text.chars().take(room).collect();
        (Some(text), given.is_some())
    };
    match register.quantity {
        Some(Quantity::Serial) => or(&given.serial, "10000001"),
        Some(Quantity::Firmware) => or(&given.firmware, "1.0.0"),
        Some(Quantity::Model) => (or(&None, &profile.model).0, false),
        Some(_) | None => (None, false),
    }
}

fn range_start(condition: &Condition) -> Option<u64> {
    match &condition.test {
        RawMatch::Between(low, _) => Some(*low),
        RawMatch::OneOf(_)
        | RawMatch::BitsSet(_)
        | RawMatch::BitsClear(_)
        | RawMatch::Text(_)
        | RawMatch::ValueBetween(..) => None,
    }
}

fn gates(profile: &Profile) -> impl Iterator<Item = &Condition> {
    let registers = profile.registers.iter().flat_map(|r| &r.when);
    let switch = profile.phase_switch.iter().flat_map(|switch| &switch.when);
    let failsafe = profile.failsafe.iter().flat_map(|failsafe| &failsafe.when);
    registers.chain(switch).chain(failsafe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::samples::{heidelberg_like, keba_like};

    #[test]
    fn probes_and_gates_choose_what_the_user_left_open() {
        let values = fixed_values(&heidelberg_like(), &Given::default());
        assert_eq!(values["layout_version"], RawValue::Number(0x107));
        let keba = fixed_values(&keba_like(), &Given::default());
        assert_eq!(keba["product_code"], RawValue::Number(300_000));
        assert_eq!(keba["serial"], RawValue::Text("10000001".to_owned()));
        assert!(!keba.contains_key("state"), "{keba:?}");
    }

    #[test]
    fn the_user_wins() {
        let given = Given {
            serial: Some("4711".to_owned()),
            firmware: None,
            raw: vec![("product_code".to_owned(), 312_345)],
            variant: Variant::default(),
        };
        let keba = fixed_values(&keba_like(), &given);
        assert_eq!(keba["product_code"], RawValue::Number(312_345));
        assert_eq!(keba["serial"], RawValue::Text("4711".to_owned()));
    }
}
