//! Composite schedules and limits against a reference that looks at every second by itself and
//! knows no boundaries.

use fastrand::Rng;
use ocpp::v16::{
    ChargingProfile, ChargingProfileKind, ChargingProfilePurpose, ChargingRateUnit,
    ChargingSchedule, ChargingSchedulePeriod, RecurrencyKind,
};
use ocpp::{Tenths, Time};
use station::profiles::{ConnectorNow, Electrics, Installed, ProfileRules, Profiles, Transaction};

use super::NOW_S;

const CASES: u64 = 150;
const WINDOW_S: i64 = 2_500;
const STACK_MAX: i64 = 2;
const CONNECTORS: i64 = 2;

fn ms(seconds: i64) -> Time {
    Time::from_unix_ms(seconds * 1000).unwrap()
}

/// One limit as the reference sees it: tenths, unit, phases.
type Seen = (i64, ChargingRateUnit, Option<i64>);

/// Looks through the schedule's instances one after the other.
fn seen(one: &Installed, second: i64, began: i64) -> Option<Seen> {
    let profile = &one.profile;
    let schedule = &profile.charging_schedule;
    let to_s = |time: Time| time.unix_ms() / 1000;
    if profile.valid_from.is_some_and(|from| second < to_s(from)) {
        return None;
    }
    if profile.valid_to.is_some_and(|to| second >= to_s(to)) {
        return None;
    }
    let fallback = if one.connector == 0
        && profile.charging_profile_purpose == ChargingProfilePurpose::ChargePointMaxProfile
    {
        to_s(one.at)
    } else {
        began
    };
    let mut start = match profile.charging_profile_kind {
        ChargingProfileKind::Relative => began,
        ChargingProfileKind::Absolute | ChargingProfileKind::Recurring => {
            schedule.start_schedule.map_or(fallback, to_s)
        }
    };
    if profile.charging_profile_kind == ChargingProfileKind::Recurring {
        let step = match profile.recurrency_kind? {
            RecurrencyKind::Daily => 24 * 60 * 60,
            RecurrencyKind::Weekly => 7 * 24 * 60 * 60,
        };
        while start + step <= second {
            start += step;
        }
    }
    let over = schedule
        .duration
        .is_some_and(|duration| second >= start + duration);
    let periods = schedule.charging_schedule_period.iter().rev();
    let period = periods
        .filter(|_| !over)
        .find(|period| start + period.start_period <= second)?;
    Some((
        period.limit.0,
        schedule.charging_rate_unit,
        period.number_phases,
    ))
}

/// Searches from the top of the stack.
fn top(
    all: &[Installed],
    purpose: ChargingProfilePurpose,
    connector: u8,
    second: i64,
    began: i64,
) -> Option<Seen> {
    (0..=STACK_MAX).rev().find_map(|level| {
        let of_level = all.iter().find(|one| {
            one.profile.stack_level == level
                && one.profile.charging_profile_purpose == purpose
                && one.connector == connector
        })?;
        seen(of_level, second, began)
    })
}

fn convert((tenths, from, phases): Seen, to: ChargingRateUnit, electrics: &Electrics) -> i64 {
    let named = phases.filter(|_| electrics.switches_phases);
    let count = named.map_or(i64::from(electrics.phases), |named| {
        named.min(i64::from(electrics.phases))
    });
    let volts_thousandths = i64::from(electrics.voltage_mv) * count;
    match (from, to) {
        (ChargingRateUnit::A, ChargingRateUnit::W) => tenths * volts_thousandths / 1000,
        (ChargingRateUnit::W, ChargingRateUnit::A) => tenths * 1000 / volts_thousandths,
        (ChargingRateUnit::A, ChargingRateUnit::A) | (ChargingRateUnit::W, ChargingRateUnit::W) => {
            tenths
        }
    }
}

