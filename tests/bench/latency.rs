//! From a change of a charger's register to REST.

use std::time::Duration;

use anyhow::Context as _;
use simulator::Ev;
use tokio::time::{Instant, sleep};

use crate::{Figure, median};

const VISITS: u64 = 30;
/// `poll_interval_ms` of a device that the configuration says nothing of.
const DEFAULT_POLL_INTERVAL_MS: u64 = 500;

pub(crate) async fn figures() -> anyhow::Result<Vec<Figure>> {
    let binaries = demo::Binaries::beside_this_program()?;
    let folder = tempfile::tempdir()?;
    let cloud = demo::Cloud::start(
        &binaries,
        &folder.path().join("cloud"),
        demo::CloudOptions::default(),
    )
    .await?;
    let tenant = cloud.tenant("Bench", 1_000_000_000)?;
    let enrolled = cloud.enrol(&tenant.site_id)?;
    let site = demo::SimulatedSite::start(2).await?;
    let gateway_folder = folder.path().join("gateway");
    let link = demo::MqttLink {
        port: cloud.mqtt_port(),
    };
    demo::Gateway::configure(&gateway_folder, &enrolled, link, &site.configuration())?;
    let _gateway = demo::Gateway::start(&binaries, &gateway_folder).await?;
    let api = cloud.api(&tenant.key)?;
    demo::until(
        Duration::from_secs(30),
        "every charge point is online",
        async || Ok((api.summary().await?["online"] == 4).then_some(())),
    )
    .await?;

    let mut figures = Vec::new();
    for (charge_point, profile) in [
        ("CP-LEFT", "heidelberg-energy-control"),
        ("CP-BACK", "bender-cc612"),
    ] {
        let connector = site.connector(charge_point)?;
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
            while api.status(charge_point).await?["connectors"][0]["status"] != wanted {
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
