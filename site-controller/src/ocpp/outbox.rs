//! Notices that a charge point sends of its own besides statuses and transactions, in order, one at a time.
//! What was not answered when the socket broke is sent again. Pure.

use std::collections::VecDeque;

use ocpp::v16::{Action, Request, Response};
use ocpp::{Fate, Payload as _};

/// Notices that may wait; the oldest is dropped beyond it. Jobs tell a dozen statuses at most.
const WAITING_MAX: usize = 64;

/// What became of a notice.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub(super) request: Request,
    /// Absent where it was refused or not answered.
    pub(super) response: Option<Response>,
    /// The central system does not know the message: no use to repeat it.
    pub(super) refused: bool,
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Request>,
    in_flight: bool,
    replies: VecDeque<Reply>,
}

impl Outbox {
    pub(super) fn tell(&mut self, request: impl Into<Request>) {
        if self.waiting.len() == WAITING_MAX {
            // The one in flight may be dropped too: its answer is then nobody's.
            self.waiting.pop_front();
            self.in_flight = false;
            tracing::warn!(
                "{WAITING_MAX} notices wait for the central system: the oldest is dropped"
            );
        }
        self.waiting.push_back(request.into());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The notice to send now.
    pub(super) fn next(&mut self) -> Option<Request> {
        if self.in_flight {
            return None;
        }
        let request = self.waiting.front()?.clone();
        self.in_flight = true;
        Some(request)
    }

    /// The socket is another one.
    pub(super) fn connected(&mut self) {
        self.in_flight = false;
    }

    /// A call is settled; it may have been a notice of ours.
    pub(super) fn settled(&mut self, action: Action, fate: &Fate<ocpp::v16::V16>) {
        let ours = |request: &Request| request.action() == action;
        if !self.in_flight || !self.waiting.front().is_some_and(ours) {
            return;
        }
        self.in_flight = false;
        let Some(request) = self.waiting.pop_front() else {
            return;
        };
        let (response, refused) = match fate {
            Fate::Answered(response) => (Some(response.clone()), false),
            Fate::Refused { .. } | Fate::NotUnderstood(_) => (None, true),
            Fate::TimedOut | Fate::Lost | Fate::NotSent => (None, false),
        };
        self.replies.push_back(Reply {
            request,
            response,
            refused,
        });
    }

    pub(super) fn take_reply(&mut self) -> Option<Reply> {
        self.replies.pop_front()
    }
}
