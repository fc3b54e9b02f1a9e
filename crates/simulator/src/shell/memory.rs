//! A Modbus TCP server inside the process: its connections are pairs of pipes, so that tests can
//! pause tokio's clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::io::{DuplexStream, duplex};
use tracing::debug;

use super::tcp::{Framing, Units, converse};
use crate::world::DeviceHandle;

/// Bytes that may be under way in each direction.
const BUFFER: usize = 4_096;

/// The server; each connection lives as long as somebody holds it.
#[derive(Debug, Clone)]
pub struct MemoryServer {
    units: Units,
    framing: Framing,
}

impl MemoryServer {
    /// Answers for these units with MBAP frames; other units are not answered.
    #[must_use]
    pub fn new(devices: Vec<(u8, DeviceHandle)>) -> Self {
        Self::with(devices, Framing::Mbap)
    }

    /// The same with RTU frames, as converters send them over TCP.
    #[must_use]
    pub fn rtu(devices: Vec<(u8, DeviceHandle)>) -> Self {
        Self::with(devices, Framing::Rtu)
    }

    fn with(devices: Vec<(u8, DeviceHandle)>, framing: Framing) -> Self {
        let units = Arc::new(devices.into_iter().collect::<BTreeMap<_, _>>());
        Self { units, framing }
    }

    /// Connects. Must be called within a tokio runtime.
    #[must_use]
    pub fn open(&self) -> DuplexStream {
        let (theirs, ours) = duplex(BUFFER);
        let (units, framing) = (Arc::clone(&self.units), self.framing);
        tokio::spawn(async move {
            if let Err(error) = converse(ours, &units, framing).await {
                debug!("A connection ended: {error}");
            }
        });
        theirs
    }
}
