//! Examples of OCPP 1.6 section 3.13, each with the moment before and after.

use ocpp::Tenths;
use ocpp::v16::ChargingProfileKind::{Absolute, Recurring, Relative};
use ocpp::v16::ChargingProfilePurpose::{ChargePointMaxProfile, TxDefaultProfile, TxProfile};
use ocpp::v16::{ChargingRateUnit, ClearChargingProfileRequest, RecurrencyKind};
use station::profiles::{ConnectorNow, Electrics, InForce, Installed, Set, Transaction};

use super::{ELECTRICS, at, composite, profile, profiles, running};

#[test]
fn without_profiles_the_connectors_own_limit_is_told() {
    let none = profiles();
    assert_eq!(none.limit_at(at(0), 1, None, &ELECTRICS), None);
    assert_eq!(composite(&none, 1, 600, None), (vec![(0, 32)], Some(600)));
    assert_eq!(composite(&none, 0, 600, None), (vec![(0, 64)], Some(600)));
}

#[test]
fn a_default_counts_from_the_beginning_of_the_transaction() {
    let mut some = profiles();
    some.set(
        at(0),
        0,
        profile(1, TxDefaultProfile, Relative, &[(0, 16), (100, 10)]),
        None,
    )
    .unwrap();
    assert_eq!(composite(&some, 1, 600, None).0, [(0, 16), (100, 10)]);
    assert_eq!(
        composite(&some, 1, 600, Some(running(-99))).0,
        [(0, 16), (1, 10)]
    );
    assert_eq!(composite(&some, 1, 600, Some(running(-100))).0, [(0, 10)]);
}

#[test]
fn the_transactions_own_profile_rules_while_it_lasts_and_the_default_after_it() {
    let mut some = profiles();
    let transaction = running(-10);
    some.set(
        at(0),
        1,
        profile(1, TxDefaultProfile, Relative, &[(0, 10)]),
        None,
    )
    .unwrap();
    let mut own = profile(2, TxProfile, Relative, &[(0, 25), (60, 20)]);
    own.charging_schedule.duration = Some(120);
    own.charging_schedule.min_charging_rate = Some(Tenths(65));
    some.set(at(0), 1, own, Some(&transaction)).unwrap();
    assert_eq!(
        composite(&some, 1, 600, Some(transaction)).0,
        [(0, 25), (50, 20), (110, 10)]
    );
    assert_eq!(
        composite(&some, 1, 600, None).0,
        [(0, 10)],
        "it is for the transaction alone"
    );
    assert_eq!(
        some.limit_at(at(0), 1, Some(&transaction), &ELECTRICS),
        Some(InForce {
            limit: Tenths(250),
            unit: ChargingRateUnit::A,
            phases: None,
            min_charging_rate: Some(Tenths(65)),
            profile_id: 2,
            purpose: TxProfile,
        })
    );
    assert_eq!(some.transaction_ended(2), Vec::<i64>::new());
    assert_eq!(some.transaction_ended(1), [2]);
    assert_eq!(some.installed().len(), 1);
}

#[test]
fn the_default_of_a_connector_rules_over_that_of_all() {
    let mut some = profiles();
    some.set(
        at(0),
        0,
        profile(1, TxDefaultProfile, Relative, &[(0, 10)]),
        None,
    )
    .unwrap();
    let mut own = profile(2, TxDefaultProfile, Absolute, &[(0, 20)]);
    own.valid_from = Some(at(60));
    own.valid_to = Some(at(90));
    some.set(at(0), 1, own, None).unwrap();
    assert_eq!(
        composite(&some, 1, 600, None).0,
        [(0, 10), (60, 20), (90, 10)]
    );
    assert_eq!(composite(&some, 2, 600, None).0, [(0, 10)]);
}

