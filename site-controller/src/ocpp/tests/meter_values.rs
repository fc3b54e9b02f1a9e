//! Samples of the meters, as a central system configures them: told while it listens, in the data of a
//! stop, and beside what the journal says.

use std::time::Duration;

use serde_json::{Value, json};
use site_model::{
    ConnectorId, Monotonic, Phase, Timestamp, Value as Figure, WallTime, WattHours, Watts,
};
use tokio::time::timeout;

use super::super::Measured;
use super::bench::{Bench, Csms, SOON, charge_point};
use super::transactions::{NOON, ended, read, session, started};

const REGISTER: &str = "Energy.Active.Import.Register";

impl Bench {
    /// So many seconds from now, on both clocks.
    fn in_s(&self, seconds: u64) -> Timestamp {
        let now = self.now();
        Timestamp {
            monotonic: Monotonic(now.monotonic.0 + 1_000 * seconds),
            wall: WallTime(now.wall.0 + 1_000 * i64::try_from(seconds).unwrap()),
            ..now
        }
    }

    /// The connector's charger tells this, at that time.
    fn measure(&self, at: Timestamp, register: u64, watts: i32) {
        self.stations().measured(&Measured {
            at,
            charge_point: charge_point(),
            connector: ConnectorId::new(1).unwrap(),
            by_meter: false,
            values: vec![Figure::PowerOfPhase(Phase::L1, Watts(watts))],
            register: Some(WattHours(register)),
        });
    }

    /// A session begins and is told, with this id. Gives when.
    async fn charge(&mut self, csms: &mut Csms, name: &str, id: i64) -> Timestamp {
        let began = self.now();
        self.record_stamped(began, &[started(name, 1_000)]).await;
        self.show_session(Some(name));
        let start = csms.call("StartTransaction").await;
        csms.begin(&start, id).await;
        self.waiting_becomes(0).await;
        began
    }

    /// The link has noticed that its socket broke.
    async fn disconnected(&self) {
        let noticed = async {
            while self.link().connected_since.is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(SOON, noticed).await.unwrap();
    }
}

impl Csms {
    async fn configure(&mut self, keys: &[(&str, &str)]) {
        for (key, value) in keys {
            let fields = json!({"key": key, "value": value});
            self.ask("key", "ChangeConfiguration", &fields).await;
            let accepted = json!([3, "key", {"status": "Accepted"}]);
            assert_eq!(self.next().await, accepted, "{key}");
        }
    }

    /// The next MeterValues, answered.
    async fn meter_values(&mut self) -> Value {
        let call = self.call("MeterValues").await;
        self.answer(&call, json!({})).await;
        call[3].clone()
    }
}

fn register(context: &str, register: u64) -> Value {
    json!({"value": register.to_string(), "context": context, "measurand": REGISTER, "unit": "Wh"})
}

fn time(at: Timestamp) -> String {
    ocpp::Time::from_unix_ms(at.wall.0).unwrap().to_string()
}

#[tokio::test]
async fn the_meters_are_sampled_as_the_central_system_configures_it_at_once_and_after_a_restart() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let asked = json!({"key": [
        "MeterValueSampleInterval", "MeterValuesSampledData", "ClockAlignedDataInterval",
        "MeterValuesAlignedData", "StopTxnSampledData", "StopTxnAlignedData",
        "MeterValuesSampledDataMaxLength",
    ]});
    csms.ask("1", "GetConfiguration", &asked).await;
    let key = |key: &str, value: &str| json!({"key": key, "readonly": false, "value": value});
    assert_eq!(
        csms.next().await,
        json!([3, "1", {"configurationKey": [
            key("MeterValueSampleInterval", "60"), key("MeterValuesSampledData", REGISTER),
            key("ClockAlignedDataInterval", "0"), key("MeterValuesAlignedData", REGISTER),
            key("StopTxnSampledData", ""), key("StopTxnAlignedData", ""),
            {"key": "MeterValuesSampledDataMaxLength", "readonly": true, "value": "20"},
        ]}])
    );
    let too_many = vec!["Power.Active.Import"; 21].join(",");
    for (key, value) in [
        ("MeterValueSampleInterval", "-1"),
        ("MeterValuesSampledData", "Warmth"),
        // No device here tells its voltage.
        ("MeterValuesSampledData", "Voltage"),
        ("StopTxnSampledData", "Power.Active.Import.L4"),
        ("MeterValuesAlignedData", &too_many),
        ("MeterValuesSampledDataMaxLength", "30"),
    ] {
        let fields = json!({"key": key, "value": value});
        csms.ask("2", "ChangeConfiguration", &fields).await;
        assert_eq!(csms.next().await, json!([3, "2", {"status": "Rejected"}]));
    }
    csms.configure(&[
        ("MeterValueSampleInterval", "10"),
        (
            "MeterValuesSampledData",
            &format!("{REGISTER},Power.Active.Import.L1"),
        ),
    ])
    .await;
    bench.charge(&mut csms, "sess_1", 77).await;
    bench.measure(bench.in_s(0), 1_001, 3_000);
    let due = bench.in_s(11);
    bench.measure(due, 1_010, 3_100);
    let power = json!({"value": "3100", "context": "Sample.Periodic", "measurand": "Power.Active.Import",
        "phase": "L1", "unit": "W"});
    let sampled = json!([register("Sample.Periodic", 1_010), power]);
    assert_eq!(
        csms.meter_values().await,
        json!({"connectorId": 1, "transactionId": 77,
            "meterValue": [{"timestamp": time(due), "sampledValue": sampled}]})
    );
    drop(csms);

