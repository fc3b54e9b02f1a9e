//! Reading: one cycle asks for everything that is due and yields one reading.

use std::collections::VecDeque;
use std::time::Duration;

use hw_profiles::PollClass;
use site_model::Reading;
use tokio::time::Instant;

use super::{BUSY_RETRY, Device, FAILURES_MAX, Health, Settled, fault, is_worth_waiting, reading};
use crate::bus::BusEvent;
use crate::codec::Answer;
use crate::poll_plan::{self, PlannedRead, Wish};

/// Values of class `Slow` are read this often.
const SLOW_INTERVAL: Duration = Duration::from_secs(10);
/// A register that the device refused is asked for again after this time.
const REFUSED_RETRY: Duration = Duration::from_secs(60);
/// So often a cycle looks for registers whose conditions have become known on the way.
const ROUNDS_MAX: u32 = 4;
/// So many broken answers are read again within a cycle.
const BROKEN_MAX: u32 = 1;

/// What is known about reading one register.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RegisterState {
    last_read: Option<Instant>,
    /// The device refused it: not asked for before.
    pub(super) not_before: Option<Instant>,
    /// The device refused it together with others.
    alone: bool,
}

/// A poll cycle under way.
#[derive(Debug)]
pub(super) struct Cycle {
    began: Instant,
    fresh: Vec<bool>,
    reads: VecDeque<PlannedRead>,
    rounds: u32,
    broken: u32,
    busy: u32,
}

impl Cycle {
    pub(super) fn next(&self) -> Option<&PlannedRead> {
        self.reads.front()
    }
}

impl Device {
    /// Begins a cycle; tells the loss if the device refuses everything there is to read.
    pub(super) fn begin_cycle(&mut self, now: Instant) -> Option<BusEvent> {
        let nothing = vec![false; self.registers.len()];
        let reads = self.plan(&nothing, now);
        if reads.is_empty() {
            let fault = fault::nothing_to_read(&self.config.profile.id);
            return self.fail(&fault, now, Duration::ZERO);
        }
        self.cycle = Some(Cycle {
            began: now,
            fresh: nothing,
            reads: reads.into(),
            rounds: 1,
            broken: 0,
            busy: 0,
        });
        None
    }

    /// From when the next read of the cycle honours the least time between two reads of the same
    /// register.
    pub(super) fn readable_from(&self, cycle: &Cycle) -> Instant {
        let interval = Duration::from_millis(self.config.profile.link.read_interval_ms);
        let last = cycle.next().and_then(|read| {
            let reads = read.registers.iter();
            reads
                .filter_map(|index| self.registers[*index].last_read)
                .max()
        });
        last.map_or(cycle.began, |last| last + interval)
    }

    /// Whether the read of the cycle may be tried once more.
    pub(super) fn retry_read(&mut self) -> bool {
        let Some(cycle) = &mut self.cycle else {
            return false;
        };
        cycle.broken += 1;
        cycle.broken <= BROKEN_MAX
    }

    pub(super) fn read_answered(&mut self, answer: &Answer, now: Instant) -> Settled {
        let mut settled = Settled::default();
        let Some(mut cycle) = self.cycle.take() else {
            return settled;
        };
        let Some(read) = cycle.reads.pop_front() else {
            return settled;
        };
        match answer {
            Answer::Written => {}
            Answer::Registers(words) => self.take_words(&read, words, &mut cycle, now),
            Answer::Exception(code) => {
                let fault = fault::refused(*code, self.config.unit, &read.request());
                settled.fault = Some(fault.clone());
                if is_worth_waiting(*code, cycle.busy) {
                    cycle.busy += 1;
                    cycle.reads.push_front(read);
                    self.ready_at = now + BUSY_RETRY;
                } else if code.is_busy() || code.is_silence_behind_gateway() {
                    settled
                        .events
                        .extend(self.fail(&fault, now, Duration::ZERO));
                    return settled;
                } else {
                    self.refuse(&read, now);
                }
            }
        }
        self.advance(cycle, &mut settled, now);
        settled
    }

