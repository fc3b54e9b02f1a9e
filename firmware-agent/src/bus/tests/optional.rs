//! Registers that variants of a model do not have.

use hw_profiles::{PollClass, Quantity, RegisterType};
use site_model::{Value, VoltAmperes, Watts};

use super::line::*;
use crate::bus::BusEvent;
use crate::testing::{profile, register};

fn meter() -> hw_profiles::Profile {
    let mut it = profile(vec![
        register("power", 10, RegisterType::U16)
            .of(Quantity::Power)
            .build(),
        register("apparent", 11, RegisterType::U16)
            .of(Quantity::ApparentPower)
            .build(),
        register("error", 12, RegisterType::U16)
            .of(Quantity::ErrorCode)
            .polled(PollClass::Slow)
            .build(),
    ]);
    it.registers[1].optional = true;
    it
}

#[tokio::test(start_paused = true)]
async fn one_that_is_refused_is_dropped_until_the_next_connection_and_the_others_stay_together() {
    let mut it = meter();
    it.registers[1].address = 13;
    let has_it = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let has = std::sync::Arc::clone(&has_it);
    let mut it_without_slow = it.clone();
    it_without_slow.registers[2].poll = PollClass::Fast;
    it_without_slow.link.max_hole_registers = 1;
    let mut rig = rig(
        rtu(),
        vec![device(1, &it_without_slow, 500)],
        64,
        move |r| {
            let (start, count) = (word(r, 2), word(r, 4));
            let missing = (start..start + count).contains(&13);
            if missing && !has.load(std::sync::atomic::Ordering::Relaxed) {
                refused(r)
            } else {
                soon(healthy(r, |address| address))
            }
        },
    );
    let power = Value::Power(Watts(10));
    let error = Value::ErrorCode(12);
    for _ in 0..50 {
        assert_eq!(rig.values().await, [power.clone(), error.clone()]);
    }
    let asked: Vec<(u16, u16)> = rig
        .heard()
        .iter()
        .map(|(_, frame)| (word(frame, 2), word(frame, 4)))
        .collect();
    // The block, then each alone, and from the second poll on one read without the missing one.
    assert_eq!(asked[..4], [(10, 4), (10, 1), (12, 1), (13, 1)]);
    assert!(asked[4..].iter().all(|read| *read == (10, 3)), "{asked:?}");
    let seen = rig.bus.diagnostics();
    assert_eq!(seen.devices[0].last_error, None, "{seen:?}");
    assert_eq!(seen.devices[0].polls, 50);

    has_it.store(true, std::sync::atomic::Ordering::Relaxed);
    rig.hang_up.notify_one();
    rig.until(|rig| rig.bus.diagnostics().opened == 2).await;
    let values = rig.values().await;
    let apparent = Value::ApparentPower(VoltAmperes(13));
    assert_eq!(values, [power, apparent, error]);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_lacks_only_what_is_due_now_is_not_lost() {
    let mut it = profile(vec![
        register("power", 10, RegisterType::U16)
            .of(Quantity::Power)
            .polled(PollClass::Once)
            .build(),
        register("apparent", 13, RegisterType::U16)
            .of(Quantity::ApparentPower)
            .build(),
    ]);
    it.registers[1].optional = true;
    let mut rig = rig(rtu(), vec![device(1, &it, 500)], 64, |r| {
        if word(r, 2) == 13 {
            refused(r)
        } else {
            soon(healthy(r, |address| address))
        }
    });
    assert_eq!(rig.values().await, [Value::Power(Watts(10))]);
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(rig.pending(), Vec::<BusEvent>::new());
}
