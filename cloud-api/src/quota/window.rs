//! One key's count of one UTC clock hour: pure, so that its edges can be tested.

use jiff::Timestamp;

use super::WINDOW_SECONDS;

/// A block is the limit divided by this, and at least 1: what a crash may cost.
const BLOCKS_PER_LIMIT: u64 = 100;

/// What a caller learns about its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Requests per window.
    pub limit: u64,
    /// Requests left in this window.
    pub remaining: u64,
    /// Unix seconds at which the window ends.
    pub resets_at: i64,
}

impl Allowance {
    /// Whole seconds until the window ends, at least 1.
    #[must_use]
    pub fn seconds_left(&self, now: Timestamp) -> u64 {
        u64::try_from(self.resets_at - now.as_second())
            .unwrap_or(1)
            .max(1)
    }

    pub(super) const fn none(limit: u64, hour: i64) -> Self {
        Self {
            limit,
            remaining: 0,
            resets_at: (hour + 1) * WINDOW_SECONDS,
        }
    }
}

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Counted.
    Passed(Allowance),
    /// The limit is reached.
    Exhausted(Allowance),
    /// What was set aside is used up, or of another hour.
    Refill,
    /// The counts were written for good.
    Closed,
}

/// The count of one hour; `used <= reserved`, and `reserved` is what the database says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    hour: i64,
    used: u64,
    reserved: u64,
    closed: bool,
}

impl Default for Window {
    /// Of no hour: the first request loads it.
    fn default() -> Self {
        Self::new(i64::MIN / WINDOW_SECONDS, 0, 0)
    }
}

impl Window {
    pub(super) const fn new(hour: i64, used: u64, reserved: u64) -> Self {
        Self {
            hour,
            used,
            reserved,
            closed: false,
        }
    }

    pub(super) const fn hour(&self) -> i64 {
        self.hour
    }

    pub(super) const fn used(&self) -> u64 {
        self.used
    }

    pub(super) const fn reserved(&self) -> u64 {
        self.reserved
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) const fn with_reserved(self, reserved: u64) -> Self {
        Self { reserved, ..self }
    }

    /// Whether requests of this hour count here: also when the clock stepped back over the full hour.
    pub(super) const fn covers(&self, hour: i64) -> bool {
        self.hour == hour || self.hour == hour + 1
    }

    pub(super) const fn needs_refill(&self, hour: i64, limit: u64) -> bool {
        !self.closed && (!self.covers(hour) || (self.used < limit && self.used >= self.reserved))
    }

    pub(super) const fn take(&mut self, hour: i64, limit: u64) -> Step {
        if self.closed {
            Step::Closed
        } else if self.needs_refill(hour, limit) {
            Step::Refill
        } else if self.used >= limit {
            Step::Exhausted(Allowance::none(limit, self.hour))
        } else {
            self.used += 1;
            let mut allowance = Allowance::none(limit, self.hour);
            allowance.remaining = limit - self.used;
            Step::Passed(allowance)
        }
    }

    /// What `reserved` becomes with the next block; `None` when the limit leaves none.
    pub(super) fn next_reservation(&self, limit: u64) -> Option<u64> {
        let block = (limit / BLOCKS_PER_LIMIT).max(1);
        let wanted = self.reserved.saturating_add(block).min(limit);
        (wanted > self.reserved).then_some(wanted)
    }

    /// Ends counting and answers the last state.
    pub(super) const fn close(&mut self) -> Self {
        self.closed = true;
        *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_one_percent_and_never_less_than_one_nor_beyond_the_limit() {
        assert_eq!(Window::new(1, 0, 0).next_reservation(10_000), Some(100));
        assert_eq!(
            Window::new(1, 0, 9_950).next_reservation(10_000),
            Some(10_000)
        );
        assert_eq!(Window::new(1, 0, 10_000).next_reservation(10_000), None);
        assert_eq!(Window::new(1, 0, 3).next_reservation(50), Some(4));
        assert_eq!(Window::new(1, 0, 0).next_reservation(0), None);
        assert_eq!(Window::new(1, 0, 80).next_reservation(50), None);
    }

    #[test]
    fn what_is_reserved_passes_and_the_limit_refuses() {
        let mut window = Window::new(10, 0, 2);
        let allowance = |remaining| Allowance {
            limit: 3,
            remaining,
            resets_at: 39_600,
        };
        assert_eq!(window.take(10, 3), Step::Passed(allowance(2)));
        assert_eq!(window.take(10, 3), Step::Passed(allowance(1)));
        assert_eq!(window.take(10, 3), Step::Refill);
        window = window.with_reserved(3);
        assert_eq!(window.take(10, 3), Step::Passed(allowance(0)));
        assert_eq!(window.take(10, 3), Step::Exhausted(allowance(0)));
        assert_eq!(window.take(11, 3), Step::Refill);
    }

    #[test]
    fn a_step_back_over_the_full_hour_keeps_counting_in_the_later_one() {
        let mut window = Window::new(10, 1, 1);
        assert_eq!(window.take(9, 1), Step::Exhausted(Allowance::none(1, 10)));
        assert_eq!(window.take(8, 1), Step::Refill);
    }

    #[test]
    fn a_lowered_limit_refuses_at_once_and_a_raised_one_asks_for_more() {
        let mut window = Window::new(10, 5, 10);
        assert_eq!(window.take(10, 5), Step::Exhausted(Allowance::none(5, 10)));
        let mut full = Window::new(10, 5, 5);
        assert_eq!(full.take(10, 9), Step::Refill);
    }

    #[test]
    fn a_closed_window_counts_nothing() {
        let mut window = Window::new(10, 0, 5);
        assert_eq!(
            window.close(),
            Window {
                closed: true,
                ..Window::new(10, 0, 5)
            }
        );
        assert_eq!(window.take(10, 9), Step::Closed);
    }
}
