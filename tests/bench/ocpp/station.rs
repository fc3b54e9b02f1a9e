//! A charge point of the bench: one WebSocket with small buffers. It calls when it is told to, and
//! while it rests it accepts whatever it is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// How long anything may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long stations took to answer what they were asked, by the id of the message.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnTimes(Arc<Mutex<HashMap<String, Duration>>>);

impl OwnTimes {
    fn note(&self, id: String, took: Duration) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, took);
    }

    /// What a station took for this message, once.
    pub(crate) fn take(&self, id: &str) -> Option<Duration> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id)
    }
}

/// Buffers as small as the server's, and every message written at once.
pub(crate) fn small_buffers() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(2 * 1_024)
        .write_buffer_size(0)
}

/// A connected charge point.
#[derive(Debug)]
pub(crate) struct Station {
    socket: WebSocketStream<TcpStream>,
    calls: u64,
}

impl Station {
    /// Connects; `credential` is the id and the password of a charge point.
    pub(crate) async fn connect(
        address: &str,
        credential: Option<(&str, &str)>,
    ) -> anyhow::Result<Self> {
        let id = credential.map_or("", |(id, _)| id);
        let mut request = format!("ws://{address}/ocpp/{id}").into_client_request()?;
        if let Some((id, password)) = credential {
            let encoded = STANDARD.encode(format!("{id}:{password}"));
            let headers = request.headers_mut();
            headers.insert("authorization", format!("Basic {encoded}").parse()?);
            headers.insert("sec-websocket-protocol", "ocpp1.6".parse()?);
        }
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let config = Some(small_buffers());
            let connected =
                tokio_tungstenite::client_async_with_config(request, stream, config).await;
            anyhow::Ok(connected?.0)
        };
        let socket = tokio::time::timeout(DEADLINE, connecting)
            .await
            .with_context(|| format!("{id} could not connect in time"))?
            .with_context(|| format!("{id} could not connect"))?;
        Ok(Self { socket, calls: 0 })
    }

    /// Calls, and gives the answer's frame.
    pub(crate) async fn call(&mut self, action: &str, payload: &str) -> anyhow::Result<Utf8Bytes> {
        self.calls += 1;
        let id = self.calls;
        let mut answer = self
            .round_trip(format!("[2,\"{id}\",\"{action}\",{payload}]"))
            .await?;
        // The server asks of its own accord what a charge point can do.
        while answer.starts_with("[2,") {
            self.accept(answer.as_str()).await?;
            answer = self.next().await?;
        }
        ensure!(
            answer.starts_with(&format!("[3,\"{id}\",")),
            "{action} was answered by {answer}"
        );
        Ok(answer)
    }

    /// Sends a text, and gives the next one that comes.
    pub(crate) async fn round_trip(&mut self, text: String) -> anyhow::Result<Utf8Bytes> {
        self.socket.send(Message::text(text)).await?;
        self.next().await
    }

    async fn next(&mut self) -> anyhow::Result<Utf8Bytes> {
        let going = async {
            loop {
                match self.socket.next().await.context("the socket closed")?? {
                    Message::Text(text) => return Ok(text),
                    Message::Ping(_) | Message::Pong(_) => {}
                    other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                        bail!("{other:?} came")
                    }
                }
            }
        };
        tokio::time::timeout(DEADLINE, going)
            .await
            .context("no answer came in time")?
    }

    /// Accepts whatever it is asked, and answers pings, until it is called back.
    pub(crate) fn rest(mut self, own_times: OwnTimes) -> Resting {
        let (call_back, mut called_back) = oneshot::channel();
        let task = tokio::spawn(async move {
            loop {
                let message = tokio::select! {
                    _called = &mut called_back => return Ok(self),
                    message = self.socket.next() => message,
                };
                let message = message.context("the server closed the socket")??;
                if let Message::Text(text) = message {
                    let began = Instant::now();
                    let id = self.accept(text.as_str()).await?;
                    own_times.note(id, began.elapsed());
                }
            }
        });
        Resting { call_back, task }
    }

    async fn accept(&mut self, text: &str) -> anyhow::Result<String> {
        let call: Value = serde_json::from_str(text)?;
        let id = call[1].as_str().filter(|_| call[0] == 2);
        let id = id.with_context(|| format!("no call: {text}"))?.to_owned();
        let answer = format!("[3,\"{id}\",{{\"status\":\"Accepted\"}}]");
        self.socket.send(Message::text(answer)).await?;
        Ok(id)
    }
}

/// A charge point at rest.
#[derive(Debug)]
pub(crate) struct Resting {
    call_back: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<Station>>,
}

impl Resting {
    /// Whether its socket still stands.
    pub(crate) fn is_connected(&self) -> bool {
        !self.task.is_finished()
    }

    /// The station, to be used again.
    pub(crate) async fn call_back(self) -> anyhow::Result<Station> {
        // A task that ended tells its reason below.
        let _ended = self.call_back.send(());
        self.task.await?
    }
}
