//! What the driver says of a device, held against what is true in the world.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use firmware_agent::BusEvent;
use hw_profiles::{Profile, Quantity, Register, RegisterType, WordOrder};
use simulator::DeviceHandle;
use site_model::{DeviceId, Phase, Value};

use super::rig::Rig;

/// Long enough for two rounds of the slow values.
const LOOK: Duration = Duration::from_secs(25);

/// Numbers in thousandths of the base unit, and texts.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Milli(Quantity, i128),
    Text(Quantity, String),
}

fn told(value: &Value) -> Option<Told> {
    let by_phase = |phase: &Phase, quantities: [Quantity; 3]| match phase {
        Phase::L1 => quantities[0],
        Phase::L2 => quantities[1],
        Phase::L3 => quantities[2],
    };
    let currents = [
        Quantity::CurrentL1,
        Quantity::CurrentL2,
        Quantity::CurrentL3,
    ];
    let voltages = [
        Quantity::VoltageL1,
        Quantity::VoltageL2,
        Quantity::VoltageL3,
    ];
    let powers = [Quantity::PowerL1, Quantity::PowerL2, Quantity::PowerL3];
    let (quantity, base) = match value {
        Value::VehicleState(_) => return None,
        Value::CurrentLimit(limit) => (Quantity::CurrentLimit, i128::from(limit.0)),
        Value::Current(phase, current) => (by_phase(phase, currents), i128::from(current.0)),
        Value::Voltage(phase, voltage) => (by_phase(phase, voltages), i128::from(voltage.0)),
        Value::PowerOfPhase(phase, power) => (by_phase(phase, powers), i128::from(power.0)),
        Value::Power(power) => (Quantity::Power, i128::from(power.0)),
        Value::ApparentPower(power) => (Quantity::ApparentPower, i128::from(power.0)),
        Value::EnergyImport { energy, .. } => (Quantity::EnergyImport, i128::from(energy.0)),
        Value::EnergyExport(energy) => (Quantity::EnergyExport, i128::from(energy.0)),
        Value::EnergySession(energy) => (Quantity::EnergySession, i128::from(energy.0)),
        Value::ApparentEnergy(energy) => (Quantity::ApparentEnergy, i128::from(energy.0)),
        Value::Frequency(frequency) => (Quantity::Frequency, i128::from(frequency.0)),
        Value::ErrorCode(code) => (Quantity::ErrorCode, i128::from(*code)),
        Value::Firmware(text) => return Some(Told::Text(Quantity::Firmware, text.clone())),
        Value::Serial(text) => return Some(Told::Text(Quantity::Serial, text.clone())),
        Value::Model(text) => return Some(Told::Text(Quantity::Model, text.clone())),
    };
    Some(Told::Milli(quantity, base * 1000))
}

/// What one quantity of a device is expected to be.
#[derive(Debug, Clone)]
struct Expected {
    register: String,
    /// One count, thousandths of the base unit.
    count: i128,
    /// For texts: what the register shows.
    text: Option<String>,
}

/// Everything that this variant of a device can tell.
#[derive(Debug)]
pub(crate) struct Truth<'a> {
    id: DeviceId,
    handle: DeviceHandle,
    profile: &'a Profile,
    expected: BTreeMap<Quantity, Expected>,
}

impl<'a> Truth<'a> {
    pub(crate) fn new(id: DeviceId, handle: &DeviceHandle, profile: &'a Profile) -> Self {
        let mut expected = BTreeMap::new();
        for register in &profile.registers {
            let (Some(quantity), Some(words)) =
                (register.quantity, handle.register(&register.name))
            else {
                continue;
            };
            let text = is_text(quantity).then(|| shown_text(register, &words));
            let unavailable = register.sentinels.contains(&joined(register, &words));
            if text.is_none() && (unavailable || handle.truth(quantity).is_none()) {
                continue;
            }
            let found = Expected {
                register: register.name.clone(),
                count: count_milli(profile, handle, register),
                text,
            };
            // A limit in watts is told as a current.
            let in_watts = quantity == Quantity::PowerLimit;
            let told = if in_watts {
                Quantity::CurrentLimit
            } else {
                quantity
            };
            expected.entry(told).or_insert(found);
        }
        Self {
            id,
            handle: handle.clone(),
            profile,
            expected,
        }
    }

