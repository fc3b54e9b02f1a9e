//! Orders: refused, or opened and then closed by what was read back, by expiry, or by a later order.
//!
//! An order that expired was not confirmed in time. What it asked of the connector stays asked
//! (a lowered limit is still pursued, a stopped session stays stopped); only a start that led to
//! no session is withdrawn, because nobody may be charged on an order reported as failed.

use std::collections::{BTreeMap, VecDeque};

use site_model::{
    Change, ChargePointId, Command, CommandId, CommandKind, ConnectorId, ConnectorStatus, IdTag,
    Milliamps, Outcome, RefusalReason, StopReason, Timestamp, VehicleState,
};

use crate::config::Authorization;
use crate::decision::Action;
use crate::limits::rounded;
use crate::reservation::Use;
use crate::state::{Key, Stamped};
use crate::turn::Turn;

/// Orders open at one time at the whole site; further ones are refused.
pub const OPEN_COMMANDS_MAX: usize = 32;
/// Ended orders whose fate is remembered for whoever asks again; the oldest is forgotten first,
/// except that a limit in force keeps its order. The same number of refusals is remembered.
pub const REMEMBERED_COMMANDS_MAX: usize = 256;

/// An ended order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) command: Stamped<Command>,
    pub(crate) at: Timestamp,
    pub(crate) outcome: Outcome,
}

/// Open and remembered orders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CommandLog {
    pub(crate) open: BTreeMap<CommandId, Stamped<Command>>,
    /// In the order of closing.
    pub(crate) closed: VecDeque<Closed>,
}

impl CommandLog {
    pub(crate) fn open(&mut self, command: Stamped<Command>) {
        self.open.insert(command.value.id.clone(), command);
    }

    pub(crate) fn close(
        &mut self,
        id: &CommandId,
        at: Timestamp,
        outcome: Outcome,
        in_force: &[CommandId],
    ) {
        let Some(command) = self.open.remove(id) else {
            return;
        };
        self.closed.push_back(Closed {
            command,
            at,
            outcome,
        });
        if self.closed.len() > REMEMBERED_COMMANDS_MAX {
            let dispensable = |closed: &Closed| !in_force.contains(&closed.command.value.id);
            if let Some(oldest) = self.closed.iter().position(dispensable) {
                self.closed.remove(oldest);
            }
        }
    }

    fn fate(&self, id: &CommandId) -> Option<Outcome> {
        let closed = self.closed.iter().find(|c| c.command.value.id == *id)?;
        Some(closed.outcome)
    }
}

/// Refusals, which no fact records: after a restart a refused order may be tried again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusals(VecDeque<(CommandId, RefusalReason)>);

impl Refusals {
    fn remember(&mut self, id: CommandId, reason: RefusalReason) {
        if self.0.len() >= REMEMBERED_COMMANDS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((id, reason));
    }

    fn find(&self, id: &CommandId) -> Option<RefusalReason> {
        let found = self.0.iter().find(|(refused, _)| refused == id);
        found.map(|(_, reason)| *reason)
    }
}

/// Orders of one group are about the same thing: the later takes the place of the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Session,
    Limit,
    Availability,
    Reset,
}

fn group(kind: &CommandKind) -> Group {
    match kind {
        CommandKind::StartSession { .. }
        | CommandKind::StopSession { .. }
        | CommandKind::StopByTag { .. } => Group::Session,
        CommandKind::SetLimit { .. } | CommandKind::ClearLimit => Group::Limit,
        CommandKind::SetAvailable | CommandKind::SetUnavailable => Group::Availability,
        CommandKind::Reset { .. } => Group::Reset,
    }
}

