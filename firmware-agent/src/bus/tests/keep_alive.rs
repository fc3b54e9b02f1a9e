//! Timeouts that are written again and again, and life bits.

use std::time::Duration;

use hw_profiles::{KeepAlive, RegisterType};
use site_model::Milliamps;
use tokio::time::sleep;

use super::line::*;
use crate::bus::{BusDevice, FailsafeSettings};
use crate::testing::{charger, failsafe, register, write_register};

#[tokio::test(start_paused = true)]
async fn the_timeout_is_written_again_as_configured_at_half_the_shorter_interval() {
    let mut it = charger();
    it.failsafe = Some(failsafe());
    it.keep_alive = KeepAlive::RewriteTimeout {
        interval_ms: 60_000,
    };
    let settings = FailsafeSettings {
        current: Milliamps(6_000),
        timeout_ms: 20_000,
    };
    let devices = vec![BusDevice {
        failsafe: Some(settings),
        ..device(1, &it, 500)
    }];
    let rig = rig(rtu(), devices, 512, |r| soon(healthy(r, idle_charger)));
    sleep(Duration::from_secs(61)).await;
    let writes: Vec<_> = rig
        .writes()
        .into_iter()
        .filter(|(_, address, _)| *address == 257)
        .collect();
    assert!(
        writes.iter().all(|(_, _, value)| *value == 20),
        "{writes:?}"
    );
    // Once for the failsafe itself, then every 10 s from the start on.
    let apart = |pair: &[(tokio::time::Instant, u16, u16)]| (pair[1].0 - pair[0].0).as_secs();
    assert!(
        writes.windows(2).all(|pair| apart(pair) <= 10),
        "{writes:?}"
    );
    assert!((7..=8).contains(&writes.len()), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_keep_alive_in_the_limits_own_register_counts_for_its_write_interval() {
    for (address, waits) in [(261, true), (262, false)] {
        let mut it = charger();
        it.link.write_interval_ms = 5_000;
        it.keep_alive = KeepAlive::WriteRegister {
            write: write_register(address),
            value: 0,
            interval_ms: 60_000,
        };
        let mut rig = rig(rtu(), vec![device(1, &it, 500)], 64, |r| {
            soon(healthy(r, idle_charger))
        });
        rig.values().await;
        rig.until(|rig| !rig.written().is_empty()).await;
        rig.bus.write_limit(&id("dev-1"), Milliamps(6_000));
        rig.news().await;
        let writes = rig.writes();
        let apart = writes[1].0 - writes[0].0;
        assert_eq!(apart >= Duration::from_secs(5), waits, "{apart:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_known_timeout_none_is_made_up() {
    let mut it = charger();
    it.failsafe = Some(failsafe());
    it.keep_alive = KeepAlive::RewriteTimeout {
        interval_ms: 10_000,
    };
    let rig = rig(rtu(), vec![device(1, &it, 500)], 512, |r| {
        soon(healthy(r, idle_charger))
    });
    sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.written(), []);
}

#[tokio::test(start_paused = true)]
async fn a_life_bit_that_stands_is_told_and_one_that_is_cleared_is_not() {
    for clears in [true, false] {
        let mut it = charger();
        it.registers.push(
            register("life_bit", 400, RegisterType::U16)
                .holding()
                .polled(hw_profiles::PollClass::Slow)
                .build(),
        );
        it.keep_alive = KeepAlive::LifeBit {
            write: write_register(400),
            value: 1,
            read_back: "life_bit".to_owned(),
            cleared: 0,
            interval_ms: 4_000,
        };
        let memory = Memory::of([(5, 2), (7, 160)]);
        let rig = rig(rtu(), vec![device(1, &it, 500)], 512, move |r| {
            let answer = memory.answer(r);
            if clears && r[1] != 6 {
                memory.set(1, 400, 0);
            }
            answer
        });
        sleep(Duration::from_secs(20)).await;
        assert!(
            (10..=11).contains(&rig.written().len()),
            "{:?}",
            rig.written()
        );
        let seen = rig.bus.diagnostics();
        let message = seen.devices[0]
            .last_error
            .as_ref()
            .map(|e| e.fault.message.as_str());
        let stands = "The device does not clear its life bit: life_bit still reads 1.";
        assert_eq!(message, (!clears).then_some(stands), "clears: {clears}");
    }
}
