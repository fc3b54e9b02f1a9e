//! From registers to values: what a profile says the words mean. Pure.

mod number;
mod raw;

use hw_profiles::{Condition, Profile, Quantity, RawMatch, Register};
use site_model::{
    Hertz, Milliamps, Millivolts, Phase, Value, VehicleState, VoltAmpereHours, VoltAmperes,
    WattHours, Watts,
};

use crate::encode;

pub use raw::{Raw, raw_of, words_of};

/// What was last heard of each register of a profile, in the profile's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    registers: Vec<Heard>,
    /// Phases that a limit in watts is reckoned with.
    phases: u8,
}

/// What was heard of one register.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    /// Nothing yet.
    Nothing,
    /// Its words; of a bit one word, 0 or 1.
    Words(Vec<u16>),
    /// The device has no such register.
    Absent,
}

/// What one poll told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decoded {
    /// At most one of each kind and phase.
    pub values: Vec<Value>,
    /// Raw inputs of the vehicle state, if no rule of the profile covers them.
    pub uncovered_state: Option<String>,
}

impl Image {
    /// Nothing heard yet.
    #[must_use]
    pub fn new(profile: &Profile) -> Self {
        Self {
            registers: vec![Heard::Nothing; profile.registers.len()],
            phases: 3,
        }
    }

    /// With how many phases the device charges (3 until told otherwise): what current a limit in
    /// watts is.
    pub fn set_phases(&mut self, phases: u8) {
        self.phases = phases;
    }

    /// Remembers the words of one register of the profile.
    pub fn set(&mut self, index: usize, words: &[u16]) {
        self.registers[index] = Heard::Words(words.to_vec());
    }

    /// Remembers that the device does not have this register.
    pub fn set_absent(&mut self, index: usize) {
        self.registers[index] = Heard::Absent;
    }

    /// Whether the device is known not to have this register.
    #[must_use]
    pub fn is_absent(&self, index: usize) -> bool {
        self.registers[index] == Heard::Absent
    }

    /// The words of one register of the profile, if it was heard.
    #[must_use]
    pub fn words(&self, index: usize) -> Option<&[u16]> {
        match &self.registers[index] {
            Heard::Words(words) => Some(words),
            Heard::Nothing | Heard::Absent => None,
        }
    }

    /// Raw content of a register by name; `None` if it was not heard or marks "not available".
    #[must_use]
    pub fn raw(&self, profile: &Profile, name: &str) -> Option<Raw> {
        let index = profile.registers.iter().position(|r| r.name == name)?;
        available(&profile.registers[index], self.words(index)?)
    }

    /// Whether all conditions hold; `None` while an input is not known and none is broken.
    #[must_use]
    pub fn holds(&self, profile: &Profile, conditions: &[Condition]) -> Option<bool> {
        let mut known = Some(true);
        for condition in conditions {
            match self.meets(profile, condition) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => known = None,
            }
        }
        known
    }

    /// Value of one register of the profile, by whatever else it depends on; `None` if it has no
    /// quantity, was not heard, is not available or out of range.
    #[must_use]
    pub fn value(&self, profile: &Profile, index: usize) -> Option<Value> {
        let register = &profile.registers[index];
        measured(
            register,
            self.words(index)?,
            self.tens(profile, register)?,
            self.phases,
        )
    }

    /// Number of a register by name in the base unit of its quantity; of a register without
    /// quantity by its scale.
    #[must_use]
    pub fn base_value(&self, profile: &Profile, name: &str) -> Option<i128> {
        let register = profile.register(name)?;
        let tens = self.tens(profile, register)?;
        number::scaled(register, &self.raw(profile, name)?, tens)
    }

    /// A condition on a register that variants of the device do not have fails where it is not
    /// there or not available.
    fn meets(&self, profile: &Profile, condition: &Condition) -> Option<bool> {
        let name = &condition.register;
        let index = profile.registers.iter().position(|r| r.name == *name)?;
        let register = &profile.registers[index];
        let missing = register.optional.then_some(false);
        let words = match &self.registers[index] {
            Heard::Nothing => return None,
            Heard::Absent => return missing,
            Heard::Words(words) => words,
        };
        let Some(raw) = available(register, words) else {
            return missing;
        };
        match condition.test {
            RawMatch::ValueBetween(low, high) => {
                let tens = self.tens(profile, register)?;
                Some(lies_between(register, &raw, tens, (low, high)))
            }
            RawMatch::OneOf(_)
            | RawMatch::Between(..)
            | RawMatch::BitsSet(_)
            | RawMatch::BitsClear(_)
            | RawMatch::Text(_) => Some(raw.matches(condition)),
        }
    }

    /// The power of ten that a register is multiplied with besides its scale; `None` while the
    /// register that tells it was not heard, or tells none.
    fn tens(&self, profile: &Profile, register: &Register) -> Option<i32> {
        let Some(name) = &register.scale_register else {
            return Some(0);
        };
        number::tens(profile.register(name)?, &self.raw(profile, name)?)
    }
}

