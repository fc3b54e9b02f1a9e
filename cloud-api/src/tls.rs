//! TLS for what we offer: certificates and keys from PEM files, rustls on ring.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::certificate::{Authority, AuthorityError};
use crate::config::{Config, TlsFiles};
use crate::fresh::Following;
use crate::listener::HTTP_PROTOCOLS;

/// Why certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not PEM.
    #[error("cannot read {what} {}: {reason}", path.display())]
    Read {
        /// `certificate` or `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key do not belong together, or are of a kind that rustls does not take.
    #[error("certificate {} and private key {} cannot be used together: {reason}", files.certificate_file.display(), files.key_file.display())]
    Pair {
        /// The files.
        files: TlsFiles,
        /// What is wrong.
        reason: String,
    },
    /// The authority of charge points' certificates cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// A TLS server with this certificate, offering `protocols` by ALPN in this order. With `clients` it asks
/// who connects for a certificate.
///
/// # Errors
/// [`TlsError`] with the files.
pub fn server_config(
    files: &TlsFiles,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    protocols: &[&[u8]],
) -> Result<ServerConfig, TlsError> {
    let certificates = read_certificates(&files.certificate_file)?;
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .map_err(|error| unreadable("private key", &files.key_file, &error))?;
    let pair = |error: &dyn std::fmt::Display| TlsError::Pair {
        files: files.clone(),
        reason: error.to_string(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = clients.unwrap_or_else(WebPkiClientVerifier::no_client_auth);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| pair(&error))?
        .with_client_cert_verifier(clients)
        .with_single_cert(certificates, key)
        .map_err(|error| pair(&error))?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// The HTTP listener's TLS, made anew when one of its files changes; `None`: it is plain.
///
/// # Errors
/// A sentence with the file.
pub fn follow(config: &Config) -> Result<Option<Following<ServerConfig, TlsError>>, TlsError> {
    let Some(files) = config.http.tls.clone() else {
        return Ok(None);
    };
    let ca = config.ocpp.ca.clone();
    let mut watched = vec![files.certificate_file.clone(), files.key_file.clone()];
    // It is told whose certificates are asked for.
    watched.extend(ca.as_ref().map(|ca| ca.certificate_file.clone()));
    let make = move || {
        let authority = ca.as_ref().map(Authority::load).transpose()?;
        let clients = authority.map(|authority| authority.introduction());
        server_config(&files, clients, &HTTP_PROTOCOLS)
    };
    Following::load("[http.tls]", watched, make).map(Some)
}

/// The authority of charge points' certificates, made anew when one of its files changes.
///
/// # Errors
/// A sentence with the file.
pub fn follow_authority(
    config: &Config,
) -> Result<Option<Following<Authority, AuthorityError>>, AuthorityError> {
    let Some(ca) = config.ocpp.ca.clone() else {
        return Ok(None);
    };
    let mut watched = vec![ca.certificate_file.clone()];
    watched.extend(ca.key_file.clone());
    watched.extend(ca.crl_file.clone());
    Following::load("[ocpp.ca]", watched, move || Authority::load(&ca)).map(Some)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable("certificate", path, &error))?;
    if certificates.is_empty() {
        return Err(unreadable("certificate", path, &pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

fn unreadable(what: &'static str, path: &Path, error: &pem::Error) -> TlsError {
    let reason = if let pem::Error::Io(error) = error {
        error.to_string()
    } else if matches!(error, pem::Error::NoItemsFound) {
        format!("it holds no {what} in PEM")
    } else {
        error.to_string()
    };
    TlsError::Read {
        what,
        path: path.to_owned(),
        reason,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use super::*;

    /// A certificate for `localhost` and 127.0.0.1 with its key, as files; and the certificate in PEM.
    pub(crate) fn certificate(dir: &Path, name: &str) -> (TlsFiles, String) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let files = TlsFiles {
            certificate_file: dir.join(format!("{name}.pem")),
            key_file: dir.join(format!("{name}.key")),
        };
        fs::write(&files.certificate_file, made.cert.pem()).unwrap();
        fs::write(&files.key_file, made.signing_key.serialize_pem()).unwrap();
        (files, made.cert.pem())
    }

    fn error(certificate_file: &Path, key_file: &Path) -> String {
        let files = TlsFiles {
            certificate_file: certificate_file.to_owned(),
            key_file: key_file.to_owned(),
        };
        server_config(&files, None, &[]).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let (one, _) = certificate(dir.path(), "one");
        let (two, _) = certificate(dir.path(), "two");
        let (certificate_file, key_file) = (&one.certificate_file, &one.key_file);
        assert!(server_config(&one, None, &[b"h2"]).is_ok());

        let missing = dir.path().join("missing");
        let shown = missing.display();
        let gone = "No such file or directory (os error 2)";
        assert_eq!(
            error(&missing, key_file),
            format!("cannot read certificate {shown}: {gone}")
        );
        assert_eq!(
            error(certificate_file, &missing),
            format!("cannot read private key {shown}: {gone}")
        );
        assert_eq!(
            error(key_file, key_file),
            format!(
                "cannot read certificate {}: it holds no certificate in PEM",
                key_file.display()
            )
        );
        assert_eq!(
            error(certificate_file, certificate_file),
            format!(
                "cannot read private key {}: it holds no private key in PEM",
                certificate_file.display()
            )
        );
        let mixed = error(certificate_file, &two.key_file);
        let (one, two) = (certificate_file.display(), two.key_file.display());
        let start = format!("certificate {one} and private key {two} cannot be used together: ");
        assert!(mixed.starts_with(&start), "{mixed}");
    }
}
