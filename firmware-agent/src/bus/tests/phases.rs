//! Switching phases: pause, write, wait, read back, go on with the newest limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hw_profiles::{
    LimitUnit, PhaseReadBack, PhaseSwitch, Profile, RawMatch, RegisterType, SetupWrite,
};
use site_model::Milliamps;
use tokio::time::{Instant, sleep};

use super::line::*;
use crate::bus::{BusEvent, Phases};
use crate::testing::{charger, condition, register, write_register};

/// The test charger with a phase switch in 5052 (0 one, 1 three), read back in 1552 (1, 3), which
/// wants 5050 to be 3 before, and 10 s.
fn switching() -> Profile {
    let mut it = charger();
    it.registers
        .push(register("phases", 1_552, RegisterType::U16).build());
    it.phase_switch = Some(PhaseSwitch {
        write: write_register(5_052),
        one: 0,
        three: 1,
        read_back: Some(PhaseReadBack {
            register: "phases".to_owned(),
            one: vec![1],
            three: vec![3],
        }),
        only_paused: true,
        settle_ms: 10_000,
        setup: vec![SetupWrite {
            write: write_register(5_050),
            value: 3,
            read_back: None,
            unconfirmed: false,
        }],
        when: vec![],
        unconfirmed: false,
    });
    it
}

/// A car that charges with three phases until it is paused, and a switch that works or does not.
fn charging(works: bool, memory: &Memory) -> impl FnMut(&[u8]) -> Script + use<> {
    memory.set(1, 5, 6);
    memory.set(1, 6, 160);
    memory.set(1, 7, 160);
    memory.set(1, 1_552, 3);
    let memory = memory.clone();
    move |request| {
        let answer = memory.answer(request);
        if request[1] == 6 {
            match (word(request, 2), word(request, 4)) {
                (261, raw) => {
                    memory.set(1, 7, raw);
                    memory.set(1, 6, raw);
                    memory.set(1, 5, if raw == 0 { 4 } else { 6 });
                }
                (5_052, raw) if works => memory.set(1, 1_552, 1 + 2 * raw),
                _ => {}
            }
        }
        answer
    }
}

fn switched(phases: Phases) -> BusEvent {
    BusEvent::PhasesSwitched {
        device: id("dev-1"),
        phases,
    }
}

fn limit_written(limit: u32) -> BusEvent {
    BusEvent::LimitWritten {
        device: id("dev-1"),
        limit: Milliamps(limit),
    }
}

