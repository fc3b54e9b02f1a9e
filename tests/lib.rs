//! End-to-end scenarios over the real binaries (`scenarios/`), the benches (`bench/`), and the whole
//! site that both stand on.

mod disks;
mod relay;
mod stage;

pub use disks::{Bay, Cut, Disk, SmallDisk};
pub use relay::Relay;
pub use stage::{Stage, StoredSession, meter_wh, stored_sessions};
