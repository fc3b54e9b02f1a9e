//! What becomes of sessions when an old copy of the journal was put back: what the cloud knows of them
//! and what the copy says are made one. Nothing is told twice that both know, and no energy is in two
//! sessions. Pure.

use std::collections::{BTreeMap, BTreeSet};

use site_model::{
    Change, ChargePointId, ConnectorId, Fact, Reconstruction, SessionId, StopReason, Timestamp,
    WallTime, WattHours,
};
use site_wire::v1::KnownSession;

/// What the new journal has beyond the copy.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reconciled {
    /// Facts for its checkpoint, after those of the copy.
    pub(super) state: Vec<Fact>,
    /// Facts that are to be told, numbered after those that were carried over.
    pub(super) told: Vec<Fact>,
    /// Transactions whose start was told already, with their ids.
    pub(super) transactions: Vec<(SessionId, Place, i64)>,
}

type Place = (ChargePointId, ConnectorId);

/// A session that runs as far as the copy knows.
#[derive(Debug)]
struct Open {
    session: SessionId,
    alive: WallTime,
    meter: WattHours,
}

/// A session that the cloud knows, in the model's words.
#[derive(Debug)]
struct Known<'a> {
    session: SessionId,
    place: Place,
    start: Change,
    end: Option<Change>,
    told: &'a KnownSession,
}

/// `state` rebuilds the copy's state, `unsettled` are its facts that somebody may not have. Sessions
/// that cannot be read are left out.
pub(super) fn reconcile<'a>(
    state: &[Fact],
    unsettled: impl Iterator<Item = &'a Fact> + Clone,
    known: &[KnownSession],
    now: Timestamp,
) -> Reconciled {
    let known: Vec<Known<'_>> = known.iter().filter_map(read).collect();
    let (open, _) = sessions_in(state.iter());
    let (_, ended) = sessions_in(unsettled.clone());
    let mut found = Reconciled::default();
    for (place, open) in &open {
        found.settle_open(place, open, &known, now);
    }
    for session in known.iter().filter(|known| known.end.is_none()) {
        let runs_here = open.values().any(|open| open.session == session.session);
        if !runs_here && !ended.contains(&session.session) {
            let later = activity_after(session, unsettled.clone(), &known);
            found.settle_foreign(session, later, now);
        }
    }
    found
}

impl Reconciled {
    fn settle_open(&mut self, place: &Place, open: &Open, known: &[Known<'_>], now: Timestamp) {
        let session = open.session.clone();
        let at = |ms: i64| at(now, ms);
        let end = match known.iter().find(|known| known.session == session) {
            Some(known) if known.end.is_none() => {
                let meter = WattHours(known.told.last_meter_wh);
                if meter > open.meter {
                    let read = Change::MeterRead { session, meter };
                    self.state.push(fact(at(known.told.last_at_ms), read));
                }
                return;
            }
            Some(known) => known.end.clone().map(|end| {
                let ended_at = known.told.end.as_ref().map_or(0, |end| end.ended_at_ms);
                fact(at(ended_at), end)
            }),
            // The cloud was told of a later one here, and had forgotten nothing before it.
            None => {
                let mut later = known.iter().filter(|known| {
                    known.place == *place && known.told.started_at_ms > open.alive.0
                });
                later.next().map(|later| {
                    let not_after = WallTime(later.told.started_at_ms);
                    let bounds = (open.alive, not_after);
                    fact(at(not_after.0), ended(session, place, open.meter, bounds))
                })
            }
        };
        if let Some(end) = end {
            self.state.push(end.clone());
            self.told.push(end);
        }
    }

    /// A session that began after the copy was made and runs as far as the cloud knows: it goes on
    /// here, or ends where something else is known to have happened at its connector.
    fn settle_foreign(
        &mut self,
        known: &Known<'_>,
        later: Option<(WattHours, WallTime)>,
        now: Timestamp,
    ) {
        let told = known.told;
        let (started, last) = (at(now, told.started_at_ms), at(now, told.last_at_ms));
        if let Some((meter, not_after)) = later {
            let bounds = (last.wall, not_after.max(last.wall));
            let end = ended(known.session.clone(), &known.place, meter, bounds);
            self.told.push(fact(at(now, bounds.1.0), end));
            return;
        }
        let (charge_point, connector) = known.place.clone();
        let Change::SessionStarted { id_tag, .. } = &known.start else {
            return;
        };
        let authorized = Change::AuthorizationChanged {
            charge_point,
            connector,
            id_tag: Some(id_tag.clone()),
        };
        let session = known.session.clone();
        let meter = WattHours(told.last_meter_wh);
        self.state.push(fact(started, authorized));
        self.state.push(fact(started, known.start.clone()));
        self.state.push(fact(
            last,
            Change::MeterRead {
                session: session.clone(),
                meter,
            },
        ));
        match told.transaction_id {
            Some(transaction_id) => {
                let assigned = Change::TransactionAssigned {
                    session: session.clone(),
                    transaction_id,
                };
                self.state.push(fact(last, assigned));
                self.transactions
                    .push((session, known.place.clone(), transaction_id));
            }
            None => self.told.push(fact(started, known.start.clone())),
        }
    }
}

fn read(told: &KnownSession) -> Option<Known<'_>> {
    let start = told.started().ok()?;
    let end = told.ended().transpose().ok()?;
    let Change::SessionStarted {
        session,
        charge_point,
        connector,
        ..
    } = &start
    else {
        return None;
    };
    Some(Known {
        session: session.clone(),
        place: (charge_point.clone(), *connector),
        start,
        end,
        told,
    })
}

