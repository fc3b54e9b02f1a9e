//! What should be true: folds the committed facts in its own simple way, knows what really happened at
//! the connectors, and compares the two after each commit and at the end.

use std::collections::{BTreeMap, BTreeSet};

use site_model::{
    BootId, Change, ChargePointId, CommandId, Fact, Milliamps, Outcome, Reconstruction, SessionId,
    StopReason, WattHours,
};

/// What the installation allows at each connector.
pub(crate) const MAX_CURRENT: Milliamps = Milliamps(16_000);
/// Energy outside sessions that need not be recorded yet: below 100 Wh it counts as noise.
const NOISE_WH: u64 = 100;

/// A session as the committed facts tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) charge_point: ChargePointId,
    pub(crate) started: usize,
    pub(crate) meter_start: WattHours,
    pub(crate) ended: Option<End>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) fact: usize,
    pub(crate) meter: WattHours,
    pub(crate) reason: StopReason,
    pub(crate) reconstructed: Option<Reconstruction>,
}

/// One connector's register as the facts tell it.
#[derive(Debug, Clone, Default)]
struct Register {
    reached: u64,
    accounted: u64,
    unattributed: u64,
    tied: bool,
    /// Where the first tie began to count.
    origin: u64,
}

/// When a boot of the daemon began, in the world's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Boot {
    pub(crate) at_ms: u64,
}

/// What a boot learned of its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Correction {
    /// To be added to them.
    pub(crate) offset_ms: i64,
    /// The fact that says so.
    pub(crate) fact: usize,
}

/// The books.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// The committed journal, in order.
    pub(crate) facts: Vec<Fact>,
    pub(crate) sessions: Vec<Session>,
    by_id: BTreeMap<SessionId, usize>,
    running: BTreeMap<ChargePointId, usize>,
    registers: BTreeMap<ChargePointId, Register>,
    granted: BTreeMap<ChargePointId, Milliamps>,
    /// Session, kind, fact and register of each reading in a session.
    pub(crate) readings: Vec<(SessionId, &'static str, usize, WattHours)>,
    unattributed: Vec<(String, i64, i64)>,
    pub(crate) boots: BTreeMap<u64, Boot>,
    /// What must be added to the times of a boot that were recorded before the time was known.
    pub(crate) corrections: BTreeMap<u64, Correction>,
    open_orders: BTreeSet<CommandId>,
    closed_orders: BTreeMap<CommandId, Outcome>,
}

