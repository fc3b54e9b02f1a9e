//! The REST contract, sections 1 and 2, against the whole router on a database of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod charge_points;
mod document;
mod endpoints;
mod errors;
mod harness;
mod keys;
mod quotas;
mod sessions;
mod tokens;
mod wire;
mod wrong_callers;
