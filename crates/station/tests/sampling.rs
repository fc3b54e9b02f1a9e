//! Meters become samples, at the moments the configuration wants.
#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

use ocpp::v16::ReadingContext;
use ocpp::{Tenths, Time};
use site_model::{Hertz, Milliamps, Millivolts, Phase, Value, WattHours, Watts};
use station::profiles::Electrics;
use station::sampling::{Figure, next_aligned, wanted, whole_power};

fn at(second: i64) -> Time {
    Time::from_unix_ms(second * 1000).unwrap()
}

fn shown(words: &[&str], figures: &[Figure]) -> Vec<String> {
    let line = |figure: &&Figure| {
        let sample = figure.sample(ReadingContext::SamplePeriodic);
        assert_eq!(sample.context, Some(ReadingContext::SamplePeriodic));
        let phase = sample.phase.map_or("-", ocpp::v16::Phase::as_str);
        let unit = sample.unit.unwrap().as_str();
        format!(
            "{} {phase} {} {unit}",
            sample.measurand.unwrap(),
            sample.value
        )
    };
    wanted(words, figures).iter().map(line).collect()
}

fn meter() -> Vec<Figure> {
    let values = [
        Value::Current(Phase::L1, Milliamps(16_050)),
        Value::Current(Phase::L3, Milliamps(0)),
        Value::Voltage(Phase::L2, Millivolts(229_900)),
        Value::Power(Watts(-11_040)),
        Value::PowerOfPhase(Phase::L2, Watts(3_680)),
        Value::CurrentLimit(Milliamps(16_100)),
        Value::EnergyExport(WattHours(7)),
        Value::Frequency(Hertz(49_987)),
        Value::EnergyImport {
            energy: WattHours(9_999),
            resolution: WattHours(1),
        },
        Value::Serial("S".into()),
    ];
    let electrics = Electrics {
        voltage_mv: 230_000,
        phases: 3,
        switches_phases: false,
        max: Tenths(160),
    };
    let register = Figure::register(WattHours(42));
    let told = values.iter().filter_map(Figure::of);
    let offered = Figure::offered(Milliamps(15_900), &electrics);
    std::iter::once(register)
        .chain(told)
        .chain(offered)
        .collect()
}

#[test]
fn the_wanted_measurands_are_told_in_their_order_and_only_what_there_is() {
    let figures = meter();
    assert_eq!(
        shown(
            &[
                "Current.Import",
                "Energy.Active.Import.Register",
                "SoC",
                "Voltage"
            ],
            &figures
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
                "Voltage.L2",
                "Voltage.L2-N",
                "Power.Active.Import.L2"
            ],
            &figures
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
                "Power.Offered",
                "Energy.Active.Export.Register",
                "Frequency"
            ],
            &figures
        ),
        [
            "Power.Active.Import - -11040 W",
            "Power.Active.Import L2 3680 W",
            "Current.Offered - 15.9 A",
            "Power.Offered - 10971 W",
            "Energy.Active.Export.Register - 7 Wh",
            "Frequency - 49.987 Hertz",
        ]
    );
    assert_eq!(shown(&[], &figures), Vec::<String>::new());
    let register = "Energy.Active.Import.Register";
    assert_eq!(shown(&[register], &[]), Vec::<String>::new());
}

#[test]
fn a_device_that_tells_its_phases_tells_their_sum_and_one_that_tells_the_sum_is_not_added_up() {
    let phases = [(Phase::L1, 3_700), (Phase::L2, 0), (Phase::L3, -20)];
    let phases = phases.map(|(phase, watts)| Value::PowerOfPhase(phase, Watts(watts)));
    let phases: Vec<Figure> = phases.iter().filter_map(Figure::of).collect();
    let sum = whole_power(&phases);
    assert_eq!(sum, Figure::of(&Value::Power(Watts(3_680))));
    let voltage = Figure::of(&Value::Voltage(Phase::L1, Millivolts(1)));
    assert_eq!(whole_power(voltage.as_slice()), None);
    let all: Vec<Figure> = phases.into_iter().chain(sum).collect();
    assert_eq!(whole_power(&all), None);
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
