//! The energy register among a charge point's meter values.

use ocpp::Decimal;
use ocpp::v16::{Measurand, MeterValue, SampledValue, UnitOfMeasure, ValueFormat};

/// Time in ms and `Energy.Active.Import.Register` in Wh of each meter value that has one. What is
/// signed, of one phase, negative, or in another unit than Wh and kWh tells no register.
pub(super) fn registers(values: &[MeterValue]) -> Vec<(i64, u64)> {
    values
        .iter()
        .filter_map(|value| {
            let sample = value
                .sampled_value
                .iter()
                .find(|sample| is_register(sample))?;
            Some((value.timestamp.unix_ms(), watt_hours(sample)?))
        })
        .collect()
}

fn is_register(sample: &SampledValue) -> bool {
    let measurand = sample
        .measurand
        .unwrap_or(Measurand::EnergyActiveImportRegister);
    measurand == Measurand::EnergyActiveImportRegister
        && sample.phase.is_none()
        && sample.format != Some(ValueFormat::SignedData)
        && watt_hours(sample).is_some()
}

/// Whole Wh, rounded down.
fn watt_hours(sample: &SampledValue) -> Option<u64> {
    let value = Decimal::parse(sample.value.trim()).ok()?;
    let power = match sample.unit {
        None | Some(UnitOfMeasure::Wh) => 0,
        Some(UnitOfMeasure::KWh) => 3,
        Some(_) => return None,
    };
    u64::try_from(value.scaled_down(power).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use ocpp::Payload as _;
    use ocpp::v16::{Action, Request};
    use serde_json::json;

    use super::*;

    fn of(samples: &serde_json::Value) -> Vec<(i64, u64)> {
        let payload = json!({
            "connectorId": 1,
            "meterValue": [{"timestamp": "2026-05-01T09:00:00Z", "sampledValue": samples}],
        });
        let request = Request::parse(Action::MeterValues, payload).unwrap().value;
        let Request::MeterValues(request) = request else {
            panic!("another action")
        };
        registers(&request.meter_value)
    }

    #[test]
    fn the_register_is_found_in_wh_whatever_stands_beside_it() {
        let at = 1_777_626_000_000;
        let power = json!({"value": "7400", "measurand": "Power.Active.Import", "unit": "W"});
        let register = "Energy.Active.Import.Register";
        for (sample, wh) in [
            (json!({"value": "1204500"}), 1_204_500),
            (json!({"value": "1204500.9", "unit": "Wh"}), 1_204_500),
            (
                json!({"value": "1204.567", "unit": "kWh", "measurand": register}),
                1_204_567,
            ),
            (
                json!({"value": " 12e3 ", "measurand": register, "location": "Outlet"}),
                12_000,
            ),
        ] {
            assert_eq!(of(&json!([power, sample])), [(at, wh)], "{sample}");
        }
    }

    #[test]
    fn what_is_no_register_is_none() {
        for sample in [
            json!({"value": "7400", "measurand": "Power.Active.Import", "unit": "W"}),
            json!({"value": "1000", "phase": "L1"}),
            json!({"value": "-5"}),
            json!({"value": "much"}),
            json!({"value": "1000", "unit": "kVA"}),
            json!({"value": "T0NNRg==", "format": "SignedData"}),
        ] {
            assert_eq!(of(&json!([sample])), [], "{sample}");
        }
    }
}
