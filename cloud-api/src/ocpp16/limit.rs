//! A limit in watts for a charge point, some of which take amperes only.

use jiff::Timestamp;
use serde_json::Value;
use site_model::ConnectorType;

use super::Abilities;
use super::orders::{Call, Rate};

/// Nominal voltage between line and neutral, V (IEC 60038, table 1).
const LINE_V: i64 = 230;
/// The same where a plug is of North America, V (IEC 60038, table 1: 120/240).
const SPLIT_PHASE_V: i64 = 240;
/// Greatest voltage of charging with direct current, V (IEC 61851-23, CCS and CHAdeMO).
const DIRECT_V: i64 = 1_000;
const PHASES: i64 = 3;

/// A limit of a connector, or of the whole charge point (0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PowerLimit {
    connector: i64,
    watts: i64,
}

impl PowerLimit {
    /// A limit.
    #[must_use]
    pub fn new(connector: i64, watts: i64) -> Self {
        Self { connector, watts }
    }

    /// Which connector; 0: the whole charge point.
    #[must_use]
    pub fn connector(&self) -> i64 {
        self.connector
    }

    /// The call that sets it, and what is sent instead if that is rejected. `kinds` are the plugs that it
    /// is about, as far as they are known.
    ///
    /// # Errors
    /// As [`Call::new`].
    pub fn call(
        &self,
        abilities: Option<&Abilities>,
        kinds: &[Option<ConnectorType>],
        now: Timestamp,
    ) -> Result<(Call, Option<Value>), (String, String)> {
        let amperes = Rate::TenthAmperes(self.tenth_amperes(abilities, kinds));
        let in_amperes = Call::limit(self.connector, amperes, now)?;
        if abilities.is_some_and(Abilities::takes_amperes_only) {
            return Ok((in_amperes, None));
        }
        let in_watts = Call::limit(self.connector, Rate::Watts(self.watts), now)?;
        Ok((in_watts, Some(in_amperes.payload)))
    }

    /// Rounded down. What is not known counts as what makes the current least: three phases, and
    /// direct current where neither plug nor phases are known to be otherwise. A schedule in amperes
    /// is per phase (OCPP 1.6, section 7.13), so fewer phases than counted draw less.
    fn tenth_amperes(&self, abilities: Option<&Abilities>, kinds: &[Option<ConnectorType>]) -> i64 {
        let single = abilities.is_some_and(|told| told.has_no_three_phases(self.connector));
        let volts = |kind: &Option<ConnectorType>| match (kind, single) {
            (Some(ConnectorType::Ccs2 | ConnectorType::Chademo), _) | (None, true) => DIRECT_V,
            (Some(ConnectorType::Type1), _) => SPLIT_PHASE_V,
            (Some(ConnectorType::Type2), true) => LINE_V,
            (Some(ConnectorType::Type2) | None, false) => LINE_V * PHASES,
        };
        let unknown = volts(&None);
        let volts = kinds.iter().map(volts).max().unwrap_or(unknown);
        self.watts.saturating_mul(10) / volts
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn abilities(units: &str, rotation: &str) -> Abilities {
        let key = |key: &str, value: &str| json!({"key": key, "readonly": true, "value": value});
        Abilities::told_by(&json!({"configurationKey": [
            key("ChargingScheduleAllowedChargingRateUnit", units),
            key("ConnectorPhaseRotation", rotation),
        ]}))
    }

    fn schedule(payload: &Value) -> (&str, String) {
        let schedule = &payload["csChargingProfiles"]["chargingSchedule"];
        let unit = schedule["chargingRateUnit"].as_str().unwrap();
        (
            unit,
            schedule["chargingSchedulePeriod"][0]["limit"].to_string(),
        )
    }

    #[test]
    fn amperes_are_rounded_down_and_what_is_not_known_makes_them_less() {
        let now = "2026-05-01T09:14:05Z".parse().unwrap();
        let (type2, ccs) = (Some(ConnectorType::Type2), Some(ConnectorType::Ccs2));
        let type1 = Some(ConnectorType::Type1);
        for (watts, rotation, kinds, amperes) in [
            (11_000, "1.RST", vec![type2], "15.9"),
            (11_040, "", vec![type2], "16"),
            (11_040, "", vec![], "16"),
            (7_400, "1.NotApplicable", vec![type2], "32.1"),
            (7_400, "1.NotApplicable", vec![None], "7.4"),
            (7_400, "", vec![type1], "30.8"),
            (50_000, "", vec![ccs], "50"),
            (50_000, "", vec![type2, ccs], "50"),
            (0, "", vec![type2], "0"),
            (68, "", vec![type2], "0"),
            (69, "", vec![type2], "0.1"),
        ] {
            let abilities = abilities("Current", rotation);
            let (call, instead) = PowerLimit::new(1, watts)
                .call(Some(&abilities), &kinds, now)
                .unwrap();
            assert_eq!(instead, None);
            let told = schedule(&call.payload);
            assert_eq!(
                told,
                ("A", amperes.to_owned()),
                "{watts} {rotation} {kinds:?}"
            );
        }
    }

    #[test]
    fn watts_are_sent_first_where_they_may_be_taken() {
        let now = "2026-05-01T09:14:05Z".parse().unwrap();
        for abilities in [None, Some(abilities("Current,Power", ""))] {
            let limit = PowerLimit::new(0, 11_040);
            let (call, instead) = limit.call(abilities.as_ref(), &[], now).unwrap();
            assert_eq!(schedule(&call.payload), ("W", "11040".to_owned()));
            assert_eq!(schedule(&instead.unwrap()), ("A", "16".to_owned()));
        }
    }
}
