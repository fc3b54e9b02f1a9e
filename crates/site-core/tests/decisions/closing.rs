//! A connector that is to go out of operation when its session has ended.

use site_core::Event;
use site_model::{Change, CommandKind, ConnectorStatus, StopReason, VehicleState};

use crate::bench::{Bench, cp, ended, free, nothing, one, operative};

fn wish() -> Event {
    Event::ClosingWished {
        charge_point: cp(),
        connector: one(),
    }
}

fn scheduled(scheduled: bool) -> Change {
    Change::ClosingScheduled {
        charge_point: cp(),
        connector: one(),
        scheduled,
    }
}

#[test]
fn a_closing_waits_for_the_end_of_the_session_over_restarts() {
    let mut bench = Bench::charging(free());
    bench.at(5_000);
    let decision = bench.tell(wish());
    assert_eq!(decision.facts[0].change, scheduled(true));
    assert_eq!(bench.tell(wish()), nothing(), "it is scheduled already");
    let mut rebuilt = site_core::Site::new(bench.config.clone());
    for fact in bench.site.checkpoint() {
        rebuilt.apply(&fact);
    }
    assert!(rebuilt.agrees_with(&bench.site));

    bench.at(10_000).restart(5_000);
    bench.at(1_000).meter(5_100);
    bench.at(1_100).charger(VehicleState::C, 16_000);
    assert_eq!(bench.view().status, ConnectorStatus::Charging);
    bench.at(2_000).charger(VehicleState::A, 16_000);
    let decision = bench.at(2_500).meter(5_120);
    let changes: Vec<_> = decision
        .facts
        .iter()
        .map(|fact| fact.change.clone())
        .collect();
    let end = ended(1, 5_120, StopReason::EvDisconnected);
    assert_eq!(changes[..2], [end, operative(false)]);
    assert_eq!(bench.view().status, ConnectorStatus::Unavailable);
    // The next vehicle gets nothing.
    bench.at(3_000).charger(VehicleState::B, 0);
    bench.at(3_100).meter(5_120);
    assert!(bench.site.open_sessions().is_empty());
}

#[test]
fn a_scheduled_closing_is_taken_back_by_opening() {
    let mut bench = Bench::charging(free());
    bench.at(5_000).tell(wish());
    let decision = bench.order("cmd_open", CommandKind::SetAvailable);
    let changes: Vec<_> = decision
        .facts
        .iter()
        .map(|fact| fact.change.clone())
        .collect();
    assert!(changes.contains(&scheduled(false)), "{changes:?}");
    bench.at(6_000).charger(VehicleState::A, 16_000);
    bench.at(6_500).meter(5_120);
    assert_eq!(bench.view().status, ConnectorStatus::Available);
}

#[test]
fn without_a_session_nothing_is_scheduled() {
    let mut bench = Bench::idle(free());
    assert_eq!(bench.at(5_000).tell(wish()), nothing());
}
