//! Values and findings as text for people.

use std::fmt;

use firmware_agent::decode::{self, Image, raw_of};
use hw_profiles::Profile;
use site_model::{Milliamps, Value};

/// One register as a person reads it.
pub(super) struct Shown(String);

impl Shown {
    /// A register of the profile that was heard, with what tells its scale.
    pub(super) fn of(profile: &Profile, image: &Image, index: usize) -> Self {
        let register = &profile.registers[index];
        let raw = image.words(index).and_then(|words| raw_of(register, words));
        let text = match (image.value(profile, index), raw) {
            (Some(value), _) => value_text(&value),
            (None, Some(raw)) if register.quantity.is_none() => raw.to_string(),
            (None, Some(raw)) => format!("not available (raw {raw})"),
            (None, None) => "unreadable".to_owned(),
        };
        Self(text)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A table of all values, the vehicle state first.
pub(super) fn values(profile: &Profile, image: &Image, faults: &[Option<String>]) -> String {
    let mut lines = vec![];
    let everything = vec![true; profile.registers.len()];
    let decoded = decode::decode(profile, image, &everything);
    let state = decoded
        .values
        .iter()
        .find(|value| matches!(value, Value::VehicleState(_)));
    if let Some(state) = state {
        lines.push(row("vehicle_state", &value_text(state)));
    }
    if let Some(raw) = decoded.uncovered_state {
        lines.push(format!("  no state rule covers {raw}"));
    }
    for (index, register) in profile.registers.iter().enumerate() {
        let unconfirmed = if register.unconfirmed {
            "  (unconfirmed)"
        } else {
            ""
        };
        match (image.words(index), &faults[index]) {
            (Some(_), _) => {
                let shown = Shown::of(profile, image, index);
                lines.push(format!("{}{unconfirmed}", row(&register.name, &shown.0)));
            }
            (None, Some(fault)) => lines.push(row(&register.name, fault)),
            (None, None) => {}
        }
    }
    lines.join("\n")
}

fn row(name: &str, value: &str) -> String {
    format!("{name:<28} {value}")
}

fn value_text(value: &Value) -> String {
    match value {
        Value::VehicleState(state) => state.to_string(),
        Value::CurrentLimit(current) | Value::Current(_, current) => amperes(*current),
        Value::Voltage(_, voltage) => milli(voltage.0, "V"),
        Value::Frequency(frequency) => milli(frequency.0, "Hz"),
        Value::PowerOfPhase(_, power) | Value::Power(power) => power.to_string(),
        Value::ApparentPower(power) => power.to_string(),
        Value::EnergyImport { energy, .. }
        | Value::EnergyExport(energy)
        | Value::EnergySession(energy) => energy.to_string(),
        Value::ApparentEnergy(energy) => energy.to_string(),
        Value::ErrorCode(code) => code.to_string(),
        Value::Firmware(text) | Value::Serial(text) | Value::Model(text) => text.clone(),
    }
}

pub(super) fn amperes(current: Milliamps) -> String {
    milli(current.0, "A")
}

/// What a device will do that was told this limit.
pub(super) fn meaning(limit: Milliamps) -> String {
    if limit == Milliamps::PAUSE {
        "a pause".to_owned()
    } else {
        format!("a limit of {}", amperes(limit))
    }
}

fn milli(number: u32, unit: &str) -> String {
    format!("{}.{:03} {unit}", number / 1_000, number % 1_000)
}
