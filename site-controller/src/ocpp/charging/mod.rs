//! One charge point's charging profiles: kept in the journal's file, evaluated whether or not the
//! socket stands, and told to the site as what they leave each connector. `station::charging` decides.

mod rows;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use ocpp::Time;
use ocpp::v16::{
    ChargingProfile, ChargingProfileStatus, ClearChargingProfileRequest,
    ClearChargingProfileResponse, ClearChargingProfileStatus, GetCompositeScheduleRequest,
    GetCompositeScheduleResponse, GetCompositeScheduleStatus, Request, Response,
    SetChargingProfileRequest, SetChargingProfileResponse,
};
use site_model::{CommandId, ConnectorId, Milliamps, SessionId, Timestamp};
use station::charging::Charging;
use station::profiles::{Electrics, ProfileRules};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Shared, Verdict, Wish, Wishes};
use crate::clock::Clock;
use crate::store::{Store, profiles, stations};

pub(super) use watch::{Watch, authorization};

/// With profiles installed the limits are looked at anew this often at least: the wall clock may
/// have been set.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// The same while the right time is not known, and after something failed.
const LOOK_SOON: Duration = Duration::from_secs(1);
/// With no profile installed nothing changes by itself.
const FAR: Duration = Duration::from_secs(86_400);
/// The link asks one thing at a time.
const ASKS_MAX: usize = 4;

/// What the link asks.
#[derive(Debug)]
enum Ask {
    /// A call of the Smart Charging profile.
    Call(Request, oneshot::Sender<Result<Response, String>>),
    /// A start with a profile for the transaction that it leads to.
    Start(Box<Start>, oneshot::Sender<bool>),
    /// Whoever installed profiles has no say any more; the file has none.
    Forget,
}

/// A start that comes with a profile.
#[derive(Debug)]
pub(super) struct Start {
    /// The id of its call, where that can be an order's.
    pub(super) id: Option<CommandId>,
    /// Absent: the only one there is.
    pub(super) connector: Option<ConnectorId>,
    pub(super) wish: Wish,
    pub(super) profile: ChargingProfile,
}

/// The end of whoever asks.
#[derive(Debug, Clone)]
pub(super) struct Asks(mpsc::Sender<Ask>);

impl Asks {
    /// The answer to a call of the Smart Charging profile.
    pub(super) async fn call(&self, request: Request) -> Result<Response, String> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Call(request, reply), answer).await?
    }

    /// Whether the site takes the start, with its profile in force.
    pub(super) async fn start(&self, start: Start) -> Result<bool, String> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Start(Box::new(start), reply), answer).await
    }

    /// The charge point is at another central system.
    pub(super) async fn forget(&self) {
        // Whoever keeps profiles has ended: so have they.
        let _ended = self.0.send(Ask::Forget).await;
    }

    async fn ask<T>(&self, ask: Ask, answer: oneshot::Receiver<T>) -> Result<T, String> {
        let stops = || "the site stops".to_owned();
        self.0.send(ask).await.map_err(|_| stops())?;
        answer.await.map_err(|_| stops())
    }
}

/// The task of one charge point's profiles.
#[derive(Debug)]
pub(super) struct Keeper {
    charging: Charging,
    site: Wishes,
    store: Store,
    clock: Clock,
    shared: Arc<Shared>,
    asks: mpsc::Receiver<Ask>,
    /// What the file has is here.
    restored: bool,
    /// What the site was told last; absent while it may not have heard it.
    told: Option<Vec<(ConnectorId, Option<Milliamps>)>>,
    /// Profiles were dropped that the file still has.
    unsaved: bool,
}

impl Keeper {
    /// Reads what the file has when it can be had.
    pub(super) fn new(
        (rules, electrics): (ProfileRules, &[Electrics]),
        site: Wishes,
        store: &Store,
        clock: &Clock,
        shared: Arc<Shared>,
    ) -> (Self, Asks) {
        let (sender, asks) = mpsc::channel(ASKS_MAX);
        let keeper = Self {
            charging: Charging::new(rules, electrics),
            site,
            store: store.clone(),
            clock: clock.clone(),
            shared,
            asks,
            restored: false,
            told: None,
            unsaved: false,
        };
        (keeper, Asks(sender))
    }

