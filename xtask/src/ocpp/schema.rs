//! Reads the schemas of one version into a model: messages, structures, enumerations.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value};

use super::names;
use super::tables::Version;

/// Everything a version defines. Keys are Rust names.
#[derive(Default)]
pub(crate) struct Model {
    pub messages: BTreeMap<String, Vec<Field>>,
    pub objects: BTreeMap<String, Vec<Field>>,
    pub words: BTreeMap<String, Vec<String>>,
}

#[derive(PartialEq, Debug)]
pub(crate) struct Field {
    pub wire: String,
    pub required: bool,
    pub kind: Kind,
}

#[derive(PartialEq, Debug)]
pub(crate) enum Kind {
    Text(Option<u64>),
    Uri,
    Time,
    Integer,
    Bounded(Option<i64>, Option<i64>),
    Tenths,
    Decimal,
    Flag,
    Any,
    CustomData,
    Named(String),
    List(Box<Kind>, u64, Option<u64>),
}

/// What reading one schema needs at hand.
struct Source<'s> {
    /// The schema's name: `AuthorizeResponse`.
    stem: &'s str,
    definitions: Map<String, Value>,
    version: &'s Version,
}

/// Reads every schema of the folder; each action of the tables must be there, and no other.
pub(crate) fn load(folder: &Path, version: &Version) -> anyhow::Result<Model> {
    let mut model = Model::default();
    let actions: Vec<&str> = version
        .rooms
        .iter()
        .flat_map(|(_, _, actions)| *actions)
        .copied()
        .collect();
    let mut files = 0;
    for action in &actions {
        for (suffix, ours) in [
            (version.request_suffix, "Request"),
            ("Response", "Response"),
        ] {
            let stem = format!("{action}{suffix}");
            let path = folder.join(format!("{stem}.json"));
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("{} is not readable", path.display()))?;
            let root: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
                .with_context(|| path.display().to_string())?;
            let definitions = root["definitions"].as_object().cloned().unwrap_or_default();
            let source = Source {
                stem: &stem,
                definitions,
                version,
            };
            let fields = source
                .fields(&root, "", &mut model)
                .with_context(|| path.display().to_string())?;
            model.messages.insert(format!("{action}{ours}"), fields);
            files += 1;
        }
    }
    let there = std::fs::read_dir(folder)?.count();
    ensure!(
        there == files,
        "{there} schemas, but the tables know {files}"
    );
    Ok(model)
}

