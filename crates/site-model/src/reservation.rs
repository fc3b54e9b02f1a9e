//! A connector, or any one of a charge point, kept for somebody (OCPP 1.6 section 5.13).

use std::fmt;

use crate::{ChargePointId, ConnectorId, IdTag, WallTime};

/// A central system's number for a reservation (OCPP `reservationId`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReservationId(pub i64);

impl fmt::Display for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is kept, for whom and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// At which charge point.
    pub charge_point: ChargePointId,
    /// Its number there; one with a known number takes the other's place.
    pub id: ReservationId,
    /// Absent: any connector.
    pub connector: Option<ConnectorId>,
    /// For whom.
    pub id_tag: IdTag,
    /// Or for whom of this group (`parentIdTag`).
    pub parent: Option<IdTag>,
    /// From this moment on it is over.
    pub expires: WallTime,
}
