//! Who may charge: free-vend tags, start orders, and when an authorization ends.

use site_model::{Change, CommandKind, IdTag, VehicleState};

use crate::config::Authorization;
use crate::turn::Turn;

impl Turn<'_> {
    /// Withdraws an authorization that nobody used in time, and forgets a spent one once the
    /// vehicle has left.
    pub(crate) fn settle_authorization(&mut self, i: usize) {
        let state = self.state(i);
        if state.session.is_some() {
            return;
        }
        if state.authorized.is_some() {
            if !self.waits_for_plug(i) {
                self.authorize(i, None);
            }
        } else if state.spent.is_some() && self.live(i).vehicle == Some(VehicleState::A) {
            self.authorize(i, None);
        }
    }

    pub(crate) fn authorize(&mut self, i: usize, id_tag: Option<IdTag>) {
        let (charge_point, connector) = self.names(i);
        self.record(Change::AuthorizationChanged {
            charge_point,
            connector,
            id_tag,
        });
    }

    /// The start order that authorised is still open (so it is of this boot): its expiry is how long
    /// the plug is waited for (OCPP 1.6, `ConnectionTimeOut`).
    fn waits_for_plug(&self, i: usize) -> bool {
        self.open_commands(i)
            .any(|command| matches!(command.value.kind, CommandKind::StartSession { .. }))
    }

    /// The group of the tag that a start order authorised, as far as the order tells it.
    pub(crate) fn parent_to_start_with(&self, i: usize) -> Option<IdTag> {
        self.open_commands(i)
            .find_map(|command| match &command.value.kind {
                CommandKind::StartSession { parent, .. } => parent.clone(),
                CommandKind::StopSession { .. }
                | CommandKind::StopByTag { .. }
                | CommandKind::SetLimit { .. }
                | CommandKind::ClearLimit
                | CommandKind::SetAvailable
                | CommandKind::SetUnavailable
                | CommandKind::Reset { .. } => None,
            })
    }

    /// The connector is held at its pause value: nobody is authorised, the session is being
    /// stopped, or it was stopped and its vehicle is still there; or it is reset.
    pub(crate) fn is_held(&self, i: usize) -> bool {
        let state = self.state(i);
        let unauthorized = state.authorized.is_none();
        if self.site.is_resetting_hard(i) {
            return true;
        }
        match self.config(i).authorization {
            Authorization::Free { .. } => {
                unauthorized && (state.session.is_some() || state.spent.is_some())
            }
            Authorization::Required => {
                unauthorized || (self.site.storage_failed && state.session.is_none())
            }
        }
    }

    /// The tag a session may begin with right now.
    pub(crate) fn tag_to_start_with(&self, i: usize) -> Option<IdTag> {
        let state = self.state(i);
        let possible = state.session.is_none()
            && state.out_of_operation.is_none()
            && !self.site.is_resetting(i)
            && self.live(i).is_plugged();
        if !possible {
            return None;
        }
        let authorized = state.authorized.as_ref().map(|tag| tag.value.clone());
        match &self.config(i).authorization {
            Authorization::Free { id_tag } => {
                let unspent = state.spent.is_none().then(|| id_tag.clone());
                authorized.or(unspent)
            }
            Authorization::Required => authorized.filter(|_| !self.site.storage_failed),
        }
    }
}
