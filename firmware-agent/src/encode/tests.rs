//! Set-points: rounding, pauses, meanings, floats, watts, failsafe.

use super::*;
use crate::testing::{failsafe, limit_control, write_register};
use proptest::prelude::*;

fn single(address: u16, value: u16) -> Write {
    own(Request::WriteSingle { address, value })
}

fn own(request: Request) -> Write {
    Write {
        request,
        station: false,
    }
}

fn order(writes: Vec<Write>, applied: u32) -> Result<LimitOrder, Unwritable> {
    Ok(LimitOrder {
        writes,
        applied: Milliamps(applied),
    })
}

#[test]
fn limits_round_down_to_the_step_and_never_up() {
    // Tenths of an ampere, 6 to 16 A, 0 pauses.
    let control = limit_control();
    let cases = [
        (0, 0, 0),
        (1, 0, 0),
        (5_999, 0, 0),
        (6_000, 60, 6_000),
        (6_099, 60, 6_000),
        (6_100, 61, 6_100),
        (16_000, 160, 16_000),
        (32_000, 160, 16_000),
        (u32::MAX, 160, 16_000),
    ];
    for (asked, raw, applied) in cases {
        assert_eq!(
            limit_order(&control, Milliamps(asked), 3),
            order(vec![single(261, raw)], applied),
            "{asked} mA"
        );
    }
}

#[test]
fn a_switch_pauses_alone_and_resumes_after_the_limit() {
    let mut control = limit_control();
    control.pause = Some(PauseControl::Switch {
        write: write_register(5_014),
        pause: 0,
        resume: 1,
    });
    assert_eq!(
        limit_order(&control, Milliamps::PAUSE, 3),
        order(vec![single(5_014, 0)], 0)
    );
    assert_eq!(
        limit_order(&control, Milliamps(10_000), 3),
        order(vec![single(261, 100), single(5_014, 1)], 10_000)
    );
}

#[test]
fn a_device_that_cannot_pause_refuses_less_than_its_minimum() {
    let mut control = limit_control();
    control.pause = None;
    for asked in [0, 5_999] {
        assert_eq!(
            limit_order(&control, Milliamps(asked), 3),
            Err(Unwritable::CannotPause)
        );
    }
}

#[test]
fn watts_are_reckoned_with_230_volts_and_the_phases() {
    let mut control = limit_control();
    control.unit = LimitUnit::Watts;
    control.scale = Scale {
        numerator: 100,
        denominator: 1,
    };
    // 3 × 230 V × 10 A = 6 900 W.
    assert_eq!(
        limit_order(&control, Milliamps(10_000), 3),
        order(vec![single(261, 69)], 10_000)
    );
    // 10.1 A are 6 969 W: 69 × 100 W, which is 10 A.
    assert_eq!(
        limit_order(&control, Milliamps(10_100), 3),
        order(vec![single(261, 69)], 10_000)
    );
    // 1 × 230 V × 10 A = 2 300 W.
    assert_eq!(
        limit_order(&control, Milliamps(10_000), 1),
        order(vec![single(261, 23)], 10_000)
    );
    // 6 A are 4 140 W: 41 × 100 W would be 5.9 A, which IEC 61851-1 does not know.
    assert_eq!(
        limit_order(&control, Milliamps(6_000), 3),
        order(vec![single(261, 0)], 0)
    );
}

#[test]
fn a_float_set_point_is_the_highest_float_that_is_not_above() {
    let mut control = limit_control();
    control.write.ty = RegisterType::F32;
    control.write.access = Access::Multiple;
    control.scale = Scale {
        numerator: 1_000,
        denominator: 1,
    };
    let float = |asked| {
        let made = limit_order(&control, Milliamps(asked), 3).unwrap();
        let Request::WriteMultiple {
            address: 261,
            values,
        } = &made.writes[0].request
        else {
            panic!("{made:?}");
        };
        let bits = (u32::from(values[0]) << 16) | u32::from(values[1]);
        (f32::from_bits(bits), made.applied.0)
    };
    assert_eq!(float(16_000), (16.0, 16_000));
    assert_eq!(float(6_500), (6.5, 6_500));
    let (tenth, applied) = float(6_100);
    assert!(
        f64::from(tenth) <= 6.1 && f64::from(tenth.next_up()) > 6.1,
        "{tenth}"
    );
    assert_eq!(applied, 6_099, "the float below 6.1 A allows a little less");
}

#[test]
fn a_raw_value_with_a_meaning_is_never_written_for_a_current() {
    use SetpointMeaning::{EndsSession, NoLimit, Refused};
    let mut control = limit_control();
    control.meanings = vec![(160, NoLimit), (159, Refused), (0, EndsSession)];
    assert_eq!(
        limit_order(&control, Milliamps(16_000), 3),
        order(vec![single(261, 158)], 15_800)
    );
    control.pause = None;
    control.meanings = vec![(60, Refused)];
    assert_eq!(
        limit_order(&control, Milliamps(6_000), 3),
        Err(Unwritable::CannotPause)
    );
}

