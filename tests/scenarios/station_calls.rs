//! What an independent central system (Python's `ocpp` package) may call besides sessions, at a real
//! gateway: its answer by the schemas, and its effect at the charger's register.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::until;
use scenarios::{Stage, free_port};
use serde_json::{Value, json};

use crate::station::{calls, calls_when, car, csms, of_station, order, with_ocpp};

const SOON: Duration = Duration::from_secs(30);
const LEFT: &str = "CP-LEFT";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_central_system_limits_triggers_and_asks_and_is_answered_by_the_book()
-> anyhow::Result<()> {
    let ports = [free_port()?, free_port()?];
    let folder = tempfile::tempdir()?;
    let csms = csms(ports, 6_000, folder.path()).await?;
    let stage = Stage::with_configuration(45, |site| with_ocpp(ports[0], site)).await?;
    let left = stage.connector(LEFT)?;
    left.charger.plug_in(car());
    stage.status_becomes(LEFT, "Charging", SOON).await?;
    calls_when(&csms, SOON, "the start", |calls| {
        of_station(calls, LEFT).any(|call| call["action"] == "StartTransaction")
    })
    .await?;
    let ask = async |action: &str, fields: Value| order(ports[1], LEFT, action, fields).await;
    let limit_becomes = async |milliamps: u32| {
        until(SOON, &format!("{milliamps} mA"), async || {
            Ok((left.charger.limit().0 == milliamps).then_some(()))
        })
        .await
    };
    let accepted = json!({"status": "Accepted"});

    let profile = json!({
        "charging_profile_id": 7, "stack_level": 0, "charging_profile_purpose": "TxDefaultProfile",
        "charging_profile_kind": "Relative", "charging_schedule": {"charging_rate_unit": "A",
            "charging_schedule_period": [{"start_period": 0, "limit": 8.0}]},
    });
    let set = json!({"connector_id": 1, "cs_charging_profiles": profile});
    let answer = ask("SetChargingProfile", set).await?;
    ensure!(answer == accepted, "{answer}");
    limit_becomes(8_000).await?;
    let composite = json!({"connector_id": 1, "duration": 60, "charging_rate_unit": "A"});
    // A schedule begins at a whole second, and the transaction may have begun within this one.
    until(SOON, "a composite schedule of 8 A", async || {
        let answer = ask("GetCompositeSchedule", composite.clone()).await?;
        let period = &answer["charging_schedule"]["charging_schedule_period"][0];
        ensure!(
            answer["status"] == "Accepted" && period["limit"] == 8.0,
            "{answer}"
        );
        Ok(Some(()))
    })
    .await?;
    let answer = ask("ClearChargingProfile", json!({"id": 7})).await?;
    ensure!(answer == accepted, "{answer}");
    limit_becomes(16_000).await?;
    let answer = ask("ClearChargingProfile", json!({"id": 7})).await?;
    ensure!(answer == json!({"status": "Unknown"}), "{answer}");

    for (action, fields, wanted) in [
        (
            "UnlockConnector",
            json!({"connector_id": 1}),
            json!({"status": "NotSupported"}),
        ),
        (
            "DataTransfer",
            json!({"vendor_id": "org.example", "message_id": "m", "data": "x"}),
            json!({"status": "UnknownVendorId"}),
        ),
        ("ClearCache", json!({}), accepted.clone()),
        (
            "ChangeConfiguration",
            json!({"key": "ConnectionTimeOut", "value": "45"}),
            accepted.clone(),
        ),
        (
            "ChangeConfiguration",
            json!({"key": "NumberOfConnectors", "value": "2"}),
            json!({"status": "Rejected"}),
        ),
        (
            "ChangeConfiguration",
            json!({"key": "Colour", "value": "green"}),
            json!({"status": "NotSupported"}),
        ),
        (
            "GetConfiguration",
            json!({"key": ["ConnectionTimeOut", "Colour"]}),
            json!({
                "configuration_key": [{"key": "ConnectionTimeOut", "readonly": false, "value": "45"}],
                "unknown_key": ["Colour"],
            }),
        ),
        (
            "RemoteStopTransaction",
            json!({"transaction_id": 1}),
            json!({"status": "Rejected"}),
        ),
        (
            "CancelReservation",
            json!({"reservation_id": 1}),
            json!({"status": "Rejected"}),
        ),
    ] {
        let answer = ask(action, fields).await?;
        ensure!(answer == wanted, "{action}: {answer} instead of {wanted}");
    }

    for message in ["Heartbeat", "StatusNotification", "BootNotification"] {
        let count = |calls: &[Value]| {
            let said = of_station(calls, LEFT).filter(|call| call["action"] == message);
            said.count()
        };
        let before = count(&calls(&csms));
        let answer = ask("TriggerMessage", json!({"requested_message": message})).await?;
        ensure!(answer == accepted, "{message}: {answer}");
        calls_when(&csms, SOON, message, |calls| count(calls) > before)
            .await
            .with_context(|| stage.gateway.process.last_words())?;
    }
    let told = calls(&csms);
    let invalid = told.iter().find(|call| call["action"] == "invalid");
    ensure!(invalid.is_none(), "{invalid:?}");
    Ok(())
}
