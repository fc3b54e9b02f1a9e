//! Events that the receiver has not taken yet.
//!
//! Bounded by the number of devices: of each device at most one event of each kind waits. A newer
//! reading is merged over an older one, so no value is lost, only intermediate ones; a newer loss,
//! confirmation or refusal replaces the older one, which it has overtaken. Nothing else is dropped.

use std::collections::VecDeque;

use site_model::Reading;

use super::BusEvent;
use crate::decode::same_kind;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    events: VecDeque<BusEvent>,
    merged: u64,
}

impl Outbox {
    pub(super) fn push(&mut self, event: BusEvent) {
        let same = |waiting: &BusEvent| {
            std::mem::discriminant(waiting) == std::mem::discriminant(&event)
                && waiting.device() == event.device()
        };
        let older = self.events.iter().position(same);
        let older = older.and_then(|index| self.events.remove(index));
        let event = match (older, event) {
            (Some(BusEvent::Read(older)), BusEvent::Read(newer)) => {
                self.merged += 1;
                BusEvent::Read(merge(older, newer))
            }
            (_, event) => event,
        };
        self.events.push_back(event);
    }

    pub(super) fn pop(&mut self) -> Option<BusEvent> {
        self.events.pop_front()
    }

    pub(super) fn put_back(&mut self, event: BusEvent) {
        self.events.push_front(event);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Readings that went out together with a later one because the receiver was slow.
    pub(super) fn merged(&self) -> u64 {
        self.merged
    }
}

fn merge(older: Reading, mut newer: Reading) -> Reading {
    let kept = older
        .values
        .into_iter()
        .filter(|old| !newer.values.iter().any(|new| same_kind(old, new)));
    let kept: Vec<_> = kept.collect();
    newer.values.extend(kept);
    newer
}

#[cfg(test)]
mod tests {
    use super::*;
    use site_model::{DeviceFault, DeviceId, Milliamps, Value, VehicleState, Watts};

    fn device(name: &str) -> DeviceId {
        DeviceId::new(name).unwrap()
    }

    fn read(name: &str, values: Vec<Value>) -> BusEvent {
        BusEvent::Read(Reading {
            device: device(name),
            values,
        })
    }

    fn lost(name: &str) -> BusEvent {
        let fault = DeviceFault {
            message: "m".to_owned(),
            remedy: "r".to_owned(),
        };
        BusEvent::Lost {
            device: device(name),
            fault,
        }
    }

    fn drained(mut outbox: Outbox) -> Vec<BusEvent> {
        std::iter::from_fn(|| outbox.pop()).collect()
    }

    #[test]
    fn a_newer_reading_is_merged_over_the_older_of_the_same_device() {
        let mut outbox = Outbox::default();
        let serial = Value::Serial("4711".to_owned());
        outbox.push(read("a", vec![Value::Power(Watts(1)), serial.clone()]));
        outbox.push(read("b", vec![Value::Power(Watts(5))]));
        outbox.push(read("a", vec![Value::Power(Watts(2))]));
        assert_eq!(outbox.merged(), 1);
        assert_eq!(
            drained(outbox),
            [
                read("b", vec![Value::Power(Watts(5))]),
                read("a", vec![Value::Power(Watts(2)), serial]),
            ]
        );
    }

    #[test]
    fn loss_and_return_keep_their_order_however_slow_the_receiver_is() {
        let mut outbox = Outbox::default();
        let state = |state| read("a", vec![Value::VehicleState(state)]);
        for _ in 0..100 {
            outbox.push(state(VehicleState::A));
            outbox.push(lost("a"));
            outbox.push(state(VehicleState::B));
        }
        assert_eq!(drained(outbox), [lost("a"), state(VehicleState::B)]);
    }

    #[test]
    fn the_newest_confirmation_stands_beside_readings_and_losses() {
        let mut outbox = Outbox::default();
        let written = |limit| BusEvent::LimitWritten {
            device: device("a"),
            limit: Milliamps(limit),
        };
        outbox.push(written(6_000));
        outbox.push(lost("a"));
        outbox.push(written(10_000));
        assert_eq!(drained(outbox), [lost("a"), written(10_000)]);
    }
}
