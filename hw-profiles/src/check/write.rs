//! Checks the parts that everything written has in common: register, raw value, unit.

use super::{Context, flag, is_text, largest_raw, type_of};
use crate::fault::Report;
use crate::profile::{Access, LimitUnit, RegisterType, Scale, SetupWrite, WriteRegister};
use crate::raw::{RawSetup, RawWrite, TypeWord};
use crate::read::{At, Record};
use crate::unit::{Decimal, Dimension, Unit};

/// Most registers that function 16 writes (Modbus Application Protocol V1.1b3, 6.12).
const MODBUS_MAX_WRITE: u32 = 123;

/// Most fixed values that are written in a row.
const SETUP_MAX: usize = 16;

/// Checks where something is written; `what` is its name in messages.
pub(super) fn register(
    raw: &RawWrite,
    what: &str,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> WriteRegister {
    let ty = type_of(raw.r#type.value, 1);
    check_function(raw, ty, what, report);
    let repeat = repeat(raw, ty, what, report);
    let count = u32::from(ty.count()) * u32::from(repeat);
    if u32::from(raw.address.value) + count > 0x1_0000 {
        let problem = format!("{what} runs beyond address 65535");
        report.fault(raw.address.at, problem, "Correct the address or the type");
    }
    WriteRegister {
        address: raw.address.value,
        ty,
        words: raw.words.map_or(context.words, |words| words.value),
        words_fixed: raw.words.is_some(),
        access: raw.function.value,
        repeat,
        station: station(raw, what, context, report),
    }
}

fn station(raw: &RawWrite, what: &str, context: &Context<'_>, report: &mut Report<'_>) -> bool {
    if let Some(At { value: true, at }) = raw.station
        && !context.has_station
    {
        let problem = format!("{what} is station-wide in a device with one connector");
        let remedy = "Remove `station`, or add `[connectors]` or `link.station_unit`";
        report.fault(at, problem, remedy);
    }
    flag(raw.station)
}

/// The function must be one that writes this type.
fn check_function(raw: &RawWrite, ty: RegisterType, what: &str, report: &mut Report<'_>) {
    let word = raw.r#type.value;
    let is_coil = raw.function.value == Access::Coil;
    if is_text(word) {
        let problem = format!("{what} is written as text");
        report.fault(raw.r#type.at, problem, "Use a number type");
    } else if is_coil != (word == TypeWord::Bit) {
        let problem = if is_coil {
            format!("{what} is a coil, but its type is no bit")
        } else {
            format!("{what} is a bit, but function 5 does not write it")
        };
        let remedy = "Write `type = \"bit\"` with `function = 5`, or correct both";
        report.fault(raw.function.at, problem, remedy);
    } else if ty.count() > 1 && raw.function.value == Access::Single {
        let problem = format!(
            "{what} takes {} registers, function 6 writes one",
            ty.count()
        );
        report.fault(raw.function.at, problem, "Write `function = 16`");
    }
}

fn repeat(raw: &RawWrite, ty: RegisterType, what: &str, report: &mut Report<'_>) -> u8 {
    let Some(At { value, at }) = raw.repeat else {
        return 1;
    };
    let count = u32::from(ty.count()) * u32::from(value);
    if value == 0 {
        let problem = format!("{what} is repeated 0 times");
        report.fault(at, problem, "Write how many times, or remove `repeat`");
    } else if value > 1 && raw.function.value != Access::Multiple {
        let problem = format!("{what} is repeated, which takes function 16");
        report.fault(at, problem, "Write `function = 16`, or remove `repeat`");
    } else if count > MODBUS_MAX_WRITE {
        let problem = format!("{what} takes {count} registers in one write");
        report.fault(at, problem, "Modbus writes at most 123 with function 16");
    }
    value.max(1)
}

/// A raw value must fit the register that it is written to.
pub(super) fn raw_value(
    value: At<u64>,
    write: &RawWrite,
    what: &str,
    report: &mut Report<'_>,
) -> u64 {
    let largest = largest_raw(write.r#type.value);
    if value.value > largest {
        let problem = format!("{what} {} does not fit its register", value.value);
        report.fault(value.at, problem, format!("Write at most {largest}"));
    }
    value.value
}

/// Base units per count, of the dimensions allowed here.
pub(super) fn scale_of(
    unit: At<Unit>,
    scale: Option<At<Decimal>>,
    allowed: &[Dimension],
    what: &str,
    report: &mut Report<'_>,
) -> Scale {
    if !allowed.contains(&unit.value.dimension()) {
        let units: Vec<&str> = allowed.iter().flat_map(|d| d.units()).collect();
        let problem = format!("the unit of {what} does not fit");
        report.fault(
            unit.at,
            problem,
            format!("Write `{}`", units.join("` or `")),
        );
    }
    unit.value.scale(scale.map_or(Decimal::ONE, |s| s.value))
}

/// Whether a set-point counts current or power.
pub(super) const fn limit_unit(unit: Unit) -> LimitUnit {
    match unit.dimension() {
        Dimension::Power => LimitUnit::Watts,
        Dimension::Current
        | Dimension::Voltage
        | Dimension::ApparentPower
        | Dimension::Energy
        | Dimension::ApparentEnergy
        | Dimension::Frequency
        | Dimension::Time => LimitUnit::Milliamps,
    }
}

/// Checks a fixed value that is written.
pub(super) fn setup(
    raw: &RawSetup,
    what: &str,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> SetupWrite {
    let write = register(&raw.write, what, context, report);
    let value = raw_value(raw.value, &raw.write, what, report);
    if let Some(name) = &raw.read_back
        && let Some(register) = context.register(name, report)
        && value > largest_raw(register.r#type.value)
    {
        let problem = format!(
            "{what} is read back by `{}`, which is never {value}",
            name.value
        );
        report.fault(
            name.at,
            problem,
            "Name another register, or correct its type",
        );
    }
    SetupWrite {
        write,
        value,
        read_back: raw.read_back.as_ref().map(|name| name.value.clone()),
        unconfirmed: flag(raw.unconfirmed),
    }
}

/// Checks a list of them.
pub(super) fn setups(
    raw: Option<&[RawSetup]>,
    what: &str,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Vec<SetupWrite> {
    let raw = raw.unwrap_or_default();
    if let Some(beyond) = raw.get(SETUP_MAX) {
        let problem = format!("{what} has {} entries", raw.len());
        report.fault(beyond.at(), problem, "Write at most 16");
    }
    raw.iter()
        .map(|raw| setup(raw, what, context, report))
        .collect()
}
