//! The loop that owns the line: opens it, picks what is most urgent, exchanges, waits.

use std::sync::Arc;
use std::time::Duration;

use site_model::DeviceFault;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, sleep_until};

use super::device::{Asked, Device, Job, REST_FACTOR, Settled};
use super::diagnostics::nanos;
use super::outbox::Outbox;
use super::wire::{Failure, Framing, Report, Wire};
use super::{BusConfig, BusEvent, FailsafeState, Shared, Wanted, fault};
use crate::codec::Answer;
use crate::link::Opener;

/// First and longest pause before a line that cannot be opened is tried again.
const REOPEN_MIN: Duration = Duration::from_secs(1);
const REOPEN_MAX: Duration = Duration::from_secs(15);

/// The task of one bus.
pub(super) struct BusTask<O: Opener> {
    opener: O,
    framing: Framing,
    name: String,
    link: String,
    wire: Option<Wire<O::Stream>>,
    reopen_at: Instant,
    reopen_pause: Duration,
    /// Something was answered since the line was opened.
    proven: bool,
    devices: Vec<Device>,
    /// Where each device stands in the configuration, and so in the counters.
    places: Vec<usize>,
    /// Until then no quarantined device is asked, if others answer.
    rest_until: Instant,
    /// End of the last exchange and who had it.
    last: Option<(usize, Instant)>,
    events: mpsc::Sender<BusEvent>,
    outbox: Outbox,
    shared: Arc<Shared>,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Run(usize, Job),
    /// `due`: something is due and waits only for a gap.
    Wait {
        until: Option<Instant>,
        due: bool,
    },
}

impl<O: Opener> BusTask<O> {
    pub(super) fn new(
        opener: O,
        framing: Framing,
        config: BusConfig,
        events: mpsc::Sender<BusEvent>,
        shared: Arc<Shared>,
    ) -> Self {
        let now = Instant::now();
        let mistakable = !framing.has_transactions();
        let mut outbox = Outbox::default();
        let mut devices = Vec::new();
        let mut places = Vec::new();
        for (place, device) in config.devices.into_iter().enumerate() {
            match Device::new(device, mistakable, now) {
                Ok(device) => {
                    devices.push(device);
                    places.push(place);
                }
                // It is told once and never asked.
                Err(unusable) => {
                    let (device, fault) = *unusable;
                    tracing::warn!("Device {}: {} {}", device.id, fault.message, fault.remedy);
                    outbox.push(BusEvent::Lost {
                        device: device.id,
                        fault,
                    });
                }
            }
        }
        Self {
            opener,
            framing,
            link: config.link.to_string(),
            name: config.name,
            wire: None,
            reopen_at: now,
            reopen_pause: Duration::ZERO,
            proven: false,
            devices,
            places,
            rest_until: now,
            last: None,
            events,
            outbox,
            shared,
        }
    }

    pub(super) async fn run(mut self) {
        while self.flush() && !self.shared.is_stopping() {
            let now = Instant::now();
            if self.wire.is_none() {
                if now < self.reopen_at {
                    self.wait(Some(self.reopen_at)).await;
                } else {
                    self.open().await;
                }
                continue;
            }
            self.prepare(now);
            match self.next(now) {
                Next::Run(index, job) => self.exchange(index, job).await,
                Next::Wait { until, due } => {
                    self.wait(until).await;
                    if !due {
                        self.shared.counters().shown.spare_ns += nanos(now.elapsed());
                    }
                }
            }
        }
    }

