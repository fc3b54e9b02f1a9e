//! Every call of a charge point with one value replaced by something odd, from a seed: each is answered
//! or refused, none ends the connection, and the books still add up.

use serde_json::{Value, json};

use crate::central::Scene;
use crate::harness::DIRECT;

const SEED: u64 = 0x0CBB_1600;
const CALLS: usize = 1_500;
/// A connection is cut off after a hundred refusals.
const CALLS_PER_CONNECTION: usize = 90;

/// xorshift64*, so that a run can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(drawn).unwrap() % bound
    }
}

fn calls() -> Vec<(&'static str, Value)> {
    let at = "2026-05-01T09:14:00Z";
    let sample = json!({"value": "1500", "unit": "Wh", "context": "Sample.Periodic"});
    let values = json!([{"timestamp": at, "sampledValue": [sample]}]);
    vec![
        (
            "BootNotification",
            json!({"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "1"}),
        ),
        ("Authorize", json!({"idTag": "T"})),
        (
            "StatusNotification",
            json!({"connectorId": 1, "errorCode": "NoError", "status": "Charging", "timestamp": at}),
        ),
        (
            "StartTransaction",
            json!({"connectorId": 1, "idTag": "T", "meterStart": 1_000, "timestamp": at, "reservationId": 3}),
        ),
        (
            "MeterValues",
            json!({"connectorId": 1, "transactionId": 7, "meterValue": values}),
        ),
        (
            "StopTransaction",
            json!({"transactionId": 7, "meterStop": 2_000, "timestamp": at, "idTag": "T", "reason": "Local", "transactionData": values}),
        ),
        ("DataTransfer", json!({"vendorId": "v", "data": "d"})),
        ("FirmwareStatusNotification", json!({"status": "Installed"})),
    ]
}

fn oddities() -> Vec<Value> {
    vec![
        json!(null),
        json!(-1),
        json!(0),
        json!(65),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1.5e300),
        json!(true),
        json!(""),
        json!("\u{0}"),
        json!("9999-12-31T23:59:59.999Z"),
        json!("0000-01-01T00:00:00Z"),
        json!("99999999999999999999999"),
        json!("ü".repeat(300)),
        json!([]),
        json!({"a": [[{}]]}),
    ]
}

/// Paths of all values in a payload.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{path}/{name}");
                places(value, &path, found);
                found.push(path);
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                let path = format!("{path}/{place}");
                places(value, &path, found);
                found.push(path);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn whatever_stands_in_a_call_it_is_answered_and_the_books_add_up() {
    let mut scene = Scene::new().await;
    let (calls, oddities) = (calls(), oddities());
    let mut dice = Dice(SEED);
    let (mut answered, mut refused) = (0, 0);
    for number in 0..CALLS {
        if number % CALLS_PER_CONNECTION == 0 {
            scene.station = scene.world.booted(&scene.at, DIRECT).await;
        }
        let (action, mut payload) = calls[dice.below(calls.len())].clone();
        let mut found = Vec::new();
        places(&payload, "", &mut found);
        let place = &found[dice.below(found.len())];
        let odd = oddities[dice.below(oddities.len())].clone();
        *payload.pointer_mut(place).unwrap() = odd;
        let told = format!("seed {SEED}, call {number}: {action} {payload}");
        let frame = scene.station.call_for_frame(action, payload).await;
        match frame[0].as_u64() {
            Some(3) => answered += 1,
            Some(4) => {
                refused += 1;
                assert_ne!(frame[2], "InternalError", "{told}: {frame}");
            }
            _ => panic!("{told}: {frame}"),
        }
    }
    assert!(
        answered > CALLS / 10 && refused > CALLS / 10,
        "{answered} {refused}"
    );
    let sessions = scene
        .world
        .get("/api/v1/sessions?limit=200", &scene.key)
        .await;
    assert_eq!(sessions.status, 200, "{sessions:?}");
    for session in sessions.json()["sessions"].as_array().unwrap() {
        let number = |name: &str| {
            session[name]
                .as_u64()
                .unwrap_or_else(|| panic!("{session}"))
        };
        if session["status"] != "active" {
            let energy = number("meter_stop_wh") - number("meter_start_wh");
            // Beyond this a JSON reader of binary floats rounds, not we.
            if energy < 1_000_000_000_000 {
                let thousandths = session["energy_kwh"].as_f64().unwrap() * 1_000.0;
                let expected: f64 = energy.to_string().parse().unwrap();
                assert!((thousandths - expected).abs() < 0.5, "{session}");
            }
        }
    }
    for path in ["/api/v1/cpo/fleet/summary", "/api/v1/chargepoints/status"] {
        assert_eq!(
            scene.world.get(path, &scene.key).await.status,
            200,
            "{path}"
        );
    }
    scene.at.stop().await;
}
