//! A session as answers show it.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::http::decimal::Decimal;
use crate::http::document::one_of;
use crate::http::time;
use crate::session::{Session, SessionState};

/// A charging session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionBody {
    /// Its id.
    #[schema(example = "sess_01hx2b3c4d5e6f7g8h9jkmnpqr")]
    session_id: String,
    /// Its transaction in OCPP (a number for 1.6, a text for 2.0.1); null where there is none.
    #[schema(required, value_type = Option<Object>, example = 1_482_093_744)]
    transaction_id: Option<TransactionId>,
    /// Where it ran.
    #[schema(example = "cp_01hx2b3c4d5e6f")]
    charge_point_id: String,
    /// Where it ran.
    #[schema(minimum = 1, example = 1)]
    connector_id: u8,
    /// Where it ran; null for a charge point that is assigned to no site.
    #[schema(required)]
    site_id: Option<String>,
    /// Whose token authorized it; null if that is not known.
    #[schema(required)]
    user_id: Option<String>,
    /// What authorized it.
    #[schema(example = "04A1B2C3D4E5F6")]
    id_tag: String,
    /// `active`; `completed` when its driver ended it; `stopped` when anything else did.
    #[schema(schema_with = states)]
    status: &'static str,
    /// When it began.
    #[schema(format = DateTime, example = "2026-05-01T09:00:00Z")]
    started_at: String,
    /// When it ended; null while it runs.
    #[schema(required, format = DateTime)]
    ended_at: Option<String>,
    /// Whole minutes so far.
    #[schema(example = 42)]
    duration_minutes: i64,
    /// Energy so far, with at most 3 decimals.
    #[schema(value_type = f64, example = 18.432)]
    energy_kwh: Decimal,
    /// Register at its start.
    #[schema(example = 1_204_500)]
    meter_start_wh: u64,
    /// Register at its end; null while it runs.
    #[schema(required)]
    meter_stop_wh: Option<u64>,
    /// Why it ended, in the words of OCPP; null while it runs.
    #[schema(required, example = "EVDisconnected")]
    stop_reason: Option<String>,
    /// Whether it began while its charge point was not connected.
    offline: bool,
    /// What measured it.
    #[schema(example = "lifetime_register")]
    energy_source: String,
    /// Whether that is good enough to bill by.
    billing_grade: bool,
    /// `external` where somebody else's central system authorised and bills it: then it has no price
    /// here. Null where we do.
    #[schema(required)]
    managed_by: Option<&'static str>,
}

/// A number for OCPP 1.6, a text for 2.0.1.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum TransactionId {
    Number(i64),
    Text(String),
}

impl SessionBody {
    pub(super) fn of(session: Session, now: Timestamp) -> Self {
        let end = session.ended_at.unwrap_or(now);
        let ms = end.as_millisecond() - session.started_at.as_millisecond();
        let transaction = session.transaction.clone();
        Self {
            session_id: session.id.to_string(),
            transaction_id: transaction.map(|text| match text.parse() {
                Ok(number) => TransactionId::Number(number),
                Err(_) => TransactionId::Text(text),
            }),
            charge_point_id: session.charge_point.to_string(),
            connector_id: session.connector,
            site_id: session.site.as_ref().map(ToString::to_string),
            status: session.state().as_str(),
            energy_kwh: Decimal::from_thousandths(session.energy_wh()),
            user_id: session.user,
            id_tag: session.id_tag,
            started_at: time::shown(session.started_at),
            ended_at: session.ended_at.map(time::shown),
            duration_minutes: ms.max(0) / 60_000,
            meter_start_wh: session.meter_start_wh,
            meter_stop_wh: session.meter_stop_wh,
            stop_reason: session.stop_reason,
            offline: session.offline,
            energy_source: session.energy_source,
            billing_grade: session.billing_grade,
            managed_by: session.external.then_some("external"),
        }
    }
}

fn states() -> Object {
    let all = SessionState::ALL.iter();
    one_of(all.map(|state| state.as_str()), "completed")
}
