//! Clock faults, and what becomes of recorded times: each must be what the machine's clock showed, or
//! ahead of it while a clock that was set back is caught up with.

use site_controller::runtime::Input;
use site_model::{Reconstruction, Timestamp};

use crate::model::Session;
use crate::world::World;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

impl World {
    /// The time service sets the clock: wrong by so much, or right.
    pub(crate) fn set_clock(&mut self, wrong_ms: i64) {
        if wrong_ms == 0 {
            self.clock.set_right(self.now_ms);
        } else {
            self.clock.set_wrong(self.now_ms, wrong_ms);
        }
        self.show_time();
        self.input(Input::Tick);
    }

    /// By seconds to hours, or by days.
    pub(crate) fn misset_clock(&mut self, forward: bool, far: bool) {
        if !self.clock.is_known() {
            return;
        }
        let ms = if far {
            self.rng.i64(2 * DAY_MS..5 * DAY_MS)
        } else {
            self.rng.i64(500..3 * HOUR_MS)
        };
        self.set_clock(if forward { ms } else { -ms });
    }

    pub(crate) fn leap(&mut self) {
        self.report.count(self.clock.leap().name());
        self.clock.take_leap(self.now_ms);
        self.show_time();
    }

    /// Told times are those of the clock; within a boot, and within a session, they never go back
    /// unless the clock fell by days.
    pub(crate) fn times_are_right(&mut self) {
        self.note_what_was_ahead();
        let mut last: Option<(u64, u64, i64)> = None;
        for fact in 0..self.model.facts.len() {
            let at = self.model.facts[fact].at;
            let Some(told) = self.model.told_ms(fact) else {
                self.report
                    .count("permitted: facts of a boot that never knew the time");
                continue;
            };
            let truth = self.model.true_ms(fact);
            if at.wall_known {
                self.is_of_the_clock(fact, told);
            } else {
                self.is_as_corrected(fact, told);
            }
            if let Some((_, before_at, before)) = last.filter(|(of, ..)| *of == at.boot.0) {
                assert!(
                    told >= before || self.clock.fell_between(before_at, truth),
                    "times go back at fact {}",
                    fact + 1
                );
            }
            last = Some((at.boot.0, truth, told));
        }
        for session in &self.model.sessions {
            self.ends_after_it_began(session);
        }
    }

    /// What was recorded last may be ahead of the right time, where it was counted on from a clock that
    /// was wrong. A boot that knows the time, or learns it, goes on from there.
    fn note_what_was_ahead(&mut self) {
        let mut last: Option<Timestamp> = None;
        for fact in 0..self.model.facts.len() {
            let at = self.model.facts[fact].at;
            if let Some(before) = last.filter(|before| before.boot != at.boot) {
                let booted_ms = self.model.boots[&at.boot.0].at_ms;
                self.went_on_from(booted_ms, before.wall.0);
            }
            last = Some(at);
        }
        for correction in self.model.corrections.clone().into_values() {
            let at_ms = self.model.true_ms(correction.fact);
            let told = self.model.facts[correction.fact].at.wall.0;
            if self.went_on_from(at_ms, told) {
                assert_eq!(correction.offset_ms, 0, "what is ahead stays as it is");
            }
        }
    }

    fn went_on_from(&mut self, at_ms: u64, wall_ms: i64) -> bool {
        let ahead_ms = wall_ms - self.clock.latest_at(at_ms);
        let is_ahead = (1..=DAY_MS).contains(&ahead_ms);
        if is_ahead {
            self.report
                .count("permitted: times counted ahead of a clock that was wrong before");
            self.clock.note_ahead(at_ms, wall_ms);
        }
        is_ahead
    }

    fn is_of_the_clock(&self, fact: usize, told: i64) {
        let truth = self.model.true_ms(fact);
        let (from, to) = (self.clock.earliest_at(truth), self.clock.latest_at(truth));
        assert!(
            (from..=to).contains(&told),
            "fact {} is told at {told}, and the clock showed {from} to {to}",
            fact + 1
        );
    }

    /// As long before the correction as it really was.
    fn is_as_corrected(&self, fact: usize, told: i64) {
        let boot = self.model.facts[fact].at.boot.0;
        let by = self.model.corrections[&boot].fact;
        let corrected = self.model.true_ms(by);
        let since = i64::try_from(corrected - self.model.true_ms(fact)).unwrap();
        let (from, to) = (
            self.clock.earliest_at(corrected) - since,
            self.clock.latest_at(corrected) - since,
        );
        assert!(
            (from..=to).contains(&told),
            "fact {} is corrected to {told}, and was at {from} to {to}",
            fact + 1
        );
    }

    fn ends_after_it_began(&self, session: &Session) {
        let end = session.ended.as_ref().expect("none runs any more");
        let told = [session.started, end.fact].map(|fact| self.model.told_ms(fact));
        let [Some(began), Some(ended)] = told else {
            return;
        };
        // A time that was corrected is from when the right one became known.
        let ends_at = self.model.facts[end.fact].at;
        let correction = self.model.corrections.get(&ends_at.boot.0);
        let learned = correction.filter(|_| !ends_at.wall_known);
        let to = self
            .model
            .true_ms(learned.map_or(end.fact, |learned| learned.fact));
        let from = self.model.true_ms(session.started);
        assert!(
            began <= ended || self.clock.fell_between(from, to),
            "{} began at {began} and ended at {ended}",
            session.id
        );
    }

    /// Whether a moment lies within bounds that were told by the machine's clock.
    pub(crate) fn is_within(&self, at_ms: u64, bounds: &Reconstruction) -> bool {
        bounds.not_before.0 <= self.clock.latest_at(at_ms)
            && self.clock.earliest_at(at_ms) <= bounds.not_after.0
    }
}
