//! Word order found by a value, and registers found by walking SunSpec models.

use std::time::Duration;

use hw_profiles::{Access, Quantity, RegisterType, Scale, SunSpec, WordOrder, WordProbe};
use site_model::{Hertz, Milliamps, Value, Watts};
use tokio::time::sleep;

use super::line::*;
use crate::bus::{BusDevice, BusEvent};
use crate::testing::{charger, profile, register};

/// The test charger with a frequency as float, and a limit of 32 bits.
fn wide_charger() -> hw_profiles::Profile {
    let mut it = charger();
    let frequency = register("frequency", 20, RegisterType::F32)
        .of(Quantity::Frequency)
        .scaled(Scale {
            numerator: 1_000,
            denominator: 1,
        });
    it.registers.push(frequency.build());
    it.word_probe = Some(WordProbe {
        register: "frequency".to_owned(),
        low: 45_000,
        high: 65_000,
    });
    let control = it.limit.as_mut().unwrap();
    control.write.ty = RegisterType::U32;
    control.write.access = Access::Multiple;
    it
}

/// 50.0 Hz, low word first.
fn low_first(address: u16) -> u16 {
    match address {
        20 => 0,
        21 => 0x4248,
        other => idle_charger(other),
    }
}

#[tokio::test(start_paused = true)]
async fn the_order_that_makes_sense_is_used_for_reading_and_writing() {
    let mut rig = rig(rtu(), vec![device(1, &wide_charger(), 500)], 64, |r| {
        soon(healthy(r, low_first))
    });
    rig.bus.write_limit(&id("dev-1"), Milliamps(10_000));
    let values = rig.values().await;
    assert!(
        values.contains(&Value::Frequency(Hertz(50_000))),
        "{values:?}"
    );
    assert!(matches!(rig.news().await, BusEvent::LimitWritten { .. }));
    let writes: Vec<Vec<u8>> = rig
        .heard()
        .into_iter()
        .map(|(_, frame)| frame)
        .filter(|frame| frame[1] == 16)
        .collect();
    let low_word_first = framed(&[1, 16, 1, 5, 0, 2, 4, 0, 100, 0, 0]);
    assert_eq!(writes, [low_word_first], "never in the other order");
    assert_eq!(rig.bus.diagnostics().devices[0].last_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_configured_order_is_not_doubted() {
    let devices = vec![BusDevice {
        words: Some(WordOrder::HighFirst),
        ..device(1, &wide_charger(), 500)
    }];
    let mut rig = rig(rtu(), devices, 64, |r| soon(healthy(r, low_first)));
    let values = rig.values().await;
    assert!(values.contains(&Value::Frequency(Hertz(0))), "{values:?}");
    let devices = vec![BusDevice {
        words: Some(WordOrder::LowFirst),
        ..device(1, &wide_charger(), 500)
    }];
    let mut rig = super::line::rig(rtu(), devices, 64, |r| soon(healthy(r, low_first)));
    let values = rig.values().await;
    assert!(
        values.contains(&Value::Frequency(Hertz(50_000))),
        "{values:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_value_that_neither_order_explains_is_told_in_the_diagnostics() {
    let mut rig = rig(rtu(), vec![device(1, &wide_charger(), 500)], 64, |r| {
        soon(healthy(r, idle_charger))
    });
    rig.values().await;
    let seen = rig.bus.diagnostics();
    assert_eq!(
        seen.devices[0].last_error.as_ref().unwrap().fault.message,
        "With neither word order does frequency of profile test lie where it must."
    );
}

fn sunspec_meter() -> hw_profiles::Profile {
    let mut it = profile(vec![
        register("w", 18, RegisterType::I16)
            .of(Quantity::Power)
            .holding()
            .build(),
        register("w_sf", 22, RegisterType::I16).holding().build(),
    ]);
    it.registers[0].models = vec![201, 203];
    it.registers[0].scale_register = Some("w_sf".to_owned());
    it.registers[1].models = vec![201, 203];
    it.sunspec = Some(SunSpec {
        bases: vec![40_000, 0],
    });
    it
}

/// A common model, then model 203 at 68: 123 with a scale of ten.
fn blocks(address: u16) -> u16 {
    match address {
        0 => 0x5375,
        1 => 0x6E53,
        2 => 1,
        3 => 64,
        68 => 203,
        69 => 105,
        86 => 123,
        90 => 1,
        175 => 0xFFFF,
        _ => 0,
    }
}

#[tokio::test(start_paused = true)]
async fn a_sunspec_meter_is_found_and_read_where_it_is() {
    let mut rig = rig(rtu(), vec![device(1, &sunspec_meter(), 500)], 64, |r| {
        if word(r, 2) >= 40_000 {
            refused(r)
        } else {
            soon(healthy(r, blocks))
        }
    });
    assert_eq!(rig.values().await, [Value::Power(Watts(1_230))]);
    let addresses = |rig: &Rig| -> Vec<u16> {
        let heard = rig.heard();
        heard.iter().map(|(_, frame)| word(frame, 2)).collect()
    };
    assert_eq!(addresses(&rig), [40_000, 0, 2, 68, 175, 86, 90]);
    rig.values().await;
    assert_eq!(addresses(&rig)[7..], [86, 90], "it is not searched again");
}

#[tokio::test(start_paused = true)]
async fn a_device_without_the_models_is_lost_with_a_reason_and_searched_again() {
    let mut rig = rig(rtu(), vec![device(1, &sunspec_meter(), 500)], 64, refused);
    let BusEvent::Lost { fault, .. } = rig.news().await else {
        panic!("not lost");
    };
    assert_eq!(
        fault.message,
        "The device has none of the SunSpec models of profile test."
    );
    let before = rig.heard().len();
    sleep(Duration::from_secs(120)).await;
    assert!(rig.heard().len() > before);
}
