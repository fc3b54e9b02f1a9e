//! One database with two organisations, and gateways that say what a test lets them say.

use std::fmt::Write as _;

use cloud_api::{
    clock::Clock,
    db::{Db, Row},
    fleet::{Fleet, FleetSummary},
    gateway::{CreatedGateway, Gateways},
    id::{OrganisationId, SiteId},
    ingest::{Ingest, Message},
    organisation::{NewOrganisation, Organisations, Plan, Tier},
    secret::ServerSecrets,
    site::{NewSite, Sites},
};
use site_model::{
    Announcement, BootId, Change, ChargePointId, ConnectorAnnouncement, ConnectorId,
    ConnectorStatus, ConnectorType, EnergySource, Fact, GatewayId, IdTag, Monotonic, SessionId,
    StopReason, Timestamp, WallTime, WattHours, Watts,
};
use site_wire::{
    topics::Topics,
    v1::{
        Acknowledgement, Envelope, FactBatch, GatewayState, Snapshot, SnapshotConnector,
        SnapshotSession, VERSION,
    },
};

/// When everything begins.
pub(crate) const START: &str = "2026-11-22T10:00:00Z";

pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) fleet: Fleet,
    pub(crate) ingest: Ingest,
    pub(crate) gateways: Gateways,
    pub(crate) organisation: OrganisationId,
    pub(crate) site: SiteId,
    pub(crate) gateway: GatewayId,
    /// Of the same organisation and site.
    pub(crate) second: GatewayId,
    /// Of another organisation.
    pub(crate) stranger: GatewayId,
    pub(crate) strange_organisation: OrganisationId,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::in_zone("UTC").await
    }

    pub(crate) async fn in_zone(zone: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("cloud.sqlite")).unwrap();
        let clock = Clock::standing_at(START.parse().unwrap());
        let secrets = ServerSecrets::load_or_create(dir.path()).unwrap();
        let gateways = Gateways::new(db.clone(), secrets, clock.clone());
        let (organisation, site) = found(&db, &clock, "Acme", zone).await;
        let (strange_organisation, elsewhere) = found(&db, &clock, "Other", "UTC").await;
        let create = async |site: &SiteId| -> CreatedGateway {
            gateways.create(site, "Cabinet").await.unwrap()
        };
        let gateway = create(&site).await.id;
        let second = create(&site).await.id;
        let stranger = create(&elsewhere).await.id;
        let fleet = Fleet::load(&db, clock.now()).await.unwrap();
        let ingest = Ingest::new(db.clone(), fleet.clone(), clock.clone());
        Self {
            dir,
            db,
            clock,
            fleet,
            ingest,
            gateways,
            organisation,
            site,
            gateway,
            second,
            stranger,
            strange_organisation,
        }
    }

    /// The same files after the server was started anew.
    pub(crate) async fn restarted(self) -> Self {
        self.db.close().await;
        let db = Db::open(&self.dir.path().join("cloud.sqlite")).unwrap();
        let fleet = Fleet::load(&db, self.clock.now()).await.unwrap();
        let secrets = ServerSecrets::load_or_create(self.dir.path()).unwrap();
        Self {
            ingest: Ingest::new(db.clone(), fleet.clone(), self.clock.clone()),
            gateways: Gateways::new(db.clone(), secrets, self.clock.clone()),
            fleet,
            db,
            ..self
        }
    }

    /// A second ingest on the same fleet and database, to be put to work elsewhere.
    pub(crate) fn another_ingest(&self) -> Ingest {
        Ingest::new(self.db.clone(), self.fleet.clone(), self.clock.clone())
    }

    pub(crate) async fn send(
        &mut self,
        topic: String,
        payload: Vec<u8>,
    ) -> Option<Acknowledgement> {
        let reply = self
            .ingest
            .receive(&Message {
                topic,
                payload,
                retained: false,
            })
            .await;
        reply.unwrap().map(|reply| reply.acknowledgement)
    }

    /// Sends facts of journal `j1` of the first gateway.
    pub(crate) async fn facts(&mut self, facts: &[Envelope]) -> Option<Acknowledgement> {
        let gateway = self.gateway.clone();
        self.facts_of(&gateway, "j1", facts).await
    }

    pub(crate) async fn facts_of(
        &mut self,
        gateway: &GatewayId,
        journal: &str,
        facts: &[Envelope],
    ) -> Option<Acknowledgement> {
        let batch = FactBatch {
            v: VERSION,
            journal_id: journal.to_owned(),
            facts: facts.to_vec(),
        };
        let payload = serde_json::to_vec(&batch).unwrap();
        self.send(Topics::of(gateway).facts(), payload).await
    }

    pub(crate) async fn state_of(
        &mut self,
        gateway: &GatewayId,
        online: bool,
    ) -> Option<Acknowledgement> {
        let state = GatewayState {
            v: VERSION,
            online,
            boot: BootId(1).to_string(),
            journal_id: "j1".to_owned(),
            software_version: "0.1.0".to_owned(),
            asks_for_sessions: false,
        };
        let payload = serde_json::to_vec(&state).unwrap();
        self.send(Topics::of(gateway).state(), payload).await
    }

    pub(crate) async fn snapshot(&mut self, snapshot: &Snapshot) {
        let gateway = self.gateway.clone();
        self.snapshot_of(&gateway, snapshot).await;
    }

    /// As the broker delivers it on subscribing.
    pub(crate) async fn retained_snapshot(&mut self, snapshot: &Snapshot) {
        let message = Message {
            topic: Topics::of(&self.gateway).snapshot(&cp(&snapshot.charge_point_id)),
            payload: serde_json::to_vec(snapshot).unwrap(),
            retained: true,
        };
        assert_eq!(self.ingest.receive(&message).await, Ok(None));
    }

    pub(crate) async fn snapshot_of(&mut self, gateway: &GatewayId, snapshot: &Snapshot) {
        let topic = Topics::of(gateway).snapshot(&cp(&snapshot.charge_point_id));
        let payload = serde_json::to_vec(snapshot).unwrap();
        assert_eq!(self.send(topic, payload).await, None);
    }

    pub(crate) fn summary(&self) -> FleetSummary {
        self.fleet.summary(&self.organisation, self.clock.now())
    }

    /// The rows of a query, one per line, columns joined by `|`.
    pub(crate) async fn table(&self, sql: &'static str, columns: &[&str]) -> String {
        let rows = self.db.query(sql, vec![]).await.unwrap();
        rows.iter().fold(String::new(), |mut text, row| {
            let cells: Vec<String> = columns.iter().map(|column| cell(row, column)).collect();
            writeln!(text, "{}", cells.join("|")).unwrap();
            text
        })
    }

    /// Every session with its readings, and the mark: what must not be lost or doubled.
    pub(crate) async fn books(&self) -> String {
        let sessions = self
            .table(
                "SELECT id, id_tag, started_at_ms, meter_start_wh, ended_at_ms, meter_stop_wh, stop_reason
                 FROM sessions ORDER BY id",
                &[
                    "id",
                    "id_tag",
                    "started_at_ms",
                    "meter_start_wh",
                    "ended_at_ms",
                    "meter_stop_wh",
                    "stop_reason",
                ],
            )
            .await;
        let readings = self
            .table(
                "SELECT session_id, kind, at_ms, meter_wh FROM session_readings
                 ORDER BY session_id, meter_wh, at_ms",
                &["session_id", "kind", "at_ms", "meter_wh"],
            )
            .await;
        let marks = self
            .table(
                "SELECT journal_id, sequence, unread FROM ingest_marks
                 ORDER BY journal_id, sequence",
                &["journal_id", "sequence", "unread"],
            )
            .await;
        format!("{sessions}{readings}{marks}")
    }
}

