//! Version 1. JSON; units in field names; integers of the smallest unit; wall times in
//! milliseconds since 1970 (UTC). Unknown fields are ignored when read, so that a newer side may add some.

mod change;
mod envelope;
mod field;
mod known;
mod snapshot;

use serde::{Deserialize, Serialize};

pub use field::BadField;
pub use known::{KNOWN_SESSIONS_MAX, KnownEnd, KnownSession};

/// The number every message carries.
pub const VERSION: u32 = 1;

/// Most facts that travel in one message.
pub const BATCH_MAX_FACTS: usize = 200;

/// Facts of one journal, ascending and without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactBatch {
    /// [`VERSION`].
    pub v: u32,
    /// Identity of the journal file.
    pub journal_id: String,
    /// The facts, ascending by sequence, each one more than the one before.
    pub facts: Vec<Envelope>,
}

/// One fact with its key and times. Also the form in which the gateway's journal stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// From 1, one more for each fact of this journal.
    pub sequence: u64,
    /// Boot of the daemon, 16 hex digits.
    pub boot: String,
    /// Milliseconds since that boot.
    pub monotonic_ms: u64,
    /// Wall time.
    pub wall_ms: i64,
    /// Whether the wall time was known to be right.
    pub wall_known: bool,
    /// What changed.
    pub change: Change,
}

/// What changed; mirrors `site_model::Change`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Change {
    /// See the model.
    ChargePointAnnounced {
        /// Charge point.
        charge_point_id: String,
        /// Maker.
        vendor: String,
        /// Model.
        model: String,
        /// Connectors.
        connectors: Vec<AnnouncedConnector>,
        /// OCPP endpoint.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        central_system: Option<CentralSystem>,
    },
    /// See the model.
    DeviceOnline {
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// Serial number.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        serial: Option<String>,
        /// Firmware version.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        firmware: Option<String>,
    },
    /// See the model.
    DeviceOffline {
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// Why.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// See the model.
    StatusChanged {
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// OCPP status.
        status: String,
        /// Device's error code.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        error_code: Option<u32>,
    },
    /// See the model.
    AvailabilityChanged {
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// In operation.
        operative: bool,
    },
    /// See the model.
    AuthorizationChanged {
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// Tag.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        id_tag: Option<String>,
    },
    /// See the model.
    SessionStarted {
        /// Session.
        session_id: String,
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// Tag.
        id_tag: String,
        /// Register.
        meter_start_wh: u64,
        /// Source of energy.
        energy_source: String,
        /// May be billed from.
        billing_grade: bool,
        /// OCPP `reservationId` that it used up.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reservation_id: Option<i64>,
    },
    /// See the model.
    ReservationMade {
        /// Charge point.
        charge_point_id: String,
        /// OCPP `reservationId`.
        reservation_id: i64,
        /// Absent: any connector.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        connector_id: Option<u8>,
        /// Tag.
        id_tag: String,
        /// Group.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        parent_id_tag: Option<String>,
        /// Until when.
        expires_at_ms: i64,
    },
    /// See the model.
    ReservationEnded {
        /// Charge point.
        charge_point_id: String,
        /// OCPP `reservationId`.
        reservation_id: i64,
        /// `used`, `cancelled`, `expired` or `out_of_service`.
        end: String,
    },
    /// See the model.
    MeterRead {
        /// Session.
        session_id: String,
        /// Register.
        meter_wh: u64,
    },
    /// See the model.
    SessionEnded {
        /// Session.
        session_id: String,
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// Register.
        meter_stop_wh: u64,
        /// OCPP reason.
        stop_reason: String,
        /// Tag that ended it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        id_tag: Option<String>,
        /// Bounds where the end was not observed.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reconstructed: Option<Reconstructed>,
    },
    /// See the model.
    SessionDisowned {
        /// Session.
        session_id: String,
        /// Register.
        up_to_wh: u64,
        /// It is ended there.
        ends: bool,
    },
    /// See the model.
    RegisterTied {
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// Device's register.
        raw_wh: u64,
        /// Connector's register.
        total_wh: u64,
    },
    /// See the model.
    EnergyUnattributed {
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// Register before.
        from_wh: u64,
        /// Register after.
        to_wh: u64,
    },
    /// See the model.
    LimitGranted {
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// Limit.
        limit_ma: u32,
        /// Who set it.
        owner: String,
    },
    /// See the model.
    ProfileLimitChanged {
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// Limit, absent where no profile sets one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit_ma: Option<u32>,
    },
    /// See the model.
    CommandOpened {
        /// Command.
        command_id: String,
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// What to do.
        order: Order,
        /// Deadline on the boot's monotonic clock.
        expires_at_monotonic_ms: u64,
    },
    /// See the model.
    CommandClosed {
        /// Command.
        command_id: String,
        /// `applied`, `expired`, `superseded`, or `refused`.
        outcome: String,
        /// Why it was refused.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
    },
    /// See the model.
    ClosingScheduled {
        /// Charge point.
        charge_point_id: String,
        /// Connector.
        connector_id: u8,
        /// It does.
        scheduled: bool,
    },
    /// See the model.
    TransactionAssigned {
        /// Session.
        session_id: String,
        /// The id.
        transaction_id: i64,
    },
    /// See the model.
    JournalSalvaged {
        /// The damaged journal.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        damaged_journal_id: Option<String>,
        /// Facts carried over.
        carried_facts: u64,
        /// Facts missing.
        lost_facts: u64,
        /// What was damaged.
        problem: String,
    },
    /// See the model.
    ClockCorrected {
        /// Boot, 16 hex digits.
        corrected_boot: String,
        /// To be added.
        offset_ms: i64,
    },
}

