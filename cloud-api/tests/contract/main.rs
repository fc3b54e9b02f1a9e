//! The REST contract, sections 1 and 2, against the whole router on a database of its own.

mod document;
mod endpoints;
mod errors;
mod harness;
mod keys;
mod quotas;
mod wrong_callers;