async fn found(db: &Db, clock: &Clock, name: &str, zone: &str) -> (OrganisationId, SiteId) {
    let organisation = Organisations::new(db.clone(), clock.clone())
        .create(NewOrganisation {
            name: name.to_owned(),
            plan: Plan::new(Tier::Free, None).unwrap(),
            time_zone: zone.to_owned(),
            sandbox: false,
        })
        .await
        .unwrap();
    let site = Sites::new(db.clone(), clock.clone())
        .create(NewSite {
            organisation: organisation.clone(),
            name: name.to_owned(),
            address: None,
            max_power_w: 44_000,
        })
        .await
        .unwrap();
    (organisation, site)
}

fn cell(row: &Row, column: &str) -> String {
    if let Ok(number) = row.opt_int(column) {
        return number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    }
    row.opt_text(column).unwrap().unwrap_or("-").to_owned()
}

pub(crate) fn cp(id: &str) -> ChargePointId {
    ChargePointId::new(id).unwrap()
}

pub(crate) fn session(id: &str) -> SessionId {
    SessionId::new(id).unwrap()
}

pub(crate) fn ms(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

pub(crate) fn connector() -> ConnectorId {
    ConnectorId::new(1).unwrap()
}

/// A change under its sequence number, at a known time.
pub(crate) fn fact(sequence: u64, time: &str, change: Change) -> Envelope {
    at_wall(sequence, WallTime(ms(time)), true, change)
}

pub(crate) fn at_wall(sequence: u64, wall: WallTime, wall_known: bool, change: Change) -> Envelope {
    let fact = Fact {
        at: Timestamp {
            boot: BootId(7),
            monotonic: Monotonic(sequence),
            wall,
            wall_known,
        },
        change,
    };
    Envelope::of(sequence, &fact)
}

pub(crate) fn announced(id: &str) -> Change {
    Change::ChargePointAnnounced(Announcement {
        charge_point: cp(id),
        vendor: "Heidelberg".to_owned(),
        model: "Energy Control".to_owned(),
        connectors: vec![ConnectorAnnouncement {
            connector: connector(),
            kind: ConnectorType::Type2,
            max_power: Watts(11_040),
        }],
        central_system: None,
    })
}

pub(crate) fn started(id: &str, charge_point: &str, meter_wh: u64) -> Change {
    Change::SessionStarted {
        session: session(id),
        charge_point: cp(charge_point),
        connector: connector(),
        id_tag: IdTag::new("FREE").unwrap(),
        meter_start: WattHours(meter_wh),
        source: EnergySource::ExternalMeter,
        billing_grade: true,
        reservation: None,
    }
}

pub(crate) fn read(id: &str, meter_wh: u64) -> Change {
    Change::MeterRead {
        session: session(id),
        meter: WattHours(meter_wh),
    }
}

pub(crate) fn ended(id: &str, charge_point: &str, meter_wh: u64) -> Change {
    Change::SessionEnded {
        session: session(id),
        charge_point: cp(charge_point),
        connector: connector(),
        meter_stop: WattHours(meter_wh),
        reason: StopReason::EvDisconnected,
        id_tag: None,
        reconstructed: None,
    }
}

pub(crate) fn status(charge_point: &str, status: ConnectorStatus) -> Change {
    Change::StatusChanged {
        charge_point: cp(charge_point),
        connector: connector(),
        status,
        error_code: None,
    }
}

/// One whole session at `CP1`, 2 500 Wh, as five facts from sequence 1.
pub(crate) fn whole_session() -> Vec<Envelope> {
    vec![
        fact(1, "2026-11-22T09:00:00Z", announced("CP1")),
        fact(2, "2026-11-22T09:00:01Z", started("sess_1", "CP1", 1_000)),
        fact(3, "2026-11-22T09:15:00Z", read("sess_1", 2_000)),
        fact(4, "2026-11-22T09:30:00Z", read("sess_1", 3_000)),
        fact(5, "2026-11-22T09:40:00Z", ended("sess_1", "CP1", 3_500)),
    ]
}

/// The books after [`whole_session`].
pub(crate) const WHOLE_SESSION_BOOKS: &str = "\
sess_1|FREE|1795338001000|1000|1795340400000|3500|EVDisconnected
sess_1|start|1795338001000|1000
sess_1|quarter_hour|1795338900000|2000
sess_1|quarter_hour|1795339800000|3000
sess_1|end|1795340400000|3500
j1|5|0
";

pub(crate) fn acknowledgement(sequence: u64) -> Option<Acknowledgement> {
    Some(Acknowledgement {
        v: VERSION,
        journal_id: "j1".to_owned(),
        sequence,
        boot: (sequence > 0).then(|| BootId(7).to_string()),
        sessions: None,
        refused: vec![],
    })
}

/// A snapshot of `CP1` with its one connector; `session` is its id and energy.
pub(crate) fn snapshot(
    sequence: u64,
    status: &str,
    made_at: &str,
    session: Option<(&str, u64)>,
) -> Snapshot {
    Snapshot {
        v: VERSION,
        journal_id: "j1".to_owned(),
        as_of_sequence: sequence,
        made_at_ms: ms(made_at),
        charge_point_id: "CP1".to_owned(),
        vendor: "Heidelberg".to_owned(),
        model: "Energy Control".to_owned(),
        status: "Available".to_owned(),
        online: true,
        last_answer_at_ms: Some(ms(made_at)),
        serial: None,
        firmware: Some("1.0.8".to_owned()),
        connectors: vec![SnapshotConnector {
            connector_id: 1,
            kind: "Type2".to_owned(),
            max_power_w: 11_040,
            status: status.to_owned(),
            observed_at_ms: Some(ms(made_at)),
            error_code: None,
            fault: None,
            limit_ma: 16_000,
            limit_owner: "installation".to_owned(),
            limit_read_back_ma: None,
            power_w: None,
            meter_wh: None,
            session: session.map(|(id, energy_wh)| SnapshotSession {
                session_id: id.to_owned(),
                started_at_ms: ms(made_at),
                energy_wh,
            }),
        }],
    }
}
