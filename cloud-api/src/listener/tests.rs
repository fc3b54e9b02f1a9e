//! Real sockets: who is served, who waits, who is cut off, and how it ends.

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::tls;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
/// Longer than every bound of the listener.
const DEADLINE: Duration = Duration::from_secs(60);

struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

async fn serving(router: Router, tls: Option<ServerConfig>, bounds: Bounds) -> Served {
    let tcp = bind("127.0.0.1:0".parse().unwrap(), "http.listen")
        .await
        .unwrap();
    let address = tcp.local_addr().unwrap();
    let stop = CancellationToken::new();
    let ended = tokio::spawn(serve(
        tcp,
        tls.map(Fresh::new),
        router,
        stop.clone(),
        bounds,
    ));
    Served {
        address,
        stop,
        ended,
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// What comes until the other side ends the connection.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    // A reset is an end as well: a connection that is cut off may have unread bytes.
    let _reset = tokio::time::timeout(DEADLINE, read)
        .await
        .expect("ends in time");
    String::from_utf8(bytes).unwrap()
}

/// What comes until it ends with `end`.
async fn until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let byte = tokio::time::timeout(DEADLINE, stream.read_u8())
            .await
            .expect("answers in time");
        text.push(char::from(byte.expect("answers before it ends")));
    }
    text
}

/// Answers `done` when it is allowed to; `begun` tells when it has begun.
fn slow(begun: Arc<Notify>, allowed: Arc<Notify>) -> Router {
    Router::new().route(
        "/",
        get(async move || {
            begun.notify_one();
            allowed.notified().await;
            "done"
        }),
    )
}

fn quick() -> Router {
    Router::new().route("/", get(async || "done"))
}

