//! Charge points that are connected by OCPP, of whichever version: who is there, what is asked of
//! them, and what became of it. Knows no message; those are a [`System`]'s.

mod admission;
mod frames;
mod routes;
mod security_events;
mod socket;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ocpp::{ErrorCode, Version};
use serde_json::Value;
use site_model::{ChargePointId, GatewayId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::fleet::Fleet;
use crate::id::OrganisationId;

pub use frames::{Direction, FrameRow, Frames, Recorder};
pub use routes::{Door, UnknownStations, routes};
pub use security_events::{NewEvent, SecurityEvent, SecurityEvents, Source};

/// Orders that wait for one socket's task; one more is refused.
const ORDERS_MAX: usize = 16;
/// How long sockets may take to close when the server stops.
const CLOSING_MAX: Duration = Duration::from_secs(5);

/// Who is at the other end of a socket.
#[derive(Debug, Clone)]
pub struct Station {
    /// Its OCPP identity.
    pub id: ChargePointId,
    /// Whose it is; `None` while it is held: nobody has registered it.
    pub organisation: Option<OrganisationId>,
    /// The gateway that speaks for it.
    pub gateway: Option<GatewayId>,
    /// Since when it is connected.
    pub connected_at: Timestamp,
}

/// Why a call of a station is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// By the protocol.
    pub code: ErrorCode,
    /// For people.
    pub why: String,
}

impl Refused {
    /// A refusal.
    pub fn new(code: ErrorCode, why: impl Into<String>) -> Self {
        Self {
            code,
            why: why.into(),
        }
    }
}

/// The answer to one call, while it is being made.
pub type Answering<V> =
    Pin<Box<dyn Future<Output = Result<<V as Version>::Response, Refused>> + Send>>;

/// What answers the calls of stations: the central system of one version.
pub trait System<V: Version>: Clone + Send + Sync + 'static {
    /// Answers one call. The calls of a socket are answered one after the other.
    fn answer(&self, station: &Arc<Station>, request: V::Request) -> Answering<V>;
}

/// A call to a station.
#[derive(Debug)]
pub struct Order {
    /// Id of the message, 1 to 36 characters.
    pub id: String,
    /// What is asked for.
    pub action: &'static str,
    /// With what; it was checked by the version's rules.
    pub payload: Value,
    /// How long the answer is waited for.
    pub answer_within: Duration,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// The station answered.
    Answered(Value),
    /// The station answered with an error: its code and description.
    Refused(String, String),
    /// The station's answer is not understood, for this reason.
    NotUnderstood(String),
    /// No answer came in time.
    TimedOut,
    /// The socket closed before the answer came; the station may have acted on it.
    Lost,
    /// It was not sent, for this reason.
    NotSent(&'static str),
}

/// A call's whole story.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What became of it.
    pub fate: Fate,
    /// When it was written to the socket.
    pub sent_at: Option<Timestamp>,
    /// From sending to its end.
    pub took: Duration,
    /// The frame that was sent.
    pub request_frame: Option<String>,
    /// The frame that came back.
    pub response_frame: Option<String>,
}

impl Outcome {
    fn not_sent(why: &'static str) -> Self {
        Self {
            fate: Fate::NotSent(why),
            sent_at: None,
            took: Duration::ZERO,
            request_frame: None,
            response_frame: None,
        }
    }
}

/// An order on its way to a socket's task. Boxed: what waits in a channel takes room even if empty.
type Envelope = Box<(Order, oneshot::Sender<Outcome>)>;

/// The stations that are connected; clones share them.
#[derive(Debug, Clone)]
pub struct Stations(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    fleet: Fleet,
    recorder: Recorder,
    sockets: Mutex<HashMap<ChargePointId, Entry>>,
    places: Arc<Semaphore>,
    next: AtomicU64,
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    version: &'static str,
    orders: mpsc::Sender<Envelope>,
    replaced: CancellationToken,
}

impl Stations {
    /// Nobody is connected yet, and at most so many will be at one time.
    #[must_use]
    pub fn new(clock: Clock, fleet: Fleet, recorder: Recorder, sockets_max: usize) -> Self {
        Self(Arc::new(Shared {
            clock,
            fleet,
            recorder,
            sockets: Mutex::default(),
            places: Arc::new(Semaphore::new(sockets_max)),
            next: AtomicU64::new(0),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// The version that a connected station speaks; `None` if it is not connected.
    #[must_use]
    pub fn version_of(&self, id: &ChargePointId) -> Option<&'static str> {
        self.sockets().get(id).map(|entry| entry.version)
    }

    /// How many are connected.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sockets().len()
    }

    /// Closes the socket of a station, for instance because it was deleted.
    pub fn close(&self, id: &ChargePointId) {
        if let Some(entry) = self.sockets().get(id) {
            entry.replaced.cancel();
        }
    }

    /// Sends a call and waits for its end. `None`: the station is not connected.
    pub async fn call(&self, id: &ChargePointId, order: Order) -> Option<Outcome> {
        let orders = self.sockets().get(id)?.orders.clone();
        let (outcome, told) = oneshot::channel();
        match orders.try_send(Box::new((order, outcome))) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                return Some(Outcome::not_sent(
                    "too many calls are waiting for this charge point",
                ));
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return None,
        }
        // A task that ends before it took the order drops it.
        let lost = Outcome::not_sent("the socket closed before it was sent");
        Some(told.await.unwrap_or(lost))
    }

    /// Closes all sockets with a word of farewell, and waits for them a little.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        let closed = tokio::time::timeout(CLOSING_MAX, self.0.tasks.wait()).await;
        if closed.is_err() {
            let left = self.0.tasks.len();
            tracing::warn!(sockets = left, "Charge points did not close in time");
        }
    }

    /// Takes the place of a station for a new socket; an older socket of the same station is closed.
    /// `None` when no place is free or the server is stopping.
    fn sit_down(&self, id: &ChargePointId, version: &'static str) -> Option<Seat> {
        if self.0.stop.is_cancelled() {
            return None;
        }
        let Ok(place) = Arc::clone(&self.0.places).try_acquire_owned() else {
            let connected = self.count();
            tracing::warn!(charge_point = %id, connected, "Charge point was refused: {connected} are connected, which are all that there is room for");
            // Its own older socket, if it has one, makes room for its next attempt.
            self.close(id);
            return None;
        };
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        let replaced = CancellationToken::new();
        let entry = Entry {
            number,
            version,
            orders,
            replaced: replaced.clone(),
        };
        let older = self.sockets().insert(id.clone(), entry);
        if let Some(older) = older {
            tracing::info!(charge_point = %id, "A second socket of this charge point closes the first");
            older.replaced.cancel();
        }
        Some(Seat {
            id: id.clone(),
            number,
            orders: taken,
            replaced,
            stations: self.clone(),
            _place: place,
        })
    }

    fn sockets(&self) -> MutexGuard<'_, HashMap<ChargePointId, Entry>> {
        self.0
            .sockets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// One socket's place among the stations; it is left when this is dropped.
#[derive(Debug)]
struct Seat {
    id: ChargePointId,
    number: u64,
    orders: mpsc::Receiver<Envelope>,
    replaced: CancellationToken,
    stations: Stations,
    _place: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut sockets = self.stations.sockets();
        if sockets
            .get(&self.id)
            .is_some_and(|entry| entry.number == self.number)
        {
            sockets.remove(&self.id);
            drop(sockets);
            self.stations.0.fleet.lose(&self.id);
        }
    }
}
