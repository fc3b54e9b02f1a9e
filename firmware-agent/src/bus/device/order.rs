//! Writing the limit: the newest wanted one, its renewal, and what a refusal is.

use std::time::Duration;

use hw_profiles::{KeepAlive, LimitControl, LimitUnit, Profile};
use site_model::{DeviceFault, Milliamps, Value};
use tokio::time::Instant;

use super::{
    Asked, BUSY_RETRY, Device, REST_FACTOR, SILENT_WRITES_MAX, Settled, fault, half,
    is_worth_waiting,
};
use crate::bus::BusEvent;
use crate::bus::wire::Failure;
use crate::codec::{Answer, Request};
use crate::decode;
use crate::encode::{self, LimitOrder, Unwritable, Write};

/// A limit that wears the device's flash is not written again before this time, even if the device
/// reads back another one.
const FLASH_REWRITE: Duration = Duration::from_secs(600);

/// A limit on its way into the device.
#[derive(Debug, Clone)]
pub(super) struct WriteOp {
    order: LimitOrder,
    /// The first write that is needed.
    first: usize,
    next: usize,
    /// Somebody asked for it and is told the outcome; otherwise it is a keep-alive or a step of a
    /// phase switch.
    asked: bool,
    busy: u32,
    silent: u32,
}

impl WriteOp {
    pub(super) fn new(order: LimitOrder, asked: bool) -> Self {
        Self {
            order,
            first: 0,
            next: 0,
            asked,
            busy: 0,
            silent: 0,
        }
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked
    }

    /// Whether its first write was echoed; the rest does not wait for the write interval.
    fn begun(&self) -> bool {
        self.next > self.first
    }

    pub(super) fn next_write(&self) -> &Write {
        &self.order.writes[self.next]
    }

    pub(super) fn restart(&mut self) {
        self.next = self.first;
    }
}

impl Device {
    /// Takes a wanted limit; it replaces one that is not written yet. While phases are switched
    /// the newest one waits.
    pub(super) fn order(&mut self, limit: Milliamps, now: Instant) -> Option<BusEvent> {
        let profile = self.profile.clone();
        let Some(control) = &profile.limit else {
            return Some(self.refusal(fault::no_limit_control(&profile.id)));
        };
        self.asked = Some(limit);
        if self.hold_for_phases() {
            return None;
        }
        let order = match self.encoded(control, limit) {
            Ok(order) => order,
            Err(error) => return Some(self.refusal(fault::unwritable(error))),
        };
        if !control.volatile && self.is_in_flash(&order, now) {
            self.write = None;
            return Some(self.written(order.applied));
        }
        // What has been tried in vain is not forgotten when the same is asked again.
        let (busy, silent) = match &self.write {
            Some(op) if op.order == order => (op.busy, op.silent),
            Some(_) | None => (0, 0),
        };
        self.write = Some(WriteOp {
            busy,
            silent,
            ..self.op(control, order, true)
        });
        None
    }

    fn op(&self, control: &LimitControl, order: LimitOrder, asked: bool) -> WriteOp {
        let first = usize::from(!control.volatile && self.is_only_paused(&order));
        WriteOp {
            first,
            next: first,
            ..WriteOp::new(order, asked)
        }
    }

    /// Whether another register than the limit's pauses the device, and this limit stands behind
    /// the pause: then its flash is spared, and only the pause is ended.
    fn is_only_paused(&self, order: &LimitOrder) -> bool {
        let paused = self
            .last_order
            .as_ref()
            .is_some_and(|last| last.applied == Milliamps::PAUSE);
        paused && order.writes.len() > 1 && self.stored.as_ref() == order.writes.first()
    }

    /// Writes the newest limit once more, for instance after phases were switched; nobody is told
    /// unless somebody waits for it.
    pub(super) fn resume(&mut self, limit: Milliamps, somebody_waits: bool) {
        let profile = self.profile.clone();
        let Some(control) = &profile.limit else {
            return;
        };
        match self.encoded(control, limit) {
            Ok(order) => self.write = Some(self.op(control, order, somebody_waits)),
            Err(error) => {
                let refusal = self.refusal(fault::unwritable(error));
                self.news.push(refusal);
            }
        }
    }

    /// The profile has become another view of the same device: what waits is encoded by it.
    pub(super) fn encode_again(&mut self) {
        if let (Some(op), Some(limit)) = (self.write.take(), self.asked) {
            self.resume(limit, op.asked);
        }
    }

    pub(super) fn encoded(
        &self,
        control: &LimitControl,
        limit: Milliamps,
    ) -> Result<LimitOrder, Unwritable> {
        let phases = match control.unit {
            LimitUnit::Milliamps => self.config.phases,
            LimitUnit::Watts => self.phases_in_use(),
        };
        encode::limit_order(control, limit, phases)
    }

    /// From when the next write of the limit may be done, if there is one.
    pub(super) fn limit_write_at(&self) -> Option<Instant> {
        if !self.may_write() {
            return None;
        }
        match &self.write {
            Some(write) if write.begun() => Some(self.patience.ready_at),
            Some(_) => Some(self.write_from),
            None => self.renewal_at().map(|due| due.max(self.write_from)),
        }
    }

