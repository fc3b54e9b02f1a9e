//! Writing: the newest wanted limit, keep-alives, and what a refusal is.

use std::time::Duration;

use hw_profiles::KeepAlive;
use site_model::{DeviceFault, Milliamps, Value};
use tokio::time::Instant;

use super::{
    BUSY_RETRY, Device, REST_FACTOR, SILENT_WRITES_MAX, Settled, fault, half, is_worth_waiting,
};
use crate::bus::BusEvent;
use crate::bus::wire::Failure;
use crate::codec::{Answer, Request};
use crate::decode;
use crate::encode::{self, LimitOrder};

/// A limit that wears the device's flash is not written again before this time, even if the device
/// reads back another one.
const FLASH_REWRITE: Duration = Duration::from_secs(600);

/// A limit on its way into the device.
#[derive(Debug, Clone)]
pub(super) struct WriteOp {
    order: LimitOrder,
    next: usize,
    /// Somebody asked for it and is told the outcome; otherwise it is a keep-alive.
    asked: bool,
    busy: u32,
    silent: u32,
}

impl WriteOp {
    fn new(order: LimitOrder, asked: bool) -> Self {
        Self {
            order,
            next: 0,
            asked,
            busy: 0,
            silent: 0,
        }
    }

    /// Whether its first write was echoed; the rest does not wait for the write interval.
    pub(super) fn begun(&self) -> bool {
        self.next > 0
    }

    pub(super) fn request(&self) -> Request {
        self.order.requests[self.next].clone()
    }

    pub(super) fn restart(&mut self) {
        self.next = 0;
    }
}

impl Device {
    /// Takes a wanted limit; it replaces one that is not written yet.
    pub(super) fn order(&mut self, asked: Milliamps, now: Instant) -> Vec<BusEvent> {
        let profile = &self.config.profile;
        let Some(control) = &profile.limit else {
            return vec![self.refusal(fault::no_limit_control(&profile.id))];
        };
        let order = match encode::limit_order(control, asked, self.config.phases) {
            Ok(order) => order,
            Err(error) => return vec![self.refusal(fault::unwritable(error))],
        };
        if !control.volatile && self.is_in_flash(&order, now) {
            self.write = None;
            return vec![self.written(order.applied)];
        }
        // What has been tried in vain is not forgotten when the same is asked again.
        let (busy, silent) = match &self.write {
            Some(op) if op.order == order => (op.busy, op.silent),
            Some(_) | None => (0, 0),
        };
        self.write = Some(WriteOp {
            busy,
            silent,
            ..WriteOp::new(order, true)
        });
        vec![]
    }

    /// Lets a limit that the device forgets be written again in time.
    pub(super) fn renew_limit(&mut self, now: Instant) {
        let KeepAlive::RewriteLimit { interval_ms } = self.config.profile.keep_alive else {
            return;
        };
        if let Some(order) = &self.last_order
            && self.write.is_none()
            && now >= self.last_order_at + half(interval_ms)
            && now >= self.write_from
        {
            self.write = Some(WriteOp::new(order.clone(), false));
        }
    }

    /// When the next keep-alive is due that is no limit.
    pub(super) fn keep_alive_at(&self) -> Option<Instant> {
        match self.config.profile.keep_alive {
            KeepAlive::None => None,
            KeepAlive::AnyRequest { .. } | KeepAlive::WriteRegister { .. } => {
                Some(self.keep_alive_due)
            }
            KeepAlive::RewriteLimit { .. } => None,
        }
    }

    /// When [`Device::renew_limit`] has something to do.
    pub(super) fn renewal_at(&self) -> Option<Instant> {
        match self.config.profile.keep_alive {
            KeepAlive::RewriteLimit { interval_ms } if self.write.is_none() => self
                .last_order
                .as_ref()
                .map(|_| self.last_order_at + half(interval_ms)),
            KeepAlive::RewriteLimit { .. }
            | KeepAlive::None
            | KeepAlive::AnyRequest { .. }
            | KeepAlive::WriteRegister { .. } => None,
        }
    }

    pub(super) fn keep_alive_answered(
        &mut self,
        request: &Request,
        answer: &Answer,
        now: Instant,
    ) -> Settled {
        if let KeepAlive::WriteRegister { interval_ms, .. } = self.config.profile.keep_alive {
            self.keep_alive_due = now + half(interval_ms);
        }
        let fault = match answer {
            Answer::Registers(_) | Answer::Written => None,
            Answer::Exception(code) => Some(fault::refused(*code, self.config.unit, request)),
        };
        Settled {
            fault,
            ..Settled::default()
        }
    }

    /// Tried again when a quarter of the interval has passed: in time, and no burden if the device
    /// ignores it.
    pub(super) fn keep_alive_unanswered(&mut self, now: Instant) {
        match self.config.profile.keep_alive {
            KeepAlive::AnyRequest { interval_ms }
            | KeepAlive::WriteRegister { interval_ms, .. } => {
                self.keep_alive_due = now + half(interval_ms) / 2;
            }
            KeepAlive::None | KeepAlive::RewriteLimit { .. } => {}
        }
    }

    pub(super) fn write_answered(
        &mut self,
        request: &Request,
        answer: &Answer,
        now: Instant,
    ) -> Settled {
        let mut settled = Settled::default();
        let Some(mut op) = self.write.take() else {
            return settled;
        };
        let interval = Duration::from_millis(self.config.profile.link.write_interval_ms);
        match answer {
            Answer::Registers(_) => {}
            Answer::Written => {
                if op.next == 0 {
                    self.write_from = now + interval;
                }
                op.next += 1;
                if op.next < op.order.requests.len() {
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
                let fault = fault::refused(*code, self.config.unit, request);
                settled.fault = Some(fault.clone());
                if is_worth_waiting(*code, op.busy) {
                    op.busy += 1;
                    self.ready_at = now + BUSY_RETRY;
                    self.write = Some(op);
                } else {
                    self.write_from = now + interval;
                    self.last_order_at = now;
                    settled.events.extend(op.asked.then(|| self.refusal(fault)));
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
        let asked = op.asked;
        self.write = None;
        self.last_order_at = now;
        let interval = Duration::from_millis(self.config.profile.link.write_interval_ms);
        self.write_from = now + interval.max(cost * REST_FACTOR);
        asked.then(|| self.refusal(fault.clone()))
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

    fn limit_read_back(&self) -> Option<Milliamps> {
        let everything = vec![true; self.registers.len()];
        let decoded = decode::decode(&self.config.profile, &self.image, &everything);
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
