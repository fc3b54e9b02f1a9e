//! What keeps the device from falling back, unless it is the limit itself.

use hw_profiles::KeepAlive;
use tokio::time::Instant;

use super::fixed::{Check, index_of};
use super::{Asked, Device, Settled, fault, half};
use crate::codec::Answer;
use crate::encode::{self, Write};

/// So often in a row a life bit may stand: it may have been read just after it was written.
const STANDING_MAX: u32 = 2;

/// When a keep-alive is due, and whether the device takes notice.
#[derive(Debug)]
pub(super) struct Alive {
    due: Instant,
    /// Life bit: when it was written last.
    written: Option<Instant>,
    /// Life bit: so often in a row the device had not cleared it when it was due again.
    standing: u32,
}

impl Alive {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: now,
            written: None,
            standing: 0,
        }
    }

    /// The connection is gone.
    pub(super) fn forget(&mut self) {
        self.written = None;
    }
}

impl Device {
    /// The interval of the profile, or the configured timeout of the failsafe if that is shorter.
    pub(super) fn keep_alive_interval(&self) -> Option<u64> {
        let interval_ms = match self.profile.keep_alive {
            KeepAlive::None => return None,
            KeepAlive::AnyRequest { interval_ms }
            | KeepAlive::RewriteLimit { interval_ms }
            | KeepAlive::RewriteTimeout { interval_ms }
            | KeepAlive::WriteRegister { interval_ms, .. }
            | KeepAlive::LifeBit { interval_ms, .. } => interval_ms,
        };
        let timeout = self.config.failsafe.map(|settings| settings.timeout_ms);
        Some(timeout.map_or(interval_ms, |timeout| interval_ms.min(timeout)))
    }

    /// When the next keep-alive is due that is no limit.
    pub(super) fn keep_alive_at(&self) -> Option<Instant> {
        let due = match self.profile.keep_alive {
            KeepAlive::None | KeepAlive::RewriteLimit { .. } => false,
            KeepAlive::AnyRequest { .. } => true,
            KeepAlive::RewriteTimeout { .. } => {
                self.may_write() && self.has_failsafe() && self.timeout_raw().is_some()
            }
            KeepAlive::WriteRegister { .. } | KeepAlive::LifeBit { .. } => self.may_write(),
        };
        due.then_some(self.alive.due)
    }

    pub(super) fn keep_alive_request(&self) -> Option<Asked> {
        match self.profile.keep_alive {
            KeepAlive::AnyRequest { .. } => Some(self.asked_of(false, self.probe_request())),
            KeepAlive::None
            | KeepAlive::RewriteLimit { .. }
            | KeepAlive::RewriteTimeout { .. }
            | KeepAlive::WriteRegister { .. }
            | KeepAlive::LifeBit { .. } => Some(self.addressed(&self.keep_alive_write()?)),
        }
    }

    fn keep_alive_write(&self) -> Option<Write> {
        let write = match &self.profile.keep_alive {
            KeepAlive::None | KeepAlive::RewriteLimit { .. } | KeepAlive::AnyRequest { .. } => {
                return None;
            }
            KeepAlive::WriteRegister { write, value, .. }
            | KeepAlive::LifeBit { write, value, .. } => encode::write(write, *value),
            KeepAlive::RewriteTimeout { .. } => {
                let timeout = self.profile.failsafe.as_ref()?.timeout.as_ref()?;
                encode::write(timeout, self.timeout_raw()?)
            }
        };
        write.ok()
    }

    /// The timeout that is written again and again: as configured, else as from the factory. An
    /// unknown one is not made up.
    fn timeout_raw(&self) -> Option<u64> {
        let failsafe = self.profile.failsafe.as_ref()?;
        let factory = Some(failsafe.timeout_default_ms).filter(|timeout| *timeout > 0);
        let configured = self.config.failsafe.map(|settings| settings.timeout_ms);
        encode::failsafe_timeout(failsafe, configured.or(factory)?)
    }

    /// Where any request counts, every answer was to one.
    pub(super) fn heard_for_keep_alive(&mut self, ended: Instant) {
        if let KeepAlive::AnyRequest { .. } = self.profile.keep_alive
            && let Some(interval_ms) = self.keep_alive_interval()
        {
            self.alive.due = ended + half(interval_ms);
        }
    }

    pub(super) fn keep_alive_answered(
        &mut self,
        asked: &Asked,
        answer: &Answer,
        now: Instant,
    ) -> Settled {
        let mut settled = Settled::default();
        if let Some(interval_ms) = self.keep_alive_interval() {
            self.alive.due = now + half(interval_ms);
        }
        match answer {
            Answer::Registers(_) => {}
            Answer::Written => {
                if let Some(write) = self.keep_alive_write() {
                    self.written_at_limit(&write, now);
                }
                self.watch_life_bit(now, &mut settled);
            }
            Answer::Exception(code) => {
                settled.fault = Some(fault::refused(*code, asked.unit, &asked.request));
            }
        }
        settled
    }

    /// What was read since the life bit was last written must be the cleared value. Told once.
    fn watch_life_bit(&mut self, now: Instant, settled: &mut Settled) {
        let profile = self.profile.clone();
        let KeepAlive::LifeBit {
            read_back, cleared, ..
        } = &profile.keep_alive
        else {
            return;
        };
        let Some(register) = index_of(&profile, read_back) else {
            return;
        };
        let check = Check {
            register,
            raw: *cleared,
            base: None,
        };
        let before = self.alive.written.replace(now);
        if before.is_some_and(|before| self.was_read_since(register, before)) {
            let stands = self.tells(check) == Some(false);
            self.alive.standing = if stands { self.alive.standing + 1 } else { 0 };
            if self.alive.standing == STANDING_MAX {
                settled.alarm(fault::life_bit_stands(read_back, &self.shown(register)));
            }
        }
    }

    /// A life bit is read in every cycle, so that one read just after it was written does not count
    /// alone.
    pub(super) fn want_life_bit(&mut self) {
        if let KeepAlive::LifeBit { read_back, .. } = &self.profile.keep_alive
            && let Some(register) = index_of(&self.profile, read_back)
        {
            self.want(register);
        }
    }

    /// Tried again when a quarter of the interval has passed: in time, and no burden if the device
    /// ignores it.
    pub(super) fn keep_alive_unanswered(&mut self, now: Instant) {
        if let Some(interval_ms) = self.keep_alive_interval() {
            self.alive.due = now + half(interval_ms) / 2;
        }
    }
}
