//! What became true at the site. The journal is a list of these, and state is a fold over them.

use crate::{
    BootId, ChargePointId, Command, CommandId, ConnectorId, ConnectorStatus, ConnectorType,
    DeviceFault, EnergySource, IdTag, JournalId, LimitOwner, Milliamps, Outcome, Reservation,
    ReservationEnd, ReservationId, SessionId, StopReason, Timestamp, WallTime, WattHours, Watts,
};

/// One change and when it happened. Its key in the journal is (gateway, journal id, sequence).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// When, on both clocks.
    pub at: Timestamp,
    /// What.
    pub change: Change,
}

/// What a charge point is, as its gateway configured it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Its identity.
    pub charge_point: ChargePointId,
    /// Maker, from the device profile.
    pub vendor: String,
    /// Model, from the device profile.
    pub model: String,
    /// Its connectors, ascending by number.
    pub connectors: Vec<ConnectorAnnouncement>,
    /// Where it is an OCPP charge point; sessions that begin from here on are told there. `None`: nowhere.
    pub central_system: Option<CentralSystem>,
}

/// The one OCPP endpoint of a charge point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CentralSystem {
    /// Its address, with the charge point's id.
    pub address: String,
    /// It is somebody else's: it alone authorises, commands and bills.
    pub external: bool,
}

/// What a connector is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorAnnouncement {
    /// Its number.
    pub connector: ConnectorId,
    /// Its plug or socket.
    pub kind: ConnectorType,
    /// Rated power: rated current × phases × 230 V for AC.
    pub max_power: Watts,
}

/// Where a session's end had to be inferred: what is known is only that it lies between these bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconstruction {
    /// Not before (last time the session was seen alive).
    pub not_before: WallTime,
    /// Not after (first time it was seen gone).
    pub not_after: WallTime,
}

