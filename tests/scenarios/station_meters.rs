//! Sampled meter values of the real gateway, as an independent central system (Python's `ocpp` package,
//! which holds every message to the official schemas) configures them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use scenarios::{Stage, free_port};
use serde_json::{Value, json};

use crate::station::{calls, calls_when, car, csms, nothing_waits, of_station, order, with_ocpp};

const SOON: Duration = Duration::from_secs(60);
const REGISTER: &str = "Energy.Active.Import.Register";

/// The fields of CP-LEFT's MeterValues whose first value has this context.
fn values<'c>(calls: &'c [Value], context: &str) -> Vec<&'c Value> {
    let of_left = of_station(calls, "CP-LEFT");
    let values = of_left.filter(|call| call["action"] == "MeterValues");
    let fields = values.map(|call| &call["fields"]);
    fields
        .filter(|fields| fields["meterValue"][0]["sampledValue"][0]["context"] == context)
        .collect()
}

fn register_of(value: &Value) -> anyhow::Result<i64> {
    let samples = value["sampledValue"].as_array().into_iter().flatten();
    let mut registers = samples.filter(|sample| sample["measurand"] == REGISTER);
    let register = registers.next().and_then(|sample| sample["value"].as_str());
    Ok(register.context("it has a register")?.parse()?)
}

