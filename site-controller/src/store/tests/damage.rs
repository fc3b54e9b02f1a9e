//! Damaged files: what is sound comes back, what is missing is told, and nothing is altered unseen.

use std::collections::BTreeSet;

use site_model::{IdTag, JournalId};

use super::super::tables::TABLES;
use super::*;
use crate::store::stations::{self, Frozen};
use crate::store::{access, lines, profiles, security_events};

const FACTS: u64 = 400;

#[tokio::test]
async fn what_is_sound_of_a_damaged_file_goes_on_in_a_new_journal() {
    for damage in [
        Damage::Header,
        Damage::Middle,
        Damage::Row,
        Damage::Truncated,
    ] {
        let dir = TempDir::new().unwrap();
        let id = filled(dir.path()).await;
        damage.to(&dir.path().join("journal.sqlite"));

        let mut again = open(dir.path());
        assert_ne!(again.found.journal, id, "{damage:?}");
        let told = told(&again);
        let carried = read_all(&again).await;
        let (report, carried) = carried.split_last().unwrap();
        let Change::JournalSalvaged {
            damaged,
            carried: count,
            lost,
            ..
        } = &report.change
        else {
            panic!("{damage:?}: {report:?}")
        };
        assert_eq!(*count, u64::try_from(carried.len()).unwrap(), "{damage:?}");
        let known = match damage {
            Damage::Header => None,
            Damage::Middle | Damage::Row | Damage::Truncated => Some(&id),
        };
        assert_eq!(damaged.as_ref(), known, "{damage:?}");
        let whole: Vec<Fact> = (1..=FACTS).map(session).collect();
        assert!(
            carried.iter().all(|fact| whole.contains(fact)),
            "{damage:?}"
        );
        assert!(carried.is_sorted_by_key(|fact| fact.at.wall), "{damage:?}");
        match damage {
            Damage::Header => assert_eq!((*lost, carried.len()), (0, 400)),
            Damage::Row => assert_eq!((*lost, carried.len()), (1, 399)),
            Damage::Middle => assert_eq!(count + lost, FACTS),
            // What was behind the end is not known to have been there.
            Damage::Truncated => assert!(count + lost <= FACTS),
        }
        assert!(
            told.starts_with("the journal was damaged (") && told.contains("a new one was begun"),
            "{told}"
        );
        assert!(
            dir.path()
                .join("journal.damaged-1763800000.sqlite")
                .exists()
        );
        assert_eq!(
            again.found.replay.len(),
            carried.len() + 1,
            "state rides along"
        );
        again.store.append(vec![status(1)], None);
        assert_eq!(committed(&mut again).await, (Ticket(1), count + 2));
    }
}

#[tokio::test]
async fn an_acknowledged_fact_is_not_carried_over_but_its_state_is() {
    let dir = TempDir::new().unwrap();
    let mut first = open(dir.path());
    first
        .store
        .append((1..=9).map(session).collect(), Some(vec![session(90)]));
    committed(&mut first).await;
    first.store.append((10..=20).map(session).collect(), None);
    committed(&mut first).await;
    first.store.acknowledge(15);
    first.store.close().await;
    spoil_row(dir.path(), 17);

    let again = open(dir.path());
    let carried = read_all(&again).await;
    let expected: Vec<Fact> = [16, 18, 19, 20].map(session).to_vec();
    assert_eq!(carried[..4], expected);
    let Change::JournalSalvaged { carried, lost, .. } = &carried[4].change else {
        panic!("{carried:?}")
    };
    assert_eq!((*carried, *lost), (4, 1));
    let mut state = vec![session(90)];
    state.extend((10..=20).filter(|number| *number != 17).map(session));
    assert_eq!(again.found.replay[..state.len()], state);
    assert_eq!((again.found.last_sequence, again.found.mark), (5, 0));
}

