//! One device: answers requests from its registers and holds the master to the profile's rules.

mod access;
mod charger;
mod fault;
mod identity;
mod image;
mod meter;
mod rules;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
mod value;
mod violation;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use hw_profiles::{Access, KeepAlive, PauseControl, Profile, Table, WriteRegister};
use site_model::VehicleState;

pub(crate) use charger::Charger;
pub(crate) use fault::Faults;
pub use fault::{Answer, Damage, Fault};
pub(crate) use identity::Given;
pub(crate) use image::Image;
pub(crate) use meter::{Measured, Meter};
use rules::RawValues;
use violation::Broken;
pub use violation::{Rule, Violation};

use crate::codec::{
    ExceptionCode, Request, exception_pdu, parse_request, read_answer, write_answer,
};
use crate::physics::Mains;

/// Most violations and writes that a device remembers; the oldest go first.
const MEMORY: usize = 4096;

/// A write as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRecord {
    /// When, on the clock of whoever asked.
    pub at_ms: u64,
    /// First register.
    pub address: u16,
    /// Values.
    pub values: Vec<u16>,
    /// Whether the device took it.
    pub accepted: bool,
}

/// Charger or meter.
#[derive(Debug)]
pub(crate) enum Body {
    Charger(Box<Charger>),
    Meter(Meter),
}

/// When a device was last asked what.
#[derive(Debug, Default)]
struct Timing {
    answered_at_ms: Option<u64>,
    read_at_ms: BTreeMap<(Table, u16), u64>,
    limit_written_at_ms: Option<u64>,
}

/// One device of the world.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) profile: Arc<Profile>,
    pub(crate) body: Body,
    pub(crate) fixed: RawValues,
    pub(crate) unavailable: BTreeSet<String>,
    pub(crate) faults: Faults,
    rebooting_until_ms: Option<u64>,
    timing: Timing,
    pub(crate) writes: VecDeque<WriteRecord>,
    pub(crate) violations: VecDeque<Violation>,
    /// Limits written to memory that wears.
    pub(crate) flash_writes: u64,
    /// Requests heard, whatever came of them.
    pub(crate) requests: u64,
}

/// One request with its times; `physics_ms` is the world's, the others are the shell's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// First byte of the request.
    pub(crate) began_ms: u64,
    pub(crate) now_ms: u64,
    pub(crate) physics_ms: u64,
}

impl Device {
    pub(crate) fn new(name: &str, profile: Arc<Profile>, body: Body, given: &Given) -> Self {
        Self {
            name: name.to_owned(),
            fixed: identity::fixed_values(&profile, given),
            profile,
            body,
            unavailable: BTreeSet::new(),
            faults: Faults::default(),
            rebooting_until_ms: None,
            timing: Timing::default(),
            writes: VecDeque::new(),
            violations: VecDeque::new(),
            flash_writes: 0,
            requests: 0,
        }
    }

    /// Power comes for the first time.
    pub(crate) fn power_up(&mut self, physics_ms: u64) {
        if let Body::Charger(charger) = &mut self.body {
            charger.power_on(physics_ms);
        }
    }

    /// A state of A, B and C that the profile's rules have no values for.
    pub(crate) fn speechless(&self) -> Option<VehicleState> {
        [VehicleState::A, VehicleState::B, VehicleState::C]
            .into_iter()
            .find(|state| {
                rules::values_for_state(&self.profile, *state, false, &self.fixed).is_none()
            })
    }

    /// Words that a register shows now, asked past all rules.
    pub(crate) fn words(&self, name: &str, mains: &Mains) -> Option<Vec<u16>> {
        let image = Image::new(self, mains);
        let mut named = image.existing().into_iter().filter(|r| r.name == name);
        named.next().map(|register| image.words(register))
    }

    /// Makes a fault active; a reboot begins at once.
    pub(crate) fn set_fault(&mut self, fault: Fault, physics_ms: u64) {
        if let Fault::Reboot { duration_ms } = fault {
            self.rebooting_until_ms = Some(physics_ms.saturating_add(duration_ms));
            if let Body::Charger(charger) = &mut self.body {
                charger.power_off(&self.profile);
            }
        } else {
            self.faults.set(fault);
        }
    }

