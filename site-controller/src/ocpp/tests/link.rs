//! Socket, registration, statuses and heartbeats.

use std::time::Duration;

use futures_util::SinkExt as _;
use serde_json::json;
use site_model::ConnectorStatus;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::StatusCode;

use super::super::Registration;
use super::bench::{Bench, Csms, registered};
use super::transactions::{NOON, started};

#[tokio::test]
async fn boot_is_told_first_then_every_status_then_what_changes() {
    let mut bench = Bench::start().await;
    bench.show(ConnectorStatus::Available, None);
    let mut csms = bench.accept().await;
    let boot = csms.call("BootNotification").await;
    assert_eq!(
        boot[3],
        json!({
            "chargePointModel": "Energy Control", "chargePointVendor": "Heidelberg",
            "chargePointSerialNumber": "4711", "firmwareVersion": "1.0.8",
        })
    );
    csms.answer(&boot, registered("Accepted", 300)).await;
    let (whole, one) = (csms.status().await, csms.status().await);
    assert_eq!(
        (&whole["connectorId"], &whole["status"], &whole["errorCode"]),
        (&json!(0), &json!("Available"), &json!("NoError"))
    );
    assert_eq!(
        (&one["connectorId"], &one["status"]),
        (&json!(1), &json!("Available"))
    );
    bench.show(ConnectorStatus::Available, None);
    bench.show(ConnectorStatus::Faulted, Some("relay welded"));
    let faulted = csms.status().await;
    assert_eq!(
        faulted,
        json!({
            "connectorId": 1, "status": "Faulted", "errorCode": "OtherError", "info": "relay welded",
            "timestamp": faulted["timestamp"], "vendorErrorCode": "12",
        })
    );
    let status = bench.link();
    assert_eq!(
        (status.registration, status.last_error),
        (Registration::Accepted, None)
    );
    assert!(status.connected_since.is_some());
    bench.end().await;
}

#[tokio::test]
async fn after_a_broken_socket_every_status_is_told_again_without_a_second_boot() {
    let mut bench = Bench::start().await;
    bench.show(ConnectorStatus::Available, None);
    let mut csms = bench.accept().await;
    csms.accept_boot().await;
    csms.status().await;
    drop(csms);
    let mut csms = bench.accept().await;
    let statuses = [csms.status().await, csms.status().await];
    assert_eq!(
        statuses.map(|status| status["connectorId"].clone()),
        [json!(0), json!(1)]
    );
    bench.end().await;
}

#[tokio::test]
async fn a_station_that_is_not_accepted_only_asks_again_after_the_interval() {
    let mut bench = Bench::start().await;
    bench.show(ConnectorStatus::Available, None);
    let mut csms = bench.accept().await;
    for word in ["Pending", "Rejected"] {
        let boot = csms.call("BootNotification").await;
        let asked = tokio::time::Instant::now();
        csms.answer(&boot, registered(word, 1)).await;
        let again = csms.next().await;
        assert_eq!(again[2], "BootNotification");
        assert!(asked.elapsed() >= Duration::from_millis(900), "{word}");
        csms.answer(&again, registered("Pending", 1)).await;
    }
    csms.accept_boot().await;
    csms.status().await;
    bench.end().await;
}

/// OCPP 1.6, sections 4.2 and 5.11: who is held pending starts and tells nothing, and is served again
/// once it is accepted.
#[tokio::test]
async fn who_is_held_pending_starts_nothing_and_tells_no_transaction_before_it_is_accepted() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    let boot = csms.call("BootNotification").await;
    csms.answer(&boot, registered("Pending", 1)).await;
    bench.record(NOON, &[started("sess_1", 1)]).await;
    let orders = [
        (
            "RemoteStartTransaction",
            json!({"idTag": "T", "connectorId": 1}),
        ),
        ("RemoteStopTransaction", json!({"transactionId": 1})),
    ];
    for (action, fields) in orders {
        csms.ask(action, action, &fields).await;
        let answer = csms.next().await;
        assert_eq!(answer, json!([3, action, {"status": "Rejected"}]));
    }
    // What it may be asked for meanwhile it says.
    csms.ask(
        "boot",
        "TriggerMessage",
        &json!({"requestedMessage": "BootNotification"}),
    )
    .await;
    assert_eq!(
        csms.next().await,
        json!([3, "boot", {"status": "Accepted"}])
    );
    let again = csms.call("BootNotification").await;
    csms.answer(&again, registered("Accepted", 300)).await;
    csms.status().await;
    csms.status().await;
    let start = csms.call("StartTransaction").await;
    assert_eq!(start[3]["meterStart"], 1);
    assert!(
        bench.wishes.try_recv().is_err(),
        "the site was asked for nothing"
    );
    bench.end().await;
}

