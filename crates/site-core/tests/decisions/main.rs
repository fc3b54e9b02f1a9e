//! Whole decisions at their boundaries: each test compares everything the core answers.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its world shall fail"
)]

mod bench;
mod closing;
mod commands;
mod configuration;
mod devices;
mod disowned;
mod endpoints;
mod energy;
mod limits;
mod profiles;
mod reservations;
mod resets;
mod restart;
mod sessions;
mod starts_and_stops;
