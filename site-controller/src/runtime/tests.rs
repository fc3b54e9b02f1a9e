//! Core, journal and loop together, with lines that the test plays.

mod measured;

use std::sync::{Arc, Mutex};

use firmware_agent::BusDiagnostics;
use site_core::{
    Authorization, ChargePointConfig, ConnectorConfig, CurrentRange, EnergyConfig, SiteConfig,
};
use site_model::{
    BootId, Change, CommandKind, ConnectorId, ConnectorType, EnergySource, GatewayId, IdTag,
    Milliamps, RefusalReason, Reservation, ReservationAnswer, SessionId, StopReason, Value,
    VehicleState, WallTime, WattHours,
};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::ocpp::Wish;
use crate::store::Options;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_restart_in_the_middle_of_a_session_keeps_the_session() {
    let dir = TempDir::new().unwrap();
    let first = Bench::start(dir.path(), free());
    first.read(VehicleState::A, 16_000, 1_000).await;
    first.read(VehicleState::B, 16_000, 1_000).await;
    first.read(VehicleState::C, 16_000, 1_000).await;
    let session = first
        .until_session(|session| session.is_some())
        .await
        .unwrap();
    first.stop().await;

    let second = Bench::start(dir.path(), free());
    second.read(VehicleState::C, 16_000, 3_000).await;
    let energy = |session: Option<&site_wire::v1::SnapshotSession>| {
        session.is_some_and(|session| session.energy_wh == 2_000)
    };
    let again = second.until_session(energy).await.unwrap();
    assert_eq!(again.session_id, session.session_id);
    second.read(VehicleState::A, 16_000, 3_500).await;
    second.until_session(|session| session.is_none()).await;
    let facts = second.stop().await;

    let of_sessions: Vec<&Change> = facts
        .iter()
        .filter(|change| {
            matches!(
                change,
                Change::SessionStarted { .. } | Change::SessionEnded { .. }
            )
        })
        .collect();
    let [
        Change::SessionStarted {
            session: started,
            meter_start,
            ..
        },
        Change::SessionEnded {
            session: ended,
            meter_stop,
            reconstructed: None,
            ..
        },
    ] = of_sessions[..]
    else {
        panic!("{of_sessions:?}")
    };
    assert_eq!(
        (started, started.as_str()),
        (ended, session.session_id.as_str())
    );
    assert_eq!(meter_stop.0 - meter_start.0, 2_500);
}

#[tokio::test]
async fn a_command_ends_by_what_is_read_back() {
    let dir = TempDir::new().unwrap();
    let bench = Bench::start(dir.path(), free());
    bench.read(VehicleState::A, 16_000, 1_000).await;
    bench.until_session(|session| session.is_none()).await;
    let fate = bench
        .order(CommandKind::SetLimit {
            limit: Milliamps(10_000),
        })
        .await;
    bench.until_limit(10_000).await;
    bench.read(VehicleState::A, 10_000, 1_000).await;
    assert_eq!(
        timeout(SOON, fate).await.unwrap().unwrap().1,
        Outcome::Applied
    );

    let fate = bench
        .order(CommandKind::SetLimit {
            limit: Milliamps(3_000),
        })
        .await;
    let refused = Outcome::Refused(RefusalReason::LimitBelowMinimum);
    assert_eq!(timeout(SOON, fate).await.unwrap().unwrap().1, refused);
    bench.stop().await;
}

#[tokio::test]
async fn charging_profiles_limit_until_there_is_no_central_system_any_more() {
    let dir = TempDir::new().unwrap();
    let bench = Bench::start(dir.path(), free());
    bench.read(VehicleState::A, 16_000, 1_000).await;
    let left = Wish::ProfilesLimit(vec![(ConnectorId::new(1).unwrap(), Some(Milliamps(8_000)))]);
    assert!(bench.wish(left).await);
    bench.until_limit(8_000).await;
    let status = bench.status().await;
    let connector = &status.charge_points[0].connectors[0];
    assert_eq!(
        (
            connector.limit_ma,
            connector.limit_owner.as_str(),
            connector.limit_reason.as_str()
        ),
        (
            8_000,
            "charging_profile",
            "charging profile of the central system"
        )
    );
    bench.stop().await;

    // None is configured here: what one had left the connector is nobody's any more.
    let bench = Bench::start(dir.path(), free());
    bench.read(VehicleState::A, 8_000, 1_000).await;
    bench.until_limit(16_000).await;
    bench.stop().await;
}

