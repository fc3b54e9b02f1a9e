//! The one place that reads the wall clock. Tests hold a clock that stands still until they move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// Where the time comes from; clones show the same time.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    /// Microseconds since 1970-01-01T00:00:00Z.
    Moved(Arc<AtomicI64>),
}

impl Clock {
    /// The clock of the machine.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that shows `at` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn standing_at(at: Timestamp) -> Self {
        Self(Source::Moved(Arc::new(AtomicI64::new(at.as_microsecond()))))
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Moved(micros) => Timestamp::from_microsecond(micros.load(Ordering::SeqCst))
                .expect("only valid timestamps are stored"),
        }
    }

    /// Moves a standing clock, also backwards, for all its clones.
    ///
    /// # Panics
    /// On the system clock, which nobody moves, and beyond the year 9999.
    pub fn advance(&self, by: SignedDuration) {
        let Source::Moved(micros) = &self.0 else {
            panic!("the system clock cannot be moved; use Clock::standing_at");
        };
        let to = self.now().saturating_add(by).expect("a duration in range");
        micros.store(to.as_microsecond(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_clock_moves_only_when_told_and_for_all_its_clones() {
        let start: Timestamp = "2026-11-22T10:59:59Z".parse().unwrap();
        let clock = Clock::standing_at(start);
        let clone = clock.clone();
        assert_eq!(clone.now(), start);

        clock.advance(SignedDuration::from_millis(1_500));
        assert_eq!(clone.now().to_string(), "2026-11-22T11:00:00.5Z");
        clone.advance(SignedDuration::from_hours(-1));
        assert_eq!(clock.now().to_string(), "2026-11-22T10:00:00.5Z");
    }
}
