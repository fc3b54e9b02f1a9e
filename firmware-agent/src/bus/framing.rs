//! How frames are told apart on a link, and how long they take on it.

use std::time::Duration;

use hw_profiles::{Parity, SerialLine};

use crate::codec::rtu::{self, Timing};
use crate::codec::{Answer, Request, ascii, tcp};

/// Behind a converter the line's settings are not known here: waiting for an answer allows for
/// the slowest that is usual.
const SLOWEST_LINE: SerialLine = SerialLine {
    baud: 9_600,
    parity: Parity::Even,
    stop_bits: 1,
};

/// How frames are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// RTU on a serial line.
    Rtu(Timing),
    /// ASCII on a serial line.
    Ascii(Timing),
    /// Modbus TCP.
    Tcp,
    /// RTU in a TCP connection.
    RtuOverTcp,
}

/// A frame that nobody waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stray {
    pub(crate) unit: u8,
}

impl Framing {
    /// Whether an answer names its request, so that a late one cannot pass for the next.
    pub(crate) fn has_transactions(self) -> bool {
        match self {
            Self::Tcp => true,
            Self::Rtu(_) | Self::Ascii(_) | Self::RtuOverTcp => false,
        }
    }

    /// Whether a missing answer may be the connection's fault, so that it is made anew.
    pub(crate) fn is_connection(self) -> bool {
        match self {
            Self::Tcp | Self::RtuOverTcp => true,
            Self::Rtu(_) | Self::Ascii(_) => false,
        }
    }

    /// Time that request, granting answer and the silence after it take on a serial line.
    pub(crate) fn line_time(self, request: &Request) -> Duration {
        let request_len = match self {
            Self::Tcp | Self::RtuOverTcp => return Duration::ZERO,
            Self::Rtu(_) => request.encode().len() + 3,
            Self::Ascii(_) => 2 * (request.encode().len() + 2) + 3,
        };
        self.request_time(request_len) + self.answer_time(request) + self.silence()
    }

    /// Time that a request of so many characters takes on the wire.
    pub(crate) fn request_time(self, characters: usize) -> Duration {
        match self {
            Self::Tcp => Duration::ZERO,
            Self::Rtu(timing) | Self::Ascii(timing) => timing.characters(characters),
            Self::RtuOverTcp => Timing::new(SLOWEST_LINE).characters(characters),
        }
    }

    /// Time that a granting answer takes on the wire.
    pub(crate) fn answer_time(self, request: &Request) -> Duration {
        self.request_time(self.answer_len(request))
    }

    /// Least silence between frames of different devices; behind a converter it keeps it.
    pub(crate) fn silence(self) -> Duration {
        match self {
            Self::Tcp | Self::RtuOverTcp => Duration::ZERO,
            Self::Rtu(timing) | Self::Ascii(timing) => timing.silence(),
        }
    }

    /// The whole frame of a request.
    pub(crate) fn encode(self, transaction: u16, unit: u8, request: &Request) -> Vec<u8> {
        match self {
            Self::Rtu(_) | Self::RtuOverTcp => rtu::encode(unit, request),
            Self::Ascii(_) => ascii::encode(unit, request),
            Self::Tcp => tcp::encode(transaction, unit, request),
        }
    }

    /// Characters of the frame of a granting answer.
    pub(crate) fn answer_len(self, request: &Request) -> usize {
        match self {
            Self::Rtu(_) | Self::RtuOverTcp => rtu::answer_len(request),
            Self::Ascii(_) => ascii::answer_len(request),
            Self::Tcp => tcp::answer_len(request),
        }
    }

    /// Where the answer begins in what was heard, and the answer, if it is whole. With
    /// transactions frames are taken one by one instead.
    pub(crate) fn find_answer(
        self,
        heard: &[u8],
        unit: u8,
        request: &Request,
    ) -> Option<(usize, Answer)> {
        match self {
            Self::Rtu(_) | Self::RtuOverTcp => rtu::find_answer(heard, unit, request),
            Self::Ascii(_) => ascii::find_answer(heard, unit, request),
            Self::Tcp => None,
        }
    }

    /// Whether a frame has begun whose end is marked and has not come.
    pub(crate) fn is_under_way(self, heard: &[u8]) -> bool {
        match self {
            Self::Ascii(_) => ascii::is_under_way(heard),
            Self::Rtu(_) | Self::RtuOverTcp | Self::Tcp => false,
        }
    }

    /// Whole frames in what was heard, and the number of bytes that belong to none.
    pub(crate) fn strays(self, heard: &[u8]) -> (Vec<Stray>, usize) {
        let (found, noise) = match self {
            Self::Rtu(_) | Self::RtuOverTcp => rtu::strays(heard),
            Self::Ascii(_) => ascii::strays(heard),
            Self::Tcp => {
                let mut units = Vec::new();
                let mut rest = heard;
                while let Ok(Some(frame)) = tcp::first_frame(rest) {
                    units.push(Stray { unit: frame.unit });
                    rest = &rest[frame.len..];
                }
                return (units, rest.len());
            }
        };
        let units = found.iter().map(|stray| Stray { unit: stray.unit });
        (units.collect(), noise)
    }
}
