//! Passwords that people choose: argon2id, off the async threads, a few at a time.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::secret::{Secret, fill_random, random_base62};

/// Hashings at one time, for the whole process. Each takes 19 MiB and some 20 ms of one core (argon2id, m = 19456
/// KiB, t = 2, p = 1: OWASP Password Storage Cheat Sheet), so passwords take 76 MiB at most.
const CONCURRENT_MAX: usize = 4;
/// Longest password, in characters.
pub(in crate::installer) const LENGTH_MAX: usize = 1_024;
/// How long a login waits for its turn before it is told to come back.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Why a password was not hashed or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Breaks the rules for new passwords.
    #[error(
        "the password must have 10 to 1024 characters without control characters, among them an upper-case letter, a lower-case letter and a digit"
    )]
    Rules,
    /// More logins than `CONCURRENT_MAX` are under way, and none ended in time.
    #[error("too many logins are under way; try again in a moment")]
    Busy,
    /// The hash in the database is none.
    #[error("the stored password hash is damaged; set the password anew")]
    Damaged,
}

/// Hashes and compares passwords; clones share the bound.
#[derive(Debug, Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

impl Passwords {
    /// With its own bound of concurrent hashings.
    #[must_use]
    pub fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(CONCURRENT_MAX)),
        }
    }

    /// Checks what a new password must have: 10 characters, upper, lower, digit (api contract,
    /// section 4); and what a login would refuse to read.
    ///
    /// # Errors
    /// [`PasswordError::Rules`].
    pub fn check_rules(password: &Secret<String>) -> Result<(), PasswordError> {
        let text = password.expose();
        let keeps = (10..=LENGTH_MAX).contains(&text.chars().count())
            && !text.chars().any(char::is_control)
            && text.chars().any(char::is_uppercase)
            && text.chars().any(char::is_lowercase)
            && text.chars().any(|c| c.is_ascii_digit());
        if keeps {
            Ok(())
        } else {
            Err(PasswordError::Rules)
        }
    }

    /// The PHC string of a password under a fresh salt.
    ///
    /// # Errors
    /// [`PasswordError::Busy`].
    pub async fn hash(&self, password: Secret<String>) -> Result<String, PasswordError> {
        self.in_turn(move || hash_now(&password)).await
    }

    /// Whether `hash` is that of the password. Without a hash it does the same work and says no.
    ///
    /// # Errors
    /// [`PasswordError::Busy`], [`PasswordError::Damaged`].
    pub async fn verify(
        &self,
        password: Secret<String>,
        hash: Option<String>,
    ) -> Result<bool, PasswordError> {
        self.in_turn(move || {
            let known = hash.is_some();
            let hash = hash.as_deref().unwrap_or(&NOBODYS_HASH);
            let hash = PasswordHash::new(hash).map_err(|_| PasswordError::Damaged)?;
            let verified = Argon2::default().verify_password(password.expose().as_bytes(), &hash);
            Ok(verified.is_ok() && known)
        })
        .await?
    }

    /// Runs `work` on a blocking thread. The turn ends with the work, not with the caller's patience:
    /// who hangs up early cannot start more of it.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(WAIT_MAX, turn)
            .await
            .map_err(|_| PasswordError::Busy)?
            .expect("the semaphore is never closed");
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        Ok(done.await.expect("password hashing does not panic"))
    }
}

/// Compared with when nobody has the address, so that the time tells nothing.
static NOBODYS_HASH: LazyLock<String> = LazyLock::new(|| hash_now(&random_base62(27)));

fn hash_now(password: &Secret<String>) -> String {
    let mut salt = [0; 16];
    fill_random(&mut salt);
    let argon2 = Argon2::default();
    let hash: PasswordHash = argon2
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .expect("16 bytes are a valid salt, and a request's body is far below argon2's 4 GiB");
    hash.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn rules_ask_for_length_cases_and_a_digit() {
        let longest = format!("Ab1{}", "x".repeat(LENGTH_MAX - 3));
        for (text, expected) in [
            (&*longest, Ok(())),
            (&*format!("{longest}x"), Err(PasswordError::Rules)),
            ("Abcdefgh1\t", Err(PasswordError::Rules)),
            ("Abcdefghi1", Ok(())),
            ("Äöüäöüäöü1", Ok(())),
            ("Abcdefgh1", Err(PasswordError::Rules)),
            ("abcdefghi1", Err(PasswordError::Rules)),
            ("ABCDEFGHI1", Err(PasswordError::Rules)),
            ("Abcdefghij", Err(PasswordError::Rules)),
        ] {
            assert_eq!(Passwords::check_rules(&secret(text)), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn hashes_are_argon2id_salted_and_recognise_only_their_password() {
        let passwords = Passwords::new();
        let hash = passwords.hash(secret("Correct-horse7")).await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert_ne!(
            hash,
            passwords.hash(secret("Correct-horse7")).await.unwrap()
        );

        let verify = |text, hash| passwords.verify(secret(text), hash);
        assert_eq!(verify("Correct-horse7", Some(hash.clone())).await, Ok(true));
        assert_eq!(verify("correct-horse7", Some(hash)).await, Ok(false));
        assert_eq!(verify("Correct-horse7", None).await, Ok(false));
        let damaged = verify("Correct-horse7", Some("plain".to_owned())).await;
        assert_eq!(damaged, Err(PasswordError::Damaged));
    }

    #[test]
    fn an_unknown_account_costs_what_a_known_one_does() {
        let known = hash_now(&secret("Correct-horse7"));
        let cost = |hash: &str| hash.splitn(5, '$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(cost(&NOBODYS_HASH), cost(&known));
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_that_gets_no_turn_is_told_so() {
        let passwords = Passwords::new();
        let all = u32::try_from(CONCURRENT_MAX).unwrap();
        let turns = passwords.turns.acquire_many(all).await.unwrap();
        let refused = passwords.verify(secret("Correct-horse7"), None).await;
        assert_eq!(refused, Err(PasswordError::Busy));
        drop(turns);
        assert_eq!(
            passwords.verify(secret("Correct-horse7"), None).await,
            Ok(false)
        );
    }
}
