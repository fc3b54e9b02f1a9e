//! The central system of the site's charge points: what it was told, and what it answers. Its books may
//! be put back to a backup; what the world remembers of its words is not.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use fastrand::Rng;
use jiff::Timestamp;
use serde_json::{Value, json};
use site_model::{Change, ChargePointId, Fact, SessionId};

use crate::model::Model;

/// `TransactionMessageAttempts` by default: a message refused so often may be set aside.
const ATTEMPTS: u32 = 3;
/// Longest interval that a charge point takes: nobody needs to be told that nothing happens.
const HEARTBEAT_S: u32 = 86_400;

/// How often it wants samples. They are told once or not at all; the journal's readings are told for the time
/// without samples.
const SAMPLES_EVERY_S: u32 = 900;

/// A sample arrives this much after it was taken at most: the call before it may wait 180 s for its answer.
const ON_ITS_WAY_MS: u64 = 185_000;

/// A start as a central system knows it again: place, time and register.
type StartKey = (usize, i64, u64);

/// One central system.
#[derive(Debug, Default)]
pub(crate) struct Csms {
    /// Its books: the transaction of each start.
    ids: BTreeMap<StartKey, i64>,
    backup: BTreeMap<StartKey, i64>,
    heard: Heard,
    /// Nobody gets through before this time.
    pub(crate) down_until_ms: u64,
    /// Answers come minutes later, until then.
    pub(crate) slow_until_ms: u64,
    /// Sockets break before the answer, answers come twice and on other sockets, until then.
    pub(crate) flaky_until_ms: u64,
    /// Half of the messages about transactions are refused, until then.
    pub(crate) refuses_until_ms: u64,
}

/// What was ever said to it, whatever became of its books.
#[derive(Debug, Default)]
struct Heard {
    /// Messages by their id, word for word.
    frames: BTreeMap<String, String>,
    /// Which message told a fact, by the fact's number in the journal.
    told: BTreeMap<usize, String>,
    /// Facts that it took.
    taken: BTreeSet<usize>,
    /// The session of each transaction that it ever gave a number.
    sessions: BTreeMap<i64, SessionId>,
    /// Refusals of a fact's message.
    refused: BTreeMap<usize, u32>,
    /// When it was told the register of a session without the journal, at its start and by samples.
    sampled: BTreeMap<SessionId, Vec<u64>>,
    /// The fact that each place told last.
    last: BTreeMap<usize, usize>,
}

/// What it says to a frame.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) refused: bool,
    /// The answer, then what it wants.
    pub(crate) frames: Vec<String>,
}

impl Csms {
    /// From now on the books of this moment are its backup.
    pub(crate) fn back_up(&mut self) {
        self.backup = self.ids.clone();
    }

    /// It goes on with its backup.
    pub(crate) fn restore(&mut self) {
        self.ids = self.backup.clone();
    }

    /// All trouble ends.
    pub(crate) fn heal(&mut self) {
        self.down_until_ms = 0;
        self.slow_until_ms = 0;
        self.flaky_until_ms = 0;
        self.refuses_until_ms = 0;
    }

    /// A call of the charge point at this place.
    pub(crate) fn hear(
        &mut self,
        (place, id): (usize, &ChargePointId),
        frame: &str,
        model: &Model,
        (now_ms, wall_ms): (u64, i64),
        rng: &mut Rng,
    ) -> Said {
        let call: Value = serde_json::from_str(frame).expect("a charge point writes JSON");
        if call[0] != 2 {
            return Said::default();
        }
        let (message, action) = (text(&call[1]), text(&call[2]));
        let payload = &call[3];
        let answer = match action.as_str() {
            "BootNotification" => json!({
                "status": "Accepted", "interval": HEARTBEAT_S, "currentTime": rfc3339(wall_ms)
            }),
            "MeterValues" if is_sample(payload) => {
                self.heard.sample(payload, model, now_ms);
                json!({})
            }
            "Heartbeat" => json!({ "currentTime": rfc3339(wall_ms) }),
            "StartTransaction" | "MeterValues" | "StopTransaction" => {
                let fact = self.fact(id, (&message, &action), payload, model);
                self.heard.note(place, fact, &message, frame);
                if now_ms < self.refuses_until_ms && rng.bool() {
                    *self.heard.refused.entry(fact).or_default() += 1;
                    let refusal = json!([4, message, "InternalError", "not today", {}]);
                    return Said {
                        refused: true,
                        frames: vec![refusal.to_string()],
                    };
                }
                self.heard.taken.insert(fact);
                self.book(
                    (place, now_ms),
                    &action,
                    payload,
                    model.facts.get(fact),
                    rng,
                )
            }
            _ => json!({}),
        };
        let mut frames = vec![json!([3, message, answer]).to_string()];
        if action == "BootNotification" {
            let every = SAMPLES_EVERY_S.to_string();
            let wish = json!({ "key": "MeterValueSampleInterval", "value": every });
            frames.push(
                json!([2, format!("set-{message}"), "ChangeConfiguration", wish]).to_string(),
            );
        }
        Said {
            refused: false,
            frames,
        }
    }

