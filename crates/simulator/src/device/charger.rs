//! A charger behind its registers: limit, pause, failsafe with its keep-alive, and the car.

use hw_profiles::{Failsafe, KeepAlive, LimitControl, LimitUnit, PauseControl, Profile};
use site_model::{Milliamps, VehicleState};

use super::value::{counts_for, is_sound, written_base_units, written_counts};
use super::violation::{Broken, Rule};
use crate::physics::{Energy, Flow, Mains, Vehicle};

/// Nominal voltage that power set-points are converted with, V (as `LimitUnit::Watts` says).
const NOMINAL_V: u64 = 230;

/// What a charger does without words: when it falls back and what it then offers.
#[derive(Debug)]
struct Watchdog {
    /// Counts as written to the failsafe's timeout register.
    timeout_counts: u64,
    /// Counts as written to the failsafe's current register.
    current_counts: u64,
    fed_at_ms: u64,
    fallen: bool,
}

/// Changing state of one charger; the profile stays outside.
#[derive(Debug)]
pub(crate) struct Charger {
    pub(crate) supply_phases: u8,
    /// Most it can carry, whatever it is told.
    rated: Milliamps,
    factory_fallback: Milliamps,
    /// Counts in the limit register.
    limit_counts: u64,
    /// Paused by the switch register.
    switched_off: bool,
    watchdog: Watchdog,
    pub(crate) vehicle: Option<Vehicle>,
    /// State that the charger itself insists on: E, F or a fault.
    pub(crate) forced: Option<VehicleState>,
    pub(crate) lifetime: Energy,
    pub(crate) session: Energy,
    flow: Flow,
    /// False while it reboots.
    powered: bool,
}

impl Charger {
    pub(crate) fn new(
        profile: &Profile,
        supply_phases: u8,
        rated: Milliamps,
        fallback: Milliamps,
        energy_wh: u64,
    ) -> Self {
        let mut charger = Self {
            supply_phases: supply_phases.clamp(1, 3),
            rated,
            factory_fallback: fallback,
            limit_counts: 0,
            switched_off: false,
            watchdog: Watchdog {
                timeout_counts: 0,
                current_counts: 0,
                fed_at_ms: 0,
                fallen: false,
            },
            vehicle: None,
            forced: None,
            lifetime: Energy::starting_at(energy_wh),
            session: Energy::default(),
            flow: Flow::default(),
            powered: true,
        };
        charger.forget(profile, true);
        charger
    }

    /// Back to what is in force after power-on; `factory` also for what survives a power loss.
    fn forget(&mut self, profile: &Profile, factory: bool) {
        let volatile = profile.limit.as_ref().is_some_and(|limit| limit.volatile);
        if let Some(limit) = profile.limit.as_ref().filter(|_| volatile || factory) {
            let most = match limit.unit {
                LimitUnit::Milliamps => u64::from(limit.maximum.0),
                LimitUnit::Watts => self.watts(limit.maximum),
            };
            self.limit_counts = counts_for(limit.scale, most);
            self.switched_off = false;
        }
        if let Some(failsafe) = profile.failsafe.as_ref().filter(|_| volatile || factory) {
            let watchdog = &mut self.watchdog;
            watchdog.timeout_counts =
                counts_for(failsafe.timeout_scale, failsafe.timeout_default_ms);
            watchdog.current_counts =
                counts_for(failsafe.current_scale, u64::from(self.factory_fallback.0));
        }
    }

    /// Limit in force before the failsafe is asked; 0 is a pause.
    fn set_point(&self, profile: &Profile) -> Milliamps {
        let Some(limit) = &profile.limit else {
            return Milliamps(0);
        };
        let pause_value = match limit.pause {
            Some(PauseControl::Value(value)) => Some(value),
            Some(PauseControl::Switch { .. }) | None => None,
        };
        if self.switched_off || pause_value == Some(self.limit_counts) {
            return Milliamps::PAUSE;
        }
        self.milliamps(limit, self.limit_counts)
    }

    fn milliamps(&self, limit: &LimitControl, counts: u64) -> Milliamps {
        let scale = limit.scale;
        let units =
            u128::from(counts) * u128::from(scale.numerator) / u128::from(scale.denominator);
        let milliamps = match limit.unit {
            LimitUnit::Milliamps => units,
            LimitUnit::Watts => {
                units * 1000 / u128::from(NOMINAL_V * u64::from(self.supply_phases))
            }
        };
        Milliamps(u32::try_from(milliamps).unwrap_or(u32::MAX))
    }

