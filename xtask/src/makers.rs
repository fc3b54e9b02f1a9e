//! Facts about devices are data: no maker and no model in the Rust that drives them.

use std::collections::BTreeSet;
use std::path::Path;

/// Folders whose Rust knows no device. Tests may.
const WITHOUT_MAKERS: [&str; 3] = [
    "firmware-agent/src/",
    "site-controller/src/",
    "crates/site-core/src/",
];
/// The sample configuration names a model, because a configuration does.
const SAMPLE: [&str; 2] = [
    "site-controller/src/config/keys.rs",
    "site-controller/src/config/sample.rs",
];

/// A maker's name that is the word for what it makes.
const ORDINARY: [&str; 1] = ["Wallbox"];

/// Makers, as profiles spell them, and ids of profiles.
#[derive(Debug, Default)]
pub(crate) struct Makers {
    names: BTreeSet<String>,
}

impl Makers {
    /// Reads them from the profiles.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut names = BTreeSet::new();
        for folder in ["chargers", "meters"] {
            for entry in std::fs::read_dir(root.join("hw-profiles").join(folder))? {
                let path = entry?.path();
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                let Some(id) = file.strip_suffix(".toml").filter(|id| !id.contains('.')) else {
                    continue;
                };
                names.insert(id.to_owned());
                let vendor = vendor(&std::fs::read_to_string(&path)?);
                names.extend(vendor.filter(|name| !ORDINARY.contains(&name.as_str())));
            }
        }
        Ok(Self { names })
    }

    /// Faults of one source file; `path` is relative to the repository.
    pub(crate) fn check(&self, path: &str, text: &str, faults: &mut Vec<String>) {
        let knows_none = WITHOUT_MAKERS.iter().any(|folder| path.starts_with(folder));
        let is_test = path.contains("/tests/") || path.ends_with("tests.rs");
        if !knows_none || is_test || SAMPLE.contains(&path) {
            return;
        }
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
        for (number, line) in lines.enumerate() {
            for name in self.names.iter().filter(|name| has_word(line, name)) {
                faults.push(format!("{path}:{}: `{name}`: what a device needs belongs into its profile; say what it does, not who made it", number + 1));
            }
        }
    }
}

/// The maker that a profile names.
fn vendor(profile: &str) -> Option<String> {
    let mut lines = profile.lines();
    let value = lines.find_map(|line| line.strip_prefix("vendor = \""))?;
    Some(value.split('"').next()?.to_owned())
}

/// Whether the name stands there and is not part of a longer one.
fn has_word(line: &str, name: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + name.len()..].chars().next();
        !before.is_some_and(goes_on) && !after.is_some_and(goes_on)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        let makers = Makers {
            names: ["Acme".to_owned(), "acme-ac22".to_owned()].into(),
        };
        let mut faults = Vec::new();
        makers.check(path, text, &mut faults);
        faults
    }

    #[test]
    fn a_maker_or_model_in_the_rust_of_the_driver_is_a_fault() {
        let text = "//! Drives.\n// Acmeist, Acme-like\nlet a = \"acme-ac22\"; // Acme\n";
        let remedy =
            "what a device needs belongs into its profile; say what it does, not who made it";
        assert_eq!(
            faults("firmware-agent/src/bus/device.rs", text),
            [
                format!("firmware-agent/src/bus/device.rs:3: `Acme`: {remedy}"),
                format!("firmware-agent/src/bus/device.rs:3: `acme-ac22`: {remedy}"),
            ]
        );
    }

    #[test]
    fn tests_the_sample_and_other_crates_may_name_devices() {
        for path in [
            "firmware-agent/src/bus/tests/reads.rs",
            "firmware-agent/src/decode/tests.rs",
            "firmware-agent/tests/scan.rs",
            "site-controller/src/config/keys.rs",
            "crates/simulator/src/lib.rs",
        ] {
            assert_eq!(faults(path, "// Acme"), Vec::<String>::new(), "{path}");
        }
        let inline = "fn f() {}\n#[cfg(test)]\nmod tests { /* Acme */ }";
        assert_eq!(
            faults("firmware-agent/src/lib.rs", inline),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_vendor_of_a_profile_is_found() {
        assert_eq!(
            vendor("# x\nvendor = \"Acme\" # y\n"),
            Some("Acme".to_owned())
        );
        assert_eq!(vendor("model = \"M\"\n"), None);
    }
}
