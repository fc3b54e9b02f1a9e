//! Passwords, profiles, certificates and security events (security whitepaper for OCPP 1.6-J).

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, IsCa, Issuer,
    KeyPair,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use site_model::{BootId, Change};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::http::StatusCode;

use super::bench::{Bench, Csms};

const NEW_PASSWORD: &str = "correct-horse-battery";

/// An authority that the test made.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate for this name, and its key.
    pub(super) fn issue(&self, name: &str) -> (String, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key)
    }

    /// The certificate that a signing request asks for, with changes.
    fn sign(&self, request: &str, change: impl FnOnce(&mut CertificateParams)) -> String {
        let mut request = CertificateSigningRequestParams::from_pem(request).unwrap();
        change(&mut request.params);
        request.signed_by(&self.issuer).unwrap().pem()
    }

    /// A server of its own; with `clients` it wants a certificate of this authority.
    fn server(&self, clients: bool) -> TlsAcceptor {
        let (certificate, key) = self.issue("server");
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap())
            .unwrap();
        let config = if clients {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let config = config.with_single_cert(chain, key).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

impl Csms {
    /// Asks, and gives the answer's fields.
    pub(super) async fn wants(&mut self, action: &str, fields: Value) -> Value {
        self.ask("ask", action, &fields).await;
        let answer = self.next().await;
        assert_eq!(
            (&answer[0], &answer[1]),
            (&json!(3), &json!("ask")),
            "{answer}"
        );
        answer[2].clone()
    }

    async fn set(&mut self, key: &str, value: &str) -> Value {
        let fields = json!({"key": key, "value": value});
        self.wants("ChangeConfiguration", fields).await["status"].clone()
    }

    async fn read(&mut self, key: &str) -> Value {
        let answer = self.wants("GetConfiguration", json!({"key": [key]})).await;
        answer["configurationKey"][0].clone()
    }

    async fn trust(&mut self, kind: &str, pem: &str) -> Value {
        let fields = json!({"certificateType": kind, "certificate": pem});
        self.wants("InstallCertificate", fields).await["status"].clone()
    }

    /// Has the station ask for a certificate; gives its request.
    async fn request(&mut self) -> String {
        let fields = json!({"requestedMessage": "SignChargePointCertificate"});
        let answer = self.wants("ExtendedTriggerMessage", fields).await;
        assert_eq!(answer, json!({"status": "Accepted"}));
        let call = self.call("SignCertificate").await;
        self.answer(&call, json!({"status": "Accepted"})).await;
        call[3]["csr"].as_str().unwrap().to_owned()
    }

    async fn certificate(&mut self, chain: &str) -> Value {
        let fields = json!({"certificateChain": chain});
        self.wants("CertificateSigned", fields).await["status"].clone()
    }

    /// Every event so far, as kind and info, once another answer came.
    async fn told(&mut self) -> Vec<(String, String)> {
        // Events are told before heartbeats.
        let beat = json!({"requestedMessage": "Heartbeat"});
        self.wants("TriggerMessage", beat).await;
        let beat = self.call("Heartbeat").await;
        self.answer(&beat, json!({"currentTime": "2026-11-22T10:00:00Z"}))
            .await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let events = self.events.iter();
        events
            .map(|event| (text(&event["type"]), text(&event["techInfo"])))
            .collect()
    }
}

const ROOT: &str = "CentralSystemRootCertificate";

#[tokio::test]
async fn a_new_password_is_used_at_once_kept_over_a_power_cut_and_never_told() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    assert_eq!(csms.set("AuthorizationKey", "short").await, "Rejected");
    assert_eq!(csms.set("AuthorizationKey", NEW_PASSWORD).await, "Accepted");
    let mut csms = bench.accept_as(None, Some(NEW_PASSWORD)).await;
    csms.status().await;
    csms.status().await;
    let key = csms.read("AuthorizationKey").await;
    assert_eq!(key, json!({"key": "AuthorizationKey", "readonly": false}));
    assert_eq!(csms.read("SecurityProfile").await["value"], "1");

    let mut bench = bench.power_cut().await;
    let mut csms = bench.accept_as(None, Some(NEW_PASSWORD)).await;
    csms.welcome().await;
    // One that the central system does not take is dropped for the one that it takes.
    assert_eq!(
        csms.set("AuthorizationKey", "one-that-nobody-knows").await,
        "Accepted"
    );
    bench.refuse(Some(StatusCode::UNAUTHORIZED)).await;
    let mut csms = bench.accept_as(None, Some(NEW_PASSWORD)).await;
    csms.status().await;
    drop(csms);
    bench.accept_as(None, Some(NEW_PASSWORD)).await;
    bench.end().await;
}

