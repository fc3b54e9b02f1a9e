//! What is wrong with a configuration, where, and what to do. All faults are told at once.

use std::fmt;

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, counted from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// Path of the key, for instance `bus[0].device[1].unit`.
    pub key: String,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// Every fault of a file; never empty. Prints one per line, by line number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// The file as it was named.
    pub file: String,
    /// Its faults.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.file)?;
            if fault.place.line > 0 {
                write!(f, ":{}", fault.place.line)?;
            }
            if !fault.place.key.is_empty() {
                write!(f, ": {}", fault.place.key)?;
            }
            write!(f, ": {}. {}", fault.problem, fault.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
