//! The journaled state: a fold over facts, with `apply` as its only writer. Nothing observed and
//! nothing timed lives here; see `live` for that.

use std::collections::BTreeMap;

use site_model::{
    Announcement, BootId, Change, ChargePointId, Command, CommandId, CommandKind, ConnectorId,
    ConnectorStatus, DeviceFault, EnergySource, Fact, IdTag, LimitOwner, Milliamps, Reconstruction,
    Reservation, ReservationId, SessionId, StopReason, Timestamp, WallTime, WattHours,
};

use crate::commands::CommandLog;
use crate::energy::Register;

/// A value and when it became true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamped<T> {
    pub(crate) at: Timestamp,
    pub(crate) value: T,
}

/// Names one connector of the site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) charge_point: ChargePointId,
    pub(crate) connector: ConnectorId,
}

/// Who the device said it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) serial: Option<String>,
    pub(crate) firmware: Option<String>,
}

/// OCPP status with the device's own error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) status: ConnectorStatus,
    pub(crate) error_code: Option<u32>,
}

/// What the core grants and on whose word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) limit: Milliamps,
    pub(crate) owner: LimitOwner,
}

/// The limit that the last `SetLimit` asked for, in force until a later one or `ClearLimit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cap {
    pub(crate) order: CommandId,
    pub(crate) limit: Milliamps,
}

/// A running session. It is being ended while its connector's authorization is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) started: Timestamp,
    pub(crate) id_tag: IdTag,
    pub(crate) meter_start: WattHours,
    pub(crate) source: EnergySource,
    pub(crate) billing_grade: bool,
    pub(crate) reservation: Option<ReservationId>,
    pub(crate) last_read: Option<Stamped<WattHours>>,
    /// As its central system numbers it.
    pub(crate) transaction: Option<Stamped<i64>>,
    /// Its central system does not accept its tag.
    pub(crate) disowned: Option<Stamped<Disowned>>,
}

/// How far a session whose tag is not accepted may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disowned {
    pub(crate) up_to: WattHours,
    pub(crate) ends: bool,
}

/// The session that was ended while its vehicle stayed plugged in. Until the vehicle leaves, only
/// a start command begins another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) session: SessionId,
    pub(crate) meter_stop: WattHours,
    pub(crate) reason: StopReason,
    pub(crate) id_tag: Option<IdTag>,
    pub(crate) reconstructed: Option<Reconstruction>,
}

/// One connector as the journal tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ConnectorState {
    pub(crate) identity: Option<Stamped<Identity>>,
    /// Set while the device is quarantined.
    pub(crate) offline: Option<Stamped<DeviceFault>>,
    pub(crate) status: Option<Stamped<Status>>,
    /// Since when it is out of operation, if it is.
    pub(crate) out_of_operation: Option<Timestamp>,
    /// Since when it is to go out of operation with the end of its session, if it is.
    pub(crate) closing_scheduled: Option<Timestamp>,
    pub(crate) authorized: Option<Stamped<IdTag>>,
    pub(crate) session: Option<Session>,
    pub(crate) spent: Option<Stamped<Spent>>,
    pub(crate) register: Register,
    pub(crate) granted: Option<Stamped<Grant>>,
    pub(crate) cap: Option<Cap>,
    /// What charging profiles leave it, with when that was said.
    pub(crate) profile_limit: Option<Stamped<Milliamps>>,
}

impl ConnectorState {
    /// A session runs whose authorization was withdrawn: it ends once energy has stopped.
    pub(crate) fn is_ending(&self) -> bool {
        self.session.is_some() && self.authorized.is_none()
    }

    /// The limit granted now, 0 as long as none was.
    pub(crate) fn granted_limit(&self) -> Milliamps {
        self.granted
            .as_ref()
            .map_or(Milliamps::PAUSE, |grant| grant.value.limit)
    }

    /// When the journal last proves that the running session was alive.
    pub(crate) fn session_last_alive(&self) -> Option<WallTime> {
        let session = self.session.as_ref()?;
        let read = session.last_read.as_ref().map(|read| read.at.wall);
        let status = self.status.as_ref().map(|status| status.at.wall);
        Some(session.started.wall)
            .into_iter()
            .chain(read)
            .chain(status)
            .max()
    }

