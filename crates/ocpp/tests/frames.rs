//! Frames: what is taken, what is refused with which code, and chance thrown at both ends.
#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

mod mangled;

use std::time::Duration;

use ocpp::v16::V16;
use ocpp::v201::V201;
use ocpp::{Bounds, Calls, CallsSettings, End, ErrorCode, Frame, Received, Version};
use serde_json::{Value, json};

use mangled::mangled;

fn system<V: Version>() -> Calls<V> {
    Calls::new(End::System, CallsSettings::default())
}

/// The CALLERROR that a frame is answered with: code and description.
fn refusal<V: Version>(text: &str) -> Option<(String, String)> {
    let Received::Refused(refusal) = system::<V>().receive(Duration::ZERO, text) else {
        panic!("was not refused: {text}");
    };
    let answer: Value = serde_json::from_str(&refusal.text?).unwrap();
    assert_eq!(answer[0], 4);
    assert_eq!(
        answer[1].as_str(),
        Some(refusal.id.as_ref().map_or("-1", |id| id.as_str()))
    );
    assert_eq!(answer[4], json!({}));
    Some((answer[2].as_str()?.into(), answer[3].as_str()?.into()))
}

fn code<V: Version>(text: &str) -> Option<String> {
    refusal::<V>(text).map(|(code, _)| code)
}

