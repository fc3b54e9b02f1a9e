//! Charging profiles: which are installed, and which one rules at a moment (OCPP 1.6 section 3.13).
//!
//! Per purpose the highest stack level with a period in force leads. A transaction is ruled by its
//! `TxProfile`, else by the `TxDefaultProfile` of its connector, else by that of connector 0;
//! `ChargePointMaxProfile` lowers the result and never raises it; its connectors share it in equal parts.

mod amps;
mod check;
mod composite;
mod schedule;

use ocpp::v16::{
    ChargingProfile, ChargingProfilePurpose, ChargingRateUnit, ChargingSchedulePeriod,
    ClearChargingProfileRequest,
};
use ocpp::{Tenths, Time};

pub use check::ProfileRefused;
pub use composite::{Composite, CompositeRefused, HORIZON_SECONDS};

/// What the charge point can take; told to the central system by configuration keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileRules {
    /// Connectors there are, numbered from 1.
    pub connectors: u8,
    /// `ChargeProfileMaxStackLevel`
    pub stack_level_max: i64,
    /// `ChargingScheduleMaxPeriods`
    pub periods_max: usize,
    /// `MaxChargingProfilesInstalled`
    pub installed_max: usize,
    /// `ChargingScheduleAllowedChargingRateUnit`
    pub units: Vec<ChargingRateUnit>,
}

/// What turns amperes into watts and back, and what limits where no profile does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Electrics {
    /// Between phase and neutral, in thousandths of a volt.
    pub voltage_mv: u32,
    /// Phases a vehicle may draw from.
    pub phases: u8,
    /// Whether the charge point can keep a vehicle from using more phases than a profile names. If
    /// not, a limit in watts is divided by every phase it has: less current, never more.
    pub switches_phases: bool,
    /// The connector's own limit, in tenths of an ampere.
    pub max: Tenths,
}

/// The transaction on a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transaction {
    /// When it began: where relative schedules count from.
    pub started: Time,
    /// The central system's number for it, once it has given one.
    pub id: Option<i64>,
}

/// A connector as the composite schedule sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectorNow {
    /// The running transaction.
    pub transaction: Option<Transaction>,
    /// What it can deliver.
    pub electrics: Electrics,
}

/// A profile where it is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The connector, 0 for the whole charge point.
    pub connector: u8,
    /// When it came: where an absolute maximum without a start counts from.
    pub at: Time,
    /// The profile.
    pub profile: ChargingProfile,
}

/// A limit and who set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    /// Tenths of `unit`.
    pub limit: Tenths,
    /// Amperes per phase, or watts altogether.
    pub unit: ChargingRateUnit,
    /// Phases the profile allows, if it says so.
    pub phases: Option<i64>,
    /// Below this charging is inefficient, says the profile; in `unit`.
    pub min_charging_rate: Option<Tenths>,
    /// Which profile.
    pub profile_id: i64,
    /// Of which purpose.
    pub purpose: ChargingProfilePurpose,
}

/// What installing a profile changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// What is installed now.
    pub installed: Installed,
    /// Ids of the profiles that it replaced.
    pub replaced: Vec<i64>,
}

/// Every profile of one charge point.
#[derive(Debug, Clone)]
pub struct Profiles {
    rules: ProfileRules,
    installed: Vec<Installed>,
}

impl Profiles {
    /// Without a profile.
    #[must_use]
    pub fn new(rules: ProfileRules) -> Self {
        Self {
            rules,
            installed: Vec::new(),
        }
    }

    /// Puts back a profile that was installed before a restart, without asking for its transaction.
    /// Beyond `installed_max` it is not taken: `false`.
    pub fn restore(&mut self, installed: Installed) -> bool {
        let fits = self.installed.len() < self.rules.installed_max;
        if fits {
            self.installed.push(installed);
        }
        fits
    }

    /// Every profile, in the order they came.
    #[must_use]
    pub fn installed(&self) -> &[Installed] {
        &self.installed
    }