    /// What cannot be used is told and left out.
    async fn restore(&mut self) -> Result<(), String> {
        let id = self.site.charge_point.clone();
        let stored = self.store.work(move |db| profiles::installed(db, &id));
        let no_place = || "there is no room or no connector for it".to_owned();
        for row in stored.await? {
            let kept = rows::kept(&row);
            let taken = kept.map(|kept| self.charging.restore(kept));
            if let Err(problem) = taken.and_then(|taken| taken.then_some(()).ok_or_else(no_place)) {
                tracing::warn!(charge_point.id = %self.site.charge_point, "The stored charging profile {} is left out: {problem}", row.profile_id);
            }
        }
        self.restored = true;
        Ok(())
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.look() => {}
            }
            let wake_at = self.wake_at();
            let shared = Arc::clone(&self.shared);
            let ask = tokio::select! {
                () = stop.cancelled() => return,
                Some(ask) = self.asks.recv() => Some(ask),
                () = shared.charging.changed() => None,
                () = sleep_until(wake_at) => None,
            };
            if let Some(ask) = ask {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.answer(ask) => {}
                }
            }
        }
    }

    fn wake_at(&self) -> Instant {
        let now = self.clock.now();
        let failed = self.unsaved || self.told.is_none();
        let within = if self.shared.charging.seen().is_none() {
            FAR
        } else if failed || (!now.wall_known && !self.charging.is_empty()) {
            LOOK_SOON
        } else if self.charging.is_empty() {
            FAR
        } else {
            let next = self.charging.next_change(&now);
            next.map_or(LOOK_AGAIN, |next| next.min(LOOK_AGAIN))
        };
        Instant::now() + within
    }

    /// Follows the sessions, and tells the site what each connector is left. Until the sessions are
    /// shown and the file is read, the limits that the site has journaled hold.
    async fn look(&mut self) {
        let Some(seen) = self.shared.charging.seen() else {
            return;
        };
        if !self.restored
            && let Err(problem) = self.restore().await
        {
            tracing::debug!(charge_point.id = %self.site.charge_point, "The charging profiles are read later: {problem}");
            return;
        }
        self.unsaved |= self.charging.follow(&seen);
        if self.unsaved {
            let saved = self.save(&self.charging).await;
            self.unsaved = saved.is_err();
        }
        self.tell().await;
    }

    async fn tell(&mut self) {
        let limits = self.charging.limits(&self.clock.now());
        if self.told.as_ref() == Some(&limits) {
            return;
        }
        self.told = None;
        let told = self.site.ask(None, Wish::ProfilesLimit(limits.clone()));
        match told.await {
            Ok(_) => self.told = Some(limits),
            Err(problem) => {
                tracing::warn!(charge_point.id = %self.site.charge_point, "The limits of charging profiles are told again: {problem}");
            }
        }
    }

    async fn answer(&mut self, ask: Ask) {
        // Whoever asked may have lost its socket.
        match ask {
            Ask::Call(request, reply) => {
                let response = self.called(request).await;
                let _unheard = reply.send(response);
            }
            Ask::Start(start, reply) => {
                let accepted = self.start(*start).await;
                let _unheard = reply.send(accepted);
            }
            Ask::Forget => {
                // Also what was changed and not stored yet.
                self.restored = true;
                self.unsaved = self.charging.clear(&ClearChargingProfileRequest::default());
                self.look().await;
            }
        }
    }

    async fn called(&mut self, request: Request) -> Result<Response, String> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the link gives only these calls"
        )]
        match request {
            Request::SetChargingProfile(request) => {
                let status = match self.set(request).await {
                    Ok(()) => ChargingProfileStatus::Accepted,
                    Err(problem) => {
                        self.refused("A charging profile", &problem);
                        ChargingProfileStatus::Rejected
                    }
                };
                Ok(SetChargingProfileResponse::new(status).into())
            }
            Request::ClearChargingProfile(request) => {
                let status = if self.clear(&request).await? {
                    ClearChargingProfileStatus::Accepted
                } else {
                    ClearChargingProfileStatus::Unknown
                };
                Ok(ClearChargingProfileResponse::new(status).into())
            }
            Request::GetCompositeSchedule(request) => Ok(self.composite(&request).into()),
            _ => Err("this is no call about charging profiles".to_owned()),
        }
    }

    fn refused(&self, what: &str, problem: &str) {
        tracing::warn!(charge_point.id = %self.site.charge_point, "{what} was refused: {problem}");
    }

    /// Nothing is changed before everything is known.
    async fn ready(&mut self) -> Result<(), String> {
        self.look().await;
        let known = self.restored.then_some(());
        known.ok_or_else(|| "what is installed cannot be read yet".to_owned())
    }

    /// Installed, stored, and the site told.
    async fn set(&mut self, request: SetChargingProfileRequest) -> Result<(), String> {
        self.ready().await?;
        let profile = request.cs_charging_profiles;
        let named = match profile.transaction_id {
            Some(id) => self.session(id).await?,
            None => None,
        };
        let at = time(&self.clock.now())?;
        let mut changed = self.charging.clone();
        changed
            .set(at, request.connector_id, profile, named.as_ref())
            .map_err(|refused| refused.to_string())?;
        self.keep(changed).await
    }

    async fn session(&self, transaction_id: i64) -> Result<Option<SessionId>, String> {
        let id = self.site.charge_point.clone();
        let found = move |db: &mut _| stations::session_here(db, &id, transaction_id);
        self.store.work(found).await
    }

    async fn clear(&mut self, criteria: &ClearChargingProfileRequest) -> Result<bool, String> {
        self.ready().await?;
        let mut changed = self.charging.clone();
        let cleared = changed.clear(criteria);
        if cleared {
            self.keep(changed).await?;
        }
        Ok(cleared)
    }

    fn composite(&self, request: &GetCompositeScheduleRequest) -> GetCompositeScheduleResponse {
        match self.charging.composite(&self.clock.now(), request) {
            Ok(composite) => {
                let accepted = GetCompositeScheduleStatus::Accepted;
                let mut response = GetCompositeScheduleResponse::new(accepted);
                response.connector_id = Some(request.connector_id);
                response.schedule_start = Some(composite.start);
                response.charging_schedule = Some(composite.schedule);
                response
            }
            Err(refused) => {
                self.refused("A composite schedule", &refused.to_string());
                GetCompositeScheduleResponse::new(GetCompositeScheduleStatus::Rejected)
            }
        }
    }

    /// The profile is in force before the site may start, and goes with a start that is not taken.
    async fn start(&mut self, start: Start) -> bool {
        let before = match self.expect(&start).await {
            Ok(before) => before,
            Err(problem) => {
                self.refused("A start with a charging profile", &problem);
                return false;
            }
        };
        let verdict = self.site.ask(start.id, start.wish).await;
        // Of a start whose fate is not known the profile stays until the site shows what came of it.
        if matches!(verdict, Ok(Verdict::Refused(_)))
            && let Err(problem) = self.keep(before).await
        {
            self.refused("Taking back the profile of a refused start", &problem);
        }
        verdict == Ok(Verdict::Accepted)
    }

    /// The profiles as they were before.
    async fn expect(&mut self, start: &Start) -> Result<Charging, String> {
        self.ready().await?;
        let connector = start.connector.or_else(|| self.only_connector());
        let connector = connector.ok_or("it names no connector, and there are several")?;
        let at = time(&self.clock.now())?;
        let mut changed = self.charging.clone();
        changed
            .expect(at, i64::from(connector.get()), start.profile.clone())
            .map_err(|refused| refused.to_string())?;
        let before = self.charging.clone();
        self.keep(changed).await?;
        Ok(before)
    }

    fn only_connector(&self) -> Option<ConnectorId> {
        let limits = self.charging.limits(&self.clock.now());
        match limits.as_slice() {
            [(only, _)] => Some(*only),
            _ => None,
        }
    }

    async fn keep(&mut self, changed: Charging) -> Result<(), String> {
        self.save(&changed).await?;
        self.charging = changed;
        self.tell().await;
        Ok(())
    }

    async fn save(&self, charging: &Charging) -> Result<(), String> {
        let rows: Vec<profiles::Row> = charging.kept().iter().map(rows::row).collect();
        let id = self.site.charge_point.clone();
        let stored = self.store.work(move |db| profiles::install(db, &id, &rows));
        stored.await
    }
}

fn time(now: &Timestamp) -> Result<Time, String> {
    Time::from_unix_ms(now.wall.0).ok_or_else(|| "the clock shows no year".to_owned())
}
