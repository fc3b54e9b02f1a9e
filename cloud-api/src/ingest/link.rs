//! The connection to the broker, the embedded one or another: subscribes, hands messages over in
//! order, publishes acknowledgements. Reconnects for ever; the broker keeps what is not taken yet.

use std::{path::PathBuf, time::Duration};

use rumqttc::{
    AsyncClient, BrokerSessionResumePolicy, ClientError, ConnectionError, Event, EventLoop,
    IncomingPacketSizeLimit, MqttOptions, NetworkOptions, Outgoing, Packet, PublishOptions, QoS,
    SessionMode, SubscribeFilterInput, SubscribeReasonCode, TlsConfiguration,
};
use site_wire::{topics::INGEST_FILTERS, v1::Acknowledgement};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Message, PACKET_MAX};
use crate::secret::{Secret, fill_random};

#[expect(clippy::cast_possible_truncation, reason = "a megabyte fits")]
const PACKET_MAX_WIRE: u32 = PACKET_MAX as u32;
/// Unanswered publishes; the library would reserve memory for 65 535.
const INFLIGHT: u16 = 100;
/// Publishes that wait for the connection.
const OUTBOX: usize = 256;
const KEEP_ALIVE_S: u16 = 30;
/// How long the broker keeps what arrives while we are away.
const SESSION_EXPIRY_S: u32 = 3_600;
const BACKOFF_MIN: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// How long the last publishes may take when it stops.
const DRAIN: Duration = Duration::from_secs(1);

/// Where to connect, and as whom.
#[derive(Debug, Clone)]
pub struct Source {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret<String>,
    /// Client id; must stay the same, so that the broker keeps messages over a restart.
    pub client_id: String,
    /// Plain or TLS.
    pub transport: Transport,
}

/// Plain or TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// Plain MQTT.
    Plain,
    /// TLS; the certificate is checked against this file (PEM), or against the system's roots.
    Tls {
        /// Certificates to trust instead of the system's.
        ca_file: Option<PathBuf>,
    },
}

/// Why the connection cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file of trusted certificates cannot be read.
    #[error("cannot read the certificates in {}: {source}", path.display())]
    Certificates {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system's certificates cannot be used.
    #[error("cannot use the system's certificates: {0}; install ca-certificates or set ca_file")]
    System(String),
}

/// The connection; [`Link::run`] drives it.
pub(super) struct Link {
    client: AsyncClient,
    events: EventLoop,
    /// One per worker.
    inboxes: Vec<mpsc::Sender<Message>>,
    subscribed: watch::Sender<bool>,
    backoff: Duration,
}

/// Publishes acknowledgements on the connection.
#[derive(Clone)]
pub(super) struct Publisher(AsyncClient);

impl Publisher {
    /// Queues it, retained; `false` if the queue is full.
    pub(super) fn publish(&self, topic: &str, acknowledgement: &Acknowledgement) -> bool {
        let body = serde_json::to_vec(acknowledgement).expect("a message has string keys only");
        let options = PublishOptions::at_least_once().retained();
        match self.0.try_publish(topic.to_owned(), body, options) {
            Ok(()) => true,
            Err(ClientError::RequestChannelFull(_)) => false,
            Err(error) => {
                tracing::warn!(%error, "Acknowledgement was not sent; the gateway asks again");
                true
            }
        }
    }
}

