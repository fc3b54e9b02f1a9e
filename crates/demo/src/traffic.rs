//! Cars that come and go, and a line for each thing that REST says of them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::{Api, Cloud, Connector, Gateway, SimulatedSite, until};
use serde_json::Value;
use simulator::Ev;
use tokio::time::{Instant, sleep};

use crate::show;

/// Waits until REST says that every charge point is online with its connector.
pub(crate) async fn all_online(api: &Api, site: &SimulatedSite) -> anyhow::Result<()> {
    for charge_point in site.charge_points() {
        until(
            Duration::from_secs(30),
            &format!("{charge_point} is online"),
            async || {
                let status = api.status(charge_point).await?;
                Ok((status["online"] == true
                    && status["connectors"]
                        .as_array()
                        .is_some_and(|all| !all.is_empty()))
                .then_some(()))
            },
        )
        .await?;
    }
    Ok(())
}

/// One car at the first charger: plugs in, charges, leaves; the session's energy is the meter's.
pub(crate) async fn one_session(
    api: &Api,
    site: &SimulatedSite,
    gateway: &Gateway,
) -> anyhow::Result<()> {
    let connector = &site.connectors[0];
    let name = &connector.charge_point;
    let before = meter_wh(connector);
    let today_before = energy_today_wh(api).await?;

    connector.charger.plug_in(Ev {
        ready_after_ms: 1_500,
        ..Ev::three_phase_11_kw()
    });
    show::event(name, "a car plugs in");
    status_becomes(api, name, "Preparing").await?;
    let charging = status_becomes(api, name, "Charging").await?;
    let session = charging["active_session_id"]
        .as_str()
        .context("Charging without active_session_id")?
        .to_owned();
    show::event(name, &format!("session {session}"));
    until(Duration::from_secs(15), "20 Wh have flowed", async || {
        Ok((meter_wh(connector) >= before + 20).then_some(()))
    })
    .await?;
    connector.charger.unplug();
    show::event(name, "the car leaves");
    status_becomes(api, name, "Available").await?;

    let metered = meter_wh(connector) - before;
    let counted = until(
        Duration::from_secs(10),
        "REST counts what the meter counted",
        async || {
            let counted = energy_today_wh(api).await? - today_before;
            Ok((counted.abs_diff(i64::try_from(metered)?) <= 1).then_some(counted))
        },
    )
    .await?;
    show::event(
        name,
        &format!("session over: {counted} Wh by REST, {metered} Wh by the meter"),
    );
    let violations = site.violations();
    ensure!(
        violations.is_empty(),
        "rules of a device were broken: {}",
        violations.join("; ")
    );
    let waiting = gateway
        .status_when(
            Duration::from_secs(10),
            "the cloud has every fact",
            |status| status["cloud"]["facts_waiting"] == 0,
        )
        .await?;
    ensure!(
        waiting["cloud"]["connected_since_ms"].is_number(),
        "the site controller is not connected: {waiting}"
    );
    Ok(())
}

/// Cars at every charger until Ctrl-C, and a line for each change that REST shows.
pub(crate) async fn until_interrupted(
    api: &Api,
    site: &SimulatedSite,
    cloud: &mut Cloud,
    gateway: &mut Gateway,
    seed: u64,
) -> anyhow::Result<()> {
    show::step("cars come and go; Ctrl-C ends the demo");
    let mut seen = BTreeMap::new();
    let mut cars = Cars::new(site, seed);
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            signal = &mut interrupted => {
                signal?;
                show::step("ending");
                return Ok(());
            }
            () = sleep(Duration::from_millis(250)) => {}
        }
        cars.drive();
        let told = tell_changes(api, site, &mut seen).await;
        for (name, process) in [
            ("cloud API", &mut cloud.process),
            ("site controller", &mut gateway.process),
        ] {
            ensure!(
                process.is_running(),
                "the {name} ended:\n{}",
                process.last_words()
            );
        }
        told?;
    }
}

/// Plugs cars in and out by a clock and a seed.
struct Cars<'a> {
    connectors: &'a [Connector],
    next: Vec<(Instant, bool)>,
    random: fastrand::Rng,
}

impl<'a> Cars<'a> {
    fn new(site: &'a SimulatedSite, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let now = Instant::now();
        let next = site
            .connectors
            .iter()
            .enumerate()
            .map(|(place, _)| {
                (
                    now + Duration::from_secs(2 + 5 * place as u64 + random.u64(0..4)),
                    true,
                )
            })
            .collect();
        Self {
            connectors: &site.connectors,
            next,
            random,
        }
    }

    fn drive(&mut self) {
        for (connector, (due, arrives)) in self.connectors.iter().zip(&mut self.next) {
            if Instant::now() < *due {
                continue;
            }
            let stay = if *arrives {
                let phases = [1, 3, 3][self.random.usize(0..3)];
                let ready_after_ms = self.random.u64(1_500..4_000);
                connector.charger.plug_in(Ev {
                    phases,
                    ready_after_ms,
                    ..Ev::three_phase_11_kw()
                });
                show::event(
                    &connector.charge_point,
                    &format!("a {phases}-phase car plugs in"),
                );
                self.random.u64(40..90)
            } else {
                connector.charger.unplug();
                show::event(&connector.charge_point, "the car leaves");
                self.random.u64(8..20)
            };
            *arrives = !*arrives;
            *due = Instant::now() + Duration::from_secs(stay);
        }
    }
}

async fn tell_changes(
    api: &Api,
    site: &SimulatedSite,
    seen: &mut BTreeMap<String, (String, Option<String>)>,
) -> anyhow::Result<()> {
    for name in site.charge_points() {
        let status = api.status(name).await?;
        let connector = &status["connectors"][0];
        let shown = if status["online"] == true {
            connector["status"].as_str()
        } else {
            Some("offline")
        };
        let shown = shown.unwrap_or_default().to_owned();
        let session = connector["active_session_id"].as_str().map(str::to_owned);
        let now = (shown, session);
        let before = seen.insert(name.to_owned(), now.clone());
        if before.as_ref() == Some(&now) {
            continue;
        }
        match (before.and_then(|(_, session)| session), &now.1) {
            (Some(ended), None) => {
                let today = energy_today_wh(api).await?;
                show::event(
                    name,
                    &format!(
                        "{}, session {ended} over; fleet today {}.{:03} kWh",
                        now.0,
                        today / 1000,
                        today % 1000
                    ),
                );
            }
            (None, Some(begun)) => show::event(name, &format!("{}, session {begun}", now.0)),
            _ => show::event(name, &now.0),
        }
    }
    Ok(())
}

async fn status_becomes(api: &Api, name: &str, wanted: &str) -> anyhow::Result<Value> {
    let connector = until(
        Duration::from_secs(10),
        &format!("REST says {wanted} of {name}"),
        async || {
            let status = api.status(name).await?;
            Ok((status["connectors"][0]["status"] == wanted)
                .then(|| status["connectors"][0].clone()))
        },
    )
    .await?;
    show::event(name, wanted);
    Ok(connector)
}

fn meter_wh(connector: &Connector) -> u64 {
    connector.meter.as_ref().map_or_else(
        || connector.charger.energy_wh(),
        simulator::MeterHandle::energy_wh,
    )
}

async fn energy_today_wh(api: &Api) -> anyhow::Result<i64> {
    let summary = api.summary().await?;
    let text = summary["energy_delivered_today_kwh"].to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    Ok(whole.parse::<i64>()? * 1000 + format!("{fraction:0<3}").parse::<i64>()?)
}