#[tokio::test]
async fn a_socket_that_is_accepted_and_closed_at_once_is_tried_ever_more_rarely() {
    let bench = Bench::start().await;
    let mut pauses = Vec::new();
    let mut stream = bench.tried_within(Duration::from_millis(1)).await;
    for _ in 0..5 {
        let mut csms = Csms::shake_hands(Box::new(stream), Some("p4ssw0rd"))
            .await
            .unwrap();
        csms.socket.close(None).await.unwrap();
        let closed = Instant::now();
        stream = bench.tried_within(Duration::from_millis(500)).await;
        pauses.push(closed.elapsed());
    }
    // Twice as long each time, half of it by chance: 1, 2, 4, 8, 16 s.
    let at_least = [500, 1_000, 2_000, 4_000, 8_000].map(Duration::from_millis);
    let long_enough = pauses
        .iter()
        .zip(at_least)
        .all(|(pause, least)| *pause >= least);
    assert!(long_enough, "{pauses:?}");
    bench.end().await;
}

#[tokio::test]
async fn heartbeats_follow_the_interval_of_the_central_system() {
    let mut bench = Bench::start().await;
    bench.show(ConnectorStatus::Available, None);
    let mut csms = bench.accept().await;
    let boot = csms.call("BootNotification").await;
    csms.answer(&boot, registered("Accepted", 1)).await;
    csms.status().await;
    csms.status().await;
    for _ in 0..2 {
        let beat = csms.call("Heartbeat").await;
        csms.answer(&beat, json!({"currentTime": "2026-11-22T10:00:00Z"}))
            .await;
    }
    bench.end().await;
}

#[tokio::test]
async fn every_call_of_the_central_system_gets_an_answer_or_the_right_error() {
    let mut bench = Bench::start().await;
    bench.show(ConnectorStatus::Available, None);
    let mut csms = bench.accept().await;
    csms.accept_boot().await;
    csms.status().await;
    csms.status().await;
    let cases = [
        (json!([2, "a", "Fly", {}]), "NotImplemented"),
        (json!([2, "b", "BootNotification", {}]), "NotSupported"),
        (json!([2, "c", "Reset", {}]), "OccurenceConstraintViolation"),
        (
            json!([2, "d", "Reset", {"type": "Cold"}]),
            "PropertyConstraintViolation",
        ),
    ];
    for (call, code) in cases {
        csms.send(&call.to_string()).await;
        let answer = csms.next().await;
        assert_eq!((&answer[0], &answer[1]), (&json!(4), &call[1]));
        assert_eq!(answer[2], code);
    }
    bench.end().await;
}

#[tokio::test]
async fn a_central_system_that_misbehaves_loses_its_socket_and_gets_it_again() {
    let mut bench = Bench::start().await;
    bench.show(ConnectorStatus::Available, None);
    let mut csms = bench.accept().await;
    csms.accept_boot().await;
    csms.send(&" ".repeat(70_000)).await;
    bench
        .error_becomes("the central system sent 70000 bytes at once, at most 65536 are taken")
        .await;
    let mut csms = bench.accept().await;
    csms.socket
        .send(Message::Binary(vec![1].into()))
        .await
        .unwrap();
    bench
        .error_becomes("the central system sent bytes where OCPP-J has texts")
        .await;
    bench.accept().await;
    bench.end().await;
}

#[tokio::test]
async fn who_refuses_us_is_told_with_what_to_do() {
    let mut bench = Bench::start().await;
    let address = bench.link().address;
    bench.refuse(Some(StatusCode::UNAUTHORIZED)).await;
    let refused = format!(
        "{address} refuses the password of CP-1 (401 Unauthorized): check password_file of the charge point"
    );
    bench.error_becomes(&refused).await;
    bench.refuse(None).await;
    let other = format!("{address} does not speak ocpp1.6: check ocpp.url");
    bench.error_becomes(&other).await;
    bench.end().await;
}
