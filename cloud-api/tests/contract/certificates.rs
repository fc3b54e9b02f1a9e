//! Security profile 3: certificates that charge points ask for, show, and are refused with.

use std::path::Path;
use std::sync::Arc;

use cloud_api::certificate::Authority;
use cloud_api::config::{CertificateAuthority, TlsFiles};
use cloud_api::fresh::Fresh;
use cloud_api::keys::Scope;
use cloud_api::listener::{self, Bounds, HTTP_PROTOCOLS};
use cloud_api::tls::server_config;
use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::sync::CancellationToken;

use crate::central::Scene;
use crate::harness::{DIRECT, World};
use crate::upkeep::{configuration, learn};

/// An authority in a folder, for 30 days.
fn authority(folder: &Path, name: &str) -> CertificateAuthority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let files = CertificateAuthority {
        certificate_file: folder.join(format!("{name}.pem")),
        key_file: Some(folder.join(format!("{name}.key"))),
        crl_file: None,
        days: 30,
    };
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(&files.certificate_file, certificate.pem()).unwrap();
    std::fs::write(files.key_file.as_ref().unwrap(), key.serialize_pem()).unwrap();
    files
}

/// A key, and the request for a certificate of this name for it.
fn request(name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let csr = params.serialize_request(&key).unwrap();
    (key.serialize_pem(), csr.pem().unwrap())
}

/// Answers configuration to a new charge point beside what a test is about.
fn power() -> (&'static str, Value, Value) {
    learn(configuration(None, "Power"))
}

/// The scene of a world with an authority.
async fn scene(files: &CertificateAuthority) -> Scene {
    let world = World::furnished().await;
    let world = world.with_authority(Authority::load(files).unwrap());
    let at = world.listen().await;
    let key = world.key(Scope::ALL).await;
    let station = world.booted(&at, DIRECT).await;
    Scene {
        world,
        at,
        key,
        station,
    }
}

impl Scene {
    /// The charge point asks for a certificate and gets it: the chain, and its key.
    async fn certified(&mut self) -> (String, String) {
        let (key, csr) = request(DIRECT);
        let asked = self.station.call("SignCertificate", json!({ "csr": csr }));
        assert_eq!(asked.await, json!({"status": "Accepted"}));
        let upkeep = self.world.upkeep.clone();
        let taking = async {
            let (id, action, payload) = self.station.asked().await;
            assert_eq!(action, "CertificateSigned");
            self.station
                .answer(&id, json!({"status": "Accepted"}))
                .await;
            let (action, keys, answer) = power();
            self.station.expect(action, &keys, answer).await;
            payload["certificateChain"].as_str().unwrap().to_owned()
        };
        let (done, chain) = tokio::join!(upkeep.round(), taking);
        done.unwrap();
        (chain, key)
    }

    /// The latest security event, its kind and what it says.
    async fn latest_event(&self, id: &str) -> (String, String) {
        let events = self
            .get(&format!("/chargepoints/{id}/security-events"))
            .await;
        let text = |name: &str| {
            events["security_events"][0][name]
                .as_str()
                .unwrap()
                .to_owned()
        };
        (text("type"), text("info"))
    }
}

/// A world's server over TLS, which asks for certificates.
struct Secure {
    address: std::net::SocketAddr,
    roots: Arc<rustls::RootCertStore>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

type Identity<'a> = Option<(&'a str, &'a str)>;

impl Secure {
    async fn listen(world: &World, files: &CertificateAuthority) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let server = TlsFiles {
            certificate_file: world.dir.path().join("server.pem"),
            key_file: world.dir.path().join("server.key"),
        };
        std::fs::write(&server.certificate_file, made.cert.pem()).unwrap();
        std::fs::write(&server.key_file, made.signing_key.serialize_pem()).unwrap();
        let clients = Authority::load(files).unwrap().introduction();
        let tls = server_config(&server, Some(clients), &HTTP_PROTOCOLS).unwrap();
        let tcp = listener::bind("127.0.0.1:0".parse().unwrap(), "http.listen");
        let tcp = tcp.await.unwrap();
        let address = tcp.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (router, ends) = (world.router.clone(), stop.clone());
        let serving = listener::serve(tcp, Some(Fresh::new(tls)), router, ends, Bounds::default());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        Self {
            address,
            roots: Arc::new(roots),
            stop,
            serving: tokio::spawn(serving),
        }
    }

