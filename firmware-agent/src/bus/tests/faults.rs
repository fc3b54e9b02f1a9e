//! Late, foreign, broken and missing answers: none may ever pass for data.

use std::time::Duration;

use hw_profiles::Quantity;
use hw_profiles::RegisterType::{U16, U32};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use site_model::{DeviceFault, Milliamps, Phase, Value, Watts};
use tokio::time::{Instant, sleep};

use super::line::*;
use crate::bus::BusEvent;
use crate::testing::{charger, profile, register};

/// Three values in reads of the same and of other shapes; each register holds its own address, so
/// that a swapped answer is a wrong value.
fn telltale() -> hw_profiles::Profile {
    profile(vec![
        register("l1", 10, U16).of(Quantity::CurrentL1).build(),
        register("l2", 20, U16).of(Quantity::CurrentL2).build(),
        register("l3", 30, U16).of(Quantity::CurrentL3).build(),
        register("power", 40, U32).of(Quantity::Power).build(),
    ])
}

fn telltale_values() -> Vec<Value> {
    vec![
        Value::Current(Phase::L1, Milliamps(10)),
        Value::Current(Phase::L2, Milliamps(20)),
        Value::Current(Phase::L3, Milliamps(30)),
        Value::Power(Watts((40 << 16) + 41)),
    ]
}

