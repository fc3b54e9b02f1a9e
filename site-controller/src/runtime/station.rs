//! What a central system wants of the site, as orders for the core. It is answered once the order is
//! safe on disk; whether it was carried out shows in what is read back, like any order.

use site_core::{Action, Event, Moment, Site};
use site_model::{
    Change, ChargePointId, ChargePointView, Command, CommandId, CommandKind, ConnectorId,
    ConnectorView, Outcome, ReservationId, SessionId,
};
use tokio::sync::oneshot;

use super::Runtime;
use crate::buses::Buses;
use crate::ids;
use crate::ocpp::{StationRequest, Verdict, Wish};

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
        match request.wish {
            Wish::ProfilesLimit(limits) => {
                self.step(Event::ProfilesLimit {
                    charge_point: request.charge_point,
                    limits,
                });
                self.verdict(request.reply, Verdict::Accepted);
            }
            Wish::Assigned {
                session,
                transaction_id,
            } => {
                self.step(Event::TransactionAssigned {
                    session,
                    transaction_id,
                });
                self.verdict(request.reply, Verdict::Accepted);
            }
            Wish::Disown {
                session,
                allowance,
                ends,
            } => {
                self.step(Event::TagNotAccepted {
                    session,
                    allowance,
                    ends,
                });
                self.verdict(request.reply, Verdict::Accepted);
            }
            Wish::Reserve(reservation) => {
                let event = Event::ReservationWished(reservation.clone());
                self.reservation(request.charge_point, reservation.id, request.reply, event);
            }
            Wish::CancelReservation(reservation) => {
                let charge_point = request.charge_point.clone();
                let event = Event::ReservationCancelled {
                    charge_point,
                    reservation,
                };
                self.reservation(request.charge_point, reservation, request.reply, event);
            }
            Wish::Start { .. }
            | Wish::Stop { .. }
            | Wish::StopByTag { .. }
            | Wish::Availability { .. }
            | Wish::Reset { .. } => {
                self.ordered(request);
            }
        }
    }

    /// The core answers by its number.
    fn reservation(
        &mut self,
        charge_point: ChargePointId,
        id: ReservationId,
        reply: oneshot::Sender<Verdict>,
        event: Event,
    ) {
        let asked = self.reserving.entry((charge_point, id)).or_default();
        asked.push(reply);
        self.step(event);
    }

    fn ordered(&mut self, request: StationRequest) {
        let site = &self.parts.site;
        let orders = site
            .view(&request.charge_point)
            .map(|view| orders_of(site, &view, &request.wish))
            .unwrap_or_default();
        let busy = self.busy(&request);
        let mut verdict = match (orders.is_empty(), busy.is_empty()) {
            (true, true) => Verdict::Refused(None),
            (_, false) => Verdict::Scheduled,
            (false, true) => Verdict::Accepted,
        };
        for connector in busy {
            self.step(Event::ClosingWished {
                charge_point: request.charge_point.clone(),
                connector,
            });
        }
        // A reset that is asked for again is another one.
        let again = matches!(request.wish, Wish::Reset { .. });
        let mut id = request.id.filter(|_| !again);
        for order in orders {
            let said = self.order(id.take(), &request.charge_point, order);
            if verdict == Verdict::Accepted || said != Verdict::Accepted {
                verdict = said;
            }
        }
        self.verdict(request.reply, verdict);
    }

    /// Connectors that are to be taken out of operation and have a session: they wait for its end.
    fn busy(&self, request: &StationRequest) -> Vec<ConnectorId> {
        let Wish::Availability {
            connector,
            operative: false,
        } = &request.wish
        else {
            return Vec::new();
        };
        let view = self.parts.site.view(&request.charge_point);
        let connectors = view.into_iter().flat_map(|view| view.connectors);
        let busy = connectors.filter(|known| {
            known.session.is_some() && connector.is_none_or(|wanted| wanted == known.connector)
        });
        busy.map(|known| known.connector).collect()
    }

    /// Tells the link once everything decided so far is safe on disk.
    fn verdict(&mut self, reply: oneshot::Sender<Verdict>, verdict: Verdict) {
        match self.releases.back_mut() {
            Some(release) => release.verdicts.push((reply, verdict)),
            // The link may have gone; its central system asks again.
            None => drop(reply.send(verdict)),
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
    fn order(
        &mut self,
        id: Option<CommandId>,
        charge_point: &ChargePointId,
        order: Order,
    ) -> Verdict {
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
        let answered = decision
            .after_commit
            .iter()
            .find_map(|action| match action {
                Action::AnswerCommand { id: about, outcome } if *about == id => Some(*outcome),
                Action::AnswerCommand { .. }
                | Action::AnswerReservation { .. }
                | Action::WriteLimit { .. }
                | Action::PublishSnapshot { .. } => None,
            });
        self.carry_out(now, decision);
        match answered {
            Some(Outcome::Refused(reason)) => Verdict::Refused(Some(reason)),
            Some(Outcome::Applied) => Verdict::Accepted,
            Some(Outcome::Expired | Outcome::Superseded) | None if opened => Verdict::Accepted,
            Some(Outcome::Expired | Outcome::Superseded) | None => Verdict::Refused(None),
        }
    }
}

/// None where the wish cannot be met.
fn orders_of(site: &Site, view: &ChargePointView, wish: &Wish) -> Vec<Order> {
    match wish {
        Wish::Start {
            connector,
            id_tag,
            parent,
            within,
        } => {
            let place = || site.place_for(&view.announcement.charge_point, id_tag, parent.as_ref());
            let chosen = connector.or_else(place);
            let order = chosen.map(|connector| Order {
                connector,
                kind: CommandKind::StartSession {
                    id_tag: id_tag.clone(),
                    parent: parent.clone(),
                },
                within_ms: u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
            });
            order.into_iter().collect()
        }
        Wish::Stop { session, reason } => {
            let kind = CommandKind::StopSession { reason: *reason };
            stop(view, session, kind).into_iter().collect()
        }
        Wish::StopByTag { session, id_tag } => {
            let id_tag = id_tag.clone();
            let kind = CommandKind::StopByTag { id_tag };
            stop(view, session, kind).into_iter().collect()
        }
        Wish::Availability {
            connector,
            operative,
        } => availability(view, *connector, *operative),
        Wish::Reset { hard } => reset(site, view, *hard),
        // The core answers these by itself.
        Wish::ProfilesLimit(_)
        | Wish::Assigned { .. }
        | Wish::Disown { .. }
        | Wish::Reserve(_)
        | Wish::CancelReservation(_) => Vec::new(),
    }
}

/// Where the session runs.
fn stop(view: &ChargePointView, session: &SessionId, kind: CommandKind) -> Option<Order> {
    let mut running = view.connectors.iter().filter_map(|connector| {
        let running = connector.session.as_ref()?;
        (running.session == *session).then_some(connector.connector)
    });
    running.next().map(|connector| Order {
        connector,
        kind,
        within_ms: CONFIRMED_WITHIN_MS,
    })
}

/// All connectors, or none.
fn reset(site: &Site, view: &ChargePointView, hard: bool) -> Vec<Order> {
    let charge_point = &view.announcement.charge_point;
    if let Some(reason) = site.reset_refused(charge_point, hard) {
        let reason = reason.as_str();
        tracing::warn!(charge_point.id = %charge_point, "A reset of {charge_point} is refused: {reason}");
        return Vec::new();
    }
    let orders = view.connectors.iter().map(|connector| Order {
        connector: connector.connector,
        kind: CommandKind::Reset { hard },
        within_ms: CONFIRMED_WITHIN_MS,
    });
    orders.collect()
}

/// A running session is not ended by taking its connector out of operation from afar: that waits.
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
    let now = meant
        .iter()
        .filter(|known| operative || known.session.is_none());
    let kind = if operative {
        CommandKind::SetAvailable
    } else {
        CommandKind::SetUnavailable
    };
    let orders = now.map(|connector| Order {
        connector: connector.connector,
        kind: kind.clone(),
        within_ms: CONFIRMED_WITHIN_MS,
    });
    orders.collect()
}
