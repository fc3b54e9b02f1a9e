//! The books: what the journal and the cloud hold, and whether that is what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, ensure};
use rusqlite::{Connection, OpenFlags};
use scenarios::StoredSession;
use serde_json::Value;

use crate::cars::{Ledger, Visit};

/// What went wrong, and how often.
#[derive(Debug, Clone, Default)]
pub(crate) struct Damage {
    pub(crate) lost: Vec<String>,
    pub(crate) doubled: Vec<String>,
    pub(crate) wrong: Vec<String>,
    pub(crate) damaged: Vec<String>,
}

impl Damage {
    pub(crate) fn is_none(&self) -> bool {
        [&self.lost, &self.doubled, &self.wrong, &self.damaged]
            .iter()
            .all(|sort| sort.is_empty())
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.doubled.extend(other.doubled);
        self.wrong.extend(other.wrong);
        self.damaged.extend(other.damaged);
    }
}

/// A journal as it lies on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Journal {
    pub(crate) id: String,
    /// From sequence 1 on, without gaps.
    pub(crate) facts: Vec<String>,
}

impl Journal {
    /// Reads the journal in `data` by a copy, so that the daemon finds it as it was left.
    pub(crate) fn read(data: &Path) -> anyhow::Result<Self> {
        let copy = copy_of(&data.join("journal.sqlite"))?;
        let database = open(&copy.path().join("journal.sqlite"))?;
        let id = database.query_row(
            "SELECT value FROM meta WHERE key = 'journal_id'",
            [],
            |row| row.get(0),
        )?;
        let mut statement =
            database.prepare("SELECT sequence, envelope FROM journal ORDER BY sequence")?;
        let mut rows = statement.query([])?;
        let mut facts = Vec::new();
        while let Some(row) = rows.next()? {
            let (sequence, envelope): (i64, String) = (row.get(0)?, row.get(1)?);
            facts.push(envelope);
            ensure!(
                usize::try_from(sequence) == Ok(facts.len()),
                "the journal has {sequence} where {} is due",
                facts.len()
            );
        }
        Ok(Self { id, facts })
    }

    /// Compares it with the journal on the disk that kept its power: all that was said to be safe is
    /// there, and nothing that was never written.
    pub(crate) fn after_a_cut(&self, kept: &Self, safe: u64) -> Damage {
        let mut damage = Damage::default();
        let count = self.facts.len();
        if (count as u64) < safe {
            let sentence = format!("{safe} facts were safe, {count} are there");
            damage.lost.push(sentence);
        }
        if self.id != kept.id || !kept.facts.starts_with(&self.facts) {
            let sentence = "the journal is not the beginning of the one before the cut";
            damage.wrong.push(sentence.to_owned());
        }
        damage
    }

    fn sessions(&self) -> anyhow::Result<(BTreeMap<String, Recorded>, Damage)> {
        let (mut sessions, mut damage) = (BTreeMap::<String, Recorded>::new(), Damage::default());
        for fact in &self.facts {
            let fact: Value = serde_json::from_str(fact)?;
            let change = &fact["change"];
            let id = change["session_id"].as_str().unwrap_or_default().to_owned();
            match change["type"].as_str().context("a fact without a type")? {
                "session_started" => {
                    let start = number(change, "meter_start_wh")?;
                    let known = sessions.contains_key(&id);
                    sessions.entry(id.clone()).or_default().start_wh = start;
                    if known {
                        damage
                            .doubled
                            .push(format!("{id} begins twice in the journal"));
                    }
                }
                "session_ended" => {
                    let stop = number(change, "meter_stop_wh")?;
                    let session = sessions.entry(id.clone()).or_default();
                    session.reconstructed = !change["reconstructed"].is_null();
                    if session.stop_wh.replace(stop).is_some() {
                        damage
                            .doubled
                            .push(format!("{id} ends twice in the journal"));
                    }
                }
                _ => {}
            }
        }
        Ok((sessions, damage))
    }
}

/// A session in the journal.
#[derive(Debug, Clone, Copy, Default)]
struct Recorded {
    start_wh: i64,
    stop_wh: Option<i64>,
    reconstructed: bool,
}

/// A transaction as the central system has it: charge point, first and last register.
pub(crate) type Told = (String, i64, Option<i64>);

