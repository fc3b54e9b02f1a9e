//! What a connector's sections mean for the core: limits, authorization, where its energy is read.

use std::sync::Arc;

use hw_profiles::{Kind, LimitControl, LimitUnit, Profile, Quantity};
use site_core::{Authorization, ConnectorConfig, CurrentRange, EnergyConfig};
use site_model::{DeviceId, EnergySource, IdTag, Milliamps};

use super::file::{ChargePointSection, ConnectorSection};
use super::plan::Wiring;
use super::section::At;

/// Tag of free sessions unless configured.
const FREE_ID_TAG: &str = "FREE";
/// Volts between phase and neutral (IEC 60038), for devices whose limit counts watts.
const NOMINAL_VOLTAGE: u64 = 230;

impl Wiring<'_> {
    pub(super) fn connector(
        &mut self,
        charge_point: &ChargePointSection,
        section: &ConnectorSection,
    ) -> Option<(ConnectorConfig, Arc<Profile>)> {
        let purpose = format!("{} connector {}", charge_point.id.value, section.id.value);
        let charger = self.assign(&section.device, Kind::Charger, &purpose);
        let meter = section.meter.as_ref();
        let meter = meter.map(|id| (id, self.assign(id, Kind::Meter, &purpose)));
        let charger = charger?;
        let range = self.range(section, &charger)?;
        self.check_current(section, &range, &charger);
        let max_current = Milliamps(section.max_current_ma.value);
        self.check_fallback(&section.device.value, max_current);
        let authorization = self.authorization(section, &range, &charger);
        let energy = self.energy(section, &charger, meter)?;
        let config = ConnectorConfig {
            id: section.id.value,
            kind: section.kind,
            phases: section.phases,
            max_current,
            range,
            device: section.device.value.clone(),
            energy,
            authorization,
        };
        Some((config, charger))
    }

    fn range(&self, section: &ConnectorSection, charger: &Profile) -> Option<CurrentRange> {
        let Some(limit) = &charger.limit else {
            self.report.fault(
                section.device.place.clone(),
                format!(
                    "the limit of {} {} cannot be set",
                    charger.vendor, charger.model
                ),
                "Use a charger whose profile has a [limit]",
            );
            return None;
        };
        Some(CurrentRange {
            minimum: limit.minimum.max(Milliamps::IEC_61851_MINIMUM),
            maximum: limit.maximum,
            step: step(limit, section.phases),
            can_pause: limit.pause.is_some(),
            reads_back: limit.read_back.is_some(),
        })
    }

    fn check_current(&self, section: &ConnectorSection, range: &CurrentRange, charger: &Profile) {
        let current = Milliamps(section.max_current_ma.value);
        if current < range.minimum || current > range.maximum {
            self.report.fault(
                section.max_current_ma.place.clone(),
                format!(
                    "{} A is not what a {} {} can be limited to",
                    amps(current),
                    charger.vendor,
                    charger.model
                ),
                format!("Use {} to {}", amps(range.minimum), amps(range.maximum)),
            );
        }
    }

    fn authorization(
        &self,
        section: &ConnectorSection,
        range: &CurrentRange,
        charger: &Profile,
    ) -> Authorization {
        if !section.free.value && !range.can_pause {
            self.report.fault(
                section.free.place.clone(),
                format!(
                    "a {} {} cannot be told to pause, so it cannot wait for an authorization",
                    charger.vendor, charger.model
                ),
                "Set authorization = \"free\"",
            );
        }
        if let Some(tag) = &section.free_id_tag
            && !section.free.value
        {
            self.report.fault(
                tag.place.clone(),
                "without free charging there are no free sessions",
                "Remove it, or set authorization = \"free\"",
            );
        }
        if !section.free.value {
            return Authorization::Required;
        }
        let id_tag = section.free_id_tag.as_ref().map_or_else(
            || IdTag::new(FREE_ID_TAG).expect("four letters are an idTag"),
            |tag| tag.value.clone(),
        );
        Authorization::Free { id_tag }
    }

    /// The best source there is: a meter of its own, then the charger's lifetime register, its
    /// session register, its power. Apparent energy is none.
    fn energy(
        &self,
        section: &ConnectorSection,
        charger: &Profile,
        meter: Option<(&At<DeviceId>, Option<Arc<Profile>>)>,
    ) -> Option<EnergyConfig> {
        if let Some((id, profile)) = meter {
            let profile = profile?;
            if !counts(&profile, Quantity::EnergyImport) {
                self.report.fault(
                    id.place.clone(),
                    format!(
                        "{} {} has no register of imported energy",
                        profile.vendor, profile.model
                    ),
                    "Use a meter whose profile reads energy_import",
                );
                return None;
            }
            return Some(EnergyConfig {
                device: id.value.clone(),
                source: EnergySource::ExternalMeter,
                billing_grade: section.billing_grade.as_ref().is_none_or(|at| at.value),
            });
        }
        let best = [
            (Quantity::EnergyImport, EnergySource::LifetimeRegister),
            (Quantity::EnergySession, EnergySource::SessionRegister),
            (Quantity::Power, EnergySource::IntegratedPower),
        ];
        let found = best.iter().find(|(quantity, _)| counts(charger, *quantity));
        let Some((_, source)) = found else {
            self.report.fault(
                section.device.place.clone(),
                format!(
                    "{} {} counts no active energy",
                    charger.vendor, charger.model
                ),
                "Give the connector a meter of its own: meter = \"…\"",
            );
            return None;
        };
        let billing_grade = section.billing_grade.as_ref();
        if let Some(wish) = billing_grade
            && wish.value
            && *source == EnergySource::IntegratedPower
        {
            self.report.fault(
                wish.place.clone(),
                "power summed over time is an estimate",
                "Set billing_grade = false, or give the connector a meter of its own",
            );
        }
        Some(EnergyConfig {
            device: section.device.value.clone(),
            source: *source,
            billing_grade: billing_grade.is_some_and(|at| at.value),
        })
    }
}

fn counts(profile: &Profile, quantity: Quantity) -> bool {
    let mut registers = profile.registers.iter();
    registers.any(|register| register.quantity == Some(quantity))
}

/// One count of the set-point as a current, at least 1 mA, rounded up so that a limit on a step is exact.
fn step(limit: &LimitControl, phases: u8) -> Milliamps {
    let (numerator, denominator) = match limit.unit {
        LimitUnit::Milliamps => (limit.scale.numerator, limit.scale.denominator),
        LimitUnit::Watts => (
            limit.scale.numerator * 1_000,
            limit.scale.denominator * NOMINAL_VOLTAGE * u64::from(phases),
        ),
    };
    let count = numerator.div_ceil(denominator.max(1)).max(1);
    Milliamps(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Amperes for people, without superfluous decimals.
pub(super) fn amps(current: Milliamps) -> String {
    let text = format!("{}.{:03}", current.0 / 1_000, current.0 % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
