//! The life of a charger with the driver, step by step.

use std::sync::Arc;
use std::time::Duration;

use firmware_agent::client::Client;
use firmware_agent::scan::identify;
use firmware_agent::{BusDevice, BusEvent, FailsafeSettings, FailsafeState, Phases};
use hw_profiles::{LimitControl, LimitUnit, Profile, builtin};
use simulator::{ChargerHandle, ChargerOptions, DeviceHandle, Ev, Fault, World};
use site_model::{DeviceId, Milliamps, Value, VehicleState};
use tokio::time::{Instant, sleep};

use super::rig::{Medium, POLL_MS, Rig, Way, device, id, link, simulate, ways, world};
use super::table::{Outcome, Row, Step};
use super::truth::Truth;
use super::variants;

/// Time for a car to follow a limit, and for the registers to show it.
const SETTLE: Duration = Duration::from_secs(15);
/// The fallback that is configured where a device has registers for it.
const FALLBACK: Milliamps = Milliamps(6_000);
/// Longer than any keep-alive of the known devices, however seldom it is asked for.
const FALLBACK_AFTER_MS: u64 = 60_000;
/// From the end of a driver until another begins.
const RESTART: Duration = Duration::from_secs(5);
/// Read far less often than any device wants to hear from its master.
const SELDOM_MS: u64 = 120_000;
const SECOND: Duration = Duration::from_secs(1);
/// Time without power: long enough to be noticed.
const REBOOT_MS: u64 = 120_000;

/// Every step on the first way that the profile names, and what it reads on the others.
pub(crate) fn conform(profile: &Profile, row: &mut Row) {
    let Some(way) = ways(profile).first().copied() else {
        return row.note(
            "read",
            Err("the profile names no way to reach it".to_owned()),
        );
    };
    row.note("identify", simulate(identified(profile, way)));
    simulate(life(profile, profile, way, row));
    variants::of_charger(profile, row);
}

/// Options of a charger whose registers begin somewhere and that stands in no limit's way.
pub(crate) fn options() -> ChargerOptions {
    ChargerOptions {
        rated_current: Milliamps(1_000_000),
        initial_energy_wh: 1_234_567,
        ..ChargerOptions::default()
    }
}

/// A car whose phases take different currents.
pub(crate) fn car() -> Ev {
    Ev {
        share_permille: [1000, 985, 970],
        ..Ev::three_phase_11_kw()
    }
}

/// The profile is among those that its probes recognise, and nothing was written to find out.
async fn identified(profile: &Profile, way: Way) -> Outcome {
    let world = world();
    let it = Arc::new(profile.clone());
    let charger = world.add_charger("it", it, options());
    recognised(profile, way, &world, charger.device()).await
}

/// Asks who is at the device's unit.
pub(crate) async fn recognised(
    profile: &Profile,
    way: Way,
    world: &World,
    device: &DeviceHandle,
) -> Outcome {
    let unit = profile.link.unit;
    let medium = Medium::new(world, way, device.faces(unit));
    let opened = Client::open_on(medium, link(way)).await;
    let mut client = opened.map_err(|fault| fault.message)?;
    client.set_waking(profile.link.wake_up);
    let timeout = Duration::from_millis(profile.link.answer_timeout_ms);
    let found = identify(&mut client, unit, builtin(), timeout).await;
    let found = found.ok_or_else(|| "nobody answers".to_owned())?;
    let named = if profile.probes.is_empty() {
        &found.possible
    } else {
        &found.profiles
    };
    if !named.contains(&profile.id) {
        return Err(format!("recognised as {found:?}"));
    }
    let others = named.iter().filter(|id| **id != profile.id).count();
    match device.writes().first() {
        None if others > 0 => Ok(Step::AmongOthers(others)),
        None => Ok(Step::Passed),
        Some(write) => Err(format!("written while asking who it is: {write:?}")),
    }
}