fn ms(value: &Value) -> anyhow::Result<i64> {
    let text = value["timestamp"].as_str().context("it has a time")?;
    Ok(text.parse::<jiff::Timestamp>()?.as_millisecond())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_central_system_sees_of_the_meters_what_it_configures() -> anyhow::Result<()>
{
    let ports = [free_port()?, free_port()?];
    let folder = tempfile::tempdir()?;
    let csms = csms(ports, 6_000, folder.path()).await?;
    let stage = Stage::with_configuration(46, |site| with_ocpp(ports[0], site)).await?;
    calls_when(&csms, SOON, "the statuses", |calls| {
        let left = of_station(calls, "CP-LEFT");
        let statuses = left.filter(|call| call["action"] == "StatusNotification");
        statuses.count() >= 2
    })
    .await?;
    let wanted = format!("{REGISTER},Power.Active.Import,Current.Import.L1,Voltage.L1,Frequency");
    for (key, value, status) in [
        ("MeterValuesSampledData", "SoC", "Rejected"),
        ("MeterValuesSampledData", wanted.as_str(), "Accepted"),
        ("MeterValueSampleInterval", "2", "Accepted"),
        ("ClockAlignedDataInterval", "5", "Accepted"),
        ("StopTxnSampledData", REGISTER, "Accepted"),
        ("StopTxnAlignedData", REGISTER, "Accepted"),
    ] {
        let fields = json!({"key": key, "value": value});
        let answer = order(ports[1], "CP-LEFT", "ChangeConfiguration", fields).await?;
        ensure!(
            answer == json!({"status": status}),
            "{key} {value}: {answer}"
        );
    }

    let left = stage.connector("CP-LEFT")?;
    let before = scenarios::meter_wh(left);
    left.charger.plug_in(car());
    stage.status_becomes("CP-LEFT", "Charging", SOON).await?;
    calls_when(&csms, SOON, "samples of a vehicle that charges", |calls| {
        let flows = scenarios::meter_wh(left) >= before + 10;
        flows
            && values(calls, "Sample.Periodic").len() >= 3
            && values(calls, "Sample.Clock").len() >= 3
    })
    .await?;
    let trigger = json!({"requested_message": "MeterValues", "connector_id": 1});
    let answer = order(ports[1], "CP-LEFT", "TriggerMessage", trigger).await?;
    ensure!(answer == json!({"status": "Accepted"}), "{answer}");
    calls_when(&csms, SOON, "what was triggered", |calls| {
        values(calls, "Trigger").len() == 1
    })
    .await?;
    left.charger.unplug();
    stage.status_becomes("CP-LEFT", "Available", SOON).await?;
    let stopped = |calls: &[Value]| {
        let stop = |call: &Value| call["action"] == "StopTransaction";
        let place = calls.iter().position(stop)?;
        let after = values(&calls[place..], "Sample.Clock");
        (!after.is_empty()).then_some(place)
    };
    let told = calls_when(&csms, SOON, "the stop, and the clock goes on", |calls| {
        stopped(calls).is_some()
    })
    .await?;
    let place = stopped(&told).context("it was found")?;
    nothing_waits(&stage).await?;

    // What a sample tells: what is wanted, of this transaction.
    let start = of_station(&told, "CP-LEFT").find(|call| call["action"] == "StartTransaction");
    let (start, stop) = (
        &start.context("it began")?["fields"],
        &told[place]["fields"],
    );
    for context in ["Sample.Periodic", "Trigger"] {
        for fields in values(&told, context) {
            let value = &fields["meterValue"][0];
            let samples = value["sampledValue"].as_array().into_iter().flatten();
            let kinds: BTreeSet<String> = samples
                .map(|sample| {
                    let words = ["measurand", "phase", "unit"].map(|field| &sample[field]);
                    words.map(|word| word.as_str().unwrap_or("-")).join(" ")
                })
                .collect();
            let all_kinds = [
                "Energy.Active.Import.Register - Wh",
                "Power.Active.Import L1 W",
                "Power.Active.Import L2 W",
                "Power.Active.Import L3 W",
                "Power.Active.Import - W",
                "Current.Import L1 A",
                "Voltage L1-N V",
                "Frequency - Hertz",
            ];
            ensure!(kinds == all_kinds.map(str::to_owned).into(), "{kinds:?}");
            ensure!(fields["transactionId"] == 6_000, "{fields}");
            let register = register_of(value)?;
            let range = start["meterStart"].as_i64()..=stop["meterStop"].as_i64();
            ensure!(range.contains(&Some(register)), "{register} of {range:?}");
        }
    }
    for (number, fields) in values(&told[..place], "Sample.Clock").iter().enumerate() {
        ensure!(
            ms(&fields["meterValue"][0])? % 5_000 == 0,
            "{number}: {fields}"
        );
    }
    let after = values(&told[place..], "Sample.Clock");
    ensure!(after[0].get("transactionId").is_none(), "{after:?}");
    ensure!(
        values(&told[place..], "Sample.Periodic").is_empty(),
        "{told:?}"
    );

    // The data of the stop: its ends to the Wh and the millisecond, and samples of both kinds between.
    let data = stop["transactionData"].as_array().context("it has data")?;
    let contexts: Vec<&str> = data
        .iter()
        .filter_map(|value| value["sampledValue"][0]["context"].as_str())
        .collect();
    let [first, between @ .., last] = &contexts[..] else {
        anyhow::bail!("{data:?}");
    };
    ensure!(
        (*first, *last) == ("Transaction.Begin", "Transaction.End"),
        "{data:?}"
    );
    for context in ["Sample.Periodic", "Sample.Clock"] {
        let some = between.iter().filter(|between| **between == context);
        ensure!(some.count() >= 2, "{context}: {data:?}");
    }
    let registers: Vec<i64> = data.iter().map(register_of).collect::<Result<_, _>>()?;
    let times: Vec<i64> = data.iter().map(ms).collect::<Result<_, _>>()?;
    ensure!(registers.is_sorted() && times.is_sorted(), "{data:?}");
    let (begin, end) = (&data[0], &data[data.len() - 1]);
    ensure!(json!(registers[0]) == start["meterStart"], "{begin}");
    ensure!(
        json!(registers[registers.len() - 1]) == stop["meterStop"],
        "{end}"
    );
    ensure!(begin["timestamp"] == start["timestamp"], "{begin}");
    ensure!(end["timestamp"] == stop["timestamp"], "{end}");

    // The cloud has the same session by MQTT, once.
    stage.drained(SOON).await?;
    let sessions = stage.stored_sessions()?;
    let stored: Vec<Value> = sessions
        .iter()
        .map(|session| json!([session.meter_start_wh, session.meter_stop_wh]))
        .collect();
    ensure!(
        stored == [json!([start["meterStart"], stop["meterStop"]])],
        "{stored:?}"
    );
    let told = calls(&csms);
    let invalid = told.iter().find(|call| call["action"] == "invalid");
    ensure!(invalid.is_none(), "{invalid:?}");
    Ok(())
}
