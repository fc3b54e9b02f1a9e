//! The cloud end: REST API, embedded MQTT broker, ingest of what gateways report, and its database.
//! `app` puts the parts together; each other module is one part and knows only those it names.

pub mod clock;
pub mod db;
pub mod email;
pub mod http;
pub mod id;
pub mod installer;
pub mod keys;
pub mod organisation;
pub mod quota;
pub mod secret;
pub mod user;
pub mod fleet;
pub mod gateway;
pub mod site;
