//! POST `/reservations`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::json;
use site_model::ChargePointId;
use utoipa::ToSchema;

use super::answered;
use super::body::ReservationBody;
use crate::command::{NewReservation, ReservationState};
use crate::http::body::{Fields, FromFields};
use crate::http::caller::CallerWith;
use crate::http::error::ApiError;
use crate::http::idempotency::{IdempotencyKey, Made, Once};
use crate::http::requirement::WriteSessions;
use crate::http::routes::commands::wish::{TIMEOUT_S, invalid};
use crate::http::routes::commands::{Giver, Ready, check_own, give};
use crate::http::state::ApiState;
use crate::ocpp16::orders::Call;

/// A reservation to ask for.
#[derive(Debug, ToSchema)]
#[schema(as = NewReservation)]
pub(crate) struct NewReservationBody {
    /// Where.
    #[schema(value_type = String, example = "cp_01hx2b3c4d5e6f")]
    charge_point_id: ChargePointId,
    /// Which connector; 0, or left out, is any.
    #[schema(value_type = Option<u8>, minimum = 0, maximum = 255, example = 1)]
    connector_id: u32,
    /// For whom.
    #[schema(min_length = 1, max_length = 20, example = "04A1B2C3D4E5F6")]
    id_tag: String,
    /// Until when.
    #[schema(value_type = String, format = DateTime, example = "2026-05-01T10:00:00Z")]
    expires_at: Timestamp,
}

impl FromFields for NewReservationBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let id = fields.charge_point_id();
        let connector_id = fields.integer("connector_id", 0..=255).unwrap_or(0);
        let id_tag = fields.text("id_tag", 1..=20);
        let given = fields.required("expires_at");
        let time = given.as_ref().and_then(|value| value.as_str());
        let expires_at: Option<Timestamp> = time.and_then(|text| text.parse().ok());
        if given.is_some() && expires_at.is_none() {
            fields.fault("expires_at", "must be a time such as 2026-05-01T10:00:00Z");
        }
        Some(Self {
            charge_point_id: id?,
            connector_id,
            id_tag: id_tag?,
            expires_at: expires_at?,
        })
    }
}

/// Reserve connector
///
/// Asks the charge point, and answers with the state that it confirmed.
#[utoipa::path(
    post,
    path = "/api/v1/reservations",
    tag = "Reservations",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "The client's mark of this attempt, kept for 24 h.")),
    request_body = NewReservationBody,
    responses(
        (status = 201, description = "The reservation, in the state that the charge point confirmed.", body = ReservationBody),
        (status = 404, description = "No charge point has this id."),
        (status = 409, description = "The charge point is offline, or its OCPP socket is closed; nothing was sent."),
        (status = 422, description = "The `Idempotency-Key` was used before with another body."),
    ),
)]
pub(super) async fn create_reservation(
    State(state): State<ApiState>,
    mark: IdempotencyKey,
    CallerWith {
        caller,
        body,
        body_hash,
    }: CallerWith<WriteSessions, NewReservationBody>,
) -> Result<Response, ApiError> {
    let now = state.clock().now();
    if body.expires_at <= now {
        let fault = "must be in the future".to_owned();
        return Err(invalid(("expires_at".to_owned(), fault)));
    }
    let organisation = caller.organisation().clone();
    check_own(&state, &organisation, &body.charge_point_id).await?;
    let once = Once {
        organisation: organisation.clone(),
        mark,
        request: "POST /api/v1/reservations".to_owned(),
        body_hash,
    };
    let making = {
        let (state, giver) = (state.clone(), Giver::from(&caller));
        async move {
            let stores = state.stores();
            stores.dispatch.check(&body.charge_point_id)?;
            let new = NewReservation {
                organisation,
                charge_point: body.charge_point_id,
                connector: body.connector_id.into(),
                id_tag: body.id_tag,
                expires_at: body.expires_at,
            };
            let reservation = stores.reservations.create(new).await?;
            let (connector, number) = (reservation.connector, reservation.number);
            let call = Call::reserve(
                connector,
                number,
                &reservation.id_tag,
                reservation.expires_at,
            );
            let ready = Ready {
                command: "reserve_now".to_owned(),
                parameters: json!({ "reservation_id": reservation.id.as_str() }),
                call: call.map_err(invalid)?,
                timeout_s: TIMEOUT_S,
            };
            let given = give(&state, &giver, &reservation.charge_point, ready).await;
            let confirmed = match &given {
                Ok(command) => answered(command).map(str::to_ascii_lowercase),
                Err(_) => None,
            };
            let confirmed = confirmed.and_then(|word| ReservationState::parse(&word));
            let confirmed = confirmed.unwrap_or(ReservationState::Failed);
            let kept = stores.reservations.set(&reservation.id, confirmed).await?;
            given?;
            let body = ReservationBody::of(&kept, state.clock().now());
            Ok(Made::new(StatusCode::CREATED, &body))
        }
    };
    once.answer(&state, making).await
}
