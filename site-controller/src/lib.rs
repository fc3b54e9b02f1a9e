//! The daemon on the gateway, a thin shell around `site_core`: runs it, stores its facts, performs
//! its actions, speaks MQTT to the cloud and a local socket to people. It decides nothing about charging.

pub mod clock;
pub mod ids;
pub mod secret;
pub mod store;
pub mod uplink;
