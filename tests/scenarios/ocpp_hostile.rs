//! Charge points that behave badly are cut off with a logged reason, and others do not notice. They are
//! driven below the `ocpp` package, by frames and bytes.

use anyhow::ensure;
use serde_json::json;

use crate::ocpp_depot::Depot;

const GOOD: &str = "DE*GOOD*1";
const BAD: &str = "DE*BAD*1";

/// What a WebSocket says of a connection that broke (RFC 6455, section 7.1.5).
const BROKEN: u16 = 1006;
/// Slowest answer that the well-behaved one may see on a busy machine, in seconds.
const SLOWEST_S: f64 = 5.0;

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