    /// Connects with chain and key, and with a password; answers the status of a refusal.
    async fn connect(
        &self,
        id: &str,
        identity: Identity<'_>,
        password: Option<&str>,
    ) -> Result<(), u16> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots));
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain.as_bytes());
                let chain = chain.collect::<Result<_, _>>().unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, tcp).await.unwrap();
        let url = format!("wss://{}/ocpp/{id}", self.address);
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "ocpp1.6".parse().unwrap());
        if let Some(password) = password {
            use base64::Engine as _;
            let pair = format!("{id}:{password}");
            let pair = base64::engine::general_purpose::STANDARD.encode(pair);
            headers.insert("authorization", format!("Basic {pair}").parse().unwrap());
        }
        let mut socket = match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _response)) => socket,
            Err(tungstenite::Error::Http(refused)) => return Err(refused.status().as_u16()),
            Err(error) => panic!("{error}"),
        };
        let beat = json!([2, "1", "Heartbeat", {}]).to_string();
        socket.send(Message::text(beat)).await.unwrap();
        let text = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let frame: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&frame[0], &frame[1]), (&json!(3), &json!("1")));
        Ok(())
    }

    async fn stop(self) {
        self.stop.cancel();
        self.serving.await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_was_asked_for_follows_the_answer_and_lets_in_without_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let files = authority(folder.path(), "root");
    let mut scene = scene(&files).await;
    let (chain, key) = scene.certified().await;
    let mine = Some((chain.as_str(), key.as_str()));
    let secure = Secure::listen(&scene.world, &files).await;
    assert_eq!(secure.connect(DIRECT, mine, None).await, Ok(()));

    let body = r#"{"charge_point_id":"OTHER","vendor":"V","model":"M"}"#;
    let made = scene.world.post("/api/v1/chargepoints", &scene.key, body);
    let made = made.await.json();
    let password = made["provisioning_password"].as_str();
    assert_eq!(secure.connect("OTHER", mine, None).await, Err(401));
    let why = format!("its certificate is for \"{DIRECT}\", not for this charge point");
    assert_eq!(
        scene.latest_event("OTHER").await,
        ("FailedToAuthenticateAtCentralSystem".to_owned(), why)
    );
    // The right password counts whatever certificate comes with it, until one is required.
    for identity in [None, mine] {
        assert_eq!(secure.connect("OTHER", identity, password).await, Ok(()));
    }
    assert_eq!(secure.connect("OTHER", None, None).await, Err(401));
    let require = |id: &str| format!("/api/v1/chargepoints/{id}");
    for id in ["OTHER", DIRECT] {
        let required = r#"{"certificate_required":true}"#;
        let changed = scene.world.patch(&require(id), &scene.key, required).await;
        assert_eq!(changed.json()["certificate_required"], true, "{changed:?}");
    }
    for identity in [None, mine] {
        let refused = secure.connect("OTHER", identity, password).await;
        assert_eq!(refused, Err(401));
    }
    assert_eq!(secure.connect(DIRECT, mine, None).await, Ok(()));
    assert_eq!(secure.connect("NOBODY", mine, None).await, Err(404));
    let mine_again = scene.world.password(DIRECT).await;
    let plain = scene.at.connect(DIRECT, &mine_again).await;
    assert!(plain.is_err(), "its password alone is not enough");
    secure.stop().await;
    scene.at.stop().await;
}

#[tokio::test]
async fn one_that_must_show_its_certificate_is_refused_without_and_says_why() {
    let world = World::new().await;
    let at = world.listen().await;
    let key = world.key(Scope::ALL).await;
    let body = r#"{"charge_point_id":"CP3","vendor":"V","model":"M","certificate_required":true,"path_token":true}"#;
    let made = world.post("/api/v1/chargepoints", &key, body).await.json();
    let password = made["provisioning_password"].as_str().unwrap();
    assert!(at.connect("CP3", password).await.is_err());
    let token = made["path_token_endpoint"].as_str().unwrap();
    let path = token.strip_prefix("wss://csms.example.com").unwrap();
    assert!(at.connect_at(path, None, Some("ocpp1.6")).await.is_err());
    let events = world.get("/api/v1/chargepoints/CP3/security-events", &key);
    assert_eq!(
        events.await.json()["security_events"],
        json!([{"source": "central_system", "type": "FailedToAuthenticateAtCentralSystem",
            "at": "2026-05-01T09:14:05Z", "received_at": "2026-05-01T09:14:05Z",
            "info": "it shows no certificate, which it must (security profile 3)"}])
    );
    at.stop().await;
}