/// The transactions that the central system was told.
pub(crate) fn transactions(cloud_folder: &Path) -> anyhow::Result<Vec<Told>> {
    let database = Connection::open_with_flags(
        cloud_folder.join("data/cloud.sqlite"),
        OpenFlags::SQLITE_OPEN_READ_ONLY,
    )?;
    let mut statement = database
        .prepare("SELECT charge_point_id, meter_start_wh, meter_stop_wh FROM transactions")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What the books say after everything healed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Balance {
    pub(crate) sessions: usize,
    /// Ends that nobody saw, told with their bounds: the daemon was dead.
    pub(crate) reconstructed: usize,
    /// The daemon was dead when the car came: what it took before is outside the session.
    pub(crate) late: usize,
    pub(crate) damage: Damage,
}

/// Compares the visits with the journal, with the cloud's sessions and with the central system's transactions.
pub(crate) fn balance(
    ledger: &Ledger,
    journal: &Journal,
    cloud: &[StoredSession],
    mut told: Vec<Told>,
) -> anyhow::Result<Balance> {
    let (recorded, damage) = journal.sessions()?;
    let mut balance = Balance {
        sessions: ledger.visits.len(),
        reconstructed: recorded.values().filter(|one| one.reconstructed).count(),
        late: ledger.visits.iter().filter(|visit| visit.late).count(),
        damage,
    };
    let damage = &mut balance.damage;
    for visit in &ledger.visits {
        let id = &visit.session;
        let Some(session) = recorded.get(id) else {
            damage.lost.push(format!("{id} is not in the journal"));
            continue;
        };
        let is_it = |told: &Told| {
            let (charge_point, start_wh, stop_wh) = told;
            (charge_point, *start_wh, *stop_wh)
                == (&visit.charge_point, session.start_wh, session.stop_wh)
        };
        match told.iter().position(is_it) {
            Some(place) => drop(told.swap_remove(place)),
            None => damage.lost.push(format!("{id} is no transaction")),
        }
        let stored = cloud.iter().find(|stored| stored.id == *id);
        let Some(stored) = stored else {
            damage.lost.push(format!("{id} is not in the cloud"));
            continue;
        };
        if (stored.meter_start_wh, stored.meter_stop_wh) != (session.start_wh, session.stop_wh)
            || stored.charge_point != visit.charge_point
        {
            damage.wrong.push(format!("{stored:?} is not {session:?}"));
        }
        if let Some(problem) = wrong_energy(visit, *session) {
            damage.wrong.push(problem);
        }
    }
    let surplus = told
        .iter()
        .map(|told| format!("the transaction {told:?} is nobody's visit"));
    damage.doubled.extend(surplus);
    let seen: BTreeSet<&str> = ledger.visits.iter().map(|v| v.session.as_str()).collect();
    if seen.len() != ledger.visits.len() {
        damage.doubled.push("two visits are one session".to_owned());
    }
    let known = |id: &str| seen.contains(id);
    let surplus = recorded.keys().filter(|id| !known(id));
    let in_journal = surplus.map(|id| format!("{id} in the journal is nobody's visit"));
    damage.doubled.extend(in_journal);
    let surplus = cloud.iter().filter(|stored| !known(&stored.id));
    let in_cloud = surplus.map(|stored| format!("{} in the cloud is nobody's visit", stored.id));
    damage.doubled.extend(in_cloud);
    Ok(balance)
}

/// A session's registers are those that the meter showed, to the Wh. Where the daemon did not look when
/// the car came, because it was dead or had just begun, what the car took until then is outside.
fn wrong_energy(visit: &Visit, session: Recorded) -> Option<String> {
    let (before, after) = (signed(visit.before_wh), signed(visit.after_wh));
    let stop = session.stop_wh?;
    let starts_well = (before - 1..=after + 1).contains(&session.start_wh);
    let well = starts_well && (stop - after).abs() <= 1;
    (!well).then(|| format!("{visit:?} was recorded as {session:?}"))
}

fn signed(wh: u64) -> i64 {
    i64::try_from(wh).unwrap_or(i64::MAX)
}

fn number(change: &Value, field: &str) -> anyhow::Result<i64> {
    change[field]
        .as_i64()
        .with_context(|| format!("no {field} in {change}"))
}

/// Whether a database that nobody has open is whole; looks at a copy.
pub(crate) fn check_database(file: &Path) -> anyhow::Result<()> {
    let name = file.file_name().context("no name")?;
    let copy = copy_of(file)?;
    open(&copy.path().join(name)).map(drop)
}

fn copy_of(file: &Path) -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let name = file.file_name().context("no name")?.to_string_lossy();
    for suffix in ["", "-wal"] {
        let name = format!("{name}{suffix}");
        let from = file.with_file_name(&name);
        if from.exists() {
            std::fs::copy(from, folder.path().join(name))?;
        }
    }
    Ok(folder)
}

/// Opens a copy, and has SQLite look at all of it.
fn open(path: &Path) -> anyhow::Result<Connection> {
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .with_context(|| format!("{} cannot be opened", path.display()))?;
    let health: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(health == "ok", "{}: {health}", path.display());
    Ok(database)
}

