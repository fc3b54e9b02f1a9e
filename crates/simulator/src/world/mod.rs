//! The world: every device, every car, the mains; stepped by time, shared by cheap handles.

mod handles;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hw_profiles::{Kind, Profile, Quantity};
use site_model::Millivolts;
use tokio::time::Instant;

pub use handles::{
    ChargerHandle, ChargerOptions, DeviceHandle, MeterHandle, MeterOf, MeterOptions,
};

use crate::device::{
    Answer, Body, Build, Charger, Device, Face, Given, Measured, Meter, Moment, Part, Variant,
    Violation,
};
use crate::physics::{BaseLoad, Flow, Mains, STEP_MS};

/// Everything that exists, behind one lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) now_ms: u64,
    pub(crate) devices: Vec<Device>,
    base_load: BaseLoad,
    mains: Mains,
    rng: fastrand::Rng,
}

/// Serial numbers of meters count up from here.
const FIRST_METER_SERIAL: usize = 20_000_001;

struct Shared {
    state: Mutex<State>,
    /// Zero of the shells' clock; set by the first shell that asks.
    epoch: OnceLock<Instant>,
}

/// Handle to a simulated site; clones share it.
#[derive(Clone)]
pub struct World(Arc<Shared>);

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let names: Vec<&str> = state.devices.iter().map(|d| d.name.as_str()).collect();
        f.debug_struct("World")
            .field("now_ms", &state.now_ms)
            .field("devices", &names)
            .finish()
    }
}

