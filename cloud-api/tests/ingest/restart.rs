//! After a restart the fleet is what it was, offline until heard, and no energy is lost or doubled.

use cloud_api::fleet::FleetSummary;
use site_model::ConnectorStatus;

use crate::world::*;

#[tokio::test]
async fn a_restart_in_the_middle_of_a_session_loses_and_doubles_nothing() {
    let mut world = World::new().await;
    let all = whole_session();
    world.facts(&all[..3]).await;
    world
        .facts(&[fact(4, START, status("CP1", ConnectorStatus::Charging))])
        .await;
    let mut world = world.restarted().await;
    let live = world.fleet.find(&cp("CP1")).unwrap();
    assert!(!live.online);
    assert_eq!(live.connectors[0].status, ConnectorStatus::Charging);
    assert_eq!(
        live.connectors[0].active_session_id,
        Some(session("sess_1"))
    );
    assert_eq!(live.connectors[0].max_power.0, 11_040);
    assert_eq!(
        world.summary(),
        FleetSummary {
            total: 1,
            offline: 1,
            active_sessions: 1,
            energy_today_wh: 1_000,
            ..FleetSummary::default()
        }
    );
    let gateway = world.gateway.clone();
    assert_eq!(world.state_of(&gateway, true).await, acknowledgement(4));
    let rest = [
        fact(5, "2026-11-22T09:30:00Z", read("sess_1", 3_000)),
        fact(6, "2026-11-22T09:40:00Z", ended("sess_1", "CP1", 3_500)),
    ];
    assert_eq!(world.facts(&rest).await, acknowledgement(6));
    world.snapshot(&snapshot(6, "Available", START, None)).await;
    let expected = FleetSummary {
        total: 1,
        online: 1,
        available: 1,
        energy_today_wh: 2_500,
        ..FleetSummary::default()
    };
    assert_eq!(world.summary(), expected);
    let world = world.restarted().await;
    assert_eq!(
        world.books().await,
        WHOLE_SESSION_BOOKS.replace("j1|5|0", "j1|6|0")
    );
    assert_eq!(world.summary().energy_today_wh, 2_500);
}

#[tokio::test]
async fn a_described_anew_charge_point_shows_its_connectors_of_today() {
    let mut world = World::new().await;
    world.facts(&whole_session()).await;
    let mut described = announced("CP1");
    if let site_model::Change::ChargePointAnnounced(announcement) = &mut described {
        announcement.model = "Energy Control Plus".to_owned();
        announcement.connectors[0].max_power = site_model::Watts(3_680);
        announcement
            .connectors
            .push(site_model::ConnectorAnnouncement {
                connector: site_model::ConnectorId::new(2).unwrap(),
                kind: site_model::ConnectorType::Ccs2,
                max_power: site_model::Watts(50_000),
            });
    }
    world.facts(&[fact(6, START, described)]).await;
    let shown = |world: &World| -> Vec<(u8, i32)> {
        let live = world.fleet.find(&cp("CP1")).unwrap();
        let connectors = live.connectors.iter();
        connectors
            .map(|connector| (connector.connector_id.get(), connector.max_power.0))
            .collect()
    };
    assert_eq!(shown(&world), [(1, 3_680), (2, 50_000)]);
    world.facts(&[fact(7, START, announced("CP1"))]).await;
    assert_eq!(shown(&world), [(1, 11_040)]);
    let world = world.restarted().await;
    assert_eq!(shown(&world), [(1, 11_040)]);
    let model = world
        .table("SELECT model FROM charge_points", &["model"])
        .await;
    assert_eq!(model, "Energy Control\n");
}
