//! Whether the device is there, and where its registers are.

use std::time::Duration;

use hw_profiles::Table;
use tokio::time::Instant;

use super::health::{FAILURES_MAX, Health};
use super::{Asked, Device, Settled, fault};
use crate::codec::{Answer, Request};
use crate::poll_plan::PlannedRead;
use crate::sunspec::{Step, Walk};

/// Where a profile has nothing that exists for certain, an answer of any kind will do.
const ANY_REGISTER: Request = Request::Read {
    table: Table::Holding,
    address: 0,
    count: 1,
};

impl Device {
    pub(super) fn probe_answered(
        &mut self,
        asked: &Asked,
        answer: &Answer,
        now: Instant,
        cost: Duration,
    ) -> Settled {
        if let Answer::Exception(code) = answer
            && code.is_silence_behind_gateway()
        {
            let fault = fault::refused(*code, asked.unit, &asked.request);
            let event = self.fail(&fault, now, cost);
            return Settled {
                events: event.into_iter().collect(),
                fault: Some(fault),
                ..Settled::default()
            };
        }
        if let Health::Quarantined { .. } = self.health {
            // On probation: the next failed poll quarantines it again.
            self.health = Health::Watched {
                failures: FAILURES_MAX - 1,
            };
            self.due = now;
        }
        Settled::default()
    }

    /// The shortest read of an existing register whose answer cannot be mistaken for one that is
    /// still outstanding, if there is such a read.
    pub(super) fn probe_request(&self) -> Request {
        self.probe_read()
            .map_or(ANY_REGISTER, |read| read.request())
    }

    /// From when the probe honours the least time between two reads of the same register.
    pub(super) fn probe_from(&self) -> Instant {
        let from = self.probe_read().and_then(|read| self.askable_from(&read));
        from.unwrap_or(self.patience.ready_at)
    }

    fn probe_read(&self) -> Option<PlannedRead> {
        let registers = &self.profile.registers;
        let mut reads: Vec<PlannedRead> = (0..registers.len())
            .filter(|index| {
                let register = &registers[*index];
                register.when.is_empty()
                    && register.models.is_empty()
                    && !register.optional
                    && self.registers[*index].not_before.is_none()
            })
            .map(|index| self.read_of(index))
            .collect();
        if self.walk.is_none() {
            reads.extend(self.every_read());
        }
        reads.retain(|read| !read.station);
        reads.sort_by_key(|read| read.request().answer_len());
        let clear = reads
            .iter()
            .find(|read| !self.patience.is_mistakable(&read.request()));
        clear.or(reads.first()).cloned()
    }

    /// One step of the search for a SunSpec model.
    pub(super) fn locate_answered(&mut self, answer: &Answer, now: Instant) -> Settled {
        let mut settled = Settled::default();
        let Some(walk) = &mut self.walk else {
            return settled;
        };
        match walk.take(answer) {
            Step::Ahead => {}
            Step::Found(blocks) => match self.template.located(&blocks) {
                Some(profile) => {
                    self.walk = None;
                    self.adopt(profile);
                }
                None => self.no_model(now, &mut settled),
            },
            Step::Missing => self.no_model(now, &mut settled),
        }
        settled
    }

    fn no_model(&mut self, now: Instant, settled: &mut Settled) {
        let fault = fault::no_model(&self.template.id);
        settled.fault = Some(fault.clone());
        self.walk = Walk::new(&self.template);
        settled
            .events
            .extend(self.fail(&fault, now, Duration::ZERO));
    }
}
