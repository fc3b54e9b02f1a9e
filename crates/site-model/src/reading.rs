//! What a device told us, normalised by its profile.

use crate::{
    DeviceId, Hertz, Milliamps, Millivolts, VehicleState, VoltAmpereHours, VoltAmperes, WattHours,
    Watts,
};

/// Phase of the device's own terminals (before any rotation at the site).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// L1.
    L1,
    /// L2.
    L2,
    /// L3.
    L3,
}

/// One value that a device reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Control-pilot state after IEC 61851-1.
    VehicleState(VehicleState),
    /// The current limit that the device itself says it applies; read back from its register.
    CurrentLimit(Milliamps),
    /// Current of one phase.
    Current(Phase, Milliamps),
    /// Voltage of one phase against neutral.
    Voltage(Phase, Millivolts),
    /// Active power of one phase.
    PowerOfPhase(Phase, Watts),
    /// Active power, all phases.
    Power(Watts),
    /// Apparent power, all phases.
    ApparentPower(VoltAmperes),
    /// Lifetime register of active import energy. `resolution` is the size of one count of the register, at least 1 Wh.
    EnergyImport {
        /// Register value.
        energy: WattHours,
        /// One count of the register.
        resolution: WattHours,
    },
    /// Lifetime register of active export energy.
    EnergyExport(WattHours),
    /// Active energy of the present or last session, as the device counts it.
    EnergySession(WattHours),
    /// Lifetime register of apparent energy.
    ApparentEnergy(VoltAmpereHours),
    /// Mains frequency.
    Frequency(Hertz),
    /// Device's error code; 0 is none.
    ErrorCode(u32),
    /// Firmware version as text.
    Firmware(String),
    /// Serial number as text.
    Serial(String),
    /// Model as text.
    Model(String),
}

/// All values that one device delivered in one poll. Values the poll did not cover are absent,
/// values the device marked as not available are absent too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Which device.
    pub device: DeviceId,
    /// Its values; at most one of each kind and phase.
    pub values: Vec<Value>,
}

/// Why a device counts as unreachable or refused an order; enough for a technician to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFault {
    /// Sentence with register, what was expected and what came.
    pub message: String,
    /// What to do next, as a sentence.
    pub remedy: String,
}
