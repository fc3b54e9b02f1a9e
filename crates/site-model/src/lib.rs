//! The words of the domain: ids, units, statuses, readings, sessions, limits, commands.
//! No dependency, no serialisation, no clock: shells turn these into messages and rows.

mod command;
mod fact;
mod id;
mod measure;
mod reading;
mod reservation;
mod status;
mod time;
mod view;

pub use command::{Command, CommandKind, Outcome, RefusalReason};
pub use fact::{Announcement, CentralSystem, Change, ConnectorAnnouncement, Fact, Reconstruction};
pub use id::{
    ChargePointId, CommandId, ConnectorId, DeviceId, GatewayId, IdTag, InvalidId, JournalId,
    SessionId,
};
pub use measure::{Hertz, Milliamps, Millivolts, VoltAmpereHours, VoltAmperes, WattHours, Watts};
pub use reading::{DeviceFault, Phase, Reading, Value};
pub use reservation::{Reservation, ReservationId};
pub use status::{
    ChargePointStatus, ConnectorStatus, ConnectorType, EnergySource, LimitOwner, ReservationAnswer,
    ReservationEnd, StopReason, VehicleState,
};
pub use time::{BootId, Monotonic, Timestamp, WallTime};
pub use view::{ChargePointView, ConnectorView, SessionView};