    let mut bench = bench.power_cut().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    bench.measure(bench.in_s(0), 1_011, 3_000);
    bench.measure(bench.in_s(11), 1_020, 3_200);
    let told = csms.meter_values().await;
    assert_eq!(told["transactionId"], 77, "the file knows the transaction");
    let values = told["meterValue"][0]["sampledValue"].as_array().unwrap();
    let values: Vec<&Value> = values.iter().map(|sample| &sample["value"]).collect();
    assert_eq!(values, ["1020", "3200"]);
    bench.end().await;
}

#[tokio::test]
async fn a_trigger_is_followed_by_what_the_meter_shows_with_and_without_a_transaction() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let plain = json!({"requestedMessage": "MeterValues"});
    let answer = |status: &str| json!([3, "1", {"status": status}]);
    csms.ask("1", "TriggerMessage", &plain).await;
    assert_eq!(
        csms.next().await,
        answer("Rejected"),
        "nothing is known yet"
    );
    bench.measure(bench.in_s(0), 500, 0);
    let mut of_one = plain.clone();
    of_one["connectorId"] = 1.into();
    for (action, fields) in [
        ("TriggerMessage", &plain),
        ("TriggerMessage", &of_one),
        ("ExtendedTriggerMessage", &of_one),
    ] {
        csms.ask("1", action, fields).await;
        assert_eq!(csms.next().await, answer("Accepted"));
        let told = csms.meter_values().await;
        let sampled = &told["meterValue"][0]["sampledValue"];
        assert_eq!(
            (&told["connectorId"], &told["transactionId"], sampled),
            (&json!(1), &Value::Null, &json!([register("Trigger", 500)]))
        );
    }
    for number in [0, 2, 300] {
        let fields = json!({"requestedMessage": "MeterValues", "connectorId": number});
        csms.ask("1", "TriggerMessage", &fields).await;
        assert_eq!(csms.next().await, answer("Rejected"), "{number}");
    }
    bench.charge(&mut csms, "sess_1", 5).await;
    csms.ask("1", "TriggerMessage", &plain).await;
    assert_eq!(csms.next().await, answer("Accepted"));
    assert_eq!(csms.meter_values().await["transactionId"], 5);
    bench.end().await;
}

/// What the journal says of quarter hours is for the time that the central system was away.
#[tokio::test]
async fn no_reading_is_told_as_a_sample_and_by_the_journal_and_none_of_the_time_away_is_missing() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    bench.charge(&mut csms, "sess_1", 77).await;
    bench.measure(bench.in_s(0), 1_001, 0);
    // While samples arrive a quarter hour passes.
    let quarter = bench.now();
    bench
        .record_stamped(quarter, &[read("sess_1", 1_005)])
        .await;
    bench.measure(bench.in_s(61), 1_010, 0);
    let told = csms.meter_values().await;
    let value = |told: &Value| told["meterValue"][0]["sampledValue"][0]["value"].clone();
    assert_eq!(value(&told), "1010");

    // It is away for the next one, and listens again.
    drop(csms);
    bench.disconnected().await;
    let quarter = bench.in_s(90);
    bench
        .record_stamped(quarter, &[read("sess_1", 1_020)])
        .await;
    bench.measure(bench.in_s(122), 1_030, 0);
    let mut csms = bench.accept().await;
    csms.status().await;
    csms.status().await;
    let told = csms.meter_values().await;
    assert_eq!(
        (&told["transactionId"], &told["meterValue"]),
        (
            &json!(77),
            &json!([{"timestamp": time(quarter),
                "sampledValue": [register("Sample.Clock", 1_020)]}])
        )
    );
    bench.measure(bench.in_s(183), 1_040, 0);
    assert_eq!(value(&csms.meter_values().await), "1040");

    // Who wants no register between start and stop is told none.
    csms.configure(&[("MeterValueSampleInterval", "0")]).await;
    let changes = [read("sess_1", 1_050), ended("sess_1", 1_060)];
    bench.record(NOON + 1_800_000, &changes).await;
    let stop = csms.call("StopTransaction").await;
    assert_eq!(
        stop[3],
        json!({"transactionId": 77, "meterStop": 1_060, "timestamp": "2025-11-22T12:30:00Z",
            "reason": "EVDisconnected"})
    );
    bench.end().await;
}

