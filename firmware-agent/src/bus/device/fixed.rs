//! Fixed values on their way into the device, and whether it tells them back: set-up, failsafe,
//! phases. Written one after the other.

use hw_profiles::{Profile, Scale, SetupWrite};
use site_model::DeviceFault;
use tokio::time::Instant;

use super::{Asked, BUSY_RETRY, Device, SILENT_WRITES_MAX, Settled, fault, is_worth_waiting};
use crate::bus::wire::Failure;
use crate::codec::Answer;
use crate::decode::Raw;
use crate::encode::{self, Unwritable, Write};

/// What a fixed value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Comes before every other write.
    Setup,
    /// One of the values of the failsafe.
    Failsafe,
    /// Stores the failsafe.
    Persist,
    /// The phase switch and what must be written before it.
    Phases,
}

/// A register that tells a written value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Check {
    /// Index in the profile.
    pub(super) register: usize,
    /// Raw value as written.
    pub(super) raw: u64,
    /// The same in base units, where the register that tells it may have another scale.
    pub(super) base: Option<i128>,
}

/// A value on its way into the device.
#[derive(Debug, Clone)]
pub(super) struct Fixed {
    write: Write,
    check: Option<Check>,
    purpose: Purpose,
    busy: u32,
    silent: u32,
}

impl Fixed {
    pub(super) fn new(write: Write, check: Option<Check>, purpose: Purpose) -> Self {
        Self {
            write,
            check,
            purpose,
            busy: 0,
            silent: 0,
        }
    }

    /// As the profile gives it.
    pub(super) fn of(
        profile: &Profile,
        setup: &SetupWrite,
        purpose: Purpose,
    ) -> Result<Self, Unwritable> {
        let write = encode::write(&setup.write, setup.value)?;
        let check = setup.read_back.as_deref().and_then(|name| {
            Some(Check {
                register: index_of(profile, name)?,
                raw: setup.value,
                base: None,
            })
        });
        Ok(Self::new(write, check, purpose))
    }

    pub(super) fn write(&self) -> &Write {
        &self.write
    }

    pub(super) fn check(&self) -> Option<Check> {
        self.check
    }

    pub(super) fn is_for(&self, purpose: Purpose) -> bool {
        self.purpose == purpose
    }
}

/// Index of a register by name.
pub(super) fn index_of(profile: &Profile, name: &str) -> Option<usize> {
    profile
        .registers
        .iter()
        .position(|register| register.name == name)
}

impl Device {
    /// The first cycle since the connection has ended: what the profile wants set up is written,
    /// unless it already reads back so.
    pub(super) fn begin_set_up(&mut self, settled: &mut Settled) {
        let profile = self.profile.clone();
        for setup in &profile.setup {
            match Fixed::of(&profile, setup, Purpose::Setup) {
                Ok(fixed) => self.push_unless_told(fixed),
                Err(error) => settled.alarm(fault::unwritable_value(error)),
            }
        }
    }

    /// Writes a value unless the device already tells it.
    pub(super) fn push_unless_told(&mut self, fixed: Fixed) {
        let told = fixed
            .check
            .is_some_and(|check| self.tells(check) == Some(true));
        if !told {
            self.fixed.push_back(fixed);
        }
    }

    pub(super) fn is_set_up_under_way(&self) -> bool {
        self.is_writing(Purpose::Setup)
    }

    pub(super) fn is_writing(&self, purpose: Purpose) -> bool {
        self.fixed.iter().any(|fixed| fixed.purpose == purpose)
    }

    /// Whether the device tells a value; `None`: nothing was heard of it.
    pub(super) fn tells(&self, check: Check) -> Option<bool> {
        let register = &self.profile.registers[check.register];
        let raw = self.image.raw(&self.profile, &register.name)?;
        let raw = raw.masked(register.mask);
        let plain = register.scale
            == Scale {
                numerator: 1,
                denominator: 1,
            };
        match check.base {
            Some(base) if register.quantity.is_some() || !plain => {
                // A float may be a little off.
                let value = self.image.base_value(&self.profile, &register.name)?;
                Some((value - base).abs() <= 1)
            }
            Some(_) | None => Some(raw == Raw::Number(check.raw)),
        }
    }

    /// What a register holds, for a sentence.
    pub(super) fn shown(&self, register: usize) -> String {
        let name = &self.profile.registers[register].name;
        let raw = self.image.raw(&self.profile, name);
        raw.map_or_else(|| "nothing".to_owned(), |raw| raw.to_string())
    }

    pub(super) fn fixed_answered(
        &mut self,
        asked: &Asked,
        answer: &Answer,
        now: Instant,
    ) -> Settled {
        let mut settled = Settled::default();
        let Some(mut fixed) = self.fixed.pop_front() else {
            return settled;
        };
        match answer {
            Answer::Registers(_) => {}
            Answer::Written => {
                self.written_at_limit(&fixed.write, now);
                if let Some(check) = fixed.check {
                    self.want(check.register);
                }
                if fixed.purpose == Purpose::Phases && !self.is_writing(Purpose::Phases) {
                    self.phases_written(now);
                }
            }
            Answer::Exception(code) => {
                let fault = fault::refused(*code, asked.unit, &asked.request);
                settled.fault = Some(fault.clone());
                if is_worth_waiting(*code, fixed.busy) {
                    fixed.busy += 1;
                    self.patience.ready_at = now + BUSY_RETRY;
                    self.fixed.push_front(fixed);
                } else {
                    self.refused(fixed.purpose, fault, now, &mut settled);
                }
            }
        }
        settled
    }

    /// A fixed write was not answered. It is tried again, but not for ever.
    pub(super) fn fixed_unanswered(
        &mut self,
        failure: &Failure,
        fault: &DeviceFault,
        now: Instant,
        settled: &mut Settled,
    ) {
        let Some(fixed) = self.fixed.front_mut() else {
            return;
        };
        fixed.silent += 1;
        let contradicted = *failure == Failure::Foreign { same_unit: true };
        if fixed.silent < SILENT_WRITES_MAX && !contradicted {
            return;
        }
        let purpose = fixed.purpose;
        self.fixed.pop_front();
        self.refused(purpose, fault.clone(), now, settled);
    }

    /// The device does not take a value.
    fn refused(
        &mut self,
        purpose: Purpose,
        fault: DeviceFault,
        now: Instant,
        settled: &mut Settled,
    ) {
        match purpose {
            Purpose::Setup => settled.alarm(fault),
            Purpose::Failsafe | Purpose::Persist => {
                self.fixed.retain(|fixed| fixed.purpose != purpose);
                self.failsafe_refused(fault, now);
            }
            Purpose::Phases => self.refuse_phases(fault),
        }
    }
}
