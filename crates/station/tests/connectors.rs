//! Availability of connectors.

use ocpp::v16::AvailabilityStatus::{Accepted, Rejected, Scheduled};
use ocpp::v16::AvailabilityType::{Inoperative, Operative};
use station::availability::{Availability, Ordered};

fn ordered(status: ocpp::v16::AvailabilityStatus, changed: &[u8]) -> Ordered {
    Ordered {
        status,
        changed: changed.to_vec(),
    }
}

fn operative(availability: &Availability) -> [bool; 2] {
    [1, 2].map(|connector| availability.is_operative(connector))
}

#[test]
fn an_order_for_a_free_connector_holds_at_once_and_through_a_restart() {
    let mut some = Availability::new(2, &[]);
    assert_eq!(
        some.order(1, Inoperative, |_| false),
        ordered(Accepted, &[1])
    );
    assert_eq!(
        some.order(1, Inoperative, |_| false),
        ordered(Accepted, &[]),
        "nothing changed"
    );
    assert_eq!(operative(&some), [false, true]);
    assert_eq!(Availability::new(2, &[1]), some);
    assert_eq!(some.order(1, Operative, |_| false), ordered(Accepted, &[1]));
    assert_eq!(operative(&some), [true, true]);
    for connector in [3, -1, 256] {
        assert_eq!(
            some.order(connector, Inoperative, |_| false),
            ordered(Rejected, &[])
        );
    }
    assert!(!some.is_operative(3));
}

#[test]
fn an_order_waits_for_the_end_of_the_transaction_and_can_be_taken_back() {
    let mut some = Availability::new(2, &[]);
    assert_eq!(
        some.order(1, Inoperative, |number| number == 1),
        ordered(Scheduled, &[])
    );
    assert_eq!(operative(&some), [true, true]);
    assert_eq!(
        some.transaction_ended(|number| number == 1),
        Vec::<u8>::new()
    );
    assert_eq!(some.transaction_ended(|_| false), [1]);
    assert_eq!(operative(&some), [false, true]);

    let mut some = Availability::new(2, &[]);
    some.order(1, Inoperative, |number| number == 1);
    assert_eq!(
        some.order(1, Operative, |number| number == 1),
        ordered(Accepted, &[])
    );
    assert_eq!(some.transaction_ended(|_| false), Vec::<u8>::new());
}

#[test]
fn an_order_for_all_reaches_the_free_connectors_at_once_and_the_busy_one_later() {
    let mut some = Availability::new(2, &[]);
    assert_eq!(
        some.order(0, Inoperative, |number| number == 2),
        ordered(Scheduled, &[1])
    );
    assert_eq!(operative(&some), [false, true]);
    assert_eq!(some.transaction_ended(|_| false), [0, 2]);
    assert_eq!(operative(&some), [false, false]);
    assert_eq!(some.order(1, Operative, |_| false), ordered(Accepted, &[1]));
    assert_eq!(
        operative(&some),
        [false, false],
        "the charge point itself is still out of operation"
    );
    assert_eq!(
        some.order(0, Operative, |_| false),
        ordered(Accepted, &[0, 2])
    );
    assert_eq!(operative(&some), [true, true]);
}

#[test]
fn the_charge_point_itself_waits_for_the_last_transaction() {
    let mut some = Availability::new(2, &[]);
    assert_eq!(
        some.order(0, Inoperative, |_| true),
        ordered(Scheduled, &[])
    );
    assert_eq!(some.transaction_ended(|number| number == 2), [1]);
    assert_eq!(operative(&some), [false, true]);
    assert_eq!(some.transaction_ended(|_| false), [0, 2]);
    let mut some = Availability::new(1, &[]);
    let none = |number| number == 0;
    assert_eq!(
        some.order(0, Inoperative, none),
        ordered(Accepted, &[0, 1]),
        "connectors count, from 1"
    );
}
