//! A serial line inside the process that knows its settings: who opens it with others hears nothing.
//!
//! A pseudo-terminal carries neither parity nor speed. Time is tokio's: with the clock paused, every
//! character takes exactly as long as it would on a line.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hw_profiles::SerialLine;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep_until};

use super::LineCounters;
use super::frames::Mode;
use super::line::held;
use crate::codec::{RtuScan, wire_ns};
use crate::world::{DeviceHandle, World};

/// Bytes that may be under way in each direction: more than two of the longest frames.
const BUFFER: usize = 2_048;
/// Silence that ends a broken request.
const BROKEN_AFTER: Duration = Duration::from_millis(50);
/// Requests and answers that may wait at once; further ones are lost.
const MAX_WAITING: usize = 64;

#[derive(Debug)]
struct Shared {
    world: World,
    line: SerialLine,
    mode: Mode,
    answer_delay: Duration,
    units: Mutex<BTreeMap<u8, DeviceHandle>>,
    counters: Mutex<LineCounters>,
}

/// The line; each opening is a stream of its own, as long as somebody holds it.
#[derive(Debug, Clone)]
pub struct SettingsLine(Arc<Shared>);

impl SettingsLine {
    /// A line whose devices are set to these settings and speak Modbus RTU. Every answer begins
    /// 5 ms after the silence that ends its request.
    #[must_use]
    pub fn new(world: &World, line: SerialLine) -> Self {
        Self::with_mode(world, line, Mode::Rtu)
    }

    /// The same with Modbus ASCII.
    #[must_use]
    pub fn ascii(world: &World, line: SerialLine) -> Self {
        Self::with_mode(world, line, Mode::Ascii)
    }

    fn with_mode(world: &World, line: SerialLine, mode: Mode) -> Self {
        Self(Arc::new(Shared {
            world: world.clone(),
            line,
            mode,
            answer_delay: Duration::from_millis(5),
            units: Mutex::default(),
            counters: Mutex::default(),
        }))
    }

    /// Connects a device to the line under a unit identifier, instead of an earlier one.
    pub fn add(&self, unit: u8, device: impl Into<DeviceHandle>) {
        held(&self.0.units).insert(unit, device.into());
    }

    /// Opens the line with these settings. With other settings than the devices have, nothing is
    /// heard and nothing answered. Must be called within a tokio runtime.
    #[must_use]
    pub fn open(&self, settings: SerialLine) -> DuplexStream {
        let (theirs, ours) = duplex(BUFFER);
        if settings == self.0.line {
            tokio::spawn(Port::new(Arc::clone(&self.0), ours).run());
        } else {
            tokio::spawn(ignore(ours));
        }
        theirs
    }

    /// What went over the line since it was made. Frames that nobody could read do not count.
    #[must_use]
    pub fn counters(&self) -> LineCounters {
        *held(&self.0.counters)
    }
}

/// Takes what is sent, so that the sender can go on, and makes nothing of it.
async fn ignore(mut stream: DuplexStream) {
    let mut bytes = [0; 256];
    while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}

/// Something that happens on the line at its time.
#[derive(Debug)]
enum Event {
    /// A request has been received whole.
    Received {
        unit: u8,
        pdu: Vec<u8>,
        began_ms: u64,
    },
    /// The last character of an answer leaves.
    Sent {
        device: DeviceHandle,
        frame: Vec<u8>,
        /// When its first character left.
        from: Instant,
    },
}

#[derive(Debug)]
struct Port {
    shared: Arc<Shared>,
    stream: DuplexStream,
    received: Vec<u8>,
    /// First byte of what was received, and the newest one.
    began: Option<(Instant, u64, Instant)>,
    waiting: Vec<(Instant, Event)>,
    /// When the master last spoke: from, until.
    spoken: Option<(Instant, Instant)>,
}

impl Port {
    fn new(shared: Arc<Shared>, stream: DuplexStream) -> Self {
        Self {
            shared,
            stream,
            received: Vec::new(),
            began: None,
            waiting: Vec::new(),
            spoken: None,
        }
    }

    /// Until the master closes its end.
    async fn run(mut self) {
        while matches!(self.turn().await, Ok(true)) {}
    }

