//! Units, exact decimal factors, and which unit fits which quantity.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use crate::fault::Report;
use crate::profile::{Quantity, Scale};
use crate::read::{At, Read, words};

/// Unit of a value in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliamps,
    Amps,
    Millivolts,
    Volts,
    Milliwatts,
    Watts,
    Kilowatts,
    VoltAmperes,
    KilovoltAmperes,
    WattHours,
    KilowattHours,
    VoltAmpereHours,
    KilovoltAmpereHours,
    Millihertz,
    Hertz,
    Milliseconds,
    Seconds,
}

words! {
    Unit {
        "mA" = Unit::Milliamps, "A" = Unit::Amps,
        "mV" = Unit::Millivolts, "V" = Unit::Volts,
        "mW" = Unit::Milliwatts, "W" = Unit::Watts, "kW" = Unit::Kilowatts,
        "VA" = Unit::VoltAmperes, "kVA" = Unit::KilovoltAmperes,
        "Wh" = Unit::WattHours, "kWh" = Unit::KilowattHours,
        "VAh" = Unit::VoltAmpereHours, "kVAh" = Unit::KilovoltAmpereHours,
        "mHz" = Unit::Millihertz, "Hz" = Unit::Hertz,
        "ms" = Unit::Milliseconds, "s" = Unit::Seconds,
    }
}

/// What a unit measures; named after its base unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dimension {
    Current,
    Voltage,
    Power,
    ApparentPower,
    Energy,
    ApparentEnergy,
    Frequency,
    Time,
}

impl Dimension {
    /// Unit that loaded values are in.
    pub(crate) const fn base_unit(self) -> &'static str {
        match self {
            Self::Current => "mA",
            Self::Voltage => "mV",
            Self::Power => "W",
            Self::ApparentPower => "VA",
            Self::Energy => "Wh",
            Self::ApparentEnergy => "VAh",
            Self::Frequency => "mHz",
            Self::Time => "ms",
        }
    }

    /// The words that name its units.
    pub(crate) fn units(self) -> Vec<&'static str> {
        <Unit as crate::read::Words>::ALL
            .iter()
            .filter(|(_, unit)| unit.dimension() == self)
            .map(|(word, _)| *word)
            .collect()
    }
}

impl Unit {
    pub(crate) const fn dimension(self) -> Dimension {
        match self {
            Self::Milliamps | Self::Amps => Dimension::Current,
            Self::Millivolts | Self::Volts => Dimension::Voltage,
            Self::Milliwatts | Self::Watts | Self::Kilowatts => Dimension::Power,
            Self::VoltAmperes | Self::KilovoltAmperes => Dimension::ApparentPower,
            Self::WattHours | Self::KilowattHours => Dimension::Energy,
            Self::VoltAmpereHours | Self::KilovoltAmpereHours => Dimension::ApparentEnergy,
            Self::Millihertz | Self::Hertz => Dimension::Frequency,
            Self::Milliseconds | Self::Seconds => Dimension::Time,
        }
    }

    /// Base units per unit.
    const fn in_base(self) -> Scale {
        let (numerator, denominator) = match self {
            Self::Milliwatts => (1, 1_000),
            Self::Milliamps
            | Self::Millivolts
            | Self::Watts
            | Self::VoltAmperes
            | Self::WattHours
            | Self::VoltAmpereHours
            | Self::Millihertz
            | Self::Milliseconds => (1, 1),
            Self::Amps
            | Self::Volts
            | Self::Kilowatts
            | Self::KilovoltAmperes
            | Self::KilowattHours
            | Self::KilovoltAmpereHours
            | Self::Hertz
            | Self::Seconds => (1_000, 1),
        };
        Scale {
            numerator,
            denominator,
        }
    }

    /// Base units per count of a register that counts `scale` of this unit.
    pub(crate) fn scale(self, scale: Decimal) -> Scale {
        let base = self.in_base();
        reduced(
            scale.0.numerator * base.numerator,
            scale.0.denominator * base.denominator,
        )
    }
}

