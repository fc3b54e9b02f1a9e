//! One charge point's task: connects, lets its [`Station`] talk, and tries again when the socket breaks.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use ocpp::v16::{ChangeConfigurationResponse, ConfigurationStatus, Request, V16};
use ocpp::{ErrorCode, Fate, MessageId};
use site_model::{CommandId, Monotonic, Reservation, SessionId, StopReason};
use station::configuration::Key;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_util::sync::CancellationToken;

use super::access::Asking;
use super::asked::Order;
use super::charging::{Asks, Start};
use super::endpoint::Endpoint;
use super::extension::Extension;
use super::farewell::Farewells;
use super::queue::{Queue, Settled, Told};
use super::security::events::Kind;
use super::socket::Socket;
use super::station::{Configure, Heard, Station};
use super::{Shared, Verdict, Wish, Wishes, in_time};
use crate::back_off::BackOff;
use crate::clock::Clock;
use crate::ids;
use crate::store::{Store, stations};

pub(super) const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
pub(super) const BACK_OFF_MAX: Duration = Duration::from_secs(60);
/// How long TCP, TLS and handshake may take together.
pub(super) const OPEN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a peer may take to read one frame.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// With pings switched off the loop wakes this rarely.
const NO_PINGS: Duration = Duration::from_secs(86_400);
/// A socket on which nothing came for so long after a ping is dead.
const PONG_WITHIN: Duration = Duration::from_secs(90);
/// How long the goodbye may take.
pub(super) const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Task {
    /// Where it is.
    pub(super) endpoint: Endpoint,
    /// Where it is to be, once no session runs.
    pub(super) configured: Endpoint,
    pub(super) farewells: Farewells,
    pub(super) station: Station,
    pub(super) extension: Extension,
    pub(super) queue: Queue,
    pub(super) store: Store,
    pub(super) profiles: Asks,
    pub(super) wishes: Wishes,
    pub(super) clock: Clock,
    pub(super) shared: Arc<Shared>,
    pub(super) asking: Asking,
}

/// Why a socket is over.
enum Over {
    /// We were told to stop.
    Stopped,
    /// It is opened anew, with other security settings, or at another central system.
    Renewed,
    /// The charge point begins anew.
    Reset,
    /// It broke.
    Broken(String),
}

