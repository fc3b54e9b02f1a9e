//! How often a password may be tried: per address and per account, whether the account exists or not.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::secret::ServerSecrets;

/// Attempts in a row that an address or an account has.
const ATTEMPTS_IN_A_ROW: u32 = 10;
/// After those an address gets one more every six seconds (ten a minute).
const ADDRESS_REFILL: Duration = Duration::from_secs(6);
/// After those an account gets one more a minute: at most 1 450 guesses a day.
const ACCOUNT_REFILL: Duration = Duration::from_secs(60);
/// Addresses, and accounts, that are remembered at one time (about 2 MiB). At the bound strangers are
/// refused until others are forgotten; those being remembered keep their turns.
const REMEMBERED_MAX: usize = 20_000;
/// What a stranger is told to wait at that bound.
const FULL_WAIT: Duration = Duration::from_secs(60);

/// Too many attempts; the next may come after this many seconds (1 or more).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts; try again in {retry_after_s} s")]
pub struct TooManyAttempts {
    /// Seconds to wait.
    pub retry_after_s: u32,
}

type Limiter<K> = RateLimiter<K, HashMapStateStore<K>, Monotonic, NoOpMiddleware<Duration>>;

/// Counts attempts; clones share the count.
#[derive(Debug, Clone)]
pub struct Attempts(Arc<Limits>);

#[derive(Debug)]
struct Limits {
    clock: Monotonic,
    addresses: Limiter<IpAddr>,
    accounts: Limiter<[u8; 32]>,
    secrets: ServerSecrets,
}

impl Attempts {
    /// Nobody has tried yet.
    #[must_use]
    pub fn new(secrets: ServerSecrets) -> Self {
        let clock = Monotonic(Instant::now());
        Self(Arc::new(Limits {
            addresses: RateLimiter::hashmap_with_clock(quota(ADDRESS_REFILL), clock.clone()),
            accounts: RateLimiter::hashmap_with_clock(quota(ACCOUNT_REFILL), clock.clone()),
            clock,
            secrets,
        }))
    }

    /// Takes one attempt of an address.
    ///
    /// # Errors
    /// [`TooManyAttempts`] with the time to wait.
    pub fn take_of_address(&self, address: IpAddr) -> Result<(), TooManyAttempts> {
        let limits = &*self.0;
        limits.take_one(&limits.addresses, network_of(address))
    }

    /// Takes one attempt of an account, named by its e-mail address.
    ///
    /// # Errors
    /// [`TooManyAttempts`] with the time to wait.
    pub fn take_of_account(&self, email: &str) -> Result<(), TooManyAttempts> {
        let limits = &*self.0;
        let account = limits.secrets.hash("login account", &email.to_lowercase());
        limits.take_one(&limits.accounts, account)
    }
}

impl Limits {
    fn take_one<K>(&self, limiter: &Limiter<K>, key: K) -> Result<(), TooManyAttempts>
    where
        K: Clone + Eq + std::hash::Hash,
    {
        if limiter.len() >= REMEMBERED_MAX {
            limiter.retain_recent();
            if limiter.len() >= REMEMBERED_MAX {
                return Err(wait(FULL_WAIT));
            }
        }
        let later = limiter.check_key(&key);
        later.map_err(|not_until| wait(not_until.wait_time_from(self.clock.now())))
    }
}

/// Who is behind an address: an IPv6 customer has a whole /64 to choose from.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(network.into())
        }
    }
}

fn quota(refill: Duration) -> Quota {
    let burst = NonZeroU32::new(ATTEMPTS_IN_A_ROW).expect("is not 0");
    Quota::with_period(refill)
        .expect("is not 0")
        .allow_burst(burst)
}

/// Rounded up, so that who waits as told gets through.
fn wait(time: Duration) -> TooManyAttempts {
    let seconds = time.as_millis().div_ceil(1_000).max(1);
    TooManyAttempts {
        retry_after_s: u32::try_from(seconds).unwrap_or(u32::MAX),
    }
}

/// Time since the process began to count; nobody can set it back.
#[derive(Debug, Clone)]
struct Monotonic(Instant);

impl governor::clock::Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts() -> Attempts {
        let dir = tempfile::tempdir().unwrap();
        Attempts::new(ServerSecrets::load_or_create(dir.path()).unwrap())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const fn later(retry_after_s: u32) -> Result<(), TooManyAttempts> {
        Err(TooManyAttempts { retry_after_s })
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_ten_attempts_then_one_every_six_seconds() {
        let attempts = attempts();
        let take = || attempts.take_of_address(address("192.0.2.1"));
        for n in 0..ATTEMPTS_IN_A_ROW {
            assert_eq!(take(), Ok(()), "{n}");
        }
        assert_eq!(take(), later(6));
        assert_eq!(attempts.take_of_address(address("192.0.2.2")), Ok(()));
        tokio::time::advance(Duration::from_millis(5_001)).await;
        assert_eq!(take(), later(1));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(take(), Ok(()));
        assert_eq!(take(), later(6));
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_has_ten_attempts_then_one_a_minute_however_it_is_spelled() {
        let attempts = attempts();
        for n in 0..ATTEMPTS_IN_A_ROW {
            assert_eq!(attempts.take_of_account("ida@example.com"), Ok(()), "{n}");
        }
        assert_eq!(attempts.take_of_account("IDA@example.com"), later(60));
        assert_eq!(attempts.take_of_account("bob@example.com"), Ok(()));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(attempts.take_of_account("ida@example.com"), Ok(()));
        assert_eq!(attempts.take_of_account("ida@example.com"), later(60));
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_a_mapped_ipv4_is_itself() {
        let network = network_of(address("2001:db8:1:2:3:4:5:6"));
        assert_eq!(network, address("2001:db8:1:2::"));
        assert_eq!(
            network_of(address("::ffff:192.0.2.1")),
            address("192.0.2.1")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_bound_strangers_wait_until_others_are_forgotten() {
        let attempts = attempts();
        let limits = &*attempts.0;
        for n in 0..REMEMBERED_MAX {
            let n = u32::try_from(n).unwrap();
            limits
                .take_one(&limits.addresses, IpAddr::V4(n.into()))
                .unwrap();
        }
        assert_eq!(attempts.take_of_address(address("192.0.2.1")), later(60));
        tokio::time::advance(ADDRESS_REFILL * 2).await;
        assert_eq!(attempts.take_of_address(address("192.0.2.1")), Ok(()));
        assert_eq!(limits.addresses.len(), 1);
    }
}
