//! `phases`: lets the driver switch one device, and waits until its limit is what it was.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use firmware_agent::{Bus, BusConfig, BusDevice, BusEvent, BusLink, Phases, encode, spawn};
use hw_profiles::{PhaseSwitch, Profile};
use site_model::{DeviceFault, DeviceId, Milliamps, Value};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;

use super::args::{Device, Line};
use super::{say, table, told};

/// A device that is there tells its values within this time.
const FIRST_READING: Duration = Duration::from_secs(30);
/// Pausing, switching, settling and reading back take less.
const SWITCHING: Duration = Duration::from_secs(300);
/// After the switch the limit from before is written within this time.
const RESUMING: Duration = Duration::from_secs(60);

pub(super) async fn switch(line: &Line, device: &Device, phases: Phases, yes: bool) -> Result<()> {
    let profile = device.profile()?;
    let Some(control) = &profile.phase_switch else {
        bail!("profile {} cannot switch phases.", profile.id);
    };
    say(&plan(&profile, control, phases)?);
    if !yes {
        bail!("Nothing was written. Add --yes to write.");
    }
    let mut wired = Wired::start(line.link(Some(&profile))?, device)?;
    let before = wired.until(FIRST_READING, limit_in).await?;
    wired.bus.switch_phases(&wired.id, phases);
    wired.until(SWITCHING, outcome).await??;
    say(&format!("Switched to {phases}."));
    let outcome = match before {
        Some(limit) => wired.resumed(limit).await,
        None => {
            say("This model does not tell its limit: write one if it stays paused.");
            Ok(())
        }
    };
    wired.bus.stop().await;
    outcome
}

/// What will be written.
fn plan(profile: &Profile, control: &PhaseSwitch, phases: Phases) -> Result<String> {
    let raw = match phases {
        Phases::One => control.one,
        Phases::Three => control.three,
    };
    let mut text = String::new();
    // What every connection begins with comes first.
    for setup in profile.setup.iter().chain(&control.setup) {
        let request = encode::write(&setup.write, setup.value)?.request;
        text += &format!("{request}, unless it is so already, then ");
    }
    let request = encode::write(&control.write, raw)?.request;
    text += &format!("{request}: {phases}");
    if control.only_paused {
        text += "; if it charges, it is paused first";
    }
    let unconfirmed = if control.unconfirmed {
        ". Known from one source only"
    } else {
        ""
    };
    Ok(format!("{text}{unconfirmed}"))
}

/// The device on a bus of its own.
struct Wired {
    bus: Bus,
    events: Receiver<BusEvent>,
    id: DeviceId,
}

impl Wired {
    fn start(link: BusLink, device: &Device) -> Result<Self> {
        let profile = device.named_profile()?;
        let connected = device.profile()?;
        let id = DeviceId::new("device")?;
        let (sender, events) = channel(64);
        let config = BusConfig {
            name: "bench".to_owned(),
            link,
            devices: vec![BusDevice {
                id: id.clone(),
                unit: device.unit.unwrap_or(connected.link.unit),
                connector: device.connector,
                profile: Arc::new(profile),
                poll_interval_ms: 500,
                phases: 3,
                words: device.words(),
                failsafe: None,
            }],
        };
        let bus = spawn(config, sender);
        Ok(Self { bus, events, id })
    }

    /// Waits for what an event tells; a device that is lost ends the waiting.
    async fn until<T>(
        &mut self,
        limit: Duration,
        told_by: impl Fn(&BusEvent) -> Option<T>,
    ) -> Result<T> {
        let waiting = async {
            loop {
                let event = self.events.recv().await.context("the bus ended")?;
                if let Some(outcome) = told_by(&event) {
                    return Ok(outcome);
                }
                if let BusEvent::Lost { fault, .. } = event {
                    return Err(told(fault));
                }
            }
        };
        timeout(limit, waiting).await.map_err(|_| {
            anyhow!(
                "The device told nothing about it within {} s.",
                limit.as_secs()
            )
        })?
    }

    /// A pause that the switch needed is over when the limit reads as before.
    async fn resumed(&mut self, before: Milliamps) -> Result<()> {
        let as_before = |event: &BusEvent| (limit_in(event)? == Some(before)).then_some(());
        let resumed = self.until(RESUMING, as_before).await;
        resumed.with_context(|| {
            format!(
                "The limit was {} and is not so again: write it.",
                table::amperes(before)
            )
        })?;
        say(&format!(
            "The limit is {} as before.",
            table::amperes(before)
        ));
        Ok(())
    }
}

/// The limit that a reading tells; `Some(None)` where it tells none.
fn limit_in(event: &BusEvent) -> Option<Option<Milliamps>> {
    let BusEvent::Read(reading) = event else {
        return None;
    };
    let limit = reading.values.iter().find_map(|value| {
        if let Value::CurrentLimit(limit) = value {
            Some(*limit)
        } else {
            None
        }
    });
    Some(limit)
}

/// How a switch ended.
fn outcome(event: &BusEvent) -> Option<Result<()>> {
    let refused = |fault: &DeviceFault| Some(Err(told(fault.clone())));
    match event {
        BusEvent::PhasesSwitched { .. } => Some(Ok(())),
        BusEvent::PhasesRefused { fault, .. } => refused(fault),
        BusEvent::Read(_)
        | BusEvent::Lost { .. }
        | BusEvent::LimitWritten { .. }
        | BusEvent::WriteRefused { .. }
        | BusEvent::Failsafe { .. } => None,
    }
}
