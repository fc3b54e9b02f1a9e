//! Liveness, counts, and energy split at midnight.

use jiff::SignedDuration;
use site_model::{ChargePointStatus, ConnectorId, ConnectorStatus, ConnectorType, Watts};

use super::*;

const GATEWAY: &str = "gw_1";
const WH_PER_HOUR: u64 = 6_000;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn ms(text: &str) -> i64 {
    at(text).as_millisecond()
}

fn organisation() -> OrganisationId {
    OrganisationId::parse("org_1").unwrap()
}

fn gateway() -> GatewayId {
    GatewayId::new(GATEWAY).unwrap()
}

fn id(text: &str) -> ChargePointId {
    ChargePointId::new(text).unwrap()
}

fn session(text: &str) -> SessionId {
    SessionId::new(text).unwrap()
}

fn connector(number: u8, status: ConnectorStatus) -> RegisteredConnector {
    RegisteredConnector {
        connector: ConnectorId::new(number).unwrap(),
        kind: Some(ConnectorType::Type2),
        max_power: Watts(11_040),
        status,
        status_at: None,
        session: None,
    }
}

fn registration(cp: &str) -> Registration {
    Registration {
        organisation: organisation(),
        charge_point: id(cp),
        gateway: Some(gateway()),
        external: false,
        firmware: None,
        connectors: vec![connector(1, ConnectorStatus::Unavailable)],
    }
}

fn observation(cp: &str, sequence: u64, status: ConnectorStatus) -> Observation {
    Observation {
        charge_point: id(cp),
        journal_id: "j1".to_owned(),
        as_of_sequence: sequence,
        made_at_ms: ms("2026-11-22T10:00:00Z"),
        answers: true,
        ocpp_status: ChargePointStatus::Available,
        last_heartbeat_at: Some(at("2026-11-22T09:59:59Z")),
        firmware: None,
        connectors: vec![(connector(1, status), 0)],
    }
}

fn fleet_of(ids: &[&str]) -> Fleet {
    let fleet = Fleet::default();
    let updates = ids.iter().map(|cp| Update::Registered(registration(cp)));
    fleet.apply(&organisation(), updates.collect());
    fleet
}

/// A fleet whose days run in `zone`, with one charge point.
fn fleet_in(zone: &str) -> Fleet {
    let fleet = fleet_of(&["CP1"]);
    fleet.set_zone(&organisation(), TimeZone::get(zone).unwrap());
    fleet
}

fn started(name: &str, at: &str, meter_wh: u64) -> Update {
    let energy = SessionEnergy::starting(id("CP1"), ms(at), meter_wh);
    Update::SessionStarted(session(name), energy)
}

fn read(name: &str, at: &str, meter_wh: u64) -> Update {
    Update::SessionRead {
        session: session(name),
        at_ms: ms(at),
        meter_wh,
    }
}

fn ended(name: &str, at: &str, meter_wh: u64) -> Update {
    Update::SessionEnded {
        session: session(name),
        at_ms: ms(at),
        meter_wh,
    }
}

fn today(fleet: &Fleet, now: &str) -> u64 {
    fleet.summary(&organisation(), at(now)).energy_today_wh
}

#[test]
fn a_registered_charge_point_is_offline_until_heard() {
    let fleet = fleet_of(&["CP1"]);
    let live = fleet.find(&id("CP1")).unwrap();
    assert_eq!(live.firmware_version, "unknown");
    assert_eq!(live.last_heartbeat_at, None);
    assert!(!live.online);
    assert_eq!(
        fleet.summary(&organisation(), at("2026-11-22T10:00:00Z")),
        FleetSummary {
            total: 1,
            offline: 1,
            ..FleetSummary::default()
        }
    );
    assert_eq!(fleet.find(&id("CP2")), None);
}

