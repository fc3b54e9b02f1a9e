//! Tests that a document names exist: a statement of what is supported is worth what shows it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Documents whose names in code are tests, where they read like a sentence.
const DOCUMENTS: [&str; 1] = ["docs/ocpp.md"];
/// Fewer words than this are a name of something else.
const WORDS_MIN: usize = 5;

/// Names every test that a document names and no source file has.
pub(crate) fn check(
    root: &Path,
    sources: &[PathBuf],
    faults: &mut Vec<String>,
) -> anyhow::Result<()> {
    let mut known = BTreeSet::new();
    for source in sources {
        let text = fs::read_to_string(root.join(source))
            .with_context(|| format!("cannot read {}", source.display()))?;
        known.extend(functions(&text).map(str::to_owned));
    }
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document))
            .with_context(|| format!("cannot read {document}"))?;
        for name in sentences(&text) {
            if !known.contains(name) {
                faults.push(format!(
                    "{document} names the test `{name}`, and there is none"
                ));
            }
        }
    }
    Ok(())
}

fn functions(text: &str) -> impl Iterator<Item = &str> {
    let begins = text.split("fn ").skip(1);
    begins.filter_map(|after| after.split(['(', '<']).next())
}

fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|word| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        word.chars().all(plain) && word.split('_').count() >= WORDS_MIN
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_read_like_a_sentence_are_tests() {
        let text = "`a_test_is_a_sentence` of `some_code` in `Upper_case_a_b_c`";
        assert_eq!(
            sentences(text).collect::<Vec<_>>(),
            ["a_test_is_a_sentence"]
        );
        let code = "async fn a_test_is_a_sentence() {}\nfn generic<T>() {}";
        let found: Vec<_> = functions(code).collect();
        assert_eq!(found, ["a_test_is_a_sentence", "generic"]);
    }
}
