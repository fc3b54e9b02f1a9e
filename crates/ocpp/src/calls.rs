//! Who owes whom an answer on one socket: one call of ours in flight, the rest waiting in order;
//! the peer's calls until they are answered. Time is an argument: the span since any fixed moment.
//!
//! The shell writes what [`Calls::next_to_send`], [`Calls::answer`] and [`Refusal::text`] give it,
//! hands in what it reads, and calls [`Calls::expire`] when [`Calls::deadline`] has come.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::frame::{self, Bounds, ErrorCode, Frame, Malformed, MessageId};
use crate::reading::{Tolerated, Violation};
use crate::version::{Action as _, End, Payload as _, Version};
use crate::wire::shown;

/// The bounds of one socket's bookkeeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallsSettings {
    /// What a frame may cost.
    pub bounds: Bounds,
    /// Calls of ours that may wait behind the one in flight; one more is refused.
    pub waiting_max: usize,
    /// Calls of the peer that may be unanswered. The protocol allows one; stations that do not wait
    /// are served in order, up to here. One more is a flood.
    pub unanswered_max: usize,
    /// How long an answer is waited for.
    pub answer_within: Duration,
    /// Calls that timed out and are remembered, so that a late answer is known as one. At the bound
    /// the oldest is forgotten; its answer is then a stray.
    pub remembered_max: usize,
}

impl Default for CallsSettings {
    fn default() -> Self {
        Self {
            bounds: Bounds::default(),
            waiting_max: 64,
            unanswered_max: 8,
            answer_within: Duration::from_secs(30),
            remembered_max: 16,
        }
    }
}

/// The bookkeeping of one socket.
#[derive(Debug)]
pub struct Calls<V: Version> {
    we_are: End,
    settings: CallsSettings,
    waiting: VecDeque<Waiting<V>>,
    in_flight: Option<InFlight<V>>,
    timed_out: VecDeque<InFlight<V>>,
    unanswered: VecDeque<(MessageId, V::Action)>,
}

#[derive(Debug)]
struct Waiting<V: Version> {
    id: MessageId,
    request: V::Request,
    answer_within: Duration,
}

#[derive(Debug)]
struct InFlight<V: Version> {
    id: MessageId,
    action: V::Action,
    sent_at: Duration,
    deadline: Duration,
}

/// A call of ours that is to be written now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent<V: Version> {
    /// Of the call.
    pub id: MessageId,
    /// What it asks for.
    pub action: V::Action,
    /// The frame.
    pub text: String,
}

/// What became of a call of ours.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate<V: Version> {
    /// The peer answered.
    Answered(V::Response),
    /// The peer answered with an error.
    Refused {
        /// Why, by the protocol.
        code: ErrorCode,
        /// Why, for people; as the peer wrote it.
        description: String,
        /// More, for machines; as the peer wrote it.
        details: Value,
    },
    /// The peer answered, but the payload is not understood.
    NotUnderstood(Violation),
    /// No answer came in time.
    TimedOut,
    /// The socket closed before the answer came; the peer may have acted on it.
    Lost,
    /// The socket closed before the call was sent.
    NotSent,
}

/// A call of ours and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled<V: Version> {
    /// Of the call.
    pub id: MessageId,
    /// What it asked for.
    pub action: V::Action,
    /// What became of it.
    pub fate: Fate<V>,
    /// From sending to now; zero when it was never sent.
    pub took: Duration,
    /// Whether it had been told as [`Fate::TimedOut`] before.
    pub late: bool,
    /// What had to be tolerated in the answer.
    pub tolerated: Vec<Tolerated>,
}

/// A call of the peer. It must be answered or refused once.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingCall<V: Version> {
    /// Which the answer repeats.
    pub id: MessageId,
    /// What it asks for.
    pub request: V::Request,
    /// What had to be tolerated.
    pub tolerated: Vec<Tolerated>,
}

/// A message of the peer that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the peer called it, if that much could be read.
    pub id: Option<MessageId>,
    /// The action, if that much could be read; cut to a length for people.
    pub action: Option<String>,
    /// Why, for the log: a sentence.
    pub why: String,
    /// The CALLERROR to write, if the peer can be told.
    pub text: Option<String>,
}

/// What a message of the peer was.
#[derive(Debug, Clone, PartialEq)]
pub enum Received<V: Version> {
    /// A call that must be answered.
    Call(IncomingCall<V>),
    /// The end of a call of ours, in time or late.
    Settled(Settled<V>),
    /// Not accepted; the refusal is to be written.
    Refused(Refusal),
    /// An answer to a call that is not known: answered already, or forgotten, or never made.
    Stray(MessageId),
    /// A call with the id of one that is being answered: the answer to that one serves both.
    Repeated(MessageId),
    /// More unanswered calls than are taken: the socket is to be closed.
    Flood,
}

