//! The live fleet in memory: what every charge point does now, and the counts of each organisation.
//! Behind a gateway, status and counts come from its snapshots, sessions and energy from its facts;
//! a charge point that connects itself tells all of it by its messages.
//! Reads take short locks and no database; only ingest writes.

mod counts;
mod direct;
mod energy;
mod load;
mod view;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use jiff::{Timestamp, tz::TimeZone};
use site_model::{ChargePointId, GatewayId, SessionId};

use crate::id::OrganisationId;
use counts::Counts;
pub use direct::Told;
pub use energy::SessionEnergy;
pub(crate) use load::{KIND_UNKNOWN, damaged, registrations, zone_of};
pub(crate) use view::Answer;
pub use view::{
    ChargePointLive, ConnectorLive, FleetSummary, Observation, RegisteredConnector, Registration,
    SILENCE_MS,
};

/// A change that the facts of one batch make, applied after its commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// A charge point is registered, or described anew, or came to another gateway.
    Registered(Registration),
    /// A session began.
    SessionStarted(SessionId, SessionEnergy),
    /// Register of a running session.
    SessionRead {
        /// Which session.
        session: SessionId,
        /// Time in ms.
        at_ms: i64,
        /// Register in Wh.
        meter_wh: u64,
    },
    /// A charge point that connects itself told something of itself.
    Told(ChargePointId, Told),
    /// A charge point is registered no longer.
    Removed(ChargePointId),
    /// A session ended.
    SessionEnded {
        /// Which session.
        session: SessionId,
        /// Time in ms.
        at_ms: i64,
        /// Register in Wh.
        meter_wh: u64,
    },
}

/// The fleet; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Fleet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Locked before `live` wherever both are held.
    state: RwLock<State>,
    live: RwLock<HashMap<ChargePointId, Arc<ChargePointLive>>>,
}

#[derive(Debug, Default)]
struct State {
    organisations: HashMap<OrganisationId, OrganisationLive>,
    /// Gateways that are connected.
    connected: HashSet<GatewayId>,
    by_gateway: HashMap<GatewayId, Vec<ChargePointId>>,
}

#[derive(Debug)]
struct OrganisationLive {
    zone: TimeZone,
    counts: Counts,
    energy: energy::Energy,
}

impl Default for OrganisationLive {
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            counts: Counts::default(),
            energy: energy::Energy::default(),
        }
    }
}

impl State {
    fn forget_link(&mut self, live: &ChargePointLive) {
        let ids = live.gateway.as_ref();
        if let Some(ids) = ids.and_then(|gateway| self.by_gateway.get_mut(gateway)) {
            ids.retain(|other| *other != live.charge_point_id);
        }
    }
}

impl Fleet {
    /// The charge point with this id, of whichever organisation.
    #[must_use]
    pub fn find(&self, id: &ChargePointId) -> Option<Arc<ChargePointLive>> {
        self.live().get(id).cloned()
    }

    /// The charge points of an organisation, by id.
    #[must_use]
    pub fn of(&self, organisation: &OrganisationId) -> Vec<Arc<ChargePointLive>> {
        let live = self.live();
        let own = live
            .values()
            .filter(|one| one.organisation == *organisation);
        let mut own: Vec<_> = own.cloned().collect();
        drop(live);
        own.sort_unstable_by(|a, b| a.charge_point_id.cmp(&b.charge_point_id));
        own
    }

    /// Counts and energy of one organisation; zeros for one without charge points.
    #[must_use]
    pub fn summary(&self, organisation: &OrganisationId, now: Timestamp) -> FleetSummary {
        let state = self.state();
        state
            .organisations
            .get(organisation)
            .map_or_else(FleetSummary::default, |organisation| {
                let day_start_ms = start_of_day_ms(now, &organisation.zone);
                let energy_today_wh = organisation.energy.today(day_start_ms);
                organisation.counts.summary(energy_today_wh)
            })
    }

    /// Charge points that a gateway speaks for.
    #[must_use]
    pub fn count_of(&self, gateway: &GatewayId) -> usize {
        self.state().by_gateway.get(gateway).map_or(0, Vec::len)
    }

    /// Makes an organisation known with the time zone its days run in.
    pub fn set_zone(&self, organisation: &OrganisationId, zone: TimeZone) {
        let mut state = self.state_mut();
        let organisation = state.organisations.entry(organisation.clone()).or_default();
        organisation.zone = zone;
    }

    /// Applies what one transaction changed; `organisation` is whose charge points they are.
    pub fn apply(&self, organisation: &OrganisationId, updates: Vec<Update>) {
        let mut state = self.state_mut();
        for update in updates {
            match update {
                Update::Registered(registration) => self.register(&mut state, registration),
                Update::SessionStarted(session, energy) => {
                    let shown = self.shown_energy(&energy.charge_point, &session);
                    let charge_point = energy.charge_point.clone();
                    let energies = energies(&mut state, organisation);
                    energies.start(session.clone(), energy);
                    if let Some((at_ms, energy_wh)) = shown {
                        energies.observe(&session, &charge_point, at_ms, energy_wh);
                    }
                }
                Update::Told(charge_point, told) => {
                    self.change(&mut state, &charge_point, |live| live.be_told(told));
                }
                Update::Removed(charge_point) => self.remove(&mut state, &charge_point),
                Update::SessionRead {
                    session,
                    at_ms,
                    meter_wh,
                } => energies(&mut state, organisation).read(&session, at_ms, meter_wh),
                Update::SessionEnded {
                    session,
                    at_ms,
                    meter_wh,
                } => energies(&mut state, organisation).end(&session, at_ms, meter_wh),
            }
        }
    }

