//! What is wrong with a configuration, and where.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error(
        "cannot read the configuration {}: {source}; `cloud-api sample-config` prints one to begin with", path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It could be read and has faults.
    #[error("{}", Lines(faults))]
    Faults {
        /// All of them, in the order of the lines.
        faults: Vec<Fault>,
    },
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Line in the file, from 1.
    pub line: usize,
    /// Path of the key, for instance `http.tls.key_file`; empty for the file as a whole.
    pub key: String,
    /// What is wrong and what to do; reads on from the key.
    pub problem: String,
    /// The file as it was named.
    pub file: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            key,
            problem,
            file,
        } = self;
        let between = if key.is_empty() { "" } else { ": " };
        write!(f, "{file}:{line}: {key}{between}{problem}")
    }
}

struct Lines<'a>(&'a [Fault]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{fault}")?;
        }
        Ok(())
    }
}
