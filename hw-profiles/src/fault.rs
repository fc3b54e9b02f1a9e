//! What is wrong with a file, where, and what to do about it. All faults of a file are told at once.

use std::fmt;

/// One fault of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// File as the caller named it.
    pub file: String,
    /// Line, counted from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// Column in characters, counted from 1; 0 where the file as a whole is meant.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Fault {
    /// A fault of a file as a whole.
    pub(crate) fn of_file(file: &str, problem: String, remedy: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            problem,
            remedy: remedy.to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            problem,
            remedy,
        } = self;
        if *line == 0 {
            return write!(f, "{file}: {problem}. {remedy}");
        }
        write!(f, "{file}:{line}:{column}: {problem}. {remedy}")
    }
}

/// Every fault that was found, in order of file and line; never empty. Prints one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Collects the faults of one file.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    file: &'a str,
    text: &'a str,
    faults: Vec<Fault>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Self {
            file,
            text,
            faults: Vec::new(),
        }
    }

    /// Records a fault at a byte offset of the text.
    pub(crate) fn fault(
        &mut self,
        at: usize,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (line, column) = position(self.text, at);
        self.faults.push(Fault {
            file: self.file.to_owned(),
            line,
            column,
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }

    /// Records a fault of the file as a whole.
    pub(crate) fn fault_of_file(&mut self, problem: String, remedy: &str) {
        self.faults.push(Fault::of_file(self.file, problem, remedy));
    }

    /// Whether nothing was wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// The value, if nothing was wrong. What several checks found alike is told once.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, Faults> {
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            Some(_) | None => {
                self.faults.sort_by_key(|fault| (fault.line, fault.column));
                self.faults.dedup();
                Err(Faults(self.faults))
            }
        }
    }
}

fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    (line, column)
}

/// "Did you mean …?" where one of the known words is near, else the list of them.
pub(crate) fn suggest(wrong: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|word| (distance(wrong, word), word))
        .min_by_key(|(distance, _)| *distance);
    let near = |distance: usize| wrong.len() > 2 && distance <= wrong.len().div_ceil(3);
    match nearest {
        None => "There is none to choose from".to_owned(),
        Some((distance, word)) if near(distance) => format!("Did you mean `{word}`?"),
        Some(_) => format!("Known are `{}`", known.join("`, `")),
    }
}

/// Levenshtein distance: insertions, deletions and replacements of one character.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_counts_lines_and_characters_from_one() {
        let text = "a\nüb\n";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 2), (2, 1));
        assert_eq!(position(text, 4), (2, 2), "ü is two bytes, one character");
        assert_eq!(position(text, 99), (3, 1));
    }

    #[test]
    fn distance_counts_single_edits() {
        assert_eq!(distance("table", "table"), 0);
        assert_eq!(distance("tabel", "table"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("adress", "address"), 1);
    }

    #[test]
    fn a_far_word_gets_the_list_only() {
        assert_eq!(
            suggest("colour", &["table", "type"]),
            "Known are `table`, `type`"
        );
        assert_eq!(
            suggest("tabel", &["table", "type"]),
            "Did you mean `table`?"
        );
        assert_eq!(suggest("G", &["A", "B"]), "Known are `A`, `B`");
    }
}
