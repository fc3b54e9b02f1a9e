//! Gives a command to a charge point: noted before it is sent, and its end noted before it is told.

use std::time::Duration;

use serde_json::Value;
use site_model::ChargePointId;

use super::{Command, Commands, NewCommand};
use crate::charge_point::ChargePoints;
use crate::clock::Clock;
use crate::db::DbError;
use crate::fleet::Fleet;
use crate::id::CommandId;
use crate::secret::Secret;
use crate::station::{Fate, Order, Outcome, Stations};

/// Why a command was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The charge point is offline, and nothing is connected.
    #[error("The charge point is offline: its OCPP socket is closed.")]
    SocketClosed,
    /// Its socket is open, but it does not answer.
    #[error(
        "The charge point is offline: its OCPP socket is open, but the device does not answer."
    )]
    Silent,
    /// Somebody else's central system commands it.
    #[error(
        "The charge point is managed by another central system: that one alone authorises, commands and bills it."
    )]
    Elsewhere,
    /// Passwords were sent that it never came back with.
    #[error(
        "Several new passwords were sent to the charge point and it has used none of them: have it connect again first."
    )]
    TooManyPasswords,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Commands on their way to stations; clones share it.
#[derive(Debug, Clone)]
pub struct Dispatch {
    commands: Commands,
    stations: Stations,
    charge_points: ChargePoints,
    fleet: Fleet,
    clock: Clock,
}

impl Dispatch {
    /// Commands to these stations.
    #[must_use]
    pub fn new(
        commands: Commands,
        stations: Stations,
        charge_points: ChargePoints,
        fleet: Fleet,
        clock: Clock,
    ) -> Self {
        Self {
            commands,
            stations,
            charge_points,
            fleet,
            clock,
        }
    }

    /// The commands.
    #[must_use]
    pub fn commands(&self) -> &Commands {
        &self.commands
    }

    /// The stations.
    #[must_use]
    pub fn stations(&self) -> &Stations {
        &self.stations
    }

    /// Whether a charge point can be given commands.
    ///
    /// # Errors
    /// [`Unreachable`] that says what is missing.
    pub fn check(&self, charge_point: &ChargePointId) -> Result<(), Unreachable> {
        let live = self.fleet.find(charge_point);
        if live.as_ref().is_some_and(|live| live.external) {
            return Err(Unreachable::Elsewhere);
        }
        if self.stations.version_of(charge_point).is_none() {
            return Err(Unreachable::SocketClosed);
        }
        if live.is_none_or(|live| !live.online) {
            return Err(Unreachable::Silent);
        }
        Ok(())
    }

    /// Gives a command and waits for its answer, or for the end of its time.
    ///
    /// # Errors
    /// [`Unreachable`]; then nothing was noted or sent.
    pub async fn give(&self, new: NewCommand) -> Result<Command, Unreachable> {
        self.check(&new.charge_point)?;
        let password = password_in(&new);
        if let Some(password) = &password {
            let expect = self
                .charge_points
                .expect_password(&new.charge_point, password);
            if !expect.await? {
                return Err(Unreachable::TooManyPasswords);
            }
        }
        let id = CommandId::mint(self.clock.now());
        self.commands.create(&id, &new).await?;
        let mut outcome = self.call(&new, id.to_string(), new.payload.clone()).await;
        if let (true, Some(instead)) = (is(&outcome, "Rejected"), &new.instead) {
            // Another message needs another id.
            outcome = self.call(&new, format!("{id}-2"), instead.clone()).await;
            if is(&outcome, "Accepted") {
                self.commands.takes_amperes(&new.charge_point).await?;
            }
        }
        if let Some(password) = password.filter(|_| is_not_taken(&outcome)) {
            let forget = self
                .charge_points
                .expect_no_more(&new.charge_point, &password);
            forget.await?;
        }
        self.commands.answered(&id, &new, &outcome).await?;
        if is(&outcome, "Accepted") {
            self.commands.accepted(&new).await?;
        }
        let command = self.commands.find(&id).await?;
        Ok(command.ok_or_else(|| DbError::Engine("a command is gone".to_owned()))?)
    }

    async fn call(&self, new: &NewCommand, id: String, payload: Value) -> Outcome {
        let order = Order {
            id,
            action: new.action,
            payload,
            answer_within: Duration::from_secs(new.timeout_s.into()),
        };
        let outcome = self.stations.call(&new.charge_point, order).await;
        outcome.unwrap_or(Outcome {
            fate: Fate::NotSent("the socket closed before it was sent"),
            sent_at: None,
            took: Duration::ZERO,
            request_frame: None,
            response_frame: None,
        })
    }
}

/// The password of its basic authentication that a command sets.
fn password_in(new: &NewCommand) -> Option<Secret<String>> {
    let key = new.payload["key"].as_str()?;
    let sets = new.action == "ChangeConfiguration" && key.eq_ignore_ascii_case("AuthorizationKey");
    let value = new.payload["value"].as_str().filter(|_| sets)?;
    Some(Secret::new(value.to_owned()))
}

/// The charge point is known to go on with the password that it has.
fn is_not_taken(outcome: &Outcome) -> bool {
    match &outcome.fate {
        Fate::Answered(_) => is(outcome, "Rejected") || is(outcome, "NotSupported"),
        Fate::Refused(..) | Fate::NotSent(_) => true,
        Fate::NotUnderstood(_) | Fate::TimedOut | Fate::Lost => false,
    }
}

/// Whether the charge point's answer is this word.
fn is(outcome: &Outcome, word: &str) -> bool {
    matches!(&outcome.fate, Fate::Answered(answer) if answer["status"] == word)
}
