//! A whole site on one desk: chargers and meters made from the same profile files as the driver,
//! cars that plug in, ramp and taper, a grid meter, and faults on request.
//!
//! The [`World`] is pure: time is an argument and chance has a seed. [`RtuLine`], [`TcpServer`] and
//! [`run`] are its thin shells. The frame codec is this crate's own, bit by bit, so that a mistake
//! in the driver's codec cannot cancel out.

mod coarse;
pub mod codec;
mod device;
mod physics;
mod shell;
mod world;

pub use coarse::CoarseCharger;
pub use codec::ExceptionCode;
pub use device::{Answer, Damage, Fault, Rule, Violation, WriteRecord};
pub use physics::{BaseLoad, Delivered, Ev};
pub use shell::{LineCounters, MemoryServer, RtuLine, SettingsLine, TcpServer, run};
pub use world::{
    ChargerHandle, ChargerOptions, DeviceHandle, MeterHandle, MeterOf, MeterOptions, World,
};
