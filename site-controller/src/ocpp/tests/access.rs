//! Presented tags: judged by the central system, or by list and cache while it is away.

use std::time::Duration;

use serde_json::{Value, json};
use site_model::{ConnectorId, IdTag, RefusalReason, WattHours};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::{About, Presentation, Shown, Verdict, Wish};
use super::bench::{Bench, Csms, SOON, charge_point};
use super::transactions::{NOON, session, started};

fn tag(text: &str) -> IdTag {
    IdTag::new(text).unwrap()
}

fn start(id_tag: &str, parent: Option<&str>) -> Wish {
    Wish::Start {
        connector: ConnectorId::new(1).ok(),
        id_tag: tag(id_tag),
        parent: parent.map(tag),
        within: Duration::from_mins(1),
    }
}

/// Presents a tag that would end this session, or begin one.
fn present(bench: &Bench, id_tag: &str, began: Option<&str>) -> oneshot::Receiver<Shown> {
    let (reply, shown) = oneshot::channel();
    let about = began.map_or(About::Start, |began| About::Stop {
        session: session("sess_1"),
        began: tag(began),
        parent: None,
    });
    bench.present(Presentation {
        id: None,
        connector: ConnectorId::new(1).ok(),
        id_tag: tag(id_tag),
        about,
        reply: Some(reply),
    });
    shown
}

async fn told(shown: oneshot::Receiver<Shown>) -> Shown {
    timeout(SOON, shown).await.unwrap().unwrap()
}

/// The site is asked for exactly this, and takes it.
async fn taken(bench: &mut Bench, wish: Wish) {
    let request = timeout(SOON, bench.wishes.recv()).await.unwrap().unwrap();
    assert_eq!(request.wish, wish);
    // A session that is ended by itself waits for no answer.
    let _unheard = request.reply.send(Verdict::Accepted);
}

async fn ready() -> (Bench, Csms) {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    (bench, csms)
}

#[tokio::test]
async fn a_presented_tag_charges_once_the_central_system_accepts_it_and_only_then() {
    let (mut bench, mut csms) = ready().await;
    let shown = present(&bench, "GOOD", None);
    let call = csms.call("Authorize").await;
    assert_eq!(call[3], json!({"idTag": "GOOD"}));
    let info = json!({"idTagInfo": {"status": "Accepted", "parentIdTag": "FLEET"}});
    csms.answer(&call, info).await;
    taken(&mut bench, start("GOOD", Some("FLEET"))).await;
    assert_eq!(told(shown).await, Shown::Accepted);

    for (status, code) in [
        ("Blocked", "blocked"),
        ("Expired", "expired"),
        ("Invalid", "invalid"),
        ("ConcurrentTx", "concurrent_tx"),
    ] {
        let shown = present(&bench, "BAD", None);
        let call = csms.call("Authorize").await;
        csms.answer(&call, json!({"idTagInfo": {"status": status}}))
            .await;
        assert_eq!(told(shown).await, Shown::Refused(code));
    }
    // Neither a refusal of the call nor a word without a status is a permission.
    let shown = present(&bench, "BAD", None);
    let call = csms.call("Authorize").await;
    csms.send(&json!([3, call[1], {"idTagInfo": {}}]).to_string())
        .await;
    assert_eq!(told(shown).await, Shown::Refused("not_understood"));
    let shown = present(&bench, "BAD", None);
    let call = csms.call("Authorize").await;
    csms.send(&json!([4, call[1], "InternalError", "", {}]).to_string())
        .await;
    assert_eq!(told(shown).await, Shown::Refused("not_understood"));
    assert!(bench.wishes.try_recv().is_err(), "nothing was wished for");

    // What the site says against it is shown.
    let shown = present(&bench, "GOOD", None);
    let call = csms.call("Authorize").await;
    csms.answer(&call, json!({"idTagInfo": {"status": "Accepted"}}))
        .await;
    let request = timeout(SOON, bench.wishes.recv()).await.unwrap().unwrap();
    let refused = Verdict::Refused(Some(RefusalReason::Reserved));
    request.reply.send(refused).unwrap();
    assert_eq!(told(shown).await, Shown::Refused("reserved"));
    bench.end().await;
}

