//! Damaged frames of a central system: nothing is obeyed that was not asked for, every call is
//! answered, and what the journal holds is told all the same, once and in order.

#[path = "../../../../crates/ocpp/tests/mangled/mod.rs"]
mod mangled;

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use ocpp::v16::{Action, Request};
use ocpp::{Action as _, Bounds, Frame, Payload as _, Sender};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::super::{Verdict, Wish};
use super::bench::{Bench, Csms, SOON, registered};
use super::transactions::{NOON, ended, read, started};
use mangled::mangled;

const FRAMES: usize = 2_000;
/// Frames after which an answer is waited for: fewer than what is a flood.
const AT_ONCE: usize = 4;

/// What a central system may say; `~` is a number. What would have files fetched or sent names a
/// place where nobody is.
const SEEDS: [&str; 17] = [
    r#"[2,"~","RemoteStartTransaction",{"connectorId":1,"idTag":"GOOD"}]"#,
    r#"[2,"~","RemoteStartTransaction",{"idTag":"GOOD"}]"#,
    r#"[2,"~","RemoteStopTransaction",{"transactionId":77}]"#,
    r#"[2,"~","ChangeAvailability",{"connectorId":1,"type":"Inoperative"}]"#,
    r#"[2,"~","ChangeAvailability",{"connectorId":0,"type":"Operative"}]"#,
    r#"[2,"~","SetChargingProfile",{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"stackLevel":0,"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Relative","chargingSchedule":{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16.1}]}}}]"#,
    r#"[2,"~","ChangeConfiguration",{"key":"HeartbeatInterval","value":"3000"}]"#,
    r#"[2,"~","GetConfiguration",{"key":["HeartbeatInterval","X"]}]"#,
    r#"[2,"~","TriggerMessage",{"requestedMessage":"StatusNotification","connectorId":1}]"#,
    r#"[2,"~","TriggerMessage",{"requestedMessage":"Heartbeat"}]"#,
    r#"[2,"~","SendLocalList",{"listVersion":~,"updateType":"Full","localAuthorizationList":[]}]"#,
    r#"[2,"~","DataTransfer",{"vendorId":"x"}]"#,
    r#"[2,"~","UnlockConnector",{"connectorId":1}]"#,
    r#"[2,"~","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]"#,
    r#"[3,"~",{"transactionId":99,"idTagInfo":{"status":"Accepted"}}]"#,
    r#"[3,"~",{"status":"Rejected","interval":0,"currentTime":"2026-11-22T10:00:00Z"}]"#,
    r#"[4,"~","InternalError","sorry",{}]"#,
];

/// A central system that talks at random.
struct Babbler {
    bench: Bench,
    csms: Csms,
    random: fastrand::Rng,
    number: usize,
    /// Calls that wait for their answer: how often they were made, by their id.
    owed: BTreeMap<String, u32>,
    /// Calls that a charge point must understand, by their id.
    asked: BTreeMap<String, Vec<Request>>,
    wishes: usize,
    /// Calls about transactions, not answered yet.
    about_transactions: Vec<Value>,
}

impl Babbler {
    async fn babble(&mut self) {
        for place in 0..FRAMES {
            self.number += 1;
            let number = self.number.to_string();
            let seeds = SEEDS.map(|seed| seed.replace('~', &number));
            let text = mangled(&mut self.random, &seeds);
            self.note(&text);
            self.csms.send(&text).await;
            if place % AT_ONCE == AT_ONCE - 1 {
                self.listen().await;
            }
        }
        self.listen().await;
    }

    fn note(&mut self, text: &str) {
        let Ok(Frame::Call {
            id,
            action,
            payload,
        }) = Frame::parse(text, &Bounds::default())
        else {
            return;
        };
        let id = id.as_str().to_owned();
        *self.owed.entry(id.clone()).or_default() += 1;
        let action = Action::from_name(&action);
        let action = action.filter(|action| action.sender() != Sender::Station);
        let asked = action.and_then(|action| Request::parse(action, payload).ok());
        if let Some(asked) = asked {
            self.asked.entry(id).or_default().push(asked.value);
        }
    }

    /// Hears everything up to the answer of one more call.
    async fn listen(&mut self) {
        let last = format!("last-{}", self.number);
        self.owed.insert(last.clone(), 1);
        let call = json!([2, last, "GetConfiguration", {"key": ["HeartbeatInterval"]}]);
        self.csms.send(&call.to_string()).await;
        while self.owed.contains_key(&last) {
            self.turn().await;
        }
        assert_eq!(self.owed, BTreeMap::new(), "calls without an answer");
    }