    /// Notes whether a gateway is connected.
    pub fn set_connected(&self, gateway: &GatewayId, connected: bool, now: Timestamp) {
        let mut state = self.state_mut();
        if connected {
            state.connected.insert(gateway.clone());
        } else {
            state.connected.remove(gateway);
        }
        let ids = state.by_gateway.get(gateway).cloned().unwrap_or_default();
        for id in ids {
            self.change(&mut state, &id, |live| {
                live.online = live.is_reachable(connected, now);
            });
        }
    }

    /// Takes a snapshot of a charge point of this gateway. An older one than the latest is ignored.
    pub fn observe(&self, gateway: &GatewayId, observation: &Observation, now: Timestamp) {
        let mut state = self.state_mut();
        let Some(held) = self.find(&observation.charge_point) else {
            return;
        };
        if held.gateway.as_ref() != Some(gateway) || held.is_ahead_of(observation) {
            return;
        }
        let connected = state.connected.contains(gateway);
        self.change(&mut state, &observation.charge_point, |live| {
            live.take(observation, now);
            live.online = live.is_reachable(connected, now);
        });
        let energies = energies(&mut state, &held.organisation);
        for (connector, energy_wh) in &observation.connectors {
            if let Some(session) = &connector.session {
                let (id, at_ms) = (&observation.charge_point, observation.made_at_ms);
                energies.observe(session, id, at_ms, *energy_wh);
            }
        }
    }

    /// Charge points that fell silent go offline; days that ended are settled. Call it every second.
    pub fn sweep(&self, now: Timestamp) {
        let mut state = self.state_mut();
        let silent: Vec<ChargePointId> = self
            .live()
            .values()
            .filter(|live| live.online && !live.is_still_heard(now))
            .map(|live| live.charge_point_id.clone())
            .collect();
        for id in silent {
            self.change(&mut state, &id, |live| live.online = false);
        }
        for organisation in state.organisations.values_mut() {
            let day_start_ms = start_of_day_ms(now, &organisation.zone);
            organisation.energy.settle(day_start_ms);
        }
    }

    fn replace_sessions(
        &self,
        organisation: &OrganisationId,
        running: HashMap<SessionId, SessionEnergy>,
        ended: HashMap<SessionId, SessionEnergy>,
    ) {
        *energies(&mut self.state_mut(), organisation) = energy::Energy::new(running, ended);
    }

    fn register(&self, state: &mut State, registration: Registration) {
        let id = registration.charge_point.clone();
        let held = self.find(&id);
        if let Some(old) = &held
            && old.gateway != registration.gateway
        {
            state.forget_link(old);
            energies(state, &old.organisation).end_all_of(&id);
        }
        if let Some(gateway) = &registration.gateway {
            let ids = state.by_gateway.entry(gateway.clone()).or_default();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let same_gateway = held.filter(|old| old.gateway == registration.gateway);
        let live = match same_gateway {
            Some(old) => ChargePointLive {
                connectors: old.connectors_described_by(&registration),
                external: registration.external,
                ..ChargePointLive::clone(&old)
            },
            None => ChargePointLive::registered(registration),
        };
        self.put(state, live);
    }

    fn remove(&self, state: &mut State, id: &ChargePointId) {
        let removed = self.live_mut().remove(id);
        let Some(old) = removed else { return };
        state.forget_link(&old);
        energies(state, &old.organisation).end_all_of(id);
        if let Some(organisation) = state.organisations.get_mut(&old.organisation) {
            organisation.counts.remove(&old);
        }
    }

    fn shown_energy(&self, id: &ChargePointId, session: &SessionId) -> Option<(i64, u64)> {
        let live = self.find(id)?;
        let connector = live
            .connectors
            .iter()
            .find(|connector| connector.active_session_id.as_ref() == Some(session))?;
        Some((live.heard.as_ref()?.made_at_ms, connector.session_energy_wh))
    }

    fn change(
        &self,
        state: &mut State,
        id: &ChargePointId,
        change: impl FnOnce(&mut ChargePointLive),
    ) {
        if let Some(held) = self.find(id) {
            let mut live = ChargePointLive::clone(&held);
            change(&mut live);
            if live != *held {
                self.put(state, live);
            }
        }
    }

    /// The one place where a charge point is replaced: the counts follow.
    fn put(&self, state: &mut State, live: ChargePointLive) {
        let id = live.charge_point_id.clone();
        let organisation = state
            .organisations
            .entry(live.organisation.clone())
            .or_default();
        organisation.counts.add(&live);
        let old = self.live_mut().insert(id, Arc::new(live));
        if let Some(old) = old
            && let Some(organisation) = state.organisations.get_mut(&old.organisation)
        {
            organisation.counts.remove(&old);
        }
    }

    // A panic while a lock is held leaves whole values behind: every write is one insert or one number.
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> RwLockReadGuard<'_, HashMap<ChargePointId, Arc<ChargePointLive>>> {
        self.0.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn live_mut(&self) -> RwLockWriteGuard<'_, HashMap<ChargePointId, Arc<ChargePointLive>>> {
        self.0.live.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn energies<'a>(state: &'a mut State, organisation: &OrganisationId) -> &'a mut energy::Energy {
    let organisation = state.organisations.entry(organisation.clone()).or_default();
    &mut organisation.energy
}

/// Midnight that began the day of `now`; where a change of the clocks skips midnight, the day's first moment.
fn start_of_day_ms(now: Timestamp, zone: &TimeZone) -> i64 {
    now.to_zoned(zone.clone()).start_of_day().map_or_else(
        |_| now.as_millisecond(),
        |start| start.timestamp().as_millisecond(),
    )
}

#[cfg(test)]
mod tests;