#[tokio::test]
async fn a_key_in_hexadecimal_is_shown_as_bytes_where_that_is_taken_and_else_as_text() {
    let hex = |bytes: &str| {
        let digits = bytes.bytes().map(|byte| format!("{byte:02x}"));
        digits.collect::<String>()
    };
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let (first, second) = ("sixteen bytes ok", "of the book: 20 byte");
    assert_eq!(csms.set("AuthorizationKey", &hex(first)).await, "Accepted");
    let mut csms = bench.accept_as(None, Some(first)).await;
    csms.status().await;
    drop(csms);
    let mut bench = bench.power_cut().await;
    let mut csms = bench.accept_as(None, Some(first)).await;
    csms.welcome().await;

    // A central system that compares what it sent.
    assert_eq!(csms.set("AuthorizationKey", &hex(second)).await, "Accepted");
    bench.refuse(Some(StatusCode::UNAUTHORIZED)).await;
    let mut csms = bench.accept_as(None, Some(&hex(second))).await;
    csms.status().await;
    drop(csms);
    let mut bench = bench.power_cut().await;
    bench.accept_as(None, Some(&hex(second))).await;
    let log = bench.security_log().await;
    let refused = |(kind, _): &(String, String)| kind == "FailedToAuthenticateAtCentralSystem";
    assert!(!log.iter().any(refused), "{log:?}");
    bench.end().await;
}

#[tokio::test]
async fn what_is_no_message_is_one_event_for_each_socket_and_not_told() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    for _ in 0..2 {
        csms.send(&json!([2, "c", "Reset", {}]).to_string()).await;
        assert_eq!(csms.next().await[0], 4);
        csms.send(&json!([2, "d", "Dance", {}]).to_string()).await;
        assert_eq!(csms.next().await[0], 4);
    }
    let told = csms.told().await;
    assert_eq!(told.len(), 1, "the start alone: {told:?}");
    drop(csms);
    let mut csms = bench.accept().await;
    csms.status().await;
    csms.status().await;
    csms.send(&json!([2, "d", "Dance", {}]).to_string()).await;
    assert_eq!(csms.next().await[0], 4);
    let log = bench.security_log().await;
    let kinds: Vec<&str> = log.iter().map(|(kind, _)| kind.as_str()).collect();
    let wanted = ["StartupOfTheDevice", "InvalidMessages", "InvalidMessages"];
    assert_eq!(kinds, wanted, "{log:?}");
    assert!(log[2].1.contains("Dance"), "{log:?}");
    bench.end().await;
}

