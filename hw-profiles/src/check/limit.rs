//! Checks the current limit of a charger and how it is paused.

use std::collections::BTreeMap;

use site_model::Milliamps;

use super::write::{self, limit_unit, raw_value, scale_of};
use super::{Context, condition, flag, is_float, largest_count};
use crate::fault::Report;
use crate::profile::{LimitControl, LimitUnit, PauseControl, Quantity, Scale, SetpointMeaning};
use crate::raw::RawLimit;
use crate::read::At;
use crate::unit::Dimension;

/// Highest current that a control pilot can signal (IEC 61851-1, table A.8: duty cycle 96 %).
pub(super) const IEC_61851_MAXIMUM_MA: u32 = 80_000;
/// What a limit in watts is converted with: 230 V, on one phase to three.
const NOMINAL_V: u64 = 230;

pub(super) fn check(
    raw: &RawLimit,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<LimitControl> {
    let write = write::register(&raw.write, "the limit", context, report);
    let allowed = [Dimension::Current, Dimension::Power];
    let scale = scale_of(raw.unit, raw.scale, &allowed, "the limit", report);
    let unit = limit_unit(raw.unit.value);
    check_range(raw, unit, scale, report);
    let pause = pause(raw, unit, scale, context, report);
    let meanings = meanings(raw, unit, scale, report);
    check_read_back(raw, context, report);
    let paused_when = raw.paused_when.as_deref().unwrap_or_default();
    Some(LimitControl {
        write,
        unit,
        scale,
        minimum: Milliamps(raw.minimum_ma.value),
        maximum: Milliamps(raw.maximum_ma.value),
        pause,
        read_back: raw.read_back.as_ref().map(|name| name.value.clone()),
        paused_when: condition::check_all(paused_when, context, report)?,
        volatile: raw.volatile.value,
        meanings,
        unconfirmed: flag(raw.unconfirmed),
    })
}

/// Counts of the set-point for a current, rounded down as the driver does.
fn counts(current_ma: u32, phases: u64, unit: LimitUnit, scale: Scale) -> u64 {
    let base = match unit {
        LimitUnit::Milliamps => u64::from(current_ma),
        LimitUnit::Watts => u64::from(current_ma) * NOMINAL_V * phases / 1_000,
    };
    base.saturating_mul(scale.denominator) / scale.numerator
}

fn check_range(raw: &RawLimit, unit: LimitUnit, scale: Scale, report: &mut Report<'_>) {
    let (minimum, maximum) = (raw.minimum_ma, raw.maximum_ma);
    let iec_minimum = Milliamps::IEC_61851_MINIMUM.0;
    if minimum.value < iec_minimum {
        let problem = format!("`limit.minimum_ma` is {}", minimum.value);
        let remedy = "Write at least 6000, the least that IEC 61851-1 offers while charging";
        report.fault(minimum.at, problem, remedy);
    }
    if maximum.value < minimum.value {
        let problem = format!(
            "`limit.maximum_ma` is {}, less than the minimum",
            maximum.value
        );
        report.fault(maximum.at, problem, "Write at least `limit.minimum_ma`");
    }
    if maximum.value > IEC_61851_MAXIMUM_MA {
        let problem = format!("`limit.maximum_ma` is {}", maximum.value);
        let remedy = "Write at most 80000, the most that IEC 61851-1 can signal";
        report.fault(maximum.at, problem, remedy);
    }
    let largest = largest_count(raw.write.r#type.value);
    let highest = counts(maximum.value, 3, unit, scale);
    if highest > largest {
        let problem =
            format!("`limit.maximum_ma` is {highest} counts, its register holds {largest}");
        report.fault(
            maximum.at,
            problem,
            "Correct the type, the unit or the scale",
        );
    }
    check_minimum(raw, unit, scale, report);
}

/// A minimum between two counts would be rounded down, below what the device accepts.
fn check_minimum(raw: &RawLimit, unit: LimitUnit, scale: Scale, report: &mut Report<'_>) {
    let is_whole = match unit {
        LimitUnit::Milliamps => !is_float(raw.write.r#type.value),
        LimitUnit::Watts => false,
    };
    let minimum = u64::from(raw.minimum_ma.value);
    let counts = minimum * scale.denominator;
    if is_whole && !counts.is_multiple_of(scale.numerator) {
        let next = (counts / scale.numerator + 1) * scale.numerator;
        let problem = format!("`limit.minimum_ma` {minimum} is no whole number of counts");
        let remedy = format!(
            "Correct the scale, or write {}, the next that can be set",
            next.div_ceil(scale.denominator)
        );
        report.fault(raw.minimum_ma.at, problem, remedy);
    }
}

fn pause(
    raw: &RawLimit,
    unit: LimitUnit,
    scale: Scale,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<PauseControl> {
    if let (Some(value), Some(_)) = (raw.pause_value, &raw.pause_switch) {
        let remedy = "Keep the one that the device honours";
        report.fault(value.at, "both `pause_value` and `pause_switch`", remedy);
    }
    if let Some(switch) = &raw.pause_switch {
        let write = write::register(&switch.write, "the pause switch", context, report);
        if switch.pause.value == switch.resume.value {
            let problem = format!("{} pauses and resumes", switch.pause.value);
            report.fault(switch.resume.at, problem, "Correct `pause` or `resume`");
        }
        return Some(PauseControl::Switch {
            write,
            pause: raw_value(switch.pause, &switch.write, "`pause`", report),
            resume: raw_value(switch.resume, &switch.write, "`resume`", report),
        });
    }
    let value = raw.pause_value?;
    check_no_limit(value, "`limit.pause_value`", raw, unit, scale, report);
    let value = raw_value(value, &raw.write, "`limit.pause_value`", report);
    Some(PauseControl::Value(value))
}

/// A raw value with a meaning of its own must not be what a current is written as.
fn check_no_limit(
    value: At<u64>,
    what: &str,
    raw: &RawLimit,
    unit: LimitUnit,
    scale: Scale,
    report: &mut Report<'_>,
) {
    let lowest = counts(raw.minimum_ma.value, 1, unit, scale);
    let highest = counts(raw.maximum_ma.value, 3, unit, scale);
    if (lowest..=highest).contains(&value.value) && !is_float(raw.write.r#type.value) {
        let problem = format!("{what} {} is also a limit", value.value);
        let remedy = format!("Write a value outside {lowest} to {highest}");
        report.fault(value.at, problem, remedy);
    }
}

/// A raw value has one meaning, and pausing is told by `pause_value` alone.
fn meanings(
    raw: &RawLimit,
    unit: LimitUnit,
    scale: Scale,
    report: &mut Report<'_>,
) -> Vec<(u64, SetpointMeaning)> {
    let mut known: BTreeMap<u64, SetpointMeaning> = BTreeMap::new();
    for meaning in raw.meanings.iter().flatten() {
        let what = "`limit.meanings` with";
        check_no_limit(meaning.value, what, raw, unit, scale, report);
        let value = raw_value(meaning.value, &raw.write, what, report);
        if raw.pause_value.is_some_and(|pause| pause.value == value) {
            let problem = format!("`limit.pause_value` {value} has another meaning besides");
            report.fault(
                meaning.value.at,
                problem,
                "Keep the one that the device follows",
            );
        }
        if known.insert(value, meaning.means.value).is_some() {
            let problem = format!("`limit.meanings` tells {value} twice");
            report.fault(
                meaning.value.at,
                problem,
                "Keep the one that the device follows",
            );
        }
    }
    known.into_iter().collect()
}

fn check_read_back(raw: &RawLimit, context: &Context<'_>, report: &mut Report<'_>) {
    let Some(name) = &raw.read_back else {
        return;
    };
    let Some(register) = context.register(name, report) else {
        return;
    };
    let quantity = register.quantity.map(|quantity| quantity.value);
    let in_watts = limit_unit(raw.unit.value) == LimitUnit::Watts;
    let fits = match quantity {
        Some(Quantity::CurrentLimit) => true,
        Some(Quantity::PowerLimit) => in_watts,
        Some(_) | None => false,
    };
    if !fits {
        let problem = format!(
            "`limit.read_back` names `{}`, which is no limit",
            name.value
        );
        let remedy = if in_watts {
            "Give that register `quantity = \"current_limit\"` or `\"power_limit\"`"
        } else {
            "Give that register `quantity = \"current_limit\"`"
        };
        report.fault(name.at, problem, remedy);
    }
}
