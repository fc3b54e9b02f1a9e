//! One profile's schedule on the clock: which period holds at a moment, and when that may change.

use ocpp::Time;
use ocpp::v16::{
    ChargingProfileKind, ChargingProfilePurpose, ChargingSchedulePeriod, RecurrencyKind,
};

use super::Installed;

const DAY_MS: i64 = 86_400_000;

/// The period in force, `began` being when the transaction did.
pub(super) fn period_at(one: &Installed, at: Time, began: Time) -> Option<&ChargingSchedulePeriod> {
    let profile = &one.profile;
    let valid = profile.valid_from.is_none_or(|from| from <= at)
        && profile.valid_to.is_none_or(|to| at < to);
    if !valid {
        return None;
    }
    let schedule = &profile.charging_schedule;
    let elapsed_ms = at.unix_ms() - start_before(one, at.unix_ms(), began)?;
    if schedule
        .duration
        .is_some_and(|seconds| elapsed_ms >= to_ms(seconds))
    {
        return None;
    }
    let begun = |period: &&ChargingSchedulePeriod| to_ms(period.start_period) <= elapsed_ms;
    schedule
        .charging_schedule_period
        .iter()
        .take_while(begun)
        .last()
}

fn to_ms(seconds: i64) -> i64 {
    seconds.saturating_mul(1000)
}

/// When the schedule began last, if it has begun.
fn start_before(one: &Installed, at_ms: i64, began: Time) -> Option<i64> {
    let anchor = anchor_ms(one, began);
    if at_ms < anchor {
        return None;
    }
    Some(match every_ms(one) {
        Some(every) => anchor + (at_ms - anchor) / every * every,
        None => anchor,
    })
}

/// Where the schedule counts from. An absolute one that does not say counts from the beginning of
/// the transaction; for the whole charge point, from when it was installed.
fn anchor_ms(one: &Installed, began: Time) -> i64 {
    let profile = &one.profile;
    let maximum = profile.charging_profile_purpose == ChargingProfilePurpose::ChargePointMaxProfile;
    let unsaid = if maximum { one.at } else { began };
    match profile.charging_profile_kind {
        ChargingProfileKind::Relative => began.unix_ms(),
        ChargingProfileKind::Absolute | ChargingProfileKind::Recurring => profile
            .charging_schedule
            .start_schedule
            .unwrap_or(unsaid)
            .unix_ms(),
    }
}

/// After which time a recurring schedule begins again. A day has 24 hours here, whatever the
/// clocks on the wall do.
fn every_ms(one: &Installed) -> Option<i64> {
    match (
        one.profile.charging_profile_kind,
        one.profile.recurrency_kind,
    ) {
        (ChargingProfileKind::Recurring, Some(RecurrencyKind::Daily)) => Some(DAY_MS),
        (ChargingProfileKind::Recurring, Some(RecurrencyKind::Weekly)) => Some(7 * DAY_MS),
        (ChargingProfileKind::Recurring, None)
        | (ChargingProfileKind::Absolute | ChargingProfileKind::Relative, _) => None,
    }
}

/// Adds the moments after `after` and up to `until` at which another period may hold.
pub(super) fn changes(
    one: &Installed,
    after: i64,
    until: i64,
    began: Time,
    moments: &mut Vec<i64>,
) {
    let mut add = |moment: i64| {
        if after < moment && moment <= until {
            moments.push(moment);
        }
    };
    let profile = &one.profile;
    profile
        .valid_from
        .into_iter()
        .chain(profile.valid_to)
        .for_each(|edge| add(edge.unix_ms()));
    let anchor = anchor_ms(one, began);
    let every = every_ms(one);
    let mut start = start_before(one, after, began).unwrap_or(anchor);
    while start <= until {
        let schedule = &profile.charging_schedule;
        for period in &schedule.charging_schedule_period {
            add(start.saturating_add(to_ms(period.start_period)));
        }
        if let Some(duration) = schedule.duration {
            add(start.saturating_add(to_ms(duration)));
        }
        match every {
            Some(every) => start += every,
            None => break,
        }
    }
}