/// The OCPP endpoint of a charge point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CentralSystem {
    /// Address, with the charge point's id.
    pub address: String,
    /// Somebody else's.
    pub external: bool,
}

/// What a command orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// See the model.
    StartSession {
        /// Tag.
        id_tag: String,
        /// Group that the tag is known to be of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent_id_tag: Option<String>,
    },
    /// See the model.
    StopSession {
        /// Absent: at the cabinet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop_reason: Option<String>,
    },
    /// See the model.
    StopByTag {
        /// Tag.
        id_tag: String,
    },
    /// See the model.
    SetLimit {
        /// Limit.
        limit_ma: u32,
    },
    /// See the model.
    ClearLimit,
    /// See the model.
    SetAvailable,
    /// See the model.
    SetUnavailable,
    /// See the model.
    Reset {
        /// Not gracefully.
        hard: bool,
    },
}

/// A connector as announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnouncedConnector {
    /// Number from 1.
    pub connector_id: u8,
    /// Plug, as in the REST contract.
    #[serde(rename = "type")]
    pub kind: String,
    /// Rated power.
    pub max_power_w: i32,
}

/// Bounds of an end that was not observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconstructed {
    /// Not before.
    pub not_before_ms: i64,
    /// Not after.
    pub not_after_ms: i64,
}

/// Live view of one charge point; retained, refreshed at least every [`SNAPSHOT_REFRESH_MS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`VERSION`].
    pub v: u32,
    /// Identity of the journal file.
    pub journal_id: String,
    /// Every fact up to this one is contained in the view.
    pub as_of_sequence: u64,
    /// When the snapshot was made.
    pub made_at_ms: i64,
    /// Charge point.
    pub charge_point_id: String,
    /// Maker.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// Status as a whole (connector 0).
    pub status: String,
    /// Whether a device answers.
    pub online: bool,
    /// Last valid answer of its devices.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_answer_at_ms: Option<i64>,
    /// Charger's serial number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub serial: Option<String>,
    /// Charger's firmware version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub firmware: Option<String>,
    /// Connectors, ascending.
    pub connectors: Vec<SnapshotConnector>,
}

/// A snapshot is published again after this time even if nothing changed (design, section 3).
pub const SNAPSHOT_REFRESH_MS: u64 = 60_000;

/// One connector in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotConnector {
    /// Number from 1.
    pub connector_id: u8,
    /// Plug.
    #[serde(rename = "type")]
    pub kind: String,
    /// Rated power.
    pub max_power_w: i32,
    /// OCPP status.
    pub status: String,
    /// When the device last told its vehicle state.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub observed_at_ms: Option<i64>,
    /// Device's error code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_code: Option<u32>,
    /// Why the device is unreachable.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<String>,
    /// Granted limit.
    pub limit_ma: u32,
    /// Who set it.
    pub limit_owner: String,
    /// Limit as read back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit_read_back_ma: Option<u32>,
    /// Power as last measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub power_w: Option<i32>,
    /// Connector's monotone register.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub meter_wh: Option<u64>,
    /// Running session.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<SnapshotSession>,
}

/// A running session in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotSession {
    /// Session.
    pub session_id: String,
    /// When it began.
    pub started_at_ms: i64,
    /// Energy so far.
    pub energy_wh: u64,
}

/// Whether a gateway is connected; retained, and its last will with `online: false`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayState {
    /// [`VERSION`].
    pub v: u32,
    /// Connected.
    pub online: bool,
    /// Boot of the daemon, 16 hex digits.
    pub boot: String,
    /// Identity of its journal file; the cloud answers with the acknowledgement for this journal.
    pub journal_id: String,
    /// Version of the site controller.
    pub software_version: String,
    /// The gateway's journal is an old copy: it asks what is known of its sessions.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub asks_for_sessions: bool,
}

/// The cloud's own word, published after its commit and in answer to every [`GatewayState`] with
/// `online: true`: facts up to `sequence` of `journal_id` are stored (0: none). The gateway
/// resumes after it, even if that is lower than what it had been told before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// [`VERSION`].
    pub v: u32,
    /// Identity of the journal file this speaks of.
    pub journal_id: String,
    /// Highest contiguous sequence stored.
    pub sequence: u64,
    /// Boot that recorded the fact of this sequence, 16 hex digits; absent where that is not known. A
    /// gateway that has another fact there speaks from an old copy of its journal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub boot: Option<String>,
    /// For a gateway that asked: its sessions, at most [`KNOWN_SESSIONS_MAX`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sessions: Option<Vec<KnownSession>>,
    /// Charge points that this gateway may not speak for; their facts are stored nowhere.
    #[serde(default)]
    pub refused: Vec<RefusedChargePoint>,
}

/// A charge point that a gateway announced and the cloud refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedChargePoint {
    /// Charge point.
    pub charge_point_id: String,
    /// Sentence for the installer, with what to do.
    pub reason: String,
}
