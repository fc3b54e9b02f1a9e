//! What a charge point says to its central system, and when: boot first, then statuses, heartbeats
//! and the messages about its transactions. Pure: time and message ids are arguments, frames are texts.

use std::collections::BTreeMap;
use std::time::Duration;

use ocpp::v16::{
    AuthorizeRequest, BootNotificationResponse, ChangeConfigurationRequest,
    ChangeConfigurationResponse, ChargePointErrorCode, HeartbeatRequest, MessageTrigger,
    MeterValuesRequest, RegistrationStatus, Request, TriggerMessageRequest, TriggerMessageResponse,
    TriggerMessageStatus, V16,
};
use ocpp::{
    Calls, CallsSettings, End, ErrorCode, Fate, IncomingCall, MessageId, Received, Settled,
};
use ocpp::{Text, Time, v16::Response};
use site_model::{ConnectorId, Timestamp};
use station::configuration::{Key, StoredValue};

use super::Verdict;
use super::asked::{Asked, Order, asked};
use super::extension;
use super::face::{Face, Notice};
use super::outbox::{Outbox, Reply};
use super::queue::Ready;
use super::settings::{Change, Settings};

/// Pause before a boot notification is repeated where the central system gives no interval.
const BOOT_PAUSE_FIRST: Duration = Duration::from_secs(10);
/// Longest such pause.
const BOOT_PAUSE_MAX: Duration = Duration::from_secs(300);
/// Bounds of an interval that a central system gives.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_secs(86_400);
/// Central system's and gateway's clocks differ noticeably.
const CLOCK_DIFFERS_MS: u64 = 60_000;

/// Answers to messages about transactions may take this long: the message stays the oldest, and is
/// sent again on the next socket only.
const TRANSACTION_ANSWER_WITHIN: Duration = Duration::from_secs(180);

/// Whether the central system accepts the charge point (OCPP 1.6 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registration {
    /// It was not told yet, or did not answer.
    #[default]
    Unknown,
    /// It may be configured; it may say nothing of its own.
    Pending,
    /// It may say nothing.
    Rejected,
    /// It may work.
    Accepted,
}

impl Registration {
    /// For status pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Rejected => "rejected",
            Self::Accepted => "accepted",
        }
    }
}

