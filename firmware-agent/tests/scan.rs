//! Scans of a line that knows its own settings and is silent towards others, in stopped time: every
//! second that a test tells is a second that a real line would take.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use firmware_agent::client::{ByteStream, Client, Opened, Port};
use firmware_agent::scan::{Found, Scan, Step, Thoroughness, Units, Words, serial_links};
use firmware_agent::{BusLink, SerialFraming, TcpFraming};
use hw_profiles::{Parity, Profile, SerialLine, WordOrder, builtin, find};
use simulator::{
    ChargerOptions, DeviceHandle, Fault, MemoryServer, MeterOf, MeterOptions, SettingsLine, World,
};
use tokio::time::Instant;

/// A line under test and everything on it.
struct Site {
    world: World,
    line: SettingsLine,
    framing: SerialFraming,
    devices: Vec<DeviceHandle>,
}

impl Site {
    fn new(settings: SerialLine) -> Self {
        let world = World::new(11);
        let line = SettingsLine::new(&world, settings);
        tokio::spawn(simulator::run(world.clone()));
        Self {
            world,
            line,
            framing: SerialFraming::Rtu,
            devices: vec![],
        }
    }

    fn ascii(settings: SerialLine) -> Self {
        let mut site = Self::new(settings);
        site.line = SettingsLine::ascii(&site.world, settings);
        site.framing = SerialFraming::Ascii;
        site
    }

    fn add(&mut self, unit: u8, profile: &str) -> DeviceHandle {
        self.add_variant(unit, profile, None)
    }

    fn add_variant(&mut self, unit: u8, profile: &str, words: Option<WordOrder>) -> DeviceHandle {
        let profile = Arc::new(built_in(profile));
        let name = format!("unit-{unit}");
        let device = if profile.limit.is_some() {
            let options = ChargerOptions {
                words,
                ..ChargerOptions::default()
            };
            let charger = self.world.add_charger(&name, profile, options);
            charger.device().clone()
        } else {
            let options = MeterOptions {
                words,
                ..MeterOptions::default()
            };
            let meter = self
                .world
                .add_meter_with(&name, profile, MeterOf::Grid, options);
            meter.device().clone()
        };
        self.line.add(unit, device.clone());
        self.devices.push(device.clone());
        device
    }

    fn port(&self) -> Desk {
        Desk {
            line: self.line.clone(),
            framing: self.framing,
        }
    }

    /// Scans with every setting that the built-in profiles know.
    async fn scan(&self, how: Thoroughness) -> Scan {
        let links = links();
        let mut client = self.client(&links).await;
        let mut scan = Scan::new(links, builtin().to_vec(), how);
        let scanned = scan.run(&mut client, &mut |_| {}).await;
        scanned.expect("the line opens");
        for device in &self.devices {
            assert_eq!(
                device.writes(),
                [],
                "a scan never writes: {}",
                device.name()
            );
        }
        scan
    }

    async fn client(&self, links: &[BusLink]) -> Client {
        let opened = Client::open_on(self.port(), links[0].clone()).await;
        opened.expect("the line opens")
    }
}

fn links() -> Vec<BusLink> {
    serial_links("in-process".as_ref(), builtin())
}

fn built_in(id: &str) -> Profile {
    find(id).expect("built in").clone()
}

/// Opens the simulated line with whatever settings are tried.
struct Desk {
    line: SettingsLine,
    framing: SerialFraming,
}

impl Port for Desk {
    fn open<'a>(&'a mut self, link: &'a BusLink) -> Opened<'a> {
        let BusLink::Serial { line, framing, .. } = link else {
            panic!("a serial line is scanned");
        };
        // Frames of the other kind are noise to a device; a line with other settings stands for that.
        let nobodys = SerialLine { baud: 1, ..*line };
        let settings = if *framing == self.framing {
            *line
        } else {
            nobodys
        };
        let stream = self.line.open(settings);
        Box::pin(async move { Ok(Box::new(stream) as Box<dyn ByteStream>) })
    }
}

fn settings(baud: u32, parity: Parity, stop_bits: u8) -> SerialLine {
    SerialLine {
        baud,
        parity,
        stop_bits,
    }
}

/// Unit and what it was taken for, in order of units.
fn summary(found: &[Found]) -> Vec<(u8, Option<&str>)> {
    let mut summary: Vec<_> = found.iter().map(|one| (one.unit, one.best())).collect();
    summary.sort_unstable();
    summary
}

