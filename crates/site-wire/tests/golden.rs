//! The published shapes: today's code reads every golden file and writes it byte for byte, and what
//! it makes of the model is what the files say. A golden file is added, never edited.
//!
//! `DYNAMO_WRITE_GOLDEN=1` writes files that do not exist yet; it never overwrites one.

#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

mod known_sessions;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use site_model as model;
use site_model::*;
use site_wire::v1;

#[test]
fn every_change_reads_and_writes_its_golden_file() {
    for (name, change) in changes() {
        let fact = Fact { at: at(), change };
        let envelope = v1::Envelope::of(42, &fact);
        check(&format!("fact-{name}"), &envelope);
        assert_eq!(
            Fact::try_from(envelope),
            Ok(fact),
            "{name} must survive the way out and in"
        );
    }
}

#[test]
fn every_order_reads_and_writes_its_golden_file() {
    for (name, kind) in orders() {
        let order = v1::Order::from(&kind);
        check(&format!("order-{name}"), &order);
        assert_eq!(CommandKind::try_from(&order), Ok(kind));
    }
}

#[test]
fn every_message_reads_and_writes_its_golden_file() {
    check("fact_batch", &fact_batch());
    check("snapshot-charging", &snapshot(&charging()));
    check("snapshot-never_heard_of", &snapshot(&never_heard_of()));
    check("gateway_state", &gateway_state());
    check(
        "gateway_state-asking",
        &v1::GatewayState {
            asks_for_sessions: true,
            ..gateway_state()
        },
    );
    check("acknowledgement", &acknowledgement());
    check(
        "acknowledgement-nothing",
        &v1::Acknowledgement {
            sequence: 0,
            refused: vec![],
            ..acknowledgement()
        },
    );
    check(
        "acknowledgement-sessions",
        &v1::Acknowledgement {
            boot: Some(at().boot.to_string()),
            sessions: Some(known_sessions::running_and_over()),
            refused: vec![],
            ..acknowledgement()
        },
    );
}

#[test]
fn no_golden_file_is_without_a_test() {
    let tested: BTreeSet<String> = changes()
        .iter()
        .map(|(name, _)| format!("fact-{name}.json"))
        .chain(
            orders()
                .iter()
                .map(|(name, _)| format!("order-{name}.json")),
        )
        .chain(
            [
                "fact_batch",
                "snapshot-charging",
                "snapshot-never_heard_of",
                "gateway_state",
                "gateway_state-asking",
                "acknowledgement",
                "acknowledgement-nothing",
                "acknowledgement-sessions",
            ]
            .map(|name| format!("{name}.json")),
        )
        .collect();
    let found: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, tested);
}

#[test]
fn a_newer_side_may_add_fields() {
    let text = r#"{"v":1,"journal_id":"j1","sequence":7,"colour":"green"}"#;
    assert_eq!(
        serde_json::from_str::<v1::Acknowledgement>(text).unwrap(),
        v1::Acknowledgement {
            v: 1,
            journal_id: "j1".into(),
            sequence: 7,
            boot: None,
            sessions: None,
            refused: vec![],
        }
    );
}

