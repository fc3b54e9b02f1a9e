//! The site as one state machine: journaled state, observations, and the event's way through them.

use std::collections::BTreeMap;

use site_model::{
    Announcement, Change, ChargePointId, ConnectorAnnouncement, DeviceId, Fact, Monotonic,
    Reconstruction, SessionId, StopReason, Timestamp,
};

use crate::commands::Refusals;
use crate::config::{ChargePointConfig, ConnectorConfig, SiteConfig};
use crate::connector::PREPARING_MAX_MS;
use crate::decision::{Decision, Event, Moment};
use crate::limits::SetPoint;
use crate::live::Live;
use crate::session::{CLOSING_MAX_MS, FAULT_MAX_MS, METER_START_WAIT_MS, ms_to_next_meter_read};
use crate::state::{ConnectorState, Key, State};
use crate::turn::Turn;
use crate::view::Published;

/// A configured connector and what is observed of it.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    pub(crate) key: Key,
    pub(crate) config: ConnectorConfig,
    pub(crate) live: Live,
    /// Its view may have changed in this turn.
    pub(crate) touched: bool,
}

/// Decides for one site. State changes only by [`Site::apply`], so that a restart is a replay.
#[derive(Debug, Clone)]
pub struct Site {
    pub(crate) charge_points: Vec<ChargePointConfig>,
    pub(crate) connectors: Vec<Connector>,
    by_device: BTreeMap<DeviceId, Vec<usize>>,
    pub(crate) state: State,
    pub(crate) storage_failed: bool,
    pub(crate) refusals: Refusals,
    pub(crate) published: BTreeMap<ChargePointId, Published>,
    pub(crate) latest: Option<Timestamp>,
    pub(crate) turns: u64,
}

impl Site {
    /// A site without history. Replay the journal with [`Site::apply`], then handle
    /// [`Event::Started`] before any other event. Check the configuration with
    /// [`SiteConfig::faults`] first: of a faulty one the core makes what it safely can.
    #[must_use]
    pub fn new(config: SiteConfig) -> Self {
        let mut site = Self {
            charge_points: config.charge_points,
            connectors: Vec::new(),
            by_device: BTreeMap::new(),
            state: State::default(),
            storage_failed: false,
            refusals: Refusals::default(),
            published: BTreeMap::new(),
            latest: None,
            turns: 0,
        };
        for charge_point in &site.charge_points {
            for config in &charge_point.connectors {
                let key = Key {
                    charge_point: charge_point.id.clone(),
                    connector: config.id,
                };
                site.state
                    .connectors
                    .insert(key.clone(), ConnectorState::default());
                for device in [&config.device, &config.energy.device] {
                    let users = site.by_device.entry(device.clone()).or_default();
                    if !users.contains(&site.connectors.len()) {
                        users.push(site.connectors.len());
                    }
                }
                site.connectors.push(Connector {
                    key,
                    config: config.clone(),
                    live: Live::default(),
                    touched: false,
                });
            }
        }
        site
    }

    /// Answers one event. Times of one boot never go back.
    pub fn handle(&mut self, moment: &Moment, event: Event) -> Decision {
        let mut turn = Turn::new(self, moment);
        turn.take_in(event);
        turn.settle();
        turn.finish()
    }

    /// Folds one fact into the state: in replay, and for every fact that [`Site::handle`] makes.
    pub fn apply(&mut self, fact: &Fact) {
        self.state.apply(fact);
    }

    /// When [`Event::DeadlinePassed`] is due at the latest, if nothing else happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let now = self.latest?;
        let open = self.state.commands.open.values();
        let orders = open.map(|command| command.value.expires_at).min();
        let connectors = (0..self.connectors.len()).filter_map(|i| self.deadline_of(i, now));
        let reservations = self.next_reservation_end(now);
        let others = orders.into_iter().chain(reservations);
        connectors.min().into_iter().chain(others).min()
    }

    fn deadline_of(&self, i: usize, now: Timestamp) -> Option<Monotonic> {
        let live = &self.connectors[i].live;
        let state = self.journaled(i);
        let mut deadlines: Vec<Monotonic> = Vec::new();
        if let Some(session) = &state.session {
            deadlines.push(now.monotonic.plus_ms(ms_to_next_meter_read(now.wall)));
            let started = session.started;
            let waits = live.vehicle == Some(site_model::VehicleState::B)
                && started.boot == now.boot
                && !state.is_ending();
            let suspended = started.monotonic.plus_ms(PREPARING_MAX_MS);
            if waits && suspended > now.monotonic {
                deadlines.push(suspended);
            }
            match (&live.closing, live.fault_since) {
                (Some(closing), _) => deadlines.push(closing.since.plus_ms(CLOSING_MAX_MS)),
                (None, Some(since)) => deadlines.push(since.plus_ms(FAULT_MAX_MS)),
                (None, None) => {}
            }
        }
        if let Some(wanted) = live.start_wanted {
            deadlines.push(wanted.plus_ms(METER_START_WAIT_MS));
        }
        deadlines.into_iter().min()
    }

    /// Sessions that run, in order of charge point and connector.
    #[must_use]
    pub fn open_sessions(&self) -> Vec<SessionId> {
        let connectors = self.state.connectors.values();
        connectors
            .filter_map(|connector| connector.session.as_ref().map(|session| session.id.clone()))
            .collect()
    }

    /// The fewest facts whose replay on an empty site rebuilds the journaled state.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<Fact> {
        self.state.checkpoint()
    }

    /// Whether both hold the same journaled state, whatever they observed and timed.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.state == other.state
    }

    pub(crate) fn connectors_of(&self, device: &DeviceId) -> Vec<usize> {
        self.by_device.get(device).cloned().unwrap_or_default()
    }

    pub(crate) fn journaled(&self, i: usize) -> &ConnectorState {
        self.state
            .connectors
            .get(&self.connectors[i].key)
            .expect("`new` makes a state for every configured connector and nothing removes one")
    }
}

