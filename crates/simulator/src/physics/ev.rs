//! A car: waits, takes current as far as it is offered, ramps, tapers, is full one day.

use site_model::Milliamps;

use super::{Energy, Flow};

/// What a car is like. Presets: [`Ev::three_phase_11_kw`], [`Ev::single_phase_7_kw`],
/// [`Ev::plug_in_hybrid`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ev {
    /// Most it takes from each phase.
    pub max_current: Milliamps,
    /// Phases of its on-board charger, 1 to 3.
    pub phases: u8,
    /// Power factor in permille; 950 is 0.95.
    pub power_factor_permille: u16,
    /// From plugging in until it may close its contactor (B to C).
    pub ready_after_ms: u64,
    /// How fast its current rises, mA per second. It falls at least as fast, and from full current
    /// to nothing within 2 s (IEC 61851-1, table A.6 allows 5 s).
    pub ramp_ma_per_s: u32,
    /// Active energy it wants, Wh; `None` never ends.
    pub energy_wanted_wh: Option<u64>,
    /// The last Wh before that are taken with falling current.
    pub taper_wh: u64,
    /// What it takes of that from each phase, permille, at most 1000: on-board chargers differ.
    pub share_permille: [u16; 3],
}

impl Ev {
    /// Three phases of 16 A, power factor 0.95, ready after 1 s.
    #[must_use]
    pub const fn three_phase_11_kw() -> Self {
        Self {
            max_current: Milliamps(16_000),
            phases: 3,
            power_factor_permille: 950,
            ready_after_ms: 1_000,
            ramp_ma_per_s: 4_000,
            energy_wanted_wh: None,
            taper_wh: 0,
            share_permille: [1000; 3],
        }
    }

    /// One phase of 32 A, power factor 0.98, ready after 2 s.
    #[must_use]
    pub const fn single_phase_7_kw() -> Self {
        Self {
            max_current: Milliamps(32_000),
            phases: 1,
            power_factor_permille: 980,
            ready_after_ms: 2_000,
            ..Self::three_phase_11_kw()
        }
    }

    /// One phase of 16 A, power factor 0.92, wants 8 kWh and tapers over the last one.
    #[must_use]
    pub const fn plug_in_hybrid() -> Self {
        Self {
            phases: 1,
            power_factor_permille: 920,
            energy_wanted_wh: Some(8_000),
            taper_wh: 1_000,
            ..Self::three_phase_11_kw()
        }
    }
}

/// What a car took while it was plugged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Active energy, rounded down to Wh.
    pub energy_wh: u64,
    /// The same in thousandths of Wh.
    pub energy_mwh: u64,
    /// Apparent energy in thousandths of VAh.
    pub apparent_energy_mvah: u64,
}

