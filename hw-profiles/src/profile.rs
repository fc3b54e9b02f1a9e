//! A device model as the driver and the simulator see it: loaded, checked, every default filled in.

use site_model::{Milliamps, VehicleState};

use crate::fault::{Faults, Report};
use crate::read::{Words, read_document};
use crate::unit::{Dimension, dimension_of};

/// A device model.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Name of its file without `.toml`; what configurations refer to.
    pub id: String,
    /// Maker.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// Other products with the same register map, for people who search.
    pub same_map: Vec<String>,
    /// Charger or meter.
    pub kind: Kind,
    /// Where the facts come from.
    pub source: Source,
    /// How to talk to it.
    pub link: Link,
    /// What can be read; names are unique.
    pub registers: Vec<Register>,
    /// Chargers: vehicle state from registers. The first rule that holds decides; a loaded profile
    /// of a charger always has rules, and values that no rule covers are a device fault.
    pub state_rules: Vec<StateRule>,
    /// Chargers: the current limit.
    pub limit: Option<LimitControl>,
    /// Limit that the device falls back to by itself.
    pub failsafe: Option<Failsafe>,
    /// What keeps the device from falling back.
    pub keep_alive: KeepAlive,
    /// How to recognise the model: all must hold.
    pub probes: Vec<Probe>,
}

impl Profile {
    /// Loads a profile. `name` is the file as messages shall call it; its last part without
    /// `.toml` becomes the id.
    ///
    /// # Errors
    /// Every fault of the text with line, column and remedy. Faults of structure (unknown or missing
    /// keys, wrong types) are told together, and so are faults of meaning.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, Faults> {
        let mut report = Report::new(name, text);
        let raw = read_document::<crate::raw::RawProfile>(text, &mut report);
        let profile = raw.and_then(|raw| crate::check::check(id_of(name), &raw, &mut report));
        report.finish(profile)
    }

    /// The register of this name.
    #[must_use]
    pub fn register(&self, name: &str) -> Option<&Register> {
        self.registers.iter().find(|register| register.name == name)
    }
}

/// The last part of a path, without `.toml`.
fn id_of(name: &str) -> &str {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.strip_suffix(".toml").unwrap_or(file)
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Drives a connector.
    Charger,
    /// Measures.
    Meter,
}

/// Where the facts of a profile come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Manufacturer's document and revision, or the public source and its date.
    pub document: String,
    /// Further sources.
    pub also: Vec<String>,
}

/// How to talk to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// RTU: the line settings from the factory. Absent: no RTU.
    pub rtu: Option<SerialLine>,
    /// Modbus TCP. Absent: no TCP.
    pub tcp: Option<TcpDefaults>,
    /// Unit identifier from the factory.
    pub unit: u8,
    /// Least silence between an answer of this device and the next request to it.
    pub gap_ms: u64,
    /// How long it may take to begin its answer.
    pub answer_timeout_ms: u64,
    /// Least time between two reads of the same register.
    pub read_interval_ms: u64,
    /// Least time between two writes of the limit; the newest waiting one wins.
    pub write_interval_ms: u64,
    /// Most registers in one read.
    pub max_registers_per_read: u16,
    /// A read may run across registers that the profile does not name, if the hole has at most this
    /// many. 0: every register of a read must be named.
    pub max_hole_registers: u16,
    /// Whether one read may cover more than one named value.
    pub block_reads: bool,
}

/// Settings of a serial line; 8 data bits always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerialLine {
    /// Bits per second.
    pub baud: u32,
    /// Parity.
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
}

impl SerialLine {
    /// Bits on the wire for one character: start, 8 data, parity, stop.
    #[must_use]
    pub fn bits_per_character(self) -> u32 {
        1 + 8 + u32::from(self.parity != Parity::None) + u32::from(self.stop_bits)
    }
}

/// Parity of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parity {
    /// None.
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

/// Defaults for Modbus TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpDefaults {
    /// Port.
    pub port: u16,
    /// How many connections the device accepts, if limited.
    pub max_connections: Option<u8>,
}

/// Modbus table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Function 3.
    Holding,
    /// Function 4.
    Input,
}

/// A value that can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Register {
    /// Name within the profile; state rules, conditions and read-backs refer to it.
    pub name: String,
    /// What it measures; absent for raw inputs of state rules and conditions.
    pub quantity: Option<Quantity>,
    /// Table.
    pub table: Table,
    /// Protocol address, counted from 0.
    pub address: u16,
    /// Type, which also fixes how many registers it takes.
    pub ty: RegisterType,
    /// Order of its words.
    pub words: WordOrder,
    /// Raw value × scale = value in the base unit of the quantity (mA, mV, W, Wh, …).
    pub scale: Scale,
    /// Raw values that mean "not available".
    pub sentinels: Vec<u64>,
    /// How often it is read.
    pub poll: PollClass,
    /// Register exists, or means this, only where all of these hold.
    pub when: Vec<Condition>,
    /// Not confirmed by two sources; shown at commissioning.
    pub unconfirmed: bool,
}

impl Register {
    /// Number of 16-bit registers.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.ty.count()
    }
}

