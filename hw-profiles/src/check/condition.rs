//! Checks conditions, and finds out which of them can never hold together.

use super::{Context, is_float, is_text, largest_raw};
use crate::fault::Report;
use crate::profile::{Condition, RawMatch};
use crate::raw::{RawCondition, RawRegister, TypeWord};
use crate::read::{At, Record};

/// Checks a list of conditions.
pub(super) fn check_all(
    raw: &[RawCondition],
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<Condition>> {
    let checked: Vec<Option<Condition>> = raw
        .iter()
        .map(|condition| check(condition, context, report))
        .collect();
    checked.into_iter().collect()
}

/// Checks one condition.
pub(super) fn check(
    raw: &RawCondition,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Condition> {
    let test = test(raw, report);
    let register = context.register(&raw.register, report)?;
    let test = test?;
    check_fit(raw, &test, register, report);
    Some(Condition {
        register: raw.register.value.clone(),
        test,
    })
}

/// The one test of a condition.
fn test(raw: &RawCondition, report: &mut Report<'_>) -> Option<RawMatch> {
    let mut tests: Vec<RawMatch> = Vec::new();
    if let Some(values) = &raw.one_of {
        tests.push(RawMatch::OneOf(values.iter().map(|v| v.value).collect()));
    }
    if let Some(bounds) = &raw.between {
        tests.push(between(bounds, raw.at(), report)?);
    }
    tests.extend(raw.bits_set.map(|mask| RawMatch::BitsSet(mask.value)));
    tests.extend(raw.bits_clear.map(|mask| RawMatch::BitsClear(mask.value)));
    if let Some(texts) = &raw.text {
        tests.push(RawMatch::Text(
            texts.iter().map(|t| t.value.clone()).collect(),
        ));
    }
    if tests.len() != 1 {
        let problem = format!("a condition with {} tests", tests.len());
        let remedy = "Give exactly one of `one_of`, `between`, `bits_set`, `bits_clear`, `text`; \
             conditions of a list must all hold";
        report.fault(raw.at(), problem, remedy);
        return None;
    }
    tests.pop()
}

fn between(bounds: &[At<u64>], at: usize, report: &mut Report<'_>) -> Option<RawMatch> {
    match bounds {
        [low, high] if low.value <= high.value => Some(RawMatch::Between(low.value, high.value)),
        [low, high] => {
            let problem = format!("`between` runs from {} down to {}", low.value, high.value);
            report.fault(low.at, problem, "Write the lower bound first");
            None
        }
        _ => {
            let problem = format!("`between` has {} bounds", bounds.len());
            report.fault(at, problem, "Write two: `between = [1, 5]`, both included");
            None
        }
    }
}

/// The test must be one that this register's type can pass.
fn check_fit(raw: &RawCondition, test: &RawMatch, register: &RawRegister, report: &mut Report<'_>) {
    let name = &raw.register.value;
    let word = register.r#type.value;
    if is_float(word) {
        let problem = format!("a condition on `{name}`, which is a float");
        report.fault(raw.at(), problem, "Test an integer or text register");
        return;
    }
    let numbers = match test {
        RawMatch::OneOf(values) => values.clone(),
        RawMatch::Between(low, high) => vec![*low, *high],
        RawMatch::BitsSet(mask) | RawMatch::BitsClear(mask) => mask_bits(*mask, raw, report),
        RawMatch::Text(texts) => {
            check_texts(texts, word, raw, report);
            return;
        }
    };
    if numbers.is_empty() {
        let remedy = "Write at least one value";
        report.fault(
            raw.at(),
            format!("a condition on `{name}` without values"),
            remedy,
        );
    }
    for number in numbers {
        if !is_text(word) && number > largest_raw(word) {
            let problem = format!("a condition on `{name}` with {number}, which it never is");
            let remedy = format!("Write at most {}", largest_raw(word));
            report.fault(raw.at(), problem, remedy);
        }
    }
}

fn mask_bits(mask: u64, raw: &RawCondition, report: &mut Report<'_>) -> Vec<u64> {
    if mask == 0 {
        let problem = format!("a condition on `{}` with an empty mask", raw.register.value);
        report.fault(
            raw.at(),
            problem,
            "Write the bits to look at, for instance 0x0004",
        );
    }
    vec![mask]
}

fn check_texts(texts: &[String], word: TypeWord, raw: &RawCondition, report: &mut Report<'_>) {
    let name = &raw.register.value;
    if !is_text(word) {
        let problem = format!("a `text` condition on `{name}`, which is a number");
        report.fault(
            raw.at(),
            problem,
            "Use `one_of`, `between`, `bits_set` or `bits_clear`",
        );
    } else if texts.is_empty() {
        let remedy = "Write at least one value";
        report.fault(
            raw.at(),
            format!("a condition on `{name}` without values"),
            remedy,
        );
    }
}

/// Whether two lists of conditions can never hold at the same time, as far as one register tells.
pub(super) fn disjoint(left: &[Condition], right: &[Condition]) -> bool {
    left.iter().any(|l| {
        right
            .iter()
            .any(|r| l.register == r.register && excludes(&l.test, &r.test))
    })
}

fn excludes(left: &RawMatch, right: &RawMatch) -> bool {
    match (left, right) {
        (RawMatch::OneOf(values), other) | (other, RawMatch::OneOf(values)) => {
            values.iter().all(|value| !other.holds_for(*value))
        }
        (RawMatch::Between(a, b), RawMatch::Between(c, d)) => b < c || d < a,
        (RawMatch::BitsSet(set), RawMatch::BitsClear(clear))
        | (RawMatch::BitsClear(clear), RawMatch::BitsSet(set)) => set & clear != 0,
        (RawMatch::Text(a), RawMatch::Text(b)) => !a.iter().any(|text| b.contains(text)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_exclude_each_other_only_when_no_value_passes_both() {
        use RawMatch::{Between, BitsClear, BitsSet, OneOf, Text};
        let texts = |list: &[&str]| Text(list.iter().map(|t| (*t).to_owned()).collect());
        let cases = [
            (Between(0, 4), Between(5, 9), true),
            (Between(0, 5), Between(5, 9), false),
            (OneOf(vec![1, 2]), Between(2, 9), false),
            (OneOf(vec![1]), Between(2, 9), true),
            (OneOf(vec![1]), OneOf(vec![2]), true),
            (OneOf(vec![4]), BitsClear(4), true),
            (OneOf(vec![4]), BitsSet(4), false),
            (BitsSet(4), BitsClear(6), true),
            (BitsSet(4), BitsClear(2), false),
            (BitsSet(4), BitsSet(2), false),
            (Between(0, 3), BitsSet(4), false),
            (texts(&["A"]), texts(&["B"]), true),
            (texts(&["A", "B"]), texts(&["B"]), false),
        ];
        for (left, right, expected) in cases {
            assert_eq!(excludes(&left, &right), expected, "{left:?} {right:?}");
            assert_eq!(excludes(&right, &left), expected, "{right:?} {left:?}");
        }
    }
}
