//! Six chargers, three on serial lines and three over TCP, each as a device made with pymodbus and as
//! one made with Debian's libmodbus. Their registers are the bytes of the profile's own frames; what
//! the driver makes of them must be what the frames expect, and what it writes must arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use firmware_agent::{BusConfig, BusDevice, BusEvent, BusLink, SerialFraming, TcpFraming, spawn};
use hw_profiles::{
    Frame, FrameFile, Framing, KeepAlive, Parity, PauseControl, Profile, Quantity, SerialLine,
    WriteRegister, builtin_frames, find,
};
use serde_json::json;
use site_model::{DeviceId, Milliamps, Phase, Value};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;

use crate::peers::{ModbusDevice, SerialPair};
use scenarios::free_port;

/// Two limits with a pause between, and the registers that must have been written for each.
struct Case {
    profile: &'static str,
    serial: bool,
    ten_amperes: &'static [&'static str],
    pause: &'static [&'static str],
    six_amperes: &'static [&'static str],
}

/// Addresses and counts by hand from the makers' tables that the profiles cite.
const CASES: [Case; 6] = [
    Case {
        profile: "heidelberg-energy-control",
        serial: true,
        ten_amperes: &["1 261 100"],
        pause: &["1 261 0"],
        six_amperes: &["1 261 60"],
    },
    Case {
        profile: "abb-terra-ac",
        serial: true,
        ten_amperes: &["1 16640 0 10000"],
        pause: &["1 16640 0 0"],
        six_amperes: &["1 16640 0 6000"],
    },
    Case {
        profile: "mennekes-amtron-compact",
        serial: true,
        // 10.0 and 6.0 as IEEE 754: 0x41200000, 0x40C00000.
        ten_amperes: &["50 770 16672 0"],
        pause: &["50 3333 0"],
        six_amperes: &["50 770 16576 0", "50 3333 1"],
    },
    Case {
        profile: "keba-p40",
        serial: false,
        ten_amperes: &["255 5004 10000"],
        pause: &["255 5004 0"],
        six_amperes: &["255 5004 6000"],
    },
    Case {
        profile: "bender-cc612",
        serial: false,
        ten_amperes: &["255 1000 10"],
        pause: &["255 1000 0"],
        six_amperes: &["255 1000 6"],
    },
    Case {
        profile: "phoenix-charx",
        serial: false,
        ten_amperes: &["1 1301 10"],
        pause: &["1 1300 0"],
        six_amperes: &["1 1301 6", "1 1300 1"],
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Pymodbus,
    Libmodbus,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_chargers_made_with_pymodbus_are_read_limited_paused_and_resumed() -> anyhow::Result<()>
{
    all_cases(Made::Pymodbus).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_chargers_made_with_libmodbus_are_read_limited_paused_and_resumed() -> anyhow::Result<()>
{
    all_cases(Made::Libmodbus).await
}

/// All at once: most of the time they wait for intervals that the devices want kept.
async fn all_cases(made: Made) -> anyhow::Result<()> {
    let cases = async {
        let mut running = tokio::task::JoinSet::new();
        for case in CASES {
            running.spawn_local(async move {
                let folder = tempfile::tempdir()?;
                let outcome = one_case(made, &case, folder.path()).await;
                outcome.with_context(|| format!("{} by {made:?}", case.profile))
            });
        }
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        Ok(())
    };
    tokio::task::LocalSet::new().run_until(cases).await
}

async fn one_case(made: Made, case: &Case, folder: &Path) -> anyhow::Result<()> {
    let profile = Arc::new(find(case.profile).context("no such profile")?.clone());
    let known = Known::from_frames(&profile)?;
    ensure!(
        known.expected.len() >= 3,
        "the frames tell too little: {:?}",
        known.expected
    );
    let (device, link, _line) = start(made, case, &profile, &known, folder).await?;
    let id = DeviceId::new("charger")?;
    let (sender, mut events) = channel(64);
    let bus = spawn(
        BusConfig {
            name: "independent".to_owned(),
            link,
            devices: vec![BusDevice {
                id: id.clone(),
                unit: profile.link.unit,
                connector: 1,
                profile: Arc::clone(&profile),
                poll_interval_ms: 200,
                phases: 3,
                words: None,
                failsafe: None,
            }],
        },
        sender,
    );
    let device = &device;
    read_as_expected(&mut events, &known)
        .await
        .with_context(|| device.printed())?;
    for (limit, registers) in [
        (10_000, case.ten_amperes),
        (0, case.pause),
        (6_000, case.six_amperes),
    ] {
        bus.write_limit(&id, Milliamps(limit));
        written(&mut events, Milliamps(limit))
            .await
            .with_context(|| device.printed())?;
        for register in registers {
            let line = format!("WROTE {register}\n");
            demo::until(Duration::from_secs(10), &line, async || {
                Ok(device.printed().contains(&line).then_some(()))
            })
            .await
            .with_context(|| device.printed())?;
        }
    }
    bus.stop().await;
    Ok(())
}

async fn start(
    made: Made,
    case: &Case,
    profile: &Profile,
    known: &Known,
    folder: &Path,
) -> anyhow::Result<(ModbusDevice, BusLink, Option<SerialPair>)> {
    let unit = profile.link.unit;
    let image = json!({ unit.to_string(): known.image }).to_string();
    let logs = folder.join("device");
    if case.serial {
        let pair = SerialPair::open(folder).await?;
        let path = pair.device_end.display().to_string();
        let device = match made {
            Made::Pymodbus => ModbusDevice::start(&["rtu", &path, "19200"], &image, &logs).await?,
            Made::Libmodbus => {
                let words = ["rtu", &path, "19200", &unit.to_string()];
                ModbusDevice::start_libmodbus(&words, &known.image, &logs).await?
            }
        };
        let link = BusLink::Serial {
            path: pair.master_end.clone(),
            line: SerialLine {
                baud: 19_200,
                parity: Parity::None,
                stop_bits: 1,
            },
            framing: SerialFraming::Rtu,
        };
        return Ok((device, link, Some(pair)));
    }
    let port = free_port()?;
    let words = ["tcp", &port.to_string()];
    let device = match made {
        Made::Pymodbus => ModbusDevice::start(&words, &image, &logs).await?,
        Made::Libmodbus => ModbusDevice::start_libmodbus(&words, &known.image, &logs).await?,
    };
    let link = BusLink::Tcp {
        host: "127.0.0.1".to_owned(),
        port,
        framing: TcpFraming::Mbap,
    };
    Ok((device, link, None))
}

/// What the frames of a profile tell of one device: its registers and what they mean.
struct Known {
    /// One space for both tables: the peers have no other.
    image: BTreeMap<u16, u16>,
    /// Quantity and value in base units.
    expected: BTreeMap<&'static str, String>,
}

impl Known {
    /// Takes the frames in their order; one that contradicts what was taken before shows the device
    /// at another moment and is left out.
    fn from_frames(profile: &Profile) -> anyhow::Result<Self> {
        let files = builtin_frames().map_err(|faults| anyhow::anyhow!("{faults}"))?;
        let file: &FrameFile = files
            .iter()
            .find(|file| file.profile == profile.id)
            .context("no frames")?;
        let mut known = Self {
            image: BTreeMap::new(),
            expected: BTreeMap::new(),
        };
        let mut taken = BTreeSet::new();
        for frame in file.frames.iter().filter(|frame| frame.connector == 1) {
            let Some(words) = words_of(frame) else {
                continue;
            };
            let fits = words
                .iter()
                .all(|(address, word)| known.image.get(address).is_none_or(|held| held == word));
            if fits && frame.after.iter().all(|name| taken.contains(name)) {
                known.image.extend(words);
                taken.insert(frame.name.clone());
                known.expect(profile, frame);
            }
        }
        // What is written exists.
        for write in writes(profile) {
            for offset in 0..write.ty.count() {
                known.image.entry(write.address + offset).or_insert(0);
            }
        }
        Ok(known)
    }

    fn expect(&mut self, profile: &Profile, frame: &Frame) {
        for (name, text) in &frame.expect {
            let quantity = profile.register(name).and_then(|r| r.quantity);
            let told = quantity.filter(|_| text != "not available");
            // A limit that is paused is told as a pause; the writes below are its test.
            if let Some(quantity) = told.filter(|quantity| *quantity != Quantity::CurrentLimit) {
                self.expected.insert(quantity.as_str(), text.clone());
            } else if name == "vehicle_state" {
                self.expected.insert("vehicle_state", text.clone());
            }
        }
    }
}

/// Addresses and words that a read frame carries; `None` for a write.
fn words_of(frame: &Frame) -> Option<Vec<(u16, u16)>> {
    let (request, response) = match frame.framing {
        Framing::Rtu => (
            &frame.request[1..],
            &frame.response[1..frame.response.len() - 2],
        ),
        Framing::Tcp => (&frame.request[7..], &frame.response[7..]),
        // Neither peer speaks it.
        Framing::Ascii => return None,
    };
    let [3 | 4, high, low, ..] = *request else {
        return None;
    };
    let [3 | 4, _, words @ ..] = response else {
        return None;
    };
    let pairs = words
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    Some((u16::from_be_bytes([high, low])..).zip(pairs).collect())
}

fn writes(profile: &Profile) -> Vec<&WriteRegister> {
    let mut writes: Vec<&WriteRegister> = Vec::new();
    writes.extend(profile.setup.iter().map(|setup| &setup.write));
    if let Some(limit) = &profile.limit {
        writes.push(&limit.write);
        if let Some(PauseControl::Switch { write, .. }) = &limit.pause {
            writes.push(write);
        }
    }
    if let KeepAlive::WriteRegister { write, .. } = &profile.keep_alive {
        writes.push(write);
    }
    writes
}

async fn read_as_expected(events: &mut Receiver<BusEvent>, known: &Known) -> anyhow::Result<()> {
    let mut told: BTreeMap<&str, String> = BTreeMap::new();
    let reading = async {
        while let Some(event) = events.recv().await {
            let BusEvent::Read(reading) = event else {
                bail!("{event:?}");
            };
            told.extend(reading.values.iter().map(named));
            let missing = known
                .expected
                .iter()
                .any(|(name, text)| told.get(name) != Some(text));
            if !missing {
                return Ok(());
            }
        }
        bail!("the bus ended")
    };
    match timeout(Duration::from_secs(30), reading).await {
        Ok(outcome) => outcome,
        Err(_) => bail!("expected {:?}, was told {told:?}", known.expected),
    }
}

async fn written(events: &mut Receiver<BusEvent>, wanted: Milliamps) -> anyhow::Result<()> {
    let waiting = async {
        while let Some(event) = events.recv().await {
            match event {
                BusEvent::LimitWritten { limit, .. } if limit == wanted => return Ok(()),
                BusEvent::Read(_) | BusEvent::LimitWritten { .. } => {}
                BusEvent::Lost { .. }
                | BusEvent::WriteRefused { .. }
                | BusEvent::PhasesSwitched { .. }
                | BusEvent::PhasesRefused { .. }
                | BusEvent::Failsafe { .. } => bail!("{event:?}"),
            }
        }
        bail!("the bus ended")
    };
    timeout(Duration::from_secs(30), waiting)
        .await
        .with_context(|| format!("{wanted} was not written"))?
}

/// As profiles name the quantity, and the value in base units.
fn named(value: &Value) -> (&'static str, String) {
    let of_phase = |phase: &Phase, names: [&'static str; 3]| match phase {
        Phase::L1 => names[0],
        Phase::L2 => names[1],
        Phase::L3 => names[2],
    };
    match value {
        Value::VehicleState(state) => ("vehicle_state", state.to_string()),
        Value::CurrentLimit(current) => ("current_limit", current.to_string()),
        Value::Current(phase, current) => (
            of_phase(phase, ["current_l1", "current_l2", "current_l3"]),
            current.to_string(),
        ),
        Value::Voltage(phase, voltage) => (
            of_phase(phase, ["voltage_l1", "voltage_l2", "voltage_l3"]),
            voltage.to_string(),
        ),
        Value::PowerOfPhase(phase, power) => (
            of_phase(phase, ["power_l1", "power_l2", "power_l3"]),
            power.to_string(),
        ),
        Value::Power(power) => ("power", power.to_string()),
        Value::ApparentPower(power) => ("apparent_power", power.to_string()),
        Value::EnergyImport { energy, .. } => ("energy_import", energy.to_string()),
        Value::EnergyExport(energy) => ("energy_export", energy.to_string()),
        Value::EnergySession(energy) => ("energy_session", energy.to_string()),
        Value::ApparentEnergy(energy) => ("apparent_energy", energy.to_string()),
        Value::Frequency(frequency) => ("frequency", frequency.to_string()),
        Value::ErrorCode(code) => ("error_code", code.to_string()),
        Value::Firmware(text) => ("firmware", text.clone()),
        Value::Serial(text) => ("serial", text.clone()),
        Value::Model(text) => ("model", text.clone()),
    }
}
