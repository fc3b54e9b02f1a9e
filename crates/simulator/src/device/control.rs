//! What a write does to a charger, and which writes it refuses or does not deserve.

use hw_profiles::{
    Failsafe, KeepAlive, LimitControl, LimitUnit, PauseControl, PhaseSwitch, Profile, SetupWrite,
    WriteRegister,
};
use site_model::{Milliamps, VehicleState};

use super::charger::Charger;
use super::memory::{Role, Spot, roles};
use super::value::{base_units, is_sound};
use super::violation::{Broken, Rule};
use crate::codec::ExceptionCode;

/// Longest time after which a device clears its life bit.
const CLEARS_AFTER_MS: u64 = 500;

/// A write that a charger took.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Rules that it broke all the same.
    pub(crate) broken: Vec<Broken>,
    /// Whether it went into memory that wears.
    pub(crate) wears: bool,
}

/// A write that a charger refused.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: ExceptionCode,
    /// Absent: the master did nothing wrong.
    pub(crate) broken: Option<Broken>,
}

impl From<Broken> for Refused {
    fn from(broken: Broken) -> Self {
        Self {
            code: ExceptionCode::IllegalDataValue,
            broken: Some(broken),
        }
    }
}

impl Charger {
    /// Takes a write of a whole value; its shape was checked before. `phases_switch`: whether this
    /// variant can switch its phases.
    pub(crate) fn write(
        &mut self,
        profile: &Profile,
        now_ms: u64,
        write: &WriteRegister,
        bits: u64,
        phases_switch: bool,
    ) -> Result<Taken, Refused> {
        let here = Spot::of(write);
        let roles: Vec<Role<'_>> = roles(profile)
            .into_iter()
            .filter_map(|(role, write)| (Spot::of(write) == here).then_some(role))
            .collect();
        let mut taken = Taken::default();
        if !roles.iter().any(|role| matches!(role, Role::Setup(_))) && !self.set_up(profile) {
            let detail = format!("write to {} before the set-up was written", here.address);
            taken.broken.push(Broken::new(Rule::SetupMissing, detail));
        }
        for role in roles {
            match role {
                Role::Limit(limit) => self.take_limit(profile, limit, now_ms, bits, &mut taken)?,
                Role::PauseSwitch { pause, resume } => {
                    self.take_switch(profile, now_ms, bits, pause, resume, &mut taken)?;
                }
                Role::Phases(switch) => {
                    self.take_phases(profile, switch, now_ms, bits, phases_switch)?;
                }
                Role::FailsafeTimeout(_) => {
                    if let KeepAlive::RewriteTimeout { .. } = profile.keep_alive {
                        self.feed(now_ms);
                    }
                }
                Role::FailsafePersist(persist) => {
                    self.take_persist(profile, persist, bits, &mut taken);
                }
                Role::Token { value } if bits == value => self.feed(now_ms),
                Role::LifeBit { value, .. } if bits == value => {
                    self.feed(now_ms);
                    let interval = interval_ms(&profile.keep_alive);
                    let after = CLEARS_AFTER_MS.min(interval / 4);
                    self.clears_at_ms = Some(now_ms.saturating_add(after));
                }
                Role::FailsafeCurrent(failsafe) => fallback_sound(failsafe, bits)?,
                Role::Setup(_)
                | Role::PhaseSetup(_)
                | Role::FailsafeEnable(_)
                | Role::Token { .. }
                | Role::LifeBit { .. } => {}
            }
        }
        self.memory.set(write, bits);
        Ok(taken)
    }

    fn take_limit(
        &mut self,
        profile: &Profile,
        limit: &LimitControl,
        now_ms: u64,
        bits: u64,
        taken: &mut Taken,
    ) -> Result<(), Broken> {
        let pauses = limit.pause == Some(PauseControl::Value(bits));
        if let Some((_, meaning)) = limit.meanings.iter().find(|(raw, _)| *raw == bits)
            && !pauses
        {
            let detail = format!("set-point {bits} is no current here: {meaning:?}");
            return Err(Broken::new(Rule::SetpointMeaning, detail));
        }
        let ty = limit.write.ty;
        let current = self.milliamps(limit.unit, base_units(ty, limit.scale, bits));
        // Whole watts of the lowest current may be a few mA less than it.
        let slack = match limit.unit {
            LimitUnit::Milliamps => 0,
            LimitUnit::Watts => 5,
        };
        let allowed =
            current.0.saturating_add(slack) >= limit.minimum.0 && current <= limit.maximum;
        if !is_sound(ty, bits) || (!pauses && !allowed) {
            let (low, high) = (limit.minimum, limit.maximum);
            let detail = format!("limit of {current}: {low} to {high}, or a pause");
            return Err(Broken::new(Rule::LimitOutOfRange, detail));
        }
        if !limit.volatile {
            taken.wears = true;
            let renewed = matches!(profile.keep_alive, KeepAlive::RewriteLimit { .. });
            if self.memory.get(&limit.write) == bits && !renewed {
                let detail = format!("limit of {current} again, into memory that wears");
                taken.broken.push(Broken::new(Rule::FlashWear, detail));
            }
        }
        self.set_point_written(profile, now_ms, !pauses, taken);
        Ok(())
    }

