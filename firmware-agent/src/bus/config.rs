//! A bus as the configuration describes it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use hw_profiles::{Profile, SerialLine, WordOrder};
use site_model::{DeviceId, Milliamps};

/// A bus as the configuration describes it.
#[derive(Debug, Clone)]
pub struct BusConfig {
    /// Name in the configuration.
    pub name: String,
    /// How to reach it.
    pub link: BusLink,
    /// Its devices; names are unique, and so is each pair of unit and connector.
    pub devices: Vec<BusDevice>,
}

/// How to reach a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusLink {
    /// A serial line.
    Serial {
        /// For instance `/dev/serial/by-id/usb-…`.
        path: PathBuf,
        /// Settings of the line.
        line: SerialLine,
        /// What its frames look like.
        framing: SerialFraming,
    },
    /// A TCP connection.
    Tcp {
        /// Name or address.
        host: String,
        /// Usually 502.
        port: u16,
        /// What its frames look like.
        framing: TcpFraming,
    },
}

/// Frames on a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SerialFraming {
    /// Modbus RTU.
    #[default]
    Rtu,
    /// Modbus ASCII.
    Ascii,
}

/// Frames in a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TcpFraming {
    /// Modbus TCP.
    #[default]
    Mbap,
    /// RTU frames: a converter that passes the bytes of a serial line through.
    Rtu,
}

impl fmt::Display for BusLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial { path, .. } => write!(f, "{}", path.display()),
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
        }
    }
}

/// A device on a bus.
#[derive(Debug, Clone)]
pub struct BusDevice {
    /// Its name at the site.
    pub id: DeviceId,
    /// Modbus unit; with a profile that has one unit per connector, that of this connector.
    pub unit: u8,
    /// Which connector of the device, counted from 1; 1 for a device that has one.
    pub connector: u8,
    /// Its model.
    pub profile: Arc<Profile>,
    /// How often it is read; at least the profile's `read_interval_ms` is kept.
    pub poll_interval_ms: u64,
    /// Phases it is wired to, 1 to 3; needed where limits are told in watts.
    pub phases: u8,
    /// Word order of this variant, if it is not that of the profile.
    pub words: Option<WordOrder>,
    /// What the device is to do by itself when it hears nothing; absent: as it is.
    pub failsafe: Option<FailsafeSettings>,
}

/// What a device does by itself when it hears nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailsafeSettings {
    /// The current it falls back to; what its register cannot say is rounded down.
    pub current: Milliamps,
    /// After this time without communication; what its register cannot say is rounded down, but
    /// never to 0, which would switch it off.
    pub timeout_ms: u64,
}

/// Phases that a charger charges with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phases {
    /// One.
    One,
    /// All three.
    Three,
}

impl Phases {
    /// Their number.
    #[must_use]
    pub fn count(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }
}

impl fmt::Display for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "one phase",
            Self::Three => "three phases",
        })
    }
}
