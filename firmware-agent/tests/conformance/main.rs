//! Every built-in profile through the real driver against the simulator, which holds the driver to
//! the device's rules: identify, read everything, start, limit, pause, switch phases, stay alive,
//! fall back, reboot; firmware variants, second connectors, other word orders and framings.
//!
//! In simulated time on lines inside the process. `-- --nocapture` prints profile × step.

mod broken;
mod charger;
mod meter;
mod rig;
mod table;
mod truth;
mod variants;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hw_profiles::{Kind, Profile, builtin};

use table::{Row, Table};

#[test]
#[expect(
    clippy::print_stdout,
    reason = "who wants the table asks for it with --nocapture"
)]
fn every_profile_conforms() {
    let wanted = std::env::var("DYNAMO_PROFILE").unwrap_or_default();
    let mut profiles: Vec<&Profile> = builtin()
        .iter()
        .filter(|profile| profile.id.contains(&wanted))
        .collect();
    // The longest first, so that no thread is left with one at the end.
    profiles.sort_by_key(|profile| std::cmp::Reverse(profile.registers.len()));
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(profile) = profiles.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = conform(profile);
                    rows.lock().expect("no thread panics").push(row);
                }
            });
        }
    });
    let table = Table::new(rows.into_inner().expect("no thread panics"));
    println!("{table}");
    assert!(!profiles.is_empty(), "no profile is called {wanted}");
    assert!(table.faults().is_empty(), "\n{}", table.faults().join("\n"));
}

#[test]
fn a_driver_that_breaks_a_rule_fails() {
    for (profile, wrong, told) in broken::drivers() {
        let faults = broken::faults(profile, wrong);
        let found = faults.iter().any(|fault| fault.contains(told));
        assert!(found, "{profile}: {told} is not among {faults:#?}");
    }
}

fn conform(profile: &Profile) -> Row {
    let mut row = Row::new(&profile.id);
    match profile.kind {
        Kind::Charger => charger::conform(profile, &mut row),
        Kind::Meter => meter::conform(profile, &mut row),
    }
    row
}
