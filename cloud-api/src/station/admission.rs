//! How often a wrong password may be shown. Only failures count, per station and address: a fleet
//! that comes back after a power cut is let in at once, and nobody can lock another station out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use site_model::ChargePointId;
use tokio::time::Instant;

/// Failures in a row after which a pause begins.
const FAILURES_MAX: u32 = 10;
/// How long the pause is, counted from the latest failure.
const PAUSE: Duration = Duration::from_secs(60);
/// Pairs of station and address that are remembered; at the bound those whose pause is over are
/// forgotten, and where none is, all are.
const REMEMBERED_MAX: usize = 20_000;

/// Failures that are remembered.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<(IpAddr, ChargePointId), (u32, Instant)>>);

impl Failures {
    /// Seconds to wait before the next attempt is looked at; `None` if there is nothing to wait for.
    pub(super) fn pause(&self, address: IpAddr, id: &ChargePointId) -> Option<u64> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, latest) = failures.get(&(address, id.clone()))?;
        let left = PAUSE.checked_sub(latest.elapsed())?;
        (*count >= FAILURES_MAX).then(|| left.as_secs() + 1)
    }

    /// Counts a failure, and answers how many it is by now.
    pub(super) fn count(&self, address: IpAddr, id: &ChargePointId) -> u32 {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= REMEMBERED_MAX {
            failures.retain(|_, (_, latest)| latest.elapsed() < PAUSE);
        }
        if failures.len() >= REMEMBERED_MAX {
            tracing::warn!(
                "Too many stations show wrong passwords to remember each; counting anew"
            );
            failures.clear();
        }
        let entry = failures.entry((address, id.clone()));
        let (count, latest) = entry.or_insert_with(|| (0, Instant::now()));
        if latest.elapsed() >= PAUSE {
            *count = 0;
        }
        *count += 1;
        *latest = Instant::now();
        *count
    }

    /// Forgets the failures of a station that showed the right password.
    pub(super) fn forget(&self, address: IpAddr, id: &ChargePointId) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(&(address, id.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_eleventh_attempt_waits_a_minute_and_others_do_not() {
        let failures = Failures::default();
        let (here, there): (IpAddr, IpAddr) =
            ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let (one, other) = (
            ChargePointId::new("CP1").unwrap(),
            ChargePointId::new("CP2").unwrap(),
        );
        for _ in 0..FAILURES_MAX {
            assert_eq!(failures.pause(here, &one), None);
            failures.count(here, &one);
        }
        assert_eq!(failures.pause(here, &one), Some(61));
        assert_eq!(failures.pause(there, &one), None);
        assert_eq!(failures.pause(here, &other), None);
        tokio::time::advance(PAUSE + Duration::from_millis(1)).await;
        assert_eq!(failures.pause(here, &one), None);
        failures.count(here, &one);
        assert_eq!(failures.pause(here, &one), None, "counted anew");
    }
}
