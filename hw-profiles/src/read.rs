//! Reads TOML into records, field by field, so that every fault is found and none hides another.
//! Each value keeps its place in the file, for the checks that follow.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::{Report, suggest};

/// A value and the byte offset where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) at: usize,
}

/// Named entries in the order of the file. One that could not be read is kept as a name without a
/// value, so that it hides no fault of the others.
#[derive(Debug)]
pub(crate) struct Named<T>(Vec<(At<String>, Option<T>)>);

impl<T> Named<T> {
    /// The entries that could be read.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&At<String>, &T)> {
        self.0
            .iter()
            .filter_map(|(name, entry)| Some((name, entry.as_ref()?)))
    }

    /// Every name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.value.as_str())
    }
}

/// What can be read from a TOML value.
pub(crate) trait Read: Sized {
    /// Reads it, or records why not. `path` is its key as a person would write it.
    fn read(value: &Spanned<DeValue<'_>>, path: &str, report: &mut Report<'_>) -> Option<Self>;

    /// What an absent key stands for; `None`: the key must be there.
    fn absent() -> Option<Self> {
        None
    }
}

/// A table of the file, and where it stands.
pub(crate) trait Record: Read {
    /// Byte offset of its header or opening brace.
    fn at(&self) -> usize;
}

/// Reads a whole document; syntax errors are told alone, since they hide what was meant.
pub(crate) fn read_document<T: Read>(text: &str, report: &mut Report<'_>) -> Option<T> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let root = Spanned::new(0..0, DeValue::Table(table.into_inner()));
        return T::read(&root, "", report);
    }
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let there = text.get(span.clone()).unwrap_or_default().trim();
        let problem = match error.message() {
            "duplicate key" => format!("`{there}` is given twice"),
            message => format!("TOML syntax: {message}"),
        };
        report.fault(span.start, problem, "Correct the file");
    }
    None
}

/// The fields of one table.
#[derive(Debug)]
pub(crate) struct Fields<'v, 'i> {
    table: &'v DeTable<'i>,
    path: &'v str,
    pub(crate) at: usize,
}

impl<'v, 'i> Fields<'v, 'i> {
    pub(crate) fn open(
        value: &'v Spanned<DeValue<'i>>,
        path: &'v str,
        report: &mut Report<'_>,
    ) -> Option<Self> {
        let at = value.span().start;
        let DeValue::Table(table) = value.get_ref() else {
            return wrong_type(value.get_ref(), at, path, "a table", report);
        };
        Some(Self { table, path, at })
    }

    /// Reads one field, or records that it is missing.
    pub(crate) fn take<T: Read>(&self, key: &str, report: &mut Report<'_>) -> Option<T> {
        if let Some(value) = self.table.get(key) {
            return T::read(value, &join(self.path, key), report);
        }
        let absent = T::absent();
        if absent.is_none() {
            let problem = format!("{} has no `{key}`", place(self.path));
            report.fault(self.at, problem, format!("Add the key `{key}`"));
        }
        absent
    }

    /// Records every key that is not known.
    pub(crate) fn close(&self, known: &[&str], report: &mut Report<'_>) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let problem = format!("unknown key `{name}` in {}", place(self.path));
                report.fault(key.span().start, problem, suggest(name, known));
            }
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn place(path: &str) -> String {
    if path.is_empty() {
        "the file".to_owned()
    } else {
        format!("`{path}`")
    }
}

fn wrong_type<T>(
    found: &DeValue<'_>,
    at: usize,
    path: &str,
    wanted: &str,
    report: &mut Report<'_>,
) -> Option<T> {
    let problem = format!("`{path}` is of type {}", found.type_str());
    report.fault(at, problem, format!("Write {wanted}"));
    None
}

impl<T: Read> Read for Option<T> {
    fn read(value: &Spanned<DeValue<'_>>, path: &str, report: &mut Report<'_>) -> Option<Self> {
        T::read(value, path, report).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(value: &Spanned<DeValue<'_>>, path: &str, report: &mut Report<'_>) -> Option<Self> {
        let DeValue::Array(items) = value.get_ref() else {
            let at = value.span().start;
            return wrong_type(value.get_ref(), at, path, "an array", report);
        };
        let read: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| T::read(item, &format!("{path}[{}]", index + 1), report))
            .collect();
        read.into_iter().collect()
    }
}

impl<T: Read> Read for Named<T> {
    fn read(value: &Spanned<DeValue<'_>>, path: &str, report: &mut Report<'_>) -> Option<Self> {
        let fields = Fields::open(value, path, report)?;
        let mut entries: Vec<(At<String>, Option<T>)> = fields
            .table
            .iter()
            .map(|(key, value)| {
                let name = At {
                    value: key.get_ref().clone().into_owned(),
                    at: key.span().start,
                };
                let entry = T::read(value, &join(path, &name.value), report);
                (name, entry)
            })
            .collect();
        entries.sort_by_key(|(name, _)| name.at);
        Some(Self(entries))
    }
}

impl Read for At<String> {
    fn read(value: &Spanned<DeValue<'_>>, path: &str, report: &mut Report<'_>) -> Option<Self> {
        let at = value.span().start;
        let DeValue::String(text) = value.get_ref() else {
            return wrong_type(value.get_ref(), at, path, "a string", report);
        };
        let value = text.clone().into_owned();
        Some(Self { value, at })
    }
}

impl Read for At<bool> {
    fn read(value: &Spanned<DeValue<'_>>, path: &str, report: &mut Report<'_>) -> Option<Self> {
        let at = value.span().start;
        let DeValue::Boolean(flag) = value.get_ref() else {
            return wrong_type(value.get_ref(), at, path, "`true` or `false`", report);
        };
        Some(Self { value: *flag, at })
    }
}

/// Reads an integer within bounds, both included.
fn read_integer(
    value: &Spanned<DeValue<'_>>,
    path: &str,
    largest: u64,
    report: &mut Report<'_>,
) -> Option<At<u64>> {
    let at = value.span().start;
    let wanted = format!("an integer from 0 to {largest}");
    let DeValue::Integer(integer) = value.get_ref() else {
        return wrong_type(value.get_ref(), at, path, &wanted, report);
    };
    match u64::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(value) if value <= largest => Some(At { value, at }),
        Ok(_) | Err(_) => {
            report.fault(
                at,
                format!("`{path}` is {integer}"),
                format!("Write {wanted}"),
            );
            None
        }
    }
}

