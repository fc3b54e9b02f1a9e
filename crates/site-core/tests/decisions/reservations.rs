//! Connectors kept for somebody, and what a presented tag is about.

use site_core::{Action, Decision, Event, Presented};
use site_model::{
    CentralSystem, Change, ChargePointId, CommandKind, ConnectorId, ConnectorStatus, IdTag,
    LimitOwner, Monotonic, Outcome, RefusalReason, Reservation, ReservationAnswer, ReservationEnd,
    ReservationId, Value, VehicleState, WallTime,
};

use crate::bench::{
    Bench, CHARGER, METER, answer, authorized, begun, cp, device, free, granted, nothing, one,
    operative, publish, required, session, site_of, status, tag, write,
};

/// Of the bench's charge point, until 90 s.
fn wish(bench: &Bench, id: i64, connector: Option<ConnectorId>) -> Reservation {
    Reservation {
        charge_point: cp(),
        id: ReservationId(id),
        connector,
        id_tag: tag("CARD-1"),
        parent: Some(tag("FLEET")),
        expires: WallTime(bench.wall().0 - i64::try_from(bench.now).unwrap() + 90_000),
    }
}

fn start(id_tag: &str, parent: Option<&str>) -> CommandKind {
    CommandKind::StartSession {
        id_tag: tag(id_tag),
        parent: parent.map(tag),
    }
}

fn told(id: i64, answer: ReservationAnswer) -> Action {
    Action::AnswerReservation {
        charge_point: cp(),
        reservation: ReservationId(id),
        answer,
    }
}

fn over(id: i64, end: ReservationEnd) -> Change {
    Change::ReservationEnded {
        charge_point: cp(),
        reservation: ReservationId(id),
        end,
    }
}

/// Idle at 1 s, reserved at 2 s.
fn reserved() -> Bench {
    let mut bench = Bench::idle(required());
    let wish = wish(bench.at(2_000), 7, Some(one()));
    bench.tell(Event::ReservationWished(wish));
    bench
}

fn answered(decision: &Decision) -> Vec<ReservationAnswer> {
    let actions = decision.after_commit.iter();
    let answer = |action: &Action| match action {
        Action::AnswerReservation { answer, .. } => Some(*answer),
        Action::WriteLimit { .. }
        | Action::PublishSnapshot { .. }
        | Action::AnswerCommand { .. } => None,
    };
    actions.filter_map(answer).collect()
}

#[test]
fn a_free_connector_is_kept_shows_it_and_is_given_back_at_its_time() {
    let mut bench = Bench::idle(required());
    let wish = wish(bench.at(2_000), 7, Some(one()));
    let decision = bench.tell(Event::ReservationWished(wish.clone()));
    let made = Change::ReservationMade(wish);
    let expected = bench.expect(
        vec![made, status(ConnectorStatus::Reserved)],
        vec![],
        vec![publish(), told(7, ReservationAnswer::Accepted)],
    );
    assert_eq!(decision, expected);

    assert_eq!(bench.site.next_deadline(), Some(Monotonic(90_000)));
    assert_eq!(bench.at(89_999).deadline(), nothing());
    let decision = bench.at(90_000).deadline();
    let expected = bench.expect(
        vec![
            over(7, ReservationEnd::Expired),
            status(ConnectorStatus::Available),
        ],
        vec![],
        vec![publish()],
    );
    assert_eq!(decision, expected);
}

#[test]
fn a_kept_connector_charges_nobody_else_and_its_own_session_uses_the_reservation_up() {
    let mut bench = reserved();
    // Somebody else's vehicle.
    assert_eq!(bench.at(3_000).charger(VehicleState::B, 0), nothing());
    let refused = Outcome::Refused(RefusalReason::Reserved);
    let decision = bench.at(4_000).order("c1", start("CARD-2", None));
    let expected = bench.expect(vec![], vec![], vec![answer("c1", refused)]);
    assert_eq!(decision, expected);
    let decision = bench.at(5_000).order("c2", start("CARD-2", Some("OTHERS")));
    let expected = bench.expect(vec![], vec![], vec![answer("c2", refused)]);
    assert_eq!(decision, expected);

    // Whoever is of the group; case does not matter.
    let order = start("card-3", Some("fleet"));
    let opened = Change::CommandOpened(bench.at(6_000).command("c3", order.clone()));
    let decision = bench.order("c3", order);
    let mut session = begun(1, "card-3", 5_000);
    if let Change::SessionStarted { reservation, .. } = &mut session {
        *reservation = Some(ReservationId(7));
    }
    let expected = bench.expect(
        vec![
            opened,
            authorized(Some("card-3")),
            session,
            over(7, ReservationEnd::Used),
            granted(16_000, LimitOwner::Installation),
            status(ConnectorStatus::Preparing),
        ],
        vec![],
        vec![write(16_000), publish()],
    );
    assert_eq!(decision, expected);
}

