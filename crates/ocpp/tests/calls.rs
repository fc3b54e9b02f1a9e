//! Who owes whom an answer: order, time-outs, late and stray answers, bounds.
#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::time::Duration;

use ocpp::v16::{
    Action, AuthorizationStatus, AuthorizeRequest, AuthorizeResponse, HeartbeatRequest,
    HeartbeatResponse, IdTagInfo, Request, ResetRequest, ResetResponse, ResetStatus, ResetType,
    Response, V16,
};
use ocpp::{
    AnswerRefused, Calls, CallsSettings, End, ErrorCode, Fate, IncomingCall, MessageId, Received,
    SendRefused, Sent, Settled, Text, Time,
};
use serde_json::json;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn id(text: &str) -> MessageId {
    MessageId::new(text).unwrap()
}

fn settings() -> CallsSettings {
    CallsSettings {
        waiting_max: 2,
        unanswered_max: 2,
        remembered_max: 1,
        ..CallsSettings::default()
    }
}

fn system() -> Calls<V16> {
    Calls::new(End::System, settings())
}

fn reset() -> Request {
    ResetRequest::new(ResetType::Soft).into()
}

fn accepted() -> Response {
    ResetResponse::new(ResetStatus::Accepted).into()
}

fn settled(name: &str, fate: Fate<V16>, took: u64) -> Settled<V16> {
    Settled {
        id: id(name),
        action: Action::Reset,
        fate,
        took: seconds(took),
        late: false,
        tolerated: vec![],
    }
}

fn sent(name: &str) -> Option<Sent<V16>> {
    let text = format!("[2,\"{name}\",\"Reset\",{{\"type\":\"Soft\"}}]");
    Some(Sent {
        id: id(name),
        action: Action::Reset,
        text,
    })
}

