//! When meters are sampled, what waits, and what a stop tells: each with its bound.
#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

use ocpp::v16::{Measurand, MeterValue, MeterValuesRequest, Request};
use ocpp::{Payload as _, Tenths, Time};
use serde_json::{Value as Json, json};
use site_model::{
    BootId, Milliamps, Monotonic, Phase, SessionId, Timestamp, Value, WallTime, WattHours, Watts,
};
use station::configuration::{Configuration, Equipment};
use station::profiles::Electrics;
use station::sampler::{
    COLLECTED_MAX, ENDED_MAX, Ends, FRESH_MS, Reading, Sampler, WAITING_MAX, Wants,
};

/// 2025-11-22T12:00:00Z
const NOON: i64 = 1_763_812_800_000;
const REGISTER: &str = "Energy.Active.Import.Register";

/// A moment, in ms after noon and after the boot.
fn at(ms: u64) -> Timestamp {
    Timestamp {
        boot: BootId(1),
        monotonic: Monotonic(ms),
        wall: WallTime(NOON + i64::try_from(ms).unwrap()),
        wall_known: true,
    }
}

fn keys(changes: &[(&str, &str)]) -> Wants {
    let measurands = vec![
        Measurand::EnergyActiveImportRegister,
        Measurand::PowerActiveImport,
        Measurand::CurrentImport,
        Measurand::CurrentOffered,
    ];
    let equipment = Equipment {
        connectors: 2,
        measurands,
        own: Vec::new(),
    };
    let (configuration, left_out) = Configuration::new(equipment, changes.iter().copied());
    assert_eq!(left_out, Vec::<String>::new());
    Wants::of(&configuration)
}

fn sampler(changes: &[(&str, &str)]) -> Sampler {
    let electrics = Electrics {
        voltage_mv: 230_000,
        phases: 3,
        switches_phases: false,
        max: Tenths(160),
    };
    let mut sampler = Sampler::new(&[electrics; 2], keys(changes));
    sampler.listen(true);
    sampler
}

