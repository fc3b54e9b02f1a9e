//! Handles to single devices: what a person at the cabinet, or a test, can do and see.

use site_model::{Milliamps, VehicleState};

use super::World;
use crate::device::{Answer, Fault, Violation, WriteRecord};
use crate::physics::{Delivered, Ev, Vehicle};

/// What can differ between chargers of one profile.
#[derive(Debug, Clone)]
pub struct ChargerOptions {
    /// Serial number; digits alone where the profile keeps it as a number.
    pub serial: String,
    /// Firmware version; the number itself where the profile keeps it as one. Absent: one that
    /// the profile's conditions know.
    pub firmware: Option<String>,
    /// Phases it is connected with, 1 to 3.
    pub supply_phases: u8,
    /// Most it can carry per phase, whatever it is told.
    pub rated_current: Milliamps,
    /// Where its lifetime register starts, Wh (and VAh).
    pub initial_energy_wh: u64,
    /// Fallback current from the factory, for profiles with a failsafe.
    pub fallback_current: Milliamps,
    /// Raw values by register name, instead of what the simulator would show; for variants.
    pub raw: Vec<(String, u64)>,
}

impl Default for ChargerOptions {
    fn default() -> Self {
        Self {
            serial: "10000001".to_owned(),
            firmware: None,
            supply_phases: 3,
            rated_current: Milliamps(32_000),
            initial_energy_wh: 0,
            fallback_current: Milliamps(0),
            raw: Vec::new(),
        }
    }
}

/// What a meter measures.
#[derive(Debug, Clone)]
pub enum MeterOf {
    /// One charger.
    Charger(ChargerHandle),
    /// All chargers and the base load.
    Grid,
}

/// Any device: its Modbus side and its faults.
#[derive(Debug, Clone)]
pub struct DeviceHandle {
    world: World,
    index: usize,
}

impl DeviceHandle {
    pub(super) fn new(world: World, index: usize) -> Self {
        Self { world, index }
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// World it belongs to.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Name it was added with.
    #[must_use]
    pub fn name(&self) -> String {
        self.world.lock().devices[self.index].name.clone()
    }

    /// Makes a fault active, instead of an earlier one of the same kind.
    pub fn set_fault(&self, fault: Fault) {
        let mut state = self.world.lock();
        let now_ms = state.now_ms;
        state.devices[self.index].set_fault(fault, now_ms);
    }

    /// Ends all faults but a reboot, which ends by itself.
    pub fn clear(&self) {
        self.world.lock().devices[self.index].faults.clear();
    }

    /// Makes a register show its sentinel ("not available"), or its value again.
    pub fn set_unavailable(&self, register: &str, unavailable: bool) {
        let mut state = self.world.lock();
        let registers = &mut state.devices[self.index].unavailable;
        if unavailable {
            registers.insert(register.to_owned());
        } else {
            registers.remove(register);
        }
    }

    /// Answers one request at once, the pure way: no line, no server, one clock for all.
    #[must_use]
    pub fn exchange(&self, now_ms: u64, pdu: &[u8]) -> Vec<Answer> {
        let answers = self.serve(now_ms, now_ms, pdu);
        if !answers.is_empty() {
            self.answered(now_ms);
        }
        answers
    }

    /// For shells: a request whose first byte came at `began_ms` was complete at `now_ms`.
    pub(crate) fn serve(&self, began_ms: u64, now_ms: u64, pdu: &[u8]) -> Vec<Answer> {
        self.world.lock().serve(self.index, began_ms, now_ms, pdu)
    }

    /// For shells: the last byte of an answer left.
    pub(crate) fn answered(&self, at_ms: u64) {
        self.world.lock().devices[self.index].answered(at_ms);
    }

    /// Most connections of its Modbus server, if limited.
    pub(crate) fn max_connections(&self) -> Option<u8> {
        let state = self.world.lock();
        let tcp = state.devices[self.index].profile.link.tcp?;
        tcp.max_connections
    }

    /// Words that a register shows now; `None` if the profile has no register of this name.
    #[must_use]
    pub fn register(&self, name: &str) -> Option<Vec<u16>> {
        self.world.lock().words(self.index, name)
    }

    /// Writes as they arrived, the last 4096.
    #[must_use]
    pub fn writes(&self) -> Vec<WriteRecord> {
        let state = self.world.lock();
        state.devices[self.index].writes.iter().cloned().collect()
    }

    /// Rules of the profile that the master broke, the last 4096.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let state = self.world.lock();
        let violations = &state.devices[self.index].violations;
        violations.iter().cloned().collect()
    }

    /// Limits written to memory that wears (profiles with `volatile = false`).
    #[must_use]
    pub fn flash_writes(&self) -> u64 {
        self.world.lock().devices[self.index].flash_writes
    }

    /// Requests heard, whatever came of them.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.world.lock().devices[self.index].requests
    }
}

impl From<&ChargerHandle> for DeviceHandle {
    fn from(charger: &ChargerHandle) -> Self {
        charger.0.clone()
    }
}

impl From<&MeterHandle> for DeviceHandle {
    fn from(meter: &MeterHandle) -> Self {
        meter.0.clone()
    }
}

impl From<ChargerHandle> for DeviceHandle {
    fn from(charger: ChargerHandle) -> Self {
        charger.0
    }
}

impl From<MeterHandle> for DeviceHandle {
    fn from(meter: MeterHandle) -> Self {
        meter.0
    }
}