/// The limit of one connector during one second, with phases, in the wanted unit.
fn naive(
    all: &[Installed],
    connector: u8,
    second: i64,
    now: &ConnectorNow,
    unit: ChargingRateUnit,
) -> (i64, Option<i64>) {
    let began = now
        .transaction
        .map_or(NOW_S, |transaction| transaction.started.unix_ms() / 1000);
    let electrics = &now.electrics;
    let mut own = None;
    if now.transaction.is_some() {
        own = top(
            all,
            ChargingProfilePurpose::TxProfile,
            connector,
            second,
            began,
        );
    }
    for place in [connector, 0] {
        if own.is_none() {
            own = top(
                all,
                ChargingProfilePurpose::TxDefaultProfile,
                place,
                second,
                began,
            );
        }
    }
    let whole = top(
        all,
        ChargingProfilePurpose::ChargePointMaxProfile,
        0,
        second,
        began,
    );
    let whole = whole.map(|(tenths, unit, phases)| (tenths / CONNECTORS, unit, phases));
    let phases = [own, whole]
        .iter()
        .flatten()
        .filter_map(|(_, _, phases)| *phases)
        .min();
    let ruling = match (own, whole) {
        (Some(own), Some(whole)) if convert(whole, own.1, electrics) < own.0 => Some(whole),
        (Some(own), _) => Some(own),
        (None, whole) => whole,
    };
    let most = convert(
        (electrics.max.0, ChargingRateUnit::A, phases),
        unit,
        electrics,
    );
    let limit = ruling.map(|(tenths, from, _)| convert((tenths, from, phases), unit, electrics));
    (limit.map_or(most, |limit| limit.min(most)), phases)
}

fn some_time(random: &mut Rng) -> Time {
    ms(NOW_S + random.i64(-1_000..3_000))
}

fn some_profile(random: &mut Rng) -> ChargingProfile {
    let unit = *random.choice(ChargingRateUnit::ALL).unwrap();
    let scale = if unit == ChargingRateUnit::A {
        400
    } else {
        250_000
    };
    let mut start = 0;
    let mut periods = Vec::new();
    for _ in 0..random.usize(1..5) {
        let mut period = ChargingSchedulePeriod::new(Tenths(random.i64(0..scale)), start);
        period.number_phases = random.bool().then(|| random.i64(1..=3));
        periods.push(period);
        start += random.i64(1..900);
    }
    let mut schedule = ChargingSchedule::new(unit, periods);
    schedule.duration = random.bool().then(|| random.i64(1..2_500));
    let purpose = *random.choice(ChargingProfilePurpose::ALL).unwrap();
    let mut kind = *random.choice(ChargingProfileKind::ALL).unwrap();
    if purpose == ChargingProfilePurpose::ChargePointMaxProfile
        && kind == ChargingProfileKind::Relative
    {
        kind = ChargingProfileKind::Absolute;
    }
    let mut recurrency = None;
    if kind == ChargingProfileKind::Recurring {
        let weekly = random.bool();
        recurrency = Some(if weekly {
            RecurrencyKind::Weekly
        } else {
            RecurrencyKind::Daily
        });
        let ago = random.i64(0..4) * if weekly { 7 } else { 1 } * 86_400;
        schedule.start_schedule = Some(ms(NOW_S - ago + random.i64(-1_000..2_000)));
    } else if kind == ChargingProfileKind::Absolute && random.bool() {
        schedule.start_schedule = Some(some_time(random));
    }
    let mut profile = ChargingProfile::new(
        random.i64(0..20),
        kind,
        purpose,
        schedule,
        random.i64(0..=STACK_MAX),
    );
    profile.recurrency_kind = recurrency;
    profile.valid_from = random.bool().then(|| some_time(random));
    profile.valid_to = random.bool().then(|| some_time(random));
    profile
}

fn some_connector(random: &mut Rng) -> ConnectorNow {
    let transaction = random.bool().then(|| Transaction {
        started: ms(NOW_S - random.i64(0..2_000)),
        id: Some(7),
    });
    let electrics = Electrics {
        voltage_mv: random.u32(220_000..240_000),
        phases: random.u8(1..=3),
        switches_phases: random.bool(),
        max: Tenths(random.i64(60..400)),
    };
    ConnectorNow {
        transaction,
        electrics,
    }
}

