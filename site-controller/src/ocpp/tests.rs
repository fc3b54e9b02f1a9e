//! The station side against a central system that the test plays, over a real socket.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use site_model::{
    Announcement, BootId, ChargePointStatus, ConnectorAnnouncement, ConnectorId, ConnectorStatus,
    ConnectorType, ConnectorView, DeviceFault, LimitOwner, Milliamps, Watts,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::*;
use crate::secret::Secret;
use crate::uplink::Tls;

const SOON: Duration = Duration::from_secs(20);

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

fn registered(status: &str, interval: u64) -> Value {
    json!({"status": status, "interval": interval, "currentTime": "2026-11-22T10:00:00Z"})
}

/// One charge point, and the port of its central system.
struct Bench {
    listener: TcpListener,
    stations: Stations,
    tasks: JoinHandle<()>,
    stop: CancellationToken,
    clock: Clock,
}

impl Bench {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let endpoint = Endpoint {
            charge_point: charge_point(),
            url: format!("ws://127.0.0.1:{port}/ocpp/1.6").parse().unwrap(),
            tls: Tls::Off,
            password: Some(Secret::new("p4ssw0rd")),
        };
        let (stop, clock) = (CancellationToken::new(), Clock::system(BootId(1)));
        let (stations, tasks) = Stations::spawn(vec![endpoint], &clock, &stop);
        Self {
            listener,
            stations,
            tasks,
            stop,
            clock,
        }
    }

    fn show(&self, status: ConnectorStatus, fault: Option<&str>) {
        let view = view(status, fault);
        self.stations.show(&view, &self.clock.now());
    }

    fn link(&self) -> StationStatus {
        self.stations.status()[&charge_point()].clone()
    }

    async fn error_becomes(&self, wanted: &str) {
        let reached = async {
            while self.link().last_error.as_deref() != Some(wanted) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = timeout(SOON, reached).await.is_ok();
        assert!(in_time, "{wanted} is not {:?}", self.link().last_error);
    }

    #[expect(clippy::result_large_err, reason = "the library's own callback")]
    async fn accept(&mut self) -> Csms {
        let (stream, _) = timeout(SOON, self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        let check = |request: &Request, mut response: Response| {
            assert_eq!(request.uri().path(), "/ocpp/1.6/CP-1");
            let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
            assert_eq!(header("authorization"), "Basic Q1AtMTpwNHNzdzByZA==");
            assert_eq!(header("sec-websocket-protocol"), "ocpp1.6");
            let chosen = HeaderValue::from_static("ocpp1.6");
            response
                .headers_mut()
                .insert("sec-websocket-protocol", chosen);
            Ok(response)
        };
        let socket = accept_hdr_async(stream, check).await.unwrap();
        Csms { socket }
    }

    /// Refuses the next socket with this status, or without a subprotocol.
    #[expect(clippy::result_large_err, reason = "the library's own callback")]
    async fn refuse(&mut self, status: Option<StatusCode>) {
        let (stream, _) = timeout(SOON, self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        let refuse = move |_: &Request, response: Response| match status {
            None => Ok(response),
            Some(status) => {
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = status;
                Err(refusal)
            }
        };
        let _refused = accept_hdr_async(stream, refuse).await;
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(SOON, self.tasks).await.unwrap().unwrap();
    }
}

/// The central system's end of a socket.
struct Csms {
    socket: WebSocketStream<TcpStream>,
}

impl Csms {
    async fn next(&mut self) -> Value {
        loop {
            let message = timeout(SOON, self.socket.next()).await.unwrap();
            if let Message::Text(text) = message.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    async fn call(&mut self, action: &str) -> Value {
        let frame = self.next().await;
        assert_eq!((&frame[0], &frame[2]), (&json!(2), &json!(action)));
        frame
    }

    async fn status(&mut self) -> Value {
        let call = self.call("StatusNotification").await;
        self.answer(&call, json!({})).await;
        call[3].clone()
    }

    async fn accept_boot(&mut self) {
        let boot = self.call("BootNotification").await;
        self.answer(&boot, registered("Accepted", 300)).await;
    }

    async fn answer(&mut self, call: &Value, payload: Value) {
        self.send(&json!([3, call[1], payload]).to_string()).await;
    }

    async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }
}

fn charge_point() -> ChargePointId {
    ChargePointId::new("CP-1").unwrap()
}

fn view(status: ConnectorStatus, fault: Option<&str>) -> ChargePointView {
    let connector = ConnectorId::new(1).unwrap();
    ChargePointView {
        announcement: Announcement {
            charge_point: charge_point(),
            vendor: "Heidelberg".to_owned(),
            model: "Energy Control".to_owned(),
            connectors: vec![ConnectorAnnouncement {
                connector,
                kind: ConnectorType::Type2,
                max_power: Watts(11_040),
            }],
        },
        status: ChargePointStatus::Available,
        online: true,
        last_answer: None,
        serial: Some("4711".to_owned()),
        firmware: Some("1.0.8".to_owned()),
        connectors: vec![ConnectorView {
            connector,
            status,
            observed: None,
            error_code: fault.map(|_| 12),
            fault: fault.map(|message| DeviceFault {
                message: message.to_owned(),
                remedy: "Replace it.".to_owned(),
            }),
            limit: Milliamps(16_000),
            limit_owner: LimitOwner::Installation,
            limit_read_back: None,
            power: None,
            meter: None,
            session: None,
        }],
    }
}
