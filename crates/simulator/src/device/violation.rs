//! Rules of a device that a master broke, kept so that a test can ask for none.

use std::fmt;

/// A rule of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// `max_registers_per_read`.
    ReadTooLong,
    /// `max_hole_registers`, or a read that begins or ends outside named values.
    UnnamedRegister,
    /// A read that begins or ends inside a value.
    SplitValue,
    /// `block_reads = false`, or a value that is `alone`.
    BlockRead,
    /// `gap_ms`.
    Gap,
    /// `read_interval_ms`.
    ReadInterval,
    /// `write_interval_ms`.
    WriteInterval,
    /// Write to a register that the profile does not write.
    UnknownWrite,
    /// Another function than the profile says, another number of registers, or different values
    /// where one is repeated.
    WriteAccess,
    /// Limit that is neither a pause nor within minimum and maximum.
    LimitOutOfRange,
    /// Raw value of `[limit] meanings`, which is no current.
    SetpointMeaning,
    /// Written before `[[setup]]`, or phases switched before `[phase_switch] setup`.
    SetupMissing,
    /// Phases switched while charging where that is refused, or charging before the relay is through.
    PhaseSwitch,
    /// Written to memory that wears although nothing changed.
    FlashWear,
    /// Function or shape that no Modbus master of ours should send.
    Malformed,
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Device it happened to.
    pub device: String,
    /// When, on the clock of whoever asked.
    pub at_ms: u64,
    /// Which rule.
    pub rule: Rule,
    /// What was asked and what is allowed.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            device,
            at_ms,
            rule,
            detail,
        } = self;
        write!(f, "{device} at {at_ms} ms: {detail} ({rule:?})")
    }
}

/// A broken rule before it is known to whom and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) rule: Rule,
    pub(crate) detail: String,
}

impl Broken {
    pub(crate) fn new(rule: Rule, detail: String) -> Self {
        Self { rule, detail }
    }
}
