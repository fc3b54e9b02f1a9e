//! Ingest over a real database: once each and in order, whatever repeats, overlaps or is missing.

mod facts;
mod foreign;
mod live;
mod restart;
mod world;