fn session(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

/// The core shows this session on the connector since `since_ms`.
fn begin(sampler: &mut Sampler, connector: u8, name: &str, since_ms: u64) {
    let (session, since) = (session(name), at(since_ms));
    let shown = Some((&session, &since));
    sampler.show(&since, connector, shown, Milliamps(16_000));
}

fn end(sampler: &mut Sampler, connector: u8, now_ms: u64) {
    sampler.show(&at(now_ms), connector, None, Milliamps(16_000));
}

fn read(sampler: &mut Sampler, connector: u8, now_ms: u64, register: u64) -> bool {
    let reading = Reading {
        by_meter: true,
        values: &[],
        register: Some(WattHours(register)),
    };
    sampler.measured(&at(now_ms), connector, reading)
}

/// What is to be told now, as JSON; each is answered.
fn told(sampler: &mut Sampler) -> Vec<Json> {
    let mut told = Vec::new();
    while let Some(request) = sampler.next_to_tell() {
        told.push(json_of(request));
        sampler.settled(true);
    }
    told
}

fn json_of(request: MeterValuesRequest) -> Json {
    Request::from(request).to_value()
}

fn message(connector: u8, id: Option<i64>, time: &str, context: &str, register: u64) -> Json {
    let mut message = json!({"connectorId": connector, "meterValue": [{"timestamp": time, "sampledValue": [
        {"value": register.to_string(), "context": context, "measurand": REGISTER, "unit": "Wh"},
    ]}]});
    if let Some(id) = id {
        message["transactionId"] = id.into();
    }
    message
}

#[test]
fn a_transaction_is_sampled_at_its_interval_from_its_start_and_a_silence_is_not_made_up_for() {
    let mut sampler = sampler(&[("MeterValueSampleInterval", "10")]);
    assert!(!read(&mut sampler, 1, 0, 100), "no transaction");
    begin(&mut sampler, 1, "one", 3_000);
    sampler.begun(&at(3_500), &session("one"), 7);
    for now_ms in [4_000, 12_999] {
        assert!(!read(&mut sampler, 1, now_ms, 101), "{now_ms}");
    }
    assert!(read(&mut sampler, 1, 13_200, 110));
    assert!(!read(&mut sampler, 1, 22_999, 111));
    assert!(read(&mut sampler, 1, 23_000, 120));
    // Nothing is heard of the meter for a while.
    assert!(read(&mut sampler, 1, 57_000, 150));
    assert!(read(&mut sampler, 1, 63_000, 160));
    assert!(!read(&mut sampler, 2, 63_000, 9), "nobody charges there");
    let periodic = |time: &str, register| message(1, Some(7), time, "Sample.Periodic", register);
    assert_eq!(
        told(&mut sampler),
        [
            periodic("2025-11-22T12:00:13.200Z", 110),
            periodic("2025-11-22T12:00:23Z", 120),
            periodic("2025-11-22T12:00:57Z", 150),
            periodic("2025-11-22T12:01:03Z", 160),
        ]
    );
    // Another interval counts from the start of the transaction too, at once.
    sampler.configured(keys(&[("MeterValueSampleInterval", "25")]));
    assert!(!read(&mut sampler, 1, 74_000, 161), "the old one is over");
    assert!(!read(&mut sampler, 1, 77_999, 162));
    assert!(read(&mut sampler, 1, 78_000, 163));
    sampler.configured(keys(&[("MeterValueSampleInterval", "0")]));
    assert!(!read(&mut sampler, 1, 1_000_000, 164), "0 is never");
}

#[test]
fn clock_aligned_samples_bear_their_moment_on_every_connector_with_and_without_a_transaction() {
    let mut sampler = sampler(&[
        ("MeterValueSampleInterval", "0"),
        ("ClockAlignedDataInterval", "900"),
    ]);
    begin(&mut sampler, 2, "two", 0);
    sampler.begun(&at(0), &session("two"), 8);
    for connector in [1, 2] {
        assert!(!read(&mut sampler, connector, 0, 10));
        assert!(!read(&mut sampler, connector, 899_999, 11));
        assert!(read(&mut sampler, connector, 900_400, 12));
        // The next moment went by in silence: what the meter showed then nobody knows.
        let late = 1_800_000 + FRESH_MS + 1;
        assert!(!read(&mut sampler, connector, late, 13));
        assert!(read(&mut sampler, connector, 2_700_000 + FRESH_MS, 14));
    }
    let aligned = |connector, id, time: &str, register| {
        message(connector, id, time, "Sample.Clock", register)
    };
    assert_eq!(
        told(&mut sampler),
        [
            aligned(1, None, "2025-11-22T12:15:00Z", 12),
            aligned(1, None, "2025-11-22T12:45:00Z", 14),
            aligned(2, Some(8), "2025-11-22T12:15:00Z", 12),
            aligned(2, Some(8), "2025-11-22T12:45:00Z", 14),
        ]
    );
}

#[test]
fn another_interval_has_other_moments() {
    let interval = |seconds: &'static str| {
        let aligned = ("ClockAlignedDataInterval", seconds);
        [("MeterValueSampleInterval", "0"), aligned]
    };
    let mut sampler = sampler(&interval("900"));
    read(&mut sampler, 1, 0, 1);
    sampler.configured(keys(&interval("1000")));
    assert!(!read(&mut sampler, 1, 900_500, 2), "12:15 is over");
    assert!(
        read(&mut sampler, 1, 1_800_000, 3),
        "12:30 is a multiple of 1000 s"
    );
    assert_eq!(
        told(&mut sampler),
        [message(1, None, "2025-11-22T12:30:00Z", "Sample.Clock", 3)]
    );
}

#[test]
fn a_transaction_that_began_before_a_restart_is_sampled_from_then_on_and_its_id_is_asked_for_once()
{
    let mut sampler = sampler(&[("MeterValueSampleInterval", "10")]);
    let (name, since) = (session("one"), at(900_000));
    let began = Timestamp {
        boot: BootId(9),
        ..since
    };
    sampler.show(&at(5_000), 1, Some((&name, &began)), Milliamps(16_000));
    assert!(!read(&mut sampler, 1, 5_000, 1));
    assert!(read(&mut sampler, 1, 15_000, 2));
    assert_eq!(sampler.to_look_up(), Some(name));
    begin(&mut sampler, 2, "two", 16_000);
    sampler.begun(&at(16_000), &session("two"), 3);
    assert_eq!(sampler.to_look_up(), None, "its id is known");
}

