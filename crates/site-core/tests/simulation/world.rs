//! Time, disk and the events that happen to the core.

use std::collections::BTreeMap;

use site_core::{
    Action, Authorization, ChargePointConfig, ConnectorConfig, CurrentRange, Decision,
    EnergyConfig, Event, Moment, OPEN_COMMANDS_MAX, Site, SiteConfig,
};
use site_model::{
    BootId, Change, ChargePointId, Command, CommandId, CommandKind, ConnectorId, ConnectorType,
    DeviceFault, DeviceId, EnergySource, Fact, IdTag, LimitOwner, Milliamps, Monotonic, Outcome,
    Reading, Reservation, ReservationId, SessionId, Timestamp, WallTime, WattHours,
};

use crate::books::{Books, MAX_CURRENT, sound};
use crate::device::Device;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Crashes, silence, lost writes, reboots, resets.
    Rough,
    /// Only vehicles and orders.
    Calm,
}

pub(crate) struct World {
    rng: fastrand::Rng,
    mood: Mood,
    /// It was calm from the beginning.
    calm: bool,
    config: SiteConfig,
    site: Site,
    boot: u64,
    monotonic: u64,
    wall: i64,
    devices: Vec<Device>,
    /// Facts on disk.
    journal: Vec<Fact>,
    committed: Books,
    /// Decisions whose facts are not on disk yet.
    waiting: Vec<Decision>,
    /// Everything decided in this boot and before, on disk or not.
    decided: Books,
    sent: Vec<Command>,
    answers: BTreeMap<CommandId, Outcome>,
    counter: u32,
    /// Vehicles stay longer.
    quiet: bool,
}

fn charge_point(i: usize) -> ChargePointId {
    ChargePointId::new(["CP-FREE", "CP-PAID"][i]).unwrap()
}

fn config(devices: &[Device]) -> SiteConfig {
    let connector = |(i, device): (usize, &Device)| ChargePointConfig {
        id: charge_point(i),
        vendor: "Acme".to_owned(),
        model: "AC11".to_owned(),
        connectors: vec![ConnectorConfig {
            id: ConnectorId::new(1).unwrap(),
            kind: ConnectorType::Type2,
            phases: 3,
            max_current: MAX_CURRENT,
            range: CurrentRange {
                minimum: Milliamps(6_000),
                maximum: Milliamps(32_000),
                step: Milliamps(100),
                can_pause: true,
                reads_back: device.reads_back,
            },
            device: device.id.clone(),
            energy: EnergyConfig {
                device: device.meter.clone().unwrap_or(device.id.clone()),
                source: match (&device.meter, device.counts_sessions) {
                    (Some(_), _) => EnergySource::ExternalMeter,
                    (None, true) => EnergySource::SessionRegister,
                    (None, false) => EnergySource::LifetimeRegister,
                },
                billing_grade: false,
            },
            authorization: if i == 0 {
                Authorization::Free {
                    id_tag: IdTag::new("FREE").unwrap(),
                }
            } else {
                Authorization::Required
            },
        }],
        central_system: None,
    };
    SiteConfig {
        charge_points: devices.iter().enumerate().map(connector).collect(),
    }
}

fn fault() -> DeviceFault {
    DeviceFault {
        message: "No answer to 3 polls.".to_owned(),
        remedy: "Check wiring.".to_owned(),
    }
}

