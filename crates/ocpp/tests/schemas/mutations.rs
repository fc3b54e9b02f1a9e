//! Instances that break their schema in exactly one place, with the violations that name it.

use ocpp::ViolationKind;
use serde_json::{Value, json};

use crate::instances::{full, leaves, range, resolve};

#[derive(Debug)]
pub(crate) struct Mutation {
    pub(crate) payload: Value,
    pub(crate) kinds: &'static [ViolationKind],
}

pub(crate) fn of(root: &Value) -> Vec<Mutation> {
    let full = full(root);
    let mut all = vec![Mutation {
        payload: json!([]),
        kinds: &[ViolationKind::Format],
    }];
    for (place, node) in leaves(root, root, &full, String::new()) {
        for (bad, kinds) in replacements(&node) {
            let mut payload = full.clone();
            *payload.pointer_mut(&place).unwrap() = bad;
            all.push(Mutation { payload, kinds });
        }
    }
    for (place, name) in required(root, root, &full, String::new()) {
        let mut payload = full.clone();
        let object = payload
            .pointer_mut(&place)
            .and_then(Value::as_object_mut)
            .unwrap();
        object.remove(&name);
        all.push(Mutation {
            payload,
            kinds: &[ViolationKind::Occurrence],
        });
    }
    for place in closed(root, root, &full, String::new()) {
        let mut payload = full.clone();
        payload.pointer_mut(&place).unwrap()["unheardOf"] = json!(1);
        all.push(Mutation {
            payload,
            kinds: &[ViolationKind::Format],
        });
    }
    all
}

type Replacement = (Value, &'static [ViolationKind]);

const TYPE: &[ViolationKind] = &[ViolationKind::Type];
const PROPERTY: &[ViolationKind] = &[ViolationKind::Property];

fn replacements(node: &Value) -> Vec<Replacement> {
    let mut bad: Vec<Replacement> = Vec::new();
    if node["enum"].is_array() {
        return vec![(json!("no such word"), PROPERTY), (json!(3), TYPE)];
    }
    match node["type"].as_str() {
        Some("string") => {
            bad.extend([(json!(["list"]), TYPE), (json!(12), TYPE)]);
            if let Some(max) = node["maxLength"].as_u64() {
                let long = "x".repeat(usize::try_from(max).unwrap() + 1);
                bad.push((json!(long), PROPERTY));
            }
            if node["format"].is_string() {
                bad.push((json!("no such form"), PROPERTY));
            }
        }
        Some("integer") => {
            bad.extend([
                (json!(1.5), TYPE),
                (json!("7"), TYPE),
                (json!("x"), TYPE),
                (json!({}), TYPE),
            ]);
            let (least, most) = range(node);
            if node["minimum"].is_number() {
                bad.push((json!(least - 1), PROPERTY));
            }
            if node["maximum"].is_number() {
                bad.push((json!(most + 1), PROPERTY));
            }
        }
        Some("number") => {
            bad.extend([(json!("16.1"), TYPE), (json!([16]), TYPE)]);
            if node["multipleOf"].is_number() {
                bad.push((json!(16.15), PROPERTY));
            }
        }
        Some("boolean") => bad.push((json!("true"), TYPE)),
        Some(_) | None => {}
    }
    bad
}

/// Every (object, field) that must be there.
fn required(root: &Value, node: &Value, instance: &Value, place: String) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(root, node, instance, place, &mut |place, node| {
        let names = node["required"].as_array().into_iter().flatten();
        found.extend(names.map(|name| (place.to_owned(), name.as_str().unwrap().to_owned())));
    });
    found
}

/// Every object that allows no further fields.
fn closed(root: &Value, node: &Value, instance: &Value, place: String) -> Vec<String> {
    let mut found = Vec::new();
    walk(root, node, instance, place, &mut |place, node| {
        if node["additionalProperties"] == json!(false) {
            found.push(place.to_owned());
        }
    });
    found
}

fn walk(
    root: &Value,
    node: &Value,
    instance: &Value,
    place: String,
    visit: &mut impl FnMut(&str, &Value),
) {
    let node = resolve(root, node);
    match instance {
        Value::Object(map) if node["type"] == "object" => {
            visit(&place, node);
            for (name, value) in map {
                if let Some(property) = node["properties"].get(name) {
                    walk(root, property, value, format!("{place}/{name}"), visit);
                }
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                walk(
                    root,
                    &node["items"],
                    value,
                    format!("{place}/{index}"),
                    visit,
                );
            }
        }
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
