//! The cloud's end: the real ingest on a real database in memory, with restarts and restored backups.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cloud_api::clock::Clock;
use cloud_api::db::{Db, Hand, Param, Row};
use cloud_api::fleet::Fleet;
use cloud_api::gateway::Gateways;
use cloud_api::ingest::{Ingest, Message};
use cloud_api::organisation::{NewOrganisation, Organisations, Plan, Tier};
use cloud_api::secret::ServerSecrets;
use cloud_api::site::{NewSite, Sites};
use jiff::{SignedDuration, Timestamp};
use site_model::GatewayId;
use site_wire::v1::Acknowledgement;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const FILE: &str = "cloud.sqlite";

/// A database with one site and its gateway, made once.
#[derive(Debug)]
struct Template {
    dir: TempDir,
    gateway: GatewayId,
}

/// Cloud and its database.
#[derive(Debug)]
pub(crate) struct Cloud {
    dir: PathBuf,
    clock: Clock,
    /// `None` only while it restarts.
    open: Option<Open>,
    pub(crate) gateway: GatewayId,
}

/// Session, kind, register, time.
pub(crate) type Registered = (String, String, i64, i64);

/// The database and who works on it.
#[derive(Debug)]
struct Open {
    db: Db,
    hand: Hand,
    ingest: Ingest,
}

/// A session as the cloud has booked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Booked {
    pub(crate) id: String,
    pub(crate) charge_point: String,
    pub(crate) started_at_ms: i64,
    pub(crate) meter_start_wh: i64,
    pub(crate) ended_at_ms: Option<i64>,
    pub(crate) meter_stop_wh: Option<i64>,
}

impl Cloud {
    pub(crate) fn new(rt: &Runtime, dir: &Path, now_ms: i64) -> Self {
        let template = template(rt);
        std::fs::create_dir_all(dir).unwrap();
        std::fs::copy(template.dir.path().join(FILE), dir.join(FILE)).unwrap();
        let clock = Clock::standing_at(Timestamp::from_millisecond(now_ms).unwrap());
        Self {
            dir: dir.to_owned(),
            open: Some(open(dir, &clock)),
            clock,
            gateway: template.gateway.clone(),
        }
    }

    pub(crate) fn pass(&self, ms: u64) {
        let ms = i64::try_from(ms).unwrap();
        self.clock.advance(SignedDuration::from_millis(ms));
    }

    pub(crate) fn receive(&mut self, message: &Message) -> Option<Acknowledgement> {
        let Open { hand, ingest, .. } = self.open();
        match hand.drive(ingest.receive(message)) {
            Some(Ok(reply)) => reply.map(|reply| reply.acknowledgement),
            failed => panic!("the cloud's database does its work at once: {failed:?}"),
        }
    }

    pub(crate) fn restart(&mut self) {
        self.open = None;
        self.open = Some(open(&self.dir, &self.clock));
    }

    fn open(&mut self) -> &mut Open {
        self.open.as_mut().expect("it restarts at once")
    }

    /// Copies the files while nothing is being written.
    pub(crate) fn back_up(&self) {
        for suffix in ["", "-wal"] {
            let from = self.dir.join(format!("{FILE}{suffix}"));
            let to = self.dir.join(format!("backup{suffix}"));
            let _none_before = std::fs::remove_file(&to);
            if from.exists() {
                std::fs::copy(from, to).unwrap();
            }
        }
    }

    pub(crate) fn restore(&mut self) {
        self.open = None;
        for suffix in ["", "-wal", "-shm"] {
            let to = self.dir.join(format!("{FILE}{suffix}"));
            let _none_there = std::fs::remove_file(&to);
            let from = self.dir.join(format!("backup{suffix}"));
            if from.exists() {
                std::fs::copy(from, to).unwrap();
            }
        }
        self.restart();
    }

    fn query(&mut self, sql: &'static str, params: Vec<Param>) -> Vec<Row> {
        let Open { db, hand, .. } = self.open();
        hand.drive(db.query(sql, params)).unwrap().unwrap()
    }

