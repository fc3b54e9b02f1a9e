//! What a transaction's samples come to: which of them arrived, and what its stop tells of them.

use ocpp::v16::{MeterValue, ReadingContext};
use ocpp::{SomeOf, Time};
use site_model::{BootId, SessionId, Timestamp, WattHours};

use crate::sampling::Figure;

/// Sampled values of each kind that a stop tells of a transaction besides its ends; at the bound every
/// second moment is left out, and from then on only half as many are kept.
pub const COLLECTED_MAX: usize = 50;
/// A sample that is due may take so long to be answered.
const ON_ITS_WAY_MS: u64 = 60_000;

/// The register at one end of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// When.
    pub at: Time,
    /// The register.
    pub register: WattHours,
}

impl Ends {
    pub(super) fn value(self, context: ReadingContext) -> Option<MeterValue> {
        let sample = Figure::register(self.register).sample(context);
        Some(MeterValue::new(SomeOf::new(vec![sample]).ok()?, self.at))
    }
}

/// A transaction.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) session: SessionId,
    /// By which the central system knows it.
    pub(super) id: Option<i64>,
    /// Its id was looked up.
    pub(super) asked: bool,
    pub(super) sampled: Collected,
    pub(super) aligned: Collected,
    boot: BootId,
    /// Intervals count from here.
    since_ms: u64,
    /// The interval, and when it is over next.
    due: Option<(u64, u64)>,
    arrived: Option<Arrived>,
}

/// From when to when samples with the register arrived without a gap.
#[derive(Debug, Clone, Copy)]
struct Arrived {
    from_ms: u64,
    to_ms: u64,
    /// The next one is expected.
    goes_on: bool,
}

impl Running {
    pub(super) fn new(session: &SessionId, started: &Timestamp, now: &Timestamp) -> Self {
        let since = if started.boot == now.boot {
            started.monotonic
        } else {
            now.monotonic
        };
        Self {
            session: session.clone(),
            id: None,
            asked: false,
            sampled: Collected::default(),
            aligned: Collected::default(),
            boot: now.boot,
            since_ms: since.0,
            due: None,
            arrived: None,
        }
    }

    /// Whether an interval is over, counted from the start of the transaction. After a silence only one is.
    pub(super) fn is_due(&mut self, now_ms: u64, every_ms: u64) -> bool {
        let Some(intervals) = now_ms.saturating_sub(self.since_ms).checked_div(every_ms) else {
            self.due = None;
            return false;
        };
        let due = self.due.filter(|(every, _)| *every == every_ms);
        let next = self.since_ms + (intervals + 1) * every_ms;
        self.due = Some((every_ms, next));
        due.is_some_and(|(_, due)| due <= now_ms)
    }

    pub(super) fn arrived(&mut self, at_ms: u64) {
        let stretch = self.arrived.filter(|stretch| stretch.goes_on);
        self.arrived = Some(Arrived {
            from_ms: stretch.map_or(at_ms, |stretch| stretch.from_ms),
            to_ms: at_ms,
            goes_on: true,
        });
    }

    /// Samples arrive no longer.
    pub(super) fn gap(&mut self) {
        if let Some(stretch) = &mut self.arrived {
            stretch.goes_on = false;
        }
    }

    /// Whether this moment lies where samples arrive at this interval.
    pub(super) fn covers(&self, at: &Timestamp, every_ms: u64) -> bool {
        let Some(stretch) = self.arrived else {
            return false;
        };
        let ahead_ms = if stretch.goes_on {
            every_ms + ON_ITS_WAY_MS
        } else {
            0
        };
        at.boot == self.boot
            && (stretch.from_ms..=stretch.to_ms + ahead_ms).contains(&at.monotonic.0)
    }

    pub(super) fn has_collected(&self) -> bool {
        !(self.sampled.values.is_empty() && self.aligned.values.is_empty())
    }

    /// What was collected between these ends, in order of time.
    pub(super) fn collected(&self, begin: Option<Ends>, end: Ends) -> Vec<MeterValue> {
        let all = self.sampled.values.iter().chain(&self.aligned.values);
        let within = all.filter(|value| {
            value.timestamp <= end.at && begin.is_none_or(|begin| begin.at <= value.timestamp)
        });
        let mut told: Vec<MeterValue> = within.cloned().collect();
        told.sort_by_key(|value| value.timestamp);
        told
    }
}

/// Samples for the stop of a transaction, evenly over it.
#[derive(Debug)]
pub(super) struct Collected {
    values: Vec<MeterValue>,
    /// Moments so far.
    moments: u64,
    /// Every how manieth is kept.
    stride: u64,
}

impl Default for Collected {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            moments: 0,
            stride: 1,
        }
    }
}

impl Collected {
    pub(super) fn add(&mut self, value: MeterValue) {
        let is_kept = self.moments.is_multiple_of(self.stride);
        self.moments += 1;
        if !is_kept {
            return;
        }
        self.values.push(value);
        while self.samples() > COLLECTED_MAX && self.values.len() > 1 {
            let mut place = 0_usize;
            self.values.retain(|_| {
                place += 1;
                !place.is_multiple_of(2)
            });
            self.stride = self.stride.saturating_mul(2);
        }
    }

    fn samples(&self) -> usize {
        let lengths = self.values.iter().map(|value| value.sampled_value.len());
        lengths.sum()
    }
}