    /// Watches the driver read: everything is told, and everything told is true. The device must be
    /// in a steady state. `from_start`: also what is told only after a connection.
    pub(crate) async fn look(&self, rig: &mut Rig, from_start: bool) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let mut before = self.now();
        let mut newest = before.clone();
        rig.pass(LOOK, |event| {
            if let BusEvent::Read(reading) = event
                && reading.device == self.id
            {
                let now = self.now();
                for value in reading.values.iter().filter_map(told) {
                    seen.insert(self.compare(&value, &before, &now)?);
                }
                before = std::mem::replace(&mut newest, now);
            }
            Ok(())
        })
        .await
        .map_err(|fault| rig.told(&fault))?;
        let missing: Vec<&str> = self
            .expected
            .iter()
            .filter(|(quantity, _)| !seen.contains(*quantity))
            .filter(|(_, expected)| from_start || !self.only_once(&expected.register))
            .map(|(_, expected)| expected.register.as_str())
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(rig.told(&format!("never told: {}", missing.join(", "))))
        }
    }

    /// Whether a value was read after the connection and is not read again.
    fn only_once(&self, register: &str) -> bool {
        let register = self.profile.register(register);
        register.is_some_and(|register| register.poll == hw_profiles::PollClass::Once)
    }

    fn now(&self) -> BTreeMap<Quantity, i128> {
        let truth = |quantity| Some((quantity, self.handle.truth(quantity)?));
        self.expected.keys().copied().filter_map(truth).collect()
    }

    /// Which quantity it was, if it is true.
    fn compare(
        &self,
        value: &Told,
        before: &BTreeMap<Quantity, i128>,
        after: &BTreeMap<Quantity, i128>,
    ) -> Result<Quantity, String> {
        let quantity = match value {
            Told::Milli(quantity, _) | Told::Text(quantity, _) => *quantity,
        };
        let Some(expected) = self.expected.get(&quantity) else {
            return Err(format!("{value:?} though no register tells it"));
        };
        let name = &expected.register;
        match value {
            Told::Text(_, text) => {
                let shown = expected.text.as_deref();
                if shown == Some(text) {
                    return Ok(quantity);
                }
                Err(format!("{name}: {text:?}, the register shows {shown:?}"))
            }
            Told::Milli(_, milli) => {
                let (low, high) = (before[&quantity], after[&quantity]);
                let (low, high) = (low.min(high), low.max(high));
                // One count of the register, and one base unit of the value.
                let slack = expected.count + 1_000;
                if (low - slack..=high + slack).contains(milli) {
                    return Ok(quantity);
                }
                Err(format!(
                    "{name}: {milli} thousandths, {low} to {high} are true, one count is {}",
                    expected.count
                ))
            }
        }
    }
}

fn is_text(quantity: Quantity) -> bool {
    matches!(
        quantity,
        Quantity::Firmware | Quantity::Serial | Quantity::Model
    )
}

/// One count of a register in thousandths of its base unit; of a float the least difference near
/// any plausible value.
fn count_milli(profile: &Profile, handle: &DeviceHandle, register: &Register) -> i128 {
    let scale = register.scale;
    let exponent = register.scale_register.as_ref().map_or(0, |name| {
        let scale = handle.register(name).expect("its scale register exists");
        assert!(profile.register(name).is_some());
        i32::from(scale[0].cast_signed())
    });
    let count = scale.numerator as f64 / scale.denominator as f64 * 10_f64.powi(exponent);
    // 24 bits: energies of some MWh to some Wh.
    let single = 1_250_000_f64 / f64::from(1 << 23);
    let count = match register.ty {
        RegisterType::F32 if is_energy(register) => single,
        RegisterType::F32 | RegisterType::F64 => 0.0,
        RegisterType::Bit
        | RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::Ascii { .. }
        | RegisterType::AsciiSwapped { .. }
        | RegisterType::Utf16 { .. } => count,
    };
    // A limit in watts is told in mA; on one phase one watt is most.
    let in_milliamps = register.quantity == Some(Quantity::PowerLimit);
    let count = if in_milliamps { count / 0.23 } else { count };
    format!("{:.0}", (count * 1000.0).ceil())
        .parse()
        .expect("a small number")
}

fn is_energy(register: &Register) -> bool {
    let unit = register.quantity.and_then(Quantity::base_unit);
    matches!(unit, Some("Wh" | "VAh"))
}

/// The text that a register shows: its characters, or its number in decimals.
fn shown_text(register: &Register, words: &[u16]) -> String {
    let ascii = |words: Vec<u16>| {
        let bytes = words.iter().flat_map(|word| word.to_be_bytes());
        let text: String = bytes.filter(|b| *b != 0).map(char::from).collect();
        text.trim().to_owned()
    };
    match register.ty {
        RegisterType::Ascii { .. } => ascii(words.to_vec()),
        RegisterType::AsciiSwapped { .. } => ascii(words.iter().map(|w| w.swap_bytes()).collect()),
        RegisterType::Utf16 { .. } => {
            let units: Vec<u16> = words.iter().copied().filter(|unit| *unit != 0).collect();
            String::from_utf16_lossy(&units).trim().to_owned()
        }
        RegisterType::Bit
        | RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::F32
        | RegisterType::F64 => joined(register, words).to_string(),
    }
}

/// Words as one number; of texts the last 64 bits.
fn joined(register: &Register, words: &[u16]) -> u64 {
    let mut words = words.to_vec();
    if register.words == WordOrder::LowFirst {
        words.reverse();
    }
    let join = |bits: u64, word: &u16| bits << 16 | u64::from(*word);
    words.iter().fold(0, join)
}