fn reason(event: &BusEvent) -> &str {
    match event {
        BusEvent::PhasesRefused { fault, .. } => &fault.message,
        BusEvent::Read(_)
        | BusEvent::Lost { .. }
        | BusEvent::LimitWritten { .. }
        | BusEvent::WriteRefused { .. }
        | BusEvent::PhasesSwitched { .. }
        | BusEvent::Failsafe { .. } => panic!("{event:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn it_pauses_writes_waits_reads_back_and_resumes_with_the_newest_limit() {
    let memory = Memory::default();
    let far = charging(true, &memory);
    let mut rig = rig(rtu(), vec![device(1, &switching(), 500)], 64, far);
    rig.values().await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(16_000));
    assert_eq!(rig.news().await, limit_written(16_000));
    let began = Instant::now();
    rig.bus.switch_phases(&id("dev-1"), Phases::One);
    sleep(Duration::from_secs(5)).await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(12_000));
    rig.bus.write_limit(&id("dev-1"), Milliamps(10_000));
    assert_eq!(rig.news().await, switched(Phases::One));
    let lasted = began.elapsed();
    assert!((10..13).contains(&lasted.as_secs()), "{lasted:?}");
    assert_eq!(rig.news().await, limit_written(10_000));
    assert_eq!(
        rig.written(),
        [(261, 160), (261, 0), (5_050, 3), (5_052, 0), (261, 100)]
    );
    let seen = rig.bus.diagnostics();
    assert_eq!(seen.devices[0].phases, Some(Phases::One));
    let writes = rig.writes();
    assert!(writes[4].0 - writes[3].0 >= Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn phases_that_are_so_already_are_told_without_a_write() {
    let memory = Memory::default();
    let far = charging(true, &memory);
    let mut rig = rig(rtu(), vec![device(1, &switching(), 500)], 64, far);
    rig.values().await;
    rig.bus.switch_phases(&id("dev-1"), Phases::Three);
    assert_eq!(rig.news().await, switched(Phases::Three));
    assert_eq!(rig.written(), []);
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_does_not_read_back_is_told_and_the_limit_applies_again() {
    let memory = Memory::default();
    let far = charging(false, &memory);
    let mut rig = rig(rtu(), vec![device(1, &switching(), 500)], 64, far);
    rig.values().await;
    rig.bus.switch_phases(&id("dev-1"), Phases::One);
    let event = rig.news().await;
    assert_eq!(
        reason(&event),
        "The device was switched to one phase, but reads back 3."
    );
    rig.values().await;
    assert_eq!(memory.get(1, 261), 160, "what the device had before");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_goes_on_charging_is_not_switched() {
    let mut rig = rig(rtu(), vec![device(1, &switching(), 500)], 64, |r| {
        soon(healthy(r, |address| match address {
            5 => 6,
            6 | 7 => 160,
            1_552 => 3,
            _ => 0,
        }))
    });
    rig.values().await;
    rig.bus.switch_phases(&id("dev-1"), Phases::One);
    let event = rig.news().await;
    assert_eq!(
        reason(&event),
        "The phases were not switched: the device still charges 60 s after its pause."
    );
    rig.values().await;
    assert_eq!(rig.written(), [(261, 0), (261, 160)]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_switched_says_why() {
    let mut none = switching();
    none.phase_switch = None;
    let mut elsewhere = switching();
    elsewhere.phase_switch.as_mut().unwrap().when =
        vec![condition("state", RawMatch::OneOf(vec![99]))];
    let mut cannot_pause = switching();
    cannot_pause.limit.as_mut().unwrap().pause = None;
    let cases = [
        (none, "The phases were not switched: profile test cannot."),
        (
            elsewhere,
            "The phases were not switched: this variant of test cannot, or not as it is set up.",
        ),
        (
            cannot_pause,
            "The phases were not switched: that needs a pause, and the model cannot pause.",
        ),
    ];
    for (profile, why) in cases {
        let far = charging(true, &Memory::default());
        let mut rig = rig(rtu(), vec![device(1, &profile, 500)], 64, far);
        rig.values().await;
        rig.bus.switch_phases(&id("dev-1"), Phases::One);
        assert_eq!(reason(&rig.news().await), why);
        assert_eq!(rig.written(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_switch_is_told_with_its_register() {
    let memory = Memory::default();
    let mut far = charging(true, &memory);
    let mut rig = rig(rtu(), vec![device(1, &switching(), 500)], 64, move |r| {
        if r[1] == 6 && word(r, 2) == 5_052 {
            refused(r)
        } else {
            far(r)
        }
    });
    rig.values().await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(9_000));
    assert_eq!(rig.news().await, limit_written(9_000));
    rig.bus.switch_phases(&id("dev-1"), Phases::One);
    let event = rig.news().await;
    assert_eq!(
        reason(&event),
        "Unit 1 refused the write of 0 to register 5052 with exception 2 (illegal data address)."
    );
    rig.values().await;
    assert_eq!(memory.get(1, 261), 90);
}

#[tokio::test(start_paused = true)]
async fn a_device_lost_meanwhile_gets_its_limit_when_it_is_back() {
    let memory = Memory::default();
    let mut far = charging(true, &memory);
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let mut rig = rig(rtu(), vec![device(1, &switching(), 500)], 64, move |r| {
        if is_gone.load(Ordering::Relaxed) {
            vec![]
        } else {
            far(r)
        }
    });
    rig.values().await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(9_000));
    assert_eq!(rig.news().await, limit_written(9_000));
    rig.bus.switch_phases(&id("dev-1"), Phases::One);
    rig.until(|_| memory.get(1, 1_552) != 3).await;
    gone.store(true, Ordering::Relaxed);
    let mut told = vec![rig.news().await, rig.news().await];
    told.sort_by_key(|event| matches!(event, BusEvent::Lost { .. }));
    assert_eq!(
        reason(&told[0]),
        "The device was lost while its phases were switched."
    );
    assert!(matches!(told[1], BusEvent::Lost { .. }), "{told:?}");
    gone.store(false, Ordering::Relaxed);
    rig.values().await;
    rig.until(|_| memory.get(1, 261) != 0).await;
    assert_eq!(memory.get(1, 261), 90);
}

#[tokio::test(start_paused = true)]
async fn set_points_in_watts_follow_the_phases() {
    let mut it = switching();
    it.limit.as_mut().unwrap().unit = LimitUnit::Watts;
    it.phase_switch.as_mut().unwrap().only_paused = false;
    let memory = Memory::default();
    let far = charging(true, &memory);
    let mut rig = rig(rtu(), vec![device(1, &it, 500)], 64, far);
    rig.values().await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(10_000));
    assert_eq!(rig.news().await, limit_written(10_000));
    assert_eq!(rig.written(), [(261, 69)], "3 x 230 V x 10 A");
    rig.bus.switch_phases(&id("dev-1"), Phases::One);
    assert_eq!(rig.news().await, switched(Phases::One));
    rig.until(|_| memory.get(1, 261) != 0).await;
    assert_eq!(memory.get(1, 261), 23, "230 V x 10 A");
    let paused = [(261, 69), (261, 0), (5_050, 3), (5_052, 0), (261, 23)];
    assert_eq!(rig.written(), paused, "69 on one phase would be 30 A");
}

#[tokio::test(start_paused = true)]
async fn phases_that_nothing_tells_count_as_one_for_set_points_in_watts() {
    let mut it = switching();
    it.limit.as_mut().unwrap().unit = LimitUnit::Watts;
    it.phase_switch.as_mut().unwrap().read_back = None;
    let far = charging(true, &Memory::default());
    let mut rig = rig(rtu(), vec![device(1, &it, 500)], 64, far);
    rig.values().await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(10_000));
    assert_eq!(rig.news().await, limit_written(10_000));
    assert_eq!(rig.written(), [(261, 23)], "too little, not too much");
    rig.bus.switch_phases(&id("dev-1"), Phases::Three);
    assert_eq!(rig.news().await, switched(Phases::Three), "by its echo");
    rig.values().await;
    rig.values().await;
    assert_eq!(rig.written().last(), Some(&(261, 69)));
}