    /// How far each journal of the gateway was taken in.
    pub(crate) fn mark(&mut self, journal: &str) -> u64 {
        let sql = "SELECT sequence FROM ingest_marks WHERE journal_id = $1";
        let rows = self.query(sql, vec![journal.into()]);
        rows.first()
            .map_or(0, |row| u64::try_from(int(row, "sequence")).unwrap())
    }

    pub(crate) fn books(&mut self) -> Vec<Booked> {
        let sql =
            "SELECT id, charge_point_id, started_at_ms, meter_start_wh, ended_at_ms, meter_stop_wh
                   FROM sessions ORDER BY id";
        let rows = self.query(sql, vec![]);
        let booked = rows.iter().map(|row| Booked {
            id: row.text("id").unwrap().to_owned(),
            charge_point: row.text("charge_point_id").unwrap().to_owned(),
            started_at_ms: int(row, "started_at_ms"),
            meter_start_wh: int(row, "meter_start_wh"),
            ended_at_ms: row.opt_int("ended_at_ms").unwrap(),
            meter_stop_wh: row.opt_int("meter_stop_wh").unwrap(),
        });
        booked.collect()
    }

    /// Registers of sessions as the cloud has booked them.
    pub(crate) fn readings(&mut self) -> BTreeSet<Registered> {
        let sql = "SELECT session_id, kind, meter_wh, at_ms FROM session_readings";
        let rows = self.query(sql, vec![]);
        let booked: BTreeSet<_> = rows
            .iter()
            .map(|row| {
                let session = row.text("session_id").unwrap().to_owned();
                let kind = row.text("kind").unwrap().to_owned();
                (session, kind, int(row, "meter_wh"), int(row, "at_ms"))
            })
            .collect();
        assert_eq!(booked.len(), rows.len(), "a register is booked twice");
        booked
    }

    /// Energy of no session by charge point: from, to.
    pub(crate) fn unattributed(&mut self) -> Vec<(String, i64, i64)> {
        let sql = "SELECT charge_point_id, from_wh, to_wh FROM unattributed_energy
                   ORDER BY charge_point_id, from_wh";
        let rows = self.query(sql, vec![]);
        let booked = rows.iter().map(|row| {
            let charge_point = row.text("charge_point_id").unwrap().to_owned();
            (charge_point, int(row, "from_wh"), int(row, "to_wh"))
        });
        booked.collect()
    }

    /// Facts that it could not read.
    pub(crate) fn unread(&mut self) -> i64 {
        let sql = "SELECT COUNT(*) AS unread FROM unread_facts";
        let rows = self.query(sql, vec![]);
        int(&rows[0], "unread")
    }
}

fn int(row: &Row, column: &str) -> i64 {
    row.int(column).unwrap()
}

fn open(dir: &Path, clock: &Clock) -> Open {
    let (db, mut hand) = Db::open_by_hand(&dir.join(FILE)).unwrap();
    let fleet = hand.drive(Fleet::load(&db, clock.now())).unwrap().unwrap();
    let ingest = Ingest::new(db.clone(), fleet, clock.clone());
    Open { db, hand, ingest }
}

fn template(rt: &Runtime) -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| rt.block_on(make_template()))
}

async fn make_template() -> Template {
    let dir = tempfile::tempdir_in(crate::in_memory()).unwrap();
    let db = Db::open(&dir.path().join(FILE)).unwrap();
    let clock = Clock::standing_at(Timestamp::from_second(1_900_000_000).unwrap());
    let organisation = Organisations::new(db.clone(), clock.clone())
        .create(NewOrganisation {
            name: "Acme".to_owned(),
            plan: Plan::new(Tier::Free, None).unwrap(),
            time_zone: "Europe/Berlin".to_owned(),
            sandbox: false,
        })
        .await
        .unwrap();
    let site = Sites::new(db.clone(), clock.clone())
        .create(NewSite {
            organisation,
            name: "Depot".to_owned(),
            address: None,
            max_power_w: 66_000,
        })
        .await
        .unwrap();
    let secrets = ServerSecrets::load_or_create(dir.path()).unwrap();
    let gateways = Gateways::new(db.clone(), secrets, clock);
    let gateway = gateways.create(&site, "Cabinet").await.unwrap().id;
    db.close().await;
    Template { dir, gateway }
}
