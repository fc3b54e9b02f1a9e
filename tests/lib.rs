//! End-to-end scenarios over the real binaries (`scenarios/`), the benches (`bench/`), and the whole
//! site that both stand on.

mod stage;

pub use stage::{Stage, StoredSession, meter_wh, stored_sessions};
