//! An RS-485 line that disturbs what it carries, and remembers what every device really answered.
//!
//! Works in stopped time on an in-process stream and in real time on a pseudo-terminal. Who speaks
//! while another one speaks is lost, and so is the other one.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hw_profiles::{Profile, SerialLine, Table};
use simulator::codec::{Request, RtuScan, parse_request, rtu_frame, rtu_scan, silence_ns, wire_ns};
use simulator::{DeviceHandle, World};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::truth::Truth;

/// Time that a device takes before it answers, in milliseconds.
const ANSWER_DELAY_MS: RangeInclusive<u64> = 5..=30;
/// So many answers of the late device are late.
const LATE_PERMILLE: u16 = 60;
/// A request that is still not whole after this silence was broken.
const BROKEN_AFTER: Duration = Duration::from_millis(50);
/// Longest burst, in bits.
const BURST_MAX: usize = 16;

/// What went over the line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) requests: u64,
    pub(crate) answers: u64,
    pub(crate) late: u64,
    pub(crate) disturbed: u64,
    pub(crate) collisions: u64,
    /// Disturbed frames whose CRC is right all the same: CRC-16 lets no burst of 16 bits pass.
    pub(crate) undetected: u64,
}

/// What the test sees of a line while it runs.
#[derive(Debug, Clone)]
pub(crate) struct Seen(Arc<Mutex<(Counters, BTreeMap<u8, Truth>)>>);

impl Seen {
    fn lock(&self) -> MutexGuard<'_, (Counters, BTreeMap<u8, Truth>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counters(&self) -> Counters {
        self.lock().0
    }

    /// Looks at what the device at a unit really answered.
    pub(crate) fn truth<T>(&self, unit: u8, look: impl FnOnce(&mut Truth) -> T) -> T {
        look(self.lock().1.get_mut(&unit).expect("a unit of the line"))
    }
}

/// A line and its devices.
pub(crate) struct Line {
    settings: SerialLine,
    world: World,
    devices: BTreeMap<u8, DeviceHandle>,
    rng: fastrand::Rng,
    disturbed_permille: u16,
    began: Instant,
    seen: Seen,
    late: Vec<Late>,
    /// Late frames that come between the next request and its answer.
    held: Vec<Vec<u8>>,
    /// Which device is late sometimes, and by how many milliseconds.
    sometimes_late: Option<(u8, Range<u64>)>,
    heard: Vec<u8>,
}

struct Late {
    due: Instant,
    frame: Vec<u8>,
}

impl Line {
    pub(crate) fn new(
        world: &World,
        settings: SerialLine,
        seed: u64,
        disturbed_permille: u16,
    ) -> Self {
        Self {
            settings,
            world: world.clone(),
            devices: BTreeMap::new(),
            rng: fastrand::Rng::with_seed(seed),
            disturbed_permille,
            began: Instant::now(),
            seen: Seen(Arc::new(Mutex::new((Counters::default(), BTreeMap::new())))),
            late: vec![],
            held: vec![],
            sometimes_late: None,
            heard: vec![],
        }
    }

    pub(crate) fn add(&mut self, unit: u8, device: DeviceHandle, profile: Arc<Profile>) {
        self.devices.insert(unit, device);
        self.seen.lock().1.insert(unit, Truth::new(profile));
    }

    /// Lets a device answer late now and then, by so many milliseconds.
    pub(crate) fn make_late(&mut self, unit: u8, by_ms: Range<u64>) {
        self.sometimes_late = Some((unit, by_ms));
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.clone()
    }