#[tokio::test]
async fn while_the_central_system_is_away_list_and_cache_decide_even_after_a_power_cut() {
    let (mut bench, mut csms) = ready().await;
    // The cache learns from an answer, the list is sent.
    let shown = present(&bench, "CACHED", None);
    let call = csms.call("Authorize").await;
    csms.answer(
        &call,
        json!({"idTagInfo": {"status": "Accepted", "parentIdTag": "FLEET"}}),
    )
    .await;
    taken(&mut bench, start("CACHED", Some("FLEET"))).await;
    told(shown).await;
    let list = json!([
        {"idTag": "Listed", "idTagInfo": {"status": "Accepted"}},
        {"idTag": "BANNED", "idTagInfo": {"status": "Blocked"}},
    ]);
    csms.ask(
        "1",
        "SendLocalList",
        &json!({"listVersion": 3, "updateType": "Full", "localAuthorizationList": list}),
    )
    .await;
    assert_eq!(csms.next().await, json!([3, "1", {"status": "Accepted"}]));
    // It goes away while a tag is being asked for.
    let shown = present(&bench, "LISTED", None);
    csms.call("Authorize").await;
    drop(csms);
    taken(&mut bench, start("LISTED", None)).await;
    assert_eq!(told(shown).await, Shown::Accepted);

    for restarted in [false, true] {
        if restarted {
            bench = bench.power_cut().await;
        }
        bench.offline().await;
        let cases = [
            ("listed", Some(start("listed", None))),
            ("cached", Some(start("cached", Some("FLEET")))),
            ("BANNED", None),
            ("UNKNOWN", None),
        ];
        for (id_tag, wish) in cases {
            let shown = present(&bench, id_tag, None);
            let expected = match wish {
                Some(wish) => {
                    taken(&mut bench, wish).await;
                    Shown::Accepted
                }
                None if id_tag == "BANNED" => Shown::Refused("blocked"),
                None => Shown::Refused("invalid"),
            };
            assert_eq!(told(shown).await, expected, "{id_tag}");
        }
    }
    let mut csms = bench.accept().await;
    csms.welcome().await;
    csms.ask("2", "GetLocalListVersion", &json!({})).await;
    assert_eq!(csms.next().await, json!([3, "2", {"listVersion": 3}]));
    bench.end().await;
}

#[tokio::test]
async fn a_session_is_ended_by_its_own_tag_or_its_group_and_by_no_other() {
    let (mut bench, mut csms) = ready().await;
    let stop = |by: &str| Wish::StopByTag {
        session: session("sess_1"),
        id_tag: IdTag::new(by).unwrap(),
    };
    // Its own tag is not asked for: it may have been blocked or have expired since.
    let shown = present(&bench, "mine", Some("MINE"));
    taken(&mut bench, stop("mine")).await;
    assert_eq!(told(shown).await, Shown::Stops);
    // Nothing is known of its group.
    let other = Shown::Refused("other_session");
    assert_eq!(told(present(&bench, "YOURS", Some("MINE"))).await, other);

    bench.record(NOON, &[started("sess_1", 1)]).await;
    let call = csms.call("StartTransaction").await;
    let info =
        json!({"transactionId": 7, "idTagInfo": {"status": "Accepted", "parentIdTag": "FLEET"}});
    csms.answer(&call, info).await;
    bench.waiting_becomes(0).await;
    for (group, shown) in [("fleet", Shown::Stops), ("OTHERS", other)] {
        let presented = present(&bench, "YOURS", Some("FREE"));
        let call = csms.call("Authorize").await;
        let info = json!({"idTagInfo": {"status": "Accepted", "parentIdTag": group}});
        csms.answer(&call, info).await;
        if shown == Shown::Stops {
            taken(&mut bench, stop("YOURS")).await;
        }
        assert_eq!(told(presented).await, shown);
    }
    let presented = present(&bench, "YOURS", Some("FREE"));
    let call = csms.call("Authorize").await;
    let info = json!({"idTagInfo": {"status": "Blocked", "parentIdTag": "FLEET"}});
    csms.answer(&call, info).await;
    assert_eq!(told(presented).await, other);
    bench.end().await;
}

#[tokio::test]
async fn a_local_list_is_replaced_changed_or_refused_as_a_whole() {
    let (bench, mut csms) = ready().await;
    let entry = |id_tag: &str| json!({"idTag": id_tag, "idTagInfo": {"status": "Accepted"}});
    let update = |version: i64, kind: &str, list: Vec<Value>| json!({"listVersion": version, "updateType": kind, "localAuthorizationList": list});
    let long: Vec<Value> = (0..251)
        .map(|number| entry(&format!("T{number}")))
        .collect();
    let cases = [
        (
            update(5, "Full", vec![entry("A"), entry("B")]),
            "Accepted",
            5,
        ),
        (
            update(5, "Differential", vec![entry("C")]),
            "VersionMismatch",
            5,
        ),
        (
            update(6, "Differential", vec![entry("C"), json!({"idTag": "a"})]),
            "Accepted",
            6,
        ),
        (
            update(7, "Differential", vec![entry("D"), entry("d")]),
            "Failed",
            6,
        ),
        (update(8, "Full", long), "Failed", 6),
        (update(0, "Full", vec![entry("D")]), "Failed", 6),
        (update(2, "Full", vec![entry("B")]), "Accepted", 2),
        (update(9, "Full", vec![]), "Accepted", 0),
    ];
    for (request, status, version) in cases {
        csms.ask("1", "SendLocalList", &request).await;
        let answer = json!([3, "1", {"status": status}]);
        assert_eq!(csms.next().await, answer, "{request}");
        csms.ask("2", "GetLocalListVersion", &json!({})).await;
        let answer = json!([3, "2", {"listVersion": version}]);
        assert_eq!(csms.next().await, answer, "{request}");
    }
    let off = json!({"key": "LocalAuthListEnabled", "value": "false"});
    csms.ask("3", "ChangeConfiguration", &off).await;
    assert_eq!(csms.next().await, json!([3, "3", {"status": "Accepted"}]));
    csms.ask("4", "SendLocalList", &update(10, "Full", vec![entry("A")]))
        .await;
    let answer = json!([3, "4", {"status": "NotSupported"}]);
    assert_eq!(csms.next().await, answer);
    csms.ask("5", "GetLocalListVersion", &json!({})).await;
    assert_eq!(csms.next().await, json!([3, "5", {"listVersion": -1}]));
    bench.end().await;
}