/// A change of the site's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A charge point is part of this site; repeated when its description changes.
    ChargePointAnnounced(Announcement),
    /// The connector's device answers and says who it is; repeated when serial or firmware change.
    DeviceOnline {
        /// Which charge point.
        charge_point: ChargePointId,
        /// Which connector's device.
        connector: ConnectorId,
        /// Serial number, if the device has a register for it.
        serial: Option<String>,
        /// Firmware version, if the device has a register for it.
        firmware: Option<String>,
    },
    /// The connector's device is quarantined.
    DeviceOffline {
        /// Which charge point.
        charge_point: ChargePointId,
        /// Which connector's device.
        connector: ConnectorId,
        /// Why, and what to do.
        fault: DeviceFault,
    },
    /// The connector's OCPP status changed.
    StatusChanged {
        /// Which charge point.
        charge_point: ChargePointId,
        /// Which connector.
        connector: ConnectorId,
        /// The new status.
        status: ConnectorStatus,
        /// The device's own error code where it has one.
        error_code: Option<u32>,
    },
    /// The connector was taken into or out of operation.
    AvailabilityChanged {
        /// Which charge point.
        charge_point: ChargePointId,
        /// Which connector.
        connector: ConnectorId,
        /// In operation.
        operative: bool,
    },
    /// The connector goes out of operation when its session ends; or it no longer does.
    ClosingScheduled {
        /// Which charge point.
        charge_point: ChargePointId,
        /// Which connector.
        connector: ConnectorId,
        /// It does.
        scheduled: bool,
    },
    /// The connector may charge on this tag: `Some` until the vehicle leaves or the session ends.
    AuthorizationChanged {
        /// Which charge point.
        charge_point: ChargePointId,
        /// Which connector.
        connector: ConnectorId,
        /// The tag, or `None` when the authorization ended.
        id_tag: Option<IdTag>,
    },
    /// A session began.
    SessionStarted {
        /// Its identity, minted here.
        session: SessionId,
        /// Which charge point.
        charge_point: ChargePointId,
        /// Which connector.
        connector: ConnectorId,
        /// Who pays.
        id_tag: IdTag,
        /// Connector's monotone register at the start.
        meter_start: WattHours,
        /// Where its energy comes from.
        source: EnergySource,
        /// Whether that source may be billed from.
        billing_grade: bool,
        /// The reservation that it uses up, if one was made for it.
        reservation: Option<ReservationId>,
    },
    /// Connector's monotone register during a session, at quarter hours of UTC.
    MeterRead {
        /// Which session.
        session: SessionId,
        /// The register.
        meter: WattHours,
    },
    /// A session ended.
    SessionEnded {
        /// Its identity.
        session: SessionId,
        /// Which charge point.
        charge_point: ChargePointId,
        /// Which connector.
        connector: ConnectorId,
        /// Connector's monotone register at the end.
        meter_stop: WattHours,
        /// Why.
        reason: StopReason,
        /// The tag that ended it, where one did.
        id_tag: Option<IdTag>,
        /// Present when the end was not observed.
        reconstructed: Option<Reconstruction>,
    },
    /// The central system does not accept the tag that the session began with.
    SessionDisowned {
        /// Which session; it runs.
        session: SessionId,
        /// Connector's monotone register up to which it is offered energy.
        up_to: WattHours,
        /// From there on it is ended; or it stays and is offered nothing.
        ends: bool,
    },
    /// The central system gave the session's transaction its id.
    TransactionAssigned {
        /// Which session, running or ended.
        session: SessionId,
        /// The id, as OCPP 1.6 has it.
        transaction_id: i64,
    },
    /// The device's register was tied to the connector's monotone register: from here on
    /// monotone = `total` + (device register − `raw`). Written first of all, and after a reset, rollover or meter swap.
    RegisterTied {
        /// Which charge point.
        charge_point: ChargePointId,
        /// Which connector.
        connector: ConnectorId,
        /// The device's register.
        raw: WattHours,
        /// The connector's monotone register.
        total: WattHours,
    },
    /// Energy flowed that no session accounts for.
    EnergyUnattributed {
        /// Which charge point.
        charge_point: ChargePointId,
        /// Which connector.
        connector: ConnectorId,
        /// Monotone register before.
        from: WattHours,
        /// Monotone register after.
        to: WattHours,
    },
    /// The limit that the core grants the connector changed.
    LimitGranted {
        /// Which charge point.
        charge_point: ChargePointId,
        /// Which connector.
        connector: ConnectorId,
        /// The limit; 0 pauses.
        limit: Milliamps,
        /// Who set it.
        owner: LimitOwner,
    },
    /// What the charging profiles of the charge point's central system leave a connector changed.
    ProfileLimitChanged {
        /// Which charge point.
        charge_point: ChargePointId,
        /// Which connector.
        connector: ConnectorId,
        /// The limit, `None` where no profile sets one. The core rounds it to what the device takes.
        limit: Option<Milliamps>,
    },
    /// A command was accepted for execution.
    CommandOpened(Command),
    /// A connector, or any one, is kept for a tag.
    ReservationMade(Reservation),
    /// A reservation is over.
    ReservationEnded {
        /// At which charge point.
        charge_point: ChargePointId,
        /// Which.
        reservation: ReservationId,
        /// Why.
        end: ReservationEnd,
    },
    /// A command ended. A refused command was never opened.
    CommandClosed {
        /// Which command.
        id: CommandId,
        /// Its fate.
        outcome: Outcome,
    },
    /// The journal's file was damaged. What could be read of it and the cloud had not acknowledged
    /// stands in this journal before this fact; the file is kept aside.
    JournalSalvaged {
        /// The damaged journal, where its identity could be read.
        damaged: Option<JournalId>,
        /// Facts that were carried over.
        carried: u64,
        /// Unacknowledged facts that are known to be missing.
        lost: u64,
        /// What was damaged.
        problem: String,
    },
    /// The right time became known during this boot: `offset_ms` must be added to the wall times
    /// of this boot's facts that were recorded while it was unknown.
    ClockCorrected {
        /// Which boot.
        boot: BootId,
        /// Right time minus recorded time.
        offset_ms: i64,
    },
}
