//! Quantities, each with its unit in the type. Integers of the smallest unit; no binary floats.

use std::fmt;

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($inner:ty), $unit:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{} ", $unit), self.0)
            }
        }
    };
}

quantity!(
    /// Current in thousandths of an ampere.
    Milliamps(u32), "mA"
);
quantity!(
    /// Voltage in thousandths of a volt.
    Millivolts(u32), "mV"
);
quantity!(
    /// Active power; positive is import (towards the vehicle or the site).
    Watts(i32), "W"
);
quantity!(
    /// Apparent power. Never called watts.
    VoltAmperes(u32), "VA"
);
quantity!(
    /// Active energy.
    WattHours(u64), "Wh"
);
quantity!(
    /// Apparent energy. Never converted to [`WattHours`]: the power factor is unknown.
    VoltAmpereHours(u64), "VAh"
);
quantity!(
    /// Frequency in thousandths of a hertz.
    Hertz(u32), "mHz"
);

impl Milliamps {
    /// Lowest current that may be signalled while charging (IEC 61851-1, table A.8: 6 A).
    pub const IEC_61851_MINIMUM: Self = Self(6_000);
    /// Charging is paused: nothing is offered.
    pub const PAUSE: Self = Self(0);
}
