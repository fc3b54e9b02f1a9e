//! The bus against the independent simulator, over a real pseudo-terminal and real TCP.

use std::sync::Arc;
use std::time::Duration;

use firmware_agent::{
    Bus, BusConfig, BusDevice, BusEvent, BusLink, SerialFraming, TcpFraming, spawn,
};
use hw_profiles::{Profile, find};
use simulator::{ChargerOptions, Ev, MeterOf, RtuLine, TcpServer, World};
use site_model::{DeviceId, Milliamps, Value, VehicleState};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;

fn profile(id: &str) -> Arc<Profile> {
    Arc::new(find(id).expect("built in").clone())
}

fn id(name: &str) -> DeviceId {
    DeviceId::new(name).expect("a valid name")
}

fn device(name: &str, unit: u8, profile: &Arc<Profile>) -> BusDevice {
    BusDevice {
        id: id(name),
        unit,
        profile: Arc::clone(profile),
        poll_interval_ms: 200,
        connector: 1,
        phases: 3,
        words: None,
        failsafe: None,
    }
}

fn start(link: BusLink, devices: Vec<BusDevice>) -> (Bus, Receiver<BusEvent>) {
    let (sender, events) = channel(64);
    let bus = spawn(
        BusConfig {
            name: "test".to_owned(),
            link,
            devices,
        },
        sender,
    );
    (bus, events)
}

/// Waits until an event is as wanted; a loss on the way fails the test unless it is wanted.
async fn until(events: &mut Receiver<BusEvent>, wanted: impl Fn(&BusEvent) -> bool) {
    let waiting = async {
        loop {
            let event = events.recv().await.expect("the bus runs");
            if wanted(&event) {
                return;
            }
            assert!(
                !matches!(event, BusEvent::Lost { .. } | BusEvent::WriteRefused { .. }),
                "{event:?}"
            );
        }
    };
    timeout(Duration::from_secs(20), waiting)
        .await
        .expect("in time");
}

