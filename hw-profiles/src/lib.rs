//! One checked data file per device model, and the types they load into.
//!
//! Facts about devices live in the `.toml` files beside this crate, never in code: no `match` on a
//! model name anywhere. Loading is strict: an unknown key, an overlap, an impossible range or a bad
//! unit is an error with file, line and remedy, and all faults of a file are told at once.

mod check;
mod facts;
mod fault;
mod frames;
mod library;
mod ocpp_only;
mod profile;
mod raw;
mod read;
mod schema;
mod unit;

pub use fault::{Fault, Faults};
pub use frames::{Frame, FrameFile, Framing};
pub use library::{builtin, builtin_frames, find, load_dir, load_file, load_proven};
pub use ocpp_only::{OcppOnly, ocpp_only};
pub use profile::{
    Access, Condition, ConnectorAddressing, Connectors, Failsafe, KeepAlive, Kind, LimitControl,
    LimitUnit, Link, Origin, Parity, PauseControl, PhaseReadBack, PhaseSwitch, PollClass, Profile,
    Quantity, RawMatch, Register, RegisterType, Scale, SerialLine, SetpointMeaning, SetupWrite,
    Source, StateRule, SunSpec, Table, TcpDefaults, WordOrder, WordProbe, WriteRegister,
};
pub use schema::schema_json;
