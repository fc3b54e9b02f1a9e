//! Twelve devices of five models on one line at 9600 Bd: one is dead, one answers late into the next
//! request's window, and two of a hundred frames are disturbed. No wrong value may pass.
//!
//! `DYNAMO_SEED` replays a run: the seed is printed.

mod line;
mod truth;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use firmware_agent::{
    Bus, BusConfig, BusDevice, BusEvent, BusLink, SerialFraming, spawn, spawn_on,
};
use hw_profiles::{Parity, Profile, SerialLine, find};
use simulator::{ChargerHandle, ChargerOptions, DeviceHandle, Ev, Fault, MeterOf, World};
use site_model::{DeviceId, Milliamps};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, timeout_at};

use line::{Counters, Line, Seen};

const SETTINGS: SerialLine = SerialLine {
    baud: 9_600,
    parity: Parity::None,
    stop_bits: 1,
};
/// Unit and profile of each device.
const DEVICES: [(u8, &str); 12] = [
    (1, "heidelberg-energy-control"),
    (2, "heidelberg-energy-control"),
    (3, "heidelberg-energy-control"),
    (4, "abb-terra-ac"),
    (5, "abb-terra-ac"),
    (11, "eastron-sdm630"),
    (12, "eastron-sdm630"),
    (13, "eastron-sdm630"),
    (14, "carlo-gavazzi-em340"),
    (15, "carlo-gavazzi-em340"),
    (16, "abb-b23"),
    (17, "abb-b23"),
];
const DEAD: u8 = 12;
/// Answers some questions so long after their time is over that others have been asked meanwhile.
const LATE: u8 = 15;
const DISTURBED_PERMILLE: u16 = 20;
const POLLS: u64 = 100_000;
/// Limits are set so often, so that writes meet disturbances too.
const LIMIT_EVERY: Duration = Duration::from_secs(20);

/// The site behind the line.
struct Site {
    line: Line,
    seen: Seen,
    chargers: Vec<(DeviceId, ChargerHandle)>,
    devices: Vec<BusDevice>,
    units: BTreeMap<DeviceId, u8>,
    rng: fastrand::Rng,
}

impl Site {
    fn new(seed: u64, dead: bool) -> Self {
        let world = World::new(seed);
        let line = Line::new(&world, SETTINGS, seed, DISTURBED_PERMILLE);
        let mut site = Self {
            seen: line.seen(),
            line,
            chargers: vec![],
            devices: vec![],
            units: BTreeMap::new(),
            rng: fastrand::Rng::with_seed(seed ^ 0x5EED),
        };
        for (unit, profile) in DEVICES {
            let profile = Arc::new(find(profile).expect("built in").clone());
            let name = format!("unit-{unit}");
            let id = DeviceId::new(&name).expect("a valid name");
            let handle = site.device(&world, &id, &profile, unit);
            if unit == DEAD {
                if !dead {
                    continue;
                }
                handle.set_fault(Fault::Silence);
            }
            if unit == LATE {
                let timeout_ms = profile.link.answer_timeout_ms;
                site.line.make_late(unit, timeout_ms + 60..timeout_ms + 260);
            }
            site.line.add(unit, handle, Arc::clone(&profile));
            site.units.insert(id.clone(), unit);
            site.devices.push(BusDevice {
                id,
                unit,
                connector: 1,
                profile,
                poll_interval_ms: 500,
                phases: 3,
                words: None,
                failsafe: None,
            });
        }
        site
    }

    fn device(
        &mut self,
        world: &World,
        id: &DeviceId,
        profile: &Arc<Profile>,
        unit: u8,
    ) -> DeviceHandle {
        if profile.limit.is_some() {
            let options = ChargerOptions {
                serial: format!("100000{unit:02}"),
                ..ChargerOptions::default()
            };
            let charger = world.add_charger(id.as_str(), Arc::clone(profile), options);
            charger.plug_in(Ev::three_phase_11_kw());
            self.chargers.push((id.clone(), charger.clone()));
            return charger.device().clone();
        }
        let measured = &self.chargers[usize::from(unit) % self.chargers.len()].1;
        let of = MeterOf::Charger(measured.clone());
        let energy = 1_000 * u64::from(unit);
        let meter = world.add_meter(id.as_str(), Arc::clone(profile), of, energy);
        meter.device().clone()
    }

    fn link(path: &str) -> BusLink {
        BusLink::Serial {
            path: path.into(),
            line: SETTINGS,
            framing: SerialFraming::Rtu,
        }
    }

