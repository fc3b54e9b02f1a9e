//! What the security extension and firmware management ask of a charge point's task: its answers, the jobs that
//! go on beside the socket, and the notices about them. Decisions about keys and certificates are `security`'s.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ocpp::v16::{
    CertificateSignedRequest, CertificateSignedResponse, CertificateSignedStatus,
    ChangeConfigurationResponse, ConfigurationStatus, DeleteCertificateResponse,
    ExtendedMessageTrigger, ExtendedTriggerMessageRequest, ExtendedTriggerMessageResponse,
    GenericStatus, GetInstalledCertificateIdsResponse, GetInstalledCertificateStatus,
    HashAlgorithm, InstallCertificateRequest, InstallCertificateResponse, InstallCertificateStatus,
    MessageTrigger, Request, Response, SecurityEventNotificationRequest, SignCertificateRequest,
    TriggerMessageRequest, TriggerMessageResponse, TriggerMessageStatus,
};
use ocpp::{MessageId, SomeOf, Text, Time};
use site_model::Timestamp;
use station::configuration::Key;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout};

use super::jobs::Jobs;
use super::outbox::Reply;
use super::progress::Progress;
use super::security::events::Kind;
use super::security::form::Form;
use super::security::{Security, certificates};
use super::socket::{self, NotOpened, Socket};
use super::station::{Configure, Registration};
use super::task::{OPEN_TIMEOUT, Task};
use crate::runtime::LocalRequest;
use crate::secret::Secret;
use crate::store::security_events::{self, NewEvent};

/// News of jobs that may wait while the link is away; the jobs wait then.
const PROGRESS_MAX: usize = 64;
/// An event that was not answered is told again after this.
const EVENT_AGAIN: Duration = Duration::from_secs(60);
/// How often the certificate's end is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);
/// A certificate that was asked for and did not come is asked for again after this.
const SIGN_AGAIN: Duration = Duration::from_secs(86_400);

/// What these messages need, of one charge point.
#[derive(Debug)]
pub(super) struct Extension {
    pub(super) security: Security,
    pub(super) jobs: Jobs,
    pub(super) news: mpsc::Receiver<Progress>,
    /// The socket is to be opened anew, with what changed.
    pub(super) renew: bool,
    /// This socket brought a message that was none; the next one says nothing new.
    invalid: bool,
    /// Why there was no socket last, as far as it is an event.
    failure: Option<Kind>,
    /// Events wait to be told.
    events: bool,
    /// The event that was sent and not answered.
    telling: Option<i64>,
    tell_after: Instant,
    look_at: Instant,
    sign_after: Instant,
}

impl Extension {
    pub(super) fn new(
        security: Security,
        data_dir: PathBuf,
        desk: mpsc::Sender<LocalRequest>,
        turn: Arc<Semaphore>,
    ) -> Self {
        let (sender, news) = mpsc::channel(PROGRESS_MAX);
        Self::with(security, Jobs::new(data_dir, desk, turn, sender), news)
    }

    /// Towards another central system: what the one before ordered ends.
    pub(super) fn anew(&self, security: Security) -> Self {
        let (sender, news) = mpsc::channel(PROGRESS_MAX);
        Self::with(security, self.jobs.anew(sender), news)
    }

    fn with(security: Security, jobs: Jobs, news: mpsc::Receiver<Progress>) -> Self {
        let now = Instant::now();
        Self {
            security,
            jobs,
            news,
            renew: false,
            invalid: false,
            failure: None,
            events: true,
            telling: None,
            tell_after: now,
            look_at: now,
            sign_after: now,
        }
    }
}

/// Whether the task answers this, not the station.
pub(super) fn is_ours(request: &Request) -> bool {
    if let Request::TriggerMessage(request) = request {
        return matches!(
            request.requested_message,
            MessageTrigger::DiagnosticsStatusNotification
                | MessageTrigger::FirmwareStatusNotification
                | MessageTrigger::MeterValues
        );
    }
    matches!(
        request,
        Request::CertificateSigned(_)
            | Request::DeleteCertificate(_)
            | Request::ExtendedTriggerMessage(_)
            | Request::GetDiagnostics(_)
            | Request::GetInstalledCertificateIds(_)
            | Request::GetLog(_)
            | Request::InstallCertificate(_)
            | Request::SignedUpdateFirmware(_)
            | Request::UpdateFirmware(_)
    )
}

