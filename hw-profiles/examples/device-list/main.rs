//! Prints `docs/devices.md`.

mod document;

#[expect(clippy::print_stdout, reason = "what it is for")]
fn main() {
    print!("{}", document::document());
}
