//! A charger behind its registers: limit, pause, phases, failsafe with its keep-alive, and the car.

use hw_profiles::{KeepAlive, LimitUnit, PauseControl, Profile, RegisterType};
use site_model::{Milliamps, VehicleState};

use super::memory::{Memory, Role, roles};
use super::phases::Phases;
use super::value::{base_units, bits_of, counts_for};
use crate::physics::{Energy, Flow, Mains, Vehicle};

/// Nominal voltage that power set-points are converted with, V (as `LimitUnit::Watts` says).
pub(super) const NOMINAL_V: u64 = 230;

/// When the device last heard what keeps it from falling back.
#[derive(Debug)]
struct Watchdog {
    fed_at_ms: u64,
    fallen: bool,
}

/// What a charger is like from the factory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build {
    pub(crate) supply_phases: u8,
    /// Most it can carry, whatever it is told.
    pub(crate) rated: Milliamps,
    /// Its fallback current, if the profile does not tell it.
    pub(crate) fallback: Milliamps,
    pub(crate) energy_wh: u64,
}

/// Changing state of one charger; the profile stays outside.
#[derive(Debug)]
pub(crate) struct Charger {
    build: Build,
    /// What was written.
    pub(super) memory: Memory,
    /// What of the failsafe a power loss leaves.
    pub(super) saved: Memory,
    pub(super) phases: Phases,
    /// When the device clears its life bit.
    pub(super) clears_at_ms: Option<u64>,
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
    pub(crate) fn new(profile: &Profile, build: Build) -> Self {
        let supply_phases = build.supply_phases.clamp(1, 3);
        let mut charger = Self {
            build: Build {
                supply_phases,
                ..build
            },
            memory: Memory::default(),
            saved: Memory::default(),
            phases: Phases::new(supply_phases),
            clears_at_ms: None,
            watchdog: Watchdog {
                fed_at_ms: 0,
                fallen: false,
            },
            vehicle: None,
            forced: None,
            lifetime: Energy::starting_at(build.energy_wh),
            session: Energy::default(),
            flow: Flow::default(),
            powered: true,
        };
        for (role, write) in roles(profile) {
            let factory = charger.factory_bits(profile, role, write.ty);
            charger.memory.set(write, factory);
        }
        charger.saved = charger.memory.clone();
        charger
    }

    /// What stands in a register that nobody has written yet.
    fn factory_bits(&self, profile: &Profile, role: Role<'_>, ty: RegisterType) -> u64 {
        let other = |value: u64| u64::from(value == 0);
        match role {
            Role::Setup(setup) | Role::PhaseSetup(setup) | Role::FailsafePersist(setup) => {
                other(setup.value)
            }
            Role::Limit(limit) => {
                let units = self.in_unit(limit.unit, limit.maximum);
                bits_of(ty, counts_for(limit.scale, units))
            }
            Role::PauseSwitch { resume, .. } => resume,
            Role::FailsafeCurrent(failsafe) => {
                let fallback = self.factory_fallback(profile);
                let units = self.in_unit(failsafe.current_unit, fallback);
                let pause = failsafe.current_pause.filter(|_| fallback == Milliamps(0));
                pause.unwrap_or_else(|| bits_of(ty, counts_for(failsafe.current_scale, units)))
            }
            Role::FailsafeTimeout(failsafe) => {
                let counts = counts_for(failsafe.timeout_scale, failsafe.timeout_default_ms);
                bits_of(ty, counts)
            }
            Role::FailsafeEnable(setup) => {
                let on = profile
                    .failsafe
                    .as_ref()
                    .map_or(0, |f| f.timeout_default_ms)
                    > 0;
                if on { setup.value } else { other(setup.value) }
            }
            Role::Token { value } => other(value),
            Role::LifeBit { cleared, .. } => cleared,
            Role::Phases(switch) if self.build.supply_phases == 1 => switch.one,
            Role::Phases(switch) => switch.three,
        }
    }