/// The trigger of the core that an extended one is, if it is one.
fn plain_trigger(request: &ExtendedTriggerMessageRequest) -> Option<TriggerMessageRequest> {
    let message = match request.requested_message {
        ExtendedMessageTrigger::BootNotification => MessageTrigger::BootNotification,
        ExtendedMessageTrigger::Heartbeat => MessageTrigger::Heartbeat,
        ExtendedMessageTrigger::StatusNotification => MessageTrigger::StatusNotification,
        ExtendedMessageTrigger::MeterValues
        | ExtendedMessageTrigger::LogStatusNotification
        | ExtendedMessageTrigger::FirmwareStatusNotification
        | ExtendedMessageTrigger::SignChargePointCertificate => return None,
    };
    let mut plain = TriggerMessageRequest::new(message);
    plain.connector_id = request.connector_id;
    Some(plain)
}

impl Task {
    /// Opens a socket: with what is to come into force, else with what is.
    pub(super) async fn open_socket(&mut self) -> Result<Socket, String> {
        (self.extension.renew, self.extension.invalid) = (false, false);
        let mut failed = None;
        for attempt in self.extension.security.candidates(&self.endpoint) {
            match self.open_with(&attempt).await {
                Ok(socket) => {
                    self.settle(Some(attempt.form)).await;
                    return Ok(socket);
                }
                Err(problem) => failed = Some(problem),
            }
        }
        if let Some(problem) = failed {
            self.not_opened(&problem).await;
            let attempt = self.extension.security.current(&self.endpoint);
            let socket = self
                .open_with(&attempt)
                .await
                .map_err(|problem| problem.why)?;
            // The network works, so it is the new settings that do not.
            self.settle(None).await;
            return Ok(socket);
        }
        let attempt = self.extension.security.current(&self.endpoint);
        match self.open_with(&attempt).await {
            Ok(socket) => {
                self.extension.failure = None;
                Ok(socket)
            }
            Err(problem) => {
                self.not_opened(&problem).await;
                Err(problem.why)
            }
        }
    }

    async fn open_with(&self, attempt: &super::security::Attempt) -> Result<Socket, NotOpened> {
        let opened = timeout(OPEN_TIMEOUT, socket::open(attempt)).await;
        opened.unwrap_or_else(|_elapsed| {
            let address = attempt.endpoint.address();
            Err(format!("{address} does not answer in time: check ocpp.url and the network").into())
        })
    }

    async fn not_opened(&mut self, problem: &NotOpened) {
        // The same failure again says nothing new.
        if problem.event != self.extension.failure {
            self.extension.failure = problem.event;
            if let Some(kind) = problem.event {
                self.note(kind, &problem.why).await;
            }
        }
    }

    /// What is new holds, its password in this form; or is given up.
    async fn settle(&mut self, form: Option<Form>) {
        let security = &mut self.extension.security;
        let settled = match form {
            Some(form) => security.proved(form).await,
            None => security.disproved().await,
        };
        let profile = security.profile();
        self.station.set_security_profile(profile);
        let charge_point = &self.endpoint.charge_point;
        match settled {
            Err(problem) => {
                tracing::error!(charge_point.id = %charge_point, "Security settings: {problem}")
            }
            Ok(()) if form.is_some() => {
                self.extension.failure = None;
                tracing::info!(charge_point.id = %charge_point, "The new security settings hold: profile {profile}");
            }
            Ok(()) => {
                tracing::warn!(
                    charge_point.id = %charge_point,
                    "The new security settings gave no connection and are dropped; profile {profile} goes on"
                );
                let info = format!("new settings gave no connection, profile {profile} goes on");
                self.note(Kind::ReconfigurationOfSecurityParameters, &info)
                    .await;
            }
        }
    }

    /// A message was not valid: one event for each socket, or a flood of them would push out the others.
    pub(super) async fn note_invalid(&mut self, why: &str) {
        if !std::mem::replace(&mut self.extension.invalid, true) {
            self.note(Kind::InvalidMessages, why).await;
        }
    }

    /// Writes a security event down.
    pub(super) async fn note(&mut self, kind: Kind, info: &str) {
        let event = NewEvent {
            at: self.clock.now(),
            kind: kind.as_str(),
            info: info.chars().take(255).collect(),
            tell: kind.is_told(),
        };
        let charge_point = self.endpoint.charge_point.clone();
        let written = self
            .store
            .work(move |db| security_events::record(db, &charge_point, &event));
        if let Err(problem) = written.await {
            tracing::error!(
                "The security event {} was not written down: {problem}",
                kind.as_str()
            );
        }
        self.extension.events |= kind.is_told();
    }

    /// What is due of events, certificates and answers; before the station speaks.
    pub(super) async fn extension_turn(&mut self) {
        let clock_set = self.shared.state().clock_set.take();
        if let Some(offset_ms) = clock_set {
            let info = format!("by {offset_ms} ms");
            self.note(Kind::SettingSystemTime, &info).await;
        }
        while let Some(reply) = self.station.take_reply() {
            self.replied(&reply).await;
        }
        if self.station.registration() != Registration::Accepted {
            return;
        }
        let now = self.clock.now();
        self.tell_event(&now).await;
        let tick = Instant::now();
        if tick >= self.extension.look_at && now.wall_known {
            self.extension.look_at = tick + LOOK_EVERY;
            let ends_soon = self.extension.security.ends_soon(now.wall);
            if ends_soon && tick >= self.extension.sign_after {
                self.ask_for_certificate().await;
            }
        }
    }

