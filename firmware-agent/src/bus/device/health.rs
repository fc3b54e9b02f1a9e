//! Whether the device answers: failed polls, quarantine, loss, and what is forgotten with it.

use std::time::Duration;

use site_model::DeviceFault;
use tokio::time::Instant;

use super::cycle::RegisterState;
use super::{Device, REST_FACTOR};
use crate::bus::BusEvent;
use crate::decode::Image;
use crate::sunspec::Walk;

/// So many polls in a row must fail before a device is quarantined.
pub(super) const FAILURES_MAX: u32 = 3;
/// First and longest pause of a quarantined device.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Whether a device answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// So many polls in a row have failed.
    Watched { failures: u32 },
    /// Asked only now and then.
    Quarantined { until: Instant, pause: Duration },
}

/// Why a device was told to be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LostWhy {
    Device,
    Link,
}

impl Device {
    /// Whether it answers as far as is known.
    pub(in crate::bus) fn is_answering(&self) -> bool {
        self.heard && matches!(self.health, Health::Watched { .. })
    }

    /// Its loss was told, and no reading since.
    pub(in crate::bus) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    pub(in crate::bus) fn quarantined_until(&self) -> Option<Instant> {
        match self.health {
            Health::Watched { .. } => None,
            Health::Quarantined { until, .. } => Some(until),
        }
    }

    /// The line was opened anew: nothing that was known is certain.
    pub(in crate::bus) fn reopened(&mut self, now: Instant) {
        self.forget();
        self.patience.reopened(now);
        self.health = Health::Watched { failures: 0 };
        self.due = now;
    }

    /// The line cannot be opened or broke. Told once.
    pub(in crate::bus) fn link_lost(&mut self, fault: &DeviceFault) -> Vec<BusEvent> {
        self.forget();
        let lost = self.lose(LostWhy::Link, fault);
        self.news.drain(..).chain(lost).collect()
    }

    /// A poll failed.
    pub(super) fn fail(
        &mut self,
        fault: &DeviceFault,
        now: Instant,
        cost: Duration,
    ) -> Option<BusEvent> {
        self.cycle = None;
        self.due = now + self.interval();
        let pause = match self.health {
            Health::Watched { failures } if failures + 1 < FAILURES_MAX => {
                self.health = Health::Watched {
                    failures: failures + 1,
                };
                return None;
            }
            Health::Watched { .. } => PAUSE_MIN,
            Health::Quarantined { pause, .. } => (pause * 2).min(PAUSE_MAX),
        };
        let until = now + pause.max(cost * REST_FACTOR);
        self.forget();
        // Who is away for so long may be exchanged meanwhile.
        self.recognised = self.template.probes.is_empty();
        self.health = Health::Quarantined { until, pause };
        self.lose(LostWhy::Device, fault)
    }

    fn lose(&mut self, why: LostWhy, fault: &DeviceFault) -> Option<BusEvent> {
        if self.lost == Some(why) {
            return None;
        }
        self.lost = Some(why);
        Some(BusEvent::Lost {
            device: self.config.id.clone(),
            fault: fault.clone(),
        })
    }

    /// Nothing that was heard before is known to be true any more. A wanted limit stays.
    fn forget(&mut self) {
        self.image = Image::new(&self.profile);
        self.registers.iter_mut().for_each(RegisterState::forget);
        self.cycle = None;
        self.heard = false;
        self.polled = false;
        self.walk = Walk::new(&self.template);
        self.fixed.clear();
        self.failsafe.reconnected();
        self.alive.forget();
        self.abandon_phases();
        if let Some(write) = &mut self.write {
            write.restart();
        }
    }
}
