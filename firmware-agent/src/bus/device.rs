//! What one device needs next, and what its answers mean for it. No I/O; time is an argument.

mod cycle;
mod order;

use std::time::Duration;

use hw_profiles::KeepAlive;
use site_model::{DeviceFault, Milliamps};
use tokio::time::Instant;

use self::cycle::{Cycle, RegisterState};
use self::order::WriteOp;
use super::wire::{Failure, Report};
use super::{BusDevice, BusEvent, fault};
use crate::codec::{Answer, ExceptionCode, Request};
use crate::decode::{self, Image};
use crate::encode::{self, LimitOrder};
use crate::poll_plan::PlannedRead;

/// So many polls in a row must fail before a device is quarantined.
const FAILURES_MAX: u32 = 3;
/// First and longest pause of a quarantined device.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A device that does not answer rests 19 times as long as asking it in vain took: so waiting for
/// dead devices takes at most 5 % of the line.
pub(super) const REST_FACTOR: u32 = 19;
/// A busy device is asked again after this time.
const BUSY_RETRY: Duration = Duration::from_millis(500);
/// So often a busy device is asked again before the request counts as failed.
const BUSY_MAX: u32 = 5;
/// So many writes in a row that nobody answers are a refusal.
const SILENT_WRITES_MAX: u32 = 3;
/// Longest quiet time after an answer that did not come in time.
const QUIET_MAX: Duration = Duration::from_secs(10);
/// Least quiet time after a probe that could itself have been answered by a late answer, because
/// the profile has no read of another shape.
const QUIET_AFTER_DOUBT: Duration = Duration::from_secs(2);
/// Shapes of unanswered requests that are remembered.
const OUTSTANDING_MAX: usize = 4;

/// What to do with a device next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// The limit. Ahead of everything.
    Write,
    /// A keep-alive write or read.
    KeepAlive,
    /// One read of a poll cycle.
    Read,
    /// One short read, to see whether the device is there.
    Probe,
}

impl Job {
    /// Lower goes first; equals go by who has been due longest.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Write => 0,
            Self::KeepAlive => 1,
            Self::Read | Self::Probe => 2,
        }
    }
}

/// A job and the time from which it may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) at: Instant,
    pub(super) job: Job,
    /// For fairness: who has been due longest goes first.
    pub(super) due: Instant,
}

/// Whether a device answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// So many polls in a row have failed.
    Watched { failures: u32 },
    /// Asked only now and then.
    Quarantined { until: Instant, pause: Duration },
}

/// Why a device was told to be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LostWhy {
    Device,
    Link,
}

/// A request that was not answered in time: its answer may still come.
#[derive(Debug, Clone, Copy)]
struct Outstanding {
    shape: Shape,
    since: Instant,
}

/// What an answer looks like from outside: function and length.
type Shape = (u8, usize);

/// What follows from one exchange.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) events: Vec<BusEvent>,
    /// What went wrong, for diagnostics.
    pub(super) fault: Option<DeviceFault>,
    /// No answer came: on TCP the connection must be made anew.
    pub(super) unanswered: bool,
    /// The limit was written and echoed.
    pub(super) limit_written: bool,
    /// A poll cycle ended with a reading.
    pub(super) polled: bool,
}

/// One device and all that is known of it.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) config: BusDevice,
    /// On a serial line a late answer can be taken for the next one; on TCP it cannot.
    serial: bool,
    image: Image,
    registers: Vec<RegisterState>,
    health: Health,
    lost: Option<LostWhy>,
    /// It has answered since the line was opened.
    heard: bool,
    /// Not before: gap after an answer, quiet time after a missing one.
    ready_at: Instant,
    due: Instant,
    cycle: Option<Cycle>,
    write: Option<WriteOp>,
    write_from: Instant,
    last_order: Option<LimitOrder>,
    last_order_at: Instant,
    keep_alive_due: Instant,
    outstanding: Vec<Outstanding>,
    /// Since when an answer may still be under way although a probe was answered.
    doubted_since: Option<Instant>,
    /// A request was not answered: a probe comes before anything else.
    probe_first: bool,
    quiet: Duration,
}

