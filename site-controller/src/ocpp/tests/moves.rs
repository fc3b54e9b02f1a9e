//! A charge point that goes over to another central system: what it owes is told to the one it leaves,
//! what begins afterwards to the other, whatever breaks in between.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::bench::{Bench, Csms, PASSWORD, SOON, registered};
use super::transactions::{NOON, ended, started};

/// Of the central system where the charge point goes.
const OTHER: &str = "an0ther";

#[tokio::test]
async fn what_is_owed_is_told_to_the_one_that_is_left_and_what_begins_later_to_the_new_one() {
    let (mut bench, before) = that_owes()
        .await
        .configured_for(another().await, OTHER)
        .await;
    bench.announce().await;
    bench.record(NOON + 2, &[started("sess_3", 5)]).await;
    let mut csms = Csms::greeted(&bench.listener, OTHER, false).await;
    csms.takes("StartTransaction", 5).await;

    let mut old = Csms::greeted(&before, PASSWORD, true).await;
    let end = old.call("StopTransaction").await;
    assert_eq!(
        (&end[3]["transactionId"], &end[3]["meterStop"]),
        (&json!(1), &json!(2))
    );
    let owed = bench.stations().owed();
    assert_eq!((owed.len(), owed[0].waiting), (1, 3));
    // It takes no orders from there.
    old.ask(
        "stop",
        "RemoteStopTransaction",
        &json!({"transactionId": 5}),
    )
    .await;
    let refused = old.next().await;
    assert_eq!(
        (&refused[0], &refused[2]),
        (&json!(4), &json!("NotSupported"))
    );
    old.answer(&end, json!({})).await;
    old.takes("StartTransaction", 3).await;
    old.takes("StopTransaction", 4).await;
    old.is_closed().await;

    bench.record(NOON + 3, &[ended("sess_3", 6)]).await;
    csms.takes("StopTransaction", 6).await;
    bench.waiting_becomes(0).await;
    bench.owes_to(0).await;
    assert_eq!(bench.link().set_aside, 0);
    bench.end().await;
}

#[tokio::test]
async fn power_that_fails_at_any_point_of_the_way_over_changes_nothing_of_who_is_told_what() {
    // Configured, not announced yet: the charge point is where it was.
    let (bench, before) = that_owes()
        .await
        .configured_for(another().await, OTHER)
        .await;
    let mut old = Csms::greeted(&before, PASSWORD, false).await;
    old.takes("StopTransaction", 2).await;
    bench.waiting_becomes(2).await;
    drop(old);
    // Announced: it is elsewhere from the next start on.
    let mut bench = bench.power_cut().await;
    bench.announce().await;
    let bench = bench.power_cut().await;
    let mut old = Csms::greeted(&before, PASSWORD, true).await;
    let start = old.call("StartTransaction").await;
    assert_eq!(start[3]["meterStart"], 3);
    // In the middle of what it owes.
    let mut bench = bench.power_cut().await;
    bench.record(NOON + 2, &[started("sess_3", 5)]).await;
    let mut old = Csms::greeted(&before, PASSWORD, true).await;
    assert_eq!(old.call("StartTransaction").await, start);
    old.begin(&start, 9).await;
    old.takes("StopTransaction", 4).await;
    old.is_closed().await;
    let mut csms = Csms::greeted(&bench.listener, OTHER, false).await;
    csms.takes("StartTransaction", 5).await;
    bench.waiting_becomes(0).await;
    bench.owes_to(0).await;
    bench.end().await;
}

#[tokio::test]
async fn one_that_comes_back_is_told_what_it_was_owed_first_on_one_socket() {
    let (mut bench, before) = that_owes()
        .await
        .configured_for(another().await, OTHER)
        .await;
    bench.announce().await;
    bench.owes_to(1).await;
    bench
        .record(NOON + 1, &[started("sess_3", 5), ended("sess_3", 6)])
        .await;
    let (mut bench, other) = bench.configured_for(before, PASSWORD).await;
    bench.announce().await;
    bench.record(NOON + 3, &[started("sess_4", 7)]).await;
    let mut old = Csms::greeted(&bench.listener, PASSWORD, false).await;
    old.takes("StopTransaction", 2).await;
    old.takes("StartTransaction", 3).await;
    old.takes("StopTransaction", 4).await;
    old.takes("StartTransaction", 7).await;
    bench.waiting_becomes(0).await;
    let mut other = Csms::greeted(&other, OTHER, true).await;
    other.takes("StartTransaction", 5).await;
    other.takes("StopTransaction", 6).await;
    bench.owes_to(0).await;
    bench.end().await;
}

#[tokio::test]
async fn a_password_that_was_set_there_opens_that_one_and_no_other() {
    let mut bench = Bench::start().await;
    bench.announce().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let change = json!({"key": "AuthorizationKey", "value": "a-secret-of-theirs-only"});
    csms.ask("key", "ChangeConfiguration", &change).await;
    assert_eq!(csms.next().await[2], json!({"status": "Accepted"}));
    let mut csms = Csms::at(&bench.listener, "a-secret-of-theirs-only").await;
    csms.both_statuses().await;
    bench.record(NOON, &[started("sess_1", 1)]).await;
    csms.takes("StartTransaction", 1).await;
    bench.waiting_becomes(0).await;
    drop(csms);
    bench.record(NOON, &[ended("sess_1", 2)]).await;

    let (mut bench, before) = bench.configured_for(another().await, OTHER).await;
    bench.announce().await;
    Csms::greeted(&bench.listener, OTHER, false).await;
    let mut old = Csms::greeted(&before, "a-secret-of-theirs-only", true).await;
    old.takes("StopTransaction", 2).await;
    bench.owes_to(0).await;
    bench.end().await;
}

