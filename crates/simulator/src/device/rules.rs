//! Conditions and state rules of a profile, evaluated here a second time and, which only the
//! simulator needs, backwards: which raw values mean "vehicle charging, not paused"?

use std::collections::{BTreeMap, BTreeSet};

use hw_profiles::{Condition, Profile, RawMatch, Register};
use site_model::VehicleState;

use super::identity::exponent_of;
use super::value::{Form, RawValue, base_value, digits, form, largest_bits, raw_of};

/// Raw values by register name.
pub(crate) type RawValues = BTreeMap<String, RawValue>;

/// Whether a raw value passes a test.
pub(crate) fn passes(profile: &Profile, condition: &Condition, raw: &RawValue) -> bool {
    let number = match raw {
        RawValue::Number(number) => Some(*number),
        RawValue::Text(text) => digits(text),
    };
    let masked = number.map(|number| number & condition.mask.unwrap_or(u64::MAX));
    match &condition.test {
        RawMatch::OneOf(list) => masked.is_some_and(|n| list.contains(&n)),
        RawMatch::Between(low, high) => masked.is_some_and(|n| (*low..=*high).contains(&n)),
        RawMatch::BitsSet(mask) => masked.is_some_and(|n| n & mask == *mask),
        RawMatch::BitsClear(mask) => masked.is_some_and(|n| n & mask == 0),
        RawMatch::Text(list) => match raw {
            RawValue::Text(text) => list.iter().any(|wanted| wanted == text.trim()),
            RawValue::Number(_) => false,
        },
        RawMatch::ValueBetween(low, high) => {
            let register = profile.register(&condition.register);
            let value = number.zip(register).map(|(number, register)| {
                base_value(register, exponent_of(profile, register), number)
            });
            value.is_some_and(|value| (i128::from(*low)..=i128::from(*high)).contains(&value))
        }
    }
}

/// Whether all conditions hold; one on an unknown register does not.
pub(crate) fn all_hold(profile: &Profile, conditions: &[Condition], values: &RawValues) -> bool {
    conditions.iter().all(|condition| {
        values
            .get(&condition.register)
            .is_some_and(|raw| passes(profile, condition, raw))
    })
}

/// State by the first rule that holds.
pub(crate) fn state_of(profile: &Profile, values: &RawValues) -> Option<VehicleState> {
    let mut rules = profile.state_rules.iter();
    let rule = rules.find(|rule| all_hold(profile, &rule.when, values))?;
    Some(rule.state)
}

/// Raw values that these tests tell apart: each named one, the ends of ranges, bit masks, and the
/// neighbours of all of them, as far as the type can hold them.
pub(crate) fn candidates<'a>(
    profile: &Profile,
    register: &Register,
    conditions: impl Iterator<Item = &'a Condition>,
) -> Vec<RawValue> {
    let mut named = Vec::new();
    let mut masks = vec![0_u64];
    let mut texts = Vec::new();
    let mut steps = vec![1];
    let mut parts: Vec<(u64, u64)> = Vec::new();
    let exponent = exponent_of(profile, register);
    for condition in conditions {
        // What a mask hides does not count: its neighbours are one of its own steps away.
        let mask = condition.mask.filter(|mask| *mask != 0);
        steps.extend(mask.map(|mask| 1_u64 << mask.trailing_zeros()));
        match &condition.test {
            RawMatch::OneOf(list) => {
                named.extend(list.iter().copied());
                parts.extend(list.iter().filter_map(|raw| Some((mask?, *raw))));
            }
            RawMatch::Between(low, high) => {
                named.extend([*low, *high]);
                parts.extend(mask.map(|mask| (mask, *low)));
            }
            RawMatch::BitsSet(mask) | RawMatch::BitsClear(mask) => add_mask(&mut masks, *mask),
            RawMatch::Text(list) => texts.extend(list.iter().cloned()),
            RawMatch::ValueBetween(low, high) => {
                let middle = low.midpoint(*high);
                let raws = [middle, *low, *high].map(|value| raw_of(register, exponent, value));
                named.extend(raws.into_iter().flatten());
            }
        }
    }
    named.extend(together(&parts));
    steps.sort_unstable();
    steps.dedup();
    let neighbours = named.iter().flat_map(|n| {
        let around = |step: &u64| [n.wrapping_sub(*step), n.wrapping_add(*step)];
        steps.iter().flat_map(around).collect::<Vec<u64>>()
    });
    let numbers = named.iter().copied().chain(neighbours).chain(masks);
    let largest = largest_bits(register.ty);
    let mut found: Vec<RawValue> = texts.into_iter().map(RawValue::Text).collect();
    for number in numbers.filter(|n| largest.is_none_or(|largest| *n <= largest)) {
        let raw = match form(register.ty) {
            Form::Text => RawValue::Text(number.to_string()),
            Form::Unsigned | Form::Signed | Form::Single | Form::Double => RawValue::Number(number),
        };
        if !found.contains(&raw) {
            found.push(raw);
        }
    }
    found
}

