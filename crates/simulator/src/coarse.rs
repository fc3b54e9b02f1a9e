//! A charger, its car and its meter at the level of readings: energy is exact, registers and frames
//! are left out, and any stretch of time passes in one step. For simulations of whole days.

use site_model::{DeviceId, Milliamps, Reading, Value, VehicleState, WattHours, Watts};

/// W·ms per Wh.
const WATT_MS_PER_WH: u64 = 3_600_000;
/// Three phases of 230 V, in mW per mA.
const MILLIWATTS_PER_MILLIAMP: u64 = 690;

/// A connector's hardware and what is plugged into it.
#[derive(Debug, Clone)]
pub struct CoarseCharger {
    id: DeviceId,
    meter: Option<DeviceId>,
    resolution: WattHours,
    limit: Milliamps,
    car: Option<Car>,
    /// Energy since the beginning, in W·ms.
    energy: u64,
    /// What the register showed at the beginning.
    before: WattHours,
}

#[derive(Debug, Clone, Copy)]
struct Car {
    /// What it still takes, in W·ms.
    wants: u64,
}

impl CoarseCharger {
    /// A charger that answers as `id`; its energy is told by a meter of its own if there is one.
    #[must_use]
    pub fn new(
        id: DeviceId,
        meter: Option<DeviceId>,
        register: WattHours,
        count: WattHours,
    ) -> Self {
        Self {
            id,
            meter,
            resolution: count,
            limit: Milliamps(16_000),
            car: None,
            energy: 0,
            before: register,
        }
    }

    /// Who answers.
    #[must_use]
    pub fn id(&self) -> &DeviceId {
        &self.id
    }

    /// Who tells the energy, where that is another device.
    #[must_use]
    pub fn meter(&self) -> Option<&DeviceId> {
        self.meter.as_ref()
    }

    /// One count of its register.
    #[must_use]
    pub fn resolution(&self) -> WattHours {
        self.resolution
    }

    /// A car is plugged in. It takes nothing before it is ready.
    pub fn plug(&mut self) {
        self.car = Some(Car { wants: 0 });
    }

    /// The car that is plugged in wants this much.
    pub fn ready(&mut self, wants: WattHours) {
        if let Some(car) = &mut self.car {
            car.wants = wants.0 * WATT_MS_PER_WH;
        }
    }

    /// The car leaves.
    pub fn unplug(&mut self) {
        self.car = None;
    }

    /// Whether a car is plugged in.
    #[must_use]
    pub fn is_plugged(&self) -> bool {
        self.car.is_some()
    }

    /// What the register truly stands at, in whole Wh.
    #[must_use]
    pub fn truth(&self) -> WattHours {
        WattHours(self.before.0 + self.energy / WATT_MS_PER_WH)
    }

    /// The limit it applies.
    #[must_use]
    pub fn limit(&self) -> Milliamps {
        self.limit
    }

    /// A limit was written.
    pub fn set_limit(&mut self, limit: Milliamps) {
        self.limit = limit;
    }

    /// It lost its power; what it applies afterwards is its own choice.
    pub fn reboot(&mut self, limit: Milliamps) {
        self.limit = limit;
    }

    /// Whether energy flows.
    #[must_use]
    pub fn charges(&self) -> bool {
        self.power_mw() > 0
    }

    /// How long until the car has had enough, at the present limit.
    #[must_use]
    pub fn ms_to_full(&self) -> Option<u64> {
        let mw = self.power_mw();
        let car = self.car.as_ref()?;
        (mw > 0).then(|| (car.wants * 1_000).div_ceil(mw))
    }

    /// Time passes.
    pub fn pass(&mut self, ms: u64) {
        let flowed = self.power_mw() * ms / 1_000;
        if let Some(car) = &mut self.car {
            let taken = flowed.min(car.wants);
            car.wants -= taken;
            self.energy += taken;
        }
    }

    /// Control-pilot state (IEC 61851-1).
    #[must_use]
    pub fn state(&self) -> VehicleState {
        match &self.car {
            None => VehicleState::A,
            Some(_) if self.charges() => VehicleState::C,
            Some(_) => VehicleState::B,
        }
    }

    /// What the charger answers.
    #[must_use]
    pub fn read(&self) -> Reading {
        let mut values = vec![
            Value::VehicleState(self.state()),
            Value::CurrentLimit(self.limit),
        ];
        if self.meter.is_none() {
            values.extend(self.energy_values());
        }
        Reading {
            device: self.id.clone(),
            values,
        }
    }

    /// What the meter answers, if it has one of its own.
    #[must_use]
    pub fn read_meter(&self) -> Option<Reading> {
        Some(Reading {
            device: self.meter.clone()?,
            values: self.energy_values().to_vec(),
        })
    }

    fn energy_values(&self) -> [Value; 2] {
        let truth = self.truth().0;
        let energy = WattHours(truth - truth % self.resolution.0);
        let watts = i32::try_from(self.power_mw() / 1_000).unwrap_or(i32::MAX);
        [
            Value::EnergyImport {
                energy,
                resolution: self.resolution,
            },
            Value::Power(Watts(watts)),
        ]
    }

    fn power_mw(&self) -> u64 {
        let offered = self.limit >= Milliamps::IEC_61851_MINIMUM;
        let hungry = self.car.is_some_and(|car| car.wants > 0);
        if offered && hungry {
            u64::from(self.limit.0) * MILLIWATTS_PER_MILLIAMP
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_is_the_same_however_the_time_is_cut() {
        let device = || {
            let id = DeviceId::new("d1").unwrap();
            let mut device = CoarseCharger::new(id, None, WattHours(5_000), WattHours(1));
            device.plug();
            device.ready(WattHours(20_000));
            device
        };
        let (mut whole, mut cut) = (device(), device());
        whole.pass(3_600_000);
        for _ in 0..3_600 {
            cut.pass(1_000);
        }
        // 16 A on three phases of 230 V for one hour.
        assert_eq!(whole.truth(), WattHours(5_000 + 11_040));
        assert_eq!(cut.truth(), whole.truth());
        let rest = whole.ms_to_full().unwrap();
        whole.pass(rest);
        assert_eq!(
            (whole.truth(), whole.state()),
            (WattHours(25_000), VehicleState::B)
        );
    }
}
