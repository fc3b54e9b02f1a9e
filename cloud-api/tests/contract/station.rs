//! A charge point for tests: speaks OCPP 1.6 over a real socket, and holds every frame in both
//! directions to the messages' types.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloud_api::listener::{self, Bounds};
use futures_util::{SinkExt as _, StreamExt as _};
use ocpp::v16::{Action, Request, Response};
use ocpp::{Action as _, Payload as _};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::sync::CancellationToken;

use crate::harness::World;

/// How long anything may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// A listening server of a world.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl World {
    pub(crate) async fn listen(&self) -> Listening {
        let tcp = listener::bind("127.0.0.1:0".parse().unwrap(), "http.listen")
            .await
            .unwrap();
        let address = tcp.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (router, ends) = (self.router.clone(), stop.clone());
        let server = tokio::spawn(listener::serve(tcp, None, router, ends, Bounds::default()));
        Listening {
            address,
            stop,
            server,
        }
    }

    /// A charge point that is registered, connected and accepted.
    pub(crate) async fn booted(&self, at: &Listening, id: &str) -> Station {
        let password = self.password(id).await;
        let mut station = at.connect(id, &password).await.unwrap();
        let boot =
            json!({"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "1.2.3"});
        let answer = station.call("BootNotification", boot).await;
        assert_eq!(answer["status"], "Accepted");
        station
    }

    /// A new provisioning password of our charge point.
    pub(crate) async fn password(&self, id: &str) -> String {
        let id = site_model::ChargePointId::new(id).unwrap();
        let password = self.charge_points.renew_password(&self.ours, &id).await;
        password.unwrap().expose().clone()
    }
}

impl Listening {
    /// Connects as the charge point `id` with its password.
    pub(crate) async fn connect(
        &self,
        id: &str,
        password: &str,
    ) -> Result<Station, tungstenite::Error> {
        let path = format!("/ocpp/{id}");
        self.connect_at(&path, Some((id, password)), Some("ocpp1.6"))
            .await
    }

    pub(crate) async fn connect_at(
        &self,
        path: &str,
        credential: Option<(&str, &str)>,
        protocol: Option<&str>,
    ) -> Result<Station, tungstenite::Error> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request()?;
        let headers = request.headers_mut();
        if let Some((user, password)) = credential {
            let encoded = STANDARD.encode(format!("{user}:{password}"));
            headers.insert("authorization", format!("Basic {encoded}").parse().unwrap());
        }
        if let Some(protocol) = protocol {
            headers.insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        let (socket, _response) = connect_async(request).await?;
        Ok(Station {
            socket,
            made: 0,
            asked: VecDeque::new(),
        })
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.server.await.unwrap();
    }
}

/// A connected charge point.
pub(crate) struct Station {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    made: u32,
    /// Calls of the central system that nobody has looked at.
    asked: VecDeque<(String, String, Value)>,
}

impl Station {
    /// Calls, and answers the payload that came back.
    pub(crate) async fn call(&mut self, action: &str, payload: Value) -> Value {
        let frame = self.call_for_frame(action, payload).await;
        assert_eq!(frame[0], 3, "{action} was refused: {frame}");
        frame[2].clone()
    }

    /// Calls, and answers the frame that came back.
    pub(crate) async fn call_for_frame(&mut self, action: &str, payload: Value) -> Value {
        self.made += 1;
        let id = format!("s{}", self.made);
        self.send(&json!([2, id, action, payload]).to_string())
            .await;
        loop {
            let frame = self.frame().await;
            if frame[0] != 2 {
                assert_eq!(frame[1], id.as_str(), "{frame}");
                if frame[0] == 3 {
                    let action = Action::from_name(action).unwrap();
                    let payload = frame[2].clone();
                    let read = Response::parse(action, payload.clone()).unwrap();
                    assert_eq!(read.tolerated, [], "{frame}");
                    assert_eq!(read.value.to_value(), payload);
                }
                return frame;
            }
            self.keep(&frame);
        }
    }

    /// The next call of the central system: id, action, payload.
    pub(crate) async fn asked(&mut self) -> (String, String, Value) {
        loop {
            if let Some(asked) = self.asked.pop_front() {
                return asked;
            }
            let frame = self.frame().await;
            assert_eq!(frame[0], 2, "no call: {frame}");
            self.keep(&frame);
        }
    }

    /// Answers a call of the central system.
    pub(crate) async fn answer(&mut self, id: &str, payload: Value) {
        self.send(&json!([3, id, payload]).to_string()).await;
    }

    /// Takes the next call, which must be this one, and answers it.
    pub(crate) async fn expect(&mut self, action: &str, payload: &Value, answer: Value) {
        let (id, asked, with) = self.asked().await;
        assert_eq!((asked.as_str(), &with), (action, payload));
        self.answer(&id, answer).await;
    }

    /// Nothing was asked that nobody looked at.
    pub(crate) async fn is_left_alone(&mut self) {
        self.call("Heartbeat", json!({})).await;
        assert_eq!(self.asked, [], "nobody asked for it");
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.socket
            .send(Message::Text(text.to_owned().into()))
            .await
            .unwrap();
    }

    pub(crate) async fn send_message(
        &mut self,
        message: Message,
    ) -> Result<(), tungstenite::Error> {
        self.socket.send(message).await
    }

    /// The next frame that is no ping.
    pub(crate) async fn frame(&mut self) -> Value {
        loop {
            match self.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no frame: {other:?}"),
            }
        }
    }

    /// Waits for the close, and answers its code and reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(_)) => {}
                other => panic!("closed without a word: {other:?}"),
            }
        }
    }

    /// Waits for the end, and answers code and reason if there was a close.
    pub(crate) async fn ended(&mut self) -> Option<(u16, String)> {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Some((frame.code.into(), frame.reason.to_string()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Writes bytes below the WebSocket.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Option<Result<Message, tungstenite::Error>> {
        let next = tokio::time::timeout(DEADLINE, self.socket.next()).await;
        next.expect("nothing came in time")
    }

    /// Every call of the central system is one of its own, and valid by the schema.
    fn keep(&mut self, frame: &Value) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (id, action) = (text(&frame[1]), text(&frame[2]));
        assert!((1..=36).contains(&id.len()), "{frame}");
        let known = Action::from_name(&action).unwrap();
        assert_ne!(known.sender(), ocpp::Sender::Station, "{frame}");
        let read = Request::parse(known, frame[3].clone()).unwrap();
        assert_eq!(read.tolerated, [], "{frame}");
        self.asked.push_back((id, action, frame[3].clone()));
    }
}