    /// The read of one register by itself.
    pub(super) fn read_of(&self, index: usize) -> PlannedRead {
        let register = &self.config.profile.registers[index];
        PlannedRead {
            table: register.table,
            address: register.address,
            count: register.count(),
            registers: vec![index],
        }
    }

    /// Reads of everything that exists for certain.
    pub(super) fn every_read(&self) -> Vec<PlannedRead> {
        let registers = &self.config.profile.registers;
        let wishes: Vec<Wish> = registers
            .iter()
            .map(|register| {
                if register.when.is_empty() {
                    Wish::Due
                } else {
                    Wish::Barrier
                }
            })
            .collect();
        poll_plan::plan(&self.config.profile, &wishes)
    }

    fn take_words(&mut self, read: &PlannedRead, words: &[u16], cycle: &mut Cycle, now: Instant) {
        for index in &read.registers {
            let register = &self.config.profile.registers[*index];
            if let Some(words) = read.words_of(register, words) {
                self.image.set(*index, words);
                self.registers[*index].last_read = Some(now);
                cycle.fresh[*index] = true;
            }
        }
    }

    /// The device does not have these registers, or not together: ask for each alone, and for one
    /// that it refuses alone much later.
    fn refuse(&mut self, read: &PlannedRead, now: Instant) {
        let several = read.registers.len() > 1;
        for index in &read.registers {
            let state = &mut self.registers[*index];
            if several && !state.alone {
                state.alone = true;
            } else {
                state.not_before = Some(now + REFUSED_RETRY);
            }
        }
    }

    /// Goes on with the cycle or ends it.
    fn advance(&mut self, mut cycle: Cycle, settled: &mut Settled, now: Instant) {
        if cycle.reads.is_empty() && cycle.rounds < ROUNDS_MAX {
            cycle.rounds += 1;
            cycle.reads = self.plan(&cycle.fresh, now).into();
        }
        if !cycle.reads.is_empty() {
            self.cycle = Some(cycle);
            return;
        }
        let decoded = reading(self, &cycle.fresh);
        if !cycle.fresh.contains(&true) {
            let fault = settled
                .fault
                .clone()
                .unwrap_or_else(|| fault::nothing_to_read(&self.config.profile.id));
            settled
                .events
                .extend(self.fail(&fault, now, Duration::ZERO));
            return;
        }
        if let Some(raw) = decoded.uncovered_state {
            settled.fault = Some(fault::uncovered_state(&self.config.profile.id, &raw));
        }
        self.health = Health::Watched { failures: 0 };
        self.lost = None;
        // Absolute deadlines: a late cycle does not delay the next, and missed ones are not made up for.
        self.due = (self.due + self.interval()).max(now);
        settled.polled = true;
        settled.events.push(BusEvent::Read(Reading {
            device: self.config.id.clone(),
            values: decoded.values,
        }));
    }

    fn plan(&self, fresh: &[bool], now: Instant) -> Vec<PlannedRead> {
        let profile = &self.config.profile;
        let wishes: Vec<Wish> = profile
            .registers
            .iter()
            .enumerate()
            .map(|(index, register)| {
                let state = &self.registers[index];
                let exists = self.image.holds(profile, &register.when) == Some(true);
                let refused = state.not_before.is_some_and(|then| now < then);
                let due = match (register.poll, state.last_read) {
                    (PollClass::Fast, _) | (_, None) => true,
                    // In the cycle that comes nearest.
                    (PollClass::Slow, Some(then)) => {
                        now + self.interval() / 2 >= then + SLOW_INTERVAL
                    }
                    (PollClass::Once, Some(_)) => false,
                };
                match (exists && !refused, due && !fresh[index]) {
                    (false, _) => Wish::Barrier,
                    (true, true) if state.alone => Wish::Alone,
                    (true, true) => Wish::Due,
                    (true, false) if state.alone => Wish::Barrier,
                    (true, false) => Wish::Known,
                }
            })
            .collect();
        poll_plan::plan(profile, &wishes)
    }
}

const _: () = assert!(
    FAILURES_MAX > 1,
    "a device on probation must have one failure left"
);
