//! Sessions: one transaction each, from plugged in and authorised until unplugged, stopped or
//! deauthorised, with meter values at its start, its end and the quarter hours of UTC.
//!
//! A session ends in two steps: it is *closing* from unplugging, stop order or lasting fault
//! until energy has stopped and the register was read once more; then `SessionEnded` is recorded.

use site_model::{
    Change, IdTag, Monotonic, Reconstruction, ReservationEnd, SessionId, StopReason, VehicleState,
    WallTime,
};

use crate::reservation::Use;
use crate::turn::Turn;

/// Longest wait for the first meter reading before a session begins with the last known register.
pub(crate) const METER_START_WAIT_MS: u64 = 5_000;
/// Longest wait for the vehicle to stop and for the last meter reading: slow values are read
/// every 10 s, a vehicle must follow the offer within 5 s (IEC 61851-1).
pub(crate) const CLOSING_MAX_MS: u64 = 12_000;
/// A fault that lasts this long ends the session; a shorter one does not.
pub(crate) const FAULT_MAX_MS: u64 = 60_000;
/// Register readings of a session are recorded when the wall time passes a multiple of this.
const METER_READ_INTERVAL_MS: i64 = 900_000;

/// A session on its way to its end.
#[derive(Debug, Clone)]
pub(crate) struct Closing {
    reason: StopReason,
    /// The tag that ended it, where one did.
    id_tag: Option<IdTag>,
    pub(crate) since: Monotonic,
    /// The turn in which energy was first known to have stopped.
    quiet_in_turn: Option<u64>,
    /// The vehicle was seen unplugged.
    left: bool,
    reconstructed: Option<Reconstruction>,
}

/// Next multiple of a quarter hour after `wall`.
pub(crate) fn ms_to_next_meter_read(wall: WallTime) -> u64 {
    let past = wall.0.rem_euclid(METER_READ_INTERVAL_MS);
    u64::try_from(METER_READ_INTERVAL_MS - past).unwrap_or(0)
}

fn quarter_of(wall: WallTime) -> i64 {
    wall.0.div_euclid(METER_READ_INTERVAL_MS)
}

