//! Every action of OCPP 1.6 with its security extension: what a charge point takes is called by name over
//! REST, valid by the schema, and its answer and its end are kept; what a charge point says is answered. A
//! new action does not compile before it stands here.

use cloud_api::keys::Scope;
use ocpp::v16::Action;
use ocpp::{Action as _, Sender};
use serde_json::{Map, Value, json};

use crate::central::Scene;
use crate::harness::DIRECT;

const AT: &str = "2026-05-01T09:00:00Z";
const URL: &str = "https://files.example.com/x";

/// A call with every field that it can have, and its answer.
struct Example {
    payload: Value,
    answer: Value,
    /// How far an order is that was answered so.
    state: &'static str,
}

fn example(payload: Value, answer: Value) -> Example {
    Example {
        payload,
        answer,
        state: "completed",
    }
}

/// An order whose end comes after its answer.
fn begun(payload: Value, answer: Value) -> Example {
    Example {
        state: "accepted",
        ..example(payload, answer)
    }
}

fn profile(purpose: &str) -> Value {
    json!({"chargingProfileId": 3, "stackLevel": 1, "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Recurring", "recurrencyKind": "Daily", "validFrom": AT, "validTo": AT,
        "chargingSchedule": {"duration": 86_400, "startSchedule": AT, "chargingRateUnit": "A", "minChargingRate": 6.1,
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1, "numberPhases": 3}]}})
}

/// What is asked of charge points.
#[expect(clippy::too_many_lines, reason = "a table")]
fn asked(action: Action) -> Option<Example> {
    let ok = || json!({"status": "Accepted"});
    let hash = json!({"hashAlgorithm": "SHA256", "issuerNameHash": "a1", "issuerKeyHash": "b2", "serialNumber": "c3"});
    Some(match action {
        Action::CancelReservation => example(json!({"reservationId": 5}), ok()),
        Action::CertificateSigned => example(json!({"certificateChain": "-----BEGIN"}), ok()),
        Action::ChangeAvailability => begun(
            json!({"connectorId": 0, "type": "Inoperative"}),
            json!({"status": "Scheduled"}),
        ),
        Action::ChangeConfiguration => example(
            json!({"key": "HeartbeatInterval", "value": "60"}),
            json!({"status": "RebootRequired"}),
        ),
        Action::ClearCache => example(json!({}), ok()),
        Action::ClearChargingProfile => example(
            json!({"id": 3, "connectorId": 1, "chargingProfilePurpose": "TxProfile", "stackLevel": 1}),
            ok(),
        ),
        Action::DataTransfer => example(
            json!({"vendorId": "org.example", "messageId": "m", "data": "{}"}),
            json!({"status": "Accepted", "data": "done"}),
        ),
        Action::DeleteCertificate => example(json!({ "certificateHashData": hash }), ok()),
        Action::ExtendedTriggerMessage => example(
            json!({"requestedMessage": "SignChargePointCertificate", "connectorId": 1}),
            ok(),
        ),
        Action::GetCompositeSchedule => example(
            json!({"connectorId": 1, "duration": 600, "chargingRateUnit": "W"}),
            json!({"status": "Accepted", "connectorId": 1, "scheduleStart": AT,
                "chargingSchedule": {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 11_000}]}}),
        ),
        Action::GetConfiguration => example(
            json!({"key": ["HeartbeatInterval", "Nonsense"]}),
            json!({"configurationKey": [{"key": "HeartbeatInterval", "readonly": false, "value": "300"}],
                "unknownKey": ["Nonsense"]}),
        ),
        Action::GetDiagnostics => begun(
            json!({"location": URL, "retries": 2, "retryInterval": 60, "startTime": AT, "stopTime": AT}),
            json!({"fileName": "d.zip"}),
        ),
        Action::GetInstalledCertificateIds => example(
            json!({"certificateType": "ManufacturerRootCertificate"}),
            json!({"status": "Accepted", "certificateHashData": [hash]}),
        ),
        Action::GetLocalListVersion => example(json!({}), json!({"listVersion": -1})),
        Action::GetLog => begun(
            json!({"log": {"remoteLocation": URL, "oldestTimestamp": AT, "latestTimestamp": AT},
                "logType": "SecurityLog", "requestId": 1, "retries": 2, "retryInterval": 60}),
            json!({"status": "AcceptedCanceled", "filename": "l.txt"}),
        ),
        Action::InstallCertificate => example(
            json!({"certificateType": "CentralSystemRootCertificate", "certificate": "-----BEGIN"}),
            ok(),
        ),
        Action::RemoteStartTransaction => begun(
            json!({"idTag": "T", "connectorId": 1, "chargingProfile": profile("TxProfile")}),
            ok(),
        ),
        Action::RemoteStopTransaction => begun(json!({"transactionId": 7}), ok()),
        Action::ReserveNow => example(
            json!({"connectorId": 1, "expiryDate": AT, "idTag": "T", "parentIdTag": "P", "reservationId": 5}),
            ok(),
        ),
        Action::Reset => begun(json!({"type": "Hard"}), ok()),
        Action::SendLocalList => example(
            json!({"listVersion": 1, "updateType": "Differential", "localAuthorizationList":
                [{"idTag": "T", "idTagInfo": {"status": "Accepted", "expiryDate": AT, "parentIdTag": "P"}}]}),
            ok(),
        ),
        Action::SetChargingProfile => example(
            json!({"connectorId": 1, "csChargingProfiles": profile("TxDefaultProfile")}),
            ok(),
        ),
        Action::SignedUpdateFirmware => begun(
            json!({"requestId": 1, "retries": 2, "retryInterval": 60, "firmware": {"location": URL, "retrieveDateTime": AT,
                "installDateTime": AT, "signingCertificate": "-----BEGIN", "signature": "eA=="}}),
            ok(),
        ),
        Action::TriggerMessage => example(
            json!({"requestedMessage": "StatusNotification", "connectorId": 1}),
            ok(),
        ),
        Action::UnlockConnector => {
            example(json!({"connectorId": 1}), json!({"status": "Unlocked"}))
        }
        Action::UpdateFirmware => begun(
            json!({"location": URL, "retrieveDate": AT, "retries": 2, "retryInterval": 60}),
            json!({}),
        ),
        Action::Authorize
        | Action::BootNotification
        | Action::DiagnosticsStatusNotification
        | Action::FirmwareStatusNotification
        | Action::Heartbeat
        | Action::LogStatusNotification
        | Action::MeterValues
        | Action::SecurityEventNotification
        | Action::SignCertificate
        | Action::SignedFirmwareStatusNotification
        | Action::StartTransaction
        | Action::StatusNotification
        | Action::StopTransaction => return None,
    })
}

