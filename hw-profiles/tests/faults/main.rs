//! One example of every kind of fault, with its whole message: file, line, column, problem, remedy.

mod behaviour;
mod control;
mod frames;
mod link;
mod places;
mod proof;
mod registers;
mod rules;
mod structure;
mod values;

use hw_profiles::Profile;

const GOOD: &str = include_str!("../files/acme-ac22.toml");

/// Loads the good file after these replacements, and compares everything that was found.
fn faults_after(changes: &[(&str, &str)], expected: &[&str]) {
    let mut text = GOOD.to_owned();
    for (from, to) in changes {
        assert_eq!(
            text.matches(from).count(),
            1,
            "{from:?} must stand once in the file"
        );
        text = text.replace(from, to);
    }
    let found = match Profile::from_toml("acme-ac22.toml", &text) {
        Ok(_) => vec![],
        Err(faults) => faults.0.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(found, expected, "after {changes:?}");
}
