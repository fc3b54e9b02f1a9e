//! Charging profiles of an independent central system (Python's `ocpp` package, which holds every frame
//! to the official schemas) down to the register of a Modbus charger.

use std::time::Duration;

use anyhow::ensure;
use demo::until;
use scenarios::{Stage, free_port};
use serde_json::{Value, json};

use crate::station::{calls, calls_when, car, csms, of_station, order, with_ocpp};

const SOON: Duration = Duration::from_secs(30);
const LEFT: &str = "CP-LEFT";

fn profile(id: i64, purpose: &str, stack_level: i64, schedule: &Value) -> Value {
    json!({
        "charging_profile_id": id, "stack_level": stack_level, "charging_profile_purpose": purpose,
        "charging_profile_kind": "Relative", "charging_schedule": schedule,
    })
}

fn constantly(unit: &str, limit: f64) -> Value {
    let period = json!({"start_period": 0, "limit": limit});
    json!({"charging_rate_unit": unit, "charging_schedule_period": [period]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_of_an_independent_central_system_reach_the_charger_s_register()
-> anyhow::Result<()> {
    let ports = [free_port()?, free_port()?];
    let folder = tempfile::tempdir()?;
    let csms = csms(ports, 4_000, folder.path()).await?;
    let stage = Stage::with_configuration(43, |site| with_ocpp(ports[0], site)).await?;
    let left = stage.connector(LEFT)?;
    calls_when(&csms, SOON, "the statuses", |calls| {
        let statuses =
            of_station(calls, LEFT).filter(|call| call["action"] == "StatusNotification");
        statuses.count() >= 2
    })
    .await?;
    let register = async |milliamps: u32| {
        until(
            SOON,
            &format!("the charger offers {milliamps} mA"),
            async || Ok((left.charger.limit().0 == milliamps).then_some(())),
        )
        .await
    };
    let set = async |profile: Value| {
        let fields = json!({"connector_id": 1, "cs_charging_profiles": profile});
        let answer = order(ports[1], LEFT, "SetChargingProfile", fields).await?;
        ensure!(answer == json!({"status": "Accepted"}), "{answer}");
        Ok(())
    };
    let clear = async |criteria: Value, status: &str| {
        let answer = order(ports[1], LEFT, "ClearChargingProfile", criteria).await?;
        ensure!(answer == json!({ "status": status }), "{answer}");
        Ok(())
    };

    // Two of a stack, in both units: the upper leads, and the lower comes back after it.
    set(profile(1, "TxDefaultProfile", 0, &constantly("A", 10.0))).await?;
    register(10_000).await?;
    set(profile(2, "TxDefaultProfile", 1, &constantly("W", 5_600.0))).await?;
    register(8_100).await?;
    let asked = json!({"connector_id": 1, "duration": 300, "charging_rate_unit": "W"});
    let told = order(ports[1], LEFT, "GetCompositeSchedule", asked).await?;
    let periods = &told["charging_schedule"]["charging_schedule_period"];
    ensure!(told["status"] == "Accepted", "{told}");
    ensure!(
        periods == &json!([{"start_period": 0, "limit": 5_600}]),
        "{told}"
    );
    clear(json!({"stack_level": 1}), "Accepted").await?;
    register(10_000).await?;

    // One that comes with a start rules its transaction and goes with it.
    let own = profile(3, "TxProfile", 0, &constantly("A", 7.0));
    let start = json!({"id_tag": "GOOD-1", "connector_id": 1, "charging_profile": own});
    let answer = order(ports[1], LEFT, "RemoteStartTransaction", start).await?;
    ensure!(answer == json!({"status": "Accepted"}), "{answer}");
    register(7_000).await?;
    left.charger.plug_in(car());
    stage.status_becomes(LEFT, "Charging", SOON).await?;
    let most = left.charger.currents().map(|current| current.0);
    ensure!(most.iter().all(|current| *current <= 7_000), "{most:?}");
    left.charger.unplug();
    stage.status_becomes(LEFT, "Available", SOON).await?;
    register(10_000).await?;

    clear(json!({}), "Accepted").await?;
    register(16_000).await?;
    clear(json!({}), "Unknown").await?;
    let told = calls(&csms);
    let invalid = told.iter().find(|call| call["action"] == "invalid");
    ensure!(invalid.is_none(), "{invalid:?}");
    Ok(())
}
