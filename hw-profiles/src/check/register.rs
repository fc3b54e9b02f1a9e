//! Checks what can be read: encodings, units, overlaps, and that nothing is read for nothing.

use std::collections::BTreeSet;

use super::{Context, condition, flag, is_float, is_text, largest_raw, type_of};
use crate::fault::Report;
use crate::profile::{Link, PollClass, Quantity, Register, RegisterType, Scale};
use crate::raw::{RawCondition, RawProfile, RawRegister, RawSetup, TypeWord};
use crate::read::{At, Named, Record};
use crate::unit::{Decimal, dimension_of};

/// Names with a meaning of their own in the expectations of frames.
const RESERVED: [&str; 2] = ["vehicle_state", "limit"];

pub(super) fn check(
    raw: &Named<RawRegister>,
    link: &Link,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Vec<Register> {
    let mut registers: Vec<Register> = Vec::new();
    for (name, register) in raw.entries() {
        let Some(register) = check_one(name, register, link, context, report) else {
            continue;
        };
        for earlier in &registers {
            check_pair(earlier, &register, name.at, report);
        }
        registers.push(register);
    }
    registers
}

fn check_one(
    name: &At<String>,
    raw: &RawRegister,
    link: &Link,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Register> {
    check_name(name, report);
    let ty = register_type(name, raw, report);
    check_extent(name, raw, ty, link, report);
    check_sentinels(name, raw, report);
    check_encoding(name, raw, report);
    check_bits(name, raw, report);
    check_number_keys(name, raw, report);
    check_scale_register(name, raw, context, report);
    check_reading(name, raw, link, context, report);
    let scale = scale(name, raw, report);
    let when = when(name, raw, context, report)?;
    Some(Register {
        name: name.value.clone(),
        quantity: raw.quantity.map(|quantity| quantity.value),
        table: raw.table.value,
        address: raw.address.value,
        ty,
        words: raw.words.map_or(context.words, |words| words.value),
        words_fixed: raw.words.is_some(),
        scale,
        mask: raw.mask.map(|mask| mask.value),
        scale_register: raw.scale_register.as_ref().map(|name| name.value.clone()),
        negate: flag(raw.negate),
        sentinels: raw
            .sentinels
            .iter()
            .flatten()
            .map(|sentinel| sentinel.value)
            .collect(),
        poll: raw.poll.map_or(PollClass::Fast, |poll| poll.value),
        when,
        optional: flag(raw.optional),
        alone: flag(raw.alone),
        station: flag(raw.station),
        models: raw.models.iter().flatten().map(|m| m.value).collect(),
        unconfirmed: flag(raw.unconfirmed),
    })
}

fn check_name(name: &At<String>, report: &mut Report<'_>) {
    let mut characters = name.value.chars();
    let starts = characters.next().is_some_and(|c| c.is_ascii_lowercase());
    let goes_on = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !starts || !characters.all(goes_on) {
        let problem = format!("a register is named `{}`", name.value);
        report.fault(
            name.at,
            problem,
            "Write a letter a-z, then any of a-z 0-9 _",
        );
    } else if RESERVED.contains(&name.value.as_str()) {
        let problem = format!("a register is named `{}`", name.value);
        let remedy = "Choose another name; this one stands for a result in frame files";
        report.fault(name.at, problem, remedy);
    }
}

fn register_type(name: &At<String>, raw: &RawRegister, report: &mut Report<'_>) -> RegisterType {
    let word = raw.r#type.value;
    let registers = raw.registers.map_or(1, |registers| registers.value);
    match (is_text(word), raw.registers) {
        (true, None) => {
            let problem = format!("text `{}` without a length", name.value);
            report.fault(raw.r#type.at, problem, "Add `registers`: how many it takes");
        }
        (true, Some(At { value: 0, at })) => {
            let problem = format!("text `{}` of 0 registers", name.value);
            report.fault(at, problem, "Write 1 to 125");
        }
        (false, Some(At { at, .. })) => {
            let problem = format!("`registers` for `{}`, which is no text", name.value);
            report.fault(at, problem, "Remove it: the type says how many it takes");
        }
        (true, Some(_)) | (false, None) => {}
    }
    type_of(word, registers)
}

fn check_extent(
    name: &At<String>,
    raw: &RawRegister,
    ty: RegisterType,
    link: &Link,
    report: &mut Report<'_>,
) {
    let (address, count) = (raw.address.value, ty.count());
    if u32::from(address) + u32::from(count) > 0x1_0000 {
        let problem = format!(
            "`{}` takes {count} registers from {address}, beyond 65535",
            name.value
        );
        report.fault(raw.address.at, problem, "Correct the address or the type");
    }
    if count > link.max_registers_per_read {
        let problem = format!(
            "`{}` takes {count} registers, a read has at most {}",
            name.value, link.max_registers_per_read
        );
        let remedy = "Correct the type or `link.max_registers_per_read`";
        report.fault(raw.r#type.at, problem, remedy);
    }
}

fn check_sentinels(name: &At<String>, raw: &RawRegister, report: &mut Report<'_>) {
    let word = raw.r#type.value;
    for sentinel in raw.sentinels.iter().flatten() {
        if is_text(word) {
            let problem = format!("a sentinel for text `{}`", name.value);
            let remedy = "Remove it: an empty text counts as not available";
            report.fault(sentinel.at, problem, remedy);
        } else if sentinel.value > largest_raw(word) {
            let problem = format!(
                "sentinel {:#X} does not fit the type of `{}`",
                sentinel.value, name.value
            );
            report.fault(
                sentinel.at,
                problem,
                format!("Write at most {:#X}", largest_raw(word)),
            );
        }
    }
}

/// The encoding must be one that the quantity can come in.
fn check_encoding(name: &At<String>, raw: &RawRegister, report: &mut Report<'_>) {
    let Some(quantity) = raw.quantity else {
        return;
    };
    let word = raw.r#type.value;
    let fits = match quantity.value {
        Quantity::Firmware | Quantity::Serial | Quantity::Model => !is_float(word),
        Quantity::ErrorCode => matches!(word, TypeWord::U16 | TypeWord::U32),
        Quantity::CurrentLimit
        | Quantity::PowerLimit
        | Quantity::CurrentL1
        | Quantity::CurrentL2
        | Quantity::CurrentL3
        | Quantity::VoltageL1
        | Quantity::VoltageL2
        | Quantity::VoltageL3
        | Quantity::PowerL1
        | Quantity::PowerL2
        | Quantity::PowerL3
        | Quantity::Power
        | Quantity::ApparentPower
        | Quantity::EnergyImport
        | Quantity::EnergyExport
        | Quantity::EnergySession
        | Quantity::ApparentEnergy
        | Quantity::Frequency => !is_text(word),
    } && word != TypeWord::Bit;
    if !fits {
        let problem = format!(
            "`{}` cannot be read as {}",
            name.value,
            quantity.value.as_str()
        );
        let remedy = "Use a text or integer for firmware, serial and model, u16 or u32 for \
             error_code, and a number for what is measured";
        report.fault(raw.r#type.at, problem, remedy);
    }
}

/// Tables of bits hold bits, and nothing else does.
fn check_bits(name: &At<String>, raw: &RawRegister, report: &mut Report<'_>) {
    let is_bit = raw.r#type.value == TypeWord::Bit;
    if is_bit != raw.table.value.is_bits() {
        let (problem, remedy) = if is_bit {
            let problem = format!("`{}` is a bit in a table of registers", name.value);
            (
                problem,
                "Write `table = \"coil\"` or `\"discrete\"`, or another type",
            )
        } else {
            let problem = format!("`{}` is no bit, but its table holds bits", name.value);
            (
                problem,
                "Write `type = \"bit\"`, or `table = \"holding\"` or `\"input\"`",
            )
        };
        report.fault(raw.r#type.at, problem, remedy);
    }
}

/// Mask, sign and word order belong to numbers that have them.
fn check_number_keys(name: &At<String>, raw: &RawRegister, report: &mut Report<'_>) {
    let word = raw.r#type.value;
    let measures = raw.quantity.and_then(|q| dimension_of(q.value)).is_some();
    if let Some(mask) = raw.mask {
        if !measures || is_float(word) {
            let problem = format!("`mask` for `{}`, which is no counted value", name.value);
            let remedy = "Remove it; conditions have a `mask` of their own";
            report.fault(mask.at, problem, remedy);
        } else if mask.value == 0 || mask.value > largest_raw(word) {
            let problem = format!("`mask` of `{}` is {:#X}", name.value, mask.value);
            let remedy = format!("Write 0x1 to {:#X}", largest_raw(word));
            report.fault(mask.at, problem, remedy);
        }
    }
    if let Some(negate) = raw.negate
        && !measures
    {
        let problem = format!("`negate` for `{}`, which measures nothing", name.value);
        report.fault(negate.at, problem, "Remove `negate`, or add a `quantity`");
    }
    if let Some(words) = raw.words
        && !type_of(word, 1).has_word_order()
    {
        let problem = format!("`words` for `{}`, which has one word", name.value);
        report.fault(words.at, problem, "Remove `words`, or correct the type");
    }
}

/// A power of ten in another register.
fn check_scale_register(
    name: &At<String>,
    raw: &RawRegister,
    context: &Context<'_>,
    report: &mut Report<'_>,
) {
    let Some(scale) = &raw.scale_register else {
        return;
    };
    let Some(register) = context.register(scale, report) else {
        return;
    };
    let is_plain = register.r#type.value == TypeWord::I16 && register.quantity.is_none();
    let missing = |model: &&At<u16>| {
        let known = register.models.as_ref();
        !known.is_some_and(|known| known.iter().any(|k| k.value == model.value))
    };
    if raw.quantity.and_then(|q| dimension_of(q.value)).is_none() {
        let problem = format!(
            "`scale_register` for `{}`, which measures nothing",
            name.value
        );
        report.fault(scale.at, problem, "Remove it, or add a `quantity`");
    } else if !is_plain {
        let problem = format!("`{}` is no power of ten", scale.value);
        let remedy = "Name a register with `type = \"i16\"` and without a quantity";
        report.fault(scale.at, problem, remedy);
    } else if let Some(model) = raw.models.iter().flatten().find(missing) {
        let problem = format!("`{}` is not there in model {}", scale.value, model.value);
        report.fault(scale.at, problem, "Give both the same `models`");
    }
}

/// How it is read: alone, station-wide, in which SunSpec models.
fn check_reading(
    name: &At<String>,
    raw: &RawRegister,
    link: &Link,
    context: &Context<'_>,
    report: &mut Report<'_>,
) {
    if let Some(alone) = raw.alone
        && !link.block_reads
    {
        let problem = format!(
            "`alone` for `{}` of a device without block reads",
            name.value
        );
        report.fault(alone.at, problem, "Remove it: every value is read alone");
    }
    if let Some(station) = raw.station
        && station.value
        && !context.has_station
    {
        let problem = format!(
            "`{}` is station-wide in a device with one connector",
            name.value
        );
        let remedy = "Remove `station`, or add `[connectors]` or `link.station_unit`";
        report.fault(station.at, problem, remedy);
    }
    if let Some(models) = &raw.models {
        if !context.has_sunspec {
            let problem = format!("`models` for `{}` without `[sunspec]`", name.value);
            let remedy = "Add `[sunspec]`, or write the address and remove `models`";
            report.fault(raw.at(), problem, remedy);
        } else if models.is_empty() {
            let problem = format!("`{}` is in no SunSpec model", name.value);
            report.fault(raw.at(), problem, "Name the models, or remove `models`");
        }
    }
}

/// Base units per count; codes, texts and raw inputs have neither unit nor scale.
fn scale(name: &At<String>, raw: &RawRegister, report: &mut Report<'_>) -> Scale {
    let one = Scale {
        numerator: 1,
        denominator: 1,
    };
    let dimension = raw
        .quantity
        .and_then(|quantity| dimension_of(quantity.value));
    let Some(dimension) = dimension else {
        let keys = [
            ("unit", raw.unit.map(|unit| unit.at)),
            ("scale", raw.scale.map(|scale| scale.at)),
        ];
        for (key, at) in keys {
            if let Some(at) = at {
                let problem = format!("`{key}` for `{}`, which measures nothing", name.value);
                report.fault(at, problem, format!("Remove `{key}`, or add a `quantity`"));
            }
        }
        return one;
    };
    let units = dimension.units().join("` or `");
    let Some(unit) = raw.unit else {
        let problem = format!("`{}` has no unit", name.value);
        report.fault(raw.at(), problem, format!("Add `unit`: `{units}`"));
        return one;
    };
    if unit.value.dimension() != dimension {
        let problem = format!("the unit of `{}` does not fit its quantity", name.value);
        report.fault(unit.at, problem, format!("Write `{units}`"));
    }
    let scale = raw.scale.map_or(Decimal::ONE, |scale| scale.value);
    unit.value.scale(scale)
}

fn when(
    name: &At<String>,
    raw: &RawRegister,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<crate::profile::Condition>> {
    let raw_when = raw.when.as_deref().unwrap_or_default();
    for condition in raw_when {
        let named = context.registers.get(condition.register.value.as_str());
        if named.is_some_and(|register| register.when.is_some()) {
            let problem = format!(
                "`{}` depends on `{}`, which itself has a `when`",
                name.value, condition.register.value
            );
            let remedy = "Depend on a register that always exists";
            report.fault(condition.register.at, problem, remedy);
        }
    }
    condition::check_all(raw_when, context, report)
}

/// Two registers must not share an address, nor tell the same quantity, at the same time.
fn check_pair(left: &Register, right: &Register, at: usize, report: &mut Report<'_>) {
    let models = (&left.models, &right.models);
    let elsewhere = !models.0.iter().any(|model| models.1.contains(model));
    let in_blocks = !models.0.is_empty() || !models.1.is_empty();
    if condition::disjoint(&left.when, &right.when) || (in_blocks && elsewhere) {
        return;
    }
    let first = |register: &Register| u32::from(register.address);
    let end = |register: &Register| first(register) + u32::from(register.count());
    if left.table == right.table && first(left) < end(right) && first(right) < end(left) {
        let problem = format!(
            "`{}` ({} to {}) overlaps `{}` ({} to {})",
            right.name,
            first(right),
            end(right) - 1,
            left.name,
            first(left),
            end(left) - 1
        );
        let remedy = "Correct an address or type, or give both a `when` that excludes the other";
        report.fault(at, problem, remedy);
    }
    if let Some(quantity) = right.quantity
        && left.quantity == right.quantity
    {
        let problem = format!(
            "`{}` and `{}` both tell {}",
            left.name,
            right.name,
            quantity.as_str()
        );
        let remedy = "Keep one, or give both a `when` that excludes the other";
        report.fault(at, problem, remedy);
    }
}

/// A register without a quantity must be named by a rule, a condition or a read-back.
pub(super) fn report_unused(raw: &RawProfile, report: &mut Report<'_>) {
    let used = used_names(raw);
    for (name, register) in raw.read.entries() {
        if register.quantity.is_none() && !used.contains(name.value.as_str()) {
            let problem = format!("`{}` is read for nothing", name.value);
            let remedy = "Give it a `quantity`, name it in a condition or read-back, or remove it";
            report.fault(name.at, problem, remedy);
        }
    }
}

fn used_names(raw: &RawProfile) -> BTreeSet<&str> {
    let registers = raw.read.entries().flat_map(|(_, register)| &register.when);
    let rules = raw.state.iter().flatten().map(|rule| &rule.when);
    let paused = raw.limit.iter().flat_map(|limit| &limit.paused_when);
    let phases = raw.phase_switch.iter().flat_map(|phases| &phases.when);
    let fallback = raw.failsafe.iter().flat_map(|failsafe| &failsafe.when);
    let lists = registers
        .chain(rules)
        .chain(paused)
        .chain(fallback)
        .chain(&raw.probe)
        .chain(phases);
    let conditions = lists.flatten().map(|c: &RawCondition| &c.register);
    let limit = raw.limit.iter().flat_map(|limit| &limit.read_back);
    let failsafe = raw
        .failsafe
        .iter()
        .flat_map(|failsafe| failsafe.current.iter().chain(&failsafe.timeout))
        .flat_map(|value| &value.read_back);
    let scales = raw
        .read
        .entries()
        .flat_map(|(_, register)| &register.scale_register);
    let life_bit = raw
        .keep_alive
        .iter()
        .flat_map(|keep_alive| &keep_alive.read_back);
    let phases = raw.phase_switch.iter().flat_map(|phases| &phases.read_back);
    conditions
        .chain(limit)
        .chain(failsafe)
        .chain(scales)
        .chain(life_bit)
        .chain(phases.map(|read_back| &read_back.register))
        .chain(raw.word_probe.iter().map(|probe| &probe.register))
        .chain(setups(raw).flat_map(|setup| &setup.read_back))
        .map(|name| name.value.as_str())
        .collect()
}

/// Every fixed value that is written.
fn setups(raw: &RawProfile) -> impl Iterator<Item = &RawSetup> {
    let failsafe = raw.failsafe.iter();
    let phases = raw.phase_switch.iter().flat_map(|phases| &phases.setup);
    raw.setup
        .iter()
        .chain(phases)
        .flatten()
        .chain(failsafe.flat_map(|failsafe| failsafe.enable.iter().chain(&failsafe.persist)))
}
