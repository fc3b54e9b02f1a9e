//! How much of an RS-485 line's time the bus engine uses, with the simulator pacing bytes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use firmware_agent::{BusConfig, BusDevice, BusEvent, BusLink, SerialFraming};
use hw_profiles::{Parity, SerialLine};
use simulator::{ChargerOptions, MeterOf, RtuLine, World};
use site_model::DeviceId;
use tokio::time::Instant;

use crate::Figure;

/// Everything is always due.
const BACK_TO_BACK_MS: u64 = 1;
const ANSWER_DELAY_MS: u64 = 5;
const TIME: Duration = Duration::from_secs(20);

pub(crate) async fn figures() -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for baud in [9_600, 19_200] {
        let share = share(baud).await?;
        figures.push(Figure::at_least(
            format!("Modbus RTU at {baud} Bd: line time the devices need / time taken"),
            share,
            0.90,
        ));
    }
    Ok(figures)
}

/// Four meters and two chargers polled back to back.
async fn share(baud: u32) -> anyhow::Result<f64> {
    let settings = SerialLine {
        baud,
        parity: Parity::None,
        stop_bits: 1,
    };
    let world = World::new(7);
    let line = RtuLine::start(&world, settings, true, ANSWER_DELAY_MS)?;
    let driver = tokio::spawn(simulator::run(world.clone()));
    let devices = devices(&world, &line)?;
    let (events, mut received) = tokio::sync::mpsc::channel(64);
    let link = BusLink::Serial {
        path: line.path().to_owned(),
        line: settings,
        framing: SerialFraming::Rtu,
    };
    let bus = firmware_agent::spawn(
        BusConfig {
            name: "bench".to_owned(),
            link,
            devices,
        },
        events,
    );
    // The first reading of each device also asks who it is; measured is what follows.
    for _ in 0..12 {
        received.recv().await;
    }
    let before = needed_ns(&line);
    let began = Instant::now();
    while began.elapsed() < TIME {
        if let Ok(Some(BusEvent::Lost { device, fault })) =
            tokio::time::timeout(Duration::from_secs(1), received.recv()).await
        {
            anyhow::bail!("{device} was lost: {}", fault.message);
        }
    }
    let needed = needed_ns(&line) - before;
    let share = Duration::from_nanos(needed).as_secs_f64() / began.elapsed().as_secs_f64();
    bus.stop().await;
    driver.abort();
    Ok(share)
}

/// Two chargers and four meters that are always due.
fn devices(world: &World, line: &RtuLine) -> anyhow::Result<Vec<BusDevice>> {
    let mut devices = Vec::new();
    let mut device = |unit: u8, profile: &Arc<hw_profiles::Profile>| -> anyhow::Result<()> {
        devices.push(BusDevice {
            id: DeviceId::new(&format!("unit-{unit}"))?,
            unit,
            profile: profile.clone(),
            poll_interval_ms: BACK_TO_BACK_MS.max(profile.link.read_interval_ms),
            connector: 1,
            phases: 3,
            words: None,
            failsafe: None,
        });
        Ok(())
    };
    let charger_profile = profile("heidelberg-energy-control")?;
    let meter_profile = profile("eastron-sdm630")?;
    for unit in [1, 2] {
        let charger = world.add_charger(
            &format!("charger-{unit}"),
            charger_profile.clone(),
            ChargerOptions::default(),
        );
        line.add(unit, &charger);
        device(unit, &charger_profile)?;
    }
    for unit in 11..15 {
        let meter = world.add_meter(
            &format!("meter-{unit}"),
            meter_profile.clone(),
            MeterOf::Grid,
            1_000_000,
        );
        line.add(unit, &meter);
        device(unit, &meter_profile)?;
    }
    Ok(devices)
}

/// Requests, answers, the devices' answer time and 3.5 characters after every frame, at line speed.
fn needed_ns(line: &RtuLine) -> u64 {
    let counters = line.counters();
    counters.busy_ns + counters.rest_ns
}

fn profile(id: &str) -> anyhow::Result<Arc<hw_profiles::Profile>> {
    Ok(Arc::new(
        hw_profiles::find(id)
            .with_context(|| format!("no profile {id}"))?
            .clone(),
    ))
}