#[test]
fn a_minimum_below_six_amperes_does_not_count() {
    let mut control = limit_control();
    control.minimum = Milliamps(1_000);
    assert_eq!(
        limit_order(&control, Milliamps(5_900), 3),
        order(vec![single(261, 0)], 0)
    );
}

#[test]
fn duty_cycles_are_sixths_of_an_ampere_in_tenths() {
    // IEC 61851-1: A = % x 0.6, so 0.1 % is 60 mA.
    let mut control = limit_control();
    control.scale.numerator = 60;
    assert_eq!(
        limit_order(&control, Milliamps(16_000), 3),
        order(vec![single(261, 266)], 15_960)
    );
}

#[test]
fn a_value_for_each_phase_is_one_write_and_a_coil_takes_only_bits() {
    let mut each = write_register(1);
    each.access = Access::Multiple;
    each.repeat = 3;
    each.station = true;
    let made = write(&each, 16).unwrap();
    assert_eq!(
        made,
        Write {
            request: Request::WriteMultiple {
                address: 1,
                values: vec![16; 3]
            },
            station: true
        }
    );
    let mut coil = write_register(400);
    coil.access = Access::Coil;
    coil.ty = RegisterType::Bit;
    let on = Request::WriteCoil {
        address: 400,
        on: true,
    };
    assert_eq!(write(&coil, 1), Ok(own(on)));
    assert_eq!(write(&coil, 2), Err(Unwritable::DoesNotFit));
    each.repeat = 124;
    assert_eq!(write(&each, 1), Err(Unwritable::DoesNotFit));
}

#[test]
fn a_failsafe_is_rounded_down_and_its_timeout_is_never_off() {
    let limit = limit_control();
    let mut failsafe = failsafe();
    let current =
        |failsafe: &Failsafe, asked| failsafe_current(failsafe, Some(&limit), Milliamps(asked), 3);
    let cases = [(6_000, 60), (6_099, 60), (5_999, 0), (0, 0), (32_000, 160)];
    for (asked, raw) in cases {
        assert_eq!(current(&failsafe, asked), Some(raw), "{asked} mA");
    }
    let timeouts = [(60_000, 60), (60_999, 60), (999, 1), (u64::MAX, 65_535)];
    for (asked, raw) in timeouts {
        assert_eq!(failsafe_timeout(&failsafe, asked), Some(raw), "{asked} ms");
    }
    failsafe.current_unit = LimitUnit::Watts;
    assert_eq!(
        current(&failsafe, 10_000),
        Some(69),
        "6.9 kW in steps of 100 W"
    );
    failsafe.current_pause = Some(99);
    assert_eq!(current(&failsafe, 5_999), Some(99));
    failsafe.current = None;
    failsafe.timeout = None;
    assert_eq!(current(&failsafe, 10_000), None);
    assert_eq!(failsafe_timeout(&failsafe, 10_000), None);
}

#[test]
fn a_value_too_wide_for_its_register_is_refused() {
    assert_eq!(
        write(&write_register(1), 0x1_0000),
        Err(Unwritable::DoesNotFit)
    );
    let mut wide = write_register(1);
    wide.ty = RegisterType::U32;
    assert_eq!(
        write(&wide, 1),
        Err(Unwritable::DoesNotFit),
        "function 6 writes one"
    );
    wide.access = Access::Multiple;
    wide.words = hw_profiles::WordOrder::LowFirst;
    assert_eq!(
        write(&wide, 0x0001_0002),
        Ok(own(Request::WriteMultiple {
            address: 1,
            values: vec![2, 1]
        }))
    );
}

proptest! {
    #[test]
    fn no_set_point_is_above_what_was_asked(
        asked: u32,
        numerator in 1u64..=10_000,
        denominator in 1u64..=10_000,
        watts: bool,
        phases in 1u8..=3,
        ty in prop_oneof![
            Just(RegisterType::U16), Just(RegisterType::I16),
            Just(RegisterType::U32), Just(RegisterType::F32), Just(RegisterType::F64),
        ],
    ) {
        let mut control = limit_control();
        control.unit = if watts { LimitUnit::Watts } else { LimitUnit::Milliamps };
        control.scale = Scale { numerator, denominator };
        control.write.ty = ty;
        control.write.access = Access::Multiple;
        control.maximum = Milliamps(80_000);
        let made = limit_order(&control, Milliamps(asked), phases).unwrap();
        prop_assert!(made.applied.0 <= asked);
        prop_assert!(made.applied == Milliamps::PAUSE || made.applied >= control.minimum);
    }

    #[test]
    fn what_is_written_decodes_to_what_is_said_to_apply(
        asked in 6_000u32..=16_000, numerator in 1u64..=1_000,
    ) {
        let mut control = limit_control();
        control.scale = Scale { numerator, denominator: 1 };
        let made = limit_order(&control, Milliamps(asked), 3).unwrap();
        let Request::WriteSingle { value, .. } = made.writes[0].request else {
            panic!("{made:?}");
        };
        prop_assert_eq!(u64::from(value) * numerator, u64::from(made.applied.0));
        let step = u32::try_from(numerator).unwrap();
        prop_assert!(made.applied == Milliamps::PAUSE || asked - made.applied.0 < step);
    }
}
