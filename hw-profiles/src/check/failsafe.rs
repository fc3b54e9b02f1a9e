//! Checks what a device does by itself, and what keeps it from doing so.

use site_model::Milliamps;

use super::write::{self, limit_unit, raw_value, scale_of};
use super::{Context, flag};
use crate::fault::Report;
use crate::profile::{Failsafe, KeepAlive, LimitUnit, Scale, WriteRegister};
use crate::raw::{KeepAliveWord, RawFailsafe, RawFailsafeValue, RawKeepAlive, RawProfile};
use crate::read::Record;
use crate::unit::Dimension;

/// Base units per count of a value that is not there.
const ONE: Scale = Scale {
    numerator: 1,
    denominator: 1,
};

pub(super) fn failsafe(
    raw: &RawFailsafe,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Failsafe {
    if raw.current.is_none() && raw.timeout.is_none() && raw.timeout_default_ms.is_none() {
        let remedy = "Add `current`, `timeout` or `timeout_default_ms`, or remove the table";
        report.fault(raw.at(), "`failsafe` says nothing", remedy);
    }
    let current = raw.current.as_ref().map(|value| {
        let allowed = [Dimension::Current, Dimension::Power];
        failsafe_value(value, &allowed, "the failsafe current", context, report)
    });
    let timeout = raw.timeout.as_ref().map(|value| {
        failsafe_value(
            value,
            &[Dimension::Time],
            "the failsafe timeout",
            context,
            report,
        )
    });
    let read_back = |value: &Option<RawFailsafeValue>| {
        let name = value.as_ref().and_then(|value| value.read_back.as_ref());
        name.map(|name| name.value.clone())
    };
    let current_unit = raw
        .current
        .as_ref()
        .map_or(LimitUnit::Milliamps, |value| limit_unit(value.unit.value));
    let mut fixed = |raw: &Option<_>, what| {
        let raw = raw.as_ref()?;
        Some(write::setup(raw, what, context, report))
    };
    Failsafe {
        current_unit,
        current_scale: current.as_ref().map_or(ONE, |(_, scale)| *scale),
        current: current.map(|(write, _)| write),
        current_read_back: read_back(&raw.current),
        timeout_scale: timeout.as_ref().map_or(ONE, |(_, scale)| *scale),
        timeout: timeout.map(|(write, _)| write),
        timeout_read_back: read_back(&raw.timeout),
        timeout_default_ms: raw
            .timeout_default_ms
            .map_or(0, |value| u64::from(value.value)),
        factory_current: raw
            .factory_current_ma
            .map(|current| Milliamps(current.value)),
        enable: fixed(&raw.enable, "`failsafe.enable`"),
        persist: fixed(&raw.persist, "`failsafe.persist`"),
        unconfirmed: flag(raw.unconfirmed),
    }
}

fn failsafe_value(
    raw: &RawFailsafeValue,
    allowed: &[Dimension],
    what: &str,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> (WriteRegister, Scale) {
    let write = write::register(&raw.write, what, context, report);
    let scale = scale_of(raw.unit, raw.scale, allowed, what, report);
    if let Some(name) = &raw.read_back {
        context.register(name, report);
    }
    (write, scale)
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
        KeepAliveWord::RewriteTimeout => Some(KeepAlive::RewriteTimeout { interval_ms }),
        KeepAliveWord::WriteRegister => {
            let (write, value) = written(raw, context, report)?;
            Some(KeepAlive::WriteRegister {
                write,
                value,
                interval_ms,
            })
        }
        KeepAliveWord::LifeBit => life_bit(raw, interval_ms, context, report),
    }
}

fn written(
    raw: &RawKeepAlive,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<(WriteRegister, u64)> {
    let (Some(write), Some(value)) = (&raw.write, raw.value) else {
        let remedy = "Add `write` and `value`";
        report.fault(
            raw.kind.at,
            "`keep_alive` does not say what to write",
            remedy,
        );
        return None;
    };
    Some((
        write::register(write, "the keep-alive", context, report),
        raw_value(value, write, "`keep_alive.value`", report),
    ))
}

fn life_bit(
    raw: &RawKeepAlive,
    interval_ms: u64,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<KeepAlive> {
    let written = written(raw, context, report);
    let Some(name) = &raw.read_back else {
        let remedy = "Add `read_back`: the register that shows it";
        report.fault(raw.kind.at, "a life bit that cannot be read", remedy);
        return None;
    };
    context.register(name, report);
    let (write, value) = written?;
    Some(KeepAlive::LifeBit {
        write,
        value,
        read_back: name.value.clone(),
        cleared: raw.cleared.map_or(0, |cleared| cleared.value),
        interval_ms,
    })
}

/// `write` and `value` belong to write_register and life_bit, an interval to every kind but none.
fn check_keep_alive_keys(raw: &RawKeepAlive, report: &mut Report<'_>) {
    let life_bit = raw.kind.value == KeepAliveWord::LifeBit;
    let writes = life_bit || raw.kind.value == KeepAliveWord::WriteRegister;
    let keys = [
        ("write", raw.write.as_ref().map(Record::at), writes),
        ("value", raw.value.map(|value| value.at), writes),
        (
            "read_back",
            raw.read_back.as_ref().map(|name| name.at),
            life_bit,
        ),
        ("cleared", raw.cleared.map(|cleared| cleared.at), life_bit),
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
