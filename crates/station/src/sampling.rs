//! What a connector's meter shows, as samples of OCPP 1.6 (section 7.31), and the moments of
//! clock-aligned data (section 9.1.3).

use ocpp::v16::{Measurand, Phase, ReadingContext, SampledValue, UnitOfMeasure};
use ocpp::{Decimal, Time};
use site_model::{Milliamps, Value, WattHours};

use crate::profiles::Electrics;

const DAY_MS: i64 = 86_400_000;
/// mA × mV in a W.
const PER_WATT: i64 = 1_000_000;

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

/// One figure of a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// Of what.
    pub measurand: Measurand,
    /// Absent: of all phases.
    pub phase: Option<Phase>,
    value: Decimal,
    unit: UnitOfMeasure,
}

impl Figure {
    /// The connector's monotone register.
    #[must_use]
    pub fn register(energy: WattHours) -> Self {
        let measurand = Measurand::EnergyActiveImportRegister;
        Self::new(measurand, None, whole(energy.0), UnitOfMeasure::Wh)
    }

    /// The current that a vehicle is offered, on every phase, and the power at nominal voltage that it
    /// makes.
    #[must_use]
    pub fn offered(current: Milliamps, electrics: &Electrics) -> [Self; 2] {
        let volts = i64::from(electrics.voltage_mv) * i64::from(electrics.phases);
        let watts = i64::from(current.0).saturating_mul(volts) / PER_WATT;
        let (measurand, unit) = (Measurand::CurrentOffered, UnitOfMeasure::A);
        let current = Self::new(measurand, None, thousandths(current.0), unit);
        let (measurand, unit) = (Measurand::PowerOffered, UnitOfMeasure::W);
        [
            current,
            Self::new(measurand, None, Decimal::from(watts), unit),
        ]
    }

    /// What a device told, where that is a meter value.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        use {Measurand as M, UnitOfMeasure as U};
        Some(match value {
            Value::Current(phase, current) => {
                let phase = Some(line(*phase));
                Self::new(M::CurrentImport, phase, thousandths(current.0), U::A)
            }
            Value::Voltage(phase, voltage) => {
                let phase = Some(to_neutral(*phase));
                Self::new(M::Voltage, phase, thousandths(voltage.0), U::V)
            }
            Value::PowerOfPhase(phase, power) => {
                let value = Decimal::from(i64::from(power.0));
                Self::new(M::PowerActiveImport, Some(line(*phase)), value, U::W)
            }
            Value::Power(power) => {
                let value = Decimal::from(i64::from(power.0));
                Self::new(M::PowerActiveImport, None, value, U::W)
            }
            Value::EnergyExport(energy) => {
                Self::new(M::EnergyActiveExportRegister, None, whole(energy.0), U::Wh)
            }
            Value::Frequency(frequency) => {
                Self::new(M::Frequency, None, thousandths(frequency.0), U::Hertz)
            }
            // The device's own registers go into the connector's monotone one, its limit into what is
            // offered; apparent energy is no measurand of 1.6; the rest are no meter values.
            Value::EnergyImport { .. }
            | Value::EnergySession(_)
            | Value::CurrentLimit(_)
            | Value::ApparentEnergy(_)
            | Value::ApparentPower(_)
            | Value::VehicleState(_)
            | Value::ErrorCode(_)
            | Value::Firmware(_)
            | Value::Serial(_)
            | Value::Model(_) => return None,
        })
    }

    fn new(
        measurand: Measurand,
        phase: Option<Phase>,
        value: Decimal,
        unit: UnitOfMeasure,
    ) -> Self {
        Self {
            measurand,
            phase,
            value,
            unit,
        }
    }

    /// Whether it tells the same as the other, of another moment.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        (self.measurand, self.phase) == (other.measurand, other.phase)
    }

    /// `Voltage` means every phase there is, `Voltage.L1` and `Voltage.L1-N` that one.
    fn is_meant_by(&self, wanted: &str) -> bool {
        let rest = wanted.strip_prefix(self.measurand.as_str());
        match (rest, self.phase.map(Phase::as_str)) {
            (Some(""), _) => true,
            (Some(rest), Some(phase)) => rest
                .strip_prefix('.')
                .is_some_and(|wanted| wanted == phase || Some(wanted) == phase.strip_suffix("-N")),
            (Some(_), None) | (None, _) => false,
        }
    }

    /// As a message tells it.
    #[must_use]
    pub fn sample(&self, context: ReadingContext) -> SampledValue {
        let mut sample = SampledValue::new(self.value.to_string());
        sample.context = Some(context);
        sample.measurand = Some(self.measurand);
        sample.phase = self.phase;
        sample.unit = Some(self.unit);
        sample
    }
}

/// Of the figures there are, those that are wanted, in the order they are wanted, each once.
#[must_use]
pub fn wanted(
    wanted: impl IntoIterator<Item = impl AsRef<str>>,
    figures: &[Figure],
) -> Vec<&Figure> {
    let mut told: Vec<&Figure> = Vec::new();
    for word in wanted {
        for figure in figures {
            let is_new = !told.iter().any(|told| told.is_like(figure));
            if is_new && figure.is_meant_by(word.as_ref()) {
                told.push(figure);
            }
        }
    }
    told
}

/// The power of all phases where the figures have only those of the phases.
#[must_use]
pub fn whole_power(figures: &[Figure]) -> Option<Figure> {
    let power = figures
        .iter()
        .filter(|figure| figure.measurand == Measurand::PowerActiveImport);
    let mut watts = None;
    for figure in power {
        figure.phase?;
        watts = Some(watts.unwrap_or(0) + figure.value.to_whole()?);
    }
    let (measurand, unit) = (Measurand::PowerActiveImport, UnitOfMeasure::W);
    watts.map(|watts: i64| Figure::new(measurand, None, Decimal::from(watts), unit))
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
