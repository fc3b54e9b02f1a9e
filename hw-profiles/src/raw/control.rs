//! What is written to a device, as a file says it.

use toml::Spanned;
use toml::de::DeValue;

use crate::fault::Report;
use crate::profile::{Access, SetpointMeaning, WordOrder};
use crate::read::{At, Read, record, words};
use crate::unit::{Decimal, Unit};

use super::{RawCondition, TypeWord};

/// Function code of a write.
impl Read for At<Access> {
    fn read(value: &Spanned<DeValue<'_>>, path: &str, report: &mut Report<'_>) -> Option<Self> {
        let At { value, at } = <At<u64> as Read>::read(value, path, report)?;
        let access = match value {
            5 => Access::Coil,
            6 => Access::Single,
            16 => Access::Multiple,
            other => {
                let remedy = "Write 5 (a coil), 6 (one register) or 16 (several)";
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
        schemars::json_schema!({ "type": "integer", "enum": [5, 6, 16] })
    }
}

record! {
    /// What is written: a register of the holding table, or a coil.
    RawWrite as "Write" {
        /// Protocol address, counted from 0.
        address: At<u16>,
        /// Encoding; not a text.
        r#type: At<TypeWord>,
        /// Word order, if not that of the file.
        words: Option<At<WordOrder>>,
        /// Function code: 5, 6 or 16.
        function: At<Access>,
        /// How many times the value is repeated in consecutive registers of one write. Default: 1.
        #[schemars(range(min = 1))]
        repeat: Option<At<u8>>,
        /// Station-wide: not moved by the connector's stride, written at the station's unit. Default: false.
        station: Option<At<bool>>,
    }
}

record! {
    /// A fixed value that is written.
    RawSetup as "Setup" {
        /// Where it is written.
        write: RawWrite,
        /// Raw value.
        value: At<u64>,
        /// Name of the register that tells it: not written where it already reads so.
        read_back: Option<At<String>>,
        /// Not confirmed by two sources. Default: false.
        unconfirmed: Option<At<bool>>,
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
        /// Raw values of the set-point that are not currents.
        meanings: Option<Vec<RawMeaning>>,
        /// Not confirmed by two sources. Default: false.
        unconfirmed: Option<At<bool>>,
    }
}

record! {
    /// A raw value of the set-point that is no current.
    RawMeaning as "Meaning" {
        /// Raw value.
        value: At<u64>,
        /// no_limit, ends_session, makes_unavailable or refused.
        means: At<SetpointMeaning>,
    }
}

words! {
    SetpointMeaning {
        "no_limit" = SetpointMeaning::NoLimit,
        "ends_session" = SetpointMeaning::EndsSession,
        "makes_unavailable" = SetpointMeaning::MakesUnavailable,
        "refused" = SetpointMeaning::Refused,
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
        /// The fallback current, where it can be set.
        current: Option<RawFailsafeValue>,
        /// The time without communication after which it applies, where it can be set.
        timeout: Option<RawFailsafeValue>,
        /// Timeout from the factory, or how long a set-point stays valid where `timeout` is left
        /// out; 0 or left out: off, or not documented.
        timeout_default_ms: Option<At<u32>>,
        /// Fallback current from the factory, where documented.
        factory_current_ma: Option<At<u32>>,
        /// Written after current and timeout: switches the failsafe on.
        enable: Option<RawSetup>,
        /// Written last, and only after something changed: stores it in the device's flash.
        persist: Option<RawSetup>,
        /// Its registers exist only where all of these hold.
        when: Option<Vec<RawCondition>>,
        /// Not confirmed by two sources. Default: false.
        unconfirmed: Option<At<bool>>,
    }
}

record! {
    /// One of the two values of a failsafe.
    RawFailsafeValue as "FailsafeValue" {
        /// Where it is written.
        write: RawWrite,
        /// mA, A, W or kW for the current, ms or s for the timeout.
        unit: At<Unit>,
        /// What one count means in that unit. Default: 1.
        scale: Option<At<Decimal>>,
        /// Name of the register that reads it back.
        read_back: Option<At<String>>,
        /// Current: raw value that means 0 A, if 0 counts do not.
        pause_value: Option<At<u64>>,
    }
}

/// The word after `keep_alive.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeepAliveWord {
    None,
    AnyRequest,
    RewriteLimit,
    RewriteTimeout,
    WriteRegister,
    LifeBit,
}

words! {
    KeepAliveWord {
        "none" = KeepAliveWord::None,
        "any_request" = KeepAliveWord::AnyRequest,
        "rewrite_limit" = KeepAliveWord::RewriteLimit,
        "rewrite_timeout" = KeepAliveWord::RewriteTimeout,
        "write_register" = KeepAliveWord::WriteRegister,
        "life_bit" = KeepAliveWord::LifeBit,
    }
}

record! {
    /// What keeps a device from falling back.
    RawKeepAlive as "KeepAlive" {
        /// none, any_request, rewrite_limit, rewrite_timeout, write_register or life_bit.
        kind: At<KeepAliveWord>,
        /// At least this often; not with none.
        #[schemars(range(min = 1))]
        interval_ms: Option<At<u32>>,
        /// write_register and life_bit: where.
        write: Option<RawWrite>,
        /// write_register and life_bit: the raw value.
        value: Option<At<u64>>,
        /// life_bit: name of the register that shows it.
        read_back: Option<At<String>>,
        /// life_bit: what it shows once the device has seen it. Default: 0.
        cleared: Option<At<u64>>,
        /// Not confirmed by two sources. Default: false.
        unconfirmed: Option<At<bool>>,
    }
}

record! {
    /// How a charger switches between one phase and three.
    RawPhaseSwitch as "PhaseSwitch" {
        /// Where it is written.
        write: RawWrite,
        /// Raw value for one phase.
        one: At<u64>,
        /// Raw value for three phases.
        three: At<u64>,
        /// What tells the phases in use.
        read_back: Option<RawPhaseReadBack>,
        /// Whether the device refuses it while charging. Default: false.
        only_paused: Option<At<bool>>,
        /// How long to wait after it before charging goes on. Default: 0.
        settle_ms: Option<At<u32>>,
        /// Written before it, in this order.
        setup: Option<Vec<RawSetup>>,
        /// Exists only where all of these hold.
        when: Option<Vec<RawCondition>>,
        /// Not confirmed by two sources. Default: false.
        unconfirmed: Option<At<bool>>,
    }
}

record! {
    /// What tells the phases in use.
    RawPhaseReadBack as "PhaseReadBack" {
        /// Name of the register.
        register: At<String>,
        /// Raw values that mean one phase.
        #[schemars(length(min = 1))]
        one: Vec<At<u64>>,
        /// Raw values that mean three phases.
        #[schemars(length(min = 1))]
        three: Vec<At<u64>>,
    }
}
