//! A reservation as answers show it.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::command::{Reservation, ReservationState};
use crate::http::document::one_of;
use crate::http::time;

/// A reservation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reservation)]
pub(crate) struct ReservationBody {
    /// Its id.
    #[schema(example = "rsv_01hx2b3c4d5e6f7g8h9jkmnpqr")]
    id: String,
    /// Where.
    #[schema(example = "cp_01hx2b3c4d5e6f")]
    charge_point_id: String,
    /// Which connector; 0 is any.
    #[schema(example = 1)]
    connector_id: i64,
    /// For whom.
    #[schema(example = "04A1B2C3D4E5F6")]
    id_tag: String,
    /// Until when.
    #[schema(format = DateTime, example = "2026-05-01T10:00:00Z")]
    expires_at: String,
    /// As the charge point confirmed it: `accepted`, or why not; then `used`, `cancelled` or
    /// `expired`. `failed`: it gave no answer that can be understood.
    #[schema(schema_with = states)]
    state: &'static str,
    /// When it was asked for.
    #[schema(format = DateTime, example = "2026-05-01T09:00:00Z")]
    created_at: String,
    /// When its state changed last.
    #[schema(format = DateTime, example = "2026-05-01T09:00:00Z")]
    updated_at: String,
}

impl ReservationBody {
    pub(super) fn of(reservation: &Reservation, now: Timestamp) -> Self {
        Self {
            id: reservation.id.to_string(),
            charge_point_id: reservation.charge_point.to_string(),
            connector_id: reservation.connector,
            id_tag: reservation.id_tag.clone(),
            expires_at: time::shown(reservation.expires_at),
            state: reservation.state(now).as_str(),
            created_at: time::shown(reservation.created_at),
            updated_at: time::shown(reservation.updated_at),
        }
    }
}

fn states() -> Object {
    let all = ReservationState::ALL.iter();
    one_of(all.map(|state| state.as_str()), "accepted")
}
