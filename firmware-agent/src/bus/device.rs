//! What one device needs next, and what its answers mean for it. No I/O; time is an argument.

mod cycle;
mod failsafe;
mod fixed;
mod health;
mod keep_alive;
mod order;
mod patience;
mod phases;
mod probe;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hw_profiles::{ConnectorAddressing, Profile};
use site_model::{DeviceFault, Milliamps};
use tokio::time::Instant;

use self::cycle::{Cycle, RegisterState};
use self::failsafe::FailsafeWatch;
use self::fixed::Fixed;
use self::health::{Health, LostWhy};
use self::keep_alive::Alive;
use self::order::WriteOp;
use self::patience::Patience;
use self::phases::Switching;
use super::wire::{Failure, Report};
use super::{BusDevice, BusEvent, FailsafeState, Phases, fault};
use crate::codec::{ExceptionCode, Request};
use crate::decode::Image;
use crate::encode::{LimitOrder, Write};
use crate::sunspec::Walk;

/// A device that does not answer rests 19 times as long as asking it in vain took: so waiting for
/// dead devices takes at most 5 % of the line.
pub(super) const REST_FACTOR: u32 = 19;
/// A busy device is asked again after this time.
const BUSY_RETRY: Duration = Duration::from_millis(500);
/// So often a busy device is asked again before the request counts as failed.
const BUSY_MAX: u32 = 5;
/// So many writes in a row that nobody answers are a refusal.
const SILENT_WRITES_MAX: u32 = 3;

/// What to do with a device next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// The limit. Ahead of everything.
    Write,
    /// A fixed value: set-up, failsafe, phases.
    Fixed,
    /// A keep-alive write or read.
    KeepAlive,
    /// One read of a poll cycle.
    Read,
    /// One short read, to see whether the device is there.
    Probe,
    /// One read of the search for a SunSpec model.
    Locate,
}

impl Job {
    /// Lower goes first; equals go by who has been due longest.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Write => 0,
            Self::Fixed | Self::KeepAlive => 1,
            Self::Read | Self::Probe | Self::Locate => 2,
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

/// A request and whom it is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) unit: u8,
    pub(super) request: Request,
}

/// What follows from one exchange.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) events: Vec<BusEvent>,
    /// What went wrong, for diagnostics.
    pub(super) fault: Option<DeviceFault>,
    /// It is no event for the site, but somebody should look at it.
    pub(super) alarm: bool,
    /// No answer came: on TCP the connection must be made anew.
    pub(super) unanswered: bool,
    /// The limit was written and echoed.
    pub(super) limit_written: bool,
    /// A poll cycle ended with a reading.
    pub(super) polled: bool,
}

impl Settled {
    fn alarm(&mut self, fault: DeviceFault) {
        self.fault = Some(fault);
        self.alarm = true;
    }
}

/// One device and all that is known of it.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) config: BusDevice,
    /// The model as this connector and variant of it is wired.
    template: Arc<Profile>,
    /// The same, word order found and SunSpec model located.
    profile: Arc<Profile>,
    unit: u8,
    patience: Patience,
    image: Image,
    registers: Vec<RegisterState>,
    /// Reads of several registers that the device refused, to number them.
    blocks_refused: u32,
    health: Health,
    lost: Option<LostWhy>,
    /// It has answered since the line was opened.
    heard: bool,
    /// A whole cycle has ended since then.
    polled: bool,
    /// No probe of its profile speaks against it; looked at anew after each quarantine.
    recognised: bool,
    /// When the last cycle that ended began.
    polled_began: Option<Instant>,
    due: Instant,
    cycle: Option<Cycle>,
    walk: Option<Walk>,
    /// Newest limit that somebody asked for.
    asked: Option<Milliamps>,
    write: Option<WriteOp>,
    write_from: Instant,
    last_order: Option<LimitOrder>,
    /// What the limit's own register was written last.
    stored: Option<Write>,
    last_order_at: Instant,
    fixed: VecDeque<Fixed>,
    alive: Alive,
    failsafe: FailsafeWatch,
    switching: Option<Switching>,
    /// As last switched or read back.
    phases: Option<Phases>,
    /// What has not been told yet.
    news: Vec<BusEvent>,
}

