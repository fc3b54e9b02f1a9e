//! Broker away, daemon killed, cloud restarted: nothing missing, nothing double.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::{Binaries, Cloud, CloudOptions, Gateway, MqttLink, SimulatedSite, until};
use simulator::Ev;
use site_model::VehicleState;
use tokio::time::Instant;

use crate::peers::Mosquitto;
use scenarios::{Stage, free_port, meter_wh, stored_sessions};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_daemon_goes_on_with_the_session_it_had() -> anyhow::Result<()> {
    let mut stage = Stage::up(51).await?;
    let before = meter_wh(stage.connector("CP-LEFT")?);
    stage.connector("CP-LEFT")?.charger.plug_in(Ev {
        ready_after_ms: 300,
        ..Ev::three_phase_11_kw()
    });
    let charging = stage.status_becomes("CP-LEFT", "Charging", SOON).await?;

    stage.gateway.process.kill().await?;
    stage.gateway.restart().await?;
    let resumed = stage.status_becomes("CP-LEFT", "Charging", SOON).await?;
    ensure!(
        resumed["active_session_id"] == charging["active_session_id"],
        "{resumed} is not {charging}"
    );

    let left = stage.connector("CP-LEFT")?;
    until(Duration::from_secs(20), "30 Wh have flowed", async || {
        Ok((meter_wh(left) >= before + 30).then_some(()))
    })
    .await?;
    left.charger.unplug();
    stage.status_becomes("CP-LEFT", "Available", SOON).await?;
    stage.drained(SOON).await?;
    let sessions = stage.stored_sessions()?;
    ensure!(sessions.len() == 1, "{sessions:?}");
    let metered = meter_wh(left) - before;
    let energy = sessions[0].energy_wh().unwrap_or_default();
    ensure!(
        energy.abs_diff(metered) <= 1,
        "session {energy} Wh, meter {metered} Wh"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_car_that_left_while_the_daemon_was_dead_has_one_reconstructed_session()
-> anyhow::Result<()> {
    let mut stage = Stage::up(52).await?;
    let before = meter_wh(stage.connector("CP-LEFT")?);
    stage.connector("CP-LEFT")?.charger.plug_in(Ev {
        ready_after_ms: 300,
        ..Ev::three_phase_11_kw()
    });
    stage.status_becomes("CP-LEFT", "Charging", SOON).await?;
    stage.gateway.process.kill().await?;

    let left = stage.connector("CP-LEFT")?;
    until(Duration::from_secs(20), "20 Wh have flowed", async || {
        Ok((meter_wh(left) >= before + 20).then_some(()))
    })
    .await?;
    left.charger.unplug();
    stage.gateway.restart().await?;
    stage.status_becomes("CP-LEFT", "Available", SOON).await?;
    stage.drained(SOON).await?;
    let sessions = stage.stored_sessions()?;
    ensure!(sessions.len() == 1, "{sessions:?}");
    let metered = meter_wh(stage.connector("CP-LEFT")?) - before;
    let energy = sessions[0].energy_wh().context("the session has no end")?;
    ensure!(
        energy.abs_diff(metered) <= 1,
        "session {energy} Wh, meter {metered} Wh"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_that_was_killed_or_restarted_misses_nothing() -> anyhow::Result<()> {
    let mut stage = Stage::up(53).await?;
    let before: Vec<u64> = stage.site.connectors.iter().map(meter_wh).collect();
    for (round, kill) in [true, false].into_iter().enumerate() {
        let connector = &stage.site.connectors[round];
        connector.charger.plug_in(Ev {
            ready_after_ms: 300,
            ..Ev::three_phase_11_kw()
        });
        stage
            .status_becomes(&connector.charge_point, "Charging", SOON)
            .await?;
        if kill {
            stage.cloud.process.kill().await?;
        } else {
            stage.cloud.process.terminate().await?;
        }
        // The car leaves and the next one comes while the cloud is away.
        let connector = &stage.site.connectors[round];
        let start = before[round];
        until(Duration::from_secs(20), "10 Wh have flowed", async || {
            Ok((meter_wh(connector) >= start + 10).then_some(()))
        })
        .await?;
        connector.charger.unplug();
        local_status(&stage.gateway, &connector.charge_point, "Available").await?;
        stage.cloud.restart().await?;
        stage.all_online(4).await?;
    }
    stage.drained(Duration::from_secs(40)).await?;
    let sessions = stage.stored_sessions()?;
    ensure!(sessions.len() == 2, "{sessions:?}");
    for (connector, before) in stage.site.connectors.iter().zip(&before).take(2) {
        let session = sessions
            .iter()
            .find(|session| session.charge_point == connector.charge_point)
            .context("no session")?;
        let metered = meter_wh(connector) - before;
        let energy = session.energy_wh().context("no end")?;
        ensure!(
            energy.abs_diff(metered) <= 1,
            "session {energy} Wh, meter {metered} Wh"
        );
    }
    ensure!(
        stage.energy_today_wh().await?
            == sessions
                .iter()
                .filter_map(|session| session.energy_wh())
                .sum::<u64>(),
        "today is the sum of the sessions"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_away_for_a_minute_loses_and_doubles_nothing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let binaries = Binaries::beside_this_program()?;
    let cloud_folder = folder.path().join("cloud");
    let mut first = Cloud::start(&binaries, &cloud_folder, CloudOptions::default()).await?;
    let tenant = first.tenant("Broker away", 1_000_000)?;
    let enrolled = first.enrol(&tenant.site_id)?;
    let access = folder.path().join("access");
    ensure!(
        first
            .admin_output(&["mosquitto", "--out", &access.display().to_string()])?
            .status
            .success(),
        "access files"
    );
    first.process.terminate().await?;

    let mut broker = Mosquitto::start(&folder.path().join("broker"), &access, free_port()?)?;
    let external = format!(
        "external = {{ host = \"127.0.0.1\", port = {}, username = \"ingest\", password_file = \"{}/ingest.password\" }}",
        broker.port,
        access.display()
    );
    let cloud = Cloud::start(
        &binaries,
        &folder.path().join("cloud"),
        CloudOptions {
            external_broker: Some(external),
            ..CloudOptions::default()
        },
    )
    .await?;
    let site = SimulatedSite::start(54).await?;
    let gateway_folder = folder.path().join("gateway");
    Gateway::configure(
        &gateway_folder,
        &enrolled,
        MqttLink { port: broker.port },
        &site.configuration(),
    )?;
    let gateway = Gateway::start(&binaries, &gateway_folder).await?;
    let api = cloud.api(&tenant.key)?;
    let online = async |count: u64| {
        until(
            Duration::from_secs(45),
            &format!("{count} charge points are online"),
            async || Ok((api.summary().await?["online"] == count).then_some(())),
        )
        .await
    };
    online(4).await?;

    let left = site.connector("CP-LEFT")?;
    let before = meter_wh(left);
    left.charger.plug_in(Ev {
        ready_after_ms: 300,
        ..Ev::three_phase_11_kw()
    });
    until(SOON, "the car charges", async || {
        Ok((left.charger.state() == VehicleState::C).then_some(()))
    })
    .await?;
    broker.process.kill().await?;
    let away_since = Instant::now();
    // While it is away: this session ends, a second one begins and ends.
    until(Duration::from_secs(20), "15 Wh have flowed", async || {
        Ok((meter_wh(left) >= before + 15).then_some(()))
    })
    .await?;
    left.charger.unplug();
    local_status(&gateway, "CP-LEFT", "Available").await?;
    left.charger.plug_in(Ev {
        ready_after_ms: 300,
        ..Ev::three_phase_11_kw()
    });
    until(Duration::from_secs(20), "30 Wh have flowed", async || {
        Ok((meter_wh(left) >= before + 30).then_some(()))
    })
    .await?;
    left.charger.unplug();
    local_status(&gateway, "CP-LEFT", "Available").await?;
    until(Duration::from_secs(61), "a minute is over", async || {
        Ok((away_since.elapsed() >= Duration::from_secs(60)).then_some(()))
    })
    .await?;

    broker.restart()?;
    online(4).await?;
    gateway
        .status_when(
            Duration::from_secs(45),
            "the cloud has every fact",
            |status| status["cloud"]["facts_waiting"] == 0,
        )
        .await?;
    let sessions = stored_sessions(&cloud)?;
    ensure!(
        sessions.len() == 2,
        "{sessions:?}\n{}\n{}",
        gateway.process.printed(),
        cloud.process.printed()
    );
    let energy: u64 = sessions
        .iter()
        .filter_map(|session| session.energy_wh())
        .sum();
    let metered = meter_wh(left) - before;
    ensure!(
        energy.abs_diff(metered) <= 2,
        "sessions {energy} Wh, meter {metered} Wh"
    );
    Ok(())
}

async fn local_status(gateway: &Gateway, charge_point: &str, wanted: &str) -> anyhow::Result<()> {
    gateway
        .status_when(
            SOON,
            &format!("the cabinet says {wanted} of {charge_point}"),
            |status| {
                let all = status["charge_points"].as_array().into_iter().flatten();
                all.into_iter().any(|one| {
                    one["charge_point_id"] == charge_point
                        && one["connectors"][0]["status"] == wanted
                })
            },
        )
        .await?;
    Ok(())
}
