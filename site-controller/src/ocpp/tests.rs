//! The station side against a central system that the test plays, over a real socket.

mod access;
mod bench;
mod chance;
mod charging;
mod day_away;
mod files;
mod link;
mod meter_values;
mod moves;
mod orders;
mod reset;
mod security;
mod transactions;
mod witness;