impl Device {
    /// # Errors
    /// Why the device cannot be used at all.
    pub(super) fn new(
        config: BusDevice,
        mistakable: bool,
        now: Instant,
    ) -> Result<Self, Box<(BusDevice, DeviceFault)>> {
        let Some((template, unit)) = wired(&config) else {
            let fault = fault::no_connector(&config.profile, config.connector);
            return Err(Box::new((config, fault)));
        };
        let template = Arc::new(template);
        let quiet = Duration::from_millis(template.link.answer_timeout_ms);
        Ok(Self {
            image: Image::new(&template),
            registers: vec![RegisterState::default(); template.registers.len()],
            patience: Patience::new(mistakable, quiet, now),
            unit,
            blocks_refused: 0,
            health: Health::Watched { failures: 0 },
            lost: None,
            heard: false,
            polled: false,
            recognised: template.probes.is_empty(),
            polled_began: None,
            due: now,
            cycle: None,
            walk: Walk::new(&template),
            asked: None,
            write: None,
            write_from: now,
            last_order: None,
            stored: None,
            last_order_at: now,
            fixed: VecDeque::new(),
            alive: Alive::new(now),
            failsafe: FailsafeWatch::new(&config, &template),
            switching: None,
            phases: None,
            news: vec![],
            profile: Arc::clone(&template),
            template,
            config,
        })
    }

    /// Its failsafe as last compared.
    pub(super) fn failsafe_state(&self) -> Option<&FailsafeState> {
        self.failsafe.told()
    }

    /// Whether frames with this unit identifier come from it.
    pub(super) fn is_unit(&self, unit: u8) -> bool {
        unit == self.unit || Some(unit) == self.template.link.station_unit
    }

    /// Whether it sits behind a unit identifier of another one.
    pub(super) fn shares_unit(&self, other: &Self) -> bool {
        let station = other.template.link.station_unit;
        self.is_unit(other.unit) || station.is_some_and(|station| self.is_unit(station))
    }

    /// What was learnt about the other's unit holds for this one too.
    pub(super) fn learn_from(&mut self, other: &Self) {
        let ready_at = self.patience.ready_at.max(other.patience.ready_at);
        self.patience = other.patience.clone();
        self.patience.ready_at = ready_at;
    }

    /// Time for the device to begin its answer.
    pub(super) fn answer_timeout(&self) -> Duration {
        Duration::from_millis(self.profile.link.answer_timeout_ms)
    }

    /// Whether each request is sent twice.
    pub(super) fn must_be_woken(&self) -> bool {
        self.profile.link.wake_up
    }

    /// Gap between an answer and the next request to this device.
    pub(super) fn gap(&self) -> Duration {
        Duration::from_millis(self.profile.link.gap_ms)
    }

    /// Takes the newest wishes and begins what is due.
    pub(super) fn prepare(
        &mut self,
        limit: Option<Milliamps>,
        phases: Option<Phases>,
        now: Instant,
    ) -> Vec<BusEvent> {
        let mut events = std::mem::take(&mut self.news);
        if let Some(limit) = limit {
            events.extend(self.order(limit, now));
        }
        if let Some(phases) = phases {
            self.switch_phases(phases, now);
        }
        self.advance_failsafe(now);
        self.advance_phases(now);
        self.renew_limit(now);
        let polling = matches!(self.health, Health::Watched { .. })
            && !self.patience.probe_first
            && self.walk.is_none();
        if polling && self.cycle.is_none() && self.due <= now {
            events.extend(self.begin_cycle(now));
        }
        events.append(&mut self.news);
        events
    }

