//! Change ↔ model. Out is total; in, bad input stops here with the name of its field.

use site_model as model;
use site_model::{
    Announcement, Command, CommandKind, ConnectorAnnouncement, ConnectorStatus, ConnectorType,
    DeviceFault, EnergySource, LimitOwner, Milliamps, Monotonic, Outcome, Reconstruction,
    RefusalReason, Reservation, ReservationEnd, ReservationId, StopReason, WallTime, WattHours,
    Watts,
};

use super::{AnnouncedConnector, BadField, CentralSystem, Change, Order, Reconstructed, field};

impl From<&model::Change> for Change {
    #[expect(clippy::too_many_lines, reason = "a flat table, one arm per change")]
    fn from(change: &model::Change) -> Self {
        use model::Change as M;
        match change {
            M::ChargePointAnnounced(announcement) => Self::ChargePointAnnounced {
                charge_point_id: announcement.charge_point.to_string(),
                vendor: announcement.vendor.clone(),
                model: announcement.model.clone(),
                connectors: announcement
                    .connectors
                    .iter()
                    .map(AnnouncedConnector::from)
                    .collect(),
                central_system: announcement
                    .central_system
                    .as_ref()
                    .map(|central| CentralSystem {
                        address: central.address.clone(),
                        external: central.external,
                    }),
            },
            M::DeviceOnline {
                charge_point,
                connector,
                serial,
                firmware,
            } => Self::DeviceOnline {
                charge_point_id: charge_point.to_string(),
                connector_id: connector.get(),
                serial: serial.clone(),
                firmware: firmware.clone(),
            },
            M::DeviceOffline {
                charge_point,
                connector,
                fault,
            } => Self::DeviceOffline {
                charge_point_id: charge_point.to_string(),
                connector_id: connector.get(),
                message: fault.message.clone(),
                remedy: fault.remedy.clone(),
            },
            M::StatusChanged {
                charge_point,
                connector,
                status,
                error_code,
            } => Self::StatusChanged {
                charge_point_id: charge_point.to_string(),
                connector_id: connector.get(),
                status: status.to_string(),
                error_code: *error_code,
            },
            M::AvailabilityChanged {
                charge_point,
                connector,
                operative,
            } => Self::AvailabilityChanged {
                charge_point_id: charge_point.to_string(),
                connector_id: connector.get(),
                operative: *operative,
            },
            M::AuthorizationChanged {
                charge_point,
                connector,
                id_tag,
            } => Self::AuthorizationChanged {
                charge_point_id: charge_point.to_string(),
                connector_id: connector.get(),
                id_tag: id_tag.as_ref().map(ToString::to_string),
            },
            M::SessionStarted {
                session,
                charge_point,
                connector,
                id_tag,
                meter_start,
                source,
                billing_grade,
                reservation,
            } => Self::SessionStarted {
                session_id: session.to_string(),
                charge_point_id: charge_point.to_string(),
                connector_id: connector.get(),
                id_tag: id_tag.to_string(),
                meter_start_wh: meter_start.0,
                energy_source: source.to_string(),
                billing_grade: *billing_grade,
                reservation_id: reservation.map(|reservation| reservation.0),
            },
            M::MeterRead { session, meter } => Self::MeterRead {
                session_id: session.to_string(),
                meter_wh: meter.0,
            },
            M::SessionEnded {
                session,
                charge_point,
                connector,
                meter_stop,
                reason,
                id_tag,
                reconstructed,
            } => Self::SessionEnded {
                session_id: session.to_string(),
                charge_point_id: charge_point.to_string(),
                connector_id: connector.get(),
                meter_stop_wh: meter_stop.0,
                stop_reason: reason.to_string(),
                id_tag: id_tag.as_ref().map(ToString::to_string),
                reconstructed: reconstructed.map(|bounds| Reconstructed {
                    not_before_ms: bounds.not_before.0,
                    not_after_ms: bounds.not_after.0,
                }),
            },
            M::SessionDisowned {
                session,
                up_to,
                ends,
            } => Self::SessionDisowned {
                session_id: session.to_string(),
                up_to_wh: up_to.0,
                ends: *ends,
            },
            M::RegisterTied {
                charge_point,
                connector,
                raw,
                total,
            } => Self::RegisterTied {
                charge_point_id: charge_point.to_string(),
                connector_id: connector.get(),
                raw_wh: raw.0,
                total_wh: total.0,
            },
            M::EnergyUnattributed {
                charge_point,
                connector,
                from,
                to,
            } => Self::EnergyUnattributed {
                charge_point_id: charge_point.to_string(),
                connector_id: connector.get(),
                from_wh: from.0,
                to_wh: to.0,
            },
            M::LimitGranted {
                charge_point,
                connector,
                limit,
                owner,
            } => Self::LimitGranted {
                charge_point_id: charge_point.to_string(),
                connector_id: connector.get(),
                limit_ma: limit.0,
                owner: owner.to_string(),
            },
            M::ProfileLimitChanged {
                charge_point,
                connector,
                limit,
            } => Self::ProfileLimitChanged {
                charge_point_id: charge_point.to_string(),
                connector_id: connector.get(),
                limit_ma: limit.map(|limit| limit.0),
            },
            M::CommandOpened(command) => Self::CommandOpened {
                command_id: command.id.to_string(),
                charge_point_id: command.charge_point.to_string(),
                connector_id: command.connector.get(),
                order: Order::from(&command.kind),
                expires_at_monotonic_ms: command.expires_at.0,
            },
            M::CommandClosed { id, outcome } => Self::CommandClosed {
                command_id: id.to_string(),
                outcome: outcome_word(*outcome).to_owned(),
                reason: refusal(*outcome).map(|reason| reason.as_str().to_owned()),
            },
            M::ReservationMade(kept) => Self::ReservationMade {
                charge_point_id: kept.charge_point.to_string(),
                reservation_id: kept.id.0,
                connector_id: kept.connector.map(model::ConnectorId::get),
                id_tag: kept.id_tag.to_string(),
                parent_id_tag: kept.parent.as_ref().map(ToString::to_string),
                expires_at_ms: kept.expires.0,
            },
            M::ReservationEnded {
                charge_point,
                reservation,
                end,
            } => Self::ReservationEnded {
                charge_point_id: charge_point.to_string(),
                reservation_id: reservation.0,
                end: end.to_string(),
            },
            M::ClosingScheduled {
                charge_point,
                connector,
                scheduled,
            } => Self::ClosingScheduled {
                charge_point_id: charge_point.to_string(),
                connector_id: connector.get(),
                scheduled: *scheduled,
            },
            M::TransactionAssigned {
                session,
                transaction_id,
            } => Self::TransactionAssigned {
                session_id: session.to_string(),
                transaction_id: *transaction_id,
            },
            M::JournalSalvaged {
                damaged,
                carried,
                lost,
                problem,
            } => Self::JournalSalvaged {
                damaged_journal_id: damaged.as_ref().map(ToString::to_string),
                carried_facts: *carried,
                lost_facts: *lost,
                problem: problem.clone(),
            },
            M::ClockCorrected { boot, offset_ms } => Self::ClockCorrected {
                corrected_boot: boot.to_string(),
                offset_ms: *offset_ms,
            },
        }
    }
}

