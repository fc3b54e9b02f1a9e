//! Writes a model as Rust: the tables that the macros of `crates/ocpp/src/wire.rs` read.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::ensure;

use super::names;
use super::schema::{Field, Kind, Model};
use super::tables::Version;

const LINE_MAX: usize = 100;

/// Every file of a version: name and text.
pub(crate) fn files(model: &Model, version: &Version) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = vec![
        ("mod.rs".to_owned(), table(version)),
        ("words.rs".to_owned(), words(model, version)?),
        ("types.rs".to_owned(), types(model, version)),
    ];
    for (room, about, actions) in version.rooms {
        files.push((
            format!("{room}.rs"),
            messages(model, version, about, actions),
        ));
    }
    Ok(files)
}

fn header(about: &str) -> String {
    format!(
        "//! {about}\n//!\n//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.\n\n"
    )
}

fn table(version: &Version) -> String {
    let mut out = header(&format!("Every message of OCPP {}.", version.name));
    for module in version
        .rooms
        .iter()
        .map(|(room, _, _)| *room)
        .chain(["types", "words"])
    {
        let _ = writeln!(out, "mod {module};");
    }
    out.push_str("\nuse crate::wire::messages;\n\n");
    for (room, _, actions) in version.rooms {
        let names: Vec<String> = actions
            .iter()
            .flat_map(|action| [format!("{action}Request"), format!("{action}Response")])
            .collect();
        let _ = writeln!(out, "pub use {room}::{{{}}};", names.join(", "));
    }
    for module in ["types", "words"] {
        let _ = writeln!(out, "pub use {module}::*;");
    }
    for (_, _, path) in version.by_hand {
        let _ = writeln!(out, "pub use crate::by_hand::{path};");
    }
    let mut actions: Vec<&str> = version
        .rooms
        .iter()
        .flat_map(|(_, _, actions)| *actions)
        .copied()
        .collect();
    actions.sort_unstable();
    out.push_str("\nmessages! {\n");
    for action in actions {
        let sender = match action {
            "DataTransfer" => "Either",
            _ if version.from_station.contains(&action) => "Station",
            _ => "System",
        };
        let _ = writeln!(
            out,
            "    {action} = \"{action}\", {sender}, {action}Request, {action}Response;"
        );
    }
    let (name, marker, subprotocol) = (version.name, version.marker, version.subprotocol);
    let _ = write!(
        out,
        "}}\n\n/// OCPP {name}.\n#[derive(Debug, Clone, Copy, PartialEq, Eq)]\npub struct {marker};\n\n\
         impl crate::Version for {marker} {{\n    type Action = Action;\n    type Request = Request;\n    \
         type Response = Response;\n\n    const NAME: &'static str = \"{name}\";\n    \
         const SUBPROTOCOL: &'static str = \"{subprotocol}\";\n    \
         const DIALECT: crate::Dialect = crate::Dialect::{marker};\n}}\n"
    );
    out
}

fn words(model: &Model, version: &Version) -> anyhow::Result<String> {
    let mut out = header(&format!("The enumerations of OCPP {}.", version.name));
    out.push_str("use crate::wire::words;\n\nwords! {\n");
    for (name, words) in &model.words {
        let other = version.other.iter().find(|(kind, _)| kind == name);
        let other = other
            .map(|(_, word)| format!(" else {word}"))
            .unwrap_or_default();
        let _ = write!(
            out,
            "    /// Enumeration `{name}`.\n    {name}{other} {{\n       "
        );
        let mut column = 7;
        let mut seen = BTreeSet::new();
        for word in words {
            let ident = names::word(word);
            ensure!(
                seen.insert(ident.clone()),
                "{name} has two words that become {ident}"
            );
            let entry = format!(" {ident} = \"{word}\",");
            if column + entry.len() > LINE_MAX {
                out.push_str("\n       ");
                column = 7;
            }
            column += entry.len();
            out.push_str(&entry);
        }
        out.push_str("\n    }\n");
    }
    out.push_str("}\n");
    Ok(out)
}

fn types(model: &Model, version: &Version) -> String {
    let objects: Vec<(&str, String, &[Field])> = model
        .objects
        .iter()
        .map(|(name, fields)| {
            (
                name.as_str(),
                format!("Structure `{name}`."),
                fields.as_slice(),
            )
        })
        .collect();
    let about = format!(
        "The structures that messages of OCPP {} share.",
        version.name
    );
    structures(&about, &objects, version)
}

