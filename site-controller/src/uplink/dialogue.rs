//! What the uplink says and when, over all its connections; knows no socket. Snapshots go ahead of
//! facts, and the mark moves on the cloud's own word.

use std::sync::Arc;
use std::time::Duration;

use site_model::{BootId, JournalId, Monotonic};
use site_wire::topics::Topics;
use site_wire::v1::{Acknowledgement, Envelope, FactBatch, GatewayState, VERSION};
use tokio::time::Instant;

use super::outbox::{Heard, Outbox};
use super::{IN_FLIGHT_MAX, Shared, UplinkConfig};
use crate::clock::Clock;
use crate::store::Store;

/// When the journal gave nothing (its disk fails), it is asked again after this time.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// When nothing asks for a look at the clock.
const IDLE: Duration = Duration::from_secs(3_600);

/// A connection to the broker that takes messages.
pub trait Wire {
    /// Hands a message over, to be delivered at least once; never blocks.
    ///
    /// # Errors
    /// Why the connection is over.
    fn publish(&self, topic: String, payload: Vec<u8>, retain: bool) -> Result<(), String>;
}

/// The gateway's side of what is said with the cloud.
#[derive(Debug)]
pub struct Dialogue {
    boot: BootId,
    journal: JournalId,
    topics: Topics,
    store: Store,
    clock: Clock,
    shared: Arc<Shared>,
    outbox: Outbox,
    in_flight: usize,
    /// Facts are on their way from the journal.
    reading: bool,
    read_not_before: Instant,
    /// When it was last looked what can be sent: what was due then waits for something else.
    filled_at: Instant,
    /// When the cloud has stored up to here, it is shown the live view again.
    show_again_at: Option<u64>,
    /// A word of the cloud that is taken once the journal's own fact of that number was looked at.
    doubted: Option<Acknowledgement>,
    /// Number and boot of the fact that was found to be the cloud's as well.
    agreed: Option<(u64, String)>,
    /// Once the journal turned out to be an old copy.
    copy: Option<Copy>,
}

/// How far a new journal is on its way.
#[derive(Debug)]
struct Copy {
    /// How it is known that this one is old.
    problem: String,
    asked: Asked,
}

/// Whether the cloud was asked for the sessions that it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    NotYet,
    Yes,
    Answered,
}

