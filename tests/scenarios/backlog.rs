//! Much to tell at once: thirty days without the cloud, a broker that dies meanwhile, and a cloud that is
//! restored from a backup.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::{Binaries, Cloud, CloudOptions, Gateway, MqttLink, SimulatedSite, until};
use simulator::Ev;
use site_model::WallTime;

use crate::peers::Mosquitto;
use scenarios::month::{Days, record};
use scenarios::{Stage, catch_up, free_port, meter_wh, stored_sessions};

const SOON: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_days_without_the_cloud_are_told_once_and_live_state_does_not_wait()
-> anyhow::Result<()> {
    let seen = catch_up(&Binaries::beside_this_program()?, 30).await?;
    let happened = seen.happened;
    ensure!(happened.sessions == 1_500, "{happened:?}");
    ensure!(
        seen.stored == (happened.sessions, happened.energy_wh),
        "{:?} in the cloud, {happened:?}",
        seen.stored
    );
    ensure!(
        seen.delays_during.len() >= 2,
        "REST saw {} changes while {happened:?} was told in {:?}",
        seen.delays_during.len(),
        seen.took
    );
    ensure!(
        seen.bytes_on_disk < 16 * 1024 * 1024,
        "{} bytes",
        seen.bytes_on_disk
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_again_and_again_during_a_backlog_loses_and_doubles_nothing()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let binaries = Binaries::beside_this_program()?;
    let cloud_folder = folder.path().join("cloud");
    let mut first = Cloud::start(&binaries, &cloud_folder, CloudOptions::default()).await?;
    let tenant = first.tenant("Broker dies", 1_000_000)?;
    let enrolled = first.enrol(&tenant.site_id)?;
    let access = folder.path().join("access");
    let shown = access.display().to_string();
    let written = first.admin_output(&["mosquitto", "--out", &shown])?;
    ensure!(written.status.success(), "access files");
    first.process.terminate().await?;
    let mut broker = Mosquitto::start(&folder.path().join("broker"), &access, free_port()?)?;
    let external = format!(
        "external = {{ host = \"127.0.0.1\", port = {}, username = \"ingest\", password_file = \"{shown}/ingest.password\" }}",
        broker.port
    );
    let options = CloudOptions {
        external_broker: Some(external),
        ..CloudOptions::default()
    };
    let cloud = Cloud::start(&binaries, &cloud_folder, options).await?;
    let site = SimulatedSite::start(63).await?;
    let place = folder.path().join("gateway");
    let link = MqttLink { port: broker.port };
    Gateway::configure(&place, &enrolled, link, &site.configuration())?;
    let names: Vec<String> = site
        .charge_points()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let days = Days {
        charge_points: &names,
        days: 40,
        sessions_per_day: 10,
        until: WallTime(jiff::Timestamp::now().as_millisecond() - 60_000),
        seed: 63,
    };
    let happened = record(&place.join("data"), &days).await?;

    let gateway = Gateway::start(&binaries, &place).await?;
    for share in [80, 50, 20] {
        let left = happened.facts * share / 100;
        gateway
            .status_when(
                Duration::from_secs(60),
                &format!("{share} % are left to be told"),
                |status| status["cloud"]["facts_waiting"].as_u64() < Some(left),
            )
            .await
            .with_context(|| gateway.process.last_words())?;
        broker.process.kill().await?;
        broker.restart()?;
    }
    gateway
        .status_when(
            Duration::from_secs(60),
            "the cloud has every fact",
            |status| {
                status["cloud"]["connected_since_ms"].is_number()
                    && status["cloud"]["facts_waiting"] == 0
            },
        )
        .await?;
    let sessions = stored_sessions(&cloud)?;
    let energy: u64 = sessions.iter().filter_map(|one| one.energy_wh()).sum();
    ensure!(
        (sessions.len() as u64, energy) == (happened.sessions, happened.energy_wh),
        "{} sessions, {energy} Wh; {happened:?}",
        sessions.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_restored_from_a_backup_hears_again_what_it_had_forgotten() -> anyhow::Result<()> {
    let mut stage = Stage::up(64).await?;
    let before: Vec<u64> = stage.site.connectors.iter().map(meter_wh).collect();
    let names = ["CP-LEFT", "CP-RIGHT", "CP-FRONT"];
    visit(&stage, names[0], before[0]).await?;
    leave(&stage, names[0]).await?;
    // The backup is made in the middle of the second session.
    visit(&stage, names[1], before[1]).await?;
    stage.drained(SOON).await?;
    stage.cloud.process.terminate().await?;
    let (data, backup) = (
        stage.cloud.folder().join("data"),
        stage.folder.path().join("backup"),
    );
    copy(&data, &backup)?;
    stage.cloud.restart().await?;
    stage.all_online(4).await?;
    leave(&stage, names[1]).await?;
    visit(&stage, names[2], before[2]).await?;
    stage.drained(SOON).await?;
    ensure!(stage.stored_sessions()?.len() == 3, "before the restore");

    stage.cloud.process.kill().await?;
    std::fs::remove_dir_all(&data)?;
    copy(&backup, &data)?;
    ensure!(stage.stored_sessions()?.len() == 2, "the backup is old");
    stage.cloud.restart().await?;
    stage.all_online(4).await?;
    stage.status_becomes(names[2], "Charging", SOON).await?;
    leave(&stage, names[2]).await?;
    stage.drained(Duration::from_secs(40)).await?;
    let sessions = stage.stored_sessions()?;
    ensure!(sessions.len() == 3, "{sessions:?}");
    for (name, before) in names.iter().zip(before) {
        let session = sessions.iter().find(|one| one.charge_point == *name);
        let energy = session.and_then(|session| session.energy_wh());
        let metered = meter_wh(stage.connector(name)?) - before;
        ensure!(
            energy.is_some_and(|energy| energy.abs_diff(metered) <= 1),
            "{name}: {energy:?} Wh, meter {metered} Wh"
        );
    }
    Ok(())
}

/// A car comes, and 10 Wh flow.
pub(crate) async fn visit(stage: &Stage, charge_point: &str, before: u64) -> anyhow::Result<()> {
    let connector = stage.connector(charge_point)?;
    connector.charger.plug_in(Ev {
        ready_after_ms: 300,
        ..Ev::three_phase_11_kw()
    });
    stage.status_becomes(charge_point, "Charging", SOON).await?;
    until(Duration::from_secs(20), "10 Wh have flowed", async || {
        Ok((meter_wh(connector) >= before + 10).then_some(()))
    })
    .await
}

pub(crate) async fn leave(stage: &Stage, charge_point: &str) -> anyhow::Result<()> {
    stage.connector(charge_point)?.charger.unplug();
    stage
        .status_becomes(charge_point, "Available", SOON)
        .await?;
    Ok(())
}

pub(crate) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
