//! Charging profiles: each rule by example, and composite schedules against a naive reference.
#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

mod by_the_book;
mod reference;
mod refusals;

use ocpp::v16::{
    ChargingProfile, ChargingProfileKind, ChargingProfilePurpose, ChargingRateUnit,
    ChargingSchedule, ChargingSchedulePeriod,
};
use ocpp::{Tenths, Time};
use station::profiles::{ConnectorNow, Electrics, ProfileRules, Profiles, Transaction};

/// 2026-11-22T08:00:00Z, a Sunday.
const NOW_S: i64 = 1_795_334_400;

fn at(seconds_from_now: i64) -> Time {
    Time::from_unix_ms((NOW_S + seconds_from_now) * 1000).unwrap()
}

fn rules() -> ProfileRules {
    ProfileRules {
        connectors: 2,
        stack_level_max: 3,
        periods_max: 6,
        installed_max: 5,
        units: vec![ChargingRateUnit::A, ChargingRateUnit::W],
    }
}

fn profiles() -> Profiles {
    Profiles::new(rules())
}

const ELECTRICS: Electrics = Electrics {
    voltage_mv: 230_000,
    phases: 3,
    switches_phases: false,
    max: Tenths(320),
};

fn running(started: i64) -> Transaction {
    Transaction {
        started: at(started),
        id: Some(7),
    }
}

/// A profile without an end: id, purpose, kind, and periods of (start in s, limit in A).
fn profile(
    id: i64,
    purpose: ChargingProfilePurpose,
    kind: ChargingProfileKind,
    periods: &[(i64, i64)],
) -> ChargingProfile {
    let period =
        |(start, amps): &(i64, i64)| ChargingSchedulePeriod::new(Tenths(amps * 10), *start);
    let schedule = ChargingSchedule::new(ChargingRateUnit::A, periods.iter().map(period).collect());
    ChargingProfile::new(id, kind, purpose, schedule, 0)
}

/// The composite of a connector in amperes, as (start in s, limit in A), and its duration.
fn composite(
    profiles: &Profiles,
    connector: i64,
    seconds: i64,
    transaction: Option<Transaction>,
) -> (Vec<(i64, i64)>, Option<i64>) {
    let connectors = [ConnectorNow {
        transaction,
        electrics: ELECTRICS,
    }; 2];
    let composite = profiles
        .composite(at(0), connector, seconds, None, &connectors)
        .unwrap();
    assert_eq!(composite.start, at(0));
    let periods = composite.schedule.charging_schedule_period.iter();
    let periods = periods
        .map(|period| (period.start_period, period.limit.0 / 10))
        .collect();
    (periods, composite.schedule.duration)
}