#[test]
fn bad_input_is_refused_with_the_name_of_its_field() {
    let cases = [
        (
            r#"{"type":"status_changed","charge_point_id":"a b","connector_id":1,"status":"Charging"}"#,
            "field `charge_point_id`: charge point id must be 1 to 48 characters of A-Z a-z 0-9 - _ * . =",
        ),
        (
            r#"{"type":"status_changed","charge_point_id":"a","connector_id":0,"status":"Charging"}"#,
            "field `connector_id`: connector id must be 1 or more",
        ),
        (
            r#"{"type":"status_changed","charge_point_id":"a","connector_id":1,"status":"Dancing"}"#,
            "field `status`: `Dancing` is no word this version knows",
        ),
        (
            r#"{"type":"command_closed","command_id":"c1","outcome":"refused"}"#,
            "field `reason`: a refused command needs its reason",
        ),
        (
            r#"{"type":"command_closed","command_id":"c1","outcome":"applied","reason":"too_late"}"#,
            "field `reason`: only a refused command has a reason, this one is `applied`",
        ),
        (
            r#"{"type":"command_closed","command_id":"c1","outcome":"vanished"}"#,
            "field `outcome`: `vanished` is no word this version knows",
        ),
        (
            r#"{"type":"clock_corrected","corrected_boot":"+00000000000000a","offset_ms":1}"#,
            "field `corrected_boot`: `+00000000000000a` is not 16 hex digits",
        ),
    ];
    for (text, problem) in cases {
        let change: v1::Change = serde_json::from_str(text).unwrap();
        let refused = model::Change::try_from(change).unwrap_err();
        assert_eq!(refused.to_string(), problem);
    }
}

fn check<T>(name: &str, value: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let path = folder().join(format!("{name}.json"));
    let written = format!("{}\n", serde_json::to_string_pretty(value).unwrap());
    if std::env::var_os("DYNAMO_WRITE_GOLDEN").is_some() && !path.exists() {
        fs::write(&path, &written).unwrap();
    }
    let golden =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let read: T = serde_json::from_str(&golden).unwrap();
    assert_eq!(&read, value, "{name}: what today's code reads");
    assert_eq!(written, golden, "{name}: what today's code writes");
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/v1")
}

fn at() -> Timestamp {
    Timestamp {
        boot: BootId(0x00ab_cdef_0123_4567),
        monotonic: Monotonic(61_500),
        wall: WallTime(1_763_800_000_123),
        wall_known: true,
    }
}

fn cp() -> ChargePointId {
    ChargePointId::new("DE*ABC*E1").unwrap()
}

fn connector() -> ConnectorId {
    ConnectorId::new(1).unwrap()
}

fn session() -> SessionId {
    SessionId::new("ses_01jd0000000000000000000001").unwrap()
}

fn command_id() -> CommandId {
    CommandId::new("cmd_01jd0000000000000000000002").unwrap()
}

fn announcement() -> Announcement {
    Announcement {
        charge_point: cp(),
        vendor: "Heidelberg".into(),
        model: "Energy Control".into(),
        connectors: vec![ConnectorAnnouncement {
            connector: connector(),
            kind: ConnectorType::Type2,
            max_power: Watts(11_040),
        }],
        central_system: None,
    }
}

fn fault() -> DeviceFault {
    DeviceFault {
        message: "register 5 was not answered within 300 ms (3 tries)".into(),
        remedy: "Check the A and B wires and the unit number 1.".into(),
    }
}

/// A sample of every change, both ways where a field may be absent. The match at the end refuses to
/// compile when a kind of change is added without one.
fn changes() -> Vec<(&'static str, Change)> {
    let mut samples = device_changes();
    samples.extend(session_changes());
    samples.extend(session_ends());
    samples.extend(reservation_changes());
    samples.extend(order_changes());
    let assigned = Change::TransactionAssigned {
        session: session(),
        transaction_id: 1_482_093_744,
    };
    samples.push(("transaction_assigned", assigned));
    let scheduled = Change::ClosingScheduled {
        charge_point: cp(),
        connector: connector(),
        scheduled: true,
    };
    samples.push(("closing_scheduled", scheduled));
    for (_, change) in &samples {
        match change {
            Change::ChargePointAnnounced(_)
            | Change::DeviceOnline { .. }
            | Change::DeviceOffline { .. }
            | Change::StatusChanged { .. }
            | Change::AvailabilityChanged { .. }
            | Change::AuthorizationChanged { .. }
            | Change::SessionStarted { .. }
            | Change::MeterRead { .. }
            | Change::SessionEnded { .. }
            | Change::SessionDisowned { .. }
            | Change::RegisterTied { .. }
            | Change::EnergyUnattributed { .. }
            | Change::LimitGranted { .. }
            | Change::ProfileLimitChanged { .. }
            | Change::CommandOpened(_)
            | Change::CommandClosed { .. }
            | Change::ReservationMade(_)
            | Change::ReservationEnded { .. }
            | Change::ClosingScheduled { .. }
            | Change::TransactionAssigned { .. }
            | Change::JournalSalvaged { .. }
            | Change::ClockCorrected { .. } => {}
        }
    }
    samples
}

