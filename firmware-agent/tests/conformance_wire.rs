//! The less usual wires for real: Modbus ASCII on a pseudo-terminal with a device that must be woken,
//! RTU frames through a TCP connection, connectors at ports of their own. In real time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use firmware_agent::{
    Bus, BusConfig, BusDevice, BusEvent, BusLink, SerialFraming, TcpFraming, spawn,
};
use hw_profiles::{Profile, find};
use simulator::{BaseLoad, ChargerOptions, Ev, MeterOf, RtuLine, TcpServer, World};
use site_model::{DeviceId, Milliamps, Value, VehicleState};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;

/// Nothing waits longer than this, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(30);

fn profile(id: &str) -> Arc<Profile> {
    Arc::new(find(id).expect("built in").clone())
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn device(profile: &Arc<Profile>, connector: u8) -> BusDevice {
    BusDevice {
        id: DeviceId::new("it").expect("a valid name"),
        unit: profile.link.unit,
        connector,
        profile: Arc::clone(profile),
        poll_interval_ms: 200,
        phases: 3,
        words: None,
        failsafe: None,
    }
}

fn start(link: BusLink, device: BusDevice) -> (Bus, Receiver<BusEvent>) {
    let (sender, events) = channel(64);
    let config = BusConfig {
        name: "test".to_owned(),
        link,
        devices: vec![device],
    };
    (spawn(config, sender), events)
}

fn tcp(server: &TcpServer, framing: TcpFraming) -> BusLink {
    BusLink::Tcp {
        host: "127.0.0.1".to_owned(),
        port: server.address().port(),
        framing,
    }
}

/// Waits until a reading tells a value; a loss or refusal on the way fails the test.
async fn until_told(events: &mut Receiver<BusEvent>, wanted: impl Fn(&Value) -> bool) {
    let waiting = async {
        loop {
            match events.recv().await.expect("the bus runs") {
                BusEvent::Read(reading) if reading.values.iter().any(&wanted) => return,
                event @ (BusEvent::Lost { .. } | BusEvent::WriteRefused { .. }) => {
                    panic!("{event:?}")
                }
                BusEvent::Read(_)
                | BusEvent::LimitWritten { .. }
                | BusEvent::PhasesSwitched { .. }
                | BusEvent::PhasesRefused { .. }
                | BusEvent::Failsafe { .. } => {}
            }
        }
    };
    timeout(DEADLINE, waiting).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleeping_device_on_a_line_of_ascii_is_read_and_limited() {
    let world = World::new(1);
    let it = profile("abl-emh");
    let settings = it.link.ascii.expect("it speaks ASCII");
    let line = RtuLine::start_ascii(&world, settings, true, 5).expect("a pseudo-terminal");
    let charger = world.add_charger("it", Arc::clone(&it), ChargerOptions::default());
    line.add(it.link.unit, &charger);
    let driver = tokio::spawn(simulator::run(world.clone()));
    let link = BusLink::Serial {
        path: line.path().to_owned(),
        line: settings,
        framing: SerialFraming::Ascii,
    };
    let (bus, mut events) = start(link, device(&it, 1));

    let idle = |value: &Value| *value == Value::VehicleState(VehicleState::A);
    until_told(&mut events, idle).await;
    let id = DeviceId::new("it").expect("a valid name");
    bus.write_limit(&id, Milliamps(10_000));
    // 0.06 A a count: 166 counts.
    let limited = |value: &Value| *value == Value::CurrentLimit(Milliamps(9_960));
    until_told(&mut events, limited).await;
    assert_eq!(charger.limit(), Milliamps(9_960));
    charger.plug_in(Ev::three_phase_11_kw());
    let charging = |value: &Value| *value == Value::VehicleState(VehicleState::C);
    until_told(&mut events, charging).await;

    assert_eq!(world.violations(), [], "the rules of the device");
    bus.stop().await;
    driver.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meter_behind_a_converter_is_read_with_rtu_frames_over_tcp() {
    let world = World::new(2);
    world.set_base_load(BaseLoad {
        current: [Milliamps(10_000); 3],
        power_factor_permille: 1000,
    });
    let it = profile("eastron-sdm630");
    let meter = world.add_meter("it", Arc::clone(&it), MeterOf::Grid, 5_000);
    let devices = meter.device().faces(it.link.unit);
    let server = TcpServer::start_rtu(any_port(), devices).await;
    let server = server.expect("a port");
    let driver = tokio::spawn(simulator::run(world.clone()));
    let (bus, mut events) = start(tcp(&server, TcpFraming::Rtu), device(&it, 1));

    // 30 A at 230 V with some noise.
    let power =
        |value: &Value| matches!(value, Value::Power(power) if (6_800..7_000).contains(&power.0));
    until_told(&mut events, power).await;

    assert_eq!(world.violations(), [], "the rules of the device");
    bus.stop().await;
    driver.abort();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connectors_at_ports_of_their_own_are_limited_each_at_its_own() {
    let world = World::new(3);
    let it = profile("bender-cc612");
    let options = ChargerOptions {
        connectors: 2,
        ..ChargerOptions::default()
    };
    let left = world.add_charger("it", Arc::clone(&it), options);
    let right = left.connector(2).expect("built with two");
    right.plug_in(Ev::three_phase_11_kw());
    let driver = tokio::spawn(simulator::run(world.clone()));
    let unit = it.link.unit;
    let mut running = Vec::new();
    for (number, charger) in [(1, &left), (2, &right)] {
        let server = TcpServer::start(any_port(), charger.device().faces(unit)).await;
        let server = server.expect("a port");
        let (bus, events) = start(tcp(&server, TcpFraming::Mbap), device(&it, number));
        running.push((bus, events, server));
    }
    let id = DeviceId::new("it").expect("a valid name");
    for ((bus, events, _), (state, limit)) in running
        .iter_mut()
        .zip([(VehicleState::A, 9_000), (VehicleState::C, 7_000)])
    {
        until_told(events, |value| *value == Value::VehicleState(state)).await;
        bus.write_limit(&id, Milliamps(limit));
        let told = Value::CurrentLimit(Milliamps(limit));
        until_told(events, |value| *value == told).await;
    }
    let limits = (left.limit(), right.limit());
    assert_eq!(limits, (Milliamps(9_000), Milliamps(7_000)));

    assert_eq!(world.violations(), [], "the rules of the device");
    for (bus, _, server) in running {
        bus.stop().await;
        server.stop().await;
    }
    driver.abort();
}
