//! The bus against scripted lines, in virtual time.

mod connectors;
mod failsafe;
mod faults;
mod framings;
mod keep_alive;
mod line;
mod models;
mod optional;
mod phases;
mod reads;
mod set_up;
mod tcp;
mod words;
mod writes;
