//! What becomes of a system clock that is set while the daemon runs. Records need a time that never goes
//! back: what began before must not end before it began.
//!
//! Set forward, it is followed at once. Set back by no more than a day, it is caught up with at half
//! speed; set back by more, the time before was no time at all (a clock chip with a dead battery), and
//! it is followed at once. Local time and its changes play no part: all times are UTC, and a leap second
//! is a step of one second like any other.

use site_model::{Monotonic, WallTime};

/// A clock set back by more than this is followed at once.
const CAUGHT_UP_WITH_MS: i64 = 86_400_000;
/// Less than this between two looks is the slewing of a time service.
const STEP_MS: i64 = 2_000;

/// Wall time as it is shown while the right time is known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Steady {
    shown: WallTime,
    /// From where and when it goes at half speed.
    slow_from: Option<(WallTime, Monotonic)>,
    looked: Option<(WallTime, Monotonic)>,
}

impl Steady {
    /// Nothing is shown that is much before this.
    pub(super) fn from(shown: WallTime) -> Self {
        Self {
            shown,
            ..Self::default()
        }
    }

    /// What is shown when the system clock says `system`.
    pub(super) fn show(&mut self, system: WallTime, now: Monotonic) -> WallTime {
        let due = self.slow_from.map_or(self.shown, |(wall, since)| {
            let half = i64::try_from(now.ms_since(since) / 2).unwrap_or(i64::MAX);
            WallTime(wall.0.saturating_add(half))
        });
        if is_caught_up_with(due, system) {
            self.slow_from.get_or_insert((due, now));
            self.shown = due;
        } else {
            self.slow_from = None;
            self.shown = system;
        }
        self.shown
    }

    /// How far what is shown is ahead of the system clock.
    pub(super) fn ahead_ms(&self, system: WallTime) -> u64 {
        u64::try_from(self.shown.0.saturating_sub(system.0)).unwrap_or(0)
    }

    /// By how much the system clock was set since the last look, if it was.
    pub(super) fn step(&mut self, system: WallTime, now: Monotonic) -> Option<i64> {
        let (wall, at) = self.looked.replace((system, now))?;
        let elapsed = i64::try_from(now.ms_since(at)).unwrap_or(i64::MAX);
        let step = system.0.saturating_sub(wall.0).saturating_sub(elapsed);
        (step.abs() >= STEP_MS).then_some(step)
    }
}

/// Whether a system clock that is behind what is shown is waited for, at half speed.
pub(super) fn is_caught_up_with(shown: WallTime, system: WallTime) -> bool {
    (1..=CAUGHT_UP_WITH_MS).contains(&shown.0.saturating_sub(system.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: i64 = 1_763_800_000_000;
    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_clock_set_forward_is_followed_at_once() {
        let mut steady = Steady::from(WallTime(T0));
        assert_eq!(shown(&mut steady, T0 + 10 * HOUR, 5), T0 + 10 * HOUR);
    }

    #[test]
    fn a_clock_set_back_is_caught_up_with_at_half_speed_and_no_time_is_shown_twice_in_reverse() {
        let mut steady = Steady::from(WallTime(T0));
        assert_eq!(shown(&mut steady, T0, 0), T0);
        let mut last = T0;
        for second in 1..=7_300 {
            let system = T0 - HOUR + second * 1_000;
            let now = shown(&mut steady, system, second * 1_000);
            // It slows down when the step is first seen.
            let expected = (T0 + (second - 1) * 500).max(system);
            assert_eq!(now, expected, "second {second}");
            assert!(now >= last);
            assert_eq!(
                i64::try_from(steady.ahead_ms(WallTime(system))).unwrap(),
                now - system
            );
            last = now;
        }
        assert_eq!(
            last,
            T0 - HOUR + 7_300_000,
            "two hours after a step of one hour it is caught up"
        );
    }

    #[test]
    fn many_looks_within_a_millisecond_do_not_stop_the_slow_clock() {
        let mut steady = Steady::from(WallTime(T0));
        for ms in 0..1_000 {
            for _ in 0..3 {
                shown(&mut steady, T0 - HOUR + ms, ms);
            }
        }
        assert_eq!(shown(&mut steady, T0 - HOUR + 1_000, 1_000), T0 + 500);
    }

    #[test]
    fn a_clock_set_back_by_more_than_a_day_is_followed_at_once() {
        let mut steady = Steady::from(WallTime(T0));
        assert_eq!(shown(&mut steady, T0 - 24 * HOUR, 0), T0);
        assert_eq!(
            shown(&mut steady, T0 - 24 * HOUR - 1, 0),
            T0 - 24 * HOUR - 1
        );
    }

    #[test]
    fn steps_are_told_once_and_slewing_is_not() {
        let mut steady = Steady::from(WallTime(T0));
        let mut step = |system: i64, ms| steady.step(WallTime(T0 + system), Monotonic(ms));
        assert_eq!(step(0, 0), None);
        assert_eq!(step(1_500, 1_000), None, "slewed by half a second");
        assert_eq!(step(2_500 + HOUR, 2_000), Some(HOUR));
        assert_eq!(step(3_500 + HOUR, 3_000), None);
        assert_eq!(step(4_500, 4_000), Some(-HOUR));
        // A leap second that is inserted, seen as a step of one second; nothing to tell.
        assert_eq!(step(4_500, 5_000), None);
    }

    fn shown(steady: &mut Steady, system: i64, ms: i64) -> i64 {
        let now = Monotonic(u64::try_from(ms).unwrap());
        steady.show(WallTime(system), now).0
    }
}
