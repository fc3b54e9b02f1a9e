//! Holds every frame of a test's conversation, in both directions, to the messages of OCPP 1.6, which
//! `crates/ocpp/tests/schemas` holds to the official schemas. What a test sends against the rules on
//! purpose it sends as a text.

use std::collections::BTreeMap;

use ocpp::v16::{Action, Request, Response};
use ocpp::{Action as _, Payload};
use serde_json::Value;

/// What either end asked, by message id.
#[derive(Debug, Default)]
pub(super) struct Witness {
    of_station: BTreeMap<String, Action>,
    of_central_system: BTreeMap<String, Action>,
}

impl Witness {
    /// A frame of the charge point: valid without any leniency, and nothing in it that is not of its message.
    pub(super) fn heard(&mut self, frame: &Value) {
        match frame[0].as_u64() {
            Some(2) => {
                let action = action_of(frame);
                assert_eq!(strict::<Request>(action, &frame[3], frame), frame[3]);
                self.of_station.insert(id_of(frame), action);
            }
            Some(3) => {
                let asked = self.of_central_system.get(&id_of(frame));
                let action = *asked.unwrap_or_else(|| panic!("nobody asked for {frame}"));
                assert_eq!(strict::<Response>(action, &frame[2], frame), frame[2]);
            }
            Some(4) => {
                let told = [&frame[2], &frame[3]].map(|field| field.as_str().map(str::len));
                let fits = matches!(told, [Some(_), Some(0..=255)]) && frame[4].is_object();
                assert!(fits, "no error of OCPP-J: {frame}");
            }
            Some(_) | None => panic!("no frame of OCPP-J: {frame}"),
        }
    }

    /// Whatever it was: if it is a call, it may be answered.
    pub(super) fn sent(&mut self, text: &str) {
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        let action = frame[2].as_str().and_then(Action::from_name);
        if let (Some(2), Some(id), Some(action)) = (frame[0].as_u64(), frame[1].as_str(), action) {
            self.of_central_system.insert(id.to_owned(), action);
        }
    }

    /// A call or an answer of the central system: valid without any leniency.
    pub(super) fn said(&mut self, frame: &Value) {
        if frame[0] == 2 {
            let action = action_of(frame);
            strict::<Request>(action, &frame[3], frame);
            self.of_central_system.insert(id_of(frame), action);
        } else {
            let asked = self.of_station.get(&id_of(frame));
            let action = *asked.unwrap_or_else(|| panic!("nobody asked for {frame}"));
            strict::<Response>(action, &frame[2], frame);
        }
    }
}

fn id_of(frame: &Value) -> String {
    let id = frame[1].as_str().filter(|id| (1..=36).contains(&id.len()));
    id.unwrap_or_else(|| panic!("no message id: {frame}"))
        .to_owned()
}

fn action_of(frame: &Value) -> Action {
    let action = frame[2].as_str().and_then(Action::from_name);
    action.unwrap_or_else(|| panic!("no action of OCPP 1.6: {frame}"))
}

/// What was read, written again.
fn strict<P: Payload<Action = Action>>(action: Action, payload: &Value, frame: &Value) -> Value {
    let read = P::parse(action, payload.clone());
    let read = read.unwrap_or_else(|why| panic!("{why}: {frame}"));
    assert_eq!(read.tolerated, [], "{frame}");
    read.value.to_value()
}

#[test]
fn the_witness_notices_what_breaks_a_schema_in_either_direction() {
    use serde_json::json;
    let breaks = |check: fn(&mut Witness)| {
        let mut witness = Witness::default();
        witness.heard(&json!([2, "h", "Heartbeat", {}]));
        witness.said(&json!([2, "r", "Reset", {"type": "Soft"}]));
        std::panic::catch_unwind(move || check(&mut witness)).is_err()
    };
    assert!(!breaks(
        |fine| fine.heard(&json!([3, "r", {"status": "Accepted"}]))
    ));
    assert!(breaks(|bad| bad.heard(&json!([3, "r", {"status": "Done"}]))));
    assert!(breaks(
        |bad| bad.heard(&json!([3, "q", {"status": "Accepted"}]))
    ));
    assert!(breaks(|bad| bad.heard(&json!([2, "1", "Nonsense", {}]))));
    assert!(breaks(
        |bad| bad.heard(&json!([2, "1", "Heartbeat", {"more": 1}]))
    ));
    assert!(breaks(|bad| bad.heard(&json!([4, "r", "InternalError"]))));
    assert!(breaks(|bad| bad.said(&json!([2, "2", "Reset", {}]))));
    assert!(breaks(
        |bad| bad.said(&json!([3, "h", {"currentTime": "noon"}]))
    ));
}
