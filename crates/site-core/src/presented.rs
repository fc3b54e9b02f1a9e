//! What a tag that somebody presents at a connector is about, as the site stands. Whether the tag
//! may charge is not judged here.

use site_model::{ChargePointId, CommandKind, ConnectorId, IdTag, RefusalReason, SessionId};

use crate::config::Authorization;
use crate::site::Site;
use crate::state::Key;

/// What a presented tag is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// Nothing can follow, for this reason.
    Refused(RefusalReason),
    /// It would begin a session.
    Start,
    /// It is authorised already, and its vehicle is waited for.
    Waits,
    /// A session runs: the tag that began it, or one of its group, ends it.
    Stop {
        /// Which.
        session: SessionId,
        /// The tag that began it.
        began: IdTag,
        /// Its group, as far as the order to start told it.
        parent: Option<IdTag>,
    },
}

impl Site {
    /// What a tag presented at a connector is about.
    #[must_use]
    pub fn presented(
        &self,
        charge_point: &ChargePointId,
        connector: ConnectorId,
        id_tag: &IdTag,
    ) -> Presented {
        let key = Key {
            charge_point: charge_point.clone(),
            connector,
        };
        let Some(i) = self.connectors.iter().position(|c| c.key == key) else {
            return Presented::Refused(RefusalReason::UnknownConnector);
        };
        let state = self.journaled(i);
        let live = &self.connectors[i].live;
        let waits = state.authorized.as_ref().map(|tag| &tag.value);
        if self.connectors[i].config.authorization != Authorization::Required {
            return Presented::Refused(RefusalReason::FreeForAll);
        }
        match &state.session {
            Some(_) if state.is_ending() => Presented::Refused(RefusalReason::SessionRunning),
            Some(session) => Presented::Stop {
                session: session.id.clone(),
                began: session.id_tag.clone(),
                parent: self.parent_of(&key, &session.id_tag),
            },
            None if waits.is_some_and(|waits| waits.matches(id_tag)) => Presented::Waits,
            None if self.storage_failed => Presented::Refused(RefusalReason::StorageUnavailable),
            None if state.out_of_operation.is_some()
                || live.is_faulted()
                || self.is_resetting(i) =>
            {
                Presented::Refused(RefusalReason::NotOperative)
            }
            None if !live.answering => Presented::Refused(RefusalReason::DeviceOffline),
            None => Presented::Start,
        }
    }

    /// The group that the last order to start on this tag told.
    fn parent_of(&self, key: &Key, began: &IdTag) -> Option<IdTag> {
        let log = &self.state.commands;
        let closed = log.closed.iter().rev().map(|closed| &closed.command.value);
        let open = log.open.values().map(|open| &open.value);
        let here = open.chain(closed).filter(|command| {
            command.charge_point == key.charge_point && command.connector == key.connector
        });
        here.filter_map(|command| match &command.kind {
            CommandKind::StartSession { id_tag, parent } if id_tag == began => Some(parent),
            CommandKind::StartSession { .. }
            | CommandKind::StopSession { .. }
            | CommandKind::StopByTag { .. }
            | CommandKind::SetLimit { .. }
            | CommandKind::ClearLimit
            | CommandKind::SetAvailable
            | CommandKind::SetUnavailable
            | CommandKind::Reset { .. } => None,
        })
        .next()?
        .clone()
    }
}
