//! A central system that is away for a day, and power that fails meanwhile: what it is told at last.

use std::collections::BTreeMap;

use ocpp::Time;
use serde_json::{Value, json};
use site_model::{Change, ConnectorId, EnergySource, IdTag, SessionId, StopReason, WattHours};

use super::bench::{Bench, Csms, charge_point, registered};
use super::transactions::NOON;

const SESSIONS: i64 = 200;
/// So that the sessions fill 24 hours.
const EVERY_MS: i64 = 86_400_000 / SESSIONS;

#[tokio::test]
async fn two_hundred_sessions_of_a_day_without_a_central_system_arrive_once_in_order_and_to_the_watt_hour()
 {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    drop(csms);

    let mut expected = Vec::new();
    for number in 0..SESSIONS {
        // One session begins before the last has ended, at the other connector.
        let mut changes = vec![(number * EVERY_MS, begins(number))];
        if number > 0 {
            let at = number * EVERY_MS;
            changes.push((at + 1_001, is_read(number - 1)));
            changes.push((at + 2_002, ends(number - 1)));
        }
        if number == SESSIONS - 1 {
            changes.push((SESSIONS * EVERY_MS, ends(number)));
        }
        for (at, change) in changes {
            bench.record(NOON + at, std::slice::from_ref(&change)).await;
            expected.push(told(NOON + at, &change));
        }
        // It tries all day.
        drop(bench.tried().await);
        if number == 120 {
            bench = bench.power_cut().await;
        }
    }
    assert_eq!(bench.link().waiting, 400);

    // It is back, and neither it nor the power is reliable yet.
    let mut ledger = Ledger::default();
    for (answers, power_fails) in [(1, false), (97, true), (150, false), (2, true), (80, true)] {
        let mut csms = bench.accept_back().await;
        ledger.serve(&mut csms, answers).await;
        drop(csms);
        if power_fails {
            bench = bench.power_cut().await;
        }
    }
    let mut csms = bench.accept_back().await;
    ledger
        .serve(&mut csms, expected.len() - ledger.books.len())
        .await;
    bench.waiting_becomes(0).await;
    assert_eq!(bench.link().set_aside, 0);
    assert_eq!(ledger.books, expected);
    assert!(ledger.heard_again > 0, "nothing broke on the way");
    bench.end().await;
}

/// Books as a central system keeps them: what it was sent again it knows by the message's id.
#[derive(Default)]
struct Ledger {
    seen: BTreeMap<String, (Value, Value)>,
    books: Vec<Value>,
    transactions: Vec<i64>,
    heard_again: u32,
}

impl Ledger {
    /// Answers until so many entries are new in the books; the next message is left without an answer.
    async fn serve(&mut self, csms: &mut Csms, new: usize) {
        let enough = self.books.len() + new;
        while self.books.len() < enough {
            let call = csms.next().await;
            let answer = match call[2].as_str().unwrap() {
                "BootNotification" => registered("Accepted", 300),
                "StatusNotification" => json!({}),
                "Heartbeat" => json!({"currentTime": "2026-11-22T10:00:00Z"}),
                _ => self.book(&call),
            };
            csms.answer(&call, answer).await;
        }
    }

    fn book(&mut self, call: &Value) -> Value {
        let id = call[1].as_str().unwrap().to_owned();
        if let Some((known, answer)) = self.seen.get(&id) {
            assert_eq!(known, call, "another message with an id that was used");
            self.heard_again += 1;
            return answer.clone();
        }
        let mut payload = call[3].clone();
        let mut answer = json!({});
        if call[2] == "StartTransaction" {
            let transaction_id = 7_000 + i64::try_from(self.transactions.len()).unwrap();
            self.transactions.push(transaction_id);
            answer = json!({"transactionId": transaction_id, "idTagInfo": {"status": "Accepted"}});
        } else {
            let transaction = payload["transactionId"].as_i64().unwrap();
            let place = self.transactions.iter().position(|id| *id == transaction);
            payload["transactionId"] = json!(place.expect("the id was given"));
        }
        self.books.push(json!([call[2], payload]));
        self.seen.insert(id, (call.clone(), answer.clone()));
        answer
    }
}

fn begins(number: i64) -> Change {
    Change::SessionStarted {
        session: session(number),
        charge_point: charge_point(),
        connector: connector(number),
        id_tag: IdTag::new(&format!("TAG-{number}")).unwrap(),
        meter_start: register(number, 0),
        source: EnergySource::ExternalMeter,
        billing_grade: true,
        reservation: None,
    }
}

fn is_read(number: i64) -> Change {
    Change::MeterRead {
        session: session(number),
        meter: register(number, 4_321),
    }
}

fn ends(number: i64) -> Change {
    Change::SessionEnded {
        session: session(number),
        charge_point: charge_point(),
        connector: connector(number),
        meter_stop: register(number, 9_877),
        reason: StopReason::EvDisconnected,
        id_tag: None,
        reconstructed: None,
    }
}

/// What the central system must have in its books; transactions are numbered as the sessions are.
fn told(at_ms: i64, change: &Change) -> Value {
    let time = Time::from_unix_ms(at_ms).unwrap().to_string();
    let number = |session: &SessionId| -> i64 {
        let name = session.as_str().trim_start_matches("sess_");
        name.parse().unwrap()
    };
    if let Change::SessionStarted {
        connector,
        id_tag,
        meter_start,
        ..
    } = change
    {
        return json!(["StartTransaction", {
            "connectorId": connector.get(), "idTag": id_tag.as_str(), "meterStart": meter_start.0,
            "timestamp": time,
        }]);
    }
    if let Change::MeterRead { session, meter } = change {
        return json!(["MeterValues", {
            "connectorId": connector(number(session)).get(), "transactionId": number(session),
            "meterValue": [{"timestamp": time, "sampledValue": [{
                "value": meter.0.to_string(), "unit": "Wh", "context": "Sample.Clock",
                "measurand": "Energy.Active.Import.Register",
            }]}],
        }]);
    }
    let Change::SessionEnded {
        session,
        meter_stop,
        ..
    } = change
    else {
        panic!("{change:?} is not told");
    };
    json!(["StopTransaction", {
        "transactionId": number(session), "meterStop": meter_stop.0, "timestamp": time,
        "reason": "EVDisconnected",
    }])
}

fn session(number: i64) -> SessionId {
    SessionId::new(&format!("sess_{number}")).unwrap()
}

fn connector(number: i64) -> ConnectorId {
    ConnectorId::new(if number % 2 == 0 { 1 } else { 2 }).unwrap()
}

/// Both connectors' registers, each going on where its last session ended.
fn register(number: i64, since_start: u64) -> WattHours {
    let earlier = u64::try_from(number / 2).unwrap();
    WattHours(1_000_000 + earlier * 9_877 + since_start)
}
