//! The local socket from both ends, and the page that people see.

use std::path::Path;
use std::time::Duration;

use site_model::{
    ChargePointId, CommandId, CommandKind, ConnectorId, Milliamps, Outcome, RefusalReason,
};
use site_wire::v1::{Order, RefusedChargePoint};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::protocol::LINE_MAX_BYTES;
use super::report::*;
use super::*;
use crate::ocpp::Shown;
use crate::runtime::{LocalOrder, LocalRequest};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn status_and_command_travel_and_come_back() {
    let bench = Bench::start().await;
    assert_eq!(
        bench.ask(Request::Status {}).await.unwrap(),
        Answer::Status {
            status: Box::new(report())
        }
    );
    assert_eq!(
        bench.ask(set_limit(10_000)).await.unwrap(),
        Answer::Command {
            command_id: "cmd_1".into(),
            outcome: "applied".into(),
            reason: None
        }
    );
    assert_eq!(
        bench.ask(set_limit(3_000)).await.unwrap(),
        Answer::Command {
            command_id: "cmd_1".into(),
            outcome: "refused".into(),
            reason: Some("limit_below_minimum".into()),
        }
    );
}

#[tokio::test]
async fn what_is_not_understood_is_answered_with_a_sentence() {
    let bench = Bench::start().await;
    let cases = [
        (
            "{}",
            "the request is not understood: missing field `request` at line 1 column 2",
        ),
        (
            r#"{"request":"status","colour":"green"}"#,
            "the request is not understood: unknown field `colour`, there are no fields",
        ),
        (
            r#"{"request":"command","charge_point_id":"a/b","connector_id":1,"order":{"order":"stop_session"},"timeout_ms":1}"#,
            "charge point id must be 1 to 48 characters of A-Z a-z 0-9 - _ * . =",
        ),
        (
            r#"{"request":"command","charge_point_id":"a","connector_id":1,"order":{"order":"stop_session"},"timeout_ms":0}"#,
            "timeout_ms must be 1 to 600000",
        ),
    ];
    for (line, message) in cases {
        let mut stream = UnixStream::connect(&bench.socket).await.unwrap();
        stream
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let answer: Answer = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            answer,
            Answer::Error {
                message: message.into()
            }
        );
    }
}

#[tokio::test]
async fn a_line_without_end_closes_the_connection() {
    let bench = Bench::start().await;
    let mut stream = UnixStream::connect(&bench.socket).await.unwrap();
    let _maybe_cut = stream.write_all(&vec![b' '; LINE_MAX_BYTES + 1]).await;
    let mut answer = Vec::new();
    let _maybe_reset = stream.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
}

#[tokio::test]
async fn a_second_daemon_does_not_take_the_socket_and_a_dead_one_leaves_it() {
    let bench = Bench::start().await;
    let taken = Listener::bind(&bench.socket).await.unwrap_err();
    assert_eq!(
        taken.to_string(),
        format!(
            "{} is served by another daemon already: give this one another gateway.socket",
            bench.socket.display()
        )
    );
    let left_behind = bench.dir.path().join("left.sock");
    drop(std::os::unix::net::UnixListener::bind(&left_behind).unwrap());
    assert!(left_behind.exists());
    Listener::bind(&left_behind).await.unwrap();
}

#[test]
fn without_a_daemon_the_client_says_what_to_look_at() {
    let error = ask(Path::new("/nowhere.sock"), &Request::Status {}, SOON).unwrap_err();
    assert_eq!(
        error.to_string(),
        "nothing answers at /nowhere.sock (No such file or directory (os error 2)): is the daemon running? \
         `systemctl status site-controller`. Another socket is named with --socket or --config"
    );
}