impl Turn<'_> {
    /// Says which transaction the session is; once, as far as that can be known here.
    pub(crate) fn assign_transaction(&mut self, session: SessionId, transaction_id: i64) {
        let running = self.site.state.running(&session);
        let known = running.and_then(|running| running.transaction.as_ref());
        if known.map(|known| known.value) != Some(transaction_id) {
            self.record(Change::TransactionAssigned {
                session,
                transaction_id,
            });
        }
    }

    /// Begins, advances and finishes the end of a session.
    pub(crate) fn settle_session_end(&mut self, i: usize) {
        if self.state(i).session.is_some() {
            self.begin_closing(i);
            self.advance_closing(i);
            if self.closing_is_complete(i) {
                self.end_session(i);
            }
        }
        if self.live(i).vehicle.is_some() {
            self.live_mut(i).unseen_since = None;
        }
    }

    fn begin_closing(&mut self, i: usize) {
        let live = self.live(i);
        if live.closing.is_some() {
            return;
        }
        let now = self.now;
        let left = live.vehicle == Some(VehicleState::A);
        let fault_lasts = live
            .fault_since
            .is_some_and(|since| now.monotonic.ms_since(since) >= FAULT_MAX_MS);
        let (reason, id_tag) = if self.state(i).is_ending() {
            self.stop_reason(i)
        } else if left {
            (StopReason::EvDisconnected, None)
        } else if fault_lasts {
            (StopReason::Other, None)
        } else {
            return;
        };
        let unseen_since = live.unseen_since.filter(|_| left);
        self.live_mut(i).closing = Some(Closing {
            reason,
            id_tag,
            since: now.monotonic,
            quiet_in_turn: None,
            left,
            reconstructed: unseen_since.map(|since| Reconstruction {
                not_before: since.min(now.wall),
                not_after: now.wall,
            }),
        });
    }

    fn advance_closing(&mut self, i: usize) {
        let turn = self.number;
        let quiet = self.is_quiet(i);
        let live = self.live_mut(i);
        let gone = live.vehicle == Some(VehicleState::A);
        if let Some(closing) = &mut live.closing {
            closing.left |= gone;
            if quiet && closing.quiet_in_turn.is_none() {
                closing.quiet_in_turn = Some(turn);
            }
        }
    }

    /// No energy flows: the vehicle is seen not to charge, or the pause is confirmed and no power measured.
    fn is_quiet(&self, i: usize) -> bool {
        let live = self.live(i);
        let paused = live.setpoint.is_paused() && live.power.is_some_and(|power| power.0 <= 0);
        (live.vehicle.is_some() && !live.is_charging()) || paused
    }

    fn closing_is_complete(&self, i: usize) -> bool {
        let live = self.live(i);
        let Some(closing) = &live.closing else {
            return false;
        };
        let plugged_again = closing.left && live.is_plugged();
        let overdue = self.now.monotonic.ms_since(closing.since) >= CLOSING_MAX_MS;
        let read_since = closing
            .quiet_in_turn
            .is_some_and(|quiet| live.meter.read_in_turn >= quiet || self.energy_is_lost(i));
        plugged_again || overdue || read_since
    }

    fn end_session(&mut self, i: usize) {
        let Some(closing) = self.live_mut(i).closing.take() else {
            return;
        };
        let left = closing.left;
        self.record_end(i, closing);
        // Whatever is plugged in now is not the vehicle of this session.
        if left && self.state(i).spent.is_some() {
            self.authorize(i, None);
        }
    }

    fn record_end(&mut self, i: usize, closing: Closing) {
        let Some(session) = self.state(i).session.as_ref().map(|s| s.id.clone()) else {
            return;
        };
        let (charge_point, connector) = self.names(i);
        let meter_stop = self.register_total(i);
        self.record(Change::SessionEnded {
            session,
            charge_point,
            connector,
            meter_stop,
            reason: closing.reason,
            id_tag: closing.id_tag,
            reconstructed: closing.reconstructed,
        });
    }

    /// Begins a session where a vehicle is plugged in and authorised.
    pub(crate) fn settle_session_start(&mut self, i: usize) {
        let Some(id_tag) = self.tag_to_start_with(i) else {
            self.live_mut(i).start_wanted = None;
            return;
        };
        let now = self.now.monotonic;
        let wanted = *self.live_mut(i).start_wanted.get_or_insert(now);
        let meter_known = self.live(i).meter.fresh || self.energy_is_lost(i);
        if !meter_known && now.ms_since(wanted) < METER_START_WAIT_MS {
            return;
        }
        // An event begins at most one session; the deadline for this one stays due.
        let Some(session) = self.fresh_session.take() else {
            return;
        };
        self.live_mut(i).start_wanted = None;
        self.settle_unattributed(i, true);
        let (charge_point, connector) = self.names(i);
        if self.state(i).authorized.is_none() {
            self.record(Change::AuthorizationChanged {
                charge_point: charge_point.clone(),
                connector,
                id_tag: Some(id_tag.clone()),
            });
        }
        let parent = self.parent_to_start_with(i);
        let reservation = match self.site.use_of(self.now.wall, i, &id_tag, parent.as_ref()) {
            Use::By(reservation) => Some(reservation),
            Use::Free | Use::KeptForOther => None,
        };
        let energy = &self.config(i).energy;
        let (source, billing_grade) = (energy.source, energy.billing_grade);
        let meter_start = self.register_total(i);
        self.record(Change::SessionStarted {
            session,
            charge_point: charge_point.clone(),
            connector,
            id_tag,
            meter_start,
            source,
            billing_grade,
            reservation,
        });
        if let Some(reservation) = reservation {
            self.end_reservation(charge_point, reservation, ReservationEnd::Used);
        }
    }

    /// Records the register of a running session once per quarter hour; while its meter is not
    /// heard, the first reading after that takes the place.
    pub(crate) fn settle_meter_read(&mut self, i: usize) {
        if !self.live(i).meter.fresh {
            return;
        }
        let Some(session) = &self.state(i).session else {
            return;
        };
        let latest = session.last_read.as_ref().map_or(session.started, |r| r.at);
        if quarter_of(latest.wall) == quarter_of(self.now.wall) {
            return;
        }
        let session = session.id.clone();
        let meter = self.register_total(i);
        self.record(Change::MeterRead { session, meter });
    }
}
