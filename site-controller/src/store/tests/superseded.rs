//! An old copy of the journal was put back: a new one begins with what the cloud knows.

use site_model::{EnergySource, IdTag, StopReason};
use site_wire::v1::{KnownEnd, KnownSession};

use super::super::reconcile::{Reconciled, reconcile};
use super::*;
use crate::store::lines;

const PROBLEM: &str = "the cloud has more";

#[tokio::test]
async fn a_journal_that_is_an_old_copy_gives_way_to_a_new_one_at_the_next_start() {
    let dir = TempDir::new().unwrap();
    let mut old = open(dir.path());
    let id = old.found.journal.clone();
    let point = ChargePointId::new("CP-1").unwrap();
    let begin = move |db: &mut Connection| lines::begin(db, &point, "ws://a", 0, None).map(drop);
    old.store.work(begin).await.unwrap();
    old.store.append(vec![started("sess_1", 0, 1_000)], None);
    committed(&mut old).await;
    old.store.acknowledge(1);
    for _ in 0..2 {
        old.store
            .renew(PROBLEM.to_owned(), one_over_and_one_running());
    }
    let problem = PROBLEM.to_owned();
    let superseded = StoreEvent::Superseded { problem };
    assert_eq!(old.events.recv().await, Some(superseded));
    old.store.close().await;
    assert_eq!(old.events.recv().await, None, "it is told once");

    let again = open(dir.path());
    assert_ne!(again.found.journal, id);
    assert_eq!(
        again.found.notices,
        [format!(
            "{PROBLEM} and a new one was begun: 2 facts that were not acknowledged were carried over, 0 are known to be \
             missing. Keep {} for support",
            dir.path()
                .join("journal.superseded-1763800000.sqlite")
                .display()
        )]
    );
    let told = again.store.read_after(0).await;
    let told: Vec<Fact> = told
        .into_iter()
        .map(|fact| Fact::try_from(fact).unwrap())
        .collect();
    // The central system of the charge point had not been told of the start.
    let report = Change::JournalSalvaged {
        damaged: Some(id),
        carried: 2,
        lost: 0,
        problem: PROBLEM.to_owned(),
    };
    assert_eq!(
        told,
        [
            started("sess_1", 0, 1_000),
            ended("sess_1", 50, 3_000),
            Fact {
                at: at(90),
                change: report
            }
        ]
    );
    let state = &again.found.replay;
    assert_eq!(
        (state.len(), again.found.last_sequence),
        (7, 3),
        "{state:?}"
    );
    let transactions = again.store.work(|db| {
        let sql = "SELECT session, transaction_id FROM ocpp_transaction";
        db.query_row(sql, [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        })
    });
    assert_eq!(transactions.await.unwrap(), ("sess_2".to_owned(), 77));
    assert!(!dir.path().join("journal.renew").exists());
}

fn one_over_and_one_running() -> Vec<KnownSession> {
    vec![
        known("sess_1", (0, 1_000), (50, 3_000), Some("EVDisconnected")),
        KnownSession {
            transaction_id: Some(77),
            ..known("sess_2", (60, 3_500), (90, 4_000), None)
        },
    ]
}

#[tokio::test]
async fn a_wish_for_a_new_journal_that_is_about_another_or_half_written_is_forgotten() {
    for wish in [
        "{\"journal\":\"j_other\",\"problem\":\"\",\"sessions\":[]}",
        "{\"jour",
    ] {
        let dir = TempDir::new().unwrap();
        let first = open(dir.path());
        let id = first.found.journal.clone();
        first.store.close().await;
        fs::write(dir.path().join("journal.renew"), wish).unwrap();
        assert_eq!(open(dir.path()).found.journal, id);
        assert!(!dir.path().join("journal.renew").exists(), "{wish}");
    }
}

#[tokio::test]
async fn a_new_journal_that_cannot_be_made_is_told_and_not_tried_again_while_the_daemon_runs() {
    let dir = TempDir::new().unwrap();
    let mut old = open(dir.path());
    let id = old.found.journal.clone();
    old.store.renew(PROBLEM.to_owned(), vec![]);
    old.events.recv().await.unwrap();
    old.store.close().await;
    // What stands where the copy would be made.
    fs::create_dir(dir.path().join("journal.copy.sqlite")).unwrap();
    let mut again = open(dir.path());
    assert_eq!(again.found.journal, id);
    let told = &again.found.notices[0];
    assert!(
        told.starts_with("the cloud has more, and a new journal cannot be begun ("),
        "{told}"
    );
    again.store.renew(PROBLEM.to_owned(), vec![]);
    again.store.close().await;
    assert_eq!(again.events.recv().await, None);
}

