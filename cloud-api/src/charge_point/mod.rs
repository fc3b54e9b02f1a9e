//! Charge points as they are registered: those behind a gateway by their gateway's announcement, those
//! that connect themselves by their operator, with a provisioning password that is shown once.

mod expected;
mod store;

use jiff::Timestamp;
use site_model::{ChargePointId, ConnectorId, ConnectorType, GatewayId, Watts};

use crate::certificate::{Subject, Whose};
use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::fleet::Fleet;
use crate::id::{OrganisationId, SiteId, mint};
use crate::ocpp16::Abilities;
use crate::secret::{Secret, ServerSecrets, equal_in_constant_time, random_base62};

/// What an id that the platform chooses starts with.
const PREFIX: &str = "cp";
/// Letters and digits of a provisioning password (OCPP security whitepaper: at most 20, of which
/// stations take ASCII letters and digits): 20 × 5.954 bits are 119 bits.
const PASSWORD_LENGTH: usize = 20;
/// Letters and digits of a path token: 160 bits.
const PATH_TOKEN_LENGTH: usize = 27;
/// Keep these hashes apart from those of other secrets.
const PASSWORD_PURPOSE: &str = "provisioning password";
const PATH_TOKEN_PURPOSE: &str = "path token";
/// Most charge points of one organisation.
const CHARGE_POINTS_MAX: i64 = 100_000;
/// Most connectors of one charge point that connects itself.
pub const CONNECTORS_MAX: usize = 64;

/// A charge point as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargePoint {
    /// Its OCPP identity.
    pub id: ChargePointId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Where it is.
    pub site: Option<SiteId>,
    /// The gateway that speaks for it; `None`: it connects to us itself.
    pub gateway: Option<GatewayId>,
    /// Its maker.
    pub vendor: String,
    /// Its model.
    pub model: String,
    /// Its serial number.
    pub serial: Option<String>,
    /// Whether it may connect with a token in the path instead of a password (security profile 0).
    pub path_token: bool,
    /// It must show its certificate (security profile 3); nothing else lets it in.
    pub certificate_required: bool,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// When what is kept of it was changed last.
    pub updated_at: Timestamp,
}

/// A connector as its operator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConnector {
    /// Its number.
    pub connector: ConnectorId,
    /// Its plug or socket.
    pub kind: ConnectorType,
    /// Rated power.
    pub max_power: Watts,
}

/// A charge point to register that connects itself.
#[derive(Debug, Clone)]
pub struct NewChargePoint {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Its OCPP identity; left out, the platform makes one.
    pub id: Option<ChargePointId>,
    /// Where it is.
    pub site: Option<SiteId>,
    /// Its maker.
    pub vendor: String,
    /// Its model.
    pub model: String,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its connectors as far as known; others show when it tells of them.
    pub connectors: Vec<NewConnector>,
    /// Whether it may connect with a token in the path (security profile 0).
    pub path_token: bool,
    /// Whether it must show its certificate (security profile 3).
    pub certificate_required: bool,
}

/// A charge point that was just registered. Its secrets are not shown again.
#[derive(Debug)]
pub struct Registered {
    /// As it is kept.
    pub charge_point: ChargePoint,
    /// Password of its HTTP basic authentication.
    pub password: Secret<String>,
    /// Token of its path, where one was asked for.
    pub path_token: Option<Secret<String>>,
}

/// What can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargePointChange {
    /// Where it is.
    pub site: Option<SiteId>,
    /// Its maker.
    pub vendor: String,
    /// Its model.
    pub model: String,
    /// Its serial number.
    pub serial: Option<String>,
    /// Whether it must show its certificate (security profile 3).
    pub certificate_required: bool,
}

/// Why a charge point was not registered, changed or deleted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChargePointError {
    /// Somebody has this id.
    #[error("this charge point id is taken; choose another one")]
    Taken,
    /// The organisation has no such site.
    #[error("the organisation has no site with this id")]
    UnknownSite,
    /// The organisation has as many as it may.
    #[error("an organisation has at most {CHARGE_POINTS_MAX} charge points")]
    TooMany,
    /// Its gateway describes it.
    #[error(
        "this charge point is behind the gateway {0}, which describes it; change the configuration of that site controller"
    )]
    BehindGateway(GatewayId),
    /// A session runs.
    #[error("a session runs on this charge point; stop it first")]
    Charging,
    /// The organisation has no such charge point.
    #[error("the organisation has no charge point with this id")]
    Unknown,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Who may connect as a charge point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The gateway that speaks for it.
    pub gateway: Option<GatewayId>,
}

/// How a charge point says who it is.
#[derive(Debug)]
pub enum Credential {
    /// HTTP basic authentication.
    Password(Secret<String>),
    /// Token in the path (security profile 0).
    PathToken(Secret<String>),
    /// Certificate (security profile 3): whose it is, or why it is not good.
    Certificate(Result<Subject, String>),
}

