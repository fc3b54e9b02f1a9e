//! One socket's conversation: reads what comes, has calls answered one after the other, sends orders,
//! asks for signs of life, and ends with a reason that is logged.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use ocpp::{
    Action as _, Calls, CallsSettings, End, IncomingCall, MessageId, Payload as _, Received,
    Settled, Version,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::frames::{Direction, FrameKind, Noted};
use super::{Envelope, Fate, Order, Outcome, Refused, Seat, Station, System};

/// How long one message may take to be written: a peer that does not read is cut off.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// How often a peer is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(60);
/// How long a peer may be silent, answers to pings included.
const SILENCE_MAX: Duration = Duration::from_secs(150);
/// How long a peer has to hear why it is left.
const FAREWELL_MAX: Duration = Duration::from_secs(2);
/// Messages within one second beyond which it is a flood: no station that waits for its answers
/// gets there.
const MESSAGES_PER_SECOND_MAX: u32 = 2_000;
/// Messages of one connection that may be refused before it is cut off.
const REFUSALS_MAX: u32 = 100;
/// How long a charge point that connects itself may be silent until it counts as offline: twice the
/// heartbeat interval it is given.
const OFFLINE_AFTER_MS: i64 = 2 * 1_000 * crate::ocpp16::HEARTBEAT_INTERVAL_S;

/// Why a conversation ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The peer closed.
    ByPeer,
    /// The connection broke.
    Broken(String),
    /// The server stops.
    Stopping,
    /// Another socket of the same station took over, or the station was deleted.
    Replaced,
    /// The peer broke a rule and is cut off.
    CutOff(u16, String),
}

impl Ended {
    fn cut(reason: impl Into<String>) -> Self {
        Self::CutOff(close_code::POLICY, reason.into())
    }

    fn farewell(&self) -> Option<CloseFrame> {
        let frame = |code, reason: &str| CloseFrame {
            code,
            // A close frame has room for 123 bytes of reason (RFC 6455, section 5.5).
            reason: reason[..reason.floor_char_boundary(120)].into(),
        };
        match self {
            Self::ByPeer | Self::Broken(_) => None,
            Self::Stopping => Some(frame(close_code::AWAY, "the server stops")),
            Self::Replaced => Some(frame(
                close_code::POLICY,
                "another connection of this charge point took over",
            )),
            Self::CutOff(code, reason) => Some(frame(*code, reason)),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByPeer => f.write_str("closed by the charge point"),
            Self::Broken(error) => write!(f, "connection broken: {error}"),
            Self::Stopping => f.write_str("the server stops"),
            Self::Replaced => f.write_str("replaced by another connection, or deleted"),
            Self::CutOff(_, reason) => write!(f, "cut off: {reason}"),
        }
    }
}

/// Serves a socket until it ends.
pub(super) async fn serve<V: Version, S: System<V>>(
    socket: WebSocket,
    seat: Seat,
    station: Arc<Station>,
    system: S,
) {
    let now = Instant::now();
    let mut line = Line::<V, S> {
        socket,
        station,
        system,
        seat,
        calls: Calls::new(End::System, CallsSettings::default()),
        began: now,
        heard: now,
        pinged: now,
        second: (now, 0),
        refusals: 0,
        incoming: VecDeque::new(),
        answering: None,
        orders: Vec::new(),
    };
    let id = line.station.id.clone();
    tracing::info!(charge_point = %id, version = V::NAME, "Charge point connected");
    line.hear();
    let ended = line.talk().await;
    match &ended {
        Ended::CutOff(_, reason) => {
            tracing::warn!(charge_point = %id, reason, "Charge point was cut off: {reason}");
        }
        Ended::ByPeer | Ended::Broken(_) | Ended::Stopping | Ended::Replaced => {
            tracing::info!(charge_point = %id, "Charge point disconnected: {ended}");
        }
    }
    line.close(&ended).await;
}

/// A call's answer while it is made: which call, and what it turned out to be.
type Working<V> = (IncomingMark, super::Answering<V>);

/// A call of the peer that is being answered.
struct IncomingMark {
    id: MessageId,
    action: &'static str,
    at: Instant,
}

/// An order that has no end yet.
struct Pending {
    id: MessageId,
    give_up: Instant,
    sent: Option<(jiff::Timestamp, String)>,
    outcome: oneshot::Sender<Outcome>,
}

struct Line<V: Version, S> {
    socket: WebSocket,
    station: Arc<Station>,
    system: S,
    seat: Seat,
    calls: Calls<V>,
    began: Instant,
    heard: Instant,
    pinged: Instant,
    /// When the present second began, and messages in it.
    second: (Instant, u32),
    refusals: u32,
    incoming: VecDeque<IncomingCall<V>>,
    answering: Option<Working<V>>,
    orders: Vec<Pending>,
}

