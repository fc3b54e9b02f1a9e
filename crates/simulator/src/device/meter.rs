//! A meter behind its registers: sums what flows through it.

use crate::physics::{Energy, Flow};

/// Changing state of one meter.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) measured: Measured,
    pub(crate) energy: Energy,
    pub(crate) flow: Flow,
}

/// What a meter measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measured {
    /// One connector: index of its device in the world, and its own.
    Charger((usize, usize)),
    /// All chargers and the building's base load.
    Grid,
}

impl Meter {
    pub(crate) fn new(measured: Measured, energy_wh: u64) -> Self {
        Self {
            measured,
            energy: Energy::starting_at(energy_wh),
            flow: Flow::default(),
        }
    }

    /// A flow that lasted `ms` until now.
    pub(crate) fn measure(&mut self, flow: Flow, ms: u64) {
        self.energy.add(&flow, ms);
        self.flow = flow;
    }
}
