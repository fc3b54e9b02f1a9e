//! Chance thrown at the sockets of charge points: damaged frames, in any order, with repeated ids and
//! broken connections. Every call is answered, the books hold, and a neighbour does not notice.

#[path = "../../../crates/ocpp/tests/mangled/mod.rs"]
mod mangled;

use std::collections::HashMap;

use futures_util::future::join;
use ocpp::{Bounds, Frame};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::central::{Scene, start, until};
use crate::harness::DIRECT;
use crate::station::Station;
use mangled::mangled;

/// Sockets that are opened, one after the other.
const SOCKETS: u64 = 24;
/// Frames on each; fewer than what cuts off if none is accepted.
const FRAMES: usize = 48;
/// Frames after which an answer is waited for: fewer than what is a flood.
const AT_ONCE: usize = 6;

/// What a station may say; `~` is a number.
const SEEDS: [&str; 15] = [
    r#"[2,"~","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]"#,
    r#"[2,"~","StartTransaction",{"connectorId":1,"idTag":"A","meterStart":5,"timestamp":"2026-05-01T08:00:0~Z"}]"#,
    r#"[2,"~","StartTransaction",{"connectorId":2,"idTag":"B","meterStart":~,"timestamp":"2026-05-01T08:00:00Z"}]"#,
    r#"[2,"~","StopTransaction",{"transactionId":~,"meterStop":12.0,"timestamp":"2026-05-01T08:30:00+01:00","reason":"Local"}]"#,
    r#"[2,"~","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-05-01T08:10:00Z","sampledValue":[{"value":"1~"}]}]}]"#,
    r#"[2,"~","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}]"#,
    r#"[2,"~","StatusNotification",{"connectorId":~,"errorCode":"GroundFailure","status":"Faulted"}]"#,
    r#"[2,"~","Authorize",{"idTag":"A"}]"#,
    r#"[2,"~","DataTransfer",{"vendorId":"V","data":"x","messageId":"m"}]"#,
    r#"[2,"~","SignCertificate",{"csr":"x"}]"#,
    r#"[2,"~","FirmwareStatusNotification",{"status":"Installed"}]"#,
    r#"[2,"1","Heartbeat",{}]"#,
    r#"[3,"~",{"status":"Accepted"}]"#,
    r#"[4,"~","InternalError","sorry",{}]"#,
    r#"[2,"~","RemoteStartTransaction",{"idTag":"A"}]"#,
];

/// One station that talks at random.
struct Babbler {
    station: Station,
    random: fastrand::Rng,
    number: u64,
    /// Calls that wait for their answer: how often they were made, by their id.
    owed: HashMap<String, u32>,
    answers: [u32; 2],
}

impl Babbler {
    async fn babble(&mut self) {
        for place in 0..FRAMES {
            self.number += 1;
            let number = self.number.to_string();
            let seeds = SEEDS.map(|seed| seed.replace('~', &number));
            let text = mangled(&mut self.random, &seeds);
            if let Ok(Frame::Call { id, .. }) = Frame::parse(&text, &Bounds::default()) {
                *self.owed.entry(id.as_str().to_owned()).or_default() += 1;
            }
            self.station.send(&text).await;
            if place % AT_ONCE == AT_ONCE - 1 {
                self.listen().await;
            }
        }
    }

    /// Hears everything up to the answer of one more call.
    async fn listen(&mut self) {
        let last = format!("last-{}", self.number);
        self.owed.insert(last.clone(), 1);
        let beat = json!([2, last, "Heartbeat", {}]).to_string();
        self.station.send(&beat).await;
        while self.owed.contains_key(&last) {
            self.hear().await;
        }
        assert_eq!(self.owed, HashMap::new(), "calls without an answer");
    }