enum Event<V: Version> {
    Message(Option<Result<Message, axum::Error>>),
    Answer(Result<V::Response, Refused>),
    Order(Envelope),
    Time,
}

impl<V: Version, S: System<V>> Line<V, S> {
    async fn talk(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.send_next().await {
                return ended;
            }
            let event = match self.next().await {
                Ok(event) => event,
                Err(ended) => return ended,
            };
            let done = match event {
                Event::Message(message) => self.take(message).await,
                Event::Answer(answer) => self.answer(answer).await,
                Event::Order(order) => {
                    self.order(*order);
                    Ok(())
                }
                Event::Time => self.tick().await,
            };
            if let Err(ended) = done {
                return ended;
            }
        }
    }

    async fn next(&mut self) -> Result<Event<V>, Ended> {
        let wake = self.wake();
        let Self {
            answering,
            seat,
            socket,
            ..
        } = self;
        let answer = async {
            match answering {
                Some((_, answering)) => answering.as_mut().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = seat.stations.0.stop.cancelled() => Err(Ended::Stopping),
            () = seat.replaced.cancelled() => Err(Ended::Replaced),
            answer = answer => Ok(Event::Answer(answer)),
            Some(order) = seat.orders.recv() => Ok(Event::Order(order)),
            message = socket.recv() => Ok(Event::Message(message)),
            () = tokio::time::sleep_until(wake) => Ok(Event::Time),
        }
    }

    fn wake(&self) -> Instant {
        let life = (self.pinged + PING_EVERY).min(self.heard + SILENCE_MAX);
        let call = self.calls.deadline().map(|deadline| self.began + deadline);
        let waiting = self.orders.iter().filter(|order| order.sent.is_none());
        let orders = waiting.map(|order| order.give_up);
        orders.chain(call).fold(life, Instant::min)
    }

    async fn take(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), Ended> {
        let message = match message {
            None => return Err(Ended::ByPeer),
            Some(Err(error)) => return Err(broken(&error)),
            Some(Ok(message)) => message,
        };
        self.heard = Instant::now();
        self.count()?;
        match message {
            Message::Text(text) => {
                self.hear();
                self.text(text.as_str()).await
            }
            Message::Binary(_) => Err(Ended::CutOff(
                close_code::UNSUPPORTED,
                "it sent a binary message; OCPP-J is text".to_owned(),
            )),
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(Ended::ByPeer),
        }
    }

    /// Counts a message of the present second; pings too, for each is answered.
    fn count(&mut self) -> Result<(), Ended> {
        let (began, messages) = &mut self.second;
        if began.elapsed() >= Duration::from_secs(1) {
            (*began, *messages) = (self.heard, 0);
        }
        *messages += 1;
        if *messages > MESSAGES_PER_SECOND_MAX {
            return Err(Ended::cut(format!(
                "it sent more than {MESSAGES_PER_SECOND_MAX} messages within one second"
            )));
        }
        Ok(())
    }

    fn hear(&self) {
        let shared = &self.seat.stations.0;
        if self.station.organisation.is_some() {
            let now = shared.clock.now();
            shared.fleet.hear(&self.station.id, now, OFFLINE_AFTER_MS);
        }
    }

    async fn text(&mut self, text: &str) -> Result<(), Ended> {
        match self.calls.receive(self.began.elapsed(), text) {
            Received::Call(call) => {
                let fault = told(&call.tolerated);
                let action = call.request.action().name();
                self.note_in(
                    FrameKind::Call,
                    Some(&call.id),
                    Some(action),
                    text,
                    None,
                    fault,
                );
                self.incoming.push_back(call);
                self.answer_next();
                Ok(())
            }
            Received::Settled(settled) => {
                self.settle(settled, Some(text));
                Ok(())
            }
            Received::Refused(refusal) => {
                let kind = match &refusal.text {
                    Some(_) => FrameKind::Call,
                    None => FrameKind::Unreadable,
                };
                let why = refusal.why.clone();
                tracing::info!(charge_point = %self.station.id, why, "Message was not accepted: {why}");
                self.note_in(kind, refusal.id.as_ref(), None, text, None, Some(why));
                if let Some(answer) = refusal.text {
                    self.note_out(FrameKind::Error, refusal.id.as_ref(), None, &answer, None);
                    self.write(Message::Text(answer.into())).await?;
                }
                self.refusals += 1;
                if self.refusals > REFUSALS_MAX {
                    return Err(Ended::cut(format!(
                        "more than {REFUSALS_MAX} of its messages were not accepted, the last because {}",
                        refusal.why
                    )));
                }
                Ok(())
            }
            Received::Stray(id) => {
                let fault = "answers no call of ours that is known".to_owned();
                self.note_in(FrameKind::Result, Some(&id), None, text, None, Some(fault));
                Ok(())
            }
            Received::Repeated(id) => {
                let fault = "repeats a call that is being answered".to_owned();
                self.note_in(FrameKind::Call, Some(&id), None, text, None, Some(fault));
                Ok(())
            }
            Received::Flood => Err(Ended::cut("it does not wait for answers to its calls")),
        }
    }

    /// Begins to answer the next call, if none is being answered.
    fn answer_next(&mut self) {
        if self.answering.is_some() {
            return;
        }
        let Some(call) = self.incoming.pop_front() else {
            return;
        };
        let mark = IncomingMark {
            id: call.id,
            action: call.request.action().name(),
            at: Instant::now(),
        };
        let answering = self.system.answer(&self.station, call.request);
        self.answering = Some((mark, answering));
    }

    async fn answer(&mut self, answer: Result<V::Response, Refused>) -> Result<(), Ended> {
        let Some((mark, _answered)) = self.answering.take() else {
            return Ok(());
        };
        let (kind, text) = match &answer {
            Ok(response) => (FrameKind::Result, self.calls.answer(&mark.id, response)),
            Err(refused) => {
                let Refused { code, why } = refused;
                let (charge_point, action) = (&self.station.id, mark.action);
                tracing::info!(%charge_point, action, why, "Call was refused: {why}");
                (FrameKind::Error, self.calls.refuse(&mark.id, *code, why))
            }
        };
        self.answer_next();
        match text {
            Ok(text) => {
                let took = Some(mark.at.elapsed());
                self.note_out(kind, Some(&mark.id), Some(mark.action), &text, took);
                self.write(Message::Text(text.into())).await
            }
            Err(error) => {
                // The system of a version answers each call by its own action.
                tracing::error!(%error, action = mark.action, "A call was answered by another action");
                Ok(())
            }
        }
    }

    fn order(&mut self, (order, outcome): (Order, oneshot::Sender<Outcome>)) {
        let Order {
            id,
            action,
            payload,
            answer_within,
        } = order;
        let request = V::Action::from_name(action)
            .ok_or("this version of OCPP has no such action")
            .and_then(|action| {
                let understood = V::Request::parse(action, payload);
                understood.map_err(|_| "its payload is not valid in the version that is spoken")
            });
        let enqueued = match (MessageId::new(&id), request) {
            (Some(id), Ok(request)) => self
                .calls
                .enqueue(id.clone(), request.value, Some(answer_within))
                .map(|()| id)
                .map_err(|_| "too many calls are waiting for this charge point"),
            (None, _) => Err("its id is not one of 1 to 36 characters"),
            (_, Err(why)) => Err(why),
        };
        match enqueued {
            Ok(id) => self.orders.push(Pending {
                id,
                give_up: Instant::now() + answer_within,
                sent: None,
                outcome,
            }),
            Err(why) => drop(outcome.send(Outcome::not_sent(why))),
        }
    }

    /// Writes the next order, if none is in flight.
    async fn send_next(&mut self) -> Result<(), Ended> {
        let Some(sent) = self.calls.next_to_send(self.began.elapsed()) else {
            return Ok(());
        };
        let now = self.seat.stations.0.clock.now();
        if let Some(order) = self.orders.iter_mut().find(|order| order.id == sent.id) {
            order.sent = Some((now, sent.text.clone()));
        }
        let action = Some(sent.action.name());
        self.note_out(FrameKind::Call, Some(&sent.id), action, &sent.text, None);
        self.write(Message::Text(sent.text.into())).await
    }

    /// Tells what became of an order.
    fn settle(&mut self, settled: Settled<V>, text: Option<&str>) {
        let fault = match (&settled.fate, settled.late) {
            (ocpp::Fate::NotUnderstood(violation), _) => Some(violation.to_string()),
            (_, true) => Some("came after its time".to_owned()),
            (_, false) => told(&settled.tolerated),
        };
        if let Some(text) = text {
            let kind = match &settled.fate {
                ocpp::Fate::Refused { .. } => FrameKind::Error,
                ocpp::Fate::Answered(_)
                | ocpp::Fate::NotUnderstood(_)
                | ocpp::Fate::TimedOut
                | ocpp::Fate::Lost
                | ocpp::Fate::NotSent => FrameKind::Result,
            };
            let (action, took) = (settled.action.name(), Some(settled.took));
            self.note_in(kind, Some(&settled.id), Some(action), text, took, fault);
        }
        let place = self.orders.iter().position(|order| order.id == settled.id);
        let Some(place) = place else { return };
        let order = self.orders.swap_remove(place);
        let (sent_at, request_frame) = order.sent.unzip();
        let outcome = Outcome {
            fate: fate(settled.fate),
            sent_at,
            took: settled.took,
            request_frame: request_frame.map(|text| ocpp::redacted(&text).into_owned()),
            response_frame: text.map(|text| ocpp::redacted(text).into_owned()),
        };
        // Nobody waits for the end of an order whose request was given up.
        let _nobody = order.outcome.send(outcome);
    }

    async fn tick(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        if now >= self.heard + SILENCE_MAX {
            let silent = SILENCE_MAX.as_secs();
            return Err(Ended::cut(format!(
                "nothing was heard of it for {silent} s"
            )));
        }
        if let Some(settled) = self.calls.expire(self.began.elapsed()) {
            self.settle(settled, None);
        }
        let over = |order: &Pending| order.sent.is_none() && order.give_up <= now;
        while let Some(place) = self.orders.iter().position(over) {
            let order = self.orders.swap_remove(place);
            self.calls.withdraw(&order.id);
            let why = "other calls to this charge point took all the time";
            let _nobody = order.outcome.send(Outcome::not_sent(why));
        }
        if now >= self.pinged + PING_EVERY {
            self.pinged = now;
            self.write(Message::Ping(axum::body::Bytes::new())).await?;
        }
        Ok(())
    }

    async fn write(&mut self, message: Message) -> Result<(), Ended> {
        match tokio::time::timeout(WRITE_MAX, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(broken(&error)),
            Err(_elapsed) => {
                let most = WRITE_MAX.as_secs();
                Err(Ended::cut(format!("it did not read for {most} s")))
            }
        }
    }

    /// Tells every order that its answer will not come, and the peer why it ends.
    async fn close(mut self, ended: &Ended) {
        for settled in self.calls.close(self.began.elapsed()) {
            self.settle(settled, None);
        }
        let Self {
            mut socket, seat, ..
        } = self;
        // The place is free at once: what follows is for the peer's sake only.
        drop(seat);
        let Some(farewell) = ended.farewell() else {
            return;
        };
        let closing = async {
            // The peer may be gone, or not read.
            let _gone = socket.send(Message::Close(Some(farewell))).await;
            // What it had sent before is read: else the system would reset the connection, and the
            // farewell could be lost with it.
            while let Some(Ok(_)) = socket.recv().await {}
        };
        let _slow = tokio::time::timeout(FAREWELL_MAX, closing).await;
    }

    fn note_in(
        &self,
        kind: FrameKind,
        id: Option<&MessageId>,
        action: Option<&'static str>,
        text: &str,
        latency: Option<Duration>,
        fault: Option<String>,
    ) {
        self.note(Direction::In, kind, id, action, text, latency, fault);
    }

    fn note_out(
        &self,
        kind: FrameKind,
        id: Option<&MessageId>,
        action: Option<&'static str>,
        text: &str,
        latency: Option<Duration>,
    ) {
        self.note(Direction::Out, kind, id, action, text, latency, None);
    }

    #[expect(clippy::too_many_arguments, reason = "the columns of a row")]
    fn note(
        &self,
        direction: Direction,
        kind: FrameKind,
        id: Option<&MessageId>,
        action: Option<&'static str>,
        text: &str,
        latency: Option<Duration>,
        fault: Option<String>,
    ) {
        let shared = &self.seat.stations.0;
        shared.recorder.note(Noted {
            charge_point: self.station.id.clone(),
            at: shared.clock.now(),
            direction,
            kind,
            message_id: id.map(|id| id.as_str().to_owned()),
            action,
            text: text.to_owned(),
            latency,
            fault,
        });
    }
}