fn device_changes() -> Vec<(&'static str, Change)> {
    let (charge_point, connector) = (cp(), connector());
    let online = |serial: Option<&str>, firmware: Option<&str>| Change::DeviceOnline {
        charge_point: cp(),
        connector,
        serial: serial.map(Into::into),
        firmware: firmware.map(Into::into),
    };
    let status = |status, error_code| Change::StatusChanged {
        charge_point: cp(),
        connector,
        status,
        error_code,
    };
    vec![
        (
            "charge_point_announced",
            Change::ChargePointAnnounced(announcement()),
        ),
        (
            "charge_point_announced-external",
            Change::ChargePointAnnounced(Announcement {
                central_system: Some(CentralSystem {
                    address: "wss://csms.example:443/ocpp/1.6/CP-LEFT".to_owned(),
                    external: true,
                }),
                ..announcement()
            }),
        ),
        ("device_online", online(Some("22150001"), Some("1.0.8"))),
        ("device_online-anonymous", online(None, None)),
        (
            "device_offline",
            Change::DeviceOffline {
                charge_point: charge_point.clone(),
                connector,
                fault: fault(),
            },
        ),
        ("status_changed", status(ConnectorStatus::Charging, None)),
        (
            "status_changed-error",
            status(ConnectorStatus::Faulted, Some(17)),
        ),
        (
            "availability_changed",
            Change::AvailabilityChanged {
                charge_point,
                connector,
                operative: false,
            },
        ),
    ]
}

fn session_ends() -> Vec<(&'static str, Change)> {
    let connector = connector();
    let ended = |reason, id_tag, reconstructed| Change::SessionEnded {
        session: session(),
        charge_point: cp(),
        connector,
        meter_stop: WattHours(18_400),
        reason,
        id_tag,
        reconstructed,
    };
    vec![
        (
            "session_ended",
            ended(StopReason::EvDisconnected, None, None),
        ),
        (
            "session_ended-by_tag",
            ended(
                StopReason::Local,
                Some(IdTag::new("04A2B3C4").unwrap()),
                None,
            ),
        ),
        (
            "session_disowned",
            Change::SessionDisowned {
                session: session(),
                up_to: WattHours(17_000),
                ends: true,
            },
        ),
        (
            "session_ended-reconstructed",
            ended(
                StopReason::PowerLoss,
                None,
                Some(Reconstruction {
                    not_before: WallTime(1_763_799_000_000),
                    not_after: WallTime(1_763_800_000_000),
                }),
            ),
        ),
    ]
}

fn session_changes() -> Vec<(&'static str, Change)> {
    let connector = connector();
    let authorization = |id_tag| Change::AuthorizationChanged {
        charge_point: cp(),
        connector,
        id_tag,
    };
    vec![
        (
            "authorization_changed",
            authorization(Some(IdTag::new("FREE").unwrap())),
        ),
        ("authorization_changed-ended", authorization(None)),
        (
            "session_started",
            Change::SessionStarted {
                session: session(),
                charge_point: cp(),
                connector,
                id_tag: IdTag::new("FREE").unwrap(),
                meter_start: WattHours(12_000),
                source: EnergySource::ExternalMeter,
                billing_grade: true,
                reservation: None,
            },
        ),
        (
            "meter_read",
            Change::MeterRead {
                session: session(),
                meter: WattHours(15_250),
            },
        ),
        (
            "register_tied",
            Change::RegisterTied {
                charge_point: cp(),
                connector,
                raw: WattHours(1_200_000),
                total: WattHours(12_000),
            },
        ),
        (
            "energy_unattributed",
            Change::EnergyUnattributed {
                charge_point: cp(),
                connector,
                from: WattHours(18_400),
                to: WattHours(18_900),
            },
        ),
    ]
}

