//! The jobs of one charge point: at most one upload and one update at a time, a new one ends the old one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ocpp::v16::{
    DiagnosticsStatus, DiagnosticsStatusNotificationRequest, ExtendedMessageTrigger,
    FirmwareStatus, FirmwareStatusNotificationRequest, GetDiagnosticsRequest,
    GetDiagnosticsResponse, GetLogRequest, GetLogResponse, Log, LogStatus,
    LogStatusNotificationRequest, MessageTrigger, Request, SignedFirmwareStatus,
    SignedFirmwareStatusNotificationRequest, SignedUpdateFirmwareRequest,
    SignedUpdateFirmwareResponse, SignedUpdateFirmwareStatus, UpdateFirmwareRequest,
    UpdateFirmwareResponse, UploadLogStatus,
};
use ocpp::{Text, Time};
use site_model::ChargePointId;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::progress::{Progress, Tries};
use super::security::certificates;
use super::security::events::Kind;
use super::task::Task;
use super::transfer::{Failed, Location};
use super::{diagnostics, firmware};
use crate::runtime::LocalRequest;

/// An update further ahead is a mistake in its date.
const AHEAD_MAX: Duration = Duration::from_secs(365 * 86_400);

/// What runs, and what was told of it last.
#[derive(Debug)]
pub(super) struct Jobs {
    data_dir: PathBuf,
    desk: mpsc::Sender<LocalRequest>,
    turn: Arc<Semaphore>,
    news: mpsc::Sender<Progress>,
    upload: Option<AbortOnDropHandle<()>>,
    update: Option<AbortOnDropHandle<()>>,
    /// News that end a job leave `Idle` behind (OCPP 1.6 section 4.4 and 4.5).
    diagnostics: DiagnosticsStatus,
    firmware: FirmwareStatus,
    log: (UploadLogStatus, Option<i64>),
    signed: (SignedFirmwareStatus, Option<i64>),
}

impl Jobs {
    pub(super) fn new(
        data_dir: PathBuf,
        desk: mpsc::Sender<LocalRequest>,
        turn: Arc<Semaphore>,
        news: mpsc::Sender<Progress>,
    ) -> Self {
        Self {
            data_dir,
            desk,
            turn,
            news,
            upload: None,
            update: None,
            diagnostics: DiagnosticsStatus::Idle,
            firmware: FirmwareStatus::Idle,
            log: (UploadLogStatus::Idle, None),
            signed: (SignedFirmwareStatus::Idle, None),
        }
    }

    /// No job; those that ran end with the last of these.
    pub(super) fn anew(&self, news: mpsc::Sender<Progress>) -> Self {
        let turn = Arc::clone(&self.turn);
        Self::new(self.data_dir.clone(), self.desk.clone(), turn, news)
    }

    /// Removes what a download left behind when the daemon was cut off.
    pub(super) async fn clean(&self, charge_point: &ChargePointId) {
        // There is nothing as a rule.
        let _absent = tokio::fs::remove_file(firmware::file(&self.data_dir, charge_point)).await;
    }

    /// The notice that tells the news, and remembers it.
    pub(super) fn progressed(&mut self, progress: &Progress) -> Option<Request> {
        match progress {
            Progress::Log(request, status) => {
                self.log = match status {
                    UploadLogStatus::Uploading => (*status, Some(*request)),
                    UploadLogStatus::Idle
                    | UploadLogStatus::BadMessage
                    | UploadLogStatus::NotSupportedOperation
                    | UploadLogStatus::PermissionDenied
                    | UploadLogStatus::Uploaded
                    | UploadLogStatus::UploadFailure => (UploadLogStatus::Idle, None),
                };
                Some(log_notice(*status, Some(*request)))
            }
            Progress::Diagnostics(status) => {
                self.diagnostics = match status {
                    DiagnosticsStatus::Uploading => *status,
                    DiagnosticsStatus::Idle
                    | DiagnosticsStatus::Uploaded
                    | DiagnosticsStatus::UploadFailed => DiagnosticsStatus::Idle,
                };
                Some(DiagnosticsStatusNotificationRequest::new(*status).into())
            }
            Progress::Firmware(status) => {
                self.firmware = match status {
                    FirmwareStatus::Downloading
                    | FirmwareStatus::Downloaded
                    | FirmwareStatus::Installing => *status,
                    FirmwareStatus::Idle
                    | FirmwareStatus::DownloadFailed
                    | FirmwareStatus::InstallationFailed
                    | FirmwareStatus::Installed => FirmwareStatus::Idle,
                };
                Some(FirmwareStatusNotificationRequest::new(*status).into())
            }
            Progress::SignedFirmware(request, status) => {
                self.signed = match status {
                    SignedFirmwareStatus::Downloaded
                    | SignedFirmwareStatus::Downloading
                    | SignedFirmwareStatus::DownloadScheduled
                    | SignedFirmwareStatus::DownloadPaused
                    | SignedFirmwareStatus::Installing
                    | SignedFirmwareStatus::InstallRebooting
                    | SignedFirmwareStatus::InstallScheduled
                    | SignedFirmwareStatus::SignatureVerified => (*status, Some(*request)),
                    SignedFirmwareStatus::Idle
                    | SignedFirmwareStatus::DownloadFailed
                    | SignedFirmwareStatus::InstallationFailed
                    | SignedFirmwareStatus::Installed
                    | SignedFirmwareStatus::InstallVerificationFailed
                    | SignedFirmwareStatus::InvalidSignature => (SignedFirmwareStatus::Idle, None),
                };
                Some(signed_notice(*status, Some(*request)))
            }
            Progress::Event(..) => None,
        }
    }