#[test]
fn each_refused_call_gets_the_code_of_its_fault_in_its_versions_spelling() {
    let cases = [
        (
            r#"[2,"1","MakeCoffee",{}]"#,
            "NotImplemented",
            "NotImplemented",
        ),
        (
            r#"[2,"1","Reset",{"type":"Soft"}]"#,
            "NotSupported",
            "NotSupported",
        ),
        (
            r#"[2,"1","Heartbeat",[]]"#,
            "FormationViolation",
            "FormatViolation",
        ),
        (
            r#"[2,"1","Heartbeat"]"#,
            "FormationViolation",
            "FormatViolation",
        ),
        (
            r#"[2,"1","Heartbeat",{},{}]"#,
            "FormationViolation",
            "FormatViolation",
        ),
        (r#"[2,"1",7,{}]"#, "FormationViolation", "FormatViolation"),
        (
            r#"[2,"1","Authorize",{}]"#,
            "OccurenceConstraintViolation",
            "OccurrenceConstraintViolation",
        ),
    ];
    for (text, of_16, of_201) in cases {
        assert_eq!(code::<V16>(text).as_deref(), Some(of_16), "{text}");
        assert_eq!(code::<V201>(text).as_deref(), Some(of_201), "{text}");
    }
    let long = r#"[2,"1","Authorize",{"idTag":"123456789012345678901"}]"#;
    assert_eq!(
        refusal::<V16>(long),
        Some((
            "PropertyConstraintViolation".into(),
            "Authorize: idTag does not fit: the text has 21 characters, at most 20 fit".into(),
        ))
    );
}

#[test]
fn a_frame_without_a_readable_id_is_answered_by_201_alone() {
    let long_id = format!("[2,\"{}\",\"Heartbeat\",{{}}]", "x".repeat(37));
    let deep = format!(
        "[2,\"1\",\"Heartbeat\",{}{}]",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let large = format!(
        "[2,\"1\",\"Heartbeat\",{{\"x\":\"{}\"}}]",
        "x".repeat(64 * 1024)
    );
    for text in [
        "",
        "null",
        "{}",
        "[]",
        "[2]",
        "[2,\"\"]",
        "[2,7,\"Heartbeat\",{}]",
        "[2,\"1\",\"Heartbeat\",{}",
        "[2,\"1\0\",\"Heartbeat\",{}]",
        "[2,\"1\\u0000\",\"Heartbeat\",{}]",
        "\u{feff}[2]",
        &long_id,
        &deep,
        &large,
    ] {
        assert_eq!(code::<V16>(text), None, "{text:.60}");
        assert_eq!(
            code::<V201>(text).as_deref(),
            Some("RpcFrameworkError"),
            "{text:.60}"
        );
    }
}

#[test]
fn the_bounds_are_exact() {
    let bounds = Bounds {
        bytes_max: 40,
        depth_max: 4,
    };
    let of_length = |length: usize| {
        format!(
            "[2,\"1\",\"Heartbeat\",{{\"x\":\"{}\"}}]",
            "x".repeat(length - 28)
        )
    };
    assert_eq!(of_length(40).len(), 40);
    assert!(Frame::parse(&of_length(40), &bounds).is_ok());
    let fault = Frame::parse(&of_length(41), &bounds).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the frame has 41 bytes, at most 40 are taken"
    );
    assert!(Frame::parse("[2,\"1\",\"A\",{\"x\":[[\"[[\\\"[{\"]]}]", &bounds).is_ok());
    // A text that ends with a backslash does not hide the brackets behind it.
    assert!(Frame::parse(r#"[2,"1","A",{"x":"\\","y":[[[]]]}]"#, &bounds).is_err());
    let id_of = |length: usize| format!("[3,\"{}\",{{}}]", "x".repeat(length));
    let wide = Bounds::default();
    assert!(Frame::parse(&id_of(36), &wide).is_ok());
    assert!(Frame::parse(&id_of(37), &wide).is_err());
    let fault = Frame::parse("[2,\"1\",\"A\",{\"x\":[[[]]]}]", &bounds).unwrap_err();
    assert_eq!(fault.to_string(), "the frame is nested deeper than 4");
}

#[test]
fn errors_of_peers_are_understood_in_either_spelling_and_without_their_tail() {
    let read = |text: &str| Frame::parse(text, &Bounds::default()).unwrap();
    for (text, expected) in [
        (
            r#"[4,"1","FormationViolation","what",{"a":1}]"#,
            ErrorCode::FormatViolation,
        ),
        (
            r#"[4,"1","OccurenceConstraintViolation","",{}]"#,
            ErrorCode::OccurrenceConstraintViolation,
        ),
        (
            r#"[4,"1","OccurrenceConstraintViolation"]"#,
            ErrorCode::OccurrenceConstraintViolation,
        ),
        (r#"[4,"1","SomethingElse",null]"#, ErrorCode::GenericError),
    ] {
        let Frame::Error { code, .. } = read(text) else {
            panic!("{text} is an error")
        };
        assert_eq!(code, expected);
    }
    for text in [
        r#"[4,"1"]"#,
        r#"[4,"1",3]"#,
        r#"[3,"1"]"#,
        r#"[3,"1",{},{}]"#,
        r#"[5,"1",{}]"#,
        r#"["2","1","A",{}]"#,
    ] {
        let fault = Frame::parse(text, &Bounds::default()).unwrap_err();
        assert_eq!(fault.answer_to, None, "only calls are answered: {text}");
    }
}

#[test]
fn the_description_of_an_error_keeps_its_bound() {
    let mut calls = system::<V16>();
    let Received::Call(call) = calls.receive(Duration::ZERO, r#"[2,"1","Heartbeat",{}]"#) else {
        panic!("a call");
    };
    let text = calls
        .refuse(&call.id, ErrorCode::InternalError, &"ü".repeat(300))
        .unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer[3].as_str().unwrap().chars().count(), 255);
}

const SEEDS: [&str; 14] = [
    r#"[2,"19","BootNotification",{"chargePointVendor":"V","chargePointModel":"M","iccid":"8949"}]"#,
    r#"[2,"20","StartTransaction",{"connectorId":1,"idTag":"A","meterStart":5,"timestamp":"2026-11-22T08:00:00Z"}]"#,
    r#"[2,"21","StopTransaction",{"transactionId":9,"meterStop":12.0,"timestamp":"2026-11-22T08:00:00+01:00","reason":"Local","transactionData":[{"timestamp":"2026-11-22T08:00:00.123Z","sampledValue":[{"value":"3","unit":"kWh"}]}]}]"#,
    r#"[2,"22","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-11-22T08:00:00Z","sampledValue":[{"value":"16.5","measurand":"Current.Import","phase":"L1"}]}]}]"#,
    r#"[2,"23","StatusNotification",{"connectorId":0,"errorCode":"NoError","status":"Available"}]"#,
    r#"[2,"24","SetChargingProfile",{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"stackLevel":0,"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Absolute","chargingSchedule":{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16.1}]}}}]"#,
    r#"[2,"25","TransactionEvent",{"eventType":"Started","timestamp":"2026-11-22T08:00:00Z","triggerReason":"CablePluggedIn","seqNo":0,"transactionInfo":{"transactionId":"t"},"meterValue":[{"timestamp":"2026-11-22T08:00:00Z","sampledValue":[{"value":1.5}]}]}]"#,
    r#"[2,"26","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V","modem":{"iccid":"1"}}}]"#,
    r#"[2,"27","DataTransfer",{"vendorId":"V","data":"x","messageId":"m"}]"#,
    r#"[3,"7",{"status":"Accepted"}]"#,
    r#"[3,"7",{"currentTime":"2026-11-22T08:00:00Z"}]"#,
    r#"[4,"7","InternalError","sorry",{}]"#,
    r#"[2,"28","Heartbeat",{}]"#,
    r#"[2,"29","NotifyEvent",{"generatedAt":"2026-11-22T08:00:00Z","seqNo":0,"eventData":[{"eventId":1,"timestamp":"2026-11-22T08:00:00Z","trigger":"Delta","actualValue":"1","eventNotificationType":"CustomMonitor","component":{"name":"c"},"variable":{"name":"v"}}]}]"#,
];
/// Whatever comes, it is one of the known things, the bounds hold, and what we say is a frame.
fn chance<V: Version>(seed: u64, count: usize) -> [usize; 4] {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut kinds = [0; 4];
    let mut calls =
        [End::Station, End::System].map(|end| Calls::<V>::new(end, CallsSettings::default()));
    for number in 0..count {
        let text = mangled(&mut random, &SEEDS);
        let calls = &mut calls[number % 2];
        match calls.receive(Duration::from_millis(number as u64), &text) {
            Received::Call(call) => {
                kinds[0] += 1;
                // One in eight is forgotten, so that repeats and floods happen.
                if random.u8(..8) > 0 {
                    let text = calls
                        .refuse(&call.id, ErrorCode::InternalError, "chance")
                        .unwrap();
                    assert!(Frame::parse(&text, &Bounds::default()).is_ok());
                }
            }
            Received::Refused(refusal) => {
                kinds[1] += 1;
                if let Some(text) = refusal.text {
                    let frame = Frame::parse(&text, &Bounds::default()).unwrap();
                    assert!(matches!(frame, Frame::Error { .. }));
                }
            }
            Received::Stray(_) => kinds[2] += 1,
            Received::Repeated(_) => kinds[3] += 1,
            Received::Flood => {
                assert!(
                    calls.close(Duration::ZERO).is_empty(),
                    "nothing of ours was sent"
                );
            }
            Received::Settled(settled) => panic!("nothing was asked: {settled:?}"),
        }
        assert!(ocpp::redacted(&text).len() < 4 * text.len() + 64);
    }
    kinds
}

#[test]
fn chance_breaks_nothing() {
    let kinds = std::thread::scope(|scope| {
        let old = scope.spawn(|| chance::<V16>(1, 120_000));
        let new = scope.spawn(|| chance::<V201>(2, 120_000));
        [old.join().unwrap(), new.join().unwrap()]
    });
    for kinds in kinds {
        assert!(
            kinds.iter().all(|count| *count > 100),
            "all kinds are reached: {kinds:?}"
        );
    }
}