    /// Ends a reboot whose time has come.
    pub(crate) fn wake(&mut self, physics_ms: u64) {
        if self.rebooting_until_ms.is_some_and(|end| physics_ms >= end) {
            self.rebooting_until_ms = None;
            if let Body::Charger(charger) = &mut self.body {
                charger.power_on(physics_ms);
            }
        }
    }

    /// Answers a request: nothing, one frame, or with faults several.
    pub(crate) fn serve(
        &mut self,
        moment: Moment,
        pdu: &[u8],
        mains: &Mains,
        rng: &mut fastrand::Rng,
    ) -> Vec<Answer> {
        if self.rebooting_until_ms.is_some() || self.faults.silent() {
            return Vec::new();
        }
        self.requests += 1;
        if let Some(broken) = self.too_soon(moment) {
            self.record(moment.now_ms, broken);
            return Vec::new();
        }
        let function = pdu.first().copied().unwrap_or(0);
        let answer = match self.faults.exception() {
            Some(code) => exception_pdu(function, code),
            None => self
                .carried_out(moment, pdu, mains)
                .unwrap_or_else(|code| exception_pdu(function, code)),
        };
        self.faults.applied(answer, rng)
    }

    /// The last byte of an answer left at this time.
    pub(crate) fn answered(&mut self, at_ms: u64) {
        self.timing.answered_at_ms = Some(at_ms);
    }

    fn too_soon(&self, moment: Moment) -> Option<Broken> {
        let silence = moment.began_ms.saturating_sub(self.timing.answered_at_ms?);
        let gap = self.profile.link.gap_ms;
        (silence < gap).then(|| {
            let detail = format!("request {silence} ms after the last answer: at least {gap} ms");
            Broken::new(Rule::Gap, detail)
        })
    }

    fn carried_out(
        &mut self,
        moment: Moment,
        pdu: &[u8],
        mains: &Mains,
    ) -> Result<Vec<u8>, ExceptionCode> {
        let request = match parse_request(pdu) {
            Ok(request) => request,
            Err(code) => {
                let detail = format!("request {pdu:02x?} is not understood");
                self.record(moment.now_ms, Broken::new(Rule::Malformed, detail));
                return Err(code);
            }
        };
        if let Body::Charger(charger) = &mut self.body {
            charger.heard(&self.profile, moment.physics_ms);
        }
        match &request {
            Request::Read {
                table,
                address,
                count,
            } => self.read(moment.now_ms, *table, *address, *count, mains),
            Request::WriteSingle { address, value } => {
                self.write(moment, Access::Single, *address, &[*value])?;
                Ok(write_answer(&request))
            }
            Request::WriteMultiple { address, values } => {
                self.write(moment, Access::Multiple, *address, values)?;
                Ok(write_answer(&request))
            }
        }
    }

    fn read(
        &mut self,
        now_ms: u64,
        table: Table,
        address: u16,
        count: u16,
        mains: &Mains,
    ) -> Result<Vec<u8>, ExceptionCode> {
        let image = Image::new(self, mains);
        let covered = access::covered(&self.profile.link, &image.existing(), table, address, count);
        let covered = match covered {
            Ok(covered) => covered,
            Err(broken) => {
                self.record(now_ms, broken);
                return Err(ExceptionCode::IllegalDataAddress);
            }
        };
        let mut words = vec![0; usize::from(count)];
        let mut read = Vec::new();
        for register in covered {
            let from = usize::from(register.address - address);
            let shown = image.words(register);
            words[from..from + shown.len()].copy_from_slice(&shown);
            read.push((register.name.clone(), register.address));
        }
        for (name, address) in read {
            self.note_read(now_ms, table, &name, address);
        }
        Ok(read_answer(table, &words))
    }

    fn note_read(&mut self, now_ms: u64, table: Table, name: &str, address: u16) {
        let before = self.timing.read_at_ms.insert((table, address), now_ms);
        let interval = self.profile.link.read_interval_ms;
        if let Some(elapsed) = before.map(|before| now_ms.saturating_sub(before))
            && elapsed < least(interval)
        {
            let detail = format!("{name} read again after {elapsed} ms: at least {interval} ms");
            self.record(now_ms, Broken::new(Rule::ReadInterval, detail));
        }
    }

