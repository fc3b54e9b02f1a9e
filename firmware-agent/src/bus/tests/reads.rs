//! Polling: what is read, how often, in which order, and how well the line is used.

use std::time::Duration;

use hw_profiles::RegisterType::U16;
use hw_profiles::{KeepAlive, PollClass, Quantity, RawMatch};
use site_model::{Milliamps, Phase, Reading, Value, VehicleState, Watts};
use tokio::time::{Instant, sleep, timeout};

use super::line::*;
use crate::bus::BusEvent;
use crate::codec::rtu::Timing;
use crate::testing::{charger, line, profile, register};

fn idle_values() -> Vec<Value> {
    vec![
        Value::VehicleState(VehicleState::A),
        Value::Current(Phase::L1, Milliamps(0)),
        Value::CurrentLimit(Milliamps(16_000)),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_one_reading_in_the_fewest_frames_at_its_interval() {
    let devices = vec![device(1, &charger(), 500)];
    let mut rig = rig(rtu(), devices, 16, |request| {
        soon(healthy(request, idle_charger))
    });
    for _ in 0..4 {
        let reading = Reading {
            device: id("dev-1"),
            values: idle_values(),
        };
        assert_eq!(rig.event().await, BusEvent::Read(reading));
    }
    let heard = rig.heard();
    let frames: Vec<_> = heard.iter().map(|(_, frame)| frame.clone()).collect();
    assert_eq!(frames, vec![framed(&[1, 4, 0, 5, 0, 3]); 4]);
    let span = heard[3].0 - heard[0].0;
    assert!((1_499..=1_505).contains(&span.as_millis()), "{span:?}");
}

#[tokio::test(start_paused = true)]
async fn slow_values_come_every_ten_seconds_and_firmware_once() {
    let it = profile(vec![
        register("power", 10, U16).of(Quantity::Power).build(),
        register("error", 20, U16)
            .of(Quantity::ErrorCode)
            .polled(PollClass::Slow)
            .build(),
        register("firmware", 30, U16)
            .of(Quantity::Firmware)
            .polled(PollClass::Once)
            .build(),
    ]);
    let mut rig = rig(rtu(), vec![device(1, &it, 1_000)], 16, |request| {
        soon(healthy(request, |address| address))
    });
    let power = Value::Power(Watts(10));
    let error = Value::ErrorCode(20);
    assert_eq!(
        rig.values().await,
        [
            power.clone(),
            error.clone(),
            Value::Firmware("30".to_owned())
        ]
    );
    for poll in 1..=20 {
        let values = rig.values().await;
        if poll % 10 == 0 {
            assert_eq!(values, [power.clone(), error.clone()], "poll {poll}");
        } else {
            assert_eq!(values, std::slice::from_ref(&power), "poll {poll}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_register_whose_condition_becomes_known_is_read_in_the_same_poll() {
    let it = profile(vec![
        register("version", 4, U16).polled(PollClass::Once).build(),
        register("old", 10, U16)
            .of(Quantity::Power)
            .when("version", RawMatch::Between(0, 99))
            .build(),
        register("new", 12, U16)
            .of(Quantity::Power)
            .when("version", RawMatch::Between(100, 999))
            .build(),
    ]);
    let mut rig = rig(rtu(), vec![device(1, &it, 1_000)], 16, |request| {
        soon(healthy(
            request,
            |address| if address == 4 { 263 } else { address },
        ))
    });
    assert_eq!(rig.values().await, [Value::Power(Watts(12))]);
    assert_eq!(rig.values().await, [Value::Power(Watts(12))]);
    let asked: Vec<u16> = rig
        .heard()
        .iter()
        .map(|(_, frame)| word(frame, 2))
        .collect();
    assert_eq!(asked, [4, 12, 12]);
}

#[tokio::test(start_paused = true)]
async fn the_gap_of_one_device_is_used_for_another() {
    let mut slow = charger();
    slow.link.gap_ms = 100;
    let devices = vec![device(1, &slow, 1), device(2, &charger(), 1)];
    let mut rig = rig(rtu(), devices, 16, |request| {
        soon(healthy(request, idle_charger))
    });
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        rig.event().await;
    }
    let heard = rig.heard();
    let first: Vec<Instant> = heard
        .iter()
        .filter(|(_, f)| f[0] == 1)
        .map(|(at, _)| *at)
        .collect();
    let gaps = first.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(
        gaps.clone().all(|gap| gap >= Duration::from_millis(101)),
        "answer after 1 ms, then 100 ms"
    );
    let between = heard.len() / first.len();
    assert!(
        between >= 10,
        "the other device was asked {between} times in each gap"
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_register_is_not_read_more_often_than_the_profile_allows() {
    let mut it = charger();
    it.link.read_interval_ms = 500;
    let mut rig = rig(rtu(), vec![device(1, &it, 1)], 16, |request| {
        soon(healthy(request, idle_charger))
    });
    for _ in 0..6 {
        rig.event().await;
    }
    let heard = rig.heard();
    assert!(
        heard
            .windows(2)
            .all(|pair| pair[1].0 - pair[0].0 >= Duration::from_millis(500))
    );
}

#[tokio::test(start_paused = true)]
async fn devices_that_are_all_due_take_turns() {
    let devices = (1..=4).map(|unit| device(unit, &charger(), 1)).collect();
    let mut rig = rig(rtu(), devices, 64, |request| {
        soon(healthy(request, idle_charger))
    });
    for _ in 0..40 {
        rig.event().await;
    }
    for unit in 1..=4 {
        let turns = rig
            .heard()
            .iter()
            .take(40)
            .filter(|(_, frame)| frame[0] == unit)
            .count();
        assert_eq!(turns, 10, "unit {unit}");
    }
}

#[tokio::test(start_paused = true)]
async fn frames_keep_the_silence_of_three_and_a_half_characters() {
    let devices = vec![device(1, &charger(), 1), device(2, &charger(), 1)];
    let mut rig = rig(rtu(), devices, 16, |request| {
        soon(healthy(request, idle_charger))
    });
    for _ in 0..10 {
        rig.event().await;
    }
    let silence = Timing::new(line()).silence();
    let answer_after = Duration::from_millis(1);
    let heard = rig.heard();
    assert!(
        heard
            .windows(2)
            .all(|pair| pair[1].0 - pair[0].0 >= answer_after + silence)
    );
}

#[tokio::test(start_paused = true)]
async fn back_to_back_polling_uses_nine_tenths_of_the_line() {
    let line = hw_profiles::SerialLine {
        baud: 9_600,
        ..line()
    };
    let timing = Timing::new(line);
    let turnaround = Duration::from_millis(5);
    let devices = (1..=3).map(|unit| device(unit, &charger(), 1)).collect();
    let framing = crate::bus::wire::Framing::Rtu(timing);
    let mut rig = rig(framing, devices, 64, move |request| {
        let answer = healthy(request, idle_charger);
        let on_wire = timing.characters(request.len() + answer.len());
        vec![(on_wire + turnaround, answer)]
    });
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        rig.event().await;
    }
    let seen = rig.bus.diagnostics();
    let answers: u64 = seen.devices.iter().map(|device| device.answers).sum();
    let ideal = seen.line_ns + seen.gap_ns + answers * 5_000_000;
    let permille = ideal * 1_000 / seen.elapsed_ns;
    assert!(
        (900..=1_000).contains(&permille),
        "{permille} ‰ of the line: {seen:?}"
    );
    assert!(seen.spare_ns * 20 < seen.elapsed_ns, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_register_that_the_device_refuses_does_not_hide_the_others() {
    let mut rig = rig(rtu(), vec![device(1, &charger(), 500)], 16, |request| {
        let (start, count) = (word(request, 2), word(request, 4));
        if (start..start + count).contains(&6) {
            soon(framed(&[request[0], request[1] | 0x80, 2]))
        } else {
            soon(healthy(request, idle_charger))
        }
    });
    let expected = [
        Value::VehicleState(VehicleState::A),
        Value::CurrentLimit(Milliamps(16_000)),
    ];
    assert_eq!(rig.values().await, expected);
    assert_eq!(rig.values().await, expected);
    let asked: Vec<_> = rig
        .heard()
        .iter()
        .map(|(_, f)| (word(f, 2), word(f, 4)))
        .collect();
    assert_eq!(asked, [(5, 3), (5, 1), (6, 1), (7, 1), (5, 1), (7, 1)]);
    let seen = rig.bus.diagnostics().devices.remove(0);
    assert_eq!((seen.exceptions, seen.polls), (2, 2));
    assert_eq!(
        seen.last_error.unwrap().fault.message,
        "Unit 1 refused the read of input register 6 with exception 2 (illegal data address)."
    );
}

#[tokio::test(start_paused = true)]
async fn a_busy_device_is_asked_again() {
    let mut busy = 3;
    let mut rig = rig(
        rtu(),
        vec![device(1, &charger(), 500)],
        16,
        move |request| {
            if busy > 0 {
                busy -= 1;
                soon(framed(&[request[0], request[1] | 0x80, 6]))
            } else {
                soon(healthy(request, idle_charger))
            }
        },
    );
    assert_eq!(rig.values().await, idle_values());
    assert_eq!(rig.heard().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_no_rule_covers_is_a_fault_and_is_explained() {
    let mut rig = rig(rtu(), vec![device(1, &charger(), 500)], 16, |request| {
        soon(healthy(request, |_| 99))
    });
    assert_eq!(
        rig.values().await[0],
        Value::VehicleState(VehicleState::Fault)
    );
    let seen = rig.bus.diagnostics().devices.remove(0);
    let fault = seen.last_error.unwrap().fault;
    assert_eq!(
        fault.message,
        "No state rule of profile test covers state = 99."
    );
}

#[tokio::test(start_paused = true)]
async fn any_request_keeps_a_device_awake_that_is_polled_too_seldom() {
    let mut it = charger();
    it.keep_alive = KeepAlive::AnyRequest { interval_ms: 4_000 };
    let mut rig = rig(rtu(), vec![device(1, &it, 60_000)], 16, |request| {
        soon(healthy(request, idle_charger))
    });
    rig.event().await;
    sleep(Duration::from_secs(50)).await;
    let heard = rig.heard();
    assert!(
        heard
            .windows(2)
            .all(|pair| pair[1].0 - pair[0].0 <= Duration::from_millis(2_010))
    );
    assert!((25..=27).contains(&heard.len()), "{}", heard.len());
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_gets_merged_readings_and_every_loss() {
    let mut power = 0;
    let it = profile(vec![
        register("power", 10, U16).of(Quantity::Power).build(),
        register("firmware", 30, U16)
            .of(Quantity::Firmware)
            .polled(PollClass::Once)
            .build(),
    ]);
    let devices = vec![device(1, &it, 100), device(2, &it, 100)];
    let mut rig = rig(rtu(), devices, 1, move |request| {
        power += 1;
        if request[0] == 2 {
            vec![]
        } else {
            soon(healthy(request, |a| if a == 10 { power } else { 5 }))
        }
    });
    sleep(Duration::from_secs(30)).await;
    let mut events = vec![rig.event().await];
    sleep(Duration::from_millis(10)).await;
    events.push(rig.event().await);
    sleep(Duration::from_millis(10)).await;
    events.push(rig.event().await);
    let firmware = Value::Firmware("5".to_owned());
    assert!(
        matches!(&events[0], BusEvent::Read(r) if r.values.contains(&firmware)),
        "{events:?}"
    );
    assert!(
        events
            .iter()
            .any(|e| matches!(e, BusEvent::Lost { device, .. } if *device == id("dev-2")))
    );
    assert!(rig.bus.diagnostics().readings_merged > 100);
}

#[tokio::test(start_paused = true)]
async fn a_bus_ends_when_it_is_stopped_and_when_nobody_listens() {
    let start = || {
        rig(rtu(), vec![device(1, &charger(), 500)], 16, |request| {
            soon(healthy(request, idle_charger))
        })
    };
    let mut stopped = start();
    stopped.event().await;
    stopped.bus.stop().await;
    assert!(stopped.events.recv().await.is_none());

    let mut unheard = start();
    unheard.event().await;
    drop(unheard.events);
    sleep(Duration::from_secs(2)).await;
    let heard = unheard.log.lock().unwrap().len();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(unheard.log.lock().unwrap().len(), heard);
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_and_a_probe_keep_the_least_time_between_reads() {
    let mut it = charger();
    it.link.read_interval_ms = 500;
    it.link.block_reads = false;
    let mut requests = 0;
    let mut rig = rig(rtu(), vec![device(1, &it, 1)], 64, move |request| {
        requests += 1;
        if requests % 11 == 0 {
            vec![]
        } else {
            soon(healthy(request, idle_charger))
        }
    });
    for _ in 0..10 {
        rig.values().await;
        // The connection breaks just after the first of three reads.
        let first = async {
            while rig
                .heard()
                .last()
                .is_none_or(|(_, frame)| word(frame, 2) != 5)
            {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let first = timeout(Duration::from_secs(60), first).await;
        first.expect("it is read again");
        rig.hang_up.notify_one();
    }
    let mut heard = rig.heard();
    heard.sort_by_key(|(at, frame)| (word(frame, 2), *at));
    for pair in heard.windows(2).filter(|pair| pair[0].1 == pair[1].1) {
        let apart = pair[1].0 - pair[0].0;
        assert!(apart >= Duration::from_millis(499), "{apart:?}");
    }
}
