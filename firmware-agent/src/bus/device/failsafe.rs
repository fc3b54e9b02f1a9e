//! The failsafe: written where it reads back otherwise, read back, stored only after a change, and
//! compared again after each connection and once a day.

use std::time::Duration;

use hw_profiles::{Failsafe, LimitUnit, Profile, Scale, WriteRegister};
use site_model::DeviceFault;
use tokio::time::Instant;

use super::fixed::{Check, Fixed, Purpose, index_of};
use super::{Device, fault};
use crate::bus::{BusDevice, BusEvent, FailsafeSettings, FailsafeState};
use crate::encode::{self, Unwritable};

/// Compared again after this time.
const CHECK_INTERVAL: Duration = Duration::from_secs(24 * 3_600);
/// A register that was not read within this time and a poll interval is not there.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// A device may tell the old value for so long after a write.
const SETTLE: Duration = Duration::from_secs(5);
/// So often what reads back otherwise is written, each time it is compared.
const ATTEMPTS_MAX: u32 = 2;

/// Where the comparison stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is configured, or the model cannot be told.
    Unused,
    /// New connection: compared with what was read since.
    New,
    /// Written values have not all been echoed.
    Writing { attempts: u32 },
    /// Waits until everything was read after this time.
    Reading { since: Instant, attempts: u32 },
    /// It is being stored.
    Persisting { readable: bool },
    /// Compared; again at this time.
    Done { until: Instant },
}

/// What is known of a device's failsafe.
#[derive(Debug)]
pub(super) struct FailsafeWatch {
    stage: Stage,
    told: Option<FailsafeState>,
    /// What a register tells was changed and is not stored yet.
    changed: bool,
    /// What no register tells was stored once: not again, for flash wears.
    stored_blind: bool,
}

impl FailsafeWatch {
    pub(super) fn new(config: &BusDevice, profile: &Profile) -> Self {
        let settable =
            |failsafe: &Failsafe| failsafe.current.is_some() || failsafe.timeout.is_some();
        let used = config.failsafe.is_some() && profile.failsafe.as_ref().is_some_and(settable);
        Self {
            stage: if used { Stage::New } else { Stage::Unused },
            told: None,
            changed: false,
            stored_blind: false,
        }
    }

    pub(super) fn told(&self) -> Option<&FailsafeState> {
        self.told.as_ref()
    }

    /// Whatever was under way begins anew.
    pub(super) fn reconnected(&mut self) {
        if self.stage != Stage::Unused {
            self.stage = Stage::New;
        }
    }
}

impl Device {
    /// Goes on with the comparison as far as is possible now.
    pub(super) fn advance_failsafe(&mut self, now: Instant) {
        let idle = self.fixed.is_empty() && self.switching.is_none();
        let rests = match self.failsafe.stage {
            Stage::Unused => true,
            Stage::Done { until } => now < until,
            Stage::New
            | Stage::Writing { .. }
            | Stage::Reading { .. }
            | Stage::Persisting { .. } => false,
        };
        if rests || !idle || !self.polled || !self.may_write() {
            return;
        }
        if !self.has_failsafe() {
            return self.failsafe_refused(fault::failsafe_not_here(&self.profile.id), now);
        }
        let targets = match self.failsafe_targets() {
            Ok(targets) => targets,
            Err(error) => return self.failsafe_refused(fault::unwritable_value(error), now),
        };
        match self.failsafe.stage {
            Stage::Unused => {}
            Stage::New => self.compare_failsafe(targets, None, 0, now),
            Stage::Writing { attempts } => self.read_failsafe(&targets, attempts, now),
            Stage::Reading { since, attempts } => {
                let mut checks = targets.iter().filter_map(Fixed::check);
                let all = checks.all(|check| self.was_read_since(check.register, since));
                if all || now >= since + READ_TIMEOUT + self.interval() {
                    self.compare_failsafe(targets, Some(since), attempts, now);
                }
            }
            Stage::Persisting { readable } => {
                self.failsafe.changed = false;
                self.failsafe.stored_blind = true;
                self.failsafe_is(readable, now);
            }
            Stage::Done { .. } => self.read_failsafe(&targets, 0, now),
        }
    }

    /// Whether this variant of the model has the failsafe of the profile.
    pub(super) fn has_failsafe(&self) -> bool {
        let failsafe = self.profile.failsafe.as_ref();
        failsafe.is_some_and(|f| self.image.holds(&self.profile, &f.when) == Some(true))
    }

    /// The device refused a value.
    pub(super) fn failsafe_refused(&mut self, fault: DeviceFault, now: Instant) {
        self.conclude_failsafe(FailsafeState::Differs { fault }, now);
    }

    fn read_failsafe(&mut self, targets: &[Fixed], attempts: u32, now: Instant) {
        for check in targets.iter().filter_map(Fixed::check) {
            self.want(check.register);
        }
        self.failsafe.stage = Stage::Reading {
            since: now,
            attempts,
        };
    }

