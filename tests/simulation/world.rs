//! The world: one clock, one agenda, everything that happens in order of time. Idle time is skipped.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use site_controller::clock::{SystemTime, Trust};
use site_controller::runtime::Input;
use site_controller::store::{Options, StoreEvent};
use site_core::SiteConfig;
use site_model::{BootId, CommandId, CommandKind, Fact, Milliamps, Outcome, WallTime, WattHours};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::cloud::Cloud;
use crate::disk::{Disk, Trouble, VFS};
use crate::gateway::{Gateway, Publish, Setup, Start};
use crate::model::{Boot, Model};
use crate::network::Network;
use crate::place::{PLACES, Place, Stretch, site};
use crate::plan::{DAY_MS, Fault, Strike, strikes, visits};
use crate::report::Report;

/// After the day everything heals for this long.
const HEALING_MS: u64 = 3 * 3_600_000;
/// A disk that failed is tried again after this time, as the writer's thread does.
const DISK_AGAIN_MS: u64 = 2_000;
/// The same while it is known that nothing has changed: the tries between are skipped.
const DISK_STILL_BAD_MS: u64 = 60_000;
/// Messages leave so much after what they tell: of many changes at once the last is told.
const PUMP_AFTER_MS: u64 = 5_000;
/// How often the loop's housekeeping is looked at although nothing happens.
const TICK_MS: u64 = 3_600_000;
/// The same while the time is unknown or facts wait for the disk.
const BUSY_TICK_MS: u64 = 30_000;
/// A silent device is given up after this time.
const LOST_AFTER_MS: u64 = 8_000;
/// More events than this in one day mean that something goes round in circles.
const EVENTS_MAX: u64 = 40_000;
/// Largest journal of a day.
const JOURNAL_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// What can happen next.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Plug {
        place: usize,
        wants: WattHours,
    },
    Ready {
        place: usize,
        plugged_at_ms: u64,
        wants: WattHours,
    },
    Unplug {
        place: usize,
    },
    Full {
        place: usize,
        power: u32,
    },
    Poll {
        place: usize,
    },
    Written {
        place: usize,
        limit: Milliamps,
    },
    Lost {
        place: usize,
        boot: u64,
    },
    Start {
        place: usize,
        car: u64,
    },
    Stop {
        place: usize,
        car: u64,
    },
    Ask {
        order: usize,
    },
    Disk,
    Tick {
        boot: u64,
    },
    Boot,
    TimeKnown,
    Connect,
    Pump,
    AtBroker {
        connection: u64,
        message: Publish,
    },
    Taken {
        connection: u64,
    },
    AtCloud {
        message: Publish,
    },
    AtGateway {
        connection: u64,
        payload: Vec<u8>,
    },
    BackUp,
    Begin(Strike),
    End(Strike),
}

impl What {
    /// For the digest. Messages carry identities that another process makes otherwise.
    fn name(&self) -> String {
        if let Self::AtBroker { .. } | Self::AtCloud { .. } | Self::AtGateway { .. } = self {
            return "a message".to_owned();
        }
        format!("{self:?}")
    }
}

/// An order that somebody gave, and what was answered.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) id: CommandId,
    pub(crate) place: usize,
    pub(crate) kind: CommandKind,
    pub(crate) reply: Option<oneshot::Receiver<(CommandId, Outcome)>>,
    pub(crate) fate: Option<Outcome>,
    /// Told while the disk failed: a crash forgets it.
    pub(crate) told_unsafely: bool,
}

/// Where a world's disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    /// Modelled, below the real journal.
    ModelledDisk,
    /// Real files, damaged between restarts.
    RealFiles,
}

/// What is broken on purpose, to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Syncs are acknowledged and not done.
    SyncsSkipped,
    /// Limits are written with one ampere more than was granted.
    LimitsRaised,
    /// The cloud is told that the times of a boot were right.
    CorrectionLost,
    /// The driver tells one watt-hour more.
    EnergyMisread,
}

impl Mutant {
    /// Every one.
    pub(crate) const ALL: [Self; 4] = [
        Self::SyncsSkipped,
        Self::LimitsRaised,
        Self::CorrectionLost,
        Self::EnergyMisread,
    ];
}