/// Values under masks that do not overlap, each two in one number.
fn together(parts: &[(u64, u64)]) -> Vec<u64> {
    let mut pairs = Vec::new();
    for (index, (mask, raw)) in parts.iter().enumerate() {
        for (other_mask, other) in &parts[..index] {
            if mask & other_mask == 0 && pairs.len() < MAX_MASKS {
                pairs.push(raw | other);
            }
        }
    }
    pairs
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
/// kept unless the state cannot be said with them, and those in `pinned` always. Among several
/// answers one of values that rules name, and that the other rules contradict least, wins. `None`
/// if no combination means `state`.
pub(crate) fn values_for_state(
    profile: &Profile,
    state: VehicleState,
    paused: bool,
    natural: &RawValues,
    pinned: &BTreeSet<String>,
) -> Option<RawValues> {
    let mut names = telling_names(profile);
    names.retain(|name| !pinned.contains(name));
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
        if state_of(profile, &values) != Some(state) {
            continue;
        }
        let score = 1000 * usize::from(pause_shown(profile, &values) != paused)
            + 500 * unlike(profile, &names, &values)
            + 100 * changed
            + 10 * unnamed(profile, &names, &values)
            + contradicting(profile, state, &values);
        if best.as_ref().is_none_or(|(least, _)| score < *least) {
            best = Some((score, values));
        }
    }
    best.map(|(_, values)| values)
}