#[test]
fn online_needs_gateway_snapshot_and_device() {
    let now = at("2026-11-22T10:00:00Z");
    let fleet = fleet_of(&["CP1"]);
    let online = || fleet.find(&id("CP1")).unwrap().online;
    fleet.observe(
        &gateway(),
        &observation("CP1", 1, ConnectorStatus::Available),
        now,
    );
    assert!(!online(), "gateway not connected");
    fleet.set_connected(&gateway(), true, now);
    assert!(online());
    let silent = Observation {
        answers: false,
        ..observation("CP1", 2, ConnectorStatus::Available)
    };
    fleet.observe(&gateway(), &silent, now);
    assert!(!online(), "device quarantined");
    fleet.observe(
        &gateway(),
        &observation("CP1", 3, ConnectorStatus::Available),
        now,
    );
    fleet.set_connected(&gateway(), false, now);
    assert!(!online(), "last will fired");
}

#[test]
fn two_minutes_of_silence_make_a_charge_point_offline_and_not_a_moment_earlier() {
    let now = at("2026-11-22T10:00:00Z");
    let fleet = fleet_of(&["CP1"]);
    fleet.set_connected(&gateway(), true, now);
    fleet.observe(
        &gateway(),
        &observation("CP1", 1, ConnectorStatus::Available),
        now,
    );
    fleet.sweep(now + SignedDuration::from_millis(119_999));
    assert!(fleet.find(&id("CP1")).unwrap().online);
    fleet.sweep(now + SignedDuration::from_millis(120_000));
    assert!(!fleet.find(&id("CP1")).unwrap().online);
}

#[test]
fn the_first_of_offline_faulted_online_counts_and_the_sum_is_the_total() {
    let now = at("2026-11-22T10:00:00Z");
    let fleet = fleet_of(&["A", "B", "C", "D", "E"]);
    fleet.set_connected(&gateway(), true, now);
    fleet.observe(
        &gateway(),
        &observation("A", 1, ConnectorStatus::Available),
        now,
    );
    fleet.observe(
        &gateway(),
        &observation("B", 1, ConnectorStatus::Faulted),
        now,
    );
    let mut charging = observation("C", 1, ConnectorStatus::Charging);
    charging.connectors[0].0.session = Some(session("sess_1"));
    charging
        .connectors
        .push((connector(2, ConnectorStatus::Available), 0));
    fleet.observe(&gateway(), &charging, now);
    let faulted_and_silent = Observation {
        answers: false,
        ..observation("D", 1, ConnectorStatus::Faulted)
    };
    fleet.observe(&gateway(), &faulted_and_silent, now);
    assert_eq!(
        fleet.summary(&organisation(), now),
        FleetSummary {
            total: 5,
            online: 2,
            offline: 2,
            faulted: 1,
            active_sessions: 1,
            available: 2,
            charging: 1,
            energy_today_wh: 0,
        }
    );
    let stranger = OrganisationId::parse("org_2").unwrap();
    assert_eq!(fleet.summary(&stranger, now), FleetSummary::default());
}

#[test]
fn an_older_snapshot_and_a_foreign_gateways_snapshot_change_nothing() {
    let now = at("2026-11-22T10:00:00Z");
    let fleet = fleet_of(&["CP1"]);
    fleet.observe(
        &gateway(),
        &observation("CP1", 5, ConnectorStatus::Charging),
        now,
    );
    let before = fleet.find(&id("CP1"));
    fleet.observe(
        &gateway(),
        &observation("CP1", 4, ConnectorStatus::Available),
        now,
    );
    let foreign = GatewayId::new("gw_2").unwrap();
    fleet.observe(
        &foreign,
        &observation("CP1", 9, ConnectorStatus::Faulted),
        now,
    );
    assert_eq!(fleet.find(&id("CP1")), before);

    let of_a_new_journal = Observation {
        journal_id: "j2".to_owned(),
        ..observation("CP1", 1, ConnectorStatus::Available)
    };
    fleet.observe(&gateway(), &of_a_new_journal, now);
    let status = fleet.find(&id("CP1")).unwrap().connectors[0].status;
    assert_eq!(status, ConnectorStatus::Available);
}

