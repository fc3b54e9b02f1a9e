//! One MQTT connection: options, credentials, TLS, and what its errors mean for people. Every
//! connection has a client of its own, so that nothing of a broken one can linger.

use std::path::PathBuf;
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
    NetworkOptions, TlsConfiguration, Transport,
};
use site_model::GatewayId;
use tokio::sync::mpsc;

use crate::secret::Secret;

/// Publishes that may wait for the socket; more than [`super::IN_FLIGHT_MAX`], so that it is never full.
const REQUESTS_MAX: usize = 64;
/// Packets from the broker that may wait for the uplink.
const EVENTS_MAX: usize = 64;
/// Outgoing QoS 1 publishes; the client's default of 65 535 costs 14 MB.
const OUTGOING_MAX: u16 = 64;
/// Largest packet taken from the broker; the largest there is an acknowledgement with its refusals.
const INCOMING_MAX_BYTES: u32 = 256 * 1024;
const KEEP_ALIVE_S: u16 = 30;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the broker is and who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerConfig {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User name, the gateway's id unless configured otherwise.
    pub username: String,
    /// Password.
    pub password: Secret,
    /// Encryption.
    pub tls: Tls,
}

/// Encryption of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// None: only on loopback, or by explicit wish.
    Off,
    /// Certificates checked against the system's roots.
    SystemRoots,
    /// Certificates checked against this PEM file.
    CaFile(PathBuf),
}

/// A connection in the making or in use.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: AsyncClient,
    pub(super) events: mpsc::Receiver<Result<Event, ConnectionError>>,
}

impl Link {
    /// Begins to connect; events tell how it goes. The polling task ends with the connection.
    pub(super) fn open(
        gateway: &GatewayId,
        broker: &BrokerConfig,
        will: LastWill,
    ) -> Result<Self, String> {
        let options = options(gateway, broker, will)?;
        let (client, event_loop) = AsyncClient::builder(options)
            .capacity(REQUESTS_MAX)
            .try_build()
            .map_err(|error| error.to_string())?;
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(poll(event_loop, sender));
        Ok(Self { client, events })
    }
}

async fn poll(mut event_loop: EventLoop, events: mpsc::Sender<Result<Event, ConnectionError>>) {
    loop {
        let event = tokio::select! {
            event = event_loop.poll() => event,
            () = events.closed() => return,
        };
        let over = event.is_err();
        if events.send(event).await.is_err() || over {
            return;
        }
    }
}

fn options(
    gateway: &GatewayId,
    broker: &BrokerConfig,
    will: LastWill,
) -> Result<MqttOptions, String> {
    let mut options = MqttOptions::new(gateway.as_str(), (broker.host.clone(), broker.port));
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_TIMEOUT.as_secs());
    options
        .set_credentials(
            broker.username.as_str(),
            broker.password.reveal().to_owned(),
        )
        .set_keep_alive(KEEP_ALIVE_S)
        .set_clean_start(true)
        .set_last_will(will)
        .set_max_packet_size(Some(INCOMING_MAX_BYTES))
        .set_outgoing_inflight_upper_limit(OUTGOING_MAX)
        .set_network_options(network)
        .set_transport(transport(&broker.tls)?);
    Ok(options)
}

fn transport(tls: &Tls) -> Result<Transport, String> {
    Ok(match tls {
        Tls::Off => Transport::tcp(),
        Tls::SystemRoots => {
            let config = TlsConfiguration::try_default_rustls().map_err(|error| {
                format!("the system's root certificates cannot be read ({error}): install ca-certificates, or set mqtt.ca_file")
            })?;
            Transport::tls_with_config(config)
        }
        Tls::CaFile(path) => {
            let ca = std::fs::read(path).map_err(|error| {
                format!("mqtt.ca_file {} cannot be read: {error}", path.display())
            })?;
            Transport::tls_with_config(TlsConfiguration::Simple {
                ca,
                alpn: None,
                client_auth: None,
            })
        }
    })
}

/// The will: what the broker says for us when we fall silent.
pub(super) fn will(topic: String, payload: Vec<u8>) -> LastWill {
    LastWill::new(topic, payload, QoS::AtLeastOnce, true, None)
}

/// What went wrong, and what to do, for people.
pub(super) fn explain(error: &ConnectionError, broker: &BrokerConfig) -> String {
    let address = format!("{}:{}", broker.host, broker.port);
    if let ConnectionError::ConnectionRefused(code) = error {
        return refusal(*code, broker, &address);
    }
    if let ConnectionError::Tls(error) = error {
        return format!(
            "{address}: no trusted TLS connection ({error}): check mqtt.ca_file, mqtt.host and the clock"
        );
    }
    if let ConnectionError::Io(error) = error {
        return format!(
            "{address} does not answer ({error}): check mqtt.host, mqtt.port and the network"
        );
    }
    if let ConnectionError::Timeout(_) = error {
        return format!(
            "{address} does not answer in time: check mqtt.host, mqtt.port and the network"
        );
    }
    format!("the connection to {address} ended: {error}")
}

fn refusal(code: ConnectReturnCode, broker: &BrokerConfig, address: &str) -> String {
    let credentials = [
        ConnectReturnCode::BadUserNamePassword,
        ConnectReturnCode::NotAuthorized,
        ConnectReturnCode::BadClientId,
        ConnectReturnCode::ClientIdentifierNotValid,
    ];
    if credentials.contains(&code) {
        return format!(
            "{address} refuses `{}` ({code:?}): check mqtt.username and mqtt.password, or create the gateway anew \
             in the cloud (`cloud-api admin gateway create`)",
            broker.username
        );
    }
    format!("{address} refuses the connection ({code:?}); tried again")
}