/// One seed's world.
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) rt: tokio::runtime::Runtime,
    pub(crate) dir: TempDir,
    pub(crate) on: On,
    pub(crate) disk: Disk,
    pub(crate) now_ms: u64,
    pub(crate) base_wall_ms: i64,
    pub(crate) system: Arc<Mutex<SystemTime>>,
    /// The system's clock is this wrong, or unknown.
    pub(crate) clock_off_ms: Option<i64>,
    pub(crate) config: SiteConfig,
    pub(crate) places: Vec<Place>,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) boot: u64,
    pub(crate) booted_at_ms: u64,
    pub(crate) journal: String,
    agenda: BTreeMap<(u64, u64), What>,
    number: u64,
    pub(crate) disk_due: bool,
    disk_due_since_ms: u64,
    /// Since the disk failed, some of what was decided has not been stored.
    unstored: bool,
    pump_due: bool,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) disk_slow_until_ms: u64,
    pub(crate) disk_fails: bool,
    pub(crate) network: Network,
    pub(crate) cloud: Cloud,
    pub(crate) model: Model,
    pub(crate) orders: Vec<Order>,
    /// When no facts could be stored, or nothing was there to see.
    pub(crate) blind: Vec<Stretch>,
    pub(crate) down_since_ms: Option<u64>,
    pub(crate) healing: bool,
    pub(crate) report: Report,
}