/// A charger: its socket and what is true of it, whatever its registers say.
#[derive(Debug, Clone)]
pub struct ChargerHandle(DeviceHandle);

impl ChargerHandle {
    pub(super) fn new(device: DeviceHandle) -> Self {
        Self(device)
    }

    /// Its Modbus side and its faults.
    #[must_use]
    pub fn device(&self) -> &DeviceHandle {
        &self.0
    }

    /// Name it was added with.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// Plugs a car in, instead of one that is there.
    pub fn plug_in(&self, ev: Ev) {
        let mut state = self.0.world.lock();
        let (charger, _, now_ms) = state.charger(self.0.index);
        charger.plug_in(Vehicle::new(ev, now_ms));
    }

    /// Unplugs the car, if there is one, and tells what it took.
    pub fn unplug(&self) -> Option<Delivered> {
        let mut state = self.0.world.lock();
        let (charger, _, _) = state.charger(self.0.index);
        let vehicle = charger.unplug()?;
        Some(Delivered::of(vehicle.taken()))
    }

    /// The car stops by itself (C to B) or wants energy again; nothing without a car.
    pub fn set_vehicle_wants_energy(&self, wants: bool) {
        let mut state = self.0.world.lock();
        let (charger, _, _) = state.charger(self.0.index);
        if let Some(vehicle) = &mut charger.vehicle {
            vehicle.set_satisfied(!wants);
        }
    }

    /// The charger insists on a state (E, F or a fault: relay open, error code set), or is well.
    pub fn set_forced_state(&self, forced: Option<VehicleState>) {
        let mut state = self.0.world.lock();
        let (charger, _, _) = state.charger(self.0.index);
        charger.force(forced);
    }

    /// State of the control pilot.
    #[must_use]
    pub fn state(&self) -> VehicleState {
        let mut state = self.0.world.lock();
        state.charger(self.0.index).0.state()
    }

    /// What the pilot offers now: set-point, fallback current, or 0.
    #[must_use]
    pub fn limit(&self) -> Milliamps {
        let mut state = self.0.world.lock();
        let (charger, profile, _) = state.charger(self.0.index);
        charger.offered(profile)
    }

    /// Whether the keep-alive was missed and the fallback current rules.
    #[must_use]
    pub fn fallen_back(&self) -> bool {
        let mut state = self.0.world.lock();
        state.charger(self.0.index).0.fallen_back()
    }

    /// Current of each phase.
    #[must_use]
    pub fn currents(&self) -> [Milliamps; 3] {
        let mut state = self.0.world.lock();
        state.charger(self.0.index).0.flow().current
    }

    /// Active power in milliwatts, rounded down.
    #[must_use]
    pub fn power_mw(&self) -> u64 {
        let mut state = self.0.world.lock();
        let nano = state.charger(self.0.index).0.flow().active_total_nw();
        u64::try_from(nano / 1_000_000).unwrap_or(u64::MAX)
    }

    /// Active energy since installation, rounded down to Wh.
    #[must_use]
    pub fn energy_wh(&self) -> u64 {
        self.energy_mwh() / 1000
    }

    /// Active energy since installation in thousandths of Wh, rounded down.
    #[must_use]
    pub fn energy_mwh(&self) -> u64 {
        let mut state = self.0.world.lock();
        state.charger(self.0.index).0.lifetime.active_mwh()
    }

    /// Apparent energy since installation in thousandths of VAh, rounded down.
    #[must_use]
    pub fn apparent_energy_mvah(&self) -> u64 {
        let mut state = self.0.world.lock();
        state.charger(self.0.index).0.lifetime.apparent_mvah()
    }

    /// Words that a register shows now; `None` if the profile has no register of this name.
    #[must_use]
    pub fn register(&self, name: &str) -> Option<Vec<u16>> {
        self.0.register(name)
    }

    /// Writes as they arrived, the last 4096.
    #[must_use]
    pub fn writes(&self) -> Vec<WriteRecord> {
        self.0.writes()
    }
}

/// A meter and what is true of it.
#[derive(Debug, Clone)]
pub struct MeterHandle(DeviceHandle);

impl MeterHandle {
    pub(super) fn new(device: DeviceHandle) -> Self {
        Self(device)
    }

    /// Its Modbus side and its faults.
    #[must_use]
    pub fn device(&self) -> &DeviceHandle {
        &self.0
    }

    /// Active energy, rounded down to Wh.
    #[must_use]
    pub fn energy_wh(&self) -> u64 {
        self.energy_mwh() / 1000
    }

    /// Active energy in thousandths of Wh, rounded down.
    #[must_use]
    pub fn energy_mwh(&self) -> u64 {
        self.0.world.lock().meter(self.0.index).energy.active_mwh()
    }

    /// Active power in milliwatts, rounded down.
    #[must_use]
    pub fn power_mw(&self) -> u64 {
        let nano = self
            .0
            .world
            .lock()
            .meter(self.0.index)
            .flow
            .active_total_nw();
        u64::try_from(nano / 1_000_000).unwrap_or(u64::MAX)
    }

    /// Current of each phase.
    #[must_use]
    pub fn currents(&self) -> [Milliamps; 3] {
        self.0.world.lock().meter(self.0.index).flow.current
    }

    /// Words that a register shows now; `None` if the profile has no register of this name.
    #[must_use]
    pub fn register(&self, name: &str) -> Option<Vec<u16>> {
        self.0.register(name)
    }
}