impl World {
    /// Empty site at time 0; all chance follows from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                now_ms: 0,
                devices: Vec::new(),
                base_load: BaseLoad::default(),
                mains: Mains::new(&mut rng),
                rng,
            }),
            epoch: OnceLock::new(),
        }))
    }

    /// Adds a charger made from its profile; the handle is its first connector.
    ///
    /// # Panics
    /// If the profile is not that of a charger, has not so many connectors, or its state rules have
    /// no values for A, B or C: such a charger cannot be simulated, and the profile is wrong.
    pub fn add_charger(
        &self,
        name: &str,
        profile: Arc<Profile>,
        options: ChargerOptions,
    ) -> ChargerHandle {
        let id = &profile.id;
        assert!(
            profile.kind == Kind::Charger,
            "profile {id} is not a charger's"
        );
        let most = profile.connectors.as_ref().map_or(1, |c| c.maximum);
        let count = options.connectors.max(1);
        assert!(
            count <= most,
            "profile {id} has {most} connector(s) at most"
        );
        let build = Build {
            supply_phases: options.supply_phases,
            rated: options.rated_current,
            fallback: options.fallback_current,
            energy_wh: options.initial_energy_wh,
        };
        let given = Given {
            serial: Some(options.serial),
            firmware: options.firmware,
            raw: options.raw,
            variant: Variant {
                words: options.words,
                without_optional: options.without_optional,
                ..Variant::default()
            },
        };
        let charger = |placed: &Profile| Body::Charger(Box::new(Charger::new(placed, build)));
        let parts: Vec<Part> = (0..count)
            .map(|index| Part::new(&profile, index, &given, charger))
            .collect();
        if let Some(state) = parts.first().and_then(Part::speechless) {
            panic!(
                "profile {id}: no raw values mean vehicle state {state}; look at its state rules"
            );
        }
        ChargerHandle::new(self.add(Device::new(name, profile, parts)))
    }

    /// Adds a meter made from its profile, whose register of active energy stands at
    /// `initial_energy_wh`.
    ///
    /// # Panics
    /// If the profile is not that of a meter.
    pub fn add_meter(
        &self,
        name: &str,
        profile: Arc<Profile>,
        of: MeterOf,
        initial_energy_wh: u64,
    ) -> MeterHandle {
        let options = MeterOptions {
            initial_energy_wh,
            ..MeterOptions::default()
        };
        self.add_meter_with(name, profile, of, options)
    }

    /// Adds a meter made from its profile, in one of its variants.
    ///
    /// # Panics
    /// If the profile is not that of a meter.
    pub fn add_meter_with(
        &self,
        name: &str,
        profile: Arc<Profile>,
        of: MeterOf,
        options: MeterOptions,
    ) -> MeterHandle {
        assert!(
            profile.kind == Kind::Meter,
            "profile {} is not a meter's",
            profile.id
        );
        let measured = match of {
            MeterOf::Charger(charger) => Measured::Charger(charger.device().place()),
            MeterOf::Grid => Measured::Grid,
        };
        let serial = FIRST_METER_SERIAL + self.lock().devices.len();
        let given = Given {
            serial: Some(options.serial.unwrap_or_else(|| serial.to_string())),
            firmware: options.firmware,
            raw: options.raw,
            variant: Variant {
                words: options.words,
                without_optional: options.without_optional,
                model: options.sunspec_model,
                base: options.sunspec_base,
            },
        };
        let energy_wh = options.initial_energy_wh;
        let meter = |_: &Profile| Body::Meter(Meter::new(measured, energy_wh));
        let parts = vec![Part::new(&profile, 0, &given, meter)];
        MeterHandle::new(self.add(Device::new(name, profile, parts)))
    }

    fn add(&self, mut device: Device) -> DeviceHandle {
        let mut state = self.lock();
        device.power_up(state.now_ms);
        state.devices.push(device);
        DeviceHandle::new(self.clone(), state.devices.len() - 1)
    }

    /// Advances everything to `now_ms`; an earlier time changes nothing.
    pub fn step(&self, now_ms: u64) {
        let mut state = self.lock();
        while state.now_ms < now_ms {
            let ms = STEP_MS.min(now_ms - state.now_ms);
            state.advance(ms);
        }
    }

    /// Time the world has reached.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.lock().now_ms
    }

    /// Sets what the building takes besides the chargers.
    pub fn set_base_load(&self, load: BaseLoad) {
        self.lock().base_load = load;
    }

    /// From now on the voltage of each phase is this, without noise.
    pub fn hold_voltage(&self, voltage: [Millivolts; 3]) {
        self.lock().mains.hold(voltage);
    }

    /// Rules of profiles that masters broke, of all devices.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let state = self.lock();
        let all = state.devices.iter().flat_map(|device| &device.violations);
        all.cloned().collect()
    }

    /// Milliseconds on the shells' clock, which begins when the first shell asks.
    pub(crate) fn clock_ms(&self) -> u64 {
        let now = Instant::now();
        let epoch = self.0.epoch.get_or_init(|| now);
        u64::try_from(now.saturating_duration_since(*epoch).as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in one test thread must not hide behind a second one here.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn advance(&mut self, ms: u64) {
        self.now_ms += ms;
        let now_ms = self.now_ms;
        self.mains.step(now_ms, &mut self.rng);
        let mut flows: Vec<Vec<Flow>> = Vec::with_capacity(self.devices.len());
        for device in &mut self.devices {
            device.wake(now_ms);
            let mut of_device = Vec::new();
            for (charger, profile) in device.chargers() {
                charger.step(profile, now_ms, ms, &self.mains);
                of_device.push(*charger.flow());
            }
            flows.push(of_device);
        }
        let base = self.mains.flow(&self.base_load);
        let grid = flows.iter().flatten().fold(base, Flow::plus);
        for device in &mut self.devices {
            for part in &mut device.parts {
                if let Body::Meter(meter) = &mut part.body {
                    let flow = match meter.measured {
                        Measured::Charger((index, part)) => flows[index][part],
                        Measured::Grid => grid,
                    };
                    meter.measure(flow, ms);
                }
            }
        }
    }

    pub(crate) fn serve(
        &mut self,
        index: usize,
        face: Face,
        began_ms: u64,
        now_ms: u64,
        pdu: &[u8],
    ) -> Vec<Answer> {
        let moment = Moment {
            began_ms,
            now_ms,
            physics_ms: self.now_ms,
        };
        self.devices[index].serve(moment, face, pdu, &self.mains, &mut self.rng)
    }

    pub(crate) fn words(&self, index: usize, part: usize, register: &str) -> Option<Vec<u16>> {
        self.devices[index].words(part, register, &self.mains)
    }

    pub(crate) fn truth(&self, index: usize, part: usize, quantity: Quantity) -> Option<i128> {
        self.devices[index].truth(part, quantity, &self.mains)
    }

    pub(crate) fn charger(&mut self, handle: &DeviceHandle) -> (&mut Charger, &Profile, u64) {
        let (index, part) = handle.place();
        let part = &mut self.devices[index].parts[part];
        match &mut part.body {
            Body::Charger(charger) => (charger, &part.profile, self.now_ms),
            Body::Meter(_) => unreachable!("a ChargerHandle is only made for a charger"),
        }
    }

    pub(crate) fn meter(&self, handle: &DeviceHandle) -> &Meter {
        let (index, part) = handle.place();
        match &self.devices[index].parts[part].body {
            Body::Meter(meter) => meter,
            Body::Charger(_) => unreachable!("a MeterHandle is only made for a meter"),
        }
    }
}
