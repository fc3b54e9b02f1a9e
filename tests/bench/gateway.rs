//! Size of the gateway's binary and its memory with 32 connectors.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use scenarios::Depot;

use crate::{Figure, process};

const CONNECTORS: usize = 32;

pub(crate) async fn figures() -> anyhow::Result<Vec<Figure>> {
    let beside = demo::Binaries::beside_this_program()?;
    let binary = gateway_binary(&beside.cloud_api)?;
    let bytes = u32::try_from(std::fs::metadata(&binary)?.len() / 1024)?;
    let binaries = demo::Binaries {
        site_controller: vec![binary.display().to_string()],
        ..beside
    };

    let folder = tempfile::tempdir()?;
    let cloud = demo::Cloud::start(
        &binaries,
        &folder.path().join("cloud"),
        demo::CloudOptions::default(),
    )
    .await?;
    let tenant = cloud.tenant("Bench", 1_000_000_000)?;
    let enrolled = cloud.enrol(&tenant.site_id)?;
    let depot = Depot::start(3, CONNECTORS).await?;
    let gateway_folder = folder.path().join("gateway");
    demo::Gateway::configure(
        &gateway_folder,
        &enrolled,
        demo::MqttLink {
            port: cloud.mqtt_port(),
        },
        depot.configuration(),
    )?;
    let gateway = demo::Gateway::start(&binaries, &gateway_folder).await?;
    let api = cloud.api(&tenant.key)?;
    demo::until(
        Duration::from_secs(60),
        "32 charge points are online",
        async || Ok((api.summary().await?["online"] == CONNECTORS).then_some(())),
    )
    .await
    .with_context(|| gateway.process.last_words())?;
    for charger in &depot.chargers {
        charger.plug_in(simulator::Ev {
            ready_after_ms: 500,
            ..simulator::Ev::three_phase_11_kw()
        });
    }
    demo::until(Duration::from_secs(60), "32 sessions run", async || {
        Ok((api.summary().await?["active_sessions"] == CONNECTORS).then_some(()))
    })
    .await?;
    // Memory is looked at while all of them charge, for half a minute; the highest counts.
    let mut highest = 0;
    for _ in 0..30 {
        highest = highest.max(process::resident_kib(gateway.process.id())?);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(vec![
        Figure::at_most(
            "gateway: size of the binary (profile gateway)",
            f64::from(bytes) / 1024.0,
            10.0,
            "MiB",
        ),
        Figure::at_most(
            "gateway: resident memory with 32 connectors charging",
            f64::from(highest) / 1024.0,
            16.0,
            "MiB",
        ),
    ])
}

/// `target/gateway/site-controller`, beside `target/release`.
fn gateway_binary(cloud_api: &Path) -> anyhow::Result<PathBuf> {
    let target = cloud_api
        .parent()
        .and_then(Path::parent)
        .context("no target directory")?;
    let binary = target.join("gateway/site-controller");
    anyhow::ensure!(
        binary.exists(),
        "build it first: cargo build --profile gateway -p site-controller"
    );
    Ok(binary)
}
