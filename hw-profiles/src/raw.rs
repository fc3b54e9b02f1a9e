//! The file format of a profile, as written: structure only. What the fields must mean together is
//! decided in `check`. The JSON schema is generated from these records.

use site_model::VehicleState;

mod control;

pub(crate) use control::{
    KeepAliveWord, RawFailsafe, RawFailsafeValue, RawKeepAlive, RawLimit, RawPhaseReadBack,
    RawPhaseSwitch, RawSetup, RawWrite,
};

use crate::profile::{Kind, Parity, PollClass, Quantity, Table, WordOrder};
use crate::read::{At, Named, record, words};
use crate::unit::{Bound, Decimal, Unit};

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
        /// How several connectors are told apart. Left out: it has one.
        connectors: Option<RawConnectors>,
        /// Meters found by walking SunSpec model blocks.
        sunspec: Option<RawSunSpec>,
        /// A value that tells the word order.
        word_probe: Option<RawWordProbe>,
        /// Written after every (re)connection, in this order, before anything else is written.
        setup: Option<Vec<RawSetup>>,
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
        /// Chargers: how to switch between one phase and three.
        phase_switch: Option<RawPhaseSwitch>,
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
        /// Modbus ASCII: line settings from the factory.
        ascii: Option<RawSerialLine>,
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
        /// Whether each request is sent twice, because the first one only wakes the device.
        /// Default: false.
        wake_up: Option<At<bool>>,
        /// Unit identifier of station-wide registers, if another.
        station_unit: Option<At<u8>>,
    }
}

record! {
    /// How several connectors of one device are told apart: by exactly one of `stride`, `units` and
    /// `ports`.
    RawConnectors as "Connectors" {
        /// Most connectors that a device of this model has.
        #[schemars(range(min = 2))]
        maximum: At<u8>,
        /// Registers of connector n are at address + (n - 1) * this.
        #[schemars(range(min = 1))]
        stride: Option<At<u16>>,
        /// Unit identifier of each connector.
        units: Option<Vec<At<u8>>>,
        /// TCP port of each connector.
        ports: Option<Vec<At<u16>>>,
    }
}

record! {
    /// Meters found by walking SunSpec model blocks.
    RawSunSpec as "SunSpec" {
        /// Addresses at which the marker "SunS" may stand, tried in this order.
        #[schemars(length(min = 1))]
        bases: Vec<At<u16>>,
    }
}

record! {
    /// A value that tells the word order: only with the right one does it lie in the range.
    RawWordProbe as "WordProbe" {
        /// Name of the register; of more than one word, and without `words` of its own.
        register: At<String>,
        /// The range in the register's own unit, both bounds included.
        #[schemars(length(min = 2, max = 2))]
        between: Vec<At<Bound>>,
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
    Bit,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
    Ascii,
    AsciiSwapped,
    Utf16,
}

/// The word after `is` of a state rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateWord(pub(crate) VehicleState);

words! {
    TypeWord {
        "bit" = TypeWord::Bit,
        "u16" = TypeWord::U16, "i16" = TypeWord::I16, "u32" = TypeWord::U32, "i32" = TypeWord::I32,
        "u64" = TypeWord::U64, "i64" = TypeWord::I64, "f32" = TypeWord::F32, "f64" = TypeWord::F64,
        "ascii" = TypeWord::Ascii, "ascii_swapped" = TypeWord::AsciiSwapped, "utf16" = TypeWord::Utf16,
    }
    Kind { "charger" = Kind::Charger, "meter" = Kind::Meter }
    Parity { "none" = Parity::None, "even" = Parity::Even, "odd" = Parity::Odd }
    Table {
        "coil" = Table::Coil, "discrete" = Table::Discrete,
        "holding" = Table::Holding, "input" = Table::Input,
    }
    WordOrder { "high_first" = WordOrder::HighFirst, "low_first" = WordOrder::LowFirst }
    PollClass { "fast" = PollClass::Fast, "slow" = PollClass::Slow, "once" = PollClass::Once }
    Quantity {
        "current_limit" = Quantity::CurrentLimit,
        "power_limit" = Quantity::PowerLimit,
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
        /// coil (function 1), discrete (2), holding (3) or input (4).
        table: At<Table>,
        /// Protocol address, counted from 0; with `models`, offset inside the model block.
        address: At<u16>,
        /// Encoding.
        r#type: At<TypeWord>,
        /// ascii, ascii_swapped and utf16: how many registers.
        #[schemars(range(min = 1, max = 125))]
        registers: Option<At<u16>>,
        /// Word order, if not that of the file.
        words: Option<At<WordOrder>>,
        /// Unit of a measured value.
        unit: Option<At<Unit>>,
        /// Applied to the raw number before scale.
        mask: Option<At<u64>>,
        /// What one count means in that unit: `"0.1"`. Default: 1.
        scale: Option<At<Decimal>>,
        /// Name of the register (i16) that tells the power of ten besides.
        scale_register: Option<At<String>>,
        /// Whether it counts the other way round. Default: false.
        negate: Option<At<bool>>,
        /// Raw values that mean "not available".
        sentinels: Option<Vec<At<u64>>>,
        /// fast (every cycle), slow (every 10 s) or once (after each connection). Default: fast.
        poll: Option<At<PollClass>>,
        /// The register exists, or means this, only where all of these hold.
        when: Option<Vec<RawCondition>>,
        /// Variants without it answer with an exception or "not available". Default: false.
        optional: Option<At<bool>>,
        /// Only readable alone, never in a block. Default: false.
        alone: Option<At<bool>>,
        /// Station-wide: not moved by the connector's stride, read at the station's unit. Default: false.
        station: Option<At<bool>>,
        /// SunSpec: the models that have it; `address` is then the offset from the register that
        /// holds the model's number.
        models: Option<Vec<At<u16>>>,
        /// Not confirmed by two sources. Default: false.
        unconfirmed: Option<At<bool>>,
    }
}

record! {
    /// A test on the raw number, text or value of a register; exactly one of the tests is given.
    RawCondition as "Condition" {
        /// Name of the register. The digits of a text count as a number, dots dropped.
        register: At<String>,
        /// Applied to the raw number before `one_of` or `between`.
        mask: Option<At<u64>>,
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
        /// The value, in the register's own unit, lies between these two, both included.
        #[schemars(length(min = 2, max = 2))]
        value_between: Option<Vec<At<Bound>>>,
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
