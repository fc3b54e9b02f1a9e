//! The key that signs installer tokens, and its public half as a JSON Web Key (RFC 7517).

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use ring::rsa::PublicKeyComponents;
use rsa::pkcs1::{EncodeRsaPrivateKey as _, LineEnding};
use serde::Serialize;
use utoipa::ToSchema;

use crate::secret::{Secret, SecretError, load_or_create_file};

/// Name of the key's file in the data directory: PKCS#1 in PEM.
const FILE: &str = "token-signing.pem";
/// Size of the key (RFC 7518, section 3.3: 2048 or more).
const MODULUS_BITS: usize = 2_048;

/// Public keys with which installer tokens are verified (RFC 7517, section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Jwks {
    /// The keys in use.
    pub keys: Vec<Jwk>,
}

/// One public RSA key (RFC 7517, RFC 7518 section 6.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Jwk {
    /// Key type.
    #[schema(example = "RSA")]
    pub kty: &'static str,
    /// What it is for.
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    pub usage: &'static str,
    /// Algorithm.
    #[schema(example = "RS256")]
    pub alg: &'static str,
    /// Key id, as in the header of each token: the RFC 7638 thumbprint.
    pub kid: String,
    /// Modulus, base64url.
    pub n: String,
    /// Exponent, base64url.
    #[schema(example = "AQAB")]
    pub e: String,
}

/// RSA key pair for RS256. Made by the `rsa` crate, because ring cannot; used by ring only.
#[derive(Clone)]
pub struct SigningKey {
    private: EncodingKey,
    public: DecodingKey,
    jwk: Jwk,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, [secret])", self.jwk.kid)
    }
}

impl SigningKey {
    /// Reads the key from `data_dir`, or makes it there (file mode 0600) if there is none yet.
    /// Blocks, for about a second when it has to make one.
    ///
    /// # Errors
    /// [`SecretError`] with the file and what to do.
    pub fn load_or_create(data_dir: &Path) -> Result<Self, SecretError> {
        let path = data_dir.join(FILE);
        let pem =
            load_or_create_file(&path, || Self::generate_pem().expose().clone().into_bytes())?;
        Self::from_pem(&pem).map_err(|reason| SecretError::Damaged { path, reason })
    }

    /// A new private key in PEM.
    #[must_use]
    pub fn generate_pem() -> Secret<String> {
        let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, MODULUS_BITS)
            .expect("2048 is a valid size and the operating system gives random bytes");
        let pem = key
            .to_pkcs1_pem(LineEnding::LF)
            .expect("a valid key can be written");
        Secret::new(pem.as_str().to_owned())
    }

    /// The key in a PEM text.
    ///
    /// # Errors
    /// A phrase that says what is wrong with it.
    pub fn from_pem(pem: &Secret<Vec<u8>>) -> Result<Self, String> {
        let private = EncodingKey::from_rsa_pem(pem.expose())
            .map_err(|_| "no RSA private key in PEM".to_owned())?;
        let pair = ring::rsa::KeyPair::from_der(private.as_bytes())
            .map_err(|rejected| format!("no RSA key that can sign: {rejected}"))?;
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public());
        let (n64, e64) = (URL_SAFE_NO_PAD.encode(&n), URL_SAFE_NO_PAD.encode(&e));
        Ok(Self {
            private,
            public: DecodingKey::from_rsa_raw_components(&n, &e),
            jwk: Jwk {
                kty: "RSA",
                usage: "sig",
                alg: "RS256",
                kid: thumbprint(&n64, &e64),
                n: n64,
                e: e64,
            },
        })
    }

    /// The public half.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        Jwks {
            keys: vec![self.jwk.clone()],
        }
    }

    pub(super) fn kid(&self) -> &str {
        &self.jwk.kid
    }

    pub(super) fn private(&self) -> &EncodingKey {
        &self.private
    }

    pub(super) fn public(&self) -> &DecodingKey {
        &self.public
    }
}

/// RFC 7638, section 3: SHA-256 of the required members in lexicographic order without blanks.
fn thumbprint(n: &str, e: &str) -> String {
    let members = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
    let digest = ring::digest::digest(&ring::digest::SHA256, members.as_bytes());
    URL_SAFE_NO_PAD.encode(digest)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn thumbprint_is_that_of_the_example_in_rfc_7638() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        assert_eq!(
            thumbprint(n, "AQAB"),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn the_key_is_made_once_kept_from_others_and_never_printed() {
        let dir = tempfile::tempdir().unwrap();
        let first = SigningKey::load_or_create(dir.path()).unwrap();
        let second = SigningKey::load_or_create(dir.path()).unwrap();
        assert_eq!(first.jwks(), second.jwks());
        assert_eq!(
            format!("{first:?}"),
            format!("SigningKey({}, [secret])", first.kid())
        );
        let mode = dir
            .path()
            .join(FILE)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        load_or_create_file(&path, || b"nonsense".to_vec()).unwrap();
        let error = SigningKey::load_or_create(dir.path())
            .unwrap_err()
            .to_string();
        let shown = path.display();
        assert_eq!(
            error,
            format!(
                "{shown} is damaged (no RSA private key in PEM); put it back from a backup: \
                 what was made with it cannot be recognised with another"
            )
        );
    }
}
