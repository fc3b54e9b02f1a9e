//! What the central system does for a charge point beside its answers: it learns what it can do after each
//! of its boots, keeps its local list as the organisation's tokens say, and sends it the certificate that
//! it asked for. Compares what is wanted with what
//! is; woken by changes and by the time, one path for first try, repeat and restart.

mod abilities;
mod lists;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ocpp::Version as _;
use ocpp::v16::V16;
use serde_json::{Value, json};
use site_model::ChargePointId;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::db::{Db, DbError, Row};
use crate::fleet::damaged;
use crate::id::{OrganisationId, mint};
use crate::id_token::IdTokens;
use crate::station::{Fate, Order, Stations};

pub use abilities::Abilities;
pub(crate) use lists::taken;

/// How long changes are gathered before they are sent: a thousand of them are one list.
const SETTLE: Duration = Duration::from_secs(1);
/// How often it is looked whether something is left to do although nothing woke us.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long an answer is waited for; orders of people wait behind it.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Charge points that are asked at the same time.
const AT_ONCE: usize = 64;
/// One that did not tell what it can do is asked again after this time, or when it boots.
const ASK_AGAIN_MS: i64 = 3_600_000;

/// The upkeep of charge points; clones share it.
#[derive(Debug, Clone)]
pub struct Upkeep(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    db: Db,
    clock: Clock,
    stations: Stations,
    id_tokens: IdTokens,
    wake: Arc<Notify>,
    places: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Charge points that booted since they were asked; at most those that are registered.
    started: HashMap<ChargePointId, OrganisationId>,
    /// Certificates on their way to who asked for them; at most one of each that is registered.
    certificates: HashMap<ChargePointId, (OrganisationId, String)>,
    /// Charge points that are being cared for.
    busy: HashSet<ChargePointId>,
    /// One that is busy needs care again.
    again: bool,
}

/// A charge point that needs care.
#[derive(Debug, Clone)]
struct Care {
    charge_point: ChargePointId,
    organisation: OrganisationId,
    /// It booted since it was asked.
    started: bool,
    /// The certificate that it asked for.
    certificate: Option<String>,
}

/// What a charge point says to a call.
enum Said {
    Answer(Value),
    /// It answered, but not what was asked for.
    Refusal,
    /// No answer.
    Nothing,
}

impl Upkeep {
    /// Nothing is done before [`Upkeep::run`].
    pub(super) fn new(db: Db, clock: Clock, stations: Stations, id_tokens: IdTokens) -> Self {
        let wake = Arc::clone(id_tokens.changed());
        Self(Arc::new(Shared {
            db,
            clock,
            stations,
            id_tokens,
            wake,
            places: Semaphore::new(AT_ONCE),
            state: Mutex::default(),
        }))
    }

    /// A charge point has booted: what it can do may be something else, and its list may be gone.
    pub(super) fn booted(&self, id: &ChargePointId, organisation: &OrganisationId) {
        let mut state = self.state();
        state.started.insert(id.clone(), organisation.clone());
        drop(state);
        self.0.wake.notify_one();
    }

    /// A charge point's certificate was signed; it follows the answer. A newer one replaces it.
    pub(super) fn certified(
        &self,
        id: &ChargePointId,
        organisation: &OrganisationId,
        chain: String,
    ) {
        let mut state = self.state();
        let certificate = (organisation.clone(), chain);
        state.certificates.insert(id.clone(), certificate);
        drop(state);
        self.0.wake.notify_one();
    }