/// The answer to a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognition {
    /// It is who it says.
    Admitted(Admitted),
    /// The charge point exists and the credential is not its, for this reason.
    Wrong(String),
    /// No charge point has this id.
    Unknown,
}

/// The charge points in the database; the fleet follows every change.
#[derive(Debug, Clone)]
pub struct ChargePoints {
    db: Db,
    secrets: ServerSecrets,
    clock: Clock,
    fleet: Fleet,
}

impl ChargePoints {
    /// The charge points kept in `db` and shown in `fleet`.
    #[must_use]
    pub fn new(db: Db, secrets: ServerSecrets, clock: Clock, fleet: Fleet) -> Self {
        Self {
            db,
            secrets,
            clock,
            fleet,
        }
    }

    /// Registers one that connects itself. An id whose charge point the same organisation deleted
    /// comes to life again, with what belongs to it.
    ///
    /// # Errors
    /// [`ChargePointError`].
    pub async fn register(&self, new: NewChargePoint) -> Result<Registered, ChargePointError> {
        let now = self.clock.now();
        let id = match &new.id {
            Some(id) => id.clone(),
            None => ChargePointId::new(&mint(PREFIX, now)).expect("prefix and ULID are allowed"),
        };
        self.check_site(&new.organisation, new.site.as_ref())
            .await?;
        let password = random_base62(PASSWORD_LENGTH);
        let path_token = new.path_token.then(|| random_base62(PATH_TOKEN_LENGTH));
        let hashes = store::Hashes {
            password: self.secrets.hash(PASSWORD_PURPOSE, password.expose()),
            path_token: path_token
                .as_ref()
                .map(|token| self.secrets.hash(PATH_TOKEN_PURPOSE, token.expose())),
        };
        store::register(&self.db, &id, &new, &hashes, now).await?;
        self.show(&id).await?;
        let charge_point = self.find(&id).await?.ok_or(ChargePointError::Unknown)?;
        Ok(Registered {
            charge_point,
            password,
            path_token,
        })
    }

    /// Gives a charge point that connects itself a new password; the old one is dead at once.
    ///
    /// # Errors
    /// [`ChargePointError::Unknown`], [`ChargePointError::BehindGateway`], [`ChargePointError::Db`].
    pub async fn renew_password(
        &self,
        organisation: &OrganisationId,
        id: &ChargePointId,
    ) -> Result<Secret<String>, ChargePointError> {
        self.own_direct(organisation, id).await?;
        let password = random_base62(PASSWORD_LENGTH);
        let hash = self.secrets.hash(PASSWORD_PURPOSE, password.expose());
        let now = self.clock.now();
        store::set_password(&self.db, organisation, id, hash, now).await?;
        Ok(password)
    }