    fn write(
        &mut self,
        moment: Moment,
        access: Access,
        address: u16,
        values: &[u16],
    ) -> Result<(), ExceptionCode> {
        let result = self.checked_write(moment, access, address, values);
        self.writes.push_back(WriteRecord {
            at_ms: moment.now_ms,
            address,
            values: values.to_vec(),
            accepted: result.is_ok(),
        });
        if self.writes.len() > MEMORY {
            self.writes.pop_front();
        }
        result.map_err(|broken| {
            let code = match broken.rule {
                Rule::WriteAccess => ExceptionCode::IllegalFunction,
                Rule::LimitOutOfRange => ExceptionCode::IllegalDataValue,
                Rule::UnknownWrite
                | Rule::ReadTooLong
                | Rule::UnnamedRegister
                | Rule::SplitValue
                | Rule::BlockRead
                | Rule::Gap
                | Rule::ReadInterval
                | Rule::WriteInterval
                | Rule::Malformed => ExceptionCode::IllegalDataAddress,
            };
            self.record(moment.now_ms, broken);
            code
        })
    }

    fn checked_write(
        &mut self,
        moment: Moment,
        access: Access,
        address: u16,
        values: &[u16],
    ) -> Result<(), Broken> {
        let profile = Arc::clone(&self.profile);
        let at_address = writable(&profile).find(|write| write.address == address);
        let (Some(write), Body::Charger(charger)) = (at_address, &mut self.body) else {
            let detail = format!("write to {address}: the profile writes nothing there");
            return Err(Broken::new(Rule::UnknownWrite, detail));
        };
        if write.access != access || usize::from(write.ty.count()) != values.len() {
            let (expected, count) = (write.access, write.ty.count());
            let detail = format!(
                "{access:?} write of {} registers to {address}: needs {expected:?} of {count}",
                values.len()
            );
            return Err(Broken::new(Rule::WriteAccess, detail));
        }
        charger.write(&profile, moment.physics_ms, address, values)?;
        let limit = profile.limit.as_ref();
        if let Some(limit) = limit.filter(|limit| limit.write.address == address) {
            self.flash_writes += u64::from(!limit.volatile);
            self.note_limit_write(moment.now_ms);
        }
        Ok(())
    }

    fn note_limit_write(&mut self, now_ms: u64) {
        let before = self.timing.limit_written_at_ms.replace(now_ms);
        let interval = self.profile.link.write_interval_ms;
        if let Some(elapsed) = before.map(|before| now_ms.saturating_sub(before))
            && elapsed < least(interval)
        {
            let detail = format!("limit written after {elapsed} ms: at least {interval} ms");
            self.record(now_ms, Broken::new(Rule::WriteInterval, detail));
        }
    }

    fn record(&mut self, at_ms: u64, broken: Broken) {
        self.violations.push_back(Violation {
            device: self.name.clone(),
            at_ms,
            rule: broken.rule,
            detail: broken.detail,
        });
        if self.violations.len() > MEMORY {
            self.violations.pop_front();
        }
    }
}

/// Three quarters of an interval: a request is timed when it is heard, and a busy machine may hear
/// one late and the next in time.
fn least(interval_ms: u64) -> u64 {
    interval_ms - interval_ms / 4
}

/// Every register that the profile writes.
fn writable(profile: &Profile) -> impl Iterator<Item = &WriteRegister> {
    let limit = profile.limit.iter().map(|limit| &limit.write);
    let switch = profile.limit.iter().filter_map(|limit| match &limit.pause {
        Some(PauseControl::Switch { write, .. }) => Some(write),
        Some(PauseControl::Value(_)) | None => None,
    });
    let failsafe = profile.failsafe.iter();
    let failsafe = failsafe.flat_map(|failsafe| [&failsafe.current, &failsafe.timeout]);
    let alive = match &profile.keep_alive {
        KeepAlive::WriteRegister { write, .. } => Some(write),
        KeepAlive::None | KeepAlive::AnyRequest { .. } | KeepAlive::RewriteLimit { .. } => None,
    };
    limit.chain(switch).chain(failsafe).chain(alive)
}