impl World {
    pub(crate) fn new(seed: u64, on: On, mutant: Option<Mutant>) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rt = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let dir = tempfile::tempdir_in(crate::in_memory()).unwrap();
        let folder = dir.path().join("gateway");
        std::fs::create_dir(&folder).unwrap();
        let disk = Disk::new(&folder);
        if mutant == Some(Mutant::SyncsSkipped) {
            disk.lie();
        }
        let base_wall_ms = crate::days::of(&mut rng);
        let places: Vec<Place> = (0..PLACES).map(|i| Place::new(i, &mut rng)).collect();
        let cloud = Cloud::new(&rt, &dir.path().join("cloud"), base_wall_ms);
        let wall = WallTime(base_wall_ms);
        let trust = Trust::Confirmed;
        let mut world = Self {
            config: site(&places),
            places,
            rt,
            dir,
            on,
            disk,
            now_ms: 0,
            base_wall_ms,
            system: Arc::new(Mutex::new(SystemTime { wall, trust })),
            clock_off_ms: Some(0),
            gateway: None,
            boot: 0,
            booted_at_ms: 0,
            journal: String::new(),
            agenda: BTreeMap::new(),
            number: 0,
            disk_due: false,
            disk_due_since_ms: 0,
            unstored: false,
            pump_due: false,
            mutant,
            disk_slow_until_ms: 0,
            disk_fails: false,
            network: Network::default(),
            cloud,
            model: Model::default(),
            orders: Vec::new(),
            blind: Vec::new(),
            down_since_ms: Some(0),
            healing: false,
            report: Report::default(),
            rng,
        };
        site_controller::ids::follow(Some(seed));
        world.plan();
        world
    }

    fn plan(&mut self) {
        for visit in visits(&mut self.rng) {
            let place = visit.place;
            let wants = visit.wants;
            self.at(visit.from_ms, What::Plug { place, wants });
            self.at(visit.to_ms, What::Unplug { place });
            let car = visit.from_ms;
            if let Some(after) = visit.ordered_after_ms.filter(|_| place % 2 == 1) {
                self.at(visit.from_ms + after, What::Start { place, car });
            }
            if let Some(after) = visit.stopped_after_ms {
                self.at(visit.from_ms + after, What::Stop { place, car });
            }
        }
        for strike in strikes(&mut self.rng) {
            if strike.fault == Fault::CloudRestored {
                self.at(strike.at_ms, What::BackUp);
                self.at(strike.at_ms + strike.lasts_ms, What::Begin(strike));
            } else {
                self.at(strike.at_ms, What::Begin(strike));
                self.at(strike.at_ms + strike.lasts_ms, What::End(strike));
            }
        }
        self.at(0, What::Boot);
    }

    /// The whole day, then the healing.
    pub(crate) fn run(&mut self) {
        self.until(DAY_MS);
        self.heal();
        self.until(DAY_MS + HEALING_MS);
        self.settle();
    }

    pub(crate) fn at(&mut self, at_ms: u64, what: What) {
        self.number += 1;
        self.agenda
            .insert((at_ms.max(self.now_ms), self.number), what);
    }

    pub(crate) fn after(&mut self, ms: u64, what: What) {
        self.at(self.now_ms + ms, what);
    }

    /// Takes what will not happen any more off the agenda.
    pub(crate) fn forget(&mut self, which: impl Fn(&What) -> bool) {
        self.agenda.retain(|_, what| !which(what));
    }

    pub(crate) fn until(&mut self, end_ms: u64) {
        loop {
            let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let deadline = self.deadline();
            let due = next
                .into_iter()
                .chain(deadline)
                .chain(self.uplink_due())
                .min();
            let Some(due) = due.filter(|due| *due <= end_ms) else {
                break;
            };
            self.report.count("events");
            let events = self.report.times("events");
            assert!(
                events < EVENTS_MAX,
                "{events} events: something goes round in circles"
            );
            self.pass_until(due);
            if next.is_some_and(|next| next <= self.now_ms) {
                let (_, what) = self.agenda.pop_first().expect("it was looked at");
                self.happen(what);
            } else if deadline.is_some_and(|at| at <= self.now_ms) {
                self.read_all_that_charge();
                self.input(Input::Deadline);
            } else {
                self.pump();
            }
        }
        self.pass_until(end_ms);
    }

    /// When the core wants to be asked, never twice in the same millisecond.
    fn deadline(&self) -> Option<u64> {
        let gateway = self.gateway.as_ref()?;
        let due = gateway.runtime.deadline()?;
        Some((self.booted_at_ms + due.0).max(self.now_ms + 1))
    }

    fn uplink_due(&self) -> Option<u64> {
        let gateway = self.gateway.as_ref().filter(|_| self.network.up)?;
        let _inside = self.rt.enter();
        let wait = gateway
            .dialogue
            .wake_at()
            .saturating_duration_since(tokio::time::Instant::now());
        let wait = u64::try_from(wait.as_millis()).unwrap();
        Some(self.now_ms + wait.max(1))
    }

    fn pass_until(&mut self, at_ms: u64) {
        let ms = at_ms.saturating_sub(self.now_ms);
        if ms == 0 {
            return;
        }
        for place in &mut self.places {
            place.charger.pass(ms);
        }
        self.now_ms = at_ms;
        self.cloud.pass(ms);
        self.show_time();
        self.rt
            .block_on(tokio::time::advance(Duration::from_millis(ms)));
    }

    pub(crate) fn wall_ms(&self) -> i64 {
        self.base_wall_ms + i64::try_from(self.now_ms).unwrap()
    }

    /// What the system's clock shows.
    pub(crate) fn show_time(&self) {
        let since_boot = i64::try_from(self.now_ms - self.booted_at_ms).unwrap();
        let shown = match self.clock_off_ms {
            Some(off) => SystemTime {
                wall: WallTime(self.wall_ms() + off),
                trust: Trust::Confirmed,
            },
            None => SystemTime {
                wall: WallTime(since_boot),
                trust: Trust::None,
            },
        };
        *self.system.lock().unwrap_or_else(PoisonError::into_inner) = shown;
    }

    fn happen(&mut self, what: What) {
        self.report
            .note(&format!("{} {}", self.now_ms, what.name()));
        match what {
            What::Plug { place, wants } => self.plug(place, wants),
            What::Ready {
                place,
                plugged_at_ms,
                wants,
            } => self.ready(place, plugged_at_ms, wants),
            What::Unplug { place } => self.unplug(place),
            What::Full { place, power } => {
                if self.places[place].power == power {
                    self.poll_soon(place);
                }
            }
            What::Poll { place } => self.poll(place),
            What::Written { place, limit } => self.written(place, limit),
            What::Lost { place, boot } => self.lost(place, boot),
            What::Start { place, car } => self.order_start(place, car),
            What::Stop { place, car } => self.order_stop(place, car),
            What::Ask { order } => self.ask(order),
            What::Disk => self.turn_disk(),
            What::Tick { boot } => self.tick(boot),
            What::Boot => self.boot(),
            What::TimeKnown => self.clock_off_ms = Some(0),
            What::Connect => self.connect(),
            What::Pump => {
                self.pump_due = false;
                self.pump();
            }
            What::AtBroker {
                connection,
                message,
            } => self.at_broker(connection, message),
            What::Taken { connection } => self.taken(connection),
            What::AtCloud { message } => self.at_cloud(message),
            What::AtGateway {
                connection,
                payload,
            } => self.at_gateway(connection, &payload),
            What::BackUp => self.cloud.back_up(),
            What::Begin(strike) => self.begin(strike),
            What::End(strike) => self.end(strike),
        }
    }

    /// One turn of the loop, and what follows from it.
    pub(crate) fn input(&mut self, input: Input) {
        let Some(gateway) = &mut self.gateway else {
            return;
        };
        let inside = self.rt.enter();
        gateway.take(input);
        drop(inside);
        self.follow();
    }

    pub(crate) fn follow(&mut self) {
        let Some(gateway) = &mut self.gateway else {
            return;
        };
        for (device, limit) in gateway.lines.take() {
            let place = self
                .places
                .iter()
                .position(|here| *here.charger.id() == device);
            let place = place.expect("limits go to chargers");
            let here = &mut self.places[place];
            let raised = self.mutant == Some(Mutant::LimitsRaised) && limit > Milliamps::PAUSE;
            let limit = if raised {
                Milliamps(limit.0 + 1_000)
            } else {
                limit
            };
            let lowers = limit < here.charger.limit();
            // The loop gives a silent disk up after 10 s.
            let silent = self.now_ms.saturating_sub(self.disk_due_since_ms) >= 10_000;
            self.unstored |= self.disk_fails || (self.disk_due && silent);
            let fails = self.unstored;
            self.model.on_the_wire(&here.id, limit, lowers, fails);
            here.wanted = Some(limit);
            self.forget(|what| matches!(what, What::Written { place: of, .. } if *of == place));
            let ms = self.rng.u64(20..400);
            self.after(ms, What::Written { place, limit });
        }
        self.hear_fates();
        let waiting = self
            .gateway
            .as_ref()
            .is_some_and(|gateway| gateway.facts_waiting() > 0);
        if waiting && !self.disk_due {
            self.disk_due = true;
            self.disk_due_since_ms = self.now_ms;
            let ms = self.rng.u64(2..60);
            self.after(ms, What::Disk);
        }
        if self.network.up && !self.pump_due {
            self.pump_due = true;
            self.after(PUMP_AFTER_MS, What::Pump);
        }
    }

    pub(crate) fn turn_disk(&mut self) {
        self.disk_due = false;
        if self.gateway.is_none() {
            return;
        }
        if self.now_ms < self.disk_slow_until_ms {
            self.disk_due = true;
            let at = self.disk_slow_until_ms;
            self.at(at, What::Disk);
            return;
        }
        let inside = self.rt.enter();
        let gateway = self.gateway.as_mut().expect("it was looked at");
        gateway.writer.turn_once();
        drop(inside);
        self.hear_disk();
    }

    /// Takes the journal's events; a machine that lost its power meanwhile says nothing.
    pub(crate) fn hear_disk(&mut self) {
        if self.disk.trouble() == Trouble::Off {
            self.power_is_gone();
            return;
        }
        let mut failed = self.disk_fails;
        while let Some(event) = self.gateway.as_mut().and_then(|g| g.events.try_recv().ok()) {
            if let StoreEvent::Committed { last_sequence, .. } = &event {
                failed = false;
                let waits = self.gateway.as_ref().is_some_and(|g| g.facts_waiting() > 0);
                self.unstored &= waits;
                self.note_committed(*last_sequence);
            } else {
                failed = true;
                self.unstored = true;
                self.report.count("seen: journal not writable");
            }
            self.disk_fails = failed;
            self.input(Input::Store(event));
        }
        if failed != self.disk_fails {
            self.disk_fails = failed;
        }
        if self.disk_fails && !self.disk_due {
            self.disk_due = true;
            let bad = self.disk.trouble() != Trouble::None;
            let ms = if bad {
                DISK_STILL_BAD_MS
            } else {
                DISK_AGAIN_MS
            };
            self.after(ms, What::Disk);
        }
    }

    /// The reference model takes what is committed, fact by fact.
    fn note_committed(&mut self, last_sequence: u64) {
        let known = u64::try_from(self.model.facts.len()).unwrap();
        let mut after = known;
        while after < last_sequence {
            let inside = self.rt.enter();
            let facts = self
                .gateway
                .as_mut()
                .expect("it committed")
                .read_after(after);
            drop(inside);
            assert!(
                !facts.is_empty(),
                "committed facts after {after} cannot be read"
            );
            for envelope in facts {
                after += 1;
                assert_eq!(envelope.sequence, after, "a gap in the journal");
                let fact = Fact::try_from(envelope).expect("the journal's own facts are readable");
                self.commit(&fact);
            }
        }
        assert!(
            self.journal_bytes() < JOURNAL_MAX_BYTES,
            "the journal of a day has {} bytes",
            self.journal_bytes()
        );
    }

    pub(crate) fn commit(&mut self, fact: &Fact) {
        self.report.count("facts");
        self.report.note(&format!("{:?}", fact.change));
        let places = &self.places;
        self.model.commit(fact, |id| {
            let here = places.iter().find(|here| here.id == *id);
            here.expect("facts speak of connectors of this site")
                .charger
                .truth()
        });
    }

    fn journal_bytes(&self) -> u64 {
        let gateway = self.gateway.as_ref();
        gateway.map_or(0, |gateway| gateway.store.figures().bytes_on_disk)
    }

    fn tick(&mut self, boot: u64) {
        if self.boot != boot || self.gateway.is_none() {
            return;
        }
        self.input(Input::Tick);
        let busy = self.clock_off_ms.is_none() || self.disk_due || !self.time_is_known();
        let ms = if busy { BUSY_TICK_MS } else { TICK_MS };
        self.after(ms, What::Tick { boot });
    }

    fn time_is_known(&self) -> bool {
        let _inside = self.rt.enter();
        let gateway = self.gateway.as_ref();
        gateway.is_some_and(|gateway| gateway.clock.now().wall_known)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.path().join("gateway")
    }

    pub(crate) fn boot(&mut self) {
        if self.gateway.is_some() {
            return;
        }
        self.boot += 1;
        self.booted_at_ms = self.now_ms;
        self.show_time();
        let boot = Boot {
            wall_at_ms: self.wall_ms(),
        };
        self.model.note_boot(BootId(self.boot), boot);
        let folder = self.folder();
        let inside = self.rt.enter();
        let (gateway, start) = Gateway::start(Setup {
            config: self.config.clone(),
            gateway: self.cloud.gateway.clone(),
            dir: &folder,
            options: self.options(),
            boot: BootId(self.boot),
            built_at: WallTime(self.base_wall_ms - 30 * 86_400_000),
            system: Arc::clone(&self.system),
        });
        drop(inside);
        self.gateway = Some(gateway);
        self.report.count("starts of the daemon");
        self.started(start);
    }

    fn options(&self) -> Options {
        Options {
            vfs: (self.on == On::ModelledDisk).then_some(VFS),
            ..Options::default()
        }
    }

    fn started(&mut self, start: Start) {
        self.report
            .note(&format!("{} started {}", self.now_ms, start.last_sequence));
        self.disk_fails = !start.notices.is_empty();
        if self.disk.trouble() == Trouble::None {
            assert_eq!(
                start.notices,
                Vec::<String>::new(),
                "nothing is wrong with the disk"
            );
            self.model.found(&start.replay);
            let known = self.model.facts.len();
            // Committed, and the machine died before it could say so.
            for fact in &start.replay[known..] {
                self.report
                    .count("permitted: committed and not told before the machine died");
                self.commit(fact);
            }
        }
        self.journal = start.journal.to_string();
        if let Some(since) = self.down_since_ms.take() {
            self.blind.push((since, self.now_ms + 20_000));
        }
        self.network.up = false;
        for place in 0..PLACES {
            self.places[place].wanted = None;
            self.places[place].poll_at = None;
            self.poll_soon(place);
            let boot = self.boot;
            self.after(LOST_AFTER_MS, What::Lost { place, boot });
        }
        let boot = self.boot;
        self.after(1_000, What::Tick { boot });
        self.after(500, What::Connect);
        self.follow();
    }
}
