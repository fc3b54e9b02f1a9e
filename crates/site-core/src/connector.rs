//! OCPP status of a connector from the vehicle state of IEC 61851-1 and the session.
//!
//! While its device is unreachable a connector keeps its last status; the view says so by
//! `fault` and `online`. State C or D without a session is still `Charging`, because energy
//! flows; that energy is recorded as unattributed.

use site_model::{Change, ConnectorStatus, Milliamps, VehicleState};

use crate::state::Status;
use crate::turn::Turn;

/// A session whose vehicle never charged is `Preparing` this long, then suspended.
pub(crate) const PREPARING_MAX_MS: u64 = 60_000;

impl Turn<'_> {
    /// Records the status when it or the device's error code changed.
    pub(crate) fn settle_status(&mut self, i: usize) {
        let Some(status) = self.status_now(i) else {
            return;
        };
        let state = Status {
            status,
            error_code: self.live(i).error_code,
        };
        if self.state(i).status.as_ref().map(|s| s.value) == Some(state) {
            return;
        }
        let (charge_point, connector) = self.names(i);
        self.record(Change::StatusChanged {
            charge_point,
            connector,
            status: state.status,
            error_code: state.error_code,
        });
    }

    /// The status that state and observation call for; `None` while the vehicle is not seen.
    fn status_now(&self, i: usize) -> Option<ConnectorStatus> {
        let state = self.state(i);
        if state.out_of_operation.is_some() && state.session.is_none() {
            return Some(ConnectorStatus::Unavailable);
        }
        Some(match self.live(i).vehicle? {
            VehicleState::A if state.session.is_some() => ConnectorStatus::Finishing,
            VehicleState::A if self.is_reserved(i) => ConnectorStatus::Reserved,
            VehicleState::A => ConnectorStatus::Available,
            VehicleState::B if state.is_ending() => ConnectorStatus::Finishing,
            VehicleState::B if state.session.is_some() => self.status_of_waiting_session(i),
            VehicleState::B if state.spent.is_some() => ConnectorStatus::Finishing,
            // Somebody else's vehicle, as long as nobody the connector is kept for has come.
            VehicleState::B if self.is_reserved(i) => ConnectorStatus::Reserved,
            VehicleState::B => ConnectorStatus::Preparing,
            VehicleState::C | VehicleState::D => ConnectorStatus::Charging,
            VehicleState::E | VehicleState::F | VehicleState::Fault => ConnectorStatus::Faulted,
        })
    }

    fn is_reserved(&self, i: usize) -> bool {
        self.site.state.is_reserved(&self.site.connectors[i].key)
    }

    fn status_of_waiting_session(&self, i: usize) -> ConnectorStatus {
        let state = self.state(i);
        let began = self.preparing_ends(i);
        let has_charged = state.status.as_ref().is_some_and(|status| {
            matches!(
                status.value.status,
                ConnectorStatus::Charging
                    | ConnectorStatus::SuspendedEv
                    | ConnectorStatus::SuspendedEvse
            )
        });
        let still_preparing = began.is_some_and(|ends| self.now.monotonic < ends);
        let paused = state.granted_limit() == Milliamps::PAUSE
            || self.live(i).setpoint.read_back == Some(Milliamps::PAUSE);
        if still_preparing && !has_charged {
            ConnectorStatus::Preparing
        } else if paused {
            ConnectorStatus::SuspendedEvse
        } else {
            ConnectorStatus::SuspendedEv
        }
    }

    /// When a session that began in this boot stops counting as `Preparing`.
    fn preparing_ends(&self, i: usize) -> Option<site_model::Monotonic> {
        let session = self.state(i).session.as_ref()?;
        (session.started.boot == self.now.boot)
            .then(|| session.started.monotonic.plus_ms(PREPARING_MAX_MS))
    }
}
