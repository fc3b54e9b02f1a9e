//! Valid instances of a schema: minimal, full, longest, each optional field alone, each word, each
//! kind of number and time, and some by seeded chance.

use serde_json::{Map, Value, json};

const RANDOM_PER_SCHEMA: u64 = 20;
/// A list without an upper bound is made up to this long.
const LIST_MAX: usize = 3;

#[derive(Clone)]
enum Style {
    Minimal,
    Full,
    Longest,
    Random(fastrand::Rng),
}

pub(crate) fn of(root: &Value) -> Vec<Value> {
    let mut all: Vec<Value> = [Style::Minimal, Style::Full, Style::Longest]
        .into_iter()
        .chain((0..RANDOM_PER_SCHEMA).map(|seed| Style::Random(fastrand::Rng::with_seed(seed))))
        .map(|mut style| build(root, root, "", &mut style))
        .collect();
    let (minimal, full) = (all[0].clone(), all[1].clone());
    for (name, value) in full.as_object().unwrap() {
        let mut alone = minimal.clone();
        alone[name] = value.clone();
        all.push(alone);
    }
    for (place, node) in leaves(root, root, &full, String::new()) {
        for variant in variants(&node) {
            let mut varied = full.clone();
            *varied.pointer_mut(&place).unwrap() = variant;
            all.push(varied);
        }
    }
    all
}

/// The full instance, which mutations start from.
pub(crate) fn full(root: &Value) -> Value {
    build(root, root, "", &mut Style::Full)
}

pub(crate) fn resolve<'s>(root: &'s Value, node: &'s Value) -> &'s Value {
    match node["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => node,
    }
}

fn build(root: &Value, node: &Value, name: &str, style: &mut Style) -> Value {
    let node = resolve(root, node);
    if let Some(words) = node["enum"].as_array() {
        return match style {
            Style::Random(random) => words[random.usize(..words.len())].clone(),
            Style::Minimal | Style::Full | Style::Longest => words[0].clone(),
        };
    }
    match node["type"].as_str() {
        Some("object") => object(root, node, style),
        Some("array") => array(root, node, name, style),
        Some("string") => Value::String(text(node, style)),
        Some("integer") => {
            let (least, most) = range(node);
            match style {
                Style::Random(random) => json!(random.i64(least..=most)),
                Style::Minimal | Style::Full | Style::Longest => json!(least.max(7).min(most)),
            }
        }
        Some("number") => match style {
            Style::Random(random) => {
                let whole = random.i32(-40_000..40_000);
                let tenth = random.u8(0..10);
                serde_json::from_str(&format!("{whole}.{tenth}")).unwrap()
            }
            Style::Minimal | Style::Full | Style::Longest => json!(16.1),
        },
        Some("boolean") => json!(true),
        None => json!({"any": ["thing", 1, null]}),
        Some(other) => panic!("type {other}"),
    }
}

pub(crate) fn range(node: &Value) -> (i64, i64) {
    let bound = |key: &str, otherwise: i64| {
        node[key].as_number().map_or(otherwise, |bound| {
            bound.to_string().trim_end_matches(".0").parse().unwrap()
        })
    };
    (
        bound("minimum", -2_147_483_648),
        bound("maximum", 2_147_483_647),
    )
}

fn object(root: &Value, node: &Value, style: &mut Style) -> Value {
    let required = node["required"].as_array().cloned().unwrap_or_default();
    let mut built = Map::new();
    for (name, property) in node["properties"].as_object().into_iter().flatten() {
        let wanted = required.contains(&json!(name))
            || match style {
                Style::Minimal => false,
                Style::Full | Style::Longest => true,
                Style::Random(random) => random.bool(),
            };
        if wanted {
            built.insert(name.clone(), build(root, property, name, style));
        }
    }
    let open = node["additionalProperties"] != json!(false) && !matches!(style, Style::Minimal);
    if open && !built.is_empty() {
        built.insert("more".into(), json!({"of": [1, 2.5, "three"]}));
    }
    Value::Object(built)
}

