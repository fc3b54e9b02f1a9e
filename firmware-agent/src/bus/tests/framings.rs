//! ASCII, RTU in a TCP connection, and devices that must be woken.

use std::time::Duration;

use site_model::{Milliamps, Value, VehicleState};
use tokio::time::sleep;

use super::line::*;
use crate::bus::BusEvent;
use crate::bus::wire::Framing;
use crate::codec::ascii::lrc;
use crate::codec::rtu::Timing;
use crate::testing::{charger, line};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn ascii() -> Framing {
    Framing::Ascii(Timing::new(line()))
}

/// The bytes of an RTU frame, check left out, as an ASCII frame.
fn as_ascii(start: char, rtu: &[u8]) -> Vec<u8> {
    let body = &rtu[..rtu.len() - 2];
    let check = [lrc(body)];
    let digits = body.iter().chain(&check).map(|b| format!("{b:02X}"));
    format!("{start}{}\r\n", digits.collect::<String>()).into_bytes()
}

/// The bytes of an ASCII frame as an RTU frame.
fn as_rtu(ascii: &[u8]) -> Vec<u8> {
    let digits = &ascii[1..ascii.len() - 4];
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    framed(&digits.chunks(2).map(byte).collect::<Vec<u8>>())
}

fn state(raw: u16) -> impl Fn(u16) -> u16 {
    move |address| {
        if address == 5 {
            raw
        } else {
            idle_charger(address)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_charger_is_read_and_limited_over_ascii() {
    let mut rig = rig(ascii(), vec![device(1, &charger(), 500)], 16, |request| {
        soon(as_ascii('>', &healthy(&as_rtu(request), idle_charger)))
    });
    assert_eq!(rig.values().await[0], Value::VehicleState(VehicleState::A));
    rig.bus.write_limit(&id("dev-1"), Milliamps(10_000));
    let written = BusEvent::LimitWritten {
        device: id("dev-1"),
        limit: Milliamps(10_000),
    };
    assert_eq!(rig.news().await, written);
    let heard = rig.heard();
    assert_eq!(heard[0].1, b":010400050003F3\r\n");
    let limit = b":0106010500648F\r\n";
    assert!(heard.iter().any(|(_, frame)| frame == limit));
}

#[tokio::test(start_paused = true)]
async fn a_late_ascii_answer_never_passes_for_the_next() {
    let mut requests = 0;
    let mut rig = rig(ascii(), vec![device(1, &charger(), 100)], 64, move |r| {
        requests += 1;
        let wait = if requests % 5 == 3 { ms(900) } else { ms(2) };
        // The first read of each round says 2, later ones 4.
        let raw = if requests < 3 { 2 } else { 4 };
        vec![(wait, as_ascii(':', &healthy(&as_rtu(r), state(raw))))]
    });
    for _ in 0..2 {
        assert_eq!(rig.values().await[0], Value::VehicleState(VehicleState::A));
    }
    for _ in 0..20 {
        assert_eq!(rig.values().await[0], Value::VehicleState(VehicleState::B));
    }
    let seen = rig.bus.diagnostics();
    assert!(seen.devices[0].timeouts > 0, "{seen:?}");
    assert!(seen.devices[0].late_frames > 0, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_within_an_ascii_frame_may_last_a_second_and_no_longer() {
    for (pause, answered) in [(900, true), (1_200, false)] {
        let mut rig = rig(ascii(), vec![device(1, &charger(), 500)], 16, move |r| {
            let frame = as_ascii(':', &healthy(&as_rtu(r), idle_charger));
            let (begin, rest) = frame.split_at(9);
            vec![(ms(1), begin.to_vec()), (ms(pause), rest.to_vec())]
        });
        if answered {
            rig.values().await;
        } else {
            sleep(ms(3_000)).await;
            let seen = rig.bus.diagnostics();
            assert_eq!(seen.devices[0].answers, 0, "{seen:?}");
            assert!(seen.devices[0].crc_errors > 0, "{seen:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn behind_a_converter_a_missing_answer_makes_a_new_connection_and_a_late_one_is_dropped() {
    let mut requests = 0;
    let devices = vec![device(1, &charger(), 100)];
    let mut rig = rig(Framing::RtuOverTcp, devices, 64, move |request| {
        requests += 1;
        if requests == 3 {
            return vec![];
        }
        let answer = healthy(request, state(if requests < 3 { 2 } else { 4 }));
        if requests == 4 {
            // The converter passes the late answer on to the new connection first.
            let late = healthy(&framed(&[1, 4, 0, 5, 0, 3]), state(2));
            return vec![(ms(1), late), (ms(1), answer)];
        }
        soon(answer)
    });
    for _ in 0..2 {
        assert_eq!(rig.values().await[0], Value::VehicleState(VehicleState::A));
    }
    for _ in 0..5 {
        assert_eq!(rig.values().await[0], Value::VehicleState(VehicleState::B));
    }
    let seen = rig.bus.diagnostics();
    assert_eq!((seen.opened, seen.devices[0].timeouts), (2, 1), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sleeping_device_is_asked_twice_and_an_awake_one_once() {
    let mut it = charger();
    it.link.wake_up = true;
    let mut asleep = true;
    let mut rig = rig(rtu(), vec![device(1, &it, 500)], 16, move |request| {
        if std::mem::replace(&mut asleep, false) {
            vec![]
        } else {
            soon(healthy(request, idle_charger))
        }
    });
    rig.values().await;
    assert_eq!(rig.heard().len(), 2);
    rig.values().await;
    assert_eq!(rig.heard().len(), 3);
    let seen = rig.bus.diagnostics();
    assert_eq!((seen.devices[0].timeouts, seen.devices[0].answers), (0, 2));
}
