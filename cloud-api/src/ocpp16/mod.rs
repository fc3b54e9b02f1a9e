//! The central system of OCPP 1.6: answers every call of a charge point. What a charge point that
//! connects itself tells is booked as a gateway's facts are; of one behind a gateway only its
//! transactions are noted, because its gateway alone writes its sessions and its status.

mod authorize;
mod boot;
mod limit;
mod meter;
pub mod orders;
mod security;
mod status;
mod transaction;
mod upkeep;

use std::sync::Arc;

use jiff::Timestamp;
use ocpp::v16::{
    DataTransferResponse, DataTransferStatus, DiagnosticsStatusNotificationResponse,
    FirmwareStatusNotificationResponse, LogStatusNotificationResponse, Request, Response,
    SecurityEventNotificationResponse, SignCertificateResponse,
    SignedFirmwareStatusNotificationResponse, V16,
};
use ocpp::{ErrorCode, Time};

use crate::certificate::Authority;
use crate::clock::Clock;
use crate::command::Commands;
use crate::db::{Db, DbError};
use crate::fleet::Fleet;
use crate::fresh::Fresh;
use crate::id::OrganisationId;
use crate::id_token::IdTokens;
use crate::ingest::apply::{Fault, Step, run};
use crate::station::{Answering, Refused, SecurityEvents, Station, Stations, System};

pub use limit::PowerLimit;
pub(crate) use upkeep::taken;
pub use upkeep::{Abilities, Upkeep};

/// How often a charge point shows that it is alive, in seconds.
pub const HEARTBEAT_INTERVAL_S: i64 = 300;

/// The central system; clones share it.
#[derive(Debug, Clone)]
pub struct Central(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    db: Db,
    fleet: Fleet,
    clock: Clock,
    id_tokens: IdTokens,
    commands: Commands,
    upkeep: Upkeep,
    authority: Option<Fresh<Authority>>,
    events: SecurityEvents,
}

/// A station that somebody has registered.
#[derive(Debug)]
struct Known {
    station: Arc<Station>,
    organisation: OrganisationId,
}

impl System<V16> for Central {
    fn answer(&self, station: &Arc<Station>, request: Request) -> Answering<V16> {
        let (central, station) = (self.clone(), Arc::clone(station));
        Box::pin(async move {
            match station.organisation.clone() {
                Some(organisation) => {
                    let known = Known {
                        station,
                        organisation,
                    };
                    central.answer_known(&known, request).await
                }
                None => central.answer_held(&request),
            }
        })
    }
}

impl Central {
    /// A central system on this database and fleet, for these stations; without an authority it signs no
    /// certificates.
    #[must_use]
    pub fn new(
        db: Db,
        fleet: Fleet,
        clock: Clock,
        id_tokens: IdTokens,
        commands: Commands,
        stations: Stations,
        authority: Option<Fresh<Authority>>,
    ) -> Self {
        let upkeep = Upkeep::new(db.clone(), clock.clone(), stations, id_tokens.clone());
        let events = SecurityEvents::new(db.clone());
        Self(Arc::new(Parts {
            db,
            fleet,
            clock,
            id_tokens,
            commands,
            upkeep,
            authority,
            events,
        }))
    }

    /// What it keeps up at its stations by itself, to be run.
    #[must_use]
    pub fn upkeep(&self) -> Upkeep {
        self.0.upkeep.clone()
    }

