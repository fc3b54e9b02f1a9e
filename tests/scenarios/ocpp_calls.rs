//! Every call of OCPP 1.6, from REST to a charge point by the Python `ocpp` package, and what such a
//! charge point tells besides sessions.

use serde_json::{Value, json};

use crate::ocpp_depot::Depot;

const ONE: &str = "DE*PY*1";

fn accepted() -> Value {
    json!({"status": "Accepted"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_the_protocol_is_made_by_rest_and_valid_at_the_other_end()
-> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    depot.station(ONE).await?;
    let hashes = json!({"hashAlgorithm": "SHA256", "issuerNameHash": "a1", "issuerKeyHash": "b2", "serialNumber": "c3"});
    let profile = json!({"chargingProfileId": 3, "stackLevel": 1, "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Recurring", "recurrencyKind": "Daily", "validFrom": "2026-05-01T00:00:00Z",
        "chargingSchedule": {"duration": 86_400, "startSchedule": "2026-05-01T00:00:00Z", "chargingRateUnit": "A",
            "minChargingRate": 6.1, "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1, "numberPhases": 3}]}});
    let trigger = json!({"requestedMessage": "StatusNotification", "connectorId": 1});
    let root = "CentralSystemRootCertificate";
    let calls = [
        (
            "RemoteStartTransaction",
            json!({"idTag": "T", "connectorId": 1}),
            accepted(),
        ),
        (
            "RemoteStopTransaction",
            json!({"transactionId": 7}),
            accepted(),
        ),
        (
            "ChangeAvailability",
            json!({"connectorId": 0, "type": "Inoperative"}),
            json!({"status": "Scheduled"}),
        ),
        ("CancelReservation", json!({"reservationId": 5}), accepted()),
        (
            "CertificateSigned",
            json!({"certificateChain": "-----BEGIN"}),
            accepted(),
        ),
        (
            "ChangeConfiguration",
            json!({"key": "HeartbeatInterval", "value": "60"}),
            json!({"status": "RebootRequired"}),
        ),
        ("ClearCache", json!({}), accepted()),
        (
            "ClearChargingProfile",
            json!({"connectorId": 1, "stackLevel": 1, "chargingProfilePurpose": "TxProfile"}),
            accepted(),
        ),
        (
            "DataTransfer",
            json!({"vendorId": "org.example", "messageId": "m", "data": "{}"}),
            json!({"status": "Accepted", "data": "done"}),
        ),
        (
            "DeleteCertificate",
            json!({"certificateHashData": hashes}),
            accepted(),
        ),
        ("ExtendedTriggerMessage", trigger.clone(), accepted()),
        (
            "GetCompositeSchedule",
            json!({"connectorId": 1, "duration": 600, "chargingRateUnit": "W"}),
            accepted(),
        ),
        (
            "GetConfiguration",
            json!({"key": ["HeartbeatInterval", "Nonsense"]}),
            json!({"configurationKey": [{"key": "HeartbeatInterval", "readonly": false, "value": "300"}], "unknownKey": ["Nonsense"]}),
        ),
        (
            "GetDiagnostics",
            json!({"location": "https://files.example.com", "retries": 2}),
            json!({}),
        ),
        (
            "GetInstalledCertificateIds",
            json!({"certificateType": root}),
            json!({"status": "Accepted", "certificateHashData": [hashes]}),
        ),
        ("GetLocalListVersion", json!({}), json!({"listVersion": -1})),
        (
            "GetLog",
            json!({"log": {"remoteLocation": "https://files.example.com"}, "logType": "SecurityLog", "requestId": 1}),
            json!({"status": "Accepted", "filename": "l.txt"}),
        ),
        (
            "InstallCertificate",
            json!({"certificateType": root, "certificate": "-----BEGIN"}),
            accepted(),
        ),
        (
            "ReserveNow",
            json!({"connectorId": 1, "expiryDate": "2026-05-01T00:00:00Z", "idTag": "T", "reservationId": 5}),
            accepted(),
        ),
        ("Reset", json!({"type": "Soft"}), accepted()),
        (
            "SendLocalList",
            json!({"listVersion": 1, "updateType": "Full"}),
            accepted(),
        ),
        (
            "SetChargingProfile",
            json!({"connectorId": 1, "csChargingProfiles": profile}),
            accepted(),
        ),
        (
            "SignedUpdateFirmware",
            json!({"requestId": 1, "firmware": {"location": "https://files.example.com",
            "retrieveDateTime": "2026-05-01T00:00:00Z", "signingCertificate": "-----BEGIN", "signature": "eA=="}}),
            accepted(),
        ),
        (
            "TriggerMessage",
            trigger,
            json!({"status": "NotImplemented"}),
        ),
        (
            "UnlockConnector",
            json!({"connectorId": 1}),
            json!({"status": "Unlocked"}),
        ),
        (
            "UpdateFirmware",
            json!({"location": "https://files.example.com", "retrieveDate": "2026-05-01T00:00:00Z"}),
            json!({}),
        ),
    ];
    for (action, payload, answer) in &calls {
        let mut path = String::from("/ocpp16/");
        for letter in action.chars() {
            if letter.is_uppercase() && !path.ends_with('/') {
                path.push('_');
            }
            path.push(letter.to_ascii_lowercase());
        }
        let mut body = payload.clone();
        body["charge_point_id"] = ONE.into();
        let raw = json!({"charge_point_id": ONE, "command": action, "payload": payload});
        for (path, body) in [(path.as_str(), &body), ("/ocpp16/send_command", &raw)] {
            let (told, asked) = depot
                .order(ONE, (path, body), (action, answer.clone()))
                .await?;
            assert_eq!(&asked, payload, "{path} {action}");
            let expected = if answer["status"] == "NotImplemented" {
                "Rejected"
            } else {
                "Accepted"
            };
            assert_eq!(
                (&told["command"], &told["status"], &told["response"]),
                (&json!(action), &json!(expected), answer)
            );
        }
    }
    // Boot, and twice each call: all that went either way is valid.
    for frame in depot.frames(ONE, 2 * (1 + 2 * 26)).await? {
        assert_eq!(frame["validity"], "valid", "{frame}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_triggered_arrives_and_the_rest_of_what_a_charge_point_tells_is_answered()
-> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    depot.station(ONE).await?;
    let wish = json!({"charge_point_id": ONE, "requested_message": "StatusNotification", "connector_id": 1});
    let (told, asked) = depot
        .order(
            ONE,
            ("/ocpp16/trigger_message", &wish),
            ("TriggerMessage", accepted()),
        )
        .await?;
    assert_eq!(
        (&told["status"], asked),
        (
            &json!("Accepted"),
            json!({"requestedMessage": "StatusNotification", "connectorId": 1})
        )
    );
    depot.status(ONE, 1, "SuspendedEV").await?;
    assert_eq!(
        depot.online_is(ONE, true).await?["connectors"][0]["status"],
        "SuspendedEV"
    );
    let now = depot.now(ONE).await?.to_string();
    for (action, payload, answer) in [
        (
            "DataTransfer",
            json!({"vendorId": "org.example", "data": "x"}),
            json!({"status": "UnknownVendorId"}),
        ),
        (
            "SecurityEventNotification",
            json!({"type": "TamperDetectionActivated", "timestamp": now, "techInfo": "lid"}),
            json!({}),
        ),
        (
            "LogStatusNotification",
            json!({"status": "Idle", "requestId": 1}),
            json!({}),
        ),
        (
            "SignCertificate",
            json!({"csr": "-----BEGIN CERTIFICATE REQUEST-----"}),
            json!({"status": "Rejected"}),
        ),
        (
            "MeterValues",
            json!({"connectorId": 0, "meterValue": [{"timestamp": now, "sampledValue": [{"value": "50.0", "measurand": "Frequency"}]}]}),
            json!({}),
        ),
    ] {
        assert_eq!(depot.call(ONE, action, payload).await?, answer, "{action}");
    }
    depot.logged(ONE, "TamperDetectionActivated").await?;
    Ok(())
}
