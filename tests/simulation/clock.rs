//! The machine's wall clock: right, set wrongly by its time service, or unknown, with a leap second at
//! midnight. Remembers what it showed, so that recorded times can be compared with what they may be.

use site_controller::clock::{SystemTime, Trust};
use site_model::WallTime;

const DAY_MS: i64 = 86_400_000;
const LEAP_MS: i64 = 1_000;

/// How the machine takes a leap second at midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leap {
    /// 23:59:60 is shown as 23:59:59 once more: the kernel steps back by a second.
    Repeated,
    /// The time service spreads it over the 24 hours around midnight.
    Smeared,
    /// A second is left out: 00:00:00 follows 23:59:58.
    LeftOut,
}

impl Leap {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Repeated => "fault: leap second, 23:59:59 twice",
            Self::Smeared => "fault: leap second, smeared over a day",
            Self::LeftOut => "fault: leap second, 23:59:59 left out",
        }
    }
}

/// From when on the clock was set like this.
#[derive(Debug, Clone, Copy)]
struct Setting {
    from_ms: u64,
    /// It is this wrong.
    wrong_ms: i64,
    /// Leap seconds that were stepped over.
    stepped_ms: i64,
    /// Records may be ahead: from this time they went on at half speed at most.
    ahead: Option<(i64, u64)>,
}

/// One machine's clock.
#[derive(Debug)]
pub(crate) struct WallClock {
    base_ms: i64,
    leap: Leap,
    midnight_ms: u64,
    known: bool,
    settings: Vec<Setting>,
    /// Records that went on from a time ahead of the clock, and since when.
    went_on: Vec<(i64, u64)>,
    /// When it was set back by more than a day: records fall with it.
    falls_ms: Vec<u64>,
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).expect("a day of milliseconds fits")
}

impl WallClock {
    /// Right, and shows `base_ms` when the world begins.
    pub(crate) fn new(base_ms: i64, rng: &mut fastrand::Rng) -> Self {
        let leaps = [Leap::Repeated, Leap::Smeared, Leap::LeftOut];
        let to_midnight = DAY_MS - base_ms.rem_euclid(DAY_MS);
        Self {
            base_ms,
            leap: leaps[rng.usize(0..leaps.len())],
            midnight_ms: to_midnight.unsigned_abs(),
            known: true,
            settings: vec![Setting {
                from_ms: 0,
                wrong_ms: 0,
                stepped_ms: 0,
                ahead: None,
            }],
            went_on: Vec::new(),
            falls_ms: Vec::new(),
        }
    }

    pub(crate) fn leap(&self) -> Leap {
        self.leap
    }

    pub(crate) fn midnight_ms(&self) -> u64 {
        self.midnight_ms
    }

    /// Whether the machine knows the time.
    pub(crate) fn is_known(&self) -> bool {
        self.known
    }

    /// The machine came up without it.
    pub(crate) fn forget(&mut self) {
        self.known = false;
    }

    /// The time service sets the clock right.
    pub(crate) fn set_right(&mut self, now_ms: u64) {
        self.known = true;
        self.set_wrong(now_ms, 0);
    }

    /// The time service sets the clock, and it is wrong by so much from now on.
    pub(crate) fn set_wrong(&mut self, now_ms: u64, wrong_ms: i64) {
        let stepped_ms = self.last().stepped_ms;
        self.set(now_ms, wrong_ms, stepped_ms);
    }

    /// Midnight with its leap second.
    pub(crate) fn take_leap(&mut self, now_ms: u64) {
        let last = *self.last();
        let step_ms = match self.leap {
            Leap::Repeated => -LEAP_MS,
            Leap::LeftOut => LEAP_MS,
            Leap::Smeared => return,
        };
        self.set(now_ms, last.wrong_ms, last.stepped_ms + step_ms);
    }

    fn set(&mut self, now_ms: u64, wrong_ms: i64, stepped_ms: i64) {
        let latest_ms = self.latest_at(now_ms);
        let mut setting = Setting {
            from_ms: now_ms,
            wrong_ms,
            stepped_ms,
            ahead: None,
        };
        let ahead_ms = latest_ms - self.shows(&setting, now_ms);
        if ahead_ms > DAY_MS {
            self.falls_ms.push(now_ms);
        } else if ahead_ms > 0 {
            setting.ahead = Some((latest_ms, now_ms));
        }
        self.settings.push(setting);
    }

    /// Records went on from `wall_ms`, ahead of the clock: they are caught up with.
    pub(crate) fn note_ahead(&mut self, at_ms: u64, wall_ms: i64) {
        self.went_on.push((wall_ms, at_ms));
    }

    /// What the machine shows to the daemon.
    pub(crate) fn system(&self, now_ms: u64, booted_at_ms: u64) -> SystemTime {
        if self.known {
            SystemTime {
                wall: WallTime(self.shows(self.last(), now_ms)),
                trust: Trust::Confirmed,
            }
        } else {
            SystemTime {
                wall: WallTime(signed(now_ms - booted_at_ms)),
                trust: Trust::None,
            }
        }
    }

    /// The earliest that may be recorded at a moment: what the clock showed.
    pub(crate) fn earliest_at(&self, at_ms: u64) -> i64 {
        let shown = self.around(at_ms).map(|setting| self.shows(setting, at_ms));
        shown.min().expect("there is a first setting")
    }

    /// The latest: ahead of a clock that was set back, by what remains to be caught up with.
    pub(crate) fn latest_at(&self, at_ms: u64) -> i64 {
        let shown = self.around(at_ms).map(|setting| self.shows(setting, at_ms));
        let set_back = self.around(at_ms).filter_map(|setting| setting.ahead);
        let ahead = set_back.chain(self.went_on.iter().copied());
        let ahead = ahead.filter(|(_, since_ms)| *since_ms <= at_ms);
        let slow = ahead.map(|(wall_ms, since_ms)| wall_ms + signed(at_ms - since_ms) / 2);
        shown.chain(slow).max().expect("there is a first setting")
    }

    /// Whether records fell back by days between these moments.
    pub(crate) fn fell_between(&self, from_ms: u64, to_ms: u64) -> bool {
        self.falls_ms
            .iter()
            .any(|at| (from_ms..=to_ms).contains(at))
    }

    /// The settings at a moment: two if it was set just then.
    fn around(&self, at_ms: u64) -> impl Iterator<Item = &Setting> {
        let ends = self.settings.iter().skip(1).map(|next| next.from_ms);
        let ends = ends.chain([u64::MAX]);
        let with_ends = self.settings.iter().zip(ends);
        with_ends
            .filter(move |(setting, ends_ms)| setting.from_ms <= at_ms && at_ms <= *ends_ms)
            .map(|(setting, _)| setting)
    }

    fn shows(&self, setting: &Setting, at_ms: u64) -> i64 {
        let right_ms = self.base_ms + signed(at_ms) - self.smeared_ms(at_ms);
        right_ms + setting.stepped_ms + setting.wrong_ms
    }

    /// How much of a leap second was spread so far, since the world began.
    fn smeared_ms(&self, at_ms: u64) -> i64 {
        if self.leap != Leap::Smeared {
            return 0;
        }
        let begins_ms = signed(self.midnight_ms) - DAY_MS / 2;
        let spread = |at_ms: i64| (at_ms - begins_ms).clamp(0, DAY_MS) * LEAP_MS / DAY_MS;
        spread(signed(at_ms)) - spread(0)
    }

    fn last(&self) -> &Setting {
        self.settings.last().expect("there is a first setting")
    }
}