    /// What the device waits for; `rest_until`: no quarantined device may be asked before.
    pub(super) fn candidates(&self, rest_until: Option<Instant>) -> Vec<Candidate> {
        let at = |at: Instant, job, due| Candidate {
            at: at.max(self.patience.ready_at),
            job,
            due,
        };
        if let Health::Quarantined { until, .. } = self.health {
            let until = rest_until.map_or(until, |rest| until.max(rest));
            return vec![at(until.max(self.probe_from()), Job::Probe, until)];
        }
        if self.patience.probe_first {
            // Something may be waiting to be written: do not wait for the next poll.
            let due = if self.write.is_some() {
                self.patience.ready_at
            } else {
                self.due
            };
            return vec![at(due.max(self.probe_from()), Job::Probe, due)];
        }
        if self.walk.is_some() {
            return vec![at(self.due, Job::Locate, self.due)];
        }
        let mut candidates = Vec::new();
        if self.heard {
            if let Some(from) = self.limit_write_at() {
                candidates.push(at(from, Job::Write, from));
            }
            if !self.fixed.is_empty() {
                let from = self.patience.ready_at;
                candidates.push(at(from, Job::Fixed, from));
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
    pub(super) fn request(&self, job: Job) -> Option<Asked> {
        match job {
            Job::Write => Some(self.addressed(self.write.as_ref()?.next_write())),
            Job::Fixed => Some(self.addressed(self.fixed.front()?.write())),
            Job::KeepAlive => self.keep_alive_request(),
            Job::Read => {
                let read = self.cycle.as_ref()?.next()?;
                Some(self.asked_of(read.station, read.request()))
            }
            Job::Probe => Some(self.asked_of(false, self.probe_request())),
            Job::Locate => Some(self.asked_of(false, self.walk.as_ref()?.request()?)),
        }
    }

    /// A frame of this device came that nobody waited for. Tells whether it was a late answer.
    pub(super) fn heard_stray(&mut self, now: Instant) -> bool {
        self.patience.heard_stray(now)
    }

    /// Takes the outcome of a job.
    pub(super) fn settle(&mut self, job: Job, asked: &Asked, report: &Report) -> Settled {
        let cost = report.ended - report.started;
        let now = report.ended;
        self.note_asked(asked, now);
        let mut settled = match &report.result {
            Ok(answer) => {
                self.answered(&asked.request, now);
                match job {
                    Job::Write => self.write_answered(asked, answer, now),
                    Job::Fixed => self.fixed_answered(asked, answer, now),
                    Job::Read => self.read_answered(asked, answer, now),
                    Job::KeepAlive => self.keep_alive_answered(asked, answer, now),
                    Job::Probe => self.probe_answered(asked, answer, now, cost),
                    Job::Locate => self.locate_answered(answer, now),
                }
            }
            Err(failure) => {
                let gap = self.gap();
                self.patience.missed(&asked.request, failure, report, gap);
                let timeout = self.answer_timeout();
                let fault = fault::no_answer(failure, asked.unit, &asked.request, timeout);
                self.unanswered(job, failure, fault, now, cost)
            }
        };
        settled.events.append(&mut self.news);
        settled
    }

    /// Any answer: the device is there and wants its gap.
    fn answered(&mut self, request: &Request, ended: Instant) {
        self.heard = true;
        let gap = self.gap();
        self.patience.answered(request, ended, gap);
        self.heard_for_keep_alive(ended);
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
            Job::Fixed => {
                self.fixed_unanswered(failure, &fault, now, &mut settled);
                return settled;
            }
            Job::KeepAlive => {
                self.keep_alive_unanswered(now);
                return settled;
            }
            Job::Read if *failure == Failure::Garbled && self.retry_read() => return settled,
            Job::Read | Job::Probe | Job::Locate => {}
        }
        settled.events.extend(self.fail(&fault, now, cost));
        settled
    }

    /// Goes on with another view of the same registers, or with other registers.
    fn adopt(&mut self, profile: Profile) {
        if profile.registers.len() != self.profile.registers.len() {
            self.image = Image::new(&profile);
            self.registers = vec![RegisterState::default(); profile.registers.len()];
        }
        self.profile = Arc::new(profile);
        self.encode_again();
    }

    /// Whether anything may be written: not before the set-up, and not while the profile in use is
    /// not certain. The same value in the same register means ten times the current to other models.
    fn may_write(&self) -> bool {
        let waits = !self.profile.setup.is_empty()
            || self.profile.word_probe.is_some() && self.config.words.is_none();
        self.recognised && (self.polled || !waits) && !self.is_set_up_under_way()
    }

    fn addressed(&self, write: &Write) -> Asked {
        self.asked_of(write.station, write.request.clone())
    }

    fn asked_of(&self, station: bool, request: Request) -> Asked {
        let own_unit = self.profile.link.station_unit.filter(|_| station);
        Asked {
            unit: own_unit.unwrap_or(self.unit),
            request,
        }
    }

    fn interval(&self) -> Duration {
        let least = self.profile.link.read_interval_ms;
        Duration::from_millis(self.config.poll_interval_ms.max(least).max(1))
    }
}

/// The profile of a device as it is wired, and its unit identifier. `None`: the model has no such
/// connector.
fn wired(config: &BusDevice) -> Option<(Profile, u8)> {
    let as_configured = match config.words {
        Some(words) => config.profile.with_words(words),
        None => Profile::clone(&config.profile),
    };
    let profile = as_configured.for_connector(config.connector)?;
    let by_units = config.profile.connectors.as_ref().is_some_and(
        |connectors| matches!(&connectors.by, ConnectorAddressing::Units(units) if units.contains(&config.unit)),
    );
    let unit = if by_units {
        profile.link.unit
    } else {
        config.unit
    };
    Some((profile, unit))
}

/// Keep-alives come at half their interval: one may get lost.
fn half(interval_ms: u64) -> Duration {
    Duration::from_millis(interval_ms / 2)
}

/// Whether a device that refuses with this code is to be asked again soon.
fn is_worth_waiting(code: ExceptionCode, asked: u32) -> bool {
    code.is_busy() && asked < BUSY_MAX
}