#[test]
fn a_reservation_outlives_a_restart_and_a_start_that_nobody_used() {
    let mut bench = reserved();
    bench.at(3_000).order("c1", start("CARD-1", None));
    bench.restart(1_000);
    let short = {
        let mut site = site_core::Site::new(site_of(vec![required()]));
        for fact in bench.site.checkpoint() {
            site.apply(&fact);
        }
        site
    };
    assert!(bench.site.agrees_with(&short));
    bench.at(2_000).charger(VehicleState::A, 0);
    assert_eq!(bench.view().status, ConnectorStatus::Reserved);
    let decision = bench.at(3_000).order("c2", start("CARD-2", None));
    let refused = Outcome::Refused(RefusalReason::Reserved);
    assert_eq!(decision.after_commit, [answer("c2", refused)]);
    // 2 s before the restart, 1 s down: 90 s from the first start of all are over.
    let decision = bench.at(86_000).deadline();
    let ended = decision.facts.iter().map(|fact| fact.change.clone());
    assert_eq!(
        ended.collect::<Vec<_>>(),
        [
            over(7, ReservationEnd::Expired),
            status(ConnectorStatus::Available)
        ]
    );
}

#[test]
fn a_reservation_ends_when_its_charge_point_goes_over_to_another_central_system() {
    let mut bench = reserved();
    bench.config.charge_points[0].central_system = Some(CentralSystem {
        address: "wss://b/CP-1".to_owned(),
        external: false,
    });
    let decision = bench.at(3_000).restart(1_000);
    let changes: Vec<_> = decision.facts.iter().map(|fact| &fact.change).collect();
    assert_eq!(changes[0], &over(7, ReservationEnd::Cancelled));
    assert!(
        matches!(changes[1], Change::ChargePointAnnounced(_)),
        "{changes:?}"
    );
}

#[test]
fn a_reservation_is_taken_back_once_and_ends_with_its_connector_s_service() {
    let mut bench = reserved();
    let cancel = Event::ReservationCancelled {
        charge_point: cp(),
        reservation: ReservationId(7),
    };
    let decision = bench.at(3_000).tell(cancel.clone());
    let expected = bench.expect(
        vec![
            over(7, ReservationEnd::Cancelled),
            status(ConnectorStatus::Available),
        ],
        vec![],
        vec![publish(), told(7, ReservationAnswer::Accepted)],
    );
    assert_eq!(decision, expected);
    let decision = bench.at(4_000).tell(cancel);
    let rejected = told(7, ReservationAnswer::Rejected);
    assert_eq!(decision, bench.expect(vec![], vec![], vec![rejected]));

    let mut bench = reserved();
    let decision = bench.at(3_000).charger(VehicleState::E, 0);
    let expected = bench.expect(
        vec![
            over(7, ReservationEnd::OutOfService),
            status(ConnectorStatus::Faulted),
        ],
        vec![],
        vec![publish()],
    );
    assert_eq!(decision, expected);

    let mut bench = reserved();
    let decision = bench.at(3_000).order("c1", CommandKind::SetUnavailable);
    let changes: Vec<_> = decision.facts.into_iter().map(|fact| fact.change).collect();
    assert_eq!(
        changes[1..],
        [
            operative(false),
            over(7, ReservationEnd::OutOfService),
            granted(0, LimitOwner::Availability),
            status(ConnectorStatus::Unavailable),
            Change::CommandClosed {
                id: site_model::CommandId::new("c1").unwrap(),
                outcome: Outcome::Applied
            },
        ]
    );
}

