//! A charge point that is reset (docs/decisions/0012-reset.md). What is reset of the site are orders of the
//! core, and its facts say so; what is reset of the link is its socket, which ends when they have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use site_model::{Change, ChargePointId, CommandId, CommandKind, Outcome, Timestamp};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::security::events::Kind;
use super::task::Task;

/// How long a central system may take for the ends of the sessions that a soft reset ended; after that
/// they are told after the boot notification, like anything that was not told.
const TOLD_WITHIN: Duration = Duration::from_secs(60);
/// Longer than any order to reset stays open.
const ORDERS_END_WITHIN: Duration = Duration::from_secs(60);

/// A reset that was begun, as the facts tell it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reset {
    pub(super) hard: bool,
    /// Orders that are still to end.
    open: BTreeSet<CommandId>,
    /// Those that did, without the device having shown it.
    unconfirmed: usize,
    /// When the last of them did.
    settled_at: Option<Timestamp>,
}

/// The links that a fact about a reset may be about.
pub(super) fn about<'a>(
    change: &Change,
    links: &'a BTreeMap<ChargePointId, Arc<Shared>>,
) -> Vec<&'a Arc<Shared>> {
    if let Change::CommandOpened(command) = change
        && matches!(command.kind, CommandKind::Reset { .. })
    {
        return links.get(&command.charge_point).into_iter().collect();
    }
    let Change::CommandClosed { id, .. } = change else {
        return Vec::new();
    };
    let knows = |link: &&Arc<Shared>| {
        let state = link.state();
        state
            .reset
            .as_ref()
            .is_some_and(|reset| reset.open.contains(id))
    };
    links.values().filter(knows).collect()
}

/// A fact about a link's reset was recorded.
pub(super) fn recorded(reset: &mut Option<Reset>, change: &Change, at: Timestamp) {
    if let Change::CommandOpened(command) = change
        && let CommandKind::Reset { hard } = command.kind
    {
        let reset = reset.get_or_insert_default();
        reset.hard = hard;
        reset.open.insert(command.id.clone());
        reset.settled_at = None;
    }
    if let (Change::CommandClosed { id, outcome }, Some(reset)) = (change, reset) {
        reset.open.remove(id);
        reset.unconfirmed += usize::from(*outcome == Outcome::Expired);
        if reset.open.is_empty() {
            reset.settled_at = Some(at);
        }
    }
}

impl Task {
    pub(super) fn is_resetting(&self) -> bool {
        self.shared.state().reset.is_some()
    }

    /// The socket is to end now. A hard reset ends it at once, so that the ends of its sessions are told
    /// after the boot; a soft one when they are told.
    pub(super) fn is_to_reset(&self) -> bool {
        let state = self.shared.state();
        let Some(reset) = &state.reset else {
            return false;
        };
        let Some(settled) = reset.settled_at else {
            return reset.hard;
        };
        let told = state.status.waiting == 0 && !self.station.has_message();
        let waited = self.clock.now().monotonic.ms_since(settled.monotonic);
        reset.hard || told || Duration::from_millis(waited) >= TOLD_WITHIN
    }

    /// When a soft reset no longer waits for the central system, since the daemon's start.
    pub(super) fn reset_deadline(&self) -> Option<Duration> {
        let state = self.shared.state();
        let settled = state.reset.as_ref()?.settled_at?;
        Some(Duration::from_millis(settled.monotonic.0) + TOLD_WITHIN)
    }

    /// Without a socket: waits until the orders have ended, and begins anew. False: the daemon stops.
    pub(super) async fn finish_reset(&mut self, stop: &CancellationToken) -> bool {
        let Some(reset) = self.shared.state().reset.clone() else {
            return true;
        };
        let kind = if reset.hard { "hard" } else { "soft" };
        let charge_point = self.endpoint.charge_point.clone();
        self.shared.state().status.connected_since = None;
        let until = Instant::now() + ORDERS_END_WITHIN;
        let shared = Arc::clone(&self.shared);
        let open = || {
            let state = shared.state();
            let open = state.reset.as_ref().map(|reset| &reset.open);
            open.is_some_and(|open| !open.is_empty())
        };
        while open() {
            let changed = stop.run_until_cancelled(timeout_at(until, shared.changed.notified()));
            match changed.await {
                None => return false,
                Some(Ok(())) => {}
                Some(Err(_elapsed)) => break,
            }
        }
        let reset = self.shared.state().reset.take().unwrap_or_default();
        let missing = reset.open.len() + reset.unconfirmed;
        if missing > 0 {
            tracing::warn!(
                charge_point.id = %charge_point,
                connectors = missing,
                "{charge_point} was reset, but not every charger confirmed its pause: see `site-controller status`"
            );
        }
        tracing::info!(
            charge_point.id = %charge_point,
            "{charge_point} was reset ({kind}): what it does was ended and its link begins anew. The charger's own \
             electronics were not restarted; no device profile has a register for that"
        );
        self.note(Kind::ResetOrReboot, &format!("{kind} reset"))
            .await;
        self.station.restarted();
        true
    }
}