#[test]
fn the_highest_stack_level_in_force_leads_even_with_a_higher_limit() {
    let mut some = profiles();
    some.set(
        at(0),
        1,
        profile(1, TxDefaultProfile, Relative, &[(0, 10)]),
        None,
    )
    .unwrap();
    let mut above = profile(2, TxDefaultProfile, Absolute, &[(0, 20), (30, 25)]);
    above.stack_level = 2;
    above.charging_schedule.start_schedule = Some(at(100));
    above.charging_schedule.duration = Some(50);
    some.set(at(0), 1, above, None).unwrap();
    assert_eq!(
        composite(&some, 1, 600, None).0,
        [(0, 10), (100, 20), (130, 25), (150, 10)]
    );
}

#[test]
fn the_maximum_of_the_charge_point_lowers_and_never_raises() {
    let mut some = profiles();
    some.set(
        at(0),
        1,
        profile(1, TxDefaultProfile, Relative, &[(0, 10), (60, 25)]),
        None,
    )
    .unwrap();
    let mut maximum = profile(2, ChargePointMaxProfile, Absolute, &[(0, 32)]);
    maximum.charging_schedule.start_schedule = Some(at(-5));
    some.set(at(0), 0, maximum, None).unwrap();
    assert_eq!(composite(&some, 1, 600, None).0, [(0, 10), (60, 16)]);
    assert_eq!(composite(&some, 2, 600, None).0, [(0, 16)]);
    assert_eq!(
        composite(&some, 0, 600, None).0,
        [(0, 26), (60, 32)],
        "each has half of it, so both together take no more"
    );
    assert_eq!(
        some.limit_at(at(60), 1, None, &ELECTRICS).unwrap().purpose,
        TxDefaultProfile
    );
    let later = some
        .limit_at(at(60), 1, Some(&running(0)), &ELECTRICS)
        .unwrap();
    assert_eq!(
        (later.limit, later.purpose),
        (Tenths(160), ChargePointMaxProfile)
    );
}

#[test]
fn a_daily_profile_comes_again_every_24_hours_and_not_before_its_start() {
    let mut some = profiles();
    let mut daily = profile(1, TxDefaultProfile, Recurring, &[(0, 6), (3600, 20)]);
    daily.recurrency_kind = Some(RecurrencyKind::Daily);
    daily.charging_schedule.start_schedule = Some(at(-86_400 + 60));
    daily.charging_schedule.duration = Some(7200);
    some.set(at(0), 1, daily.clone(), None).unwrap();
    let two_days = composite(&some, 1, 2 * 86_400, None).0;
    let day = 86_400;
    assert_eq!(
        two_days,
        [
            (0, 32),
            (60, 6),
            (3660, 20),
            (7260, 32),
            (day + 60, 6),
            (day + 3660, 20)
        ]
    );

    daily.charging_schedule.start_schedule = Some(at(day + 60));
    some.set(at(0), 1, daily, None).unwrap();
    assert_eq!(
        composite(&some, 1, day + 100, None).0,
        [(0, 32), (day + 60, 6)]
    );
}

#[test]
fn a_weekly_profile_comes_again_after_seven_days() {
    let mut some = profiles();
    let mut weekly = profile(1, TxDefaultProfile, Recurring, &[(0, 6)]);
    weekly.recurrency_kind = Some(RecurrencyKind::Weekly);
    weekly.charging_schedule.start_schedule = Some(at(-3 * 7 * 86_400 + 10));
    weekly.charging_schedule.duration = Some(20);
    some.set(at(0), 1, weekly, None).unwrap();
    assert_eq!(
        composite(&some, 1, 7 * 86_400, None).0,
        [(0, 32), (10, 6), (30, 32)]
    );
}

#[test]
fn an_absolute_profile_without_a_start_counts_from_the_transaction() {
    let mut some = profiles();
    some.set(
        at(0),
        1,
        profile(1, TxDefaultProfile, Absolute, &[(0, 6), (30, 20)]),
        None,
    )
    .unwrap();
    assert_eq!(
        composite(&some, 1, 600, Some(running(-10))).0,
        [(0, 6), (20, 20)]
    );
    some.set(
        at(-5),
        0,
        profile(2, ChargePointMaxProfile, Absolute, &[(0, 12), (30, 40)]),
        None,
    )
    .unwrap();
    assert_eq!(
        composite(&some, 2, 600, None).0,
        [(0, 6), (25, 20)],
        "the maximum from when it came"
    );
}

