//! X.509 as far as a charge point needs it: keys and signing requests of its own, the checks of what a
//! central system sends, and the hashes by which it names a certificate. Pure; time is an argument.

use std::time::Duration;

use ocpp::Text;
use ocpp::v16::{CertificateHashData, HashAlgorithm};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use ring::digest;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use site_model::WallTime;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring as algorithms};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::secret::Secret;

/// Extended key usage "code signing" (RFC 5280 section 4.2.1.12), as webpki writes object identifiers.
const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
/// Certificates in one chain; more is no chain.
const CHAIN_MAX: usize = 5;

/// Signatures of firmware that are taken, and of certificates (security whitepaper, section 2.6.1: RSA of at
/// least 2048 bits and ECDSA of at least 224).
const SIGNATURES: [&dyn SignatureVerificationAlgorithm; 5] = [
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ED25519,
    algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
];

/// What a person or a rule needs to know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Common name of its subject.
    pub(crate) name: String,
    /// Milliseconds since 1970 (UTC).
    pub(crate) not_before: WallTime,
    pub(crate) not_after: WallTime,
    /// It may sign others.
    pub(crate) is_ca: bool,
    /// The public key, as the key pair's own bytes.
    public_key: Vec<u8>,
}

/// A new key pair: P-256, PKCS #8 in PEM.
pub(crate) fn new_key() -> Result<Secret, String> {
    let pair = KeyPair::generate().map_err(|error| error.to_string())?;
    Ok(Secret::new(&pair.serialize_pem()))
}

/// A signing request (PKCS #10, PEM) of this charge point, with the operator as its organisation.
pub(crate) fn signing_request(key: &Secret, name: &str, operator: &str) -> Result<String, String> {
    let told = |error: rcgen::Error| error.to_string();
    let pair = KeyPair::from_pem(key.reveal()).map_err(told)?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    if !operator.is_empty() {
        subject.push(DnType::OrganizationName, operator);
    }
    let mut wanted = CertificateParams::default();
    wanted.distinguished_name = subject;
    let request = wanted.serialize_request(&pair).map_err(told)?;
    request.pem().map_err(told)
}

/// The certificates of a PEM text, in its order.
pub(crate) fn read(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|error| format!("it is no PEM ({error})"))?;
    match found.len() {
        0 => Err("it holds no certificate".to_owned()),
        1..=CHAIN_MAX => Ok(found),
        more => Err(format!(
            "it holds {more} certificates, at most {CHAIN_MAX} are taken"
        )),
    }
}

/// What a certificate says of itself.
pub(crate) fn facts(der: &CertificateDer<'_>) -> Result<Facts, String> {
    let certificate = parse(der)?;
    let name = certificate.subject().iter_common_name().next();
    let name = name.and_then(|name| name.as_str().ok()).unwrap_or_default();
    let validity = certificate.validity();
    let ms = |time: x509_parser::time::ASN1Time| WallTime(time.timestamp().saturating_mul(1_000));
    Ok(Facts {
        name: name.to_owned(),
        not_before: ms(validity.not_before),
        not_after: ms(validity.not_after),
        is_ca: certificate.is_ca(),
        public_key: certificate.public_key().subject_public_key.data.to_vec(),
    })
}

fn parse<'d>(der: &'d CertificateDer<'_>) -> Result<X509Certificate<'d>, String> {
    let parsed = X509Certificate::from_der(der.as_ref());
    let (_, certificate) = parsed.map_err(|error| format!("it is no X.509 ({error})"))?;
    Ok(certificate)
}

