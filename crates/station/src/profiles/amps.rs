//! Limits in amperes, for whoever drives the connector: rounded down, with the connector's share of
//! what the whole charge point may take.

use ocpp::v16::{ChargingProfilePurpose, ChargingRateUnit};
use ocpp::{Tenths, Time};

use super::{Electrics, InForce, Installed, Profiles, Transaction, in_unit};

impl Profiles {
    /// The limit of a connector at a moment; `None` when no profile limits it. As
    /// [`Profiles::limit_at`].
    #[must_use]
    pub fn amps_at(
        &self,
        at: Time,
        connector: u8,
        transaction: Option<&Transaction>,
        electrics: &Electrics,
    ) -> Option<Tenths> {
        let limit = self.limit_at(at, connector, transaction, electrics)?;
        Some(in_unit(&limit, ChargingRateUnit::A, electrics))
    }

    /// The least that any period of any profile for this connector allows, whatever the time is;
    /// `None` when no profile is for it.
    #[must_use]
    pub fn lowest_amps(
        &self,
        connector: u8,
        in_transaction: bool,
        electrics: &Electrics,
    ) -> Option<Tenths> {
        let installed = self.installed.iter();
        let concerns = installed.filter(|one| {
            let for_transaction =
                one.profile.charging_profile_purpose == ChargingProfilePurpose::TxProfile;
            [0, connector].contains(&one.connector) && (in_transaction || !for_transaction)
        });
        let limits = concerns.flat_map(|one| self.limits_in(one));
        limits
            .map(|limit| in_unit(&limit, ChargingRateUnit::A, electrics))
            .min()
    }

    fn limits_in<'a>(&'a self, one: &'a Installed) -> impl Iterator<Item = InForce> + 'a {
        let schedule = &one.profile.charging_schedule;
        let periods = schedule.charging_schedule_period.iter();
        periods.map(move |period| self.shared(super::in_force(one, period)))
    }
}
