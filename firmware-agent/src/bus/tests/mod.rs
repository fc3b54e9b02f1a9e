//! The bus against scripted lines, in virtual time.

mod faults;
mod line;
mod reads;
mod tcp;
mod writes;
