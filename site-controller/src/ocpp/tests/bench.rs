//! One charge point with its journal, and the central system that the test plays.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use ocpp::Tenths;
use ocpp::v16::Measurand;
use serde_json::{Value, json};
use site_model::{
    Announcement, BootId, CentralSystem, Change, ChargePointId, ChargePointStatus, ChargePointView,
    ConnectorAnnouncement, ConnectorId, ConnectorStatus, ConnectorType, ConnectorView, DeviceFault,
    Fact, IdTag, LimitOwner, Milliamps, Monotonic, SessionId, SessionView, Timestamp, WallTime,
    WattHours, Watts,
};
use station::profiles::Electrics;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};
use tokio_util::sync::CancellationToken;

use super::super::socket::Stream;
use super::super::{Endpoint, StationRequest, StationStatus, Stations, Verdict, Wish};
use super::witness::Witness;
use crate::clock::{Clock, SystemTime, Trust};
use crate::secret::Secret;
use crate::store::{Options, Store, StoreEvent, security_events};
use crate::uplink::Tls;

/// Of the central system where a charge point begins.
pub(super) const PASSWORD: &str = "p4ssw0rd";
pub(super) const SOON: Duration = Duration::from_secs(20);

pub(super) fn registered(status: &str, interval: u64) -> Value {
    json!({"status": status, "interval": interval, "currentTime": "2026-11-22T10:00:00Z"})
}

/// One charge point, and the port of its central system.
pub(super) struct Bench {
    pub(super) listener: TcpListener,
    /// Its password is configured with its address.
    password: &'static str,
    stations: Stations,
    tasks: JoinHandle<()>,
    stop: CancellationToken,
    clock: Clock,
    store: Store,
    events: mpsc::Receiver<StoreEvent>,
    dir: TempDir,
    /// The session of the connector.
    session: Option<String>,
    /// What charging profiles left it last.
    limits: watch::Receiver<Option<Limits>>,
    /// Every other wish.
    pub(super) wishes: mpsc::Receiver<StationRequest>,
    pub(super) notes: Arc<Notes>,
}

/// The core as far as transactions' ids go.
#[derive(Default)]
pub(super) struct Notes {
    /// It takes nothing.
    pub(super) fails: AtomicBool,
    pub(super) taken: Mutex<Vec<(SessionId, i64)>>,
}

impl Notes {
    /// Takes ids of transactions; other wishes go to the test.
    async fn take(
        self: Arc<Self>,
        mut all: mpsc::Receiver<StationRequest>,
        others: mpsc::Sender<StationRequest>,
    ) {
        while let Some(request) = all.recv().await {
            let Wish::Assigned {
                session,
                transaction_id,
            } = &request.wish
            else {
                let _over = others.send(request).await;
                continue;
            };
            if !self.fails.load(Ordering::SeqCst) {
                let noted = (session.clone(), *transaction_id);
                self.taken.lock().unwrap().push(noted);
                let _over = request.reply.send(Verdict::Accepted);
            }
        }
    }
}

type Limits = Vec<(ConnectorId, Option<Milliamps>)>;

/// Takes what profiles leave the connector, as the site would, and passes on every other wish.
fn taken(
    mut requests: mpsc::Receiver<StationRequest>,
) -> (
    mpsc::Receiver<StationRequest>,
    watch::Receiver<Option<Limits>>,
) {
    let (passed_on, wishes) = mpsc::channel(16);
    let (told, limits) = watch::channel(None);
    tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            if let Wish::ProfilesLimit(limits) = request.wish {
                told.send_replace(Some(limits));
                // Its task may have gone.
                let _unheard = request.reply.send(Verdict::Accepted);
            } else if passed_on.send(request).await.is_err() {
                return;
            }
        }
    });
    (wishes, limits)
}

impl Bench {
    pub(super) async fn start() -> Self {
        Self::start_at(Clock::system(BootId(1))).await
    }

    pub(super) async fn start_at(clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::with((listener, PASSWORD), clock, TempDir::new().unwrap(), None).await
    }

