//! Checks that what is written does not overlap.

use super::type_of;
use crate::fault::Report;
use crate::raw::{RawProfile, RawWrite};

/// Limit, pause switch and failsafe must be different registers.
pub(super) fn check(raw: &RawProfile, report: &mut Report<'_>) {
    let limit = raw.limit.as_ref();
    let switch = limit.and_then(|limit| limit.pause_switch.as_ref());
    let failsafe = raw.failsafe.as_ref();
    let writes = [
        ("the limit", limit.map(|limit| &limit.write)),
        ("the pause switch", switch.map(|switch| &switch.write)),
        (
            "the failsafe current",
            failsafe.and_then(|f| Some(&f.current.as_ref()?.write)),
        ),
        (
            "the failsafe timeout",
            failsafe.and_then(|f| Some(&f.timeout.as_ref()?.write)),
        ),
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
