//! The shells inside the process, with tokio's clock paused: times are exact.

use std::sync::Arc;
use std::time::Duration;

use hw_profiles::{Parity, SerialLine, find};
use simulator::codec::{ascii_frame, mbap_frame, rtu_frame, silence_ns, wire_ns};
use simulator::{Fault, LineCounters, MemoryServer, MeterHandle, MeterOf, SettingsLine, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, timeout};

const LINE: SerialLine = SerialLine {
    baud: 9_600,
    parity: Parity::Even,
    stop_bits: 1,
};
/// Longer than anything answers, in simulated time.
const SILENCE: Duration = Duration::from_secs(5);
const NOTHING: [u8; 0] = [];
/// Reads the frequency, one float.
const ASK: [u8; 5] = [4, 0, 0x46, 0, 2];
/// 50.0 Hz as a float.
const FIFTY_HERTZ: [u8; 6] = [4, 4, 0x42, 0x48, 0, 0];

fn meter(world: &World) -> MeterHandle {
    let profile = find("eastron-sdm630").expect("a built-in profile");
    world.add_meter("meter", Arc::new(profile.clone()), MeterOf::Grid, 0)
}

/// What is heard until nothing more comes.
async fn heard(stream: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(count) = timeout(SILENCE, stream.read_buf(&mut bytes)).await {
        assert!(count.expect("the line is open") > 0);
    }
    bytes
}

#[tokio::test(start_paused = true)]
async fn a_line_opened_with_its_settings_takes_exactly_its_time() {
    let world = World::new(1);
    let line = SettingsLine::new(&world, LINE);
    line.add(9, meter(&world));
    let mut port = line.open(LINE);
    let begin = Instant::now();
    port.write_all(&rtu_frame(9, &ASK)).await.unwrap();
    let mut answer = [0; 9];
    port.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[..], rtu_frame(9, &FIFTY_HERTZ));
    let took = wire_ns(LINE, 8) + silence_ns(LINE) + 5_000_000 + wire_ns(LINE, 9);
    // The clock of the runtime ticks in milliseconds.
    let late = begin.elapsed() - Duration::from_nanos(took);
    assert!(late < Duration::from_millis(3), "{late:?} late");
    assert_eq!(world.violations(), []);
    let counters = LineCounters {
        requests: 1,
        answers: 1,
        busy_ns: took,
        rest_ns: silence_ns(LINE),
        ..LineCounters::default()
    };
    assert_eq!(line.counters(), counters);
}

#[tokio::test(start_paused = true)]
async fn a_line_opened_with_other_settings_stays_silent() {
    let world = World::new(2);
    let line = SettingsLine::new(&world, LINE);
    let meter = meter(&world);
    line.add(9, &meter);
    let others = [
        SerialLine {
            baud: 19_200,
            ..LINE
        },
        SerialLine {
            parity: Parity::None,
            ..LINE
        },
        SerialLine {
            stop_bits: 2,
            ..LINE
        },
    ];
    for other in others {
        let mut port = line.open(other);
        for _ in 0..500 {
            // More than fits the line's buffer: who hears nothing must not block the master.
            port.write_all(&rtu_frame(9, &ASK)).await.unwrap();
        }
        assert_eq!(heard(&mut port).await, NOTHING, "{other:?}");
    }
    assert_eq!(meter.device().requests(), 0);
    assert_eq!(line.counters(), LineCounters::default());
}

#[tokio::test(start_paused = true)]
async fn what_is_broken_or_for_others_is_counted_and_the_line_goes_on() {
    let world = World::new(3);
    let line = SettingsLine::new(&world, LINE);
    line.add(9, meter(&world));
    let mut port = line.open(LINE);
    let mut broken = rtu_frame(9, &ASK);
    broken[3] ^= 1;
    for frame in [
        &broken,
        &rtu_frame(7, &ASK),
        &rtu_frame(9, &ASK)[..5].to_vec(),
    ] {
        port.write_all(frame).await.unwrap();
        assert_eq!(heard(&mut port).await, NOTHING, "{frame:02x?}");
    }
    port.write_all(&rtu_frame(9, &ASK)).await.unwrap();
    assert_eq!(heard(&mut port).await, rtu_frame(9, &FIFTY_HERTZ));
    let seen = line.counters();
    assert_eq!(
        (
            seen.requests,
            seen.answers,
            seen.bad_frames,
            seen.unaddressed
        ),
        (2, 1, 2, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_comes_while_others_are_answered() {
    let world = World::new(4);
    let line = SettingsLine::new(&world, LINE);
    let (slow, quick) = (meter(&world), meter(&world));
    line.add(1, &slow);
    line.add(2, &quick);
    slow.device().set_fault(Fault::LateAnswers {
        delay_ms: 100,
        permille: 1000,
    });
    let mut port = line.open(LINE);
    port.write_all(&rtu_frame(1, &ASK)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    port.write_all(&rtu_frame(2, &ASK)).await.unwrap();
    let both = [rtu_frame(2, &FIFTY_HERTZ), rtu_frame(1, &FIFTY_HERTZ)].concat();
    assert_eq!(heard(&mut port).await, both);
    assert_eq!(line.counters().overlaps, 0);
    // The second request begins while the late answer to the first one leaves.
    port.write_all(&rtu_frame(1, &ASK)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(120)).await;
    port.write_all(&rtu_frame(2, &ASK)).await.unwrap();
    let _both = heard(&mut port).await;
    assert_eq!(line.counters().overlaps, 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_of_ascii_begins_its_answers_one_way_or_the_other() {
    let world = World::new(5);
    let line = SettingsLine::ascii(&world, LINE);
    line.add(9, meter(&world));
    let mut port = line.open(LINE);
    port.write_all(&ascii_frame(9, &ASK)).await.unwrap();
    assert_eq!(heard(&mut port).await, ascii_frame(9, &FIFTY_HERTZ));
    // An exception to a read that splits a value.
    port.write_all(&ascii_frame(9, &[4, 0, 0x34, 0, 1]))
        .await
        .unwrap();
    assert_eq!(heard(&mut port).await, ascii_frame(9, &[0x84, 2]));
    // An exception to a read of a table that it has not.
    port.write_all(&ascii_frame(9, &[3, 0, 0, 0, 1]))
        .await
        .unwrap();
    let mut refused = ascii_frame(9, &[0x83, 2]);
    refused[0] = b'>';
    assert_eq!(heard(&mut port).await, refused);
    // Any RTU frame is noise here.
    port.write_all(&rtu_frame(9, &ASK)).await.unwrap();
    assert_eq!(heard(&mut port).await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_server_answers_in_either_framing() {
    let world = World::new(6);
    let meter = meter(&world);
    let devices = || vec![(9, meter.device().clone())];
    let mut modbus = MemoryServer::new(devices()).open();
    modbus.write_all(&mbap_frame(7, 9, &ASK)).await.unwrap();
    assert_eq!(heard(&mut modbus).await, mbap_frame(7, 9, &FIFTY_HERTZ));
    let mut converter = MemoryServer::rtu(devices()).open();
    let mut noise = rtu_frame(9, &ASK);
    noise[3] ^= 1;
    noise.extend(rtu_frame(9, &ASK));
    converter.write_all(&noise).await.unwrap();
    assert_eq!(heard(&mut converter).await, rtu_frame(9, &FIFTY_HERTZ));
    converter.write_all(&rtu_frame(7, &ASK)).await.unwrap();
    assert_eq!(heard(&mut converter).await, NOTHING, "nobody has unit 7");
}