#[tokio::test]
async fn the_station_side_keeps_its_place_its_message_and_its_transactions() {
    let dir = TempDir::new().unwrap();
    let mut first = open(dir.path());
    first.store.append((1..=20).map(session).collect(), None);
    committed(&mut first).await;
    first.store.acknowledge(20);
    let id = ChargePointId::new("CP-1").unwrap();
    let other = ChargePointId::new("CP-2").unwrap();
    let work = first.store.work(move |db| -> rusqlite::Result<()> {
        for (point, sequence) in [(&id, 12), (&other, 14)] {
            lines::begin(db, point, "ws://a", 10, None)?;
            stations::freeze(db, point.as_str(), &frozen(sequence), None)?;
        }
        Ok(())
    });
    work.await.unwrap();
    first.store.acknowledge(20);
    first.store.append(vec![session(21)], None);
    committed(&mut first).await;
    first.store.close().await;
    spoil_row(dir.path(), 14);

    let again = open(dir.path());
    let kept = again.store.work(|db| -> rusqlite::Result<_> {
        let text = |sql: &str| -> rusqlite::Result<Vec<(String, i64)>> {
            let mut rows = db.prepare(sql)?;
            let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        Ok((
            text("SELECT charge_point, cursor FROM ocpp_place")?,
            text("SELECT charge_point, sequence FROM ocpp_frozen")?,
            text("SELECT charge_point || ' ' || message || ': ' || reason, sequence FROM ocpp_set_aside")?,
        ))
    });
    let (places, frozen, aside) = kept.await.unwrap();
    let pair = |name: &str, number| (name.to_owned(), number);
    assert_eq!(
        places,
        [pair("CP-1", 0), pair("CP-2", 0)],
        "facts 11 to 21 were carried, but for 14"
    );
    assert_eq!(frozen, [pair("CP-1", 2)], "fact 12 is the second");
    let reason = "CP-2 StopTransaction {}: the journal was damaged and its record is missing";
    assert_eq!(aside, [pair(reason, -14)]);
    assert_eq!(read_all(&again).await.len(), 11);
}

#[tokio::test]
async fn a_log_damaged_in_its_middle_is_repaired_or_what_it_held_is_told_to_be_missing() {
    for place in [40, 5_000, 20_000, 40_000, 60_000] {
        let dir = TempDir::new().unwrap();
        let (id, log) = crashed(dir.path(), 40).await;
        let mut bytes = fs::read(&log).unwrap();
        bytes[place] ^= 0x10;
        fs::write(&log, bytes).unwrap();
        let again = open(dir.path());
        let facts = read_all(&again).await;
        let told = told(&again);
        if told.contains("repaired") {
            assert_eq!(again.found.journal, id);
            assert_eq!(
                facts,
                (1..=40).map(session).collect::<Vec<_>>(),
                "{place}: {told}"
            );
        } else {
            let Change::JournalSalvaged { carried, lost, .. } = &facts.last().unwrap().change
            else {
                panic!("{place}: {told}")
            };
            assert_eq!(carried + lost, 40, "{place}: {told}");
        }
    }
}

#[tokio::test]
async fn a_torn_last_commit_is_no_damage() {
    let dir = TempDir::new().unwrap();
    let (id, log) = crashed(dir.path(), 40).await;
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 2_000]).unwrap();
    let again = open(dir.path());
    assert_eq!(
        (again.found.journal.clone(), &again.found.notices),
        (id, &vec![])
    );
    assert_eq!(again.found.last_sequence, 39);
}

