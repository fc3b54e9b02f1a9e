//! Installers: personal accounts of the people who build sites, and the tokens they log in for.
//! They belong to no organisation; their tokens work under `/installer/` only.

mod account;
mod attempts;
mod password;
mod ring_provider;

mod signing_key;
mod token;

pub use account::{AccountError, Installers, NewInstaller};
pub use attempts::{ATTEMPTS_IN_A_ROW, Attempts, TooManyAttempts};
pub use password::{PasswordError, Passwords};
pub use signing_key::{Jwk, Jwks, SigningKey};
pub use token::{TOKEN_LIFETIME_S, Tokens};
