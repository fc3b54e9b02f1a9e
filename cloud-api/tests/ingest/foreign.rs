//! Charge points that are somebody else's: refused, shown, and nothing of them stored.

use jiff::SignedDuration;
use site_model::{BootId, ConnectorStatus};
use site_wire::v1::{Acknowledgement, RefusedChargePoint, VERSION};

use crate::world::*;

const TAKEN: &str = "This charge point id is taken. Choose another id for it in the configuration of the site controller.";
const ELSEWHERE: &str = "This charge point belongs to another gateway of the organisation. To move it here, revoke that gateway and restart this site controller; else choose another id.";

fn refused(sequence: u64, reason: &str) -> Option<Acknowledgement> {
    Some(Acknowledgement {
        v: VERSION,
        journal_id: "j1".to_owned(),
        sequence,
        boot: (sequence > 0).then(|| BootId(7).to_string()),
        sessions: None,
        refused: vec![RefusedChargePoint {
            charge_point_id: "CP1".to_owned(),
            reason: reason.to_owned(),
        }],
    })
}

#[tokio::test]
async fn a_foreign_charge_point_is_refused_and_nothing_of_it_is_stored() {
    let mut world = World::new().await;
    let stranger = world.stranger.clone();
    world.facts(&whole_session()).await;
    let before = (world.books().await, world.fleet.find(&cp("CP1")));
    let theirs = [
        fact(1, START, announced("CP1")),
        fact(2, START, started("sess_9", "CP1", 7_000)),
        fact(3, START, read("sess_1", 9_999)),
        fact(4, START, ended("sess_1", "CP1", 9_999)),
        fact(5, START, status("CP1", ConnectorStatus::Faulted)),
        fact(
            6,
            START,
            status("CP-NEVER-ANNOUNCED", ConnectorStatus::Faulted),
        ),
    ];
    let answer = world.facts_of(&stranger, "j1", &theirs).await;
    assert_eq!(answer, refused(6, TAKEN));
    let foreign_view = snapshot(9, "Faulted", START, None);
    world.snapshot_of(&stranger, &foreign_view).await;

    assert_eq!(world.fleet.find(&cp("CP1")), before.1);
    let books = world.books().await;
    assert_eq!(books, format!("{}j1|6|0\n", before.0));
    let strange = world
        .fleet
        .summary(&world.strange_organisation, world.clock.now());
    assert_eq!(strange, cloud_api::fleet::FleetSummary::default());

    let listed = world.gateways.list().await.unwrap();
    let shown = listed.iter().find(|g| g.id == stranger).unwrap();
    assert_eq!(shown.charge_points, [""; 0]);
    assert_eq!(shown.refused.len(), 1);
    assert_eq!(
        (
            shown.refused[0].charge_point.as_str(),
            shown.refused[0].reason.as_str()
        ),
        ("CP1", TAKEN)
    );
    // It stands in every later acknowledgement, also after a restart.
    let mut world = world.restarted().await;
    assert_eq!(world.state_of(&stranger, true).await, refused(6, TAKEN));
}

#[tokio::test]
async fn a_session_id_of_another_gateway_is_not_taken_over() {
    let mut world = World::new().await;
    world.facts(&whole_session()[..2]).await;
    let second = world.second.clone();
    let theirs = [
        fact(1, START, announced("CP2")),
        fact(2, START, started("sess_1", "CP2", 0)),
        fact(3, START, read("sess_1", 50_000)),
        fact(4, START, ended("sess_1", "CP2", 90_000)),
    ];
    world.facts_of(&second, "j1", &theirs).await;
    assert_eq!(
        world.books().await,
        "sess_1|FREE|1795338001000|1000|-|-|-\n\
         sess_1|start|1795338001000|1000\n\
         j1|2|0\nj1|4|0\n"
    );
    assert_eq!(world.summary().energy_today_wh, 0);
}

