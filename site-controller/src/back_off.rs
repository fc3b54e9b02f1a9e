//! Pauses between attempts to connect: twice as long each time, short again after a link that held.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ids;

/// A link that stood this long was a good one.
const STABLE_AFTER: Duration = Duration::from_secs(30);

/// The pause that comes next.
#[derive(Debug)]
pub(crate) struct BackOff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl BackOff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// Rests after a link that `stood` so long; `false`: it was told to stop meanwhile.
    pub(crate) async fn rest(&mut self, stood: Duration, stop: &CancellationToken) -> bool {
        if stood >= STABLE_AFTER {
            self.next = self.first;
        }
        let pause = tokio::time::sleep(ids::jitter(self.next));
        self.next = (self.next * 2).min(self.longest);
        stop.run_until_cancelled(pause).await.is_some()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest_and_begin_anew_after_a_good_link() {
        let stop = CancellationToken::new();
        let mut back_off = BackOff::new(Duration::from_secs(1), Duration::from_secs(4));
        for (stood_s, at_most_s) in [(0, 1), (1, 2), (29, 4), (0, 4), (30, 1), (0, 2)] {
            let began = Instant::now();
            assert!(back_off.rest(Duration::from_secs(stood_s), &stop).await);
            let (paused, at_most) = (began.elapsed(), Duration::from_secs(at_most_s));
            // A paused clock moves in whole milliseconds.
            let most = at_most + Duration::from_millis(1);
            assert!((at_most / 2..=most).contains(&paused), "{paused:?}");
        }
        stop.cancel();
        assert!(!back_off.rest(Duration::ZERO, &stop).await);
    }
}
