//! Thirty days without the cloud: how large the journal is, how fast the cloud gets it, how late live state is.

use demo::Binaries;
use scenarios::catch_up;

use crate::{Figure, median};

const DAYS: u32 = 30;

pub(crate) async fn figures() -> anyhow::Result<Vec<Figure>> {
    let binaries = Binaries::beside_this_program()?;
    let mut seen = catch_up(&binaries, DAYS).await?;
    let happened = seen.happened;
    anyhow::ensure!(
        seen.stored == (happened.sessions, happened.energy_wh),
        "{:?} in the cloud, {happened:?}",
        seen.stored
    );
    let mib = f64::from(u32::try_from(seen.bytes_on_disk / 1024)?) / 1024.0;
    let worst = seen.delays_during.iter().copied().fold(0.0, f64::max);
    let kept = format!("{} facts, {} sessions", happened.facts, happened.sessions);
    Ok(vec![
        Figure::report("catch-up: kept of 30 days, 32 connectors", kept),
        Figure::report("catch-up: journal after 30 days", format!("{mib:.1} MiB")),
        Figure::report(
            "catch-up: until the cloud has it",
            format!("{:.1} s", seen.took.as_secs_f64()),
        ),
        Figure::at_least(
            "catch-up: facts per second into the cloud",
            seen.facts_per_s(),
            5_000.0,
        ),
        Figure::report(
            "catch-up: change to REST meanwhile, median",
            format!("{:.0} ms", median(&mut seen.delays_during)),
        ),
        Figure::report(
            "catch-up: change to REST meanwhile, longest",
            format!("{worst:.0} ms"),
        ),
        Figure::report(
            "catch-up: change to REST afterwards, median",
            format!("{:.0} ms", median(&mut seen.delays_after)),
        ),
    ])
}
