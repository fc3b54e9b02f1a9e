//! Mains voltage with a little seeded noise, and the building's own load.

use site_model::{Milliamps, Millivolts};

use super::Flow;

/// Nominal voltage against neutral (EN 60038).
const NOMINAL_MV: u32 = 230_000;
/// The voltage moves at most this far from nominal.
const NOISE_MV: u32 = 1_500;
/// It takes a new value this often.
const NOISE_EVERY_MS: u64 = 1_000;
/// Nominal frequency.
pub(crate) const FREQUENCY_MHZ: u32 = 50_000;

/// What the building takes besides the chargers; seen by the grid meter alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseLoad {
    /// Current of each phase.
    pub current: [Milliamps; 3],
    /// Power factor in permille.
    pub power_factor_permille: u16,
}

impl Default for BaseLoad {
    fn default() -> Self {
        Self {
            current: [Milliamps(0); 3],
            power_factor_permille: 1000,
        }
    }
}

/// Voltage at every terminal of the site.
#[derive(Debug)]
pub(crate) struct Mains {
    voltage: [Millivolts; 3],
    next_change_ms: u64,
    steady: bool,
}

impl Mains {
    pub(crate) fn new(rng: &mut fastrand::Rng) -> Self {
        Self {
            voltage: [(); 3].map(|()| noisy(rng)),
            next_change_ms: NOISE_EVERY_MS,
            steady: false,
        }
    }

    pub(crate) fn step(&mut self, now_ms: u64, rng: &mut fastrand::Rng) {
        if now_ms >= self.next_change_ms && !self.steady {
            self.voltage = [(); 3].map(|()| noisy(rng));
            self.next_change_ms = now_ms + NOISE_EVERY_MS;
        }
    }

    /// From now on the voltage is this, and stays.
    pub(crate) fn hold(&mut self, voltage: [Millivolts; 3]) {
        self.voltage = voltage;
        self.steady = true;
    }

    pub(crate) fn voltage(&self) -> [Millivolts; 3] {
        self.voltage
    }

    pub(crate) fn flow(&self, load: &BaseLoad) -> Flow {
        Flow::of(load.current, self.voltage, load.power_factor_permille)
    }
}

fn noisy(rng: &mut fastrand::Rng) -> Millivolts {
    Millivolts(rng.u32(NOMINAL_MV - NOISE_MV..=NOMINAL_MV + NOISE_MV))
}
