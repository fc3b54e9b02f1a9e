//! From REST to charge points by the Python `ocpp` package and back: every command, every call of 1.6,
//! and what they led to.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::ocpp_depot::{Depot, ago, states};

const ONE: &str = "DE*PY*1";

fn accepted() -> Value {
    json!({"status": "Accepted"})
}

/// Starts a session at the charge point. Answers its transaction and its id.
async fn session(depot: &mut Depot, connector: u8) -> anyhow::Result<(i64, String)> {
    let now = depot.now(ONE).await?;
    let start = json!({"connectorId": connector, "idTag": "T", "meterStart": 1_000, "timestamp": ago(now, 20)?});
    let transaction = depot.start(ONE, start).await?;
    depot.status(ONE, connector, "Charging").await?;
    let running = depot
        .get(&format!("/sessions?status=active&charge_point_id={ONE}"))
        .await?;
    let session = running["sessions"][0]["session_id"].as_str();
    Ok((transaction, session.context("it runs")?.to_owned()))
}

async fn stop(depot: &mut Depot, transaction: i64, reason: &str) -> anyhow::Result<()> {
    let now = depot.now(ONE).await?;
    let stop = json!({"transactionId": transaction, "meterStop": 2_500, "timestamp": now.to_string(), "reason": reason});
    let stopped = depot.call(ONE, "StopTransaction", stop).await?;
    ensure!(stopped == json!({}), "{stopped}");
    Ok(())
}

/// What a session ended with: its energy in kWh, status and reason.
async fn ended(depot: &Depot, session: &str) -> anyhow::Result<Value> {
    let shown = depot.get(&format!("/sessions/{session}")).await?;
    Ok(json!([
        shown["energy_kwh"],
        shown["status"],
        shown["stop_reason"]
    ]))
}