#[tokio::test]
async fn where_a_torn_commit_leaves_a_frame_of_the_logs_last_round_nothing_is_damaged() {
    const FRAME: usize = 24 + 4_096;
    let (live, dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut first = open(live.path());
    let log = live.path().join("journal.sqlite-wal");
    for number in 1..=40 {
        first.store.append(vec![session(number)], None);
        committed(&mut first).await;
    }
    let other = Connection::open(live.path().join("journal.sqlite")).unwrap();
    other
        .query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))
        .unwrap();
    // The next round, up to where the last one ended a commit.
    let mut number = 40;
    let (before, at) = loop {
        number += 1;
        first.store.append(vec![session(number)], None);
        committed(&mut first).await;
        let log = fs::read(&log).unwrap();
        let older = |at: &usize| log[at + 8..at + 16] != log[16..24];
        let at = (32..log.len()).step_by(FRAME).find(older).unwrap();
        if log[at + 4..at + 8] != [0; 4] {
            break (log, at);
        }
    };
    let batch = (number + 1..number + 60).map(session);
    first.store.append(batch.collect(), None);
    committed(&mut first).await;
    let mut torn = fs::read(&log).unwrap();
    assert_ne!(torn[at..at + FRAME], before[at..at + FRAME]);
    torn[at..at + FRAME].copy_from_slice(&before[at..at + FRAME]);
    fs::copy(
        live.path().join("journal.sqlite"),
        dir.path().join("journal.sqlite"),
    )
    .unwrap();
    fs::write(dir.path().join("journal.sqlite-wal"), torn).unwrap();

    let again = open(dir.path());
    assert_eq!(
        (again.found.journal.clone(), &again.found.notices),
        (first.found.journal.clone(), &vec![])
    );
    assert_eq!(again.found.last_sequence, number);
    drop(other);
}

/// One bit, a page of zeros or a cut in the file or its log, anywhere: the daemon starts, every fact that
/// comes back is one that was stored, once and in order, and if any is missing that is told.
#[tokio::test]
async fn wherever_the_damage_no_fact_comes_back_altered_or_twice_and_none_is_missing_unsaid() {
    let stored: Vec<Fact> = (1..=60).map(session).collect();
    let source = TempDir::new().unwrap();
    let (id, log) = crashed(source.path(), 60).await;
    let file = source.path().join("journal.sqlite");
    let (file, log) = (fs::read(file).unwrap(), fs::read(log).unwrap());
    let (mut repaired, mut salvaged, mut untouched) = (0, 0, 0);
    for seed in 0..120 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let dir = TempDir::new().unwrap();
        let mut files = [file.clone(), log.clone()];
        let kind = harm(&mut files[usize::from(chance.bool())], &mut chance);
        fs::write(dir.path().join("journal.sqlite"), &files[0]).unwrap();
        fs::write(dir.path().join("journal.sqlite-wal"), &files[1]).unwrap();

        let again = open(dir.path());
        let mut facts = read_all(&again).await;
        let said = !again.found.notices.is_empty();
        if again.found.journal == id {
            assert!(stored.starts_with(&facts), "seed {seed}, {kind}");
            // Only the end of the log can be gone without a word: damage there looks like a torn commit,
            // and a cut looks like a log that was never longer.
            let end = !said && (kind == "cut" || facts.len() >= 58);
            assert!(
                facts == stored || end,
                "seed {seed}, {kind}: {} facts, {}",
                facts.len(),
                told(&again)
            );
            if said { repaired += 1 } else { untouched += 1 }
        } else {
            assert!(said, "seed {seed}, {kind}");
            let report = facts.pop().unwrap();
            assert!(
                matches!(report.change, Change::JournalSalvaged { .. }),
                "seed {seed}, {kind}"
            );
            assert!(
                facts.iter().all(|fact| stored.contains(fact)),
                "seed {seed}, {kind}"
            );
            assert!(
                facts.is_sorted_by(|a, b| a.at.wall < b.at.wall),
                "seed {seed}, {kind}"
            );
            salvaged += 1;
        }
        again.store.close().await;
    }
    assert!(
        repaired > 0 && salvaged > 20 && untouched > 0,
        "{repaired} {salvaged} {untouched}"
    );
}

#[tokio::test]
async fn a_salvage_that_was_cut_off_is_done_again() {
    let dir = TempDir::new().unwrap();
    filled(dir.path()).await;
    spoil_row(dir.path(), 7);
    let path = dir.path().join("journal.sqlite");
    // As it stands when the power goes after the damaged file was moved and before the new one came.
    fs::write(
        dir.path().join("journal.salvaging"),
        "journal.damaged-1.sqlite",
    )
    .unwrap();
    fs::rename(&path, dir.path().join("journal.damaged-1.sqlite")).unwrap();
    fs::write(dir.path().join("journal.fresh.sqlite"), "half").unwrap();
    let again = open(dir.path());
    assert_eq!(read_all(&again).await.len(), 400);
    assert!(
        told(&again).contains("399 facts"),
        "{:?}",
        again.found.notices
    );
    let mut left: Vec<String> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("journal.sqlite"))
        .collect();
    left.sort();
    assert_eq!(
        left,
        [
            "holder.pid",
            "journal.damaged-1763800000.sqlite",
            "journal.reserve"
        ]
    );
}