impl Dialogue {
    pub(super) fn new(
        config: &UplinkConfig,
        store: Store,
        clock: Clock,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            boot: config.boot,
            journal: config.journal.clone(),
            topics: Topics::of(&config.gateway),
            outbox: Outbox::new(config.mark, config.last_sequence),
            store,
            clock,
            shared,
            in_flight: 0,
            reading: false,
            read_not_before: Instant::now(),
            filled_at: Instant::now(),
            show_again_at: None,
            doubted: None,
            agreed: None,
            copy: None,
        }
    }

    /// A connection is up: nothing of the last one counts as sent.
    pub fn connected(&mut self) {
        self.in_flight = 0;
        self.outbox.connected(self.clock.now().monotonic);
        self.shared.send_all_again();
        self.doubted = None;
        if let Some(copy) = &mut self.copy {
            copy.asked = Asked::NotYet;
        }
        // The cloud takes no live view of a charge point that it learns only from facts still to come.
        let last = self.shared.state().last_sequence;
        self.show_again_at = (self.outbox.mark() < last).then_some(last);
    }

    /// It is over; what was being read for it is not wanted any more.
    pub fn disconnected(&mut self) {
        self.reading = false;
    }

    /// The broker took one message.
    pub fn taken(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Says that we are there, or leave on purpose.
    ///
    /// # Errors
    /// Why the connection is over.
    pub fn say_online(&mut self, wire: &impl Wire, online: bool) -> Result<(), String> {
        let message = self.state_message(online);
        self.publish(wire, self.topics.state(), message, true)
    }

    /// Where it speaks and listens.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Uses the room there is: snapshots first, then one batch of facts. After which sequence facts are
    /// wanted from the journal, if any are; [`Dialogue::send_facts`] follows then.
    ///
    /// # Errors
    /// Why the connection is over.
    pub fn fill(&mut self, wire: &impl Wire) -> Result<Option<u64>, String> {
        while self.in_flight < IN_FLIGHT_MAX
            && let Some((charge_point, payload)) = self.shared.take_unsent()
        {
            self.publish(wire, self.topics.snapshot(&charge_point), payload, true)?;
        }
        self.filled_at = Instant::now();
        let now = self.clock.now().monotonic;
        let last_sequence = self.shared.state().last_sequence;
        self.outbox.committed(last_sequence);
        if self.outbox.resend_if_stalled(now) {
            tracing::warn!(
                mark = self.outbox.mark(),
                "The cloud acknowledged nothing for 10 s: facts are sent again"
            );
        }
        self.ask(wire, now)?;
        let free = !self.reading
            && Instant::now() >= self.read_not_before
            && self.in_flight < IN_FLIGHT_MAX;
        let looked_at = self.doubted.as_ref().map(|word| word.sequence - 1);
        let wanted = looked_at.or_else(|| self.outbox.next(now)).filter(|_| free);
        self.reading |= wanted.is_some();
        self.shared.state().mark = self.outbox.mark();
        Ok(wanted)
    }

    /// Asks the cloud for its word where it owes one.
    fn ask(&mut self, wire: &impl Wire, now: Monotonic) -> Result<(), String> {
        let sessions = match &mut self.copy {
            Some(copy) if copy.asked == Asked::NotYet => {
                copy.asked = Asked::Yes;
                true
            }
            Some(_) => return Ok(()),
            None if self.outbox.ask_if_silent(now) => false,
            None => return Ok(()),
        };
        let message = self.state(true, sessions);
        self.publish(wire, self.topics.state(), message, true)
    }

    /// The facts that were wanted; none while the journal cannot be read.
    ///
    /// # Errors
    /// Why the connection is over.
    pub fn send_facts(
        &mut self,
        wire: &impl Wire,
        after: u64,
        facts: Vec<Envelope>,
    ) -> Result<(), String> {
        self.reading = false;
        let now = self.clock.now().monotonic;
        let (Some(first), Some(last)) = (facts.first(), facts.last()) else {
            self.read_not_before = Instant::now() + READ_AGAIN;
            return Ok(());
        };
        if let Some(word) = self.doubted.take_if(|word| word.sequence == after + 1) {
            self.compare(word, first);
            return Ok(());
        }
        if first.sequence != after + 1 {
            return Err(format!(
                "the cloud asks for facts after {after} and this journal begins with {}: they were deleted {} days after \
                 their acknowledgement. Stop the daemon, move journal.sqlite aside and start it: a new journal begins",
                first.sequence,
                crate::store::KEEP_ACKNOWLEDGED_DAYS
            ));
        }
        // The mark may have moved while the journal was read: then these are not the next ones.
        if self.outbox.next(now) != Some(after) {
            return Ok(());
        }
        let (last, boot) = (last.sequence, last.boot.clone());
        let batch = FactBatch {
            v: VERSION,
            journal_id: self.journal.to_string(),
            facts,
        };
        self.publish(wire, self.topics.facts(), json(&batch), false)?;
        self.outbox.sent(last, boot, now);
        Ok(())
    }

    /// The cloud's word.
    pub fn heard(&mut self, payload: &[u8]) {
        let word: Acknowledgement = match serde_json::from_slice(payload) {
            Ok(word) => word,
            Err(error) => {
                tracing::warn!(%error, "An acknowledgement of the cloud is not readable and was ignored");
                return;
            }
        };
        if word.journal_id != self.journal.as_str() {
            return;
        }
        self.take_refusals(&word);
        if self.outbox.is_stopped() {
            self.told_sessions(word);
        } else if self.is_of_this_journal(&word) {
            self.follow(word.sequence);
        } else if self.outbox.ends_before(word.sequence) {
            self.found_old_copy(format!(
                "the cloud already has facts up to {}, more than this journal: its file is an old copy",
                word.sequence
            ));
        } else {
            self.doubted = Some(word);
        }
    }

    /// Whether the cloud's newest fact is known to be this journal's. Where it does not say which fact
    /// that is, its number is all that can be compared.
    fn is_of_this_journal(&self, word: &Acknowledgement) -> bool {
        if word.sequence == 0 {
            return true;
        }
        let Some(boot) = &word.boot else {
            return !self.outbox.ends_before(word.sequence);
        };
        let agreed = self.agreed.as_ref();
        self.outbox.has_sent(word.sequence, boot)
            || agreed.is_some_and(|(number, by)| *number == word.sequence && by == boot)
    }

    /// Compares the cloud's newest fact with the journal's own; one that was deleted long ago was told.
    fn compare(&mut self, word: Acknowledgement, own: &Envelope) {
        let other = own.sequence == word.sequence && word.boot.as_ref() != Some(&own.boot);
        if other {
            self.found_old_copy(format!(
                "the cloud has another fact {} than this journal: its file is an old copy that was written on",
                word.sequence
            ));
            return;
        }
        self.agreed = word.boot.map(|boot| (word.sequence, boot));
        self.follow(word.sequence);
    }

    fn follow(&mut self, sequence: u64) {
        let (before, now) = (self.outbox.mark(), self.clock.now().monotonic);
        match self.outbox.acknowledged(sequence, now) {
            Heard::Unchanged => {}
            Heard::Moved => {
                self.store.acknowledge(sequence);
                if sequence < before {
                    self.show_again_at = Some(self.shared.state().last_sequence);
                }
                if self.show_again_at.take_if(|at| *at <= sequence).is_some() {
                    self.shared.send_all_again();
                }
            }
        }
    }

    /// Nothing is told from this journal any more. The cloud is asked for the sessions that it knows:
    /// with them a new one begins.
    fn found_old_copy(&mut self, problem: String) {
        self.outbox.stop();
        self.shared.state().status.last_error = Some(problem.clone());
        self.copy = Some(Copy {
            problem,
            asked: Asked::NotYet,
        });
    }

    fn told_sessions(&mut self, word: Acknowledgement) {
        let asked = self.copy.as_mut().filter(|copy| copy.asked == Asked::Yes);
        if let (Some(copy), Some(sessions)) = (asked, word.sessions) {
            copy.asked = Asked::Answered;
            self.store.renew(copy.problem.clone(), sessions);
        }
    }

    fn take_refusals(&self, word: &Acknowledgement) {
        let mut state = self.shared.state();
        if state.status.refused == word.refused {
            return;
        }
        for refused in &word.refused {
            if !state.status.refused.contains(refused) {
                tracing::error!(
                    charge_point.id = %refused.charge_point_id,
                    "The cloud refuses charge point {}: {}", refused.charge_point_id, refused.reason
                );
            }
        }
        state.status.refused.clone_from(&word.refused);
    }

    fn publish(
        &mut self,
        wire: &impl Wire,
        topic: String,
        payload: Vec<u8>,
        retain: bool,
    ) -> Result<(), String> {
        wire.publish(topic, payload, retain)?;
        self.in_flight += 1;
        Ok(())
    }

    /// When to [`Dialogue::fill`] again although nothing happened.
    #[must_use]
    pub fn wake_at(&self) -> Instant {
        let stalled = self.outbox.deadline().map(|at| self.clock.instant(at));
        let stalled = stalled.filter(|at| *at > self.filled_at);
        let now = Instant::now();
        let read = (self.read_not_before > now).then_some(self.read_not_before);
        stalled.into_iter().chain(read).min().unwrap_or(now + IDLE)
    }

    /// That we are there, or not.
    #[must_use]
    pub fn state_message(&self, online: bool) -> Vec<u8> {
        self.state(online, false)
    }

    fn state(&self, online: bool, asks_for_sessions: bool) -> Vec<u8> {
        json(&GatewayState {
            v: VERSION,
            online,
            boot: self.boot.to_string(),
            journal_id: self.journal.to_string(),
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
            asks_for_sessions,
        })
    }
}

fn json<T: serde::Serialize>(message: &T) -> Vec<u8> {
    serde_json::to_vec(message)
        .expect("messages are made of texts and numbers and always write as JSON")
}
