//! What the daemon tells about itself: made by the runtime, travels as JSON, shown by `render`.

use std::collections::BTreeMap;

use firmware_agent::{BusDiagnostics, DeviceDiagnostics, FailsafeState, Phases};
use serde::{Deserialize, Serialize};
use site_model::{
    ChargePointId, ChargePointView, ConnectorView, DeviceFault, DeviceId, GatewayId, JournalId,
    Reading, Timestamp, Value,
};
use site_wire::v1::RefusedChargePoint;

use crate::clock::Health;
use crate::flash::FlashUse;
use crate::ocpp::StationStatus;
use crate::store::Figures;
use crate::uplink::LinkStatus;

/// The whole site as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// This gateway.
    pub gateway_id: String,
    /// Version of the daemon.
    pub software_version: String,
    /// Milliseconds since the daemon's start.
    pub uptime_ms: u64,
    /// Wall time, milliseconds since 1970 (UTC).
    pub now_ms: i64,
    /// Whether the wall time is known to be right.
    pub clock_known: bool,
    /// How well it is kept.
    pub clock: Clock,
    /// The cloud.
    pub cloud: Cloud,
    /// The journal.
    pub storage: Storage,
    /// Charge points.
    pub charge_points: Vec<ChargePoint>,
    /// What they owe to central systems that they have left.
    pub owed: Vec<Owed>,
    /// Meters that are only observed.
    pub meters: Vec<Meter>,
    /// Lines.
    pub buses: Vec<Bus>,
}

/// How well the wall time is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Clock {
    /// Since the time service last set the system clock; absent where that cannot be told.
    pub synchronised_ms_ago: Option<u64>,
    /// By how much it may have drifted since, at 15 ppm.
    pub drift_ms: Option<u64>,
    /// How far recorded times are ahead of the system clock, which was set back.
    pub ahead_ms: u64,
    /// By how much the system clock was set last while the daemon ran.
    pub last_step_ms: Option<i64>,
}

/// The link to the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cloud {
    /// Up since, milliseconds since 1970; absent while it is not.
    pub connected_since_ms: Option<i64>,
    /// What went wrong last, with what to do.
    pub last_error: Option<String>,
    /// Facts that the cloud has not acknowledged.
    pub facts_waiting: u64,
    /// Charge points that the cloud does not accept from this gateway.
    pub refused: Vec<RefusedChargePoint>,
}

/// The journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// Identity of the file.
    pub journal_id: String,
    /// Highest sequence that is safe on disk.
    pub last_sequence: u64,
    /// Size of the file with its log.
    pub bytes_on_disk: u64,
    /// What the daemon wrote to the disk since its start.
    pub bytes_written: u64,
    /// Of these, in the last 24 hours.
    pub bytes_written_last_day: u64,
    /// Facts that wait for the disk.
    pub facts_waiting: u64,
    /// Facts that were dropped at the bound of what may wait.
    pub facts_dropped: u64,
    /// Why the journal cannot be written.
    pub problem: Option<String>,
    /// What was found when the daemon started: damage, no room.
    #[serde(default)]
    pub notices: Vec<String>,
}

/// A charge point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargePoint {
    /// Its identity.
    pub charge_point_id: String,
    /// Maker.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// Status as a whole.
    pub status: String,
    /// Whether a device answers.
    pub online: bool,
    /// Since its last valid answer.
    pub last_answer_age_ms: Option<u64>,
    /// Its central system; absent where none is configured.
    pub ocpp: Option<Ocpp>,
    /// Connectors.
    pub connectors: Vec<Connector>,
}

/// The link of a charge point to its central system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ocpp {
    /// Where.
    pub address: String,
    /// Up since, milliseconds since 1970; absent while it is not.
    pub connected_since_ms: Option<i64>,
    /// Whether the charge point is accepted there: unknown, pending, rejected or accepted.
    pub registration: String,
    /// Starts and ends of sessions that are still to be told.
    pub waiting: u64,
    /// Messages about transactions that no central system would take.
    pub set_aside: u64,
    /// Why the newest of them is there.
    pub set_aside_why: Option<String>,
    /// What went wrong last, with what to do.
    pub last_error: Option<String>,
}

/// What a charge point owes to a central system that it has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// Who.
    pub charge_point_id: String,
    /// To whom.
    pub address: String,
    /// Starts and ends of sessions that are still to be told there.
    pub waiting: u64,
    /// What went wrong last, with what to do.
    pub last_error: Option<String>,
}

