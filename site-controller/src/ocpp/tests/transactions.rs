//! Sessions of the journal become transactions of the central system: once, in order, with their
//! times and their energy to the Wh, whatever breaks in between.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use site_model::{Change, ConnectorId, EnergySource, IdTag, SessionId, StopReason, WattHours};

use super::bench::{Bench, Csms, charge_point};

pub(super) const NOON: i64 = 1_763_812_800_000;

#[tokio::test]
async fn a_session_is_told_with_its_times_and_its_energy() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    bench.record(NOON, &[started("sess_1", 12_000)]).await;
    let start = csms.call("StartTransaction").await;
    assert_eq!(
        start[3],
        json!({
            "connectorId": 1, "idTag": "FREE", "meterStart": 12_000,
            "timestamp": "2025-11-22T12:00:00Z",
        })
    );
    // What follows waits for the id.
    bench
        .record(NOON + 900_000, &[read("sess_1", 13_500)])
        .await;
    bench
        .record(
            NOON + 1_000_001,
            &[read("sess_other", 1), ended("sess_1", 14_321)],
        )
        .await;
    assert_eq!(bench.link().waiting, 2);
    csms.begin(&start, 77).await;
    let meter = csms.call("MeterValues").await;
    assert_eq!(
        meter[3],
        json!({
            "connectorId": 1, "transactionId": 77,
            "meterValue": [{"timestamp": "2025-11-22T12:15:00Z", "sampledValue": [{
                "value": "13500", "unit": "Wh", "context": "Sample.Clock",
                "measurand": "Energy.Active.Import.Register",
            }]}],
        })
    );
    csms.answer(&meter, json!({})).await;
    let stop = csms.call("StopTransaction").await;
    assert_eq!(
        stop[3],
        json!({
            "transactionId": 77, "meterStop": 14_321, "timestamp": "2025-11-22T12:16:40.001Z",
            "reason": "EVDisconnected",
        })
    );
    csms.answer(&stop, json!({})).await;
    bench.waiting_becomes(0).await;
    bench.end().await;
}

#[tokio::test]
async fn a_stop_names_the_tag_that_ended_the_session() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let mut by_tag = ended_by("sess_1", 2, StopReason::Local);
    if let Change::SessionEnded { id_tag, .. } = &mut by_tag {
        *id_tag = IdTag::new("COLLEAGUE").ok();
    }
    bench.record(NOON, &[started("sess_1", 1), by_tag]).await;
    let start = csms.call("StartTransaction").await;
    csms.begin(&start, 77).await;
    let stop = csms.call("StopTransaction").await;
    assert_eq!(
        stop[3],
        json!({
            "transactionId": 77, "meterStop": 2, "timestamp": "2025-11-22T12:00:00Z",
            "reason": "Local", "idTag": "COLLEAGUE",
        })
    );
    bench.end().await;
}

#[tokio::test]
async fn what_happens_while_nobody_listens_is_told_in_order_after_a_power_cut() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    drop(csms);
    for number in 0..20_i64 {
        let (name, meter) = (
            format!("sess_{number}"),
            1_000 * u64::try_from(number).unwrap(),
        );
        bench.record(NOON + number, &[started(&name, meter)]).await;
        bench
            .record(
                NOON + number,
                &[read(&name, meter + 1), ended(&name, meter + 7)],
            )
            .await;
        if number == 10 {
            bench = bench.power_cut().await;
        }
    }
    assert_eq!(bench.link().waiting, 40);
    let mut csms = bench.accept_again().await;
    for number in 0..20_i64 {
        let start = csms.call("StartTransaction").await;
        assert_eq!(start[3]["meterStart"], 1_000 * number);
        csms.begin(&start, 100 + number).await;
        let meter = csms.call("MeterValues").await;
        assert_eq!(meter[3]["transactionId"], 100 + number);
        csms.answer(&meter, json!({})).await;
        let stop = csms.call("StopTransaction").await;
        assert_eq!(
            (&stop[3]["transactionId"], &stop[3]["meterStop"]),
            (&json!(100 + number), &json!(1_000 * number + 7))
        );
        csms.answer(&stop, json!({})).await;
    }
    bench.waiting_becomes(0).await;
    bench.end().await;
}

