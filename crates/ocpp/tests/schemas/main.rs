//! Every message of both versions against the official schemas, which the private Python
//! environment holds (`tests/run packages` makes it).
#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

mod instances;
mod mutations;
mod official;

use ocpp::{Action, Leniency, Payload, Tolerated, Understood, Violation};
use serde_json::Value;

use official::{Official, Side};

/// Reads a payload of either side and gives back what was understood, as JSON.
fn read<V: ocpp::Version>(
    side: Side,
    action: V::Action,
    payload: Value,
) -> Result<(Value, Vec<Tolerated>), Violation> {
    fn told<P: Payload>(understood: Understood<P>) -> (Value, Vec<Tolerated>) {
        (understood.value.to_value(), understood.tolerated)
    }
    match side {
        Side::Request => V::Request::parse(action, payload).map(told),
        Side::Response => V::Response::parse(action, payload).map(told),
    }
}

/// What even a valid message is told for.
fn harmless(tolerated: &Tolerated) -> bool {
    matches!(
        tolerated.leniency,
        Leniency::WholeAsFraction | Leniency::TransactionZero | Leniency::Empty
    )
}

/// Runs a check for every schema of a version and says how many instances it saw.
fn for_every_schema<V: ocpp::Version>(
    mut check: impl FnMut(&Official, Side, V::Action) -> usize,
) -> (usize, usize) {
    let folder = official::folder(V::NAME);
    let (mut schemas, mut seen) = (0, 0);
    for action in V::Action::ALL {
        for side in [Side::Request, Side::Response] {
            let official = Official::load(&folder, V::NAME, action.name(), side);
            seen += check(&official, side, *action);
            schemas += 1;
        }
    }
    (schemas, seen)
}

fn valid_messages_come_back_valid_and_equal<V: ocpp::Version>() -> (usize, usize) {
    for_every_schema::<V>(|official, side, action| {
        let all = instances::of(&official.root);
        for instance in &all {
            official.assert_valid(instance, "made by this test");
            let (back, tolerated) = read::<V>(side, action, instance.clone())
                .unwrap_or_else(|violation| panic!("{action} {side:?}: {violation}\n{instance}"));
            let told: Vec<_> = tolerated.iter().filter(|told| !harmless(told)).collect();
            assert!(told.is_empty(), "{action} {side:?}: {told:?}\n{instance}");
            official.assert_valid(&back, "written by the crate");
            assert_eq!(
                instances::normal(&back),
                instances::normal(instance),
                "{action} {side:?}"
            );
        }
        all.len()
    })
}

/// A message that breaks its schema is refused with the right kind of violation, or understood with
/// a word about it; what is understood is valid.
fn invalid_messages_are_refused_or_told<V: ocpp::Version>() -> (usize, usize) {
    for_every_schema::<V>(|official, side, action| {
        let all = mutations::of(&official.root);
        for mutation in &all {
            let context = || format!("{action} {side:?}: {mutation:?}");
            assert!(!official.is_valid(&mutation.payload), "{}", context());
            match read::<V>(side, action, mutation.payload.clone()) {
                Err(violation) => {
                    assert!(
                        mutation.kinds.contains(&violation.kind),
                        "{violation:?} {}",
                        context()
                    );
                }
                Ok((back, tolerated)) => {
                    assert!(!tolerated.is_empty(), "in silence: {}", context());
                    official.assert_valid(&back, "written by the crate");
                }
            }
        }
        all.len()
    })
}

#[test]
fn valid_messages_of_16_come_back_valid_and_equal() {
    let (schemas, seen) = valid_messages_come_back_valid_and_equal::<ocpp::v16::V16>();
    assert_eq!(schemas, 78);
    assert!(seen > 2_500, "only {seen} instances");
}

#[test]
fn valid_messages_of_201_come_back_valid_and_equal() {
    let (schemas, seen) = valid_messages_come_back_valid_and_equal::<ocpp::v201::V201>();
    assert_eq!(schemas, 128);
    assert!(seen > 5_000, "only {seen} instances");
}

#[test]
fn invalid_messages_of_16_are_refused_or_told() {
    let (_, seen) = invalid_messages_are_refused_or_told::<ocpp::v16::V16>();
    assert!(seen > 700, "only {seen} mutations");
}

#[test]
fn invalid_messages_of_201_are_refused_or_told() {
    let (_, seen) = invalid_messages_are_refused_or_told::<ocpp::v201::V201>();
    assert!(seen > 3_000, "only {seen} mutations");
}
