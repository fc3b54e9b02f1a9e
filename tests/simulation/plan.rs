//! What a seed's day holds: cars, orders and faults, all drawn before it begins.

use fastrand::Rng;
use site_model::WattHours;

use crate::place::PLACES;

/// A day.
pub(crate) const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;
/// Cars at each connector; 6 × 4 = 24.
const CARS: usize = 4;

/// Everything that can go wrong besides what devices do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The process dies.
    Crash,
    /// The machine loses its power; what was not synced is lost in part, a write may be torn.
    PowerCut,
    /// The power goes in the middle of a commit.
    TornCommit,
    /// The daemon is stopped and a later one started on the same file.
    Update,
    /// No space.
    DiskFull,
    /// Mounted read-only.
    DiskReadOnly,
    /// The disk answers after a minute.
    DiskSlow,
    /// Nobody reaches the broker.
    Partition,
    /// The broker is down and forgets what it has not passed on.
    BrokerDown,
    /// The cloud's process is down.
    CloudDown,
    /// The cloud goes on from its backup of an hour ago.
    CloudRestored,
    /// The charge points' central system is away.
    CsmsDown,
    /// It takes minutes to answer.
    CsmsSlow,
    /// Its answers are lost, come twice, or on another socket.
    CsmsFlaky,
    /// It refuses every second message.
    CsmsRefuses,
    /// It goes on from its backup of an hour ago.
    CsmsRestored,
    /// The broker passes messages on twice and late.
    Disorder,
    /// A charger is silent.
    Silence,
    /// A charger loses its power for a moment.
    Reboot,
    /// A charger tells nonsense once.
    WrongAnswer,
    /// The machine comes up in 1970 and learns the time later.
    BootIn1970,
    /// The time service sets the clock forward, and later right again.
    ClockForward,
    /// The time service sets the clock back, and later right again.
    ClockBack,
    /// An older daemon is started on the file of a newer one, then the newer again.
    OlderDaemon,
}

impl Fault {
    pub(crate) const ALL: [Self; 24] = [
        Self::Crash,
        Self::PowerCut,
        Self::TornCommit,
        Self::Update,
        Self::DiskFull,
        Self::DiskReadOnly,
        Self::DiskSlow,
        Self::Partition,
        Self::BrokerDown,
        Self::CloudDown,
        Self::CloudRestored,
        Self::CsmsDown,
        Self::CsmsSlow,
        Self::CsmsFlaky,
        Self::CsmsRefuses,
        Self::CsmsRestored,
        Self::Disorder,
        Self::Silence,
        Self::Reboot,
        Self::WrongAnswer,
        Self::BootIn1970,
        Self::ClockForward,
        Self::ClockBack,
        Self::OlderDaemon,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Crash => "fault: crash",
            Self::PowerCut => "fault: power cut",
            Self::TornCommit => "fault: power cut in a commit",
            Self::Update => "fault: daemon updated",
            Self::DiskFull => "fault: disk full",
            Self::DiskReadOnly => "fault: disk read-only",
            Self::DiskSlow => "fault: disk slow",
            Self::Partition => "fault: partition",
            Self::BrokerDown => "fault: broker down",
            Self::CloudDown => "fault: cloud down",
            Self::CloudRestored => "fault: cloud restored from a backup",
            Self::CsmsDown => "fault: central system down",
            Self::CsmsSlow => "fault: central system slow",
            Self::CsmsFlaky => "fault: central system's answers lost, twice and late",
            Self::CsmsRefuses => "fault: central system refuses",
            Self::CsmsRestored => "fault: central system restored from a backup",
            Self::Disorder => "fault: messages twice and late",
            Self::Silence => "fault: device silent",
            Self::Reboot => "fault: device rebooted",
            Self::WrongAnswer => "fault: device answers wrongly",
            Self::BootIn1970 => "fault: boot in 1970",
            Self::ClockForward => "fault: clock set forward and right again",
            Self::ClockBack => "fault: clock set back and right again",
            Self::OlderDaemon => "fault: older daemon on a newer journal",
        }
    }

    /// How long it lasts; a moment where that is none.
    pub(crate) fn lasts_ms(self, rng: &mut Rng) -> u64 {
        let minutes = match self {
            Self::Crash | Self::Update | Self::OlderDaemon => return rng.u64(2_000..40_000),
            Self::PowerCut | Self::TornCommit => return rng.u64(5_000..20 * MINUTE_MS),
            Self::BootIn1970 => return rng.u64(30_000..40 * MINUTE_MS),
            Self::DiskFull | Self::DiskReadOnly => 1..60,
            Self::DiskSlow => 1..10,
            Self::Partition | Self::BrokerDown | Self::ClockForward | Self::ClockBack => 1..180,
            Self::CloudDown => 1..40,
            Self::CloudRestored | Self::CsmsRestored => return 60 * MINUTE_MS,
            Self::CsmsDown => 5..300,
            Self::CsmsSlow | Self::CsmsRefuses => 1..40,
            Self::CsmsFlaky => 10..120,
            Self::Disorder => 10..240,
            Self::Silence => 1..90,
            Self::Reboot | Self::WrongAnswer => return 0,
        };
        rng.u64(minutes) * MINUTE_MS
    }
}

/// A car's stay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) place: usize,
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    pub(crate) wants: WattHours,
    /// When a start is ordered after plugging in, where one is.
    pub(crate) ordered_after_ms: Option<u64>,
    /// When a stop is ordered, where one is.
    pub(crate) stopped_after_ms: Option<u64>,
}

/// When a fault begins and how long it lasts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strike {
    pub(crate) fault: Fault,
    pub(crate) at_ms: u64,
    pub(crate) lasts_ms: u64,
    pub(crate) place: usize,
}

/// The cars of the day: none stays past its end.
pub(crate) fn visits(rng: &mut Rng) -> Vec<Visit> {
    let mut visits = Vec::new();
    for place in 0..PLACES {
        let slot = DAY_MS / u64::try_from(CARS).unwrap_or(1);
        let mut begins = 0;
        for _ in 0..CARS {
            let from_ms = begins + rng.u64(MINUTE_MS..slot / 2);
            // Some cars come right after the one before, some stay but a moment.
            let stays = match rng.u8(0..8) {
                0 => rng.u64(20_000..5 * MINUTE_MS),
                _ => rng.u64(10 * MINUTE_MS..begins + slot - from_ms),
            };
            let to_ms = from_ms + stays;
            visits.push(Visit {
                place,
                from_ms,
                to_ms,
                wants: WattHours(rng.u64(1_000..30_000)),
                ordered_after_ms: (rng.u8(0..10) > 0).then(|| rng.u64(0..90_000)),
                stopped_after_ms: (rng.u8(0..4) == 0).then(|| rng.u64(0..stays)),
            });
            begins = if rng.bool() {
                begins + slot
            } else {
                (to_ms + 1).max(begins + slot)
            };
        }
    }
    visits
}

/// Every fault at least once, some twice.
pub(crate) fn strikes(rng: &mut Rng) -> Vec<Strike> {
    let mut strikes = Vec::new();
    for fault in Fault::ALL {
        for _ in 0..rng.u8(1..3) {
            strikes.push(Strike {
                fault,
                at_ms: rng.u64(10 * MINUTE_MS..DAY_MS - 4 * 60 * MINUTE_MS),
                lasts_ms: fault.lasts_ms(rng),
                place: rng.usize(0..PLACES),
            });
        }
    }
    strikes
}
