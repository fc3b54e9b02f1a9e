//! Reservations: a connector, or any one of a charge point, is kept for a tag or its group until a
//! time (OCPP 1.6 section 5.13 and 5.1). Connectors that are free for all are not kept for anybody.

use site_model::{
    Change, ChargePointId, ConnectorId, IdTag, Monotonic, Reservation, ReservationAnswer,
    ReservationEnd, ReservationId, Timestamp, VehicleState, WallTime,
};

use crate::config::Authorization;
use crate::decision::Action;
use crate::site::Site;
use crate::state::{Key, State};
use crate::turn::Turn;

/// Whether a tag may use a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Nothing stands against it.
    Free,
    /// By this reservation, which its session uses up.
    By(ReservationId),
    /// It is kept for somebody else.
    KeptForOther,
}

/// What a connector is doing, as far as reservations care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occupation {
    Free,
    Occupied,
    Faulted,
    Unavailable,
}

impl State {
    fn kept<'a>(
        &'a self,
        charge_point: &'a ChargePointId,
    ) -> impl Iterator<Item = &'a Reservation> {
        let all = self.reservations.values().map(|kept| &kept.value);
        all.filter(move |kept| kept.charge_point == *charge_point)
    }

    /// The connector itself is kept for somebody.
    pub(crate) fn is_reserved(&self, key: &Key) -> bool {
        self.kept(&key.charge_point)
            .any(|kept| kept.connector == Some(key.connector))
    }
}

impl Site {
    /// When the next reservation is over.
    pub(crate) fn next_reservation_end(&self, now: Timestamp) -> Option<Monotonic> {
        let all = self.state.reservations.values();
        let first = all.map(|kept| kept.value.expires).min()?;
        let ms = u64::try_from(first.0.saturating_sub(now.wall.0)).unwrap_or(0);
        Some(now.monotonic.plus_ms(ms))
    }

    /// Connectors of a charge point that may be kept for somebody.
    fn reservable(&self, charge_point: &ChargePointId) -> Vec<usize> {
        let kept_for_a_tag = |i: &usize| {
            let connector = &self.connectors[*i];
            connector.key.charge_point == *charge_point
                && connector.config.authorization == Authorization::Required
        };
        (0..self.connectors.len()).filter(kept_for_a_tag).collect()
    }

    /// Where a tag that names no connector may charge: where one is kept for it, else where a vehicle
    /// waits, else where none is.
    #[must_use]
    pub fn place_for(
        &self,
        charge_point: &ChargePointId,
        id_tag: &IdTag,
        parent: Option<&IdTag>,
    ) -> Option<ConnectorId> {
        let now = self.latest?.wall;
        let rank = |i: usize| {
            let (state, live) = (self.journaled(i), &self.connectors[i].live);
            let key = &self.connectors[i].key;
            let usable = key.charge_point == *charge_point
                && state.session.is_none()
                && state.out_of_operation.is_none();
            let told = self.use_of(now, i, id_tag, parent);
            match (told, live.vehicle) {
                (Use::By(_), _) if usable && self.state.is_reserved(key) => Some(0),
                (
                    Use::By(_) | Use::Free,
                    Some(VehicleState::B | VehicleState::C | VehicleState::D),
                ) if usable && state.spent.is_none() => Some(1),
                (Use::By(_) | Use::Free, Some(VehicleState::A)) if usable => Some(2),
                (Use::By(_) | Use::Free | Use::KeptForOther, _) => None,
            }
        };
        let ranked = (0..self.connectors.len()).filter_map(|i| Some((rank(i)?, i)));
        let (_, best) = ranked.min()?;
        Some(self.connectors[best].key.connector)
    }

    /// Whether a tag may use a connector that no session uses; `parent` is its group, as far as known.
    pub(crate) fn use_of(
        &self,
        now: WallTime,
        i: usize,
        id_tag: &IdTag,
        parent: Option<&IdTag>,
    ) -> Use {
        let key = &self.connectors[i].key;
        let valid = || {
            let kept = self.state.kept(&key.charge_point);
            kept.filter(|kept| now < kept.expires)
        };
        let is_for = |kept: &&Reservation| {
            let same_group = kept.parent.as_ref().zip(parent);
            kept.id_tag.matches(id_tag) || same_group.is_some_and(|(kept, own)| kept.matches(own))
        };
        if let Some(kept) = valid().find(|kept| kept.connector == Some(key.connector)) {
            return if is_for(&kept) {
                Use::By(kept.id)
            } else {
                Use::KeptForOther
            };
        }
        let for_any = || valid().filter(|kept| kept.connector.is_none());
        if let Some(kept) = for_any().find(is_for) {
            return Use::By(kept.id);
        }
        let others = self.reservable(&key.charge_point);
        let left = others
            .into_iter()
            .filter(|other| *other != i && self.is_free(*other, valid()));
        if left.count() >= for_any().count() {
            Use::Free
        } else {
            Use::KeptForOther
        }
    }

    /// Nobody uses the connector, and none of these reservations is for it.
    fn is_free<'a>(&self, i: usize, mut kept: impl Iterator<Item = &'a Reservation>) -> bool {
        let connector = self.connectors[i].key.connector;
        self.occupation(i) == Occupation::Free && kept.all(|kept| kept.connector != Some(connector))
    }

    fn occupation(&self, i: usize) -> Occupation {
        let (state, live) = (self.journaled(i), &self.connectors[i].live);
        if live.is_faulted() {
            Occupation::Faulted
        } else if state.out_of_operation.is_some() || live.vehicle.is_none() {
            Occupation::Unavailable
        } else if state.session.is_some()
            || state.authorized.is_some()
            || live.vehicle != Some(VehicleState::A)
        {
            Occupation::Occupied
        } else {
            Occupation::Free
        }
    }
}