    /// What a trigger of the core asks to be told.
    pub(super) fn status(&self, wanted: MessageTrigger) -> Option<Request> {
        match wanted {
            MessageTrigger::DiagnosticsStatusNotification => {
                Some(DiagnosticsStatusNotificationRequest::new(self.diagnostics).into())
            }
            MessageTrigger::FirmwareStatusNotification => {
                Some(FirmwareStatusNotificationRequest::new(self.firmware).into())
            }
            MessageTrigger::BootNotification
            | MessageTrigger::Heartbeat
            | MessageTrigger::MeterValues
            | MessageTrigger::StatusNotification => None,
        }
    }

    /// What an extended trigger asks to be told.
    pub(super) fn extended_status(&self, wanted: ExtendedMessageTrigger) -> Option<Request> {
        match wanted {
            ExtendedMessageTrigger::LogStatusNotification => {
                Some(log_notice(self.log.0, self.log.1))
            }
            ExtendedMessageTrigger::FirmwareStatusNotification => {
                Some(signed_notice(self.signed.0, self.signed.1))
            }
            ExtendedMessageTrigger::BootNotification
            | ExtendedMessageTrigger::Heartbeat
            | ExtendedMessageTrigger::MeterValues
            | ExtendedMessageTrigger::SignChargePointCertificate
            | ExtendedMessageTrigger::StatusNotification => None,
        }
    }

    /// Starts an upload; whether another one was ended for it.
    fn upload(&mut self, job: diagnostics::Job) -> bool {
        let (turn, news) = (Arc::clone(&self.turn), self.news.clone());
        let started = tokio::spawn(async move { job.run(&turn, &news).await });
        replace(&mut self.upload, AbortOnDropHandle::new(started))
    }

    /// Starts an update; whether another one was ended for it.
    fn update(&mut self, job: firmware::Job) -> bool {
        let (turn, news) = (Arc::clone(&self.turn), self.news.clone());
        let started = tokio::spawn(async move { job.run(&turn, &news).await });
        replace(&mut self.update, AbortOnDropHandle::new(started))
    }
}

fn replace(slot: &mut Option<AbortOnDropHandle<()>>, started: AbortOnDropHandle<()>) -> bool {
    let old = slot.replace(started);
    old.is_some_and(|old| !old.is_finished())
}

fn log_notice(status: UploadLogStatus, request: Option<i64>) -> Request {
    let mut notice = LogStatusNotificationRequest::new(status);
    notice.request_id = request;
    notice.into()
}

fn signed_notice(status: SignedFirmwareStatus, request: Option<i64>) -> Request {
    let mut notice = SignedFirmwareStatusNotificationRequest::new(status);
    notice.request_id = request;
    notice.into()
}

impl Task {
    pub(super) fn log_asked(&mut self, request: &GetLogRequest) -> GetLogResponse {
        let tries = Tries::new(request.retries, request.retry_interval);
        let location = self.location(request.log.remote_location.as_str());
        let Ok(location) = location else {
            return GetLogResponse::new(LogStatus::Rejected);
        };
        let span = (request.log.oldest_timestamp, request.log.latest_timestamp);
        let job = self.upload_job(
            request.log_type,
            Some(request.request_id),
            span,
            location,
            tries,
        );
        let name = job.name.clone();
        let status = if self.extension.jobs.upload(job) {
            LogStatus::AcceptedCanceled
        } else {
            LogStatus::Accepted
        };
        let mut response = GetLogResponse::new(status);
        response.filename = Some(Text::cut(&name));
        response
    }