async fn depot() -> anyhow::Result<(Depot, String)> {
    let mut depot = Depot::open().await?;
    let password = depot.station(ONE).await?;
    depot.token(&json!({"id_tag": "T"})).await?;
    Ok((depot, password))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_start_leads_to_a_session_and_a_remote_stop_ends_it() -> anyhow::Result<()> {
    let (mut depot, _) = depot().await?;
    let start = ("start_session", json!({"connector_id": 2, "id_tag": "T"}));
    let (started, asked) = depot
        .command(ONE, start, ("RemoteStartTransaction", accepted()))
        .await?;
    assert_eq!(asked, json!({"connectorId": 2, "idTag": "T"}));
    assert_eq!(
        (&started["status"], &started["response"]),
        (&json!("Accepted"), &accepted())
    );
    let waiting = depot.command_now(&started).await?;
    assert_eq!(
        (&waiting["state"], &waiting["session_id"]),
        (&json!("accepted"), &Value::Null)
    );

    depot.status(ONE, 2, "Preparing").await?;
    let (transaction, session) = session(&mut depot, 2).await?;
    let done = depot.command_now(&started).await?;
    assert_eq!(states(&done), ["queued", "sent", "accepted", "completed"]);
    assert_eq!(done["session_id"], session.as_str());
    // A second one to a connector that charges is the charge point's to reject.
    let again = ("start_session", json!({"connector_id": 2, "id_tag": "T"}));
    let rejecting = ("RemoteStartTransaction", json!({"status": "Rejected"}));
    let (rejected, _) = depot.command(ONE, again, rejecting).await?;
    assert_eq!(rejected["status"], "Rejected");
    assert_eq!(
        depot.command_now(&rejected).await?["session_id"],
        Value::Null
    );

    // It is limited while it charges.
    let limit = (
        "set_power_limit",
        json!({"connector_id": 2, "limit_watts": 7_400}),
    );
    let limiting = ("SetChargingProfile", accepted());
    let (limited, asked) = depot.command(ONE, limit, limiting).await?;
    assert_eq!(limited["status"], "Accepted");
    let schedule = &asked["csChargingProfiles"]["chargingSchedule"];
    assert_eq!(
        (&asked["connectorId"], &schedule["chargingRateUnit"]),
        (&json!(2), &json!("W"))
    );
    assert_eq!(
        schedule["chargingSchedulePeriod"],
        json!([{"startPeriod": 0, "limit": 7_400}])
    );

    let path = format!("/sessions/{session}/stop");
    let stopping = ("RemoteStopTransaction", accepted());
    let (stopped, asked) = depot.order(ONE, (&path, &json!({})), stopping).await?;
    assert_eq!(asked, json!({"transactionId": transaction}));
    assert_eq!(
        states(&depot.command_now(&stopped).await?),
        ["queued", "sent", "accepted"]
    );
    stop(&mut depot, transaction, "Remote").await?;
    let done = depot.command_now(&stopped).await?;
    assert_eq!(
        (&done["state"], &done["session_id"]),
        (&json!("completed"), &json!(session))
    );
    assert_eq!(
        ended(&depot, &session).await?,
        json!([1.5, "stopped", "Remote"])
    );
    let late = depot.post(&path, &json!({})).await?;
    assert_eq!(
        (late.status, &late.body["error"]),
        (409, &json!("conflict"))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_during_a_session_ends_it_in_order_or_is_booked_when_power_returns()
-> anyhow::Result<()> {
    let (mut depot, password) = depot().await?;
    let (transaction, soft) = session(&mut depot, 1).await?;
    let (reset, asked) = depot
        .command(ONE, ("soft_reset", json!({})), ("Reset", accepted()))
        .await?;
    assert_eq!(asked, json!({"type": "Soft"}));
    stop(&mut depot, transaction, "SoftReset").await?;
    assert_eq!(
        ended(&depot, &soft).await?,
        json!([1.5, "stopped", "SoftReset"])
    );
    depot.say(ONE, "hang_up", json!({})).await?.ok()?;
    depot.online_is(ONE, false).await?;
    assert_eq!(
        depot.command_now(&reset).await?["state"],
        "accepted",
        "it has not started again"
    );
    depot.connect(ONE, &password).await?;
    depot.boot(ONE).await?;
    assert_eq!(depot.command_now(&reset).await?["state"], "completed");

    let (transaction, hard) = session(&mut depot, 2).await?;
    let (reset, asked) = depot
        .command(ONE, ("hard_reset", json!({})), ("Reset", accepted()))
        .await?;
    assert_eq!(asked, json!({"type": "Hard"}));
    depot.say(ONE, "pull_the_plug", json!({})).await?.ok()?;
    depot.online_is(ONE, false).await?;
    assert_eq!(
        ended(&depot, &hard).await?,
        json!([0, "active", null]),
        "nobody has told its end"
    );
    depot.connect(ONE, &password).await?;
    depot.boot(ONE).await?;
    stop(&mut depot, transaction, "HardReset").await?;
    assert_eq!(
        ended(&depot, &hard).await?,
        json!([1.5, "stopped", "HardReset"])
    );
    assert_eq!(depot.command_now(&reset).await?["state"], "completed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_in_use_is_closed_when_its_session_ends() -> anyhow::Result<()> {
    let (mut depot, _) = depot().await?;
    let (transaction, session) = session(&mut depot, 1).await?;
    let close = ("set_unavailable", json!({"connector_id": 1}));
    let scheduling = ("ChangeAvailability", json!({"status": "Scheduled"}));
    let (closed, asked) = depot.command(ONE, close, scheduling).await?;
    assert_eq!(asked, json!({"connectorId": 1, "type": "Inoperative"}));
    assert_eq!(
        (&closed["status"], &closed["response"]["status"]),
        (&json!("Accepted"), &json!("Scheduled"))
    );
    assert_eq!(
        states(&depot.command_now(&closed).await?),
        ["queued", "sent", "accepted"],
        "it is pending"
    );
    stop(&mut depot, transaction, "Local").await?;
    assert_eq!(
        ended(&depot, &session).await?,
        json!([1.5, "completed", "Local"])
    );
    depot.status(ONE, 1, "Unavailable").await?;
    let shown = depot.online_is(ONE, true).await?;
    assert_eq!(shown["connectors"][0]["status"], "Unavailable");
    assert_eq!(
        states(&depot.command_now(&closed).await?),
        ["queued", "sent", "accepted", "completed"]
    );

    let open = ("set_available", json!({"connector_id": 0}));
    let (opened, asked) = depot
        .command(ONE, open, ("ChangeAvailability", accepted()))
        .await?;
    assert_eq!(asked, json!({"connectorId": 0, "type": "Operative"}));
    assert_eq!(
        states(&depot.command_now(&opened).await?),
        ["queued", "sent", "accepted", "completed"]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_list_is_made_from_the_tokens_whole_and_in_part() -> anyhow::Result<()> {
    let (mut depot, _) = depot().await?;
    let now = depot.now(ONE).await?;
    let over = ago(now, 60)?;
    depot
        .token(&json!({"id_tag": "U", "status": "blocked", "parent": "P"}))
        .await?;
    depot
        .token(&json!({"id_tag": "V", "expires_at": over}))
        .await?;
    let whole = ("send_local_list", json!({"list_version": 7}));
    let (sent, mut asked) = depot
        .command(ONE, whole, ("SendLocalList", accepted()))
        .await?;
    assert_eq!(sent["status"], "Accepted");
    let entries = asked["localAuthorizationList"]
        .as_array_mut()
        .context("a list")?;
    entries.sort_by_key(|entry| entry["idTag"].to_string());
    assert_eq!(
        asked,
        json!({"listVersion": 7, "updateType": "Full", "localAuthorizationList": [
            {"idTag": "T", "idTagInfo": accepted()},
            {"idTag": "U", "idTagInfo": {"status": "Blocked", "parentIdTag": "P"}},
            {"idTag": "V", "idTagInfo": {"status": "Expired", "expiryDate": over}},
        ]})
    );
    let part = json!({
        "charge_point_id": ONE, "list_version": 8, "update_type": "Differential",
        "local_authorization_list": [{"id_tag": "W", "id_tag_info": {"status": "Accepted"}}, {"id_tag": "U"}],
    });
    let part = ("/ocpp16/send_local_list", &part);
    let (sent, asked) = depot
        .order(ONE, part, ("SendLocalList", accepted()))
        .await?;
    assert_eq!(sent["status"], "Accepted");
    assert_eq!(
        asked,
        json!({"listVersion": 8, "updateType": "Differential", "localAuthorizationList": [
            {"idTag": "W", "idTagInfo": accepted()}, {"idTag": "U"},
        ]})
    );
    let version = (
        "/ocpp16/get_local_list_version",
        &json!({"charge_point_id": ONE}),
    );
    let (told, _) = depot
        .order(
            ONE,
            version,
            ("GetLocalListVersion", json!({"listVersion": 8})),
        )
        .await?;
    assert_eq!(
        (&told["status"], &told["response"]),
        (&json!("Accepted"), &json!({"listVersion": 8}))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_in_watts_is_set_and_taken_back_by_the_same_profile() -> anyhow::Result<()> {
    let (mut depot, _) = depot().await?;
    for (connector, purpose) in [(0, "ChargePointMaxProfile"), (2, "TxDefaultProfile")] {
        let limit = (
            "set_power_limit",
            json!({"connector_id": connector, "limit_watts": 7_400}),
        );
        let (set, mut asked) = depot
            .command(ONE, limit, ("SetChargingProfile", accepted()))
            .await?;
        assert_eq!(set["status"], "Accepted");
        let profile = &mut asked["csChargingProfiles"];
        let id = profile["chargingProfileId"].take();
        let begins = profile["chargingSchedule"]["startSchedule"].take();
        let begins = begins
            .as_str()
            .context("an absolute schedule has a start")?;
        ensure!(
            begins.parse::<jiff::Timestamp>()? <= depot.now(ONE).await?,
            "{begins}"
        );
        assert_eq!(
            asked,
            json!({"connectorId": connector, "csChargingProfiles": {
                "chargingProfileId": null, "stackLevel": 0, "chargingProfilePurpose": purpose,
                "chargingProfileKind": "Absolute",
                "chargingSchedule": {"startSchedule": null, "chargingRateUnit": "W",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7_400}]},
            }})
        );
        let clear = ("clear_power_limit", json!({"connector_id": connector}));
        let (cleared, asked) = depot
            .command(ONE, clear, ("ClearChargingProfile", accepted()))
            .await?;
        assert_eq!(
            (&cleared["status"], asked),
            (&json!("Accepted"), json!({"id": id}))
        );
    }
    let limit = (
        "set_power_limit",
        json!({"connector_id": 1, "limit_watts": 0}),
    );
    let refusing = ("SetChargingProfile", json!({"status": "NotSupported"}));
    let (set, _) = depot.command(ONE, limit, refusing).await?;
    assert_eq!(
        (&set["status"], &set["response"]["status"]),
        (&json!("Rejected"), &json!("NotSupported"))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diagnostics_and_firmware_are_done_when_the_charge_point_says_so() -> anyhow::Result<()> {
    let (mut depot, _) = depot().await?;
    let address = "https://files.example.com/up";
    let upload = ("get_diagnostics", json!({"upload_url": address}));
    let (diagnostics, asked) = depot
        .command(
            ONE,
            upload,
            ("GetDiagnostics", json!({"fileName": "d.zip"})),
        )
        .await?;
    assert_eq!(asked, json!({"location": address}));
    assert_eq!(diagnostics["response"], json!({"fileName": "d.zip"}));
    let signed = json!({"charge_point_id": ONE, "request_id": 5, "firmware": {
        "location": address, "retrieve_date_time": "2026-05-01T00:00:00Z",
        "signing_certificate": "-----BEGIN CERTIFICATE-----", "signature": "c2lnbmVk"}});
    let fetch = (
        "update_firmware",
        json!({"firmware_url": address, "retrieve_date": "2026-05-01T00:00:00Z"}),
    );
    let (firmware, asked) = depot
        .command(ONE, fetch, ("UpdateFirmware", json!({})))
        .await?;
    assert_eq!(
        asked,
        json!({"location": address, "retrieveDate": "2026-05-01T00:00:00Z"})
    );
    for (command, action, words) in [
        (
            &diagnostics,
            "DiagnosticsStatusNotification",
            ["Uploading", "Uploaded"].as_slice(),
        ),
        (
            &firmware,
            "FirmwareStatusNotification",
            &["Downloading", "Downloaded", "Installing", "Installed"],
        ),
    ] {
        for (place, word) in words.iter().enumerate() {
            assert_eq!(
                depot.call(ONE, action, json!({"status": word})).await?,
                json!({})
            );
            let state = if place + 1 == words.len() {
                "completed"
            } else {
                "accepted"
            };
            assert_eq!(depot.command_now(command).await?["state"], state, "{word}");
        }
    }
    let (firmware, asked) = depot
        .order(
            ONE,
            ("/ocpp16/signed_update_firmware", &signed),
            ("SignedUpdateFirmware", accepted()),
        )
        .await?;
    assert_eq!(asked["firmware"]["signature"], "c2lnbmVk");
    for (word, state) in [
        ("SignatureVerified", "accepted"),
        ("Installed", "completed"),
    ] {
        let told = json!({"status": word, "requestId": 5});
        depot
            .call(ONE, "SignedFirmwareStatusNotification", told)
            .await?;
        assert_eq!(
            depot.command_now(&firmware).await?["state"],
            state,
            "{word}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_is_kept_used_and_taken_back() -> anyhow::Result<()> {
    let (mut depot, _) = depot().await?;
    let until = ago(depot.now(ONE).await?, -3_600)?;
    let body =
        json!({"charge_point_id": ONE, "connector_id": 1, "id_tag": "T", "expires_at": until});
    let mut made = Vec::new();
    for status in ["Accepted", "Occupied", "Accepted"] {
        let answer = json!({"action": "ReserveNow", "payload": {"status": status}});
        depot.say(ONE, "answer", answer).await?.ok()?;
        let told = depot.post("/reservations", &body).await?;
        ensure!(told.status == 201, "{told:?}");
        assert_eq!(told.body["state"], status.to_lowercase());
        let asked = depot
            .say(ONE, "asked", json!({"action": "ReserveNow"}))
            .await?
            .ok()?;
        let number = asked["reservationId"].clone();
        assert_eq!(
            asked,
            json!({"connectorId": 1, "expiryDate": until, "idTag": "T", "reservationId": number})
        );
        let id = told.body["id"].as_str().context("no id")?.to_owned();
        made.push((format!("/reservations/{id}"), number));
    }
    let now = depot.now(ONE).await?.to_string();
    let start = json!({"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": now, "reservationId": made[0].1});
    depot.start(ONE, start).await?;
    assert_eq!(depot.get(&made[0].0).await?["state"], "used");
    let answer = json!({"action": "CancelReservation", "payload": accepted()});
    depot.say(ONE, "answer", answer).await?.ok()?;
    let cancelled = depot.delete(&made[2].0).await?;
    ensure!(cancelled.status == 204, "{cancelled:?}");
    let asked = depot
        .say(ONE, "asked", json!({"action": "CancelReservation"}))
        .await?
        .ok()?;
    assert_eq!(asked, json!({"reservationId": made[2].1}));
    assert_eq!(depot.get(&made[2].0).await?["state"], "cancelled");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_an_error_and_no_connection_are_told_apart() -> anyhow::Result<()> {
    let (mut depot, password) = depot().await?;
    let path = format!("/cpo/commands/{ONE}");
    let unlock = json!({"command": "unlock_connector", "parameters": {"connector_id": 1}, "timeout_seconds": 1});
    let unknown = depot.post(&path, &unlock).await?;
    assert_eq!(
        (unknown.status, &unknown.body["status"]),
        (200, &json!("Error"))
    );
    let told = unknown.body["error"].as_str().unwrap_or_default();
    ensure!(told.contains("NotImplemented"), "{told}");
    depot
        .say(ONE, "asked", json!({"action": "UnlockConnector"}))
        .await?
        .ok()?;

    let slow = json!({"action": "UnlockConnector", "payload": {"status": "Unlocked"}, "delay": 2});
    depot.say(ONE, "answer", slow).await?.ok()?;
    let silent = depot.post(&path, &unlock).await?;
    assert_eq!(
        (
            silent.status,
            &silent.body["status"],
            &silent.body["response"]
        ),
        (200, &json!("Timeout"), &Value::Null)
    );
    // Its answer comes late; the conversation goes on, and the command stays as it was told.
    depot.now(ONE).await?;
    let unlocked = ("UnlockConnector", json!({"status": "Unlocked"}));
    let (done, _) = depot
        .command(
            ONE,
            ("unlock_connector", json!({"connector_id": 1})),
            unlocked,
        )
        .await?;
    assert_eq!(done["status"], "Accepted");
    assert_eq!(depot.command_now(&silent.body).await?["state"], "timed_out");

    depot.say(ONE, "pull_the_plug", json!({})).await?.ok()?;
    depot.online_is(ONE, false).await?;
    let gone = depot.post(&path, &unlock).await?;
    assert_eq!(
        (gone.status, &gone.body["error"]),
        (409, &json!("charge_point_offline"))
    );
    depot.register("DE*PY*2").await?;
    depot.connect(ONE, &password).await?;
    depot.boot(ONE).await?;
    let answer = json!({"action": "ClearCache", "payload": accepted()});
    depot.say(ONE, "answer", answer).await?.ok()?;
    let many = json!({"charge_point_ids": [ONE, "DE*PY*2", "NOBODY"], "command": "soft_reset"});
    let answer = json!({"action": "Reset", "payload": accepted()});
    depot.say(ONE, "answer", answer).await?.ok()?;
    let told = depot.post("/cpo/commands/bulk", &many).await?;
    ensure!(told.status == 200 && told.body["total"] == 3, "{told:?}");
    let results = &told.body["results"];
    assert_eq!(results[0]["result"]["status"], "Accepted");
    assert_eq!(results[1]["error"]["error"], "charge_point_offline");
    assert_eq!(results[2]["error"]["error"], "not_found");
    Ok(())
}
