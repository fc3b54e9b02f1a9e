//! Reads a TOML document section by section and collects every fault instead of stopping at the first.

use std::cell::RefCell;
use std::fmt::Display;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Place};
use super::keys::Key;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<T> At<T> {
    pub(super) fn map<U>(self, map: impl FnOnce(T) -> U) -> At<U> {
        At {
            value: map(self.value),
            place: self.place,
        }
    }
}

/// Collects faults.
#[derive(Debug)]
pub(super) struct Report<'a> {
    text: &'a str,
    faults: RefCell<Vec<Fault>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            faults: RefCell::new(Vec::new()),
        }
    }

    pub(super) fn fault(
        &self,
        place: Place,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.faults.borrow_mut().push(Fault {
            place,
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }

    pub(super) fn place(&self, key: &str, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        Place {
            line: before.matches('\n').count() + 1,
            key: key.to_owned(),
        }
    }

    /// Every fault, by line.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort();
        faults.dedup();
        faults
    }
}

/// One table of the document.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) report: &'a Report<'a>,
    pub(super) place: Place,
    table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// Begins to read a table; keys that it does not know are faults.
    pub(super) fn new(
        report: &'a Report<'a>,
        path: &str,
        offset: usize,
        table: &'a DeTable<'a>,
        known: &[&str],
    ) -> Self {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                report.fault(
                    report.place(&join(path, name), key.span().start),
                    "there is no such key",
                    format!("Known here: {}", known.join(", ")),
                );
            }
        }
        Self {
            report,
            place: report.place(path, offset),
            table,
        }
    }

    fn value(&self, key: &str) -> Option<(&'a DeValue<'a>, Place)> {
        let value = self.table.get(key)?;
        let place = self
            .report
            .place(&join(&self.place.key, key), value.span().start);
        Some((value.get_ref(), place))
    }

    /// Says that a key is needed; gives the value through.
    pub(super) fn need<T>(&self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.table.contains_key(key) {
            let place = Place {
                key: join(&self.place.key, key),
                ..self.place.clone()
            };
            self.report.fault(
                place,
                "it is missing",
                "`site-controller sample-config` shows where it belongs",
            );
        }
        value
    }

    pub(super) fn text(&self, key: &str) -> Option<At<&'a str>> {
        let (value, place) = self.value(key)?;
        let text = value.as_str();
        if text.is_none() {
            self.wrong(place.clone(), value, "a text in quotes");
        }
        text.map(|value| At { value, place })
    }

    pub(super) fn flag(&self, key: &str) -> Option<At<bool>> {
        let (value, place) = self.value(key)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.wrong(place.clone(), value, "true or false");
        }
        flag.map(|value| At { value, place })
    }

    /// A text that a type of the model parses.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, key: &str) -> Option<At<T>> {
        let At { value, place } = self.text(key)?;
        match value.parse() {
            Ok(value) => Some(At { value, place }),
            Err(error) => {
                self.report.fault(
                    place,
                    format!("`{value}` is not valid"),
                    format!("A {error}"),
                );
                None
            }
        }
    }

    /// One of a closed list of words.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<At<T>> {
        let At { value, place } = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == value);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.report.fault(
                place.clone(),
                format!("`{value}` is none of the possible words"),
                format!("Use {}", words.join(", ")),
            );
        }
        found.map(|(_, value)| At {
            value: *value,
            place,
        })
    }

    /// A whole number within bounds, both included.
    pub(super) fn number<T>(&self, key: &str, least: T, most: T) -> Option<At<T>>
    where
        T: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        let (value, place) = self.value(key)?;
        let Some(integer) = value.as_integer() else {
            self.wrong(place, value, "a whole number");
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.report.fault(
                place.clone(),
                format!("{} is out of range", integer.as_str()),
                format!("Use {least} to {most}"),
            );
        }
        number.map(|value| At { value, place })
    }

    /// A decimal number in thousandths, for instance 13.5 → 13 500.
    pub(super) fn thousandths(&self, key: &str) -> Option<At<u32>> {
        let (value, place) = self.value(key)?;
        let text = match (value.as_integer(), value.as_float()) {
            (Some(integer), _) if integer.radix() == 10 => integer.as_str(),
            (None, Some(float)) => float.as_str(),
            (Some(_) | None, _) => {
                self.wrong(place, value, "a number");
                return None;
            }
        };
        let parsed = thousandths_of(text);
        if parsed.is_none() {
            self.report.fault(
                place.clone(),
                format!("{text} is no usable number"),
                "Use a positive number with at most three decimals",
            );
        }
        parsed.map(|value| At { value, place })
    }

    /// A table inside this one.
    pub(super) fn table(&self, key: &str, known: &[&str]) -> Option<Section<'a>> {
        let value = self.table.get(key)?;
        let path = join(&self.place.key, key);
        self.section_in(value, &path, known)
    }

    /// An array of tables inside this one (`[[key]]`).
    pub(super) fn tables(&self, key: &str, known: &[&str]) -> Vec<Section<'a>> {
        let Some((value, place)) = self.value(key) else {
            return Vec::new();
        };
        let Some(array) = value.as_array() else {
            self.wrong(
                place.clone(),
                value,
                &format!("written as [[{}]]", place.key),
            );
            return Vec::new();
        };
        let sections = array.iter().enumerate().filter_map(|(index, value)| {
            self.section_in(value, &format!("{}[{index}]", place.key), known)
        });
        sections.collect()
    }

    fn section_in(
        &self,
        value: &'a Spanned<DeValue<'a>>,
        path: &str,
        known: &[&str],
    ) -> Option<Section<'a>> {
        let offset = value.span().start;
        match value.get_ref().as_table() {
            Some(table) => Some(Section::new(self.report, path, offset, table, known)),
            None => {
                let place = self.report.place(path, offset);
                self.wrong(place, value.get_ref(), "a table");
                None
            }
        }
    }

    fn wrong(&self, place: Place, value: &DeValue<'_>, wanted: &str) {
        let found = value.type_str();
        let article = if found.starts_with(['a', 'i']) {
            "an"
        } else {
            "a"
        };
        self.report.fault(
            place,
            format!("this is {article} {found}"),
            format!("It must be {wanted}"),
        );
    }
}

/// Names of keys, for [`Section::new`].
pub(super) fn names(keys: &[Key]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

pub(crate) fn thousandths_of(text: &str) -> Option<u32> {
    let text = text.trim_start_matches('+');
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if decimals.len() > 3 || !digits(whole) || !digits(decimals) {
        return None;
    }
    format!("{whole}{decimals:0<3}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amperes_become_milliamperes_exactly() {
        let cases = [
            ("16", Some(16_000)),
            ("13.5", Some(13_500)),
            ("0.001", Some(1)),
        ];
        for (text, expected) in cases {
            assert_eq!(thousandths_of(text), expected, "{text}");
        }
        for bad in ["-6", "1e3", "nan", "6.0001", "99999999"] {
            assert_eq!(thousandths_of(bad), None, "{bad}");
        }
    }
}