#[test]
fn what_cannot_be_kept_is_answered_with_the_connector_s_state() {
    let say = |bench: &mut Bench, wish: Reservation| {
        let decision = bench.tell(Event::ReservationWished(wish));
        let made = decision.facts.iter();
        let made = made.filter(|fact| matches!(fact.change, Change::ReservationMade(_)));
        (answered(&decision), made.count())
    };
    let refused = |answer| (vec![answer], 0);
    let at = |bench: &mut Bench| wish(bench.at(2_000), 7, Some(one()));

    let mut bench = Bench::idle(required());
    bench.at(1_500).charger(VehicleState::B, 0);
    let kept = at(&mut bench);
    assert_eq!(say(&mut bench, kept), refused(ReservationAnswer::Occupied));

    let mut bench = Bench::idle(required());
    bench.at(1_500).charger(VehicleState::E, 0);
    let kept = at(&mut bench);
    assert_eq!(say(&mut bench, kept), refused(ReservationAnswer::Faulted));

    for silent in [true, false] {
        let mut bench = Bench::idle(required());
        if silent {
            bench.at(1_500).lose(CHARGER);
        } else {
            bench.at(1_500).order("c1", CommandKind::SetUnavailable);
        }
        let kept = at(&mut bench);
        assert_eq!(
            say(&mut bench, kept),
            refused(ReservationAnswer::Unavailable)
        );
    }

    // In the past; another connector than there is; another charge point; without the right time;
    // while nothing can be kept; where nobody needs one.
    let mut bench = Bench::idle(required());
    let mut past = at(&mut bench);
    past.expires = bench.wall();
    let mut elsewhere = at(&mut bench);
    elsewhere.connector = ConnectorId::new(2).ok();
    let mut foreign = at(&mut bench);
    foreign.charge_point = ChargePointId::new("CP-2").unwrap();
    for bad in [past, elsewhere, foreign] {
        assert_eq!(say(&mut bench, bad), refused(ReservationAnswer::Rejected));
    }
    bench.wall_known = false;
    let kept = at(&mut bench);
    assert_eq!(
        say(&mut bench, kept.clone()),
        refused(ReservationAnswer::Rejected)
    );
    bench.wall_known = true;
    bench.tell(Event::StorageFailed);
    assert_eq!(
        say(&mut bench, kept.clone()),
        refused(ReservationAnswer::Rejected)
    );
    bench.tell(Event::StorageRestored);
    assert_eq!(
        say(&mut bench, kept),
        (vec![ReservationAnswer::Accepted], 1)
    );
    let mut bench = Bench::idle(free());
    for connector in [Some(one()), None] {
        let kept = wish(bench.at(2_000), 7, connector);
        assert_eq!(say(&mut bench, kept), refused(ReservationAnswer::Rejected));
    }
}

/// Two connectors that need a tag, both idle.
fn pair() -> Bench {
    let second = site_core::ConnectorConfig {
        id: ConnectorId::new(2).unwrap(),
        device: device("second"),
        energy: site_core::EnergyConfig {
            device: device("second"),
            source: site_model::EnergySource::LifetimeRegister,
            billing_grade: false,
        },
        ..required()
    };
    let mut bench = Bench::with_site(site_of(vec![required(), second]));
    bench
        .at(1_000)
        .read(METER, vec![crate::bench::import(5_000)]);
    bench.charger(VehicleState::A, 0);
    bench.read("second", vec![Value::VehicleState(VehicleState::A)]);
    bench
}