impl TryFrom<Change> for model::Change {
    type Error = BadField;

    #[expect(clippy::too_many_lines, reason = "a flat table, one arm per change")]
    fn try_from(change: Change) -> Result<Self, BadField> {
        Ok(match change {
            Change::ChargePointAnnounced {
                charge_point_id,
                vendor,
                model,
                connectors,
                central_system,
            } => Self::ChargePointAnnounced(Announcement {
                charge_point: field::charge_point(&charge_point_id)?,
                vendor,
                model,
                connectors: connectors
                    .iter()
                    .map(ConnectorAnnouncement::try_from)
                    .collect::<Result<_, _>>()?,
                central_system: central_system.map(|central| model::CentralSystem {
                    address: central.address,
                    external: central.external,
                }),
            }),
            Change::DeviceOnline {
                charge_point_id,
                connector_id,
                serial,
                firmware,
            } => Self::DeviceOnline {
                charge_point: field::charge_point(&charge_point_id)?,
                connector: field::connector(connector_id)?,
                serial,
                firmware,
            },
            Change::DeviceOffline {
                charge_point_id,
                connector_id,
                message,
                remedy,
            } => Self::DeviceOffline {
                charge_point: field::charge_point(&charge_point_id)?,
                connector: field::connector(connector_id)?,
                fault: DeviceFault { message, remedy },
            },
            Change::StatusChanged {
                charge_point_id,
                connector_id,
                status,
                error_code,
            } => Self::StatusChanged {
                charge_point: field::charge_point(&charge_point_id)?,
                connector: field::connector(connector_id)?,
                status: field::word("status", &status, ConnectorStatus::parse)?,
                error_code,
            },
            Change::AvailabilityChanged {
                charge_point_id,
                connector_id,
                operative,
            } => Self::AvailabilityChanged {
                charge_point: field::charge_point(&charge_point_id)?,
                connector: field::connector(connector_id)?,
                operative,
            },
            Change::AuthorizationChanged {
                charge_point_id,
                connector_id,
                id_tag,
            } => Self::AuthorizationChanged {
                charge_point: field::charge_point(&charge_point_id)?,
                connector: field::connector(connector_id)?,
                id_tag: id_tag.as_deref().map(field::id_tag).transpose()?,
            },
            Change::SessionStarted {
                session_id,
                charge_point_id,
                connector_id,
                id_tag,
                meter_start_wh,
                energy_source,
                billing_grade,
                reservation_id,
            } => Self::SessionStarted {
                session: field::session(&session_id)?,
                charge_point: field::charge_point(&charge_point_id)?,
                connector: field::connector(connector_id)?,
                id_tag: field::id_tag(&id_tag)?,
                meter_start: WattHours(meter_start_wh),
                source: field::word("energy_source", &energy_source, EnergySource::parse)?,
                billing_grade,
                reservation: reservation_id.map(ReservationId),
            },
            Change::MeterRead {
                session_id,
                meter_wh,
            } => Self::MeterRead {
                session: field::session(&session_id)?,
                meter: WattHours(meter_wh),
            },
            Change::SessionEnded {
                session_id,
                charge_point_id,
                connector_id,
                meter_stop_wh,
                stop_reason,
                id_tag,
                reconstructed,
            } => Self::SessionEnded {
                session: field::session(&session_id)?,
                charge_point: field::charge_point(&charge_point_id)?,
                connector: field::connector(connector_id)?,
                meter_stop: WattHours(meter_stop_wh),
                reason: field::word("stop_reason", &stop_reason, StopReason::parse)?,
                id_tag: id_tag.as_deref().map(field::id_tag).transpose()?,
                reconstructed: reconstructed.map(|bounds| Reconstruction {
                    not_before: WallTime(bounds.not_before_ms),
                    not_after: WallTime(bounds.not_after_ms),
                }),
            },
            Change::SessionDisowned {
                session_id,
                up_to_wh,
                ends,
            } => Self::SessionDisowned {
                session: field::session(&session_id)?,
                up_to: WattHours(up_to_wh),
                ends,
            },
            Change::RegisterTied {
                charge_point_id,
                connector_id,
                raw_wh,
                total_wh,
            } => Self::RegisterTied {
                charge_point: field::charge_point(&charge_point_id)?,
                connector: field::connector(connector_id)?,
                raw: WattHours(raw_wh),
                total: WattHours(total_wh),
            },
            Change::EnergyUnattributed {
                charge_point_id,
                connector_id,
                from_wh,
                to_wh,
            } => Self::EnergyUnattributed {
                charge_point: field::charge_point(&charge_point_id)?,
                connector: field::connector(connector_id)?,
                from: WattHours(from_wh),
                to: WattHours(to_wh),
            },
            Change::LimitGranted {
                charge_point_id,
                connector_id,
                limit_ma,
                owner,
            } => Self::LimitGranted {
                charge_point: field::charge_point(&charge_point_id)?,
                connector: field::connector(connector_id)?,
                limit: Milliamps(limit_ma),
                owner: field::word("owner", &owner, LimitOwner::parse)?,
            },
            Change::ProfileLimitChanged {
                charge_point_id,
                connector_id,
                limit_ma,
            } => Self::ProfileLimitChanged {
                charge_point: field::charge_point(&charge_point_id)?,
                connector: field::connector(connector_id)?,
                limit: limit_ma.map(Milliamps),
            },
            Change::CommandOpened {
                command_id,
                charge_point_id,
                connector_id,
                order,
                expires_at_monotonic_ms,
            } => Self::CommandOpened(Command {
                id: field::command(&command_id)?,
                charge_point: field::charge_point(&charge_point_id)?,
                connector: field::connector(connector_id)?,
                kind: CommandKind::try_from(&order)?,
                expires_at: Monotonic(expires_at_monotonic_ms),
            }),
            Change::CommandClosed {
                command_id,
                outcome,
                reason,
            } => Self::CommandClosed {
                id: field::command(&command_id)?,
                outcome: outcome_of(&outcome, reason.as_deref())?,
            },
            Change::ReservationMade {
                charge_point_id,
                reservation_id,
                connector_id,
                id_tag,
                parent_id_tag,
                expires_at_ms,
            } => Self::ReservationMade(Reservation {
                charge_point: field::charge_point(&charge_point_id)?,
                id: ReservationId(reservation_id),
                connector: connector_id.map(field::connector).transpose()?,
                id_tag: field::id_tag(&id_tag)?,
                parent: parent_id_tag.as_deref().map(field::id_tag).transpose()?,
                expires: WallTime(expires_at_ms),
            }),
            Change::ReservationEnded {
                charge_point_id,
                reservation_id,
                end,
            } => Self::ReservationEnded {
                charge_point: field::charge_point(&charge_point_id)?,
                reservation: ReservationId(reservation_id),
                end: field::word("end", &end, ReservationEnd::parse)?,
            },
            Change::ClosingScheduled {
                charge_point_id,
                connector_id,
                scheduled,
            } => Self::ClosingScheduled {
                charge_point: field::charge_point(&charge_point_id)?,
                connector: field::connector(connector_id)?,
                scheduled,
            },
            Change::TransactionAssigned {
                session_id,
                transaction_id,
            } => Self::TransactionAssigned {
                session: field::session(&session_id)?,
                transaction_id,
            },
            Change::JournalSalvaged {
                damaged_journal_id,
                carried_facts,
                lost_facts,
                problem,
            } => Self::JournalSalvaged {
                damaged: damaged_journal_id
                    .as_deref()
                    .map(field::journal)
                    .transpose()?,
                carried: carried_facts,
                lost: lost_facts,
                problem,
            },
            Change::ClockCorrected {
                corrected_boot,
                offset_ms,
            } => Self::ClockCorrected {
                boot: field::boot("corrected_boot", &corrected_boot)?,
                offset_ms,
            },
        })
    }
}

