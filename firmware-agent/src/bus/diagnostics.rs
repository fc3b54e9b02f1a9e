//! Counters of a bus, for the status page and for people with a screwdriver.

use std::time::Duration;

use site_model::{DeviceFault, DeviceId};
use tokio::time::Instant;

use super::config::Phases;
use super::event::FailsafeState;

/// A bus at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusDiagnostics {
    /// Name in the configuration.
    pub name: String,
    /// Why the line is not open; `None` while it is.
    pub closed: Option<DeviceFault>,
    /// How often the line was opened.
    pub opened: u64,
    /// Exchanges so far, answered or not.
    pub exchanges: u64,
    /// Readings that were merged with a later one because the receiver was slow.
    pub readings_merged: u64,
    /// Nanoseconds since the bus was started.
    pub elapsed_ns: u64,
    /// Of these: nothing was due.
    pub spare_ns: u64,
    /// Time on the wire of requests, answers and the silence of 3.5 characters after them.
    pub line_ns: u64,
    /// From the last bit of a request to the first of its answer, as observed; includes the
    /// adapter's delay.
    pub answer_wait_ns: u64,
    /// Gaps that profiles ask for, as far as no other device could be served in them.
    pub gap_ns: u64,
    /// Its devices, in the order of the configuration.
    pub devices: Vec<DeviceDiagnostics>,
}

/// A device at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceDiagnostics {
    /// Which device.
    pub device: DeviceId,
    /// Its unit number.
    pub unit: u8,
    /// Polls that delivered a reading.
    pub polls: u64,
    /// Answers that fitted their request, exceptions included.
    pub answers: u64,
    /// Requests that nothing was heard to.
    pub timeouts: u64,
    /// Answers with a wrong CRC, and noise.
    pub crc_errors: u64,
    /// Frames dropped while waiting for this device that were not its late answers.
    pub foreign_frames: u64,
    /// Answers of this device that came after their time and were dropped.
    pub late_frames: u64,
    /// Answers that refused.
    pub exceptions: u64,
    /// Limits that were written and echoed.
    pub limits_written: u64,
    /// Its failsafe against what is configured; `None` if nothing is, or not yet known.
    pub failsafe: Option<FailsafeState>,
    /// Phases that it charges with, where it can switch them and they are known.
    pub phases: Option<Phases>,
    /// For how long it stays quarantined; `None` when it is not.
    pub quarantined_for_ms: Option<u64>,
    /// What went wrong last.
    pub last_error: Option<LastError>,
    /// Time since its last answer.
    pub last_answer_age_ms: Option<u64>,
    /// Thousandths of the time since the start that its exchanges took, waiting included.
    pub line_permille: u32,
}

/// What went wrong, and the bytes that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// What happened and what to do.
    pub fault: DeviceFault,
    /// The request as sent, in hexadecimal.
    pub request: String,
    /// What was heard, in hexadecimal; empty if nothing.
    pub response: String,
    /// How long ago.
    pub age_ms: u64,
}

/// Counters while they are counted.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) shown: BusDiagnostics,
    pub(super) since: Instant,
    pub(super) devices: Vec<DeviceCounters>,
}

#[derive(Debug, Default)]
pub(super) struct DeviceCounters {
    pub(super) busy: Duration,
    pub(super) last_answer: Option<Instant>,
    pub(super) last_error: Option<Instant>,
    pub(super) quarantined_until: Option<Instant>,
}

impl Counters {
    pub(super) fn new(
        name: &str,
        devices: impl Iterator<Item = (DeviceId, u8)>,
        now: Instant,
    ) -> Self {
        let devices: Vec<DeviceDiagnostics> = devices
            .map(|(device, unit)| DeviceDiagnostics {
                device,
                unit,
                polls: 0,
                answers: 0,
                timeouts: 0,
                crc_errors: 0,
                foreign_frames: 0,
                late_frames: 0,
                exceptions: 0,
                limits_written: 0,
                failsafe: None,
                phases: None,
                quarantined_for_ms: None,
                last_error: None,
                last_answer_age_ms: None,
                line_permille: 0,
            })
            .collect();
        Self {
            since: now,
            devices: devices.iter().map(|_| DeviceCounters::default()).collect(),
            shown: BusDiagnostics {
                name: name.to_owned(),
                closed: None,
                opened: 0,
                exchanges: 0,
                readings_merged: 0,
                elapsed_ns: 0,
                spare_ns: 0,
                line_ns: 0,
                answer_wait_ns: 0,
                gap_ns: 0,
                devices,
            },
        }
    }

    /// Remembers what went wrong with a device.
    pub(super) fn note_error(
        &mut self,
        index: usize,
        fault: &DeviceFault,
        bytes: (&[u8], &[u8]),
        now: Instant,
    ) {
        self.devices[index].last_error = Some(now);
        self.shown.devices[index].last_error = Some(LastError {
            fault: fault.clone(),
            request: hex(bytes.0),
            response: hex(bytes.1),
            age_ms: 0,
        });
    }

    pub(super) fn snapshot(&self, now: Instant) -> BusDiagnostics {
        let mut shown = self.shown.clone();
        let elapsed = now - self.since;
        shown.elapsed_ns = nanos(elapsed);
        for (device, counted) in shown.devices.iter_mut().zip(&self.devices) {
            let age = |then: Instant| millis(now - then);
            device.last_answer_age_ms = counted.last_answer.map(age);
            device.quarantined_for_ms = counted
                .quarantined_until
                .map(|until| millis(until.saturating_duration_since(now)));
            if let (Some(error), Some(then)) = (&mut device.last_error, counted.last_error) {
                error.age_ms = age(then);
            }
            let permille = counted.busy.as_nanos() * 1_000 / elapsed.as_nanos().max(1);
            device.line_permille = u32::try_from(permille).unwrap_or(u32::MAX);
        }
        shown
    }
}

/// Bytes as pairs of hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