#[test]
fn a_session_counts_once_while_it_runs_and_after_it_ended() {
    let fleet = fleet_in("UTC");
    let noon = at("2026-11-22T12:00:00Z");
    fleet.set_connected(&gateway(), true, noon);
    fleet.apply(
        &organisation(),
        vec![started("sess_1", "2026-11-22T10:00:00Z", 1_000)],
    );
    assert_eq!(today(&fleet, "2026-11-22T10:00:01Z"), 0);

    let mut view = observation("CP1", 1, ConnectorStatus::Charging);
    view.made_at_ms = ms("2026-11-22T11:00:00Z");
    view.connectors[0].0.session = Some(session("sess_1"));
    view.connectors[0].1 = 6_000;
    fleet.observe(&gateway(), &view, noon);
    assert_eq!(today(&fleet, "2026-11-22T12:00:00Z"), 6_000);

    fleet.apply(
        &organisation(),
        vec![ended("sess_1", "2026-11-22T11:10:00Z", 8_000)],
    );
    assert_eq!(today(&fleet, "2026-11-22T12:00:00Z"), 7_000);
    // The last snapshot still shows the session: it is not counted again.
    fleet.observe(&gateway(), &view, noon);
    fleet.sweep(noon);
    assert_eq!(today(&fleet, "2026-11-22T12:00:00Z"), 7_000);
    // Neither is a repeated start.
    fleet.apply(
        &organisation(),
        vec![started("sess_1", "2026-11-22T10:00:00Z", 1_000)],
    );
    assert_eq!(today(&fleet, "2026-11-22T12:00:00Z"), 7_000);
}

#[test]
fn a_snapshot_that_comes_before_the_fact_of_the_start_is_not_lost() {
    let fleet = fleet_in("UTC");
    let now = at("2026-11-22T12:00:00Z");
    let mut view = observation("CP1", 9, ConnectorStatus::Charging);
    view.made_at_ms = ms("2026-11-22T11:00:00Z");
    view.connectors[0].0.session = Some(session("sess_1"));
    view.connectors[0].1 = 250;
    fleet.observe(&gateway(), &view, now);
    fleet.apply(
        &organisation(),
        vec![started("sess_1", "2026-11-22T10:00:00Z", 1_000)],
    );
    assert_eq!(today(&fleet, "2026-11-22T12:00:00Z"), 250);
}

#[test]
fn what_the_view_showed_too_high_is_corrected_by_the_fact_of_the_end() {
    let fleet = fleet_in("UTC");
    fleet.apply(
        &organisation(),
        vec![started("sess_1", "2026-11-22T10:00:00Z", 0)],
    );
    let mut view = observation("CP1", 9, ConnectorStatus::Charging);
    view.made_at_ms = ms("2026-11-22T11:00:00Z");
    view.connectors[0].0.session = Some(session("sess_1"));
    view.connectors[0].1 = 501;
    fleet.observe(&gateway(), &view, at("2026-11-22T11:00:00Z"));
    fleet.apply(
        &organisation(),
        vec![ended("sess_1", "2026-11-22T11:00:01Z", 500)],
    );
    assert_eq!(today(&fleet, "2026-11-22T12:00:00Z"), 500);
}

#[test]
fn energy_is_split_at_local_midnight_and_the_days_sum_up_to_the_meters_difference() {
    // Berlin is at UTC+1 in November: midnight is 23:00 UTC.
    let fleet = fleet_in("Europe/Berlin");
    fleet.apply(
        &organisation(),
        vec![
            started("sess_1", "2026-11-21T22:00:00Z", 500),
            read("sess_1", "2026-11-21T22:45:00Z", 5_000),
            // The quarter hour's reading comes with the first poll after it.
            read("sess_1", "2026-11-21T23:00:01Z", 6_502),
        ],
    );
    // 5 000 + 1 502 × 900 000 ms ÷ 901 000 ms, rounded down, is 6 500 at midnight.
    assert_eq!(today(&fleet, "2026-11-21T22:59:59.999Z"), 6_002);
    assert_eq!(today(&fleet, "2026-11-21T23:00:01Z"), 2);
    fleet.apply(
        &organisation(),
        vec![ended("sess_1", "2026-11-22T01:00:00Z", 10_500)],
    );
    let second_day = today(&fleet, "2026-11-22T12:00:00Z");
    assert_eq!(second_day, 4_000);
    let first_day = 6_500 - 500;
    assert_eq!(first_day + second_day, 10_500 - 500);
    fleet.sweep(at("2026-11-22T12:00:00Z"));
    assert_eq!(today(&fleet, "2026-11-22T12:00:00Z"), 4_000);
    fleet.sweep(at("2026-11-22T23:00:00Z"));
    assert_eq!(today(&fleet, "2026-11-22T23:00:00Z"), 0);
}

