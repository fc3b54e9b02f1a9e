//! What devices tell reaches the charge points' links, and not before what was decided with it is safe.

use serde_json::{Value as Json, json};

use super::*;
use crate::ocpp::LinkByHand;

#[tokio::test]
async fn what_a_device_tells_is_shown_to_the_central_system_once_its_facts_are_safe_on_disk() {
    let dir = TempDir::new().unwrap();
    let opened = Store::open(dir.path(), crate::store::at_start(), Options::default()).unwrap();
    let (store, mut events, clock) = (opened.store, opened.events, clock());
    let mut made = Stations::by_hand(&[cp()], &store, 0, &clock).await;
    let mut link = made.links.remove(0);
    let parts = Parts {
        site: Site::new(site(required())),
        clock,
        store: store.clone(),
        uplink: Uplink::unconnected(),
        stations: made.stations,
        buses: FakeBuses::default(),
        heart: Heart::new(),
        gateway: GatewayId::new("gw_1").unwrap(),
        meters: vec![],
    };
    let mut runtime = Runtime::new(parts, &opened.found);
    runtime.begin();
    let mut committed = async |runtime: &mut Runtime<FakeBuses>| {
        let event = timeout(SOON, events.recv()).await.unwrap().unwrap();
        let _goes_on = runtime.take(Input::Store(event));
    };
    committed(&mut runtime).await;
    link.connected();
    assert_eq!(told(&mut link).await[0][2], "BootNotification");

    let reading = Reading {
        device: device(),
        values: vec![
            Value::VehicleState(VehicleState::A),
            Value::EnergyImport {
                energy: WattHours(1_234),
                resolution: WattHours(1),
            },
        ],
    };
    let _goes_on = runtime.take(Input::Bus(BusEvent::Read(reading.clone())));
    assert_eq!(triggered(&mut link).await, "Rejected");
    assert_eq!(told(&mut link).await, Vec::<Json>::new());
    committed(&mut runtime).await;
    assert_eq!(triggered(&mut link).await, "Accepted");
    assert_eq!(registers(&told(&mut link).await), ["1234"]);

    // A reading that changes nothing waits for nothing.
    let mut later = reading;
    later.values[1] = Value::EnergyImport {
        energy: WattHours(1_240),
        resolution: WattHours(1),
    };
    let _goes_on = runtime.take(Input::Bus(BusEvent::Read(later)));
    assert_eq!(triggered(&mut link).await, "Accepted");
    assert_eq!(registers(&told(&mut link).await), ["1240"]);
    store.close().await;
}

/// Everything that the link says now; each call is answered.
async fn told(link: &mut LinkByHand) -> Vec<Json> {
    let mut calls = Vec::new();
    loop {
        let frames = link.say().await;
        if frames.is_empty() {
            return calls;
        }
        for frame in frames {
            let call: Json = serde_json::from_str(&frame).unwrap();
            let now = "2026-11-22T10:00:00Z";
            let answer = match call[2].as_str() {
                Some("BootNotification") => {
                    json!({"status": "Accepted", "interval": 300, "currentTime": now})
                }
                _ => json!({}),
            };
            let answer = json!([3, call[1], answer]).to_string();
            assert_eq!(link.hear(&answer).await, Ok(None));
            calls.push(call);
        }
    }
}

async fn triggered(link: &mut LinkByHand) -> String {
    let fields = json!({"requestedMessage": "MeterValues"});
    let call = json!([2, "1", "TriggerMessage", fields]).to_string();
    let answer = link.hear(&call).await.unwrap().unwrap();
    let answer: Json = serde_json::from_str(&answer).unwrap();
    answer[2]["status"].as_str().unwrap().to_owned()
}

fn registers(calls: &[Json]) -> Vec<&str> {
    let values = calls.iter().filter(|call| call[2] == "MeterValues");
    let samples = values.map(|call| &call[3]["meterValue"][0]["sampledValue"][0]);
    samples
        .map(|sample| sample["value"].as_str().unwrap())
        .collect()
}
