//! Power of three phases at one moment, and its exact sum over time.

use site_model::{Milliamps, Millivolts};

/// What flows through a charger or a meter at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flow {
    /// Current of each phase.
    pub(crate) current: [Milliamps; 3],
    /// Active power of each phase in nanowatts: mV × mA × power factor in permille.
    pub(crate) active_nw: [u128; 3],
    /// Apparent power of each phase in nanovoltamperes.
    pub(crate) apparent_nva: [u128; 3],
}

impl Flow {
    /// Flow of a load that takes `current` from each phase.
    pub(crate) fn of(current: [Milliamps; 3], voltage: [Millivolts; 3], permille: u16) -> Self {
        let mut flow = Self {
            current,
            ..Self::default()
        };
        for phase in 0..3 {
            let micro_va = u128::from(current[phase].0) * u128::from(voltage[phase].0);
            flow.active_nw[phase] = micro_va * u128::from(permille.min(1000));
            flow.apparent_nva[phase] = micro_va * 1000;
        }
        flow
    }

    /// Both loads together. Currents are added as if in phase.
    pub(crate) fn plus(mut self, other: &Self) -> Self {
        for phase in 0..3 {
            self.current[phase].0 += other.current[phase].0;
            self.active_nw[phase] += other.active_nw[phase];
            self.apparent_nva[phase] += other.apparent_nva[phase];
        }
        self
    }

    /// Active power of all phases, nanowatts.
    pub(crate) fn active_total_nw(&self) -> u128 {
        self.active_nw.iter().sum()
    }

    /// Apparent power of all phases, nanovoltamperes.
    pub(crate) fn apparent_total_nva(&self) -> u128 {
        self.apparent_nva.iter().sum()
    }
}

/// One watt-hour in picowatt-seconds: 3600 × 10¹².
const PWS_PER_WH: u128 = 3_600_000_000_000_000;

/// Energy registers: active and apparent, summed without rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Energy {
    active_pws: u128,
    apparent_pvas: u128,
}

impl Energy {
    /// Registers that already stand at so many Wh and VAh.
    pub(crate) fn starting_at(wh: u64) -> Self {
        let pws = u128::from(wh) * PWS_PER_WH;
        Self {
            active_pws: pws,
            apparent_pvas: pws,
        }
    }

    /// Adds a flow that lasted so long.
    pub(crate) fn add(&mut self, flow: &Flow, ms: u64) {
        self.active_pws += flow.active_total_nw() * u128::from(ms);
        self.apparent_pvas += flow.apparent_total_nva() * u128::from(ms);
    }

    /// Active energy in thousandths of a watt-hour, rounded down.
    pub(crate) fn active_mwh(&self) -> u64 {
        milli(self.active_pws)
    }

    /// Apparent energy in thousandths of a voltampere-hour, rounded down.
    pub(crate) fn apparent_mvah(&self) -> u64 {
        milli(self.apparent_pvas)
    }
}

fn milli(pico_seconds: u128) -> u64 {
    u64::try_from(pico_seconds / (PWS_PER_WH / 1000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hour_of_one_kilowatt_is_one_kilowatt_hour() {
        let current = [Milliamps(10_000), Milliamps(0), Milliamps(0)];
        let flow = Flow::of(current, [Millivolts(100_000); 3], 1000);
        let mut energy = Energy::starting_at(5);
        for _ in 0..36_000 {
            energy.add(&flow, 100);
        }
        assert_eq!(energy.active_mwh(), 1_005_000);
        assert_eq!(energy.apparent_mvah(), 1_005_000);
    }

    #[test]
    fn power_factor_parts_active_from_apparent() {
        let flow = Flow::of([Milliamps(16_000); 3], [Millivolts(230_000); 3], 950);
        let mut energy = Energy::default();
        energy.add(&flow, 3_600_000);
        assert_eq!(energy.active_mwh(), 10_488_000);
        assert_eq!(energy.apparent_mvah(), 11_040_000);
    }

    #[test]
    fn small_steps_lose_nothing() {
        let flow = Flow::of(
            [Milliamps(1), Milliamps(0), Milliamps(0)],
            [Millivolts(229_999); 3],
            951,
        );
        let (mut fine, mut coarse) = (Energy::default(), Energy::default());
        coarse.add(&flow, 86_400_000);
        for _ in 0..864_000 {
            fine.add(&flow, 100);
        }
        assert_eq!(fine, coarse);
    }
}