    /// What is volatile is forgotten.
    fn forget(&mut self, profile: &Profile) {
        let volatile = profile.limit.as_ref().is_some_and(|limit| limit.volatile);
        let persists = profile
            .failsafe
            .as_ref()
            .is_some_and(|f| f.persist.is_some());
        for (role, write) in roles(profile) {
            let bits = match role {
                Role::Limit(_) | Role::PauseSwitch { .. } if !volatile => continue,
                Role::FailsafeCurrent(_) | Role::FailsafeTimeout(_) | Role::FailsafeEnable(_) => {
                    match (persists, volatile) {
                        (true, _) => self.saved.get(write),
                        (false, true) => self.factory_bits(profile, role, write.ty),
                        (false, false) => continue,
                    }
                }
                Role::Phases(_) => continue,
                Role::Setup(_)
                | Role::Limit(_)
                | Role::PauseSwitch { .. }
                | Role::FailsafePersist(_)
                | Role::Token { .. }
                | Role::LifeBit { .. }
                | Role::PhaseSetup(_) => self.factory_bits(profile, role, write.ty),
            };
            self.memory.set(write, bits);
        }
        self.clears_at_ms = None;
    }

    fn factory_fallback(&self, profile: &Profile) -> Milliamps {
        let told = profile.failsafe.as_ref().and_then(|f| f.factory_current);
        match (self.build.fallback, told) {
            (Milliamps(0), Some(told)) => told,
            (fallback, _) => fallback,
        }
    }

    /// Phases that a car can be given now.
    pub(crate) fn phases_now(&self) -> u8 {
        self.phases.now().min(self.build.supply_phases)
    }

    /// Phases it is wired to.
    pub(crate) fn supply_phases(&self) -> u8 {
        self.build.supply_phases
    }

    /// Limit in force before the failsafe is asked; 0 is a pause.
    pub(super) fn set_point(&self, profile: &Profile) -> Milliamps {
        let Some(limit) = &profile.limit else {
            return Milliamps(0);
        };
        let bits = self.memory.get(&limit.write);
        if self.switched_off(profile) || limit.pause == Some(PauseControl::Value(bits)) {
            return Milliamps::PAUSE;
        }
        self.milliamps(limit.unit, base_units(limit.write.ty, limit.scale, bits))
    }

    fn switched_off(&self, profile: &Profile) -> bool {
        let limit = profile.limit.as_ref();
        limit.is_some_and(|limit| match &limit.pause {
            Some(PauseControl::Switch { write, pause, .. }) => self.memory.get(write) == *pause,
            Some(PauseControl::Value(_)) | None => false,
        })
    }

    /// Base units of a set-point as current per phase.
    pub(super) fn milliamps(&self, unit: LimitUnit, units: u64) -> Milliamps {
        let milliamps = match unit {
            LimitUnit::Milliamps => u128::from(units),
            LimitUnit::Watts => {
                u128::from(units) * 1000 / u128::from(NOMINAL_V * u64::from(self.phases_now()))
            }
        };
        Milliamps(u32::try_from(milliamps).unwrap_or(u32::MAX))
    }

    fn in_unit(&self, unit: LimitUnit, current: Milliamps) -> u64 {
        match unit {
            LimitUnit::Milliamps => u64::from(current.0),
            LimitUnit::Watts => {
                u64::from(current.0) * NOMINAL_V * u64::from(self.phases_now()) / 1000
            }
        }
    }

    /// What the device falls back to.
    pub(crate) fn fallback(&self, profile: &Profile) -> Milliamps {
        let Some(failsafe) = &profile.failsafe else {
            return Milliamps(0);
        };
        let Some(current) = &failsafe.current else {
            return self.factory_fallback(profile);
        };
        let bits = self.memory.get(current);
        if failsafe.current_pause == Some(bits) {
            return Milliamps(0);
        }
        let units = base_units(current.ty, failsafe.current_scale, bits);
        self.milliamps(failsafe.current_unit, units)
    }

