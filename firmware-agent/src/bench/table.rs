//! Values and findings as text for people.

use std::fmt;

use firmware_agent::BusLink;
use firmware_agent::decode::{self, Image, raw_of, value_of};
use firmware_agent::scan::Found;
use hw_profiles::{Kind, Parity, Profile, Register, find};
use site_model::{Milliamps, Value};

/// One register as a person reads it.
pub(super) struct Shown(String);

impl Shown {
    pub(super) fn of(register: &Register, words: &[u16]) -> Self {
        let text = match (value_of(register, words), raw_of(register, words)) {
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
            (Some(words), _) => {
                let shown = Shown::of(register, words);
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

pub(super) fn models(found: &Found) -> String {
    let named = |ids: &[String]| {
        let names = ids.iter().map(|id| {
            let model =
                find(id).map_or_else(String::new, |p| format!(" ({} {})", p.vendor, p.model));
            format!("{id}{model}")
        });
        names.collect::<Vec<_>>().join(" or ")
    };
    match (found.profiles.as_slice(), found.possible.as_slice()) {
        ([], []) => "answers, but no built-in profile knows it".to_owned(),
        ([], possible) => format!(
            "perhaps {}; `read` shows whether its values make sense",
            named(possible)
        ),
        (certain, _) => named(certain),
    }
}

pub(super) fn link(link: &BusLink) -> String {
    match link {
        BusLink::Serial { path, line } => {
            let parity = match line.parity {
                Parity::None => 'N',
                Parity::Even => 'E',
                Parity::Odd => 'O',
            };
            format!(
                "{} at {} 8{parity}{}",
                path.display(),
                line.baud,
                line.stop_bits
            )
        }
        BusLink::Tcp { host, port } => format!("{host}:{port}"),
    }
}

/// The block for the site controller's configuration.
pub(super) fn configuration(link: &BusLink, found: &[Found]) -> String {
    let how = match link {
        BusLink::Serial { path, line } => {
            let parity = match line.parity {
                Parity::None => "none",
                Parity::Even => "even",
                Parity::Odd => "odd",
            };
            format!(
                "serial = {{ path = {:?}, baud = {}, parity = \"{parity}\", stop_bits = {} }}",
                path.display().to_string(),
                line.baud,
                line.stop_bits
            )
        }
        BusLink::Tcp { host, port } => format!("tcp = {{ host = {host:?}, port = {port} }}"),
    };
    let mut text = format!("\n[[bus]]\nname = \"bus-1\"\n{how}\n");
    for device in found {
        let Some(id) = device.profiles.first().or(device.possible.first()) else {
            text.push_str(&format!("# unit {}: no profile knows it\n", device.unit));
            continue;
        };
        if device.profiles.is_empty() {
            let candidates = device.possible.join(", ");
            text.push_str(&format!(
                "# Not certain, no register tells the model. Possible: {candidates}\n"
            ));
        }
        let meter = find(id).is_some_and(|profile| profile.kind == Kind::Meter);
        let kind = if meter { "meter" } else { "charger" };
        text.push_str(&format!(
            "[[bus.device]]\nid = \"{kind}-{}\"\nprofile = \"{id}\"\nunit = {}\n",
            device.unit, device.unit
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_found_charger_becomes_a_block_that_can_be_pasted() {
        let link = BusLink::Tcp {
            host: "192.0.2.10".to_owned(),
            port: 502,
        };
        let known = Found {
            possible: vec![],
            unit: 1,
            profiles: vec!["heidelberg-energy-control".to_owned()],
        };
        let unknown = Found {
            possible: vec![],
            unit: 9,
            profiles: vec![],
        };
        let doubtful = Found {
            possible: vec!["eastron-sdm230".to_owned(), "eastron-sdm630".to_owned()],
            unit: 2,
            profiles: vec![],
        };
        assert_eq!(
            configuration(&link, &[known, doubtful, unknown]),
            "\n[[bus]]\nname = \"bus-1\"\ntcp = { host = \"192.0.2.10\", port = 502 }\n\
             [[bus.device]]\nid = \"charger-1\"\nprofile = \"heidelberg-energy-control\"\nunit = 1\n\
             # Not certain, no register tells the model. Possible: eastron-sdm230, eastron-sdm630\n\
             [[bus.device]]\nid = \"meter-2\"\nprofile = \"eastron-sdm230\"\nunit = 2\n\
             # unit 9: no profile knows it\n"
        );
    }
}
