//! What a charge point's profiles must know of its sessions: told by the core's side, which never waits.

use std::sync::{Mutex, MutexGuard, PoisonError};

use site_model::{Change, ChargePointId, ChargePointView, ConnectorId};
use station::charging::{Running, Seen};
use tokio::sync::Notify;

/// The connectors as the core last showed them.
#[derive(Debug, Default)]
pub(in crate::ocpp) struct Watch {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Connector n at n − 1; absent until they were shown.
    sessions: Option<Vec<Option<Running>>>,
    /// Where somebody may charge, as facts said.
    authorized: Vec<ConnectorId>,
}

impl Watch {
    /// The live view, all of it safe on disk.
    pub(in crate::ocpp) fn show(&self, view: &ChargePointView) {
        let connectors = view.connectors.iter();
        let sessions = connectors.map(|connector| {
            let session = connector.session.as_ref()?;
            Some(Running {
                session: session.session.clone(),
                started: session.started,
            })
        });
        let sessions = Some(sessions.collect());
        let mut state = self.state();
        if state.sessions != sessions {
            state.sessions = sessions;
            self.changed.notify_one();
        }
    }

    /// Somebody may charge at a connector from now on, or nobody may.
    pub(in crate::ocpp) fn authorized(&self, connector: ConnectorId, somebody: bool) {
        let mut state = self.state();
        state.authorized.retain(|known| *known != connector);
        if somebody {
            state.authorized.push(connector);
        }
        self.changed.notify_one();
    }

    /// `None` until the connectors were shown.
    pub(super) fn seen(&self) -> Option<Vec<Seen>> {
        let state = self.state();
        let sessions = state.sessions.as_ref()?;
        let seen = (1..=u8::MAX).zip(sessions).map(|(number, session)| Seen {
            session: session.clone(),
            authorized: state.authorized.iter().any(|known| known.get() == number),
        });
        Some(seen.collect())
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a fact says that somebody may charge at a connector, or that nobody may any more.
pub(in crate::ocpp) fn authorization(
    change: &Change,
) -> Option<(&ChargePointId, ConnectorId, bool)> {
    if let Change::AuthorizationChanged {
        charge_point,
        connector,
        id_tag,
    } = change
    {
        return Some((charge_point, *connector, id_tag.is_some()));
    }
    if let Change::SessionEnded {
        charge_point,
        connector,
        ..
    } = change
    {
        return Some((charge_point, *connector, false));
    }
    None
}