#[tokio::test]
async fn a_fact_that_is_damaged_while_the_daemon_runs_is_told_and_salvaged_at_the_next_start() {
    let dir = TempDir::new().unwrap();
    let mut first = open(dir.path());
    first.store.append((1..=9).map(session).collect(), None);
    committed(&mut first).await;
    spoil_row(dir.path(), 5);
    assert_eq!(first.store.read_after(0).await, vec![]);
    let problem = "fact 5 is damaged".to_owned();
    assert_eq!(
        first.events.recv().await,
        Some(StoreEvent::Damaged { problem })
    );
    assert!(
        dir.path().join("journal.check").exists(),
        "the next start checks all of it"
    );
    first.store.close().await;
    let again = open(dir.path());
    assert!(
        told(&again).contains("(fact 5 is damaged)"),
        "{:?}",
        again.found.notices
    );
    assert!(!dir.path().join("journal.check").exists());
}

#[tokio::test]
async fn files_of_every_earlier_version_are_brought_up_to_date_with_their_facts() {
    for version in 1..=6 {
        let dir = TempDir::new().unwrap();
        old_file(&dir.path().join("journal.sqlite"), version);
        let again = open(dir.path());
        assert_eq!(again.found.notices, Vec::<String>::new(), "{version}");
        assert_eq!(again.found.journal.as_str(), "j_old");
        let facts: Vec<Fact> = std::iter::once(session(90))
            .chain((2..=5).map(session))
            .collect();
        assert_eq!(again.found.replay, facts, "{version}");
        assert_eq!((again.found.last_sequence, again.found.mark), (5, 1));
        again.store.close().await;
        spoil_row(dir.path(), 3);
        assert_eq!(
            open(dir.path()).found.notices.len(),
            1,
            "{version}: older facts are guarded too"
        );
    }
}

#[tokio::test]
async fn every_table_has_a_rule() {
    let dir = TempDir::new().unwrap();
    open(dir.path()).store.close().await;
    let db = Connection::open(dir.path().join("journal.sqlite")).unwrap();
    let mut tables = db
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .unwrap();
    let found: BTreeSet<String> = tables
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let listed: BTreeSet<String> = TABLES.iter().map(|table| table.name.to_owned()).collect();
    assert_eq!(
        found, listed,
        "each table needs its line in store/tables.rs"
    );
    assert_eq!(listed.len(), TABLES.len(), "one line each");
}

/// A journal of 400 facts, closed.
async fn filled(dir: &Path) -> JournalId {
    let mut first = open(dir);
    first.store.append((1..=FACTS).map(session).collect(), None);
    committed(&mut first).await;
    let id = first.found.journal.clone();
    first.store.close().await;
    id
}

/// A journal of so many commits, the first half of them in the file, as a crash leaves it; gives the log.
async fn crashed(dir: &Path, commits: u64) -> (JournalId, std::path::PathBuf) {
    let live = TempDir::new().unwrap();
    let mut first = open(live.path());
    let id = first.found.journal.clone();
    let other = Connection::open(live.path().join("journal.sqlite")).unwrap();
    for number in 1..=commits {
        first.store.append(vec![session(number)], None);
        committed(&mut first).await;
        if number == commits / 2 {
            other
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
                .unwrap();
        }
    }
    for name in ["journal.sqlite", "journal.sqlite-wal"] {
        fs::copy(live.path().join(name), dir.join(name)).unwrap();
    }
    drop(other);
    first.store.close().await;
    (id, dir.join("journal.sqlite-wal"))
}

