//! Modbus TCP server in front of one or more devices.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::frames::Mode;
use crate::codec::{RtuScan, mbap_frame, mbap_header};
use crate::device::{Answer, Damage};
use crate::world::DeviceHandle;

/// Connections where no profile says a number.
const MAX_CONNECTIONS: u8 = 32;
/// How long a connection too many waits for another to end before it is closed. A master that
/// reconnects is seen before its old connection is seen to be gone.
const PATIENCE: Duration = Duration::from_millis(200);
/// Late answers that may wait at once per connection; further ones are lost.
const MAX_LATE: usize = 64;

/// A running server; dropping it closes its port and connections soon, [`TcpServer::stop`] at once.
#[derive(Debug)]
pub struct TcpServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl TcpServer {
    /// Listens on `address` (port 0: any) and answers for these units; other units are not
    /// answered. As many connections as the strictest profile allows.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn start(address: SocketAddr, devices: Vec<(u8, DeviceHandle)>) -> io::Result<Self> {
        Self::start_with(address, devices, Framing::Mbap).await
    }

    /// The same with RTU frames over TCP, as converters speak that pass on what they hear.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn start_rtu(
        address: SocketAddr,
        devices: Vec<(u8, DeviceHandle)>,
    ) -> io::Result<Self> {
        Self::start_with(address, devices, Framing::Rtu).await
    }

    async fn start_with(
        address: SocketAddr,
        devices: Vec<(u8, DeviceHandle)>,
        framing: Framing,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let limits = devices
            .iter()
            .filter_map(|(_, device)| device.max_connections());
        let connections = limits.min().unwrap_or(MAX_CONNECTIONS);
        let units = Arc::new(devices.into_iter().collect::<BTreeMap<_, _>>());
        let task = tokio::spawn(accept(listener, units, usize::from(connections), framing));
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes port and connections; afterwards the address is free again.
    pub async fn stop(mut self) {
        self.task.abort();
        // Aborted on purpose: there is no result to look at.
        let _ = (&mut self.task).await;
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) type Units = Arc<BTreeMap<u8, DeviceHandle>>;

/// How frames are told apart on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Mbap,
    Rtu,
}

async fn accept(listener: TcpListener, units: Units, connections: usize, framing: Framing) {
    let slots = Arc::new(Semaphore::new(connections));
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!("A connection could not be accepted: {error}");
                tokio::time::sleep(PATIENCE).await;
                continue;
            }
        };
        let slot = timeout(PATIENCE, Arc::clone(&slots).acquire_owned()).await;
        let Ok(Ok(slot)) = slot else {
            debug!("A connection beyond the device's {connections} was closed");
            continue;
        };
        let units = Arc::clone(&units);
        tasks.spawn(async move {
            let talk = async {
                stream.set_nodelay(true)?;
                converse(stream, &units, framing).await
            };
            if let Err(error) = talk.await {
                debug!("A connection ended: {error}");
            }
            drop(slot);
        });
    }
}

struct Late {
    due: Instant,
    device: DeviceHandle,
    frame: Vec<u8>,
}

/// Answers one client until it hangs up or sends what is not Modbus.
pub(super) async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    units: &Units,
    framing: Framing,
) -> io::Result<()> {
    let mut received = Vec::new();
    let mut late: Vec<Late> = Vec::new();
    loop {
        while let Some((transaction, unit, pdu)) = next_request(&mut received, framing)? {
            let Some(device) = units.get(&unit) else {
                continue;
            };
            let now_ms = device.world().clock_ms();
            for answer in device.serve(now_ms, now_ms, &pdu) {
                let Some(frame) = damaged_frame(framing, transaction, unit, &answer) else {
                    continue;
                };
                if answer.delay_ms == 0 {
                    send(&mut stream, device, &frame).await?;
                } else if late.len() < MAX_LATE {
                    late.push(Late {
                        due: Instant::now() + Duration::from_millis(answer.delay_ms),
                        device: device.clone(),
                        frame,
                    });
                }
            }
        }
        let due = late.iter().map(|late| late.due).min();
        tokio::select! {
            count = stream.read_buf(&mut received) => {
                if count? == 0 {
                    return Ok(());
                }
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                let now = Instant::now();
                while let Some(index) = late.iter().position(|late| late.due <= now) {
                    let late = late.remove(index);
                    send(&mut stream, &late.device, &late.frame).await?;
                }
            }
        }
    }
}

async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    device: &DeviceHandle,
    frame: &[u8],
) -> io::Result<()> {
    // Before the write: the client may see the answer before this task goes on.
    device.answered(device.world().clock_ms());
    stream.write_all(frame).await
}

/// Transaction (0 for RTU), unit and PDU.
type Asked = (u16, u8, Vec<u8>);

/// Takes the next whole request from what was received.
fn next_request(received: &mut Vec<u8>, framing: Framing) -> io::Result<Option<Asked>> {
    match framing {
        Framing::Mbap => next_mbap(received),
        Framing::Rtu => Ok(next_rtu(received)),
    }
}

fn next_mbap(received: &mut Vec<u8>) -> io::Result<Option<Asked>> {
    let Some((header, rest)) = received.split_first_chunk::<7>() else {
        return Ok(None);
    };
    let Some(header) = mbap_header(*header) else {
        let text = format!("not a Modbus header: {header:02x?}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    };
    let Some(pdu) = rest.get(..header.pdu_length).map(<[u8]>::to_vec) else {
        return Ok(None);
    };
    received.drain(..7 + header.pdu_length);
    Ok(Some((header.transaction, header.unit, pdu)))
}

fn next_rtu(received: &mut Vec<u8>) -> Option<Asked> {
    loop {
        match Mode::Rtu.scan(received) {
            RtuScan::Incomplete => return None,
            RtuScan::Garbage { length } => {
                received.drain(..length);
            }
            RtuScan::Request { unit, pdu, length } => {
                received.drain(..length);
                return Some((0, unit, pdu));
            }
        }
    }
}

/// Frame with its damage; `None` for a broken checksum where there is none, which means a lost
/// segment.
fn damaged_frame(framing: Framing, transaction: u16, unit: u8, answer: &Answer) -> Option<Vec<u8>> {
    let mbap = |transaction| Some(mbap_frame(transaction, unit, &answer.pdu));
    match (framing, answer.damage) {
        (Framing::Rtu, _) => Some(Mode::Rtu.frame(unit, answer)),
        (Framing::Mbap, Damage::None) => mbap(transaction),
        (Framing::Mbap, Damage::Foreign) => mbap(transaction.wrapping_add(1)),
        (Framing::Mbap, Damage::Checksum) => None,
    }
}
