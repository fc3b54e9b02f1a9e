//! What charging profiles leave each connector of a charge point at a moment, and whose transaction
//! a `TxProfile` belongs to (OCPP 1.6 section 3.13). Pure: time is an argument, and whoever stores
//! what is installed does so before it is answered.

use std::collections::BTreeMap;
use std::time::Duration;

use ocpp::Time;
use ocpp::v16::{
    ChargingProfile, ChargingProfilePurpose, ClearChargingProfileRequest,
    GetCompositeScheduleRequest,
};
use site_model::{ConnectorId, Milliamps, SessionId, Timestamp};

use crate::profiles::{
    Composite, CompositeRefused, ConnectorNow, Electrics, Installed, ProfileRefused, ProfileRules,
    Profiles, Transaction,
};

/// The profiles of one charge point and the sessions that they rule.
#[derive(Debug, Clone)]
pub struct Charging {
    profiles: Profiles,
    /// Connector n at n − 1.
    lines: Vec<Line>,
    /// Of each `TxProfile`, by its id; `None` while its start is awaited.
    owners: BTreeMap<i64, Option<SessionId>>,
}

#[derive(Debug, Clone)]
struct Line {
    electrics: Electrics,
    session: Option<Running>,
}

/// A running session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Which.
    pub session: SessionId,
    /// When it began.
    pub started: Timestamp,
}

/// A connector as the site says it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Its session.
    pub session: Option<Running>,
    /// Somebody may charge there, or does.
    pub authorized: bool,
}

/// A profile as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The profile.
    pub installed: Installed,
    /// The session of a `TxProfile`; absent while its start is awaited.
    pub session: Option<SessionId>,
}

impl Charging {
    /// A charge point without a profile; connector n has the electrics at n − 1.
    #[must_use]
    pub fn new(rules: ProfileRules, electrics: &[Electrics]) -> Self {
        let lines = electrics.iter().map(|electrics| Line {
            electrics: *electrics,
            session: None,
        });
        Self {
            profiles: Profiles::new(rules),
            lines: lines.collect(),
            owners: BTreeMap::new(),
        }
    }

    /// Puts back a profile that was stored. Which of them hold for a transaction shows once the
    /// sessions are seen. `false`: there is no such connector, or no room.
    pub fn restore(&mut self, kept: Kept) -> bool {
        let known = usize::from(kept.installed.connector) <= self.lines.len();
        let (id, for_transaction) = (id_of(&kept.installed), is_for_transaction(&kept.installed));
        let taken = known && self.profiles.restore(kept.installed);
        if taken && for_transaction {
            self.owners.insert(id, kept.session);
        }
        taken
    }

    /// Every profile, to be stored.
    #[must_use]
    pub fn kept(&self) -> Vec<Kept> {
        let installed = self.profiles.installed().iter();
        let kept = installed.map(|installed| Kept {
            installed: installed.clone(),
            session: self.owners.get(&id_of(installed)).cloned().flatten(),
        });
        kept.collect()
    }

    /// The sessions are these now: profiles of transactions that ended, and of starts that led to
    /// none, are dropped. Whether anything is to be stored.
    pub fn follow(&mut self, seen: &[Seen]) -> bool {
        let before = self.owners.clone();
        for (line, seen) in self.lines.iter_mut().zip(seen) {
            line.session.clone_from(&seen.session);
        }
        let installed = self.profiles.installed().iter();
        let for_transactions = installed.filter(|one| is_for_transaction(one));
        let places: Vec<(i64, usize)> = for_transactions
            .map(|one| (id_of(one), usize::from(one.connector.saturating_sub(1))))
            .collect();
        for (id, place) in places {
            let Some(seen) = seen.get(place) else {
                continue;
            };
            let owner = self.owners.get(&id).and_then(Option::as_ref);
            let running = seen.session.as_ref().map(|running| &running.session);
            match (owner, running) {
                (None, Some(running)) => {
                    self.owners.insert(id, Some(running.clone()));
                }
                (None, None) if seen.authorized => {}
                (Some(owner), Some(running)) if owner == running => {}
                (None | Some(_), None) | (Some(_), Some(_)) => self.drop_profile(id),
            }
        }
        self.owners != before
    }

    fn drop_profile(&mut self, id: i64) {
        let by_id = ClearChargingProfileRequest {
            id: Some(id),
            ..ClearChargingProfileRequest::default()
        };
        self.clear(&by_id);
    }

    /// Installs a profile. `named` is the session of the transaction that the profile names, if it
    /// names a known one.
    ///
    /// # Errors
    /// [`ProfileRefused`] when it breaks a rule; nothing changes then.
    pub fn set(
        &mut self,
        now: Time,
        connector: i64,
        profile: ChargingProfile,
        named: Option<&SessionId>,
    ) -> Result<(), ProfileRefused> {
        let running = self.line(connector).and_then(|line| line.session.as_ref());
        let owner = running.map(|running| running.session.clone());
        let transaction = running.map(|running| Transaction {
            started: now,
            id: profile
                .transaction_id
                .filter(|_| named == Some(&running.session)),
        });
        self.install(now, connector, profile, transaction, owner)
    }

    /// Installs the profile that comes with a start, for the transaction that it leads to.
    ///
    /// # Errors
    /// [`ProfileRefused`] when it breaks a rule, or a transaction runs already; nothing changes then.
    pub fn expect(
        &mut self,
        now: Time,
        connector: i64,
        profile: ChargingProfile,
    ) -> Result<(), ProfileRefused> {
        let purpose = profile.charging_profile_purpose;
        if purpose != ChargingProfilePurpose::TxProfile {
            return Err(ProfileRefused::NotForStart(purpose));
        }
        if self
            .line(connector)
            .is_some_and(|line| line.session.is_some())
        {
            return Err(ProfileRefused::TransactionRuns);
        }
        let transaction = Transaction {
            started: now,
            id: None,
        };
        let mut changed = self.clone();
        for id in self.awaiting(connector) {
            changed.drop_profile(id);
        }
        changed.install(now, connector, profile, Some(transaction), None)?;
        *self = changed;
        Ok(())
    }

