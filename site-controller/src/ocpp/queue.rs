//! The messages about a charge point's transactions: which fact is told next, frozen before it is
//! sent, and what follows from its answer. `station::queue` decides, the journal's file remembers.

use std::sync::Arc;
use std::time::Duration;

use ocpp::v16::{Action, AuthorizationStatus, IdTagInfo, Request, Response, TransactionData, V16};
use ocpp::{Action as _, Fate, MessageId, Payload as _, Time};
use site_model::{Change, Fact, IdTag, SessionId, Timestamp};
use station::queue::{Head, Message, Next as After, StartToldAs, Step, Tries};
use station::sampler::Ends;

use super::messages;
use super::meters::Meters;
use crate::ids;
use crate::store::Store;
use crate::store::lines::Line;
use crate::store::stations::{self, Ended, Frozen, Known, Next};

/// The cursor is written without a message once it lags this far: facts behind it cannot be deleted.
const LAG_MAX_FACTS: u64 = 1_000;
/// When the file cannot be had it is tried again after this time.
const FILE_AGAIN: Duration = Duration::from_secs(5);

/// A message on its way.
#[derive(Debug)]
struct Outgoing {
    sequence: u64,
    about: About,
    payload: String,
    refused: u32,
}

/// What a message is about.
#[derive(Debug, Clone)]
enum About {
    Start(SessionId, IdTag),
    Reading,
    Stop(SessionId),
}

/// The queue of one charge point.
#[derive(Debug)]
pub(super) struct Queue {
    store: Store,
    line: Line,
    meters: Arc<Meters>,
    /// Looked at up to here.
    scanned: u64,
    /// The file's cursor.
    cursor: u64,
    outgoing: Option<Outgoing>,
    /// Settled, and not in the file yet.
    unsaved: Option<(u64, Ended)>,
    not_before: Duration,
}

/// A message for the station to send.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) id: MessageId,
    pub(super) request: Request,
}

/// What follows from an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is done with.
    Over {
        /// This session began with a tag that is not accepted, if any did.
        invalid: Option<SessionId>,
        /// What the central system says of the tag that a session began with.
        said: Option<(IdTag, IdTagInfo)>,
    },
    /// It is sent again after this time.
    Again(Duration),
}

/// What became true while the queue was looked at.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Starts and ends that are told or set aside.
    pub(super) done: u64,
    /// Of these, set aside.
    pub(super) set_aside: u64,
    /// Why the last of them.
    pub(super) why: Option<String>,
}

impl Queue {
    pub(super) fn new(store: Store, line: Line, cursor: u64, meters: Arc<Meters>) -> Self {
        Self {
            store,
            line,
            meters,
            scanned: cursor,
            cursor,
            outgoing: None,
            unsaved: None,
            not_before: Duration::ZERO,
        }
    }

    /// Which it is.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// When to look again although no fact came.
    pub(super) fn deadline(&self) -> Option<Duration> {
        (self.not_before > Duration::ZERO).then_some(self.not_before)
    }

    /// The next message, if there is one and its time is known. `last` is the journal's end.
    pub(super) async fn next(
        &mut self,
        now: &Timestamp,
        last: u64,
        told: &mut Told,
    ) -> Option<Ready> {
        let at = Duration::from_millis(now.monotonic.0);
        if at < self.not_before {
            return None;
        }
        self.not_before = Duration::ZERO;
        match self.look(now, last, told).await {
            Ok(Look::Ready(ready)) => return Some(ready),
            Ok(Look::Nothing) => {}
            Ok(Look::Wait) => self.not_before = at + FILE_AGAIN,
            Err(problem) => {
                tracing::warn!(charge_point.id = %self.line.charge_point, "Transactions wait: {problem}");
                self.not_before = at + FILE_AGAIN;
            }
        }
        None
    }

    async fn look(&mut self, now: &Timestamp, last: u64, told: &mut Told) -> Result<Look, String> {
        loop {
            self.save(told).await?;
            if self.outgoing.is_some() || !now.wall_known {
                return Ok(Look::Nothing);
            }
            if self.scanned >= last {
                return Ok(Look::Nothing);
            }
            let (line, scanned) = (self.line.clone(), self.scanned);
            let next = self
                .store
                .work(move |db| stations::next(db, &line, scanned))
                .await?;
            match next {
                Next::Nothing => {
                    self.scanned = last;
                    self.keep_up().await?;
                }
                Next::Frozen(frozen, fact) => return self.again(frozen, &fact).map(Look::Ready),
                Next::Fact {
                    sequence,
                    fact,
                    known,
                    offset_ms,
                } => {
                    if self.leaves_out(&fact) {
                        self.scanned = sequence;
                        continue;
                    }
                    // The correction of this boot is on its way into the journal.
                    if offset_ms.is_none() && fact.at.boot == now.boot {
                        return Ok(Look::Wait);
                    }
                    let offset_ms = offset_ms.unwrap_or(0);
                    if let Some(ready) = self.first(sequence, &fact, known, offset_ms).await? {
                        return Ok(Look::Ready(ready));
                    }
                }
            }
        }
    }

