//! Charging profiles: what a central system installs is stored, told to the site, and holds without it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use site_model::{BootId, IdTag, WallTime};
use tokio::time::timeout;

use super::super::{Verdict, Wish};
use super::bench::{Bench, Csms, SOON};
use super::transactions::{ended, started};
use crate::clock::{Clock, SystemTime, Trust};

/// A schedule with these periods of (start in s, limit), from one minute ago.
fn schedule(unit: &str, periods: &[(i64, f64)]) -> Value {
    let periods: Vec<Value> = periods
        .iter()
        .map(|(start, limit)| json!({"startPeriod": start, "limit": limit}))
        .collect();
    json!({"chargingRateUnit": unit, "chargingSchedulePeriod": periods})
}

fn profile(id: i64, purpose: &str, schedule: &Value) -> Value {
    json!({
        "chargingProfileId": id, "stackLevel": 0, "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative", "chargingSchedule": schedule,
    })
}

/// As [`profile`], by the clock from this time on.
fn by_clock(id: i64, purpose: &str, mut schedule: Value, from: &str) -> Value {
    schedule["startSchedule"] = json!(from);
    let mut profile = profile(id, purpose, &schedule);
    profile["chargingProfileKind"] = json!("Absolute");
    profile
}

const LONG_AGO: &str = "2026-01-01T00:00:00Z";

async fn welcomed() -> (Bench, Csms) {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    bench.limit_becomes(None).await;
    (bench, csms)
}

