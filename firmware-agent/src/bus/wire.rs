//! One request and its answer on an open line: silence, deadlines, and what is dropped.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::codec::{Answer, Request, ascii, tcp};

pub(crate) use super::framing::{Framing, Stray};

/// Serial adapters hold bytes back to fill a packet: 16 ms from the factory (FTDI AN232B-04).
const ADAPTER_LATENCY: Duration = Duration::from_millis(20);
/// A frame of full length with a wrong check is given up after this silence, not at the deadline.
/// Longer than any gap that an adapter makes inside a frame.
const BROKEN_SILENCE: Duration = Duration::from_millis(50);
/// The longest time that handing a request to the operating system may take beyond its wire time.
const SEND_GRACE: Duration = Duration::from_secs(1);
/// Most bytes kept of one exchange; a line that talks more than this is noise.
const HEARD_MAX: usize = 2_048;
/// How often the line is found busy before a request goes out regardless.
const DRAINS_MAX: u32 = 20;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing was heard.
    Silence,
    /// Something was heard that is no frame: wrong CRC, noise.
    Garbled,
    /// Only frames that answer something else; `same_unit`: one came from the device asked.
    Foreign { same_unit: bool },
    /// The line itself failed; only opening it again helps.
    Link(String),
}

/// One exchange, for diagnostics.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) result: Result<Answer, Failure>,
    pub(crate) request: Vec<u8>,
    pub(crate) response: Vec<u8>,
    /// Frames that were dropped, before the request and while waiting.
    pub(crate) strays: Vec<Stray>,
    /// When the request began to go out.
    pub(crate) started: Instant,
    /// When the first byte after the request was heard.
    pub(crate) first_byte: Option<Instant>,
    /// When the last byte was heard, or when waiting ended.
    pub(crate) ended: Instant,
}

/// An open line.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    stream: S,
    framing: Framing,
    transaction: u16,
    /// Whether the adapter hears its own requests; known after the first read.
    echoes: bool,
    /// Until when the line counts as busy.
    busy_until: Instant,
}