    /// `since`: only what was read after it counts; `None`: all that was read in this connection.
    fn compare_failsafe(
        &mut self,
        targets: Vec<Fixed>,
        since: Option<Instant>,
        attempts: u32,
        now: Instant,
    ) {
        let mut differing = vec![];
        let mut blind = vec![];
        for target in targets {
            let check = target.check().filter(|check| {
                since.is_none_or(|since| self.was_read_since(check.register, since))
            });
            match check.and_then(|check| self.tells(check)) {
                Some(true) => {}
                Some(false) => differing.push(target),
                None => blind.push(target),
            }
        }
        let readable = blind.is_empty();
        let settling = since.is_some_and(|since| attempts > 0 && now < since + SETTLE);
        if settling && !differing.is_empty() {
            for check in differing.iter().filter_map(Fixed::check) {
                self.want(check.register);
            }
        } else if !differing.is_empty() && attempts >= ATTEMPTS_MAX {
            let fault = self.failsafe_fault(&differing);
            self.failsafe_refused(fault, now);
        } else if !differing.is_empty() || since.is_none() && !readable {
            self.failsafe.changed |= !differing.is_empty();
            self.fixed.extend(differing);
            if since.is_none() {
                self.fixed.extend(blind);
            }
            self.failsafe.stage = Stage::Writing {
                attempts: attempts + 1,
            };
        } else {
            self.persist_failsafe(readable, now);
        }
    }

    /// Stored only after a change.
    fn persist_failsafe(&mut self, readable: bool, now: Instant) {
        let changed = self.failsafe.changed || !readable && !self.failsafe.stored_blind;
        let profile = self.profile.clone();
        let persist = profile.failsafe.as_ref().and_then(|f| f.persist.as_ref());
        match persist.map(|persist| Fixed::of(&profile, persist, Purpose::Persist)) {
            Some(Ok(persist)) if changed => {
                self.fixed.push_back(persist);
                self.failsafe.stage = Stage::Persisting { readable };
            }
            Some(Err(error)) => self.failsafe_refused(fault::unwritable_value(error), now),
            Some(Ok(_)) | None => self.failsafe_is(readable, now),
        }
    }

    fn failsafe_is(&mut self, readable: bool, now: Instant) {
        let state = if readable {
            FailsafeState::Confirmed
        } else {
            FailsafeState::NotReadable
        };
        self.conclude_failsafe(state, now);
    }

    fn conclude_failsafe(&mut self, state: FailsafeState, now: Instant) {
        self.failsafe.stage = Stage::Done {
            until: now + CHECK_INTERVAL,
        };
        self.failsafe.told = Some(state.clone());
        self.news.push(BusEvent::Failsafe {
            device: self.config.id.clone(),
            state,
        });
    }

    /// What is to be in the device, in the order in which it is written.
    fn failsafe_targets(&self) -> Result<Vec<Fixed>, Unwritable> {
        let profile = &self.profile;
        let (Some(failsafe), Some(settings)) = (&profile.failsafe, self.config.failsafe) else {
            return Ok(vec![]);
        };
        let FailsafeSettings {
            current,
            timeout_ms,
        } = settings;
        let limit = profile.limit.as_ref();
        let phases = match failsafe.current_unit {
            LimitUnit::Milliamps => self.config.phases,
            LimitUnit::Watts => self.phases_in_use(),
        };
        let mut targets = Vec::new();
        if let Some(register) = &failsafe.current
            && let Some(raw) = encode::failsafe_current(failsafe, limit, current, phases)
        {
            let told_by = failsafe.current_read_back.as_deref();
            let scale = failsafe.current_scale;
            targets.push(target(profile, register, raw, scale, told_by)?);
        }
        if let Some(register) = &failsafe.timeout
            && let Some(raw) = encode::failsafe_timeout(failsafe, timeout_ms)
        {
            let told_by = failsafe.timeout_read_back.as_deref();
            let scale = failsafe.timeout_scale;
            targets.push(target(profile, register, raw, scale, told_by)?);
        }
        if let Some(enable) = &failsafe.enable {
            targets.push(Fixed::of(profile, enable, Purpose::Failsafe)?);
        }
        Ok(targets)
    }

    fn failsafe_fault(&self, differing: &[Fixed]) -> DeviceFault {
        let told = differing.iter().filter_map(Fixed::check).map(|check| {
            let name = &self.profile.registers[check.register].name;
            format!(
                "{name} reads back {} instead of {}",
                self.shown(check.register),
                check.raw
            )
        });
        fault::failsafe_differs(&told.collect::<Vec<_>>().join(", "))
    }
}

fn target(
    profile: &Profile,
    register: &WriteRegister,
    raw: u64,
    scale: Scale,
    told_by: Option<&str>,
) -> Result<Fixed, Unwritable> {
    let check = told_by.and_then(|name| {
        Some(Check {
            register: index_of(profile, name)?,
            raw,
            base: Some(encode::base_of(register.ty, scale, raw).into()),
        })
    });
    let write = encode::write(register, raw)?;
    Ok(Fixed::new(write, check, Purpose::Failsafe))
}