#[test]
fn composites_are_what_a_look_at_every_second_gives() {
    let mut installed = 0;
    for seed in 0..CASES {
        let mut random = Rng::with_seed(seed);
        let mut profiles = Profiles::new(ProfileRules {
            connectors: 2,
            stack_level_max: STACK_MAX,
            periods_max: 1_000,
            installed_max: 12,
            units: ChargingRateUnit::ALL.to_vec(),
        });
        let connectors = [some_connector(&mut random), some_connector(&mut random)];
        for _ in 0..random.usize(1..14) {
            let connector = random.u8(0..=2);
            let running = connectors.get(usize::from(connector).wrapping_sub(1));
            let running = running.and_then(|now| now.transaction);
            let came = ms(NOW_S - random.i64(0..500));
            // What breaks a rule is refused, and changes nothing.
            let _ = profiles.set(
                came,
                i64::from(connector),
                some_profile(&mut random),
                running.as_ref(),
            );
        }
        installed += profiles.installed().len();
        for unit in ChargingRateUnit::ALL {
            for connector in 1..=2 {
                compare(seed, &profiles, connector, *unit, &connectors);
            }
            compare_whole(seed, &profiles, *unit, &connectors);
        }
    }
    assert!(installed > 400, "only {installed} profiles took part");
}

/// The composite, spread over its seconds.
fn spread(schedule: &ChargingSchedule) -> Vec<(i64, Option<i64>)> {
    let periods = &schedule.charging_schedule_period;
    (0..schedule.duration.unwrap())
        .map(|second| {
            let period = periods
                .iter()
                .rfind(|period| period.start_period <= second)
                .unwrap();
            (period.limit.0, period.number_phases)
        })
        .collect()
}

fn compare(
    seed: u64,
    profiles: &Profiles,
    connector: u8,
    unit: ChargingRateUnit,
    connectors: &[ConnectorNow; 2],
) {
    let composite = profiles
        .composite(
            ms(NOW_S),
            i64::from(connector),
            WINDOW_S,
            Some(unit),
            connectors,
        )
        .unwrap();
    let periods = &composite.schedule.charging_schedule_period;
    let twins = periods.windows(2).filter(|pair| {
        (pair[0].limit, pair[0].number_phases) == (pair[1].limit, pair[1].number_phases)
    });
    assert_eq!(twins.count(), 0, "equal neighbours are one period");
    let now = &connectors[usize::from(connector) - 1];
    let limits = spread(&composite.schedule);
    assert_eq!(limits.len(), 2_500);
    let mut constant_until = ms(NOW_S);
    let mut previous = None;
    for (second, limit) in (NOW_S..).zip(limits) {
        let expected = naive(profiles.installed(), connector, second, now, unit);
        assert_eq!(
            limit,
            expected,
            "seed {seed}, connector {connector}, second {}",
            second - NOW_S
        );
        // The next change told beforehand is where the limit changes, or earlier.
        if ms(second) >= constant_until {
            let next = profiles.next_change_after(ms(second), connector, now.transaction.as_ref());
            constant_until = next.unwrap_or(ms(NOW_S + 10 * WINDOW_S));
        } else if now.transaction.is_some() {
            assert_eq!(
                previous,
                Some(limit),
                "seed {seed}: changed before it was told"
            );
        }
        previous = Some(limit);
    }
}

fn compare_whole(
    seed: u64,
    profiles: &Profiles,
    unit: ChargingRateUnit,
    connectors: &[ConnectorNow; 2],
) {
    let composite = profiles
        .composite(ms(NOW_S), 0, WINDOW_S, Some(unit), connectors)
        .unwrap();
    for (second, (limit, _)) in (NOW_S..).zip(spread(&composite.schedule)) {
        let each = (1..=2).zip(connectors);
        let sum: i64 = each
            .map(|(number, now)| naive(profiles.installed(), number, second, now, unit).0)
            .sum();
        let whole = top(
            profiles.installed(),
            ChargingProfilePurpose::ChargePointMaxProfile,
            0,
            second,
            NOW_S,
        );
        let whole = whole.map(|whole| convert(whole, unit, &connectors[0].electrics));
        let expected = whole.map_or(sum, |whole| whole.min(sum));
        assert_eq!(limit, expected, "seed {seed}, second {}", second - NOW_S);
    }
}
