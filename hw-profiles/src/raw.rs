//! The file format of a profile, as written: structure only. What the fields must mean together is
//! decided in `check`. The JSON schema is generated from these records.

use toml::Spanned;
use toml::de::DeValue;

use site_model::VehicleState;

use crate::fault::Report;
use crate::profile::{Access, Kind, Parity, PollClass, Quantity, Table, WordOrder};
use crate::read::{At, Named, Read, record, words};
use crate::unit::{Decimal, Unit};

record! {
    /// A device model. Facts only, each from a source that is named; anything a device does not have
    /// is left out.
    RawProfile as "Profile" {
        /// Maker, at most 20 characters (OCPP `chargePointVendor`).
        vendor: At<String>,
        /// Model, at most 20 characters (OCPP `chargePointModel`).
        model: At<String>,
        /// Charger or meter.
        kind: At<Kind>,
        /// Other products with the same register map.
        same_map: Option<Vec<At<String>>>,
        /// Word order of every longer value that does not say otherwise. Default: high_first.
        words: Option<At<WordOrder>>,
        /// Where the facts come from.
        source: RawSource,
        /// How to talk to it.
        link: RawLink,
        /// What can be read, by name: `[read.state]`.
        read: Named<RawRegister>,
        /// Chargers: rules from registers to the vehicle state; the first that holds decides.
        state: Option<Vec<RawStateRule>>,
        /// Chargers: the current limit.
        limit: Option<RawLimit>,
        /// Limit that the device falls back to by itself.
        failsafe: Option<RawFailsafe>,
        /// Chargers: what keeps the device from falling back.
        keep_alive: Option<RawKeepAlive>,
        /// How to recognise the model: all must hold.
        probe: Option<Vec<RawCondition>>,
    }
}

record! {
    /// Where the facts come from.
    RawSource as "Source" {
        /// Manufacturer's document and revision, or the public source and its date.
        document: At<String>,
        /// Further sources.
        also: Option<Vec<At<String>>>,
    }
}

record! {
    /// How to talk to the device.
    RawLink as "Link" {
        /// Unit identifier from the factory.
        unit: At<u8>,
        /// Modbus RTU: line settings from the factory.
        rtu: Option<RawSerialLine>,
        /// Modbus TCP.
        tcp: Option<RawTcp>,
        /// Least silence between an answer and the next request. Default: 0.
        gap_ms: Option<At<u32>>,
        /// How long it may take to begin its answer. Default: 1000.
        answer_timeout_ms: Option<At<u32>>,
        /// Least time between two reads of the same register. Default: 0.
        read_interval_ms: Option<At<u32>>,
        /// Least time between two writes of the limit. Default: 0.
        write_interval_ms: Option<At<u32>>,
        /// Most registers in one read. Default: 125, the most that Modbus allows.
        #[schemars(range(min = 1, max = 125))]
        max_registers_per_read: Option<At<u16>>,
        /// Unnamed registers that a read may run across. Default: 0.
        max_hole_registers: Option<At<u16>>,
        /// Whether one read may cover more than one named value. Default: true.
        block_reads: Option<At<bool>>,
    }
}

record! {
    /// Serial line settings; 8 data bits always.
    RawSerialLine as "SerialLine" {
        /// Bits per second.
        #[schemars(range(min = 300, max = 1_000_000))]
        baud: At<u32>,
        /// Parity.
        parity: At<Parity>,
        /// Stop bits.
        #[schemars(range(min = 1, max = 2))]
        stop_bits: At<u8>,
    }
}

record! {
    /// Modbus TCP.
    RawTcp as "Tcp" {
        /// Port. Default: 502.
        #[schemars(range(min = 1))]
        port: Option<At<u16>>,
        /// How many connections the device accepts, if limited.
        #[schemars(range(min = 1))]
        max_connections: Option<At<u8>>,
    }
}

/// The word after `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeWord {
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
    Ascii,
    Utf16,
}

/// The word after `is` of a state rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateWord(pub(crate) VehicleState);

