//! A certificate that somebody shows when TLS begins. The handshake proves that he has its key; whose it
//! is, and whether it is good, is judged where the charge point is known: there the refusal has a name, a
//! reason and an answer, and a connection that resumes an older one is judged again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::x509::X509Name;

use super::{Authority, Whose, parse};

/// The certificates that a client showed, its own first; it proved that it has the key of that one.
#[derive(Debug, Clone)]
pub struct Shown(Arc<[CertificateDer<'static>]>);

impl Shown {
    /// Only the listener makes it: nobody else knows that the key was proved.
    pub(crate) fn new(certificates: &[CertificateDer<'static>]) -> Option<Self> {
        (!certificates.is_empty()).then(|| Self(certificates.into()))
    }
}

/// Whose a good certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its common name; none if there is not exactly one.
    pub common_name: Option<String>,
    /// Its organisations and organisational units.
    pub organisations: Vec<String>,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// When it ends.
    pub until: Timestamp,
}

impl Subject {
    /// Whether it is the certificate of this charge point.
    ///
    /// # Errors
    /// Why it is not, as a sentence fragment.
    pub fn check(&self, whose: Whose<'_>) -> Result<(), String> {
        let name = self.common_name.as_deref().unwrap_or_default();
        if name != whose.charge_point.as_str() {
            return Err(format!(
                "its certificate is for {name:?}, not for this charge point"
            ));
        }
        // An id that its organisation gave back may be somebody else's by now.
        let named = [whose.organisation.as_str(), whose.name];
        let mut organisations = self.organisations.iter();
        if !organisations.any(|told| named.contains(&told.as_str())) {
            return Err(format!(
                "its certificate names the organisations {:?}, none of which is the charge point's \
                 (its name as O, or its id as O or OU)",
                self.organisations
            ));
        }
        Ok(())
    }
}

impl Authority {
    /// Whose certificate it is, if it is good at this moment.
    ///
    /// # Errors
    /// Why it is not, as a sentence fragment.
    pub fn recognise(&self, shown: &Shown, now: Timestamp) -> Result<Subject, String> {
        let Some((own, between)) = shown.0.split_first() else {
            return Err("it shows no certificate".to_owned());
        };
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let verified = self.verifier.verify_client_cert(own, between, at);
        verified.map_err(|error| why(&error))?;
        let parsed = parse(own).map_err(|problem| format!("what it shows {problem}"))?;
        let subject = parsed.subject();
        let organisations = subject.iter_organization();
        let all = organisations.chain(subject.iter_organizational_unit());
        let ends = Timestamp::from_second(parsed.validity().not_after.timestamp());
        Ok(Subject {
            common_name: only_common_name(subject),
            organisations: all
                .filter_map(|name| name.as_str().ok())
                .map(str::to_owned)
                .collect(),
            serial: parsed.raw_serial_as_string(),
            until: ends.unwrap_or(Timestamp::MAX),
        })
    }

    /// For the handshake: asks for a certificate of ours, takes it or none, and has its key proved.
    #[must_use]
    pub fn introduction(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::new(Introduction(Arc::clone(&self.verifier)))
    }
}

fn why(error: &Error) -> String {
    let Error::InvalidCertificate(fault) = error else {
        return format!("its certificate cannot be judged: {error}");
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's list grows; its own words tell the rest"
    )]
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        CertificateError::Revoked => "its certificate is revoked".to_owned(),
        CertificateError::UnknownIssuer => {
            "its certificate is of no authority in certificate_file of [ocpp.ca]".to_owned()
        }
        CertificateError::UnknownRevocationStatus => {
            "crl_file of [ocpp.ca] holds no list of its certificate's authority".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not for clients (extended key usage)".to_owned()
        }
        other => format!("its certificate is not good: {other}"),
    }
}

/// The common name, if there is exactly one.
pub(super) fn only_common_name(subject: &X509Name<'_>) -> Option<String> {
    let mut names = subject.iter_common_name();
    let name = names.next()?.as_str().ok()?.to_owned();
    names.next().is_none().then_some(name)
}

/// Takes any certificate whose key is proved, and none; [`Authority::recognise`] judges it.
struct Introduction(Arc<dyn ClientCertVerifier>);

impl fmt::Debug for Introduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Introduction")
    }
}

impl ClientCertVerifier for Introduction {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