fn messages(model: &Model, version: &Version, about: &str, actions: &[&str]) -> String {
    let mut objects = Vec::new();
    let named: Vec<(String, String)> = actions
        .iter()
        .flat_map(|action| {
            [
                (format!("{action}Request"), format!("Call of `{action}`.")),
                (
                    format!("{action}Response"),
                    format!("Answer to `{action}`."),
                ),
            ]
        })
        .collect();
    for (name, doc) in &named {
        objects.push((name.as_str(), doc.clone(), model.messages[name].as_slice()));
    }
    structures(
        &format!("{about} OCPP {}.", version.name),
        &objects,
        version,
    )
}

fn structures(about: &str, objects: &[(&str, String, &[Field])], version: &Version) -> String {
    let mut body = String::new();
    let mut used = BTreeSet::new();
    for (name, doc, fields) in objects {
        let closed = if version.closed.contains(name) {
            " closed"
        } else {
            ""
        };
        let _ = writeln!(body, "    /// {doc}\n    {name}{closed} {{");
        for required in [true, false] {
            for field in fields.iter().filter(|field| field.required == required) {
                let kind = rust_type(name, field, version, &mut used);
                let ident = names::field(&field.wire);
                let rule = rule(name, field, version)
                    .map(|rule| format!(" {rule}"))
                    .unwrap_or_default();
                let _ = writeln!(body, "        {ident}: {kind} = \"{}\"{rule},", field.wire);
            }
            body.push_str(if required { "    } {\n" } else { "    }\n" });
        }
    }
    let mut out = header(about);
    let ours: BTreeSet<&str> = objects.iter().map(|(name, _, _)| *name).collect();
    let mut imports = [vec!["wire::object".to_owned()], vec![]];
    for (module, name) in &used {
        match module {
            Module::Values => imports[0].push(name.clone()),
            Module::Version if !ours.contains(name.as_str()) => imports[1].push(name.clone()),
            Module::Version => {}
        }
    }
    let _ = writeln!(out, "use crate::{{{}}};", imports[0].join(", "));
    if !imports[1].is_empty() {
        let _ = writeln!(out, "use super::{{{}}};", imports[1].join(", "));
    }
    let _ = write!(out, "\nobject! {{\n{body}}}\n");
    out
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Module {
    Values,
    Version,
}

type Used = BTreeSet<(Module, String)>;

fn rust_type(object: &str, field: &Field, version: &Version, used: &mut Used) -> String {
    let by_hand = version
        .by_hand
        .iter()
        .find(|(kind, wire, _)| *kind == object && *wire == field.wire);
    if let Some((_, _, name)) = by_hand {
        used.insert((Module::Version, (*name).to_owned()));
        return (*name).to_owned();
    }
    if let Kind::Text(Some(max)) = field.kind
        && version.secrets.contains(&(object, field.wire.as_str()))
    {
        used.insert((Module::Values, "Secret".into()));
        return format!("Secret<{max}>");
    }
    spelled(&field.kind, used)
}

fn spelled(kind: &Kind, used: &mut Used) -> String {
    let (import, text) = match kind {
        Kind::Text(None) => return "String".into(),
        Kind::Integer => return "i64".into(),
        Kind::Flag => return "bool".into(),
        Kind::Text(Some(max)) => ("Text", format!("Text<{max}>")),
        Kind::Uri => ("Uri", "Uri".into()),
        Kind::Time => ("Time", "Time".into()),
        Kind::Tenths => ("Tenths", "Tenths".into()),
        Kind::Decimal => ("Decimal", "Decimal".into()),
        Kind::Any => ("Any", "Any".into()),
        Kind::CustomData => ("CustomData", "Box<CustomData>".into()),
        Kind::Bounded(least, most) => {
            let least = least.map_or("{ i64::MIN }".into(), |least| least.to_string());
            let most = most.map_or("{ i64::MAX }".into(), |most| most.to_string());
            ("Bounded", format!("Bounded<{least}, {most}>"))
        }
        Kind::Named(name) => {
            used.insert((Module::Version, name.clone()));
            return name.clone();
        }
        Kind::List(element, least, most) => {
            let element = spelled(element, used);
            match (least, most) {
                (0, None) => return format!("Vec<{element}>"),
                (1, None) => ("SomeOf", format!("SomeOf<{element}>")),
                (least, most) => {
                    let most = most.map_or("{ usize::MAX }".into(), |most| most.to_string());
                    ("List", format!("List<{element}, {least}, {most}>"))
                }
            }
        }
    };
    used.insert((Module::Values, import.into()));
    text
}

fn rule(object: &str, field: &Field, version: &Version) -> Option<&'static str> {
    let found = version.rules.iter().find(|(kind, wire, _)| {
        let any_text = *wire == "*" && matches!(field.kind, Kind::Text(_));
        (*kind == object || *kind == "*") && (*wire == field.wire || any_text)
    });
    found.map(|(_, _, rule)| *rule)
}