/// Steady charging with a reading at every full hour.
fn charge_hourly(fleet: &Fleet, from: &str, hours: i64) {
    let mut updates = vec![started("sess_1", from, 0)];
    let mut meter_wh = 0;
    for hour in 1..=hours {
        meter_wh += WH_PER_HOUR;
        updates.push(Update::SessionRead {
            session: session("sess_1"),
            at_ms: ms(from) + hour * 3_600_000,
            meter_wh,
        });
    }
    fleet.apply(&organisation(), updates);
}

#[test]
fn the_day_on_which_the_clocks_go_back_has_twenty_five_hours() {
    // Berlin, 25 October 2026: from 24 October 22:00 UTC to 25 October 23:00 UTC.
    let fleet = fleet_in("Europe/Berlin");
    charge_hourly(&fleet, "2026-10-24T20:00:00Z", 28);
    assert_eq!(
        today(&fleet, "2026-10-25T22:59:59Z"),
        (28 - 2) * WH_PER_HOUR
    );
    assert_eq!(today(&fleet, "2026-10-25T23:00:00Z"), WH_PER_HOUR);
}

#[test]
fn the_day_on_which_the_clocks_go_forward_has_twenty_three_hours() {
    // Berlin, 29 March 2026: from 28 March 23:00 UTC to 29 March 22:00 UTC.
    let fleet = fleet_in("Europe/Berlin");
    charge_hourly(&fleet, "2026-03-28T21:00:00Z", 26);
    assert_eq!(
        today(&fleet, "2026-03-29T21:59:59Z"),
        (26 - 2) * WH_PER_HOUR
    );
    assert_eq!(today(&fleet, "2026-03-29T22:00:00Z"), WH_PER_HOUR);
}

#[test]
fn a_day_without_midnight_begins_at_its_first_moment() {
    // Beirut, 29 March 2026: clocks go from 00:00 to 01:00 at 28 March 22:00 UTC.
    let fleet = fleet_in("Asia/Beirut");
    charge_hourly(&fleet, "2026-03-28T21:00:00Z", 3);
    assert_eq!(today(&fleet, "2026-03-29T06:00:00Z"), 2 * WH_PER_HOUR);
}

#[test]
fn a_long_session_stays_small_in_memory() {
    let mut energy = SessionEnergy::starting(id("CP1"), 0, 0);
    for quarter in 1..10_000_i64 {
        energy.push(quarter * 900_000, quarter.unsigned_abs());
    }
    assert_eq!(energy.since(9_999 * 900_000 - 86_400_000), 96);
    assert!(
        format!("{energy:?}").len() < 8_000,
        "readings are forgotten after two days"
    );
}

#[test]
fn neither_clock_nor_register_going_back_makes_energy_negative() {
    let mut energy = SessionEnergy::starting(id("CP1"), 1_000, 100);
    energy.push(2_000, 300);
    energy.push(1_500, 350);
    energy.push(2_500, 340);
    assert_eq!(energy.since(0), 250);
    assert_eq!(energy.since(10_000), 0);
}

#[test]
fn a_charge_point_that_moves_leaves_its_running_session_behind() {
    let fleet = fleet_in("UTC");
    fleet.apply(
        &organisation(),
        vec![
            started("sess_1", "2026-11-22T10:00:00Z", 0),
            read("sess_1", "2026-11-22T10:15:00Z", 1_500),
        ],
    );
    let other = GatewayId::new("gw_2").unwrap();
    let moved = Registration {
        gateway: Some(other.clone()),
        ..registration("CP1")
    };
    fleet.apply(&organisation(), vec![Update::Registered(moved)]);
    assert_eq!((fleet.count_of(&gateway()), fleet.count_of(&other)), (0, 1));
    fleet.apply(
        &organisation(),
        vec![read("sess_1", "2026-11-22T10:30:00Z", 9_000)],
    );
    assert_eq!(today(&fleet, "2026-11-22T12:00:00Z"), 1_500);
}