/// Why a call of ours is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendRefused {
    /// The queue is at its bound.
    #[error("too many calls are waiting for this peer")]
    QueueFull,
    /// The id ties another call.
    #[error("the message id is in use")]
    IdInUse,
    /// The other end is the one that sends this.
    #[error("this end does not send that call")]
    NotOurs,
}

/// Why an answer of ours cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerRefused {
    /// No call with that id waits for an answer.
    #[error("no call of that id waits for an answer")]
    NotAsked,
    /// The answer is of another action than the call.
    #[error("the call asked for another action")]
    OtherAction,
}

impl<V: Version> Calls<V> {
    /// For a new socket.
    #[must_use]
    pub fn new(we_are: End, settings: CallsSettings) -> Self {
        Self {
            we_are,
            settings,
            waiting: VecDeque::new(),
            in_flight: None,
            timed_out: VecDeque::new(),
            unanswered: VecDeque::new(),
        }
    }

    /// Puts a call of ours at the end of the queue; `answer_within` counts from its sending and is
    /// the settings' unless given.
    ///
    /// # Errors
    /// [`SendRefused`] when the queue is full, the id is in use, or the call is not ours to send.
    pub fn enqueue(
        &mut self,
        id: MessageId,
        request: V::Request,
        answer_within: Option<Duration>,
    ) -> Result<(), SendRefused> {
        if !request.action().sender().is(self.we_are) {
            return Err(SendRefused::NotOurs);
        }
        if self.waiting.len() >= self.settings.waiting_max {
            return Err(SendRefused::QueueFull);
        }
        let flying = self
            .in_flight
            .iter()
            .chain(&self.timed_out)
            .any(|call| call.id == id);
        if flying || self.waiting.iter().any(|call| call.id == id) {
            return Err(SendRefused::IdInUse);
        }
        let answer_within = answer_within.unwrap_or(self.settings.answer_within);
        self.waiting.push_back(Waiting {
            id,
            request,
            answer_within,
        });
        Ok(())
    }

    /// The next call to write, if none is in flight.
    pub fn next_to_send(&mut self, now: Duration) -> Option<Sent<V>> {
        if self.in_flight.is_some() {
            return None;
        }
        let Waiting {
            id,
            request,
            answer_within,
        } = self.waiting.pop_front()?;
        let action = request.action();
        self.in_flight = Some(InFlight {
            id: id.clone(),
            action,
            sent_at: now,
            deadline: now.saturating_add(answer_within),
        });
        let text = frame::call(&id, action.name(), &request.to_json());
        Some(Sent { id, action, text })
    }

