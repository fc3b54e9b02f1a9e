//! Where charge points are and were, as the journal's file keeps it.

use rusqlite::Connection;
use site_model::{Announcement, CentralSystem, Change, Fact};
use tempfile::TempDir;

use super::super::lines::{self, Line, Lines};
use super::super::stations::{self, Ended, Frozen, Next};
use super::super::{Opened, Unreadable, owed, profiles};
use super::stations::{charge_point, ended, started};
use super::{committed, open, status};

const A: Option<&str> = Some("wss://a:443");
const B: Option<&str> = Some("wss://b:443");
const C: Option<&str> = Some("wss://c:443");

#[tokio::test]
async fn each_session_is_told_where_the_charge_point_was_announced_when_it_began() {
    let (_dir, mut opened) = at(A).await;
    record(&mut opened, vec![session(1), session(2)]).await;
    record(&mut opened, vec![vec![announced(B)], session(3)]).await;
    record(&mut opened, vec![vec![announced(A)], session(4)]).await;
    let lines = follow(&opened).await;
    assert_eq!(
        shown(&lines),
        [("CP-1 2", "wss://b:443", 2), ("CP-1", "wss://a:443", 6)]
    );
    let told = opened.store.work(|db| {
        let left = told(db, "CP-1 2")?;
        Ok::<_, Unreadable>((left, told(db, "CP-1")?))
    });
    // The facts are numbered from 1: two each, and one that announces.
    assert_eq!(told.await, Ok((vec![6, 7], vec![1, 2, 3, 4, 9, 10])));
}

#[tokio::test]
async fn whatever_a_central_system_set_up_ends_when_the_charge_point_leaves_it() {
    let (_dir, mut opened) = at(A).await;
    let set_up = |db: &mut Connection| {
        profiles::install(db, &charge_point(), &[super::stations::profile(1)])?;
        stations::configure(db, &charge_point(), "HeartbeatInterval", "7")
    };
    opened.store.work(set_up).await.unwrap();
    let kept = |db: &mut Connection| -> rusqlite::Result<_> {
        let profiles = profiles::installed(db, &charge_point())?.len();
        Ok((
            profiles,
            stations::configuration(db, &charge_point())?.len(),
        ))
    };
    record(&mut opened, vec![vec![announced(A)]]).await;
    follow(&opened).await;
    assert_eq!(
        opened.store.work(kept).await,
        Ok((1, 1)),
        "it is announced where it is"
    );
    record(&mut opened, vec![vec![announced(B)]]).await;
    follow(&opened).await;
    assert_eq!(opened.store.work(kept).await, Ok((0, 0)));
}

#[tokio::test]
async fn a_line_is_forgotten_once_everything_is_told_there_and_not_while_the_charge_point_is() {
    let (_dir, mut opened) = at(A).await;
    record(
        &mut opened,
        vec![session(1), vec![announced(B)], session(2)],
    )
    .await;
    let lines = follow(&opened).await;
    let (a, b) = (lines.left[0].line.clone(), lines.here.unwrap().line);
    let done = opened.store.work(move |db| -> rusqlite::Result<_> {
        let early = (lines::close(db, &a, None)?, lines::close(db, &b, None)?);
        // Even what is to be given up stays where the charge point is.
        let here = lines::close(db, &b, Some("never"))?;
        stations::end(db, &a, 1, &Ended::Read)?;
        stations::end(db, &a, 2, &Ended::Read)?;
        let mut held = vec![owed::told_by_all(db)?];
        let closed = lines::close(db, &a, None)?;
        held.push(owed::told_by_all(db)?);
        let rows = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            db.query_row(&sql, [], |row| row.get::<_, u32>(0))
        };
        let rows = [
            rows("ocpp_line")?,
            rows("ocpp_place")?,
            rows("ocpp_stretch")?,
        ];
        Ok((early, here, closed, held, rows))
    });
    let expected = ((None, None), None, Some(0), vec![2, 3], [1, 1, 1]);
    assert_eq!(done.await, Ok(expected));
}

#[tokio::test]
async fn what_is_never_told_is_set_aside_with_its_reason() {
    let (_dir, mut opened) = at(A).await;
    record(
        &mut opened,
        vec![session(1), session(2), vec![announced(B)], session(3)],
    )
    .await;
    let left = follow(&opened).await.left[0].line.clone();
    let closed = opened.store.work(move |db| -> rusqlite::Result<_> {
        stations::end(db, &left, 1, &Ended::Read)?;
        let frozen = Frozen {
            sequence: 2,
            message_id: "m1".to_owned(),
            action: "StopTransaction".to_owned(),
            payload: "{}".to_owned(),
        };
        stations::freeze(db, &left.name, &frozen, None)?;
        let aside = lines::close(db, &left, Some("nobody took it"))?;
        let sql = "SELECT sequence, message = '{}', reason FROM ocpp_set_aside WHERE charge_point = 'CP-1'";
        let mut rows = db.prepare(sql)?;
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let rows = rows.collect::<rusqlite::Result<Vec<(u32, bool, String)>>>()?;
        Ok((aside, rows, stations::aside(db, &charge_point())?))
    });
    let (aside, rows, shown) = closed.await.unwrap();
    let why = "nobody took it".to_owned();
    let sent = format!("it was sent and not answered; {why}");
    let expected = [
        (2, true, sent),
        (3, false, why.clone()),
        (4, false, why.clone()),
    ];
    assert_eq!((aside, rows.as_slice()), (Some(3), expected.as_slice()));
    assert_eq!(shown, (3, Some(why)));
}