    fn watts(&self, current: Milliamps) -> u64 {
        u64::from(current.0) * NOMINAL_V * u64::from(self.supply_phases) / 1000
    }

    fn fallback(&self, profile: &Profile) -> Milliamps {
        profile.failsafe.as_ref().map_or(Milliamps(0), |failsafe| {
            let scale = failsafe.current_scale;
            let units = u128::from(self.watchdog.current_counts) * u128::from(scale.numerator)
                / u128::from(scale.denominator);
            Milliamps(u32::try_from(units).unwrap_or(u32::MAX))
        })
    }

    /// What the pilot signals to the car now.
    pub(crate) fn offered(&self, profile: &Profile) -> Milliamps {
        if self.forced.is_some() || !self.powered {
            return Milliamps(0);
        }
        let told = if self.watchdog.fallen {
            self.fallback(profile)
        } else {
            self.set_point(profile)
        };
        told.min(self.rated)
    }

    /// Whether the device itself says "paused".
    pub(crate) fn paused(&self, profile: &Profile) -> bool {
        self.offered(profile) == Milliamps::PAUSE
    }

    /// State of the control pilot.
    pub(crate) fn state(&self) -> VehicleState {
        match (self.forced, &self.vehicle) {
            (Some(forced), _) => forced,
            (None, None) => VehicleState::A,
            (None, Some(vehicle)) if vehicle.takes_energy() => VehicleState::C,
            (None, Some(_)) => VehicleState::B,
        }
    }

    pub(crate) fn flow(&self) -> &Flow {
        &self.flow
    }

    pub(crate) fn fallen_back(&self) -> bool {
        self.watchdog.fallen
    }

    /// Counts in the limit register, as a master reads them back at the same address.
    pub(crate) fn limit_counts(&self) -> u64 {
        self.limit_counts
    }

    /// Counts of the failsafe's registers: current, timeout.
    pub(crate) fn failsafe_counts(&self) -> (u64, u64) {
        (self.watchdog.current_counts, self.watchdog.timeout_counts)
    }

    pub(crate) fn plug_in(&mut self, vehicle: Vehicle) {
        self.vehicle = Some(vehicle);
        self.session = Energy::default();
    }

    pub(crate) fn unplug(&mut self) -> Option<Vehicle> {
        self.flow = Flow::default();
        self.vehicle.take()
    }

    /// Insists on E, F or a fault (relay open), or stops to.
    pub(crate) fn force(&mut self, state: Option<VehicleState>) {
        self.forced = state;
        if state.is_some() {
            self.cut_off();
        }
    }

    /// Power goes: no current, and what is volatile is forgotten.
    pub(crate) fn power_off(&mut self, profile: &Profile) {
        self.powered = false;
        self.forget(profile, false);
        self.cut_off();
    }

    /// Power is back, and the failsafe starts to count.
    pub(crate) fn power_on(&mut self, now_ms: u64) {
        self.powered = true;
        self.feed(now_ms);
    }

    fn cut_off(&mut self) {
        self.flow = Flow::default();
        if let Some(vehicle) = &mut self.vehicle {
            vehicle.cut_off();
        }
    }

    /// Moves on by `ms`, at most one physics step.
    pub(crate) fn step(&mut self, profile: &Profile, now_ms: u64, ms: u64, mains: &Mains) {
        let silent_ms = now_ms.saturating_sub(self.watchdog.fed_at_ms);
        self.watchdog.fallen = self
            .timeout_ms(profile)
            .is_some_and(|most| silent_ms > most);
        let offered = self.offered(profile);
        self.flow = Flow::default();
        if let Some(vehicle) = &mut self.vehicle {
            vehicle.step(now_ms, ms, offered);
            let currents = vehicle.currents(self.supply_phases);
            self.flow = Flow::of(currents, mains.voltage(), vehicle.power_factor_permille());
            vehicle.take(&self.flow, ms);
        }
        self.lifetime.add(&self.flow, ms);
        self.session.add(&self.flow, ms);
    }

