//! What profiles leave the connectors, and whose transaction a `TxProfile` is for.
#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::time::Duration;

use ocpp::v16::ChargingProfileKind::{Absolute, Relative};
use ocpp::v16::ChargingProfilePurpose::{ChargePointMaxProfile, TxDefaultProfile, TxProfile};
use ocpp::v16::{
    ChargingProfile, ChargingProfileKind, ChargingProfilePurpose, ChargingRateUnit,
    ChargingSchedule, ChargingSchedulePeriod, ClearChargingProfileRequest,
    GetCompositeScheduleRequest,
};
use ocpp::{Tenths, Time};
use site_model::{BootId, Milliamps, Monotonic, SessionId, Timestamp, WallTime};
use station::charging::{Charging, Kept, Running, Seen};
use station::profiles::{CompositeRefused, Electrics, ProfileRefused, ProfileRules};

/// 2026-11-22T08:00:00Z.
const NOW_S: i64 = 1_795_334_400;
/// Monotonic time then.
const SINCE_BOOT_S: i64 = 100_000;

/// Seconds from now, in the same boot.
fn moment(seconds: i64) -> Timestamp {
    Timestamp {
        boot: BootId(1),
        monotonic: Monotonic(u64::try_from((SINCE_BOOT_S + seconds) * 1000).unwrap()),
        wall: WallTime((NOW_S + seconds) * 1000),
        wall_known: true,
    }
}

fn time(seconds: i64) -> Time {
    Time::from_unix_ms((NOW_S + seconds) * 1000).unwrap()
}

fn electrics(phases: u8) -> Electrics {
    Electrics {
        voltage_mv: 230_000,
        phases,
        switches_phases: false,
        max: Tenths(320),
    }
}

fn charging(connectors: u8) -> Charging {
    let rules = ProfileRules {
        connectors,
        stack_level_max: 3,
        periods_max: 6,
        installed_max: 5,
        units: ChargingRateUnit::ALL.to_vec(),
    };
    let all: Vec<Electrics> = (0..connectors).map(|_| electrics(3)).collect();
    Charging::new(rules, &all)
}

/// Periods are (start in s, limit in A).
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

fn watts(id: i64, purpose: ChargingProfilePurpose, limit: i64) -> ChargingProfile {
    let mut profile = profile(id, purpose, Absolute, &[(0, limit)]);
    profile.charging_schedule.charging_rate_unit = ChargingRateUnit::W;
    profile.charging_schedule.start_schedule = Some(time(-60));
    profile
}