    /// Installs a profile. It replaces the one with its id, and the one with its connector, purpose
    /// and stack level.
    ///
    /// # Errors
    /// [`ProfileRefused`] when it breaks a rule; nothing changes then.
    pub fn set(
        &mut self,
        now: Time,
        connector: i64,
        profile: ChargingProfile,
        transaction: Option<&Transaction>,
    ) -> Result<Set, ProfileRefused> {
        let connector = check::check(&self.rules, connector, &profile, transaction)?;
        let is_replaced = |old: &Installed| {
            old.profile.charging_profile_id == profile.charging_profile_id
                || (old.connector == connector
                    && old.profile.charging_profile_purpose == profile.charging_profile_purpose
                    && old.profile.stack_level == profile.stack_level)
        };
        let kept = self
            .installed
            .iter()
            .filter(|old| !is_replaced(old))
            .count();
        if kept >= self.rules.installed_max {
            return Err(ProfileRefused::TooMany {
                max: self.rules.installed_max,
            });
        }
        let replaced = self.remove(is_replaced);
        let installed = Installed {
            connector,
            at: now,
            profile,
        };
        self.installed.push(installed.clone());
        Ok(Set {
            installed,
            replaced,
        })
    }

    /// Removes what matches every given criterion; without any, everything. Gives back the ids.
    pub fn clear(&mut self, criteria: &ClearChargingProfileRequest) -> Vec<i64> {
        fn matches<T: PartialEq>(wanted: Option<T>, is: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == *is)
        }
        if let Some(id) = criteria.id {
            return self.remove(|old| old.profile.charging_profile_id == id);
        }
        self.remove(|old| {
            matches(criteria.connector_id, &i64::from(old.connector))
                && matches(
                    criteria.charging_profile_purpose,
                    &old.profile.charging_profile_purpose,
                )
                && matches(criteria.stack_level, &old.profile.stack_level)
        })
    }

    /// Removes the profiles that were meant for the connector's transaction only. Gives back the
    /// ids.
    pub fn transaction_ended(&mut self, connector: u8) -> Vec<i64> {
        self.remove(|old| {
            old.connector == connector
                && old.profile.charging_profile_purpose == ChargingProfilePurpose::TxProfile
        })
    }

    fn remove(&mut self, condemned: impl Fn(&Installed) -> bool) -> Vec<i64> {
        let ids = |old: &Installed| old.profile.charging_profile_id;
        let removed = self
            .installed
            .iter()
            .filter(|old| condemned(old))
            .map(ids)
            .collect();
        self.installed.retain(|old| !condemned(old));
        removed
    }

    /// The limit of a connector at a moment, and who set it; `None` when no profile limits it. Of a
    /// limit of the whole charge point it is the connector's part.
    ///
    /// Without a transaction, the limit that one beginning at that moment would have.
    #[must_use]
    pub fn limit_at(
        &self,
        at: Time,
        connector: u8,
        transaction: Option<&Transaction>,
        electrics: &Electrics,
    ) -> Option<InForce> {
        let began = transaction.map_or(at, |transaction| transaction.started);
        self.limit_began(at, connector, began, transaction.is_some(), electrics)
    }

    fn limit_began(
        &self,
        at: Time,
        connector: u8,
        began: Time,
        in_transaction: bool,
        electrics: &Electrics,
    ) -> Option<InForce> {
        let leading = |purpose, connector| self.leading(purpose, connector, at, began);
        let whole = leading(ChargingProfilePurpose::ChargePointMaxProfile, 0);
        let whole = whole.map(|whole| self.shared(whole));
        let own = Some(ChargingProfilePurpose::TxProfile)
            .filter(|_| in_transaction)
            .and_then(|purpose| leading(purpose, connector))
            .or_else(|| leading(ChargingProfilePurpose::TxDefaultProfile, connector))
            .or_else(|| leading(ChargingProfilePurpose::TxDefaultProfile, 0));
        match (own, whole) {
            (Some(own), Some(whole)) => Some(lower(own, whole, electrics)),
            (own, whole) => own.or(whole),
        }
    }

    /// The part of a limit of the whole charge point that each of its connectors has; the other
    /// limits are a connector's own. Equal parts, whoever charges: nothing has to be lowered, and
    /// confirmed, before another is raised, so together they never exceed the limit.
    fn shared(&self, limit: InForce) -> InForce {
        let parts = match limit.purpose {
            ChargingProfilePurpose::ChargePointMaxProfile => {
                i64::from(self.rules.connectors.max(1))
            }
            ChargingProfilePurpose::TxDefaultProfile | ChargingProfilePurpose::TxProfile => 1,
        };
        InForce {
            limit: Tenths(limit.limit.0 / parts),
            ..limit
        }
    }

    /// The limit of the whole charge point; `None` when no profile limits it.
    #[must_use]
    pub fn whole_limit_at(&self, at: Time) -> Option<InForce> {
        self.leading(ChargingProfilePurpose::ChargePointMaxProfile, 0, at, at)
    }

    fn leading(
        &self,
        purpose: ChargingProfilePurpose,
        connector: u8,
        at: Time,
        began: Time,
    ) -> Option<InForce> {
        self.installed
            .iter()
            .filter(|one| {
                one.connector == connector && one.profile.charging_profile_purpose == purpose
            })
            .filter_map(|one| {
                let period = schedule::period_at(one, at, began)?;
                Some((one.profile.stack_level, in_force(one, period)))
            })
            .max_by_key(|(level, _)| *level)
            .map(|(_, in_force)| in_force)
    }

    /// The next moment after `at`, within a week, at which a limit of this connector may change.
    #[must_use]
    pub fn next_change_after(
        &self,
        at: Time,
        connector: u8,
        transaction: Option<&Transaction>,
    ) -> Option<Time> {
        let began = transaction.map_or(at, |transaction| transaction.started);
        let until = at.unix_ms().saturating_add(HORIZON_SECONDS * 1000);
        let mut moments = Vec::new();
        for one in self
            .installed
            .iter()
            .filter(|one| [0, connector].contains(&one.connector))
        {
            schedule::changes(one, at.unix_ms(), until, began, &mut moments);
        }
        moments.into_iter().min().and_then(Time::from_unix_ms)
    }
}

