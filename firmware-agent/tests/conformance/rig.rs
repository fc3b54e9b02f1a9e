//! One world, one line inside the process and one bus of the driver on it, in simulated time.

use std::sync::Arc;
use std::time::Duration;

use firmware_agent::client::{ByteStream, Opened, Port};
use firmware_agent::{
    Bus, BusConfig, BusDevice, BusEvent, BusLink, SerialFraming, TcpFraming, spawn_on,
};
use hw_profiles::{Profile, SerialLine};
use simulator::{DeviceHandle, MemoryServer, SettingsLine, World};
use site_model::{DeviceId, Millivolts, Value};
use tokio::io::DuplexStream;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, sleep, timeout_at};

/// Nothing that must happen takes longer than this, in simulated time.
pub(crate) const DEADLINE: Duration = Duration::from_secs(600);
/// How often the world moves on.
const STEP: Duration = Duration::from_millis(100);
/// How often devices are read where they allow it.
pub(crate) const POLL_MS: u64 = 2_000;
/// Each phase has its own voltage, so that none can be taken for another.
const VOLTAGE: [Millivolts; 3] = [
    Millivolts(229_300),
    Millivolts(230_100),
    Millivolts(231_200),
];

/// How a device is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Rtu(SerialLine),
    Ascii(SerialLine),
    Mbap,
    RtuOverTcp,
}

/// Ways that a profile names, the first one first; RTU also through a converter.
pub(crate) fn ways(profile: &Profile) -> Vec<Way> {
    let link = &profile.link;
    let mut ways = Vec::new();
    ways.extend(link.rtu.map(Way::Rtu));
    ways.extend(link.ascii.map(Way::Ascii));
    ways.extend(link.tcp.map(|_| Way::Mbap));
    ways.extend(link.rtu.map(|_| Way::RtuOverTcp));
    ways
}

/// What stands for the line.
#[derive(Debug, Clone)]
pub(crate) enum Medium {
    Line(SettingsLine, SerialLine),
    Server(MemoryServer),
}

impl Medium {
    pub(crate) fn new(world: &World, way: Way, devices: Vec<(u8, DeviceHandle)>) -> Self {
        let wired = |line: SettingsLine, settings| {
            for (unit, device) in devices.clone() {
                line.add(unit, device);
            }
            Self::Line(line, settings)
        };
        match way {
            Way::Rtu(settings) => wired(SettingsLine::new(world, settings), settings),
            Way::Ascii(settings) => wired(SettingsLine::ascii(world, settings), settings),
            Way::Mbap => Self::Server(MemoryServer::new(devices)),
            Way::RtuOverTcp => Self::Server(MemoryServer::rtu(devices)),
        }
    }

    pub(crate) fn open(&self) -> DuplexStream {
        match self {
            Self::Line(line, settings) => line.open(*settings),
            Self::Server(server) => server.open(),
        }
    }
}

impl Port for Medium {
    fn open<'a>(&'a mut self, _: &'a BusLink) -> Opened<'a> {
        Box::pin(async move { Ok(Box::new(Self::open(self)) as Box<dyn ByteStream>) })
    }
}

pub(crate) fn link(way: Way) -> BusLink {
    let serial = |line, framing| BusLink::Serial {
        path: "/simulated".into(),
        line,
        framing,
    };
    let tcp = |framing| BusLink::Tcp {
        host: "simulated".to_owned(),
        port: 502,
        framing,
    };
    match way {
        Way::Rtu(line) => serial(line, SerialFraming::Rtu),
        Way::Ascii(line) => serial(line, SerialFraming::Ascii),
        Way::Mbap => tcp(TcpFraming::Mbap),
        Way::RtuOverTcp => tcp(TcpFraming::Rtu),
    }
}

/// Runs a step in simulated time.
pub(crate) fn simulate<T>(step: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime needs nothing");
    runtime.block_on(step)
}

/// A world that moves with the clock of the runtime.
pub(crate) fn world() -> World {
    let world = World::new(1);
    world.hold_voltage(VOLTAGE);
    let moved = world.clone();
    tokio::spawn(async move {
        let begin = Instant::now();
        loop {
            sleep(STEP).await;
            moved.step(u64::try_from(begin.elapsed().as_millis()).expect("short"));
        }
    });
    world
}

pub(crate) fn device(name: &str, unit: u8, profile: &Arc<Profile>) -> BusDevice {
    BusDevice {
        id: id(name),
        unit,
        connector: 1,
        profile: Arc::clone(profile),
        poll_interval_ms: POLL_MS,
        phases: 3,
        words: None,
        failsafe: None,
    }
}

pub(crate) fn id(name: &str) -> DeviceId {
    DeviceId::new(name).expect("a valid name")
}

/// A running bus and what it has told.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) world: World,
    medium: Medium,
    way: Way,
    devices: Vec<BusDevice>,
    bus: Option<Bus>,
    events: Receiver<BusEvent>,
}