/// Settings of the failsafe where the device has registers for both its values.
pub(crate) fn failsafe(profile: &Profile) -> Option<FailsafeSettings> {
    let failsafe = profile.failsafe.as_ref()?;
    let settable = failsafe.current.is_some() || failsafe.timeout.is_some();
    settable.then_some(FailsafeSettings {
        current: FALLBACK,
        timeout_ms: FALLBACK_AFTER_MS,
    })
}

pub(crate) fn configured(profile: &Arc<Profile>) -> BusDevice {
    BusDevice {
        failsafe: failsafe(profile),
        ..device("it", profile.link.unit, profile)
    }
}

/// One charger, its bus, and the steps that build on each other.
struct Life<'a> {
    profile: &'a Profile,
    charger: ChargerHandle,
    rig: Rig,
    it: DeviceId,
    /// How often it was asked to obey again.
    times: u32,
}

/// `driver` is what the driver is told of the device.
pub(crate) async fn life(profile: &Profile, driver: &Profile, way: Way, row: &mut Row) {
    let world = world();
    let charger = world.add_charger("it", Arc::new(profile.clone()), options());
    let shared = Arc::new(driver.clone());
    let wired = charger.device().faces(profile.link.unit);
    let mut life = Life {
        profile,
        rig: Rig::start(&world, way, wired, vec![configured(&shared)]),
        charger,
        it: id("it"),
        times: 0,
    };
    for step in [
        "failsafe", "read", "start", "limit", "pause", "phases", "alive", "loss", "reboot",
    ] {
        let outcome = life.step(step).await;
        let outcome = outcome.and_then(|done| life.rig.clean().map(|()| done));
        let failed = outcome.is_err();
        row.note(step, outcome);
        if failed {
            return;
        }
    }
}

