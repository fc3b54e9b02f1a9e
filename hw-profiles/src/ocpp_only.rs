//! Devices without a usable public Modbus map: named, so that nobody searches in vain.

use std::sync::LazyLock;

use crate::fault::{Faults, Report};
use crate::read::{At, read_document, record};

/// A device that is reached by OCPP alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcppOnly {
    /// Maker.
    pub vendor: String,
    /// Model or family.
    pub model: String,
    /// Why there is no profile for it.
    pub reason: String,
    /// Where that was found, with its date.
    pub source: String,
}

record! {
    /// The file.
    RawOcppOnlyFile as "OcppOnlyFile" {
        /// The devices.
        device: Vec<RawOcppOnly>,
    }
}

record! {
    /// A device that is reached by OCPP alone.
    RawOcppOnly as "OcppOnly" {
        /// Maker.
        vendor: At<String>,
        /// Model or family.
        model: At<String>,
        /// Why there is no profile for it.
        reason: At<String>,
        /// Where that was found, with its date.
        source: At<String>,
    }
}

static OCPP_ONLY: LazyLock<Vec<OcppOnly>> = LazyLock::new(|| {
    let text = include_str!("../ocpp-only.toml");
    from_toml("ocpp-only.toml", text).unwrap_or_else(|faults| panic!("{faults}"))
});

/// Every device that is known to be reached by OCPP alone.
///
/// # Panics
/// If the embedded file has a fault; a test of this crate loads it.
#[must_use]
pub fn ocpp_only() -> &'static [OcppOnly] {
    &OCPP_ONLY
}

impl OcppOnly {
    /// Whether somebody who writes this profile id means it: maker first, each further word one of
    /// the model's.
    #[must_use]
    pub fn is_meant_by(&self, id: &str) -> bool {
        let asked = words(id);
        let vendor = words(&self.vendor);
        let model = words(&self.model);
        asked
            .strip_prefix(vendor.as_slice())
            .is_some_and(|rest| !vendor.is_empty() && rest.iter().all(|word| model.contains(word)))
    }
}

/// Words of a name, in small letters, as an id would have them.
fn words(name: &str) -> Vec<String> {
    let parts = name.split(|c: char| !c.is_alphanumeric());
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect()
}

fn from_toml(name: &str, text: &str) -> Result<Vec<OcppOnly>, Faults> {
    let mut report = Report::new(name, text);
    let raw = read_document::<RawOcppOnlyFile>(text, &mut report);
    let devices = raw.map(|raw| {
        let devices = raw.device.iter();
        devices.map(|raw| device(raw, &mut report)).collect()
    });
    report.finish(devices)
}

fn device(raw: &RawOcppOnly, report: &mut Report<'_>) -> OcppOnly {
    let mut text = |key: &str, value: &At<String>| {
        if value.value.trim().is_empty() {
            let remedy = format!("Write a {key}");
            report.fault(value.at, format!("`{key}` is empty"), remedy);
        }
        value.value.clone()
    };
    OcppOnly {
        vendor: text("vendor", &raw.vendor),
        model: text("model", &raw.model),
        reason: text("reason", &raw.reason),
        source: text("source", &raw.source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(vendor: &str, model: &str) -> OcppOnly {
        OcppOnly {
            vendor: vendor.to_owned(),
            model: model.to_owned(),
            reason: "no map".to_owned(),
            source: "2026".to_owned(),
        }
    }

    #[test]
    fn an_id_means_a_device_by_its_maker_and_words_of_its_model() {
        let acme = device("Acme Power", "Home / Pro 22");
        for id in ["acme-power", "acme-power-pro", "Acme Power Pro 22"] {
            assert!(acme.is_meant_by(id), "{id}");
        }
        for id in [
            "",
            "acme",
            "power",
            "acme-power-mini",
            "acme-power-pro-mini",
            "pro-22",
        ] {
            assert!(!acme.is_meant_by(id), "{id}");
        }
        assert!(
            !device("", "Pro").is_meant_by("pro"),
            "a device without a maker"
        );
    }

    #[test]
    fn every_fault_of_the_list_is_told() {
        let text = "[[device]]\nvendor = \"\"\nmodel = \"M\"\nreason = \"r\"\nsource = \" \"\n\
                    [[device]]\nvendor = \"V\"\nmodel = \"M\"\nreason = \"r\"\nsource = \"s\"\n";
        assert_eq!(
            from_toml("o.toml", text).unwrap_err().to_string(),
            "o.toml:2:10: `vendor` is empty. Write a vendor\n\
             o.toml:5:10: `source` is empty. Write a source"
        );
    }

    #[test]
    fn the_list_that_comes_with_the_software_loads() {
        assert!(ocpp_only().iter().any(|device| device.is_meant_by("easee")));
    }
}
