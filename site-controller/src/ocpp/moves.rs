//! A charge point goes over to another central system when the journal says so: its link takes the new
//! endpoint and the queue that goes with it. What is owed to the old one is told beside it (`farewell`).

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use site_model::ChargePointId;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::endpoint::Endpoint;
use super::farewell::{Around, Farewells};
use super::queue::Queue;
use super::security::Security;
use super::station::{Registration, Station};
use super::task::Task;
use super::{Shared, settings_of};
use crate::back_off::BackOff;
use crate::store::lines::{self, Line, Stored};
use crate::store::stations;

/// At its start the site says where a charge point is to be within this time.
const PLACE_KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// Where a charge point stands.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) line: Line,
    pub(super) endpoint: Endpoint,
    pub(super) security: Security,
    /// Everything up to this sequence is told there, or is nothing to tell.
    pub(super) cursor: u64,
    /// Starts and ends of sessions that wait.
    pub(super) waiting: u64,
    /// Messages that no central system would take, and why the newest.
    pub(super) set_aside: (u64, Option<String>),
    /// Where it was.
    pub(super) left: Vec<Stored>,
}

/// Where the file says that the charge point stands. While it cannot be had nothing is told; the
/// daemon's notices say why.
pub(super) async fn place_of(configured: &Endpoint, around: &Around) -> Place {
    let (id, url) = (configured.charge_point.clone(), configured.url.to_string());
    let (now, end) = (around.clock.now(), *around.ends.borrow());
    let now_ms = now.wall_known.then_some(now.wall.0);
    let found = around.store.work(move |db| {
        let lines = lines::begin(db, &id, &url, end, now_ms)?;
        let name = lines
            .here
            .as_ref()
            .map_or(id.as_str(), |here| &here.line.name);
        let cursor = stations::cursor(db, name)?;
        Ok::<_, rusqlite::Error>((cursor, stations::aside(db, &id)?, lines))
    });
    let charge_point = &configured.charge_point;
    let (cursor, set_aside, found) = found.await.unwrap_or_else(|problem| {
        tracing::error!(charge_point.id = %charge_point, "Its transactions are told after the next start: {problem}");
        (u64::MAX, (0, None), lines::Lines::default())
    });
    let here = found.here.unwrap_or_else(|| Stored {
        line: Line::first(charge_point),
        url: configured.url.to_string(),
        left_at_ms: None,
        waiting: 0,
    });
    let (security, endpoint) = door(configured, &here, around).await;
    Place {
        line: here.line,
        endpoint,
        security,
        cursor,
        waiting: here.waiting,
        set_aside,
        left: found.left,
    }
}

/// The configured endpoint, unless the charge point is still at another one.
async fn door(configured: &Endpoint, here: &Stored, around: &Around) -> (Security, Endpoint) {
    let dir = around.store.dir();
    if configured.url.to_string() != here.url {
        match Security::kept(dir, &here.line, &here.url).await {
            Ok((security, endpoint)) => {
                let endpoint = Endpoint {
                    electrics: configured.electrics.clone(),
                    measurands: configured.measurands.clone(),
                    ..endpoint
                };
                return (security, endpoint);
            }
            Err(error) => {
                tracing::error!(charge_point.id = %here.line.charge_point, "It is at {}: {error}", here.url);
            }
        }
    }
    let security = Security::load(dir, &here.line, configured).await;
    (security, configured.clone())
}

/// Charge points that have no endpoint any more, and owe.
pub(super) async fn without_endpoint(
    links: &BTreeMap<ChargePointId, Arc<Shared>>,
    around: &Around,
) -> Vec<Farewells> {
    let now = around.clock.now();
    let now_ms = now.wall_known.then_some(now.wall.0);
    let known: Vec<ChargePointId> = links.keys().cloned().collect();
    let found = around.store.work(move |db| {
        let mut others = lines::charge_points(db)?;
        others.retain(|id| !known.contains(id));
        let found = others.iter().map(|id| lines::follow(db, id, false, now_ms));
        found.collect::<rusqlite::Result<Vec<_>>>()
    });
    let found = found.await.unwrap_or_else(|problem| {
        tracing::error!("What charge points owe to central systems that they have left is told after the next start: {problem}");
        Vec::new()
    });
    let mut all = Vec::new();
    for lines in found {
        let mut farewells = Farewells::new(around.clone(), None);
        farewells.begin(lines.left).await;
        if let Some(here) = lines.here {
            farewells.tell(here, false);
        }
        all.push(farewells);
    }
    all
}