words! {
    TypeWord {
        "u16" = TypeWord::U16, "i16" = TypeWord::I16, "u32" = TypeWord::U32, "i32" = TypeWord::I32,
        "u64" = TypeWord::U64, "i64" = TypeWord::I64, "f32" = TypeWord::F32, "f64" = TypeWord::F64,
        "ascii" = TypeWord::Ascii, "utf16" = TypeWord::Utf16,
    }
    Kind { "charger" = Kind::Charger, "meter" = Kind::Meter }
    Parity { "none" = Parity::None, "even" = Parity::Even, "odd" = Parity::Odd }
    Table { "holding" = Table::Holding, "input" = Table::Input }
    WordOrder { "high_first" = WordOrder::HighFirst, "low_first" = WordOrder::LowFirst }
    PollClass { "fast" = PollClass::Fast, "slow" = PollClass::Slow, "once" = PollClass::Once }
    Quantity {
        "current_limit" = Quantity::CurrentLimit,
        "current_l1" = Quantity::CurrentL1,
        "current_l2" = Quantity::CurrentL2,
        "current_l3" = Quantity::CurrentL3,
        "voltage_l1" = Quantity::VoltageL1,
        "voltage_l2" = Quantity::VoltageL2,
        "voltage_l3" = Quantity::VoltageL3,
        "power_l1" = Quantity::PowerL1,
        "power_l2" = Quantity::PowerL2,
        "power_l3" = Quantity::PowerL3,
        "power" = Quantity::Power,
        "apparent_power" = Quantity::ApparentPower,
        "energy_import" = Quantity::EnergyImport,
        "energy_export" = Quantity::EnergyExport,
        "energy_session" = Quantity::EnergySession,
        "apparent_energy" = Quantity::ApparentEnergy,
        "frequency" = Quantity::Frequency,
        "error_code" = Quantity::ErrorCode,
        "firmware" = Quantity::Firmware,
        "serial" = Quantity::Serial,
        "model" = Quantity::Model,
    }
    StateWord {
        "A" = StateWord(VehicleState::A),
        "B" = StateWord(VehicleState::B),
        "C" = StateWord(VehicleState::C),
        "D" = StateWord(VehicleState::D),
        "E" = StateWord(VehicleState::E),
        "F" = StateWord(VehicleState::F),
        "fault" = StateWord(VehicleState::Fault),
    }
}

record! {
    /// One value.
    RawRegister as "Register" {
        /// What it measures; left out for raw inputs of state rules, conditions and read-backs.
        quantity: Option<At<Quantity>>,
        /// holding (function 3) or input (function 4).
        table: At<Table>,
        /// Protocol address, counted from 0.
        address: At<u16>,
        /// Encoding.
        r#type: At<TypeWord>,
        /// ascii and utf16: how many registers.
        #[schemars(range(min = 1, max = 125))]
        registers: Option<At<u16>>,
        /// Word order, if not that of the file.
        words: Option<At<WordOrder>>,
        /// Unit of a measured value.
        unit: Option<At<Unit>>,
        /// What one count means in that unit: `"0.1"`. Default: 1.
        scale: Option<At<Decimal>>,
        /// Raw values that mean "not available".
        sentinels: Option<Vec<At<u64>>>,
        /// fast (every cycle), slow (every 10 s) or once (after each connection). Default: fast.
        poll: Option<At<PollClass>>,
        /// The register exists, or means this, only where all of these hold.
        when: Option<Vec<RawCondition>>,
        /// Not confirmed by two sources. Default: false.
        unconfirmed: Option<At<bool>>,
    }
}

record! {
    /// A test on the raw number or text of a register; exactly one of the tests is given.
    RawCondition as "Condition" {
        /// Name of the register. The digits of an ASCII text count as a number, dots dropped.
        register: At<String>,
        /// It is one of these.
        one_of: Option<Vec<At<u64>>>,
        /// It lies between these two, both included.
        #[schemars(length(min = 2, max = 2))]
        between: Option<Vec<At<u64>>>,
        /// All bits of this mask are set.
        bits_set: Option<At<u64>>,
        /// All bits of this mask are clear.
        bits_clear: Option<At<u64>>,
        /// The text, trimmed, is one of these.
        text: Option<Vec<At<String>>>,
    }
}

