//! Checks how a charger switches between one phase and three.

use super::write::{self, raw_value, setups};
use super::{Context, condition, flag};
use crate::fault::Report;
use crate::profile::{PhaseReadBack, PhaseSwitch};
use crate::raw::RawPhaseSwitch;

pub(super) fn check(
    raw: &RawPhaseSwitch,
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
    let read_back = raw.read_back.as_ref().map(|read_back| {
        context.register(&read_back.register, report);
        PhaseReadBack {
            register: read_back.register.value.clone(),
            one: read_back.one.iter().map(|value| value.value).collect(),
            three: read_back.three.iter().map(|value| value.value).collect(),
        }
    });
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
