//! From a change of a charger's register to REST.

use std::time::Duration;

use anyhow::Context as _;
use simulator::Ev;
use tokio::time::{Instant, sleep};

use scenarios::Stage;

use crate::{Figure, median};

const VISITS: u64 = 30;
/// `poll_interval_ms` of a device that the configuration says nothing of.
const DEFAULT_POLL_INTERVAL_MS: u64 = 500;

pub(crate) async fn figures() -> anyhow::Result<Vec<Figure>> {
    let stage = Stage::up(2).await?;

    let mut figures = Vec::new();
    for (charge_point, profile) in [
        ("CP-LEFT", "heidelberg-energy-control"),
        ("CP-BACK", "bender-cc612"),
    ] {
        let connector = stage.connector(charge_point)?;
        let profile = hw_profiles::find(profile).context("a built-in profile is missing")?;
        let poll_interval = profile.link.read_interval_ms.max(DEFAULT_POLL_INTERVAL_MS);
        let mut delays = Vec::new();
        for visit in 0..VISITS {
            // Changes fall anywhere between two polls.
            sleep(Duration::from_millis(700 + 37 * (visit % 14))).await;
            let arrives = visit % 2 == 0;
            if arrives {
                connector.charger.plug_in(Ev {
                    ready_after_ms: 600_000,
                    ..Ev::three_phase_11_kw()
                });
            } else {
                connector.charger.unplug();
            }
            let wanted = if arrives { "Preparing" } else { "Available" };
            let began = Instant::now();
            while stage.api.status(charge_point).await?["connectors"][0]["status"] != wanted {
                anyhow::ensure!(
                    began.elapsed() < Duration::from_secs(10),
                    "{charge_point} did not become {wanted}"
                );
                sleep(Duration::from_millis(2)).await;
            }
            delays.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        figures.push(Figure::at_most(
            format!("{charge_point}: register change to REST, median of {VISITS} (polled every {poll_interval} ms)"),
            median(&mut delays),
            f64::from(u32::try_from(poll_interval)?) + 50.0,
            "ms",
        ));
    }
    Ok(figures)
}
