//! One charge point with one connector on the bench, and short words for what is expected of it.

use site_core::{
    Action, Authorization, ChargePointConfig, ConnectorConfig, CurrentRange, Decision,
    EnergyConfig, Event, Moment, Site, SiteConfig,
};
use site_model::{
    BootId, Change, ChargePointId, Command, CommandId, CommandKind, ConnectorId, ConnectorStatus,
    ConnectorType, ConnectorView, DeviceFault, DeviceId, EnergySource, Fact, IdTag, LimitOwner,
    Milliamps, Monotonic, Outcome, Reading, Reconstruction, SessionId, StopReason, Timestamp,
    Value, VehicleState, WallTime, WattHours,
};

/// A full quarter hour of UTC; the bench's monotonic clock starts here.
pub(crate) const WALL_AT_START: i64 = 1_790_001_000_000;

pub(crate) const CHARGER: &str = "charger";
pub(crate) const METER: &str = "meter";

pub(crate) fn cp() -> ChargePointId {
    ChargePointId::new("CP-1").unwrap()
}

pub(crate) fn one() -> ConnectorId {
    ConnectorId::new(1).unwrap()
}

pub(crate) fn device(name: &str) -> DeviceId {
    DeviceId::new(name).unwrap()
}

pub(crate) fn tag(text: &str) -> IdTag {
    IdTag::new(text).unwrap()
}

pub(crate) fn session(n: u32) -> SessionId {
    SessionId::new(&format!("sess_{n}")).unwrap()
}

pub(crate) fn fault() -> DeviceFault {
    DeviceFault {
        message: "Register 5: no answer to 3 polls.".to_owned(),
        remedy: "Check the wiring.".to_owned(),
    }
}

/// Anybody may charge; energy comes from a meter of its own; 6 to 16 A read back in steps of 100 mA.
pub(crate) fn free() -> ConnectorConfig {
    ConnectorConfig {
        id: one(),
        kind: ConnectorType::Type2,
        phases: 3,
        max_current: Milliamps(16_000),
        range: CurrentRange {
            minimum: Milliamps(6_000),
            maximum: Milliamps(32_000),
            step: Milliamps(100),
            can_pause: true,
            reads_back: true,
        },
        device: device(CHARGER),
        energy: EnergyConfig {
            device: device(METER),
            source: EnergySource::ExternalMeter,
            billing_grade: true,
        },
        authorization: Authorization::Free {
            id_tag: tag("FREE"),
        },
    }
}

/// As [`free`], but a session needs a start order.
pub(crate) fn required() -> ConnectorConfig {
    ConnectorConfig {
        authorization: Authorization::Required,
        ..free()
    }
}

/// As [`free`], with the energy from the charger itself.
pub(crate) fn own_energy(source: EnergySource) -> ConnectorConfig {
    ConnectorConfig {
        energy: EnergyConfig {
            device: device(CHARGER),
            source,
            billing_grade: false,
        },
        ..free()
    }
}

pub(crate) fn site_of(connectors: Vec<ConnectorConfig>) -> SiteConfig {
    SiteConfig {
        charge_points: vec![ChargePointConfig {
            id: cp(),
            vendor: "Acme".to_owned(),
            model: "AC11".to_owned(),
            connectors,
            central_system: None,
        }],
    }
}

#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) site: Site,
    pub(crate) config: SiteConfig,
    boot: u64,
    /// Monotonic time, in milliseconds.
    pub(crate) now: u64,
    /// Wall time at monotonic 0 of this boot.
    wall_at_boot: i64,
    pub(crate) wall_known: bool,
    pub(crate) journal: Vec<Fact>,
    /// The number of the session that the next event may begin.
    pub(crate) next_session: u32,
}

impl Bench {
    /// Started, with nothing heard of any device.
    pub(crate) fn started(connector: ConnectorConfig) -> Self {
        Self::with_site(site_of(vec![connector]))
    }

    pub(crate) fn with_site(config: SiteConfig) -> Self {
        let mut bench = Self {
            site: Site::new(config.clone()),
            config,
            boot: 1,
            now: 0,
            wall_at_boot: WALL_AT_START,
            wall_known: true,
            journal: Vec::new(),
            next_session: 1,
        };
        bench.tell(Event::Started);
        bench
    }

