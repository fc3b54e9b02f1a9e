//! Modbus as bytes: protocol data units; RTU, ASCII and TCP frames. Pure.
//!
//! Strict in one way: an answer is only taken as one if it fits the request that was sent, in unit,
//! function, length and echo. Source: Modbus Application Protocol V1.1b3, Modbus over Serial Line
//! V1.02, Modbus Messaging on TCP/IP V1.0b.

pub mod ascii;
pub mod pdu;
pub mod rtu;
pub mod tcp;

pub use pdu::{Answer, ExceptionCode, Misfit, Request};

#[cfg(test)]
mod tests;
