//! The daemon against parts that know nothing of our code: pymodbus as the device, Debian's
//! Mosquitto as the broker, paho-mqtt reading the topics.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::{Binaries, Cloud, CloudOptions, Gateway, MqttLink, SimulatedSite, until};
use serde_json::{Value, json};
use simulator::Ev;

use crate::peers::{ModbusDevice, Mosquitto, Peer, SerialPair};
use scenarios::{free_port, stored_sessions};

/// Input registers of a Heidelberg Energy Control (vendor table of 2021-02-22): layout, state A1, three
/// currents, temperature, three voltages, lock, power, energies; limits; set-points.
fn heidelberg(state: u16) -> BTreeMap<u16, u16> {
    let mut registers: BTreeMap<u16, u16> = (4..=18)
        .zip([
            0x108, state, 0, 0, 0, 250, 230, 231, 229, 1, 0, 0, 0, 0, 5_000,
        ])
        .collect();
    registers.extend([(100, 16), (101, 6), (200, 0), (203, 104)]);
    registers.extend([(257, 15_000), (258, 4), (259, 1), (261, 160), (262, 60)]);
    registers
}

/// An SDM630 with this import register (kWh as f32, high word first) and mains-like values elsewhere.
fn sdm630(import_kwh: f32) -> BTreeMap<u16, u16> {
    let mut registers: BTreeMap<u16, u16> = (0..0x160).map(|address| (address, 0)).collect();
    for (address, value) in [
        (0x00, 230.0),
        (0x02, 230.0),
        (0x04, 230.0),
        (0x46, 50.0),
        (0x48, import_kwh),
    ] {
        let [high, low] = words(value);
        registers.insert(address, high);
        registers.insert(address + 1, low);
    }
    registers.extend([(0xFC00, 0x00BC), (0xFC01, 0x614E)]);
    registers
}

/// A Bender CC612 with everything it may be asked; 0xFFFFFFFF where it knows nothing.
fn bender() -> BTreeMap<u16, u16> {
    let mut registers: BTreeMap<u16, u16> = (100..=160)
        .chain(200..=230)
        .chain(700..=750)
        .map(|address| (address, 0))
        .collect();
    registers.extend([
        (100, u16::from_be_bytes(*b"5.")),
        (101, u16::from_be_bytes(*b"22")),
        (122, 1),
        (131, 6),
        (132, 0),
    ]);
    registers.extend([(218, 0), (219, 7_000), (1000, 16), (1001, 160)]);
    registers
}

fn words(value: f32) -> [u16; 2] {
    let bytes = value.to_be_bytes();
    [
        u16::from_be_bytes([bytes[0], bytes[1]]),
        u16::from_be_bytes([bytes[2], bytes[3]]),
    ]
}

struct Cabinet {
    cloud: Cloud,
    gateway: Gateway,
    api: demo::Api,
    _folder: tempfile::TempDir,
}

impl Cabinet {
    async fn open(folder: tempfile::TempDir, site: &str) -> anyhow::Result<Self> {
        let binaries = Binaries::beside_this_program()?;
        let cloud = Cloud::start(
            &binaries,
            &folder.path().join("cloud"),
            CloudOptions::default(),
        )
        .await?;
        let tenant = cloud.tenant("Independent", 1_000_000)?;
        let enrolled = cloud.enrol(&tenant.site_id)?;
        let gateway_folder = folder.path().join("gateway");
        Gateway::configure(
            &gateway_folder,
            &enrolled,
            MqttLink {
                port: cloud.mqtt_port(),
            },
            site,
        )?;
        let gateway = Gateway::start(&binaries, &gateway_folder).await?;
        let api = cloud.api(&tenant.key)?;
        Ok(Self {
            cloud,
            gateway,
            api,
            _folder: folder,
        })
    }

    async fn status_becomes(&self, charge_point: &str, wanted: &str) -> anyhow::Result<Value> {
        until(
            Duration::from_secs(15),
            &format!("REST says {wanted}"),
            async || {
                let status = self.api.status(charge_point).await?;
                Ok(
                    (status["online"] == true && status["connectors"][0]["status"] == wanted)
                        .then(|| status["connectors"][0].clone()),
                )
            },
        )
        .await
        .with_context(|| self.gateway.process.last_words())
    }

