//! Charge points by the Python `ocpp` package at the real cloud: who they are, who may charge, and
//! sessions to the watt-hour.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::ocpp_depot::{Depot, ago};

const ONE: &str = "DE*PY*1";
const TWO: &str = "DE*PY*2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_point_is_shown_by_rest_as_it_tells_of_itself() -> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    let password = depot.register(ONE).await?;
    depot.connect(ONE, &password).await?;
    // Some tell their status before they have started in order.
    depot.status(ONE, 0, "Available").await?;
    depot.boot(ONE).await?;
    depot.status(ONE, 1, "Preparing").await?;
    let fault = json!({
        "connectorId": 2, "errorCode": "GroundFailure", "status": "Faulted", "info": "RCD",
        "vendorId": "Peer", "vendorErrorCode": "E17",
    });
    depot.call(ONE, "StatusNotification", fault).await?;
    let now = depot.now(ONE).await?;

    let mut shown = depot.online_is(ONE, true).await?;
    let heard = shown["last_heartbeat_at"].take();
    let heard = heard.as_str().context("it was heard")?;
    ensure!(heard.parse::<jiff::Timestamp>()? >= now, "{heard} < {now}");
    for connector in [0, 1] {
        let observed = shown["connectors"][connector]["observed_at"].take();
        ensure!(observed.is_string(), "{shown}");
    }
    assert_eq!(
        shown,
        json!({
            "charge_point_id": ONE, "ocpp_status": "Available", "online": true,
            "last_heartbeat_at": null, "firmware_version": "2.1.0",
            "connectors": [
                {"connector_id": 1, "status": "Preparing", "type": "Type2", "max_power_kw": 22, "observed_at": null},
                {"connector_id": 2, "status": "Faulted", "type": "Unknown", "max_power_kw": 0, "observed_at": null},
            ],
        })
    );

    depot.say(ONE, "hang_up", json!({})).await?.ok()?;
    let left = depot.online_is(ONE, false).await?;
    assert_eq!(
        left["connectors"][0]["status"], "Preparing",
        "as it was told last"
    );
    depot.connect(ONE, &password).await?;
    depot.boot(ONE).await?;
    depot.online_is(ONE, true).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_at_the_charge_point_is_read_by_rest_to_the_watt_hour() -> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    depot.station(ONE).await?;
    depot
        .token(&json!({"id_tag": "04A1B2C3D4E5F6", "user_id": "u-1"}))
        .await?;
    let now = depot.now(ONE).await?;
    let tag = "04a1b2c3d4e5f6";
    let authorized = depot.call(ONE, "Authorize", json!({"idTag": tag})).await?;
    assert_eq!(authorized, json!({"idTagInfo": {"status": "Accepted"}}));
    depot.status(ONE, 1, "Preparing").await?;
    let start = json!({"connectorId": 1, "idTag": tag, "meterStart": 1_204_500, "timestamp": ago(now, 50)?});
    let transaction = depot.start(ONE, start.clone()).await?;
    depot.status(ONE, 1, "Charging").await?;
    for (age, register, unit) in [(40, "1204900", "Wh"), (30, "1205.777", "kWh")] {
        let values = json!({"connectorId": 1, "transactionId": transaction, "meterValue": [{
            "timestamp": ago(now, age)?,
            "sampledValue": [
                {"value": "16.0", "measurand": "Current.Import", "phase": "L1", "unit": "A"},
                {"value": register, "measurand": "Energy.Active.Import.Register", "unit": unit, "context": "Sample.Periodic"},
            ],
        }]});
        assert_eq!(depot.call(ONE, "MeterValues", values).await?, json!({}));
    }
    let running = depot.sessions().await?;
    let session = running[0]["session_id"]
        .as_str()
        .context("a session runs")?
        .to_owned();
    assert_eq!(
        (
            running.len(),
            &running[0]["energy_kwh"],
            &running[0]["status"]
        ),
        (1, &json!(1.277), &json!("active"))
    );
    let shown = depot.get(&format!("/chargepoints/{ONE}/status")).await?;
    assert_eq!(
        shown["connectors"][0]["active_session_id"],
        session.as_str()
    );

    let stop = json!({
        "transactionId": transaction, "idTag": tag, "meterStop": 1_208_001, "timestamp": ago(now, 10)?,
        "reason": "EVDisconnected",
        "transactionData": [{"timestamp": ago(now, 10)?, "sampledValue": [{"value": "1208001", "context": "Transaction.End"}]}],
    });
    for _sent_again in 0..2 {
        let stopped = depot.call(ONE, "StopTransaction", stop.clone()).await?;
        assert_eq!(stopped, json!({"idTagInfo": {"status": "Accepted"}}));
        let again = depot.start(ONE, start.clone()).await?;
        assert_eq!(again, transaction, "the same start gets the same id");
    }
    depot.status(ONE, 1, "Available").await?;
    for unknown in [0, 4_711] {
        let stop =
            json!({"transactionId": unknown, "meterStop": 9_999_999, "timestamp": ago(now, 5)?});
        let stopped = depot.call(ONE, "StopTransaction", stop).await?;
        assert_eq!(stopped, json!({}), "a stop that nobody knows is answered");
    }

    assert_eq!(
        depot.sessions().await?,
        [json!({
            "session_id": session, "transaction_id": transaction, "charge_point_id": ONE,
            "connector_id": 1, "site_id": null, "user_id": "u-1", "id_tag": tag,
            "status": "completed", "started_at": ago(now, 50)?, "ended_at": ago(now, 10)?,
            "duration_minutes": 0, "energy_kwh": 3.501, "meter_start_wh": 1_204_500,
            "meter_stop_wh": 1_208_001, "stop_reason": "EVDisconnected", "offline": false,
            "energy_source": "lifetime_register", "billing_grade": true, "managed_by": null,
        })]
    );
    let values = depot
        .get(&format!("/sessions/{session}/meter-values"))
        .await?;
    let values: Vec<_> = values["meter_values"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|value| &value["energy_wh"])
        .collect();
    assert_eq!(
        values,
        [1_204_500, 1_204_900, 1_205_777, 1_208_001],
        "none twice"
    );
    let active = depot.get("/ocpp16/active_transactions").await?;
    assert_eq!(active["transactions"], json!([]));

    // Boot, heartbeat, authorize, three statuses, two values, two times stop and start, first start, two unknown stops.
    let frames = depot.frames(ONE, 2 * 15).await?;
    let odd: Vec<_> = frames
        .iter()
        .map(|frame| &frame["validity"])
        .filter(|validity| *validity != "valid")
        .collect();
    assert_eq!(odd, ["tolerated: transactionId is 0"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_point_that_restarts_in_a_session_and_tells_it_again_has_one_session()
-> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    let password = depot.station(ONE).await?;
    depot.token(&json!({"id_tag": "T-1"})).await?;
    let now = depot.now(ONE).await?;
    let start =
        json!({"connectorId": 1, "idTag": "T-1", "meterStart": 7_000, "timestamp": ago(now, 50)?});
    let transaction = depot.start(ONE, start.clone()).await?;
    for _power_cut in 0..2 {
        depot.say(ONE, "hang_up", json!({})).await?.ok()?;
        depot.connect(ONE, &password).await?;
        depot.boot(ONE).await?;
        let again = depot.start(ONE, start.clone()).await?;
        assert_eq!(again, transaction);
    }
    let stop = json!({"transactionId": transaction, "meterStop": 7_777, "timestamp": ago(now, 10)?, "reason": "PowerLoss"});
    depot.call(ONE, "StopTransaction", stop.clone()).await?;
    depot.say(ONE, "hang_up", json!({})).await?.ok()?;
    depot.connect(ONE, &password).await?;
    depot.boot(ONE).await?;
    depot.call(ONE, "StopTransaction", stop).await?;
    let sessions = depot.sessions().await?;
    let of = |field: &str| sessions[0][field].clone();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(
        (
            of("transaction_id"),
            of("energy_kwh"),
            of("stop_reason"),
            of("managed_by")
        ),
        (
            json!(transaction),
            json!(0.777),
            json!("PowerLoss"),
            Value::Null
        )
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_is_accepted_blocked_expired_invalid_or_charging_elsewhere() -> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    depot.station(ONE).await?;
    depot.station(TWO).await?;
    let now = depot.now(ONE).await?;
    let over = ago(now, 60)?;
    let next_year = ago(now, -31_536_000)?;
    for token in [
        json!({"id_tag": "GOOD", "parent": "FLEET", "expires_at": next_year}),
        json!({"id_tag": "BLOCKED", "status": "blocked"}),
        json!({"id_tag": "EXPIRED", "status": "expired"}),
        json!({"id_tag": "OVER", "expires_at": over}),
        json!({"id_tag": "INVALID", "status": "invalid"}),
    ] {
        depot.token(&token).await?;
    }
    for (tag, info) in [
        (
            "good",
            json!({"status": "Accepted", "parentIdTag": "FLEET", "expiryDate": next_year}),
        ),
        ("BLOCKED", json!({"status": "Blocked"})),
        ("EXPIRED", json!({"status": "Expired"})),
        ("OVER", json!({"status": "Expired", "expiryDate": over})),
        ("INVALID", json!({"status": "Invalid"})),
        ("STRANGER", json!({"status": "Invalid"})),
    ] {
        let answer = depot.call(ONE, "Authorize", json!({"idTag": tag})).await?;
        assert_eq!(answer, json!({"idTagInfo": info}), "{tag}");
    }

    let start = |connector: u8, tag: &str| json!({"connectorId": connector, "idTag": tag, "meterStart": 0, "timestamp": now.to_string()});
    let first = depot.start(ONE, start(1, "GOOD")).await?;
    for (id, connector) in [(ONE, 2), (TWO, 1)] {
        let second = depot
            .call(id, "StartTransaction", start(connector, "good"))
            .await?;
        assert_eq!(second["idTagInfo"]["status"], "ConcurrentTx", "{id}");
        let transaction = second["transactionId"].clone();
        ensure!(transaction != first, "each start has an id of its own");
        let stop = json!({"transactionId": transaction, "meterStop": 0, "timestamp": now.to_string(), "reason": "DeAuthorized"});
        depot.call(id, "StopTransaction", stop).await?;
    }
    let blocked = depot
        .call(TWO, "StartTransaction", start(2, "BLOCKED"))
        .await?;
    assert_eq!(blocked["idTagInfo"], json!({"status": "Blocked"}));

    // Blocked while it charges: the next answer says so, and the stop is taken all the same.
    let token = depot.get("/tokens?id_tag=GOOD").await?["tokens"][0]["id"].take();
    let path = format!("/tokens/{}", token.as_str().context("its id")?);
    let changed = depot.patch(&path, &json!({"status": "blocked"})).await?;
    ensure!(changed.status == 200, "{changed:?}");
    let stop = json!({"transactionId": first, "idTag": "GOOD", "meterStop": 7, "timestamp": now.to_string()});
    let stopped = depot.call(ONE, "StopTransaction", stop).await?;
    assert_eq!(stopped["idTagInfo"]["status"], "Blocked");
    let sessions = depot.sessions().await?;
    let ended = sessions
        .iter()
        .find(|session| session["transaction_id"] == first);
    let ended = ended.context("the first session")?;
    assert_eq!(
        (&ended["energy_kwh"], &ended["stop_reason"]),
        (&json!(0.007), &json!("Local"))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_was_answered_outlives_a_power_cut_of_the_cloud() -> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    let password = depot.station(ONE).await?;
    depot.token(&json!({"id_tag": "T"})).await?;
    let now = depot.now(ONE).await?;
    let start =
        json!({"connectorId": 2, "idTag": "T", "meterStart": 10, "timestamp": ago(now, 20)?});
    let transaction = depot.start(ONE, start.clone()).await?;
    depot.cloud.process.kill().await?;
    depot.say(ONE, "closed", json!({})).await?.ok()?;
    depot.cloud.restart().await?;

    depot.connect(ONE, &password).await?;
    depot.boot(ONE).await?;
    assert_eq!(
        depot.start(ONE, start).await?,
        transaction,
        "sent again, as it does not know"
    );
    let stop = json!({"transactionId": transaction, "meterStop": 1_244, "timestamp": ago(now, 2)?, "reason": "PowerLoss"});
    depot.call(ONE, "StopTransaction", stop).await?;
    let sessions = depot.sessions().await?;
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    let (session, expected) = (
        &sessions[0],
        json!([
            transaction,
            1.234,
            "stopped",
            "PowerLoss",
            ago(now, 20)?,
            ago(now, 2)?
        ]),
    );
    let names = [
        "transaction_id",
        "energy_kwh",
        "status",
        "stop_reason",
        "started_at",
        "ended_at",
    ];
    let shown: Vec<&Value> = names.iter().map(|name| &session[*name]).collect();
    assert_eq!(json!(shown), expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_queued_while_offline_arrives_with_its_times_and_says_so() -> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    let password = depot.station(ONE).await?;
    depot.token(&json!({"id_tag": "T"})).await?;
    let now = depot.now(ONE).await?;
    depot.say(ONE, "pull_the_plug", json!({})).await?.ok()?;
    depot.online_is(ONE, false).await?;
    depot.connect(ONE, &password).await?;
    depot.boot(ONE).await?;
    // Two sessions of one connector, in order, each with a start and a stop of its own.
    for (begun, ended, from, to) in [(7_200, 5_400, 100, 5_100), (3_600, 1_800, 5_100, 6_000)] {
        let start = json!({"connectorId": 1, "idTag": "T", "meterStart": from, "timestamp": ago(now, begun)?});
        let transaction = depot.start(ONE, start).await?;
        let stop = json!({"transactionId": transaction, "meterStop": to, "timestamp": ago(now, ended)?, "reason": "Local"});
        depot.call(ONE, "StopTransaction", stop).await?;
    }
    let mut shown = Vec::new();
    for session in depot.sessions().await?.iter().rev() {
        shown.push(json!([
            session["started_at"],
            session["ended_at"],
            session["energy_kwh"],
            session["offline"],
            session["duration_minutes"]
        ]));
    }
    assert_eq!(
        shown,
        [
            json!([ago(now, 7_200)?, ago(now, 5_400)?, 5, true, 30]),
            json!([ago(now, 3_600)?, ago(now, 1_800)?, 0.9, true, 30]),
        ]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_whose_stop_never_came_ends_with_its_last_reading_when_the_next_begins()
-> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    let password = depot.station(ONE).await?;
    depot.token(&json!({"id_tag": "T"})).await?;
    let now = depot.now(ONE).await?;
    let start =
        json!({"connectorId": 1, "idTag": "T", "meterStart": 100, "timestamp": ago(now, 50)?});
    let lost = depot.start(ONE, start).await?;
    let values = json!({"connectorId": 1, "transactionId": lost, "meterValue": [
        {"timestamp": ago(now, 40)?, "sampledValue": [{"value": "850"}]}]});
    depot.call(ONE, "MeterValues", values).await?;
    depot.say(ONE, "pull_the_plug", json!({})).await?.ok()?;
    depot.connect(ONE, &password).await?;
    depot.boot(ONE).await?;
    let start =
        json!({"connectorId": 1, "idTag": "T", "meterStart": 900, "timestamp": ago(now, 5)?});
    let next = depot.start(ONE, start).await?;
    let mut shown = Vec::new();
    for session in depot.sessions().await? {
        shown.push(json!([
            session["transaction_id"],
            session["status"],
            session["energy_kwh"],
            session["ended_at"],
            session["stop_reason"]
        ]));
    }
    assert_eq!(
        shown,
        [
            json!([next, "active", 0, null, null]),
            json!([lost, "stopped", 0.75, ago(now, 40)?, "Other"]),
        ]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_charge_points_at_the_same_moment_have_forty_sessions() -> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    let ids: Vec<_> = (0..40).map(|number| format!("DE*PY*{number}")).collect();
    let mut connecting = Vec::new();
    for id in &ids {
        depot.token(&json!({"id_tag": id})).await?;
        let password = depot.register(id).await?;
        connecting.push((
            id.clone(),
            "connect",
            json!({"url": depot.address(id), "password": password}),
        ));
    }
    depot.together(connecting).await?;
    let mut each = async |action: &str, payloads: Vec<Value>| {
        let orders = ids.iter().cloned().zip(payloads);
        let orders =
            orders.map(|(id, payload)| (id, "call", json!({"action": action, "payload": payload})));
        depot.together(orders.collect::<Vec<_>>()).await
    };
    let boot = json!({"chargePointVendor": "Peer", "chargePointModel": "Python"});
    let booted = each("BootNotification", vec![boot; ids.len()]).await?;
    let now = booted[0]["currentTime"]
        .as_str()
        .context("a time")?
        .to_owned();
    let start =
        |id: &String| json!({"connectorId": 1, "idTag": id, "meterStart": 5, "timestamp": now});
    let began = each("StartTransaction", ids.iter().map(start).collect()).await?;
    let stop = |(place, began): (usize, &Value)| json!({"transactionId": began["transactionId"], "meterStop": 1_005 + place, "timestamp": now});
    each(
        "StopTransaction",
        began.iter().enumerate().map(stop).collect(),
    )
    .await?;

    let mut sessions: Vec<_> = depot.sessions().await?;
    sessions.sort_by_key(|session| session["meter_stop_wh"].as_i64());
    let shown: Vec<_> = sessions
        .iter()
        .map(|session| {
            json!([
                session["charge_point_id"],
                session["id_tag"],
                session["transaction_id"],
                session["meter_stop_wh"],
                session["status"]
            ])
        })
        .collect();
    let expected: Vec<_> = ids
        .iter()
        .zip(&began)
        .enumerate()
        .map(|(place, (id, began))| {
            json!([id, id, began["transactionId"], 1_005 + place, "completed"])
        })
        .collect();
    assert_eq!(shown, expected);
    let numbers: BTreeSet<_> = began
        .iter()
        .filter_map(|began| began["transactionId"].as_i64())
        .collect();
    assert_eq!(
        numbers.len(),
        ids.len(),
        "each transaction has an id of its own"
    );
    Ok(())
}
