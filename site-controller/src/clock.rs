//! The only place that reads clocks. Two of them: monotonic since the daemon's start, and wall time,
//! which never starts before the later of build time and the last stored fact.
//!
//! Wall time is known once the system clock is synchronised. Until then it counts on from its floor,
//! and the step to the right time is told once, so that recorded times can be corrected. Once it is
//! known it never goes back (`steady`), and how well it is kept is told to people ([`Health`]).

mod steady;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use site_model::{BootId, Monotonic, Timestamp, WallTime};
use tokio::time::Instant;

use steady::{Steady, is_caught_up_with};

/// When this program was built (or the date of its source, for reproducible builds).
const BUILT_AT_S: &str = env!("DYNAMO_BUILT_AT_S");
/// systemd-timesyncd makes this directory at its start …
const TIMESYNC_DIR: &str = "/run/systemd/timesync";
/// … and touches this file once the clock is synchronised (systemd-timesyncd.service(8)).
const TIMESYNC_FILE: &str = "/run/systemd/timesync/synchronized";

/// What the system says the time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemTime {
    /// Its wall clock.
    pub wall: WallTime,
    /// How far to believe it.
    pub trust: Trust,
}

/// How far to believe the system's wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The time service says that it is synchronised.
    Confirmed,
    /// There is no time service to ask: believed unless it lies before the floor.
    Plausible,
    /// The time service says that it is not synchronised yet.
    None,
}

impl SystemTime {
    fn believed(self, floor: WallTime) -> bool {
        match self.trust {
            Trust::Confirmed => true,
            Trust::Plausible => self.wall >= floor,
            Trust::None => false,
        }
    }
}

type Source = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Both clocks; cheap to clone.
#[derive(Clone)]
pub struct Clock {
    boot: BootId,
    started: Instant,
    built_at: WallTime,
    source: Source,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// Wall time at `started` while the right time is unknown.
    floor: WallTime,
    known: bool,
    steady: Steady,
    last_step_ms: Option<i64>,
}

/// How well the time is kept, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// Since the time service last set the system clock; `None` where that cannot be told.
    pub synchronised_ms_ago: Option<u64>,
    /// By how much the clock may have drifted since then (`DRIFT_PPM`).
    pub drift_ms: Option<u64>,
    /// How far recorded times are ahead of the system clock that was set back.
    pub ahead_ms: u64,
    /// By how much the system clock was set last while the daemon ran.
    pub last_step_ms: Option<i64>,
}

/// Frequency tolerance of a clock between two corrections (RFC 5905, section 4: PHI = 15 ppm).
const DRIFT_PPM: u64 = 15;

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock")
            .field("boot", &self.boot)
            .finish_non_exhaustive()
    }
}

impl Clock {
    /// The machine's clocks, for a new boot of the daemon.
    #[must_use]
    pub fn system(boot: BootId) -> Self {
        Self::with_source(boot, Arc::new(system_time))
    }

    /// Clocks with another source of wall time.
    #[must_use]
    pub fn with_source(boot: BootId, source: Source) -> Self {
        Self::of_build(built_at(), boot, source)
    }

    /// The same, of a program that was built at another time.
    #[must_use]
    pub fn of_build(built_at: WallTime, boot: BootId, source: Source) -> Self {
        let first = source();
        let state = State {
            floor: first.wall.max(built_at),
            known: first.believed(built_at),
            steady: Steady::from(first.wall),
            last_step_ms: None,
        };
        Self {
            boot,
            started: Instant::now(),
            built_at,
            source,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Wall time is never before this, the last moment that was recorded. Called once, before the first use.
    pub fn not_before(&self, recorded: WallTime) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.floor = state.floor.max(recorded);
        let system = (self.source)();
        state.known = system.believed(recorded.max(self.built_at));
        state.steady = Steady::from(system.wall.max(recorded));
    }

    /// Now, on both clocks.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let monotonic = self.monotonic();
        let wall = if state.known {
            state.steady.show((self.source)().wall, monotonic)
        } else {
            counted(state.floor, monotonic)
        };
        Timestamp {
            boot: self.boot,
            monotonic,
            wall,
            wall_known: state.known,
        }
    }

