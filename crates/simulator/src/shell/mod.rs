//! Thin shells: real time, a serial line on a pseudo-terminal, a TCP server.

mod driver;
mod line;
mod pty;
mod tcp;

pub use driver::run;
pub use line::{LineCounters, RtuLine};
pub use tcp::TcpServer;
