//! What the core must know of the site. Built and checked by the shell from its configuration
//! file and the device profiles.

use std::collections::BTreeMap;

use site_model::{
    CentralSystem, ChargePointId, ConnectorId, ConnectorType, DeviceId, EnergySource, IdTag,
    Milliamps, Watts,
};

/// The whole site.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SiteConfig {
    /// Its charge points; ids are unique.
    pub charge_points: Vec<ChargePointConfig>,
}

/// One charge point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargePointConfig {
    /// Its identity.
    pub id: ChargePointId,
    /// Maker, from the device profile.
    pub vendor: String,
    /// Model, from the device profile.
    pub model: String,
    /// At least one, ascending by number.
    pub connectors: Vec<ConnectorConfig>,
    /// Its OCPP endpoint, if it has one. A changed one holds once no session runs.
    pub central_system: Option<CentralSystem>,
}

/// One connector and the device that drives it. A device drives exactly one connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorConfig {
    /// Its number.
    pub id: ConnectorId,
    /// Its plug or socket.
    pub kind: ConnectorType,
    /// Phases it is wired to, 1 to 3.
    pub phases: u8,
    /// Most the installation allows.
    pub max_current: Milliamps,
    /// What the device accepts.
    pub range: CurrentRange,
    /// The charger.
    pub device: DeviceId,
    /// Where energy is read.
    pub energy: EnergyConfig,
    /// Who may charge.
    pub authorization: Authorization,
}

/// Limits a device accepts, from its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentRange {
    /// Lowest current while charging; at least 6 A.
    pub minimum: Milliamps,
    /// Highest.
    pub maximum: Milliamps,
    /// One count of its set-point; asked limits are rounded down to it.
    pub step: Milliamps,
    /// Whether it can be told to pause. Without, a connector may only run free.
    pub can_pause: bool,
    /// Whether the device's applied limit can be read back; without, a write acknowledged by the
    /// device counts once the next reading arrived.
    pub reads_back: bool,
}

/// Where a connector's energy is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnergyConfig {
    /// Which device; the charger itself or a meter of its own.
    pub device: DeviceId,
    /// Which of its values.
    pub source: EnergySource,
    /// Whether it may be billed from.
    pub billing_grade: bool,
}

/// Who may charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// Anybody: the session is recorded under this tag.
    Free {
        /// The tag.
        id_tag: IdTag,
    },
    /// Only after a start order, which a tag that may charge becomes too; until then the connector is held at its pause value.
    Required,
}

/// Volts between phase and neutral (IEC 60038, nominal).
const NOMINAL_VOLTAGE: u64 = 230;

impl ConnectorConfig {
    /// Rated power: the lower of installation and device, × phases × 230 V.
    #[must_use]
    pub fn max_power(&self) -> Watts {
        let milliamps = u64::from(self.max_current.min(self.range.maximum).0);
        let milliwatts = milliamps * u64::from(self.phases) * NOMINAL_VOLTAGE;
        Watts(i32::try_from(milliwatts / 1_000).unwrap_or(i32::MAX))
    }

    fn faults(&self, at: &str, faults: &mut Vec<String>) {
        let range = &self.range;
        let mut check = |holds: bool, sentence: String| {
            if !holds {
                faults.push(format!("{at}: {sentence}"));
            }
        };
        check(
            (1..=3).contains(&self.phases),
            format!("{} phases are not possible; set 1, 2 or 3", self.phases),
        );
        check(
            range.minimum >= Milliamps::IEC_61851_MINIMUM,
            format!(
                "lowest limit {} is below the 6 A of IEC 61851-1; correct the profile",
                range.minimum
            ),
        );
        check(
            range.minimum <= range.maximum && range.step.0 > 0,
            format!(
                "limits {} to {} in steps of {} are no range; correct the profile",
                range.minimum, range.maximum, range.step
            ),
        );
        check(
            self.max_current >= range.minimum,
            format!(
                "max_current {} is below the {} that the device needs to charge",
                self.max_current, range.minimum
            ),
        );
        check(
            range.can_pause || matches!(self.authorization, Authorization::Free { .. }),
            "the device cannot be told to pause, so it cannot wait for an authorization; set authorization = \"free\"".to_owned(),
        );
        let external = self.energy.source == EnergySource::ExternalMeter;
        check(
            external == (self.energy.device != self.device),
            format!(
                "energy source {} does not fit device {}; a meter of its own is `external_meter`",
                self.energy.source, self.energy.device
            ),
        );
        check(
            !(self.energy.billing_grade && self.energy.source == EnergySource::IntegratedPower),
            "power summed over time is an estimate and may not be billed from".to_owned(),
        );
    }
}

impl SiteConfig {
    /// What is wrong with this configuration, all at once, each a sentence that begins with the
    /// place. Empty: nothing.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut devices: BTreeMap<&DeviceId, String> = BTreeMap::new();
        for (n, charge_point) in self.charge_points.iter().enumerate() {
            let id = &charge_point.id;
            if self.charge_points[..n].iter().any(|other| other.id == *id) {
                faults.push(format!("charge point {id}: the id is given twice"));
            }
            if charge_point.connectors.is_empty() {
                faults.push(format!("charge point {id}: it has no connector; add one"));
            }
            let numbers = || charge_point.connectors.iter().map(|c| c.id);
            if !numbers().zip(numbers().skip(1)).all(|(a, b)| a < b) {
                faults.push(format!(
                    "charge point {id}: connector numbers must ascend, each once"
                ));
            }
            for connector in &charge_point.connectors {
                let at = format!("charge point {id}, connector {}", connector.id);
                connector.faults(&at, &mut faults);
                let mut used = vec![&connector.device];
                if connector.energy.device != connector.device {
                    used.push(&connector.energy.device);
                }
                for device in used {
                    if let Some(other) = devices.insert(device, at.clone()) {
                        faults.push(format!(
                            "{at}: device {device} already serves {other}; one device serves one connector"
                        ));
                    }
                }
            }
        }
        faults
    }
}