fn told(tolerated: &[ocpp::Tolerated]) -> Option<String> {
    let all: Vec<_> = tolerated.iter().map(ToString::to_string).collect();
    (!all.is_empty()).then(|| format!("tolerated: {}", all.join("; ")))
}

fn fate<V: Version>(fate: ocpp::Fate<V>) -> Fate {
    match fate {
        ocpp::Fate::Answered(response) => Fate::Answered(response.to_value()),
        ocpp::Fate::Refused {
            code, description, ..
        } => Fate::Refused(code.name(V::DIALECT).to_owned(), description),
        ocpp::Fate::NotUnderstood(violation) => Fate::NotUnderstood(violation.to_string()),
        ocpp::Fate::TimedOut => Fate::TimedOut,
        ocpp::Fate::Lost => Fate::Lost,
        ocpp::Fate::NotSent => Fate::NotSent("the socket closed before it was sent"),
    }
}

/// A message that is too large is the peer's fault; so is what is no WebSocket.
fn broken(error: &axum::Error) -> Ended {
    let text = error.to_string();
    if text.contains("too long") {
        return Ended::CutOff(
            close_code::SIZE,
            format!("a message of it is too long: {text}"),
        );
    }
    if text.contains("UTF-8") || text.contains("utf-8") {
        return Ended::CutOff(
            close_code::INVALID,
            format!("a message of it is no text: {text}"),
        );
    }
    Ended::Broken(text)
}
