//! Exactly once: repeats, overlaps, gaps, journals, unreadable input.

use cloud_api::{db::Db, ingest::Message};
use site_model::{Announcement, BootId, CentralSystem, Change, ConnectorStatus, WallTime};
use site_wire::{topics::Topics, v1::Envelope};

use crate::world::*;

#[tokio::test]
async fn a_whole_session_is_booked_and_acknowledged_after_the_commit() {
    let mut world = World::new().await;
    assert_eq!(world.facts(&whole_session()).await, acknowledgement(5));
    assert_eq!(world.books().await, WHOLE_SESSION_BOOKS);
    assert_eq!(world.summary().energy_today_wh, 2_500);
}

#[tokio::test]
async fn a_session_is_tied_to_its_transaction_and_to_what_ordered_it_by_its_gateway_alone() {
    let mut world = World::new().await;
    assert_eq!(world.facts(&whole_session()).await, acknowledgement(5));
    world.two_transactions().await;
    let assigned = |sequence, id: &str, transaction_id| {
        let change = Change::TransactionAssigned {
            session: session(id),
            transaction_id,
        };
        fact(sequence, START, change)
    };
    let tied = "SELECT transaction_id, session_id FROM transactions ORDER BY transaction_id";
    let columns = ["transaction_id", "session_id"];
    assert_eq!(world.table(tied, &columns).await, "17|-\n18|-\n");

    // Another gateway cannot say it.
    let other = world.second.clone();
    world
        .facts_of(&other, "j2", &[assigned(1, "sess_1", 18)])
        .await;
    assert_eq!(world.table(tied, &columns).await, "17|-\n18|-\n");

    let facts = [assigned(6, "sess_1", 17), assigned(7, "sess_unknown", 18)];
    assert_eq!(world.facts(&facts).await, acknowledgement(7));
    assert_eq!(world.facts(&facts).await, acknowledgement(7));
    assert_eq!(world.table(tied, &columns).await, "17|sess_1\n18|-\n");
    let led_to = "SELECT session_id FROM commands";
    assert_eq!(world.table(led_to, &["session_id"]).await, "sess_1\n");
    let books = WHOLE_SESSION_BOOKS.replace("j1|5|0\n", "j1|7|0\nj2|1|0\n");
    assert_eq!(world.books().await, books, "nothing but the marks moved");
}

#[tokio::test]
async fn a_session_keeps_whose_it_was_when_it_began() {
    let mut world = World::new().await;
    let announced = |external| {
        let Change::ChargePointAnnounced(announcement) = announced("CP1") else {
            panic!("it is announced")
        };
        let central_system = CentralSystem {
            address: "wss://csms.example:443/CP1".to_owned(),
            external,
        };
        Change::ChargePointAnnounced(Announcement {
            central_system: Some(central_system),
            ..announcement
        })
    };
    let changes = [
        announced(true),
        started("sess_1", "CP1", 1_000),
        Change::TransactionAssigned {
            session: session("sess_1"),
            transaction_id: 17,
        },
        ended("sess_1", "CP1", 2_000),
    ];
    let facts = |changes: Vec<Change>, first: u64| -> Vec<Envelope> {
        (first..)
            .zip(changes)
            .map(|(number, change)| fact(number, START, change))
            .collect()
    };
    world.facts(&facts(vec![changes[0].clone()], 1)).await;
    world.two_transactions().await;
    assert!(world.fleet.find(&cp("CP1")).unwrap().external);
    world.facts(&facts(changes[1..].to_vec(), 2)).await;
    let changes = vec![
        announced(false),
        started("sess_2", "CP1", 2_000),
        ended("sess_2", "CP1", 3_000),
    ];
    assert_eq!(world.facts(&facts(changes, 5)).await, acknowledgement(7));
    assert!(!world.fleet.find(&cp("CP1")).unwrap().external);
    let managed = "SELECT id, managed_by FROM sessions ORDER BY id";
    let shown = world.table(managed, &["id", "managed_by"]).await;
    assert_eq!(shown, "sess_1|external\nsess_2|-\n");
    // Somebody else's transaction 17 is not ours.
    let tied = "SELECT transaction_id, session_id FROM transactions ORDER BY transaction_id";
    let shown = world.table(tied, &["transaction_id", "session_id"]).await;
    assert_eq!(shown, "17|-\n18|-\n");
    let world = world.restarted().await;
    assert!(!world.fleet.find(&cp("CP1")).unwrap().external);
}

