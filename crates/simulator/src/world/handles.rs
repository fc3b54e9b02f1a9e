//! Handles to single devices: what a person at the cabinet, or a test, can do and see.

use hw_profiles::{ConnectorAddressing, Quantity, WordOrder};
use site_model::{Milliamps, VehicleState};

use super::World;
use crate::device::{Answer, Face, Fault, Violation, WriteRecord};
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
    /// Fallback current from the factory, for profiles with a failsafe; 0: what the profile says.
    pub fallback_current: Milliamps,
    /// Raw values by register name, instead of what the simulator would show; for variants.
    pub raw: Vec<(String, u64)>,
    /// Connectors it is built with.
    pub connectors: u8,
    /// Whether values that the profile calls optional are not there.
    pub without_optional: bool,
    /// Word order of values that follow the file's; absent: as the file says.
    pub words: Option<WordOrder>,
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
            connectors: 1,
            without_optional: false,
            words: None,
        }
    }
}

/// What can differ between meters of one profile.
#[derive(Debug, Clone, Default)]
pub struct MeterOptions {
    /// Where its register of active energy starts, Wh.
    pub initial_energy_wh: u64,
    /// Serial number; absent: one of its own.
    pub serial: Option<String>,
    /// Firmware version; absent: one that the profile's conditions know.
    pub firmware: Option<String>,
    /// Raw values by register name, instead of what the simulator would show; for variants.
    pub raw: Vec<(String, u64)>,
    /// Whether values that the profile calls optional are not there.
    pub without_optional: bool,
    /// Word order of values that follow the file's; absent: as the file says.
    pub words: Option<WordOrder>,
    /// SunSpec: model of the meter; absent: the first one of the profile.
    pub sunspec_model: Option<u16>,
    /// SunSpec: where the marker stands; absent: the first place of the profile.
    pub sunspec_base: Option<u16>,
}

/// What a meter measures.
#[derive(Debug, Clone)]
pub enum MeterOf {
    /// One charger.
    Charger(ChargerHandle),
    /// All chargers and the base load.
    Grid,
}

/// Any device, or one connector of it: its Modbus side and its faults.
#[derive(Debug, Clone)]
pub struct DeviceHandle {
    world: World,
    index: usize,
    face: Face,
}

impl DeviceHandle {
    pub(super) fn new(world: World, index: usize) -> Self {
        Self {
            world,
            index,
            face: Face::Connector(0),
        }
    }

    /// Device and connector, by their indices.
    pub(super) fn place(&self) -> (usize, usize) {
        (self.index, self.part())
    }

    fn part(&self) -> usize {
        match self.face {
            Face::Connector(part) => part,
            Face::Station => 0,
        }
    }

    fn with_face(&self, face: Face) -> Self {
        Self {
            face,
            ..self.clone()
        }
    }

    /// What must be added to a line or server, so that the whole device can be reached: its unit,
    /// those of its connectors, the station's. `unit` is the device's own, where the profile does
    /// not give each connector one. Connectors at ports of their own need a server each.
    #[must_use]
    pub fn faces(&self, unit: u8) -> Vec<(u8, Self)> {
        let state = self.world.lock();
        let device = &state.devices[self.index];
        let by = device.profile.connectors.as_ref().map(|c| &c.by);
        let mut faces = match by {
            Some(ConnectorAddressing::Units(units)) => {
                let parts = units.iter().take(device.parts.len()).enumerate();
                parts
                    .map(|(part, unit)| (*unit, self.with_face(Face::Connector(part))))
                    .collect()
            }
            Some(ConnectorAddressing::Stride(_) | ConnectorAddressing::Ports(_)) | None => {
                vec![(unit, self.clone())]
            }
        };
        let station = device.profile.link.station_unit;
        faces.extend(station.map(|unit| (unit, self.with_face(Face::Station))));
        faces
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
        let registers = &mut state.devices[self.index].parts[self.part()].unavailable;
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
        let mut state = self.world.lock();
        state.serve(self.index, self.face, began_ms, now_ms, pdu)
    }

    /// For shells: the last byte of an answer left.
    pub(crate) fn answered(&self, at_ms: u64) {
        self.world.lock().devices[self.index].answered(self.face, at_ms);
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
        self.world.lock().words(self.index, self.part(), name)
    }