impl Delivered {
    pub(crate) fn of(energy: &Energy) -> Self {
        Self {
            energy_wh: energy.active_mwh() / 1000,
            energy_mwh: energy.active_mwh(),
            apparent_energy_mvah: energy.apparent_mvah(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contactor {
    Open,
    Closed,
}

/// A car that is plugged in.
#[derive(Debug)]
pub(crate) struct Vehicle {
    ev: Ev,
    ready_at_ms: u64,
    contactor: Contactor,
    current: Milliamps,
    /// Full, or told to stop.
    satisfied: bool,
    taken: Energy,
}

/// Below this a tapering car stops instead of trickling on.
const TRICKLE_MA: u32 = 1_000;

impl Vehicle {
    pub(crate) fn new(ev: Ev, now_ms: u64) -> Self {
        Self {
            ready_at_ms: now_ms.saturating_add(ev.ready_after_ms),
            ev,
            contactor: Contactor::Open,
            current: Milliamps(0),
            satisfied: false,
            taken: Energy::default(),
        }
    }

    /// Whether the control pilot shows C.
    pub(crate) fn takes_energy(&self) -> bool {
        self.contactor == Contactor::Closed
    }

    /// What flows, with the charger's supply of one to three phases.
    pub(crate) fn currents(&self, supply_phases: u8) -> [Milliamps; 3] {
        let used = usize::from(self.ev.phases.min(supply_phases).clamp(1, 3));
        let mut currents = [Milliamps(0); 3];
        for (current, share) in currents.iter_mut().zip(self.ev.share_permille).take(used) {
            let part = u64::from(self.current.0) * u64::from(share.min(1000)) / 1000;
            *current = Milliamps(u32::try_from(part).unwrap_or(u32::MAX));
        }
        currents
    }

    pub(crate) fn power_factor_permille(&self) -> u16 {
        self.ev.power_factor_permille
    }

    pub(crate) fn taken(&self) -> &Energy {
        &self.taken
    }

    /// The car stops by itself, or wants energy again.
    pub(crate) fn set_satisfied(&mut self, satisfied: bool) {
        self.satisfied = satisfied;
    }

    /// The charger opens its relay: current is gone at once.
    pub(crate) fn cut_off(&mut self) {
        self.contactor = Contactor::Open;
        self.current = Milliamps(0);
    }

    /// Moves on by `ms`; `offered` is what the pilot signals.
    pub(crate) fn step(&mut self, now_ms: u64, ms: u64, offered: Milliamps) {
        let wanted = self.wanted(offered);
        match self.contactor {
            Contactor::Open if wanted > Milliamps(0) && now_ms >= self.ready_at_ms => {
                self.contactor = Contactor::Closed;
                self.ramp(wanted, ms);
            }
            Contactor::Open => {}
            Contactor::Closed => {
                self.ramp(wanted, ms);
                if wanted == Milliamps(0) && self.current == Milliamps(0) {
                    self.contactor = Contactor::Open;
                }
            }
        }
    }

    /// Books what flowed, and notices a full battery.
    pub(crate) fn take(&mut self, flow: &Flow, ms: u64) {
        self.taken.add(flow, ms);
        if self.remaining_mwh() == Some(0) {
            self.satisfied = true;
        }
    }

    fn wanted(&self, offered: Milliamps) -> Milliamps {
        if self.satisfied || offered < Milliamps::IEC_61851_MINIMUM {
            return Milliamps(0);
        }
        offered.min(self.tapered())
    }

    fn tapered(&self) -> Milliamps {
        let taper_mwh = self.ev.taper_wh.saturating_mul(1000);
        match self.remaining_mwh() {
            Some(remaining) if remaining < taper_mwh => {
                let part = u128::from(self.ev.max_current.0) * u128::from(remaining)
                    / u128::from(taper_mwh);
                let floor = TRICKLE_MA.min(self.ev.max_current.0);
                Milliamps(u32::try_from(part).unwrap_or(u32::MAX).max(floor))
            }
            Some(_) | None => self.ev.max_current,
        }
    }

    fn remaining_mwh(&self) -> Option<u64> {
        let wanted = self.ev.energy_wanted_wh?.saturating_mul(1000);
        Some(wanted.saturating_sub(self.taken.active_mwh()))
    }

    fn ramp(&mut self, target: Milliamps, ms: u64) {
        let up = per_step(self.ev.ramp_ma_per_s, ms);
        let down = per_step(self.ev.ramp_ma_per_s.max(self.ev.max_current.0 / 2), ms);
        let Milliamps(present) = self.current;
        self.current = if present < target.0 {
            Milliamps(present.saturating_add(up).min(target.0))
        } else {
            Milliamps(present.saturating_sub(down).max(target.0))
        };
    }
}

fn per_step(ma_per_s: u32, ms: u64) -> u32 {
    let change = u64::from(ma_per_s).saturating_mul(ms).div_ceil(1000);
    u32::try_from(change).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use site_model::Millivolts;

    use super::*;

    fn run(vehicle: &mut Vehicle, from_ms: u64, to_ms: u64, offered: u32) {
        let mut now = from_ms;
        while now < to_ms {
            now += 100;
            vehicle.step(now, 100, Milliamps(offered));
            let flow = Flow::of(
                vehicle.currents(3),
                [Millivolts(230_000); 3],
                vehicle.power_factor_permille(),
            );
            vehicle.take(&flow, 100);
        }
    }

    #[test]
    fn waits_then_ramps_to_the_offer() {
        let mut vehicle = Vehicle::new(Ev::three_phase_11_kw(), 0);
        run(&mut vehicle, 0, 900, 10_000);
        assert!(!vehicle.takes_energy());
        run(&mut vehicle, 900, 2_000, 10_000);
        assert!(vehicle.takes_energy());
        assert_eq!(vehicle.currents(3), [Milliamps(4_400); 3]);
        run(&mut vehicle, 2_000, 5_000, 10_000);
        assert_eq!(vehicle.currents(3), [Milliamps(10_000); 3]);
    }

    #[test]
    fn an_offer_below_six_amperes_keeps_the_contactor_open() {
        let mut vehicle = Vehicle::new(Ev::three_phase_11_kw(), 0);
        run(&mut vehicle, 0, 60_000, 5_999);
        assert!(!vehicle.takes_energy());
        run(&mut vehicle, 60_000, 60_100, 6_000);
        assert!(vehicle.takes_energy());
    }

    #[test]
    fn a_pause_ends_the_current_within_five_seconds() {
        let mut vehicle = Vehicle::new(Ev::three_phase_11_kw(), 0);
        run(&mut vehicle, 0, 20_000, 16_000);
        run(&mut vehicle, 20_000, 21_000, 0);
        assert!(vehicle.takes_energy(), "still C while the current falls");
        run(&mut vehicle, 21_000, 25_000, 0);
        assert!(!vehicle.takes_energy());
        assert_eq!(vehicle.currents(3), [Milliamps(0); 3]);
    }

    #[test]
    fn single_phase_cars_load_one_phase() {
        let mut vehicle = Vehicle::new(Ev::single_phase_7_kw(), 0);
        run(&mut vehicle, 0, 30_000, 16_000);
        let one = [Milliamps(16_000), Milliamps(0), Milliamps(0)];
        assert_eq!(vehicle.currents(3), one);
    }

    #[test]
    fn a_full_car_tapers_and_goes_back_to_b() {
        let ev = Ev {
            energy_wanted_wh: Some(100),
            taper_wh: 50,
            ..Ev::three_phase_11_kw()
        };
        let mut vehicle = Vehicle::new(ev, 0);
        run(&mut vehicle, 0, 35_000, 16_000);
        let at_taper = vehicle.currents(3)[0];
        assert!(at_taper < Milliamps(16_000), "{at_taper}");
        assert!(at_taper > Milliamps(1_000), "{at_taper}");
        run(&mut vehicle, 35_000, 300_000, 16_000);
        assert!(!vehicle.takes_energy());
        assert_eq!(Delivered::of(vehicle.taken()).energy_wh, 100);
    }
}
