//! Ingest over a real database: once each and in order, whatever repeats, overlaps or is missing.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod facts;
mod foreign;
mod live;
mod mosquitto;
mod old_copy;
mod restart;
mod world;
