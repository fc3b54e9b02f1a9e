//! What happens on a bus, for the site.

use site_model::{DeviceFault, DeviceId, Milliamps, Reading};

use super::config::Phases;

/// What happens on a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusEvent {
    /// A poll ended; everything in it is fresh. After a [`BusEvent::Lost`] it means the device is back.
    Read(Reading),
    /// The device is quarantined or its line cannot be used. Told once, and again only when the
    /// reason changes between device and line.
    Lost {
        /// Which device.
        device: DeviceId,
        /// Why, and what to do.
        fault: DeviceFault,
    },
    /// A limit was written and echoed.
    LimitWritten {
        /// Which device.
        device: DeviceId,
        /// As encoded, rounded down; 0 is a pause.
        limit: Milliamps,
    },
    /// A limit will not be written.
    WriteRefused {
        /// Which device.
        device: DeviceId,
        /// Why, and what to do.
        fault: DeviceFault,
    },
    /// The phases were switched: read back where the device tells them, else echoed. Told also if
    /// they were so already.
    PhasesSwitched {
        /// Which device.
        device: DeviceId,
        /// As they are now.
        phases: Phases,
    },
    /// The phases were not switched, or do not read back so.
    PhasesRefused {
        /// Which device.
        device: DeviceId,
        /// Why, and what to do.
        fault: DeviceFault,
    },
    /// The failsafe was compared with what is configured: after each connection and once a day.
    Failsafe {
        /// Which device.
        device: DeviceId,
        /// The outcome.
        state: FailsafeState,
    },
}

impl BusEvent {
    /// Whom it is about.
    #[must_use]
    pub fn device(&self) -> &DeviceId {
        match self {
            Self::Read(reading) => &reading.device,
            Self::Lost { device, .. }
            | Self::LimitWritten { device, .. }
            | Self::WriteRefused { device, .. }
            | Self::PhasesSwitched { device, .. }
            | Self::PhasesRefused { device, .. }
            | Self::Failsafe { device, .. } => device,
        }
    }
}

/// How a device's failsafe compares with what is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailsafeState {
    /// It reads back as configured.
    Confirmed,
    /// It does not, or the device refused it.
    Differs {
        /// What differs, and what to do.
        fault: DeviceFault,
    },
    /// It was written and echoed, but this model does not tell it.
    NotReadable,
}