/// A connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connector {
    /// Its number.
    pub connector_id: u8,
    /// OCPP status.
    pub status: String,
    /// Device's error code.
    pub error_code: Option<u32>,
    /// Granted limit.
    pub limit_ma: u32,
    /// Who set it.
    pub limit_owner: String,
    /// What that means, as a sentence fragment.
    pub limit_reason: String,
    /// Limit as read back.
    pub limit_read_back_ma: Option<u32>,
    /// Power as last measured.
    pub power_w: Option<i32>,
    /// Its monotone register.
    pub meter_wh: Option<u64>,
    /// The running session.
    pub session: Option<Session>,
    /// Why the device is unreachable.
    pub fault: Option<Problem>,
}

/// A running session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its identity.
    pub session_id: String,
    /// When it began, milliseconds since 1970.
    pub started_at_ms: i64,
    /// Energy so far.
    pub energy_wh: u64,
}

/// Something for a technician.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What happened, with register or frame.
    pub message: String,
    /// What to do next.
    pub remedy: String,
}

/// A meter that is only observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// Its name.
    pub device: String,
    /// Power it told last; positive is import.
    pub power_w: Option<i32>,
    /// Since it told something.
    pub age_ms: u64,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bus {
    /// Its name.
    pub name: String,
    /// Why it is not open.
    pub closed: Option<Problem>,
    /// Its devices.
    pub devices: Vec<Device>,
}

/// A device on a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its name.
    pub device: String,
    /// Its unit.
    pub unit: u8,
    /// Since its last answer.
    pub last_answer_age_ms: Option<u64>,
    /// Answers so far.
    pub answers: u64,
    /// Requests that nothing was heard to.
    pub timeouts: u64,
    /// Broken answers.
    pub crc_errors: u64,
    /// Refusals.
    pub exceptions: u64,
    /// Its failsafe against what is configured; absent if nothing is, or not yet known.
    pub failsafe: Option<Failsafe>,
    /// Phases that it charges with, where it can switch them and they are known.
    pub phases: Option<u8>,
    /// How long it is left alone.
    pub quarantined_for_ms: Option<u64>,
    /// What went wrong last.
    pub last_error: Option<LastError>,
}

/// What a device does by itself when it hears nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Failsafe {
    /// It reads back as configured.
    Confirmed,
    /// It does not.
    Differs(Problem),
    /// It was written, but this model does not tell it.
    NotReadable,
}

/// What went wrong last, with the bytes that show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// What and what to do.
    #[serde(flatten)]
    pub problem: Problem,
    /// Request in hexadecimal.
    pub request: String,
    /// Answer in hexadecimal.
    pub response: String,
    /// How long ago.
    pub age_ms: u64,
}

/// Where a report comes from.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) gateway: &'a GatewayId,
    pub(crate) journal: &'a JournalId,
    pub(crate) now: Timestamp,
    pub(crate) link: LinkStatus,
    pub(crate) stations: BTreeMap<ChargePointId, StationStatus>,
    pub(crate) owed: Vec<crate::ocpp::Owed>,
    pub(crate) figures: Figures,
    pub(crate) flash: &'a FlashUse,
    pub(crate) storage_problem: Option<&'a str>,
    pub(crate) notices: &'a [String],
    pub(crate) health: Health,
    pub(crate) last_sequence: u64,
    pub(crate) views: Vec<ChargePointView>,
    pub(crate) meters: &'a BTreeMap<DeviceId, (Timestamp, Reading)>,
    pub(crate) buses: Vec<BusDiagnostics>,
}

impl Source<'_> {
    pub(crate) fn report(self) -> StatusReport {
        let now = self.now;
        let written = self.flash.written();
        let meters = self.meters.iter().map(|(id, (at, reading))| Meter {
            device: id.to_string(),
            power_w: power(reading),
            age_ms: now.monotonic.ms_since(at.monotonic),
        });
        StatusReport {
            gateway_id: self.gateway.to_string(),
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: now.monotonic.0,
            now_ms: now.wall.0,
            clock_known: now.wall_known,
            clock: Clock {
                synchronised_ms_ago: self.health.synchronised_ms_ago,
                drift_ms: self.health.drift_ms,
                ahead_ms: self.health.ahead_ms,
                last_step_ms: self.health.last_step_ms,
            },
            cloud: Cloud {
                connected_since_ms: self.link.connected_since.map(|at| at.0),
                last_error: self.link.last_error,
                facts_waiting: self.link.facts_waiting,
                refused: self.link.refused,
            },
            storage: Storage {
                journal_id: self.journal.to_string(),
                last_sequence: self.last_sequence,
                bytes_on_disk: self.figures.bytes_on_disk,
                bytes_written: written.in_all,
                bytes_written_last_day: written.last_day,
                facts_waiting: self.figures.facts_waiting,
                facts_dropped: self.figures.facts_dropped,
                problem: self.storage_problem.map(str::to_owned),
                notices: self.notices.to_vec(),
            },
            charge_points: self
                .views
                .iter()
                .map(|view| charge_point(view, now, &self.stations))
                .collect(),
            owed: self.owed.into_iter().map(owed).collect(),
            meters: meters.collect(),
            buses: self.buses.iter().map(bus).collect(),
        }
    }
}

