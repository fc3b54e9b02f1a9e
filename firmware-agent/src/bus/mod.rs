//! A bus: one task owns one serial line or TCP connection and all devices on it.
//!
//! Writes go ahead of reads, reads go by who has been due longest, and a device that does not
//! answer is asked ever more seldom. A late answer never passes for the answer to a later request.

mod device;
mod diagnostics;
pub(crate) mod fault;
mod outbox;
mod task;
pub(crate) mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hw_profiles::{Profile, SerialLine};
use site_model::{DeviceFault, DeviceId, Milliamps, Reading};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::diagnostics::Counters;
use self::task::BusTask;
use self::wire::Framing;
use crate::codec::rtu::Timing;
use crate::link::{MadeOpener, Opener, SerialOpener, TcpOpener};

pub use diagnostics::{BusDiagnostics, DeviceDiagnostics, LastError, hex};

/// A bus as the configuration describes it.
#[derive(Debug, Clone)]
pub struct BusConfig {
    /// Name in the configuration.
    pub name: String,
    /// How to reach it.
    pub link: BusLink,
    /// Its devices; names are unique, units too.
    pub devices: Vec<BusDevice>,
}

/// How to reach a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusLink {
    /// Modbus RTU.
    Serial {
        /// For instance `/dev/serial/by-id/usb-…`.
        path: PathBuf,
        /// Settings of the line.
        line: SerialLine,
    },
    /// Modbus TCP.
    Tcp {
        /// Name or address.
        host: String,
        /// Usually 502.
        port: u16,
    },
}

impl fmt::Display for BusLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial { path, .. } => write!(f, "{}", path.display()),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// A device on a bus.
#[derive(Debug, Clone)]
pub struct BusDevice {
    /// Its name at the site.
    pub id: DeviceId,
    /// Modbus unit.
    pub unit: u8,
    /// Its model.
    pub profile: Arc<Profile>,
    /// How often it is read; at least the profile's `read_interval_ms` is kept.
    pub poll_interval_ms: u64,
    /// Phases it is wired to, 1 to 3; needed where limits are told in watts.
    pub phases: u8,
}

/// What happens on a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusEvent {
    /// A poll ended; everything in it is fresh. After a [`BusEvent::Lost`] it means the device is back.
    Read(Reading),
    /// The device is quarantined or its line cannot be used. Told once, and again only when the
    /// reason changes between device and line.
    Lost {
        /// Which device.
        device: DeviceId,
        /// Why, and what to do.
        fault: DeviceFault,
    },
    /// A limit was written and echoed.
    LimitWritten {
        /// Which device.
        device: DeviceId,
        /// As encoded, rounded down; 0 is a pause.
        limit: Milliamps,
    },
    /// A limit will not be written.
    WriteRefused {
        /// Which device.
        device: DeviceId,
        /// Why, and what to do.
        fault: DeviceFault,
    },
}

/// A running bus. Dropping it ends it at once.
#[derive(Debug)]
pub struct Bus {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What the handle and the task share.
#[derive(Debug)]
struct Shared {
    /// Newest wanted limit of each device that the task has not taken yet.
    wanted: Mutex<BTreeMap<DeviceId, Milliamps>>,
    counters: Mutex<Counters>,
    stopping: AtomicBool,
    wake: Notify,
}

/// Starts a bus. Must be called within a tokio runtime.
///
/// When `events` is full the bus goes on: see `outbox` for what is merged (readings) and what is
/// kept (everything else). When its receiver is gone the bus ends.
#[must_use]
pub fn spawn(config: BusConfig, events: mpsc::Sender<BusEvent>) -> Bus {
    let framing = framing(&config.link);
    match &config.link {
        BusLink::Serial { path, line } => {
            let opener = SerialOpener::new(path.clone(), *line);
            spawn_over(opener, framing, config, events)
        }
        BusLink::Tcp { host, port } => {
            let opener = TcpOpener::new(host.clone(), *port);
            spawn_over(opener, framing, config, events)
        }
    }
}

/// Starts a bus as [`spawn`] does, on streams that the caller opens instead: simulated lines, in
/// simulated time. `config.link` says what they stand for.
#[must_use]
pub fn spawn_on<S>(
    open: impl FnMut() -> io::Result<S> + Send + Sync + 'static,
    config: BusConfig,
    events: mpsc::Sender<BusEvent>,
) -> Bus
where
    S: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static,
{
    let framing = framing(&config.link);
    spawn_over(MadeOpener(open), framing, config, events)
}

/// How frames are told apart on a link.
fn framing(link: &BusLink) -> Framing {
    match link {
        BusLink::Serial { line, .. } => Framing::Rtu(Timing::new(*line)),
        BusLink::Tcp { .. } => Framing::Tcp,
    }
}

fn spawn_over<O: Opener>(
    opener: O,
    framing: Framing,
    config: BusConfig,
    events: mpsc::Sender<BusEvent>,
) -> Bus {
    let devices = config
        .devices
        .iter()
        .map(|device| (device.id.clone(), device.unit));
    let counters = Counters::new(&config.name, devices, Instant::now());
    let shared = Arc::new(Shared {
        wanted: Mutex::default(),
        counters: Mutex::new(counters),
        stopping: AtomicBool::new(false),
        wake: Notify::new(),
    });
    let task = BusTask::new(opener, framing, config, events, Arc::clone(&shared));
    Bus {
        shared,
        task: tokio::spawn(task.run()),
    }
}

impl Bus {
    /// Asks for a limit; 0 pauses. Never blocks. A newer limit for the same device replaces one
    /// that is not written yet, and a limit for a device that does not answer waits until it does.
    /// A device that is not on this bus is ignored.
    pub fn write_limit(&self, device: &DeviceId, limit: Milliamps) {
        let known = |shared: &Counters| shared.shown.devices.iter().any(|d| d.device == *device);
        if known(&self.shared.counters()) {
            lock(&self.shared.wanted).insert(device.clone(), limit);
            self.shared.wake.notify_one();
        }
    }

    /// Counters and last errors as of now.
    #[must_use]
    pub fn diagnostics(&self) -> BusDiagnostics {
        self.shared.counters().snapshot(Instant::now())
    }

    /// Ends the bus after the exchange under way, and releases the line.
    pub async fn stop(mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.wake.notify_one();
        if let Err(error) = (&mut self.task).await
            && error.is_panic()
        {
            tracing::error!("The task of a bus panicked: {error}");
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn counters(&self) -> MutexGuard<'_, Counters> {
        lock(&self.counters)
    }

    fn take_wanted(&self) -> BTreeMap<DeviceId, Milliamps> {
        std::mem::take(&mut *lock(&self.wanted))
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// What is behind these locks is whole after every statement, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
