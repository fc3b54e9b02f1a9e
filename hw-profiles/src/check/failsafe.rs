//! Checks what a device does by itself, and what keeps it from doing so.

use site_model::Milliamps;

use super::limit::IEC_61851_MAXIMUM_MA;
use super::write::{self, limit_unit, raw_value, scale_of};
use super::{Context, condition, flag, largest_raw};
use crate::fault::Report;
use crate::profile::{Failsafe, KeepAlive, LimitUnit, PollClass, Scale, WriteRegister};
use crate::raw::{
    KeepAliveWord, RawFailsafe, RawFailsafeValue, RawKeepAlive, RawProfile, RawRegister,
};
use crate::read::{At, Record};
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
) -> Option<Failsafe> {
    if raw.current.is_none() && raw.timeout.is_none() && raw.timeout_default_ms.is_none() {
        let remedy = "Add `current`, `timeout` or `timeout_default_ms`, or remove the table";
        report.fault(raw.at(), "`failsafe` says nothing", remedy);
    }
    check_factory(raw, report);
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
    let enable = raw.enable.as_ref();
    let enable = enable.map(|raw| write::setup(raw, "`failsafe.enable`", context, report));
    let persist = raw.persist.as_ref();
    let persist = persist.map(|raw| write::setup(raw, "`failsafe.persist`", context, report));
    let current_pause = raw.current.as_ref().and_then(|value| {
        let what = "`failsafe.current.pause_value`";
        Some(raw_value(value.pause_value?, &value.write, what, report))
    });
    let when = condition::check_all(raw.when.as_deref().unwrap_or_default(), context, report);
    Some(Failsafe {
        current_unit,
        current_pause,
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
        enable,
        persist,
        when: when?,
        unconfirmed: flag(raw.unconfirmed),
    })
}

/// What cannot be, or does nothing.
fn check_factory(raw: &RawFailsafe, report: &mut Report<'_>) {
    if let Some(At { value, at }) = raw.factory_current_ma
        && value > IEC_61851_MAXIMUM_MA
    {
        let problem = format!("`failsafe.factory_current_ma` is {value}");
        let remedy = "Write at most 80000, the most that IEC 61851-1 can signal";
        report.fault(at, problem, remedy);
    }
    if let Some(persist) = &raw.persist
        && raw.current.is_none()
        && raw.timeout.is_none()
        && raw.enable.is_none()
    {
        let remedy = "Add `current`, `timeout` or `enable`, or remove `persist`";
        report.fault(
            persist.at(),
            "`failsafe.persist` has nothing to store",
            remedy,
        );
    }
    let pause = raw.timeout.as_ref().and_then(|timeout| timeout.pause_value);
    if let Some(pause) = pause {
        let remedy = "Remove it: only a current has one";
        report.fault(pause.at, "`failsafe.timeout` has a `pause_value`", remedy);
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
    check_rewritten(raw, profile, report);
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
    let register = context.register(name, report);
    let (write, value) = written?;
    let cleared = raw.cleared.map_or(0, |cleared| cleared.value);
    let at = raw.cleared.map_or(raw.kind.at, |cleared| cleared.at);
    if cleared == value {
        let problem = format!("a life bit that is {value} when set and when cleared");
        report.fault(at, problem, "Correct `value` or `cleared`");
    }
    if let Some(register) = register {
        check_life_bit_register(name, register, value.max(cleared), report);
    }
    Some(KeepAlive::LifeBit {
        write,
        value,
        read_back: name.value.clone(),
        cleared,
        interval_ms,
    })
}

/// The register must show the values, and be read often.
fn check_life_bit_register(
    name: &At<String>,
    register: &RawRegister,
    largest: u64,
    report: &mut Report<'_>,
) {
    if largest > largest_raw(register.r#type.value) {
        let problem = format!("`{}` cannot show {largest}", name.value);
        report.fault(name.at, problem, "Correct its type, `value` or `cleared`");
    }
    if let Some(poll) = register.poll
        && poll.value == PollClass::Once
    {
        let problem = format!("the life bit needs `{}`, which is read once", name.value);
        report.fault(poll.at, problem, "Write `poll = \"fast\"` or `\"slow\"`");
    }
}

/// What is written again and again must be there, and must not wear out.
fn check_rewritten(raw: &RawKeepAlive, profile: &RawProfile, report: &mut Report<'_>) {
    let failsafe = profile.failsafe.as_ref();
    let has_timeout = failsafe.is_some_and(|failsafe| failsafe.timeout.is_some());
    if raw.kind.value == KeepAliveWord::RewriteTimeout && !has_timeout {
        let remedy = "Add `[failsafe.timeout]`, or correct the kind";
        report.fault(raw.kind.at, "no failsafe timeout to write again", remedy);
    }
    let volatile = profile.limit.as_ref().map(|limit| limit.volatile);
    if raw.kind.value == KeepAliveWord::RewriteLimit
        && let Some(At { value: false, at }) = volatile
    {
        let remedy = "Write `volatile = true` if it is, or another kind of keep-alive";
        report.fault(at, "a limit in flash is kept alive by writing it", remedy);
    }
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