impl Model {
    /// One more committed fact. `truth` is what the connector's register really shows now.
    pub(crate) fn commit(&mut self, fact: &Fact, truth: impl Fn(&ChargePointId) -> WattHours) {
        let index = self.facts.len();
        self.facts.push(fact.clone());
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the others are looked at below"
        )]
        match &fact.change {
            Change::SessionStarted {
                session,
                charge_point,
                meter_start,
                ..
            } => {
                self.reach(charge_point, *meter_start, &truth);
                let reading = (session.clone(), "start", index, *meter_start);
                self.readings.push(reading);
                self.start(index, session, charge_point, *meter_start);
            }
            Change::MeterRead { session, meter } => {
                let reading = (session.clone(), "quarter_hour", index, *meter);
                self.readings.push(reading);
                let session = self
                    .by_id
                    .get(session)
                    .expect("a reading needs its session");
                let session = &self.sessions[*session];
                assert!(
                    session.ended.is_none(),
                    "a reading after the end of {}",
                    session.id
                );
                let charge_point = session.charge_point.clone();
                self.reach(&charge_point, *meter, &truth);
            }
            Change::SessionEnded {
                session,
                charge_point,
                meter_stop,
                reason,
                reconstructed,
                ..
            } => {
                self.reach(charge_point, *meter_stop, &truth);
                let end = End {
                    fact: index,
                    meter: *meter_stop,
                    reason: *reason,
                    reconstructed: *reconstructed,
                };
                let reading = (session.clone(), "end", index, *meter_stop);
                self.readings.push(reading);
                self.end(session, charge_point, end);
            }
            _ => self.commit_other(fact, &truth),
        }
    }

    fn commit_other(&mut self, fact: &Fact, truth: &impl Fn(&ChargePointId) -> WattHours) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the other facts tell of no energy, limit, order or time"
        )]
        match &fact.change {
            Change::RegisterTied {
                charge_point,
                total,
                ..
            } => {
                let register = self.registers.entry(charge_point.clone()).or_default();
                if !register.tied {
                    register.tied = true;
                    register.origin = total.0;
                    register.accounted = total.0;
                }
                self.reach(charge_point, *total, truth);
            }
            Change::EnergyUnattributed {
                charge_point,
                from,
                to,
                ..
            } => {
                self.reach(charge_point, *to, truth);
                let register = self.registers.entry(charge_point.clone()).or_default();
                assert!(from < to, "unattributed energy from {from} to {to}");
                let signed = |meter: &WattHours| i64::try_from(meter.0).expect("a register fits");
                let told = (charge_point.to_string(), signed(from), signed(to));
                self.unattributed.push(told);
                assert_eq!(
                    from.0, register.accounted,
                    "unattributed energy begins elsewhere than the accounts end"
                );
                register.accounted = to.0;
                register.unattributed += to.0 - from.0;
                assert!(
                    !self.running.contains_key(charge_point),
                    "unattributed energy in a session"
                );
            }
            Change::LimitGranted {
                charge_point,
                limit,
                ..
            } => {
                let sound = *limit == Milliamps::PAUSE
                    || (Milliamps::IEC_61851_MINIMUM..=MAX_CURRENT).contains(limit);
                assert!(sound, "granted {limit}");
                self.granted.insert(charge_point.clone(), *limit);
            }
            Change::CommandOpened(command) => {
                let id = command.id.clone();
                assert!(!self.closed_orders.contains_key(&id), "{id} opened again");
                assert!(self.open_orders.insert(id), "opened twice");
            }
            Change::CommandClosed { id, outcome } => {
                assert!(self.open_orders.remove(id), "{id} closed and not open");
                self.closed_orders.insert(id.clone(), *outcome);
            }
            Change::ClockCorrected { boot, offset_ms } => {
                let correction = Correction {
                    offset_ms: *offset_ms,
                    fact: self.facts.len() - 1,
                };
                let before = self.corrections.insert(boot.0, correction);
                assert_eq!(before, None, "the times of a boot are corrected once");
            }
            _ => {}
        }
    }

    fn reach(
        &mut self,
        charge_point: &ChargePointId,
        meter: WattHours,
        truth: &impl Fn(&ChargePointId) -> WattHours,
    ) {
        let register = self.registers.entry(charge_point.clone()).or_default();
        assert!(
            meter.0 >= register.reached,
            "the register of {charge_point} fell from {} to {meter}",
            register.reached
        );
        let truth = truth(charge_point);
        assert!(
            meter <= truth,
            "the register of {charge_point} is told as {meter} and stands at {truth}"
        );
        register.reached = meter.0;
    }

    fn start(
        &mut self,
        fact: usize,
        id: &SessionId,
        charge_point: &ChargePointId,
        meter: WattHours,
    ) {
        let session = Session {
            id: id.clone(),
            charge_point: charge_point.clone(),
            started: fact,
            meter_start: meter,
            ended: None,
        };
        let index = self.sessions.len();
        let twice = self.by_id.insert(id.clone(), index);
        assert_eq!(twice, None, "{id} began twice");
        let other = self.running.insert(charge_point.clone(), index);
        assert_eq!(other, None, "two sessions at once at {charge_point}");
        let register = self.registers.entry(charge_point.clone()).or_default();
        assert!(
            meter.0 - register.accounted < NOISE_WH,
            "{id} begins at {meter}, and energy after {} is nobody's",
            register.accounted
        );
        register.accounted = meter.0;
        self.sessions.push(session);
    }

    fn end(&mut self, id: &SessionId, charge_point: &ChargePointId, end: End) {
        let running = self.running.remove(charge_point);
        let index = running.expect("an end needs a running session");
        let session = &mut self.sessions[index];
        assert_eq!(session.id, *id, "another session ended");
        assert!(
            end.meter >= session.meter_start,
            "{id} ended below its start"
        );
        let register = self.registers.entry(charge_point.clone()).or_default();
        register.accounted = end.meter.0;
        session.ended = Some(end);
    }

    /// A limit on the wire: never above what was granted. While the disk fails, nothing above the
    /// installation's.
    pub(crate) fn on_the_wire(
        &self,
        place: &ChargePointId,
        limit: Milliamps,
        lowers: bool,
        disk_fails: bool,
    ) {
        let sound = limit == Milliamps::PAUSE
            || (Milliamps::IEC_61851_MINIMUM..=MAX_CURRENT).contains(&limit);
        assert!(sound, "{limit} on the wire to {place}");
        let granted = self.granted.get(place).copied().unwrap_or_default();
        assert!(
            limit <= granted || lowers || disk_fails,
            "{limit} on the wire to {place}, and {granted} was granted"
        );
    }

    /// The journal as it was found at a start: nothing that was committed is missing or changed.
    pub(crate) fn found(&self, replay: &[Fact]) {
        assert!(
            replay.len() >= self.facts.len(),
            "{} facts were committed, {} are there",
            self.facts.len(),
            replay.len()
        );
        for (at, (there, committed)) in replay.iter().zip(&self.facts).enumerate() {
            assert_eq!(there, committed, "fact {} changed", at + 1);
        }
    }

    /// When a fact happened, as the books tell it in the end; `None` if the time never became known.
    pub(crate) fn told_ms(&self, fact: usize) -> Option<i64> {
        let at = &self.facts[fact].at;
        if at.wall_known {
            return Some(at.wall.0);
        }
        Some(at.wall.0 + self.corrections.get(&at.boot.0)?.offset_ms)
    }

    /// When it really happened, in the world's time.
    pub(crate) fn true_ms(&self, fact: usize) -> u64 {
        let at = &self.facts[fact].at;
        let boot = self.boots.get(&at.boot.0).expect("every boot is noted");
        boot.at_ms + at.monotonic.0
    }

    /// At the end, all of the energy is somebody's.
    pub(crate) fn accounts_are_complete(
        &self,
        charge_point: &ChargePointId,
        truth: WattHours,
        count: WattHours,
    ) {
        let Some(register) = self.registers.get(charge_point) else {
            return;
        };
        let of_sessions: u64 = self
            .sessions
            .iter()
            .filter(|session| session.charge_point == *charge_point)
            .filter_map(|session| {
                session
                    .ended
                    .as_ref()
                    .map(|end| end.meter.0 - session.meter_start.0)
            })
            .sum();
        let told = register.origin + of_sessions + register.unattributed;
        let missing = truth.0.abs_diff(told);
        let sessions = u64::try_from(self.sessions.len()).unwrap_or(0);
        // What lies between two sessions and is less than one count is nobody's.
        let most = NOISE_WH.max(2 * count.0) + sessions * count.0;
        assert!(
            told <= truth.0 && missing <= most,
            "{charge_point} delivered up to {truth}; sessions hold {of_sessions} Wh, {} Wh are unattributed, and {missing} Wh are nobody's",
            register.unattributed
        );
    }

    /// The session that a message about a transaction of this charge point tells of, and whether the
    /// fact begins it; none for facts that no message tells.
    pub(crate) fn told_of<'a>(
        &self,
        charge_point: &ChargePointId,
        fact: &'a Fact,
    ) -> Option<(&'a SessionId, bool)> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "no message tells the other facts"
        )]
        let (session, begins) = match &fact.change {
            Change::SessionStarted { session, .. } => (session, true),
            Change::MeterRead { session, .. } | Change::SessionEnded { session, .. } => {
                (session, false)
            }
            _ => return None,
        };
        let of = self.by_id.get(session).map(|index| &self.sessions[*index]);
        of.filter(|of| of.charge_point == *charge_point)?;
        Some((session, begins))
    }

    /// No order is left without a fate, no session without an end.
    pub(crate) fn is_settled(&self) {
        assert_eq!(self.open_orders, BTreeSet::new(), "orders without a fate");
        let running: Vec<_> = self.running.keys().collect();
        assert!(running.is_empty(), "sessions never ended at {running:?}");
    }

    /// Energy of no session by charge point: from, to.
    pub(crate) fn unattributed(&self) -> Vec<(String, i64, i64)> {
        let mut told = self.unattributed.clone();
        told.sort();
        told
    }

    pub(crate) fn fate(&self, order: &CommandId) -> Option<Outcome> {
        self.closed_orders.get(order).copied()
    }

    pub(crate) fn note_boot(&mut self, boot: BootId, at: Boot) {
        self.boots.insert(boot.0, at);
    }
}
