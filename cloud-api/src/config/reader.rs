//! Takes a TOML document apart, key by key, and collects every fault instead of stopping at the first.

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::fault::{ConfigError, Fault};

/// One document under examination.
pub(super) struct Reader<'t> {
    text: &'t str,
    file: String,
    faults: RefCell<Vec<Fault>>,
}

/// One table of it; remembers which keys were asked for, so that the others are known to be wrong.
pub(super) struct Section<'a> {
    path: String,
    span: Range<usize>,
    table: &'a DeTable<'a>,
    asked: Vec<&'static str>,
}

/// Reads a document with `interpret`, which answers `None` where it reported a fault.
pub(super) fn read<T>(
    text: &str,
    path: &Path,
    interpret: impl FnOnce(&Reader<'_>, Section<'_>) -> Option<T>,
) -> Result<T, ConfigError> {
    let reader = Reader {
        text,
        file: path.display().to_string(),
        faults: RefCell::new(Vec::new()),
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        reader.report(
            String::new(),
            error.span().unwrap_or(0..0),
            error.message().to_owned(),
        );
    }
    let mut value = None;
    if errors.is_empty() {
        let root = Section {
            path: String::new(),
            span: document.span(),
            table: document.get_ref(),
            asked: Vec::new(),
        };
        value = interpret(&reader, root);
    }
    let mut faults = reader.faults.into_inner();
    faults.sort();
    match value {
        Some(value) if faults.is_empty() => Ok(value),
        Some(_) | None => Err(ConfigError::Faults { faults }),
    }
}

impl Section<'_> {
    /// Whether the key is there, with whatever value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.keys().any(|found| found.get_ref() == key)
    }

    fn path_of(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            (path, "") => path.to_owned(),
            ("", key) => key.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }
}

impl<'t> Reader<'t> {
    /// A text.
    pub(super) fn text(&self, section: &mut Section<'_>, key: &'static str) -> Option<String> {
        self.value(section, key, "a text in quotes", |value| {
            value.as_str().map(str::to_owned)
        })
    }

    /// A text that must be there and not be empty; `what` says what it should hold.
    pub(super) fn required_text(
        &self,
        section: &mut Section<'_>,
        key: &'static str,
        what: &str,
    ) -> Option<String> {
        let text = self.text(section, key);
        if !section.has(key) {
            self.fault(section, "", &format!("needs {key} = \"…\", {what}"));
        }
        if text.as_deref() == Some("") {
            self.fault(section, key, &format!("is empty; it holds {what}"));
            return None;
        }
        text
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, section: &mut Section<'_>, key: &'static str) -> Option<bool> {
        self.value(section, key, "true or false", |value| value.as_bool())
    }

    /// A TCP port to connect to.
    pub(super) fn port(&self, section: &mut Section<'_>, key: &'static str) -> Option<u16> {
        self.value(section, key, "a number from 1 to 65535", |value| {
            let integer = value.as_integer()?;
            let number = u16::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            (number != 0).then_some(number)
        })
    }

    /// A number of days, 1 to 3650.
    pub(super) fn days(&self, section: &mut Section<'_>, key: &'static str) -> Option<u32> {
        self.value(section, key, "a number from 1 to 3650", |value| {
            let integer = value.as_integer()?;
            let days = u32::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            (1..=3_650).contains(&days).then_some(days)
        })
    }

    /// A list of texts; empty if it is not there.
    pub(super) fn texts(&self, section: &mut Section<'_>, key: &'static str) -> Vec<String> {
        let texts = self.value(section, key, "a list of texts", |value| {
            let texts = value.as_array()?.iter().map(|item| item.get_ref().as_str());
            texts
                .map(|text| text.map(str::to_owned))
                .collect::<Option<Vec<_>>>()
        });
        texts.unwrap_or_default()
    }

    /// A table within the table.
    pub(super) fn section<'a>(
        &self,
        section: &mut Section<'a>,
        key: &'static str,
    ) -> Option<Section<'a>> {
        section.asked.push(key);
        let (name, value) = section
            .table
            .iter()
            .find(|(name, _)| name.get_ref() == key)?;
        let Some(table) = value.get_ref().as_table() else {
            self.fault(section, key, "must be a table, { … }");
            return None;
        };
        Some(Section {
            path: section.path_of(key),
            span: name.span(),
            table,
            asked: Vec::new(),
        })
    }

    /// Says that a key exists, without asking for it.
    pub(super) fn known(&self, section: &mut Section<'_>, key: &'static str) {
        section.asked.push(key);
    }

    /// Reports a fault at a key of the section, or of the section as a whole (`""`).
    pub(super) fn fault(&self, section: &Section<'_>, key: &str, problem: &str) {
        let name = section.table.keys().find(|name| name.get_ref() == key);
        let span = name.map_or(section.span.clone(), toml::Spanned::span);
        self.report(section.path_of(key), span, problem.to_owned());
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(&self, section: Section<'_>) {
        let mut asked = section.asked.clone();
        asked.sort_unstable();
        for name in section.table.keys() {
            let key = name.get_ref().as_ref();
            if !asked.contains(&key) {
                let problem = format!("is unknown; known here: {}", asked.join(", "));
                self.report(section.path_of(key), name.span(), problem);
            }
        }
    }

    fn value<T>(
        &self,
        section: &mut Section<'_>,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&DeValue<'_>) -> Option<T>,
    ) -> Option<T> {
        section.asked.push(key);
        let (_, value) = section
            .table
            .iter()
            .find(|(name, _)| name.get_ref() == key)?;
        let result = read(value.get_ref());
        if result.is_none() {
            self.fault(section, key, &format!("must be {expected}"));
        }
        result
    }

    fn report(&self, key: String, span: Range<usize>, problem: String) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let fault = Fault {
            line: before.matches('\n').count() + 1,
            key,
            problem,
            file: self.file.clone(),
        };
        self.faults.borrow_mut().push(fault);
    }
}
