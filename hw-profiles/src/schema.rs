//! The JSON schema of the file format, for editors and other tools.

use schemars::generate::SchemaSettings;

use crate::raw::RawProfile;

/// The schema (JSON Schema 2020-12) as pretty-printed JSON with a final newline. It describes
/// structure; what fields must mean together is checked by [`crate::Profile::from_toml`] alone.
#[must_use]
pub fn schema_json() -> String {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<RawProfile>();
    schema.insert("title".to_owned(), "Device profile".into());
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}
