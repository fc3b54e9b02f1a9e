//! The shells with raw clients: a pseudo-terminal and TCP, frames written by hand.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hw_profiles::{Parity, Profile, SerialLine, find};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use simulator::codec::{ascii_frame, mbap_frame, rtu_frame, silence_ns, wire_ns};
use simulator::{
    ChargerHandle, ChargerOptions, Ev, Fault, LineCounters, RtuLine, Rule, TcpServer, World, run,
};
use site_model::VehicleState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const LINE: SerialLine = SerialLine {
    baud: 9_600,
    parity: Parity::Even,
    stop_bits: 1,
};
/// Nothing waits longer than this, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(10);

fn profile(id: &str) -> Arc<Profile> {
    Arc::new(find(id).expect("a built-in profile").clone())
}

fn meter_line(
    world: &World,
    paced: bool,
    answer_delay_ms: u64,
) -> (RtuLine, simulator::MeterHandle) {
    let line = RtuLine::start(world, LINE, paced, answer_delay_ms).expect("a pseudo-terminal");
    let of = simulator::MeterOf::Grid;
    let meter = world.add_meter("meter", profile("eastron-sdm630"), of, 0);
    line.add(9, &meter);
    (line, meter)
}

fn open(path: &Path) -> File {
    let flags = rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(i32::try_from(flags.bits()).expect("flags fit"))
        .open(path)
        .expect("the path of the line is valid")
}

