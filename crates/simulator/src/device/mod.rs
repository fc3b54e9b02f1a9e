//! One device: answers requests from its registers and holds the master to the profile's rules.

mod access;
mod charger;
mod control;
mod fault;
mod identity;
mod image;
mod memory;
mod meter;
mod part;
mod phases;
mod place;
mod rules;
#[cfg(test)]
pub(crate) mod samples;
mod serve;
#[cfg(test)]
mod tests;
mod value;
mod violation;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hw_profiles::{ConnectorAddressing, Profile, Quantity, Table};

pub(crate) use charger::{Build, Charger};
pub(crate) use fault::Faults;
pub use fault::{Answer, Damage, Fault};
pub(crate) use identity::Given;
use image::Image;
pub(crate) use meter::{Measured, Meter};
pub(crate) use part::{Body, Part};
pub(crate) use place::Variant;
use value::Shown;
pub use violation::{Rule, Violation};

use crate::physics::Mains;

/// Most violations and writes that a device remembers; the oldest go first.
const MEMORY: usize = 4096;

/// A write as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRecord {
    /// When, on the clock of whoever asked.
    pub at_ms: u64,
    /// First register, or coil.
    pub address: u16,
    /// Values; 1 or 0 for a coil.
    pub values: Vec<u16>,
    /// Whether the device took it.
    pub accepted: bool,
}

/// Which side of a device a request comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Face {
    /// The unit or port of a connector, counted from 0.
    Connector(usize),
    /// The station's own unit.
    Station,
}

/// When a device was last asked what. Faces that are wired apart have each their own silence.
#[derive(Debug, Default)]
struct Timing {
    answered_at_ms: BTreeMap<Face, u64>,
    read_at_ms: BTreeMap<(Face, Table, u16), u64>,
    limit_written_at_ms: BTreeMap<usize, u64>,
}

/// One device of the world.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) profile: Arc<Profile>,
    /// Its connectors; a meter is one.
    pub(crate) parts: Vec<Part>,
    pub(crate) faults: Faults,
    rebooting_until_ms: Option<u64>,
    /// The first of two equal requests has come.
    awake: bool,
    timing: Timing,
    pub(crate) writes: VecDeque<WriteRecord>,
    pub(crate) violations: VecDeque<Violation>,
    /// Writes to memory that wears.
    pub(crate) flash_writes: u64,
    /// Requests heard, whatever came of them.
    pub(crate) requests: u64,
}

/// One request with its times; `physics_ms` is the world's, the others are the shell's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// First byte of the request.
    pub(crate) began_ms: u64,
    pub(crate) now_ms: u64,
    pub(crate) physics_ms: u64,
}

impl Device {
    pub(crate) fn new(name: &str, profile: Arc<Profile>, parts: Vec<Part>) -> Self {
        Self {
            name: name.to_owned(),
            profile,
            parts,
            faults: Faults::default(),
            rebooting_until_ms: None,
            awake: false,
            timing: Timing::default(),
            writes: VecDeque::new(),
            violations: VecDeque::new(),
            flash_writes: 0,
            requests: 0,
        }
    }

    pub(crate) fn chargers(&mut self) -> impl Iterator<Item = (&mut Charger, &Profile)> {
        self.parts
            .iter_mut()
            .filter_map(|part| match &mut part.body {
                Body::Charger(charger) => Some((charger.as_mut(), &part.profile)),
                Body::Meter(_) => None,
            })
    }

    /// Power comes for the first time.
    pub(crate) fn power_up(&mut self, physics_ms: u64) {
        for (charger, _) in self.chargers() {
            charger.power_on(physics_ms);
        }
    }

    /// Words that a register of a connector shows now, asked past all rules.
    pub(crate) fn words(&self, part: usize, name: &str, mains: &Mains) -> Option<Vec<u16>> {
        let image = Image::new(self.parts.get(part)?, mains);
        let mut named = image.existing().into_iter().filter(|r| r.name == name);
        named.next().map(|register| image.words(register))
    }

    /// What is true of a quantity, in thousandths of its base unit.
    pub(crate) fn truth(&self, part: usize, quantity: Quantity, mains: &Mains) -> Option<i128> {
        match Image::new(self.parts.get(part)?, mains).shown(quantity) {
            Shown::Milli(milli) => Some(milli),
            Shown::NotAvailable => None,
        }
    }

    /// Makes a fault active; a reboot begins at once.
    pub(crate) fn set_fault(&mut self, fault: Fault, physics_ms: u64) {
        if let Fault::Reboot { duration_ms } = fault {
            self.rebooting_until_ms = Some(physics_ms.saturating_add(duration_ms));
            for (charger, profile) in self.chargers() {
                charger.power_off(profile);
            }
        } else {
            self.faults.set(fault);
        }
    }

    /// Ends a reboot whose time has come.
    pub(crate) fn wake(&mut self, physics_ms: u64) {
        if self.rebooting_until_ms.is_some_and(|end| physics_ms >= end) {
            self.rebooting_until_ms = None;
            self.power_up(physics_ms);
        }
    }

    /// The last byte of an answer left at this time.
    pub(crate) fn answered(&mut self, face: Face, at_ms: u64) {
        let wired = self.wired(face);
        self.timing.answered_at_ms.insert(wired, at_ms);
    }

    /// Connectors at a stride are one device to the line; those at units or ports of their own have
    /// each its own silence.
    fn wired(&self, face: Face) -> Face {
        match (face, self.all_at_once()) {
            (Face::Connector(_), true) => Face::Connector(0),
            (Face::Connector(part), false) => Face::Connector(part),
            (Face::Station, _) => Face::Station,
        }
    }

    /// Whether one unit reaches all connectors.
    fn all_at_once(&self) -> bool {
        let by = self.profile.connectors.as_ref().map(|c| &c.by);
        matches!(by, Some(ConnectorAddressing::Stride(_)))
    }

    /// Connectors that a request reaches.
    fn reached(&self, face: Face) -> std::ops::Range<usize> {
        match face {
            Face::Connector(part) if !self.all_at_once() => part..part + 1,
            Face::Connector(_) | Face::Station => 0..self.parts.len(),
        }
    }

    /// Whether a value that is station-wide or not can be reached.
    fn reaches(&self, face: Face, station: bool) -> bool {
        match (face, self.profile.link.station_unit) {
            (Face::Station, _) => station,
            (Face::Connector(_), Some(_)) => !station,
            (Face::Connector(_), None) => true,
        }
    }
}