impl Device {
    pub(super) fn new(config: BusDevice, serial: bool, now: Instant) -> Self {
        Self {
            image: Image::new(&config.profile),
            registers: vec![RegisterState::default(); config.profile.registers.len()],
            quiet: Duration::from_millis(config.profile.link.answer_timeout_ms),
            serial,
            health: Health::Watched { failures: 0 },
            lost: None,
            heard: false,
            ready_at: now,
            due: now,
            cycle: None,
            write: None,
            write_from: now,
            last_order: None,
            last_order_at: now,
            keep_alive_due: now,
            outstanding: vec![],
            doubted_since: None,
            probe_first: false,
            config,
        }
    }

    /// Whether it answers as far as is known.
    pub(super) fn is_answering(&self) -> bool {
        self.heard && matches!(self.health, Health::Watched { .. })
    }

    /// Its loss was told, and no reading since.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    pub(super) fn quarantined_until(&self) -> Option<Instant> {
        match self.health {
            Health::Watched { .. } => None,
            Health::Quarantined { until, .. } => Some(until),
        }
    }

    /// Time for the device to begin its answer.
    pub(super) fn answer_timeout(&self) -> Duration {
        Duration::from_millis(self.config.profile.link.answer_timeout_ms)
    }

    /// Gap between an answer and the next request to this device.
    pub(super) fn gap(&self) -> Duration {
        Duration::from_millis(self.config.profile.link.gap_ms)
    }

    /// The line was opened anew: nothing that was known is certain.
    pub(super) fn reopened(&mut self, now: Instant) {
        self.forget();
        self.outstanding.clear();
        self.probe_first = false;
        self.health = Health::Watched { failures: 0 };
        self.ready_at = now;
        self.due = now;
    }

    /// The line cannot be opened or broke. Told once.
    pub(super) fn link_lost(&mut self, fault: &DeviceFault) -> Option<BusEvent> {
        self.forget();
        self.lose(LostWhy::Link, fault)
    }

    /// Takes the newest wanted limit and begins what is due.
    pub(super) fn prepare(&mut self, wanted: Option<Milliamps>, now: Instant) -> Vec<BusEvent> {
        let mut events = wanted.map_or_else(Vec::new, |limit| self.order(limit, now));
        self.renew_limit(now);
        let polling = matches!(self.health, Health::Watched { .. }) && !self.probe_first;
        if polling && self.cycle.is_none() && self.due <= now {
            events.extend(self.begin_cycle(now));
        }
        events
    }

    /// What the device waits for; `rest_until`: no quarantined device may be asked before.
    pub(super) fn candidates(&self, rest_until: Option<Instant>) -> Vec<Candidate> {
        let at = |at: Instant, job, due| Candidate {
            at: at.max(self.ready_at),
            job,
            due,
        };
        if let Health::Quarantined { until, .. } = self.health {
            let until = rest_until.map_or(until, |rest| until.max(rest));
            return vec![at(until, Job::Probe, until)];
        }
        if self.probe_first {
            // Something may be waiting to be written: do not wait for the next poll.
            let due = if self.write.is_some() {
                self.ready_at
            } else {
                self.due
            };
            return vec![at(due, Job::Probe, due)];
        }
        let mut candidates = Vec::new();
        if self.heard {
            let renewal = self.renewal_at().map(|due| due.max(self.write_from));
            let write_from = match &self.write {
                Some(write) if write.begun() => Some(self.ready_at),
                Some(_) => Some(self.write_from),
                None => renewal,
            };
            if let Some(from) = write_from {
                candidates.push(at(from, Job::Write, from));
            }
            if let Some(due) = self.keep_alive_at() {
                candidates.push(at(due, Job::KeepAlive, due));
            }
        }
        let read_from = self
            .cycle
            .as_ref()
            .map_or(self.due, |cycle| self.readable_from(cycle));
        candidates.push(at(read_from, Job::Read, self.due));
        candidates
    }

    /// The request of a job.
    pub(super) fn request(&self, job: Job) -> Option<Request> {
        match job {
            Job::Write => self.write.as_ref().map(WriteOp::request),
            Job::Read => Some(self.cycle.as_ref()?.next()?.request()),
            Job::Probe => Some(self.probe_request()),
            Job::KeepAlive => match &self.config.profile.keep_alive {
                KeepAlive::WriteRegister { write, value, .. } => {
                    encode::write_request(write, *value).ok()
                }
                KeepAlive::AnyRequest { .. } => Some(self.probe_request()),
                KeepAlive::RewriteLimit { .. } | KeepAlive::None => None,
            },
        }
    }

    /// A frame of this device came that nobody waited for. Tells whether it was a late answer.
    pub(super) fn heard_stray(&mut self, now: Instant) -> bool {
        let oldest = self.outstanding.first().map(|missing| missing.since);
        let Some(since) = oldest.or(self.doubted_since) else {
            return false;
        };
        // The device is slower than its profile says: wait longer next time.
        self.quiet = self.quiet.max((now - since) * 2).min(QUIET_MAX);
        true
    }

    /// Takes the outcome of a job.
    pub(super) fn settle(&mut self, job: Job, request: &Request, report: &Report) -> Settled {
        let cost = report.ended - report.started;
        match &report.result {
            Ok(answer) => {
                let oldest = self.outstanding.first().map(|missing| missing.since);
                self.doubted_since = oldest.filter(|_| self.is_mistakable(request));
                self.answered(report.ended);
                if self.doubted_since.is_some() {
                    self.ready_at = report.ended + self.quiet.max(QUIET_AFTER_DOUBT);
                }
                match job {
                    Job::Write => self.write_answered(request, answer, report.ended),
                    Job::Read => self.read_answered(answer, report.ended),
                    Job::KeepAlive => self.keep_alive_answered(request, answer, report.ended),
                    Job::Probe => self.probe_answered(request, answer, report.ended, cost),
                }
            }
            Err(failure) => {
                self.missed(request, failure, report);
                let fault =
                    fault::no_answer(failure, self.config.unit, request, self.answer_timeout());
                self.unanswered(job, failure, fault, report.ended, cost)
            }
        }
    }

    /// Any answer: the device is there and wants its gap.
    fn answered(&mut self, ended: Instant) {
        self.heard = true;
        self.probe_first = false;
        self.outstanding.clear();
        self.ready_at = ended + self.gap();
        if let KeepAlive::AnyRequest { interval_ms } = self.config.profile.keep_alive {
            self.keep_alive_due = ended + half(interval_ms);
        }
    }

    /// No answer: it may still come, so the device is left alone for a while.
    fn missed(&mut self, request: &Request, failure: &Failure, report: &Report) {
        let quiet = match failure {
            Failure::Link(_) => return,
            // The broken frame was most likely the answer.
            Failure::Garbled => self.gap(),
            Failure::Foreign { .. } | Failure::Silence => self.quiet,
        };
        self.ready_at = report.ended + if self.serial { quiet } else { self.gap() };
        self.probe_first |= *failure != Failure::Garbled;
        if self.serial && *failure != Failure::Garbled {
            if self.outstanding.len() == OUTSTANDING_MAX {
                self.outstanding.remove(0);
            }
            self.outstanding.push(Outstanding {
                shape: shape(request),
                since: report.started,
            });
        }
    }

    fn unanswered(
        &mut self,
        job: Job,
        failure: &Failure,
        fault: DeviceFault,
        now: Instant,
        cost: Duration,
    ) -> Settled {
        let mut settled = Settled {
            fault: Some(fault.clone()),
            unanswered: true,
            ..Settled::default()
        };
        if matches!(failure, Failure::Link(_)) {
            return settled; // the line's fault, not the device's
        }
        match job {
            // Whether the device is there at all is for the probe to tell.
            Job::Write => {
                settled
                    .events
                    .extend(self.write_unanswered(failure, &fault, now, cost));
                return settled;
            }
            Job::KeepAlive => {
                self.keep_alive_unanswered(now);
                return settled;
            }
            Job::Read if *failure == Failure::Garbled && self.retry_read() => return settled,
            Job::Read | Job::Probe => {}
        }
        settled.events.extend(self.fail(&fault, now, cost));
        settled
    }

    /// A poll failed.
    fn fail(&mut self, fault: &DeviceFault, now: Instant, cost: Duration) -> Option<BusEvent> {
        self.cycle = None;
        self.due = now + self.interval();
        let pause = match self.health {
            Health::Watched { failures } if failures + 1 < FAILURES_MAX => {
                self.health = Health::Watched {
                    failures: failures + 1,
                };
                return None;
            }
            Health::Watched { .. } => PAUSE_MIN,
            Health::Quarantined { pause, .. } => (pause * 2).min(PAUSE_MAX),
        };
        let until = now + pause.max(cost * REST_FACTOR);
        self.forget();
        self.health = Health::Quarantined { until, pause };
        self.lose(LostWhy::Device, fault)
    }

    fn lose(&mut self, why: LostWhy, fault: &DeviceFault) -> Option<BusEvent> {
        if self.lost == Some(why) {
            return None;
        }
        self.lost = Some(why);
        Some(BusEvent::Lost {
            device: self.config.id.clone(),
            fault: fault.clone(),
        })
    }

    /// Nothing that was heard before is known to be true any more. A wanted limit stays.
    fn forget(&mut self) {
        self.image = Image::new(&self.config.profile);
        self.registers.fill(RegisterState::default());
        self.cycle = None;
        self.heard = false;
        if let Some(write) = &mut self.write {
            write.restart();
        }
    }

    fn probe_answered(
        &mut self,
        request: &Request,
        answer: &Answer,
        now: Instant,
        cost: Duration,
    ) -> Settled {
        if let Answer::Exception(code) = answer
            && code.is_silence_behind_gateway()
        {
            let fault = fault::refused(*code, self.config.unit, request);
            let event = self.fail(&fault, now, cost);
            return Settled {
                events: event.into_iter().collect(),
                fault: Some(fault),
                ..Settled::default()
            };
        }
        if let Health::Quarantined { .. } = self.health {
            // On probation: the next failed poll quarantines it again.
            self.health = Health::Watched {
                failures: FAILURES_MAX - 1,
            };
            self.due = now;
        }
        Settled::default()
    }

    /// The shortest read of an existing register whose answer cannot be mistaken for one that is
    /// still outstanding, if there is such a read.
    fn probe_request(&self) -> Request {
        let profile = &self.config.profile;
        let mut requests: Vec<Request> = (0..profile.registers.len())
            .filter(|index| {
                let register = &profile.registers[*index];
                register.when.is_empty() && self.registers[*index].not_before.is_none()
            })
            .map(|index| self.read_of(index).request())
            .collect();
        requests.extend(self.every_read().iter().map(PlannedRead::request));
        requests.sort_by_key(Request::answer_len);
        let clear = requests.iter().find(|request| !self.is_mistakable(request));
        clear
            .or(requests.first())
            .cloned()
            .unwrap_or(Request::Read {
                table: hw_profiles::Table::Holding,
                address: 0,
                count: 1,
            })
    }

    /// Whether an answer that is still outstanding would pass for the answer to this request.
    fn is_mistakable(&self, request: &Request) -> bool {
        self.outstanding
            .iter()
            .any(|missing| missing.shape == shape(request))
    }

    fn interval(&self) -> Duration {
        let least = self.config.profile.link.read_interval_ms;
        Duration::from_millis(self.config.poll_interval_ms.max(least).max(1))
    }
}

fn shape(request: &Request) -> Shape {
    (request.function(), request.answer_len())
}

/// Keep-alives come at half their interval: one may get lost.
fn half(interval_ms: u64) -> Duration {
    Duration::from_millis(interval_ms / 2)
}

/// Whether a device that refuses with this code is to be asked again soon.
fn is_worth_waiting(code: ExceptionCode, asked: u32) -> bool {
    code.is_busy() && asked < BUSY_MAX
}

fn reading(device: &Device, fresh: &[bool]) -> decode::Decoded {
    decode::decode(&device.config.profile, &device.image, fresh)
}