fn tells(event: &BusEvent, device: &DeviceId, value: &Value) -> bool {
    matches!(event, BusEvent::Read(reading) if reading.device == *device && reading.values.contains(value))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charger_and_its_meter_on_one_serial_line_are_read_and_limited_by_the_rules() {
    let world = World::new(1);
    let charger_profile = profile("heidelberg-energy-control");
    let meter_profile = profile("eastron-sdm630");
    let settings = charger_profile.link.rtu.expect("it has a serial line");
    let line = RtuLine::start(&world, settings, true, 5).expect("a pseudo-terminal");
    let charger = world.add_charger(
        "left",
        Arc::clone(&charger_profile),
        ChargerOptions::default(),
    );
    let meter = world.add_meter(
        "left-meter",
        Arc::clone(&meter_profile),
        MeterOf::Charger(charger.clone()),
        5_000,
    );
    line.add(1, &charger);
    line.add(2, &meter);
    let driver = tokio::spawn(simulator::run(world.clone()));
    let link = BusLink::Serial {
        path: line.path().to_owned(),
        line: settings,
        framing: SerialFraming::Rtu,
    };
    let devices = vec![
        device("left", 1, &charger_profile),
        device("left-meter", 2, &meter_profile),
    ];
    let (bus, mut events) = start(link, devices);

    until(&mut events, |event| {
        tells(event, &id("left"), &Value::VehicleState(VehicleState::A))
    })
    .await;
    bus.write_limit(&id("left"), Milliamps(10_050));
    until(&mut events, |event| {
        *event
            == BusEvent::LimitWritten {
                device: id("left"),
                limit: Milliamps(10_000),
            }
    })
    .await;
    until(&mut events, |event| {
        tells(event, &id("left"), &Value::CurrentLimit(Milliamps(10_000)))
    })
    .await;
    charger.plug_in(Ev::three_phase_11_kw());
    until(&mut events, |event| {
        tells(event, &id("left"), &Value::VehicleState(VehicleState::C))
    })
    .await;
    bus.write_limit(&id("left"), Milliamps::PAUSE);
    until(&mut events, |event| {
        tells(event, &id("left"), &Value::CurrentLimit(Milliamps::PAUSE))
    })
    .await;

    let seen = bus.diagnostics();
    assert!(
        seen.devices
            .iter()
            .all(|device| device.timeouts == 0 && device.crc_errors == 0),
        "{seen:?}"
    );
    assert_eq!(world.violations(), [], "the rules of the devices");
    bus.stop().await;
    driver.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adapter_that_is_pulled_out_is_told_and_used_again_when_it_is_back() {
    let world = World::new(4);
    let it = profile("heidelberg-energy-control");
    let settings = it.link.rtu.expect("it has a serial line");
    let charger = world.add_charger("left", Arc::clone(&it), ChargerOptions::default());
    let plugged = || {
        let line = RtuLine::start(&world, settings, true, 5).expect("a pseudo-terminal");
        line.add(1, &charger);
        line
    };
    let driver = tokio::spawn(simulator::run(world.clone()));
    // The name stays, what is behind it does not: as with /dev/serial/by-id.
    let by_id = std::env::temp_dir().join(format!("adapter-{}", std::process::id()));
    let first = plugged();
    std::os::unix::fs::symlink(first.path(), &by_id).expect("a link");
    let link = BusLink::Serial {
        path: by_id.clone(),
        line: settings,
        framing: SerialFraming::Rtu,
    };
    let (bus, mut events) = start(link, vec![device("left", 1, &it)]);
    let idle = |event: &BusEvent| tells(event, &id("left"), &Value::VehicleState(VehicleState::A));
    until(&mut events, idle).await;

    std::fs::remove_file(&by_id).expect("it is there");
    drop(first);
    let told = format!(
        "{} does not exist: is the adapter plugged in?",
        by_id.display()
    );
    until(
        &mut events,
        |event| matches!(event, BusEvent::Lost { fault, .. } if fault.message == told),
    )
    .await;
    assert_eq!(
        bus.diagnostics().closed.map(|fault| fault.message),
        Some(told)
    );

    let second = plugged();
    std::os::unix::fs::symlink(second.path(), &by_id).expect("a link");
    until(&mut events, idle).await;
    assert_eq!(bus.diagnostics().closed, None);
    std::fs::remove_file(&by_id).expect("it is there");
    bus.stop().await;
    driver.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tcp_charger_is_read_and_limited_by_the_rules() {
    for name in ["keba-p40", "keba-p30", "bender-cc612"] {
        let world = World::new(2);
        let it = profile(name);
        let charger = world.add_charger("box", Arc::clone(&it), ChargerOptions::default());
        let address = "127.0.0.1:0".parse().expect("an address");
        let server = TcpServer::start(address, vec![(it.link.unit, charger.device().clone())])
            .await
            .expect("a port");
        let driver = tokio::spawn(simulator::run(world.clone()));
        let link = BusLink::Tcp {
            host: "127.0.0.1".to_owned(),
            port: server.address().port(),
            framing: TcpFraming::Mbap,
        };
        let (bus, mut events) = start(link, vec![device("box", it.link.unit, &it)]);

        until(&mut events, |event| {
            tells(event, &id("box"), &Value::VehicleState(VehicleState::A))
        })
        .await;
        bus.write_limit(&id("box"), Milliamps(8_000));
        until(&mut events, |event| {
            *event
                == BusEvent::LimitWritten {
                    device: id("box"),
                    limit: Milliamps(8_000),
                }
        })
        .await;
        until(&mut events, |event| {
            tells(event, &id("box"), &Value::CurrentLimit(Milliamps(8_000)))
        })
        .await;
        charger.plug_in(Ev::three_phase_11_kw());
        until(&mut events, |event| {
            tells(event, &id("box"), &Value::VehicleState(VehicleState::C))
        })
        .await;

        assert_eq!(world.violations(), [], "{name}: the rules of the device");
        bus.stop().await;
        driver.abort();
        server.stop().await;
    }
}