    /// Silence after which the device falls back. A profile without registers for it falls back
    /// half an interval after the keep-alive was due.
    fn timeout_ms(&self, profile: &Profile) -> Option<u64> {
        let interval = match &profile.keep_alive {
            KeepAlive::None => return None,
            KeepAlive::AnyRequest { interval_ms }
            | KeepAlive::RewriteLimit { interval_ms }
            | KeepAlive::WriteRegister { interval_ms, .. } => *interval_ms,
        };
        let Some(failsafe) = &profile.failsafe else {
            return Some(interval.saturating_add(interval / 2));
        };
        let scale = failsafe.timeout_scale;
        let ms = u128::from(self.watchdog.timeout_counts) * u128::from(scale.numerator)
            / u128::from(scale.denominator);
        u64::try_from(ms).ok().filter(|ms| *ms > 0)
    }

    fn feed(&mut self, now_ms: u64) {
        self.watchdog.fed_at_ms = now_ms;
        self.watchdog.fallen = false;
    }

    /// A request was heard, whatever it asks.
    pub(crate) fn heard(&mut self, profile: &Profile, now_ms: u64) {
        if let KeepAlive::AnyRequest { .. } = profile.keep_alive {
            self.feed(now_ms);
        }
    }

    /// Takes a write of a whole register; its shape was checked before.
    ///
    /// # Errors
    /// A limit the device does not accept.
    pub(crate) fn write(
        &mut self,
        profile: &Profile,
        now_ms: u64,
        address: u16,
        values: &[u16],
    ) -> Result<(), Broken> {
        if let Some(limit) = &profile.limit {
            if limit.write.address == address {
                self.write_limit(limit, values)?;
                if let KeepAlive::RewriteLimit { .. } = profile.keep_alive {
                    self.feed(now_ms);
                }
            }
            if let Some(PauseControl::Switch {
                write,
                pause,
                resume,
            }) = &limit.pause
                && write.address == address
            {
                let counts = written_counts(write.ty, write.words, values);
                self.write_switch(counts, *pause, *resume)?;
            }
        }
        if let Some(failsafe) = &profile.failsafe {
            self.write_failsafe(failsafe, address, values);
        }
        if let KeepAlive::WriteRegister { write, value, .. } = &profile.keep_alive
            && write.address == address
            && written_counts(write.ty, write.words, values) == *value
        {
            self.feed(now_ms);
        }
        Ok(())
    }

    fn write_switch(&mut self, counts: u64, pause: u64, resume: u64) -> Result<(), Broken> {
        if counts != pause && counts != resume {
            let detail = format!("switch {counts}: neither {pause} nor {resume}");
            return Err(Broken::new(Rule::LimitOutOfRange, detail));
        }
        self.switched_off = counts == pause;
        Ok(())
    }

    fn write_failsafe(&mut self, failsafe: &Failsafe, address: u16, values: &[u16]) {
        let (current, timeout) = (&failsafe.current, &failsafe.timeout);
        if current.address == address {
            self.watchdog.current_counts = written_counts(current.ty, current.words, values);
        }
        if timeout.address == address {
            self.watchdog.timeout_counts = written_counts(timeout.ty, timeout.words, values);
        }
    }

    fn write_limit(&mut self, limit: &LimitControl, values: &[u16]) -> Result<(), Broken> {
        let (ty, words) = (limit.write.ty, limit.write.words);
        let asked = written_base_units(ty, words, limit.scale, values);
        let counts = match limit.pause {
            Some(PauseControl::Value(pause)) if written_counts(ty, words, values) == pause => pause,
            Some(PauseControl::Value(_) | PauseControl::Switch { .. }) | None => {
                counts_for(limit.scale, asked)
            }
        };
        let pauses = limit.pause == Some(PauseControl::Value(counts));
        let current = self.milliamps(limit, counts);
        // Whole watts of the lowest current may be a few mA less than it.
        let slack = match limit.unit {
            LimitUnit::Milliamps => 0,
            LimitUnit::Watts => 5,
        };
        let sound = is_sound(ty, words, values);
        let allowed =
            current.0.saturating_add(slack) >= limit.minimum.0 && current <= limit.maximum;
        if !sound || (!pauses && !allowed) {
            let (low, high) = (limit.minimum, limit.maximum);
            let detail = format!("limit of {current}: {low} to {high}, or a pause");
            return Err(Broken::new(Rule::LimitOutOfRange, detail));
        }
        self.limit_counts = counts;
        Ok(())
    }
}
