//! What is known of charge points: as registered, as a snapshot shows them, and as REST tells it.

use std::sync::OnceLock;

use axum::body::Bytes;
use axum::http::HeaderValue;
use jiff::Timestamp;
use site_model::{
    ChargePointId, ChargePointStatus, ConnectorId, ConnectorStatus, ConnectorType, GatewayId,
    SessionId, Watts,
};

use crate::id::OrganisationId;

/// Two refresh periods of a snapshot without one: the charge point is offline (design, section 3).
pub const SILENCE_MS: i64 = 120_000;

/// What `firmware_version` says of a charger that has no register for it (design, section 3).
pub(super) const FIRMWARE_UNKNOWN: &str = "unknown";

/// One charge point now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargePointLive {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Its identity.
    pub charge_point_id: ChargePointId,
    /// The gateway that speaks for it; `None`: it connects to us itself.
    pub gateway: Option<GatewayId>,
    /// Somebody else's central system authorises, commands and bills it.
    pub external: bool,
    /// Status as a whole (connector 0).
    pub ocpp_status: ChargePointStatus,
    /// Its connectors, ascending by number. While it is offline they show what was last told.
    pub connectors: Vec<ConnectorLive>,
    /// Its devices' last valid answer.
    pub last_heartbeat_at: Option<Timestamp>,
    /// The charger's firmware, `unknown` if it does not tell.
    pub firmware_version: String,
    /// Gateway connected, snapshot not older than [`SILENCE_MS`], and a device answering.
    pub online: bool,
    /// What its gateway's latest snapshot was, if one was received.
    pub(super) heard: Option<Heard>,
    /// Its own socket, while it is open and its gateway does not speak for it.
    pub(super) socket: Option<Socket>,
    /// What is answered for it until it changes.
    pub(crate) answer: Memo<Answer>,
}

/// The JSON that is answered for a charge point, and its entity tag.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) tag: HeaderValue,
}

/// Made from a value by whoever first asks. A copy of the value, which is about to change, is
/// without it, and it is no part of what makes two values equal.
#[derive(Debug)]
pub(crate) struct Memo<T>(OnceLock<T>);

impl<T> Memo<T> {
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        self.0.get_or_init(make)
    }
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> Clone for Memo<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T> PartialEq for Memo<T> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl<T> Eq for Memo<T> {}

/// Where the latest snapshot stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    /// When it was received, ms on the cloud's clock.
    pub(super) at_ms: i64,
    /// When it was made, ms on the gateway's clock.
    pub(super) made_at_ms: i64,
    journal_id: String,
    as_of_sequence: u64,
    /// Whether a device answered.
    answers: bool,
}

/// The open socket of a charge point that connects itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Socket {
    /// When something was heard on it last, ms.
    pub(super) heard_at_ms: i64,
    /// How long it may be silent, ms.
    pub(super) silence_max_ms: i64,
}

/// One connector now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorLive {
    /// Its number.
    pub connector_id: ConnectorId,
    /// OCPP status.
    pub status: ConnectorStatus,
    /// Its plug or socket, if anybody told.
    pub kind: Option<ConnectorType>,
    /// Rated power.
    pub max_power: Watts,
    /// The running session.
    pub active_session_id: Option<SessionId>,
    /// When its device last told its state.
    pub observed_at: Option<Timestamp>,
    /// Energy of the running session so far, Wh.
    pub(super) session_energy_wh: u64,
}

/// Counts and energy of one organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FleetSummary {
    /// Charge points.
    pub total: u64,
    /// … of which answer and are not faulted.
    pub online: u64,
    /// … of which are not reachable.
    pub offline: u64,
    /// … of which are reachable with a fault.
    pub faulted: u64,
    /// Sessions that run.
    pub active_sessions: u64,
    /// Reachable connectors that are free.
    pub available: u64,
    /// Reachable connectors that charge.
    pub charging: u64,
    /// Energy of sessions since midnight in the organisation's time zone, Wh.
    pub energy_today_wh: u64,
}

/// A charge point as it is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Its identity.
    pub charge_point: ChargePointId,
    /// The gateway that speaks for it; `None`: it connects to us itself.
    pub gateway: Option<GatewayId>,
    /// Somebody else's central system authorises, commands and bills it.
    pub external: bool,
    /// The charger's firmware, if known.
    pub firmware: Option<String>,
    /// Its connectors, ascending by number.
    pub connectors: Vec<RegisteredConnector>,
}

/// A connector as it is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredConnector {
    /// Its number.
    pub connector: ConnectorId,
    /// Its plug or socket, if anybody told.
    pub kind: Option<ConnectorType>,
    /// Rated power.
    pub max_power: Watts,
    /// Last status that a fact told.
    pub status: ConnectorStatus,
    /// When.
    pub status_at: Option<Timestamp>,
    /// The session that runs there, as far as facts tell.
    pub session: Option<SessionId>,
}