    /// Folds a fact about this connector into it.
    fn apply(&mut self, fact: &Fact) {
        match &fact.change {
            Change::DeviceOnline {
                serial, firmware, ..
            } => {
                let (serial, firmware) = (serial.clone(), firmware.clone());
                self.identity = Some(stamped(fact, Identity { serial, firmware }));
                self.offline = None;
            }
            Change::DeviceOffline { fault, .. } => {
                self.offline = Some(stamped(fact, fault.clone()));
            }
            Change::StatusChanged {
                status, error_code, ..
            } => {
                let (status, error_code) = (*status, *error_code);
                self.status = Some(stamped(fact, Status { status, error_code }));
            }
            Change::AvailabilityChanged { operative, .. } => {
                self.out_of_operation = (!operative).then_some(fact.at);
                self.closing_scheduled = None;
            }
            Change::ClosingScheduled { scheduled, .. } => {
                self.closing_scheduled = scheduled.then_some(fact.at);
            }
            Change::AuthorizationChanged { id_tag, .. } => self.authorize(fact, id_tag.as_ref()),
            Change::SessionStarted { .. } => self.start_session(fact),
            Change::SessionEnded { .. } => self.end_session(fact),
            Change::RegisterTied { raw, total, .. } => self.register.tie(fact.at, *raw, *total),
            Change::EnergyUnattributed { to, .. } => self.register.account_up_to(*to),
            Change::LimitGranted { limit, owner, .. } => {
                let (limit, owner) = (*limit, *owner);
                self.granted = Some(stamped(fact, Grant { limit, owner }));
            }
            Change::ProfileLimitChanged { limit, .. } => {
                self.profile_limit = limit.map(|limit| stamped(fact, limit));
            }
            Change::ChargePointAnnounced(_)
            | Change::MeterRead { .. }
            | Change::TransactionAssigned { .. }
            | Change::SessionDisowned { .. }
            | Change::CommandOpened(_)
            | Change::CommandClosed { .. }
            | Change::ReservationMade(_)
            | Change::ReservationEnded { .. }
            | Change::JournalSalvaged { .. }
            | Change::ClockCorrected { .. } => {}
        }
    }

    /// `None` without a session also says that a stopped vehicle has left.
    fn authorize(&mut self, fact: &Fact, id_tag: Option<&IdTag>) {
        if id_tag.is_none() && self.session.is_none() {
            self.spent = None;
        }
        self.authorized = id_tag.map(|id_tag| stamped(fact, id_tag.clone()));
    }

    fn start_session(&mut self, fact: &Fact) {
        let Change::SessionStarted {
            session,
            id_tag,
            meter_start,
            source,
            billing_grade,
            reservation,
            ..
        } = &fact.change
        else {
            return;
        };
        self.register.account_up_to(*meter_start);
        self.spent = None;
        self.session = Some(Session {
            id: session.clone(),
            started: fact.at,
            id_tag: id_tag.clone(),
            meter_start: *meter_start,
            source: *source,
            billing_grade: *billing_grade,
            reservation: *reservation,
            last_read: None,
            transaction: None,
            disowned: None,
        });
    }

    fn end_session(&mut self, fact: &Fact) {
        let Change::SessionEnded {
            session,
            meter_stop,
            reason,
            id_tag,
            reconstructed,
            ..
        } = &fact.change
        else {
            return;
        };
        self.register.account_up_to(*meter_stop);
        self.session = None;
        self.authorized = None;
        let spent = Spent {
            session: session.clone(),
            meter_stop: *meter_stop,
            reason: *reason,
            id_tag: id_tag.clone(),
            reconstructed: *reconstructed,
        };
        self.spent = (*reason != StopReason::EvDisconnected).then(|| stamped(fact, spent));
    }

    fn correct_clock(&mut self, boot: BootId, offset_ms: i64) {
        if let Some(session) = &mut self.session {
            correct(&mut session.started, boot, offset_ms);
            if let Some(read) = &mut session.last_read {
                correct(&mut read.at, boot, offset_ms);
            }
        }
        if let Some(status) = &mut self.status {
            correct(&mut status.at, boot, offset_ms);
        }
    }
}

/// Moves a time that was recorded during `boot` before the right time was known.
fn correct(at: &mut Timestamp, boot: BootId, offset_ms: i64) {
    if at.boot == boot && !at.wall_known {
        at.wall = WallTime(at.wall.0.saturating_add(offset_ms));
        at.wall_known = true;
    }
}

/// The whole journaled state of a site.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct State {
    pub(crate) announced: BTreeMap<ChargePointId, Stamped<Announcement>>,
    pub(crate) connectors: BTreeMap<Key, ConnectorState>,
    pub(crate) commands: CommandLog,
    pub(crate) reservations: BTreeMap<(ChargePointId, ReservationId), Stamped<Reservation>>,
}