#[tokio::test]
async fn a_profile_is_raised_once_all_it_needs_is_there_and_holds_when_it_connects() {
    let authority = Authority::new("operator");
    let (open, closed) = (authority.server(false), authority.server(true));
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    for profile in ["0", "2", "3", "4", ""] {
        assert_eq!(
            csms.set("SecurityProfile", profile).await,
            "Rejected",
            "{profile}"
        );
    }
    assert_eq!(
        csms.set("SecurityProfile", "1").await,
        "Accepted",
        "it is so already"
    );
    assert_eq!(csms.trust(ROOT, &authority.pem).await, "Accepted");

    // The other end does not speak TLS: what was before goes on.
    assert_eq!(csms.set("SecurityProfile", "2").await, "Accepted");
    bench.drop_next().await;
    let mut csms = bench.accept().await;
    csms.status().await;
    csms.status().await;
    assert_eq!(csms.read("SecurityProfile").await["value"], "1");

    assert_eq!(csms.set("SecurityProfile", "2").await, "Accepted");
    let mut csms = bench.accept_as(Some(&open), Some("p4ssw0rd")).await;
    csms.status().await;
    csms.status().await;
    assert_eq!(csms.read("SecurityProfile").await["value"], "2");
    assert_eq!(csms.set("SecurityProfile", "1").await, "Rejected");
    assert_eq!(csms.set("SecurityProfile", "3").await, "Rejected");

    assert_eq!(csms.set("CpoName", "Sample Operator").await, "Accepted");
    let request = csms.request().await;
    let chain = authority.sign(&request, |wanted| {
        let subject = &wanted.distinguished_name;
        let of = |kind| subject.get(&kind).cloned();
        assert_eq!(of(DnType::CommonName), Some("CP-1".into()));
        assert_eq!(of(DnType::OrganizationName), Some("Sample Operator".into()));
    });
    assert_eq!(csms.certificate(&chain).await, "Accepted");
    assert_eq!(csms.set("SecurityProfile", "3").await, "Accepted");
    let mut csms = bench.accept_as(Some(&closed), None).await;
    csms.status().await;
    csms.status().await;
    assert_eq!(csms.read("SecurityProfile").await["value"], "3");
    assert_eq!(csms.read("AuthorizationKey").await["value"], Value::Null);

    let mut bench = bench.power_cut().await;
    let mut csms = bench.accept_as(Some(&closed), None).await;
    csms.welcome().await;
    let expected = ["StartupOfTheDevice", "StartupOfTheDevice"];
    let told = csms.told().await;
    assert!(
        told.iter()
            .all(|(kind, _)| expected.contains(&kind.as_str())),
        "{told:?}"
    );
    bench.end().await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_refused_with_the_reason_as_an_event() {
    let (authority, stranger) = (Authority::new("operator"), Authority::new("stranger"));
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    assert_eq!(csms.certificate("no PEM").await, "Rejected");
    assert_eq!(csms.trust(ROOT, &authority.pem).await, "Accepted");
    let request = csms.request().await;
    let (of_another_key, _key) = authority.issue("CP-1");
    let of_another_name = authority.sign(&request, |wanted| {
        wanted.distinguished_name.push(DnType::CommonName, "CP-2");
    });
    let over = authority.sign(&request, |wanted| {
        wanted.not_before = rcgen::date_time_ymd(2020, 1, 1);
        wanted.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let bad = [
        "no PEM".to_owned(),
        of_another_key,
        of_another_name,
        over,
        stranger.sign(&request, |_| {}),
    ];
    for chain in &bad {
        assert_eq!(csms.certificate(chain).await, "Rejected", "{chain}");
    }
    let good = authority.sign(&request, |_| {});
    assert_eq!(csms.certificate(&good).await, "Accepted");
    assert_eq!(
        csms.certificate(&good).await,
        "Rejected",
        "it was asked for once"
    );
    let told = csms.told().await;
    let infos: Vec<&str> = told.iter().map(|(_, info)| info.as_str()).collect();
    let started = concat!("site-controller ", env!("CARGO_PKG_VERSION"));
    let wanted = [
        started,
        "none was asked for",
        "it holds no certificate",
        "its public key is not the one that was asked to be signed",
        "it is for `CP-2`, not for `CP-1`",
        "CertExpired",
        "no installed root certificate stands behind it",
        "none was asked for",
    ];
    assert_eq!(infos.len(), wanted.len(), "{infos:?}");
    for (info, wanted) in infos.iter().zip(wanted) {
        assert!(info.starts_with(wanted), "{info} instead of {wanted}");
    }
    let kinds = told[1..].iter().map(|(kind, _)| kind.as_str());
    assert!(
        kinds
            .clone()
            .all(|kind| kind == "InvalidChargePointCertificate"),
        "{told:?}"
    );
    bench.end().await;
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_renewed_without_being_asked() {
    let authority = Authority::new("operator");
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    csms.trust(ROOT, &authority.pem).await;
    let request = csms.request().await;
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(20 * 24);
    let end = end.to_zoned(jiff::tz::TimeZone::UTC);
    let (year, month, day) = (end.year(), end.month(), end.day());
    let short = authority.sign(&request, |wanted| {
        wanted.not_before = rcgen::date_time_ymd(2020, 1, 1);
        let (month, day) = (month.unsigned_abs(), day.unsigned_abs());
        wanted.not_after = rcgen::date_time_ymd(i32::from(year), month, day);
    });
    assert_eq!(csms.certificate(&short).await, "Accepted");
    let mut bench = bench.power_cut().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let call = csms.call("SignCertificate").await;
    csms.answer(&call, json!({"status": "Accepted"})).await;
    let renewed = authority.sign(call[3]["csr"].as_str().unwrap(), |_| {});
    assert_eq!(csms.certificate(&renewed).await, "Accepted");
    bench.end().await;
}

#[tokio::test]
async fn roots_are_installed_listed_by_their_hashes_and_deleted_but_for_the_one_in_use() {
    let authorities: Vec<Authority> = (0..11)
        .map(|number| Authority::new(&format!("authority {number}")))
        .collect();
    let open = authorities[0].server(false);
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let list = json!({"certificateType": ROOT});
    let nothing = csms.wants("GetInstalledCertificateIds", list.clone()).await;
    assert_eq!(nothing, json!({"status": "NotFound"}));
    let (leaf, _key) = authorities[0].issue("leaf");
    assert_eq!(csms.trust(ROOT, &leaf).await, "Rejected", "no authority");
    assert_eq!(csms.trust(ROOT, "-----BEGIN").await, "Rejected");
    let central = &authorities[0].pem;
    for pem in [central, central] {
        assert_eq!(csms.trust(ROOT, pem).await, "Accepted");
    }
    for authority in &authorities[1..10] {
        let installed = csms
            .trust("ManufacturerRootCertificate", &authority.pem)
            .await;
        assert_eq!(installed, "Accepted");
    }
    assert_eq!(
        csms.trust(ROOT, &authorities[10].pem).await,
        "Rejected",
        "full"
    );
    let listed = csms.wants("GetInstalledCertificateIds", list).await;
    let hash = listed["certificateHashData"][0].clone();
    assert_eq!(
        listed,
        json!({"status": "Accepted", "certificateHashData": [hash]})
    );

    assert_eq!(csms.set("SecurityProfile", "2").await, "Accepted");
    let mut csms = bench.accept_as(Some(&open), Some("p4ssw0rd")).await;
    csms.status().await;
    csms.status().await;
    let this = json!({"certificateHashData": hash});
    let answer = csms.wants("DeleteCertificate", this).await;
    assert_eq!(answer, json!({"status": "Failed"}), "the link stands on it");
    let other = json!({"certificateType": "ManufacturerRootCertificate"});
    let listed = csms.wants("GetInstalledCertificateIds", other).await;
    let hashes = listed["certificateHashData"].as_array().unwrap();
    assert_eq!(hashes.len(), 9);
    let this = json!({"certificateHashData": hashes[0]});
    for word in ["Accepted", "NotFound"] {
        let answer = csms.wants("DeleteCertificate", this.clone()).await;
        assert_eq!(answer, json!({"status": word}));
    }
    bench.end().await;
}

#[tokio::test]
async fn an_event_that_was_not_answered_is_told_again_on_the_next_socket() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let event = csms.raw().await;
    assert_eq!(event[2], "SecurityEventNotification");
    drop(csms);
    let mut csms = bench.accept().await;
    csms.status().await;
    csms.status().await;
    let again = csms.raw().await;
    assert_eq!(again[3], event[3]);
    // A central system that does not know the message is not told twice.
    let refusal = json!([4, again[1], "NotImplemented", "", {}]);
    csms.send(&refusal.to_string()).await;
    assert_eq!(csms.told().await, []);
    bench.end().await;
}

#[tokio::test]
async fn a_clock_that_was_set_is_told_after_the_start() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let corrected = Change::ClockCorrected {
        boot: BootId(1),
        offset_ms: 86_400_000,
    };
    bench.record(bench.wall_ms(), &[corrected]).await;
    let told = csms.told().await;
    let told: Vec<(&str, &str)> = told
        .iter()
        .map(|(kind, info)| (kind.as_str(), info.as_str()))
        .collect();
    let started = concat!("site-controller ", env!("CARGO_PKG_VERSION"));
    let wanted = [
        ("StartupOfTheDevice", started),
        ("SettingSystemTime", "by 86400000 ms"),
    ];
    assert_eq!(told, wanted);
    bench.end().await;
}
