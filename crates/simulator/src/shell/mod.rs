//! Thin shells: real time, serial lines and TCP servers, on the system or inside the process.

mod driver;
mod frames;
mod line;
mod memory;
mod pty;
mod settings;
mod tcp;

pub use driver::run;
pub use line::{LineCounters, RtuLine};
pub use memory::MemoryServer;
pub use settings::SettingsLine;
pub use tcp::TcpServer;