impl Turn<'_> {
    /// Answers, refuses or opens an order.
    pub(crate) fn receive(&mut self, command: Command) {
        if self.site.state.commands.open.contains_key(&command.id) {
            return;
        }
        let refused = self.site.refusals.find(&command.id).map(Outcome::Refused);
        if let Some(outcome) = self.site.state.commands.fate(&command.id).or(refused) {
            self.answer(command.id, outcome);
            return;
        }
        let key = Key {
            charge_point: command.charge_point.clone(),
            connector: command.connector,
        };
        let judged = match self.site.connectors.iter().position(|c| c.key == key) {
            Some(i) => self.judge(i, &command).map_or(Ok(i), Err),
            None => Err(RefusalReason::UnknownConnector),
        };
        match judged {
            Ok(i) => self.open(i, command),
            Err(reason) => {
                self.site.refusals.remember(command.id.clone(), reason);
                self.answer(command.id, Outcome::Refused(reason));
            }
        }
    }

    /// Why the order cannot be opened, if so.
    fn judge(&self, i: usize, command: &Command) -> Option<RefusalReason> {
        let state = self.state(i);
        if self.now.monotonic >= command.expires_at {
            return Some(RefusalReason::TooLate);
        }
        // A supersession frees a place, so only a net addition counts.
        let frees = self
            .open_commands(i)
            .any(|open| group(&open.value.kind) == group(&command.kind));
        if !frees && self.site.state.commands.open.len() >= OPEN_COMMANDS_MAX {
            return Some(RefusalReason::TooManyOpen);
        }
        let can_pause = self.config(i).range.can_pause;
        match &command.kind {
            CommandKind::StartSession { id_tag, parent } => {
                self.judge_start(i, id_tag, parent.as_ref())
            }
            CommandKind::StopSession { .. } | CommandKind::StopByTag { .. }
                if state.session.is_none() && state.authorized.is_none() =>
            {
                Some(RefusalReason::NoSession)
            }
            CommandKind::StopSession { .. }
            | CommandKind::StopByTag { .. }
            | CommandKind::SetUnavailable
                if !can_pause =>
            {
                Some(RefusalReason::CannotPause)
            }
            CommandKind::SetLimit { limit } => self.judge_limit(i, *limit),
            CommandKind::StopSession { .. }
            | CommandKind::StopByTag { .. }
            | CommandKind::ClearLimit => self.judge_reachable(i),
            CommandKind::SetAvailable | CommandKind::SetUnavailable => None,
            CommandKind::Reset { hard } => self.site.judge_reset(i, *hard),
        }
    }

    fn judge_reachable(&self, i: usize) -> Option<RefusalReason> {
        (!self.live(i).answering).then_some(RefusalReason::DeviceOffline)
    }

    fn judge_start(
        &self,
        i: usize,
        id_tag: &IdTag,
        parent: Option<&IdTag>,
    ) -> Option<RefusalReason> {
        let state = self.state(i);
        let paid = self.config(i).authorization == Authorization::Required;
        if state.session.is_some() {
            Some(RefusalReason::SessionRunning)
        } else if paid && self.site.storage_failed {
            Some(RefusalReason::StorageUnavailable)
        } else if state.out_of_operation.is_some()
            || self.live(i).is_faulted()
            || self.site.is_resetting(i)
        {
            Some(RefusalReason::NotOperative)
        } else if self.site.use_of(self.now.wall, i, id_tag, parent) == Use::KeptForOther {
            Some(RefusalReason::Reserved)
        } else {
            self.judge_reachable(i)
        }
    }

    fn judge_limit(&self, i: usize, limit: Milliamps) -> Option<RefusalReason> {
        let range = &self.config(i).range;
        if limit == Milliamps::PAUSE && !range.can_pause {
            Some(RefusalReason::CannotPause)
        } else if limit > Milliamps::PAUSE && rounded(limit, range) == Milliamps::PAUSE {
            Some(RefusalReason::LimitBelowMinimum)
        } else {
            self.judge_reachable(i)
        }
    }

    fn open(&mut self, i: usize, command: Command) {
        let same_group = group(&command.kind);
        let resets = same_group == Group::Reset;
        self.close_open(i, Outcome::Superseded, |kind| {
            group(kind) == same_group || (resets && group(kind) == Group::Session)
        });
        self.record(Change::CommandOpened(command.clone()));
        match command.kind {
            CommandKind::StartSession { id_tag, .. } => self.authorize(i, Some(id_tag)),
            CommandKind::StopSession { .. } | CommandKind::StopByTag { .. } => self.withdraw(i),
            CommandKind::SetAvailable => self.set_operative(i, true),
            CommandKind::SetUnavailable => {
                self.set_operative(i, false);
                self.withdraw(i);
            }
            CommandKind::Reset { hard } => self.reset(i, command.id, hard),
            CommandKind::SetLimit { .. } | CommandKind::ClearLimit => {}
        }
    }

    /// Why the running session is being stopped, and by which tag: what the last order to stop it said.
    /// Taken out of operation counts as stopped at the cabinet.
    pub(crate) fn stop_reason(&self, i: usize) -> (StopReason, Option<IdTag>) {
        if self.is_disowned_to_its_end(i) {
            return (StopReason::DeAuthorized, None);
        }
        let key = &self.site.connectors[i].key;
        let closed = self.site.state.commands.closed.iter().rev();
        let closed = closed.map(|closed| &closed.command).filter(|command| {
            command.value.charge_point == key.charge_point
                && command.value.connector == key.connector
        });
        let mut orders = self.open_commands(i).chain(closed);
        let last = orders.find_map(|order| match &order.value.kind {
            CommandKind::StopSession { reason } => Some((*reason, None)),
            CommandKind::StopByTag { id_tag } => Some((StopReason::Local, Some(id_tag.clone()))),
            CommandKind::SetUnavailable | CommandKind::StartSession { .. } => {
                Some((StopReason::Local, None))
            }
            CommandKind::Reset { hard: false } => Some((StopReason::SoftReset, None)),
            CommandKind::Reset { hard: true } => Some((StopReason::HardReset, None)),
            CommandKind::SetLimit { .. } | CommandKind::ClearLimit | CommandKind::SetAvailable => {
                None
            }
        });
        last.unwrap_or((StopReason::Local, None))
    }

    pub(crate) fn withdraw(&mut self, i: usize) {
        if self.state(i).authorized.is_some() {
            self.authorize(i, None);
        }
    }

    /// A connector without a session is taken out of operation at once, by an order.
    pub(crate) fn schedule_closing(&mut self, charge_point: ChargePointId, connector: ConnectorId) {
        let key = Key {
            charge_point,
            connector,
        };
        let Some(i) = self.site.connectors.iter().position(|c| c.key == key) else {
            return;
        };
        let state = self.state(i);
        if state.session.is_some() && state.closing_scheduled.is_none() {
            self.plan_closing(i, true);
        }
    }

    /// The session has ended that a closing waited for.
    pub(crate) fn settle_closing(&mut self, i: usize) {
        let state = self.state(i);
        if state.closing_scheduled.is_some() && state.session.is_none() {
            self.set_operative(i, false);
        }
    }

    fn plan_closing(&mut self, i: usize, scheduled: bool) {
        let (charge_point, connector) = self.names(i);
        self.record(Change::ClosingScheduled {
            charge_point,
            connector,
            scheduled,
        });
    }

    fn set_operative(&mut self, i: usize, operative: bool) {
        if operative && self.state(i).closing_scheduled.is_some() {
            self.plan_closing(i, false);
        }
        if self.state(i).out_of_operation.is_none() == operative {
            return;
        }
        let (charge_point, connector) = self.names(i);
        self.record(Change::AvailabilityChanged {
            charge_point,
            connector,
            operative,
        });
    }

    /// Open orders of one connector.
    pub(crate) fn open_commands(&self, i: usize) -> impl Iterator<Item = &Stamped<Command>> {
        let key = &self.site.connectors[i].key;
        self.site.state.commands.open.values().filter(|command| {
            command.value.charge_point == key.charge_point
                && command.value.connector == key.connector
        })
    }

    /// Closes those open orders of a connector that `which` picks.
    pub(crate) fn close_open(
        &mut self,
        i: usize,
        outcome: Outcome,
        which: impl Fn(&CommandKind) -> bool,
    ) {
        let ids: Vec<CommandId> = self
            .open_commands(i)
            .filter(|command| which(&command.value.kind))
            .map(|command| command.value.id.clone())
            .collect();
        for id in ids {
            self.close(id, outcome);
        }
    }

    pub(crate) fn close(&mut self, id: CommandId, outcome: Outcome) {
        self.record(Change::CommandClosed {
            id: id.clone(),
            outcome,
        });
        self.answer(id, outcome);
    }

    fn answer(&mut self, id: CommandId, outcome: Outcome) {
        self.answers.push(Action::AnswerCommand { id, outcome });
    }

    /// Closes every order whose time has passed.
    pub(crate) fn expire_commands(&mut self) {
        let now = self.now.monotonic;
        let is_over = |command: &&Stamped<Command>| command.value.expires_at <= now;
        let open = self.site.state.commands.open.values();
        let ids: Vec<_> = open.filter(is_over).map(|c| c.value.id.clone()).collect();
        for id in ids {
            self.close(id, Outcome::Expired);
        }
    }

    /// Closes the orders of a connector that its device now shows fulfilled.
    pub(crate) fn settle_commands(&mut self, i: usize) {
        let fulfilled: Vec<CommandId> = self
            .open_commands(i)
            .filter(|command| self.is_fulfilled(i, &command.value.kind))
            .map(|command| command.value.id.clone())
            .collect();
        for id in fulfilled {
            self.close(id, Outcome::Applied);
        }
    }

    fn is_fulfilled(&self, i: usize, kind: &CommandKind) -> bool {
        let state = self.state(i);
        let range = &self.config(i).range;
        let setpoint = &self.live(i).setpoint;
        let stopped = state.session.is_none() && state.authorized.is_none();
        match kind {
            CommandKind::StartSession { .. } => {
                // What pauses a session that has begun (SuspendedEVSE) is somebody else's limit.
                let limit = state.granted_limit();
                let paused = limit == Milliamps::PAUSE && setpoint.holds(limit, range);
                let offered = setpoint.offers(range.minimum);
                state.session.is_some() && !state.is_ending() && (offered || paused)
            }
            CommandKind::StopSession { .. } | CommandKind::StopByTag { .. } => {
                stopped && self.is_stopped(i)
            }
            CommandKind::Reset { hard } => stopped && self.is_reset(i, *hard),
            CommandKind::SetUnavailable => {
                stopped && state.out_of_operation.is_some() && self.is_stopped(i)
            }
            CommandKind::SetLimit { .. } | CommandKind::ClearLimit | CommandKind::SetAvailable => {
                setpoint.holds(state.granted_limit(), range)
            }
        }
    }

    /// The device shows that nothing is offered, or nothing is there to take it.
    pub(crate) fn is_stopped(&self, i: usize) -> bool {
        let live = self.live(i);
        let seen_idle = live.vehicle.is_some() && !live.is_charging();
        live.setpoint.is_paused()
            || live.vehicle == Some(VehicleState::A)
            || (!self.config(i).range.reads_back && seen_idle)
    }

    /// After a restart: orders left open count as applied only where the journal shows it.
    pub(crate) fn close_commands_of_last_boot(&mut self) {
        for i in 0..self.site.connectors.len() {
            let state = self.state(i);
            let stopped = state.session.is_none() && state.authorized.is_none();
            let shown = state.status.as_ref().map(|status| status.value.status);
            let begun = matches!(
                shown,
                Some(
                    ConnectorStatus::Charging
                        | ConnectorStatus::SuspendedEv
                        | ConnectorStatus::SuspendedEvse
                )
            );
            let charging = state.session.is_some() && !state.is_ending() && begun;
            self.close_open(i, Outcome::Applied, |kind| match kind {
                CommandKind::StartSession { .. } => charging,
                CommandKind::StopSession { .. }
                | CommandKind::StopByTag { .. }
                | CommandKind::Reset { .. } => stopped,
                CommandKind::SetLimit { .. }
                | CommandKind::ClearLimit
                | CommandKind::SetAvailable
                | CommandKind::SetUnavailable => false,
            });
        }
        let open = &self.site.state.commands.open;
        let left: Vec<CommandId> = open.keys().cloned().collect();
        for id in left {
            self.close(id, Outcome::Expired);
        }
    }
}