    /// Takes the next wish, or the next message.
    async fn turn(&mut self) {
        tokio::select! {
            request = self.bench.wishes.recv() => {
                let request = request.unwrap();
                let id = request.id.as_ref().map(ToString::to_string);
                self.check(id.as_deref(), &request.wish);
                let verdict = if self.random.bool() {
                    Verdict::Accepted
                } else {
                    Verdict::Refused(None)
                };
                request.reply.send(verdict).unwrap();
            }
            message = tokio::time::timeout(SOON, self.csms.socket.next()) => {
                if let Message::Text(text) = message.unwrap().unwrap().unwrap() {
                    self.hear(&text).await;
                }
            }
        }
    }

    /// It was asked for by a call with this id, and by none that was damaged.
    fn check(&mut self, id: Option<&str>, wish: &Wish) {
        self.wishes += 1;
        if matches!(wish, Wish::ProfilesLimit(limits) if limits.iter().all(|one| one.1.is_none())) {
            // No profile limits anything: so it is from the start.
            return;
        }
        let all: Vec<_> = match id {
            Some(id) => self.asked.get(id).into_iter().flatten().collect(),
            None => self.asked.values().flatten().collect(),
        };
        let fits = |request: &Request| match (request, wish) {
            (Request::RemoteStartTransaction(asked), Wish::Start { id_tag, .. }) => {
                asked.id_tag.as_str() == id_tag.as_str()
            }
            (Request::RemoteStopTransaction(_), Wish::Stop { .. })
            | (Request::ChangeAvailability(_), Wish::Availability { .. })
            | (Request::SetChargingProfile(_), Wish::ProfilesLimit(_)) => true,
            _ => false,
        };
        assert!(
            all.into_iter().any(fits),
            "nobody asked for {wish:?} ({id:?})"
        );
    }

    /// The next message about a transaction, which must be this one.
    async fn about_a_transaction(&mut self, action: &str) -> Value {
        while self.about_transactions.is_empty() {
            self.turn().await;
        }
        let told = self.about_transactions.remove(0);
        assert_eq!(
            (&told[2], &self.about_transactions[..]),
            (&json!(action), &[][..])
        );
        told
    }

    async fn hear(&mut self, text: &str) {
        self.csms.hears(text);
        let frame = Frame::parse(text, &Bounds::default());
        match frame.unwrap_or_else(|fault| panic!("{fault}: {text}")) {
            Frame::Result { id, .. } | Frame::Error { id, .. } => {
                if let Some(owed) = self.owed.get_mut(id.as_str()) {
                    *owed -= 1;
                    if *owed == 0 {
                        self.owed.remove(id.as_str());
                    }
                }
            }
            Frame::Call { id, action, .. } => {
                let frame: Value = serde_json::from_str(text).unwrap();
                let answer = match action.as_str() {
                    "StartTransaction" | "MeterValues" | "StopTransaction" => {
                        self.about_transactions.push(frame);
                        return;
                    }
                    "BootNotification" => registered("Accepted", 300),
                    "Heartbeat" => json!({"currentTime": "2026-11-22T10:00:00Z"}),
                    _ => json!({}),
                };
                let answer = json!([3, id.as_str(), answer]);
                self.csms.send(&answer.to_string()).await;
            }
        }
    }
}

#[tokio::test]
async fn whatever_a_central_system_says_nothing_is_obeyed_that_was_not_asked_and_nothing_is_lost() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    bench
        .record(
            NOON,
            &[
                started("sess_1", 10),
                read("sess_1", 15),
                ended("sess_1", 20),
            ],
        )
        .await;
    let mut babbler = Babbler {
        bench,
        csms,
        random: fastrand::Rng::with_seed(16),
        number: 0,
        owed: BTreeMap::new(),
        asked: BTreeMap::new(),
        wishes: 0,
        about_transactions: Vec::new(),
    };
    babbler.babble().await;
    assert!(babbler.wishes > 100, "{}", babbler.wishes);

    // Its first message waited for its answer all the while, and was said once.
    let start = babbler.about_a_transaction("StartTransaction").await;
    assert_eq!(start[3]["meterStart"], 10);
    babbler.csms.begin(&start, 77).await;
    let meter = babbler.about_a_transaction("MeterValues").await;
    babbler.csms.answer(&meter, json!({})).await;
    let stop = babbler.about_a_transaction("StopTransaction").await;
    assert_eq!(
        (&stop[3]["transactionId"], &stop[3]["meterStop"]),
        (&json!(77), &json!(20))
    );
    babbler.csms.answer(&stop, json!({})).await;
    let mut bench = babbler.bench;
    bench.waiting_becomes(0).await;
    assert_eq!(bench.link().set_aside, 0);
    bench.wishes.close();
    bench.end().await;
}