/// A chain that a central system sent for this charge point: its certificate first.
///
/// # Errors
/// Why it cannot be used, as a sentence fragment.
pub(crate) fn check_own(
    chain: &str,
    key: &Secret,
    name: &str,
    roots: &[CertificateDer<'static>],
    now: WallTime,
) -> Result<Facts, String> {
    let chain = read(chain)?;
    let own = facts(&chain[0])?;
    let pair = KeyPair::from_pem(key.reveal()).map_err(|error| error.to_string())?;
    if own.public_key != pair.public_key_raw() {
        return Err("its public key is not the one that was asked to be signed".to_owned());
    }
    if own.name != name {
        return Err(format!("it is for `{}`, not for `{name}`", own.name));
    }
    check_path(&chain, roots, now, KeyUsage::client_auth())?;
    Ok(own)
}

/// A firmware signing certificate, against the manufacturers' roots; gives it in DER.
///
/// # Errors
/// Why it cannot be used, as a sentence fragment.
pub(crate) fn check_signer(
    pem: &str,
    roots: &[CertificateDer<'static>],
    now: WallTime,
) -> Result<CertificateDer<'static>, String> {
    let mut chain = read(pem)?;
    let usage = KeyUsage::required_if_present(CODE_SIGNING);
    check_path(&chain, roots, now, usage)?;
    Ok(chain.swap_remove(0))
}

fn check_path(
    chain: &[CertificateDer<'static>],
    roots: &[CertificateDer<'static>],
    now: WallTime,
    usage: KeyUsage,
) -> Result<(), String> {
    let anchors: Vec<TrustAnchor<'_>> = roots
        .iter()
        .filter_map(|root| anchor_from_trusted_cert(root).ok())
        .collect();
    let own = EndEntityCert::try_from(&chain[0]).map_err(|error| error.to_string())?;
    let seconds = u64::try_from(now.0 / 1_000).unwrap_or(0);
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let path = own.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        &chain[1..],
        now,
        usage,
        None,
        None,
    );
    match path {
        Ok(_) => Ok(()),
        Err(webpki::Error::UnknownIssuer) => {
            Err("no installed root certificate stands behind it".to_owned())
        }
        Err(error) => Err(format!("{error:?}")),
    }
}

/// A root certificate that is to be installed; gives it in DER.
///
/// # Errors
/// Why it cannot be used, as a sentence fragment.
pub(crate) fn check_root(pem: &str, now: WallTime) -> Result<CertificateDer<'static>, String> {
    let mut found = read(pem)?;
    if found.len() != 1 {
        return Err("it holds more than one certificate".to_owned());
    }
    let root = found.swap_remove(0);
    let known = facts(&root)?;
    if !known.is_ca {
        return Err("it is not the certificate of an authority".to_owned());
    }
    if !(known.not_before..=known.not_after).contains(&now) {
        return Err("it is not valid today".to_owned());
    }
    anchor_from_trusted_cert(&root).map_err(|error| error.to_string())?;
    Ok(root)
}

/// Whether this is the signer's signature of these bytes.
pub(crate) fn signed_by(signer: &CertificateDer<'_>, bytes: &[u8], signature: &[u8]) -> bool {
    let Ok(signer) = EndEntityCert::try_from(signer) else {
        return false;
    };
    let signs = |algorithm: &&dyn SignatureVerificationAlgorithm| {
        signer
            .verify_signature(*algorithm, bytes, signature)
            .is_ok()
    };
    SIGNATURES.iter().any(signs)
}

/// The hashes by which OCPP names a root certificate (RFC 6960 section 4.1.1, as `CertificateHashDataType`
/// quotes it). A root is its own issuer.
pub(crate) fn hash_data(
    der: &CertificateDer<'_>,
    algorithm: HashAlgorithm,
) -> Result<CertificateHashData, String> {
    let certificate = parse(der)?;
    let function = match algorithm {
        HashAlgorithm::SHA256 => &digest::SHA256,
        HashAlgorithm::SHA384 => &digest::SHA384,
        HashAlgorithm::SHA512 => &digest::SHA512,
    };
    let hash = |bytes: &[u8]| Text::cut(&hex(digest::digest(function, bytes).as_ref()));
    let key = &certificate.public_key().subject_public_key.data;
    let serial = hex(certificate.raw_serial());
    Ok(CertificateHashData::new(
        algorithm,
        hash(key),
        hash(certificate.issuer().as_raw()),
        Text::cut(without_zeros(&serial)),
    ))
}

/// Whether both name the same certificate; spelling of the numbers does not matter.
pub(crate) fn same(one: &CertificateHashData, other: &CertificateHashData) -> bool {
    let equal = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    one.hash_algorithm == other.hash_algorithm
        && equal(one.issuer_key_hash.as_str(), other.issuer_key_hash.as_str())
        && equal(
            one.issuer_name_hash.as_str(),
            other.issuer_name_hash.as_str(),
        )
        && equal(
            without_zeros(one.serial_number.as_str()),
            without_zeros(other.serial_number.as_str()),
        )
}

fn without_zeros(hex: &str) -> &str {
    let trimmed = hex.trim_start_matches('0');
    if trimmed.is_empty() { "0" } else { trimmed }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}