impl World {
    pub(crate) fn new(seed: u64, mood: Mood) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let devices = vec![Device::new("free", &mut rng), Device::new("paid", &mut rng)];
        let config = config(&devices);
        assert_eq!(config.faults(), Vec::<String>::new());
        let mut world = Self {
            site: Site::new(config.clone()),
            mood,
            calm: mood == Mood::Calm,
            config,
            boot: 1,
            monotonic: 0,
            wall: 1_790_000_000_000 + rng.i64(0..900_000),
            devices,
            journal: Vec::new(),
            committed: Books::default(),
            waiting: Vec::new(),
            decided: Books::default(),
            sent: Vec::new(),
            answers: BTreeMap::new(),
            counter: 0,
            quiet: rng.bool(),
            rng,
        };
        world.happen(Event::Started);
        world
    }

    fn chance(&mut self, percent: u8) -> bool {
        self.rng.u8(0..100) < percent
    }

    fn moment(&mut self) -> Moment {
        self.counter += 1;
        Moment {
            now: Timestamp {
                boot: BootId(self.boot),
                monotonic: Monotonic(self.monotonic),
                wall: WallTime(self.wall),
                wall_known: true,
            },
            fresh_session: SessionId::new(&format!("sess_{}", self.counter)).unwrap(),
        }
    }

    fn happen(&mut self, event: Event) {
        let moment = self.moment();
        let decision = self.site.handle(&moment, event);
        assert!(decision.facts.len() <= 24, "too many facts: {decision:#?}");
        for fact in &decision.facts {
            self.decided.enter(fact);
        }
        for action in decision.at_once.iter().chain(&decision.after_commit) {
            self.inspect(action);
        }
        for action in &decision.at_once {
            self.perform(action.clone());
        }
        self.waiting.push(decision);
        if self.mood == Mood::Calm || self.chance(70) {
            self.commit();
        }
    }

    fn index_of(&self, device: &DeviceId) -> usize {
        let found = self.devices.iter().position(|d| d.id == *device);
        found.expect("only chargers are written to")
    }

    fn inspect(&self, action: &Action) {
        if let Action::WriteLimit { device, limit } = action {
            let i = self.index_of(device);
            let allowed = self.decided.allowed(&charge_point(i), i == 1);
            sound(*limit);
            assert!(*limit <= allowed, "{limit} written, {allowed} allowed");
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::WriteLimit { device, limit } => {
                let lost = self.mood == Mood::Rough && self.chance(20);
                let i = self.index_of(&device);
                if !lost {
                    self.devices[i].inbox = Some(limit);
                }
            }
            Action::PublishSnapshot { charge_point } => {
                assert!(self.site.view(&charge_point).is_some());
            }
            Action::AnswerReservation { .. } => {}
            Action::AnswerCommand { id, outcome } => {
                if !matches!(outcome, Outcome::Refused(_)) {
                    let before = self.answers.insert(id.clone(), outcome);
                    assert!(before.is_none_or(|b| b == outcome), "{id} has two fates");
                    assert_eq!(self.committed.closed.get(&id), Some(&outcome));
                }
            }
        }
    }

    fn commit(&mut self) {
        for decision in std::mem::take(&mut self.waiting) {
            for fact in decision.facts {
                self.committed.enter(&fact);
                self.journal.push(fact);
            }
            for action in decision.after_commit {
                self.perform(action);
            }
        }
    }

    fn replayed(&self, facts: &[Fact]) -> Site {
        let mut site = Site::new(self.config.clone());
        for fact in facts {
            site.apply(fact);
        }
        site
    }

    /// The daemon dies with what was not on disk, and comes up again.
    fn crash(&mut self) {
        self.waiting.clear();
        self.decided = self.committed.clone();
        let whole = self.replayed(&self.journal);
        let short = self.replayed(&whole.checkpoint());
        assert!(whole.agrees_with(&short), "checkpoint differs");
        self.site = if self.chance(50) { whole } else { short };
        let down = self.rng.u64(100..60_000);
        self.pass(down);
        self.boot += 1;
        self.monotonic = 0;
        self.happen(Event::Started);
    }

    fn pass(&mut self, ms: u64) {
        self.monotonic += ms;
        self.wall += i64::try_from(ms).unwrap();
        for device in &mut self.devices {
            device.pass(ms);
        }
    }

    /// Lets time pass, with every deadline kept to the millisecond.
    fn wait(&mut self, ms: u64) {
        let until = self.monotonic + ms;
        for _ in 0..1_000 {
            let due = self.site.next_deadline().filter(|due| due.0 <= until);
            let Some(due) = due else {
                self.pass(until - self.monotonic);
                return;
            };
            self.pass(due.0.saturating_sub(self.monotonic));
            self.happen(Event::DeadlinePassed);
        }
        panic!("the core asks for the same deadline again and again");
    }

    pub(crate) fn step(&mut self) {
        let pause = self.rng.u64(0..2_000);
        self.wait(pause);
        let i = self.rng.usize(0..self.devices.len());
        match self.rng.u8(0..100) {
            0..50 => self.poll(i),
            50..62 => self.vehicle_moves(i),
            62..75 => self.order(i),
            75..96 | 98..100 if self.mood == Mood::Calm => self.poll(i),
            75..78 => self.crash(),
            78..82 => self.silence(i),
            82..86 => self.device_fails(i),
            86..89 => self.repeat_an_order(),
            89 => self.happen(Event::StorageFailed),
            90..92 => self.happen(Event::StorageRestored),
            92 => self.happen(Event::ClockSet { offset_ms: 0 }),
            93 => self.happen(Event::WriteRefused {
                device: self.devices[i].id.clone(),
                fault: fault(),
            }),
            94..96 => self.check_replay(),
            96..98 => self.profiles_limit(i),
            98..100 => self.reserve(),
            _ => self.poll(i),
        }
    }

    fn poll(&mut self, i: usize) {
        let device = &mut self.devices[i];
        if device.answers {
            if let Some(limit) = device.execute() {
                let device = device.id.clone();
                self.happen(Event::LimitWritten { device, limit });
            }
            let reading: Reading = self.devices[i].read();
            self.happen(Event::DeviceRead(reading));
        }
        if self.devices[i].meter_answers
            && let Some(reading) = self.devices[i].read_meter()
        {
            self.happen(Event::DeviceRead(reading));
        }
    }

    fn vehicle_moves(&mut self, i: usize) {
        if self.quiet && self.chance(85) {
            return self.poll(i);
        }
        let toggles_hunger = self.chance(30);
        let device = &mut self.devices[i];
        if toggles_hunger {
            device.hungry = !device.hungry;
        } else if device.plugged {
            device.plugged = false;
        } else {
            device.plug();
        }
    }

    fn silence(&mut self, i: usize) {
        let (charger, meter) = (self.chance(50), self.chance(50));
        let device = &mut self.devices[i];
        let mut lost = Vec::new();
        if charger {
            device.answers = !device.answers;
            if !device.answers {
                lost.push(device.id.clone());
            }
        }
        if meter {
            device.meter_answers = !device.meter_answers;
            if let (false, Some(meter)) = (device.meter_answers, &device.meter) {
                lost.push(meter.clone());
            }
        }
        for device in lost {
            self.happen(Event::DeviceLost {
                device,
                fault: fault(),
            });
        }
    }

    fn device_fails(&mut self, i: usize) {
        let fallback = Milliamps([0, 6_000, 32_000][self.rng.usize(0..3)]);
        let (reset, breaks) = (self.chance(20), self.chance(40));
        let device = &mut self.devices[i];
        if breaks {
            device.broken = !device.broken;
        } else if reset {
            device.reset_register();
        } else {
            device.reboot(fallback);
        }
    }

    /// The central system does not accept the tag of a session.
    fn disown(&mut self) {
        let open = self.site.open_sessions();
        if let Some(session) = self.rng.choice(open) {
            let (allowance, ends) = (WattHours(self.rng.u64(0..200)), self.rng.bool());
            self.happen(Event::TagNotAccepted {
                session,
                allowance,
                ends,
            });
        }
    }

    fn order(&mut self, i: usize) {
        if self.mood == Mood::Rough && self.chance(5) {
            return self.disown();
        }
        let kind = match self.rng.u8(0..10) {
            0..4 if i == 1 => CommandKind::StartSession {
                id_tag: IdTag::new("CARD-1").unwrap(),
                parent: None,
            },
            0..2 => CommandKind::StopSession {
                reason: site_model::StopReason::Local,
            },
            2..7 => CommandKind::SetLimit {
                limit: Milliamps(self.rng.u32(0..20) * 1_000),
            },
            7 => CommandKind::ClearLimit,
            8 if self.chance(40) => CommandKind::SetUnavailable,
            9 if self.chance(20) => CommandKind::Reset {
                hard: self.rng.bool(),
            },
            _ => CommandKind::SetAvailable,
        };
        self.counter += 1;
        let command = Command {
            id: CommandId::new(&format!("cmd_{}", self.counter)).unwrap(),
            charge_point: charge_point(i),
            connector: ConnectorId::new(1).unwrap(),
            kind,
            expires_at: Monotonic(self.monotonic + self.rng.u64(0..60_000)),
        };
        self.sent.push(command.clone());
        self.happen(Event::CommandReceived(command));
    }

    fn profiles_limit(&mut self, i: usize) {
        let limit = self.rng.u32(0..20) * 1_000;
        let limit = self.rng.bool().then_some(Milliamps(limit));
        self.happen(Event::ProfilesLimit {
            charge_point: charge_point(i),
            limits: vec![(ConnectorId::new(1).unwrap(), limit)],
        });
    }

    /// For the tag that orders start with, or for another one, which keeps it out.
    fn reserve(&mut self) {
        let reservation = ReservationId(self.rng.i64(1..3));
        if self.chance(40) {
            self.happen(Event::ReservationCancelled {
                charge_point: charge_point(1),
                reservation,
            });
            return;
        }
        let id_tag = ["CARD-1", "CARD-2"][usize::from(self.chance(30))];
        let anywhere = self.rng.bool();
        let wish = Reservation {
            charge_point: charge_point(1),
            id: reservation,
            connector: ConnectorId::new(1).ok().filter(|_| !anywhere),
            id_tag: IdTag::new(id_tag).unwrap(),
            parent: None,
            expires: WallTime(self.wall + self.rng.i64(1_000..90_000)),
        };
        self.happen(Event::ReservationWished(wish));
    }

    fn repeat_an_order(&mut self) {
        if let Some(mut command) = self.rng.choice(&self.sent).cloned() {
            // Its time is counted from its arrival.
            command.expires_at = Monotonic(self.monotonic + self.rng.u64(0..60_000));
            self.happen(Event::CommandReceived(command));
        }
    }

    fn check_replay(&mut self) {
        self.commit();
        let whole = self.replayed(&self.journal);
        assert!(self.site.agrees_with(&whole), "state is not what facts say");
        let checkpoint = self.site.checkpoint();
        let short = self.replayed(&checkpoint);
        assert!(self.site.agrees_with(&short), "checkpoint differs");
        assert!(checkpoint.len() <= 40 + 2 * self.sent.len());
        assert!(self.decided.open.len() <= OPEN_COMMANDS_MAX);
    }

    /// Everything is repaired, vehicles leave, and all that was begun must come to its end.
    pub(crate) fn drain(&mut self) {
        self.mood = Mood::Calm;
        self.happen(Event::StorageRestored);
        for device in &mut self.devices {
            (device.answers, device.meter_answers) = (true, true);
            (device.broken, device.plugged) = (false, false);
        }
        for _ in 0..90 {
            self.wait(1_000);
            for i in 0..self.devices.len() {
                self.poll(i);
            }
        }
        self.check_replay();
    }

    pub(crate) fn audit(&self) {
        assert!(self.decided.open.is_empty(), "orders without a fate");
        assert!(
            self.site.open_sessions().is_empty(),
            "a session never ended"
        );
        for (id, outcome) in &self.decided.closed {
            assert_eq!(self.answers.get(id), Some(outcome), "{id} was not answered");
        }
        for (i, device) in self.devices.iter().enumerate() {
            let account = &self.decided.accounts[&charge_point(i)];
            assert_eq!(device.applied, account.granted, "device does not follow");
            let (attributed, truth) = (account.attributed, device.delivered());
            let most = truth + device.resolution;
            assert!(
                attributed <= most,
                "{attributed} Wh of {truth} Wh attributed"
            );
            // Less than this outside sessions counts as noise until more comes.
            let roundings = if device.counts_sessions {
                device.plugs
            } else {
                1
            };
            let noise = 2 * device.resolution.max(50) + roundings * device.resolution;
            let complete = !self.calm || attributed + noise >= truth;
            assert!(complete, "only {attributed} Wh of {truth} Wh attributed");
        }
    }

    /// How often each thing happened that a good run must have seen.
    pub(crate) fn tally(&self, into: &mut BTreeMap<&'static str, u32>) {
        let mut count = |what| *into.entry(what).or_default() += 1;
        for fact in &self.journal {
            match &fact.change {
                Change::SessionEnded {
                    reconstructed: Some(_),
                    ..
                } => count("session reconstructed"),
                Change::SessionEnded { reason, .. } => count(reason.as_str()),
                Change::MeterRead { .. } => count("meter read"),
                Change::LimitGranted {
                    owner: LimitOwner::ChargingProfile,
                    ..
                } => count("limited by a profile"),
                Change::EnergyUnattributed { .. } => count("unattributed"),
                Change::RegisterTied { .. } => count("tied"),
                Change::CommandClosed { outcome, .. } => count(match outcome {
                    Outcome::Applied => "applied",
                    Outcome::Expired => "expired",
                    Outcome::Superseded => "superseded",
                    Outcome::Refused(_) => panic!("a refused order was opened"),
                }),
                Change::SessionDisowned { .. } => count("disowned"),
                Change::StatusChanged { status, .. } => count(status.as_str()),
                Change::ReservationEnded { end, .. } => count(end.as_str()),
                Change::ChargePointAnnounced(_)
                | Change::DeviceOnline { .. }
                | Change::DeviceOffline { .. }
                | Change::AvailabilityChanged { .. }
                | Change::ClosingScheduled { .. }
                | Change::AuthorizationChanged { .. }
                | Change::SessionStarted { .. }
                | Change::LimitGranted { .. }
                | Change::ProfileLimitChanged { .. }
                | Change::CommandOpened(_)
                | Change::ReservationMade(_)
                | Change::TransactionAssigned { .. }
                | Change::JournalSalvaged { .. }
                | Change::ClockCorrected { .. } => {}
            }
        }
    }
}