    async fn only_session_wh(&self) -> anyhow::Result<u64> {
        until(
            Duration::from_secs(10),
            "the cloud has the session's end",
            async || {
                let sessions = stored_sessions(&self.cloud)?;
                ensure!(sessions.len() == 1, "{sessions:?}");
                Ok(sessions[0].energy_wh())
            },
        )
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_with_pymodbus_on_a_serial_line() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let line = SerialPair::open(folder.path()).await?;
    let image = json!({"1": heidelberg(2), "2": sdm630(12.0)}).to_string();
    let mut device = ModbusDevice::start(
        &["rtu", &line.device_end.display().to_string(), "19200"],
        &image,
        &folder.path().join("device"),
    )
    .await?;
    let site = format!(
        "[[bus]]\nname = \"line\"\nserial = {{ path = \"{}\", baud = 19200, parity = \"none\", stop_bits = 1 }}\n\
         [[bus.device]]\nid = \"charger\"\nprofile = \"heidelberg-energy-control\"\nunit = 1\n\
         [[bus.device]]\nid = \"meter\"\nprofile = \"eastron-sdm630\"\nunit = 2\n\
         [[charge_point]]\nid = \"PY-RTU\"\n[[charge_point.connector]]\nid = 1\ntype = \"Type2\"\ndevice = \"charger\"\nmeter = \"meter\"\n\
         max_current_a = 16\nphases = 3\nauthorization = \"free\"\n",
        line.master_end.display()
    );
    let cabinet = Cabinet::open(folder, &site).await?;
    cabinet.status_becomes("PY-RTU", "Available").await?;
    device.set(1, 5, &[4])?;
    cabinet.status_becomes("PY-RTU", "Preparing").await?;
    device.set(1, 5, &[7])?;
    cabinet.status_becomes("PY-RTU", "Charging").await?;
    device.set(2, 0x48, &words(12.345))?;

    let limited = cabinet
        .gateway
        .ask(&["command", "PY-RTU", "1", "set-limit", "--amps", "8"])?;
    ensure!(
        limited.status.success(),
        "{}",
        String::from_utf8_lossy(&limited.stderr)
    );
    ensure!(
        device.printed().contains("WROTE 1 261 80\n"),
        "8 A are 80 counts of 0.1 A:\n{}",
        device.printed()
    );

    device.set(1, 5, &[2])?;
    cabinet.status_becomes("PY-RTU", "Available").await?;
    ensure!(
        cabinet.only_session_wh().await? == 345,
        "12.000 to 12.345 kWh"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_with_pymodbus_over_tcp() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let image = json!({"255": bender()}).to_string();
    let mut device = ModbusDevice::start(
        &["tcp", &port.to_string()],
        &image,
        &folder.path().join("device"),
    )
    .await?;
    let site = format!(
        "[[bus]]\nname = \"lan\"\ntcp = {{ host = \"127.0.0.1\", port = {port} }}\n\
         [[bus.device]]\nid = \"charger\"\nprofile = \"bender-cc612\"\nunit = 255\n\
         [[charge_point]]\nid = \"PY-TCP\"\n[[charge_point.connector]]\nid = 1\ntype = \"Type2\"\ndevice = \"charger\"\n\
         max_current_a = 16\nphases = 3\nauthorization = \"free\"\n"
    );
    let cabinet = Cabinet::open(folder, &site).await?;
    cabinet.status_becomes("PY-TCP", "Available").await?;
    device.set(255, 122, &[2])?;
    cabinet.status_becomes("PY-TCP", "Preparing").await?;
    device.set(255, 122, &[3])?;
    cabinet.status_becomes("PY-TCP", "Charging").await?;
    device.set(255, 219, &[7_512])?;
    device.set(255, 122, &[1])?;
    cabinet.status_becomes("PY-TCP", "Available").await?;
    ensure!(cabinet.only_session_wh().await? == 512, "7000 to 7512 Wh");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_carries_the_site_and_paho_reads_it() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let binaries = Binaries::beside_this_program()?;
    let broker_port = free_port()?;
    let cloud_folder = folder.path().join("cloud");
    // The access files come from the database, so the organisation is made before the broker exists.
    let mut cloud = Cloud::start(&binaries, &cloud_folder, CloudOptions::default()).await?;
    let tenant = cloud.tenant("Mosquitto", 1_000_000)?;
    let enrolled = cloud.enrol(&tenant.site_id)?;
    let stranger = cloud.enrol(&tenant.site_id)?;
    let access = folder.path().join("access");
    let written = cloud.admin_output(&["mosquitto", "--out", &access.display().to_string()])?;
    ensure!(
        written.status.success(),
        "{}",
        String::from_utf8_lossy(&written.stderr)
    );
    cloud.process.terminate().await?;
    let broker = Mosquitto::start(&folder.path().join("broker"), &access, broker_port)?;

    let external = format!(
        "external = {{ host = \"127.0.0.1\", port = {broker_port}, username = \"ingest\", password_file = \"{}/ingest.password\" }}",
        access.display()
    );
    let options = CloudOptions {
        external_broker: Some(external),
        ..CloudOptions::default()
    };
    let cloud = Cloud::start(&binaries, &folder.path().join("cloud"), options).await?;
    let site = SimulatedSite::start(41).await?;
    let gateway_folder = folder.path().join("gateway");
    Gateway::configure(
        &gateway_folder,
        &enrolled,
        MqttLink { port: broker.port },
        &site.configuration(),
    )?;
    let gateway = Gateway::start(&binaries, &gateway_folder).await?;
    let api = cloud.api(&tenant.key)?;
    until(
        Duration::from_secs(30),
        "every charge point is online",
        async || Ok((api.summary().await?["online"] == 4).then_some(())),
    )
    .await
    .with_context(|| {
        format!(
            "{}\n{}\n{}",
            gateway.process.last_words(),
            broker.process.last_words(),
            cloud.process.last_words()
        )
    })?;

    let ingest_password = std::fs::read_to_string(access.join("ingest.password"))?;
    let port = broker.port.to_string();
    let reader = Peer::start(
        "mqtt_reader.py",
        &[
            &port,
            "ingest",
            ingest_password.trim(),
            "dynamo/v1/+/+/cp/+/snapshot",
            "dynamo/v1/+/+/facts",
        ],
        &folder.path().join("reader").tap_dir()?,
    )
    .await?;
    let left = site.connector("CP-LEFT")?;
    left.charger.plug_in(Ev {
        ready_after_ms: 300,
        ..Ev::three_phase_11_kw()
    });
    until(
        Duration::from_secs(10),
        "paho reads a snapshot that says Charging",
        async || {
            let found = messages(&reader).into_iter().find(|message| {
                message["topic"]
                    .as_str()
                    .is_some_and(|topic| topic.ends_with("/cp/CP-LEFT/snapshot"))
                    && message["payload"]["connectors"][0]["status"] == "Charging"
            });
            Ok(found)
        },
    )
    .await?;
    until(
        Duration::from_secs(10),
        "paho reads the fact of the session's start",
        async || {
            let found = messages(&reader).into_iter().any(|message| {
                message["payload"]["facts"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|fact| fact["change"]["type"] == "session_started")
            });
            Ok(found.then_some(()))
        },
    )
    .await?;

    // A gateway reads no other gateway's topics: Mosquitto grants the subscription and delivers nothing,
    // so what it may not do is seen by what never comes, against a reader that had all of it above.
    let spy = Peer::start(
        "mqtt_reader.py",
        &[
            &port,
            &stranger.gateway_id,
            &stranger.password,
            "dynamo/v1/#",
        ],
        &folder.path().join("spy").tap_dir()?,
    )
    .await?;
    left.charger.unplug();
    until(
        Duration::from_secs(10),
        "paho reads a snapshot that says Available again",
        async || {
            let last = messages(&reader).into_iter().rfind(|message| {
                message["topic"]
                    .as_str()
                    .is_some_and(|topic| topic.ends_with("/cp/CP-LEFT/snapshot"))
            });
            Ok(last.filter(|message| message["payload"]["connectors"][0]["status"] == "Available"))
        },
    )
    .await?;
    ensure!(
        messages(&spy).is_empty(),
        "a foreign gateway read {:?}",
        messages(&spy)
    );
    Ok(())
}

fn messages(reader: &Peer) -> Vec<Value> {
    reader
        .process
        .printed()
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Makes a folder and gives it back.
trait TapDir {
    fn tap_dir(self) -> anyhow::Result<std::path::PathBuf>;
}

impl TapDir for std::path::PathBuf {
    fn tap_dir(self) -> anyhow::Result<std::path::PathBuf> {
        std::fs::create_dir_all(&self)?;
        Ok(self)
    }
}
