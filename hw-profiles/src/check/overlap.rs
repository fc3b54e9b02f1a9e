//! Checks that what is written does not overlap, but for fixed values, which may share a register.

use crate::fault::Report;
use crate::profile::Access;
use crate::raw::{RawProfile, RawSetup, RawWrite};

use super::type_of;

/// Limit, pause switch, failsafe, keep-alive and phase switch must be different registers, and no
/// fixed value may be written to one of them.
pub(super) fn check(raw: &RawProfile, report: &mut Report<'_>) {
    let limit = raw.limit.as_ref();
    let switch = limit.and_then(|limit| limit.pause_switch.as_ref());
    let failsafe = raw.failsafe.as_ref();
    let current = failsafe.and_then(|failsafe| failsafe.current.as_ref());
    let timeout = failsafe.and_then(|failsafe| failsafe.timeout.as_ref());
    let keep_alive = raw.keep_alive.as_ref();
    let phases = raw.phase_switch.as_ref();
    let controls = [
        ("the limit", limit.map(|limit| &limit.write)),
        ("the pause switch", switch.map(|switch| &switch.write)),
        ("the failsafe current", current.map(|value| &value.write)),
        ("the failsafe timeout", timeout.map(|value| &value.write)),
        (
            "the keep-alive",
            keep_alive.and_then(|kept| kept.write.as_ref()),
        ),
        ("the phase switch", phases.map(|phases| &phases.write)),
    ];
    let controls: Vec<(&str, &RawWrite)> = controls
        .into_iter()
        .filter_map(|(name, write)| Some((name, write?)))
        .collect();
    for (index, (name, write)) in controls.iter().enumerate() {
        check_against(name, write, &controls[..index], report);
    }
    for (name, setup) in fixed(raw) {
        check_against(name, &setup.write, &controls, report);
    }
}

/// Every fixed value that is written, with its name in messages.
fn fixed(raw: &RawProfile) -> Vec<(&'static str, &RawSetup)> {
    let failsafe = raw.failsafe.as_ref();
    let enable = failsafe.and_then(|failsafe| failsafe.enable.as_ref());
    let persist = failsafe.and_then(|failsafe| failsafe.persist.as_ref());
    let phases = raw.phase_switch.iter().flat_map(|phases| &phases.setup);
    let setup = raw.setup.iter().flatten().map(|setup| ("a set-up", setup));
    let phases = phases
        .flatten()
        .map(|setup| ("a set-up of the phases", setup));
    let enable = enable.map(|setup| ("the failsafe's `enable`", setup));
    let persist = persist.map(|setup| ("the failsafe's `persist`", setup));
    setup.chain(phases).chain(enable).chain(persist).collect()
}

fn check_against(
    name: &str,
    write: &RawWrite,
    earlier: &[(&str, &RawWrite)],
    report: &mut Report<'_>,
) {
    let is_coil = |write: &RawWrite| write.function.value == Access::Coil;
    for (other_name, other) in earlier {
        if is_coil(write) == is_coil(other) && meet(extent(write), extent(other)) {
            let address = write.address.value;
            let problem = format!("{name} overlaps {other_name} at address {address}");
            report.fault(write.address.at, problem, "Correct an address or a type");
        }
    }
}

fn extent(write: &RawWrite) -> (u16, u16) {
    let repeat = write.repeat.map_or(1, |repeat| u16::from(repeat.value));
    let count = type_of(write.r#type.value, 1).count();
    (write.address.value, count.saturating_mul(repeat))
}

/// Whether two extents (address and count) share an address.
pub(super) fn meet(left: (u16, u16), right: (u16, u16)) -> bool {
    let start = |extent: (u16, u16)| u32::from(extent.0);
    let end = |extent: (u16, u16)| start(extent) + u32::from(extent.1);
    start(left) < end(right) && start(right) < end(left)
}
