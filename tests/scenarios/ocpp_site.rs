//! Both of our ends against each other: an order of REST goes over the charge point's OCPP socket to the
//! gateway, to the charger's register and its contactor; the session comes back over MQTT, once.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::{Api, Cloud, SimulatedSite, until};
use reqwest::Method;
use scenarios::Stage;
use serde_json::{Value, json};
use simulator::Ev;

const CHARGE_POINT: &str = "CP-FRONT";
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) async fn post(api: &Api, path: &str, body: &Value) -> anyhow::Result<Value> {
    let path = format!("/api/v1{path}");
    let answer = api.send(Method::POST, &path, Some(body)).await?;
    ensure!(
        matches!(answer.status, 200 | 201),
        "{path}: {} {}",
        answer.status,
        answer.body
    );
    Ok(answer.body)
}

pub(crate) async fn get(api: &Api, path: &str) -> anyhow::Result<Value> {
    let path = format!("/api/v1{path}");
    let answer = api.send(Method::GET, &path, None).await?;
    ensure!(answer.status == 200, "{path}: {}", answer.body);
    Ok(answer.body)
}

/// The site with a central system, and one charge point that waits for orders.
pub(crate) fn configuration(site: &SimulatedSite, cloud: &Cloud) -> String {
    let text = site.configuration_with_ocpp(&cloud.base());
    let (before, point) = text
        .split_once(&format!("id = \"{CHARGE_POINT}\""))
        .expect("the demo site has it");
    let point = point.replacen("\"free\"", "\"required\"", 1);
    format!("{before}id = \"{CHARGE_POINT}\"{point}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_of_rest_reaches_the_contactor_and_its_session_comes_back_once()
-> anyhow::Result<()> {
    let stage = Stage::beside_the_cloud(51, configuration).await?;
    let Stage { api, gateway, .. } = &stage;
    post(api, "/tokens", &json!({"id_tag": "T1"})).await?;
    let version = json!({"charge_point_id": CHARGE_POINT});
    until(
        DEADLINE,
        "its socket is open and the device answers",
        async || {
            let asked = post(api, "/ocpp16/get_local_list_version", &version).await;
            Ok(asked.ok().filter(|told| told["status"] == "Accepted"))
        },
    )
    .await
    .with_context(|| gateway.process.last_words())?;

    // Samples of the meters every second, and once more with the stop.
    for (key, value) in [
        ("MeterValueSampleInterval", "1"),
        ("ClockAlignedDataInterval", "2"),
        ("StopTxnSampledData", "Energy.Active.Import.Register"),
    ] {
        let change = json!({"charge_point_id": CHARGE_POINT, "key": key, "value": value});
        let changed = post(api, "/ocpp16/change_configuration", &change).await?;
        ensure!(changed["status"] == "Accepted", "{key}: {changed}");
    }

    let charger = &stage.connector(CHARGE_POINT)?.charger;
    let before = charger.energy_wh();
    charger.plug_in(Ev::three_phase_11_kw());
    let status = async |wanted: &str| stage.status_becomes(CHARGE_POINT, wanted, DEADLINE).await;
    status("Preparing").await?;
    let order = json!({"charge_point_id": CHARGE_POINT, "connector_id": 1, "id_tag": "T1"});
    let started = post(api, "/sessions", &order).await?;
    ensure!(started["status"] == "Accepted", "{started}");
    status("Charging").await?;
    until(DEADLINE, "20 Wh have flowed", async || {
        Ok((charger.power_mw() > 1_000_000 && charger.energy_wh() >= before + 20).then_some(()))
    })
    .await?;

    // A power limit, in the charger's own register (mA in two words) and taken back.
    let power =
        |command: &str, parameters: Value| json!({"command": command, "parameters": parameters});
    let orders = format!("/cpo/commands/{CHARGE_POINT}");
    let register = async |milliamps: u16| {
        let what = format!("the charger's register says {milliamps} mA");
        until(DEADLINE, &what, async || {
            let shown = charger.register("current_limit");
            Ok((shown == Some(vec![0, milliamps])).then_some(()))
        })
        .await
    };
    let limit = power(
        "set_power_limit",
        json!({"connector_id": 1, "limit_watts": 4_900}),
    );
    let limited = post(api, &orders, &limit).await?;
    ensure!(limited["status"] == "Accepted", "{limited}");
    register(7_100).await?;
    until(DEADLINE, "the vehicle takes no more", async || {
        Ok((charger.power_mw() <= 4_900_000).then_some(()))
    })
    .await?;
    gateway
        .status_when(DEADLINE, "the gateway says who limits", |status| {
            let points = status["charge_points"].as_array().into_iter().flatten();
            let point = points.filter(|point| point["charge_point_id"] == CHARGE_POINT);
            let mut connectors = point.map(|point| &point["connectors"][0]);
            connectors
                .any(|one| one["limit_owner"] == "charging_profile" && one["limit_ma"] == 7_100)
        })
        .await?;
    let free = power("clear_power_limit", json!({"connector_id": 1}));
    let freed = post(api, &orders, &free).await?;
    ensure!(freed["status"] == "Accepted", "{freed}");
    register(16_000).await?;

    let command = format!(
        "/cpo/commands/{}",
        started["command_id"].as_str().unwrap_or("")
    );
    let session = until(DEADLINE, "the order tells its session", async || {
        let command = get(api, &command).await?;
        Ok(command["session_id"].as_str().map(str::to_owned))
    })
    .await?;
    let running = get(api, &format!("/sessions/{session}")).await?;
    ensure!(
        running["status"] == "active" && running["transaction_id"].is_i64(),
        "{running}"
    );

    let stopped = post(api, &format!("/sessions/{session}/stop"), &json!({})).await?;
    ensure!(stopped["status"] == "Accepted", "{stopped}");
    let ended = until(DEADLINE, "the session has ended", async || {
        let session = get(api, &format!("/sessions/{session}")).await?;
        Ok((session["status"] != "active").then_some(session))
    })
    .await?;
    ensure!(ended["stop_reason"] == "Remote", "{ended}");
    let energy = ended["energy_kwh"].as_f64().unwrap_or(0.0);
    ensure!(energy > 0.0, "{ended}");
    let all = get(api, &format!("/sessions?charge_point_id={CHARGE_POINT}")).await?;
    ensure!(all["total"] == 1, "no session exists twice: {all}");
    // The gateway's facts are the truth: what its link tells of the meters is answered and adds nothing.
    let (begin, end) = (&ended["meter_start_wh"], &ended["meter_stop_wh"]);
    let values = get(api, &format!("/sessions/{session}/meter-values")).await?;
    let values = values["meter_values"].as_array().context("values")?;
    let kept: Vec<&Value> = values.iter().map(|value| &value["energy_wh"]).collect();
    let ends = kept.first() == Some(&begin) && kept.last() == Some(&end);
    ensure!(
        ends && kept.len() <= 3,
        "at most one quarter hour passed: {kept:?}"
    );
    let frames = get(
        api,
        &format!("/chargepoints/{CHARGE_POINT}/frames?limit=200"),
    )
    .await?;
    let frames = frames["frames"].as_array().context("frames")?;
    let samples = frames
        .iter()
        .filter(|frame| frame["action"] == "MeterValues");
    ensure!(samples.count() >= 3, "{frames:?}");
    ensure!(
        frames.iter().all(|frame| frame["validity"] == "valid"),
        "{frames:?}"
    );
    let command = format!(
        "/cpo/commands/{}",
        stopped["command_id"].as_str().unwrap_or("")
    );
    until(DEADLINE, "the stop is done", async || {
        let command = get(api, &command).await?;
        Ok((command["state"] == "completed").then_some(()))
    })
    .await?;
    Ok(())
}
