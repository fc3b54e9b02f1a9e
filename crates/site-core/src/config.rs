//! What the core must know of the site. Built and checked by the shell from its configuration
//! file and the device profiles.

use site_model::{
    ChargePointId, ConnectorId, ConnectorType, DeviceId, EnergySource, IdTag, Milliamps,
};

/// The whole site.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SiteConfig {
    /// Its charge points; ids are unique.
    pub charge_points: Vec<ChargePointConfig>,
}

/// One charge point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargePointConfig {
    /// Its identity.
    pub id: ChargePointId,
    /// Maker, from the device profile.
    pub vendor: String,
    /// Model, from the device profile.
    pub model: String,
    /// At least one, ascending by number.
    pub connectors: Vec<ConnectorConfig>,
}

/// One connector and the device that drives it. A device drives exactly one connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorConfig {
    /// Its number.
    pub id: ConnectorId,
    /// Its plug or socket.
    pub kind: ConnectorType,
    /// Phases it is wired to, 1 to 3.
    pub phases: u8,
    /// Most the installation allows.
    pub max_current: Milliamps,
    /// What the device accepts.
    pub range: CurrentRange,
    /// The charger.
    pub device: DeviceId,
    /// Where energy is read.
    pub energy: EnergyConfig,
    /// Who may charge.
    pub authorization: Authorization,
}

/// Limits a device accepts, from its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentRange {
    /// Lowest current while charging; at least 6 A.
    pub minimum: Milliamps,
    /// Highest.
    pub maximum: Milliamps,
    /// One count of its set-point; asked limits are rounded down to it.
    pub step: Milliamps,
    /// Whether it can be told to pause. Without, a connector may only run free.
    pub can_pause: bool,
    /// Whether the device's applied limit can be read back; without, a write acknowledged by the
    /// device counts once the next reading arrived.
    pub reads_back: bool,
}

/// Where a connector's energy is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnergyConfig {
    /// Which device; the charger itself or a meter of its own.
    pub device: DeviceId,
    /// Which of its values.
    pub source: EnergySource,
    /// Whether it may be billed from.
    pub billing_grade: bool,
}

/// Who may charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// Anybody: the session is recorded under this tag.
    Free {
        /// The tag.
        id_tag: IdTag,
    },
    /// Only after a start command; until then the connector is held at its pause value.
    Required,
}
