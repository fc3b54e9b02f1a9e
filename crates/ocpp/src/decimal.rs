//! Decimal numbers, exact: a whole number and where its point stands. No binary floats.

use std::fmt;

use serde_json::Value;

use crate::reading::{Leniency, Reading, Rule, Violation, ViolationKind};
use crate::values::DoesNotFit;
use crate::wire::{Wire, kind_of};

/// An exact decimal of at most 18 digits, for instance a meter value of 2.0.1.
///
/// JSON texts pass through `serde_json`'s numbers, which give back what was sent up to 15
/// significant digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// Without trailing zeros behind the point, so that equal numbers are equal.
    digits: i64,
    places: u8,
}

const PLACES_MAX: u8 = 18;

impl Decimal {
    /// `digits` divided by ten to the power of `places`; at most 18 places.
    ///
    /// # Errors
    /// [`DoesNotFit::Decimal`] beyond 18 places.
    pub fn new(digits: i64, places: u8) -> Result<Self, DoesNotFit> {
        if places > PLACES_MAX {
            return Err(DoesNotFit::Decimal);
        }
        Ok(Self::trimmed(digits, places))
    }

    fn trimmed(mut digits: i64, mut places: u8) -> Self {
        while places > 0 && digits % 10 == 0 {
            digits /= 10;
            places -= 1;
        }
        Self { digits, places }
    }

    /// Reads a number as JSON spells it, with fraction and exponent.
    ///
    /// # Errors
    /// [`DoesNotFit::Decimal`] when it is no number or cannot be held exactly.
    pub fn parse(text: &str) -> Result<Self, DoesNotFit> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (
                number,
                exponent.parse::<i32>().map_err(|_| DoesNotFit::Decimal)?,
            ),
            None => (text, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let unsigned = whole.strip_prefix('-').unwrap_or(whole);
        let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if unsigned.is_empty() || !digits_only(unsigned) || !digits_only(fraction) {
            return Err(DoesNotFit::Decimal);
        }
        let fraction = fraction.trim_end_matches('0');
        let digits: i64 = format!("{whole}{fraction}")
            .parse()
            .map_err(|_| DoesNotFit::Decimal)?;
        let length = i32::try_from(fraction.len()).map_err(|_| DoesNotFit::Decimal)?;
        let places = length.checked_sub(exponent).ok_or(DoesNotFit::Decimal)?;
        Self::shifted(digits, places)
    }

    /// `digits` with the point `places` to the left, or zeros appended when that is negative.
    fn shifted(digits: i64, places: i32) -> Result<Self, DoesNotFit> {
        let mut digits = digits;
        let mut places = if digits == 0 { 0 } else { places };
        while places > 0 && digits % 10 == 0 {
            digits /= 10;
            places -= 1;
        }
        while places < 0 {
            digits = digits.checked_mul(10).ok_or(DoesNotFit::Decimal)?;
            places += 1;
        }
        let places = u8::try_from(places).map_err(|_| DoesNotFit::Decimal)?;
        Self::new(digits, places)
    }

    /// The number times ten to the power of `power`, rounded down (towards minus infinity): with 3,
    /// thousandths of its unit.
    ///
    /// # Errors
    /// [`DoesNotFit::Decimal`] when it is too large.
    pub fn scaled_down(self, power: u8) -> Result<i64, DoesNotFit> {
        let ten = |power: u8| {
            10_i64
                .checked_pow(u32::from(power))
                .ok_or(DoesNotFit::Decimal)
        };
        if power >= self.places {
            self.digits
                .checked_mul(ten(power - self.places)?)
                .ok_or(DoesNotFit::Decimal)
        } else {
            Ok(self.digits.div_euclid(ten(self.places - power)?))
        }
    }

    /// The number if it is whole.
    #[must_use]
    pub fn to_whole(self) -> Option<i64> {
        (self.places == 0).then_some(self.digits)
    }
}

impl From<i64> for Decimal {
    fn from(digits: i64) -> Self {
        Self { digits, places: 0 }
    }
}

impl std::str::FromStr for Decimal {
    type Err = DoesNotFit;

    fn from_str(text: &str) -> Result<Self, DoesNotFit> {
        Self::parse(text)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let places = usize::from(self.places);
        let digits = format!("{:0>1$}", self.digits.unsigned_abs(), places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let point = if places > 0 { "." } else { "" };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Wire for Decimal {
    fn read(value: Value, rule: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        let parsed = match &value {
            Value::Number(number) => Self::parse(&number.to_string()),
            Value::String(text) if rule != Rule::Exact && Self::parse(text).is_ok() => {
                reading.tolerate(Leniency::NumberAsText);
                Self::parse(text)
            }
            Value::Null
            | Value::Bool(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => {
                return Err(reading.violation(
                    ViolationKind::Type,
                    format!("must be a number, not {}", kind_of(&value)),
                ));
            }
        };
        parsed.map_err(|_| {
            reading.violation(
                ViolationKind::Property,
                "has more digits than can be held exactly",
            )
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.to_string());
    }
}

/// Tenths of a unit: the limits of 1.6, in amperes or watts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenths(pub i64);

impl From<Tenths> for Decimal {
    fn from(tenths: Tenths) -> Self {
        Self::trimmed(tenths.0, 1)
    }
}

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal::from(*self).fmt(f)
    }
}

impl fmt::Debug for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Wire for Tenths {
    /// A limit with more decimals is rounded down: less current, never more.
    fn read(value: Value, rule: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        let decimal = Decimal::read(value, rule, reading)?;
        let too_large = |_| reading.violation(ViolationKind::Property, "is too large");
        let tenths = decimal.scaled_down(1).map_err(too_large)?;
        if Decimal::from(Self(tenths)) != decimal {
            reading.tolerate(Leniency::RoundedDown(decimal.to_string()));
        }
        Ok(Self(tenths))
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_come_back_as_they_were_written() {
        for (text, shown) in [
            ("0", "0"),
            ("-0", "0"),
            ("16.1", "16.1"),
            ("16.10", "16.1"),
            ("-0.05", "-0.05"),
            ("1e-7", "0.0000001"),
            ("1.5e3", "1500"),
            ("1e16", "10000000000000000"),
            ("123456789.012345", "123456789.012345"),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_cannot_be_held_exactly_is_refused() {
        for text in [
            "1e300",
            "1e-300",
            "",
            "-",
            ".5",
            "1_0",
            "+1",
            "NaN",
            "0x1",
            "1e",
            "99999999999999999999",
        ] {
            assert_eq!(Decimal::parse(text), Err(DoesNotFit::Decimal), "{text:?}");
        }
    }

    #[test]
    fn scaling_rounds_towards_less() {
        let scaled = |text: &str, power| Decimal::parse(text).unwrap().scaled_down(power).unwrap();
        assert_eq!(scaled("16.19", 1), 161);
        assert_eq!(scaled("-16.11", 1), -162);
        assert_eq!(scaled("16", 3), 16_000);
        assert_eq!(scaled("0.0009", 3), 0);
    }
}