fn array(root: &Value, node: &Value, name: &str, style: &mut Style) -> Value {
    let items = |bound: &Value| bound.as_u64().and_then(|count| usize::try_from(count).ok());
    // An empty list of samples is valid in `StopTransaction` only; a test of its own covers it.
    let least = if name == "sampledValue" {
        1
    } else {
        items(&node["minItems"]).unwrap_or(0)
    };
    let most = items(&node["maxItems"]).unwrap_or(LIST_MAX);
    let count = match style {
        Style::Minimal => least,
        Style::Full => least.max(1),
        Style::Longest => most,
        Style::Random(random) => random.usize(least..=most.min(LIST_MAX)),
    };
    // The bound of 1024 elements is reached with the smallest ones.
    let mut small = Style::Minimal;
    let style = if count > LIST_MAX + 1 {
        &mut small
    } else {
        style
    };
    (0..count)
        .map(|_| build(root, &node["items"], "", style))
        .collect()
}

fn text(node: &Value, style: &mut Style) -> String {
    match node["format"].as_str() {
        Some("date-time") => return "2026-11-22T08:30:00.125Z".into(),
        Some("uri") => return "ftp://user:secret@files.example/in/".into(),
        _ => {}
    }
    let max = node["maxLength"]
        .as_u64()
        .map_or(300, |max| usize::try_from(max).unwrap());
    match style {
        Style::Minimal | Style::Full => "a \"b\" \\ü".chars().take(max).collect(),
        // Characters, not bytes, are counted.
        Style::Longest => "é".repeat(max),
        Style::Random(random) => {
            let length = random.usize(1..=max.min(40));
            (0..length).map(|_| random.char(' '..='~')).collect()
        }
    }
}

/// Every leaf of an instance with its schema.
pub(crate) fn leaves(
    root: &Value,
    node: &Value,
    instance: &Value,
    place: String,
) -> Vec<(String, Value)> {
    let node = resolve(root, node);
    match instance {
        Value::Object(map) if node["properties"].is_object() => map
            .iter()
            .filter_map(|(name, value)| Some((name, value, node["properties"].get(name)?)))
            .flat_map(|(name, value, property)| {
                leaves(root, property, value, format!("{place}/{name}"))
            })
            .collect(),
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .flat_map(|(index, value)| {
                leaves(root, &node["items"], value, format!("{place}/{index}"))
            })
            .collect(),
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            vec![(place, node.clone())]
        }
    }
}

fn variants(node: &Value) -> Vec<Value> {
    if let Some(words) = node["enum"].as_array() {
        return words.clone();
    }
    match (node["type"].as_str(), node["format"].as_str()) {
        (Some("string"), Some("date-time")) => {
            let times = [
                "2026-11-22T08:30:00Z",
                "2024-02-29T23:59:59.999+02:00",
                "1999-12-31T00:00:00.1-11:30",
            ];
            times.map(Value::from).to_vec()
        }
        (Some("integer"), _) => {
            let (least, most) = range(node);
            let wanted = [0_i64, 1, -1, 9_007_199_254_740_991, 86_400];
            let mut values: Vec<Value> = if node["minimum"].is_number() {
                vec![
                    json!(least),
                    json!(if node["maximum"].is_number() {
                        most
                    } else {
                        99
                    }),
                ]
            } else {
                wanted.map(Value::from).to_vec()
            };
            values.push(json!(100));
            values
        }
        (Some("number"), _) => [
            "0",
            "100",
            "100.0",
            "-0.1",
            "0.1",
            "31.9",
            "1234567.8",
            "-16",
        ]
        .map(|number| serde_json::from_str(number).unwrap())
        .to_vec(),
        (Some("boolean"), _) => vec![json!(false)],
        (None, _) => vec![Value::Null, json!("text"), json!(1.5), json!([]), json!({})],
        (Some(_), _) => Vec::new(),
    }
}

/// Two spellings of one moment, or of one number, become the same.
pub(crate) fn normal(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), normal(value)))
            .collect(),
        Value::Array(elements) => elements.iter().map(normal).collect(),
        Value::Number(number) => {
            let text = number.to_string();
            json!({"number": text.strip_suffix(".0").unwrap_or(&text)})
        }
        Value::String(text) => match text.parse::<jiff::Timestamp>() {
            Ok(time) => json!({"unix_ms": time.as_millisecond()}),
            Err(_) => value.clone(),
        },
        Value::Null | Value::Bool(_) => value.clone(),
    }
}
