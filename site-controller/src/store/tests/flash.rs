//! What a day costs: 32 charge points with a central system each, 50 sessions, the cloud connected. Every
//! append and every commit is the real one; only the clock is moved. Run in a process of its own, because the
//! kernel counts what a process writes.

use std::process::Command;
use tokio::time::Instant;

use site_model::{IdTag, LimitOwner, Milliamps};

use super::*;
use crate::store::lines::{self, Line};
use crate::store::stations::{self, Ended, Frozen};

const CONNECTORS: u64 = 32;
const SESSIONS: u64 = 50;
const QUARTER_MS: u64 = 900_000;
/// Three hours of charging.
const QUARTERS_OF_A_SESSION: u64 = 12;
/// Bytes written in a day.
const DAY_MAX_BYTES: u64 = 20 << 20;
/// Where the child process is told to work.
const FOLDER: &str = "DYNAMO_FLASH_FOLDER";

#[test]
#[expect(clippy::print_stdout, reason = "the figure is told")]
fn a_day_of_32_connectors_and_50_sessions_writes_at_most_20_mib() {
    // Not in /tmp, which may be memory: nothing that is written there is counted.
    let folder = TempDir::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let test = "store::tests::flash::the_day";
    let child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    let line = told.lines().find_map(|line| line.split_once("day: "));
    let (_, line) =
        line.unwrap_or_else(|| panic!("{told}{}", String::from_utf8_lossy(&child.stderr)));
    println!("{line}");
    let bytes: u64 = line.split_once(' ').unwrap().0.parse().unwrap();
    // A file system in memory counts nothing.
    assert!((1..=DAY_MAX_BYTES).contains(&bytes), "{line}");
}

/// The child's part; without its folder there is nothing to do.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure is told")]
async fn the_day() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let mut day = Day::begin(Path::new(&folder)).await;
    let before = crate::flash::bytes_written();
    for quarter in 0..96 {
        day.quarter(quarter).await;
    }
    let mut waits = std::mem::take(&mut day.waits);
    waits.sort();
    let figures = day.opened.store.figures();
    let (commits, facts) = (waits.len(), day.sequence);
    day.opened.store.close().await;
    let bytes = crate::flash::bytes_written() - before;
    println!(
        "day: {bytes} bytes written for {facts} facts in {commits} waits, file {} KiB; append to durable: median {:?}, p99 {:?}",
        figures.bytes_on_disk / 1024,
        waits[commits / 2],
        waits[commits * 99 / 100],
    );
}

struct Day {
    opened: Opened,
    sequence: u64,
    waits: Vec<Duration>,
    /// Charge point, its session's number, and in how many quarters it ends.
    running: Vec<(ChargePointId, u64, u64)>,
    started: u64,
    now_ms: i64,
}

impl Day {
    async fn begin(folder: &Path) -> Self {
        let opened = open(folder);
        for number in 1..=CONNECTORS {
            let id = point(number);
            let work =
                move |db: &mut Connection| lines::begin(db, &id, "ws://a", 0, None).map(drop);
            opened.store.work(work).await.unwrap();
        }
        Self {
            opened,
            sequence: 0,
            waits: Vec::new(),
            running: Vec::new(),
            started: 0,
            now_ms: 0,
        }
    }

    async fn quarter(&mut self, quarter: u64) {
        self.now_ms = i64::try_from(quarter * QUARTER_MS).unwrap();
        self.read_meters().await;
        let over: Vec<_> = self
            .running
            .iter()
            .filter(|(_, _, left)| *left == 0)
            .cloned()
            .collect();
        self.running.retain(|(_, _, left)| *left > 0);
        for (point, number, _) in over {
            self.stop(&point, number).await;
        }
        // 50 sessions over 84 quarters, so that all of them end within the day.
        while self.started < SESSIONS && self.started * 84 <= quarter * SESSIONS {
            self.start().await;
        }
        for (_, _, left) in &mut self.running {
            *left -= 1;
        }
    }

    async fn start(&mut self) {
        self.started += 1;
        let (point, number) = (point(self.started % CONNECTORS + 1), self.started);
        self.commit(vec![status_of(&point, ConnectorStatus::Preparing)])
            .await;
        let begin = vec![
            authorized(&point, Some("TAG-0815")),
            limit(&point, 16_000),
            started(&point, number),
        ];
        let sequence = self.commit(begin).await;
        self.tell(&point, number, sequence, true).await;
        self.commit(vec![status_of(&point, ConnectorStatus::Charging)])
            .await;
        self.running.push((point, number, QUARTERS_OF_A_SESSION));
    }

