//! A charge point's request for a certificate (PKCS #10): what is checked of it, and what is signed. Of
//! the request only the key is taken; everything else in the certificate is said by us.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    SerialNumber, SubjectPublicKeyInfo,
};
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

use super::shown::only_common_name;
use super::{Authority, Signer, Whose};
use crate::secret::fill_random;

/// Least size of an RSA key in bits (OCPP 1.6 security whitepaper, edition 3, section 2.6.1, which takes
/// elliptic curves of 224 bits or more; we take those of them that TLS speaks everywhere).
const RSA_MIN: usize = 2_048;
/// Bytes of a serial number (RFC 5280, section 4.1.2.2: at most 20).
const SERIAL: usize = 16;
/// Longest organisation name in a certificate (RFC 5280, appendix A: ub-organization-name).
const ORGANISATION_MAX: usize = 64;
/// How far clocks of charge points may lag behind, s.
const BACKDATED_S: i64 = 86_400;
const DAY_S: i64 = 86_400;

/// Why a certificate is not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// The authority has no key.
    #[error("nobody signs here: set key_file of [ocpp.ca]")]
    NoKey,
    /// The authority's own certificate has ended.
    #[error("the certificate in certificate_file of [ocpp.ca] has ended: renew it")]
    AuthorityEnded,
    /// It is no request for a certificate.
    #[error("it is no request for a certificate in PEM: {0}")]
    Malformed(String),
    /// Whoever asks does not have the key.
    #[error("it is not signed by the key that it names")]
    Forged,
    /// Its subject is somebody else.
    #[error("its common name is {0:?}, not the charge point's id")]
    OtherName(String),
    /// Its subject is of another organisation.
    #[error("its organisation is {0:?}, neither the name nor the id of the charge point's")]
    OtherOrganisation(String),
    /// Its key is too weak, or of a kind that is not taken.
    #[error(
        "its key is {0}; RSA of {RSA_MIN} bits or more and the curves P-256 and P-384 are taken"
    )]
    WeakKey(String),
}

impl Authority {
    /// The certificate that a charge point asks for, and what leads from it to the root, in PEM.
    ///
    /// # Errors
    /// [`Unsigned`] with what is wrong.
    pub fn sign(&self, csr: &str, whose: Whose<'_>, now: Timestamp) -> Result<String, Unsigned> {
        let signer = self.signer.as_ref().ok_or(Unsigned::NoKey)?;
        let malformed = |error: &dyn std::fmt::Display| Unsigned::Malformed(error.to_string());
        let der = CertificateSigningRequestDer::from_pem_slice(csr.as_bytes())
            .map_err(|error| malformed(&error))?;
        let (_, request) =
            X509CertificationRequest::from_der(&der).map_err(|error| malformed(&error))?;
        check(&request, whose)?;
        let key = &request.certification_request_info.subject_pki;
        let key = SubjectPublicKeyInfo::from_der(key.raw).map_err(|error| malformed(&error))?;
        let params = signer.params(whose, now)?;
        let signed = params.signed_by(&key, &signer.issuer);
        Ok(signed.map_err(|error| malformed(&error))?.pem() + &signer.chain)
    }
}

impl Signer {
    fn params(&self, whose: Whose<'_>, now: Timestamp) -> Result<CertificateParams, Unsigned> {
        let now = now.as_second();
        let ends_at = self.ends_at.min(now + DAY_S * i64::from(self.days));
        if ends_at <= now {
            return Err(Unsigned::AuthorityEnded);
        }
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, whose.charge_point.as_str());
        if whose.name.chars().count() <= ORGANISATION_MAX {
            subject.push(DnType::OrganizationName, whose.name);
        }
        // A name may change, an id does not.
        subject.push(DnType::OrganizationalUnitName, whose.organisation.as_str());
        let mut params = CertificateParams::default();
        params.distinguished_name = subject;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial());
        let time = |second: i64| {
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(second.max(0).unsigned_abs())
        };
        params.not_before = time(now - BACKDATED_S);
        params.not_after = time(ends_at);
        Ok(params)
    }
}

fn check(request: &X509CertificationRequest<'_>, whose: Whose<'_>) -> Result<(), Unsigned> {
    let info = &request.certification_request_info;
    let name = only_common_name(&info.subject).unwrap_or_default();
    if name != whose.charge_point.as_str() {
        return Err(Unsigned::OtherName(name));
    }
    for told in info.subject.iter_organization() {
        let told = told.as_str().unwrap_or_default();
        if told != whose.name && told != whose.organisation.as_str() {
            return Err(Unsigned::OtherOrganisation(told.to_owned()));
        }
    }
    let key = info.subject_pki.parsed();
    let key = key.map_err(|error| Unsigned::Malformed(error.to_string()))?;
    let size = key.key_size();
    let weak = match key {
        PublicKey::RSA(_) => (size < RSA_MIN).then(|| format!("RSA of {size} bits")),
        PublicKey::EC(_) => {
            let curve = info.subject_pki.algorithm.parameters.as_ref();
            let curve = curve.and_then(|curve| curve.as_oid().ok());
            let is_taken =
                curve.is_some_and(|curve| [OID_EC_P256, OID_NIST_EC_P384].contains(&curve));
            (!is_taken).then(|| format!("of another curve, of {size} bits"))
        }
        PublicKey::DSA(_)
        | PublicKey::GostR3410(_)
        | PublicKey::GostR3410_2012(_)
        | PublicKey::Unknown(_) => Some("of another kind".to_owned()),
    };
    if let Some(weak) = weak {
        return Err(Unsigned::WeakKey(weak));
    }
    request.verify_signature().map_err(|_| Unsigned::Forged)
}

/// Random, positive and of full length.
fn serial() -> SerialNumber {
    let mut bytes = vec![0; SERIAL];
    fill_random(&mut bytes);
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    SerialNumber::from(bytes)
}
