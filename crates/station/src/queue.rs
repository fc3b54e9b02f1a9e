//! In which order a charge point tells its transactions, how often it tries, and what it may leave
//! out (OCPP 1.6 section 4.1.1 and 9.1).
//!
//! The messages lie in the shell's store, oldest first; one is told at a time. A start or a stop is
//! never given up because nobody answers, and only meter values within a transaction are thinned.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use ocpp::Fate;
use ocpp::v16::{
    IdTagInfo, MeterValuesRequest, Request, Response, StartTransactionRequest,
    StopTransactionRequest, V16,
};

/// The oldest message that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// What it tells. Once it was sent it is frozen: it is sent again as it was.
    pub message: Message,
    /// How often the central system refused it.
    pub refused: u32,
}

/// A message about a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Its beginning.
    Start(StartTransactionRequest),
    /// Meter values within it.
    Meter(MeterValuesRequest),
    /// Its end; the transaction's id is filled in when it is sent.
    Stop(StopTransactionRequest),
    /// What was sent before, word for word.
    Frozen(Request),
}

/// What the store knows about the start of the message's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartToldAs {
    /// It was not told, or not answered yet.
    NotYet,
    /// The central system gave it this id.
    Id(i64),
    /// It was set aside: there is no id, and never will be.
    SetAside,
}

/// What to do with the head.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Store this as [`Message::Frozen`], then send it.
    Send(Request),
    /// Set it aside: keep it, tell the operator, go on with the next. For this reason.
    SetAside(&'static str),
}

impl Head {
    /// What to do with the head now.
    #[must_use]
    pub fn step(&self, start: StartToldAs) -> Step {
        match (&self.message, start) {
            (Message::Frozen(request), _) => Step::Send(request.clone()),
            (Message::Start(request), _) => Step::Send(request.clone().into()),
            (Message::Meter(request), StartToldAs::Id(id)) => {
                let mut request = request.clone();
                request.transaction_id = Some(id);
                Step::Send(request.into())
            }
            (Message::Stop(request), StartToldAs::Id(id)) => {
                let mut request = request.clone();
                request.transaction_id = id;
                Step::Send(request.into())
            }
            (Message::Meter(_) | Message::Stop(_), StartToldAs::SetAside) => {
                Step::SetAside("the start of its transaction was set aside")
            }
            (Message::Meter(_) | Message::Stop(_), StartToldAs::NotYet) => {
                Step::SetAside("it lies before the start of its transaction")
            }
        }
    }
}

/// How often and how fast a message is tried (`TransactionMessageAttempts`,
/// `TransactionMessageRetryInterval`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    /// A message refused so often is set aside.
    pub attempts: u32,
    /// Waited before the second try; twice that before the third, and so on.
    pub interval: Duration,
}

/// Longest pause between two tries.
pub const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// What follows from the fate of a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It is told: remove it and go on.
    Told {
        /// The id that a start was given.
        transaction_id: Option<i64>,
        /// What the central system says of the tag.
        id_tag_info: Option<IdTagInfo>,
    },
    /// Try again after this pause, counting this many refusals.
    Again {
        /// The pause; zero when a new socket is all that is waited for.
        after: Duration,
        /// Refusals so far.
        refused: u32,
    },
    /// It was refused too often: keep it aside, tell the operator, go on.
    SetAside,
}

impl Tries {
    /// Decides after the fate of the head. `sent` counts how often it was sent on this socket.
    ///
    /// Only what the central system refuses is given up in the end. Silence is not a refusal: a
    /// central system that does not answer for a day gets the message when it is back.
    #[must_use]
    pub fn after(&self, fate: &Fate<V16>, refused: u32, sent: u32) -> Next {
        match fate {
            Fate::Answered(response) => told(response),
            Fate::Refused { .. } | Fate::NotUnderstood(_) => {
                let refused = refused.saturating_add(1);
                if refused >= self.attempts {
                    return Next::SetAside;
                }
                Next::Again {
                    after: self.pause(refused),
                    refused,
                }
            }
            Fate::TimedOut => Next::Again {
                after: self.pause(sent),
                refused,
            },
            Fate::Lost | Fate::NotSent => Next::Again {
                after: Duration::ZERO,
                refused,
            },
        }
    }

    fn pause(&self, tries: u32) -> Duration {
        self.interval.saturating_mul(tries).min(PAUSE_MAX)
    }
}

fn told(response: &Response) -> Next {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "calls are tied to their answers: only three can come"
    )]
    let (transaction_id, id_tag_info) = match response {
        Response::StartTransaction(answer) => (
            Some(answer.transaction_id),
            Some(answer.id_tag_info.clone()),
        ),
        Response::StopTransaction(answer) => (None, answer.id_tag_info.clone()),
        _ => (None, None),
    };
    Next::Told {
        transaction_id,
        id_tag_info,
    }
}

/// Meter values that wait, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingMeter {
    /// Its place in the store.
    pub number: u64,
    /// Its session.
    pub session: String,
    /// It was sent once: it stays.
    pub frozen: bool,
}

/// Which meter values to leave out so that at most `meters_max` wait: every second one of the
/// session that has most, its first kept; as often as needed. When every session has one left, the
/// oldest goes. What was sent stays.
#[must_use]
pub fn thinned(waiting: &[WaitingMeter], meters_max: usize) -> Vec<u64> {
    let mut sessions: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for meter in waiting.iter().filter(|meter| !meter.frozen) {
        sessions
            .entry(&meter.session)
            .or_default()
            .push(meter.number);
    }
    let mut left_out = Vec::new();
    while waiting.len() - left_out.len() > meters_max {
        let need = |numbers: &&mut Vec<u64>| (numbers.len(), Reverse(numbers.first().copied()));
        let Some(most) = sessions
            .values_mut()
            .filter(|numbers| !numbers.is_empty())
            .max_by_key(need)
        else {
            break;
        };
        left_out.extend(every_second(most));
    }
    left_out.sort_unstable();
    left_out
}

/// Takes every second of a session's meter values, or its only one.
fn every_second(numbers: &mut Vec<u64>) -> Vec<u64> {
    let keeps = |place: usize| place.is_multiple_of(2) && numbers.len() > 1;
    let (kept, gone): (Vec<_>, Vec<_>) = numbers
        .iter()
        .copied()
        .enumerate()
        .partition(|(place, _)| keeps(*place));
    *numbers = kept.into_iter().map(|(_, number)| number).collect();
    gone.into_iter().map(|(_, number)| number).collect()
}
