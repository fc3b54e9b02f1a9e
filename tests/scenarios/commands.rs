//! Orders given at the cabinet: they end by what was read back.

use std::time::Duration;

use anyhow::ensure;
use demo::until;
use simulator::Ev;
use site_model::Milliamps;

use scenarios::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_at_the_cabinet_ends_by_what_the_register_says() -> anyhow::Result<()> {
    let stage = Stage::up(21).await?;
    let left = stage.connector("CP-LEFT")?;
    left.charger.plug_in(Ev {
        ready_after_ms: 300,
        ..Ev::three_phase_11_kw()
    });
    stage
        .status_becomes("CP-LEFT", "Charging", Duration::from_secs(5))
        .await?;

    let limited = stage
        .gateway
        .ask(&["command", "CP-LEFT", "1", "set-limit", "--amps", "10"])?;
    ensure!(
        limited.status.success(),
        "{}",
        String::from_utf8_lossy(&limited.stderr)
    );
    ensure!(
        left.charger.limit() == Milliamps(10_000),
        "the charger has {}",
        left.charger.limit()
    );

    let refused = stage
        .gateway
        .ask(&["command", "CP-LEFT", "1", "set-limit", "--amps", "3"])?;
    let said = String::from_utf8_lossy(&[refused.stdout, refused.stderr].concat()).into_owned();
    ensure!(
        !refused.status.success() && said.contains("6 A"),
        "3 A must be refused with the minimum: {said}"
    );
    ensure!(
        left.charger.limit() == Milliamps(10_000),
        "a refused order changed the limit"
    );

    let cleared = stage
        .gateway
        .ask(&["command", "CP-LEFT", "1", "clear-limit"])?;
    ensure!(
        cleared.status.success(),
        "{}",
        String::from_utf8_lossy(&cleared.stderr)
    );
    ensure!(
        left.charger.limit() == Milliamps(16_000),
        "the charger has {}",
        left.charger.limit()
    );

    let stopped = stage
        .gateway
        .ask(&["command", "CP-LEFT", "1", "stop-session"])?;
    ensure!(
        stopped.status.success(),
        "{}",
        String::from_utf8_lossy(&stopped.stderr)
    );
    ensure!(
        left.charger.limit() == Milliamps::PAUSE,
        "a stopped session holds the connector at pause"
    );
    stage
        .status_becomes("CP-LEFT", "Finishing", Duration::from_secs(5))
        .await?;
    stage.drained(Duration::from_secs(10)).await?;
    let sessions = stage.stored_sessions()?;
    ensure!(
        sessions.len() == 1 && sessions[0].stop_reason.as_deref() == Some("Local"),
        "{sessions:?}"
    );
    left.charger.unplug();
    stage
        .status_becomes("CP-LEFT", "Available", Duration::from_secs(5))
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_charger_is_offline_and_named_at_the_cabinet() -> anyhow::Result<()> {
    let stage = Stage::up(22).await?;
    let left = stage.connector("CP-LEFT")?;
    left.charger.device().set_fault(simulator::Fault::Silence);
    until(
        Duration::from_secs(20),
        "REST counts CP-LEFT as offline",
        async || {
            let summary = stage.api.summary().await?;
            Ok((summary["offline"] == 1 && summary["online"] == 3).then_some(()))
        },
    )
    .await?;
    let status = stage.api.status("CP-LEFT").await?;
    ensure!(status["online"] == false, "{status}");
    let shown = stage.gateway.ask(&["status"])?;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    ensure!(
        text.contains("CP-LEFT") && text.contains("garage"),
        "the status names the charger and its line:\n{text}"
    );

    let refused = stage
        .gateway
        .ask(&["command", "CP-LEFT", "1", "set-limit", "--amps", "8"])?;
    ensure!(
        !refused.status.success(),
        "an order for an unreachable charger must be refused"
    );

    left.charger.device().clear();
    stage.all_online(4).await?;
    Ok(())
}