/// How far the cloud has this journal.
pub(crate) fn cloud_mark(cloud_folder: &Path, journal: &str) -> anyhow::Result<u64> {
    let database = Connection::open_with_flags(
        cloud_folder.join("data/cloud.sqlite"),
        OpenFlags::SQLITE_OPEN_READ_ONLY,
    )?;
    let mark: i64 = database.query_row(
        "SELECT COALESCE(MAX(sequence), 0) FROM ingest_marks WHERE journal_id = $1",
        [journal],
        |row| row.get(0),
    )?;
    Ok(u64::try_from(mark)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CP: &str = "CP-1";

    #[test]
    fn books_that_balance_show_no_damage() {
        let found = balance(&ledger(), &journal(&SESSION), &[stored("s1")], vec![told()]);
        assert!(found.unwrap().damage.is_none());
    }

    #[test]
    fn what_is_missing_twice_or_altered_is_told_apart() {
        let (whole, twice) = (journal(&SESSION), journal(&[SESSION, SESSION].concat()));
        let none = || journal(&[]);
        let (one, other) = (stored("s1"), stored("s2"));
        let altered = StoredSession {
            meter_stop_wh: Some(30),
            ..stored("s1")
        };
        let cases = [
            (none(), vec![one.clone()], vec![told()], (1, 1, 0)),
            (whole.clone(), vec![], vec![told()], (1, 0, 0)),
            (
                whole.clone(),
                vec![one.clone(), other],
                vec![told()],
                (0, 1, 0),
            ),
            (whole.clone(), vec![altered], vec![told()], (0, 0, 1)),
            (whole.clone(), vec![one.clone()], vec![], (1, 0, 0)),
            (whole, vec![one.clone()], vec![told(), told()], (0, 1, 0)),
            (twice, vec![one], vec![told()], (0, 2, 0)),
        ];
        for (number, (journal, cloud, told, wanted)) in cases.into_iter().enumerate() {
            let damage = balance(&ledger(), &journal, &cloud, told).unwrap().damage;
            let found = (damage.lost.len(), damage.doubled.len(), damage.wrong.len());
            assert_eq!(found, wanted, "case {number}: {damage:?}");
        }
    }

    #[test]
    fn energy_that_the_meter_did_not_show_is_wrong() {
        let mut visit = visit();
        let recorded = Recorded {
            start_wh: 10,
            stop_wh: Some(20),
            reconstructed: false,
        };
        assert_eq!(wrong_energy(&visit, recorded), None);
        visit.after_wh = 22;
        assert!(wrong_energy(&visit, recorded).is_some());
        (visit.before_wh, visit.after_wh) = (12, 20);
        assert!(wrong_energy(&visit, recorded).is_some());
        visit.before_wh = 5;
        assert_eq!(
            wrong_energy(&visit, recorded),
            None,
            "some of it flowed before"
        );
    }

    #[test]
    fn a_journal_after_a_cut_must_hold_what_was_safe_and_nothing_else() {
        let kept = journal(&SESSION);
        let cut = |count: usize| Journal {
            facts: kept.facts[..count].to_vec(),
            ..kept.clone()
        };
        assert!(cut(1).after_a_cut(&kept, 1).is_none());
        assert_eq!(cut(1).after_a_cut(&kept, 2).lost.len(), 1);
        let mut altered = cut(2);
        altered.facts[0].push(' ');
        assert_eq!(altered.after_a_cut(&kept, 2).wrong.len(), 1);
    }

    const SESSION: [&str; 2] = [
        r#"{"change": {"type": "session_started", "session_id": "s1", "meter_start_wh": 10}}"#,
        r#"{"change": {"type": "session_ended", "session_id": "s1", "meter_stop_wh": 20}}"#,
    ];

    fn journal(facts: &[&str]) -> Journal {
        Journal {
            id: "j_1".to_owned(),
            facts: facts.iter().map(|fact| (*fact).to_owned()).collect(),
        }
    }

    fn visit() -> Visit {
        Visit {
            charge_point: CP.to_owned(),
            session: "s1".to_owned(),
            before_wh: 10,
            after_wh: 20,
            late: false,
        }
    }

    fn ledger() -> Ledger {
        Ledger {
            visits: vec![visit()],
            ..Ledger::default()
        }
    }

    fn stored(id: &str) -> StoredSession {
        StoredSession {
            id: id.to_owned(),
            charge_point: CP.to_owned(),
            meter_start_wh: 10,
            meter_stop_wh: Some(20),
            stop_reason: None,
        }
    }

    fn told() -> Told {
        (CP.to_owned(), 10, Some(20))
    }
}