fn line_of(found: &Found) -> (SerialLine, SerialFraming) {
    match &found.link {
        BusLink::Serial { line, framing, .. } => (*line, *framing),
        BusLink::Tcp { .. } => panic!("found on a serial line"),
    }
}

#[expect(clippy::print_stdout, reason = "a test prints its figures")]
fn say(text: &str) {
    println!("{text}");
}

#[tokio::test(start_paused = true)]
async fn eight_devices_on_a_line_of_unknown_settings_are_found_and_none_is_written_to() {
    let true_settings = settings(19_200, Parity::Even, 1);
    let mut site = Site::new(true_settings);
    let devices = [
        (1, "heidelberg-energy-control"),
        (2, "heidelberg-energy-control"),
        (3, "abb-terra-ac"),
        (7, "eastron-sdm630"),
        (12, "inepro-pro380"),
        (31, "abb-b23"),
        (50, "mennekes-amtron-compact"),
        (100, "carlo-gavazzi-em340"),
    ];
    for (unit, profile) in devices {
        site.add(unit, profile);
    }
    let scan = site.scan(Thoroughness::default()).await;
    let units: Vec<u8> = summary(scan.found()).iter().map(|one| one.0).collect();
    assert_eq!(units, devices.map(|one| one.0));
    for found in scan.found() {
        let (_, profile) = devices
            .iter()
            .find(|one| one.0 == found.unit)
            .expect("it is there");
        let named = [found.profiles.as_slice(), &found.possible].concat();
        assert!(named.iter().any(|id| id == profile), "{profile}: {found:?}");
        assert_eq!(line_of(found), (true_settings, SerialFraming::Rtu));
    }
    assert_eq!(scan.garbled(), []);
    let (took, effort) = scan.effort();
    let waiting = effort.waiting.as_secs_f64() / took.as_secs_f64();
    say(&format!(
        "scan of a line with 8 devices, {} settings possible: {:.1} s, {} questions, {:.0} % waiting",
        links().len(),
        took.as_secs_f64(),
        effort.requests,
        100.0 * waiting
    ));
    assert!(took < Duration::from_secs(120), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn every_setting_that_a_factory_uses_is_found_out() {
    for link in links() {
        let BusLink::Serial { line, framing, .. } = link else {
            panic!("a serial port");
        };
        let profile = builtin().iter().find(|profile| match framing {
            SerialFraming::Rtu => profile.link.rtu == Some(line),
            SerialFraming::Ascii => profile.link.ascii == Some(line),
        });
        // A setting without a profile of its own is tried with any.
        let id = profile.map_or("heidelberg-energy-control", |profile| profile.id.as_str());
        let mut site = match framing {
            SerialFraming::Rtu => Site::new(line),
            SerialFraming::Ascii => Site::ascii(line),
        };
        let unit = built_in(id).link.unit;
        site.add(unit, id);
        let scan = site.scan(Thoroughness::default()).await;
        let [found] = scan.found() else {
            panic!("{id} at {line:?} {framing:?}: {:?}", scan.found());
        };
        assert_eq!(
            (found.unit, line_of(found)),
            (unit, (line, framing)),
            "{id}"
        );
        let named = [found.profiles.as_slice(), &found.possible].concat();
        assert!(named.iter().any(|named| named == id), "{id}: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_model_of_a_serial_line_is_recognised_as_it_comes_from_the_factory() {
    let mut certain = 0;
    let mut doubtful = Vec::new();
    for profile in builtin() {
        let mut site = match (profile.link.rtu, profile.link.ascii) {
            (Some(line), _) => Site::new(line),
            (None, Some(line)) => Site::ascii(line),
            (None, None) => continue,
        };
        let unit = profile.link.unit;
        site.add(unit, &profile.id);
        let scan = site.scan(Thoroughness::default()).await;
        let [found] = scan.found() else {
            panic!("{}: {:?}", profile.id, scan.found());
        };
        assert_eq!(found.unit, unit, "{}", profile.id);
        if found.profiles == [profile.id.as_str()] {
            certain += 1;
        } else {
            assert_eq!(found.best(), Some(profile.id.as_str()), "{found:?}");
            doubtful.push(found.possible.join(", "));
        }
    }
    say(&format!(
        "{certain} models are certain; the others are the first of: {doubtful:#?}"
    ));
    assert!(certain > 0);
}

#[tokio::test(start_paused = true)]
async fn a_word_order_that_is_not_the_profiles_is_proven_by_a_value_in_range() {
    let with_probe = builtin().iter().find(|profile| {
        profile.word_probe.is_some() && profile.link.rtu.is_some() && !profile.probes.is_empty()
    });
    let profile = with_probe.expect("a profile with a word probe");
    let name = profile
        .word_probe
        .as_ref()
        .map(|probe| probe.register.as_str());
    let register = name
        .and_then(|name| profile.register(name))
        .expect("it is there");
    let other = match register.words {
        WordOrder::HighFirst => WordOrder::LowFirst,
        WordOrder::LowFirst => WordOrder::HighFirst,
    };
    let line = profile.link.rtu.expect("chosen so");
    for (words, proven) in [(None, Words::AsProfile), (Some(other), Words::Other(other))] {
        let mut site = Site::new(line);
        site.add_variant(profile.link.unit, &profile.id, words);
        let scan = site.scan(Thoroughness::default()).await;
        let [found] = scan.found() else {
            panic!("{:?}", scan.found());
        };
        assert_eq!(
            (found.best(), found.words),
            (Some(profile.id.as_str()), proven)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_slower_than_the_wait_shows_itself_by_its_late_answer() {
    let mut site = Site::new(settings(9_600, Parity::None, 1));
    let device = site.add(2, "eastron-sdm630");
    // Each answer comes 60 ms after the wait for it is over.
    device.set_fault(Fault::LateAnswers {
        delay_ms: 180,
        permille: 1_000,
    });
    let scan = site.scan(Thoroughness::default()).await;
    assert_eq!(summary(scan.found()), [(2, Some("eastron-sdm630"))]);
}

#[tokio::test(start_paused = true)]
async fn nobody_on_the_line_takes_the_time_that_was_told_at_the_beginning() {
    let site = Site::new(settings(9_600, Parity::None, 1));
    let links = links();
    let mut client = site.client(&links).await;
    let mut scan = Scan::new(links, builtin().to_vec(), Thoroughness::default());
    let told = Arc::new(Mutex::new(vec![]));
    let seen = Arc::clone(&told);
    let began = Instant::now();
    let scanned = scan
        .run(&mut client, &mut |step| {
            if let Step::Asking { left, .. } = step {
                seen.lock().expect("no panic").push(left);
            }
        })
        .await;
    scanned.expect("the line opens");
    assert_eq!((scan.found(), scan.garbled()), (&[][..], &[][..]));
    let took = began.elapsed().as_secs_f64();
    let told = told.lock().expect("no panic");
    let first = told.first().expect("something was asked").as_secs_f64();
    assert!(
        (0.8 * took..=1.1 * took).contains(&first),
        "{first} s told, {took} s taken"
    );
    assert!(
        told.windows(2).all(|pair| pair[1] <= pair[0]),
        "time left never grows: {told:?}"
    );
    assert!(*told.last().expect("asked") < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_is_dropped_half_way_keeps_what_it_found() {
    let mut site = Site::new(settings(9_600, Parity::None, 1));
    site.add(1, "eastron-sdm630");
    site.add(30, "abb-b23");
    let links = links();
    let mut client = site.client(&links).await;
    let mut scan = Scan::new(links, builtin().to_vec(), Thoroughness::default());
    let (identified, wait) = tokio::sync::oneshot::channel();
    let mut identified = Some(identified);
    let mut tell = |step: Step<'_>| {
        if matches!(step, Step::Identified(_))
            && let Some(identified) = identified.take()
        {
            identified.send(()).expect("it is waited for");
        }
    };
    tokio::select! {
        biased;
        told = wait => told.expect("it is told"),
        ended = scan.run(&mut client, &mut tell) => panic!("not interrupted: {ended:?}"),
    }
    assert_eq!(summary(scan.found()).len(), 1, "{:?}", scan.found());
}

/// Two lines behind one port: which one is heard depends on the settings.
struct TwoLines([SettingsLine; 2], SerialLine);

impl Port for TwoLines {
    fn open<'a>(&'a mut self, link: &'a BusLink) -> Opened<'a> {
        let BusLink::Serial { line, .. } = link else {
            panic!("a serial line is scanned");
        };
        let second = usize::from(*line == self.1);
        let stream = self.0[second].open(*line);
        Box::pin(async move { Ok(Box::new(stream) as Box<dyn ByteStream>) })
    }
}

#[tokio::test(start_paused = true)]
async fn devices_with_other_settings_than_the_first_are_found_when_that_is_asked() {
    let others = settings(19_200, Parity::Even, 1);
    let mut first = Site::new(settings(9_600, Parity::None, 1));
    first.add(1, "eastron-sdm630");
    let mut second = Site::new(others);
    second.add(7, "heidelberg-energy-control");
    let meter = (1, Some("eastron-sdm630"));
    let charger = (7, Some("heidelberg-energy-control"));
    for (every_setting, expected) in [(false, vec![meter]), (true, vec![meter, charger])] {
        let links: Vec<BusLink> = links().into_iter().filter(is_rtu).collect();
        let port = TwoLines([first.line.clone(), second.line.clone()], others);
        let opened = Client::open_on(port, links[0].clone()).await;
        let mut client = opened.expect("the line opens");
        let how = Thoroughness {
            units: Units::between(1, 8),
            every_setting,
            ..Thoroughness::default()
        };
        let mut scan = Scan::new(links, builtin().to_vec(), how);
        let scanned = scan.run(&mut client, &mut |_| {}).await;
        scanned.expect("the line opens");
        assert_eq!(summary(scan.found()), expected, "{every_setting}");
    }
}

fn is_rtu(link: &BusLink) -> bool {
    matches!(
        link,
        BusLink::Serial {
            framing: SerialFraming::Rtu,
            ..
        }
    )
}

#[tokio::test(start_paused = true)]
async fn frames_that_nobody_can_read_are_told_with_their_unit() {
    let mut site = Site::new(settings(9_600, Parity::None, 1));
    let broken = site.add(2, "eastron-sdm630");
    broken.set_fault(Fault::CrcErrors { permille: 1_000 });
    let scan = site.scan(Thoroughness::default()).await;
    assert_eq!(scan.found(), []);
    let units: Vec<u8> = scan.garbled().iter().map(|one| one.1).collect();
    assert!(units.contains(&2), "{units:?}");
    assert!(units.iter().all(|unit| *unit == 2), "{units:?}");
}

/// Modbus TCP inside the process.
struct Server(MemoryServer);

impl Port for Server {
    fn open<'a>(&'a mut self, _: &'a BusLink) -> Opened<'a> {
        let stream = self.0.open();
        Box::pin(async move { Ok(Box::new(stream) as Box<dyn ByteStream>) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_tcp_device_is_found_once_even_if_it_answers_as_every_unit() {
    let profile = Arc::new(built_in("keba-p40"));
    for units in [vec![255], (0..=255).collect::<Vec<u8>>()] {
        let world = World::new(11);
        tokio::spawn(simulator::run(world.clone()));
        let options = ChargerOptions::default();
        let charger = world.add_charger("box", Arc::clone(&profile), options);
        let devices = units.iter().map(|unit| (*unit, charger.device().clone()));
        let server = Server(MemoryServer::new(devices.collect()));
        let link = BusLink::Tcp {
            host: "in-process".to_owned(),
            port: 502,
            framing: TcpFraming::Mbap,
        };
        let opened = Client::open_on(server, link.clone()).await;
        let mut client = opened.expect("it opens");
        let mut scan = Scan::new(vec![link], builtin().to_vec(), Thoroughness::default());
        let scanned = scan.run(&mut client, &mut |_| {}).await;
        scanned.expect("it opens");
        let found = summary(scan.found());
        assert_eq!(found, [(255, Some("keba-p40"))], "{} units", units.len());
        assert_eq!(charger.writes(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_units_that_were_named_are_asked() {
    let mut site = Site::new(settings(9_600, Parity::None, 1));
    site.add(5, "eastron-sdm630");
    site.add(40, "eastron-sdm630");
    let some = Thoroughness {
        units: Units::between(33, 48),
        ..Thoroughness::default()
    };
    let scan = site.scan(some).await;
    assert_eq!(summary(scan.found()), [(40, Some("eastron-sdm630"))]);
    let default = site.scan(Thoroughness::default()).await;
    assert_eq!(summary(default.found()), [(5, Some("eastron-sdm630"))]);
}