fn reservation_changes() -> Vec<(&'static str, Change)> {
    vec![
        (
            "session_started-reserved",
            Change::SessionStarted {
                session: session(),
                charge_point: cp(),
                connector: connector(),
                id_tag: IdTag::new("04A2B3C4").unwrap(),
                meter_start: WattHours(12_000),
                source: EnergySource::ExternalMeter,
                billing_grade: true,
                reservation: Some(ReservationId(7)),
            },
        ),
        (
            "reservation_made",
            Change::ReservationMade(Reservation {
                charge_point: cp(),
                id: ReservationId(7),
                connector: Some(connector()),
                id_tag: IdTag::new("04A2B3C4").unwrap(),
                parent: Some(IdTag::new("FLEET").unwrap()),
                expires: WallTime(1_763_803_600_000),
            }),
        ),
        (
            "reservation_made-any",
            Change::ReservationMade(Reservation {
                charge_point: cp(),
                id: ReservationId(8),
                connector: None,
                id_tag: IdTag::new("04A2B3C4").unwrap(),
                parent: None,
                expires: WallTime(1_763_803_600_000),
            }),
        ),
        (
            "reservation_ended",
            Change::ReservationEnded {
                charge_point: cp(),
                reservation: ReservationId(7),
                end: ReservationEnd::Used,
            },
        ),
    ]
}

fn order_changes() -> Vec<(&'static str, Change)> {
    let profile_limit = |limit: Option<u32>| Change::ProfileLimitChanged {
        charge_point: cp(),
        connector: connector(),
        limit: limit.map(Milliamps),
    };
    let closed = |outcome| Change::CommandClosed {
        id: command_id(),
        outcome,
    };
    vec![
        (
            "limit_granted",
            Change::LimitGranted {
                charge_point: cp(),
                connector: connector(),
                limit: Milliamps(10_000),
                owner: LimitOwner::Command,
            },
        ),
        ("profile_limit_changed", profile_limit(Some(7_500))),
        ("profile_limit_changed-none", profile_limit(None)),
        (
            "command_opened",
            Change::CommandOpened(Command {
                id: command_id(),
                charge_point: cp(),
                connector: connector(),
                kind: CommandKind::SetLimit {
                    limit: Milliamps(10_000),
                },
                expires_at: Monotonic(91_500),
            }),
        ),
        ("command_closed-applied", closed(Outcome::Applied)),
        ("command_closed-expired", closed(Outcome::Expired)),
        ("command_closed-superseded", closed(Outcome::Superseded)),
        (
            "command_closed-refused",
            closed(Outcome::Refused(RefusalReason::DeviceOffline)),
        ),
        (
            "journal_salvaged",
            Change::JournalSalvaged {
                damaged: Some(JournalId::new("j_01jd0000000000000000000000").unwrap()),
                carried: 12,
                lost: 3,
                problem: "fact 7 is damaged".to_owned(),
            },
        ),
        (
            "journal_salvaged-unknown",
            Change::JournalSalvaged {
                damaged: None,
                carried: 0,
                lost: 0,
                problem: "file is not a database".to_owned(),
            },
        ),
        (
            "clock_corrected",
            Change::ClockCorrected {
                boot: at().boot,
                offset_ms: -86_400_000,
            },
        ),
    ]
}

