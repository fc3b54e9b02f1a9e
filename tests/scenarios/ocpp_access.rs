//! Who may charge at a charge point behind the gateway: tags presented at the cabinet, local lists and
//! reservations, of an independent central system (Python's `ocpp` package) and of our own.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::{Gateway, SimulatedSite, until};
use jiff::{Timestamp, ToSpan as _};
use scenarios::{Stage, free_port};
use serde_json::{Value, json};

use crate::ocpp_site::{configuration, get, post};
use crate::station::{calls, calls_when, car, csms, nothing_waits, of_station, order, with_ocpp};

const CHARGE_POINT: &str = "CP-FRONT";
const SOON: Duration = Duration::from_secs(30);
/// Reconnecting waits for up to a minute.
const RECONNECTED: Duration = Duration::from_secs(90);

/// What whoever presents a tag at the cabinet is told: the outcome, and the reason of a refusal.
fn present(gateway: &Gateway, id_tag: &str) -> anyhow::Result<(String, Option<String>)> {
    let output = gateway.ask(&["present-tag", CHARGE_POINT, "1", id_tag, "--json"])?;
    let said = String::from_utf8_lossy(&output.stdout);
    let answer: Value = serde_json::from_str(&said)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let outcome = answer["outcome"].as_str().unwrap_or_default().to_owned();
    ensure!(
        output.status.success() == (outcome != "refused"),
        "{answer}"
    );
    Ok((outcome, answer["reason"].as_str().map(str::to_owned)))
}

fn refused(reason: &str) -> (String, Option<String>) {
    ("refused".to_owned(), Some(reason.to_owned()))
}

fn taken(outcome: &str) -> (String, Option<String>) {
    (outcome.to_owned(), None)
}

/// The demo site where one charge point needs a tag.
fn with_a_tag(port: u16, site: &SimulatedSite) -> String {
    let text = with_ocpp(port, site);
    let (before, point) = text
        .split_once(&format!("id = \"{CHARGE_POINT}\""))
        .expect("the demo site has it");
    let point = point.replacen("\"free\"", "\"required\"", 1);
    format!("{before}id = \"{CHARGE_POINT}\"{point}")
}

/// The charge point's statuses, starts and stops as the central system was told them.
fn story(calls: &[Value]) -> Vec<Value> {
    let told = of_station(calls, CHARGE_POINT).filter_map(|call| {
        let fields = &call["fields"];
        match call["action"].as_str()? {
            "StartTransaction" => Some(json!(["start", fields["idTag"], fields["reservationId"]])),
            "StopTransaction" => Some(json!(["stop", fields["reason"]])),
            _ => None,
        }
    });
    told.collect()
}

