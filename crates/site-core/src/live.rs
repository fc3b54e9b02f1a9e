//! What is observed and timed now. Not journaled: it is learned anew after each start.

use site_model::{DeviceFault, Monotonic, Timestamp, VehicleState, WallTime, Watts};

use crate::energy::LiveMeter;
use crate::limits::SetPoint;
use crate::session::Closing;

/// Observations of one connector.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    /// The charger answers.
    pub(crate) answering: bool,
    /// The charger's last valid answer.
    pub(crate) last_answer: Option<Timestamp>,
    /// Vehicle state, as long as the charger answers.
    pub(crate) vehicle: Option<VehicleState>,
    /// When the charger last told it.
    pub(crate) observed: Option<Timestamp>,
    pub(crate) error_code: Option<u32>,
    pub(crate) power: Option<Watts>,
    /// The meter of its own tells the power; the charger's own figure is ignored.
    pub(crate) power_from_meter: bool,
    /// Why the meter of its own is unreachable, if it is.
    pub(crate) meter_fault: Option<DeviceFault>,
    /// Why the charger refused the last limit, until one is confirmed.
    pub(crate) write_fault: Option<DeviceFault>,
    pub(crate) meter: LiveMeter,
    pub(crate) setpoint: SetPoint,
    /// Since when the vehicle has not been seen: what ended meanwhile can only be reconstructed.
    pub(crate) unseen_since: Option<WallTime>,
    /// Since when the charger reports a fault.
    pub(crate) fault_since: Option<Monotonic>,
    /// Since when a session could begin but for its meter reading.
    pub(crate) start_wanted: Option<Monotonic>,
    pub(crate) closing: Option<Closing>,
}

impl Live {
    /// The vehicle takes energy (IEC 61851-1 states C and D).
    pub(crate) fn is_charging(&self) -> bool {
        matches!(self.vehicle, Some(VehicleState::C | VehicleState::D))
    }

    /// A vehicle is connected and the pilot is sound.
    pub(crate) fn is_plugged(&self) -> bool {
        self.is_charging() || self.vehicle == Some(VehicleState::B)
    }

    /// Pilot or device error.
    pub(crate) fn is_faulted(&self) -> bool {
        matches!(
            self.vehicle,
            Some(VehicleState::E | VehicleState::F | VehicleState::Fault)
        )
    }
}