    /// At 1 s: charger idle and at its limit, meter at 5 000 Wh.
    pub(crate) fn idle(connector: ConnectorConfig) -> Self {
        let limit = match connector.authorization {
            Authorization::Free { .. } => 16_000,
            Authorization::Required => 0,
        };
        let mut bench = Self::started(connector);
        if limit > 0 {
            // Its limit was written to it: that it stands there by itself would prove nothing.
            bench.charger(VehicleState::A, 6_000);
            bench.written(limit);
        }
        bench.at(1_000).meter(5_000);
        bench.charger(VehicleState::A, limit);
        bench
    }

    /// At 2 s: as [`Bench::idle`], then a vehicle plugged in, session 1 running from 5 000 Wh.
    pub(crate) fn plugged(connector: ConnectorConfig) -> Self {
        let mut bench = Self::idle(connector);
        bench.at(2_000).charger(VehicleState::B, 16_000);
        bench
    }

    /// At 3 s: as [`Bench::plugged`], charging.
    pub(crate) fn charging(connector: ConnectorConfig) -> Self {
        let mut bench = Self::plugged(connector);
        bench.at(3_000).charger(VehicleState::C, 16_000);
        bench
    }

    pub(crate) fn at(&mut self, now: u64) -> &mut Self {
        self.now = now;
        self
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp {
            boot: BootId(self.boot),
            monotonic: Monotonic(self.now),
            wall: self.wall(),
            wall_known: self.wall_known,
        }
    }

    pub(crate) fn wall(&self) -> WallTime {
        WallTime(self.wall_at_boot + i64::try_from(self.now).unwrap())
    }

    pub(crate) fn tell(&mut self, event: Event) -> Decision {
        let moment = Moment {
            now: self.timestamp(),
            fresh_session: session(self.next_session),
        };
        let decision = self.site.handle(&moment, event);
        let begins = |fact: &Fact| matches!(fact.change, Change::SessionStarted { .. });
        if decision.facts.iter().any(begins) {
            self.next_session += 1;
        }
        self.journal.extend(decision.facts.clone());
        decision
    }

    pub(crate) fn read(&mut self, name: &str, values: Vec<Value>) -> Decision {
        self.tell(Event::DeviceRead(Reading {
            device: device(name),
            values,
        }))
    }

    /// The charger reports a vehicle state and the limit it applies.
    pub(crate) fn charger(&mut self, state: VehicleState, limit: u32) -> Decision {
        let limit = Value::CurrentLimit(Milliamps(limit));
        self.read(CHARGER, vec![Value::VehicleState(state), limit])
    }

    /// The meter reports its register.
    pub(crate) fn meter(&mut self, energy: u64) -> Decision {
        self.read(METER, vec![import(energy)])
    }

    /// The charger acknowledges a limit and reports that it applies it.
    pub(crate) fn takes(&mut self, state: VehicleState, limit: u32) -> Decision {
        self.written(limit);
        self.charger(state, limit)
    }

    /// The charger acknowledged a limit.
    pub(crate) fn written(&mut self, limit: u32) -> Decision {
        self.tell(Event::LimitWritten {
            device: device(CHARGER),
            limit: Milliamps(limit),
        })
    }

    pub(crate) fn lose(&mut self, name: &str) -> Decision {
        self.tell(Event::DeviceLost {
            device: device(name),
            fault: fault(),
        })
    }

    pub(crate) fn deadline(&mut self) -> Decision {
        self.tell(Event::DeadlinePassed)
    }

    /// An order that expires 30 s from now.
    pub(crate) fn order(&mut self, id: &str, kind: CommandKind) -> Decision {
        let command = self.command(id, kind);
        self.tell(Event::CommandReceived(command))
    }

    pub(crate) fn command(&self, id: &str, kind: CommandKind) -> Command {
        Command {
            id: CommandId::new(id).unwrap(),
            charge_point: cp(),
            connector: one(),
            kind,
            expires_at: Monotonic(self.now + 30_000),
        }
    }

    /// The daemon dies and comes up `down_ms` later with what the journal holds.
    pub(crate) fn restart(&mut self, down_ms: u64) -> Decision {
        self.wall_at_boot = self.wall().0 + i64::try_from(down_ms).unwrap();
        self.boot += 1;
        self.now = 0;
        self.site = self.replayed();
        self.tell(Event::Started)
    }

    pub(crate) fn replayed(&self) -> Site {
        let mut site = Site::new(self.config.clone());
        for fact in &self.journal {
            site.apply(fact);
        }
        site
    }

