//! Checks the rules that turn registers into a vehicle state, and the value that tells the word order.

use site_model::VehicleState;

use super::{Context, condition, flag, type_of};
use crate::fault::Report;
use crate::profile::{PollClass, StateRule, WordProbe};
use crate::raw::{RawCondition, RawRegister, RawStateRule, RawWordProbe};
use crate::read::Record;

pub(super) fn check(
    raw: &[RawStateRule],
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<StateRule>> {
    check_reach(raw, report);
    check_states(raw, context, report);
    let rules: Vec<Option<StateRule>> = raw
        .iter()
        .map(|rule| {
            check_poll(&rule.when, context, report);
            let when = condition::check_all(&rule.when, context, report)?;
            Some(StateRule {
                when,
                state: rule.is.value.0,
            })
        })
        .collect();
    rules.into_iter().collect()
}

/// Nothing may follow a rule that always holds.
fn check_reach(raw: &[RawStateRule], report: &mut Report<'_>) {
    let Some((_, before_last)) = raw.split_last() else {
        return;
    };
    for rule in before_last.iter().filter(|rule| rule.when.is_empty()) {
        let remedy = "Put it last, or give it conditions";
        report.fault(
            rule.at(),
            "a state rule that always holds hides those after it",
            remedy,
        );
    }
}

/// Without A, B and C no session begins or ends; also not in variants without optional registers.
fn check_states(raw: &[RawStateRule], context: &Context<'_>, report: &mut Report<'_>) {
    let Some(first) = raw.first() else {
        return;
    };
    let is_optional = |condition: &RawCondition| {
        let register = context.registers.get(condition.register.value.as_str());
        register.is_some_and(|register| flag(register.optional))
    };
    for state in [VehicleState::A, VehicleState::B, VehicleState::C] {
        let mut rules = raw
            .iter()
            .filter(|rule| rule.is.value.0 == state)
            .peekable();
        if rules.peek().is_none() {
            let problem = format!("no state rule gives {state}");
            let remedy = format!("Add a `[[state]]` rule with `is = \"{state}\"`");
            report.fault(first.at(), problem, remedy);
        } else if rules.all(|rule| rule.when.iter().any(is_optional)) {
            let problem = format!("no state rule gives {state} without an optional register");
            let remedy = "Add one for the variants without it, after those that need it";
            report.fault(first.at(), problem, remedy);
        }
    }
}

/// A state that is read every 10 s comes too late.
fn check_poll(conditions: &[RawCondition], context: &Context<'_>, report: &mut Report<'_>) {
    for condition in conditions {
        let register = context.registers.get(condition.register.value.as_str());
        let poll = register.and_then(|register| register.poll);
        if let Some(poll) = poll
            && poll.value == PollClass::Slow
        {
            let problem = format!(
                "a state rule needs `{}`, which is polled slow",
                condition.register.value
            );
            report.fault(
                poll.at,
                problem,
                "Write `poll = \"fast\"`, or remove the key",
            );
        }
    }
}

/// The value that tells the word order.
pub(super) fn word_probe(
    raw: &RawWordProbe,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<WordProbe> {
    let register = context.register(&raw.register, report)?;
    let unit = register.unit.map(|unit| unit.value);
    check_word_probe(raw, register, report);
    let bounds = condition::value_bounds(&raw.between, "between", unit, raw.at(), report);
    let (low, high) = bounds?;
    if low <= 0 {
        let remedy = "Write bounds above 0: zero is the same in both word orders";
        report.fault(raw.at(), "`word_probe` is content with 0", remedy);
    }
    Some(WordProbe {
        register: raw.register.value.clone(),
        low,
        high,
    })
}

/// Only a measured value of several words in the file's order changes with that order.
fn check_word_probe(raw: &RawWordProbe, register: &RawRegister, report: &mut Report<'_>) {
    let name = &raw.register.value;
    let word = register.r#type.value;
    let (problem, remedy) = if !type_of(word, 1).has_word_order() {
        (
            format!("`{name}` has no word order"),
            "Name a value of several words",
        )
    } else if register.words.is_some() {
        let remedy = "Name a value that uses the order of the file";
        (format!("`{name}` has `words` of its own"), remedy)
    } else if register.unit.is_none() {
        let remedy = "Name one with a range that is known: frequency or voltage";
        (format!("`{name}` measures nothing"), remedy)
    } else if register.when.is_some() || register.optional.is_some_and(|flag| flag.value) {
        (
            format!("`{name}` does not always exist"),
            "Name one that does",
        )
    } else {
        return;
    };
    report.fault(raw.register.at, format!("`word_probe`: {problem}"), remedy);
}
