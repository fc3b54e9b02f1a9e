//! Decides: event in, facts and actions out. No clock, no I/O, no randomness.
//!
//! The caller stores `facts` in one transaction, performs `at_once` without waiting for it, and
//! `after_commit` once it succeeded, in order.

mod config;
mod decision;

pub use config::{
    Authorization, ChargePointConfig, ConnectorConfig, CurrentRange, EnergyConfig, SiteConfig,
};
pub use decision::{Action, Decision, Event, Moment};