    pub(super) fn diagnostics_asked(
        &mut self,
        request: &GetDiagnosticsRequest,
    ) -> GetDiagnosticsResponse {
        let tries = Tries::new(request.retries, request.retry_interval);
        let mut response = GetDiagnosticsResponse::default();
        let Ok(location) = self.location(request.location.as_str()) else {
            let failed = DiagnosticsStatus::UploadFailed;
            self.station
                .tell(DiagnosticsStatusNotificationRequest::new(failed));
            return response;
        };
        let span = (request.start_time, request.stop_time);
        let job = self.upload_job(Log::DiagnosticsLog, None, span, location, tries);
        response.file_name = Some(Text::cut(&job.name));
        self.extension.jobs.upload(job);
        response
    }

    fn upload_job(
        &self,
        kind: Log,
        request_id: Option<i64>,
        (from, to): (Option<Time>, Option<Time>),
        location: Location,
        tries: Tries,
    ) -> diagnostics::Job {
        let charge_point = self.endpoint.charge_point.clone();
        diagnostics::Job {
            name: diagnostics::file_name(&charge_point, kind, self.clock.now().wall),
            charge_point,
            kind,
            request_id,
            from,
            to,
            location,
            tries,
            configuration: self.station.settings().as_told(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            desk: self.extension.jobs.desk.clone(),
        }
    }

    pub(super) fn firmware_asked(
        &mut self,
        request: &UpdateFirmwareRequest,
    ) -> UpdateFirmwareResponse {
        let tries = Tries::new(request.retries, request.retry_interval);
        match self.location(request.location.as_str()) {
            Ok(location) => {
                let job = self.update_job(location, request.retrieve_date, tries, None);
                self.extension.jobs.update(job);
            }
            Err(_told) => {
                let failed = FirmwareStatus::DownloadFailed;
                self.station
                    .tell(FirmwareStatusNotificationRequest::new(failed));
            }
        }
        UpdateFirmwareResponse::default()
    }

    pub(super) async fn signed_firmware_asked(
        &mut self,
        request: &SignedUpdateFirmwareRequest,
    ) -> SignedUpdateFirmwareResponse {
        let (firmware, now) = (&request.firmware, self.clock.now().wall);
        let roots = self
            .extension
            .security
            .installed(ocpp::v16::CertificateUse::ManufacturerRootCertificate);
        let signer = certificates::check_signer(firmware.signing_certificate.as_str(), &roots, now);
        let signer = match signer {
            Ok(signer) => signer,
            Err(why) => {
                tracing::warn!("A firmware signing certificate is refused: {why}");
                self.note(Kind::InvalidFirmwareSigningCertificate, &why)
                    .await;
                let refused = SignedUpdateFirmwareStatus::InvalidCertificate;
                return SignedUpdateFirmwareResponse::new(refused);
            }
        };
        let Ok(location) = self.location(firmware.location.as_str()) else {
            return SignedUpdateFirmwareResponse::new(SignedUpdateFirmwareStatus::Rejected);
        };
        let tries = Tries::new(request.retries, request.retry_interval);
        let signed = firmware::Signed {
            request_id: request.request_id,
            signer,
            signature: firmware.signature.as_str().to_owned(),
        };
        let job = self.update_job(location, firmware.retrieve_date_time, tries, Some(signed));
        let status = if self.extension.jobs.update(job) {
            SignedUpdateFirmwareStatus::AcceptedCanceled
        } else {
            SignedUpdateFirmwareStatus::Accepted
        };
        SignedUpdateFirmwareResponse::new(status)
    }

    fn update_job(
        &self,
        location: Location,
        begin: Time,
        tries: Tries,
        signed: Option<firmware::Signed>,
    ) -> firmware::Job {
        let ahead = begin.unix_ms() - self.clock.now().wall.0;
        let ahead = Duration::from_millis(u64::try_from(ahead).unwrap_or(0));
        let charge_point = self.endpoint.charge_point.clone();
        firmware::Job {
            location,
            begin: Instant::now() + ahead.min(AHEAD_MAX),
            tries,
            file: firmware::file(&self.extension.jobs.data_dir, &charge_point),
            signed,
            charge_point,
        }
    }

    /// Where a file goes or comes from; what is not served is told in the log.
    fn location(&self, text: &str) -> Result<Location, Failed> {
        let security = &self.extension.security;
        let location = Location::parse(text, || security.transfer_tls());
        location.inspect_err(|why| {
            tracing::warn!(
                charge_point.id = %self.endpoint.charge_point,
                "The central system names a location that cannot be used: {why}"
            );
        })
    }
}
