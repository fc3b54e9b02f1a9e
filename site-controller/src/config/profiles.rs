//! Where the device profiles come from: built in, and a folder of the site's own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hw_profiles::Profile;

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

    pub(super) fn ids(&self) -> Vec<&str> {
        let built_in = hw_profiles::builtin().iter();
        let mut ids: Vec<&str> = built_in
            .chain(&self.own)
            .map(|profile| profile.id.as_str())
            .collect();
        ids.sort_unstable();
        ids
    }
}