impl From<&CommandKind> for Order {
    fn from(kind: &CommandKind) -> Self {
        match kind {
            CommandKind::StartSession { id_tag, parent } => Self::StartSession {
                id_tag: id_tag.to_string(),
                parent_id_tag: parent.as_ref().map(ToString::to_string),
            },
            CommandKind::StopSession { reason } => Self::StopSession {
                stop_reason: (*reason != StopReason::Local).then(|| reason.to_string()),
            },
            CommandKind::StopByTag { id_tag } => Self::StopByTag {
                id_tag: id_tag.to_string(),
            },
            CommandKind::SetLimit { limit } => Self::SetLimit { limit_ma: limit.0 },
            CommandKind::ClearLimit => Self::ClearLimit,
            CommandKind::SetAvailable => Self::SetAvailable,
            CommandKind::SetUnavailable => Self::SetUnavailable,
            CommandKind::Reset { hard } => Self::Reset { hard: *hard },
        }
    }
}

impl TryFrom<&Order> for CommandKind {
    type Error = BadField;

    fn try_from(order: &Order) -> Result<Self, BadField> {
        Ok(match order {
            Order::StartSession {
                id_tag,
                parent_id_tag,
            } => Self::StartSession {
                id_tag: field::id_tag(id_tag)?,
                parent: parent_id_tag.as_deref().map(field::id_tag).transpose()?,
            },
            Order::StopSession { stop_reason } => Self::StopSession {
                reason: stop_reason
                    .as_deref()
                    .map_or(Ok(StopReason::Local), |reason| {
                        field::word("stop_reason", reason, StopReason::parse)
                    })?,
            },
            Order::StopByTag { id_tag } => Self::StopByTag {
                id_tag: field::id_tag(id_tag)?,
            },
            Order::SetLimit { limit_ma } => Self::SetLimit {
                limit: Milliamps(*limit_ma),
            },
            Order::ClearLimit => Self::ClearLimit,
            Order::SetAvailable => Self::SetAvailable,
            Order::SetUnavailable => Self::SetUnavailable,
            Order::Reset { hard } => Self::Reset { hard: *hard },
        })
    }
}

