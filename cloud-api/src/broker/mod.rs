//! The embedded MQTT broker: strangers are refused at CONNECT, each gateway is held to its own topics.
//! Nothing of the library that does it shows outside this module.

mod gate;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use mqtt5::broker::{
    BrokerConfig, BrokerShutdownHandle, MqttBroker, StorageBackendType, StorageConfig,
    config::TlsConfig, router::MessageRouter,
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    gateway::Gateways,
    ingest::{PACKET_MAX, Source, Transport},
    secret::{Secret, random_base62},
};
use gate::{Gate, INGEST_USER};

/// Connections at once; the next is refused until one ends.
const CLIENTS_MAX: usize = 10_000;
/// A gateway has one subscription, ingest has three.
const SUBSCRIPTIONS_MAX: usize = 8;
/// Two per gateway and one per charge point are retained.
const RETAINED_MAX: usize = 200_000;
/// A snapshot of 255 connectors takes about 80 KiB.
const RETAINED_SIZE_MAX: usize = 256 * 1024;
/// Messages that wait for one client.
const QUEUED_MAX: usize = 10_000;
/// … and their size.
const QUEUED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long the session of a client that went away is kept. Nothing depends on it: gateways send
/// again what was not acknowledged.
const SESSION_EXPIRY: Duration = Duration::from_secs(3_600);
/// How often revoked gateways are looked for; their connections end then.
const REVOCATION: Duration = Duration::from_secs(5);
/// How long connections may take to end when the broker stops.
const STOP: Duration = Duration::from_secs(10);

/// Where the broker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSettings {
    /// Address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Certificate chain and key (PEM) for TLS; `None` is plain MQTT.
    pub tls: Option<TlsFiles>,
}

/// PEM files for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Certificate or key, mostly.
    #[error("the MQTT broker did not start: {0}")]
    Start(String),
}

/// A running broker.
pub struct Broker {
    address: SocketAddr,
    inside: SocketAddr,
    ingest_password: Secret<String>,
    shutdown: BrokerShutdownHandle,
    stopping: CancellationToken,
    running: JoinHandle<()>,
    /// Cancelled when the broker ends, also by a panic.
    ended: CancellationToken,
    watching: JoinHandle<()>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Broker {
    /// Starts to listen. On return connections are accepted.
    ///
    /// # Errors
    /// [`BrokerError::Listen`] when the port is taken, [`BrokerError::Start`] for certificate faults.
    pub async fn start(settings: BrokerSettings, gateways: Gateways) -> Result<Self, BrokerError> {
        let failed = |error: mqtt5::MqttError| BrokerError::Start(error.to_string());
        probe(settings.listen).await?;
        let ingest_password = random_base62(32);
        let gate = Arc::new(Gate::new(gateways, ingest_password.clone()));
        let mut broker = MqttBroker::with_config(limits(&settings))
            .await
            .map_err(failed)?
            .with_auth_provider(Arc::clone(&gate) as Arc<dyn mqtt5::broker::AuthProvider>);
        let plain = broker.local_addr();
        let public = if settings.tls.is_some() {
            broker.tls_local_addr()
        } else {
            plain
        };
        let (Some(address), Some(inside)) = (public, plain) else {
            // The library only warns when the TLS port is taken.
            return Err(BrokerError::Start(format!(
                "cannot listen on {}",
                settings.listen
            )));
        };
        let stopping = CancellationToken::new();
        let shutdown = broker.shutdown_handle();
        let (router, ready) = (broker.router(), broker.ready_receiver());
        let ended = CancellationToken::new();
        let ends = ended.clone().drop_guard();
        let running = tokio::spawn(async move {
            let _told_at_the_end = ends;
            if let Err(error) = broker.run().await {
                tracing::error!(%error, "MQTT broker ended; gateways cannot reach the cloud");
            }
        });
        until_ready(ready).await?;
        let watching = tokio::spawn(end_revoked(gate, router, stopping.clone()));
        Ok(Self {
            address,
            inside: reachable(inside),
            ingest_password,
            shutdown,
            stopping,
            running,
            ended,
            watching,
        })
    }

    /// Where gateways connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How ingest connects: plain over loopback, with a password made at this start.
    #[must_use]
    pub fn ingest_source(&self) -> Source {
        Source {
            host: self.inside.ip().to_string(),
            port: self.inside.port(),
            username: INGEST_USER.to_owned(),
            password: self.ingest_password.clone(),
            client_id: INGEST_USER.to_owned(),
            transport: Transport::Plain,
        }
    }

    /// Waits until the broker ends by itself, which it should not.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Ends all connections and frees the port.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        self.shutdown.shutdown();
        let stopped = tokio::time::timeout(STOP, &mut self.running).await;
        if stopped.is_err() {
            tracing::warn!("MQTT broker did not stop in time and is cut off");
            self.running.abort();
        }
        let _ended = self.watching.await;
    }
}

/// Binding once before the library does gives the system's own error instead of its prose.
async fn probe(address: SocketAddr) -> Result<(), BrokerError> {
    match tokio::net::TcpListener::bind(address).await {
        Ok(_freed_at_once) => Ok(()),
        Err(source) => Err(BrokerError::Listen { address, source }),
    }
}

async fn until_ready(mut ready: watch::Receiver<bool>) -> Result<(), BrokerError> {
    let became_ready = ready.wait_for(|ready| *ready).await.is_ok();
    became_ready
        .then_some(())
        .ok_or_else(|| BrokerError::Start("it ended while starting".to_owned()))
}

/// An address of this machine under which a listener on it can be reached.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// Everything the library bounds. With TLS a plain listener on loopback remains, for ingest only.
fn limits(settings: &BrokerSettings) -> BrokerConfig {
    let inside = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let storage = StorageConfig::new()
        .with_backend(StorageBackendType::Memory)
        .with_max_queued_messages_per_client(QUEUED_MAX)
        .with_max_queued_bytes_per_client(QUEUED_BYTES_MAX);
    let (plain, tls) = match &settings.tls {
        None => (settings.listen, None),
        Some(files) => {
            let tls = TlsConfig::new(files.certificate.clone(), files.key.clone());
            (inside, Some(tls.with_bind_address(settings.listen)))
        }
    };
    BrokerConfig {
        bind_addresses: vec![plain],
        tls_config: tls,
        max_clients: CLIENTS_MAX,
        session_expiry_interval: SESSION_EXPIRY,
        max_packet_size: PACKET_MAX,
        maximum_qos: 1,
        topic_alias_maximum: 0,
        shared_subscription_available: false,
        max_subscriptions_per_client: SUBSCRIPTIONS_MAX,
        max_retained_messages: RETAINED_MAX,
        max_retained_message_size: RETAINED_SIZE_MAX,
        sys_topics_enabled: false,
        storage_config: storage,
        ..BrokerConfig::default()
    }
}

/// Ends connections of gateways that were revoked while connected.
async fn end_revoked(gate: Arc<Gate>, router: Arc<MessageRouter>, stopping: CancellationToken) {
    let mut timer = tokio::time::interval(REVOCATION);
    while stopping.run_until_cancelled(timer.tick()).await.is_some() {
        for gateway in gate.refresh_revoked().await {
            tracing::warn!(%gateway, "Gateway was revoked; its connection is ended");
            router.disconnect_client(gateway.as_str()).await;
        }
    }
}

#[cfg(test)]
mod tests;
