//! The station side's tables in the journal's file.

use site_model::ChargePointId;
use tempfile::TempDir;

use super::super::profiles::{self, Row};
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
         DROP TABLE ocpp_set_aside; DROP TABLE ocpp_configuration; DROP TABLE ocpp_profile;
         DROP TABLE ocpp_security_event; DROP TABLE ocpp_list_version; DROP TABLE ocpp_list;
         DROP TABLE ocpp_cache; PRAGMA user_version = 1;",
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
        profiles::install(db, &charge_point(), &[profile(1)])?;
        let kept = stations::forget_others(db, &[charge_point()])?;
        let gone = stations::forget_others(db, &[])?;
        let profiles = profiles::installed(db, &charge_point())?;
        Ok((kept, gone, stations::kept_after(db)?, profiles))
    };
    let (kept, gone, after, profiles) = opened.store.work(work).await.unwrap();
    assert!(kept.is_empty() && profiles.is_empty());
    assert_eq!((gone, after), (vec!["CP-1".to_owned()], u64::MAX));
}

#[tokio::test]
async fn charging_profiles_replace_those_before_them_and_touch_no_other_charge_point() {
    let dir = TempDir::new().unwrap();
    let opened = open(dir.path());
    let work = |db: &mut rusqlite::Connection| -> rusqlite::Result<_> {
        let other = ChargePointId::new("CP-2").expect("four characters are an id");
        profiles::install(db, &charge_point(), &[profile(1), profile(2)])?;
        profiles::install(db, &other, &[profile(1)])?;
        profiles::install(db, &charge_point(), &[profile(2), profile(3)])?;
        let of = |id| profiles::installed(db, id);
        Ok((of(&charge_point())?, of(&other)?))
    };
    let (ours, others) = opened.store.work(work).await.unwrap();
    assert_eq!(ours, [profile(2), profile(3)]);
    assert_eq!(others, [profile(1)]);
}

fn profile(profile_id: i64) -> Row {
    Row {
        profile_id,
        installed_at_ms: 17,
        session: (profile_id == 2).then(|| "sess_1".to_owned()),
        request: "{}".to_owned(),
    }
}

fn charge_point() -> ChargePointId {
    ChargePointId::new("CP-1").unwrap()
}