/// Names of the registers that state rules and the sign of a pause look at, as far as they exist.
pub(crate) fn telling_names(profile: &Profile) -> Vec<String> {
    let mut names = Vec::new();
    for condition in telling_conditions(profile) {
        let exists = profile.register(&condition.register).is_some();
        if exists && !names.contains(&condition.register) {
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
    let tests = telling_conditions(profile).chain(&profile.probes);
    let tests = tests.filter(|condition| condition.register == name);
    let register = profile.register(name);
    let mut found: Vec<RawValue> = natural.get(name).cloned().into_iter().collect();
    if let Some(register) = register {
        found.extend(candidates(profile, register, tests));
    }
    if found.is_empty() {
        found.push(RawValue::Number(0));
    }
    found
}

/// Whether the registers say "paused" beside the limit. A profile without such a sign never
/// contradicts.
fn pause_shown(profile: &Profile, values: &RawValues) -> bool {
    let sign = profile.limit.as_ref().map(|limit| &limit.paused_when);
    sign.is_some_and(|sign| !sign.is_empty() && all_hold(profile, sign, values))
}

/// How much the rules that hold but say another state contradict: most those of energy and errors.
fn contradicting(profile: &Profile, state: VehicleState, values: &RawValues) -> usize {
    let others = profile
        .state_rules
        .iter()
        .filter(|rule| rule.state != state && all_hold(profile, &rule.when, values));
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

/// How many probes would not know the model by these registers.
fn unlike(profile: &Profile, names: &[String], values: &RawValues) -> usize {
    let probes = profile.probes.iter().filter(|probe| {
        let shown = values.get(&probe.register);
        names.contains(&probe.register) && !shown.is_some_and(|raw| passes(profile, probe, raw))
    });
    probes.count()
}

/// How many registers show a number that no rule names, only because it is next to a named one.
fn unnamed(profile: &Profile, names: &[String], values: &RawValues) -> usize {
    let is_unnamed = |name: &&String| {
        let mut tests = telling_conditions(profile).filter(|c| c.register == **name);
        !tests.any(|condition| {
            values
                .get(*name)
                .is_some_and(|raw| passes(profile, condition, raw))
        })
    };
    names.iter().filter(is_unnamed).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::samples::{heidelberg_like, keba_like};

    fn solved(profile: &Profile, state: VehicleState, paused: bool) -> Option<RawValues> {
        values_for_state(profile, state, paused, &RawValues::new(), &BTreeSet::new())
    }

    #[test]
    fn every_state_of_one_register_is_found() {
        let profile = heidelberg_like();
        for (state, raw) in [
            (VehicleState::A, 2),
            (VehicleState::B, 4),
            (VehicleState::C, 6),
            (VehicleState::Fault, 9),
        ] {
            let values = solved(&profile, state, false);
            let expected = RawValues::from([("state".to_owned(), RawValue::Number(raw))]);
            assert_eq!(values, Some(expected), "{state}");
        }
        assert_eq!(solved(&profile, VehicleState::D, false), None);
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
            let values = solved(&profile, state, false).unwrap();
            assert_eq!(state_of(&profile, &values), Some(state));
            assert!(!pause_shown(&profile, &values), "{state}: {values:?}");
        }
        let paused = solved(&profile, VehicleState::B, true).unwrap();
        assert_eq!(state_of(&profile, &paused), Some(VehicleState::B));
        assert!(pause_shown(&profile, &paused));
    }

    #[test]
    fn an_empty_parking_space_does_not_say_charging() {
        let values = solved(&keba_like(), VehicleState::A, false).unwrap();
        assert_ne!(values["state"], RawValue::Number(3));
    }

    #[test]
    fn tests_on_raw_values_follow_their_words() {
        let n = RawValue::Number;
        let t = |text: &str| RawValue::Text(text.to_owned());
        let profile = heidelberg_like();
        let passes = |test: RawMatch, mask: Option<u64>, raw: &RawValue| {
            let register = "current_l1".to_owned();
            let condition = Condition {
                register,
                mask,
                test,
            };
            passes(&profile, &condition, raw)
        };
        assert!(passes(RawMatch::OneOf(vec![1, 5]), None, &n(5)));
        assert!(!passes(RawMatch::OneOf(vec![1, 5]), None, &n(4)));
        assert!(passes(
            RawMatch::OneOf(vec![0x200]),
            Some(0xFF00),
            &n(0x2FF)
        ));
        assert!(!passes(
            RawMatch::OneOf(vec![0x200]),
            Some(0xFF00),
            &n(0x102)
        ));
        assert!(passes(RawMatch::Between(2, 4), None, &n(4)));
        assert!(!passes(RawMatch::Between(2, 4), None, &n(5)));
        assert!(passes(RawMatch::BitsSet(6), None, &n(7)));
        assert!(!passes(RawMatch::BitsSet(6), None, &n(5)));
        assert!(passes(RawMatch::BitsClear(6), None, &n(9)));
        assert!(!passes(RawMatch::BitsClear(6), None, &n(2)));
        assert!(passes(RawMatch::Between(522, 600), None, &t("5.22")));
        assert!(passes(
            RawMatch::Text(vec!["C2".to_owned()]),
            None,
            &t("C2 ")
        ));
        assert!(!passes(RawMatch::Text(vec!["C2".to_owned()]), None, &n(2)));
        // Tenths of an ampere: 60 counts are 6 000 mA.
        assert!(passes(RawMatch::ValueBetween(6_000, 7_000), None, &n(60)));
        assert!(!passes(RawMatch::ValueBetween(6_000, 7_000), None, &n(59)));
    }
}
