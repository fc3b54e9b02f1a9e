//! What a charge point can tell its central system of its meters, by the profiles of its devices.

use hw_profiles::{Profile, Quantity};
use ocpp::v16::Measurand;

/// Each once. The register is the core's own and what is offered is what it granted: every charge point
/// tells these.
pub(super) fn measurands<'p>(profiles: impl Iterator<Item = &'p Profile>) -> Vec<Measurand> {
    let registers = profiles.flat_map(|profile| &profile.registers);
    let quantities = registers.filter_map(|register| register.quantity);
    let always = [
        Measurand::EnergyActiveImportRegister,
        Measurand::CurrentOffered,
        Measurand::PowerOffered,
    ];
    let mut all = always.to_vec();
    for measurand in quantities.filter_map(measurand) {
        if !all.contains(&measurand) {
            all.push(measurand);
        }
    }
    all
}

/// As `station::sampling::Figure` makes it of the value.
fn measurand(quantity: Quantity) -> Option<Measurand> {
    match quantity {
        Quantity::CurrentL1 | Quantity::CurrentL2 | Quantity::CurrentL3 => {
            Some(Measurand::CurrentImport)
        }
        Quantity::VoltageL1 | Quantity::VoltageL2 | Quantity::VoltageL3 => Some(Measurand::Voltage),
        Quantity::PowerL1 | Quantity::PowerL2 | Quantity::PowerL3 | Quantity::Power => {
            Some(Measurand::PowerActiveImport)
        }
        Quantity::EnergyExport => Some(Measurand::EnergyActiveExportRegister),
        Quantity::Frequency => Some(Measurand::Frequency),
        Quantity::CurrentLimit
        | Quantity::PowerLimit
        | Quantity::ApparentPower
        | Quantity::EnergyImport
        | Quantity::EnergySession
        | Quantity::ApparentEnergy
        | Quantity::ErrorCode
        | Quantity::Firmware
        | Quantity::Serial
        | Quantity::Model => None,
    }
}
