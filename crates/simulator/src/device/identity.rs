//! Raw values that never change: firmware, serial number, model, and whatever else a profile's
//! probes and conditions look at to tell variants apart.

use hw_profiles::{Condition, Profile, Quantity, RawMatch, Register, RegisterType};

use super::rules::{RawValues, candidates, passes, telling_names};
use super::value::RawValue;

/// What the user of the simulator fixed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    pub(crate) serial: Option<String>,
    pub(crate) firmware: Option<String>,
    /// Raw values by register name; they win over everything.
    pub(crate) raw: Vec<(String, u64)>,
}

/// Values of all registers that are fixed in a device of this profile.
pub(crate) fn fixed_values(profile: &Profile, given: &Given) -> RawValues {
    let telling = telling_names(profile);
    let mut values = RawValues::new();
    for register in &profile.registers {
        let raw = given.raw.iter().find(|(name, _)| *name == register.name);
        if let Some((_, raw)) = raw {
            values.insert(register.name.clone(), RawValue::Number(*raw));
        } else if !telling.contains(&register.name)
            && let Some(value) = fixed_value(profile, given, register)
        {
            values.insert(register.name.clone(), value);
        }
    }
    values
}

fn fixed_value(profile: &Profile, given: &Given, register: &Register) -> Option<RawValue> {
    let (text, is_given) = text_of(profile, given, register);
    let probes: Vec<&RawMatch> = profile
        .probes
        .iter()
        .filter(|probe| probe.register == register.name)
        .map(|probe| &probe.test)
        .collect();
    let gates: Vec<&RawMatch> = gates(profile)
        .filter(|condition| condition.register == register.name)
        .map(|condition| &condition.test)
        .collect();
    let natural = text.map(RawValue::Text);
    if is_given || (probes.is_empty() && gates.is_empty()) {
        return natural;
    }
    // A text stays if it may; a number begins where the newest variant begins.
    let (first, last) = match register.ty {
        RegisterType::Ascii { .. } | RegisterType::Utf16 { .. } => (natural, None),
        RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::F32
        | RegisterType::F64 => (None, natural),
    };
    let tests = || probes.iter().chain(&gates).copied();
    let mut starts: Vec<u64> = tests().filter_map(range_start).collect();
    starts.sort_unstable_by(|a, b| b.cmp(a));
    let starts = starts.into_iter().map(RawValue::Number);
    let found = first.into_iter().chain(starts);
    let found = found.chain(candidates(register, tests())).chain(last);
    let score = |raw: &RawValue| {
        let passing = |tests: &[&RawMatch]| tests.iter().filter(|t| passes(t, raw)).count();
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
    let or = |given: &Option<String>, default: &str| {
        let text = given.clone().unwrap_or_else(|| default.to_owned());
        (Some(text), given.is_some())
    };
    match register.quantity {
        Some(Quantity::Serial) => or(&given.serial, "10000001"),
        Some(Quantity::Firmware) => or(&given.firmware, "1.0.0"),
        Some(Quantity::Model) => (Some(profile.model.clone()), false),
        Some(_) | None => (None, false),
    }
}

fn range_start(test: &RawMatch) -> Option<u64> {
    match test {
        RawMatch::Between(low, _) => Some(*low),
        RawMatch::OneOf(_) | RawMatch::BitsSet(_) | RawMatch::BitsClear(_) | RawMatch::Text(_) => {
            None
        }
    }
}

fn gates(profile: &Profile) -> impl Iterator<Item = &Condition> {
    profile.registers.iter().flat_map(|register| &register.when)
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
        };
        let keba = fixed_values(&keba_like(), &given);
        assert_eq!(keba["product_code"], RawValue::Number(312_345));
        assert_eq!(keba["serial"], RawValue::Text("4711".to_owned()));
    }
}