#[test]
fn the_page_fits_eighty_columns_and_shows_what_a_technician_needs() {
    let page = render(&report());
    assert!(page == include_str!("tests/page.txt"), "{page}");
    for line in page.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn long_names_wrap_too() {
    let mut report = report();
    let point = &mut report.charge_points[1];
    point.charge_point_id = "DE*ABC*E1234567*LEFT".into();
    point.vendor = "Heidelberg".into();
    point.model = "Energy Control PLUS".into();
    point.last_answer_age_ms = None;
    let page = render(&report);
    let told = "DE*ABC*E1234567*LEFT Heidelberg Energy Control PLUS: Available, OFFLINE, no\n            answer since the start\n";
    assert!(page.contains(told), "{page}");
    assert!(
        page.lines().all(|line| line.chars().count() <= 80),
        "{page}"
    );
}

#[test]
fn after_an_order_the_limit_in_force_is_told() {
    let told = |charge_point, connector| limit_sentence(&report(), charge_point, connector);
    assert_eq!(
        told("CP-LEFT", 1).as_deref(),
        Some("CP-LEFT connector 1 is limited to 10.5 A (set by a command).")
    );
    assert_eq!(told("CP-LEFT", 2), None);
    assert_eq!(told("CP-NOPE", 1), None);
}

#[test]
fn every_fate_has_its_sentence() {
    assert_eq!(
        outcome_sentence("applied", None),
        "Applied: the charger confirms it."
    );
    for reason in RefusalReason::ALL {
        let sentence = outcome_sentence("refused", Some(reason.as_str()));
        assert!(
            sentence.starts_with("Refused, nothing was changed: "),
            "{sentence}"
        );
        assert!(!sentence.contains("does not know"), "{sentence}");
    }
    assert!(outcome_sentence("refused", Some("new")).contains("does not know"));
}

struct Bench {
    dir: TempDir,
    socket: std::path::PathBuf,
    stop: CancellationToken,
}

impl Bench {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let socket = dir.path().join("run/site.sock");
        let listener = Listener::bind(&socket).await.unwrap();
        let (requests, core) = mpsc::channel(4);
        let stop = CancellationToken::new();
        tokio::spawn(listener.run(requests, stop.clone()));
        tokio::spawn(play_core(core));
        Self { dir, socket, stop }
    }

    async fn ask(&self, request: Request) -> Result<Answer, ClientError> {
        let socket = self.socket.clone();
        let asked = tokio::task::spawn_blocking(move || ask(&socket, &request, SOON));
        asked.await.unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn play_core(mut requests: mpsc::Receiver<LocalRequest>) {
    while let Some(request) = requests.recv().await {
        match request {
            LocalRequest::Status(reply) => reply.send(report()).unwrap(),
            LocalRequest::Present { tag, reply } => {
                assert_eq!(tag.id_tag.as_str(), "04A1B2");
                reply.send(Shown::Refused("blocked")).unwrap();
            }
            LocalRequest::Command { order, reply } => {
                let CommandKind::SetLimit { limit } = order.kind else {
                    panic!("{order:?}")
                };
                let outcome = if limit == Milliamps(10_000) {
                    Outcome::Applied
                } else {
                    Outcome::Refused(RefusalReason::LimitBelowMinimum)
                };
                let expected = LocalOrder {
                    id: None,
                    charge_point: ChargePointId::new("CP-LEFT").unwrap(),
                    connector: ConnectorId::new(1).unwrap(),
                    kind: order.kind.clone(),
                    timeout: Duration::from_secs(30),
                };
                assert_eq!(order, expected);
                reply
                    .send((CommandId::new("cmd_1").unwrap(), outcome))
                    .unwrap();
            }
        }
    }
}

fn set_limit(limit_ma: u32) -> Request {
    Request::Command {
        charge_point_id: "CP-LEFT".into(),
        connector_id: 1,
        order: Order::SetLimit { limit_ma },
        timeout_ms: 30_000,
        command_id: None,
    }
}

fn report() -> StatusReport {
    StatusReport {
        gateway_id: "gw_01jd0example".into(),
        software_version: "0.1.0".into(),
        uptime_ms: 93_784_000,
        now_ms: 1_763_800_000_000,
        clock_known: true,
        clock: Clock::default(),
        cloud: Cloud {
            connected_since_ms: Some(1_763_799_880_000),
            last_error: None,
            facts_waiting: 3,
            refused: vec![RefusedChargePoint {
                charge_point_id: "CP-RIGHT".into(),
                reason: "This id belongs to another organisation: choose another id.".into(),
            }],
        },
        storage: Storage {
            journal_id: "j_1".into(),
            last_sequence: 4_711,
            bytes_on_disk: 1_500_000,
            bytes_written: 34_000_000,
            bytes_written_last_day: 12_000_000,
            facts_waiting: 0,
            facts_dropped: 0,
            problem: None,
            notices: vec![],
        },
        charge_points: vec![charging(), offline()],
        owed: vec![Owed {
            charge_point_id: "CP-LEFT".into(),
            address: "wss://before.example:443/CP-LEFT".into(),
            waiting: 2,
            last_error: Some("the central system hung up".into()),
        }],
        meters: vec![Meter {
            device: "grid".into(),
            power_w: Some(-1_250),
            age_ms: 400,
        }],
        buses: vec![bus()],
    }
}

fn charging() -> ChargePoint {
    ChargePoint {
        charge_point_id: "CP-LEFT".into(),
        vendor: "Heidelberg".into(),
        model: "Energy Control".into(),
        status: "Available".into(),
        online: true,
        last_answer_age_ms: Some(300),
        ocpp: Some(Ocpp {
            address: "wss://csms.example:443/ocpp/1.6/CP-LEFT".into(),
            connected_since_ms: Some(1_763_799_880_000),
            registration: "accepted".into(),
            waiting: 0,
            set_aside: 1,
            set_aside_why: Some("it was refused".into()),
            last_error: None,
        }),
        connectors: vec![Connector {
            connector_id: 1,
            status: "Charging".into(),
            error_code: Some(0),
            limit_ma: 10_500,
            limit_owner: "command".into(),
            limit_reason: "set by a command".into(),
            limit_read_back_ma: Some(10_500),
            power_w: Some(7_240),
            meter_wh: Some(1_234_567),
            session: Some(Session {
                session_id: "sess_01jd0000000000000000000001".into(),
                started_at_ms: 1_763_790_000_000,
                energy_wh: 5_020,
            }),
            fault: None,
        }],
    }
}

fn offline() -> ChargePoint {
    ChargePoint {
        charge_point_id: "CP-RIGHT".into(),
        vendor: "KEBA".into(),
        model: "P30".into(),
        status: "Available".into(),
        online: false,
        last_answer_age_ms: Some(754_000),
        ocpp: Some(Ocpp {
            address: "wss://csms.example:443/ocpp/1.6/CP-RIGHT".into(),
            connected_since_ms: None,
            registration: "unknown".into(),
            waiting: 2,
            set_aside: 0,
            set_aside_why: None,
            last_error: Some("the central system hung up".into()),
        }),
        connectors: vec![Connector {
            connector_id: 1,
            status: "Available".into(),
            error_code: None,
            limit_ma: 0,
            limit_owner: "authorization".into(),
            limit_reason: "waits for an authorization".into(),
            limit_read_back_ma: None,
            power_w: None,
            meter_wh: None,
            session: None,
            fault: Some(Problem {
                message: "register 1000 (state) was not answered within 2000 ms, 3 times in a row"
                    .into(),
                remedy: "Check that the charger has power and that DIP switch 1.3 is on.".into(),
            }),
        }],
    }
}

fn bus() -> Bus {
    Bus {
        name: "garage".into(),
        closed: None,
        devices: vec![Device {
            device: "right".into(),
            unit: 255,
            last_answer_age_ms: Some(754_000),
            answers: 120,
            timeouts: 9,
            crc_errors: 0,
            exceptions: 1,
            failsafe: None,
            phases: None,
            quarantined_for_ms: Some(42_000),
            last_error: Some(LastError {
                problem: Problem {
                    message: "register 1000 (state) was not answered within 2000 ms".into(),
                    remedy: "Check that the charger has power.".into(),
                },
                request: "00 01 00 00 00 06 ff 03 03 e8 00 02".into(),
                response: String::new(),
                age_ms: 2_000,
            }),
        }],
    }
}

#[test]
fn the_page_tells_how_each_failsafe_compares() {
    let differs = Failsafe::Differs(Problem {
        message: "The failsafe was written, but safe_current reads back 16 instead of 6.".into(),
        remedy: "Set it in the device itself.".into(),
    });
    let cases = [
        (Failsafe::Confirmed, "            failsafe confirmed\n"),
        (
            Failsafe::NotReadable,
            "            failsafe written; this model does not tell it\n",
        ),
        (
            differs,
            "            FAILSAFE DIFFERS: The failsafe was written, but safe_current reads\n\
             \x20           back 16 instead of 6.\n\
             \x20           → Set it in the device itself.\n",
        ),
    ];
    for (failsafe, shown) in cases {
        let mut report = report();
        report.buses[0].devices[0].failsafe = Some(failsafe);
        report.buses[0].devices[0].phases = Some(3);
        let page = render(&report);
        let shown = format!("            charges with 3 phases\n{shown}");
        assert!(page.contains(&shown), "{page}");
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<StatusReport>(&text).unwrap(), report);
    }
}
