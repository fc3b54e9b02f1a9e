//! What the site looks like now: the live view, for status pages and snapshots.

use crate::{
    Announcement, ChargePointStatus, ConnectorId, ConnectorStatus, DeviceFault, LimitOwner,
    Milliamps, SessionId, Timestamp, WattHours, Watts,
};

/// One charge point now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargePointView {
    /// What it is.
    pub announcement: Announcement,
    /// Status as a whole (connector 0).
    pub status: ChargePointStatus,
    /// Whether at least one of its devices answers.
    pub online: bool,
    /// Last valid answer of its devices.
    pub last_answer: Option<Timestamp>,
    /// Charger's serial number, if it told one.
    pub serial: Option<String>,
    /// Charger's firmware version, if it told one.
    pub firmware: Option<String>,
    /// Its connectors, ascending by number.
    pub connectors: Vec<ConnectorView>,
}

/// One connector now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorView {
    /// Its number.
    pub connector: ConnectorId,
    /// OCPP status.
    pub status: ConnectorStatus,
    /// When the device last told its vehicle state.
    pub observed: Option<Timestamp>,
    /// Device's own error code.
    pub error_code: Option<u32>,
    /// Why the device is unreachable, if it is.
    pub fault: Option<DeviceFault>,
    /// Granted limit and who set it.
    pub limit: Milliamps,
    /// Who set the limit.
    pub limit_owner: LimitOwner,
    /// Limit as read back from the device.
    pub limit_read_back: Option<Milliamps>,
    /// Power as last measured.
    pub power: Option<Watts>,
    /// The connector's monotone register.
    pub meter: Option<WattHours>,
    /// The running session.
    pub session: Option<SessionView>,
}

/// A running session now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Its identity.
    pub session: SessionId,
    /// When it began.
    pub started: Timestamp,
    /// Energy so far.
    pub energy: WattHours,
}