    /// The oldest event that waits, while nothing else is to be told and the time is right.
    async fn tell_event(&mut self, now: &Timestamp) {
        let extension = &self.extension;
        let may = extension.events
            && extension.telling.is_none()
            && extension.security.profile() > 0
            && now.wall_known
            && Instant::now() >= extension.tell_after
            && self.station.has_told_all();
        if !may {
            return;
        }
        let (charge_point, now) = (self.endpoint.charge_point.clone(), *now);
        let found = self
            .store
            .work(move |db| security_events::to_tell(db, &charge_point, &now));
        // While the file cannot be read nothing can be told.
        let Ok(found) = found.await else {
            self.extension.tell_after = Instant::now() + EVENT_AGAIN;
            return;
        };
        let Some(event) = found else {
            self.extension.events = false;
            return;
        };
        let at = Time::from_unix_ms(event.at.0);
        let (Some(at), Ok(kind)) = (at, Text::new(event.kind)) else {
            return self.event_told(event.id).await;
        };
        let mut request = SecurityEventNotificationRequest::new(at, kind);
        request.tech_info = Some(Text::cut(&event.info)).filter(|_| !event.info.is_empty());
        self.extension.telling = Some(event.id);
        self.station.tell(request);
    }

    async fn event_told(&self, id: i64) {
        if let Err(problem) = self
            .store
            .work(move |db| security_events::told(db, id))
            .await
        {
            tracing::error!("A security event is told again: {problem}");
        }
    }

    async fn replied(&mut self, reply: &Reply) {
        if let Request::SecurityEventNotification(_) = &reply.request {
            let Some(id) = self.extension.telling.take() else {
                return;
            };
            if reply.response.is_some() || reply.refused {
                self.event_told(id).await;
            } else {
                self.extension.tell_after = Instant::now() + EVENT_AGAIN;
            }
        }
        if let Request::SignCertificate(_) = &reply.request {
            let taken = matches!(&reply.response, Some(Response::SignCertificate(answer))
                if answer.status == GenericStatus::Accepted);
            if !taken {
                tracing::warn!(
                    charge_point.id = %self.endpoint.charge_point,
                    "The central system does not sign certificates; it is asked again in a day if one is needed"
                );
            }
        }
    }

    /// A job's news.
    pub(super) async fn progressed(&mut self, progress: Progress) {
        if let Progress::Event(kind, info) = &progress {
            return self.note(*kind, info).await;
        }
        if let Some(notice) = self.extension.jobs.progressed(&progress) {
            self.station.tell(notice);
        }
    }

    /// A password, or a higher profile: kept beside the configuration, tried with the next socket, which comes
    /// at once.
    pub(super) async fn security_configured(&mut self, change: Configure) -> Option<String> {
        let security = &mut self.extension.security;
        let done = if change.key == Key::AuthorizationKey {
            let password = Secret::new(change.value.expose());
            security.set_password(password).await.map(|()| true)
        } else {
            let profile = change.value.expose().parse().unwrap_or(u8::MAX);
            security.raise(profile).await
        };
        let (key, status) = (
            change.key.name(),
            match &done {
                Ok(_) => ConfigurationStatus::Accepted,
                Err(_) => ConfigurationStatus::Rejected,
            },
        );
        match done {
            Ok(renew) => {
                self.extension.renew |= renew;
                self.note(Kind::ReconfigurationOfSecurityParameters, key)
                    .await;
            }
            Err(why) => tracing::warn!("A change of {key} is refused: {why}"),
        }
        self.station
            .answer(&change.id, &ChangeConfigurationResponse::new(status).into())
    }

    /// The answer to a call that [`is_ours`].
    pub(super) async fn extension_asked(
        &mut self,
        id: &MessageId,
        request: Request,
    ) -> Option<String> {
        let answer = self.extension_answer(request).await;
        self.station.answer(id, &answer?)
    }