    /// The fact that a message tells: there must be one, with just this time and this register. After a
    /// clock was set back by days two readings may be alike: the one that no other message tells, then.
    fn fact(
        &self,
        id: &ChargePointId,
        (message, action): (&str, &str),
        payload: &Value,
        model: &Model,
    ) -> usize {
        let known = |transaction: &Value| {
            let id = transaction.as_i64().expect("a transaction has a number");
            let session = self.heard.sessions.get(&id);
            session.unwrap_or_else(|| panic!("transaction {id} was given to nobody"))
        };
        let (at, wh, session) = match action {
            "StartTransaction" => (&payload["timestamp"], payload["meterStart"].as_u64(), None),
            "StopTransaction" => (
                &payload["timestamp"],
                payload["meterStop"].as_u64(),
                Some(known(&payload["transactionId"])),
            ),
            _ => {
                let value = &payload["meterValue"][0];
                let wh = text(&value["sampledValue"][0]["value"]).parse().ok();
                let session = Some(known(&payload["transactionId"]));
                (&value["timestamp"], wh, session)
            }
        };
        let at_ms = text(at)
            .parse::<Timestamp>()
            .expect("a time")
            .as_millisecond();
        let told = |index: usize, fact: &Fact| {
            let same = match (&fact.change, action) {
                (
                    Change::SessionStarted {
                        charge_point,
                        meter_start,
                        ..
                    },
                    "StartTransaction",
                ) => charge_point == id && Some(meter_start.0) == wh,
                (Change::MeterRead { session: of, meter }, "MeterValues") => {
                    Some(of) == session && Some(meter.0) == wh
                }
                (
                    Change::SessionEnded {
                        session: of,
                        meter_stop,
                        ..
                    },
                    "StopTransaction",
                ) => Some(of) == session && Some(meter_stop.0) == wh,
                _ => false,
            };
            same && model.told_ms(index).unwrap_or(fact.at.wall.0) == at_ms
        };
        let facts = model.facts.iter().enumerate();
        let alike = facts.filter(|(index, fact)| told(*index, fact));
        let alike: Vec<usize> = alike.map(|(index, _)| index).collect();
        let by = |index: &&usize| self.heard.told.get(*index).is_none_or(|by| by == message);
        let found = alike.iter().find(by).or(alike.first());
        *found.unwrap_or_else(|| panic!("no fact says what {action} {payload} says"))
    }

    /// What it answers: the same start has the same transaction.
    fn book(
        &mut self,
        (place, now_ms): (usize, u64),
        action: &str,
        payload: &Value,
        fact: Option<&Fact>,
        rng: &mut Rng,
    ) -> Value {
        let Some(Change::SessionStarted {
            session,
            meter_start,
            ..
        }) = fact.map(|fact| &fact.change)
        else {
            return json!({});
        };
        assert_eq!(action, "StartTransaction");
        let at_ms = text(&payload["timestamp"]).parse::<Timestamp>();
        let at_ms = at_ms.expect("it was read").as_millisecond();
        let sampled = self.heard.sampled.entry(session.clone()).or_default();
        sampled.push(now_ms);
        let key = (place, at_ms, meter_start.0);
        let fresh = || i64::from(rng.i32(1..));
        let id = *self.ids.entry(key).or_insert_with(fresh);
        self.heard.sessions.insert(id, session.clone());
        json!({ "transactionId": id, "idTagInfo": { "status": "Accepted" } })
    }

