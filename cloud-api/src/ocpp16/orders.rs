//! What may be asked of a charge point, as calls of 1.6: valid by the schema before anything is sent.

use jiff::Timestamp;
use ocpp::v16::{Action, Request};
use ocpp::{Action as _, Payload as _, Sender};
use serde_json::{Map, Value, json};

use super::limit::PowerLimit;
use crate::command::Mark;
use crate::id_token::{Token, folded};

/// Profiles that set a connector's power limit have these ids, plus the connector's number.
const LIMIT_PROFILE: i64 = 9_000;

/// A call that is valid by its schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its action.
    pub action: &'static str,
    /// Its payload.
    pub payload: Value,
    /// What its completion is recognised by.
    pub mark: Mark,
    /// The limit that it sets, which some charge points take otherwise.
    pub limit: Option<PowerLimit>,
}

/// A limit, in one of the units of schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Of all phases together.
    Watts(i64),
    /// Of each phase, in tenths.
    TenthAmperes(i64),
}

impl Call {
    /// A call of an action by its name; the payload is held to the schema without any leniency.
    ///
    /// # Errors
    /// Which field, and what is wrong with it.
    pub fn new(action: &str, payload: Value) -> Result<Self, (String, String)> {
        let known = Action::from_name(action).filter(|action| action.sender() != Sender::Station);
        let Some(action) = known else {
            let rule = "is no action of OCPP 1.6 that a charge point takes";
            return Err(("command".to_owned(), rule.to_owned()));
        };
        let mark = mark(&payload);
        let field = |path: &str| match path {
            "" => "payload".to_owned(),
            path => format!("payload.{path}"),
        };
        match Request::parse(action, payload) {
            Err(violation) => Err((field(&violation.path), violation.problem)),
            Ok(understood) => match understood.tolerated.first() {
                Some(sloppy) => {
                    let told = sloppy.to_string();
                    let what = told.strip_prefix(&sloppy.path).unwrap_or(&told).trim();
                    Err((field(&sloppy.path), what.to_owned()))
                }
                None => Ok(Self {
                    action: action.name(),
                    payload: understood.value.to_value(),
                    mark,
                    limit: None,
                }),
            },
        }
    }

    /// Starts a session.
    ///
    /// # Errors
    /// As [`Call::new`].
    pub fn start(connector: Option<i64>, id_tag: &str) -> Result<Self, (String, String)> {
        let mut payload = json!({ "idTag": id_tag });
        if let Some(connector) = connector {
            payload["connectorId"] = connector.into();
        }
        Self::new("RemoteStartTransaction", payload)
    }

    /// Stops a transaction.
    ///
    /// # Errors
    /// As [`Call::new`].
    pub fn stop(transaction: i64) -> Result<Self, (String, String)> {
        Self::new(
            "RemoteStopTransaction",
            json!({ "transactionId": transaction }),
        )
    }

    /// Opens a connector for use, or closes it; 0 is the whole charge point.
    ///
    /// # Errors
    /// As [`Call::new`].
    pub fn availability(connector: i64, operative: bool) -> Result<Self, (String, String)> {
        let kind = if operative {
            "Operative"
        } else {
            "Inoperative"
        };
        let payload = json!({ "connectorId": connector, "type": kind });
        Self::new("ChangeAvailability", payload)
    }

    /// Restarts the charge point.
    ///
    /// # Errors
    /// As [`Call::new`].
    pub fn reset(hard: bool) -> Result<Self, (String, String)> {
        let kind = if hard { "Hard" } else { "Soft" };
        Self::new("Reset", json!({ "type": kind }))
    }

    /// Limits the power of a connector, or of the whole charge point (0), until it is cleared; the call
    /// is in watts.
    ///
    /// # Errors
    /// As [`Call::new`].
    pub fn power_limit(limit: PowerLimit, now: Timestamp) -> Result<Self, (String, String)> {
        let (call, _instead) = limit.call(None, &[], now)?;
        Ok(Self {
            limit: Some(limit),
            ..call
        })
    }