impl Task {
    /// Before the first socket: the site says whether the charge point stays where it is.
    pub(super) async fn find_place(&mut self, stop: &CancellationToken) {
        let until = Instant::now() + PLACE_KNOWN_WITHIN;
        let shared = Arc::clone(&self.shared);
        while self.endpoint.url != self.configured.url && !self.moved().await {
            let (shown, leaves) = {
                let state = shared.state();
                (state.face.is_some(), state.leaves)
            };
            if shown && !leaves {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = shared.changed.notified() => {}
                () = sleep_until(until) => return,
            }
        }
    }

    /// Rests between two sockets, unless it goes elsewhere; `false`: it was told to stop meanwhile.
    pub(super) async fn rest(
        &mut self,
        back_off: &mut BackOff,
        stood: Duration,
        stop: &CancellationToken,
    ) -> bool {
        let shared = Arc::clone(&self.shared);
        let mut rest = pin!(back_off.rest(stood, stop));
        loop {
            if self.moved().await {
                return true;
            }
            tokio::select! {
                rested = &mut rest => return rested,
                () = shared.changed.notified() => {}
            }
        }
    }

    /// Goes over where the journal says that the charge point is; whether it did.
    pub(super) async fn moved(&mut self) -> bool {
        if !self.shared.state().leaves {
            return false;
        }
        let (id, now) = (self.endpoint.charge_point.clone(), self.clock.now());
        let now_ms = now.wall_known.then_some(now.wall.0);
        let followed = self
            .store
            .work(move |db| lines::follow(db, &id, true, now_ms));
        let lines = match followed.await {
            Ok(lines) => lines,
            Err(problem) => {
                tracing::debug!(charge_point.id = %self.endpoint.charge_point, "It stays where it is: {problem}");
                return false;
            }
        };
        // While the announcement is on its way into the journal nothing changes.
        let elsewhere = |here: &Stored| here.line != *self.queue.line();
        let Some(here) = lines.here.filter(elsewhere) else {
            return false;
        };
        self.farewells.end(&here.line).await;
        self.go_over(&here).await;
        self.farewells.begin(lines.left).await;
        true
    }

    async fn go_over(&mut self, here: &Stored) {
        let (to, from) = (here.line.clone(), self.queue.line().clone());
        let counted = self.store.work(move |db| lines::taken_over(db, &to, &from));
        let taken = counted.await.unwrap_or_else(|problem| {
            let charge_point = &here.line.charge_point;
            tracing::error!(charge_point.id = %charge_point, "Its transactions are told after the next start: {problem}");
            lines::TakenOver { cursor: u64::MAX, ..lines::TakenOver::default() }
        });
        let (security, endpoint) = door(&self.configured, here, &self.farewells.around).await;
        let settings = settings_of(&self.configured, &self.store).await;
        let access = Access::restored(&endpoint.charge_point, &self.store, settings.clone()).await;
        *self.shared.access() = access;
        self.profiles.forget().await;
        self.asking.forget();
        let wants = settings.meter_values();
        self.shared.meters.lock().configured(wants);
        self.station = Station::new(settings);
        self.station.set_security_profile(security.profile());
        self.extension = self.extension.anew(security);
        self.extension.jobs.clean(&endpoint.charge_point).await;
        let meters = Arc::clone(&self.shared.meters);
        self.queue = Queue::new(self.store.clone(), here.line.clone(), taken.cursor, meters);
        let mut state = self.shared.state();
        let status = &mut state.status;
        status.waiting = status.waiting.saturating_sub(taken.left) + taken.owed_before;
        status.address = endpoint.address();
        (status.connected_since, status.last_error) = (None, None);
        status.registration = Registration::Unknown;
        (state.leaves, state.list_conflict, state.reset) = (false, false, None);
        drop(state);
        tracing::info!(
            charge_point.id = %endpoint.charge_point,
            "{} is at {} from now on", endpoint.charge_point, endpoint.address()
        );
        self.endpoint = endpoint;
    }
}
