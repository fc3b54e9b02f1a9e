//! What is tolerated of real stations, and what is not: who pays, what a meter said, and how much
//! current is allowed.
#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

use ocpp::v16::{Action, Request, SampledValue, UnitOfMeasure};
use ocpp::{Leniency, Payload, Tenths, Understood, Violation, ViolationKind};
use serde_json::{Value, json};

fn read(action: Action, payload: Value) -> Result<Understood<Request>, Violation> {
    Request::parse(action, payload)
}

/// What was tolerated, each as `path: …`.
fn told(understood: &Understood<Request>) -> Vec<String> {
    understood
        .tolerated
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn refused(action: Action, payload: Value) -> (ViolationKind, String) {
    let violation = read(action, payload).unwrap_err();
    (violation.kind, violation.to_string())
}

fn stop(more: Value) -> Value {
    let mut payload =
        json!({"meterStop": 1500, "timestamp": "2026-11-22T08:00:00Z", "transactionId": 7});
    payload
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    payload
}

fn profile(period: Value) -> Value {
    json!({"connectorId": 1, "csChargingProfiles": {
        "chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]},
    }})
}

#[test]
fn a_station_that_describes_itself_sloppily_is_understood() {
    let payload = json!({
        "chargePointVendor": "", "chargePointModel": "A model with a longer name",
        "chargePointSerialNumber": "12345678901234567890123456", "meterSerialNumber": 4711,
        "iccid": null, "vendorSpecific": {"a": 1},
    });
    let understood = read(Action::BootNotification, payload).unwrap();
    assert_eq!(
        told(&understood),
        [
            "chargePointModel has 26 characters, cut to 20",
            "chargePointVendor is empty",
            "chargePointSerialNumber has 26 characters, cut to 25",
            "iccid is null, read as absent",
            "meterSerialNumber is a number, read as text",
            "vendorSpecific is not in the schema, ignored",
        ]
    );
    assert_eq!(
        understood.value.to_value(),
        json!({
            "chargePointVendor": "", "chargePointModel": "A model with a longe",
            "chargePointSerialNumber": "1234567890123456789012345", "meterSerialNumber": "4711",
        })
    );
}

#[test]
fn numbers_between_quotes_and_with_a_zero_fraction_are_understood() {
    let payload = json!({"connectorId": "1", "status": "available", "errorCode": "EVCommError"});
    let understood = read(Action::StatusNotification, payload).unwrap();
    assert_eq!(
        told(&understood),
        [
            "connectorId is a number between quotes",
            "errorCode is \"EVCommError\", read as Other",
            "status is \"available\", known in another case",
        ]
    );
    let exact = json!({"connectorId": 1, "status": "Available", "errorCode": "OtherError"});
    assert_eq!(understood.value.to_value(), exact);

    let payload = stop(json!({"meterStop": 1500.0}));
    let understood = read(Action::StopTransaction, payload).unwrap();
    assert_eq!(
        told(&understood),
        ["meterStop is a whole number written with a fraction"]
    );
    assert_eq!(understood.value.to_value(), stop(json!({})));
}

#[test]
fn transaction_zero_is_told() {
    let understood = read(Action::StopTransaction, stop(json!({"transactionId": 0}))).unwrap();
    assert_eq!(understood.tolerated[0].leniency, Leniency::TransactionZero);
}

#[test]
fn an_unknown_stop_reason_does_not_lose_the_stop() {
    let understood = read(Action::StopTransaction, stop(json!({"reason": "Timeout"}))).unwrap();
    assert_eq!(told(&understood), ["reason is \"Timeout\", read as Other"]);
    assert_eq!(
        understood.value.to_value(),
        stop(json!({"reason": "Other"}))
    );
}

#[test]
fn who_pays_is_read_exactly() {
    let cases = [
        (json!("123456789012345678901"), ViolationKind::Property),
        (json!(4711), ViolationKind::Type),
        (json!("A\0B"), ViolationKind::Property),
        (Value::Null, ViolationKind::Type),
    ];
    for (tag, kind) in cases {
        let (was, sentence) = refused(Action::Authorize, json!({"idTag": tag}));
        assert_eq!(was, kind, "{sentence}");
        let start = json!({"connectorId": 1, "idTag": tag, "meterStart": 0, "timestamp": "2026-11-22T08:00:00Z"});
        assert_eq!(refused(Action::StartTransaction, start).0, kind);
    }
    assert_eq!(refused(Action::Authorize, json!({})).1, "idTag is missing");
    let list = json!({"listVersion": 1, "updateType": "Full", "localAuthorizationList": [
        {"idTag": "B", "idTagInfo": {"status": "Accepted"}},
        {"idTag": "A", "idTagInfo": {"status": "Allowed"}},
    ]});
    let (kind, sentence) = refused(Action::SendLocalList, list);
    assert_eq!(kind, ViolationKind::Property);
    assert_eq!(
        sentence,
        "localAuthorizationList[1].idTagInfo.status is \"Allowed\", which is not one of the known words"
    );
}

#[test]
fn what_the_meter_said_at_start_and_stop_is_read_exactly() {
    for meter in [
        json!("1500"),
        json!(1500.5),
        json!("1,5"),
        Value::Null,
        json!([1500]),
    ] {
        assert_eq!(
            refused(Action::StopTransaction, stop(json!({"meterStop": meter}))).0,
            ViolationKind::Type
        );
    }
    let too_large = stop(json!({"meterStop": 1e300}));
    assert_eq!(
        refused(Action::StopTransaction, too_large).0,
        ViolationKind::Property
    );
}

#[test]
fn a_sample_in_an_unknown_unit_is_left_out_and_never_taken_for_watt_hours() {
    let samples =
        json!([{"value": "12.5", "unit": "MWh"}, {"value": "7", "unit": "hertz"}, {"value": 12.5}]);
    let payload = json!({"connectorId": 1, "meterValue": [
        {"timestamp": "2026-11-22T08:00:00", "sampledValue": samples},
    ]});
    let understood = read(Action::MeterValues, payload).unwrap();
    assert_eq!(
        told(&understood),
        [
            "meterValue[0].sampledValue[1].unit is \"hertz\", known in another case",
            "meterValue[0].sampledValue[0] was left out: meterValue[0].sampledValue[0].unit is \"MWh\", \
             which is not one of the known words",
            "meterValue[0].sampledValue[2] was left out: meterValue[0].sampledValue[2].value must be a text, \
             not a number",
            "meterValue[0].timestamp has no time zone, read as UTC",
        ]
    );
    let Request::MeterValues(values) = understood.value else {
        panic!("another action")
    };
    let mut kept = SampledValue::new("7".into());
    kept.unit = Some(UnitOfMeasure::Hertz);
    assert_eq!(values.meter_value[0].sampled_value.as_slice(), [kept]);
}

#[test]
fn meter_values_without_one_sample_that_is_understood_are_refused_with_the_reason() {
    let payload = json!({"connectorId": 1, "meterValue": [
        {"timestamp": "2026-11-22T08:00:00Z", "sampledValue": [{"value": 3}]},
    ]});
    let (kind, sentence) = refused(Action::MeterValues, payload);
    assert_eq!(kind, ViolationKind::Type);
    assert_eq!(
        sentence,
        "meterValue[0].sampledValue[0].value must be a text, not a number"
    );
}

#[test]
fn bad_meter_values_do_not_lose_the_stop() {
    let bad =
        json!({"transactionData": [{"timestamp": "yesterday", "sampledValue": [{"value": "3"}]}]});
    let understood = read(Action::StopTransaction, stop(bad)).unwrap();
    assert_eq!(
        told(&understood),
        [
            "transactionData was left out: transactionData[0].timestamp is \"yesterday\", which is no time by RFC 3339"
        ]
    );
    assert_eq!(understood.value.to_value(), stop(json!({})));
}

#[test]
fn an_empty_list_of_samples_is_understood_at_a_stop() {
    let empty =
        json!({"transactionData": [{"timestamp": "2026-11-22T08:00:00Z", "sampledValue": []}]});
    let understood = read(Action::StopTransaction, stop(empty)).unwrap();
    assert_eq!(understood.tolerated.len(), 1, "{:?}", understood.tolerated);
    assert_eq!(understood.value.to_value(), stop(json!({})));
}

#[test]
fn a_stop_is_sent_without_the_unit_its_schema_does_not_know() {
    let hertz = json!({"transactionData": [{"timestamp": "2026-11-22T08:00:00Z", "sampledValue": [
        {"value": "50", "unit": "Hertz"}, {"value": "3"},
    ]}]});
    let understood = read(Action::StopTransaction, stop(hertz)).unwrap();
    let sent = json!({"transactionData": [{"timestamp": "2026-11-22T08:00:00Z", "sampledValue": [{"value": "3"}]}]});
    assert_eq!(understood.value.to_value(), stop(sent));
}

#[test]
fn a_limit_is_rounded_down_and_never_up() {
    for (sent, tenths) in [
        ("16.19", 161),
        ("16.1", 161),
        ("-0.01", -1),
        ("31.999999999999996", 319),
    ] {
        let limit: Value = serde_json::from_str(sent).unwrap();
        let understood = read(
            Action::SetChargingProfile,
            profile(json!({"startPeriod": 0, "limit": limit})),
        )
        .unwrap();
        let told_of = !understood.tolerated.is_empty();
        assert_eq!(told_of, sent != "16.1", "{sent}");
        let Request::SetChargingProfile(request) = understood.value else {
            panic!("another action")
        };
        let schedule = request.cs_charging_profiles.charging_schedule;
        assert_eq!(schedule.charging_schedule_period[0].limit, Tenths(tenths));
    }
}

#[test]
fn a_limit_that_is_not_plain_is_refused() {
    let cases = [
        (
            json!({"startPeriod": 0, "limit": "16"}),
            ViolationKind::Type,
        ),
        (
            json!({"startPeriod": "0", "limit": 16}),
            ViolationKind::Type,
        ),
        (
            json!({"startPeriod": 0, "limit": 1e300}),
            ViolationKind::Property,
        ),
        (
            json!({"startPeriod": 0, "limit": 16, "numberPhases": "1"}),
            ViolationKind::Type,
        ),
        (
            json!({"startPeriod": 0, "limit": 16, "limit_L2": 6}),
            ViolationKind::Format,
        ),
        (json!({"startPeriod": 0}), ViolationKind::Occurrence),
    ];
    for (period, kind) in cases {
        let (was, sentence) = refused(Action::SetChargingProfile, profile(period));
        assert_eq!(was, kind, "{sentence}");
    }
}

#[test]
fn leniencies_are_counted_up_to_their_bound() {
    let mut payload = json!({"idTag": "A"});
    for number in 0..100 {
        payload[format!("more{number}")] = json!(1);
    }
    let understood = read(Action::Authorize, payload).unwrap();
    assert_eq!(understood.tolerated.len(), ocpp::TOLERATED_MAX + 1);
    assert_eq!(
        understood.tolerated.last().unwrap().leniency,
        Leniency::AndMore
    );
}

#[test]
fn a_password_is_not_printed() {
    let payload = json!({"key": "AuthorizationKey", "value": "correct horse"});
    let understood = read(Action::ChangeConfiguration, payload.clone()).unwrap();
    assert!(!format!("{understood:?}").contains("horse"));
    assert_eq!(understood.value.to_value(), payload);

    for frame in [
        json!([2, "1", "ChangeConfiguration", payload]),
        json!([2, "1", "SetVariables", {"setVariableData": [{"attributeValue": "horse",
            "component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}]}]),
        json!([2, "1", "SetNetworkProfile", {"connectionData": {"apn": {"apnPassword": "horse"},
            "vpn": {"server": "s", "user": "u", "password": "horse", "key": "horse"}}}]),
    ] {
        let shown = ocpp::redacted(&frame.to_string()).into_owned();
        assert!(
            !shown.contains("horse") && shown.contains("(not shown)"),
            "{shown}"
        );
    }
    for frame in [
        r#"[2,"1","ChangeConfiguration",{"key":" authorizationKEY","value":"horse"}]"#,
        r#"[2,"1","ChangeConfiguration",{"key":"Authorization\u004bey","value":"horse"}]"#,
        r#"[2,"1","GetDiagnostics",{"location":"ftp://user:horse@files.example/a@b"}]"#,
        r#"[2,"1","UpdateFirmware",{"location":"https://user:a@horse@files.example"}]"#,
    ] {
        let shown = ocpp::redacted(frame);
        assert!(
            !shown.contains("horse") && shown.contains("(not shown)"),
            "{shown}"
        );
    }
    let uri = ocpp::Uri::new("ftp://user:horse@files.example/in").unwrap();
    assert_eq!(
        format!("{uri:?}"),
        r#""ftp://user:(not shown)@files.example/in""#
    );
    let path = r#"[2,"1","GetDiagnostics",{"location":"https://files.example/a:b@c"}]"#;
    assert_eq!(ocpp::redacted(path), path);
    let mail = r#"[2,"1","DataTransfer",{"data":"a@b.example","vendorId":"V"}]"#;
    assert_eq!(ocpp::redacted(mail), mail);
    assert!(
        !ocpp::redacted(
            "[2,\"1\",\"ChangeConfiguration\",{\"key\":\"AuthorizationKey\",\"value\":\"horse"
        )
        .contains("horse")
    );
    let plain = "[2,\"1\",\"Heartbeat\",{}]";
    assert_eq!(ocpp::redacted(plain), plain);
}

#[test]
fn what_cannot_be_sent_cannot_be_built() {
    use ocpp::{Bounded, DoesNotFit, List, Secret, Text, Uri};
    assert!(Text::<3>::new("äöü").is_ok());
    let long = DoesNotFit::Characters { max: 3, was: 4 };
    assert_eq!(Text::<3>::new("abcd"), Err(long.clone()));
    assert_eq!(Secret::<3>::new("abcd"), Err(long));
    assert_eq!(Text::<3>::new("a\0"), Err(DoesNotFit::NullCharacter));
    assert_eq!(Text::<3>::cut("a\0bcd").as_str(), "abc");
    assert!(Bounded::<0, 3>::new(3).is_ok() && Bounded::<0, 3>::new(4).is_err());
    assert!(Bounded::<0, 3>::new(0).is_ok() && Bounded::<0, 3>::new(-1).is_err());
    for (count, fits) in [(0, false), (1, true), (2, true), (3, false)] {
        assert_eq!(List::<u8, 1, 2>::new(vec![0; count]).is_ok(), fits);
    }
    for (uri, fits) in [
        ("https://a.example/x?y=1#z", true),
        ("ftp://user:pw@[::1]:21/", true),
        ("", false),
        ("no scheme", false),
        ("://a", false),
        ("1http://a", false),
        ("http://a b", false),
        ("http://a\n", false),
    ] {
        assert_eq!(Uri::new(uri).is_ok(), fits, "{uri:?}");
    }
}
