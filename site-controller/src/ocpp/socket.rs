//! One WebSocket to a central system: TCP, TLS by rustls, handshake with subprotocol and password,
//! small buffers. What goes wrong is told in sentences.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ocpp::Version as _;
use ocpp::v16::V16;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::endpoint::Endpoint;
use super::security::Attempt;
use super::security::events::Kind;
use super::security::kept::Identity;
use crate::uplink::Tls;

/// The library's own of 128 KiB costs more than everything else about a charge point.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// Longest message, as `ocpp::Bounds` has it.
const MESSAGE_MAX_BYTES: usize = 64 * 1024;
/// What may wait for a peer that does not read.
const WRITE_BUFFER_MAX_BYTES: usize = 256 * 1024;

/// Bytes both ways, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(super) type Socket = WebSocketStream<Box<dyn Stream>>;

/// Why there is no socket.
#[derive(Debug)]
pub(super) struct NotOpened {
    /// A sentence with what to do.
    pub(super) why: String,
    /// What the security log has to say of it.
    pub(super) event: Option<Kind>,
}

impl From<String> for NotOpened {
    fn from(why: String) -> Self {
        Self { why, event: None }
    }
}

/// Connects.
pub(super) async fn open(attempt: &Attempt) -> Result<Socket, NotOpened> {
    let endpoint = &attempt.endpoint;
    let address = endpoint.address();
    let host = endpoint.url.host.trim_matches(['[', ']']);
    let tcp = TcpStream::connect((host, endpoint.url.port))
        .await
        .map_err(|error| {
            format!("{address} does not answer ({error}): check ocpp.url and the network")
        })?;
    // Small frames, one at a time: waiting to fill packets only delays them.
    let _best_effort = tcp.set_nodelay(true);
    let stream: Box<dyn Stream> = if endpoint.url.encrypted {
        let roots = roots(&endpoint.tls, &attempt.roots)?;
        let config = client(roots, attempt.identity.as_ref())?;
        Box::new(encrypt(endpoint, config, host, tcp).await?)
    } else {
        Box::new(tcp)
    };
    let settings = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_MAX_BYTES)
        .max_message_size(Some(MESSAGE_MAX_BYTES))
        .max_frame_size(Some(MESSAGE_MAX_BYTES));
    let opened = client_async_with_config(request(attempt)?, stream, Some(settings)).await;
    let (socket, _response) = opened.map_err(|error| explain(&error, endpoint))?;
    Ok(socket)
}

fn request(attempt: &Attempt) -> Result<Request<()>, String> {
    let endpoint = &attempt.endpoint;
    let address = endpoint.address();
    let mut request = address
        .as_str()
        .into_client_request()
        .map_err(|error| format!("{address} is no usable address ({error}): check ocpp.url"))?;
    let headers = request.headers_mut();
    let subprotocol = HeaderValue::from_static(V16::SUBPROTOCOL);
    headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    if let Some(password) = &endpoint.password {
        let mut pair = format!("{}:", endpoint.charge_point).into_bytes();
        pair.extend(attempt.form.shown(password.reveal()));
        let basic = format!("Basic {}", BASE64_STANDARD.encode(pair));
        let mut basic = HeaderValue::from_str(&basic).map_err(|error| error.to_string())?;
        basic.set_sensitive(true);
        headers.insert(AUTHORIZATION, basic);
    }
    Ok(request)
}

/// The roots that the configuration names; none where it names no encryption.
pub(super) fn configured_roots(tls: &Tls) -> Result<Vec<CertificateDer<'static>>, String> {
    let path = match tls {
        Tls::Off => return Ok(Vec::new()),
        Tls::SystemRoots => return Ok(rustls_native_certs::load_native_certs().certs),
        Tls::CaFile(path) => path,
    };
    let unreadable = |error: &dyn std::fmt::Display| {
        format!("ocpp.ca_file {} cannot be read: {error}", path.display())
    };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))?;
    let certificates: Result<Vec<_>, _> = certificates.collect();
    certificates.map_err(|error| unreadable(&error))
}

/// The configured roots, and those that a central system installed.
pub(super) fn roots(
    tls: &Tls,
    installed: &[CertificateDer<'static>],
) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    // Of the system's own some may be unusable; those of a file were checked by whoever named it.
    roots.add_parsable_certificates(configured_roots(tls)?);
    roots.add_parsable_certificates(installed.iter().cloned());
    if roots.is_empty() {
        return Err(
            "there are no root certificates to check the central system against: install ca-certificates, or set \
             ocpp.ca_file"
                .to_owned(),
        );
    }
    Ok(roots)
}

/// TLS settings; with a certificate where one is to be shown.
pub(super) fn client(
    roots: RootCertStore,
    identity: Option<&Identity>,
) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let Some(identity) = identity else {
        return Ok(config.with_no_client_auth());
    };
    let unusable = |error: &dyn std::fmt::Display| {
        format!("the charge point's own certificate cannot be used: {error}")
    };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(identity.chain.as_bytes()).collect();
    let chain = chain.map_err(|error| unusable(&error))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.reveal().as_bytes());
    let key = key.map_err(|error| unusable(&error))?;
    config
        .with_client_auth_cert(chain, key)
        .map_err(|error| unusable(&error))
}

async fn encrypt(
    endpoint: &Endpoint,
    config: ClientConfig,
    host: &str,
    tcp: TcpStream,
) -> Result<impl Stream + use<>, NotOpened> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| format!("{host} is no name of a server ({error}): check ocpp.url"))?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, tcp).await.map_err(|error| {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        let untrusted = matches!(cause, Some(rustls::Error::InvalidCertificate(_)));
        NotOpened {
            why: format!(
                "{}: no trusted TLS connection ({error}): check ocpp.ca_file, the host in ocpp.url and the clock",
                endpoint.address()
            ),
            event: untrusted.then_some(Kind::InvalidCentralSystemCertificate),
        }
    })
}

/// What went wrong in the handshake, and what to do.
fn explain(error: &Error, endpoint: &Endpoint) -> NotOpened {
    let address = endpoint.address();
    if let Error::Http(response) = error {
        let status = response.status();
        let stranger = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
        let why = if stranger {
            format!(
                "{address} refuses the password of {} ({status}): check password_file of the charge point",
                endpoint.charge_point
            )
        } else if status == StatusCode::NOT_FOUND {
            format!(
                "{address} is not known there ({status}): register the charge point, or check ocpp.url"
            )
        } else {
            format!("{address} refuses the connection ({status}); tried again")
        };
        let event = stranger.then_some(Kind::FailedToAuthenticateAtCentralSystem);
        return NotOpened { why, event };
    }
    if let Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) = error {
        return format!(
            "{address} does not speak {}: check ocpp.url",
            V16::SUBPROTOCOL
        )
        .into();
    }
    if let (Error::Io(_), true) = (error, endpoint.url.encrypted) {
        // A certificate that is not accepted shows here: TLS 1.3 tells it after the handshake.
        return format!(
            "{address} ended the encrypted connection ({error}): check the certificate of {} there",
            endpoint.charge_point
        )
        .into();
    }
    format!("{address} is no WebSocket ({error}): check ocpp.url").into()
}
