//! The local socket: what somebody at the cabinet sees and orders, without any network. One JSON
//! object per line each way. Whoever may open the socket may act: its file mode is the lock.

mod client;
mod protocol;
mod render;
pub mod report;
mod server;
#[cfg(test)]
mod tests;

pub use client::{ClientError, ask};
pub use protocol::{Answer, Request};
pub use render::{limit_sentence, outcome_sentence, render, tag_sentence};
pub use server::{ListenError, Listener};