#[test]
fn while_the_right_time_is_not_known_nothing_is_sampled() {
    let mut sampler = sampler(&[
        ("MeterValueSampleInterval", "1"),
        ("ClockAlignedDataInterval", "1"),
    ]);
    begin(&mut sampler, 1, "one", 0);
    let unknown = |ms| Timestamp {
        wall_known: false,
        ..at(ms)
    };
    let reading = Reading {
        by_meter: true,
        values: &[],
        register: Some(WattHours(1)),
    };
    for ms in (0..10_000).step_by(500) {
        assert!(!sampler.measured(&unknown(ms), 1, reading));
    }
    assert!(!sampler.trigger(&unknown(10_000), None));
}

#[test]
fn samples_of_a_transaction_wait_for_its_id_and_no_others_wait_for_them() {
    let mut sampler = sampler(&[
        ("MeterValueSampleInterval", "10"),
        ("ClockAlignedDataInterval", "15"),
    ]);
    begin(&mut sampler, 1, "one", 0);
    for ms in [1, 10_000] {
        read(&mut sampler, 1, ms, ms);
        read(&mut sampler, 2, ms, ms);
    }
    read(&mut sampler, 2, 15_000, 15);
    assert_eq!(
        told(&mut sampler),
        [message(2, None, "2025-11-22T12:00:15Z", "Sample.Clock", 15)]
    );
    assert_eq!(sampler.to_look_up(), Some(session("one")));
    assert_eq!(sampler.to_look_up(), None, "it is asked for once");
    sampler.known(&session("one"), 77);
    assert_eq!(
        told(&mut sampler),
        [message(
            1,
            Some(77),
            "2025-11-22T12:00:10Z",
            "Sample.Periodic",
            10_000
        )]
    );
    // What waits when the transaction has ended is not told: its stop says more.
    read(&mut sampler, 1, 20_000, 20);
    end(&mut sampler, 1, 20_001);
    assert_eq!(told(&mut sampler), Vec::<Json>::new());
}

