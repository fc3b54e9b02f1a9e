//! Where the device profiles come from: built in, and a folder of the site's own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hw_profiles::{OcppOnly, Profile};

use super::file::GatewaySection;
use super::section::Report;

/// Profiles by id; only those that a device asks for are kept in memory.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    own: Vec<Profile>,
    used: BTreeMap<String, Arc<Profile>>,
}

impl Profiles {
    /// Loads the folder, if one is configured; its faults are told with those of the configuration.
    pub(super) fn load(
        gateway: Option<&GatewaySection>,
        folder: &Path,
        report: &Report<'_>,
    ) -> Self {
        let Some(dir) = gateway.and_then(|gateway| gateway.profiles_dir.as_ref()) else {
            return Self::default();
        };
        let own = hw_profiles::load_dir(&folder.join(&dir.value)).unwrap_or_else(|faults| {
            for fault in faults.0 {
                let problem = if fault.line == 0 {
                    format!("{}: {}", fault.file, fault.problem)
                } else {
                    format!("{}:{}: {}", fault.file, fault.line, fault.problem)
                };
                report.fault(dir.place.clone(), problem, fault.remedy);
            }
            Vec::new()
        });
        Self {
            own,
            ..Self::default()
        }
    }

    pub(super) fn find(&mut self, id: &str) -> Option<Arc<Profile>> {
        if let Some(used) = self.used.get(id) {
            return Some(Arc::clone(used));
        }
        let own = self.own.iter().find(|profile| profile.id == id);
        let found = Arc::new(own.or_else(|| hw_profiles::find(id))?.clone());
        self.used.insert(id.to_owned(), Arc::clone(&found));
        Some(found)
    }

    /// What to say about an id that no profile has, and what to do.
    pub(super) fn unknown(&self, id: &str) -> (String, String) {
        let problem = format!("there is no profile `{id}`");
        let mut devices = hw_profiles::ocpp_only().iter();
        if let Some(device) = devices.find(|device| device.is_meant_by(id)) {
            let OcppOnly {
                vendor,
                model,
                reason,
                source: _,
            } = device;
            let problem = format!("{problem}, and none for any {vendor} {model}: {reason}");
            let remedy = "Connect it by OCPP, or give the connector another charger";
            return (problem, remedy.to_owned());
        }
        let known = self.ids().join(", ");
        let remedy = format!("Known: {known}. Set gateway.profiles_dir for profiles of your own");
        (problem, remedy)
    }

    fn ids(&self) -> Vec<&str> {
        let built_in = hw_profiles::builtin().iter();
        let mut ids: Vec<&str> = built_in
            .chain(&self.own)
            .map(|profile| profile.id.as_str())
            .collect();
        ids.sort_unstable();
        ids
    }
}
