//! The Reservation profile. OCPP 1.6.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{CancelReservationStatus, ReservationStatus};
use crate::{Text, Time, wire::object};

object! {
    /// Call of `CancelReservation`.
    CancelReservationRequest {
        reservation_id: i64 = "reservationId",
    } {
    }
    /// Answer to `CancelReservation`.
    CancelReservationResponse {
        status: CancelReservationStatus = "status",
    } {
    }
    /// Call of `ReserveNow`.
    ReserveNowRequest {
        connector_id: i64 = "connectorId",
        expiry_date: Time = "expiryDate",
        id_tag: Text<20> = "idTag",
        reservation_id: i64 = "reservationId",
    } {
        parent_id_tag: Text<20> = "parentIdTag",
    }
    /// Answer to `ReserveNow`.
    ReserveNowResponse {
        status: ReservationStatus = "status",
    } {
    }
}