/// What a register measures. The unit is that of the matching `site_model::Value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "the names say it; units are those of `site_model::Value`"
)]
pub enum Quantity {
    CurrentLimit,
    CurrentL1,
    CurrentL2,
    CurrentL3,
    VoltageL1,
    VoltageL2,
    VoltageL3,
    PowerL1,
    PowerL2,
    PowerL3,
    Power,
    ApparentPower,
    EnergyImport,
    EnergyExport,
    EnergySession,
    ApparentEnergy,
    Frequency,
    ErrorCode,
    Firmware,
    Serial,
    Model,
}

impl Quantity {
    /// The word for it in profile files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        <Self as Words>::ALL
            .iter()
            .find(|(_, quantity)| *quantity == self)
            .map_or("", |(word, _)| word)
    }

    /// Unit of the loaded value (mA, mV, W, VA, Wh, VAh, mHz); `None` for codes and texts.
    #[must_use]
    pub fn base_unit(self) -> Option<&'static str> {
        dimension_of(self).map(Dimension::base_unit)
    }
}

/// Encoding of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterType {
    /// Unsigned 16 bit.
    U16,
    /// Signed 16 bit.
    I16,
    /// Unsigned 32 bit.
    U32,
    /// Signed 32 bit.
    I32,
    /// Unsigned 64 bit.
    U64,
    /// Signed 64 bit.
    I64,
    /// IEEE 754, 32 bit.
    F32,
    /// IEEE 754, 64 bit.
    F64,
    /// ASCII, two characters per register, NUL- or blank-padded.
    Ascii {
        /// Registers.
        registers: u16,
    },
    /// UTF-16 big-endian, one character per register.
    Utf16 {
        /// Registers.
        registers: u16,
    },
}

impl RegisterType {
    /// Number of 16-bit registers.
    #[must_use]
    pub const fn count(self) -> u16 {
        match self {
            Self::U16 | Self::I16 => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
            Self::Ascii { registers } | Self::Utf16 { registers } => registers,
        }
    }
}

/// Order of the 16-bit words of a longer value; bytes inside a word are always big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordOrder {
    /// Most significant word first.
    HighFirst,
    /// Least significant word first.
    LowFirst,
}

/// Exact fraction; both parts positive. Already includes the conversion from the file's unit to
/// the base unit: `unit = "A"`, `scale = "0.1"` for a current becomes 100/1 (mA per count).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Numerator.
    pub numerator: u64,
    /// Denominator.
    pub denominator: u64,
}

/// How often a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollClass {
    /// Every cycle.
    Fast,
    /// Every 10 s.
    Slow,
    /// After each (re)connection of the device.
    Once,
}

/// A test on the raw (unscaled) number of a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Name of the register; numeric. An ASCII register is compared as the number of its decimal digits, dots dropped.
    pub register: String,
    /// What must hold.
    pub test: RawMatch,
}

/// What must hold for a raw number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawMatch {
    /// One of these.
    OneOf(Vec<u64>),
    /// Within these bounds, both included.
    Between(u64, u64),
    /// All bits of the mask set.
    BitsSet(u64),
    /// All bits of the mask clear.
    BitsClear(u64),
    /// Text, trimmed, one of these (ASCII and UTF-16 registers).
    Text(Vec<String>),
}

impl RawMatch {
    /// Whether a raw number passes; a number never passes a test on text.
    #[must_use]
    pub fn holds_for(&self, raw: u64) -> bool {
        match self {
            Self::OneOf(values) => values.contains(&raw),
            Self::Between(low, high) => (*low..=*high).contains(&raw),
            Self::BitsSet(mask) => raw & mask == *mask,
            Self::BitsClear(mask) => raw & mask == 0,
            Self::Text(_) => false,
        }
    }
}

/// One rule from raw registers to a vehicle state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRule {
    /// All must hold; empty holds always.
    pub when: Vec<Condition>,
    /// Then this is the state.
    pub state: VehicleState,
}

/// A register that can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRegister {
    /// Protocol address in the holding table, counted from 0.
    pub address: u16,
    /// Type.
    pub ty: RegisterType,
    /// Order of its words.
    pub words: WordOrder,
    /// Function code to use.
    pub access: Access,
}

/// How a register is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
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
    /// Register of the fallback current.
    pub current: WriteRegister,
    /// mA per count of it.
    pub current_scale: Scale,
    /// Register of the timeout.
    pub timeout: WriteRegister,
    /// Milliseconds per count of it.
    pub timeout_scale: Scale,
    /// Timeout from the factory; 0: off, or not documented.
    pub timeout_default_ms: u64,
    /// Name of the register that reads the fallback current back, if there is one.
    pub current_read_back: Option<String>,
    /// Name of the register that reads the timeout back, if there is one.
    pub timeout_read_back: Option<String>,
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
    /// This value must be written to this register, at least this often.
    WriteRegister {
        /// Where.
        write: WriteRegister,
        /// Raw value.
        value: u64,
        /// Interval.
        interval_ms: u64,
    },
}

/// Recognises a model by one register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Name of the register.
    pub register: String,
    /// What it must hold.
    pub test: RawMatch,
}

/// Where a recorded frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A capture that somebody published; the source is named.
    Published,
    /// Built from the cited register table.
    Constructed,
}