/// Whether a probe recognises this register content.
#[must_use]
pub fn recognises(register: &Register, words: &[u16], probe: &Condition) -> bool {
    let Some(raw) = available(register, words) else {
        return false;
    };
    match probe.test {
        RawMatch::ValueBetween(low, high) => {
            register.scale_register.is_none() && lies_between(register, &raw, 0, (low, high))
        }
        RawMatch::OneOf(_)
        | RawMatch::Between(..)
        | RawMatch::BitsSet(_)
        | RawMatch::BitsClear(_)
        | RawMatch::Text(_) => raw.matches(probe),
    }
}

/// Whether the value that tells the word order lies where it must; `None` while it is not known or
/// the profile has none.
#[must_use]
pub fn words_fit(profile: &Profile, image: &Image) -> Option<bool> {
    let probe = profile.word_probe.as_ref()?;
    let value = image.base_value(profile, &probe.register)?;
    Some((i128::from(probe.low)..=i128::from(probe.high)).contains(&value))
}

fn lies_between(register: &Register, raw: &Raw, tens: i32, (low, high): (i64, i64)) -> bool {
    number::scaled(register, raw, tens)
        .is_some_and(|value| (i128::from(low)..=i128::from(high)).contains(&value))
}

/// Values of the registers marked fresh; conditions are judged by the whole image.
#[must_use]
pub fn decode(profile: &Profile, image: &Image, fresh: &[bool]) -> Decoded {
    let mut decoded = Decoded::default();
    if let Some(state) = vehicle_state(profile, image, fresh, &mut decoded.uncovered_state) {
        decoded.values.push(Value::VehicleState(state));
    }
    if is_paused(profile, image, fresh) {
        decoded.values.push(Value::CurrentLimit(Milliamps::PAUSE));
    }
    let told_limit = limit_register(profile, image, fresh);
    for (index, register) in profile.registers.iter().enumerate() {
        if !fresh[index] || image.holds(profile, &register.when) != Some(true) {
            continue;
        }
        if matches!(
            register.quantity,
            Some(Quantity::CurrentLimit | Quantity::PowerLimit)
        ) && told_limit.is_some_and(|told| told != index)
        {
            continue;
        }
        if let Some(value) = image.value(profile, index)
            && !decoded.values.iter().any(|known| same_kind(known, &value))
        {
            decoded.values.push(value);
        }
    }
    decoded
}

/// Whether two values tell the same thing, so that the newer replaces the older.
#[must_use]
pub fn same_kind(a: &Value, b: &Value) -> bool {
    let phase = |value: &Value| match value {
        Value::Current(phase, _) | Value::Voltage(phase, _) | Value::PowerOfPhase(phase, _) => {
            Some(*phase)
        }
        Value::VehicleState(_)
        | Value::CurrentLimit(_)
        | Value::Power(_)
        | Value::ApparentPower(_)
        | Value::EnergyImport { .. }
        | Value::EnergyExport(_)
        | Value::EnergySession(_)
        | Value::ApparentEnergy(_)
        | Value::Frequency(_)
        | Value::ErrorCode(_)
        | Value::Firmware(_)
        | Value::Serial(_)
        | Value::Model(_) => None,
    };
    std::mem::discriminant(a) == std::mem::discriminant(b) && phase(a) == phase(b)
}

/// Value of one register; `None` if it has no quantity, is not available or out of range, or if
/// it depends on something else, a scale register or the phases: then [`Image::value`] knows it.
#[must_use]
pub fn value_of(register: &Register, words: &[u16]) -> Option<Value> {
    let own_scale = register.scale_register.is_none();
    let in_watts = register.quantity == Some(Quantity::PowerLimit);
    (own_scale && !in_watts).then(|| measured(register, words, 0, 1))?
}

