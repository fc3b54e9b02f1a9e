//! The gateway's daemon, assembled from its real parts as `site_controller::app` does, and turned by
//! hand: core, journal, loop and the uplink's dialogue.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use firmware_agent::BusDiagnostics;
use site_controller::buses::Buses;
use site_controller::clock::{Clock, SystemTime};
use site_controller::lifecycle::Heart;
use site_controller::ocpp::{LinkByHand, StationRequest, Stations};
use site_controller::runtime::{Input, Parts, Runtime};
use site_controller::secret::Secret;
use site_controller::store::{OpenError, Options, Store, StoreEvent, Writer};
use site_controller::uplink::{BrokerConfig, Dialogue, Tls, Uplink, UplinkConfig, Wire};
use site_core::SiteConfig;
use site_model::{
    BootId, ChargePointId, DeviceId, Fact, GatewayId, JournalId, Milliamps, WallTime,
};
use site_wire::v1::Envelope;
use tokio::sync::mpsc;

/// Limits on their way to the devices; as on the real lines the newest for a device wins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<BTreeMap<DeviceId, Milliamps>>>);

impl Lines {
    pub(crate) fn take(&self) -> BTreeMap<DeviceId, Milliamps> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Buses for Lines {
    fn write_limit(&self, device: &DeviceId, limit: Milliamps) {
        let mut writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writes.insert(device.clone(), limit);
    }

    fn diagnostics(&self) -> Vec<BusDiagnostics> {
        Vec::new()
    }
}

/// A message on its way up.
#[derive(Debug, Clone)]
pub(crate) struct Publish {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

/// Where the dialogue's messages are put.
#[derive(Debug, Default)]
pub(crate) struct Outgoing(RefCell<VecDeque<Publish>>);

impl Outgoing {
    pub(crate) fn take(&self) -> VecDeque<Publish> {
        self.0.take()
    }
}

impl Wire for Outgoing {
    fn publish(&self, topic: String, payload: Vec<u8>, _retain: bool) -> Result<(), String> {
        self.0.borrow_mut().push_back(Publish { topic, payload });
        Ok(())
    }
}

/// What a daemon is started with.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) config: SiteConfig,
    pub(crate) gateway: GatewayId,
    pub(crate) dir: &'a Path,
    pub(crate) options: Options,
    pub(crate) boot: BootId,
    pub(crate) built_at: WallTime,
    pub(crate) system: Arc<Mutex<SystemTime>>,
}

/// What the journal held at the start.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) journal: JournalId,
    pub(crate) replay: Vec<Fact>,
    pub(crate) last_sequence: u64,
    pub(crate) notices: Vec<String>,
    /// The charge points' links to their central system, and what that wants.
    pub(crate) links: Vec<LinkByHand>,
    pub(crate) requests: mpsc::Receiver<StationRequest>,
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) runtime: Runtime<Lines>,
    pub(crate) writer: Writer,
    pub(crate) events: mpsc::Receiver<StoreEvent>,
    pub(crate) store: Store,
    pub(crate) dialogue: Dialogue,
    pub(crate) clock: Clock,
    pub(crate) lines: Lines,
}

impl Gateway {
    pub(crate) fn start(setup: Setup<'_>) -> Result<(Self, Start), OpenError> {
        let system = Arc::clone(&setup.system);
        let source = move || *system.lock().unwrap_or_else(PoisonError::into_inner);
        let clock = Clock::of_build(setup.built_at, setup.boot, Arc::new(source));
        let (opened, mut writer) = Store::open_by_hand(setup.dir, clock.now(), setup.options)?;
        let (store, events, mut found) = (opened.store, opened.events, opened.found);
        let points = setup.config.charge_points.iter();
        let points: Vec<ChargePointId> = points.map(|point| point.id.clone()).collect();
        let links = Stations::by_hand(&points, &store, found.last_sequence, &clock);
        let links = complete(&mut writer, links);
        let start = Start {
            journal: found.journal.clone(),
            replay: found.replay.clone(),
            last_sequence: found.last_sequence,
            notices: found.notices.clone(),
            links: links.links,
            requests: links.requests,
        };
        let site = site_controller::app::rebuild(setup.config, &mut found, &clock);
        let uplink = UplinkConfig {
            gateway: setup.gateway.clone(),
            boot: clock.now().boot,
            journal: found.journal.clone(),
            last_sequence: found.last_sequence,
            mark: found.mark,
            broker: nowhere(),
        };
        let (uplink, dialogue) = Uplink::by_hand(&uplink, store.clone(), clock.clone());
        let lines = Lines::default();
        let parts = Parts {
            site,
            clock: clock.clone(),
            store: store.clone(),
            uplink,
            stations: links.stations,
            buses: lines.clone(),
            heart: Heart::new(),
            gateway: setup.gateway,
            meters: Vec::new(),
        };
        let mut runtime = Runtime::new(parts, &found);
        runtime.begin();
        let daemon = Self {
            runtime,
            writer,
            events,
            store,
            dialogue,
            clock,
            lines,
        };
        Ok((daemon, start))
    }

    pub(crate) fn take(&mut self, input: Input) {
        let _goes_on = self.runtime.take(input);
    }

    /// Facts that wait for the disk.
    pub(crate) fn facts_waiting(&self) -> u64 {
        self.store.facts_waiting()
    }

    /// Facts from the journal, read by turning its writer.
    pub(crate) fn read_after(&mut self, sequence: u64) -> Vec<Envelope> {
        let store = self.store.clone();
        let mut reading = pin!(store.read_after(sequence));
        let mut context = Context::from_waker(Waker::noop());
        let _asked = reading.as_mut().poll(&mut context);
        self.writer.turn_once();
        match reading.as_mut().poll(&mut context) {
            Poll::Ready(facts) => facts,
            Poll::Pending => panic!("the writer did not answer a read"),
        }
    }
}

/// Lets the journal's writer and this go on until this is done.
fn complete<T>(writer: &mut Writer, doing: impl Future<Output = T>) -> T {
    let mut doing = pin!(doing);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = doing.as_mut().poll(&mut context) {
            return done;
        }
        writer.turn_once();
        std::thread::yield_now();
    }
}

fn nowhere() -> BrokerConfig {
    BrokerConfig {
        host: "broker.invalid".to_owned(),
        port: 8883,
        username: "gateway".to_owned(),
        password: Secret::new(""),
        tls: Tls::SystemRoots,
    }
}
