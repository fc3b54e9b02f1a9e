//! When a unit may be asked again, and which answers may still come: manners on the line.
//!
//! Devices that share a unit (the connectors of one charger) share this too.

use std::time::Duration;

use tokio::time::Instant;

use crate::bus::wire::{Failure, Report};
use crate::codec::Request;

/// Longest quiet time after an answer that did not come in time.
const QUIET_MAX: Duration = Duration::from_secs(10);
/// Least quiet time after a probe that could itself have been answered by a late answer, because
/// the profile has no read of another shape.
const QUIET_AFTER_DOUBT: Duration = Duration::from_secs(2);
/// Shapes of unanswered requests that are remembered.
const OUTSTANDING_MAX: usize = 4;

/// A request that was not answered in time: its answer may still come.
#[derive(Debug, Clone, Copy)]
struct Outstanding {
    shape: Shape,
    since: Instant,
}

/// What an answer looks like from outside: function and length.
type Shape = (u8, usize);

/// What is known about one unit as a partner on the line.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    /// A late answer can be taken for the next one; with transactions it cannot.
    mistakable: bool,
    /// Not before: gap after an answer, quiet time after a missing one.
    pub(super) ready_at: Instant,
    /// A request was not answered: a probe comes before anything else.
    pub(super) probe_first: bool,
    outstanding: Vec<Outstanding>,
    /// Since when an answer may still be under way although a probe was answered.
    doubted_since: Option<Instant>,
    quiet: Duration,
}

impl Patience {
    pub(super) fn new(mistakable: bool, quiet: Duration, now: Instant) -> Self {
        Self {
            mistakable,
            ready_at: now,
            probe_first: false,
            outstanding: vec![],
            doubted_since: None,
            quiet,
        }
    }

    /// The line was opened anew.
    pub(super) fn reopened(&mut self, now: Instant) {
        self.outstanding.clear();
        self.probe_first = false;
        self.ready_at = now;
    }

    /// An answer came: the device wants its gap. If it could have been a late answer to an earlier
    /// request, it wants more.
    pub(super) fn answered(&mut self, request: &Request, ended: Instant, gap: Duration) {
        let oldest = self.outstanding.first().map(|missing| missing.since);
        self.doubted_since = oldest.filter(|_| self.is_mistakable(request));
        self.outstanding.clear();
        self.probe_first = false;
        let quiet = match self.doubted_since {
            Some(_) => self.quiet.max(QUIET_AFTER_DOUBT),
            None => gap,
        };
        self.ready_at = ended + quiet;
    }

    /// No answer: it may still come, so the device is left alone for a while.
    pub(super) fn missed(
        &mut self,
        request: &Request,
        failure: &Failure,
        report: &Report,
        gap: Duration,
    ) {
        let quiet = match failure {
            Failure::Link(_) => return,
            // The broken frame was most likely the answer.
            Failure::Garbled => gap,
            Failure::Foreign { .. } | Failure::Silence => self.quiet,
        };
        self.ready_at = report.ended + if self.mistakable { quiet } else { gap };
        self.probe_first |= *failure != Failure::Garbled;
        if self.mistakable && *failure != Failure::Garbled {
            if self.outstanding.len() == OUTSTANDING_MAX {
                self.outstanding.remove(0);
            }
            self.outstanding.push(Outstanding {
                shape: shape(request),
                since: report.started,
            });
        }
    }

    /// A frame came that nobody waited for. Tells whether it was a late answer.
    pub(super) fn heard_stray(&mut self, now: Instant) -> bool {
        let oldest = self.outstanding.first().map(|missing| missing.since);
        let Some(since) = oldest.or(self.doubted_since) else {
            return false;
        };
        // The device is slower than its profile says: wait longer next time.
        self.quiet = self.quiet.max((now - since) * 2).min(QUIET_MAX);
        true
    }

    /// Whether an answer that is still outstanding would pass for the answer to this request.
    pub(super) fn is_mistakable(&self, request: &Request) -> bool {
        self.outstanding
            .iter()
            .any(|missing| missing.shape == shape(request))
    }
}

fn shape(request: &Request) -> Shape {
    (request.function(), request.answer_len())
}