impl Source<'_> {
    fn fields(&self, node: &Value, path: &str, model: &mut Model) -> anyhow::Result<Vec<Field>> {
        let required: Vec<&str> = node["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut fields = Vec::new();
        for (wire, property) in node["properties"].as_object().into_iter().flatten() {
            let below = if path.is_empty() {
                wire.clone()
            } else {
                format!("{path}.{wire}")
            };
            let kind = self
                .kind(property, &below, model)
                .with_context(|| below.clone())?;
            fields.push(Field {
                wire: wire.clone(),
                required: required.contains(&wire.as_str()),
                kind,
            });
        }
        fields.sort_by_key(|field| !field.required);
        Ok(fields)
    }

    fn kind(&self, node: &Value, path: &str, model: &mut Model) -> anyhow::Result<Kind> {
        if let Some(reference) = node["$ref"].as_str() {
            return self.defined(reference, model);
        }
        if let Some(words) = node["enum"].as_array() {
            let name = self.inline_name(path);
            return Ok(Self::add_words(name, words, model));
        }
        Ok(match node["type"].as_str() {
            Some("string") => match node["format"].as_str() {
                Some("date-time") => Kind::Time,
                Some("uri") => Kind::Uri,
                Some(other) => bail!("format {other} is not known"),
                None => Kind::Text(node["maxLength"].as_u64()),
            },
            Some("integer") => match (whole(&node["minimum"]), whole(&node["maximum"])) {
                (None, None) => Kind::Integer,
                (least, most) => Kind::Bounded(least, most),
            },
            Some("number") if node["multipleOf"] == 0.1 => Kind::Tenths,
            Some("number") => Kind::Decimal,
            Some("boolean") => Kind::Flag,
            Some("array") => {
                let element = self.kind(&node["items"], &format!("{path}.[]"), model)?;
                let least = node["minItems"].as_u64().unwrap_or(0);
                Kind::List(Box::new(element), least, node["maxItems"].as_u64())
            }
            Some("object") => {
                let fields = self.fields(node, path, model)?;
                Self::add_object(self.inline_name(path), fields, model)?
            }
            None => Kind::Any,
            Some(other) => bail!("type {other} is not known"),
        })
    }

    fn defined(&self, reference: &str, model: &mut Model) -> anyhow::Result<Kind> {
        let theirs = reference.trim_start_matches("#/definitions/");
        if theirs == "CustomDataType" {
            return Ok(Kind::CustomData);
        }
        let node = self
            .definitions
            .get(theirs)
            .with_context(|| format!("no definition {theirs}"))?;
        let renamed = self
            .version
            .names
            .iter()
            .find(|(schema, old, _)| schema.is_empty() && *old == theirs);
        let name = match renamed {
            Some((_, _, ours)) => (*ours).to_owned(),
            None if self.version.folder == "v16" => theirs
                .trim_end_matches("Type")
                .trim_end_matches("Enum")
                .to_owned(),
            None => theirs.trim_end_matches("Type").to_owned(),
        };
        if let Some(words) = node["enum"].as_array() {
            return Ok(Self::add_words(name, words, model));
        }
        let fields = self.fields(node, "", model)?;
        Self::add_object(name, fields, model)
    }

    /// The name of an inline type: by the tables, else message and field (`ClearCacheStatus`).
    fn inline_name(&self, path: &str) -> String {
        let names = self.version.names;
        let named = names
            .iter()
            .find(|(schema, place, _)| *schema == self.stem && *place == path);
        let named = named.or_else(|| {
            names.iter().find(|(schema, end, _)| {
                *schema == "*" && (path == *end || path.ends_with(&format!(".{end}")))
            })
        });
        named.map_or_else(
            || self.stem.trim_end_matches("Response").to_owned() + &names::upper_first(path),
            |(_, _, name)| (*name).to_owned(),
        )
    }

    /// Words of one name are one enumeration, even where a message knows fewer of them.
    fn add_words(name: String, words: &[Value], model: &mut Model) -> Kind {
        let known = model.words.entry(name.clone()).or_default();
        for word in words.iter().filter_map(Value::as_str) {
            if !known.iter().any(|known| known == word) {
                known.push(word.to_owned());
            }
        }
        Kind::Named(name)
    }

    /// One structure per name; where messages want different lengths of a list, the narrower holds.
    fn add_object(name: String, fields: Vec<Field>, model: &mut Model) -> anyhow::Result<Kind> {
        let fields = match model.objects.remove(&name) {
            None => fields,
            Some(known) => {
                let count = known.len();
                let both = known.into_iter().zip(fields);
                let narrowed: Option<Vec<Field>> =
                    both.map(|(one, other)| narrower(one, other)).collect();
                narrowed
                    .filter(|fields| fields.len() == count)
                    .with_context(|| format!("{name} differs between messages"))?
            }
        };
        model.objects.insert(name.clone(), fields);
        Ok(Kind::Named(name))
    }
}

fn narrower(one: Field, other: Field) -> Option<Field> {
    if one == other {
        return Some(one);
    }
    match (one.kind, other.kind) {
        (Kind::List(element, least, most), Kind::List(same, also_least, also_most))
            if element == same && one.wire == other.wire && one.required == other.required =>
        {
            let most = most.into_iter().chain(also_most).min();
            let kind = Kind::List(element, least.max(also_least), most);
            Some(Field { kind, ..other })
        }
        _ => None,
    }
}

/// The schemas write whole bounds as `0.0`.
fn whole(bound: &Value) -> Option<i64> {
    let text = bound.as_number()?.to_string();
    text.trim_end_matches(".0").parse().ok()
}