#[test]
fn a_session_that_both_know_to_run_goes_on_at_the_higher_register() {
    let copy = [started("sess_1", 0, 1_000), read("sess_1", 10, 2_000)];
    for (told, raised) in [(1_500, false), (2_000, false), (2_500, true)] {
        let known = known("sess_1", (0, 1_000), (20, told), None);
        let state = raised.then(|| read("sess_1", 20, told));
        let expected = Reconciled {
            state: state.into_iter().collect(),
            ..Reconciled::default()
        };
        assert_eq!(reconciled(&copy, &copy, &[known]), expected, "{told}");
    }
}

#[test]
fn a_session_that_the_cloud_never_heard_of_goes_on() {
    let copy = [started("sess_1", 0, 1_000)];
    let before = known("sess_0", (-9, 0), (-5, 1_000), Some("Local"));
    for known in [vec![], vec![before]] {
        assert_eq!(reconciled(&copy, &copy, &known), Reconciled::default());
    }
}

#[test]
fn a_session_that_ended_meanwhile_ends_as_the_cloud_says() {
    let copy = [started("sess_1", 0, 1_000)];
    let known = known("sess_1", (0, 1_000), (50, 3_000), Some("EVDisconnected"));
    let end = vec![ended("sess_1", 50, 3_000)];
    let expected = Reconciled {
        state: end.clone(),
        told: end,
        transactions: vec![],
    };
    assert_eq!(reconciled(&copy, &[], &[known]), expected);
}

#[test]
fn a_session_that_the_cloud_does_not_name_any_more_ends_before_the_next_one_there() {
    let copy = [started("sess_1", 0, 1_000), read("sess_1", 10, 2_000)];
    let later = known("sess_9", (60, 9_000), (90, 9_500), Some("EVDisconnected"));
    let end = vec![lost_end("sess_1", (10, 60), 2_000)];
    let expected = Reconciled {
        state: end.clone(),
        told: end,
        transactions: vec![],
    };
    assert_eq!(reconciled(&copy, &[], &[later]), expected);
}

#[test]
fn a_session_that_began_meanwhile_goes_on_and_its_start_is_told_where_it_has_no_transaction() {
    let running = known("sess_2", (60, 3_500), (90, 4_000), None);
    let mut state = vec![
        authorized(60),
        started("sess_2", 60, 3_500),
        read("sess_2", 90, 4_000),
    ];
    let expected = Reconciled {
        state: state.clone(),
        told: vec![started("sess_2", 60, 3_500)],
        transactions: vec![],
    };
    assert_eq!(
        reconciled(&[], &[], std::slice::from_ref(&running)),
        expected
    );
    let assigned = Change::TransactionAssigned {
        session: SessionId::new("sess_2").unwrap(),
        transaction_id: 77,
    };
    state.push(Fact {
        at: at(90),
        change: assigned,
    });
    let place = (
        ChargePointId::new("CP-1").unwrap(),
        ConnectorId::new(1).unwrap(),
    );
    let expected = Reconciled {
        state,
        told: vec![],
        transactions: vec![(SessionId::new("sess_2").unwrap(), place, 77)],
    };
    let told = KnownSession {
        transaction_id: Some(77),
        ..running
    };
    assert_eq!(reconciled(&[], &[], &[told]), expected);
}

#[test]
fn a_session_that_ended_here_and_was_not_told_yet_ends_once() {
    let copy = [started("sess_1", 0, 1_000), ended("sess_1", 40, 2_000)];
    let running = known("sess_1", (0, 1_000), (20, 1_500), None);
    assert_eq!(
        reconciled(&copy, &copy[1..], &[running]),
        Reconciled::default()
    );
}

