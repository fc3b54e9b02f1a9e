//! Checks how a charger switches between one phase and three.

use super::write::{self, raw_value, setups};
use super::{Context, condition, flag, is_float, is_text, largest_raw};
use crate::fault::Report;
use crate::profile::{PhaseReadBack, PhaseSwitch, Quantity};
use crate::raw::{RawPhaseReadBack, RawPhaseSwitch, RawProfile, RawRegister};
use crate::read::{At, Record};

pub(super) fn check(
    raw: &RawPhaseSwitch,
    profile: &RawProfile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<PhaseSwitch> {
    let write = write::register(&raw.write, "the phase switch", context, report);
    let one = raw_value(raw.one, &raw.write, "`phase_switch.one`", report);
    let three = raw_value(raw.three, &raw.write, "`phase_switch.three`", report);
    if one == three {
        let problem = format!("`phase_switch` writes {one} for one phase and for three");
        report.fault(raw.three.at, problem, "Correct one of the two");
    }
    let read_back = raw.read_back.as_ref();
    let read_back = read_back.map(|read_back| check_read_back(read_back, context, report));
    check_seen(raw, context, report);
    check_pause(raw, profile, report);
    let setup = setups(
        raw.setup.as_deref(),
        "`phase_switch.setup`",
        context,
        report,
    );
    let when = condition::check_all(raw.when.as_deref().unwrap_or_default(), context, report);
    Some(PhaseSwitch {
        write,
        one,
        three,
        read_back,
        only_paused: flag(raw.only_paused),
        settle_ms: raw.settle_ms.map_or(0, |settle| u64::from(settle.value)),
        setup,
        when: when?,
        unconfirmed: flag(raw.unconfirmed),
    })
}

fn check_read_back(
    raw: &RawPhaseReadBack,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> PhaseReadBack {
    let register = context.register(&raw.register, report);
    let word = register.map(|register| register.r#type.value);
    let name = &raw.register.value;
    if word.is_some_and(|word| is_text(word) || is_float(word)) {
        let problem = format!("`{name}` tells the phases, but is no integer");
        report.fault(raw.register.at, problem, "Name an integer register");
    }
    for (key, values) in [("one", &raw.one), ("three", &raw.three)] {
        if values.is_empty() {
            let problem = format!("`phase_switch.read_back.{key}` is empty");
            report.fault(raw.at(), problem, "Write at least one value");
        }
        for value in values {
            let largest = word.map_or(u64::MAX, largest_raw);
            if value.value > largest {
                let problem = format!("`{name}` is never {}", value.value);
                report.fault(value.at, problem, format!("Write at most {largest}"));
            }
        }
    }
    let both = |value: &&At<u64>| raw.one.iter().any(|one| one.value == value.value);
    if let Some(value) = raw.three.iter().find(both) {
        let problem = format!("`{name}` says one phase and three with {}", value.value);
        report.fault(value.at, problem, "Keep it in one of the two");
    }
    PhaseReadBack {
        register: name.clone(),
        one: raw.one.iter().map(|value| value.value).collect(),
        three: raw.three.iter().map(|value| value.value).collect(),
    }
}

/// Somebody must be able to see whether the phases changed.
fn check_seen(raw: &RawPhaseSwitch, context: &Context<'_>, report: &mut Report<'_>) {
    let mut registers = context.registers.values();
    let quantity = |register: &RawRegister| register.quantity.map(|quantity| quantity.value);
    let seen = registers.any(|register| quantity(register) == Some(Quantity::CurrentL2));
    if raw.read_back.is_none() && !seen {
        let remedy = "Add `read_back`, or a register of quantity `current_l2`, which shows them";
        report.fault(raw.at(), "a phase switch that nothing confirms", remedy);
    }
}

/// What is refused while charging needs a way to pause.
fn check_pause(raw: &RawPhaseSwitch, profile: &RawProfile, report: &mut Report<'_>) {
    let limit = profile.limit.as_ref();
    let can_pause =
        limit.is_some_and(|limit| limit.pause_value.is_some() || limit.pause_switch.is_some());
    if let Some(At { value: true, at }) = raw.only_paused
        && !can_pause
    {
        let remedy = "Add `limit.pause_value` or `[limit.pause_switch]`, or remove `only_paused`";
        report.fault(
            at,
            "a charger that cannot be paused for its phase switch",
            remedy,
        );
    }
}
