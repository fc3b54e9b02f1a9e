//! Decimal numbers in JSON, written from integers: no binary float is ever involved.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A number of thousandths or hundredths, written without trailing zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    units: u64,
    places: u8,
}

impl Decimal {
    /// kWh from Wh, kW from W.
    pub(super) const fn from_thousandths(units: u64) -> Self {
        Self { units, places: 3 }
    }

    /// Euro from cents.
    pub(super) const fn from_hundredths(units: u64) -> Self {
        Self { units, places: 2 }
    }

    fn text(self) -> String {
        let scale = 10_u64.pow(self.places.into());
        let (whole, part) = (self.units / scale, self.units % scale);
        if part == 0 {
            return whole.to_string();
        }
        let width = usize::from(self.places);
        let text = format!("{whole}.{part:0width$}");
        text.trim_end_matches('0').to_owned()
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = RawValue::from_string(self.text()).map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_short() {
        let kwh = |wh| serde_json::to_string(&Decimal::from_thousandths(wh)).unwrap();
        assert_eq!(kwh(0), "0");
        assert_eq!(kwh(50_000), "50");
        assert_eq!(kwh(847_300), "847.3");
        assert_eq!(kwh(7), "0.007");
        assert_eq!(kwh(300), "0.3");
        assert_eq!(kwh(u64::MAX), "18446744073709551.615");
        let euro = |cents| serde_json::to_string(&Decimal::from_hundredths(cents)).unwrap();
        assert_eq!(
            (euro(42_365), euro(5), euro(0)),
            ("423.65".into(), "0.05".into(), "0".into())
        );
    }
}