fn session(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

fn runs(name: &str, started: i64) -> Seen {
    Seen {
        session: Some(Running {
            session: session(name),
            started: moment(started),
        }),
        authorized: true,
    }
}

fn idle() -> Seen {
    Seen::default()
}

fn waiting() -> Seen {
    Seen {
        session: None,
        authorized: true,
    }
}

/// Milliamperes by connector.
fn limits(charging: &Charging, at: i64) -> Vec<Option<u32>> {
    limits_at(charging, &moment(at))
}

fn limits_at(charging: &Charging, now: &Timestamp) -> Vec<Option<u32>> {
    let limits = charging.limits(now).into_iter();
    limits
        .map(|(_, limit)| limit.map(|Milliamps(limit)| limit))
        .collect()
}

#[test]
fn watts_are_amperes_of_every_phase_rounded_down() {
    for (phases, expected) in [(3, 10_700), (2, 16_000), (1, 32_100)] {
        let rules = ProfileRules {
            connectors: 1,
            stack_level_max: 3,
            periods_max: 6,
            installed_max: 5,
            units: ChargingRateUnit::ALL.to_vec(),
        };
        let mut one = Charging::new(rules, &[electrics(phases)]);
        assert_eq!(limits(&one, 0), [None]);
        one.set(time(0), 1, watts(1, TxDefaultProfile, 7_400), None)
            .unwrap();
        assert_eq!(limits(&one, 0), [Some(expected)], "{phases} phases");
    }
}

#[test]
fn the_connectors_share_what_the_charge_point_may_take() {
    let mut two = charging(2);
    two.set(
        time(0),
        0,
        profile(1, ChargePointMaxProfile, Absolute, &[(0, 21)]),
        None,
    )
    .unwrap();
    assert_eq!(limits(&two, 0), [Some(10_500), Some(10_500)]);
    two.set(
        time(0),
        1,
        profile(2, TxDefaultProfile, Relative, &[(0, 8)]),
        None,
    )
    .unwrap();
    assert_eq!(
        limits(&two, 0),
        [Some(8_000), Some(10_500)],
        "nobody is given what another leaves"
    );
}

#[test]
fn a_profile_of_a_transaction_goes_with_its_session() {
    let mut two = charging(2);
    assert!(!two.follow(&[runs("a", -30), runs("b", -20)]));
    let default = profile(1, TxDefaultProfile, Relative, &[(0, 20)]);
    two.set(time(0), 0, default, None).unwrap();
    let of_a = profile(2, TxProfile, Relative, &[(0, 10), (60, 12)]);
    two.set(time(0), 1, of_a, None).unwrap();
    assert_eq!(limits(&two, 0), [Some(10_000), Some(20_000)]);
    assert_eq!(limits(&two, 29), [Some(10_000), Some(20_000)]);
    assert_eq!(limits(&two, 30), [Some(12_000), Some(20_000)]);
    assert!(!two.follow(&[runs("a", -30), idle()]), "it is not b's");
    assert_eq!(limits(&two, 30)[0], Some(12_000));
    assert!(two.follow(&[idle(), idle()]), "the file is to forget it");
    assert_eq!(limits(&two, 30), [Some(20_000), Some(20_000)]);
    assert_eq!(two.kept().len(), 1);
}

#[test]
fn a_profile_that_names_a_transaction_is_for_that_one_only() {
    let mut one = charging(1);
    let mut named = profile(1, TxProfile, Relative, &[(0, 10)]);
    named.transaction_id = Some(77);
    let a = session("a");
    let set = |one: &mut Charging, session| one.set(time(0), 1, named.clone(), session);
    assert_eq!(set(&mut one, Some(&a)), Err(ProfileRefused::NoTransaction));
    one.follow(&[runs("a", -30)]);
    assert_eq!(
        set(&mut one, None),
        Err(ProfileRefused::OtherTransaction(77))
    );
    let b = session("b");
    assert_eq!(
        set(&mut one, Some(&b)),
        Err(ProfileRefused::OtherTransaction(77))
    );
    assert_eq!(set(&mut one, Some(&a)), Ok(()));
    assert_eq!(limits(&one, 0), [Some(10_000)]);
}

#[test]
fn a_profile_that_comes_with_a_start_waits_for_its_transaction_and_rules_it() {
    let mut one = charging(1);
    let default = profile(1, TxDefaultProfile, Relative, &[(0, 20)]);
    one.set(time(0), 1, default, None).unwrap();
    one.follow(&[idle()]);
    let with_start = profile(2, TxProfile, Relative, &[(0, 8), (60, 10)]);
    one.expect(time(0), 1, with_start.clone()).unwrap();
    assert_eq!(limits(&one, 30), [Some(8_000)], "before anything may flow");
    assert_eq!(limits(&one, 600), [Some(8_000)], "its time has not begun");
    assert!(!one.follow(&[waiting()]));
    assert!(one.follow(&[runs("a", 10)]), "now it is that session's");
    assert_eq!(limits(&one, 69), [Some(8_000)]);
    assert_eq!(limits(&one, 70), [Some(10_000)]);
    assert_eq!(one.kept()[1].session, Some(session("a")));
    assert_eq!(
        one.expect(time(80), 1, with_start.clone()),
        Err(ProfileRefused::TransactionRuns)
    );
    assert!(one.follow(&[idle()]));
    assert_eq!(limits(&one, 90), [Some(20_000)]);

    one.expect(time(0), 1, with_start).unwrap();
    let second = profile(3, TxProfile, Relative, &[(0, 9)]);
    one.expect(time(0), 1, second).unwrap();
    assert_eq!(limits(&one, 0), [Some(9_000)], "the later start rules");
    assert_eq!(one.kept().len(), 2);
    assert!(one.follow(&[idle()]), "nobody came");
    assert_eq!(limits(&one, 0), [Some(20_000)]);
}

#[test]
fn only_a_profile_for_the_transaction_to_come_may_come_with_a_start() {
    let mut one = charging(1);
    let refused = |one: &mut Charging, connector, profile| {
        let refused = one.expect(time(0), connector, profile).unwrap_err();
        assert!(one.is_empty());
        refused
    };
    let default = profile(1, TxDefaultProfile, Relative, &[(0, 20)]);
    assert_eq!(
        refused(&mut one, 1, default),
        ProfileRefused::NotForStart(TxDefaultProfile)
    );
    let mut named = profile(1, TxProfile, Relative, &[(0, 20)]);
    named.transaction_id = Some(7);
    assert_eq!(
        refused(&mut one, 1, named),
        ProfileRefused::OtherTransaction(7)
    );
    let nowhere = profile(1, TxProfile, Relative, &[(0, 20)]);
    assert_eq!(
        refused(&mut one, 2, nowhere),
        ProfileRefused::NoSuchConnector(2)
    );
}

#[test]
fn after_a_restart_profiles_hold_for_the_sessions_that_still_run() {
    let mut before = charging(2);
    before.follow(&[runs("a", -30), idle()]);
    let of_a = profile(1, TxProfile, Relative, &[(0, 10)]);
    before.set(time(0), 1, of_a, None).unwrap();
    let awaited = profile(2, TxProfile, Relative, &[(0, 12)]);
    before.expect(time(0), 2, awaited).unwrap();
    let default = profile(3, TxDefaultProfile, Relative, &[(0, 20)]);
    before.set(time(0), 0, default, None).unwrap();
    let kept = before.kept();
    let owners: Vec<Option<SessionId>> = kept.iter().map(|kept| kept.session.clone()).collect();
    assert_eq!(owners, [Some(session("a")), None, None]);

    let after = |seen: [Seen; 2]| {
        let mut after = charging(2);
        for kept in kept.clone() {
            assert!(after.restore(kept));
        }
        after.follow(&seen);
        limits(&after, 0)
    };
    let (ten, twelve, twenty) = (Some(10_000), Some(12_000), Some(20_000));
    assert_eq!(after([runs("a", -30), idle()]), [ten, twenty]);
    assert_eq!(after([runs("a", -30), waiting()]), [ten, twelve]);
    assert_eq!(after([runs("other", -3), runs("c", -1)]), [twenty, twelve]);
    assert_eq!(after([idle(), idle()]), [twenty, twenty]);
}

#[test]
fn what_does_not_fit_any_more_is_not_restored() {
    let mut two = charging(2);
    for id in 1..=3 {
        let mut default = profile(id, TxDefaultProfile, Relative, &[(0, 20)]);
        default.stack_level = id;
        two.set(time(0), 2, default, None).unwrap();
    }
    let mut one = charging(1);
    let taken = |kept: Kept| one.restore(kept);
    assert_eq!(
        two.kept().into_iter().map(taken).collect::<Vec<_>>(),
        [false, false, false],
        "there is no connector 2"
    );
    let mut full = charging(2);
    for id in 11..=15 {
        let mut default = profile(id, TxDefaultProfile, Relative, &[(0, 20)]);
        default.stack_level = id % 4;
        full.set(time(0), i64::from(id > 13), default, None)
            .unwrap();
    }
    assert!(!full.restore(two.kept().remove(0)), "there is no room");
}

#[test]
fn while_the_time_is_not_known_the_lowest_that_a_profile_could_allow_holds() {
    let mut one = charging(1);
    let mut by_clock = profile(
        1,
        TxDefaultProfile,
        Absolute,
        &[(0, 20), (600, 7), (900, 32)],
    );
    by_clock.charging_schedule.start_schedule = Some(time(0));
    one.set(time(0), 1, by_clock, None).unwrap();
    let mut unknown = moment(10);
    unknown.wall_known = false;
    assert_eq!(limits(&one, 10), [Some(20_000)]);
    assert_eq!(limits_at(&one, &unknown), [Some(7_000)]);
    assert_eq!(one.next_change(&unknown), None);
    one.follow(&[runs("a", 0)]);
    let of_a = profile(2, TxProfile, Relative, &[(0, 6)]);
    one.set(time(0), 1, of_a, None).unwrap();
    assert_eq!(limits_at(&one, &unknown), [Some(6_000)]);
    one.follow(&[idle()]);
    assert_eq!(limits_at(&one, &unknown), [Some(7_000)], "it went");
    let asked = GetCompositeScheduleRequest::new(1, 60);
    let refused = CompositeRefused::TimeUnknown;
    assert_eq!(one.composite(&unknown, &asked), Err(refused));
}

#[test]
fn a_wall_clock_that_is_set_moves_no_schedule_of_a_transaction_of_this_boot() {
    let mut one = charging(1);
    one.follow(&[runs("a", 0)]);
    let of_a = profile(1, TxProfile, Relative, &[(0, 10), (60, 20)]);
    one.set(time(0), 1, of_a, None).unwrap();
    for set_by in [-7_200_000, 7_200_000] {
        let at = |seconds| {
            let mut at = moment(seconds);
            at.wall.0 += set_by;
            at
        };
        assert_eq!(limits_at(&one, &at(59)), [Some(10_000)]);
        assert_eq!(limits_at(&one, &at(60)), [Some(20_000)]);
    }
    let mut rebooted = moment(59);
    (rebooted.boot, rebooted.monotonic) = (BootId(2), Monotonic(5_000));
    assert_eq!(
        limits_at(&one, &rebooted),
        [Some(10_000)],
        "after a restart the wall time counts"
    );
    rebooted.wall.0 += 1_000;
    assert_eq!(limits_at(&one, &rebooted), [Some(20_000)]);
}

#[test]
fn the_next_change_is_told_to_the_millisecond() {
    let mut two = charging(2);
    assert_eq!(two.next_change(&moment(0)), None);
    two.follow(&[runs("a", -10), runs("b", -20)]);
    let default = profile(1, TxDefaultProfile, Relative, &[(0, 10), (60, 20)]);
    two.set(time(0), 0, default, None).unwrap();
    assert_eq!(two.next_change(&moment(0)), Some(Duration::from_secs(40)));
    assert_eq!(two.next_change(&moment(40)), Some(Duration::from_secs(10)));
    assert_eq!(two.next_change(&moment(50)), None);
}

#[test]
fn cleared_profiles_leave_what_is_below_them() {
    let mut one = charging(1);
    let default = profile(1, TxDefaultProfile, Relative, &[(0, 20)]);
    one.set(time(0), 1, default, None).unwrap();
    let mut upper = profile(2, TxDefaultProfile, Relative, &[(0, 30)]);
    upper.stack_level = 1;
    one.set(time(0), 1, upper, None).unwrap();
    assert_eq!(limits(&one, 0), [Some(30_000)]);
    let second = ClearChargingProfileRequest {
        id: Some(2),
        ..ClearChargingProfileRequest::default()
    };
    assert!(one.clear(&second));
    assert_eq!(limits(&one, 0), [Some(20_000)]);
    assert!(!one.clear(&second));
    assert!(one.clear(&ClearChargingProfileRequest::default()));
    assert!(one.is_empty());
}
