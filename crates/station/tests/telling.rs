//! Facts become messages, and meters become samples.
#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

use ocpp::v16::{MeterValuesRequest, ReadingContext, Request, SampledValue};
use ocpp::{Payload as _, Time};
use site_model::{
    Change, ChargePointId, ConnectorId, ConnectorStatus, EnergySource, Hertz, IdTag, Milliamps,
    Millivolts, Phase, SessionId, StopReason, Value, WattHours, Watts,
};
use station::queue::{Head, Message, StartToldAs, Step};
use station::sampling::{Shown, next_aligned, samples};
use station::telling::{Telling, telling};

fn at(second: i64) -> Time {
    Time::from_unix_ms(second * 1000).unwrap()
}

fn session() -> SessionId {
    SessionId::new("sess_1").unwrap()
}

fn connector() -> ConnectorId {
    ConnectorId::new(2).unwrap()
}

fn charge_point() -> ChargePointId {
    ChargePointId::new("CP").unwrap()
}

fn told(change: &Change) -> Option<Telling> {
    telling(change, at(10), |asked| {
        (*asked == session()).then(connector)
    })
}

/// The frame's payload of a queued message, after its start was given the id 77.
fn sent(change: &Change) -> String {
    let Some(Telling::Transaction {
        session: of,
        message,
    }) = told(change)
    else {
        panic!("{change:?}")
    };
    assert_eq!(of, session());
    let Step::Send(request) = (Head {
        message,
        refused: 0,
    })
    .step(StartToldAs::Id(77)) else {
        panic!("sent")
    };
    request.to_json()
}

#[test]
fn a_session_is_told_as_start_meter_values_and_stop() {
    let start = Change::SessionStarted {
        session: session(),
        charge_point: charge_point(),
        connector: connector(),
        id_tag: IdTag::new("12345678901234567890").unwrap(),
        meter_start: WattHours(1_000),
        source: EnergySource::ALL[0],
        billing_grade: true,
    };
    assert_eq!(
        sent(&start),
        r#"{"connectorId":2,"idTag":"12345678901234567890","meterStart":1000,"timestamp":"1970-01-01T00:00:10Z"}"#
    );
    let meter = Change::MeterRead {
        session: session(),
        meter: WattHours(1_500),
    };
    assert_eq!(
        sent(&meter),
        concat!(
            r#"{"connectorId":2,"meterValue":[{"sampledValue":[{"value":"1500","context":"Sample.Clock","#,
            r#""measurand":"Energy.Active.Import.Register","unit":"Wh"}],"timestamp":"1970-01-01T00:00:10Z"}],"#,
            r#""transactionId":77}"#
        )
    );
    for (reason, word) in StopReason::ALL
        .iter()
        .map(|reason| (*reason, reason.as_str()))
    {
        let stop = Change::SessionEnded {
            session: session(),
            charge_point: charge_point(),
            connector: connector(),
            meter_stop: WattHours(2_000),
            reason,
            reconstructed: None,
        };
        let json = format!(
            "{{\"meterStop\":2000,\"timestamp\":\"1970-01-01T00:00:10Z\",\"transactionId\":77,\"reason\":\"{word}\"}}"
        );
        assert_eq!(sent(&stop), json);
    }
}

#[test]
fn meter_values_of_a_session_that_is_not_known_are_not_told() {
    let other = SessionId::new("sess_2").unwrap();
    assert_eq!(
        told(&Change::MeterRead {
            session: other,
            meter: WattHours(1)
        }),
        None
    );
}

#[test]
fn a_status_is_told_in_the_same_word_with_the_devices_own_error() {
    for status in ConnectorStatus::ALL {
        for (error_code, error, more) in [
            (None, "NoError", ""),
            (Some(0), "NoError", ""),
            (Some(17), "OtherError", ",\"vendorErrorCode\":\"17\""),
        ] {
            let change = Change::StatusChanged {
                charge_point: charge_point(),
                connector: connector(),
                status: *status,
                error_code,
            };
            let Some(Telling::Status(request)) = told(&change) else {
                panic!("a status")
            };
            let error = if *status == ConnectorStatus::Faulted {
                "OtherError"
            } else {
                error
            };
            let json = format!(
                "{{\"connectorId\":2,\"errorCode\":\"{error}\",\"status\":\"{status}\",\
                 \"timestamp\":\"1970-01-01T00:00:10Z\"{more}}}"
            );
            assert_eq!(Request::StatusNotification(request).to_json(), json);
        }
    }
}

#[test]
fn what_is_nobody_elses_business_is_not_told() {
    let tied = Change::RegisterTied {
        charge_point: charge_point(),
        connector: connector(),
        raw: WattHours(1),
        total: WattHours(1),
    };
    assert_eq!(told(&tied), None);
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

#[test]
fn every_message_of_a_session_can_be_read_back() {
    let meter = Change::MeterRead {
        session: session(),
        meter: WattHours(u64::MAX),
    };
    let Some(Telling::Transaction {
        message: Message::Meter(values),
        ..
    }) = told(&meter)
    else {
        panic!("meter")
    };
    let request: MeterValuesRequest = values;
    let json = Request::from(request.clone()).to_value();
    let back = Request::parse(ocpp::v16::Action::MeterValues, json).unwrap();
    assert_eq!((back.value, back.tolerated), (request.into(), vec![]));
}
