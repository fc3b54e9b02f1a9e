//! A device that is not the model of its profile is neither written to nor believed.

use hw_profiles::{Condition, Profile, RawMatch, RegisterType};
use site_model::Milliamps;

use super::line::*;
use crate::bus::BusEvent;
use crate::testing::{charger, register};

/// The test charger with a layout version, which must be at least 0x100.
fn versioned_charger() -> Profile {
    let mut it = charger();
    it.registers
        .push(register("layout", 50, RegisterType::U16).build());
    it.probes = vec![Condition {
        register: "layout".to_owned(),
        mask: None,
        test: RawMatch::Between(0x100, 0x2FF),
    }];
    it
}

#[tokio::test(start_paused = true)]
async fn another_model_is_lost_with_the_reason_and_used_once_it_is_the_right_one() {
    let memory = Memory::of([(5, 2), (7, 160), (50, 7)]);
    let far = memory.clone();
    let devices = vec![device(1, &versioned_charger(), 500)];
    let mut rig = rig(rtu(), devices, 64, move |r| far.answer(r));
    rig.bus.write_limit(&id("dev-1"), Milliamps(6_000));
    let BusEvent::Lost { device, fault } = rig.event().await else {
        panic!("the device should be lost before anything is read from it");
    };
    assert_eq!(device, id("dev-1"));
    assert_eq!(
        fault.message,
        "The device is no Test Bench, as profile test says: layout reads 7. Nothing is written to it."
    );
    assert_eq!(
        fault.remedy,
        "Let `firmware-agent identify` tell which profile fits, and write that into the configuration."
    );
    assert_eq!(rig.written(), []);

    memory.set(1, 50, 0x107);
    assert!(matches!(rig.event().await, BusEvent::Read(_)));
    let limit = Milliamps(6_000);
    assert_eq!(rig.news().await, BusEvent::LimitWritten { device, limit });
    assert_eq!(rig.written(), [(261, 60)]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_the_device_does_not_answer_blocks_nothing() {
    let memory = Memory::of([(5, 2), (7, 160)]);
    let far = memory.clone();
    let devices = vec![device(1, &versioned_charger(), 500)];
    let mut rig = rig(rtu(), devices, 64, move |r| {
        if r[1] != 6 && word(r, 2) == 50 {
            refused(r)
        } else {
            far.answer(r)
        }
    });
    rig.bus.write_limit(&id("dev-1"), Milliamps(6_000));
    let (device, limit) = (id("dev-1"), Milliamps(6_000));
    assert_eq!(rig.news().await, BusEvent::LimitWritten { device, limit });
}