#[tokio::test]
async fn a_profile_is_in_force_when_it_is_accepted_and_until_it_is_cleared() {
    let (bench, mut csms) = welcomed().await;
    let limit = by_clock(
        9_001,
        "TxDefaultProfile",
        schedule("W", &[(0, 7_400.0)]),
        LONG_AGO,
    );
    assert_eq!(csms.install(1, &limit).await, "Accepted");
    assert_eq!(bench.limit(), Some(10_700), "of three phases at 230 V");

    let asked = json!({"connectorId": 1, "duration": 600});
    let told = csms.asked("GetCompositeSchedule", &asked).await;
    assert_eq!(
        told,
        json!({
            "status": "Accepted", "connectorId": 1, "scheduleStart": told["scheduleStart"],
            "chargingSchedule": {"duration": 600, "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.7}]},
        })
    );
    let asked = json!({"connectorId": 0, "duration": 600, "chargingRateUnit": "W"});
    let told = csms.asked("GetCompositeSchedule", &asked).await;
    let periods = &told["chargingSchedule"]["chargingSchedulePeriod"];
    assert_eq!(periods, &json!([{"startPeriod": 0, "limit": 7_400}]));
    let nowhere = json!({"connectorId": 2, "duration": 600});
    let told = csms.asked("GetCompositeSchedule", &nowhere).await;
    assert_eq!(told, json!({"status": "Rejected"}));

    for (status, left) in [("Accepted", None), ("Unknown", None)] {
        let told = csms
            .asked("ClearChargingProfile", &json!({"id": 9_001}))
            .await;
        assert_eq!((told, bench.limit()), (json!({"status": status}), left));
    }
    bench.end().await;
}

#[tokio::test]
async fn profiles_survive_a_power_cut_and_hold_without_a_central_system() {
    let (bench, mut csms) = welcomed().await;
    let maximum = by_clock(
        1,
        "ChargePointMaxProfile",
        schedule("A", &[(0, 8.0)]),
        LONG_AGO,
    );
    assert_eq!(csms.install(0, &maximum).await, "Accepted");
    let default = profile(2, "TxDefaultProfile", &schedule("A", &[(0, 12.0)]));
    assert_eq!(csms.install(1, &default).await, "Accepted");
    drop(csms);
    let bench = bench.power_cut().await;
    bench.limit_becomes(Some(8_000)).await;
    bench.end().await;
}

#[tokio::test]
async fn a_schedule_steps_at_its_second_while_the_central_system_is_away() {
    let (bench, mut csms) = welcomed().await;
    let now = jiff::Timestamp::from_second(bench.wall_ms() / 1_000).unwrap();
    let steps = schedule("A", &[(0, 10.0), (3, 0.0)]);
    let by_clock = by_clock(1, "TxDefaultProfile", steps, &now.to_string());
    assert_eq!(csms.install(1, &by_clock).await, "Accepted");
    drop(csms);
    bench.limit_becomes(Some(0)).await;
    let stepped_ms = bench.wall_ms() - now.as_millisecond();
    assert!(stepped_ms >= 3_000, "{stepped_ms} ms after its beginning");
    bench.end().await;
}

#[tokio::test]
async fn a_clock_that_becomes_known_or_is_set_is_followed_without_a_word_of_the_central_system() {
    let system = Arc::new(Mutex::new(SystemTime {
        wall: WallTime(0),
        trust: Trust::None,
    }));
    let read = Arc::clone(&system);
    let clock = Clock::with_source(BootId(1), Arc::new(move || *read.lock().unwrap()));
    let set = |time: &str| {
        let time: jiff::Timestamp = time.parse().unwrap();
        *system.lock().unwrap() = SystemTime {
            wall: WallTime(time.as_millisecond()),
            trust: Trust::Confirmed,
        };
    };
    let mut bench = Bench::start_at(clock.clone()).await;
    let mut csms = bench.accept().await;
    csms.accept_boot().await;
    csms.status().await;
    csms.status().await;
    let hours = schedule("A", &[(0, 10.0), (3_600, 6.0), (7_200, 14.0)]);
    let by_clock = by_clock(1, "TxDefaultProfile", hours, "2033-05-18T00:00:00Z");
    assert_eq!(csms.install(1, &by_clock).await, "Accepted");
    assert_eq!(bench.limit(), Some(6_000), "it may be any hour");
    let asked = json!({"connectorId": 1, "duration": 60});
    let told = csms.asked("GetCompositeSchedule", &asked).await;
    assert_eq!(told, json!({"status": "Rejected"}), "nobody knows yet");
    drop(csms);

    set("2033-05-18T00:30:00Z");
    assert!(clock.became_known().is_some());
    bench.limit_becomes(Some(10_000)).await;
    set("2033-05-18T02:30:00Z");
    bench.limit_becomes(Some(14_000)).await;
    bench.end().await;
}

#[tokio::test]
async fn a_profile_of_a_transaction_rules_it_and_goes_with_it() {
    let (mut bench, mut csms) = welcomed().await;
    let default = profile(1, "TxDefaultProfile", &schedule("A", &[(0, 12.0)]));
    assert_eq!(csms.install(1, &default).await, "Accepted");
    let own = |transaction: Option<i64>| {
        let mut own = profile(2, "TxProfile", &schedule("A", &[(0, 6.5), (86_000, 16.0)]));
        if let Some(transaction) = transaction {
            own["transactionId"] = json!(transaction);
        }
        own
    };
    assert_eq!(csms.install(1, &own(None)).await, "Rejected", "none runs");
    let now = bench.wall_ms();
    bench.record(now, &[started("sess_1", 1)]).await;
    bench.show_session(Some("sess_1"));
    let start = csms.call("StartTransaction").await;
    csms.begin(&start, 77).await;
    assert_eq!(csms.install(1, &own(Some(78))).await, "Rejected");
    assert_eq!(bench.limit(), Some(12_000));
    assert_eq!(csms.install(1, &own(Some(77))).await, "Accepted");
    assert_eq!(bench.limit(), Some(6_500));

    // Nobody is there when the session goes on after a power cut.
    drop(csms);
    let mut bench = bench.power_cut().await;
    bench.limit_becomes(Some(6_500)).await;
    bench.record(now + 1, &[ended("sess_1", 2)]).await;
    bench.show_session(None);
    bench.limit_becomes(Some(12_000)).await;
    let mut bench = bench.power_cut().await;
    bench.show_session(Some("sess_2"));
    bench.limit_becomes(Some(12_000)).await;
    bench.end().await;
}

#[tokio::test]
async fn a_start_with_a_profile_is_taken_with_it_or_not_at_all() {
    let (mut bench, mut csms) = welcomed().await;
    let own = profile(2, "TxProfile", &schedule("A", &[(0, 7.0)]));
    let start = |profile: &Value| json!({"idTag": "GOOD", "chargingProfile": profile});
    let default = profile(3, "TxDefaultProfile", &schedule("A", &[(0, 7.0)]));
    let rejected = json!({"status": "Rejected"});
    let told = csms.asked("RemoteStartTransaction", &start(&default)).await;
    assert_eq!(told, rejected, "it is not for this transaction");

    for accepted in [false, true] {
        csms.ask("cmd_1", "RemoteStartTransaction", &start(&own))
            .await;
        let request = timeout(SOON, bench.wishes.recv()).await.unwrap().unwrap();
        let wish = Wish::Start {
            connector: None,
            id_tag: IdTag::new("GOOD").unwrap(),
            parent: None,
            within: Duration::from_mins(1),
        };
        assert_eq!(request.wish, wish);
        assert_eq!(bench.limit(), Some(7_000), "before anything may flow");
        if accepted {
            bench.authorize(true).await;
        }
        let verdict = if accepted {
            Verdict::Accepted
        } else {
            Verdict::Refused(None)
        };
        request.reply.send(verdict).unwrap();
        let word = if accepted { "Accepted" } else { "Rejected" };
        assert_eq!(csms.next().await, json!([3, "cmd_1", {"status": word}]));
        let left = accepted.then_some(7_000);
        assert_eq!(bench.limit(), left, "{word}");
    }
    bench.show_session(Some("sess_1"));
    let told = csms.asked("RemoteStartTransaction", &start(&own)).await;
    assert_eq!(told, rejected, "one runs");
    assert_eq!(bench.limit(), Some(7_000));
    bench.show_session(None);
    bench.limit_becomes(None).await;

    // A start that nobody comes for takes its profile with it.
    csms.ask("cmd_2", "RemoteStartTransaction", &start(&own))
        .await;
    let request = timeout(SOON, bench.wishes.recv()).await.unwrap().unwrap();
    bench.authorize(true).await;
    request.reply.send(Verdict::Accepted).unwrap();
    assert_eq!(csms.next().await[2], json!({"status": "Accepted"}));
    bench.limit_becomes(Some(7_000)).await;
    bench.authorize(false).await;
    bench.limit_becomes(None).await;
    bench.end().await;
}

#[tokio::test]
async fn while_the_file_fails_nothing_is_accepted_and_no_limit_is_raised() {
    let (bench, mut csms) = welcomed().await;
    let eight = profile(1, "TxDefaultProfile", &schedule("A", &[(0, 8.0)]));
    let ten = profile(1, "TxDefaultProfile", &schedule("A", &[(0, 10.0)]));
    assert_eq!(csms.install(1, &eight).await, "Accepted");
    bench
        .on_file("ALTER TABLE ocpp_profile RENAME TO gone")
        .await;
    assert_eq!(csms.install(1, &ten).await, "Rejected");
    csms.ask("1", "ClearChargingProfile", &json!({})).await;
    let answer = csms.next().await;
    assert_eq!(
        (&answer[0], &answer[2]),
        (&json!(4), &json!("InternalError"))
    );
    assert_eq!(bench.limit(), Some(8_000));
    drop(csms);

    let mut bench = bench.power_cut().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    assert_eq!(csms.install(1, &ten).await, "Rejected");
    assert!(bench.is_told_nothing(), "what the site has journaled holds");
    bench
        .on_file("ALTER TABLE gone RENAME TO ocpp_profile")
        .await;
    bench.limit_becomes(Some(8_000)).await;
    bench.end().await;
}

#[tokio::test]
async fn a_profile_that_breaks_a_rule_leaves_everything_as_it_was() {
    let (bench, mut csms) = welcomed().await;
    let eight = schedule("A", &[(0, 8.0)]);
    let good = profile(1, "TxDefaultProfile", &eight);
    assert_eq!(csms.install(1, &good).await, "Accepted");
    let mut high = profile(1, "TxDefaultProfile", &eight);
    high["stackLevel"] = json!(10);
    let late = profile(1, "TxDefaultProfile", &schedule("A", &[(1, 8.0)]));
    for (connector, bad) in [
        (2, &good),
        (-1, &good),
        (1, &profile(1, "ChargePointMaxProfile", &eight)),
        (0, &profile(1, "TxProfile", &eight)),
        (1, &high),
        (1, &late),
    ] {
        assert_eq!(csms.install(connector, bad).await, "Rejected", "{bad}");
        assert_eq!(bench.limit(), Some(8_000));
    }
    let keys = json!({"key": ["ChargeProfileMaxStackLevel", "ChargingScheduleMaxPeriods",
        "ChargingScheduleAllowedChargingRateUnit", "MaxChargingProfilesInstalled",
        "ConnectorSwitch3to1PhaseSupported", "SupportedFeatureProfiles"]});
    let told = csms.asked("GetConfiguration", &keys).await;
    let keys = told["configurationKey"].as_array().unwrap().iter();
    let values: Vec<&str> = keys.map(|key| key["value"].as_str().unwrap()).collect();
    assert_eq!(values[..5], ["9", "48", "Current,Power", "40", "false"]);
    assert!(values[5].contains("SmartCharging"), "{}", values[5]);
    bench.end().await;
}

impl Csms {
    async fn asked(&mut self, action: &str, fields: &Value) -> Value {
        self.ask("ask_1", action, fields).await;
        let answer = self.next().await;
        assert_eq!(
            (&answer[0], &answer[1]),
            (&json!(3), &json!("ask_1")),
            "{answer}"
        );
        answer[2].clone()
    }

    /// The status that a profile is answered with.
    async fn install(&mut self, connector: i64, profile: &Value) -> Value {
        let fields = json!({"connectorId": connector, "csChargingProfiles": profile});
        self.asked("SetChargingProfile", &fields).await["status"].clone()
    }
}