/// What a snapshot says of a charge point, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Which charge point.
    pub charge_point: ChargePointId,
    /// Journal and sequence whose facts it contains.
    pub journal_id: String,
    /// See `journal_id`.
    pub as_of_sequence: u64,
    /// When the gateway made it, ms on the gateway's clock.
    pub made_at_ms: i64,
    /// Whether a device answers.
    pub answers: bool,
    /// Status as a whole.
    pub ocpp_status: ChargePointStatus,
    /// Last valid answer.
    pub last_heartbeat_at: Option<Timestamp>,
    /// The charger's firmware.
    pub firmware: Option<String>,
    /// Its connectors with the energy (Wh) of the session each one runs, ascending by number.
    pub connectors: Vec<(RegisteredConnector, u64)>,
}

impl ChargePointLive {
    pub(super) fn registered(registration: Registration) -> Self {
        let connectors: Vec<ConnectorLive> = registration
            .connectors
            .into_iter()
            .map(|connector| ConnectorLive::shown(connector, 0))
            .collect();
        Self {
            organisation: registration.organisation,
            external: registration.external,
            charge_point_id: registration.charge_point,
            gateway: registration.gateway,
            ocpp_status: ChargePointStatus::Available,
            connectors,
            last_heartbeat_at: None,
            firmware_version: registration
                .firmware
                .unwrap_or_else(|| FIRMWARE_UNKNOWN.to_owned()),
            online: false,
            heard: None,
            socket: None,
            answer: Memo::default(),
        }
    }

    /// Connectors of a new description, each with what is known of it.
    pub(super) fn connectors_described_by(
        &self,
        registration: &Registration,
    ) -> Vec<ConnectorLive> {
        let known = |wanted: &RegisteredConnector| {
            self.connectors
                .iter()
                .find(|held| held.connector_id == wanted.connector)
        };
        registration
            .connectors
            .iter()
            .map(|described| match known(described) {
                Some(held) => ConnectorLive {
                    kind: described.kind,
                    max_power: described.max_power,
                    ..held.clone()
                },
                None => ConnectorLive::shown(described.clone(), 0),
            })
            .collect()
    }

    pub(super) fn is_reachable(&self, connected: bool, now: Timestamp) -> bool {
        self.heard.as_ref().is_some_and(|heard| {
            let silent_ms = now.as_millisecond().saturating_sub(heard.at_ms);
            connected && heard.answers && silent_ms < SILENCE_MS
        })
    }

    /// Whether a snapshot arrived out of order: same journal, earlier facts.
    pub(super) fn is_ahead_of(&self, observation: &Observation) -> bool {
        self.heard.as_ref().is_some_and(|heard| {
            heard.journal_id == observation.journal_id
                && heard.as_of_sequence > observation.as_of_sequence
        })
    }

    /// Whether silence has not yet lasted so long that it counts as offline.
    pub(super) fn is_still_heard(&self, now: Timestamp) -> bool {
        match (&self.gateway, &self.socket) {
            (Some(_), _) => self.is_reachable(true, now),
            (None, Some(socket)) => {
                let silent_ms = now.as_millisecond().saturating_sub(socket.heard_at_ms);
                silent_ms < socket.silence_max_ms
            }
            (None, None) => false,
        }
    }

    pub(super) fn take(&mut self, observation: &Observation, now: Timestamp) {
        self.ocpp_status = observation.ocpp_status;
        self.connectors = observation
            .connectors
            .iter()
            .map(|(connector, energy_wh)| ConnectorLive::shown(connector.clone(), *energy_wh))
            .collect();
        self.last_heartbeat_at = observation.last_heartbeat_at.or(self.last_heartbeat_at);
        if let Some(firmware) = &observation.firmware {
            self.firmware_version.clone_from(firmware);
        }
        self.heard = Some(Heard {
            at_ms: now.as_millisecond(),
            made_at_ms: observation.made_at_ms,
            journal_id: observation.journal_id.clone(),
            as_of_sequence: observation.as_of_sequence,
            answers: observation.answers,
        });
    }
}

impl ConnectorLive {
    pub(super) fn shown(connector: RegisteredConnector, session_energy_wh: u64) -> Self {
        Self {
            connector_id: connector.connector,
            status: connector.status,
            kind: connector.kind,
            max_power: connector.max_power,
            active_session_id: connector.session,
            observed_at: connector.status_at,
            session_energy_wh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Memo;

    #[test]
    fn what_was_made_is_kept_until_a_copy_is_changed() {
        let memo = Memo::default();
        assert_eq!(memo.get_or_make(|| 1), &1);
        assert_eq!(memo.get_or_make(|| 2), &1);
        let copy = memo.clone();
        assert_eq!(copy.get_or_make(|| 3), &3);
        assert_eq!(memo, copy);
    }
}