record! {
    /// One rule from raw registers to a vehicle state.
    RawStateRule as "StateRule" {
        /// IEC 61851-1 state, or fault.
        is: At<StateWord>,
        /// All must hold; empty holds always.
        when: Vec<RawCondition>,
    }
}

/// Function code of a write.
impl Read for At<Access> {
    fn read(value: &Spanned<DeValue<'_>>, path: &str, report: &mut Report<'_>) -> Option<Self> {
        let At { value, at } = <At<u64> as Read>::read(value, path, report)?;
        let access = match value {
            6 => Access::Single,
            16 => Access::Multiple,
            other => {
                let remedy = "Write 6 (one register) or 16 (several)";
                report.fault(at, format!("`{path}` is {other}"), remedy);
                return None;
            }
        };
        Some(Self { value: access, at })
    }
}

impl schemars::JsonSchema for Access {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Access".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "enum": [6, 16] })
    }
}

record! {
    /// A register that is written, in the holding table.
    RawWrite as "Write" {
        /// Protocol address, counted from 0.
        address: At<u16>,
        /// Encoding; not a text.
        r#type: At<TypeWord>,
        /// Word order, if not that of the file.
        words: Option<At<WordOrder>>,
        /// Function code: 6 or 16.
        function: At<Access>,
    }
}

record! {
    /// The current limit of a charger.
    RawLimit as "Limit" {
        /// Where it is written.
        write: RawWrite,
        /// mA, A, W or kW.
        unit: At<Unit>,
        /// What one count means in that unit. Default: 1.
        scale: Option<At<Decimal>>,
        /// Lowest limit other than pause, at least 6000.
        minimum_ma: At<u32>,
        /// Highest limit that the device accepts.
        maximum_ma: At<u32>,
        /// Raw value of the limit that pauses charging.
        pause_value: Option<At<u64>>,
        /// Another register that pauses charging.
        pause_switch: Option<RawPauseSwitch>,
        /// Name of the register that tells the applied limit.
        read_back: Option<At<String>>,
        /// Where these hold, the applied limit counts as 0.
        paused_when: Option<Vec<RawCondition>>,
        /// Whether the device forgets the limit on power loss; false: writing it wears its flash.
        volatile: At<bool>,
    }
}

record! {
    /// A register that pauses and resumes charging.
    RawPauseSwitch as "PauseSwitch" {
        /// Where it is written.
        write: RawWrite,
        /// Raw value that pauses.
        pause: At<u64>,
        /// Raw value that resumes; written after the limit.
        resume: At<u64>,
    }
}

record! {
    /// What the device does by itself when it hears nothing.
    RawFailsafe as "Failsafe" {
        /// The fallback current.
        current: RawFailsafeValue,
        /// The time without communication after which it applies.
        timeout: RawFailsafeValue,
        /// Timeout from the factory; 0 or left out: off, or not documented.
        timeout_default_ms: Option<At<u32>>,
    }
}

record! {
    /// One of the two values of a failsafe.
    RawFailsafeValue as "FailsafeValue" {
        /// Where it is written.
        write: RawWrite,
        /// mA or A for the current, ms or s for the timeout.
        unit: At<Unit>,
        /// What one count means in that unit. Default: 1.
        scale: Option<At<Decimal>>,
        /// Name of the register that reads it back.
        read_back: Option<At<String>>,
    }
}

/// The word after `keep_alive.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeepAliveWord {
    None,
    AnyRequest,
    RewriteLimit,
    WriteRegister,
}

words! {
    KeepAliveWord {
        "none" = KeepAliveWord::None,
        "any_request" = KeepAliveWord::AnyRequest,
        "rewrite_limit" = KeepAliveWord::RewriteLimit,
        "write_register" = KeepAliveWord::WriteRegister,
    }
}

record! {
    /// What keeps a device from falling back.
    RawKeepAlive as "KeepAlive" {
        /// none, any_request, rewrite_limit or write_register.
        kind: At<KeepAliveWord>,
        /// At least this often; not with none.
        #[schemars(range(min = 1))]
        interval_ms: Option<At<u32>>,
        /// write_register: where.
        write: Option<RawWrite>,
        /// write_register: the raw value.
        value: Option<At<u64>>,
    }
}
