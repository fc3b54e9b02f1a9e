//! The published JSON schema is that of the code, and every profile file passes it.

use std::fs;
use std::path::{Path, PathBuf};

const SCHEMA_FILE: &str = "../docs/schemas/profile.schema.json";

fn profile_files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("tests/files/acme-ac22.toml")];
    for folder in ["chargers", "meters"] {
        for entry in fs::read_dir(root.join(folder)).expect("the folder is in the repository") {
            let path = entry.expect("the folder can be read").path();
            let name = path.to_string_lossy();
            if name.ends_with(".toml") && !name.ends_with(".frames.toml") {
                files.push(path);
            }
        }
    }
    files
}

fn validator() -> jsonschema::Validator {
    let schema: serde_json::Value =
        serde_json::from_str(&hw_profiles::schema_json()).expect("it is JSON");
    jsonschema::validator_for(&schema).expect("it is a JSON schema")
}

#[test]
fn the_committed_schema_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA_FILE);
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == hw_profiles::schema_json(),
        "docs/schemas/profile.schema.json is stale; refresh it with\n\
         cargo run -p hw-profiles --example profile-schema > docs/schemas/profile.schema.json"
    );
}

#[test]
fn every_profile_passes_the_schema() {
    let validator = validator();
    for file in profile_files() {
        let profile: serde_json::Value =
            toml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&profile)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{}", file.display());
    }
}

#[test]
fn the_schema_refuses_what_the_loader_refuses_for_its_shape() {
    let good = fs::read_to_string("tests/files/acme-ac22.toml").unwrap();
    let validator = validator();
    let changes = [
        ("address = 5\n", "adress = 5\n"),
        ("address = 5\n", "address = 65536\n"),
        ("table = \"holding\"", "table = \"holdings\""),
        ("quantity = \"current_limit\"", "quantity = \"limit\""),
        ("scale = \"0.1\"", "scale = 0.1"),
        ("volatile = true\n", ""),
        (
            "function = 6 }\nunit = \"s\"",
            "function = 15 }\nunit = \"s\"",
        ),
        ("[source]", "[colour]\nx = 1\n[source]"),
    ];
    for (from, to) in changes {
        assert_eq!(good.matches(from).count(), 1, "{from:?} must stand once");
        let text = good.replace(from, to);
        assert!(hw_profiles::Profile::from_toml("acme-ac22.toml", &text).is_err());
        let profile: serde_json::Value = toml::from_str(&text).unwrap();
        assert!(!validator.is_valid(&profile), "{from:?} -> {to:?}");
    }
}
