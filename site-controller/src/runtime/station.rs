//! What a central system wants of the site, as orders for the core. It is answered once the order is
//! safe on disk; whether it was carried out shows in what is read back, like any order.

use site_core::{Action, Event, Moment};
use site_model::{
    Change, ChargePointId, ChargePointView, Command, CommandId, CommandKind, ConnectorId,
    ConnectorStatus, ConnectorView, Outcome, StopReason,
};

use tokio::sync::oneshot;

use super::Runtime;
use crate::buses::Buses;
use crate::ids;
use crate::ocpp::{StationRequest, Wish};

/// A vehicle must be plugged in within this time (`ConnectionTimeOut`).
const START_WITHIN_MS: u64 = 60_000;
/// A stop or a change of availability must be read back within this time.
const CONFIRMED_WITHIN_MS: u64 = 30_000;

/// An order for one connector.
struct Order {
    connector: ConnectorId,
    kind: CommandKind,
    within_ms: u64,
}

impl<B: Buses> Runtime<B> {
    pub(super) fn station_request(&mut self, request: StationRequest) {
        if let Wish::ProfilesLimit(limits) = request.wish {
            self.step(Event::ProfilesLimit {
                charge_point: request.charge_point,
                limits,
            });
            return self.verdict(request.reply, true);
        }
        let orders = self
            .parts
            .site
            .view(&request.charge_point)
            .map(|view| orders_of(&view, &request.wish))
            .unwrap_or_default();
        let mut accepted = !orders.is_empty();
        let mut id = request.id;
        for order in orders {
            accepted &= self.order(id.take(), &request.charge_point, order);
        }
        self.verdict(request.reply, accepted);
    }

    /// Tells the link once everything decided so far is safe on disk.
    fn verdict(&mut self, reply: oneshot::Sender<bool>, accepted: bool) {
        match self.releases.back_mut() {
            Some(release) => release.verdicts.push((reply, accepted)),
            // The link may have gone; its central system asks again.
            None => drop(reply.send(accepted)),
        }
    }

    /// Profiles of a central system that a charge point has no more limit nothing.
    pub(super) fn forget_profiles(&mut self) {
        for view in self.parts.site.views() {
            let charge_point = view.announcement.charge_point;
            if !self.parts.stations.has(&charge_point) {
                let connectors = view.connectors.iter();
                let limits = connectors.map(|connector| (connector.connector, None));
                self.step(Event::ProfilesLimit {
                    charge_point,
                    limits: limits.collect(),
                });
            }
        }
    }

    /// Whether the core takes the order.
    fn order(&mut self, id: Option<CommandId>, charge_point: &ChargePointId, order: Order) -> bool {
        let now = self.parts.clock.now();
        let id = id.unwrap_or_else(|| ids::command(now.wall));
        let command = Command {
            id: id.clone(),
            charge_point: charge_point.clone(),
            connector: order.connector,
            kind: order.kind,
            expires_at: now.monotonic.plus_ms(order.within_ms),
        };
        let moment = Moment {
            now,
            fresh_session: ids::session(now.wall),
        };
        let event = Event::CommandReceived(command);
        let decision = self.parts.site.handle(&moment, event);
        let opened = decision
            .facts
            .iter()
            .any(|fact| matches!(&fact.change, Change::CommandOpened(command) if command.id == id));
        let applied = Action::AnswerCommand {
            id,
            outcome: Outcome::Applied,
        };
        let taken = opened || decision.after_commit.contains(&applied);
        self.carry_out(now, decision);
        taken
    }
}

/// None where the wish cannot be met.
fn orders_of(view: &ChargePointView, wish: &Wish) -> Vec<Order> {
    match wish {
        Wish::Start { connector, id_tag } => {
            let chosen = connector.or_else(|| free_connector(view));
            let order = chosen.map(|connector| Order {
                connector,
                kind: CommandKind::StartSession {
                    id_tag: id_tag.clone(),
                },
                within_ms: START_WITHIN_MS,
            });
            order.into_iter().collect()
        }
        Wish::Stop { session, reason } => {
            let runs = |connector: &&ConnectorView| {
                connector
                    .session
                    .as_ref()
                    .is_some_and(|running| running.session == *session)
            };
            let running = view.connectors.iter().find(runs);
            let order = running.map(|connector| stop(connector.connector, *reason));
            order.into_iter().collect()
        }
        Wish::Availability {
            connector,
            operative,
        } => availability(view, *connector, *operative),
        // An event of its own.
        Wish::ProfilesLimit(_) => Vec::new(),
    }
}

fn stop(connector: ConnectorId, reason: StopReason) -> Order {
    Order {
        connector,
        kind: CommandKind::StopSession { reason },
        within_ms: CONFIRMED_WITHIN_MS,
    }
}

/// Where a vehicle waits, else where none is.
fn free_connector(view: &ChargePointView) -> Option<ConnectorId> {
    let with = |status: ConnectorStatus| {
        let connectors = view.connectors.iter();
        let mut free = connectors.filter(|connector| connector.session.is_none());
        free.find(|connector| connector.status == status)
    };
    let chosen = with(ConnectorStatus::Preparing).or_else(|| with(ConnectorStatus::Available));
    chosen.map(|connector| connector.connector)
}

/// A running session is not ended by taking its connector out of operation from afar.
fn availability(
    view: &ChargePointView,
    connector: Option<ConnectorId>,
    operative: bool,
) -> Vec<Order> {
    let meant: Vec<&ConnectorView> = view
        .connectors
        .iter()
        .filter(|known| connector.is_none_or(|wanted| wanted == known.connector))
        .collect();
    if !operative && meant.iter().any(|connector| connector.session.is_some()) {
        return Vec::new();
    }
    let kind = if operative {
        CommandKind::SetAvailable
    } else {
        CommandKind::SetUnavailable
    };
    let orders = meant.iter().map(|connector| Order {
        connector: connector.connector,
        kind: kind.clone(),
        within_ms: CONFIRMED_WITHIN_MS,
    });
    orders.collect()
}
