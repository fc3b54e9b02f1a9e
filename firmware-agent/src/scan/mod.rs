//! Finds devices on a line whose settings and units nobody knows, and recognises their models.
//!
//! Only ever reads. A silent unit costs one short wait; a device that is slower shows itself by its
//! late answer, which carries its unit. What was found is kept when a scan is dropped half way.

mod identify;
mod plan;
mod run;

use std::time::Duration;

use hw_profiles::WordOrder;

use crate::bus::BusLink;

pub use identify::{identify, locate};
pub use plan::{Units, serial_links};
pub use run::{Scan, Step};

/// What was found at one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The line and its settings.
    pub link: BusLink,
    /// Its number.
    pub unit: u8,
    /// Ids of the profiles that recognise it.
    pub profiles: Vec<String>,
    /// If none does: ids of profiles without probes whose values it delivers, the most plausible
    /// first.
    pub possible: Vec<String>,
    /// Word order of the first of them.
    pub words: Words,
}

impl Found {
    /// The profile to begin with.
    #[must_use]
    pub fn best(&self) -> Option<&str> {
        let best = self.profiles.first().or(self.possible.first());
        best.map(String::as_str)
    }
}

/// What a value that must lie in range tells about the word order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Words {
    /// The profile has no such value.
    #[default]
    Untold,
    /// As the profile says.
    AsProfile,
    /// The other way round.
    Other(WordOrder),
    /// The value is out of range either way, or cannot be read.
    Unproven,
}

/// How thorough a scan is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thoroughness {
    /// Which units are asked.
    pub units: Units,
    /// How long a silent unit is waited for, beyond the time on the wire.
    pub timeout: Duration,
    /// Whether to go on with the other settings when devices have been found.
    pub every_setting: bool,
}

impl Default for Thoroughness {
    /// The usual units, then 1 to 32; a tenth of a second each; one line has one setting.
    fn default() -> Self {
        Self {
            units: Units::default(),
            timeout: Duration::from_millis(100),
            every_setting: false,
        }
    }
}