    /// A message that was sent before.
    fn again(&mut self, frozen: Frozen, fact: &Fact) -> Result<Ready, String> {
        let readable = || {
            let action = Action::from_name(&frozen.action)?;
            let payload = serde_json::from_str(&frozen.payload).ok()?;
            let request = Request::parse(action, payload).ok()?.value;
            let id = MessageId::new(&frozen.message_id)?;
            Some((id, request, about(fact)?))
        };
        let (id, request, about) = readable().ok_or_else(|| {
            format!(
                "the message kept for fact {} is not readable",
                frozen.sequence
            )
        })?;
        self.outgoing = Some(Outgoing {
            sequence: frozen.sequence,
            about,
            payload: frozen.payload,
            refused: 0,
        });
        Ok(Ready { id, request })
    }

    /// A message that is sent for the first time: kept word for word before it is.
    async fn first(
        &mut self,
        sequence: u64,
        fact: &Fact,
        known: Option<Known>,
        offset_ms: i64,
    ) -> Result<Option<Ready>, String> {
        let time = Time::from_unix_ms(fact.at.wall.0.saturating_add(offset_ms));
        let connector = known.map_or(0, |known| known.connector);
        let mut message = time.and_then(|time| messages::message(&fact.change, time, connector));
        if let Some(Message::Stop(stop)) = &mut message {
            stop.transaction_data = self.transaction_data(sequence, fact, stop.timestamp).await;
        }
        let (Some(about), Some(message)) = (about(fact), message) else {
            let reason = "it does not fit a message of OCPP".to_owned();
            self.set_aside(sequence, fact, String::new(), reason);
            return Ok(None);
        };
        let shown = format!("{message:?}");
        let head = Head {
            message,
            refused: 0,
        };
        let request = match head.step(start_told_as(known)) {
            Step::Send(request) => request,
            Step::SetAside(reason) => {
                self.set_aside(sequence, fact, shown, reason.to_owned());
                return Ok(None);
            }
        };
        let (id, payload) = (ids::message(), request.to_json());
        let frozen = Frozen {
            sequence,
            message_id: id.to_string(),
            action: request.action().to_string(),
            payload: payload.clone(),
        };
        let (line, begins) = (self.line.name.clone(), begins(fact));
        self.store
            .work(move |db| {
                let start = begins
                    .as_ref()
                    .map(|(session, connector)| (session, *connector));
                stations::freeze(db, &line, &frozen, start)
            })
            .await?;
        if let About::Stop(session) = &about {
            self.meters.lock().forget(session);
        }
        self.outgoing = Some(Outgoing {
            sequence,
            about,
            payload,
            refused: 0,
        });
        Ok(Some(Ready { id, request }))
    }

    /// A register reading that its central system has as a sample, or does not want.
    fn leaves_out(&self, fact: &Fact) -> bool {
        if let Change::MeterRead { session, .. } = &fact.change {
            return self.meters.lock().leaves_out(session, &fact.at);
        }
        false
    }

    /// What a stop tells of its transaction, as far as that is wanted: its ends are the journal's. What
    /// cannot be read is left out; a stop does not wait for it.
    async fn transaction_data(
        &self,
        sequence: u64,
        fact: &Fact,
        at: Time,
    ) -> Option<TransactionData> {
        let Change::SessionEnded {
            session,
            meter_stop,
            ..
        } = &fact.change
        else {
            return None;
        };
        if !self.meters.lock().wants_transaction_data() {
            return None;
        }
        let wanted = session.clone();
        let found = self
            .store
            .work(move |db| stations::begun(db, &wanted, sequence));
        let begun = found.await.ok().flatten();
        let begin = begun.and_then(|(register, at_ms)| {
            let at = Time::from_unix_ms(at_ms)?;
            Some(Ends { at, register })
        });
        let end = Ends {
            at,
            register: *meter_stop,
        };
        self.meters.lock().transaction_data(session, begin, end)
    }

    /// Takes the fate of the message on its way.
    pub(super) fn settled(&mut self, fate: &Fate<V16>, tries: Tries) -> Settled {
        let Some(mut outgoing) = self.outgoing.take() else {
            return Settled::Over {
                invalid: None,
                said: None,
            };
        };
        let (mut invalid, mut said) = (None, None);
        let ended = match tries.after(fate, outgoing.refused, 1) {
            After::Again { after, refused } => {
                outgoing.refused = refused;
                self.outgoing = Some(outgoing);
                return Settled::Again(after);
            }
            After::SetAside => self.refused_for_good(&outgoing, fate),
            After::Told {
                transaction_id,
                id_tag_info,
            } => match (outgoing.about, transaction_id) {
                (About::Start(session, id_tag), Some(transaction_id)) => {
                    let accepted = id_tag_info
                        .as_ref()
                        .is_some_and(|info| info.status == AuthorizationStatus::Accepted);
                    invalid = (!accepted).then(|| session.clone());
                    said = id_tag_info.map(|info| (id_tag, info));
                    Ended::Started {
                        session,
                        transaction_id,
                    }
                }
                (About::Stop(session), _) => Ended::Stopped { session },
                (About::Reading | About::Start(..), _) => Ended::Read,
            },
        };
        self.unsaved = Some((outgoing.sequence, ended));
        Settled::Over { invalid, said }
    }

