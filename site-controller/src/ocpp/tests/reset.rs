//! Reset of a charge point: what its central system sees of it, and when the link begins anew.

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use site_model::{
    Change, Command, CommandId, CommandKind, ConnectorId, Monotonic, Outcome, StopReason,
};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::super::{Verdict, Wish};
use super::bench::{Bench, Csms, SOON, charge_point};
use super::transactions::{NOON, ended_by, started};

fn opened(hard: bool) -> Change {
    Change::CommandOpened(Command {
        id: CommandId::new("cmd_reset").unwrap(),
        charge_point: charge_point(),
        connector: ConnectorId::new(1).unwrap(),
        kind: CommandKind::Reset { hard },
        expires_at: Monotonic(30_000),
    })
}

fn closed() -> Change {
    Change::CommandClosed {
        id: CommandId::new("cmd_reset").unwrap(),
        outcome: Outcome::Applied,
    }
}

impl Bench {
    /// The central system resets the charge point; the core takes it, and opens its order.
    async fn is_reset(&mut self, csms: &mut Csms, kind: &str) {
        csms.ask("r", "Reset", &json!({"type": kind})).await;
        let request = timeout(SOON, self.wishes.recv()).await.unwrap().unwrap();
        let hard = kind == "Hard";
        assert_eq!(request.wish, Wish::Reset { hard });
        self.record(NOON, &[opened(hard)]).await;
        request.reply.send(Verdict::Accepted).unwrap();
        assert_eq!(csms.next().await, json!([3, "r", {"status": "Accepted"}]));
    }

    /// A charge point whose session is told.
    async fn charging() -> (Self, Csms) {
        let mut bench = Self::start().await;
        let mut csms = bench.accept().await;
        csms.welcome().await;
        bench.record(NOON, &[started("sess_1", 1)]).await;
        let start = csms.call("StartTransaction").await;
        csms.begin(&start, 77).await;
        bench.waiting_becomes(0).await;
        (bench, csms)
    }
}

impl Csms {
    /// The other end closes, and has said nothing before.
    async fn closes(&mut self) {
        loop {
            let message = timeout(SOON, self.socket.next()).await.unwrap();
            match message {
                Some(Ok(Message::Text(text))) => panic!("it says {text}"),
                Some(Ok(Message::Close(_))) | None => return,
                Some(_) => {}
            }
        }
    }

    async fn kinds_of_events(&mut self) -> Vec<Value> {
        let event = self.raw().await;
        assert_eq!(event[2], "SecurityEventNotification", "{event}");
        self.answer(&event, json!({})).await;
        let events = self.events.iter().chain([&event[3]]);
        events.map(|event| event["type"].clone()).collect()
    }
}

#[tokio::test]
async fn a_soft_reset_tells_the_end_of_its_session_and_then_boots_anew() {
    let (mut bench, mut csms) = Bench::charging().await;
    bench.is_reset(&mut csms, "Soft").await;
    // While it is reset nothing begins.
    let start = json!({"idTag": "GOOD", "connectorId": 1});
    csms.ask("s", "RemoteStartTransaction", &start).await;
    assert_eq!(csms.next().await, json!([3, "s", {"status": "Rejected"}]));
    let soft = ended_by("sess_1", 2, StopReason::SoftReset);
    bench.record(NOON + 2_000, &[soft, closed()]).await;
    let stop = csms.call("StopTransaction").await;
    assert_eq!(
        (&stop[3]["transactionId"], &stop[3]["reason"]),
        (&json!(77), &json!("SoftReset"))
    );
    csms.answer(&stop, json!({})).await;
    csms.closes().await;

    let mut csms = bench.accept().await;
    csms.welcome().await;
    let events = csms.kinds_of_events().await;
    assert_eq!(events, [json!("ResetOrReboot")]);
    // It works as before.
    csms.ask("s", "RemoteStartTransaction", &start).await;
    let request = timeout(SOON, bench.wishes.recv()).await.unwrap().unwrap();
    request.reply.send(Verdict::Accepted).unwrap();
    assert_eq!(csms.next().await, json!([3, "s", {"status": "Accepted"}]));
    bench.end().await;
}

#[tokio::test]
async fn a_hard_reset_closes_at_once_and_tells_the_end_of_its_session_after_the_boot() {
    let (mut bench, mut csms) = Bench::charging().await;
    bench.is_reset(&mut csms, "Hard").await;
    csms.closes().await;
    // It is away until the charger's pause was read back.
    let hard = ended_by("sess_1", 2, StopReason::HardReset);
    bench.record(NOON + 2_000, &[hard]).await;
    assert!(bench.nobody_connects().await, "the order is still open");
    bench.record(NOON + 2_000, &[closed()]).await;

    let mut csms = bench.accept().await;
    csms.welcome().await;
    let stop = csms.call("StopTransaction").await;
    assert_eq!(
        (&stop[3]["transactionId"], &stop[3]["reason"]),
        (&json!(77), &json!("HardReset"))
    );
    csms.answer(&stop, json!({})).await;
    bench.waiting_becomes(0).await;
    bench.end().await;
}

#[tokio::test]
async fn a_soft_reset_waits_a_minute_for_a_central_system_that_does_not_answer() {
    let (mut bench, mut csms) = Bench::charging().await;
    bench.is_reset(&mut csms, "Soft").await;
    let soft = ended_by("sess_1", 2, StopReason::SoftReset);
    bench.record(NOON + 2_000, &[soft, closed()]).await;
    let stop = csms.call("StopTransaction").await;
    let mut csms = bench.accept_back().await;
    csms.welcome().await;
    // What it was not heard to take is told again, word for word.
    assert_eq!(csms.call("StopTransaction").await, stop);
    csms.answer(&stop, json!({})).await;
    bench.waiting_becomes(0).await;
    bench.end().await;
}

#[tokio::test]
async fn a_reset_that_the_site_refuses_changes_nothing() {
    let (mut bench, mut csms) = Bench::charging().await;
    csms.ask("r", "Reset", &json!({"type": "Soft"})).await;
    let request = timeout(SOON, bench.wishes.recv()).await.unwrap().unwrap();
    request.reply.send(Verdict::Refused(None)).unwrap();
    assert_eq!(csms.next().await, json!([3, "r", {"status": "Rejected"}]));
    csms.ask("c", "ClearCache", &json!({})).await;
    assert_eq!(csms.next().await, json!([3, "c", {"status": "Accepted"}]));
    bench.end().await;
}

#[tokio::test]
async fn a_charge_point_that_is_not_accepted_yet_can_be_reset() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    let boot = csms.call("BootNotification").await;
    let pending = super::bench::registered("Pending", 300);
    csms.answer(&boot, pending).await;
    bench.is_reset(&mut csms, "Soft").await;
    bench.record(NOON, &[closed()]).await;
    csms.closes().await;
    let mut csms = bench.accept().await;
    csms.accept_boot().await;
    bench.end().await;
}
