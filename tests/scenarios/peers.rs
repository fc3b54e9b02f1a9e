//! Independent parts: Python peers in the private environment, a libmodbus peer, Mosquitto, ptys by
//! socat.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use demo::Process;

/// A Python peer from `tests/peers`, with its lines on standard output in a log.
pub(crate) struct Peer {
    pub(crate) process: Process,
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn python() -> anyhow::Result<PathBuf> {
    let python = package().join("../.venv/bin/python");
    ensure!(
        python.exists(),
        "the Python environment is missing: run `tests/run packages`"
    );
    Ok(python)
}

/// Runs a peer to its end and returns what it printed.
pub(crate) fn run(script: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(python()?)
        .arg(package().join("peers").join(script))
        .args(arguments)
        .output()?;
    ensure!(
        output.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

impl Peer {
    /// Starts a peer that goes on by itself, and waits for its `READY`.
    pub(crate) async fn start(
        script: &str,
        arguments: &[&str],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(python()?);
        command
            .arg(package().join("peers").join(script))
            .args(arguments);
        let mut process = Process::start("peer", command, folder)?;
        process.line("READY").await?;
        Ok(Self { process })
    }
}

/// A Modbus device by pymodbus or libmodbus whose registers can be set.
pub(crate) struct ModbusDevice {
    child: Child,
    log: PathBuf,
}

/// The program made with Debian's libmodbus by `tests/run packages`.
fn libmodbus_peer() -> anyhow::Result<PathBuf> {
    let program = package().join("../target/peers/libmodbus_peer");
    ensure!(
        program.exists(),
        "the libmodbus peer is missing: run `tests/run packages`"
    );
    Ok(program)
}

impl ModbusDevice {
    /// `link` is `tcp PORT` or `rtu PATH BAUD`; `image` is the JSON of its registers.
    pub(crate) async fn start(link: &[&str], image: &str, folder: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(python()?);
        command
            .arg(package().join("peers/modbus_device.py"))
            .args(link)
            .arg(image);
        let device = Self::spawn(command, folder)?;
        device.ready().await?;
        Ok(device)
    }

    /// `link` is `tcp PORT` or `rtu PATH BAUD UNIT`; all registers that `image` does not name are 0.
    pub(crate) async fn start_libmodbus(
        link: &[&str],
        image: &BTreeMap<u16, u16>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(libmodbus_peer()?);
        command.arg("device").args(link);
        let mut device = Self::spawn(command, folder)?;
        for (address, value) in image {
            device.set(0, *address, &[*value])?;
        }
        device.ready().await?;
        Ok(device)
    }

    fn spawn(mut command: Command, folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let log = folder.join("modbus-device.log");
        let output = std::fs::File::create(&log)?;
        let child = command
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("the Modbus device cannot be started")?;
        Ok(Self { child, log })
    }

    async fn ready(&self) -> anyhow::Result<()> {
        demo::until(
            std::time::Duration::from_secs(20),
            "the Modbus device is ready",
            async || Ok(self.printed().contains("READY").then_some(())),
        )
        .await
        .with_context(|| self.printed())
    }

    /// Sets registers of a unit from an address on.
    pub(crate) fn set(&mut self, unit: u8, address: u16, values: &[u16]) -> anyhow::Result<()> {
        let words: Vec<String> = values.iter().map(u16::to_string).collect();
        let input = self.child.stdin.as_mut().context("its input is closed")?;
        writeln!(input, "{unit} {address} {}", words.join(" "))?;
        Ok(input.flush()?)
    }

    /// What it printed: `READY`, then a line for each write it took.
    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for ModbusDevice {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two ptys joined by socat: what is written to one is read from the other.
pub(crate) struct SerialPair {
    _socat: Process,
    pub(crate) device_end: PathBuf,
    pub(crate) master_end: PathBuf,
}

impl SerialPair {
    pub(crate) async fn open(folder: &Path) -> anyhow::Result<Self> {
        let device_end = folder.join("line-device");
        let master_end = folder.join("line-master");
        let mut command = Command::new("socat");
        for end in [&device_end, &master_end] {
            command.arg(format!("pty,rawer,link={}", end.display()));
        }
        let socat = Process::start("socat", command, folder)?;
        demo::until(
            std::time::Duration::from_secs(5),
            "socat has made both ptys",
            async || Ok((device_end.exists() && master_end.exists()).then_some(())),
        )
        .await
        .with_context(|| socat.last_words())?;
        Ok(Self {
            _socat: socat,
            device_end,
            master_end,
        })
    }
}

/// Debian's Mosquitto with the access files that `cloud-api admin mosquitto` wrote.
pub(crate) struct Mosquitto {
    pub(crate) process: Process,
    pub(crate) port: u16,
    folder: PathBuf,
    /// Words before the program.
    wrapper: Vec<String>,
}

impl Mosquitto {
    pub(crate) fn start(folder: &Path, access: &Path, port: u16) -> anyhow::Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self::start_at(folder, access, address, Vec::new())
    }

    /// With words before the program, for instance `ip netns exec NAME`.
    pub(crate) fn start_at(
        folder: &Path,
        access: &Path,
        address: SocketAddr,
        wrapper: Vec<String>,
    ) -> anyhow::Result<Self> {
        let (ip, port) = (address.ip(), address.port());
        std::fs::create_dir_all(folder)?;
        let snippet = std::fs::read_to_string(access.join("mosquitto.conf"))?;
        // Debian's Mosquitto leaves root for an account that cannot read a test's private folder.
        let text = format!("user root\nlistener {port} {ip}\npersistence false\n{snippet}\n");
        std::fs::write(folder.join("mosquitto.conf"), text)?;
        let process = Process::start("mosquitto", command(folder, &wrapper), folder)?;
        Ok(Self {
            process,
            port,
            folder: folder.to_owned(),
            wrapper,
        })
    }

    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        self.process = Process::start(
            "mosquitto",
            command(&self.folder, &self.wrapper),
            &self.folder,
        )?;
        Ok(())
    }
}

fn command(folder: &Path, wrapper: &[String]) -> Command {
    let mut words: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    words.push("mosquitto");
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .arg("-c")
        .arg(folder.join("mosquitto.conf"));
    command
}
