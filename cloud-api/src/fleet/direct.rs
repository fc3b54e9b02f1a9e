//! Charge points that connect themselves: their socket is their sign of life, and what they tell
//! is shown at once.

use jiff::Timestamp;
use site_model::{
    ChargePointId, ChargePointStatus, ConnectorId, ConnectorStatus, SessionId, Watts,
};

use super::{
    ChargePointLive, ConnectorLive, Fleet, RegisteredConnector,
    view::{FIRMWARE_UNKNOWN, Socket},
};

/// What a charge point told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Status as a whole (connector 0).
    Status(ChargePointStatus),
    /// Status of a connector, which may be one that was not known.
    Connector {
        /// Its number.
        connector: ConnectorId,
        /// Its status.
        status: ConnectorStatus,
        /// Since when.
        at: Timestamp,
    },
    /// A session begins or ends on a connector.
    Session {
        /// Its number.
        connector: ConnectorId,
        /// The session that runs there now.
        session: Option<SessionId>,
    },
    /// Its firmware.
    Firmware(Option<String>),
    /// When it was heard last, before this program began.
    Heard(Timestamp),
}

impl Fleet {
    /// Notes that something was heard on the socket of a charge point, which may be silent for
    /// `silence_max_ms` until it counts as offline. One behind a gateway is as its gateway says.
    pub fn hear(&self, id: &ChargePointId, now: Timestamp, silence_max_ms: i64) {
        let mut state = self.state_mut();
        self.change(&mut state, id, |live| {
            if live.gateway.is_some() {
                return;
            }
            live.socket = Some(Socket {
                heard_at_ms: now.as_millisecond(),
                silence_max_ms,
            });
            live.last_heartbeat_at = Some(now);
            live.online = true;
        });
    }

    /// Charge points that connect themselves and were heard at this moment or later, with when.
    #[must_use]
    pub fn heard_since(&self, since: Timestamp) -> Vec<(ChargePointId, Timestamp)> {
        let live = self.live();
        let direct = live.values().filter(|live| live.gateway.is_none());
        let heard = direct.filter_map(|live| {
            let at = live.last_heartbeat_at.filter(|at| *at >= since)?;
            Some((live.charge_point_id.clone(), at))
        });
        heard.collect()
    }

    /// Notes that a charge point's socket is closed.
    pub fn lose(&self, id: &ChargePointId) {
        let mut state = self.state_mut();
        self.change(&mut state, id, |live| {
            if live.gateway.is_none() {
                live.socket = None;
                live.online = false;
            }
        });
    }
}

impl ChargePointLive {
    pub(super) fn be_told(&mut self, told: Told) {
        match told {
            Told::Status(status) => self.ocpp_status = status,
            Told::Connector {
                connector,
                status,
                at,
            } => {
                let held = self.connector(connector);
                held.status = status;
                held.observed_at = Some(at);
            }
            Told::Session { connector, session } => {
                self.connector(connector).active_session_id = session;
            }
            Told::Heard(at) => self.last_heartbeat_at = Some(at),
            Told::Firmware(firmware) => {
                self.firmware_version = firmware.unwrap_or_else(|| FIRMWARE_UNKNOWN.to_owned());
            }
        }
    }

    fn connector(&mut self, id: ConnectorId) -> &mut ConnectorLive {
        let place = self
            .connectors
            .partition_point(|held| held.connector_id < id);
        let is_known = |held: &ConnectorLive| held.connector_id == id;
        if !self.connectors.get(place).is_some_and(is_known) {
            let new = RegisteredConnector {
                connector: id,
                kind: None,
                max_power: Watts(0),
                status: ConnectorStatus::Unavailable,
                status_at: None,
                session: None,
            };
            self.connectors.insert(place, ConnectorLive::shown(new, 0));
        }
        &mut self.connectors[place]
    }
}
