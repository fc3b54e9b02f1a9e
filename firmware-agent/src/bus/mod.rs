//! A bus: one task owns one serial line or TCP connection and all devices on it.
//!
//! Writes go ahead of reads, reads go by who has been due longest, and a device that does not
//! answer is asked ever more seldom. A late answer never passes for the answer to a later request.

pub(crate) mod config;
mod device;
mod diagnostics;
mod event;
pub(crate) mod fault;
mod framing;
mod outbox;
mod task;
pub(crate) mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use site_model::{DeviceId, Milliamps};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::diagnostics::Counters;
use self::task::BusTask;
use self::wire::Framing;
use crate::codec::rtu::Timing;
use crate::link::{MadeOpener, Opener, SerialOpener, TcpOpener};

pub use config::{
    BusConfig, BusDevice, BusLink, FailsafeSettings, Phases, SerialFraming, TcpFraming,
};
pub use diagnostics::{BusDiagnostics, DeviceDiagnostics, LastError, hex};
pub use event::{BusEvent, FailsafeState};

/// A running bus. Dropping it ends it at once.
#[derive(Debug)]
pub struct Bus {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What the handle and the task share.
#[derive(Debug)]
struct Shared {
    /// Newest wishes for each device that the task has not taken yet.
    wanted: Mutex<BTreeMap<DeviceId, Wanted>>,
    counters: Mutex<Counters>,
    stopping: AtomicBool,
    wake: Notify,
}

/// What is wanted of a device; of each only the newest.
#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    limit: Option<Milliamps>,
    phases: Option<Phases>,
}

/// Starts a bus. Must be called within a tokio runtime.
///
/// When `events` is full the bus goes on: see `outbox` for what is merged (readings) and what is
/// kept (everything else). When its receiver is gone the bus ends.
#[must_use]
pub fn spawn(config: BusConfig, events: mpsc::Sender<BusEvent>) -> Bus {
    let framing = framing(&config.link);
    match &config.link {
        BusLink::Serial { path, line, .. } => {
            let opener = SerialOpener::new(path.clone(), *line);
            spawn_over(opener, framing, config, events)
        }
        BusLink::Tcp { host, port, .. } => {
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
pub(crate) fn framing(link: &BusLink) -> Framing {
    match link {
        BusLink::Serial { line, framing, .. } => match framing {
            SerialFraming::Rtu => Framing::Rtu(Timing::new(*line)),
            SerialFraming::Ascii => Framing::Ascii(Timing::new(*line)),
        },
        BusLink::Tcp { framing, .. } => match framing {
            TcpFraming::Mbap => Framing::Tcp,
            TcpFraming::Rtu => Framing::RtuOverTcp,
        },
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
        self.want(device, |wanted| wanted.limit = Some(limit));
    }

    /// Asks a device to charge with so many phases. Never blocks; the newest wish wins. The outcome
    /// is [`BusEvent::PhasesSwitched`] or [`BusEvent::PhasesRefused`]. Where the device must not
    /// charge meanwhile it is paused, and the newest limit applies again afterwards.
    pub fn switch_phases(&self, device: &DeviceId, phases: Phases) {
        self.want(device, |wanted| wanted.phases = Some(phases));
    }

    fn want(&self, device: &DeviceId, wish: impl FnOnce(&mut Wanted)) {
        let known = |shared: &Counters| shared.shown.devices.iter().any(|d| d.device == *device);
        if known(&self.shared.counters()) {
            wish(lock(&self.shared.wanted).entry(device.clone()).or_default());
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

    fn take_wanted(&self) -> BTreeMap<DeviceId, Wanted> {
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
