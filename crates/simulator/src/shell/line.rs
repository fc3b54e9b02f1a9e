//! An RS-485 line on a pseudo-terminal: several devices, and the time a real line would take.
//!
//! A thread of its own waits with `poll`, because characters at line speed need finer timers than
//! a runtime of tasks has.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hw_profiles::SerialLine;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::time::Instant;
use tracing::{debug, error};

use super::frames::Mode;
use super::pty::Pty;
use crate::codec::{RtuScan, wire_ns};
use crate::world::{DeviceHandle, World};

/// How long the thread waits at most before it looks whether it shall end.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// Silence that ends a broken request. Longer than 3.5 characters, because a busy machine may
/// split what the master wrote at once.
const BROKEN_AFTER: Duration = Duration::from_millis(50);
/// Late answers that may wait at once; further ones are lost.
const MAX_LATE: usize = 64;
/// Paced answers leave in pieces of at most this long.
const PIECE_NS: u64 = 1_000_000;

/// What went over the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineCounters {
    /// Whole requests, to whomever.
    pub requests: u64,
    /// Frames sent back.
    pub answers: u64,
    /// Requests with a wrong CRC or an end too early.
    pub bad_frames: u64,
    /// Requests to units that nobody has.
    pub unaddressed: u64,
    /// Answers into which the master spoke (seen on paced lines); on a real line both are lost.
    pub overlaps: u64,
    /// Answer bytes that found nobody reading and the terminal's buffer full.
    pub lost_bytes: u64,
    /// Time the line was needed, at its speed: requests, 3.5 characters after each, the configured
    /// answer delay, answers. Counted whether bytes are paced or not.
    pub busy_ns: u64,
    /// The 3.5 characters after each answer, before which no master may speak again. Not in
    /// `busy_ns`.
    pub rest_ns: u64,
}

#[derive(Debug)]
struct Shared {
    units: Mutex<BTreeMap<u8, DeviceHandle>>,
    counters: Mutex<LineCounters>,
    stop: AtomicBool,
}

/// A running line; dropping it ends it.
#[derive(Debug)]
pub struct RtuLine {
    shared: Arc<Shared>,
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl RtuLine {
    /// Opens a pseudo-terminal and listens on it. With `pace_bytes` a request counts as received
    /// when a line of this speed would have carried it, and answers come byte by byte at its speed.
    /// Every answer begins `answer_delay_ms` after the 3.5 characters that end the request.
    ///
    /// # Errors
    /// If the system has no pseudo-terminal or thread to give.
    pub fn start(
        world: &World,
        line: SerialLine,
        pace_bytes: bool,
        answer_delay_ms: u64,
    ) -> io::Result<Self> {
        Self::start_with(world, line, Mode::Rtu, pace_bytes, answer_delay_ms)
    }

    /// The same with Modbus ASCII, whose frames say their end.
    ///
    /// # Errors
    /// If the system has no pseudo-terminal or thread to give.
    pub fn start_ascii(
        world: &World,
        line: SerialLine,
        pace_bytes: bool,
        answer_delay_ms: u64,
    ) -> io::Result<Self> {
        Self::start_with(world, line, Mode::Ascii, pace_bytes, answer_delay_ms)
    }

    fn start_with(
        world: &World,
        line: SerialLine,
        mode: Mode,
        pace_bytes: bool,
        answer_delay_ms: u64,
    ) -> io::Result<Self> {
        let pty = Pty::open()?;
        let path = pty.path.clone();
        let shared = Arc::new(Shared {
            units: Mutex::new(BTreeMap::new()),
            counters: Mutex::new(LineCounters::default()),
            stop: AtomicBool::new(false),
        });
        let wire = Wire {
            pty,
            world: world.clone(),
            line,
            mode,
            paced: pace_bytes,
            answer_delay: Duration::from_millis(answer_delay_ms),
            shared: Arc::clone(&shared),
            received: Vec::new(),
            began: None,
            late: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("simulated line".to_owned())
            .spawn(move || wire.run())?;
        Ok(Self {
            shared,
            path,
            thread: Some(thread),
        })
    }

    /// Path for the master to open; stays valid however often it is opened and closed.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Connects a device to the line under a unit identifier, instead of an earlier one.
    pub fn add(&self, unit: u8, device: impl Into<DeviceHandle>) {
        held(&self.shared.units).insert(unit, device.into());
    }

    /// What went over the line since its start.
    #[must_use]
    pub fn counters(&self) -> LineCounters {
        *held(&self.shared.counters)
    }
}

impl Drop for RtuLine {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!(
                "The thread of the simulated line {} failed",
                self.path.display()
            );
        }
    }
}

pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// First byte of the request that is being received, on both clocks, and the newest one.
#[derive(Debug, Clone, Copy)]
struct Began {
    at: Instant,
    at_ms: u64,
    newest: Instant,
}

#[derive(Debug)]
struct Late {
    due: Instant,
    device: DeviceHandle,
    frame: Vec<u8>,
}

/// What the thread owns.
#[derive(Debug)]
struct Wire {
    pty: Pty,
    world: World,
    line: SerialLine,
    mode: Mode,
    paced: bool,
    answer_delay: Duration,
    shared: Arc<Shared>,
    received: Vec<u8>,
    began: Option<Began>,
    late: Vec<Late>,
}

