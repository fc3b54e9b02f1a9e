//! Availability and reservations of connectors.
#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

use ocpp::v16::AvailabilityStatus::{Accepted, Rejected, Scheduled};
use ocpp::v16::AvailabilityType::{Inoperative, Operative};
use ocpp::v16::{ReservationStatus, ReserveNowRequest};
use ocpp::{Text, Time};
use station::availability::{Availability, Ordered};
use station::reservation::{Occupation, Reservation, Reservations, Use};

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

fn at(second: i64) -> Time {
    Time::from_unix_ms(second * 1000).unwrap()
}

fn tag(text: &str) -> Text<20> {
    Text::new(text).unwrap()
}

fn wish(id: i64, connector: i64, id_tag: &str) -> ReserveNowRequest {
    ReserveNowRequest::new(connector, at(100), tag(id_tag), id)
}

fn free(_: u8) -> Occupation {
    Occupation::Free
}

fn ids(reservations: &Reservations) -> Vec<i64> {
    reservations.kept().iter().map(|kept| kept.id).collect()
}

#[test]
fn a_free_connector_is_kept_and_the_same_id_replaces() {
    let mut some = Reservations::new(2, true);
    assert_eq!(
        some.reserve(at(0), &wish(1, 1, "A"), free),
        ReservationStatus::Accepted
    );
    assert_eq!(
        some.reserve(at(0), &wish(2, 1, "B"), free),
        ReservationStatus::Occupied
    );
    assert_eq!(
        some.reserve(at(0), &wish(1, 2, "C"), free),
        ReservationStatus::Accepted
    );
    let kept = Reservation {
        id: 1,
        connector: 2,
        id_tag: tag("C"),
        parent_id_tag: None,
        expiry: at(100),
    };
    assert_eq!(some.kept(), std::slice::from_ref(&kept));
    let mut restored = Reservations::new(2, true);
    restored.restore(kept);
    assert_eq!(restored, some);
    assert!(some.cancel(1) && !some.cancel(1));
}

#[test]
fn what_cannot_be_kept_is_answered_with_the_connectors_state() {
    let mut some = Reservations::new(2, false);
    for (connector, status) in [
        (0, ReservationStatus::Rejected),
        (3, ReservationStatus::Rejected),
        (-1, ReservationStatus::Rejected),
    ] {
        assert_eq!(some.reserve(at(0), &wish(1, connector, "A"), free), status);
    }
    for (occupation, status) in [
        (Occupation::Occupied, ReservationStatus::Occupied),
        (Occupation::Faulted, ReservationStatus::Faulted),
        (Occupation::Unavailable, ReservationStatus::Unavailable),
    ] {
        assert_eq!(
            some.reserve(at(0), &wish(1, 1, "A"), |_| occupation),
            status
        );
        let mut any = Reservations::new(2, true);
        assert_eq!(any.reserve(at(0), &wish(1, 0, "A"), |_| occupation), status);
    }
    assert_eq!(
        some.reserve(at(100), &wish(1, 1, "A"), free),
        ReservationStatus::Rejected,
        "it is over"
    );
    assert_eq!(ids(&some), Vec::<i64>::new());
}

#[test]
fn a_reservation_for_any_connector_keeps_one_free() {
    let mut some = Reservations::new(2, true);
    assert_eq!(
        some.reserve(at(0), &wish(1, 0, "A"), free),
        ReservationStatus::Accepted
    );
    let one_busy = |number| {
        if number == 1 {
            Occupation::Occupied
        } else {
            Occupation::Free
        }
    };
    assert_eq!(
        some.reserve(at(0), &wish(2, 2, "B"), one_busy),
        ReservationStatus::Occupied
    );
    assert_eq!(
        some.reserve(at(0), &wish(2, 0, "B"), one_busy),
        ReservationStatus::Occupied
    );
    assert_eq!(
        some.may_use(at(0), 2, &tag("B"), None, one_busy),
        Use::KeptForOther
    );
    assert_eq!(
        some.may_use(at(0), 2, &tag("a"), None, one_busy),
        Use::ByReservation(1)
    );
    assert_eq!(
        some.may_use(at(0), 2, &tag("B"), None, free),
        Use::Free,
        "another one stays free"
    );
    assert_eq!(
        some.reserve(at(0), &wish(2, 2, "B"), free),
        ReservationStatus::Accepted
    );
    assert_eq!(
        some.reserve(at(0), &wish(3, 1, "C"), free),
        ReservationStatus::Occupied
    );
    assert_eq!(
        some.may_use(at(0), 1, &tag("C"), None, free),
        Use::KeptForOther
    );
}

#[test]
fn a_kept_connector_is_for_the_tag_and_its_group_until_it_expires() {
    let mut some = Reservations::new(2, true);
    let mut request = wish(7, 1, "A");
    request.parent_id_tag = Some(tag("G"));
    some.reserve(at(0), &request, free);
    let may = |second, text: &str, group: Option<&str>| {
        some.may_use(at(second), 1, &tag(text), group.map(tag).as_ref(), free)
    };
    assert_eq!(may(99, "A", None), Use::ByReservation(7));
    assert_eq!(may(99, "B", Some("G")), Use::ByReservation(7));
    assert_eq!(may(99, "B", Some("H")), Use::KeptForOther);
    assert_eq!(may(99, "B", None), Use::KeptForOther);
    assert_eq!(may(100, "B", None), Use::Free);
    assert_eq!(some.may_use(at(99), 2, &tag("B"), None, free), Use::Free);
    assert_eq!(some.next_expiry(), Some(at(100)));
    assert_eq!(
        (some.clone().expire(at(99)), some.expire(at(100))),
        (vec![], vec![7])
    );
}

#[test]
fn a_connector_that_goes_out_of_service_ends_what_was_kept_on_it() {
    let mut some = Reservations::new(2, true);
    some.reserve(at(0), &wish(1, 1, "A"), free);
    some.reserve(at(0), &wish(2, 2, "B"), free);
    assert_eq!(some.out_of_service(1), [1]);
    assert_eq!(ids(&some), [2]);
    assert_eq!(
        some.reserve(at(0), &wish(3, 1, "C"), free),
        ReservationStatus::Accepted
    );
    assert_eq!(
        some.reserve(
            at(200),
            &{
                let mut late = wish(4, 1, "D");
                late.expiry_date = at(300);
                late
            },
            free
        ),
        ReservationStatus::Accepted
    );
    assert_eq!(ids(&some), [4], "what expired stands against nothing");
}