    fn config(&self, path: &str) -> BusConfig {
        BusConfig {
            name: "disturbed".to_owned(),
            link: Self::link(path),
            devices: self.devices.clone(),
        }
    }
}

/// What a run showed.
struct Outcome {
    polls: BTreeMap<u8, u64>,
    took: Duration,
    wrong: Vec<String>,
    counters: Counters,
    limits_written: u64,
    /// Frames of the late device that came while others were asked.
    late_frames: u64,
    /// Devices that were lost, but for the dead one.
    lost: Vec<String>,
}

impl Outcome {
    fn total(&self) -> u64 {
        self.polls.values().sum()
    }
}

/// What a run needs once its line and bus are up.
struct Run {
    bus: Bus,
    events: Receiver<BusEvent>,
    seen: Seen,
    chargers: Vec<(DeviceId, ChargerHandle)>,
    units: BTreeMap<DeviceId, u8>,
    rng: fastrand::Rng,
    /// Events are taken at the very moment of the clock at which they are told.
    prompt: bool,
}

impl Run {
    /// Watches every reading until there were so many polls, or the time is over.
    async fn watch(mut self, polls: u64, until: Instant) -> Outcome {
        let began = Instant::now();
        let mut next_limit = began + LIMIT_EVERY;
        let mut outcome = Outcome {
            polls: BTreeMap::new(),
            took: Duration::ZERO,
            wrong: vec![],
            counters: Counters::default(),
            limits_written: 0,
            late_frames: 0,
            lost: vec![],
        };
        while outcome.total() < polls && Instant::now() < until {
            match timeout_at(next_limit.min(until), self.events.recv()).await {
                Err(_) => {
                    next_limit += LIMIT_EVERY;
                    let (id, _) = &self.chargers[self.rng.usize(..self.chargers.len())];
                    // Sometimes a pause, else anything a cable carries.
                    let amperes = self.rng.u32(4..=16);
                    let limit = if amperes < 6 { 0 } else { amperes * 1_000 };
                    self.bus.write_limit(id, Milliamps(limit));
                }
                Ok(None) => panic!("the bus ended"),
                Ok(Some(event)) => self.take(&event, &mut outcome),
            }
        }
        outcome.took = began.elapsed();
        outcome.counters = self.seen.counters();
        let devices = self.bus.diagnostics().devices;
        outcome.late_frames = devices.iter().map(|device| device.late_frames).sum();
        self.bus.stop().await;
        outcome
    }

    fn take(&mut self, event: &BusEvent, outcome: &mut Outcome) {
        match event {
            BusEvent::Read(reading) => {
                let unit = self.units[&reading.device];
                *outcome.polls.entry(unit).or_default() += 1;
                let prompt = self.prompt;
                let wrong = self
                    .seen
                    .truth(unit, |truth| truth.wrong_in(reading, prompt));
                for value in wrong {
                    outcome.wrong.push(format!("{}: {value:?}", reading.device));
                }
            }
            BusEvent::LimitWritten { .. } => outcome.limits_written += 1,
            BusEvent::Lost { device, fault } => {
                if self.units[device] != DEAD {
                    outcome.lost.push(format!("{device}: {}", fault.message));
                }
            }
            BusEvent::WriteRefused { .. }
            | BusEvent::PhasesSwitched { .. }
            | BusEvent::PhasesRefused { .. }
            | BusEvent::Failsafe { .. } => {}
        }
    }
}

/// A run in stopped time on an in-process line.
async fn in_stopped_time(seed: u64, dead: bool, polls: u64) -> Outcome {
    let site = Site::new(seed, dead);
    let config = site.config("in-process");
    let (ours, theirs) = tokio::io::duplex(4_096);
    let mut theirs = Some(theirs);
    let line = tokio::spawn(site.line.serve(ours));
    let (sender, events) = channel(256);
    let open = move || {
        theirs
            .take()
            .ok_or_else(|| std::io::Error::other("opened twice"))
    };
    let run = Run {
        bus: spawn_on(open, config, sender),
        events,
        seen: site.seen,
        chargers: site.chargers,
        units: site.units,
        rng: site.rng,
        prompt: true,
    };
    let outcome = run
        .watch(polls, Instant::now() + Duration::from_secs(1_000_000))
        .await;
    line.abort();
    outcome
}

#[expect(
    clippy::print_stdout,
    reason = "a test prints its figures and the seed that replays it"
)]
fn say(text: &str) {
    println!("{text}");
}

