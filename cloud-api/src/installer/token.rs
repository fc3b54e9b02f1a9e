//! Installer tokens: JWTs signed RS256, valid for one hour.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::id::{InstallerId, mint};
use crate::secret::Secret;

use super::ring_provider;
use super::signing_key::{Jwks, SigningKey};

/// How long a token is valid, in seconds.
pub const TOKEN_LIFETIME_S: u32 = 3_600;
/// Who issues the tokens (claim `iss`).
const ISSUER: &str = "dynamo-csms";

/// What a token says (RFC 7519, section 4.1); times are Unix seconds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    iat: i64,
    exp: i64,
    jti: String,
}

/// Issues and verifies installer tokens; clones share the key.
#[derive(Debug, Clone)]
pub struct Tokens {
    key: Arc<SigningKey>,
    clock: Clock,
}

impl Tokens {
    /// Tokens signed with `key`.
    #[must_use]
    pub fn new(key: SigningKey, clock: Clock) -> Self {
        ring_provider::install();
        Self {
            key: Arc::new(key),
            clock,
        }
    }

    /// A token for this installer, valid for [`TOKEN_LIFETIME_S`].
    #[must_use]
    pub fn issue(&self, installer: &InstallerId) -> Secret<String> {
        let now = self.clock.now();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: installer.as_str().to_owned(),
            iat: now.as_second(),
            exp: now.as_second() + i64::from(TOKEN_LIFETIME_S),
            jti: mint("jti", now),
        };
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.key.kid().to_owned());
        let token = encode(&header, &claims, self.key.private());
        Secret::new(token.expect("the key was proven to sign when it was loaded"))
    }

    /// Whom a token was issued for; `None` if it is not ours, was changed or has expired.
    #[must_use]
    pub fn verify(&self, token: &str) -> Option<InstallerId> {
        let header = decode_header(token).ok()?;
        if header.kid.as_deref() != Some(self.key.kid()) {
            return None;
        }
        let claims: Claims = decode(token, self.key.public(), &validation()).ok()?.claims;
        let valid = claims.exp > self.clock.now().as_second();
        InstallerId::parse(&claims.sub).filter(|_| valid)
    }

    /// The public keys with which anybody can verify our tokens.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        self.key.jwks()
    }
}

/// Everything but the expiry, which is compared with our own clock.
fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["iss", "sub", "exp"]);
    validation
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jiff::SignedDuration;
    use jsonwebtoken::DecodingKey;

    use super::*;

    static KEY: LazyLock<SigningKey> = LazyLock::new(new_key);

    fn new_key() -> SigningKey {
        let pem = SigningKey::generate_pem().expose().clone().into_bytes();
        SigningKey::from_pem(&Secret::new(pem)).unwrap()
    }

    fn tokens() -> (Tokens, Clock, InstallerId) {
        let clock = Clock::standing_at("2026-11-22T10:00:00Z".parse().unwrap());
        let installer = InstallerId::mint(clock.now());
        (Tokens::new(KEY.clone(), clock.clone()), clock, installer)
    }

    #[test]
    fn a_token_is_verified_with_nothing_but_the_published_keys() {
        let (tokens, _clock, installer) = tokens();
        let token = tokens.issue(&installer);
        let jwk = tokens.jwks().keys.remove(0);
        let public = DecodingKey::from_rsa_components(&jwk.n, &jwk.e).unwrap();

        let read = decode::<Claims>(token.expose(), &public, &validation()).unwrap();
        assert_eq!(read.header.kid, Some(jwk.kid));
        assert_eq!(read.header.alg, Algorithm::RS256);
        let jti = read.claims.jti.clone();
        assert!(jti.starts_with("jti_"));
        let start = 1_795_341_600;
        let expected = Claims {
            iss: "dynamo-csms".to_owned(),
            sub: installer.to_string(),
            iat: start,
            exp: start + 3_600,
            jti,
        };
        assert_eq!(read.claims, expected);
        assert_ne!(token.expose(), tokens.issue(&installer).expose());
    }

    #[test]
    fn a_token_lives_for_one_hour() {
        let (tokens, clock, installer) = tokens();
        let token = tokens.issue(&installer);
        clock.advance(SignedDuration::from_millis(3_599_999));
        assert_eq!(tokens.verify(token.expose()), Some(installer));
        clock.advance(SignedDuration::from_millis(1));
        assert_eq!(tokens.verify(token.expose()), None);
    }

    #[test]
    fn forged_tokens_are_refused() {
        let (tokens, clock, installer) = tokens();
        let token = tokens.issue(&installer);
        let (signed, signature) = token.expose().rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let kid = tokens.key.kid();
        let none = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"none","kid":"{kid}"}}"#));
        let hs256 = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#));
        let plain = URL_SAFE_NO_PAD.decode(claims).unwrap();
        let plain = String::from_utf8(plain).unwrap();
        let longer =
            URL_SAFE_NO_PAD.encode(plain.replace("\"exp\":1795345200", "\"exp\":1995345200"));
        assert_ne!(longer, claims);
        let foreign = Tokens::new(new_key(), clock).issue(&installer);
        for forged in [
            String::new(),
            "a.b.c".to_owned(),
            signed.to_owned(),
            format!("{signed}."),
            format!("{none}.{claims}."),
            format!("{none}.{claims}.{signature}"),
            format!("{hs256}.{claims}.{signature}"),
            format!("{header}.{longer}.{signature}"),
            foreign.expose().clone(),
        ] {
            assert_eq!(tokens.verify(&forged), None, "{forged}");
        }
    }
}