#[tokio::test]
async fn a_certificate_that_expired_or_is_a_strangers_is_refused_and_the_reason_kept() {
    let folder = tempfile::tempdir().unwrap();
    let files = authority(folder.path(), "root");
    let mut scene = scene(&files).await;
    let (chain, key) = scene.certified().await;
    let mine = Some((chain.as_str(), key.as_str()));
    let secure = Secure::listen(&scene.world, &files).await;
    scene.world.advance(30 * 86_400);
    assert_eq!(secure.connect(DIRECT, mine, None).await, Ok(()));
    scene.world.advance(1);
    assert_eq!(secure.connect(DIRECT, mine, None).await, Err(401));
    let event = "FailedToAuthenticateAtCentralSystem".to_owned();
    let expired = (event.clone(), "its certificate has expired".to_owned());
    assert_eq!(scene.latest_event(DIRECT).await, expired);

    // Signed by somebody else, for the right name.
    let id = site_model::ChargePointId::new("OTHER").unwrap();
    let body = r#"{"charge_point_id":"OTHER","vendor":"V","model":"M"}"#;
    scene
        .world
        .post("/api/v1/chargepoints", &scene.key, body)
        .await;
    let (key, _) = request("OTHER");
    let pair = KeyPair::from_pem(&key).unwrap();
    let stranger = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "stranger");
    let issuer = Issuer::new(params, stranger);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, id.as_str());
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Ours");
    let forged = params.signed_by(&pair, &issuer).unwrap().pem();
    let theirs = Some((forged.as_str(), key.as_str()));
    assert_eq!(secure.connect("OTHER", theirs, None).await, Err(401));
    let unknown = "its certificate is of no authority in certificate_file of [ocpp.ca]";
    assert_eq!(
        scene.latest_event("OTHER").await,
        (event, unknown.to_owned())
    );
    secure.stop().await;
    scene.at.stop().await;
}

#[tokio::test]
async fn a_request_in_another_name_is_rejected_and_nothing_follows() {
    let folder = tempfile::tempdir().unwrap();
    let files = authority(folder.path(), "root");
    let mut scene = scene(&files).await;
    for csr in [request("OTHER").1, "x".to_owned()] {
        let asked = scene.station.call("SignCertificate", json!({ "csr": csr }));
        assert_eq!(asked.await, json!({"status": "Rejected"}));
    }
    scene.round(&[power()]).await;
    scene.at.stop().await;
}

#[tokio::test]
async fn a_certificate_waits_for_a_charge_point_that_left_and_only_the_latest_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let files = authority(folder.path(), "root");
    let mut scene = scene(&files).await;
    for _ in 0..2 {
        let (_, csr) = request(DIRECT);
        let asked = scene.station.call("SignCertificate", json!({ "csr": csr }));
        assert_eq!(asked.await, json!({"status": "Accepted"}));
    }
    let id = site_model::ChargePointId::new(DIRECT).unwrap();
    scene.world.stations.close(&id);
    scene.station.closed().await;
    scene.world.upkeep.round().await.unwrap();
    scene.station = scene.world.booted(&scene.at, DIRECT).await;
    let upkeep = scene.world.upkeep.clone();
    let taking = async {
        let (message, action, _) = scene.station.asked().await;
        assert_eq!(action, "CertificateSigned");
        scene
            .station
            .answer(&message, json!({"status": "Rejected"}))
            .await;
        let (action, keys, answer) = power();
        scene.station.expect(action, &keys, answer).await;
    };
    let (done, ()) = tokio::join!(upkeep.round(), taking);
    done.unwrap();
    scene.round(&[]).await;
    scene.at.stop().await;
}