impl Task {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        self.live(&stop).await;
        self.queue.stop().await;
        self.farewells.ended().await;
    }

    async fn live(&mut self, stop: &CancellationToken) {
        let mut back_off = BackOff::new(BACK_OFF_FIRST, BACK_OFF_MAX);
        let started = format!("site-controller {}", env!("CARGO_PKG_VERSION"));
        self.note(Kind::StartupOfTheDevice, &started).await;
        self.extension.jobs.clean(&self.endpoint.charge_point).await;
        self.find_place(stop).await;
        loop {
            if !self.finish_reset(stop).await {
                return;
            }
            let began = Instant::now();
            match self.one_socket(stop).await {
                Over::Stopped => return,
                Over::Renewed | Over::Reset => continue,
                Over::Broken(problem) => self.tell(problem),
            }
            self.asking.forget();
            if !self.rest(&mut back_off, began.elapsed(), stop).await {
                return;
            }
        }
    }

    /// Logs a problem when it is a new one; the status page shows the latest.
    pub(super) fn tell(&self, problem: String) {
        self.unheard();
        let mut state = self.shared.state();
        state.status.connected_since = None;
        let known = state.status.last_error.as_ref() == Some(&problem);
        state.status.last_error = Some(problem.clone());
        drop(state);
        let charge_point = &self.endpoint.charge_point;
        if known {
            tracing::debug!("Still no central system for {charge_point}: {problem}");
        } else {
            tracing::warn!(
                charge_point.id = %charge_point,
                "No central system for {charge_point}, charging goes on: {problem}"
            );
        }
    }

    async fn one_socket(&mut self, stop: &CancellationToken) -> Over {
        let opened = tokio::select! {
            () = stop.cancelled() => return Over::Stopped,
            opened = self.open_socket() => opened,
        };
        let mut socket = match opened {
            Ok(socket) => socket,
            Err(problem) => return Over::Broken(problem),
        };
        self.connected();
        let over = self.talk(&mut socket, stop).await;
        // The peer may be gone already.
        let _unheard = timeout(GOODBYE_TIMEOUT, socket.close(None)).await;
        over
    }

    pub(super) fn connected(&mut self) {
        self.station.connected();
        self.unheard();
        self.asking.forget();
        let mut state = self.shared.state();
        state.status.connected_since = Some(self.clock.now().wall);
        state.status.last_error = None;
        drop(state);
        tracing::info!(
            charge_point.id = %self.endpoint.charge_point,
            "{} is connected to its central system", self.endpoint.charge_point
        );
    }

    async fn talk(&mut self, socket: &mut Socket, stop: &CancellationToken) -> Over {
        let mut heard_at = Instant::now();
        let mut pinged_at = heard_at;
        loop {
            if let Err(problem) = self.say(socket).await {
                return Over::Broken(problem);
            }
            if self.is_to_reset() {
                return Over::Reset;
            }
            if self.moved().await {
                return Over::Renewed;
            }
            let ping_every = self.station.settings().ping().unwrap_or(NO_PINGS);
            // A ping that is not answered is the last one.
            let due = if pinged_at > heard_at {
                pinged_at + PONG_WITHIN
            } else {
                pinged_at + ping_every
            };
            let wake_at = self.wake_at(due);
            let shared = Arc::clone(&self.shared);
            let turn = tokio::select! {
                () = stop.cancelled() => return Over::Stopped,
                message = socket.next() => {
                    heard_at = Instant::now();
                    self.hear(socket, message).await
                }
                () = shared.changed.notified() => Ok(()),
                id_tag = self.asking.next() => {
                    self.station.ask_for(id_tag);
                    Ok(())
                }
                Some(news) = self.extension.news.recv() => {
                    self.progressed(news).await;
                    Ok(())
                }
                () = sleep_until(wake_at) => {
                    let deaf = pinged_at > heard_at;
                    self.woken(socket, due, deaf, &mut pinged_at).await
                }
            };
            if let Err(problem) = turn {
                return Over::Broken(problem);
            }
            if std::mem::take(&mut self.extension.renew) {
                return Over::Renewed;
            }
            if self.is_to_reset() {
                return Over::Reset;
            }
        }
    }

    /// Says everything that is to be said now.
    async fn say(&mut self, socket: &mut Socket) -> Result<(), String> {
        self.prepare().await;
        while let Some(frame) = self.next_frame() {
            write(socket, Message::text(frame)).await?;
        }
        Ok(())
    }

    /// Gives the station what there is to say.
    pub(super) async fn prepare(&mut self) {
        if let Some(face) = self.shared.state().face.clone() {
            self.station.show(face);
        }
        self.tags_said();
        self.transactions().await;
        self.extension_turn().await;
        self.meter_values().await;
    }

    /// The frame to write now, if there is one.
    pub(super) fn next_frame(&mut self) -> Option<String> {
        let meters = Arc::clone(&self.shared.meters);
        let sample = || meters.lock().next_to_tell();
        let now = self.clock.now();
        let frame = self.station.next_to_send(&now, ids::message, sample);
        self.shared.state().status.registration = self.station.registration();
        frame
    }

    /// Settles the oldest message about a transaction and gives the next.
    async fn transactions(&mut self) {
        let now = self.clock.now();
        if let Some(fate) = self.station.take_fate() {
            let tries = self.station.settings().tries();
            let settled = match self.note_transaction(&fate).await {
                Ok(()) => self.queue.settled(&fate, tries),
                Err(again) => again,
            };
            match settled {
                Settled::Over { invalid, said } => {
                    self.station.over();
                    if let Some((id_tag, info)) = said {
                        self.heard_of(&id_tag, &info).await;
                    }
                    self.stop_unwanted(invalid).await;
                }
                Settled::Again(after) => self.station.again(&now, after),
            }
        }
        if !self.station.wants_message() {
            return;
        }
        let last = self.shared.state().last_told_here();
        let mut told = Told::default();
        if let Some(ready) = self.queue.next(&now, last, &mut told).await {
            self.station.give(ready);
        }
        let mut state = self.shared.state();
        state.status.waiting = state.status.waiting.saturating_sub(told.done);
        state.status.has_set_aside(&told);
    }

    /// The id of a transaction is in the journal before its start counts as told: a start that is told
    /// again after a crash is answered with the same id.
    async fn note_transaction(&self, fate: &Fate<V16>) -> Result<(), Settled> {
        let Some((session, transaction_id)) = self.queue.started(fate) else {
            return Ok(());
        };
        self.wishes.note(session.clone(), transaction_id).await?;
        let (now, mut meters) = (self.clock.now(), self.shared.meters.lock());
        meters.begun(&now, &session, transaction_id);
        Ok(())
    }

    /// The central system does not accept the tag that a session began with (OCPP 1.6 section 4.8).
    async fn stop_unwanted(&self, session: Option<SessionId>) {
        let Some(session) = session else {
            return;
        };
        let settings = self.station.settings();
        let wish = Wish::Disown {
            session,
            allowance: settings.energy_on_invalid_tag(),
            ends: settings.stops_on_invalid_tag(),
        };
        // What becomes of it shows in the session; a site that stops ends it by itself.
        let _verdict = self.wishes.make(None, wish).await;
    }

    async fn hear(
        &mut self,
        socket: &mut Socket,
        message: Option<Result<Message, Error>>,
    ) -> Result<(), String> {
        let Some(text) = text_in(message)? else {
            return Ok(());
        };
        match self.heard(&text).await? {
            Some(answer) => write(socket, Message::text(answer)).await,
            None => Ok(()),
        }
    }

    /// Takes a text message: what answers it. An error is why the socket is to be closed.
    pub(super) async fn heard(&mut self, text: &str) -> Result<Option<String>, &'static str> {
        Ok(match self.station.receive(&self.clock.now(), text) {
            Heard::Done => None,
            Heard::Answer(answer) => Some(answer),
            Heard::Order(id, order) => self.ordered(&id, &order).await,
            Heard::Extension(id, request) => self.extension_asked(&id, request).await,
            Heard::Access(id, request) => self.access_asked(&id, &request).await,
            Heard::Configure(change) => self.configure(change).await,
            Heard::Profiles(id, request) => self.profiles_asked(&id, request).await,
            Heard::Invalid(answer, why) => {
                self.note_invalid(&why).await;
                answer
            }
            Heard::Close(why) => return Err(why),
        })
    }

    /// A changed key holds once it is stored.
    async fn configure(&mut self, change: Configure) -> Option<String> {
        if matches!(change.key, Key::AuthorizationKey | Key::SecurityProfile) {
            return self.security_configured(change).await;
        }
        let charge_point = self.endpoint.charge_point.clone();
        let (key, value) = (change.key.name(), change.value);
        let stored = self
            .store
            .work(move |db| stations::configure(db, &charge_point, key, value.expose()));
        let status = match stored.await {
            Ok(()) => {
                self.shared.access().configured(&change.settings);
                let wants = change.settings.meter_values();
                self.shared.meters.lock().configured(wants);
                self.station.configured(&self.clock.now(), *change.settings);
                ConfigurationStatus::Accepted
            }
            Err(problem) => {
                tracing::error!(
                    key,
                    "A configuration key was not stored and is refused: {problem}"
                );
                ConfigurationStatus::Rejected
            }
        };
        let response = ChangeConfigurationResponse::new(status);
        self.station.answer(&change.id, &response.into())
    }

    /// Asks the site, and answers the call with what it says.
    async fn ordered(&mut self, id: &MessageId, order: &Order) -> Option<String> {
        let asked = self.ask(CommandId::new(id.as_str()).ok(), order);
        let failed = match in_time(asked).await {
            Ok(verdict) => return self.station.answer(id, &order.answer(verdict)),
            Err(problem) => problem,
        };
        tracing::error!(
            charge_point.id = %self.endpoint.charge_point,
            "An order of the central system was not carried out: {failed}"
        );
        self.station.refuse(id, ErrorCode::InternalError, &failed)
    }

    async fn profiles_asked(&mut self, id: &MessageId, request: Request) -> Option<String> {
        match self.profiles.call(request).await {
            Ok(response) => self.station.answer(id, &response),
            Err(problem) => {
                tracing::error!(
                    charge_point.id = %self.endpoint.charge_point,
                    "A call about charging profiles failed: {problem}"
                );
                self.station.refuse(id, ErrorCode::InternalError, &problem)
            }
        }
    }

    async fn ask(&self, id: Option<CommandId>, order: &Order) -> Result<Verdict, String> {
        if matches!(order, Order::Start { .. } | Order::Reserve(_)) && self.is_resetting() {
            return Ok(Verdict::Refused(None));
        }
        let wish = match order {
            Order::Start {
                connector,
                id_tag,
                profile,
            } if self.station.settings().judges_remote_starts() => {
                return Ok(self.present_first(id, *connector, id_tag, profile.as_deref()));
            }
            Order::Start {
                connector,
                id_tag,
                profile,
            } => {
                let wish = Wish::Start {
                    connector: *connector,
                    id_tag: id_tag.clone(),
                    parent: self.parent_of(id_tag),
                    within: self.station.settings().connection_timeout(),
                };
                if let Some(profile) = profile {
                    let start = Start {
                        id,
                        connector: *connector,
                        wish,
                        profile: (**profile).clone(),
                    };
                    let taken = self.profiles.start(start).await?;
                    return Ok(if taken {
                        Verdict::Accepted
                    } else {
                        Verdict::Refused(None)
                    });
                }
                wish
            }
            Order::Reserve(reserve) => Wish::Reserve(Reservation {
                charge_point: self.endpoint.charge_point.clone(),
                id: reserve.id,
                connector: reserve.connector,
                id_tag: reserve.id_tag.clone(),
                parent: reserve.parent.clone(),
                expires: reserve.expires,
            }),
            Order::CancelReservation(reservation) => Wish::CancelReservation(*reservation),
            Order::Reset { hard } => Wish::Reset { hard: *hard },
            Order::Stop { transaction_id } => match self.queue.session(*transaction_id).await? {
                Some(session) => Wish::Stop {
                    session,
                    reason: StopReason::Remote,
                },
                None => return Ok(Verdict::Refused(None)),
            },
            Order::Availability {
                connector,
                operative,
            } => Wish::Availability {
                connector: *connector,
                operative: *operative,
            },
        };
        self.wishes.ask(id, wish).await
    }

    async fn woken(
        &mut self,
        socket: &mut Socket,
        due: Instant,
        deaf: bool,
        pinged_at: &mut Instant,
    ) -> Result<(), String> {
        if let Some(deaf) = self.station.expire(&self.clock.now()) {
            return Err(deaf);
        }
        let now = Instant::now();
        if now < due {
            return Ok(());
        }
        if deaf {
            return Err(format!(
                "the central system did not answer a ping for {} s",
                PONG_WITHIN.as_secs()
            ));
        }
        *pinged_at = now;
        write(socket, Message::Ping(Vec::new().into())).await
    }

    pub(super) fn wake_at(&self, latest: Instant) -> Instant {
        let queue = self
            .queue
            .deadline()
            .filter(|_| self.station.wants_message());
        let dues = self.station.deadline().into_iter();
        let dues = dues.chain(self.reset_deadline());
        let due = dues.chain(queue).min().map(|due| {
            let due = u64::try_from(due.as_millis()).unwrap_or(u64::MAX);
            self.clock.instant(Monotonic(due))
        });
        due.map_or(latest, |due| due.min(latest))
    }
}

/// The text in what came over the socket, or why the socket is over.
pub(super) fn text_in(
    message: Option<Result<Message, Error>>,
) -> Result<Option<Utf8Bytes>, String> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Binary(_))) => {
            Err("the central system sent bytes where OCPP-J has texts".to_owned())
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Close(frame))) => {
            let why = frame.map(|frame| frame.reason.to_string());
            let why = why.filter(|why| !why.is_empty());
            Err(format!(
                "the central system closed the socket ({})",
                why.unwrap_or_else(|| "without a reason".to_owned())
            ))
        }
        Some(Err(Error::Capacity(CapacityError::MessageTooLong { size, max_size }))) => Err(
            format!("the central system sent {size} bytes at once, at most {max_size} are taken"),
        ),
        Some(Err(error)) => Err(format!("the socket to the central system broke: {error}")),
        None => Err("the central system hung up".to_owned()),
    }
}

pub(super) async fn write(socket: &mut Socket, message: Message) -> Result<(), String> {
    match timeout(WRITE_TIMEOUT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("the socket to the central system broke: {error}")),
        Err(_elapsed) => Err(format!(
            "the central system took nothing for {} s",
            WRITE_TIMEOUT.as_secs()
        )),
    }
}
