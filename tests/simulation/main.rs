//! A seeded world: a whole site with its gateway, the network and the cloud, through a day with every
//! fault. The parts are the real ones; clock, disk, network and hardware are modelled.
//! `cargo xtask simulate` sets how many seeds: `SIMULATE_FROM`, `SIMULATE_SEEDS`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot set up its world shall fail; what the runs have seen is part of their result"
)]

mod agenda;
mod clock;
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
mod mutants;
mod network;
mod orders;
mod place;
mod plan;
mod report;
mod settle;
mod times;
mod uplink;
mod world;

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use mutants::Mutant;
use report::Report;
use world::{On, World};

/// Days that `cargo test` runs. Of those behind them some are open: docs/reliability.md.
const SEEDS: u64 = 84;
/// Of these, days on real files.
const SEEDS_ON_FILES: u64 = 20;
/// So many seeds fail before a run stops.
const FAILURES_MAX: usize = 5;
const PROGRESS_EVERY: u64 = 25;

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

/// Many seeds, on every core, with a line now and then; stops when several have failed.
fn run_all(from: u64, seeds: u64, on: On) -> Result<Report, String> {
    let next = AtomicU64::new(from);
    let (report, finished) = mpsc::channel();
    let mut all = Report::default();
    let mut problems = Vec::new();
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        for _ in 0..threads {
            let (next, report) = (&next, report.clone());
            scope.spawn(move || {
                while let Some(seed) = take(next, from + seeds) {
                    report.send(run(seed, on, None)).unwrap();
                }
            });
        }
        drop(report);
        while let Some(went) = next_report(&finished, &all, seeds) {
            match went {
                Ok(report) => all.merge(&report),
                Err(problem) => {
                    println!("{problem}");
                    problems.push(problem);
                }
            }
            if problems.len() == FAILURES_MAX {
                next.store(from + seeds, Ordering::Relaxed);
            }
        }
    });
    if problems.is_empty() {
        return Ok(all);
    }
    let failed = problems.len();
    Err(format!("{failed} seeds failed:\n{}", problems.join("\n")))
}

fn take(next: &AtomicU64, end: u64) -> Option<u64> {
    let seed = next.fetch_add(1, Ordering::Relaxed);
    (seed < end).then_some(seed)
}

/// Waits for a day to end; says now and then how far the run is.
fn next_report(
    finished: &mpsc::Receiver<Result<Report, String>>,
    all: &Report,
    seeds: u64,
) -> Option<Result<Report, String>> {
    if all.seeds > 0 && all.seeds.is_multiple_of(PROGRESS_EVERY) {
        println!(
            "{} of {seeds} days, {} sessions",
            all.seeds,
            all.times("sessions")
        );
    }
    finished.recv().ok()
}