    pub(super) fn limit(
        connector: i64,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Self, (String, String)> {
        let (unit, limit) = match rate {
            Rate::Watts(watts) => ("W", json!(watts)),
            Rate::TenthAmperes(tenths) => ("A", in_whole(tenths)),
        };
        let purpose = match connector {
            0 => "ChargePointMaxProfile",
            _ => "TxDefaultProfile",
        };
        let start = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let payload = json!({
            "connectorId": connector,
            "csChargingProfiles": {
                "chargingProfileId": LIMIT_PROFILE + connector,
                "stackLevel": 0,
                "chargingProfilePurpose": purpose,
                "chargingProfileKind": "Absolute",
                "chargingSchedule": {
                    // An absolute schedule without its start is refused by many charge points.
                    "startSchedule": start.to_string(),
                    "chargingRateUnit": unit,
                    "chargingSchedulePeriod": [{ "startPeriod": 0, "limit": limit }],
                },
            },
        });
        Self::new("SetChargingProfile", payload)
    }

    /// Takes the limit back.
    ///
    /// # Errors
    /// As [`Call::new`].
    pub fn clear_limit(connector: i64) -> Result<Self, (String, String)> {
        let payload = json!({ "id": LIMIT_PROFILE + connector });
        Self::new("ClearChargingProfile", payload)
    }

    /// Unlocks a connector.
    ///
    /// # Errors
    /// As [`Call::new`].
    pub fn unlock(connector: i64) -> Result<Self, (String, String)> {
        Self::new("UnlockConnector", json!({ "connectorId": connector }))
    }

    /// Has the charge point fetch firmware.
    ///
    /// # Errors
    /// As [`Call::new`].
    pub fn firmware(url: &str, retrieve: Timestamp) -> Result<Self, (String, String)> {
        let payload = json!({ "location": url, "retrieveDate": time(retrieve) });
        Self::new("UpdateFirmware", payload)
    }

    /// Has the charge point upload its diagnostics.
    ///
    /// # Errors
    /// As [`Call::new`].
    pub fn diagnostics(url: &str) -> Result<Self, (String, String)> {
        Self::new("GetDiagnostics", json!({ "location": url }))
    }

    /// Replaces the charge point's list of who may charge while it is offline.
    ///
    /// # Errors
    /// As [`Call::new`].
    pub fn local_list(version: i64, list: Vec<Value>) -> Result<Self, (String, String)> {
        let payload = json!({
            "listVersion": version,
            "updateType": "Full",
            "localAuthorizationList": list,
        });
        Self::new("SendLocalList", payload)
    }

    /// Keeps a connector for a tag.
    ///
    /// # Errors
    /// As [`Call::new`].
    pub fn reserve(
        connector: i64,
        number: i64,
        id_tag: &str,
        until: Timestamp,
    ) -> Result<Self, (String, String)> {
        let payload = json!({
            "connectorId": connector,
            "reservationId": number,
            "idTag": id_tag,
            "expiryDate": time(until),
        });
        Self::new("ReserveNow", payload)
    }

    /// Takes a reservation back.
    ///
    /// # Errors
    /// As [`Call::new`].
    pub fn cancel_reservation(number: i64) -> Result<Self, (String, String)> {
        Self::new("CancelReservation", json!({ "reservationId": number }))
    }
}

/// A token as an entry of a local list.
#[must_use]
pub fn list_entry(token: &Token, now: Timestamp) -> Value {
    let status = match token.status_at(now) {
        crate::id_token::TokenStatus::Accepted => "Accepted",
        crate::id_token::TokenStatus::Blocked => "Blocked",
        crate::id_token::TokenStatus::Expired => "Expired",
        crate::id_token::TokenStatus::Invalid => "Invalid",
    };
    let mut info = json!({ "status": status });
    if let Some(at) = token.expires_at {
        info["expiryDate"] = time(at).into();
    }
    if let Some(parent) = &token.parent {
        info["parentIdTag"] = parent.as_str().into();
    }
    json!({ "idTag": token.id_tag, "idTagInfo": info })
}

/// Names as OCPP spells them, where a client spelled them as REST does: `connector_id` and
/// `connectorId` are the same.
#[must_use]
pub fn camel_cased(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let named = fields
                .into_iter()
                .map(|(name, value)| (camel(&name), camel_cased(value)));
            Value::Object(named.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(camel_cased).collect()),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or("").to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// Tenths as a number with at most one digit behind its point.
fn in_whole(tenths: i64) -> Value {
    if tenths % 10 == 0 {
        return json!(tenths / 10);
    }
    let text = format!("{}.{}", tenths / 10, tenths % 10);
    let number: serde_json::Number = text.parse().expect("digits and a point");
    Value::Number(number)
}

fn mark(payload: &Value) -> Mark {
    let transaction = payload["transactionId"].as_i64();
    Mark {
        connector: payload["connectorId"].as_i64(),
        folded: payload["idTag"].as_str().map(folded),
        transaction: transaction.map(|id| id.to_string()),
        operative: match payload["type"].as_str() {
            Some("Operative") => Some(true),
            Some("Inoperative") => Some(false),
            Some(_) | None => None,
        },
        token_version: None,
    }
}

fn time(at: Timestamp) -> String {
    Timestamp::from_millisecond(at.as_millisecond())
        .unwrap_or(at)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_held_to_its_schema_without_leniency() {
        let start = Call::start(Some(2), "04A1b2").unwrap();
        assert_eq!(
            start,
            Call {
                action: "RemoteStartTransaction",
                payload: json!({"idTag": "04A1b2", "connectorId": 2}),
                mark: Mark {
                    connector: Some(2),
                    folded: Some("04a1b2".to_owned()),
                    transaction: None,
                    operative: None,
                    token_version: None,
                },
                limit: None,
            }
        );
        let fault = |action: &str, payload: Value| Call::new(action, payload).unwrap_err().0;
        assert_eq!(fault("BootNotification", json!({})), "command");
        assert_eq!(fault("Levitate", json!({})), "command");
        assert_eq!(fault("Reset", json!({})), "payload.type");
        assert_eq!(fault("Reset", json!({"type": "soft"})), "payload.type");
        assert_eq!(
            fault("UnlockConnector", json!({"connectorId": "1"})),
            "payload.connectorId"
        );
        assert_eq!(fault("ClearCache", json!({"x": 1})), "payload.x");
    }

    #[test]
    fn every_order_is_valid_by_its_schema() {
        let now = "2026-05-01T09:14:05.678Z".parse().unwrap();
        for call in [
            Call::start(None, "T"),
            Call::stop(7),
            Call::availability(0, false),
            Call::availability(1, true),
            Call::reset(true),
            Call::reset(false),
            Call::power_limit(PowerLimit::new(0, 11_000), now),
            Call::limit(2, Rate::Watts(0), now),
            Call::limit(2, Rate::TenthAmperes(159), now),
            Call::clear_limit(2),
            Call::unlock(1),
            Call::firmware("https://example.com/f.bin", now),
            Call::diagnostics("https://example.com/up"),
            Call::local_list(3, vec![]),
            Call::reserve(1, 5, "T", now),
            Call::cancel_reservation(5),
        ] {
            call.unwrap();
        }
    }

    #[test]
    fn names_of_rest_become_names_of_ocpp_at_any_depth() {
        let given =
            json!({"cs_charging_profiles": {"stackLevel": [{"start_period": 0}]}, "type": "x"});
        assert_eq!(
            camel_cased(given),
            json!({"csChargingProfiles": {"stackLevel": [{"startPeriod": 0}]}, "type": "x"})
        );
    }
}
