//! Energy of an organisation's sessions since midnight, from meter readings.
//! A session that crosses midnight is split there by interpolation between the readings around it,
//! and both days use the same split, so that their sum is the meter's difference.

use std::collections::HashMap;

use site_model::{ChargePointId, SessionId};

/// Readings older than this before the newest are forgotten (the last one before it is kept):
/// no day is longer than 25 hours.
const KEPT_MS: i64 = 48 * 3_600_000;

/// The register of one session over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEnergy {
    /// Where it runs.
    pub charge_point: ChargePointId,
    start_wh: u64,
    /// Time (ms) and connector's monotone register (Wh), both ascending; the first is the start, until it is forgotten.
    readings: Vec<(i64, u64)>,
    /// Register of the live view, where it is ahead of the readings.
    live: Option<(i64, u64)>,
}

impl SessionEnergy {
    /// A session with its register at the start.
    #[must_use]
    pub fn starting(charge_point: ChargePointId, at_ms: i64, meter_wh: u64) -> Self {
        Self {
            charge_point,
            start_wh: meter_wh,
            readings: vec![(at_ms, meter_wh)],
            live: None,
        }
    }

    /// Adds a reading. Neither time nor register goes back: a clock that was set back does not
    /// turn energy into nothing.
    pub fn push(&mut self, at_ms: i64, meter_wh: u64) {
        let (last_at, last_wh) = self.last_reading();
        let (at_ms, meter_wh) = (at_ms.max(last_at), meter_wh.max(last_wh));
        self.readings.push((at_ms, meter_wh));
        let horizon = at_ms.saturating_sub(KEPT_MS);
        let forgotten = self.readings.partition_point(|(at, _)| *at <= horizon);
        self.readings.drain(..forgotten.saturating_sub(1));
        if self
            .live
            .is_some_and(|(at, wh)| at < at_ms || wh < meter_wh)
        {
            self.live = None;
        }
    }

    /// Notes the register that the live view shows, unless a reading is ahead of it.
    fn observe(&mut self, at_ms: i64, register_wh: u64) {
        let (last_at, last_wh) = self.last_reading();
        if at_ms >= last_at && register_wh >= last_wh {
            self.live = Some((at_ms, register_wh));
        }
    }

    fn last_reading(&self) -> (i64, u64) {
        *self.readings.last().expect("a session has its start")
    }

    fn latest(&self) -> (i64, u64) {
        self.live.unwrap_or_else(|| self.last_reading())
    }

    /// The register at a moment: the start before it, the latest after it, between two readings
    /// in proportion to time, rounded down.
    fn register_at(&self, at_ms: i64) -> u64 {
        let points = || self.readings.iter().copied().chain(self.live);
        let mut before = *self.readings.first().expect("a session has its start");
        if at_ms <= before.0 {
            return before.1;
        }
        for point in points() {
            if point.0 > at_ms {
                let span = u128::from(point.0.abs_diff(before.0));
                let part = u128::from(at_ms.abs_diff(before.0));
                let rise = u128::from(point.1.saturating_sub(before.1));
                let share = u64::try_from(rise * part / span).unwrap_or(u64::MAX);
                return before.1.saturating_add(share);
            }
            before = point;
        }
        before.1
    }

    /// Energy from a moment to the latest reading.
    #[must_use]
    pub fn since(&self, at_ms: i64) -> u64 {
        self.latest().1.saturating_sub(self.register_at(at_ms))
    }
}

/// The sessions of one organisation that may count today.
#[derive(Debug, Default)]
pub(super) struct Energy {
    running: HashMap<SessionId, SessionEnergy>,
    ended: HashMap<SessionId, SessionEnergy>,
    /// Start of the day for which the ended ones are summed up, and their sum.
    settled: Option<(i64, u64)>,
}

impl Energy {
    pub(super) fn new(
        running: HashMap<SessionId, SessionEnergy>,
        ended: HashMap<SessionId, SessionEnergy>,
    ) -> Self {
        Self {
            running,
            ended,
            settled: None,
        }
    }

    pub(super) fn start(&mut self, session: SessionId, energy: SessionEnergy) {
        if !self.ended.contains_key(&session) {
            self.running.entry(session).or_insert(energy);
        }
    }

    pub(super) fn read(&mut self, session: &SessionId, at_ms: i64, meter_wh: u64) {
        if let Some(energy) = self.running.get_mut(session) {
            energy.push(at_ms, meter_wh);
        }
    }

    pub(super) fn end(&mut self, session: &SessionId, at_ms: i64, meter_wh: u64) {
        let Some(mut energy) = self.running.remove(session) else {
            return;
        };
        // What the live view showed is superseded by the fact, also downwards.
        energy.live = None;
        energy.push(at_ms, meter_wh);
        if let Some((day_start, sum)) = &mut self.settled {
            *sum = sum.saturating_add(energy.since(*day_start));
        }
        self.ended.insert(session.clone(), energy);
    }

    /// Notes the energy of a running session as the live view shows it, counted from its start.
    pub(super) fn observe(
        &mut self,
        session: &SessionId,
        charge_point: &ChargePointId,
        at_ms: i64,
        energy_wh: u64,
    ) {
        if let Some(energy) = self.running.get_mut(session)
            && energy.charge_point == *charge_point
        {
            energy.observe(at_ms, energy.start_wh.saturating_add(energy_wh));
        }
    }

    /// Running sessions of a charge point that changes hands end with their last reading.
    pub(super) fn end_all_of(&mut self, charge_point: &ChargePointId) {
        let orphans: Vec<SessionId> = self
            .running
            .iter()
            .filter(|(_, energy)| energy.charge_point == *charge_point)
            .map(|(session, _)| session.clone())
            .collect();
        for session in orphans {
            if let Some((at_ms, wh)) = self.running.get(&session).map(SessionEnergy::last_reading) {
                self.end(&session, at_ms, wh);
            }
        }
    }

    /// Sums up and forgets for a new day.
    pub(super) fn settle(&mut self, day_start_ms: i64) {
        if self.settled.is_some_and(|(day, _)| day == day_start_ms) {
            return;
        }
        self.ended
            .retain(|_, energy| energy.last_reading().0 > day_start_ms);
        self.settled = Some((day_start_ms, sum_since(&self.ended, day_start_ms)));
    }

    pub(super) fn today(&self, day_start_ms: i64) -> u64 {
        let ended = match self.settled {
            Some((day, sum)) if day == day_start_ms => sum,
            Some(_) | None => sum_since(&self.ended, day_start_ms),
        };
        ended.saturating_add(sum_since(&self.running, day_start_ms))
    }
}

/// Saturating: an absurd register must not stop the summary of everybody else.
fn sum_since(sessions: &HashMap<SessionId, SessionEnergy>, at_ms: i64) -> u64 {
    let energies = sessions.values().map(|energy| energy.since(at_ms));
    energies.fold(0, u64::saturating_add)
}