    /// Lets a limit that the device forgets be written again in time.
    pub(super) fn renew_limit(&mut self, now: Instant) {
        if let Some(due) = self.renewal_at()
            && now >= due
            && now >= self.write_from
            && self.may_write()
            && let Some(order) = &self.last_order
        {
            self.write = Some(WriteOp::new(order.clone(), false));
        }
    }

    /// When [`Device::renew_limit`] has something to do.
    fn renewal_at(&self) -> Option<Instant> {
        let KeepAlive::RewriteLimit { .. } = self.profile.keep_alive else {
            return None;
        };
        let interval_ms = self.keep_alive_interval()?;
        let idle = self.write.is_none() && self.last_order.is_some();
        idle.then(|| self.last_order_at + half(interval_ms))
    }

    pub(super) fn write_answered(
        &mut self,
        asked: &Asked,
        answer: &Answer,
        now: Instant,
    ) -> Settled {
        let mut settled = Settled::default();
        let Some(mut op) = self.write.take() else {
            return settled;
        };
        match answer {
            Answer::Registers(_) => {}
            Answer::Written => {
                if op.next == op.first {
                    self.write_from = now + self.write_interval();
                }
                let write = &op.order.writes[op.next];
                if is_limit(&self.profile, write) {
                    self.stored = Some(write.clone());
                }
                op.next += 1;
                if op.next < op.order.writes.len() {
                    self.write = Some(op);
                    return settled;
                }
                settled.limit_written = true;
                if op.asked {
                    settled.events.push(self.written(op.order.applied));
                }
                self.last_order = Some(op.order);
                self.last_order_at = now;
            }
            Answer::Exception(code) => {
                let fault = fault::refused(*code, asked.unit, &asked.request);
                settled.fault = Some(fault.clone());
                if is_worth_waiting(*code, op.busy) {
                    op.busy += 1;
                    self.patience.ready_at = now + BUSY_RETRY;
                    self.write = Some(op);
                } else {
                    self.write_from = now + self.write_interval();
                    settled.events.extend(self.give_up(&op, fault, now));
                }
            }
        }
        settled
    }

    /// A write was not answered. It is tried again, but not for ever.
    pub(super) fn write_unanswered(
        &mut self,
        failure: &Failure,
        fault: &DeviceFault,
        now: Instant,
        cost: Duration,
    ) -> Option<BusEvent> {
        let op = self.write.as_mut()?;
        op.restart();
        op.silent += 1;
        let contradicted = *failure == Failure::Foreign { same_unit: true };
        if op.silent < SILENT_WRITES_MAX && !contradicted {
            return None;
        }
        let op = self.write.take()?;
        self.write_from = now + self.write_interval().max(cost * REST_FACTOR);
        self.give_up(&op, fault.clone(), now)
    }

    /// The device does not take a limit: whoever asked is told, and a phase switch that needs it
    /// is given up.
    fn give_up(&mut self, op: &WriteOp, fault: DeviceFault, now: Instant) -> Option<BusEvent> {
        self.last_order_at = now;
        if op.asked {
            return Some(self.refusal(fault));
        }
        self.pause_refused(fault);
        None
    }

    /// Other writes to the limit's own register count for its write interval.
    pub(super) fn written_at_limit(&mut self, write: &Write, now: Instant) {
        if is_limit(&self.profile, write) {
            self.write_from = now + self.write_interval();
        }
    }

    fn write_interval(&self) -> Duration {
        Duration::from_millis(self.profile.link.write_interval_ms)
    }

    /// Whether a limit that wears the flash need not be written: the device reads it back, or it
    /// was written and nothing says otherwise, or was so only just.
    fn is_in_flash(&self, order: &LimitOrder, now: Instant) -> bool {
        let just_written = now < self.last_order_at + FLASH_REWRITE;
        let same = self.last_order.as_ref() == Some(order);
        match self.limit_read_back() {
            Some(limit) if limit == order.applied => self.last_order.is_none() || same,
            Some(_) => same && just_written,
            None => same,
        }
    }

    /// The limit that the device told last.
    pub(super) fn limit_read_back(&self) -> Option<Milliamps> {
        let everything = vec![true; self.registers.len()];
        let decoded = decode::decode(&self.profile, &self.image, &everything);
        decoded.values.into_iter().find_map(|value| {
            if let Value::CurrentLimit(limit) = value {
                Some(limit)
            } else {
                None
            }
        })
    }

    fn written(&self, limit: Milliamps) -> BusEvent {
        BusEvent::LimitWritten {
            device: self.config.id.clone(),
            limit,
        }
    }

    fn refusal(&self, fault: DeviceFault) -> BusEvent {
        BusEvent::WriteRefused {
            device: self.config.id.clone(),
            fault,
        }
    }
}

/// Whether a write goes to the limit's own register.
fn is_limit(profile: &Profile, write: &Write) -> bool {
    let address = match &write.request {
        Request::WriteSingle { address, .. } | Request::WriteMultiple { address, .. } => *address,
        Request::Read { .. } | Request::WriteCoil { .. } => return false,
    };
    profile
        .limit
        .as_ref()
        .is_some_and(|limit| (limit.write.address, limit.write.station) == (address, write.station))
}