    async fn hear(&mut self) {
        let text = match self.station.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return,
            other => panic!("no frame: {other:?}"),
        };
        let frame = Frame::parse(&text, &Bounds::default());
        match frame.unwrap_or_else(|fault| panic!("{fault}: {text}")) {
            Frame::Result { id, .. } => self.answered(id.as_str(), 0),
            Frame::Error { id, .. } => self.answered(id.as_str(), 1),
            Frame::Call { id, .. } => {
                let answers = [
                    format!(r#"[3,"{}",{{"status":"Accepted"}}]"#, id.as_str()),
                    format!(r#"[4,"{}","InternalError","",{{}}]"#, id.as_str()),
                ];
                let answer = mangled(&mut self.random, &answers);
                self.station.send(&answer).await;
            }
        }
    }

    fn answered(&mut self, id: &str, kind: usize) {
        self.answers[kind] += 1;
        // What is no call as a whole is refused by its id where that can be read.
        if let Some(owed) = self.owed.get_mut(id) {
            *owed -= 1;
            if *owed == 0 {
                self.owed.remove(id);
            }
        }
    }
}

/// A well-behaved one charges 1.234 kWh.
async fn charge(neighbour: &mut Station, round: u64) {
    let at = |seconds: u64| format!("2026-05-01T07:{:02}:{:02}Z", round % 60, seconds);
    let began = start(1, "GOOD", i64::try_from(round).unwrap() * 2_000, &at(1));
    let meter = began["meterStart"].as_i64().unwrap();
    let began = neighbour.call("StartTransaction", began).await;
    for step in 0..5 {
        let values = json!({"connectorId": 1, "transactionId": began["transactionId"], "meterValue": [
            {"timestamp": at(2 + step), "sampledValue": [{"value": (meter + 100).to_string()}]}]});
        neighbour.call("MeterValues", values).await;
    }
    let stop = json!({"transactionId": began["transactionId"], "meterStop": meter + 1_234, "timestamp": at(30)});
    assert_eq!(neighbour.call("StopTransaction", stop).await, json!({}));
}

/// Asks the babbler something; what it makes of it is its own affair.
async fn ask(scene: &Scene, round: u64) {
    let body = json!({"charge_point_id": DIRECT, "timeout_seconds": 1}).to_string();
    if round.is_multiple_of(4) {
        let told = scene
            .world
            .post("/api/v1/ocpp16/clear_cache", &scene.key, &body);
        assert_eq!(told.await.status, 200);
    }
}

#[tokio::test]
async fn whatever_a_station_says_every_call_is_answered_and_a_neighbour_does_not_notice() {
    let scene = Scene::new().await;
    let body = r#"{"charge_point_id":"GOOD","vendor":"V","model":"M"}"#;
    let made = scene.world.post("/api/v1/chargepoints", &scene.key, body);
    assert_eq!(made.await.status, 201);
    let mut neighbour = scene.world.booted(&scene.at, "GOOD").await;
    let mut answers = [0; 2];
    for round in 0..SOCKETS {
        let password = scene.world.password(DIRECT).await;
        let station = scene.at.connect(DIRECT, &password).await.unwrap();
        let mut babbler = Babbler {
            station,
            random: fastrand::Rng::with_seed(round),
            number: round * 1_000,
            owed: HashMap::new(),
            answers: [0; 2],
        };
        // The server asks while it is being talked to, and the neighbour goes about its business.
        let asking = ask(&scene, round);
        join(
            join(babbler.babble(), charge(&mut neighbour, round)),
            asking,
        )
        .await;
        babbler.listen().await;
        // Half a frame, and gone.
        if round % 3 == 0 {
            babbler.station.write(&[0x81, 0xfe, 0x10, 0x00, 1, 2]).await;
        }
        answers[0] += babbler.answers[0];
        answers[1] += babbler.answers[1];
    }
    assert!(answers.iter().all(|count| *count > 100), "{answers:?}");
    until(async || (scene.world.stations.count() == 1).then_some(())).await;
    check_books(&scene.world, &scene.key).await;
    neighbour.call("Heartbeat", json!({})).await;
    scene.at.stop().await;
}

async fn check_books(world: &crate::harness::World, key: &str) {
    let path = "/api/v1/sessions?charge_point_id=GOOD&limit=200";
    let good = world.get(path, key).await.json();
    let energies: Vec<Value> = good["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|one| one["energy_kwh"].clone())
        .collect();
    assert_eq!(
        energies,
        vec![json!(1.234); usize::try_from(SOCKETS).unwrap()]
    );
    let count = async |sql: &'static str| {
        world.db.query(sql, vec![]).await.unwrap()[0]
            .int("n")
            .unwrap()
    };
    let begun = "SELECT COUNT(*) AS n FROM transactions WHERE charge_point_id = 'DE*OURS*D1'";
    let booked = "SELECT COUNT(*) AS n FROM sessions WHERE charge_point_id = 'DE*OURS*D1'";
    let begun = count(begun).await;
    assert!(begun > 10, "{begun}");
    assert_eq!(count(booked).await, begun, "a session for each transaction");
    let open =
        "SELECT COUNT(*) AS n FROM (SELECT connector_id FROM transactions WHERE ended_at_ms IS NULL
                GROUP BY charge_point_id, connector_id HAVING COUNT(*) > 1) AS twice";
    assert_eq!(count(open).await, 0, "one transaction at a time");
    let backwards = "SELECT COUNT(*) AS n FROM sessions WHERE meter_stop_wh < meter_start_wh OR ended_at_ms < started_at_ms";
    assert_eq!(count(backwards).await, 0, "energy only grows");
    assert!(count("SELECT COUNT(*) AS n FROM orphan_stops").await > 10);
    let frames = "SELECT COUNT(*) AS n FROM frames WHERE charge_point_id = 'DE*OURS*D1'";
    assert!(
        (1..=551).contains(&count(frames).await),
        "the log is bounded"
    );
}
