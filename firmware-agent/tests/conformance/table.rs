//! What came of each step of each profile.

use std::fmt;

/// A step's outcome: what was not as it should be, or whether there was anything to try.
pub(crate) type Outcome = Result<Step, String>;

/// A step that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Passed,
    /// So many other profiles recognise the device too.
    AmongOthers(usize),
    /// The device has nothing of the kind.
    Nothing,
}

/// Columns, in order.
pub(crate) const STEPS: [&str; 14] = [
    "identify", "read", "failsafe", "start", "limit", "pause", "phases", "alive", "loss", "reboot",
    "variant", "sparse", "second", "framing",
];

/// One profile.
#[derive(Debug)]
pub(crate) struct Row {
    profile: String,
    outcomes: Vec<(&'static str, Outcome)>,
}

impl Row {
    pub(crate) fn new(profile: &str) -> Self {
        Self {
            profile: profile.to_owned(),
            outcomes: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, step: &'static str, outcome: Outcome) {
        assert!(STEPS.contains(&step), "{step} has no column");
        self.outcomes.push((step, outcome));
    }

    fn cell(&self, step: &str) -> String {
        let of_step = self.outcomes.iter().filter(|(name, _)| *name == step);
        let mut cell = String::new();
        for (_, outcome) in of_step {
            match outcome {
                Err(_) => return "FAIL".to_owned(),
                Ok(Step::AmongOthers(others)) => cell = format!("ok +{others}"),
                Ok(Step::Passed) if !cell.starts_with("ok") => "ok".clone_into(&mut cell),
                Ok(Step::Nothing) if cell.is_empty() => "-".clone_into(&mut cell),
                Ok(Step::Passed | Step::Nothing) => {}
            }
        }
        cell
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn new(mut rows: Vec<Row>) -> Self {
        rows.sort_by(|a, b| a.profile.cmp(&b.profile));
        Self(rows)
    }

    /// What failed, with profile and step.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for row in &self.0 {
            for (step, outcome) in &row.outcomes {
                if let Err(fault) = outcome {
                    faults.push(format!("{} · {step}: {fault}", row.profile));
                }
            }
        }
        faults
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:30}", "profile")?;
        for step in STEPS {
            write!(f, " {step:8}")?;
        }
        for row in &self.0 {
            write!(f, "\n{:30}", row.profile)?;
            for step in STEPS {
                write!(f, " {:8}", row.cell(step))?;
            }
        }
        Ok(())
    }
}
