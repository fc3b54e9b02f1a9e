//! Limits: the newest wins, writes go first, an echo is no answer, flash is spared.

use std::time::Duration;

use hw_profiles::{KeepAlive, PauseControl};
use site_model::Milliamps;
use tokio::time::{Instant, sleep};

use super::line::*;
use crate::bus::BusEvent;
use crate::testing::{charger, write_register};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn written(limit: u32) -> BusEvent {
    BusEvent::LimitWritten {
        device: id("dev-1"),
        limit: Milliamps(limit),
    }
}

/// Events other than readings until `count` of them came.
async fn outcomes(rig: &mut Rig, count: usize) -> Vec<BusEvent> {
    let mut outcomes = vec![];
    while outcomes.len() < count {
        match rig.event().await {
            BusEvent::Read(_) => {}
            other @ (BusEvent::Lost { .. }
            | BusEvent::LimitWritten { .. }
            | BusEvent::WriteRefused { .. }
            | BusEvent::PhasesSwitched { .. }
            | BusEvent::PhasesRefused { .. }
            | BusEvent::Failsafe { .. }) => {
                outcomes.push(other);
            }
        }
    }
    outcomes
}

fn raw(rig: &Rig) -> Vec<u16> {
    rig.writes()
        .into_iter()
        .map(|(_, _, value)| value)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_written_rounded_down_and_confirmed_by_its_echo() {
    let mut rig = rig(rtu(), vec![device(1, &charger(), 500)], 16, |r| {
        soon(healthy(r, idle_charger))
    });
    rig.values().await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(10_199));
    assert_eq!(outcomes(&mut rig, 1).await, [written(10_100)]);
    assert_eq!(raw(&rig), [101]);
    rig.bus.write_limit(&id("stranger"), Milliamps(6_000));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(raw(&rig), [101]);
}

#[tokio::test(start_paused = true)]
async fn the_newest_set_point_wins_and_the_write_interval_is_kept() {
    let mut it = charger();
    it.link.write_interval_ms = 5_000;
    let mut rig = rig(rtu(), vec![device(1, &it, 500)], 16, |r| {
        soon(healthy(r, idle_charger))
    });
    rig.values().await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(6_000));
    assert_eq!(outcomes(&mut rig, 1).await, [written(6_000)]);
    for limit in [7_000, 8_000, 9_000] {
        rig.bus.write_limit(&id("dev-1"), Milliamps(limit));
        sleep(ms(700)).await;
    }
    assert_eq!(outcomes(&mut rig, 1).await, [written(9_000)]);
    let writes = rig.writes();
    assert_eq!(raw(&rig), [60, 90]);
    let apart = writes[1].0 - writes[0].0;
    assert!((5_000..5_020).contains(&apart.as_millis()), "{apart:?}");
}

#[tokio::test(start_paused = true)]
async fn a_write_goes_ahead_of_every_read_that_waits() {
    let devices = (1..=8).map(|unit| device(unit, &charger(), 1)).collect();
    let mut rig = rig(rtu(), devices, 64, |r| soon(healthy(r, idle_charger)));
    for _ in 0..20 {
        rig.event().await;
    }
    let before = rig.heard().len();
    rig.bus.write_limit(&id("dev-8"), Milliamps(6_000));
    outcomes(&mut rig, 1).await;
    let heard = rig.heard();
    let at = heard.iter().position(|(_, frame)| frame[1] == 6).unwrap();
    assert!(
        at <= before + 1,
        "at most the exchange under way comes first: {at}, {before}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_limit_waits_for_a_device_that_does_not_answer_and_goes_out_when_it_is_back() {
    let began = Instant::now();
    let mut rig = rig(rtu(), vec![device(1, &charger(), 100)], 16, move |r| {
        if began.elapsed().as_secs() < 20 {
            vec![]
        } else {
            soon(healthy(r, idle_charger))
        }
    });
    rig.bus.write_limit(&id("dev-1"), Milliamps(6_000));
    rig.bus.write_limit(&id("dev-1"), Milliamps(8_000));
    let events = outcomes(&mut rig, 2).await;
    assert!(matches!(events[0], BusEvent::Lost { .. }), "{events:?}");
    assert_eq!(events[1], written(8_000));
    assert_eq!(raw(&rig), [80]);
}

#[tokio::test(start_paused = true)]
async fn an_exception_refuses_the_limit_with_a_sentence() {
    let mut rig = rig(rtu(), vec![device(1, &charger(), 500)], 16, |r| {
        if r[1] == 6 {
            soon(framed(&[r[0], 0x86, 3]))
        } else {
            soon(healthy(r, idle_charger))
        }
    });
    rig.values().await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(6_000));
    let BusEvent::WriteRefused { fault, .. } = outcomes(&mut rig, 1).await.remove(0) else {
        panic!("not refused");
    };
    assert_eq!(
        fault.message,
        "Unit 1 refused the write of 60 to register 261 with exception 3 (illegal data value)."
    );
    sleep(Duration::from_secs(5)).await;
    assert_eq!(raw(&rig), [60], "a refused write is not repeated");
}