/// Bytes that arrive until there are `count` or the wait is over.
fn receive(port: &mut File, count: usize, wait: Duration) -> Vec<u8> {
    let end = Instant::now() + wait;
    let mut received = Vec::new();
    while received.len() < count && Instant::now() < end {
        let rest = Timespec::try_from(end.saturating_duration_since(Instant::now()));
        let mut fds = [PollFd::new(&*port, PollFlags::IN)];
        let _ = poll(&mut fds, rest.ok().as_ref());
        let mut bytes = [0; 256];
        match port.read(&mut bytes) {
            Ok(read) => received.extend_from_slice(&bytes[..read]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
    }
    received
}

/// Reads frequency (0x46, one float) of unit 9.
fn ask(port: &mut File) -> Vec<u8> {
    port.write_all(&rtu_frame(9, &[4, 0, 0x46, 0, 2]))
        .expect("the line takes a request");
    receive(port, 9, DEADLINE)
}

/// 50.0 Hz as a float.
const FIFTY_HERTZ: [u8; 6] = [4, 4, 0x42, 0x48, 0, 0];

#[test]
fn a_line_answers_however_often_it_is_opened() {
    let world = World::new(1);
    let (line, _meter) = meter_line(&world, false, 0);
    for _ in 0..3 {
        let mut port = open(line.path());
        assert_eq!(ask(&mut port), rtu_frame(9, &FIFTY_HERTZ));
    }
    assert_eq!(world.violations(), []);
    let ns = 3 * (wire_ns(LINE, 8) + silence_ns(LINE) + wire_ns(LINE, 9));
    assert_eq!(
        line.counters(),
        LineCounters {
            requests: 3,
            answers: 3,
            busy_ns: ns,
            rest_ns: 3 * silence_ns(LINE),
            ..LineCounters::default()
        }
    );
}

#[test]
fn a_paced_line_takes_the_time_of_its_wire() {
    let world = World::new(2);
    let (line, _meter) = meter_line(&world, true, 5);
    let mut port = open(line.path());
    let begin = Instant::now();
    assert_eq!(ask(&mut port), rtu_frame(9, &FIFTY_HERTZ));
    let took = begin.elapsed();
    let busy = Duration::from_nanos(line.counters().busy_ns);
    // 8 and 9 characters of 11 bits, 3.5 characters, 5 ms.
    assert_eq!(
        busy.as_nanos(),
        9_166_666 + 10_312_500 + 4_010_416 + 5_000_000
    );
    assert!(
        took >= busy,
        "{took:?} is less than the wire needs, {busy:?}"
    );
}

#[test]
fn a_master_that_speaks_into_an_answer_is_noticed() {
    let world = World::new(11);
    let (line, _meter) = meter_line(&world, true, 100);
    let mut port = open(line.path());
    let request = rtu_frame(9, &[4, 0, 0x46, 0, 2]);
    let end = Instant::now() + DEADLINE;
    // A busy machine may let this thread sleep over the whole answer: then it tries again.
    while line.counters().overlaps == 0 {
        assert!(Instant::now() < end, "{:?}", line.counters());
        let asked = line.counters().requests;
        port.write_all(&request).unwrap();
        while line.counters().requests == asked && Instant::now() < end {
            std::thread::yield_now();
        }
        port.write_all(&request).unwrap();
        assert_eq!(
            receive(&mut port, 18, DEADLINE),
            [rtu_frame(9, &FIFTY_HERTZ), rtu_frame(9, &FIFTY_HERTZ)].concat()
        );
    }
    assert_eq!(line.counters().overlaps, 1);
}

#[test]
fn answers_that_nobody_reads_are_lost_and_the_line_goes_on() {
    let world = World::new(12);
    let (line, _meter) = meter_line(&world, false, 0);
    let mut port = open(line.path());
    let end = Instant::now() + DEADLINE;
    while line.counters().lost_bytes == 0 {
        assert!(Instant::now() < end, "{:?}", line.counters());
        let asked = line.counters().requests;
        port.write_all(&rtu_frame(9, &[4, 0, 0, 0, 18])).unwrap();
        while line.counters().requests == asked && Instant::now() < end {
            std::thread::yield_now();
        }
    }
    while !receive(&mut port, 4096, Duration::from_millis(50)).is_empty() {}
    assert_eq!(ask(&mut port), rtu_frame(9, &FIFTY_HERTZ));
}

#[test]
fn a_request_in_pieces_is_one_request() {
    let world = World::new(3);
    let (line, _meter) = meter_line(&world, false, 0);
    let mut port = open(line.path());
    for byte in rtu_frame(9, &[4, 0, 0x46, 0, 2]) {
        port.write_all(&[byte]).unwrap();
    }
    assert_eq!(receive(&mut port, 9, DEADLINE), rtu_frame(9, &FIFTY_HERTZ));
    assert_eq!(line.counters().bad_frames, 0);
}

#[test]
fn broken_and_foreign_requests_are_counted_and_not_answered() {
    let world = World::new(4);
    let (line, _meter) = meter_line(&world, false, 0);
    let mut port = open(line.path());
    let mut broken = rtu_frame(9, &[4, 0, 0x46, 0, 2]);
    broken[7] ^= 1;
    port.write_all(&broken).unwrap();
    port.write_all(&rtu_frame(10, &[4, 0, 0x46, 0, 2])).unwrap();
    assert_eq!(ask(&mut port), rtu_frame(9, &FIFTY_HERTZ));
    let counters = line.counters();
    let counted = (counters.requests, counters.unaddressed, counters.bad_frames);
    assert_eq!(counted, (2, 1, 1), "{counters:?}");
}

#[test]
fn faults_reach_the_wire() {
    let world = World::new(5);
    let (line, meter) = meter_line(&world, false, 0);
    let mut port = open(line.path());
    let right = rtu_frame(9, &FIFTY_HERTZ);

    meter
        .device()
        .set_fault(Fault::CrcErrors { permille: 1000 });
    let damaged = ask(&mut port);
    assert_eq!(damaged[..8], right[..8]);
    assert_ne!(damaged[8], right[8]);
    meter.device().clear();

    meter.device().set_fault(Fault::ForeignAnswers);
    let mut both = ask(&mut port);
    both.extend(receive(&mut port, 18 - both.len(), DEADLINE));
    assert_eq!(both, [rtu_frame(10, &FIFTY_HERTZ), right.clone()].concat());
    meter.device().clear();

    let late = Fault::LateAnswers {
        delay_ms: 300,
        permille: 1000,
    };
    meter.device().set_fault(late);
    port.write_all(&rtu_frame(9, &[4, 0, 0x46, 0, 2])).unwrap();
    let early = receive(&mut port, 1, Duration::from_millis(100));
    assert!(early.is_empty(), "{early:02x?}");
    meter.device().clear();
    assert_eq!(ask(&mut port), right, "the line answers others meanwhile");
    assert_eq!(
        receive(&mut port, 9, DEADLINE),
        right,
        "the late one comes after all"
    );
}

fn keba(world: &World) -> ChargerHandle {
    world.add_charger("keba", profile("keba-p30"), ChargerOptions::default())
}

async fn server(charger: &ChargerHandle) -> TcpServer {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let units = vec![(255, charger.into())];
    TcpServer::start(any, units).await.expect("a free port")
}

async fn exchange(stream: &mut TcpStream, request: &[u8], length: usize) -> Vec<u8> {
    stream
        .write_all(request)
        .await
        .expect("the server takes a request");
    let mut answer = vec![0; length];
    timeout(DEADLINE, stream.read_exact(&mut answer))
        .await
        .expect("an answer in time")
        .expect("a whole answer");
    answer
}

const STATE: [u8; 5] = [3, 0x03, 0xE8, 0, 2];

#[tokio::test]
async fn tcp_keeps_transactions_and_ignores_other_units() {
    let world = World::new(6);
    let charger = keba(&world);
    let server = server(&charger).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let mut requests = mbap_frame(7, 1, &STATE);
    requests.extend(mbap_frame(8, 255, &STATE));
    let answer = exchange(&mut stream, &requests, 13).await;
    assert_eq!(answer, mbap_frame(8, 255, &[3, 4, 0, 0, 0, 2]));

    charger.device().set_fault(Fault::ForeignAnswers);
    let answers = exchange(
        &mut stream,
        &mbap_frame(9, 255, &[6, 0x13, 0x8C, 0x3E, 0x80]),
        24,
    )
    .await;
    let echo = [6, 0x13, 0x8C, 0x3E, 0x80];
    assert_eq!(
        answers,
        [mbap_frame(10, 255, &echo), mbap_frame(9, 255, &echo)].concat()
    );
    assert_eq!(charger.writes().len(), 1);
}

#[tokio::test]
async fn tcp_answers_late_ones_after_others() {
    let world = World::new(7);
    let charger = keba(&world);
    let server = server(&charger).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let late = Fault::LateAnswers {
        delay_ms: 200,
        permille: 1000,
    };
    charger.device().set_fault(late);
    stream.write_all(&mbap_frame(1, 255, &STATE)).await.unwrap();
    let heard = async {
        while charger.device().requests() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(DEADLINE, heard).await.unwrap();
    charger.device().clear();
    let answers = exchange(&mut stream, &mbap_frame(2, 255, &STATE), 26).await;
    let data = [3, 4, 0, 0, 0, 2];
    assert_eq!(
        answers,
        [mbap_frame(2, 255, &data), mbap_frame(1, 255, &data)].concat()
    );
    assert_eq!(charger.device().violations()[0].rule, Rule::ReadInterval);
}

#[tokio::test]
async fn tcp_hangs_up_on_what_is_not_modbus() {
    let world = World::new(8);
    let server = server(&keba(&world)).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let ended = timeout(DEADLINE, stream.read_to_end(&mut rest))
        .await
        .unwrap();
    assert!(rest.is_empty(), "{ended:?} {rest:?}");
}

#[tokio::test]
async fn a_stopped_server_hangs_up_and_frees_its_address() {
    let world = World::new(13);
    let charger = keba(&world);
    let first = server(&charger).await;
    let address = first.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    exchange(&mut stream, &mbap_frame(1, 255, &STATE), 13).await;
    first.stop().await;
    let end = timeout(DEADLINE, stream.read_u8()).await.unwrap();
    assert!(end.is_err(), "{end:?}");
    let again = TcpServer::start(address, vec![(255, (&charger).into())]).await;
    assert_eq!(again.unwrap().address(), address);
}

#[tokio::test]
async fn a_device_with_few_connections_closes_one_too_many() {
    let world = World::new(9);
    let mut alfen_like = (*profile("keba-p30")).clone();
    let tcp = alfen_like.link.tcp.as_mut().unwrap();
    tcp.max_connections = Some(2);
    let charger = world.add_charger("two", Arc::new(alfen_like), ChargerOptions::default());
    let server = server(&charger).await;
    let mut one = TcpStream::connect(server.address()).await.unwrap();
    let mut two = TcpStream::connect(server.address()).await.unwrap();
    for stream in [&mut one, &mut two] {
        exchange(stream, &mbap_frame(1, 255, &STATE), 13).await;
    }
    let mut three = TcpStream::connect(server.address()).await.unwrap();
    let read = timeout(DEADLINE, three.read_u8()).await.unwrap();
    assert!(read.is_err(), "{read:?}");
    drop(one);
    let mut four = TcpStream::connect(server.address()).await.unwrap();
    exchange(&mut four, &mbap_frame(2, 255, &STATE), 13).await;
}

#[tokio::test(start_paused = true)]
async fn the_driver_steps_the_world_in_real_time() {
    let world = World::new(10);
    let charger = keba(&world);
    let driver = tokio::spawn(run(world.clone()));
    charger.plug_in(Ev::three_phase_11_kw());
    tokio::time::sleep(Duration::from_millis(3_010)).await;
    assert_eq!(world.now_ms(), 3_000);
    assert_eq!(charger.state(), VehicleState::C);
    driver.abort();
}

#[test]
fn a_pseudo_terminal_speaks_ascii_too() {
    let world = World::new(12);
    let line = RtuLine::start_ascii(&world, LINE, true, 0).expect("a pseudo-terminal");
    let of = simulator::MeterOf::Grid;
    let meter = world.add_meter("meter", profile("eastron-sdm630"), of, 0);
    line.add(9, &meter);
    let mut port = open(line.path());
    port.write_all(b":0904004600").unwrap();
    port.write_all(b"02AB\r\n").unwrap();
    let answer = receive(&mut port, 19, DEADLINE);
    assert_eq!(answer, ascii_frame(9, &FIFTY_HERTZ));
    assert_eq!(line.counters().rest_ns, 0, "its frames say their end");
}

#[tokio::test]
async fn a_server_speaks_rtu_over_tcp_too() {
    let world = World::new(13);
    let of = simulator::MeterOf::Grid;
    let meter = world.add_meter("meter", profile("eastron-sdm630"), of, 0);
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let devices = vec![(9, meter.device().clone())];
    let server = TcpServer::start_rtu(any, devices).await.expect("a port");
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = rtu_frame(9, &[4, 0, 0x46, 0, 2]);
    stream.write_all(&request).await.unwrap();
    let mut answer = [0; 9];
    let read = timeout(DEADLINE, stream.read_exact(&mut answer)).await;
    read.expect("in time").unwrap();
    assert_eq!(answer[..], rtu_frame(9, &FIFTY_HERTZ));
    server.stop().await;
}
