//! Orders to begin anew (OCPP 1.6 section 5.14): sessions end with the reset as their reason, nothing
//! begins meanwhile, and a hard one holds the device at its pause value until that was read back.

use site_model::{ChargePointId, CommandId, CommandKind, Outcome, RefusalReason};

use crate::commands::OPEN_COMMANDS_MAX;
use crate::site::Site;
use crate::turn::Turn;

impl Site {
    /// Why a charge point cannot be reset as a whole, if so: a session of its could not be ended by
    /// what is read back. Of several connectors, all are reset or none.
    #[must_use]
    pub fn reset_refused(&self, charge_point: &ChargePointId, hard: bool) -> Option<RefusalReason> {
        let connectors = self.connectors.iter().enumerate();
        let mut own = connectors
            .filter(|(_, connector)| connector.key.charge_point == *charge_point)
            .map(|(i, _)| i);
        let count = own.clone().count();
        if count == 0 {
            return Some(RefusalReason::UnknownConnector);
        }
        if self.state.commands.open.len() + count > OPEN_COMMANDS_MAX {
            return Some(RefusalReason::TooManyOpen);
        }
        own.find_map(|i| self.judge_reset(i, hard))
    }

    /// Why one connector cannot be reset, if so. A hard reset also ends a session whose device does
    /// not answer, with the register that was last read.
    pub(crate) fn judge_reset(&self, i: usize, hard: bool) -> Option<RefusalReason> {
        let connector = &self.connectors[i];
        if self.journaled(i).session.is_none() {
            None
        } else if !connector.config.range.can_pause {
            Some(RefusalReason::CannotPause)
        } else if !hard && !connector.live.answering {
            Some(RefusalReason::DeviceOffline)
        } else {
            None
        }
    }

    pub(crate) fn is_resetting(&self, i: usize) -> bool {
        self.open_reset(i).is_some()
    }

    pub(crate) fn is_resetting_hard(&self, i: usize) -> bool {
        self.open_reset(i) == Some(true)
    }

    /// Whether the open order to reset a connector is a hard one, if there is one.
    fn open_reset(&self, i: usize) -> Option<bool> {
        let key = &self.connectors[i].key;
        let mut open = self.state.commands.open.values().map(|open| &open.value);
        open.find_map(|command| match command.kind {
            CommandKind::Reset { hard }
                if command.charge_point == key.charge_point
                    && command.connector == key.connector =>
            {
                Some(hard)
            }
            CommandKind::Reset { .. }
            | CommandKind::StartSession { .. }
            | CommandKind::StopSession { .. }
            | CommandKind::StopByTag { .. }
            | CommandKind::SetLimit { .. }
            | CommandKind::ClearLimit
            | CommandKind::SetAvailable
            | CommandKind::SetUnavailable => None,
        })
    }
}

impl Turn<'_> {
    /// What becomes true with the order. Where nothing runs, a soft reset has nothing to wait for.
    pub(crate) fn reset(&mut self, i: usize, id: CommandId, hard: bool) {
        if hard {
            self.live_mut(i).setpoint.forget_device();
        } else if self.state(i).session.is_none() && self.state(i).authorized.is_none() {
            self.close(id, Outcome::Applied);
        }
        self.withdraw(i);
    }

    /// The device shows that the connector, which has no session any more, was reset.
    pub(crate) fn is_reset(&self, i: usize, hard: bool) -> bool {
        if !self.config(i).range.can_pause {
            self.live(i).setpoint.is_known()
        } else if hard {
            self.live(i).setpoint.is_paused()
        } else {
            self.is_stopped(i)
        }
    }
}
