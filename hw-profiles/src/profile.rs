//! A device model as the driver and the simulator see it: loaded, checked, every default filled in.

mod control;
mod view;

use site_model::VehicleState;

pub use control::{
    Access, Failsafe, KeepAlive, LimitControl, LimitUnit, PauseControl, PhaseReadBack, PhaseSwitch,
    SetpointMeaning, SetupWrite, WriteRegister,
};

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
    /// How its connectors are told apart. Absent: it has one.
    pub connectors: Option<Connectors>,
    /// Meters found by walking SunSpec model blocks; addresses of registers with `models` are
    /// offsets until [`Profile::located`] has put them into blocks.
    pub sunspec: Option<SunSpec>,
    /// A value that tells the word order.
    pub word_probe: Option<WordProbe>,
    /// Written after every (re)connection, in this order, before anything else is written.
    pub setup: Vec<SetupWrite>,
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
    /// Whether the keep-alive is not confirmed by two sources.
    pub keep_alive_unconfirmed: bool,
    /// Chargers: how to switch between one phase and three. Absent: it cannot, or not by Modbus.
    pub phase_switch: Option<PhaseSwitch>,
    /// How to recognise the model: all must hold.
    pub probes: Vec<Condition>,
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
    /// Modbus ASCII: the line settings from the factory. Absent: no ASCII.
    pub ascii: Option<SerialLine>,
    /// Modbus TCP. Absent: no TCP.
    pub tcp: Option<TcpDefaults>,
    /// Unit identifier from the factory.
    pub unit: u8,
    /// Unit identifier of station-wide registers, if another.
    pub station_unit: Option<u8>,
    /// Whether each request is sent twice, because the first one only wakes the device.
    pub wake_up: bool,
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

/// How the connectors of a device are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connectors {
    /// Most connectors that a device of this model has; at least 2.
    pub maximum: u8,
    /// What differs between them.
    pub by: ConnectorAddressing,
}

/// What differs between the connectors of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectorAddressing {
    /// Registers of connector n are at address + (n − 1) × this.
    Stride(u16),
    /// Unit identifier of each connector, the first one's first.
    Units(Vec<u8>),
    /// TCP port of each connector, the first one's first.
    Ports(Vec<u16>),
}

/// Where SunSpec model blocks begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SunSpec {
    /// Addresses at which the marker "SunS" may stand, tried in this order.
    pub bases: Vec<u16>,
}

/// A value that tells the word order: only with the right one does it lie in this range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordProbe {
    /// Name of the register.
    pub register: String,
    /// Lowest plausible value, in the base unit of its quantity.
    pub low: i64,
    /// Highest plausible value, likewise.
    pub high: i64,
}

/// Modbus table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Function 1: bits that can also be written.
    Coil,
    /// Function 2: bits that can only be read.
    Discrete,
    /// Function 3.
    Holding,
    /// Function 4.
    Input,
}

impl Table {
    /// Whether an address of it is one bit, not a 16-bit register.
    #[must_use]
    pub const fn is_bits(self) -> bool {
        match self {
            Self::Coil | Self::Discrete => true,
            Self::Holding | Self::Input => false,
        }
    }
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
    /// Whether the file gives the word order for this value alone, so that another order of the
    /// file does not change it.
    pub words_fixed: bool,
    /// Applied to the raw number before scale; sentinels are compared with the whole number.
    pub mask: Option<u64>,
    /// Raw value × scale = value in the base unit of the quantity (mA, mV, W, Wh, …).
    pub scale: Scale,
    /// Name of the register (i16) that tells the power of ten which the value is multiplied with
    /// besides.
    pub scale_register: Option<String>,
    /// Whether it counts the other way round: the value's sign is changed.
    pub negate: bool,
    /// Raw values that mean "not available".
    pub sentinels: Vec<u64>,
    /// How often it is read.
    pub poll: PollClass,
    /// Register exists, or means this, only where all of these hold.
    pub when: Vec<Condition>,
    /// Variants without it answer with an exception or "not available": the value is then not
    /// there, and the device is not faulty.
    pub optional: bool,
    /// Only readable alone, never in a block with others.
    pub alone: bool,
    /// Station-wide: the same for all connectors, and read at the station's unit identifier.
    pub station: bool,
    /// Not empty: `address` is the offset inside these SunSpec models, counted from the register
    /// that holds the model's number (offset 0; its length is offset 1, its first point offset 2).
    pub models: Vec<u16>,
    /// Not confirmed by two sources; shown at commissioning.
    pub unconfirmed: bool,
}

impl Register {
    /// Number of 16-bit registers; of bits in a table of bits.
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
    PowerLimit,
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
        self.word()
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
    /// One bit of a table of bits: 0 or 1.
    Bit,
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
    /// ASCII with the two characters of each register exchanged: the first one is the low byte.
    AsciiSwapped {
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
    /// Whether it is a number of several words, so that their order matters.
    #[must_use]
    pub const fn has_word_order(self) -> bool {
        match self {
            Self::U32 | Self::I32 | Self::U64 | Self::I64 | Self::F32 | Self::F64 => true,
            Self::Bit
            | Self::U16
            | Self::I16
            | Self::Ascii { .. }
            | Self::AsciiSwapped { .. }
            | Self::Utf16 { .. } => false,
        }
    }

    /// Number of 16-bit registers; 1 for a bit, which is one address too.
    #[must_use]
    pub const fn count(self) -> u16 {
        match self {
            Self::Bit | Self::U16 | Self::I16 => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
            Self::Ascii { registers }
            | Self::AsciiSwapped { registers }
            | Self::Utf16 { registers } => registers,
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

/// A test on a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Name of the register. A text is compared as the number of its decimal digits, dots dropped.
    pub register: String,
    /// Applied to the raw number before the test.
    pub mask: Option<u64>,
    /// What must hold.
    pub test: RawMatch,
}

impl Condition {
    /// Whether a raw number passes, mask applied; a number never passes a test on text or value.
    #[must_use]
    pub fn holds_for(&self, raw: u64) -> bool {
        self.test.holds_for(raw & self.mask.unwrap_or(u64::MAX))
    }
}

/// What must hold for a register: for its raw (unscaled) number, but for the last two.
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
    /// Text, trimmed, one of these (text registers).
    Text(Vec<String>),
    /// The value, scale and sign applied, within these bounds, both included; in the base unit of
    /// its quantity.
    ValueBetween(i64, i64),
}

impl RawMatch {
    /// Whether a raw number passes; a number never passes a test on text or value.
    #[must_use]
    pub fn holds_for(&self, raw: u64) -> bool {
        match self {
            Self::OneOf(values) => values.contains(&raw),
            Self::Between(low, high) => (*low..=*high).contains(&raw),
            Self::BitsSet(mask) => raw & mask == *mask,
            Self::BitsClear(mask) => raw & mask == 0,
            Self::Text(_) | Self::ValueBetween(..) => false,
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

/// Where a recorded frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A capture that somebody published; the source is named.
    Published,
    /// Built from the cited register table.
    Constructed,
}