#[tokio::test(start_paused = true)]
async fn a_busy_device_gets_the_limit_later() {
    let mut busy = 2;
    let mut rig = rig(rtu(), vec![device(1, &charger(), 500)], 16, move |r| {
        if r[1] == 6 && busy > 0 {
            busy -= 1;
            soon(framed(&[r[0], 0x86, 5]))
        } else {
            soon(healthy(r, idle_charger))
        }
    });
    rig.values().await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(6_000));
    assert_eq!(outcomes(&mut rig, 1).await, [written(6_000)]);
    let writes = rig.writes();
    assert_eq!(writes.len(), 3);
    assert!(
        writes
            .windows(2)
            .all(|pair| pair[1].0 - pair[0].0 >= ms(500))
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_echo_refuses_the_limit() {
    let mut rig = rig(rtu(), vec![device(1, &charger(), 500)], 16, |r| {
        if r[1] == 6 {
            soon(framed(&[r[0], 6, 1, 5, 0, 61]))
        } else {
            soon(healthy(r, idle_charger))
        }
    });
    rig.values().await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(6_000));
    let event = outcomes(&mut rig, 1).await.remove(0);
    let BusEvent::WriteRefused { fault, .. } = event else {
        panic!("{event:?}");
    };
    assert_eq!(
        fault.message,
        "Unit 1 answered the write of 60 to register 261 with another length, address or value."
    );
}

#[tokio::test(start_paused = true)]
async fn a_device_that_ignores_writes_refuses_after_three_and_goes_on_being_read() {
    let mut rig = rig(rtu(), vec![device(1, &charger(), 500)], 64, |r| {
        if r[1] == 6 {
            vec![]
        } else {
            soon(healthy(r, idle_charger))
        }
    });
    rig.values().await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(6_000));
    let events = outcomes(&mut rig, 1).await;
    assert!(
        matches!(events[0], BusEvent::WriteRefused { .. }),
        "{events:?}"
    );
    assert_eq!(raw(&rig), [60, 60, 60]);
    rig.values().await;
}

#[tokio::test(start_paused = true)]
async fn an_adapters_echo_of_a_write_is_not_the_answer() {
    let mut answers = false;
    let mut rig = rig(rtu(), vec![device(1, &charger(), 500)], 64, move |r| {
        let echo = (ms(0), r.to_vec());
        if r[1] == 6 && !std::mem::replace(&mut answers, true) {
            vec![echo] // the device is silent, only the adapter is heard
        } else {
            vec![echo, (ms(3), healthy(r, idle_charger))]
        }
    });
    rig.values().await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(6_000));
    assert_eq!(outcomes(&mut rig, 1).await, [written(6_000)]);
    assert_eq!(
        raw(&rig),
        [60, 60],
        "the first was echoed by the adapter only"
    );
}

#[tokio::test(start_paused = true)]
async fn a_switch_is_written_after_the_limit_without_waiting_for_the_interval() {
    let mut it = charger();
    it.link.write_interval_ms = 5_000;
    it.limit.as_mut().unwrap().pause = Some(PauseControl::Switch {
        write: write_register(5_014),
        pause: 0,
        resume: 1,
    });
    let mut rig = rig(rtu(), vec![device(1, &it, 500)], 16, |r| {
        soon(healthy(r, idle_charger))
    });
    rig.values().await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(6_000));
    assert_eq!(outcomes(&mut rig, 1).await, [written(6_000)]);
    rig.bus.write_limit(&id("dev-1"), Milliamps::PAUSE);
    assert_eq!(outcomes(&mut rig, 1).await, [written(0)]);
    let writes = rig.writes();
    let what: Vec<_> = writes
        .iter()
        .map(|(_, address, value)| (*address, *value))
        .collect();
    assert_eq!(what, [(261, 60), (5_014, 1), (5_014, 0)]);
    assert!(writes[1].0 - writes[0].0 < ms(50) && writes[2].0 - writes[0].0 >= ms(5_000));
}