#[tokio::test]
async fn a_request_under_way_is_answered_after_the_stop_and_nobody_else_is_accepted() {
    let (begun, allowed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let router = slow(Arc::clone(&begun), Arc::clone(&allowed));
    let served = serving(router, None, Bounds::default()).await;
    let mut stream = connect(served.address).await;
    let mut idle = connect(served.address).await;
    stream.write_all(GET).await.unwrap();
    begun.notified().await;

    served.stop.cancel();
    assert_eq!(
        rest(&mut idle).await,
        "",
        "who asks nothing is not waited for"
    );
    assert!(!served.ended.is_finished());
    allowed.notify_one();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\ndone"), "{answer}");
    tokio::time::timeout(DEADLINE, served.ended)
        .await
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn a_request_that_takes_longer_than_the_grace_is_cut_off() {
    let begun = Arc::new(Notify::new());
    let router = slow(Arc::clone(&begun), Arc::new(Notify::new()));
    let bounds = Bounds {
        grace: Duration::from_millis(50),
        ..Bounds::default()
    };
    let served = serving(router, None, bounds).await;
    let mut stream = connect(served.address).await;
    stream.write_all(GET).await.unwrap();
    begun.notified().await;
    served.stop.cancel();
    assert_eq!(rest(&mut stream).await, "");
    tokio::time::timeout(DEADLINE, served.ended)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn at_the_bound_a_connection_waits_until_another_ends() {
    let bounds = Bounds {
        connections: 1,
        ..Bounds::default()
    };
    let served = serving(quick(), None, bounds).await;
    let mut first = connect(served.address).await;
    first.write_all(GET).await.unwrap();
    until(&mut first, "done").await;
    let mut second = connect(served.address).await;
    second.write_all(GET).await.unwrap();
    // The first is served once more while the second waits.
    first.write_all(GET).await.unwrap();
    until(&mut first, "done").await;
    let early = tokio::time::timeout(Duration::from_millis(50), second.read_u8()).await;
    assert!(early.is_err(), "the second has to wait");
    drop(first);
    until(&mut second, "done").await;
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_with_a_head_or_a_handshake_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let (files, _) = tls::tests::certificate(dir.path(), "a");
    let tls = tls::server_config(&files, None, &HTTP_PROTOCOLS).unwrap();
    // The beginning of a head, and of a TLS record with a ClientHello (RFC 8446, section 5.1).
    for (tls, beginning) in [(None, &GET[..8]), (Some(tls), &[0x16, 3, 1])] {
        let served = serving(quick(), tls, Bounds::default()).await;
        let mut stream = connect(served.address).await;
        stream.write_all(beginning).await.unwrap();
        assert_eq!(rest(&mut stream).await, "");
    }
}

#[tokio::test]
async fn handlers_learn_who_asks() {
    let router = Router::new().route(
        "/",
        get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()),
    );
    let served = serving(router, None, Bounds::default()).await;
    let mut stream = connect(served.address).await;
    stream.write_all(GET).await.unwrap();
    let own = stream.local_addr().unwrap().to_string();
    assert!(
        until(&mut stream, &own)
            .await
            .starts_with("HTTP/1.1 200 OK\r\n")
    );
}

#[tokio::test]
async fn https_is_served_to_who_trusts_the_certificate() {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let (files, certificate) = tls::tests::certificate(dir.path(), "a");
    let tls = tls::server_config(&files, None, &HTTP_PROTOCOLS).unwrap();
    let served = serving(quick(), Some(tls), Bounds::default()).await;
    let url = format!("https://localhost:{}/", served.address.port());
    let trusted = reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap();
    let client = || reqwest::Client::builder().tls_certs_only([trusted.clone()]);
    let text = async |client: reqwest::Client| {
        client.get(&url).send().await.unwrap().text().await.unwrap()
    };

    assert_eq!(text(client().http1_only().build().unwrap()).await, "done");
    let stranger = reqwest::Client::builder()
        .tls_certs_only([])
        .build()
        .unwrap();
    assert!(
        stranger.get(&url).send().await.is_err(),
        "an unknown certificate is not trusted"
    );
    let plain = reqwest::Client::new()
        .get(url.replace("https", "http"))
        .send()
        .await;
    assert!(plain.is_err(), "plain HTTP is not answered on the TLS port");
}

#[tokio::test]
async fn http_2_is_negotiated_by_alpn() {
    let dir = tempfile::tempdir().unwrap();
    let (files, _) = tls::tests::certificate(dir.path(), "a");
    let tls = tls::server_config(&files, None, &HTTP_PROTOCOLS).unwrap();
    let served = serving(quick(), Some(tls), Bounds::default()).await;
    let mut stream = tls_client(&files, &[b"h2"], served.address).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    // RFC 9113, section 3.4: preface and an empty SETTINGS frame; the server's SETTINGS come back.
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "a SETTINGS frame");
}

async fn tls_client(
    files: &crate::config::TlsFiles,
    protocols: &[&[u8]],
    address: SocketAddr,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&files.certificate_file).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    connector
        .connect(name, connect(address).await)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_taken_port_is_told_with_the_key_to_change() {
    let first = bind("127.0.0.1:0".parse().unwrap(), "http.listen")
        .await
        .unwrap();
    let address = first.local_addr().unwrap();
    let error = bind(address, "http.listen").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "port {} on 127.0.0.1 is taken: stop the other program or set http.listen",
            address.port()
        )
    );
    let foreign = "192.0.2.1:80".parse().unwrap();
    let error = bind(foreign, "http.listen").await.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot listen on 192.0.2.1:80: "),
        "{error}"
    );
    assert!(error.ends_with("; check http.listen"), "{error}");
}

#[test]
fn everybody_who_is_let_in_gets_a_file_descriptor() {
    let unit = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../packaging/systemd/cloud-api.service"
    );
    let unit = std::fs::read_to_string(unit).unwrap();
    let limit = unit
        .lines()
        .find_map(|line| line.strip_prefix("LimitNOFILE="));
    let limit: usize = limit.unwrap().parse().unwrap();
    // The database, the broker's gateways and everything else have the rest.
    let Bounds {
        connections,
        sockets,
        ..
    } = Bounds::default();
    assert!(connections + sockets + 8_192 <= limit, "{limit}");
}
