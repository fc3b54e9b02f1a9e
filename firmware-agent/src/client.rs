//! One question at a time on a line of one's own: for the bench tool, which has no schedule.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use hw_profiles::{Profile, Register};
use site_model::DeviceFault;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use crate::bus::wire::{Framing, Report, Wire};
use crate::bus::{BusLink, fault, framing, hex};
use crate::codec::{Answer, Request};
use crate::link::{Opener, SerialOpener, TcpOpener};

/// Longer than the gap of any known model.
const REST_AFTER_OPENING: Duration = Duration::from_millis(250);

/// What carries the bytes of a line.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// An opened line, or why it cannot be opened and what to do.
pub type Opened<'a> =
    Pin<Box<dyn Future<Output = Result<Box<dyn ByteStream>, DeviceFault>> + Send + 'a>>;

/// Opens lines: those of the system, or simulated ones.
pub trait Port: Send {
    /// Opens the line with the settings that the link names.
    fn open<'a>(&'a mut self, link: &'a BusLink) -> Opened<'a>;
}

/// Serial ports and TCP connections of this machine.
#[derive(Debug, Default)]
pub struct SystemPort {
    /// Keeps the lock of a serial port while it is opened with other settings.
    serial: Option<SerialOpener>,
}

impl Port for SystemPort {
    fn open<'a>(&'a mut self, link: &'a BusLink) -> Opened<'a> {
        Box::pin(async move {
            Ok(match link {
                BusLink::Serial { path, line, .. } => {
                    let opener = self
                        .serial
                        .get_or_insert_with(|| SerialOpener::new(path.clone(), *line));
                    opener.set(path, *line);
                    Box::new(opener.open().await?) as Box<dyn ByteStream>
                }
                BusLink::Tcp { host, port, .. } => {
                    Box::new(TcpOpener::new(host.clone(), *port).open().await?)
                }
            })
        })
    }
}

/// Why a question was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// What happened and what to do.
    pub fault: DeviceFault,
    /// The request as sent, in hexadecimal; empty if the line could not be opened.
    pub request: String,
    /// What was heard, in hexadecimal; empty if nothing.
    pub response: String,
}

/// Where the time went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effort {
    /// Requests sent.
    pub requests: u64,
    /// Of them, answered.
    pub answers: u64,
    /// Spent waiting for answers that did not come, and resting after them.
    pub waiting: Duration,
}

/// A line that is ours until this is dropped.
pub struct Client {
    port: Box<dyn Port>,
    link: BusLink,
    framing: Framing,
    wire: Option<Wire<Box<dyn ByteStream>>>,
    /// Not before: gap after an answer, quiet time after a missing one.
    ready_at: Instant,
    /// Whether a request that is not answered may only have woken the device.
    waking: bool,
    effort: Effort,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Opens a line of this machine.
    ///
    /// # Errors
    /// Why it cannot be opened, and what to do.
    pub async fn open(link: BusLink) -> Result<Self, DeviceFault> {
        Self::open_on(SystemPort::default(), link).await
    }

    /// Opens a line of a port.
    ///
    /// # Errors
    /// Why it cannot be opened, and what to do.
    pub async fn open_on(port: impl Port + 'static, link: BusLink) -> Result<Self, DeviceFault> {
        let mut client = Self {
            port: Box::new(port),
            framing: framing(&link),
            link,
            wire: None,
            ready_at: Instant::now(),
            waking: false,
            effort: Effort::default(),
        };
        client.reopen().await?;
        Ok(client)
    }

    /// Leaves the line and opens it with other settings, or another one.
    ///
    /// # Errors
    /// Why it cannot be opened, and what to do.
    pub async fn switch_to(&mut self, link: &BusLink) -> Result<(), DeviceFault> {
        if self.link == *link && self.wire.is_some() {
            return Ok(());
        }
        self.wire = None;
        self.framing = framing(link);
        self.link = link.clone();
        self.reopen().await
    }

    /// The line it talks on.
    #[must_use]
    pub fn link(&self) -> &BusLink {
        &self.link
    }

    /// Whether to send what is not answered a second time, because the first only wakes the device.
    pub fn set_waking(&mut self, waking: bool) {
        self.waking = waking;
    }