    /// Looks whether the right time became known. If so: what must be added to the times recorded so far.
    #[must_use]
    pub fn became_known(&self) -> Option<i64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.known {
            return None;
        }
        let system = (self.source)();
        let counted = counted(state.floor, self.monotonic());
        if !system.believed(counted) {
            return None;
        }
        // What was recorded before is not passed backwards.
        let right = if is_caught_up_with(counted, system.wall) {
            counted
        } else {
            system.wall
        };
        state.known = true;
        state.steady = Steady::from(right);
        Some(right.0 - counted.0)
    }

    /// Looks whether the system clock was set since the last look, and by how much.
    #[must_use]
    pub fn stepped(&self) -> Option<i64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let step = state.steady.step((self.source)().wall, self.monotonic());
        if let (Some(step), true) = (step, state.known) {
            state.last_step_ms = Some(step);
            return Some(step);
        }
        None
    }

    /// How well the time is kept, if the time service set the system clock last at `synchronised`.
    #[must_use]
    pub fn health(&self, synchronised: Option<WallTime>) -> Health {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let system = (self.source)().wall;
        let since = |at: WallTime| u64::try_from(system.0.saturating_sub(at.0)).unwrap_or(0);
        let synchronised_ms_ago = synchronised.map(since);
        Health {
            synchronised_ms_ago,
            drift_ms: synchronised_ms_ago.map(|ms| ms / (1_000_000 / DRIFT_PPM)),
            ahead_ms: if state.known {
                state.steady.ahead_ms(system)
            } else {
                0
            },
            last_step_ms: state.last_step_ms,
        }
    }

    /// The moment on tokio's clock at which this one shows `monotonic`.
    #[must_use]
    pub fn instant(&self, monotonic: Monotonic) -> Instant {
        self.started + std::time::Duration::from_millis(monotonic.0)
    }

    fn monotonic(&self) -> Monotonic {
        let elapsed = self.started.elapsed().as_millis();
        Monotonic(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }
}

fn counted(floor: WallTime, since: Monotonic) -> WallTime {
    WallTime(
        floor
            .0
            .saturating_add(i64::try_from(since.0).unwrap_or(i64::MAX)),
    )
}

fn built_at() -> WallTime {
    WallTime(BUILT_AT_S.parse::<i64>().unwrap_or(0).saturating_mul(1000))
}

/// When systemd-timesyncd last set the clock; `None` where it does not run or did not yet.
#[must_use]
pub fn synchronised_at() -> Option<WallTime> {
    let touched = std::fs::metadata(TIMESYNC_FILE).ok()?.modified().ok()?;
    let since_1970 = touched.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since_1970.as_millis()).ok().map(WallTime)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this module is the one that reads the wall clock"
)]
fn system_time() -> SystemTime {
    let since_1970 = std::time::SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    SystemTime {
        wall: WallTime(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)),
        trust: trust(Path::new(TIMESYNC_DIR), Path::new(TIMESYNC_FILE)),
    }
}

