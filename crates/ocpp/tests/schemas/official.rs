//! Finds and compiles the official schemas.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

pub(crate) struct Official {
    name: String,
    pub(crate) root: Value,
    validator: Validator,
}

/// The Python package's folder of a version: `1.6` → `…/ocpp/v16/schemas`.
pub(crate) fn folder(version: &str) -> PathBuf {
    let environment = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/lib");
    let pythons = std::fs::read_dir(&environment).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; `tests/run packages` makes it",
            environment.display()
        )
    });
    let below = format!("site-packages/ocpp/v{}/schemas", version.replace('.', ""));
    pythons
        .map(|python| python.unwrap().path().join(&below))
        .find(|folder| folder.is_dir())
        .unwrap_or_else(|| {
            panic!("the Python package ocpp is missing; `tests/run packages` installs it")
        })
}

impl Official {
    pub(crate) fn load(folder: &Path, version: &str, action: &str, side: Side) -> Self {
        let suffix = match (side, version) {
            (Side::Request, "1.6") => "",
            (Side::Request, _) => "Request",
            (Side::Response, _) => "Response",
        };
        let name = format!("{action}{suffix}");
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let mut root: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
        // The ids are no addresses; references stay inside the file.
        root.as_object_mut().unwrap().remove("$id");
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&root)
            .unwrap();
        Self {
            name,
            root,
            validator,
        }
    }

    pub(crate) fn is_valid(&self, instance: &Value) -> bool {
        self.validator.is_valid(instance)
    }

    pub(crate) fn assert_valid(&self, instance: &Value, whose: &str) {
        if let Err(error) = self.validator.validate(instance) {
            panic!(
                "{}, {whose}: {error} at {}\n{instance}",
                self.name,
                error.instance_path()
            );
        }
    }
}
