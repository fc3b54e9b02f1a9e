//! Whether a profile may be installed. A reason is a sentence for the log; on the wire all of them
//! are `Rejected`.

use ocpp::Tenths;
use ocpp::v16::{ChargingProfile, ChargingProfileKind, ChargingProfilePurpose, ChargingRateUnit};

use super::{ProfileRules, Transaction};

/// Highest limit that is taken: 100 MW, or 100 MA. More is a mistake.
const LIMIT_MAX: Tenths = Tenths(1_000_000_000);

/// Why a profile is not installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileRefused {
    /// No such connector.
    #[error("connector {0} does not exist")]
    NoSuchConnector(i64),
    /// The purpose is not for that connector.
    #[error("{0} is not for connector {1}")]
    WrongConnector(ChargingProfilePurpose, i64),
    /// A `TxProfile` without a transaction on the connector.
    #[error("no transaction is running that the profile could be for")]
    NoTransaction,
    /// The profile names another transaction.
    #[error("the profile is for transaction {0}, which is not the running one")]
    OtherTransaction(i64),
    /// Only a `TxProfile` may name a transaction.
    #[error("a {0} does not name a transaction")]
    NamesTransaction(ChargingProfilePurpose),
    /// Only a profile for the transaction to come goes with a start.
    #[error("a start takes a TxProfile, not a {0}")]
    NotForStart(ChargingProfilePurpose),
    /// There is no start to go with.
    #[error("a transaction runs on the connector already")]
    TransactionRuns,
    /// The stack level is out of range.
    #[error("stack level {was} is not within 0 to {max}")]
    StackLevel {
        /// What it is.
        was: i64,
        /// `ChargeProfileMaxStackLevel`
        max: i64,
    },
    /// The unit is not supported.
    #[error("limits in {0} are not supported")]
    Unit(ChargingRateUnit),
    /// No period, or too many.
    #[error("{was} periods are not within 1 to {max}")]
    Periods {
        /// What it is.
        was: usize,
        /// `ChargingScheduleMaxPeriods`
        max: usize,
    },
    /// The first period does not start at 0, or they are not in order.
    #[error("the periods must start at 0 and follow each other in time")]
    PeriodOrder,
    /// A limit is negative or beyond reason.
    #[error("a limit of {0} is not within 0 and 100000000")]
    Limit(Tenths),
    /// Not 1 to 3 phases.
    #[error("{0} phases are not within 1 to 3")]
    Phases(i64),
    /// The schedule ends before it begins.
    #[error("a duration of {0} s is not positive")]
    Duration(i64),
    /// `validTo` is not after `validFrom`.
    #[error("the profile is never valid: it ends before it begins")]
    NeverValid,
    /// A recurring profile needs `recurrencyKind` and `startSchedule`.
    #[error("a recurring profile must say how it recurs and from when")]
    Recurrence,
    /// The whole charge point has no beginning that a schedule could be relative to.
    #[error("a ChargePointMaxProfile cannot be relative")]
    RelativeMaximum,
    /// The bound is reached.
    #[error("{max} profiles are installed, more are not kept")]
    TooMany {
        /// `MaxChargingProfilesInstalled`
        max: usize,
    },
}

/// Checks a profile, and gives its connector.
pub(super) fn check(
    rules: &ProfileRules,
    connector: i64,
    profile: &ChargingProfile,
    transaction: Option<&Transaction>,
) -> Result<u8, ProfileRefused> {
    let number = u8::try_from(connector)
        .ok()
        .filter(|number| *number <= rules.connectors)
        .ok_or(ProfileRefused::NoSuchConnector(connector))?;
    check_purpose(number, profile, transaction)?;
    let was = profile.stack_level;
    if !(0..=rules.stack_level_max).contains(&was) {
        return Err(ProfileRefused::StackLevel {
            was,
            max: rules.stack_level_max,
        });
    }
    check_kind(profile)?;
    check_schedule(rules, profile)?;
    Ok(number)
}

fn check_purpose(
    connector: u8,
    profile: &ChargingProfile,
    transaction: Option<&Transaction>,
) -> Result<(), ProfileRefused> {
    let purpose = profile.charging_profile_purpose;
    let for_whole = connector == 0;
    let fits = match purpose {
        ChargingProfilePurpose::ChargePointMaxProfile => for_whole,
        ChargingProfilePurpose::TxDefaultProfile => true,
        ChargingProfilePurpose::TxProfile => !for_whole,
    };
    if !fits {
        return Err(ProfileRefused::WrongConnector(
            purpose,
            i64::from(connector),
        ));
    }
    if purpose != ChargingProfilePurpose::TxProfile {
        return match profile.transaction_id {
            Some(_) => Err(ProfileRefused::NamesTransaction(purpose)),
            None => Ok(()),
        };
    }
    let running = transaction.ok_or(ProfileRefused::NoTransaction)?;
    match profile.transaction_id {
        Some(named) if running.id != Some(named) => Err(ProfileRefused::OtherTransaction(named)),
        Some(_) | None => Ok(()),
    }
}

fn check_kind(profile: &ChargingProfile) -> Result<(), ProfileRefused> {
    let recurs =
        profile.recurrency_kind.is_some() && profile.charging_schedule.start_schedule.is_some();
    let maximum = profile.charging_profile_purpose == ChargingProfilePurpose::ChargePointMaxProfile;
    match profile.charging_profile_kind {
        ChargingProfileKind::Recurring if !recurs => return Err(ProfileRefused::Recurrence),
        ChargingProfileKind::Relative if maximum => return Err(ProfileRefused::RelativeMaximum),
        ChargingProfileKind::Absolute
        | ChargingProfileKind::Recurring
        | ChargingProfileKind::Relative => {}
    }
    let dates = profile.valid_from.zip(profile.valid_to);
    if dates.is_some_and(|(from, to)| to <= from) {
        return Err(ProfileRefused::NeverValid);
    }
    Ok(())
}

fn check_schedule(rules: &ProfileRules, profile: &ChargingProfile) -> Result<(), ProfileRefused> {
    let schedule = &profile.charging_schedule;
    let periods = &schedule.charging_schedule_period;
    if !rules.units.contains(&schedule.charging_rate_unit) {
        return Err(ProfileRefused::Unit(schedule.charging_rate_unit));
    }
    if periods.is_empty() || periods.len() > rules.periods_max {
        return Err(ProfileRefused::Periods {
            was: periods.len(),
            max: rules.periods_max,
        });
    }
    let in_order = periods
        .windows(2)
        .all(|pair| pair[0].start_period < pair[1].start_period);
    if periods[0].start_period != 0 || !in_order {
        return Err(ProfileRefused::PeriodOrder);
    }
    for period in periods {
        if !(Tenths(0)..=LIMIT_MAX).contains(&period.limit) {
            return Err(ProfileRefused::Limit(period.limit));
        }
        if let Some(phases) = period
            .number_phases
            .filter(|phases| !(1..=3).contains(phases))
        {
            return Err(ProfileRefused::Phases(phases));
        }
    }
    match schedule.duration {
        Some(duration) if duration <= 0 => Err(ProfileRefused::Duration(duration)),
        Some(_) | None => Ok(()),
    }
}