fn orders() -> Vec<(&'static str, CommandKind)> {
    vec![
        (
            "start_session",
            CommandKind::StartSession {
                id_tag: IdTag::new("04A2B3C4").unwrap(),
                parent: None,
            },
        ),
        (
            "start_session-of_a_group",
            CommandKind::StartSession {
                id_tag: IdTag::new("04A2B3C4").unwrap(),
                parent: Some(IdTag::new("FLEET").unwrap()),
            },
        ),
        (
            "stop_session",
            CommandKind::StopSession {
                reason: StopReason::Local,
            },
        ),
        (
            "stop_session-remote",
            CommandKind::StopSession {
                reason: StopReason::Remote,
            },
        ),
        (
            "stop_by_tag",
            CommandKind::StopByTag {
                id_tag: IdTag::new("04A2B3C4").unwrap(),
            },
        ),
        (
            "set_limit",
            CommandKind::SetLimit {
                limit: Milliamps::PAUSE,
            },
        ),
        ("clear_limit", CommandKind::ClearLimit),
        ("set_available", CommandKind::SetAvailable),
        ("set_unavailable", CommandKind::SetUnavailable),
        ("reset-soft", CommandKind::Reset { hard: false }),
        ("reset-hard", CommandKind::Reset { hard: true }),
    ]
}

fn fact_batch() -> v1::FactBatch {
    let [first, .., last] = &device_changes()[..] else {
        panic!("there are device changes")
    };
    v1::FactBatch {
        v: v1::VERSION,
        journal_id: "j_01jd0000000000000000000003".into(),
        facts: [(41, first), (42, last)]
            .map(|(sequence, (_, change))| {
                v1::Envelope::of(
                    sequence,
                    &Fact {
                        at: at(),
                        change: change.clone(),
                    },
                )
            })
            .into(),
    }
}

fn charging() -> ChargePointView {
    ChargePointView {
        announcement: announcement(),
        status: ChargePointStatus::Available,
        online: true,
        last_answer: Some(at()),
        serial: Some("22150001".into()),
        firmware: Some("1.0.8".into()),
        connectors: vec![ConnectorView {
            connector: connector(),
            status: ConnectorStatus::Charging,
            observed: Some(at()),
            error_code: Some(0),
            fault: Some(fault()),
            limit: Milliamps(16_000),
            limit_owner: LimitOwner::Installation,
            limit_read_back: Some(Milliamps(16_000)),
            power: Some(Watts(10_870)),
            meter: Some(WattHours(15_250)),
            session: Some(SessionView {
                session: session(),
                started: at(),
                energy: WattHours(3_250),
            }),
        }],
    }
}

fn never_heard_of() -> ChargePointView {
    ChargePointView {
        announcement: announcement(),
        status: ChargePointStatus::Unavailable,
        online: false,
        last_answer: None,
        serial: None,
        firmware: None,
        connectors: vec![ConnectorView {
            connector: connector(),
            status: ConnectorStatus::Available,
            observed: None,
            error_code: None,
            fault: None,
            limit: Milliamps::PAUSE,
            limit_owner: LimitOwner::Authorization,
            limit_read_back: None,
            power: None,
            meter: None,
            session: None,
        }],
    }
}

fn snapshot(view: &ChargePointView) -> v1::Snapshot {
    let journal = JournalId::new("j_01jd0000000000000000000003").unwrap();
    v1::Snapshot::of(view, &journal, 42, WallTime(1_763_800_000_500))
}

fn gateway_state() -> v1::GatewayState {
    v1::GatewayState {
        v: v1::VERSION,
        online: true,
        boot: at().boot.to_string(),
        journal_id: "j_01jd0000000000000000000003".into(),
        software_version: "0.1.0".into(),
        asks_for_sessions: false,
    }
}

fn acknowledgement() -> v1::Acknowledgement {
    v1::Acknowledgement {
        v: v1::VERSION,
        journal_id: "j_01jd0000000000000000000003".into(),
        sequence: 42,
        boot: None,
        sessions: None,
        refused: vec![v1::RefusedChargePoint {
            charge_point_id: "DE*ABC*E9".into(),
            reason: "This id belongs to another organisation: choose another id.".into(),
        }],
    }
}