#[tokio::test]
async fn what_the_one_that_is_left_set_up_holds_no_longer() {
    let mut bench = Bench::start().await;
    bench.announce().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let profile = json!({"connectorId": 0, "csChargingProfiles": {
        "chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "ChargePointMaxProfile",
        "chargingProfileKind": "Absolute", "chargingSchedule": {
            "chargingRateUnit": "A", "startSchedule": "2025-01-01T00:00:00Z",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7.0}]}}});
    let list = json!({"listVersion": 3, "updateType": "Full",
        "localAuthorizationList": [{"idTag": "FRIEND", "idTagInfo": {"status": "Accepted"}}]});
    let orders = [
        (
            "ChangeConfiguration",
            json!({"key": "HeartbeatInterval", "value": "777"}),
        ),
        (
            "ChangeConfiguration",
            json!({"key": "LocalAuthListEnabled", "value": "true"}),
        ),
        ("SendLocalList", list),
        ("SetChargingProfile", profile),
    ];
    for (action, fields) in orders {
        csms.ask("1", action, &fields).await;
        assert_eq!(
            csms.next().await[2],
            json!({"status": "Accepted"}),
            "{action}"
        );
    }
    bench.limit_becomes(Some(7_000)).await;
    drop(csms);

    let (mut bench, _before) = bench.configured_for(another().await, OTHER).await;
    bench.announce().await;
    let mut csms = Csms::greeted(&bench.listener, OTHER, false).await;
    bench.limit_becomes(None).await;
    let asked = json!({"key": ["HeartbeatInterval"]});
    csms.ask("2", "GetConfiguration", &asked).await;
    let key = &csms.next().await[2]["configurationKey"][0];
    assert_eq!(key["value"], "300", "as its boot was answered: {key}");
    csms.ask("3", "GetLocalListVersion", &json!({})).await;
    let version = &csms.next().await[2]["listVersion"];
    assert!(*version != json!(3), "{version}");
    bench.end().await;
}

#[tokio::test]
async fn a_central_system_that_is_left_and_dead_is_waited_for_thirty_days_and_its_debts_set_aside()
{
    let (mut bench, before) = that_owes()
        .await
        .configured_for(another().await, OTHER)
        .await;
    bench.announce().await;
    let csms = Csms::greeted(&bench.listener, OTHER, false).await;
    drop((csms, before));
    bench.owes_to(1).await;
    bench = bench.days_later(29).await;
    bench.owes_to(1).await;
    bench = bench.days_later(31).await;
    let given_up = async {
        while bench.link().set_aside == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, given_up).await.unwrap();
    let link = bench.link();
    let why = link.set_aside_why.unwrap();
    assert_eq!((link.set_aside, bench.stations().owed()), (3, vec![]));
    assert!(
        why.ends_with("did not take what was owed to it for 30 days"),
        "{why}"
    );
    bench.end().await;
}

async fn another() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// At the first central system: one session told as far as its start, its end and another one owed.
async fn that_owes() -> Bench {
    let mut bench = Bench::start().await;
    bench.announce().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    bench.record(NOON, &[started("sess_1", 1)]).await;
    csms.takes("StartTransaction", 1).await;
    bench.waiting_becomes(0).await;
    drop(csms);
    let owed = [ended("sess_1", 2), started("sess_2", 3), ended("sess_2", 4)];
    bench.record(NOON, &owed).await;
    bench
}

impl Bench {
    /// How many central systems that were left are owed something.
    async fn owes_to(&self, wanted: usize) {
        let reached = async {
            while self.stations().owed().len() != wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = timeout(3 * SOON, reached).await.is_ok();
        assert!(in_time, "{:?}, not {wanted}", self.stations().owed());
    }
}

impl Csms {
    async fn is_closed(&mut self) {
        let ended = timeout(SOON, self.socket.next()).await.unwrap();
        let over = !matches!(ended, Some(Ok(Message::Text(_) | Message::Binary(_))));
        assert!(over, "{ended:?}");
    }

    /// The next socket on which a charge point boots that is here to stay, or that has left; of those
    /// that a power cut left behind nothing comes.
    async fn greeted(listener: &TcpListener, password: &str, has_left: bool) -> Self {
        loop {
            let mut csms = Self::at(listener, password).await;
            if csms.greets().await == Some(has_left) {
                return csms;
            }
        }
    }

    /// Takes boot and statuses; whether they are those of a charge point that has left.
    async fn greets(&mut self) -> Option<bool> {
        let mut left = Vec::new();
        while left.len() < 2 {
            let call = self.heard().await?;
            let answer = match call[2].as_str() {
                Some("BootNotification") => registered("Accepted", 300),
                Some("StatusNotification") => {
                    let gone = "at another central system";
                    left.push(call[3]["status"] == "Unavailable" && call[3]["info"] == gone);
                    json!({})
                }
                _ => json!({}),
            };
            let answer = json!([3, call[1], answer]).to_string();
            self.socket.send(Message::text(answer)).await.ok()?;
        }
        Some(left == [true, true])
    }

    async fn heard(&mut self) -> Option<Value> {
        loop {
            match timeout(SOON, self.socket.next()).await.ok()??.ok()? {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Binary(_) | Message::Close(_) | Message::Frame(_) => return None,
            }
        }
    }

    async fn both_statuses(&mut self) -> Vec<Value> {
        vec![self.status().await, self.status().await]
    }

    async fn takes(&mut self, action: &str, number: u64) {
        let call = self.call(action).await;
        let meter = match action {
            "StartTransaction" => "meterStart",
            _ => "meterStop",
        };
        assert_eq!(call[3][meter], number, "{call}");
        if action == "StartTransaction" {
            self.begin(&call, i64::try_from(number).unwrap()).await;
        } else {
            self.answer(&call, json!({})).await;
        }
    }
}