#[tokio::test(start_paused = true)]
async fn a_limit_in_flash_is_written_on_change_only() {
    let mut it = charger();
    it.limit.as_mut().unwrap().volatile = false;
    let mut limit = 160;
    let mut rig = rig(rtu(), vec![device(1, &it, 500)], 64, move |r| {
        if r[1] == 6 {
            limit = word(r, 4);
        }
        soon(healthy(r, |a| if a == 7 { limit } else { idle_charger(a) }))
    });
    rig.values().await;
    for limit in [16_000, 10_000, 10_000, 10_050, 6_000] {
        rig.bus.write_limit(&id("dev-1"), Milliamps(limit));
        let applied = limit / 100 * 100;
        assert_eq!(outcomes(&mut rig, 1).await, [written(applied)]);
        rig.values().await;
    }
    assert_eq!(raw(&rig), [100, 60]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_in_flash_behind_a_pause_switch_is_not_written_again() {
    let mut it = charger();
    let control = it.limit.as_mut().unwrap();
    control.volatile = false;
    control.pause = Some(PauseControl::Switch {
        write: write_register(5_014),
        pause: 0,
        resume: 1,
    });
    let memory = Memory::of([(5, 2), (7, 160)]);
    let mut rig = rig(rtu(), vec![device(1, &it, 500)], 64, move |r| {
        memory.answer(r)
    });
    rig.values().await;
    for limit in [10_000, 0, 10_000, 0, 8_000] {
        rig.bus.write_limit(&id("dev-1"), Milliamps(limit));
        assert_eq!(outcomes(&mut rig, 1).await, [written(limit)]);
    }
    assert_eq!(
        rig.written(),
        [
            (261, 100),
            (5_014, 1),
            (5_014, 0),
            (5_014, 1),
            (5_014, 0),
            (261, 80),
            (5_014, 1)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_cannot_be_told_is_refused_without_a_write() {
    let mut cannot_pause = charger();
    cannot_pause.limit.as_mut().unwrap().pause = None;
    let mut meter = charger();
    meter.limit = None;
    let cases = [
        (
            cannot_pause,
            "The limit was not written: the limit is below the least current of this model, and the model cannot pause.",
        ),
        (meter, "The limit was not written: profile test has none."),
    ];
    for (profile, message) in cases {
        let mut rig = rig(rtu(), vec![device(1, &profile, 500)], 16, |r| {
            soon(healthy(r, idle_charger))
        });
        rig.values().await;
        rig.bus.write_limit(&id("dev-1"), Milliamps::PAUSE);
        let event = outcomes(&mut rig, 1).await.remove(0);
        assert!(
            matches!(&event, BusEvent::WriteRefused { fault, .. } if fault.message == message),
            "{event:?}"
        );
        assert_eq!(raw(&rig), [0u16; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn keep_alives_are_written_at_half_their_interval() {
    let mut it = charger();
    it.keep_alive = KeepAlive::WriteRegister {
        write: write_register(5_018),
        value: 30,
        interval_ms: 10_000,
    };
    let began = Instant::now();
    let mut rig = rig(rtu(), vec![device(1, &it, 500)], 256, |r| {
        soon(healthy(r, idle_charger))
    });
    sleep(Duration::from_secs(61)).await;
    let writes = rig.writes();
    assert!(
        writes
            .iter()
            .all(|(_, address, value)| (*address, *value) == (5_018, 30))
    );
    assert!((12..=13).contains(&writes.len()), "{}", writes.len());
    assert!(writes[0].0 - began < ms(100));
    assert!(
        rig.pending()
            .iter()
            .all(|event| matches!(event, BusEvent::Read(_)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_the_device_forgets_is_written_again_in_time() {
    let mut it = charger();
    it.keep_alive = KeepAlive::RewriteLimit {
        interval_ms: 20_000,
    };
    let mut rig = rig(rtu(), vec![device(1, &it, 60_000)], 256, |r| {
        soon(healthy(r, idle_charger))
    });
    rig.values().await;
    rig.bus.write_limit(&id("dev-1"), Milliamps(6_000));
    assert_eq!(outcomes(&mut rig, 1).await, [written(6_000)]);
    sleep(Duration::from_secs(55)).await;
    let writes = rig.writes();
    assert_eq!(raw(&rig), [60; 6]);
    assert!(
        writes
            .windows(2)
            .all(|pair| pair[1].0 - pair[0].0 <= ms(10_020)),
        "{writes:?}"
    );
    assert!(
        rig.pending()
            .iter()
            .all(|event| matches!(event, BusEvent::Read(_))),
        "asked once, told once"
    );
}
