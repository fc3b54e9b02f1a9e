//! Checks the current limit of a charger and how it is paused.

use std::collections::BTreeMap;

use site_model::Milliamps;

use super::write::{self, limit_unit, raw_value, scale_of};
use super::{Context, condition, flag, largest_count};
use crate::fault::Report;
use crate::profile::{LimitControl, LimitUnit, PauseControl, Quantity, Scale, SetpointMeaning};
use crate::raw::RawLimit;
use crate::unit::Dimension;

/// Highest current that a control pilot can signal (IEC 61851-1, table A.8: duty cycle 96 %).
const IEC_61851_MAXIMUM_MA: u32 = 80_000;
/// What a limit in watts is converted with: three phases of 230 V, the most it can become.
const WATTS_PER_AMP: u64 = 3 * 230;

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
    let meanings = meanings(raw, report);
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
fn counts(current_ma: u32, unit: LimitUnit, scale: Scale) -> u64 {
    let base = match unit {
        LimitUnit::Milliamps => u64::from(current_ma),
        LimitUnit::Watts => u64::from(current_ma) * WATTS_PER_AMP / 1_000,
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
    let highest = counts(maximum.value, unit, scale);
    if highest > largest {
        let problem =
            format!("`limit.maximum_ma` is {highest} counts, its register holds {largest}");
        report.fault(
            maximum.at,
            problem,
            "Correct the type, the unit or the scale",
        );
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
        return Some(PauseControl::Switch {
            write,
            pause: raw_value(switch.pause, &switch.write, "`pause`", report),
            resume: raw_value(switch.resume, &switch.write, "`resume`", report),
        });
    }
    let value = raw.pause_value?;
    let limits =
        counts(raw.minimum_ma.value, unit, scale)..=counts(raw.maximum_ma.value, unit, scale);
    if limits.contains(&value.value) {
        let problem = format!("`limit.pause_value` {} is also a limit", value.value);
        let remedy = format!(
            "Write a value outside {} to {}",
            limits.start(),
            limits.end()
        );
        report.fault(value.at, problem, remedy);
    }
    let value = raw_value(value, &raw.write, "`limit.pause_value`", report);
    Some(PauseControl::Value(value))
}

/// A raw value has one meaning, and pausing is told by `pause_value` alone.
fn meanings(raw: &RawLimit, report: &mut Report<'_>) -> Vec<(u64, SetpointMeaning)> {
    let mut known: BTreeMap<u64, SetpointMeaning> = BTreeMap::new();
    for meaning in raw.meanings.iter().flatten() {
        let what = "`limit.meanings` with";
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
    if quantity != Some(Quantity::CurrentLimit) {
        let problem = format!(
            "`limit.read_back` names `{}`, which is no current limit",
            name.value
        );
        let remedy = "Give that register `quantity = \"current_limit\"`";
        report.fault(name.at, problem, remedy);
    }
}