    pub(crate) fn view(&self) -> ConnectorView {
        self.site.view(&cp()).unwrap().connectors[0].clone()
    }

    /// What is expected of an event at the bench's present time.
    pub(crate) fn expect(
        &self,
        changes: Vec<Change>,
        at_once: Vec<Action>,
        after_commit: Vec<Action>,
    ) -> Decision {
        let at = self.timestamp();
        let facts = changes.into_iter().map(|change| Fact { at, change });
        Decision {
            facts: facts.collect(),
            at_once,
            after_commit,
        }
    }
}

pub(crate) fn import(energy: u64) -> Value {
    Value::EnergyImport {
        energy: WattHours(energy),
        resolution: WattHours(1),
    }
}

pub(crate) fn nothing() -> Decision {
    Decision::default()
}

pub(crate) fn write(limit: u32) -> Action {
    Action::WriteLimit {
        device: device(CHARGER),
        limit: Milliamps(limit),
    }
}

pub(crate) fn publish() -> Action {
    Action::PublishSnapshot { charge_point: cp() }
}

pub(crate) fn answer(id: &str, outcome: Outcome) -> Action {
    Action::AnswerCommand {
        id: CommandId::new(id).unwrap(),
        outcome,
    }
}

pub(crate) fn closed(id: &str, outcome: Outcome) -> Change {
    Change::CommandClosed {
        id: CommandId::new(id).unwrap(),
        outcome,
    }
}

pub(crate) fn online(serial: Option<&str>, firmware: Option<&str>) -> Change {
    Change::DeviceOnline {
        charge_point: cp(),
        connector: one(),
        serial: serial.map(str::to_owned),
        firmware: firmware.map(str::to_owned),
    }
}

pub(crate) fn offline() -> Change {
    Change::DeviceOffline {
        charge_point: cp(),
        connector: one(),
        fault: fault(),
    }
}

pub(crate) fn status(status: ConnectorStatus) -> Change {
    Change::StatusChanged {
        charge_point: cp(),
        connector: one(),
        status,
        error_code: None,
    }
}

pub(crate) fn authorized(id_tag: Option<&str>) -> Change {
    Change::AuthorizationChanged {
        charge_point: cp(),
        connector: one(),
        id_tag: id_tag.map(tag),
    }
}

pub(crate) fn operative(operative: bool) -> Change {
    Change::AvailabilityChanged {
        charge_point: cp(),
        connector: one(),
        operative,
    }
}

pub(crate) fn granted(limit: u32, owner: LimitOwner) -> Change {
    Change::LimitGranted {
        charge_point: cp(),
        connector: one(),
        limit: Milliamps(limit),
        owner,
    }
}

pub(crate) fn tied(raw: u64, total: u64) -> Change {
    Change::RegisterTied {
        charge_point: cp(),
        connector: one(),
        raw: WattHours(raw),
        total: WattHours(total),
    }
}

pub(crate) fn unattributed(from: u64, to: u64) -> Change {
    Change::EnergyUnattributed {
        charge_point: cp(),
        connector: one(),
        from: WattHours(from),
        to: WattHours(to),
    }
}

/// Session `n` of a connector with a meter of its own.
pub(crate) fn begun(n: u32, id_tag: &str, meter_start: u64) -> Change {
    begun_from(n, id_tag, meter_start, &free())
}

pub(crate) fn begun_from(
    n: u32,
    id_tag: &str,
    meter_start: u64,
    config: &ConnectorConfig,
) -> Change {
    Change::SessionStarted {
        session: session(n),
        charge_point: cp(),
        connector: one(),
        id_tag: tag(id_tag),
        meter_start: WattHours(meter_start),
        source: config.energy.source,
        billing_grade: config.energy.billing_grade,
        reservation: None,
    }
}

pub(crate) fn ended(n: u32, meter_stop: u64, reason: StopReason) -> Change {
    ended_between(n, meter_stop, reason, None)
}

pub(crate) fn ended_between(
    n: u32,
    meter_stop: u64,
    reason: StopReason,
    bounds: Option<(WallTime, WallTime)>,
) -> Change {
    Change::SessionEnded {
        session: session(n),
        charge_point: cp(),
        connector: one(),
        meter_stop: WattHours(meter_stop),
        reason,
        id_tag: None,
        reconstructed: bounds.map(|(not_before, not_after)| Reconstruction {
            not_before,
            not_after,
        }),
    }
}