    fn take_switch(
        &mut self,
        profile: &Profile,
        now_ms: u64,
        bits: u64,
        pause: u64,
        resume: u64,
        taken: &mut Taken,
    ) -> Result<(), Broken> {
        if bits != pause && bits != resume {
            let detail = format!("switch {bits}: neither {pause} nor {resume}");
            return Err(Broken::new(Rule::LimitOutOfRange, detail));
        }
        self.set_point_written(profile, now_ms, bits == resume, taken);
        Ok(())
    }

    /// A limit or a pause counts as a set-point; one that lets charging go on must wait for the
    /// relay.
    fn set_point_written(
        &mut self,
        profile: &Profile,
        now_ms: u64,
        goes_on: bool,
        taken: &mut Taken,
    ) {
        if let KeepAlive::RewriteLimit { .. } = profile.keep_alive {
            self.feed(now_ms);
        }
        if goes_on && self.phases.moving() {
            let detail = "charging goes on while the phases are switched".to_owned();
            taken.broken.push(Broken::new(Rule::PhaseSwitch, detail));
        }
    }

    fn take_phases(
        &mut self,
        profile: &Profile,
        switch: &PhaseSwitch,
        now_ms: u64,
        bits: u64,
        exists: bool,
    ) -> Result<(), Refused> {
        if !exists {
            let detail = "phase switch: this variant has none".to_owned();
            return Err(Broken::new(Rule::UnknownWrite, detail).into());
        }
        if !switch.setup.iter().all(|setup| self.memory.holds(setup)) {
            let detail = "phase switch before what must be written before it".to_owned();
            return Err(Broken::new(Rule::SetupMissing, detail).into());
        }
        if switch.only_paused {
            let set_point = self.set_point(profile);
            let paused = set_point == Milliamps::PAUSE;
            let charging = self.state() == VehicleState::C;
            if !paused || charging {
                let broken = (!paused).then(|| {
                    let detail = format!("phase switch at a set-point of {set_point}: only paused");
                    Broken::new(Rule::PhaseSwitch, detail)
                });
                return Err(Refused {
                    code: ExceptionCode::ServerDeviceFailure,
                    broken,
                });
            }
        }
        self.phases.switch(switch, bits, now_ms)?;
        Ok(())
    }

    fn take_persist(
        &mut self,
        profile: &Profile,
        persist: &SetupWrite,
        bits: u64,
        taken: &mut Taken,
    ) {
        if bits != persist.value {
            return;
        }
        taken.wears = true;
        let values = failsafe_writes(profile);
        if values
            .iter()
            .all(|w| self.saved.get(w) == self.memory.get(w))
        {
            let detail = "failsafe stored again though nothing changed".to_owned();
            taken.broken.push(Broken::new(Rule::FlashWear, detail));
        }
        for write in values {
            self.saved.set(write, self.memory.get(write));
        }
    }
}

/// Where 0 is told by another raw value, 0 counts mean something else.
fn fallback_sound(failsafe: &Failsafe, bits: u64) -> Result<(), Broken> {
    let wrong = failsafe
        .current_pause
        .is_some_and(|pause| pause != bits && bits == 0);
    if wrong {
        let detail = "fallback current of 0 counts, which is no current here".to_owned();
        return Err(Broken::new(Rule::SetpointMeaning, detail));
    }
    Ok(())
}

fn failsafe_writes(profile: &Profile) -> Vec<&WriteRegister> {
    let mut writes = Vec::new();
    if let Some(failsafe) = &profile.failsafe {
        writes.extend(&failsafe.current);
        writes.extend(&failsafe.timeout);
        writes.extend(failsafe.enable.iter().map(|setup| &setup.write));
    }
    writes
}

fn interval_ms(keep_alive: &KeepAlive) -> u64 {
    match keep_alive {
        KeepAlive::None => 0,
        KeepAlive::AnyRequest { interval_ms }
        | KeepAlive::RewriteLimit { interval_ms }
        | KeepAlive::RewriteTimeout { interval_ms }
        | KeepAlive::WriteRegister { interval_ms, .. }
        | KeepAlive::LifeBit { interval_ms, .. } => *interval_ms,
    }
}
