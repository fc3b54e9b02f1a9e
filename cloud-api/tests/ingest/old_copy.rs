//! What a gateway is told whose journal is an old copy: which fact the mark stands at, and its sessions.

use site_model::BootId;
use site_wire::{
    topics::Topics,
    v1::{Acknowledgement, GatewayState, KnownEnd, KnownSession, VERSION},
};

use crate::world::*;

#[tokio::test]
async fn the_mark_names_the_boot_of_its_fact_also_after_a_restart_and_where_the_fact_is_not_read() {
    let mut world = World::new().await;
    let gateway = world.gateway.clone();
    world.facts(&whole_session()).await;
    let mut world = world.restarted().await;
    assert_eq!(world.state_of(&gateway, true).await, acknowledgement(5));
    let unread = serde_json::json!({"v": 1, "journal_id": "j1", "facts": [
        {"sequence": 6, "boot": BootId(9).to_string(), "change": {"type": "of_a_later_version"}}
    ]});
    let topic = Topics::of(&gateway).facts();
    let word = world.send(topic, unread.to_string().into_bytes()).await;
    let expected = Acknowledgement {
        boot: Some(BootId(9).to_string()),
        ..acknowledgement(6).unwrap()
    };
    assert_eq!(word, Some(expected));
}

#[tokio::test]
async fn a_gateway_that_asks_is_told_its_sessions_those_that_run_first_and_no_others() {
    let mut world = World::new().await;
    let (gateway, second) = (world.gateway.clone(), world.second.clone());
    world.facts(&whole_session()).await;
    let running = [
        fact(6, "2026-11-22T09:50:00Z", started("sess_2", "CP1", 3_500)),
        fact(7, "2026-11-22T10:00:00Z", read("sess_2", 4_100)),
    ];
    world.facts(&running).await;
    let others = [
        fact(1, "2026-11-22T09:00:00Z", announced("CP2")),
        fact(2, "2026-11-22T09:50:00Z", started("sess_3", "CP2", 1)),
    ];
    world.facts_of(&second, "j9", &others).await;
    let asking = GatewayState {
        v: VERSION,
        online: true,
        boot: BootId(1).to_string(),
        journal_id: "j1".to_owned(),
        software_version: "0.1.0".to_owned(),
        asks_for_sessions: true,
    };
    let asking = serde_json::to_vec(&asking).unwrap();
    let runs = KnownSession {
        session_id: "sess_2".to_owned(),
        charge_point_id: "CP1".to_owned(),
        connector_id: 1,
        id_tag: "FREE".to_owned(),
        started_at_ms: ms("2026-11-22T09:50:00Z"),
        meter_start_wh: 3_500,
        energy_source: "external_meter".to_owned(),
        billing_grade: true,
        last_at_ms: ms("2026-11-22T10:00:00Z"),
        last_meter_wh: 4_100,
        transaction_id: None,
        end: None,
    };
    let over = KnownSession {
        session_id: "sess_1".to_owned(),
        started_at_ms: ms("2026-11-22T09:00:01Z"),
        meter_start_wh: 1_000,
        last_at_ms: ms("2026-11-22T09:40:00Z"),
        last_meter_wh: 3_500,
        end: Some(KnownEnd {
            ended_at_ms: ms("2026-11-22T09:40:00Z"),
            meter_stop_wh: 3_500,
            stop_reason: "EVDisconnected".to_owned(),
        }),
        ..runs.clone()
    };
    let expected = Acknowledgement {
        sessions: Some(vec![runs, over]),
        ..acknowledgement(7).unwrap()
    };
    let word = world.send(Topics::of(&gateway).state(), asking).await;
    assert_eq!(word, Some(expected));
}
