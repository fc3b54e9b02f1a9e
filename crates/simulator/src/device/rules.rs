//! Conditions and state rules of a profile, evaluated here a second time and, which only the
//! simulator needs, backwards: which raw values mean "vehicle charging, not paused"?

use std::collections::BTreeMap;

use hw_profiles::{Condition, Profile, RawMatch, Register, RegisterType, StateRule};
use site_model::VehicleState;

use super::value::{RawValue, digits, largest_bits};

/// Raw values by register name.
pub(crate) type RawValues = BTreeMap<String, RawValue>;

/// Whether a raw value passes a test.
pub(crate) fn passes(test: &RawMatch, raw: &RawValue) -> bool {
    let number = match raw {
        RawValue::Number(number) => Some(*number),
        RawValue::Text(text) => digits(text),
    };
    match test {
        RawMatch::OneOf(list) => number.is_some_and(|n| list.contains(&n)),
        RawMatch::Between(low, high) => number.is_some_and(|n| (*low..=*high).contains(&n)),
        RawMatch::BitsSet(mask) => number.is_some_and(|n| n & mask == *mask),
        RawMatch::BitsClear(mask) => number.is_some_and(|n| n & mask == 0),
        RawMatch::Text(list) => match raw {
            RawValue::Text(text) => list.iter().any(|wanted| wanted == text.trim()),
            RawValue::Number(_) => false,
        },
    }
}

/// Whether all conditions hold; one on an unknown register does not.
pub(crate) fn all_hold(conditions: &[Condition], values: &RawValues) -> bool {
    conditions.iter().all(|condition| {
        values
            .get(&condition.register)
            .is_some_and(|raw| passes(&condition.test, raw))
    })
}

/// State by the first rule that holds.
pub(crate) fn state_of(rules: &[StateRule], values: &RawValues) -> Option<VehicleState> {
    let rule = rules.iter().find(|rule| all_hold(&rule.when, values))?;
    Some(rule.state)
}

/// Raw values that these tests tell apart: each named one, the ends of ranges, bit masks, and the
/// neighbours of all of them, as far as the type can hold them.
pub(crate) fn candidates<'a>(
    register: &Register,
    tests: impl Iterator<Item = &'a RawMatch>,
) -> Vec<RawValue> {
    let mut named = Vec::new();
    let mut masks = vec![0_u64];
    let mut texts = Vec::new();
    for test in tests {
        match test {
            RawMatch::OneOf(list) => named.extend(list.iter().copied()),
            RawMatch::Between(low, high) => named.extend([*low, *high]),
            RawMatch::BitsSet(mask) | RawMatch::BitsClear(mask) => add_mask(&mut masks, *mask),
            RawMatch::Text(list) => texts.extend(list.iter().cloned()),
        }
    }
    let neighbours = named
        .iter()
        .flat_map(|n| [n.wrapping_sub(1), n.wrapping_add(1)]);
    let numbers = named.iter().copied().chain(neighbours).chain(masks);
    let largest = largest_bits(register.ty);
    let mut found: Vec<RawValue> = texts.into_iter().map(RawValue::Text).collect();
    for number in numbers.filter(|n| largest.is_none_or(|largest| *n <= largest)) {
        let raw = match register.ty {
            RegisterType::Ascii { .. } | RegisterType::Utf16 { .. } => {
                RawValue::Text(number.to_string())
            }
            RegisterType::U16
            | RegisterType::I16
            | RegisterType::U32
            | RegisterType::I32
            | RegisterType::U64
            | RegisterType::I64
            | RegisterType::F32
            | RegisterType::F64 => RawValue::Number(number),
        };
        if !found.contains(&raw) {
            found.push(raw);
        }
    }
    found
}

/// At most this many unions of bit masks are tried per register.
const MAX_MASKS: usize = 64;

fn add_mask(masks: &mut Vec<u64>, mask: u64) {
    for index in 0..masks.len() {
        let union = masks[index] | mask;
        if masks.len() < MAX_MASKS && !masks.contains(&union) {
            masks.push(union);
        }
    }
}

/// At most this many combinations of raw values are tried.
const MAX_COMBINATIONS: usize = 20_000;

/// Raw values for the registers that tell the vehicle's state.
///
/// `natural` holds what registers with a quantity show anyhow and what is fixed; such values are
/// kept unless the state cannot be said with them. Among several answers one of values that rules
/// name, and that the other rules contradict least, wins. `None` if no combination means `state`.
pub(crate) fn values_for_state(
    profile: &Profile,
    state: VehicleState,
    paused: bool,
    natural: &RawValues,
) -> Option<RawValues> {
    let names = telling_names(profile);
    let choices: Vec<Vec<RawValue>> = names.iter().map(|n| choices(profile, n, natural)).collect();
    let combinations: usize = choices.iter().map(Vec::len).product();
    let mut best: Option<(usize, RawValues)> = None;
    for index in 0..combinations.min(MAX_COMBINATIONS) {
        let mut values = natural.clone();
        let mut rest = index;
        let mut changed = 0;
        for (name, choices) in names.iter().zip(&choices).rev() {
            let raw = &choices[rest % choices.len()];
            rest /= choices.len();
            changed += usize::from(natural.get(name).is_some_and(|kept| kept != raw));
            values.insert(name.clone(), raw.clone());
        }
        if state_of(&profile.state_rules, &values) != Some(state) {
            continue;
        }
        let score = 1000 * usize::from(pause_shown(profile, &values) != paused)
            + 100 * changed
            + 10 * unnamed(profile, &names, &values)
            + contradicting(&profile.state_rules, state, &values);
        if best.as_ref().is_none_or(|(least, _)| score < *least) {
            best = Some((score, values));
        }
    }
    best.map(|(_, values)| values)
}

