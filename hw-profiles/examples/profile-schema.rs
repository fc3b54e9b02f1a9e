//! Prints the JSON schema of profile files:
//! `cargo run -p hw-profiles --example profile-schema > docs/schemas/profile.schema.json`.

#[expect(clippy::print_stdout, reason = "printing is its purpose")]
fn main() {
    print!("{}", hw_profiles::schema_json());
}