    /// Whether everything that must be written before the limit counts was written.
    pub(crate) fn set_up(&self, profile: &Profile) -> bool {
        profile.setup.iter().all(|setup| self.memory.holds(setup))
    }

    /// What the pilot signals to the car now.
    pub(crate) fn offered(&self, profile: &Profile) -> Milliamps {
        let off = self.forced.is_some() || !self.powered || self.phases.moving();
        if off || self.switched_off(profile) {
            return Milliamps(0);
        }
        let told = if self.watchdog.fallen {
            self.fallback(profile)
        } else if !self.set_up(profile) {
            profile.limit.as_ref().map_or(Milliamps(0), |l| l.maximum)
        } else {
            self.set_point(profile)
        };
        told.min(self.build.rated)
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
        self.forget(profile);
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
        self.phases.step(now_ms);
        self.clear_life_bit(profile, now_ms);
        let silent_ms = now_ms.saturating_sub(self.watchdog.fed_at_ms);
        self.watchdog.fallen = self
            .timeout_ms(profile)
            .is_some_and(|most| silent_ms > most);
        let offered = self.offered(profile);
        let phases = self.phases_now();
        self.flow = Flow::default();
        if let Some(vehicle) = &mut self.vehicle {
            vehicle.step(now_ms, ms, offered);
            let currents = vehicle.currents(phases);
            self.flow = Flow::of(currents, mains.voltage(), vehicle.power_factor_permille());
            vehicle.take(&self.flow, ms);
        }
        self.lifetime.add(&self.flow, ms);
        self.session.add(&self.flow, ms);
    }

    fn clear_life_bit(&mut self, profile: &Profile, now_ms: u64) {
        if let KeepAlive::LifeBit { write, cleared, .. } = &profile.keep_alive
            && self.clears_at_ms.is_some_and(|at_ms| now_ms >= at_ms)
        {
            self.memory.set(write, *cleared);
            self.clears_at_ms = None;
        }
    }

    /// Silence after which the device falls back; `None`: never. A profile that says nothing of it
    /// falls back half an interval after the keep-alive was due.
    pub(crate) fn timeout_ms(&self, profile: &Profile) -> Option<u64> {
        let interval = match &profile.keep_alive {
            KeepAlive::None => return None,
            KeepAlive::AnyRequest { interval_ms }
            | KeepAlive::RewriteLimit { interval_ms }
            | KeepAlive::RewriteTimeout { interval_ms }
            | KeepAlive::WriteRegister { interval_ms, .. }
            | KeepAlive::LifeBit { interval_ms, .. } => *interval_ms,
        };
        let undocumented = interval.saturating_add(interval / 2);
        let Some(failsafe) = &profile.failsafe else {
            return Some(undocumented);
        };
        if failsafe
            .enable
            .as_ref()
            .is_some_and(|on| !self.memory.holds(on))
        {
            return None;
        }
        match &failsafe.timeout {
            None if failsafe.timeout_default_ms == 0 => Some(undocumented),
            None => Some(failsafe.timeout_default_ms),
            Some(timeout) => {
                let bits = self.memory.get(timeout);
                let ms = base_units(timeout.ty, failsafe.timeout_scale, bits);
                (ms > 0).then_some(ms)
            }
        }
    }

    /// What keeps it from falling back was heard.
    pub(crate) fn feed(&mut self, now_ms: u64) {
        self.watchdog.fed_at_ms = now_ms;
        self.watchdog.fallen = false;
    }

    /// A request was heard, whatever it asks.
    pub(crate) fn heard(&mut self, profile: &Profile, now_ms: u64) {
        if let KeepAlive::AnyRequest { .. } = profile.keep_alive {
            self.feed(now_ms);
        }
    }
}