fn in_force(one: &Installed, period: &ChargingSchedulePeriod) -> InForce {
    let profile = &one.profile;
    InForce {
        limit: period.limit,
        unit: profile.charging_schedule.charging_rate_unit,
        phases: period.number_phases,
        min_charging_rate: profile.charging_schedule.min_charging_rate,
        profile_id: profile.charging_profile_id,
        purpose: profile.charging_profile_purpose,
    }
}

/// The lower of two limits; where they are equal, the first. The fewer phases hold.
fn lower(one: InForce, other: InForce, electrics: &Electrics) -> InForce {
    let fewer = one.phases.into_iter().chain(other.phases).min();
    let lower = if in_unit(&other, one.unit, electrics) < one.limit {
        other
    } else {
        one
    };
    InForce {
        phases: fewer,
        ..lower
    }
}

/// A limit in another unit, rounded down.
fn in_unit(limit: &InForce, unit: ChargingRateUnit, electrics: &Electrics) -> Tenths {
    electrics.convert(limit.limit, limit.unit, unit, limit.phases)
}

impl Electrics {
    fn convert(
        &self,
        Tenths(tenths): Tenths,
        from: ChargingRateUnit,
        to: ChargingRateUnit,
        phases: Option<i64>,
    ) -> Tenths {
        let phases = match phases {
            Some(named) if self.switches_phases => named.min(i64::from(self.phases)),
            Some(_) | None => i64::from(self.phases),
        };
        let millivolts = (i64::from(self.voltage_mv) * phases).max(1);
        match (from, to) {
            (ChargingRateUnit::A, ChargingRateUnit::W) => {
                Tenths(tenths.saturating_mul(millivolts) / 1000)
            }
            (ChargingRateUnit::W, ChargingRateUnit::A) => Tenths(tenths * 1000 / millivolts),
            (ChargingRateUnit::A, ChargingRateUnit::A)
            | (ChargingRateUnit::W, ChargingRateUnit::W) => Tenths(tenths),
        }
    }
}
