//! The journal with its faults: reopened, damaged, newer, full, unwritable, held, aged.

mod damage;
mod flash;
mod lines;
mod security_events;
mod stations;
mod superseded;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use site_model::{
    BootId, Change, ChargePointId, ConnectorId, ConnectorStatus, Monotonic, SessionId, Timestamp,
    WallTime, WattHours,
};
use tempfile::TempDir;

use super::inbox::WAITING_MAX_FACTS;
use super::*;

const NOW: WallTime = WallTime(1_763_800_000_000);
const DAY_MS: i64 = 86_400_000;

#[tokio::test]
async fn a_reopened_journal_gives_back_facts_mark_and_identity() {
    let dir = TempDir::new().unwrap();
    let mut first = open(dir.path());
    let id = first.found.journal.clone();
    first.store.append(vec![status(1), status(2)], None);
    assert_eq!(committed(&mut first).await, (Ticket(1), 2));
    first.store.acknowledge(2);
    first.store.append(vec![status(3)], None);
    assert_eq!(committed(&mut first).await, (Ticket(2), 3));
    first.store.close().await;

    let again = open(dir.path());
    assert_eq!(
        again.found,
        Found {
            journal: id,
            replay: vec![status(1), status(2), status(3)],
            since_checkpoint: 3,
            last_sequence: 3,
            mark: 2,
            last_wall: Some(WallTime(NOW.0 + 3)),
            check_on: false,
            notices: vec![],
        }
    );
    assert_eq!(
        again.store.read_after(1).await,
        [(2, status(2)), (3, status(3))].map(|(sequence, fact)| Envelope::of(sequence, &fact))
    );
}

#[tokio::test]
async fn a_directory_that_is_made_is_closed_to_strangers() {
    let dir = TempDir::new().unwrap();
    let made = dir.path().join("data");
    let opened = open(&made);
    let mode = fs::metadata(&made).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
    opened.store.close().await;
}

#[tokio::test]
async fn a_mark_that_no_fact_carried_is_stored_at_the_end() {
    let dir = TempDir::new().unwrap();
    let mut first = open(dir.path());
    first.store.append(vec![status(1)], None);
    committed(&mut first).await;
    first.store.acknowledge(1);
    first.store.close().await;
    assert_eq!(open(dir.path()).found.mark, 1);
}

#[tokio::test]
async fn a_checkpoint_replaces_what_came_before_it_in_the_replay() {
    let dir = TempDir::new().unwrap();
    let mut first = open(dir.path());
    first
        .store
        .append(vec![status(1), status(2)], Some(vec![status(9)]));
    first.store.append(vec![status(3)], None);
    while committed(&mut first).await.0 < Ticket(2) {}
    first.store.close().await;
    let again = open(dir.path());
    assert_eq!(again.found.replay, vec![status(9), status(3)]);
    assert_eq!(
        (again.found.since_checkpoint, again.found.last_sequence),
        (1, 3)
    );
}

#[tokio::test]
async fn a_second_daemon_is_told_who_holds_the_directory() {
    let dir = TempDir::new().unwrap();
    let _first = open(dir.path());
    let refused = Store::open(dir.path(), at(0), Options::default()).unwrap_err();
    let OpenError::Held { holder, .. } = &refused else {
        panic!("{refused}")
    };
    assert!(
        holder.ends_with(&format!(", process {}", std::process::id())),
        "{holder}"
    );
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_untouched() {
    let dir = TempDir::new().unwrap();
    open(dir.path()).store.close().await;
    let path = dir.path().join("journal.sqlite");
    let db = Connection::open(&path).unwrap();
    // As after a crash of the newer one: its log is there.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .unwrap();
    db.pragma_update(None, "user_version", 999).unwrap();
    drop(db);
    let files = || {
        ["journal.sqlite", "journal.sqlite-wal"]
            .map(|name| std::fs::read(dir.path().join(name)).unwrap())
    };
    let before = files();
    let refused = Store::open(dir.path(), at(0), Options::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "{} has schema version 999, this program knows up to {}: it was written by a newer site-controller. \
             Install that version again, or move the file aside to begin a new journal",
            path.display(),
            file::version_known()
        )
    );
    assert!(files() == before, "neither the file nor its log is touched");
}