impl Life<'_> {
    async fn step(&mut self, step: &str) -> Outcome {
        match step {
            "failsafe" => self.failsafe().await,
            "read" => self.read().await,
            "start" => self.start().await,
            "limit" => self.limit().await,
            "pause" => self.pause().await,
            "phases" => self.phases().await,
            "alive" => self.alive().await,
            "loss" => self.loss().await,
            _ => self.reboot().await,
        }
    }

    /// The failsafe is written and compared, and the device has it.
    async fn failsafe(&mut self) -> Outcome {
        let Some(settings) = failsafe(self.profile) else {
            return Ok(Step::Nothing);
        };
        let told = |event: &BusEvent| matches!(event, BusEvent::Failsafe { .. });
        let event = self.rig.until("the failsafe is compared", told).await?;
        if let BusEvent::Failsafe {
            state: FailsafeState::Differs { fault },
            ..
        } = event
        {
            let (message, remedy) = (fault.message, fault.remedy);
            return Err(self.rig.told(&format!("{message} {remedy}")));
        }
        let registers = self.profile.failsafe.as_ref();
        let has = |value: fn(&hw_profiles::Failsafe) -> bool| registers.is_some_and(value);
        let fallback = self.charger.fallback();
        if has(|f| f.current.is_some()) && !near(fallback, settings.current) {
            return Err(self
                .rig
                .told(&format!("its fallback current is {fallback}")));
        }
        let after = self.charger.falls_back_after_ms();
        let whole = |ms: u64| ms <= settings.timeout_ms && ms > settings.timeout_ms / 2;
        if has(|f| f.timeout.is_some()) && !after.is_some_and(whole) {
            return Err(self.rig.told(&format!("it falls back after {after:?} ms")));
        }
        Ok(Step::Passed)
    }

    /// Idle: everything is told, and is true.
    async fn read(&mut self) -> Outcome {
        self.restart().await;
        let truth = Truth::new(self.it.clone(), self.charger.device(), self.profile);
        truth.look(&mut self.rig, true).await?;
        self.shows(VehicleState::A).await?;
        if !self.charger.is_set_up() {
            return Err(self.rig.told("not set up"));
        }
        Ok(Step::Passed)
    }

    /// The driver ends and begins again, as long after as a program takes to start.
    async fn restart(&mut self) {
        self.rig.disconnect().await;
        sleep(RESTART).await;
        self.rig.connect();
    }

    /// A car comes and charges; everything told is still true.
    async fn start(&mut self) -> Outcome {
        if let Some(control) = &self.profile.limit {
            self.write(control.maximum.min(Milliamps(20_000))).await?;
        }
        self.charger.plug_in(car());
        self.shows(VehicleState::C).await?;
        self.quiet(SETTLE).await?;
        let truth = Truth::new(self.it.clone(), self.charger.device(), self.profile);
        truth.look(&mut self.rig, false).await?;
        Ok(Step::Passed)
    }

    async fn limit(&mut self) -> Outcome {
        let Some(control) = &self.profile.limit else {
            return Ok(Step::Nothing);
        };
        let lowest = Milliamps(control.minimum.0 + count_ma(control).div_ceil(2));
        for asked in [10_000, 16_000, 8_050, 0] {
            let asked = Milliamps(asked).max(lowest).min(control.maximum);
            self.ask(control, asked).await?;
        }
        self.burst(control, lowest).await?;
        Ok(Step::Passed)
    }

    /// Of limits that come faster than the device takes them the newest one applies.
    async fn burst(&mut self, control: &LimitControl, lowest: Milliamps) -> Result<(), String> {
        let mut asked = lowest;
        for limit in [9_000, 12_000, 15_000, 11_000] {
            asked = Milliamps(limit).max(lowest).min(control.maximum);
            self.rig.bus().write_limit(&self.it, asked);
            self.quiet(Duration::from_millis(200)).await?;
        }
        let interval = Duration::from_millis(self.profile.link.write_interval_ms);
        self.quiet(3 * interval + SETTLE).await?;
        let offered = self.charger.limit();
        if offered > asked || offered.0 + count_ma(control) < asked.0 {
            let fault = format!("{asked} was asked last, the device offers {offered}");
            return Err(self.rig.told(&fault));
        }
        Ok(())
    }

    /// A limit is never exceeded, nor missed by more than one count, and reads back.
    async fn ask(&mut self, control: &LimitControl, asked: Milliamps) -> Result<(), String> {
        let written = self.write(asked).await?;
        self.obeys(control, asked, written).await
    }

    async fn obeys(
        &mut self,
        control: &LimitControl,
        asked: Milliamps,
        written: Milliamps,
    ) -> Result<(), String> {
        let short = asked.0.saturating_sub(written.0);
        if written > asked || short > count_ma(control) {
            return Err(self.rig.told(&format!("{written} written for {asked}")));
        }
        let offered = self.charger.limit();
        // What the driver rounds to whole mA the device may not.
        if offered > asked || offered.0.abs_diff(written.0) > 1 {
            let fault = format!("{written} written for {asked}, the device offers {offered}");
            return Err(self.rig.told(&fault));
        }
        if control.read_back.is_some() {
            let slack = count_ma(control).max(1);
            let what = format!("a limit of {written} reads back");
            let it = self.it.clone();
            let close = |value: &Value| matches!(value, Value::CurrentLimit(limit) if limit.0.abs_diff(written.0) <= slack);
            self.rig.until_told(&it, &what, close).await?;
        }
        self.quiet(SETTLE).await?;
        let most = self.charger.currents().into_iter().max();
        if most.is_some_and(|most| most > asked || most == Milliamps(0)) {
            return Err(self
                .rig
                .told(&format!("{most:?} flow at a limit of {asked}")));
        }
        Ok(())
    }

    async fn write(&mut self, asked: Milliamps) -> Result<Milliamps, String> {
        self.rig.bus().write_limit(&self.it, asked);
        let written = |event: &BusEvent| matches!(event, BusEvent::LimitWritten { .. });
        let what = format!("a limit of {asked} is written");
        let event = self.rig.until(&what, written).await?;
        if let BusEvent::LimitWritten { limit, .. } = event {
            return Ok(limit);
        }
        Err(format!("{event:?} is no written limit"))
    }

    /// 0 pauses, and so does what is below the least current; or both are refused.
    async fn pause(&mut self) -> Outcome {
        let Some(control) = &self.profile.limit else {
            return Ok(Step::Nothing);
        };
        let below = Milliamps(control.minimum.0 - 1);
        if control.pause.is_none() {
            for asked in [Milliamps(0), below] {
                let before = self.charger.limit();
                self.rig.bus().write_limit(&self.it, asked);
                let refused = |event: &BusEvent| matches!(event, BusEvent::WriteRefused { .. });
                self.rig.until("a pause is refused", refused).await?;
                let after = self.charger.limit();
                if before != after {
                    return Err(self.rig.told(&format!("{after} after a refusal")));
                }
            }
            return Ok(Step::Nothing);
        }
        for asked in [Milliamps(0), below] {
            let written = self.write(asked).await?;
            let offered = self.charger.limit();
            if (written, offered) != (Milliamps(0), Milliamps(0)) {
                let fault = format!("{written} written for {asked}, the device offers {offered}");
                return Err(self.rig.told(&fault));
            }
            self.shows(VehicleState::B).await?;
            self.quiet(SETTLE).await?;
            self.ask(control, resumed(control)).await?;
            self.shows(VehicleState::C).await?;
        }
        Ok(Step::Passed)
    }

    /// One phase and back to three, with the limit in force again afterwards.
    async fn phases(&mut self) -> Outcome {
        let (Some(switch), Some(control)) = (&self.profile.phase_switch, &self.profile.limit)
        else {
            return Ok(Step::Nothing);
        };
        let wait = Duration::from_millis(switch.settle_ms) + 2 * SETTLE;
        for phases in [Phases::One, Phases::Three] {
            self.rig.bus().switch_phases(&self.it, phases);
            let it = self.it.clone();
            let done = |event: &BusEvent| {
                *event
                    == BusEvent::PhasesSwitched {
                        device: it.clone(),
                        phases,
                    }
            };
            self.rig.until(&format!("{phases}"), done).await?;
            self.quiet(wait).await?;
            if self.charger.phases() != phases.count() {
                let now = self.charger.phases();
                return Err(self.rig.told(&format!("{now} phase(s) after {phases}")));
            }
            let (offered, before) = (self.charger.limit(), resumed(control));
            if offered > before || offered.0 + count_ma(control) < before.0 {
                return Err(self
                    .rig
                    .told(&format!("{offered} after switching to {phases}")));
            }
            self.shows(VehicleState::C).await?;
            let truth = Truth::new(self.it.clone(), self.charger.device(), self.profile);
            truth.look(&mut self.rig, false).await?;
        }
        Ok(Step::Passed)
    }

    /// With the driver at work the device never falls back, however seldom it is read.
    async fn alive(&mut self) -> Outcome {
        let Some(after) = self.charger.falls_back_after_ms() else {
            return Ok(Step::Nothing);
        };
        self.rig.poll_every(SELDOM_MS);
        self.restart().await;
        self.again().await?;
        let charger = self.charger.clone();
        let time = Duration::from_millis(after * 3).clamp(SETTLE, Duration::from_secs(300));
        let mut until = Instant::now() + SECOND;
        let end = Instant::now() + time;
        while Instant::now() < end {
            let _event = self.rig.next(until).await;
            until = until.max(Instant::now() + SECOND);
            if charger.fallen_back() {
                return Err(self.rig.told("fell back although the driver is at work"));
            }
        }
        self.rig.poll_every(POLL_MS);
        self.restart().await;
        self.again().await?;
        Ok(Step::Passed)
    }

    /// Without the driver the fallback applies to the car; with it the limit does again.
    async fn loss(&mut self) -> Outcome {
        let Some(after) = self.charger.falls_back_after_ms() else {
            return Ok(Step::Nothing);
        };
        self.rig.disconnect().await;
        sleep(Duration::from_millis(after) + Duration::from_secs(10)).await;
        let (fallback, offered) = (self.charger.fallback(), self.charger.limit());
        if !self.charger.fallen_back() || offered != fallback {
            let fault = format!("offers {offered} without the driver, not {fallback}");
            return Err(self.rig.told(&fault));
        }
        let flows = self.charger.currents()[0];
        let charges = fallback >= Milliamps::IEC_61851_MINIMUM;
        let most = car().max_current;
        let expected = if charges {
            fallback.min(most)
        } else {
            Milliamps(0)
        };
        if flows != expected {
            return Err(self
                .rig
                .told(&format!("{flows} flow, the fallback is {fallback}")));
        }
        self.rig.connect();
        self.again().await?;
        Ok(Step::Passed)
    }

    /// A limit is obeyed again. It is another one each time: a driver that has just begun cannot
    /// know what stands in a register that does not read back.
    async fn again(&mut self) -> Result<(), String> {
        if let Some(control) = &self.profile.limit {
            self.times += 1;
            let asked = Milliamps(resumed(control).0 + 1_000 * self.times).min(control.maximum);
            let written = self.write(asked).await?;
            // What feeds the watchdog may come after it.
            self.quiet(SETTLE).await?;
            self.obeys(control, asked, written).await?;
            if self.charger.fallen_back() {
                return Err(self.rig.told("still fallen back"));
            }
        }
        self.shows(VehicleState::C).await
    }

    /// Power goes and comes: lost, found again, set up again, obeying again.
    async fn reboot(&mut self) -> Outcome {
        let duration_ms = REBOOT_MS;
        self.charger
            .device()
            .set_fault(Fault::Reboot { duration_ms });
        let lost = |event: &BusEvent| matches!(event, BusEvent::Lost { .. });
        self.rig.until("its loss is told", lost).await?;
        let read = |event: &BusEvent| matches!(event, BusEvent::Read(_));
        self.rig.until("it is back", read).await?;
        self.quiet(SETTLE).await?;
        if !self.charger.is_set_up() {
            return Err(self.rig.told("not set up again"));
        }
        if failsafe(self.profile).is_some() {
            let settable = self
                .profile
                .failsafe
                .as_ref()
                .is_some_and(|f| f.current.is_some());
            let fallback = self.charger.fallback();
            if settable && !near(fallback, FALLBACK) {
                return Err(self
                    .rig
                    .told(&format!("its fallback is {fallback} afterwards")));
            }
        }
        self.again().await?;
        Ok(Step::Passed)
    }

    async fn shows(&mut self, state: VehicleState) -> Result<(), String> {
        let it = self.it.clone();
        let what = format!("state {state} is read");
        let told = |value: &Value| *value == Value::VehicleState(state);
        self.rig.until_told(&it, &what, told).await
    }

    /// Lets things settle with the driver at work.
    async fn quiet(&mut self, time: Duration) -> Result<(), String> {
        let begin = Instant::now();
        self.rig.pass(time, |_| Ok(())).await?;
        debug_assert!(begin.elapsed() >= time);
        Ok(())
    }
}

/// What goes on after a pause.
fn resumed(control: &LimitControl) -> Milliamps {
    Milliamps(10_000)
        .max(Milliamps(control.minimum.0 + count_ma(control)))
        .min(control.maximum)
}

/// One count of the set-point as current per phase, in mA; with one phase in watts.
fn count_ma(control: &LimitControl) -> u32 {
    let scale = control.scale;
    let base = scale.numerator.div_ceil(scale.denominator);
    let milliamps = match control.unit {
        LimitUnit::Milliamps => base,
        LimitUnit::Watts => (base * 1000).div_ceil(230),
    };
    u32::try_from(milliamps).expect("a small number")
}

/// A fallback that its register can say: at most what was asked, and no less than one ampere below.
fn near(is: Milliamps, asked: Milliamps) -> bool {
    is <= asked && is.0 + 1_000 > asked.0
}
