//! What a central system asks, and what it is answered.

use std::time::Duration;

use serde_json::json;
use site_model::{
    CommandId, ConnectorId, IdTag, RefusalReason, Reservation, ReservationAnswer, ReservationId,
    StopReason, WallTime, WattHours,
};
use tokio::time::timeout;

use super::super::settings::OFFERED;
use super::super::{Verdict, Wish};
use super::bench::{Bench, SOON, charge_point};
use super::transactions::{NOON, ended, session, started};

#[tokio::test]
async fn an_order_is_answered_with_what_the_site_says_and_its_id_is_the_order_s() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let number = |number| Some(ConnectorId::new(number).unwrap());
    let id_tag = IdTag::new("GOOD").unwrap();
    let cases = [
        (
            "RemoteStartTransaction",
            json!({"idTag": "GOOD", "connectorId": 1}),
            Wish::Start {
                connector: number(1),
                id_tag: id_tag.clone(),
                parent: None,
                within: Duration::from_mins(1),
            },
        ),
        (
            "RemoteStartTransaction",
            json!({"idTag": "GOOD"}),
            Wish::Start {
                connector: None,
                id_tag,
                parent: None,
                within: Duration::from_mins(1),
            },
        ),
        (
            "ChangeAvailability",
            json!({"connectorId": 0, "type": "Inoperative"}),
            Wish::Availability {
                connector: None,
                operative: false,
            },
        ),
    ];
    for (action, fields, wish) in cases {
        let refused = Verdict::Refused(Some(RefusalReason::DeviceOffline));
        for (verdict, word) in [(Verdict::Accepted, "Accepted"), (refused, "Rejected")] {
            csms.ask("cmd_1", action, &fields).await;
            let request = timeout(SOON, bench.wishes.recv()).await.unwrap().unwrap();
            assert_eq!(request.wish, wish);
            assert_eq!(request.id, CommandId::new("cmd_1").ok());
            request.reply.send(verdict).unwrap();
            let answer = csms.next().await;
            assert_eq!(answer, json!([3, "cmd_1", {"status": word}]));
        }
    }
    bench.end().await;
}

#[tokio::test]
async fn a_reservation_is_answered_with_what_the_site_says() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let asked = |connector: i64| {
        json!({"connectorId": connector, "expiryDate": "2025-11-22T12:00:00Z", "idTag": "GOOD",
            "parentIdTag": "FLEET", "reservationId": 7})
    };
    let reservation = |connector| Reservation {
        charge_point: charge_point(),
        id: ReservationId(7),
        connector,
        id_tag: IdTag::new("GOOD").unwrap(),
        parent: IdTag::new("FLEET").ok(),
        expires: WallTime(NOON),
    };
    for (number, connector) in [(1, ConnectorId::new(1).ok()), (0, None)] {
        for answer in ReservationAnswer::ALL {
            csms.ask("1", "ReserveNow", &asked(number)).await;
            let request = timeout(SOON, bench.wishes.recv()).await.unwrap().unwrap();
            assert_eq!(request.wish, Wish::Reserve(reservation(connector)));
            request.reply.send(Verdict::Reservation(*answer)).unwrap();
            assert_eq!(
                csms.next().await,
                json!([3, "1", {"status": answer.as_str()}])
            );
        }
    }
    // A connector that cannot be.
    csms.ask("2", "ReserveNow", &asked(300)).await;
    assert_eq!(csms.next().await, json!([3, "2", {"status": "Rejected"}]));
    for (answer, word) in [
        (ReservationAnswer::Accepted, "Accepted"),
        (ReservationAnswer::Rejected, "Rejected"),
    ] {
        csms.ask("3", "CancelReservation", &json!({"reservationId": 7}))
            .await;
        let request = timeout(SOON, bench.wishes.recv()).await.unwrap().unwrap();
        assert_eq!(request.wish, Wish::CancelReservation(ReservationId(7)));
        request.reply.send(Verdict::Reservation(answer)).unwrap();
        assert_eq!(csms.next().await, json!([3, "3", {"status": word}]));
    }
    bench.end().await;
}

#[tokio::test]
async fn a_closing_that_waits_for_a_session_is_answered_with_scheduled() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let fields = json!({"connectorId": 1, "type": "Inoperative"});
    csms.ask("1", "ChangeAvailability", &fields).await;
    let request = timeout(SOON, bench.wishes.recv()).await.unwrap().unwrap();
    request.reply.send(Verdict::Scheduled).unwrap();
    let answer = csms.next().await;
    assert_eq!(answer, json!([3, "1", {"status": "Scheduled"}]));
    bench.end().await;
}