/// With systemd-timesyncd its own word counts. Without it another service (chrony, ntpd, a
/// hypervisor) may keep the clock: then the time is believed unless it lies before the floor.
fn trust(service: &Path, synchronised: &Path) -> Trust {
    match (service.exists(), synchronised.exists()) {
        (_, true) => Trust::Confirmed,
        (true, false) => Trust::None,
        (false, false) => Trust::Plausible,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LATER: i64 = 4_000_000_000_000;

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_boots_in_1970_counts_from_the_last_fact_until_the_time_is_known() {
        let (clock, system) = movable(0, Trust::None);
        clock.not_before(WallTime(LATER));
        tokio::time::advance(Duration::from_secs(5)).await;
        let recorded = clock.now();
        assert_eq!(
            (recorded.wall, recorded.wall_known),
            (WallTime(LATER + 5_000), false)
        );
        assert_eq!(clock.became_known(), None);

        set(&system, LATER + 86_405_000, Trust::Confirmed);
        assert_eq!(clock.became_known(), Some(86_400_000));
        assert_eq!(clock.became_known(), None, "told once");
        let known = clock.now();
        assert_eq!(
            (known.wall, known.wall_known),
            (WallTime(LATER + 86_405_000), true)
        );
        assert_eq!(known.monotonic, Monotonic(5_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_count_that_is_ahead_of_the_right_time_is_not_taken_back_but_caught_up_with() {
        const DAY: i64 = 86_400_000;
        for (ahead, offset) in [(60_000, 0), (DAY, 0), (DAY + 1, -DAY - 1)] {
            let (clock, system) = movable(0, Trust::None);
            clock.not_before(WallTime(LATER + ahead));
            tokio::time::advance(Duration::from_secs(5)).await;
            let recorded = clock.now().wall;
            set(&system, LATER + 5_000, Trust::Confirmed);
            assert_eq!(clock.became_known(), Some(offset), "{ahead} ms ahead");
            assert_eq!(clock.now().wall, WallTime(recorded.0 + offset));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_time_service_a_clock_behind_the_last_fact_is_not_believed() {
        let (clock, system) = movable(LATER, Trust::Plausible);
        assert!(clock.now().wall_known);
        clock.not_before(WallTime(LATER + 1));
        let now = clock.now();
        assert_eq!((now.wall, now.wall_known), (WallTime(LATER + 1), false));
        assert_eq!(clock.became_known(), None);
        set(&system, LATER + 2, Trust::Plausible);
        assert_eq!(clock.became_known(), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_confirmed_clock_is_believed_even_behind_the_last_fact_but_caught_up_with() {
        let (clock, system) = movable(LATER, Trust::Confirmed);
        clock.not_before(WallTime(LATER + 60_000));
        let now = clock.now();
        assert_eq!((now.wall, now.wall_known), (WallTime(LATER + 60_000), true));
        tokio::time::advance(Duration::from_secs(40)).await;
        set(&system, LATER + 40_000, Trust::Confirmed);
        assert_eq!(clock.now().wall, WallTime(LATER + 80_000));
        assert_eq!(clock.health(None).ahead_ms, 40_000);
        tokio::time::advance(Duration::from_secs(80)).await;
        set(&system, LATER + 120_000, Trust::Confirmed);
        assert_eq!(clock.now().wall, WallTime(LATER + 120_000));
        assert_eq!(clock.health(None).ahead_ms, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_while_the_daemon_runs_is_told_and_never_goes_back() {
        let (clock, system) = movable(LATER, Trust::Confirmed);
        assert_eq!(clock.stepped(), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        set(&system, LATER + 3_601_000, Trust::Confirmed);
        assert_eq!(clock.stepped(), Some(3_600_000));
        assert_eq!(clock.now().wall, WallTime(LATER + 3_601_000));
        tokio::time::advance(Duration::from_secs(1)).await;
        set(&system, LATER + 2_000, Trust::Confirmed);
        assert_eq!(clock.stepped(), Some(-3_600_000));
        assert_eq!(clock.now().wall, WallTime(LATER + 3_601_000));
        assert_eq!(clock.health(None).last_step_ms, Some(-3_600_000));
    }

    #[test]
    fn since_when_the_clock_runs_by_itself_and_what_that_may_come_to_is_told() {
        let (clock, _system) = movable(LATER, Trust::Confirmed);
        assert_eq!(clock.health(None), Health::default());
        let health = Health {
            synchronised_ms_ago: Some(86_407_000),
            drift_ms: Some(1_296),
            ..Health::default()
        };
        assert_eq!(clock.health(Some(WallTime(LATER - 86_407_000))), health);
    }

    #[test]
    fn the_time_service_has_the_word_where_there_is_one() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("synchronized");
        assert_eq!(trust(dir.path(), &file), Trust::None);
        std::fs::write(&file, "").unwrap();
        assert_eq!(trust(dir.path(), &file), Trust::Confirmed);
        let absent = dir.path().join("absent");
        assert_eq!(trust(&absent, &absent), Trust::Plausible);
    }

    fn movable(wall: i64, trust: Trust) -> (Clock, Arc<Mutex<SystemTime>>) {
        let wall = WallTime(wall);
        let system = Arc::new(Mutex::new(SystemTime { wall, trust }));
        let read = Arc::clone(&system);
        let clock = Clock::with_source(BootId(1), Arc::new(move || *read.lock().unwrap()));
        (clock, system)
    }

    fn set(system: &Mutex<SystemTime>, wall: i64, trust: Trust) {
        let wall = WallTime(wall);
        *system.lock().unwrap() = SystemTime { wall, trust };
    }
}
