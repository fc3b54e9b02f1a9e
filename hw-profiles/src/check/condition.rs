//! Checks conditions, and finds out which of them can never hold together.

use super::{Context, is_float, is_text, largest_raw};
use crate::fault::Report;
use crate::profile::{Condition, RawMatch};
use crate::raw::{RawCondition, RawRegister, TypeWord};
use crate::read::{At, Record};
use crate::unit::{Bound, Unit};

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
    let register = context.register(&raw.register, report);
    let unit = register.and_then(|register| register.unit);
    let test = test(raw, unit.map(|unit| unit.value), report);
    let (register, test) = (register?, test?);
    check_fit(raw, &test, register, report);
    Some(Condition {
        register: raw.register.value.clone(),
        mask: raw.mask.map(|mask| mask.value),
        test,
    })
}

/// The one test of a condition.
fn test(raw: &RawCondition, unit: Option<Unit>, report: &mut Report<'_>) -> Option<RawMatch> {
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
    if let Some(bounds) = &raw.value_between {
        let (low, high) = value_bounds(bounds, "value_between", unit, raw.at(), report)?;
        tests.push(RawMatch::ValueBetween(low, high));
    }
    if tests.len() != 1 {
        let problem = format!("a condition with {} tests", tests.len());
        let remedy = "Give exactly one of `one_of`, `between`, `bits_set`, `bits_clear`, `text`, \
             `value_between`; \
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

/// Two bounds in the unit of a register, as whole base units.
pub(super) fn value_bounds(
    bounds: &[At<Bound>],
    key: &str,
    unit: Option<Unit>,
    at: usize,
    report: &mut Report<'_>,
) -> Option<(i64, i64)> {
    let [low, high] = bounds else {
        let problem = format!("`{key}` has {} bounds", bounds.len());
        let remedy = format!("Write two: `{key} = [\"45\", \"65\"]`, both included");
        report.fault(at, problem, remedy);
        return None;
    };
    let mut whole = |bound: &At<Bound>| {
        let base = bound.value.in_base(unit);
        if base.is_none() {
            let problem = format!("a bound of `{key}` is finer than the values are");
            let remedy = "Write whole mA, mV, mHz, W, VA, Wh or VAh, or their multiples";
            report.fault(bound.at, problem, remedy);
        }
        base
    };
    let (low_base, high_base) = (whole(low), whole(high));
    let (low_base, high_base) = (low_base?, high_base?);
    if low_base > high_base {
        let problem = format!("`{key}` runs downwards");
        report.fault(low.at, problem, "Write the lower bound first");
    }
    Some((low_base, high_base))
}

/// The test must be one that this register's type can pass.
fn check_fit(raw: &RawCondition, test: &RawMatch, register: &RawRegister, report: &mut Report<'_>) {
    let name = &raw.register.value;
    let word = register.r#type.value;
    if let RawMatch::ValueBetween(..) = test {
        check_value_fit(raw, register, report);
        return;
    }
    if is_float(word) {
        let problem = format!("a condition on the raw number of `{name}`, which is a float");
        report.fault(raw.at(), problem, "Use `value_between`");
        return;
    }
    check_mask(raw, test, report);
    let numbers = match test {
        RawMatch::OneOf(values) => values.clone(),
        RawMatch::Between(low, high) => vec![*low, *high],
        RawMatch::BitsSet(mask) | RawMatch::BitsClear(mask) => mask_bits(*mask, raw, report),
        RawMatch::Text(texts) => {
            check_texts(texts, word, raw, report);
            return;
        }
        RawMatch::ValueBetween(..) => return,
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

/// A value is a number, and bits are not looked at.
fn check_value_fit(raw: &RawCondition, register: &RawRegister, report: &mut Report<'_>) {
    let name = &raw.register.value;
    if is_text(register.r#type.value) {
        let problem = format!("`value_between` on `{name}`, which is a text");
        report.fault(raw.at(), problem, "Use `text`, or `between` on its digits");
    }
    if let Some(mask) = raw.mask {
        let remedy = "Remove `mask`, or test the raw number with `one_of` or `between`";
        report.fault(mask.at, "a mask on a value", remedy);
    }
}

/// A mask belongs to numbers, and leaves something to look at.
fn check_mask(raw: &RawCondition, test: &RawMatch, report: &mut Report<'_>) {
    let Some(mask) = raw.mask else {
        return;
    };
    let name = &raw.register.value;
    let bounds = match test {
        RawMatch::OneOf(values) => values.clone(),
        RawMatch::Between(_, high) => vec![*high],
        RawMatch::BitsSet(_)
        | RawMatch::BitsClear(_)
        | RawMatch::Text(_)
        | RawMatch::ValueBetween(..) => {
            let remedy = "Remove `mask`, or use it with `one_of` or `between`";
            report.fault(mask.at, "`mask` with another test", remedy);
            return;
        }
    };
    if mask.value == 0 {
        let problem = format!("a condition on `{name}` with an empty mask");
        let remedy = "Write the bits to look at, for instance 0x7F00";
        report.fault(mask.at, problem, remedy);
    } else if let Some(bad) = bounds.iter().find(|value| **value > mask.value) {
        let problem = format!("a condition on `{name}` with {bad}, which the mask never leaves");
        report.fault(raw.at(), problem, "Correct the mask or the value");
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
            .any(|r| l.register == r.register && exclusive(l, r))
    })
}

/// Tests behind different masks are compared only where one lists the raw numbers themselves.
fn exclusive(left: &Condition, right: &Condition) -> bool {
    if left.mask == right.mask {
        return excludes(&left.test, &right.test);
    }
    let lists = |list: &Condition, other: &Condition| match (&list.test, list.mask) {
        (RawMatch::OneOf(values), None) if is_numeric(&other.test) => {
            values.iter().all(|raw| !other.holds_for(*raw))
        }
        _ => false,
    };
    lists(left, right) || lists(right, left)
}

/// Whether a test looks at raw numbers.
const fn is_numeric(test: &RawMatch) -> bool {
    !matches!(test, RawMatch::Text(_) | RawMatch::ValueBetween(..))
}

fn excludes(left: &RawMatch, right: &RawMatch) -> bool {
    match (left, right) {
        (RawMatch::ValueBetween(a, b), RawMatch::ValueBetween(c, d)) => b < c || d < a,
        (RawMatch::OneOf(values), other) | (other, RawMatch::OneOf(values))
            if is_numeric(other) =>
        {
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
        use RawMatch::{Between, BitsClear, BitsSet, OneOf, Text, ValueBetween};
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
            (texts(&["12"]), OneOf(vec![12]), false),
            (ValueBetween(0, 4), ValueBetween(5, 9), true),
            (ValueBetween(0, 5), ValueBetween(5, 9), false),
            (ValueBetween(0, 4), OneOf(vec![5]), false),
        ];
        for (left, right, expected) in cases {
            assert_eq!(excludes(&left, &right), expected, "{left:?} {right:?}");
            assert_eq!(excludes(&right, &left), expected, "{right:?} {left:?}");
        }
    }

    #[test]
    fn a_mask_hides_what_would_exclude() {
        let masked = |mask, test| Condition {
            register: "x".to_owned(),
            mask,
            test,
        };
        let one_of = |mask, value| masked(mask, RawMatch::OneOf(vec![value]));
        let low = one_of(Some(0x00FF), 1);
        let cases = [
            (one_of(Some(0x00FF), 2), true, "same mask, other value"),
            (one_of(Some(0xFF00), 0x0200), false, "other bits"),
            (one_of(None, 0x0201), false, "a number that passes both"),
            (one_of(None, 0x0202), true, "a number that passes one"),
            (masked(None, RawMatch::ValueBetween(5, 6)), false, "a value"),
        ];
        for (other, expected, what) in cases {
            assert_eq!(exclusive(&low, &other), expected, "{what}");
            assert_eq!(exclusive(&other, &low), expected, "{what}");
        }
    }
}
