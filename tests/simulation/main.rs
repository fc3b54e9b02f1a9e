//! A seeded world: a whole site with its gateway, the network and the cloud, through a day with every
//! fault. The parts are the real ones; clock, disk, network and hardware are modelled.
//! `cargo xtask simulate` sets how many seeds: `SIMULATE_FROM`, `SIMULATE_SEEDS`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot set up its world shall fail; what the runs have seen is part of their result"
)]

mod agenda;
mod cloud;
mod csms;
mod days;
mod disk;
mod faults;
mod gateway;
mod hardware;
mod journal;
mod life;
mod links;
mod model;
mod network;
mod orders;
mod place;
mod plan;
mod report;
mod settle;
mod uplink;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use report::Report;
use world::{Mutant, On, World};

/// Days that CI runs.
const SEEDS: u64 = 40;
/// Of these, days on real files.
const SEEDS_ON_FILES: u64 = 20;
const THREADS: usize = 2;

#[test]
fn a_day_with_every_fault_loses_doubles_and_misstates_nothing() {
    let wanted = |name: &str| std::env::var(name).ok()?.parse().ok();
    let from = wanted("SIMULATE_FROM").unwrap_or(0);
    let seeds = wanted("SIMULATE_SEEDS").unwrap_or(SEEDS);
    match run_all(from, seeds, On::ModelledDisk) {
        Ok(report) => println!("{report}"),
        Err(problem) => panic!("{problem}"),
    }
}

#[test]
fn the_same_days_on_real_files_end_the_same() {
    match run_all(0, SEEDS_ON_FILES, On::RealFiles) {
        Ok(report) => println!("on real files: {report}"),
        Err(problem) => panic!("{problem}"),
    }
}

#[test]
fn a_seed_runs_the_same_each_time() {
    let digest = || run(7, On::ModelledDisk, None).map(|report| report.digest);
    assert_eq!(digest(), digest());
}

#[test]
fn what_is_broken_on_purpose_is_found_out() {
    for mutant in Mutant::ALL {
        let seen = |seed| run(seed, On::ModelledDisk, Some(mutant)).err();
        let found = (0..20).find_map(seen);
        let found = found.unwrap_or_else(|| panic!("twenty days with {mutant:?} went unnoticed"));
        println!("{mutant:?}: {}", found.lines().next().unwrap_or_default());
    }
}

/// Where files are in memory; elsewhere they are only slower.
pub(crate) fn in_memory() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    if shared.is_dir() {
        shared
    } else {
        std::env::temp_dir()
    }
}

/// One seed's day. What was violated, with the seed to repeat it, if anything was.
fn run(seed: u64, on: On, mutant: Option<Mutant>) -> Result<Report, String> {
    let day = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed, on, mutant);
        let went = catch_unwind(AssertUnwindSafe(|| world.run()));
        (went, world)
    }));
    let told = |panic: Box<dyn std::any::Any + Send>| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        let text = text.unwrap_or_else(|| "it panicked".to_owned());
        format!(
            "seed {seed} ({on:?}): {text}\nrepeat with: cargo xtask simulate --from {seed} --seeds 1"
        )
    };
    match day {
        Ok((Ok(()), world)) => Ok(world.report),
        Ok((Err(panic), world)) => Err(format!("{}\nat {} ms", told(panic), world.now_ms)),
        Err(panic) => Err(told(panic)),
    }
}

/// Many seeds; stops at the first that fails.
fn run_all(from: u64, seeds: u64, on: On) -> Result<Report, String> {
    let next = AtomicU64::new(from);
    let all = Mutex::new((Report::default(), None::<String>));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        return;
                    }
                    let went = run(seed, on, None);
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    match went {
                        Ok(report) => all.0.merge(&report),
                        Err(problem) => {
                            next.store(from + seeds, Ordering::Relaxed);
                            all.1.get_or_insert(problem);
                        }
                    }
                }
            });
        }
    });
    let (report, problem) = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    problem.map_or(Ok(report), Err)
}