    /// Carries requests and answers until the master is gone.
    pub(crate) async fn serve(mut self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        loop {
            let due = self.late.iter().map(|late| late.due).min();
            if self.heard.is_empty() {
                let due = due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600));
                match self.hear(&mut stream, due).await {
                    Heard::Bytes => {}
                    Heard::Nothing => self.send_late(&mut stream).await,
                    Heard::End => return,
                }
                continue;
            }
            let first_byte = Instant::now();
            let Some((unit, pdu, length)) = self.whole_request(&mut stream).await else {
                continue;
            };
            self.request(&mut stream, first_byte, unit, &pdu, length)
                .await;
        }
    }

    async fn hear(&mut self, stream: &mut (impl AsyncRead + Unpin), until: Instant) -> Heard {
        let mut bytes = [0; 256];
        match timeout_at(until, stream.read(&mut bytes)).await {
            Err(_) => Heard::Nothing,
            Ok(Ok(0) | Err(_)) => Heard::End,
            Ok(Ok(count)) => {
                self.heard.extend_from_slice(&bytes[..count]);
                Heard::Bytes
            }
        }
    }

    /// What was spoken until a moment; it met something else and is lost.
    async fn hear_and_lose(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        until: Instant,
    ) -> bool {
        while matches!(self.hear(stream, until).await, Heard::Bytes) {}
        !std::mem::take(&mut self.heard).is_empty()
    }

    /// A request as the master sent it: unit, data, characters.
    async fn whole_request(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Option<(u8, Vec<u8>, usize)> {
        loop {
            match rtu_scan(&self.heard) {
                RtuScan::Request { unit, pdu, length } => {
                    self.heard.drain(..length);
                    return Some((unit, pdu, length));
                }
                RtuScan::Garbage { length } => {
                    self.heard.drain(..length);
                    return None;
                }
                RtuScan::Incomplete => {
                    let until = Instant::now() + BROKEN_AFTER;
                    if !matches!(self.hear(stream, until).await, Heard::Bytes) {
                        self.heard.clear();
                        return None;
                    }
                }
            }
        }
    }

    async fn request(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        first_byte: Instant,
        unit: u8,
        pdu: &[u8],
        length: usize,
    ) {
        let needed = wire_ns(self.settings, length) + silence_ns(self.settings);
        let end = first_byte + Duration::from_nanos(needed);
        sleep_until(end).await;
        self.seen.lock().0.requests += 1;
        if self.lose_late_before(end) {
            return;
        }
        let mut frame = rtu_frame(unit, pdu);
        if self.disturb(&mut frame) {
            return;
        }
        let mut ready = end;
        if let Some(frame) = self.held.pop() {
            self.send(stream, end, frame).await;
            ready = Instant::now() + Duration::from_nanos(silence_ns(self.settings));
        }
        let Some(device) = self.devices.get(&unit) else {
            return;
        };
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).expect("it is short");
        self.world.step(now_ms);
        for answer in device.exchange(now_ms, pdu) {
            self.remember(unit, pdu, &answer.pdu);
            let frame = rtu_frame(unit, &answer.pdu);
            let delay_ms = self.rng.u64(ANSWER_DELAY_MS);
            if let Some(late_ms) = self.lateness(unit) {
                self.seen.lock().0.late += 1;
                let due = end + Duration::from_millis(late_ms);
                if self.rng.bool() {
                    self.late.push(Late { due, frame });
                } else {
                    self.held.push(frame);
                }
            } else {
                let start = ready + Duration::from_millis(delay_ms);
                self.send(stream, start, frame).await;
            }
        }
    }

    fn lateness(&mut self, unit: u8) -> Option<u64> {
        let (late, by_ms) = self.sometimes_late.clone()?;
        let now = late == unit && self.rng.u16(0..1_000) < LATE_PERMILLE;
        now.then(|| self.rng.u64(by_ms))
    }

    /// Sends a frame from `start` on; lost if anybody else speaks meanwhile.
    async fn send(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        start: Instant,
        mut frame: Vec<u8>,
    ) {
        let end = start + Duration::from_nanos(wire_ns(self.settings, frame.len()));
        let met_master = self.hear_and_lose(stream, end).await;
        let met_late = self.lose_late_before(end);
        if met_master || met_late {
            self.seen.lock().0.collisions += u64::from(met_master);
            return;
        }
        self.seen.lock().0.answers += 1;
        self.disturb(&mut frame);
        // A master that is gone is noticed by the next read.
        let _gone = stream.write_all(&frame).await;
    }

    async fn send_late(&mut self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
        let now = Instant::now();
        if let Some(index) = self.late.iter().position(|late| late.due <= now) {
            let late = self.late.remove(index);
            self.send(stream, late.due, late.frame).await;
        }
    }

    fn lose_late_before(&mut self, end: Instant) -> bool {
        let before = self.late.len();
        self.late.retain(|late| late.due > end);
        let lost = before - self.late.len();
        self.seen.lock().0.collisions += u64::try_from(lost).expect("few");
        lost > 0
    }

    /// Sometimes changes a burst of at most 16 bits. Tells whether the frame is broken now.
    fn disturb(&mut self, frame: &mut [u8]) -> bool {
        if self.rng.u16(0..1_000) >= self.disturbed_permille {
            return false;
        }
        let length = self.rng.usize(1..=BURST_MAX);
        let start = self.rng.usize(0..=8 * frame.len() - length);
        for bit in 0..length {
            // The first and the last bit of a burst are wrong, between them any.
            if bit == 0 || bit + 1 == length || self.rng.bool() {
                let at = start + bit;
                // Characters go out with the lowest bit first.
                frame[at / 8] ^= 1 << (at % 8);
            }
        }
        let passes = simulator::codec::crc16(frame) == 0;
        let mut seen = self.seen.lock();
        seen.0.disturbed += 1;
        seen.0.undetected += u64::from(passes);
        !passes
    }

    /// What a device answers to a read is the truth, whatever becomes of the frame.
    fn remember(&self, unit: u8, request: &[u8], answer: &[u8]) {
        let Ok(Request::Read {
            table,
            address,
            count,
        }) = parse_request(request)
        else {
            return;
        };
        let [function, _, bytes @ ..] = answer else {
            return;
        };
        if function & 0x80 != 0 || matches!(table, Table::Coil | Table::Discrete) {
            return;
        }
        let words: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
            .collect();
        assert_eq!(words.len(), usize::from(count), "the simulator's answer");
        let mut seen = self.seen.lock();
        let truth = seen.1.get_mut(&unit).expect("it answered");
        truth.answered(table, address, &words);
    }
}

enum Heard {
    Bytes,
    Nothing,
    End,
}