/// What a quantity is measured in; `None` for codes and texts.
pub(crate) const fn dimension_of(quantity: Quantity) -> Option<Dimension> {
    match quantity {
        Quantity::CurrentLimit
        | Quantity::CurrentL1
        | Quantity::CurrentL2
        | Quantity::CurrentL3 => Some(Dimension::Current),
        Quantity::VoltageL1 | Quantity::VoltageL2 | Quantity::VoltageL3 => Some(Dimension::Voltage),
        Quantity::PowerLimit
        | Quantity::PowerL1
        | Quantity::PowerL2
        | Quantity::PowerL3
        | Quantity::Power => Some(Dimension::Power),
        Quantity::ApparentPower => Some(Dimension::ApparentPower),
        Quantity::EnergyImport | Quantity::EnergyExport | Quantity::EnergySession => {
            Some(Dimension::Energy)
        }
        Quantity::ApparentEnergy => Some(Dimension::ApparentEnergy),
        Quantity::Frequency => Some(Dimension::Frequency),
        Quantity::ErrorCode | Quantity::Firmware | Quantity::Serial | Quantity::Model => None,
    }
}

/// A positive decimal number, exact: at most nine digits before the point and six after it, so that
/// every unit's factor still fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal(Scale);

impl Decimal {
    pub(crate) const ONE: Self = Self(Scale {
        numerator: 1,
        denominator: 1,
    });

    /// Parses `12`, `0.1` or `12.05`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (text, ""),
        };
        let digits =
            |part: &str, most| part.len() <= most && part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole, 9) || !digits(fraction, 6) {
            return None;
        }
        let mut denominator: u64 = 1;
        for _ in fraction.bytes() {
            denominator *= 10;
        }
        let fraction: u64 = if fraction.is_empty() {
            0
        } else {
            fraction.parse().ok()?
        };
        let numerator = whole.parse::<u64>().ok()? * denominator + fraction;
        (numerator > 0).then(|| Self(reduced(numerator, denominator)))
    }
}

/// A decimal number that may be negative or 0, exact: a bound of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    negative: bool,
    magnitude: Option<Decimal>,
}

impl Bound {
    /// Parses `45`, `-0.5` or `0`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let magnitude = Decimal::parse(digits);
        let is_zero = magnitude.is_none() && matches!(digits, "0" | "0.0");
        (magnitude.is_some() || is_zero).then_some(Self {
            negative,
            magnitude,
        })
    }

    /// In the base unit of `unit`; without a unit, as it stands. `None`: no whole number of them.
    pub(crate) fn in_base(self, unit: Option<Unit>) -> Option<i64> {
        let Some(magnitude) = self.magnitude else {
            return Some(0);
        };
        let scale = unit.map_or(magnitude.0, |unit| unit.scale(magnitude));
        let whole = i64::try_from(scale.numerator).ok()?;
        (scale.denominator == 1).then_some(if self.negative { -whole } else { whole })
    }
}

impl Read for At<Bound> {
    fn read(value: &Spanned<DeValue<'_>>, path: &str, report: &mut Report<'_>) -> Option<Self> {
        let at = value.span().start;
        let (parsed, shown) = match value.get_ref() {
            DeValue::String(text) => (Bound::parse(text), format!("\"{text}\"")),
            other @ (DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_)) => (None, format!("of type {}", other.type_str())),
        };
        if parsed.is_none() {
            let remedy = "Write a decimal as a string, for instance \"-0.5\" or \"45\"; at most nine \
                 digits before the point and six after it";
            report.fault(at, format!("`{path}` is {shown}"), remedy);
        }
        parsed.map(|value| Self { value, at })
    }
}

impl JsonSchema for Bound {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bound".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^-?[0-9]{1,9}(\\.[0-9]{1,6})?$" })
    }
}