#[tokio::test]
async fn a_transaction_is_stopped_by_its_id_and_only_while_it_runs() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    bench.record(NOON, &[started("sess_1", 1)]).await;
    let start = csms.call("StartTransaction").await;
    csms.begin(&start, 77).await;
    bench.waiting_becomes(0).await;
    csms.ask("1", "RemoteStopTransaction", &json!({"transactionId": 78}))
        .await;
    assert_eq!(csms.next().await, json!([3, "1", {"status": "Rejected"}]));
    csms.ask("2", "RemoteStopTransaction", &json!({"transactionId": 77}))
        .await;
    let request = timeout(SOON, bench.wishes.recv()).await.unwrap().unwrap();
    let stop = Wish::Stop {
        session: session("sess_1"),
        reason: StopReason::Remote,
    };
    assert_eq!(request.wish, stop);
    request.reply.send(Verdict::Accepted).unwrap();
    assert_eq!(csms.next().await, json!([3, "2", {"status": "Accepted"}]));

    // A tag that the central system does not accept ends its session.
    bench
        .record(NOON, &[ended("sess_1", 2), started("sess_2", 2)])
        .await;
    let call = csms.call("StopTransaction").await;
    csms.answer(&call, json!({})).await;
    let start = csms.call("StartTransaction").await;
    let answer = json!({"transactionId": 78, "idTagInfo": {"status": "Blocked"}});
    csms.answer(&start, answer).await;
    let request = timeout(SOON, bench.wishes.recv()).await.unwrap().unwrap();
    let unwanted = |name: &str, allowance, ends| Wish::Disown {
        session: session(name),
        allowance: WattHours(allowance),
        ends,
    };
    assert_eq!(request.wish, unwanted("sess_2", 0, true));

    // The keys say how much it may take, and whether it ends then.
    for (key, value) in [
        ("MaxEnergyOnInvalidId", "700"),
        ("StopTransactionOnInvalidId", "false"),
    ] {
        csms.ask(
            "3",
            "ChangeConfiguration",
            &json!({"key": key, "value": value}),
        )
        .await;
        assert_eq!(csms.next().await, json!([3, "3", {"status": "Accepted"}]));
    }
    bench
        .record(NOON, &[ended("sess_2", 3), started("sess_3", 3)])
        .await;
    let call = csms.call("StopTransaction").await;
    csms.answer(&call, json!({})).await;
    let start = csms.call("StartTransaction").await;
    let answer = json!({"transactionId": 79, "idTagInfo": {"status": "Expired"}});
    csms.answer(&start, answer).await;
    let request = timeout(SOON, bench.wishes.recv()).await.unwrap().unwrap();
    assert_eq!(request.wish, unwanted("sess_3", 700, false));
    bench.end().await;
}

#[tokio::test]
async fn what_is_not_offered_is_said_in_the_words_of_its_message() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let cases = [
        (
            "UnlockConnector",
            json!({"connectorId": 1}),
            json!({"status": "NotSupported"}),
        ),
        (
            "DataTransfer",
            json!({"vendorId": "x"}),
            json!({"status": "UnknownVendorId"}),
        ),
        (
            "ChangeAvailability",
            json!({"connectorId": 300, "type": "Operative"}),
            json!({"status": "Rejected"}),
        ),
        (
            "TriggerMessage",
            json!({"requestedMessage": "MeterValues", "connectorId": 0}),
            json!({"status": "Rejected"}),
        ),
        (
            "TriggerMessage",
            json!({"requestedMessage": "StatusNotification", "connectorId": 2}),
            json!({"status": "Rejected"}),
        ),
    ];
    for (action, fields, answer) in cases {
        csms.ask("1", action, &fields).await;
        assert_eq!(csms.next().await, json!([3, "1", answer]), "{action}");
    }
    bench.end().await;
}

#[tokio::test]
async fn a_triggered_message_follows_its_answer() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let accepted = json!([3, "1", {"status": "Accepted"}]);
    let trigger = |message: &str| json!({"requestedMessage": message});
    csms.ask("1", "TriggerMessage", &trigger("Heartbeat")).await;
    assert_eq!(csms.next().await, accepted);
    let beat = csms.call("Heartbeat").await;
    csms.answer(&beat, json!({"currentTime": "2026-11-22T10:00:00Z"}))
        .await;
    let one = json!({"requestedMessage": "StatusNotification", "connectorId": 1});
    csms.ask("1", "TriggerMessage", &one).await;
    assert_eq!(csms.next().await, accepted);
    assert_eq!(csms.status().await["connectorId"], 1);
    csms.ask("1", "TriggerMessage", &trigger("BootNotification"))
        .await;
    assert_eq!(csms.next().await, accepted);
    csms.accept_boot().await;
    bench.end().await;
}

#[tokio::test]
async fn a_configuration_key_is_changed_has_its_effect_and_outlives_a_restart() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let change = |key: &str, value: &str| json!({"key": key, "value": value});
    let cases = [
        ("TransactionMessageAttempts", "1", "Accepted"),
        ("WebSocketPingInterval", "-1", "Rejected"),
        ("NumberOfConnectors", "2", "Rejected"),
        ("MinimumStatusDuration", "60", "NotSupported"),
        ("Colour", "green", "NotSupported"),
    ];
    for (key, value, status) in cases {
        csms.ask("1", "ChangeConfiguration", &change(key, value))
            .await;
        let answer = json!([3, "1", {"status": status}]);
        assert_eq!(csms.next().await, answer, "{key}");
    }
    drop(csms);

    let mut bench = bench.power_cut().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let asked = json!({"key": ["transactionmessageattempts", "MinimumStatusDuration"]});
    csms.ask("1", "GetConfiguration", &asked).await;
    let told = json!({
        "configurationKey": [
            {"key": "TransactionMessageAttempts", "readonly": false, "value": "1"},
        ],
        "unknownKey": ["MinimumStatusDuration"],
    });
    assert_eq!(csms.next().await, json!([3, "1", told]));
    csms.ask("1", "GetConfiguration", &json!({})).await;
    let all = csms.next().await;
    let keys = all[2]["configurationKey"].as_array().unwrap();
    assert_eq!(keys.len(), OFFERED.len(), "{all}");

    // One attempt: the first refusal is the last, and what follows goes on without an id.
    bench
        .record(NOON, &[started("sess_1", 1), ended("sess_1", 2)])
        .await;
    let start = csms.call("StartTransaction").await;
    csms.send(&json!([4, start[1], "InternalError", "", {}]).to_string())
        .await;
    bench.waiting_becomes(0).await;
    assert_eq!(bench.link().set_aside, 2);

    let one_second = change("HeartbeatInterval", "1");
    csms.ask("1", "ChangeConfiguration", &one_second).await;
    assert_eq!(csms.next().await, json!([3, "1", {"status": "Accepted"}]));
    csms.call("Heartbeat").await;
    bench.end().await;
}
