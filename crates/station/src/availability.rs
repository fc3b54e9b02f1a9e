//! Which connectors are in operation, as the central system ordered (OCPP 1.6 section 5.2). It is
//! kept through restarts; a change waits for the end of a running transaction.

use ocpp::v16::{AvailabilityStatus, AvailabilityType};

/// The order for each connector and for the whole charge point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// Index 0 is the charge point, n is connector n.
    operative: Vec<bool>,
    /// What is to become of a connector when its transaction ends.
    waiting: Vec<Option<bool>>,
}

/// What an order led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// The answer on the wire.
    pub status: AvailabilityStatus,
    /// Numbers whose order changed and is to be stored; 0 is the charge point.
    pub changed: Vec<u8>,
}

impl Availability {
    /// Everything in operation but what was stored as out of it; 0 is the charge point.
    #[must_use]
    pub fn new(connectors: u8, inoperative: &[u8]) -> Self {
        let numbers = 0..=connectors;
        Self {
            waiting: numbers.clone().map(|_| None).collect(),
            operative: numbers
                .map(|number| !inoperative.contains(&number))
                .collect(),
        }
    }

    /// Whether a connector may be used: it and the charge point are in operation.
    #[must_use]
    pub fn is_operative(&self, connector: u8) -> bool {
        self.operative
            .get(usize::from(connector))
            .is_some_and(|own| *own)
            && self.operative[0]
    }

    /// Takes an order; `busy` says which connectors have a transaction.
    ///
    /// An order for connector 0 is one for the charge point and every connector.
    pub fn order(
        &mut self,
        connector: i64,
        wanted: AvailabilityType,
        busy: impl Fn(u8) -> bool,
    ) -> Ordered {
        let count = self.operative.len();
        let Some(number) = usize::try_from(connector)
            .ok()
            .filter(|number| *number < count)
        else {
            return Ordered {
                status: AvailabilityStatus::Rejected,
                changed: Vec::new(),
            };
        };
        let wanted = match wanted {
            AvailabilityType::Operative => true,
            AvailabilityType::Inoperative => false,
        };
        let all: Vec<u8> = (0..=u8::MAX).take(count).collect();
        let meant: &[u8] = if number == 0 {
            &all
        } else {
            &all[number..=number]
        };
        let busy_one = |number: u8| number > 0 && busy(number);
        let any_busy = meant.iter().any(|number| busy_one(*number));
        let mut ordered = Ordered {
            status: AvailabilityStatus::Accepted,
            changed: Vec::new(),
        };
        for number in meant {
            let place = usize::from(*number);
            let waits = !wanted && (busy_one(*number) || (*number == 0 && any_busy));
            self.waiting[place] = waits.then_some(wanted);
            if waits {
                ordered.status = AvailabilityStatus::Scheduled;
            } else if self.operative[place] != wanted {
                self.operative[place] = wanted;
                ordered.changed.push(*number);
            }
        }
        ordered
    }

    /// A transaction ended: what waited for it comes true. Gives the numbers that changed.
    pub fn transaction_ended(&mut self, busy: impl Fn(u8) -> bool) -> Vec<u8> {
        let numbers: Vec<u8> = (0..=u8::MAX).take(self.operative.len()).collect();
        let any_busy = numbers.iter().skip(1).any(|number| busy(*number));
        let mut changed = Vec::new();
        for number in numbers {
            let place = usize::from(number);
            let still = if number == 0 { any_busy } else { busy(number) };
            if !still && let Some(wanted) = self.waiting[place].take() {
                self.operative[place] = wanted;
                changed.push(number);
            }
        }
        changed
    }
}
