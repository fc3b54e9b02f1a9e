//! A line whose far end is a script: what it hears and when, and what it answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hw_profiles::Profile;
use site_model::{DeviceFault, DeviceId, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::bus::wire::Framing;
use crate::bus::{Bus, BusConfig, BusDevice, BusEvent, BusLink, spawn_over};
use crate::codec::rtu::{Timing, crc16};
use crate::link::Opener;
use crate::testing::line;

/// What the far end does after a request: wait, then send.
pub(super) type Script = Vec<(Duration, Vec<u8>)>;

/// Everything that was asked: when, and the bytes.
pub(super) type Log = Arc<Mutex<Vec<(Instant, Vec<u8>)>>>;

pub(super) struct FakeOpener {
    ends: mpsc::Sender<DuplexStream>,
    closed: Arc<Mutex<Option<DeviceFault>>>,
}

impl Opener for FakeOpener {
    type Stream = DuplexStream;

    async fn open(&mut self) -> Result<DuplexStream, DeviceFault> {
        if let Some(fault) = self.closed.lock().unwrap().clone() {
            return Err(fault);
        }
        let (near, far) = duplex(4_096);
        self.ends
            .send(far)
            .await
            .expect("the far end listens as long as the test runs");
        Ok(near)
    }
}

/// A bus with a scripted far end.
pub(super) struct Rig {
    pub(super) bus: Bus,
    pub(super) events: mpsc::Receiver<BusEvent>,
    pub(super) log: Log,
    pub(super) closed: Arc<Mutex<Option<DeviceFault>>>,
    /// Drops the open connection when told so.
    pub(super) hang_up: Arc<tokio::sync::Notify>,
}

pub(super) fn id(name: &str) -> DeviceId {
    DeviceId::new(name).unwrap()
}

/// A device named `dev-UNIT`.
pub(super) fn device(unit: u8, profile: &Profile, poll_interval_ms: u64) -> BusDevice {
    BusDevice {
        id: id(&format!("dev-{unit}")),
        unit,
        profile: Arc::new(profile.clone()),
        poll_interval_ms,
        phases: 3,
    }
}

pub(super) fn rtu() -> Framing {
    Framing::Rtu(Timing::new(line()))
}

/// Starts a bus whose far end answers each request by the script.
pub(super) fn rig(
    framing: Framing,
    devices: Vec<BusDevice>,
    queue: usize,
    mut script: impl FnMut(&[u8]) -> Script + Send + 'static,
) -> Rig {
    let (ends, mut far_ends) = mpsc::channel(4);
    let (sender, events) = mpsc::channel(queue);
    let log = Log::default();
    let closed = Arc::new(Mutex::new(None));
    let hang_up = Arc::new(tokio::sync::Notify::new());
    let opener = FakeOpener {
        ends,
        closed: Arc::clone(&closed),
    };
    let config = BusConfig {
        name: "test".to_owned(),
        link: BusLink::Tcp {
            host: "fake".to_owned(),
            port: 1,
        },
        devices,
    };
    let bus = spawn_over(opener, framing, config, sender);
    let (seen, hang) = (Arc::clone(&log), Arc::clone(&hang_up));
    tokio::spawn(async move {
        while let Some(mut far) = far_ends.recv().await {
            tokio::select! {
                () = serve(&mut far, &seen, &mut script) => {}
                () = hang.notified() => {}
            }
        }
    });
    Rig {
        bus,
        events,
        log,
        closed,
        hang_up,
    }
}

/// Hears requests and answers them one after the other, as a device does; goes on hearing while
/// an answer waits.
async fn serve(far: &mut DuplexStream, log: &Log, script: &mut impl FnMut(&[u8]) -> Script) {
    let (mut input, mut output) = tokio::io::split(far);
    let (sender, mut answers) = mpsc::channel::<Script>(64);
    let hear = async {
        let mut buffer = vec![0; 512];
        while let Ok(len @ 1..) = input.read(&mut buffer).await {
            let request = buffer[..len].to_vec();
            let script = script(&request);
            log.lock().unwrap().push((Instant::now(), request));
            sender
                .send(script)
                .await
                .expect("the answering half runs as long");
        }
    };
    let answer = async {
        while let Some(script) = answers.recv().await {
            for (pause, bytes) in script {
                sleep(pause).await;
                if output.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = hear => {}
        () = answer => {}
    }
}

impl Rig {
    /// The next event, within ten minutes of virtual time.
    pub(super) async fn event(&mut self) -> BusEvent {
        let next = timeout(Duration::from_secs(600), self.events.recv()).await;
        next.expect("an event within ten minutes")
            .expect("the bus runs")
    }

    /// The values of the next event, which is a reading.
    pub(super) async fn values(&mut self) -> Vec<Value> {
        match self.event().await {
            BusEvent::Read(reading) => reading.values,
            other @ (BusEvent::Lost { .. }
            | BusEvent::LimitWritten { .. }
            | BusEvent::WriteRefused { .. }) => {
                panic!("{other:?} instead of a reading")
            }
        }
    }

    /// Events that are already there.
    pub(super) fn pending(&mut self) -> Vec<BusEvent> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    /// Requests heard so far.
    pub(super) fn heard(&self) -> Vec<(Instant, Vec<u8>)> {
        self.log.lock().unwrap().clone()
    }

    /// Writes heard so far: time, address and value of function 6.
    pub(super) fn writes(&self) -> Vec<(Instant, u16, u16)> {
        let writes = self.heard().into_iter().filter(|(_, frame)| frame[1] == 6);
        writes
            .map(|(at, frame)| (at, word(&frame, 2), word(&frame, 4)))
            .collect()
    }
}

/// A frame with right CRC.
pub(super) fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = body.to_vec();
    frame.extend(crc16(body).to_le_bytes());
    frame
}

pub(super) fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// What a healthy device answers: each register holds what `content` says; writes are echoed.
pub(super) fn healthy(request: &[u8], content: impl Fn(u16) -> u16) -> Vec<u8> {
    match request[1] {
        3 | 4 => {
            let (start, count) = (word(request, 2), word(request, 4));
            let mut body = vec![request[0], request[1], u8::try_from(count * 2).unwrap()];
            body.extend((start..start + count).flat_map(|address| content(address).to_be_bytes()));
            framed(&body)
        }
        6 => request.to_vec(),
        16 => framed(&request[..6]),
        other => panic!("function {other} was sent"),
    }
}

/// After a millisecond.
pub(super) fn soon(bytes: Vec<u8>) -> Script {
    vec![(Duration::from_millis(1), bytes)]
}

/// The test charger in state A with a limit of 16 A.
pub(super) fn idle_charger(address: u16) -> u16 {
    match address {
        5 => 2,
        7 => 160,
        _ => 0,
    }
}