    async fn answer_known(&self, known: &Known, request: Request) -> Result<Response, Refused> {
        Ok(match request {
            Request::Authorize(request) => self.authorize(known, &request).await?.into(),
            Request::BootNotification(request) => self.boot(known, &request).await?.into(),
            Request::Heartbeat(_) => self.heartbeat()?.into(),
            Request::StatusNotification(request) => self.status(known, &request).await?.into(),
            Request::StartTransaction(request) => self.start(known, &request).await?.into(),
            Request::MeterValues(request) => self.meter_values(known, &request).await?.into(),
            Request::StopTransaction(request) => self.stop(known, &request).await?.into(),
            Request::DataTransfer(_) => unknown_vendor().into(),
            Request::DiagnosticsStatusNotification(request) => {
                let status = request.status.as_str();
                self.diagnostics_status(known, status).await?;
                DiagnosticsStatusNotificationResponse::default().into()
            }
            Request::LogStatusNotification(request) => {
                let status = request.status.as_str();
                self.diagnostics_status(known, status).await?;
                LogStatusNotificationResponse::default().into()
            }
            Request::FirmwareStatusNotification(request) => {
                self.firmware_status(known, request.status.as_str()).await?;
                FirmwareStatusNotificationResponse::default().into()
            }
            Request::SignedFirmwareStatusNotification(request) => {
                self.firmware_status(known, request.status.as_str()).await?;
                SignedFirmwareStatusNotificationResponse::default().into()
            }
            Request::SecurityEventNotification(request) => {
                self.security_event(known, &request).await?;
                SecurityEventNotificationResponse::default().into()
            }
            Request::SignCertificate(request) => {
                let status = self.sign(known, request.csr.as_str()).await?;
                SignCertificateResponse::new(status).into()
            }
            other @ (Request::CancelReservation(_)
            | Request::CertificateSigned(_)
            | Request::ChangeAvailability(_)
            | Request::ChangeConfiguration(_)
            | Request::ClearCache(_)
            | Request::ClearChargingProfile(_)
            | Request::DeleteCertificate(_)
            | Request::ExtendedTriggerMessage(_)
            | Request::GetCompositeSchedule(_)
            | Request::GetConfiguration(_)
            | Request::GetDiagnostics(_)
            | Request::GetInstalledCertificateIds(_)
            | Request::GetLocalListVersion(_)
            | Request::GetLog(_)
            | Request::InstallCertificate(_)
            | Request::RemoteStartTransaction(_)
            | Request::RemoteStopTransaction(_)
            | Request::ReserveNow(_)
            | Request::Reset(_)
            | Request::SendLocalList(_)
            | Request::SetChargingProfile(_)
            | Request::SignedUpdateFirmware(_)
            | Request::TriggerMessage(_)
            | Request::UnlockConnector(_)
            | Request::UpdateFirmware(_)) => return Err(not_ours(&other)),
        })
    }

    /// A charge point that nobody has registered is told to wait, and nothing it tells is kept.
    fn answer_held(&self, request: &Request) -> Result<Response, Refused> {
        if matches!(request, Request::BootNotification(_)) {
            return Ok(self.pending()?.into());
        }
        Err(Refused::new(
            ErrorCode::SecurityError,
            "nobody has registered this charge point yet",
        ))
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The present moment as OCPP writes it.
    fn time(&self) -> Result<Time, Refused> {
        let time = Time::from_unix_ms(self.now().as_millisecond());
        time.ok_or_else(|| Refused::new(ErrorCode::InternalError, "the clock is wrong"))
    }

    /// Runs steps as one transaction, and shows what they changed.
    async fn book(&self, known: &Known, steps: Vec<Step>) -> Result<(), Refused> {
        let updates = run(&self.0.db, steps).await.map_err(failed)?;
        self.0.fleet.apply(&known.organisation, updates);
        Ok(())
    }
}

fn unknown_vendor() -> DataTransferResponse {
    DataTransferResponse::new(DataTransferStatus::UnknownVendorId)
}

fn not_ours(request: &Request) -> Refused {
    use ocpp::Payload as _;
    let action = request.action();
    Refused::new(
        ErrorCode::NotSupported,
        format!("{action} is for charge points"),
    )
}

/// A failure of the database: the charge point tries again, as the protocol has it.
fn failed(error: DbError) -> Refused {
    tracing::error!(%error, "What a charge point told could not be stored");
    Refused::new(
        ErrorCode::InternalError,
        "it cannot be stored now; try again",
    )
}

fn unfit(fault: Fault) -> Refused {
    match fault {
        Fault::Db(error) => failed(error),
        Fault::Unfit(why) => Refused::new(ErrorCode::PropertyConstraintViolation, why),
    }
}

/// Milliseconds of a time that a charge point told.
fn ms(time: Time) -> i64 {
    time.unix_ms()
}
