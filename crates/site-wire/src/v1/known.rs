//! Sessions as the cloud knows them: told to a gateway whose journal is an old copy of the one that told them.

use serde::{Deserialize, Serialize};
use site_model as model;

use super::{BadField, Change};

/// Most sessions told at once: those that run, then the newest that ended.
pub const KNOWN_SESSIONS_MAX: usize = 200;

/// A session of the gateway's charge points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSession {
    /// Session.
    pub session_id: String,
    /// Charge point.
    pub charge_point_id: String,
    /// Connector.
    pub connector_id: u8,
    /// Tag.
    pub id_tag: String,
    /// When it began.
    pub started_at_ms: i64,
    /// Register then.
    pub meter_start_wh: u64,
    /// Source of energy.
    pub energy_source: String,
    /// May be billed from.
    pub billing_grade: bool,
    /// When its register was last told.
    pub last_at_ms: i64,
    /// Highest register that was told.
    pub last_meter_wh: u64,
    /// As its central system numbers it, where that is the cloud itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transaction_id: Option<i64>,
    /// Absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end: Option<KnownEnd>,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownEnd {
    /// When.
    pub ended_at_ms: i64,
    /// Register.
    pub meter_stop_wh: u64,
    /// OCPP reason.
    pub stop_reason: String,
}

impl KnownSession {
    /// Its start, as its gateway once recorded it.
    ///
    /// # Errors
    /// [`BadField`] where the model does not admit a field.
    pub fn started(&self) -> Result<model::Change, BadField> {
        Change::SessionStarted {
            session_id: self.session_id.clone(),
            charge_point_id: self.charge_point_id.clone(),
            connector_id: self.connector_id,
            id_tag: self.id_tag.clone(),
            meter_start_wh: self.meter_start_wh,
            energy_source: self.energy_source.clone(),
            billing_grade: self.billing_grade,
            reservation_id: None,
        }
        .try_into()
    }

    /// Its end, if it has ended.
    ///
    /// # Errors
    /// [`BadField`] where the model does not admit a field.
    pub fn ended(&self) -> Option<Result<model::Change, BadField>> {
        let end = self.end.as_ref()?;
        let ended = Change::SessionEnded {
            session_id: self.session_id.clone(),
            charge_point_id: self.charge_point_id.clone(),
            connector_id: self.connector_id,
            meter_stop_wh: end.meter_stop_wh,
            stop_reason: end.stop_reason.clone(),
            id_tag: None,
            reconstructed: None,
        };
        Some(ended.try_into())
    }
}