#[test]
fn watts_become_amperes_of_every_phase_the_vehicle_may_use() {
    let mut some = profiles();
    let mut watts = profile(1, TxDefaultProfile, Relative, &[(0, 0)]);
    watts.charging_schedule.charging_rate_unit = ChargingRateUnit::W;
    watts.charging_schedule.charging_schedule_period[0].limit = Tenths(69_999);
    watts.charging_schedule.charging_schedule_period[0].number_phases = Some(1);
    some.set(at(0), 1, watts, None).unwrap();
    let told = |unit, switches_phases, phases| {
        let electrics = Electrics {
            switches_phases,
            phases,
            ..ELECTRICS
        };
        let now = ConnectorNow {
            transaction: None,
            electrics,
        };
        let composite = some
            .composite(at(0), 1, 60, Some(unit), &[now, now])
            .unwrap();
        composite.schedule.charging_schedule_period[0].clone()
    };
    let period = told(ChargingRateUnit::A, false, 3);
    assert_eq!(
        (period.limit, period.number_phases),
        (Tenths(101), Some(1)),
        "6999.9 W / 690 V, down"
    );
    assert_eq!(
        told(ChargingRateUnit::A, true, 3).limit,
        Tenths(304),
        "one phase can be kept to"
    );
    assert_eq!(told(ChargingRateUnit::A, false, 1).limit, Tenths(304));
    assert_eq!(told(ChargingRateUnit::W, false, 3).limit, Tenths(69_999));
    let own = told(ChargingRateUnit::W, true, 1);
    assert_eq!(
        own.limit,
        Tenths(69_999),
        "below the connector's own 7360 W"
    );
}

#[test]
fn a_profile_replaces_its_id_and_its_place() {
    let mut some = profiles();
    let first = profile(1, TxDefaultProfile, Relative, &[(0, 10)]);
    let set = some.set(at(0), 1, first.clone(), None).unwrap();
    let installed = Installed {
        connector: 1,
        at: at(0),
        profile: first.clone(),
    };
    assert_eq!(
        set,
        Set {
            installed,
            replaced: vec![]
        }
    );
    let same_place = profile(2, TxDefaultProfile, Relative, &[(0, 11)]);
    assert_eq!(some.set(at(0), 1, same_place, None).unwrap().replaced, [1]);
    let other_place = profile(3, TxDefaultProfile, Relative, &[(0, 12)]);
    assert_eq!(
        some.set(at(0), 2, other_place, None).unwrap().replaced,
        Vec::<i64>::new()
    );
    let same_id = profile(2, ChargePointMaxProfile, Absolute, &[(0, 13)]);
    assert_eq!(some.set(at(0), 0, same_id, None).unwrap().replaced, [2]);
    assert_eq!(some.installed().len(), 2);
}

#[test]
fn what_is_cleared_matches_every_criterion() {
    let filled = || {
        let mut some = profiles();
        some.set(
            at(0),
            0,
            profile(1, ChargePointMaxProfile, Absolute, &[(0, 10)]),
            None,
        )
        .unwrap();
        some.set(
            at(0),
            1,
            profile(2, TxDefaultProfile, Relative, &[(0, 10)]),
            None,
        )
        .unwrap();
        some.set(
            at(0),
            2,
            profile(3, TxDefaultProfile, Relative, &[(0, 10)]),
            None,
        )
        .unwrap();
        some
    };
    let clear = |change: &dyn Fn(&mut ClearChargingProfileRequest)| {
        let mut request = ClearChargingProfileRequest::default();
        change(&mut request);
        filled().clear(&request)
    };
    assert_eq!(clear(&|_| ()), [1, 2, 3]);
    assert_eq!(clear(&|request| request.id = Some(2)), [2]);
    assert_eq!(clear(&|request| request.id = Some(9)), Vec::<i64>::new());
    assert_eq!(clear(&|request| request.connector_id = Some(0)), [1]);
    assert_eq!(
        clear(&|request| request.charging_profile_purpose = Some(TxDefaultProfile)),
        [2, 3]
    );
    assert_eq!(
        clear(&|request| {
            request.charging_profile_purpose = Some(TxDefaultProfile);
            request.connector_id = Some(2);
            request.stack_level = Some(0);
        }),
        [3]
    );
    assert_eq!(
        clear(&|request| request.stack_level = Some(1)),
        Vec::<i64>::new()
    );
}

