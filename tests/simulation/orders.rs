//! Orders: given, asked for again, and what was answered.

use std::time::Duration;

use site_controller::runtime::{Input, LocalOrder, LocalRequest};
use site_model::{CommandId, CommandKind, ConnectorId, IdTag, Outcome, StopReason};
use tokio::sync::oneshot;

use crate::agenda::What;
use crate::world::{Order, World};

impl World {
    pub(crate) fn order_start(&mut self, place: usize, car: u64) {
        if self.car_is_here(place, car) {
            let id_tag = IdTag::new("TAG").unwrap();
            self.give(
                place,
                CommandKind::StartSession {
                    id_tag,
                    parent: None,
                },
            );
        }
    }

    pub(crate) fn order_stop(&mut self, place: usize, car: u64) {
        if self.car_is_here(place, car) {
            let reason = StopReason::Local;
            self.give(place, CommandKind::StopSession { reason });
        }
    }

    pub(crate) fn car_is_here(&self, place: usize, car: u64) -> bool {
        let stay = self.places[place].stays.last();
        stay.is_some_and(|stay| stay.to_ms.is_none() && stay.from_ms == car)
    }

    pub(crate) fn give(&mut self, place: usize, kind: CommandKind) {
        let order = self.orders.len();
        self.orders.push(Order {
            id: CommandId::new(&format!("cmd_{order}")).unwrap(),
            place,
            kind,
            reply: None,
            fate: None,
            told_unsafely: false,
        });
        self.ask(order);
    }

    /// Gives an order, or asks again what became of it.
    pub(crate) fn ask(&mut self, order: usize) {
        if self.gateway.is_none() {
            self.after(30_000, What::Ask { order });
            return;
        }
        let (reply, answer) = oneshot::channel();
        let asked = &mut self.orders[order];
        asked.reply = Some(answer);
        let order = LocalOrder {
            id: Some(asked.id.clone()),
            charge_point: self.places[asked.place].id.clone(),
            connector: ConnectorId::new(1).unwrap(),
            kind: asked.kind.clone(),
            timeout: Duration::from_secs(60),
        };
        self.input(Input::Local(LocalRequest::Command { order, reply }));
    }

    pub(crate) fn hear_fates(&mut self) {
        for order in &mut self.orders {
            let Some(reply) = &mut order.reply else {
                continue;
            };
            let Ok((_, outcome)) = reply.try_recv() else {
                continue;
            };
            // No fact records a refusal: after a restart a refused order may be tried again.
            let final_one = |fate: &Outcome| !matches!(fate, Outcome::Refused(_));
            if let Some(before) = order.fate.filter(final_one).filter(|fate| *fate != outcome) {
                assert!(
                    order.told_unsafely,
                    "{} has two fates: {before:?} and {outcome:?}",
                    order.id
                );
                self.report
                    .count("permitted: a fate told while the disk failed, and forgotten");
            }
            order.told_unsafely = self.disk_fails;
            order.fate = Some(outcome);
            order.reply = None;
        }
    }
}