    /// At the end: each fact that a message tells was told once, and all but those that were refused
    /// too often were taken. How many of this place's may be set aside, at least and at most: what
    /// was taken and whose answer was lost may have been refused when it came again.
    pub(crate) fn set_aside(&self, id: &ChargePointId, model: &Model) -> RangeInclusive<u64> {
        let mut gone = BTreeSet::new();
        let (mut surely, mut perhaps) = (0, 0);
        for (index, fact) in model.facts.iter().enumerate() {
            let Some((session, begins)) = model.told_of(id, fact) else {
                continue;
            };
            let refused = self.heard.refused.get(&index).copied().unwrap_or(0);
            let may = refused >= ATTEMPTS || gone.contains(session);
            if may && begins {
                gone.insert(session.clone());
            }
            if self.heard.taken.contains(&index) {
                perhaps += u64::from(may);
                continue;
            }
            let reading = matches!(fact.change, Change::MeterRead { .. });
            if reading && self.sampled_before(session, model.true_ms(index)) {
                perhaps += u64::from(may);
                continue;
            }
            assert!(
                may,
                "fact {} was never taken, and refused {refused} times: {fact:?}",
                index + 1
            );
            surely += 1;
        }
        surely..=surely + perhaps
    }

    /// Samples of this session arrived when the journal took a reading, so that it may be left out.
    /// All in the world's time: the gateway's clock may be wrong.
    fn sampled_before(&self, session: &SessionId, at_ms: u64) -> bool {
        let times = self.heard.sampled.get(session);
        // The next one may be a minute late, and answers take minutes when the central system is slow.
        let within = (u64::from(SAMPLES_EVERY_S) + 360) * 1_000;
        let before = |told: &u64| *told < at_ms + ON_ITS_WAY_MS && at_ms <= told + within;
        times.is_some_and(|times| times.iter().any(before))
    }

    /// The transaction that the journal has for a session is one that it was given.
    pub(crate) fn gave(&self, session: &SessionId, transaction: i64) -> bool {
        self.heard.sessions.get(&transaction) == Some(session)
    }
}

impl Heard {
    /// A sample lies between the start of its session and its end.
    fn sample(&mut self, payload: &Value, model: &Model, now_ms: u64) {
        let id = payload["transactionId"]
            .as_i64()
            .expect("a transaction has a number");
        let known = self.sessions.get(&id);
        let session = known.unwrap_or_else(|| panic!("transaction {id} was given to nobody"));
        let of = model.sessions.iter().find(|of| of.id == *session);
        let of = of.expect("a session that was told is in the journal");
        let wh: u64 = text(&payload["meterValue"][0]["sampledValue"][0]["value"])
            .parse()
            .expect("a register");
        let end = of.ended.as_ref().map_or(u64::MAX, |end| end.meter.0);
        assert!(
            (of.meter_start.0..=end).contains(&wh),
            "{session} is told at {wh}"
        );
        self.sampled
            .entry(session.clone())
            .or_default()
            .push(now_ms);
    }

    /// A message is the same words each time, a fact is told by one message, and in order.
    fn note(&mut self, place: usize, fact: usize, id: &str, frame: &str) {
        let before = self.frames.entry(id.to_owned()).or_insert(frame.to_owned());
        assert_eq!(
            before, frame,
            "a message was altered before it was sent again"
        );
        let told = self.told.entry(fact).or_insert(id.to_owned());
        assert_eq!(told, id, "fact {} is told by two messages", fact + 1);
        let last = self.last.entry(place).or_insert(fact);
        assert!(
            *last <= fact || self.taken.contains(&fact),
            "fact {} is told after fact {}",
            fact + 1,
            *last + 1
        );
        *last = fact.max(*last);
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn rfc3339(wall_ms: i64) -> String {
    let at = Timestamp::from_millisecond(wall_ms).expect("a day of this century");
    at.to_string()
}

/// Whether it is a sample of the moment, not a reading of the journal.
fn is_sample(payload: &Value) -> bool {
    let value = &payload["meterValue"][0]["sampledValue"][0];
    value["context"] != "Sample.Clock"
}
