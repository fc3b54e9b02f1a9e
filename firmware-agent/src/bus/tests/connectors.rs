//! Several connectors of one device, and what belongs to the station.

use std::time::Duration;

use hw_profiles::{ConnectorAddressing, Connectors, Profile, Quantity, RegisterType};
use site_model::{Milliamps, Value, VehicleState, Watts};
use tokio::time::sleep;

use super::line::*;
use crate::bus::{BusDevice, BusEvent};
use crate::testing::{charger, register};

fn double(by: ConnectorAddressing) -> Profile {
    let mut it = charger();
    it.connectors = Some(Connectors { maximum: 2, by });
    it
}

fn connector(number: u8, unit: u8, profile: &Profile, interval_ms: u64) -> BusDevice {
    BusDevice {
        id: id(&format!("conn-{number}")),
        connector: number,
        ..device(unit, profile, interval_ms)
    }
}

fn both(profile: &Profile, interval_ms: u64) -> Vec<BusDevice> {
    vec![
        connector(1, 1, profile, interval_ms),
        connector(2, 1, profile, interval_ms),
    ]
}

/// State of each connector as last read.
async fn states(rig: &mut Rig, count: usize) -> Vec<(String, Value)> {
    let mut seen = vec![];
    while seen.len() < count {
        if let BusEvent::Read(reading) = rig.event().await {
            seen.push((reading.device.to_string(), reading.values[0].clone()));
        }
    }
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    seen.dedup();
    seen
}

fn a_and_b() -> [(String, Value); 2] {
    [
        ("conn-1".to_owned(), Value::VehicleState(VehicleState::A)),
        ("conn-2".to_owned(), Value::VehicleState(VehicleState::B)),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_stride_moves_what_is_read_and_written() {
    let it = double(ConnectorAddressing::Stride(1_000));
    let memory = Memory::of([(5, 2), (1_005, 4)]);
    let far = memory.clone();
    let mut rig = rig(rtu(), both(&it, 500), 64, move |r| far.answer(r));
    assert_eq!(states(&mut rig, 4).await, a_and_b());
    rig.bus.write_limit(&id("conn-2"), Milliamps(10_000));
    assert!(matches!(rig.news().await, BusEvent::LimitWritten { .. }));
    assert_eq!((memory.get(1, 261), memory.get(1, 1_261)), (0, 100));
}

#[tokio::test(start_paused = true)]
async fn each_connector_has_its_unit_whichever_of_them_is_configured() {
    let it = double(ConnectorAddressing::Units(vec![1, 2]));
    let memory = Memory::of([(5, 2)]);
    memory.set(2, 5, 4);
    for second in [1, 2] {
        let far = memory.clone();
        let devices = vec![connector(1, 1, &it, 500), connector(2, second, &it, 500)];
        let mut rig = rig(rtu(), devices, 64, move |r| far.answer(r));
        assert_eq!(states(&mut rig, 4).await, a_and_b());
    }
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_the_station_is_read_at_its_unit() {
    let mut it = double(ConnectorAddressing::Units(vec![1, 2]));
    it.link.station_unit = Some(200);
    let station = register("station_power", 1_100, RegisterType::U16).of(Quantity::Power);
    it.registers.push(station.build());
    it.registers.last_mut().unwrap().station = true;
    let memory = Memory::of([(5, 2)]);
    memory.set(200, 1_100, 42);
    let devices = vec![connector(1, 1, &it, 500)];
    let mut rig = rig(rtu(), devices, 64, move |r| memory.answer(r));
    let values = rig.values().await;
    assert_eq!(values.last(), Some(&Value::Power(Watts(42))));
}

#[tokio::test(start_paused = true)]
async fn connectors_behind_one_unit_share_its_gap_and_its_late_answers() {
    let mut it = double(ConnectorAddressing::Stride(1_000));
    it.link.gap_ms = 100;
    let mut requests = 0;
    let mut rig = rig(rtu(), both(&it, 1), 64, move |r| {
        requests += 1;
        let late = requests % 7 == 3;
        let wait = Duration::from_millis(if late { 700 } else { 1 });
        // The state of connector 1 is A, of connector 2 B: an exchanged answer would show.
        let content = |address: u16| match address {
            5 => 2,
            1_005 => 4,
            _ => 0,
        };
        vec![(wait, healthy(r, content))]
    });
    let seen = states(&mut rig, 60).await;
    assert_eq!(seen, a_and_b(), "no late answer was taken for the other's");
    let heard = rig.heard();
    let least = heard.windows(2).map(|pair| pair[1].0 - pair[0].0).min();
    assert!(least.unwrap() >= Duration::from_millis(100), "{least:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_the_model_does_not_have_is_lost_and_never_asked() {
    let it = double(ConnectorAddressing::Stride(1_000));
    let devices = vec![connector(3, 1, &it, 500), connector(1, 1, &it, 500)];
    let mut rig = rig(rtu(), devices, 64, |r| soon(healthy(r, idle_charger)));
    let BusEvent::Lost { device, fault } = rig.event().await else {
        panic!("not lost");
    };
    assert_eq!(device, id("conn-3"));
    assert_eq!(fault.message, "Profile test has no connector 3.");
    rig.bus.write_limit(&id("conn-3"), Milliamps(6_000));
    rig.values().await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.written(), []);
    let seen = rig.bus.diagnostics();
    assert_eq!(
        (seen.devices[0].polls, seen.devices[1].polls > 5),
        (0, true)
    );
}