/// Sessions that run, and those that have ended.
fn sessions_in<'a>(
    facts: impl Iterator<Item = &'a Fact>,
) -> (BTreeMap<Place, Open>, BTreeSet<SessionId>) {
    let (mut open, mut over) = (BTreeMap::<Place, Open>::new(), BTreeSet::new());
    for fact in facts {
        if let Change::SessionStarted {
            session,
            charge_point,
            connector,
            meter_start,
            ..
        } = &fact.change
        {
            let started = Open {
                session: session.clone(),
                alive: fact.at.wall,
                meter: *meter_start,
            };
            open.insert((charge_point.clone(), *connector), started);
        }
        if let Change::MeterRead { session, meter } = &fact.change
            && let Some(open) = open.values_mut().find(|open| open.session == *session)
        {
            open.alive = open.alive.max(fact.at.wall);
            open.meter = open.meter.max(*meter);
        }
        if let Change::SessionEnded {
            session,
            charge_point,
            connector,
            ..
        } = &fact.change
        {
            open.remove(&(charge_point.clone(), *connector));
            over.insert(session.clone());
        }
    }
    (open, over)
}

/// The lowest register at which the copy, having been written on, tells of something at the session's
/// connector that the cloud does not know; with when that was recorded.
fn activity_after<'a>(
    session: &Known<'_>,
    facts: impl Iterator<Item = &'a Fact>,
    known: &[Known<'_>],
) -> Option<(WattHours, WallTime)> {
    let last = WattHours(session.told.last_meter_wh);
    let registers = facts.filter_map(|fact| {
        let register = unknown_register(&session.place, &fact.change, known)?;
        (register >= last).then_some((register, fact.at.wall))
    });
    registers.min()
}

/// The register that a fact about a connector tells, if the cloud does not know it.
fn unknown_register(place: &Place, change: &Change, known: &[Known<'_>]) -> Option<WattHours> {
    let of = |id: &SessionId| known.iter().find(|known| known.session == *id);
    let here = |charge_point: &ChargePointId, connector: &ConnectorId| {
        place.0 == *charge_point && place.1 == *connector
    };
    if let Change::SessionStarted {
        session,
        charge_point,
        connector,
        meter_start,
        ..
    } = change
        && here(charge_point, connector)
        && of(session).is_none()
    {
        return Some(*meter_start);
    }
    if let Change::SessionEnded {
        session,
        charge_point,
        connector,
        meter_stop,
        ..
    } = change
        && here(charge_point, connector)
        && of(session).is_none_or(|known| !known.ends_with(*meter_stop))
    {
        return Some(*meter_stop);
    }
    None
}

impl Known<'_> {
    fn ends_with(&self, register: WattHours) -> bool {
        let end = self.told.end.as_ref();
        end.is_some_and(|end| end.meter_stop_wh == register.0)
    }
}

fn ended(
    session: SessionId,
    (charge_point, connector): &Place,
    meter_stop: WattHours,
    (not_before, not_after): (WallTime, WallTime),
) -> Change {
    Change::SessionEnded {
        session,
        charge_point: charge_point.clone(),
        connector: *connector,
        meter_stop,
        reason: StopReason::Other,
        id_tag: None,
        reconstructed: Some(Reconstruction {
            not_before,
            not_after,
        }),
    }
}

/// A time that the cloud knows, recorded now.
fn at(now: Timestamp, wall_ms: i64) -> Timestamp {
    Timestamp {
        wall: WallTime(wall_ms),
        wall_known: true,
        ..now
    }
}

fn fact(at: Timestamp, change: Change) -> Fact {
    Fact { at, change }
}