impl Turn<'_> {
    /// Keeps what is wished, if it can be, and answers.
    pub(crate) fn reserve(&mut self, wish: Reservation) {
        let answer = self.judge_reservation(&wish);
        let (charge_point, reservation) = (wish.charge_point.clone(), wish.id);
        if answer == ReservationAnswer::Accepted {
            self.record(Change::ReservationMade(wish));
        }
        self.answers.push(Action::AnswerReservation {
            charge_point,
            reservation,
            answer,
        });
    }

    /// Takes a reservation back, if there is one, and answers.
    pub(crate) fn cancel_reservation(&mut self, charge_point: ChargePointId, id: ReservationId) {
        let known = self
            .site
            .state
            .reservations
            .contains_key(&(charge_point.clone(), id));
        if known {
            self.end_reservation(charge_point.clone(), id, ReservationEnd::Cancelled);
        }
        self.answers.push(Action::AnswerReservation {
            charge_point,
            reservation: id,
            answer: if known {
                ReservationAnswer::Accepted
            } else {
                ReservationAnswer::Rejected
            },
        });
    }

    /// Ends what is over by time, and what is kept on a connector that went out of service.
    pub(crate) fn settle_reservations(&mut self) {
        let over: Vec<(ChargePointId, ReservationId, ReservationEnd)> = self
            .site
            .state
            .reservations
            .values()
            .filter_map(|kept| {
                let end = self.end_of(&kept.value)?;
                Some((kept.value.charge_point.clone(), kept.value.id, end))
            })
            .collect();
        for (charge_point, id, end) in over {
            self.end_reservation(charge_point, id, end);
        }
    }

    /// Takes back whatever is kept at a charge point.
    pub(crate) fn end_reservations_of(&mut self, charge_point: &ChargePointId) {
        let kept = self.site.state.kept(charge_point);
        let all: Vec<ReservationId> = kept.map(|kept| kept.id).collect();
        for id in all {
            self.end_reservation(charge_point.clone(), id, ReservationEnd::Cancelled);
        }
    }

    pub(crate) fn end_reservation(
        &mut self,
        charge_point: ChargePointId,
        reservation: ReservationId,
        end: ReservationEnd,
    ) {
        self.record(Change::ReservationEnded {
            charge_point,
            reservation,
            end,
        });
    }

    fn end_of(&self, kept: &Reservation) -> Option<ReservationEnd> {
        if kept.expires <= self.now.wall {
            return Some(ReservationEnd::Expired);
        }
        let able = self.site.reservable(&kept.charge_point);
        let out_of_service = match kept.connector {
            None => able.is_empty(),
            Some(connector) => able
                .into_iter()
                .find(|i| self.site.connectors[*i].key.connector == connector)
                .is_none_or(|i| {
                    self.state(i).out_of_operation.is_some() || self.live(i).is_faulted()
                }),
        };
        out_of_service.then_some(ReservationEnd::OutOfService)
    }

    fn judge_reservation(&self, wish: &Reservation) -> ReservationAnswer {
        let able = self.site.reservable(&wish.charge_point);
        let number = |i: &usize| self.site.connectors[*i].key.connector;
        let wanted = wish.connector;
        let here = able.iter().copied().find(|i| wanted == Some(number(i)));
        let possible = !able.is_empty()
            && here.is_some() == wanted.is_some()
            && self.now.wall_known
            && wish.expires > self.now.wall
            && !self.site.storage_failed;
        if !possible {
            return ReservationAnswer::Rejected;
        }
        let others: Vec<&Reservation> = self
            .site
            .state
            .kept(&wish.charge_point)
            .filter(|kept| kept.id != wish.id && self.now.wall < kept.expires)
            .collect();
        let of_any = others
            .iter()
            .filter(|kept| kept.connector.is_none())
            .count();
        let is_free = |i: &&usize| self.site.is_free(**i, others.iter().copied());
        let free = able.iter().filter(is_free).count();
        let taken = |connector: ConnectorId| {
            let mut specific = others.iter();
            specific.any(|kept| kept.connector == Some(connector))
        };
        match here.map(|i| self.site.occupation(i)) {
            Some(Occupation::Occupied) => ReservationAnswer::Occupied,
            Some(Occupation::Faulted) => ReservationAnswer::Faulted,
            Some(Occupation::Unavailable) => ReservationAnswer::Unavailable,
            // Each reservation for any connector needs one that stays free.
            Some(Occupation::Free) | None if free > of_any && !wanted.is_some_and(taken) => {
                ReservationAnswer::Accepted
            }
            Some(Occupation::Free) => ReservationAnswer::Occupied,
            None => self.why_none_is_free(&able),
        }
    }

    fn why_none_is_free(&self, able: &[usize]) -> ReservationAnswer {
        let all = |wanted| able.iter().all(|i| self.site.occupation(*i) == wanted);
        if all(Occupation::Faulted) {
            ReservationAnswer::Faulted
        } else if all(Occupation::Unavailable) {
            ReservationAnswer::Unavailable
        } else {
            ReservationAnswer::Occupied
        }
    }
}