#[test]
fn a_composite_of_too_many_periods_ends_earlier() {
    let mut some = profiles();
    some.set(
        at(0),
        1,
        profile(
            1,
            TxDefaultProfile,
            Relative,
            &[(0, 6), (10, 7), (20, 8), (30, 9)],
        ),
        None,
    )
    .unwrap();
    let mut above = profile(2, TxDefaultProfile, Absolute, &[(0, 16), (2, 17), (4, 18)]);
    above.stack_level = 1;
    above.charging_schedule.start_schedule = Some(at(12));
    above.charging_schedule.duration = Some(6);
    some.set(at(0), 1, above, None).unwrap();
    let (periods, duration) = composite(&some, 1, 600, None);
    assert_eq!(
        periods,
        [(0, 6), (10, 7), (12, 16), (14, 17), (16, 18), (18, 7)]
    );
    assert_eq!(duration, Some(20), "a seventh period would begin there");
}

#[test]
fn a_restart_brings_the_profiles_back() {
    let mut before = profiles();
    let transaction = running(-10);
    before
        .set(
            at(0),
            1,
            profile(1, TxProfile, Relative, &[(0, 10)]),
            Some(&transaction),
        )
        .unwrap();
    let mut after = profiles();
    for installed in before.installed() {
        assert!(after.restore(installed.clone()));
    }
    assert_eq!(after.installed(), before.installed());
}

#[test]
fn the_next_change_lies_after_the_moment_and_within_a_week() {
    let mut some = profiles();
    some.set(
        at(0),
        1,
        profile(
            1,
            TxDefaultProfile,
            Relative,
            &[(0, 10), (60, 20), (700_000, 6)],
        ),
        None,
    )
    .unwrap();
    let next = |second, connector| some.next_change_after(at(second), connector, Some(&running(0)));
    assert_eq!(next(-10, 1), Some(at(0)));
    assert_eq!(next(59, 1), Some(at(60)));
    assert_eq!(
        next(60, 1),
        None,
        "the third period lies more than a week ahead"
    );
    assert_eq!(next(95_200, 1), Some(at(700_000)), "exactly a week ahead");
    assert_eq!(next(59, 2), None, "it is not for that connector");
}

#[test]
fn a_change_at_the_end_of_the_window_is_not_told() {
    let mut some = profiles();
    some.set(
        at(0),
        1,
        profile(1, TxDefaultProfile, Relative, &[(0, 10), (60, 20)]),
        None,
    )
    .unwrap();
    assert_eq!(composite(&some, 1, 60, None).0, [(0, 10)]);
    assert_eq!(composite(&some, 1, 61, None).0, [(0, 10), (60, 20)]);
}

#[test]
fn a_composite_starts_at_a_whole_second_and_changes_at_the_next_after_the_schedule_does() {
    let mut some = profiles();
    some.set(
        at(0),
        1,
        profile(1, TxDefaultProfile, Relative, &[(0, 10), (60, 20)]),
        None,
    )
    .unwrap();
    let half = |second: i64| ocpp::Time::from_unix_ms(at(second).unix_ms() + 500).unwrap();
    let transaction = Some(Transaction {
        started: half(0),
        id: None,
    });
    let now = ConnectorNow {
        transaction,
        electrics: ELECTRICS,
    };
    let composite = some.composite(half(10), 1, 600, None, &[now, now]).unwrap();
    assert_eq!(composite.start, at(10));
    let periods = composite.schedule.charging_schedule_period;
    let starts: Vec<i64> = periods.iter().map(|period| period.start_period).collect();
    assert_eq!(
        starts,
        [0, 51],
        "60.5 s after the first whole second of the transaction"
    );
}