macro_rules! read_unsigned {
    ($($ty:ident),+) => {$(
        impl Read for At<$ty> {
            fn read(value: &Spanned<DeValue<'_>>, path: &str, report: &mut Report<'_>) -> Option<Self> {
                let At { value, at } = read_integer(value, path, u64::from($ty::MAX), report)?;
                let value = $ty::try_from(value).expect("read_integer keeps the bound");
                Some(Self { value, at })
            }
        }
    )+};
}
read_unsigned!(u8, u16, u32);

impl Read for At<u64> {
    fn read(value: &Spanned<DeValue<'_>>, path: &str, report: &mut Report<'_>) -> Option<Self> {
        read_integer(value, path, u64::MAX, report)
    }
}

/// A closed set of words in a file.
pub(crate) trait Words: Copy + 'static {
    /// Each word and what it stands for.
    const ALL: &'static [(&'static str, Self)];

    fn words() -> Vec<&'static str> {
        Self::ALL.iter().map(|(word, _)| *word).collect()
    }

    /// The word for this value.
    fn word(self) -> &'static str
    where
        Self: PartialEq,
    {
        let known = Self::ALL.iter().find(|(_, value)| *value == self);
        known.map_or("", |(word, _)| word)
    }

    fn read_word(
        value: &Spanned<DeValue<'_>>,
        path: &str,
        report: &mut Report<'_>,
    ) -> Option<At<Self>> {
        let at = value.span().start;
        let DeValue::String(text) = value.get_ref() else {
            let wanted = format!("one of the words \"{}\"", Self::words().join("\", \""));
            return wrong_type(value.get_ref(), at, path, &wanted, report);
        };
        let known = Self::ALL.iter().find(|(word, _)| word == text);
        if known.is_none() {
            let problem = format!("`{path}` is \"{text}\"");
            report.fault(at, problem, suggest(text, &Self::words()));
        }
        known.map(|(_, value)| At { value: *value, at })
    }

    fn words_schema() -> Schema {
        json_schema!({ "type": "string", "enum": Self::words() })
    }
}

/// Makes types readable as words, and gives each its JSON schema.
macro_rules! words {
    ($($ty:ident { $($word:literal = $value:expr),+ $(,)? })+) => {$(
        impl $crate::read::Words for $ty {
            const ALL: &'static [(&'static str, Self)] = &[$(($word, $value)),+];
        }
        impl $crate::read::Read for $crate::read::At<$ty> {
            fn read(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                path: &str,
                report: &mut $crate::fault::Report<'_>,
            ) -> Option<Self> {
                <$ty as $crate::read::Words>::read_word(value, path, report)
            }
        }
        impl schemars::JsonSchema for $ty {
            fn inline_schema() -> bool { true }
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($ty).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                <$ty as $crate::read::Words>::words_schema()
            }
        }
    )+};
}
pub(crate) use words;

/// Defines a record that is read field by field, and whose JSON schema says the same.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident as $title:literal { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields, rename = $title)]
        pub(crate) struct $name {
            #[schemars(skip)]
            at: usize,
            $($(#[$field_doc])* pub(crate) $field: $ty,)+
        }

        impl $crate::read::Record for $name {
            fn at(&self) -> usize {
                self.at
            }
        }

        impl $crate::read::Read for $name {
            fn read(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                path: &str,
                report: &mut $crate::fault::Report<'_>,
            ) -> Option<Self> {
                let fields = $crate::read::Fields::open(value, path, report)?;
                $(let $field = fields.take(stringify!($field).trim_start_matches("r#"), report);)+
                fields.close(&[$(stringify!($field).trim_start_matches("r#")),+], report);
                Some(Self { at: fields.at, $($field: $field?,)+ })
            }
        }
    };
}
pub(crate) use record;

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[a-z][a-z0-9_]*$" },
            "additionalProperties": generator.subschema_for::<T>(),
        })
    }
}