    /// Hands events over as far as there is room. False when nobody listens any more.
    fn flush(&mut self) -> bool {
        while let Some(event) = self.outbox.pop() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.outbox.put_back(event);
                    return true;
                }
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        !self.events.is_closed()
    }

    /// Waits for the time, a wish, or room in the queue.
    async fn wait(&self, until: Option<Instant>) {
        let shared = &self.shared;
        let at_time = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let room = async {
            if self.outbox.is_empty() {
                // Ends the bus when the receiver goes away while nothing is to be told.
                self.events.closed().await;
            } else {
                drop(self.events.reserve().await);
            }
        };
        tokio::select! {
            () = at_time => {}
            () = shared.wake.notified() => {}
            () = room => {}
        }
    }

    async fn open(&mut self) {
        let opened = tokio::select! {
            opened = self.opener.open() => opened,
            () = until_stopping(&self.shared) => return,
        };
        match opened {
            Ok(stream) => {
                tracing::info!("Bus {} is open on {}", self.name, self.link);
                self.wire = Some(Wire::new(stream, self.framing));
                self.proven = false;
                self.last = None;
                let mut counters = self.shared.counters();
                counters.shown.closed = None;
                counters.shown.opened += 1;
            }
            Err(fault) => self.lose_link(fault),
        }
    }

    /// The line cannot be used: all devices are lost, and it is tried again later.
    fn lose_link(&mut self, fault: DeviceFault) {
        self.wire = None;
        self.reopen_pause = (self.reopen_pause * 2).clamp(REOPEN_MIN, REOPEN_MAX);
        let now = Instant::now();
        self.reopen_at = now + self.reopen_pause;
        let events: Vec<BusEvent> = self
            .devices
            .iter_mut()
            .flat_map(|device| device.link_lost(&fault))
            .collect();
        if !events.is_empty() {
            tracing::warn!(
                "Bus {} is lost. {} {}",
                self.name,
                fault.message,
                fault.remedy
            );
        }
        for device in &mut self.devices {
            device.reopened(self.reopen_at);
        }
        for event in events {
            self.outbox.push(event);
        }
        self.shared.counters().shown.closed = Some(fault);
    }

    fn prepare(&mut self, now: Instant) {
        let mut wanted = self.shared.take_wanted();
        for device in &mut self.devices {
            let Wanted { limit, phases } = wanted.remove(&device.config.id).unwrap_or_default();
            for event in device.prepare(limit, phases, now) {
                self.outbox.push(event);
            }
        }
    }

    /// The most urgent job that may be done now, or until when to wait.
    fn next(&self, now: Instant) -> Next {
        let others_answer = self.devices.iter().any(Device::is_answering);
        let rest = others_answer.then_some(self.rest_until);
        let mut best = None;
        let mut until = None;
        let mut due = false;
        for (index, device) in self.devices.iter().enumerate() {
            if let Some(at) = device.phases_at().filter(|at| *at > now) {
                until = Some(until.map_or(at, |until: Instant| at.min(until)));
            }
            for candidate in device.candidates(rest) {
                if candidate.at <= now {
                    let key = (candidate.job.rank(), candidate.due, index);
                    if best.is_none_or(|(best, _)| key < best) {
                        best = Some((key, candidate.job));
                    }
                } else {
                    due |= candidate.due <= now;
                    until = Some(until.map_or(candidate.at, |at: Instant| at.min(candidate.at)));
                }
            }
        }
        best.map_or(Next::Wait { until, due }, |((_, _, index), job)| {
            Next::Run(index, job)
        })
    }

    async fn exchange(&mut self, index: usize, job: Job) {
        let device = &self.devices[index];
        let (Some(asked), Some(wire)) = (device.request(job), self.wire.as_mut()) else {
            return;
        };
        let timeout = device.answer_timeout();
        let report = if device.must_be_woken() {
            wire.exchange_waking(asked.unit, &asked.request, timeout)
                .await
        } else {
            wire.exchange(asked.unit, &asked.request, timeout).await
        };
        let late = self.sort_strays(index, &report);
        let lost_before = self.devices[index].is_lost();
        let settled = self.devices[index].settle(job, &asked, &report);
        self.teach_siblings(index);
        self.count(index, &asked, &report, &settled, late);
        self.last = Some((index, report.ended));
        self.proven |= report.result.is_ok();
        if report.result.is_ok() {
            self.reopen_pause = Duration::ZERO;
        } else if job == Job::Probe {
            self.rest_until = report.ended + (report.ended - report.started) * REST_FACTOR;
        }
        if let Some(fault) = settled.fault.as_ref().filter(|_| settled.alarm) {
            self.warn(index, "needs attention", fault);
        }
        for event in settled.events {
            self.tell(index, &event, lost_before);
            self.outbox.push(event);
        }
        match report.result {
            Err(Failure::Link(error)) => self.link_failed(&error),
            // The answer may still come: only a new connection cannot carry it.
            Err(_) if settled.unanswered && self.framing.is_connection() => {
                self.wire = None;
                self.reopen_at = report.ended;
            }
            Err(_) | Ok(_) => {}
        }
    }

    /// A line that has worked is opened again at once, quietly; one that has not is lost.
    fn link_failed(&mut self, error: &str) {
        if !self.proven {
            self.lose_link(fault::link_lost(&self.link, error));
            return;
        }
        tracing::info!(
            "Bus {} broke on {} and is opened again: {error}",
            self.name,
            self.link
        );
        let now = Instant::now();
        self.wire = None;
        self.reopen_at = now;
        for device in &mut self.devices {
            device.reopened(now);
        }
    }

    /// Devices behind one unit identifier share what is known about its answers.
    fn teach_siblings(&mut self, index: usize) {
        for other in 0..self.devices.len() {
            if other == index || !self.devices[other].shares_unit(&self.devices[index]) {
                continue;
            }
            if let Ok([device, sibling]) = self.devices.get_disjoint_mut([index, other]) {
                sibling.learn_from(device);
            }
        }
    }

    /// Frames that nobody waited for: late answers teach patience. Returns whose they were.
    fn sort_strays(&mut self, asked: usize, report: &Report) -> Vec<(usize, bool)> {
        let now = report.ended;
        let mut sorted = Vec::new();
        for stray in &report.strays {
            let transactions = self.framing.has_transactions();
            let late = (0..self.devices.len()).find(|sender| {
                let sender = &mut self.devices[*sender];
                sender.is_unit(stray.unit) && (transactions || sender.heard_stray(now))
            });
            sorted.push(late.map_or((asked, false), |sender| (sender, true)));
        }
        sorted
    }

    fn count(
        &self,
        index: usize,
        asked: &Asked,
        report: &Report,
        settled: &Settled,
        strays: Vec<(usize, bool)>,
    ) {
        let mut counters = self.shared.counters();
        let counters = &mut *counters;
        let on_wire = self.framing.request_time(report.request.len());
        counters.shown.exchanges += 1;
        counters.shown.readings_merged = self.outbox.merged();
        if report.result.is_ok() {
            counters.shown.line_ns += nanos(self.framing.line_time(&asked.request));
        }
        if let Some(first) = report.first_byte {
            counters.shown.answer_wait_ns +=
                nanos((first - report.started).saturating_sub(on_wire));
        }
        counters.shown.gap_ns += nanos(self.forced_gap(index, report.started));
        for (device, late) in strays {
            let shown = &mut counters.shown.devices[self.places[device]];
            if late {
                shown.late_frames += 1
            } else {
                shown.foreign_frames += 1
            }
        }
        let place = self.places[index];
        let shown = &mut counters.shown.devices[place];
        match &report.result {
            Ok(Answer::Exception(_)) => {
                shown.answers += 1;
                shown.exceptions += 1;
            }
            Ok(Answer::Registers(_) | Answer::Written) => shown.answers += 1,
            Err(Failure::Silence) => shown.timeouts += 1,
            Err(Failure::Garbled) => shown.crc_errors += 1,
            Err(Failure::Foreign { .. } | Failure::Link(_)) => {}
        }
        shown.failsafe = self.devices[index].failsafe_state().cloned();
        shown.phases = self.devices[index].phases_known();
        shown.polls += u64::from(settled.polled);
        shown.limits_written += u64::from(settled.limit_written);
        let device = &mut counters.devices[place];
        device.busy += report.ended - report.started;
        device.quarantined_until = self.devices[index].quarantined_until();
        if report.result.is_ok() {
            device.last_answer = Some(report.ended);
        }
        if let Some(fault) = &settled.fault {
            counters.note_error(
                place,
                fault,
                (&report.request, &report.response),
                report.ended,
            );
        }
    }

    /// The part of a device's gap in which the line stood still although it was the next.
    fn forced_gap(&self, index: usize, started: Instant) -> Duration {
        match self.last {
            Some((last, ended)) if last == index => {
                let gap = self.devices[index]
                    .gap()
                    .saturating_sub(self.framing.silence());
                gap.min(started.saturating_duration_since(ended))
            }
            Some(_) | None => Duration::ZERO,
        }
    }

    /// The one place where faults of a device are logged: who listens to the events need not do it again.
    fn tell(&self, index: usize, event: &BusEvent, lost_before: bool) {
        let device = &self.devices[index].config;
        match event {
            BusEvent::Lost { fault, .. } => self.warn(index, "is lost", fault),
            BusEvent::WriteRefused { fault, .. } => {
                self.warn(index, "did not take its limit", fault);
            }
            BusEvent::PhasesRefused { fault, .. } => {
                self.warn(index, "did not switch its phases", fault);
            }
            BusEvent::Failsafe {
                state: FailsafeState::Differs { fault },
                ..
            } => self.warn(index, "has another failsafe than is configured", fault),
            BusEvent::Read(_) if lost_before => tracing::info!(
                device.id = %device.id, device.unit = device.unit, link = %self.link,
                "Device {} answers again", device.id
            ),
            BusEvent::Read(_)
            | BusEvent::LimitWritten { .. }
            | BusEvent::PhasesSwitched { .. }
            | BusEvent::Failsafe { .. } => {}
        }
    }

    fn warn(&self, index: usize, what: &str, fault: &DeviceFault) {
        let device = &self.devices[index].config;
        tracing::warn!(
            device.id = %device.id, device.unit = device.unit, link = %self.link,
            "Device {} {what}. {} {}", device.id, fault.message, fault.remedy
        );
    }
}

/// Ends when the bus is to stop.
async fn until_stopping(shared: &Shared) {
    while !shared.is_stopping() {
        shared.wake.notified().await;
    }
    shared.wake.notify_one();
}
