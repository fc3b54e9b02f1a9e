//! End-to-end scenarios over the real binaries (`scenarios/`), the benches (`bench/`), and the whole
//! site that both stand on.

mod backlog;
mod depot;
mod disks;
pub mod month;
mod ports;
mod relay;
mod stage;
mod wires;

pub use backlog::{CatchUp, catch_up};
pub use depot::Depot;
pub use disks::{Bay, Cut, Disk, SmallDisk};
pub use ports::free_port;
pub use relay::Relay;
pub use stage::{Stage, StoredSession, meter_wh, stored_sessions};
pub use wires::{Wire, Wires, leave_out};