    fn install(
        &mut self,
        now: Time,
        connector: i64,
        profile: ChargingProfile,
        transaction: Option<Transaction>,
        owner: Option<SessionId>,
    ) -> Result<(), ProfileRefused> {
        let set = self
            .profiles
            .set(now, connector, profile, transaction.as_ref())?;
        for id in set.replaced {
            self.owners.remove(&id);
        }
        if is_for_transaction(&set.installed) {
            self.owners.insert(id_of(&set.installed), owner);
        }
        Ok(())
    }

    /// Removes what matches every given criterion. Whether anything did.
    pub fn clear(&mut self, criteria: &ClearChargingProfileRequest) -> bool {
        let removed = self.profiles.clear(criteria);
        for id in &removed {
            self.owners.remove(id);
        }
        !removed.is_empty()
    }

    /// What each connector is left now. While the right time is not known, the least that any
    /// period of a profile allows: the profile may be in any of them.
    #[must_use]
    pub fn limits(&self, now: &Timestamp) -> Vec<(ConnectorId, Option<Milliamps>)> {
        let known = now.wall_known.then(|| time(now)).flatten();
        let limits = self.numbered().map(|(number, line)| {
            let profiles = &self.profiles;
            let connector = number.get();
            let transaction = self.transaction(number, line, now);
            let amps = match known {
                Some(at) => profiles.amps_at(at, connector, transaction.as_ref(), &line.electrics),
                None => profiles.lowest_amps(connector, transaction.is_some(), &line.electrics),
            };
            let limit = amps.map(|amps| {
                let milliamps = amps.0.max(0).saturating_mul(100);
                Milliamps(u32::try_from(milliamps).unwrap_or(u32::MAX))
            });
            (number, limit)
        });
        limits.collect()
    }

    /// After which time a limit may change by itself, as far as the right time is known.
    #[must_use]
    pub fn next_change(&self, now: &Timestamp) -> Option<Duration> {
        let at = now.wall_known.then(|| time(now)).flatten()?;
        let changes = self.numbered().filter_map(|(number, line)| {
            let transaction = self.transaction(number, line, now);
            self.profiles
                .next_change_after(at, number.get(), transaction.as_ref())
        });
        let next = changes.min()?;
        let ms = u64::try_from(next.unix_ms() - at.unix_ms()).unwrap_or(0);
        Some(Duration::from_millis(ms))
    }

    /// The schedule that all profiles come to.
    ///
    /// # Errors
    /// [`CompositeRefused`] with the reason.
    pub fn composite(
        &self,
        now: &Timestamp,
        request: &GetCompositeScheduleRequest,
    ) -> Result<Composite, CompositeRefused> {
        let known = now.wall_known.then(|| time(now)).flatten();
        let at = known.ok_or(CompositeRefused::TimeUnknown)?;
        let connectors = self.numbered().map(|(number, line)| ConnectorNow {
            transaction: self.transaction(number, line, now),
            electrics: line.electrics,
        });
        let connectors: Vec<ConnectorNow> = connectors.collect();
        self.profiles.composite(
            at,
            request.connector_id,
            request.duration,
            request.charging_rate_unit,
            &connectors,
        )
    }

    /// Whether nothing is installed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.profiles.installed().is_empty()
    }

    fn numbered(&self) -> impl Iterator<Item = (ConnectorId, &Line)> {
        let numbers = (1..=u8::MAX).filter_map(|number| ConnectorId::new(number).ok());
        numbers.zip(&self.lines)
    }

    fn line(&self, connector: i64) -> Option<&Line> {
        let place = usize::try_from(connector).ok()?.checked_sub(1)?;
        self.lines.get(place)
    }

    /// The transaction that runs, or the awaited one as if it began now.
    fn transaction(
        &self,
        number: ConnectorId,
        line: &Line,
        now: &Timestamp,
    ) -> Option<Transaction> {
        let started = match &line.session {
            Some(running) => began(&running.started, now),
            None => {
                let awaited = self.awaiting(i64::from(number.get())).next().is_some();
                awaited.then(|| time(now)).flatten()
            }
        };
        started.map(|started| Transaction { started, id: None })
    }

    fn awaiting(&self, connector: i64) -> impl Iterator<Item = i64> {
        let installed = self.profiles.installed().iter();
        let here = installed.filter(move |one| i64::from(one.connector) == connector);
        here.map(id_of)
            .filter(|id| self.owners.get(id) == Some(&None))
    }
}

/// When a session began, by the clock as it stands now: within one boot what passed is certain,
/// whatever was done to the wall clock.
fn began(started: &Timestamp, now: &Timestamp) -> Option<Time> {
    if started.boot != now.boot {
        return time(started);
    }
    let passed = i64::try_from(now.monotonic.ms_since(started.monotonic)).ok()?;
    Time::from_unix_ms(now.wall.0.saturating_sub(passed))
}

fn time(at: &Timestamp) -> Option<Time> {
    Time::from_unix_ms(at.wall.0)
}

fn id_of(installed: &Installed) -> i64 {
    installed.profile.charging_profile_id
}

fn is_for_transaction(installed: &Installed) -> bool {
    installed.profile.charging_profile_purpose == ChargingProfilePurpose::TxProfile
}