#[tokio::test]
async fn a_file_that_is_damaged_while_it_is_open_is_told_as_such() {
    let dir = TempDir::new().unwrap();
    let mut opened = open(dir.path());
    opened.store.append((0..400).map(status).collect(), None);
    committed(&mut opened).await;
    // The log goes into the file, then every page after the first is spoiled.
    let path = dir.path().join("journal.sqlite");
    let other = Connection::open(&path).unwrap();
    other
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(other);
    let mut bytes = fs::read(&path).unwrap();
    bytes[4_096..].fill(0xA5);
    fs::write(&path, bytes).unwrap();

    // Pages that are still in memory may take some facts; a checkpoint reads a page that is not.
    let problem = loop {
        opened
            .store
            .append((0..200).map(status).collect(), Some(vec![status(1)]));
        match opened.events.recv().await.unwrap() {
            StoreEvent::Committed { .. } => {}
            StoreEvent::Failed { problem } => break problem,
            StoreEvent::Damaged { problem } | StoreEvent::Superseded { problem } => {
                panic!("{problem}")
            }
        }
    };
    assert!(
        problem.ends_with(
            "the file is damaged. Restart the daemon when no session runs: it keeps the file aside and begins a new \
             one; then check the disk"
        ),
        "{problem}"
    );
    opened.store.close().await;
    let again = open(dir.path());
    assert_eq!(again.found.notices.len(), 1, "{:?}", again.found.notices);
}

#[tokio::test]
async fn a_full_disk_is_told_once_and_what_was_stored_stays() {
    let dir = TempDir::new().unwrap();
    let mut small = open_small(dir.path());
    let mut stored = 0;
    let problem = loop {
        small.store.append((0..50).map(status).collect(), None);
        match small.events.recv().await.unwrap() {
            StoreEvent::Committed { last_sequence, .. } => stored = last_sequence,
            StoreEvent::Failed { problem } => break problem,
            StoreEvent::Damaged { problem } | StoreEvent::Superseded { problem } => {
                panic!("{problem}")
            }
        }
    };
    assert!(problem.contains("database or disk is full"), "{problem}");
    assert!(
        !dir.path().join("journal.reserve").exists(),
        "the reserve was given back"
    );
    small.store.append(vec![status(1)], None);
    // Each read lets the writer try again; the failure is not told a second time.
    assert_eq!(small.store.read_after(stored).await, vec![]);
    assert!(small.events.try_recv().is_err());
    small.store.close().await;
    assert_eq!(open(dir.path()).found.last_sequence, stored);
}

#[tokio::test]
async fn a_full_disk_gives_up_acknowledged_facts_first() {
    let dir = TempDir::new().unwrap();
    let mut small = open_small(dir.path());
    for round in 1..=40_u64 {
        let checkpoint = Some(vec![status(1)]);
        small
            .store
            .append((0..50).map(status).collect(), checkpoint);
        assert_eq!(committed(&mut small).await, (Ticket(round), round * 50));
        small.store.acknowledge(round * 50);
    }
}

#[tokio::test]
async fn an_unwritable_disk_starts_in_memory_and_catches_up() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("journal.sqlite");
    fs::create_dir(&path).unwrap();
    let mut opened = open(dir.path());
    let id = opened.found.journal.clone();
    let [notice] = &opened.found.notices[..] else {
        panic!("{:?}", opened.found.notices)
    };
    assert!(notice.contains("cannot be written"), "{notice}");
    opened.store.append(vec![status(1)], None);
    assert!(matches!(
        opened.events.recv().await,
        Some(StoreEvent::Failed { .. })
    ));
    opened.store.append(vec![status(2)], None);

    fs::remove_dir(&path).unwrap();
    assert_eq!(
        opened.store.read_after(0).await,
        vec![Envelope::of(1, &status(1))]
    );
    assert_eq!(committed(&mut opened).await, (Ticket(1), 1));
    assert_eq!(committed(&mut opened).await, (Ticket(2), 2));
    opened.store.close().await;
    let again = open(dir.path()).found;
    assert_eq!(
        (again.journal, again.replay),
        (id, vec![status(1), status(2)])
    );
}

#[tokio::test]
async fn acknowledged_facts_go_after_thirty_days_and_no_other() {
    let dir = TempDir::new().unwrap();
    let mut opened = open(dir.path());
    // One fact a day; each acknowledged the day after, except that the cloud is away from day 35 on.
    for day in 1..=70_i64 {
        let checkpoint = (day == 20).then(|| vec![status(0)]);
        opened.store.append(vec![status(day * DAY_MS)], checkpoint);
        committed(&mut opened).await;
        if day <= 35 {
            opened.store.acknowledge(u64::try_from(day).unwrap());
        }
    }
    let oldest = opened.store.read_after(0).await[0].sequence;
    assert_eq!(
        oldest, 21,
        "below the checkpoint and acknowledged for 30 days: gone; the rest stays"
    );
}

#[tokio::test]
async fn without_facts_the_time_is_kept_once_an_hour_and_takes_the_mark_along() {
    let dir = TempDir::new().unwrap();
    let mut first = open(dir.path());
    first.store.append(vec![status(0)], None);
    committed(&mut first).await;
    first.store.acknowledge(1);
    for ms in [3_599_999, 3_600_000, 3_600_001] {
        first.store.note_time(WallTime(NOW.0 + ms));
        // A read is answered after what came before it.
        assert_eq!(first.store.read_after(1).await, vec![]);
    }
    let db = Connection::open(dir.path().join("journal.sqlite")).unwrap();
    let kept = |key: &str| -> String {
        let sql = "SELECT value FROM meta WHERE key = ?1";
        db.query_row(sql, [key], |row| row.get(0)).unwrap()
    };
    assert_eq!(kept("wall_ms"), (NOW.0 + 3_600_000).to_string());
    assert_eq!(kept("mark"), "1");
    first.store.close().await;
    let again = open(dir.path());
    assert_eq!(again.found.last_wall, Some(WallTime(NOW.0 + 3_600_000)));
}