impl Turn<'_> {
    /// The daemon came up: everything observed is learned anew, and what the last boot left
    /// half done is brought to an end.
    pub(crate) fn start(&mut self) {
        for i in 0..self.site.connectors.len() {
            let state = self.state(i);
            let live = Live {
                unseen_since: state.session_last_alive(),
                setpoint: SetPoint::replayed(state.granted_limit()),
                ..Live::default()
            };
            *self.live_mut(i) = live;
            self.touch(i);
        }
        self.announce();
        self.close_commands_of_last_boot();
        self.end_sessions_of_removed_connectors();
        self.take_removed_charge_points_away();
    }

    fn announce(&mut self) {
        let announcements: Vec<Announcement> =
            self.site.charge_points.iter().map(announcement).collect();
        for mut announcement in announcements {
            let state = &self.site.state;
            let known = state.announced.get(&announcement.charge_point);
            let known = known.map(|known| &known.value);
            if let Some(known) = known
                && state.is_busy(&announcement.charge_point)
            {
                announcement.central_system = known.central_system.clone();
            }
            let moves =
                known.is_some_and(|known| known.central_system != announcement.central_system);
            if moves {
                self.go_over(announcement);
            } else if known != Some(&announcement) {
                self.record(Change::ChargePointAnnounced(announcement));
            }
        }
    }

    /// A charge point goes over to another central system while no session runs there: each session
    /// is told, whole, to the one that it began with.
    pub(crate) fn settle_central_systems(&mut self) {
        let state = &self.site.state;
        let moving = self.site.charge_points.iter().filter(|config| {
            let known = state.announced.get(&config.id);
            known.is_some_and(|known| known.value.central_system != config.central_system)
                && !state.is_busy(&config.id)
        });
        let moving: Vec<Announcement> = moving.map(announcement).collect();
        for announcement in moving {
            self.go_over(announcement);
        }
    }

    /// Whom a central system had a connector kept for is nobody to the next one.
    fn go_over(&mut self, announcement: Announcement) {
        self.end_reservations_of(&announcement.charge_point);
        self.record(Change::ChargePointAnnounced(announcement));
    }

    /// A charge point that is no longer configured has no central system.
    fn take_removed_charge_points_away(&mut self) {
        let announced = self.site.state.announced.values().map(|known| &known.value);
        let configured = &self.site.charge_points;
        let removed = announced.filter(|known| {
            let mut configured = configured.iter();
            known.central_system.is_some() && !configured.any(|one| one.id == known.charge_point)
        });
        let removed: Vec<Announcement> = removed.cloned().collect();
        for known in removed {
            self.go_over(Announcement {
                central_system: None,
                ..known
            });
        }
    }

    /// A connector that is no longer configured cannot be observed: its session ends with the
    /// last register the journal tells of.
    fn end_sessions_of_removed_connectors(&mut self) {
        let mut ends = Vec::new();
        for (key, state) in &self.site.state.connectors {
            let configured = self.site.connectors.iter().any(|c| c.key == *key);
            if let (false, Some(session)) = (configured, &state.session) {
                let alive = state.session_last_alive().unwrap_or(self.now.wall);
                ends.push(Change::SessionEnded {
                    session: session.id.clone(),
                    charge_point: key.charge_point.clone(),
                    connector: key.connector,
                    meter_stop: state.register.total,
                    reason: StopReason::Other,
                    id_tag: None,
                    reconstructed: Some(Reconstruction {
                        not_before: alive.min(self.now.wall),
                        not_after: self.now.wall,
                    }),
                });
            }
        }
        for end in ends {
            self.record(end);
        }
    }
}

pub(crate) fn announcement(config: &ChargePointConfig) -> Announcement {
    let connectors = config.connectors.iter();
    Announcement {
        charge_point: config.id.clone(),
        vendor: config.vendor.clone(),
        model: config.model.clone(),
        connectors: connectors
            .map(|connector| ConnectorAnnouncement {
                connector: connector.id,
                kind: connector.kind,
                max_power: connector.max_power(),
            })
            .collect(),
        central_system: config.central_system.clone(),
    }
}
