//! What a run has seen: how often each fault struck and each permitted exception was needed.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Runs in it.
    pub(crate) seeds: u64,
    /// Simulated time, ms.
    pub(crate) simulated_ms: u64,
    /// How often each thing happened.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// A digest of everything that happened, in order: the same for the same seed.
    pub(crate) digest: u64,
}

impl Report {
    /// One more of these.
    pub(crate) fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    /// So many more.
    pub(crate) fn add(&mut self, what: &'static str, number: u64) {
        *self.counts.entry(what).or_default() += number;
    }

    /// How often it happened.
    #[must_use]
    pub(crate) fn times(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// FNV-1a over what happened.
    pub(crate) fn note(&mut self, what: &str) {
        for byte in what.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Both together.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.simulated_ms += other.simulated_ms;
        for (what, number) in &other.counts {
            self.add(what, *number);
        }
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.simulated_ms / 86_400_000;
        writeln!(f, "{} seeds, {days} simulated days", self.seeds)?;
        for (what, number) in &self.counts {
            writeln!(f, "{number:>10}  {what}")?;
        }
        write!(f, "digest {:016x}", self.digest)
    }
}