#[tokio::test]
async fn without_an_endpoint_a_charge_point_is_nowhere_and_with_one_always_somewhere() {
    let (_dir, mut opened) = at(A).await;
    record(&mut opened, vec![session(1), vec![announced(None)]]).await;
    // It has an endpoint: a fact without one does not take it away.
    assert_eq!(shown(&follow(&opened).await), [("CP-1", "wss://a:443", 2)]);
    let gone = opened
        .store
        .work(|db| lines::follow(db, &charge_point(), false, Some(5)))
        .await
        .unwrap();
    assert_eq!(
        (shown(&gone), gone.here.is_none()),
        (vec![("CP-1", "wss://a:443", 2)], true)
    );
    assert_eq!(gone.left[0].left_at_ms, Some(5));
    // Configured anew it begins at the journal's end.
    record(&mut opened, vec![session(2)]).await;
    let again = begin(&opened, "wss://c:443", 5).await;
    assert_eq!(
        shown(&again),
        [("CP-1", "wss://a:443", 2), ("CP-1 2", "wss://c:443", 0)]
    );
}

#[tokio::test]
async fn a_power_cut_between_two_moves_leaves_every_session_where_it_belongs() {
    let (dir, mut opened) = at(A).await;
    record(
        &mut opened,
        vec![
            session(1),
            vec![announced(B)],
            session(2),
            vec![announced(C)],
        ],
    )
    .await;
    record(&mut opened, vec![session(3)]).await;
    opened.store.close().await;
    let opened = open(dir.path());
    let lines = begin(&opened, "wss://c:443", 8).await;
    let expected = [
        ("CP-1", "wss://a:443", 2),
        ("CP-1 2", "wss://b:443", 2),
        ("CP-1 3", "wss://c:443", 2),
    ];
    assert_eq!(shown(&lines), expected);
}

#[tokio::test]
async fn a_file_of_before_keeps_its_queue_at_the_central_system_that_was_announced_last() {
    let (_dir, mut opened) = at(A).await;
    record(
        &mut opened,
        vec![
            vec![announced(B)],
            session(1),
            vec![announced(A)],
            session(2),
        ],
    )
    .await;
    let before = opened.store.work(|db| {
        db.execute_batch("DROP TABLE ocpp_line; DROP TABLE ocpp_stretch;")?;
        db.execute_batch(lines::SCHEMA)
    });
    before.await.unwrap();
    let lines = follow(&opened).await;
    assert_eq!(shown(&lines), [("CP-1", "wss://a:443", 4)]);
}

async fn at(url: Option<&str>) -> (TempDir, Opened) {
    let dir = TempDir::new().unwrap();
    let opened = open(dir.path());
    let lines = begin(&opened, url.unwrap(), 0).await;
    assert_eq!(
        (lines.here.unwrap().line, lines.left),
        (Line::first(&charge_point()), vec![])
    );
    (dir, opened)
}

async fn begin(opened: &Opened, url: &str, end: u64) -> Lines {
    let url = url.to_owned();
    let begun = move |db: &mut Connection| lines::begin(db, &charge_point(), &url, end, None);
    opened.store.work(begun).await.unwrap()
}

async fn follow(opened: &Opened) -> Lines {
    let followed = |db: &mut Connection| lines::follow(db, &charge_point(), true, None);
    opened.store.work(followed).await.unwrap()
}

/// Name, address and what waits: where the charge point is last.
fn shown(lines: &Lines) -> Vec<(&str, &str, u64)> {
    let all = lines.left.iter().chain(&lines.here);
    let shown = all.map(|one| (one.line.name.as_str(), one.url.as_str(), one.waiting));
    shown.collect()
}

/// The facts that are told on a line.
fn told(db: &Connection, name: &str) -> Result<Vec<u64>, Unreadable> {
    let line = Line {
        name: name.to_owned(),
        charge_point: charge_point(),
    };
    let (mut told, mut scanned) = (Vec::new(), 0);
    while let Next::Fact { sequence, .. } = stations::next(db, &line, scanned)? {
        told.push(sequence);
        scanned = sequence;
    }
    Ok(told)
}

async fn record(opened: &mut Opened, changes: Vec<Vec<Change>>) {
    let facts = changes.into_iter().flatten().map(|change| Fact {
        change,
        ..status(0)
    });
    opened.store.append(facts.collect(), None);
    committed(opened).await;
}

fn session(number: u32) -> Vec<Change> {
    let name = format!("sess_{number}");
    vec![started(&name), ended(&name)]
}

fn announced(url: Option<&str>) -> Change {
    Change::ChargePointAnnounced(Announcement {
        charge_point: charge_point(),
        vendor: "Acme".to_owned(),
        model: "AC11".to_owned(),
        connectors: Vec::new(),
        central_system: url.map(|url| CentralSystem {
            address: format!("{url}/CP-1"),
            external: false,
        }),
    })
}