/// The copy was written on before the cloud was heard: `sess_1` went on there with the car of `sess_2`,
/// of which the copy knows nothing, and `sess_3` followed.
#[test]
fn no_energy_is_in_two_sessions_where_the_copy_was_written_on() {
    let copy = [
        started("sess_1", 0, 1_000),
        ended("sess_1", 200, 5_000),
        started("sess_3", 210, 5_000),
        ended("sess_3", 300, 7_000),
    ];
    let known = [
        known("sess_1", (0, 1_000), (50, 3_000), Some("EVDisconnected")),
        known("sess_2", (60, 3_500), (90, 4_000), None),
    ];
    let expected = Reconciled {
        told: vec![lost_end("sess_2", (90, 200), 5_000)],
        ..Reconciled::default()
    };
    assert_eq!(reconciled(&copy, &copy[1..], &known), expected);
    // What both tell alike is nothing new.
    let same = [started("sess_1", 0, 1_000), ended("sess_1", 50, 3_000)];
    assert_eq!(
        reconciled(&same, &same, &known).state.len(),
        3,
        "it goes on"
    );
    let elsewhere = [in_other_place(started("sess_3", 210, 5_000))];
    assert_eq!(
        reconciled(&elsewhere, &elsewhere, &known[1..]).state.len(),
        3,
        "it goes on"
    );
}

#[test]
fn a_session_that_cannot_be_read_is_left_out() {
    let bad = KnownSession {
        energy_source: "steam".to_owned(),
        ..known("sess_2", (60, 3_500), (90, 4_000), None)
    };
    assert_eq!(reconciled(&[], &[], &[bad]), Reconciled::default());
}

fn reconciled(state: &[Fact], unsettled: &[Fact], known: &[KnownSession]) -> Reconciled {
    reconcile(state, unsettled.iter(), known, at(0))
}

fn known(id: &str, start: (i64, u64), last: (i64, u64), reason: Option<&str>) -> KnownSession {
    KnownSession {
        session_id: id.to_owned(),
        charge_point_id: "CP-1".to_owned(),
        connector_id: 1,
        id_tag: "TAG".to_owned(),
        started_at_ms: NOW.0 + start.0,
        meter_start_wh: start.1,
        energy_source: EnergySource::LifetimeRegister.as_str().to_owned(),
        billing_grade: true,
        last_at_ms: NOW.0 + last.0,
        last_meter_wh: last.1,
        transaction_id: None,
        end: reason.map(|reason| KnownEnd {
            ended_at_ms: NOW.0 + last.0,
            meter_stop_wh: last.1,
            stop_reason: reason.to_owned(),
        }),
    }
}

fn started(id: &str, ms: i64, meter: u64) -> Fact {
    Fact {
        at: at(ms),
        change: Change::SessionStarted {
            session: SessionId::new(id).unwrap(),
            charge_point: ChargePointId::new("CP-1").unwrap(),
            connector: ConnectorId::new(1).unwrap(),
            id_tag: IdTag::new("TAG").unwrap(),
            meter_start: WattHours(meter),
            source: EnergySource::LifetimeRegister,
            billing_grade: true,
            reservation: None,
        },
    }
}

fn in_other_place(mut fact: Fact) -> Fact {
    if let Change::SessionStarted { charge_point, .. } = &mut fact.change {
        *charge_point = ChargePointId::new("CP-2").unwrap();
    }
    fact
}

fn read(id: &str, ms: i64, meter: u64) -> Fact {
    Fact {
        at: at(ms),
        change: Change::MeterRead {
            session: SessionId::new(id).unwrap(),
            meter: WattHours(meter),
        },
    }
}

fn ended(id: &str, ms: i64, meter: u64) -> Fact {
    end(id, ms, meter, StopReason::EvDisconnected, None)
}

fn lost_end(id: &str, (from, to): (i64, i64), meter: u64) -> Fact {
    let bounds = site_model::Reconstruction {
        not_before: WallTime(NOW.0 + from),
        not_after: WallTime(NOW.0 + to),
    };
    end(id, to, meter, StopReason::Other, Some(bounds))
}

fn end(
    id: &str,
    ms: i64,
    meter: u64,
    reason: StopReason,
    reconstructed: Option<site_model::Reconstruction>,
) -> Fact {
    Fact {
        at: at(ms),
        change: Change::SessionEnded {
            session: SessionId::new(id).unwrap(),
            charge_point: ChargePointId::new("CP-1").unwrap(),
            connector: ConnectorId::new(1).unwrap(),
            meter_stop: WattHours(meter),
            reason,
            id_tag: None,
            reconstructed,
        },
    }
}

fn authorized(ms: i64) -> Fact {
    Fact {
        at: at(ms),
        change: Change::AuthorizationChanged {
            charge_point: ChargePointId::new("CP-1").unwrap(),
            connector: ConnectorId::new(1).unwrap(),
            id_tag: Some(IdTag::new("TAG").unwrap()),
        },
    }
}