#[tokio::test]
async fn a_central_system_starts_and_stops_a_session_and_takes_a_connector_out_of_operation() {
    let dir = TempDir::new().unwrap();
    let bench = Bench::start(dir.path(), required());
    bench.read(VehicleState::B, 16_000, 1_000).await;
    bench.until_limit(0).await;
    let start = |connector: Option<u8>| Wish::Start {
        connector: connector.map(|number| ConnectorId::new(number).unwrap()),
        id_tag: IdTag::new("GOOD").unwrap(),
        parent: None,
        within: Duration::from_mins(1),
    };
    let out = Wish::Availability {
        connector: None,
        operative: false,
    };
    assert!(!bench.wish(start(Some(2))).await, "there is no second one");
    assert!(bench.wish(start(None)).await);
    bench.read(VehicleState::B, 16_000, 1_000).await;
    let session = bench.until_session(|session| session.is_some()).await;
    let session = SessionId::new(&session.unwrap().session_id).unwrap();
    assert!(!bench.wish(start(None)).await, "one runs");
    assert_eq!(
        bench.verdict(out.clone()).await,
        Verdict::Scheduled,
        "one runs"
    );

    let stop = |session| Wish::Stop {
        session,
        reason: StopReason::Remote,
    };
    let other = SessionId::new("sess_other").unwrap();
    assert!(!bench.wish(stop(other)).await);
    assert!(bench.wish(stop(session.clone())).await);
    bench.until_limit(0).await;
    bench.read(VehicleState::B, 0, 1_007).await;
    bench.until_session(|session| session.is_none()).await;
    // The session has ended that it waited for.
    assert!(!bench.wish(start(None)).await, "it is out of operation");
    assert!(bench.wish(out).await, "it is already");
    bench.read(VehicleState::B, 0, 1_007).await;
    let facts = bench.stop().await;
    let end = facts.iter().find_map(|change| {
        if let Change::SessionEnded {
            session,
            meter_stop,
            reason,
            ..
        } = change
        {
            return Some((session.clone(), *meter_stop, *reason));
        }
        None
    });
    assert_eq!(end, Some((session, WattHours(1_007), StopReason::Remote)));
    assert!(facts.iter().any(|change| matches!(
        change,
        Change::AvailabilityChanged {
            operative: false,
            ..
        }
    )));
}

