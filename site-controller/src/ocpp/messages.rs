//! Facts of a session as messages of OCPP 1.6. Energy is the connector's monotone register in Wh.

use ocpp::v16::{
    Measurand, MeterValue, MeterValuesRequest, ReadingContext, Reason, SampledValue,
    StartTransactionRequest, StopTransactionRequest, UnitOfMeasure,
};
use ocpp::{SomeOf, Text, Time};
use site_model::{Change, StopReason, WattHours};
use station::queue::Message;

/// The message that tells a fact which became true at `time`; `connector` is that of its session,
/// as far as the fact does not say it. `None` for a fact that no message tells, and for what does
/// not fit a message (no register counts beyond 2^63 Wh).
pub(super) fn message(change: &Change, time: Time, connector: u8) -> Option<Message> {
    if let Change::SessionStarted {
        connector,
        id_tag,
        meter_start,
        reservation,
        ..
    } = change
    {
        let mut request = StartTransactionRequest::new(
            i64::from(connector.get()),
            Text::new(id_tag.as_str()).ok()?,
            wh(*meter_start)?,
            time,
        );
        request.reservation_id = reservation.map(|reservation| reservation.0);
        return Some(Message::Start(request));
    }
    if let Change::MeterRead { meter, .. } = change {
        let value = MeterValue::new(SomeOf::new(vec![register(*meter)]).ok()?, time);
        let values = SomeOf::new(vec![value]).ok()?;
        let request = MeterValuesRequest::new(i64::from(connector), values);
        return Some(Message::Meter(request));
    }
    if let Change::SessionEnded {
        meter_stop,
        reason,
        id_tag,
        ..
    } = change
    {
        // The transaction's id is filled in when it is sent.
        let mut request = StopTransactionRequest::new(wh(*meter_stop)?, time, 0);
        request.reason = Some(reason_of(*reason));
        let id_tag = id_tag.as_ref();
        request.id_tag = id_tag.and_then(|id_tag| Text::new(id_tag.as_str()).ok());
        return Some(Message::Stop(request));
    }
    None
}

fn wh(energy: WattHours) -> Option<i64> {
    i64::try_from(energy.0).ok()
}

fn register(energy: WattHours) -> SampledValue {
    let mut value = SampledValue::new(energy.0.to_string());
    value.context = Some(ReadingContext::SampleClock);
    value.measurand = Some(Measurand::EnergyActiveImportRegister);
    value.unit = Some(UnitOfMeasure::Wh);
    value
}

fn reason_of(reason: StopReason) -> Reason {
    match reason {
        StopReason::EvDisconnected => Reason::EVDisconnected,
        StopReason::Local => Reason::Local,
        StopReason::Remote => Reason::Remote,
        StopReason::DeAuthorized => Reason::DeAuthorized,
        StopReason::PowerLoss => Reason::PowerLoss,
        StopReason::Reboot => Reason::Reboot,
        StopReason::SoftReset => Reason::SoftReset,
        StopReason::HardReset => Reason::HardReset,
        StopReason::Other => Reason::Other,
    }
}
