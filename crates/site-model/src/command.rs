//! Orders and their fates.

use crate::{ChargePointId, CommandId, ConnectorId, IdTag, Milliamps, Monotonic, StopReason};

/// An order for one connector. It ends by what was read back, or by its expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Who asks again with the same id gets the same fate.
    pub id: CommandId,
    /// Which charge point.
    pub charge_point: ChargePointId,
    /// Which of its connectors.
    pub connector: ConnectorId,
    /// What to do.
    pub kind: CommandKind,
    /// From this moment on it is too late.
    pub expires_at: Monotonic,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandKind {
    /// Let the connected vehicle (or the next one) charge on this tag.
    StartSession {
        /// Who pays.
        id_tag: IdTag,
        /// The group that the tag is known to be of (`parentIdTag`): its reservations are open to it.
        parent: Option<IdTag>,
    },
    /// End the running session; the connector is held at its pause value until unplugged.
    StopSession {
        /// Recorded as the session's.
        reason: StopReason,
    },
    /// The same by whoever presents a tag at the cabinet: the one that began the session, or one of its
    /// group.
    StopByTag {
        /// Recorded with the session's end.
        id_tag: IdTag,
    },
    /// Cap the current. 0 pauses; 1 to 5 999 mA is refused (IEC 61851-1 knows no such offer).
    SetLimit {
        /// The cap.
        limit: Milliamps,
    },
    /// Remove the cap that `SetLimit` set.
    ClearLimit,
    /// Take into operation.
    SetAvailable,
    /// Take out of operation; a running session is ended.
    SetUnavailable,
    /// Begin anew, as after switching on: a running session is ended, and none begins meanwhile.
    Reset {
        /// The device is held at its pause value and read anew, whether or not it has a session.
        hard: bool,
    },
}

/// How a command ended. Ends are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Read back from the device.
    Applied,
    /// Not confirmed in time.
    Expired,
    /// A later command for the same thing took its place.
    Superseded,
    /// Refused; nothing was changed.
    Refused(RefusalReason),
}

/// Why a command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// No such charge point or connector at this site.
    UnknownConnector,
    /// It arrived at or after its expiry.
    TooLate,
    /// The device is unreachable.
    DeviceOffline,
    /// A session runs already.
    SessionRunning,
    /// No session runs.
    NoSession,
    /// The connector is out of operation or faulted.
    NotOperative,
    /// The limit is neither 0 nor at least the device's minimum.
    LimitBelowMinimum,
    /// The device has no value that pauses charging.
    CannotPause,
    /// Too many commands are open.
    TooManyOpen,
    /// The journal cannot be written; nothing new that costs money may begin.
    StorageUnavailable,
    /// The connector is free for all: no tag is turned away there.
    FreeForAll,
    /// The connector, or the last free one, is kept for somebody else.
    Reserved,
}

impl RefusalReason {
    /// The reason as a code for messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownConnector => "unknown_connector",
            Self::TooLate => "too_late",
            Self::DeviceOffline => "device_offline",
            Self::SessionRunning => "session_running",
            Self::NoSession => "no_session",
            Self::NotOperative => "not_operative",
            Self::LimitBelowMinimum => "limit_below_minimum",
            Self::CannotPause => "cannot_pause",
            Self::TooManyOpen => "too_many_open",
            Self::StorageUnavailable => "storage_unavailable",
            Self::FreeForAll => "free_for_all",
            Self::Reserved => "reserved",
        }
    }

    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::UnknownConnector,
        Self::TooLate,
        Self::DeviceOffline,
        Self::SessionRunning,
        Self::NoSession,
        Self::NotOperative,
        Self::LimitBelowMinimum,
        Self::CannotPause,
        Self::TooManyOpen,
        Self::StorageUnavailable,
        Self::FreeForAll,
        Self::Reserved,
    ];

    /// The reason with this code, if any.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == code)
    }
}
