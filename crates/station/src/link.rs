//! When to connect, when to register and when to give a sign of life (OCPP 1.6 section 4.2), and
//! what may be said before the central system has accepted the charge point.
//!
//! Time is the span since any fixed moment of this boot; chance is an argument.

use std::time::Duration;

use ocpp::v16::{Action, BootNotificationResponse, RegistrationStatus};

/// Pauses of connecting and registering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSettings {
    /// Before the second try; doubles with each.
    pub pause_min: Duration,
    /// Longest pause.
    pub pause_max: Duration,
    /// Between signs of life while the central system has not said.
    pub heartbeat: Duration,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            pause_min: Duration::from_secs(5),
            pause_max: Duration::from_secs(600),
            heartbeat: Duration::from_secs(300),
        }
    }
}

/// Chance from 0 (none) to 255, which keeps the charge points of a region from coming all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter(pub u8);

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Open the socket.
    Connect,
    /// Send BootNotification.
    Boot,
    /// Send Heartbeat.
    Heartbeat,
}

/// Whether the central system accepted this charge point since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Registration {
    /// Not asked yet, or not answered.
    Unknown,
    /// It wants to look first: it may ask and change, we say nothing of our own.
    Pending,
    /// It does not want us: we say nothing at all until the next try.
    Rejected,
    Accepted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Socket {
    Closed,
    Opening,
    Open,
}

/// The link of one charge point to its central system.
#[derive(Debug, Clone)]
pub struct Link {
    settings: LinkSettings,
    socket: Socket,
    registration: Registration,
    heartbeat: Duration,
    /// Tries since the last success, of what is being tried.
    failures: u32,
    /// When the next thing is due; `None` while an answer is awaited.
    due: Option<Duration>,
}

impl Link {
    /// Of a charge point that has just started; connects at once.
    #[must_use]
    pub fn new(now: Duration, settings: LinkSettings) -> Self {
        Self {
            settings,
            socket: Socket::Closed,
            registration: Registration::Unknown,
            heartbeat: settings.heartbeat,
            failures: 0,
            due: Some(now),
        }
    }

    /// When [`Link::due`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.due
    }

    /// What is to be done now; it is not told a second time.
    pub fn due(&mut self, now: Duration) -> Option<Due> {
        self.due.take_if(|due| *due <= now)?;
        Some(match (self.socket, self.registration) {
            (Socket::Closed | Socket::Opening, _) => {
                self.socket = Socket::Opening;
                Due::Connect
            }
            (Socket::Open, Registration::Accepted) => {
                // The socket has lasted: only now the tries before it are forgotten.
                self.failures = 0;
                self.due = Some(now.saturating_add(self.heartbeat));
                Due::Heartbeat
            }
            (
                Socket::Open,
                Registration::Unknown | Registration::Pending | Registration::Rejected,
            ) => Due::Boot,
        })
    }

    /// The socket is open. Who was accepted since it started does not register again.
    pub fn opened(&mut self, now: Duration) {
        self.socket = Socket::Open;
        self.due = Some(match self.registration {
            Registration::Accepted => now.saturating_add(self.heartbeat),
            Registration::Unknown | Registration::Pending | Registration::Rejected => now,
        });
    }

    /// The socket closed, or could not be opened.
    pub fn closed(&mut self, now: Duration, jitter: Jitter) {
        self.socket = Socket::Closed;
        self.try_later(now, jitter);
    }

    /// BootNotification was answered.
    pub fn answered(&mut self, now: Duration, answer: &BootNotificationResponse, jitter: Jitter) {
        let said = u64::try_from(answer.interval)
            .ok()
            .filter(|seconds| *seconds > 0);
        let said = said.map(Duration::from_secs);
        match answer.status {
            RegistrationStatus::Accepted => {
                self.registration = Registration::Accepted;
                self.failures = 0;
                self.heartbeat = said.unwrap_or(self.heartbeat);
                self.due = Some(now.saturating_add(self.heartbeat));
            }
            RegistrationStatus::Pending => self.registration = Registration::Pending,
            RegistrationStatus::Rejected => self.registration = Registration::Rejected,
        }
        match (answer.status, said) {
            (RegistrationStatus::Accepted, _) => {}
            (_, Some(pause)) => self.due = Some(now.saturating_add(pause)),
            (_, None) => self.try_later(now, jitter),
        }
    }

    /// BootNotification was refused or not answered.
    pub fn unanswered(&mut self, now: Duration, jitter: Jitter) {
        self.try_later(now, jitter);
    }

    /// `TriggerMessage` asked for a BootNotification.
    pub fn boot_triggered(&mut self, now: Duration) {
        if self.registration != Registration::Accepted {
            self.due = Some(now);
        }
    }

    /// `HeartbeatInterval` was changed.
    pub fn heartbeat_changed(&mut self, now: Duration, every: Duration) {
        self.heartbeat = every;
        if self.is_registered() {
            self.due = Some(now.saturating_add(every));
        }
    }

    /// The socket is open and the central system has accepted us: transactions may be told.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.socket == Socket::Open && self.registration == Registration::Accepted
    }

    /// Whether we may make this call now; `triggered` when the central system asked for it.
    #[must_use]
    pub fn may_call(&self, action: Action, triggered: bool) -> bool {
        let boots = action == Action::BootNotification;
        self.socket == Socket::Open
            && match self.registration {
                Registration::Accepted => true,
                Registration::Pending => boots || triggered,
                Registration::Unknown | Registration::Rejected => boots,
            }
    }

    /// Whether a call of the central system is obeyed now. Until it has accepted us, it may ask and
    /// configure, but not start and stop transactions.
    #[must_use]
    pub fn may_obey(&self, action: Action) -> bool {
        let moves = [
            Action::RemoteStartTransaction,
            Action::RemoteStopTransaction,
        ]
        .contains(&action);
        match self.registration {
            Registration::Accepted => true,
            Registration::Pending => !moves,
            Registration::Unknown | Registration::Rejected => false,
        }
    }

    /// Doubles the pause with each failure, and takes up to half of it away by chance.
    fn try_later(&mut self, now: Duration, Jitter(jitter): Jitter) {
        let doubled = 2_u32.saturating_pow(self.failures);
        let pause = self
            .settings
            .pause_min
            .saturating_mul(doubled)
            .min(self.settings.pause_max);
        self.failures = self.failures.saturating_add(1);
        let less = pause / 2 * u32::from(jitter) / 255;
        self.due = Some(now.saturating_add(pause.saturating_sub(less)));
    }
}