#[tokio::test]
async fn a_reading_that_was_left_out_is_not_told_after_a_restart_either() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    bench.charge(&mut csms, "sess_1", 77).await;
    let quarter = bench.now();
    bench
        .record_stamped(quarter, &[read("sess_1", 1_005)])
        .await;
    // A later reading is told on the same way: the one before it was looked at.
    let later = bench.in_s(3_600);
    bench.record_stamped(later, &[read("sess_1", 1_006)]).await;
    let told = csms.meter_values().await;
    assert_eq!(told["meterValue"][0]["sampledValue"][0]["value"], "1006");
    let quarter = bench.now();
    bench
        .record_stamped(quarter, &[read("sess_1", 1_007)])
        .await;
    csms.ask("1", "GetLocalListVersion", &json!({})).await;
    assert_eq!(csms.next().await, json!([3, "1", {"listVersion": 0}]));
    drop(csms);

    let mut bench = bench.restarted().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    bench.record(NOON, &[ended("sess_1", 1_060)]).await;
    let stop = csms.call("StopTransaction").await;
    assert_eq!(stop[3]["meterStop"], 1_060);
    bench.end().await;
}

#[tokio::test]
async fn a_stop_brings_the_data_of_its_transaction_and_after_a_power_cut_its_ends() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    csms.configure(&[
        ("StopTxnSampledData", REGISTER),
        ("MeterValueSampleInterval", "10"),
        ("MeterValuesSampledData", "Power.Active.Import"),
    ])
    .await;
    let began = bench.charge(&mut csms, "sess_1", 77).await;
    bench.measure(bench.in_s(0), 1_001, 0);
    let sampled_at = bench.in_s(11);
    bench.measure(sampled_at, 1_010, 0);
    csms.meter_values().await;
    let stopped = bench.in_s(20);
    bench
        .record_stamped(stopped, &[ended("sess_1", 1_017)])
        .await;
    let value = |at: String, context: &str, wh| json!({"timestamp": at, "sampledValue": [register(context, wh)]});
    let stop = csms.call("StopTransaction").await;
    assert_eq!(
        stop[3]["transactionData"],
        json!([
            value(time(began), "Transaction.Begin", 1_000),
            value(time(sampled_at), "Sample.Periodic", 1_010),
            value(time(stopped), "Transaction.End", 1_017),
        ])
    );
    drop(csms);
    // It is told again as it was, whatever is left in memory.
    let mut bench = bench.power_cut().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let again = csms.call("StopTransaction").await;
    assert_eq!(again, stop);
    csms.answer(&again, json!({})).await;

    // The power fails during a transaction: what was sampled is gone, its ends are in the journal.
    bench.record(NOON, &[started("sess_2", 1_017)]).await;
    let start = csms.call("StartTransaction").await;
    csms.begin(&start, 78).await;
    bench.waiting_becomes(0).await;
    drop(csms);
    let mut bench = bench.power_cut().await;
    bench.record(NOON + 60_000, &[ended("sess_2", 1_020)]).await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let stop = csms.call("StopTransaction").await;
    let noon = |text: &str| text.to_owned();
    assert_eq!(
        stop[3]["transactionData"],
        json!([
            value(noon("2025-11-22T12:00:00Z"), "Transaction.Begin", 1_017),
            value(noon("2025-11-22T12:01:00Z"), "Transaction.End", 1_020),
        ])
    );
    bench.end().await;
}

#[tokio::test]
async fn a_start_goes_before_every_sample_that_waits() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    csms.configure(&[
        ("MeterValueSampleInterval", "1"),
        ("ClockAlignedDataInterval", "1"),
    ])
    .await;
    bench.measure(bench.in_s(0), 1, 0);
    for second in 1..=20 {
        bench.measure(bench.in_s(second), second, 0);
    }
    let first = csms.call("MeterValues").await;
    bench.record(bench.wall_ms(), &[started("sess_1", 1)]).await;
    csms.answer(&first, json!({})).await;
    let start = csms.call("StartTransaction").await;
    // While it is not answered nothing else is said.
    csms.begin(&start, 77).await;
    for _ in 2..=20 {
        assert_eq!(csms.meter_values().await.get("transactionId"), None);
    }
    assert_eq!(
        bench.notes.taken.lock().unwrap()[..],
        [(session("sess_1"), 77)]
    );
    bench.end().await;
}
