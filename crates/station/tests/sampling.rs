//! Meters become samples, at the moments the configuration wants.
#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

use ocpp::Time;
use ocpp::v16::{ReadingContext, SampledValue};
use site_model::{Hertz, Milliamps, Millivolts, Phase, Value, WattHours, Watts};
use station::sampling::{Shown, next_aligned, samples};

fn at(second: i64) -> Time {
    Time::from_unix_ms(second * 1000).unwrap()
}

fn shown(wanted: &[&str], values: &[Value]) -> Vec<String> {
    let shown = Shown {
        register: Some(WattHours(42)),
        values,
    };
    let told = samples(
        wanted.iter().copied(),
        shown,
        ReadingContext::SamplePeriodic,
    );
    let line = |sample: &SampledValue| {
        assert_eq!(sample.context, Some(ReadingContext::SamplePeriodic));
        let phase = sample.phase.map_or("-", ocpp::v16::Phase::as_str);
        let unit = sample.unit.unwrap().as_str();
        format!(
            "{} {phase} {} {unit}",
            sample.measurand.unwrap(),
            sample.value
        )
    };
    told.iter().map(line).collect()
}

fn meter() -> Vec<Value> {
    vec![
        Value::Current(Phase::L1, Milliamps(16_050)),
        Value::Current(Phase::L3, Milliamps(0)),
        Value::Voltage(Phase::L2, Millivolts(229_900)),
        Value::Power(Watts(-11_040)),
        Value::PowerOfPhase(Phase::L2, Watts(3_680)),
        Value::CurrentLimit(Milliamps(16_000)),
        Value::EnergyExport(WattHours(7)),
        Value::Frequency(Hertz(49_987)),
        Value::EnergyImport {
            energy: WattHours(9_999),
            resolution: WattHours(1),
        },
        Value::Serial("S".into()),
    ]
}

#[test]
fn the_wanted_measurands_are_told_in_their_order_and_only_what_there_is() {
    let values = meter();
    assert_eq!(
        shown(
            &[
                "Current.Import",
                "Energy.Active.Import.Register",
                "SoC",
                "Voltage"
            ],
            &values
        ),
        [
            "Current.Import L1 16.05 A",
            "Current.Import L3 0 A",
            "Energy.Active.Import.Register - 42 Wh",
            "Voltage L2-N 229.9 V",
        ]
    );
    assert_eq!(
        shown(
            &[
                "Current.Import.L3",
                "Current.Import.L2",
                "Voltage.L2-N",
                "Power.Active.Import.L2"
            ],
            &values
        ),
        [
            "Current.Import L3 0 A",
            "Voltage L2-N 229.9 V",
            "Power.Active.Import L2 3680 W"
        ]
    );
    assert_eq!(
        shown(
            &[
                "Power.Active.Import",
                "Current.Offered",
                "Energy.Active.Export.Register",
                "Frequency"
            ],
            &values
        ),
        [
            "Power.Active.Import - -11040 W",
            "Power.Active.Import L2 3680 W",
            "Current.Offered - 16 A",
            "Energy.Active.Export.Register - 7 Wh",
            "Frequency - 49.987 Hertz",
        ]
    );
    assert_eq!(shown(&[], &values), Vec::<String>::new());
    let nothing = Shown {
        register: None,
        values: &[],
    };
    assert_eq!(
        samples(
            ["Energy.Active.Import.Register"],
            nothing,
            ReadingContext::Trigger
        ),
        []
    );
}

#[test]
fn aligned_moments_count_from_midnight() {
    let day = 20_000 * 86_400;
    assert_eq!(next_aligned(at(day), 900), Some(at(day + 900)));
    assert_eq!(next_aligned(at(day + 899), 900), Some(at(day + 900)));
    assert_eq!(next_aligned(at(day + 900), 900), Some(at(day + 1_800)));
    assert_eq!(
        next_aligned(at(day + 86_399), 50_000),
        Some(at(day + 86_400)),
        "midnight comes in between"
    );
    assert_eq!(next_aligned(at(-1), 900), Some(at(0)));
    assert_eq!(next_aligned(at(day), 0), None);
}