impl Rig {
    pub(crate) fn start(
        world: &World,
        way: Way,
        wired: Vec<(u8, DeviceHandle)>,
        devices: Vec<BusDevice>,
    ) -> Self {
        let (_, events) = channel(1);
        let mut rig = Self {
            world: world.clone(),
            medium: Medium::new(world, way, wired),
            way,
            devices,
            bus: None,
            events,
        };
        rig.connect();
        rig
    }

    /// Starts the driver again.
    pub(crate) fn connect(&mut self) {
        let (sender, events) = channel(64);
        let medium = self.medium.clone();
        let config = BusConfig {
            name: "conformance".to_owned(),
            link: link(self.way),
            devices: self.devices.clone(),
        };
        self.bus = Some(spawn_on(move || Ok(medium.open()), config, sender));
        self.events = events;
    }

    /// From the next start on, devices are read this often.
    pub(crate) fn poll_every(&mut self, interval_ms: u64) {
        for device in &mut self.devices {
            device.poll_interval_ms = interval_ms;
        }
    }

    /// Ends the driver: nobody talks to the devices any more.
    pub(crate) async fn disconnect(&mut self) {
        if let Some(bus) = self.bus.take() {
            bus.stop().await;
        }
    }

    pub(crate) fn bus(&self) -> &Bus {
        self.bus.as_ref().expect("it is connected")
    }

    /// Exceptions that devices have answered with.
    pub(crate) fn refusals(&self) -> u64 {
        let devices = self.bus().diagnostics().devices;
        devices.iter().map(|device| device.exceptions).sum()
    }

    /// The next event, whatever it is.
    pub(crate) async fn next(&mut self, until: Instant) -> Option<BusEvent> {
        match timeout_at(until, self.events.recv()).await {
            Ok(Some(event)) => Some(event),
            Ok(None) => panic!("the bus ended by itself"),
            Err(_) => None,
        }
    }

    /// Waits for an event as wanted; what is not expected meanwhile is a fault.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        wanted: impl Fn(&BusEvent) -> bool,
    ) -> Result<BusEvent, String> {
        let until = Instant::now() + DEADLINE;
        let mut last = String::new();
        while let Some(event) = self.next(until).await {
            if wanted(&event) {
                return Ok(event);
            }
            match event {
                BusEvent::Lost { fault, .. }
                | BusEvent::WriteRefused { fault, .. }
                | BusEvent::PhasesRefused { fault, .. } => {
                    let (message, remedy) = (fault.message, fault.remedy);
                    return Err(self.told(&format!("{what}, but: {message} {remedy}")));
                }
                BusEvent::Read(reading) => last = format!("{:?}", reading.values),
                BusEvent::LimitWritten { .. }
                | BusEvent::PhasesSwitched { .. }
                | BusEvent::Failsafe { .. } => {}
            }
        }
        Err(self.told(&format!(
            "{what}: not within {DEADLINE:?}; last reading {last}"
        )))
    }

    /// A fault with the last error of each device: register and frames.
    pub(crate) fn told(&self, fault: &str) -> String {
        let Some(bus) = &self.bus else {
            return fault.to_owned();
        };
        let errors: Vec<String> = bus
            .diagnostics()
            .devices
            .iter()
            .filter_map(|device| Some(format!("{:?}", device.last_error.as_ref()?)))
            .collect();
        let broken: Vec<String> = self.broken();
        format!("{fault} {} {}", errors.join(" "), broken.join(" "))
    }

    fn broken(&self) -> Vec<String> {
        let violations = self.world.violations();
        violations.iter().take(5).map(ToString::to_string).collect()
    }

    /// The rules of the devices were kept.
    pub(crate) fn clean(&self) -> Result<(), String> {
        let broken = self.broken();
        if broken.is_empty() {
            Ok(())
        } else {
            Err(format!("rules broken: {}", broken.join("; ")))
        }
    }

    /// Waits until a reading of a device tells this.
    pub(crate) async fn until_told(
        &mut self,
        device: &DeviceId,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<(), String> {
        let tells = |event: &BusEvent| {
            matches!(event, BusEvent::Read(reading)
                if reading.device == *device && reading.values.iter().any(&wanted))
        };
        self.until(what, tells).await?;
        Ok(())
    }

    /// Lets time pass with the driver at work; `each` sees what it reads meanwhile.
    pub(crate) async fn pass(
        &mut self,
        time: Duration,
        mut each: impl FnMut(&BusEvent) -> Result<(), String>,
    ) -> Result<(), String> {
        let until = Instant::now() + time;
        while let Some(event) = self.next(until).await {
            if let BusEvent::Lost { fault, .. } = &event {
                return Err(self.told(&format!("lost: {} {}", fault.message, fault.remedy)));
            }
            each(&event)?;
        }
        Ok(())
    }
}