#[tokio::test]
async fn what_was_sent_and_not_answered_is_sent_again_word_for_word() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    bench.record(NOON, &[started("sess_1", 1)]).await;
    let first = csms.call("StartTransaction").await;
    drop(csms);
    let mut csms = bench.accept_again().await;
    assert_eq!(csms.call("StartTransaction").await, first);
    drop(csms);

    let mut bench = bench.power_cut().await;
    let mut csms = bench.accept_again().await;
    let third = csms.call("StartTransaction").await;
    assert_eq!(third, first);
    csms.begin(&third, 5).await;
    bench.waiting_becomes(0).await;

    // The id outlives the next cut, and the start is not told again.
    drop(csms);
    let mut bench = bench.power_cut().await;
    bench.record(NOON + 1, &[ended("sess_1", 2)]).await;
    let mut csms = bench.accept_again().await;
    let stop = csms.call("StopTransaction").await;
    assert_eq!(stop[3]["transactionId"], 5);
    csms.answer(&stop, json!({})).await;
    bench.waiting_becomes(0).await;
    bench.end().await;
}

#[tokio::test]
async fn the_id_of_a_transaction_is_recorded_with_its_session_before_its_start_counts_as_told() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    bench.notes.fails.store(true, Ordering::SeqCst);
    bench.record(NOON, &[started("sess_1", 1)]).await;
    let start = csms.call("StartTransaction").await;
    csms.begin(&start, 77).await;
    // It could not be recorded: the start is told again as it was, and gets the same id.
    let again = csms.call("StartTransaction").await;
    assert_eq!((&again, bench.link().waiting), (&start, 1));
    bench.notes.fails.store(false, Ordering::SeqCst);
    csms.begin(&again, 77).await;
    bench.waiting_becomes(0).await;
    let taken = bench.notes.taken.lock().unwrap().clone();
    assert_eq!(taken, [(session("sess_1"), 77)]);
    bench.end().await;
}

#[tokio::test]
async fn the_end_of_a_session_from_before_the_central_system_is_set_aside() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    bench.record(NOON, &[ended("sess_old", 9)]).await;
    bench.record(NOON, &[started("sess_new", 9)]).await;
    let start = csms.call("StartTransaction").await;
    assert_eq!(start[3]["meterStart"], 9);
    assert_eq!(bench.link().set_aside, 1);
    bench.end().await;
}

#[tokio::test]
async fn a_time_that_was_not_the_right_one_is_corrected_before_it_is_told() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    bench.record_at(5_000, false, &[started("sess_1", 1)]).await;
    let correction = Change::ClockCorrected {
        boot: site_model::BootId(1),
        offset_ms: NOON,
    };
    bench.record(NOON, &[correction]).await;
    let start = csms.call("StartTransaction").await;
    assert_eq!(start[3]["timestamp"], "2025-11-22T12:00:05Z");
    bench.end().await;
}

impl Bench {
    /// Accepts the next socket, and the boot where one comes.
    async fn accept_again(&mut self) -> Csms {
        let mut csms = self.accept().await;
        let mut statuses = 0;
        while statuses < 2 {
            let call = csms.next().await;
            let answer = if call[2] == "BootNotification" {
                super::bench::registered("Accepted", 300)
            } else {
                assert_eq!(call[2], "StatusNotification");
                statuses += 1;
                json!({})
            };
            csms.answer(&call, answer).await;
        }
        csms
    }
}

impl Csms {
    pub(super) async fn begin(&mut self, start: &Value, transaction_id: i64) {
        let answer = json!({"transactionId": transaction_id, "idTagInfo": {"status": "Accepted"}});
        self.answer(start, answer).await;
    }
}

pub(super) fn session(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

pub(super) fn started(name: &str, meter: u64) -> Change {
    Change::SessionStarted {
        session: session(name),
        charge_point: charge_point(),
        connector: ConnectorId::new(1).unwrap(),
        id_tag: IdTag::new("FREE").unwrap(),
        meter_start: WattHours(meter),
        source: EnergySource::ExternalMeter,
        billing_grade: true,
        reservation: None,
    }
}

pub(super) fn read(name: &str, meter: u64) -> Change {
    Change::MeterRead {
        session: session(name),
        meter: WattHours(meter),
    }
}

pub(super) fn ended(name: &str, meter: u64) -> Change {
    ended_by(name, meter, StopReason::EvDisconnected)
}

pub(super) fn ended_by(name: &str, meter: u64, reason: StopReason) -> Change {
    Change::SessionEnded {
        session: session(name),
        charge_point: charge_point(),
        connector: ConnectorId::new(1).unwrap(),
        meter_stop: WattHours(meter),
        reason,
        id_tag: None,
        reconstructed: None,
    }
}