/// What a message of the central system leads to.
#[derive(Debug)]
pub(super) enum Heard {
    /// Nothing more.
    Done,
    /// To be written.
    Answer(String),
    /// To be asked of the site; its fate answers this call.
    Order(MessageId, Order),
    /// For the task: the security extension and firmware management.
    Extension(MessageId, Request),
    /// To be stored; then this call is answered.
    Configure(Configure),
    /// To be asked of the charging profiles.
    Profiles(MessageId, Request),
    /// For the task: who may charge.
    Access(MessageId, Request),
    /// To be refused by this, if by anything: it was no valid message, for this reason.
    Invalid(Option<String>, String),
    /// The socket is to be closed, for this reason.
    Close(&'static str),
}

impl Heard {
    fn answered(answer: Option<String>) -> Self {
        answer.map_or(Self::Done, Self::Answer)
    }
}

/// A change of a configuration key, on its way into the store.
#[derive(Debug)]
pub(super) struct Configure {
    pub(super) id: MessageId,
    pub(super) settings: Box<Settings>,
    pub(super) key: Key,
    pub(super) value: StoredValue,
}

/// One charge point towards its central system, over all its sockets.
#[derive(Debug)]
pub(super) struct Station {
    calls: Calls<V16>,
    face: Option<Face>,
    registration: Registration,
    boot_due: Duration,
    boot_pause: Duration,
    heartbeat_due: Duration,
    /// What this socket was told, by connector.
    told: BTreeMap<u8, Notice>,
    clock_differs: bool,
    settings: Settings,
    message: Option<Waiting>,
    fate: Option<Fate<V16>>,
    outbox: Outbox,
    /// Whether the last sample of the meters was answered, once that is known.
    sample_fate: Option<bool>,
    /// Who is to be asked for.
    wanted: Option<Text<20>>,
    /// Who is being asked for.
    asked_for: Option<Text<20>>,
    said: Option<(Text<20>, Fate<V16>)>,
    list_conflict: bool,
    /// The charge point is elsewhere by now: it tells what it owes, and takes no orders.
    has_left: bool,
}

/// The oldest message about a transaction.
#[derive(Debug)]
struct Waiting {
    ready: Ready,
    sent: bool,
    not_before: Duration,
}

impl Station {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            calls: Calls::new(End::Station, CallsSettings::default()),
            face: None,
            registration: Registration::Unknown,
            boot_due: Duration::ZERO,
            boot_pause: BOOT_PAUSE_FIRST,
            heartbeat_due: Duration::ZERO,
            told: BTreeMap::new(),
            clock_differs: false,
            settings,
            message: None,
            fate: None,
            outbox: Outbox::default(),
            sample_fate: None,
            wanted: None,
            asked_for: None,
            said: None,
            list_conflict: false,
            has_left: false,
        }
    }

    /// A charge point that is at another central system by now.
    pub(super) fn that_has_left(settings: Settings, face: Face) -> Self {
        Self {
            face: Some(face),
            has_left: true,
            ..Self::new(settings)
        }
    }

    /// Asks the central system whether this tag may charge; nobody waits for another one.
    pub(super) fn ask_for(&mut self, id_tag: Text<20>) {
        self.wanted = Some(id_tag);
    }

    /// What became of the last tag that was asked for.
    pub(super) fn take_said(&mut self) -> Option<(Text<20>, Fate<V16>)> {
        self.said.take()
    }

    /// The local list allows a tag that the central system does not (OCPP 1.6 section 3.5.2).
    pub(super) fn list_conflicts(&mut self) {
        self.list_conflict = true;
    }

    /// Whether a session could begin at a connector, or at any.
    pub(super) fn has_place(&self, connector: Option<ConnectorId>) -> bool {
        let wanted = connector.map(ConnectorId::get);
        let notices = self.face.iter().flat_map(|face| &face.notices);
        let mut connectors = notices.filter(|(number, _)| **number > 0);
        connectors.any(|(number, dated)| {
            wanted.is_none_or(|wanted| wanted == *number) && dated.notice.could_begin()
        })
    }

    pub(super) fn registration(&self) -> Registration {
        self.registration
    }

    /// What the central system is to see from now on.
    pub(super) fn show(&mut self, face: Face) {
        self.face = Some(face);
    }

    /// A socket stands: every status is told on it. An acceptance outlives the socket (section 4.2).
    pub(super) fn connected(&mut self) {
        self.calls = Calls::new(End::Station, CallsSettings::default());
        self.told.clear();
        self.outbox.connected();
        (self.wanted, self.asked_for, self.said) = (None, None, None);
        if let Some(message) = &mut self.message {
            message.sent = false;
        }
    }

    /// The charge point begins anew: it says who it is before anything else.
    pub(super) fn restarted(&mut self) {
        self.registration = Registration::Unknown;
        self.boot_due = Duration::ZERO;
        self.boot_pause = BOOT_PAUSE_FIRST;
    }

    /// A message about a transaction is on its way, or waits to be.
    pub(super) fn has_message(&self) -> bool {
        self.message.is_some()
    }

    /// A message about a transaction may be given.
    pub(super) fn wants_message(&self) -> bool {
        self.registration == Registration::Accepted && self.message.is_none()
    }

    /// Says this when nothing else is to be said; the oldest message about a transaction.
    pub(super) fn give(&mut self, ready: Ready) {
        self.message = Some(Waiting {
            ready,
            sent: false,
            not_before: Duration::ZERO,
        });
    }

    /// What became of the message that was given. [`Station::over`] or [`Station::again`] follows.
    pub(super) fn take_fate(&mut self) -> Option<Fate<V16>> {
        self.fate.take()
    }

    /// The message is done with.
    pub(super) fn over(&mut self) {
        self.message = None;
    }

    /// The message is sent again, on this socket, after a pause.
    pub(super) fn again(&mut self, now: &Timestamp, after: Duration) {
        if let Some(message) = &mut self.message {
            message.sent = false;
            message.not_before = since_start(now) + after;
        }
    }

    /// Whether the sample that was sent last was answered.
    pub(super) fn take_sample_fate(&mut self) -> Option<bool> {
        self.sample_fate.take()
    }

    /// The frame to write now, if there is one; a sample of the meters when nothing else is to be said.
    pub(super) fn next_to_send(
        &mut self,
        now: &Timestamp,
        fresh: impl FnOnce() -> MessageId,
        sample: impl FnOnce() -> Option<MeterValuesRequest>,
    ) -> Option<String> {
        if self.calls.pending() == 0 {
            let at = since_start(now);
            let enqueued = match self.next_request(at) {
                Some(request) => self.calls.enqueue(fresh(), request, None),
                None => match self.next_message(at) {
                    Some(Ready { id, request }) => {
                        let within = Some(TRANSACTION_ANSWER_WITHIN);
                        self.calls.enqueue(id, request, within)
                    }
                    None => self.calls.enqueue(fresh(), sample()?.into(), None),
                },
            };
            debug_assert_eq!(enqueued, Ok(()), "nothing waits, and the id is fresh");
        }
        let sent = self.calls.next_to_send(since_start(now))?;
        Some(sent.text)
    }

    fn next_request(&mut self, now: Duration) -> Option<Request> {
        let face = self.face.as_ref()?;
        if self.registration != Registration::Accepted {
            return (self.boot_due <= now).then(|| face.boot.clone().into());
        }
        if let Some(id_tag) = self.wanted.take() {
            self.asked_for = Some(id_tag.clone());
            return Some(AuthorizeRequest::new(id_tag).into());
        }
        if std::mem::take(&mut self.list_conflict)
            && let Some(whole) = face.notices.get(&0)
        {
            let mut notification = whole.notification(0);
            notification.error_code = ChargePointErrorCode::LocalListConflict;
            return Some(notification.into());
        }
        let changed = face
            .notices
            .iter()
            .find(|(number, dated)| self.told.get(number) != Some(&dated.notice));
        if let Some((number, dated)) = changed {
            self.told.insert(*number, dated.notice.clone());
            return Some(dated.notification(*number).into());
        }
        if let Some(notice) = self.outbox.next() {
            return Some(notice);
        }
        if self.heartbeat_due <= now {
            self.heartbeat_due = now + self.settings.heartbeat();
            return Some(HeartbeatRequest::default().into());
        }
        None
    }

    fn next_message(&mut self, now: Duration) -> Option<Ready> {
        let message = self.message.as_mut()?;
        let due = self.registration == Registration::Accepted
            && !message.sent
            && message.not_before <= now;
        message.sent |= due;
        due.then(|| message.ready.clone())
    }

    /// When there is something to send or to give up, if nothing else happens.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let due = match self.registration {
            Registration::Accepted => self.heartbeat_due,
            Registration::Unknown | Registration::Pending | Registration::Rejected => self.boot_due,
        };
        let accepted = self.registration == Registration::Accepted;
        let message = self.message.as_ref();
        let message = message.filter(|message| accepted && !message.sent);
        let due = message.map_or(due, |message| due.min(message.not_before));
        self.calls
            .deadline()
            .or_else(|| self.face.is_some().then_some(due))
    }

    /// Gives up the call whose time is over. A message about a transaction needs another socket then.
    pub(super) fn expire(&mut self, now: &Timestamp) -> Option<String> {
        let settled = self.calls.expire(since_start(now))?;
        let message = self.message.as_ref().map(|message| &message.ready.id);
        let needs_socket = message == Some(&settled.id);
        let told = self.settled(now, settled);
        needs_socket.then(|| format!("the central system is deaf: {told}"))
    }

    /// Takes a text message of the socket.
    pub(super) fn receive(&mut self, now: &Timestamp, text: &str) -> Heard {
        match self.calls.receive(since_start(now), text) {
            Received::Call(call) => self.called(now, call),
            Received::Settled(settled) => {
                let told = self.settled(now, settled);
                tracing::trace!("{told}");
                Heard::Done
            }
            Received::Refused(refusal) => {
                tracing::warn!(
                    "A message of the central system was refused: {}",
                    refusal.why
                );
                Heard::Invalid(refusal.text, refusal.why)
            }
            Received::Stray(id) => {
                tracing::warn!(message.id = %id, "The central system answered a call that was not made");
                Heard::Done
            }
            Received::Repeated(_) => Heard::Done,
            Received::Flood => {
                Heard::Close("the central system sends calls without waiting for answers")
            }
        }
    }

    fn called(&mut self, now: &Timestamp, call: IncomingCall<V16>) -> Heard {
        if self.has_left {
            let why = "this charge point is at another central system";
            return Heard::answered(self.refuse(&call.id, ErrorCode::NotSupported, why));
        }
        if let Request::ChangeConfiguration(request) = &call.request {
            return self.configuration_asked(call.id, request);
        }
        if extension::is_ours(&call.request) {
            return Heard::Extension(call.id, call.request);
        }
        let asked = if let Request::TriggerMessage(request) = &call.request {
            let status = self.triggered(since_start(now), request);
            Asked::Answer(TriggerMessageResponse::new(status).into())
        } else if let Request::GetConfiguration(request) = &call.request {
            Asked::Answer(self.settings.told(request).into())
        } else {
            asked(&call.request)
        };
        let answer = match asked {
            Asked::Answer(response) => self.answer(&call.id, &response),
            Asked::Refuse(code, why) => self.refuse(&call.id, code, why),
            // Who is not accepted starts and stops nothing (section 4.2), but may be reset.
            Asked::Order(order)
                if self.registration != Registration::Accepted
                    && !matches!(order, Order::Reset { .. }) =>
            {
                self.answer(&call.id, &order.answer(Verdict::Refused(None)))
            }
            Asked::Order(order) => return Heard::Order(call.id, order),
            Asked::Access => return Heard::Access(call.id, call.request),
            Asked::Profiles => return Heard::Profiles(call.id, call.request),
        };
        Heard::answered(answer)
    }

    fn configuration_asked(
        &mut self,
        id: MessageId,
        request: &ChangeConfigurationRequest,
    ) -> Heard {
        let (key, value) = (request.key.as_str(), request.value.expose());
        match self.settings.change(key, value) {
            Change::Store(settings, key, value) => Heard::Configure(Configure {
                id,
                settings,
                key,
                value,
            }),
            Change::Refuse(status) => {
                let response = ChangeConfigurationResponse::new(status);
                Heard::answered(self.answer(&id, &response.into()))
            }
        }
    }

    /// The change is stored, and holds.
    pub(super) fn configured(&mut self, now: &Timestamp, settings: Settings) {
        self.settings = settings;
        let next = since_start(now) + self.settings.heartbeat();
        self.heartbeat_due = self.heartbeat_due.min(next);
    }

    /// Sends this of its own, in its turn.
    pub(super) fn tell(&mut self, notice: impl Into<Request>) {
        self.outbox.tell(notice);
    }

    /// What became of a notice.
    pub(super) fn take_reply(&mut self) -> Option<Reply> {
        self.outbox.take_reply()
    }

    /// No notice waits, and every status is told on this socket.
    pub(super) fn has_told_all(&self) -> bool {
        let told = |face: &Face| {
            let mut notices = face.notices.iter();
            notices.all(|(number, dated)| self.told.get(number) == Some(&dated.notice))
        };
        self.outbox.is_empty() && self.face.as_ref().is_some_and(told)
    }

    /// The profile in force, for whoever reads the key.
    pub(super) fn set_security_profile(&mut self, profile: u8) {
        self.settings.set_security_profile(profile);
    }

    /// A trigger from outside the core's own message.
    pub(super) fn trigger(
        &mut self,
        now: &Timestamp,
        request: &TriggerMessageRequest,
    ) -> TriggerMessageStatus {
        self.triggered(since_start(now), request)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The frame that answers a call; none where the socket was another one.
    pub(super) fn answer(&mut self, id: &MessageId, response: &Response) -> Option<String> {
        self.calls.answer(id, response).ok()
    }

    /// The frame that refuses a call.
    pub(super) fn refuse(&mut self, id: &MessageId, code: ErrorCode, why: &str) -> Option<String> {
        self.calls.refuse(id, code, why).ok()
    }

    /// The message follows the answer, when its turn comes.
    fn triggered(
        &mut self,
        now: Duration,
        request: &TriggerMessageRequest,
    ) -> TriggerMessageStatus {
        match request.requested_message {
            MessageTrigger::BootNotification => {
                self.registration = Registration::Unknown;
                self.boot_due = now;
            }
            MessageTrigger::Heartbeat => self.heartbeat_due = now,
            MessageTrigger::StatusNotification => match request.connector_id.map(u8::try_from) {
                None => self.told.clear(),
                Some(Ok(connector)) if self.knows(connector) => {
                    self.told.remove(&connector);
                }
                Some(_) => return TriggerMessageStatus::Rejected,
            },
            MessageTrigger::MeterValues
            | MessageTrigger::DiagnosticsStatusNotification
            | MessageTrigger::FirmwareStatusNotification => {
                return TriggerMessageStatus::NotImplemented;
            }
        }
        TriggerMessageStatus::Accepted
    }

    fn knows(&self, connector: u8) -> bool {
        let face = self.face.as_ref();
        face.is_some_and(|face| face.notices.contains_key(&connector))
    }

    fn settled(&mut self, now: &Timestamp, settled: Settled<V16>) -> String {
        let told = format!("{} was {}", settled.action, settled.fate);
        let message = self.message.as_ref().map(|message| &message.ready.id);
        if message == Some(&settled.id) && !matches!(settled.fate, Fate::TimedOut) {
            self.fate = Some(settled.fate.clone());
        }
        if settled.action == ocpp::v16::Action::Authorize
            && let Some(id_tag) = self.asked_for.take()
        {
            self.said = Some((id_tag, settled.fate.clone()));
        }
        let answered = matches!(settled.fate, Fate::Answered(_));
        if settled.action == ocpp::v16::Action::MeterValues && message != Some(&settled.id) {
            self.sample_fate = Some(answered);
        }
        self.outbox.settled(settled.action, &settled.fate);
        if !answered {
            tracing::warn!("Towards the central system: {told}");
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the other answers say nothing that the charge point acts on"
        )]
        match settled.fate {
            Fate::Answered(Response::BootNotification(answer)) => self.registered(now, &answer),
            Fate::Answered(Response::Heartbeat(answer)) => self.hint(now, answer.current_time),
            _ if settled.action == ocpp::v16::Action::BootNotification => {
                self.boot_again(since_start(now), None);
            }
            _ => {}
        }
        told
    }

    fn registered(&mut self, now: &Timestamp, answer: &BootNotificationResponse) {
        self.hint(now, answer.current_time);
        let seconds = u64::try_from(answer.interval).unwrap_or(0);
        let interval =
            (seconds > 0).then(|| Duration::from_secs(seconds).clamp(INTERVAL_MIN, INTERVAL_MAX));
        let at = since_start(now);
        self.registration = match answer.status {
            RegistrationStatus::Accepted => Registration::Accepted,
            RegistrationStatus::Pending => Registration::Pending,
            RegistrationStatus::Rejected => Registration::Rejected,
        };
        if self.registration == Registration::Accepted {
            self.boot_pause = BOOT_PAUSE_FIRST;
            if let Some(interval) = interval {
                self.settings.set_heartbeat(interval);
            }
            self.heartbeat_due = at + self.settings.heartbeat();
        } else {
            self.boot_again(at, interval);
        }
    }

    fn boot_again(&mut self, now: Duration, interval: Option<Duration>) {
        self.boot_due = now + interval.unwrap_or(self.boot_pause);
        self.boot_pause = (self.boot_pause * 2).min(BOOT_PAUSE_MAX);
    }

    /// The central system's clock is a hint for people; the gateway's own is not set by it.
    fn hint(&mut self, now: &Timestamp, theirs: Time) {
        let differs = now.wall.0.abs_diff(theirs.unix_ms()) > CLOCK_DIFFERS_MS;
        if differs && now.wall_known && !self.clock_differs {
            tracing::warn!(
                difference_ms = theirs.unix_ms() - now.wall.0,
                "The central system's clock differs from this gateway's: check which of them is right"
            );
        }
        self.clock_differs = differs;
    }
}

fn since_start(now: &Timestamp) -> Duration {
    Duration::from_millis(now.monotonic.0)
}
