//! RS256 on ring for `jsonwebtoken`, which brings no cryptography of its own in our build.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKeyKind, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        only_rs256(*algorithm)?;
        Ok(Box::new(Rs256Signer::new(key)?))
    },
    verifier_factory: |algorithm, key| {
        only_rs256(*algorithm)?;
        let DecodingKeyKind::RsaModulusExponent { n, e } = key.kind() else {
            return Err(ErrorKind::InvalidKeyFormat.into());
        };
        let (n, e) = (n.clone(), e.clone());
        Ok(Box::new(Rs256Verifier(RsaPublicKeyComponents { n, e })))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

fn only_rs256(algorithm: Algorithm) -> Result<()> {
    if algorithm == Algorithm::RS256 {
        return Ok(());
    }
    Err(ErrorKind::InvalidAlgorithm.into())
}

/// Makes ring the provider of this process; the first call counts, later ones do nothing.
pub(super) fn install() {
    let _installed_before = PROVIDER.install_default();
}

struct Rs256Signer(RsaKeyPair);

impl Rs256Signer {
    fn new(key: &EncodingKey) -> Result<Self> {
        let pair = RsaKeyPair::from_der(key.as_bytes())
            .map_err(|rejected| ErrorKind::InvalidRsaKey(rejected.to_string()))?;
        Ok(Self(pair))
    }
}

impl Signer<Vec<u8>> for Rs256Signer {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(|_| Error::new())?;
        Ok(signature)
    }
}

impl JwtSigner for Rs256Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

struct Rs256Verifier(RsaPublicKeyComponents<Vec<u8>>);

impl Verifier<Vec<u8>> for Rs256Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        self.0
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            .map_err(|_| Error::new())
    }
}

impl JwtVerifier for Rs256Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}
