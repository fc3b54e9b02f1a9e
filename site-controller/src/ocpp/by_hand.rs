//! Links without sockets: whoever holds them carries their frames and says when they turn. For a world
//! whose time is simulated; everything between the frames and the journal is what runs over sockets.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ocpp::Tenths;
use ocpp::v16::Measurand;
use site_model::ChargePointId;
use station::profiles::Electrics;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Around, Endpoint, Link, LinkParts, REQUESTS_MAX, StationRequest, StationStatus, Stations, Url,
    forget_others,
};
use crate::clock::Clock;
use crate::store::Store;
use crate::uplink::Tls;

/// What [`Stations::by_hand`] makes.
#[derive(Debug)]
pub struct LinksByHand {
    /// The core's handle.
    pub stations: Stations,
    /// One for each charge point.
    pub links: Vec<LinkByHand>,
    /// What central systems want.
    pub requests: mpsc::Receiver<StationRequest>,
}

/// One charge point's link. Nobody is let charge by its gate, and no profile limits it.
#[derive(Debug)]
pub struct LinkByHand(Link);

impl Stations {
    /// Links for charge points of one connector each, without a password. `last_sequence` is the
    /// journal's end.
    pub async fn by_hand(
        charge_points: &[ChargePointId],
        store: &Store,
        last_sequence: u64,
        clock: &Clock,
    ) -> LinksByHand {
        let (requests, received) = mpsc::channel(REQUESTS_MAX);
        let (desk, _nobody_is_there) = mpsc::channel(1);
        let (mut stations, mut links) = (Self::default(), Vec::new());
        let around = Around {
            store: store.clone(),
            clock: clock.clone(),
            requests: requests.clone(),
            owed: stations.owed.clone(),
            ends: stations.committed.subscribe(),
            stop: CancellationToken::new(),
        };
        let parts = LinkParts {
            store,
            around: &around,
            last_sequence,
            clock,
            desk: &desk,
            turn: Arc::new(Semaphore::new(1)),
            requests,
        };
        let endpoints: Vec<Endpoint> = charge_points.iter().map(endpoint).collect();
        forget_others(&endpoints, store).await;
        for endpoint in endpoints {
            let link = parts.link(endpoint).await;
            let charge_point = link.task.endpoint.charge_point.clone();
            let shared = Arc::clone(&link.task.shared);
            stations.links.insert(charge_point, shared);
            links.push(LinkByHand(link));
        }
        LinksByHand {
            stations,
            links,
            requests: received,
        }
    }
}

fn endpoint(charge_point: &ChargePointId) -> Endpoint {
    Endpoint {
        charge_point: charge_point.clone(),
        electrics: vec![Electrics {
            voltage_mv: 230_000,
            phases: 3,
            switches_phases: false,
            max: Tenths(160),
        }],
        measurands: vec![Measurand::EnergyActiveImportRegister],
        url: Url {
            encrypted: false,
            host: "csms.invalid".to_owned(),
            port: 80,
            path: String::new(),
        },
        tls: Tls::Off,
        password: None,
        external: true,
    }
}

impl LinkByHand {
    /// Whose it is.
    #[must_use]
    pub fn charge_point(&self) -> &ChargePointId {
        &self.0.task.endpoint.charge_point
    }

    /// A socket stands.
    pub fn connected(&mut self) {
        self.0.task.connected();
    }

    /// The socket broke, for this reason.
    pub fn broken(&mut self, problem: &str) {
        self.0.task.tell(problem.to_owned());
    }

    /// The frames to write now, in order. Waits for the journal, and for the core.
    pub async fn say(&mut self) -> Vec<String> {
        self.0.task.prepare().await;
        std::iter::from_fn(|| self.0.task.next_frame()).collect()
    }

    /// Takes a text message; gives the frame that answers it. Waits as [`LinkByHand::say`] does.
    ///
    /// # Errors
    /// Why the socket is to be closed.
    pub async fn hear(&mut self, text: &str) -> Result<Option<String>, &'static str> {
        self.0.task.heard(text).await
    }

    /// Gives up what was not answered in time.
    ///
    /// # Errors
    /// Why another socket is needed.
    pub fn expire(&mut self) -> Result<(), String> {
        let task = &mut self.0.task;
        task.station.expire(&task.clock.now()).map_or(Ok(()), Err)
    }

    /// Whether there is something new to say since this was asked last.
    pub fn is_called(&mut self) -> bool {
        let called = pin!(self.0.task.shared.changed.notified());
        let mut context = Context::from_waker(Waker::noop());
        matches!(called.poll(&mut context), Poll::Ready(()))
    }

    /// When it has something to say or to give up, if nothing else happens; `within` at the latest.
    #[must_use]
    pub fn wake_at(&self, within: Duration) -> Instant {
        self.0.task.wake_at(Instant::now() + within)
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> StationStatus {
        self.0.task.shared.state().status.clone()
    }
}
