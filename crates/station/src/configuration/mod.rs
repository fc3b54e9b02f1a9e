//! The configuration keys of a charge point: what a central system may read and change
//! (OCPP 1.6 section 5.4 and 5.8). The keys and their rules are the table in `keys.rs`.

mod keys;
mod rules;

use std::collections::BTreeMap;
use std::fmt;

use ocpp::Text;
use ocpp::v16::{
    ConfigurationStatus, GetConfigurationRequest, GetConfigurationResponse, KeyValue, Measurand,
};

pub use keys::Key;
use rules::{Access, Row};

/// What the equipment is; fills the keys that only it decides, and bounds the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equipment {
    /// Connectors there are.
    pub connectors: u8,
    /// What its meters can tell.
    pub measurands: Vec<Measurand>,
    /// Values of read-only keys that differ from the table's.
    pub own: Vec<(Key, String)>,
}

/// Every key with its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Configuration {
    equipment: Equipment,
    /// What is in force.
    values: BTreeMap<Key, String>,
    /// What will be after the next restart.
    after_restart: BTreeMap<Key, String>,
}

/// What became of a wish to change a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It is in force. The value is as it is to be stored.
    Now(Key, StoredValue),
    /// It will be in force after a restart. The value is as it is to be stored.
    AfterRestart(Key, StoredValue),
    /// It is refused, for this reason.
    Rejected(String),
    /// There is no such key.
    NotSupported,
}

/// A value on its way to the store. Not printed: it may be a password.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredValue(String);

impl StoredValue {
    /// The text to store.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StoredValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

impl Changed {
    /// The answer on the wire.
    #[must_use]
    pub fn status(&self) -> ConfigurationStatus {
        match self {
            Self::Now(..) => ConfigurationStatus::Accepted,
            Self::AfterRestart(..) => ConfigurationStatus::RebootRequired,
            Self::Rejected(_) => ConfigurationStatus::Rejected,
            Self::NotSupported => ConfigurationStatus::NotSupported,
        }
    }
}

/// More keys were asked for than `GetConfigurationMaxKeys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{asked} keys are asked for, at most {max} are answered")]
pub struct TooManyKeys {
    /// How many were asked for.
    pub asked: usize,
    /// `GetConfigurationMaxKeys`
    pub max: usize,
}

impl Configuration {
    /// With the table's values, the equipment's, and what was stored before a restart. Stored values
    /// that break today's rules are left out and given back with the reason.
    #[must_use]
    pub fn new<'s>(
        equipment: Equipment,
        stored: impl IntoIterator<Item = (&'s str, &'s str)>,
    ) -> (Self, Vec<String>) {
        let defaults = keys::TABLE
            .iter()
            .map(|row| (row.key, row.default.to_owned()));
        let mut values: BTreeMap<Key, String> = defaults.collect();
        values.insert(Key::NumberOfConnectors, equipment.connectors.to_string());
        values.extend(equipment.own.iter().cloned());
        let mut configuration = Self {
            equipment,
            values,
            after_restart: BTreeMap::new(),
        };
        let mut left_out = Vec::new();
        for (name, value) in stored {
            match configuration.accept(name, value) {
                Ok((row, value)) => {
                    configuration.values.insert(row.key, value);
                }
                Err(refused) => left_out.push(format!("{name}: {refused}")),
            }
        }
        (configuration, left_out)
    }

    /// Changes a key, if its rules allow.
    pub fn change(&mut self, name: &str, value: &str) -> Changed {
        match self.accept(name, value) {
            Err(Refused::NotSupported) => Changed::NotSupported,
            Err(refused @ Refused::Rule(_)) => Changed::Rejected(refused.to_string()),
            Ok((row, value)) => {
                let stored = StoredValue(value.clone());
                if row.restart {
                    self.after_restart.insert(row.key, value);
                    return Changed::AfterRestart(row.key, stored);
                }
                self.values.insert(row.key, value);
                Changed::Now(row.key, stored)
            }
        }
    }

    /// What the equipment says of a key, at the start or when it changed: no rule stands before that.
    pub fn settle(&mut self, key: Key, value: String) {
        self.after_restart.remove(&key);
        self.values.insert(key, value);
    }

    fn accept(&self, name: &str, value: &str) -> Result<(&'static Row, String), Refused> {
        let row = keys::find(name).ok_or(Refused::NotSupported)?;
        if row.access == Access::Read {
            return Err(Refused::Rule("is read-only".into()));
        }
        let value = row
            .rule
            .check(value, &self.equipment)
            .map_err(Refused::Rule)?;
        if row.key == Key::SecurityProfile && value < self.values[&row.key] {
            return Err(Refused::Rule("is not lowered from afar".into()));
        }
        Ok((row, value))
    }

    /// What a central system is told.
    ///
    /// # Errors
    /// [`TooManyKeys`] when more are asked for than are answered.
    pub fn told(
        &self,
        request: &GetConfigurationRequest,
    ) -> Result<GetConfigurationResponse, TooManyKeys> {
        let asked = request.key.as_deref().unwrap_or_default();
        let max = usize::try_from(self.whole(Key::GetConfigurationMaxKeys)).unwrap_or(usize::MAX);
        if asked.len() > max {
            return Err(TooManyKeys {
                asked: asked.len(),
                max,
            });
        }
        let mut response = GetConfigurationResponse::default();
        if asked.is_empty() {
            response.configuration_key =
                Some(keys::TABLE.iter().map(|row| self.shown(row)).collect());
            return Ok(response);
        }
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for name in asked {
            match keys::find(name.as_str()) {
                Some(row) => known.push(self.shown(row)),
                None => unknown.push(name.clone()),
            }
        }
        response.configuration_key = Some(known).filter(|known| !known.is_empty());
        response.unknown_key = Some(unknown).filter(|unknown| !unknown.is_empty());
        Ok(response)
    }

    fn shown(&self, row: &Row) -> KeyValue {
        let mut shown = KeyValue::new(Text::cut(row.key.name()), row.access == Access::Read);
        if row.access != Access::Write {
            let pending = self.after_restart.get(&row.key);
            shown.value = Some(Text::cut(pending.unwrap_or(&self.values[&row.key])));
        }
        shown
    }

    /// The value of a key that is true or false; `false` for any other.
    #[must_use]
    pub fn flag(&self, key: Key) -> bool {
        self.values[&key] == "true"
    }

    /// The value of a key that is a whole number; 0 for any other.
    #[must_use]
    pub fn whole(&self, key: Key) -> u32 {
        self.values[&key].parse().unwrap_or(0)
    }

    /// The words of a key that is a list.
    pub fn words(&self, key: Key) -> impl Iterator<Item = &str> {
        self.values[&key].split(',').filter(|word| !word.is_empty())
    }

    /// The value of any key, as text. Not for logs: it may be a password.
    #[must_use]
    pub fn expose(&self, key: Key) -> &str {
        &self.values[&key]
    }
}

impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let readable = keys::TABLE.iter().filter(|row| row.access != Access::Write);
        f.debug_map()
            .entries(readable.map(|row| (row.key, &self.values[&row.key])))
            .finish()
    }
}

enum Refused {
    NotSupported,
    Rule(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSupported => f.write_str("there is no such key"),
            Self::Rule(rule) => f.write_str(rule),
        }
    }
}