impl World {
    /// Two transactions that began like the whole session, and a command that led to the first.
    async fn two_transactions(&self) {
        for sql in [
            "INSERT INTO transactions
               (charge_point_id, transaction_id, connector_id, id_tag, folded, meter_start_wh,
                started_at_ms, received_at_ms, offline)
             VALUES ('CP1', '17', 1, 'FREE', 'free', 1000, 1795338001000, 0, 0),
                    ('CP1', '18', 1, 'FREE', 'free', 1001, 1795338001000, 0, 0)",
            "INSERT INTO commands
               (id, organisation_id, charge_point_id, command, action, parameters, created_by,
                timeout_s, queued_at_ms, state, transaction_id, completed_at_ms)
             SELECT 'cmd_1', organisation_id, id, 'start_session', 'RemoteStartTransaction', '{}',
                    'key_1', 10, 0, 'accepted', '17', 1
             FROM charge_points WHERE id = 'CP1'",
        ] {
            self.db.write(sql, vec![]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn whatever_the_cut_into_batches_and_their_repeats_the_books_are_the_same() {
    let all = whole_session();
    // Batches as ranges of sequences, and the mark that each is answered with.
    let deliveries: [&[(usize, usize, u64)]; 5] = [
        &[(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4), (5, 5, 5)],
        &[(1, 5, 5), (1, 5, 5), (3, 5, 5), (1, 1, 5)],
        &[(1, 3, 3), (2, 4, 4), (1, 5, 5)],
        &[(3, 5, 0), (1, 2, 2), (4, 5, 2), (3, 5, 5)],
        &[
            (5, 5, 0),
            (2, 2, 0),
            (1, 1, 1),
            (1, 1, 1),
            (2, 5, 5),
            (4, 4, 5),
        ],
    ];
    for delivery in deliveries {
        let mut world = World::new().await;
        for &(from, to, mark) in delivery {
            let answer = world.facts(&all[from - 1..to]).await;
            assert_eq!(
                answer,
                acknowledgement(mark),
                "{delivery:?} at {from}..{to}"
            );
        }
        assert_eq!(world.books().await, WHOLE_SESSION_BOOKS, "{delivery:?}");
        assert_eq!(world.summary().energy_today_wh, 2_500, "{delivery:?}");
    }
}

#[tokio::test]
async fn another_process_that_applies_the_same_batch_applies_it_once() {
    let mut world = World::new().await;
    let fleet = cloud_api::fleet::Fleet::load(&world.db, world.clock.now())
        .await
        .unwrap();
    let mut other = cloud_api::ingest::Ingest::new(world.db.clone(), fleet, world.clock.clone());
    let all = whole_session();
    // Both know the mark 0 before either applies.
    let gateway = world.gateway.clone();
    assert_eq!(world.state_of(&gateway, true).await, acknowledgement(0));
    world.facts(&all[..2]).await;
    for facts in [&all[..], &all[..3]] {
        let batch = site_wire::v1::FactBatch {
            v: 1,
            journal_id: "j1".to_owned(),
            facts: facts.to_vec(),
        };
        let message = Message {
            topic: Topics::of(&gateway).facts(),
            payload: serde_json::to_vec(&batch).unwrap(),
            retained: false,
        };
        let reply = other.receive(&message).await.unwrap().unwrap();
        assert_eq!(Some(reply.acknowledgement), acknowledgement(5));
    }
    // The first one's memory is stale by now; the database is not fooled.
    assert_eq!(world.facts(&all[2..]).await, acknowledgement(5));
    assert_eq!(world.books().await, WHOLE_SESSION_BOOKS);
}

#[tokio::test]
async fn a_new_journal_begins_at_one_beside_the_old() {
    let mut world = World::new().await;
    world.facts(&whole_session()).await;
    let gateway = world.gateway.clone();
    let again = [
        fact(1, "2026-11-22T09:50:00Z", announced("CP1")),
        fact(2, "2026-11-22T09:51:00Z", started("sess_2", "CP1", 3_500)),
    ];
    let answer = world.facts_of(&gateway, "j2", &again).await.unwrap();
    assert_eq!((answer.journal_id.as_str(), answer.sequence), ("j2", 2));
    assert_eq!(
        world.books().await,
        WHOLE_SESSION_BOOKS
            .replace(
                "sess_1|start",
                "sess_2|FREE|1795341060000|3500|-|-|-\nsess_1|start"
            )
            .replace("j1|5|0", "sess_2|start|1795341060000|3500\nj1|5|0\nj2|2|0")
    );
}

#[tokio::test]
async fn a_salvaged_journal_that_tells_old_sessions_again_doubles_nothing() {
    let mut world = World::new().await;
    world.facts(&whole_session()).await;
    let gateway = world.gateway.clone();
    world.facts_of(&gateway, "j2", &whole_session()).await;
    let expected = WHOLE_SESSION_BOOKS.replace("j1|5|0", "j1|5|0\nj2|5|0");
    assert_eq!(world.books().await, expected);
    assert_eq!(world.summary().energy_today_wh, 2_500);
}

#[tokio::test]
async fn a_gateway_that_comes_online_learns_its_mark() {
    let mut world = World::new().await;
    let gateway = world.gateway.clone();
    assert_eq!(world.state_of(&gateway, true).await, acknowledgement(0));
    world.facts(&whole_session()).await;
    assert_eq!(world.state_of(&gateway, true).await, acknowledgement(5));
    assert_eq!(world.state_of(&gateway, false).await, None);
}

#[tokio::test]
async fn what_is_no_batch_is_dropped_and_the_next_one_is_taken() {
    let mut world = World::new().await;
    let topic = Topics::of(&world.gateway).facts();
    let facts = whole_session();
    let gap = serde_json::json!({"v": 1, "journal_id": "j1", "facts": [facts[0], facts[2]]});
    let backwards = serde_json::json!({"v": 1, "journal_id": "j1", "facts": [facts[1], facts[0]]});
    let newer = serde_json::json!({"v": 2, "journal_id": "j1", "facts": facts});
    let nameless = serde_json::json!({"v": 1, "journal_id": "../x", "facts": facts});
    let zero = serde_json::json!({"v": 1, "journal_id": "j1", "facts": [{"sequence": 0}]});
    let beyond = serde_json::json!({"v": 1, "journal_id": "j1", "facts": [{"sequence": u64::MAX}]});
    let none = serde_json::json!({"v": 1, "journal_id": "j1", "facts": []});
    let unnumbered = serde_json::json!({"v": 1, "journal_id": "j1", "facts": [{"change": 1}]});
    let bodies: Vec<Vec<u8>> = vec![
        vec![],
        b"not JSON".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        b"[]".to_vec(),
        b"{\"v\":1}".to_vec(),
        "[".repeat(100_000).into_bytes(),
        vec![b' '; cloud_api::ingest::MESSAGE_MAX + 1],
        gap.to_string().into_bytes(),
        backwards.to_string().into_bytes(),
        newer.to_string().into_bytes(),
        nameless.to_string().into_bytes(),
        zero.to_string().into_bytes(),
        beyond.to_string().into_bytes(),
        none.to_string().into_bytes(),
        unnumbered.to_string().into_bytes(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(world.send(topic.clone(), body).await, None, "{shown}");
    }
    assert_eq!(world.books().await, "");
    assert_eq!(world.facts(&facts).await, acknowledgement(5));
    assert_eq!(world.books().await, WHOLE_SESSION_BOOKS);
}

#[tokio::test]
async fn bad_state_and_bad_snapshot_change_nothing() {
    let mut world = World::new().await;
    world.facts(&whole_session()).await;
    let before = world.fleet.find(&cp("CP1"));
    let topics = Topics::of(&world.gateway);
    let good = snapshot(5, "Available", START, None);
    let mut of_another = good.clone();
    of_another.charge_point_id = "CP2".to_owned();
    let mut unknown_status = good.clone();
    unknown_status.connectors[0].status = "Dreaming".to_owned();
    let mut unknown_plug = good.clone();
    unknown_plug.connectors[0].kind = "é".repeat(300);
    let mut connector_zero = good;
    connector_zero.connectors[0].connector_id = 0;
    for bad in [of_another, unknown_status, unknown_plug, connector_zero] {
        let body = serde_json::to_vec(&bad).unwrap();
        assert_eq!(world.send(topics.snapshot(&cp("CP1")), body).await, None);
    }
    assert_eq!(world.send(topics.state(), b"{}".to_vec()).await, None);
    assert_eq!(
        world.send("elsewhere".to_owned(), b"{}".to_vec()).await,
        None
    );
    assert_eq!(world.fleet.find(&cp("CP1")), before);
}

#[tokio::test]
async fn a_fact_from_a_newer_gateway_is_kept_as_it_came_and_blocks_nothing() {
    let mut world = World::new().await;
    let mut facts: Vec<serde_json::Value> = whole_session()
        .iter()
        .map(|fact| serde_json::to_value(fact).unwrap())
        .collect();
    let unknown = serde_json::json!({"sequence": 6, "boot": "0000000000000007", "monotonic_ms": 1,
        "wall_ms": 1, "wall_known": true, "change": {"type": "levitated", "height_mm": 3}});
    let mut bad_word =
        serde_json::to_value(fact(7, START, status("CP1", ConnectorStatus::Available))).unwrap();
    bad_word["change"]["status"] = "Dreaming".into();
    let after = fact(8, START, status("CP1", ConnectorStatus::Faulted));
    facts.extend([
        unknown.clone(),
        bad_word,
        serde_json::to_value(after).unwrap(),
    ]);
    let body = serde_json::json!({"v": 1, "journal_id": "j1", "facts": facts});
    let topic = Topics::of(&world.gateway).facts();
    let answer = world.send(topic, body.to_string().into_bytes()).await;
    assert_eq!(answer, acknowledgement(8));
    assert_eq!(
        world.books().await,
        WHOLE_SESSION_BOOKS.replace("j1|5|0", "j1|8|2")
    );
    let sql = "SELECT sequence, fact FROM unread_facts ORDER BY sequence";
    let kept = world.table(sql, &["sequence", "fact"]).await;
    let mut lines = kept.lines();
    assert_eq!(lines.next().unwrap(), format!("6|{unknown}"));
    assert!(lines.next().unwrap().starts_with("7|{"));
    let statuses = world
        .table("SELECT status FROM connectors", &["status"])
        .await;
    assert_eq!(statuses, "Faulted\n");
}

#[tokio::test]
async fn unreadable_facts_are_kept_up_to_a_bound_and_counted_beyond() {
    let mut world = World::new().await;
    let facts: Vec<_> = (1..=1_010)
        .map(|sequence| serde_json::json!({"sequence": sequence}))
        .collect();
    let body = serde_json::json!({"v": 1, "journal_id": "j1", "facts": facts});
    let topic = Topics::of(&world.gateway).facts();
    let answer = world
        .send(topic, body.to_string().into_bytes())
        .await
        .unwrap();
    assert_eq!((answer.sequence, answer.boot), (1_010, None));
    let kept = world
        .table("SELECT COUNT(*) AS kept FROM unread_facts", &["kept"])
        .await;
    assert_eq!(kept, "1000\n");
    assert_eq!(world.books().await, "j1|1010|1010\n");
}

#[tokio::test]
async fn devices_status_and_unattributed_energy_are_booked() {
    let mut world = World::new().await;
    let of = |change: Change, sequence| fact(sequence, START, change);
    let device_online = Change::DeviceOnline {
        charge_point: cp("CP1"),
        connector: connector(),
        serial: Some("S1".to_owned()),
        firmware: Some("1.0.8".to_owned()),
    };
    let device_offline = Change::DeviceOffline {
        charge_point: cp("CP1"),
        connector: connector(),
        fault: site_model::DeviceFault {
            message: "no answer".to_owned(),
            remedy: "check the line".to_owned(),
        },
    };
    let out_of_operation = Change::AvailabilityChanged {
        charge_point: cp("CP1"),
        connector: connector(),
        operative: false,
    };
    let unattributed = Change::EnergyUnattributed {
        charge_point: cp("CP1"),
        connector: connector(),
        from: site_model::WattHours(10),
        to: site_model::WattHours(25),
    };
    let facts: Vec<Envelope> = [
        announced("CP1"),
        device_online.clone(),
        device_offline,
        out_of_operation,
        status("CP1", ConnectorStatus::Unavailable),
        unattributed,
    ]
    .into_iter()
    .zip(1..)
    .map(|(change, sequence)| of(change, sequence))
    .collect();
    assert_eq!(world.facts(&facts).await, acknowledgement(6));
    let sql = "SELECT connector_id, type, max_power_w, status, status_at_ms, operative, serial, firmware, fault
               FROM connectors";
    let columns = [
        "connector_id",
        "type",
        "max_power_w",
        "status",
        "status_at_ms",
        "operative",
        "serial",
        "firmware",
        "fault",
    ];
    assert_eq!(
        world.table(sql, &columns).await,
        "1|Type2|11040|Unavailable|1795341600000|0|S1|1.0.8|no answer\n"
    );
    let energy = world
        .table(
            "SELECT charge_point_id, from_wh, to_wh FROM unattributed_energy",
            &["charge_point_id", "from_wh", "to_wh"],
        )
        .await;
    assert_eq!(energy, "CP1|10|25\n");
    world.facts(&[of(device_online, 7)]).await;
    let fault = world
        .table("SELECT fault FROM connectors", &["fault"])
        .await;
    assert_eq!(fault, "-\n");
}

#[tokio::test]
async fn a_damaged_journal_is_kept_in_the_books_and_what_its_salvage_tells_again_changes_nothing() {
    let mut world = World::new().await;
    let unattributed = Change::EnergyUnattributed {
        charge_point: cp("CP1"),
        connector: connector(),
        from: site_model::WattHours(10),
        to: site_model::WattHours(25),
    };
    let salvaged = Change::JournalSalvaged {
        damaged: Some(site_model::JournalId::new("j0").unwrap()),
        carried: 12,
        lost: 3,
        problem: "fact 7 is damaged".to_owned(),
    };
    world.facts(&whole_session()[..1]).await;
    let again: Vec<_> = [2, 4]
        .into_iter()
        .flat_map(|sequence| {
            [
                fact(sequence, START, unattributed.clone()),
                fact(sequence + 1, START, salvaged.clone()),
            ]
        })
        .collect();
    world.facts(&again).await;
    let energy = world
        .table(
            "SELECT COUNT(*) AS rows FROM unattributed_energy",
            &["rows"],
        )
        .await;
    assert_eq!(energy, "1\n");
    let columns = [
        "damaged_journal_id",
        "carried_facts",
        "lost_facts",
        "problem",
    ];
    let told = world
        .table("SELECT * FROM salvaged_journals", &columns)
        .await;
    assert_eq!(told, "j0|12|3|fact 7 is damaged\n");
}

#[tokio::test]
async fn times_recorded_before_the_clock_was_known_are_corrected_once_it_is() {
    let mut world = World::new().await;
    let offset = ms("2026-11-22T09:00:00Z");
    let unsure = |sequence, wall, change| at_wall(sequence, WallTime(wall), false, change);
    world
        .facts(&[
            unsure(1, 0, announced("CP1")),
            unsure(2, 1_000, started("sess_1", "CP1", 1_000)),
            unsure(3, 900_000, read("sess_1", 2_000)),
        ])
        .await;
    assert_eq!(world.summary().energy_today_wh, 0, "1970 is not today");
    let corrected = Change::ClockCorrected {
        boot: BootId(7),
        offset_ms: offset,
    };
    world
        .facts(&[
            fact(4, "2026-11-22T09:20:00Z", corrected.clone()),
            fact(5, "2026-11-22T09:30:00Z", read("sess_1", 3_000)),
        ])
        .await;
    assert_eq!(world.summary().energy_today_wh, 2_000);
    // A second correction of the same boot finds nothing left to correct.
    world
        .facts(&[
            fact(6, "2026-11-22T09:31:00Z", corrected),
            fact(7, "2026-11-22T09:40:00Z", ended("sess_1", "CP1", 3_500)),
        ])
        .await;
    assert_eq!(
        world.books().await,
        WHOLE_SESSION_BOOKS.replace("j1|5|0", "j1|7|0")
    );
    assert_eq!(world.summary().energy_today_wh, 2_500);
}

#[tokio::test]
async fn while_the_database_is_gone_nothing_is_acknowledged() {
    let mut world = World::new().await;
    world.facts(&whole_session()[..2]).await;
    world.db.close().await;
    let batch = site_wire::v1::FactBatch {
        v: 1,
        journal_id: "j1".to_owned(),
        facts: whole_session()[2..].to_vec(),
    };
    let message = Message {
        topic: Topics::of(&world.gateway).facts(),
        payload: serde_json::to_vec(&batch).unwrap(),
        retained: false,
    };
    assert!(world.ingest.receive(&message).await.is_err());
    let mut world = world.restarted().await;
    assert_eq!(world.facts(&whole_session()).await, acknowledgement(5));
    assert_eq!(world.books().await, WHOLE_SESSION_BOOKS);
    let _: &Db = &world.db;
}

#[tokio::test]
async fn a_fact_that_cannot_be_stored_is_kept_as_it_came_and_the_server_still_starts() {
    let mut world = World::new().await;
    world.facts(&whole_session()).await;
    let far = WallTime(i64::MAX);
    let leap = Change::ClockCorrected {
        boot: BootId(7),
        offset_ms: i64::MIN,
    };
    let mut crossed = announced("CP1");
    if let Change::ChargePointAnnounced(announcement) = &mut crossed {
        announcement
            .connectors
            .push(announcement.connectors[0].clone());
    }
    let facts = [
        fact(6, START, started("sess_2", "CP1", u64::MAX)),
        fact(7, START, read("sess_1", u64::MAX)),
        at_wall(8, far, false, started("sess_3", "CP1", 0)),
        fact(9, START, leap),
        fact(10, START, crossed),
        fact(11, START, status("CP1", ConnectorStatus::Faulted)),
    ];
    assert_eq!(world.facts(&facts).await, acknowledgement(11));
    let sql = "SELECT sequence, reason FROM unread_facts ORDER BY sequence";
    assert_eq!(
        world.table(sql, &["sequence", "reason"]).await,
        "6|a number is too great\n\
         7|a number is too great\n\
         8|a time lies beyond the year 9999\n\
         9|a time lies beyond the year 9999\n\
         10|the connectors are not in ascending order\n"
    );
    let expected = WHOLE_SESSION_BOOKS.replace("j1|5|0", "j1|11|5");
    assert_eq!(world.books().await, expected);
    let world = world.restarted().await;
    assert_eq!(world.summary().energy_today_wh, 2_500);
    let statuses = world
        .table("SELECT status FROM connectors", &["status"])
        .await;
    assert_eq!(statuses, "Faulted\n");
}

#[tokio::test]
async fn absurd_registers_do_not_stop_the_summary() {
    let mut world = World::new().await;
    let absurd = i64::MAX.unsigned_abs();
    let mut facts = vec![fact(1, START, announced("CP1"))];
    for (index, sequence) in (0..3).zip((2..).step_by(2)) {
        let id = format!("sess_{index}");
        facts.push(fact(sequence, START, started(&id, "CP1", 0)));
        facts.push(fact(sequence + 1, START, ended(&id, "CP1", absurd)));
    }
    world.facts(&facts).await;
    assert_eq!(world.summary().energy_today_wh, u64::MAX);
}
