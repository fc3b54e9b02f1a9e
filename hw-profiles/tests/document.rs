//! The page that explains the format names everything that the format has.

use std::collections::BTreeSet;

use serde_json::Value;

const PAGE: &str = include_str!("../../docs/how-to-add/device.md");

/// Every key and every word that a schema allows.
fn names(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(parts) => {
            if let Some(Value::Object(keys)) = parts.get("properties") {
                found.extend(keys.keys().cloned());
            }
            if let Some(Value::Array(words)) = parts.get("enum") {
                found.extend(words.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            parts.values().for_each(|part| names(part, found));
        }
        Value::Array(parts) => parts.iter().for_each(|part| names(part, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Words of the page; `current_l1…l3` stands for all three.
fn words() -> BTreeSet<String> {
    let part = |c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '…';
    let mut words = BTreeSet::new();
    for word in PAGE.split(part) {
        match word.strip_suffix("l1…l3") {
            Some(stem) => words.extend([1, 2, 3].map(|phase| format!("{stem}l{phase}"))),
            None => words.extend([word.to_owned()]),
        }
    }
    words
}

#[test]
fn every_key_and_word_of_the_format_is_explained() {
    let schema = serde_json::from_str(&hw_profiles::schema_json()).expect("it is JSON");
    let mut known = BTreeSet::new();
    names(&schema, &mut known);
    assert!(known.len() > 150, "{} names", known.len());
    let explained = words();
    let missing: Vec<&String> = known.difference(&explained).collect();
    assert_eq!(missing, Vec::<&String>::new(), "docs/how-to-add/device.md");
}