fn own_address(request: &[u8]) -> Vec<u8> {
    healthy(request, |address| address)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_never_taken_for_the_next_one() {
    // The answer times out at about 320 ms; each lateness meets another moment after that.
    for lateness in (310..3_000).step_by(37) {
        let mut requests = 0;
        let mut rig = rig(
            rtu(),
            vec![device(1, &telltale(), 100)],
            64,
            move |request| {
                requests += 1;
                let wait = if requests == 3 { ms(lateness) } else { ms(2) };
                vec![(wait, own_address(request))]
            },
        );
        let mut readings = 0;
        while readings < 5 {
            match rig.event().await {
                BusEvent::Read(reading) => {
                    assert_eq!(reading.values, telltale_values(), "{lateness} ms late");
                    readings += 1;
                }
                BusEvent::Lost { .. } => {}
                other @ (BusEvent::LimitWritten { .. }
                | BusEvent::WriteRefused { .. }
                | BusEvent::PhasesSwitched { .. }
                | BusEvent::PhasesRefused { .. }
                | BusEvent::Failsafe { .. }) => {
                    panic!("{other:?}")
                }
            }
        }
        let seen = rig.bus.diagnostics().devices.remove(0);
        if lateness > 330 {
            assert!(
                seen.timeouts >= 1 && seen.late_frames >= 1,
                "{lateness} ms late: {seen:?}"
            );
        }
    }
}

/// What a bad line does to one answer.
#[derive(Debug, Clone)]
enum Mischief {
    None,
    Late(u64),
    Lost,
    BrokenBit(usize),
    Short,
    ForeignFirst,
    Noise(Vec<u8>),
    Split,
    Doubled,
    Echo,
}

fn mischief() -> impl Strategy<Value = Mischief> {
    prop_oneof![
        12 => Just(Mischief::None),
        3 => (300u64..4_000).prop_map(Mischief::Late),
        2 => Just(Mischief::Lost),
        2 => (0usize..56).prop_map(Mischief::BrokenBit),
        1 => Just(Mischief::Short),
        1 => Just(Mischief::ForeignFirst),
        2 => proptest::collection::vec(any::<u8>(), 1..9).prop_map(Mischief::Noise),
        1 => Just(Mischief::Split),
        1 => Just(Mischief::Doubled),
        1 => Just(Mischief::Echo),
    ]
}

fn played(mischief: &Mischief, request: &[u8]) -> Script {
    let mut answer = own_address(request);
    match mischief {
        Mischief::None => soon(answer),
        Mischief::Late(lateness) => vec![(ms(*lateness), answer)],
        Mischief::Lost => vec![],
        Mischief::BrokenBit(bit) => {
            answer[bit / 8] ^= 1 << (bit % 8);
            soon(answer)
        }
        Mischief::Short => soon(framed(&[request[0], request[1], 0])),
        Mischief::ForeignFirst => {
            let mut foreign = own_address(request);
            foreign.truncate(foreign.len() - 2);
            foreign[0] = 9;
            vec![(ms(1), framed(&foreign)), (ms(3), answer)]
        }
        Mischief::Noise(noise) => vec![(ms(1), noise.clone()), (ms(1), answer)],
        Mischief::Split => answer.into_iter().map(|byte| (ms(1), vec![byte])).collect(),
        Mischief::Doubled => soon([answer.clone(), answer].concat()),
        Mischief::Echo => vec![(ms(0), request.to_vec()), (ms(2), answer)],
    }
}

#[test]
fn no_mischief_of_a_line_ever_becomes_a_value() {
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 60,
        ..ProptestConfig::default()
    });
    let cases = proptest::collection::vec(mischief(), 20..200);
    let outcome = runner.run(&cases, |plan| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async move {
            let mut plan = plan.into_iter();
            let mut rig = rig(
                rtu(),
                vec![device(1, &telltale(), 50), device(2, &telltale(), 70)],
                64,
                move |request| played(&plan.next().unwrap_or(Mischief::None), request),
            );
            let mut healthy_readings = 0;
            while healthy_readings < 30 {
                match rig.event().await {
                    BusEvent::Read(reading) => {
                        prop_assert_eq!(reading.values, telltale_values());
                        healthy_readings += 1;
                    }
                    BusEvent::Lost { .. } => {}
                    BusEvent::LimitWritten { .. }
                    | BusEvent::WriteRefused { .. }
                    | BusEvent::PhasesSwitched { .. }
                    | BusEvent::PhasesRefused { .. }
                    | BusEvent::Failsafe { .. } => unreachable!(),
                }
            }
            Ok(())
        })
    });
    outcome.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_foreign_frame_is_dropped_and_the_answer_still_heard() {
    let mut rig = rig(rtu(), vec![device(1, &charger(), 500)], 16, |request| {
        vec![
            (ms(1), framed(&[2, 4, 6, 0, 9, 0, 9, 0, 9])),
            (ms(5), healthy(request, idle_charger)),
        ]
    });
    rig.values().await;
    let seen = rig.bus.diagnostics().devices.remove(0);
    assert_eq!(
        (seen.foreign_frames, seen.late_frames, seen.timeouts),
        (1, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_broken_answer_is_read_again_in_the_same_poll_without_waiting_for_the_timeout() {
    let mut first = true;
    let mut rig = rig(
        rtu(),
        vec![device(1, &charger(), 500)],
        16,
        move |request| {
            let mut answer = healthy(request, idle_charger);
            if std::mem::take(&mut first) {
                answer[4] ^= 1;
            }
            soon(answer)
        },
    );
    let began = Instant::now();
    rig.values().await;
    assert!(began.elapsed() < ms(100), "{:?}", began.elapsed());
    let seen = rig.bus.diagnostics().devices.remove(0);
    assert_eq!((seen.crc_errors, seen.timeouts, seen.answers), (1, 0, 1));
    let error = seen.last_error.unwrap();
    assert_eq!(
        error.fault.message,
        "Unit 1 answered the read of input registers 5 to 7 with a broken frame (CRC error)."
    );
    assert_eq!(error.request, "01 04 00 05 00 03 a0 0a");
    assert!(error.response.starts_with("01 04 06"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn answers_of_the_wrong_length_are_never_data() {
    for extra in [-2i8, 2] {
        let mut rig = rig(
            rtu(),
            vec![device(1, &charger(), 100)],
            16,
            move |request| {
                let len = u8::try_from(6 + extra).unwrap();
                let mut body = vec![request[0], request[1], len];
                body.extend(std::iter::repeat_n(0, len.into()));
                soon(framed(&body))
            },
        );
        let BusEvent::Lost { device, fault } = rig.event().await else {
            panic!("a value was taken");
        };
        assert_eq!(device, id("dev-1"));
        assert!(
            fault
                .message
                .ends_with("with another length, address or value."),
            "{fault:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_byte_wise_answer_is_put_together() {
    let mut rig = rig(rtu(), vec![device(1, &charger(), 500)], 16, |request| {
        healthy(request, idle_charger)
            .into_iter()
            .map(|byte| (ms(15), vec![byte]))
            .collect()
    });
    rig.values().await;
    assert_eq!(rig.bus.diagnostics().devices[0].crc_errors, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_device_is_lost_once_and_hardly_slows_the_others() {
    let devices = (1..=4).map(|unit| device(unit, &charger(), 50)).collect();
    let mut rig = rig(rtu(), devices, 64, |request| {
        if request[0] >= 3 {
            vec![]
        } else {
            soon(healthy(request, idle_charger))
        }
    });
    let began = Instant::now();
    let mut lost = vec![];
    let mut readings = 0u32;
    while began.elapsed() < Duration::from_secs(600) {
        match rig.event().await {
            BusEvent::Lost { device, fault } => lost.push((device.to_string(), fault)),
            BusEvent::Read(_) => readings += 1,
            other @ (BusEvent::LimitWritten { .. }
            | BusEvent::WriteRefused { .. }
            | BusEvent::PhasesSwitched { .. }
            | BusEvent::PhasesRefused { .. }
            | BusEvent::Failsafe { .. }) => {
                panic!("{other:?}")
            }
        }
    }
    let fault = |unit| DeviceFault {
        message: format!("Unit {unit} did not answer the read of input register 5 within 300 ms."),
        remedy: format!(
            "Check that the device has power, that its unit number is {unit}, that the line \
             settings match and that A and B are not swapped."
        ),
    };
    let shown: Vec<_> = lost.iter().map(|(device, _)| device.as_str()).collect();
    assert_eq!(shown, ["dev-3", "dev-4"]);
    assert!(
        lost.iter()
            .all(|(_, found)| found.remedy == fault(3).remedy || found.remedy == fault(4).remedy),
        "{lost:?}"
    );
    let seen = rig.bus.diagnostics();
    let dead: u32 = seen.devices[2..]
        .iter()
        .map(|device| device.line_permille)
        .sum();
    assert!(dead <= 50, "dead devices took {dead} ‰ of the line");
    assert!(
        seen.devices[2].quarantined_for_ms.is_some()
            && seen.devices[0].quarantined_for_ms.is_none()
    );
    // Two devices at 20 polls a second each, for ten minutes.
    assert!(readings > 24_000 * 95 / 100, "{readings} readings");
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_to_a_minute_and_a_returning_device_is_read_whole() {
    let mut it = charger();
    it.registers.push(
        register("serial", 60, U16)
            .of(Quantity::Serial)
            .polled(hw_profiles::PollClass::Once)
            .build(),
    );
    let began = Instant::now();
    let mut rig = rig(rtu(), vec![device(1, &it, 100)], 64, move |request| {
        let dead = (10..400).contains(&began.elapsed().as_secs());
        if dead {
            vec![]
        } else {
            soon(healthy(
                request,
                |a| if a == 60 { 7 } else { idle_charger(a) },
            ))
        }
    });
    let serial = Value::Serial("7".to_owned());
    assert!(rig.values().await.contains(&serial));
    let mut losses = 0;
    loop {
        match rig.event().await {
            BusEvent::Lost { .. } => losses += 1,
            BusEvent::Read(reading) if began.elapsed().as_secs() >= 400 => {
                assert!(reading.values.contains(&serial), "{reading:?}");
                break;
            }
            BusEvent::Read(_) => {}
            other @ (BusEvent::LimitWritten { .. }
            | BusEvent::WriteRefused { .. }
            | BusEvent::PhasesSwitched { .. }
            | BusEvent::PhasesRefused { .. }
            | BusEvent::Failsafe { .. }) => {
                panic!("{other:?}")
            }
        }
    }
    assert_eq!(losses, 1);
    let probes: Vec<Instant> = rig
        .heard()
        .iter()
        .map(|(at, _)| *at)
        .filter(|at| (12..400).contains(&(*at - began).as_secs()))
        .collect();
    let pauses: Vec<u64> = probes
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs())
        .collect();
    assert!(
        pauses.is_sorted() && pauses.last() == Some(&60),
        "{pauses:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_line_that_cannot_be_opened_loses_all_devices_once_and_is_opened_when_it_is_back() {
    let devices = vec![device(1, &charger(), 100), device(2, &charger(), 100)];
    let mut rig = rig(rtu(), devices, 64, |request| {
        soon(healthy(request, idle_charger))
    });
    rig.values().await;
    rig.values().await;
    let gone = DeviceFault {
        message: "gone".to_owned(),
        remedy: "plug it in".to_owned(),
    };
    *rig.closed.lock().unwrap() = Some(gone.clone());
    rig.hang_up.notify_one();
    let mut events = vec![];
    while events.len() < 2 {
        match rig.event().await {
            BusEvent::Read(_) => {}
            other @ (BusEvent::Lost { .. }
            | BusEvent::LimitWritten { .. }
            | BusEvent::PhasesSwitched { .. }
            | BusEvent::PhasesRefused { .. }
            | BusEvent::Failsafe { .. }
            | BusEvent::WriteRefused { .. }) => events.push(other),
        }
    }
    let lost = |unit: u8| BusEvent::Lost {
        device: id(&format!("dev-{unit}")),
        fault: gone.clone(),
    };
    assert_eq!(events, [lost(1), lost(2)]);
    sleep(Duration::from_secs(100)).await;
    assert_eq!(rig.pending(), [], "told once");
    assert_eq!(rig.bus.diagnostics().closed, Some(gone));
    *rig.closed.lock().unwrap() = None;
    let reopened = Instant::now();
    rig.values().await;
    assert!(
        reopened.elapsed() <= Duration::from_secs(16),
        "{:?}",
        reopened.elapsed()
    );
    assert_eq!(rig.bus.diagnostics().closed, None);
}
