//! Profiles and composites that are refused, each with its reason, and the value just inside.

use ocpp::Tenths;
use ocpp::v16::ChargingProfileKind::{Absolute, Recurring, Relative};
use ocpp::v16::ChargingProfilePurpose::{ChargePointMaxProfile, TxDefaultProfile, TxProfile};
use ocpp::v16::{ChargingProfile, ChargingRateUnit, RecurrencyKind};
use station::profiles::{
    CompositeRefused, ConnectorNow, HORIZON_SECONDS, ProfileRefused, Profiles,
};

use super::{ELECTRICS, at, profile, profiles, rules, running};

fn plain() -> ChargingProfile {
    profile(1, TxDefaultProfile, Relative, &[(0, 16)])
}

fn refusal(connector: i64, change: impl Fn(&mut ChargingProfile)) -> Option<ProfileRefused> {
    let mut changed = plain();
    change(&mut changed);
    let mut some = profiles();
    let refused = some.set(at(0), connector, changed, Some(&running(0))).err();
    assert_eq!(some.installed().is_empty(), refused.is_some());
    refused
}

#[test]
fn the_connector_must_exist_and_fit_the_purpose() {
    assert_eq!(refusal(2, |_| ()), None);
    assert_eq!(refusal(3, |_| ()), Some(ProfileRefused::NoSuchConnector(3)));
    assert_eq!(
        refusal(-1, |_| ()),
        Some(ProfileRefused::NoSuchConnector(-1))
    );
    assert_eq!(
        refusal(257, |_| ()),
        Some(ProfileRefused::NoSuchConnector(257))
    );
    let wrong = ProfileRefused::WrongConnector(TxProfile, 0);
    assert_eq!(
        refusal(0, |one| one.charging_profile_purpose = TxProfile),
        Some(wrong)
    );
    let maximum = |one: &mut ChargingProfile| {
        one.charging_profile_purpose = ChargePointMaxProfile;
        one.charging_profile_kind = Absolute;
    };
    assert_eq!(refusal(0, maximum), None);
    assert_eq!(
        refusal(1, maximum),
        Some(ProfileRefused::WrongConnector(ChargePointMaxProfile, 1))
    );
}

#[test]
fn a_profile_for_a_transaction_needs_that_transaction() {
    let own = |id| {
        move |one: &mut ChargingProfile| {
            one.charging_profile_purpose = TxProfile;
            one.transaction_id = id;
        }
    };
    assert_eq!(refusal(1, own(None)), None);
    assert_eq!(refusal(1, own(Some(7))), None);
    assert_eq!(
        refusal(1, own(Some(8))),
        Some(ProfileRefused::OtherTransaction(8))
    );
    let names = ProfileRefused::NamesTransaction(TxDefaultProfile);
    assert_eq!(refusal(1, |one| one.transaction_id = Some(7)), Some(names));
    let mut one = plain();
    one.charging_profile_purpose = TxProfile;
    assert_eq!(
        profiles().set(at(0), 1, one, None),
        Err(ProfileRefused::NoTransaction)
    );
}

#[test]
fn bounds_are_exact() {
    for (level, fits) in [(0, true), (3, true), (-1, false), (4, false)] {
        let refused = refusal(1, |one| one.stack_level = level);
        assert_eq!(
            refused,
            (!fits).then_some(ProfileRefused::StackLevel { was: level, max: 3 })
        );
    }
    for (count, fits) in [(1_i64, true), (6, true), (0, false), (7, false)] {
        let starts: Vec<(i64, i64)> = (0..count).map(|start| (start, 10)).collect();
        let periods = profile(1, TxDefaultProfile, Relative, &starts).charging_schedule;
        let refused = refusal(1, |one| one.charging_schedule = periods.clone());
        assert_eq!(
            refused,
            (!fits).then_some(ProfileRefused::Periods {
                was: starts.len(),
                max: 6
            })
        );
    }
    for (limit, fits) in [
        (0, true),
        (1_000_000_000, true),
        (-1, false),
        (1_000_000_001, false),
    ] {
        let refused = refusal(1, |one| {
            one.charging_schedule.charging_schedule_period[0].limit = Tenths(limit)
        });
        assert_eq!(
            refused,
            (!fits).then_some(ProfileRefused::Limit(Tenths(limit)))
        );
    }
    for (phases, fits) in [(1, true), (3, true), (0, false), (4, false)] {
        let refused = refusal(1, |one| {
            one.charging_schedule.charging_schedule_period[0].number_phases = Some(phases);
        });
        assert_eq!(refused, (!fits).then_some(ProfileRefused::Phases(phases)));
    }
    for (seconds, fits) in [(1, true), (0, false), (-5, false)] {
        let refused = refusal(1, |one| one.charging_schedule.duration = Some(seconds));
        assert_eq!(
            refused,
            (!fits).then_some(ProfileRefused::Duration(seconds))
        );
    }
}