    /// When [`Calls::expire`] has something to tell.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.in_flight.as_ref().map(|call| call.deadline)
    }

    /// The call in flight, if its time is over. The next may then be sent; a late answer is told.
    pub fn expire(&mut self, now: Duration) -> Option<Settled<V>> {
        let call = self.in_flight.take_if(|call| call.deadline <= now)?;
        let settled = call.settled(now, Fate::TimedOut);
        if self.timed_out.len() >= self.settings.remembered_max {
            self.timed_out.pop_front();
        }
        if self.settings.remembered_max > 0 {
            self.timed_out.push_back(call);
        }
        Some(settled)
    }

    /// Takes back a call that was not sent yet. `None` when it was, or is not known.
    pub fn withdraw(&mut self, id: &MessageId) -> Option<V::Request> {
        let place = self.waiting.iter().position(|call| call.id == *id)?;
        self.waiting.remove(place).map(|call| call.request)
    }

    /// How many calls of ours wait or are in flight.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.waiting.len() + usize::from(self.in_flight.is_some())
    }

    /// The socket closed: what becomes of our calls, in order. Calls of the peer are forgotten.
    pub fn close(&mut self, now: Duration) -> Vec<Settled<V>> {
        self.unanswered.clear();
        self.timed_out.clear();
        let lost = self
            .in_flight
            .take()
            .map(|call| call.settled(now, Fate::Lost));
        let unsent = self.waiting.drain(..).map(|call| Settled {
            action: call.request.action(),
            id: call.id,
            fate: Fate::NotSent,
            took: Duration::ZERO,
            late: false,
            tolerated: Vec::new(),
        });
        lost.into_iter().chain(unsent).collect()
    }

    /// Takes one text message of the socket.
    pub fn receive(&mut self, now: Duration, text: &str) -> Received<V> {
        match Frame::parse(text, &self.settings.bounds) {
            Ok(Frame::Call {
                id,
                action,
                payload,
            }) => self.called(id, &action, payload),
            Ok(Frame::Result { id, payload }) => self.settle(now, id, |action| {
                match V::Response::parse(action, payload) {
                    Ok(understood) => (Fate::Answered(understood.value), understood.tolerated),
                    Err(violation) => (Fate::NotUnderstood(violation), Vec::new()),
                }
            }),
            Ok(Frame::Error {
                id,
                code,
                description,
                details,
            }) => self.settle(now, id, |_| {
                (
                    Fate::Refused {
                        code,
                        description,
                        details,
                    },
                    Vec::new(),
                )
            }),
            Err(malformed) => Received::Refused(refusal_of::<V>(&malformed)),
        }
    }

    fn called(&mut self, id: MessageId, name: &str, payload: Value) -> Received<V> {
        if self.unanswered.iter().any(|(known, _)| *known == id) {
            return Received::Repeated(id);
        }
        if self.unanswered.len() >= self.settings.unanswered_max {
            return Received::Flood;
        }
        let refused = |code: ErrorCode, why: String| {
            Received::Refused(Refusal {
                text: Some(frame::error(id.as_str(), code.name(V::DIALECT), &why)),
                id: Some(id.clone()),
                action: Some(shown(name)),
                why,
            })
        };
        let Some(action) = V::Action::from_name(name) else {
            let why = format!("{:?} is no action of OCPP {}", shown(name), V::NAME);
            return refused(ErrorCode::NotImplemented, why);
        };
        if !action.sender().is(self.we_are.other()) {
            return refused(
                ErrorCode::NotSupported,
                format!("{action} is not for this end"),
            );
        }
        match V::Request::parse(action, payload) {
            Err(violation) => refused((&violation).into(), format!("{action}: {violation}")),
            Ok(understood) => {
                self.unanswered.push_back((id.clone(), action));
                Received::Call(IncomingCall {
                    id,
                    request: understood.value,
                    tolerated: understood.tolerated,
                })
            }
        }
    }

    fn settle(
        &mut self,
        now: Duration,
        id: MessageId,
        fate: impl FnOnce(V::Action) -> (Fate<V>, Vec<Tolerated>),
    ) -> Received<V> {
        let in_time = self.in_flight.take_if(|call| call.id == id);
        let late = in_time.is_none();
        let call = in_time.or_else(|| {
            let place = self.timed_out.iter().position(|call| call.id == id)?;
            self.timed_out.remove(place)
        });
        let Some(call) = call else {
            return Received::Stray(id);
        };
        let (fate, tolerated) = fate(call.action);
        let settled = call.settled(now, fate);
        Received::Settled(Settled {
            late,
            tolerated,
            ..settled
        })
    }

    /// The frame that answers a call of the peer.
    ///
    /// # Errors
    /// [`AnswerRefused`] when that call was not made, was answered, or asked for something else.
    pub fn answer(
        &mut self,
        id: &MessageId,
        response: &V::Response,
    ) -> Result<String, AnswerRefused> {
        let place = self.asked(id)?;
        if self.unanswered[place].1 != response.action() {
            return Err(AnswerRefused::OtherAction);
        }
        self.unanswered.remove(place);
        Ok(frame::result(id, &response.to_json()))
    }

    /// The frame that refuses a call of the peer.
    ///
    /// # Errors
    /// [`AnswerRefused::NotAsked`] when that call was not made or was answered.
    pub fn refuse(
        &mut self,
        id: &MessageId,
        code: ErrorCode,
        description: &str,
    ) -> Result<String, AnswerRefused> {
        let place = self.asked(id)?;
        self.unanswered.remove(place);
        Ok(frame::error(
            id.as_str(),
            code.name(V::DIALECT),
            description,
        ))
    }

    fn asked(&self, id: &MessageId) -> Result<usize, AnswerRefused> {
        let place = self.unanswered.iter().position(|(known, _)| known == id);
        place.ok_or(AnswerRefused::NotAsked)
    }
}

fn refusal_of<V: Version>(malformed: &Malformed) -> Refusal {
    Refusal {
        id: malformed.answer_to.clone(),
        action: None,
        why: malformed.to_string(),
        text: V::DIALECT.answer(malformed),
    }
}

impl<V: Version> InFlight<V> {
    fn settled(&self, now: Duration, fate: Fate<V>) -> Settled<V> {
        Settled {
            id: self.id.clone(),
            action: self.action,
            fate,
            took: now.saturating_sub(self.sent_at),
            late: false,
            tolerated: Vec::new(),
        }
    }
}

impl<V: Version> fmt::Display for Fate<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(_) => f.write_str("answered"),
            Self::Refused {
                code, description, ..
            } => {
                write!(
                    f,
                    "refused with {}: {}",
                    code.name(V::DIALECT),
                    shown(description)
                )
            }
            Self::NotUnderstood(violation) => {
                write!(f, "answered with what is not understood: {violation}")
            }
            Self::TimedOut => f.write_str("not answered in time"),
            Self::Lost => f.write_str("unknown: the socket closed before the answer"),
            Self::NotSent => f.write_str("not sent: the socket closed"),
        }
    }
}
