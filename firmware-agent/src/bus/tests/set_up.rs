//! Fixed values after each connection, before anything else is written.

use hw_profiles::{Access, RegisterType, SetupWrite};
use site_model::Milliamps;

use super::line::*;
use crate::bus::BusEvent;
use crate::testing::{charger, register, write_register};

fn set_up(address: u16, value: u64, read_back: Option<&str>) -> SetupWrite {
    SetupWrite {
        write: write_register(address),
        value,
        read_back: read_back.map(str::to_owned),
        unconfirmed: false,
    }
}

fn limit_written(limit: u32) -> BusEvent {
    BusEvent::LimitWritten {
        device: id("dev-1"),
        limit: Milliamps(limit),
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_read_back_so_is_set_up_before_the_limit_after_each_connection() {
    let mut it = charger();
    it.registers
        .push(register("source", 50, RegisterType::U16).build());
    it.registers
        .push(register("mode", 51, RegisterType::U16).build());
    it.setup = vec![
        set_up(50, 3, Some("source")),
        set_up(51, 7, Some("mode")),
        set_up(60, 1, None),
    ];
    let memory = Memory::of([(5, 2), (7, 160), (51, 7)]);
    let far = memory.clone();
    let mut rig = rig(rtu(), vec![device(1, &it, 500)], 64, move |r| far.answer(r));
    rig.bus.write_limit(&id("dev-1"), Milliamps(6_000));
    assert_eq!(rig.news().await, limit_written(6_000));
    assert_eq!(rig.written(), [(50, 3), (60, 1), (261, 60)]);
    memory.set(1, 51, 0);
    rig.hang_up.notify_one();
    rig.until(|rig| rig.written().len() == 5).await;
    assert_eq!(rig.written()[3..], [(51, 7), (60, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_set_up_that_is_refused_is_told_in_the_diagnostics_and_holds_nothing_up() {
    let mut it = charger();
    it.setup = vec![set_up(50, 3, None), set_up(51, 4, None)];
    let mut rig = rig(rtu(), vec![device(1, &it, 500)], 64, |r| {
        if r[1] == 6 && word(r, 2) == 50 {
            refused(r)
        } else {
            soon(healthy(r, idle_charger))
        }
    });
    rig.bus.write_limit(&id("dev-1"), Milliamps(6_000));
    assert_eq!(rig.news().await, limit_written(6_000));
    assert_eq!(rig.written(), [(50, 3), (51, 4), (261, 60)]);
    let seen = rig.bus.diagnostics();
    let fault = &seen.devices[0].last_error.as_ref().unwrap().fault;
    assert_eq!(
        fault.message,
        "Unit 1 refused the write of 3 to register 50 with exception 2 (illegal data address)."
    );
}

#[tokio::test(start_paused = true)]
async fn a_coil_can_be_set_up_and_read_back() {
    let mut it = charger();
    let mut enabled = register("enabled", 400, RegisterType::Bit).build();
    enabled.table = hw_profiles::Table::Coil;
    it.registers.push(enabled);
    let mut enable = set_up(400, 1, Some("enabled"));
    enable.write.access = Access::Coil;
    enable.write.ty = RegisterType::Bit;
    it.setup = vec![enable];
    let memory = Memory::of([(5, 2), (7, 160)]);
    let far = memory.clone();
    let mut rig = rig(rtu(), vec![device(1, &it, 500)], 64, move |r| far.answer(r));
    for _ in 0..3 {
        rig.values().await;
    }
    assert_eq!(memory.get(1, 400), 1);
    rig.hang_up.notify_one();
    for _ in 0..3 {
        rig.values().await;
    }
    let coils = rig.heard().into_iter().filter(|(_, frame)| frame[1] == 5);
    assert_eq!(
        coils.count(),
        1,
        "it reads back so in the second connection"
    );
}
