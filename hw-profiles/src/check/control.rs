//! Checks what is written: limit, pause, failsafe and keep-alive.

use site_model::Milliamps;

use super::{Context, condition, is_text, largest_count, largest_raw, type_of};
use crate::fault::Report;
use crate::profile::{
    Access, Failsafe, KeepAlive, LimitControl, LimitUnit, PauseControl, Quantity, Scale,
    WriteRegister,
};
use crate::raw::{
    KeepAliveWord, RawFailsafe, RawFailsafeValue, RawKeepAlive, RawLimit, RawProfile, RawWrite,
};
use crate::read::{At, Record};
use crate::unit::{Decimal, Dimension, Unit};

/// Highest current that a control pilot can signal (IEC 61851-1, table A.8: duty cycle 96 %).
const IEC_61851_MAXIMUM_MA: u32 = 80_000;
/// What a limit in watts is converted with: three phases of 230 V, the most it can become.
const WATTS_PER_AMP: u64 = 3 * 230;

fn write_register(
    raw: &RawWrite,
    what: &str,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> WriteRegister {
    let word = raw.r#type.value;
    let ty = type_of(word, 1);
    if is_text(word) {
        let problem = format!("{what} is written as text");
        report.fault(raw.r#type.at, problem, "Use a number type");
    } else if ty.count() > 1 && raw.function.value == Access::Single {
        let problem = format!(
            "{what} takes {} registers, function 6 writes one",
            ty.count()
        );
        report.fault(raw.function.at, problem, "Write `function = 16`");
    }
    if u32::from(raw.address.value) + u32::from(ty.count()) > 0x1_0000 {
        let problem = format!("{what} runs beyond address 65535");
        report.fault(raw.address.at, problem, "Correct the address or the type");
    }
    WriteRegister {
        address: raw.address.value,
        ty,
        words: raw.words.map_or(context.words, |words| words.value),
        access: raw.function.value,
    }
}

/// A raw value must fit the register that it is written to.
fn raw_value(value: At<u64>, write: &RawWrite, what: &str, report: &mut Report<'_>) -> u64 {
    let largest = largest_raw(write.r#type.value);
    if value.value > largest {
        let problem = format!("{what} {} does not fit its register", value.value);
        report.fault(value.at, problem, format!("Write at most {largest}"));
    }
    value.value
}

/// Base units per count, of the dimensions allowed here.
fn scale_of(
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

pub(super) fn limit(
    raw: &RawLimit,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<LimitControl> {
    let write = write_register(&raw.write, "the limit", context, report);
    let allowed = [Dimension::Current, Dimension::Power];
    let scale = scale_of(raw.unit, raw.scale, &allowed, "the limit", report);
    let unit = match raw.unit.value.dimension() {
        Dimension::Power => LimitUnit::Watts,
        Dimension::Current
        | Dimension::Voltage
        | Dimension::ApparentPower
        | Dimension::Energy
        | Dimension::ApparentEnergy
        | Dimension::Frequency
        | Dimension::Time => LimitUnit::Milliamps,
    };
    check_range(raw, unit, scale, report);
    let pause = pause(raw, unit, scale, context, report);
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
        let write = write_register(&switch.write, "the pause switch", context, report);
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

pub(super) fn failsafe(
    raw: &RawFailsafe,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Failsafe> {
    let current_what = "the failsafe current";
    let timeout_what = "the failsafe timeout";
    let (current, current_scale) = failsafe_value(
        &raw.current,
        Dimension::Current,
        current_what,
        context,
        report,
    );
    let (timeout, timeout_scale) =
        failsafe_value(&raw.timeout, Dimension::Time, timeout_what, context, report);
    let read_back = |value: &RawFailsafeValue| value.read_back.as_ref().map(|n| n.value.clone());
    Some(Failsafe {
        current,
        current_scale,
        timeout,
        timeout_scale,
        timeout_default_ms: raw
            .timeout_default_ms
            .map_or(0, |value| u64::from(value.value)),
        current_read_back: read_back(&raw.current),
        timeout_read_back: read_back(&raw.timeout),
    })
}

fn failsafe_value(
    raw: &RawFailsafeValue,
    dimension: Dimension,
    what: &str,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> (WriteRegister, Scale) {
    let write = write_register(&raw.write, what, context, report);
    let scale = scale_of(raw.unit, raw.scale, &[dimension], what, report);
    if let Some(name) = &raw.read_back {
        context.register(name, report);
    }
    (write, scale)
}

/// Limit, pause switch and failsafe must be different registers.
pub(super) fn overlapping_writes(raw: &RawProfile, report: &mut Report<'_>) {
    let limit = raw.limit.as_ref();
    let switch = limit.and_then(|limit| limit.pause_switch.as_ref());
    let failsafe = raw.failsafe.as_ref();
    let writes = [
        ("the limit", limit.map(|limit| &limit.write)),
        ("the pause switch", switch.map(|switch| &switch.write)),
        ("the failsafe current", failsafe.map(|f| &f.current.write)),
        ("the failsafe timeout", failsafe.map(|f| &f.timeout.write)),
    ];
    let extent = |write: &RawWrite| {
        let start = u32::from(write.address.value);
        (
            start,
            start + u32::from(type_of(write.r#type.value, 1).count()),
        )
    };
    for (index, (right_name, right)) in writes.iter().enumerate() {
        for (left_name, left) in &writes[..index] {
            let (Some(left), Some(right)) = (left, right) else {
                continue;
            };
            let ((left_start, left_end), (right_start, right_end)) = (extent(left), extent(right));
            if left_start < right_end && right_start < left_end {
                let problem = format!("{right_name} overlaps {left_name} at address {right_start}");
                report.fault(right.address.at, problem, "Correct an address or a type");
            }
        }
    }
}

pub(super) fn keep_alive(
    raw: &RawKeepAlive,
    profile: &RawProfile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<KeepAlive> {
    check_keep_alive_keys(raw, report);
    if raw.kind.value == KeepAliveWord::None {
        return Some(KeepAlive::None);
    }
    let interval_ms = interval(raw, profile, report)?;
    match raw.kind.value {
        KeepAliveWord::None => Some(KeepAlive::None),
        KeepAliveWord::AnyRequest => Some(KeepAlive::AnyRequest { interval_ms }),
        KeepAliveWord::RewriteLimit => Some(KeepAlive::RewriteLimit { interval_ms }),
        KeepAliveWord::WriteRegister => {
            let (Some(write), Some(value)) = (&raw.write, raw.value) else {
                let remedy = "Add `write` and `value`";
                report.fault(
                    raw.kind.at,
                    "`keep_alive` does not say what to write",
                    remedy,
                );
                return None;
            };
            Some(KeepAlive::WriteRegister {
                write: write_register(write, "the keep-alive", context, report),
                value: raw_value(value, write, "`keep_alive.value`", report),
                interval_ms,
            })
        }
    }
}

/// `write` and `value` belong to write_register, an interval to every kind but none.
fn check_keep_alive_keys(raw: &RawKeepAlive, report: &mut Report<'_>) {
    let writes = raw.kind.value == KeepAliveWord::WriteRegister;
    let keys = [
        ("write", raw.write.as_ref().map(Record::at), writes),
        ("value", raw.value.map(|value| value.at), writes),
        (
            "interval_ms",
            raw.interval_ms.map(|interval| interval.at),
            raw.kind.value != KeepAliveWord::None,
        ),
    ];
    for (key, at, belongs) in keys {
        if let Some(at) = at
            && !belongs
        {
            let problem = format!("`keep_alive.{key}` does not belong to this kind");
            report.fault(at, problem, format!("Remove `{key}`, or correct the kind"));
        }
    }
}

fn interval(raw: &RawKeepAlive, profile: &RawProfile, report: &mut Report<'_>) -> Option<u64> {
    let Some(interval) = raw.interval_ms else {
        let remedy = "Add `interval_ms`: at least how often";
        report.fault(raw.kind.at, "`keep_alive` has no interval", remedy);
        return None;
    };
    let ms = interval.value;
    let write_interval = profile
        .link
        .write_interval_ms
        .map_or(0, |write| write.value);
    let timeout = profile
        .failsafe
        .as_ref()
        .and_then(|failsafe| failsafe.timeout_default_ms)
        .map_or(0, |timeout| timeout.value);
    if ms == 0 {
        report.fault(
            interval.at,
            "`keep_alive.interval_ms` is 0",
            "Write at least 1",
        );
    } else if raw.kind.value == KeepAliveWord::RewriteLimit && ms < write_interval {
        let problem = format!(
            "the limit is kept alive every {ms} ms, but may be written every {write_interval} ms"
        );
        report.fault(
            interval.at,
            problem,
            "Write at least `link.write_interval_ms`",
        );
    } else if timeout > 0 && ms >= timeout {
        let problem =
            format!("kept alive every {ms} ms, but the device falls back after {timeout} ms");
        report.fault(
            interval.at,
            problem,
            "Write less than `failsafe.timeout_default_ms`",
        );
    }
    Some(u64::from(ms))
}