/// What charge points say, and what is answered; `null` stands for an id that is made.
#[expect(clippy::too_many_lines, reason = "a table")]
fn said(action: Action) -> Option<(Value, Value)> {
    let now = "2026-05-01T09:14:05Z";
    let invalid = || json!({"idTagInfo": {"status": "Invalid"}});
    let values = json!([{"timestamp": AT, "sampledValue": [{"value": "7", "context": "Sample.Periodic",
        "format": "Raw", "measurand": "Energy.Active.Import.Register", "location": "Outlet", "unit": "Wh"}]}]);
    Some(match action {
        Action::Authorize => (json!({"idTag": "T"}), invalid()),
        Action::BootNotification => (
            json!({"chargePointVendor": "V", "chargePointModel": "M", "chargePointSerialNumber": "S",
                "chargeBoxSerialNumber": "B", "firmwareVersion": "1", "iccid": "i", "imsi": "j", "meterType": "m",
                "meterSerialNumber": "n"}),
            json!({"currentTime": now, "interval": 300, "status": "Accepted"}),
        ),
        Action::DataTransfer => (
            json!({"vendorId": "org.example", "messageId": "m", "data": "x"}),
            json!({"status": "UnknownVendorId"}),
        ),
        Action::DiagnosticsStatusNotification => (json!({"status": "Uploading"}), json!({})),
        Action::FirmwareStatusNotification => (json!({"status": "Installed"}), json!({})),
        Action::Heartbeat => (json!({}), json!({ "currentTime": now })),
        Action::LogStatusNotification => (json!({"status": "Idle", "requestId": 1}), json!({})),
        Action::MeterValues => (
            json!({"connectorId": 1, "transactionId": 7, "meterValue": values}),
            json!({}),
        ),
        Action::SecurityEventNotification => (
            json!({"type": "TamperDetectionActivated", "timestamp": AT, "techInfo": "lid"}),
            json!({}),
        ),
        Action::SignCertificate => (json!({"csr": "x"}), json!({"status": "Rejected"})),
        Action::SignedFirmwareStatusNotification => {
            (json!({"status": "Idle", "requestId": 1}), json!({}))
        }
        Action::StartTransaction => (
            json!({"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": AT, "reservationId": 5}),
            json!({"transactionId": null, "idTagInfo": {"status": "Invalid"}}),
        ),
        Action::StatusNotification => (
            json!({"connectorId": 1, "errorCode": "OtherError", "info": "i", "status": "Faulted", "timestamp": AT,
                "vendorId": "v", "vendorErrorCode": "7"}),
            json!({}),
        ),
        Action::StopTransaction => (
            json!({"transactionId": 7, "idTag": "T", "meterStop": 9, "timestamp": AT, "reason": "EVDisconnected",
                "transactionData": values}),
            invalid(),
        ),
        Action::CancelReservation
        | Action::CertificateSigned
        | Action::ChangeAvailability
        | Action::ChangeConfiguration
        | Action::ClearCache
        | Action::ClearChargingProfile
        | Action::DeleteCertificate
        | Action::ExtendedTriggerMessage
        | Action::GetCompositeSchedule
        | Action::GetConfiguration
        | Action::GetDiagnostics
        | Action::GetInstalledCertificateIds
        | Action::GetLocalListVersion
        | Action::GetLog
        | Action::InstallCertificate
        | Action::RemoteStartTransaction
        | Action::RemoteStopTransaction
        | Action::ReserveNow
        | Action::Reset
        | Action::SendLocalList
        | Action::SetChargingProfile
        | Action::SignedUpdateFirmware
        | Action::TriggerMessage
        | Action::UnlockConnector
        | Action::UpdateFirmware => return None,
    })
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (place, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && place > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// A payload with its fields as REST spells them.
fn rest(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| (snake(name), rest(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(rest).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "each action from its refusals to its end"
)]
async fn every_action_that_a_charge_point_takes_is_called_by_name_and_its_end_is_kept() {
    let mut scene = Scene::new().await;
    let others = Scope::ALL.iter().copied();
    let others: Vec<_> = others
        .filter(|scope| *scope != Scope::WriteCommands)
        .collect();
    let others = scene.world.key(&others).await;
    let own = scene.world.key(&[Scope::WriteCommands]).await;
    scene.key = own;
    for action in Action::ALL.iter().copied() {
        let name = action.name();
        assert_eq!(
            asked(action).is_some(),
            action.sender() != Sender::Station,
            "{name}"
        );
        let Some(Example {
            payload,
            answer,
            state,
        }) = asked(action)
        else {
            continue;
        };
        let mut named = rest(&payload);
        named["charge_point_id"] = DIRECT.into();
        let path = format!("/api/v1/ocpp16/{}", snake(name));
        let refused = scene.world.post(&path, &others, &named.to_string()).await;
        assert_eq!(
            (refused.status, &refused.json()["required_scope"]),
            (403, &json!("write:commands")),
            "{name}"
        );
        let mut wrong = named.clone();
        wrong["levitate"] = true.into();
        let refused = scene
            .world
            .post(&path, &scene.key, &wrong.to_string())
            .await;
        assert_eq!(
            (refused.status, &refused.json()["details"][0]["field"]),
            (400, &json!("payload.levitate")),
            "{name}: {refused:?}"
        );
        let raw = json!({"charge_point_id": DIRECT, "command": name, "payload": payload});
        let any = "/api/v1/ocpp16/send_command";
        for (path, body) in [(path.as_str(), &named), (any, &raw)] {
            let told = scene
                .order(path, body, name, &payload, answer.clone())
                .await;
            assert_eq!(told.status, 200, "{told:?}");
            let told = told.json();
            assert_eq!(
                told,
                json!({"charge_point_id": DIRECT, "command_id": told["command_id"], "command": name,
                       "status": "Accepted", "response": answer, "sent_at": "2026-05-01T09:14:05Z",
                       "response_time_ms": 0})
            );
            let kept = scene.read(&told).await;
            assert_eq!(
                (&kept["state"], &kept["response"], &kept["error"]),
                (&json!(state), &answer, &Value::Null),
                "{name}"
            );
            let frame = |name: &str| -> Value {
                serde_json::from_str(kept["frames"][name].as_str().unwrap()).unwrap()
            };
            let id = &told["command_id"];
            assert_eq!(frame("request"), json!([2, id, name, payload]));
            assert_eq!(frame("response"), json!([3, id, answer]));
        }
    }
    scene.at.stop().await;
}

#[tokio::test]
async fn every_action_of_a_charge_point_is_answered_and_every_other_refused_by_its_code() {
    let mut scene = Scene::new().await;
    for action in Action::ALL.iter().copied() {
        let name = action.name();
        assert_eq!(
            said(action).is_some(),
            action.sender() != Sender::System,
            "{name}"
        );
        if let Some((payload, expected)) = said(action) {
            let mut answer = scene.station.call(name, payload.clone()).await;
            if expected["transactionId"].is_null() && answer["transactionId"].is_i64() {
                answer["transactionId"] = Value::Null;
            }
            assert_eq!(answer, expected, "{name}");
            // A field of the wrong type, and one that there is not.
            if let Some(field) = payload.as_object().unwrap().keys().next() {
                let mut wrong = payload.clone();
                wrong[field] = json!({"x": 1});
                let frame = scene.station.call_for_frame(name, wrong).await;
                assert_eq!(
                    (&frame[0], &frame[2]),
                    (&json!(4), &json!("TypeConstraintViolation")),
                    "{name} {frame}"
                );
            }
        } else {
            let payload = asked(action).unwrap().payload;
            let frame = scene.station.call_for_frame(name, payload).await;
            assert_eq!(
                (&frame[0], &frame[2]),
                (&json!(4), &json!("NotSupported")),
                "{name} {frame}"
            );
        }
    }
    scene.station.is_left_alone().await;
    scene.at.stop().await;
}
