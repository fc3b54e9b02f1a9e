//! The failsafe: written, read back, stored after a change only, compared again.

use std::time::Duration;

use hw_profiles::{Profile, RegisterType, SetupWrite};
use site_model::Milliamps;
use tokio::time::{Instant, sleep, timeout};

use super::line::*;
use crate::bus::{BusDevice, BusEvent, FailsafeSettings, FailsafeState};
use crate::testing::{charger, failsafe, register, write_register};

/// The test charger with a failsafe: current in 262, timeout in 257, stored by a 1 to 300.
fn safe_charger() -> Profile {
    let mut it = charger();
    let current = register("failsafe_current", 262, RegisterType::U16).holding();
    let timeout = register("failsafe_timeout", 257, RegisterType::U16).holding();
    it.registers.extend([current.build(), timeout.build()]);
    it.failsafe = Some(failsafe());
    it.failsafe.as_mut().unwrap().persist = Some(SetupWrite {
        write: write_register(300),
        value: 1,
        read_back: None,
        unconfirmed: false,
    });
    it
}

/// 6 A after 60 s.
fn safe(profile: &Profile) -> Vec<BusDevice> {
    let settings = FailsafeSettings {
        current: Milliamps(6_000),
        timeout_ms: 60_000,
    };
    vec![BusDevice {
        failsafe: Some(settings),
        ..device(1, profile, 500)
    }]
}

fn told(state: FailsafeState) -> BusEvent {
    BusEvent::Failsafe {
        device: id("dev-1"),
        state,
    }
}

const WHOLE: [(u16, u16); 3] = [(262, 60), (257, 60), (300, 1)];

#[tokio::test(start_paused = true)]
async fn it_is_written_read_back_and_stored_and_untouched_after_a_new_connection() {
    let memory = Memory::of([(5, 2), (7, 160)]);
    let far = memory.clone();
    let mut rig = rig(rtu(), safe(&safe_charger()), 64, move |r| far.answer(r));
    assert_eq!(rig.news().await, told(FailsafeState::Confirmed));
    assert_eq!(rig.written(), WHOLE);
    let seen = rig.bus.diagnostics();
    assert_eq!(seen.devices[0].failsafe, Some(FailsafeState::Confirmed));
    rig.hang_up.notify_one();
    assert_eq!(rig.news().await, told(FailsafeState::Confirmed));
    assert_eq!(rig.written(), WHOLE, "nothing wears the flash in vain");
}

#[tokio::test(start_paused = true)]
async fn it_is_compared_again_after_a_day_and_only_what_differs_is_written() {
    let memory = Memory::of([(5, 2), (7, 160)]);
    let far = memory.clone();
    let mut devices = safe(&safe_charger());
    devices[0].poll_interval_ms = 60_000;
    let mut rig = rig(rtu(), devices, 64, move |r| far.answer(r));
    let began = Instant::now();
    assert_eq!(rig.news().await, told(FailsafeState::Confirmed));
    memory.set(1, 257, 0);
    let day = Duration::from_secs(24 * 3_600);
    let told_again = async {
        loop {
            if let event @ BusEvent::Failsafe { .. } = rig.event().await {
                return event;
            }
        }
    };
    let event = timeout(day * 2, told_again).await.expect("within two days");
    assert_eq!(event, told(FailsafeState::Confirmed));
    assert!((day..day + Duration::from_secs(300)).contains(&began.elapsed()));
    assert_eq!(rig.written()[3..], [(257, 60), (300, 1)]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_stay_written_differs_and_is_not_stored() {
    let memory = Memory::of([(5, 2), (7, 160)]);
    let mut rig = rig(rtu(), safe(&safe_charger()), 64, move |r| {
        let answer = memory.answer(r);
        memory.set(1, 257, 15); // it takes no other timeout
        answer
    });
    let BusEvent::Failsafe {
        state: FailsafeState::Differs { fault },
        ..
    } = rig.news().await
    else {
        panic!("it was told to be right");
    };
    assert_eq!(
        fault.message,
        "The failsafe was written, but failsafe_timeout reads back 15 instead of 60."
    );
    assert_eq!(rig.written(), [(262, 60), (257, 60), (257, 60)]);
    sleep(Duration::from_secs(600)).await;
    assert_eq!(
        rig.written().len(),
        3,
        "it is left alone until the next day"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_with_its_register() {
    let mut rig = rig(rtu(), safe(&safe_charger()), 64, |r| {
        if r[1] == 6 {
            refused(r)
        } else {
            soon(healthy(r, idle_charger))
        }
    });
    let BusEvent::Failsafe {
        state: FailsafeState::Differs { fault },
        ..
    } = rig.news().await
    else {
        panic!("it was told to be right");
    };
    assert_eq!(
        fault.message,
        "Unit 1 refused the write of 60 to register 262 with exception 2 (illegal data address)."
    );
    assert_eq!(rig.written(), [(262, 60)]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_written_in_each_connection_and_stored_once() {
    let mut it = safe_charger();
    let failsafe = it.failsafe.as_mut().unwrap();
    failsafe.current_read_back = None;
    failsafe.timeout_read_back = None;
    let memory = Memory::of([(5, 2), (7, 160)]);
    let mut rig = rig(rtu(), safe(&it), 64, move |r| memory.answer(r));
    assert_eq!(rig.news().await, told(FailsafeState::NotReadable));
    assert_eq!(rig.written(), WHOLE);
    rig.hang_up.notify_one();
    assert_eq!(rig.news().await, told(FailsafeState::NotReadable));
    assert_eq!(rig.written()[3..], [(262, 60), (257, 60)]);
}

#[tokio::test(start_paused = true)]
async fn it_is_switched_on_last_and_a_limit_does_not_wait_for_it() {
    let mut it = safe_charger();
    it.failsafe.as_mut().unwrap().enable = Some(SetupWrite {
        write: write_register(299),
        value: 1,
        read_back: None,
        unconfirmed: false,
    });
    let memory = Memory::of([(5, 2), (7, 160)]);
    let mut rig = rig(rtu(), safe(&it), 64, move |r| memory.answer(r));
    rig.bus.write_limit(&id("dev-1"), Milliamps(7_000));
    assert!(matches!(rig.news().await, BusEvent::LimitWritten { .. }));
    assert_eq!(rig.news().await, told(FailsafeState::NotReadable));
    let order = [(261, 70), (262, 60), (257, 60), (299, 1), (300, 1)];
    assert_eq!(rig.written(), order);
}

#[tokio::test(start_paused = true)]
async fn a_variant_without_it_is_told_so() {
    let mut it = safe_charger();
    let firmware = crate::testing::condition("state", hw_profiles::RawMatch::OneOf(vec![9]));
    it.failsafe.as_mut().unwrap().when = vec![firmware];
    let mut rig = rig(rtu(), safe(&it), 64, |r| soon(healthy(r, idle_charger)));
    let event = rig.news().await;
    assert!(
        matches!(&event, BusEvent::Failsafe { state: FailsafeState::Differs { fault }, .. }
            if fault.message == "The failsafe was not written: this variant of test has none."),
        "{event:?}"
    );
    assert_eq!(rig.written(), []);
}
