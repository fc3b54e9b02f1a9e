//! The main job: a car at the RTU charger, from the register to REST and back to zero.

use std::time::Duration;

use anyhow::ensure;
use demo::until;
use simulator::Ev;
use site_model::VehicleState;

use scenarios::{Stage, meter_wh};

const TWO_SECONDS: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_visit_at_the_rtu_charger_is_seen_and_counted() -> anyhow::Result<()> {
    let stage = Stage::up(11).await?;
    let left = stage.connector("CP-LEFT")?;
    let meter_before = meter_wh(left);
    let today_before = stage.energy_today_wh().await?;

    // A power factor of 0.95: the Heidelberg counts VAh, its SDM630 counts Wh.
    left.charger.plug_in(Ev {
        power_factor_permille: 950,
        ready_after_ms: 3_000,
        ..Ev::three_phase_11_kw()
    });
    state_becomes(&left.charger, VehicleState::B).await?;
    let preparing = stage
        .status_becomes("CP-LEFT", "Preparing", TWO_SECONDS)
        .await?;
    ensure!(
        preparing["type"] == "Type2" && preparing["max_power_kw"] == 11.04,
        "{preparing}"
    );

    state_becomes(&left.charger, VehicleState::C).await?;
    let charging = stage
        .status_becomes("CP-LEFT", "Charging", TWO_SECONDS)
        .await?;
    let session_id = charging["active_session_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    ensure!(
        session_id.starts_with("sess_"),
        "Charging without a session: {charging}"
    );
    ensure!(
        stage.api.summary().await?["active_sessions"] == 1,
        "one session is active"
    );
    ensure!(
        stage.api.summary().await?["charging"] == 1,
        "one connector charges"
    );

    until(Duration::from_secs(30), "60 Wh have flowed", async || {
        Ok((meter_wh(left) >= meter_before + 60).then_some(()))
    })
    .await?;
    left.charger.unplug();
    let available = stage
        .status_becomes("CP-LEFT", "Available", TWO_SECONDS)
        .await?;
    ensure!(
        available.get("active_session_id").is_none(),
        "the session is over: {available}"
    );
    let counted_by_meter = meter_wh(left) - meter_before;

    stage.drained(Duration::from_secs(10)).await?;
    let sessions = stage.stored_sessions()?;
    ensure!(sessions.len() == 1, "exactly one session: {sessions:?}");
    let session = &sessions[0];
    ensure!(session.id == session_id, "{session:?} is not {session_id}");
    ensure!(
        session.stop_reason.as_deref() == Some("EVDisconnected"),
        "{session:?}"
    );
    let energy = session.energy_wh().unwrap_or_default();
    ensure!(
        energy.abs_diff(counted_by_meter) <= 1,
        "session {energy} Wh, meter {counted_by_meter} Wh"
    );
    let risen = stage.energy_today_wh().await? - today_before;
    ensure!(
        risen == energy,
        "today rose by {risen} Wh, the session has {energy} Wh"
    );

    let violations = stage.site.violations();
    ensure!(
        violations.is_empty(),
        "rules of a device were broken: {violations:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cars_at_every_charger_at_once_are_each_counted_once() -> anyhow::Result<()> {
    let stage = Stage::up(12).await?;
    let before: Vec<u64> = stage.site.connectors.iter().map(meter_wh).collect();
    for connector in &stage.site.connectors {
        connector.charger.plug_in(Ev {
            ready_after_ms: 500,
            ..Ev::three_phase_11_kw()
        });
    }
    for connector in &stage.site.connectors {
        stage
            .status_becomes(&connector.charge_point, "Charging", Duration::from_secs(5))
            .await?;
    }
    ensure!(
        stage.api.summary().await?["active_sessions"] == 4,
        "four sessions are active"
    );
    until(
        Duration::from_secs(30),
        "30 Wh have flowed at each",
        async || {
            let flowed = stage
                .site
                .connectors
                .iter()
                .zip(&before)
                .all(|(connector, before)| meter_wh(connector) >= before + 30);
            Ok(flowed.then_some(()))
        },
    )
    .await?;
    for connector in &stage.site.connectors {
        connector.charger.unplug();
    }
    for connector in &stage.site.connectors {
        stage
            .status_becomes(&connector.charge_point, "Available", Duration::from_secs(5))
            .await?;
    }
    stage.drained(Duration::from_secs(10)).await?;
    let sessions = stage.stored_sessions()?;
    ensure!(sessions.len() == 4, "one session each: {sessions:?}");
    let mut sum = 0;
    for (connector, before) in stage.site.connectors.iter().zip(&before) {
        let session = sessions
            .iter()
            .find(|session| session.charge_point == connector.charge_point);
        let energy = session
            .and_then(|session| session.energy_wh())
            .unwrap_or_default();
        let metered = meter_wh(connector) - before;
        ensure!(
            energy.abs_diff(metered) <= 1,
            "{}: session {energy} Wh, meter {metered} Wh",
            connector.charge_point
        );
        sum += energy;
    }
    let today = stage.energy_today_wh().await?;
    ensure!(today == sum, "today {today} Wh, sessions {sum} Wh");
    let violations = stage.site.violations();
    ensure!(
        violations.is_empty(),
        "rules of a device were broken: {violations:?}"
    );
    Ok(())
}

async fn state_becomes(
    charger: &simulator::ChargerHandle,
    wanted: VehicleState,
) -> anyhow::Result<()> {
    until(
        Duration::from_secs(15),
        &format!("state {wanted}"),
        async || Ok((charger.state() == wanted).then_some(())),
    )
    .await
}