    /// The session whose start this fate answers, and the id it was given.
    pub(super) fn started(&self, fate: &Fate<V16>) -> Option<(SessionId, i64)> {
        let (Some(About::Start(session, _)), Fate::Answered(Response::StartTransaction(answer))) =
            (self.outgoing.as_ref().map(|outgoing| &outgoing.about), fate)
        else {
            return None;
        };
        Some((session.clone(), answer.transaction_id))
    }

    /// The session that the central system knows by this id.
    pub(super) async fn session(&self, transaction_id: i64) -> Result<Option<SessionId>, String> {
        let line = self.line.name.clone();
        self.store
            .work(move |db| stations::session(db, &line, transaction_id))
            .await
    }

    fn refused_for_good(&self, outgoing: &Outgoing, fate: &Fate<V16>) -> Ended {
        tracing::error!(
            charge_point.id = %self.line.charge_point,
            sequence = outgoing.sequence,
            "The central system does not take a message about a transaction ({fate}); it is kept in the journal's file"
        );
        Ended::SetAside {
            message: outgoing.payload.clone(),
            reason: fate.to_string(),
            start: match &outgoing.about {
                About::Start(session, _) => Some(session.clone()),
                About::Reading | About::Stop(_) => None,
            },
        }
    }

    fn set_aside(&mut self, sequence: u64, fact: &Fact, message: String, reason: String) {
        tracing::error!(
            charge_point.id = %self.line.charge_point,
            sequence,
            "A message about a transaction is set aside: {reason}"
        );
        let start = begins(fact).map(|(session, _)| session);
        let ended = Ended::SetAside {
            message,
            reason,
            start,
        };
        self.unsaved = Some((sequence, ended));
    }

    /// What is settled goes into the file before the next is looked for.
    async fn save(&mut self, told: &mut Told) -> Result<(), String> {
        let Some((sequence, ended)) = self.unsaved.clone() else {
            return Ok(());
        };
        let done = u64::from(ended != Ended::Read);
        let why = match &ended {
            Ended::SetAside { reason, .. } => Some(reason.clone()),
            Ended::Started { .. } | Ended::Read | Ended::Stopped { .. } => None,
        };
        let line = self.line.clone();
        self.store
            .work(move |db| stations::end(db, &line, sequence, &ended))
            .await?;
        told.done += done;
        told.set_aside += u64::from(why.is_some());
        told.why = why.or(told.why.take());
        self.unsaved = None;
        (self.scanned, self.cursor) = (sequence, sequence);
        Ok(())
    }

    async fn keep_up(&mut self) -> Result<(), String> {
        if self.scanned - self.cursor >= LAG_MAX_FACTS {
            self.move_cursor().await?;
        }
        Ok(())
    }

    async fn move_cursor(&mut self) -> Result<(), String> {
        let (line, scanned) = (self.line.name.clone(), self.scanned);
        self.store
            .work(move |db| stations::move_cursor(db, &line, scanned))
            .await?;
        self.cursor = scanned;
        Ok(())
    }

    /// Nothing is told from here on: what was left out is not looked at again after the next start.
    pub(super) async fn stop(&mut self) {
        if self.scanned > self.cursor
            && let Err(problem) = self.move_cursor().await
        {
            tracing::debug!(charge_point.id = %self.line.charge_point, "Readings may be told that it has samples of: {problem}");
        }
    }
}

/// What looking for the next message came to.
enum Look {
    Ready(Ready),
    Nothing,
    Wait,
}

fn about(fact: &Fact) -> Option<About> {
    if let Change::SessionStarted {
        session, id_tag, ..
    } = &fact.change
    {
        return Some(About::Start(session.clone(), id_tag.clone()));
    }
    if let Change::SessionEnded { session, .. } = &fact.change {
        return Some(About::Stop(session.clone()));
    }
    matches!(fact.change, Change::MeterRead { .. }).then_some(About::Reading)
}

/// The session that a fact begins, and its connector.
fn begins(fact: &Fact) -> Option<(SessionId, u8)> {
    if let Change::SessionStarted {
        session, connector, ..
    } = &fact.change
    {
        return Some((session.clone(), connector.get()));
    }
    None
}

fn start_told_as(known: Option<Known>) -> StartToldAs {
    match known {
        Some(Known {
            transaction_id: Some(id),
            ..
        }) => StartToldAs::Id(id),
        Some(Known {
            set_aside: true, ..
        }) => StartToldAs::SetAside,
        Some(_) | None => StartToldAs::NotYet,
    }
}