async fn link_is(stage: &Stage, up: bool) -> anyhow::Result<()> {
    let reached = |status: &Value| {
        let points = status["charge_points"].as_array();
        let mut points = points.into_iter().flatten();
        let point = points.find(|point| point["charge_point_id"] == CHARGE_POINT);
        point.is_some_and(|point| {
            let ocpp = &point["ocpp"];
            let connected = ocpp["connected_since_ms"].is_number();
            connected == up && (!up || ocpp["registration"] == "accepted")
        })
    };
    let what = if up {
        "the link is accepted"
    } else {
        "the link is broken"
    };
    stage
        .gateway
        .status_when(RECONNECTED, what, reached)
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_are_judged_by_the_central_system_and_by_list_and_cache_while_it_is_away()
-> anyhow::Result<()> {
    let ports = [free_port()?, free_port()?];
    let folder = tempfile::tempdir()?;
    let first = csms(ports, 1_000, folder.path()).await?;
    let stage = Stage::with_configuration(61, |site| with_a_tag(ports[0], site)).await?;
    let charger = &stage.connector(CHARGE_POINT)?.charger;
    link_is(&stage, true).await?;
    for (id_tag, reason) in [
        ("BLOCKED-1", "blocked"),
        ("EXPIRED-1", "expired"),
        ("NOBODY", "invalid"),
        ("BUSY-1", "concurrent_tx"),
    ] {
        ensure!(
            present(&stage.gateway, id_tag)? == refused(reason),
            "{id_tag}"
        );
    }
    // A session from one tap to the next; somebody else's card does not end it.
    charger.plug_in(car());
    ensure!(present(&stage.gateway, "GOOD-1")? == taken("accepted"));
    stage.status_becomes(CHARGE_POINT, "Charging", SOON).await?;
    ensure!(present(&stage.gateway, "GOOD-2")? == refused("other_session"));
    ensure!(present(&stage.gateway, "good-1")? == taken("stopping"));
    stage
        .status_becomes(CHARGE_POINT, "Finishing", SOON)
        .await?;
    charger.unplug();
    stage
        .status_becomes(CHARGE_POINT, "Available", SOON)
        .await?;

    let send = async |version: i64, kind: &str, list: Value| {
        let fields =
            json!({"list_version": version, "update_type": kind, "local_authorization_list": list});
        order(ports[1], CHARGE_POINT, "SendLocalList", fields).await
    };
    let on = |id_tag: &str, status: &str| json!({"idTag": id_tag, "idTagInfo": {"status": status}});
    let full = json!([on("LISTED-1", "Accepted"), on("LISTED-2", "Accepted")]);
    ensure!(send(4, "Full", full).await? == json!({"status": "Accepted"}));
    let changed =
        json!([on("LISTED-2", "Blocked"), on("LISTED-3", "Accepted"), {"idTag": "LISTED-9"}]);
    ensure!(send(5, "Differential", changed.clone()).await? == json!({"status": "Accepted"}));
    ensure!(send(5, "Differential", changed).await? == json!({"status": "VersionMismatch"}));
    let version = order(ports[1], CHARGE_POINT, "GetLocalListVersion", json!({})).await?;
    ensure!(version == json!({"list_version": 5}), "{version}");
    nothing_waits(&stage).await?;

    // It goes away: the list, then the cache.
    let mut log = calls(&first);
    let mut gone = first;
    gone.process.kill().await?;
    link_is(&stage, false).await?;
    for (id_tag, reason) in [("LISTED-2", "blocked"), ("GOOD-7", "invalid")] {
        ensure!(
            present(&stage.gateway, id_tag)? == refused(reason),
            "{id_tag}"
        );
    }
    for (id_tag, stops) in [("LISTED-1", true), ("GOOD-1", false)] {
        charger.plug_in(car());
        ensure!(present(&stage.gateway, id_tag)? == taken("accepted"));
        stage.status_becomes(CHARGE_POINT, "Charging", SOON).await?;
        if stops {
            ensure!(present(&stage.gateway, id_tag)? == taken("stopping"));
            stage
                .status_becomes(CHARGE_POINT, "Finishing", SOON)
                .await?;
        }
        charger.unplug();
        stage
            .status_becomes(CHARGE_POINT, "Available", SOON)
            .await?;
    }
    let second = csms(ports, 2_000, folder.path()).await?;
    calls_when(&second, RECONNECTED, "both sessions", |calls| {
        story(calls).len() == 4
    })
    .await?;
    nothing_waits(&stage).await?;
    log.extend(calls(&second));
    let expected = json!([
        ["start", "GOOD-1", null],
        ["stop", "Local"],
        ["start", "LISTED-1", null],
        ["stop", "Local"],
        ["start", "GOOD-1", null],
        ["stop", "EVDisconnected"],
    ]);
    ensure!(json!(story(&log)) == expected, "{:?}", story(&log));
    let invalid = log.iter().find(|call| call["action"] == "invalid");
    ensure!(invalid.is_none(), "{invalid:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_of_an_independent_central_system_is_used_expires_or_is_taken_back()
-> anyhow::Result<()> {
    let ports = [free_port()?, free_port()?];
    let folder = tempfile::tempdir()?;
    let csms = csms(ports, 4_000, folder.path()).await?;
    let mut stage = Stage::with_configuration(62, |site| with_a_tag(ports[0], site)).await?;
    link_is(&stage, true).await?;
    stage
        .status_becomes(CHARGE_POINT, "Available", SOON)
        .await?;
    let reserve = async |id: i64, seconds: i64| {
        let expiry = Timestamp::now() + seconds.seconds();
        let fields = json!({"connector_id": 1, "expiry_date": expiry.to_string(), "id_tag": "GOOD-1",
            "reservation_id": id});
        order(ports[1], CHARGE_POINT, "ReserveNow", fields).await
    };
    let cancel = async || {
        let fields = json!({"reservation_id": 7});
        order(ports[1], CHARGE_POINT, "CancelReservation", fields).await
    };
    let accepted = json!({"status": "Accepted"});
    ensure!(reserve(6, 4).await? == accepted);
    stage.status_becomes(CHARGE_POINT, "Reserved", SOON).await?;
    stage
        .status_becomes(CHARGE_POINT, "Available", SOON)
        .await?;
    ensure!(reserve(7, 3_600).await? == accepted);
    stage.status_becomes(CHARGE_POINT, "Reserved", SOON).await?;
    ensure!(cancel().await? == accepted);
    stage
        .status_becomes(CHARGE_POINT, "Available", SOON)
        .await?;
    ensure!(cancel().await? == json!({"status": "Rejected"}));

    // One that is used, after the gateway was killed.
    ensure!(reserve(8, 3_600).await? == accepted);
    ensure!(reserve(9, 3_600).await? == json!({"status": "Occupied"}));
    stage.gateway.process.kill().await?;
    stage.gateway.restart().await?;
    link_is(&stage, true).await?;
    stage.status_becomes(CHARGE_POINT, "Reserved", SOON).await?;
    // Its charger answers again in a moment.
    let said = until(SOON, "the charger answers", async || {
        let said = present(&stage.gateway, "GOOD-2")?;
        Ok((said != refused("device_offline")).then_some(said))
    })
    .await?;
    ensure!(said == refused("reserved"), "{said:?}");
    let charger = &stage.connector(CHARGE_POINT)?.charger;
    charger.plug_in(car());
    ensure!(present(&stage.gateway, "GOOD-1")? == taken("accepted"));
    stage.status_becomes(CHARGE_POINT, "Charging", SOON).await?;
    charger.unplug();
    stage
        .status_becomes(CHARGE_POINT, "Available", SOON)
        .await?;
    let told = calls_when(&csms, SOON, "the session", |calls| story(calls).len() == 2).await?;
    let expected = json!([["start", "GOOD-1", 8], ["stop", "EVDisconnected"]]);
    ensure!(json!(story(&told)) == expected, "{:?}", story(&told));
    let shown = of_station(&told, CHARGE_POINT).filter(|call| {
        call["action"] == "StatusNotification" && call["fields"]["status"] == "Reserved"
    });
    ensure!(shown.count() >= 3, "{told:?}");
    let invalid = told.iter().find(|call| call["action"] == "invalid");
    ensure!(invalid.is_none(), "{invalid:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_lists_and_reservations_of_rest_hold_at_a_charge_point_behind_a_gateway()
-> anyhow::Result<()> {
    let stage = Stage::beside_the_cloud(63, configuration).await?;
    let Stage { api, gateway, .. } = &stage;
    post(api, "/tokens", &json!({"id_tag": "T1"})).await?;
    post(
        api,
        "/tokens",
        &json!({"id_tag": "T2", "status": "blocked"}),
    )
    .await?;
    post(api, "/tokens", &json!({"id_tag": "T3"})).await?;

    let list = json!({"charge_point_id": CHARGE_POINT, "list_version": 100, "update_type": "Full",
        "local_authorization_list": [{"idTag": "T1", "idTagInfo": {"status": "Accepted"}}]});
    until(SOON, "its socket is open and it takes a list", async || {
        let sent = post(api, "/ocpp16/send_local_list", &list).await;
        Ok(sent
            .ok()
            .filter(|told| told["response"]["status"] == "Accepted"))
    })
    .await
    .with_context(|| gateway.process.last_words())?;
    let version = json!({"charge_point_id": CHARGE_POINT});
    let version = post(api, "/ocpp16/get_local_list_version", &version).await?;
    ensure!(version["response"]["listVersion"] == 100, "{version}");

    let status = async |wanted: &str| stage.status_becomes(CHARGE_POINT, wanted, SOON).await;
    status("Available").await?;
    let expires_at = (Timestamp::now() + 1.hour()).to_string();
    let wish = json!({"charge_point_id": CHARGE_POINT, "connector_id": 1, "id_tag": "T1", "expires_at": expires_at});
    let reservation = post(api, "/reservations", &wish).await?;
    ensure!(reservation["state"] == "accepted", "{reservation}");
    status("Reserved").await?;
    ensure!(present(gateway, "T2")? == refused("blocked"));
    ensure!(present(gateway, "T3")? == refused("reserved"));
    ensure!(present(gateway, "T4")? == refused("invalid"));

    let charger = &stage.connector(CHARGE_POINT)?.charger;
    charger.plug_in(car());
    ensure!(present(gateway, "T1")? == taken("accepted"));
    status("Charging").await?;
    let path = format!(
        "/reservations/{}",
        reservation["id"].as_str().unwrap_or_default()
    );
    until(SOON, "the reservation is used", async || {
        let reservation = get(api, &path).await?;
        Ok((reservation["state"] == "used").then_some(()))
    })
    .await?;
    ensure!(present(gateway, "T1")? == taken("stopping"));
    let sessions = format!("/sessions?charge_point_id={CHARGE_POINT}");
    let ended = until(SOON, "the session has ended", async || {
        let all = get(api, &sessions).await?;
        let reason = &all["sessions"][0]["stop_reason"];
        Ok(reason.is_string().then_some(all))
    })
    .await?;
    ensure!(
        ended["total"] == 1 && ended["sessions"][0]["stop_reason"] == "Local",
        "{ended}"
    );
    Ok(())
}