#[test]
fn a_reservation_for_any_connector_keeps_one_free_and_the_same_id_replaces() {
    let mut bench = pair();
    let keep = |bench: &mut Bench, id, connector| {
        let wish = wish(bench.at(2_000), id, connector);
        answered(&bench.tell(Event::ReservationWished(wish)))
    };
    let two = ConnectorId::new(2).ok();
    assert_eq!(keep(&mut bench, 1, None), [ReservationAnswer::Accepted]);
    assert_eq!(
        keep(&mut bench, 2, Some(one())),
        [ReservationAnswer::Accepted]
    );
    assert_eq!(keep(&mut bench, 3, two), [ReservationAnswer::Occupied]);
    assert_eq!(keep(&mut bench, 4, None), [ReservationAnswer::Occupied]);
    assert_eq!(keep(&mut bench, 2, None), [ReservationAnswer::Accepted]);
    assert_eq!(bench.view().status, ConnectorStatus::Available);

    // Both are kept for CARD-1 now.
    let refused = answer("c1", Outcome::Refused(RefusalReason::Reserved));
    let decision = bench.at(3_000).order("c1", start("CARD-2", None));
    assert_eq!(decision.after_commit, [refused]);
    // With one left another may charge at either, and then nobody.
    bench.tell(Event::ReservationCancelled {
        charge_point: cp(),
        reservation: ReservationId(2),
    });
    bench.charger(VehicleState::B, 0);
    bench.at(4_000).order("c2", start("CARD-2", None));
    assert_eq!(bench.site.open_sessions(), [session(1)]);
    let mut other = bench.at(5_000).command("c3", start("CARD-3", None));
    other.connector = two.unwrap();
    let decision = bench.tell(Event::CommandReceived(other));
    let refused = answer("c3", Outcome::Refused(RefusalReason::Reserved));
    assert_eq!(decision.after_commit, [refused]);
    // The one it is kept for takes it.
    bench.read("second", vec![Value::VehicleState(VehicleState::B)]);
    let mut own = bench.at(6_000).command("c4", start("CARD-1", None));
    own.connector = two.unwrap();
    bench.tell(Event::CommandReceived(own));
    let decision = bench.at(12_000).deadline();
    let used = over(1, ReservationEnd::Used);
    assert!(
        decision.facts.iter().any(|fact| fact.change == used),
        "{decision:?}"
    );
}

#[test]
fn a_presented_tag_begins_a_session_ends_its_own_or_says_why_not() {
    let presented = |bench: &Bench, id_tag: &str| bench.site.presented(&cp(), one(), &tag(id_tag));
    let mut bench = Bench::idle(required());
    assert_eq!(presented(&bench, "CARD-1"), Presented::Start);
    bench.at(2_000).order("c1", start("CARD-1", Some("FLEET")));
    assert_eq!(presented(&bench, "card-1"), Presented::Waits);
    assert_eq!(presented(&bench, "CARD-2"), Presented::Start);
    bench.at(3_000).charger(VehicleState::B, 0);
    let ends = Presented::Stop {
        session: session(1),
        began: tag("CARD-1"),
        parent: Some(tag("FLEET")),
    };
    assert_eq!(presented(&bench, "CARD-1"), ends);
    assert_eq!(presented(&bench, "CARD-2"), ends);
    bench.restart(1_000);
    assert_eq!(presented(&bench, "CARD-2"), ends);
    bench.at(3_000).charger(VehicleState::B, 0);
    let stop = CommandKind::StopSession {
        reason: site_model::StopReason::Local,
    };
    bench.at(4_000).order("c2", stop);
    let refused = Presented::Refused;
    let tag_one: &IdTag = &tag("CARD-1");
    assert_eq!(
        presented(&bench, "CARD-1"),
        refused(RefusalReason::SessionRunning)
    );

    let nowhere = bench
        .site
        .presented(&cp(), ConnectorId::new(9).unwrap(), tag_one);
    assert_eq!(nowhere, refused(RefusalReason::UnknownConnector));
    let bench = Bench::idle(free());
    assert_eq!(
        presented(&bench, "CARD-1"),
        refused(RefusalReason::FreeForAll)
    );
    let mut bench = Bench::idle(required());
    bench.at(2_000).tell(Event::StorageFailed);
    assert_eq!(
        presented(&bench, "CARD-1"),
        refused(RefusalReason::StorageUnavailable)
    );
    bench.tell(Event::StorageRestored);
    bench.at(3_000).charger(VehicleState::E, 0);
    assert_eq!(
        presented(&bench, "CARD-1"),
        refused(RefusalReason::NotOperative)
    );
    bench.at(4_000).lose(CHARGER);
    assert_eq!(
        presented(&bench, "CARD-1"),
        refused(RefusalReason::DeviceOffline)
    );
}