#[tokio::test]
async fn the_reserve_is_enough_for_200_sessions_and_is_made_again_when_there_is_room() {
    let dir = TempDir::new().unwrap();
    let mut first = open(dir.path());
    let reserved = fs::metadata(dir.path().join("journal.reserve"))
        .unwrap()
        .len();
    let before = first.store.figures().bytes_on_disk;
    // 16 facts of a session, the long ones, each in a commit of its own.
    for _ in 0..200 {
        for _ in 0..4 {
            first.store.append(vec![session_fact(); 4], None);
            committed(&mut first).await;
        }
    }
    let grown = first.store.figures().bytes_on_disk - before;
    assert!(
        grown <= reserved,
        "200 sessions took {grown} of {reserved} bytes"
    );
    fs::remove_file(dir.path().join("journal.reserve")).unwrap();
    first.store.append(vec![status(700_000)], None);
    committed(&mut first).await;
    first.store.close().await;
    assert!(dir.path().join("journal.reserve").exists());
}

#[test]
fn at_the_bound_telemetry_is_dropped_before_billing_facts() {
    let store = Store::blocked();
    store.append(vec![session_fact(), status(1)], None);
    let full = WAITING_MAX_FACTS - 2;
    store.append((0..full).map(|_| status(2)).collect(), None);
    store.append(vec![session_fact()], None);
    let work = store.inbox.take(true, Duration::ZERO);
    let kept: Vec<Fact> = work
        .appends
        .into_iter()
        .flat_map(|append| append.facts)
        .collect();
    assert_eq!(kept.len(), WAITING_MAX_FACTS);
    assert_eq!((&kept[0], &kept[1]), (&session_fact(), &status(2)));
    assert_eq!(kept.last(), Some(&session_fact()));
    assert_eq!(store.inbox.figures().facts_dropped, 1);
}

#[test]
fn facts_in_the_writers_hands_wait_until_they_are_stored() {
    let store = Store::blocked();
    store.append(vec![session_fact(), status(1)], None);
    let _in_hand = store.inbox.take(true, Duration::ZERO);
    store.append(vec![status(2)], None);
    assert_eq!(store.inbox.figures().facts_waiting, 3);
    store.inbox.stored();
    assert_eq!(store.inbox.figures().facts_waiting, 1);
}

#[test]
fn at_the_bound_with_billing_facts_alone_the_newest_is_refused() {
    let store = Store::blocked();
    store.append(
        (0..WAITING_MAX_FACTS).map(|_| session_fact()).collect(),
        None,
    );
    store.append(vec![session_fact()], None);
    let figures = store.inbox.figures();
    assert_eq!((figures.facts_waiting, figures.facts_dropped), (8_192, 1));
}

fn open(dir: &Path) -> Opened {
    Store::open(dir, at(0), Options::default()).unwrap()
}

fn open_small(dir: &Path) -> Opened {
    let options = Options {
        max_page_count: Some(60),
        ..Options::default()
    };
    Store::open(dir, at(0), options).unwrap()
}

async fn committed(opened: &mut Opened) -> (Ticket, u64) {
    match opened.events.recv().await.unwrap() {
        StoreEvent::Committed {
            through,
            last_sequence,
        } => (through, last_sequence),
        StoreEvent::Failed { problem }
        | StoreEvent::Damaged { problem }
        | StoreEvent::Superseded { problem } => panic!("{problem}"),
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp {
        boot: BootId(1),
        monotonic: Monotonic(1),
        wall: WallTime(NOW.0 + ms),
        wall_known: true,
    }
}

fn status(ms: i64) -> Fact {
    Fact {
        at: at(ms),
        change: Change::StatusChanged {
            charge_point: ChargePointId::new("CP-1").unwrap(),
            connector: ConnectorId::new(1).unwrap(),
            status: ConnectorStatus::Charging,
            error_code: None,
        },
    }
}

fn session_fact() -> Fact {
    Fact {
        at: at(0),
        change: Change::SessionEnded {
            session: SessionId::new("ses_1").unwrap(),
            charge_point: ChargePointId::new("CP-1").unwrap(),
            connector: ConnectorId::new(1).unwrap(),
            meter_stop: WattHours(1),
            reason: site_model::StopReason::EvDisconnected,
            id_tag: None,
            reconstructed: None,
        },
    }
}
