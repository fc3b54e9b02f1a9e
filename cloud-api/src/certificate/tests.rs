//! What is signed and what is not, and whose a certificate is held to be.

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, IsCa, KeyIdMethod, RevokedCertParams, SerialNumber,
};

use super::*;

/// Requests with RSA of 1024 bits for CP-1 of Ours, with RSA of 2048 bits and with the curve secp256k1
/// for CP-1: `openssl req -new -newkey rsa:1024 -nodes -subj '/CN=CP-1/O=Ours'`, and so on.
const WEAK: &str = include_str!("weak.csr");
const RSA: &str = include_str!("rsa.csr");
const KOBLITZ: &str = include_str!("koblitz.csr");

const NOW: &str = "2026-05-01T09:14:05Z";
const ORGANISATION: &str = "org_01hx2b3c4d5e6f7g8h9jkmnpqr";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// An authority as a test makes it: its files, and its key for what the cloud does not do.
pub(crate) struct TestAuthority {
    pub(crate) files: CertificateAuthority,
    params: CertificateParams,
    key: String,
}

impl TestAuthority {
    pub(crate) fn make(dir: &Path, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2036, 1, 1);
        let files = CertificateAuthority {
            certificate_file: dir.join(format!("{name}.pem")),
            key_file: Some(dir.join(format!("{name}.key"))),
            crl_file: None,
            days: 30,
        };
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(&files.certificate_file, certificate.pem()).unwrap();
        let key = key.serialize_pem();
        std::fs::write(files.key_file.as_ref().unwrap(), &key).unwrap();
        Self { files, params, key }
    }

    fn issuer(&self) -> Issuer<'_, KeyPair> {
        Issuer::from_params(&self.params, KeyPair::from_pem(&self.key).unwrap())
    }

    /// Writes the list of what it revoked.
    fn revoke(&mut self, path: PathBuf, serials: &[Vec<u8>]) {
        let revoked = |serial: &Vec<u8>| RevokedCertParams {
            serial_number: SerialNumber::from(serial.clone()),
            revocation_time: rcgen::date_time_ymd(2026, 4, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2026, 4, 1),
            next_update: rcgen::date_time_ymd(2026, 6, 1),
            crl_number: SerialNumber::from(vec![1]),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer()).unwrap();
        std::fs::write(&path, list.pem().unwrap()).unwrap();
        self.files.crl_file = Some(path);
    }
}

fn request(names: &[(DnType, &str)]) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (kind, name) in names {
        params.distinguished_name.push(kind.clone(), *name);
    }
    let key = KeyPair::generate().unwrap();
    params.serialize_request(&key).unwrap().pem().unwrap()
}

struct Bench {
    dir: tempfile::TempDir,
    ca: TestAuthority,
    id: ChargePointId,
    organisation: OrganisationId,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            ca: TestAuthority::make(dir.path(), "root"),
            dir,
            id: ChargePointId::new("CP-1").unwrap(),
            organisation: OrganisationId::parse(ORGANISATION).unwrap(),
        }
    }

    fn whose(&self) -> Whose<'_> {
        Whose {
            charge_point: &self.id,
            organisation: &self.organisation,
            name: "Ours",
        }
    }

    fn authority(&self) -> Authority {
        Authority::load(&self.ca.files).unwrap()
    }

    fn sign(&self, csr: &str) -> Result<String, Unsigned> {
        let authority = self.authority();
        authority.sign(csr, self.whose(), now())
    }

    /// What the authority says of a chain at a moment, for this charge point.
    fn judged(&self, chain: &str, at: &str) -> Result<Subject, String> {
        let (shown, at) = (shown(chain), moment(at));
        let subject = self.authority().recognise(&shown, at)?;
        subject.check(self.whose()).map(|()| subject)
    }
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn shown(chain: &str) -> Shown {
    Shown::new(&ders(chain)).unwrap()
}

fn ders(chain: &str) -> Vec<CertificateDer<'static>> {
    let all = CertificateDer::pem_slice_iter(chain.as_bytes());
    all.collect::<Result<_, _>>().unwrap()
}

