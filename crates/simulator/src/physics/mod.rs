//! What happens outside the registers: mains voltage, cars, currents, energy. Integers only, so
//! that energy is exactly the sum of power over time.

mod ev;
mod flow;
mod mains;

pub(crate) use ev::Vehicle;
pub use ev::{Delivered, Ev};
pub(crate) use flow::{Energy, Flow};
pub use mains::BaseLoad;
pub(crate) use mains::{FREQUENCY_MHZ, Mains};

/// Longest step of the physics in milliseconds; longer steps are cut into such pieces.
pub(crate) const STEP_MS: u64 = 100;
