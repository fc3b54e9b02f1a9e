//! Which meter values are told when, as the configuration wants them (OCPP 1.6 section 3.16).

use ocpp::v16::{Measurand, Phase, ReadingContext, SampledValue, UnitOfMeasure};
use ocpp::{Decimal, Time};
use site_model::{Value, WattHours};

const DAY_MS: i64 = 86_400_000;

/// The next moment of `ClockAlignedDataInterval`: counted from midnight UTC, and midnight always is
/// one. `None` when the interval is 0.
#[must_use]
pub fn next_aligned(now: Time, every_seconds: u32) -> Option<Time> {
    let every = i64::from(every_seconds) * 1000;
    if every == 0 {
        return None;
    }
    let into_day = now.unix_ms().rem_euclid(DAY_MS);
    let next = (into_day / every + 1).saturating_mul(every).min(DAY_MS);
    Time::from_unix_ms(now.unix_ms() - into_day + next)
}

/// What a connector's meter shows.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'s> {
    /// The connector's monotone register.
    pub register: Option<WattHours>,
    /// What the device told last.
    pub values: &'s [Value],
}

/// The samples of the wanted measurands (`Voltage`: every phase there is; `Voltage.L1-N`: that one)
/// that the meter can tell now, in the order they are wanted.
#[must_use]
pub fn samples<'w>(
    wanted: impl IntoIterator<Item = &'w str>,
    shown: Shown<'_>,
    context: ReadingContext,
) -> Vec<SampledValue> {
    let all: Vec<SampledValue> = shown
        .register
        .map(|register| {
            sample(
                Measurand::EnergyActiveImportRegister,
                None,
                whole(register.0),
                UnitOfMeasure::Wh,
            )
        })
        .into_iter()
        .chain(shown.values.iter().filter_map(sample_of))
        .map(|mut sample| {
            sample.context = Some(context);
            sample
        })
        .collect();
    let is_wanted = |sample: &SampledValue, wanted: &str| {
        let name = sample.measurand.map_or("", Measurand::as_str);
        let phase = sample.phase.map_or("", Phase::as_str);
        wanted == name
            || wanted
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('.'))
                == Some(phase)
    };
    wanted
        .into_iter()
        .flat_map(|wanted| all.iter().filter(move |sample| is_wanted(sample, wanted)))
        .cloned()
        .collect()
}

fn sample_of(value: &Value) -> Option<SampledValue> {
    Some(match value {
        Value::Current(phase, current) => sample(
            Measurand::CurrentImport,
            Some(line(*phase)),
            thousandths(current.0),
            UnitOfMeasure::A,
        ),
        Value::CurrentLimit(limit) => sample(
            Measurand::CurrentOffered,
            None,
            thousandths(limit.0),
            UnitOfMeasure::A,
        ),
        Value::Voltage(phase, voltage) => sample(
            Measurand::Voltage,
            Some(to_neutral(*phase)),
            thousandths(voltage.0),
            UnitOfMeasure::V,
        ),
        Value::PowerOfPhase(phase, power) => sample(
            Measurand::PowerActiveImport,
            Some(line(*phase)),
            Decimal::from(i64::from(power.0)),
            UnitOfMeasure::W,
        ),
        Value::Power(power) => sample(
            Measurand::PowerActiveImport,
            None,
            Decimal::from(i64::from(power.0)),
            UnitOfMeasure::W,
        ),
        Value::EnergyExport(energy) => sample(
            Measurand::EnergyActiveExportRegister,
            None,
            whole(energy.0),
            UnitOfMeasure::Wh,
        ),
        Value::Frequency(frequency) => sample(
            Measurand::Frequency,
            None,
            thousandths(frequency.0),
            UnitOfMeasure::Hertz,
        ),
        // The device's own registers go into the connector's monotone one; apparent energy is no
        // measurand of 1.6; the rest are no meter values.
        Value::EnergyImport { .. }
        | Value::EnergySession(_)
        | Value::ApparentEnergy(_)
        | Value::ApparentPower(_)
        | Value::VehicleState(_)
        | Value::ErrorCode(_)
        | Value::Firmware(_)
        | Value::Serial(_)
        | Value::Model(_) => return None,
    })
}

fn sample(
    measurand: Measurand,
    phase: Option<Phase>,
    value: Decimal,
    unit: UnitOfMeasure,
) -> SampledValue {
    let mut sample = SampledValue::new(value.to_string());
    sample.measurand = Some(measurand);
    sample.phase = phase;
    sample.unit = Some(unit);
    sample
}

fn thousandths(value: u32) -> Decimal {
    Decimal::new(i64::from(value), 3).unwrap_or_else(|_| Decimal::from(0))
}

fn whole(value: u64) -> Decimal {
    Decimal::from(i64::try_from(value).unwrap_or(i64::MAX))
}

fn line(phase: site_model::Phase) -> Phase {
    match phase {
        site_model::Phase::L1 => Phase::L1,
        site_model::Phase::L2 => Phase::L2,
        site_model::Phase::L3 => Phase::L3,
    }
}

fn to_neutral(phase: site_model::Phase) -> Phase {
    match phase {
        site_model::Phase::L1 => Phase::L1N,
        site_model::Phase::L2 => Phase::L2N,
        site_model::Phase::L3 => Phase::L3N,
    }
}
