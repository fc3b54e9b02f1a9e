//! From the journal's facts to OCPP messages: there is no other source of what a central system is
//! told about sessions and connectors.

use ocpp::v16::{
    ChargePointErrorCode, ChargePointStatus, Measurand, MeterValue, MeterValuesRequest,
    ReadingContext, Reason, SampledValue, StartTransactionRequest, StatusNotificationRequest,
    StopTransactionRequest, UnitOfMeasure,
};
use ocpp::{SomeOf, Text, Time};
use site_model::{Change, ConnectorId, ConnectorStatus, SessionId, StopReason, WattHours};

use crate::queue::Message;

/// What a fact leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Telling {
    /// A message about a transaction: it is queued, in the order of the facts.
    Transaction {
        /// Of which session.
        session: SessionId,
        /// What to tell.
        message: Message,
    },
    /// The state of a connector: only the latest is worth telling.
    Status(StatusNotificationRequest),
}

/// What a fact leads to, if a central system is to know of it. `at` is the fact's time, corrected;
/// facts wait here until the time is known. `connector_of` finds the connector of a running
/// session.
#[must_use]
pub fn telling(
    change: &Change,
    at: Time,
    connector_of: impl Fn(&SessionId) -> Option<ConnectorId>,
) -> Option<Telling> {
    let (session, message) = match change {
        Change::SessionStarted {
            session,
            connector,
            id_tag,
            meter_start,
            ..
        } => {
            // Both are 1 to 20 characters; cutting changes nothing.
            let id_tag = Text::cut(id_tag.as_str());
            let number = i64::from(connector.get());
            let start = StartTransactionRequest::new(number, id_tag, wh(*meter_start), at);
            (session, Message::Start(start))
        }
        Change::MeterRead { session, meter } => {
            let connector = connector_of(session)?;
            let values = SomeOf::new(vec![register_at(at, *meter)?]).ok()?;
            let meter = MeterValuesRequest::new(i64::from(connector.get()), values);
            (session, Message::Meter(meter))
        }
        Change::SessionEnded {
            session,
            meter_stop,
            reason,
            ..
        } => {
            // The queue fills the transaction's id in.
            let mut stop = StopTransactionRequest::new(wh(*meter_stop), at, 0);
            stop.reason = Some(reason_of(*reason));
            (session, Message::Stop(stop))
        }
        Change::StatusChanged {
            connector,
            status,
            error_code,
            ..
        } => {
            return Some(Telling::Status(status_of(
                *connector,
                *status,
                *error_code,
                at,
            )));
        }
        Change::ChargePointAnnounced(_)
        | Change::DeviceOnline { .. }
        | Change::DeviceOffline { .. }
        | Change::AvailabilityChanged { .. }
        | Change::AuthorizationChanged { .. }
        | Change::RegisterTied { .. }
        | Change::EnergyUnattributed { .. }
        | Change::LimitGranted { .. }
        | Change::CommandOpened(_)
        | Change::CommandClosed { .. }
        | Change::ClockCorrected { .. } => return None,
    };
    Some(Telling::Transaction {
        session: session.clone(),
        message,
    })
}

fn wh(meter: WattHours) -> i64 {
    i64::try_from(meter.0).unwrap_or(i64::MAX)
}

/// The register at a quarter hour of the clock.
fn register_at(at: Time, meter: WattHours) -> Option<MeterValue> {
    let mut sample = SampledValue::new(meter.0.to_string());
    sample.context = Some(ReadingContext::SampleClock);
    sample.measurand = Some(Measurand::EnergyActiveImportRegister);
    sample.unit = Some(UnitOfMeasure::Wh);
    Some(MeterValue::new(SomeOf::new(vec![sample]).ok()?, at))
}

fn reason_of(reason: StopReason) -> Reason {
    match reason {
        StopReason::EvDisconnected => Reason::EVDisconnected,
        StopReason::Local => Reason::Local,
        StopReason::Remote => Reason::Remote,
        StopReason::DeAuthorized => Reason::DeAuthorized,
        StopReason::PowerLoss => Reason::PowerLoss,
        StopReason::Reboot => Reason::Reboot,
        StopReason::Other => Reason::Other,
    }
}

fn status_of(
    connector: ConnectorId,
    status: ConnectorStatus,
    error_code: Option<u32>,
    at: Time,
) -> StatusNotificationRequest {
    let (status, fault) = match status {
        ConnectorStatus::Available => (ChargePointStatus::Available, false),
        ConnectorStatus::Preparing => (ChargePointStatus::Preparing, false),
        ConnectorStatus::Charging => (ChargePointStatus::Charging, false),
        ConnectorStatus::SuspendedEvse => (ChargePointStatus::SuspendedEVSE, false),
        ConnectorStatus::SuspendedEv => (ChargePointStatus::SuspendedEV, false),
        ConnectorStatus::Finishing => (ChargePointStatus::Finishing, false),
        ConnectorStatus::Reserved => (ChargePointStatus::Reserved, false),
        ConnectorStatus::Unavailable => (ChargePointStatus::Unavailable, false),
        ConnectorStatus::Faulted => (ChargePointStatus::Faulted, true),
    };
    let told = error_code.filter(|code| *code != 0);
    let error = if fault || told.is_some() {
        ChargePointErrorCode::OtherError
    } else {
        ChargePointErrorCode::NoError
    };
    let mut request = StatusNotificationRequest::new(i64::from(connector.get()), error, status);
    request.timestamp = Some(at);
    request.vendor_error_code = told.map(|code| Text::cut(&code.to_string()));
    request
}