#[test]
fn what_waits_is_bounded_and_the_oldest_goes() {
    let mut sampler = sampler(&[("MeterValueSampleInterval", "1")]);
    begin(&mut sampler, 1, "one", 0);
    let most = u64::try_from(WAITING_MAX).unwrap();
    for second in 0..=most + 5 {
        read(&mut sampler, 1, second * 1_000, second);
    }
    sampler.known(&session("one"), 7);
    let registers: Vec<String> = told(&mut sampler)
        .iter()
        .map(|told| {
            told["meterValue"][0]["sampledValue"][0]["value"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let newest: Vec<String> = (6..=most + 5).map(|second| second.to_string()).collect();
    assert_eq!(registers, newest);
}

#[test]
fn what_was_sampled_while_nobody_listened_is_not_told_later() {
    let mut sampler = sampler(&[("MeterValueSampleInterval", "1")]);
    begin(&mut sampler, 1, "one", 0);
    sampler.known(&session("one"), 7);
    read(&mut sampler, 1, 0, 0);
    assert!(read(&mut sampler, 1, 1_000, 1));
    sampler.listen(false);
    assert!(!read(&mut sampler, 1, 2_000, 2));
    assert!(!sampler.trigger(&at(2_500), None));
    sampler.listen(true);
    assert!(read(&mut sampler, 1, 3_000, 3));
    assert_eq!(
        told(&mut sampler),
        [message(
            1,
            Some(7),
            "2025-11-22T12:00:03Z",
            "Sample.Periodic",
            3
        )]
    );
}

#[test]
fn a_trigger_takes_a_sample_now_of_what_devices_told_lately() {
    let words = "Energy.Active.Import.Register,Power.Active.Import,Current.Offered";
    let mut sampler = sampler(&[("MeterValuesSampledData", words)]);
    assert!(!sampler.trigger(&at(0), None), "nothing was heard yet");
    begin(&mut sampler, 2, "two", 0);
    sampler.begun(&at(0), &session("two"), 8);
    let charger = [
        Value::PowerOfPhase(Phase::L1, Watts(3_600)),
        Value::PowerOfPhase(Phase::L2, Watts(3_500)),
        Value::CurrentLimit(Milliamps(10_000)),
    ];
    let reading = Reading {
        by_meter: false,
        values: &charger,
        register: None,
    };
    sampler.measured(&at(1_000), 2, reading);
    read(&mut sampler, 2, 2_000, 50);
    assert!(sampler.trigger(&at(3_000), Some(2)));
    assert!(!sampler.trigger(&at(3_000), Some(1)), "it has told nothing");
    assert!(!sampler.trigger(&at(3_000), Some(3)), "there is none");
    let sampled = |value: &str, measurand: &str, phase: Option<&str>, unit: &str| {
        let mut sample =
            json!({"value": value, "context": "Trigger", "measurand": measurand, "unit": unit});
        if let Some(phase) = phase {
            sample["phase"] = phase.into();
        }
        sample
    };
    let power = "Power.Active.Import";
    assert_eq!(
        told(&mut sampler),
        [
            json!({"connectorId": 2, "transactionId": 8, "meterValue": [{
            "timestamp": "2025-11-22T12:00:03Z", "sampledValue": [
                sampled("50", REGISTER, None, "Wh"),
                sampled("3600", power, Some("L1"), "W"),
                sampled("3500", power, Some("L2"), "W"),
                sampled("7100", power, None, "W"),
                sampled("16", "Current.Offered", None, "A"),
            ]}]})
        ]
    );

    // The meter of its own goes before the charger, whose figures of the same kind are left out.
    let metered = [Value::Power(Watts(7_050))];
    let reading = Reading {
        by_meter: true,
        values: &metered,
        register: Some(WattHours(51)),
    };
    sampler.measured(&at(4_000), 2, reading);
    sampler.trigger(&at(5_000), Some(2));
    let value = |told: &[Json]| -> Vec<String> {
        let samples = told[0]["meterValue"][0]["sampledValue"].as_array().unwrap();
        let values = samples
            .iter()
            .map(|sample| sample["value"].as_str().unwrap());
        values.map(str::to_owned).collect()
    };
    assert_eq!(value(&told(&mut sampler)), ["51", "7050", "16"]);
    // What was told long ago is no figure of now.
    sampler.trigger(&at(4_000 + FRESH_MS), Some(2));
    assert_eq!(value(&told(&mut sampler)), ["51", "7050", "16"]);
    sampler.trigger(&at(4_000 + FRESH_MS + 1), Some(2));
    assert_eq!(value(&told(&mut sampler)), ["16"]);
}

#[test]
fn a_reading_of_the_journal_is_left_out_only_where_samples_of_its_transaction_arrive() {
    let mut sampler = sampler(&[("MeterValueSampleInterval", "60")]);
    let one = session("one");
    let left_out = |sampler: &Sampler, ms| sampler.leaves_out(&one, &at(ms));
    begin(&mut sampler, 1, "one", 0);
    assert!(!left_out(&sampler, 100), "the start was not answered");
    sampler.begun(&at(1_000), &one, 7);
    assert!(!left_out(&sampler, 999));
    assert!(left_out(&sampler, 1_000) && left_out(&sampler, 121_000));
    assert!(!left_out(&sampler, 121_001), "a sample is overdue");
    assert!(!sampler.leaves_out(&session("other"), &at(1_000)));
    let other_boot = Timestamp {
        boot: BootId(2),
        ..at(1_000)
    };
    assert!(!sampler.leaves_out(&one, &other_boot));

    read(&mut sampler, 1, 59_000, 1);
    read(&mut sampler, 1, 60_000, 1);
    assert_eq!(told(&mut sampler).len(), 1);
    assert!(left_out(&sampler, 180_000) && !left_out(&sampler, 180_001));
    // One that is not answered has not arrived.
    read(&mut sampler, 1, 120_000, 2);
    assert!(sampler.next_to_tell().is_some());
    sampler.settled(false);
    assert!(!left_out(&sampler, 180_001));

    // Away: what lies between the last sample before and the first one after it is told.
    sampler.listen(false);
    sampler.listen(true);
    assert!(left_out(&sampler, 60_000) && !left_out(&sampler, 60_001));
    read(&mut sampler, 1, 240_000, 3);
    assert_eq!(told(&mut sampler).len(), 1);
    assert!(!left_out(&sampler, 239_999) && left_out(&sampler, 240_000));

    // Who wants no register between start and stop gets none, from the journal neither.
    for keys_of_it in [
        [("MeterValueSampleInterval", "0")],
        [("MeterValuesSampledData", "Power.Active.Import")],
    ] {
        sampler.configured(keys(&keys_of_it));
        assert!(
            sampler.leaves_out(&session("other"), &at(0)),
            "{keys_of_it:?}"
        );
    }
    let aligned = ("ClockAlignedDataInterval", "900");
    sampler.configured(keys(&[("MeterValueSampleInterval", "0"), aligned]));
    assert!(!sampler.leaves_out(&session("other"), &at(0)));
    let last = 240_000 + 900_000 + 60_000;
    assert!(left_out(&sampler, last) && !left_out(&sampler, last + 1));
    // The shorter of two intervals is the one to hold to.
    sampler.configured(keys(&[("MeterValueSampleInterval", "60"), aligned]));
    assert!(left_out(&sampler, 360_000) && !left_out(&sampler, 360_001));
    // A sample without the register is none that a reading is left out for.
    let power = ("MeterValuesSampledData", "Current.Offered");
    sampler.configured(keys(&[power, aligned]));
    read(&mut sampler, 1, 300_000, 4);
    assert_eq!(told(&mut sampler).len(), 1);
    assert!(left_out(&sampler, last) && !left_out(&sampler, last + 1));
    // What was on its way when the socket broke has not arrived, whatever comes after it.
    sampler.configured(keys(&[]));
    read(&mut sampler, 1, 360_000, 5);
    assert!(sampler.next_to_tell().is_some());
    sampler.listen(false);
    sampler.listen(true);
    sampler.settled(true);
    assert!(!left_out(&sampler, 360_000));
}

fn ends(ms: u64, register: u64) -> Ends {
    Ends {
        at: Time::from_unix_ms(at(ms).wall.0).unwrap(),
        register: WattHours(register),
    }
}

/// Context, second of its minute and hour, and register of each.
fn data(
    sampler: &Sampler,
    name: &str,
    begin: Option<Ends>,
    end: Ends,
) -> Vec<(String, i64, String)> {
    let data = sampler.transaction_data(&session(name), begin, end);
    let line = |value: &MeterValue| {
        let sample = &value.sampled_value[0];
        let second = (value.timestamp.unix_ms() - NOON) / 1_000;
        let context = sample.context.unwrap().as_str().to_owned();
        (context, second, sample.value.clone())
    };
    data.iter()
        .flat_map(|data| data.as_slice())
        .map(line)
        .collect()
}

fn line(context: &str, second: i64, register: u64) -> (String, i64, String) {
    (context.to_owned(), second, register.to_string())
}

#[test]
fn a_stop_tells_what_is_wanted_of_its_transaction_whether_or_not_anybody_listened() {
    let mut sampler = sampler(&[
        ("MeterValueSampleInterval", "40"),
        ("ClockAlignedDataInterval", "60"),
        ("StopTxnSampledData", REGISTER),
        ("StopTxnAlignedData", REGISTER),
    ]);
    sampler.listen(false);
    assert!(sampler.wants_transaction_data());
    begin(&mut sampler, 1, "one", 10_000);
    for second in (10..=130).step_by(10) {
        read(&mut sampler, 1, second * 1_000, second);
    }
    // A reading that came after the end is not of this transaction.
    let expected = [
        line("Transaction.Begin", 10, 9),
        line("Sample.Periodic", 50, 50),
        line("Sample.Clock", 60, 60),
        line("Sample.Periodic", 90, 90),
        line("Sample.Clock", 120, 120),
        line("Transaction.End", 125, 127),
    ];
    let (start, stop) = (ends(10_000, 9), ends(125_000, 127));
    assert_eq!(data(&sampler, "one", Some(start), stop), expected);
    end(&mut sampler, 1, 131_000);
    assert_eq!(data(&sampler, "one", Some(start), stop), expected);
    let from_the_minute = data(&sampler, "one", Some(ends(60_000, 60)), stop);
    assert_eq!(from_the_minute[1..], expected[2..]);
    // What is not known of its beginning is left out.
    assert_eq!(data(&sampler, "one", None, stop), expected[1..]);
    sampler.forget(&session("one"));
    assert_eq!(
        data(&sampler, "one", Some(start), stop),
        [expected[0].clone(), expected[5].clone()]
    );

    sampler.configured(keys(&[("StopTxnSampledData", "Power.Active.Import")]));
    assert_eq!(data(&sampler, "one", Some(start), stop), []);
    sampler.configured(keys(&[]));
    assert!(!sampler.wants_transaction_data(), "by default it is not");
}

#[test]
fn the_data_of_a_stop_is_bounded_and_spread_evenly_over_its_transaction() {
    let mut sampler = sampler(&[
        ("MeterValueSampleInterval", "1"),
        ("StopTxnSampledData", REGISTER),
    ]);
    begin(&mut sampler, 1, "long", 0);
    for second in 0..=1_000 {
        read(&mut sampler, 1, second * 1_000, second);
        let (start, stop) = (ends(0, 0), ends(second * 1_000, second));
        let told = data(&sampler, "long", Some(start), stop);
        assert!(told.len() <= COLLECTED_MAX + 2);
        let seconds: Vec<i64> = told.iter().map(|(_, second, _)| *second).collect();
        let between = &seconds[1..seconds.len() - 1];
        let steps: Vec<i64> = between.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(
            steps.windows(2).all(|pair| pair[0] == pair[1]),
            "{seconds:?}"
        );
        let last = between
            .last()
            .map_or(0, |last| i64::try_from(second).unwrap() - last);
        assert!(
            steps.first().is_none_or(|step| last <= *step),
            "{seconds:?}"
        );
    }
    // As many transactions as may wait for their stop to be told, and one more.
    for number in 0..=ENDED_MAX {
        let since = 2_000_000 + u64::try_from(number).unwrap() * 10_000;
        begin(&mut sampler, 1, &format!("sess_{number}"), since);
        read(&mut sampler, 1, since, 1);
        read(&mut sampler, 1, since + 1_000, 2);
    }
    end(&mut sampler, 1, 3_000_000);
    let kept = |name: &str| data(&sampler, name, None, ends(9_000_000, 3)).len() - 1;
    assert_eq!((kept("long"), kept("sess_0"), kept("sess_1")), (0, 0, 1));
}

/// Whatever happens in whatever order: nothing waits beyond its bound, no sample is told twice or of a
/// transaction without its id, and each message is one of the schema.
#[test]
fn whatever_happens_everything_stays_within_its_bounds() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut sampler = sampler(&[
            ("MeterValueSampleInterval", "2"),
            ("ClockAlignedDataInterval", "3"),
            (
                "StopTxnSampledData",
                "Energy.Active.Import.Register,Current.Import",
            ),
            ("StopTxnAlignedData", REGISTER),
        ]);
        let (mut now_ms, mut number, mut seen) = (0, 0, std::collections::BTreeSet::new());
        for _ in 0..400 {
            now_ms += random.u64(0..3_000);
            let connector = random.u8(0..4);
            match random.u8(0..9) {
                0 => {
                    number += 1;
                    begin(&mut sampler, connector, &format!("sess_{number}"), now_ms);
                }
                1 => end(&mut sampler, connector, now_ms),
                2 => sampler.listen(random.bool()),
                3 => sampler.begun(&at(now_ms), &session(&format!("sess_{number}")), number),
                4 => {
                    sampler.trigger(&at(now_ms), Some(connector));
                }
                5 => sampler.settled(random.bool()),
                6 => {
                    if let Some(request) = sampler.next_to_tell() {
                        let id = request.transaction_id;
                        assert!(id.is_none_or(|id| (1..=number).contains(&id)));
                        let value = json_of(request);
                        let again = Request::parse(ocpp::v16::Action::MeterValues, value.clone());
                        assert_eq!(again.unwrap().tolerated, []);
                        let context = &value["meterValue"][0]["sampledValue"][0]["context"];
                        if context != "Trigger" {
                            assert!(seen.insert(value.to_string()), "twice: {value}");
                        }
                    }
                }
                _ => {
                    let phase = Value::Current(Phase::L1, Milliamps(random.u32(0..32_000)));
                    let reading = Reading {
                        by_meter: random.bool(),
                        values: &[phase],
                        register: random.bool().then_some(WattHours(now_ms)),
                    };
                    sampler.measured(&at(now_ms), connector, reading);
                }
            }
            let data = sampler.transaction_data(
                &session(&format!("sess_{number}")),
                None,
                ends(now_ms, 1),
            );
            let samples = data.iter().flat_map(|data| data.as_slice());
            let samples: usize = samples.map(|value| value.sampled_value.len()).sum();
            assert!(samples <= 2 * COLLECTED_MAX + 1, "{samples}");
        }
        sampler.listen(true);
        let mut left = 0;
        while sampler.next_to_tell().is_some() {
            left += 1;
        }
        assert!(left <= WAITING_MAX);
    }
}
