//! Who is let in as a charge point, and who is cut off with a logged reason while others do not
//! notice. The badly behaved are driven below the `ocpp` package, by frames and bytes.

use anyhow::ensure;
use serde_json::{Value, json};

use crate::ocpp_depot::Depot;

const GOOD: &str = "DE*GOOD*1";
const BAD: &str = "DE*BAD*1";

/// What a WebSocket says of a connection that broke (RFC 6455, section 7.1.5).
const BROKEN: u16 = 1006;
/// Slowest answer that the well-behaved one may see on a busy machine, in seconds.
const SLOWEST_S: f64 = 5.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_is_known_with_its_password_and_protocol_is_let_in() -> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    let password = depot.register(GOOD).await?;
    let other = depot.register(BAD).await?;
    let url = depot.address(GOOD);
    for (how, status) in [
        (
            json!({"url": depot.address("NOBODY"), "password": password}),
            404,
        ),
        (json!({"url": depot.address("NOBODY")}), 404),
        (json!({"url": url}), 401),
        (json!({"url": url, "password": "0123456789abcdefghij"}), 401),
        (json!({"url": url, "password": other}), 401),
        (json!({"url": url, "password": other, "user": BAD}), 401),
        (
            json!({"url": depot.cloud.base().replacen("http", "ws", 1) + "/ocpp/2.0.1/" + GOOD, "password": password, "subprotocols": ["ocpp2.0.1"]}),
            404,
        ),
    ] {
        let refused = depot.say(GOOD, "connect", how.clone()).await?;
        assert_eq!(refused.code()?, status, "{how}");
    }
    depot.logged("NOBODY", "nobody has registered it").await?;
    depot
        .logged(GOOD, "its credential is missing or wrong")
        .await?;
    for subprotocols in [json!([]), json!(["ocpp2.0.1"]), json!(["ocpp1.5", "soap"])] {
        let how = json!({"url": url, "password": password, "subprotocols": subprotocols});
        assert_eq!(
            depot.say(GOOD, "connect", how).await?.ok()?,
            Value::Null,
            "none is agreed on"
        );
        let told = depot.say(GOOD, "closed", json!({})).await?.ok()?;
        assert_eq!(
            told,
            json!([1002, "no subprotocol that is spoken here; offer ocpp1.6"])
        );
    }
    depot
        .logged(GOOD, "it offers no subprotocol that is spoken here")
        .await?;
    let base = depot.cloud.base().replacen("http", "ws", 1);
    for path in ["ocpp16", "ocpp/1.6", "ocpp"] {
        let how = json!({"url": format!("{base}/{path}/{GOOD}"), "password": password, "subprotocols": ["ocpp2.0.1", "ocpp1.6"]});
        assert_eq!(
            depot.say(GOOD, "connect", how).await?.ok()?,
            "ocpp1.6",
            "{path}"
        );
        depot.boot(GOOD).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_connection_of_the_same_id_closes_the_first() -> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    let password = depot.station(GOOD).await?;
    // Another place in the peer, the same identity towards the cloud.
    let how = json!({"url": depot.address(GOOD), "password": password, "user": GOOD});
    depot.say("twin", "connect", how).await?.ok()?;
    let told = depot.say(GOOD, "closed", json!({})).await?.ok()?;
    assert_eq!(
        told,
        json!([1008, "another connection of this charge point took over"])
    );
    depot.boot("twin").await?;
    depot.online_is(GOOD, true).await?;
    let answer = json!({"action": "ClearCache", "payload": {"status": "Accepted"}});
    depot.say("twin", "answer", answer).await?.ok()?;
    let told = depot
        .post("/ocpp16/clear_cache", &json!({"charge_point_id": GOOD}))
        .await?;
    ensure!(
        told.status == 200 && told.body["status"] == "Accepted",
        "{told:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_breaks_the_rules_is_cut_off_with_a_reason_and_another_one_does_not_notice()
-> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    depot.station(GOOD).await?;
    let password = depot.register(BAD).await?;
    depot
        .say(GOOD, "beat", json!({"every": 0.05}))
        .await?
        .ok()?;

    let large = format!(
        "[2,\"1\",\"Heartbeat\",{{\"x\":\"{}\"}}]",
        "x".repeat(1 << 20)
    );
    let deep = format!(
        "[2,\"d\",\"Heartbeat\",{}{}]",
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    let no_ocpp = json!([
        "garbage",
        "",
        "null",
        "{}",
        "[2,\"half\",\"Hea",
        "[9,\"x\"]",
        "[2,\"\",\"Heartbeat\",{}]",
        "[2,7,\"Heartbeat\",{}]",
        "[2,\"z\",\"Heartbeat\\u0000\",{}]",
        "\u{0}\u{0}\u{0}",
        "[2,\"n\",\"Heart\u{0}beat\",{}]",
        deep,
    ]);
    let calls: Vec<_> = (0..10_000)
        .map(|number| format!("[2,\"f{number}\",\"Authorize\",{{\"idTag\":\"T\"}}]"))
        .collect();
    for (word, how, code, reason) in [
        (
            "send",
            json!({"texts": [large]}),
            1009,
            "a message of it is too long",
        ),
        (
            "send",
            json!({"texts": no_ocpp, "times": 9}),
            1008,
            "more than 100 of its messages were not accepted",
        ),
        (
            "send",
            json!({"texts": calls, "times": 5}),
            1008,
            "cut off: it ",
        ),
        (
            "ping",
            json!({"times": 50_000}),
            1008,
            "messages within one second",
        ),
        // Below the WebSocket: not masked; an opcode that is none; text that is no UTF-8.
        (
            "write",
            json!({"hexadecimal": "810548656c6c6f"}),
            1002,
            "broken: ",
        ),
        (
            "write",
            json!({"hexadecimal": "8382000000007b7d"}),
            1002,
            "broken: ",
        ),
        (
            "write",
            json!({"hexadecimal": "818200000000c328"}),
            1007,
            "a message of it is no text",
        ),
    ] {
        depot.connect(BAD, &password).await?;
        depot.say(BAD, word, how).await?.ok()?;
        let told = depot.say(BAD, "closed", json!({})).await?.ok()?;
        // What it had sent and nobody read may break the connection before the code is there.
        ensure!(told[0] == code || told[0] == BROKEN, "{reason}: {told}");
        depot.logged(BAD, reason).await?;
    }

    // Half a frame and gone; half a frame and nothing more, until the same charge point comes back.
    let half = json!({"hexadecimal": "81fe1000000000005b322c"});
    depot.connect(BAD, &password).await?;
    depot.say(BAD, "write", half.clone()).await?.ok()?;
    depot.say(BAD, "pull_the_plug", json!({})).await?.ok()?;
    depot.online_is(BAD, false).await?;
    depot.connect(BAD, &password).await?;
    depot.say(BAD, "write", half).await?.ok()?;
    let how = json!({"url": depot.address(BAD), "password": password, "user": BAD});
    depot.say("again", "connect", how).await?.ok()?;
    depot.boot("again").await?;
    depot.say(BAD, "closed", json!({})).await?.ok()?;
    depot.logged(BAD, "replaced by another connection").await?;

    does_not_notice(&mut depot).await
}

/// The well-behaved one has been answered all the while, each time soon.
async fn does_not_notice(depot: &mut Depot) -> anyhow::Result<()> {
    let beats = depot.say(GOOD, "beats_so_far", json!({})).await?.ok()?;
    ensure!(beats[0].as_u64() > Some(10), "{beats}");
    ensure!(
        beats[1].as_f64() < Some(SLOWEST_S) && beats[2].is_null(),
        "{beats}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_is_cut_off_and_another_one_does_not_notice() -> anyhow::Result<()> {
    let mut depot = Depot::open().await?;
    depot.station(GOOD).await?;
    let password = depot.register(BAD).await?;
    depot
        .say(GOOD, "beat", json!({"every": 0.05}))
        .await?
        .ok()?;
    let how = json!({"url": depot.address(BAD), "password": password, "deaf": true});
    depot.say(BAD, "connect", how).await?.ok()?;
    let calls: Vec<_> = (0..4_000)
        .map(|number| format!("[2,\"{number:036}\",\"Heartbeat\",{{}}]"))
        .collect();
    depot
        .say(
            BAD,
            "send",
            json!({"texts": calls, "times": 10, "pause": 0.001}),
        )
        .await?
        .ok()?;
    depot
        .logged(BAD, "cut off: it did not read for 10 s")
        .await?;
    depot.online_is(BAD, false).await?;
    does_not_notice(&mut depot).await
}
