//! Reading: one cycle asks for everything that is due and yields one reading.

use std::collections::VecDeque;
use std::time::Duration;

use hw_profiles::{PollClass, WordOrder};
use site_model::{DeviceFault, Reading};
use tokio::time::Instant;

use super::health::{FAILURES_MAX, Health};
use super::{Asked, BUSY_RETRY, Device, Settled, fault, is_worth_waiting};
use crate::bus::BusEvent;
use crate::codec::{Answer, Request};
use crate::decode;
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
    /// Answered in this connection.
    last_read: Option<Instant>,
    /// Asked for last, answered or not: for the least time between two reads.
    last_asked: Option<Instant>,
    /// The device refused it: not asked for before.
    pub(super) not_before: Option<Instant>,
    /// The device refused it together with others, in the block with this number.
    suspected: Option<u32>,
    /// It is read in the next cycle, whatever its class.
    wanted: bool,
}

impl RegisterState {
    /// Nothing that was heard holds any more.
    pub(super) fn forget(&mut self) {
        *self = Self {
            last_asked: self.last_asked,
            ..Self::default()
        };
    }
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
            if self.exists_anything(now) {
                self.due = now + self.interval(); // only later is something due again
                return None;
            }
            let fault = fault::nothing_to_read(&self.profile.id);
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
        let asked_again = cycle.next().and_then(|read| self.askable_from(read));
        asked_again.map_or(cycle.began, |from| from.max(cycle.began))
    }

    /// From when a read honours it; `None`: nothing of it was asked for yet.
    pub(super) fn askable_from(&self, read: &PlannedRead) -> Option<Instant> {
        let interval = Duration::from_millis(self.profile.link.read_interval_ms);
        let asked = read.registers.iter();
        let last = asked.filter_map(|index| self.registers[*index].last_asked);
        Some(last.max()? + interval)
    }

    /// Remembers what was asked for, whatever became of it.
    pub(super) fn note_asked(&mut self, asked: &Asked, now: Instant) {
        let Request::Read {
            table,
            address,
            count,
        } = asked.request
        else {
            return;
        };
        let end = u32::from(address) + u32::from(count);
        for (register, state) in self.profile.registers.iter().zip(&mut self.registers) {
            let start = u32::from(register.address);
            let within = start < end && start + u32::from(register.count()) > u32::from(address);
            if register.table == table && within {
                state.last_asked = Some(now);
            }
        }
    }

    /// Whether the read of the cycle may be tried once more.
    pub(super) fn retry_read(&mut self) -> bool {
        let Some(cycle) = &mut self.cycle else {
            return false;
        };
        cycle.broken += 1;
        cycle.broken <= BROKEN_MAX
    }

    pub(super) fn read_answered(
        &mut self,
        asked: &Asked,
        answer: &Answer,
        now: Instant,
    ) -> Settled {
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
                let fault = fault::refused(*code, asked.unit, &asked.request);
                if is_worth_waiting(*code, cycle.busy) {
                    settled.fault = Some(fault);
                    cycle.busy += 1;
                    cycle.reads.push_front(read);
                    self.patience.ready_at = now + BUSY_RETRY;
                } else if code.is_busy() || code.is_silence_behind_gateway() {
                    settled.fault = Some(fault.clone());
                    settled
                        .events
                        .extend(self.fail(&fault, now, Duration::ZERO));
                    return settled;
                } else {
                    settled.fault = self.is_fault_to_refuse(&read).then_some(fault);
                    self.refuse(&read, now);
                }
            }
        }
        self.advance(cycle, &mut settled, now);
        settled
    }

    /// The read of one register by itself.
    pub(super) fn read_of(&self, index: usize) -> PlannedRead {
        let register = &self.profile.registers[index];
        PlannedRead {
            station: register.station && self.profile.link.station_unit.is_some(),
            table: register.table,
            address: register.address,
            count: register.count(),
            registers: vec![index],
        }
    }

    /// Reads of everything that exists for certain.
    pub(super) fn every_read(&self) -> Vec<PlannedRead> {
        let registers = &self.profile.registers;
        let wishes: Vec<Wish> = registers
            .iter()
            .map(|register| {
                if register.when.is_empty() && !register.optional {
                    Wish::Due
                } else {
                    Wish::Barrier
                }
            })
            .collect();
        poll_plan::plan(&self.profile, &wishes)
    }

    fn take_words(&mut self, read: &PlannedRead, words: &[u16], cycle: &mut Cycle, now: Instant) {
        for index in &read.registers {
            let register = &self.profile.registers[*index];
            if let Some(words) = read.words_of(register, words) {
                self.image.set(*index, words);
                self.registers[*index].last_read = Some(now);
                self.registers[*index].wanted = false;
                cycle.fresh[*index] = true;
            }
        }
    }

    /// Whether a refusal of this read is a fault: not if a register of it may be missing.
    fn is_fault_to_refuse(&self, read: &PlannedRead) -> bool {
        let mut registers = read.registers.iter();
        registers.all(|index| !self.profile.registers[*index].optional)
    }

    /// The device does not have these registers, or not together: ask for each alone. One that it
    /// refuses alone is asked for much later, or in the next connection if variants may lack it;
    /// then the others of its block are no longer suspected.
    fn refuse(&mut self, read: &PlannedRead, now: Instant) {
        if let [index] = *read.registers {
            let state = &mut self.registers[index];
            let block = state.suspected.take();
            state.wanted = false;
            if self.profile.registers[index].optional {
                self.image.set_absent(index);
            } else {
                state.not_before = Some(now + REFUSED_RETRY);
                state.suspected = block;
            }
            for other in &mut self.registers {
                if block.is_some() && other.suspected == block && other.not_before.is_none() {
                    other.suspected = None;
                }
            }
            return;
        }
        self.blocks_refused += 1;
        for index in &read.registers {
            self.registers[*index].suspected = Some(self.blocks_refused);
        }
    }

    /// Whether there is a register that the device has and does not refuse.
    fn exists_anything(&self, now: Instant) -> bool {
        (0..self.registers.len()).any(|index| self.exists(index, now))
    }

    fn exists(&self, index: usize, now: Instant) -> bool {
        let register = &self.profile.registers[index];
        let refused = self.registers[index].not_before;
        self.image.holds(&self.profile, &register.when) == Some(true)
            && !self.image.is_absent(index)
            && refused.is_none_or(|then| now >= then)
    }

    /// Reads a register in the next cycle, whatever its class.
    pub(super) fn want(&mut self, register: usize) {
        self.registers[register].wanted = true;
    }

    pub(super) fn was_read_since(&self, register: usize, then: Instant) -> bool {
        let last = self.registers[register].last_read;
        last.is_some_and(|last| last > then)
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
        let nothing = !cycle.fresh.contains(&true);
        if let Some(fault) = settled.fault.clone().filter(|_| nothing) {
            settled
                .events
                .extend(self.fail(&fault, now, Duration::ZERO));
            return;
        }
        if !self.polled {
            self.settle_words(settled);
            if let Some(fault) = self.other_model() {
                settled.fault = Some(fault.clone());
                settled
                    .events
                    .extend(self.fail(&fault, now, Duration::ZERO));
                return;
            }
            self.recognised = true;
        }
        // Absolute deadlines: a late cycle does not delay the next, and missed ones are not made up for.
        self.due = (self.due + self.interval()).max(now);
        self.health = Health::Watched { failures: 0 };
        self.polled_began = Some(cycle.began);
        self.want_life_bit();
        if nothing {
            return; // all that was due is missing in this variant
        }
        if !self.polled {
            self.polled = true;
            self.begin_set_up(settled);
        }
        self.lost = None;
        self.image.set_phases(self.phases_in_use());
        let decoded = decode::decode(&self.profile, &self.image, &cycle.fresh);
        if let Some(raw) = decoded.uncovered_state {
            settled.fault = Some(fault::uncovered_state(&self.profile.id, &raw));
        }
        settled.polled = true;
        settled.events.push(BusEvent::Read(Reading {
            device: self.config.id.clone(),
            values: decoded.values,
        }));
    }

    /// Why it is not what its profile says, if a probe that was read does not hold. That one is read
    /// again.
    fn other_model(&mut self) -> Option<DeviceFault> {
        let profile = self.profile.clone();
        let failed = profile
            .probes
            .iter()
            .find(|probe| self.image.holds(&profile, std::slice::from_ref(probe)) == Some(false))?;
        let mut registers = profile.registers.iter();
        let index = registers.position(|register| register.name == failed.register)?;
        self.want(index);
        Some(fault::other_model(
            &profile,
            &failed.register,
            &self.shown(index),
        ))
    }

    /// Where the configuration does not say the word order, a value that must lie in a range does.
    fn settle_words(&mut self, settled: &mut Settled) {
        let profile = self.profile.clone();
        let told = profile
            .word_probe
            .as_ref()
            .filter(|_| self.config.words.is_none());
        let Some(probe) = told.and_then(|probe| profile.register(&probe.register)) else {
            return;
        };
        if decode::words_fit(&profile, &self.image) != Some(false) {
            return;
        }
        let other = profile.with_words(match probe.words {
            WordOrder::HighFirst => WordOrder::LowFirst,
            WordOrder::LowFirst => WordOrder::HighFirst,
        });
        if decode::words_fit(&other, &self.image) == Some(true) {
            self.adopt(other);
        } else {
            settled.alarm(fault::no_word_order(&profile.id, &probe.name));
        }
    }

    fn plan(&self, fresh: &[bool], now: Instant) -> Vec<PlannedRead> {
        let profile = &self.profile;
        let wishes: Vec<Wish> = profile
            .registers
            .iter()
            .enumerate()
            .map(|(index, register)| {
                let state = &self.registers[index];
                let due = match (register.poll, state.last_read) {
                    (PollClass::Fast, _) | (_, None) => true,
                    // In the cycle that comes nearest.
                    (PollClass::Slow, Some(then)) => {
                        now + self.interval() / 2 >= then + SLOW_INTERVAL
                    }
                    (PollClass::Once, Some(_)) => false,
                };
                let alone = state.suspected.is_some();
                match (
                    self.exists(index, now),
                    (due || state.wanted) && !fresh[index],
                ) {
                    (false, _) => Wish::Barrier,
                    (true, true) if alone => Wish::Alone,
                    (true, true) => Wish::Due,
                    (true, false) if alone => Wish::Barrier,
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