#[test]
fn periods_start_at_zero_and_follow_each_other() {
    for periods in [[(1, 10), (2, 10)], [(0, 10), (0, 11)], [(0, 10), (-1, 11)]] {
        let schedule = profile(1, TxDefaultProfile, Relative, &periods).charging_schedule;
        let refused = refusal(1, |one| one.charging_schedule = schedule.clone());
        assert_eq!(refused, Some(ProfileRefused::PeriodOrder), "{periods:?}");
    }
}

#[test]
fn times_must_make_sense() {
    let valid = |to| {
        refusal(1, move |one| {
            one.valid_from = Some(at(0));
            one.valid_to = Some(at(to));
        })
    };
    assert_eq!(
        (valid(1), valid(0)),
        (None, Some(ProfileRefused::NeverValid))
    );
    let recurring = |kind, start| {
        refusal(1, move |one| {
            one.charging_profile_kind = Recurring;
            one.recurrency_kind = kind;
            one.charging_schedule.start_schedule = start;
        })
    };
    assert_eq!(recurring(Some(RecurrencyKind::Daily), Some(at(0))), None);
    assert_eq!(
        recurring(None, Some(at(0))),
        Some(ProfileRefused::Recurrence)
    );
    assert_eq!(
        recurring(Some(RecurrencyKind::Daily), None),
        Some(ProfileRefused::Recurrence)
    );
    let relative = |one: &mut ChargingProfile| one.charging_profile_purpose = ChargePointMaxProfile;
    assert_eq!(refusal(0, relative), Some(ProfileRefused::RelativeMaximum));
}

#[test]
fn units_that_are_not_supported_are_refused() {
    let mut amperes = rules();
    amperes.units = vec![ChargingRateUnit::A];
    let mut some = Profiles::new(amperes);
    let mut watts = plain();
    watts.charging_schedule.charging_rate_unit = ChargingRateUnit::W;
    assert_eq!(
        some.set(at(0), 1, watts, None),
        Err(ProfileRefused::Unit(ChargingRateUnit::W))
    );
    let now = [ConnectorNow {
        transaction: None,
        electrics: ELECTRICS,
    }; 2];
    let composite = some.composite(at(0), 1, 60, Some(ChargingRateUnit::W), &now);
    assert_eq!(composite, Err(CompositeRefused::Unit(ChargingRateUnit::W)));
}

#[test]
fn at_the_bound_only_a_replacement_is_taken() {
    let mut some = profiles();
    for id in 0..5 {
        let mut one = profile(id, TxDefaultProfile, Relative, &[(0, 10)]);
        one.stack_level = id % 4;
        some.set(at(0), i64::from(id > 3), one, None).unwrap();
    }
    let mut more = profile(9, TxDefaultProfile, Relative, &[(0, 10)]);
    more.stack_level = 3;
    assert_eq!(
        some.set(at(0), 2, more.clone(), None),
        Err(ProfileRefused::TooMany { max: 5 })
    );
    assert_eq!(some.installed().len(), 5, "a refusal changes nothing");
    assert_eq!(some.set(at(0), 0, more, None).unwrap().replaced, [3]);
    let installed = some.installed()[0].clone();
    assert!(!some.restore(installed), "a restart keeps the bound too");
}

#[test]
fn composites_that_cannot_be_made_are_refused() {
    let now = [ConnectorNow {
        transaction: None,
        electrics: ELECTRICS,
    }; 2];
    let ask = |connector, seconds| profiles().composite(at(0), connector, seconds, None, &now);
    assert_eq!(ask(3, 60), Err(CompositeRefused::NoSuchConnector(3)));
    assert_eq!(ask(-1, 60), Err(CompositeRefused::NoSuchConnector(-1)));
    assert_eq!(ask(1, 0), Err(CompositeRefused::Duration(0)));
    let longest = ask(1, i64::MAX).unwrap();
    assert_eq!(longest.schedule.duration, Some(HORIZON_SECONDS));
}