#[test]
fn what_a_charge_point_asks_for_is_signed_for_a_client_for_a_time_and_recognised_as_its_own() {
    let bench = Bench::new();
    for csr in [
        request(&[
            (DnType::CommonName, "CP-1"),
            (DnType::OrganizationName, "Ours"),
        ]),
        request(&[
            (DnType::CommonName, "CP-1"),
            (DnType::OrganizationName, ORGANISATION),
        ]),
        request(&[(DnType::CommonName, "CP-1")]),
        RSA.to_owned(),
    ] {
        let chain = bench.sign(&csr).unwrap();
        let all = ders(&chain);
        assert_eq!(all.len(), 1, "the root is known to who trusts it");
        let parsed = parse(&all[0]).unwrap();
        assert_eq!(
            parsed.subject().to_string(),
            format!("CN=CP-1, O=Ours, OU={ORGANISATION}")
        );
        let validity = parsed.validity();
        let seconds = now().as_second();
        assert_eq!(
            (
                validity.not_before.timestamp(),
                validity.not_after.timestamp()
            ),
            (seconds - 86_400, seconds + 30 * 86_400)
        );
        assert!(!parsed.is_ca());
        let usage = parsed.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth && !usage.any);
        assert_eq!(parsed.raw_serial().len(), 16);
        let subject = bench.judged(&chain, NOW).unwrap();
        assert_eq!(
            (subject.common_name.as_deref(), subject.until.to_string()),
            (Some("CP-1"), "2026-05-31T09:14:05Z".to_owned())
        );
    }
}

#[test]
fn what_is_not_its_own_forged_or_too_weak_is_not_signed() {
    let bench = Bench::new();
    let name = |name| (DnType::CommonName, name);
    let theirs = (DnType::OrganizationName, "Theirs");
    let taken = "; RSA of 2048 bits or more and the curves P-256 and P-384 are taken";
    for (csr, why) in [
        (
            request(&[name("CP-2")]),
            "its common name is \"CP-2\", not the charge point's id".to_owned(),
        ),
        (
            request(&[]),
            "its common name is \"\", not the charge point's id".to_owned(),
        ),
        (
            request(&[name("CP-1"), theirs]),
            "its organisation is \"Theirs\", neither the name nor the id of the charge point's"
                .to_owned(),
        ),
        (
            WEAK.to_owned(),
            format!("its key is RSA of 1024 bits{taken}"),
        ),
        (
            KOBLITZ.to_owned(),
            format!("its key is of another curve, of 256 bits{taken}"),
        ),
    ] {
        assert_eq!(bench.sign(&csr).unwrap_err().to_string(), why);
    }
    let whole = request(&[name("CP-1")]);
    // One letter within the signature.
    let forged = RSA.replacen("NevN3yT6", "NevN3yT7", 1);
    assert_ne!(forged, RSA);
    assert_eq!(bench.sign(&forged), Err(Unsigned::Forged));
    for csr in ["x", "", &whole[..whole.len() / 2]] {
        let why = bench.sign(csr).unwrap_err();
        assert!(matches!(why, Unsigned::Malformed(_)), "{why}");
    }
}

#[test]
fn who_has_no_key_or_has_ended_signs_nothing_and_nothing_outlives_its_authority() {
    let mut bench = Bench::new();
    let csr = request(&[(DnType::CommonName, "CP-1")]);
    let authority = Authority::load(&bench.ca.files).unwrap();
    let at = |time: &str| authority.sign(&csr, bench.whose(), time.parse().unwrap());
    let last = at("2035-12-30T00:00:00Z").unwrap();
    let all = ders(&last);
    let until = parse(&all[0]).unwrap().validity().not_after.timestamp();
    let end: Timestamp = "2036-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(until, end.as_second());
    assert_eq!(at("2036-01-01T00:00:00Z"), Err(Unsigned::AuthorityEnded));
    bench.ca.files.key_file = None;
    assert_eq!(bench.sign(&csr), Err(Unsigned::NoKey));
    bench.judged(&last, "2035-12-31T00:00:00Z").unwrap();
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one way to be refused after the other"
)]
fn a_certificate_that_is_not_good_or_not_its_own_is_refused_with_its_reason() {
    let mut bench = Bench::new();
    let mine = bench
        .sign(&request(&[(DnType::CommonName, "CP-1")]))
        .unwrap();
    let expired = bench.judged(&mine, "2026-05-31T09:14:06Z").unwrap_err();
    assert_eq!(expired, "its certificate has expired");
    let early = bench.judged(&mine, "2026-04-30T09:14:04Z").unwrap_err();
    assert_eq!(early, "its certificate is not valid yet");

    // By an authority that nobody named, of the same name.
    let other = tempfile::tempdir().unwrap();
    let stranger = TestAuthority::make(other.path(), "root");
    let authority = Authority::load(&stranger.files).unwrap();
    let csr = request(&[(DnType::CommonName, "CP-1")]);
    let forged = authority.sign(&csr, bench.whose(), now()).unwrap();
    let why = bench.judged(&forged, NOW).unwrap_err();
    assert!(
        why.contains("no authority in certificate_file") || why.contains("not good"),
        "{why}"
    );

    let made = |names: &[(DnType, &str)], server: bool| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        if server {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        }
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &bench.ca.issuer()).unwrap().pem()
    };
    let (cp, ours) = (
        (DnType::CommonName, "CP-1"),
        (DnType::OrganizationName, "Ours"),
    );
    let unit = (DnType::OrganizationalUnitName, ORGANISATION);
    bench
        .judged(&made(&[cp.clone(), ours.clone()], false), NOW)
        .unwrap();
    bench
        .judged(&made(&[cp.clone(), unit], false), NOW)
        .unwrap();
    for (names, why) in [
        (
            vec![(DnType::CommonName, "CP-2"), ours.clone()],
            "its certificate is for \"CP-2\", not for this charge point",
        ),
        (
            vec![ours.clone()],
            "its certificate is for \"\", not for this charge point",
        ),
        (
            vec![cp.clone(), (DnType::OrganizationName, "Theirs")],
            "its certificate names the organisations [\"Theirs\"], none of which is the charge point's (its name as O, or its id as O or OU)",
        ),
        (
            vec![cp.clone()],
            "its certificate names the organisations [], none of which is the charge point's (its name as O, or its id as O or OU)",
        ),
    ] {
        assert_eq!(bench.judged(&made(&names, false), NOW).unwrap_err(), why);
    }
    assert_eq!(
        bench.judged(&made(&[cp, ours], true), NOW).unwrap_err(),
        "its certificate is not for clients (extended key usage)"
    );

    let all = ders(&mine);
    let serial = parse(&all[0]).unwrap().raw_serial().to_vec();
    let list = bench.dir.path().join("revoked.pem");
    bench.ca.revoke(list.clone(), &[vec![7; 16]]);
    bench.judged(&mine, NOW).unwrap();
    bench.ca.revoke(list, &[vec![7; 16], serial]);
    assert_eq!(
        bench.judged(&mine, NOW).unwrap_err(),
        "its certificate is revoked"
    );
}