#[test]
fn one_call_flies_and_the_next_waits_for_its_answer() {
    let mut calls = system();
    for name in ["a", "b"] {
        calls.enqueue(id(name), reset(), None).unwrap();
    }
    assert_eq!(calls.deadline(), None);
    assert_eq!(calls.next_to_send(seconds(1)), sent("a"));
    assert_eq!(calls.next_to_send(seconds(1)), None);
    assert_eq!((calls.pending(), calls.deadline()), (2, Some(seconds(31))));
    let answer = calls.receive(seconds(3), r#"[3,"a",{"status":"Accepted"}]"#);
    assert_eq!(
        answer,
        Received::Settled(settled("a", Fate::Answered(accepted()), 2))
    );
    assert_eq!(calls.next_to_send(seconds(3)), sent("b"));
    let error = calls.receive(seconds(4), r#"[4,"b","NotSupported","no","#);
    assert!(
        matches!(error, Received::Refused(_)),
        "a broken frame settles nothing"
    );
    let refused = Fate::Refused {
        code: ErrorCode::NotSupported,
        description: "no".into(),
        details: json!({}),
    };
    let error = calls.receive(seconds(4), r#"[4,"b","NotSupported","no",{}]"#);
    assert_eq!(error, Received::Settled(settled("b", refused, 1)));
    assert_eq!((calls.pending(), calls.next_to_send(seconds(5))), (0, None));
}

#[test]
fn an_answer_at_the_deadline_is_too_late_and_told_as_late() {
    let mut calls = system();
    calls.enqueue(id("a"), reset(), Some(seconds(10))).unwrap();
    calls.enqueue(id("b"), reset(), None).unwrap();
    calls.next_to_send(seconds(0));
    assert_eq!(calls.expire(Duration::from_millis(9_999)), None);
    assert_eq!(
        calls.expire(seconds(10)),
        Some(settled("a", Fate::TimedOut, 10))
    );
    assert_eq!(calls.expire(seconds(10)), None);
    assert_eq!(
        calls.next_to_send(seconds(10)),
        sent("b"),
        "the next is not held up"
    );
    let late = Settled {
        late: true,
        ..settled("a", Fate::Answered(accepted()), 63)
    };
    assert_eq!(
        calls.receive(seconds(63), r#"[3,"a",{"status":"Accepted"}]"#),
        Received::Settled(late)
    );
    let again = calls.receive(seconds(64), r#"[3,"a",{"status":"Accepted"}]"#);
    assert_eq!(again, Received::Stray(id("a")));
    assert_eq!(calls.deadline(), Some(seconds(40)), "b is still in flight");
}

#[test]
fn what_is_remembered_of_calls_that_timed_out_has_a_bound() {
    let mut calls = Calls::<V16>::new(
        End::System,
        CallsSettings {
            remembered_max: 2,
            ..settings()
        },
    );
    for name in ["a", "b", "c"] {
        calls.enqueue(id(name), reset(), Some(seconds(1))).unwrap();
        calls.next_to_send(seconds(0));
        calls.expire(seconds(1)).unwrap();
    }
    let known = calls.enqueue(id("c"), reset(), None);
    assert_eq!(
        known,
        Err(SendRefused::IdInUse),
        "its answer may still come"
    );
    let answer = |name: &str| format!("[3,\"{name}\",{{\"status\":\"Accepted\"}}]");
    let forgotten = calls.receive(seconds(2), &answer("a"));
    assert_eq!(forgotten, Received::Stray(id("a")));
    for name in ["b", "c"] {
        let Received::Settled(late) = calls.receive(seconds(2), &answer(name)) else {
            panic!("{name} is known");
        };
        assert!(late.late);
    }
}

#[test]
fn an_answer_that_is_not_understood_ends_the_call_with_the_reason() {
    let mut calls = system();
    calls.enqueue(id("a"), reset(), None).unwrap();
    calls.next_to_send(seconds(0));
    let Received::Settled(ended) = calls.receive(seconds(1), r#"[3,"a",{"status":"Maybe"}]"#)
    else {
        panic!("settled");
    };
    let Fate::NotUnderstood(violation) = &ended.fate else {
        panic!("{:?}", ended.fate)
    };
    assert_eq!(
        violation.to_string(),
        "status is \"Maybe\", which is not one of the known words"
    );
    assert_eq!(calls.pending(), 0);
}

#[test]
fn calls_that_cannot_be_sent_are_refused_at_once() {
    let mut calls = system();
    assert_eq!(
        calls.enqueue(id("h"), HeartbeatRequest::default().into(), None),
        Err(SendRefused::NotOurs)
    );
    calls.enqueue(id("a"), reset(), None).unwrap();
    assert_eq!(
        calls.enqueue(id("a"), reset(), None),
        Err(SendRefused::IdInUse)
    );
    calls.next_to_send(seconds(0));
    assert_eq!(
        calls.enqueue(id("a"), reset(), None),
        Err(SendRefused::IdInUse)
    );
    calls.enqueue(id("b"), reset(), None).unwrap();
    calls.enqueue(id("c"), reset(), None).unwrap();
    assert_eq!(
        calls.enqueue(id("d"), reset(), None),
        Err(SendRefused::QueueFull)
    );
    assert_eq!(calls.withdraw(&id("b")), Some(reset()));
    assert_eq!(calls.withdraw(&id("a")), None, "it is in flight");
    calls.enqueue(id("d"), reset(), None).unwrap();
}

#[test]
fn a_socket_that_closes_tells_the_fate_of_every_call_in_order() {
    let mut calls = system();
    for name in ["a", "b"] {
        calls.enqueue(id(name), reset(), None).unwrap();
    }
    calls.next_to_send(seconds(1));
    calls.receive(seconds(1), r#"[2,"x","Heartbeat",{}]"#);
    assert_eq!(
        calls.close(seconds(3)),
        [settled("a", Fate::Lost, 2), settled("b", Fate::NotSent, 0)]
    );
    assert_eq!((calls.pending(), calls.deadline()), (0, None));
    let heartbeat = HeartbeatResponse::new(Time::from_unix_ms(0).unwrap()).into();
    assert_eq!(
        calls.answer(&id("x"), &heartbeat),
        Err(AnswerRefused::NotAsked)
    );
}

#[test]
fn each_call_of_the_peer_is_answered_once_and_with_its_own_action() {
    let mut calls = system();
    let text = r#"[2,"x","Authorize",{"idTag":"A"}]"#;
    let call = calls.receive(seconds(0), text);
    let request = AuthorizeRequest::new(Text::new("A").unwrap()).into();
    assert_eq!(
        call,
        Received::Call(IncomingCall {
            id: id("x"),
            request,
            tolerated: vec![]
        })
    );
    assert_eq!(calls.receive(seconds(1), text), Received::Repeated(id("x")));
    assert_eq!(
        calls.answer(&id("x"), &accepted()),
        Err(AnswerRefused::OtherAction)
    );
    let answer = AuthorizeResponse::new(IdTagInfo::new(AuthorizationStatus::Blocked)).into();
    let text = r#"[3,"x",{"idTagInfo":{"status":"Blocked"}}]"#;
    assert_eq!(calls.answer(&id("x"), &answer).as_deref(), Ok(text));
    assert_eq!(
        calls.answer(&id("x"), &answer),
        Err(AnswerRefused::NotAsked)
    );
    assert_eq!(
        calls.refuse(&id("x"), ErrorCode::InternalError, ""),
        Err(AnswerRefused::NotAsked)
    );
}

#[test]
fn a_peer_that_does_not_wait_for_answers_is_served_up_to_a_bound() {
    let mut calls = system();
    let heartbeat = |name: &str| format!("[2,\"{name}\",\"Heartbeat\",{{}}]");
    for name in ["x", "y"] {
        assert!(matches!(
            calls.receive(seconds(0), &heartbeat(name)),
            Received::Call(_)
        ));
    }
    assert_eq!(calls.receive(seconds(0), &heartbeat("z")), Received::Flood);
    calls
        .refuse(&id("x"), ErrorCode::InternalError, "")
        .unwrap();
    assert!(matches!(
        calls.receive(seconds(0), &heartbeat("z")),
        Received::Call(_)
    ));
}
