//! What each register shows now, made from the physics behind it.

use hw_profiles::{Profile, Quantity, Register, Table};
use site_model::{Milliamps, Millivolts, VehicleState};

use super::rules::{RawValues, all_hold, telling_names, values_for_state};
use super::value::{RawValue, Shown, counts_words, raw_words, shown_words, written_counts};
use super::{Body, Device};
use crate::physics::{Energy, FREQUENCY_MHZ, Flow, Mains};

/// Error code that a faulted charger shows.
const ERROR_CODE: i128 = 1;

/// Registers of one device at one moment.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    device: &'a Device,
    voltage: [Millivolts; 3],
    /// Raw values that conditions look at.
    known: RawValues,
}

impl<'a> Image<'a> {
    pub(crate) fn new(device: &'a Device, mains: &Mains) -> Self {
        let mut image = Self {
            device,
            voltage: mains.voltage(),
            known: device.fixed.clone(),
        };
        let telling = telling_names(&device.profile);
        for register in &device.profile.registers {
            let named = telling.contains(&register.name) || gated_by(&device.profile, register);
            if named && register.quantity.is_some() && !image.known.contains_key(&register.name) {
                let words = image.measured_words(register);
                let counts = written_counts(register.ty, register.words, &words);
                image
                    .known
                    .insert(register.name.clone(), RawValue::Number(counts));
            }
        }
        if let Body::Charger(charger) = &device.body {
            let paused = charger.paused(&device.profile);
            let state = charger.state();
            image.known = state_values(&device.profile, state, paused, &image.known);
        }
        image
    }

    /// Registers that exist in this variant of the device.
    pub(crate) fn existing(&self) -> Vec<&'a Register> {
        let registers = self.device.profile.registers.iter();
        registers
            .filter(|register| all_hold(&register.when, &self.known))
            .collect()
    }

    /// Words of one register.
    pub(crate) fn words(&self, register: &Register) -> Vec<u16> {
        if self.device.unavailable.contains(&register.name) {
            return shown_words(register, &Shown::NotAvailable);
        }
        if let Some(counts) = self.read_back_counts(register) {
            return counts_words(register.ty, register.words, counts);
        }
        match self.known.get(&register.name) {
            Some(raw) => raw_words(register, raw),
            None => self.measured_words(register),
        }
    }

    /// Counts of a register that repeats what was written.
    fn read_back_counts(&self, register: &Register) -> Option<u64> {
        let Body::Charger(charger) = &self.device.body else {
            return None;
        };
        let profile = &self.device.profile;
        let limit = profile.limit.as_ref().filter(|limit| {
            register.table == Table::Holding && register.address == limit.write.address
        });
        if limit.is_some() {
            return Some(charger.limit_counts());
        }
        let failsafe = profile.failsafe.as_ref()?;
        let (current, timeout) = charger.failsafe_counts();
        let name = Some(&register.name);
        if failsafe.current_read_back.as_ref() == name {
            Some(current)
        } else if failsafe.timeout_read_back.as_ref() == name {
            Some(timeout)
        } else {
            None
        }
    }

    fn measured_words(&self, register: &Register) -> Vec<u16> {
        let shown = register.quantity.map(|quantity| self.shown(quantity));
        shown_words(register, &shown.unwrap_or(Shown::Milli(0)))
    }

    fn shown(&self, quantity: Quantity) -> Shown {
        match &self.device.body {
            Body::Charger(charger) => Terminals {
                flow: charger.flow(),
                voltage: self.voltage,
                phases: usize::from(charger.supply_phases),
                lifetime: &charger.lifetime,
                session: Some(&charger.session),
                limit: charger.offered(&self.device.profile),
                faulted: charger.forced.is_some(),
            }
            .shown(quantity),
            Body::Meter(meter) => Terminals {
                flow: &meter.flow,
                voltage: self.voltage,
                phases: 3,
                lifetime: &meter.energy,
                session: None,
                limit: Milliamps(0),
                faulted: false,
            }
            .shown(quantity),
        }
    }
}

/// Whether another register exists only where a condition on this one holds.
fn gated_by(profile: &Profile, register: &Register) -> bool {
    let mut conditions = profile.registers.iter().flat_map(|r| &r.when);
    conditions.any(|condition| condition.register == register.name)
}

/// Raw values for a state, or for the nearest one that the profile has a word for.
fn state_values(
    profile: &Profile,
    state: VehicleState,
    paused: bool,
    natural: &RawValues,
) -> RawValues {
    let alternatives: &[VehicleState] = match state {
        VehicleState::A | VehicleState::B | VehicleState::C => &[],
        VehicleState::D => &[VehicleState::C],
        VehicleState::E => &[VehicleState::Fault, VehicleState::F],
        VehicleState::F => &[VehicleState::Fault, VehicleState::E],
        VehicleState::Fault => &[VehicleState::F, VehicleState::E],
    };
    std::iter::once(&state)
        .chain(alternatives)
        .find_map(|state| values_for_state(profile, *state, paused, natural))
        .unwrap_or_else(|| natural.clone())
}

/// What can be measured at the terminals of a device.
struct Terminals<'a> {
    flow: &'a Flow,
    voltage: [Millivolts; 3],
    phases: usize,
    lifetime: &'a Energy,
    session: Option<&'a Energy>,
    limit: Milliamps,
    faulted: bool,
}

impl Terminals<'_> {
    fn shown(&self, quantity: Quantity) -> Shown {
        match quantity {
            Quantity::CurrentLimit => milliamps(self.limit),
            Quantity::CurrentL1 => milliamps(self.flow.current[0]),
            Quantity::CurrentL2 => milliamps(self.flow.current[1]),
            Quantity::CurrentL3 => milliamps(self.flow.current[2]),
            Quantity::VoltageL1 => self.voltage(0),
            Quantity::VoltageL2 => self.voltage(1),
            Quantity::VoltageL3 => self.voltage(2),
            Quantity::PowerL1 => nano(self.flow.active_nw[0]),
            Quantity::PowerL2 => nano(self.flow.active_nw[1]),
            Quantity::PowerL3 => nano(self.flow.active_nw[2]),
            Quantity::Power => nano(self.flow.active_total_nw()),
            Quantity::ApparentPower => nano(self.flow.apparent_total_nva()),
            Quantity::EnergyImport => Shown::Milli(i128::from(self.lifetime.active_mwh())),
            Quantity::ApparentEnergy => Shown::Milli(i128::from(self.lifetime.apparent_mvah())),
            Quantity::EnergyExport => Shown::Milli(0),
            Quantity::EnergySession => self.session.map_or(Shown::NotAvailable, |session| {
                Shown::Milli(i128::from(session.active_mwh()))
            }),
            Quantity::Frequency => Shown::Milli(i128::from(FREQUENCY_MHZ) * 1000),
            Quantity::ErrorCode => Shown::Milli(if self.faulted { 1000 * ERROR_CODE } else { 0 }),
            // Texts are fixed when the device is made.
            Quantity::Firmware | Quantity::Serial | Quantity::Model => Shown::NotAvailable,
        }
    }

    fn voltage(&self, phase: usize) -> Shown {
        if phase < self.phases {
            Shown::Milli(i128::from(self.voltage[phase].0) * 1000)
        } else {
            Shown::NotAvailable
        }
    }
}

fn milliamps(current: Milliamps) -> Shown {
    Shown::Milli(i128::from(current.0) * 1000)
}

fn nano(nano: u128) -> Shown {
    Shown::Milli(i128::try_from(nano / 1_000_000).unwrap_or(i128::MAX))
}
