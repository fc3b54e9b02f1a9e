//! What is written to a device: set-up, limit, pause, failsafe, keep-alive, phases.

use site_model::Milliamps;

use super::{Condition, RegisterType, Scale, WordOrder};

/// A register that can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRegister {
    /// Protocol address in the holding table (of coils: in the coil table), counted from 0.
    pub address: u16,
    /// Type.
    pub ty: RegisterType,
    /// Order of its words.
    pub words: WordOrder,
    /// Whether the file gives the word order for this value alone.
    pub words_fixed: bool,
    /// Function code to use.
    pub access: Access,
    /// How many times the value is repeated in one write of consecutive registers, for instance
    /// once for each phase; at least 1.
    pub repeat: u8,
    /// Station-wide: the same for all connectors, and written at the station's unit identifier.
    pub station: bool,
}

impl WriteRegister {
    /// Number of 16-bit registers that are written; 1 for a coil.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.ty.count().saturating_mul(self.repeat.into())
    }
}

/// A fixed value that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupWrite {
    /// Where.
    pub write: WriteRegister,
    /// Raw value.
    pub value: u64,
    /// Name of the register that tells it: where it already reads so, nothing is written.
    pub read_back: Option<String>,
    /// Not confirmed by two sources; shown at commissioning.
    pub unconfirmed: bool,
}

/// How a register is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Function 5, one coil.
    Coil,
    /// Function 6, one register.
    Single,
    /// Function 16.
    Multiple,
}

/// The current limit of a charger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitControl {
    /// Where it is written.
    pub write: WriteRegister,
    /// What one count means.
    pub unit: LimitUnit,
    /// Base unit (mA or W) per count. Limits are rounded down to it.
    pub scale: Scale,
    /// Lowest limit the device accepts, other than pause.
    pub minimum: Milliamps,
    /// Highest limit the device accepts.
    pub maximum: Milliamps,
    /// How to pause; absent: it cannot.
    pub pause: Option<PauseControl>,
    /// Register (with quantity `CurrentLimit`) that tells the applied limit; absent: none does.
    pub read_back: Option<String>,
    /// Where these hold, the applied limit counts as 0 whatever the read-back register says.
    pub paused_when: Vec<Condition>,
    /// Whether the device forgets it on power loss. `false` wears its flash: written only on change.
    pub volatile: bool,
    /// Raw values of the set-point that are not currents; none is ever the result of encoding one.
    pub meanings: Vec<(u64, SetpointMeaning)>,
    /// Not confirmed by two sources; shown at commissioning.
    pub unconfirmed: bool,
}

/// What a raw value of a set-point means that is no current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetpointMeaning {
    /// The device charges with what it likes.
    NoLimit,
    /// The session ends, and the driver of the car must begin another.
    EndsSession,
    /// The connector takes no further session.
    MakesUnavailable,
    /// The device refuses it, or behaves in ways that its maker does not tell.
    Refused,
}

/// Unit of a limit's set-point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitUnit {
    /// Current.
    Milliamps,
    /// Power; converted with 230 V × phases, rounded down.
    Watts,
}

/// How a charger is paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PauseControl {
    /// This raw value in the limit's own register.
    Value(u64),
    /// Another register: `pause` pauses, `resume` ends it (written after the limit).
    Switch {
        /// Where.
        write: WriteRegister,
        /// Raw value that pauses.
        pause: u64,
        /// Raw value that resumes.
        resume: u64,
    },
}

/// What the device does by itself when it hears nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failsafe {
    /// Register of the fallback current; absent: it cannot be set.
    pub current: Option<WriteRegister>,
    /// Unit of the fallback current.
    pub current_unit: LimitUnit,
    /// Base unit (mA or W) per count of it.
    pub current_scale: Scale,
    /// Raw value that means a fallback current of 0; absent: 0 counts do.
    pub current_pause: Option<u64>,
    /// Name of the register that reads the fallback current back, if there is one.
    pub current_read_back: Option<String>,
    /// Register of the timeout; absent: it cannot be set.
    pub timeout: Option<WriteRegister>,
    /// Milliseconds per count of it.
    pub timeout_scale: Scale,
    /// Name of the register that reads the timeout back, if there is one.
    pub timeout_read_back: Option<String>,
    /// Timeout from the factory, or how long a set-point stays valid where `timeout` is absent;
    /// 0: off, or not documented.
    pub timeout_default_ms: u64,
    /// Fallback current from the factory, shown at commissioning; absent: not documented.
    pub factory_current: Option<Milliamps>,
    /// Written after current and timeout: switches the failsafe on.
    pub enable: Option<SetupWrite>,
    /// Written last, and only after something changed: stores the failsafe in the device's flash.
    pub persist: Option<SetupWrite>,
    /// Its registers exist only where all of these hold.
    pub when: Vec<Condition>,
    /// Not confirmed by two sources; shown at commissioning.
    pub unconfirmed: bool,
}

/// What keeps a device from falling back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeepAlive {
    /// Nothing is needed.
    None,
    /// Any valid request, at least this often.
    AnyRequest {
        /// Interval.
        interval_ms: u64,
    },
    /// The limit must be written again, at least this often.
    RewriteLimit {
        /// Interval.
        interval_ms: u64,
    },
    /// The timeout of the failsafe must be written again, at least this often.
    RewriteTimeout {
        /// Interval.
        interval_ms: u64,
    },
    /// This value must be written to this register, at least this often.
    WriteRegister {
        /// Where.
        write: WriteRegister,
        /// Raw value.
        value: u64,
        /// Interval.
        interval_ms: u64,
    },
    /// This value must be written to this register, at least this often, and the device clears it:
    /// where it still stands, the device is not listening.
    LifeBit {
        /// Where.
        write: WriteRegister,
        /// Raw value.
        value: u64,
        /// Name of the register that shows it.
        read_back: String,
        /// Raw value that it shows once the device has seen it.
        cleared: u64,
        /// Interval.
        interval_ms: u64,
    },
}

/// How a charger switches between one phase and three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseSwitch {
    /// Where.
    pub write: WriteRegister,
    /// Raw value for one phase.
    pub one: u64,
    /// Raw value for three phases.
    pub three: u64,
    /// What tells the phases in use; absent: only the currents do.
    pub read_back: Option<PhaseReadBack>,
    /// The device refuses it while charging: it is paused first.
    pub only_paused: bool,
    /// How long to wait after it before charging goes on.
    pub settle_ms: u64,
    /// Written before it, in this order.
    pub setup: Vec<SetupWrite>,
    /// Exists only where all of these hold.
    pub when: Vec<Condition>,
    /// Not confirmed by two sources; shown at commissioning.
    pub unconfirmed: bool,
}

/// The register that tells the phases in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseReadBack {
    /// Its name.
    pub register: String,
    /// Raw values that mean one phase.
    pub one: Vec<u64>,
    /// Raw values that mean three phases.
    pub three: Vec<u64>,
}
