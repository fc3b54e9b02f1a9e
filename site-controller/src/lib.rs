//! The daemon on the gateway, a thin shell around `site_core`: runs it, stores its facts, performs
//! its actions, speaks MQTT to the cloud and a local socket to people. It decides nothing about charging.

pub mod app;
mod back_off;
pub mod buses;
pub mod cli;
pub mod clock;
pub mod config;
mod flash;
pub mod ids;
pub mod lifecycle;
pub mod local;
pub mod log;
pub mod ocpp;
pub mod runtime;
pub mod secret;
pub mod store;
pub mod uplink;
