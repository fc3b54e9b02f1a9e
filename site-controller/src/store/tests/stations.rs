//! The station side's tables in the journal's file.

use rusqlite::Connection;
use site_model::{
    Change, ChargePointId, ConnectorId, EnergySource, Fact, IdTag, SessionId, StopReason, WattHours,
};
use tempfile::TempDir;

use super::super::lines;
use super::super::owed;
use super::super::profiles::{self, Row};
use super::super::stations;
use super::{DAY_MS, committed, open, status};

#[tokio::test]
async fn beyond_thirty_days_only_what_a_central_system_was_not_told_is_kept() {
    // Told up to here, then what is kept of each day: its status, start, reading and end.
    let away_for_long = (
        Some(0),
        ["session_started", "meter_read", "session_ended"].as_slice(),
    );
    let cases = [
        (None, [].as_slice()),
        (Some(280), [].as_slice()),
        away_for_long,
    ];
    for (told, kept) in cases {
        let dir = TempDir::new().unwrap();
        let mut opened = open(dir.path());
        if let Some(told) = told {
            let begin = move |db: &mut Connection| {
                lines::begin(db, &charge_point(), "ws://a", 0, None)?;
                stations::move_cursor(db, "CP-1", told)
            };
            opened.store.work(begin).await.unwrap();
        }
        for day in 1..=70_i64 {
            let checkpoint = (day == 60).then(|| vec![status(0)]);
            opened.store.append(a_day(day), checkpoint);
            committed(&mut opened).await;
            opened.store.acknowledge(4 * u64::try_from(day).unwrap());
        }
        // The sweep goes on an hour later, some hundred facts at a time.
        opened.store.append(vec![status(71 * DAY_MS)], None);
        committed(&mut opened).await;
        let found = opened.store.work(|db| {
            let sql = "SELECT envelope ->> '$.change.type', count(*), min(sequence) FROM journal
                       WHERE sequence <= 4 * 39 GROUP BY 1 ORDER BY 3";
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<(String, u32)>>>()
        });
        let expected: Vec<_> = kept.iter().map(|kind| ((*kind).to_owned(), 39)).collect();
        assert_eq!(found.await, Ok(expected), "told up to {told:?}");
    }
}

#[tokio::test]
async fn of_what_waits_for_long_only_readings_are_left_out_and_only_down_to_the_bound() {
    let dir = TempDir::new().unwrap();
    let mut opened = open(dir.path());
    for day in 1..=10_i64 {
        opened.store.append(a_day(day), None);
        committed(&mut opened).await;
    }
    let left = opened.store.work(|db| -> rusqlite::Result<_> {
        let kept = (owed::thin(db, 0, 40, 10)?, owed::thin(db, 40, 40, 1)?);
        let thinned = owed::thin(db, 4, 36, 6)?;
        let sql = "SELECT count(*) FROM journal WHERE envelope ->> '$.change.type' LIKE ?1";
        let count = |kind: &str| db.query_row(sql, [kind], |row| row.get::<_, u32>(0));
        Ok((kept, thinned, count("meter_read")?, count("session_%")?))
    });
    assert_eq!(left.await, Ok(((0, 0), 2, 8, 20)));
}

#[tokio::test]
async fn a_charge_point_without_a_central_system_holds_nothing_up_any_more() {
    let dir = TempDir::new().unwrap();
    let opened = open(dir.path());
    let work = |db: &mut rusqlite::Connection| -> rusqlite::Result<_> {
        profiles::install(db, &charge_point(), &[profile(1)])?;
        stations::forget_others(db, &[charge_point()])?;
        let kept = profiles::installed(db, &charge_point())?;
        // The place of a line that a damaged file lost.
        db.execute("INSERT INTO ocpp_place VALUES ('CP-9', 3)", [])?;
        stations::forget_others(db, &[])?;
        let gone = profiles::installed(db, &charge_point())?;
        Ok((kept.len(), gone.len(), owed::told_by_all(db)?))
    };
    let found = opened.store.work(work).await.unwrap();
    assert_eq!(found, (1, 0, u64::MAX));
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

pub(super) fn profile(profile_id: i64) -> Row {
    Row {
        profile_id,
        installed_at_ms: 17,
        session: (profile_id == 2).then(|| "sess_1".to_owned()),
        request: "{}".to_owned(),
    }
}

pub(super) fn charge_point() -> ChargePointId {
    ChargePointId::new("CP-1").unwrap()
}

fn a_day(day: i64) -> Vec<Fact> {
    let name = format!("sess_{day}");
    let read = Change::MeterRead {
        session: SessionId::new(&name).unwrap(),
        meter: WattHours(2),
    };
    let changes = [started(&name), read, ended(&name)];
    let at = |change| Fact {
        change,
        ..status(day * DAY_MS)
    };
    let status = std::iter::once(status(day * DAY_MS));
    status.chain(changes.map(at)).collect()
}

pub(super) fn started(name: &str) -> Change {
    Change::SessionStarted {
        session: SessionId::new(name).unwrap(),
        charge_point: charge_point(),
        connector: ConnectorId::new(1).unwrap(),
        id_tag: IdTag::new("T").unwrap(),
        meter_start: WattHours(1),
        source: EnergySource::ExternalMeter,
        billing_grade: true,
        reservation: None,
    }
}

pub(super) fn ended(name: &str) -> Change {
    Change::SessionEnded {
        session: SessionId::new(name).unwrap(),
        charge_point: charge_point(),
        connector: ConnectorId::new(1).unwrap(),
        meter_stop: WattHours(3),
        reason: StopReason::EvDisconnected,
        id_tag: None,
        reconstructed: None,
    }
}
