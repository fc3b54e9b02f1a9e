//! What an OCPP 1.6 charge point decides: its configuration, who may charge and where, how much
//! current its profiles allow, which meter values are told, and in which order its transactions.
//!
//! Pure: time is an argument, nothing is stored or sent here. What changes is given back, so that
//! the shell can keep it before it answers.

pub mod authorize;
pub mod cache;
pub mod charging;
pub mod configuration;
pub mod local_list;
pub mod profiles;
pub mod queue;
pub mod sampler;
pub mod sampling;