fn charge_point(
    view: &ChargePointView,
    now: Timestamp,
    stations: &BTreeMap<ChargePointId, StationStatus>,
) -> ChargePoint {
    let answered = view.last_answer.filter(|at| at.boot == now.boot);
    ChargePoint {
        charge_point_id: view.announcement.charge_point.to_string(),
        vendor: view.announcement.vendor.clone(),
        model: view.announcement.model.clone(),
        status: view.status.to_string(),
        online: view.online,
        last_answer_age_ms: answered.map(|at| now.monotonic.ms_since(at.monotonic)),
        ocpp: stations.get(&view.announcement.charge_point).map(ocpp),
        connectors: view.connectors.iter().map(connector).collect(),
    }
}

fn ocpp(link: &StationStatus) -> Ocpp {
    Ocpp {
        address: link.address.clone(),
        connected_since_ms: link.connected_since.map(|at| at.0),
        registration: link.registration.as_str().to_owned(),
        waiting: link.waiting,
        set_aside: link.set_aside,
        set_aside_why: link.set_aside_why.clone(),
        last_error: link.last_error.clone(),
    }
}

fn owed(owed: crate::ocpp::Owed) -> Owed {
    Owed {
        charge_point_id: owed.charge_point.to_string(),
        address: owed.address,
        waiting: owed.waiting,
        last_error: owed.last_error,
    }
}

fn connector(view: &ConnectorView) -> Connector {
    Connector {
        connector_id: view.connector.get(),
        status: view.status.to_string(),
        error_code: view.error_code,
        limit_ma: view.limit.0,
        limit_owner: view.limit_owner.to_string(),
        limit_reason: reason(view).to_owned(),
        limit_read_back_ma: view.limit_read_back.map(|limit| limit.0),
        power_w: view.power.map(|power| power.0),
        meter_wh: view.meter.map(|meter| meter.0),
        session: view.session.as_ref().map(|session| Session {
            session_id: session.session.to_string(),
            started_at_ms: session.started.wall.0,
            energy_wh: session.energy.0,
        }),
        fault: view.fault.as_ref().map(problem),
    }
}

fn reason(view: &ConnectorView) -> &'static str {
    use site_model::LimitOwner as Owner;
    match view.limit_owner {
        Owner::Authorization => "waits for an authorization",
        Owner::Installation => "rating of the installation",
        Owner::Command => "set by a command",
        Owner::Availability => "out of operation",
        Owner::ChargingProfile => "charging profile of the central system",
    }
}

fn bus(bus: &BusDiagnostics) -> Bus {
    Bus {
        name: bus.name.clone(),
        closed: bus.closed.as_ref().map(problem),
        devices: bus.devices.iter().map(device).collect(),
    }
}

fn device(device: &DeviceDiagnostics) -> Device {
    Device {
        device: device.device.to_string(),
        unit: device.unit,
        last_answer_age_ms: device.last_answer_age_ms,
        answers: device.answers,
        timeouts: device.timeouts,
        crc_errors: device.crc_errors,
        exceptions: device.exceptions,
        failsafe: device.failsafe.as_ref().map(failsafe),
        phases: device.phases.map(Phases::count),
        quarantined_for_ms: device.quarantined_for_ms,
        last_error: device.last_error.as_ref().map(|error| LastError {
            problem: problem(&error.fault),
            request: error.request.clone(),
            response: error.response.clone(),
            age_ms: error.age_ms,
        }),
    }
}

fn failsafe(state: &FailsafeState) -> Failsafe {
    match state {
        FailsafeState::Confirmed => Failsafe::Confirmed,
        FailsafeState::Differs { fault } => Failsafe::Differs(problem(fault)),
        FailsafeState::NotReadable => Failsafe::NotReadable,
    }
}

fn problem(fault: &DeviceFault) -> Problem {
    Problem {
        message: fault.message.clone(),
        remedy: fault.remedy.clone(),
    }
}

fn power(reading: &Reading) -> Option<i32> {
    reading.values.iter().find_map(|value| {
        if let Value::Power(power) = value {
            Some(power.0)
        } else {
            None
        }
    })
}