impl Link {
    pub(super) fn new(
        source: &Source,
        inboxes: Vec<mpsc::Sender<Message>>,
    ) -> Result<(Self, Publisher, watch::Receiver<bool>), SourceError> {
        let (client, events) = AsyncClient::builder(options(source)?)
            .capacity(OUTBOX)
            .build();
        let (subscribed, seen) = watch::channel(false);
        let link = Self {
            client: client.clone(),
            events,
            inboxes,
            subscribed,
            backoff: BACKOFF_MIN,
        };
        Ok((link, Publisher(client), seen))
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => break,
                event = self.events.poll() => event,
            };
            let handled = match event {
                Ok(Event::Incoming(packet)) => stop.run_until_cancelled(self.take(packet)).await,
                Ok(Event::Outgoing(_) | Event::Auth(_)) => Some(()),
                Err(error) => stop.run_until_cancelled(self.wait_after(&error)).await,
            };
            if handled.is_none() {
                break;
            }
        }
        let _late = tokio::time::timeout(DRAIN, self.disconnect()).await;
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the packets of a foreign library; the rest is its own business"
    )]
    async fn take(&mut self, packet: Packet) {
        match packet {
            Packet::ConnAck(_) => {
                self.backoff = BACKOFF_MIN;
                // Also on a kept session: subscribing again brings the retained states again.
                let filters = INGEST_FILTERS
                    .map(|filter| SubscribeFilterInput::new(filter, QoS::AtLeastOnce));
                if let Err(error) = self.client.try_subscribe_many(filters) {
                    tracing::error!(%error, "Ingest could not subscribe");
                }
            }
            Packet::SubAck(answer) => {
                let refused =
                    |code: &SubscribeReasonCode| !matches!(code, SubscribeReasonCode::Success(_));
                if answer.return_codes.iter().any(refused) {
                    tracing::error!(
                        "The broker refuses ingest its subscriptions; check the access list"
                    );
                } else {
                    tracing::info!("Ingest is connected to the broker");
                    self.subscribed.send_replace(true);
                }
            }
            Packet::Publish(publish) => {
                let message = Message {
                    topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                    payload: publish.payload.into(),
                    retained: publish.retain,
                };
                // Waiting here is the back-pressure: the broker is not read meanwhile.
                let worker = worker_of(&message.topic, self.inboxes.len());
                let _work_ended = self.inboxes[worker].send(message).await;
            }
            _ => {}
        }
    }

    async fn wait_after(&mut self, error: &ConnectionError) {
        let was_subscribed = self.subscribed.send_replace(false);
        if was_subscribed || self.backoff == BACKOFF_MIN {
            tracing::warn!(%error, "Ingest has no connection to the broker; trying again");
        }
        let mut random = [0];
        fill_random(&mut random);
        // Half to all of the pause, so that replicas do not come back together.
        let share = 0.5 + f64::from(random[0]) / 510.0;
        tokio::time::sleep(self.backoff.mul_f64(share)).await;
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }

    async fn disconnect(&mut self) {
        if self.client.try_disconnect().is_err() {
            return;
        }
        while let Ok(event) = self.events.poll().await {
            if matches!(event, Event::Outgoing(Outgoing::Disconnect)) {
                return;
            }
        }
    }
}

/// A gateway's topics all carry the same partition; on a wrong one nobody is listened to.
fn worker_of(topic: &str, workers: usize) -> usize {
    let partition = topic.split('/').nth(2).map(str::parse::<usize>);
    partition.and_then(Result::ok).unwrap_or(0) % workers
}

fn options(source: &Source) -> Result<MqttOptions, SourceError> {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    let broker = (source.host.clone(), source.port);
    let mut options = MqttOptions::new(source.client_id.clone(), broker);
    options
        .set_credentials(source.username.clone(), source.password.expose().clone())
        .set_keep_alive(KEEP_ALIVE_S)
        .set_session_mode(SessionMode::Persistent)
        .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
        .set_broker_session_resume_policy(BrokerSessionResumePolicy::AllowBrokerOnly)
        .set_outgoing_inflight_upper_limit(INFLIGHT)
        .set_max_packet_size(Some(PACKET_MAX_WIRE))
        .set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(PACKET_MAX_WIRE))
        .set_network_options(network);
    if let Transport::Tls { ca_file } = &source.transport {
        options.set_transport(rumqttc::Transport::tls_with_config(trust(
            ca_file.as_ref(),
        )?));
    }
    Ok(options)
}

fn trust(ca_file: Option<&PathBuf>) -> Result<TlsConfiguration, SourceError> {
    match ca_file {
        Some(path) => {
            let ca = std::fs::read(path).map_err(|source| SourceError::Certificates {
                path: path.clone(),
                source,
            })?;
            Ok(TlsConfiguration::Simple {
                ca,
                alpn: None,
                client_auth: None,
            })
        }
        None => TlsConfiguration::try_default_rustls()
            .map_err(|error| SourceError::System(error.to_string())),
    }
}