/// What was heard while waiting.
#[derive(Debug)]
enum Heard {
    Bytes,
    DeadlinePassed,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S, framing: Framing) -> Self {
        Self {
            stream,
            framing,
            transaction: 0,
            echoes: false,
            busy_until: Instant::now(),
        }
    }

    /// Sends a request and waits for the answer that fits it, at most `answer_timeout` plus the
    /// time on the wire.
    pub(crate) async fn exchange(
        &mut self,
        unit: u8,
        request: &Request,
        answer_timeout: Duration,
    ) -> Report {
        self.transaction = self.transaction.wrapping_add(1);
        let mut report = Report {
            result: Err(Failure::Silence),
            request: self.framing.encode(self.transaction, unit, request),
            response: vec![],
            strays: vec![],
            started: Instant::now(),
            first_byte: None,
            ended: Instant::now(),
        };
        let result = self
            .send_and_hear(unit, request, answer_timeout, &mut report)
            .await;
        report.result = result.unwrap_or_else(|error| Err(Failure::Link(error.to_string())));
        self.busy_until = report.ended + self.framing.silence();
        report
    }

    /// As [`Wire::exchange`] with a device that must be woken: a request that is not answered is
    /// sent a second time. The first one is waited for half as long, so that a device which was
    /// awake is not asked twice.
    pub(crate) async fn exchange_waking(
        &mut self,
        unit: u8,
        request: &Request,
        answer_timeout: Duration,
    ) -> Report {
        let first = self.exchange(unit, request, answer_timeout / 2).await;
        match first.result {
            Ok(_) | Err(Failure::Link(_)) => first,
            Err(Failure::Silence | Failure::Garbled | Failure::Foreign { .. }) => {
                let mut second = self.exchange(unit, request, answer_timeout).await;
                second.started = first.started;
                second.strays.splice(0..0, first.strays);
                second
            }
        }
    }

    async fn send_and_hear(
        &mut self,
        unit: u8,
        request: &Request,
        answer_timeout: Duration,
        report: &mut Report,
    ) -> io::Result<Result<Answer, Failure>> {
        self.drain(report).await?;
        report.started = Instant::now();
        let on_wire = self.framing.request_time(report.request.len());
        let sent = async {
            self.stream.write_all(&report.request).await?;
            self.stream.flush().await
        };
        timeout_at(report.started + on_wire + SEND_GRACE, sent)
            .await
            .map_err(|_| io::Error::other("the line does not take bytes any more"))??;
        let answer_from = report.started + on_wire;
        let deadline = answer_from + answer_timeout + self.framing.answer_time(request);
        if self.framing.has_transactions() {
            self.hear_tcp(unit, request, deadline, report).await
        } else {
            self.hear_line(unit, request, deadline + ADAPTER_LATENCY, report)
                .await
        }
    }

    /// Throws away what came unasked, until the line has been silent long enough.
    async fn drain(&mut self, report: &mut Report) -> io::Result<()> {
        let mut heard = Vec::new();
        for _ in 0..DRAINS_MAX {
            sleep_until(self.busy_until).await;
            let before = heard.len();
            self.take_pending(&mut heard).await?;
            if heard.len() == before {
                break;
            }
            self.busy_until = Instant::now() + self.framing.silence();
        }
        report.strays = self.framing.strays(&heard).0;
        Ok(())
    }

    async fn hear_line(
        &mut self,
        unit: u8,
        request: &Request,
        deadline: Instant,
        report: &mut Report,
    ) -> io::Result<Result<Answer, Failure>> {
        let whole = self.framing.answer_len(request);
        loop {
            // An echo and the answer to function 6 are the same bytes: only where reads have shown
            // that the adapter echoes, the first copy of a write is not the answer.
            let echo_end = end_of_echo(report);
            let from = if request.is_write() && !self.echoes {
                0
            } else {
                echo_end
            };
            let found = self
                .framing
                .find_answer(&report.response[from..], unit, request);
            if let Some((start, answer)) = found {
                if !request.is_write() {
                    self.echoes = echo_end > 0;
                }
                let before = &report.response[from..from + start];
                report.strays.extend(self.framing.strays(before).0);
                return Ok(Ok(answer));
            }
            let until = self.given_up(whole, echo_end, deadline, report);
            match self.hear(until, report).await? {
                Heard::Bytes if report.response.len() <= HEARD_MAX => {}
                Heard::Bytes => return Ok(Err(Failure::Garbled)),
                Heard::DeadlinePassed => break,
            }
        }
        let heard = &report.response[end_of_echo(report)..];
        let silent = heard.is_empty();
        let (strays, noise) = self.framing.strays(heard);
        let same_unit = strays.iter().any(|stray| stray.unit == unit);
        report.strays.extend(strays);
        Ok(Err(if silent {
            Failure::Silence
        } else if noise > 0 {
            Failure::Garbled
        } else {
            Failure::Foreign { same_unit }
        }))
    }

    /// Until when an answer is waited for, by what was heard so far.
    fn given_up(
        &self,
        whole: usize,
        echo_end: usize,
        deadline: Instant,
        report: &Report,
    ) -> Instant {
        let heard = &report.response[echo_end..];
        if self.framing.is_under_way(heard) {
            // Pauses inside the frame are allowed, but not one after each character.
            let grace = ascii::CHARACTER_TIMEOUT;
            return (report.ended + grace).min(deadline + grace);
        }
        if heard.len() >= whole {
            return deadline.min(report.ended + BROKEN_SILENCE);
        }
        deadline
    }

    async fn hear_tcp(
        &mut self,
        unit: u8,
        request: &Request,
        deadline: Instant,
        report: &mut Report,
    ) -> io::Result<Result<Answer, Failure>> {
        let mut read = 0;
        let mut failure = Failure::Silence;
        loop {
            while let Some(frame) =
                tcp::first_frame(&report.response[read..]).map_err(io::Error::other)?
            {
                read += frame.len;
                if frame.transaction == self.transaction && frame.unit == unit {
                    if let Ok(answer) = request.decode_answer(frame.pdu) {
                        return Ok(Ok(answer));
                    }
                    failure = Failure::Foreign { same_unit: true };
                }
                report.strays.push(Stray { unit: frame.unit });
            }
            match self.hear(deadline, report).await? {
                Heard::Bytes if report.response.len() <= HEARD_MAX => {}
                Heard::Bytes => {
                    return Err(io::Error::other("the device sends without being asked"));
                }
                Heard::DeadlinePassed => return Ok(Err(failure)),
            }
        }
    }

    /// Waits for bytes until the deadline.
    async fn hear(&mut self, deadline: Instant, report: &mut Report) -> io::Result<Heard> {
        let mut chunk = [0; 256];
        let read = timeout_at(deadline, self.stream.read(&mut chunk)).await;
        report.ended = Instant::now();
        match read {
            Err(_) => Ok(Heard::DeadlinePassed),
            Ok(Ok(0)) => Err(closed()),
            Ok(Ok(len)) => {
                report.first_byte.get_or_insert(report.ended);
                report.response.extend(&chunk[..len]);
                Ok(Heard::Bytes)
            }
            Ok(Err(error)) => Err(error),
        }
    }

    /// Takes what is already there, without waiting.
    async fn take_pending(&mut self, heard: &mut Vec<u8>) -> io::Result<()> {
        let mut chunk = [0; 256];
        loop {
            let len = poll_fn(|context| {
                let mut buffer = ReadBuf::new(&mut chunk);
                match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                    Poll::Pending => Poll::Ready(Ok(None)),
                    Poll::Ready(Ok(())) => Poll::Ready(Ok(Some(buffer.filled().len()))),
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                }
            })
            .await?;
            match len {
                None => return Ok(()),
                Some(0) => return Err(closed()),
                Some(len) if heard.len() < HEARD_MAX => heard.extend(&chunk[..len]),
                Some(_) => {} // noise beyond the bound is dropped
            }
        }
    }
}

/// Where the first copy of the request ends in what was heard; 0 if there is none.
fn end_of_echo(report: &Report) -> usize {
    let request = &report.request;
    let start = report
        .response
        .windows(request.len())
        .position(|heard| heard == request);
    start.map_or(0, |start| start + request.len())
}

fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the other end closed the line",
    )
}