    async fn stop(&mut self, point: &ChargePointId, number: u64) {
        self.commit(vec![status_of(point, ConnectorStatus::SuspendedEv)])
            .await;
        let end = vec![
            authorized(point, None),
            limit(point, 0),
            status_of(point, ConnectorStatus::Finishing),
            ended(point, number),
        ];
        let sequence = self.commit(end).await;
        self.tell(point, number, sequence, false).await;
        self.commit(vec![status_of(point, ConnectorStatus::Available)])
            .await;
    }

    /// All running sessions in the same second, each a decision of its own.
    async fn read_meters(&mut self) {
        let began = Instant::now();
        let mut ticket = None;
        for (_, number, _) in &self.running {
            let fact = self.stamp(Change::MeterRead {
                session: session_id(*number),
                meter: WattHours(12_345_678),
            });
            ticket = Some(self.opened.store.append(vec![fact], None));
            self.sequence += 1;
        }
        let Some(ticket) = ticket else { return };
        while committed(&mut self.opened).await.0 < ticket {}
        self.waits.push(began.elapsed());
        let told: Vec<_> = self
            .running
            .iter()
            .map(|(point, number, _)| (point.clone(), *number))
            .collect();
        let first = self.sequence - u64::try_from(told.len()).unwrap();
        // Each has a link of its own.
        let numbered = (first + 1..).zip(&told);
        let messages =
            numbered.map(|(sequence, (point, number))| self.tell(point, *number, sequence, false));
        futures_util::future::join_all(messages).await;
    }

    async fn commit(&mut self, facts: Vec<Change>) -> u64 {
        self.now_ms += 5_000;
        let facts: Vec<Fact> = facts.into_iter().map(|change| self.stamp(change)).collect();
        let began = Instant::now();
        self.opened.store.append(facts, None);
        self.sequence = committed(&mut self.opened).await.1;
        self.waits.push(began.elapsed());
        self.opened.store.acknowledge(self.sequence);
        self.sequence
    }

    /// A message to the central system: kept as it goes out, and what became of it.
    async fn tell(&self, point: &ChargePointId, number: u64, sequence: u64, start: bool) {
        let (session, id) = (session_id(number), point.clone());
        let frozen = Frozen {
            sequence,
            message_id: "01KANAR9G08K9BZR1Q3F80V8K2".to_owned(),
            action: "MeterValues".to_owned(),
            payload: "x".repeat(300),
        };
        let begins = start.then(|| session.clone());
        let freeze = move |db: &mut Connection| {
            let begins = begins.as_ref().map(|session| (session, 1));
            stations::freeze(db, id.as_str(), &frozen, begins)
        };
        self.opened.store.work(freeze).await.unwrap();
        let line = Line::first(point);
        let ended = if start {
            Ended::Started {
                session,
                transaction_id: 4_711,
            }
        } else {
            Ended::Read
        };
        let end = move |db: &mut Connection| stations::end(db, &line, sequence, &ended);
        self.opened.store.work(end).await.unwrap();
    }

    fn stamp(&self, change: Change) -> Fact {
        Fact {
            at: at(self.now_ms),
            change,
        }
    }
}

fn point(number: u64) -> ChargePointId {
    ChargePointId::new(&format!("DEPOT-CP-{number:02}")).unwrap()
}

fn session_id(number: u64) -> SessionId {
    SessionId::new(&format!("sess_{number:026}")).unwrap()
}

fn one() -> ConnectorId {
    ConnectorId::new(1).unwrap()
}

fn status_of(point: &ChargePointId, status: ConnectorStatus) -> Change {
    Change::StatusChanged {
        charge_point: point.clone(),
        connector: one(),
        status,
        error_code: None,
    }
}

fn authorized(point: &ChargePointId, tag: Option<&str>) -> Change {
    Change::AuthorizationChanged {
        charge_point: point.clone(),
        connector: one(),
        id_tag: tag.map(|tag| IdTag::new(tag).unwrap()),
    }
}

fn limit(point: &ChargePointId, milliamps: u32) -> Change {
    Change::LimitGranted {
        charge_point: point.clone(),
        connector: one(),
        limit: Milliamps(milliamps),
        owner: LimitOwner::Installation,
    }
}

fn started(point: &ChargePointId, number: u64) -> Change {
    Change::SessionStarted {
        session: session_id(number),
        charge_point: point.clone(),
        connector: one(),
        id_tag: IdTag::new("TAG-0815").unwrap(),
        meter_start: WattHours(12_300_000),
        source: site_model::EnergySource::LifetimeRegister,
        billing_grade: true,
        reservation: None,
    }
}

fn ended(point: &ChargePointId, number: u64) -> Change {
    Change::SessionEnded {
        session: session_id(number),
        charge_point: point.clone(),
        connector: one(),
        meter_stop: WattHours(12_345_678),
        reason: site_model::StopReason::EvDisconnected,
        id_tag: None,
        reconstructed: None,
    }
}