    async fn turn(&mut self) -> io::Result<bool> {
        let broken_at = self.began.map(|(_, _, newest)| newest + BROKEN_AFTER);
        let due = self
            .waiting
            .iter()
            .map(|(at, _)| *at)
            .chain(broken_at)
            .min();
        tokio::select! {
            biased;
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                self.happen().await?;
            }
            count = self.stream.read_buf(&mut self.received) => {
                if count? == 0 {
                    return Ok(false);
                }
                let (now, now_ms) = (Instant::now(), self.shared.world.clock_ms());
                let (began, began_ms, _) = self.began.unwrap_or((now, now_ms, now));
                self.began = Some((began, began_ms, now));
            }
        }
        self.take_requests();
        Ok(true)
    }

    /// Everything whose time has come, in order.
    async fn happen(&mut self) -> io::Result<()> {
        let now = Instant::now();
        self.waiting.sort_by_key(|(at, _)| *at);
        while self.waiting.first().is_some_and(|(at, _)| *at <= now) {
            let (at, event) = self.waiting.remove(0);
            match event {
                Event::Received {
                    unit,
                    pdu,
                    began_ms,
                } => self.answer(at, unit, &pdu, began_ms),
                Event::Sent {
                    device,
                    frame,
                    from,
                } => {
                    self.count_answer(from, at, frame.len());
                    device.answered(self.shared.world.clock_ms());
                    self.stream.write_all(&frame).await?;
                }
            }
        }
        Ok(())
    }

    fn take_requests(&mut self) {
        while let Some((began, began_ms, newest)) = self.began {
            let length = match self.shared.mode.scan(&self.received) {
                RtuScan::Request { unit, pdu, length } => {
                    self.hear(began, began_ms, unit, pdu, length);
                    length
                }
                RtuScan::Garbage { length } => {
                    held(&self.shared.counters).bad_frames += 1;
                    length
                }
                RtuScan::Incomplete if newest.elapsed() >= BROKEN_AFTER => {
                    held(&self.shared.counters).bad_frames += 1;
                    self.received.len()
                }
                RtuScan::Incomplete => return,
            };
            self.received.drain(..length);
            let now = Instant::now();
            let rest = (now, self.shared.world.clock_ms(), newest);
            self.began = (!self.received.is_empty()).then_some(rest);
        }
    }

    /// A whole request: it counts as received when its last character and its silence are over.
    fn hear(&mut self, began: Instant, began_ms: u64, unit: u8, pdu: Vec<u8>, length: usize) {
        let Shared { line, mode, .. } = *self.shared;
        let on_wire = wire_ns(line, length);
        let needed = on_wire + mode.silence_ns(line);
        self.spoken = Some((began, began + Duration::from_nanos(on_wire)));
        let mut counters = held(&self.shared.counters);
        counters.requests += 1;
        counters.busy_ns += needed;
        drop(counters);
        let event = Event::Received {
            unit,
            pdu,
            began_ms,
        };
        self.wait_for(began + Duration::from_nanos(needed), event);
    }

    fn answer(&mut self, at: Instant, unit: u8, pdu: &[u8], began_ms: u64) {
        let device = held(&self.shared.units).get(&unit).cloned();
        let Some(device) = device else {
            held(&self.shared.counters).unaddressed += 1;
            return;
        };
        let Shared { line, mode, .. } = *self.shared;
        let mut from = at + self.shared.answer_delay;
        for answer in device.serve(began_ms, self.shared.world.clock_ms(), pdu) {
            let frame = mode.frame(unit, &answer);
            let took = Duration::from_nanos(wire_ns(line, frame.len()));
            let begins = from + Duration::from_millis(answer.delay_ms);
            if answer.delay_ms == 0 {
                from += took + Duration::from_nanos(mode.silence_ns(line));
            }
            let device = device.clone();
            let event = Event::Sent {
                device,
                frame,
                from: begins,
            };
            self.wait_for(begins + took, event);
        }
    }

    fn wait_for(&mut self, at: Instant, event: Event) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push((at, event));
        }
    }

    /// Counts an answer, and a master that speaks into it.
    fn count_answer(&self, from: Instant, until: Instant, characters: usize) {
        let line = self.shared.line;
        let into = |(began, ended): (Instant, Instant)| began < until && from < ended;
        let mut counters = held(&self.shared.counters);
        counters.answers += 1;
        counters.overlaps += u64::from(self.spoken.is_some_and(into));
        let delay = u64::try_from(self.shared.answer_delay.as_nanos()).unwrap_or(u64::MAX);
        counters.busy_ns += wire_ns(line, characters) + delay;
        counters.rest_ns += self.shared.mode.silence_ns(line);
    }
}
