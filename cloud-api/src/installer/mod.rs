//! Installers: personal accounts of the people who build sites, and the tokens they log in for.
//! They belong to no organisation; their tokens work under `/installer/` only.

mod account;
mod attempts;
mod password;
mod ring_provider;
mod routes;

mod signing_key;
mod token;

pub use account::{AccountError, Installers, NewInstaller};
pub use attempts::{Attempts, TooManyAttempts};
pub use password::{PasswordError, Passwords};
pub use routes::{Logins, document, router};
pub use signing_key::{Jwk, Jwks, SigningKey};
pub use token::{TOKEN_LIFETIME_S, Tokens};