fn reduced(numerator: u64, denominator: u64) -> Scale {
    let (mut divisor, mut rest) = (numerator, denominator);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    Scale {
        numerator: numerator / divisor,
        denominator: denominator / divisor,
    }
}

const DECIMAL_REMEDY: &str = "Write a positive decimal as a string, for instance \"0.1\" (exact, \
     which a binary float is not), or a positive integer; at most nine digits before the point and six after it";

impl Read for At<Decimal> {
    fn read(value: &Spanned<DeValue<'_>>, path: &str, report: &mut Report<'_>) -> Option<Self> {
        let at = value.span().start;
        let (parsed, shown) = match value.get_ref() {
            DeValue::String(text) => (Decimal::parse(text), format!("\"{text}\"")),
            DeValue::Integer(integer) if integer.radix() == 10 => {
                (Decimal::parse(integer.as_str()), integer.to_string())
            }
            DeValue::Integer(integer) => (None, integer.to_string()),
            DeValue::Float(float) => (None, format!("the float {float}")),
            DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                (None, format!("of type {}", value.get_ref().type_str()))
            }
        };
        if parsed.is_none() {
            report.fault(at, format!("`{path}` is {shown}"), DECIMAL_REMEDY);
        }
        parsed.map(|value| Self { value, at })
    }
}

impl JsonSchema for Decimal {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "pattern": "^[0-9]{1,9}(\\.[0-9]{1,6})?$" },
                { "type": "integer", "minimum": 1, "maximum": 999_999_999 },
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fraction(text: &str) -> Option<(u64, u64)> {
        Decimal::parse(text).map(|Decimal(scale)| (scale.numerator, scale.denominator))
    }

    #[test]
    fn decimals_are_exact_and_reduced() {
        assert_eq!(fraction("0.1"), Some((1, 10)));
        assert_eq!(fraction("2.50"), Some((5, 2)));
        assert_eq!(fraction("12"), Some((12, 1)));
        assert_eq!(
            fraction("999999999.999999"),
            Some((999_999_999_999_999, 1_000_000))
        );
    }

    #[test]
    fn what_is_no_positive_decimal_is_refused() {
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "0",
            "0.0",
            "-1",
            "+1",
            "1e3",
            "1,5",
            "1.2.3",
            "1234567890",
        ] {
            assert_eq!(fraction(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn bounds_are_whole_base_units_of_either_sign() {
        let base = |text: &str, unit| Bound::parse(text).map(|bound| bound.in_base(unit));
        assert_eq!(base("45", Some(Unit::Hertz)), Some(Some(45_000)));
        assert_eq!(base("-0.5", Some(Unit::Amps)), Some(Some(-500)));
        assert_eq!(base("0", Some(Unit::Volts)), Some(Some(0)));
        assert_eq!(base("0.5", Some(Unit::Watts)), Some(None), "half a watt");
        assert_eq!(base("7", None), Some(Some(7)));
        for bad in ["", "-", "--1", "+1", "1e3", "00", "1."] {
            assert_eq!(base(bad, None), None, "{bad:?}");
        }
    }

    #[test]
    fn unit_and_scale_become_base_units_per_count() {
        let scale = |unit: Unit, text: &str| {
            let Scale {
                numerator,
                denominator,
            } = unit.scale(Decimal::parse(text).unwrap());
            (numerator, denominator)
        };
        assert_eq!(scale(Unit::Amps, "0.1"), (100, 1));
        assert_eq!(scale(Unit::Milliwatts, "1"), (1, 1_000));
        assert_eq!(scale(Unit::WattHours, "0.1"), (1, 10));
        assert_eq!(scale(Unit::KilowattHours, "0.01"), (10, 1));
        assert_eq!(
            scale(Unit::Kilowatts, "999999999.999999"),
            (999_999_999_999_999, 1_000)
        );
    }
}
