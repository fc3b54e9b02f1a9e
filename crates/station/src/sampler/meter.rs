//! What one connector's devices told last, and its clock-aligned moments.

use ocpp::v16::{MeterValue, ReadingContext};
use ocpp::{SomeOf, Time};
use site_model::{Milliamps, WattHours};

use super::{FRESH_MS, Reading};
use crate::profiles::Electrics;
use crate::sampling::{Figure, next_aligned, wanted, whole_power};

/// A connector's figures, each with the monotonic time when it was told.
#[derive(Debug)]
pub(super) struct Meter {
    electrics: Electrics,
    pub(super) offered: Option<Milliamps>,
    register: Option<(WattHours, u64)>,
    by_meter: Vec<(Figure, u64)>,
    by_charger: Vec<(Figure, u64)>,
    /// The interval, and the next moment of it.
    aligned: Option<(u32, Time)>,
}

impl Meter {
    pub(super) fn new(electrics: Electrics) -> Self {
        Self {
            electrics,
            offered: None,
            register: None,
            by_meter: Vec::new(),
            by_charger: Vec::new(),
            aligned: None,
        }
    }

    /// A poll need not cover everything: what it does not, stays.
    pub(super) fn take_in(&mut self, now_ms: u64, reading: Reading<'_>) {
        if let Some(register) = reading.register {
            self.register = Some((register, now_ms));
        }
        let known = if reading.by_meter {
            &mut self.by_meter
        } else {
            &mut self.by_charger
        };
        for figure in reading.values.iter().filter_map(Figure::of) {
            match known.iter_mut().find(|(known, _)| known.is_like(&figure)) {
                Some(known) => *known = (figure, now_ms),
                None => known.push((figure, now_ms)),
            }
        }
    }

    /// A clock-aligned moment that has just come.
    pub(super) fn aligned_moment(&mut self, now: Time, every_s: u32) -> Option<Time> {
        let next = next_aligned(now, every_s);
        let due = self
            .aligned
            .filter(|(interval, _)| *interval == every_s)
            .map(|(_, due)| due);
        self.aligned = next.map(|next| (every_s, next));
        // A clock that was set back has its moments again; those that it jumped over are nobody's.
        let late_ms = now.unix_ms() - due?.unix_ms();
        let fresh = u64::try_from(late_ms).is_ok_and(|late_ms| late_ms <= FRESH_MS);
        due.filter(|_| fresh)
    }

    /// What is wanted and known now, if any of it is.
    pub(super) fn sample(
        &self,
        words: &[String],
        context: ReadingContext,
        at: Time,
        now_ms: u64,
    ) -> Option<MeterValue> {
        let figures = self.figures(now_ms);
        let told = wanted(words, &figures).into_iter();
        let samples = told.map(|figure| figure.sample(context)).collect();
        Some(MeterValue::new(SomeOf::new(samples).ok()?, at))
    }

    fn figures(&self, now_ms: u64) -> Vec<Figure> {
        let is_fresh = |at_ms: u64| now_ms.saturating_sub(at_ms) <= FRESH_MS;
        let fresh = |told: &[(Figure, u64)]| -> Vec<Figure> {
            let fresh = told.iter().filter(|(_, at_ms)| is_fresh(*at_ms));
            fresh.map(|(figure, _)| *figure).collect()
        };
        let register = self.register.filter(|(_, at_ms)| is_fresh(*at_ms));
        let mut figures: Vec<Figure> = register
            .map(|(register, _)| Figure::register(register))
            .into_iter()
            .collect();
        let (by_meter, by_charger) = (fresh(&self.by_meter), fresh(&self.by_charger));
        let is_metered = |figure: &Figure| {
            let mut by_meter = by_meter.iter();
            by_meter.any(|metered| metered.measurand == figure.measurand)
        };
        let others = by_charger.into_iter().filter(|figure| !is_metered(figure));
        let others: Vec<Figure> = others.collect();
        figures.extend(by_meter);
        figures.extend(others);
        figures.extend(whole_power(&figures));
        let offered = self.offered;
        figures.extend(
            offered
                .into_iter()
                .flat_map(|offered| Figure::offered(offered, &self.electrics)),
        );
        figures
    }
}
