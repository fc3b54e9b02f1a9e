//! The world: one clock, one agenda, everything that happens in order of time. Idle time is skipped.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use site_controller::clock::SystemTime;
use site_controller::runtime::Input;
use site_core::SiteConfig;
use site_model::{CommandId, CommandKind, Milliamps, Outcome};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::agenda::{Agenda, What};
use crate::clock::WallClock;
use crate::cloud::Cloud;
use crate::disk::Disk;
use crate::gateway::Gateway;
use crate::links::Links;
use crate::model::Model;
use crate::mutants::Mutant;
use crate::network::Network;
use crate::place::{PLACES, Place, Stretch, site};
use crate::plan::{DAY_MS, Fault, strikes, visits};
use crate::report::Report;

/// After the day everything heals for this long.
const HEALING_MS: u64 = 3 * 3_600_000;
/// Messages leave within this time of what they tell: of many changes at once the last is told.
const PUMP_WITHIN_MS: u64 = 90_000;
/// More events than this in one day mean that something goes round in circles.
const EVENTS_MAX: u64 = 40_000;

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
    pub(crate) clock: WallClock,
    pub(crate) config: SiteConfig,
    pub(crate) places: Vec<Place>,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) boot: u64,
    pub(crate) booted_at_ms: u64,
    pub(crate) journal: String,
    agenda: Agenda,
    pub(crate) disk_due: bool,
    pub(crate) disk_due_since_ms: u64,
    /// Since the disk failed, some of what was decided has not been stored.
    pub(crate) unstored: bool,
    pump_due: bool,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) disk_slow_until_ms: u64,
    pub(crate) disk_fails: bool,
    pub(crate) network: Network,
    pub(crate) cloud: Cloud,
    pub(crate) links: Links,
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
        let clock = WallClock::new(base_wall_ms, &mut rng);
        let mut world = Self {
            config: site(&places),
            places,
            rt,
            dir,
            on,
            disk,
            now_ms: 0,
            base_wall_ms,
            system: Arc::new(Mutex::new(clock.system(0, 0))),
            clock,
            gateway: None,
            boot: 0,
            booted_at_ms: 0,
            journal: String::new(),
            agenda: Agenda::default(),
            disk_due: false,
            disk_due_since_ms: 0,
            unstored: false,
            pump_due: false,
            mutant,
            disk_slow_until_ms: 0,
            disk_fails: false,
            network: Network::default(),
            cloud,
            links: Links::default(),
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
            if let Fault::CloudRestored | Fault::CsmsRestored = strike.fault {
                self.at(strike.at_ms, What::BackUp(strike.fault));
                self.at(strike.at_ms + strike.lasts_ms, What::Begin(strike));
            } else {
                self.at(strike.at_ms, What::Begin(strike));
                self.at(strike.at_ms + strike.lasts_ms, What::End(strike));
            }
        }
        let midnight_ms = self.clock.midnight_ms();
        self.at(midnight_ms, What::Leap);
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
        self.agenda.put(at_ms.max(self.now_ms), what);
    }

    pub(crate) fn after(&mut self, ms: u64, what: What) {
        self.at(self.now_ms + ms, what);
    }

    /// Takes what will not happen any more off the agenda.
    pub(crate) fn forget(&mut self, which: impl Fn(&What) -> bool) {
        self.agenda.forget(which);
    }

    pub(crate) fn until(&mut self, end_ms: u64) {
        loop {
            let next = self.agenda.next_at();
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
                let what = self.agenda.take().expect("it was looked at");
                self.happen(what);
            } else if deadline.is_some_and(|at| at <= self.now_ms) {
                self.read_all_that_charge();
                self.input(Input::Deadline);
            } else {
                self.pump();
            }
            self.turn_links();
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

    /// What the system's clock shows.
    pub(crate) fn show_time(&self) {
        let mut shown = self.clock.system(self.now_ms, self.booted_at_ms);
        if self.mutant == Some(Mutant::ClockAhead) {
            shown.wall.0 += 3_000;
        }
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
            What::TimeKnown => self.set_clock(0),
            What::Leap => self.leap(),
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
            What::BackUp(fault) => self.back_up(fault),
            What::Dial { place, boot } => self.dial(place, boot),
            // Whoever is due is looked at after each event.
            What::Wake => {}
            What::AtCsms {
                place,
                socket,
                frame,
            } => self.at_csms(place, socket, &frame),
            What::AtLink {
                place,
                socket,
                frame,
            } => self.at_link(place, socket, frame),
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
        if waiting {
            self.disk_wanted();
        }
        if self.network.up && !self.pump_due {
            self.pump_due = true;
            let ms = self.rng.u64(50..PUMP_WITHIN_MS);
            self.after(ms, What::Pump);
        }
    }
}
