//! Beginning and end: readiness and watchdog towards systemd, the signals that stop the daemon.
//! The watchdog is fed by the core's own loop, so it is fed only while that turns.

#[cfg(panic = "abort")]
compile_error!("a panic of one task must not end the daemon: build with panic = \"unwind\"");

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Tells systemd that the core's loop turns.
#[derive(Debug)]
pub struct Heart {
    watched: bool,
}

impl Heart {
    /// Whether there is a watchdog to feed is told by the environment, once.
    #[must_use]
    pub fn new() -> Self {
        Self {
            watched: sd_notify::watchdog_enabled().is_some(),
        }
    }

    /// One beat.
    pub fn beat(&self) {
        if self.watched {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

impl Default for Heart {
    fn default() -> Self {
        Self::new()
    }
}

/// The daemon is up.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The daemon is going down.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd did not hear us");
    }
}

/// Cancels `soft` at the first SIGTERM or SIGINT and `hard` at the second.
///
/// # Errors
/// Where the system does not let us hear signals.
pub fn on_signals(soft: CancellationToken, hard: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for token in [soft, hard] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            token.cancel();
        }
    });
    Ok(())
}