    /// The charge point with this id, of whichever organisation.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find(&self, id: &ChargePointId) -> Result<Option<ChargePoint>, DbError> {
        store::find(&self.db, id).await
    }

    /// All charge points of an organisation, by id.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn list(&self, organisation: &OrganisationId) -> Result<Vec<ChargePoint>, DbError> {
        store::list(&self.db, organisation).await
    }

    /// Changes one. Behind a gateway only its site cannot be changed here: it is its gateway's.
    ///
    /// # Errors
    /// [`ChargePointError`].
    pub async fn change(
        &self,
        organisation: &OrganisationId,
        id: &ChargePointId,
        change: ChargePointChange,
    ) -> Result<ChargePoint, ChargePointError> {
        self.own_direct(organisation, id).await?;
        self.check_site(organisation, change.site.as_ref()).await?;
        store::change(&self.db, organisation, id, &change, self.clock.now()).await?;
        self.find(id).await?.ok_or(ChargePointError::Unknown)
    }

    /// Deletes one: it is refused and shown no more. Its sessions stay.
    ///
    /// # Errors
    /// [`ChargePointError`].
    pub async fn delete(
        &self,
        organisation: &OrganisationId,
        id: &ChargePointId,
    ) -> Result<(), ChargePointError> {
        self.own_direct(organisation, id).await?;
        store::delete(&self.db, organisation, id, self.clock.now()).await?;
        let removed = crate::fleet::Update::Removed(id.clone());
        self.fleet.apply(organisation, vec![removed]);
        Ok(())
    }

    /// What a charge point can do, as far as it told.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn abilities(&self, id: &ChargePointId) -> Result<Option<Abilities>, DbError> {
        Abilities::find(&self.db, id).await
    }

    /// A charge point is about to be told to use this password; what it used before holds until it
    /// does. `false`: too many were told to it that it never used.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn expect_password(
        &self,
        id: &ChargePointId,
        password: &Secret<String>,
    ) -> Result<bool, DbError> {
        for hash in self.hashes(password) {
            if !expected::add(&self.db, id, hash).await? {
                self.expect_no_more(id, password).await?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// It was not told, or does not take it.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn expect_no_more(
        &self,
        id: &ChargePointId,
        password: &Secret<String>,
    ) -> Result<(), DbError> {
        for hash in self.hashes(password) {
            expected::remove(&self.db, id, hash).await?;
        }
        Ok(())
    }

    /// Of a password as the text that it is, and of the bytes that it may be the digits of: OCPP-J 1.6,
    /// chapter 6, has `AuthorizationKey` in hexadecimal, the security whitepaper does not.
    fn hashes(&self, password: &Secret<String>) -> Vec<[u8; 32]> {
        let text = password.expose();
        let decoded = from_hex(text).and_then(|bytes| String::from_utf8(bytes).ok());
        let all = std::iter::once(text.as_str()).chain(decoded.as_deref());
        all.map(|password| self.secrets.hash(PASSWORD_PURPOSE, password))
            .collect()
    }

    /// Whether a credential is that of a charge point.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn recognise(
        &self,
        id: &ChargePointId,
        credential: &Credential,
    ) -> Result<Recognition, DbError> {
        let Some(kept) = store::credentials(&self.db, id).await? else {
            return Ok(Recognition::Unknown);
        };
        let judged = match credential {
            Credential::Certificate(shown) => judge_certificate(id, &kept, shown),
            Credential::Password(_) | Credential::PathToken(_) if kept.certificate_required => {
                Err("it shows no certificate, which it must (security profile 3)".to_owned())
            }
            // With its gateway a charge point is shut out, whatever its own password was.
            Credential::Password(_) | Credential::PathToken(_) if kept.is_shut_out() => {
                Err("its gateway was revoked".to_owned())
            }
            Credential::Password(password) => {
                let own = self.secrets.hash(PASSWORD_PURPOSE, password.expose());
                let gateways = self
                    .secrets
                    .hash(crate::gateway::PURPOSE, password.expose());
                let known = compare(kept.password.as_deref(), &own)
                    .or_else(|_| compare(kept.gateway_password.as_deref(), &gateways));
                match known {
                    Err(_) if expected::is_used(&self.db, id, own).await? => Ok(()),
                    known => known,
                }
            }
            Credential::PathToken(token) => {
                let shown = self.secrets.hash(PATH_TOKEN_PURPOSE, token.expose());
                compare(kept.path_token.as_deref(), &shown)
            }
        };
        Ok(match judged {
            Ok(()) => Recognition::Admitted(kept.admitted),
            Err(why) => Recognition::Wrong(why),
        })
    }

    async fn check_site(
        &self,
        organisation: &OrganisationId,
        site: Option<&SiteId>,
    ) -> Result<(), ChargePointError> {
        let Some(site) = site else { return Ok(()) };
        let sql = "SELECT id FROM sites WHERE id = $1 AND organisation_id = $2";
        let values = vec![site.as_str().into(), organisation.as_str().into()];
        if self.db.query(sql, values).await?.is_empty() {
            return Err(ChargePointError::UnknownSite);
        }
        Ok(())
    }

    async fn own_direct(
        &self,
        organisation: &OrganisationId,
        id: &ChargePointId,
    ) -> Result<(), ChargePointError> {
        let found = self.find(id).await?;
        match found.filter(|found| found.organisation == *organisation) {
            Some(ChargePoint {
                gateway: Some(gateway),
                ..
            }) => Err(ChargePointError::BehindGateway(gateway)),
            Some(_) => Ok(()),
            None => Err(ChargePointError::Unknown),
        }
    }

    async fn show(&self, id: &ChargePointId) -> Result<(), DbError> {
        for registration in crate::fleet::registrations(&self.db, Some(id)).await? {
            let organisation = registration.organisation.clone();
            let update = crate::fleet::Update::Registered(registration);
            self.fleet.apply(&organisation, vec![update]);
        }
        Ok(())
    }
}

fn compare(expected: Option<&[u8]>, shown: &[u8; 32]) -> Result<(), String> {
    if expected.is_some_and(|expected| equal_in_constant_time(expected, shown)) {
        return Ok(());
    }
    Err(
        "its credential is missing or wrong; a new password comes from POST /api/v1/chargepoints/{id}/provisioning-password"
            .to_owned(),
    )
}

fn judge_certificate(
    id: &ChargePointId,
    kept: &store::Kept,
    shown: &Result<Subject, String>,
) -> Result<(), String> {
    let subject = shown.as_ref().map_err(String::clone)?;
    if kept.is_shut_out() {
        return Err("its gateway was revoked".to_owned());
    }
    subject.check(Whose {
        charge_point: id,
        organisation: &kept.admitted.organisation,
        name: &kept.organisation_name,
    })
}

/// `None` where it is not an even number of hexadecimal digits.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|letter| letter.to_digit(16)).collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    let bytes = pairs.map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok());
    bytes.collect::<Option<Vec<u8>>>().filter(|_| whole)
}