impl State {
    /// Folds one fact into the state.
    pub(crate) fn apply(&mut self, fact: &Fact) {
        if let Some(key) = connector_of(&fact.change) {
            self.connectors.entry(key).or_default().apply(fact);
            return;
        }
        match &fact.change {
            Change::ChargePointAnnounced(announcement) => {
                self.announced.insert(
                    announcement.charge_point.clone(),
                    stamped(fact, announcement.clone()),
                );
            }
            Change::CommandOpened(command) => self.open_command(fact, command),
            Change::CommandClosed { id, outcome } => {
                let caps = self.connectors.values().filter_map(|c| c.cap.as_ref());
                let in_force: Vec<_> = caps.map(|cap| cap.order.clone()).collect();
                self.commands.close(id, fact.at, *outcome, &in_force);
            }
            Change::ClockCorrected { boot, offset_ms } => {
                for connector in self.connectors.values_mut() {
                    connector.correct_clock(*boot, *offset_ms);
                }
            }
            Change::MeterRead { session, meter } => self.read_meter(fact, session, *meter),
            Change::ReservationMade(reservation) => {
                let key = (reservation.charge_point.clone(), reservation.id);
                let kept = stamped(fact, reservation.clone());
                self.reservations.insert(key, kept);
            }
            Change::ReservationEnded {
                charge_point,
                reservation,
                ..
            } => {
                self.reservations
                    .remove(&(charge_point.clone(), *reservation));
            }
            Change::TransactionAssigned {
                session,
                transaction_id,
            } => {
                if let Some(running) = self.running_mut(session) {
                    running.transaction = Some(stamped(fact, *transaction_id));
                }
            }
            Change::SessionDisowned {
                session,
                up_to,
                ends,
            } => {
                let (up_to, ends) = (*up_to, *ends);
                if let Some(running) = self.running_mut(session) {
                    running.disowned = Some(stamped(fact, Disowned { up_to, ends }));
                }
            }
            Change::DeviceOnline { .. }
            | Change::DeviceOffline { .. }
            | Change::StatusChanged { .. }
            | Change::AvailabilityChanged { .. }
            | Change::ClosingScheduled { .. }
            | Change::AuthorizationChanged { .. }
            | Change::SessionStarted { .. }
            | Change::SessionEnded { .. }
            | Change::RegisterTied { .. }
            | Change::EnergyUnattributed { .. }
            | Change::LimitGranted { .. }
            | Change::ProfileLimitChanged { .. }
            | Change::JournalSalvaged { .. } => {}
        }
    }

    fn open_command(&mut self, fact: &Fact, command: &Command) {
        let key = Key {
            charge_point: command.charge_point.clone(),
            connector: command.connector,
        };
        let connector = self.connectors.entry(key).or_default();
        match &command.kind {
            CommandKind::SetLimit { limit } => {
                connector.cap = Some(Cap {
                    order: command.id.clone(),
                    limit: *limit,
                });
            }
            CommandKind::ClearLimit => connector.cap = None,
            CommandKind::StartSession { .. }
            | CommandKind::StopSession { .. }
            | CommandKind::StopByTag { .. }
            | CommandKind::SetAvailable
            | CommandKind::SetUnavailable
            | CommandKind::Reset { .. } => {}
        }
        self.commands.open(stamped(fact, command.clone()));
    }

    /// The session, while it runs.
    pub(crate) fn running(&self, session: &SessionId) -> Option<&Session> {
        let mut sessions = self.connectors.values().filter_map(|c| c.session.as_ref());
        sessions.find(|running| running.id == *session)
    }

    fn running_mut(&mut self, session: &SessionId) -> Option<&mut Session> {
        let connectors = self.connectors.values_mut();
        let mut sessions = connectors.filter_map(|connector| connector.session.as_mut());
        sessions.find(|running| running.id == *session)
    }

    /// A session runs at one of the charge point's connectors.
    pub(crate) fn is_busy(&self, charge_point: &ChargePointId) -> bool {
        let mut connectors = self.connectors.iter();
        connectors.any(|(key, state)| key.charge_point == *charge_point && state.session.is_some())
    }

    fn read_meter(&mut self, fact: &Fact, session: &SessionId, meter: WattHours) {
        for connector in self.connectors.values_mut() {
            let Some(running) = connector.session.as_mut() else {
                continue;
            };
            if running.id == *session {
                running.last_read = Some(stamped(fact, meter));
                connector.register.reach(meter);
            }
        }
    }
}

/// Which connector a fact is about, if it names exactly one and is not a command.
#[expect(clippy::too_many_lines, reason = "a flat table, one arm per change")]
pub(crate) fn connector_of(change: &Change) -> Option<Key> {
    match change {
        Change::DeviceOnline {
            charge_point,
            connector,
            ..
        }
        | Change::DeviceOffline {
            charge_point,
            connector,
            ..
        }
        | Change::StatusChanged {
            charge_point,
            connector,
            ..
        }
        | Change::AvailabilityChanged {
            charge_point,
            connector,
            ..
        }
        | Change::ClosingScheduled {
            charge_point,
            connector,
            ..
        }
        | Change::AuthorizationChanged {
            charge_point,
            connector,
            ..
        }
        | Change::SessionStarted {
            charge_point,
            connector,
            ..
        }
        | Change::SessionEnded {
            charge_point,
            connector,
            ..
        }
        | Change::RegisterTied {
            charge_point,
            connector,
            ..
        }
        | Change::EnergyUnattributed {
            charge_point,
            connector,
            ..
        }
        | Change::LimitGranted {
            charge_point,
            connector,
            ..
        }
        | Change::ProfileLimitChanged {
            charge_point,
            connector,
            ..
        } => Some(Key {
            charge_point: charge_point.clone(),
            connector: *connector,
        }),
        Change::ChargePointAnnounced(_)
        | Change::MeterRead { .. }
        | Change::TransactionAssigned { .. }
        | Change::SessionDisowned { .. }
        | Change::CommandOpened(_)
        | Change::CommandClosed { .. }
        | Change::ReservationMade(_)
        | Change::ReservationEnded { .. }
        | Change::JournalSalvaged { .. }
        | Change::ClockCorrected { .. } => None,
    }
}

fn stamped<T>(fact: &Fact, value: T) -> Stamped<T> {
    Stamped { at: fact.at, value }
}