impl From<&ConnectorAnnouncement> for AnnouncedConnector {
    fn from(connector: &ConnectorAnnouncement) -> Self {
        Self {
            connector_id: connector.connector.get(),
            kind: connector.kind.to_string(),
            max_power_w: connector.max_power.0,
        }
    }
}

impl TryFrom<&AnnouncedConnector> for ConnectorAnnouncement {
    type Error = BadField;

    fn try_from(connector: &AnnouncedConnector) -> Result<Self, BadField> {
        Ok(Self {
            connector: field::connector(connector.connector_id)?,
            kind: field::word("type", &connector.kind, ConnectorType::parse)?,
            max_power: Watts(connector.max_power_w),
        })
    }
}

/// The outcome as messages spell it; the reason of a refusal stands beside it.
fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "applied",
        Outcome::Expired => "expired",
        Outcome::Superseded => "superseded",
        Outcome::Refused(_) => "refused",
    }
}

fn refusal(outcome: Outcome) -> Option<RefusalReason> {
    match outcome {
        Outcome::Refused(reason) => Some(reason),
        Outcome::Applied | Outcome::Expired | Outcome::Superseded => None,
    }
}

fn outcome_of(outcome: &str, reason: Option<&str>) -> Result<Outcome, BadField> {
    match (outcome, reason) {
        ("applied", None) => Ok(Outcome::Applied),
        ("expired", None) => Ok(Outcome::Expired),
        ("superseded", None) => Ok(Outcome::Superseded),
        ("refused", Some(reason)) => {
            field::word("reason", reason, RefusalReason::parse).map(Outcome::Refused)
        }
        ("refused", None) => Err(BadField::new(
            "reason",
            "a refused command needs its reason",
        )),
        ("applied" | "expired" | "superseded", Some(_)) => Err(BadField::new(
            "reason",
            format!("only a refused command has a reason, this one is `{outcome}`"),
        )),
        (unknown, _) => Err(BadField::new(
            "outcome",
            format!("`{unknown}` is no word this version knows"),
        )),
    }
}
