//! The configuration file: read whole, checked whole, before anything starts. Every fault is told at
//! once with its line, its key and what to do.

mod broker;
mod connector;
mod device;
mod fault;
mod file;
mod keys;
mod measurands;
mod ocpp;
mod plan;
mod profiles;
mod sample;
mod section;
mod summary;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use site_core::SiteConfig;
use site_model::{DeviceId, GatewayId};
use toml::de::DeTable;

use crate::ocpp::Endpoint;
use crate::uplink::BrokerConfig;
use firmware_agent::BusConfig;

pub use fault::{Fault, Faults, Place};
pub use sample::sample;
pub(crate) use section::thousandths_of;
pub use summary::summary;

/// What will run: the file's meaning, complete and free of contradictions.
#[derive(Debug)]
pub struct Plan {
    /// This gateway.
    pub gateway: GatewayId,
    /// Where the journal lives.
    pub data_dir: PathBuf,
    /// The local socket.
    pub socket: PathBuf,
    /// The cloud.
    pub broker: BrokerConfig,
    /// Central systems of the charge points that have one.
    pub stations: Vec<Endpoint>,
    /// Lines and their devices.
    pub buses: Vec<BusConfig>,
    /// Meters that are only observed.
    pub meters: Vec<DeviceId>,
    /// What the core must know.
    pub site: SiteConfig,
}

impl Plan {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// Every fault of the file, and of the profiles it needs.
    pub fn load(path: &Path) -> Result<Self, Faults> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| Faults {
            file: file.clone(),
            faults: vec![Fault {
                place: Place {
                    line: 0,
                    key: String::new(),
                },
                problem: format!("it cannot be read: {error}"),
                remedy:
                    "Name the file with --config; `site-controller sample-config` prints a sample"
                        .to_owned(),
            }],
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).map_err(|faults| Faults { file, faults })
    }

    /// Reads and checks the text of a file; relative paths are relative to `folder`.
    ///
    /// # Errors
    /// Every fault, by line.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<Fault>> {
        let report = section::Report::new(text);
        let (document, syntax) = DeTable::parse_recoverable(text);
        if !syntax.is_empty() {
            for error in syntax {
                let offset = error.span().map_or(0, |span| span.start);
                report.fault(
                    report.place("", offset),
                    error.message(),
                    "Correct the TOML syntax",
                );
            }
            return Err(report.into_faults());
        }
        let top = section::Section::new(&report, "", 0, document.get_ref(), keys::TOP);
        let plan = plan::plan(&top, folder);
        let faults = report.into_faults();
        match plan {
            Some(plan) if faults.is_empty() => Ok(plan),
            Some(_) | None => Err(faults),
        }
    }

    /// The socket alone, for the command line's client: works with a file that has faults elsewhere.
    #[must_use]
    pub fn socket_of(path: &Path) -> Option<PathBuf> {
        let text = std::fs::read_to_string(path).ok()?;
        let table: toml::Table = text.parse().ok()?;
        let socket = table.get("gateway")?.get("socket")?.as_str()?;
        Some(path.parent().unwrap_or(Path::new("")).join(socket))
    }
}