    /// The gateway starts on this journal.
    async fn with(
        (listener, password): (TcpListener, &'static str),
        clock: Clock,
        dir: TempDir,
        session: Option<String>,
    ) -> Self {
        let port = listener.local_addr().unwrap().port();
        let endpoint = Endpoint {
            charge_point: charge_point(),
            electrics: vec![Electrics {
                voltage_mv: 230_000,
                phases: 3,
                switches_phases: false,
                max: Tenths(160),
            }],
            measurands: vec![
                Measurand::EnergyActiveImportRegister,
                Measurand::PowerActiveImport,
                Measurand::CurrentOffered,
            ],
            url: format!("ws://127.0.0.1:{port}/ocpp/1.6").parse().unwrap(),
            tls: Tls::Off,
            password: Some(Secret::new(password)),
            external: false,
        };
        let opened = Store::open(dir.path(), crate::store::at_start(), Options::default()).unwrap();
        let (store, end) = (opened.store, opened.found.last_sequence);
        let stop = CancellationToken::new();
        let (desk, _nobody) = mpsc::channel(1);
        let links = Stations::spawn(vec![endpoint], &store, end, &clock, &desk, &stop).await;
        let (wishes, limits) = taken(links.requests);
        let (notes, (others, wishes_left)) = (Arc::new(Notes::default()), mpsc::channel(16));
        tokio::spawn(Arc::clone(&notes).take(wishes, others));
        let bench = Self {
            listener,
            password,
            stations: links.stations,
            tasks: links.tasks,
            stop,
            clock,
            store,
            events: opened.events,
            dir,
            session,
            limits,
            wishes: wishes_left,
            notes,
        };
        bench.show(ConnectorStatus::Available, None);
        bench
    }

    /// The power fails: the gateway starts again on the files as they lay on the disk at that moment.
    pub(super) async fn power_cut(self) -> Self {
        let (from, disk) = (self.dir.path().to_owned(), TempDir::new().unwrap());
        let to = disk.path().to_owned();
        // On the journal's own thread: nobody writes meanwhile.
        let copied = self.store.work(move |_| copy_journal(&from, &to)).await;
        copied.unwrap();
        self.tasks.abort();
        let _aborted = self.tasks.await;
        drop(self.stations);
        self.store.close().await;
        let there = (self.listener, self.password);
        Self::with(there, self.clock, disk, self.session).await
    }

    /// The gateway stops with its power, and starts again configured for the central system that listens
    /// here. Gives the listener of the one before.
    pub(super) async fn configured_for(
        mut self,
        listener: TcpListener,
        password: &'static str,
    ) -> (Self, TcpListener) {
        let before = std::mem::replace(&mut self.listener, listener);
        self.password = password;
        (self.power_cut().await, before)
    }

    /// Its power comes back so many days after the test began.
    pub(super) async fn days_later(mut self, days: i64) -> Self {
        let now = Clock::system(BootId(1)).now().wall.0;
        let wall = WallTime(now + days * 86_400_000);
        let source = move || SystemTime {
            wall,
            trust: Trust::Confirmed,
        };
        self.clock = Clock::with_source(BootId(1), Arc::new(source));
        self.power_cut().await
    }

    /// The core announces the charge point where it is configured.
    pub(super) async fn announce(&mut self) {
        let port = self.listener.local_addr().unwrap().port();
        let announcement = Announcement {
            central_system: Some(CentralSystem {
                address: format!("ws://127.0.0.1:{port}/ocpp/1.6/CP-1"),
                external: false,
            }),
            ..view(ConnectorStatus::Available, None).announcement
        };
        let announced = Change::ChargePointAnnounced(announcement);
        self.record(self.wall_ms(), &[announced]).await;
    }

    /// The gateway is stopped in order, and starts again.
    pub(super) async fn restarted(self) -> Self {
        self.stop.cancel();
        timeout(SOON, self.tasks).await.unwrap().unwrap();
        drop(self.stations);
        self.store.close().await;
        let there = (self.listener, self.password);
        Self::with(there, self.clock, self.dir, self.session).await
    }

    /// The next socket, however long the gateway's pause is: minutes pass until it comes.
    pub(super) async fn tried(&self) -> TcpStream {
        self.tried_within(Duration::from_secs(61)).await
    }

    /// The next socket; the time passes in such steps until it comes.
    pub(super) async fn tried_within(&self, step: Duration) -> TcpStream {
        for _ in 0..1_000 {
            tokio::time::pause();
            tokio::time::advance(step).await;
            tokio::time::resume();
            // What the gateway does at a moment takes it a moment.
            let connects = timeout(Duration::from_millis(50), self.listener.accept());
            if let Ok(connected) = connects.await {
                return connected.unwrap().0;
            }
        }
        panic!("nobody tries to connect");
    }

    /// Facts of the core go into the journal.
    pub(super) async fn record(&mut self, at_ms: i64, changes: &[Change]) {
        self.record_at(at_ms, true, changes).await;
    }

    /// The same, with a time that may not be the right one.
    pub(super) async fn record_at(&mut self, at_ms: i64, known: bool, changes: &[Change]) {
        let at = Timestamp {
            boot: BootId(1),
            monotonic: Monotonic(0),
            wall: WallTime(at_ms),
            wall_known: known,
        };
        self.record_stamped(at, changes).await;
    }

    /// The same, at a moment on both clocks.
    pub(super) async fn record_stamped(&mut self, at: Timestamp, changes: &[Change]) {
        let facts = changes.iter().map(|change| Fact {
            at,
            change: change.clone(),
        });
        let facts: Vec<Fact> = facts.collect();
        self.stations.recorded(&facts);
        self.store.append(facts, None);
        let event = timeout(SOON, self.events.recv()).await.unwrap().unwrap();
        let StoreEvent::Committed { last_sequence, .. } = event else {
            panic!("{event:?}")
        };
        self.stations.committed(last_sequence);
    }

    pub(super) fn stations(&self) -> &Stations {
        &self.stations
    }

    pub(super) async fn waiting_becomes(&self, wanted: u64) {
        let reached = async {
            while self.link().waiting != wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = timeout(SOON, reached).await.is_ok();
        assert!(in_time, "{} wait, not {wanted}", self.link().waiting);
    }

    pub(super) fn show(&self, status: ConnectorStatus, fault: Option<&str>) {
        let mut view = view(status, fault);
        let session = self.session.as_ref().map(|name| SessionView {
            session: SessionId::new(name).unwrap(),
            started: self.clock.now(),
            energy: WattHours(0),
        });
        view.connectors[0].session = session;
        self.stations.show(&view, &self.clock.now());
    }

    /// The core shows this session from now on.
    pub(super) fn show_session(&mut self, name: Option<&str>) {
        self.session = name.map(str::to_owned);
        self.show(ConnectorStatus::Available, None);
    }

    /// The core records that somebody may charge, or that nobody may any more.
    pub(super) async fn authorize(&mut self, somebody: bool) {
        let authorized = Change::AuthorizationChanged {
            charge_point: charge_point(),
            connector: ConnectorId::new(1).unwrap(),
            id_tag: somebody.then(|| IdTag::new("GOOD").unwrap()),
        };
        self.record(self.wall_ms(), &[authorized]).await;
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn wall_ms(&self) -> i64 {
        self.now().wall.0
    }

    /// What charging profiles left the connector, in mA.
    pub(super) fn limit(&self) -> Option<u32> {
        let limits = self.limits.borrow();
        let (_, limit) = limits.as_ref()?.first()?;
        limit.map(|limit| limit.0)
    }

    /// Profiles have said nothing of the connector since the start.
    pub(super) fn is_told_nothing(&self) -> bool {
        self.limits.borrow().is_none()
    }

    /// Does something to the journal's file.
    pub(super) async fn on_file(&self, sql: &'static str) {
        let done = self.store.work(move |db| db.execute_batch(sql));
        done.await.unwrap();
    }

    pub(super) async fn limit_becomes(&self, wanted: Option<u32>) {
        let mut limits = self.limits.clone();
        let wanted = wanted.map(Milliamps);
        let told =
            |limits: &Option<Limits>| limits.as_ref().is_some_and(|limits| limits[0].1 == wanted);
        let reached = timeout(SOON, limits.wait_for(told)).await.is_ok();
        assert!(reached, "{:?}, not {wanted:?}", self.limits.borrow());
    }

    /// As a download that is cut off leaves it.
    pub(super) fn leave_firmware_behind(&self) {
        std::fs::write(self.dir.path().join(LEFT_BEHIND), "half of it").unwrap();
    }

    /// The security log: kind and information of each event, oldest first.
    pub(super) async fn security_log(&self) -> Vec<(String, String)> {
        let now = self.clock.now();
        let all = self
            .store
            .work(move |db| security_events::all(db, &charge_point(), &now));
        let events = all.await.unwrap().into_iter();
        events.map(|event| (event.kind, event.info)).collect()
    }

    /// Downloads that were left behind.
    pub(super) fn firmware_files(&self) -> usize {
        let files = std::fs::read_dir(self.dir.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("firmware-")).count()
    }

    pub(super) fn link(&self) -> StationStatus {
        self.stations.status()[&charge_point()].clone()
    }

    pub(super) async fn error_becomes(&self, wanted: &str) {
        let reached = async {
            while self.link().last_error.as_deref() != Some(wanted) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = timeout(SOON, reached).await.is_ok();
        assert!(in_time, "{wanted} is not {:?}", self.link().last_error);
    }

    pub(super) async fn accept(&mut self) -> Csms {
        let (stream, _) = timeout(SOON, self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        Csms::shake_hands(Box::new(stream), Some(PASSWORD))
            .await
            .unwrap()
    }

    /// The next socket, encrypted or not; it must say who it is with this password.
    pub(super) async fn accept_as(
        &mut self,
        tls: Option<&TlsAcceptor>,
        password: Option<&str>,
    ) -> Csms {
        let (stream, _) = timeout(SOON, self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        let stream: Box<dyn Stream> = match tls {
            Some(tls) => Box::new(tls.accept(stream).await.unwrap()),
            None => Box::new(stream),
        };
        Csms::shake_hands(stream, password).await.unwrap()
    }

    /// Nobody connects for a while.
    pub(super) async fn nobody_connects(&self) -> bool {
        let connects = timeout(Duration::from_millis(200), self.listener.accept());
        connects.await.is_err()
    }

    /// The next connection, cut before a word.
    pub(super) async fn drop_next(&mut self) {
        let accepted = timeout(SOON, self.listener.accept()).await;
        drop(accepted.unwrap().unwrap());
    }

    /// Accepts the next socket that is not given up meanwhile, however long the gateway's pause is.
    pub(super) async fn accept_back(&mut self) -> Csms {
        loop {
            if let Some(csms) =
                Csms::shake_hands(Box::new(self.tried().await), Some(PASSWORD)).await
            {
                return csms;
            }
        }
    }

    /// Refuses the next socket with this status, or without a subprotocol.
    #[expect(clippy::result_large_err, reason = "the library's own callback")]
    pub(super) async fn refuse(&mut self, status: Option<StatusCode>) {
        let (stream, _) = timeout(SOON, self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        let refuse = move |_: &Request, response: Response| match status {
            None => Ok(response),
            Some(status) => {
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = status;
                Err(refusal)
            }
        };
        let _refused = accept_hdr_async(stream, refuse).await;
    }

    pub(super) async fn end(self) {
        self.stop.cancel();
        timeout(SOON, self.tasks).await.unwrap().unwrap();
        self.store.close().await;
    }
}

/// The central system's end of a socket.
pub(super) struct Csms {
    pub(super) socket: WebSocketStream<Box<dyn Stream>>,
    /// Security events so far.
    pub(super) events: Vec<Value>,
    witness: Witness,
}

impl Csms {
    /// The next socket at this listener that is not given up meanwhile.
    pub(super) async fn at(listener: &TcpListener, password: &str) -> Self {
        loop {
            let accepted = timeout(3 * SOON, listener.accept()).await;
            let stream = Box::new(accepted.unwrap().unwrap().0);
            if let Some(csms) = Self::shake_hands(stream, Some(password)).await {
                return csms;
            }
        }
    }

    #[expect(clippy::result_large_err, reason = "the library's own callback")]
    pub(super) async fn shake_hands(
        stream: Box<dyn Stream>,
        password: Option<&str>,
    ) -> Option<Self> {
        let check = |request: &Request, mut response: Response| {
            assert_eq!(request.uri().path(), "/ocpp/1.6/CP-1");
            let header = |name: &str| request.headers().get(name).map(|it| it.to_str().unwrap());
            let basic = password.map(|password| {
                format!(
                    "Basic {}",
                    BASE64_STANDARD.encode(format!("CP-1:{password}"))
                )
            });
            assert_eq!(header("authorization"), basic.as_deref());
            assert_eq!(header("sec-websocket-protocol"), Some("ocpp1.6"));
            let chosen = HeaderValue::from_static("ocpp1.6");
            response
                .headers_mut()
                .insert("sec-websocket-protocol", chosen);
            Ok(response)
        };
        let socket = accept_hdr_async(stream, check).await.ok()?;
        Some(Self {
            socket,
            events: Vec::new(),
            witness: Witness::default(),
        })
    }

    /// The next frame; security events are answered by the way and kept.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            let frame = self.raw().await;
            if frame[2] != "SecurityEventNotification" {
                return frame;
            }
            self.answer(&frame, json!({})).await;
            self.events.push(frame[3].clone());
        }
    }

    /// The next frame, whatever it is.
    pub(super) async fn raw(&mut self) -> Value {
        loop {
            let message = timeout(SOON, self.socket.next()).await.unwrap();
            if let Message::Text(text) = message.unwrap().unwrap() {
                return self.hears(&text);
            }
        }
    }

    /// The frame of a message, which must be a valid one.
    pub(super) fn hears(&mut self, text: &str) -> Value {
        let frame = serde_json::from_str(text).unwrap();
        self.witness.heard(&frame);
        frame
    }

    pub(super) async fn call(&mut self, action: &str) -> Value {
        let frame = self.next().await;
        assert_eq!((&frame[0], &frame[2]), (&json!(2), &json!(action)));
        frame
    }

    pub(super) async fn status(&mut self) -> Value {
        let call = self.call("StatusNotification").await;
        self.answer(&call, json!({})).await;
        call[3].clone()
    }

    pub(super) async fn accept_boot(&mut self) {
        let boot = self.call("BootNotification").await;
        self.answer(&boot, registered("Accepted", 300)).await;
    }

    pub(super) async fn answer(&mut self, call: &Value, payload: Value) {
        let frame = json!([3, call[1], payload]);
        self.witness.said(&frame);
        self.send(&frame.to_string()).await;
    }

    /// Calls the charge point; the answer is a frame of its own.
    pub(super) async fn ask(&mut self, id: &str, action: &str, fields: &Value) {
        let frame = json!([2, id, action, fields]);
        self.witness.said(&frame);
        self.send(&frame.to_string()).await;
    }

    /// Sends a text as it is; what is a call in it may be answered.
    pub(super) async fn send(&mut self, text: &str) {
        self.witness.sent(text);
        self.socket.send(Message::text(text)).await.unwrap();
    }
}

/// A download of this charge point.
const LEFT_BEHIND: &str = "firmware-CP-1.part";

fn copy_journal(from: &Path, to: &Path) -> std::io::Result<()> {
    for file in ["journal.sqlite", "journal.sqlite-wal"] {
        std::fs::copy(from.join(file), to.join(file))?;
    }
    if from.join(LEFT_BEHIND).exists() {
        std::fs::copy(from.join(LEFT_BEHIND), to.join(LEFT_BEHIND))?;
    }
    let (from, to) = (from.join("ocpp"), to.join("ocpp"));
    if from.exists() {
        std::fs::create_dir(&to)?;
        for file in std::fs::read_dir(&from)? {
            let name = file?.file_name();
            std::fs::copy(from.join(&name), to.join(&name))?;
        }
    }
    Ok(())
}

pub(super) fn charge_point() -> ChargePointId {
    ChargePointId::new("CP-1").unwrap()
}

fn view(status: ConnectorStatus, fault: Option<&str>) -> ChargePointView {
    let connector = ConnectorId::new(1).unwrap();
    ChargePointView {
        announcement: Announcement {
            charge_point: charge_point(),
            vendor: "Heidelberg".to_owned(),
            model: "Energy Control".to_owned(),
            connectors: vec![ConnectorAnnouncement {
                connector,
                kind: ConnectorType::Type2,
                max_power: Watts(11_040),
            }],
            central_system: None,
        },
        status: ChargePointStatus::Available,
        online: true,
        last_answer: None,
        serial: Some("4711".to_owned()),
        firmware: Some("1.0.8".to_owned()),
        connectors: vec![ConnectorView {
            connector,
            status,
            observed: None,
            error_code: fault.map(|_| 12),
            fault: fault.map(|message| DeviceFault {
                message: message.to_owned(),
                remedy: "Replace it.".to_owned(),
            }),
            limit: Milliamps(16_000),
            limit_owner: LimitOwner::Installation,
            limit_read_back: None,
            power: None,
            meter: None,
            session: None,
        }],
    }
}

impl Csms {
    /// Accepts the boot and takes both statuses.
    pub(super) async fn welcome(&mut self) {
        self.accept_boot().await;
        self.status().await;
        self.status().await;
    }
}