/// Names of the registers that state rules and the sign of a pause look at.
pub(crate) fn telling_names(profile: &Profile) -> Vec<String> {
    let mut names = Vec::new();
    for condition in telling_conditions(profile) {
        if !names.contains(&condition.register) {
            names.push(condition.register.clone());
        }
    }
    names
}

fn telling_conditions(profile: &Profile) -> impl Iterator<Item = &Condition> {
    let rules = profile.state_rules.iter().flat_map(|rule| &rule.when);
    rules.chain(profile.limit.iter().flat_map(|limit| &limit.paused_when))
}

fn choices(profile: &Profile, name: &str, natural: &RawValues) -> Vec<RawValue> {
    let tests = telling_conditions(profile)
        .filter(|condition| condition.register == name)
        .map(|condition| &condition.test);
    let register = profile.registers.iter().find(|r| r.name == name);
    let mut found: Vec<RawValue> = natural.get(name).cloned().into_iter().collect();
    if let Some(register) = register {
        found.extend(candidates(register, tests));
    }
    if found.is_empty() {
        found.push(RawValue::Number(0));
    }
    found
}

/// Whether the registers say "paused" beside the limit. A profile without such a sign never
/// contradicts.
fn pause_shown(profile: &Profile, values: &RawValues) -> bool {
    profile
        .limit
        .as_ref()
        .is_some_and(|limit| !limit.paused_when.is_empty() && all_hold(&limit.paused_when, values))
}

/// How much the rules that hold but say another state contradict: most those of energy and errors.
fn contradicting(rules: &[StateRule], state: VehicleState, values: &RawValues) -> usize {
    let others = rules
        .iter()
        .filter(|rule| rule.state != state && all_hold(&rule.when, values));
    let weights = others.map(|rule| match rule.state {
        VehicleState::A | VehicleState::B => 1,
        VehicleState::C
        | VehicleState::D
        | VehicleState::E
        | VehicleState::F
        | VehicleState::Fault => 30,
    });
    weights.sum()
}

/// How many registers show a number that no rule names, only because it is next to a named one.
fn unnamed(profile: &Profile, names: &[String], values: &RawValues) -> usize {
    let is_unnamed = |name: &&String| {
        let mut tests = telling_conditions(profile).filter(|c| c.register == **name);
        !tests.any(|condition| {
            values
                .get(*name)
                .is_some_and(|raw| passes(&condition.test, raw))
        })
    };
    names.iter().filter(is_unnamed).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::samples::{heidelberg_like, keba_like};

    #[test]
    fn every_state_of_one_register_is_found() {
        let profile = heidelberg_like();
        for (state, raw) in [
            (VehicleState::A, 2),
            (VehicleState::B, 4),
            (VehicleState::C, 6),
            (VehicleState::Fault, 9),
        ] {
            let values = values_for_state(&profile, state, false, &RawValues::new());
            let expected = RawValues::from([("state".to_owned(), RawValue::Number(raw))]);
            assert_eq!(values, Some(expected), "{state}");
        }
        assert_eq!(
            values_for_state(&profile, VehicleState::D, false, &RawValues::new()),
            None
        );
    }

    #[test]
    fn two_registers_and_the_sign_of_a_pause_are_solved_together() {
        let profile = keba_like();
        for state in [
            VehicleState::A,
            VehicleState::B,
            VehicleState::C,
            VehicleState::Fault,
        ] {
            let values = values_for_state(&profile, state, false, &RawValues::new()).unwrap();
            assert_eq!(state_of(&profile.state_rules, &values), Some(state));
            assert!(!pause_shown(&profile, &values), "{state}: {values:?}");
        }
        let paused = values_for_state(&profile, VehicleState::B, true, &RawValues::new()).unwrap();
        assert_eq!(
            state_of(&profile.state_rules, &paused),
            Some(VehicleState::B)
        );
        assert!(pause_shown(&profile, &paused));
    }

    #[test]
    fn an_empty_parking_space_does_not_say_charging() {
        let values =
            values_for_state(&keba_like(), VehicleState::A, false, &RawValues::new()).unwrap();
        assert_ne!(values["state"], RawValue::Number(3));
    }

    #[test]
    fn tests_on_raw_values_follow_their_words() {
        let n = RawValue::Number;
        let t = |text: &str| RawValue::Text(text.to_owned());
        assert!(passes(&RawMatch::OneOf(vec![1, 5]), &n(5)));
        assert!(!passes(&RawMatch::OneOf(vec![1, 5]), &n(4)));
        assert!(passes(&RawMatch::Between(2, 4), &n(4)));
        assert!(!passes(&RawMatch::Between(2, 4), &n(5)));
        assert!(passes(&RawMatch::BitsSet(6), &n(7)));
        assert!(!passes(&RawMatch::BitsSet(6), &n(5)));
        assert!(passes(&RawMatch::BitsClear(6), &n(9)));
        assert!(!passes(&RawMatch::BitsClear(6), &n(2)));
        assert!(passes(&RawMatch::Between(522, 600), &t("5.22")));
        assert!(passes(&RawMatch::Text(vec!["C2".to_owned()]), &t("C2 ")));
        assert!(!passes(&RawMatch::Text(vec!["C2".to_owned()]), &n(2)));
    }
}