    /// Works until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut working = JoinSet::new();
        while stop.run_until_cancelled(self.woken()).await.is_some() {
            if let Err(error) = self.begin_round(&mut working).await {
                tracing::warn!(%error, "Upkeep of charge points waits");
            }
            while working.try_join_next().is_some() {}
        }
        working.shutdown().await;
    }

    /// One round, to its end: for who must know when it is over.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn round(&self) -> Result<(), DbError> {
        let mut working = JoinSet::new();
        self.begin_round(&mut working).await?;
        working.join_all().await;
        Ok(())
    }

    async fn begin_round(&self, working: &mut JoinSet<()>) -> Result<(), DbError> {
        for care in self.due().await? {
            if self.begin(&care) {
                working.spawn(self.clone().take_care(care));
            }
        }
        Ok(())
    }

    async fn woken(&self) {
        let _or_time = tokio::time::timeout(SWEEP_EVERY, self.0.wake.notified()).await;
        tokio::time::sleep(SETTLE).await;
    }

    /// Connected charge points whose abilities or list are not as they should be.
    async fn due(&self) -> Result<Vec<Care>, DbError> {
        let now_ms = self.0.clock.now().as_millisecond();
        let sql = "SELECT c.id, c.organisation_id FROM charge_points c
                   LEFT JOIN abilities a ON a.charge_point_id = c.id
                   LEFT JOIN token_versions v ON v.organisation_id = c.organisation_id
                   LEFT JOIN local_lists l ON l.charge_point_id = c.id
                   WHERE c.deleted_at_ms IS NULL AND (
                     a.charge_point_id IS NULL
                     OR (a.answered = 0 AND a.asked_at_ms <= $1)
                     OR (a.list_max > 0 AND v.version > COALESCE(l.token_version, 0)
                         AND COALESCE(l.by_client, 0) = 0 AND COALESCE(l.not_before_ms, 0) <= $2))";
        let values = vec![now_ms.saturating_sub(ASK_AGAIN_MS).into(), now_ms.into()];
        let rows = self.0.db.query(sql, values).await?;
        let (started, certificates) = self.take_noted();
        let mut due: HashMap<ChargePointId, Care> = HashMap::new();
        for row in &rows {
            let care = care_of(row)?;
            due.insert(care.charge_point.clone(), care);
        }
        for (charge_point, organisation) in started {
            let care = Care {
                charge_point: charge_point.clone(),
                organisation,
                started: true,
                certificate: None,
            };
            due.insert(charge_point, care);
        }
        for (charge_point, (organisation, chain)) in certificates {
            let care = due.entry(charge_point.clone()).or_insert_with(|| Care {
                charge_point,
                organisation,
                started: false,
                certificate: None,
            });
            care.certificate = Some(chain);
        }
        due.retain(|id, _| self.0.stations.version_of(id) == Some(V16::NAME));
        Ok(due.into_values().collect())
    }

    /// Who booted, and the certificates of who is connected; those of others wait.
    fn take_noted(
        &self,
    ) -> (
        HashMap<ChargePointId, OrganisationId>,
        HashMap<ChargePointId, (OrganisationId, String)>,
    ) {
        let mut state = self.state();
        let started = std::mem::take(&mut state.started);
        let is_connected = |id: &ChargePointId| self.0.stations.version_of(id).is_some();
        let ready = state
            .certificates
            .extract_if(|id, _| is_connected(id))
            .collect();
        (started, ready)
    }

    /// `false` if it is being cared for already; then it is looked at again afterwards.
    fn begin(&self, care: &Care) -> bool {
        let mut state = self.state();
        let begins = state.busy.insert(care.charge_point.clone());
        if !begins {
            state.again = true;
            let (id, whose) = (&care.charge_point, &care.organisation);
            if care.started {
                state.started.insert(id.clone(), whose.clone());
            }
            if let Some(chain) = &care.certificate {
                let waiting = state.certificates.entry(id.clone());
                waiting.or_insert_with(|| (whose.clone(), chain.clone()));
            }
        }
        begins
    }

    async fn take_care(self, care: Care) {
        let place = self.0.places.acquire().await;
        if let Err(error) = self.care_for(&care).await {
            let charge_point = &care.charge_point;
            tracing::warn!(%charge_point, %error, "Upkeep of this charge point waits");
        }
        drop(place);
        let mut state = self.state();
        state.busy.remove(&care.charge_point);
        if std::mem::take(&mut state.again) {
            self.0.wake.notify_one();
        }
    }

    async fn care_for(&self, care: &Care) -> Result<(), DbError> {
        if let Some(chain) = &care.certificate {
            self.send_certificate(care, chain).await;
        }
        let known = Abilities::find(&self.0.db, &care.charge_point).await?;
        let abilities = match known.filter(|known| known.answered && !care.started) {
            Some(known) => known,
            None => match self.learn(care).await? {
                Some(learned) => learned,
                None => return Ok(()),
            },
        };
        if abilities.list_max > 0 {
            self.keep_list(care, &abilities).await?;
        }
        Ok(())
    }

    async fn send_certificate(&self, care: &Care, chain: &str) {
        let payload = json!({ "certificateChain": chain });
        let charge_point = &care.charge_point;
        match self.ask(care, "CertificateSigned", payload).await {
            Said::Answer(answer) if answer["status"] == "Accepted" => {
                tracing::info!(%charge_point, "Charge point took its new certificate");
            }
            Said::Answer(_) | Said::Refusal => {
                tracing::warn!(%charge_point, "Charge point did not take the certificate that it asked for: it may not know the authority (InstallCertificate), or its clock is wrong");
            }
            Said::Nothing => {
                tracing::warn!(%charge_point, "Charge point did not answer when it was sent the certificate that it asked for; it may ask again");
            }
        }
    }

    /// Asks a charge point what it can do. One that does not answer can nothing but what all can.
    async fn learn(&self, care: &Care) -> Result<Option<Abilities>, DbError> {
        let said = self
            .ask(care, "GetConfiguration", Abilities::question())
            .await;
        let learned = match &said {
            Said::Answer(answer) => Abilities::told_by(answer),
            Said::Refusal | Said::Nothing => Abilities::default(),
        };
        if matches!(said, Said::Nothing) && !self.is_connected(care) {
            return Ok(None);
        }
        let now_ms = self.0.clock.now().as_millisecond();
        let keep = learned.keep(&care.charge_point, now_ms);
        self.0.db.transaction(vec![keep]).await?;
        Ok(Some(learned))
    }

    fn is_connected(&self, care: &Care) -> bool {
        self.0.stations.version_of(&care.charge_point).is_some()
    }

    async fn ask(&self, care: &Care, action: &'static str, payload: Value) -> Said {
        let order = Order {
            id: mint("sys", self.0.clock.now()),
            action,
            payload,
            answer_within: ANSWER_WITHIN,
        };
        let outcome = self.0.stations.call(&care.charge_point, order).await;
        match outcome.map(|outcome| outcome.fate) {
            Some(Fate::Answered(answer)) => Said::Answer(answer),
            Some(Fate::Refused(..) | Fate::NotUnderstood(_)) => Said::Refusal,
            Some(Fate::TimedOut | Fate::Lost | Fate::NotSent(_)) | None => Said::Nothing,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this lock can leave the state half changed.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn care_of(row: &Row) -> Result<Care, DbError> {
    let organisation = OrganisationId::parse(row.text("organisation_id")?);
    Ok(Care {
        charge_point: ChargePointId::new(row.text("id")?).map_err(|_| damaged("id"))?,
        organisation: organisation.ok_or_else(|| damaged("organisation_id"))?,
        started: false,
        certificate: None,
    })
}
