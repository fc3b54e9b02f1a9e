//! What each register shows now, made from the physics behind it.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};

use hw_profiles::{Profile, Quantity, Register};
use site_model::{Milliamps, Millivolts, VehicleState};

use super::charger::NOMINAL_V;
use super::identity::exponent_of;
use super::part::{Body, Part};
use super::rules::{RawValues, all_hold, telling_names, values_for_state};
use super::value::{RawValue, Shown, joined_bits, number_of, raw_words, shown_words};
use crate::physics::{Energy, FREQUENCY_MHZ, Flow, Mains};

/// Error code that a faulted charger shows.
const ERROR_CODE: i128 = 1;

/// Registers of one connector or meter at one moment.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    part: &'a Part,
    voltage: [Millivolts; 3],
    /// Raw values that conditions look at.
    known: RawValues,
}

impl<'a> Image<'a> {
    pub(crate) fn new(part: &'a Part, mains: &Mains) -> Self {
        let mut image = Self {
            part,
            voltage: mains.voltage(),
            known: part.fixed.clone(),
        };
        let profile = &part.profile;
        for register in &profile.registers {
            let looked_at = part.looked_at.contains(&register.name);
            if looked_at && !image.known.contains_key(&register.name) {
                let words = image.measured_words(register);
                image.know(register, &words);
            }
        }
        if let Body::Charger(charger) = &part.body {
            let pinned = image.pin();
            let paused = charger.paused(profile);
            let state = charger.state();
            image.known = part
                .solved
                .of(profile, state, paused, &image.known, &pinned);
        }
        image
    }

    /// Registers that show what was written or where the phases are, whatever the state is.
    fn pin(&mut self) -> BTreeSet<String> {
        let mut pinned = BTreeSet::new();
        for register in &self.part.profile.registers {
            let words = self.repeated_words(register);
            if let Some(words) = words.filter(|_| !self.part.fixed.contains_key(&register.name)) {
                self.know(register, &words);
                pinned.insert(register.name.clone());
            }
        }
        pinned
    }

    fn know(&mut self, register: &Register, words: &[u16]) {
        let number = number_of(register.ty, joined_bits(register.words, words));
        self.known
            .insert(register.name.clone(), RawValue::Number(number));
    }

    /// Registers that exist in this variant of the device.
    pub(crate) fn existing(&self) -> Vec<&'a Register> {
        let registers = self.part.profile.registers.iter();
        registers
            .filter(|register| all_hold(&self.part.profile, &register.when, &self.known))
            .collect()
    }

    /// Whether this variant can switch its phases.
    pub(crate) fn switches_phases(&self) -> bool {
        let switch = self.part.profile.phase_switch.as_ref();
        switch.is_some_and(|switch| all_hold(&self.part.profile, &switch.when, &self.known))
    }

    /// Words of one register.
    pub(crate) fn words(&self, register: &Register) -> Vec<u16> {
        if self.part.unavailable.contains(&register.name) {
            return shown_words(register, 0, &Shown::NotAvailable);
        }
        if self.part.fixed.contains_key(&register.name) {
            return raw_words(register, &self.known[&register.name]);
        }
        if let Some(words) = self.repeated_words(register) {
            return words;
        }
        match self.known.get(&register.name) {
            Some(raw) => raw_words(register, raw),
            None => self.measured_words(register),
        }
    }

    /// Words of a register that repeats what was written, or tells the phases.
    fn repeated_words(&self, register: &Register) -> Option<Vec<u16>> {
        let Body::Charger(charger) = &self.part.body else {
            return None;
        };
        let profile = &self.part.profile;
        if let Some(switch) = &profile.phase_switch
            && let Some(shown) = &switch.read_back
            && shown.register == register.name
        {
            let raw = charger.phases.shown(switch)?;
            return Some(raw_words(register, &RawValue::Number(raw)));
        }
        let write = self.part.repeats.get(&register.name)?;
        Some(charger.memory.words(write, register))
    }

    fn measured_words(&self, register: &Register) -> Vec<u16> {
        let shown = register.quantity.map(|quantity| self.shown(quantity));
        let exponent = exponent_of(&self.part.profile, register);
        shown_words(register, exponent, &shown.unwrap_or(Shown::Milli(0)))
    }

    /// What is true of a quantity, whatever the registers say.
    pub(crate) fn shown(&self, quantity: Quantity) -> Shown {
        match &self.part.body {
            Body::Charger(charger) => Terminals {
                flow: charger.flow(),
                voltage: self.voltage,
                phases: usize::from(charger.supply_phases()),
                lifetime: &charger.lifetime,
                session: Some(&charger.session),
                limit: charger.offered(&self.part.profile),
                limit_phases: charger.phases_now(),
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
                limit_phases: 0,
                faulted: false,
            }
            .shown(quantity),
        }
    }
}

/// How many solutions are remembered.
const SOLVED_MAX: usize = 16;

#[derive(Debug, PartialEq)]
struct Question {
    state: VehicleState,
    paused: bool,
    natural: RawValues,
}

/// Raw values for states, remembered because finding them is the dearest thing a device does.
#[derive(Debug, Default)]
pub(crate) struct Solved(RefCell<VecDeque<(Question, RawValues)>>);

impl Solved {
    fn of(
        &self,
        profile: &Profile,
        state: VehicleState,
        paused: bool,
        natural: &RawValues,
        pinned: &BTreeSet<String>,
    ) -> RawValues {
        let question = Question {
            state,
            paused,
            natural: natural.clone(),
        };
        let mut solved = self.0.borrow_mut();
        if let Some((_, values)) = solved.iter().find(|(asked, _)| *asked == question) {
            return values.clone();
        }
        let values = state_values(profile, state, paused, natural, pinned);
        solved.push_back((question, values.clone()));
        if solved.len() > SOLVED_MAX {
            solved.pop_front();
        }
        values
    }
}

/// Registers with a quantity that state rules, the sign of a pause or what exists depend on.
pub(super) fn looked_at(profile: &Profile) -> BTreeSet<String> {
    let registers = profile.registers.iter().flat_map(|r| &r.when);
    let switch = profile.phase_switch.iter().flat_map(|switch| &switch.when);
    let gates = registers.chain(switch).map(|c| c.register.clone());
    let mut names: BTreeSet<String> = gates.chain(telling_names(profile)).collect();
    names.retain(|name| {
        let register = profile.register(name);
        register.is_some_and(|register| register.quantity.is_some())
    });
    names
}

/// Raw values for a state, or for the nearest one that the profile has a word for.
fn state_values(
    profile: &Profile,
    state: VehicleState,
    paused: bool,
    natural: &RawValues,
    pinned: &BTreeSet<String>,
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
        .find_map(|state| values_for_state(profile, *state, paused, natural, pinned))
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
    limit_phases: u8,
    faulted: bool,
}

impl Terminals<'_> {
    fn shown(&self, quantity: Quantity) -> Shown {
        match quantity {
            Quantity::CurrentLimit => milliamps(self.limit),
            Quantity::PowerLimit => Shown::Milli(self.limit_mw()),
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

    /// The limit as power at nominal voltage, thousandths of W.
    fn limit_mw(&self) -> i128 {
        i128::from(self.limit.0) * i128::from(NOMINAL_V) * i128::from(self.limit_phases)
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
