//! The contract — REST, and the sockets of charge points — against the whole router on a database
//! of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod actions;
mod availability;
mod central;
mod certificates;
mod chance;
mod charge_points;
mod commands;
mod document;
mod endpoints;
mod errors;
mod harness;
mod keys;
mod mutations;
mod passwords;
mod quotas;
mod reservations;
mod security;
mod sessions;
mod station;
mod stations;
mod tokens;
mod traps;
mod upkeep;
mod wire;
mod wrong_callers;