    /// Says nothing for so long.
    pub(crate) fn rest(&mut self, time: Duration) {
        self.ready_at = self.ready_at.max(Instant::now() + time);
    }

    /// Where the time went so far.
    #[must_use]
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// Whether frames carry the unit of who sent them and nothing else to know them by.
    pub(crate) fn is_serial(&self) -> bool {
        matches!(self.link, BusLink::Serial { .. })
    }

    /// Most time that an unanswered question takes.
    pub(crate) fn cost_of_silence(&self, request: &Request, timeout: Duration) -> Duration {
        timeout + self.framing.line_time(request)
    }

    /// Asks, and waits for the answer that fits. `gap`: least pause after the answer.
    ///
    /// # Errors
    /// What was missing or wrong; an exception is an answer.
    pub async fn ask(
        &mut self,
        unit: u8,
        request: &Request,
        timeout: Duration,
        gap: Duration,
    ) -> Result<Answer, Unanswered> {
        let report = self.exchange(unit, request, timeout).await;
        let report = report.map_err(|fault| Unanswered {
            fault,
            request: String::new(),
            response: String::new(),
        })?;
        let failure = match report.result {
            Ok(answer) => {
                self.ready_at = report.ended + gap;
                return Ok(answer);
            }
            Err(failure) => failure,
        };
        if self.is_serial() {
            // A late answer must not pass for the next one: the line rests.
            let rest = timeout.max(gap);
            self.ready_at = report.ended + rest;
            self.effort.waiting += rest;
        }
        Err(Unanswered {
            fault: fault::no_answer(&failure, unit, request, timeout),
            request: hex(&report.request),
            response: hex(&report.response),
        })
    }

    /// Asks without resting after a missing answer: for who asks each unit once.
    ///
    /// # Errors
    /// Why the line cannot be opened again.
    pub(crate) async fn exchange(
        &mut self,
        unit: u8,
        request: &Request,
        timeout: Duration,
    ) -> Result<Report, DeviceFault> {
        if self.wire.is_none() {
            self.reopen().await?;
        }
        sleep_until(self.ready_at).await;
        let wire = self.wire.as_mut().expect("opened above");
        let report = if self.waking {
            wire.exchange_waking(unit, request, timeout).await
        } else {
            wire.exchange(unit, request, timeout).await
        };
        self.effort.requests += 1;
        if report.result.is_ok() {
            self.effort.answers += 1;
        } else {
            self.effort.waiting += report.ended - report.started;
            if !self.is_serial() {
                // A late answer could still come on this connection.
                self.wire = None;
            }
        }
        Ok(report)
    }

    /// Reads one register of a profile with the profile's own timing.
    ///
    /// # Errors
    /// As [`Client::ask`]; an exception is an error here.
    pub async fn read(
        &mut self,
        unit: u8,
        profile: &Profile,
        register: &Register,
    ) -> Result<Vec<u16>, Unanswered> {
        let request = Request::Read {
            table: register.table,
            address: register.address,
            count: register.count(),
        };
        let timeout = Duration::from_millis(profile.link.answer_timeout_ms);
        let gap = Duration::from_millis(profile.link.gap_ms);
        self.waking = profile.link.wake_up;
        let station_unit = profile.link.station_unit.filter(|_| register.station);
        let unit = station_unit.unwrap_or(unit);
        match self.ask(unit, &request, timeout, gap).await? {
            Answer::Registers(words) => Ok(words),
            Answer::Written => Ok(vec![]),
            Answer::Exception(code) => Err(Unanswered {
                fault: fault::refused(code, unit, &request),
                request: hex(&request.encode()),
                response: hex(&[request.function() | 0x80, code.0]),
            }),
        }
    }

    async fn reopen(&mut self) -> Result<(), DeviceFault> {
        let stream = self.port.open(&self.link).await?;
        if self.is_serial() {
            // Another program may have asked a moment ago, and devices want their gap after that.
            self.ready_at = self.ready_at.max(Instant::now() + REST_AFTER_OPENING);
        }
        self.wire = Some(Wire::new(stream, self.framing));
        Ok(())
    }
}