fn harm(bytes: &mut Vec<u8>, chance: &mut fastrand::Rng) -> &'static str {
    let place = chance.usize(..bytes.len());
    match chance.u8(..4) {
        0 => {
            let page = place / 4_096 * 4_096;
            let end = (page + 4_096).min(bytes.len());
            bytes[page..end].fill(0);
            "zeros"
        }
        1 => {
            bytes.truncate(place);
            "cut"
        }
        _ => {
            bytes[place] ^= 1 << chance.u8(..8);
            "bit"
        }
    }
}

fn old_file(path: &Path, version: i64) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(rows::SCHEMA).unwrap();
    if version > 1 {
        db.execute_batch(stations::SCHEMA).unwrap();
    }
    if version > 2 {
        db.execute_batch(stations::CONFIGURATION).unwrap();
    }
    if version > 3 {
        db.execute_batch(profiles::SCHEMA).unwrap();
    }
    if version > 4 {
        db.execute_batch(security_events::SCHEMA).unwrap();
    }
    if version > 5 {
        db.execute_batch(access::SCHEMA).unwrap();
    }
    db.execute_batch(
        "INSERT INTO meta VALUES ('journal_id', 'j_old');
         UPDATE meta SET value = '1' WHERE key IN ('mark', 'checkpoint_sequence');",
    )
    .unwrap();
    let text = |number, fact| serde_json::to_string(&Envelope::of(number, &fact)).unwrap();
    for number in 1..=5 {
        let row = (rows::signed(number), text(number, session(number)));
        db.execute("INSERT INTO journal VALUES (?1, ?2)", row)
            .unwrap();
    }
    db.execute(
        "INSERT INTO checkpoint VALUES (1, ?1)",
        [text(1, session(90))],
    )
    .unwrap();
    db.pragma_update(None, "user_version", version).unwrap();
}

fn told(opened: &Opened) -> String {
    opened.found.notices.join("\n")
}

async fn read_all(opened: &Opened) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut after = 0;
    loop {
        let some = opened.store.read_after(after).await;
        let Some(last) = some.last() else {
            return facts;
        };
        assert_eq!(some[0].sequence, after + 1, "numbers from 1 without a gap");
        after = last.sequence;
        facts.extend(
            some.into_iter()
                .map(|envelope| Fact::try_from(envelope).unwrap()),
        );
    }
}

fn spoil_row(dir: &Path, sequence: u64) {
    let db = Connection::open(dir.join("journal.sqlite")).unwrap();
    let sql = "UPDATE journal SET envelope = replace(envelope, 'TAG', 'TAH') WHERE sequence = ?1";
    assert_eq!(db.execute(sql, [rows::signed(sequence)]).unwrap(), 1);
}

fn frozen(sequence: u64) -> Frozen {
    Frozen {
        sequence,
        message_id: format!("m{sequence}"),
        action: "StopTransaction".to_owned(),
        payload: "{}".to_owned(),
    }
}

fn session(number: u64) -> Fact {
    Fact {
        at: at(i64::try_from(number).unwrap()),
        change: Change::SessionStarted {
            session: SessionId::new(&format!("sess_{number:026}")).unwrap(),
            charge_point: ChargePointId::new("CP-1").unwrap(),
            connector: ConnectorId::new(1).unwrap(),
            id_tag: IdTag::new(&format!("TAG-{number}")).unwrap(),
            meter_start: WattHours(number * 1_000),
            source: site_model::EnergySource::LifetimeRegister,
            billing_grade: true,
            reservation: None,
        },
    }
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Header,
    Middle,
    Row,
    Truncated,
}

impl Damage {
    fn to(self, path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        match self {
            Self::Header => bytes[..100].fill(0xA5),
            Self::Middle => {
                let middle = bytes.len() / 2;
                bytes[middle..middle + 8_192].fill(0xA5);
            }
            Self::Row => return spoil_row(path.parent().unwrap(), 7),
            Self::Truncated => bytes.truncate(bytes.len() - 10_000),
        }
        fs::write(path, bytes).unwrap();
    }
}