impl Wire {
    fn run(mut self) {
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.send_due();
            self.wait_for_bytes();
            if let Err(error) = self.receive() {
                let path = self.pty.path.display();
                error!("The simulated line {path} cannot be read ({error}) and ends");
                return;
            }
            self.answer_requests();
        }
    }

    fn wait_for_bytes(&self) {
        let now = Instant::now();
        let mut wait = LONGEST_WAIT;
        for late in &self.late {
            wait = wait.min(late.due.saturating_duration_since(now));
        }
        let mut fds = [PollFd::new(&self.pty.ours, PollFlags::IN)];
        // An interrupted wait only means to look again.
        let _ = poll(&mut fds, Some(&timespec(wait)));
    }

    /// Takes what has arrived, at most one buffer; the rest waits for the next turn.
    fn receive(&mut self) -> Result<(), Errno> {
        let mut bytes = [0_u8; 512];
        let count = match rustix::io::read(&self.pty.ours, &mut bytes) {
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(error) => return Err(error),
        };
        if count > 0 {
            let now = Instant::now();
            let at_ms = self.world.clock_ms();
            let began = self.began.get_or_insert(Began {
                at: now,
                at_ms,
                newest: now,
            });
            began.newest = now;
            self.received.extend_from_slice(&bytes[..count]);
        }
        Ok(())
    }

    fn answer_requests(&mut self) {
        while let Some(began) = self.began {
            match self.mode.scan(&self.received) {
                RtuScan::Request { unit, pdu, length } => {
                    self.request(began, unit, &pdu, length);
                    self.take(length, began);
                }
                RtuScan::Garbage { length } => self.discard(length, began),
                RtuScan::Incomplete if began.newest.elapsed() > BROKEN_AFTER => {
                    self.discard(self.received.len(), began);
                }
                RtuScan::Incomplete => return,
            }
        }
    }

    /// Removes what was dealt with; what follows it begins now.
    fn take(&mut self, length: usize, began: Began) {
        self.received.drain(..length);
        self.began = (!self.received.is_empty()).then(|| Began {
            at: Instant::now(),
            at_ms: self.world.clock_ms(),
            newest: began.newest,
        });
    }

    fn discard(&mut self, length: usize, began: Began) {
        let bytes = &self.received[..length];
        debug!("Broken request on the simulated line: {bytes:02x?}");
        self.take(length, began);
        held(&self.shared.counters).bad_frames += 1;
    }

    fn request(&mut self, began: Began, unit: u8, pdu: &[u8], length: usize) {
        let needed_ns = wire_ns(self.line, length) + self.mode.silence_ns(self.line);
        let received_at = if self.paced {
            began.at + Duration::from_nanos(needed_ns)
        } else {
            Instant::now()
        };
        wait_until(received_at);
        let device = held(&self.shared.units).get(&unit).cloned();
        {
            let mut counters = held(&self.shared.counters);
            counters.requests += 1;
            counters.busy_ns += needed_ns;
            counters.unaddressed += u64::from(device.is_none());
        }
        let Some(device) = device else {
            return;
        };
        let mut start = received_at + self.answer_delay;
        for answer in device.serve(began.at_ms, self.world.clock_ms(), pdu) {
            let frame = self.mode.frame(unit, &answer);
            if answer.delay_ms == 0 {
                held(&self.shared.counters).busy_ns += nanos(self.answer_delay);
                start = self.send(start, &device, &frame);
                start += Duration::from_nanos(self.mode.silence_ns(self.line));
            } else if self.late.len() < MAX_LATE {
                self.late.push(Late {
                    due: start + Duration::from_millis(answer.delay_ms),
                    device: device.clone(),
                    frame,
                });
            }
        }
    }

    fn send_due(&mut self) {
        let now = Instant::now();
        while let Some(index) = self.late.iter().position(|late| late.due <= now) {
            let late = self.late.remove(index);
            self.send(late.due, &late.device, &late.frame);
        }
    }

    /// Sends a frame that begins at `start`; tells when it ends.
    fn send(&self, start: Instant, device: &DeviceHandle, frame: &[u8]) -> Instant {
        let character_ns = wire_ns(self.line, 1).max(1);
        let piece = if self.paced {
            usize::try_from(PIECE_NS / character_ns).unwrap_or(1).max(1)
        } else {
            frame.len().max(1)
        };
        wait_until(start);
        let mut sent = 0;
        for bytes in frame.chunks(piece) {
            sent += bytes.len();
            if self.paced {
                wait_until(start + Duration::from_nanos(wire_ns(self.line, sent)));
            }
            if sent == frame.len() {
                // Before the last byte: who has the answer finds it counted.
                self.count_answer(sent);
                device.answered(self.world.clock_ms());
            }
            self.write(bytes);
        }
        start + Duration::from_nanos(wire_ns(self.line, sent))
    }

    /// Writes bytes; what finds nobody reading and the buffer full is lost, as on a line.
    fn write(&self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::write(&self.pty.ours, rest) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        if !rest.is_empty() {
            held(&self.shared.counters).lost_bytes += u64::try_from(rest.len()).unwrap_or(u64::MAX);
        }
    }

    /// Counts an answer, and a master that speaks into it. An unpaced answer takes no time and
    /// cannot be spoken into.
    fn count_answer(&self, characters: usize) {
        let mut fds = [PollFd::new(&self.pty.ours, PollFlags::IN)];
        let waiting = poll(&mut fds, Some(&timespec(Duration::ZERO)));
        let mut counters = held(&self.shared.counters);
        counters.answers += 1;
        counters.overlaps += u64::from(self.paced && waiting.is_ok_and(|count| count > 0));
        counters.busy_ns += wire_ns(self.line, characters);
        counters.rest_ns += self.mode.silence_ns(self.line);
    }
}

/// Waits without reading, finer than a millisecond.
fn wait_until(moment: Instant) {
    loop {
        let rest = moment.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return;
        }
        // An interrupted wait goes round again.
        let _ = poll(&mut [], Some(&timespec(rest)));
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap_or(Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
