//! What can happen to the core, and what it answers.

use site_model::{
    ChargePointId, Command, CommandId, ConnectorId, DeviceFault, DeviceId, Fact, Milliamps,
    Outcome, Reading, Reservation, ReservationAnswer, ReservationId, SessionId, Timestamp,
    WattHours,
};

/// When an event happens, with the identity for a session it may begin (ids enter as arguments).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub now: Timestamp,
    /// Unused identity; an event begins at most one session.
    pub fresh_session: SessionId,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The daemon came up; the journal has been replayed.
    Started,
    /// A device delivered values.
    DeviceRead(Reading),
    /// A device is quarantined: it did not answer, or not sensibly.
    DeviceLost {
        /// Which device.
        device: DeviceId,
        /// Why, and what to do.
        fault: DeviceFault,
    },
    /// A device acknowledged the limit that was written; the read-back is still to come.
    LimitWritten {
        /// Which device.
        device: DeviceId,
        /// The limit as it was encoded (rounded down to the device's step).
        limit: Milliamps,
    },
    /// A device refused a write, for instance with a Modbus exception.
    WriteRefused {
        /// Which device.
        device: DeviceId,
        /// Why, and what to do.
        fault: DeviceFault,
    },
    /// An order arrived.
    CommandReceived(Command),
    /// The charging profiles of a charge point's central system leave these connectors these limits
    /// from now on; `None` is no limit. Connectors that are not named keep theirs.
    ProfilesLimit {
        /// Which charge point.
        charge_point: ChargePointId,
        /// What each connector is left.
        limits: Vec<(ConnectorId, Option<Milliamps>)>,
    },
    /// A connector, or any one, is wished to be kept for somebody.
    ReservationWished(Reservation),
    /// A reservation is to be taken back.
    ReservationCancelled {
        /// At which charge point.
        charge_point: ChargePointId,
        /// Which.
        reservation: ReservationId,
    },
    /// A connector is to go out of operation, but not before its session has ended.
    ClosingWished {
        /// Which charge point.
        charge_point: ChargePointId,
        /// Which connector.
        connector: ConnectorId,
    },
    /// A central system answered the start of a session's transaction with this id.
    TransactionAssigned {
        /// Which session, running or ended.
        session: SessionId,
        /// The id.
        transaction_id: i64,
    },
    /// A central system does not accept the tag that a session began with.
    TagNotAccepted {
        /// Which session, running or ended.
        session: SessionId,
        /// What it may take all the same, from its start on (`MaxEnergyOnInvalidId`).
        allowance: WattHours,
        /// Then it is ended (`StopTransactionOnInvalidId`); or it stays and is offered nothing.
        ends: bool,
    },
    /// The right wall time became known: add this to recorded wall times of this boot.
    ClockSet {
        /// Right time minus the time recorded so far.
        offset_ms: i64,
    },
    /// The journal cannot be written (disk full, read-only): no new paid sessions until restored.
    StorageFailed,
    /// The journal can be written again.
    StorageRestored,
    /// The deadline that the core asked for has passed.
    DeadlinePassed,
}

/// What to do outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write this limit to the device; a newer one for the same device replaces it if still unsent.
    WriteLimit {
        /// Which device.
        device: DeviceId,
        /// The limit; 0 pauses.
        limit: Milliamps,
    },
    /// The live view of this charge point changed: publish it.
    PublishSnapshot {
        /// Which charge point.
        charge_point: ChargePointId,
    },
    /// Tell whoever asked how the command ended.
    AnswerCommand {
        /// Which command.
        id: CommandId,
        /// Its fate.
        outcome: Outcome,
    },
    /// Tell whoever wished to reserve, or to take a reservation back.
    AnswerReservation {
        /// At which charge point.
        charge_point: ChargePointId,
        /// Which.
        reservation: ReservationId,
        /// What is said to it.
        answer: ReservationAnswer,
    },
}

/// Answer to one event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// To be stored in one transaction.
    pub facts: Vec<Fact>,
    /// Lowering or repeating a limit: never waits for the disk.
    pub at_once: Vec<Action>,
    /// Whatever is reported, granted or started: released in order after the commit.
    pub after_commit: Vec<Action>,
}