#[tokio::test]
async fn a_reserved_connector_charges_whom_it_is_kept_for_and_says_so_in_the_session() {
    let dir = TempDir::new().unwrap();
    let bench = Bench::start(dir.path(), required());
    bench.read(VehicleState::A, 0, 1_000).await;
    let tag = |text| IdTag::new(text).unwrap();
    let start = |text| Wish::Start {
        connector: None,
        id_tag: tag(text),
        parent: None,
        within: Duration::from_mins(1),
    };
    let reserve = |id| {
        Wish::Reserve(Reservation {
            charge_point: cp(),
            id: ReservationId(id),
            connector: ConnectorId::new(1).ok(),
            id_tag: tag("MINE"),
            parent: None,
            expires: WallTime(i64::MAX),
        })
    };
    let said = Verdict::Reservation;
    let (yes, no) = (ReservationAnswer::Accepted, ReservationAnswer::Rejected);
    // Until the vehicle was looked for nobody knows.
    let unknown = said(ReservationAnswer::Unavailable);
    let heard = async {
        while bench.verdict(reserve(1)).await == unknown {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, heard).await.unwrap();
    assert_eq!(bench.verdict(reserve(1)).await, said(yes));
    let occupied = said(ReservationAnswer::Occupied);
    assert_eq!(bench.verdict(reserve(2)).await, occupied);
    let cancel = |id| Wish::CancelReservation(ReservationId(id));
    assert_eq!(bench.verdict(cancel(2)).await, said(no));
    assert_eq!(bench.verdict(cancel(1)).await, said(yes));
    assert_eq!(bench.verdict(reserve(3)).await, said(yes));
    bench.read(VehicleState::B, 0, 1_000).await;
    assert_eq!(bench.verdict(start("OTHER")).await, Verdict::Refused(None));
    assert!(bench.wish(start("MINE")).await);
    bench.read(VehicleState::B, 0, 1_000).await;
    bench.until_session(|session| session.is_some()).await;
    let facts = bench.stop().await;
    let used = facts.iter().find_map(|change| {
        if let Change::SessionStarted {
            id_tag,
            reservation,
            ..
        } = change
        {
            return Some((id_tag.clone(), *reservation));
        }
        None
    });
    assert_eq!(used, Some((tag("MINE"), Some(ReservationId(3)))));
}

#[tokio::test(start_paused = true)]
async fn lowering_a_limit_does_not_wait_for_a_disk_that_hangs() {
    let (store_events, events) = mpsc::channel(8);
    let bench = Bench::with_store(Store::blocked(), events, &nothing(), required());
    bench.read(VehicleState::C, 16_000, 1_000).await;
    bench.until_limit(0).await;
    let status = bench.status().await;
    assert_eq!(
        (status.storage.last_sequence, status.storage.problem),
        (0, None)
    );
    assert!(status.storage.facts_waiting > 0);

    // After ten seconds of silence the disk counts as failed and what was decided is shown all the same.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let status = bench.status().await;
    let problem = status.storage.problem.unwrap();
    assert!(
        problem.starts_with("the disk of the journal has not answered for 10 s"),
        "{problem}"
    );
    let start = CommandKind::StartSession {
        id_tag: IdTag::new("TAG").unwrap(),
        parent: None,
    };
    let fate = bench.order(start).await;
    let refused = Outcome::Refused(RefusalReason::StorageUnavailable);
    assert_eq!(timeout(SOON, fate).await.unwrap().unwrap().1, refused);

    let committed = StoreEvent::Committed {
        through: Ticket(1),
        last_sequence: 9,
    };
    store_events.send(committed).await.unwrap();
    let deadline = Instant::now() + SOON;
    while bench.status().await.storage.problem.is_some() {
        assert!(Instant::now() < deadline, "the disk is back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_nothing_changes_is_made_anew_within_a_minute() {
    let (_store_events, events) = mpsc::channel(8);
    let bench = Bench::with_store(Store::blocked(), events, &nothing(), required());
    bench.status().await;
    let first = bench.snapshot().unwrap().made_at_ms;
    let mut newest = first;
    for _second in 0..200 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now_ms = bench.status().await.now_ms;
        newest = bench.snapshot().unwrap().made_at_ms;
        assert!(now_ms - newest <= 60_000, "{now_ms} - {newest}");
    }
    assert!(newest > first + 100_000);
}

#[tokio::test]
async fn a_journal_that_is_an_old_copy_ends_the_loop_for_another_start() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::start(dir.path(), free());
    bench.store.renew("the cloud has more".to_owned(), vec![]);
    assert_eq!(bench.ended().await, Ended::Again);
    let again = Store::open(dir.path(), crate::store::at_start(), Options::default()).unwrap();
    assert_eq!(again.found.notices.len(), 1, "it begins with a new journal");
    again.store.close().await;
}

/// The loop with its neighbours played by the test.
struct Bench {
    bus: mpsc::Sender<BusEvent>,
    local: mpsc::Sender<LocalRequest>,
    stations: mpsc::Sender<StationRequest>,
    uplink: Uplink,
    limits: FakeBuses,
    store: Store,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<(FakeBuses, Ended)>,
}

impl Bench {
    fn start(dir: &std::path::Path, authorization: Authorization) -> Self {
        let opened = Store::open(dir, crate::store::at_start(), Options::default()).unwrap();
        Self::with_store(opened.store, opened.events, &opened.found, authorization)
    }

    fn with_store(
        store: Store,
        store_events: mpsc::Receiver<StoreEvent>,
        found: &Found,
        authorization: Authorization,
    ) -> Self {
        let (bus, bus_events) = mpsc::channel(16);
        let (local, local_requests) = mpsc::channel(16);
        let (stations, wishes) = mpsc::channel(16);
        let (uplink, limits) = (Uplink::unconnected(), FakeBuses::default());
        let mut site = Site::new(site(authorization));
        for fact in &found.replay {
            site.apply(fact);
        }
        let stop = CancellationToken::new();
        let parts = Parts {
            site,
            clock: clock(),
            store: store.clone(),
            uplink: uplink.clone(),
            stations: Stations::default(),
            buses: limits.clone(),
            heart: Heart::new(),
            gateway: GatewayId::new("gw_1").unwrap(),
            meters: vec![],
        };
        let inputs = Inputs {
            bus: bus_events,
            store: store_events,
            local: local_requests,
            stations: wishes,
            stop: stop.clone(),
        };
        let task = tokio::spawn(Runtime::new(parts, found).run(inputs));
        Self {
            bus,
            local,
            stations,
            uplink,
            limits,
            store,
            stop,
            task,
        }
    }

    async fn read(&self, state: VehicleState, limit: u32, energy: u64) {
        let values = vec![
            Value::VehicleState(state),
            Value::CurrentLimit(Milliamps(limit)),
            Value::EnergyImport {
                energy: WattHours(energy),
                resolution: WattHours(1),
            },
        ];
        let reading = Reading {
            device: device(),
            values,
        };
        self.bus.send(BusEvent::Read(reading)).await.unwrap();
    }

    async fn order(&self, kind: CommandKind) -> oneshot::Receiver<(CommandId, Outcome)> {
        let (reply, fate) = oneshot::channel();
        let order = LocalOrder {
            id: None,
            charge_point: cp(),
            connector: ConnectorId::new(1).unwrap(),
            kind,
            timeout: Duration::from_secs(30),
        };
        self.local
            .send(LocalRequest::Command { order, reply })
            .await
            .unwrap();
        fate
    }

    /// What a central system wants; whether the site takes it.
    async fn wish(&self, wish: Wish) -> bool {
        self.verdict(wish).await == Verdict::Accepted
    }

    /// What the site says to a central system.
    async fn verdict(&self, wish: Wish) -> Verdict {
        let (reply, verdict) = oneshot::channel();
        let request = StationRequest {
            id: None,
            charge_point: cp(),
            wish,
            reply,
        };
        self.stations.send(request).await.unwrap();
        timeout(SOON, verdict).await.unwrap().unwrap()
    }

    async fn status(&self) -> StatusReport {
        let (reply, report) = oneshot::channel();
        self.local.send(LocalRequest::Status(reply)).await.unwrap();
        timeout(SOON, report).await.unwrap().unwrap()
    }

    fn snapshot(&self) -> Option<Snapshot> {
        self.uplink.waiting().remove(&cp())
    }

    async fn until_session(
        &self,
        holds: impl Fn(Option<&site_wire::v1::SnapshotSession>) -> bool,
    ) -> Option<site_wire::v1::SnapshotSession> {
        let wait = async {
            loop {
                if let Some(snapshot) = self.snapshot()
                    && snapshot.online
                    && holds(snapshot.connectors[0].session.as_ref())
                {
                    return snapshot.connectors[0].session.clone();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, wait)
            .await
            .expect("the live view shows it in time")
    }

    async fn until_limit(&self, milliamps: u32) {
        let wanted = Milliamps(milliamps);
        let wait = async {
            while self.limits.0.lock().unwrap().last() != Some(&wanted) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, wait)
            .await
            .expect("the limit is written in time");
    }

    /// The loop has ended by itself.
    async fn ended(self) -> Ended {
        let (_, ended) = timeout(SOON, self.task).await.unwrap().unwrap();
        self.store.close().await;
        ended
    }

    /// Stops in order and gives back what the journal holds.
    async fn stop(self) -> Vec<Change> {
        self.stop.cancel();
        timeout(SOON, self.task).await.unwrap().unwrap();
        let facts = self.store.read_after(0).await;
        self.store.close().await;
        let changes = facts
            .into_iter()
            .map(|envelope| Change::try_from(envelope.change).unwrap());
        changes.collect()
    }
}

#[derive(Debug, Clone, Default)]
struct FakeBuses(Arc<Mutex<Vec<Milliamps>>>);

impl Buses for FakeBuses {
    fn write_limit(&self, device_id: &DeviceId, limit: Milliamps) {
        assert_eq!(*device_id, device());
        self.0.lock().unwrap().push(limit);
    }

    fn diagnostics(&self) -> Vec<BusDiagnostics> {
        vec![]
    }
}

fn clock() -> Clock {
    use crate::clock::{SystemTime, Trust};
    let started = Instant::now();
    Clock::with_source(
        BootId(1),
        Arc::new(move || SystemTime {
            wall: WallTime(
                4_000_000_000_000 + i64::try_from(started.elapsed().as_millis()).unwrap(),
            ),
            trust: Trust::Confirmed,
        }),
    )
}

fn nothing() -> Found {
    Found {
        check_on: false,
        journal: ids::journal(WallTime(0)),
        replay: vec![],
        since_checkpoint: 0,
        last_sequence: 0,
        mark: 0,
        last_wall: None,
        notices: vec![],
    }
}

fn free() -> Authorization {
    Authorization::Free {
        id_tag: IdTag::new("FREE").unwrap(),
    }
}

fn required() -> Authorization {
    Authorization::Required
}

fn cp() -> ChargePointId {
    ChargePointId::new("CP-1").unwrap()
}

fn device() -> DeviceId {
    DeviceId::new("left").unwrap()
}

fn site(authorization: Authorization) -> SiteConfig {
    let connector = ConnectorConfig {
        id: ConnectorId::new(1).unwrap(),
        kind: ConnectorType::Type2,
        phases: 3,
        max_current: Milliamps(16_000),
        range: CurrentRange {
            minimum: Milliamps(6_000),
            maximum: Milliamps(16_000),
            step: Milliamps(100),
            can_pause: true,
            reads_back: true,
        },
        device: device(),
        energy: EnergyConfig {
            device: device(),
            source: EnergySource::LifetimeRegister,
            billing_grade: false,
        },
        authorization,
    };
    SiteConfig {
        charge_points: vec![ChargePointConfig {
            id: cp(),
            vendor: "Acme".into(),
            model: "One".into(),
            connectors: vec![connector],
            central_system: None,
        }],
    }
}
