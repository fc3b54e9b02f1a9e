//! A line whose far end is a script: what it hears and when, and what it answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hw_profiles::Profile;
use site_model::{DeviceFault, DeviceId, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::bus::wire::Framing;
use crate::bus::{Bus, BusConfig, BusDevice, BusEvent, BusLink, TcpFraming, spawn_over};
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
        connector: 1,
        phases: 3,
        words: None,
        failsafe: None,
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
            framing: TcpFraming::Mbap,
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
            | BusEvent::WriteRefused { .. }
            | BusEvent::PhasesSwitched { .. }
            | BusEvent::PhasesRefused { .. }
            | BusEvent::Failsafe { .. }) => {
                panic!("{other:?} instead of a reading")
            }
        }
    }

    /// The next event that is no reading, within ten minutes of virtual time.
    pub(super) async fn news(&mut self) -> BusEvent {
        let next = async {
            loop {
                match self.event().await {
                    BusEvent::Read(_) => {}
                    other @ (BusEvent::Lost { .. }
                    | BusEvent::LimitWritten { .. }
                    | BusEvent::WriteRefused { .. }
                    | BusEvent::PhasesSwitched { .. }
                    | BusEvent::PhasesRefused { .. }
                    | BusEvent::Failsafe { .. }) => return other,
                }
            }
        };
        let next = timeout(Duration::from_secs(600), next).await;
        next.expect("an event that is no reading within ten minutes")
    }

    /// Takes events until something is so, at most ten minutes of virtual time.
    pub(super) async fn until(&mut self, met: impl Fn(&Self) -> bool) {
        let met = async {
            while !met(self) {
                self.event().await;
            }
        };
        let met = timeout(Duration::from_secs(600), met).await;
        met.expect("it is so within ten minutes");
    }

    /// Events that are already there.
    pub(super) fn pending(&mut self) -> Vec<BusEvent> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    /// Requests heard so far.
    pub(super) fn heard(&self) -> Vec<(Instant, Vec<u8>)> {
        self.log.lock().unwrap().clone()
    }

    /// Address and value of the writes of function 6 heard so far.
    pub(super) fn written(&self) -> Vec<(u16, u16)> {
        let writes = self.writes().into_iter();
        writes.map(|(_, address, value)| (address, value)).collect()
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
        1 | 2 => {
            let (start, count) = (word(request, 2), word(request, 4));
            let mut bits = vec![0; usize::from(count.div_ceil(8))];
            for (index, address) in (start..start + count).enumerate() {
                bits[index / 8] |= u8::from(content(address) == 1) << (index % 8);
            }
            let mut body = vec![request[0], request[1], u8::try_from(bits.len()).unwrap()];
            body.extend(bits);
            framed(&body)
        }
        5 | 6 => request.to_vec(),
        16 => framed(&request[..6]),
        other => panic!("function {other} was sent"),
    }
}

/// Registers of a far end that remembers what is written; unit and address to content.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<BTreeMap<(u8, u16), u16>>>);

impl Memory {
    pub(super) fn of(registers: impl IntoIterator<Item = (u16, u16)>) -> Self {
        let memory = Self::default();
        for (address, value) in registers {
            memory.set(1, address, value);
        }
        memory
    }

    pub(super) fn set(&self, unit: u8, address: u16, value: u16) {
        self.0.lock().unwrap().insert((unit, address), value);
    }

    pub(super) fn get(&self, unit: u8, address: u16) -> u16 {
        let registers = self.0.lock().unwrap();
        registers.get(&(unit, address)).copied().unwrap_or(0)
    }

    /// What a healthy device with these registers answers.
    pub(super) fn answer(&self, request: &[u8]) -> Script {
        let unit = request[0];
        match request[1] {
            5 => self.set(unit, word(request, 2), u16::from(request[4] == 0xFF)),
            6 => self.set(unit, word(request, 2), word(request, 4)),
            16 => {
                for (index, pair) in request[7..request.len() - 2].chunks(2).enumerate() {
                    let address = word(request, 2) + u16::try_from(index).unwrap();
                    self.set(unit, address, word(pair, 0));
                }
            }
            _ => {}
        }
        soon(healthy(request, |address| self.get(unit, address)))
    }
}

/// Refuses with "illegal data address".
pub(super) fn refused(request: &[u8]) -> Script {
    soon(framed(&[request[0], request[1] | 0x80, 2]))
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
