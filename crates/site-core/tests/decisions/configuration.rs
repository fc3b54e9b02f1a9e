//! What the core refuses to run, in sentences for the installer.

use site_core::{Authorization, SiteConfig};
use site_model::{EnergySource, Milliamps};

use crate::bench::{CHARGER, METER, device, free, own_energy, required, site_of};

#[test]
fn a_sound_configuration_has_no_faults() {
    assert_eq!(site_of(vec![free()]).faults(), Vec::<String>::new());
    assert_eq!(SiteConfig::default().faults(), Vec::<String>::new());
}

#[test]
fn every_fault_of_a_connector_is_named_at_once() {
    let mut connector = required();
    connector.phases = 4;
    connector.max_current = Milliamps(5_000);
    connector.range.minimum = Milliamps(5_900);
    connector.range.step = Milliamps(0);
    connector.range.can_pause = false;
    connector.energy.device = device(CHARGER);
    assert_eq!(
        site_of(vec![connector]).faults(),
        [
            "charge point CP-1, connector 1: 4 phases are not possible; set 1, 2 or 3",
            "charge point CP-1, connector 1: lowest limit 5900 mA is below the 6 A of IEC 61851-1; correct the profile",
            "charge point CP-1, connector 1: limits 5900 mA to 32000 mA in steps of 0 mA are no range; correct the profile",
            "charge point CP-1, connector 1: max_current 5000 mA is below the 5900 mA that the device needs to charge",
            "charge point CP-1, connector 1: the device cannot be told to pause, so it cannot wait for an authorization; set authorization = \"free\"",
            "charge point CP-1, connector 1: energy source external_meter does not fit device charger; a meter of its own is `external_meter`",
        ]
    );
}

#[test]
fn shared_devices_and_doubled_names_are_named() {
    let mut config = site_of(vec![free(), free()]);
    config.charge_points.push(config.charge_points[0].clone());
    config.charge_points[1].connectors.clear();
    assert_eq!(
        config.faults(),
        [
            "charge point CP-1: connector numbers must ascend, each once".to_owned(),
            format!(
                "charge point CP-1, connector 1: device {CHARGER} already serves charge point CP-1, connector 1; one device serves one connector"
            ),
            format!(
                "charge point CP-1, connector 1: device {METER} already serves charge point CP-1, connector 1; one device serves one connector"
            ),
            "charge point CP-1: the id is given twice".to_owned(),
            "charge point CP-1: it has no connector; add one".to_owned(),
        ]
    );
}

#[test]
fn an_estimate_may_not_be_billed_from_and_only_free_runs_without_pause() {
    let mut estimate = own_energy(EnergySource::IntegratedPower);
    estimate.energy.billing_grade = true;
    estimate.range.can_pause = false;
    assert!(matches!(estimate.authorization, Authorization::Free { .. }));
    assert_eq!(
        site_of(vec![estimate]).faults(),
        [
            "charge point CP-1, connector 1: power summed over time is an estimate and may not be billed from"
        ]
    );
}
