//! Checks the rules that turn registers into a vehicle state, and the value that tells the word order.

use site_model::VehicleState;

use super::{Context, condition};
use crate::fault::Report;
use crate::profile::{PollClass, StateRule, WordProbe};
use crate::raw::{RawCondition, RawStateRule, RawWordProbe};
use crate::read::Record;

pub(super) fn check(
    raw: &[RawStateRule],
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<StateRule>> {
    check_reach(raw, report);
    check_states(raw, report);
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

/// Without A, B and C no session begins or ends.
fn check_states(raw: &[RawStateRule], report: &mut Report<'_>) {
    let Some(first) = raw.first() else {
        return;
    };
    for state in [VehicleState::A, VehicleState::B, VehicleState::C] {
        if !raw.iter().any(|rule| rule.is.value.0 == state) {
            let problem = format!("no state rule gives {state}");
            let remedy = format!("Add a `[[state]]` rule with `is = \"{state}\"`");
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
    let bounds = condition::value_bounds(&raw.between, "between", unit, raw.at(), report);
    let (low, high) = bounds?;
    Some(WordProbe {
        register: raw.register.value.clone(),
        low,
        high,
    })
}
