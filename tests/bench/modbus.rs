//! CPU that the driver takes for a poll, beside a master made with libmodbus that asks the same device
//! the same questions in the same run.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use firmware_agent::poll_plan::{Wish, plan};
use firmware_agent::{BusConfig, BusDevice, BusEvent, BusLink, TcpFraming};
use hw_profiles::{PollClass, Profile, Table};
use scenarios::free_port;
use site_model::DeviceId;

use crate::{Figure, process};

/// First word of the command line of this program when it is the driver that is measured.
pub(crate) const DRIVER: &str = "modbus-driver";
/// A meter with floats, as sites have most.
const PROFILE: &str = "eastron-sdm630";
const UNIT: u8 = 1;
const POLLS: u64 = 10_000;
/// The first polls also read what is read only once.
const WARM_UP: u64 = 100;

pub(crate) async fn figures() -> anyhow::Result<Vec<Figure>> {
    let profile = hw_profiles::find(PROFILE).context("no such profile")?;
    let peer = libmodbus_peer()?;
    let port = free_port()?;
    let mut device = Device::start(&peer, port)?;
    demo::until(Duration::from_secs(10), "the device listens", async || {
        Ok(std::net::TcpStream::connect(("127.0.0.1", port))
            .is_ok()
            .then_some(()))
    })
    .await?;
    let reads = every_poll(profile);
    let libmodbus = printed_cpu_ns(
        Command::new(&peer)
            .args(["master", "tcp", &port.to_string()])
            .args([UNIT.to_string(), POLLS.to_string()])
            .args(&reads),
    )?;
    let ours =
        printed_cpu_ns(Command::new(std::env::current_exe()?).args([DRIVER, &port.to_string()]))?;
    device.0.kill()?;
    device.0.wait()?;
    let per_1000 = |ns: u64| {
        let polls = f64::from(u32::try_from(POLLS).unwrap_or(u32::MAX));
        Duration::from_nanos(ns).as_secs_f64() * 1_000.0 / polls * 1_000.0
    };
    Ok(vec![
        Figure::report(
            format!(
                "modbus: CPU for 1 000 polls of {} reads over TCP, driver",
                reads.len()
            ),
            format!("{:.1} ms", per_1000(ours)),
        ),
        Figure::report(
            "modbus: CPU for the same reads, libmodbus without decoding",
            format!("{:.1} ms", per_1000(libmodbus)),
        ),
        Figure::report(
            "modbus: driver / libmodbus",
            format!("{:.2}", per_1000(ours) / per_1000(libmodbus)),
        ),
    ])
}

/// The driver alone in a process of its own; prints the CPU time of its polls.
pub(crate) async fn drive(port: &str) -> anyhow::Result<()> {
    let profile = hw_profiles::find(PROFILE).context("no such profile")?;
    let link = BusLink::Tcp {
        host: "127.0.0.1".to_owned(),
        port: port.parse()?,
        framing: TcpFraming::Mbap,
    };
    let device = BusDevice {
        id: DeviceId::new("meter")?,
        unit: UNIT,
        connector: 1,
        profile: Arc::new(profile.clone()),
        poll_interval_ms: 1,
        phases: 3,
        words: None,
        failsafe: None,
    };
    let (sender, mut events) = tokio::sync::mpsc::channel(64);
    let config = BusConfig {
        name: "bench".to_owned(),
        link,
        devices: vec![device],
    };
    let bus = firmware_agent::spawn(config, sender);
    let mut polls = 0;
    let mut before = process::cpu_ns("self")?;
    while polls < WARM_UP + POLLS {
        let event = events.recv().await.context("the bus ended")?;
        ensure!(matches!(event, BusEvent::Read(_)), "{event:?}");
        polls += 1;
        if polls == WARM_UP {
            before = process::cpu_ns("self")?;
        }
    }
    let cpu = process::cpu_ns("self")? - before;
    bus.stop().await;
    crate::say(&format!("CPU {cpu}"));
    Ok(())
}

/// The reads of a cycle in which only what changes fast is due, as the peer wants them.
fn every_poll(profile: &Profile) -> Vec<String> {
    let wishes: Vec<Wish> = profile
        .registers
        .iter()
        .map(|register| match register.poll {
            PollClass::Fast => Wish::Due,
            PollClass::Slow | PollClass::Once => Wish::Known,
        })
        .collect();
    let reads = plan(profile, &wishes);
    let table = |table: Table| {
        if table == Table::Holding {
            "holding"
        } else {
            "input"
        }
    };
    reads
        .iter()
        .map(|read| format!("{}:{}:{}", table(read.table), read.address, read.count))
        .collect()
}

fn printed_cpu_ns(command: &mut Command) -> anyhow::Result<u64> {
    let output = command.stderr(Stdio::inherit()).output()?;
    let printed = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{command:?}: {printed}");
    let cpu = printed
        .lines()
        .find_map(|line| line.strip_prefix("CPU "))
        .with_context(|| format!("no CPU time in {printed}"))?;
    Ok(cpu.trim().parse()?)
}

/// A libmodbus device whose registers are all 0.
struct Device(Child);

impl Device {
    fn start(peer: &Path, port: u16) -> anyhow::Result<Self> {
        let mut child = Command::new(peer)
            .args(["device", "tcp", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        // The device lives as long as its input.
        child.stdin.as_mut().context("no input")?.flush()?;
        Ok(Self(child))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn libmodbus_peer() -> anyhow::Result<PathBuf> {
    let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/libmodbus_peer");
    ensure!(
        peer.exists(),
        "the libmodbus peer is missing: run `tests/run packages`"
    );
    Ok(peer)
}