    async fn extension_answer(&mut self, request: Request) -> Option<Response> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "`is_ours` lets nothing else through"
        )]
        Some(match request {
            Request::TriggerMessage(request)
                if request.requested_message == MessageTrigger::MeterValues =>
            {
                let status = self.meter_values_triggered(request.connector_id);
                TriggerMessageResponse::new(status).into()
            }
            Request::TriggerMessage(request) => {
                let notice = self.extension.jobs.status(request.requested_message);
                if let Some(notice) = notice {
                    self.station.tell(notice);
                }
                TriggerMessageResponse::new(TriggerMessageStatus::Accepted).into()
            }
            Request::ExtendedTriggerMessage(request) => {
                let status = self.extended_trigger(&request).await;
                ExtendedTriggerMessageResponse::new(status).into()
            }
            Request::CertificateSigned(request) => self.certificate_signed(&request).await.into(),
            Request::InstallCertificate(request) => self.certificate_sent(&request).await.into(),
            Request::DeleteCertificate(request) => {
                let wanted = &request.certificate_hash_data;
                let (status, why) = self.extension.security.delete(wanted).await;
                let why = why.unwrap_or_default();
                tracing::info!("Deleting a certificate: {status} {why}");
                self.note(
                    Kind::ReconfigurationOfSecurityParameters,
                    &format!("DeleteCertificate: {status} {why}"),
                )
                .await;
                DeleteCertificateResponse::new(status).into()
            }
            Request::GetInstalledCertificateIds(request) => {
                let installed = self.extension.security.installed(request.certificate_type);
                let hashes = installed
                    .iter()
                    .filter_map(|root| certificates::hash_data(root, HashAlgorithm::SHA256).ok());
                let hashes = SomeOf::new(hashes.collect()).ok();
                let status = match &hashes {
                    Some(_) => GetInstalledCertificateStatus::Accepted,
                    None => GetInstalledCertificateStatus::NotFound,
                };
                let mut response = GetInstalledCertificateIdsResponse::new(status);
                response.certificate_hash_data = hashes;
                response.into()
            }
            Request::GetLog(request) => self.log_asked(&request).into(),
            Request::GetDiagnostics(request) => self.diagnostics_asked(&request).into(),
            Request::UpdateFirmware(request) => self.firmware_asked(&request).into(),
            Request::SignedUpdateFirmware(request) => {
                self.signed_firmware_asked(&request).await.into()
            }
            _ => return None,
        })
    }

    async fn extended_trigger(
        &mut self,
        request: &ExtendedTriggerMessageRequest,
    ) -> TriggerMessageStatus {
        if request.requested_message == ExtendedMessageTrigger::MeterValues {
            return self.meter_values_triggered(request.connector_id);
        }
        if let Some(plain) = plain_trigger(request) {
            return self.station.trigger(&self.clock.now(), &plain);
        }
        if request.requested_message == ExtendedMessageTrigger::SignChargePointCertificate {
            let asked = self.ask_for_certificate().await;
            return if asked {
                TriggerMessageStatus::Accepted
            } else {
                TriggerMessageStatus::Rejected
            };
        }
        let notice = self
            .extension
            .jobs
            .extended_status(request.requested_message);
        if let Some(notice) = notice {
            self.station.tell(notice);
        }
        TriggerMessageStatus::Accepted
    }

    /// Whether a signing request is on its way.
    async fn ask_for_certificate(&mut self) -> bool {
        self.extension.sign_after = Instant::now() + SIGN_AGAIN;
        let operator = self.station.settings().operator().to_owned();
        let request = self.extension.security.request(&operator).await;
        let text =
            request.and_then(|request| Text::new(request).map_err(|error| error.to_string()));
        match text {
            Ok(text) => {
                self.station.tell(SignCertificateRequest::new(text));
                true
            }
            Err(problem) => {
                tracing::error!("No certificate can be asked for: {problem}");
                false
            }
        }
    }

    async fn certificate_signed(
        &mut self,
        request: &CertificateSignedRequest,
    ) -> CertificateSignedResponse {
        let chain = request.certificate_chain.as_str();
        let now = self.clock.now().wall;
        let status = match self.extension.security.signed(chain, now).await {
            Ok(()) => {
                let info = "a new certificate of the charge point";
                self.note(Kind::ReconfigurationOfSecurityParameters, info)
                    .await;
                CertificateSignedStatus::Accepted
            }
            Err(why) => {
                tracing::warn!(
                    "A certificate for {} is refused: {why}",
                    self.endpoint.charge_point
                );
                self.note(Kind::InvalidChargePointCertificate, &why).await;
                CertificateSignedStatus::Rejected
            }
        };
        CertificateSignedResponse::new(status)
    }

    async fn certificate_sent(
        &mut self,
        request: &InstallCertificateRequest,
    ) -> InstallCertificateResponse {
        let (kind, now) = (request.certificate_type, self.clock.now().wall);
        let pem = request.certificate.as_str();
        let (status, why) = self.extension.security.install(kind, pem, now).await;
        match why {
            Some(why) => tracing::warn!("A {kind} is refused: {why}"),
            None => tracing::info!("A {kind} is installed"),
        }
        if status == InstallCertificateStatus::Accepted {
            let info = format!("a new {kind}");
            self.note(Kind::ReconfigurationOfSecurityParameters, &info)
                .await;
        }
        InstallCertificateResponse::new(status)
    }
}
