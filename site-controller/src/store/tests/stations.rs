//! The station side's tables in the journal's file.

use site_model::ChargePointId;
use tempfile::TempDir;

use super::super::stations::{self, Place};
use super::{DAY_MS, committed, open, status};

#[tokio::test]
async fn the_journal_keeps_what_a_central_system_was_not_told() {
    for (told, oldest_kept) in [(None, 21), (Some(10), 11), (Some(60), 21)] {
        let dir = TempDir::new().unwrap();
        let mut opened = open(dir.path());
        if let Some(told) = told {
            let place = move |db: &mut rusqlite::Connection| {
                stations::begin(db, &charge_point(), 0)?;
                stations::move_cursor(db, &charge_point(), told)
            };
            opened.store.work(place).await.unwrap();
        }
        for day in 1..=70_i64 {
            let checkpoint = (day == 20).then(|| vec![status(0)]);
            opened.store.append(vec![status(day * DAY_MS)], checkpoint);
            committed(&mut opened).await;
            opened.store.acknowledge(u64::try_from(day).unwrap());
        }
        let oldest = opened.store.read_after(0).await[0].sequence;
        assert_eq!(oldest, oldest_kept, "told up to {told:?}");
    }
}

#[tokio::test]
async fn a_journal_of_the_first_schema_gets_the_tables_and_keeps_its_facts() {
    let dir = TempDir::new().unwrap();
    let mut opened = open(dir.path());
    opened.store.append(vec![status(1)], None);
    committed(&mut opened).await;
    opened.store.close().await;
    let db = rusqlite::Connection::open(dir.path().join("journal.sqlite")).unwrap();
    db.execute_batch(
        "DROP TABLE ocpp_place; DROP TABLE ocpp_frozen; DROP TABLE ocpp_transaction;
         DROP TABLE ocpp_set_aside; DROP TABLE ocpp_configuration; PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(db);

    let opened = open(dir.path());
    assert_eq!(opened.found.replay, vec![status(1)]);
    let place = opened
        .store
        .work(|db| stations::begin(db, &charge_point(), 1));
    let expected = Place {
        cursor: 1,
        waiting: 0,
        set_aside: 0,
    };
    assert_eq!(place.await, Ok(expected));
}

#[tokio::test]
async fn a_charge_point_without_a_central_system_holds_nothing_up_any_more() {
    let dir = TempDir::new().unwrap();
    let opened = open(dir.path());
    let work = |db: &mut rusqlite::Connection| -> rusqlite::Result<_> {
        stations::begin(db, &charge_point(), 7)?;
        let kept = stations::forget_others(db, &[charge_point()])?;
        let gone = stations::forget_others(db, &[])?;
        Ok((kept, gone, stations::kept_after(db)?))
    };
    let (kept, gone, after) = opened.store.work(work).await.unwrap();
    assert!(kept.is_empty());
    assert_eq!((gone, after), (vec!["CP-1".to_owned()], u64::MAX));
}

fn charge_point() -> ChargePointId {
    ChargePointId::new("CP-1").unwrap()
}
