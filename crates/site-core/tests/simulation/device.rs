//! A charger with its vehicle and its meter, as simple as they can be.

use site_model::{DeviceId, Milliamps, Reading, Value, VehicleState, WattHours, Watts};

/// W·ms per Wh.
const WATT_MS_PER_WH: u64 = 3_600_000;

#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    /// A meter of its own, if it has one; else the charger tells its energy.
    pub(crate) meter: Option<DeviceId>,
    pub(crate) counts_sessions: bool,
    pub(crate) reads_back: bool,
    pub(crate) resolution: u64,
    pub(crate) answers: bool,
    pub(crate) meter_answers: bool,
    pub(crate) plugged: bool,
    pub(crate) hungry: bool,
    pub(crate) broken: bool,
    pub(crate) applied: Milliamps,
    /// Sent to it and not yet executed.
    pub(crate) inbox: Option<Milliamps>,
    /// Energy since the beginning of the world, in W·ms.
    energy: u64,
    session_began_at: u64,
    /// How often a vehicle was plugged in: a session register loses up to one count each time.
    pub(crate) plugs: u64,
    /// What the lifetime register showed when the world began.
    lifetime_before: u64,
    /// Truth when the lifetime register was last reset.
    reset_at: u64,
}

impl Device {
    pub(crate) fn new(name: &str, rng: &mut fastrand::Rng) -> Self {
        let own_meter = rng.bool();
        Self {
            id: DeviceId::new(name).unwrap(),
            meter: own_meter.then(|| DeviceId::new(&format!("{name}-meter")).unwrap()),
            counts_sessions: !own_meter && rng.bool(),
            reads_back: rng.u8(0..4) > 0,
            resolution: [1, 10, 100][rng.usize(0..3)],
            answers: true,
            meter_answers: true,
            plugged: false,
            hungry: true,
            broken: false,
            applied: Milliamps(rng.u32(0..=32) * 1_000).max(Milliamps(6_000)),
            inbox: None,
            energy: 0,
            session_began_at: 0,
            plugs: 0,
            lifetime_before: rng.u64(0..9_000_000),
            reset_at: 0,
        }
    }

    pub(crate) fn state(&self) -> VehicleState {
        if self.broken {
            VehicleState::F
        } else if !self.plugged {
            VehicleState::A
        } else if self.hungry && self.applied >= Milliamps::IEC_61851_MINIMUM {
            VehicleState::C
        } else {
            VehicleState::B
        }
    }

    fn power(&self) -> u64 {
        if self.state() == VehicleState::C {
            u64::from(self.applied.0) * 690 / 1_000
        } else {
            0
        }
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.energy += self.power() * ms;
    }

    /// Truth in whole Wh.
    pub(crate) fn delivered(&self) -> u64 {
        self.energy / WATT_MS_PER_WH
    }

    pub(crate) fn plug(&mut self) {
        if !self.plugged {
            self.session_began_at = self.energy;
            self.plugs += 1;
        }
        self.plugged = true;
    }

    pub(crate) fn reboot(&mut self, applied: Milliamps) {
        self.applied = applied;
        self.inbox = None;
    }

    pub(crate) fn reset_register(&mut self) {
        self.lifetime_before = 0;
        self.reset_at = self.energy;
    }

    /// Executes what was written, and says what it acknowledged.
    pub(crate) fn execute(&mut self) -> Option<Milliamps> {
        let limit = self.inbox.take()?;
        self.applied = limit;
        Some(limit)
    }

    fn energy_value(&self) -> Value {
        let counted = |since: u64| (self.energy - since) / WATT_MS_PER_WH;
        let rounded = |wh: u64| WattHours(wh / self.resolution * self.resolution);
        if self.counts_sessions {
            return Value::EnergySession(rounded(counted(self.session_began_at)));
        }
        Value::EnergyImport {
            energy: rounded(self.lifetime_before + counted(self.reset_at)),
            resolution: WattHours(self.resolution),
        }
    }

    pub(crate) fn read(&self) -> Reading {
        let mut values = vec![Value::VehicleState(self.state())];
        if self.reads_back {
            values.push(Value::CurrentLimit(self.applied));
        }
        if self.meter.is_none() {
            values.push(self.energy_value());
        }
        Reading {
            device: self.id.clone(),
            values,
        }
    }

    pub(crate) fn read_meter(&self) -> Option<Reading> {
        let power = Watts(i32::try_from(self.power()).unwrap());
        Some(Reading {
            device: self.meter.clone()?,
            values: vec![self.energy_value(), Value::Power(power)],
        })
    }
}
