//! Whether the device is there, and where its registers are.

use std::time::Duration;

use hw_profiles::Table;
use tokio::time::Instant;

use super::{Asked, Device, FAILURES_MAX, Health, Settled, fault};
use crate::codec::{Answer, Request};
use crate::poll_plan::PlannedRead;
use crate::sunspec::{Step, Walk};

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
        let registers = &self.profile.registers;
        let mut requests: Vec<Request> = (0..registers.len())
            .filter(|index| {
                let register = &registers[*index];
                register.when.is_empty()
                    && register.models.is_empty()
                    && !register.optional
                    && self.registers[*index].not_before.is_none()
            })
            .map(|index| self.read_of(index))
            .filter(|read| !read.station)
            .map(|read| read.request())
            .collect();
        if self.walk.is_none() {
            let every = self.every_read();
            let own = every.iter().filter(|read| !read.station);
            requests.extend(own.map(PlannedRead::request));
        }
        requests.sort_by_key(Request::answer_len);
        let clear = requests
            .iter()
            .find(|request| !self.patience.is_mistakable(request));
        clear
            .or(requests.first())
            .cloned()
            .unwrap_or(Request::Read {
                table: Table::Holding,
                address: 0,
                count: 1,
            })
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
