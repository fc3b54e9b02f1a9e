//! Certificates of charge points (OCPP security profile 3): an authority signs what they ask for after
//! checks, and says whose certificate somebody shows.

mod request;
mod shown;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{Issuer, KeyPair, PublicKeyData as _};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use site_model::ChargePointId;

use crate::config::CertificateAuthority;
use crate::id::OrganisationId;

pub use request::Unsigned;
pub use shown::{Shown, Subject};

/// Certificates from the one that signs to its root; more is no chain.
const CHAIN_MAX: usize = 5;

/// Why the authority cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the authority of [ocpp.ca] cannot be used: {} {problem}", path.display())]
pub struct AuthorityError {
    path: PathBuf,
    problem: String,
}

/// Whose a certificate has to be.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    /// The charge point.
    pub charge_point: &'a ChargePointId,
    /// Its organisation.
    pub organisation: &'a OrganisationId,
    /// That organisation's name.
    pub name: &'a str,
}

/// Signs certificates of charge points and recognises them.
#[derive(Debug)]
pub struct Authority {
    signer: Option<Signer>,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// What signs.
#[derive(Debug)]
struct Signer {
    issuer: Issuer<'static, KeyPair>,
    /// What leads from its certificate to the root, without the root, in PEM.
    chain: String,
    /// End of its own certificate, Unix seconds.
    ends_at: i64,
    /// How long what it signs holds.
    days: u32,
}

impl Authority {
    /// The authority of these files.
    ///
    /// # Errors
    /// [`AuthorityError`] that names the file.
    pub fn load(files: &CertificateAuthority) -> Result<Self, AuthorityError> {
        let certificates = certificates(&files.certificate_file)?;
        let signer = match &files.key_file {
            Some(key_file) => Some(Signer::load(files, key_file, &certificates)?),
            None => None,
        };
        let verifier = verifier(files, certificates)?;
        Ok(Self { signer, verifier })
    }
}

impl Signer {
    fn load(
        files: &CertificateAuthority,
        key_file: &Path,
        certificates: &[CertificateDer<'static>],
    ) -> Result<Self, AuthorityError> {
        let text = std::fs::read_to_string(key_file);
        let text = text.map_err(|error| failed(key_file, &format!("cannot be read: {error}")))?;
        let key = KeyPair::from_pem(&text).map_err(|error| {
            failed(
                key_file,
                &format!("holds no private key that can sign: {error}"),
            )
        })?;
        let of = |problem: &str| failed(&files.certificate_file, problem);
        let own = certificates
            .first()
            .ok_or_else(|| of("holds no certificate"))?;
        let parsed = parse(own).map_err(|problem| of(&problem))?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.der_bytes() {
            return Err(of(&format!(
                "begins with a certificate that does not belong to the key in {}",
                key_file.display()
            )));
        }
        let ends_at = parsed.validity().not_after.timestamp();
        let chain = chain(certificates).map_err(|problem| of(&problem))?;
        let issuer = Issuer::from_ca_cert_der(own, key)
            .map_err(|error| of(&format!("cannot be used: {error}")))?;
        Ok(Self {
            issuer,
            chain,
            ends_at,
            days: files.days,
        })
    }
}

/// The certificates of authorities in a file.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found: Vec<_> = found.map_err(|error| failed(path, &format!("cannot be read: {error}")))?;
    if found.is_empty() {
        return Err(failed(path, "holds no certificate in PEM"));
    }
    for one in &found {
        let parsed = parse(one).map_err(|problem| failed(path, &problem))?;
        if !parsed.is_ca() {
            let name = parsed.subject().to_string();
            let problem = format!(
                "holds the certificate of {name}, which is no authority (basicConstraints CA)"
            );
            return Err(failed(path, &problem));
        }
    }
    Ok(found)
}

fn verifier(
    files: &CertificateAuthority,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<Arc<dyn ClientCertVerifier>, AuthorityError> {
    let of = |problem: String| failed(&files.certificate_file, &problem);
    let mut roots = RootCertStore::empty();
    for one in certificates {
        let added = roots.add(one);
        added.map_err(|error| of(format!("holds a certificate that cannot be used: {error}")))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated();
    let Some(path) = &files.crl_file else {
        return builder
            .build()
            .map_err(|error| of(format!("cannot be used: {error}")));
    };
    let lists = CertificateRevocationListDer::pem_file_iter(path).and_then(Iterator::collect);
    let lists: Vec<_> = lists.map_err(|error| failed(path, &format!("cannot be read: {error}")))?;
    if lists.is_empty() {
        return Err(failed(path, "holds no revocation list in PEM"));
    }
    let verifier = builder.with_crls(lists).build();
    verifier.map_err(|error| failed(path, &format!("cannot be used: {error}")))
}

/// What leads from the first certificate to its root, without the root, in PEM.
fn chain(certificates: &[CertificateDer<'static>]) -> Result<String, String> {
    let mut chain = String::new();
    let mut next = certificates.first();
    for _ in 0..CHAIN_MAX {
        let Some(one) = next else { break };
        let parsed = parse(one)?;
        if parsed.subject() == parsed.issuer() {
            break;
        }
        chain.push_str(&pem(one));
        next = certificates.iter().find(|above| {
            parse(above).is_ok_and(|above| above.subject().as_raw() == parsed.issuer().as_raw())
        });
    }
    Ok(chain)
}

fn parse<'d>(
    der: &'d CertificateDer<'_>,
) -> Result<x509_parser::certificate::X509Certificate<'d>, String> {
    let parsed = x509_parser::parse_x509_certificate(der);
    let (_, certificate) = parsed.map_err(|error| format!("is no certificate: {error}"))?;
    Ok(certificate)
}

/// In PEM (RFC 7468, section 2: lines of 64 characters).
fn pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for (place, character) in text.char_indices() {
        if place > 0 && place % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem + "\n-----END CERTIFICATE-----\n"
}

fn failed(path: &Path, problem: &str) -> AuthorityError {
    AuthorityError {
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