fn seed() -> u64 {
    let given = std::env::var("DYNAMO_SEED").ok();
    let seed = given.map_or(20_261_122, |text| text.parse().expect("a number"));
    say(&format!("DYNAMO_SEED={seed}"));
    seed
}

#[test]
fn crc_16_lets_no_burst_of_at_most_16_bits_pass() {
    // A CRC is linear: whether a burst passes depends on the burst alone, not on the frame; and its
    // generator has a last term, so a burst that passes at one place would pass at all.
    for burst in 1..=u16::MAX {
        let [low, high] = burst.to_le_bytes();
        let whole = simulator::codec::crc16(&[0, 0, 0, 0]);
        let changed = simulator::codec::crc16(&[low, high, 0, 0]);
        assert_ne!(whole, changed, "{burst:#06x}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_wrong_value_passes_in_100_000_polls_and_a_dead_device_costs_the_others_little() {
    let seed = seed();
    let with_dead = in_stopped_time(seed, true, POLLS).await;
    let counters = with_dead.counters;
    say(&format!(
        "{} polls in {:.0} s of the line's time, {} limits, {} late frames heard, {counters:?}",
        with_dead.total(),
        with_dead.took.as_secs_f64(),
        with_dead.limits_written,
        with_dead.late_frames
    ));
    assert_eq!(with_dead.wrong, [""; 0], "of {} polls", with_dead.total());
    assert_eq!(counters.undetected, 0, "{counters:?}");
    assert!(counters.late > 1_000, "{counters:?}");
    // Late answers met others on the line, and came whole into their windows.
    assert!(counters.collisions > 100, "{counters:?}");
    assert!(with_dead.late_frames > 100, "{}", with_dead.late_frames);
    let frames = counters.requests + counters.answers;
    let share = counters.disturbed * 1_000 / frames;
    assert!((15..=25).contains(&share), "{share} of 1000: {counters:?}");
    assert!(with_dead.limits_written > 100);
    assert!(!with_dead.polls.contains_key(&DEAD));

    let without = in_stopped_time(seed, false, POLLS / 10).await;
    let per_hour = |outcome: &Outcome, unit: u8| {
        let polls = outcome.polls.get(&unit).copied().unwrap_or_default();
        3_600.0 * f64::from(u32::try_from(polls).expect("few")) / outcome.took.as_secs_f64()
    };
    for (unit, profile) in DEVICES.into_iter().filter(|(unit, _)| *unit != DEAD) {
        let (with, alone) = (per_hour(&with_dead, unit), per_hour(&without, unit));
        say(&format!(
            "unit {unit:2} {profile:28} {with:6.0} polls/h, {alone:6.0} without the dead one"
        ));
        // How often the late one is given up for a while is chance.
        assert!(
            unit == LATE || with >= 0.95 * alone,
            "unit {unit}: {with:.0} of {alone:.0}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wrong_value_passes_in_60_seconds_on_a_pseudo_terminal() {
    let seed = seed();
    let site = Site::new(seed, true);
    let (ours, mut theirs) = tokio_serial::SerialStream::pair().expect("a pseudo-terminal");
    theirs.set_exclusive(false).expect("others may open it");
    let path = tokio_serial::SerialPort::name(&theirs).expect("it has a name");
    // A plain opening keeps the terminal alive and lets the driver lock it.
    let opened = std::fs::File::options().read(true).write(true).open(&path);
    let _kept = opened.expect("it can be opened");
    drop(theirs);
    let config = site.config(&path);
    let line = tokio::spawn(site.line.serve(ours));
    let (sender, events) = channel(256);
    let run = Run {
        bus: spawn(config, sender),
        events,
        seen: site.seen,
        chargers: site.chargers,
        units: site.units,
        rng: site.rng,
        prompt: false,
    };
    let outcome = run
        .watch(u64::MAX, Instant::now() + Duration::from_secs(60))
        .await;
    say(&format!(
        "{} polls, {:?}",
        outcome.total(),
        outcome.counters
    ));
    assert_eq!(outcome.wrong, [""; 0], "of {} polls", outcome.total());
    assert_eq!(outcome.counters.undetected, 0, "{:?}", outcome.counters);
    let counters = outcome.counters;
    assert!(counters.disturbed > 0, "{counters:?} {:?}", outcome.lost);
    let live = DEVICES.len() - 1;
    let polled = outcome.polls.len();
    assert_eq!(polled, live, "{:?} {:?}", outcome.polls, outcome.lost);
    line.abort();
}
