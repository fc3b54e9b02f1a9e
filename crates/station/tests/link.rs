//! Connecting, registering, signs of life, and what may be said when.

use std::time::Duration;

use ocpp::Time;
use ocpp::v16::{Action, BootNotificationResponse, RegistrationStatus};
use station::link::{Due, Jitter, Link, LinkSettings};

const NONE: Jitter = Jitter(0);

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn answer(status: RegistrationStatus, interval: i64) -> BootNotificationResponse {
    let time = Time::from_unix_ms(0).expect("1970 is a time");
    BootNotificationResponse::new(time, interval, status)
}

/// Connected at second 1 and about to register.
fn connected() -> Link {
    let mut link = Link::new(seconds(0), LinkSettings::default());
    assert_eq!(link.due(seconds(0)), Some(Due::Connect));
    link.opened(seconds(1));
    assert_eq!(link.due(seconds(1)), Some(Due::Boot));
    link
}

fn accepted(interval: i64) -> Link {
    let mut link = connected();
    link.answered(
        seconds(2),
        &answer(RegistrationStatus::Accepted, interval),
        NONE,
    );
    link
}

#[test]
fn the_pause_between_tries_doubles_up_to_its_bound_and_chance_takes_up_to_half() {
    let mut link = Link::new(seconds(0), LinkSettings::default());
    assert_eq!(link.due(seconds(0)), Some(Due::Connect));
    assert_eq!(
        (link.due(seconds(9)), link.deadline()),
        (None, None),
        "one try at a time"
    );
    for pause in [5, 10, 20, 40, 80, 160, 320, 600, 600] {
        link.closed(seconds(100), NONE);
        assert_eq!(link.deadline(), Some(seconds(100 + pause)));
        assert_eq!(link.due(seconds(99 + pause)), None);
        assert_eq!(link.due(seconds(100 + pause)), Some(Due::Connect));
    }
    link.closed(seconds(100), Jitter(255));
    assert_eq!(link.deadline(), Some(seconds(400)));
    for _ in 0..100 {
        link.closed(seconds(100), NONE);
    }
    assert_eq!(
        link.deadline(),
        Some(seconds(700)),
        "after many failures too"
    );
}

#[test]
fn an_accepted_charge_point_gives_signs_of_life_at_the_interval_it_was_told() {
    let mut link = accepted(60);
    assert!(link.is_registered());
    assert_eq!(link.due(seconds(61)), None);
    assert_eq!(link.due(seconds(62)), Some(Due::Heartbeat));
    assert_eq!(link.deadline(), Some(seconds(122)));
    link.heartbeat_changed(seconds(70), seconds(10));
    assert_eq!(link.deadline(), Some(seconds(80)));
    link.answered(seconds(75), &answer(RegistrationStatus::Accepted, 0), NONE);
    assert_eq!(link.deadline(), Some(seconds(85)), "0 leaves it to us");
    assert_eq!(accepted(0).deadline(), Some(seconds(302)));
}

#[test]
fn who_is_accepted_does_not_register_again_after_the_socket_closed() {
    let mut link = accepted(60);
    link.closed(seconds(10), NONE);
    assert!(!link.is_registered());
    assert!(!link.may_call(Action::StatusNotification, false));
    assert_eq!(link.due(seconds(15)), Some(Due::Connect));
    link.opened(seconds(16));
    assert!(link.is_registered());
    assert_eq!(link.deadline(), Some(seconds(76)));
    assert_eq!(link.due(seconds(76)), Some(Due::Heartbeat));
}

#[test]
fn pending_and_rejected_try_again_when_they_were_told_to() {
    for status in [RegistrationStatus::Pending, RegistrationStatus::Rejected] {
        let mut link = connected();
        link.answered(seconds(2), &answer(status, 30), NONE);
        assert!(!link.is_registered());
        assert_eq!(link.deadline(), Some(seconds(32)));
        assert_eq!(link.due(seconds(32)), Some(Due::Boot));
        link.answered(seconds(33), &answer(status, 0), NONE);
        assert_eq!(link.deadline(), Some(seconds(38)), "0 leaves it to us");
        link.answered(seconds(33), &answer(status, -1), NONE);
        assert_eq!(link.deadline(), Some(seconds(43)), "and longer each time");
        link.answered(seconds(50), &answer(RegistrationStatus::Accepted, 60), NONE);
        assert!(link.is_registered());
    }
}

#[test]
fn a_registration_that_is_not_answered_is_tried_again() {
    let mut link = connected();
    link.unanswered(seconds(31), NONE);
    assert_eq!(link.due(seconds(36)), Some(Due::Boot));
    link.boot_triggered(seconds(37));
    assert_eq!(link.due(seconds(37)), Some(Due::Boot));
    let mut link = accepted(60);
    link.boot_triggered(seconds(3));
    assert_eq!(
        link.deadline(),
        Some(seconds(62)),
        "it is registered; the message goes out as any other"
    );
}

#[test]
fn before_it_is_accepted_a_charge_point_says_and_does_little() {
    let rights = |link: &Link| {
        [
            link.may_call(Action::BootNotification, false),
            link.may_call(Action::StatusNotification, false),
            link.may_call(Action::StatusNotification, true),
            link.may_call(Action::StopTransaction, false),
            link.may_obey(Action::ChangeConfiguration),
            link.may_obey(Action::RemoteStartTransaction),
            link.may_obey(Action::RemoteStopTransaction),
        ]
    };
    let mut link = connected();
    assert_eq!(
        rights(&link),
        [true, false, false, false, false, false, false]
    );
    link.answered(seconds(2), &answer(RegistrationStatus::Rejected, 30), NONE);
    assert_eq!(
        rights(&link),
        [true, false, false, false, false, false, false]
    );
    link.answered(seconds(2), &answer(RegistrationStatus::Pending, 30), NONE);
    assert_eq!(
        rights(&link),
        [true, false, true, false, true, false, false]
    );
    link.answered(seconds(2), &answer(RegistrationStatus::Accepted, 30), NONE);
    assert_eq!(rights(&link), [true; 7]);
}

#[test]
fn a_socket_that_does_not_last_is_opened_ever_less_often() {
    let mut link = accepted(60);
    for pause in [5, 10, 20] {
        link.closed(seconds(100), NONE);
        assert_eq!(link.due(seconds(100 + pause)), Some(Due::Connect));
        link.opened(seconds(100 + pause));
    }
    assert_eq!(link.due(seconds(180)), Some(Due::Heartbeat), "it lasted");
    link.closed(seconds(200), NONE);
    assert_eq!(link.deadline(), Some(seconds(205)));

    let mut link = connected();
    link.closed(seconds(10), NONE);
    link.opened(seconds(15));
    link.answered(seconds(16), &answer(RegistrationStatus::Accepted, 60), NONE);
    link.closed(seconds(20), NONE);
    assert_eq!(
        link.deadline(),
        Some(seconds(25)),
        "registering is success enough"
    );
}
