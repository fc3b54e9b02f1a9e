//! The site's lines, as the core sees them: a place to write limits to, and counters to look at.

use std::collections::BTreeMap;

use firmware_agent::{Bus, BusConfig, BusDiagnostics, BusEvent};
use site_model::{DeviceId, Milliamps};
use tokio::sync::mpsc;

/// What the runtime needs of the lines; tests put something else in their place.
pub trait Buses: Send {
    /// Asks for a limit; never blocks, the newest wins.
    fn write_limit(&self, device: &DeviceId, limit: Milliamps);
    /// Counters and last errors.
    fn diagnostics(&self) -> Vec<BusDiagnostics>;
}

/// The real lines, each with a task of its own.
#[derive(Debug)]
pub struct BusSet {
    buses: Vec<Bus>,
    bus_of: BTreeMap<DeviceId, usize>,
}

impl BusSet {
    /// Starts every line; what happens on them arrives at `events`.
    #[must_use]
    pub fn spawn(configs: Vec<BusConfig>, events: &mpsc::Sender<BusEvent>) -> Self {
        let mut set = Self {
            buses: Vec::new(),
            bus_of: BTreeMap::new(),
        };
        for config in configs {
            for device in &config.devices {
                set.bus_of.insert(device.id.clone(), set.buses.len());
            }
            set.buses
                .push(firmware_agent::spawn(config, events.clone()));
        }
        set
    }

    /// Ends every line after the exchange under way.
    pub async fn stop(self) {
        for bus in self.buses {
            bus.stop().await;
        }
    }
}

impl Buses for BusSet {
    fn write_limit(&self, device: &DeviceId, limit: Milliamps) {
        if let Some(bus) = self.bus_of.get(device) {
            self.buses[*bus].write_limit(device, limit);
        }
    }

    fn diagnostics(&self) -> Vec<BusDiagnostics> {
        self.buses.iter().map(Bus::diagnostics).collect()
    }
}
