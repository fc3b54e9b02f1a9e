//! Decides: event in, facts and actions out. No clock, no I/O, no randomness.
//!
//! The caller stores `facts` in one transaction, performs `at_once` without waiting for it, and
//! `after_commit` once it succeeded, in order.

mod authorization;
mod checkpoint;
mod commands;
mod config;
mod connector;
mod decision;
mod device_watch;
mod disowned;
mod energy;
mod limits;
mod live;
mod measured;
mod presented;
mod reservation;
mod reset;
mod session;
mod site;
mod state;
mod turn;
mod view;

pub use commands::{OPEN_COMMANDS_MAX, REMEMBERED_COMMANDS_MAX};
pub use config::{
    Authorization, ChargePointConfig, ConnectorConfig, CurrentRange, EnergyConfig, SiteConfig,
};
pub use decision::{Action, Decision, Event, Moment};
pub use measured::Measured;
pub use presented::Presented;
pub use site::Site;
