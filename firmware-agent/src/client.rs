//! One question at a time on a line of one's own: for the bench tool, which has no schedule.

use std::time::Duration;

use hw_profiles::{Profile, Register};
use site_model::DeviceFault;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use crate::bus::wire::{Framing, Wire};
use crate::bus::{BusLink, fault, hex};
use crate::codec::rtu::Timing;
use crate::codec::{Answer, Request};
use crate::link::{Opener, SerialOpener, TcpOpener};

/// Longer than the gap of any known model.
const REST_AFTER_OPENING: Duration = Duration::from_millis(250);

trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

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

/// A line that is ours until this is dropped.
pub struct Client {
    link: BusLink,
    /// Keeps the lock of a serial port over reopening.
    serial: Option<SerialOpener>,
    wire: Option<Wire<Box<dyn ByteStream>>>,
    /// Not before: gap after an answer, quiet time after a missing one.
    ready_at: Instant,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Opens the line.
    ///
    /// # Errors
    /// Why it cannot be opened, and what to do.
    pub async fn open(link: BusLink) -> Result<Self, DeviceFault> {
        let mut client = Self {
            link,
            serial: None,
            wire: None,
            ready_at: Instant::now(),
        };
        client.reopen().await?;
        Ok(client)
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
        if self.wire.is_none() {
            self.reopen().await.map_err(|fault| Unanswered {
                fault,
                request: String::new(),
                response: String::new(),
            })?;
        }
        sleep_until(self.ready_at).await;
        let wire = self.wire.as_mut().expect("opened above");
        let report = wire.exchange(unit, request, timeout).await;
        let failure = match report.result {
            Ok(answer) => {
                self.ready_at = report.ended + gap;
                return Ok(answer);
            }
            Err(failure) => failure,
        };
        // A late answer must not pass for the next one: the line rests, a connection is made anew.
        match self.link {
            BusLink::Serial { .. } => self.ready_at = report.ended + timeout.max(gap),
            BusLink::Tcp { .. } => self.wire = None,
        }
        Err(Unanswered {
            fault: fault::no_answer(&failure, unit, request, timeout),
            request: hex(&report.request),
            response: hex(&report.response),
        })
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
        let (stream, framing): (Box<dyn ByteStream>, _) = match &self.link {
            BusLink::Serial { path, line } => {
                let opener = self
                    .serial
                    .get_or_insert_with(|| SerialOpener::new(path.clone(), *line));
                (
                    Box::new(opener.open().await?),
                    Framing::Rtu(Timing::new(*line)),
                )
            }
            BusLink::Tcp { host, port } => {
                let mut opener = TcpOpener::new(host.clone(), *port);
                (Box::new(opener.open().await?), Framing::Tcp)
            }
        };
        if framing != Framing::Tcp {
            // Another program may have asked a moment ago, and devices want their gap after that.
            self.ready_at = self.ready_at.max(Instant::now() + REST_AFTER_OPENING);
        }
        self.wire = Some(Wire::new(stream, framing));
        Ok(())
    }
}