#[tokio::test]
async fn a_charge_point_moves_when_its_gateway_was_revoked_and_what_ran_there_ends() {
    let mut world = World::new().await;
    let (first, second) = (world.gateway.clone(), world.second.clone());
    world.facts(&whole_session()[..3]).await;
    world
        .snapshot(&snapshot(3, "Charging", START, Some(("sess_1", 1_000))))
        .await;
    let announcement = [fact(1, START, announced("CP1"))];
    let answer = world.facts_of(&second, "j1", &announcement).await;
    assert_eq!(answer, refused(1, ELSEWHERE));
    // Coming back changes nothing while the first gateway is in service.
    assert_eq!(world.state_of(&second, true).await, refused(1, ELSEWHERE));

    world.gateways.revoke(&first).await.unwrap();
    assert_eq!(world.state_of(&second, true).await, acknowledgement(1));
    let live = world.fleet.find(&cp("CP1")).unwrap();
    assert_eq!(live.gateway.as_ref(), Some(&second));
    assert_eq!(live.connectors[0].active_session_id, None);
    assert_eq!(
        world.books().await,
        "sess_1|FREE|1795338001000|1000|1795338900000|2000|Other\n\
         sess_1|start|1795338001000|1000\n\
         sess_1|quarter_hour|1795338900000|2000\n\
         j1|1|0\nj1|3|0\n"
    );
    assert_eq!(world.summary().energy_today_wh, 1_000);

    world.clock.advance(SignedDuration::from_secs(10));
    let late = world.facts(&whole_session()[3..]).await;
    assert_eq!(late, None, "nothing is taken from a revoked gateway");
    assert_eq!(world.state_of(&first, true).await, None);

    let more = [fact(2, START, started("sess_2", "CP1", 2_000))];
    assert_eq!(
        world.facts_of(&second, "j1", &more).await,
        acknowledgement(2)
    );
    let world = world.restarted().await;
    let live = world.fleet.find(&cp("CP1")).unwrap();
    assert_eq!(live.gateway.as_ref(), Some(&second));
    assert_eq!(
        live.connectors[0].active_session_id,
        Some(session("sess_2"))
    );
}

#[tokio::test]
async fn nobody_gets_a_charge_point_of_a_revoked_gateway_of_another_organisation() {
    let mut world = World::new().await;
    world.facts(&whole_session()).await;
    world.gateways.revoke(&world.gateway).await.unwrap();
    let stranger = world.stranger.clone();
    let theirs = [fact(1, START, announced("CP1"))];
    let answer = world.facts_of(&stranger, "j1", &theirs).await;
    assert_eq!(answer, refused(1, TAKEN));
}

#[tokio::test]
async fn a_gateway_that_does_not_exist_is_not_listened_to() {
    let mut world = World::new().await;
    let nobody = site_model::GatewayId::new("gw_nobody").unwrap();
    assert_eq!(world.facts_of(&nobody, "j1", &whole_session()).await, None);
    assert_eq!(world.state_of(&nobody, true).await, None);
    assert_eq!(world.books().await, "");
}

#[tokio::test]
async fn a_thousand_charge_points_are_enough_for_one_gateway() {
    let mut world = World::new().await;
    let facts: Vec<_> = (1..=1_102)
        .map(|n| fact(n, START, announced(&format!("CP{n}"))))
        .collect();
    for part in facts.chunks(200) {
        let last = part.last().unwrap().sequence;
        let answer = world.facts(part).await.unwrap();
        assert_eq!(answer.sequence, last);
    }
    assert_eq!(world.summary().total, 1_000);
    let gateway = world.gateway.clone();
    let answer = world.state_of(&gateway, true).await.unwrap();
    assert_eq!(answer.refused.len(), 100, "no more than that is shown");
    assert!(
        answer.refused[0]
            .reason
            .starts_with("A gateway speaks for at most 1000")
    );
}

#[tokio::test]
async fn of_two_gateways_that_announce_the_same_id_at_once_one_owns_it() {
    let mut world = World::new().await;
    let (first, second) = (world.gateway.clone(), world.second.clone());
    let mut other = world.another_ingest();
    let message = |gateway: &site_model::GatewayId| cloud_api::ingest::Message {
        topic: site_wire::topics::Topics::of(gateway).facts(),
        payload: serde_json::to_vec(&site_wire::v1::FactBatch {
            v: VERSION,
            journal_id: "j1".to_owned(),
            facts: vec![fact(1, START, announced("CP1"))],
        })
        .unwrap(),
        retained: false,
    };
    let (ours, theirs) = (message(&first), message(&second));
    let (ours, theirs) = tokio::join!(world.ingest.receive(&ours), other.receive(&theirs));
    let refused_at = |reply: Result<Option<cloud_api::ingest::Reply>, _>| -> usize {
        reply.unwrap().unwrap().acknowledgement.refused.len()
    };
    assert_eq!(refused_at(ours) + refused_at(theirs), 1);
    let listed = world.gateways.list().await.unwrap();
    let owners: usize = listed.iter().map(|g| g.charge_points.len()).sum();
    let refusals: usize = listed.iter().map(|g| g.refused.len()).sum();
    assert_eq!((owners, refusals), (1, 1));
    assert_eq!(world.summary().total, 1);
}