fn measured(register: &Register, words: &[u16], tens: i32, phases: u8) -> Option<Value> {
    let quantity = register.quantity?;
    let raw = available(register, words)?;
    let text = || raw.masked(register.mask).to_text();
    let exact = || number::scaled(register, &raw, tens);
    let unsigned = || u32::try_from(exact()?).ok();
    let signed = || i32::try_from(exact()?).ok();
    let energy = || u64::try_from(exact()?).ok();
    Some(match quantity {
        Quantity::CurrentLimit => Value::CurrentLimit(Milliamps(unsigned()?)),
        Quantity::PowerLimit => {
            let watts = u64::try_from(exact()?).ok()?;
            Value::CurrentLimit(encode::current_of(watts, phases))
        }
        Quantity::CurrentL1 => Value::Current(Phase::L1, Milliamps(unsigned()?)),
        Quantity::CurrentL2 => Value::Current(Phase::L2, Milliamps(unsigned()?)),
        Quantity::CurrentL3 => Value::Current(Phase::L3, Milliamps(unsigned()?)),
        Quantity::VoltageL1 => Value::Voltage(Phase::L1, Millivolts(unsigned()?)),
        Quantity::VoltageL2 => Value::Voltage(Phase::L2, Millivolts(unsigned()?)),
        Quantity::VoltageL3 => Value::Voltage(Phase::L3, Millivolts(unsigned()?)),
        Quantity::PowerL1 => Value::PowerOfPhase(Phase::L1, Watts(signed()?)),
        Quantity::PowerL2 => Value::PowerOfPhase(Phase::L2, Watts(signed()?)),
        Quantity::PowerL3 => Value::PowerOfPhase(Phase::L3, Watts(signed()?)),
        Quantity::Power => Value::Power(Watts(signed()?)),
        Quantity::ApparentPower => Value::ApparentPower(VoltAmperes(unsigned()?)),
        Quantity::EnergyImport => Value::EnergyImport {
            energy: WattHours(energy()?),
            resolution: WattHours(number::resolution(register, &raw, tens)),
        },
        Quantity::EnergyExport => Value::EnergyExport(WattHours(energy()?)),
        Quantity::EnergySession => Value::EnergySession(WattHours(energy()?)),
        Quantity::ApparentEnergy => Value::ApparentEnergy(VoltAmpereHours(energy()?)),
        Quantity::Frequency => Value::Frequency(Hertz(unsigned()?)),
        Quantity::ErrorCode => Value::ErrorCode(unsigned()?),
        Quantity::Firmware => Value::Firmware(text()?),
        Quantity::Serial => Value::Serial(text()?),
        Quantity::Model => Value::Model(text()?),
    })
}

/// Raw content, unless it marks "not available".
fn available(register: &Register, words: &[u16]) -> Option<Raw> {
    let raw = raw_of(register, words)?;
    match &raw {
        Raw::Number(number) if register.sentinels.contains(number) => None,
        Raw::Number(_) | Raw::Text(_) => Some(raw),
    }
}

/// First rule that holds. A rule that cannot be judged yet leaves the state open; raw values that
/// no rule covers are a fault of the device.
fn vehicle_state(
    profile: &Profile,
    image: &Image,
    fresh: &[bool],
    uncovered: &mut Option<String>,
) -> Option<VehicleState> {
    let inputs = profile.state_rules.iter().flat_map(|rule| &rule.when);
    if !any_fresh(profile, fresh, inputs.clone()) {
        return None;
    }
    for rule in &profile.state_rules {
        match image.holds(profile, &rule.when) {
            Some(true) => return Some(rule.state),
            Some(false) => {}
            None => return None,
        }
    }
    let mut seen: Vec<String> = inputs
        .filter_map(|input| {
            let raw = image.raw(profile, &input.register)?;
            Some(format!("{} = {raw}", input.register))
        })
        .collect();
    seen.sort();
    seen.dedup();
    *uncovered = Some(seen.join(", "));
    Some(VehicleState::Fault)
}

fn is_paused(profile: &Profile, image: &Image, fresh: &[bool]) -> bool {
    profile.limit.as_ref().is_some_and(|limit| {
        !limit.paused_when.is_empty()
            && any_fresh(profile, fresh, limit.paused_when.iter())
            && image.holds(profile, &limit.paused_when) == Some(true)
    })
}

/// The register that the profile names for the applied limit, if it tells one: another one with a
/// limit is then not it.
fn limit_register(profile: &Profile, image: &Image, fresh: &[bool]) -> Option<usize> {
    let name = profile.limit.as_ref()?.read_back.as_ref()?;
    let index = profile.registers.iter().position(|r| r.name == *name)?;
    let here = fresh[index] && image.holds(profile, &profile.registers[index].when) == Some(true);
    (here && image.value(profile, index).is_some()).then_some(index)
}

fn any_fresh<'c>(
    profile: &Profile,
    fresh: &[bool],
    mut inputs: impl Iterator<Item = &'c Condition>,
) -> bool {
    inputs.any(|input| {
        let index = profile
            .registers
            .iter()
            .position(|r| r.name == input.register);
        index.is_some_and(|index| fresh[index])
    })
}

#[cfg(test)]
mod tests;
