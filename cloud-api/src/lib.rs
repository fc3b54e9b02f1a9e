//! The cloud end: REST API, embedded MQTT broker, ingest of what gateways report, and its database.
//! `app` puts the parts together; each other module is one part and knows only those it names.

pub mod admin;
pub mod app;
pub mod broker;
pub mod certificate;
pub mod charge_point;
pub mod clock;
pub mod command;
pub mod config;
pub mod db;
pub mod email;
pub mod fleet;
pub mod fresh;
pub mod gateway;
pub mod housekeeping;
pub mod http;
pub mod id;
pub mod id_token;
pub mod idempotency;
pub mod ingest;
pub mod installer;
pub mod keys;
pub mod lifecycle;
pub mod listener;
pub mod ocpp16;
pub mod organisation;
pub mod quota;
pub mod secret;
pub mod session;
pub mod site;
pub mod station;
pub mod tls;
pub mod user;
mod words;
