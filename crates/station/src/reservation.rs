//! Reservations: a connector, or any one of them, is kept for a tag until a time
//! (OCPP 1.6 section 5.13 and 5.1).

use ocpp::v16::{ReservationStatus, ReserveNowRequest};
use ocpp::{Text, Time};

use crate::authorize::may_stop as is_same_or_group;

/// What a connector is doing, as far as reservations care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupation {
    /// Nobody uses it.
    Free,
    /// A vehicle or a transaction is there.
    Occupied,
    /// It is faulted.
    Faulted,
    /// It is out of operation.
    Unavailable,
}

/// One reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The central system's number for it.
    pub id: i64,
    /// 0 stands for any connector.
    pub connector: u8,
    /// For whom.
    pub id_tag: Text<20>,
    /// Or for whom of this group.
    pub parent_id_tag: Option<Text<20>>,
    /// Until when.
    pub expiry: Time,
}

/// Every reservation of one charge point; at most one for each connector, and as many for any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservations {
    connectors: u8,
    zero_supported: bool,
    kept: Vec<Reservation>,
}

/// Whether a connector may be used by a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Nothing stands against it.
    Free,
    /// By this reservation, which it ends and which StartTransaction names.
    ByReservation(i64),
    /// It is kept for somebody else.
    KeptForOther,
}

impl Reservations {
    /// Without one. `zero_supported` is `ReserveConnectorZeroSupported`.
    #[must_use]
    pub fn new(connectors: u8, zero_supported: bool) -> Self {
        Self {
            connectors,
            zero_supported,
            kept: Vec::new(),
        }
    }

    /// Puts back what was stored before a restart.
    pub fn restore(&mut self, reservation: Reservation) {
        self.kept.push(reservation);
    }

    /// Every reservation.
    #[must_use]
    pub fn kept(&self) -> &[Reservation] {
        &self.kept
    }

    /// Answers ReserveNow. One with a known id replaces that reservation. After `Accepted` it is
    /// kept.
    pub fn reserve(
        &mut self,
        now: Time,
        request: &ReserveNowRequest,
        occupation: impl Fn(u8) -> Occupation,
    ) -> ReservationStatus {
        let connector = u8::try_from(request.connector_id).ok();
        let Some(connector) = connector.filter(|number| *number <= self.connectors) else {
            return ReservationStatus::Rejected;
        };
        if request.expiry_date <= now || (connector == 0 && !self.zero_supported) {
            return ReservationStatus::Rejected;
        }
        let others: Vec<Reservation> = self
            .kept
            .iter()
            .filter(|kept| kept.id != request.reservation_id && now < kept.expiry)
            .cloned()
            .collect();
        let status = self.fits(connector, &others, occupation);
        if status == ReservationStatus::Accepted {
            self.kept = others;
            self.kept.push(Reservation {
                id: request.reservation_id,
                connector,
                id_tag: request.id_tag.clone(),
                parent_id_tag: request.parent_id_tag.clone(),
                expiry: request.expiry_date,
            });
        }
        status
    }

    fn fits(
        &self,
        connector: u8,
        others: &[Reservation],
        occupation: impl Fn(u8) -> Occupation,
    ) -> ReservationStatus {
        let of_any = others.iter().filter(|kept| kept.connector == 0).count();
        let is_free = |number: &u8| {
            occupation(*number) == Occupation::Free
                && others.iter().all(|kept| kept.connector != *number)
        };
        let free = (1..=self.connectors).filter(is_free).count();
        if connector > 0 {
            match occupation(connector) {
                Occupation::Free => {}
                Occupation::Occupied => return ReservationStatus::Occupied,
                Occupation::Faulted => return ReservationStatus::Faulted,
                Occupation::Unavailable => return ReservationStatus::Unavailable,
            }
            let taken = others.iter().any(|kept| kept.connector == connector);
            // Each reservation for any connector needs one that stays free.
            let fits = !taken && free > of_any;
            return if fits {
                ReservationStatus::Accepted
            } else {
                ReservationStatus::Occupied
            };
        }
        if free > of_any {
            return ReservationStatus::Accepted;
        }
        let all = |wanted| (1..=self.connectors).all(|number| occupation(number) == wanted);
        match (all(Occupation::Faulted), all(Occupation::Unavailable)) {
            (true, _) => ReservationStatus::Faulted,
            (_, true) => ReservationStatus::Unavailable,
            (false, false) => ReservationStatus::Occupied,
        }
    }

    /// Answers CancelReservation: whether there was one.
    pub fn cancel(&mut self, id: i64) -> bool {
        let before = self.kept.len();
        self.kept.retain(|kept| kept.id != id);
        self.kept.len() < before
    }

    /// Ends those whose time is over. Gives the ids.
    pub fn expire(&mut self, now: Time) -> Vec<i64> {
        self.end(|kept| kept.expiry <= now)
    }

    /// A connector went out of service: what was kept on it ends. Gives the ids.
    pub fn out_of_service(&mut self, connector: u8) -> Vec<i64> {
        self.end(|kept| kept.connector == connector)
    }

    fn end(&mut self, over: impl Fn(&Reservation) -> bool) -> Vec<i64> {
        let ended = self
            .kept
            .iter()
            .filter(|kept| over(kept))
            .map(|kept| kept.id)
            .collect();
        self.kept.retain(|kept| !over(kept));
        ended
    }

    /// The next moment at which one expires.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Time> {
        self.kept.iter().map(|kept| kept.expiry).min()
    }

    /// Whether a tag may use a free connector; `group` is what is known of the tag's group.
    #[must_use]
    pub fn may_use(
        &self,
        now: Time,
        connector: u8,
        id_tag: &Text<20>,
        group: Option<&Text<20>>,
        occupation: impl Fn(u8) -> Occupation,
    ) -> Use {
        let valid = || self.kept.iter().filter(|kept| now < kept.expiry);
        let is_for = |kept: &&Reservation| {
            is_same_or_group(&kept.id_tag, kept.parent_id_tag.as_ref(), id_tag, group)
        };
        let here = |kept: &&Reservation| kept.connector == connector;
        let anywhere = |kept: &&Reservation| kept.connector == 0;
        if let Some(kept) = valid().find(here) {
            return if is_for(&kept) {
                Use::ByReservation(kept.id)
            } else {
                Use::KeptForOther
            };
        }
        if let Some(kept) = valid().filter(anywhere).find(is_for) {
            return Use::ByReservation(kept.id);
        }
        let is_free = |number: &u8| {
            occupation(*number) == Occupation::Free && valid().all(|kept| kept.connector != *number)
        };
        let free = (1..=self.connectors).filter(is_free).count();
        if free > valid().filter(anywhere).count() {
            Use::Free
        } else {
            Use::KeptForOther
        }
    }
}
