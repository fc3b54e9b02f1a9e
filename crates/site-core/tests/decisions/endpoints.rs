//! Central systems: which transaction a session is, and when a charge point goes over to another.

use site_core::Event;
use site_model::{CentralSystem, Change, StopReason, VehicleState};

use crate::bench::{Bench, cp, ended, free, nothing, session, site_of};

fn central_system(address: &str) -> Option<CentralSystem> {
    Some(CentralSystem {
        address: address.to_owned(),
        external: true,
    })
}

/// Where the journal says that the charge point is, oldest first.
fn told(bench: &Bench) -> Vec<Option<CentralSystem>> {
    let mut told = Vec::new();
    for fact in &bench.journal {
        if let Change::ChargePointAnnounced(announcement) = &fact.change {
            told.push(announcement.central_system.clone());
        }
    }
    told
}

#[test]
fn a_charge_point_goes_over_to_another_central_system_once_its_session_has_ended() {
    let mut bench = Bench::charging(free());
    bench.config.charge_points[0].central_system = central_system("wss://b/CP-1");
    bench.at(10_000).restart(5_000);
    assert_eq!(told(&bench), [None], "a session runs");
    bench.at(1_000).meter(5_100);
    bench.at(1_100).charger(VehicleState::C, 16_000);
    assert_eq!(told(&bench), [None], "it still runs");

    bench.at(2_000).charger(VehicleState::A, 16_000);
    let decision = bench.at(2_500).meter(5_120);
    let changes: Vec<_> = decision.facts.iter().map(|fact| &fact.change).collect();
    let end = ended(1, 5_120, StopReason::EvDisconnected);
    assert_eq!((changes[0], changes.len()), (&end, 3), "{changes:?}");
    assert!(matches!(changes[2], Change::ChargePointAnnounced(_)));
    assert_eq!(told(&bench), [None, central_system("wss://b/CP-1")]);
    assert!(bench.site.agrees_with(&bench.replayed()));
}

#[test]
fn without_a_session_another_central_system_holds_from_the_start() {
    let mut bench = Bench::idle(free());
    bench.config.charge_points[0].central_system = central_system("wss://b/CP-1");
    bench.at(10_000).restart(5_000);
    assert_eq!(told(&bench), [None, central_system("wss://b/CP-1")]);
    bench.config = site_of(vec![free()]);
    bench.at(10_000).restart(5_000);
    assert_eq!(told(&bench), [None, central_system("wss://b/CP-1"), None]);
    bench.at(10_000).restart(5_000);
    assert_eq!(told(&bench).len(), 3, "nothing changed");
}

#[test]
fn a_charge_point_that_is_configured_no_more_leaves_its_central_system_once_its_session_has_ended()
{
    let mut bench = Bench::idle(free());
    bench.config.charge_points[0].central_system = central_system("wss://b/CP-1");
    bench.at(10_000).restart(5_000);
    bench.at(1_000).meter(5_000);
    bench.charger(VehicleState::A, 16_000);
    bench.at(2_000).charger(VehicleState::B, 16_000);
    assert_eq!(bench.site.open_sessions().len(), 1);
    bench.config.charge_points.clear();
    let decision = bench.at(10_000).restart(5_000);
    let changes: Vec<_> = decision.facts.iter().map(|fact| &fact.change).collect();
    let left = |change: &&&Change| matches!(change, Change::ChargePointAnnounced(known) if known.central_system.is_none());
    let ends = |change: &&&Change| matches!(change, Change::SessionEnded { .. });
    assert_eq!(
        changes.iter().position(|change| ends(&change)),
        Some(0),
        "{changes:?}"
    );
    assert_eq!(
        changes.iter().position(|change| left(&change)),
        Some(1),
        "{changes:?}"
    );
    let before = told(&bench).len();
    bench.at(10_000).restart(5_000);
    assert_eq!(told(&bench).len(), before, "it is told once");
}

#[test]
fn the_id_of_a_transaction_is_recorded_once_while_the_session_runs_and_whenever_it_has_ended() {
    let assigned = |number, transaction_id| Event::TransactionAssigned {
        session: session(number),
        transaction_id,
    };
    let fact = |number, transaction_id| Change::TransactionAssigned {
        session: session(number),
        transaction_id,
    };
    let mut bench = Bench::charging(free());
    bench.at(5_000);
    let decision = bench.tell(assigned(1, 77));
    assert_eq!(decision, bench.expect(vec![fact(1, 77)], vec![], vec![]));
    assert_eq!(bench.tell(assigned(1, 77)), nothing(), "told again");
    assert_eq!(bench.site.checkpoint(), bench.replayed().checkpoint());
    let mut rebuilt = site_core::Site::new(bench.config.clone());
    for fact in bench.site.checkpoint() {
        rebuilt.apply(&fact);
    }
    assert!(rebuilt.agrees_with(&bench.site));
    // A session that was told after its end.
    let decision = bench.tell(assigned(9, 78));
    assert_eq!(decision, bench.expect(vec![fact(9, 78)], vec![], vec![]));
    assert!(bench.site.view(&cp()).is_some());
}
