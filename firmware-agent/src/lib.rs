//! Talks Modbus to charging hardware: one task per line, driven by device profiles as data.
//!
//! `codec`, `decode`, `encode` and `poll_plan` are pure; `bus` owns a line and its timing. Knows
//! nothing of sessions, sites or users.

mod bus;
pub mod client;
pub mod codec;
pub mod decode;
pub mod encode;
mod link;
pub mod poll_plan;
pub mod scan;
pub mod sunspec;

#[cfg(test)]
mod testing;

pub use bus::{
    Bus, BusConfig, BusDevice, BusDiagnostics, BusEvent, BusLink, DeviceDiagnostics,
    FailsafeSettings, FailsafeState, LastError, Phases, SerialFraming, TcpFraming, hex, spawn,
    spawn_on,
};
