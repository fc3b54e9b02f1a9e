//! The live view, and when a change of it is worth publishing.

use site_model::{
    ChargePointId, ChargePointStatus, ChargePointView, ConnectorStatus, ConnectorView, DeviceFault,
    LimitOwner, Milliamps, Monotonic, SessionId, SessionView, WattHours, Watts,
};

use crate::config::ChargePointConfig;
use crate::decision::Action;
use crate::site::{Connector, Site, announcement};
use crate::state::{ConnectorState, Identity, Status};
use crate::turn::Turn;

/// Power and energy alone are published no more often than this.
const MEASUREMENT_INTERVAL_MS: u64 = 5_000;

/// What a snapshot is published for at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Face {
    status: Option<Status>,
    session: Option<SessionId>,
    limit: Option<(Milliamps, LimitOwner)>,
    read_back: Option<Milliamps>,
    answering: bool,
    fault: Option<DeviceFault>,
    identity: Option<Identity>,
}

/// What was last published of a charge point.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    at: Monotonic,
    faces: Vec<Face>,
    measured: Vec<(Option<Watts>, WattHours)>,
}

impl Site {
    /// One charge point now; `None` if it is not configured.
    #[must_use]
    pub fn view(&self, id: &ChargePointId) -> Option<ChargePointView> {
        let config = self.charge_points.iter().find(|c| c.id == *id)?;
        Some(self.view_of(config))
    }

    /// All charge points now, as configured.
    #[must_use]
    pub fn views(&self) -> Vec<ChargePointView> {
        let configs = self.charge_points.iter();
        configs.map(|config| self.view_of(config)).collect()
    }

    fn view_of(&self, config: &ChargePointConfig) -> ChargePointView {
        let indices = self.indices_of(&config.id);
        let connectors: Vec<ConnectorView> =
            indices.iter().map(|i| self.connector_view(*i)).collect();
        let lives = || indices.iter().map(|i| &self.connectors[*i].live);
        let mut identities = indices
            .iter()
            .filter_map(|i| self.journaled(*i).identity.as_ref());
        let identity = identities.next().map(|identity| identity.value.clone());
        let (serial, firmware) = identity.map_or((None, None), |i| (i.serial, i.firmware));
        ChargePointView {
            announcement: announcement(config),
            status: overall(&connectors),
            online: lives().any(|live| live.answering),
            last_answer: lives()
                .filter_map(|live| live.last_answer)
                .max_by_key(|at| at.monotonic),
            serial,
            firmware,
            connectors,
        }
    }

    fn indices_of(&self, id: &ChargePointId) -> Vec<usize> {
        let ours = |i: &usize| self.connectors[*i].key.charge_point == *id;
        (0..self.connectors.len()).filter(ours).collect()
    }

    fn connector_view(&self, i: usize) -> ConnectorView {
        let connector = &self.connectors[i];
        let state = self.journaled(i);
        let status = state.status.as_ref().map(|status| status.value);
        let total = self.total_of(i);
        ConnectorView {
            connector: connector.key.connector,
            status: status.map_or(ConnectorStatus::Unavailable, |status| status.status),
            observed: connector.live.observed,
            error_code: status.and_then(|status| status.error_code),
            fault: fault_of(connector, state),
            limit: state.granted_limit(),
            limit_owner: state
                .granted
                .as_ref()
                .map_or(LimitOwner::Installation, |grant| grant.value.owner),
            limit_read_back: connector.live.setpoint.read_back,
            power: connector.live.power,
            meter: state.register.offset.is_some().then_some(total),
            session: state.session.as_ref().map(|session| SessionView {
                session: session.id.clone(),
                started: session.started,
                energy: WattHours(total.0.saturating_sub(session.meter_start.0)),
            }),
        }
    }

    fn face(&self, i: usize) -> Face {
        let connector = &self.connectors[i];
        let state = self.journaled(i);
        let granted = state.granted.as_ref();
        Face {
            status: state.status.as_ref().map(|status| status.value),
            session: state.session.as_ref().map(|session| session.id.clone()),
            limit: granted.map(|grant| (grant.value.limit, grant.value.owner)),
            read_back: connector.live.setpoint.read_back,
            answering: connector.live.answering,
            fault: fault_of(connector, state),
            identity: state.identity.as_ref().map(|i| i.value.clone()),
        }
    }
}

/// Why a connector's devices are unreachable or refuse: the charger first, then its meter.
fn fault_of(connector: &Connector, state: &ConnectorState) -> Option<DeviceFault> {
    let live = &connector.live;
    let offline = state.offline.as_ref().map(|offline| &offline.value);
    offline
        .or(live.meter_fault.as_ref())
        .or(live.write_fault.as_ref())
        .cloned()
}

fn overall(connectors: &[ConnectorView]) -> ChargePointStatus {
    let is = |connector: &ConnectorView, status| connector.status == status;
    let any = |status| connectors.iter().any(|c| is(c, status));
    let all = |status| connectors.iter().all(|c| is(c, status));
    if any(ConnectorStatus::Faulted) {
        ChargePointStatus::Faulted
    } else if all(ConnectorStatus::Unavailable) {
        ChargePointStatus::Unavailable
    } else {
        ChargePointStatus::Available
    }
}

impl Turn<'_> {
    /// Marks a connector whose view may have changed in this turn.
    pub(crate) fn touch(&mut self, i: usize) {
        self.site.connectors[i].touched = true;
    }

    /// Asks for a snapshot of every charge point that looks different from the one last published.
    pub(crate) fn publish_snapshots(&mut self) {
        let ids: Vec<_> = self
            .site
            .charge_points
            .iter()
            .map(|c| c.id.clone())
            .collect();
        for id in ids {
            let indices = self.site.indices_of(&id);
            let touched = indices.iter().any(|i| self.site.connectors[*i].touched);
            if touched && self.looks_different(&id, &indices) {
                let charge_point = id;
                let publish = Action::PublishSnapshot { charge_point };
                self.decision.after_commit.push(publish);
            }
            for i in indices {
                self.site.connectors[i].touched = false;
            }
        }
    }

    fn looks_different(&mut self, id: &ChargePointId, indices: &[usize]) -> bool {
        let site = &*self.site;
        let now = Published {
            at: self.now.monotonic,
            faces: indices.iter().map(|i| site.face(*i)).collect(),
            measured: indices
                .iter()
                .map(|i| (site.connectors[*i].live.power, site.total_of(*i)))
                .collect(),
        };
        let different = site.published.get(id).is_none_or(|last| {
            last.faces != now.faces
                || (last.measured != now.measured
                    && now.at.ms_since(last.at) >= MEASUREMENT_INTERVAL_MS)
        });
        if different {
            self.site.published.insert(id.clone(), now);
        }
        different
    }
}