#[tokio::test]
async fn a_cleared_cache_knows_nobody_and_a_list_that_is_wrong_is_told() {
    let (mut bench, mut csms) = ready().await;
    let list = json!([{"idTag": "FREE", "idTagInfo": {"status": "Accepted"}}]);
    csms.ask(
        "1",
        "SendLocalList",
        &json!({"listVersion": 1, "updateType": "Full", "localAuthorizationList": list}),
    )
    .await;
    csms.next().await;
    // The session began by the list; the central system thinks otherwise.
    bench.record(NOON, &[started("sess_1", 1)]).await;
    let call = csms.call("StartTransaction").await;
    csms.answer(
        &call,
        json!({"transactionId": 7, "idTagInfo": {"status": "Blocked"}}),
    )
    .await;
    taken(
        &mut bench,
        Wish::Disown {
            session: session("sess_1"),
            allowance: WattHours(0),
            ends: true,
        },
    )
    .await;
    let status = csms.status().await;
    assert_eq!(
        (&status["connectorId"], &status["errorCode"]),
        (&json!(0), &json!("LocalListConflict"))
    );

    let shown = present(&bench, "CACHED", None);
    let call = csms.call("Authorize").await;
    csms.answer(&call, json!({"idTagInfo": {"status": "Accepted"}}))
        .await;
    taken(&mut bench, start("CACHED", None)).await;
    told(shown).await;
    csms.ask("2", "ClearCache", &json!({})).await;
    assert_eq!(csms.next().await, json!([3, "2", {"status": "Accepted"}]));
    drop(csms);
    bench.offline().await;
    let invalid = Shown::Refused("invalid");
    assert_eq!(told(present(&bench, "CACHED", None)).await, invalid);
    bench = bench.power_cut().await;
    assert_eq!(told(present(&bench, "CACHED", None)).await, invalid);
    bench.end().await;
}

#[tokio::test]
async fn a_remote_start_is_judged_first_where_the_key_says_so() {
    let (mut bench, mut csms) = ready().await;
    let on = json!({"key": "AuthorizeRemoteTxRequests", "value": "true"});
    csms.ask("1", "ChangeConfiguration", &on).await;
    assert_eq!(csms.next().await, json!([3, "1", {"status": "Accepted"}]));
    let ask = json!({"idTag": "REMOTE", "connectorId": 1});
    for (status, starts) in [("Accepted", true), ("Invalid", false)] {
        csms.ask("cmd_1", "RemoteStartTransaction", &ask).await;
        let answer = json!([3, "cmd_1", {"status": "Accepted"}]);
        assert_eq!(csms.next().await, answer);
        let call = csms.call("Authorize").await;
        assert_eq!(call[3], json!({"idTag": "REMOTE"}));
        csms.answer(&call, json!({"idTagInfo": {"status": status}}))
            .await;
        if starts {
            taken(&mut bench, start("REMOTE", None)).await;
        }
    }
    // One that comes with a charging profile is judged too, and begins under it.
    let period = json!({"startPeriod": 0, "limit": 7.0});
    let profile = json!({
        "chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]},
    });
    let ask = json!({"idTag": "OTHER", "connectorId": 1, "chargingProfile": profile});
    for (status, starts) in [("Invalid", false), ("Accepted", true)] {
        csms.ask("cmd_1", "RemoteStartTransaction", &ask).await;
        let answer = json!([3, "cmd_1", {"status": "Accepted"}]);
        assert_eq!(csms.next().await, answer);
        let call = csms.call("Authorize").await;
        csms.answer(&call, json!({"idTagInfo": {"status": status}}))
            .await;
        if starts {
            let request = timeout(SOON, bench.wishes.recv()).await.unwrap().unwrap();
            assert_eq!(
                (request.wish, bench.limit()),
                (start("OTHER", None), Some(7_000))
            );
            request.reply.send(Verdict::Refused(None)).unwrap();
        }
    }
    csms.ask(
        "cmd_2",
        "RemoteStartTransaction",
        &json!({"idTag": "REMOTE", "connectorId": 2}),
    )
    .await;
    let answer = json!([3, "cmd_2", {"status": "Rejected"}]);
    assert_eq!(csms.next().await, answer, "there is no such connector");
    assert!(bench.wishes.try_recv().is_err());
    bench.end().await;
}

impl Bench {
    fn present(&self, presentation: Presentation) {
        self.stations().present(&charge_point(), presentation);
    }

    async fn offline(&self) {
        let reached = async {
            while self.link().connected_since.is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(SOON, reached).await.unwrap();
    }
}