    /// What is true of a quantity, in thousandths of its base unit (mA, mV, W, Wh, …), whatever the
    /// registers say; `None` where there is nothing to measure, and for texts.
    #[must_use]
    pub fn truth(&self, quantity: Quantity) -> Option<i128> {
        let state = self.world.lock();
        state.truth(self.index, self.part(), quantity)
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

    /// Writes to memory that wears: limits with `volatile = false`, failsafes that were stored.
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

    /// Another connector of the same device, counted from 1; `None` if it was built without.
    #[must_use]
    pub fn connector(&self, number: u8) -> Option<Self> {
        let part = usize::from(number.checked_sub(1)?);
        let built = self.0.world.lock().devices[self.0.index].parts.len();
        (part < built).then(|| Self(self.0.with_face(Face::Connector(part))))
    }

    /// Phases that a car can be given now, 1 to 3.
    #[must_use]
    pub fn phases(&self) -> u8 {
        let mut state = self.0.world.lock();
        state.charger(&self.0).0.phases_now()
    }

    /// What it falls back to without a keep-alive, as it was told or from the factory.
    #[must_use]
    pub fn fallback(&self) -> Milliamps {
        let mut state = self.0.world.lock();
        let (charger, profile, _) = state.charger(&self.0);
        charger.fallback(profile)
    }

    /// Silence after which it falls back, milliseconds; `None`: it never does.
    #[must_use]
    pub fn falls_back_after_ms(&self) -> Option<u64> {
        let mut state = self.0.world.lock();
        let (charger, profile, _) = state.charger(&self.0);
        charger.timeout_ms(profile)
    }

    /// The keep-alive has just been heard, as if a master had done what the profile wants.
    pub fn feed(&self) {
        let mut state = self.0.world.lock();
        let (charger, _, now_ms) = state.charger(&self.0);
        charger.feed(now_ms);
    }

    /// Whether everything was written that must be before the limit counts.
    #[must_use]
    pub fn is_set_up(&self) -> bool {
        let mut state = self.0.world.lock();
        let (charger, profile, _) = state.charger(&self.0);
        charger.set_up(profile)
    }

    /// Plugs a car in, instead of one that is there.
    pub fn plug_in(&self, ev: Ev) {
        let mut state = self.0.world.lock();
        let (charger, _, now_ms) = state.charger(&self.0);
        charger.plug_in(Vehicle::new(ev, now_ms));
    }

    /// Unplugs the car, if there is one, and tells what it took.
    pub fn unplug(&self) -> Option<Delivered> {
        let mut state = self.0.world.lock();
        let (charger, _, _) = state.charger(&self.0);
        let vehicle = charger.unplug()?;
        Some(Delivered::of(vehicle.taken()))
    }

    /// The car stops by itself (C to B) or wants energy again; nothing without a car.
    pub fn set_vehicle_wants_energy(&self, wants: bool) {
        let mut state = self.0.world.lock();
        let (charger, _, _) = state.charger(&self.0);
        if let Some(vehicle) = &mut charger.vehicle {
            vehicle.set_satisfied(!wants);
        }
    }

    /// The charger insists on a state (E, F or a fault: relay open, error code set), or is well.
    pub fn set_forced_state(&self, forced: Option<VehicleState>) {
        let mut state = self.0.world.lock();
        let (charger, _, _) = state.charger(&self.0);
        charger.force(forced);
    }

    /// State of the control pilot.
    #[must_use]
    pub fn state(&self) -> VehicleState {
        let mut state = self.0.world.lock();
        state.charger(&self.0).0.state()
    }

    /// What the pilot offers now: set-point, fallback current, or 0.
    #[must_use]
    pub fn limit(&self) -> Milliamps {
        let mut state = self.0.world.lock();
        let (charger, profile, _) = state.charger(&self.0);
        charger.offered(profile)
    }

    /// Whether the keep-alive was missed and the fallback current rules.
    #[must_use]
    pub fn fallen_back(&self) -> bool {
        let mut state = self.0.world.lock();
        state.charger(&self.0).0.fallen_back()
    }

    /// Current of each phase.
    #[must_use]
    pub fn currents(&self) -> [Milliamps; 3] {
        let mut state = self.0.world.lock();
        state.charger(&self.0).0.flow().current
    }

    /// Active power in milliwatts, rounded down.
    #[must_use]
    pub fn power_mw(&self) -> u64 {
        let mut state = self.0.world.lock();
        let nano = state.charger(&self.0).0.flow().active_total_nw();
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
        state.charger(&self.0).0.lifetime.active_mwh()
    }

    /// Apparent energy since installation in thousandths of VAh, rounded down.
    #[must_use]
    pub fn apparent_energy_mvah(&self) -> u64 {
        let mut state = self.0.world.lock();
        state.charger(&self.0).0.lifetime.apparent_mvah()
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
        self.0.world.lock().meter(&self.0).energy.active_mwh()
    }

    /// Active power in milliwatts, rounded down.
    #[must_use]
    pub fn power_mw(&self) -> u64 {
        let nano = self.0.world.lock().meter(&self.0).flow.active_total_nw();
        u64::try_from(nano / 1_000_000).unwrap_or(u64::MAX)
    }

    /// Current of each phase.
    #[must_use]
    pub fn currents(&self) -> [Milliamps; 3] {
        self.0.world.lock().meter(&self.0).flow.current
    }

    /// Words that a register shows now; `None` if the profile has no register of this name.
    #[must_use]
    pub fn register(&self, name: &str) -> Option<Vec<u16>> {
        self.0.register(name)
    }
}