#[test]
fn what_leads_to_the_root_follows_the_certificate_and_nothing_else_does() {
    let mut bench = Bench::new();
    let between = TestAuthority::make(bench.dir.path(), "between");
    let key = KeyPair::from_pem(&between.key).unwrap();
    let signed = between.params.signed_by(&key, &bench.ca.issuer()).unwrap();
    let stranger = TestAuthority::make(bench.dir.path(), "stranger");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let all = [
        signed.pem(),
        read(&stranger.files.certificate_file),
        read(&bench.ca.files.certificate_file),
    ];
    std::fs::write(&between.files.certificate_file, all.concat()).unwrap();
    bench.ca = between;
    let chain = bench
        .sign(&request(&[(DnType::CommonName, "CP-1")]))
        .unwrap();
    let found = ders(&chain);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1], *signed.der());
    bench.judged(&chain, NOW).unwrap();
}

#[test]
fn an_authority_that_cannot_be_used_is_told_with_its_file() {
    let bench = Bench::new();
    let dir = bench.dir.path();
    let (leaf, _) = crate::tls::tests::certificate(dir, "leaf");
    let good = &bench.ca.files;
    let load = |change: &dyn Fn(&mut CertificateAuthority)| {
        let mut files = good.clone();
        change(&mut files);
        Authority::load(&files).unwrap_err().to_string()
    };
    let told = |path: &Path, what: &str| {
        let path = path.display();
        format!("the authority of [ocpp.ca] cannot be used: {path} {what}")
    };
    let leaf_pem = leaf.certificate_file.clone();
    let found = load(&|files| files.certificate_file = leaf_pem.clone());
    assert!(
        found.ends_with("which is no authority (basicConstraints CA)"),
        "{found}"
    );
    let other = load(&|files| files.key_file = Some(leaf.key_file.clone()));
    let why = format!(
        "begins with a certificate that does not belong to the key in {}",
        leaf.key_file.display()
    );
    assert_eq!(other, told(&good.certificate_file, &why));
    let missing = dir.join("missing");
    let changes: [&dyn Fn(&mut CertificateAuthority); 3] = [
        &|files| files.certificate_file = missing.clone(),
        &|files| files.key_file = Some(missing.clone()),
        &|files| files.crl_file = Some(missing.clone()),
    ];
    for change in changes {
        let found = load(change);
        let start = told(&missing, "cannot be read: ");
        assert!(found.starts_with(&start), "{found}");
    }
    let no_key = load(&|files| files.key_file = Some(good.certificate_file.clone()));
    let start = told(
        &good.certificate_file,
        "holds no private key that can sign: ",
    );
    assert!(no_key.starts_with(&start), "{no_key}");
    let no_list = load(&|files| files.crl_file = Some(good.certificate_file.clone()));
    assert_eq!(
        no_list,
        told(&good.certificate_file, "holds no revocation list in PEM")
    );
}
